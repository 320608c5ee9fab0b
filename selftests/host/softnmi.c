// SPDX-License-Identifier: GPL-2.0
/*
 * softnmi - what holds of NMIs whether or not the CPU tells when a handler is through
 * (virtual NMIs): apicparams runs this without them, too. There the hypervisor guesses:
 * from interrupts that the guest takes again, or, if it takes none, after a second.
 * What the CPU alone knows, the end at IRET, is in injection.c.
 */
#include "clock.h"
#include "events.h"

GUEST_ASM(opens, ".code64\n"
	  SYNC_ASM(1)
	  "sti\n"
	  "nop\n"
	  "nop\n"
	  SYNC_ASM(2)
	  "cli\n"
	  SYNC_ASM(3)
	  "sti\n"
	  "nop\n"
	  "nop\n"
	  SYNC_ASM(4));

GUEST_ASM(never_opens, ".code64\n"
	  "1:\n"
	  SYNC_ASM(1)
	  "jmp 1b\n");

static struct vcpu *nmi_vcpu(const void *code)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	CHECK_EQ(check_cap(vm, KVM_CAP_USER_NMI), 1);
	vm_record_events(vm);
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, code, 0);
	return vcpu;
}

static bool is_nmi(struct event_frame *f)
{
	return f->vector == NMI;
}

SUBTEST(each_is_taken_once)
{
	struct vcpu *vcpu = nmi_vcpu(opens);

	guest_var(vcpu->vm, guest_on_event) = is_nmi;
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	vm_expect_events(vcpu->vm, NMI);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 3);
	vm_expect_events(vcpu->vm, NMI, NMI);
	vcpu_expect_sync(vcpu, 4);
	vm_expect_events(vcpu->vm, NMI, NMI);
}

/* Also one that had to wait has come when the guest takes interrupts. */
SUBTEST(the_next_comes_with_interrupts)
{
	struct vcpu *vcpu = nmi_vcpu(opens);

	guest_var(vcpu->vm, guest_on_event) = is_nmi;
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 2);
	vm_expect_events(vcpu->vm, NMI, NMI);
}

static u64 in_handler;

static bool stays(struct event_frame *f)
{
	if (f->vector == NMI && guest_nr_events == 1) {
		GUEST_SYNC(5);
		in_handler = guest_nr_events;
		GUEST_SYNC(6);
	}
	return f->vector == NMI;
}

SUBTEST(none_interrupts_a_handler)
{
	struct vcpu *vcpu = nmi_vcpu(opens);
	struct vm *vm = vcpu->vm;

	guest_var(vm, guest_on_event) = stays;
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 5);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 6);
	CHECK_EQ(guest_var(vm, in_handler), 1);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_sync(vcpu, 2);
	vm_expect_events(vm, NMI, NMI);
}

/* A guest that never takes interrupts gets its NMIs all the same. */
SUBTEST(one_second_is_enough)
{
	struct vcpu *vcpu = nmi_vcpu(never_opens);
	struct vm *vm = vcpu->vm;
	u64 start = clock_ns(CLOCK_MONOTONIC);

	guest_var(vm, guest_on_event) = is_nmi;
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(vcpu_nmi(vcpu), 0);
	do {
		vcpu_expect_sync(vcpu, 1);
	} while (guest_var(vm, guest_nr_events) < 2 &&
		 clock_ns(CLOCK_MONOTONIC) - start < patience(4) * 1000000000ull);
	vm_expect_events(vm, NMI, NMI);
}
