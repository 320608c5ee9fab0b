// SPDX-License-Identifier: GPL-2.0
/*
 * The registers of a vCPU for gdb. Names, order, types and features are those that gdb's
 * manual asks for ("Standard Target Features", i386); the system's registers are a feature
 * of our own, since gdb has none for them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "gdb_regs.h"

#define MSR_KERNEL_GS_BASE	0xc0000102
#define CR0_PE			BIT_ULL(0)
#define EFER_LMA		BIT_ULL(10)
#define RFLAGS_VM		BIT_ULL(17)
#define CPUID_1_ECX_AVX		BIT_ULL(28)

/* The XSAVE area, of which the first 512 bytes are FXSAVE's (SDM volume 1, 13.4). */
#define FX_STATUS		2
#define FX_TAGS			4	/* a bit for each register that is not empty */
#define FX_ST			32
#define FX_XMM			160
#define XSAVE_BV		512
#define XSAVE_YMM		576
#define XFEATURE_X87		BIT_ULL(0)
#define XFEATURE_SSE		BIT_ULL(1)
#define XFEATURE_AVX		BIT_ULL(2)

enum feature { CORE, SSE, AVX, SEGMENTS, SYSTEM, FEATURES };

#define FLAG(name, bit)	"<field name=\"" name "\" start=\"" #bit "\" end=\"" #bit "\"/>"

/* The types that its registers need come with a feature. */
static const struct { const char *name, *types; } features[FEATURES] = {
	[CORE] = { "org.gnu.gdb.i386.core",
		"<flags id=\"i386_eflags\" size=\"4\">"
		FLAG("CF", 0) FLAG("", 1) FLAG("PF", 2) FLAG("AF", 4) FLAG("ZF", 6)
		FLAG("SF", 7) FLAG("TF", 8) FLAG("IF", 9) FLAG("DF", 10) FLAG("OF", 11)
		FLAG("NT", 14) FLAG("RF", 16) FLAG("VM", 17) FLAG("AC", 18)
		FLAG("VIF", 19) FLAG("VIP", 20) FLAG("ID", 21) "</flags>\n" },
	[SSE] = { "org.gnu.gdb.i386.sse",
		"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
		"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
		"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
		"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
		"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
		"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
		"<union id=\"vec128\">"
		"<field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
		"<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
		"<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
		"<field name=\"uint128\" type=\"uint128\"/></union>\n"
		"<flags id=\"i386_mxcsr\" size=\"4\">"
		FLAG("IE", 0) FLAG("DE", 1) FLAG("ZE", 2) FLAG("OE", 3) FLAG("UE", 4)
		FLAG("PE", 5) FLAG("DAZ", 6) FLAG("IM", 7) FLAG("DM", 8) FLAG("ZM", 9)
		FLAG("OM", 10) FLAG("UM", 11) FLAG("PM", 12) FLAG("FZ", 15) "</flags>\n" },
	[AVX] = { "org.gnu.gdb.i386.avx", "" },
	[SEGMENTS] = { "org.gnu.gdb.i386.segments", "" },
	[SYSTEM] = { "lodge.x86.system",
		"<flags id=\"x86_cr0\" size=\"8\">"
		FLAG("PE", 0) FLAG("MP", 1) FLAG("EM", 2) FLAG("TS", 3) FLAG("ET", 4)
		FLAG("NE", 5) FLAG("WP", 16) FLAG("AM", 18) FLAG("NW", 29) FLAG("CD", 30)
		FLAG("PG", 31) "</flags>\n"
		"<flags id=\"x86_cr4\" size=\"8\">"
		FLAG("VME", 0) FLAG("PVI", 1) FLAG("TSD", 2) FLAG("DE", 3) FLAG("PSE", 4)
		FLAG("PAE", 5) FLAG("MCE", 6) FLAG("PGE", 7) FLAG("PCE", 8) FLAG("OSFXSR", 9)
		FLAG("OSXMMEXCPT", 10) FLAG("UMIP", 11) FLAG("LA57", 12) FLAG("VMXE", 13)
		FLAG("SMXE", 14) FLAG("FSGSBASE", 16) FLAG("PCIDE", 17) FLAG("OSXSAVE", 18)
		FLAG("SMEP", 20) FLAG("SMAP", 21) FLAG("PKE", 22) FLAG("CET", 23)
		FLAG("PKS", 24) "</flags>\n"
		"<flags id=\"x86_efer\" size=\"8\">"
		FLAG("SCE", 0) FLAG("LME", 8) FLAG("LMA", 10) FLAG("NXE", 11) "</flags>\n" },
};

/* Registers of one kind, one after the other. */
struct row {
	enum feature feature;
	const char *name;	/* with %u: a number, from first on */
	const char *type;
	const char *group;	/* or NULL */
	u8 size;		/* for gdb */
	u8 width;		/* in struct gdb_regs; the rest is zeroes */
	u16 offset;		/* there */
	u8 count, first, stride;
};

#define AT(field)	offsetof(struct gdb_regs, field)
#define GPR(n)		{ CORE, #n, "int64", NULL, 8, 8, AT(regs.n), 1, 0, 0 }
#define STACK(n)	{ CORE, #n, "data_ptr", NULL, 8, 8, AT(regs.n), 1, 0, 0 }
#define SELECTOR(n)	{ CORE, #n, "int32", NULL, 4, 2, AT(sregs.n.selector), 1, 0, 0 }
#define X87(n, width, offset) \
	{ CORE, n, "int", "float", 4, width, offset, 1, 0, 0 }
#define CONTROL(n, type) \
	{ SYSTEM, #n, type, "system", 8, 8, AT(sregs.n), 1, 0, 0 }

static const struct row rows[] = {
	GPR(rax), GPR(rbx), GPR(rcx), GPR(rdx), GPR(rsi), GPR(rdi), STACK(rbp), STACK(rsp),
	{ CORE, "r%u", "int64", NULL, 8, 8, AT(regs.r8), 8, 8, 8 },
	{ CORE, "rip", "code_ptr", NULL, 8, 8, AT(pc), 1, 0, 0 },
	{ CORE, "eflags", "i386_eflags", NULL, 4, 4, AT(regs.rflags), 1, 0, 0 },
	SELECTOR(cs), SELECTOR(ss), SELECTOR(ds), SELECTOR(es), SELECTOR(fs), SELECTOR(gs),
	{ CORE, "st%u", "i387_ext", NULL, 10, 10, AT(xsave) + FX_ST, 8, 0, 16 },
	X87("fctrl", 2, AT(xsave)),
	X87("fstat", 2, AT(xsave) + FX_STATUS),
	X87("ftag", 2, AT(tags)),
	X87("fiseg", 2, AT(xsave) + 12),
	X87("fioff", 4, AT(xsave) + 8),
	X87("foseg", 2, AT(xsave) + 20),
	X87("fooff", 4, AT(xsave) + 16),
	X87("fop", 2, AT(xsave) + 6),
	{ SSE, "xmm%u", "vec128", NULL, 16, 16, AT(xsave) + FX_XMM, 16, 0, 16 },
	{ SSE, "mxcsr", "i386_mxcsr", "vector", 4, 4, AT(xsave) + 24, 1, 0, 0 },
	{ AVX, "ymm%uh", "uint128", NULL, 16, 16, AT(ymm_high), 16, 0, 16 },
	{ SEGMENTS, "fs_base", "int", NULL, 8, 8, AT(sregs.fs.base), 1, 0, 0 },
	{ SEGMENTS, "gs_base", "int", NULL, 8, 8, AT(sregs.gs.base), 1, 0, 0 },
	{ SYSTEM, "k_gs_base", "int64", "system", 8, 8, AT(kernel_gs_base), 1, 0, 0 },
	CONTROL(cr0, "x86_cr0"), CONTROL(cr2, "int64"), CONTROL(cr3, "int64"),
	CONTROL(cr4, "x86_cr4"), CONTROL(cr8, "int64"), CONTROL(efer, "x86_efer"),
};

static bool has_row(const struct row *row, bool avx)
{
	return row->feature != AVX || avx;
}

/* ---- the description --------------------------------------------------------- */

static void describe_row(FILE *f, const struct row *row)
{
	unsigned int i;

	for (i = 0; i < row->count; i++) {
		char name[16];

		/* The table's own formats. */
		if (strchr(row->name, '%'))
			snprintf(name, sizeof(name), "%.*s%u%s",
				 (int)(strchr(row->name, '%') - row->name), row->name,
				 row->first + i, strchr(row->name, '%') + 2);
		else
			snprintf(name, sizeof(name), "%s", row->name);
		fprintf(f, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"", name, row->size * 8,
			row->type);
		if (row->group)
			fprintf(f, " group=\"%s\"", row->group);
		/* What gdb saves around a call into the guest it writes back. */
		if (row->feature == SYSTEM)
			fputs(" save-restore=\"no\"", f);
		fputs("/>\n", f);
	}
}

char *gdb_regs_description(bool avx)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	unsigned int i, open = FEATURES;

	if (!f)
		return NULL;
	fputs("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
	      "<target version=\"1.0\"><architecture>i386:x86-64</architecture>\n", f);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if (!has_row(row, avx))
			continue;
		if (row->feature != open) {
			fprintf(f, "%s<feature name=\"%s\">\n%s",
				open == FEATURES ? "" : "</feature>\n",
				features[row->feature].name, features[row->feature].types);
			open = row->feature;
		}
		describe_row(f, row);
	}
	fputs("</feature>\n</target>\n", f);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

/* ---- single registers ------------------------------------------------------------ */

static const struct row *find(bool avx, unsigned int nr, size_t *offset)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!has_row(&rows[i], avx))
			continue;
		if (nr < rows[i].count) {
			*offset = rows[i].offset + nr * rows[i].stride;
			return &rows[i];
		}
		nr -= rows[i].count;
	}
	return NULL;
}

unsigned int gdb_reg_read(const struct gdb_regs *r, bool avx, unsigned int nr,
			  u8 value[GDB_REG_MOST])
{
	size_t offset;
	const struct row *row = find(avx, nr, &offset);

	if (!row)
		return 0;
	memset(value, 0, row->size);
	memcpy(value, (const u8 *)r + offset, row->width);
	return row->size;
}

unsigned int gdb_reg_write(struct gdb_regs *r, bool avx, unsigned int nr,
			   const u8 value[GDB_REG_MOST])
{
	size_t offset;
	const struct row *row = find(avx, nr, &offset);

	if (!row)
		return 0;
	memcpy((u8 *)r + offset, value, row->width);
	return row->size;
}

/* ---- between gdb's view and the device's -------------------------------------------- */

const char *gdb_regs_mode(const struct kvm_sregs *sregs, u64 rflags)
{
	if (!(sregs->cr0 & CR0_PE))
		return "real mode";
	if (sregs->efer & EFER_LMA)
		return sregs->cs.l ? "64-bit mode" : "compatibility mode";
	if (rflags & RFLAGS_VM)
		return "virtual-8086 mode";
	return sregs->cs.db ? "32-bit mode" : "16-bit protected mode";
}

static bool has_real_segments(const struct kvm_sregs *sregs, u64 rflags)
{
	return !(sregs->cr0 & CR0_PE) || (!(sregs->efer & EFER_LMA) && rflags & RFLAGS_VM);
}

bool gdb_regs_have_avx(const struct machine *m)
{
	unsigned int i;

	for (i = 0; m->cpuid && i < m->cpuid->nent; i++)
		if (m->cpuid->entries[i].function == 1)
			return m->cpuid->entries[i].ecx & CPUID_1_ECX_AVX;
	return false;
}

/* FXSAVE tells only which are empty; the rest follows from the values (SDM volume 1, 8.1.7). */
static u16 full_tags(const u8 *fx)
{
	unsigned int i, top = (fx[FX_STATUS + 1] >> 3) & 7;
	u16 tags = 0;

	for (i = 0; i < 8; i++) {
		const u8 *st = fx + FX_ST + 16 * ((i - top) & 7);
		unsigned int exponent = (st[8] | st[9] << 8) & 0x7fff;
		unsigned int tag = 2;		/* special */
		u64 fraction;

		memcpy(&fraction, st, sizeof(fraction));
		if (!(fx[FX_TAGS] & 1u << i))
			tag = 3;		/* empty */
		else if (!exponent && !fraction)
			tag = 1;		/* zero */
		else if (exponent && exponent != 0x7fff && fraction >> 63)
			tag = 0;		/* valid */
		tags |= tag << 2 * i;
	}
	return tags;
}

static u8 short_tags(u16 tags)
{
	unsigned int i;
	u8 used = 0;

	for (i = 0; i < 8; i++)
		if ((tags >> 2 * i & 3) != 3)
			used |= 1u << i;
	return used;
}

static int kernel_gs(struct cpu *cpu, unsigned long request, u64 *value)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msr = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_KERNEL_GS_BASE, .data = *value },
	};
	int done = ioctl(cpu->fd, request, &msr);

	if (done < 0)
		return -errno;
	*value = msr.entry.data;
	return done == 1 ? 0 : -EINVAL;
}

static u64 linear(const struct kvm_sregs *sregs, u64 rip)
{
	return sregs->cs.l ? rip : (u32)(sregs->cs.base + rip);
}

int gdb_regs_get(struct cpu *cpu, struct gdb_regs *r)
{
	u8 *area = (u8 *)&r->xsave;
	u64 present;

	memset(r, 0, sizeof(*r));
	if (ioctl(cpu->fd, KVM_GET_REGS, &r->regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &r->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_XSAVE, &r->xsave) < 0)
		return -errno;
	/* A CPU without 64-bit mode has none. */
	if (kernel_gs(cpu, KVM_GET_MSRS, &r->kernel_gs_base))
		r->kernel_gs_base = 0;
	r->pc = linear(&r->sregs, r->regs.rip);
	r->tags = full_tags(area);
	memcpy(&present, area + XSAVE_BV, sizeof(present));
	if (present & XFEATURE_AVX)
		memcpy(r->ymm_high, area + XSAVE_YMM, sizeof(r->ymm_high));
	return 0;
}

/* Nothing in here loads a descriptor: selectors can change where there are none. */
static int put_selectors(const struct gdb_regs *old, struct gdb_regs *r)
{
	static const size_t segments[] = {
		AT(sregs.cs), AT(sregs.ss), AT(sregs.ds), AT(sregs.es), AT(sregs.fs), AT(sregs.gs),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		const struct kvm_segment *was = (const void *)((const u8 *)old + segments[i]);
		struct kvm_segment *s = (void *)((u8 *)r + segments[i]);

		if (s->selector == was->selector)
			continue;
		if (!has_real_segments(&old->sregs, old->regs.rflags))
			return -EINVAL;
		if (s->base == was->base)
			s->base = s->selector << 4;
	}
	return 0;
}

static void put_area(const struct gdb_regs *old, struct gdb_regs *r)
{
	u8 *area = (u8 *)&r->xsave;
	u64 present;

	memcpy(&present, area + XSAVE_BV, sizeof(present));
	if (r->tags != old->tags)
		area[FX_TAGS] = short_tags(r->tags);
	if (memcmp(r->ymm_high, old->ymm_high, sizeof(r->ymm_high))) {
		memcpy(area + XSAVE_YMM, r->ymm_high, sizeof(r->ymm_high));
		present |= XFEATURE_AVX;
	}
	/* A component that is in its initial state would stay so. */
	if (memcmp(area, &old->xsave, FX_XMM))
		present |= XFEATURE_X87 | XFEATURE_SSE;
	if (memcmp(area + FX_XMM, (const u8 *)&old->xsave + FX_XMM, 16 * 16))
		present |= XFEATURE_SSE;
	memcpy(area + XSAVE_BV, &present, sizeof(present));
}

int gdb_regs_put(struct cpu *cpu, const struct gdb_regs *old, struct gdb_regs *r)
{
	int error = put_selectors(old, r);

	if (error)
		return error;
	if (r->pc != old->pc || r->sregs.cs.base != old->sregs.cs.base)
		r->regs.rip = r->sregs.cs.l ? r->pc : (u32)(r->pc - r->sregs.cs.base);
	put_area(old, r);
	if (memcmp(&r->sregs, &old->sregs, sizeof(r->sregs)) &&
	    ioctl(cpu->fd, KVM_SET_SREGS, &r->sregs) < 0)
		return -errno;
	if (memcmp(&r->regs, &old->regs, sizeof(r->regs)) &&
	    ioctl(cpu->fd, KVM_SET_REGS, &r->regs) < 0)
		return -errno;
	if (memcmp(&r->xsave, &old->xsave, sizeof(r->xsave)) &&
	    ioctl(cpu->fd, KVM_SET_XSAVE, &r->xsave) < 0)
		return -errno;
	if (r->kernel_gs_base != old->kernel_gs_base)
		return kernel_gs(cpu, KVM_SET_MSRS, &r->kernel_gs_base);
	return 0;
}
