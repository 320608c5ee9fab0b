// SPDX-License-Identifier: GPL-2.0
/*
 * break.c - VMCSs broken on purpose, one entry long, so that the model of VM entry's
 * checks can be compared with what the CPU says.  It can crash the host: a CPU may not
 * check what the SDM says that it checks.  Therefore it does nothing unless the module
 * was built with CONFIG_LODGE_BREAK, which says so when it is loaded, and root asks.
 */
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "break.h"
#include "entry_failure.h"
#include "lodge.h"
#include "vmx/insn.h"
#include "vmx/regs.h"
#include "vmx/run.h"

struct lodge_broken {
	bool applied;
	u32 count;
	struct lodge_vmcs_field field[LODGE_MAX_BROKEN];
	unsigned long old[LODGE_MAX_BROKEN];
};

int break_next_entry(struct lodge_vcpu *vcpu, const struct lodge_vmcs_field *fields, u32 count)
{
	struct lodge_broken *b;
	u32 i;

	if (!IS_ENABLED(CONFIG_LODGE_BREAK)) {
		pr_info_once("a VMCS is broken for tests only, by a module built with CONFIG_LODGE_BREAK=y\n");
		return -EOPNOTSUPP;
	}
	/* whoever enters keeps its own copy of this one, and writes it as it likes */
	for (i = 0; i < count; i++)
		if (fields[i].encoding == HOST_RSP)
			return -EINVAL;
	break_free(vcpu);
	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	memcpy(b->field, fields, count * sizeof(*fields));
	b->count = count;
	vcpu->broken = b;
	return 0;
}

void break_free(struct lodge_vcpu *vcpu)
{
	kfree(vcpu->broken);
	vcpu->broken = NULL;
}

void break_apply(struct lodge_vcpu *vcpu)
{
	struct lodge_broken *b = vcpu->broken;
	u32 i;

	if (b->applied)
		return;
	preempt_disable();
	vmx_settle(vcpu);
	preempt_enable();
	for (i = 0; i < b->count; i++) {
		if (!vmread_try(b->field[i].encoding, &b->old[i]) ||
		    !vmwrite_try(b->field[i].encoding, b->field[i].value))
			pr_info("no VMCS field %#x\n", b->field[i].encoding);
	}
	b->applied = true;
	/* what the model says must be known even where the CPU does not mind */
	entry_failure_look(vcpu, 0);
}

void break_undo(struct lodge_vcpu *vcpu)
{
	struct lodge_broken *b = vcpu->broken;
	u32 i;

	/* the cache of registers has nothing of what was broken */
	regs_flush(vcpu);
	vcpu->reg_avail = 0;
	for (i = b->count; i--; )
		vmwrite_try(b->field[i].encoding, b->old[i]);
	/* it may have been another task's meanwhile: to be written anew */
	vcpu->host.cr3 = ~0ul;
	vcpu->host.cr4 = ~0ul;
	break_free(vcpu);
}
