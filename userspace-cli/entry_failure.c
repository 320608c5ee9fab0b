// SPDX-License-Identifier: GPL-2.0
/* Failed entries, asked for and told. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "entry_failure.h"
#include "exit_reasons.h"
#include "json.h"
#include "vmcs.h"

int entry_failure_get(int cpu_fd, struct entry_failure *e)
{
	*e = (struct entry_failure){
		.head = { .size = sizeof(e->head), .findings = LODGE_MAX_FINDINGS },
	};
	if (ioctl(cpu_fd, LODGE_GET_ENTRY_FAILURE, e) < 0)
		return -errno;
	return entry_failure_check(e) ? 0 : -EPROTO;
}

static void make_showable(char *text, size_t room)
{
	text[room - 1] = '\0';
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			*text = '?';
}

bool entry_failure_check(struct entry_failure *e)
{
	unsigned int i;

	if (e->head.findings > LODGE_MAX_FINDINGS)
		return false;
	for (i = 0; i < e->head.findings; i++) {
		struct lodge_entry_finding *x = &e->finding[i];

		make_showable(x->rule, sizeof(x->rule));
		make_showable(x->sdm, sizeof(x->sdm));
		make_showable(x->text, sizeof(x->text));
	}
	return true;
}

static const char *what_failed(const struct entry_failure *e)
{
	const char *text = e->head.flags & LODGE_ENTRY_VMFAIL ?
		vm_instruction_error(e->head.reason) : exit_reason_meaning(e->head.reason);

	return text ? text : "a reason that the SDM does not name";
}

static void tell_finding(FILE *f, const struct lodge_entry_finding *x)
{
	char room[24];

	fprintf(f, "%s: %s", x->rule, x->text);
	if (x->field && x->flags & LODGE_VMCS_HIDDEN)
		fprintf(f, "; %s is hidden", vmcs_field_name(x->field, room));
	else if (x->field)
		fprintf(f, "; %s is %#llx", vmcs_field_name(x->field, room), x->value);
	else if (x->index)
		fprintf(f, "; value %#llx", x->value);
	if (x->index)
		fprintf(f, ", entry %u of the MSR-load area", x->index);
	fprintf(f, " (SDM %s)\n", x->sdm);
}

void entry_failure_tell(FILE *f, const struct entry_failure *e, const char *indent)
{
	unsigned int i;

	fprintf(f, "%s%s %#x: %s\n", indent, e->head.flags & LODGE_ENTRY_VMFAIL ?
		"VM-instruction error" : "exit reason", e->head.reason, what_failed(e));
	for (i = 0; i < e->head.findings; i++) {
		fputs(indent, f);
		tell_finding(f, &e->finding[i]);
	}
	if (!e->head.findings)
		fprintf(f, "%sno rule that lodge knows is broken: report it\n", indent);
}

static void json_finding(FILE *f, const struct lodge_entry_finding *x)
{
	char room[24];

	fputs("{\"rule\":", f);
	json_string(f, x->rule);
	fputs(",\"text\":", f);
	json_string(f, x->text);
	fputs(",\"sdm\":", f);
	json_string(f, x->sdm);
	fputs(",\"field\":", f);
	if (x->field)
		json_string(f, vmcs_field_name(x->field, room));
	else
		fputs("null", f);
	if (x->flags & LODGE_VMCS_HIDDEN)
		fputs(",\"value\":null", f);
	else
		fprintf(f, ",\"value\":\"0x%llx\"", x->value);
	fprintf(f, ",\"index\":%u}", x->index);
}

void entry_failure_json(FILE *f, const struct entry_failure *e)
{
	unsigned int i;

	fprintf(f, "{\"reason\":%u,\"vmfail\":%s,\"text\":", e->head.reason,
		e->head.flags & LODGE_ENTRY_VMFAIL ? "true" : "false");
	json_string(f, what_failed(e));
	fputs(",\"findings\":[", f);
	for (i = 0; i < e->head.findings; i++) {
		fputs(i ? "," : "", f);
		json_finding(f, &e->finding[i]);
	}
	fputs("]}", f);
}
