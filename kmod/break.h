/* SPDX-License-Identifier: GPL-2.0 */
/* VMCSs broken on purpose, in modules built for tests (CONFIG_LODGE_BREAK) alone. */
#ifndef LODGE_BREAK_H
#define LODGE_BREAK_H

#include <uapi/linux/lodge.h>

#include "lodge.h"

/* The next entry is made with these values; nothing in a module that is not for tests. */
int break_next_entry(struct lodge_vcpu *vcpu, const struct lodge_vmcs_field *fields, u32 count);
void break_free(struct lodge_vcpu *vcpu);

/* Around an entry, with the VMCS loaded. */
void break_apply(struct lodge_vcpu *vcpu);
void break_undo(struct lodge_vcpu *vcpu);

static inline bool breaks_entry(const struct lodge_vcpu *vcpu)
{
	return IS_ENABLED(CONFIG_LODGE_BREAK) && unlikely(vcpu->broken);
}

#endif
