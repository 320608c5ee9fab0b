/* SPDX-License-Identifier: GPL-2.0 */
/* Which parts of a guest's port and memory space are served in the kernel. */
#ifndef LODGE_IO_BUS_H
#define LODGE_IO_BUS_H

#include "../lodge.h"

enum io_space { IO_PORTS, IO_MEMORY };

struct io_dev;

struct io_ops {
	/* False: not for this device after all.  Inside SRCU; may not sleep long. */
	bool (*read)(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 addr,
		     void *data, unsigned int len);	/* NULL: it never answers */
	bool (*write)(struct io_dev *dev, struct lodge_vcpu *vcpu, u64 addr,
		      const void *data, unsigned int len);
	/* No access is going on any more. */
	void (*destroy)(struct io_dev *dev);
};

/* Part of the device's own struct. */
struct io_dev {
	const struct io_ops *ops;	/* (C) */
	u64 base, len;			/* (C) len 0: one address, any length */
	enum io_space space;		/* (C) */
	bool doorbell;			/* (C) in memory; an access says all there is to say */
};

int bus_init(struct lodge_vm *vm);
/* Destroys every device. */
void bus_destroy(struct lodge_vm *vm);

/* Under vm->io_lock. */
int bus_add(struct lodge_vm *vm, struct io_dev *dev);
/* Cannot fail; destroys the device. */
void bus_remove(struct lodge_vm *vm, struct io_dev *dev);
/* The first device after @from (NULL: of all) that has these ops. */
struct io_dev *bus_next(struct lodge_vm *vm, const struct io_ops *ops, struct io_dev *from);

/* By the vCPU, whose guest accesses that; false: nobody in the kernel wants it. */
bool bus_read(struct lodge_vcpu *vcpu, enum io_space space, u64 addr,
	      void *data, unsigned int len);
bool bus_write(struct lodge_vcpu *vcpu, enum io_space space, u64 addr,
	       const void *data, unsigned int len);

/*
 * The same for a doorbell, without the data: is there one, and ring it.  Then nobody
 * has to look at the instruction.
 */
bool bus_has_doorbell(struct lodge_vm *vm, gpa_t gpa);
bool bus_ring(struct lodge_vcpu *vcpu, gpa_t gpa);

#endif
