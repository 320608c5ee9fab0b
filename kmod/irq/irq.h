/* SPDX-License-Identifier: GPL-2.0 */
/*
 * irq.h - the words of the interrupt floor.  A device raises a line (a GSI) or
 * sends a message; route.c finds what a line means; the PIC and the IOAPIC turn
 * pins into messages; lapic.c takes messages, on behalf of a vCPU that may run on
 * another CPU at that moment.  The way back, from a guest's end of interrupt to
 * the device that holds its line, is route_acked().
 */
#ifndef LODGE_IRQ_IRQ_H
#define LODGE_IRQ_IRQ_H

#include <linux/bitmap.h>
#include <linux/bits.h>

#include "../lodge.h"

/*
 * Who drives a line: it is high while anybody drives it high.  The last is the first
 * once more, as one who wants to know what becomes of it (KVM_IRQ_LINE_STATUS).
 */
enum irq_source { SOURCE_USER, SOURCE_RESAMPLE, SOURCE_PIT, SOURCE_USER_ASKS };

/* Under the lock of whoever owns @drivers: is the line high now? */
static inline bool line_drive(u8 *drivers, enum irq_source source, bool level)
{
	if (source == SOURCE_USER_ASKS)
		source = SOURCE_USER;
	*drivers = level ? *drivers | BIT(source) : *drivers & ~BIT(source);
	return *drivers;
}

/* What became of a line's change or of a message; positive: so many took it. */
enum irq_result {
	IRQ_NOBODY = -1,	/* masked, or nobody is addressed */
	IRQ_COALESCED = 0,	/* everybody addressed has it pending already */
};

/* Delivery modes as the ICR, an MSI and a redirection entry encode them. */
enum irq_mode {
	IRQ_FIXED, IRQ_LOWEST, IRQ_SMI, IRQ_RESERVED, IRQ_NMI, IRQ_INIT, IRQ_STARTUP,
	IRQ_EXTINT,
};

/* A message to local APICs. */
struct irq_msg {
	u32 dest;		/* APIC id or logical destination */
	u8 vector;
	u8 mode;		/* enum irq_mode */
	bool logical;		/* how dest is meant */
	bool level;		/* level-triggered: its EOI is wanted */
	bool ipi;		/* from an ICR: no chip's eight bits, but an APIC's own width */
	bool x2apic;		/* which is 32 bits */
};

#define IOAPIC_PINS	24

#endif
