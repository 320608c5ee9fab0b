// SPDX-License-Identifier: GPL-2.0
/*
 * lapicstate - the local APIC of the kernel as user space reads and writes it:
 * KVM_GET_LAPIC and KVM_SET_LAPIC at any point, with contents that make sense and
 * with contents that do not, in the two formats that x2APIC mode has.
 */
#include <sched.h>

#include "lapic.h"
#include "state.h"

#define ID_OF(id)	((u32)(id) << 24)

static int try_set_lapic(struct vcpu *vcpu, const struct kvm_lapic_state *s)
{
	return xioctl(vcpu->fd, KVM_SET_LAPIC, (uintptr_t)s);
}

static void set_bit(struct kvm_lapic_state *s, u32 reg, u8 vector)
{
	reg += (vector >> 5) * 0x10;
	lapic_set_reg(s, reg, lapic_reg(s, reg) | BIT(vector & 31));
}

/* The IRQ line that shows that all is well. */
static void check_works(struct vcpu *vcpu)
{
	u64 n = irqs(vcpu, 0x20);

	apic_icr(vcpu, 0, APIC_DEST_SELF | 0x20);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x20), n + 1);
}

/* ---- the calls --------------------------------------------------------- */

SUBTEST(class12_no_local_apic_in_the_kernel)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	struct kvm_lapic_state s = { 0 };

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)&s), -EINVAL);
	CHECK_EQ(try_set_lapic(vcpu, &s), -EINVAL);
	vcpu_long_mode(vcpu, guest_remote, 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(msr_rd_vector(vcpu, 0x802), GP);
	CHECK_EQ(msr_wr_vector(vcpu, 0x808, 0), GP);
	/* The page is user space's, as the APIC is. */
	remote_set(vcpu, OP_READ, APIC_DEFAULT_BASE + APIC_LVR, 0, 4);
	*(u32 *)vcpu_expect_mmio_read(vcpu, APIC_DEFAULT_BASE + APIC_LVR, 4) = 0x1234;
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(remote_of(vcpu)->result, 0x1234);
}

SUBTEST(class34_bad_pointers)
{
	void *hole = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vcpu *vcpu = lapic_new(false);

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, 1), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_LAPIC, 1), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_LAPIC, (uintptr_t)hole + 0xfff), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_LAPIC, (uintptr_t)hole + 0xfff), -EFAULT);
	check_works(vcpu);
}

SUBTEST(class28_get_lapic_writes_all)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_lapic_state s;

		check_get_writes_all(vcpu->fd, KVM_GET_LAPIC, sizeof(s));
		memset(&s, 0x5a, sizeof(s));
		get_lapic(vcpu, &s);
		/* What is between the registers is zero. */
		for (u32 off = 0; off < sizeof(s.regs); off++)
			if (off % 16 > 3)
				CHECK_EQ(s.regs[off], 0);
		vm_free(vcpu->vm);
	}
}

SUBTEST(readable_while_the_apic_is_off)
{
	struct vcpu *vcpu = lapic_new(false);
	struct kvm_lapic_state s, t;

	apic_wr(vcpu, APIC_LVTERR, 0x45);
	msr_wr(vcpu, MSR_IA32_APICBASE, APIC_DEFAULT_BASE | APIC_BASE_BSP);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_LVTERR), 0x45);
	lapic_set_reg(&s, APIC_LVTERR, 0x46);
	set_lapic(vcpu, &s);
	get_lapic(vcpu, &t);
	CHECK(!memcmp(&s, &t, sizeof(s)));
	apic_enable(vcpu, false);
	check_works(vcpu);
}

/* ---- round trips ------------------------------------------------------- */

static const struct field {
	u16 reg;
	u32 bits;
} fields[] = {
	{ APIC_TASKPRI, 0xff }, { APIC_SPIV, 0x3ff },
	{ APIC_LVTTHMR, 0x107ff }, { APIC_LVTPC, 0x107ff }, { APIC_LVT0, 0x1a7ff },
	{ APIC_LVT1, 0x1a7ff }, { APIC_LVTERR, 0x100ff }, { APIC_TDCR, 0xb },
	{ APIC_ICR, 0xccfff }, { APIC_LVTT, 0x200ff },
};

/* Anything that a guest might have made of it; no vector below 16 in IRR and ISR. */
static void random_state(struct kvm_lapic_state *s, bool x2apic, int id)
{
	memset(s, 0, sizeof(*s));
	for (u64 i = 0; i < ARRAY_SIZE(fields); i++)
		lapic_set_reg(s, fields[i].reg, test_rand() & fields[i].bits);
	for (int i = 0; i < 8; i++) {
		u32 all = i ? ~0u : 0xffff0000;

		lapic_set_reg(s, APIC_ISR + 16 * i, test_rand() & test_rand() & all);
		lapic_set_reg(s, APIC_IRR + 16 * i, test_rand() & all);
		lapic_set_reg(s, APIC_TMR + 16 * i, test_rand() & all);
	}
	lapic_set_reg(s, APIC_ICR, lapic_reg(s, APIC_ICR) & ~APIC_ICR_BUSY);
	/* Masked, the timer may run. */
	lapic_set_reg(s, APIC_LVTT, lapic_reg(s, APIC_LVTT) | APIC_LVT_MASKED);
	lapic_set_reg(s, APIC_TMICT, test_rand());
	lapic_set_reg(s, APIC_ID, ID_OF(id));
	lapic_set_reg(s, APIC_LVR, 0x50014);
	lapic_set_reg(s, APIC_DFR, 0xffffffff);
	lapic_set_reg(s, APIC_LDR, 1u << (id & 15) | id >> 4 << 16);
	lapic_set_reg(s, APIC_ICR2, test_rand());
	if (x2apic)
		return;
	lapic_set_reg(s, APIC_DFR, test_rand() & 1 ? APIC_DFR_FLAT : APIC_DFR_CLUSTER);
	lapic_set_reg(s, APIC_LDR, test_rand() & 0xff000000);
	lapic_set_reg(s, APIC_ICR2, test_rand() & 0xff000000);
}

static u32 expected_ppr(const struct kvm_lapic_state *s)
{
	u32 tpr = lapic_reg(s, APIC_TASKPRI), isr = 0;

	for (int v = 16; v < 256; v++)
		if (lapic_bit(s, APIC_ISR, v))
			isr = v & 0xf0;
	return (tpr & 0xf0) >= isr ? tpr : isr;
}

/*
 * Without APICv, KVM works PPR out from what was in service before KVM_SET_LAPIC, and
 * counts the vectors in service in eight bits: 256 of them are none.
 */
static bool ppr_is_stale(void)
{
	return device_is_kvm() && !param_on("enable_apicv");
}

static void check_same_lapic(const struct kvm_lapic_state *got,
			     const struct kvm_lapic_state *want)
{
	for (u32 reg = 0; reg < sizeof(got->regs); reg += 16) {
		test_doing("register %#x", reg);
		if (reg == APIC_PROCPRI)
			CHECK(lapic_reg(got, reg) == expected_ppr(want) || ppr_is_stale());
		else if (reg == APIC_TMCCT)
			CHECK(lapic_reg(got, reg) <= lapic_reg(want, APIC_TMICT));
		else
			CHECK_EQ(lapic_reg(got, reg), lapic_reg(want, reg));
	}
}

SUBTEST(random_states_come_back)
{
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct vm *vm = lapic_vm();
		struct vcpu *vcpu = lapic_vcpu(vm, 3 + 16 * x2apic);

		apic_enable(vcpu, x2apic);
		for (int round = 0; round < 30; round++) {
			struct kvm_lapic_state s, t;

			random_state(&s, x2apic, vcpu->id);
			set_lapic(vcpu, &s);
			get_lapic(vcpu, &t);
			check_same_lapic(&t, &s);
			lapic_set_reg(&t, APIC_TMCCT, 0);
			set_lapic(vcpu, &t);
			get_lapic(vcpu, &s);
			check_same_lapic(&s, &t);
		}
		vm_free(vm);
	}
}

/* The guest reads what was set, and its CR8 with it. */
SUBTEST(the_guest_sees_what_was_set)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int round = 0; round < 10; round++) {
			struct kvm_lapic_state s;

			random_state(&s, x2apic, 0);
			set_lapic(vcpu, &s);
			CHECK_EQ(remote_ok(vcpu, OP_RDCR8, 0, 0), lapic_reg(&s, APIC_TASKPRI) >> 4);
			CHECK_EQ(vcpu->run->cr8, lapic_reg(&s, APIC_TASKPRI) >> 4);
			CHECK_EQ(apic_rd(vcpu, APIC_PROCPRI), expected_ppr(&s));
			CHECK_EQ(apic_rd(vcpu, APIC_LDR), lapic_reg(&s, APIC_LDR));
			for (u64 i = 0; i < ARRAY_SIZE(fields); i++) {
				test_doing("register %#x, x2APIC %d", fields[i].reg, x2apic);
				CHECK_EQ(apic_rd(vcpu, fields[i].reg),
					 lapic_reg(&s, fields[i].reg));
			}
			for (u32 reg = APIC_ISR; reg < APIC_ESR; reg += 16) {
				test_doing("register %#x, x2APIC %d", reg, x2apic);
				CHECK_EQ(apic_rd(vcpu, reg), lapic_reg(&s, reg));
			}
		}
		vm_free(vcpu->vm);
	}
}

/* The version belongs to the machine; the ICR is a register, nothing is sent. */
SUBTEST(what_setting_does_not_do)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_lapic_state s;

		get_lapic(vcpu, &s);
		lapic_set_reg(&s, APIC_LVR, 0x12345678);
		lapic_set_reg(&s, APIC_ICR, APIC_DEST_SELF | 0x51);
		lapic_set_reg(&s, APIC_EOI, 1);
		set_lapic(vcpu, &s);
		get_lapic(vcpu, &s);
		CHECK_EQ(lapic_reg(&s, APIC_LVR), 0x50014);
		CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
		CHECK_EQ(lapic_bit(&s, APIC_IRR, 0x51), 0);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 0);
		vm_free(vcpu->vm);
	}
}

/* Pending and in service in one machine: it goes on in another. */
SUBTEST(interrupts_move_to_another_machine)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic), *other = lapic_new(x2apic);
		struct kvm_lapic_state s;

		guest_var(vcpu->vm, guest_irq_no_eoi)[0x62] = 1;
		guest_var(other->vm, guest_irq_no_eoi)[0x62] = 1;
		apic_icr(vcpu, 0, APIC_DEST_SELF | 0x62);
		take_irqs(vcpu);
		apic_icr(vcpu, 0, APIC_DEST_SELF | 0x51);
		apic_icr(vcpu, 0, APIC_DEST_SELF | 0x71);
		CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x62), 1);
		get_lapic(vcpu, &s);
		set_lapic(other, &s);
		take_irqs(other);
		CHECK_EQ(irqs(other, 0x71), 1);
		CHECK_EQ(irqs(other, 0x62), 0);
		CHECK_EQ(irqs(other, 0x51), 0);
		CHECK_EQ(apic_rd(other, APIC_PROCPRI), 0x60);
		apic_wr(other, APIC_EOI, 0);
		take_irqs(other);
		CHECK_EQ(irqs(other, 0x62), 1);
		apic_wr(other, APIC_EOI, 0);
		take_irqs(other);
		CHECK_EQ(irqs(other, 0x51), 1);
		get_lapic(other, &s);
		CHECK_EQ(lapic_bit(&s, APIC_ISR, 0x62), 0);
		vm_free(vcpu->vm);
		vm_free(other->vm);
	}
}

/* A state without them takes away what was pending, also what was only posted. */
SUBTEST(setting_clears_what_was_pending)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_lapic_state s;

		get_lapic(vcpu, &s);
		apic_icr(vcpu, 0, APIC_DEST_SELF | 0x51);
		CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x61), 1);
		set_lapic(vcpu, &s);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0x51), 0);
		CHECK_EQ(irqs(vcpu, 0x61), 0);
		check_works(vcpu);
		vm_free(vcpu->vm);
	}
}

static void *run_until_kicked(void *arg)
{
	CHECK_EQ(vcpu_run_raw(arg), -EINTR);
	return NULL;
}

static u64 halting;

static void guest_says_halting(u64 arg)
{
	WRITE_ONCE(halting, 1);
	guest_halt();
}

/* An idle CPU that is moved: what is pending in its new state wakes it. */
SUBTEST(a_halted_vcpu_wakes_by_its_state)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_lapic_state s;
		struct kvm_mp_state mp;
		struct thread t;

		remote_set(vcpu, OP_CALL, (uintptr_t)guest_says_halting, 0, 0);
		thread_start(&t, -1, run_until_kicked, vcpu);
		while (!READ_ONCE(guest_var(vcpu->vm, halting)))
			sched_yield();
		/* The state is read when HLT has been run, however long that takes. */
		for (;;) {
			thread_stop(&t);
			vcpu->run->immediate_exit = 0;
			CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, (uintptr_t)&mp), 0);
			if (mp.mp_state == KVM_MP_STATE_HALTED)
				break;
			thread_start(&t, -1, run_until_kicked, vcpu);
			sched_yield();
		}
		get_lapic(vcpu, &s);
		set_bit(&s, APIC_IRR, 0x81);
		set_lapic(vcpu, &s);
		CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&mp), 0);
		vcpu_expect_sync(vcpu, 1);
		CHECK_EQ(irqs(vcpu, 0x81), 1);
		vm_free(vcpu->vm);
	}
}

/* ---- hostile contents -------------------------------------------------- */

/* Interrupts at the vectors of exceptions: they push no error code. */
GUEST_ASM(only_iret, "iretq");

static struct vcpu *hostile_vcpu(bool x2apic)
{
	struct vcpu *vcpu = lapic_new(x2apic);

	for (int v = 16; v < 32; v++)
		vm_set_gate(vcpu->vm, v, only_iret, 0, 0);
	return vcpu;
}

/* The guest goes on, whatever comes; then a good state makes it as new. */
static void check_lives(struct vcpu *vcpu, const struct kvm_lapic_state *good, bool x2apic)
{
	for (int i = 0; i < 6; i++) {
		take_irqs(vcpu);
		if (x2apic)
			msr_wr(vcpu, X2APIC_MSR(APIC_EOI), 0);
		else
			remote_ok(vcpu, OP_WRITE, APIC_DEFAULT_BASE + APIC_EOI, 0);
	}
	set_lapic(vcpu, good);
	check_works(vcpu);
}

static void hostile_byte(bool x2apic, int byte)
{
	struct vcpu *vcpu = hostile_vcpu(x2apic);
	struct kvm_lapic_state good, bad;

	test_doing("all bytes %#x, x2APIC %d", byte, x2apic);
	get_lapic(vcpu, &good);
	memset(&bad, byte, sizeof(bad));
	set_lapic(vcpu, &bad);
	get_lapic(vcpu, &bad);
	CHECK_EQ(lapic_reg(&bad, APIC_LVR), 0x50014);
	check_lives(vcpu, &good, x2apic);
	vm_free(vcpu->vm);
}

SUBTEST(class08_all_bytes_the_same)
{
	static const u8 bytes[] = { 0, 0xff, 0x55, 0xaa, 1, 0x80 };

	for (u64 i = 0; i < ARRAY_SIZE(bytes); i++) {
		hostile_byte(false, bytes[i]);
		hostile_byte(true, bytes[i]);
	}
}

SUBTEST(class08_each_register_hostile)
{
	static const u32 values[] = { 0xffffffff, 0, 0x0fffffff, 0xff00 };

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = hostile_vcpu(x2apic);
		struct kvm_lapic_state good, bad;

		get_lapic(vcpu, &good);
		for (u32 reg = 0; reg < sizeof(good.regs); reg += 16) {
			for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
				test_doing("%#x in register %#x, x2APIC %d", values[i], reg,
					   x2apic);
				bad = good;
				lapic_set_reg(&bad, reg, values[i]);
				set_lapic(vcpu, &bad);
				take_irqs(vcpu);
			}
			check_lives(vcpu, &good, x2apic);
		}
		vm_free(vcpu->vm);
	}
}

SUBTEST(class08_random_contents)
{
	for (int round = 0; round < 8; round++) {
		struct vcpu *vcpu = hostile_vcpu(round & 1);
		struct kvm_lapic_state good, bad;

		get_lapic(vcpu, &good);
		for (int i = 0; i < 10; i++) {
			for (u64 k = 0; k < sizeof(bad); k++)
				bad.regs[k] = test_rand();
			set_lapic(vcpu, &bad);
			take_irqs(vcpu);
			get_lapic(vcpu, &bad);
			set_lapic(vcpu, &bad);
		}
		check_lives(vcpu, &good, round & 1);
		vm_free(vcpu->vm);
	}
}

/* In service and pending everywhere: each EOI brings the next. */
SUBTEST(class08_everything_in_service_and_pending)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = hostile_vcpu(x2apic);
		struct kvm_lapic_state good, bad;

		get_lapic(vcpu, &good);
		bad = good;
		for (u32 reg = APIC_ISR; reg < APIC_ESR; reg += 16)
			lapic_set_reg(&bad, reg, 0xffffffff);
		set_lapic(vcpu, &bad);
		CHECK(apic_rd(vcpu, APIC_PROCPRI) == 0xf0 || ppr_is_stale());
		take_irqs(vcpu);
		for (int i = 0; i < 40; i++) {
			apic_wr(vcpu, APIC_EOI, 0);
			take_irqs(vcpu);
		}
		get_lapic(vcpu, &bad);
		/* Those below 16 are never delivered. */
		CHECK_EQ(lapic_reg(&bad, APIC_IRR) & 0xffff, 0xffff);
		check_lives(vcpu, &good, x2apic);
		vm_free(vcpu->vm);
	}
}

/* A timer of the shortest period with a vector that cannot be delivered. */
SUBTEST(class08_hostile_timers)
{
	static const u32 lvtts[] = { 0, 0x20000, 0x40000, 0x60000, 0x2000f, 0x705, 0xffeffff };

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = hostile_vcpu(x2apic);
		struct kvm_lapic_state good, bad;

		get_lapic(vcpu, &good);
		for (u64 i = 0; i < 3 * ARRAY_SIZE(lvtts); i++) {
			test_doing("case %d, x2APIC %d", (int)i, x2apic);
			bad = good;
			lapic_set_reg(&bad, APIC_LVTT, lvtts[i / 3]);
			lapic_set_reg(&bad, APIC_TMICT, i % 3 == 2 ? 0xffffffff : 1);
			lapic_set_reg(&bad, APIC_TMCCT, i % 3 ? 0xffffffff : 0);
			lapic_set_reg(&bad, APIC_TDCR, i & 1 ? 0xffffffff : 0xb);
			set_lapic(vcpu, &bad);
			for (int k = 0; k < 5; k++)
				take_irqs(vcpu);
		}
		check_lives(vcpu, &good, x2apic);
		vm_free(vcpu->vm);
	}
}

static void guest_loops(u64 arg)
{
	guest_sti();
	for (;;)
		WRITE_ONCE(halting, halting + 1);
}

/* A guest that is drowned in interrupts can be stopped. */
SUBTEST(class25_killable_with_everything_pending)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = hostile_vcpu(x2apic);
		struct kvm_lapic_state s;
		struct thread t;

		memset(&s, 0xff, sizeof(s));
		lapic_set_reg(&s, APIC_LVTT, 0x20020);
		lapic_set_reg(&s, APIC_TMICT, 1);
		lapic_set_reg(&s, APIC_TASKPRI, 0);
		for (int i = 0; i < 8; i++)
			lapic_set_reg(&s, APIC_ISR + 16 * i, 0);
		set_lapic(vcpu, &s);
		remote_set(vcpu, OP_CALL, (uintptr_t)guest_loops, 0, 0);
		thread_start(&t, -1, run_until_kicked, vcpu);
		while (READ_ONCE(guest_var(vcpu->vm, halting)) < 100)
			sched_yield();
		thread_stop(&t);
		vm_free(vcpu->vm);
	}
}

/* ---- x2APIC formats ---------------------------------------------------- */

static int x2apic_api(struct vm *vm, u64 flags)
{
	return vm_enable_cap(vm, KVM_CAP_X2APIC_API, flags);
}

SUBTEST(x2apic_api_flags)
{
	struct vm *vm = lapic_vm();
	int known = check_cap(vm, KVM_CAP_X2APIC_API);

	if (known <= 0)
		SKIP("no KVM_CAP_X2APIC_API");
	CHECK_EQ(known & 3, 3);
	for (int bit = 0; bit < 64; bit++) {
		test_doing("flag %d", bit);
		CHECK_EQ(x2apic_api(vm, BIT(bit)), known & BIT(bit) && bit < 31 ? 0 : -EINVAL);
	}
}

/* The id is in the upper byte, as in xAPIC mode, or it has the register. */
static void check_format(bool wide)
{
	struct vm *vm = lapic_vm();
	struct kvm_lapic_state s, bad;
	struct vcpu *vcpu;

	test_doing("32-bit ids %d", wide);
	if (wide)
		CHECK_EQ(x2apic_api(vm, KVM_X2APIC_API_USE_32BIT_IDS), 0);
	vcpu = lapic_vcpu(vm, 0x25);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), ID_OF(0x25));	/* xAPIC mode has one format */
	apic_enable(vcpu, true);
	msr_wr(vcpu, X2APIC_MSR(APIC_ICR), 0x1234567800000041);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), wide ? 0x25 : ID_OF(0x25));
	CHECK_EQ(lapic_reg(&s, APIC_LDR), 0x20020);
	CHECK_EQ(lapic_reg(&s, APIC_ICR), 0x41);
	CHECK_EQ(lapic_reg(&s, APIC_ICR2), 0x12345678);
	bad = s;
	lapic_set_reg(&bad, APIC_ID, wide ? 0x26 : ID_OF(0x25) | 0x26);
	CHECK_EQ(try_set_lapic(vcpu, &bad), wide ? -EINVAL : 0);
	lapic_set_reg(&s, APIC_ICR2, 0x9abcdef0);
	lapic_set_reg(&s, APIC_LDR, 0x5555);
	set_lapic(vcpu, &s);
	CHECK_EQ(msr_rd(vcpu, X2APIC_MSR(APIC_ICR)), 0x9abcdef000000041);
	CHECK_EQ(msr_rd(vcpu, X2APIC_MSR(APIC_LDR)), 0x20020);
	CHECK_EQ(msr_rd(vcpu, X2APIC_MSR(APIC_ID)), 0x25);
	check_works(vcpu);
	vm_free(vm);
}

SUBTEST(x2apic_formats)
{
	struct vm *vm = lapic_vm();

	check_format(false);
	if (check_cap(vm, KVM_CAP_X2APIC_API) <= 0)
		SKIP("no KVM_CAP_X2APIC_API");
	check_format(true);
}

/* Ids above 255: the whole of them is in the x2APIC registers and in messages. */
SUBTEST(x2apic_ids_above_255)
{
	struct vm *vm = lapic_vm();
	struct kvm_lapic_state s;
	struct vcpu *vcpu, *first;

	if (check_cap(vm, KVM_CAP_MAX_VCPU_ID) <= 0x123)
		SKIP("no such ids");
	if (check_cap(vm, KVM_CAP_X2APIC_API) <= 0)
		SKIP("no KVM_CAP_X2APIC_API");
	CHECK_EQ(x2apic_api(vm, KVM_X2APIC_API_USE_32BIT_IDS), 0);
	first = lapic_vcpu(vm, 0);
	vcpu = lapic_vcpu(vm, 0x123);
	CHECK_EQ(apic_rd(vcpu, APIC_ID), ID_OF(0x23));
	apic_enable(vcpu, false);
	apic_enable(first, true);
	/* It is reached before it is in x2APIC mode: else nobody could start it. */
	apic_icr(first, 0x123, 0x40);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_IRR + 0x20), BIT(0));
	apic_enable(vcpu, true);
	CHECK_EQ(apic_rd(vcpu, APIC_ID), 0x123);
	CHECK_EQ(apic_rd(vcpu, APIC_LDR), 0x120008);
	apic_icr(first, 0x123, 0x41);
	apic_icr(first, 0x120008, APIC_DEST_LOGICAL | 0x42);
	apic_icr(first, 0x23, 0x43);
	CHECK_EQ(signal_msi(vm, MSI_ADDR | 0x23 << 12 | 0x100ull << 32, 0x44), 1);
	get_lapic(vcpu, &s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), 0x123);
	CHECK_EQ(lapic_reg(&s, APIC_IRR + 0x20), BIT(0) | BIT(1) | BIT(2) | BIT(4));
	set_lapic(vcpu, &s);
}
