// SPDX-License-Identifier: GPL-2.0
/*
 * state - SREGS2 and its PDPTEs, debug registers, MP state, the rate of the TSC,
 * KVM_TRANSLATE, and registers passed in kvm_run (KVM_CAP_SYNC_REGS). Events are
 * in events.c, vector registers in xstate.c, MSRs in msrapi.c.
 */
#include "selftest.h"
#include "state.h"

#define PAE_GVA		0x40000000u	/* what the second PDPTE maps */
#define PAGE_A		0xc00000u	/* RAM that is nobody's */
#define PAGE_B		0xe00000u

static void guest_syncs(u64 arg)
{
	for (int i = 1; i < 100; i++)
		GUEST_SYNC(i);
	GUEST_DONE();
}

GUEST_ASM(flat_loop,
	  ".code32\n"
	  "1: mov 0x40000000, %ebx\n"
	  SYNC_ASM(1)
	  "jmp 1b\n");

static int set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *s)
{
	return xioctl(vcpu->fd, KVM_SET_SREGS2, (uintptr_t)s);
}

/* ---- KVM_GET_SREGS2, KVM_SET_SREGS2 ---------------------------------------- */

enum mode { REAL, FLAT, FLAT_32, FLAT_PAE, LONG, NR_MODES };

static const char * const mode_names[] = {
	"real mode", "no paging", "32-bit paging", "PAE paging", "long mode",
};

static void vcpu_mode(struct vcpu *vcpu, enum mode mode)
{
	static const enum paging paging[] = { 0, NO_PAGING, PAGING_32, PAGING_PAE };

	test_doing("%s", mode_names[mode]);
	if (mode == REAL)
		vcpu_real_mode(vcpu, 0x800, 0);
	else if (mode == LONG)
		vcpu_long_mode(vcpu, guest_syncs, 0);
	else
		vcpu_protected_mode(vcpu, flat_loop, 0, paging[mode]);
}

SUBTEST(sregs2_round_trip_in_every_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs2 a, b;
	struct kvm_sregs s;

	CHECK(check_cap(vm, KVM_CAP_SREGS2) > 0);
	for (int mode = 0; mode < NR_MODES; mode++) {
		vcpu_mode(vcpu, mode);
		memset(&a, 0x5a, sizeof(a));
		get_sregs2(vcpu, &a);
		get_sregs(vcpu, &s);
		CHECK(!memcmp(&a, &s, offsetof(struct kvm_sregs2, flags)));
		CHECK_EQ(a.flags, mode == FLAT_PAE ? KVM_SREGS2_FLAGS_PDPTRS_VALID : 0);
		for (int i = 0; i < 4; i++)
			CHECK_EQ(a.pdptrs[i], mode != FLAT_PAE ? 0 :
				 ((u64 *)vm_ptr(vm, vm->pae_pdpt))[i]);
		CHECK_EQ(set_sregs2(vcpu, &a), 0);
		get_sregs2(vcpu, &b);
		CHECK(!memcmp(&a, &b, sizeof(a)));
	}
}

SUBTEST(sregs2_flags)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs2 s, after;

	for (int mode = 0; mode < NR_MODES; mode++) {
		vcpu_mode(vcpu, mode);
		get_sregs2(vcpu, &s);
		for (int bit = 1; bit < 64; bit++) {
			s.flags ^= BIT(bit);
			CHECK_EQ(set_sregs2(vcpu, &s), -EINVAL);
			s.flags ^= BIT(bit);
		}
		/* PDPTEs for a mode without them */
		s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
		s.cr2 = 0x1230000 + mode;
		CHECK_EQ(set_sregs2(vcpu, &s), mode == FLAT_PAE ? 0 : -EINVAL);
		get_sregs2(vcpu, &after);
		CHECK_EQ(after.cr2 == s.cr2, mode == FLAT_PAE);
	}
}

/* The same refusals as those of KVM_SET_SREGS. */
SUBTEST(class19_sregs2_that_cannot_be)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs2 good, bad;

	vcpu_mode(vcpu, LONG);
	get_sregs2(vcpu, &good);
#define BAD(change) do {						\
	bad = good;							\
	bad.change;							\
	test_doing("%s", #change);					\
	CHECK_EQ(set_sregs2(vcpu, &bad), -EINVAL);			\
} while (0)
	BAD(cr0 &= ~X86_CR0_PE);
	BAD(cr0 |= X86_CR0_NW);
	BAD(cr0 |= BIT(32));
	BAD(cr4 &= ~X86_CR4_PAE);
	BAD(cr4 |= BIT(31));
	BAD(cr4 |= BIT(63));
	BAD(efer &= ~EFER_LMA);
	BAD(cr3 |= BIT(52));
	BAD(apic_base |= BIT(63));
#undef BAD
	get_sregs2(vcpu, &bad);
	CHECK(!memcmp(&bad, &good, sizeof(bad)));
	vcpu_expect_sync(vcpu, 1);
}

struct pae {
	struct vm *vm;
	struct vcpu *vcpu;
	u64 *pdpt, a, b;		/* entries: to PAGE_A, to PAGE_B */
};

static u64 directory_of(struct vm *vm, u64 gpa)
{
	u64 page = vm_alloc_page(vm);

	*(u64 *)vm_ptr(vm, page) = gpa | PTE_P | PTE_W | PTE_U | PTE_PS;
	return page | PTE_P;
}

/* A PAE guest that reads PAE_GVA and reports it in EBX, again and again. */
static void pae_create(struct pae *p)
{
	p->vm = vm_create();
	p->vcpu = vcpu_create(p->vm, 0);
	p->pdpt = vm_ptr(p->vm, p->vm->pae_pdpt);
	p->a = directory_of(p->vm, PAGE_A);
	p->b = directory_of(p->vm, PAGE_B);
	*(u32 *)vm_ptr(p->vm, PAGE_A) = 0xaaaa;
	*(u32 *)vm_ptr(p->vm, PAGE_B) = 0xbbbb;
	p->pdpt[1] = p->a;
	vcpu_protected_mode(p->vcpu, flat_loop, 0, PAGING_PAE);
}

static void pae_expect(struct pae *p, u32 want)
{
	struct kvm_regs regs;

	vcpu_expect_sync(p->vcpu, 1);
	vcpu_complete(p->vcpu);
	get_regs(p->vcpu, &regs);
	CHECK_EQ(regs.rbx, want);
}

/* SDM volume 3, 4.4.1: PDPTEs are registers, loaded with CR3. */
SUBTEST(sregs2_pdptes_are_registers)
{
	struct kvm_sregs2 s;
	struct kvm_sregs old;
	struct pae p;

	pae_create(&p);
	pae_expect(&p, 0xaaaa);
	p.pdpt[1] = p.b;		/* in memory only */
	pae_expect(&p, 0xaaaa);
	get_sregs2(p.vcpu, &s);
	CHECK_EQ(s.pdptrs[1], p.a);
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	pae_expect(&p, 0xaaaa);		/* from the struct, not from memory */
	p.pdpt[0] = 0;			/* memory is of no use at all */
	p.pdpt[1] = BIT(62);
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	pae_expect(&p, 0xaaaa);
	s.pdptrs[1] = p.b;
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	pae_expect(&p, 0xbbbb);
	get_sregs2(p.vcpu, &s);
	CHECK_EQ(s.pdptrs[1], p.b);

	/* Without the flag, or with the older call, they come from memory. */
	p.pdpt[0] = s.pdptrs[0];
	p.pdpt[1] = p.a;
	s.flags = 0;
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	pae_expect(&p, 0xaaaa);
	p.pdpt[1] = p.b;
	get_sregs(p.vcpu, &old);
	set_sregs(p.vcpu, &old);
	pae_expect(&p, 0xbbbb);
	get_sregs2(p.vcpu, &s);
	CHECK_EQ(s.pdptrs[1], p.b);
}

/* A new machine gets them, and memory has something else by then. */
SUBTEST(sregs2_pdptes_before_the_first_run)
{
	struct kvm_sregs2 s;
	struct vcpu *vcpu;
	struct pae p;

	pae_create(&p);
	pae_expect(&p, 0xaaaa);
	get_sregs2(p.vcpu, &s);
	p.pdpt[1] = p.b;
	vcpu = vcpu_create(p.vm, 1);
	CHECK_EQ(set_sregs2(vcpu, &s), 0);
	get_sregs2(vcpu, &s);
	CHECK_EQ(s.pdptrs[1], p.a);
	set_regs(vcpu, &(struct kvm_regs){ .rip = (uintptr_t)flat_loop, .rflags = 2,
		 .rsp = vcpu->stack });
	p.vcpu = vcpu;
	pae_expect(&p, 0xaaaa);
}

/* VM entry checks them (SDM volume 3, 26.3.1.6): refused then or before. */
SUBTEST(class27_pdptes_with_reserved_bits)
{
	struct kvm_sregs2 s, bad;
	struct pae p;
	int ret;

	pae_create(&p);
	pae_expect(&p, 0xaaaa);
	get_sregs2(p.vcpu, &s);
	bad = s;
	bad.pdptrs[1] |= BIT(62) | 0x1e6;
	ret = set_sregs2(p.vcpu, &bad);
	if (ret != -EINVAL) {
		CHECK_EQ(ret, 0);
		CHECK_EQ(vcpu_run_raw(p.vcpu), 0);
		CHECK_EQ(p.vcpu->run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	}
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	pae_expect(&p, 0xaaaa);
}

/* ---- debug registers --------------------------------------------------------- */

static u64 dr[8];

static void guest_reads_dr(u64 arg)
{
	asm volatile("mov %%dr0, %0" : "=r"(dr[0]));
	asm volatile("mov %%dr1, %0" : "=r"(dr[1]));
	asm volatile("mov %%dr2, %0" : "=r"(dr[2]));
	asm volatile("mov %%dr3, %0" : "=r"(dr[3]));
	asm volatile("mov %%dr6, %0" : "=r"(dr[6]));
	asm volatile("mov %%dr7, %0" : "=r"(dr[7]));
	GUEST_SYNC(1);
}

static void guest_writes_dr(u64 arg)
{
	asm volatile("mov %0, %%dr0" : : "r"(0x1111ull));
	asm volatile("mov %0, %%dr1" : : "r"(0x2222ull));
	asm volatile("mov %0, %%dr2" : : "r"(0xffff888812345678ull));
	asm volatile("mov %0, %%dr3" : : "r"(0x4444ull));
	asm volatile("mov %0, %%dr6" : : "r"(0x4003ull));
	asm volatile("mov %0, %%dr7" : : "r"(0xd0000000ull));
	GUEST_SYNC(1);
	guest_reads_dr(0);
}

static void get_dr(struct vcpu *vcpu, struct kvm_debugregs *d)
{
	memset(d, 0x5a, sizeof(*d));
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_DEBUGREGS, (uintptr_t)d), 0);
	CHECK_EQ(d->flags, 0);
	for (int i = 0; i < 9; i++)
		CHECK_EQ(d->reserved[i], 0);
}

static int set_dr(struct vcpu *vcpu, const struct kvm_debugregs *d)
{
	return xioctl(vcpu->fd, KVM_SET_DEBUGREGS, (uintptr_t)d);
}

SUBTEST(debugregs_guest_sees_what_was_set)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d = { .db = { 1, 0x22, 0x7fffffffffff, ~0ull },
		.dr6 = 0xffff4ff1, .dr7 = 0x10000400 }, got;

	vcpu_long_mode(vcpu, guest_reads_dr, 0);
	memset(d.reserved, 0x77, sizeof(d.reserved));	/* nobody looks */
	CHECK_EQ(set_dr(vcpu, &d), 0);
	get_dr(vcpu, &got);
	CHECK(!memcmp(&got, &d, offsetof(struct kvm_debugregs, flags)));
	vcpu_expect_sync(vcpu, 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(guest_var(vm, dr)[i], d.db[i]);
	CHECK_EQ(guest_var(vm, dr)[6], d.dr6);
	CHECK_EQ(guest_var(vm, dr)[7], d.dr7);
	get_dr(vcpu, &got);
	CHECK(!memcmp(&got, &d, offsetof(struct kvm_debugregs, flags)));
}

SUBTEST(debugregs_user_space_sees_what_the_guest_wrote)
{
	static const u64 want[] = { 0x1111, 0x2222, 0xffff888812345678, 0x4444 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d;

	get_dr(vcpu, &d);		/* SDM volume 3, table 9-1 */
	CHECK_EQ(d.db[0] | d.db[1] | d.db[2] | d.db[3], 0);
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(d.dr7, 0x400);
	vcpu_long_mode(vcpu, guest_writes_dr, 0);
	vcpu_expect_sync(vcpu, 1);
	get_dr(vcpu, &d);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(d.db[i], want[i]);
	CHECK_EQ(d.dr6, 0xffff4ff3);
	CHECK_EQ(d.dr7, 0xd0000400);
	d.db[1] = 0x3333;		/* and changed under the guest's hands */
	d.dr7 = 0x400;
	CHECK_EQ(set_dr(vcpu, &d), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vm, dr)[1], 0x3333);
	CHECK_EQ(guest_var(vm, dr)[7], 0x400);
}

static void guest_breakpoint(u64 arg)
{
	GUEST_TRY("lea breakpoint_here(%%rip), %%rax\n\t"
		  "out %%al, $0xe7\n"
		  "breakpoint_here: nop", : : "rax", "memory");
	GUEST_SYNC_VALUE(2, guest_ex()->vector);
}

/* A breakpoint that user space sets is the guest's own #DB. */
SUBTEST(debugregs_breakpoint_works)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d;
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, guest_breakpoint, 0);
	vcpu_run(vcpu, KVM_EXIT_IO);
	get_regs(vcpu, &regs);
	get_dr(vcpu, &d);
	d.db[3] = regs.rax;
	d.dr7 |= BIT(7);		/* G3, on execution */
	CHECK_EQ(set_dr(vcpu, &d), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), DB);
	get_dr(vcpu, &d);
	CHECK_EQ(d.dr6, 0xffff0ff8);
	CHECK_EQ(d.dr7, 0x480);
}

/* VM entry fails with an upper half of DR7 (SDM volume 3, 26.3.1.1). */
SUBTEST(class24_debugregs_that_cannot_be)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs good, d;

	vcpu_long_mode(vcpu, guest_reads_dr, 0);
	get_dr(vcpu, &good);
	for (int bit = 0; bit < 64; bit++) {
		test_doing("flag %d", bit);
		d = good;
		d.flags = BIT(bit);
		d.db[0] = 1;
		CHECK_EQ(set_dr(vcpu, &d), -EINVAL);
	}
	for (int bit = 32; bit < 64; bit++) {
		test_doing("bit %d", bit);
		d = good;
		d.db[0] = 1;
		d.dr6 |= BIT(bit);
		CHECK_EQ(set_dr(vcpu, &d), -EINVAL);
		d.dr6 = good.dr6;
		d.dr7 |= BIT(bit);
		CHECK_EQ(set_dr(vcpu, &d), -EINVAL);
	}
	get_dr(vcpu, &d);
	CHECK(!memcmp(&d, &good, sizeof(d)));
	vcpu_expect_sync(vcpu, 1);
}

/* ---- MP state ------------------------------------------------------------------ */

static u32 get_mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state s = { .mp_state = 0x5a5a5a5a };

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	return s.mp_state;
}

static int set_mp_state(struct vcpu *vcpu, u32 state)
{
	struct kvm_mp_state s = { .mp_state = state };

	return xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&s);
}

static void guest_halt(u64 arg)
{
	GUEST_SYNC(1);
	asm volatile("hlt");
	GUEST_SYNC(2);
}

/* Without interrupt controllers a vCPU is runnable, and halting is not kept. */
SUBTEST(mp_state_without_irqchip)
{
	static const u32 odd[] = { 11, 0x80000000, 0xffffffff };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0), *second = vcpu_create(vm, 1);

	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(get_mp_state(second), KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE), 0);
	for (u32 i = 1; i <= KVM_MP_STATE_SUSPENDED; i++) {
		test_doing("state %u", i);
		CHECK_EQ(set_mp_state(vcpu, i), -EINVAL);
	}
	for (u64 i = 0; i < ARRAY_SIZE(odd); i++)
		CHECK_EQ(set_mp_state(vcpu, odd[i]), -EINVAL);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	vcpu_long_mode(vcpu, guest_halt, 0);
	vcpu_expect_sync(vcpu, 1);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	vcpu_expect_sync(vcpu, 2);
}

/* ---- the rate of the TSC --------------------------------------------------------- */

static void guest_times_a_loop(u64 arg)
{
	u32 lo, hi;
	u64 t;

	for (;;) {
		asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
		t = lo | (u64)hi << 32;
		asm volatile("mov $1000000, %%ecx\n 1: dec %%ecx\n jnz 1b" : : : "ecx");
		asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
		GUEST_SYNC_VALUE(1, (lo | (u64)hi << 32) - t);
	}
}

/* The least of some, as interrupts of the host count too. */
static u64 time_loop(struct vcpu *vcpu)
{
	u64 least = ~0ull, t;

	for (int i = 0; i < 3; i++) {
		t = vcpu_expect_sync(vcpu, 1);
		least = t < least ? t : least;
	}
	return least;
}

SUBTEST(tsc_khz)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	CHECK(check_cap(vm, KVM_CAP_GET_TSC_KHZ) > 0);
	CHECK(khz > 1000);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0), 0);	/* the host's */
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	vcpu_long_mode(vcpu, guest_times_a_loop, 0);
	time_loop(vcpu);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
}

SUBTEST(tsc_khz_scales)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	u64 normal, twice, half;

	if (check_cap(vm, KVM_CAP_TSC_CONTROL) <= 0) {
		CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz / 2), -EINVAL);
		SKIP("no TSC scaling");
	}
	vcpu_long_mode(vcpu, guest_times_a_loop, 0);
	normal = time_loop(vcpu);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 2 * khz), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), 2 * khz);
	twice = time_loop(vcpu);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz / 2), 0);
	half = time_loop(vcpu);
	test_diag("ticks of one loop: %llu; at double rate %llu, at half %llu",
		  (unsigned long long)normal, (unsigned long long)twice,
		  (unsigned long long)half);
	CHECK(twice > normal * 3 / 2 && twice < normal * 3);
	CHECK(half < normal * 3 / 4 && half > normal / 4);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0xffffffff), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0x80000000), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz / 2);
}

/* ---- KVM_TRANSLATE ----------------------------------------------------------------- */

/* KVM says "writeable, not user" of each: see api.rst of the kernel. */
static void check_translation(struct vcpu *vcpu, u64 linear, bool valid, u64 physical)
{
	struct kvm_translation t;

	test_doing("translation of %#llx", (unsigned long long)linear);
	memset(&t, 0, sizeof(t));
	t.linear_address = linear;
	t.writeable = 7;
	t.usermode = 7;
	CHECK_EQ(xioctl(vcpu->fd, KVM_TRANSLATE, (uintptr_t)&t), 0);
	CHECK_EQ(t.linear_address, linear);
	CHECK_EQ(t.valid, valid);
	CHECK_EQ(t.physical_address, valid ? physical : ~0ull);
	CHECK_EQ(t.writeable, 1);
	CHECK_EQ(t.usermode, 0);
}

SUBTEST(translate_without_paging)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	for (int mode = REAL; mode <= FLAT; mode++) {
		vcpu_mode(vcpu, mode);
		check_translation(vcpu, 0, true, 0);
		check_translation(vcpu, 0x12345, true, 0x12345);
		check_translation(vcpu, MMIO_GPA + 5, true, MMIO_GPA + 5);
	}
}

SUBTEST(translate_32_bit_paging)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u32 *pd = vm_ptr(vm, vm->pd32), *pt;
	u64 pt_gpa = vm_alloc_page(vm);

	vcpu_mode(vcpu, FLAT_32);
	check_translation(vcpu, 0x123456, true, 0x123456);
	check_translation(vcpu, 0xfffff123, true, 0xfffff123);
	pd[256] = 0;
	check_translation(vcpu, PAE_GVA, false, 0);
	pd[256] = pt_gpa | PTE_P | PTE_U;
	pt = vm_ptr(vm, pt_gpa);
	pt[3] = 0x7654000 | PTE_P;	/* supervisor's, not writable */
	pt[4] = 0x7654000;
	check_translation(vcpu, PAE_GVA + 0x3abc, true, 0x7654abc);
	check_translation(vcpu, PAE_GVA + 0x4abc, false, 0);
}

SUBTEST(translate_pae_paging)
{
	struct kvm_sregs2 s;
	struct pae p;

	pae_create(&p);
	check_translation(p.vcpu, 0x123456, true, 0x123456);
	check_translation(p.vcpu, PAE_GVA + 0x1fffff, true, PAGE_A + 0x1fffff);
	check_translation(p.vcpu, PAE_GVA + 0x200000, false, 0);
	get_sregs2(p.vcpu, &s);
	s.pdptrs[1] = 0;
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	check_translation(p.vcpu, PAE_GVA, false, 0);
	s.pdptrs[1] = p.b;		/* the register counts, not the memory */
	CHECK_EQ(set_sregs2(p.vcpu, &s), 0);
	check_translation(p.vcpu, PAE_GVA + 1, true, PAGE_B + 1);
}

SUBTEST(translate_long_mode)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 high = 0xffff800000000000;

	vcpu_mode(vcpu, LONG);
	check_translation(vcpu, 0x123456, true, 0x123456);
	check_translation(vcpu, MMIO_GPA, true, MMIO_GPA);
	check_translation(vcpu, TEST_GVA, false, 0);
	vm_map(vm, TEST_GVA, 0x5000, PAGE_SIZE, PTE_P);	/* supervisor, read-only */
	vm_map(vm, TEST_GVA + 0x1000, 0x6000, PAGE_SIZE, PTE_P | PTE_U | PTE_NX);
	vm_map(vm, TEST_GVA + 0x2000, 0x7000, PAGE_SIZE, PTE_W | PTE_U);
	vm_map(vm, TEST_GVA + 0x3000, 0x7000, PAGE_SIZE, PTE_P | BIT(51));
	vm_map(vm, TEST_GVA + 0x4000, TEST_GPA, PAGE_SIZE, PTE_P | PTE_W);
	vm_map(vm, high, 0x8000, PAGE_SIZE, PTE_P);
	check_translation(vcpu, TEST_GVA + 0xfff, true, 0x5fff);
	check_translation(vcpu, TEST_GVA + 0x1234, true, 0x6234);
	check_translation(vcpu, TEST_GVA + 0x2000, false, 0);
	check_translation(vcpu, TEST_GVA + 0x3000, false, 0);
	check_translation(vcpu, TEST_GVA + 0x4008, true, TEST_GPA + 8);
	check_translation(vcpu, high + 8, true, 0x8008);
	vcpu_expect_sync(vcpu, 1);	/* between runs as well */
	check_translation(vcpu, TEST_GVA + 0xfff, true, 0x5fff);
}

/* Tables that lie in no memory, or that point at themselves. */
SUBTEST(class17_translate_with_broken_tables)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *pml4 = vm_ptr(vm, vm->pml4), self = vm->pml4;
	struct kvm_sregs2 s;

	vcpu_mode(vcpu, LONG);
	pml4[1] = MMIO_GPA | PTE_P | PTE_W;
	pml4[2] = self | PTE_P | PTE_W;
	check_translation(vcpu, BIT(39), false, 0);
	/* index 2 four times over: the table is its own page */
	check_translation(vcpu, 2ull << 39 | 2ull << 30 | 2ull << 21 | 2ull << 12, true, self);
	get_sregs2(vcpu, &s);
	s.cr3 = MMIO_GPA;
	CHECK_EQ(set_sregs2(vcpu, &s), 0);
	check_translation(vcpu, 0x1000, false, 0);
}

/* ---- two threads ---------------------------------------------------------------------- */

/* All say the same number, at any time that user space can look. */
static void guest_counts(u64 arg)
{
	asm volatile("1: inc %%ebx\n"
		     "mov %%rbx, %%r12\n"
		     "movd %%ebx, %%xmm3\n"
		     "mov %%rbx, %%dr2\n"
		     "mov $0xc0000082, %%ecx\n"
		     "mov %%ebx, %%eax\n"
		     "xor %%edx, %%edx\n"
		     "wrmsr\n"
		     "mov $1, %%al\n"
		     "out %%al, $0xe7\n"
		     "jmp 1b" : : "b"(0) : "rax", "rcx", "rdx", "r12");
}

struct reader {
	struct thread thread;
	struct vcpu *vcpu;
	u32 last;
};

/* Never back, and never half of one step and half of another. */
static void expect_later(struct reader *r, u32 number)
{
	CHECK(number >= r->last);
	r->last = number;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct kvm_debugregs d;
	struct kvm_regs regs;
	struct kvm_fpu fpu;
	u32 xmm;

	for (int i = 0; i < 100; i++) {
		get_regs(r->vcpu, &regs);
		CHECK_EQ(regs.rbx, regs.r12);
		expect_later(r, regs.rbx);
		CHECK_EQ(xioctl(r->vcpu->fd, KVM_GET_FPU, (uintptr_t)&fpu), 0);
		memcpy(&xmm, fpu.xmm[3], sizeof(xmm));
		expect_later(r, xmm);
		get_dr(r->vcpu, &d);
		expect_later(r, d.db[2]);
		expect_later(r, get_msr(r->vcpu, MSR_LSTAR));
	}
	return NULL;
}

/* A GET waits for the end of KVM_RUN, and both may be on any CPU. */
SUBTEST(class37_state_read_by_another_thread)
{
	struct vm *vm = vm_create();
	struct reader r = { .vcpu = vcpu_create(vm, 0) };
	int runs;

	vcpu_long_mode(r.vcpu, guest_counts, 0);
	vcpu_expect_sync(r.vcpu, 1);
	thread_start(&r.thread, nr_cpus() > 1 ? 1 : -1, read_all, &r);
	for (runs = 0; !__atomic_load_n(&r.thread.done, __ATOMIC_ACQUIRE); runs++)
		vcpu_expect_sync(r.vcpu, 1);
	thread_join(&r.thread);
	test_diag("%d runs, and the number came to %u", runs, r.last);
}
