// SPDX-License-Identifier: GPL-2.0
/*
 * flight - the flight recorder of a vCPU and its VMCS, as lodge shows them: that they
 * tell what happened, to the owner and to whom he gives the descriptor, and that nobody
 * can write either (bug class 33).
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "memory.h"
#include "stats.h"
#include "vmcsview.h"

#define RECORDS	127

/* Basic exit reasons: SDM vol. 3D appendix C. */
enum {
	REASON_TRIPLE_FAULT = 2, REASON_CPUID = 10, REASON_HLT = 12, REASON_IO = 30,
	REASON_INVALID_STATE = 33, REASON_EPT_VIOLATION = 48,
};

#define FAILED_ENTRY	BIT(31)

/* VMCS encodings: SDM vol. 3D appendix B. */
enum {
	VMCS_GUEST_ES = 0x0800, VMCS_HOST_CS = 0x0c02, VMCS_EPTP = 0x201a,
	VMCS_GUEST_CR3 = 0x6802, VMCS_GUEST_RIP = 0x681e, VMCS_GUEST_RSP = 0x681c,
	VMCS_HOST_RIP = 0x6c16,
};

static int flight_fd(struct vcpu *vcpu)
{
	int fd = xioctl(vcpu->fd, LODGE_GET_FLIGHT_FD, 0);

	CHECK(fd >= 0);
	return fd;
}

static const struct lodge_flight *map_flight(struct vcpu *vcpu)
{
	int fd = flight_fd(vcpu);
	void *p = mmap(NULL, LODGE_FLIGHT_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	close(fd);
	return p;
}

/* Record number @n, counted from the first exit ever. */
static const struct lodge_flight_record *record(const struct lodge_flight *f, u64 n)
{
	const struct lodge_flight_record *first = (const void *)f + f->size;

	CHECK(n < f->count && n + f->records >= f->count);
	return first + n % f->records;
}

/* The first of this reason at or behind number @from. */
static u64 find(const struct lodge_flight *f, u64 from, u32 reason)
{
	while (from < f->count && record(f, from)->reason != reason)
		from++;
	if (from == f->count)
		FAIL("no exit %#x was recorded", reason);
	return from;
}

static void guest_cpuids(u64 count)
{
	u32 a, c;

	for (u64 i = 0; i < count; i++)
		asm volatile("xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid"
			     : "=a"(a), "=c"(c) : : "ebx", "edx");
	GUEST_DONE();
}

SUBTEST(the_head)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);

	CHECK_EQ(f->size, sizeof(*f));
	CHECK_EQ(f->version, LODGE_VERSION);
	CHECK_EQ(f->record_size, sizeof(struct lodge_flight_record));
	CHECK_EQ(f->records, RECORDS);
	CHECK_EQ(f->size + f->records * f->record_size, LODGE_FLIGHT_BYTES);
	CHECK_EQ(f->vcpu, 0);
	CHECK(f->tsc_khz > 0);
	CHECK_EQ(f->count, 0);
}

SUBTEST(exits_are_recorded)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);
	const struct lodge_flight_record *r;
	struct kvm_sregs sregs;
	u64 rip, at, left = 0;

	vcpu_long_mode(vcpu, guest_cpuids, 5);
	vcpu_expect_done(vcpu);
	get_sregs(vcpu, &sregs);
	at = find(f, 0, REASON_CPUID);
	rip = record(f, at)->rip;
	for (int i = 0; i < 5; i++, at++) {
		at = find(f, at, REASON_CPUID);
		CHECK_EQ(record(f, at)->rip, rip);
		CHECK_EQ(record(f, at)->cr3, sregs.cr3);
		CHECK_EQ(record(f, at)->gpa, 0);
		CHECK_EQ(record(f, at)->flags, 0);
		CHECK(record(f, at)->cpu < (u32)nr_cpus());
	}
	/* its last word is an OUT, as the machine's memory had to be mapped before */
	r = record(f, f->count - 1);
	CHECK_EQ(r->reason, REASON_IO);
	at = find(f, 0, REASON_EPT_VIOLATION);
	CHECK(record(f, at)->gpa != 0);
	for (at = 0; at < f->count; at++) {
		r = record(f, at);
		CHECK(r->entered > left);
		CHECK(r->left > r->entered);
		left = r->left;
	}
}

SUBTEST(the_ring_comes_round)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);
	u64 left = 0;

	vcpu_long_mode(vcpu, guest_cpuids, 3 * RECORDS);
	vcpu_expect_done(vcpu);
	CHECK(f->count > 3 * RECORDS);
	for (u64 at = f->count - RECORDS; at < f->count; at++) {
		CHECK(record(f, at)->left > left);
		left = record(f, at)->left;
	}
	CHECK_EQ(record(f, f->count - 1)->reason, REASON_IO);
	CHECK_EQ(record(f, find(f, f->count - RECORDS, REASON_CPUID))->reason, REASON_CPUID);
}

static void guest_waits(u64 unused)
{
	asm volatile("sti; nop; cli");
	GUEST_DONE();
}

SUBTEST(what_went_in)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);
	struct kvm_interrupt irq = { .irq = 0x55 };
	int seen = 0;

	vcpu_long_mode(vcpu, guest_waits, 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_INTERRUPT, (uintptr_t)&irq), 0);
	while (xioctl(vcpu->fd, KVM_RUN, 0) == 0 && vcpu->run->exit_reason != KVM_EXIT_SHUTDOWN &&
	       vcpu->run->exit_reason != KVM_EXIT_IO)
		;
	for (u64 at = 0; at < f->count; at++)
		seen += record(f, at)->event == (BIT(31) | 0x55);
	/* and again after an exit in the middle of its delivery */
	CHECK(seen >= 1);
}

/* As it was when the machine was lost. */
SUBTEST(a_triple_fault_is_the_last)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);
	struct kvm_sregs sregs;

	vcpu_long_mode(vcpu, guest_cpuids, 1);
	get_sregs(vcpu, &sregs);
	sregs.idt.limit = 0;
	sregs.cr3 = 0;			/* nothing is mapped there */
	set_sregs(vcpu, &sregs);
	vcpu_run(vcpu, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(record(f, f->count - 1)->reason, REASON_TRIPLE_FAULT);
}

SUBTEST(a_failed_entry_is_the_last)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);
	struct kvm_sregs sregs;

	vcpu_long_mode(vcpu, guest_cpuids, 1);
	get_sregs(vcpu, &sregs);
	sregs.tr.type = 3;
	set_sregs(vcpu, &sregs);
	vcpu_run(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ(record(f, f->count - 1)->reason, FAILED_ENTRY | REASON_INVALID_STATE);
}

static void check_refused(int fd, int prot, int flags, int err)
{
	void *p = mmap(NULL, LODGE_FLIGHT_BYTES, prot, flags, fd, 0);

	CHECK(p == MAP_FAILED);
	CHECK_EQ(errno, err);
}

SUBTEST(class33_nobody_writes_the_recorder)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	int fd = flight_fd(vcpu);
	char byte = 0;
	void *p;

	check_refused(fd, PROT_READ | PROT_WRITE, MAP_SHARED, EACCES);
	check_refused(fd, PROT_READ | PROT_EXEC, MAP_SHARED, EPERM);
	check_refused(fd, PROT_READ, MAP_PRIVATE, EINVAL);
	check_refused(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE, EINVAL);
	p = mmap(NULL, LODGE_FLIGHT_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p, PAGE_SIZE, PROT_READ | PROT_WRITE) ? errno : 0, EACCES);
	CHECK_EQ(mprotect(p, PAGE_SIZE, PROT_READ | PROT_EXEC) ? errno : 0, EACCES);
	/* it is nothing but memory to look at */
	CHECK(write(fd, &byte, 1) < 0);
	CHECK(read(fd, &byte, 1) < 0);
	CHECK_EQ(xioctl(fd, KVM_RUN, 0), -ENOTTY);
	CHECK_EQ(xioctl(fd, LODGE_GET_FLIGHT_FD, 0), -ENOTTY);
	/* nor is it there on the vCPU's own descriptor */
	p = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vcpu->fd, 0x1000 * PAGE_SIZE);
	CHECK(p == MAP_FAILED || !readable(p));
}

SUBTEST(a_page_beyond)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	int fd = flight_fd(vcpu);
	char *p = mmap(NULL, LODGE_FLIGHT_BYTES + PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK(readable(p + LODGE_FLIGHT_BYTES - 1));
	CHECK(!readable(p + LODGE_FLIGHT_BYTES));
}

/* Whoever has the descriptor may look, and may do nothing else with the machine. */
SUBTEST(another_process_looks)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	int fd = flight_fd(vcpu);
	pid_t pid;

	vcpu_long_mode(vcpu, guest_cpuids, 3);
	vcpu_expect_done(vcpu);
	pid = fork();
	if (!pid) {
		const struct lodge_flight *f = mmap(NULL, LODGE_FLIGHT_BYTES, PROT_READ,
						    MAP_SHARED, fd, 0);

		if (f == MAP_FAILED || f->count < 3)
			_exit(EXIT_FAIL);
		_exit(xioctl(vcpu->fd, LODGE_GET_FLIGHT_FD, 0) == -EIO &&
		      xioctl(vcpu->fd, LODGE_GET_VMCS, 0) == -EIO ? EXIT_PASS : EXIT_FAIL);
	}
	child_join(pid);
}

SUBTEST(it_outlives_the_machine)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	const struct lodge_flight *f = map_flight(vcpu);
	u64 count;

	vcpu_long_mode(vcpu, guest_cpuids, 3);
	vcpu_expect_done(vcpu);
	count = f->count;
	vm_free(vcpu->vm);
	CHECK_EQ(f->count, count);
	CHECK_EQ(record(f, find(f, 0, REASON_CPUID))->reason, REASON_CPUID);
}

SUBTEST(the_host_s_time_is_counted)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	struct stats s = open_stats(vcpu->fd);

	vcpu_long_mode(vcpu, guest_cpuids, 100);
	vcpu_expect_done(vcpu);
	CHECK(stat_of(&s, "host_ns_by_reason", REASON_CPUID) > 0);
	CHECK(stat_of(&s, "host_ns_by_reason", REASON_IO) > 0);
	CHECK_EQ(stat_of(&s, "host_ns_by_reason", REASON_HLT), 0);
	/* each reads its reason and its length, and writes RIP */
	CHECK(stat_of(&s, "vmcs_reads", 0) >= 2 * 100);
	CHECK(stat_of(&s, "vmcs_writes", 0) >= 100);
	/* and few more: fields are read by whoever wants them */
	CHECK(stat_of(&s, "vmcs_reads", 0) < 16 * stat_of(&s, "exits", 0));
}

/* ---- the VMCS ------------------------------------------------------------------- */

static u64 field_of(const struct dump *d, u32 encoding)
{
	const struct lodge_vmcs_field *field = find_field(d, encoding);

	if (!field)
		FAIL("no field %#x", encoding);
	return field->value;
}

SUBTEST(the_vmcs_is_that_of_the_guest)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	static struct dump d;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, guest_cpuids, 1);
	vcpu_expect_done(vcpu);
	/* what only a register cache knew, too */
	get_regs(vcpu, &regs);
	regs.rsp -= 0x40;
	set_regs(vcpu, &regs);
	get_sregs(vcpu, &sregs);
	get_vmcs(vcpu, &d);
	CHECK_EQ(field_of(&d, VMCS_GUEST_RIP), regs.rip);
	CHECK_EQ(field_of(&d, VMCS_GUEST_RSP), regs.rsp);
	CHECK_EQ(field_of(&d, VMCS_GUEST_CR3), sregs.cr3);
	CHECK_EQ(field_of(&d, VMCS_GUEST_ES), sregs.es.selector);
	CHECK_EQ(field_of(&d, VMCS_HOST_CS), 0x10);
	CHECK(field_of(&d, VMCS_HOST_RIP) >> 63);
	CHECK(field_of(&d, VMCS_EPTP) != 0);
	for (u32 i = 1; i < d.head.fields; i++)
		for (u32 j = 0; j < i; j++)
			CHECK(d.field[i].encoding != d.field[j].encoding);
}

/* What the client writes there stays in its memory. */
SUBTEST(class33_nobody_writes_the_vmcs)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	static struct dump before, d, after;

	vcpu_long_mode(vcpu, guest_cpuids, 1);
	vcpu_expect_done(vcpu);
	get_vmcs(vcpu, &before);
	d = before;
	for (u32 i = 0; i < d.head.fields; i++)
		d.field[i].value = ~d.field[i].value;
	d.head.fields = MAX_FIELDS;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)&d), 0);
	get_vmcs(vcpu, &after);
	CHECK(!memcmp(&before, &after, sizeof(before)));
	CHECK(!memcmp(&before, &d, sizeof(before)));
	vcpu_long_mode(vcpu, guest_cpuids, 1);
	vcpu_expect_done(vcpu);
}

SUBTEST(class29_vmcs_of_any_size)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	static struct dump d;
	u32 fields;

	get_vmcs(vcpu, &d);
	fields = d.head.fields;
	for (u32 room = 0; room <= fields; room += fields - 1) {
		memset(&d, 0xa5, sizeof(d));
		d.head.size = sizeof(d.head);
		d.head.fields = room;
		CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)&d), -E2BIG);
		CHECK_EQ(d.head.fields, fields);
		CHECK_EQ(d.field[0].value, 0xa5a5a5a5a5a5a5a5);
	}
	for (u32 size = 0; size < 24; size++) {
		d.head.fields = MAX_FIELDS;
		d.head.size = size;
		memset(d.field, 0, sizeof(d.field));
		CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)&d),
			 size < 8 || size % 8 ? -EINVAL : 0);
	}
	/* a later client's struct: no more is known of it than that it is empty */
	memset(&d, 0, sizeof(d));
	d.head.size = 16;
	d.head.fields = MAX_FIELDS - 1;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)&d), 0);
	CHECK_EQ(*(u64 *)d.field, 0);
	CHECK_EQ(d.head.size, 16);
	*(u64 *)d.field = 1;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)&d), -E2BIG);
	d.head.size = 1u << 31;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)&d), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, 0), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, PAGE_SIZE), -EFAULT);
}

/* TSC offset, masks of CR0 and CR4: anything, and no address. */
static bool is_mask(u32 encoding)
{
	return encoding == 0x2010 || encoding == 0x6000 || encoding == 0x6002;
}

/* Where the host's kernel and its pages lie is for nobody but root. */
SUBTEST(class28_an_ordinary_user_looks)
{
	struct vcpu *vcpu = vcpu_of_lodge();
	static struct dump all, d;
	int hidden = 0;

	get_vmcs(vcpu, &all);
	CHECK_EQ(seteuid(65534), 0);
	get_vmcs(vcpu, &d);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(d.head.fields, all.head.fields);
	for (u32 i = 0; i < d.head.fields; i++) {
		CHECK_EQ(d.field[i].encoding, all.field[i].encoding);
		CHECK_EQ(all.field[i].flags, 0);
		if (d.field[i].flags == LODGE_VMCS_HIDDEN) {
			CHECK_EQ(d.field[i].value, 0);
			hidden++;
			continue;
		}
		CHECK_EQ(d.field[i].value, all.field[i].value);
		/* no pointer into the kernel is left, whichever field has it */
		test_doing("field %#x, %#llx", d.field[i].encoding,
			   (unsigned long long)d.field[i].value);
		CHECK(d.field[i].value >> 40 != 0xffffff || is_mask(d.field[i].encoding) ||
		      d.field[i].value == ~0ull);
	}
	CHECK(hidden > 10);
	CHECK_EQ(field_of(&d, VMCS_EPTP), 0);
	CHECK_EQ(field_of(&d, VMCS_HOST_RIP), 0);
}
