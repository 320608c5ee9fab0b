/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine that a row of `lodge bench` is measured in: as little of one as will do,
 * made and ended for each row, and its vCPUs, which run bench_guest.S. It says why
 * something fails in words, once.
 */
#ifndef LODGE_CLI_BENCH_VM_H
#define LODGE_CLI_BENCH_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <x86intrin.h>

#include "bench_guest.h"
#include "device.h"
#include "memory.h"

#define BENCH_CPUS	2
#define BENCH_SLOT_AREA	1	/* slot 0 is BENCH_MEMORY */
#define BENCH_WHY	256

struct bench_vm;

struct bench_cpu {
	struct bench_vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	struct bench_shared *shared;	/* in the guest's memory */
	const u8 *entry;
	pthread_t thread;
	bool has_thread;
	atomic_bool stop;		/* its thread is to end, whatever the guest does */
	atomic_int tid;			/* of the thread, once it is about to run */
	atomic_bool over;		/* the thread has ended, with */
	bool ok;
};

struct bench_vm {
	const struct device *device;
	int fd;
	struct memory memory;
	u8 *area;			/* at BENCH_AREA */
	u64 area_size;
	size_t run_size;
	struct kvm_coalesced_mmio_ring *ring;
	struct bench_cpu cpu[BENCH_CPUS];
	unsigned int nr_cpus;
	/* BENCH_PORT_NEXT. */
	void (*next)(void *arg);
	void *next_arg;
	atomic_bool ending;		/* its time is over */
	atomic_bool failed;
	char why[BENCH_WHY];		/* the first failure */
};

/* Remembers why, if it is the first reason; false. */
bool __printf(2, 3) bench_fail(struct bench_vm *vm, const char *fmt, ...);
/* "WHAT: strerror(errno)"; false. */
bool bench_refused(struct bench_vm *vm, const char *what);

/* An ioctl that is to succeed. */
bool bench_ioctl(struct bench_vm *vm, int fd, unsigned long request, const char *name,
		 void *arg);
#define BENCH_IOCTL(vm, fd, request, arg)				\
	bench_ioctl(vm, fd, request, #request, (void *)(uintptr_t)(arg))

/* KVM_CREATE_VM, and memory with the guest's code. False: to be destroyed as well. */
bool bench_vm_create(struct bench_vm *vm, const struct device *device, bool irqchip);
/* A vCPU that will start at an entry of bench_guest.S with interrupts on or off. */
bool bench_cpu_create(struct bench_vm *vm, const u8 *entry, bool interrupts);
/* Its time stamps become the host's: interrupts between them can be timed. */
bool bench_cpu_host_time(struct bench_cpu *cpu);
/* Sets or deletes (@size 0) a slot. */
bool bench_slot(struct bench_vm *vm, unsigned int slot, u64 gpa, void *host, u64 size,
		unsigned int flags);
/* Memory at BENCH_AREA, aligned to 2 MiB, with or without huge pages. */
bool bench_area(struct bench_vm *vm, u64 size, bool huge, unsigned int flags);
/* Whether all of the area is huge pages now. */
bool bench_area_is_huge(struct bench_vm *vm);
void bench_vm_destroy(struct bench_vm *vm);

/* The guest physical address of something in bench_guest.S. */
static inline u64 bench_address(const u8 *there)
{
	return BENCH_CODE + (there - bench_guest);
}

/* Until BENCH_PORT_DONE. */
bool bench_run(struct bench_cpu *cpu);
/* The same in a thread of its own, on host CPU @host_cpu unless that is -1. */
bool bench_run_thread(struct bench_cpu *cpu, int host_cpu);
/* Waits until the guest of the thread has halted and the thread sleeps. */
bool bench_wait_asleep(struct bench_cpu *cpu);
/* Waits until the thread has ended; with @stop it is made to. */
bool bench_join(struct bench_cpu *cpu, bool stop);

/* What takes longer is ended, with that as a reason; 0 is no limit. */
void bench_watch(struct bench_vm *vm, unsigned int seconds);

static inline u64 bench_now(void)
{
	u64 now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
}

#endif
