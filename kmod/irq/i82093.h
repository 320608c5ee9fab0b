/* SPDX-License-Identifier: GPL-2.0 */
/* The registers of an 82093AA: pure logic, under their owner's lock. */
#ifndef LODGE_IRQ_I82093_H
#define LODGE_IRQ_I82093_H

#include <linux/bits.h>

#include "irq.h"

/* A redirection entry; data sheet 3.2.4. */
#define ENTRY_VECTOR	GENMASK_ULL(7, 0)
#define ENTRY_MODE	GENMASK_ULL(10, 8)
#define ENTRY_LOGICAL	BIT_ULL(11)
#define ENTRY_STATUS	BIT_ULL(12)
#define ENTRY_REMOTE	BIT_ULL(14)	/* its EOI is awaited */
#define ENTRY_LEVEL	BIT_ULL(15)
#define ENTRY_MASKED	BIT_ULL(16)
#define ENTRY_DEST	GENMASK_ULL(63, 56)

/* An entry that was written. */
struct i82093_change {
	unsigned int pin;
	u64 old, new;
};

/* By their offsets in memory; true: it was an entry. */
u32 i82093_read(const struct kvm_ioapic_state *s, unsigned int offset);
bool i82093_write(struct kvm_ioapic_state *s, unsigned int offset, u32 value,
		  struct i82093_change *change);

/* What an entry sends. */
struct irq_msg i82093_message(u64 entry);

#endif
