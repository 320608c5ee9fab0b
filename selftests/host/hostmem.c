// SPDX-License-Identifier: GPL-2.0
/*
 * hostmem - the guest's memory is the process's own: what the process and the
 * host's memory management do to it (munmap, mprotect, fork, truncation, huge
 * pages, KSM, migration) must reach the guest at once, and never leave it an
 * access that the process no longer has.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "selftest.h"

#define SLOT	1
#define SIZE	SZ_2M
#define GPA	TEST_GPA

/* ---- single accesses -------------------------------------------------- */

static struct { u64 gpa, value; bool write; } op;

static void guest_op(u64 arg)
{
	volatile u64 *p = (u64 *)op.gpa;

	if (op.write)
		*p = op.value;
	else
		op.value = *p;
}

/* Runs on to the end of the access: 0, or what KVM_RUN returned. */
static int guest_retry(struct vcpu *vcpu, u64 *value)
{
	int ret = vcpu_run_raw(vcpu);
	struct ucall uc;

	if (ret)
		return ret;
	if (get_ucall(vcpu, &uc) != UCALL_DONE)
		FAIL("expected GUEST_DONE or an errno, got exit %s",
		     exit_name(vcpu->run->exit_reason));
	if (value)
		*value = guest_var(vcpu->vm, op).value;
	return 0;
}

static int guest_read(struct vcpu *vcpu, u64 gpa, u64 *value)
{
	guest_var(vcpu->vm, op).gpa = gpa;
	guest_var(vcpu->vm, op).write = false;
	vcpu_long_mode(vcpu, guest_op, 0);
	return guest_retry(vcpu, value);
}

static int guest_write(struct vcpu *vcpu, u64 gpa, u64 value)
{
	guest_var(vcpu->vm, op).gpa = gpa;
	guest_var(vcpu->vm, op).value = value;
	guest_var(vcpu->vm, op).write = true;
	vcpu_long_mode(vcpu, guest_op, 0);
	return guest_retry(vcpu, NULL);
}

#define CHECK_READ(vcpu, gpa, want) do {				\
	u64 value__;							\
	CHECK_EQ(guest_read(vcpu, gpa, &value__), 0);			\
	CHECK_EQ(value__, want);					\
} while (0)

static struct vcpu *create_with_slot(void *mem, u32 flags)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(set_region(vm, SLOT, flags, GPA, SIZE, mem), 0);
	return vcpu;
}

static void remap(void *mem, size_t size)
{
	CHECK(mmap(mem, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
}

/*
 * Other memory in place of @page. The kernel would like to give the frame that it
 * has just got back, which would hide a guest that still has it: so the new page
 * is made before, or somebody else takes the frame in between.
 */
static void replace_page(u64 *page, u64 value, bool dontneed)
{
	u64 *spare = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);

	if (dontneed) {
		CHECK_EQ(madvise(page, PAGE_SIZE, MADV_DONTNEED), 0);
		spare[0] = ~0ull;
		if (value)
			page[0] = value;
		return;
	}
	spare[0] = value;
	CHECK(mremap(spare, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, page) ==
	      page);
}

static void check_munmap(enum backing backing)
{
	u64 *mem = mem_alloc(SIZE, backing, NULL), value;
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
	CHECK_EQ(mem[0], 0x1111);
	munmap(mem, SIZE);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), -EFAULT);
	CHECK_EQ(guest_retry(vcpu, NULL), -EFAULT);
	/* Something is there again: the same access goes on. */
	remap(mem, SIZE);
	CHECK_EQ(guest_retry(vcpu, NULL), 0);
	CHECK_EQ(mem[0], 0x2222);
	munmap(mem, SIZE);
	CHECK_EQ(guest_read(vcpu, GPA + 8, NULL), -EFAULT);
	remap(mem, SIZE);
	mem[1] = 0x3333;
	CHECK_EQ(guest_retry(vcpu, &value), 0);
	CHECK_EQ(value, 0x3333);
}

SUBTEST(munmap_then_touch)
{
	check_munmap(MEM_ANON);
}

SUBTEST(class16_munmap_of_huge_page)
{
	check_munmap(MEM_THP);
}

SUBTEST(class16_munmap_of_hugetlb)
{
	if (!write_text("/proc/sys/vm/nr_hugepages", "4"))
		SKIP("no hugetlb");
	check_munmap(MEM_HUGETLB);
}

/* A slot may be made before its memory. */
SUBTEST(slot_without_memory)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), value;

	munmap(mem, SIZE);
	CHECK_EQ(set_region(vm, SLOT, 0, GPA, SIZE, mem), 0);
	CHECK_EQ(guest_read(vcpu, GPA, NULL), -EFAULT);
	remap(mem, SIZE);
	mem[0] = 5;
	CHECK_EQ(guest_retry(vcpu, &value), 0);
	CHECK_EQ(value, 5);
}

SUBTEST(class16_mprotect_read_only)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ), 0);
	CHECK_READ(vcpu, GPA, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), -EFAULT);
	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, 0x2222), -EFAULT);
	CHECK_EQ(mem[0], 0x1111);
	CHECK_READ(vcpu, GPA, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), -EFAULT);
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(guest_retry(vcpu, NULL), 0);
	CHECK_EQ(mem[0], 0x2222);
}

SUBTEST(mprotect_none)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), value;
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
	CHECK_EQ(mprotect(mem, SIZE, PROT_NONE), 0);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), -EFAULT);
	CHECK_EQ(guest_read(vcpu, GPA, NULL), -EFAULT);
	CHECK_EQ(mprotect(mem, SIZE, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(guest_retry(vcpu, &value), 0);
	CHECK_EQ(value, 0x1111);
}

SUBTEST(mremap_takes_the_memory_away)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), *moved;
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
	moved = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(mem, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), -EFAULT);
	CHECK_EQ(moved[0], 0x1111);
	CHECK(mremap(moved, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, mem) == mem);
	CHECK_EQ(guest_retry(vcpu, NULL), 0);
	CHECK_EQ(mem[0], 0x2222);
}

SUBTEST(other_page_in_its_place)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);

	for (u64 i = 1; i < 20; i++) {
		CHECK_EQ(guest_write(vcpu, GPA, i), 0);
		replace_page(mem, 0, true);
		CHECK_READ(vcpu, GPA, 0);
		replace_page(mem, i << 8, false);
		CHECK_READ(vcpu, GPA, i << 8);
	}
}

SUBTEST(dontneed_reads_zero)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
	CHECK_EQ(madvise(mem, PAGE_SIZE, MADV_DONTNEED), 0);
	CHECK_READ(vcpu, GPA, 0);
	/* A read maps the zero page; the write after it must not change that. */
	CHECK_READ(vcpu, GPA + PAGE_SIZE, 0);
	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, 0x2222), 0);
	CHECK_EQ(mem[512], 0x2222);
	CHECK_READ(vcpu, GPA + 2 * PAGE_SIZE, 0);
}

/* ---- huge pages ------------------------------------------------------- */

static void guest_fill(u64 arg)
{
	for (u64 off = 0; off < SIZE; off += PAGE_SIZE)
		*(volatile u64 *)(GPA + off) = off + 1;
}

static void guest_expect_but(u64 hole)
{
	for (u64 off = 0; off < SIZE; off += PAGE_SIZE)
		GUEST_ASSERT_EQ(*(volatile u64 *)(GPA + off),
				off == hole ? 0 : off + 1);
}

/* One small page is taken out of a huge one that the guest has mapped. */
SUBTEST(class17_huge_page_split)
{
	u8 *mem = mem_alloc(SIZE, MEM_THP, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	u64 hole = 77 * PAGE_SIZE;

	vcpu_long_mode(vcpu, guest_fill, 0);
	vcpu_expect_done(vcpu);
	CHECK_EQ(madvise(mem + hole, PAGE_SIZE, MADV_DONTNEED), 0);
	vcpu_long_mode(vcpu, guest_expect_but, hole);
	vcpu_expect_done(vcpu);
	CHECK_EQ(mprotect(mem + 5 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(guest_write(vcpu, GPA + 5 * PAGE_SIZE, 1), -EFAULT);
	CHECK_EQ(guest_write(vcpu, GPA + 4 * PAGE_SIZE, 1), 0);
	CHECK_EQ(guest_write(vcpu, GPA + 6 * PAGE_SIZE, 1), 0);
	CHECK_EQ(*(u64 *)(mem + 5 * PAGE_SIZE), 5 * PAGE_SIZE + 1);
}

/* ---- fork ------------------------------------------------------------- */

static void check_fork(enum backing backing)
{
	u64 *mem = mem_alloc(SIZE, backing, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct chan to_child, to_parent;
	pid_t pid;

	chan_open(&to_child);
	chan_open(&to_parent);
	CHECK_EQ(guest_write(vcpu, GPA, 0x1111), 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		chan_wait(&to_child, '1');
		CHECK_EQ(mem[0], 0x1111);	/* not what the guest wrote since */
		mem[0] = 0x4444;
		CHECK_EQ(mem[512], 0);
		mem[512] = 0x5555;
		chan_put(&to_parent, '2');
		chan_wait(&to_child, '3');
		CHECK_EQ(mem[0], 0x4444);
		_exit(EXIT_PASS);
	}
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), 0);
	CHECK_EQ(mem[0], 0x2222);
	chan_put(&to_child, '1');
	chan_wait(&to_parent, '2');
	CHECK_READ(vcpu, GPA, 0x2222);		/* not what the child wrote */
	CHECK_READ(vcpu, GPA + PAGE_SIZE, 0);
	CHECK_EQ(guest_write(vcpu, GPA, 0x3333), 0);
	chan_put(&to_child, '3');
	child_join(pid);
	CHECK_READ(vcpu, GPA, 0x3333);
	CHECK_EQ(guest_write(vcpu, GPA, 0x6666), 0);
	CHECK_EQ(mem[0], 0x6666);
}

SUBTEST(class17_fork_copies_on_write)
{
	check_fork(MEM_ANON);
}

SUBTEST(class17_fork_of_huge_page)
{
	check_fork(MEM_THP);
}

/* A page that the guest only reads must still be copied when it writes. */
SUBTEST(fork_then_read_then_write)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct chan to_child;
	pid_t pid;

	chan_open(&to_child);
	mem[0] = 0x1111;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		chan_wait(&to_child, '1');
		CHECK_EQ(mem[0], 0x1111);
		_exit(EXIT_PASS);
	}
	CHECK_READ(vcpu, GPA, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), 0);
	CHECK_EQ(mem[0], 0x2222);
	chan_put(&to_child, '1');
	child_join(pid);
	CHECK_READ(vcpu, GPA, 0x2222);
}

/* The descriptors of a VM work in the process that made it only. */
SUBTEST(vm_of_another_process_is_refused)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct kvm_regs regs;
	pid_t pid;

	vcpu_long_mode(vcpu, guest_op, 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		CHECK_EQ(vcpu_run_raw(vcpu), -EIO);
		CHECK_EQ(xioctl(vcpu->fd, KVM_GET_REGS, (uintptr_t)&regs), -EIO);
		CHECK_EQ(set_region(vcpu->vm, SLOT + 1, 0, 2 * GPA, SIZE, mem), -EIO);
		_exit(EXIT_PASS);
	}
	child_join(pid);
	CHECK_EQ(guest_write(vcpu, GPA, 1), 0);
}

/* ---- files ------------------------------------------------------------ */

static int new_file(size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, size), 0);
	return fd;
}

static u64 file_word(int fd, off_t off)
{
	u64 v;

	CHECK_EQ(pread(fd, &v, 8, off), 8);
	return v;
}

static u64 *map_file(int fd, int prot, int flags)
{
	u64 *p = mmap(NULL, SIZE, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

SUBTEST(shared_file)
{
	int fd = new_file(SIZE);
	u64 *mem = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED), v = 0x2222;
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA + 8, 0x1111), 0);
	CHECK_EQ(file_word(fd, 8), 0x1111);
	CHECK_EQ(pwrite(fd, &v, 8, 16), 8);
	CHECK_READ(vcpu, GPA + 16, 0x2222);
}

SUBTEST(private_file)
{
	int fd = new_file(SIZE);
	u64 *mem = map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE), v = 0x2222;
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_READ(vcpu, GPA, 0);
	CHECK_EQ(pwrite(fd, &v, 8, 0), 8);
	CHECK_READ(vcpu, GPA, 0x2222);		/* still the file's page */
	CHECK_EQ(guest_write(vcpu, GPA + 8, 0x1111), 0);
	CHECK_EQ(mem[1], 0x1111);
	CHECK_EQ(file_word(fd, 8), 0);		/* and now its own copy */
	v = 0x3333;
	CHECK_EQ(pwrite(fd, &v, 8, 0), 8);
	CHECK_READ(vcpu, GPA, 0x2222);
}

SUBTEST(class16_read_only_file)
{
	int fd = new_file(SIZE), ro;
	u64 *mem, v = 0x1111;
	struct vcpu *vcpu;
	char path[64];

	CHECK_EQ(pwrite(fd, &v, 8, 0), 8);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	CHECK(ro >= 0);
	mem = map_file(ro, PROT_READ, MAP_SHARED);
	vcpu = create_with_slot(mem, 0);
	CHECK_READ(vcpu, GPA, 0x1111);
	CHECK_EQ(guest_write(vcpu, GPA, 0x2222), -EFAULT);
	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, 0x2222), -EFAULT);
	CHECK_EQ(file_word(fd, 0), 0x1111);
	CHECK_EQ(file_word(fd, PAGE_SIZE), 0);
	/* As a read-only slot. */
	CHECK_EQ(set_region(vcpu->vm, SLOT, 0, GPA, 0, mem), 0);
	CHECK_EQ(set_region(vcpu->vm, SLOT, KVM_MEM_READONLY, GPA, SIZE, mem), 0);
	CHECK_READ(vcpu, GPA, 0x1111);
}

SUBTEST(truncated_file)
{
	int fd = new_file(SIZE);
	u64 *mem = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED), value;
	struct vcpu *vcpu = create_with_slot(mem, 0);

	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, 0x1111), 0);
	CHECK_EQ(ftruncate(fd, PAGE_SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + PAGE_SIZE, NULL), -EFAULT);
	CHECK_EQ(guest_write(vcpu, GPA + PAGE_SIZE, 0x2222), -EFAULT);
	CHECK_READ(vcpu, GPA, 0);
	CHECK_EQ(ftruncate(fd, SIZE), 0);
	CHECK_EQ(guest_read(vcpu, GPA + PAGE_SIZE, &value), 0);
	CHECK_EQ(value, 0);
}

/* ---- unusual mappings ------------------------------------------------- */

/* The frame buffer has no struct page to take a reference of. */
SUBTEST(class16_device_memory)
{
	int fd = open("/dev/mem", O_RDWR), ret;
	struct vcpu *vcpu;
	u64 *mem, value;

	if (fd < 0)
		SKIP("no /dev/mem: %s", strerror(errno));
	mem = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0xb8000);
	if (mem == MAP_FAILED)
		SKIP("no mmap of /dev/mem: %s", strerror(errno));
	vcpu = vcpu_create(vm_create(), 0);
	CHECK_EQ(set_region(vcpu->vm, SLOT, 0, GPA, PAGE_SIZE, mem), 0);
	/* Taken as it is or refused: both are good. */
	ret = guest_read(vcpu, GPA, &value);
	CHECK(ret == 0 || ret == -EFAULT);
	if (!ret)
		CHECK_EQ(value, mem[0]);
	munmap(mem, PAGE_SIZE);
	CHECK_EQ(guest_read(vcpu, GPA, &value), -EFAULT);
}

/* A guest that may write the description of its own exits. */
SUBTEST(class16_kvm_run_as_guest_memory)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_run *run = vcpu->run;
	u64 off = offsetof(struct kvm_run, padding1), value;
	int ret;

	CHECK_EQ(set_region(vm, SLOT, 0, GPA, PAGE_SIZE, run), 0);
	ret = guest_read(vcpu, GPA, &value);
	CHECK(ret == 0 || ret == -EFAULT);
	for (u64 i = off & ~7ull; !ret && i < sizeof(*run); i += 8) {
		CHECK_EQ(guest_write(vcpu, GPA + i, ~0ull), 0);
		/* What stops the next KVM_RUN by the rules. */
		run->immediate_exit = 0;
		run->kvm_valid_regs = 0;
		run->kvm_dirty_regs = 0;
	}
	vm_free(vm);
}

/* ---- merging and migration -------------------------------------------- */

#define KSM	"/sys/kernel/mm/ksm/"

SUBTEST(class16_ksm_merged_pages)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), n = 16;
	struct vcpu *vcpu = create_with_slot(mem, 0);
	long scans;

	if (madvise(mem, n * PAGE_SIZE, MADV_MERGEABLE) ||
	    !write_text(KSM "run", "1"))
		SKIP("no KSM");
	write_text(KSM "sleep_millisecs", "0");
	write_text(KSM "pages_to_scan", "1000");
	for (u64 i = 0; i < n; i++)
		for (u64 k = 0; k < 512; k++)
			mem[i * 512 + k] = 0x4b534d;
	for (u64 i = 0; i < n; i++)
		CHECK_READ(vcpu, GPA + i * PAGE_SIZE, 0x4b534d);
	scans = read_number(KSM "full_scans", 0);
	while (read_number(KSM "full_scans", 0) < scans + 4)
		sched_yield();
	CHECK(read_number(KSM "pages_sharing", 0) >= (long)n - 2);
	/* Each write must part one page from the rest. */
	for (u64 i = 0; i < n; i += 2)
		CHECK_EQ(guest_write(vcpu, GPA + i * PAGE_SIZE, i), 0);
	for (u64 i = 0; i < n; i++) {
		CHECK_EQ(mem[i * 512], i & 1 ? 0x4b534d : i);
		CHECK_READ(vcpu, GPA + i * PAGE_SIZE, i & 1 ? 0x4b534d : i);
	}
	write_text(KSM "run", "0");
}

/* ---- under a running guest -------------------------------------------- */

struct runner {
	struct thread thread;
	struct vcpu *vcpu;
	bool stop;
	u64 faults;			/* KVM_RUN returned -EFAULT */
};

static void *runner_main(void *arg)
{
	struct runner *r = arg;
	struct ucall uc;

	while (!READ_ONCE(r->stop)) {
		int ret = vcpu_run_raw(r->vcpu);

		if (ret == -EINTR) {
			r->vcpu->run->immediate_exit = 0;
		} else if (ret == -EFAULT) {
			__atomic_fetch_add(&r->faults, 1, __ATOMIC_SEQ_CST);
			sched_yield();
		} else {
			CHECK_EQ(ret, 0);
			if (get_ucall(r->vcpu, &uc) == UCALL_NONE)
				FAIL("unexpected exit %s",
				     exit_name(r->vcpu->run->exit_reason));
		}
	}
	return NULL;
}

static void runner_start(struct runner *r, struct vcpu *vcpu, int cpu)
{
	*r = (struct runner){ .vcpu = vcpu };
	thread_start(&r->thread, cpu % nr_cpus(), runner_main, r);
}

static void runner_stop(struct runner *r)
{
	WRITE_ONCE(r->stop, true);
	thread_stop(&r->thread);
}

static u64 rounds[2], seen[2];		/* by vCPU */

static void wait_rounds(struct vm *vm, int vcpu, u64 n)
{
	u64 *p = (u64 *)vm_ptr(vm, (uintptr_t)rounds) + vcpu, from = READ_ONCE(*p);

	while (READ_ONCE(*p) < from + n)
		sched_yield();
}

static void guest_watch(u64 gpa)
{
	u64 id = guest_percpu()->id;

	for (;;) {
		WRITE_ONCE(seen[id], *(volatile u64 *)gpa);
		WRITE_ONCE(rounds[id], rounds[id] + 1);
	}
}

/* Two vCPUs must both see each new page as soon as the old one is gone. */
static void check_replaced(int nr, bool dontneed)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vm *vm = vm_create();
	struct runner r[2];

	CHECK_EQ(set_region(vm, SLOT, 0, GPA, SIZE, mem), 0);
	for (int i = 0; i < nr; i++) {
		struct vcpu *vcpu = vcpu_create(vm, i);

		vcpu_long_mode(vcpu, guest_watch, GPA);
		runner_start(&r[i], vcpu, i);
	}
	for (u64 gen = 1; gen <= 60; gen++) {
		u64 value = dontneed && gen % 2 ? 0 : gen;

		replace_page(mem, value, dontneed);
		for (int i = 0; i < nr; i++)
			wait_rounds(vm, i, 2);
		for (int i = 0; i < nr; i++)
			CHECK_EQ(READ_ONCE(guest_var(vm, seen)[i]), value);
	}
	for (int i = 0; i < nr; i++)
		runner_stop(&r[i]);
}

SUBTEST(class17_replaced_page_one_vcpu)
{
	check_replaced(1, false);
}

SUBTEST(class17_replaced_page_two_vcpus)
{
	check_replaced(2, false);
}

SUBTEST(class17_dontneed_two_vcpus)
{
	check_replaced(2, true);
}

/*
 * The kernel withdraws a long range at once and then goes through its pages; the
 * guest faults on the last one meanwhile, and must not get the old page back.
 */
SUBTEST(class17_fault_during_a_long_dontneed)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), *last = mem + SIZE / 8 - 1;
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct runner r;

	vcpu_long_mode(vcpu, guest_watch, GPA + SIZE - 8);
	runner_start(&r, vcpu, 1);
	for (u64 gen = 1; gen <= 15; gen++) {
		u64 *spare = mem_alloc(SIZE, MEM_ANON, NULL);

		for (u64 i = 0; i < SIZE / 8; i += 512)
			mem[i] = gen;
		*last = gen;
		wait_rounds(vcpu->vm, 0, 2);
		CHECK_EQ(READ_ONCE(guest_var(vcpu->vm, seen)[0]), gen);
		CHECK_EQ(madvise(mem, SIZE, MADV_DONTNEED), 0);
		for (u64 i = 511; i < SIZE / 8; i += 512)
			spare[i] = ~0ull;	/* takes the frames */
		wait_rounds(vcpu->vm, 0, 2);
		CHECK_EQ(READ_ONCE(guest_var(vcpu->vm, seen)[0]), 0);
		munmap(spare, SIZE);
	}
	runner_stop(&r);
}

static void guest_count_up(u64 gpa)
{
	for (u64 n = 1;; n++)
		*(volatile u64 *)gpa = n;
}

SUBTEST(class17_write_during_a_long_mprotect)
{
	u64 *mem = mem_alloc(SIZE, MEM_ANON, NULL), *last = mem + SIZE / 8 - 1;
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct runner r;

	memset(mem, 0, SIZE);
	vcpu_long_mode(vcpu, guest_count_up, GPA + SIZE - 8);
	runner_start(&r, vcpu, 1);
	for (int i = 0; i < 15; i++) {
		u64 faults = READ_ONCE(r.faults), frozen = READ_ONCE(*last);

		while (READ_ONCE(*last) == frozen)
			sched_yield();
		CHECK_EQ(mprotect(mem, SIZE, PROT_READ), 0);
		frozen = READ_ONCE(*last);
		while (READ_ONCE(r.faults) < faults + 3)
			sched_yield();
		CHECK_EQ(READ_ONCE(*last), frozen);
		CHECK_EQ(mprotect(mem, SIZE, PROT_READ | PROT_WRITE), 0);
	}
	runner_stop(&r);
}

/* mov $N, %eax; ret: the guest calls it, the host puts another page there. */
static void guest_call(u64 gpa)
{
	for (;;) {
		u32 v;

		asm volatile("call *%1" : "=&a"(v) : "r"(gpa) : "memory");
		WRITE_ONCE(seen[0], v);
		WRITE_ONCE(rounds[0], rounds[0] + 1);
	}
}

static void put_code(u8 *p, u32 value)
{
	p[0] = 0xb8;
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
}

SUBTEST(class17_replaced_code)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL), *spare;
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct runner r;

	put_code(mem, 0);
	vcpu_long_mode(vcpu, guest_call, GPA);
	runner_start(&r, vcpu, 1);
	for (u32 gen = 1; gen <= 40; gen++) {
		/* Made elsewhere and moved there in one step: never half done. */
		spare = mem_alloc(PAGE_SIZE, MEM_ANON, NULL);
		put_code(spare, gen);
		CHECK(mremap(spare, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     mem) == mem);
		wait_rounds(vcpu->vm, 0, 2);
		CHECK_EQ(READ_ONCE(guest_var(vcpu->vm, seen)[0]), gen);
	}
	runner_stop(&r);
}

#define STORM_PAGES	64

/* Each page holds the number last written to it. */
static void guest_verifier(u64 gpa)
{
	for (u64 n = 1;; n++) {
		for (u64 i = 0; i < STORM_PAGES; i++) {
			volatile u64 *p = (u64 *)(gpa + i * PAGE_SIZE);

			GUEST_ASSERT_EQ(p[i], n == 1 ? 0 : n - 1 + i);
			p[i] = n + i;
			GUEST_ASSERT_EQ(p[i], n + i);
		}
		WRITE_ONCE(rounds[0], n);
	}
}

/* What the storm may do without changing any content. */
static void storm_step(u8 *mem, u64 i)
{
	u64 first = test_rand() % STORM_PAGES;
	u64 len = (1 + test_rand() % (STORM_PAGES - first)) * PAGE_SIZE;
	u8 *at = mem + first * PAGE_SIZE, *away;

	switch (i % 4) {
	case 0:
		CHECK_EQ(mprotect(at, len, PROT_READ), 0);
		CHECK_EQ(mprotect(at, len, PROT_READ | PROT_WRITE), 0);
		break;
	case 1:
		CHECK_EQ(mprotect(at, len, PROT_NONE), 0);
		sched_yield();
		CHECK_EQ(mprotect(at, len, PROT_READ | PROT_WRITE), 0);
		break;
	case 2:
		away = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
		CHECK(mremap(away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
		break;
	case 3:
		madvise(mem, SIZE, i & 4 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		madvise(at, len, MADV_COLD);
		break;
	}
}

/* The process sees what the guest wrote last, or is about to write next. */
static void check_content(struct vcpu *vcpu, const u8 *mem)
{
	u64 n = guest_var(vcpu->vm, rounds)[0], v;

	for (u64 i = 0; i < STORM_PAGES; i++) {
		v = *(u64 *)(mem + i * PAGE_SIZE + i * 8) - i;
		test_doing("page %llu, round %llu", (unsigned long long)i,
			   (unsigned long long)n);
		CHECK(v == n || v == n + 1);
	}
}

static void check_storm(enum backing backing)
{
	u8 *mem = mem_alloc(SIZE, backing, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct runner r;

	vcpu_long_mode(vcpu, guest_verifier, GPA);
	runner_start(&r, vcpu, 1);
	for (u64 i = 0; i < 200; i++) {
		storm_step(mem, i);
		if (i % 20 == 0)
			wait_rounds(vcpu->vm, 0, 1);
	}
	wait_rounds(vcpu->vm, 0, 2);
	runner_stop(&r);
	check_content(vcpu, mem);
}

SUBTEST(class17_protection_storm)
{
	check_storm(MEM_ANON);
}

SUBTEST(class17_protection_storm_on_huge_page)
{
	check_storm(MEM_THP);
}

/* fork() write-protects all; the children leave at different times. */
SUBTEST(class17_fork_storm)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct runner r;

	vcpu_long_mode(vcpu, guest_verifier, GPA);
	runner_start(&r, vcpu, 1);
	fflush(stdout);
	for (int i = 0; i < 15; i++) {
		pid_t pid = fork();

		if (!pid) {
			u64 sum = 0, again = 0;

			/* The child's memory stands still. */
			for (u64 k = 0; k < STORM_PAGES; k++)
				sum += *(u64 *)(mem + k * PAGE_SIZE + k * 8);
			sched_yield();
			for (u64 k = 0; k < STORM_PAGES; k++)
				again += *(u64 *)(mem + k * PAGE_SIZE + k * 8);
			CHECK_EQ(again, sum);
			_exit(EXIT_PASS);
		}
		if (i & 1)
			wait_rounds(vcpu->vm, 0, 1);
		child_join(pid);
	}
	runner_stop(&r);
	check_content(vcpu, mem);
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25		/* Linux 6.1 */
#endif

/* The small pages are copied to a huge one while the guest writes to them. */
SUBTEST(class17_collapse_into_huge_page)
{
	for (int i = 0; i < 5; i++) {
		u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
		struct vcpu *vcpu = create_with_slot(mem, 0);
		struct runner r;
		int err = 0;

		vcpu_long_mode(vcpu, guest_verifier, GPA);
		runner_start(&r, vcpu, 1);
		wait_rounds(vcpu->vm, 0, 1);
		CHECK_EQ(madvise(mem, SIZE, MADV_HUGEPAGE), 0);
		/* It is refused while somebody holds a page, as a fault may. */
		do
			err = madvise(mem, SIZE, MADV_COLLAPSE) ? errno : 0;
		while (err == EAGAIN || err == EBUSY);
		if (err)
			SKIP("MADV_COLLAPSE: %s", strerror(err));
		wait_rounds(vcpu->vm, 0, 2);
		runner_stop(&r);
		check_content(vcpu, mem);
		vm_free(vcpu->vm);
	}
}

/* Compaction moves pages to other frames. */
SUBTEST(class17_migration)
{
	u8 *mem = mem_alloc(SIZE, MEM_ANON, NULL);
	struct vcpu *vcpu = create_with_slot(mem, 0);
	struct runner r;

	if (!write_text("/proc/sys/vm/compact_memory", "1"))
		SKIP("no compaction");
	vcpu_long_mode(vcpu, guest_verifier, GPA);
	runner_start(&r, vcpu, 1);
	for (int i = 0; i < 5; i++) {
		write_text("/proc/sys/vm/compact_memory", "1");
		wait_rounds(vcpu->vm, 0, 2);
	}
	runner_stop(&r);
	CHECK_EQ(r.faults, 0);
	check_content(vcpu, mem);
}
