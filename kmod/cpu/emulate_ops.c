// SPDX-License-Identifier: GPL-2.0
/*
 * emulate_ops.c - the kernel's side of the emulator: the vCPU's registers in
 * and out, guest memory by its page tables, ports and MMIO by user space.
 *
 * An instruction that reads from a device cannot wait for user space in the
 * middle.  It stops with nothing changed, and is run again from its decoded
 * form when the answer is there; answers are kept in the order in which they
 * were asked for.  Writes to devices are collected and sent when the
 * instruction is complete.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../lodge.h"
#include "../io/bus.h"
#include "../irq/lapic.h"
#include "../mem/gva.h"
#include "../mem/slots.h"
#include "../trace.h"
#include "../vmx/inject.h"
#include "../vmx/regs.h"
#include "emulate.h"
#include "emulate_ops.h"
#include "fpu.h"

/* Iterations of a string instruction in one go, before interrupts get a look. */
#define REP_BATCH	64

static struct lodge_vcpu *vcpu_of(struct emu_ctx *ctx)
{
	return ctx->opaque;
}

static enum emu_status no_memory(struct lodge_vcpu *vcpu)
{
	vcpu->emu_no_memory = true;
	return EMU_UNHANDLED;
}

static enum emu_status page_fault(struct emu_ctx *ctx, u64 linear, u32 error)
{
	ctx->fault = (struct emu_fault) {
		.vector = X86_TRAP_PF, .has_error = true, .error = error,
		.has_cr2 = true, .cr2 = linear,
	};
	return EMU_FAULT;
}

/* The CPU has been there, with these rights: no need to walk the tables again. */
static bool is_known(const struct lodge_vcpu *vcpu, u64 linear, u32 want)
{
	return vcpu->emu_known.valid && (linear & PAGE_MASK) == vcpu->emu_known.linear &&
	       !(want & PF_FETCH) && (!(want & PF_WRITE) || vcpu->emu_known.write);
}

/* Nor the slots, if they had none for it when the CPU was there. */
static bool is_known_device(const struct lodge_vcpu *vcpu, gpa_t gpa)
{
	return vcpu->emu_known.valid && vcpu->emu_known.device &&
	       (gpa & PAGE_MASK) == vcpu->emu_known.gpa;
}

static enum emu_status translate(struct emu_ctx *ctx, u64 linear, u32 want, gpa_t *gpa)
{
	struct lodge_vcpu *vcpu = vcpu_of(ctx);
	u32 error = 0;

	if (is_known(vcpu, linear, want)) {
		*gpa = vcpu->emu_known.gpa | offset_in_page(linear);
		return EMU_OK;
	}
	if (ctx->cpl == 3)
		want |= PF_USER;
	switch (gva_translate(vcpu, linear, want, gpa, &error)) {
	case GVA_OK:
		return EMU_OK;
	case GVA_FAULT:
		return page_fault(ctx, linear, error);
	case GVA_RACE:
		vcpu->emu_race = true;
		return EMU_UNHANDLED;
	default:
		return no_memory(vcpu);
	}
}

/* An access in pieces that cross no page, translated before any is carried out. */
struct piece {
	gpa_t gpa;
	unsigned int len;
};

static enum emu_status split(struct emu_ctx *ctx, u64 linear, unsigned int len, u32 want,
			     struct piece piece[2])
{
	enum emu_status st;

	piece[0].len = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(linear));
	piece[1].len = len - piece[0].len;
	st = translate(ctx, linear, want, &piece[0].gpa);
	if (st == EMU_OK && piece[1].len)
		st = translate(ctx, linear + piece[0].len, want, &piece[1].gpa);
	return st;
}

static enum emu_status op_fetch(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len)
{
	struct piece piece[2];
	enum emu_status st = split(ctx, linear, len, PF_FETCH, piece);
	int i;

	for (i = 0; st == EMU_OK && i < 2 && piece[i].len; i++) {
		switch (mem_read(vcpu_of(ctx)->vm, piece[i].gpa, buf, piece[i].len)) {
		case MEM_OK:
			break;
		case MEM_NO_SLOT:	/* code in a device: nobody can want that */
			return EMU_UNHANDLED;
		default:
			return no_memory(vcpu_of(ctx));
		}
		buf += piece[i].len;
	}
	return st;
}

/* One device access: at most eight bytes. */
static enum emu_status mmio_read(struct lodge_vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len)
{
	struct lodge_mmio *r = &vcpu->mmio_read[vcpu->mmio_cursor];

	if (vcpu->mmio_cursor < vcpu->mmio_reads && r->gpa == gpa && r->len == len) {
		memcpy(buf, r->data, len);
		vcpu->mmio_cursor++;
		return EMU_OK;
	}
	if (vcpu->mmio_cursor == LODGE_MMIO_MAX)
		return EMU_UNHANDLED;
	/* what follows an access that was not the expected one is void */
	vcpu->mmio_reads = vcpu->mmio_cursor;
	r->gpa = gpa;
	r->len = len;
	if (!lapic_mmio_read(vcpu, gpa, r->data, len) &&
	    !bus_read(vcpu, IO_MEMORY, gpa, r->data, len))
		return EMU_STOP;
	/* kept like an answer of user space's: reading may have changed the device */
	memcpy(buf, r->data, len);
	vcpu->mmio_reads++;
	vcpu->mmio_cursor++;
	return EMU_OK;
}

static enum emu_status read_piece(struct lodge_vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len)
{
	enum emu_status st = EMU_OK;
	unsigned int n;

	switch (is_known_device(vcpu, gpa) ? MEM_NO_SLOT : mem_read(vcpu->vm, gpa, buf, len)) {
	case MEM_OK:
		return EMU_OK;
	case MEM_FAULT:
		return no_memory(vcpu);
	case MEM_NO_SLOT:
		break;
	}
	for (; len && st == EMU_OK; gpa += n, buf += n, len -= n) {
		n = min(len, 8u);
		st = mmio_read(vcpu, gpa, buf, n);
	}
	return st;
}

static enum emu_status op_read(struct emu_ctx *ctx, u64 linear, void *buf, unsigned int len,
			       bool write_intent)
{
	struct piece piece[2];
	enum emu_status st = split(ctx, linear, len, write_intent ? PF_WRITE : 0, piece);
	int i;

	for (i = 0; st == EMU_OK && i < 2 && piece[i].len; i++) {
		st = read_piece(vcpu_of(ctx), piece[i].gpa, buf, piece[i].len);
		buf += piece[i].len;
	}
	return st;
}

static enum emu_status mmio_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
				  unsigned int len)
{
	struct lodge_mmio *w;

	if (lapic_mmio_write(vcpu, gpa, buf, len) || bus_write(vcpu, IO_MEMORY, gpa, buf, len))
		return EMU_OK;
	if (vcpu->mmio_writes == LODGE_MMIO_MAX)
		return EMU_UNHANDLED;
	w = &vcpu->mmio_write[vcpu->mmio_writes];
	w->gpa = gpa;
	w->len = len;
	memcpy(w->data, buf, len);
	vcpu->mmio_writes++;
	return EMU_OK;
}

static enum emu_status write_piece(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
				   unsigned int len)
{
	enum emu_status st = EMU_OK;
	unsigned int n;

	switch (is_known_device(vcpu, gpa) ? MEM_NO_SLOT : mem_write(vcpu, gpa, buf, len)) {
	case MEM_OK:
		return EMU_OK;
	case MEM_FAULT:
		return no_memory(vcpu);
	case MEM_NO_SLOT:
		break;
	}
	for (; len && st == EMU_OK; gpa += n, buf += n, len -= n) {
		n = min(len, 8u);
		st = mmio_write(vcpu, gpa, buf, n);
	}
	return st;
}

static enum emu_status op_write(struct emu_ctx *ctx, u64 linear, const void *buf,
				unsigned int len)
{
	struct piece piece[2];
	enum emu_status st = split(ctx, linear, len, PF_WRITE, piece);
	int i;

	for (i = 0; st == EMU_OK && i < 2 && piece[i].len; i++) {
		st = write_piece(vcpu_of(ctx), piece[i].gpa, buf, piece[i].len);
		buf += piece[i].len;
	}
	return st;
}

/*
 * Locked instructions are atomic in memory where the CPU would lock one cache
 * line's worth; a device, or an operand across pages, sees a plain write.
 */
static enum emu_status op_cmpxchg(struct emu_ctx *ctx, u64 linear, const void *old,
				  const void *new, unsigned int len, bool *swapped)
{
	u64 before = 0, after = 0, found;
	enum emu_status st;
	gpa_t gpa;

	*swapped = true;
	if (len > 8 || (linear & (len - 1)))
		return op_write(ctx, linear, new, len);
	st = translate(ctx, linear, PF_WRITE, &gpa);
	if (st != EMU_OK)
		return st;
	memcpy(&before, old, len);
	memcpy(&after, new, len);
	found = before;
	switch (mem_cmpxchg(vcpu_of(ctx), gpa, &found, after, len)) {
	case MEM_OK:
		*swapped = found == before;
		return EMU_OK;
	case MEM_NO_SLOT:
		return mmio_write(vcpu_of(ctx), gpa, new, len);
	default:
		return no_memory(vcpu_of(ctx));
	}
}

static enum emu_status op_probe(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
				bool *plain)
{
	struct piece piece[2];
	enum emu_status st = split(ctx, linear, len, write ? PF_WRITE : 0, piece);
	int i;

	*plain = true;
	for (i = 0; st == EMU_OK && i < 2 && piece[i].len; i++)
		*plain &= mem_is_ram(vcpu_of(ctx)->vm, piece[i].gpa, write);
	return st;
}

static bool kernel_pio_in(struct lodge_vcpu *vcpu, u16 port, unsigned int size, void *buf,
			  unsigned int count)
{
	unsigned int i;

	if (!bus_read(vcpu, IO_PORTS, port, buf, size))
		return false;
	for (i = 1; i < count; i++)
		/* a device that goes in the middle leaves an empty bus */
		if (!bus_read(vcpu, IO_PORTS, port, buf + i * size, size))
			memset(buf + i * size, 0xff, size);
	return true;
}

static enum emu_status op_pio_in(struct emu_ctx *ctx, u16 port, unsigned int size, void *buf,
				 unsigned int count)
{
	struct lodge_vcpu *vcpu = vcpu_of(ctx);

	if (!vcpu->pio.ready) {
		if (kernel_pio_in(vcpu, port, size, buf, count))
			return EMU_OK;
		vcpu->pio.in = true;
		vcpu->pio.port = port;
		vcpu->pio.size = size;
		vcpu->pio.count = count;
		vcpu->pio.wanted = true;
		return EMU_STOP;
	}
	/* user space can write there at any time: one copy, into our own buffer */
	memcpy(buf, vcpu->pio_data, size * count);
	return EMU_OK;
}

static enum emu_status op_pio_out(struct emu_ctx *ctx, u16 port, unsigned int size,
				  const void *buf, unsigned int count)
{
	struct lodge_vcpu *vcpu = vcpu_of(ctx);

	/* from the first that the kernel does not serve, all go to user space */
	for (; count && bus_write(vcpu, IO_PORTS, port, buf, size); count--)
		buf += size;
	if (!count)
		return EMU_OK;
	vcpu->pio.in = false;
	vcpu->pio.port = port;
	vcpu->pio.size = size;
	vcpu->pio.count = count;
	vcpu->pio.wanted = true;
	memcpy(vcpu->pio_data, buf, size * count);
	return EMU_OK;
}

/* XCR0 can have it only where the host has: AVX is no good for the rest. */
static bool has_vector(struct emu_ctx *ctx, unsigned int bytes)
{
	return bytes == 16 || (vcpu_of(ctx)->xcr0 & XFEATURE_MASK_YMM);
}

static enum emu_status op_read_xmm(struct emu_ctx *ctx, unsigned int reg, void *buf,
				   unsigned int bytes)
{
	if (!has_vector(ctx, bytes))
		return EMU_UNHANDLED;
	fpu_read_vector(reg, buf, bytes);
	return EMU_OK;
}

static enum emu_status op_write_xmm(struct emu_ctx *ctx, unsigned int reg, const void *buf,
				    unsigned int bytes)
{
	if (!has_vector(ctx, bytes))
		return EMU_UNHANDLED;
	fpu_write_vector(reg, buf, bytes);
	return EMU_OK;
}

static const struct emu_ops ops = {
	.fetch = op_fetch,
	.read = op_read,
	.write = op_write,
	.cmpxchg = op_cmpxchg,
	.probe = op_probe,
	.pio_in = op_pio_in,
	.pio_out = op_pio_out,
	.read_xmm = op_read_xmm,
	.write_xmm = op_write_xmm,
};

int emulate_alloc(struct lodge_vcpu *vcpu)
{
	vcpu->emu = kzalloc(sizeof(*vcpu->emu), GFP_KERNEL_ACCOUNT);
	return vcpu->emu ? 0 : -ENOMEM;
}

void emulate_free(struct lodge_vcpu *vcpu)
{
	kfree(vcpu->emu);
}

/* Also once user space has answered: it may have changed them meanwhile. */
static void load_gprs(struct lodge_vcpu *vcpu)
{
	struct emu_ctx *ctx = vcpu->emu;

	BUILD_BUG_ON(sizeof(ctx->gpr) != sizeof(vcpu->regs));
	regs_rsp(vcpu);			/* is among them now */
	memcpy(ctx->gpr, vcpu->regs, sizeof(ctx->gpr));
	ctx->gpr_dirty = 0;
	ctx->rflags = regs_rflags(vcpu);
}

/* In 64-bit mode a segment is its base, if that: vol. 1 3.4.4. */
static void load_segments(struct lodge_vcpu *vcpu, struct emu_ctx *ctx)
{
	int i;

	ctx->seg[EMU_CS].ar = regs_segment_ar(SEG_CS);
	ctx->seg[EMU_SS].ar = regs_segment_ar(SEG_SS);
	if ((ctx->efer & EFER_LMA) && (ctx->seg[EMU_CS].ar & VMX_AR_L_MASK)) {
		ctx->seg[EMU_FS].base = regs_segment_base(SEG_FS);
		ctx->seg[EMU_GS].base = regs_segment_base(SEG_GS);
		return;
	}
	for (i = SEG_ES; i <= SEG_GS; i++) {
		ctx->seg[i].base = regs_segment_base(i);
		ctx->seg[i].limit = regs_segment_limit(i);
		ctx->seg[i].ar = regs_segment_ar(i);
		ctx->seg[i].selector = regs_segment_selector(i);
	}
}

static void load_ctx(struct lodge_vcpu *vcpu)
{
	const size_t from = offsetof(struct emu_ctx, fault);
	struct emu_ctx *ctx = vcpu->emu;

	memset((void *)ctx + from, 0, offsetof(struct emu_ctx, io) - from);
	load_gprs(vcpu);
	ctx->rip = regs_rip(vcpu);
	ctx->efer = vcpu->efer;
	load_segments(vcpu, ctx);
	ctx->cr0 = regs_cr0(vcpu);
	ctx->cr4 = regs_cr4(vcpu);
	ctx->cpl = (ctx->rflags & X86_EFLAGS_VM) ? 3 : VMX_AR_DPL(ctx->seg[EMU_SS].ar);
	ctx->has_tzcnt = boot_cpu_has(X86_FEATURE_BMI1);
	ctx->has_lzcnt = boot_cpu_has(X86_FEATURE_ABM);
	ctx->ops = &ops;
	ctx->opaque = vcpu;
}

static void store_ctx(struct lodge_vcpu *vcpu, bool finished)
{
	struct emu_ctx *ctx = vcpu->emu;
	int i;

	for (i = 0; ctx->gpr_dirty; i++, ctx->gpr_dirty >>= 1)
		if (ctx->gpr_dirty & 1)
			regs_set_gpr(vcpu, i, ctx->gpr[i]);
	if (ctx->rflags != regs_rflags(vcpu))
		regs_set_rflags(vcpu, ctx->rflags);
	if (finished) {
		regs_set_rip(vcpu, ctx->rip);
		regs_insn_done(vcpu);
	}
}

static void queue_fault(struct lodge_vcpu *vcpu, const struct emu_fault *f)
{
	if (f->has_cr2)
		inject_page_fault(vcpu, f->error, f->cr2);
	else if (f->has_error)
		inject_exception_error(vcpu, f->vector, f->error);
	else
		inject_exception(vcpu, f->vector);
}

static void announce_pio(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vcpu->pio.wanted = false;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = vcpu->pio.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = vcpu->pio.size;
	run->io.port = vcpu->pio.port;
	run->io.count = vcpu->pio.count;
	run->io.data_offset = PAGE_SIZE;
}

/* Little-endian, as the guest's. */
static u64 trace_value(const struct lodge_mmio *m)
{
	u64 value = 0;

	memcpy(&value, m->data, m->len);
	return value;
}

static void announce_mmio(struct lodge_vcpu *vcpu, const struct lodge_mmio *m, bool write)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = m->gpa;
	run->mmio.len = m->len;
	run->mmio.is_write = write;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (write)
		memcpy(run->mmio.data, m->data, m->len);
	trace_lodge_mmio(write ? 2 : 0, m->len, m->gpa, write ? trace_value(m) : 0);
}

enum emulate_result emulate_next_write(struct lodge_vcpu *vcpu)
{
	if (vcpu->pio.wanted) {
		announce_pio(vcpu);
		return EMULATE_WRITE;
	}
	if (vcpu->mmio_sent < vcpu->mmio_writes) {
		announce_mmio(vcpu, &vcpu->mmio_write[vcpu->mmio_sent++], true);
		return EMULATE_WRITE;
	}
	return EMULATE_DONE;
}

/* A new instruction, or the next iteration of one, has asked for nothing yet. */
static void forget_io(struct lodge_vcpu *vcpu)
{
	vcpu->mmio_reads = 0;
	vcpu->mmio_writes = 0;
	vcpu->mmio_sent = 0;
	vcpu->pio.ready = false;
	vcpu->pio.wanted = false;
	vcpu->emu->io_ready = 0;
	/* user space, asked meanwhile, may have put memory there */
	vcpu->emu_known.device = false;
}

static enum emulate_result cannot(struct lodge_vcpu *vcpu)
{
	if (vcpu->emu_no_memory)
		return EMULATE_NO_MEMORY;
	/* its page tables changed under us: the guest tries again */
	return vcpu->emu_race ? EMULATE_DONE : EMULATE_CANNOT;
}

static enum emulate_result ask_for_data(struct lodge_vcpu *vcpu)
{
	vcpu->pio.asked = vcpu->pio.wanted;
	if (vcpu->pio.asked)
		announce_pio(vcpu);
	else
		announce_mmio(vcpu, &vcpu->mmio_read[vcpu->mmio_reads], false);
	return EMULATE_READ;
}

static enum emulate_result execute(struct lodge_vcpu *vcpu)
{
	enum emu_status st = EMU_REP;
	int i;

	for (i = 0; i < REP_BATCH && st == EMU_REP; i++) {
		vcpu->mmio_cursor = 0;
		st = emu_execute(vcpu->emu);
		if (st == EMU_STOP)
			return ask_for_data(vcpu);
		if (st != EMU_OK && st != EMU_REP)
			break;
		store_ctx(vcpu, st == EMU_OK);
		if (vcpu->pio.wanted || vcpu->mmio_writes)
			return emulate_next_write(vcpu);
		forget_io(vcpu);
		if (signal_pending(current) || need_resched())
			break;
	}
	switch (st) {
	case EMU_FAULT:
		queue_fault(vcpu, &vcpu->emu->fault);
		return EMULATE_DONE;
	case EMU_UNHANDLED:
		return cannot(vcpu);
	default:
		return EMULATE_DONE;
	}
}

static void begin(struct lodge_vcpu *vcpu)
{
	vcpu->stats.emulated++;
	vcpu->l1d_used = true;
	forget_io(vcpu);
	vcpu->emu_no_memory = false;
	vcpu->emu_race = false;
	vcpu->emu_known.valid = false;
	load_ctx(vcpu);
}

static enum emulate_result emulate(struct lodge_vcpu *vcpu)
{
	enum emu_status st;

	st = emu_decode(vcpu->emu);
	trace_lodge_emulate_insn(vcpu->emu->rip, vcpu->emu->insn, vcpu->emu->insn_len,
				 st != EMU_OK);
	switch (st) {
	case EMU_OK:
		return execute(vcpu);
	case EMU_FAULT:
		queue_fault(vcpu, &vcpu->emu->fault);
		return EMULATE_DONE;
	default:
		return cannot(vcpu);
	}
}

enum emulate_result emulate_insn(struct lodge_vcpu *vcpu)
{
	begin(vcpu);
	return emulate(vcpu);
}

/* Bits 7 and 8 of the qualification: that is what GUEST_LINEAR_ADDRESS led to. */
enum emulate_result emulate_access(struct lodge_vcpu *vcpu, gpa_t gpa, bool device)
{
	u64 both = EPT_VIOLATION_GVA_IS_VALID | EPT_VIOLATION_GVA_TRANSLATED;

	begin(vcpu);
	vcpu->emu_known.valid = (vcpu->exit_qual & both) == both;
	if (vcpu->emu_known.valid) {
		vcpu->emu_known.linear = vmreadl(GUEST_LINEAR_ADDRESS) & PAGE_MASK;
		vcpu->emu_known.gpa = gpa & PAGE_MASK;
		vcpu->emu_known.write = vcpu->exit_qual & EPT_VIOLATION_ACC_WRITE;
		vcpu->emu_known.device = device;
	}
	return emulate(vcpu);
}

enum emulate_result emulate_again(struct lodge_vcpu *vcpu)
{
	struct lodge_mmio *r = &vcpu->mmio_read[vcpu->mmio_reads];

	load_gprs(vcpu);
	if (vcpu->pio.asked) {
		vcpu->pio.ready = true;
		vcpu->emu->io_ready = vcpu->pio.count;
	} else {
		/* the only look at what user space wrote */
		memcpy(r->data, vcpu->run->mmio.data, r->len);
		trace_lodge_mmio(1, r->len, r->gpa, trace_value(r));
		vcpu->mmio_reads++;
	}
	return execute(vcpu);
}

enum emulate_result emulate_fix_vmmcall(struct lodge_vcpu *vcpu)
{
	static const u8 vmmcall[] = { 0x0f, 0x01, 0xd9 }, vmcall[] = { 0x0f, 0x01, 0xc1 };
	u64 rip = regs_linear_rip(vcpu);
	u8 insn[sizeof(vmmcall)];
	enum emu_status st;

	begin(vcpu);
	if (op_fetch(vcpu->emu, rip, insn, sizeof(insn)) != EMU_OK ||
	    memcmp(insn, vmmcall, sizeof(insn)))
		return EMULATE_CANNOT;
	/* as the guest itself would write there */
	st = op_write(vcpu->emu, rip, vmcall, sizeof(vmcall));
	if (st == EMU_FAULT)
		queue_fault(vcpu, &vcpu->emu->fault);
	else if (st != EMU_OK)
		return cannot(vcpu);
	/* code in memory that is read-only for the guest stays as it is */
	return vcpu->mmio_writes ? EMULATE_CANNOT : EMULATE_DONE;
}
