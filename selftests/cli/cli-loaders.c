// SPDX-License-Identifier: GPL-2.0
/*
 * Loaders: images that are built here, and the kernels of the build if they are there, go
 * into memory. What the guest is told is read back; images that lie in one number are
 * refused in one line that names the image (bug class 42: a parser that trusts what is in
 * the file).
 */
#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "err.h"
#include "loading.h"
#include "platform.h"

/* ---- files and maps ------------------------------------------------------------ */

static void test_e820(void)
{
	static const struct { u64 size; unsigned int nr; u64 usable; } t[] = {
		{ 128 * KIB, 2, 128 * KIB },
		{ MIB, 5, PLATFORM_LOW_END },
		{ 64 * MIB, 6, PLATFORM_LOW_END + 63 * MIB },
		{ 3 * GIB, 6, PLATFORM_LOW_END + 3 * GIB - MIB },
		{ 5 * GIB, 7, PLATFORM_LOW_END + 5 * GIB - MIB },
	};
	struct e820_range r[E820_RANGES];
	unsigned int i, j, nr;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		u64 usable = 0;

		want_memory(t[i].size);
		nr = e820_ranges(&memory, r);
		CHECK_EQ(nr, t[i].nr);
		for (j = 0; j < nr; j++) {
			CHECK(!j || r[j].base >= r[j - 1].base + r[j - 1].size);
			if (r[j].type != 1)
				continue;
			usable += r[j].size;
			CHECK(memory_at(&memory, r[j].base, r[j].size));
		}
		if (t[i].size == 128 * KIB)
			CHECK(nr == 2 && r[0].size == 128 * KIB);
		CHECK_EQ(usable, t[i].usable);
	}
	CHECK_EQ(r[6].base, MEMORY_HIGH_BASE);
	CHECK_EQ(r[6].size, 2 * GIB);
	CHECK(r[2].base == PLATFORM_ACPI && r[2].type == 3);
}

static void read_file(const char *path, u64 most, const char *text)
{
	struct image image;
	int status = image_read(&image, path, most);

	check_said(status, path);
	CHECK_EQ(status, text ? STATUS_IMAGE : 0);
	if (text)
		CHECK_HAS(said, text);
	CHECK(status ? !image.data && !image.size : image.size == 5);
	CHECK(status || !memcmp(image.data, "hello", 5));
	image_free(&image);
}

static void test_image_read(void)
{
	int fd = memfd_create("file", 0), ends[2];
	char path[64], pipe_path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_file(path, 100, "is empty");
	CHECK_EQ(write(fd, "hello", 5), 5);
	read_file(path, 5, NULL);
	read_file(path, MIB, NULL);
	read_file(path, 4, "is larger");
	read_file("/nowhere/image", MIB, "No such file");
	read_file("/proc", MIB, "is a directory");
	/* Without an end, and without a size that is known. */
	read_file("/dev/zero", 3 * MIB, "is larger than 3 MiB");
	CHECK(!pipe(ends));
	snprintf(pipe_path, sizeof(pipe_path), "/proc/self/fd/%d", ends[0]);
	CHECK_EQ(write(ends[1], "hello", 5), 5);
	close(ends[1]);
	read_file(pipe_path, MIB, NULL);
	close(ends[0]);
	close(fd);
}

static void test_find(void)
{
	static const char * const none[] = {
		"", "#!/bin/sh\n", "\177EL", "\xb0\x0b\x02\x1b",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		struct blob from = { .data = (u8 *)none[i], .size = strlen(none[i]) };
		struct blob b = copy_of(&from, from.size);
		struct image image = image_of(&b, NAME);

		CHECK(!loader_find(&image));
		free(b.data);
	}
}

/* ---- Linux --------------------------------------------------------------------- */

static void test_bzimage(void)
{
	struct blob payload = make_elf(true, true), b = make_bzimage(&payload);
	struct blob disk = blob(12345);
	struct boot_request request = request_of(&b);

	want_memory(64 * MIB);
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	check_told(&request);
	CHECK_EQ(entry.rip, BZ_BASE + 0x200);
	check_bytes(BZ_BASE, b.data + BZ_KERNEL, b.size - BZ_KERNEL);
	/* The header as it is in the file, as far as it is not lodge's. */
	check_bytes(entry.rsi + BZ_SECTS, b.data + BZ_SECTS, 9);
	check_bytes(entry.rsi + BZ_INITRD_MAX, b.data + BZ_INITRD_MAX, 0x24);
	check_bytes(entry.rsi + BZ_PREF, b.data + BZ_PREF, BZ_END - BZ_PREF);
	CHECK_EQ(guest(entry.rsi + BZ_END, 4), 0);
	fill_data(disk.data, disk.size);
	request.initrd = image_of(&disk, "the/initrd");
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	check_told(&request);
	CHECK_EQ(initrd_address(told()), 64 * MIB - 4 * PAGE_SIZE);
	/* Four sectors are what no sectors mean. */
	free(disk.data);
	disk = blob(b.size + 3 * 512);
	memcpy(disk.data, b.data, BZ_KERNEL);
	memcpy(disk.data + BZ_KERNEL + 3 * 512, b.data + BZ_KERNEL, b.size - BZ_KERNEL);
	put_number(&disk, BZ_SECTS, 0, 1);
	request = request_of(&disk);
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	check_bytes(BZ_BASE, b.data + BZ_KERNEL, b.size - BZ_KERNEL);
	free(disk.data);
	free(b.data);
	free(payload.data);
}

static void test_bzimage_lies(void)
{
	static const struct lie lies[] = {
		{ BZ_VERSION, 2, 0x205, "boot protocol 2.05" },
		{ BZ_VERSION, 2, 0x20b, "without a 64-bit entry" },
		{ BZ_XLOADFLAGS, 2, 0, "without a 64-bit entry" },
		{ BZ_LOADFLAGS, 1, 0, "is a zImage" },
		{ BZ_JUMP + 1, 1, 0x4c, "header is too short" },
		{ BZ_JUMP + 1, 1, 0x8f, "header is too long" },
		{ BZ_SYSSIZE, 4, 0x10000, "truncated bzImage" },
		{ BZ_SYSSIZE, 4, ~0u, "truncated bzImage" },
		{ BZ_SECTS, 1, 255, "truncated bzImage" },
		{ BZ_SYSSIZE, 4, 0x20, "contradict" },
		{ BZ_INIT_SIZE, 4, 0x600, "contradict" },
		{ BZ_INIT_SIZE, 4, 0, "contradict" },
		{ BZ_INIT_SIZE, 4, 64 * MIB, "into 64 MiB of memory, it ends at 80 MiB" },
		{ BZ_INIT_SIZE, 4, ~0u, "where no memory is" },
		{ BZ_ALIGN, 4, 0, "alignment" },
		{ BZ_ALIGN, 4, 0x300000, "alignment" },
		{ BZ_ALIGN, 4, 0x80000000, "alignment" },
		{ BZ_PREF, 8, 64 * MIB, "does not fit" },
		{ BZ_PREF, 8, ~0ull, "where no memory is" },
		{ BZ_PREF, 8, 5 * GIB, "where no memory is" },
		{ BZ_CMDLINE_SIZE, 4, 18, "has 19 bytes and the kernel takes 18" },
	};
	struct blob payload = make_elf(true, true), b = make_bzimage(&payload);

	want_memory(64 * MIB);
	tell_lies(&b, &loader_bzimage, lies, ARRAY_SIZE(lies));
	/* One that stays where it is built for may not be in lodge's way. */
	put_number(&b, BZ_RELOCATABLE, 0, 1);
	tell_lies(&b, &loader_bzimage, (struct lie[]){
		{ BZ_PREF, 8, 0x90000, "is in the way of what a PC has below 1 MiB" },
		{ BZ_PREF, 8, 0, "is in the way of what lodge tells the kernel" },
	}, 2);
	free(b.data);
	free(payload.data);
}

/* Where a kernel goes that does not insist. */
static void test_bzimage_address(void)
{
	static const struct { u64 wants; u32 align; u64 gets; } t[] = {
		{ 0, 0x200000, 0x200000 },
		{ 0, 0x100000, 0x100000 },
		{ 0x300000, 0x200000, 0x400000 },
		{ 0x123000, 0x1000, 0x123000 },
		{ 62 * MIB, 1, 62 * MIB },
	};
	struct blob payload = make_elf(true, true), b = make_bzimage(&payload);
	struct boot_request request = request_of(&b);
	unsigned int i;

	want_memory(64 * MIB);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		put_number(&b, BZ_PREF, t[i].wants, 8);
		put_number(&b, BZ_ALIGN, t[i].align, 4);
		CHECK_EQ(load(&request, &loader_bzimage), 0);
		CHECK_EQ(entry.rip, t[i].gets + 0x200);
	}
	free(b.data);
	free(payload.data);
}

static void test_initrd_places(void)
{
	struct blob payload = make_elf(true, true), b = make_bzimage(&payload);
	struct blob disk = blob(20 * MIB);
	struct boot_request request = request_of(&b);

	fill_data(disk.data, disk.size);
	request.initrd = image_of(&disk, "the/initrd");
	want_memory(32 * MIB);
	CHECK_EQ(load(&request, &loader_bzimage), STATUS_IMAGE);
	CHECK_HAS(said, "into 32 MiB of memory with the initrd: together they take 38 MiB");
	CHECK_HAS(said, "give --mem 38M");
	want_memory(38 * MIB);
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	CHECK_EQ(initrd_address(told()), BZ_BASE + BZ_INIT);
	/* Up to 2 GiB, however much there is, for that is what the kernel says. */
	want_memory(5 * GIB);
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	check_told(&request);
	CHECK_EQ(initrd_address(told()), 2 * GIB - 20 * MIB);
	/* Below the kernel. */
	put_number(&b, BZ_INITRD_MAX, 27 * MIB - 1, 4);
	put_number(&b, BZ_PREF, 22 * MIB, 8);
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	CHECK_EQ(initrd_address(told()), 2 * MIB);
	/* Above 4 GiB if there is no other way. */
	put_number(&b, BZ_INITRD_MAX, 20 * MIB - 1, 4);
	CHECK_EQ(load(&request, &loader_bzimage), 0);
	check_told(&request);
	CHECK_EQ(initrd_address(told()), 6 * GIB - 20 * MIB);
	put_number(&b, BZ_XLOADFLAGS, XLF_KERNEL_64, 2);
	CHECK_EQ(load(&request, &loader_bzimage), STATUS_IMAGE);
	CHECK_HAS(said, "not with more memory either");
	request.initrd.size = 0;
	request.nr_modules = 1;
	CHECK_EQ(load(&request, &loader_bzimage), STATUS_IMAGE);
	CHECK_HAS(said, "takes no modules");
	free(disk.data);
	free(b.data);
	free(payload.data);
}

/* ---- ELF ----------------------------------------------------------------------- */

static void test_pvh(void)
{
	struct blob disk = blob(12345);
	unsigned int is_64;

	fill_data(disk.data, disk.size);
	for (is_64 = 0; is_64 < 2; is_64++) {
		struct blob b = make_elf(is_64, true);
		struct boot_request request = request_of(&b);

		want_memory(64 * MIB);
		CHECK_EQ(load(&request, &loader_elf), 0);
		check_elf_loaded(&b, ELF_PVH_ENTRY);
		check_pvh(&request, 0);
		want_memory(5 * GIB);
		request.initrd = image_of(&disk, "the/initrd");
		request.nr_modules = 1;
		request.module[0].image = image_of(&b, "the/module");
		request.module[0].arguments = "a b";
		CHECK_EQ(load(&request, &loader_elf), 0);
		check_pvh(&request, 2);
		check_pvh_module(0, &disk, NULL);
		check_pvh_module(1, &b, "a b");
		CHECK(guest(guest(entry.rbx + 16, 8), 8) < MEMORY_LOW_END);
		free(b.data);
	}
	free(disk.data);
}

/* Notes that are not as a whole in the file are none, and Linux starts without. */
static void test_elf_notes(void)
{
	static const struct lie lies[] = {
		{ 120 + 32, 8, ELF_NOTES_SIZE - 1, NULL },	/* of their segment in the file */
		{ 120 + 32, 8, 35, NULL },
		{ 120 + 32, 8, 11, NULL },
		{ ELF_NOTES, 4, ~0u, NULL },			/* somebody's name */
		{ ELF_NOTES + 4, 4, ~0u, NULL },
		{ ELF_NOTES + 24, 4, ~0u, NULL },		/* Xen's */
		{ ELF_NOTES + 24, 4, 5, NULL },
		{ ELF_NOTES + 24, 4, 400, NULL },
		{ ELF_NOTES + 28, 4, ~0u, NULL },
		{ ELF_NOTES + 28, 4, 8, NULL },
		{ ELF_NOTES + 32, 4, 19, NULL },
		{ ELF_NOTES + 36, 4, 0x6e6559, NULL },
	};
	struct blob truth = make_elf(true, true);
	unsigned int i;

	want_memory(64 * MIB);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		struct blob b = copy_of(&truth, truth.size);
		struct boot_request request = request_of(&b);

		put_number(&b, lies[i].at, lies[i].value, lies[i].bytes);
		CHECK_EQ(load(&request, &loader_elf), 0);
		check_elf_loaded(&b, ELF_ENTRY);
		check_told(&request);
		free(b.data);
	}
	free(truth.data);
}

/* Linux forgets what is behind 2047 bytes of its command line, so that is told before. */
static void test_long_lines(void)
{
	unsigned int note;
	char line[2049];

	want_memory(64 * MIB);
	for (note = 0; note < 2; note++) {
		struct blob b = make_elf(true, note);
		struct boot_request request = request_of(&b);

		request.append = line;
		memset(line, 'x', sizeof(line));
		line[2047] = 0;
		CHECK_EQ(load(&request, &loader_elf), 0);
		line[2047] = 'x';
		line[2048] = 0;
		CHECK_EQ(load(&request, &loader_elf), STATUS_IMAGE);
		CHECK_HAS(said, "has 2048 bytes and the kernel takes 2047");
		/* Others take more. */
		b.data[ELF_TEXT] = 'l';
		CHECK_EQ(load(&request, &loader_elf), note ? 0 : STATUS_IMAGE);
		free(b.data);
	}
}

static void test_elf_linux(void)
{
	struct blob b = make_elf(true, false), disk = blob(12345);
	struct boot_request request = request_of(&b);

	fill_data(disk.data, disk.size);
	want_memory(64 * MIB);
	request.initrd = image_of(&disk, "the/initrd");
	CHECK_EQ(load(&request, &loader_elf), 0);
	check_elf_loaded(&b, ELF_ENTRY);
	check_told(&request);
	CHECK_EQ(guest(entry.rsi + BZ_MAGIC, 4), 0x53726448);
	CHECK_EQ(guest(entry.rsi + BZ_FLAG, 2), 0xaa55);
	/* An entry at the address that the kernel will have when it has page tables. */
	put_number(&b, 0x18, ELF_VIRTUAL + 0x30, 8);
	CHECK_EQ(load(&request, &loader_elf), 0);
	CHECK_EQ(entry.rip, ELF_BASE + 0x30);
	/* Somebody else's. */
	b.data[ELF_TEXT] = 'l';
	CHECK_EQ(load(&request, &loader_elf), STATUS_IMAGE);
	CHECK_HAS(said, "neither a 64-bit Linux nor");
	free(b.data);
	free(disk.data);
}

static void test_elf_lies(void)
{
	static const struct lie lies[] = {
		{ 4, 1, 3, "no ELF file of this kind" },	/* class */
		{ 5, 1, 2, "no ELF file of this kind" },	/* byte order */
		{ 16, 2, ET_DYN, "of type 3" },
		{ 18, 2, EM_AARCH64, "for another machine" },
		{ 54, 2, 32, "without segments" },		/* size of program headers */
		{ 56, 2, 0, "without segments" },
		{ 56, 2, 65, "65 segments" },
		{ 32, 8, ELF_NOTES + ELF_NOTES_SIZE - 111, "list of segments is beyond" },
		{ 32, 8, ~0ull, "list of segments is beyond" },
		{ 64, 4, PT_INTERP, "is a program" },
		{ 64, 4, PT_NULL, "with 0 segments to load" },
		{ 64 + 8, 8, ELF_CODE + 45, "a segment is beyond" },	/* offset */
		{ 64 + 8, 8, ~0ull, "a segment is beyond" },
		{ 64 + 32, 8, CODE_SIZE + 45, "a segment is beyond" },
		{ 64 + 32, 8, ~0ull, "a segment is beyond" },
		{ 64 + 40, 8, CODE_SIZE - 1, "more bytes than memory" },
		{ 64 + 40, 8, 64 * MIB, "does not fit into 64 MiB" },
		{ 64 + 40, 8, ~0ull, "where no memory is" },
		{ 64 + 24, 8, 0xa000, "in the way of what lodge tells" },
		{ 64 + 24, 8, 0x9f000, "in the way of what a PC has" },
		{ 64 + 24, 8, ~0ull, "where no memory is" },
		{ 64 + 24, 8, 3 * GIB, "where no memory is" },
		{ 120 + 8, 8, ~0ull, "a segment is beyond" },	/* the notes */
		{ ELF_NOTES + 28, 4, 3, "its entry is not in what it loads" },
		{ ELF_NOTES + 40, 4, ELF_BASE + CODE_SIZE, "its entry is not in" },
		{ ELF_NOTES + 40, 4, 0, "its entry is not in" },
	};
	struct blob b = make_elf(true, true);

	want_memory(64 * MIB);
	tell_lies(&b, &loader_elf, lies, ARRAY_SIZE(lies));
	/* Two segments at the same place. */
	memcpy(b.data + 120, b.data + 64, 56);
	tell_lies(&b, &loader_elf, &(struct lie){ 0, 1, 0x7f, "in the way of a segment" }, 1);
	free(b.data);
	b = make_elf(false, false);
	tell_lies(&b, &loader_elf, &(struct lie){ 0, 1, 0x7f, "neither a 64-bit Linux" }, 1);
	free(b.data);
}

/* ---- multiboot ----------------------------------------------------------------- */

static void check_multiboot(const struct boot_request *request)
{
	struct e820_range ranges[E820_RANGES];
	unsigned int i, nr = e820_ranges(&memory, ranges);
	u64 at = entry.rbx, map = guest(at + 48, 4);
	char line[100];

	CHECK_EQ(entry.mode, ENTRY_PROTECTED);
	CHECK_EQ(entry.rax, 0x2badb002);
	CHECK(at >= 0x9000 && at < PLATFORM_LOW_END);
	CHECK_EQ(guest(at, 4), 0x24d);		/* memory, command line, modules, map, name */
	CHECK_EQ(guest(at + 4, 4), PLATFORM_LOW_END / KIB);
	CHECK_EQ(guest(at + 8, 4), (memory.ram[0].size - MIB) / KIB);
	snprintf(line, sizeof(line), "%s %s", NAME, request->append);
	check_string(guest(at + 16, 4), line);
	check_string(guest(at + 64, 4), "lodge");
	CHECK_EQ(guest(at + 44, 4), nr * 24);
	for (i = 0; i < nr; i++, map += guest(map, 4) + 4) {
		CHECK_EQ(guest(map + 4, 8), ranges[i].base);
		CHECK_EQ(guest(map + 12, 8), ranges[i].size);
		CHECK_EQ(guest(map + 20, 4), ranges[i].type);
	}
}

static void check_multiboot_module(unsigned int i, const struct blob *b, const char *text,
				   u64 gpa)
{
	u64 list = guest(entry.rbx + 24, 4) + 16 * i;

	CHECK_EQ(guest(list, 4), gpa);
	CHECK_EQ(guest(list + 4, 4), gpa + b->size);
	check_bytes(gpa, b->data, b->size);
	check_string(guest(list + 8, 4), text);
}

static void test_multiboot(void)
{
	struct blob b = make_multiboot(), disk = blob(12345);
	struct boot_request request = request_of(&b);

	fill_data(disk.data, disk.size);
	want_memory(64 * MIB);
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	CHECK_EQ(entry.rip, MB_ENTRY);
	check_bytes(MB_BASE, b.data + MB_OFFSET, MB_SIZE);
	CHECK_EQ(guest(MB_BASE + MB_SIZE, 8), 0);
	check_multiboot(&request);
	CHECK_EQ(guest(entry.rbx + 20, 4), 0);
	want_memory(5 * GIB);
	request.initrd = image_of(&disk, "the/initrd");
	request.nr_modules = 2;
	request.module[0].image = image_of(&b, "the/module");
	request.module[0].arguments = "a b";
	request.module[1].image = image_of(&disk, "the/other");
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	check_multiboot(&request);
	CHECK_EQ(guest(entry.rbx + 20, 4), 3);
	check_multiboot_module(0, &disk, "the/initrd", MB_BASE + MB_END);
	check_multiboot_module(1, &b, "the/module a b", MB_BASE + MB_END + 4 * PAGE_SIZE);
	check_multiboot_module(2, &disk, "the/other", MB_BASE + MB_END + 5 * PAGE_SIZE);
	/* Without ends, all of the file and no more. */
	put_number(&b, MB_HEADER + 20, 0, 8);
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	check_bytes(MB_BASE, b.data + MB_OFFSET, b.size - MB_OFFSET);
	CHECK_EQ(guest(MB_BASE + b.size - MB_OFFSET, 4), OLD_CONTENTS);
	/* As many as there can be, and one that is empty. */
	request.nr_modules = BOOT_MODULES;
	for (unsigned int i = 0; i < BOOT_MODULES; i++)
		request.module[i] = request.module[0];
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	CHECK_EQ(guest(entry.rbx + 20, 4), BOOT_MODULES + 1);
	request.module[3].image.size = 0;
	CHECK_EQ(load(&request, &loader_multiboot), STATUS_IMAGE);
	CHECK_HAS(said, "is empty");
	free(b.data);
	free(disk.data);
}

static void test_multiboot_elf(void)
{
	struct blob b = make_multiboot_elf();
	struct boot_request request = request_of(&b);
	char *line = malloc(70000);

	want_memory(64 * MIB);
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	check_elf_loaded(&b, ELF_ENTRY);
	check_multiboot(&request);
	memset(line, 'x', 70000);
	line[69999] = 0;
	request.append = line;
	CHECK_EQ(load(&request, &loader_multiboot), STATUS_IMAGE);
	CHECK_HAS(said, "the command line is too long");
	request.append = "";
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	check_string(guest(entry.rbx + 16, 4), NAME);
	free(line);
	free(b.data);
}

static void test_multiboot_lies(void)
{
	static const struct lie lies[] = {
		{ MB_HEADER + 12, 4, MB_BASE - 1, "contradict" },
		{ MB_HEADER + 12, 4, ~0u, "contradict" },
		{ MB_HEADER + 16, 4, 0, "contradict" },
		{ MB_HEADER + 20, 4, MB_BASE, "ends before it begins" },
		{ MB_HEADER + 20, 4, 1, "ends before it begins" },
		{ MB_HEADER + 20, 4, MB_BASE + MB_SIZE + 0xe1, "truncated multiboot kernel" },
		{ MB_HEADER + 20, 4, ~0u, "truncated multiboot kernel" },
		{ MB_HEADER + 24, 4, MB_BASE + MB_SIZE - 1, "bss ends before" },
		{ MB_HEADER + 24, 4, ~0u, "where no memory is" },
		{ MB_HEADER + 24, 4, 65 * MIB, "does not fit into 64 MiB" },
		{ MB_HEADER + 28, 4, MB_BASE - 1, "entry is not in" },
		{ MB_HEADER + 28, 4, MB_BASE + MB_SIZE, "entry is not in" },
	};
	static const struct { u32 flags; const char *text; } flags[] = {
		{ 0x10004, "demands a video mode" },
		{ 0x10008, "demands what lodge does not have" },
		{ 0x18000, "demands what lodge does not have" },
		{ 0, "no ELF file and does not say" },
	};
	struct blob b = make_multiboot(), shorter;
	struct boot_request request;
	unsigned int i;

	want_memory(64 * MIB);
	tell_lies(&b, &loader_multiboot, lies, ARRAY_SIZE(lies));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		put_multiboot(&b, MB_HEADER, flags[i].flags);
		tell_lies(&b, &loader_multiboot, &(struct lie){ 0, 1, 1, flags[i].text }, 1);
	}
	/* Flags that nobody need understand. */
	put_multiboot(&b, MB_HEADER, 0xffff0000);
	request = request_of(&b);
	CHECK_EQ(load(&request, &loader_multiboot), 0);
	/* Not where it is to be looked for. */
	put_number(&b, MB_HEADER + 8, 0, 4);
	request = request_of(&b);
	CHECK(!loader_find(&request.kernel));
	put_multiboot(&b, MB_HEADER + 2, 0x10000);
	CHECK(!loader_find(&request.kernel));
	free(b.data);
	b = blob(8192 + 64);
	put_multiboot(&b, 8192 - 12, 0x10000);
	request = request_of(&b);
	CHECK(loader_find(&request.kernel) == &loader_multiboot);
	/* The header's end is not in the file. */
	shorter = copy_of(&b, 8192 + 10);
	tell_lies(&shorter, &loader_multiboot, &(struct lie){ 0, 1, 1, "cut off" }, 1);
	free(shorter.data);
	put_number(&b, 8192 - 12, 0, 4);
	put_multiboot(&b, 8192 - 8, 0x10000);
	CHECK(!loader_find(&request.kernel));
	free(b.data);
}

/* ---- real kernels -------------------------------------------------------------- */

static void try_kernel(const char *path)
{
	static const u64 sizes[] = { 128 * MIB, 512 * MIB, 3 * GIB, 6 * GIB };
	struct boot_request request = { .append = "console=ttyS0", .acpi_rsdp = PLATFORM_ACPI };
	struct blob disk = blob(3 * MIB + 5);
	struct image packed, elf;
	unsigned int i;

	CHECK_EQ(image_read(&packed, path, GIB), 0);
	CHECK_EQ(bzimage_unpack(&packed, &elf), 0);
	fill_data(disk.data, disk.size);
	request.initrd = image_of(&disk, "the/initrd");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		want_memory(sizes[i]);
		request.kernel = packed;
		CHECK_EQ(load(&request, &loader_bzimage), 0);
		check_told(&request);
		request.kernel = elf;
		CHECK_EQ(load(&request, &loader_elf), 0);
		check_pvh(&request, 1);
		check_pvh_module(0, &disk, NULL);
	}
	free(disk.data);
	image_free(&elf);
	image_free(&packed);
}

/* Those of the build this program is in, or else what LODGE_KERNELS says. */
static void test_kernels(void)
{
	const char *pattern = getenv("LODGE_KERNELS");
	char path[4096 + 64] = "";
	glob_t found;
	ssize_t n;
	size_t i;

	if (!pattern) {
		n = readlink("/proc/self/exe", path, 4096);
		while (n > 0 && path[n - 1] != '/')
			n--;
		strcpy(path + (n > 0 ? n : 0), "../../kernel-6*/vmlinuz");
		pattern = path;
	}
	if (glob(pattern, 0, NULL, &found)) {
		printf("# no kernels at %s\n", pattern);
		return;
	}
	for (i = 0; i < found.gl_pathc; i++) {
		printf("# %s\n", found.gl_pathv[i]);
		try_kernel(found.gl_pathv[i]);
	}
	globfree(&found);
}

/* ---- all of them --------------------------------------------------------------- */

static const struct unit tests[] = {
	{ "e820", test_e820 },
	{ "image_read", test_image_read },
	{ "find", test_find },
	{ "bzimage", test_bzimage },
	{ "class42_bzimage_lies", test_bzimage_lies },
	{ "bzimage_address", test_bzimage_address },
	{ "initrd_places", test_initrd_places },
	{ "pvh", test_pvh },
	{ "class42_elf_notes", test_elf_notes },
	{ "elf_linux", test_elf_linux },
	{ "elf_long_lines", test_long_lines },
	{ "class42_elf_lies", test_elf_lies },
	{ "multiboot", test_multiboot },
	{ "multiboot_elf", test_multiboot_elf },
	{ "class42_multiboot_lies", test_multiboot_lies },
	{ "kernels", test_kernels },
};

int main(int argc, char **argv)
{
	return loading_main(argc, argv, tests, ARRAY_SIZE(tests));
}
