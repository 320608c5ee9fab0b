// SPDX-License-Identifier: GPL-2.0
/*
 * entry_build.c - states that a CPU enters without complaint, at random: every mode
 * that a guest can be in, the controls that its CPU allows with what they need, and
 * events of each type. Every field has a valid value, also when no control asks for
 * it. SDM vol. 3C 24 and 26.
 */
#include "entry_unit.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

u64 seed;

/* xorshift64* */
u64 rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dull;
}

u32 below(u32 n)
{
	return (rnd() >> 33) % n;
}

void set(struct sample *s, u32 field, u64 value)
{
	vmcs_image_put(&s->vmcs, vmcs_field_index(field), value);
}

void set_bits(struct sample *s, u32 field, u64 bits, bool on)
{
	set(s, field, on ? get(s, field) | bits : get(s, field) & ~bits);
}

static bool has(const struct sample *s, u32 field, u64 bits)
{
	return (get(s, field) & bits) == bits;
}

static u64 page(const struct sample *s)
{
	u64 beyond = s->cpu.physical_bits < 64 ? ~0ull << s->cpu.physical_bits : 0;

	return rnd() & ~beyond & ~0xfffull;
}

static u64 canonical(const struct sample *s)
{
	unsigned int shift = 64 - s->cpu.linear_bits;

	return (u64)((s64)(rnd() << shift) >> shift);
}

static u64 pat(void)
{
	static const u8 types[] = { 0, 1, 4, 5, 6, 7 };
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < 64; i += 8)
		value |= (u64)types[below(ARRAY_SIZE(types))] << i;
	return value;
}

/* ---- the CPU ---- */

static bool read_memory(void *opaque, u64 address, void *to, unsigned int len)
{
	const struct sample *s = opaque;
	const struct {
		u64 at;
		const void *data;
		u64 size;
	} places[] = {
		{ AT_VIRTUAL_APIC + 0x80, &s->vtpr, sizeof(s->vtpr) },
		{ AT_LINKED, &s->linked, sizeof(s->linked) },
		{ AT_PDPTES, s->pdpte, sizeof(s->pdpte) },
		{ AT_MSRS, s->msr, sizeof(s->msr) },
		{ AT_OTHER_VMCS, entry_other_vmcs, sizeof(entry_other_vmcs) },
		{ AT_BAD_PDPTES, entry_bad_pdptes, sizeof(entry_bad_pdptes) },
		{ AT_BAD_MSRS, entry_bad_msrs, sizeof(entry_bad_msrs) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		u64 offset = address - places[i].at;

		if (address < places[i].at || offset > places[i].size ||
		    len > places[i].size - offset)
			continue;
		memcpy(to, (const char *)places[i].data + offset, len);
		return true;
	}
	return false;
}

#define ALLOWED(zeros, ones)	((u64)(ones) << 32 | (zeros))

void build_whole_cpu(struct sample *s, bool long_mode)
{
	memset(s, 0, sizeof(*s));
	s->cpu = (struct entry_cpu) {
		.allowed = {
			[ENTRY_PIN] = ALLOWED(0x16, 0xff),
			[ENTRY_PROC] = ALLOWED(0x04006172, 0xfffbfffe),
			[ENTRY_PROC2] = ALLOWED(0, 0xdfffffff),
			[ENTRY_PROC3] = 0xff,
			[ENTRY_EXIT] = ALLOWED(0x00036dfb, 0xf7ffffff),
			[ENTRY_EXIT2] = 0xf,
			[ENTRY_ENTRY] = ALLOWED(0x000011fb, 0x00fffbff | VM_ENTRY_SMM),
		},
		.basic = 0x12345678, .misc = 0x7004c1e7, .vmfunc = 1,
		.ept_vpid = VMX_EPT_PAGE_WALK_4_BIT | VMX_EPT_PAGE_WALK_5_BIT | VMX_EPTP_UC_BIT |
			    VMX_EPTP_WB_BIT | VMX_EPT_AD_BIT | EPT_CAP_SHADOW_STACK,
		.cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = X86_CR4_VMXE, .cr4_fixed1 = 0x01fffbff,
		.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX, .debugctl = 0xffc3,
		.perf_global_ctrl = 0x70000000full, .rtit_ctl = 0xffff2fff, .lbr_ctl = 0x7f000f,
		.pending_debug = BIT(11) | BIT(16),
		.physical_bits = 46, .linear_bits = 48, .long_mode = long_mode, .sgx = true,
		.sti_blocks_nmi = true, .current_vmcs = AT_CURRENT,
		.read = read_memory, .opaque = s,
	};
}

/* Older ones, and ones with something turned off. */
void build_any_cpu(struct sample *s, bool long_mode)
{
	u64 take[ENTRY_WORDS];
	unsigned int i;

	build_whole_cpu(s, long_mode);
	for (i = 0; i < ENTRY_WORDS; i++)
		take[i] = one_in(2) ? 0 : rnd() & rnd();
	take[ENTRY_PROC] &= ~(u64)CPU_BASED_ACTIVATE_SECONDARY_CONTROLS;
	take[ENTRY_PROC2] &= ~(u64)(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST);
	take[ENTRY_EXIT] &= ~(u64)VM_EXIT_HOST_ADDR_SPACE_SIZE;
	take[ENTRY_ENTRY] &= ~(u64)VM_ENTRY_IA32E_MODE;
	for (i = 0; i < ENTRY_WORDS; i++) {
		u64 *allowed = &s->cpu.allowed[i];

		if (i == ENTRY_PROC3 || i == ENTRY_EXIT2)
			*allowed &= ~take[i];
		else
			*allowed &= ~(take[i] & ~*allowed) << 32 | 0xffffffff;
	}
	s->cpu.physical_bits = 36 + below(17);
	s->cpu.linear_bits = one_in(3) ? 57 : 48;
	s->cpu.sgx = one_in(2);
	s->cpu.sti_blocks_nmi = one_in(2);
	s->cpu.pending_debug &= rnd();
	s->cpu.basic ^= rnd() & 0xffffff;
	if (one_in(2))
		s->cpu.basic |= BASIC_ERROR_CODES;
	if (one_in(3))
		s->cpu.misc &= ~(MISC_ZERO_LENGTH | 0x1c0);
	if (one_in(3))
		s->cpu.ept_vpid &= ~(VMX_EPT_AD_BIT | EPT_CAP_SHADOW_STACK |
				     VMX_EPT_PAGE_WALK_5_BIT);
	if (one_in(3))
		s->cpu.cr3_high = 3ull << 61;
}

/* ---- controls ---- */

/* What a control needs of another one, in the order in which it is taken back. */
static const struct {
	u32 field;
	u32 bits;
	u32 other;
	u32 needs;
} needs[] = {
	{ PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VIRTUAL_NMIS,
	  PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_NMI_EXITING },
	{ CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_NMI_WINDOW_EXITING,
	  PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VIRTUAL_NMIS },
	{ SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_UNRESTRICTED_GUEST |
	  SECONDARY_EXEC_MODE_BASED_EPT_EXEC | SECONDARY_EXEC_ENABLE_PML | PROC2_SPP |
	  SECONDARY_EXEC_PT_USE_GPA | SECONDARY_EXEC_ENABLE_VMFUNC,
	  SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_EPT },
	{ SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
	  SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	  CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW },
	{ SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	  PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_EXT_INTR_MASK },
	{ PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_POSTED_INTR,
	  SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY },
	{ PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_POSTED_INTR,
	  VM_EXIT_CONTROLS, VM_EXIT_ACK_INTR_ON_EXIT },
	{ SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_PT_USE_GPA,
	  VM_ENTRY_CONTROLS, VM_ENTRY_LOAD_IA32_RTIT_CTL },
	{ SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_PT_USE_GPA,
	  VM_EXIT_CONTROLS, VM_EXIT_CLEAR_IA32_RTIT_CTL },
	{ VM_EXIT_CONTROLS, VM_EXIT_SAVE_VMX_PREEMPTION_TIMER,
	  PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VMX_PREEMPTION_TIMER },
	{ TERTIARY_VM_EXEC_CONTROL, PROC3_HLAT | PROC3_PAGING_WRITE | PROC3_PAGING_VERIFY,
	  SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_EPT },
	{ TERTIARY_VM_EXEC_CONTROL, PROC3_IPI, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW },
};

static void settle_controls(struct sample *s)
{
	unsigned int i;

	if (has(s, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE))
		set_bits(s, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES,
			 false);
	for (i = 0; i < ARRAY_SIZE(needs); i++)
		if (!has(s, needs[i].other, needs[i].needs))
			set_bits(s, needs[i].field, needs[i].bits, false);
}

static u32 any_of(u64 allowed)
{
	return ((rnd() & rnd()) & allowed >> 32) | (u32)allowed;
}

static bool is_ia32e(const struct sample *s)
{
	return s->from == FROM_64 || s->from == FROM_COMPATIBLE;
}

static void set_mode_controls(struct sample *s)
{
	set_bits(s, VM_EXIT_CONTROLS, VM_EXIT_HOST_ADDR_SPACE_SIZE, s->cpu.long_mode);
	set_bits(s, VM_ENTRY_CONTROLS, VM_ENTRY_IA32E_MODE, is_ia32e(s));
	set_bits(s, VM_ENTRY_CONTROLS, VM_ENTRY_SMM | VM_ENTRY_DEACT_DUAL_MONITOR, false);
}

static void build_any_controls(struct sample *s)
{
	const u64 *allowed = s->cpu.allowed;

	set(s, PIN_BASED_VM_EXEC_CONTROL, any_of(allowed[ENTRY_PIN]));
	set(s, CPU_BASED_VM_EXEC_CONTROL, any_of(allowed[ENTRY_PROC]));
	set(s, SECONDARY_VM_EXEC_CONTROL, any_of(allowed[ENTRY_PROC2]));
	set(s, TERTIARY_VM_EXEC_CONTROL, rnd() & allowed[ENTRY_PROC3]);
	set(s, VM_EXIT_CONTROLS, any_of(allowed[ENTRY_EXIT]));
	set(s, FIELD_EXIT_CONTROLS2, rnd() & allowed[ENTRY_EXIT2]);
	set(s, VM_ENTRY_CONTROLS, any_of(allowed[ENTRY_ENTRY]));
	if (s->from == FROM_REAL || one_in(2)) {
		set_bits(s, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, true);
		set_bits(s, SECONDARY_VM_EXEC_CONTROL,
			 SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST, true);
	}
	/* what is not activated counts as 0, also for what needs it */
	if (!has(s, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS))
		set(s, SECONDARY_VM_EXEC_CONTROL, 0);
	set_mode_controls(s);
	settle_controls(s);
}

/* As many as a plain hypervisor has. */
static void build_plain_controls(struct sample *s)
{
	const u64 *allowed = s->cpu.allowed;

	set(s, PIN_BASED_VM_EXEC_CONTROL, (u32)allowed[ENTRY_PIN] | PIN_BASED_EXT_INTR_MASK |
	    PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS);
	set(s, CPU_BASED_VM_EXEC_CONTROL, (u32)allowed[ENTRY_PROC] | CPU_BASED_HLT_EXITING |
	    CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS);
	set(s, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_VPID |
	    SECONDARY_EXEC_UNRESTRICTED_GUEST);
	set(s, TERTIARY_VM_EXEC_CONTROL, 0);
	set(s, VM_EXIT_CONTROLS, (u32)allowed[ENTRY_EXIT] | VM_EXIT_ACK_INTR_ON_EXIT |
	    VM_EXIT_LOAD_IA32_PAT | VM_EXIT_LOAD_IA32_EFER);
	set(s, FIELD_EXIT_CONTROLS2, 0);
	set(s, VM_ENTRY_CONTROLS, (u32)allowed[ENTRY_ENTRY] | VM_ENTRY_LOAD_DEBUG_CONTROLS |
	    VM_ENTRY_LOAD_IA32_PAT | VM_ENTRY_LOAD_IA32_EFER);
	set_mode_controls(s);
}

static void build_areas(struct sample *s)
{
	set(s, VM_EXIT_MSR_STORE_ADDR, page(s) | (rnd() & 0xff0));
	set(s, VM_EXIT_MSR_LOAD_ADDR, page(s) | (rnd() & 0xff0));
	set(s, VM_EXIT_MSR_STORE_COUNT, below(3));
	set(s, VM_EXIT_MSR_LOAD_COUNT, below(3));
	if ((get(s, VM_EXIT_MSR_STORE_ADDR) + 0x1000) >> s->cpu.physical_bits)
		set(s, VM_EXIT_MSR_STORE_ADDR, 0);
	if ((get(s, VM_EXIT_MSR_LOAD_ADDR) + 0x1000) >> s->cpu.physical_bits)
		set(s, VM_EXIT_MSR_LOAD_ADDR, 0);
	set(s, VM_ENTRY_MSR_LOAD_ADDR, AT_MSRS);
	set(s, VM_ENTRY_MSR_LOAD_COUNT, below(MSRS + 1));
	s->msr[0] = (struct vmx_msr_entry) { .index = MSR_LSTAR, .value = canonical(s) };
	s->msr[1] = (struct vmx_msr_entry) { .index = MSR_IA32_CR_PAT, .value = pat() };
	s->msr[2] = (struct vmx_msr_entry) { .index = MSR_TSC_AUX, .value = (u32)rnd() };
	s->msr[3] = (struct vmx_msr_entry) {
		.index = MSR_EFER,
		.value = (rnd() & EFER_SCE) | (is_ia32e(s) ? EFER_LME : 0),
	};
}

static void build_control_fields(struct sample *s)
{
	static const u32 pages[] = {
		IO_BITMAP_A, IO_BITMAP_B, MSR_BITMAP, APIC_ACCESS_ADDR, PML_ADDRESS,
		FIELD_SPP_TABLE, EPTP_LIST_ADDRESS, VMREAD_BITMAP, VMWRITE_BITMAP,
		FIELD_VE_INFORMATION, FIELD_HLAT_POINTER, FIELD_LOW_PASID_DIRECTORY,
		FIELD_HIGH_PASID_DIRECTORY, PID_POINTER_TABLE,
	};
	u64 eptp = page(s) | (one_in(2) ? 6 : 0) | VMX_EPTP_PWL_4;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		set(s, pages[i], page(s));
	if (s->cpu.ept_vpid & VMX_EPT_PAGE_WALK_5_BIT && one_in(2))
		eptp += VMX_EPTP_PWL_5 - VMX_EPTP_PWL_4;
	if (s->cpu.ept_vpid & VMX_EPT_AD_BIT && one_in(2))
		eptp |= VMX_EPTP_AD_ENABLE_BIT;
	set(s, EPT_POINTER, eptp);
	set(s, CR3_TARGET_COUNT, below(5));
	set(s, VIRTUAL_APIC_PAGE_ADDR, AT_VIRTUAL_APIC);
	s->vtpr = rnd();
	set(s, TPR_THRESHOLD, below((s->vtpr >> 4) + 1));
	set(s, POSTED_INTR_NV, below(256));
	set(s, POSTED_INTR_DESC_ADDR, page(s) | (rnd() & 0xfc0));
	set(s, VIRTUAL_PROCESSOR_ID, 1 + below(0xffff));
	set(s, VM_FUNCTION_CONTROL, rnd() & s->cpu.vmfunc);
	set(s, TSC_MULTIPLIER, rnd() | 1);
	set(s, LAST_PID_POINTER_INDEX, below(256));
	build_areas(s);
}

/* ---- the host ---- */

static void build_cr(struct sample *s, u32 cr0_field, u32 cr4_field, u64 cr0, u64 cr4)
{
	cr0 |= (rnd() & s->cpu.cr0_fixed1 & ~(u64)(X86_CR0_PE | X86_CR0_PG));
	cr0 |= s->cpu.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	cr4 |= (rnd() & s->cpu.cr4_fixed1 & ~(u64)(X86_CR4_PAE | X86_CR4_PCIDE | CR4_CET));
	cr4 |= s->cpu.cr4_fixed0;
	if (cr0 & X86_CR0_WP && one_in(2))
		cr4 |= CR4_CET;
	set(s, cr0_field, cr0);
	set(s, cr4_field, cr4);
}

static u64 s_cet(const struct sample *s, bool wide)
{
	u64 base = wide ? canonical(s) : (u32)rnd();

	return (base & ~0xfffull) | (rnd() & 0x43f);
}

static void build_host(struct sample *s)
{
	static const u32 addresses[] = {
		HOST_IA32_SYSENTER_ESP, HOST_IA32_SYSENTER_EIP, HOST_FS_BASE, HOST_GS_BASE,
		HOST_TR_BASE, HOST_GDTR_BASE, HOST_IDTR_BASE, FIELD_HOST_SSP_TABLE,
	};
	bool wide = s->cpu.long_mode;
	unsigned int i;

	build_cr(s, HOST_CR0, HOST_CR4, X86_CR0_PE | X86_CR0_PG,
		 wide ? X86_CR4_PAE | (rnd() & X86_CR4_PCIDE) : 0);
	set(s, HOST_CR3, page(s) | (rnd() & s->cpu.cr3_high));
	for (i = 0; i < ARRAY_SIZE(addresses); i++)
		set(s, addresses[i], canonical(s));
	for (i = HOST_ES_SELECTOR; i <= HOST_TR_SELECTOR; i += 2)
		set(s, i, (1 + below(0x1fff)) << 3);
	if (wide && one_in(2))
		set(s, HOST_SS_SELECTOR, 0);
	set(s, HOST_IA32_PERF_GLOBAL_CTRL, rnd() & s->cpu.perf_global_ctrl);
	set(s, HOST_IA32_PAT, pat());
	set(s, HOST_IA32_EFER, (rnd() & (EFER_SCE | EFER_NX)) | (wide ? EFER_LMA | EFER_LME : 0));
	set(s, FIELD_HOST_S_CET, s_cet(s, wide));
	set(s, FIELD_HOST_SSP, (wide ? canonical(s) : (u32)rnd()) & ~3ull);
	set(s, FIELD_HOST_PKRS, (u32)rnd());
	set(s, HOST_RIP, wide ? canonical(s) : (u32)rnd());
	set(s, HOST_RSP, rnd());
}

/* ---- the guest's segments ---- */

static bool unrestricted(const struct sample *s)
{
	return has(s, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_UNRESTRICTED_GUEST);
}

static void set_segment(struct sample *s, int seg, u64 base, u32 limit, u32 ar)
{
	if (one_in(3))
		limit |= 0xfff;
	if (ar & VMX_AR_G_MASK && (limit & 0xfff) != 0xfff)
		limit |= 0xfff;
	if (!(ar & VMX_AR_G_MASK))
		limit &= 0xfffff;
	set(s, GUEST_ES_BASE + 2 * seg, base);
	set(s, GUEST_ES_LIMIT + 2 * seg, limit);
	set(s, GUEST_ES_AR_BYTES + 2 * seg, ar);
}

static u32 maybe(u32 bits)
{
	return rnd() & bits;
}

#define FREE	(BIT(12) | VMX_AR_DB_MASK | VMX_AR_G_MASK)	/* AVL */

static void build_code(struct sample *s, u32 cpl)
{
	u32 ar = VMX_AR_P_MASK | VMX_AR_S_MASK | maybe(FREE);

	if (s->from == FROM_64)
		ar = (ar & ~VMX_AR_DB_MASK) | VMX_AR_L_MASK;
	else if (s->from != FROM_COMPATIBLE)
		ar |= maybe(VMX_AR_L_MASK);	/* means nothing there */
	if (unrestricted(s) && cpl == 0 && one_in(3))
		ar |= 3;
	else if (one_in(3))
		ar |= 13 | maybe(2) | below(cpl + 1) << VMX_AR_DPL_SHIFT;
	else
		ar |= 9 | maybe(2) | cpl << VMX_AR_DPL_SHIFT;
	set_segment(s, CS, (u32)rnd(), rnd(), ar);
	set(s, GUEST_CS_SELECTOR, below(0x4000) << 2 | (unrestricted(s) ? below(4) : cpl));
}

static void build_stack(struct sample *s, u32 cpl)
{
	u32 ar = VMX_AR_P_MASK | VMX_AR_S_MASK | maybe(FREE) | 3 | maybe(4);

	set(s, GUEST_SS_SELECTOR, below(0x4000) << 2 | (unrestricted(s) ? below(4) : cpl));
	if (one_in(4))
		set_segment(s, SS, rnd(), rnd(),
			    (rnd() & ~(u64)(3 << VMX_AR_DPL_SHIFT)) | VMX_AR_UNUSABLE_MASK |
			    cpl << VMX_AR_DPL_SHIFT);
	else
		set_segment(s, SS, (u32)rnd(), rnd(), ar | cpl << VMX_AR_DPL_SHIFT);
}

static void build_data(struct sample *s, int seg)
{
	u32 dpl = below(4);
	u32 type = 1 | maybe(6) | (one_in(4) ? 10 : 0);
	u32 top = type <= 11 && !unrestricted(s) ? dpl : 3;
	u64 base = seg >= FS ? canonical(s) : (u32)rnd();

	set(s, GUEST_ES_SELECTOR + 2 * seg, below(0x4000) << 2 | below(top + 1));
	if (one_in(4))
		set_segment(s, seg, seg >= FS ? base : rnd(), rnd(), rnd() | VMX_AR_UNUSABLE_MASK);
	else
		set_segment(s, seg, base, rnd(), VMX_AR_P_MASK | VMX_AR_S_MASK | maybe(FREE) |
			    type | dpl << VMX_AR_DPL_SHIFT);
}

static void build_v8086_segments(struct sample *s)
{
	int seg;

	for (seg = ES; seg <= GS; seg++) {
		u32 selector = below(0x10000);

		set(s, GUEST_ES_SELECTOR + 2 * seg, selector);
		set(s, GUEST_ES_BASE + 2 * seg, selector << 4);
		set(s, GUEST_ES_LIMIT + 2 * seg, 0xffff);
		set(s, GUEST_ES_AR_BYTES + 2 * seg, 0xf3);
	}
}

static void build_system_segments(struct sample *s)
{
	set(s, GUEST_TR_SELECTOR, below(0x10000) & ~4u);
	set_segment(s, TR, canonical(s), rnd(), VMX_AR_P_MASK | maybe(FREE) |
		    (is_ia32e(s) || one_in(2) ? 11 : 3));
	set(s, GUEST_LDTR_SELECTOR, below(0x10000) & ~4u);
	if (one_in(2))
		set_segment(s, LDTR, rnd(), rnd(), rnd() | VMX_AR_UNUSABLE_MASK);
	else
		set_segment(s, LDTR, canonical(s), rnd(), VMX_AR_P_MASK | VMX_AR_TYPE_LDT |
			    maybe(FREE));
}

static void build_segments(struct sample *s)
{
	u32 cpl = s->from == FROM_REAL ? 0 : below(4);
	int seg;

	build_system_segments(s);
	if (s->from == FROM_V8086) {
		build_v8086_segments(s);
		return;
	}
	build_code(s, cpl);
	if ((get(s, GUEST_CS_AR_BYTES) & VMX_AR_TYPE_MASK) == 3)
		cpl = 0;
	build_stack(s, cpl);
	build_data(s, ES);
	for (seg = DS; seg <= GS; seg++)
		build_data(s, seg);
}

/* ---- the guest's registers ---- */

static void build_guest_cr(struct sample *s)
{
	bool paging = is_ia32e(s) || s->from == FROM_PAE || !unrestricted(s);
	u64 cr0 = s->from == FROM_REAL ? 0 : X86_CR0_PE;
	u64 cr4 = is_ia32e(s) ? X86_CR4_PAE | (rnd() & X86_CR4_PCIDE) : 0;

	if (paging || (cr0 && one_in(2)))
		cr0 |= X86_CR0_PG;
	if (s->from == FROM_PAE || (!is_ia32e(s) && one_in(3)))
		cr4 |= X86_CR4_PAE;
	build_cr(s, GUEST_CR0, GUEST_CR4, cr0, cr4);
}

static void build_guest_msrs(struct sample *s)
{
	u64 efer = rnd() & (EFER_SCE | EFER_NX);

	if (is_ia32e(s))
		efer |= EFER_LMA | EFER_LME;
	else if (!has(s, GUEST_CR0, X86_CR0_PG))
		efer |= rnd() & EFER_LME;
	set(s, GUEST_IA32_EFER, efer);
	set(s, GUEST_IA32_PAT, pat());
	set(s, GUEST_IA32_DEBUGCTL, rnd() & s->cpu.debugctl);
	set(s, GUEST_IA32_PERF_GLOBAL_CTRL, rnd() & s->cpu.perf_global_ctrl);
	set(s, GUEST_IA32_RTIT_CTL, rnd() & s->cpu.rtit_ctl);
	set(s, FIELD_GUEST_LBR_CTL, rnd() & s->cpu.lbr_ctl);
	set(s, FIELD_GUEST_PKRS, (u32)rnd());
	set(s, FIELD_GUEST_UINV, below(256));
	set(s, GUEST_BNDCFGS, (canonical(s) & ~0xfffull) | (rnd() & 3));
	set(s, GUEST_SYSENTER_ESP, canonical(s));
	set(s, GUEST_SYSENTER_EIP, canonical(s));
	set(s, FIELD_GUEST_SSP_TABLE, canonical(s));
	set(s, FIELD_GUEST_S_CET, s_cet(s, true));
	set(s, FIELD_GUEST_SSP, canonical(s) & ~3ull);
}

/* Without PAE paging, anything. */
static u64 pdpte(const struct sample *s)
{
	if (is_ia32e(s) || !has(s, GUEST_CR0, X86_CR0_PG) || !has(s, GUEST_CR4, X86_CR4_PAE))
		return rnd();
	return one_in(3) ? rnd() & ~1ull : page(s) | 1 | (rnd() & 0xe18);
}

#define RFLAGS_ANY	0x3d7ed5u	/* but VM */

static void build_guest_registers(struct sample *s)
{
	unsigned int i;

	set(s, GUEST_CR3, AT_PDPTES | (rnd() & 0x18) | (rnd() & s->cpu.cr3_high));
	set(s, GUEST_DR7, (u32)rnd());
	set(s, GUEST_GDTR_BASE, canonical(s));
	set(s, GUEST_IDTR_BASE, canonical(s));
	set(s, GUEST_GDTR_LIMIT, below(0x10000));
	set(s, GUEST_IDTR_LIMIT, below(0x10000));
	set(s, GUEST_RIP, s->from == FROM_64 ? canonical(s) : (u32)rnd());
	if (s->from == FROM_64 && one_in(16))
		set(s, GUEST_RIP, 1ull << (s->cpu.linear_bits - 1));
	set(s, GUEST_RSP, rnd());
	set(s, GUEST_RFLAGS, (rnd() & RFLAGS_ANY) | X86_EFLAGS_FIXED |
	    (s->from == FROM_V8086 ? X86_EFLAGS_VM : 0));
	for (i = 0; i < 4; i++) {
		s->pdpte[i] = pdpte(s);
		set(s, GUEST_PDPTR0 + 2 * i, pdpte(s));
	}
}

/* ---- events and what they meet ---- */

static u32 build_exception(struct sample *s)
{
	bool protected = !unrestricted(s) || has(s, GUEST_CR0, X86_CR0_PE);
	u32 vector = below(32);
	bool code = protected && 0x27d00u >> vector & 1;

	if (s->cpu.basic & BASIC_ERROR_CODES && protected)
		code = one_in(2);
	set(s, VM_ENTRY_EXCEPTION_ERROR_CODE, code ? below(0x10000) : rnd() & 0xffffffff);
	return INTR_TYPE_HARD_EXCEPTION | vector | (code ? INTR_INFO_DELIVER_CODE_MASK : 0);
}

static void build_event(struct sample *s)
{
	u64 allowed = s->cpu.allowed[ENTRY_PROC] >> 32;
	u32 info = INTR_TYPE_EXT_INTR | below(256);

	switch (below(7)) {
	case 0:
		set_bits(s, GUEST_RFLAGS, X86_EFLAGS_IF, true);
		break;
	case 1:
		info = INTR_TYPE_NMI_INTR | 2;
		break;
	case 2:
		info = build_exception(s);
		break;
	case 3:
		info = INTR_TYPE_SOFT_INTR | below(256);
		break;
	case 4:
		info = INTR_TYPE_PRIV_SW_EXCEPTION | 1;
		break;
	case 5:
		info = INTR_TYPE_SOFT_EXCEPTION | (3 + below(2));
		break;
	default:
		info = INTR_TYPE_OTHER_EVENT;
		if (!(allowed & CPU_BASED_MONITOR_TRAP_FLAG))
			return;
	}
	set(s, VM_ENTRY_INTR_INFO_FIELD, info | INTR_INFO_VALID_MASK);
}

static bool injects(const struct sample *s, u32 type)
{
	u64 info = get(s, VM_ENTRY_INTR_INFO_FIELD);

	return info & INTR_INFO_VALID_MASK && (info & INTR_INFO_INTR_TYPE_MASK) == type;
}

static void build_blocking(struct sample *s)
{
	bool nmi = injects(s, INTR_TYPE_NMI_INTR);
	bool interrupt = injects(s, INTR_TYPE_EXT_INTR);
	u32 blocking = 0;

	if (!interrupt && !nmi && one_in(4))
		blocking = GUEST_INTR_STATE_MOV_SS;
	else if (!interrupt && !(nmi && s->cpu.sti_blocks_nmi) && one_in(4) &&
		 has(s, GUEST_RFLAGS, X86_EFLAGS_IF))
		blocking = GUEST_INTR_STATE_STI;
	if (one_in(4) && !(nmi && has(s, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VIRTUAL_NMIS)))
		blocking |= GUEST_INTR_STATE_NMI;
	if (s->cpu.sgx && !(blocking & GUEST_INTR_STATE_MOV_SS) && one_in(4))
		blocking |= GUEST_INTR_STATE_ENCLAVE_INTR;
	set(s, GUEST_INTERRUPTIBILITY_INFO, blocking);
}

static void build_activity(struct sample *s)
{
	u64 info = get(s, VM_ENTRY_INTR_INFO_FIELD);
	u32 vector = info & 0xff, state = below(4);
	bool machine_check = injects(s, INTR_TYPE_HARD_EXCEPTION) && vector == 18;
	bool nmi = injects(s, INTR_TYPE_NMI_INTR);
	bool fits = !(info & INTR_INFO_VALID_MASK);

	if (state == GUEST_ACTIVITY_HLT)
		fits = (fits || nmi || machine_check || injects(s, INTR_TYPE_EXT_INTR) ||
			injects(s, INTR_TYPE_OTHER_EVENT) ||
			(injects(s, INTR_TYPE_HARD_EXCEPTION) && vector == 1)) &&
		       !VMX_AR_DPL(get(s, GUEST_SS_AR_BYTES));
	if (state == GUEST_ACTIVITY_SHUTDOWN)
		fits = fits || nmi || machine_check;
	if (state && (get(s, GUEST_INTERRUPTIBILITY_INFO) & 3 || !(s->cpu.misc >> (5 + state) & 1)))
		fits = false;
	set(s, GUEST_ACTIVITY_STATE, fits ? state : GUEST_ACTIVITY_ACTIVE);
}

static void build_pending(struct sample *s)
{
	bool steps = has(s, GUEST_RFLAGS, X86_EFLAGS_TF) &&
		     !(get(s, GUEST_IA32_DEBUGCTL) & DEBUGCTLMSR_BTF);
	bool held = get(s, GUEST_INTERRUPTIBILITY_INFO) & 3 ||
		    get(s, GUEST_ACTIVITY_STATE) == GUEST_ACTIVITY_HLT;
	u64 pending = rnd() & (0x100f | (s->cpu.pending_debug & BIT(11)));

	if (held ? steps : one_in(4))
		pending |= BIT(14);
	else if (s->cpu.pending_debug & BIT(16) && one_in(4) &&
		 !has(s, GUEST_INTERRUPTIBILITY_INFO, GUEST_INTR_STATE_MOV_SS))
		pending = BIT(12) | BIT(16);
	set(s, GUEST_PENDING_DBG_EXCEPTIONS, pending);
}

static void build_link(struct sample *s)
{
	s->linked = s->cpu.basic & GENMASK(30, 0);
	if (has(s, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_SHADOW_VMCS))
		s->linked |= BIT(31);
	set(s, VMCS_LINK_POINTER, one_in(2) ? ~0ull : AT_LINKED);
}

static void build_state(struct sample *s)
{
	build_control_fields(s);
	build_host(s);
	build_guest_cr(s);
	build_segments(s);
	build_guest_registers(s);
	build_guest_msrs(s);
	set(s, VM_ENTRY_INTR_INFO_FIELD, rnd() & 0x7fffffff);
	set(s, VM_ENTRY_EXCEPTION_ERROR_CODE, rnd() & 0xffffffff);
	set(s, VM_ENTRY_INSTRUCTION_LEN, 1 + below(15));
	if (s->cpu.misc & MISC_ZERO_LENGTH && one_in(4))
		set(s, VM_ENTRY_INSTRUCTION_LEN, 0);
	build_link(s);
}

void build_any(struct sample *s, enum entry_from from)
{
	s->from = from;
	build_any_controls(s);
	build_state(s);
	if (one_in(2))
		build_event(s);
	build_blocking(s);
	build_activity(s);
	build_pending(s);
}

/* ---- a state without chance, from which one thing at a time is broken ---- */

static void plain_segments(struct sample *s)
{
	u32 code = s->from == FROM_64 ? 0xa09b : s->from == FROM_REAL ? 0x9b : 0xc09b;
	u32 data = s->from == FROM_REAL ? 0x93 : 0xc093;
	u32 limit = s->from == FROM_REAL ? 0xffff : 0xffffffff;
	int seg;

	for (seg = ES; seg <= TR; seg++) {
		u32 ar = seg == CS ? code : seg == LDTR ? 0x82 : seg == TR ? 0x8b : data;

		set(s, GUEST_ES_SELECTOR + 2 * seg, 8 * (seg + 1));
		set(s, GUEST_ES_BASE + 2 * seg, 0);
		set(s, GUEST_ES_LIMIT + 2 * seg, seg >= LDTR ? 0xffff : limit);
		set(s, GUEST_ES_AR_BYTES + 2 * seg, ar);
	}
	if (s->from == FROM_V8086)
		build_v8086_segments(s);
}

void build_plain(struct sample *s, enum entry_from from)
{
	bool ia32e;
	u64 efer;
	int i;

	s->from = from;
	ia32e = is_ia32e(s);
	efer = ia32e ? EFER_LMA | EFER_LME : 0;
	build_plain_controls(s);
	build_state(s);
	plain_segments(s);
	s->vtpr = 0x50;
	set(s, TPR_THRESHOLD, 5);
	set(s, VM_FUNCTION_CONTROL, 0);
	set(s, EPT_POINTER, 0x100000 | VMX_EPTP_PWL_4 | 6);
	set(s, VM_ENTRY_MSR_LOAD_COUNT, 0);
	set(s, VM_EXIT_MSR_LOAD_COUNT, 0);
	set(s, VM_EXIT_MSR_STORE_COUNT, 0);
	set(s, LAST_PID_POINTER_INDEX, 255);
	set(s, HOST_CR0, 0x80050033);
	set(s, HOST_CR4, X86_CR4_VMXE | (s->cpu.long_mode ? X86_CR4_PAE : 0));
	set(s, GUEST_CR0, from == FROM_REAL ? 0x10030 : 0x80010033);
	set(s, GUEST_CR4, X86_CR4_VMXE | (ia32e || from == FROM_PAE ? X86_CR4_PAE : 0));
	set(s, GUEST_CR3, AT_PDPTES);
	set(s, GUEST_IA32_EFER, efer);
	set(s, GUEST_IA32_DEBUGCTL, 0);
	set(s, GUEST_RIP, 0x1000);
	set(s, GUEST_RFLAGS, X86_EFLAGS_FIXED | (from == FROM_V8086 ? X86_EFLAGS_VM : 0));
	set(s, GUEST_PENDING_DBG_EXCEPTIONS, 0);
	set(s, GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	set(s, GUEST_INTERRUPTIBILITY_INFO, 0);
	set(s, VM_ENTRY_INTR_INFO_FIELD, 0);
	set(s, VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
	set(s, VM_ENTRY_INSTRUCTION_LEN, 0);
	set(s, VMCS_LINK_POINTER, ~0ull);
	for (i = 0; i < 4; i++)
		set(s, GUEST_PDPTR0 + 2 * i, 0);
}
