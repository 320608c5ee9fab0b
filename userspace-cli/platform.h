/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a machine that is a PC has its things: what the devices, the ACPI tables and the
 * loaders must agree on. There is no firmware: tables are where firmware would put them.
 */
#ifndef LODGE_CLI_PLATFORM_H
#define LODGE_CLI_PLATFORM_H

#include "memory.h"

/* ---- physical addresses ---- */
#define PLATFORM_LOW_END	0x9fc00ull	/* conventional memory ends, EBDA to 640 KiB */
#define PLATFORM_ACPI		0xe0000ull	/* RSDP first, then the tables, 64 KiB */
#define PLATFORM_ACPI_SIZE	0x10000ull
#define PLATFORM_MPTABLE	0xf0000ull	/* floating pointer first, 64 KiB */
#define PLATFORM_MPTABLE_SIZE	0x10000ull
#define PLATFORM_HIGH		0x100000ull	/* memory goes on */
#define PLATFORM_PCI_BASE	MEMORY_LOW_END	/* the window of BARs */
#define PLATFORM_PCI_END	0xfec00000ull
#define PLATFORM_IOAPIC		0xfec00000ull
#define PLATFORM_LAPIC		0xfee00000ull

/* ---- ports ---- */
#define PORT_I8042_DATA		0x60
#define PORT_I8042_COMMAND	0x64
#define PORT_RTC		0x70		/* index, data */
#define PORT_DEBUG_CONSOLE	0xe9
#define PORT_EXIT		0xf4
#define PORT_SERIAL		0x3f8
#define PORT_PM1_EVENT		0x600		/* status, enable: 2 bytes each */
#define PORT_PM1_CONTROL	0x604		/* 2 bytes */
#define PORT_PM_TIMER		0x608		/* 4 bytes */
#define PORT_PCI_ADDRESS	0xcf8
#define PORT_RESET		0xcf9		/* in the second byte of the former */
#define PORT_PCI_DATA		0xcfc

/* SLP_TYP of S5 in PM1 control; RESET_VALUE into PORT_RESET resets. */
#define PM_SLEEP_TYPE_S5	5
#define RESET_VALUE		0x06

/* ---- pins; those below 16 are edge triggered but for IRQ_SCI ---- */
#define IRQ_KEYBOARD		1
#define IRQ_SERIAL		4
#define IRQ_RTC			8
#define IRQ_SCI			9
/* INTA# to INTD# of slot s at pin p (0 to 3), level triggered. */
#define IRQ_PCI(s, p)		(16 + (((s) + (p)) & 3))

#define IOAPIC_ID(cpus)		(cpus)		/* the first id that no CPU has */

#endif
