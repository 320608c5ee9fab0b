// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge explain`: what a number of the hardware's means, or what a machine's CPUs do and
 * why one could not be entered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "control.h"
#include "decode.h"
#include "entry_failure.h"
#include "err.h"
#include "exit_reasons.h"
#include "flight.h"

/* ---- numbers ---------------------------------------------------------------------- */

struct question {
	const char *what;
	bool has_qualification, has_vmfail;
	u64 qualification, vmfail;
};

static bool parse_any(const char *text, u64 *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	return end != text && !*end && *text != '-' && !errno;
}

static int explain_reason(const struct question *q, u32 reason)
{
	const char *meaning = exit_reason_meaning(reason);
	struct words w = { .len = 0 };

	decode_reason(&w, reason);
	printf("exit reason %#x (%u): %s\n", reason, reason & REASON_BASIC, w.text);
	printf("  %s\n", meaning ? meaning : "the SDM does not name it (volume 3D, appendix C)");
	if (!q->has_qualification)
		return 0;
	w.len = 0;
	w.text[0] = '\0';
	decode_qualification(&w, reason, q->qualification, 0);
	printf("  qualification %#llx: %s\n", q->qualification,
	       w.len ? w.text : "it says nothing with this reason");
	return 0;
}

static int explain_vmfail(u64 number)
{
	const char *text = vm_instruction_error(number);

	printf("VM-instruction error %llu: %s (SDM 30.4)\n", number,
	       text ? text : "the SDM does not name it");
	return 0;
}

/* A number stands for a reason if no machine has that PID. */
static bool reason_of(const char *text, u32 *reason)
{
	u64 number;
	int found;

	if (parse_any(text, &number) && number <= 0xffffffff) {
		*reason = number;
		return true;
	}
	found = exit_reason_find(text);
	*reason = found;
	return found >= 0;
}

/* ---- machines ---------------------------------------------------------------------- */

#define SHOWN_EXITS	4u

static void tell_record(const struct lodge_flight_record *r)
{
	const char *meaning = exit_reason_meaning(r->reason);
	struct words w = { .len = 0 };

	printf("    rip %#llx: ", r->rip);
	if (r->flags & LODGE_FLIGHT_VMFAIL) {
		printf("the CPU refused the entry: VM-instruction error %llu: %s\n",
		       r->qualification, vm_instruction_error(r->qualification) ?
		       vm_instruction_error(r->qualification) : "unknown");
		return;
	}
	decode_reason(&w, r->reason);
	printf("%s", w.text);
	w.len = 0;
	w.text[0] = '\0';
	decode_qualification(&w, r->reason, r->qualification, 0);
	if (w.len)
		printf(": %s", w.text);
	if (r->gpa)
		printf(", guest-physical address %#llx", r->gpa);
	printf("\n      %s\n", meaning ? meaning : "the SDM does not name it");
}

static void tell_exits(unsigned int cpu, const struct control_recorder *recorder)
{
	struct lodge_flight_record records[SHOWN_EXITS];
	struct flight flight;
	unsigned int i, n;

	if (recorder->flight_fd < 0 || flight_map(&flight, recorder->flight_fd)) {
		printf("  CPU %u: its device has no flight recorder: that is lodge's\n", cpu);
		return;
	}
	n = flight_last(&flight, records, SHOWN_EXITS);
	printf("  CPU %u: %llu exits%s\n", cpu, flight_count(&flight),
	       n ? ", the last of them:" : "");
	for (i = 0; i < n; i++)
		tell_record(&records[i]);
	flight_unmap(&flight);
}

/* *@found: one has failed, and it has been told. */
static int tell_failure(const struct control_machine *m, unsigned int cpu, bool *found)
{
	struct entry_failure e;
	struct control_look look = {
		.command = "explain", .op = CONTROL_ENTRY, .argument = cpu,
		.to = &e, .room = sizeof(e),
	};
	size_t got;
	int status = control_look(m, &look, &got);

	if (status || !got)
		return status;
	if (got != sizeof(e) || !entry_failure_check(&e))
		return err(STATUS_HOST, "explain: machine %d: what it gives is no explanation",
			   m->pid);
	*found = true;
	printf("  CPU %u: its last entry failed\n", cpu);
	entry_failure_tell(stdout, &e, "    ");
	return 0;
}

static int explain_machine(const struct control_machine *m)
{
	struct control_recorders r;
	struct control_reply why;
	bool found = false;
	unsigned int i;
	int status = 0, error;

	/* What it did before it is stopped to be looked at. */
	error = control_recorders_open(m, &r, &why);
	if (error == -EOPNOTSUPP)
		return err(STATUS_HOST, "explain: %s", why.text);
	if (error)
		return err(STATUS_HOST, "explain: machine %d: %s", m->pid, strerror(-error));
	printf("machine %d, %s\n", m->pid, m->info.name);
	for (i = 0; i < r.nr; i++)
		tell_exits(i, &r.cpu[i]);
	for (i = 0; i < r.nr && !status && r.cpu[i].flight_fd >= 0; i++)
		status = tell_failure(m, i, &found);
	if (!status && !found && i)
		printf("  no entry has failed\n");
	control_recorders_close(&r);
	return status;
}

/* ---- the command -------------------------------------------------------------------- */

static bool is_pid(const struct control_machine *m, int nr, const char *text)
{
	u64 pid;
	int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(m[i].info.name, text) ||
		    (parse_number(text, 1, 0x7fffffff, &pid) && (u64)m[i].pid == pid))
			return true;
	return false;
}

static int explain(const struct question *q)
{
	struct control_machine machine, *all = NULL;
	struct control_places places;
	bool is_machine;
	u32 reason;
	int nr, status;

	if (q->has_vmfail)
		return explain_vmfail(q->vmfail);
	control_places_open(&places);
	nr = control_list(&places, &all);
	is_machine = !q->what || is_pid(all, nr, q->what);
	free(all);
	if (!is_machine && reason_of(q->what, &reason)) {
		status = explain_reason(q, reason);
	} else {
		status = control_find(&places, "explain", q->what, &machine);
		if (!status)
			status = explain_machine(&machine);
	}
	control_places_close(&places);
	return status;
}

enum { OPT_QUALIFICATION = 1, OPT_VMFAIL };

static const struct option options[] = {
	{ "qualification", required_argument, NULL, OPT_QUALIFICATION },
	{ "vmfail", required_argument, NULL, OPT_VMFAIL },
	{ 0 }
};

static int explain_main(int argc, char **argv)
{
	struct question q = { .what = NULL };
	u64 *number;
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option != OPT_QUALIFICATION && option != OPT_VMFAIL)
			return STATUS_USAGE;
		q.has_qualification |= option == OPT_QUALIFICATION;
		q.has_vmfail |= option == OPT_VMFAIL;
		number = option == OPT_VMFAIL ? &q.vmfail : &q.qualification;
		if (!parse_any(optarg, number))
			return err(STATUS_USAGE, "explain: '%s' is no number", optarg);
	}
	q.what = optind < argc ? argv[optind] : NULL;
	if (argc - optind > 1 || (q.has_vmfail && (q.what || q.has_qualification)))
		return err(STATUS_USAGE, "explain: '%s' is too much", argv[argc - 1]);
	if (q.has_qualification && !q.what)
		return err(STATUS_USAGE, "--qualification: say of which exit reason");
	return explain(&q);
}

const struct command cmd_explain = {
	.name = "explain",
	.summary = "tell what a machine's CPUs do, or what a number means",
	.help =
"usage: lodge explain [PID|NAME]\n"
"       lodge explain REASON [--qualification Q]\n"
"       lodge explain --vmfail N\n"
"\n"
"Of a running machine: the last exits of its CPUs in words, and, if an entry has\n"
"failed, the rules of the SDM that the CPU's state breaks. The guest stands still\n"
"for a moment.\n"
"\n"
"  PID|NAME         as 'lodge list' has them; may be left away if there is one\n"
"  REASON           an exit reason, such as 48, 0x80000021 or ept_violation\n"
"  --qualification Q                 the exit qualification that came with it\n"
"  --vmfail N       a VM-instruction error\n"
"\n"
"A number that is the PID of a machine stands for the machine.\n",
	.main = explain_main,
};
