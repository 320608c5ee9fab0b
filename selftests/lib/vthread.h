/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vthread.h - threads that run vCPUs of machines with interrupt controllers in the
 * kernel, where KVM_RUN sleeps: starting them, seeing that one sleeps, making it
 * return, moving it about. Order comes from what is seen, never from time.
 */
#ifndef SELFTEST_VTHREAD_H
#define SELFTEST_VTHREAD_H

#include <sched.h>

#include "selftest.h"

struct vthread {
	struct thread t;
	struct vcpu *vcpu;
	pid_t tid;
	int ret;			/* of the last KVM_RUN */
	bool stop;			/* the next -EINTR ends the thread */
	u64 syncs, value;		/* GUEST_SYNCs so far, value of the last */
	u64 interrupted, again;		/* KVM_RUNs that were -EINTR, -EAGAIN */
	u64 runs;
};

/* For what other threads change: @cond reads it with READ_ONCE() or the like. */
#define wait_until(cond) do {						\
	while (!(cond))							\
		sched_yield();						\
} while (0)

/*
 * A thread that does KVM_RUN until GUEST_DONE. GUEST_SYNCs are counted; -EINTR, and
 * the -EAGAIN of a vCPU that was uninitialised, go round; all else fails the test.
 */
void vthread_start(struct vthread *r, struct vcpu *vcpu, int cpu);
/* A thread that does one KVM_RUN: r->ret is what it returned. */
void vthread_start_once(struct vthread *r, struct vcpu *vcpu, int cpu);
void vthread_join(struct vthread *r);
/* Makes its KVM_RUN return, and ends the thread. */
void vthread_stop(struct vthread *r);
/* Until its thread sleeps in KVM_RUN. */
void vthread_wait_asleep(struct vthread *r);
/* Until the guest has reported @n times. */
void vthread_wait_syncs(struct vthread *r, u64 n);
/* Is it over? */
bool vthread_done(struct vthread *r);

/* What disturbs running vCPUs until all are done; both return how often they did. */
u64 vthreads_move_until_done(struct vthread *r, int n);
u64 vthreads_kick_until_done(struct vthread *r, int n);

int get_mp_state(struct vcpu *vcpu);
/* KVM_SET_MP_STATE: 0 or -errno. */
int set_mp_state(struct vcpu *vcpu, u32 state);
/* vcpu_create() and vcpu_long_mode() of one that user space starts by itself. */
struct vcpu *vcpu_create_started(struct vm *vm, int id, void (*fn)(u64 arg), u64 arg);

#endif /* SELFTEST_VTHREAD_H */
