// SPDX-License-Identifier: GPL-2.0
/* Rows of `lodge bench exits`: what calls of the ABI take, seen from the process. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

/* A call that is to succeed, with how long it took. */
static bool timed(struct bench_test *t, int fd, unsigned long request, const char *name,
		  void *arg, s64 *ticks)
{
	u64 start = bench_now();
	int ret = ioctl(fd, request, arg);

	*ticks = bench_now() - start;
	return ret >= 0 || bench_refused(&t->vm, name);
}

#define TIMED(t, fd, request, arg, ticks)				\
	timed(t, fd, request, #request, (void *)(uintptr_t)(arg), ticks)

/* ---- machines ------------------------------------------------------------------ */

/* A machine that is made and closed: how long either took. */
static bool make_and_close(struct bench_test *t, s64 *create, s64 *destroy)
{
	char text[BENCH_WHY] = "";
	u64 start = bench_now();
	int fd = device_create_vm(t->device, text, sizeof(text));

	*create = bench_now() - start;
	if (fd < 0)
		return bench_fail(&t->vm, "%s", text);
	start = bench_now();
	close(fd);
	*destroy = bench_now() - start;
	return true;
}

static bool vm_create(struct bench_test *t, s64 *ticks)
{
	s64 other;

	return make_and_close(t, ticks, &other);
}

static bool vm_destroy(struct bench_test *t, s64 *ticks)
{
	s64 other;

	return make_and_close(t, &other, ticks);
}

/* A call on a machine that is made for it. */
static bool on_new_vm(struct bench_test *t, unsigned long request, const char *name,
		      s64 *ticks)
{
	char text[BENCH_WHY] = "";
	int fd = device_create_vm(t->device, text, sizeof(text)), new;
	u64 start;

	if (fd < 0)
		return bench_fail(&t->vm, "%s", text);
	start = bench_now();
	new = ioctl(fd, request, 0);
	*ticks = bench_now() - start;
	if (new < 0)
		bench_refused(&t->vm, name);
	/* A vCPU's file; other calls return 0. */
	if (new > 0)
		close(new);
	close(fd);
	return new >= 0;
}

static bool vcpu_create(struct bench_test *t, s64 *ticks)
{
	return on_new_vm(t, KVM_CREATE_VCPU, "KVM_CREATE_VCPU", ticks);
}

static bool irqchip_create(struct bench_test *t, s64 *ticks)
{
	return on_new_vm(t, KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP", ticks);
}

/* ---- memory slots -------------------------------------------------------------- */

/* Slot @nr is a page with room behind it. */
static void page_slot(struct bench_test *t, struct kvm_userspace_memory_region *region,
		      unsigned int nr, u64 size)
{
	*region = (struct kvm_userspace_memory_region){
		.slot = nr, .memory_size = size,
		.guest_phys_addr = BENCH_AREA + nr * 2 * PAGE_SIZE,
		.userspace_addr = (uintptr_t)t->vm.memory.ram[0].host,
	};
}

static bool fill_slots(struct bench_test *t)
{
	struct kvm_userspace_memory_region region;
	unsigned int nr;

	/* There is one, of the guest's code. */
	for (nr = 1; nr < t->row->arg[0]; nr++) {
		page_slot(t, &region, nr, PAGE_SIZE);
		if (!BENCH_IOCTL(&t->vm, t->vm.fd, KVM_SET_USER_MEMORY_REGION, &region))
			return false;
	}
	return true;
}

static bool slot_add_and_remove(struct bench_test *t, s64 *add, s64 *removal)
{
	struct kvm_userspace_memory_region region;

	page_slot(t, &region, t->row->arg[0], PAGE_SIZE);
	if (!TIMED(t, t->vm.fd, KVM_SET_USER_MEMORY_REGION, &region, add))
		return false;
	region.memory_size = 0;
	return TIMED(t, t->vm.fd, KVM_SET_USER_MEMORY_REGION, &region, removal);
}

static bool slot_add(struct bench_test *t, s64 *ticks)
{
	s64 other;

	return slot_add_and_remove(t, ticks, &other);
}

static bool slot_remove(struct bench_test *t, s64 *ticks)
{
	s64 other;

	return slot_add_and_remove(t, &other, ticks);
}

/* ---- a vCPU's state ------------------------------------------------------------- */

static bool get_regs(struct bench_test *t, s64 *ticks)
{
	struct kvm_regs regs;

	return TIMED(t, t->vm.cpu[0].fd, KVM_GET_REGS, &regs, ticks);
}

static bool set_regs(struct bench_test *t, s64 *ticks)
{
	struct kvm_regs regs;
	s64 other;

	return TIMED(t, t->vm.cpu[0].fd, KVM_GET_REGS, &regs, &other) &&
	       TIMED(t, t->vm.cpu[0].fd, KVM_SET_REGS, &regs, ticks);
}

static bool get_sregs(struct bench_test *t, s64 *ticks)
{
	struct kvm_sregs sregs;

	return TIMED(t, t->vm.cpu[0].fd, KVM_GET_SREGS, &sregs, ticks);
}

static bool set_sregs(struct bench_test *t, s64 *ticks)
{
	struct kvm_sregs sregs;
	s64 other;

	return TIMED(t, t->vm.cpu[0].fd, KVM_GET_SREGS, &sregs, &other) &&
	       TIMED(t, t->vm.cpu[0].fd, KVM_SET_SREGS, &sregs, ticks);
}

static bool run_immediate(struct bench_test *t, s64 *ticks)
{
	struct bench_cpu *cpu = &t->vm.cpu[0];
	u64 start;
	int ret;

	cpu->run->immediate_exit = 1;
	start = bench_now();
	ret = ioctl(cpu->fd, KVM_RUN, 0);
	*ticks = bench_now() - start;
	cpu->run->immediate_exit = 0;
	if (ret < 0 && errno == EINTR)
		return true;
	return bench_fail(&t->vm, "KVM_RUN did not come back at once");
}

const struct bench_row bench_rows_host[] = {
	{
		.name = "run-immediate", .what = "KVM_RUN with immediate_exit",
		.cap = BENCH_CAP(KVM_CAP_IMMEDIATE_EXIT), .once = run_immediate,
	}, {
		.name = "get-regs", .what = "KVM_GET_REGS", .once = get_regs,
	}, {
		.name = "set-regs", .what = "KVM_SET_REGS", .once = set_regs,
	}, {
		.name = "get-sregs", .what = "KVM_GET_SREGS", .once = get_sregs,
	}, {
		.name = "set-sregs", .what = "KVM_SET_SREGS", .once = set_sregs,
	}, {
		.name = "slot-add-1", .what = "a memory slot more where 1 is",
		.once = slot_add, .prepare = fill_slots, .arg = { 1 },
	}, {
		.name = "slot-remove-1", .what = "and removed",
		.once = slot_remove, .prepare = fill_slots, .arg = { 1 },
	}, {
		.name = "slot-add-32", .what = "a memory slot more where 32 are",
		.once = slot_add, .prepare = fill_slots, .arg = { 32 },
	}, {
		.name = "slot-remove-32", .what = "and removed",
		.once = slot_remove, .prepare = fill_slots, .arg = { 32 },
	}, {
		.name = "slot-add-500", .what = "a memory slot more where 500 are",
		.once = slot_add, .prepare = fill_slots, .arg = { 500 },
	}, {
		.name = "slot-remove-500", .what = "and removed",
		.once = slot_remove, .prepare = fill_slots, .arg = { 500 },
	}, {
		.name = "vm-create", .what = "KVM_CREATE_VM",
		.once = vm_create, .needs = NO_VM,
	}, {
		.name = "vm-destroy", .what = "an empty machine closed",
		.once = vm_destroy, .needs = NO_VM,
	}, {
		.name = "vcpu-create", .what = "KVM_CREATE_VCPU of a new machine's first",
		.once = vcpu_create, .needs = NO_VM,
	}, {
		.name = "irqchip-create", .what = "KVM_CREATE_IRQCHIP",
		.once = irqchip_create, .needs = NO_VM,
		.cap = BENCH_CAP(KVM_CAP_IRQCHIP),
	},
	{ .name = NULL }
};
