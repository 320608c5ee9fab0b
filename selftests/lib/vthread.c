// SPDX-License-Identifier: GPL-2.0
/*
 * The threads of vthread.h, and how it is seen from outside that one of them sleeps:
 * /proc has the system call in which a thread that does not run is.
 */
#include <sys/syscall.h>

#include "vthread.h"

static int run_once(struct vthread *r)
{
	r->ret = vcpu_run_raw(r->vcpu);
	r->runs++;
	return r->ret;
}

/* Takes the exit; true: the guest is done. */
static bool take_exit(struct vthread *r)
{
	struct ucall uc;

	CHECK_EQ(r->ret, 0);
	if (get_ucall(r->vcpu, &uc) == UCALL_NONE)
		FAIL("vCPU %d: unexpected exit %s", r->vcpu->id,
		     exit_name(r->vcpu->run->exit_reason));
	if (uc.cmd == UCALL_SYNC) {
		WRITE_ONCE(r->value, uc.b);
		__atomic_add_fetch(&r->syncs, 1, __ATOMIC_RELEASE);
	}
	return uc.cmd == UCALL_DONE;
}

static void *run_to_the_end(void *arg)
{
	struct vthread *r = arg;
	int ret;

	__atomic_store_n(&r->tid, gettid(), __ATOMIC_RELEASE);
	for (;;) {
		ret = run_once(r);
		if (ret == -EINTR) {
			r->interrupted++;
			WRITE_ONCE(r->vcpu->run->immediate_exit, 0);
			if (READ_ONCE(r->stop))
				return NULL;
		} else if (ret == -EAGAIN) {
			r->again++;
		} else if (take_exit(r)) {
			return NULL;
		}
	}
}

static void *run_only_once(void *arg)
{
	struct vthread *r = arg;

	__atomic_store_n(&r->tid, gettid(), __ATOMIC_RELEASE);
	run_once(r);
	WRITE_ONCE(r->vcpu->run->immediate_exit, 0);
	return NULL;
}

static void start(struct vthread *r, struct vcpu *vcpu, int cpu, void *(*fn)(void *))
{
	*r = (struct vthread){ .vcpu = vcpu };
	thread_start(&r->t, cpu, fn, r);
}

void vthread_start(struct vthread *r, struct vcpu *vcpu, int cpu)
{
	start(r, vcpu, cpu, run_to_the_end);
}

void vthread_start_once(struct vthread *r, struct vcpu *vcpu, int cpu)
{
	start(r, vcpu, cpu, run_only_once);
}

void vthread_join(struct vthread *r)
{
	thread_join(&r->t);
}

void vthread_stop(struct vthread *r)
{
	WRITE_ONCE(r->stop, true);
	thread_stop(&r->t);
}

bool vthread_done(struct vthread *r)
{
	return __atomic_load_n(&r->t.done, __ATOMIC_ACQUIRE);
}

static bool in_run(struct vthread *r)
{
	unsigned long fd, cmd;
	char path[64];
	bool in;
	long nr;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", r->tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	/* Of a thread that runs it says "running". */
	in = fscanf(f, "%ld %lx %lx", &nr, &fd, &cmd) == 3 && nr == SYS_ioctl &&
	     (int)fd == r->vcpu->fd && cmd == KVM_RUN;
	fclose(f);
	return in;
}

/* Not so where no signal can end it: KVM_RUN also waits for locks and for RCU. */
static bool sleeps_lightly(struct vthread *r)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", r->tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'S';
}

static bool asleep_in_run(struct vthread *r)
{
	return __atomic_load_n(&r->tid, __ATOMIC_ACQUIRE) && in_run(r) && sleeps_lightly(r);
}

void vthread_wait_asleep(struct vthread *r)
{
	while (!asleep_in_run(r)) {
		if (vthread_done(r))
			FAIL("vCPU %d: expected to sleep in KVM_RUN, it returned %d",
			     r->vcpu->id, r->ret);
		sched_yield();
	}
}

void vthread_wait_syncs(struct vthread *r, u64 n)
{
	wait_until(__atomic_load_n(&r->syncs, __ATOMIC_ACQUIRE) >= n || vthread_done(r));
	CHECK_EQ(__atomic_load_n(&r->syncs, __ATOMIC_ACQUIRE), n);
}

static bool all_done(struct vthread *r, int n)
{
	for (int i = 0; i < n; i++)
		if (!vthread_done(&r[i]))
			return false;
	for (int i = 0; i < n; i++)
		vthread_join(&r[i]);
	return true;
}

u64 vthreads_move_until_done(struct vthread *r, int n)
{
	cpu_set_t set;
	u64 moves;

	for (moves = 0; !all_done(r, n); moves++) {
		for (int i = 0; i < n; i++) {
			pid_t tid = __atomic_load_n(&r[i].tid, __ATOMIC_ACQUIRE);

			CPU_ZERO(&set);
			CPU_SET((moves + i) % nr_cpus(), &set);
			/* It may have ended just now. */
			if (tid && sched_setaffinity(tid, sizeof(set), &set))
				CHECK_EQ(errno, ESRCH);
		}
		sched_yield();
	}
	return moves;
}

u64 vthreads_kick_until_done(struct vthread *r, int n)
{
	u64 kicks;

	for (kicks = 0; !all_done(r, n); kicks++) {
		for (int i = 0; i < n; i++)
			if (!vthread_done(&r[i]))
				thread_kick(&r[i].t);
		sched_yield();
	}
	return kicks;
}

int get_mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state s = { ~0u };

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	return s.mp_state;
}

int set_mp_state(struct vcpu *vcpu, u32 state)
{
	struct kvm_mp_state s = { state };

	return xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&s);
}

struct vcpu *vcpu_create_started(struct vm *vm, int id, void (*fn)(u64 arg), u64 arg)
{
	struct vcpu *vcpu = vcpu_create(vm, id);

	vcpu_long_mode(vcpu, fn, arg);
	CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE), 0);
	return vcpu;
}
