/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How devices interrupt: lines to pins of the interrupt controllers, and messages (MSI)
 * that an eventfd sends. A table of functions stands between, so that the tests of devices
 * need no virtual machine; that of a real one is irqs.c.
 */
#ifndef LODGE_CLI_IRQS_H
#define LODGE_CLI_IRQS_H

#include "cli.h"

/* Pins of the IOAPIC, the lower 16 of which are those of the PICs, too. */
#define IRQ_PINS		24

struct irqs;

/* Each may be called from any thread. */
struct irqs_ops {
	/*
	 * The wire's level. Level-triggered pins that several share: each calls for itself
	 * with its own @source (from irqs_source()), the pin is high while one is.
	 */
	void (*line)(struct irqs *irqs, unsigned int pin, unsigned int source, bool high);
	/* Room for one message: its number, or -errno. It is not sent until it is set. */
	int (*msi_add)(struct irqs *irqs);
	void (*msi_remove)(struct irqs *irqs, int msi);
	/*
	 * From now on a write to @eventfd sends @data to @address; with @on false it does
	 * not, and what is written meanwhile is sent when it is on again. 0 or -errno.
	 */
	int (*msi_set)(struct irqs *irqs, int msi, int eventfd, u64 address, u32 data, bool on);
};

struct irqs {
	const struct irqs_ops *ops;
	unsigned int nr_sources;	/* of lines: set up before the first vCPU runs */
};

/* A number for one who drives lines; fewer than 64 are needed. */
static inline unsigned int irqs_source(struct irqs *irqs)
{
	return irqs->nr_sources++;
}

static inline void irqs_line(struct irqs *irqs, unsigned int pin, unsigned int source, bool high)
{
	irqs->ops->line(irqs, pin, source, high);
}

#endif
