// SPDX-License-Identifier: GPL-2.0
/*
 * nx_huge.c - on some CPUs a guest that changes the size of a page which it runs code
 * from can bring down the host (machine check by iTLB multihit, CVE-2018-12207).  There
 * a large page is mapped without the right to run code, and the first instruction
 * fetched from it makes small ones of it.  What was split so is withdrawn after a
 * while, the oldest first: what still runs code is split again, the rest is large once
 * more.  Parameters and their defaults are KVM's.
 */
#include <linux/cpu.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/workqueue.h>
#include <asm/cpufeature.h>

#include "../lodge.h"
#include "ept.h"
#include "nx_huge.h"

static int nx_huge_pages = -1;
module_param(nx_huge_pages, int, 0644);
MODULE_PARM_DESC(nx_huge_pages,
		 "no code from large pages, in machines made from now on: 1 on, 0 off, -1 where the CPU's erratum asks (default)");

static unsigned int nx_huge_pages_recovery_ratio = 60;
module_param(nx_huge_pages_recovery_ratio, uint, 0644);
MODULE_PARM_DESC(nx_huge_pages_recovery_ratio,
		 "one part in so many of the large pages that code split is recovered each time; 0: none (default 60)");

static unsigned int nx_huge_pages_recovery_period_ms;
module_param(nx_huge_pages_recovery_period_ms, uint, 0644);
MODULE_PARM_DESC(nx_huge_pages_recovery_period_ms,
		 "how often; 0: so that all are recovered within an hour (default)");

#define HOUR_MS	(60 * 60 * MSEC_PER_SEC)

static bool wanted(void)
{
	int param = READ_ONCE(nx_huge_pages);

	if (param >= 0)
		return param;
	return boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
}

/* Both parameters may change at any time; they are looked at when a period begins. */
static unsigned int period_ms(void)
{
	unsigned int period = READ_ONCE(nx_huge_pages_recovery_period_ms);
	unsigned int ratio = READ_ONCE(nx_huge_pages_recovery_ratio);

	if (period)
		return period;
	return max(HOUR_MS / max(ratio, 1u), 1ul);
}

void nx_huge_recover_later(struct lodge_vm *vm)
{
	/* nothing, if it waits already */
	queue_delayed_work(system_unbound_wq, &vm->nx_recovery, msecs_to_jiffies(period_ms()));
}

static void recover(struct work_struct *work)
{
	struct lodge_vm *vm = container_of(to_delayed_work(work), struct lodge_vm, nx_recovery);
	unsigned int ratio = READ_ONCE(nx_huge_pages_recovery_ratio);
	u64 n = ratio ? DIV_ROUND_UP_ULL(READ_ONCE(vm->nx_splits), ratio) : 0;
	gfn_t gfn;

	/* the count bounds it: a guest that splits them again gives more work, not a longer one */
	for (; n && ept_oldest_nx_split(vm, &gfn); n--)
		ept_zap(vm, gfn, gfn + ept_level_pages(EPT_LEVEL_2M), true);
	if (READ_ONCE(vm->nx_splits))
		nx_huge_recover_later(vm);
}

void nx_huge_init(struct lodge_vm *vm)
{
	INIT_DELAYED_WORK(&vm->nx_recovery, recover);
	vm->nx_huge = wanted();
}

void nx_huge_stop(struct lodge_vm *vm)
{
	cancel_delayed_work_sync(&vm->nx_recovery);
}
