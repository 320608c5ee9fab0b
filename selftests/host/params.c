// SPDX-License-Identifier: GPL-2.0
/*
 * params - lodge.ko loaded with parameters that choose another way of doing a
 * thing, and the tests of that thing once more. Runs with no such module loaded;
 * $LODGE_KO is lodge.ko, and the other tests lie beside this one.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "selftest.h"

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
	if (access(path, X_OK))
		SKIP("there is no %s", path);
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

/* The module has taken the parameter: /sys says so. */
static bool took(const char *name, char value)
{
	char path[100], got = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/lodge/parameters/%s", name);
	f = fopen(path, "r");
	if (!f)
		return false;
	got = fgetc(f);
	fclose(f);
	return got == value;
}

static void check_with(const char *name, const char *value, const char *program)
{
	char path[256], params[64];
	bool taken;
	int status;

	test_doing("%s with %s=%s", program, name, value);
	beside(path, sizeof(path), program);
	snprintf(params, sizeof(params), "%s=%s", name, value);
	CHECK_EQ(load(params), 0);
	taken = took(name, *value);
	status = run(path);
	CHECK_EQ(unload(), 0);
	CHECK(taken);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), EXIT_PASS);
}

/* Writes are found by write protection. */
SUBTEST(dirty_log_without_pml)
{
	check_with("pml", "N", "dirtylog");
}

SUBTEST(dirty_ring_without_pml)
{
	check_with("pml", "N", "dirtyring");
}

/*
 * The age of pages is known by mapping them again. The dirty log is not run so: the
 * emulated CPU then sets the accessed bits of the guest's page tables without asking
 * EPT for the right to write, and kvm_intel (eptad=0) misses those writes as well.
 */
SUBTEST(memory_without_accessed_bits)
{
	check_with("eptad", "N", "hostmem");
}

/* Every entry and exit drops what the TLB knows of the guest. */
SUBTEST(modes_without_vpid)
{
	check_with("vpid", "N", "modes");
}

SUBTEST(control_registers_without_vpid)
{
	check_with("vpid", "N", "ctrlregs");
}

/* Code runs from small pages only: each large one is split when it is run from. */
SUBTEST(class18_backing_with_nx_huge_pages)
{
	check_with("nx_huge_pages", "1", "backing");
}

SUBTEST(class18_dirty_log_with_nx_huge_pages)
{
	check_with("nx_huge_pages", "1", "dirtylog");
}

SUBTEST(class18_slots_with_nx_huge_pages)
{
	check_with("nx_huge_pages", "1", "memslots");
}

static void guest_unknown_msr(u64 arg)
{
	u32 lo = 1, hi = 1;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(0x12345));
	GUEST_ASSERT_EQ(guest_ex()->vector, arg);
	if (arg == NO_EXCEPTION)
		GUEST_ASSERT_EQ(lo | (u64)hi << 32, 0);
	GUEST_TRY("wrmsr", : "a"(1), "d"(0), "c"(0x12345));
	GUEST_ASSERT_EQ(guest_ex()->vector, arg);
	/* one that is there is not what this is about */
	GUEST_TRY("wrmsr", : "a"(0), "d"(0x8000), "c"(0x176));
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
}

static void unknown_msr(const char *params, u64 want)
{
	struct vm *vm;
	struct vcpu *vcpu;

	CHECK_EQ(load(params), 0);
	vm = vm_create();
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_unknown_msr, want);
	vcpu_expect_done(vcpu);
	vm_free(vm);
	CHECK_EQ(unload(), 0);
}

SUBTEST(unknown_msrs_ignored)
{
	unknown_msr("ignore_msrs=1 report_ignored_msrs=0", NO_EXCEPTION);
}

SUBTEST(unknown_msrs_not_ignored)
{
	unknown_msr("", GP);
}
