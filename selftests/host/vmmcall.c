// SPDX-License-Identifier: GPL-2.0
/*
 * vmmcall - the hypercall instruction of the other vendor's CPUs: it is rewritten in the
 * guest's memory, with the guest's rights, and only where the client has left that on.
 */
#include "clock.h"

#define CODE_GVA	TEST_GVA
#define CODE_GPA	TEST_GPA
#define ENOSYS_PV	1000

static const u8 vmmcall[] = { 0x0f, 0x01, 0xd9 }, vmcall[] = { 0x0f, 0x01, 0xc1 };

static u64 code_at;

/* VMMCALL; RET somewhere, called with a number that no hypercall has. */
static long call_it(void)
{
	long ret;

	asm volatile("call *%1" : "=a"(ret) : "r"(code_at), "0"(99ul) : "memory");
	return ret;
}

static void guest_calls(u64 a)
{
	GUEST_ASSERT_EQ(call_it(), -ENOSYS_PV);
	GUEST_SYNC(1);
	GUEST_ASSERT_EQ(call_it(), -ENOSYS_PV);
	GUEST_DONE();
}

/* What it raises, at which RIP. */
static void guest_faults(u64 vector)
{
	GUEST_ASSERT_EQ(guest_call_try((void *)code_at, 0), vector);
	GUEST_ASSERT_EQ(guest_ex()->rip, code_at);
	GUEST_SYNC_VALUE(1, guest_ex()->error);
	GUEST_DONE();
}

static void user_calls(u64 a)
{
	GUEST_ASSERT_EQ(call_it(), -EPERM);
}

static void guest_calls_as_user(u64 a)
{
	guest_user_call(user_calls, 0);
	GUEST_DONE();
}

/* A machine with the instruction at @at in pages of its own, mapped with @flags. */
static struct vcpu *machine(u64 at, u64 flags, u8 **code)
{
	struct vm *vm = vm_create();
	u8 *mem = vm_add_mem(vm, 5, CODE_GPA, 2 * PAGE_SIZE, MEM_ANON);

	*code = mem + at;
	memcpy(*code, vmmcall, 3);
	(*code)[3] = 0xc3;
	vm_map(vm, CODE_GVA, CODE_GPA, 2 * PAGE_SIZE, flags);
	guest_var(vm, code_at) = CODE_GVA + at;
	return vcpu_create(vm, 0);
}

static void check_rewritten(u64 at)
{
	u8 *code;
	struct vcpu *vcpu = machine(at, PTE_P | PTE_W, &code);

	vcpu_long_mode(vcpu, guest_calls, 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK(!memcmp(code, vmcall, 3));
	vcpu_expect_done(vcpu);
}

SUBTEST(becomes_vmcall)
{
	check_rewritten(0);
}

SUBTEST(class01_across_two_pages)
{
	check_rewritten(PAGE_SIZE - 1);
	check_rewritten(PAGE_SIZE - 2);
}

SUBTEST(at_the_end_of_mapped_memory)
{
	/* three bytes fit; a two-byte UD2 there must not be looked beyond */
	u8 *code;
	struct vcpu *vcpu = machine(2 * PAGE_SIZE - 4, PTE_P | PTE_W, &code);

	vcpu_long_mode(vcpu, guest_calls, 0);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
	vcpu = machine(2 * PAGE_SIZE - 4, PTE_P | PTE_W, &code);
	code[2] = 0x0f;
	code[3] = 0x0b;
	guest_var(vcpu->vm, code_at) += 2;
	vcpu_long_mode(vcpu, guest_faults, UD);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

SUBTEST(quirk_off)
{
	u8 *code;
	struct vcpu *vcpu = machine(0, PTE_P | PTE_W, &code);

	CHECK(check_cap(vcpu->vm, KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN);
	CHECK_EQ(vm_enable_cap(vcpu->vm, KVM_CAP_DISABLE_QUIRKS2,
			       KVM_X86_QUIRK_FIX_HYPERCALL_INSN), 0);
	vcpu_long_mode(vcpu, guest_faults, UD);
	vcpu_expect_sync(vcpu, 1);
	CHECK(!memcmp(code, vmmcall, 3));
	vcpu_expect_done(vcpu);
}

/* A page that the guest itself may not write. */
SUBTEST(class16_page_without_write_permission)
{
	u8 *code;
	struct vcpu *vcpu = machine(0, PTE_P, &code);
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, guest_faults, PF);
	get_sregs(vcpu, &s);
	s.cr0 |= X86_CR0_WP;
	set_sregs(vcpu, &s);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 3);	/* present, a write */
	CHECK(!memcmp(code, vmmcall, 3));
	vcpu_expect_done(vcpu);
}

SUBTEST(class03_user_mode)
{
	u8 *code;
	struct vcpu *vcpu = machine(0, PTE_P | PTE_W | PTE_U, &code);

	vcpu_long_mode(vcpu, guest_calls_as_user, 0);
	vcpu_expect_done(vcpu);
	CHECK(!memcmp(code, vmcall, 3));
}

/* Memory that no guest can write: KVM hands the write to the client. */
SUBTEST(class16_read_only_slot)
{
	u8 *code;
	struct vcpu *vcpu = machine(0, PTE_P | PTE_W, &code);
	struct vm *vm = vcpu->vm;

	if (device_is_kvm())
		SKIP("KVM makes an MMIO exit of it");
	CHECK_EQ(set_region(vm, 5, 0, CODE_GPA, 0, NULL), 0);
	CHECK_EQ(set_region(vm, 5, KVM_MEM_READONLY, CODE_GPA, 2 * PAGE_SIZE, code), 0);
	vcpu_long_mode(vcpu, guest_faults, UD);
	vcpu_expect_sync(vcpu, 1);
	CHECK(!memcmp(code, vmmcall, 3));
	vcpu_expect_done(vcpu);
}

/* Single-stepped by user space: one step rewrites and runs it. */
SUBTEST(stepped)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	u8 *code;
	struct vcpu *vcpu = machine(0, PTE_P | PTE_W, &code);
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, guest_calls, 0);
	get_regs(vcpu, &regs);
	regs.rip = CODE_GVA;
	regs.rax = 99;
	set_regs(vcpu, &regs);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, (uintptr_t)&dbg), 0);
	vcpu_run(vcpu, KVM_EXIT_DEBUG);
	get_regs(vcpu, &regs);
	/* KVM of Linux 6.1 stops once more before it runs */
	if (regs.rip == CODE_GVA)
		vcpu_run(vcpu, KVM_EXIT_DEBUG);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, CODE_GVA + 3);
	CHECK_EQ(regs.rax, -ENOSYS_PV);
}
