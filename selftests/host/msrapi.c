// SPDX-License-Identifier: GPL-2.0
/*
 * msrapi - MSRs by KVM_GET_MSRS and KVM_SET_MSRS, on a vCPU and (feature MSRs) on
 * the device: the lists of what there is, counts and limits, what is refused, and
 * that the guest's RDMSR and WRMSR mean the same registers.
 */
#include "selftest.h"
#include "state.h"

static struct msr_list list;
static struct msrs m;
static u64 guest_value[16];

static u64 rdmsr_try(u32 msr)
{
	u32 lo = 0, hi = 0;

	GUEST_TRY("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}

static void wrmsr_try(u32 msr, u64 v)
{
	GUEST_TRY("wrmsr", : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

static int msrs_call(int fd, unsigned long cmd, u32 n)
{
	m.head.nmsrs = n;
	return xioctl(fd, cmd, (uintptr_t)&m);
}

static void guest_nothing(u64 arg)
{
	GUEST_SYNC(1);
	GUEST_DONE();
}

static struct vcpu *new_vcpu(void (*fn)(u64 arg))
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, fn, 0);
	return vcpu;
}

/* ---- the lists --------------------------------------------------------- */

/* Too small a list: E2BIG, the count needed, and no entry written. */
static void check_list_counts(int fd, unsigned long cmd)
{
	u32 n, counts[] = { 0, 1, 0, 0, 0, 0x7fffffff, 0x80000000, ~0u };

	list.nmsrs = 0;
	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)&list), -E2BIG);
	n = list.nmsrs;
	CHECK(n > 1);
	CHECK(n < ARRAY_SIZE(list.index));
	counts[2] = n - 1;
	counts[3] = n;
	counts[4] = n + 1;
	for (u64 i = 0; i < ARRAY_SIZE(counts); i++) {
		test_doing("room for %u of %u", counts[i], n);
		memset(&list, 0x5a, sizeof(list));
		list.nmsrs = counts[i];
		CHECK_EQ(xioctl(fd, cmd, (uintptr_t)&list), counts[i] < n ? -E2BIG : 0);
		CHECK_EQ(list.nmsrs, n);
		for (u32 k = 0; k < ARRAY_SIZE(list.index); k++)
			CHECK_EQ(list.index[k] == 0x5a5a5a5a, counts[i] < n || k >= n);
	}
}

SUBTEST(class29_index_list_counts)
{
	struct vm *vm = vm_create_bare();

	check_list_counts(vm->dev_fd, KVM_GET_MSR_INDEX_LIST);
}

SUBTEST(class29_feature_index_list_counts)
{
	struct vm *vm = vm_create_bare();

	CHECK(check_cap(vm, KVM_CAP_GET_MSR_FEATURES) > 0);
	check_list_counts(vm->dev_fd, KVM_GET_MSR_FEATURE_INDEX_LIST);
}

static void check_list_pointers(int fd, unsigned long cmd)
{
	u32 *p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u32 *end = p + PAGE_SIZE / sizeof(*p);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(munmap(end, PAGE_SIZE), 0);
	end[-1] = 0;
	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)(end - 1)), -E2BIG);
	CHECK(end[-1] > 0);
	/* Room enough by its count, but no memory. */
	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)(end - 1)), -EFAULT);
	end[-2] = ~0u;
	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)(end - 2)), -EFAULT);
	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)end), -EFAULT);
	CHECK_EQ(mprotect(p, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(xioctl(fd, cmd, (uintptr_t)p), -EFAULT);
}

SUBTEST(class29_list_pointers)
{
	struct vm *vm = vm_create_bare();

	check_list_pointers(vm->dev_fd, KVM_GET_MSR_INDEX_LIST);
	check_list_pointers(vm->dev_fd, KVM_GET_MSR_FEATURE_INDEX_LIST);
}

SUBTEST(index_list_names_each_once)
{
	static const u32 needed[] = { MSR_TSC, MSR_SYSENTER_CS, MSR_SYSENTER_ESP,
		MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK,
		MSR_KERNEL_GS_BASE, MSR_PAT, MSR_MISC_ENABLE };
	struct vm *vm = vm_create_bare();
	bool found;

	get_msr_list(vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	CHECK(list.nmsrs < MSRS_MAX);	/* so that one call moves them all */
	for (u32 i = 0; i < list.nmsrs; i++) {
		test_doing("MSR %#x", list.index[i]);
		for (u32 k = 0; k < i; k++)
			CHECK(list.index[k] != list.index[i]);
	}
	for (u64 i = 0; i < ARRAY_SIZE(needed); i++) {
		test_doing("MSR %#x", needed[i]);
		found = false;
		for (u32 k = 0; k < list.nmsrs; k++)
			found |= list.index[k] == needed[i];
		CHECK(found);
	}
}

SUBTEST(listed_msrs_can_be_read_and_written_back)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	u64 v, again;

	get_msr_list(vcpu->vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	for (int round = 0; round < 2; round++) {
		for (u32 i = 0; i < list.nmsrs; i++) {
			test_doing("MSR %#x, %s its run", list.index[i],
				   round ? "after" : "before");
			v = get_msr(vcpu, list.index[i]);
			if (!msr_takes_back(list.index[i]))
				continue;
			set_msr(vcpu, list.index[i], v);
			again = get_msr(vcpu, list.index[i]);
			if (list.index[i] == MSR_TSC)
				CHECK(again - v < 1000000000);
			else
				CHECK_EQ(again, v);
		}
		if (!round)
			vcpu_expect_sync(vcpu, 1);
	}
	vcpu_expect_done(vcpu);
}

SUBTEST(all_listed_msrs_in_one_call)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	int n = 0, done;

	get_msr_list(vcpu->vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	for (u32 i = 0; i < list.nmsrs; i++)
		if (msr_takes_back(list.index[i]))
			m.entry[n++].index = list.index[i];
	CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, n), n);
	done = msrs_call(vcpu->fd, KVM_SET_MSRS, n);
	if (done >= 0 && done < n)
		test_doing("MSR %#x", m.entry[done].index);
	CHECK_EQ(done, n);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, n), n);
	vcpu_expect_done(vcpu);
}

/* ---- feature MSRs, of the device ---------------------------------------- */

SUBTEST(feature_msrs_are_read_from_the_device)
{
	struct vm *vm = vm_create_bare();
	u64 v, again;

	get_msr_list(vm->dev_fd, KVM_GET_MSR_FEATURE_INDEX_LIST, &list);
	for (u32 i = 0; i < list.nmsrs; i++) {
		test_doing("feature MSR %#x", list.index[i]);
		CHECK_EQ(get_msr_raw(vm->dev_fd, list.index[i], &v), 1);
		CHECK_EQ(get_msr_raw(vm->dev_fd, list.index[i], &again), 1);
		CHECK_EQ(v, again);
		m.entry[i].index = list.index[i];
	}
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, list.nmsrs), list.nmsrs);
}

SUBTEST(class29_device_msr_counts)
{
	struct vm *vm = vm_create_bare();

	get_msr_list(vm->dev_fd, KVM_GET_MSR_FEATURE_INDEX_LIST, &list);
	for (u32 i = 0; i < MSRS_MAX; i++)
		m.entry[i].index = list.index[0];
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, 0), 0);
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, 255), 255);
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, 256), -E2BIG);
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, 0x80000000), -E2BIG);
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, ~0u), -E2BIG);
	m.entry[2].index = MSR_LSTAR;	/* of vCPUs, not of the device */
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, 5), 2);
	m.entry[0].index = 0xdeadbeef;
	CHECK_EQ(msrs_call(vm->dev_fd, KVM_GET_MSRS, 5), 0);
}

/* ---- counts, pointers ------------------------------------------------------ */

static const u32 plain[] = { MSR_LSTAR, MSR_KERNEL_GS_BASE, MSR_SYSENTER_ESP, MSR_STAR };

static void fill_plain(u64 base)
{
	for (u32 i = 0; i < ARRAY_SIZE(plain); i++)
		m.entry[i] = (struct kvm_msr_entry){ .index = plain[i], .data = base + i };
}

SUBTEST(count_of_those_before_the_first_failure)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);

	fill_plain(0x1000);
	CHECK_EQ(msrs_call(vcpu->fd, KVM_SET_MSRS, 4), 4);
	for (u32 bad = 0; bad < 4; bad++) {
		test_doing("the bad one is %u", bad);
		fill_plain(0x1000);
		CHECK_EQ(msrs_call(vcpu->fd, KVM_SET_MSRS, 4), 4);
		fill_plain(0x2000);
		m.entry[bad].index = 0xdeadbeef;
		CHECK_EQ(msrs_call(vcpu->fd, KVM_SET_MSRS, 4), bad);
		for (u32 i = 0; i < 4; i++)
			CHECK_EQ(get_msr(vcpu, plain[i]), (i < bad ? 0x2000 : 0x1000) + i);
		fill_plain(0x7777);
		m.entry[bad].index = 0xdeadbeef;
		CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, 4), bad);
		for (u32 i = 0; i < 4; i++) {
			if (i < bad)
				CHECK_EQ(m.entry[i].data, 0x2000 + i);
			else if (i > bad)	/* not looked at */
				CHECK_EQ(m.entry[i].data, 0x7777 + i);
		}
	}
}

SUBTEST(class29_msr_counts)
{
	static const u32 too_many[] = { 256, 257, 0x10000000, 0x7fffffff, 0x80000000, ~0u };
	struct vcpu *vcpu = new_vcpu(guest_nothing);

	for (u32 i = 0; i < MSRS_MAX; i++)
		m.entry[i] = (struct kvm_msr_entry){ .index = MSR_LSTAR, .data = i };
	for (u64 i = 0; i < ARRAY_SIZE(too_many); i++) {
		test_doing("%u MSRs", too_many[i]);
		CHECK_EQ(msrs_call(vcpu->fd, KVM_SET_MSRS, too_many[i]), -E2BIG);
		CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, too_many[i]), -E2BIG);
	}
	CHECK_EQ(get_msr(vcpu, MSR_LSTAR), 0);
	CHECK_EQ(msrs_call(vcpu->fd, KVM_SET_MSRS, 0), 0);
	CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, 0), 0);
	CHECK_EQ(msrs_call(vcpu->fd, KVM_SET_MSRS, 255), 255);
	CHECK_EQ(get_msr(vcpu, MSR_LSTAR), 254);
	CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, 255), 255);
}

SUBTEST(class29_msr_pointers)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	u8 *p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t two = sizeof(struct kvm_msrs) + 2 * sizeof(struct kvm_msr_entry);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(munmap(p + PAGE_SIZE, PAGE_SIZE), 0);
	fill_plain(0x3000);
	m.head.nmsrs = 2;
	memcpy(p + PAGE_SIZE - two, &m, two);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MSRS, (uintptr_t)(p + PAGE_SIZE - two)), 2);
	m.head.nmsrs = 3;		/* the third is not in memory: none is set */
	fill_plain(0x4000);
	memcpy(p + PAGE_SIZE - two, &m, two);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MSRS, (uintptr_t)(p + PAGE_SIZE - two)), -EFAULT);
	CHECK_EQ(get_msr(vcpu, plain[0]), 0x3000);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MSRS, (uintptr_t)(p + PAGE_SIZE - two)), -EFAULT);
	CHECK_EQ(mprotect(p, PAGE_SIZE, PROT_READ), 0);
	m.head.nmsrs = 2;
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_MSRS, (uintptr_t)(p + PAGE_SIZE - two)), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_MSRS, 0), -EFAULT);
}

struct toggler {
	struct thread thread;
	u32 *count;
	bool stop;
};

static void *toggle_count(void *arg)
{
	struct toggler *t = arg;

	for (u32 i = 0; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED); i++)
		WRITE_ONCE(*t->count, i & 1 ? 2 : i & 2 ? 255 : ~0u);
	return NULL;
}

/* A count that is read once more after its check would be another then. */
SUBTEST(class29_counts_changed_meanwhile)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	struct toggler t = { .count = &m.head.nmsrs };

	m.head.nmsrs = 2;
	for (u32 i = 0; i < MSRS_MAX; i++)
		m.entry[i] = (struct kvm_msr_entry){ .index = MSR_LSTAR, .data = i };
	thread_start(&t.thread, nr_cpus() > 1 ? 1 : -1, toggle_count, &t);
	for (int i = 0; i < 2000; i++) {
		unsigned long cmd = i & 1 ? KVM_GET_MSRS : KVM_SET_MSRS;
		int ret = xioctl(vcpu->fd, cmd, (uintptr_t)&m);

		CHECK(ret == 2 || ret == 255 || ret == -E2BIG);
		CHECK(get_msr(vcpu, MSR_LSTAR) < MSRS_MAX);
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	thread_join(&t.thread);
	vcpu_expect_sync(vcpu, 1);
}

/* ---- values ------------------------------------------------------------------ */

static const struct refused {
	u32 msr;
	u64 value;
	const char *why;
} refused[] = {
	{ MSR_LSTAR, BIT(47), "not canonical" },
	{ MSR_CSTAR, BIT(63), "not canonical" },
	{ MSR_KERNEL_GS_BASE, 0xffff7fffffffffff, "not canonical" },
	{ MSR_FS_BASE, BIT(47), "not canonical" },
	{ MSR_GS_BASE, 0x123456789abcdef0, "not canonical" },
	{ MSR_EFER, BIT(1), "reserved bit" },
	{ MSR_EFER, BIT(9), "reserved bit" },
	{ MSR_EFER, BIT(63), "reserved bit" },
	{ MSR_PAT, 2, "no such memory type" },
	{ MSR_PAT, 0x0300000000000000, "no such memory type" },
	{ MSR_PAT, ~0ull, "no such memory type" },
	{ MSR_TSC_AUX, BIT(32), "reserved bit" },
	{ MSR_MTRR_DEF_TYPE, 2, "no such memory type" },
	{ MSR_MTRR_DEF_TYPE, BIT(12), "reserved bit" },
	{ MSR_MTRR_FIX64K, 7, "no such memory type" },
	{ MSR_MTRR_BASE0, 2, "no such memory type" },
	{ MSR_MTRR_BASE0, BIT(8), "reserved bit" },
	{ MSR_MTRR_MASK0, 1, "reserved bit" },
	{ MSR_XSS, BIT(62), "reserved bit" },
	{ MSR_APIC_BASE, BIT(63), "reserved bit" },
	{ MSR_APIC_BASE, BIT(0), "reserved bit" },
	{ 0x808, 0, "no local APIC" },
	{ 0x8ff, 0, "no local APIC" },
	{ MSR_MCG_CTL, 1, "neither none nor all" },
	{ MSR_MC0_CTL, 2, "neither none nor all" },
	{ 0x2000, 0, "no such MSR" },
	{ 0xdeadbeef, 0, "no such MSR" },
	{ 0xffffffff, 0, "no such MSR" },
};

SUBTEST(class04_values_that_are_refused)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	u64 before, after;
	int had;

	for (const struct refused *r = refused; r < refused + ARRAY_SIZE(refused); r++) {
		test_doing("MSR %#x: %s", r->msr, r->why);
		had = get_msr_raw(vcpu->fd, r->msr, &before);
		CHECK_EQ(set_msr_raw(vcpu, r->msr, r->value), 0);
		CHECK_EQ(get_msr_raw(vcpu->fd, r->msr, &after), had);
		if (had)
			CHECK_EQ(after, before);
	}
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

/* What user space sets and the guest then has; all that must be kept. */
static const struct kept {
	u32 msr;
	u64 value;
} kept[] = {
	{ MSR_STAR, 0x0123456789abcdef }, { MSR_LSTAR, 0xffff812345678000 },
	{ MSR_CSTAR, 0x7fffffffffff }, { MSR_FMASK, 0x47700 },
	{ MSR_KERNEL_GS_BASE, 0xffff800000000001 },
	{ MSR_SYSENTER_CS, 0x10 }, { MSR_SYSENTER_ESP, 0xffffc00000001234 },
	{ MSR_SYSENTER_EIP, 0x123456789abc }, { MSR_PAT, 0x0007010600070506 },
	{ MSR_TSC_AUX, 0xfedcba98 }, { MSR_FS_BASE, 0x7654321000 },
	{ MSR_MTRR_BASE0, 0x80000006 }, { MSR_MTRR_MASK0, 0xf80000800 },
	{ MSR_MTRR_FIX64K, 0x0606060604050100 }, { MSR_MTRR_DEF_TYPE, 0xc06 },
};

static void guest_reads_kept(u64 arg)
{
	for (u32 i = 0; i < ARRAY_SIZE(kept); i++)
		guest_value[i] = rdmsr_try(kept[i].msr);
	GUEST_DONE();
}

SUBTEST(guest_reads_what_was_set)
{
	struct vcpu *vcpu = new_vcpu(guest_reads_kept);

	for (u32 i = 0; i < ARRAY_SIZE(kept); i++)
		set_msr(vcpu, kept[i].msr, kept[i].value);
	vcpu_expect_done(vcpu);
	for (u32 i = 0; i < ARRAY_SIZE(kept); i++) {
		test_doing("MSR %#x", kept[i].msr);
		CHECK_EQ(guest_var(vcpu->vm, guest_value)[i], kept[i].value);
		CHECK_EQ(get_msr(vcpu, kept[i].msr), kept[i].value);
	}
}

static void guest_writes_kept(u64 arg)
{
	for (u32 i = 0; i < ARRAY_SIZE(kept); i++) {
		wrmsr_try(kept[i].msr, kept[i].value);
		guest_value[i] = guest_ex()->vector;
	}
	GUEST_DONE();
}

SUBTEST(user_space_reads_what_the_guest_wrote)
{
	struct vcpu *vcpu = new_vcpu(guest_writes_kept);

	vcpu_expect_done(vcpu);
	for (u32 i = 0; i < ARRAY_SIZE(kept); i++) {
		test_doing("MSR %#x", kept[i].msr);
		CHECK_EQ(guest_var(vcpu->vm, guest_value)[i], NO_EXCEPTION);
		CHECK_EQ(get_msr(vcpu, kept[i].msr), kept[i].value);
	}
}

static u64 listed_value[MSRS_MAX];
static u8 listed_fault[MSRS_MAX];

static void guest_reads_listed(u64 n)
{
	for (u64 i = 0; i < n; i++) {
		listed_value[i] = rdmsr_try(list.index[i]);
		listed_fault[i] = guest_ex()->vector != NO_EXCEPTION;
	}
	GUEST_DONE();
}

/* The guest may be refused what its CPUID lacks; else both read the same. */
SUBTEST(listed_msrs_are_the_guests)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	struct vm *vm = vcpu->vm;
	u32 equal = 0;

	get_msr_list(vm->dev_fd, KVM_GET_MSR_INDEX_LIST, &list);
	CHECK(list.nmsrs < MSRS_MAX);
	guest_var(vm, list) = list;
	vcpu_long_mode(vcpu, guest_reads_listed, list.nmsrs);
	vcpu_expect_done(vcpu);
	for (u32 i = 0; i < list.nmsrs; i++) {
		test_doing("MSR %#x", list.index[i]);
		if (guest_var(vm, listed_fault)[i] || list.index[i] == MSR_TSC ||
		    !msr_takes_back(list.index[i]))
			continue;
		CHECK_EQ(get_msr(vcpu, list.index[i]), guest_var(vm, listed_value)[i]);
		equal++;
	}
	CHECK(equal > 10);
}

/* Both names of one register: by MSR and by KVM_GET_SREGS. */
SUBTEST(msrs_that_are_in_sregs)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	CHECK_EQ(get_msr(vcpu, MSR_EFER), s.efer);
	CHECK_EQ(get_msr(vcpu, MSR_APIC_BASE), s.apic_base);
	CHECK_EQ(get_msr(vcpu, MSR_GS_BASE), s.gs.base);
	set_msr(vcpu, MSR_FS_BASE, 0x123456000);
	/* LMA is no choice of a writer, and LME may be written at any time. */
	set_msr(vcpu, MSR_EFER, EFER_NX | EFER_LME | BIT(0));
	get_sregs(vcpu, &s);
	CHECK_EQ(s.fs.base, 0x123456000);
	CHECK_EQ(s.efer, EFER_NX | EFER_LME | EFER_LMA | BIT(0));
	s.fs.base = 0x9999000;
	set_sregs(vcpu, &s);
	CHECK_EQ(get_msr(vcpu, MSR_FS_BASE), 0x9999000);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(get_msr(vcpu, MSR_FS_BASE), 0x9999000);
}

/* LME goes while LMA stays: no such CPU state, and VM entry would say so. */
SUBTEST(class27_efer_without_lme_in_long_mode)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	u64 efer = get_msr(vcpu, MSR_EFER);
	int ret = set_msr_raw(vcpu, MSR_EFER, efer & ~(EFER_LME | EFER_LMA));

	if (ret) {
		CHECK_EQ(ret, 1);
		CHECK_EQ(get_msr(vcpu, MSR_EFER), efer & ~EFER_LME);
		CHECK_EQ(vcpu_run_raw(vcpu), 0);
		CHECK(vcpu->run->exit_reason == KVM_EXIT_FAIL_ENTRY ||
		      vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR);
	}
	set_msr(vcpu, MSR_EFER, efer);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

/* The CPU would refuse them at entry; KVM extends the sign, as WRMSR on AMD. */
SUBTEST(class04_sysenter_addresses_become_canonical)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);

	set_msr(vcpu, MSR_SYSENTER_ESP, 0x0000800000001234);
	CHECK_EQ(get_msr(vcpu, MSR_SYSENTER_ESP), 0xffff800000001234);
	set_msr(vcpu, MSR_SYSENTER_EIP, 0xabcd7fffffffffff);
	CHECK_EQ(get_msr(vcpu, MSR_SYSENTER_EIP), 0x00007fffffffffff);
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

static void guest_tsc(u64 arg)
{
	u32 lo, hi;

	for (int i = 0; i < 3; i++) {
		asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
		GUEST_SYNC_VALUE(1, lo | (u64)hi << 32);
	}
	wrmsr_try(MSR_TSC, 0x5000000000);
	GUEST_SYNC(2);
}

/* The counter goes on from what was set; a few seconds are 2^40 at most. */
SUBTEST(time_stamp_counter)
{
	struct vcpu *vcpu = new_vcpu(guest_tsc);
	u64 a, b;

	set_msr(vcpu, MSR_TSC, 0x123400000000000);
	a = vcpu_expect_sync(vcpu, 1);
	CHECK(a - 0x123400000000000 < BIT(40));
	b = get_msr(vcpu, MSR_TSC);
	CHECK(b - a < BIT(40));
	CHECK(vcpu_expect_sync(vcpu, 1) - b < BIT(40));
	/* Back; not to 0, by which KVM means "as the other vCPUs". */
	set_msr(vcpu, MSR_TSC, 0x1000);
	CHECK(vcpu_expect_sync(vcpu, 1) < BIT(40));
	vcpu_expect_sync(vcpu, 2);
	CHECK(get_msr(vcpu, MSR_TSC) - 0x5000000000 < BIT(40));
}

static void guest_tsc_adjust(u64 arg)
{
	u64 v = rdmsr_try(MSR_TSC_ADJUST);

	GUEST_ASSERT_EQ(guest_ex()->vector, NO_EXCEPTION);
	GUEST_SYNC_VALUE(1, v);
	wrmsr_try(MSR_TSC_ADJUST, v + BIT(44));
	GUEST_SYNC(2);
	wrmsr_try(MSR_TSC, 0);
	GUEST_SYNC(3);
}

/*
 * SDM volume 3, 18.17.3: a write of either changes the other, in the guest. User
 * space restores both, one after the other, so there each stands for itself.
 */
SUBTEST(tsc_adjust)
{
	struct vcpu *vcpu = new_vcpu(guest_tsc_adjust);
	u64 tsc;

	if (!cpuid_has(vcpu->vm, 7, 1, 1))
		SKIP("no TSC_ADJUST");
	set_msr(vcpu, MSR_TSC, 0);
	CHECK_EQ(get_msr(vcpu, MSR_TSC_ADJUST), 0);
	set_msr(vcpu, MSR_TSC_ADJUST, BIT(50));
	CHECK(get_msr(vcpu, MSR_TSC) < BIT(40));
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), BIT(50));
	vcpu_expect_sync(vcpu, 2);
	tsc = get_msr(vcpu, MSR_TSC);
	CHECK(tsc - BIT(44) < BIT(40));
	CHECK_EQ(get_msr(vcpu, MSR_TSC_ADJUST), BIT(50) + BIT(44));
	vcpu_expect_sync(vcpu, 3);
	CHECK(get_msr(vcpu, MSR_TSC) < BIT(40));
	CHECK(BIT(50) - get_msr(vcpu, MSR_TSC_ADJUST) < BIT(40));
}

/* ---- the host's own ------------------------------------------------------------- */

static u32 rdtscp_aux(void)
{
	u32 lo, hi, aux;

	asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	return aux;
}

/* With a guest's LSTAR or STAR no system call of this process would come back. */
SUBTEST(class24_msrs_of_the_caller)
{
	static const u32 address[] = { MSR_LSTAR, MSR_CSTAR, MSR_KERNEL_GS_BASE,
		MSR_FS_BASE, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP };
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	u64 fs, fs_after;
	u32 aux;

	pin_to_cpu(0);
	aux = rdtscp_aux();
	asm volatile("mov %%fs:0, %0" : "=r"(fs));
	for (u64 i = 0; i < ARRAY_SIZE(address); i++)
		set_msr(vcpu, address[i], 0x1234567000 + i);
	set_msr(vcpu, MSR_STAR, 0x1b00100000000000);
	set_msr(vcpu, MSR_FMASK, 0xffffffff);
	set_msr(vcpu, MSR_TSC_AUX, 0x4242);
	CHECK_EQ(rdtscp_aux(), aux);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(rdtscp_aux(), aux);
	set_msr(vcpu, MSR_TSC_AUX, 0x4343);	/* while its MSRs may be loaded */
	set_msr(vcpu, MSR_LSTAR, 0x7654321000);
	CHECK_EQ(rdtscp_aux(), aux);
	vcpu_expect_done(vcpu);
	CHECK_EQ(rdtscp_aux(), aux);
	CHECK_EQ(get_msr(vcpu, MSR_TSC_AUX), 0x4343);
	CHECK_EQ(get_msr(vcpu, MSR_LSTAR), 0x7654321000);
	asm volatile("mov %%fs:0, %0" : "=r"(fs_after));
	CHECK_EQ(fs_after, fs);
}

/* ---- all there could be ---------------------------------------------------- */

static bool kernel_address(u64 v)
{
	return v >> 47 == 0x1ffff && v != ~0ull;
}

/* Every number a bitmap has: an answer or a refusal, never the host's value. */
SUBTEST(class36_every_msr_read_by_user_space)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);
	u64 v;

	for (u32 i = 0; i < 0x4000; i++) {
		u32 index = i & 0x1fff, msr = i & 0x2000 ? 0xc0000000 | index : index;
		int ret = get_msr_raw(vcpu->fd, msr, &v);

		test_doing("MSR %#x", msr);
		CHECK(ret == 0 || ret == 1);
		if (ret && kernel_address(v))
			FAIL("an address of the kernel: %#llx", (unsigned long long)v);
	}
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

/* The guest needs these as they are. */
static bool needed_by_guest(u32 msr)
{
	return msr == MSR_EFER || msr == MSR_GS_BASE;
}

SUBTEST(class36_every_msr_written_by_user_space)
{
	static const u64 patterns[] = { ~0ull, 1, 0x7fff12345678, 0 };
	struct vcpu *vcpu = new_vcpu(guest_nothing);

	for (u32 i = 0; i < 0x4000; i++) {
		u32 index = i & 0x1fff, msr = i & 0x2000 ? 0xc0000000 | index : index;

		for (u64 p = 0; p < ARRAY_SIZE(patterns) && !needed_by_guest(msr); p++) {
			int ret = set_msr_raw(vcpu, msr, patterns[p]);

			test_doing("MSR %#x", msr);
			CHECK(ret == 0 || ret == 1);
		}
	}
	test_doing("the guest after it");
	vcpu_expect_sync(vcpu, 1);
	vcpu_expect_done(vcpu);
}

/* What one call leaves in its entries is not what the kernel had there before. */
SUBTEST(class28_msr_entries)
{
	struct vcpu *vcpu = new_vcpu(guest_nothing);

	for (int round = 0; round < 2; round++) {
		memset(&m, round ? 0xa5 : 0x5a, sizeof(m));
		for (u32 i = 0; i < 8; i++)
			m.entry[i].index = i < 4 ? plain[i] : 0xdead0000 + i;
		CHECK_EQ(msrs_call(vcpu->fd, KVM_GET_MSRS, 8), 4);
		for (u32 i = 0; i < 4; i++)
			CHECK_EQ(m.entry[i].data, 0);
		for (u32 i = 5; i < MSRS_MAX; i++)	/* 4 failed, 5 is not reached */
			CHECK_EQ(m.entry[i].data, round ? 0xa5a5a5a5a5a5a5a5 :
				 0x5a5a5a5a5a5a5a5a);
	}
}
