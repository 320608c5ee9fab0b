/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lapic.h - what the tests of the local APIC share: a guest that does what the host
 * tells it, one access at a time, so that a test is written down in one place.
 */
#ifndef SELFTEST_LAPIC_H
#define SELFTEST_LAPIC_H

#include "apic.h"
#include "events.h"

enum remote_op {
	OP_READ, OP_WRITE,		/* of a: an address; size bytes */
	OP_RDMSR, OP_WRMSR,		/* of a: an MSR */
	OP_RDCR8, OP_WRCR8,
	OP_WINDOW,			/* interrupts are on for one instruction */
	OP_HALT,			/* halts with interrupts on */
	OP_CPUID,			/* of leaf a; the value is EDX:EAX */
	OP_CALL,			/* of a: a function, with value */
};

/* One for each vCPU id (modulo 64); the guest writes the last line of it. */
struct remote {
	u64 op, a, value, size;
	u64 result, vector;		/* NO_EXCEPTION: it went well */
};

static struct remote remotes[64];

static void remote_access(struct remote *r)
{
	u64 v = r->value;

	if (r->op == OP_READ && r->size == 1)
		GUEST_TRY("movb (%1), %b0", "+q"(v) : "r"(r->a) : "memory");
	else if (r->op == OP_READ && r->size == 2)
		GUEST_TRY("movw (%1), %w0", "+r"(v) : "r"(r->a) : "memory");
	else if (r->op == OP_READ && r->size == 4)
		GUEST_TRY("movl (%1), %k0", "+r"(v) : "r"(r->a) : "memory");
	else if (r->op == OP_READ)
		GUEST_TRY("movq (%1), %0", "+r"(v) : "r"(r->a) : "memory");
	else if (r->size == 1)
		GUEST_TRY("movb %b0, (%1)", : "q"(v), "r"(r->a) : "memory");
	else if (r->size == 2)
		GUEST_TRY("movw %w0, (%1)", : "r"(v), "r"(r->a) : "memory");
	else if (r->size == 4)
		GUEST_TRY("movl %k0, (%1)", : "r"(v), "r"(r->a) : "memory");
	else
		GUEST_TRY("movq %0, (%1)", : "r"(v), "r"(r->a) : "memory");
	r->result = r->op == OP_READ ? v : 0;
}

static void remote_msr(struct remote *r)
{
	u32 lo = r->value, hi = r->value >> 32;

	if (r->op == OP_RDMSR)
		GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(r->a) : "memory");
	else
		GUEST_TRY("wrmsr", : "a"(lo), "d"(hi), "c"(r->a) : "memory");
	r->result = lo | (u64)hi << 32;
}

static void remote_other(struct remote *r)
{
	u32 eax = r->a, ebx, ecx = 0, edx;
	u64 v = r->value;

	if (r->op == OP_RDCR8) {
		GUEST_TRY("mov %%cr8, %0", "=r"(v) : : "memory");
	} else if (r->op == OP_WRCR8) {
		GUEST_TRY("mov %0, %%cr8", : "r"(v) : "memory");
	} else if (r->op == OP_WINDOW) {
		guest_sti();
		guest_cli();
	} else if (r->op == OP_HALT) {
		guest_halt();
	} else if (r->op == OP_CPUID) {
		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		v = eax | (u64)edx << 32;
	} else {
		((void (*)(u64))r->a)(v);
	}
	r->result = v;
}

/* What the vCPUs of these tests run. GUEST_SYNC(1) says that the last op is done. */
static void guest_remote(u64 id)
{
	struct remote *r = &remotes[id % 64];

	for (;;) {
		GUEST_SYNC(1);
		guest_ex()->vector = NO_EXCEPTION;
		if (r->op <= OP_WRITE)
			remote_access(r);
		else if (r->op <= OP_WRMSR)
			remote_msr(r);
		else
			remote_other(r);
		r->vector = guest_ex()->vector;
	}
}

static inline struct remote *remote_of(struct vcpu *vcpu)
{
	return &guest_var(vcpu->vm, remotes)[vcpu->id % 64];
}

static inline void remote_set(struct vcpu *vcpu, enum remote_op op, u64 a, u64 value,
			      u64 size)
{
	struct remote *r = remote_of(vcpu);

	r->op = op;
	r->a = a;
	r->value = value;
	r->size = size;
	r->vector = 256;
}

/* Any op; the result is in the struct. */
static inline struct remote *remote(struct vcpu *vcpu, enum remote_op op, u64 a, u64 value)
{
	remote_set(vcpu, op, a, value, 4);
	vcpu_expect_sync(vcpu, 1);
	return remote_of(vcpu);
}

/* One that must not fault. */
static inline u64 remote_ok(struct vcpu *vcpu, enum remote_op op, u64 a, u64 value)
{
	struct remote *r = remote(vcpu, op, a, value);

	CHECK_EQ(r->vector, NO_EXCEPTION);
	return r->result;
}

static inline u64 msr_rd(struct vcpu *vcpu, u32 msr)
{
	return remote_ok(vcpu, OP_RDMSR, msr, 0);
}

static inline void msr_wr(struct vcpu *vcpu, u32 msr, u64 value)
{
	remote_ok(vcpu, OP_WRMSR, msr, value);
}

/* The vector that an access of an MSR raises. */
static inline u64 msr_rd_vector(struct vcpu *vcpu, u32 msr)
{
	return remote(vcpu, OP_RDMSR, msr, 0)->vector;
}

static inline u64 msr_wr_vector(struct vcpu *vcpu, u32 msr, u64 value)
{
	return remote(vcpu, OP_WRMSR, msr, value)->vector;
}

/* A register of the local APIC by its xAPIC offset, in the mode the vCPU is in. */
static inline bool is_x2apic(struct vcpu *vcpu)
{
	return guest_var(vcpu->vm, guest_in_x2apic)[vcpu->id % 64];
}

static inline u32 apic_rd(struct vcpu *vcpu, u32 reg)
{
	if (is_x2apic(vcpu))
		return msr_rd(vcpu, X2APIC_MSR(reg));
	return remote_ok(vcpu, OP_READ, APIC_DEFAULT_BASE + reg, 0);
}

static inline void apic_wr(struct vcpu *vcpu, u32 reg, u32 value)
{
	if (is_x2apic(vcpu))
		msr_wr(vcpu, X2APIC_MSR(reg), value);
	else
		remote_ok(vcpu, OP_WRITE, APIC_DEFAULT_BASE + reg, value);
}

static inline void apic_icr(struct vcpu *vcpu, u32 dest, u32 low)
{
	if (is_x2apic(vcpu)) {
		msr_wr(vcpu, X2APIC_MSR(APIC_ICR), (u64)dest << 32 | low);
		return;
	}
	apic_wr(vcpu, APIC_ICR2, dest << 24);
	apic_wr(vcpu, APIC_ICR, low);
}

static inline void remote_enable(u64 x2apic)
{
	if (x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
}

/* The vCPU's APIC in this mode, enabled, with nothing else done to it. */
static inline void apic_enable(struct vcpu *vcpu, bool x2apic)
{
	remote_ok(vcpu, OP_CALL, (uintptr_t)remote_enable, x2apic);
}

/* Opens the window until nothing comes any more: at most once for each vector. */
static inline void take_irqs(struct vcpu *vcpu)
{
	remote_ok(vcpu, OP_WINDOW, 0, 0);
}

static inline u64 irqs(struct vcpu *vcpu, u8 vector)
{
	return guest_var(vcpu->vm, guest_irqs)[vcpu->id][vector];
}

/* A machine with interrupt controllers, whose guest counts its interrupts. */
static inline struct vm *lapic_vm(void)
{
	struct vm *vm = vm_create();

	vm_irqchip(vm);
	vm_record_events(vm);
	vm_count_irqs(vm);
	return vm;
}

/* A vCPU that waits for what to do, whatever its id says about INIT and SIPI. */
static inline struct vcpu *lapic_vcpu(struct vm *vm, int id)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vcpu *vcpu = vcpu_create(vm, id);

	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&runnable), 0);
	vcpu_long_mode(vcpu, guest_remote, id);
	vcpu_expect_sync(vcpu, 1);
	return vcpu;
}

/* One vCPU of a machine of its own, with its APIC on. */
static inline struct vcpu *lapic_new(bool x2apic)
{
	struct vcpu *vcpu = lapic_vcpu(lapic_vm(), 0);

	apic_enable(vcpu, x2apic);
	return vcpu;
}

static inline u32 irr_of(struct vcpu *vcpu, u8 vector)
{
	struct kvm_lapic_state s;

	get_lapic(vcpu, &s);
	return lapic_bit(&s, APIC_IRR, vector);
}

/* The vectors that are set in ISR, IRR or TMR are these, and no others. */
static inline void check_bits(struct vcpu *vcpu, u32 reg, const u8 *want, u64 n)
{
	struct kvm_lapic_state s;

	get_lapic(vcpu, &s);
	for (int v = 0; v < 256; v++) {
		bool got = lapic_bit(&s, reg, v), wanted = n && memchr(want, v, n);

		if (got != wanted)
			FAIL("register %#x, vector %#x: expected %d, got %d", reg, v, wanted, got);
	}
}

#define CHECK_BITS(vcpu, reg, ...) do {					\
	const u8 want__[] = { __VA_ARGS__ };				\
	check_bits(vcpu, reg, want__, sizeof(want__));			\
} while (0)

static inline void self_ipi(struct vcpu *vcpu, u8 vector)
{
	apic_icr(vcpu, 0, APIC_DEST_SELF | vector);
}

#define FOR_BOTH_MODES(x2apic)						\
	for (int x2apic = 0; x2apic < 2 &&				\
	     (test_doing(x2apic ? "x2APIC" : "xAPIC"), true); x2apic++)

#endif /* SELFTEST_LAPIC_H */
