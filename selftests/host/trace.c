// SPDX-License-Identifier: GPL-2.0
/*
 * trace - the tracepoints lodge:* (kvm:* on kvm, with the same names behind the prefix):
 * that they tell what happened, in the words that people know, and that a guest does not
 * notice whether somebody listens.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "../../uapi/linux/lodge.h"

#include "lapic.h"

/* Basic exit reasons: SDM vol. 3D appendix C. */
enum { REASON_CPUID = 10, REASON_IO = 30, REASON_EPT_VIOLATION = 48 };

#define TRACEFS "/sys/kernel/tracing"

static const char *prefix(void)
{
	return device_is_kvm() ? "kvm" : "lodge";
}

static char *path_of(const char *fmt, const char *event)
{
	static char path[256];

	snprintf(path, sizeof(path), fmt, TRACEFS, prefix(), event);
	return path;
}

/* All events of the device's module, on or off; a clean buffer before the first. */
static void tracing(bool on)
{
	if (access(TRACEFS "/trace", F_OK) && mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		SKIP("no tracefs");
	if (access(path_of("%s/events/%s/enable", ""), F_OK))
		FAIL("there are no events of %s", prefix());
	if (on) {
		int fd = open(TRACEFS "/trace", O_WRONLY | O_TRUNC);

		CHECK(fd >= 0);
		close(fd);
		CHECK(write_text(TRACEFS "/buffer_size_kb", "1024"));
	}
	CHECK(write_text(path_of("%s/events/%s/enable", ""), on ? "1" : "0"));
}

/* How many lines of the buffer are of this event and hold @text. */
static int lines(const char *event, const char *text)
{
	FILE *f = fopen(TRACEFS "/trace", "r");
	char line[1024], name[64];
	int n = 0;

	CHECK(f);
	snprintf(name, sizeof(name), " %s_%s:", prefix(), event);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, name) && strstr(line, text))
			n++;
	fclose(f);
	return n;
}

#define CPUIDS	5

static void guest_work(u64 unused)
{
	u32 a = 0, c = 0;

	for (int i = 0; i < CPUIDS; i++)
		asm volatile("xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid"
			     : "+a"(a), "+c"(c) : : "ebx", "edx");
	asm volatile("outb %%al, $0x11" : : "a"(0x5a));
	*(volatile u32 *)MMIO_GPA = 0x1234;
	(void)*(volatile u32 *)MMIO_GPA;
	GUEST_DONE();
}

static void run_work(struct vcpu *vcpu)
{
	vcpu_long_mode(vcpu, guest_work, 0);
	vcpu_expect_out(vcpu, 0x11, 1, 1);
	vcpu_expect_mmio_write(vcpu, MMIO_GPA, 4);
	*(u32 *)vcpu_expect_mmio_read(vcpu, MMIO_GPA, 4) = 0x77;
	vcpu_expect_done(vcpu);
}

SUBTEST(events_tell_what_happened)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	tracing(true);
	run_work(vcpu);
	tracing(false);
	CHECK_EQ(lines("exit", "reason CPUID "), CPUIDS);
	CHECK_EQ(lines("cpuid", "func 0 idx 0"), CPUIDS);
	CHECK_EQ(lines("exit", "vcpu 0 reason IO_INSTRUCTION rip 0x"), 2);
	CHECK_EQ(lines("pio", "pio_write at 0x11 size 1 count 1 val 0x5a"), 1);
	CHECK_EQ(lines("mmio", "mmio write len 4 gpa 0xd0000000 val 0x1234"), 1);
	CHECK_EQ(lines("mmio", "mmio unsatisfied-read len 4 gpa 0xd0000000"), 1);
	CHECK_EQ(lines("mmio", "mmio read len 4 gpa 0xd0000000 val 0x77"), 1);
	CHECK(lines("emulate_insn", "") >= 2);
	CHECK(lines("page_fault", "address 0x") >= 1);
	CHECK_EQ(lines("entry", "vcpu 0"), lines("exit", "vcpu 0"));
	/* by name, with KVM's prefix or without */
	CHECK_EQ(lines("userspace_exit", "MMIO (6)"), 2);
	CHECK_EQ(lines("userspace_exit", "IO (2)"), 2);
}

/* The number behind @name in @line. */
static u64 number_of(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	CHECK(at);
	return strtoull(at + strlen(name), NULL, 0);
}

/* Each exit of the buffer is in the flight recorder, in this order and with these values. */
static int compare_exits(const struct lodge_flight *ring)
{
	const struct lodge_flight_record *r = (const void *)ring + ring->size;
	FILE *f = fopen(TRACEFS "/trace", "r");
	char line[1024];
	u64 n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, " lodge_exit:"))
			continue;
		CHECK(n < ring->count);
		test_doing("exit %llu: %s", (unsigned long long)n, line);
		CHECK_EQ(r[n].rip, number_of(line, " rip "));
		CHECK_EQ(r[n].qualification, number_of(line, " info1 "));
		CHECK_EQ(!!strstr(line, " reason CPUID "), r[n].reason == REASON_CPUID);
		CHECK_EQ(!!strstr(line, " reason IO_INSTRUCTION "), r[n].reason == REASON_IO);
		CHECK_EQ(!!strstr(line, " reason EPT_VIOLATION "),
			 r[n].reason == REASON_EPT_VIOLATION);
		n++;
	}
	fclose(f);
	CHECK_EQ(n, ring->count);
	return n;
}

SUBTEST(the_flight_recorder_says_the_same)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);
	const struct lodge_flight *ring;
	int fd;

	if (device_is_kvm())
		SKIP("KVM has none");
	fd = xioctl(vcpu->fd, LODGE_GET_FLIGHT_FD, 0);
	CHECK(fd >= 0);
	ring = mmap(NULL, LODGE_FLIGHT_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(ring != MAP_FAILED);
	tracing(true);
	run_work(vcpu);
	tracing(false);
	CHECK(compare_exits(ring) > CPUIDS);
}

SUBTEST(interrupts)
{
	struct vcpu *vcpu = lapic_new(false);

	tracing(true);
	CHECK_EQ(signal_msi(vcpu->vm, MSI_ADDR, 0x55), 1);
	take_irqs(vcpu);
	tracing(false);
	CHECK_EQ(irqs(vcpu, 0x55), 1);
	CHECK_EQ(lines("msi_set_irq", "vec 85 (Fixed|physical|edge"), 1);
	CHECK_EQ(lines("apic_accept_irq", "apicid 0 vec 85 (Fixed|edge)"), 1);
}

SUBTEST(memory)
{
	struct vm *vm = vm_create();

	if (device_is_kvm())
		SKIP("KVM of Linux 6.1 has no such event");
	tracing(true);
	vm_add_mem(vm, 5, TEST_GPA, PAGE_SIZE, MEM_ANON);
	CHECK_EQ(set_region(vm, 6, 0, TEST_GPA, PAGE_SIZE, (void *)PAGE_SIZE), -EEXIST);
	tracing(false);
	CHECK_EQ(lines("memslot", "slot 5 flags 0x0 gpa 0x10000000 size 0x1000"), 1);
	CHECK_EQ(lines("memslot", "slot 6 flags 0x0 gpa 0x10000000 size 0x1000"), 1);
	CHECK_EQ(lines("memslot", "ret -17"), 1);
}

/* Registers after the same work are the same. */
SUBTEST(guest_does_not_notice)
{
	struct vcpu *quiet = vcpu_create(vm_create(), 0), *traced;
	struct kvm_sregs sa, sb;
	struct kvm_regs a, b;

	run_work(quiet);
	get_regs(quiet, &a);
	tracing(true);
	traced = vcpu_create(vm_create(), 0);
	run_work(traced);
	tracing(false);
	get_regs(traced, &b);
	CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
	get_sregs(quiet, &sa);
	get_sregs(traced, &sb);
	CHECK_EQ(memcmp(&sa, &sb, sizeof(sa)), 0);
}

/* Off again, nothing is written any more. */
SUBTEST(off_is_off)
{
	struct vcpu *vcpu = vcpu_create(vm_create(), 0);

	tracing(true);
	tracing(false);
	run_work(vcpu);
	CHECK_EQ(lines("exit", ""), 0);
	CHECK_EQ(lines("entry", ""), 0);
}
