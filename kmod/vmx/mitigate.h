/* SPDX-License-Identifier: GPL-2.0 */
/* What the host's speculation mitigations ask of VM entry and exit. */
#ifndef LODGE_VMX_MITIGATE_H
#define LODGE_VMX_MITIGATE_H

#include <linux/types.h>

int mitigate_init(void);
void mitigate_free(void);
/* With interrupts off, right before an entry. */
void mitigate_entry(void);
/* Another vCPU than the last one becomes current on this CPU. */
void mitigate_switch(void);
/* Called by enter.S between the exit and its first RET. */
void mitigate_exit(void);

#endif
