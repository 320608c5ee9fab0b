// SPDX-License-Identifier: GPL-2.0
/*
 * backing - what a process may have as the guest's memory, beside plain anonymous
 * memory: files, huge pages of all kinds, pages it may not write, pages without a
 * struct page. The guest can do with them what the process can, and no more (bug
 * classes 16 and 17). More of the host's memory management is in hostmem.c.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>

#include "memory.h"

#define SIZE	SZ_2M
#define GPA	TEST_GPA
#define WORDS	(SIZE / 8)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25		/* Linux 6.1 */
#endif

/* ---- kinds of memory --------------------------------------------------- */

struct kind {
	const char *name;
	int memfd;			/* flags of memfd_create(), or -1 */
	int flags;			/* of mmap() */
	bool thp;
	size_t size;
};

static const struct kind kinds[] = {
	{ "anonymous", -1, MAP_PRIVATE | MAP_ANONYMOUS, false, SIZE },
	{ "anonymous, shared", -1, MAP_SHARED | MAP_ANONYMOUS, false, SIZE },
	{ "transparent huge pages", -1, MAP_PRIVATE | MAP_ANONYMOUS, true, SIZE },
	{ "hugetlb", -1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, false, SIZE },
	{ "hugetlb, shared", -1, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, false, SIZE },
	{ "file, shared", 0, MAP_SHARED, false, SIZE },
	{ "file, private", 0, MAP_PRIVATE, false, SIZE },
	{ "hugetlb file, shared", MFD_HUGETLB, MAP_SHARED, false, SIZE },
	{ "hugetlb file, private", MFD_HUGETLB, MAP_PRIVATE, false, SIZE },
};

static int new_file(int flags, size_t size)
{
	int fd = memfd_create("backing", MFD_CLOEXEC | flags);

	if (fd < 0)
		return -1;
	CHECK_EQ(ftruncate(fd, size), 0);
	return fd;
}

static bool is_private_file(const struct kind *k)
{
	return k->memfd >= 0 && k->flags & MAP_PRIVATE;
}

/* Memory of this kind, or NULL if the host has none. */
static void *map_kind(const struct kind *k, int *fd)
{
	void *p;

	*fd = -1;
	if (k->thp)
		return mem_alloc(k->size, MEM_THP, NULL);
	if (k->memfd >= 0) {
		*fd = new_file(k->memfd, k->size);
		if (*fd < 0)
			return NULL;
	}
	p = mmap(NULL, k->size, PROT_READ | PROT_WRITE, k->flags, *fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* Runs @check for each kind of memory that there is. */
static void with_each_kind(void (*check)(const struct kind *k, u64 *mem, int fd))
{
	write_text("/proc/sys/vm/nr_hugepages", "4");
	for (u64 i = 0; i < ARRAY_SIZE(kinds); i++) {
		u64 *mem;
		int fd;

		test_doing("%s", kinds[i].name);
		mem = map_kind(&kinds[i], &fd);
		if (!mem) {
			test_diag("no memory: %s", kinds[i].name);
			continue;
		}
		check(&kinds[i], mem, fd);
		munmap(mem, kinds[i].size);
		if (fd >= 0)
			close(fd);
	}
	write_text("/proc/sys/vm/nr_hugepages", "0");
}

static u64 other_view(int fd, off_t off)
{
	u64 v, *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	v = p[off / 8];
	munmap(p, SIZE);
	return v;
}

static void check_both_ways(const struct kind *k, u64 *mem, int fd)
{
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);

	CHECK_READ(vcpu, GPA + SIZE - 8, 0);
	mem[3] = 0x1111;
	CHECK_READ(vcpu, GPA + 24, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA + 24, 0x2222), 0);
	CHECK_EQ(mem[3], 0x2222);
	CHECK_EQ(guest_write(vcpu, GPA + SIZE - 8, 0x3333), 0);
	CHECK_EQ(mem[WORDS - 1], 0x3333);
	if (fd >= 0) {
		u64 want = is_private_file(k) ? 0 : 0x2222;

		CHECK_EQ(other_view(fd, 24), want);
	}
	vm_free(vcpu->vm);
}

SUBTEST(both_see_what_the_other_wrote)
{
	with_each_kind(check_both_ways);
}

static void check_execute(const struct kind *k, u64 *mem, int fd)
{
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	u64 value;

	for (u32 i = 1; i <= 3; i++) {
		/* New code by the host; then by the guest, over the old one. */
		put_code(mem, 10 * i);
		put_code(&mem[WORDS - 1], 20 * i);
		CHECK_EQ(guest_execute(vcpu, GPA, &value), 0);
		CHECK_EQ(value, 10 * i);
		CHECK_EQ(guest_execute(vcpu, GPA + SIZE - 8, &value), 0);
		CHECK_EQ(value, 20 * i);
		put_code(&value, 30 * i);
		CHECK_EQ(guest_write(vcpu, GPA, value), 0);
		CHECK_EQ(guest_execute(vcpu, GPA, &value), 0);
		CHECK_EQ(value, 30 * i);
	}
	/* The process itself needs no right to execute it, nor to write it. */
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ), 0);
	CHECK_EQ(guest_execute(vcpu, GPA, &value), 0);
	CHECK_EQ(value, 90);
	CHECK_EQ(mprotect(mem, SIZE, PROT_NONE), 0);
	CHECK_EQ(guest_execute(vcpu, GPA, &value), -EFAULT);
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(guest_retry(vcpu, &value), 0);
	CHECK_EQ(value, 90);
	vm_free(vcpu->vm);
}

SUBTEST(code_in_every_kind)
{
	with_each_kind(check_execute);
}

SUBTEST(hugetlb_of_1_gib)
{
	size_t size = 1ul << 30;
	struct vcpu *vcpu;
	u64 *mem;

	write_text("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1");
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, -1, 0);
	if (mem == MAP_FAILED)
		SKIP("no page of 1 GiB: %s", strerror(errno));
	vcpu = vcpu_with_mem(mem, size, 0);
	CHECK_EQ(set_region(vcpu->vm, MEM_SLOT, 0, 0x40000000, size, mem), 0);
	for (u64 off = 0; off < size; off += size / 16) {
		CHECK_EQ(guest_write(vcpu, 0x40000000 + off, off + 1), 0);
		CHECK_EQ(mem[off / 8], off + 1);
	}
}

/* ---- rights ------------------------------------------------------------ */

static void check_rights(const struct kind *k, u64 *mem, int fd)
{
	struct vcpu *vcpu;
	u64 value;

	/* Before the guest has touched any of it. */
	mem[0] = 0x1111;
	CHECK_EQ(mprotect(mem, SIZE, PROT_NONE), 0);
	vcpu = vcpu_with_mem(mem, SIZE, 0);
	CHECK_EQ(guest_read(vcpu, GPA, &value), -EFAULT);
	CHECK_EQ(guest_write(vcpu, GPA, 1), -EFAULT);
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ), 0);
	CHECK_EQ(guest_write(vcpu, GPA, 1), -EFAULT);
	CHECK_EQ(guest_write(vcpu, GPA + SIZE - 8, 1), -EFAULT);
	CHECK_READ(vcpu, GPA, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA, 1), -EFAULT);
	CHECK_EQ(mem[0], 0x1111);
	CHECK_EQ(mem[WORDS - 1], 0);
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(guest_retry(vcpu, NULL), 0);
	CHECK_EQ(mem[0], 1);
	vm_free(vcpu->vm);
}

SUBTEST(class16_rights_of_every_kind)
{
	with_each_kind(check_rights);
}

/* One slot over mappings that have nothing in common but their neighbourhood. */
SUBTEST(class16_patchwork)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	int fd = new_file(0, 4 * PAGE_SIZE);
	u64 v = 0x2222, value;
	struct vcpu *vcpu;

	CHECK_EQ(pwrite(fd, &v, 8, PAGE_SIZE), 8);
	CHECK(mmap(mem + PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		   PAGE_SIZE) != MAP_FAILED);
	CHECK(mmap(mem + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED, fd, PAGE_SIZE) != MAP_FAILED);
	munmap(mem + 3 * PAGE_SIZE, PAGE_SIZE);
	/* Behind the file's end there is a mapping, and no page. */
	CHECK(mmap(mem + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, fd, 4 * PAGE_SIZE) != MAP_FAILED);
	vcpu = vcpu_with_mem(mem, SIZE, 0);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
		CHECK_READ(vcpu, GPA + PAGE_SIZE, 0x2222);
		CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, 1), -EFAULT);
		CHECK_READ(vcpu, GPA + 2 * PAGE_SIZE, round ? 0x3333 : 0x2222);
		CHECK_EQ(guest_write(vcpu, GPA + 2 * PAGE_SIZE, 0x3333), 0);
		CHECK_EQ(guest_read(vcpu, GPA + 3 * PAGE_SIZE, &value), -EFAULT);
		CHECK_EQ(guest_read(vcpu, GPA + 4 * PAGE_SIZE, &value), -EFAULT);
		CHECK_EQ(guest_write(vcpu, GPA + 4 * PAGE_SIZE, 1), -EFAULT);
		CHECK_EQ(guest_write(vcpu, GPA + 5 * PAGE_SIZE, 0x5555), 0);
	}
	CHECK_EQ(pread(fd, &v, 8, PAGE_SIZE), 8);
	CHECK_EQ(v, 0x2222);
}

/* An access over the end of what is there: all of it or nothing. */
SUBTEST(class16_access_across_the_end_of_memory)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), value;
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);

	mem[511] = 0x1111111111111111;
	CHECK_EQ(mprotect(mem + 512, PAGE_SIZE, PROT_NONE), 0);
	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE - 4, ~0ull), -EFAULT);
	CHECK_EQ(mem[511], 0x1111111111111111);
	CHECK_EQ(guest_read(vcpu, GPA + PAGE_SIZE - 4, &value), -EFAULT);
	CHECK_EQ(mprotect(mem + 512, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(guest_retry(vcpu, &value), 0);
	CHECK_EQ(value, 0x11111111);
	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE - 4, ~0ull), -EFAULT);
	CHECK_EQ(mem[511], 0x1111111111111111);
}

/* ---- pages that are not the process's ---------------------------------- */

/*
 * A write to a page without references that the process may not write: an error,
 * or an exit as for a read-only slot. The guest is behind it then.
 */
static void check_write_is_refused(struct vcpu *vcpu, u64 gpa)
{
	struct kvm_run *run = vcpu->run;
	int ret = guest_start_write(vcpu, gpa, 0x5a5a5a5a5a5a5a5a);

	if (ret == -EFAULT)
		return;
	CHECK_EQ(ret, 0);
	CHECK_EQ(run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(run->mmio.phys_addr, gpa);
	CHECK_EQ(run->mmio.is_write, 1);
	vcpu_expect_done(vcpu);
}

/* Where /proc/self/maps has @name; 0: nowhere. */
static u64 *find_mapping(const char *name, u64 *size)
{
	unsigned long start, end;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[256];
	u64 *found = NULL;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		if (strstr(line, name) && sscanf(line, "%lx-%lx", &start, &end) == 2) {
			found = (u64 *)start;
			*size = end - start;
		}
	fclose(f);
	return found;
}

/* The kernel's time data: read-only, and (vvar) without page references. */
static void check_kernel_page(const char *name)
{
	u64 size, value, *mem = find_mapping(name, &size);
	struct vcpu *vcpu;

	if (!mem)
		SKIP("there is no %s", name);
	vcpu = vcpu_with_mem(mem, size, 0);
	for (u64 off = 0; off < size; off += PAGE_SIZE) {
		u64 at = off + PAGE_SIZE - 8;
		int ret = guest_read(vcpu, GPA + at, &value);

		test_doing("%s, page %llu", name, (unsigned long long)off / PAGE_SIZE);
		CHECK(ret == 0 || ret == -EFAULT);
		if (!ret)
			CHECK_EQ(value, mem[at / 8]);
		check_write_is_refused(vcpu, GPA + at);
		if (!ret)
			CHECK_EQ(mem[at / 8], value);
	}
}

SUBTEST(class16_time_page_cannot_be_written)
{
	check_kernel_page("[vvar]");
}

SUBTEST(class16_vdso_cannot_be_written)
{
	check_kernel_page("[vdso]");
}

/* Registers of a device; the first is constant. VM_PFNMAP, no struct page. */
static u64 *map_device(void)
{
	int fd = open("/dev/hpet", O_RDONLY);
	u64 *p;

	if (fd < 0)
		SKIP("no /dev/hpet: %s", strerror(errno));
	p = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		SKIP("no mmap of /dev/hpet: %s", strerror(errno));
	return p;
}

SUBTEST(class16_device_registers)
{
	u64 *dev = map_device(), value;
	struct vcpu *vcpu = vcpu_with_mem(dev, PAGE_SIZE, 0);

	CHECK_READ(vcpu, GPA, dev[0]);
	/* It may be read only, as the mapping. */
	check_write_is_refused(vcpu, GPA + 0x800);
	CHECK_READ(vcpu, GPA, dev[0]);
	munmap(dev, PAGE_SIZE);
	CHECK_EQ(guest_read(vcpu, GPA, &value), -EFAULT);
}

SUBTEST(class16_device_replaced_by_memory_and_back)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);

	for (u64 i = 1; i < 8; i++) {
		u64 *dev = map_device(), id = dev[0];

		CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, i), 0);
		CHECK(mremap(dev, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     mem + 512) == mem + 512);
		CHECK_READ(vcpu, GPA + PAGE_SIZE, id);
		CHECK_READ(vcpu, GPA, i - 1);
		CHECK_EQ(guest_write(vcpu, GPA, i), 0);
		CHECK(mmap(mem + 512, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem + 512);
		CHECK_READ(vcpu, GPA + PAGE_SIZE, 0);
	}
}

/* Another machine's page of exits: the kernel's memory, in reach of user space. */
SUBTEST(class16_exit_page_of_another_machine)
{
	struct vcpu *other = vcpu_create(vm_create(), 0);
	struct kvm_run *run = other->run;
	struct vcpu *vcpu = vcpu_with_mem(run, other->vm->mmap_size, 0);
	u64 value;
	int ret;

	run->immediate_exit = 1;
	ret = guest_read(vcpu, GPA, &value);
	CHECK(ret == 0 || ret == -EFAULT);
	if (ret)
		return;
	CHECK_EQ(value, *(u64 *)run);
	CHECK_EQ(guest_write(vcpu, GPA, ~0ull), 0);
	CHECK_EQ(*(u64 *)run, ~0ull);
	/* The other machine goes; the page stays as long as it is mapped. */
	close(other->fd);
	close(other->vm->fd);
	CHECK_READ(vcpu, GPA, ~0ull);
	munmap(run, other->vm->mmap_size);
	CHECK_EQ(guest_read(vcpu, GPA, &value), -EFAULT);
}

/* ---- pages that change under the guest --------------------------------- */

/* The guest reads the zero page; then the process writes. */
SUBTEST(class17_zero_page_is_replaced)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);

	for (u64 i = 0; i < 16; i++) {
		CHECK_READ(vcpu, GPA + i * PAGE_SIZE, 0);
		mem[i * 512] = i + 1;
		CHECK_READ(vcpu, GPA + i * PAGE_SIZE, i + 1);
	}
}

/* A forced write breaks the sharing of a page that nobody may write. */
SUBTEST(class17_forced_write_to_a_private_page)
{
	int fd = new_file(0, SIZE), self = open("/proc/self/mem", O_RDWR);
	u64 *mem = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0), v = 0x2222;
	struct vcpu *vcpu;

	CHECK(self >= 0 && mem != MAP_FAILED);
	vcpu = vcpu_with_mem(mem, SIZE, 0);
	for (u64 i = 0; i < 8; i++) {
		CHECK_READ(vcpu, GPA + i * PAGE_SIZE, 0);
		CHECK_EQ(pwrite(self, &v, 8, (off_t)(mem + i * 512)), 8);
		CHECK_READ(vcpu, GPA + i * PAGE_SIZE, 0x2222);
		CHECK_EQ(guest_write(vcpu, GPA + i * PAGE_SIZE, 1), -EFAULT);
		CHECK_EQ(other_view(fd, i * PAGE_SIZE), 0);
	}
}

SUBTEST(write_by_another_process)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), v = 0x1111;
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	struct iovec from = { &v, 8 }, to = { mem, 8 };
	pid_t pid;

	if (process_vm_readv(getpid(), &to, 1, &to, 1, 0) < 0 && errno == ENOSYS)
		SKIP("this kernel has no process_vm_writev");
	CHECK_READ(vcpu, GPA, 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		CHECK_EQ(process_vm_writev(getppid(), &from, 1, &to, 1, 0), 8);
		_exit(EXIT_PASS);
	}
	child_join(pid);
	CHECK_READ(vcpu, GPA, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), 0);
	CHECK_EQ(process_vm_readv(getpid(), &from, 1, &to, 1, 0), 8);
	CHECK_EQ(v, 0x2222);
}

/* Memory that a child does not get, or gets empty, is the guest's all the same. */
SUBTEST(memory_kept_from_children)
{
	static const int advice[] = { MADV_DONTFORK, MADV_WIPEONFORK };
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);

	for (u64 i = 0; i < ARRAY_SIZE(advice); i++) {
		struct chan c;
		pid_t pid;

		chan_open(&c);
		CHECK_EQ(madvise(mem, SIZE, MADV_DOFORK), 0);
		CHECK_EQ(madvise(mem, SIZE, advice[i]), 0);
		CHECK_EQ(guest_write(vcpu, GPA, 1), 0);
		fflush(stdout);
		pid = fork();
		if (!pid) {
			chan_wait(&c, '1');
			if (advice[i] == MADV_DONTFORK)
				CHECK_EQ(msync(mem, PAGE_SIZE, MS_ASYNC), -1);
			else
				CHECK_EQ(mem[0], 0);
			_exit(EXIT_PASS);
		}
		CHECK_EQ(guest_write(vcpu, GPA, 2), 0);
		CHECK_EQ(mem[0], 2);
		chan_put(&c, '1');
		child_join(pid);
		CHECK_READ(vcpu, GPA, 2);
	}
}

static void check_hole(const struct kind *k, u64 *mem, int fd)
{
	struct vcpu *vcpu;

	if (fd < 0 || is_private_file(k))
		return;
	vcpu = vcpu_with_mem(mem, SIZE, 0);
	for (u64 i = 1; i < 5; i++) {
		CHECK_EQ(guest_write(vcpu, GPA + 8 * i, i), 0);
		if (i & 1)
			CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					   SIZE), 0);
		else
			CHECK_EQ(madvise(mem, SIZE, MADV_REMOVE), 0);
		CHECK_READ(vcpu, GPA + 8 * i, 0);
		CHECK_EQ(mem[i], 0);
	}
	vm_free(vcpu->vm);
}

SUBTEST(class17_hole_in_a_file)
{
	with_each_kind(check_hole);
}

static u64 seen;

static void guest_watch(u64 gpa)
{
	for (;;) {
		WRITE_ONCE(seen, *(volatile u64 *)gpa);
		WRITE_ONCE(guest_rounds[0], guest_rounds[0] + 1);
	}
}

/* The slot is a window to a file, and moves over it under a running guest. */
SUBTEST(class17_window_moves_over_a_file)
{
	int fd = new_file(0, 16 * PAGE_SIZE);
	u64 *mem = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, PAGE_SIZE, 0);
	struct runner r = { 0 };

	for (u64 i = 0; i < 16; i++)
		CHECK_EQ(pwrite(fd, &i, 8, i * PAGE_SIZE), 8);
	vcpu_long_mode(vcpu, guest_watch, GPA);
	runner_start(&r, vcpu, 1);
	for (int i = 0; i < 60; i++) {
		u64 page = test_rand() % 16;

		CHECK(mmap(mem, PAGE_SIZE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE,
			   MAP_FIXED | (i & 2 ? MAP_SHARED : MAP_PRIVATE), fd,
			   page * PAGE_SIZE) == mem);
		wait_rounds(vcpu, 2);
		CHECK_EQ(READ_ONCE(guest_var(vcpu->vm, seen)), page);
	}
	runner_stop(&r);
}

/* ---- storms ------------------------------------------------------------ */

SUBTEST(swapped_out)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = vcpu_with_mem(mem, SIZE, 0);
	FILE *f = fopen("/proc/swaps", "r");
	char line[256];

	/* one line is the heading */
	if (!f || !fgets(line, sizeof(line), f) || !fgets(line, sizeof(line), f))
		SKIP("no swap");
	for (u64 i = 0; i < 64; i++) {
		CHECK_EQ(guest_write(vcpu, GPA + i * PAGE_SIZE, i), 0);
		CHECK_EQ(madvise(mem, SIZE, MADV_PAGEOUT), 0);
		CHECK_READ(vcpu, GPA + i / 2 * PAGE_SIZE, i / 2);
	}
}

#define AREA_PAGES	(SIZE / PAGE_SIZE / 2)	/* of each vCPU */

/* Each vCPU has every second page, and numbers them over and over. */
static void guest_verify(u64 gpa)
{
	u64 id = guest_percpu()->id;

	for (u64 n = 1;; n++) {
		for (u64 i = 0; i < AREA_PAGES; i += 7) {
			volatile u64 *p = (u64 *)(gpa + (2 * i + id) * PAGE_SIZE);

			GUEST_ASSERT_EQ(p[i], n == 1 ? 0 : n - 1 + i);
			p[i] = n + i;
			GUEST_ASSERT_EQ(p[i], n + i);
		}
		WRITE_ONCE(guest_rounds[id], n);
	}
}

static void move_away_and_back(u8 *at, size_t len)
{
	u8 *away = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* it moves one mapping at a time, and earlier steps may have split this one */
	if (mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away) != away) {
		len = PAGE_SIZE;
		CHECK(mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
	}
	CHECK(mremap(away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

/* What leaves the content as it is, one of: */
static void storm_step(u8 *mem, bool anonymous)
{
	u64 first = test_rand() % (SIZE / PAGE_SIZE);
	u64 len = (1 + test_rand() % (SIZE / PAGE_SIZE - first)) * PAGE_SIZE;
	u8 *at = mem + first * PAGE_SIZE;
	pid_t pid;

	switch (test_rand() % 6) {
	case 0:
		CHECK_EQ(mprotect(at, len, PROT_READ), 0);
		CHECK_EQ(mprotect(at, len, PROT_READ | PROT_WRITE), 0);
		break;
	case 1:
		CHECK_EQ(mprotect(at, len, PROT_NONE), 0);
		CHECK_EQ(mprotect(at, len, PROT_READ | PROT_WRITE), 0);
		break;
	case 2:
		/* Into one huge page, if nothing is in the way at this moment. */
		madvise(mem, SIZE, MADV_HUGEPAGE);
		madvise(mem, SIZE, MADV_COLLAPSE);
		break;
	case 3:
		madvise(mem, SIZE, MADV_NOHUGEPAGE);
		move_away_and_back(at, len);
		break;
	case 4:
		/* A file's page may be dropped: the file still has it. */
		madvise(at, len, anonymous ? MADV_PAGEOUT : MADV_DONTNEED);
		break;
	case 5:
		fflush(stdout);
		pid = fork();
		if (!pid)
			_exit(EXIT_PASS);
		child_join(pid);
		break;
	}
}

static void check_storm(enum backing backing)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct vm *vm = vm_create();
	struct runner r[2] = { 0 };

	CHECK_EQ(set_region(vm, MEM_SLOT, 0, GPA, SIZE, mem), 0);
	for (int i = 0; i < 2; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		vcpu_long_mode(vcpu, guest_verify, GPA);
		runner_start(&r[i], vcpu, i);
	}
	for (int i = 0; i < 80; i++) {
		storm_step(mem, backing != MEM_MEMFD);
		if (i % 10 == 0)
			wait_rounds(r[i / 10 % 2].vcpu, 1);
	}
	for (int i = 0; i < 2; i++)
		wait_rounds(r[i].vcpu, 1);
	for (int i = 0; i < 2; i++)
		runner_stop(&r[i]);
	for (u64 id = 0; id < 2; id++)
		for (u64 i = 0; i < AREA_PAGES; i += 7) {
			u64 n = guest_var(vm, guest_rounds)[id];
			u64 v = *(u64 *)(mem + (2 * i + id) * PAGE_SIZE + i * 8) - i;

			test_doing("vCPU %llu, page %llu", (unsigned long long)id,
				   (unsigned long long)i);
			CHECK(v == n || v == n + 1);
		}
}

SUBTEST(class17_storm_on_anonymous_memory)
{
	check_storm(MEM_ANON);
}

SUBTEST(class17_storm_on_a_huge_page)
{
	check_storm(MEM_THP);
}

SUBTEST(class17_storm_on_a_shared_file)
{
	check_storm(MEM_MEMFD);
}
