/* SPDX-License-Identifier: GPL-2.0 */
/* All that a VMCS holds, by number. */
#ifndef LODGE_VMX_VMCS_DUMP_H
#define LODGE_VMX_VMCS_DUMP_H

#include <uapi/linux/lodge.h>

#include "../lodge.h"

/* Does this field tell where the host keeps what? */
bool vmcs_is_secret(u32 field);

/*
 * With the VMCS loaded: how many fields there are; at most @max of them are stored.
 * With @hide, what tells of the host's addresses is left out.
 */
int vmcs_dump(struct lodge_vcpu *vcpu, bool hide, struct lodge_vmcs_field *out, int max);

#endif
