// SPDX-License-Identifier: GPL-2.0
/*
 * msrs - the guest reads and writes every MSR that a bitmap could let through to
 * the CPU. Each access gives a value of the guest's own or #GP; none shows or
 * changes the host's (bug classes 22 and 4).
 */
#include <fcntl.h>

#include "selftest.h"

#define HIGH		0xc0000000u
#define NR		0x2000u
#define MSR_TSC		0x10
#define MSR_APIC_BASE	0x1b
#define MSR_SPEC_CTRL	0x48
#define MSR_EFER	0xc0000080u
#define MSR_FS_BASE	0xc0000100u
#define MSR_GS_BASE	0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

static u64 values[2][NR];
static u8 faults[2][NR];
static u64 to_write;
static u32 write_first, write_count;

static u64 rdmsr_try(u32 msr)
{
	u32 lo = 0, hi = 0;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}

static void wrmsr_try(u32 msr, u64 v)
{
	GUEST_TRY("wrmsr", : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

static void guest_read_all(u64 arg)
{
	for (u32 half = 0; half < 2; half++) {
		for (u32 i = 0; i < NR; i++) {
			values[half][i] = rdmsr_try((half ? HIGH : 0) + i);
			if (guest_ex()->vector == NO_EXCEPTION)
				continue;
			GUEST_ASSERT_EQ(guest_ex()->vector, GP);
			GUEST_ASSERT_EQ(guest_ex()->error, 0);
			GUEST_ASSERT_EQ(values[half][i], 0);
			faults[half][i] = 1;
		}
	}
}

static bool cpuid_bit(struct vm *vm, u32 function, int reg, int bit)
{
	for (u32 i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		if (e->function == function && !e->index)
			return (&e->eax)[reg] >> bit & 1;
	}
	return false;
}

struct known {
	u32 msr;
	u64 value;
};

static void check_known(struct vm *vm, struct kvm_sregs *s)
{
	const struct known known[] = {
		{ MSR_EFER, s->efer }, { MSR_FS_BASE, s->fs.base },
		{ MSR_GS_BASE, s->gs.base }, { MSR_APIC_BASE, s->apic_base },
		{ MSR_KERNEL_GS_BASE, 0 },
		{ 0xc0000081, 0 }, { 0xc0000082, 0 },	/* STAR, LSTAR */
		{ 0xc0000083, 0 }, { 0xc0000084, 0 },	/* CSTAR, FMASK */
		{ 0x174, 0 }, { 0x175, 0 }, { 0x176, 0 }, /* SYSENTER */
	};

	for (u64 i = 0; i < ARRAY_SIZE(known); i++) {
		u32 half = known[i].msr >= HIGH, at = known[i].msr & (NR - 1);

		test_doing("MSR %#x", known[i].msr);
		CHECK_EQ(guest_var(vm, faults)[half][at], 0);
		CHECK_EQ(guest_var(vm, values)[half][at], known[i].value);
	}
}

SUBTEST(class22_guest_reads_every_msr)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;
	u64 v;

	vcpu_long_mode(vcpu, guest_read_all, 0);
	get_sregs(vcpu, &s);
	vcpu_expect_done(vcpu);
	check_known(vm, &s);
	for (u32 half = 0; half < 2; half++) {
		for (u32 i = 0; i < NR; i++) {
			test_doing("MSR %#x", (half ? HIGH : 0) + i);
			v = guest_var(vm, values)[half][i];
			/* A new vCPU has no address in the host's half. */
			if (v >> 47 == 0x1ffff && v != ~0ull)
				FAIL("expected no kernel address, got %#llx",
				     (unsigned long long)v);
		}
	}
	/* The VMX capability MSRs come with VMX only. */
	for (u32 i = 0x480; i <= 0x491 && !cpuid_bit(vm, 1, 2, 5); i++) {
		test_doing("MSR %#x", i);
		CHECK_EQ(guest_var(vm, faults)[0][i], 1);
	}
}

static bool written_by_the_test(u32 msr)
{
	/* The guest lives on these; TSC is no secret and no harm. */
	return msr != MSR_EFER && msr != MSR_FS_BASE && msr != MSR_GS_BASE;
}

static void guest_write_all(u64 arg)
{
	for (u32 i = 0; i < write_count; i++) {
		if (!written_by_the_test(write_first + i))
			continue;
		wrmsr_try(write_first + i, to_write);
		if (guest_ex()->vector != NO_EXCEPTION)
			GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	}
}

/* The host lives on, as this process's own system calls show. */
SUBTEST(class22_guest_writes_every_msr)
{
	static const u64 patterns[] = { 0, ~0ull, 0x7fff12345678, 1 };

	for (u64 p = 0; p < ARRAY_SIZE(patterns); p++) {
		for (int half = 0; half < 2; half++) {
			struct vm *vm = vm_create();
			struct vcpu *vcpu = vcpu_create(vm, 0);

			guest_var(vm, to_write) = patterns[p];
			guest_var(vm, write_first) = half ? HIGH : 0;
			guest_var(vm, write_count) = NR;
			vcpu_long_mode(vcpu, guest_write_all, 0);
			vcpu_expect_done(vcpu);
			CHECK_EQ(getppid() > 0, 1);
			vm_free(vm);
		}
	}
}

static const u32 odd_msrs[] = { 0x2000, 0x3fff, 0x10000, 0x40000000, 0x7fffffff,
	0x80000000, 0xbfffffff, 0xc0002000, 0xdeadbeef, 0xffffffff };

static void guest_odd(u64 arg)
{
	for (u64 i = 0; i < ARRAY_SIZE(odd_msrs); i++) {
		u32 msr = odd_msrs[i];

		rdmsr_try(msr);
		/* 0x40000000 and on is the hypervisors' range. */
		if (msr >> 12 == 0x40000)
			continue;
		GUEST_ASSERT_EQ(guest_ex()->vector, GP);
		wrmsr_try(msr, 0);
		GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	}
}

SUBTEST(class22_msrs_outside_the_bitmap)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_odd, 0);
	vcpu_expect_done(vcpu);
}

static const u32 address_msrs[] = { 0x175, 0x176, 0xc0000082, 0xc0000083,
	MSR_FS_BASE, MSR_KERNEL_GS_BASE };

static void guest_addresses(u64 arg)
{
	static const u64 bad[] = { 0x800000000000, 0xffff7fffffffffff, BIT(63) };
	static const u64 good[] = { 0, 0x7fffffffffff, 0xffff800000000000, 0x1234 };

	for (u64 i = 0; i < ARRAY_SIZE(address_msrs); i++) {
		u32 msr = address_msrs[i];

		for (u64 k = 0; k < ARRAY_SIZE(good); k++) {
			wrmsr_try(msr, good[k]);
			GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
			GUEST_ASSERT_EQ(rdmsr_try(msr), good[k]);
			outb(0x80, 0);		/* through an exit */
			GUEST_ASSERT_EQ(rdmsr_try(msr), good[k]);
		}
		for (u64 k = 0; k < ARRAY_SIZE(bad); k++) {
			wrmsr_try(msr, bad[k]);
			GUEST_ASSERT_EQ(guest_ex()->vector, GP);
			GUEST_ASSERT_EQ(rdmsr_try(msr), 0x1234);
		}
	}
}

SUBTEST(class04_address_msrs_are_canonical)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_addresses, 0);
	for (u64 i = 0; i < ARRAY_SIZE(address_msrs) * 4; i++)
		vcpu_expect_out(vcpu, 0x80, 1, 1);
	vcpu_expect_done(vcpu);
}

GUEST_ASM(nop_code, ".code64\n	nop\n	hlt\n");

/* An instruction pointer that the CPU would not enter with (CVE-2014-3647). */
SUBTEST(class04_rip_is_not_canonical)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;
	int ret;

	vcpu_long_mode(vcpu, nop_code, 0);
	get_regs(vcpu, &regs);
	regs.rip = 0x800000000000;
	ret = xioctl(vcpu->fd, KVM_SET_REGS, (uintptr_t)&regs);
	if (ret == -EINVAL)
		return;
	CHECK_EQ(ret, 0);
	/* It must not run; in which words it says so is the device's choice. */
	CHECK_EQ(vcpu_run_raw(vcpu), 0);
	CHECK(vcpu->run->exit_reason == KVM_EXIT_FAIL_ENTRY ||
	      vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
	      vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN ||
	      vcpu->run->exit_reason == KVM_EXIT_IO);
	/* The vCPU is as good as new afterwards. */
	vcpu_long_mode(vcpu, nop_code, 0);
	vcpu_run(vcpu, KVM_EXIT_HLT);
}

static void guest_own_msrs(u64 arg)
{
	wrmsr_try(0xc0000082, arg);
	wrmsr_try(MSR_KERNEL_GS_BASE, arg + 1);
	wrmsr_try(0x176, arg + 2);
	for (int i = 0; i < 20; i++) {
		GUEST_SYNC(1);
		GUEST_ASSERT_EQ(rdmsr_try(0xc0000082), arg);
		GUEST_ASSERT_EQ(rdmsr_try(MSR_KERNEL_GS_BASE), arg + 1);
		GUEST_ASSERT_EQ(rdmsr_try(0x176), arg + 2);
	}
}

/* Two vCPUs take turns on one CPU: each keeps its own. */
SUBTEST(msrs_belong_to_the_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);

	pin_to_cpu(0);
	vcpu_long_mode(a, guest_own_msrs, 0x100000);
	vcpu_long_mode(b, guest_own_msrs, 0x200000);
	for (int i = 0; i < 20; i++) {
		vcpu_expect_sync(a, 1);
		vcpu_expect_sync(b, 1);
	}
	vcpu_expect_done(a);
	vcpu_expect_done(b);
}

static void guest_spec_ctrl(u64 arg)
{
	for (int i = 0; i < 10; i++) {
		wrmsr_try(MSR_SPEC_CTRL, arg);
		GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
		GUEST_SYNC(1);
		GUEST_ASSERT_EQ(rdmsr_try(MSR_SPEC_CTRL), arg);
		/* zero, too, is a value that the guest may want to keep */
		wrmsr_try(MSR_SPEC_CTRL, 0);
		GUEST_SYNC(1);
		GUEST_ASSERT_EQ(rdmsr_try(MSR_SPEC_CTRL), 0);
	}
	wrmsr_try(MSR_SPEC_CTRL, BIT(63));
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
}

/* The host's own value, by the msr driver. */
static u64 host_spec_ctrl(void)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY);
	u64 value = 0;

	if (fd < 0)
		SKIP("no /dev/cpu/0/msr");
	CHECK_EQ(pread(fd, &value, sizeof(value), MSR_SPEC_CTRL), sizeof(value));
	close(fd);
	return value;
}

/* What one guest asks of the CPU's speculation is neither the host's nor another's. */
SUBTEST(class24_spec_ctrl_belongs_to_the_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);
	u64 before;

	if (!cpuid_bit(vm, 7, 3, 26))
		SKIP("this CPU has no SPEC_CTRL");
	pin_to_cpu(0);
	before = host_spec_ctrl();
	vcpu_long_mode(a, guest_spec_ctrl, 1);
	vcpu_long_mode(b, guest_spec_ctrl, cpuid_bit(vm, 7, 3, 31) ? 4 : 0);
	for (int i = 0; i < 20; i++) {
		vcpu_expect_sync(a, 1);
		CHECK_EQ(host_spec_ctrl(), before);
		vcpu_expect_sync(b, 1);
		CHECK_EQ(host_spec_ctrl(), before);
	}
	vcpu_expect_done(a);
	vcpu_expect_done(b);
}
