// SPDX-License-Identifier: GPL-2.0
/*
 * cpuid.c - which processor features a guest can be given, as one table that
 * can be read beside the SDM (vol. 2A, CPUID): a feature is offered when the
 * host has it, the kernel uses it, and lodge virtualises it.  User space picks
 * from that and hands each vCPU its own table; bits that mirror the vCPU's
 * state are put in when the guest executes CPUID.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>

#include "../lodge.h"
#include "../compat.h"
#include "../irq/lapic.h"
#include "../vmx/caps.h"
#include "../vmx/regs.h"
#include "../vmx/vmcs.h"
#include "cpuid.h"
#include "steal.h"

#define F(name) BIT(X86_FEATURE_##name & 31)

enum { EAX, EBX, ECX, EDX };

/* XCR0 components that the guest's fpstate can hold; AMX would need XFD. */
#define XCR0_OFFERED (XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | \
		      XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)

/*
 * One register of one leaf: the bits that pass if the host has them.  Where
 * word is set, the kernel must not have disabled them either.
 */
struct feature_mask {
	u32 leaf, index;
	u8 reg;
	s8 word;
	u32 keep;
};

static struct feature_mask masks[] __ro_after_init = {
	{ 0x1, 0, ECX, CPUID_1_ECX,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
	  F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) |
	  F(RDRAND) },
	{ 0x1, 0, EDX, CPUID_1_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) |
	  F(CX8) | F(APIC) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) |
	  F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP) },
	{ 0x7, 0, EBX, CPUID_7_0_EBX,
	  F(FSGSBASE) | F(TSC_ADJUST) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) |
	  F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(ZERO_FCS_FDS) | F(AVX512F) |
	  F(AVX512DQ) | F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) |
	  F(CLWB) | F(AVX512CD) | F(SHA_NI) | F(AVX512BW) | F(AVX512VL) },
	{ 0x7, 0, ECX, CPUID_7_ECX,
	  F(AVX512VBMI) | F(UMIP) | F(PKU) | F(RDPID) | F(AVX512_VBMI2) | F(GFNI) |
	  F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) |
	  F(AVX512_VPOPCNTDQ) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B) },
	{ 0x7, 0, EDX, CPUID_7_EDX,
	  F(MD_CLEAR) | F(FSRM) | F(SERIALIZE) | F(SPEC_CTRL) | F(INTEL_STIBP) |
	  F(FLUSH_L1D) | F(ARCH_CAPABILITIES) | F(SPEC_CTRL_SSBD) },
	{ 0x7, 1, EAX, CPUID_7_1_EAX, F(AVX_VNNI) | F(AVX512_BF16) },
	{ 0xd, 0, EAX, -1, XCR0_OFFERED },
	{ 0xd, 0, EDX, -1, 0 },
	{ 0xd, 1, EAX, CPUID_D_1_EAX, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) },
	{ 0xd, 1, ECX, -1, 0 },		/* no supervisor component */
	{ 0xd, 1, EDX, -1, 0 },
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  F(LAHF_LM) | F(ABM) | F(3DNOWPREFETCH) },
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX,
	  F(SYSCALL) | F(NX) | F(GBPAGES) | F(RDTSCP) | F(LM) },
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX, F(WBNOINVD) },
};

/* Leaves that are passed on, and those of their registers that masks[] leaves. */
struct leaf {
	u32 leaf;
	u32 last_index;		/* further sub-leaves, up to this one */
	bool indexed;
	u8 pass;		/* registers handed through unmasked, bit EAX..EDX */
};

#define PASS(r)	BIT(r)
#define PASS_ALL 0xf

static const struct leaf leaves[] = {
	{ 0x0, 0, false, PASS_ALL },
	{ 0x1, 0, false, PASS(EAX) | PASS(EBX) },
	{ 0x2, 0, false, PASS_ALL },
	{ 0x4, 7, true, PASS_ALL },	/* ends with the first empty sub-leaf */
	{ 0x7, 1, true, PASS(EAX) },
	{ 0xd, 63, true, PASS(EAX) | PASS(EBX) | PASS(ECX) },
	{ 0x40000000, 0, false, 0 },
	{ 0x40000001, 0, false, 0 },
	{ 0x80000000, 0, false, PASS(EAX) },
	{ 0x80000001, 0, false, PASS(EAX) },
	{ 0x80000002, 0, false, PASS_ALL },
	{ 0x80000003, 0, false, PASS_ALL },
	{ 0x80000004, 0, false, PASS_ALL },
	{ 0x80000006, 0, false, PASS_ALL },
	{ 0x80000007, 0, false, 0 },
	{ 0x80000008, 0, false, PASS(EAX) },
};

/* KVM's interface: the numbers of 0x40000001. */
#define PV_FEATURES (BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) | \
		     BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) | \
		     BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_INT) | \
		     BIT(KVM_FEATURE_PV_EOI) | \
		     BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_SEND_IPI) | \
		     BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD))

static const char signature[12] = KVM_SIGNATURE;

#define MAX_BASIC_LEAF	0xdu
#define MAX_EXT_LEAF	0x80000008u

/* Size and place of each XSAVE component, read once; sub-leaf = bit of XCR0. */
static struct { u32 size, offset; bool align; } xstate[64] __ro_after_init;

u64 cpuid_host_xcr0(void)
{
	static u64 xcr0;

	if (!xcr0 && boot_cpu_has(X86_FEATURE_OSXSAVE))
		xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & XCR0_OFFERED;
	return xcr0;
}

static void withhold(u32 leaf, u8 reg, u32 bits)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++)
		if (masks[i].leaf == leaf && !masks[i].index && masks[i].reg == reg)
			masks[i].keep &= ~bits;
}

void cpuid_init(void)
{
	u32 eax, ebx, ecx, edx;
	int i;

	for (i = 2; i < 64 && boot_cpu_has(X86_FEATURE_XSAVE); i++) {
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		xstate[i].size = eax;
		xstate[i].offset = ebx;
		xstate[i].align = ecx & 2;
	}
	/* instructions that need a control which this CPU has not got */
	if (!(vmx_caps.proc2 & SECONDARY_EXEC_ENABLE_RDTSCP)) {
		withhold(0x80000001, EDX, F(RDTSCP));
		withhold(0x7, ECX, F(RDPID));
	}
	if (!(vmx_caps.proc2 & SECONDARY_EXEC_ENABLE_INVPCID))
		withhold(0x7, EBX, F(INVPCID));
	for (i = 0; i < ARRAY_SIZE(masks); i++)
		if (masks[i].leaf == 0xd && masks[i].index == 1 && masks[i].reg == EAX &&
		    !(vmx_caps.proc2 & SECONDARY_EXEC_XSAVES))
			masks[i].keep &= ~F(XSAVES);
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		withhold(0x7, ECX, F(PKU));
}

/* Bytes that XSAVE writes for these components: SDM vol. 1 13.4. */
static u32 xsave_size(u64 components, bool compacted)
{
	u32 end = 512 + 64;
	int i;

	for (i = 2; i < 63; i++) {
		if (!(components & BIT_ULL(i)))
			continue;
		if (!compacted)
			end = max(end, xstate[i].offset + xstate[i].size);
		else
			end = (xstate[i].align ? ALIGN(end, 64) : end) + xstate[i].size;
	}
	return end;
}

static u32 *reg_of(struct kvm_cpuid_entry2 *e, int reg)
{
	return &(&e->eax)[reg];
}

static void mask_entry(struct kvm_cpuid_entry2 *e, u8 pass)
{
	u32 kept[4] = { };
	int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		const struct feature_mask *m = &masks[i];

		if (m->leaf != e->function || m->index != e->index)
			continue;
		kept[m->reg] = *reg_of(e, m->reg) & m->keep;
		if (m->word >= 0)
			kept[m->reg] &= boot_cpu_data.x86_capability[m->word];
		pass &= ~BIT(m->reg);
	}
	for (i = 0; i < 4; i++)
		if (!(pass & BIT(i)))
			*reg_of(e, i) = kept[i];
}

/* Leaves whose contents are ours, not the host's. */
static void adjust_entry(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0:
		e->eax = min(e->eax, MAX_BASIC_LEAF);
		break;
	case 0x1:
		/* a local APIC of ours has that mode on any host */
		e->ecx |= F(X2APIC);
		break;
	case 0x7:
		if (!e->index) {
			e->eax = min(e->eax, 1u);
			/* lodge has the MSR, whether this host has it or not */
			e->edx |= F(ARCH_CAPABILITIES);
		} else {
			e->ebx = 0;
		}
		break;
	case 0xd:
		if (!e->index) {
			/* the kernel may have left out what the CPU has */
			e->eax &= cpuid_host_xcr0();
			e->ebx = xsave_size(cpuid_host_xcr0(), false);
			e->ecx = e->ebx;
		} else if (e->index == 1) {
			e->ebx = xsave_size(cpuid_host_xcr0(), true);
		}
		break;
	case 0x40000000:
		e->eax = 0x40000001;
		memcpy(&e->ebx, &signature[0], 4);
		memcpy(&e->ecx, &signature[4], 4);
		memcpy(&e->edx, &signature[8], 4);
		break;
	case 0x40000001:
		e->eax = PV_FEATURES;
		if (steal_is_known())
			e->eax |= BIT(KVM_FEATURE_STEAL_TIME);
		break;
	case 0x80000000:
		e->eax = min(e->eax, MAX_EXT_LEAF);
		break;
	}
}

/* Is there nothing to tell about this sub-leaf? */
static bool is_empty(const struct kvm_cpuid_entry2 *e)
{
	if (e->function == 0x4)
		return !(e->eax & 0x1f);
	if (e->function == 0xd && e->index > 1)
		return !(cpuid_host_xcr0() & BIT_ULL(e->index));
	return false;
}

static u32 host_max_leaf(u32 leaf)
{
	if ((leaf & 0xf0000000) == 0x40000000)
		return ~0u;
	return cpuid_eax(leaf & 0x80000000);
}

int cpuid_supported(struct kvm_cpuid_entry2 *out, int max)
{
	int n = 0, i;
	u32 index;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		const struct leaf *l = &leaves[i];

		if (l->leaf > host_max_leaf(l->leaf))
			continue;
		for (index = 0; index <= l->last_index; index++) {
			struct kvm_cpuid_entry2 e = { .function = l->leaf, .index = index };

			if (l->indexed)
				e.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
			if ((l->leaf & 0xf0000000) != 0x40000000)
				cpuid_count(l->leaf, index, &e.eax, &e.ebx, &e.ecx, &e.edx);
			mask_entry(&e, l->pass);
			adjust_entry(&e);
			if (is_empty(&e))
				continue;
			if (n < max)
				out[n] = e;
			n++;
		}
	}
	return n;
}

static struct kvm_cpuid_entry2 *find(struct lodge_vcpu *vcpu, u32 leaf, u32 index)
{
	int i;

	for (i = 0; i < vcpu->cpuid_count; i++) {
		struct kvm_cpuid_entry2 *e = &vcpu->cpuid[i];

		if (e->function == leaf && (e->index == index ||
					    !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

/* The leaf that each word of x86_capability mirrors, as far as we offer it. */
bool cpuid_guest_has(struct lodge_vcpu *vcpu, unsigned int feature)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++)
		if (masks[i].word == (int)(feature / 32)) {
			struct kvm_cpuid_entry2 *e = find(vcpu, masks[i].leaf, masks[i].index);

			return e && (*reg_of(e, masks[i].reg) & BIT(feature & 31));
		}
	return false;
}

/* CR4 bits and the feature that each of them belongs to: SDM vol. 3A 2.5. */
static const struct { unsigned long bit; unsigned int feature; } cr4_features[] = {
	{ X86_CR4_VME | X86_CR4_PVI, X86_FEATURE_VME },
	{ X86_CR4_TSD, X86_FEATURE_TSC },
	{ X86_CR4_DE, X86_FEATURE_DE },
	{ X86_CR4_PSE, X86_FEATURE_PSE },
	{ X86_CR4_PAE, X86_FEATURE_PAE },
	{ X86_CR4_MCE, X86_FEATURE_MCE },
	{ X86_CR4_PGE, X86_FEATURE_PGE },
	{ X86_CR4_OSFXSR, X86_FEATURE_FXSR },
	{ X86_CR4_OSXMMEXCPT, X86_FEATURE_XMM },
	{ X86_CR4_UMIP, X86_FEATURE_UMIP },
	{ X86_CR4_FSGSBASE, X86_FEATURE_FSGSBASE },
	{ X86_CR4_PCIDE, X86_FEATURE_PCID },
	{ X86_CR4_OSXSAVE, X86_FEATURE_XSAVE },
	{ X86_CR4_SMEP, X86_FEATURE_SMEP },
	{ X86_CR4_SMAP, X86_FEATURE_SMAP },
	{ X86_CR4_PKE, X86_FEATURE_PKU },
};

/* Old bits that a guest may set though its CPUID table does not mention them. */
#define CR4_ALWAYS (X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
		    X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | \
		    X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

static bool offered(unsigned int feature)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++)
		if (masks[i].word == (int)(feature / 32))
			return (masks[i].keep & BIT(feature & 31)) && boot_cpu_has(feature);
	return false;
}

bool cpuid_offers_xsaves(void)
{
	return (vmx_caps.proc2 & SECONDARY_EXEC_XSAVES) && boot_cpu_has(X86_FEATURE_XSAVES);
}

u32 cpuid_xsave_size(void)
{
	return xsave_size(cpuid_host_xcr0(), false);
}

unsigned long cpuid_host_cr4_reserved(void)
{
	unsigned long allowed = CR4_ALWAYS;
	int i;

	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (offered(cr4_features[i].feature))
			allowed |= cr4_features[i].bit;
	return ~(allowed & vmx_caps.cr4_fixed1);
}

/*
 * Instructions that CPUID may hide, and how the CPU is told: a control that
 * enables the instruction, or one that makes it exit, for #UD.  SDM vol. 3C 24.6.2.
 */
static const struct { u32 control; unsigned int feature, or; bool exits; } hidden[] = {
	{ SECONDARY_EXEC_ENABLE_RDTSCP, X86_FEATURE_RDTSCP, X86_FEATURE_RDPID },
	{ SECONDARY_EXEC_ENABLE_INVPCID, X86_FEATURE_INVPCID, X86_FEATURE_INVPCID },
	{ SECONDARY_EXEC_XSAVES, X86_FEATURE_XSAVES, X86_FEATURE_XSAVES },
	{ SECONDARY_EXEC_RDRAND_EXITING, X86_FEATURE_RDRAND, X86_FEATURE_RDRAND, true },
	{ SECONDARY_EXEC_RDSEED_EXITING, X86_FEATURE_RDSEED, X86_FEATURE_RDSEED, true },
};

static void hide_instructions(struct lodge_vcpu *vcpu)
{
	u32 proc2 = vcpu->vmcs.proc2;
	bool given;
	int i;

	for (i = 0; i < ARRAY_SIZE(hidden); i++) {
		given = cpuid_guest_has(vcpu, hidden[i].feature) ||
			cpuid_guest_has(vcpu, hidden[i].or);
		proc2 &= ~hidden[i].control;
		if (given != hidden[i].exits)
			proc2 |= hidden[i].control & vmx_caps.proc2;
	}
	vmcs_set_proc2(&vcpu->vmcs, proc2);
}

/* The leaf of KVM's features; its signature may stand at any multiple of 256. */
static struct kvm_cpuid_entry2 *find_pv(struct lodge_vcpu *vcpu)
{
	int i;

	for (i = 0; i < vcpu->cpuid_count; i++) {
		struct kvm_cpuid_entry2 *e = &vcpu->cpuid[i];

		if ((e->function & 0xffff00ff) == 0x40000000 &&
		    !memcmp(&e->ebx, signature, sizeof(signature)))
			return find(vcpu, e->function | KVM_CPUID_FEATURES, 0);
	}
	return NULL;
}

/* A guest that halts without an exit is not kicked out of it. */
static u32 without_halt(const struct lodge_vcpu *vcpu)
{
	return vcpu->vm->exits_off & KVM_X86_DISABLE_EXITS_HLT ? BIT(KVM_FEATURE_PV_UNHALT) : 0;
}

static void derive_pv(struct lodge_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = find_pv(vcpu);

	vcpu->pv_features = e ? e->eax & ~without_halt(vcpu) : 0;
}

bool cpuid_pv_allows(struct lodge_vcpu *vcpu, unsigned int feature)
{
	return !vcpu->pv_enforce || (vcpu->pv_features & BIT(feature));
}

void cpuid_pv_enforce(struct lodge_vcpu *vcpu, bool on)
{
	vcpu->pv_enforce = on;
}

static void derive(struct lodge_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e;
	unsigned long reserved = cpuid_host_cr4_reserved();
	int i;

	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (!(cr4_features[i].bit & CR4_ALWAYS) &&
		    !cpuid_guest_has(vcpu, cr4_features[i].feature))
			reserved |= cr4_features[i].bit;
	vcpu->cr4_reserved = reserved;
	derive_pv(vcpu);

	e = find(vcpu, 0xd, 0);
	vcpu->guest_xcr0_mask = e ? (e->eax | (u64)e->edx << 32) & cpuid_host_xcr0() : 0;
	e = find(vcpu, 0x80000008, 0);
	vcpu->maxphyaddr = e && (e->eax & 0xff) ? min_t(u32, e->eax & 0xff, 52) : 36;
}

/* Bits that follow the state of the vCPU. */
static void add_state(struct lodge_vcpu *vcpu, u32 leaf, u32 index,
		      struct kvm_cpuid_entry2 *e)
{
	unsigned long cr4 = regs_cr4(vcpu);

	if (leaf == 0x1) {
		e->ecx &= ~F(OSXSAVE);
		if (cr4 & X86_CR4_OSXSAVE)
			e->ecx |= F(OSXSAVE);
		e->edx &= ~F(APIC);
		if (vcpu->apic_base & MSR_IA32_APICBASE_ENABLE)
			e->edx |= F(APIC);
		if (vcpu->vm->quirks_off & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT) {
			e->ecx &= ~F(MWAIT);
			if (vcpu->misc_enable & MSR_IA32_MISC_ENABLE_MWAIT)
				e->ecx |= F(MWAIT);
		}
	} else if (leaf == 0x7 && !index) {
		e->ecx &= ~F(OSPKE);
		if (cr4 & X86_CR4_PKE)
			e->ecx |= F(OSPKE);
	} else if (leaf == 0xd && !index) {
		e->ebx = xsave_size(vcpu->xcr0, false);
	} else if ((leaf & 0xffff00ff) == KVM_CPUID_FEATURES) {
		if (find_pv(vcpu) && find_pv(vcpu)->function == leaf)
			e->eax &= ~without_halt(vcpu);
	} else if (leaf == 0xd && index == 1 && (e->eax & (F(XSAVES) | F(XSAVEC)))) {
		e->ebx = xsave_size(vcpu->xcr0 | vcpu->xss, true);
	}
}

static bool same_entry(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 a,
		       struct kvm_cpuid_entry2 b)
{
	add_state(vcpu, a.function, a.index, &a);
	add_state(vcpu, b.function, b.index, &b);
	return a.function == b.function && a.index == b.index && a.flags == b.flags &&
	       a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

static bool same_table(struct lodge_vcpu *vcpu, const struct kvm_cpuid_entry2 *t, int n)
{
	int i;

	if (n != vcpu->cpuid_count)
		return false;
	for (i = 0; i < n; i++)
		if (!same_entry(vcpu, vcpu->cpuid[i], t[i]))
			return false;
	return true;
}

int cpuid_set(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *table, int count)
{
	int i;

	/* a guest that has run has drawn its conclusions from the old one */
	if (vcpu->has_run) {
		if (!same_table(vcpu, table, count))
			return -EINVAL;
		kvfree(table);
		return 0;
	}
	for (i = 0; i < count; i++) {
		u32 vaddr = (table[i].eax >> 8) & 0xff;

		if (table[i].function == 0x80000008 && vaddr && vaddr != 48 && vaddr != 57)
			return -EINVAL;
	}
	kvfree(vcpu->cpuid);
	vcpu->cpuid = table;
	vcpu->cpuid_count = count;
	derive(vcpu);
	regs_set_cr4(vcpu, regs_cr4(vcpu));	/* the bits it may own have changed */
	hide_instructions(vcpu);
	if (vcpu->apic)
		lapic_cpuid_changed(vcpu, cpuid_guest_has(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER),
				    cpuid_guest_has(vcpu, X86_FEATURE_X2APIC));
	return 0;
}

u32 cpuid_signature(struct lodge_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = find(vcpu, 0x1, 0);

	/* family 6, as the SDM's example, until something is said */
	return e ? e->eax : 0x600;
}

int cpuid_get(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *out, u32 room, u32 *count)
{
	int i;

	*count = vcpu->cpuid_count;
	if (room < vcpu->cpuid_count)
		return -E2BIG;
	for (i = 0; i < vcpu->cpuid_count; i++) {
		out[i] = vcpu->cpuid[i];
		add_state(vcpu, out[i].function, out[i].index, &out[i]);
	}
	return 0;
}

bool cpuid_guest_mwait(struct lodge_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *found = find(vcpu, 1, 0);
	struct kvm_cpuid_entry2 e;

	if (!found)
		return false;
	e = *found;
	add_state(vcpu, 1, 0, &e);
	return e.ecx & F(MWAIT);
}

/* Intel answers a leaf above the highest basic one with that one's data. */
static struct kvm_cpuid_entry2 *out_of_range(struct lodge_vcpu *vcpu, u32 *leaf, u32 index)
{
	u32 class = (*leaf & 0xf0000000) == 0x40000000 ? *leaf & 0xffffff00 : *leaf & 0x80000000;
	struct kvm_cpuid_entry2 *basic = find(vcpu, 0, 0);
	struct kvm_cpuid_entry2 *limit = class ? find(vcpu, class, 0) : basic;

	if (!basic || (limit && *leaf <= limit->eax))
		return NULL;
	*leaf = basic->eax;
	return find(vcpu, *leaf, index);
}

void cpuid_execute(struct lodge_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 leaf = *eax, index = *ecx;
	struct kvm_cpuid_entry2 *found = find(vcpu, leaf, index);
	struct kvm_cpuid_entry2 e = { };

	if (!found)
		found = out_of_range(vcpu, &leaf, index);
	if (found) {
		e = *found;
		add_state(vcpu, leaf, index, &e);
	} else if (leaf == 0xb || leaf == 0x1f) {
		/* beyond the last level: the level asked for, and the x2APIC id */
		found = find(vcpu, leaf, 1);
		e.ecx = index & 0xff;
		e.edx = found ? found->edx : 0;
	}
	*eax = e.eax;
	*ebx = e.ebx;
	*ecx = e.ecx;
	*edx = e.edx;
}
