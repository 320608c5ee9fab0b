// SPDX-License-Identifier: GPL-2.0
/*
 * What lodge vmcs, explain and step are made of: numbers in words, walks through page tables
 * that say anything, instructions, a VMCS that is shown, and how it comes out of a machine,
 * also one that lies. The vCPUs are played.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "decode.h"
#include "disasm.h"
#include "entry_failure.h"
#include "err.h"
#include "exit_reasons.h"
#include "fake_kvm.h"
#include "run_options.h"
#include "step.h"
#include "units.h"
#include "vmcs.h"
#include "walk.h"

/* ---- numbers in words --------------------------------------------------------- */

#define CHECK_TEXT(got, want)	do {					\
	const char *g_ = (got), *w_ = (want);				\
									\
	if (strcmp(g_, w_)) {						\
		printf("# %s:%d: \"%s\", expected \"%s\"\n", __FILE__,	\
		       __LINE__, g_, w_);				\
		failures++;						\
	}								\
} while (0)

static void test_reasons(void)
{
	CHECK_TEXT(exit_reason_name(48), "EPT_VIOLATION");
	CHECK_TEXT(exit_reason_name(0x80000021), "INVALID_STATE");
	CHECK(!exit_reason_name(35) && !exit_reason_name(80) && !exit_reason_name(0xffff));
	CHECK_HAS(exit_reason_meaning(0x80000022), "load area");
	CHECK(!exit_reason_meaning(0x80000030));
	CHECK_EQ(exit_reason_find("ept_violation"), 48);
	CHECK_EQ(exit_reason_find("EPT-Violation"), 48);
	CHECK_EQ(exit_reason_find("io"), 30);
	CHECK_EQ(exit_reason_find("0x30"), 48);
	/* Not that of RDTSCP. */
	CHECK_EQ(exit_reason_find("rdtsc"), 16);
	CHECK_EQ(exit_reason_find("ept"), -1);
	CHECK_EQ(exit_reason_find(""), -1);
	CHECK_EQ(exit_reason_find("80"), -1);
	CHECK_EQ(exit_reason_find("-1"), -1);
	CHECK_EQ(exit_reason_find("io "), -1);
	CHECK_EQ(exit_reason_find("18446744073709551616"), -1);
	CHECK(exit_reason_is_instruction(30) && !exit_reason_is_instruction(48));
	CHECK(!exit_reason_is_instruction(0xffffffff));
	CHECK_HAS(vm_instruction_error(7), "control fields");
	CHECK(!vm_instruction_error(0) && !vm_instruction_error(14) && !vm_instruction_error(29));
	CHECK(!vm_instruction_error(~0ull));
}

static void test_qualifications(void)
{
	static const struct { u32 reason; u64 q; u32 event; const char *text; } t[] = {
		{ 30, 0x3f80000, 0, "OUT of 1 byte, port 0x3f8 (DX)" },
		{ 30, 0x00f40048, 0, "IN of 1 byte, port 0xf4 (immediate)" },
		{ 30, 0x01f0003b, 0, "REP INS of 4 bytes, port 0x1f0 (DX)" },
		{ 28, 0x300, 0, "MOV to CR0 from RBX" },
		{ 28, 0xf13, 0, "MOV from CR3 to R15" },
		{ 28, 0x20, 0, "CLTS" },
		{ 28, 0x00110030, 0, "LMSW of 0x0011 from a register" },
		{ 28, 0x00110070, 0, "LMSW of 0x0011 from memory" },
		{ 29, 0x117, 0, "MOV from DR7 to RCX" },
		{ 29, 0x000, 0, "MOV to DR0 from RAX" },
		{ 48, 0x181, 0, "read, the page is ---, of a linear address" },
		{ 48, 0x8a, 0, "write, the page is r--, of an entry of the guest's page tables" },
		{ 48, 0x103c, 0,
		  "fetch, the page is rwx, no linear address, NMIs unblocked by IRET" },
		{ 44, 0x1080, 0, "write at offset 0x80" },
		{ 44, 0x5000, 0, "unknown access at offset 0" },
		{ 9, 0x80000028, 0, "to TSS 0x0028 by JMP" },
		{ 9, 0x40000000, 0, "to TSS 0x0000 by IRET" },
		{ 14, 0xffffffff81000000, 0, "linear address 0xffffffff81000000" },
		{ 45, 0x131, 0, "vector 0x31" },
		{ 56, 0x300, 0, "offset 0x300" },
		{ 0x80000021, 2, 0, "a PDPTE is bad" },
		{ 0x80000021, 0, 0, "" },
		{ 0x80000022, 3, 0, "entry 3 of the load area" },
		{ 0, 0x4000, 0x80000301, "BS: single step" },
		{ 0, 0xdead000, 0x80000b0e, "linear address 0xdead000" },
		{ 0, 0, 0x80000202, "" },
		{ 10, 0x1234, 0, "" },
		{ 99, 0x1234, 0, "" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct words w = { .len = 0 };

		decode_qualification(&w, t[i].reason, t[i].q, t[i].event);
		CHECK_TEXT(w.text, t[i].text);
	}
}

static void test_fields(void)
{
	static const struct { u32 encoding; u64 value; const char *text; } t[] = {
		{ 0x4000, 0x3f, "external-interrupt exiting, NMI exiting, virtual NMIs" },
		{ 0x401e, 0x82, "EPT, unrestricted guest" },
		{ 0x4012, 0x200, "IA-32e mode guest" },
		{ 0x4004, 0, "none" },
		{ 0x4004, 0x60042, "#DB, #UD, #AC, #MC" },
		{ 0x4016, 0x80000b0d, "exception #GP, with an error code" },
		{ 0x4016, 0x00000b0d, "none" },
		{ 0x4404, 0x80000202, "NMI" },
		{ 0x4408, 0x80000031, "external interrupt 0x31" },
		{ 0x4402, 0x80000021, "INVALID_STATE, the entry failed" },
		{ 0x4402, 35, "unknown reason 35" },
		{ 0x4400, 7, "invalid control fields in the VMCS" },
		{ 0x4816, 0xa09b, "code, readable, accessed, DPL 0, 64-bit, limit in pages" },
		{ 0x4818, 0xc0f3, "data, writable, accessed, DPL 3, 32-bit, limit in pages" },
		{ 0x481a, 0x10000, "unusable" },
		{ 0x4822, 0x8b, "TSS, busy, DPL 0" },
		{ 0x4822, 0x03, "TSS of 16 bits, busy, DPL 0, not present" },
		{ 0x4822, 0x88, "reserved type 8, DPL 0" },
		{ 0x4824, 9, "blocked by STI, NMIs blocked" },
		{ 0x4826, 1, "HLT" },
		{ 0x4826, 4, "unknown" },
		{ 0x201a, 0x12345e,
		  "root at 0x123000, 4 levels, write-back, accessed and dirty flags" },
		{ 0x2800, ~0ull, "none" },
		{ 0x2804, 0x0007040600070406, "WB WT UC- UC WB WT UC- UC" },
		{ 0x6800, 0x80010033, "PE, MP, ET, NE, WP, PG" },
		{ 0x6820, 0x246, "PF, ZF, IF" },
		{ 0x0810, 0x3031, "requested 0x31, in service 0x30" },
		{ 0x681e, 0x1234, "" },
		{ 0xffffffff, 0x1234, "" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct words w = { .len = 0 };

		decode_field(&w, t[i].encoding, t[i].value);
		CHECK_TEXT(w.text, t[i].text);
	}
}

/* Whatever the numbers are, the words stay in their room. */
static void test_random_words(void)
{
	unsigned int i;

	for (i = 0; i < rounds(20000); i++) {
		struct words w = { .len = 0 };
		u64 value = random_below(4) ? next_random() : ~0ull;

		decode_qualification(&w, next_random(), value, next_random());
		decode_qualification(&w, random_below(82), value, next_random());
		decode_field(&w, random_below(0x7000), value);
		decode_event(&w, value);
		decode_reason(&w, value);
		CHECK(w.len < sizeof(w.text) && strlen(w.text) == w.len);
	}
}

/* ---- walks -------------------------------------------------------------------- */

static struct machine tables;
static struct cpu tables_cpu;

static void begin_tables(void)
{
	fake_machine(&tables, &tables_cpu);
	fake_memory(&tables, 64 * MIB);
}

static void put(u64 at, u64 entry, unsigned int size)
{
	CHECK(memory_write(&tables.memory, at, &entry, size));
}

static struct walk walk_of(const struct paging *p, u64 gva)
{
	struct walk w;

	walk_guest(p, &tables.memory, 40, gva, &w);
	return w;
}

static const struct paging long_mode = {
	.cr0 = 0x80000011, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0xd00,
};

static void test_walk_4_levels(void)
{
	struct paging p = long_mode;
	struct walk w;

	begin_tables();
	put(0x1000 + 8 * 511, 0x2003, 8);
	put(0x2000 + 8 * 510, 0x3003, 8);
	put(0x3000 + 8 * 8, 0x4003, 8);
	put(0x3000 + 8 * 9, 0x200083, 8);
	put(0x4000 + 8 * 3, 0x8000000000123067, 8);
	w = walk_of(&p, 0xffffffff81003abc);
	CHECK_EQ(w.end, WALK_PAGE);
	CHECK_EQ(w.steps, 4);
	CHECK_EQ(w.gpa, 0x123abc);
	CHECK_EQ(w.size, 4096);
	CHECK_EQ(w.step[3].at, 0x4018);
	CHECK_TEXT(w.step[0].table, "PML4");
	w = walk_of(&p, 0xffffffff81312345);
	CHECK_EQ(w.end, WALK_PAGE);
	CHECK_EQ(w.gpa, 0x312345);
	CHECK_EQ(w.size, 2 * MIB);
	w = walk_of(&p, 0xffffffff81004000);
	CHECK_EQ(w.end, WALK_NOT_PRESENT);
	CHECK_EQ(w.steps, 4);
	CHECK_EQ(walk_of(&p, 0).steps, 1);
	CHECK_EQ(walk_of(&p, 1ull << 47).end, WALK_NO_ADDRESS);
	/* One table more in front. */
	p.cr4 |= 1 << 12;
	put(0x1000, 0x5003, 8);
	put(0x5000, 0x2003, 8);
	put(0x2000, 0x40000083, 8);
	w = walk_of(&p, 0x123456);
	CHECK_EQ(w.end, WALK_PAGE);
	CHECK_EQ(w.steps, 3);
	CHECK_EQ(w.gpa, 0x40123456);
	CHECK_EQ(w.size, GIB);
	CHECK_EQ(walk_of(&p, 1ull << 47).end, WALK_NOT_PRESENT);
	CHECK_EQ(walk_of(&p, 1ull << 56).end, WALK_NO_ADDRESS);
	fake_free(&tables, &tables_cpu);
}

static void test_walk_other_modes(void)
{
	struct paging p = { .cr0 = 0x80000011, .cr3 = 0x1020, .cr4 = 0x20 };
	struct walk w;

	begin_tables();
	/* PAE: CR3 in steps of 32 bytes. */
	put(0x1020 + 8, 0x2001, 8);
	put(0x2000 + 8 * 2, 0x3003, 8);
	put(0x2000 + 8 * 3, 0x200083, 8);
	put(0x3000 + 8 * 4, 0x5003, 8);
	w = walk_of(&p, 0x40404321);
	CHECK_EQ(w.end, WALK_PAGE);
	CHECK_EQ(w.steps, 3);
	CHECK_EQ(w.gpa, 0x5321);
	CHECK_EQ(walk_of(&p, 0x40654321).gpa, 0x254321);
	CHECK_EQ(walk_of(&p, 1ull << 32).end, WALK_NO_ADDRESS);
	/* 32 bits, with PSE-36. */
	p = (struct paging){ .cr0 = 0x80000011, .cr3 = 0x6000, .cr4 = 0x10 };
	put(0x6000, 0x7003, 4);
	put(0x6004, 0x00c02083, 4);
	put(0x7000 + 4 * 5, 0x9003, 4);
	CHECK_EQ(walk_of(&p, 0x5678).gpa, 0x9678);
	w = walk_of(&p, 0x00654321);
	CHECK_EQ(w.gpa, 0x100e54321);
	CHECK_EQ(w.size, 4 * MIB);
	/* Without PSE bit 7 says nothing. */
	p.cr4 = 0;
	put(0xc02000 + 4 * 0x254, 0xa003, 4);
	CHECK_EQ(walk_of(&p, 0x00654321).gpa, 0xa321);
	p.cr0 = 0x11;
	w = walk_of(&p, 0x12345);
	CHECK_EQ(w.end, WALK_UNPAGED);
	CHECK(walk_arrives(&w));
	CHECK_EQ(w.gpa, 0x12345);
	fake_free(&tables, &tables_cpu);
}

/* Tables that no kernel makes. */
static void test_class39_hostile_tables(void)
{
	struct paging p = long_mode, pae = { .cr0 = 0x80000011, .cr3 = 0x8000, .cr4 = 0x20 };
	struct walk w;

	begin_tables();
	/* Its own next one, at every level. */
	put(0x1000, 0x1003, 8);
	w = walk_of(&p, 0);
	CHECK_EQ(w.end, WALK_PAGE);
	CHECK_EQ(w.steps, 4);
	CHECK_EQ(w.gpa, 0x1000);
	/* Where no memory is. */
	put(0x1008, 0x3fffffff003, 8);
	put(0x1010, 63 * MIB | 3, 8);
	put(0x1018, 0xf0000003, 8);
	CHECK_EQ(walk_of(&p, 1ull << 39).end, WALK_RESERVED);
	CHECK_EQ(walk_of(&p, 2ull << 39).end, WALK_NOT_PRESENT);
	w = walk_of(&p, 3ull << 39);
	CHECK_EQ(w.end, WALK_NO_MEMORY);
	CHECK_EQ(w.steps, 2);
	p.cr3 = 0xf0000000;
	CHECK_EQ(walk_of(&p, 0).end, WALK_NO_MEMORY);
	/* Bits that must be 0: of 40 bits of address, bit 7 of a PML4, low bits of a page. */
	p = long_mode;
	put(0x1020, 1ull << 40 | 0x2003, 8);
	put(0x1028, 0x2083, 8);
	put(0x1030, 0x2003, 8);
	put(0x2000, 0x3003, 8);
	put(0x2008, 0x40002083, 8);
	put(0x3000, 0x8000000000200083, 8);
	put(0x3008, 0x202083, 8);
	w = walk_of(&p, 4ull << 39);
	CHECK_EQ(w.end, WALK_RESERVED);
	CHECK_EQ(w.reserved, 1ull << 40);
	CHECK_EQ(walk_of(&p, 5ull << 39).reserved, 0x80);
	CHECK_EQ(walk_of(&p, (6ull << 39) + GIB).reserved, 0x2000);
	CHECK_EQ(walk_of(&p, (6ull << 39) + 2 * MIB).reserved, 0x2000);
	CHECK_EQ(walk_of(&p, 6ull << 39).end, WALK_PAGE);
	/* Without NXE that bit is reserved, too. */
	p.efer &= ~0x800ull;
	CHECK_EQ(walk_of(&p, 6ull << 39).reserved, 1ull << 63);
	/* PAE: nothing but present and caching in the first table. */
	put(0x8000, 0x2003, 8);
	CHECK_EQ(walk_of(&pae, 0).reserved, 2);
	put(0x8000, 0x2001 | 1ull << 52, 8);
	CHECK_EQ(walk_of(&pae, 0).reserved, 1ull << 52);
	fake_free(&tables, &tables_cpu);
}

/* Where both arrive they arrive at the same address; the shorter one sees no reserved bits. */
static void test_walks_agree(void)
{
	static const u64 cr4[] = { 0, 0x10, 0x20, 0x20, 0x1020 };
	unsigned int i, n, arrived = 0;
	char text[4096];

	begin_tables();
	for (i = 0; i < rounds(3000); i++) {
		unsigned int mode = random_below(ARRAY_SIZE(cr4));
		struct paging p = { .cr0 = 0x80000001, .cr4 = cr4[mode], .cr3 = 0x1000,
				    .efer = mode < 3 ? 0 : 0xd00 };
		u64 gva = next_random() & (mode < 3 ? 0xffffffff : 0x7fffffffffff), gpa = 0;
		struct walk w;
		bool there;
		FILE *f;

		/* Words in the first pages, so that tables point to tables. */
		for (n = 0; n < 64; n++)
			put(0x1000 + 8 * random_below(2048),
			    (next_random() & 0x81) | (1 + random_below(4)) << 12 | random_below(4),
			    8);
		w = walk_of(&p, gva);
		there = paging_walk(&p, &tables.memory, gva, &gpa);
		CHECK(!walk_arrives(&w) || (there && gpa == w.gpa));
		CHECK(walk_arrives(&w) || !there || w.end == WALK_RESERVED);
		CHECK(w.steps <= WALK_LEVELS);
		arrived += walk_arrives(&w);
		f = fmemopen(text, sizeof(text), "w");
		walk_print(f, &w);
		CHECK(!fclose(f));
		CHECK_HAS(text, "walk");
	}
	CHECK(arrived > 0);
	fake_free(&tables, &tables_cpu);
}

static void test_ept(void)
{
	struct lodge_ept_walk w = {
		.gpa = 0x40201000, .levels = 3, .entry = { 0x1107, 0x2107, 0x2000b7 },
	};
	char text[1024] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	walk_print_ept(f, &w);
	/* A device that lies. */
	w.levels = ~0u;
	w.flags = LODGE_EPT_HIDDEN;
	walk_print_ept(f, &w);
	CHECK(!fclose(f));
	CHECK_HAS(text, "PDPT [  1]: 0x2107 rwx\n");
	CHECK_HAS(text, "PD   [  1]: 0x2000b7 rwx page of 2048 KiB, WB\n");
	CHECK_HAS(text, "PT   [  1]: 0 --- not mapped\n");
	CHECK_HAS(text, "hidden");
}

/* ---- instructions -------------------------------------------------------------- */

static void test_disasm(void)
{
	char text[64];

	CHECK_EQ(disasm(64, 0x1000, (const u8 *)"\x0f\xa2", 2, text, sizeof(text)), 2);
	CHECK_HAS(text, "cpuid");
	CHECK_EQ(disasm(64, 0x1000, (const u8 *)"\x48\x89\xd8", 3, text, sizeof(text)), 3);
	CHECK_HAS(text, "%rax");
	CHECK_EQ(disasm(32, 0x1000, (const u8 *)"\x48\x89\xd8", 3, text, sizeof(text)), 1);
	CHECK_HAS(text, "%eax");
	CHECK_EQ(disasm(16, 0x1000, (const u8 *)"\xb8\x34\x12", 3, text, sizeof(text)), 3);
	CHECK_HAS(text, "0x1234");
	/* Not there as a whole. */
	CHECK_EQ(disasm(64, 0x1000, (const u8 *)"\x48\xb8", 2, text, sizeof(text)), 0);
	CHECK_EQ(disasm(64, 0x1000, (const u8 *)"", 0, text, sizeof(text)), 0);
	CHECK_EQ(text[0], 0);
}

static void test_disasm_modes(void)
{
	struct kvm_sregs s = { .cr0 = 0 };

	s.cs.db = 1;
	CHECK_EQ(disasm_bits(&s, 2), 16);
	s.cr0 = 1;
	CHECK_EQ(disasm_bits(&s, 2), 32);
	CHECK_EQ(disasm_bits(&s, 1 << 17), 16);
	s.cs.db = 0;
	s.cs.l = 1;
	CHECK_EQ(disasm_bits(&s, 2), 16);
	s.efer = 0x400;
	CHECK_EQ(disasm_bits(&s, 2), 64);
}

/* ---- what a machine shows ------------------------------------------------------- */

static struct fake_kvm f;
static char home[32];

static const struct lodge_vmcs_field shown[] = {
	{ 0x0000, 0, 5 }, { 0x0802, 0, 0x10 }, { 0x4802, 0, 0xffffffff }, { 0x4816, 0, 0xa09b },
	{ 0x6808, 0, 0 }, { 0x681e, 0, 0x1234 }, { 0x6c16, LODGE_VMCS_HIDDEN, 0 },
	{ 0x2abc, 0, 0x77 },
};

static u64 shown_rip;		/* each time another */
static int shown_error;

static int show_vmcs(struct lodge_vmcs *v)
{
	memcpy((u8 *)v + v->size, shown, sizeof(shown));
	((struct vmcs *)v)->field[5].value = shown_rip++;
	v->fields = ARRAY_SIZE(shown);
	return 0;
}

static int show_failure(struct lodge_entry_failure *e)
{
	struct lodge_entry_finding *x = e->finding;

	CHECK_EQ(e->findings, LODGE_MAX_FINDINGS);
	*e = (struct lodge_entry_failure){
		.size = sizeof(*e), .findings = 1, .reason = 0x80000021,
	};
	*x = (struct lodge_entry_finding){ .field = 0x4822, .value = 0x83 };
	strcpy(x->rule, "guest.tr.type");
	strcpy(x->sdm, "26.3.1.2");
	/* No end, and what a terminal obeys. */
	memset(x->text, '\x1b', sizeof(x->text));
	return 0;
}

static int show(struct cpu *cpu, unsigned long cmd, void *arg)
{
	if (!shown_error && cmd == LODGE_GET_VMCS)
		return show_vmcs(arg);
	if (!shown_error && cmd == LODGE_GET_ENTRY_FAILURE && cpu->index == 1)
		return show_failure(arg);
	errno = shown_error ? shown_error : ENOENT;
	return -1;
}

static void test_vmcs_text(void)
{
	static struct vmcs v;
	char text[4096] = "", room[24];
	FILE *to;

	v.head.fields = ARRAY_SIZE(shown);
	memcpy(v.field, shown, sizeof(shown));
	to = fmemopen(text, sizeof(text), "w");
	CHECK(vmcs_print(to, &v, NULL));
	CHECK(!vmcs_print(to, &v, "nothing"));
	CHECK(!fclose(to));
	CHECK_HAS(text, "guest state\n");
	CHECK_HAS(text,
		  "  cs   selector 0x0010 base 0x0000000000000000 limit 0xffffffff rights 0x0000a09b  code,");
	CHECK_HAS(text, "  guest_rip                        0x0000000000001234\n");
	CHECK_HAS(text, "  vpid                             0x0005\n");
	CHECK_HAS(text, "  host_rip                         (hidden)\n");
	CHECK_HAS(text, "  field_0x2abc                     0x0000000000000077\n");
	/* What is in a segment's line is in no other. */
	CHECK(!strstr(text, "guest_cs_base"));
	memset(text, 0, sizeof(text));
	to = fmemopen(text, sizeof(text), "w");
	CHECK(vmcs_print(to, &v, "guest_rip"));
	CHECK(!fclose(to));
	CHECK_TEXT(text, "  guest_rip                        0x0000000000001234\n");
	CHECK_EQ(vmcs_value(&v, 0x681e), 0x1234);
	CHECK_EQ(vmcs_value(&v, 0x6c16), 0);
	CHECK(!vmcs_find(&v, 0x6800));
	CHECK_TEXT(vmcs_field_name(0x6c16, room), "host_rip");
}

static void test_vmcs_json(void)
{
	static struct vmcs v, w;
	char text[4096] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");

	v.head.fields = ARRAY_SIZE(shown);
	memcpy(v.field, shown, sizeof(shown));
	w = v;
	w.field[5].value = 0x99;
	vmcs_json(to, &v);
	CHECK_EQ(vmcs_print_changes(to, &v, &w), 1);
	vmcs_json_changes(to, &v, &w);
	CHECK(!fclose(to));
	CHECK_HAS(text, "[{\"name\":\"vpid\",\"encoding\":\"0x0000\",");
	CHECK_HAS(text,
		  "\"guest_cs_base\",\"encoding\":\"0x6808\",\"group\":\"guest\",\"value\":\"0x0\"");
	CHECK_HAS(text,
		  "{\"name\":\"guest_rip\",\"encoding\":\"0x681e\",\"group\":\"guest\",\"value\":\"0x1234\",\"decoded\":null}");
	CHECK_HAS(text,
		  "\"host_rip\",\"encoding\":\"0x6c16\",\"group\":\"host\",\"value\":null,");
	CHECK_HAS(text,
		  "guest_rip                        0x0000000000001234 -> 0x0000000000000099\n");
	CHECK_HAS(text,
		  "[{\"name\":\"guest_rip\",\"encoding\":\"0x681e\",\"group\":\"guest\",\"before\":\"0x1234\",\"value\":\"0x99\",");
}

static struct control_machine begin_machine(struct control_places *places)
{
	struct control_machine found = { .dir = -1 };

	strcpy(home, "/tmp/lodge-test-XXXXXX");
	CHECK(mkdtemp(home) && !setenv("XDG_RUNTIME_DIR", home, 1));
	fake_kvm_create(&f, 2);
	fake_kvm_program(&f);
	f.more = show;
	f.m.device.path = "/dev/played";
	shown_error = 0;
	CHECK(control_create(&f.m, "/boot/vmlinuz-test"));
	fake_kvm_start(&f);
	control_places_open(places);
	CHECK_EQ(control_find(places, "look", NULL, &found), 0);
	return found;
}

static void end_machine(struct control_places *places)
{
	char folder[48];

	control_places_close(places);
	fake_kvm_free(&f);
	snprintf(folder, sizeof(folder), "%s/lodge", home);
	CHECK(!rmdir(folder));
	CHECK(!rmdir(home));
}

static void test_machine_is_looked_at(void)
{
	static struct vmcs v;
	struct entry_failure e;
	struct control_places places;
	struct control_machine m = begin_machine(&places);
	struct control_look vmcs = {
		.command = "look", .op = CONTROL_VMCS, .to = &v, .room = sizeof(v),
	};
	struct control_look entry = {
		.command = "look", .op = CONTROL_ENTRY, .to = &e, .room = sizeof(e),
	};
	char text[1024] = "";
	FILE *to;
	size_t got;

	CHECK_EQ(control_look(&m, &vmcs, &got), 0);
	CHECK_EQ(v.head.fields, ARRAY_SIZE(shown));
	CHECK_EQ(got, offsetof(struct vmcs, field[ARRAY_SIZE(shown)]));
	CHECK_EQ(v.field[0].value, 5);
	/* The guest goes on. */
	CHECK(fake_kvm_moves(&f, 0));
	CHECK_EQ(control_look(&m, &entry, &got), 0);
	CHECK_EQ(got, 0);
	entry.argument = 1;
	CHECK_EQ(control_look(&m, &entry, &got), 0);
	CHECK_EQ(got, sizeof(e));
	CHECK(entry_failure_check(&e));
	to = fmemopen(text, sizeof(text), "w");
	entry_failure_tell(to, &e, "");
	CHECK(!fclose(to));
	CHECK_HAS(text, "guest.tr.type: ");
	CHECK_HAS(text, "guest_tr_access_rights is 0x83 (SDM 26.3.1.2)\n");
	CHECK(!strchr(text, '\x1b'));
	end_machine(&places);
}

static struct control_reply ask(const struct control_machine *m, u64 argument, int file)
{
	struct control_reply reply;

	CHECK_EQ(control_ask_about(m, CONTROL_VMCS, argument, file, &reply), 0);
	return reply;
}

static void test_class39_questions(void)
{
	struct control_places places;
	struct control_machine m = begin_machine(&places);
	int file = memfd_create("test", 0), null = open("/dev/null", O_WRONLY);
	int sealed = memfd_create("test", MFD_ALLOW_SEALING);
	int reads = open("/proc/self/exe", O_RDONLY);

	CHECK_HAS(ask(&m, 2, file).text, "no CPU 2: it has 2");
	CHECK_HAS(ask(&m, ~0ull, file).text, "no CPU 18446744073709551615");
	CHECK_HAS(ask(&m, 0, null).text, "regular file");
	CHECK_HAS(ask(&m, 0, reads).text, "regular file");
	CHECK(!fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW));
	CHECK_HAS(ask(&m, 0, sealed).text, "cannot be written");
	shown_error = ENOTTY;
	CHECK_HAS(ask(&m, 0, file).text, "/dev/played does not show it: that is lodge's alone");
	shown_error = ENOMEM;
	CHECK_HAS(ask(&m, 0, file).text, "does not show it: Cannot allocate");
	CHECK_EQ(lseek(file, 0, SEEK_END), 0);
	shown_error = 0;
	CHECK_EQ(ask(&m, 0, file).status, 0);
	CHECK(lseek(file, 0, SEEK_END) > 0);
	CHECK(fake_kvm_moves(&f, 0));
	close(file);
	close(null);
	close(sealed);
	close(reads);
	end_machine(&places);
}

/* ---- lodge step's command line ---------------------------------------------------- */

static void test_reason_lists(void)
{
	char good[] = "io,48,rdtsc,78", bad[] = "io,nothing,48", empty[] = "";
	const char *wrong = NULL;
	u64 stops[2];

	CHECK(step_parse_reasons(good, stops, &wrong));
	CHECK_EQ(stops[0], 1ull << 30 | 1ull << 48 | 1ull << 16);
	CHECK_EQ(stops[1], 1ull << 14);
	CHECK(!step_parse_reasons(bad, stops, &wrong));
	CHECK_TEXT(wrong, "nothing");
	CHECK(!step_parse_reasons(empty, stops, &wrong));
}

static int parse(struct run_options *o, char *command, char *option, char *value)
{
	char *argv[5] = { command, (char *)"kernel", option, value, NULL };

	optind = 0;
	return run_options_parse(o, option ? 4 : 2, argv);
}

static void test_step_options(void)
{
	char at[] = "io", cpus[] = "2", one[] = "1";
	struct run_options o;

	CHECK_EQ(parse(&o, (char *)"step", NULL, NULL), 0);
	CHECK(o.step.wanted);
	/* All but two. */
	CHECK_EQ(o.step.stops[0], ~(1ull << 1 | 1ull << 52));
	CHECK_EQ(o.step.stops[1], 0xffff);
	CHECK_EQ(parse(&o, (char *)"step", (char *)"--at", at), 0);
	CHECK_EQ(o.step.stops[0], 1ull << 30);
	CHECK_EQ(parse(&o, (char *)"step", (char *)"--cpus", one), 0);
	CHECK_EQ(parse(&o, (char *)"step", (char *)"--cpus", cpus), STATUS_USAGE);
	CHECK_EQ(parse(&o, (char *)"step", (char *)"--gdb", (char *)"--json"), STATUS_USAGE);
	CHECK_EQ(parse(&o, (char *)"run", (char *)"--at", at), STATUS_USAGE);
	CHECK_EQ(parse(&o, (char *)"run", NULL, NULL), 0);
	CHECK(!o.step.wanted);
}

static const struct unit units[] = {
	{ "reasons", test_reasons },
	{ "qualifications", test_qualifications },
	{ "fields", test_fields },
	{ "random_words", test_random_words },
	{ "walk_4_levels", test_walk_4_levels },
	{ "walk_other_modes", test_walk_other_modes },
	{ "class39_hostile_tables", test_class39_hostile_tables },
	{ "walks_agree", test_walks_agree },
	{ "ept", test_ept },
	{ "disasm", test_disasm },
	{ "disasm_modes", test_disasm_modes },
	{ "vmcs_text", test_vmcs_text },
	{ "vmcs_json", test_vmcs_json },
	{ "machine_is_looked_at", test_machine_is_looked_at },
	{ "class39_questions", test_class39_questions },
	{ "reason_lists", test_reason_lists },
	{ "step_options", test_step_options },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
