/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - the tracepoints lodge:*.  Those that KVM has, too, have the same name
 * behind the prefix, the same fields in the same order and the same text, so that what
 * people know of kvm:* serves them here.  A tracepoint that nobody listens to is one
 * instruction that does nothing.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lodge

#if !defined(LODGE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LODGE_TRACE_H

#include <linux/kvm.h>
#include <linux/tracepoint.h>
#include <asm/vmx.h>
#include <uapi/asm/vmx.h>

#define lodge_exceptions						\
	{ 0, "#DE" }, { 1, "#DB" }, { 2, "NMI" }, { 3, "#BP" }, { 4, "#OF" },	\
	{ 5, "#BR" }, { 6, "#UD" }, { 7, "#NM" }, { 8, "#DF" }, { 10, "#TS" },	\
	{ 11, "#NP" }, { 12, "#SS" }, { 13, "#GP" }, { 14, "#PF" },	\
	{ 16, "#MF" }, { 17, "#AC" }, { 18, "#MC" }, { 19, "#XM" }, { 21, "#CP" }

#define lodge_user_reasons						\
	{ KVM_EXIT_UNKNOWN, "UNKNOWN" }, { KVM_EXIT_EXCEPTION, "EXCEPTION" },	\
	{ KVM_EXIT_IO, "IO" }, { KVM_EXIT_HYPERCALL, "HYPERCALL" },	\
	{ KVM_EXIT_DEBUG, "DEBUG" }, { KVM_EXIT_HLT, "HLT" },		\
	{ KVM_EXIT_MMIO, "MMIO" }, { KVM_EXIT_IRQ_WINDOW_OPEN, "IRQ_WINDOW_OPEN" }, \
	{ KVM_EXIT_SHUTDOWN, "SHUTDOWN" }, { KVM_EXIT_FAIL_ENTRY, "FAIL_ENTRY" }, \
	{ KVM_EXIT_INTR, "INTR" }, { KVM_EXIT_SET_TPR, "SET_TPR" },	\
	{ KVM_EXIT_TPR_ACCESS, "TPR_ACCESS" },				\
	{ KVM_EXIT_INTERNAL_ERROR, "INTERNAL_ERROR" },			\
	{ KVM_EXIT_SYSTEM_EVENT, "SYSTEM_EVENT" },			\
	{ KVM_EXIT_IOAPIC_EOI, "IOAPIC_EOI" },				\
	{ KVM_EXIT_X86_RDMSR, "X86_RDMSR" }, { KVM_EXIT_X86_WRMSR, "X86_WRMSR" }, \
	{ KVM_EXIT_DIRTY_RING_FULL, "DIRTY_RING_FULL" }

#define lodge_delivery_modes						\
	{ 0, "Fixed" }, { 1, "LowPrio" }, { 2, "SMI" }, { 3, "Res3" },	\
	{ 4, "NMI" }, { 5, "INIT" }, { 6, "SIPI" }, { 7, "ExtINT" }

TRACE_EVENT(lodge_entry,
	TP_PROTO(unsigned int vcpu_id, unsigned long rip),
	TP_ARGS(vcpu_id, rip),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, rip)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u, rip 0x%lx", __entry->vcpu_id, __entry->rip)
);

TRACE_EVENT(lodge_exit,
	TP_PROTO(unsigned int vcpu_id, unsigned int reason, unsigned long rip, u64 info1,
		 u64 info2, u32 intr_info, u32 error_code),
	TP_ARGS(vcpu_id, reason, rip, info1, info2, intr_info, error_code),
	TP_STRUCT__entry(
		__field(unsigned int, exit_reason)
		__field(unsigned long, guest_rip)
		__field(u64, info1)
		__field(u64, info2)
		__field(u32, intr_info)
		__field(u32, error_code)
		__field(unsigned int, vcpu_id)
	),
	TP_fast_assign(
		__entry->exit_reason = reason;
		__entry->guest_rip = rip;
		__entry->info1 = info1;
		__entry->info2 = info2;
		__entry->intr_info = intr_info;
		__entry->error_code = error_code;
		__entry->vcpu_id = vcpu_id;
	),
	TP_printk("vcpu %u reason %s%s rip 0x%lx info1 0x%016llx info2 0x%016llx intr_info 0x%08x error_code 0x%08x",
		  __entry->vcpu_id,
		  __print_symbolic(__entry->exit_reason & 0xffff, VMX_EXIT_REASONS),
		  __entry->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY ? " FAILED_VMENTRY" : "",
		  __entry->guest_rip, __entry->info1, __entry->info2, __entry->intr_info,
		  __entry->error_code)
);

/* The CPU refused the instruction itself; error: vol. 3C 30.4. */
TRACE_EVENT(lodge_vmfail,
	TP_PROTO(unsigned int vcpu_id, u32 error),
	TP_ARGS(vcpu_id, error),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->error = error;
	),
	TP_printk("vcpu %u error %u", __entry->vcpu_id, __entry->error)
);

TRACE_EVENT(lodge_userspace_exit,
	TP_PROTO(u32 reason, int err),
	TP_ARGS(reason, err),
	TP_STRUCT__entry(
		__field(u32, reason)
		__field(int, errno)
	),
	TP_fast_assign(
		__entry->reason = reason;
		__entry->errno = err;
	),
	TP_printk("reason %s (%d)",
		  __entry->errno < 0 ?
			(__entry->errno == -EINTR ? "restart" : "error") :
			__print_symbolic(__entry->reason, lodge_user_reasons),
		  __entry->errno < 0 ? -__entry->errno : __entry->reason)
);

TRACE_EVENT(lodge_hypercall,
	TP_PROTO(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3),
	TP_ARGS(nr, a0, a1, a2, a3),
	TP_STRUCT__entry(
		__field(u64, nr)
		__field(u64, a0)
		__field(u64, a1)
		__field(u64, a2)
		__field(u64, a3)
	),
	TP_fast_assign(
		__entry->nr = nr;
		__entry->a0 = a0;
		__entry->a1 = a1;
		__entry->a2 = a2;
		__entry->a3 = a3;
	),
	TP_printk("nr 0x%llx a0 0x%llx a1 0x%llx a2 0x%llx a3 0x%llx", __entry->nr,
		  __entry->a0, __entry->a1, __entry->a2, __entry->a3)
);

TRACE_EVENT(lodge_pio,
	TP_PROTO(unsigned int rw, unsigned int port, unsigned int size, unsigned int count,
		 u32 val),
	TP_ARGS(rw, port, size, count, val),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, port)
		__field(unsigned int, size)
		__field(unsigned int, count)
		__field(unsigned int, val)
	),
	TP_fast_assign(
		__entry->rw = rw;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
		__entry->val = val;
	),
	TP_printk("pio_%s at 0x%x size %d count %d val 0x%x %s",
		  __entry->rw ? "write" : "read", __entry->port, __entry->size,
		  __entry->count, __entry->val, __entry->count > 1 ? "(...)" : "")
);

TRACE_EVENT(lodge_mmio,
	TP_PROTO(unsigned int type, unsigned int len, u64 gpa, u64 val),
	TP_ARGS(type, len, gpa, val),
	TP_STRUCT__entry(
		__field(u32, type)
		__field(u32, len)
		__field(u64, gpa)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->type = type;
		__entry->len = len;
		__entry->gpa = gpa;
		__entry->val = val;
	),
	TP_printk("mmio %s len %u gpa 0x%llx val 0x%llx",
		  __print_symbolic(__entry->type, { 0, "unsatisfied-read" }, { 1, "read" },
				   { 2, "write" }),
		  __entry->len, __entry->gpa, __entry->val)
);

TRACE_EVENT(lodge_fast_mmio,
	TP_PROTO(u64 gpa),
	TP_ARGS(gpa),
	TP_STRUCT__entry(
		__field(u64, gpa)
	),
	TP_fast_assign(
		__entry->gpa = gpa;
	),
	TP_printk("fast mmio at gpa 0x%llx", __entry->gpa)
);

TRACE_EVENT(lodge_cpuid,
	TP_PROTO(u32 function, u32 index, u32 rax, u32 rbx, u32 rcx, u32 rdx),
	TP_ARGS(function, index, rax, rbx, rcx, rdx),
	TP_STRUCT__entry(
		__field(unsigned int, function)
		__field(unsigned int, index)
		__field(unsigned long, rax)
		__field(unsigned long, rbx)
		__field(unsigned long, rcx)
		__field(unsigned long, rdx)
	),
	TP_fast_assign(
		__entry->function = function;
		__entry->index = index;
		__entry->rax = rax;
		__entry->rbx = rbx;
		__entry->rcx = rcx;
		__entry->rdx = rdx;
	),
	TP_printk("func %x idx %x rax %lx rbx %lx rcx %lx rdx %lx", __entry->function,
		  __entry->index, __entry->rax, __entry->rbx, __entry->rcx, __entry->rdx)
);

TRACE_EVENT(lodge_msr,
	TP_PROTO(unsigned int write, u32 ecx, u64 data, bool exception),
	TP_ARGS(write, ecx, data, exception),
	TP_STRUCT__entry(
		__field(unsigned int, write)
		__field(u32, ecx)
		__field(u64, data)
		__field(u8, exception)
	),
	TP_fast_assign(
		__entry->write = write;
		__entry->ecx = ecx;
		__entry->data = data;
		__entry->exception = exception;
	),
	TP_printk("msr_%s %x = 0x%llx%s", __entry->write ? "write" : "read", __entry->ecx,
		  __entry->data, __entry->exception ? " (#GP)" : "")
);

TRACE_EVENT(lodge_cr,
	TP_PROTO(unsigned int rw, unsigned int cr, unsigned long val),
	TP_ARGS(rw, cr, val),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, cr)
		__field(unsigned long, val)
	),
	TP_fast_assign(
		__entry->rw = rw;
		__entry->cr = cr;
		__entry->val = val;
	),
	TP_printk("cr_%s %x = 0x%lx", __entry->rw ? "write" : "read", __entry->cr, __entry->val)
);

TRACE_EVENT(lodge_inj_virq,
	TP_PROTO(unsigned int vector, bool reinjected),
	TP_ARGS(vector, reinjected),
	TP_STRUCT__entry(
		__field(unsigned int, vector)
		__field(bool, reinjected)
	),
	TP_fast_assign(
		__entry->vector = vector;
		__entry->reinjected = reinjected;
	),
	TP_printk("IRQ 0x%x%s", __entry->vector, __entry->reinjected ? " [reinjected]" : "")
);

TRACE_EVENT(lodge_inj_exception,
	TP_PROTO(u8 exception, bool has_error, u32 error_code, bool reinjected),
	TP_ARGS(exception, has_error, error_code, reinjected),
	TP_STRUCT__entry(
		__field(u8, exception)
		__field(u8, has_error)
		__field(u32, error_code)
		__field(bool, reinjected)
	),
	TP_fast_assign(
		__entry->exception = exception;
		__entry->has_error = has_error;
		__entry->error_code = error_code;
		__entry->reinjected = reinjected;
	),
	TP_printk("%s%s0x%x%s", __print_symbolic(__entry->exception, lodge_exceptions),
		  __entry->has_error ? " error " : " no error ", __entry->error_code,
		  __entry->reinjected ? " [reinjected]" : "")
);

TRACE_EVENT(lodge_inj_nmi,
	TP_PROTO(unsigned int vcpu_id),
	TP_ARGS(vcpu_id),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
	),
	TP_printk("vcpu %u", __entry->vcpu_id)
);

/* error_code: the access, as the exit qualification has it: vol. 3C table 27-7. */
TRACE_EVENT(lodge_page_fault,
	TP_PROTO(unsigned int vcpu_id, unsigned long rip, u64 fault_address, u64 error_code),
	TP_ARGS(vcpu_id, rip, fault_address, error_code),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, guest_rip)
		__field(u64, fault_address)
		__field(u64, error_code)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->guest_rip = rip;
		__entry->fault_address = fault_address;
		__entry->error_code = error_code;
	),
	TP_printk("vcpu %u rip 0x%lx address 0x%016llx error_code 0x%llx", __entry->vcpu_id,
		  __entry->guest_rip, __entry->fault_address, __entry->error_code)
);

TRACE_EVENT(lodge_emulate_insn,
	TP_PROTO(unsigned long rip, const u8 *bytes, u8 len, bool failed),
	TP_ARGS(rip, bytes, len, failed),
	TP_STRUCT__entry(
		__field(u64, rip)
		__field(u8, len)
		__array(u8, insn, 15)
		__field(u8, failed)
	),
	TP_fast_assign(
		__entry->rip = rip;
		__entry->len = min_t(u8, len, 15);
		memcpy(__entry->insn, bytes, 15);
		__entry->failed = failed;
	),
	TP_printk("%llx: %s%s", __entry->rip, __print_hex(__entry->insn, __entry->len),
		  __entry->failed ? " failed" : "")
);

TRACE_EVENT(lodge_apic,
	TP_PROTO(unsigned int rw, unsigned int reg, u64 val),
	TP_ARGS(rw, reg, val),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, reg)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->rw = rw;
		__entry->reg = reg;
		__entry->val = val;
	),
	TP_printk("apic_%s 0x%x = 0x%llx", __entry->rw ? "write" : "read", __entry->reg,
		  __entry->val)
);

TRACE_EVENT(lodge_apic_ipi,
	TP_PROTO(u32 icr_low, u32 dest_id),
	TP_ARGS(icr_low, dest_id),
	TP_STRUCT__entry(
		__field(u32, icr_low)
		__field(u32, dest_id)
	),
	TP_fast_assign(
		__entry->icr_low = icr_low;
		__entry->dest_id = dest_id;
	),
	TP_printk("dst %x vec %u (%s|%s|%s|%s)", __entry->dest_id, (u8)__entry->icr_low,
		  __print_symbolic(__entry->icr_low >> 8 & 7, lodge_delivery_modes),
		  __entry->icr_low & 0x800 ? "logical" : "physical",
		  __entry->icr_low & 0x4000 ? "assert" : "de-assert",
		  __entry->icr_low & 0x8000 ? "level" : "edge")
);

TRACE_EVENT(lodge_apic_accept_irq,
	TP_PROTO(u32 apicid, u16 dm, u16 tm, u8 vec),
	TP_ARGS(apicid, dm, tm, vec),
	TP_STRUCT__entry(
		__field(u32, apicid)
		__field(u16, dm)
		__field(u16, tm)
		__field(u8, vec)
	),
	TP_fast_assign(
		__entry->apicid = apicid;
		__entry->dm = dm;
		__entry->tm = tm;
		__entry->vec = vec;
	),
	TP_printk("apicid %x vec %u (%s|%s)", __entry->apicid, __entry->vec,
		  __print_symbolic(__entry->dm, lodge_delivery_modes),
		  __entry->tm ? "level" : "edge")
);

TRACE_EVENT(lodge_eoi,
	TP_PROTO(u32 apicid, int vector),
	TP_ARGS(apicid, vector),
	TP_STRUCT__entry(
		__field(u32, apicid)
		__field(int, vector)
	),
	TP_fast_assign(
		__entry->apicid = apicid;
		__entry->vector = vector;
	),
	TP_printk("apicid %x vector %d", __entry->apicid, __entry->vector)
);

/* A deadline was set, in ticks of the guest's counter; hv: the CPU's timer stands for it. */
TRACE_EVENT(lodge_timer,
	TP_PROTO(unsigned int vcpu_id, u64 deadline, bool hv),
	TP_ARGS(vcpu_id, deadline, hv),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u64, deadline)
		__field(bool, hv_timer_in_use)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->deadline = deadline;
		__entry->hv_timer_in_use = hv;
	),
	TP_printk("vcpu_id %u deadline %llu hv_timer %d", __entry->vcpu_id, __entry->deadline,
		  __entry->hv_timer_in_use)
);

TRACE_EVENT(lodge_set_irq,
	TP_PROTO(unsigned int gsi, int level, int source),
	TP_ARGS(gsi, level, source),
	TP_STRUCT__entry(
		__field(unsigned int, gsi)
		__field(int, level)
		__field(int, irq_source_id)
	),
	TP_fast_assign(
		__entry->gsi = gsi;
		__entry->level = level;
		__entry->irq_source_id = source;
	),
	TP_printk("gsi %u level %d source %d", __entry->gsi, __entry->level,
		  __entry->irq_source_id)
);

TRACE_EVENT(lodge_msi_set_irq,
	TP_PROTO(u64 address, u64 data),
	TP_ARGS(address, data),
	TP_STRUCT__entry(
		__field(u64, address)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->address = address;
		__entry->data = data;
	),
	TP_printk("dst %llx vec %u (%s|%s|%s)", __entry->address >> 12 & 0xff,
		  (u8)__entry->data,
		  __print_symbolic(__entry->data >> 8 & 7, lodge_delivery_modes),
		  __entry->address & 4 ? "logical" : "physical",
		  __entry->data & 0x8000 ? "level" : "edge")
);

TRACE_EVENT(lodge_vcpu_wakeup,
	TP_PROTO(u64 ns, bool waited),
	TP_ARGS(ns, waited),
	TP_STRUCT__entry(
		__field(u64, ns)
		__field(bool, waited)
	),
	TP_fast_assign(
		__entry->ns = ns;
		__entry->waited = waited;
	),
	TP_printk("%s time %lld ns", __entry->waited ? "wait" : "poll", __entry->ns)
);

TRACE_EVENT(lodge_pml_full,
	TP_PROTO(unsigned int vcpu_id),
	TP_ARGS(vcpu_id),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
	),
	TP_printk("vcpu %d: PML full", __entry->vcpu_id)
);

TRACE_EVENT(lodge_memslot,
	TP_PROTO(const struct kvm_userspace_memory_region *r, int err),
	TP_ARGS(r, err),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, flags)
		__field(u64, gpa)
		__field(u64, size)
		__field(u64, hva)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->slot = r->slot;
		__entry->flags = r->flags;
		__entry->gpa = r->guest_phys_addr;
		__entry->size = r->memory_size;
		__entry->hva = r->userspace_addr;
		__entry->err = err;
	),
	TP_printk("slot %u flags 0x%x gpa 0x%llx size 0x%llx hva 0x%llx ret %d", __entry->slot,
		  __entry->flags, __entry->gpa, __entry->size, __entry->hva, __entry->err)
);

#endif /* LODGE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
