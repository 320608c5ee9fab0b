// SPDX-License-Identifier: GPL-2.0
/*
 * exceptions - those that a guest raises by itself, with what the CPU tells of
 * them: RIP, error codes, CR2, DR6. INT n, INT3 and INTO; page faults of every
 * kind; #DB (SDM volume 3, chapters 6 and 17, and 4.7).
 */
#include "attempt.h"
#include "cpu.h"
#include "events.h"

/* ---- INT n, INT3, INTO --------------------------------------------------------- */

static void user_int(u64 arg)
{
	EXPECT_VECTOR(GP, "int $0x51", :);
	GUEST_ASSERT_EQ(guest_ex()->error, 0x51 << 3 | 2);
	EXPECT_VECTOR(GP, "int3", :);
	GUEST_ASSERT_EQ(guest_ex()->error, BP << 3 | 2);
	EXPECT_VECTOR(NP, "int $0x52", :);
	GUEST_ASSERT_EQ(guest_ex()->error, 0x52 << 3 | 2);
}

static void guest_user_int(u64 arg)
{
	guest_user_call(user_int, 0);
}

SUBTEST(software_interrupts_need_dpl_3)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *idt = vm_ptr(vm, vm->idt);

	idt[2 * 0x52] &= ~BIT(47);
	idt[2 * 0x52] |= 3ull << 45;
	vcpu_long_mode(vcpu, guest_user_int, 0);
	vcpu_expect_done(vcpu);
}

SUBTEST(into_in_protected_mode)
{
	static const u8 into[] = { 0xce };
	static const enum cpu_mode modes[] = { REAL, PROTECTED, PROTECTED_PAE };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct attempt a;

	for (u64 i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
		test_doing("mode %d", modes[i / 2]);
		attempt_prepare(&a, vcpu, modes[i / 2], into, 1);
		if (i & 1)
			a.regs.rflags |= X86_EFLAGS_OF;
		CHECK(attempt_run(&a));
		CHECK_EQ(a.vector, i & 1 ? OF : NO_EXCEPTION);
		/* A trap: what it pushed last is EIP behind INTO. */
		if ((i & 1) && modes[i / 2] != REAL)
			CHECK_EQ(a.error, 0x8001);
	}
}

/* ---- page faults ----------------------------------------------------------------- */

enum how { READ, WRITE, FETCH };
enum { BY_USER = 4 };			/* added to how */

static const struct {
	u64 pte;			/* of a page of RAM, if present */
	u32 how;
	u64 error;			/* SDM 3, figure 4-12 */
} faults[] = {
	{ 0, READ, 0 }, { 0, WRITE, 2 }, { 0, FETCH, 0x10 },
	{ 0, READ | BY_USER, 4 }, { 0, WRITE | BY_USER, 6 }, { 0, FETCH | BY_USER, 0x14 },
	{ PTE_P, WRITE, 3 }, { PTE_P, READ | BY_USER, 5 }, { PTE_P, WRITE | BY_USER, 7 },
	{ PTE_P, FETCH | BY_USER, 0x15 },
	{ PTE_P | PTE_U, WRITE | BY_USER, 7 }, { PTE_P | PTE_U, WRITE, 3 },
	{ PTE_P | PTE_NX, FETCH, 0x11 }, { PTE_P | PTE_U | PTE_NX, FETCH | BY_USER, 0x15 },
	{ PTE_P | BIT(51), READ, 9 }, { PTE_P | PTE_W | BIT(51), WRITE, 0xb },
	{ PTE_P | PTE_U | BIT(51), READ | BY_USER, 0xd },
};

static u32 fault_how;

static void touch(u64 gva)
{
	u32 how = fault_how & ~BY_USER;

	if (how == READ)
		GUEST_TRY("movb (%0), %%al", : "r"(gva) : "rax", "memory");
	else if (how == WRITE)
		GUEST_TRY("movb %%al, (%0)", : "r"(gva) : "memory");
	else
		guest_call_try((void *)gva, NULL);
}

static void guest_touch(u64 gva)
{
	if (fault_how & BY_USER)
		guest_user_call(touch, gva);
	else
		touch(gva);
	GUEST_ASSERT_EQ(guest_ex()->vector, PF);
	GUEST_ASSERT_EQ(guest_ex()->cr2, gva);
	GUEST_SYNC_VALUE(1, guest_ex()->error);
}

SUBTEST(page_fault_error_codes)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 page = vm_alloc_page(vm);

	for (u64 i = 0; i < ARRAY_SIZE(faults); i++) {
		const u64 gva = TEST_GVA + i * PAGE_SIZE;

		test_doing("case %d", (int)i);
		*vm_pte(vm, gva) = faults[i].pte ? page | faults[i].pte : 0;
		guest_var(vm, fault_how) = faults[i].how;
		vcpu_long_mode(vcpu, guest_touch, gva + 0x345);
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), faults[i].error);
	}
}

/* ---- #DB and its DR6 --------------------------------------------------------------- */

#define DR6_RESET	0xffff0ff0ull

static bool clear_dr6(struct event_frame *f)
{
	f->rflags &= ~X86_EFLAGS_TF;
	f->rflags |= X86_EFLAGS_RF;
	write_dr6(DR6_RESET);
	return true;
}

extern const char db_execute[], db_detect[];

static void guest_db(u64 arg)
{
	u64 v;

	asm volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n nop" : : : "memory", "cc");
	asm volatile("mov %0, %%dr1" : : "r"(db_execute));
	write_dr7(BIT(10) | BIT(2));
	asm volatile("db_execute: nop" : : : "memory");
	write_dr7(BIT(10) | BIT(13));
	asm volatile("db_detect: mov %%dr1, %0" : "=r"(v));
	/* The handler began with GD clear, so that it could do its work. */
	GUEST_ASSERT_EQ(read_dr7(), BIT(10));
	GUEST_ASSERT_EQ(v, (uintptr_t)db_execute);
	GUEST_ASSERT_EQ(guest_nr_events, 3);
}

SUBTEST(debug_exceptions)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	const struct guest_event *e = guest_var(vm, guest_events);

	vm_record_events(vm);
	guest_var(vm, guest_on_event) = clear_dr6;
	vcpu_long_mode(vcpu, guest_db, 0);
	vcpu_expect_done(vcpu);
	vm_expect_events(vm, DB, DB, DB);
	CHECK_EQ(e[0].dr6, DR6_RESET | BIT(14));	/* BS */
	CHECK_EQ(e[1].dr6, DR6_RESET | BIT(1));
	CHECK_EQ(e[1].rip, (uintptr_t)db_execute);
	CHECK_EQ(e[2].dr6, DR6_RESET | BIT(13));	/* BD */
	CHECK_EQ(e[2].rip, (uintptr_t)db_detect);
}
