// SPDX-License-Identifier: GPL-2.0
/*
 * hypercalls - what a guest can ask of the host by VMCALL, and the MSRs of the same
 * interface: who may, which bit of CPUID stands for which of them once user space
 * has that enforced, and what each does.
 */
#include "clock.h"
#include "irqsource.h"

enum {					/* bits of CPUID leaf 0x40000001 */
	CLOCKSOURCE = 0, CLOCKSOURCE2 = 3, STEAL_TIME = 5, PV_EOI = 6, PV_UNHALT = 7,
	PV_SEND_IPI = 11, POLL_CONTROL = 12, PV_SCHED_YIELD = 13
};

enum {					/* numbers of hypercalls */
	POLL_IRQ = 1, KICK_CPU = 5, CLOCK_PAIRING = 9, SEND_IPI = 10, SCHED_YIELD = 11,
	HIGHEST = 12
};

#define MSR_PV_EOI		0x4b564d04
#define MSR_POLL_CONTROL	0x4b564d05
#define ENOSYS_PV		1000
#define SECOND			1000000000ull

static long call4(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	long ret;

	asm volatile("vmcall" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return ret;
}

static long call(u64 nr)
{
	return call4(nr, 0, 0, 0, 0);
}

static bool offered(struct vm *vm, int bit)
{
	return cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax >> bit & 1;
}

/* ---- who may, and what there is -------------------------------------------------- */

static void guest_tries_numbers(u64 a)
{
	static const u64 none[] = { 0, 2, 3, 4, 6, 7, 8, HIGHEST + 1, 0xff, ~0ull };

	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++)
		GUEST_ASSERT_EQ(call(none[i]), -ENOSYS_PV);
	/* all bits of the number count */
	GUEST_ASSERT_EQ(call(BIT(32) | POLL_IRQ), -ENOSYS_PV);
	GUEST_ASSERT_EQ(call(POLL_IRQ), 0);
}

SUBTEST(numbers)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, guest_tries_numbers, 0);
	vcpu_expect_done(vcpu);
}

static void user_calls(u64 a)
{
	for (u64 nr = 0; nr <= HIGHEST; nr++)
		GUEST_ASSERT_EQ(call(nr), -EPERM);
}

static void guest_user_calls(u64 a)
{
	guest_user_call(user_calls, 0);
}

SUBTEST(class3_not_for_user_mode)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, guest_user_calls, 0);
	vcpu_expect_done(vcpu);
}

/* 32-bit code has 32-bit registers: the answer is cut, too. */
GUEST_ASM(code32, ".code32\n	mov $99, %eax\n vmcall\n"
	  "cmp $-1000, %eax\n jne 1f\n"
	  "mov $1, %eax\n vmcall\n"
	  "test %eax, %eax\n jne 1f\n" SYNC_ASM(1)
	  "1:\n" SYNC_ASM(2));

SUBTEST(protected_mode)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_protected_mode(vcpu, code32, 0, NO_PAGING);
	vcpu_expect_sync(vcpu, 1);
}

/* ---- by CPUID ------------------------------------------------------------------- */

static const struct {
	u32 msr, bit;
} pv_msrs[] = {
	{ 0x11, CLOCKSOURCE }, { 0x12, CLOCKSOURCE }, { 0x4b564d00, CLOCKSOURCE2 },
	{ 0x4b564d01, CLOCKSOURCE2 }, { 0x4b564d03, STEAL_TIME },
	{ MSR_PV_EOI, PV_EOI }, { MSR_POLL_CONTROL, POLL_CONTROL },
};

static const struct {
	u64 nr, bit;
} pv_calls[] = {
	{ KICK_CPU, PV_UNHALT }, { SEND_IPI, PV_SEND_IPI }, { SCHED_YIELD, PV_SCHED_YIELD },
};

/* What is there, but for what stands for a bit that is out. */
static void guest_uses_all(u64 out)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(pv_msrs); i++) {
		u64 want = out & BIT(pv_msrs[i].bit) ? GP : NO_EXCEPTION;

		rdmsr_try(pv_msrs[i].msr);
		GUEST_ASSERT_EQ(guest_ex()->vector, want);
		wrmsr_try(pv_msrs[i].msr, 0);
		GUEST_ASSERT_EQ(guest_ex()->vector, want);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(pv_calls); i++)
		GUEST_ASSERT_EQ(call(pv_calls[i].nr) == -ENOSYS_PV,
				!!(out & BIT(pv_calls[i].bit)));
}

static int enforce(struct vcpu *vcpu, u64 on)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { on },
	};

	return xioctl(vcpu->fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
}

static void check_without(u32 out, bool enforced)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;
	u64 value;

	test_doing("without bits %#x, %senforced", out, enforced ? "" : "not ");
	cpuid_leaf(vm->cpuid, 0x40000001, 0)->eax &= ~out;
	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	if (enforced)
		CHECK_EQ(enforce(vcpu, 1), 0);
	else
		out = 0;
	vcpu_long_mode(vcpu, guest_uses_all, out);
	vcpu_expect_done(vcpu);
	/* user space is bound by it, too */
	for (unsigned int i = 0; i < ARRAY_SIZE(pv_msrs); i++) {
		bool there = !(out & BIT(pv_msrs[i].bit));

		CHECK_EQ(get_msr_raw(vcpu->fd, pv_msrs[i].msr, &value), there);
		CHECK_EQ(set_msr_raw(vcpu, pv_msrs[i].msr, 0), there);
	}
	if (enforced) {
		CHECK_EQ(enforce(vcpu, 0), 0);
		vcpu_long_mode(vcpu, guest_uses_all, 0);
		vcpu_expect_done(vcpu);
	}
	vm_free(vm);
}

SUBTEST(each_bit_enforced)
{
	static const u8 bits[] = {
		CLOCKSOURCE, CLOCKSOURCE2, STEAL_TIME, PV_EOI, PV_UNHALT, PV_SEND_IPI,
		POLL_CONTROL, PV_SCHED_YIELD,
	};
	struct vm *vm = vm_create();
	u32 all = 0;

	CHECK_EQ(check_cap(vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID), 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		CHECK(offered(vm, bits[i]));
		all |= BIT(bits[i]);
		check_without(BIT(bits[i]), true);
	}
	check_without(all, true);
	check_without(0, true);
	check_without(all, false);
}

/* Without the leaf, or without KVM's signature, there is nothing. */
SUBTEST(no_leaf_enforced)
{
	for (int i = 0; i < 2; i++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu;

		if (i)
			cpuid_leaf(vm->cpuid, 0x40000000, 0)->ebx ^= 1;
		else
			cpuid_leaf(vm->cpuid, 0x40000001, 0)->function = 0x40000055;
		vm_irqchip(vm);
		vcpu = vcpu_create(vm, 0);
		CHECK_EQ(enforce(vcpu, 1), 0);
		vcpu_long_mode(vcpu, guest_uses_all, ~0ull);
		vcpu_expect_done(vcpu);
		vm_free(vm);
	}
}

/* The signature may stand higher up, as it does beside another interface. */
SUBTEST(other_base_enforced)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	cpuid_leaf(vm->cpuid, 0x40000000, 0)->function = 0x40000300;
	cpuid_leaf(vm->cpuid, 0x40000001, 0)->function = 0x40000301;
	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	CHECK_EQ(enforce(vcpu, 1), 0);
	vcpu_long_mode(vcpu, guest_uses_all, 0);
	vcpu_expect_done(vcpu);
}

SUBTEST(enable_cap_refuses)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = 1 };

	CHECK_EQ(xioctl(vcpu->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_HLT };
	CHECK_EQ(xioctl(vcpu->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
	cap = (struct kvm_enable_cap){ .cap = ~0u };
	CHECK_EQ(xioctl(vcpu->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_ENABLE_CAP, 8), -EFAULT);
	/* it is a vCPU's */
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID };
	CHECK_EQ(xioctl(vcpu->vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), -EINVAL);
}

/* A guest that halts without an exit cannot be kicked out of that, and is told so. */
SUBTEST(no_kick_without_halt_exits)
{
	struct vm *vm = vm_create();
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args = { KVM_X86_DISABLE_EXITS_HLT },
	};
	struct kvm_cpuid2 *got = calloc(1, sizeof(*got) + 256 * sizeof(got->entries[0]));
	struct vcpu *vcpu;

	if (!(check_cap(vm, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_HLT))
		SKIP("HLT always exits");
	CHECK_EQ(xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap), 0);
	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	/* KVM looks at it before it has found its leaf: once more */
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)vm->cpuid), 0);
	vcpu_long_mode(vcpu, guest_uses_all, BIT(PV_UNHALT));
	got->nent = 256;
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_CPUID2, (uintptr_t)got), 0);
	CHECK_EQ(cpuid_leaf(got, 0x40000001, 0)->eax & BIT(PV_UNHALT), 0);
	CHECK(cpuid_leaf(got, 0x40000001, 0)->eax & BIT(PV_SEND_IPI));
	CHECK_EQ(enforce(vcpu, 1), 0);
	vcpu_expect_done(vcpu);
}

/* ---- the MSR beside them --------------------------------------------------------- */

static void guest_polls(u64 a)
{
	GUEST_ASSERT_EQ(rdmsr_try(MSR_POLL_CONTROL), 1);
	wrmsr_try(MSR_POLL_CONTROL, 0);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	GUEST_ASSERT_EQ(rdmsr_try(MSR_POLL_CONTROL), 0);
	for (int bit = 1; bit < 64; bit++) {
		wrmsr_try(MSR_POLL_CONTROL, BIT(bit));
		GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	}
}

SUBTEST(poll_control)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	vcpu_long_mode(vcpu, guest_polls, 0);
	vcpu_expect_done(vcpu);
	CHECK_EQ(get_msr(vcpu, MSR_POLL_CONTROL), 0);
	CHECK_EQ(set_msr_raw(vcpu, MSR_POLL_CONTROL, 2), 0);
	set_msr(vcpu, MSR_POLL_CONTROL, 1);
}

/* ---- clock pairing --------------------------------------------------------------- */

struct pairing {
	u64 sec, nsec, tsc;
	u32 flags, pad[9];
};

static volatile struct pairing pair __aligned(64);

static void guest_pairs(u64 a)
{
	static volatile u64 before, after;

	for (unsigned int i = 0; i < ARRAY_SIZE(pair.pad); i++)
		pair.pad[i] = 0x5a5a5a5a;
	before = rdtsc();
	GUEST_SYNC_VALUE(1, call4(CLOCK_PAIRING, (uintptr_t)&pair, 0, 0, 0));
	after = rdtsc();
	GUEST_ASSERT(pair.tsc >= before && pair.tsc <= after);
	GUEST_ASSERT(pair.nsec < SECOND);
	GUEST_ASSERT_EQ(pair.flags, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(pair.pad); i++)
		GUEST_ASSERT_EQ(pair.pad[i], 0);
	GUEST_SYNC_VALUE(2, pair.sec * SECOND + pair.nsec);
	for (u64 type = 1; type < 4; type++)
		GUEST_ASSERT_EQ(call4(CLOCK_PAIRING, (uintptr_t)&pair, type, 0, 0), -EOPNOTSUPP);
	GUEST_ASSERT_EQ(call4(CLOCK_PAIRING, (uintptr_t)&pair, BIT(32), 0, 0), -EOPNOTSUPP);
}

SUBTEST(clock_pairing)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	u64 before = clock_ns(CLOCK_REALTIME), value;
	long ret;

	vcpu_long_mode(vcpu, guest_pairs, 0);
	ret = vcpu_expect_sync(vcpu, 1);
	if (ret == -EOPNOTSUPP)
		SKIP("the host's clock is not the TSC");
	CHECK_EQ(ret, 0);
	value = vcpu_expect_sync(vcpu, 2);
	CHECK(value + 1000 >= before && value <= clock_ns(CLOCK_REALTIME) + 1000);
	vcpu_expect_done(vcpu);
}

static void guest_pairs_anywhere(u64 gpa)
{
	GUEST_SYNC_VALUE(1, call4(CLOCK_PAIRING, gpa, 0, 0, 0));
}

SUBTEST(class13_clock_pairing_anywhere)
{
	static const u64 bad[] = {
		MMIO_GPA, RAM_SIZE, RAM_SIZE - 63, BIT(52), BIT(63), -64ull, -1ull,
		TEST_GPA + 2 * PAGE_SIZE - 8,
	};
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *mem = vm_add_mem(vm, 1, TEST_GPA, 2 * PAGE_SIZE, MEM_ANON);
	const struct pairing *p = (struct pairing *)(mem + PAGE_SIZE - 20);
	long ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		test_doing("address %#llx", (unsigned long long)bad[i]);
		vcpu_long_mode(vcpu, guest_pairs_anywhere, bad[i]);
		ret = vcpu_expect_sync(vcpu, 1);
		if (ret == -EOPNOTSUPP)
			SKIP("the host's clock is not the TSC");
		CHECK_EQ(ret, -EFAULT);
	}
	/* across two pages */
	memset(mem, 0x5a, 2 * PAGE_SIZE);
	vcpu_long_mode(vcpu, guest_pairs_anywhere, TEST_GPA + PAGE_SIZE - 20);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0);
	CHECK(p->tsc && p->nsec < SECOND && !p->flags && !p->pad[8]);
	CHECK_EQ(mem[PAGE_SIZE - 21], 0x5a);
	CHECK_EQ(mem[PAGE_SIZE + 44], 0x5a);
}

/* ---- with local APICs ------------------------------------------------------------ */

#define VECTOR		0x40

static void guest_refused_ipis(u64 no_apic)
{
	if (no_apic) {
		GUEST_ASSERT_EQ(call4(SEND_IPI, 1, 0, 0, VECTOR), -EOPNOTSUPP);
		GUEST_ASSERT_EQ(call4(KICK_CPU, 0, 0, 0, 0), 0);
		GUEST_ASSERT_EQ(call4(SCHED_YIELD, 0, 0, 0, 0), 0);
		return;
	}
	GUEST_ASSERT_EQ(call4(SEND_IPI, 1, 0, 0, VECTOR | APIC_DEST_LOGICAL), -EINVAL);
	GUEST_ASSERT_EQ(call4(SEND_IPI, 1, 0, 0, VECTOR | APIC_DEST_SELF), -EINVAL);
	GUEST_ASSERT_EQ(call4(SEND_IPI, 1, 0, 0, VECTOR | APIC_DEST_ALLINC), -EINVAL);
	/* nobody there */
	GUEST_ASSERT_EQ(call4(SEND_IPI, ~1ull, ~0ull, 0, VECTOR), 0);
	GUEST_ASSERT_EQ(call4(SEND_IPI, ~0ull, ~0ull, 1, VECTOR), 0);
	GUEST_ASSERT_EQ(call4(SEND_IPI, 1, 0, 0xff, VECTOR), 0);
	GUEST_ASSERT_EQ(call4(SEND_IPI, 1, 0, 0xffffffff, VECTOR), 0);
	GUEST_ASSERT_EQ(call4(SEND_IPI, ~0ull, ~0ull, 0xfffffff0, VECTOR), 0);
	GUEST_ASSERT_EQ(call4(SEND_IPI, ~0ull, ~0ull, 4095, VECTOR), 0);
	GUEST_ASSERT_EQ(call4(SEND_IPI, 0, 0, 0, VECTOR), 0);
	/* nor to be kicked or yielded to */
	for (int bit = 1; bit < 64; bit++) {
		GUEST_ASSERT_EQ(call4(KICK_CPU, 0, BIT(bit), 0, 0), 0);
		GUEST_ASSERT_EQ(call4(SCHED_YIELD, BIT(bit), 0, 0, 0), 0);
	}
	GUEST_ASSERT_EQ(call4(SCHED_YIELD, 0, 0, 0, 0), 0);
}

SUBTEST(class11_ids_that_nobody_has)
{
	for (int no_apic = 0; no_apic < 2; no_apic++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu;

		if (!no_apic)
			vm_irqchip(vm);
		vcpu = vcpu_create(vm, 0);
		vcpu_long_mode(vcpu, guest_refused_ipis, no_apic);
		vcpu_expect_done(vcpu);
		vm_free(vm);
	}
}

static void guest_sends(u64 id)
{
	guest_xapic_enable();
	/* to ids 1, 2 and 66: the second set begins at 64 */
	GUEST_SYNC_VALUE(1, call4(SEND_IPI, 6, 4, 0, VECTOR));
	/* from 2 on: 2 and 66, which is 2 + 64 */
	GUEST_SYNC_VALUE(2, call4(SEND_IPI, 1, 1, 2, VECTOR + 1));
	GUEST_SYNC_VALUE(3, call4(SEND_IPI, 1, 0, 1, APIC_DM_NMI));
}

static void guest_receives(u64 id)
{
	guest_xapic_enable();
	for (;;) {
		GUEST_SYNC(1);
		guest_sti();
		guest_cli();
	}
}

static void make_runnable(struct vcpu *vcpu)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&mp), 0);
}

/* By id, which may be more than guest_irqs has room for. */
static u64 ipis[67][2];

static bool counts_ipi(u64 vector)
{
	u64 id = guest_percpu()->id;

	GUEST_ASSERT(id < ARRAY_SIZE(ipis));
	GUEST_ASSERT(vector - VECTOR < ARRAY_SIZE(ipis[0]));
	ipis[id][vector - VECTOR]++;
	return false;
}

SUBTEST(send_ipi)
{
	static const int ids[] = { 1, 2, 66 };
	static const u64 want[][2] = { { 1, 0 }, { 1, 1 }, { 1, 1 } };
	struct vm *vm;
	struct vcpu *sender, *others[3];
	struct kvm_vcpu_events events;

	guest_on_irq = counts_ipi;
	vm = vm_create();
	vm_irqchip(vm);
	vm_count_irqs(vm);
	sender = vcpu_create(vm, 0);
	vcpu_long_mode(sender, guest_sends, 0);
	for (int i = 0; i < 3; i++) {
		others[i] = vcpu_create(vm, ids[i]);
		make_runnable(others[i]);
		vcpu_long_mode(others[i], guest_receives, ids[i]);
		vcpu_expect_sync(others[i], 1);
	}
	CHECK_EQ(vcpu_expect_sync(sender, 1), 3);
	CHECK_EQ(vcpu_expect_sync(sender, 2), 2);
	CHECK_EQ(vcpu_expect_sync(sender, 3), 1);
	CHECK_EQ(xioctl(others[0]->fd, KVM_GET_VCPU_EVENTS, (uintptr_t)&events), 0);
	CHECK_EQ(events.nmi.pending, 1);
	events.nmi.pending = 0;
	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	CHECK_EQ(xioctl(others[0]->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&events), 0);
	for (int i = 0; i < 3; i++) {
		vcpu_expect_sync(others[i], 1);
		test_doing("vCPU %d", ids[i]);
		for (int k = 0; k < 2; k++)
			CHECK_EQ(guest_var(vm, ipis)[ids[i]][k], want[i][k]);
	}
}

static volatile u64 about_to_halt, kicked;

static void guest_halts(u64 a)
{
	/* KVM finds a local APIC by its id only after something was done to it */
	guest_xapic_enable();
	GUEST_SYNC(2);
	about_to_halt = 1;
	/* with RFLAGS.IF clear: nothing but a kick ends this */
	asm volatile("hlt");
	kicked = 1;
	GUEST_SYNC(1);
}

static void guest_kicks(u64 id)
{
	call4(KICK_CPU, 0, id, 0, 0);
	GUEST_SYNC(1);
	while (!READ_ONCE(about_to_halt))
		call4(SCHED_YIELD, id, 0, 0, 0);
	/* it may have begun to halt only after the first of these */
	while (!READ_ONCE(kicked))
		call4(KICK_CPU, 0, id, 0, 0);
}

/* A kick that comes early ends the next halt. */
SUBTEST(kick_before_the_halt)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu, *other;

	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	other = vcpu_create(vm, 1);
	make_runnable(other);
	vcpu_long_mode(vcpu, guest_kicks, 1);
	vcpu_long_mode(other, guest_halts, 0);
	vcpu_expect_sync(other, 2);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(other, 1);
}

static void *run_halting(void *vcpu)
{
	vcpu_expect_sync(vcpu, 1);
	return NULL;
}

SUBTEST(kick_out_of_the_halt)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu, *other;
	struct thread t;

	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	other = vcpu_create(vm, 1);
	make_runnable(other);
	vcpu_long_mode(other, guest_halts, 0);
	vcpu_expect_sync(other, 2);
	vcpu_long_mode(vcpu, guest_kicks, 2);	/* another one: none is pending for 1 */
	vcpu_expect_sync(vcpu, 1);
	vcpu_long_mode(vcpu, guest_kicks, 1);
	thread_start(&t, nr_cpus() - 1, run_halting, other);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
	thread_join(&t);
}

/* ---- ends of interrupts by a word in memory ------------------------------------- */

static volatile u32 eoi_word __aligned(64);
static volatile u64 by_word;

/* As the interface says: whoever finds the bit set clears it, and is done. */
static bool ends_by_word(u64 vector)
{
	u8 was;

	asm volatile("lock btrl $0, %0\n setc %1" : "+m"(eoi_word), "=q"(was) : : "memory", "cc");
	by_word += was;
	return was;
}

static void guest_goes_on(u64 rounds)
{
	for (u64 i = 1; i <= rounds; i++) {
		guest_apic_icr(0, VECTOR | APIC_DEST_SELF);
		/* every second time there are two, of which one waits for the other */
		if (i & 1)
			guest_apic_icr(0, (VECTOR + 0x20) | APIC_DEST_SELF);
		guest_sti();
		guest_cli();
		GUEST_ASSERT_EQ(guest_irqs[0][VECTOR], i);
		GUEST_ASSERT_EQ(guest_irqs[0][VECTOR + 0x20], (i + 1) / 2);
		for (int k = 0; k < 8; k++)
			GUEST_ASSERT_EQ(guest_apic_read(APIC_ISR + 0x10 * k), 0);
		GUEST_ASSERT_EQ(eoi_word, 0);
	}
	GUEST_SYNC_VALUE(1, by_word);
}

static void guest_ends_by_word(u64 rounds)
{
	guest_xapic_enable();
	wrmsr_try(MSR_PV_EOI, (uintptr_t)&eoi_word | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	GUEST_ASSERT_EQ(rdmsr_try(MSR_PV_EOI), (uintptr_t)&eoi_word | 1);
	guest_goes_on(rounds);
}

static struct vcpu *eoi_vcpu(void)
{
	struct vm *vm;
	struct vcpu *vcpu;

	guest_on_irq = ends_by_word;
	vm = vm_create();
	vm_irqchip(vm);
	vm_count_irqs(vm);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_ends_by_word, 100);
	return vcpu;
}

/*
 * No interrupt is lost or stays in service, whether the offer is made or not. It is made
 * where the CPU does not take ends by itself, if nobody waits for this one. An interrupt
 * of the host's between the two takes it back, and nobody promises to make it again.
 */
SUBTEST(pv_eoi)
{
	struct vcpu *vcpu = eoi_vcpu();
	u64 offers = vcpu_expect_sync(vcpu, 1);

	if (param_on("enable_apicv"))
		CHECK_EQ(offers, 0);
	else
		CHECK(offers >= 80 && offers <= 100);
	vcpu_expect_done(vcpu);
}

static void guest_takes_a_level(u64 pin)
{
	guest_xapic_enable();
	guest_apic_write(APIC_LVT0, APIC_LVT_MASKED);
	guest_ioapic_pin(pin, 0, IOAPIC_LEVEL | VECTOR);
	wrmsr_try(MSR_PV_EOI, (uintptr_t)&eoi_word | 1);
	GUEST_SYNC(1);
	guest_sti();
	guest_cli();
	GUEST_ASSERT_EQ(guest_irqs[0][VECTOR], 1);
	GUEST_ASSERT_EQ(eoi_word, 0);
	GUEST_SYNC_VALUE(2, by_word);
}

/* The I/O APIC waits for the end of a level, which therefore takes the register. */
SUBTEST(pv_eoi_is_not_for_levels)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	enum { PIN = 10 };
	struct vcpu *vcpu = eoi_vcpu();
	struct vm *vm = vcpu->vm;

	vcpu_long_mode(vcpu, guest_takes_a_level, PIN);
	vcpu_expect_sync(vcpu, 1);
	CHECK(irq_line(vm, PIN, 1) > 0);
	CHECK(irq_line(vm, PIN, 0) > 0);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_IRQCHIP, (uintptr_t)&chip), 0);
	CHECK(chip.chip.ioapic.redirtbl[PIN].fields.remote_irr);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_IRQCHIP, (uintptr_t)&chip), 0);
	CHECK(!chip.chip.ioapic.redirtbl[PIN].fields.remote_irr);
}

static void guest_tries_eoi_words(u64 good)
{
	for (int low = 2; low < 4; low++) {
		wrmsr_try(MSR_PV_EOI, good | low);
		GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	}
	wrmsr_try(MSR_PV_EOI, RAM_SIZE | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	wrmsr_try(MSR_PV_EOI, BIT(52) | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	wrmsr_try(MSR_PV_EOI, -4ull | 1);
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	GUEST_ASSERT_EQ(rdmsr_try(MSR_PV_EOI), 0);
	/* while it is off the place does not matter */
	wrmsr_try(MSR_PV_EOI, RAM_SIZE);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
}

SUBTEST(class13_pv_eoi_anywhere)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	vm_irqchip(vm);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_tries_eoi_words, (uintptr_t)&eoi_word);
	vcpu_expect_done(vcpu);
	CHECK_EQ(set_msr_raw(vcpu, MSR_PV_EOI, (uintptr_t)&eoi_word | 3), 0);
}

/* The word's memory goes: from then on every end takes the register. */
SUBTEST(class13_pv_eoi_slot_deleted)
{
	struct vcpu *vcpu = eoi_vcpu();
	struct vm *vm = vcpu->vm;
	u8 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	u64 before;

	before = vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, PAGE_SIZE, mem), 0);
	set_msr(vcpu, MSR_PV_EOI, TEST_GPA | 1);
	CHECK_EQ(set_region(vm, 1, 0, TEST_GPA, 0, mem), 0);
	guest_var(vm, guest_irqs)[0][VECTOR] = 0;
	guest_var(vm, guest_irqs)[0][VECTOR + 0x20] = 0;
	vcpu_long_mode(vcpu, guest_goes_on, 100);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), before);
	vcpu_expect_done(vcpu);
}
