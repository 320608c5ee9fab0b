// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: accesses by the guest, running vCPUs, dirty logs. See memory.h.
 */
#include <sched.h>

#include "memory.h"

/* ---- single accesses -------------------------------------------------- */

enum access { READ, WRITE, EXECUTE };

static struct { u64 gpa, value, kind; } op;

static void guest_op(u64 arg)
{
	volatile u64 *p = (u64 *)op.gpa;
	u32 eax;

	if (op.kind == WRITE) {
		*p = op.value;
	} else if (op.kind == READ) {
		op.value = *p;
	} else {
		asm volatile("call *%1" : "=&a"(eax) : "r"(p) : "memory");
		op.value = eax;
	}
}

int guest_retry(struct vcpu *vcpu, u64 *value)
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

static void prepare(struct vcpu *vcpu, u64 gpa, enum access kind, u64 value)
{
	__typeof__(op) *o = &guest_var(vcpu->vm, op);

	o->gpa = gpa;
	o->kind = kind;
	o->value = value;
	vcpu_long_mode(vcpu, guest_op, 0);
}

int guest_read(struct vcpu *vcpu, u64 gpa, u64 *value)
{
	prepare(vcpu, gpa, READ, 0);
	return guest_retry(vcpu, value);
}

int guest_write(struct vcpu *vcpu, u64 gpa, u64 value)
{
	prepare(vcpu, gpa, WRITE, value);
	return guest_retry(vcpu, NULL);
}

int guest_execute(struct vcpu *vcpu, u64 gpa, u64 *value)
{
	prepare(vcpu, gpa, EXECUTE, 0);
	return guest_retry(vcpu, value);
}

int guest_start_write(struct vcpu *vcpu, u64 gpa, u64 value)
{
	prepare(vcpu, gpa, WRITE, value);
	return vcpu_run_raw(vcpu);
}

void put_code(void *p, u32 value)
{
	u8 *code = p;

	code[0] = 0xb8;
	memcpy(code + 1, &value, 4);
	code[5] = 0xc3;
}

static u32 page_list[MAX_LIST];
static u64 page_list_nr;

static void guest_write_list(u64 gpa)
{
	for (u64 i = 0; i < page_list_nr; i++)
		*(volatile u64 *)(gpa + page_list[i] * PAGE_SIZE) += i + 1;
}

void guest_write_pages(struct vcpu *vcpu, u64 gpa, const u32 *pages, int nr)
{
	CHECK(nr <= MAX_LIST);
	memcpy(vm_ptr(vcpu->vm, (uintptr_t)page_list), pages, nr * sizeof(*pages));
	guest_var(vcpu->vm, page_list_nr) = nr;
	vcpu_long_mode(vcpu, guest_write_list, gpa);
	vcpu_expect_done(vcpu);
}

struct vcpu *vcpu_with_mem(void *mem, size_t size, u32 flags)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(set_region(vm, MEM_SLOT, flags, TEST_GPA, size, mem), 0);
	return vcpu;
}

/* ---- vCPUs that run --------------------------------------------------- */

u64 guest_rounds[4];

static void runner_exit(struct runner *r)
{
	struct kvm_run *run = r->vcpu->run;
	struct ucall uc;

	if (run->exit_reason == KVM_EXIT_MMIO) {
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		__atomic_fetch_add(&r->mmios, 1, __ATOMIC_SEQ_CST);
	} else if (get_ucall(r->vcpu, &uc) == UCALL_NONE) {
		if (!r->on_exit)
			FAIL("unexpected exit %s", exit_name(run->exit_reason));
		r->on_exit(r);
	}
}

static void stay_paused(struct runner *r)
{
	while (READ_ONCE(r->pause) && !READ_ONCE(r->stop)) {
		__atomic_store_n(&r->paused, true, __ATOMIC_RELEASE);
		sched_yield();
	}
	__atomic_store_n(&r->paused, false, __ATOMIC_RELEASE);
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;

	while (!READ_ONCE(r->stop)) {
		int ret;

		stay_paused(r);
		ret = vcpu_run_raw(r->vcpu);
		if (ret == -EINTR) {
			r->vcpu->run->immediate_exit = 0;
			continue;
		}
		if (ret == -EFAULT) {
			__atomic_fetch_add(&r->faults, 1, __ATOMIC_SEQ_CST);
		} else {
			CHECK_EQ(ret, 0);
			runner_exit(r);
		}
		/* On one CPU, that is how the others come to run. */
		sched_yield();
	}
	return NULL;
}

void runner_start(struct runner *r, struct vcpu *vcpu, int cpu)
{
	void (*on_exit)(struct runner *r) = r->on_exit;

	*r = (struct runner){ .vcpu = vcpu, .on_exit = on_exit };
	thread_start(&r->thread, cpu % nr_cpus(), runner_main, r);
}

void runner_stop(struct runner *r)
{
	WRITE_ONCE(r->stop, true);
	thread_stop(&r->thread);
	r->vcpu->run->immediate_exit = 0;
}

void wait_rounds(struct vcpu *vcpu, u64 n)
{
	u64 *p = (u64 *)vm_ptr(vcpu->vm, (uintptr_t)guest_rounds) + vcpu->id;
	u64 from = READ_ONCE(*p);

	while (READ_ONCE(*p) < from + n)
		sched_yield();
}

/* ---- dirty logs ------------------------------------------------------- */

int enable_cap_flags(struct vm *vm, u32 cap, u32 flags, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .flags = flags, .args = { arg } };

	return xioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&c);
}

int get_dirty_log(struct vm *vm, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return xioctl(vm->fd, KVM_GET_DIRTY_LOG, (uintptr_t)&log);
}

int clear_dirty_log(struct vm *vm, u32 slot, u64 first, u32 num, const void *bitmap)
{
	struct kvm_clear_dirty_log log = { .slot = slot, .first_page = first,
		.num_pages = num, .dirty_bitmap = (void *)bitmap };

	return xioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, (uintptr_t)&log);
}

u64 *buffer_at_the_edge(u64 words)
{
	u8 *p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	return (u64 *)(p + PAGE_SIZE) - words;
}

void check_dirty_at(const char *file, int line, struct vm *vm, u32 slot, u64 pages,
		    const u32 *want, int nr)
{
	u64 words = BITMAP_WORDS(pages);
	u64 *got = malloc((words + 1) * 8), *expected = calloc(words, 8);

	/* Whatever is in the buffer before does not count. */
	memset(got, 0xa5, (words + 1) * 8);
	for (int i = 0; i < nr; i++)
		set_bit(expected, want[i]);
	check_eq(file, line, "KVM_GET_DIRTY_LOG", get_dirty_log(vm, slot, got), 0);
	for (u64 i = 0; i < words * 64; i++)
		if (test_bit(got, i) != test_bit(expected, i))
			test_fail(file, line, "page %llu of the slot: expected %s, got %s",
				  (unsigned long long)i,
				  test_bit(expected, i) ? "dirty" : "clean",
				  test_bit(got, i) ? "dirty" : "clean");
	if (got[words] != 0xa5a5a5a5a5a5a5a5)
		test_fail(file, line, "more than %llu bytes were written",
			  (unsigned long long)words * 8);
	free(got);
	free(expected);
}

/* ---- writers, and a copy kept by the log ------------------------------ */

static struct { u64 gpa, pages; } spray;

/*
 * Words of random pages get new numbers. The report after a few, or some hundreds,
 * lets the host's threads change on one CPU. Each vCPU has half of a page.
 */
static void guest_spray(u64 rand)
{
	u64 id = guest_percpu()->id;

	for (;;) {
		u64 burst = 1 + (rand >> 20) % (rand & 0x100000 ? 400 : 20);

		while (burst--) {
			rand ^= rand << 13;
			rand ^= rand >> 7;
			rand ^= rand << 17;
			*(volatile u64 *)(spray.gpa + rand % spray.pages * PAGE_SIZE +
					  id * 2048 + (rand >> 32) % 256 * 8) = rand;
		}
		WRITE_ONCE(guest_rounds[id], guest_rounds[id] + 1);
		GUEST_SYNC(1);
	}
}

void shadow_create(struct shadow *s, struct vm *vm, u8 *mem, u64 gpa, u64 pages, int nr)
{
	*s = (struct shadow){ .vm = vm, .mem = mem, .gpa = gpa, .pages = pages, .nr = nr };
	s->copy = mem_alloc(pages * PAGE_SIZE, MEM_ANON, NULL);
	memcpy(s->copy, mem, pages * PAGE_SIZE);
	guest_var(vm, spray).gpa = gpa;
	guest_var(vm, spray).pages = pages;
	for (int i = 0; i < nr; i++) {
		s->runners[i].vcpu = vcpu_create(vm, i);
		vcpu_long_mode(s->runners[i].vcpu, guest_spray, test_rand());
	}
}

void shadow_start(struct shadow *s, void (*on_exit)(struct runner *r))
{
	for (int i = 0; i < s->nr; i++) {
		s->runners[i].on_exit = on_exit;
		runner_start(&s->runners[i], s->runners[i].vcpu, i);
	}
}

void shadow_copy(struct shadow *s, u64 page)
{
	CHECK(page < s->pages);
	memcpy(s->copy + page * PAGE_SIZE, s->mem + page * PAGE_SIZE, PAGE_SIZE);
	s->copied++;
}

void shadow_pause(struct shadow *s)
{
	for (int i = 0; i < s->nr; i++)
		WRITE_ONCE(s->runners[i].pause, true);
	/* They report often, so none has to be kicked. */
	for (int i = 0; i < s->nr; i++)
		while (!__atomic_load_n(&s->runners[i].paused, __ATOMIC_ACQUIRE))
			sched_yield();
}

void shadow_resume(struct shadow *s)
{
	for (int i = 0; i < s->nr; i++)
		WRITE_ONCE(s->runners[i].pause, false);
	for (int i = 0; i < s->nr; i++)
		while (__atomic_load_n(&s->runners[i].paused, __ATOMIC_ACQUIRE))
			sched_yield();
}

void shadow_stop(struct shadow *s)
{
	for (int i = 0; i < s->nr; i++)
		WRITE_ONCE(s->runners[i].stop, true);
	for (int i = 0; i < s->nr; i++)
		runner_stop(&s->runners[i]);
}

void shadow_check(struct shadow *s)
{
	for (u64 i = 0; i < s->pages; i++) {
		test_doing("page %llu", (unsigned long long)i);
		CHECK(!memcmp(s->copy + i * PAGE_SIZE, s->mem + i * PAGE_SIZE, PAGE_SIZE));
	}
}

bool readable(const void *p)
{
	struct chan c;
	bool ok;

	chan_open(&c);
	ok = write(c.fd[1], p, 1) == 1;
	if (!ok)
		CHECK_EQ(errno, EFAULT);
	close(c.fd[0]);
	close(c.fd[1]);
	return ok;
}
