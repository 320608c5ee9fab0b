// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel modules for tests that load them, and other test programs run while they are
 * loaded with parameters: see module.h.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "module.h"

/* ---- loading and unloading ------------------------------------------------------ */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		SKIP("$%s is not set", name);
	return value;
}

int module_load(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		FAIL("cannot open %s: %s", path, strerror(errno));
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int load_lodge(const char *params)
{
	return module_load(variable("LODGE_KO"), params);
}

/* In the folder that this program is in. */
static void beside(char *path, size_t size, const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	CHECK(n > 0);
	path[n] = 0;
	slash = strrchr(path, '/');
	snprintf(slash + 1, path + size - slash - 1, "%s", name);
}

int load_lodge_break(void)
{
	char path[256];

	beside(path, sizeof(path), "lodge-break.ko");
	if (access(path, R_OK))
		SKIP("there is no %s", path);
	return module_load(path, "");
}

void load_kvm(const char *params)
{
	static const char *const files[] = { "irqbypass", "kvm", "kvm-intel" };
	const char *dir = variable("KVM_KO_DIR");
	char path[256];
	int ret;

	for (u64 i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s.ko", dir, files[i]);
		ret = module_load(path, i == ARRAY_SIZE(files) - 1 ? params : "");
		if (ret)
			FAIL("cannot load %s: %s", path, strerror(-ret));
	}
}

void unload_kvm(void)
{
	CHECK_EQ(module_unload("kvm_intel"), 0);
	CHECK_EQ(module_unload("kvm"), 0);
	CHECK_EQ(module_unload("irqbypass"), 0);
}

void unload_all(void)
{
	static const char *const names[] = { "lodge", "kvm_intel", "kvm", "irqbypass" };

	for (u64 i = 0; i < ARRAY_SIZE(names); i++) {
		int ret = module_unload(names[i]);

		if (ret && ret != -ENOENT)
			FAIL("%s is loaded and cannot be unloaded: %s", names[i],
			     strerror(-ret));
	}
}

/* ---- parameters ----------------------------------------------------------------- */

/* A bool is written in several ways, and read as Y or N. */
static bool same_value(const char *got, const char *want)
{
	if (!strcmp(got, "Y") || !strcmp(got, "N"))
		return (*got == 'Y') == (*want == '1' || *want == 'y' || *want == 'Y');
	return !strcmp(got, want);
}

static bool took_one(const char *module, const char *name, const char *want)
{
	char path[128], got[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	f = fopen(path, "r");
	if (!f) {
		test_diag("%s has no parameter %s", module, name);
		return false;
	}
	if (fgets(got, sizeof(got), f))
		got[strcspn(got, "\n")] = 0;
	fclose(f);
	if (same_value(got, want))
		return true;
	test_diag("%s has %s=%s, not %s", module, name, got, want);
	return false;
}

bool module_took(const char *module, const char *params)
{
	char list[256], *save = NULL;
	bool all = true;

	snprintf(list, sizeof(list), "%s", params);
	for (char *name = strtok_r(list, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		char *value = strchr(name, '=');

		CHECK(value);
		*value++ = 0;
		all = took_one(module, name, value) && all;
	}
	return all;
}

/* ---- other programs ------------------------------------------------------------- */

static void find_program(char *path, size_t size, const char *name)
{
	beside(path, size, name);
	if (access(path, X_OK))
		SKIP("there is no %s", path);
}

/* Its lines are comments here, for this program has results of its own. */
static void tell_line(const char *name, char *line)
{
	bool passed = !strncmp(line, "ok ", 3) && !strstr(line, "# SKIP");

	line[strcspn(line, "\n")] = 0;
	if (!passed && strncmp(line, "KTAP ", 5) && strncmp(line, "1..", 3))
		test_diag("%s: %s", name, line + (strncmp(line, "# ", 2) ? 0 : 2));
}

static void exec_program(const char *path, const struct program *p, const char *node,
			 const int *out)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)seed);
	if (dup2(out[1], 1) == 1 && dup2(out[1], 2) == 2) {
		close(out[0]);
		close(out[1]);
		execl(path, p->name, "-d", node, "-s", number, "-t",
		      p->subtests ? p->subtests : "*", NULL);
	}
	_exit(127);
}

/* With the seed of this one. True: it has passed. */
static bool run_program(const struct program *p, const char *node)
{
	int out[2], status;
	char path[256], line[512];
	pid_t pid;
	FILE *f;

	find_program(path, sizeof(path), p->name);
	CHECK_EQ(pipe(out), 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		exec_program(path, p, node, out);
	close(out[1]);
	f = fdopen(out[0], "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		tell_line(p->name, line);
	fclose(f);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		test_diag("%s was killed by signal %d", p->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != EXIT_PASS)
		test_diag("%s ended with status %d", p->name, WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASS;
}

void run_with(const char *node, const char *params, const struct program *programs, int nr)
{
	bool kvm = !strcmp(node, "/dev/kvm"), taken;
	int failed = 0;
	char path[256];

	test_doing("%s with %s", node, params);
	unload_all();
	for (int i = 0; i < nr; i++)
		find_program(path, sizeof(path), programs[i].name);
	if (kvm)
		load_kvm(params);
	else
		CHECK_EQ(load_lodge(params), 0);
	taken = module_took(kvm ? "kvm_intel" : "lodge", params);
	for (int i = 0; taken && i < nr; i++)
		failed += !run_program(&programs[i], node);
	if (kvm)
		unload_kvm();
	else
		CHECK_EQ(module_unload("lodge"), 0);
	CHECK(taken);
	if (failed)
		FAIL("%d of %d programs failed", failed, nr);
}
