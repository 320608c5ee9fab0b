// SPDX-License-Identifier: GPL-2.0
/* Reads the command line of `lodge run`: a table of options, a function for each. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "err.h"
#include "exit_reasons.h"
#include "run_options.h"

#define FLAT_MEMORY	(64 * MIB)
#define DEFAULT_MEMORY	(512 * MIB)
/* The size in KiB is handed to flat guests in 32 bits. */
#define MOST_MEMORY	((BIT_ULL(32) - 4) * KIB)

static int usage(const char *option, const char *value, const char *advice)
{
	return err(STATUS_USAGE, "--%s: '%s' cannot be: %s", option, value, advice);
}

static int on_mem(struct run_options *o, char *text)
{
	u64 size;

	if (!parse_size(text, &size))
		return err(STATUS_USAGE,
			   "--mem: '%s' is no size: give a number with K, M or G, such as 64M",
			   text);
	if (size < FLAT_LEAST || size > MOST_MEMORY || size % PAGE_SIZE)
		return err(STATUS_USAGE,
			   "--mem: %s cannot be: it has to be from %lluK to %lluK, in steps of 4K",
			   text, FLAT_LEAST / KIB, MOST_MEMORY / KIB);
	o->machine.memory = size;
	return 0;
}

static int on_cpus(struct run_options *o, char *text)
{
	u64 cpus;

	if (!parse_number(text, 1, MACHINE_MAX_CPUS, &cpus))
		return err(STATUS_USAGE,
			   "--cpus: '%s' cannot be: give a number from 1 to %u",
			   text, MACHINE_MAX_CPUS);
	o->machine.cpus = cpus;
	return 0;
}

static int on_mode(struct run_options *o, char *text)
{
	if (flat_mode_parse(text, &o->mode))
		return 0;
	return err(STATUS_USAGE,
		   "--mode: there is no mode '%s': give real, protected or long", text);
}

static int on_timeout(struct run_options *o, char *text)
{
	if (parse_seconds(text, &o->timeout_ns))
		return 0;
	return err(STATUS_USAGE,
		   "--timeout: '%s' is no time: give seconds above 0, such as 10 or 0.5",
		   text);
}

static int on_module(struct run_options *o, char *text)
{
	if (o->nr_modules == ARRAY_SIZE(o->module))
		return usage("module", text, "a guest takes no more than 16");
	o->module[o->nr_modules++] = text;
	return 0;
}

/* FILE[,ro][,direct] */
static int on_disk(struct run_options *o, char *text)
{
	struct disk_config disk = { 0 };
	char *word, *rest = text;

	if (o->nr_disks == ARRAY_SIZE(o->disk))
		return usage("disk", text, "a machine takes no more than 8");
	disk.path = strsep(&rest, ",");
	while ((word = strsep(&rest, ","))) {
		if (!strcmp(word, "ro"))
			disk.read_only = true;
		else if (!strcmp(word, "direct"))
			disk.direct = true;
		else
			return usage("disk", word, "behind the file there may be ,ro and ,direct");
	}
	if (!*disk.path)
		return usage("disk", "", "give a file or a block device");
	o->disk[o->nr_disks++] = disk;
	return 0;
}

static int on_net(struct run_options *o, char *text)
{
	if (!strcmp(text, "none")) {
		o->net.kind = NET_NONE;
	} else if (!strcmp(text, "user")) {
		o->net.kind = NET_USER;
	} else if (!strncmp(text, "tap=", 4) && text[4] && strlen(text + 4) < IFNAMSIZ) {
		o->net.kind = NET_TAP;
		o->net.tap = text + 4;
	} else {
		return usage("net", text, "give user, tap=INTERFACE or none");
	}
	return 0;
}

/* [ADDRESS:]HOST:GUEST[/tcp|/udp] */
static int on_publish(struct run_options *o, char *text)
{
	static const char advice[] =
		"give [ADDRESS:]HOST:GUEST[/udp] with port numbers, such as 8080:80";
	struct net_publish p = { 0 };
	char copy[64], *word[3], *rest = copy, *protocol;
	unsigned int n = 0;
	struct in_addr any;
	u64 host, guest;

	if (o->net.nr_publishes == NET_PUBLISHES)
		return usage("publish", text, "there are no more than 16");
	if (strlen(text) >= sizeof(copy))
		return usage("publish", text, advice);
	strcpy(copy, text);
	protocol = strchr(copy, '/');
	if (protocol) {
		*protocol++ = '\0';
		p.udp = !strcmp(protocol, "udp");
		if (!p.udp && strcmp(protocol, "tcp"))
			return usage("publish", text, advice);
	}
	while (n < ARRAY_SIZE(word) && (word[n] = strsep(&rest, ":")))
		n++;
	if (n < 2 || rest || (n == 3 && inet_pton(AF_INET, word[0], &any) != 1) ||
	    !parse_number(word[n - 2], 1, 65535, &host) ||
	    !parse_number(word[n - 1], 1, 65535, &guest))
		return usage("publish", text, advice);
	p.host_address = n == 3 ? any.s_addr : 0;
	p.host_port = host;
	p.guest_port = guest;
	o->net.publish[o->net.nr_publishes++] = p;
	return 0;
}

/* WHERE[,virtio] */
static int on_console(struct run_options *o, char *text)
{
	size_t len = strlen(text);

	o->virtio_console = len > 7 && !strcmp(text + len - 7, ",virtio");
	if (o->virtio_console)
		text[len - 7] = '\0';
	if (strcmp(text, "stdio") && strcmp(text, "pty") && strcmp(text, "none") &&
	    (strncmp(text, "socket=", 7) || !text[7]) && (strncmp(text, "file=", 5) || !text[5]))
		return usage("console", text,
			     "give stdio, pty, socket=PATH, file=PATH or none, and perhaps ,virtio behind it");
	o->console = text;
	return 0;
}

static int on_gdb(struct run_options *o, char *text)
{
	u64 port;

	o->gdb = text ? text : "1234";
	if (!strcmp(o->gdb, "stdio") || parse_number(o->gdb, 1, 65535, &port))
		return 0;
	return usage("gdb", text, "give the number of a port, or stdio");
}

static int on_at(struct run_options *o, char *text)
{
	const char *wrong = text;

	if (step_parse_reasons(text, o->step.stops, &wrong))
		return 0;
	return usage("at", wrong, "give names or numbers of exit reasons, such as io,cpuid or 48");
}

static int on_commands(struct run_options *o, char *text)
{
	o->step.commands = text;
	return 0;
}

#define STRING(name)							\
static int on_##name(struct run_options *o, char *text)			\
{									\
	o->name = text;							\
	return 0;							\
}

STRING(flat)
STRING(initrd)
STRING(append)
STRING(dump)

#define FLAG(name, field)						\
static int on_##name(struct run_options *o, char *unused)		\
{									\
	(void)unused;							\
	o->field = true;						\
	return 0;							\
}

FLAG(unpack, unpack)
FLAG(rng, rng)
FLAG(json, json)
FLAG(dry_run, dry_run)
FLAG(no_sandbox, no_sandbox)
FLAG(no_reboot, machine.no_reboot)
FLAG(verbose, machine.verbose)

static int on_device(struct run_options *o, char *text)
{
	o->machine.device = text;
	return 0;
}

static const struct run_option {
	const char *name;
	int argument;
	int (*take)(struct run_options *o, char *text);
	bool flat;			/* means something with --flat, too */
} table[] = {
	{ "flat", required_argument, on_flat, true },
	{ "mode", required_argument, on_mode, true },
	{ "mem", required_argument, on_mem, true },
	{ "cpus", required_argument, on_cpus, true },
	{ "device", required_argument, on_device, true },
	{ "timeout", required_argument, on_timeout, true },
	{ "verbose", no_argument, on_verbose, true },
	{ "json", no_argument, on_json, true },
	{ "dry-run", no_argument, on_dry_run, true },
	{ "no-sandbox", no_argument, on_no_sandbox, true },
	{ "gdb", optional_argument, on_gdb, true },
	{ "dump-on-crash", required_argument, on_dump, true },
	{ "initrd", required_argument, on_initrd, false },
	{ "append", required_argument, on_append, false },
	{ "unpack", no_argument, on_unpack, false },
	{ "module", required_argument, on_module, false },
	{ "disk", required_argument, on_disk, false },
	{ "net", required_argument, on_net, false },
	{ "publish", required_argument, on_publish, false },
	{ "console", required_argument, on_console, false },
	{ "rng", no_argument, on_rng, false },
	{ "no-reboot", no_argument, on_no_reboot, false },
};

/* Of lodge step on top. */
static const struct run_option step_table[] = {
	{ "at", required_argument, on_at, true },
	{ "commands", required_argument, on_commands, true },
};

static const struct run_option *row(unsigned int nth)
{
	return nth < ARRAY_SIZE(table) ? &table[nth] : &step_table[nth - ARRAY_SIZE(table)];
}

static int take_all(struct run_options *o, int argc, char **argv, const char **not_flat)
{
	unsigned int i, nr = ARRAY_SIZE(table) + (o->step.wanted ? ARRAY_SIZE(step_table) : 0);
	struct option options[ARRAY_SIZE(table) + ARRAY_SIZE(step_table) + 1] = { 0 };
	int option, status = 0;

	for (i = 0; i < nr; i++)
		options[i] = (struct option){ row(i)->name, row(i)->argument, NULL, i + 1 };
	while (!status && (option = next_option(argc, argv, options)) != -1) {
		if (option == '?')
			return STATUS_USAGE;	/* told */
		if (!row(option - 1)->flat)
			*not_flat = row(option - 1)->name;
		status = row(option - 1)->take(o, optarg);
	}
	return status;
}

/* What goes together, and what does not. */
static int judge(const struct run_options *o, const char *not_flat)
{
	if (o->flat && o->kernel)
		return err(STATUS_USAGE,
			   "run: '%s' is too much: with --flat that image is all there is to run",
			   o->kernel);
	if (o->flat && not_flat)
		return err(STATUS_USAGE,
			   "--%s: a flat guest has no such thing: leave it away, or --flat",
			   not_flat);
	if (o->gdb && !strcmp(o->gdb, "stdio") && !strcmp(o->console, "stdio"))
		return err(STATUS_USAGE,
			   "--gdb: stdio is the console's already: give --console pty, or gdb a port");
	if (o->step.wanted && o->machine.cpus != 1)
		return err(STATUS_USAGE, "--cpus: step goes with one CPU only");
	if (o->step.wanted && o->gdb)
		return err(STATUS_USAGE,
			   "--gdb: a guest has one debugger only: use run, or leave it away");
	if (o->net.nr_publishes && o->net.kind != NET_USER)
		return err(STATUS_USAGE,
			   "--publish: goes with --net user only: other networks have ports of their own");
	return 0;
}

int run_options_parse(struct run_options *o, int argc, char **argv)
{
	const char *not_flat = NULL;
	int status;

	*o = (struct run_options){
		.machine = { .device = DEVICE_DEFAULT, .cpus = 1 },
		.mode = FLAT_LONG,
		.append = "",
		.net.kind = NET_USER,
		.console = "stdio",
		/* All that is not about the host alone. */
		.step = {
			.wanted = !strcmp(argv[0], "step"),
			.stops = {
				~(BIT_ULL(REASON_EXTERNAL_INTERRUPT) |
				  BIT_ULL(REASON_PREEMPTION_TIMER)),
				BIT_ULL(REASON_MOST - 63) - 1,
			},
		},
	};
	status = take_all(o, argc, argv, &not_flat);
	if (status)
		return status;
	if (optind + 1 < argc)
		return err(STATUS_USAGE,
			   "run: '%s' is too much: one kernel is enough, options begin with --",
			   argv[optind + 1]);
	if (optind < argc)
		o->kernel = argv[optind];
	o->machine.platform = !o->flat;
	if (!o->machine.memory)
		o->machine.memory = o->flat ? FLAT_MEMORY : DEFAULT_MEMORY;
	return judge(o, not_flat);
}
