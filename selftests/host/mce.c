// SPDX-License-Identifier: GPL-2.0
/*
 * mce - machine checks that user space reports to a guest: KVM_X86_SETUP_MCE,
 * KVM_X86_GET_MCE_CAP_SUPPORTED and KVM_X86_SET_MCE, and the banks of registers
 * that the guest then reads (SDM volume 3, chapter 16).
 */
#include "selftest.h"
#include "state.h"

#define MC		18		/* the exception */
#define BANKS_MAX	32
#define MCG_CTL_P	BIT(8)
#define MCG_CMCI_P	BIT(10)
#define MCG_STATUS_MCIP	BIT(2)
#define STATUS_VAL	BIT(63)
#define STATUS_OVER	BIT(62)
#define STATUS_UC	BIT(61)
#define STATUS_EN	BIT(60)
#define STATUS_PCC	BIT(57)
#define STATUS_S	BIT(56)

enum { CTL, STATUS, ADDR, MISC };	/* registers of a bank */

static u64 guest_bank[4], guest_mcg_status;
static u32 bank_to_read;

static u64 rdmsr_try(u32 msr)
{
	u32 lo = 0, hi = 0;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}

/* Reports 1, where an error comes in, then 2 with the exception it had. */
static void guest_waits(u64 arg)
{
	for (;;) {
		u64 vector;

		GUEST_TRY("mov $1, %%al\n\t"
			  "out %%al, $0xe7\n\t"
			  "nop", : : "rax", "memory");
		vector = guest_ex()->vector;
		for (int i = 0; i < 4; i++)
			guest_bank[i] = rdmsr_try(MSR_MC0_CTL + 4 * bank_to_read + i);
		guest_mcg_status = rdmsr_try(MSR_MCG_STATUS);
		GUEST_SYNC_VALUE(2, vector);
	}
}

static struct vcpu *new_vcpu(u64 cr4)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	CHECK_EQ(check_cap(vm, KVM_CAP_MCE), BANKS_MAX);
	vcpu_long_mode(vcpu, guest_waits, 0);
	get_sregs(vcpu, &s);
	s.cr4 |= cr4;
	set_sregs(vcpu, &s);
	vcpu_expect_sync(vcpu, 1);
	vcpu_complete(vcpu);
	return vcpu;
}

static int setup_mce(struct vcpu *vcpu, u64 cap)
{
	return xioctl(vcpu->fd, KVM_X86_SETUP_MCE, (uintptr_t)&cap);
}

static int try_mce(struct vcpu *vcpu, int bank, u64 status, u64 mcg_status)
{
	struct kvm_x86_mce m = { .status = status, .mcg_status = mcg_status,
		.bank = bank, .addr = 0x1000 + bank, .misc = 0x2000 + bank };

	return xioctl(vcpu->fd, KVM_X86_SET_MCE, (uintptr_t)&m);
}

static void set_mce(struct vcpu *vcpu, int bank, u64 status, u64 mcg_status)
{
	CHECK_EQ(try_mce(vcpu, bank, status, mcg_status), 0);
	guest_var(vcpu->vm, bank_to_read) = bank;
}

static void check_bank(struct vcpu *vcpu, int bank, u64 status)
{
	u64 *seen = guest_var(vcpu->vm, guest_bank);

	CHECK_EQ(seen[CTL], ~0ull);
	CHECK_EQ(seen[STATUS], status);
	CHECK_EQ(seen[ADDR], status ? 0x1000 + bank : 0);
	CHECK_EQ(seen[MISC], status ? 0x2000 + bank : 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(get_msr(vcpu, MSR_MC0_CTL + 4 * bank + i), seen[i]);
}

static u64 supported_cap(struct vcpu *vcpu)
{
	u64 cap = 0x5a5a5a5a5a5a5a5a;

	CHECK_EQ(xioctl(vcpu->vm->dev_fd, KVM_X86_GET_MCE_CAP_SUPPORTED, (uintptr_t)&cap), 0);
	return cap;
}

SUBTEST(class29_banks)
{
	static const int bad[] = { 0, BANKS_MAX + 1, 64, 0xff };
	struct vcpu *vcpu = new_vcpu(0);
	u64 cap = supported_cap(vcpu), v;

	CHECK_EQ(cap & 0xff, 0);
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		test_doing("%d banks", bad[i]);
		CHECK_EQ(setup_mce(vcpu, bad[i]), -EINVAL);
	}
	for (int n = 1; n <= BANKS_MAX; n++) {
		test_doing("%d banks", n);
		CHECK_EQ(setup_mce(vcpu, n), 0);
		CHECK_EQ(get_msr(vcpu, MSR_MCG_CAP), n);
		CHECK_EQ(try_mce(vcpu, n - 1, STATUS_VAL, 0), 0);
		CHECK_EQ(try_mce(vcpu, n, STATUS_VAL, 0), -EINVAL);
		CHECK_EQ(try_mce(vcpu, 0xff, STATUS_VAL, 0), -EINVAL);
		CHECK_EQ(get_msr_raw(vcpu->fd, MSR_MC0_CTL + 4 * n - 1, &v), 1);
		if (n == BANKS_MAX)
			break;		/* other registers follow these */
		CHECK_EQ(get_msr_raw(vcpu->fd, MSR_MC0_CTL + 4 * n, &v), 0);
		CHECK_EQ(set_msr_raw(vcpu, MSR_MC0_CTL + 4 * n, 0), 0);
	}
}

SUBTEST(capabilities)
{
	struct vcpu *vcpu = new_vcpu(0);
	u64 cap = supported_cap(vcpu);

	for (int bit = 8; bit < 64; bit++) {
		bool ok = BIT(bit) & (cap | 0xff0000);	/* any number of EXT registers */

		test_doing("bit %d", bit);
		CHECK_EQ(setup_mce(vcpu, BIT(bit) | 3), ok ? 0 : -EINVAL);
	}
	CHECK_EQ(setup_mce(vcpu, cap | 3), 0);
	CHECK_EQ(get_msr(vcpu, MSR_MCG_CAP), cap | 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(get_msr(vcpu, MSR_MC0_CTL + 4 * i), ~0ull);
	if (cap & MCG_CTL_P)
		CHECK_EQ(get_msr(vcpu, MSR_MCG_CTL), ~0ull);
	if (cap & MCG_CMCI_P)
		CHECK_EQ(get_msr(vcpu, MSR_MC0_CTL2), 0);
}

SUBTEST(status_must_be_valid)
{
	struct vcpu *vcpu = new_vcpu(X86_CR4_MCE);

	CHECK_EQ(setup_mce(vcpu, 4), 0);
	CHECK_EQ(try_mce(vcpu, 1, 0, 0), -EINVAL);
	CHECK_EQ(try_mce(vcpu, 1, ~STATUS_VAL, 0), -EINVAL);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
}

/* It only fills its bank; the first one stays, and is told that more came. */
SUBTEST(corrected_errors)
{
	struct vcpu *vcpu = new_vcpu(0);
	u64 one = STATUS_VAL | STATUS_EN | 0x10, other = STATUS_VAL | 0x20;

	CHECK_EQ(setup_mce(vcpu, 4), 0);
	set_mce(vcpu, 3, one, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	check_bank(vcpu, 3, one);
	CHECK_EQ(guest_var(vcpu->vm, guest_mcg_status), 0);
	vcpu_expect_sync(vcpu, 1);
	set_mce(vcpu, 3, other, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	check_bank(vcpu, 3, other | STATUS_OVER);
	vcpu_expect_sync(vcpu, 1);
	guest_var(vcpu->vm, bank_to_read) = 2;	/* the neighbour */
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	check_bank(vcpu, 2, 0);
}

SUBTEST(uncorrected_error_is_an_exception)
{
	struct vcpu *vcpu = new_vcpu(X86_CR4_MCE);
	u64 status = STATUS_VAL | STATUS_UC | STATUS_EN | STATUS_PCC | 0x30;

	CHECK_EQ(setup_mce(vcpu, 4 | (supported_cap(vcpu) & MCG_CTL_P)), 0);
	set_mce(vcpu, 1, status, MCG_STATUS_MCIP | 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), MC);
	check_bank(vcpu, 1, status);
	CHECK_EQ(guest_var(vcpu->vm, guest_mcg_status), MCG_STATUS_MCIP | 1);
	vcpu_complete(vcpu);
	/* One more before the guest is through with it: shutdown, as on a CPU. */
	set_mce(vcpu, 2, status, MCG_STATUS_MCIP);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
}

SUBTEST(uncorrected_error_after_another)
{
	struct vcpu *vcpu = new_vcpu(X86_CR4_MCE);
	u64 status = STATUS_VAL | STATUS_UC | STATUS_EN | STATUS_PCC | 0x30;

	CHECK_EQ(setup_mce(vcpu, 4), 0);
	set_mce(vcpu, 0, status, 1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), MC);
	vcpu_expect_sync(vcpu, 1);
	vcpu_complete(vcpu);
	set_mce(vcpu, 0, status, 1);	/* MCIP is not set: an exception again */
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), MC);
	check_bank(vcpu, 0, status | STATUS_OVER);
	vcpu_expect_sync(vcpu, 1);
	set_mce(vcpu, 0, STATUS_VAL | 0x99, 0);	/* a corrected one is only counted */
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	check_bank(vcpu, 0, status | STATUS_OVER);
}

SUBTEST(class27_uncorrected_error_without_cr4_mce)
{
	struct vcpu *vcpu = new_vcpu(0);

	CHECK_EQ(setup_mce(vcpu, 4), 0);
	set_mce(vcpu, 1, STATUS_VAL | STATUS_UC | STATUS_PCC, MCG_STATUS_MCIP);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(get_msr(vcpu, MSR_MC0_CTL + 4 + STATUS), 0);
}

/* UCNA: uncorrected, no action required. Nobody is interrupted. */
SUBTEST(uncorrected_error_that_needs_no_action)
{
	struct vcpu *vcpu = new_vcpu(0);
	u64 status = STATUS_VAL | STATUS_UC | STATUS_EN | 0x9f;

	CHECK_EQ(setup_mce(vcpu, 4), 0);
	set_mce(vcpu, 2, status, 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	check_bank(vcpu, 2, status);
}

SUBTEST(reports_that_the_guest_switched_off)
{
	struct vcpu *vcpu = new_vcpu(X86_CR4_MCE);
	u64 status = STATUS_VAL | STATUS_UC | STATUS_PCC;

	CHECK_EQ(setup_mce(vcpu, 4 | (supported_cap(vcpu) & MCG_CTL_P)), 0);
	set_msr(vcpu, MSR_MC0_CTL + 4 * 1, 0);
	set_mce(vcpu, 1, status, MCG_STATUS_MCIP);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	CHECK_EQ(guest_var(vcpu->vm, guest_bank)[STATUS], 0);
	if (!(supported_cap(vcpu) & MCG_CTL_P))
		return;
	vcpu_expect_sync(vcpu, 1);
	set_msr(vcpu, MSR_MCG_CTL, 0);
	set_mce(vcpu, 2, status, MCG_STATUS_MCIP);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), NO_EXCEPTION);
	CHECK_EQ(guest_var(vcpu->vm, guest_bank)[STATUS], 0);
}

static void guest_writes_bank(u64 arg)
{
	static const struct { u32 msr; u64 v; u64 vector; } writes[] = {
		{ MSR_MC0_CTL, 0, NO_EXCEPTION }, { MSR_MC0_CTL, ~0ull, NO_EXCEPTION },
		{ MSR_MC0_CTL, 2, GP },
		{ MSR_MC0_CTL + STATUS, 0, NO_EXCEPTION },
		{ MSR_MC0_CTL + STATUS, 1, GP },	/* only cleared: 16.3.2.2 */
		{ MSR_MC0_CTL + 4 * 4, 0, GP },		/* of banks that are not there */
		{ MSR_MCG_STATUS, 0, NO_EXCEPTION }, { MSR_MCG_CTL, 1, GP },
		{ MSR_MCG_CAP, 0, GP },
	};

	for (u32 i = 0; i < ARRAY_SIZE(writes); i++) {
		GUEST_TRY("wrmsr", : "c"(writes[i].msr), "a"((u32)writes[i].v),
			  "d"((u32)(writes[i].v >> 32)));
		if (guest_ex()->vector != writes[i].vector)
			GUEST_SYNC_VALUE(0x99, i);
	}
	GUEST_DONE();
}

SUBTEST(guest_writes_its_banks)
{
	struct vcpu *vcpu = new_vcpu(X86_CR4_MCE);

	CHECK_EQ(setup_mce(vcpu, 4), 0);
	set_mce(vcpu, 0, STATUS_VAL | 7, 0);
	vcpu_long_mode(vcpu, guest_writes_bank, 0);
	vcpu_expect_done(vcpu);
	CHECK_EQ(get_msr(vcpu, MSR_MC0_CTL + STATUS), 0);
	CHECK_EQ(get_msr(vcpu, MSR_MC0_CTL), ~0ull);
}
