// SPDX-License-Identifier: GPL-2.0
/* `lodge caps`: what the CPU's VT-x and the device can do, in words or JSON. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "device.h"
#include "err.h"
#include "json.h"
#include "vmx_caps.h"

#define WHY_SIZE	256
#define LINE_WIDTH	78

static const struct {
	const char *name;
	unsigned long nr;
} caps[] = {
#define CAP(name) { #name, name },
#include "cap_names.h"
#undef CAP
};

/* What was found out, gathered before anything is written. */
struct findings {
	struct device device;
	int cap[ARRAY_SIZE(caps)];
	bool vmx_readable;
	char vmx_why[WHY_SIZE];
	struct vmx_values vmx;
	int vmx_differs;	/* the first CPU that is not as CPU 0, or -1 */
};

static void gather(struct findings *f, const char *path)
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_CONF);
	char why[WHY_SIZE];
	unsigned int i;

	if (device_open(&f->device, path))
		for (i = 0; i < ARRAY_SIZE(caps); i++)
			f->cap[i] = device_cap(&f->device, caps[i].nr);
	f->vmx_differs = -1;
	f->vmx_readable = vmx_read(0, &f->vmx, f->vmx_why, sizeof(f->vmx_why));
	for (cpu = 1; f->vmx_readable && cpu < cpus; cpu++) {
		struct vmx_values other;

		if (!vmx_read(cpu, &other, why, sizeof(why)))
			continue;	/* offline */
		if (memcmp(other.value, f->vmx.value, sizeof(other.value)) ||
		    memcmp(other.there, f->vmx.there, sizeof(other.there))) {
			f->vmx_differs = cpu;
			break;
		}
	}
}

/* ---- in words ------------------------------------------------------------ */

static const char *short_name(const char *cap)
{
	return cap + strlen("KVM_CAP_");
}

static void print_device(const struct findings *f)
{
	int column = 0;
	unsigned int i;

	if (f->device.fd < 0) {
		printf("device: %s\n", f->device.text);
		return;
	}
	printf("device: %s speaks version %d of KVM's ABI\n", f->device.path,
	       KVM_API_VERSION);
	printf("  capabilities (KVM_CAP_*) that it has:\n");
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		if (f->cap[i] == 1)
			printf("    %-34s yes\n", short_name(caps[i].name));
		else if (f->cap[i])
			printf("    %-34s %d\n", short_name(caps[i].name),
			       f->cap[i]);
	}
	printf("  and those that it has not (0):");
	column = LINE_WIDTH;
	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		const char *name = short_name(caps[i].name);

		if (f->cap[i])
			continue;
		if (column + 1 + (int)strlen(name) > LINE_WIDTH)
			column = printf("\n   ") - 1;
		column += printf(" %s", name);
	}
	printf("\n");
}

/* The fields of the MSRs that are numbers, not bits. */
static void print_numbers(const struct vmx_values *v)
{
	static const char * const types[16] = {
		[0] = "uncacheable", [6] = "write-back"
	};
	u64 basic, misc;

	if (vmx_value(v, MSR_VMX_BASIC, &basic)) {
		const char *type = types[basic >> 50 & 15];

		printf("  VMCS: revision %#llx, %llu bytes, %s\n",
		       basic & 0x7fffffff, basic >> 32 & 0x1fff,
		       type ? type : "of an unknown memory type");
	}
	if (vmx_value(v, MSR_VMX_MISC, &misc)) {
		printf("  preemption timer: one tick for %llu of the TSC\n",
		       BIT_ULL(misc & 31));
		printf("  CR3 targets: %llu; MSRs in a load or store list: %llu\n",
		       misc >> 16 & 0x1ff, 512 * ((misc >> 25 & 7) + 1));
	}
}

static void print_vmx(const struct findings *f)
{
	const struct vmx_bit *bit;
	unsigned int i;

	if (!f->vmx_readable) {
		printf("VT-x: capability MSRs not readable: %s\n", f->vmx_why);
		return;
	}
	printf("VT-x: capability MSRs of CPU 0");
	if (f->vmx_differs >= 0)
		printf(" (CPU %d differs: that is not normal)\n", f->vmx_differs);
	else
		printf(" (the others say the same)\n");
	for (i = 0; i < vmx_nr_msrs; i++)
		if (f->vmx.there[i])
			printf("  %-30s %#5x  %016llx\n", vmx_msrs[i].name,
			       vmx_msrs[i].index, f->vmx.value[i]);
	print_numbers(&f->vmx);
	for (i = 0; i < vmx_nr_words; i++) {
		const struct vmx_word *word = &vmx_words[i];
		u64 value;

		if (!vmx_word_value(&f->vmx, word, &value)) {
			printf("  %s: none\n", word->name);
			continue;
		}
		printf("  %s\n", word->name);
		for (bit = word->bits; bit->name; bit++)
			printf("    %-50s %s\n", bit->name,
			       vmx_bit_state(word, value, bit->nr));
	}
}

/* ---- in JSON ------------------------------------------------------------- */

static void json_device(const struct findings *f)
{
	bool open = f->device.fd >= 0;
	unsigned int i;

	printf("\"device\":{\"path\":");
	json_string(stdout, f->device.path);
	printf(",\"usable\":%s,\"reason\":", open ? "true" : "false");
	json_string(stdout, f->device.text);
	if (open) {
		printf(",\"api_version\":%d,\"capabilities\":{", KVM_API_VERSION);
		for (i = 0; i < ARRAY_SIZE(caps); i++)
			printf("%s\"%s\":%d", i ? "," : "", caps[i].name,
			       f->cap[i]);
		printf("}");
	}
	printf("}");
}

static void json_vmx(const struct findings *f)
{
	const struct vmx_bit *bit;
	const char *comma = "";
	unsigned int i;

	printf("\"vmx\":{\"readable\":%s,\"reason\":",
	       f->vmx_readable ? "true" : "false");
	json_string(stdout, f->vmx_why);
	if (!f->vmx_readable) {
		printf("}");
		return;
	}
	printf(",\"same_on_all_cpus\":%s,\"msrs\":{",
	       f->vmx_differs < 0 ? "true" : "false");
	for (i = 0; i < vmx_nr_msrs; i++)
		if (f->vmx.there[i]) {
			printf("%s\"%s\":\"%#llx\"", comma, vmx_msrs[i].name,
			       f->vmx.value[i]);
			comma = ",";
		}
	printf("},\"words\":{");
	comma = "";
	for (i = 0; i < vmx_nr_words; i++) {
		const struct vmx_word *word = &vmx_words[i];
		u64 value;

		if (!vmx_word_value(&f->vmx, word, &value))
			continue;
		printf("%s\"%s\":{", comma, word->name);
		comma = ",";
		for (bit = word->bits; bit->name; bit++)
			printf("%s\"%s\":\"%s\"", bit == word->bits ? "" : ",",
			       bit->name, vmx_bit_state(word, value, bit->nr));
		printf("}");
	}
	printf("}}");
}

/* ---- the command ---------------------------------------------------------- */

enum { OPT_DEVICE = 1, OPT_JSON };

static const struct option options[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 }
};

static int caps_main(int argc, char **argv)
{
	const char *path = DEVICE_DEFAULT;
	static struct findings f;
	bool json = false;
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_DEVICE)
			path = optarg;
		else if (option == OPT_JSON)
			json = true;
		else
			return STATUS_USAGE;
	}
	if (optind < argc)
		return err(STATUS_USAGE, "caps: '%s' is too much", argv[optind]);

	gather(&f, path);
	if (json) {
		printf("{");
		json_device(&f);
		printf(",");
		json_vmx(&f);
		printf("}\n");
	} else {
		print_device(&f);
		print_vmx(&f);
	}
	if (f.device.fd < 0)
		return err(STATUS_DEVICE, "%s", f.device.text);
	device_close(&f.device);
	return STATUS_OK;
}

const struct command cmd_caps = {
	.name = "caps",
	.summary = "tell what this CPU's VT-x and the device can do",
	.help =
"usage: lodge caps [--json] [--device FILE]\n"
"\n"
"Tells every KVM_CAP_* of the device with its value, and the CPU's VMX\n"
"capability MSRs in words (as root, with the msr driver loaded).\n"
"\n"
"  --device FILE    the hypervisor's device (" DEVICE_DEFAULT ")\n"
"  --json           one object of JSON on stdout\n"
"\n"
"A control is \"always\" on, \"optional\" (may be set or clear) or not there (\"no\").\n"
"The status is 0, or 66 when the device cannot be used.\n",
	.main = caps_main,
};
