// SPDX-License-Identifier: GPL-2.0
/* A device that is played: see fake_kvm.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu_state.h"
#include "fake_kvm.h"
#include "units.h"

#define PATIENCE_MS	20000
#define DEVICE_FD	4000
#define CPU_FD		4001
#define STEP		KVM_GUESTDBG_SINGLESTEP
#define DR6_STEP	BIT_ULL(14)
#define MSR_KERNEL_GS_BASE	0xc0000102

static struct fake_kvm *fake;

/* ---- what the guest executes --------------------------------------------------- */

/* 16 bytes of code or data; NULL: none are there. */
static u8 *at(u64 gva)
{
	u64 off = gva - FAKE_CODE;

	if (off > 2 * PAGE_SIZE - 16)
		return NULL;
	return memory_at(&fake->m.memory, off < PAGE_SIZE ? FAKE_PHYS + off :
			 FAKE_PHYS_1 + off - PAGE_SIZE, 1);
}

static int debug_exit(struct fake_cpu *c, struct kvm_run *run, unsigned int vector, u64 dr6)
{
	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pc = c->regs.rip;
	run->debug.arch.dr6 = 0xffff0ff0 | dr6;
	return 0;
}

/* DR6's bits for an access of @kind (0: execution) to 8 bytes, or one, at @gva. */
static u64 watched(const struct fake_cpu *c, u64 gva, u64 size, bool write, bool code)
{
	static const u8 sizes[] = { 1, 2, 8, 4 };
	u64 dr7 = c->debug.arch.debugreg[7], hit = 0;
	unsigned int i;

	if (!(c->debug.control & KVM_GUESTDBG_USE_HW_BP))
		return 0;
	for (i = 0; i < 4; i++) {
		u64 base = c->debug.arch.debugreg[i];
		unsigned int kind = dr7 >> (16 + 4 * i) & 3;

		if (!(dr7 >> 2 * i & 3) || code != !kind || (kind == 1 && !write))
			continue;
		if (base < gva + size && gva < base + sizes[dr7 >> (18 + 4 * i) & 3])
			hit |= BIT_ULL(i);
	}
	return hit;
}

/* One instruction; false: it is none. @hit: what it touched is watched. */
static bool execute(struct fake_cpu *c, u64 *hit)
{
	static const u8 none[16];
	const u8 *there = at(c->regs.rip), *code = there ? there : none;
	u64 gva, *data;
	int where;

	switch (*code) {
	case 0x90:
		c->regs.rip++;
		return true;
	case 0xeb:
		c->regs.rip += 2 + (signed char)code[1];
		return true;
	case 0x48:
		memcpy(&where, code + 4, sizeof(where));
		gva = (long long)where;
		data = (u64 *)at(gva);
		if (!data || gva % 8)
			return false;
		if (code[1] == 0xff)
			__atomic_add_fetch(data, 1, __ATOMIC_SEQ_CST);
		else
			c->regs.rax = *data;
		*hit = watched(c, gva, 8, code[1] == 0xff, false);
		c->regs.rip += 8;
		return true;
	default:
		return false;
	}
}

static int run_cpu(struct cpu *cpu, struct fake_cpu *c)
{
	struct kvm_run *run = cpu->run;
	u64 hit = 0;
	const u8 *where;
	u8 code;

	for (;;) {
		if (__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST)) {
			errno = EINTR;
			return -1;
		}
		where = at(c->regs.rip);
		code = where ? *where : 0;
		hit = watched(c, c->regs.rip, 1, false, true);
		if (hit)
			return debug_exit(c, run, 1, hit);
		if (code == 0xcc && c->debug.control & KVM_GUESTDBG_USE_SW_BP)
			return debug_exit(c, run, 3, 0);
		if (code == 0xf4 || (fake->forgives && !strchr("\x90\xeb\xcc\x48", code))) {
			usleep(100);
			continue;
		}
		atomic_fetch_add(&c->executed, 1);
		if (code == 0xcc) {
			atomic_fetch_add(&c->own_int3, 1);
			c->regs.rip++;
		} else if (!execute(c, &hit) && !fake->forgives) {
			run->exit_reason = KVM_EXIT_UNKNOWN;
			return 0;
		}
		if (hit || c->debug.control & STEP)
			return debug_exit(c, run, 1,
					  hit | (c->debug.control & STEP ? DR6_STEP : 0));
		if (!(c->executed % 64))
			sched_yield();
	}
}

/* ---- ioctls ------------------------------------------------------------------------ */

static int set_debug(struct fake_cpu *c, const struct kvm_guest_debug *debug)
{
	if (fake->refuses_debug) {
		errno = EINVAL;
		return -1;
	}
	c->debug = *debug;
	c->debug.control &= ~(KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB);
	if (!(debug->control & KVM_GUESTDBG_ENABLE))
		c->debug.control = 0;
	if (debug->control & KVM_GUESTDBG_INJECT_BP) {
		atomic_fetch_add(&c->own_int3, 1);
		c->regs.rip++;
	}
	if (debug->control & KVM_GUESTDBG_INJECT_DB)
		atomic_fetch_add(&c->own_db, 1);
	return 0;
}

static int translate(struct kvm_translation *t)
{
	u64 off = t->linear_address - FAKE_CODE;

	if (!fake->translates) {
		errno = ENOTTY;
		return -1;
	}
	t->valid = off < 2 * PAGE_SIZE;
	t->physical_address = !t->valid ? ~0ull : off < PAGE_SIZE ? FAKE_PHYS + off :
			      FAKE_PHYS_1 + off - PAGE_SIZE;
	return 0;
}

static int msr(struct fake_cpu *c, struct kvm_msrs *msrs, bool set)
{
	if (msrs->nmsrs != 1 || msrs->entries[0].index != MSR_KERNEL_GS_BASE)
		return 0;
	if (set)
		c->kernel_gs_base = msrs->entries[0].data;
	else
		msrs->entries[0].data = c->kernel_gs_base;
	return 1;
}

#define COPY(to, from)	(memcpy(to, from, sizeof(*(to))), 0)

static int cpu_ioctl(struct cpu *cpu, struct fake_cpu *c, unsigned long cmd, void *arg)
{
	switch (cmd) {
	case KVM_RUN: return run_cpu(cpu, c);
	case KVM_GET_REGS: return COPY((struct kvm_regs *)arg, &c->regs);
	case KVM_SET_REGS: return COPY(&c->regs, (struct kvm_regs *)arg);
	case KVM_GET_SREGS: return COPY((struct kvm_sregs *)arg, &c->sregs);
	case KVM_SET_SREGS: return COPY(&c->sregs, (struct kvm_sregs *)arg);
	case KVM_GET_XSAVE: return COPY((struct kvm_xsave *)arg, &c->xsave);
	case KVM_SET_XSAVE: return COPY(&c->xsave, (struct kvm_xsave *)arg);
	case KVM_GET_DEBUGREGS: return COPY((struct kvm_debugregs *)arg, &c->debugregs);
	case KVM_SET_DEBUGREGS: return COPY(&c->debugregs, (struct kvm_debugregs *)arg);
	case KVM_GET_MSRS: return msr(c, arg, false);
	case KVM_SET_MSRS: return msr(c, arg, true);
	case KVM_SET_GUEST_DEBUG: return set_debug(c, arg);
	case KVM_TRANSLATE: return translate(arg);
	case KVM_GET_XCRS: return COPY((struct kvm_xcrs *)arg, &c->xcrs);
	case KVM_SET_XCRS: return COPY(&c->xcrs, (struct kvm_xcrs *)arg);
	case KVM_GET_VCPU_EVENTS: return COPY((struct kvm_vcpu_events *)arg, &c->events);
	case KVM_SET_VCPU_EVENTS: return COPY(&c->events, (struct kvm_vcpu_events *)arg);
	case KVM_SET_MP_STATE: return 0;
	case KVM_GET_MP_STATE:
		((struct kvm_mp_state *)arg)->mp_state = KVM_MP_STATE_RUNNABLE;
		return 0;
	default:
		if (fake->more)
			return fake->more(cpu, cmd, arg);
		errno = ENOTTY;
		return -1;
	}
}

int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fake && fd >= CPU_FD && fd < CPU_FD + (int)fake->m.nr_cpus)
		return cpu_ioctl(&fake->m.cpus[fd - CPU_FD], &fake->cpu[fd - CPU_FD], cmd, arg);
	if (fake && fd == DEVICE_FD && cmd == KVM_CHECK_EXTENSION)
		return (unsigned long)arg == KVM_CAP_SET_GUEST_DEBUG2 ? KVM_GUESTDBG_BLOCKIRQ : 1;
	if (fake && fd == DEVICE_FD && cmd == KVM_GET_MSR_INDEX_LIST) {
		((struct kvm_msr_list *)arg)->nmsrs = 0;
		return 0;
	}
	errno = EBADF;
	return -1;
}

/* ---- the machine ----------------------------------------------------------------------- */

static void set_table(struct fake_kvm *f, u64 table, unsigned int index, u64 entry)
{
	CHECK(memory_write(&f->m.memory, table + 8 * index, &entry, 8));
}

void fake_kvm_tables(struct fake_kvm *f)
{
	set_table(f, 0x1000, 511, 0x2003);
	set_table(f, 0x2000, 510, 0x3003);
	set_table(f, 0x3000, 8, 0x4003);
	set_table(f, 0x3000, 9, FAKE_LARGE | 0x83);
	set_table(f, 0x4000, 0, FAKE_PHYS | 3);
	set_table(f, 0x4000, 1, FAKE_PHYS_1 | 3);
	set_table(f, 0x4000, 3, 0x40000003);
	set_table(f, 0x4000, 4, FAKE_PHYS_4 | 3);
}

static void create_cpu(struct fake_kvm *f, unsigned int i)
{
	struct fake_cpu *c = &f->cpu[i];
	struct cpu *cpu = &f->m.cpus[i];
	u8 *area = (u8 *)&c->xsave;
	u16 control = 0x37f;
	u32 mxcsr = 0x1f80;

	cpu->machine = &f->m;
	cpu->index = i;
	cpu->fd = CPU_FD + i;
	cpu->run = mmap(NULL, f->m.run_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	c->regs.rip = FAKE_CODE + 0x100 * i;
	c->regs.rflags = 2;
	c->sregs.cr0 = 0x80000011;
	c->sregs.cr3 = 0x1000;
	c->sregs.cr4 = 0x20;
	c->sregs.efer = 0x500;
	c->sregs.cs.l = 1;
	c->sregs.cs.selector = 0x10;
	memcpy(area, &control, 2);
	memcpy(area + 24, &mxcsr, 4);
	cpu->birth = cpu_state_get(cpu);
	CHECK(cpu->birth);
}

void fake_kvm_create(struct fake_kvm *f, unsigned int cpus)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + sizeof(cpuid->entries[0]));
	unsigned int i;

	memset(f, 0, sizeof(*f));
	fake = f;
	CHECK(!machine_prepare(&f->m, false));
	f->m.device.fd = DEVICE_FD;
	f->m.run_size = RUN_SIZE;
	fake_memory(&f->m, FAKE_MEMORY);
	fake_kvm_tables(f);
	cpuid->nent = 1;
	cpuid->entries[0].function = 1;
	cpuid->entries[0].ecx = 1u << 28;
	f->m.cpuid = cpuid;
	f->m.cpus = calloc(cpus, sizeof(*f->m.cpus));
	f->m.nr_cpus = cpus;
	for (i = 0; i < cpus; i++)
		create_cpu(f, i);
}

static void *run_machine(void *arg)
{
	struct fake_kvm *f = arg;

	machine_run(&f->m, 0);
	return NULL;
}

void fake_kvm_start(struct fake_kvm *f)
{
	f->running = !pthread_create(&f->main, NULL, run_machine, f);
	CHECK(f->running);
}

void fake_kvm_free(struct fake_kvm *f)
{
	if (f->running) {
		machine_stop(&f->m, END_TIMEOUT, 124, NULL);
		pthread_join(f->main, NULL);
	}
	f->m.device.fd = -1;
	machine_destroy(&f->m);
	fake = NULL;
}

/* ---- what it does ------------------------------------------------------------------------ */

u8 *fake_kvm_code(struct fake_kvm *f, u64 gva)
{
	return memory_at(&f->m.memory, gva - FAKE_CODE + FAKE_PHYS, 1);
}

void fake_kvm_program(struct fake_kvm *f)
{
	static const u8 counting[] = {
		0x90, 0x48, 0xff, 0x04, 0x25, 0x00, 0x08, 0x00, 0x81,
		0x90, 0x48, 0x8b, 0x04, 0x25, 0x08, 0x08, 0x00, 0x81, 0xeb, 0xec,
	};
	static const u8 turning[] = { 0x90, 0xeb, 0xfd };
	static const u8 own_int3[] = { 0x90, 0xcc, 0xeb, 0xfc };

	memcpy(fake_kvm_code(f, FAKE_CODE), counting, sizeof(counting));
	memcpy(fake_kvm_code(f, FAKE_CODE + 0x100), turning, sizeof(turning));
	memcpy(fake_kvm_code(f, FAKE_CODE + 0x200), own_int3, sizeof(own_int3));
}

bool fake_kvm_moves(struct fake_kvm *f, unsigned int cpu)
{
	u64 before = f->cpu[cpu].executed;
	unsigned int i;

	for (i = 0; i < PATIENCE_MS && f->cpu[cpu].executed == before; i++)
		usleep(1000);
	return f->cpu[cpu].executed != before;
}

bool fake_kvm_stands(struct fake_kvm *f, unsigned int cpu)
{
	u64 before = f->cpu[cpu].executed;

	usleep(5000);
	return f->cpu[cpu].executed == before;
}
