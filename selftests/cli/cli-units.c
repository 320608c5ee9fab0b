// SPDX-License-Identifier: GPL-2.0
/*
 * The CLI's parts without a virtual machine: options, buses, the exit loop fed with the
 * exits of a hostile device, the doctor's judgement on machines that nobody here has. Built
 * with the sanitizers. The devices have programs of their own.
 *
 * The hostile run pages are the test of bug class 7 (trusting kvm_run).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_flat.h"
#include "commands.h"
#include "cpuid.h"
#include "devices.h"
#include "doctor.h"
#include "err.h"
#include "fate.h"
#include "json.h"
#include "loop.h"
#include "units.h"
#include "vmx_caps.h"

/* ---- the command line ------------------------------------------------------ */

static void test_sizes(void)
{
	static const struct { const char *text; bool ok; u64 bytes; } t[] = {
		{ "0", true, 0 },
		{ "1", true, 1 },
		{ "4K", true, 4096 },
		{ "4k", true, 4096 },
		{ "64M", true, 64 * MIB },
		{ "2g", true, 2 * GIB },
		{ "17179869183G", true, 17179869183 * GIB },
		{ "17179869184G", false, 0 },
		{ "18446744073709551615", true, ~0ull },
		{ "18446744073709551616", false, 0 },
		{ "", false, 0 }, { "K", false, 0 }, { "-1", false, 0 },
		{ "+1", false, 0 }, { " 1", false, 0 }, { "1 ", false, 0 },
		{ "1KK", false, 0 }, { "1T", false, 0 }, { "0x10", false, 0 },
	};
	unsigned int i;
	u64 bytes;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(parse_size(t[i].text, &bytes), t[i].ok);
		if (t[i].ok)
			CHECK_EQ(bytes, t[i].bytes);
	}
}

static void test_numbers(void)
{
	u64 n;

	CHECK(parse_number("1", 1, 64, &n) && n == 1);
	CHECK(parse_number("64", 1, 64, &n) && n == 64);
	CHECK(!parse_number("65", 1, 64, &n));
	CHECK(!parse_number("0", 1, 64, &n));
	CHECK(!parse_number("", 0, 64, &n));
	CHECK(!parse_number("4294967297", 1, 64, &n));
}

static void test_seconds(void)
{
	u64 ns;

	CHECK(parse_seconds("1", &ns) && ns == 1000000000);
	CHECK(parse_seconds("0.25", &ns) && ns == 250000000);
	CHECK(parse_seconds("0.000000001", &ns) && ns == 1);
	CHECK(!parse_seconds("0.0000000001", &ns));
	CHECK(!parse_seconds("0", &ns));
	CHECK(!parse_seconds("1.", &ns));
	CHECK(!parse_seconds("1e3", &ns));
	CHECK(!parse_seconds("31622401", &ns));
}

static void test_json(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	json_string(f, "a\"b\\c\n\x01z");
	fclose(f);
	CHECK(!strcmp(text, "\"a\\\"b\\\\c\\u000a\\u0001z\""));
	free(text);
}

/* ---- buses ----------------------------------------------------------------- */

struct recorder {
	u8 bytes[64];
	u64 len;
	unsigned int calls;
};

static void recorder_read(void *dev, u64 off, void *data, unsigned int size)
{
	struct recorder *r = dev;

	CHECK(off + size <= r->len);
	memcpy(data, r->bytes + off, size);
	r->calls++;
}

static void recorder_write(void *dev, u64 off, const void *data,
			   unsigned int size)
{
	struct recorder *r = dev;

	CHECK(off + size <= r->len);
	memcpy(r->bytes + off, data, size);
	r->calls++;
}

static bool put_on(struct bus *bus, u64 base, struct recorder *r, u64 len)
{
	struct bus_range range = {
		.base = base, .len = len, .dev = r,
		.read = recorder_read, .write = recorder_write,
	};

	r->len = len;
	return bus_add(bus, &range);
}

static void test_bus_ranges(void)
{
	struct recorder r = { .calls = 0 };
	struct bus bus;
	unsigned int i;

	bus_init(&bus, "port", false);
	CHECK(put_on(&bus, 0x100, &r, 8));
	CHECK(!put_on(&bus, 0x100, &r, 8));
	CHECK(!put_on(&bus, 0x0ff, &r, 2));
	CHECK(!put_on(&bus, 0x107, &r, 1));
	CHECK(!put_on(&bus, 0x0, &r, 0x200));
	CHECK(!put_on(&bus, 0x200, &r, 0));
	CHECK(!put_on(&bus, ~0ull, &r, 2));
	CHECK(put_on(&bus, ~0ull, &r, 1));
	CHECK(put_on(&bus, 0x108, &r, 1));
	for (i = bus.nr_ranges; i < BUS_RANGES; i++)
		CHECK(put_on(&bus, 0x1000 * i, &r, 1));
	CHECK(!put_on(&bus, 0x500, &r, 1));
}

/* Random accesses around two devices, against a plain array of bytes. */
static void test_bus_random(void)
{
	struct recorder a = { .calls = 0 }, b = { .calls = 0 };
	static const unsigned int sizes[] = { 1, 2, 4, 8 };
	u8 model[64], got[8], data[8];
	unsigned int i, j;
	struct bus bus;

	bus_init(&bus, "address", false);
	CHECK(put_on(&bus, 0x1008, &a, 16));
	CHECK(put_on(&bus, 0x101b, &b, 11));
	memset(model, 0xff, sizeof(model));
	memset(model + 8, 0, 16);
	memset(model + 0x1b, 0, 11);
	for (i = 0; i < rounds(100000); i++) {
		unsigned int size = sizes[next_random() % 4];
		unsigned int at = next_random() % (sizeof(model) - 8);
		u64 value = next_random();

		if (next_random() & 1) {
			memcpy(data, &value, sizeof(data));
			bus_write(&bus, 0x1000 + at, data, size);
			for (j = at; j < at + size; j++)
				if ((j >= 8 && j < 24) || (j >= 0x1b && j < 0x26))
					model[j] = data[j - at];
		} else {
			bus_read(&bus, 0x1000 + at, got, size);
			CHECK(!memcmp(got, model + at, size));
		}
	}
}

static void test_bus_whole(void)
{
	struct recorder r = { .calls = 0 };
	struct bus bus;
	u32 data = 0;

	bus_init(&bus, "port", false);
	CHECK(put_on(&bus, 0x10, &r, 8));
	bus_write(&bus, 0x12, &data, 4);
	CHECK_EQ(r.calls, 1);
	bus_write(&bus, 0x16, &data, 4);	/* two bytes in, two out */
	CHECK_EQ(r.calls, 3);
	bus_read(&bus, ~0ull - 1, &data, 4);	/* wraps around to 0 and 1 */
	CHECK_EQ(data, 0xffffffff);
}

/* ---- memory and ends -------------------------------------------------------- */

static void test_memory(void)
{
	static u8 low[8192], high[4096];
	struct memory mem = {
		.ram = {
			{ .gpa = 0, .size = sizeof(low), .host = low },
			{ .gpa = 4 * GIB, .size = sizeof(high), .host = high },
		},
	};

	CHECK(memory_at(&mem, 0, 8192) == low);
	CHECK(memory_at(&mem, 8191, 1) == low + 8191);
	CHECK(memory_at(&mem, 4 * GIB + 4095, 1) == high + 4095);
	CHECK(!memory_at(&mem, 0, 8193));
	CHECK(!memory_at(&mem, 8192, 1));
	CHECK(!memory_at(&mem, 8191, 2));
	CHECK(!memory_at(&mem, 1, ~0ull));
	CHECK(!memory_at(&mem, 0, 0));
	CHECK(!memory_at(&mem, ~0ull, 2));
	CHECK(!memory_at(&mem, 4 * GIB - 1, 2));
	CHECK(!memory_write(&mem, 8190, "abc", 3));
	CHECK_EQ(low[8190], 0);
	CHECK(memory_write(&mem, 8190, "ab", 2));
	CHECK_EQ(low[8191], 'b');
}

static void test_memory_lies_as_large_pages_do(void)
{
	static const u64 sizes[] = { 4 * KIB, 2 * MIB, 10 * MIB + 4 * KIB, 5 * GIB };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct memory mem;

		CHECK(!memory_create(&mem, sizes[i]));
		CHECK_EQ(mem.size, sizes[i]);
		CHECK_EQ(mem.ram[0].size + mem.ram[1].size, sizes[i]);
		for (j = 0; j < ARRAY_SIZE(mem.ram); j++) {
			CHECK_EQ((uintptr_t)mem.ram[j].host % (2 * MIB), 0);
			if (!mem.ram[j].size)
				continue;
			CHECK_EQ(mem.ram[j].host[mem.ram[j].size - 1], 0);
			mem.ram[j].host[0] = 1;
		}
		memory_clear(&mem);
		CHECK_EQ(mem.ram[0].host[0], 0);
		memory_destroy(&mem);
	}
	errno = 0;
	CHECK(!memory_map(1ull << 60));
	CHECK_EQ(errno, ENOMEM);
}

static void test_end_is_the_first(void)
{
	struct machine m;
	struct cpu cpu;

	fake_machine(&m, &cpu);
	CHECK(!machine_ended(&m));
	machine_stop(&m, END_TIMEOUT, STATUS_TIMEOUT, "first %d", 1);
	machine_stop(&m, END_EXIT, 0, "second");
	CHECK(machine_ended(&m));
	CHECK_EQ(m.end.kind, END_TIMEOUT);
	CHECK_EQ(m.end.status, STATUS_TIMEOUT);
	CHECK(!strcmp(m.end.text, "first 1"));
	fake_free(&m, &cpu);
}

/* ---- the exit loop and a device that lies ----------------------------------- */

/* What KVM_RUN does in this test: returns this, the run page being prepared. */
static int run_result, run_errno, runs;

int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	(void)fd;
	if (cmd != KVM_RUN) {
		errno = EBADF;
		return -1;
	}
	/* The second time ends the machine, else an exit served well loops. */
	if (runs++) {
		errno = ENODEV;
		return -1;
	}
	errno = run_errno;
	return run_result;
}

static struct machine_end run_once(void (*prepare)(struct kvm_run *run), int error)
{
	struct machine_end end;
	struct machine m;
	struct cpu cpu;

	fake_machine(&m, &cpu);
	CHECK(exit_port_create(&m));
	if (prepare)
		prepare(cpu.run);
	run_result = error ? -1 : 0;
	run_errno = error;
	runs = 0;
	loop_run(&cpu);
	end = m.end;
	fake_free(&m, &cpu);
	return end;
}

static void io(struct kvm_run *run, u8 size, u32 count, u64 offset)
{
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = KVM_EXIT_IO_OUT;
	run->io.port = 0x80;
	run->io.size = size;
	run->io.count = count;
	run->io.data_offset = offset;
}

static void io_good(struct kvm_run *run) { io(run, 4, 1024, RUN_SIZE - 4096); }
static void io_none(struct kvm_run *run) { io(run, 1, 0, RUN_SIZE); }
static void io_size_0(struct kvm_run *run) { io(run, 0, 1, PAGE_SIZE); }
static void io_size_3(struct kvm_run *run) { io(run, 3, 1, PAGE_SIZE); }
static void io_size_8(struct kvm_run *run) { io(run, 8, 1, PAGE_SIZE); }
static void io_far(struct kvm_run *run) { io(run, 1, 1, RUN_SIZE); }
static void io_wraps(struct kvm_run *run) { io(run, 4, 1, -2ull); }
static void io_long(struct kvm_run *run) { io(run, 4, 1025, RUN_SIZE - 4096); }
static void io_longer(struct kvm_run *run) { io(run, 4, ~0u, PAGE_SIZE); }

static void mmio(struct kvm_run *run, u32 len)
{
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = 0xd0000000;
	run->mmio.len = len;
}

static void mmio_8(struct kvm_run *run) { mmio(run, 8); }
static void mmio_0(struct kvm_run *run) { mmio(run, 0); }
static void mmio_9(struct kvm_run *run) { mmio(run, 9); }
static void mmio_huge(struct kvm_run *run) { mmio(run, ~0u); }

static void test_run_page_io(void)
{
	static void (* const bad[])(struct kvm_run *run) = {
		io_size_0, io_size_3, io_size_8, io_far, io_wraps, io_long,
		io_longer, mmio_0, mmio_9, mmio_huge,
	};
	struct machine_end end;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		end = run_once(bad[i], 0);
		CHECK_EQ(end.kind, END_HOST);
		CHECK_HAS(end.text, "that cannot be");
	}
	/* These are served, so the loop goes on to the error of the second. */
	end = run_once(io_good, 0);
	CHECK_HAS(end.text, "No such device");
	end = run_once(io_none, 0);
	CHECK_HAS(end.text, "No such device");
	end = run_once(mmio_8, 0);
	CHECK_HAS(end.text, "No such device");
}

static void exit_port(struct kvm_run *run)
{
	io(run, 4, 1, PAGE_SIZE);
	run->io.port = PORT_EXIT;
	*(u32 *)((u8 *)run + PAGE_SIZE) = 0x12345678;
}

static void failed_entry(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = 0x80000021;
}

static void emulation(struct kvm_run *run, u32 ndata, u8 insn_size)
{
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = ndata;
	run->emulation_failure.flags =
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = insn_size;
	memcpy(run->emulation_failure.insn_bytes, "\x0f\x0b\xf4", 3);
}

static void emulation_3(struct kvm_run *run) { emulation(run, 3, 3); }
static void emulation_wild(struct kvm_run *run) { emulation(run, ~0u, 255); }
static void emulation_mute(struct kvm_run *run) { emulation(run, 0, 15); }

static void wild_suberror(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = ~0u;
	run->internal.ndata = ~0u;
}

static void wild_reason(struct kvm_run *run)
{
	run->exit_reason = ~0u;
}

static void hardware_reason(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_UNKNOWN;
	run->hw.hardware_exit_reason = 77;
}

static void test_fates(void)
{
	static const struct {
		void (*prepare)(struct kvm_run *run);
		enum end_kind kind;
		int status;
		const char *text;
	} t[] = {
		{ exit_port, END_EXIT, 0x78, "" },
		{ failed_entry, END_ENTRY_FAILED, STATUS_ENTRY,
		  "invalid guest state (hardware reason 0x80000021)" },
		{ emulation_3, END_INTERNAL_ERROR, STATUS_INTERNAL,
		  "at the bytes 0f 0b f4:" },
		{ emulation_wild, END_INTERNAL_ERROR, STATUS_INTERNAL,
		  "at the bytes 0f 0b f4 00 00 00 00 00 00 00 00 00 00 00 00:" },
		{ emulation_mute, END_INTERNAL_ERROR, STATUS_INTERNAL,
		  "cannot emulate:" },
		{ wild_suberror, END_INTERNAL_ERROR, STATUS_INTERNAL,
		  "a reason unknown to lodge" },
		{ wild_reason, END_UNKNOWN_EXIT, STATUS_EXIT_REASON,
		  "exit reason 4294967295" },
		{ hardware_reason, END_UNKNOWN_EXIT, STATUS_EXIT_REASON,
		  "hardware reason 0x4d" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct machine_end end = run_once(t[i].prepare, 0);

		CHECK_EQ(end.kind, t[i].kind);
		CHECK_EQ(end.status, t[i].status);
		CHECK_HAS(end.text, t[i].text);
	}
	CHECK_HAS(run_once(NULL, EFAULT).text, "guest's memory");
	/* A signal alone is not an end: the second run is. */
	CHECK_HAS(run_once(NULL, EINTR).text, "No such device");
}

/* One exit of a string instruction: elements of one size for one port. */
static void serve(struct kvm_run *page, struct bus_range *range)
{
	struct machine m;
	struct cpu cpu;

	fake_machine(&m, &cpu);
	CHECK(bus_add(range->base > 0xffff ? &m.addresses : &m.ports, range));
	memcpy(cpu.run, page, RUN_SIZE);
	run_result = 0;
	runs = 0;
	loop_run(&cpu);
	memcpy(page, cpu.run, RUN_SIZE);
	fake_free(&m, &cpu);
}

struct stream {
	u16 said[4];
	unsigned int n;
};

static void stream_read(void *dev, u64 off, void *data, unsigned int size)
{
	struct stream *s = dev;
	u16 value = 0x1000 + s->n++;

	CHECK_EQ(off, 2);
	CHECK_EQ(size, 2);
	memcpy(data, &value, 2);
}

static void stream_write(void *dev, u64 off, const void *data,
			 unsigned int size)
{
	struct stream *s = dev;

	CHECK_EQ(off, 2);
	CHECK_EQ(size, 2);
	memcpy(&s->said[s->n++ % 4], data, 2);
}

static void test_string_io(void)
{
	struct kvm_run *page = calloc(1, RUN_SIZE);
	u16 *data = (u16 *)((u8 *)page + PAGE_SIZE);
	struct stream s = { .n = 0 };
	struct bus_range range = {
		.base = 0x7e, .len = 4, .dev = &s,
		.read = stream_read, .write = stream_write,
	};

	io(page, 2, 3, PAGE_SIZE);
	data[0] = 7;
	data[1] = 8;
	data[2] = 9;
	serve(page, &range);
	CHECK(s.n == 3 && s.said[0] == 7 && s.said[1] == 8 && s.said[2] == 9);
	page->io.direction = KVM_EXIT_IO_IN;
	s.n = 0;
	serve(page, &range);
	CHECK(s.n == 3 && data[0] == 0x1000 && data[2] == 0x1002);
	CHECK_EQ(data[3], 0);
	range.base = 0xcffffffe;
	s.n = 0;
	mmio(page, 2);
	page->mmio.is_write = 0;
	serve(page, &range);
	CHECK(s.n == 1 && page->mmio.data[1] == 0x10);
	page->mmio.is_write = 1;
	s.n = 0;
	serve(page, &range);
	CHECK(s.n == 1 && s.said[0] == 0x1000);
	free(page);
}

/* Whatever the page says, the loop ends or serves, within the page. */
static void random_page(struct kvm_run *run)
{
	u64 *words = (u64 *)run;
	unsigned int i;

	for (i = 0; i < sizeof(*run) / sizeof(*words); i++)
		words[i] = next_random() >> next_random() % 64;
	run->exit_reason = next_random() % 20;
}

static void test_run_page_random(void)
{
	unsigned int i;

	for (i = 0; i < rounds(5000); i++)
		CHECK(run_once(random_page, 0).kind != END_NONE);
}

static void test_entry_reasons(void)
{
	CHECK_HAS(fate_entry_reason(7), "control fields");
	CHECK_HAS(fate_entry_reason(8), "host state");
	CHECK_HAS(fate_entry_reason(0x80000021), "guest state");
	CHECK_HAS(fate_entry_reason(0x80000022), "MSR");
	CHECK_HAS(fate_entry_reason(0x80000029), "machine check");
	CHECK_HAS(fate_entry_reason(33), "does not name");
	CHECK_HAS(fate_entry_reason(0x80000007), "does not name");
	CHECK_HAS(fate_entry_reason(~0ull), "does not name");
}

/* ---- CPUID, MSRs, the doctor -------------------------------------------------- */

static void test_cpuid(void)
{
	union {
		struct kvm_cpuid2 id;
		u8 room[sizeof(struct kvm_cpuid2) +
			6 * sizeof(struct kvm_cpuid_entry2)];
	} u = { .id.nent = 6 };
	struct kvm_cpuid_entry2 *e = u.id.entries;

	e[0].function = 1;
	e[0].ebx = 0xaabb1234;
	e[1].function = 0xb;
	e[2].function = 0xb;
	e[2].index = 1;
	e[3].function = 0xb;
	e[3].index = 2;
	e[4].function = 4;
	e[4].eax = 0x1c004121;		/* data, level 1, of an 8-core host */
	e[5].function = 4;
	e[5].index = 3;
	e[5].eax = 0x1c03c163;		/* unified, level 3 */
	cpuid_for_cpu(&u.id, 5, 6, true);
	CHECK_EQ(e[4].eax, 0x1c000121);
	CHECK_EQ(e[5].eax, 0x1c01c163);
	CHECK_EQ(e[0].ecx, 0x81000000);
	CHECK_EQ(e[0].ebx, 0x05081234);
	CHECK_EQ(e[0].edx & BIT_ULL(28), BIT_ULL(28));
	CHECK_EQ(e[1].edx, 5);
	CHECK_EQ(e[1].ebx, 1);
	CHECK_EQ(e[1].ecx, 0x100);
	CHECK_EQ(e[2].eax, 3);
	CHECK_EQ(e[2].ebx, 6);
	CHECK_EQ(e[2].ecx, 0x201);
	CHECK_EQ(e[3].ebx, 0);
	CHECK_EQ(e[3].edx, 5);
	cpuid_for_cpu(&u.id, 0, 1, false);
	CHECK_EQ(e[0].ebx, 0x00011234);
	CHECK_EQ(e[0].edx & BIT_ULL(28), 0);
}

static void test_vmx_bits(void)
{
	/* As a Skylake says it of its pin-based controls. */
	struct vmx_values v = { .cpu = 0 };
	const struct vmx_word *pin = NULL;
	const struct vmx_bit *bit;
	unsigned int i, j;
	u64 value;

	for (i = 0; i < vmx_nr_words; i++) {
		if (vmx_words[i].msr == MSR_VMX_PIN)
			pin = &vmx_words[i];
		/* Bits in order, none twice, and none that do not exist. */
		for (bit = vmx_words[i].bits; bit->name; bit++) {
			CHECK(bit->nr < (vmx_words[i].control ? 32 : 64));
			CHECK(!bit[1].name || bit[1].nr > bit->nr);
		}
	}
	CHECK(pin && !vmx_word_value(&v, pin, &value));
	for (i = 0; i < vmx_nr_msrs; i++)
		for (j = 0; j < i; j++)
			CHECK(vmx_msrs[i].index != vmx_msrs[j].index);
	for (i = 0; i < vmx_nr_msrs; i++) {
		v.there[i] = vmx_msrs[i].index == MSR_VMX_PIN;
		v.value[i] = 0x000000ff00000017;
	}
	CHECK(vmx_word_value(&v, pin, &value) && value == 0x000000ff00000017);
	CHECK(!strcmp(vmx_bit_state(pin, value, 0), "always"));
	CHECK(!strcmp(vmx_bit_state(pin, value, 3), "optional"));
	CHECK(!strcmp(vmx_bit_state(pin, value, 8), "no"));
	for (i = 0; i < vmx_nr_msrs; i++)
		if (vmx_msrs[i].index == MSR_VMX_TRUE_PIN) {
			v.there[i] = true;
			v.value[i] = 0x000000ff00000016;
		}
	CHECK(vmx_word_value(&v, pin, &value));
	CHECK(!strcmp(vmx_bit_state(pin, value, 0), "optional"));
	CHECK(!strcmp(vmx_bit_state(&vmx_words[1], BIT_ULL(55), 55), "yes"));
	CHECK(!strcmp(vmx_bit_state(&vmx_words[1], BIT_ULL(55), 54), "no"));
}

/* A machine on which all is well but what a test changes. */
static const struct doctor_facts healthy = {
	.device = DEVICE_MISSING,
	.device_text = "/dev/lodge: no such device: load it",
	.create_text = "/dev/lodge: makes no VM: reason: what to do",
	.release = "6.1.0",
	.cpu_vmx = YES, .in_vm = NO, .kernel_vmx = YES, .ept = YES,
	.unrestricted = YES, .loaded = NO, .installed = YES, .headers = YES,
	.kvm_intel = NO, .kvm_holds_vmx = NO,
};

static void diagnose(const struct doctor_facts *facts, unsigned int nr,
		     const char *first, const char *second)
{
	static struct doctor_findings f;

	doctor_judge(facts, &f);
	CHECK_EQ(f.nr, nr);
	if (f.nr != nr)
		return;
	if (first)
		CHECK_HAS(f.text[0], first);
	if (second)
		CHECK_HAS(f.text[1], second);
}

static void test_doctor_cpu(void)
{
	struct doctor_facts f = healthy;

	f.cpu_vmx = NO;
	diagnose(&f, 1, "CPU: no VT-x: it is not an Intel CPU", NULL);
	f.in_vm = YES;
	diagnose(&f, 1, "turn on nested virtualization", NULL);
	f = healthy;
	f.kernel_vmx = NO;
	diagnose(&f, 1, "firmware: VT-x is disabled", NULL);
	f = healthy;
	f.ept = NO;
	f.unrestricted = NO;
	diagnose(&f, 2, "CPU: no EPT", "CPU: no unrestricted guest");
	/* KVM lives without. */
	f.is_kvm = true;
	diagnose(&f, 1, "modprobe kvm_intel", NULL);
}

static void test_doctor_module(void)
{
	struct doctor_facts f = healthy;

	diagnose(&f, 1, "sudo modprobe lodge", NULL);
	f.root = true;
	diagnose(&f, 1, "load it: modprobe lodge", NULL);
	f.installed = NO;
	diagnose(&f, 1, "neither loaded nor installed for the kernel 6.1.0", NULL);
	f.headers = NO;
	diagnose(&f, 2, "apt-get install linux-headers-6.1.0", "make load");
	f = healthy;
	f.loaded = YES;
	diagnose(&f, 1, "the node is not there", NULL);
	f.loaded = UNKNOWN;
	diagnose(&f, 1, f.device_text, NULL);
}

static void test_doctor_device(void)
{
	struct doctor_facts f = healthy;

	f.loaded = YES;
	f.device = DEVICE_DENIED;
	f.device_text = "/dev/lodge: permission denied: its group is kvm";
	diagnose(&f, 1, "permission denied", NULL);
	f.device = DEVICE_OPEN;
	diagnose(&f, 0, NULL, NULL);
	/* A device that works needs no reasons why it should not. */
	f.cpu_vmx = NO;
	f.loaded = NO;
	f.headers = NO;
	diagnose(&f, 0, NULL, NULL);
	f.create_error = ENOMEM;
	diagnose(&f, 1, "makes no VM: reason", NULL);
	f.create_error = EBUSY;
	diagnose(&f, 1, "makes no VM: reason", NULL);
	f.kvm_intel = YES;
	f.kvm_intel_users = 3;
	diagnose(&f, 1, "kvm_intel holds it, with 3 users", NULL);
	f.kvm_intel_users = 0;
	f.kvm_holds_vmx = YES;
	diagnose(&f, 1, "enable_virt_at_load", NULL);
}

/* ---- all of them ---------------------------------------------------------------- */

static const struct unit tests[] = {
	{ "sizes", test_sizes },
	{ "numbers", test_numbers },
	{ "seconds", test_seconds },
	{ "json", test_json },
	{ "bus_ranges", test_bus_ranges },
	{ "bus_random", test_bus_random },
	{ "bus_whole", test_bus_whole },
	{ "memory", test_memory },
	{ "memory_lies_as_large_pages_do", test_memory_lies_as_large_pages_do },
	{ "end_is_the_first", test_end_is_the_first },
	{ "run_page_io_class_7", test_run_page_io },
	{ "string_io", test_string_io },
	{ "fates_class_7", test_fates },
	{ "run_page_random_class_7", test_run_page_random },
	{ "entry_reasons", test_entry_reasons },
	{ "cpuid", test_cpuid },
	{ "vmx_bits", test_vmx_bits },
	{ "doctor_cpu", test_doctor_cpu },
	{ "doctor_module", test_doctor_module },
	{ "doctor_device", test_doctor_device },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, tests, ARRAY_SIZE(tests));
}
