// SPDX-License-Identifier: GPL-2.0
/* A guest's ways to die: the hardware's and the device's codes made sentences. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "entry_failure.h"
#include "exit_reasons.h"
#include "fate.h"

#define CR0_PE		BIT_ULL(0)
#define EFER_LMA	BIT_ULL(10)
#define RFLAGS_VM	BIT_ULL(17)

/* An entry that fails on the guest's state is an exit with this bit. */
#define EXIT_FAILED_ENTRY	BIT_ULL(31)

/* SDM volume 3C, "VM-entry failures during or after loading guest state". */
static const struct { u64 nr; const char *text; } entry_exits[] = {
	{ 33, "invalid guest state" },
	{ 34, "an MSR could not be loaded" },
	{ 41, "machine check during the entry" },
};

const char *fate_entry_reason(u64 reason)
{
	unsigned int i;

	if (reason & EXIT_FAILED_ENTRY) {
		for (i = 0; i < ARRAY_SIZE(entry_exits); i++)
			if (entry_exits[i].nr == (reason & 0xffff))
				return entry_exits[i].text;
	} else if (vm_instruction_error(reason)) {
		return vm_instruction_error(reason);
	}
	return "a reason that the SDM does not name";
}

/* "CPU 0 in long mode at 0x10020", as far as the device tells. */
static const char *where(struct cpu *cpu, char *text, size_t size)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	if (ioctl(cpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
		snprintf(text, size, "CPU %u", cpu->index);
	else if (sregs.cr0 & CR0_PE && !(regs.rflags & RFLAGS_VM))
		snprintf(text, size, "CPU %u in %s at %#llx", cpu->index,
			 !(sregs.efer & EFER_LMA) ? "protected mode" :
			 sregs.cs.l ? "64-bit mode" : "compatibility mode",
			 sregs.cs.base + regs.rip);
	else
		snprintf(text, size, "CPU %u in real mode at %04x:%04llx",
			 cpu->index, sregs.cs.selector, regs.rip);
	return text;
}

bool fate_shutdown(struct cpu *cpu)
{
	char at[96];

	machine_stop(cpu->machine, END_SHUTDOWN, STATUS_SHUTDOWN,
		     "guest: triple fault on %s: an exception met no working handler, nor did the faults that followed: look at the guest's IDT, stack and page tables",
		     where(cpu, at, sizeof(at)));
	return false;
}

/* Of the first CPU that says so; the others may be at it, too. */
static void keep_failure(struct cpu *cpu)
{
	struct entry_failure *e = calloc(1, sizeof(*e)), *none = NULL;

	if (!e || entry_failure_get(cpu->fd, e) ||
	    !__atomic_compare_exchange_n(&cpu->machine->end.entry, &none, e, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		free(e);
}

bool fate_fail_entry(struct cpu *cpu)
{
	u64 reason = cpu->run->fail_entry.hardware_entry_failure_reason;
	char at[96];

	keep_failure(cpu);
	machine_stop(cpu->machine, END_ENTRY_FAILED, STATUS_ENTRY,
		     "guest: VM entry failed on %s: %s (hardware reason %#llx): see the kernel's log (dmesg), and report it",
		     where(cpu, at, sizeof(at)), fate_entry_reason(reason),
		     reason);
	return false;
}

/* ": the instruction is 0f 0b", where the device gives the bytes. */
static const char *instruction(const struct kvm_run *run, char *text,
			       size_t size)
{
	unsigned int i, n = run->emulation_failure.insn_size;
	int len;

	text[0] = '\0';
	if (run->emulation_failure.ndata < 1 || !n ||
	    !(run->emulation_failure.flags &
	      KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return text;
	if (n > sizeof(run->emulation_failure.insn_bytes))
		n = sizeof(run->emulation_failure.insn_bytes);
	len = snprintf(text, size, ", at the bytes");
	for (i = 0; i < n && len > 0 && (size_t)len < size; i++)
		len += snprintf(text + len, size - len, " %02x",
				run->emulation_failure.insn_bytes[i]);
	return text;
}

bool fate_internal_error(struct cpu *cpu)
{
	static const char * const what[] = {
		[KVM_INTERNAL_ERROR_EMULATION] =
			"an instruction that the device cannot emulate",
		[KVM_INTERNAL_ERROR_SIMUL_EX] =
			"exceptions that cannot be delivered together",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] =
			"an exit in the delivery of an event",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] =
			"a VM exit that the device did not expect",
	};
	struct kvm_run *run = cpu->run;
	u32 code = run->internal.suberror;
	char at[96], bytes[80] = "";

	if (code == KVM_INTERNAL_ERROR_EMULATION)
		instruction(run, bytes, sizeof(bytes));
	machine_stop(cpu->machine, END_INTERNAL_ERROR, STATUS_INTERNAL,
		     "guest: internal error %u on %s: %s%s: the guest's code may be at fault (a jump or access where no memory is), else report it",
		     code, where(cpu, at, sizeof(at)),
		     code < ARRAY_SIZE(what) && what[code] ? what[code] :
		     "a reason unknown to lodge", bytes);
	return false;
}

bool fate_unknown(struct cpu *cpu)
{
	char at[96];

	machine_stop(cpu->machine, END_UNKNOWN_EXIT, STATUS_EXIT_REASON,
		     "guest: VM exit for hardware reason %#llx on %s: the device has no service for it: report it",
		     cpu->run->hw.hardware_exit_reason,
		     where(cpu, at, sizeof(at)));
	return false;
}

bool fate_unserved(struct cpu *cpu)
{
	char at[96];

	machine_stop(cpu->machine, END_UNKNOWN_EXIT, STATUS_EXIT_REASON,
		     "guest: exit reason %u on %s: lodge has no service for it: see KVM_EXIT_* in <linux/kvm.h>",
		     cpu->run->exit_reason, where(cpu, at, sizeof(at)));
	return false;
}

bool fate_bad_run_page(struct cpu *cpu, const char *what)
{
	machine_stop(cpu->machine, END_HOST, STATUS_HOST,
		     "run: the device describes a %s that cannot be: report it",
		     what);
	return false;
}

bool fate_run_error(struct cpu *cpu, int error)
{
	char at[96];

	machine_stop(cpu->machine, END_HOST, STATUS_HOST,
		     "run: KVM_RUN: %s on %s: %s", strerror(error),
		     where(cpu, at, sizeof(at)), error == EFAULT ?
		     "the guest's memory cannot be used (no memory left on this machine?)" :
		     "the kernel's log (dmesg) may tell more");
	return false;
}
