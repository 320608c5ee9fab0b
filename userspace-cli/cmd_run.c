// SPDX-License-Identifier: GPL-2.0
/* `lodge run`: makes a machine from the options, runs it, tells how it ended. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_flat.h"
#include "commands.h"
#include "devices.h"
#include "err.h"
#include "json.h"
#include "loop.h"
#include "machine.h"

#define DEFAULT_MEMORY	(64 * MIB)
/* The size in KiB is handed to the guest in 32 bits. */
#define MOST_MEMORY	((BIT_ULL(32) - 4) * KIB)

struct run_options {
	struct machine_config machine;
	const char *image;
	enum flat_mode mode;
	u64 timeout_ns;
	bool json;
};

enum {
	OPT_FLAT = 1, OPT_MODE, OPT_MEM, OPT_CPUS, OPT_DEVICE, OPT_TIMEOUT,
	OPT_VERBOSE, OPT_JSON,
};

static const struct option options[] = {
	{ "flat", required_argument, NULL, OPT_FLAT },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 }
};

static int memory_option(struct run_options *o, const char *text)
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

static int cpus_option(struct run_options *o, const char *text)
{
	u64 cpus;

	if (!parse_number(text, 1, MACHINE_MAX_CPUS, &cpus))
		return err(STATUS_USAGE,
			   "--cpus: '%s' cannot be: give a number from 1 to %u",
			   text, MACHINE_MAX_CPUS);
	o->machine.cpus = cpus;
	return 0;
}

static int one_option(struct run_options *o, int option)
{
	switch (option) {
	case OPT_FLAT:
		o->image = optarg;
		return 0;
	case OPT_MODE:
		if (flat_mode_parse(optarg, &o->mode))
			return 0;
		return err(STATUS_USAGE,
			   "--mode: there is no mode '%s': give real, protected or long",
			   optarg);
	case OPT_MEM:
		return memory_option(o, optarg);
	case OPT_CPUS:
		return cpus_option(o, optarg);
	case OPT_DEVICE:
		o->machine.device = optarg;
		return 0;
	case OPT_TIMEOUT:
		if (parse_seconds(optarg, &o->timeout_ns))
			return 0;
		return err(STATUS_USAGE,
			   "--timeout: '%s' is no time: give seconds above 0, such as 10 or 0.5",
			   optarg);
	case OPT_VERBOSE:
		o->machine.verbose = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	default:
		return STATUS_USAGE;	/* told by next_option() */
	}
}

static int parse(struct run_options *o, int argc, char **argv)
{
	int option, status;

	while ((option = next_option(argc, argv, options)) != -1) {
		status = one_option(o, option);
		if (status)
			return status;
	}
	if (optind < argc)
		return err(STATUS_USAGE,
			   "run: '%s' is too much: images are given with --flat IMAGE",
			   argv[optind]);
	if (!o->image)
		return err(STATUS_USAGE,
			   "run: nothing to run: give an image with --flat IMAGE");
	return 0;
}

static const char *end_name(enum end_kind kind)
{
	static const char * const names[] = {
		[END_NONE] = "none",
		[END_EXIT] = "exit",
		[END_POWER_OFF] = "power-off",
		[END_RESET] = "reset",
		[END_HALT] = "halt",
		[END_SHUTDOWN] = "shutdown",
		[END_ENTRY_FAILED] = "entry-failed",
		[END_INTERNAL_ERROR] = "internal-error",
		[END_UNKNOWN_EXIT] = "unknown-exit",
		[END_CONSOLE] = "console",
		[END_HOST] = "host",
		[END_TIMEOUT] = "timeout",
		[END_SIGNAL] = "signal",
	};

	return names[kind];
}

/* Calls @tell for each exit reason that was seen, with the sum of all CPUs. */
static void each_exit(const struct machine *m, FILE *f,
		      void (*tell)(FILE *f, bool first, const char *name, u64 n))
{
	char number[16];
	bool first = true;
	unsigned int reason, i;

	for (reason = 0; reason < MACHINE_EXITS; reason++) {
		const char *name = loop_exit_name(reason);
		u64 n = 0;

		for (i = 0; i < m->nr_cpus; i++)
			n += m->cpus[i].exits[reason];
		if (!n)
			continue;
		snprintf(number, sizeof(number), "%u", reason);
		tell(f, first, name ? name : number, n);
		first = false;
	}
}

static void tell_words(FILE *f, bool first, const char *name, u64 n)
{
	fprintf(f, "%s%s %llu", first ? " " : ", ", name, n);
}

static void tell_json(FILE *f, bool first, const char *name, u64 n)
{
	fprintf(f, "%s\"%s\":%llu", first ? "" : ",", name, n);
}

static void report(const struct machine *m, const struct run_options *o)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	if (m->end.text[0])
		note("%s", m->end.text);
	if (!o->json && !o->machine.verbose)
		return;
	/* Built in memory, so that the line goes out whole. */
	f = open_memstream(&text, &size);
	if (!f)
		return;
	if (o->json) {
		fprintf(f, "{\"end\":\"%s\",\"status\":%d,\"message\":",
			end_name(m->end.kind), m->end.status);
		json_string(f, m->end.text);
		fputs(",\"exits\":{", f);
		each_exit(m, f, tell_json);
		fputs("}}\n", f);
	} else {
		fprintf(f, "lodge: run: %s, status %d; exits:",
			end_name(m->end.kind), m->end.status);
		each_exit(m, f, tell_words);
		fputs("\n", f);
	}
	if (!fclose(f) && write(STDERR_FILENO, text, size) < 0)
		size = 0;
	free(text);
}

static int boot(struct machine *m, void *arg)
{
	const struct run_options *o = arg;

	return flat_boot(m, o->image, o->mode);
}

static int run_main(int argc, char **argv)
{
	struct run_options o = {
		.machine = {
			.device = DEVICE_DEFAULT,
			.memory = DEFAULT_MEMORY,
			.cpus = 1,
		},
		.mode = FLAT_LONG,
	};
	struct machine m;
	int status;

	status = parse(&o, argc, argv);
	if (status)
		return status;
	status = machine_create(&m, &o.machine);
	if (!status) {
		m.boot = boot;
		m.boot_arg = &o;
		status = machine_boot(&m);
	}
	if (!status) {
		if (!serial_create(&m, STDIN_FILENO, STDOUT_FILENO) || !exit_port_create(&m))
			status = err(STATUS_HOST, "run: no memory for the devices");
	}
	if (!status) {
		machine_run(&m, o.timeout_ns);
		report(&m, &o);
		status = m.end.status;
	}
	machine_destroy(&m);
	return status;
}

const struct command cmd_run = {
	.name = "run",
	.summary = "run a guest",
	.help =
"usage: lodge run --flat IMAGE [options]\n"
"\n"
"Loads IMAGE at guest physical 0x10000 and starts every CPU there.\n"
"\n"
"  --mode real|protected|long  how the CPUs start (long)\n"
"  --mem SIZE       memory, such as 512K, 64M or 2G (64M)\n"
"  --cpus N         number of CPUs (1)\n"
"  --device FILE    the hypervisor's device (" DEVICE_DEFAULT ")\n"
"  --timeout S      end the guest after S seconds\n"
"  --verbose        name accesses to ports and addresses where nothing is,\n"
"                   and count the VM exits\n"
"  --json           tell on stderr in one line of JSON how the guest ended\n"
"\n"
"The guest's console (16550, port 0x3f8) is stdin and stdout. A write to port\n"
"0xf4 ends the guest: its lowest byte is the exit status. When every CPU has\n"
"halted the status is 0. lodge's own statuses (with a line on stderr):\n"
"64 usage, 65 image, 66 device, 67 refused by this machine, 68 triple fault,\n"
"69 failed VM entry, 70 internal error, 71 unknown exit, 72 console,\n"
"124 timeout, 128+N signal N. See lodge(1).\n",
	.main = run_main,
};
