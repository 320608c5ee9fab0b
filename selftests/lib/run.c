// SPDX-License-Identifier: GPL-2.0
/*
 * Running a vCPU and requiring what comes out: exit reasons by name, reports of
 * the guest, single port and MMIO accesses; threads, kicks and child processes.
 */
#include <sched.h>
#include <signal.h>

#include "internal.h"

__thread struct vcpu *current_vcpu;

#define NAME(x)	{ KVM_EXIT_##x, #x }
static const struct {
	u32 reason;
	const char *name;
} exit_names[] = {
	NAME(UNKNOWN), NAME(EXCEPTION), NAME(IO), NAME(HYPERCALL), NAME(DEBUG),
	NAME(HLT), NAME(MMIO), NAME(IRQ_WINDOW_OPEN), NAME(SHUTDOWN),
	NAME(FAIL_ENTRY), NAME(INTR), NAME(SET_TPR), NAME(TPR_ACCESS), NAME(NMI),
	NAME(INTERNAL_ERROR), NAME(SYSTEM_EVENT), NAME(X86_RDMSR),
	NAME(X86_WRMSR), NAME(X86_BUS_LOCK), NAME(NOTIFY),
};

const char *exit_name(u32 reason)
{
	for (u64 i = 0; i < ARRAY_SIZE(exit_names); i++)
		if (exit_names[i].reason == reason)
			return exit_names[i].name;
	return "(no name)";
}

int vcpu_run_raw(struct vcpu *vcpu)
{
	int ret;

	current_vcpu = vcpu;
	ret = xioctl(vcpu->fd, KVM_RUN, 0);
	current_vcpu = NULL;
	return ret;
}

/* What the last exit was, in words. */
static const char *describe(struct vcpu *vcpu, char *buf, size_t size)
{
	struct kvm_run *r = vcpu->run;
	struct kvm_regs regs = { 0 };
	int n;

	xioctl(vcpu->fd, KVM_GET_REGS, (uintptr_t)&regs);
	n = snprintf(buf, size, "%s at rip %#llx", exit_name(r->exit_reason),
		     regs.rip);
	if (r->exit_reason == KVM_EXIT_IO)
		snprintf(buf + n, size - n, ": %s port %#x size %d count %d",
			 r->io.direction ? "out" : "in", r->io.port, r->io.size,
			 r->io.count);
	else if (r->exit_reason == KVM_EXIT_MMIO)
		snprintf(buf + n, size - n, ": %s %#llx length %d",
			 r->mmio.is_write ? "write" : "read", r->mmio.phys_addr,
			 r->mmio.len);
	else if (r->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(buf + n, size - n, ": suberror %d", r->internal.suberror);
	else if (r->exit_reason == KVM_EXIT_FAIL_ENTRY)
		snprintf(buf + n, size - n, ": hardware reason %#llx",
			 r->fail_entry.hardware_entry_failure_reason);
	return buf;
}

static void abort_report(const struct ucall *uc)
{
	if (!uc->file)
		FAIL("guest: unexpected exception %llu at rip %#llx, error %#llx",
		     (unsigned long long)uc->line, (unsigned long long)uc->a,
		     (unsigned long long)uc->b);
	test_fail((const char *)uc->file, uc->line,
		  "guest: expected %s, got %#llx and %#llx",
		  (const char *)uc->text, (unsigned long long)uc->a,
		  (unsigned long long)uc->b);
}

enum ucall_cmd get_ucall(struct vcpu *vcpu, struct ucall *uc)
{
	struct kvm_run *r = vcpu->run;
	u8 *data = (u8 *)r + r->io.data_offset;

	*uc = (struct ucall){ .cmd = UCALL_NONE };
	if (r->exit_reason != KVM_EXIT_IO || r->io.direction != KVM_EXIT_IO_OUT)
		return UCALL_NONE;
	if (r->io.port == SYNC_PORT && r->io.size == 1) {
		uc->cmd = UCALL_SYNC;
		uc->a = *data;
	} else if (r->io.port == UCALL_PORT && r->io.size == 4) {
		memcpy(uc, vm_ptr(vcpu->vm, *(u32 *)data), sizeof(*uc));
	}
	if (uc->cmd == UCALL_ABORT)
		abort_report(uc);
	return uc->cmd;
}

static void run_any(const char *file, int line, struct vcpu *vcpu)
{
	int ret = vcpu_run_raw(vcpu);
	struct ucall uc;

	if (ret)
		test_fail(file, line, "KVM_RUN: expected 0, got %s",
			  strerrorname_np(-ret));
	get_ucall(vcpu, &uc);
}

void run_at(const char *file, int line, struct vcpu *vcpu, u32 reason)
{
	char buf[160];

	run_any(file, line, vcpu);
	if (vcpu->run->exit_reason != reason)
		test_fail(file, line, "expected exit %s, got %s",
			  exit_name(reason), describe(vcpu, buf, sizeof(buf)));
}

u64 sync_at(const char *file, int line, struct vcpu *vcpu, u64 want)
{
	struct ucall uc;
	char buf[160];

	run_any(file, line, vcpu);
	if (get_ucall(vcpu, &uc) != UCALL_SYNC || uc.a != want)
		test_fail(file, line, "expected GUEST_SYNC(%llu), got %s, %s %llu",
			  (unsigned long long)want,
			  describe(vcpu, buf, sizeof(buf)),
			  uc.cmd == UCALL_DONE ? "GUEST_DONE" : "number",
			  (unsigned long long)uc.a);
	return uc.b;
}

void done_at(const char *file, int line, struct vcpu *vcpu)
{
	struct ucall uc;
	char buf[160];

	run_any(file, line, vcpu);
	if (get_ucall(vcpu, &uc) != UCALL_DONE)
		test_fail(file, line, "expected GUEST_DONE, got %s",
			  describe(vcpu, buf, sizeof(buf)));
}

u8 *mmio_at(const char *file, int line, struct vcpu *vcpu, u64 addr, u32 len,
	    bool write)
{
	struct kvm_run *r = vcpu->run;
	char buf[160];

	run_any(file, line, vcpu);
	if (r->exit_reason != KVM_EXIT_MMIO || r->mmio.phys_addr != addr ||
	    r->mmio.len != len || r->mmio.is_write != write)
		test_fail(file, line, "expected MMIO: %s %#llx length %u, got %s",
			  write ? "write" : "read", (unsigned long long)addr, len,
			  describe(vcpu, buf, sizeof(buf)));
	return r->mmio.data;
}

u8 *io_at(const char *file, int line, struct vcpu *vcpu, u16 port, u8 size,
	  bool out, u32 count)
{
	struct kvm_run *r = vcpu->run;
	char buf[160];

	run_any(file, line, vcpu);
	if (r->exit_reason != KVM_EXIT_IO || r->io.port != port ||
	    r->io.size != size || r->io.count != count ||
	    r->io.direction != (out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN))
		test_fail(file, line,
			  "expected IO: %s port %#x size %d count %u, got %s",
			  out ? "out" : "in", port, size, count,
			  describe(vcpu, buf, sizeof(buf)));
	return (u8 *)r + r->io.data_offset;
}

bool mmio_dev_serve(struct mmio_dev *dev, struct kvm_run *r)
{
	u64 off = r->mmio.phys_addr - dev->base;

	if (r->exit_reason != KVM_EXIT_MMIO || off >= dev->size ||
	    r->mmio.len > 8 || off + r->mmio.len > dev->size)
		return false;
	if (r->mmio.is_write) {
		memcpy(dev->data + off, r->mmio.data, r->mmio.len);
		dev->writes++;
		dev->bytes_written += r->mmio.len;
	} else {
		memcpy(r->mmio.data, dev->data + off, r->mmio.len);
		dev->reads++;
		dev->bytes_read += r->mmio.len;
	}
	return true;
}

enum ucall_cmd serve_at(const char *file, int line, struct vcpu *vcpu,
			struct mmio_dev *dev, struct ucall *uc)
{
	char buf[160];

	do
		run_any(file, line, vcpu);
	while (mmio_dev_serve(dev, vcpu->run));
	if (get_ucall(vcpu, uc) == UCALL_NONE)
		test_fail(file, line, "expected MMIO or a report, got %s",
			  describe(vcpu, buf, sizeof(buf)));
	return uc->cmd;
}

void vcpu_complete(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	CHECK_EQ(vcpu_run_raw(vcpu), -EINTR);
	vcpu->run->immediate_exit = 0;
}

/* ---- threads and processes ------------------------------------------ */

int nr_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		FAIL("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static void on_kick(int sig)
{
	struct vcpu *vcpu = current_vcpu;

	if (vcpu)
		WRITE_ONCE(vcpu->run->immediate_exit, 1);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	void *ret;

	if (t->cpu >= 0)
		pin_to_cpu(t->cpu);
	ret = t->fn(t->arg);
	__atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
	return ret;
}

void thread_start(struct thread *t, int cpu, void *(*fn)(void *), void *arg)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(SIGUSR1, &sa, NULL);	/* no SA_RESTART: KVM_RUN must return */
	*t = (struct thread){ .fn = fn, .arg = arg, .cpu = cpu };
	CHECK_EQ(pthread_create(&t->id, NULL, thread_main, t), 0);
}

void thread_kick(struct thread *t)
{
	CHECK_EQ(pthread_kill(t->id, SIGUSR1), 0);
}

void thread_join(struct thread *t)
{
	CHECK_EQ(pthread_join(t->id, NULL), 0);
}

void thread_stop(struct thread *t)
{
	/* A kick between two KVM_RUNs finds no vCPU, so one may not do. */
	while (!__atomic_load_n(&t->done, __ATOMIC_ACQUIRE)) {
		thread_kick(t);
		sched_yield();
	}
	thread_join(t);
}

void chan_open(struct chan *c)
{
	CHECK_EQ(pipe(c->fd), 0);
}

void chan_put(struct chan *c, char byte)
{
	CHECK_EQ(write(c->fd[1], &byte, 1), 1);
}

void chan_wait(struct chan *c, char byte)
{
	char got = 0;

	CHECK_EQ(read(c->fd[0], &got, 1), 1);
	CHECK_EQ(got, byte);
}

void child_join(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("child process: expected exit 0, got wait status %#x", status);
}
