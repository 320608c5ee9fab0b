// SPDX-License-Identifier: GPL-2.0
/* Exits and events in words: a function for each kind of qualification, found by a table. */
#include <stdarg.h>
#include <stdio.h>

#include "decode.h"
#include "exit_reasons.h"

void words_add(struct words *w, const char *fmt, ...)
{
	size_t left = sizeof(w->text) - w->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->text + w->len, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->len += (size_t)n < left ? (size_t)n : left - 1;
}

static unsigned int bits(u64 value, unsigned int high, unsigned int low)
{
	return value >> low & (BIT_ULL(high - low + 1) - 1);
}

/* ---- events: tables 24-14, 24-16 and 24-17 ------------------------------------- */

static const char * const event_kinds[8] = {
	"external interrupt", "reserved type", "NMI", "exception", "INT", "INT1",
	"exception of INT3 or INTO", "other event",
};

static const char * const exceptions[32] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL, "#TS", "#NP", "#SS",
	"#GP", "#PF", NULL, "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

#define EVENT_VALID		BIT_ULL(31)
#define EVENT_HAS_CODE		BIT_ULL(11)
#define EVENT_UNBLOCKS		BIT_ULL(12)

enum { EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_INT1 = 5, EVENT_INT3 = 6 };

static bool is_exception(unsigned int kind)
{
	return kind == EVENT_EXCEPTION || kind == EVENT_INT1 || kind == EVENT_INT3;
}

void decode_event(struct words *w, u32 info)
{
	unsigned int vector = bits(info, 7, 0), kind = bits(info, 10, 8);

	if (!(info & EVENT_VALID)) {
		words_add(w, "none");
		return;
	}
	words_add(w, "%s", event_kinds[kind]);
	if (is_exception(kind) && vector < 32 && exceptions[vector])
		words_add(w, " %s", exceptions[vector]);
	else if (kind != EVENT_NMI || vector != 2)
		words_add(w, " %#x", vector);
	if (info & EVENT_HAS_CODE)
		words_add(w, ", with an error code");
	if (info & EVENT_UNBLOCKS)
		words_add(w, ", NMIs unblocked by IRET");
}

/* ---- qualifications ------------------------------------------------------------ */

static const char * const registers[16] = {
	"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
	"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
};

struct flag {
	unsigned int bit;
	const char *name;
};

/* Names of the bits that are set, with commas; @flags ends with one without a name. */
static void add_flags(struct words *w, u64 value, const struct flag *flags)
{
	for (; flags->name; flags++)
		if (value & BIT_ULL(flags->bit))
			words_add(w, "%s%s", w->len ? ", " : "", flags->name);
}

static void debug_bits(struct words *w, u64 q)
{
	static const struct flag flags[] = {
		{ 0, "B0" }, { 1, "B1" }, { 2, "B2" }, { 3, "B3" },
		{ 11, "bus lock" }, { 13, "BD: access of a debug register" },
		{ 14, "BS: single step" }, { 16, "RTM" }, { 0 }
	};

	add_flags(w, q, flags);
}

static void exception(struct words *w, u64 q, u32 event)
{
	unsigned int vector = bits(event, 7, 0);

	if (!(event & EVENT_VALID) || !is_exception(bits(event, 10, 8))) {
		if (q)
			words_add(w, "%#llx", q);
	} else if (vector == 1) {
		debug_bits(w, q);
	} else if (vector == 14) {
		words_add(w, "linear address %#llx", q);
	}
}

static void vector(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "vector %#x", bits(q, 7, 0));
}

/* Table 27-2. */
static void task_switch(struct words *w, u64 q, u32 event)
{
	static const char * const sources[4] = { "CALL", "IRET", "JMP", "a task gate" };

	(void)event;
	words_add(w, "to TSS 0x%04x by %s", bits(q, 15, 0), sources[bits(q, 31, 30)]);
}

static void linear_address(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "linear address %#llx", q);
}

/* Table 27-3. */
static void cr_access(struct words *w, u64 q, u32 event)
{
	const char *reg = registers[bits(q, 11, 8)];
	unsigned int cr = bits(q, 3, 0);

	(void)event;
	switch (bits(q, 5, 4)) {
	case 0:
		words_add(w, "MOV to CR%u from %s", cr, reg);
		break;
	case 1:
		words_add(w, "MOV from CR%u to %s", cr, reg);
		break;
	case 2:
		words_add(w, "CLTS");
		break;
	default:
		words_add(w, "LMSW of 0x%04x from %s", bits(q, 31, 16),
			  q & BIT_ULL(6) ? "memory" : "a register");
	}
}

/* Table 27-4. */
static void dr_access(struct words *w, u64 q, u32 event)
{
	const char *reg = registers[bits(q, 11, 8)];

	(void)event;
	if (q & BIT_ULL(4))
		words_add(w, "MOV from DR%u to %s", bits(q, 2, 0), reg);
	else
		words_add(w, "MOV to DR%u from %s", bits(q, 2, 0), reg);
}

/* Table 27-5. */
static void io(struct words *w, u64 q, u32 event)
{
	unsigned int size = bits(q, 2, 0) + 1;
	bool in = q & BIT_ULL(3), string = q & BIT_ULL(4);

	(void)event;
	if (q & BIT_ULL(5))
		words_add(w, "REP ");
	words_add(w, "%s of %u byte%s, port %#x %s",
		  string ? in ? "INS" : "OUTS" : in ? "IN" : "OUT", size, size == 1 ? "" : "s",
		  bits(q, 31, 16), q & BIT_ULL(6) ? "(immediate)" : "(DX)");
}

/* SDM volume 3C, 26.8. */
static void invalid_state(struct words *w, u64 q, u32 event)
{
	static const char * const why[] = {
		[2] = "a PDPTE is bad",
		[3] = "an NMI was to go in with events blocked by STI",
		[4] = "the VMCS link pointer is bad",
	};

	(void)event;
	if (q < ARRAY_SIZE(why) && why[q])
		words_add(w, "%s", why[q]);
	else if (q)
		words_add(w, "%#llx", q);
}

static void msr_loading(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "entry %llu of the load area", q);
}

static void mwait(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "address monitoring is %sarmed", q & 1 ? "" : "not ");
}

/* Table 27-6. */
static void apic_access(struct words *w, u64 q, u32 event)
{
	static const char * const kinds[16] = {
		[0] = "read", [1] = "write", [2] = "instruction fetch",
		[3] = "delivery of an event", [4] = "monitoring",
		[10] = "delivery of an event, by guest-physical address",
		[15] = "execution, by guest-physical address",
	};
	const char *kind = kinds[bits(q, 15, 12)];

	(void)event;
	words_add(w, "%s at offset %#x%s", kind ? kind : "unknown access", bits(q, 11, 0),
		  q & BIT_ULL(16) ? ", asynchronous" : "");
}

static void displacement(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "displacement %#llx", q);
}

/* Table 27-7. */
static void ept_violation(struct words *w, u64 q, u32 event)
{
	static const struct flag access[] = {
		{ 0, "read" }, { 1, "write" }, { 2, "fetch" }, { 0 }
	};
	static const struct flag more[] = {
		{ 12, "NMIs unblocked by IRET" }, { 13, "shadow stack" },
		{ 15, "guest-paging verification" }, { 16, "asynchronous" }, { 0 }
	};

	(void)event;
	add_flags(w, q, access);
	words_add(w, "%sthe page is %c%c%c", w->len ? ", " : "", q & BIT_ULL(3) ? 'r' : '-',
		  q & BIT_ULL(4) ? 'w' : '-', q & BIT_ULL(5) ? 'x' : '-');
	if (!(q & BIT_ULL(7)))
		words_add(w, ", no linear address");
	else if (q & BIT_ULL(8))
		words_add(w, ", of a linear address");
	else
		words_add(w, ", of an entry of the guest's page tables");
	add_flags(w, q, more);
}

static void apic_write(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "offset %#x", bits(q, 11, 0));
}

static void nmi_unblocking(struct words *w, u64 q, u32 event)
{
	(void)event;
	if (q & BIT_ULL(12))
		words_add(w, "NMIs unblocked by IRET");
}

static void notify(struct words *w, u64 q, u32 event)
{
	(void)event;
	words_add(w, "the guest's state is %s", q & 1 ? "lost" : "good");
	if (q & BIT_ULL(12))
		words_add(w, ", NMIs unblocked by IRET");
}

/* Those that are not here have no qualification. */
static const struct {
	u16 reason;
	void (*decode)(struct words *w, u64 q, u32 event);
} qualifications[] = {
	{ REASON_EXCEPTION_NMI, exception },
	{ REASON_SIPI, vector },
	{ REASON_TASK_SWITCH, task_switch },
	{ REASON_INVLPG, linear_address },
	{ 19, displacement }, { 21, displacement }, { 22, displacement }, { 23, displacement },
	{ 25, displacement }, { 27, displacement },
	{ REASON_CR_ACCESS, cr_access },
	{ REASON_DR_ACCESS, dr_access },
	{ REASON_IO, io },
	{ REASON_INVALID_STATE, invalid_state },
	{ REASON_MSR_LOADING, msr_loading },
	{ REASON_MWAIT, mwait },
	{ REASON_APIC_ACCESS, apic_access },
	{ REASON_VIRTUAL_EOI, vector },
	{ REASON_GDTR_IDTR, displacement },
	{ REASON_LDTR_TR, displacement },
	{ REASON_EPT_VIOLATION, ept_violation },
	{ 50, displacement }, { 53, displacement },
	{ REASON_APIC_WRITE, apic_write },
	{ 58, displacement },
	{ REASON_PML_FULL, nmi_unblocking },
	{ 63, displacement }, { 64, displacement },
	{ REASON_NOTIFY, notify },
};

void decode_qualification(struct words *w, u32 reason, u64 qualification, u32 event)
{
	struct words own = { .len = 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(qualifications); i++)
		if (qualifications[i].reason == (reason & REASON_BASIC))
			qualifications[i].decode(&own, qualification, event);
	words_add(w, "%s", own.text);
}

void decode_reason(struct words *w, u32 reason)
{
	static const struct flag flags[] = {
		{ 25, "the shadow stack was busy" }, { 26, "a bus lock was asserted" },
		{ 27, "in enclave mode" }, { 28, "pending MTF" }, { 29, "from VMX root operation" },
		{ 31, "the entry failed" }, { 0 }
	};
	const char *name = exit_reason_name(reason);
	struct words own = { .len = 0 };

	if (name)
		words_add(&own, "%s", name);
	else
		words_add(&own, "unknown reason %u", reason & REASON_BASIC);
	add_flags(&own, reason, flags);
	words_add(w, "%s", own.text);
}
