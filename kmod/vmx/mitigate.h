/* SPDX-License-Identifier: GPL-2.0 */
/* What the host's speculation mitigations ask of VM entry and exit. */
#ifndef LODGE_VMX_MITIGATE_H
#define LODGE_VMX_MITIGATE_H

#include "../lodge.h"

int mitigate_init(void);
void mitigate_free(void);
extern bool mitigate_flush_l1d;		/* __ro_after_init */
void mitigate_flush(struct lodge_vcpu *vcpu);

/* With interrupts off, right before an entry. */
static inline void mitigate_entry(struct lodge_vcpu *vcpu)
{
	if (unlikely(mitigate_flush_l1d))
		mitigate_flush(vcpu);
}

/* Another vCPU than the last one becomes current on this CPU. */
void mitigate_switch(void);
/* The last thing before enter.S, and what that calls between exit and first RET. */
void mitigate_load_guest(struct lodge_vcpu *vcpu);
void mitigate_exit(struct lodge_vcpu *vcpu);

/* What a guest may write into SPEC_CTRL on this host; 0: there is none. */
u64 mitigate_spec_ctrl_bits(void);
/* IA32_ARCH_CAPABILITIES as a guest may see it. */
u64 mitigate_arch_capabilities(void);

#endif
