/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory.h - what the tests of guest memory share: single accesses by the guest,
 * vCPU threads that run until they are told to stop, dirty logs as bitmaps, and
 * guests that keep writing while the host copies what the log says.
 */
#ifndef SELFTEST_MEMORY_H
#define SELFTEST_MEMORY_H

#include "selftest.h"

/* ---- single accesses -------------------------------------------------- */

/* One 8-byte access at @gpa: 0, or what KVM_RUN returned (go on by guest_retry()). */
int guest_read(struct vcpu *vcpu, u64 gpa, u64 *value);
int guest_write(struct vcpu *vcpu, u64 gpa, u64 value);
int guest_retry(struct vcpu *vcpu, u64 *value);
/* The same, only to its first exit, whichever that is. */
int guest_start_write(struct vcpu *vcpu, u64 gpa, u64 value);

#define CHECK_READ(vcpu, gpa, want) do {				\
	u64 value__;							\
	CHECK_EQ(guest_read(vcpu, gpa, &value__), 0);			\
	CHECK_EQ(value__, want);					\
} while (0)

/* By the host: an access that would be a SIGBUS gives write() an EFAULT. */
bool readable(const void *p);

/* Puts "mov $value, %eax; ret" there; and calls it in the guest. */
void put_code(void *p, u32 value);
int guest_execute(struct vcpu *vcpu, u64 gpa, u64 *value);

/* The guest writes one word to each page of a list, in this order. */
#define MAX_LIST	64

void guest_write_pages(struct vcpu *vcpu, u64 gpa, const u32 *pages, int nr);
#define GUEST_WRITES(vcpu, gpa, ...) do {				\
	const u32 list__[] = { __VA_ARGS__ };				\
	guest_write_pages(vcpu, gpa, list__, ARRAY_SIZE(list__));	\
} while (0)

/* A vCPU 0 in a new VM that has @mem as SLOT at TEST_GPA. */
#define MEM_SLOT	1
struct vcpu *vcpu_with_mem(void *mem, size_t size, u32 flags);

/* ---- vCPUs that run --------------------------------------------------- */

struct runner {
	struct thread thread;
	struct vcpu *vcpu;
	/* Another exit than a report, or NULL: such an exit fails the test. */
	void (*on_exit)(struct runner *r);
	bool stop, pause, paused;
	u64 faults;			/* KVM_RUN returned -EFAULT */
	u64 mmios;			/* accesses that found no memory */
};

void runner_start(struct runner *r, struct vcpu *vcpu, int cpu);
void runner_stop(struct runner *r);

/* Counted by the guests, by vCPU id. */
extern u64 guest_rounds[4];
/* Until that vCPU went round its loop @n times more. */
void wait_rounds(struct vcpu *vcpu, u64 n);

/* ---- dirty logs ------------------------------------------------------- */

int enable_cap_flags(struct vm *vm, u32 cap, u32 flags, u64 arg);
int get_dirty_log(struct vm *vm, u32 slot, void *bitmap);
int clear_dirty_log(struct vm *vm, u32 slot, u64 first, u32 num, const void *bitmap);

/* A buffer that ends where nothing can be written. */
u64 *buffer_at_the_edge(u64 words);

#define BITMAP_WORDS(pages)	(((pages) + 63) / 64)

static inline bool test_bit(const u64 *bitmap, u64 n)
{
	return bitmap[n / 64] >> n % 64 & 1;
}

static inline void set_bit(u64 *bitmap, u64 n)
{
	bitmap[n / 64] |= BIT(n % 64);
}

/* The log of @slot has just these pages, of @pages that it has. */
void check_dirty_at(const char *file, int line, struct vm *vm, u32 slot, u64 pages,
		    const u32 *want, int nr);
#define CHECK_DIRTY(vm, slot, pages, ...) do {				\
	const u32 list__[] = { __VA_ARGS__ };				\
	check_dirty_at(__FILE__, __LINE__, vm, slot, pages, list__,	\
		       ARRAY_SIZE(list__));				\
} while (0)
#define CHECK_CLEAN(vm, slot, pages)					\
	check_dirty_at(__FILE__, __LINE__, vm, slot, pages, NULL, 0)

/* ---- writers, and a copy kept by the log ------------------------------ */

struct shadow {
	struct vm *vm;
	u8 *mem, *copy;
	u64 gpa, pages, copied;
	struct runner runners[2];
	int nr;
};

/*
 * Makes @nr vCPUs that write to random pages of @mem (a slot at @gpa) without an
 * end; the copy is equal to the memory as it is now. Start them after that.
 */
void shadow_create(struct shadow *s, struct vm *vm, u8 *mem, u64 gpa, u64 pages, int nr);
void shadow_start(struct shadow *s, void (*on_exit)(struct runner *r));
void shadow_copy(struct shadow *s, u64 page);
/* Until they are resumed, the writers are out of the guest. */
void shadow_pause(struct shadow *s);
void shadow_resume(struct shadow *s);
void shadow_stop(struct shadow *s);
/* With the writers paused and the last of the log copied: nothing was lost. */
void shadow_check(struct shadow *s);

#endif /* SELFTEST_MEMORY_H */
