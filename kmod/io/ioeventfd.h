/* SPDX-License-Identifier: GPL-2.0 */
/* Writes of a guest that signal an eventfd. */
#ifndef LODGE_IO_IOEVENTFD_H
#define LODGE_IO_IOEVENTFD_H

#include "../lodge.h"

int ioeventfd_set(struct lodge_vm *vm, const struct kvm_ioeventfd *args);

#endif
