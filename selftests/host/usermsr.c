// SPDX-License-Identifier: GPL-2.0
/*
 * usermsr - MSR accesses that user space decides: KVM_CAP_X86_USER_SPACE_MSR sends
 * those that would end in #GP to it, KVM_X86_SET_MSR_FILTER makes more of them. No
 * MSR that the CPU would otherwise be left to serve gets around the filter (bug
 * class 22), and no count or size of a filter does harm (bug class 29).
 */
#include "cpu.h"

#define ALL_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)
#define READ_WRITE	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define MSR_UNKNOWN	0x12345678
#define MSR_EFER	0xc0000080
#define MSR_LSTAR	0xc0000082
#define MSR_FS_BASE	0xc0000100
#define MSR_KERNEL_GS	0xc0000102
#define MSR_SYSENTER_EIP 0x176
#define BAD_EFER	BIT(63)

/* ---- a guest that accesses the MSR it is told -------------------------- */

static struct {
	u64 write, msr, value;
	u64 vector, result;
} op;

static void guest_ops(u64 arg)
{
	for (;;) {
		GUEST_SYNC(1);
		if (op.write)
			wrmsr_try(op.msr, op.value);
		else
			op.result = rdmsr_try(op.msr);
		op.vector = guest_ex()->vector;
		if (op.vector != NO_EXCEPTION)
			GUEST_ASSERT_EQ(guest_ex()->error, 0);
		GUEST_SYNC(2);
	}
}

static struct vcpu *ops_vcpu(struct vm *vm, int id)
{
	struct vcpu *vcpu = vcpu_create(vm, id);

	vcpu_long_mode(vcpu, guest_ops, 0);
	return vcpu;
}

static int set_mask(struct vm *vm, u64 mask)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { mask } };

	return xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
}

/* Starts an access; what comes of it is in vcpu->run. */
static void start(struct vcpu *vcpu, bool write, u32 msr, u64 value)
{
	test_doing("%s MSR %#x", write ? "write" : "read", msr);
	vcpu_expect_sync(vcpu, 1);
	guest_var(vcpu->vm, op).write = write;
	guest_var(vcpu->vm, op).msr = msr;
	guest_var(vcpu->vm, op).value = value;
	guest_var(vcpu->vm, op).result = 0;
}

static void finish(struct vcpu *vcpu, u64 vector)
{
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(guest_var(vcpu->vm, op).vector, vector);
}

/* An access that does not reach user space. */
static u64 access_inside(struct vcpu *vcpu, bool write, u32 msr, u64 value, u64 vector)
{
	start(vcpu, write, msr, value);
	finish(vcpu, vector);
	return guest_var(vcpu->vm, op).result;
}

/* One that does, for this reason; its end is the caller's. */
static void access_outside(struct vcpu *vcpu, bool write, u32 msr, u64 value, u64 reason)
{
	struct kvm_run *r = vcpu->run;

	start(vcpu, write, msr, value);
	memset(&r->msr, 0xff, sizeof(r->msr));
	vcpu_run(vcpu, write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR);
	CHECK_EQ(r->msr.index, msr);
	CHECK_EQ(r->msr.reason, reason);
	CHECK_EQ(r->msr.error, 0);
	for (u64 i = 0; i < sizeof(r->msr.pad); i++)
		CHECK_EQ(r->msr.pad[i], 0);
	CHECK_EQ(r->msr.data, write ? value : 0);
}

/* ---- KVM_CAP_X86_USER_SPACE_MSR ---------------------------------------- */

SUBTEST(capability_and_mask_values)
{
	struct vm *vm = vm_create();

	CHECK(check_cap(vm, KVM_CAP_X86_USER_SPACE_MSR) > 0);
	CHECK(check_cap(vm, KVM_CAP_X86_MSR_FILTER) > 0);
	for (u64 mask = 0; mask <= ALL_REASONS; mask++)
		CHECK_EQ(set_mask(vm, mask), 0);
	CHECK_EQ(set_mask(vm, ALL_REASONS + 1), -EINVAL);
	CHECK_EQ(set_mask(vm, BIT(31)), -EINVAL);
	CHECK_EQ(set_mask(vm, BIT(63) | 1), -EINVAL);
}

SUBTEST(reasons_that_are_not_asked_for)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);

	CHECK_EQ(set_mask(vm, KVM_MSR_EXIT_REASON_FILTER), 0);
	access_inside(vcpu, false, MSR_UNKNOWN, 0, GP);
	access_inside(vcpu, true, MSR_UNKNOWN, 1, GP);
	access_inside(vcpu, true, MSR_EFER, BAD_EFER, GP);
	CHECK_EQ(set_mask(vm, KVM_MSR_EXIT_REASON_INVAL), 0);
	access_inside(vcpu, false, MSR_UNKNOWN, 0, GP);
	CHECK_EQ(set_mask(vm, KVM_MSR_EXIT_REASON_UNKNOWN), 0);
	access_inside(vcpu, true, MSR_EFER, BAD_EFER, GP);
}

SUBTEST(unknown_msr_read)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);
	const u64 data = 0x123456789abcdef0;

	CHECK_EQ(set_mask(vm, KVM_MSR_EXIT_REASON_UNKNOWN), 0);
	access_outside(vcpu, false, MSR_UNKNOWN, 0, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.data = data;
	finish(vcpu, NO_EXCEPTION);
	CHECK_EQ(guest_var(vm, op).result, data);
	access_outside(vcpu, false, MSR_UNKNOWN, 0, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.data = data;
	vcpu->run->msr.error = 1;
	finish(vcpu, GP);
	CHECK_EQ(guest_var(vm, op).result, 0);
	access_outside(vcpu, false, 0xffffffff, 0, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.error = 0xff;
	finish(vcpu, GP);
}

SUBTEST(unknown_msr_write)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);

	CHECK_EQ(set_mask(vm, ALL_REASONS), 0);
	access_outside(vcpu, true, MSR_UNKNOWN, 0xfedcba9876543210,
		       KVM_MSR_EXIT_REASON_UNKNOWN);
	finish(vcpu, NO_EXCEPTION);
	access_outside(vcpu, true, MSR_UNKNOWN, ~0ull, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu->run->msr.error = 1;
	finish(vcpu, GP);
}

SUBTEST(invalid_value_written)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);
	struct kvm_sregs s;
	u64 efer;

	CHECK_EQ(set_mask(vm, ALL_REASONS), 0);
	get_sregs(vcpu, &s);
	efer = s.efer;
	access_outside(vcpu, true, MSR_EFER, BAD_EFER | efer, KVM_MSR_EXIT_REASON_INVAL);
	vcpu->run->msr.error = 1;
	finish(vcpu, GP);
	access_outside(vcpu, true, MSR_EFER, BAD_EFER | efer, KVM_MSR_EXIT_REASON_INVAL);
	finish(vcpu, NO_EXCEPTION);
	/* That user space took it does not make it true. */
	get_sregs(vcpu, &s);
	CHECK_EQ(s.efer, efer);
	CHECK_EQ(access_inside(vcpu, false, MSR_EFER, 0, NO_EXCEPTION), efer);
}

/* ---- the second half of the instruction -------------------------------- */

GUEST_ASM(msr_code, ".code64\n"
	  "mov $0x12345678, %ecx\n"
	  "mov $-1, %rax\n	mov $-1, %rdx\n"
	  "msr_read: rdmsr\n"
	  "msr_read_end: nop\n"
	  "msr_write: wrmsr\n"
	  "msr_write_end: hlt\n"
	  "msr_else: nop\n	nop\n	nop\n"
	  SYNC_ASM(9));
extern const char msr_read[], msr_read_end[], msr_write[], msr_write_end[], msr_else[];

static struct vcpu *msr_code_vcpu(void)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(set_mask(vm, ALL_REASONS), 0);
	vcpu_long_mode(vcpu, msr_code, 0);
	vcpu_run(vcpu, KVM_EXIT_X86_RDMSR);
	return vcpu;
}

SUBTEST(rip_advances_once)
{
	struct vcpu *vcpu = msr_code_vcpu();
	struct kvm_regs regs;

	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_read);
	CHECK_EQ(regs.rax, ~0ull);
	CHECK_EQ(regs.rdx, ~0ull);
	vcpu->run->msr.data = 0x8765432112345678;
	vcpu_run(vcpu, KVM_EXIT_X86_WRMSR);
	CHECK_EQ(vcpu->run->msr.data, 0x8765432112345678);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_write);
	/* RDMSR clears the upper halves (SDM 2, RDMSR). */
	CHECK_EQ(regs.rax, 0x12345678);
	CHECK_EQ(regs.rdx, 0x87654321);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_write_end + 1);
}

SUBTEST(completed_by_immediate_exit)
{
	struct vcpu *vcpu = msr_code_vcpu();
	struct kvm_regs regs;

	vcpu->run->msr.data = 5;
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_read_end);
	CHECK_EQ(regs.rax, 5);
	CHECK_EQ(regs.rdx, 0);
	/* It is over: data written now reaches nobody. */
	vcpu->run->msr.data = 6;
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_read_end);
	CHECK_EQ(regs.rax, 5);
	vcpu_run(vcpu, KVM_EXIT_X86_WRMSR);
	CHECK_EQ(vcpu->run->msr.data, 5);
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_write_end);
}

/* Registers set meanwhile are those the instruction ends with; it still ends. */
SUBTEST(class07_registers_changed_in_between)
{
	struct vcpu *vcpu = msr_code_vcpu();
	struct kvm_regs regs;

	get_regs(vcpu, &regs);
	regs.rbx = 0x77;
	regs.rcx = 0x11;
	set_regs(vcpu, &regs);
	vcpu->run->msr.index = 0xdead;
	vcpu->run->msr.reason = ~0u;
	vcpu->run->msr.data = 1;
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_read_end);
	CHECK_EQ(regs.rax, 1);
	CHECK_EQ(regs.rbx, 0x77);
	CHECK_EQ(regs.rcx, 0x11);
}

/* Elsewhere the guest goes on at the new place, whether two bytes on or not. */
SUBTEST(class07_rip_changed_in_between)
{
	struct vcpu *vcpu = msr_code_vcpu();
	struct kvm_regs regs;

	get_regs(vcpu, &regs);
	regs.rip = (uintptr_t)msr_else;
	set_regs(vcpu, &regs);
	vcpu->run->msr.data = 1;
	vcpu_expect_sync(vcpu, 9);
}

SUBTEST(class07_exit_reason_changed_in_between)
{
	struct vcpu *vcpu = msr_code_vcpu();
	struct kvm_run *r = vcpu->run;
	struct kvm_regs regs;

	/* The data is where the exit's was, as user space left it. */
	r->msr.data = 0x55;
	r->exit_reason = KVM_EXIT_IO;
	vcpu_complete(vcpu);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)msr_read_end);
	CHECK_EQ(regs.rax, 0x55);
}

/* ---- filters ------------------------------------------------------------ */

static int set_filter(struct vm *vm, const struct kvm_msr_filter *f)
{
	return xioctl(vm->fd, KVM_X86_SET_MSR_FILTER, (uintptr_t)f);
}

/* Denies one MSR, or all but that one. */
static void filter_one(struct vm *vm, u32 msr, u32 types, bool allow)
{
	static u64 bits[1];
	struct kvm_msr_filter f = {
		.flags = allow ? KVM_MSR_FILTER_DEFAULT_DENY : 0,
		.ranges = { { .flags = types, .base = msr, .nmsrs = 1, .bitmap = (u8 *)bits } },
	};

	bits[0] = allow;
	CHECK_EQ(set_filter(vm, &f), 0);
}

static void no_filter(struct vm *vm)
{
	struct kvm_msr_filter f = { .flags = 0 };

	CHECK_EQ(set_filter(vm, &f), 0);
}

/* Those a hypervisor likes to leave to the CPU, and some others. */
static const u32 passed_through[] = { 0x174, 0x175, MSR_SYSENTER_EIP, 0xc0000081,
	MSR_LSTAR, 0xc0000083, 0xc0000084, MSR_FS_BASE, 0xc0000101, MSR_KERNEL_GS,
	MSR_EFER, 0x10, 0x277 };

SUBTEST(class22_filtered_msrs_fault)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);
	u64 value;

	for (u64 i = 0; i < ARRAY_SIZE(passed_through); i++) {
		u32 msr = passed_through[i];

		value = access_inside(vcpu, false, msr, 0, NO_EXCEPTION);
		filter_one(vm, msr, READ_WRITE, false);
		CHECK_EQ(access_inside(vcpu, false, msr, 0, GP), 0);
		access_inside(vcpu, true, msr, value, GP);
		/* Reads alone, writes alone. */
		filter_one(vm, msr, KVM_MSR_FILTER_READ, false);
		CHECK_EQ(access_inside(vcpu, false, msr, 0, GP), 0);
		access_inside(vcpu, true, msr, value, NO_EXCEPTION);
		filter_one(vm, msr, KVM_MSR_FILTER_WRITE, false);
		access_inside(vcpu, false, msr, 0, NO_EXCEPTION);
		access_inside(vcpu, true, msr, value, GP);
		no_filter(vm);
		access_inside(vcpu, false, msr, 0, NO_EXCEPTION);
	}
}

SUBTEST(class22_denied_write_changes_nothing)
{
	static const u32 msrs[] = { 0x175, MSR_SYSENTER_EIP, MSR_LSTAR, MSR_FS_BASE,
		MSR_KERNEL_GS };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);

	for (u64 i = 0; i < ARRAY_SIZE(msrs); i++) {
		access_inside(vcpu, true, msrs[i], 0x1234, NO_EXCEPTION);
		filter_one(vm, msrs[i], KVM_MSR_FILTER_WRITE, false);
		access_inside(vcpu, true, msrs[i], 0x5678, GP);
		CHECK_EQ(access_inside(vcpu, false, msrs[i], 0, NO_EXCEPTION), 0x1234);
	}
}

SUBTEST(class22_default_deny)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0), *late;

	CHECK_EQ(set_mask(vm, KVM_MSR_EXIT_REASON_FILTER), 0);
	filter_one(vm, MSR_LSTAR, READ_WRITE, true);
	access_inside(vcpu, true, MSR_LSTAR, 0x4321, NO_EXCEPTION);
	CHECK_EQ(access_inside(vcpu, false, MSR_LSTAR, 0, NO_EXCEPTION), 0x4321);
	for (u64 i = 0; i < ARRAY_SIZE(passed_through); i++) {
		u32 msr = passed_through[i];

		if (msr == MSR_LSTAR)
			continue;
		access_outside(vcpu, false, msr, 0, KVM_MSR_EXIT_REASON_FILTER);
		vcpu->run->msr.data = 0xabc0 + i;
		finish(vcpu, NO_EXCEPTION);
		CHECK_EQ(guest_var(vm, op).result, 0xabc0 + i);
	}
	access_outside(vcpu, true, MSR_UNKNOWN, 3, KVM_MSR_EXIT_REASON_FILTER);
	finish(vcpu, NO_EXCEPTION);
	/* A vCPU that comes later is no exception. */
	late = ops_vcpu(vm, 1);
	access_outside(late, false, MSR_FS_BASE, 0, KVM_MSR_EXIT_REASON_FILTER);
}

SUBTEST(class22_x2apic_msrs_are_not_filtered)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);

	CHECK_EQ(set_mask(vm, KVM_MSR_EXIT_REASON_FILTER), 0);
	filter_one(vm, MSR_LSTAR, READ_WRITE, true);
	/* There is no x2APIC, so it is #GP; but not by the filter. */
	access_inside(vcpu, false, 0x802, 0, GP);
	access_inside(vcpu, false, 0x8ff, 0, GP);
	access_outside(vcpu, false, 0x7ff, 0, KVM_MSR_EXIT_REASON_FILTER);
	finish(vcpu, NO_EXCEPTION);
	access_outside(vcpu, false, 0x900, 0, KVM_MSR_EXIT_REASON_FILTER);
	finish(vcpu, NO_EXCEPTION);
}

/* The bitmap is as long as nmsrs says; the first range that matches decides. */
SUBTEST(filter_bitmap_bounds)
{
	u64 none[2] = { 0 }, all[2] = { ~0ull, ~0ull }, odd[2] = { BIT(0) | BIT(63), BIT(0) };
	struct kvm_msr_filter f = { .ranges = {
		{ .flags = READ_WRITE, .base = MSR_UNKNOWN, .nmsrs = 65, .bitmap = (u8 *)odd },
		{ .flags = KVM_MSR_FILTER_READ, .base = MSR_UNKNOWN, .nmsrs = 66,
		  .bitmap = (u8 *)none },
		{ .flags = READ_WRITE, .base = MSR_UNKNOWN + 65, .nmsrs = 1,
		  .bitmap = (u8 *)all },
	} };
	const struct { u32 off; bool write, denied; } want[] = {
		{ 0, false, false }, { 1, false, true }, { 62, false, true },
		{ 63, false, false }, { 64, false, false }, { 65, false, true },
		{ 65, true, false }, { 66, false, false }, { (u32)-1, false, false },
		{ 1, true, true }, { 64, true, false },
	};
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);

	CHECK_EQ(set_mask(vm, ALL_REASONS), 0);
	CHECK_EQ(set_filter(vm, &f), 0);
	/* The VM has a copy of the bitmap. */
	memset(odd, 0, sizeof(odd));
	for (u64 i = 0; i < ARRAY_SIZE(want); i++) {
		access_outside(vcpu, want[i].write, MSR_UNKNOWN + want[i].off, 0,
			       want[i].denied ? KVM_MSR_EXIT_REASON_FILTER :
			       KVM_MSR_EXIT_REASON_UNKNOWN);
		finish(vcpu, NO_EXCEPTION);
	}
}

SUBTEST(filter_of_sixteen_ranges)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);
	struct kvm_msr_filter f = { .flags = 0 };
	u64 none = 0;

	CHECK_EQ(ARRAY_SIZE(f.ranges), KVM_MSR_FILTER_MAX_RANGES);
	CHECK_EQ(set_mask(vm, ALL_REASONS), 0);
	for (u32 i = 0; i < ARRAY_SIZE(f.ranges); i++)
		f.ranges[i] = (struct kvm_msr_filter_range) { .flags = READ_WRITE,
			.base = MSR_UNKNOWN + 2 * i, .nmsrs = 1, .bitmap = (u8 *)&none };
	CHECK_EQ(set_filter(vm, &f), 0);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(f.ranges); i++) {
		access_outside(vcpu, false, MSR_UNKNOWN + i, 0, i & 1 ?
			       KVM_MSR_EXIT_REASON_UNKNOWN : KVM_MSR_EXIT_REASON_FILTER);
		finish(vcpu, NO_EXCEPTION);
	}
}

SUBTEST(class29_bad_filters)
{
	static u64 bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE / 8 + 1];
	const u32 max = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8;
	const struct { u32 f_flags, flags, nmsrs; u8 *bitmap; int ret; } cases[] = {
		{ 0, READ_WRITE, max, (u8 *)bits, 0 },
		{ 0, READ_WRITE, max + 1, (u8 *)bits, -EINVAL },
		{ 0, READ_WRITE, 0x7fffffff, (u8 *)bits, -EINVAL },
		{ 0, READ_WRITE, 0x80000000, (u8 *)bits, -EINVAL },
		{ 0, READ_WRITE, 0xffffffff, (u8 *)bits, -EINVAL },
		{ 0, 0, 1, (u8 *)bits, -EINVAL },
		{ 0, READ_WRITE + 1, 1, (u8 *)bits, -EINVAL },
		{ 0, BIT(31) | 1, 1, (u8 *)bits, -EINVAL },
		{ 2, READ_WRITE, 1, (u8 *)bits, -EINVAL },
		{ BIT(31), READ_WRITE, 1, (u8 *)bits, -EINVAL },
		{ 0, READ_WRITE, 1, NULL, -EFAULT },
		{ 0, READ_WRITE, 64, (u8 *)-8, -EFAULT },
		{ 0, READ_WRITE, 1, (u8 *)0xffff888000000000, -EFAULT },
		{ KVM_MSR_FILTER_DEFAULT_DENY, READ_WRITE, 0, NULL, -EINVAL },
		{ 0, READ_WRITE, 0, NULL, 0 },
		{ 0, ~0u, 0, (u8 *)-1, 0 },
	};
	struct vm *vm = vm_create();
	struct vcpu *vcpu = ops_vcpu(vm, 0);
	u64 still;

	for (u64 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kvm_msr_filter f = { .flags = cases[i].f_flags };

		/* The last place, so that all before it have to be undone. */
		f.ranges[15] = (struct kvm_msr_filter_range) { .flags = cases[i].flags,
			.base = MSR_UNKNOWN, .nmsrs = cases[i].nmsrs,
			.bitmap = cases[i].bitmap };
		f.ranges[0] = f.ranges[15];
		filter_one(vm, MSR_LSTAR, READ_WRITE, false);
		test_doing("filter %llu", (unsigned long long)i);
		CHECK_EQ(set_filter(vm, &f), cases[i].ret);
		/* After an error the old filter is in force. */
		still = NO_EXCEPTION;
		if (cases[i].ret)
			still = GP;
		access_inside(vcpu, false, MSR_LSTAR, 0, still);
	}
	CHECK_EQ(xioctl(vm->fd, KVM_X86_SET_MSR_FILTER, 0), -EFAULT);
}

SUBTEST(filter_is_the_vms_own)
{
	struct vm *a = vm_create(), *b = vm_create();
	struct vcpu *va = ops_vcpu(a, 0), *vb = ops_vcpu(b, 0);

	filter_one(a, MSR_LSTAR, READ_WRITE, false);
	access_inside(va, false, MSR_LSTAR, 0, GP);
	access_inside(vb, false, MSR_LSTAR, 0, NO_EXCEPTION);
	CHECK_EQ(set_mask(b, KVM_MSR_EXIT_REASON_UNKNOWN), 0);
	access_inside(va, false, MSR_UNKNOWN, 0, GP);
	access_outside(vb, false, MSR_UNKNOWN, 0, KVM_MSR_EXIT_REASON_UNKNOWN);
}

/* ---- a filter changed under a running guest ---------------------------- */

static u64 wanted_vector;

static void guest_waits_for_filter(u64 arg)
{
	for (;;) {
		do
			rdmsr_try(MSR_KERNEL_GS);
		while (guest_ex()->vector != READ_ONCE(wanted_vector));
		GUEST_SYNC(1);
	}
}

static struct chan ready;
static struct vcpu *waiter;

static void *wait_for_filter(void *arg)
{
	for (int i = 0; i < 20; i++) {
		vcpu_expect_sync(waiter, 1);
		guest_var(waiter->vm, wanted_vector) = i & 1 ? GP : NO_EXCEPTION;
		chan_put(&ready, 'r');
	}
	return NULL;
}

SUBTEST(class22_filter_reaches_a_running_guest)
{
	struct vm *vm = vm_create();
	struct thread t;

	chan_open(&ready);
	waiter = vcpu_create(vm, 0);
	vcpu_long_mode(waiter, guest_waits_for_filter, 0);
	guest_var(vm, wanted_vector) = GP;
	thread_start(&t, nr_cpus() - 1, wait_for_filter, NULL);
	pin_to_cpu(0);
	for (int i = 0; i < 20; i++) {
		if (i & 1)
			no_filter(vm);
		else
			filter_one(vm, MSR_KERNEL_GS, READ_WRITE, false);
		chan_wait(&ready, 'r');
	}
	thread_join(&t);
}
