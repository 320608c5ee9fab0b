/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine: the device's file descriptors, the guest's memory, the vCPUs with
 * their threads, and how it came to its end. It knows neither what is loaded
 * into the memory nor what sits on its buses.
 */
#ifndef LODGE_CLI_MACHINE_H
#define LODGE_CLI_MACHINE_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bus.h"
#include "device.h"
#include "cli.h"
#include "events.h"
#include "irqs.h"
#include "memory.h"

#define MACHINE_MAX_CPUS	64
/* Exit reasons are counted one by one up to here, the rest in the last. */
#define MACHINE_EXITS		64
#define MACHINE_PARTS		96

struct entry_failure;
struct machine;
struct pci;
struct recorders;

struct cpu {
	struct machine *machine;
	unsigned int index;
	int fd;
	struct kvm_run *run;	/* shared with the device */
	pthread_t thread;
	u64 exits[MACHINE_EXITS]; /* by reason; the thread's own */
	unsigned int pauses;	/* run_lock: who wants it to stand still */
	bool parked;		/* run_lock: it does */
	bool started;		/* run_lock: has a thread */
	struct cpu_state *birth; /* what a reset takes it back to */
};

/* Why a machine ended. */
enum end_kind {
	END_NONE,
	END_EXIT,		/* the guest wrote to the exit port */
	END_POWER_OFF,		/* the guest turned itself off */
	END_RESET,		/* the guest asked for a reset, and --no-reboot was given */
	END_HALT,		/* every CPU halted */
	END_SHUTDOWN,
	END_ENTRY_FAILED,
	END_INTERNAL_ERROR,
	END_UNKNOWN_EXIT,
	END_PANIC,		/* the guest's kernel said so */
	END_CONSOLE,
	END_HOST,
	END_TIMEOUT,
	END_USER,		/* at the console, by the escape key */
	END_SIGNAL,
};

struct machine_end {
	enum end_kind kind;
	int status;		/* of the process */
	char text[512];		/* the line for stderr, or empty */
	struct entry_failure *entry; /* why it could not be entered, if the device says so */
};

struct machine_config {
	const char *device;
	u64 memory;		/* bytes, whole pages */
	unsigned int cpus;
	bool verbose;
	bool platform;		/* interrupt controllers, timer, clock: a PC; or bare CPUs */
	bool no_reboot;		/* a reset ends the machine */
};

/* What sits in a machine. */
struct machine_part {
	/* All vCPUs stand still: as after power on. Or NULL. */
	void (*reset)(void *arg);
	/* The vCPUs are gone. Or NULL. */
	void (*free)(void *arg);
	void *arg;
};

struct machine {
	struct device device;
	int vm_fd;
	size_t run_size;	/* of each vCPU's shared struct kvm_run */
	struct kvm_cpuid2 *cpuid;
	struct memory memory;
	struct chips_state *birth; /* of the interrupt controllers, as a CPU's */
	struct irqs *irqs;	/* NULL on a machine without interrupt controllers */
	struct pci *pci;	/* NULL on a machine without PCI */
	struct recorders *recorders; /* or NULL */
	struct cpu *cpus;
	unsigned int nr_cpus;
	struct bus ports;
	struct bus addresses;
	struct events events;	/* of the main thread while the machine runs */
	struct machine_part part[MACHINE_PARTS];
	unsigned int nr_parts;
	bool no_reboot;
	/* Fills the memory and readies CPU 0 or all of them, at each start. */
	int (*boot)(struct machine *m, void *arg);
	void *boot_arg;
	/* All threads are there, no vCPU has run: 0, or else the machine ends. Or NULL. */
	int (*ready)(void *arg);
	void *ready_arg;
	/* Asks the guest to power itself down; NULL: nothing does. */
	void (*power_button)(void *arg);
	void *power_button_arg;
	/* Told of KVM_EXIT_DEBUG in the vCPU's thread, which then parks. Or NULL. */
	void (*debug_exit)(void *arg, struct cpu *cpu);
	void *debug_arg;
	/* Told of LODGE_EXIT_STOP in the vCPU's thread; returns when it may go on. Or NULL. */
	void (*stop_exit)(void *arg, struct cpu *cpu);
	void *stop_arg;

	int end_fd;		/* readable once the machine has ended */
	int wake_fd;		/* makes the main thread ask its sources again */
	atomic_bool ended;
	atomic_bool resetting;	/* a CPU asked for it: no vCPU goes on before it is done */
	atomic_uint halted;	/* CPUs that halted for good */
	pthread_mutex_t run_lock;
	pthread_cond_t run_cond; /* something under run_lock changed */
	pthread_mutex_t end_lock; /* of end, until the threads are joined */
	struct machine_end end;
};

/*
 * All of a machine that needs no device: buses, locks, files. Tests of devices use it
 * alone, with an irqs of their own. 0, or a status of err.h when the reason has been told.
 */
int machine_prepare(struct machine *m, bool verbose);

/*
 * 0, or a status of err.h when the reason has been told. In both cases
 * machine_destroy() frees what there is.
 */
int machine_create(struct machine *m, const struct machine_config *config);
void machine_destroy(struct machine *m);

/* False when the table is full. The last one added is freed first. */
bool machine_add(struct machine *m, const struct machine_part *part);

/*
 * Runs m->boot() and keeps the state that the vCPUs then have; 0, or a status when the
 * reason has been told.
 */
int machine_boot(struct machine *m);

/*
 * Starts every vCPU and returns when all have stopped; @timeout_ns 0 is none.
 * Afterwards m->end tells how it ended.
 */
void machine_run(struct machine *m, u64 timeout_ns);

/*
 * Ends the machine, from any thread; the first call says why, with the line for
 * stderr or NULL. It returns at once: the main thread then stops the vCPUs.
 */
void __printf(4, 5) machine_stop(struct machine *m, enum end_kind kind,
				 int status, const char *fmt, ...);
bool machine_ended(struct machine *m);

/*
 * From now on a write of the guest to @address, of any length, adds 1 to the eventfd @fd
 * and goes no further; or that is over. 0 or -errno; -ENODEV: there is no virtual machine.
 * In virtio_pci.c.
 */
int machine_ioeventfd(struct machine *m, u64 address, int fd, bool on);

/* Makes the main thread look at its event sources again. */
void machine_wake(struct machine *m);

/*
 * The guest wants a reset. From a vCPU's thread; the guest does not go on behind it. The
 * main thread does the work: all parts, memory and CPUs as they were at the first start.
 */
void machine_reset(struct machine *m);

/*
 * Makes one vCPU, or all, stand still outside of the guest, with their last exit served.
 * From any thread; as many cpu_resume() as cpu_pause() let it go on. cpu_wait_paused()
 * returns when it stands, or the machine has ended; not from a vCPU's thread.
 */
void cpu_pause(struct cpu *cpu);
void cpu_resume(struct cpu *cpu);
void cpu_wait_paused(struct cpu *cpu);
void machine_pause(struct machine *m);		/* and waits */
/*
 * A vCPU that waits for the reader of its console is not waited for in turn: false if not all
 * stand in time, or the machine has ended. Either way machine_resume() is due.
 */
bool machine_pause_within(struct machine *m, unsigned int seconds);
void machine_resume(struct machine *m);

/* For loop.c, after an interrupted KVM_RUN: stands still while somebody wants it. */
void cpu_park(struct cpu *cpu);

#endif
