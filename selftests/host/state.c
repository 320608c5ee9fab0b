// SPDX-License-Identifier: GPL-2.0
/*
 * state - debug registers, MP state and the rate of the TSC by their calls; a
 * thread that reads all state while another runs the vCPU; a vCPU whose first state
 * is none that can run. Events are in events.c, vector registers in xstate.c, MSRs
 * in msrapi.c, the rest in sregs2.c.
 */
#include "selftest.h"
#include "state.h"

/* ---- debug registers --------------------------------------------------------- */

static u64 dr[8];

static void guest_reads_dr(u64 arg)
{
	asm volatile("mov %%dr0, %0" : "=r"(dr[0]));
	asm volatile("mov %%dr1, %0" : "=r"(dr[1]));
	asm volatile("mov %%dr2, %0" : "=r"(dr[2]));
	asm volatile("mov %%dr3, %0" : "=r"(dr[3]));
	asm volatile("mov %%dr6, %0" : "=r"(dr[6]));
	asm volatile("mov %%dr7, %0" : "=r"(dr[7]));
	GUEST_SYNC(1);
}

static void guest_writes_dr(u64 arg)
{
	asm volatile("mov %0, %%dr0" : : "r"(0x1111ull));
	asm volatile("mov %0, %%dr1" : : "r"(0x2222ull));
	asm volatile("mov %0, %%dr2" : : "r"(0xffff888812345678ull));
	asm volatile("mov %0, %%dr3" : : "r"(0x4444ull));
	asm volatile("mov %0, %%dr6" : : "r"(0x4003ull));
	asm volatile("mov %0, %%dr7" : : "r"(0xd0000000ull));
	GUEST_SYNC(1);
	guest_reads_dr(0);
}

static void get_dr(struct vcpu *vcpu, struct kvm_debugregs *d)
{
	memset(d, 0x5a, sizeof(*d));
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_DEBUGREGS, (uintptr_t)d), 0);
	CHECK_EQ(d->flags, 0);
	for (int i = 0; i < 9; i++)
		CHECK_EQ(d->reserved[i], 0);
}

static int set_dr(struct vcpu *vcpu, const struct kvm_debugregs *d)
{
	return xioctl(vcpu->fd, KVM_SET_DEBUGREGS, (uintptr_t)d);
}

SUBTEST(debugregs_guest_sees_what_was_set)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d = { .db = { 1, 0x22, 0x7fffffffffff, ~0ull },
		.dr6 = 0xffff4ff1, .dr7 = 0x10000400 }, got;

	vcpu_long_mode(vcpu, guest_reads_dr, 0);
	memset(d.reserved, 0x77, sizeof(d.reserved));	/* nobody looks */
	CHECK_EQ(set_dr(vcpu, &d), 0);
	get_dr(vcpu, &got);
	CHECK(!memcmp(&got, &d, offsetof(struct kvm_debugregs, flags)));
	vcpu_expect_sync(vcpu, 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(guest_var(vm, dr)[i], d.db[i]);
	CHECK_EQ(guest_var(vm, dr)[6], d.dr6);
	CHECK_EQ(guest_var(vm, dr)[7], d.dr7);
	get_dr(vcpu, &got);
	CHECK(!memcmp(&got, &d, offsetof(struct kvm_debugregs, flags)));
}

SUBTEST(debugregs_user_space_sees_what_the_guest_wrote)
{
	static const u64 want[] = { 0x1111, 0x2222, 0xffff888812345678, 0x4444 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d;

	get_dr(vcpu, &d);		/* SDM volume 3, table 9-1 */
	CHECK_EQ(d.db[0] | d.db[1] | d.db[2] | d.db[3], 0);
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(d.dr7, 0x400);
	vcpu_long_mode(vcpu, guest_writes_dr, 0);
	vcpu_expect_sync(vcpu, 1);
	get_dr(vcpu, &d);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(d.db[i], want[i]);
	CHECK_EQ(d.dr6, 0xffff4ff3);
	CHECK_EQ(d.dr7, 0xd0000400);
	d.db[1] = 0x3333;		/* and changed under the guest's hands */
	d.dr7 = 0x400;
	CHECK_EQ(set_dr(vcpu, &d), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vm, dr)[1], 0x3333);
	CHECK_EQ(guest_var(vm, dr)[7], 0x400);
}

static void guest_breakpoint(u64 arg)
{
	GUEST_TRY("lea breakpoint_here(%%rip), %%rax\n\t"
		  "out %%al, $0xe7\n"
		  "breakpoint_here: nop", : : "rax", "memory");
	GUEST_SYNC_VALUE(2, guest_ex()->vector);
}

/* A breakpoint that user space sets is the guest's own #DB. */
SUBTEST(debugregs_breakpoint_works)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d;
	struct kvm_regs regs;

	vcpu_long_mode(vcpu, guest_breakpoint, 0);
	vcpu_run(vcpu, KVM_EXIT_IO);
	get_regs(vcpu, &regs);
	get_dr(vcpu, &d);
	d.db[3] = regs.rax;
	d.dr7 |= BIT(7);		/* G3, on execution */
	CHECK_EQ(set_dr(vcpu, &d), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), DB);
	get_dr(vcpu, &d);
	CHECK_EQ(d.dr6, 0xffff0ff8);
	CHECK_EQ(d.dr7, 0x480);
}

static u64 watched[2];

static void guest_watched(u64 arg)
{
	u64 v;

	GUEST_SYNC_VALUE(1, (uintptr_t)watched);
	GUEST_TRY("movq $1, %0", "=m"(watched[0]));
	GUEST_SYNC_VALUE(2, guest_ex()->vector);
	GUEST_TRY("movq $2, %0", "=m"(watched[1]));
	GUEST_SYNC_VALUE(3, guest_ex()->vector);
	GUEST_TRY("mov %%dr1, %0", "=r"(v));
	GUEST_SYNC_VALUE(4, guest_ex()->vector);
	GUEST_TRY("mov %%dr1, %0", "=r"(v));
	GUEST_SYNC_VALUE(5, guest_ex()->vector);
}

/* A trap on data, after the write; then GD, which guards the registers themselves. */
SUBTEST(debugregs_watchpoint_and_general_detect)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs d;

	vcpu_long_mode(vcpu, guest_watched, 0);
	get_dr(vcpu, &d);
	d.db[0] = vcpu_expect_sync(vcpu, 1);
	d.dr7 |= 2 | 9 << 16;		/* G0: writes of 8 bytes */
	CHECK_EQ(set_dr(vcpu, &d), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 2), DB);
	CHECK_EQ(guest_var(vm, watched)[0], 1);
	get_dr(vcpu, &d);
	CHECK_EQ(d.dr6, 0xffff0ff1);
	CHECK_EQ(vcpu_expect_sync(vcpu, 3), NO_EXCEPTION);
	get_dr(vcpu, &d);
	d.dr6 = 0xffff0ff0;
	d.dr7 = 0x400 | BIT(13);
	CHECK_EQ(set_dr(vcpu, &d), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 4), DB);
	get_dr(vcpu, &d);
	CHECK_EQ(d.dr6, 0xffff2ff0);
	CHECK_EQ(d.dr7, 0x400);		/* the exception clears GD */
	CHECK_EQ(vcpu_expect_sync(vcpu, 5), NO_EXCEPTION);
}

/* VM entry fails with an upper half of DR7 (SDM volume 3, 26.3.1.1). */
SUBTEST(class24_debugregs_that_cannot_be)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_debugregs good, d;

	vcpu_long_mode(vcpu, guest_reads_dr, 0);
	get_dr(vcpu, &good);
	for (int bit = 0; bit < 64; bit++) {
		test_doing("flag %d", bit);
		d = good;
		d.flags = BIT(bit);
		d.db[0] = 1;
		CHECK_EQ(set_dr(vcpu, &d), -EINVAL);
	}
	for (int bit = 32; bit < 64; bit++) {
		test_doing("bit %d", bit);
		d = good;
		d.db[0] = 1;
		d.dr6 |= BIT(bit);
		CHECK_EQ(set_dr(vcpu, &d), -EINVAL);
		d.dr6 = good.dr6;
		d.dr7 |= BIT(bit);
		CHECK_EQ(set_dr(vcpu, &d), -EINVAL);
	}
	get_dr(vcpu, &d);
	CHECK(!memcmp(&d, &good, sizeof(d)));
	vcpu_expect_sync(vcpu, 1);
}

/* ---- MP state ------------------------------------------------------------------ */

static u32 get_mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state s = { .mp_state = 0x5a5a5a5a };

	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MP_STATE, (uintptr_t)&s), 0);
	return s.mp_state;
}

static int set_mp_state(struct vcpu *vcpu, u32 state)
{
	struct kvm_mp_state s = { .mp_state = state };

	return xioctl(vcpu->fd, KVM_SET_MP_STATE, (uintptr_t)&s);
}

static void guest_halt(u64 arg)
{
	GUEST_SYNC(1);
	asm volatile("hlt");
	GUEST_SYNC(2);
}

/* Without interrupt controllers a vCPU is runnable, and halting is not kept. */
SUBTEST(mp_state_without_irqchip)
{
	static const u32 odd[] = { 11, 0x80000000, 0xffffffff };
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0), *second = vcpu_create(vm, 1);

	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(get_mp_state(second), KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE), 0);
	for (u32 i = 1; i <= KVM_MP_STATE_SUSPENDED; i++) {
		test_doing("state %u", i);
		CHECK_EQ(set_mp_state(vcpu, i), -EINVAL);
	}
	for (u64 i = 0; i < ARRAY_SIZE(odd); i++)
		CHECK_EQ(set_mp_state(vcpu, odd[i]), -EINVAL);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	vcpu_long_mode(vcpu, guest_halt, 0);
	vcpu_expect_sync(vcpu, 1);
	vcpu_run(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(get_mp_state(vcpu), KVM_MP_STATE_RUNNABLE);
	vcpu_expect_sync(vcpu, 2);
}

/* ---- the rate of the TSC --------------------------------------------------------- */

static void guest_times_a_loop(u64 arg)
{
	u32 lo, hi;
	u64 t;

	for (;;) {
		asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
		t = lo | (u64)hi << 32;
		asm volatile("mov $1000000, %%ecx\n 1: dec %%ecx\n jnz 1b" : : : "ecx");
		asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
		GUEST_SYNC_VALUE(1, (lo | (u64)hi << 32) - t);
	}
}

/* The least of some, as interrupts of the host count too. */
static u64 time_loop(struct vcpu *vcpu)
{
	u64 least = ~0ull, t;

	for (int i = 0; i < 3; i++) {
		t = vcpu_expect_sync(vcpu, 1);
		least = t < least ? t : least;
	}
	return least;
}

SUBTEST(tsc_khz)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	CHECK(check_cap(vm, KVM_CAP_GET_TSC_KHZ) > 0);
	CHECK(khz > 1000);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0), 0);	/* the host's */
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	vcpu_long_mode(vcpu, guest_times_a_loop, 0);
	time_loop(vcpu);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
}

SUBTEST(tsc_khz_scales)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz = xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	u64 normal, twice, half;

	if (check_cap(vm, KVM_CAP_TSC_CONTROL) <= 0) {
		CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz / 2), -EINVAL);
		SKIP("no TSC scaling");
	}
	vcpu_long_mode(vcpu, guest_times_a_loop, 0);
	normal = time_loop(vcpu);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 2 * khz), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), 2 * khz);
	twice = time_loop(vcpu);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz / 2), 0);
	half = time_loop(vcpu);
	test_diag("ticks of one loop: %llu; at double rate %llu, at half %llu",
		  (unsigned long long)normal, (unsigned long long)twice,
		  (unsigned long long)half);
	CHECK(twice > normal * 3 / 2 && twice < normal * 3);
	CHECK(half < normal * 3 / 4 && half > normal / 4);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0xffffffff), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0x80000000), -EINVAL);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz / 2);
}

/* ---- two threads ---------------------------------------------------------------------- */

/* All say the same number, at any time that user space can look. */
static void guest_counts(u64 arg)
{
	asm volatile("1: inc %%ebx\n"
		     "mov %%rbx, %%r12\n"
		     "movd %%ebx, %%xmm3\n"
		     "mov %%rbx, %%dr2\n"
		     "mov $0xc0000082, %%ecx\n"
		     "mov %%ebx, %%eax\n"
		     "xor %%edx, %%edx\n"
		     "wrmsr\n"
		     "mov $1, %%al\n"
		     "out %%al, $0xe7\n"
		     "jmp 1b" : : "b"(0) : "rax", "rcx", "rdx", "r12");
}

struct reader {
	struct thread thread;
	struct vcpu *vcpu;
	u32 last;
};

/* Never back, and never half of one step and half of another. */
static void expect_later(struct reader *r, u32 number)
{
	CHECK(number >= r->last);
	r->last = number;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct kvm_debugregs d;
	struct kvm_regs regs;
	struct kvm_fpu fpu;
	u32 xmm;

	for (int i = 0; i < 100; i++) {
		get_regs(r->vcpu, &regs);
		CHECK_EQ(regs.rbx, regs.r12);
		expect_later(r, regs.rbx);
		CHECK_EQ(xioctl(r->vcpu->fd, KVM_GET_FPU, (uintptr_t)&fpu), 0);
		memcpy(&xmm, fpu.xmm[3], sizeof(xmm));
		expect_later(r, xmm);
		get_dr(r->vcpu, &d);
		expect_later(r, d.db[2]);
		expect_later(r, get_msr(r->vcpu, MSR_LSTAR));
	}
	return NULL;
}

/* A GET waits for the end of KVM_RUN, and both may be on any CPU. */
SUBTEST(class37_state_read_by_another_thread)
{
	struct vm *vm = vm_create();
	struct reader r = { .vcpu = vcpu_create(vm, 0) };
	int runs;

	vcpu_long_mode(r.vcpu, guest_counts, 0);
	vcpu_expect_sync(r.vcpu, 1);
	thread_start(&r.thread, nr_cpus() > 1 ? 1 : -1, read_all, &r);
	for (runs = 0; !__atomic_load_n(&r.thread.done, __ATOMIC_ACQUIRE); runs++)
		vcpu_expect_sync(r.vcpu, 1);
	thread_join(&r.thread);
	test_diag("%d runs, and the number came to %u", runs, r.last);
}

/* ---- states that cannot run --------------------------------------------------------- */

static void guest_one_sync(u64 arg)
{
	GUEST_SYNC(1);
	GUEST_DONE();
}

/* A VMCS whose launch has failed is not launched: SDM volume 3, 26.8. */
SUBTEST(class27_first_entry_fails)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs good, bad;

	vcpu_long_mode(vcpu, guest_one_sync, 0);
	get_sregs(vcpu, &good);
	bad = good;
	bad.tr.type = 3;		/* of 16 bits, not busy */
	for (int i = 0; i < 3; i++) {
		test_doing("attempt %d", i);
		set_sregs(vcpu, &bad);
		vcpu_run(vcpu, KVM_EXIT_FAIL_ENTRY);
		CHECK_EQ(vcpu->run->fail_entry.hardware_entry_failure_reason, 0x80000021);
	}
	set_sregs(vcpu, &good);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

/* The same after the vCPU has come to another CPU, where it is launched anew. */
SUBTEST(class27_first_entry_on_another_cpu_fails)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs good, bad;

	if (nr_cpus() < 2)
		SKIP("needs two CPUs");
	for (int i = 0; i < 6; i++) {
		test_doing("round %d", i);
		pin_to_cpu(i & 1);
		vcpu_long_mode(vcpu, guest_one_sync, 0);
		get_sregs(vcpu, &good);
		bad = good;
		bad.tr.type = 3;
		set_sregs(vcpu, &bad);
		vcpu_run(vcpu, KVM_EXIT_FAIL_ENTRY);
		set_sregs(vcpu, &good);
		vcpu_expect_sync(vcpu, 1);
	}
}
