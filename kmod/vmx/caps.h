/* SPDX-License-Identifier: GPL-2.0 */
/* What this host's VT-x can do, negotiated once when the module is loaded. */
#ifndef LODGE_VMX_CAPS_H
#define LODGE_VMX_CAPS_H

#include <linux/types.h>
#include <asm/vmx.h>

struct vmx_caps {
	u64 basic, misc, ept_vpid;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u32 pin, proc, proc2, exit, entry;	/* granted control words */
	bool invvpid_single;
};

extern struct vmx_caps vmx_caps;

/* 0, or an errno after the reason was logged in words. */
int vmx_caps_probe(void);
void vmx_caps_report(void);

/* Does the CPU that runs this agree with what was negotiated?  Logs if not. */
bool vmx_caps_match_this_cpu(void);

static inline bool vmx_has_vpid(void)
{
	return vmx_caps.proc2 & SECONDARY_EXEC_ENABLE_VPID;
}

static inline bool vmx_has_vnmi(void)
{
	return vmx_caps.pin & PIN_BASED_VIRTUAL_NMIS;
}

static inline bool vmx_has_ept_2m(void)
{
	return vmx_caps.ept_vpid & VMX_EPT_2MB_PAGE_BIT;
}

static inline bool vmx_has_ept_1g(void)
{
	return vmx_caps.ept_vpid & VMX_EPT_1GB_PAGE_BIT;
}

bool vmx_has_ept_ad(void);
bool vmx_has_pml(void);

#endif
