// SPDX-License-Identifier: GPL-2.0
/*
 * module - lodge.ko as a module: loaded and unloaded many times, kept in by
 * whatever is open, beside kvm_intel, and its parameters (bug class 44). Runs
 * with no such module loaded: $LODGE_KO is lodge.ko, $KVM_KO_DIR holds kvm's.
 *
 * CR4.VMXE cannot be read by a program. kvm_intel refuses to make a VM when the
 * bit is set on any CPU, so that one can be made shows that it is clear on all.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include "leak.h"
#include "module.h"

static volatile u64 count;

static void guest_count(u64 arg)
{
	for (;;)
		GUEST_SYNC_VALUE(1, ++count);
}

/* ---- machines ------------------------------------------------------------ */

static struct vcpu *machine_on(const char *node)
{
	struct vcpu *vcpu;

	device = node;
	count = 0;
	vcpu = vcpu_create(vm_create(), 0);
	vcpu_long_mode(vcpu, guest_count, 0);
	return vcpu;
}

static void runs(struct vcpu *vcpu, int n)
{
	u64 next = guest_var(vcpu->vm, count) + 1;

	for (int i = 0; i < n; i++) {
		pin_to_cpu(i % nr_cpus());
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), next + i);
	}
}

static void check_device(const char *node)
{
	struct vcpu *vcpu = machine_on(node);

	runs(vcpu, 6);
	vm_free(vcpu->vm);
}

static void check_vmxe_is_clear(void)
{
	load_kvm("");
	check_device("/dev/kvm");
	unload_kvm();
}

/* ---- loading and unloading ---------------------------------------------- */

SUBTEST(class44_load_run_unload)
{
	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	CHECK_EQ(load_lodge(""), -EEXIST);
	check_device("/dev/lodge");
	CHECK_EQ(module_unload("lodge"), 0);
	CHECK_EQ(access("/dev/lodge", F_OK), -1);
	check_vmxe_is_clear();
}

static void load_unload(void *arg)
{
	CHECK_EQ(load_lodge(""), 0);
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(class44_load_and_unload_many_times)
{
	unload_all();
	/* and a fifth of it before it counts */
	leak_test(load_unload, NULL, nr_cpus() > 1 ? 6 : 20, 1);
	check_vmxe_is_clear();
}

static void load_run_unload(void *arg)
{
	CHECK_EQ(load_lodge(""), 0);
	check_device("/dev/lodge");
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(class44_load_run_and_unload_many_times)
{
	unload_all();
	leak_test(load_run_unload, NULL, nr_cpus() > 1 ? 5 : 10, 1);
	check_vmxe_is_clear();
}

/* ---- what keeps it in --------------------------------------------------- */

SUBTEST(class44_refused_while_the_device_is_open)
{
	int fd;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	fd = open("/dev/lodge", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(module_unload("lodge"), -EWOULDBLOCK);
	close(fd);
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(class44_refused_while_a_vm_is_open)
{
	struct vcpu *vcpu;
	struct vm *vm;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	vcpu = machine_on("/dev/lodge");
	vm = vcpu->vm;
	close(vm->dev_fd);
	munmap(vcpu->run, vm->mmap_size);
	close(vcpu->fd);
	CHECK_EQ(module_unload("lodge"), -EWOULDBLOCK);
	close(vm->fd);
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(class44_refused_while_a_vcpu_is_open)
{
	struct vcpu *vcpu;
	struct vm *vm;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	vcpu = machine_on("/dev/lodge");
	vm = vcpu->vm;
	close(vm->dev_fd);
	close(vm->fd);
	CHECK_EQ(module_unload("lodge"), -EWOULDBLOCK);
	runs(vcpu, 3);
	munmap(vcpu->run, vm->mmap_size);
	CHECK_EQ(module_unload("lodge"), -EWOULDBLOCK);
	close(vcpu->fd);
	CHECK_EQ(module_unload("lodge"), 0);
	check_vmxe_is_clear();
}

/* No descriptor is left, but the vCPU's pages are mapped. */
SUBTEST(class44_refused_while_kvm_run_is_mapped)
{
	struct vcpu *vcpu;
	struct vm *vm;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	vcpu = machine_on("/dev/lodge");
	vm = vcpu->vm;
	close(vm->dev_fd);
	close(vm->fd);
	close(vcpu->fd);
	CHECK_EQ(module_unload("lodge"), -EWOULDBLOCK);
	CHECK_EQ(vcpu->run->immediate_exit, 0);
	munmap(vcpu->run, vm->mmap_size);
	CHECK_EQ(module_unload("lodge"), 0);
}

static void *run_until_kicked(void *arg)
{
	int ret;

	do
		ret = vcpu_run_raw(arg);
	while (!ret);
	return NULL;
}

SUBTEST(class44_refused_while_a_guest_runs)
{
	struct vcpu *vcpu;
	struct thread t;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	vcpu = machine_on("/dev/lodge");
	thread_start(&t, -1, run_until_kicked, vcpu);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(module_unload("lodge"), -EWOULDBLOCK);
	thread_stop(&t);
	vm_free(vcpu->vm);
	CHECK_EQ(module_unload("lodge"), 0);
}

/* Opened and unloaded at the same time: one of both wins, each time. */
static void *open_and_use(void *arg)
{
	volatile bool *stop = arg;

	while (!*stop) {
		int fd = open("/dev/lodge", O_RDWR | O_CLOEXEC), vm;

		if (fd < 0)
			continue;
		CHECK_EQ(xioctl(fd, KVM_GET_API_VERSION, 0), 12);
		vm = xioctl(fd, KVM_CREATE_VM, 0);
		CHECK(vm >= 0);
		close(fd);
		close(vm);
		sched_yield();		/* with one CPU the other would have no chance */
	}
	return NULL;
}

SUBTEST(class44_opened_while_it_is_unloaded)
{
	static volatile bool stop;
	struct thread t;
	int refused = 0, ret;

	unload_all();
	thread_start(&t, -1, open_and_use, (void *)&stop);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(load_lodge(""), 0);
		while ((ret = module_unload("lodge"))) {
			CHECK_EQ(ret, -EWOULDBLOCK);
			refused++;
		}
	}
	stop = true;
	thread_join(&t);
	test_diag("refused %d times", refused);
	check_vmxe_is_clear();
}

/* ---- beside kvm_intel ---------------------------------------------------- */

SUBTEST(class43_kvm_has_a_vm)
{
	struct vcpu *kvm;
	int fd;

	unload_all();
	load_kvm("");
	kvm = machine_on("/dev/kvm");
	runs(kvm, 4);
	CHECK_EQ(load_lodge(""), 0);
	fd = open("/dev/lodge", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(xioctl(fd, KVM_CREATE_VM, 0), -EBUSY);
		runs(kvm, 4);
	}
	close(fd);
	CHECK_EQ(module_unload("lodge"), 0);
	runs(kvm, 4);
	CHECK_EQ(load_lodge(""), 0);
	vm_free(kvm->vm);
	/* KVM of this kernel leaves VMX with its last VM. */
	check_device("/dev/lodge");
	check_device("/dev/kvm");
	CHECK_EQ(module_unload("lodge"), 0);
	unload_kvm();
}

SUBTEST(class43_lodge_has_a_vm)
{
	struct vcpu *lodge;
	int fd;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	lodge = machine_on("/dev/lodge");
	runs(lodge, 4);
	load_kvm("");
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	for (int i = 0; i < 5; i++) {
		CHECK(xioctl(fd, KVM_CREATE_VM, 0) < 0);
		runs(lodge, 4);
	}
	close(fd);
	unload_kvm();
	runs(lodge, 4);
	vm_free(lodge->vm);
	CHECK_EQ(module_unload("lodge"), 0);
	check_vmxe_is_clear();
}

/* Killed in the guest: the next owner finds the CPUs free. */
SUBTEST(class43_owner_is_killed)
{
	struct chan ready;
	int status;
	pid_t pid;

	unload_all();
	CHECK_EQ(load_lodge(""), 0);
	chan_open(&ready);
	pid = fork();
	if (!pid) {
		struct vcpu *vcpu = machine_on("/dev/lodge");

		runs(vcpu, 2);
		chan_put(&ready, 1);
		run_until_kicked(vcpu);
	}
	close(ready.fd[1]);
	chan_wait(&ready, 1);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	load_kvm("");
	check_device("/dev/kvm");
	unload_kvm();
	CHECK_EQ(module_unload("lodge"), 0);
}

/* ---- parameters ---------------------------------------------------------- */

SUBTEST(parameter_device)
{
	struct stat st;

	unload_all();
	CHECK_EQ(load_lodge("device=another-name_2"), 0);
	CHECK_EQ(stat("/dev/another-name_2", &st), 0);
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(access("/dev/lodge", F_OK), -1);
	check_device("/dev/another-name_2");
	CHECK_EQ(module_unload("lodge"), 0);
	CHECK_EQ(access("/dev/another-name_2", F_OK), -1);
}

/* For clients in which the name is built in. */
SUBTEST(parameter_device_kvm)
{
	unload_all();
	CHECK_EQ(load_lodge("device=kvm"), 0);
	check_device("/dev/kvm");
	CHECK_EQ(module_unload("lodge"), 0);
	load_kvm("");
	/* The name is taken now: one owner, and no damage to it. */
	CHECK(load_lodge("device=kvm") < 0);
	check_device("/dev/kvm");
	CHECK_EQ(load_lodge(""), 0);
	CHECK_EQ(module_unload("lodge"), 0);
	unload_kvm();
}

SUBTEST(parameter_device_bad_names)
{
	static const char *const bad[] = {
		"device=", "device=/", "device=a/b", "device=.", "device=..",
		"device=../x", "device=\"a b\"", "device=a%sb", "device=\"a\tb\"", "device=\xff",
		"device=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	unload_all();
	for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
		int ret = load_lodge(bad[i]);

		test_doing("%s", bad[i]);
		CHECK(ret < 0);
		CHECK_EQ(module_unload("lodge"), -ENOENT);
	}
	/* A name that somebody else has. */
	test_doing("device=kmsg");
	CHECK(load_lodge("device=rtc0/x") < 0);
	CHECK_EQ(load_lodge(""), 0);
	CHECK_EQ(module_unload("lodge"), 0);
}

static void with_parameter(const char *params)
{
	unload_all();
	test_doing("%s", params);
	CHECK_EQ(load_lodge(params), 0);
	CHECK(module_took("lodge", params));
	check_device("/dev/lodge");
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(parameter_vpid)
{
	with_parameter("vpid=0");
	with_parameter("vpid=1");
}

SUBTEST(parameter_eptad)
{
	with_parameter("eptad=0");
	with_parameter("eptad=1");
}

/* What the two change is how stale translations go: many machines, both CPUs. */
SUBTEST(class17_without_vpid)
{
	struct vcpu *vcpu[6];

	unload_all();
	CHECK_EQ(load_lodge("vpid=0 eptad=0"), 0);
	for (u64 i = 0; i < ARRAY_SIZE(vcpu); i++)
		vcpu[i] = machine_on("/dev/lodge");
	for (int round = 0; round < 20; round++)
		for (u64 i = 0; i < ARRAY_SIZE(vcpu); i++)
			runs(vcpu[i], 2);
	for (u64 i = 0; i < ARRAY_SIZE(vcpu); i++) {
		CHECK_EQ(guest_var(vcpu[i]->vm, count), 40);
		vm_free(vcpu[i]->vm);
	}
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(parameters_that_do_not_exist_are_ignored)
{
	unload_all();
	CHECK_EQ(load_lodge("no_such_parameter=1"), 0);
	CHECK_EQ(module_unload("lodge"), 0);
	CHECK(load_lodge("vpid=maybe") < 0);
	CHECK_EQ(module_unload("lodge"), -ENOENT);
}
