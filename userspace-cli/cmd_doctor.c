// SPDX-License-Identifier: GPL-2.0
/*
 * `lodge doctor`: looks at the machine and says what is missing. It reads; the
 * only thing it makes is one VM, to see whether the device can, and ends it.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commands.h"
#include "doctor.h"
#include "err.h"

#define CPUID_1_ECX_VMX		BIT_ULL(5)
#define CPUID_1_ECX_HYPERVISOR	BIT_ULL(31)

static enum answer answer(bool yes)
{
	return yes ? YES : NO;
}

static void ask_cpu(struct doctor_facts *facts)
{
	u32 eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		return;
	facts->cpu_vmx = answer(ecx & CPUID_1_ECX_VMX);
	facts->in_vm = answer(ecx & CPUID_1_ECX_HYPERVISOR);
}

/* Is @word among the words of @line? */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);
	const char *p = line;

	while ((p = strstr(p, word))) {
		if (p != line && (p[-1] == ' ' || p[-1] == '\t') &&
		    (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
		p += len;
	}
	return false;
}

/*
 * The kernel drops the flag "vmx" where the firmware has locked VT-x off, and
 * lists details of VT-x in a line of their own (since 5.8).
 */
static void ask_kernel(struct doctor_facts *facts)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return;
	while (getline(&line, &size, f) > 0 && line[0] != '\n') {
		if (!strncmp(line, "flags\t", 6))
			facts->kernel_vmx = answer(has_word(line, "vmx"));
		if (!strncmp(line, "vmx flags\t", 10)) {
			facts->ept = answer(has_word(line, "ept"));
			facts->unrestricted =
				answer(has_word(line, "unrestricted_guest"));
		}
	}
	free(line);
	fclose(f);
}

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(text, size, f);
	fclose(f);
	return ok;
}

/* Does modprobe's list for this kernel have lodge.ko, compressed or not? */
static enum answer is_installed(const char *release)
{
	char path[256], *line = NULL;
	enum answer found = NO;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	if (!f)
		return NO;
	while (found == NO && getline(&line, &size, f) > 0) {
		line[strcspn(line, ":")] = '\0';
		if (strstr(line, "/lodge.ko"))
			found = YES;
	}
	free(line);
	fclose(f);
	return found;
}

static void ask_modules(struct doctor_facts *facts)
{
	char path[256], text[64];

	facts->kvm_intel = answer(!access("/sys/module/kvm_intel", F_OK));
	if (read_line("/sys/module/kvm_intel/refcnt", text, sizeof(text)))
		facts->kvm_intel_users = strtol(text, NULL, 10);
	if (read_line("/sys/module/kvm/parameters/enable_virt_at_load", text,
		      sizeof(text)))
		facts->kvm_holds_vmx = answer(text[0] == 'Y');
	/* Without sysfs nothing can be said. */
	if (!access("/sys/module", F_OK))
		facts->loaded = facts->is_kvm ? facts->kvm_intel :
				answer(!access("/sys/module/lodge", F_OK));
	facts->installed = is_installed(facts->release);
	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile",
		 facts->release);
	facts->headers = answer(!access(path, F_OK));
}

static bool is_kvm(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "kvm");
}

static int examine(const char *path)
{
	static struct doctor_findings findings;
	struct doctor_facts facts = { 0 };
	struct device device;
	struct utsname name;
	char text[512] = "";
	unsigned int i;
	int vm;

	uname(&name);
	facts.release = name.release;
	facts.root = !geteuid();
	facts.is_kvm = is_kvm(path);
	ask_cpu(&facts);
	ask_kernel(&facts);
	ask_modules(&facts);
	device_open(&device, path);
	facts.device = device.state;
	facts.device_text = device.text;
	if (device.state == DEVICE_OPEN) {
		vm = device_create_vm(&device, text, sizeof(text));
		if (vm >= 0)
			close(vm);
		else
			facts.create_error = -vm;
		facts.create_text = text;
	}
	device_close(&device);

	doctor_judge(&facts, &findings);
	for (i = 0; i < findings.nr; i++)
		printf("%s\n", findings.text[i]);
	if (findings.nr)
		return STATUS_NOT_READY;
	printf("ready: %s makes VMs\n", path);
	return STATUS_OK;
}

enum { OPT_DEVICE = 1 };

static const struct option options[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ 0 }
};

static int doctor_main(int argc, char **argv)
{
	const char *path = DEVICE_DEFAULT;
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option != OPT_DEVICE)
			return STATUS_USAGE;
		path = optarg;
	}
	if (optind < argc)
		return err(STATUS_USAGE, "doctor: '%s' is too much",
			   argv[optind]);
	return examine(path);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "tell what is missing on this machine, and how to mend it",
	.help =
"usage: lodge doctor [--device FILE]\n"
"\n"
"Says in one line for each finding what keeps this machine from running\n"
"guests and what to do about it, or \"ready\".\n"
"\n"
"  --device FILE    the hypervisor's device (" DEVICE_DEFAULT ")\n"
"\n"
"The status is 0 when the machine is ready, else 1.\n",
	.main = doctor_main,
};
