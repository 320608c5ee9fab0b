// SPDX-License-Identifier: GPL-2.0
/* The registers by name: one table for those with a value, one for segments and their parts. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "step_priv.h"

static const struct reg {
	const char *name;
	bool special;		/* in struct kvm_sregs, else in struct kvm_regs */
	size_t at;
} regs[] = {
#define REG(name)	{ #name, false, offsetof(struct kvm_regs, name) }
#define SREG(name)	{ #name, true, offsetof(struct kvm_sregs, name) }
	REG(rax), REG(rbx), REG(rcx), REG(rdx), REG(rsi), REG(rdi), REG(rsp), REG(rbp),
	REG(r8), REG(r9), REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15),
	REG(rip), REG(rflags),
	SREG(cr0), SREG(cr2), SREG(cr3), SREG(cr4), SREG(cr8), SREG(efer),
};

#define SEGMENT(name)	{ #name, offsetof(struct kvm_sregs, name) }
static const struct {
	const char *name;
	size_t at;
} segments[] = {
	SEGMENT(cs), SEGMENT(ss), SEGMENT(ds), SEGMENT(es), SEGMENT(fs), SEGMENT(gs),
	SEGMENT(ldt), SEGMENT(tr),
}, tables[] = {
	SEGMENT(gdt), SEGMENT(idt),
};

struct member {
	const char *name;
	size_t at;
	u8 size;		/* in bytes */
	u64 most;
};

#define MEMBER(type, name, most)	\
	{ #name, offsetof(struct type, name), sizeof(((struct type *)NULL)->name), most }
static const struct member parts[] = {
	MEMBER(kvm_segment, selector, 0xffff), MEMBER(kvm_segment, base, ~0ull),
	MEMBER(kvm_segment, limit, 0xffffffff), MEMBER(kvm_segment, type, 15),
	MEMBER(kvm_segment, s, 1), MEMBER(kvm_segment, dpl, 3),
	MEMBER(kvm_segment, present, 1), MEMBER(kvm_segment, avl, 1),
	MEMBER(kvm_segment, l, 1), MEMBER(kvm_segment, db, 1), MEMBER(kvm_segment, g, 1),
	MEMBER(kvm_segment, unusable, 1),
}, table_parts[] = {
	MEMBER(kvm_dtable, base, ~0ull), MEMBER(kvm_dtable, limit, 0xffff),
};

/* Where a register of that name is, and of what kind. */
struct place {
	bool special;
	size_t at;
	u8 size;
	u64 most;
};

static bool find_part(const struct member *m, unsigned int nr, const char *name, size_t base,
		      struct place *p)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(m[i].name, name)) {
			*p = (struct place){ true, base + m[i].at, m[i].size, m[i].most };
			return true;
		}
	return false;
}

/* "cs" is its selector, "cs.base" a part. */
static bool find_segment(const char *name, struct place *p)
{
	size_t n = strcspn(name, ".");
	const char *part = name[n] ? name + n + 1 : "selector";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++)
		if (strlen(segments[i].name) == n && !strncmp(segments[i].name, name, n))
			return find_part(parts, ARRAY_SIZE(parts), part, segments[i].at, p);
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		if (strlen(tables[i].name) == n && !strncmp(tables[i].name, name, n) && name[n])
			return find_part(table_parts, ARRAY_SIZE(table_parts), part,
					 tables[i].at, p);
	return false;
}

static bool find(const char *name, struct place *p)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		if (!strcmp(regs[i].name, name)) {
			*p = (struct place){ regs[i].special, regs[i].at, 8, ~0ull };
			return true;
		}
	return find_segment(name, p);
}

static u64 value_of(const struct kvm_regs *r, const struct kvm_sregs *sr, const struct place *p)
{
	u64 value = 0;

	memcpy(&value, (p->special ? (const u8 *)sr : (const u8 *)r) + p->at, p->size);
	return value;
}

bool step_reg_get(const struct step *s, const char *name, u64 *value)
{
	struct place p;

	if (!find(name, &p))
		return false;
	*value = value_of(&s->regs, &s->sregs, &p);
	return true;
}

int step_reg_set(struct step *s, const char *name, u64 value)
{
	struct kvm_sregs sregs = s->sregs;
	struct kvm_regs r = s->regs;
	struct place p;

	if (!find(name, &p))
		return -ENOENT;
	if (value > p.most)
		return -ERANGE;
	memcpy((p.special ? (u8 *)&sregs : (u8 *)&r) + p.at, &value, p.size);
	if (p.special ? ioctl(s->cpu->fd, KVM_SET_SREGS, &sregs) < 0 :
			ioctl(s->cpu->fd, KVM_SET_REGS, &r) < 0)
		return -errno;
	s->sregs = sregs;
	s->regs = r;
	if (vmcs_get(s->cpu->fd, &s->vmcs))
		s->vmcs.head.fields = 0;
	return 0;
}

/* ---- shown ----------------------------------------------------------------------------- */

static void put_segment(struct step *s, const char *name, const struct kvm_segment *g)
{
	fprintf(s->out,
		"  %-3s selector 0x%04x base %#llx limit %#x type %u s %u dpl %u present %u l %u db %u g %u%s\n",
		name, g->selector, g->base, g->limit, g->type, g->s, g->dpl, g->present, g->l,
		g->db, g->g, g->unusable ? " unusable" : "");
}

void step_regs_all(struct step *s)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		struct place p = { regs[i].special, regs[i].at, 8, ~0ull };

		fprintf(s->out, "  %-6s 0x%016llx%s", regs[i].name,
			value_of(&s->regs, &s->sregs, &p), i % 3 == 2 ? "\n" : "");
	}
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		put_segment(s, segments[i].name,
			    (const void *)((const u8 *)&s->sregs + segments[i].at));
	fprintf(s->out, "  gdt base %#llx limit %#x\n  idt base %#llx limit %#x\n",
		s->sregs.gdt.base, s->sregs.gdt.limit, s->sregs.idt.base, s->sregs.idt.limit);
}

void step_regs_changed(struct step *s)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		struct place p = { regs[i].special, regs[i].at, 8, ~0ull };
		u64 old = value_of(&s->old_regs, &s->old_sregs, &p);
		u64 now = value_of(&s->regs, &s->sregs, &p);

		if (old == now)
			continue;
		fprintf(s->out, "%s%s %#llx -> %#llx", n++ ? ", " : "  changed: ",
			regs[i].name, old, now);
	}
	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		const u8 *old = (const u8 *)&s->old_sregs + segments[i].at;
		const u8 *now = (const u8 *)&s->sregs + segments[i].at;

		if (memcmp(old, now, sizeof(struct kvm_segment)))
			fprintf(s->out, "%s%s", n++ ? ", " : "  changed: ", segments[i].name);
	}
	if (n)
		fputs("\n", s->out);
}
