// SPDX-License-Identifier: GPL-2.0
/*
 * syncregs - registers passed in the mapping of kvm_run instead of by calls of
 * their own (KVM_CAP_SYNC_REGS): what is stored, what is taken, and when.
 */
#include "selftest.h"
#include "state.h"

#define ALL	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

static void guest_adds(u64 arg)
{
	asm volatile("mov %0, %%rbx\n"
		     "1: add $1, %%rbx\n"
		     "mov $1, %%al\n"
		     "out %%al, $0xe7\n"
		     "jmp 1b" : : "r"(arg) : "rax", "rbx");
}

static struct vcpu *new_vcpu(u64 start)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	CHECK_EQ(check_cap(vm, KVM_CAP_SYNC_REGS), ALL);
	CHECK_EQ(xioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS), ALL);
	vcpu_long_mode(vcpu, guest_adds, start);
	return vcpu;
}

static void check_stored(struct vcpu *vcpu)
{
	struct kvm_sync_regs *s = &vcpu->run->s.regs;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	get_regs(vcpu, &regs);
	get_sregs(vcpu, &sregs);
	get_events(vcpu, &events);
	CHECK(!memcmp(&s->regs, &regs, sizeof(regs)));
	CHECK(!memcmp(&s->sregs, &sregs, sizeof(sregs)));
	events.triple_fault.pending = s->events.triple_fault.pending;	/* no flag */
	CHECK(!memcmp(&s->events, &events, sizeof(events)));
}

SUBTEST(stored_after_each_run)
{
	struct vcpu *vcpu = new_vcpu(41);

	vcpu->run->kvm_valid_regs = ALL;
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(vcpu->run->s.regs.regs.rbx, 42);
	check_stored(vcpu);
	vcpu_complete(vcpu);		/* also when KVM_RUN ends with EINTR */
	check_stored(vcpu);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(vcpu->run->s.regs.regs.rbx, 43);
	check_stored(vcpu);
	CHECK_EQ(vcpu->run->kvm_valid_regs, ALL);
}

SUBTEST(only_what_is_asked_for_is_stored)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct kvm_sync_regs *s = &vcpu->run->s.regs, poison;

	memset(&poison, 0x5a, sizeof(poison));
	for (u32 valid = 0; valid <= ALL; valid++) {
		test_doing("valid regs %#x", valid);
		*s = poison;
		vcpu->run->kvm_valid_regs = valid;
		vcpu_expect_sync(vcpu, 1);
		CHECK_EQ(!memcmp(&s->regs, &poison.regs, sizeof(s->regs)),
			 !(valid & KVM_SYNC_X86_REGS));
		CHECK_EQ(!memcmp(&s->sregs, &poison.sregs, sizeof(s->sregs)),
			 !(valid & KVM_SYNC_X86_SREGS));
		CHECK_EQ(!memcmp(&s->events, &poison.events, sizeof(s->events)),
			 !(valid & KVM_SYNC_X86_EVENTS));
	}
}

SUBTEST(dirty_registers_are_taken)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct kvm_run *run = vcpu->run;
	struct kvm_sregs sregs;

	run->kvm_valid_regs = ALL;
	vcpu_expect_sync(vcpu, 1);
	vcpu_complete(vcpu);
	run->s.regs.regs.rbx = 100;	/* not dirty: of no effect */
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(run->s.regs.regs.rbx, 2);
	vcpu_complete(vcpu);
	run->s.regs.regs.rbx = 100;
	run->s.regs.sregs.fs.base = 0x123000;
	run->s.regs.events.nmi.masked = 1;
	run->kvm_dirty_regs = ALL;
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(run->kvm_dirty_regs, 0);
	CHECK_EQ(run->s.regs.regs.rbx, 101);
	CHECK_EQ(run->s.regs.sregs.fs.base, 0x123000);
	CHECK_EQ(run->s.regs.events.nmi.masked, 1);
	get_sregs(vcpu, &sregs);
	CHECK_EQ(sregs.fs.base, 0x123000);
}

/* Each alone; dirty without valid is allowed. */
SUBTEST(dirty_bits_are_separate)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct kvm_run *run = vcpu->run;
	struct kvm_sync_regs good;

	run->kvm_valid_regs = ALL;
	vcpu_expect_sync(vcpu, 1);
	vcpu_complete(vcpu);
	run->kvm_valid_regs = 0;
	good = run->s.regs;
	memset(&run->s.regs, 0xff, sizeof(run->s.regs));
	run->s.regs.regs = good.regs;
	run->s.regs.regs.rbx = 50;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(run->kvm_dirty_regs, 0);
	CHECK_EQ(run->s.regs.regs.rbx, 50);	/* the guest's is 51; not stored */
	vcpu_complete(vcpu);
	run->s.regs.sregs = good.sregs;
	run->s.regs.sregs.cr2 = 0x4321000;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	vcpu_expect_sync(vcpu, 1);
	get_sregs(vcpu, &good.sregs);
	CHECK_EQ(good.sregs.cr2, 0x4321000);
}

static void check_refused(struct vcpu *vcpu, u32 dirty)
{
	vcpu->run->kvm_dirty_regs = dirty;
	CHECK_EQ(vcpu_run_raw(vcpu), -EINVAL);
	CHECK_EQ(vcpu->run->kvm_dirty_regs, dirty);
	vcpu->run->kvm_dirty_regs = 0;
}

SUBTEST(class19_dirty_registers_that_cannot_be)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct kvm_run *run = vcpu->run;
	struct kvm_sync_regs good;

	run->kvm_valid_regs = ALL;
	vcpu_expect_sync(vcpu, 1);
	vcpu_complete(vcpu);
	good = run->s.regs;
	run->kvm_valid_regs = 0;
	test_doing("CR0");
	run->s.regs.sregs.cr0 = 0x80000000;
	check_refused(vcpu, KVM_SYNC_X86_SREGS);
	run->s.regs.sregs = good.sregs;
	test_doing("CR4");
	run->s.regs.sregs.cr4 |= BIT(63);
	check_refused(vcpu, KVM_SYNC_X86_SREGS);
	run->s.regs.sregs = good.sregs;
	test_doing("flags of the events");
	run->s.regs.events.flags |= BIT(31);
	check_refused(vcpu, KVM_SYNC_X86_EVENTS);
	test_doing("unknown bits");
	for (int bit = 3; bit < 64; bit++) {
		run->kvm_dirty_regs = BIT(bit);
		CHECK_EQ(vcpu_run_raw(vcpu), -EINVAL);
		run->kvm_dirty_regs = 0;
		run->kvm_valid_regs = BIT(bit);
		CHECK_EQ(vcpu_run_raw(vcpu), -EINVAL);
		run->kvm_valid_regs = 0;
	}
	vcpu_expect_sync(vcpu, 1);
}

/* ---- another thread writes meanwhile ------------------------------------------- */

struct scribbler {
	struct thread thread;
	struct kvm_run *run;
	u64 rand;
	bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	u8 *p = (u8 *)&s->run->s;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		s->rand = s->rand * 6364136223846793005 + 1442695040888963407;
		p[(s->rand >> 33) % sizeof(struct kvm_sync_regs)] ^= s->rand >> 24;
		WRITE_ONCE(s->run->kvm_dirty_regs, s->rand >> 60 & ALL);
		WRITE_ONCE(s->run->kvm_valid_regs, ALL);
	}
	return NULL;
}

static void *run_often(void *arg)
{
	struct vcpu *vcpu = arg;

	for (int i = 0; i < 300; i++)
		vcpu_run_raw(vcpu);	/* whatever it says */
	return NULL;
}

/*
 * What is checked must be what is used. The guest may come to anything, an endless
 * loop with it, so the runs are ended from outside.
 */
SUBTEST(class07_sync_regs_changed_while_they_are_taken)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct scribbler s = { .run = vcpu->run, .rand = test_rand() };
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct thread runner;

	get_sregs(vcpu, &sregs);
	get_events(vcpu, &events);
	vcpu->run->kvm_valid_regs = ALL;
	thread_start(&s.thread, -1, scribble, &s);
	thread_start(&runner, -1, run_often, vcpu);
	thread_stop(&runner);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	thread_join(&s.thread);

	/* The vCPU is as good as new. */
	memset(&vcpu->run->s, 0, sizeof(struct kvm_sync_regs));
	vcpu->run->kvm_valid_regs = 0;
	vcpu->run->kvm_dirty_regs = 0;
	vcpu->run->immediate_exit = 0;
	set_sregs(vcpu, &sregs);
	vcpu_long_mode(vcpu, guest_adds, 0);
	events.exception.injected = 0;
	set_events(vcpu, &events);
	vcpu_complete(vcpu);
	vcpu_long_mode(vcpu, guest_adds, 0);
	set_events(vcpu, &events);
	vcpu_expect_sync(vcpu, 1);
}
