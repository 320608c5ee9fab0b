// SPDX-License-Identifier: GPL-2.0
/* Reading a vCPU's flight recorder, and its records in words: see flight.h. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <asm/vmx.h>
#include <linux/magic.h>

#include "flight.h"

/* ---- the ring ------------------------------------------------------------------ */

bool flight_at(struct flight *f, const void *head, size_t size)
{
	struct lodge_flight h;

	*f = (struct flight){ 0 };
	if (size < sizeof(h))
		return false;
	memcpy(&h, head, sizeof(h));
	/* Later versions add to the ends of both structs. */
	if (h.size < sizeof(h) || h.size > size || h.size % sizeof(u64) ||
	    h.record_size < sizeof(struct lodge_flight_record) || h.record_size % sizeof(u64) ||
	    h.records < 2 || h.records > (size - h.size) / h.record_size || !h.tsc_khz)
		return false;
	*f = (struct flight){
		.head = head, .first = (const u8 *)head + h.size, .record_size = h.record_size,
		.records = h.records, .vcpu = h.vcpu, .tsc_khz = h.tsc_khz,
	};
	return true;
}

/* A file proper could become shorter while it is mapped, and we would die of that. */
static bool is_the_kernels(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == ANON_INODE_FS_MAGIC;
}

int flight_map(struct flight *f, int fd)
{
	void *head;

	*f = (struct flight){ 0 };
	if (!is_the_kernels(fd))
		return -EPROTO;
	head = mmap(NULL, LODGE_FLIGHT_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		return -errno;
	if (flight_at(f, head, LODGE_FLIGHT_BYTES))
		return 0;
	munmap(head, LODGE_FLIGHT_BYTES);
	return -EPROTO;
}

void flight_unmap(struct flight *f)
{
	if (f->head)
		munmap((void *)f->head, LODGE_FLIGHT_BYTES);
	f->head = NULL;
}

/* Pairs with the writer's release: records are whole up to here. */
u64 flight_count(const struct flight *f)
{
	return __atomic_load_n(&f->head->count, __ATOMIC_ACQUIRE);
}

/* The oldest whose place is nobody else's while the count is @count. */
static u64 oldest(const struct flight *f, u64 count)
{
	return count >= f->records ? count - f->records + 1 : 0;
}

unsigned int flight_copy(const struct flight *f, u64 *at, struct lodge_flight_record *to,
			 unsigned int room, u64 *lost)
{
	u64 end = flight_count(f), first, gone;
	unsigned int n = 0, overtaken;

	if (end < *at)		/* no writer of ours takes it back */
		*at = end;
	first = oldest(f, end);
	if (first < *at)
		first = *at;
	*lost += first - *at;
	for (; n < room && first + n < end; n++)
		memcpy(&to[n], f->first + (first + n) % f->records * f->record_size,
		       sizeof(to[n]));
	*at = first + n;
	/* The copies are made before the count is looked at once more. */
	atomic_thread_fence(memory_order_acquire);
	gone = oldest(f, __atomic_load_n(&f->head->count, __ATOMIC_RELAXED));
	overtaken = gone <= first ? 0 : gone - first < n ? gone - first : n;
	*lost += overtaken;
	memmove(to, to + overtaken, (n - overtaken) * sizeof(*to));
	return n - overtaken;
}

unsigned int flight_last(const struct flight *f, struct lodge_flight_record *to,
			 unsigned int room)
{
	u64 end = flight_count(f), lost = 0, at = end > room ? end - room : 0;

	return flight_copy(f, &at, to, room, &lost);
}

/* ---- records in words ------------------------------------------------------------ */

const char *flight_known_reason(u32 reason)
{
	static const struct { u32 reason; const char *name; } names[] = { VMX_EXIT_REASONS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].reason == (u16)reason)
			return names[i].name;
	return NULL;
}

const char *flight_reason_name(u32 reason, char number[16])
{
	const char *name = flight_known_reason(reason);

	if (!name)
		snprintf(number, 16, "EXIT_%u", (u16)reason);
	return name ? name : number;
}

const char *flight_name(const struct lodge_flight_record *r, char number[16])
{
	return r->flags & LODGE_FLIGHT_VMFAIL ? "VMFAIL" : flight_reason_name(r->reason, number);
}

/* SDM vol. 3C, "VM-entry controls for event injection": bits 10:8. */
static const char * const event_types[8] = {
	"interrupt", "event of type 1", "NMI", "exception", "software interrupt",
	"privileged software exception", "software exception", "other event",
};

#define EVENT_VALID	0x80000000u

void flight_tell(FILE *to, const struct lodge_flight_record *r)
{
	char number[16];

	fprintf(to, "%s", flight_name(r, number));
	if (r->flags & LODGE_FLIGHT_VMFAIL)
		fprintf(to, " error %llu", r->qualification);
	else if (r->reason & VMX_EXIT_REASONS_FAILED_VMENTRY)
		fputs(" (the entry failed)", to);
	fprintf(to, " rip %#llx cr3 %#llx", r->rip, r->cr3);
	if (r->qualification && !(r->flags & LODGE_FLIGHT_VMFAIL))
		fprintf(to, " qualification %#llx", r->qualification);
	if (r->gpa)
		fprintf(to, " gpa %#llx", r->gpa);
	if (r->event & EVENT_VALID)
		fprintf(to, "; went in: %s %u", event_types[r->event >> 8 & 7], r->event & 0xff);
}

void flight_tell_json(FILE *to, const struct lodge_flight_record *r)
{
	char number[16];

	fprintf(to, "\"reason\":\"%s\",\"number\":%u,\"entry_failed\":%s,\"rip\":\"%#llx\",",
		flight_name(r, number), (u16)r->reason,
		r->flags & LODGE_FLIGHT_VMFAIL || r->reason & VMX_EXIT_REASONS_FAILED_VMENTRY ?
		"true" : "false", r->rip);
	fprintf(to, "\"cr3\":\"%#llx\",\"qualification\":\"%#llx\",\"gpa\":\"%#llx\",\"event\":",
		r->cr3, r->qualification, r->gpa);
	if (r->event & EVENT_VALID)
		fprintf(to, "{\"type\":\"%s\",\"vector\":%u}", event_types[r->event >> 8 & 7],
			r->event & 0xff);
	else
		fputs("null", to);
}
