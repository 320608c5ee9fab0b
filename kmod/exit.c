// SPDX-License-Identifier: GPL-2.0
/*
 * exit.c - the map of the house.  Every basic exit reason of the SDM (vol. 3D
 * appendix C) has a row in the table at the end: a handler, or a fate that the
 * row names.  A handler either leaves the guest ready to be entered again
 * (EXIT_RESUME), or fills in kvm_run (EXIT_TO_USER) and, if there is a second
 * half to do when user space comes back, leaves it in vcpu->complete.  This is
 * the only file that writes exit reasons into kvm_run, the emulator's I/O apart.
 */
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <asm/apicdef.h>
#include <uapi/linux/lodge.h>

#include "lodge.h"
#include "cpu/cpuid.h"
#include "cpu/cr.h"
#include "cpu/emulate.h"
#include "cpu/emulate_ops.h"
#include "cpu/hypercall.h"
#include "cpu/msr.h"
#include "entry_failure.h"
#include "exit.h"
#include "exit_priv.h"
#include "io/bus.h"
#include "irq/lapic.h"
#include "mem/fault.h"
#include "trace.h"
#include "vmx/inject.h"
#include "vmx/regs.h"
#include "vmx/vmcs.h"
#include "yield.h"

/* The second half runs only if the guest still stands where it was left. */
static int to_user(struct lodge_vcpu *vcpu, int (*complete)(struct lodge_vcpu *vcpu))
{
	vcpu->complete = complete;
	vcpu->complete_rip = regs_linear_rip(vcpu);
	return EXIT_TO_USER;
}

static bool moved_on(struct lodge_vcpu *vcpu)
{
	return regs_linear_rip(vcpu) != vcpu->complete_rip;
}

static int exit_resume(struct lodge_vcpu *vcpu)
{
	return EXIT_RESUME;
}

int exit_shutdown(struct lodge_vcpu *vcpu)
{
	vcpu->triple_fault = false;
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return EXIT_TO_USER;
}

int exit_ring_full(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return EXIT_TO_USER;
}

/* The IOAPIC is the client's, and waits for the end of what it sent. */
int exit_ioapic_eoi(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vcpu->eoi_exit;
	vcpu->eoi_exit = -1;
	return EXIT_TO_USER;
}

int exit_irq_window(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	return EXIT_TO_USER;
}

int exit_tpr_access(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vcpu->tpr_access.pending = false;
	run->exit_reason = KVM_EXIT_TPR_ACCESS;
	memset(&run->tpr_access, 0, sizeof(run->tpr_access));
	run->tpr_access.rip = vcpu->tpr_access.rip;
	run->tpr_access.is_write = vcpu->tpr_access.write;
	return EXIT_TO_USER;
}

/* A reason that lodge has not asked the CPU for. */
static noinline int exit_unexpected(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = vcpu->exit_reason;
	run->internal.data[1] = vcpu->last_cpu;
	return EXIT_TO_USER;
}

/*
 * The exit came while an event was being delivered, and cannot be undone.  The
 * event is given up, so that user space may load another state and go on.
 */
static int delivery_error(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_run *run = vcpu->run;

	vcpu->ex.injected = false;
	vcpu->nmi_injected = false;
	vcpu->irq_injected = false;
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 4;
	run->internal.data[0] = vcpu->idt_info;
	run->internal.data[1] = vcpu->exit_reason;
	run->internal.data[2] = vcpu->exit_qual;
	run->internal.data[3] = gpa;
	return EXIT_TO_USER;
}

static int emulation_error(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vcpu->stats.emulated_fail++;
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;	/* flags, and size with bytes in two */
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = vcpu->emu->insn_len;
	memcpy(run->emulation_failure.insn_bytes, vcpu->emu->insn, vcpu->emu->insn_len);
	return EXIT_TO_USER;
}

/*
 * Only the guest's kernel may stop its machine with an instruction that we
 * cannot carry out; a user program in it gets #UD.
 */
static int cannot_emulate(struct lodge_vcpu *vcpu)
{
	if (vcpu->emu->cpl == 0)
		return emulation_error(vcpu);
	inject_ud(vcpu);
	return EXIT_RESUME;
}

static int complete_emulated_read(struct lodge_vcpu *vcpu);

static int complete_emulated_write(struct lodge_vcpu *vcpu)
{
	if (emulate_next_write(vcpu) == EMULATE_DONE)
		return EXIT_RESUME;
	vcpu->complete = complete_emulated_write;
	return EXIT_TO_USER;
}

static int emulated(struct lodge_vcpu *vcpu, enum emulate_result res)
{
	switch (res) {
	case EMULATE_DONE:
		return EXIT_RESUME;
	case EMULATE_READ:
		return to_user(vcpu, complete_emulated_read);
	case EMULATE_WRITE:
		vcpu->complete = complete_emulated_write;
		return EXIT_TO_USER;
	case EMULATE_CANNOT:
		return cannot_emulate(vcpu);
	case EMULATE_NO_MEMORY:
		break;
	}
	return -EFAULT;
}

static int complete_emulated_read(struct lodge_vcpu *vcpu)
{
	return moved_on(vcpu) ? EXIT_RESUME : emulated(vcpu, emulate_again(vcpu));
}

/*
 * Bits 6:0 of an EPT violation's qualification tell the access: vol. 3C 27.2.1,
 * table 27-7.
 */
static int exit_ept_violation(struct lodge_vcpu *vcpu)
{
	struct ept_fault fault = {
		.gpa = vcpu->exit_gpa,
		.write = vcpu->exit_qual & EPT_VIOLATION_ACC_WRITE,
		.exec = vcpu->exit_qual & EPT_VIOLATION_ACC_INSTR,
	};
	int ret;

	if (trace_lodge_page_fault_enabled())
		trace_lodge_page_fault(vcpu->id, regs_rip(vcpu), fault.gpa, vcpu->exit_qual);
	inject_iret_faulted(vcpu, vcpu->exit_qual & INTR_INFO_UNBLOCK_NMI);
	ret = fault_resolve(vcpu, &fault);
	if (ret == FAULT_RESUME) {
		vcpu->stats.faults_fixed++;
		return EXIT_RESUME;
	}
	if (ret < 0)
		return ret;
	if (vcpu->idt_info & VECTORING_INFO_VALID_MASK)
		return delivery_error(vcpu, fault.gpa);
	if (unlikely(bus_has_doorbell(vcpu->vm, fault.gpa)))
		fault_trap(vcpu, fault.gpa);
	return emulated(vcpu, emulate_access(vcpu, fault.gpa, fault.no_slot));
}

/*
 * A page with a doorbell.  Which access it was is not told, nor has to be; other places
 * of the page are devices like any.  The SDM does not promise the instruction's length
 * for this exit; KVM has relied on it for as long as it has doorbells.
 */
static int exit_ept_misconfig(struct lodge_vcpu *vcpu)
{
	gpa_t gpa = vcpu->exit_gpa;

	if (vcpu->idt_info & VECTORING_INFO_VALID_MASK)
		return delivery_error(vcpu, gpa);
	if (likely(vcpu->exit_insn_len) && bus_ring(vcpu, gpa)) {
		trace_lodge_fast_mmio(gpa);
		return skip_and_resume(vcpu);
	}
	return emulated(vcpu, emulate_insn(vcpu));
}

/* vcpu.c has emptied the log already. */
static int exit_pml_full(struct lodge_vcpu *vcpu)
{
	trace_lodge_pml_full(vcpu->id);
	inject_iret_faulted(vcpu, vcpu->exit_qual & INTR_INFO_UNBLOCK_NMI);
	return EXIT_RESUME;
}

/*
 * A guest that came from another vendor's CPU, or has guessed wrong, asks for its
 * hypervisor by that vendor's instruction; KVM_X86_QUIRK_FIX_HYPERCALL_INSN.
 */
static int exit_ud_fault(struct lodge_vcpu *vcpu)
{
	enum emulate_result res = EMULATE_CANNOT;

	if (!(vcpu->vm->quirks_off & KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		res = emulate_fix_vmmcall(vcpu);
	return res == EMULATE_CANNOT ? exit_ud(vcpu) : emulated(vcpu, res);
}

static int exit_exception(struct lodge_vcpu *vcpu)
{
	u32 info = vcpu->exit_intr_info;
	u32 type = info & INTR_INFO_INTR_TYPE_MASK;

	if (type == INTR_TYPE_NMI_INTR)
		return EXIT_RESUME;	/* the host has taken it in vmx/run.c */
	inject_iret_faulted(vcpu, info & INTR_INFO_UNBLOCK_NMI);
	switch (info & INTR_INFO_VECTOR_MASK) {
	case X86_TRAP_MC:
		return EXIT_RESUME;	/* likewise */
	case X86_TRAP_UD:
		return exit_ud_fault(vcpu);
	case X86_TRAP_AC:
		inject_exception_error(vcpu, X86_TRAP_AC, vmread32(VM_EXIT_INTR_ERROR_CODE));
		return EXIT_RESUME;
	case X86_TRAP_BP:
		return exit_debug(vcpu, X86_TRAP_BP, 0);
	case X86_TRAP_DB:
		return exit_db(vcpu, type);
	}
	return exit_unexpected(vcpu);
}

static int exit_triple_fault(struct lodge_vcpu *vcpu)
{
	return exit_shutdown(vcpu);
}

static int exit_cpuid(struct lodge_vcpu *vcpu)
{
	u32 eax = vcpu->regs[GPR_RAX], ecx = vcpu->regs[GPR_RCX];
	u32 ebx, edx;

	/* the guest's kernel may want to answer its programs itself: vol. 3A 2.10 */
	if (unlikely(vcpu->misc_features) && regs_cpl(vcpu)) {
		inject_gp(vcpu);
		return EXIT_RESUME;
	}
	cpuid_execute(vcpu, &eax, &ebx, &ecx, &edx);
	trace_lodge_cpuid(vcpu->regs[GPR_RAX], vcpu->regs[GPR_RCX], eax, ebx, ecx, edx);
	vcpu->regs[GPR_RAX] = eax;
	vcpu->regs[GPR_RBX] = ebx;
	vcpu->regs[GPR_RCX] = ecx;
	vcpu->regs[GPR_RDX] = edx;
	return skip_and_resume(vcpu);
}

/* Without a local APIC here, only user space can wake the guest. */
static int exit_hlt(struct lodge_vcpu *vcpu)
{
	regs_skip_insn(vcpu);
	if (vcpu->apic) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return EXIT_RESUME;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return EXIT_TO_USER;
}

static int exit_vmcall(struct lodge_vcpu *vcpu)
{
	hypercall(vcpu);
	return skip_and_resume(vcpu);
}

static int exit_mov_to_cr(struct lodge_vcpu *vcpu, int cr, unsigned long value)
{
	unsigned long old_cr8 = vcpu->cr8;

	trace_lodge_cr(1, cr, value);
	switch (cr) {
	case 0:
		return skip_or_gp(vcpu, cr0_write(vcpu, value));
	case 4:
		return skip_or_gp(vcpu, cr4_write(vcpu, value));
	case 8:
		skip_or_gp(vcpu, cr8_write(vcpu, value));
		/* a lower priority may let an interrupt of user space's through */
		if (vcpu->apic || vcpu->cr8 >= old_cr8)
			return EXIT_RESUME;
		vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
		return EXIT_TO_USER;
	}
	return exit_unexpected(vcpu);
}

static int exit_lmsw(struct lodge_vcpu *vcpu, unsigned long source)
{
	/* it can set PE but not clear it, and reaches bits 3:0 only */
	unsigned long cr0 = regs_cr0(vcpu);

	return skip_or_gp(vcpu, cr0_write(vcpu, (cr0 & ~0xeul) | (source & 0xf)));
}

/* Exit qualification: vol. 3C 27.2.1, table 27-3. */
static int exit_cr(struct lodge_vcpu *vcpu)
{
	unsigned long q = vcpu->exit_qual;
	int cr = q & 15, reg = (q >> 8) & 15;
	unsigned long value;

	switch ((q >> 4) & 3) {
	case 0:
		value = regs_gpr(vcpu, reg);
		return exit_mov_to_cr(vcpu, cr, regs_in_64bit(vcpu) ? value : (u32)value);
	case 1:
		if (cr != 8)
			return exit_unexpected(vcpu);
		regs_set_gpr(vcpu, reg, cr8_read(vcpu));
		return skip_and_resume(vcpu);
	case 2:
		return skip_or_gp(vcpu, cr0_write(vcpu, regs_cr0(vcpu) & ~X86_CR0_TS));
	default:
		return exit_lmsw(vcpu, q >> LMSW_SOURCE_DATA_SHIFT);
	}
}

/* The upper half of RAX is cleared by a 32-bit IN and kept by a narrower one. */
static void merge_in(struct lodge_vcpu *vcpu, u32 value)
{
	unsigned long *rax = &vcpu->regs[GPR_RAX];

	switch (vcpu->pio.size) {
	case 1:
		*rax = (*rax & ~0xfful) | (value & 0xff);
		break;
	case 2:
		*rax = (*rax & ~0xfffful) | (value & 0xffff);
		break;
	default:
		*rax = value;
	}
}

static int complete_io(struct lodge_vcpu *vcpu)
{
	u32 value = 0;

	if (moved_on(vcpu))
		return EXIT_RESUME;
	if (vcpu->pio.in) {
		/* the only look at what user space wrote */
		memcpy(&value, vcpu->pio_data, vcpu->pio.size);
		trace_lodge_pio(0, vcpu->pio.port, vcpu->pio.size, 1, value);
		merge_in(vcpu, value);
	}
	/* nothing has run since the exit, so its instruction length still holds */
	return skip_and_resume(vcpu);
}

/* Exit qualification: vol. 3C 27.2.1, table 27-5. */
static int exit_io(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned long q = vcpu->exit_qual;
	u32 value = vcpu->regs[GPR_RAX];

	if (q & BIT(4))		/* string instruction */
		return emulated(vcpu, emulate_insn(vcpu));
	vcpu->pio.size = (q & 7) + 1;
	vcpu->pio.in = q & BIT(3);
	vcpu->pio.port = q >> 16;
	vcpu->pio.count = 1;
	if (!vcpu->pio.in) {
		trace_lodge_pio(1, vcpu->pio.port, vcpu->pio.size, 1, value);
		if (bus_write(vcpu, IO_PORTS, vcpu->pio.port, &value, vcpu->pio.size))
			return skip_and_resume(vcpu);
		memcpy(vcpu->pio_data, &value, vcpu->pio.size);
	} else if (bus_read(vcpu, IO_PORTS, vcpu->pio.port, &value, vcpu->pio.size)) {
		trace_lodge_pio(0, vcpu->pio.port, vcpu->pio.size, 1, value);
		merge_in(vcpu, value);
		return skip_and_resume(vcpu);
	}
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = vcpu->pio.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = vcpu->pio.size;
	run->io.port = vcpu->pio.port;
	run->io.count = 1;
	run->io.data_offset = PAGE_SIZE;
	return to_user(vcpu, complete_io);
}

static void set_edx_eax(struct lodge_vcpu *vcpu, u64 value)
{
	vcpu->regs[GPR_RAX] = (u32)value;
	vcpu->regs[GPR_RDX] = value >> 32;
}

/* User space has said what becomes of an access that it wanted to see. */
static int complete_msr(struct lodge_vcpu *vcpu)
{
	if (moved_on(vcpu))
		return EXIT_RESUME;
	return skip_or_gp(vcpu, !READ_ONCE(vcpu->run->msr.error));
}

static int complete_rdmsr(struct lodge_vcpu *vcpu)
{
	if (!moved_on(vcpu) && !READ_ONCE(vcpu->run->msr.error)) {
		set_edx_eax(vcpu, READ_ONCE(vcpu->run->msr.data));
		return skip_and_resume(vcpu);
	}
	return complete_msr(vcpu);
}

/* The guest may not do this: #GP, or user space decides. */
static int refused_msr(struct lodge_vcpu *vcpu, const struct msr_access *a,
		       enum msr_result why, bool write)
{
	static const u32 reasons[] = {
		[MSR_UNKNOWN] = KVM_MSR_EXIT_REASON_UNKNOWN,
		[MSR_INVALID] = KVM_MSR_EXIT_REASON_INVAL,
		[MSR_FILTERED] = KVM_MSR_EXIT_REASON_FILTER,
	};
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->user_msr_mask) & reasons[why])) {
		inject_gp(vcpu);
		return EXIT_RESUME;
	}
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = reasons[why];
	run->msr.index = a->index;
	run->msr.data = write ? a->value : 0;
	return to_user(vcpu, write ? complete_msr : complete_rdmsr);
}

static int exit_rdmsr(struct lodge_vcpu *vcpu)
{
	struct msr_access a = { .index = vcpu->regs[GPR_RCX] };
	enum msr_result res = msr_read(vcpu, &a);

	trace_lodge_msr(0, a.index, a.value, res != MSR_OK);
	if (unlikely(res != MSR_OK))
		return refused_msr(vcpu, &a, res, false);
	set_edx_eax(vcpu, a.value);
	return skip_and_resume(vcpu);
}

static int exit_wrmsr(struct lodge_vcpu *vcpu)
{
	struct msr_access a = {
		.index = vcpu->regs[GPR_RCX], .value = regs_edx_eax(vcpu),
	};
	enum msr_result res = msr_write(vcpu, &a);

	trace_lodge_msr(1, a.index, a.value, res != MSR_OK);
	if (unlikely(res != MSR_OK))
		return refused_msr(vcpu, &a, res, true);
	return skip_and_resume(vcpu);
}

/* They end at once, which is allowed, unless the guest was told they are absent. */
static int exit_mwait(struct lodge_vcpu *vcpu)
{
	if ((vcpu->vm->quirks_off & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) &&
	    !cpuid_guest_mwait(vcpu))
		return exit_ud(vcpu);
	return skip_and_resume(vcpu);
}

static int exit_xsetbv(struct lodge_vcpu *vcpu)
{
	bool ok = !regs_cpl(vcpu) &&
		  xcr_write(vcpu, vcpu->regs[GPR_RCX], regs_edx_eax(vcpu));

	return skip_or_gp(vcpu, ok);
}

/*
 * Bits 11:0 of the qualification are the offset, 15:12 say how: vol. 3C table 27-6.
 * What ends an interrupt needs no look at the instruction.
 */
static int exit_apic_access(struct lodge_vcpu *vcpu)
{
	unsigned long q = vcpu->exit_qual;

	if (vcpu->idt_info & VECTORING_INFO_VALID_MASK)
		return delivery_error(vcpu, APIC_DEFAULT_PHYS_BASE | (q & APIC_ACCESS_OFFSET));
	if ((q & (APIC_ACCESS_TYPE | APIC_ACCESS_OFFSET)) ==
	    (TYPE_LINEAR_APIC_INST_WRITE | APIC_EOI)) {
		lapic_eoi(vcpu);
		return skip_and_resume(vcpu);
	}
	return emulated(vcpu, emulate_insn(vcpu));
}

/* The CPU has stored it, and gone on to the next instruction: vol. 3C 29.4.3.3. */
static int exit_apic_write(struct lodge_vcpu *vcpu)
{
	lapic_write_done(vcpu, vcpu->exit_qual & 0xff0);
	return EXIT_RESUME;
}

static int exit_eoi_induced(struct lodge_vcpu *vcpu)
{
	lapic_eoi_done(vcpu, vcpu->exit_qual);
	return EXIT_RESUME;
}

/* PAUSE in a loop for longer than the window: vol. 3C 25.1.3. */
static int exit_pause(struct lodge_vcpu *vcpu)
{
	vmcs_grow_ple_window(vcpu);
	yield_on_spin(vcpu);
	return skip_and_resume(vcpu);
}

/* The CPU's timer stands for the local APIC's. */
static int exit_timer(struct lodge_vcpu *vcpu)
{
	lapic_timer_exit(vcpu);
	return EXIT_RESUME;
}

/* There is no performance counter. */
static int exit_rdpmc(struct lodge_vcpu *vcpu)
{
	inject_gp(vcpu);
	return EXIT_RESUME;
}

/* A hardware task switch: the client is told, with no bytes to show. */
static int exit_task_switch(struct lodge_vcpu *vcpu)
{
	vcpu->emu->insn_len = 0;
	return emulation_error(vcpu);
}

static int complete_stop(struct lodge_vcpu *vcpu)
{
	return moved_on(vcpu) ? EXIT_RESUME : exit_handle(vcpu);
}

/* The client looks at it first; uapi/linux/lodge.h, LODGE_SET_STOPS. */
int exit_stop(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = LODGE_EXIT_STOP;
	vcpu->run->hw.hardware_exit_reason = vcpu->exit_reason;
	return to_user(vcpu, complete_stop);
}

/* VM entry loaded part of the guest's state and gave up: vol. 3C 26.8. */
static noinline int failed_entry(struct lodge_vcpu *vcpu, u64 reason)
{
	struct kvm_run *run = vcpu->run;

	trace_lodge_vmfail(vcpu->id, reason);
	entry_failure_note(vcpu, reason);
	/* the event was not delivered and must not be at the next entry */
	vmwrite32(VM_ENTRY_INTR_INFO_FIELD, 0);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = reason;
	run->fail_entry.cpu = vcpu->last_cpu;
	return EXIT_TO_USER;
}

/*
 * Every basic exit reason.  Reserved numbers are NULL.  What stands as
 * unexpected cannot occur with the controls of vmx/caps.c; should it, the client
 * is told the reason and the host goes on.
 */
static int (*const handlers[])(struct lodge_vcpu *vcpu) = {
	[EXIT_REASON_EXCEPTION_NMI]		= exit_exception,
	[EXIT_REASON_EXTERNAL_INTERRUPT]	= exit_resume,	/* the host took it */
	[EXIT_REASON_TRIPLE_FAULT]		= exit_triple_fault,
	[EXIT_REASON_INIT_SIGNAL]		= exit_unexpected,	/* INIT is blocked in VMX */
	[EXIT_REASON_SIPI_SIGNAL]		= exit_unexpected,	/* only in wait-for-SIPI */
	[5]					= exit_unexpected,	/* I/O SMI: SMM monitor */
	[6]					= exit_unexpected,	/* other SMI: likewise */
	[EXIT_REASON_INTERRUPT_WINDOW]		= exit_resume,	/* inject.c looks again */
	[EXIT_REASON_NMI_WINDOW]		= exit_resume,	/* likewise */
	[EXIT_REASON_TASK_SWITCH]		= exit_task_switch,	/* not supported */
	[EXIT_REASON_CPUID]			= exit_cpuid,
	[11]					= exit_ud,	/* GETSEC, CR4.SMXE is clear */
	[EXIT_REASON_HLT]			= exit_hlt,
	[EXIT_REASON_INVD]			= skip_and_resume,	/* as WBINVD */
	[EXIT_REASON_INVLPG]			= exit_unexpected,
	[EXIT_REASON_RDPMC]			= exit_rdpmc,
	[EXIT_REASON_RDTSC]			= exit_unexpected,
	[17]					= exit_ud,	/* RSM outside SMM */
	[EXIT_REASON_VMCALL]			= exit_vmcall,
	[EXIT_REASON_VMCLEAR]			= exit_ud,	/* no VMX in the guest */
	[EXIT_REASON_VMLAUNCH]			= exit_ud,
	[EXIT_REASON_VMPTRLD]			= exit_ud,
	[EXIT_REASON_VMPTRST]			= exit_ud,
	[EXIT_REASON_VMREAD]			= exit_ud,
	[EXIT_REASON_VMRESUME]			= exit_ud,
	[EXIT_REASON_VMWRITE]			= exit_ud,
	[EXIT_REASON_VMOFF]			= exit_ud,
	[EXIT_REASON_VMON]			= exit_ud,
	[EXIT_REASON_CR_ACCESS]			= exit_cr,
	[EXIT_REASON_DR_ACCESS]			= exit_dr,
	[EXIT_REASON_IO_INSTRUCTION]		= exit_io,
	[EXIT_REASON_MSR_READ]			= exit_rdmsr,
	[EXIT_REASON_MSR_WRITE]			= exit_wrmsr,
	/* 33, 34 and 41 come with the failed-entry bit and never get here */
	[EXIT_REASON_INVALID_STATE]		= exit_unexpected,
	[EXIT_REASON_MSR_LOAD_FAIL]		= exit_unexpected,
	[EXIT_REASON_MWAIT_INSTRUCTION]		= exit_mwait,
	[EXIT_REASON_MONITOR_TRAP_FLAG]		= exit_unexpected,
	[EXIT_REASON_MONITOR_INSTRUCTION]	= exit_mwait,
	[EXIT_REASON_PAUSE_INSTRUCTION]		= exit_pause,
	[EXIT_REASON_MCE_DURING_VMENTRY]	= exit_unexpected,
	[EXIT_REASON_TPR_BELOW_THRESHOLD]	= exit_resume,	/* lapic.c looks again */
	[EXIT_REASON_APIC_ACCESS]		= exit_apic_access,
	[EXIT_REASON_EOI_INDUCED]		= exit_eoi_induced,
	[EXIT_REASON_GDTR_IDTR]			= exit_unexpected,
	[EXIT_REASON_LDTR_TR]			= exit_unexpected,
	[EXIT_REASON_EPT_VIOLATION]		= exit_ept_violation,
	[EXIT_REASON_EPT_MISCONFIG]		= exit_ept_misconfig,
	[EXIT_REASON_INVEPT]			= exit_ud,
	[EXIT_REASON_RDTSCP]			= exit_unexpected,
	[EXIT_REASON_PREEMPTION_TIMER]		= exit_timer,
	[EXIT_REASON_INVVPID]			= exit_ud,
	[EXIT_REASON_WBINVD]			= skip_and_resume,	/* caches are coherent */
	[EXIT_REASON_XSETBV]			= exit_xsetbv,
	[EXIT_REASON_APIC_WRITE]		= exit_apic_write,
	[EXIT_REASON_RDRAND]			= exit_ud,	/* not in its CPUID */
	[EXIT_REASON_INVPCID]			= exit_unexpected,
	[EXIT_REASON_VMFUNC]			= exit_ud,
	[EXIT_REASON_ENCLS]			= exit_ud,
	[EXIT_REASON_RDSEED]			= exit_ud,	/* likewise */
	[EXIT_REASON_PML_FULL]			= exit_pml_full,
	[EXIT_REASON_XSAVES]			= exit_unexpected,
	[EXIT_REASON_XRSTORS]			= exit_unexpected,
	[65]					= exit_unexpected,	/* PCONFIG */
	[66]					= exit_unexpected,	/* sub-page permissions */
	[EXIT_REASON_UMWAIT]			= exit_ud,
	[EXIT_REASON_TPAUSE]			= exit_ud,
	[69]					= exit_unexpected,	/* LOADIWKEY */
	[EXIT_REASON_BUS_LOCK]			= exit_unexpected,
	[EXIT_REASON_NOTIFY]			= exit_unexpected,
};

/* With what is not read at each exit. */
static noinline void trace_exit(struct lodge_vcpu *vcpu)
{
	u32 info = 0, error = 0;
	u64 info2 = vcpu->idt_info;

	if ((u16)vcpu->exit_reason == EXIT_REASON_EXCEPTION_NMI) {
		info = vcpu->exit_intr_info;
		if (info & INTR_INFO_DELIVER_CODE_MASK)
			error = vmread32(VM_EXIT_INTR_ERROR_CODE);
	}
	trace_lodge_exit(vcpu->id, vcpu->exit_reason, regs_rip(vcpu), vcpu->exit_qual, info2,
			 info, error);
}

int exit_handle(struct lodge_vcpu *vcpu)
{
	u16 reason = vcpu->exit_reason;

	BUILD_BUG_ON(ARRAY_SIZE(handlers) > STAT_EXIT_REASONS);

	if (unlikely(vcpu->fail))
		return failed_entry(vcpu, vcpu->insn_error);
	if (trace_lodge_exit_enabled())
		trace_exit(vcpu);
	if (unlikely(vcpu->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return failed_entry(vcpu, vcpu->exit_reason);
	if (unlikely(reason >= ARRAY_SIZE(handlers)))
		return exit_unexpected(vcpu);
	reason = array_index_nospec(reason, ARRAY_SIZE(handlers));
	if (unlikely(!handlers[reason]))
		return exit_unexpected(vcpu);
	vcpu->stats.exits[reason]++;
	return handlers[reason](vcpu);
}
