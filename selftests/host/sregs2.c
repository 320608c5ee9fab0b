// SPDX-License-Identifier: GPL-2.0
/*
 * sregs2 - KVM_GET_SREGS2 and KVM_SET_SREGS2 with the PDPTEs of PAE paging, which
 * are registers of the vCPU, and KVM_TRANSLATE, which walks the guest's tables in
 * every mode of paging (SDM volume 3, chapter 4).
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

/* What a bit of an entry means depends on CR4, EFER and the level it is on. */
SUBTEST(translate_page_sizes_and_reserved_bits)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *pdpt = vm_ptr(vm, *(u64 *)vm_ptr(vm, vm->pml4) & PTE_ADDR);
	u32 *pd = vm_ptr(vm, vm->pd32);
	struct kvm_sregs s;

	vcpu_mode(vcpu, LONG);
	vm_map(vm, TEST_GVA, 0x5000, PAGE_SIZE, PTE_P | PTE_NX);
	check_translation(vcpu, TEST_GVA, true, 0x5000);
	get_sregs(vcpu, &s);
	s.efer &= ~EFER_NX;		/* now that bit is reserved */
	set_sregs(vcpu, &s);
	check_translation(vcpu, TEST_GVA, false, 0);
	if (cpuid_has(vm, 0x80000001, 3, 26)) {
		pdpt[4] = 0x180000000 | PTE_P | PTE_PS;
		check_translation(vcpu, SZ_4G + 0x12345678, true, 0x180000000 + 0x12345678);
		pdpt[4] |= BIT(13);	/* inside of a 1 GiB page's offset */
		check_translation(vcpu, SZ_4G, false, 0);
	}
	vcpu_mode(vcpu, FLAT_32);
	pd[256] = PAGE_A | PTE_P | PTE_PS;	/* a page, or a table */
	*(u32 *)vm_ptr(vm, PAGE_A) = 0x7000 | PTE_P;
	check_translation(vcpu, PAE_GVA + 0x1234, true, PAGE_A + 0x1234);
	get_sregs(vcpu, &s);
	s.cr4 &= ~X86_CR4_PSE;
	set_sregs(vcpu, &s);
	check_translation(vcpu, PAE_GVA + 0x234, true, 0x7234);
	check_translation(vcpu, PAE_GVA + 0x1234, false, 0);
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
