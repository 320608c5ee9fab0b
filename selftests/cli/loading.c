// SPDX-License-Identifier: GPL-2.0
/* What the tests of the loaders share: see loading.h. */
#include <stdlib.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <unistd.h>

#include "err.h"
#include "loading.h"
#include "platform.h"

/* ---- what lodge says ----------------------------------------------------------- */

static int said_fd;
char said[4096];

/* The sanitizers go on telling people. */
static void catch_stderr(void)
{
	long people = dup(STDERR_FILENO);

	__sanitizer_set_report_fd((void *)people);
	said_fd = memfd_create("said", MFD_CLOEXEC);
	if (people < 0 || said_fd < 0 || dup2(said_fd, STDERR_FILENO) < 0)
		abort();
}

void check_said(int status, const char *path)
{
	ssize_t n = pread(said_fd, said, sizeof(said) - 1, 0);
	char *end;

	said[n > 0 ? n : 0] = 0;
	if (ftruncate(said_fd, 0) || lseek(said_fd, 0, SEEK_SET))
		abort();
	if (!status) {
		CHECK_EQ(n, 0);
		return;
	}
	CHECK_EQ(status, STATUS_IMAGE);
	CHECK_HAS(said, "lodge: ");
	CHECK_HAS(said, path);
	end = strchr(said, '\n');
	CHECK(end && !end[1]);
}

/* ---- memory -------------------------------------------------------------------- */

struct memory memory;

/* As memory_create(), between pages that fault. */
static void make_ram(struct ram *ram, u64 gpa, u64 size)
{
	u8 *host = mmap(NULL, size + 2 * PAGE_SIZE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (host == MAP_FAILED || mprotect(host + PAGE_SIZE, size, PROT_READ | PROT_WRITE))
		abort();
	*ram = (struct ram){ .gpa = gpa, .size = size, .host = host + PAGE_SIZE };
}

static void free_memory(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(memory.ram); i++)
		if (memory.ram[i].size)
			munmap(memory.ram[i].host - PAGE_SIZE,
			       memory.ram[i].size + 2 * PAGE_SIZE);
	memset(&memory, 0, sizeof(memory));
}

void want_memory(u64 size)
{
	u64 low = size < MEMORY_LOW_END ? size : MEMORY_LOW_END;

	if (memory.size == size) {
		memory_clear(&memory);
		return;
	}
	free_memory();
	make_ram(&memory.ram[0], 0, low);
	if (size > low)
		make_ram(&memory.ram[1], MEMORY_HIGH_BASE, size - low);
	memory.size = size;
}

u64 guest(u64 gpa, unsigned int bytes)
{
	u64 value = 0;

	CHECK(memory_read(&memory, gpa, &value, bytes));
	return value;
}

void check_string(u64 gpa, const char *want)
{
	const char *at = memory_at(&memory, gpa, strlen(want) + 1);

	CHECK(at && !strcmp(at, want));
}

void check_bytes(u64 gpa, const void *want, u64 size)
{
	const u8 *at = memory_at(&memory, gpa, size);

	CHECK(at && !memcmp(at, want, size));
}

/* ---- loading ------------------------------------------------------------------- */

struct boot_entry entry;

struct image image_of(const struct blob *b, const char *path)
{
	return (struct image){ .path = path, .data = b->data, .size = b->size };
}

struct boot_request request_of(const struct blob *kernel)
{
	return (struct boot_request){
		.kernel = image_of(kernel, NAME),
		.append = "console=ttyS0 quiet",
		.acpi_rsdp = PLATFORM_ACPI,
	};
}

int load(const struct boot_request *request, const struct loader *loader)
{
	static const u64 dirty[] = { ELF_BASE, MB_BASE, MB_BASE + PAGE_SIZE };
	int status;

	CHECK(loader_find(&request->kernel) == loader);
	memory_clear(&memory);
	for (unsigned int i = 0; i < ARRAY_SIZE(dirty); i++)
		memset(memory_at(&memory, dirty[i], PAGE_SIZE), OLD_CONTENTS & 0xff, PAGE_SIZE);
	memset(&entry, 0xaa, sizeof(entry));
	status = loader->load(request, &memory, &entry);
	check_said(status, "the/");
	return status;
}

void tell_lies(const struct blob *truth, const struct loader *loader,
	       const struct lie *lies, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct blob b = copy_of(truth, truth->size);
		struct boot_request request = request_of(&b);

		put_number(&b, lies[i].at, lies[i].value, lies[i].bytes);
		CHECK_EQ(load(&request, loader), STATUS_IMAGE);
		CHECK_HAS(said, lies[i].text);
		free(b.data);
	}
}

/* ---- what kernels are told ----------------------------------------------------- */

const struct boot_params *told(void)
{
	const struct boot_params *params = memory_at(&memory, entry.rsi, sizeof(*params));

	CHECK(params);
	return params;
}

u64 initrd_address(const struct boot_params *p)
{
	return p->hdr.ramdisk_image | (u64)p->ext_ramdisk_image << 32;
}

u64 initrd_size(const struct boot_params *p)
{
	return p->hdr.ramdisk_size | (u64)p->ext_ramdisk_size << 32;
}

void check_told(const struct boot_request *request)
{
	struct e820_range ranges[E820_RANGES];
	const struct boot_params *p = told();
	const struct setup_data *seed;
	unsigned int i, nr = e820_ranges(&memory, ranges);

	CHECK_EQ(entry.mode, ENTRY_LONG);
	CHECK(entry.rsi >= 0x9000 && entry.rsi + sizeof(*p) <= PLATFORM_LOW_END);
	CHECK(memory_at(&memory, entry.rsp - 16, 16) && entry.rsp < PLATFORM_LOW_END);
	CHECK_EQ(entry.rax | entry.rbx, 0);
	CHECK_EQ(p->sentinel, 0);
	CHECK_EQ(p->hdr.type_of_loader, 0xff);
	CHECK_EQ(p->acpi_rsdp_addr, request->acpi_rsdp);
	CHECK(p->hdr.cmd_line_ptr >= 0x9000 && p->hdr.cmd_line_ptr < PLATFORM_LOW_END);
	check_string(p->hdr.cmd_line_ptr, request->append);
	CHECK_EQ(p->e820_entries, nr);
	for (i = 0; i < nr; i++) {
		CHECK_EQ(p->e820_table[i].addr, ranges[i].base);
		CHECK_EQ(p->e820_table[i].size, ranges[i].size);
		CHECK_EQ(p->e820_table[i].type, ranges[i].type);
	}
	CHECK_EQ(initrd_size(p), request->initrd.size);
	if (request->initrd.size)
		check_bytes(initrd_address(p), request->initrd.data, request->initrd.size);
	else
		CHECK_EQ(initrd_address(p), 0);
	seed = memory_at(&memory, p->hdr.setup_data, sizeof(*seed) + 32);
	CHECK(seed && !seed->next && seed->type == 9 && seed->len == 32);
	CHECK(seed && (guest(p->hdr.setup_data + 16, 8) || guest(p->hdr.setup_data + 24, 8)));
}

void check_elf_loaded(const struct blob *b, u64 rip)
{
	CHECK_EQ(entry.rip, rip);
	check_bytes(ELF_BASE, b->data + ELF_CODE, CODE_SIZE);
	CHECK_EQ(guest(ELF_BASE + CODE_SIZE, 8), 0);
}

void check_pvh(const struct boot_request *request, unsigned int modules)
{
	struct e820_range ranges[E820_RANGES];
	unsigned int i, nr = e820_ranges(&memory, ranges);
	u64 at = entry.rbx;

	CHECK_EQ(entry.mode, ENTRY_PROTECTED);
	CHECK(at >= 0x9000 && at < PLATFORM_LOW_END);
	CHECK_EQ(guest(at, 4), 0x336ec578);
	CHECK_EQ(guest(at + 4, 4), 1);
	CHECK_EQ(guest(at + 8, 4), 0);
	CHECK_EQ(guest(at + 12, 4), modules);
	check_string(guest(at + 24, 8), request->append);
	CHECK_EQ(guest(at + 32, 8), request->acpi_rsdp);
	CHECK_EQ(guest(at + 48, 4), nr);
	for (i = 0; i < nr; i++) {
		u64 map = guest(at + 40, 8) + 24 * i;

		CHECK_EQ(guest(map, 8), ranges[i].base);
		CHECK_EQ(guest(map + 8, 8), ranges[i].size);
		CHECK_EQ(guest(map + 16, 8), ranges[i].type);
	}
}

void check_pvh_module(unsigned int i, const struct blob *b, const char *arguments)
{
	u64 list = guest(entry.rbx + 16, 8) + 32 * i;

	CHECK_EQ(guest(list + 8, 8), b->size);
	check_bytes(guest(list, 8), b->data, b->size);
	if (arguments)
		check_string(guest(list + 16, 8), arguments);
	else
		CHECK_EQ(guest(list + 16, 8), 0);
}

int loading_main(int argc, char **argv, const struct unit *units, unsigned int nr)
{
	int status;

	catch_stderr();
	status = units_main(argc, argv, units, nr);
	free_memory();
	close(said_fd);
	return status;
}
