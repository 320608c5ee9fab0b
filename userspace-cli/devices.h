/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The devices that `lodge run` can put into a machine. Each is a file of its own that puts
 * itself on the machine's buses and frees itself with the machine (machine_add()). Where
 * platform.h says, unless told otherwise; false, or a status: the reason has been told.
 */
#ifndef LODGE_CLI_DEVICES_H
#define LODGE_CLI_DEVICES_H

#include "machine.h"
#include "platform.h"

struct pci;

/* A 16550 that speaks to two files, -1: none; false without a word: no room or memory. */
bool serial_create(struct machine *m, int in_fd, int out_fd);
/* A write ends the machine with the value as its status. */
bool exit_port_create(struct machine *m);
/* Bytes written there go to @out_fd; a read gives 0xe9. */
bool debug_console_create(struct machine *m, int out_fd);
/* The CMOS clock: time of day with alarm, periodic and update interrupts, and its RAM. */
bool rtc_create(struct machine *m);
/* No keyboard and no mouse, but the reset line, and the self tests that drivers make. */
bool i8042_create(struct machine *m);
/* ACPI's fixed hardware: power management events, power button, sleep, timer, reset. */
bool pm_create(struct machine *m);
/* What the guest writes to PORT_RESET, which lies within ports of the PCI host bridge. */
void pm_reset_write(struct machine *m, u8 value);

/* The host bridge and configuration mechanism 1 (pci.h). */
bool pci_create(struct machine *m);

/* A guest's kernel that panics ends the machine: 0, or a status when the reason has been told. */
int panic_create(struct machine *m);

/* ---- virtio: 0, or a status when the reason has been told ---- */

struct disk_config {
	const char *path;
	bool read_only;
	bool direct;		/* O_DIRECT: past the host's page cache */
	bool threads;		/* instead of io_uring, which else is taken where it is */
};

int virtio_blk_create(struct machine *m, const struct disk_config *config);

struct net_publish {
	u32 host_address;	/* network order; 0: any */
	u16 host_port, guest_port;
	bool udp;
};

#define NET_PUBLISHES	16

struct net_config {
	enum { NET_NONE, NET_USER, NET_TAP } kind;
	const char *tap;	/* name of the interface */
	u8 mac[6];		/* all 0: one is made up */
	struct net_publish publish[NET_PUBLISHES];
	unsigned int nr_publishes;
};

int virtio_net_create(struct machine *m, const struct net_config *config);
/* Speaks to two files; with @terminal, the size of that terminal is the guest's. */
int virtio_console_create(struct machine *m, int in_fd, int out_fd, int terminal_fd);
int virtio_rng_create(struct machine *m);

#endif
