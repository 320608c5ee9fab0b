// SPDX-License-Identifier: GPL-2.0
/*
 * features - what the bits of CR0 and CR4 and the newer instructions do in the
 * guest, where its CPUID offers them: WP, SMEP, SMAP, UMIP, PKE, FSGSBASE, TSD, PCE,
 * PCID, INVPCID, XSAVES, RDRAND; and that they are not there where CPUID does not
 * (SDM volume 3, 2.5, 4.6 and 4.10). Also KVM_CAP_X86_DISABLE_EXITS.
 */
#include <sched.h>

#include "cpu.h"
#include "events.h"

#define PTE_G		BIT(8)
#define CR3_NOFLUSH	BIT(63)
#define MSR_XSS		0xda0

/* Leaf 7 and others as REG, BIT for cpuid_has(). */
#define CPUID_PCID	1, 0, REG_ECX, 17
#define CPUID_RDRAND	1, 0, REG_ECX, 30
#define CPUID_FSGSBASE	7, 0, REG_EBX, 0
#define CPUID_SMEP	7, 0, REG_EBX, 7
#define CPUID_INVPCID	7, 0, REG_EBX, 10
#define CPUID_RDSEED	7, 0, REG_EBX, 18
#define CPUID_SMAP	7, 0, REG_EBX, 20
#define CPUID_UMIP	7, 0, REG_ECX, 2
#define CPUID_PKU	7, 0, REG_ECX, 3
#define CPUID_XSAVES	0xd, 1, REG_EAX, 3
#define CPUID_RDTSCP	0x80000001, 0, REG_EDX, 27

#define NEED(vm, feature) do {						\
	if (!cpuid_has(vm, CPUID_##feature))				\
		SKIP("no " #feature);					\
} while (0)

static void run_guest(struct vm *vm, void (*fn)(u64 arg), u64 arg)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, fn, arg);
	vcpu_expect_done(vcpu);
}

static void set_cr4(u64 bits, bool on)
{
	write_cr4(on ? read_cr4() | bits : read_cr4() & ~bits);
}

/* A 4 KiB page at TEST_GVA; returns the guest physical address of its entry. */
static u64 map_page(struct vm *vm, u64 flags)
{
	vm_map(vm, TEST_GVA, vm_alloc_page(vm), PAGE_SIZE, flags);
	return (u8 *)vm_pte(vm, TEST_GVA) - vm->ram;
}

#define EXPECT_PF(code, insn, ...) do {					\
	EXPECT_VECTOR(PF, insn, ##__VA_ARGS__);				\
	GUEST_ASSERT_EQ(guest_ex()->error, code);			\
	GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA);			\
} while (0)
#define WRITE_PAGE	"movl $1, (%0)", : "r"(TEST_GVA) : "memory"
#define READ_PAGE	"movl (%0), %%eax", : "r"(TEST_GVA) : "rax", "memory"

static void guest_wp(u64 arg)
{
	for (int i = 0; i < 2; i++) {
		write_cr0(read_cr0() | X86_CR0_WP);
		EXPECT_PF(3, WRITE_PAGE);
		write_cr0(read_cr0() & ~X86_CR0_WP);
		EXPECT_OK(WRITE_PAGE);
	}
}

SUBTEST(write_protect)
{
	struct vm *vm = vm_create();

	map_page(vm, PTE_P);
	run_guest(vm, guest_wp, 0);
}

static void guest_smep(u64 arg)
{
	u64 ret = 0xc3;

	WRITE_ONCE(*(u64 *)TEST_GVA, ret);
	for (int i = 0; i < 2; i++) {
		set_cr4(X86_CR4_SMEP, false);
		GUEST_ASSERT_EQ(guest_call_try((void *)TEST_GVA, NULL), NO_EXCEPTION);
		set_cr4(X86_CR4_SMEP, true);
		GUEST_ASSERT_EQ(guest_call_try((void *)TEST_GVA, NULL), PF);
		GUEST_ASSERT_EQ(guest_ex()->error, 0x11);
		GUEST_ASSERT_EQ(guest_ex()->cr2, TEST_GVA);
	}
}

SUBTEST(smep)
{
	struct vm *vm = vm_create();

	NEED(vm, SMEP);
	make_supervisor_pages(vm);
	map_page(vm, PTE_P | PTE_W | PTE_U);
	run_guest(vm, guest_smep, 0);
}

static void guest_smap(u64 arg)
{
	for (int i = 0; i < 2; i++) {
		set_cr4(X86_CR4_SMAP, false);
		EXPECT_OK(READ_PAGE);
		set_cr4(X86_CR4_SMAP, true);
		EXPECT_PF(1, READ_PAGE);
		EXPECT_PF(3, WRITE_PAGE);
		asm volatile("stac" : : : "cc", "memory");
		EXPECT_OK(READ_PAGE);
		EXPECT_OK(WRITE_PAGE);
		asm volatile("clac" : : : "cc", "memory");
		EXPECT_PF(1, READ_PAGE);
	}
}

SUBTEST(smap)
{
	struct vm *vm = vm_create();

	NEED(vm, SMAP);
	make_supervisor_pages(vm);
	map_page(vm, PTE_P | PTE_W | PTE_U);
	run_guest(vm, guest_smap, 0);
}

static u8 area[64];

static void user_umip(u64 on)
{
	const u64 want = on ? GP : NO_EXCEPTION;

	EXPECT_VECTOR(want, "sgdt (%0)", : "r"(area) : "memory");
	EXPECT_VECTOR(want, "sidt (%0)", : "r"(area) : "memory");
	EXPECT_VECTOR(want, "sldt (%0)", : "r"(area) : "memory");
	EXPECT_VECTOR(want, "str (%0)", : "r"(area) : "memory");
	/* Where a hypervisor makes UMIP for a CPU without it, SMSW goes on working. */
	GUEST_TRY("smsw (%0)", : "r"(area) : "memory");
	GUEST_ASSERT(guest_ex()->vector == want || guest_ex()->vector == NO_EXCEPTION);
}

static void guest_umip(u64 arg)
{
	for (int on = 0; on < 2; on++) {
		set_cr4(X86_CR4_UMIP, on);
		guest_user_call(user_umip, on);
		user_umip(false);
	}
}

SUBTEST(umip_at_cpl3)
{
	struct vm *vm = vm_create();

	NEED(vm, UMIP);
	run_guest(vm, guest_umip, 0);
}

static void wrpkru(u32 v)
{
	asm volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static u32 rdpkru(void)
{
	u32 v;

	asm volatile("rdpkru" : "=a"(v) : "c"(0) : "rdx");
	return v;
}

static void guest_pke(u64 arg)
{
	EXPECT_VECTOR(UD, "rdpkru", : "c"(0) : "rax", "rdx");
	EXPECT_OK(WRITE_PAGE);
	set_cr4(X86_CR4_PKE, true);
	for (int i = 0; i < 3; i++) {
		wrpkru(0);
		EXPECT_OK(WRITE_PAGE);
		wrpkru(BIT(2));			/* key 1: no access */
		outb(0x80, 0);
		GUEST_ASSERT_EQ(rdpkru(), BIT(2));
		EXPECT_PF(0x21, READ_PAGE);
		EXPECT_PF(0x23, WRITE_PAGE);
		wrpkru(BIT(3));			/* key 1: no writes */
		outb(0x80, 0);
		EXPECT_OK(READ_PAGE);
		EXPECT_PF(0x23, WRITE_PAGE);
	}
	EXPECT_GP("rdpkru", : "c"(1) : "rax", "rdx");
	set_cr4(X86_CR4_PKE, false);
	EXPECT_OK(WRITE_PAGE);
}

/* Exits in between, since PKRU is switched with the host's (bug class 24). */
SUBTEST(class24_protection_keys)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	NEED(vm, PKU);
	map_page(vm, PTE_P | PTE_W | PTE_U | BIT(59));
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_pke, 0);
	for (int i = 0; i < 6; i++)
		vcpu_expect_out(vcpu, 0x80, 1, 1);
	vcpu_expect_done(vcpu);
}

static void user_fsgsbase(u64 on)
{
	u64 v = 0;

	if (!on) {
		EXPECT_VECTOR(UD, "rdfsbase %0", "+r"(v));
		EXPECT_VECTOR(UD, "wrfsbase %0", : "r"(0x1234ul));
		return;
	}
	EXPECT_OK("wrfsbase %0", : "r"(0x7000123456ul));
	outb(0x80, 0);
	EXPECT_OK("rdfsbase %0", "+r"(v));
	GUEST_ASSERT_EQ(v, 0x7000123456);
	EXPECT_GP("wrfsbase %0", : "r"(BIT(47)));
	EXPECT_OK("rdgsbase %0", "+r"(v));
	GUEST_ASSERT_EQ(v, (u64)guest_percpu());
}

static void guest_fsgsbase(u64 arg)
{
	for (int on = 0; on < 2; on++) {
		set_cr4(X86_CR4_FSGSBASE, on);
		user_fsgsbase(on);
		guest_user_call(user_fsgsbase, on);
	}
}

SUBTEST(fsgsbase)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	NEED(vm, FSGSBASE);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_fsgsbase, 0);
	for (int i = 0; i < 2; i++)
		vcpu_expect_out(vcpu, 0x80, 1, 1);
	vcpu_expect_done(vcpu);
}

static void user_tsd(u64 on)
{
	const u64 want = on ? GP : NO_EXCEPTION;

	EXPECT_VECTOR(want, "rdtsc", : : "rax", "rdx");
	EXPECT_VECTOR(want, "rdtscp", : : "rax", "rdx", "rcx");
}

static void guest_tsd(u64 arg)
{
	for (int on = 0; on < 2; on++) {
		set_cr4(X86_CR4_TSD, on);
		user_tsd(false);
		guest_user_call(user_tsd, on);
	}
}

SUBTEST(tsd_at_cpl3)
{
	struct vm *vm = vm_create();

	NEED(vm, RDTSCP);
	run_guest(vm, guest_tsd, 0);
}

static void user_rdpmc(u64 pce)
{
	EXPECT_GP("rdpmc", : "c"(0x12345678) : "rax", "rdx");
	if (!pce)
		EXPECT_GP("rdpmc", : "c"(0) : "rax", "rdx");
}

static void guest_pce(u64 arg)
{
	EXPECT_GP("rdpmc", : "c"(0x12345678) : "rax", "rdx");
	guest_user_call(user_rdpmc, 0);
	set_cr4(X86_CR4_PCE, true);
	guest_user_call(user_rdpmc, 1);
}

SUBTEST(pce_at_cpl3)
{
	run_guest(vm_create(), guest_pce, 0);
}

static void user_cache(u64 arg)
{
	EXPECT_GP("wbinvd", : : "memory");
	EXPECT_GP("invd", : : "memory");
	EXPECT_GP("invlpg (%0)", : "r"(area) : "memory");
}

/* INVD in a guest must not throw away what the host's caches hold. */
static void guest_cache(u64 arg)
{
	for (u32 i = 0; i < sizeof(area); i++)
		WRITE_ONCE(area[i], i);
	asm volatile("invd" : : : "memory");
	asm volatile("wbinvd" : : : "memory");
	for (u32 i = 0; i < sizeof(area); i++)
		GUEST_ASSERT_EQ(READ_ONCE(area[i]), i);
	guest_user_call(user_cache, 0);
}

SUBTEST(invd_wbinvd)
{
	run_guest(vm_create(), guest_cache, 0);
}

/* ---- translations ---------------------------------------------------------- */

static u64 pte_gpa, pages[2];		/* entry of TEST_GVA, and where it may lead */
static u32 have_invpcid;

static u64 read_page(void)
{
	return READ_ONCE(*(u64 *)TEST_GVA);
}

static void invpcid(u64 type, u64 pcid, u64 addr)
{
	const u64 desc[2] = { pcid, addr };

	asm volatile("invpcid %0, %1" : : "m"(desc), "r"(type) : "memory");
}

enum flush { BY_INVLPG, BY_CR3, BY_PGE, BY_INVPCID };

static void flush_by(enum flush how)
{
	if (how == BY_INVLPG)
		invlpg(TEST_GVA + 8);
	else if (how == BY_CR3)
		write_cr3(read_cr3());
	else if (how == BY_PGE)
		write_cr4(read_cr4() ^ X86_CR4_PGE);
	else
		invpcid(how - BY_INVPCID, 0, TEST_GVA);
}

/* The entry is changed and flushed; the other page must be seen at once. */
static void guest_flushes(u64 global)
{
	u64 n = 0, flags = PTE_P | PTE_W | (global ? PTE_G : 0);

	if (global)
		set_cr4(X86_CR4_PGE, true);
	for (u64 how = BY_INVLPG; how < BY_INVPCID + (have_invpcid ? 4 : 0); how++) {
		/* Global entries go with INVLPG, CR4 and INVPCID of type 2 alone. */
		if (global && (how == BY_CR3 ||
			       (how >= BY_INVPCID && how != BY_INVPCID + 2)))
			continue;
		for (int i = 0; i < 4; i++) {
			n++;
			WRITE_ONCE(*(u64 *)pte_gpa, pages[n & 1] | flags);
			flush_by(how);
			GUEST_ASSERT_EQ(read_page(), 100 + (n & 1));
			if (how == BY_PGE)
				set_cr4(X86_CR4_PGE, true);
		}
	}
}

static struct vm *flush_vm(void)
{
	struct vm *vm = vm_create();

	guest_var(vm, pte_gpa) = map_page(vm, PTE_P | PTE_W);
	for (int i = 0; i < 2; i++) {
		guest_var(vm, pages)[i] = vm_alloc_page(vm);
		*(u64 *)vm_ptr(vm, guest_var(vm, pages)[i]) = 100 + i;
	}
	guest_var(vm, have_invpcid) = cpuid_has(vm, CPUID_INVPCID);
	return vm;
}

SUBTEST(class17_flushes_of_one_translation)
{
	run_guest(flush_vm(), guest_flushes, false);
}

SUBTEST(class17_flushes_of_a_global_translation)
{
	run_guest(flush_vm(), guest_flushes, true);
}

#define PCID_GVA	BIT(39)		/* with an entry of its own in the PML4 */

static u64 roots[2];

static u64 read_pcid_page(void)
{
	return READ_ONCE(*(u64 *)PCID_GVA);
}

static void guest_pcids(u64 arg)
{
	set_cr4(X86_CR4_PCIDE, true);
	write_cr3(roots[0] | 1);
	write_cr3(roots[1] | 2);
	for (int i = 0; i < 8; i++) {
		write_cr3(roots[i & 1] | (1 + (i & 1)) | CR3_NOFLUSH);
		GUEST_ASSERT_EQ(read_cr3(), roots[i & 1] | (1 + (i & 1)));
		GUEST_ASSERT_EQ(read_pcid_page(), 100 + (i & 1));
		outb(0x80, 0);
		GUEST_ASSERT_EQ(read_pcid_page(), 100 + (i & 1));
	}
	/* The PCID's translations go with a CR3 that asks for it. */
	write_cr3(roots[0] | 2);
	GUEST_ASSERT_EQ(read_pcid_page(), 100);
	write_cr3(roots[0]);
}

/* Two address spaces that are switched without a flush stay apart. */
SUBTEST(class17_pcids_keep_translations_apart)
{
	struct vm *vm = flush_vm();
	u64 second = vm_alloc_page(vm);
	struct vcpu *vcpu;

	NEED(vm, PCID);
	vm_map(vm, PCID_GVA, guest_var(vm, pages)[0], PAGE_SIZE, PTE_P | PTE_W);
	guest_var(vm, roots)[0] = vm->pml4;
	guest_var(vm, roots)[1] = second;
	memcpy(vm_ptr(vm, second), vm_ptr(vm, vm->pml4), PAGE_SIZE);
	((u64 *)vm_ptr(vm, second))[PCID_GVA >> 39 & 511] = 0;
	vm->pml4 = second;
	vm_map(vm, PCID_GVA, guest_var(vm, pages)[1], PAGE_SIZE, PTE_P | PTE_W);
	vm->pml4 = guest_var(vm, roots)[0];
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_pcids, 0);
	for (int i = 0; i < 8; i++)
		vcpu_expect_out(vcpu, 0x80, 1, 1);
	vcpu_expect_done(vcpu);
}

#define INVPCID(desc, type) "invpcid %0, %1", : "m"(desc), "r"((u64)(type)) : "memory"

static void user_invpcid(u64 arg)
{
	const u64 zero[2] = { 0 };

	EXPECT_GP(INVPCID(zero, 0));
}

static void guest_bad_invpcid(u64 arg)
{
	const u64 zero[2] = { 0 }, reserved[2] = { BIT(12) }, far[2] = { 0, BIT(47) },
		pcid[2] = { 1 };

	for (u64 type = 0; type < 4; type++) {
		EXPECT_OK(INVPCID(zero, type));
		EXPECT_GP(INVPCID(reserved, type));
	}
	EXPECT_GP(INVPCID(zero, 4));
	EXPECT_GP(INVPCID(far, 0));
	EXPECT_GP(INVPCID(pcid, 0));
	EXPECT_GP(INVPCID(pcid, 1));
	guest_user_call(user_invpcid, 0);
}

SUBTEST(class19_bad_invpcid)
{
	struct vm *vm = vm_create();

	NEED(vm, INVPCID);
	run_guest(vm, guest_bad_invpcid, 0);
}

/* ---- instructions that CPUID hides ------------------------------------------- */

static void guest_hidden(u64 hidden)
{
	const u64 want = hidden ? UD : NO_EXCEPTION, zero[2] = { 0 };

	EXPECT_VECTOR(want, "rdrand %%rax", : : "rax", "cc");
	EXPECT_VECTOR(want, "rdseed %%rax", : : "rax", "cc");
	EXPECT_VECTOR(want, INVPCID(zero, 2));
	EXPECT_VECTOR(want, "rdtscp", : : "rax", "rcx", "rdx");
}

SUBTEST(class22_instructions_that_cpuid_hides)
{
	for (u64 hidden = 0; hidden < 2; hidden++) {
		struct vm *vm = vm_create();

		NEED(vm, RDRAND);
		NEED(vm, RDSEED);
		NEED(vm, INVPCID);
		NEED(vm, RDTSCP);
		if (hidden) {
			cpuid_clear(vm, CPUID_RDRAND);
			cpuid_clear(vm, CPUID_RDSEED);
			cpuid_clear(vm, CPUID_INVPCID);
			cpuid_clear(vm, CPUID_RDTSCP);
		}
		run_guest(vm, guest_hidden, hidden);
		vm_free(vm);
	}
}

static u8 xarea[4096] __aligned(64);

static void guest_xsaves(u64 arg)
{
	u64 v = 0x1122334455667788, w;
	u32 zero = 0;

	set_cr4(X86_CR4_OSXSAVE, true);
	asm volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
	wrmsr_try(MSR_XSS, 0);
	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	wrmsr_try(MSR_XSS, BIT(63));
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	wrmsr_try(MSR_XSS, 3);
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
	GUEST_ASSERT_EQ(rdmsr_try(MSR_XSS), 0);
	asm volatile("movq %0, %%xmm3" : : "r"(v));
	EXPECT_OK("xsaves (%0)", : "r"(xarea), "a"(3), "d"(zero) : "memory");
	asm volatile("pxor %%xmm3, %%xmm3" : : : "memory");
	outb(0x80, 0);
	EXPECT_OK("xrstors (%0)", : "r"(xarea), "a"(3), "d"(zero) : "memory");
	asm volatile("movq %%xmm3, %0" : "=r"(w));
	GUEST_ASSERT_EQ(w, v);
	/* XCOMP_BV must have bit 63 and nothing that XCR0 and XSS lack. */
	*(u64 *)(xarea + 520) = 3;
	EXPECT_GP("xrstors (%0)", : "r"(xarea), "a"(3), "d"(zero) : "memory");
	*(u64 *)(xarea + 520) = BIT(63) | BIT(40) | 3;
	EXPECT_GP("xrstors (%0)", : "r"(xarea), "a"(3), "d"(zero) : "memory");
	EXPECT_GP("xsaves (%0)", : "r"(xarea + 1), "a"(3), "d"(zero) : "memory");
}

SUBTEST(class24_xsaves_xrstors)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	NEED(vm, XSAVES);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_xsaves, 0);
	vcpu_expect_out(vcpu, 0x80, 1, 1);
	vcpu_expect_done(vcpu);
}

/* ---- KVM_CAP_X86_DISABLE_EXITS ------------------------------------------------- */

static int disable_exits(struct vm *vm, u64 mask)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS, .args = { mask } };

	return xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
}

SUBTEST(disable_exits_values)
{
	struct vm *vm = vm_create();
	int ret, can = check_cap(vm, KVM_CAP_X86_DISABLE_EXITS);

	CHECK(can >= 0);
	CHECK_EQ(can & ~KVM_X86_DISABLE_VALID_EXITS, 0);
	if (!can)
		SKIP("no KVM_CAP_X86_DISABLE_EXITS");
	CHECK_EQ(disable_exits(vm, KVM_X86_DISABLE_VALID_EXITS + 1), -EINVAL);
	CHECK_EQ(disable_exits(vm, BIT(63)), -EINVAL);
	CHECK_EQ(disable_exits(vm, 0), 0);
	CHECK_EQ(disable_exits(vm, can), 0);
	vcpu_create(vm, 0);
	/* It is too late then; KVM of Linux 6.1 does not say so yet. */
	ret = disable_exits(vm, can);
	CHECK_EQ(ret, device_is_kvm() && !ret ? 0 : -EINVAL);
}

static u32 halting;

GUEST_ASM(halt_code,
	  ".code64\n"
	  "pause\n"
	  "movl $1, (%rdi)\n"
	  "sti\n"
	  "hlt\n"
	  "halted: cli\n"
	  SYNC_ASM(1));
extern const char halted[];

static void *run_until_kicked(void *arg)
{
	return (void *)(long)vcpu_run_raw(arg);
}

/* The guest sleeps in HLT on the CPU; it leaves by a signal, wakes by an interrupt. */
SUBTEST(halt_without_exit)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;
	struct kvm_regs regs;
	struct thread t;

	if (!(check_cap(vm, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_HLT))
		SKIP("HLT always exits");
	CHECK_EQ(disable_exits(vm, KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE), 0);
	vm_record_events(vm);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, halt_code, &halting);
	thread_start(&t, -1, run_until_kicked, vcpu);
	while (!READ_ONCE(guest_var(vm, halting)))
		sched_yield();
	thread_stop(&t);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	/* STI's shadow ends behind HLT, where the guest sleeps by now. */
	vcpu->run->immediate_exit = 0;
	vcpu->run->request_interrupt_window = 1;
	vcpu_run(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	get_regs(vcpu, &regs);
	CHECK_EQ(regs.rip, (uintptr_t)halted);
	vcpu->run->request_interrupt_window = 0;
	CHECK_EQ(vcpu_interrupt(vcpu, IRQ), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vm, IRQ);
	CHECK_EQ(guest_var(vm, guest_events)[0].rip, (uintptr_t)halted);
}
