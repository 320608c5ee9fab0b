// SPDX-License-Identifier: GPL-2.0
/* A copy of a VMCS, read and shown. The names and groups are those of the module's own table. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "decode.h"
#include "json.h"
#include "vmcs.h"

#include "../kmod/vmx/fields.h"

int vmcs_get(int cpu_fd, struct vmcs *v)
{
	v->head = (struct lodge_vmcs){ .size = sizeof(v->head), .fields = VMCS_MOST_FIELDS };
	if (ioctl(cpu_fd, LODGE_GET_VMCS, v) < 0)
		return -errno;
	return v->head.fields <= VMCS_MOST_FIELDS ? 0 : -EPROTO;
}

const struct lodge_vmcs_field *vmcs_find(const struct vmcs *v, u32 encoding)
{
	unsigned int i;

	for (i = 0; i < v->head.fields; i++)
		if (v->field[i].encoding == encoding)
			return &v->field[i];
	return NULL;
}

u64 vmcs_value(const struct vmcs *v, u32 encoding)
{
	const struct lodge_vmcs_field *field = vmcs_find(v, encoding);

	return field && !(field->flags & LODGE_VMCS_HIDDEN) ? field->value : 0;
}

/* ---- names ------------------------------------------------------------------------ */

const char *vmcs_field_name(u32 encoding, char room[24])
{
	int index = vmcs_field_index(encoding);

	if (index >= 0)
		return vmcs_fields[index].name;
	snprintf(room, 24, "field_0x%04x", encoding);
	return room;
}

/* By the kind in the encoding where the table does not know the field: SDM 24.11.2. */
static unsigned int group_of(u32 encoding)
{
	static const u8 kinds[4] = { VMCS_EXECUTION, VMCS_INFORMATION, VMCS_GUEST, VMCS_HOST };
	int index = vmcs_field_index(encoding);

	return index >= 0 ? vmcs_fields[index].group : kinds[encoding >> 10 & 3];
}

static const struct {
	u8 group;
	const char *name;
	const char *title;
} groups[] = {
	{ VMCS_GUEST, "guest", "guest state" },
	{ VMCS_HOST, "host", "host state" },
	{ VMCS_EXECUTION, "execution", "execution controls" },
	{ VMCS_EXIT, "exit", "exit controls" },
	{ VMCS_ENTRY, "entry", "entry controls" },
	{ VMCS_INFORMATION, "information", "exit information" },
};

static const char *group_name(unsigned int group)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].group == group)
			return groups[i].name;
	return "";
}

/* What is one line together; 0: a host's segment has no such field. */
static const struct segment {
	u8 group;
	const char *name;
	u16 selector, base, limit, rights;
} segments[] = {
	{ VMCS_GUEST, "cs", 0x0802, 0x6808, 0x4802, 0x4816 },
	{ VMCS_GUEST, "ss", 0x0804, 0x680a, 0x4804, 0x4818 },
	{ VMCS_GUEST, "ds", 0x0806, 0x680c, 0x4806, 0x481a },
	{ VMCS_GUEST, "es", 0x0800, 0x6806, 0x4800, 0x4814 },
	{ VMCS_GUEST, "fs", 0x0808, 0x680e, 0x4808, 0x481c },
	{ VMCS_GUEST, "gs", 0x080a, 0x6810, 0x480a, 0x481e },
	{ VMCS_GUEST, "ldtr", 0x080c, 0x6812, 0x480c, 0x4820 },
	{ VMCS_GUEST, "tr", 0x080e, 0x6814, 0x480e, 0x4822 },
	{ VMCS_GUEST, "gdtr", 0, 0x6816, 0x4810, 0 },
	{ VMCS_GUEST, "idtr", 0, 0x6818, 0x4812, 0 },
	{ VMCS_HOST, "cs", 0x0c02, 0, 0, 0 },
	{ VMCS_HOST, "ss", 0x0c04, 0, 0, 0 },
	{ VMCS_HOST, "ds", 0x0c06, 0, 0, 0 },
	{ VMCS_HOST, "es", 0x0c00, 0, 0, 0 },
	{ VMCS_HOST, "fs", 0x0c08, 0x6c06, 0, 0 },
	{ VMCS_HOST, "gs", 0x0c0a, 0x6c08, 0, 0 },
	{ VMCS_HOST, "tr", 0x0c0c, 0x6c0a, 0, 0 },
	{ VMCS_HOST, "gdtr", 0, 0x6c0c, 0, 0 },
	{ VMCS_HOST, "idtr", 0, 0x6c0e, 0, 0 },
};

static bool is_of_a_segment(u32 encoding)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		const struct segment *s = &segments[i];

		/* 0, the number of the VPID, stands for none here. */
		if (encoding && (s->selector == encoding || s->base == encoding ||
				 s->limit == encoding || s->rights == encoding))
			return true;
	}
	return false;
}

/* ---- lines ------------------------------------------------------------------------ */

static int digits_of(u32 encoding)
{
	static const int digits[4] = { 4, 16, 8, 16 };	/* by the width in the encoding */

	return digits[encoding >> 13 & 3];
}

static void put_value(FILE *f, const struct lodge_vmcs_field *field)
{
	if (field->flags & LODGE_VMCS_HIDDEN)
		fputs("(hidden)", f);
	else
		fprintf(f, "0x%0*llx", digits_of(field->encoding), field->value);
}

static void put_field(FILE *f, const struct lodge_vmcs_field *field)
{
	struct words w = { .len = 0 };
	char room[24];

	fprintf(f, "  %-32s ", vmcs_field_name(field->encoding, room));
	put_value(f, field);
	if (!(field->flags & LODGE_VMCS_HIDDEN))
		decode_field(&w, field->encoding, field->value);
	fprintf(f, "%s%s\n", w.len ? "  " : "", w.text);
}

static void put_part(FILE *f, const struct vmcs *v, const char *name, u32 encoding)
{
	const struct lodge_vmcs_field *field = encoding ? vmcs_find(v, encoding) : NULL;

	if (!field)
		return;
	fprintf(f, " %s ", name);
	put_value(f, field);
}

static void put_segment(FILE *f, const struct vmcs *v, const struct segment *s)
{
	struct words w = { .len = 0 };

	fprintf(f, "  %-4s", s->name);
	put_part(f, v, "selector", s->selector);
	put_part(f, v, "base", s->base);
	put_part(f, v, "limit", s->limit);
	put_part(f, v, "rights", s->rights);
	if (s->rights && vmcs_find(v, s->rights))
		decode_rights(&w, vmcs_value(v, s->rights));
	fprintf(f, "%s%s\n", w.len ? "  " : "", w.text);
}

static void put_group(FILE *f, const struct vmcs *v, unsigned int nth)
{
	unsigned int i, group = groups[nth].group;

	fprintf(f, "%s\n", groups[nth].title);
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		if (segments[i].group == group)
			put_segment(f, v, &segments[i]);
	for (i = 0; i < v->head.fields; i++)
		if (group_of(v->field[i].encoding) == group &&
		    !is_of_a_segment(v->field[i].encoding))
			put_field(f, &v->field[i]);
}

static bool put_one(FILE *f, const struct vmcs *v, const char *name)
{
	unsigned int i;
	char room[24];

	for (i = 0; i < ARRAY_SIZE(segments); i++)
		if (segments[i].group == VMCS_GUEST && !strcmp(segments[i].name, name)) {
			put_segment(f, v, &segments[i]);
			return true;
		}
	for (i = 0; i < v->head.fields; i++)
		if (!strcmp(vmcs_field_name(v->field[i].encoding, room), name)) {
			put_field(f, &v->field[i]);
			return true;
		}
	return false;
}

bool vmcs_print(FILE *f, const struct vmcs *v, const char *only)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		if (only && strcmp(only, groups[i].name))
			continue;
		if (found)
			fputs("\n", f);
		put_group(f, v, i);
		found = true;
	}
	return found || put_one(f, v, only);
}

/* Calls @tell for each field that is not the same in both; how many. */
static unsigned int each_change(FILE *f, const struct vmcs *before, const struct vmcs *after,
				void (*tell)(FILE *f, const struct lodge_vmcs_field *old,
					     const struct lodge_vmcs_field *field, bool first))
{
	unsigned int i, n = 0;

	for (i = 0; i < after->head.fields; i++) {
		const struct lodge_vmcs_field *field = &after->field[i];
		const struct lodge_vmcs_field *old = vmcs_find(before, field->encoding);

		if (!old || old->value == field->value)
			continue;
		tell(f, old, field, !n);
		n++;
	}
	return n;
}

static void put_change(FILE *f, const struct lodge_vmcs_field *old,
		       const struct lodge_vmcs_field *field, bool first)
{
	struct words w = { .len = 0 };
	char room[24];

	(void)first;
	fprintf(f, "  %-32s ", vmcs_field_name(field->encoding, room));
	put_value(f, old);
	fputs(" -> ", f);
	put_value(f, field);
	decode_field(&w, field->encoding, field->value);
	fprintf(f, "%s%s\n", w.len ? "  " : "", w.text);
}

unsigned int vmcs_print_changes(FILE *f, const struct vmcs *before, const struct vmcs *after)
{
	return each_change(f, before, after, put_change);
}

/* ---- JSON --------------------------------------------------------------------------- */

static void json_head(FILE *f, const struct lodge_vmcs_field *field, bool first)
{
	char room[24];

	fprintf(f, "%s{\"name\":", first ? "" : ",");
	json_string(f, vmcs_field_name(field->encoding, room));
	fprintf(f, ",\"encoding\":\"0x%04x\",\"group\":\"%s\"", field->encoding,
		group_name(group_of(field->encoding)));
}

static void json_value(FILE *f, const char *name, const struct lodge_vmcs_field *field)
{
	if (field->flags & LODGE_VMCS_HIDDEN)
		fprintf(f, ",\"%s\":null", name);
	else
		fprintf(f, ",\"%s\":\"0x%llx\"", name, field->value);
}

static void json_decoded(FILE *f, const struct lodge_vmcs_field *field)
{
	struct words w = { .len = 0 };

	if (!(field->flags & LODGE_VMCS_HIDDEN))
		decode_field(&w, field->encoding, field->value);
	fputs(",\"decoded\":", f);
	if (w.len)
		json_string(f, w.text);
	else
		fputs("null", f);
	fputs("}", f);
}

void vmcs_json(FILE *f, const struct vmcs *v)
{
	unsigned int i;

	fputs("[", f);
	for (i = 0; i < v->head.fields; i++) {
		json_head(f, &v->field[i], !i);
		json_value(f, "value", &v->field[i]);
		json_decoded(f, &v->field[i]);
	}
	fputs("]", f);
}

static void json_change(FILE *f, const struct lodge_vmcs_field *old,
			const struct lodge_vmcs_field *field, bool first)
{
	json_head(f, field, first);
	json_value(f, "before", old);
	json_value(f, "value", field);
	json_decoded(f, field);
}

void vmcs_json_changes(FILE *f, const struct vmcs *before, const struct vmcs *after)
{
	fputs("[", f);
	each_change(f, before, after, json_change);
	fputs("]", f);
}
