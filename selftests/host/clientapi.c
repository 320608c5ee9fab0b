// SPDX-License-Identifier: GPL-2.0
/*
 * clientapi - calls that clients make because some machine somewhere needs them: where
 * two helper regions of old CPUs lie, who is told of the task priority's use and the
 * word that may stand in its place, the signals blocked during KVM_RUN, and the
 * attributes of the device.
 */
#include <signal.h>

#include "lapic.h"
#include "vthread.h"

#define ARG(x)	((uintptr_t)(x))
#define BAD	((void *)8)

/* ---- regions of old CPUs ---------------------------------------------------------- */

SUBTEST(tss_address)
{
	struct vm *vm = vm_create();

	CHECK_EQ(check_cap(vm, KVM_CAP_SET_TSS_ADDR), 1);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSS_ADDR, 0xffffd000), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSS_ADDR, 0xffffe000), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSS_ADDR, SZ_4G), -EINVAL);
	vcpu_create(vm, 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000), 0);
}

SUBTEST(identity_map_address)
{
	struct vm *vm = vm_create();
	u64 addr = 0xfeffc000, zero = 0;

	CHECK_EQ(check_cap(vm, KVM_CAP_SET_IDENTITY_MAP_ADDR), 1);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, ARG(&addr)), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, ARG(&zero)), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, ARG(BAD)), -EFAULT);
	vcpu_create(vm, 0);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, ARG(&addr)), -EINVAL);
}

SUBTEST(class29_number_of_page_tables)
{
	struct vm *vm = vm_create();

	CHECK_EQ(check_cap(vm, KVM_CAP_MMU_SHADOW_CACHE_CONTROL), 1);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 64), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0), 64);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 0x1000), 0);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0), 0x1000);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 63), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 0), -EINVAL);
	CHECK_EQ(xioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0), 0x1000);
}

/* ---- who is told of the task priority's use ----------------------------------------- */

static int report_tpr(struct vcpu *vcpu, u32 enabled, u32 flags)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled, .flags = flags };

	return xioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, ARG(&ctl));
}

SUBTEST(reporting_arguments)
{
	struct vcpu *vcpu = lapic_new(false);

	CHECK_EQ(report_tpr(vcpu, 1, 0), 0);
	CHECK_EQ(report_tpr(vcpu, 0, 0), 0);
	CHECK_EQ(report_tpr(vcpu, 1, 1), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, ARG(BAD)), -EFAULT);
}

/* One access of the guest's to the register, and the exit that it causes. */
static void expect_report(struct vcpu *vcpu, enum remote_op op, u64 value, bool write)
{
	u64 rip;

	remote_set(vcpu, op, APIC_DEFAULT_BASE + APIC_TASKPRI, value, 4);
	vcpu_run(vcpu, KVM_EXIT_TPR_ACCESS);
	CHECK_EQ(vcpu->run->tpr_access.is_write, write);
	rip = vcpu->run->tpr_access.rip;
	/* of the instruction, which lies in the guest's copy of this program */
	CHECK(rip - ARG(remote_access) < 0x400);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(remote_of(vcpu)->vector, NO_EXCEPTION);
}

SUBTEST(accesses_are_reported)
{
	struct vcpu *vcpu = lapic_new(false);

	CHECK_EQ(check_cap(vcpu->vm, KVM_CAP_VAPIC), 1);
	if (param_on("flexpriority"))
		SKIP("the CPU recognises these accesses by itself");
	CHECK_EQ(report_tpr(vcpu, 1, 0), 0);
	expect_report(vcpu, OP_WRITE, 0x20, true);
	expect_report(vcpu, OP_READ, 0, false);
	CHECK_EQ(remote_of(vcpu)->result, 0x20);
	/* another register is nobody's business */
	CHECK_EQ(apic_rd(vcpu, APIC_LVR) & 0xff, 0x14);
	CHECK_EQ(report_tpr(vcpu, 0, 0), 0);
	CHECK_EQ(apic_rd(vcpu, APIC_TASKPRI), 0x20);
}

/* ---- a word in its place ------------------------------------------------------------ */

static u32 word __aligned(4);

static int set_vapic(struct vcpu *vcpu, u64 addr)
{
	struct kvm_vapic_addr va = { .vapic_addr = addr };

	return xioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, ARG(&va));
}

SUBTEST(word_arguments)
{
	struct vcpu *vcpu = lapic_new(false);
	struct vcpu *other = vcpu_create(vm_create(), 0);

	CHECK_EQ(set_vapic(vcpu, 0), 0);
	CHECK_EQ(set_vapic(vcpu, ARG(&word)), 0);
	CHECK_EQ(set_vapic(vcpu, MMIO_GPA), -EINVAL);
	CHECK_EQ(set_vapic(vcpu, ~0ull), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, ARG(BAD)), -EFAULT);
	/* the local APIC is the client's own */
	CHECK_EQ(set_vapic(other, ARG(&word)), -EINVAL);
}

static u32 tpr_of(struct vcpu *vcpu)
{
	struct kvm_lapic_state s;

	get_lapic(vcpu, &s);
	return lapic_reg(&s, APIC_TASKPRI);
}

/* KVM with APICv does not look at each interrupt, and writes the word when it does. */
static bool word_shows_requests(void)
{
	return !device_is_kvm() || !param_on("enable_apicv");
}

SUBTEST(word_shows_priority_and_request)
{
	struct vcpu *vcpu = lapic_new(false);
	u32 *w = &guest_var(vcpu->vm, word);

	CHECK_EQ(set_vapic(vcpu, ARG(&word)), 0);
	apic_wr(vcpu, APIC_TASKPRI, 0x20);
	CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x55), 1);
	*w = 0x30;
	remote_ok(vcpu, OP_RDCR8, 0, 0);
	if (word_shows_requests())
		CHECK_EQ(*w >> 24, 0x55);
	CHECK_EQ(tpr_of(vcpu), *w & 0xff);
	CHECK_EQ(set_vapic(vcpu, 0), 0);
	*w = 0;
	remote_ok(vcpu, OP_RDCR8, 0, 0);
	CHECK_EQ(*w, 0);
}

static void lower(u64 value)
{
	__atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

/* What the guest writes there is its priority as soon as it exits. */
SUBTEST(word_is_the_priority)
{
	struct vcpu *vcpu = lapic_new(false);

	guest_var(vcpu->vm, word) = 0x60;
	CHECK_EQ(set_vapic(vcpu, ARG(&word)), 0);
	remote_ok(vcpu, OP_CALL, ARG(lower), 0x60);
	CHECK_EQ(tpr_of(vcpu), 0x60);
	CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x55), 1);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x55), 0);
	remote_ok(vcpu, OP_CALL, ARG(lower), 0x40);
	CHECK_EQ(tpr_of(vcpu), 0x40);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x55), 1);
}

/* Its memory may go, and come back; the vCPU goes on. */
SUBTEST(class13_word_without_memory)
{
	struct vcpu *vcpu = lapic_new(false);
	struct vm *vm = vcpu->vm;
	u32 *w = vm_add_mem(vm, 5, TEST_GPA, PAGE_SIZE, MEM_ANON);

	CHECK_EQ(set_vapic(vcpu, TEST_GPA), 0);
	CHECK_EQ(set_region(vm, 5, 0, TEST_GPA, 0, NULL), 0);
	remote_ok(vcpu, OP_RDCR8, 0, 0);
	CHECK_EQ(set_region(vm, 5, 0, TEST_GPA, PAGE_SIZE, w), 0);
	CHECK_EQ(signal_msi(vm, MSI_ADDR, 0x55), 1);
	remote_ok(vcpu, OP_RDCR8, 0, 0);
	if (word_shows_requests())
		CHECK_EQ(*w >> 24, 0x55);
	munmap(w, PAGE_SIZE);
	remote_ok(vcpu, OP_RDCR8, 0, 0);
}

/* ---- signals blocked during KVM_RUN -------------------------------------------------- */

static int set_sigmask(struct vcpu *vcpu, u32 len, u64 mask)
{
	struct {
		u32 len;
		u64 mask;
	} __packed arg = { len, mask };

	return xioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, ARG(&arg));
}

#define SIGNAL(n)	(1ull << ((n) - 1))

SUBTEST(signal_mask_arguments)
{
	struct vcpu *vcpu = lapic_new(false);

	CHECK_EQ(set_sigmask(vcpu, 8, 0), 0);
	CHECK_EQ(set_sigmask(vcpu, 4, 0), -EINVAL);
	CHECK_EQ(set_sigmask(vcpu, 16, 0), -EINVAL);
	CHECK_EQ(set_sigmask(vcpu, 0, 0), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, ARG(BAD)), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, 0), 0);
}

static bool is_pending(int sig)
{
	sigset_t set;

	CHECK_EQ(sigpending(&set), 0);
	return sigismember(&set, sig);
}

static bool is_blocked(int sig)
{
	sigset_t set;

	CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &set), 0);
	return sigismember(&set, sig);
}

/* As old clients wait for a signal: blocked but in KVM_RUN. */
SUBTEST(signal_open_in_the_guest_only)
{
	struct vcpu *vcpu = lapic_new(false);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(set_sigmask(vcpu, 8, 0), 0);
	raise(SIGUSR2);
	CHECK_EQ(vcpu_run_raw(vcpu), -EINTR);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	/* it ended the call, was not taken, and is blocked as before */
	CHECK(is_pending(SIGUSR2));
	CHECK(is_blocked(SIGUSR2));
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, 0), 0);
	remote_ok(vcpu, OP_RDCR8, 0, 0);
}

static volatile sig_atomic_t taken;

static void take(int sig)
{
	taken++;
}

static volatile u64 go_on, spinning;

static void spin(u64 unused)
{
	spinning = 1;
	while (!go_on)
		asm volatile("pause");
}

struct sender {
	struct vm *vm;
	pthread_t to;
};

static void *send(void *arg)
{
	struct sender *s = arg;

	wait_until(*(volatile u64 *)&guest_var(s->vm, spinning));
	pthread_kill(s->to, SIGUSR2);
	guest_var(s->vm, go_on) = 1;
	return NULL;
}

/* The other way round: it waits until KVM_RUN is over, without ending it. */
SUBTEST(signal_blocked_in_the_guest_only)
{
	struct vcpu *vcpu = lapic_new(false);
	struct sender s = { vcpu->vm, pthread_self() };
	struct sigaction sa = { .sa_handler = take };
	struct thread t = { 0 };

	sigaction(SIGUSR2, &sa, NULL);
	/* these two cannot be blocked */
	CHECK_EQ(set_sigmask(vcpu, 8, SIGNAL(SIGUSR2) | SIGNAL(SIGKILL) | SIGNAL(SIGSTOP)), 0);
	remote_set(vcpu, OP_CALL, ARG(spin), 0, 0);
	thread_start(&t, -1, send, &s);
	vcpu_expect_sync(vcpu, 1);
	thread_join(&t);
	CHECK_EQ(taken, 1);
	CHECK(!is_blocked(SIGUSR2));
}

static void *kill_all(void *arg)
{
	struct vm *vm = arg;

	wait_until(*(volatile u64 *)&guest_var(vm, spinning));
	kill(getpid(), SIGKILL);
	return NULL;
}

/* Not even a client that blocks everything outlives it. */
SUBTEST(class25_sigkill_is_never_blocked)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct vcpu *vcpu = lapic_new(false);
		struct thread t = { 0 };

		set_sigmask(vcpu, 8, ~0ull);
		remote_set(vcpu, OP_CALL, ARG(spin), 0, 0);
		thread_start(&t, -1, kill_all, vcpu->vm);
		vcpu_run_raw(vcpu);
		_exit(EXIT_PASS);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
}

/* ---- attributes of the device ---------------------------------------------------------- */

static int dev_attr(struct vm *vm, unsigned long cmd, u32 group, u64 attr, void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = ARG(value) };

	return xioctl(vm->dev_fd, cmd, ARG(&a));
}

SUBTEST(xcr0_that_guests_may_have)
{
	struct vm *vm = vm_create();
	u64 xcr0 = 0, cpuid = 0;

	CHECK_EQ(check_cap(vm, KVM_CAP_SYS_ATTRIBUTES), 1);
	CHECK_EQ(dev_attr(vm, KVM_HAS_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, NULL), 0);
	CHECK_EQ(dev_attr(vm, KVM_GET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, &xcr0), 0);
	for (u32 i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 0xd && !vm->cpuid->entries[i].index)
			cpuid = vm->cpuid->entries[i].eax |
				(u64)vm->cpuid->entries[i].edx << 32;
	CHECK_EQ(xcr0, cpuid);
	CHECK_EQ(dev_attr(vm, KVM_GET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, BAD), -EFAULT);
	CHECK_EQ(dev_attr(vm, KVM_GET_DEVICE_ATTR, 0, 77, &xcr0), -ENXIO);
	CHECK_EQ(dev_attr(vm, KVM_HAS_DEVICE_ATTR, 1, KVM_X86_XCOMP_GUEST_SUPP, NULL), -ENXIO);
	CHECK_EQ(xioctl(vm->dev_fd, KVM_GET_DEVICE_ATTR, ARG(BAD)), -EFAULT);
}
