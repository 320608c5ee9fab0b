// SPDX-License-Identifier: GPL-2.0
/*
 * lapicmode - the modes of the local APIC in the kernel: the MSR that says where it is
 * and in which mode, the MSRs that x2APIC mode has for registers and that must not be
 * there in the others, and its page while nobody listens there.
 */
#include "lapic.h"
#include "state.h"

#define BASE_RESET	(APIC_DEFAULT_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP)
#define NOBODY		0xee		/* an APIC id that no vCPU has */

/* ---- the MSRs of x2APIC mode ------------------------------------------- */

enum { ABSENT, RO, WO, RW };

/* Of SDM volume 3, table 11-6, by MSR number minus 0x800. */
static int x2apic_kind(u32 nr)
{
	switch (nr) {
	case 0x02: case 0x03: case 0x0a: case 0x0d: case 0x10 ... 0x27: case 0x39:
		return RO;
	case 0x0b: case 0x3f:
		return WO;
	case 0x08: case 0x0f: case 0x28: case 0x30: case 0x32 ... 0x38: case 0x3e:
		return RW;
	}
	return ABSENT;
}

/*
 * With APIC-register virtualisation a read that does not exit cannot fault (SDM
 * volume 3, 30.5), and KVM of Linux 6.1 lets all reads but one go without exit.
 */
static bool reads_never_fault(void)
{
	return device_is_kvm() && param_on("enable_apicv");
}

SUBTEST(class08_x2apic_reads)
{
	struct vcpu *vcpu = lapic_new(true);
	u64 value;

	for (u32 nr = 0; nr < 0x100; nr++) {
		int kind = x2apic_kind(nr);
		bool readable = kind == RO || kind == RW;

		test_doing("MSR %#x", 0x800 + nr);
		if (readable || !reads_never_fault())
			CHECK_EQ(msr_rd_vector(vcpu, 0x800 + nr), readable ? NO_EXCEPTION : GP);
		CHECK_EQ(get_msr_raw(vcpu->fd, 0x800 + nr, &value), readable);
	}
	CHECK_EQ(msr_rd(vcpu, 0x802), 0);
	CHECK_EQ(msr_rd(vcpu, 0x803), 0x50014);
	CHECK_EQ(msr_rd(vcpu, 0x80d), 1);
	CHECK_EQ(msr_rd(vcpu, 0x80f), 0x1ff);
}

/* Write 0, all of the lower half, and a bit of the upper half. */
static void check_x2apic_write(struct vcpu *vcpu, u32 nr)
{
	u64 none = x2apic_kind(nr) >= WO ? NO_EXCEPTION : GP;

	test_doing("MSR %#x", 0x800 + nr);
	if (nr != 0x30 && nr != 0x3f)
		CHECK_EQ(msr_wr_vector(vcpu, 0x800 + nr, nr == 0x0f ? 0x1ff : 0), none);
	if (none == GP || nr == 0x38)
		CHECK_EQ(msr_wr_vector(vcpu, 0x800 + nr, 0xffffffff), none);
	if (nr != 0x30) {
		CHECK_EQ(msr_wr_vector(vcpu, 0x800 + nr, BIT(32)), GP);
		CHECK_EQ(msr_wr_vector(vcpu, 0x800 + nr, BIT(63)), GP);
	}
}

SUBTEST(class08_x2apic_writes)
{
	struct vcpu *vcpu = lapic_new(true);

	for (u32 nr = 0; nr < 0x100; nr++)
		check_x2apic_write(vcpu, nr);
	take_irqs(vcpu);
	CHECK_EQ(msr_rd(vcpu, 0x802), 0);
	CHECK_EQ(msr_rd(vcpu, 0x80d), 1);
	CHECK_EQ(msr_rd(vcpu, 0x80f), 0x1ff);
}

/* Reserved bits that fault: each alone. */
SUBTEST(class08_x2apic_reserved_bits)
{
	/* KVM without help of the hardware takes any TPR and EOI. */
	bool soft = device_is_kvm() && !param_on("enable_apicv");
	struct vcpu *vcpu = lapic_new(true);

	for (int bit = 0; bit < 64; bit++) {
		test_doing("bit %d", bit);
		if (bit > 7)
			CHECK_EQ(msr_wr_vector(vcpu, 0x83f, BIT(bit)), GP);
		if (bit > 7 && !device_is_kvm())
			CHECK_EQ(msr_wr_vector(vcpu, 0x808, BIT(bit)), GP);
		if (!soft)
			CHECK_EQ(msr_wr_vector(vcpu, 0x80b, BIT(bit)), GP);
		CHECK_EQ(msr_wr_vector(vcpu, 0x828, BIT(bit)), GP);
		if (bit == 13 || bit == 16 || bit == 17 || (bit > 19 && bit < 32))
			CHECK_EQ(msr_wr_vector(vcpu, 0x830, (u64)NOBODY << 40 | BIT(bit) | 0x41),
				 GP);
	}
	/* Bit 12 of the ICR, which was a status in xAPIC mode, is passed over. */
	msr_wr(vcpu, 0x830, (u64)NOBODY << 32 | 0x1041);
	CHECK_EQ(msr_rd(vcpu, 0x830), (u64)NOBODY << 32 | 0x41);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x41), 0);
}

/* User space writes them as the guest does. */
SUBTEST(x2apic_msrs_from_user_space)
{
	struct vcpu *vcpu = lapic_new(true);
	u64 value;

	CHECK_EQ(set_msr_raw(vcpu, 0x808, 0x5a), 1);
	CHECK_EQ(get_msr(vcpu, 0x808), 0x5a);
	CHECK_EQ(apic_rd(vcpu, APIC_TASKPRI), 0x5a);
	CHECK_EQ(set_msr_raw(vcpu, 0x837, 0x42), 1);
	CHECK_EQ(apic_rd(vcpu, APIC_LVTERR), 0x42);
	CHECK_EQ(set_msr_raw(vcpu, 0x837, BIT(32) | 0x42), 0);
	CHECK_EQ(set_msr_raw(vcpu, 0x802, 1), 0);
	CHECK_EQ(set_msr_raw(vcpu, 0x840, 0), 0);
	CHECK_EQ(set_msr_raw(vcpu, 0x808, 0), 1);
	CHECK_EQ(set_msr_raw(vcpu, 0x83f, 0x66), 1);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x66), 1);
	apic_enable(vcpu, false);
	CHECK_EQ(get_msr_raw(vcpu->fd, 0x808, &value), 0);
	CHECK_EQ(set_msr_raw(vcpu, 0x808, 0), 0);
}

static void no_x2apic_msr(struct vcpu *vcpu, const char *mode)
{
	for (u32 msr = 0x800; msr < 0x900; msr++) {
		test_doing("MSR %#x, %s", msr, mode);
		CHECK_EQ(msr_rd_vector(vcpu, msr), GP);
		CHECK_EQ(msr_wr_vector(vcpu, msr, 0), GP);
	}
}

/* In the other modes, also after x2APIC mode, none of them is there. */
SUBTEST(class22_x2apic_msrs_in_other_modes)
{
	struct vcpu *vcpu = lapic_vcpu(lapic_vm(), 0);

	no_x2apic_msr(vcpu, "after RESET");
	apic_enable(vcpu, true);
	CHECK_EQ(msr_rd(vcpu, 0x802), 0);
	apic_enable(vcpu, false);
	no_x2apic_msr(vcpu, "xAPIC again");
	apic_enable(vcpu, true);
	msr_wr(vcpu, MSR_IA32_APICBASE, APIC_DEFAULT_BASE | APIC_BASE_BSP);
	no_x2apic_msr(vcpu, "disabled");
}

/* ---- the base MSR ------------------------------------------------------ */

SUBTEST(base_msr_reserved_bits)
{
	struct vm *vm = lapic_vm();
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0x80000008, 0);
	struct vcpu *vcpu = lapic_vcpu(vm, 0);
	int width = e ? e->eax & 0xff : 36;

	for (int bit = 0; bit < 64; bit++) {
		bool ok = bit == 8 || (bit > 9 && bit < width);

		test_doing("bit %d", bit);
		if (ok && bit != 8)
			continue;
		CHECK_EQ(msr_wr_vector(vcpu, MSR_IA32_APICBASE, BASE_RESET ^ BIT(bit)),
			 ok ? NO_EXCEPTION : GP);
		CHECK_EQ(set_msr_raw(vcpu, MSR_IA32_APICBASE, BASE_RESET ^ BIT(bit)), ok);
		CHECK_EQ(msr_rd(vcpu, MSR_IA32_APICBASE), ok ? BASE_RESET ^ BIT(bit) : BASE_RESET);
		msr_wr(vcpu, MSR_IA32_APICBASE, BASE_RESET);
	}
	CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
}

/* Figure 11-27 of SDM volume 3: from each state to each. */
SUBTEST(class08_base_msr_transitions)
{
	static const u64 modes[] = { 0, APIC_BASE_X2APIC, APIC_BASE_ENABLE,
		APIC_BASE_ENABLE | APIC_BASE_X2APIC };
	static const u8 allowed[4][4] = {
		{ 1, 0, 1, 0 },		/* disabled */
		{ 0, 0, 0, 0 },		/* cannot be */
		{ 1, 0, 1, 1 },		/* xAPIC */
		{ 1, 0, 0, 1 },		/* x2APIC */
	};
	const u64 at = APIC_DEFAULT_BASE | APIC_BASE_BSP;
	struct vcpu *vcpu = lapic_vcpu(lapic_vm(), 0);

	for (int from = 0; from < 4; from++) {
		for (int to = 0; to < 4 && from != 1; to++) {
			u64 want = allowed[from][to] ? at | modes[to] : at | modes[from];

			test_doing("from %#llx to %#llx", modes[from], modes[to]);
			/* User space may do all but the one that cannot be. */
			set_msr(vcpu, MSR_IA32_APICBASE, at | modes[from]);
			CHECK_EQ(msr_wr_vector(vcpu, MSR_IA32_APICBASE, at | modes[to]),
				 allowed[from][to] ? NO_EXCEPTION : GP);
			CHECK_EQ(msr_rd(vcpu, MSR_IA32_APICBASE), want);
			CHECK_EQ(set_msr_raw(vcpu, MSR_IA32_APICBASE, at | modes[to]), to != 1);
		}
	}
}

SUBTEST(base_msr_without_x2apic_in_cpuid)
{
	struct vm *vm = lapic_vm();
	struct kvm_sregs sregs;
	struct vcpu *vcpu;

	cpuid_leaf(vm->cpuid, 1, 0)->ecx &= ~(1u << 21);
	vcpu = lapic_vcpu(vm, 0);
	CHECK_EQ(msr_wr_vector(vcpu, MSR_IA32_APICBASE, BASE_RESET | APIC_BASE_X2APIC), GP);
	CHECK_EQ(set_msr_raw(vcpu, MSR_IA32_APICBASE, BASE_RESET | APIC_BASE_X2APIC), 0);
	get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.apic_base, BASE_RESET);
	sregs.apic_base |= APIC_BASE_X2APIC;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SREGS, (uintptr_t)&sregs), -EINVAL);
	CHECK_EQ(msr_rd_vector(vcpu, 0x802), GP);
}

/* The same MSR by KVM_SET_SREGS. */
SUBTEST(base_in_sregs)
{
	struct vcpu *vcpu = lapic_vcpu(lapic_vm(), 0);
	struct kvm_sregs sregs;

	get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.apic_base, BASE_RESET);
	sregs.apic_base = BASE_RESET | 1;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SREGS, (uintptr_t)&sregs), -EINVAL);
	sregs.apic_base = APIC_DEFAULT_BASE | APIC_BASE_X2APIC;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SREGS, (uintptr_t)&sregs), -EINVAL);
	sregs.apic_base = BASE_RESET | APIC_BASE_X2APIC;
	sregs.cr8 = 3;
	set_sregs(vcpu, &sregs);
	guest_var(vcpu->vm, guest_in_x2apic)[0] = true;
	CHECK_EQ(msr_rd(vcpu, MSR_IA32_APICBASE), BASE_RESET | APIC_BASE_X2APIC);
	CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
	CHECK_EQ(apic_rd(vcpu, APIC_TASKPRI), 0x30);
	sregs.apic_base = BASE_RESET;
	set_sregs(vcpu, &sregs);
	guest_var(vcpu->vm, guest_in_x2apic)[0] = false;
	CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
}

/* The id that software wrote goes with the mode; CPUID tells whether there is one. */
SUBTEST(ids_and_cpuid_follow_the_mode)
{
	struct vcpu *vcpu = lapic_vcpu(lapic_vm(), 5);
	const u64 at = APIC_DEFAULT_BASE;

	CHECK_EQ(apic_rd(vcpu, APIC_ID), 0x5000000);
	CHECK_EQ(remote_ok(vcpu, OP_CPUID, 1, 0) >> (32 + 9) & 1, 1);
	apic_enable(vcpu, true);
	CHECK_EQ(msr_rd(vcpu, 0x802), 5);
	CHECK_EQ(msr_rd(vcpu, 0x80d), 0x20);
	msr_wr(vcpu, MSR_IA32_APICBASE, at);
	CHECK_EQ(remote_ok(vcpu, OP_CPUID, 1, 0) >> (32 + 9) & 1, 0);
	apic_enable(vcpu, false);
	CHECK_EQ(remote_ok(vcpu, OP_CPUID, 1, 0) >> (32 + 9) & 1, 1);
	CHECK_EQ(apic_rd(vcpu, APIC_ID), 0x5000000);
	apic_wr(vcpu, APIC_ID, 0x77000000);
	CHECK(apic_rd(vcpu, APIC_ID) == 0x77000000 || apic_rd(vcpu, APIC_ID) == 0x5000000);
	msr_wr(vcpu, MSR_IA32_APICBASE, at);
	msr_wr(vcpu, MSR_IA32_APICBASE, at | APIC_BASE_ENABLE);
	CHECK_EQ(apic_rd(vcpu, APIC_ID), 0x5000000);
	apic_wr(vcpu, APIC_ID, 0x77000000);
	apic_enable(vcpu, true);
	CHECK_EQ(msr_rd(vcpu, 0x802), 5);
	CHECK_EQ(msr_rd(vcpu, 0x80d), 0x20);
}

/* Who is off takes nothing, and does not answer. */
static void check_hole(struct vcpu *vcpu, bool quirk)
{
	const u64 at = APIC_DEFAULT_BASE + APIC_LVR;

	if (quirk) {
		CHECK_EQ(remote_ok(vcpu, OP_READ, at, 0), 0xffffffff);
		remote_ok(vcpu, OP_WRITE, at, 0);
		return;
	}
	remote_set(vcpu, OP_READ, at, 0, 4);
	*(u32 *)vcpu_expect_mmio_read(vcpu, at, 4) = 0x1234;
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(remote_of(vcpu)->result, 0x1234);
	remote_set(vcpu, OP_WRITE, at, 0x5678, 4);
	CHECK_EQ(*(u32 *)vcpu_expect_mmio_write(vcpu, at, 4), 0x5678);
	vcpu_expect_sync(vcpu, 1);
}

/* The APIC's page when nobody listens there: swallowed, or without the quirk not. */
SUBTEST(class08_page_of_an_apic_that_is_off)
{
	/* It is the page that VT-x wants for accesses that it virtualises. */
	if (device_is_kvm() && param_on("flexpriority"))
		SKIP("KVM has a page of memory there");
	for (int quirk = 1; quirk >= 0; quirk--) {
		struct vm *vm = lapic_vm();
		struct vcpu *vcpu;

		test_doing("quirk %d", quirk);
		if (!quirk && !(check_cap(vm, KVM_CAP_DISABLE_QUIRKS2) &
				KVM_X86_QUIRK_LAPIC_MMIO_HOLE))
			SKIP("the quirk cannot be disabled");
		if (!quirk)
			CHECK_EQ(vm_enable_cap(vm, KVM_CAP_DISABLE_QUIRKS2,
					       KVM_X86_QUIRK_LAPIC_MMIO_HOLE), 0);
		vcpu = lapic_vcpu(vm, 0);
		apic_enable(vcpu, true);
		check_hole(vcpu, quirk);
		msr_wr(vcpu, MSR_IA32_APICBASE, APIC_DEFAULT_BASE | APIC_BASE_BSP);
		check_hole(vcpu, quirk);
		apic_enable(vcpu, false);
		CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
		vm_free(vm);
	}
}

/* An APIC that is off takes no interrupts, and has none when it is on again. */
SUBTEST(class08_interrupts_of_an_apic_that_is_off)
{
	struct vm *vm = lapic_vm();
	struct vcpu *vcpu = lapic_vcpu(vm, 0);

	apic_enable(vcpu, false);
	msr_wr(vcpu, MSR_IA32_APICBASE, APIC_DEFAULT_BASE | APIC_BASE_BSP);
	CHECK(signal_msi(vm, MSI_ADDR, 0x55) <= 0);
	take_irqs(vcpu);
	apic_enable(vcpu, false);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x55), 0);
	CHECK_EQ(signal_msi(vm, MSI_ADDR, 0x55), 1);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x55), 1);
}

/* The page moves; its old place is user space's. */
SUBTEST(moved_base)
{
	const u64 there = 0xd0100000;
	struct vm *vm = lapic_vm();
	struct vcpu *vcpu = lapic_vcpu(vm, 0);

	apic_enable(vcpu, false);
	msr_wr(vcpu, MSR_IA32_APICBASE, there | APIC_BASE_ENABLE | APIC_BASE_BSP);
	CHECK_EQ(remote_ok(vcpu, OP_READ, there + APIC_LVR, 0), 0x50014);
	remote_ok(vcpu, OP_WRITE, there + APIC_TASKPRI, 0x40);
	CHECK_EQ(remote_ok(vcpu, OP_RDCR8, 0, 0), 4);
	CHECK_EQ(remote_ok(vcpu, OP_READ, there + APIC_PROCPRI, 0), 0x40);
	check_hole(vcpu, false);
	remote_ok(vcpu, OP_WRITE, there + APIC_TASKPRI, 0);
	CHECK_EQ(remote_ok(vcpu, OP_READ, there + APIC_TASKPRI, 0), 0);
	/* Interrupts come as ever, and the EOI is done at the new place. */
	guest_var(vm, guest_irq_no_eoi)[0x58] = 1;
	remote_ok(vcpu, OP_WRITE, there + APIC_ICR, APIC_DEST_SELF | 0x58);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x58), 1);
	CHECK_EQ(remote_ok(vcpu, OP_READ, there + APIC_ISR + 0x20, 0), BIT(0x18));
	remote_ok(vcpu, OP_WRITE, there + APIC_EOI, 0);
	CHECK_EQ(remote_ok(vcpu, OP_READ, there + APIC_ISR + 0x20, 0), 0);
	msr_wr(vcpu, MSR_IA32_APICBASE, BASE_RESET);
	CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
}
