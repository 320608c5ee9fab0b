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
#include "events.h"
#include "cli.h"

#define MACHINE_MAX_CPUS	64
/* Exit reasons are counted one by one up to here, the rest in the last. */
#define MACHINE_EXITS		64

/* Memory stops here and goes on at 4 GiB: the room between is for devices. */
#define MACHINE_LOW_END		(3 * GIB)
#define MACHINE_HIGH_BASE	(4 * GIB)

struct machine;

struct cpu {
	struct machine *machine;
	unsigned int index;
	int fd;
	struct kvm_run *run;	/* shared with the device */
	pthread_t thread;
	u64 exits[MACHINE_EXITS]; /* by reason; the thread's own */
};

struct ram {
	u64 gpa;
	u64 size;
	u8 *host;
};

/* Why a machine ended. */
enum end_kind {
	END_NONE,
	END_EXIT,		/* the guest wrote to the exit port */
	END_HALT,		/* every CPU halted */
	END_SHUTDOWN,
	END_ENTRY_FAILED,
	END_INTERNAL_ERROR,
	END_UNKNOWN_EXIT,
	END_CONSOLE,
	END_HOST,
	END_TIMEOUT,
	END_SIGNAL,
};

struct machine_end {
	enum end_kind kind;
	int status;		/* of the process */
	char text[512];		/* the line for stderr, or empty */
};

struct machine_config {
	const char *device;
	u64 memory;		/* bytes, whole pages */
	unsigned int cpus;
	bool verbose;
};

struct machine {
	struct device device;
	int vm_fd;
	size_t run_size;	/* of each vCPU's shared struct kvm_run */
	struct kvm_cpuid2 *cpuid;
	u64 memory;
	struct ram ram[2];	/* below and above the hole; size 0: not there */
	struct cpu *cpus;
	unsigned int nr_cpus;
	struct bus ports;
	struct bus addresses;
	struct events events;	/* of the main thread while the machine runs */

	int end_fd;		/* readable once the machine has ended */
	int wake_fd;		/* makes the main thread ask its sources again */
	atomic_bool ended;
	atomic_uint halted;	/* CPUs that halted for good */
	pthread_mutex_t end_lock; /* of end, until the threads are joined */
	struct machine_end end;
};

/*
 * 0, or a status of err.h when the reason has been told. In both cases
 * machine_destroy() frees what there is.
 */
int machine_create(struct machine *m, const struct machine_config *config);
void machine_destroy(struct machine *m);

/* Where @len bytes at guest physical @gpa are in this process, or NULL. */
void *machine_memory(const struct machine *m, u64 gpa, u64 len);

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

/* Makes the main thread look at its event sources again. */
void machine_wake(struct machine *m);

#endif
