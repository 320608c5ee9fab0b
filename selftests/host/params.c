// SPDX-License-Identifier: GPL-2.0
/*
 * params - lodge.ko loaded with parameters that choose another way of doing a
 * thing, and the tests of that thing once more. Runs with no such module loaded;
 * $LODGE_KO is lodge.ko, and the other tests lie beside this one.
 */
#include "module.h"

static void check_with(const char *params, const char *name)
{
	const struct program program = { name };

	run_with("/dev/lodge", params, &program, 1);
}

/* Writes are found by write protection. */
SUBTEST(dirty_log_without_pml)
{
	check_with("pml=N", "dirtylog");
}

SUBTEST(dirty_ring_without_pml)
{
	check_with("pml=N", "dirtyring");
}

/*
 * The age of pages is known by mapping them again. The dirty log is not run so: the
 * emulated CPU then sets the accessed bits of the guest's page tables without asking
 * EPT for the right to write, and kvm_intel (eptad=0) misses those writes as well.
 */
SUBTEST(memory_without_accessed_bits)
{
	check_with("eptad=N", "hostmem");
}

/* Every entry and exit drops what the TLB knows of the guest. */
SUBTEST(modes_without_vpid)
{
	check_with("vpid=N", "modes");
}

SUBTEST(control_registers_without_vpid)
{
	check_with("vpid=N", "ctrlregs");
}

/* Code runs from small pages only: each large one is split when it is run from. */
SUBTEST(class18_backing_with_nx_huge_pages)
{
	check_with("nx_huge_pages=1", "backing");
}

SUBTEST(class18_dirty_log_with_nx_huge_pages)
{
	check_with("nx_huge_pages=1", "dirtylog");
}

SUBTEST(class18_slots_with_nx_huge_pages)
{
	check_with("nx_huge_pages=1", "memslots");
}

static void guest_unknown_msr(u64 arg)
{
	u32 lo = 1, hi = 1;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(0x12345));
	GUEST_ASSERT_EQ(guest_ex()->vector, arg);
	if (arg == NO_EXCEPTION)
		GUEST_ASSERT_EQ(lo | (u64)hi << 32, 0);
	GUEST_TRY("wrmsr", : "a"(1), "d"(0), "c"(0x12345));
	GUEST_ASSERT_EQ(guest_ex()->vector, arg);
	/* one that is there is not what this is about */
	GUEST_TRY("wrmsr", : "a"(0), "d"(0x8000), "c"(0x176));
	GUEST_ASSERT_EQ(guest_ex()->vector, GP);
}

static void unknown_msr(const char *params, u64 want)
{
	struct vm *vm;
	struct vcpu *vcpu;

	unload_all();
	CHECK_EQ(load_lodge(params), 0);
	vm = vm_create();
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_unknown_msr, want);
	vcpu_expect_done(vcpu);
	vm_free(vm);
	CHECK_EQ(module_unload("lodge"), 0);
}

SUBTEST(unknown_msrs_ignored)
{
	unknown_msr("ignore_msrs=1 report_ignored_msrs=0", NO_EXCEPTION);
}

SUBTEST(unknown_msrs_not_ignored)
{
	unknown_msr("", GP);
}
