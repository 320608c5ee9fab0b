// SPDX-License-Identifier: GPL-2.0
/* The commands of the prompt: a table of letters, a function for each. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "disasm.h"
#include "exit_reasons.h"
#include "paging.h"
#include "recorders.h"
#include "step_priv.h"

#define WORDS		3
#define DUMP_USUAL	64
#define DUMP_MOST	4096
#define LAST_USUAL	8
#define LAST_MOST	126

static void __printf(2, 3) say(struct step *s, const char *fmt, ...)
{
	va_list ap;

	fputs("  ", s->out);
	va_start(ap, fmt);
	vfprintf(s->out, fmt, ap);
	va_end(ap);
	fputs("\n", s->out);
}

/* A number, or a register's value. */
static bool take_value(struct step *s, const char *text, u64 *value)
{
	char *end;

	if (step_reg_get(s, text, value))
		return true;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (end != text && !*end && *text != '-' && !errno)
		return true;
	say(s, "'%s' is no number and no register", text);
	return false;
}

/* ---- going on ---------------------------------------------------------------------- */

static void on_step(struct step *s, char **words)
{
	(void)words;
	step_go(s, s->config.stops);
}

static void on_continue(struct step *s, char **words)
{
	u64 stops[2] = { 0, 0 };
	int reason;

	if (words[0]) {
		reason = exit_reason_find(words[0]);
		if (reason < 0) {
			say(s, "'%s' is no exit reason", words[0]);
			return;
		}
		stops[reason / 64] = BIT_ULL(reason % 64);
	}
	step_go(s, stops);
}

/* The exit tells the length of its instruction, or the instruction itself does. */
static unsigned int length(struct step *s, char *text, size_t room)
{
	unsigned int own = disasm_at(s->cpu, &s->regs, &s->sregs, text, room);
	u64 given = vmcs_value(&s->vmcs, VMCS_EXIT_LENGTH);

	return exit_reason_is_instruction(s->reason) && given && given <= DISASM_MOST ?
		given : own;
}

static void on_skip(struct step *s, char **words)
{
	unsigned int bits = disasm_bits(&s->sregs, s->regs.rflags), n;
	char text[192];
	u64 rip;
	int error;

	(void)words;
	n = length(s, text, sizeof(text));
	if (!n) {
		say(s, "there is no instruction to skip");
		return;
	}
	rip = s->regs.rip + n;
	if (bits != 64)
		rip &= BIT_ULL(bits) - 1;
	error = step_reg_set(s, "rip", rip);
	if (error) {
		say(s, "RIP cannot be set: %s", strerror(-error));
		return;
	}
	disasm_at(s->cpu, &s->regs, &s->sregs, text, sizeof(text));
	say(s, "rip %#llx: %s", rip, text);
}

static void on_quit(struct step *s, char **words)
{
	(void)words;
	step_quit(s);
}

/* ---- looking ------------------------------------------------------------------------ */

static void on_register(struct step *s, char **words)
{
	u64 value;
	int error;

	if (!words[0]) {
		step_regs_all(s);
		return;
	}
	if (!step_reg_get(s, words[0], &value)) {
		say(s, "there is no register '%s'", words[0]);
		return;
	}
	if (words[1]) {
		if (!take_value(s, words[1], &value))
			return;
		error = step_reg_set(s, words[0], value);
		if (error) {
			say(s, "%s cannot be %#llx: %s", words[0], value, strerror(-error));
			return;
		}
	}
	say(s, "%s %#llx", words[0], value);
}

static void dump_line(struct step *s, u64 address, const u8 *bytes, size_t n)
{
	size_t i;

	fprintf(s->out, "  %#llx:", address);
	for (i = 0; i < n; i++)
		fprintf(s->out, " %02x", bytes[i]);
	fprintf(s->out, "%*s  ", (int)(16 - n) * 3, "");
	for (i = 0; i < n; i++)
		fputc(isprint(bytes[i]) ? bytes[i] : '.', s->out);
	fputs("\n", s->out);
}

static void on_memory(struct step *s, char **words)
{
	u8 bytes[DUMP_MOST];
	struct paging_copy copy = { .bytes = bytes };
	u64 address, n = DUMP_USUAL, there, i;

	if (!words[0]) {
		say(s, "give an address");
		return;
	}
	if (!take_value(s, words[0], &address) || (words[1] && !take_value(s, words[1], &n)))
		return;
	copy.len = n < DUMP_MOST ? n : DUMP_MOST;
	there = paging_copy(s->cpu, address, &copy);
	for (i = 0; i < there; i += 16)
		dump_line(s, address + i, bytes + i, there - i < 16 ? there - i : 16);
	if (there < copy.len)
		say(s, "%#llx: no memory is there", address + there);
}

static void on_vmcs(struct step *s, char **words)
{
	if (!vmcs_print(s->out, &s->vmcs, words[0]))
		say(s, "'%s' is no field, group or segment", words[0]);
}

static void on_walk(struct step *s, char **words)
{
	u64 address;

	if (!words[0])
		say(s, "give an address");
	else if (take_value(s, words[0], &address))
		step_show_walk(s, address);
}

static void on_last(struct step *s, char **words)
{
	const struct recorders *r = s->machine->recorders;
	struct lodge_flight_record records[LAST_MOST];
	unsigned int i, nr;
	u64 n = LAST_USUAL;

	if (words[0] && !take_value(s, words[0], &n))
		return;
	if (!r || !r->cpu[0].flight.head) {
		say(s, "there is no flight recorder");
		return;
	}
	nr = flight_last(&r->cpu[0].flight, records, n < LAST_MOST ? n : LAST_MOST);
	for (i = 0; i < nr; i++) {
		fputs("  ", s->out);
		flight_tell(s->out, &records[i]);
		fputs("\n", s->out);
	}
}

static void on_help(struct step *s, char **words);

/* ---- the table ----------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct step *s, char **words);	/* up to NULL, without the name */
	const char *usage;
	const char *help;
} commands[] = {
	{ "s", on_step, "s", "go on to the next exit; so does an empty line" },
	{ "c", on_continue, "c [REASON]", "go on to the next exit of that reason, or to the end" },
	{ "k", on_skip, "k", "skip the instruction: RIP goes behind it" },
	{ "r", on_register, "r [REG [VALUE]]", "show or set a register, such as rax or cs.base" },
	{ "x", on_memory, "x ADDR [N]", "N bytes of memory at an address of the guest's" },
	{ "v", on_vmcs, "v [NAME]", "the VMCS, or a group, field or segment of it" },
	{ "w", on_walk, "w ADDR", "walk the page tables and the EPT" },
	{ "b", on_last, "b [N]", "the last N exits" },
	{ "q", on_quit, "q", "end the machine" },
	{ "h", on_help, "h", "this help" },
};

static void on_help(struct step *s, char **words)
{
	unsigned int i;

	(void)words;
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		say(s, "%-16s %s", commands[i].usage, commands[i].help);
}

void step_command(struct step *s, char *line)
{
	char *words[WORDS + 1] = { NULL }, *save, *word;
	unsigned int i, n = 0;

	for (word = strtok_r(line, " \t\r", &save); word; word = strtok_r(NULL, " \t\r", &save)) {
		if (n == WORDS) {
			say(s, "'%s' is too much", word);
			return;
		}
		words[n++] = word;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(n ? words[0] : "s", commands[i].name)) {
			commands[i].run(s, n ? words + 1 : words);
			return;
		}
	say(s, "there is no command '%s': h helps", words[0]);
}
