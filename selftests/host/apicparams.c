// SPDX-License-Identifier: GPL-2.0
/*
 * apicparams - the tests of the local APIC once more with the modules loaded so that
 * less of the work is left to the hardware: without virtual-interrupt delivery and
 * APIC-register virtualisation (enable_apicv), without virtualised accesses of the
 * APIC's page (flexpriority), without x2APIC virtualisation (enable_x2apic_virt) and
 * without the TPR shadow (tpr_shadow), which kvm_intel has no parameters for. Runs
 * with no such module loaded: $LODGE_KO is lodge.ko, $KVM_KO_DIR holds kvm's modules;
 * the other tests lie beside this one.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "selftest.h"

static const char *const programs[] = {
	"lapic", "lapicmode", "lapicirq", "lapicipi", "lapictimer", "lapicexpiry", "lapicstate"
};

static int load(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		FAIL("cannot open %s: %s", path, strerror(errno));
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}

static int unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/* What a subtest before, which failed, may have left. */
static void start_clean(void)
{
	static const char *const names[] = { "lodge", "kvm_intel", "kvm", "irqbypass" };

	for (u64 i = 0; i < ARRAY_SIZE(names); i++) {
		int ret = unload(names[i]);

		if (ret && ret != -ENOENT)
			FAIL("%s cannot be unloaded: %s", names[i], strerror(-ret));
	}
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		SKIP("$%s is not set", name);
	return value;
}

/* The program @name of the folder that this one is in. */
static void beside(char *path, size_t size, const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	CHECK(n > 0);
	path[n] = 0;
	slash = strrchr(path, '/');
	snprintf(slash + 1, path + size - slash - 1, "%s", name);
	if (access(path, X_OK))
		SKIP("there is no %s", path);
}

/* Before anything is loaded: a subtest that skips leaves nothing loaded. */
static void find_all(void)
{
	char path[256];

	for (u64 i = 0; i < ARRAY_SIZE(programs); i++)
		beside(path, sizeof(path), programs[i]);
}

/* Its lines are comments here: this program has results of its own. */
static int run(const char *name, const char *node)
{
	char path[256], command[300], line[256];
	int status;
	FILE *f;

	beside(path, sizeof(path), name);
	snprintf(command, sizeof(command), "%s -d %s 2>&1", path, node);
	f = popen(command, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "ok ", 3))
			test_diag("%s: %s", name, line);
	}
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Runs all of them, so that a report is whole; returns how many failed. */
static int run_all(const char *node)
{
	int failed = 0;

	for (u64 i = 0; i < ARRAY_SIZE(programs); i++)
		failed += run(programs[i], node) != EXIT_PASS;
	return failed;
}

/* The module has taken each "name=0" of the parameters: /sys says so. */
static bool taken(const char *module, const char *params)
{
	char list[100], path[128], *name, *save = NULL;
	bool all = true;
	FILE *f;

	snprintf(list, sizeof(list), "%s", params);
	for (name = strtok_r(list, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		*strchr(name, '=') = 0;
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
		f = fopen(path, "r");
		if (!f)
			test_diag("%s has no parameter %s", module, name);
		all = all && f && fgetc(f) == 'N';
		if (f)
			fclose(f);
	}
	return all;
}

static void lodge_with(const char *params)
{
	int failed;
	bool ok;

	start_clean();
	find_all();
	CHECK_EQ(load(variable("LODGE_KO"), params), 0);
	ok = taken("lodge", params);
	failed = ok ? run_all("/dev/lodge") : -1;
	CHECK_EQ(unload("lodge"), 0);
	CHECK_EQ(failed, 0);
}

static void kvm_with(const char *params)
{
	static const char *const files[] = { "irqbypass", "kvm", "kvm-intel" };
	const char *dir = variable("KVM_KO_DIR");
	char path[256];
	int failed;
	bool ok;

	start_clean();
	find_all();
	for (u64 i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s.ko", dir, files[i]);
		CHECK_EQ(load(path, i == 2 ? params : ""), 0);
	}
	ok = taken("kvm_intel", params);
	failed = ok ? run_all("/dev/kvm") : -1;
	start_clean();
	CHECK_EQ(failed, 0);
}

SUBTEST(kvm_without_apicv)
{
	kvm_with("enable_apicv=0");
}

SUBTEST(kvm_without_flexpriority)
{
	kvm_with("flexpriority=0");
}

SUBTEST(lodge_without_apicv)
{
	lodge_with("enable_apicv=0");
}

SUBTEST(lodge_without_flexpriority)
{
	lodge_with("flexpriority=0");
}

SUBTEST(lodge_without_x2apic_virtualisation)
{
	lodge_with("enable_x2apic_virt=0");
}

SUBTEST(lodge_without_apicv_and_x2apic_virtualisation)
{
	lodge_with("enable_apicv=0 enable_x2apic_virt=0");
}

/* Nothing but exits: also CR8 is an intercepted register then. */
SUBTEST(lodge_without_any)
{
	lodge_with("enable_apicv=0 flexpriority=0 enable_x2apic_virt=0 tpr_shadow=0");
}
