// SPDX-License-Identifier: GPL-2.0
/*
 * pmloff - the tests of the dirty log once more, with lodge.ko loaded so that it
 * does not use page-modification logging: writes are then found by write
 * protection. Runs with no such module loaded; $LODGE_KO is lodge.ko.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "selftest.h"

#define PARAMETER	"/sys/module/lodge/parameters/pml"

static int load(const char *params)
{
	const char *path = getenv("LODGE_KO");
	int fd, ret;

	if (!path)
		SKIP("$LODGE_KO is not set");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		FAIL("cannot open %s: %s", path, strerror(errno));
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "lodge", O_NONBLOCK) ? -errno : 0;
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
}

/* Its lines are comments here: this program has results of its own. */
static int run(const char *path)
{
	char command[300], line[256];
	FILE *f;

	snprintf(command, sizeof(command), "%s -d /dev/lodge 2>&1", path);
	f = popen(command, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		test_diag("%s", line);
	}
	return pclose(f);
}

static void check_without_pml(const char *name)
{
	char path[256];
	int status;
	char pml = '?';
	FILE *f;

	beside(path, sizeof(path), name);
	if (access(path, X_OK))
		SKIP("there is no %s", path);
	CHECK_EQ(load("pml=0"), 0);
	f = fopen(PARAMETER, "r");
	if (!f) {
		CHECK_EQ(unload(), 0);
		SKIP("lodge has no parameter pml");
	}
	CHECK_EQ(fread(&pml, 1, 1, f), 1);
	fclose(f);
	status = run(path);
	CHECK_EQ(unload(), 0);
	CHECK_EQ(pml, 'N');
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), EXIT_PASS);
}

SUBTEST(dirtylog_without_pml)
{
	check_without_pml("dirtylog");
}

SUBTEST(dirtyring_without_pml)
{
	check_without_pml("dirtyring");
}
