/* SPDX-License-Identifier: GPL-2.0 */
/* What is counted, and how it is read.  Included by lodge.h. */
#ifndef LODGE_STATS_H
#define LODGE_STATS_H

#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define STAT_EXIT_REASONS	80	/* basic reasons of VM exits: vol. 3D appendix C */
#define STAT_USER_REASONS	48	/* KVM_EXIT_* */
#define STAT_LOG2_BUCKETS	32	/* the last one holds all that is larger */

/*
 * Of a vCPU: written by its own task, read by anybody at any time.  Each is one word,
 * so that what is read was true at some moment; all together are not of one moment.
 */
struct lodge_vcpu_stats {
	u64 exits[STAT_EXIT_REASONS];
	u64 host_ticks[STAT_EXIT_REASONS];	/* of the host until it entered again */
	u64 to_user[STAT_USER_REASONS];
	u64 events[4];			/* by enum lodge_event: what went in with an entry */
	u64 emulated, emulated_fail;
	u64 faults_fixed;		/* EPT violations after which the guest could go on */
	u64 tlb_flushes;
	u64 vmcs_reads, vmcs_writes;	/* until its task last left a CPU */
	u64 yields, yields_done;	/* to another vCPU, by the guest's wish */
	u64 preemptions_told;
	u64 polls, polls_hit;		/* halted, and looked a while before sleeping */
	u64 poll_hit_ns, poll_miss_ns, sleep_ns;
	u64 wakeups;
	u64 poll_hit_hist[STAT_LOG2_BUCKETS], poll_miss_hist[STAT_LOG2_BUCKETS];
	u64 sleep_hist[STAT_LOG2_BUCKETS];
	u64 sleeping;			/* 0 or 1 */

	u64 all_exits;			/* filled in by the reader */
};

static inline void stat_add_ns(u64 *sum, u64 *hist, u64 ns)
{
	*sum += ns;
	hist[min_t(int, fls64(ns), STAT_LOG2_BUCKETS - 1)]++;
}

struct lodge_vm;
struct lodge_vcpu;

/* Folders of debugfs; that of a machine goes with it. */
int stats_init(void);
void stats_exit(void);
void stats_add_vm(struct lodge_vm *vm, int fd);
void stats_add_vcpu(struct lodge_vcpu *vcpu);

/* KVM_GET_STATS_FD of either kind of descriptor: a new descriptor, or an errno. */
long vcpu_ioctl_get_stats_fd(void *object, unsigned long arg);
long vm_ioctl_get_stats_fd(void *object, unsigned long arg);

#endif
