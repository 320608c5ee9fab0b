// SPDX-License-Identifier: GPL-2.0
/*
 * ctrlregs - CR0, CR3, CR4, CR8, EFER and XCR0 as the guest writes them: every
 * combination that the CPU must refuse, with #GP(0) and nothing changed, those it
 * must take, and what the bits then do. In real, protected, PAE and long mode
 * (SDM volume 3, sections 2.5, 2.6, 4.1 and 9.8.5).
 */
#include "attempt.h"
#include "cpu.h"

#define EFER_SCE	BIT(0)
#define CR3_NOFLUSH	BIT(63)

/* ---- the matrix ------------------------------------------------------- */

enum cr { CR0, CR3, CR4, CR8, EFER, LMSW, XCR0 };

/* These bytes mean the same in all modes. The value is in EAX or EDX:EAX. */
static const struct {
	u8 len, bytes[4];
} insns[] = {
	[CR0] = { 3, { 0x0f, 0x22, 0xc0 } },
	[CR3] = { 3, { 0x0f, 0x22, 0xd8 } },
	[CR4] = { 3, { 0x0f, 0x22, 0xe0 } },
	[CR8] = { 4, { 0x44, 0x0f, 0x22, 0xc0 } },
	[EFER] = { 2, { 0x0f, 0x30 } },
	[LMSW] = { 3, { 0x0f, 0x01, 0xf0 } },
	[XCR0] = { 3, { 0x0f, 0x01, 0xd1 } },
};

struct cr_case {
	const char *text;
	enum cpu_mode mode;
	enum cr target;
	u64 set, clear;			/* in what the register has */
	u64 vector;			/* 0: it must work */
	u64 cr4, efer;			/* set beforehand */
};

static u64 value_of(const struct kvm_sregs *s, enum cr target)
{
	const u64 now[] = { [CR0] = s->cr0, [CR3] = s->cr3, [CR4] = s->cr4,
		[CR8] = s->cr8, [EFER] = s->efer, [LMSW] = s->cr0 & 0xffff, [XCR0] = 1 };

	return now[target];
}

static void check_unchanged(const struct attempt *a)
{
	if (a->vector == GP)
		CHECK_EQ(a->error, 0);
	CHECK_EQ(a->after.cr0, a->before.cr0);
	CHECK_EQ(a->after.cr3, a->before.cr3);
	CHECK_EQ(a->after.cr4, a->before.cr4);
	CHECK_EQ(a->after.cr8, a->before.cr8);
	CHECK_EQ(a->after.efer, a->before.efer);
}

static void check_written(const struct attempt *a, enum cr target, u64 value)
{
	u64 mask = target == LMSW ? 0xf : ~0ull;

	if (target == XCR0)
		return;
	if (target == CR3)
		mask = ~CR3_NOFLUSH;	/* it is never stored */
	if (target == EFER)
		mask = ~EFER_LMA;
	CHECK_EQ(value_of(&a->after, target) & mask, value & mask);
	/* LMA is LME and PG (SDM 3, 4.1.1). */
	CHECK_EQ(!!(a->after.efer & EFER_LMA),
		 (a->after.efer & EFER_LME) && (a->after.cr0 & X86_CR0_PG));
}

static void try_case(struct vcpu *vcpu, const struct cr_case *c)
{
	struct attempt a;
	u64 value;

	test_doing("%s (mode %d)", c->text, c->mode);
	attempt_prepare(&a, vcpu, c->mode, insns[c->target].bytes, insns[c->target].len);
	a.before.cr4 |= c->cr4;
	a.before.efer |= c->efer;
	a.before.cr8 = 0;
	if (c->mode == PROTECTED || c->mode == REAL)
		a.before.cr3 = a.before.cr4 & X86_CR4_PAE ?
			a.before.efer & EFER_LME ? vcpu->vm->pml4 : vcpu->vm->pae_pdpt :
			vcpu->vm->pd32;
	value = (value_of(&a.before, c->target) & ~c->clear) | c->set;
	a.regs.rax = c->target == EFER || c->target == XCR0 ? (u32)value : value;
	a.regs.rdx = value >> 32;
	a.regs.rcx = c->target == EFER ? 0xc0000080 : 0;
	vcpu->run->cr8 = 0;
	if (!attempt_run(&a))
		FAIL("expected exit HLT, got %s at rip %#llx",
		     exit_name(vcpu->run->exit_reason), a.regs.rip);
	CHECK_EQ(a.vector, c->vector ?: NO_EXCEPTION);
	if (c->vector)
		check_unchanged(&a);
	else
		check_written(&a, c->target, value);
}

static void try_cases(const struct cr_case *cases, u64 n)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	for (u64 i = 0; i < n; i++)
		try_case(vcpu, &cases[i]);
}

static const struct cr_case cr0_cases[] = {
	{ "PG without PE", REAL, CR0, X86_CR0_PG, 0, GP },
	{ "PG without PE", PROTECTED, CR0, X86_CR0_PG, X86_CR0_PE, GP },
	{ "PE cleared with PG", PROTECTED_PAE, CR0, 0, X86_CR0_PE, GP },
	{ "PE cleared with PG", LONG, CR0, 0, X86_CR0_PE, GP },
	{ "NW without CD", REAL, CR0, X86_CR0_NW, X86_CR0_CD, GP },
	{ "NW without CD", PROTECTED, CR0, X86_CR0_NW, X86_CR0_CD, GP },
	{ "NW without CD", LONG, CR0, X86_CR0_NW, X86_CR0_CD, GP },
	{ "bit 32", LONG, CR0, BIT(32), 0, GP },
	{ "bit 63", LONG, CR0, BIT(63), 0, GP },
	{ "PG cleared in 64-bit code", LONG, CR0, 0, X86_CR0_PG, GP },
	{ "LME without PAE, PG", REAL, CR0, X86_CR0_PE | X86_CR0_PG, 0, GP, 0, EFER_LME },
	{ "LME without PAE, PG", PROTECTED, CR0, X86_CR0_PG, 0, GP, 0, EFER_LME },

	{ "PE", REAL, CR0, X86_CR0_PE },
	{ "PE cleared", PROTECTED, CR0, 0, X86_CR0_PE },
	{ "CD", REAL, CR0, X86_CR0_CD },
	{ "CD and NW", REAL, CR0, X86_CR0_CD | X86_CR0_NW },
	{ "CD and NW", LONG, CR0, X86_CR0_CD | X86_CR0_NW },
	{ "PE and PG", REAL, CR0, X86_CR0_PE | X86_CR0_PG, 0, 0, X86_CR4_PSE },
	{ "PG", PROTECTED, CR0, X86_CR0_PG, 0, 0, X86_CR4_PSE },
	{ "PG with PAE", PROTECTED, CR0, X86_CR0_PG, 0, 0, X86_CR4_PAE },
	{ "PG with LME", PROTECTED, CR0, X86_CR0_PG, 0, 0, X86_CR4_PAE, EFER_LME },
	{ "PG with LME", REAL, CR0, X86_CR0_PE | X86_CR0_PG, 0, 0, X86_CR4_PAE, EFER_LME },
	{ "PG cleared", PROTECTED_PAE, CR0, 0, X86_CR0_PG },
	{ "NE cleared", REAL, CR0, 0, X86_CR0_NE },
	{ "all of the others", REAL, CR0, X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_WP |
		X86_CR0_AM },
	{ "all of the others", LONG, CR0, X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_WP |
		X86_CR0_AM },
	{ "none of the others", LONG, CR0, 0, X86_CR0_MP | X86_CR0_WP | X86_CR0_NE },

	{ "PE, MP, EM, TS by LMSW", REAL, LMSW, 0xf },
	{ "EM, TS by LMSW", LONG, LMSW, 0xc },
};

SUBTEST(cr0_combinations)
{
	try_cases(cr0_cases, ARRAY_SIZE(cr0_cases));
}

/* LMSW sets PE but never clears it, and touches bits 0 to 3 only (SDM 2, LMSW). */
SUBTEST(lmsw_cannot_clear_pe)
{
	static const enum cpu_mode modes[] = { PROTECTED, PROTECTED_PAE, LONG };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct attempt a;

	for (u64 i = 0; i < ARRAY_SIZE(modes); i++) {
		for (u32 v = 0; v < 0x10000; v += v ? 0xfff0 : 0xfff0) {
			test_doing("LMSW %#x in mode %d", v, modes[i]);
			attempt_prepare(&a, vcpu, modes[i], insns[LMSW].bytes, 3);
			a.regs.rax = v;
			CHECK(attempt_run(&a));
			CHECK_EQ(a.vector, NO_EXCEPTION);
			CHECK_EQ(a.after.cr0, (a.before.cr0 & ~0xeull) | X86_CR0_PE);
		}
	}
}

static const struct cr_case cr3_cr4_cases[] = {
	{ "PAE cleared in long mode", LONG, CR4, 0, X86_CR4_PAE, GP },
	{ "LA57 in long mode", LONG, CR4, X86_CR4_LA57, 0, GP },
	{ "PCIDE outside of long mode", REAL, CR4, X86_CR4_PCIDE, 0, GP },
	{ "PCIDE outside of long mode", PROTECTED, CR4, X86_CR4_PCIDE, 0, GP },
	{ "PCIDE outside of long mode", PROTECTED_PAE, CR4, X86_CR4_PCIDE, 0, GP },
	{ "SMXE", REAL, CR4, X86_CR4_SMXE, 0, GP },
	{ "SMXE", LONG, CR4, X86_CR4_SMXE, 0, GP },
	{ "bit 15", PROTECTED, CR4, BIT(15), 0, GP },
	{ "bit 31", LONG, CR4, BIT(31), 0, GP },
	{ "bit 32", LONG, CR4, BIT(32), 0, GP },
	{ "bit 63", LONG, CR4, BIT(63), 0, GP },
	{ "CR3 bit 52", LONG, CR3, BIT(52), 0, GP },
	{ "CR3 bit 62", LONG, CR3, BIT(62), 0, GP },
	{ "CR3 bit 63 without PCIDE", LONG, CR3, BIT(63), 0, GP },
	{ "CR8 above 15", LONG, CR8, 16, 0, GP },

	{ "VME to TSD, DE", REAL, CR4, 0xf },
	{ "PSE, PGE, MCE, PCE", PROTECTED, CR4, X86_CR4_PSE | X86_CR4_PGE | X86_CR4_MCE |
		X86_CR4_PCE },
	{ "PAE", PROTECTED, CR4, X86_CR4_PAE },
	{ "OSFXSR, OSXMMEXCPT", PROTECTED_PAE, CR4, X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT },
	{ "PGE toggled", LONG, CR4, X86_CR4_PGE },
	{ "PSE", LONG, CR4, X86_CR4_PSE },
	{ "CR3 PWT, PCD", LONG, CR3, 0x18 },
	{ "CR3 low bits are ignored", LONG, CR3, 0x7 },
	{ "CR8 15", LONG, CR8, 15 },
};

SUBTEST(cr3_cr4_cr8_combinations)
{
	try_cases(cr3_cr4_cases, ARRAY_SIZE(cr3_cr4_cases));
}

/* KVM of Linux 6.1 looks at the lower 8 bits alone. */
SUBTEST(cr8_upper_bits)
{
	static const struct cr_case cases[] = {
		{ "CR8 bit 8", LONG, CR8, BIT(8), 0, GP },
		{ "CR8 bit 63", LONG, CR8, BIT(63), 0, GP },
	};

	if (device_is_kvm())
		SKIP("a bug of KVM in Linux 6.1");
	try_cases(cases, ARRAY_SIZE(cases));
}

static const struct cr_case pcid_cases[] = {
	{ "PCIDE", LONG, CR4, X86_CR4_PCIDE },
	{ "PCIDE cleared", LONG, CR4, 0, X86_CR4_PCIDE, 0, X86_CR4_PCIDE },
	{ "CR3 with a PCID", LONG, CR3, 0xfff, 0, 0, X86_CR4_PCIDE },
	{ "CR3 bit 63 with PCIDE", LONG, CR3, BIT(63), 0, 0, X86_CR4_PCIDE },
	{ "CR3 bit 62 with PCIDE", LONG, CR3, BIT(62), 0, GP, X86_CR4_PCIDE },
	{ "PG cleared with PCIDE", LONG, CR0, 0, X86_CR0_PG, GP, X86_CR4_PCIDE },
};

SUBTEST(pcide_combinations)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct attempt a;

	if (!cpuid_has(vm, 1, 0, REG_ECX, 17))
		SKIP("no PCID");
	for (u64 i = 0; i < ARRAY_SIZE(pcid_cases); i++)
		try_case(vcpu, &pcid_cases[i]);
	/* CR3[11:0] must be 0 when PCIDE is set (SDM 3, 4.10.1). */
	test_doing("PCIDE with CR3[11:0]");
	attempt_prepare(&a, vcpu, LONG, insns[CR4].bytes, 3);
	a.before.cr3 |= 8;
	a.regs.rax = a.before.cr4 | X86_CR4_PCIDE;
	CHECK(attempt_run(&a));
	CHECK_EQ(a.vector, GP);
	check_unchanged(&a);
}

static const struct cr_case efer_cases[] = {
	{ "LME set with PG", PROTECTED_PAE, EFER, EFER_LME, 0, GP },
	{ "LME cleared with PG", LONG, EFER, 0, EFER_LME, GP },
	{ "bit 1", LONG, EFER, BIT(1), 0, GP },
	{ "bit 9", REAL, EFER, BIT(9), 0, GP },
	{ "bit 12 (SVME)", LONG, EFER, BIT(12), 0, GP },
	{ "bit 63", PROTECTED, EFER, BIT(63), 0, GP },
	{ "LME", REAL, EFER, EFER_LME },
	{ "LME", PROTECTED, EFER, EFER_LME },
	{ "LME cleared", PROTECTED, EFER, 0, EFER_LME, 0, 0, EFER_LME },
	{ "SCE, NXE", PROTECTED_PAE, EFER, EFER_SCE | EFER_NX },
	{ "NXE cleared", LONG, EFER, 0, EFER_NX },
	{ "SCE", LONG, EFER, EFER_SCE },
};

SUBTEST(efer_combinations)
{
	try_cases(efer_cases, ARRAY_SIZE(efer_cases));
}

static const struct cr_case xcr0_cases[] = {
	{ "no OSXSAVE", LONG, XCR0, 0, 0, UD },
	{ "x87 off", LONG, XCR0, 0, 1, GP, X86_CR4_OSXSAVE },
	{ "SSE without x87", LONG, XCR0, 2, 1, GP, X86_CR4_OSXSAVE },
	{ "AVX without SSE", LONG, XCR0, 4, 0, GP, X86_CR4_OSXSAVE },
	{ "opmask alone", LONG, XCR0, 0x26, 0, GP, X86_CR4_OSXSAVE },
	{ "AVX-512 without AVX", LONG, XCR0, 0xe2, 0, GP, X86_CR4_OSXSAVE },
	{ "supervisor component", LONG, XCR0, 0x102, 0, GP, X86_CR4_OSXSAVE },
	{ "bit 63", LONG, XCR0, BIT(63), 0, GP, X86_CR4_OSXSAVE },
	{ "x87", LONG, XCR0, 1, 0, 0, X86_CR4_OSXSAVE },
	{ "x87, SSE", LONG, XCR0, 3, 0, 0, X86_CR4_OSXSAVE },
	{ "x87, SSE", REAL, XCR0, 3, 0, 0, X86_CR4_OSXSAVE },
	{ "x87, SSE", PROTECTED, XCR0, 3, 0, 0, X86_CR4_OSXSAVE },
};

SUBTEST(class24_xcr0_combinations)
{
	struct vm *vm = vm_create();

	if (!cpuid_has(vm, 1, 0, REG_ECX, 26))
		SKIP("no XSAVE");
	try_cases(xcr0_cases, ARRAY_SIZE(xcr0_cases));
}

static void user_xsetbv(u64 arg)
{
	EXPECT_GP("xsetbv", : "a"(3), "d"(0), "c"(0));
}

static void guest_xsetbv(u64 arg)
{
	u32 lo, hi;

	write_cr4(read_cr4() | X86_CR4_OSXSAVE);
	EXPECT_GP("xsetbv", : "a"(3), "d"(0), "c"(1));
	EXPECT_GP("xsetbv", : "a"(3), "d"(0), "c"(-1));
	guest_user_call(user_xsetbv, 0);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	GUEST_ASSERT_EQ(lo, 1);
	EXPECT_OK("xsetbv", : "a"(3), "d"(0), "c"(0));
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	GUEST_ASSERT_EQ(lo, 3);
	GUEST_ASSERT_EQ(hi, 0);
}

SUBTEST(class24_xsetbv_index_and_cpl)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	if (!cpuid_has(vm, 1, 0, REG_ECX, 26))
		SKIP("no XSAVE");
	vcpu_long_mode(vcpu, guest_xsetbv, 0);
	vcpu_expect_done(vcpu);
}

/* ---- PDPTEs of PAE paging (SDM 3, 4.4.1) ------------------------------ */

struct pdpte_case {
	const char *text;
	enum cpu_mode mode;
	enum cr target;
	u64 set, cr4;
	u64 bits;			/* to be set in a PDPTE */
	u64 vector;
};

static const struct pdpte_case pdpte_cases[] = {
	{ "CR3 loaded, bit 1", PROTECTED_PAE, CR3, 0, 0, BIT(1), GP },
	{ "CR3 loaded, bit 2", PROTECTED_PAE, CR3, 0, 0, BIT(2), GP },
	{ "CR3 loaded, bit 5", PROTECTED_PAE, CR3, 0, 0, BIT(5), GP },
	{ "CR3 loaded, bit 8", PROTECTED_PAE, CR3, 0, 0, BIT(8), GP },
	{ "CR3 loaded, bit 63", PROTECTED_PAE, CR3, 0, 0, BIT(63), GP },
	{ "CR3 loaded, bits 9 to 11", PROTECTED_PAE, CR3, 0, 0, 0xe00, 0 },
	{ "CR3 loaded, PWT and PCD", PROTECTED_PAE, CR3, 0, 0, 0x18, 0 },
	{ "CR4.PGE toggled, bit 1", PROTECTED_PAE, CR4, X86_CR4_PGE, 0, BIT(1), GP },
	{ "PG set, bit 1", PROTECTED, CR0, X86_CR0_PG, X86_CR4_PAE, BIT(1), GP },
	{ "PG set, bit 6", PROTECTED, CR0, X86_CR0_PG, X86_CR4_PAE, BIT(6), GP },
	{ "PG set, bit 9", PROTECTED, CR0, X86_CR0_PG, X86_CR4_PAE, BIT(9), 0 },
	{ "no paging, CR3 loaded, bit 1", PROTECTED, CR3, 0, X86_CR4_PAE, BIT(1), 0 },
};

SUBTEST(pae_pdptes_with_reserved_bits)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 copy_gpa = vm_alloc_page(vm), *copy = vm_ptr(vm, copy_gpa);
	struct attempt a;

	for (u64 i = 0; i < ARRAY_SIZE(pdpte_cases); i++) {
		const struct pdpte_case *c = &pdpte_cases[i];

		test_doing("%s", c->text);
		memcpy(copy, vm_ptr(vm, vm->pae_pdpt), 32);
		attempt_prepare(&a, vcpu, c->mode, insns[c->target].bytes,
				insns[c->target].len);
		a.before.cr4 |= c->cr4;
		/* What the CPU has is good; what it will read is not. */
		a.before.cr3 = copy_gpa;
		set_sregs(vcpu, &a.before);
		a.regs.rax = value_of(&a.before, c->target) | c->set;
		if (c->target == CR3) {
			a.before.cr3 = vm->pae_pdpt;
			copy[3] |= c->bits;
		}
		set_sregs(vcpu, &a.before);
		if (c->target != CR3)
			copy[3] |= c->bits;
		set_regs(vcpu, &a.regs);
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
		get_regs(vcpu, &a.regs);
		get_sregs(vcpu, &a.after);
		CHECK_EQ(a.regs.rip, c->vector ? 0x9000 + 16 * GP + 1 :
			 0x8000 + insns[c->target].len + 1);
		if (c->vector)
			CHECK_EQ(value_of(&a.after, c->target),
				 value_of(&a.before, c->target));
	}
}

/* ---- bits that CPUID does not offer ------------------------------------ */

static const struct {
	const char *name;
	u64 bit;
	u32 function;
	int reg, cpuid_bit;
} features[] = {
	{ "OSXSAVE", X86_CR4_OSXSAVE, 1, REG_ECX, 26 },
	{ "PCIDE", X86_CR4_PCIDE, 1, REG_ECX, 17 },
	{ "FSGSBASE", X86_CR4_FSGSBASE, 7, REG_EBX, 0 },
	{ "SMEP", X86_CR4_SMEP, 7, REG_EBX, 7 },
	{ "SMAP", X86_CR4_SMAP, 7, REG_EBX, 20 },
	{ "UMIP", X86_CR4_UMIP, 7, REG_ECX, 2 },
	{ "PKE", X86_CR4_PKE, 7, REG_ECX, 3 },
	{ "LA57", X86_CR4_LA57, 7, REG_ECX, 16 },
	{ "VMXE", X86_CR4_VMXE, 1, REG_ECX, 5 },
};

static void try_feature(u64 i, bool offered)
{
	struct cr_case c = { features[i].name, LONG, CR4, features[i].bit };
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	if (offered && !cpuid_has(vm, features[i].function, 0, features[i].reg,
				  features[i].cpuid_bit))
		return;
	if (!offered)
		cpuid_clear(vm, features[i].function, 0, features[i].reg,
			    features[i].cpuid_bit);
	c.vector = offered ? 0 : GP;
	make_supervisor_pages(vm);
	vcpu = vcpu_create(vm, 0);
	/* Nested VMX: CR4.VMXE is the one bit that depends on an MSR as well. */
	if (!(offered && (features[i].bit & (X86_CR4_VMXE | X86_CR4_LA57))))
		try_case(vcpu, &c);
	vm_free(vm);
}

SUBTEST(class24_cr4_bits_follow_cpuid)
{
	for (u64 i = 0; i < ARRAY_SIZE(features); i++) {
		try_feature(i, true);
		try_feature(i, false);
	}
}

/* ---- hardware task switches (SDM 3, chapter 7) ---------------------------- */

#define SEL_TSS32	0x58		/* behind the lib's GDT */
#define TSS32_GPA	0xc000ul
#define TASK_STACK	0xf000

struct tss32 {
	u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
	u32 es, cs, ss, ds, fs, gs, ldt;
	u16 trap, iomap;
};

GUEST_ASM(task_jump, ".code32\nljmp $0x58, $0\ntask_jumped: hlt\n");
GUEST_ASM(task_call, ".code32\n	lcall $0x58, $0\ntask_called: " SYNC_ASM(3) "hlt\n");
GUEST_ASM(task_int, ".code32\n	int $0x1f\n" SYNC_ASM(3) "hlt\n");
GUEST_ASM(task_new, ".code32\n" SYNC_ASM(2) "iret\nhlt\n");
extern const char task_jumped[], task_called[];

static void make_task(struct vm *vm, struct attempt *a)
{
	struct tss32 *tss = vm_ptr(vm, TSS32_GPA);
	u64 *gdt = vm_ptr(vm, vm->gdt), *idt = vm_ptr(vm, a->before.idt.base);

	memset(tss, 0, sizeof(*tss));
	tss->eip = (uintptr_t)task_new;
	tss->eflags = 2;
	tss->esp = TASK_STACK;
	tss->ecx = 0x1234;
	tss->cs = SEL_CODE32;
	tss->es = SEL_DATA;
	tss->ss = SEL_DATA;
	tss->ds = SEL_DATA;
	tss->fs = SEL_DATA;
	tss->gs = SEL_DATA;
	tss->iomap = sizeof(*tss);
	gdt[SEL_TSS32 / 8] = 0x0000890000000067 | TSS32_GPA << 16;
	idt[0x1f] = SEL_TSS32 << 16 | 0x85ull << 40;
	a->before.gdt.limit = SEL_TSS32 + 7;
	a->before.tr.base = TSS32_GPA + PAGE_SIZE;
	/* The old task's descriptor says so too. */
	gdt[SEL_TSS / 8] = 0x00008b0000000067 | (TSS32_GPA + PAGE_SIZE) << 16;
}

/* False: this device does not switch tasks, and says so (Documentation/errata.rst). */
static bool switch_task(struct vm *vm, struct vcpu *vcpu, const void *code, u64 back)
{
	const struct tss32 *old = vm_ptr(vm, TSS32_GPA + PAGE_SIZE);
	struct attempt a;
	struct ucall uc;

	attempt_prepare(&a, vcpu, PROTECTED, code, 1);
	make_task(vm, &a);
	a.regs.rip = (uintptr_t)code;
	if (attempt_run(&a))
		FAIL("expected a new task, got HLT at %#llx", a.regs.rip);
	if (!device_is_kvm() && vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return false;
	CHECK_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ(uc.a, 2);
	CHECK_EQ(a.after.tr.selector, SEL_TSS32);
	CHECK_EQ(a.after.tr.base, TSS32_GPA);
	CHECK_EQ(a.after.cr0 & X86_CR0_TS, X86_CR0_TS);
	CHECK_EQ(a.regs.rcx, 0x1234);
	CHECK_EQ(a.regs.rsp, TASK_STACK);
	CHECK_EQ(old->eip, back);
	CHECK_EQ(old->cs, SEL_CODE32);
	return true;
}

SUBTEST(task_switch_by_jump)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	if (!switch_task(vm, vcpu, task_jump, (uintptr_t)task_jumped))
		return;
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rflags & X86_EFLAGS_NT, 0);
	/* The old task is no longer busy. */
	CHECK_EQ(*((u8 *)vm_ptr(vm, vm->gdt) + SEL_TSS + 5), 0x89);
	CHECK_EQ(*((u8 *)vm_ptr(vm, vm->gdt) + SEL_TSS32 + 5), 0x8b);
}

SUBTEST(task_switch_by_call_and_back)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;
	struct kvm_sregs s;

	if (!switch_task(vm, vcpu, task_call, (uintptr_t)task_called))
		return;
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rflags & X86_EFLAGS_NT, X86_EFLAGS_NT);
	CHECK_EQ(((struct tss32 *)vm_ptr(vm, TSS32_GPA))->link, SEL_TSS);
	vcpu_expect_sync(vcpu, 3);
	get_sregs(vcpu, &s);
	CHECK_EQ(s.tr.selector, SEL_TSS);
	CHECK_EQ(*((u8 *)vm_ptr(vm, vm->gdt) + SEL_TSS32 + 5), 0x89);
}

SUBTEST(task_switch_by_task_gate)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	if (switch_task(vm, vcpu, task_int, (uintptr_t)task_int + 2))
		vcpu_expect_sync(vcpu, 3);
}

/* In long mode there are none: #GP with the selector (SDM 2, JMP). */
SUBTEST(task_switch_in_long_mode)
{
	static const u8 far_jump[] = { 0xff, 0x2f };	/* ljmp *(%rdi) */
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct attempt a;

	attempt_prepare(&a, vcpu, LONG, far_jump, 2);
	make_task(vm, &a);
	attempt_prepare(&a, vcpu, LONG, far_jump, 2);
	a.before.gdt.limit = SEL_TSS32 + 15;
	a.regs.rdi = 0xe000;
	*(u64 *)vm_ptr(vm, 0xe000) = (u64)SEL_TSS32 << 32;
	CHECK(attempt_run(&a));
	CHECK_EQ(a.vector, GP);
	CHECK_EQ(a.error, SEL_TSS32);
}
