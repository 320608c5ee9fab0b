/* SPDX-License-Identifier: GPL-2.0 */
/* No code from large pages, and large pages again where no code ran for long. */
#ifndef LODGE_MEM_NX_HUGE_H
#define LODGE_MEM_NX_HUGE_H

#include "../lodge.h"

void nx_huge_init(struct lodge_vm *vm);
/* No vCPU runs any more. */
void nx_huge_stop(struct lodge_vm *vm);

/* There is something to recover. */
void nx_huge_recover_later(struct lodge_vm *vm);

#endif
