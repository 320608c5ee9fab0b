// SPDX-License-Identifier: GPL-2.0
/*
 * i82093.c - the registers of an 82093AA I/O APIC behind its window, and the message
 * that a redirection entry stands for.  Called by ioapic.c, which has the lock and the
 * pins; nothing here sends anything.  "Data sheet" is Intel's, order number 290566.
 */
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include <linux/nospec.h>

#include "i82093.h"
#include "irq.h"

#define VERSION		0x11
#define READ_ONLY	(ENTRY_STATUS | ENTRY_REMOTE)

/* The two registers in memory, and what the first of them makes the second. */
enum { IOREGSEL = 0x00, IOWIN = 0x10 };
/* Data sheet 3.2; there are two of the last for each entry. */
enum { IOAPICID, IOAPICVER, IOAPICARB, IOREDTBL = 0x10 };

/* Also of what is no entry: out of range then. */
static u32 selected_pin(const struct kvm_ioapic_state *s)
{
	return (s->ioregsel - IOREDTBL) / 2;
}

static u32 read_window(const struct kvm_ioapic_state *s)
{
	u32 pin = selected_pin(s);

	if (pin < IOAPIC_PINS) {
		pin = array_index_nospec(pin, IOAPIC_PINS);
		return s->redirtbl[pin].bits >> (s->ioregsel & 1 ? 32 : 0);
	}
	switch (s->ioregsel) {
	case IOAPICID:
	case IOAPICARB:
		return (s->id & 0xf) << 24;
	case IOAPICVER:
		return (IOAPIC_PINS - 1) << 16 | VERSION;
	default:
		return ~0;
	}
}

u32 i82093_read(const struct kvm_ioapic_state *s, unsigned int offset)
{
	if (offset == IOWIN)
		return read_window(s);
	return offset == IOREGSEL ? s->ioregsel : 0;
}

static bool write_window(struct kvm_ioapic_state *s, u32 value, struct i82093_change *change)
{
	u32 pin = selected_pin(s);
	u64 old, new;

	if (s->ioregsel == IOAPICID)
		s->id = value >> 24 & 0xf;
	if (pin >= IOAPIC_PINS)
		return false;
	pin = array_index_nospec(pin, IOAPIC_PINS);
	old = s->redirtbl[pin].bits;
	if (s->ioregsel & 1)
		new = (u64)value << 32 | lower_32_bits(old);
	else
		new = (u64)upper_32_bits(old) << 32 | value;
	new = (new & ~READ_ONLY) | (old & READ_ONLY);
	/* guests that know no EOI register end an interrupt by a visit to edge mode */
	if (!(new & ENTRY_LEVEL))
		new &= ~ENTRY_REMOTE;
	s->redirtbl[pin].bits = new;
	*change = (struct i82093_change) { pin, old, new };
	return true;
}

bool i82093_write(struct kvm_ioapic_state *s, unsigned int offset, u32 value,
		  struct i82093_change *change)
{
	if (offset == IOWIN)
		return write_window(s, value, change);
	if (offset == IOREGSEL)
		s->ioregsel = value & 0xff;
	return false;
}

struct irq_msg i82093_message(u64 entry)
{
	return (struct irq_msg) {
		.dest = FIELD_GET(ENTRY_DEST, entry),
		.vector = FIELD_GET(ENTRY_VECTOR, entry),
		.mode = FIELD_GET(ENTRY_MODE, entry),
		.logical = entry & ENTRY_LOGICAL,
		.level = entry & ENTRY_LEVEL,
	};
}
