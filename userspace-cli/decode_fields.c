// SPDX-License-Identifier: GPL-2.0
/* Values of VMCS fields in words: a table of fields, with the bits or the function of each. */
#include "decode.h"
#include "exit_reasons.h"
#include "vmcs.h"
#include "vmx_caps.h"

static void add_bits(struct words *w, u64 value, const struct vmx_bit *bits)
{
	size_t before = w->len;

	for (; bits->name; bits++)
		if (value & BIT_ULL(bits->nr))
			words_add(w, "%s%s", w->len > before ? ", " : "", bits->name);
	if (w->len == before)
		words_add(w, "none");
}

/* ---- access rights: SDM volume 3C, table 24-2 ---------------------------------- */

static void code_or_data(struct words *w, u32 type)
{
	if (type & 8)
		words_add(w, "code%s%s", type & 2 ? ", readable" : "",
			  type & 4 ? ", conforming" : "");
	else
		words_add(w, "data%s%s", type & 2 ? ", writable" : "",
			  type & 4 ? ", grows down" : "");
	if (type & 1)
		words_add(w, ", accessed");
}

static const char * const system_types[16] = {
	[1] = "TSS of 16 bits, available", [2] = "LDT", [3] = "TSS of 16 bits, busy",
	[4] = "call gate of 16 bits", [5] = "task gate", [6] = "interrupt gate of 16 bits",
	[7] = "trap gate of 16 bits", [9] = "TSS, available", [11] = "TSS, busy",
	[12] = "call gate", [14] = "interrupt gate", [15] = "trap gate",
};

void decode_rights(struct words *w, u32 rights)
{
	const char *system = system_types[rights & 15];

	if (rights & BIT_ULL(16)) {
		words_add(w, "unusable");
		return;
	}
	if (rights & BIT_ULL(4))
		code_or_data(w, rights & 15);
	else if (system)
		words_add(w, "%s", system);
	else
		words_add(w, "reserved type %u", rights & 15);
	words_add(w, ", DPL %u%s", rights >> 5 & 3, rights & BIT_ULL(7) ? "" : ", not present");
	if (rights & BIT_ULL(13))
		words_add(w, ", 64-bit");
	else if (rights & BIT_ULL(4))
		words_add(w, rights & BIT_ULL(14) ? ", 32-bit" : ", 16-bit");
	if (rights & BIT_ULL(15))
		words_add(w, ", limit in pages");
}

/* ---- words of bits --------------------------------------------------------------- */

static const struct vmx_bit cr0_bits[] = {
	{ 0, "PE" }, { 1, "MP" }, { 2, "EM" }, { 3, "TS" }, { 4, "ET" }, { 5, "NE" },
	{ 16, "WP" }, { 18, "AM" }, { 29, "NW" }, { 30, "CD" }, { 31, "PG" }, { 0 }
};

static const struct vmx_bit cr4_bits[] = {
	{ 0, "VME" }, { 1, "PVI" }, { 2, "TSD" }, { 3, "DE" }, { 4, "PSE" }, { 5, "PAE" },
	{ 6, "MCE" }, { 7, "PGE" }, { 8, "PCE" }, { 9, "OSFXSR" }, { 10, "OSXMMEXCPT" },
	{ 11, "UMIP" }, { 12, "LA57" }, { 13, "VMXE" }, { 14, "SMXE" }, { 16, "FSGSBASE" },
	{ 17, "PCIDE" }, { 18, "OSXSAVE" }, { 19, "KL" }, { 20, "SMEP" }, { 21, "SMAP" },
	{ 22, "PKE" }, { 23, "CET" }, { 24, "PKS" }, { 25, "UINTR" }, { 28, "LAM_SUP" }, { 0 }
};

static const struct vmx_bit efer_bits[] = {
	{ 0, "SCE" }, { 8, "LME" }, { 10, "LMA" }, { 11, "NXE" }, { 0 }
};

static const struct vmx_bit rflags_bits[] = {
	{ 0, "CF" }, { 2, "PF" }, { 4, "AF" }, { 6, "ZF" }, { 7, "SF" }, { 8, "TF" },
	{ 9, "IF" }, { 10, "DF" }, { 11, "OF" }, { 14, "NT" }, { 16, "RF" }, { 17, "VM" },
	{ 18, "AC" }, { 19, "VIF" }, { 20, "VIP" }, { 21, "ID" }, { 0 }
};

static const struct vmx_bit exception_bits[] = {
	{ 0, "#DE" }, { 1, "#DB" }, { 2, "NMI" }, { 3, "#BP" }, { 4, "#OF" }, { 5, "#BR" },
	{ 6, "#UD" }, { 7, "#NM" }, { 8, "#DF" }, { 10, "#TS" }, { 11, "#NP" }, { 12, "#SS" },
	{ 13, "#GP" }, { 14, "#PF" }, { 16, "#MF" }, { 17, "#AC" }, { 18, "#MC" }, { 19, "#XM" },
	{ 20, "#VE" }, { 21, "#CP" }, { 0 }
};

static const struct vmx_bit interruptibility_bits[] = {
	{ 0, "blocked by STI" }, { 1, "blocked by MOV SS" }, { 2, "SMIs blocked" },
	{ 3, "NMIs blocked" }, { 4, "enclave interruption" }, { 0 }
};

static const struct vmx_bit pending_debug_bits[] = {
	{ 0, "B0" }, { 1, "B1" }, { 2, "B2" }, { 3, "B3" }, { 11, "bus lock" },
	{ 12, "enabled breakpoint" }, { 14, "BS" }, { 16, "RTM" }, { 0 }
};

static const struct vmx_bit debugctl_bits[] = {
	{ 0, "LBR" }, { 1, "BTF" }, { 2, "bus lock" }, { 6, "TR" }, { 7, "BTS" }, { 8, "BTINT" },
	{ 11, "freeze LBRs on PMI" }, { 12, "freeze counters on PMI" }, { 0 }
};

/* ---- numbers ----------------------------------------------------------------------- */

static void activity(struct words *w, u64 value)
{
	static const char * const states[] = { "active", "HLT", "shutdown", "wait for SIPI" };

	words_add(w, "%s", value < ARRAY_SIZE(states) ? states[value] : "unknown");
}

static void reason(struct words *w, u64 value)
{
	decode_reason(w, value);
}

static void event(struct words *w, u64 value)
{
	decode_event(w, value);
}

static void rights(struct words *w, u64 value)
{
	decode_rights(w, value);
}

static void instruction_error(struct words *w, u64 value)
{
	const char *text = vm_instruction_error(value);

	words_add(w, "%s", !value ? "none" : text ? text : "unknown");
}

/* SDM volume 3C, table 24-9. */
static void eptp(struct words *w, u64 value)
{
	static const char * const types[8] = { [0] = "uncacheable", [6] = "write-back" };
	const char *type = types[value & 7];

	words_add(w, "root at %#llx, %llu levels, %s%s", value & 0x000ffffffffff000ull,
		  (value >> 3 & 7) + 1, type ? type : "reserved memory type",
		  value & BIT_ULL(6) ? ", accessed and dirty flags" : "");
}

static void pat(struct words *w, u64 value)
{
	static const char * const types[8] = { "UC", "WC", "?", "?", "WT", "WP", "WB", "UC-" };
	unsigned int i;

	for (i = 0; i < 8; i++)
		words_add(w, "%s%s", i ? " " : "", value >> 8 * i & 0xf8 ? "?" :
			  types[value >> 8 * i & 7]);
}

static void interrupt_status(struct words *w, u64 value)
{
	words_add(w, "requested %#llx, in service %#llx", value & 0xff, value >> 8 & 0xff);
}

static void link_pointer(struct words *w, u64 value)
{
	if (value == ~0ull)
		words_add(w, "none");
}

static const struct {
	u16 first, last;		/* encodings */
	u16 msr;			/* a word of vmx_words[], or 0 */
	const struct vmx_bit *bits;	/* or NULL */
	void (*decode)(struct words *w, u64 value);
} fields[] = {
	{ 0x0810, 0x0810, .decode = interrupt_status },
	{ VMCS_EPTP, VMCS_EPTP, .decode = eptp },
	{ 0x2018, 0x2018, .msr = MSR_VMX_VMFUNC },
	{ 0x2034, 0x2034, .msr = MSR_VMX_PROC3 },
	{ 0x2800, 0x2800, .decode = link_pointer },
	{ 0x2802, 0x2802, .bits = debugctl_bits },
	{ 0x2804, 0x2804, .decode = pat }, { 0x2c00, 0x2c00, .decode = pat },
	{ 0x2806, 0x2806, .bits = efer_bits }, { 0x2c02, 0x2c02, .bits = efer_bits },
	{ 0x4000, 0x4000, .msr = MSR_VMX_PIN },
	{ 0x4002, 0x4002, .msr = MSR_VMX_PROC },
	{ 0x4004, 0x4004, .bits = exception_bits },
	{ 0x400c, 0x400c, .msr = MSR_VMX_EXIT },
	{ 0x4012, 0x4012, .msr = MSR_VMX_ENTRY },
	{ 0x4016, 0x4016, .decode = event },
	{ 0x401e, 0x401e, .msr = MSR_VMX_PROC2 },
	{ 0x4400, 0x4400, .decode = instruction_error },
	{ VMCS_EXIT_REASON, VMCS_EXIT_REASON, .decode = reason },
	{ VMCS_EXIT_EVENT, VMCS_EXIT_EVENT, .decode = event },
	{ VMCS_IDT_EVENT, VMCS_IDT_EVENT, .decode = event },
	{ 0x4814, 0x4822, .decode = rights },
	{ 0x4824, 0x4824, .bits = interruptibility_bits },
	{ 0x4826, 0x4826, .decode = activity },
	{ 0x6000, 0x6000, .bits = cr0_bits }, { 0x6004, 0x6004, .bits = cr0_bits },
	{ 0x6002, 0x6002, .bits = cr4_bits }, { 0x6006, 0x6006, .bits = cr4_bits },
	{ 0x6800, 0x6800, .bits = cr0_bits }, { 0x6c00, 0x6c00, .bits = cr0_bits },
	{ 0x6804, 0x6804, .bits = cr4_bits }, { 0x6c04, 0x6c04, .bits = cr4_bits },
	{ 0x6820, 0x6820, .bits = rflags_bits },
	{ 0x6822, 0x6822, .bits = pending_debug_bits },
};

static const struct vmx_bit *word_of(u32 msr)
{
	unsigned int i;

	for (i = 0; i < vmx_nr_words; i++)
		if (vmx_words[i].msr == msr)
			return vmx_words[i].bits;
	return NULL;
}

void decode_field(struct words *w, u32 encoding, u64 value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (encoding < fields[i].first || encoding > fields[i].last)
			continue;
		if (fields[i].decode)
			fields[i].decode(w, value);
		else
			add_bits(w, value, fields[i].bits ? fields[i].bits :
				 word_of(fields[i].msr));
		return;
	}
}
