// SPDX-License-Identifier: GPL-2.0
/*
 * cpuidapi - CPUID by KVM_GET_CPUID2 and KVM_GET_EMULATED_CPUID, and the bits of
 * it that follow the registers of the guest: OSXSAVE, the sizes of XSAVE areas,
 * APIC, MONITOR. KVM_SET_CPUID2 itself is tested by ioctls.c.
 */
#include "selftest.h"
#include "state.h"

enum { EAX, EBX, ECX, EDX };

#define ENTRIES		300		/* more than there ever are */

static u32 ask[2], answer[4];

static struct kvm_cpuid2 *new_cpuid(u32 nent, int poison)
{
	size_t size = sizeof(struct kvm_cpuid2) +
		      ENTRIES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *c = malloc(size);

	memset(c, poison, size);
	c->nent = nent;
	return c;
}

static int get_cpuid2(struct vcpu *vcpu, struct kvm_cpuid2 *c)
{
	return xioctl(vcpu->fd, KVM_GET_CPUID2, (uintptr_t)c);
}

/* Entries from @n on still have the poison. */
static void check_untouched(const struct kvm_cpuid2 *c, u32 n, u8 poison)
{
	const u8 *p = (const u8 *)&c->entries[n], *end = (const u8 *)&c->entries[ENTRIES];

	for (; p < end; p++)
		CHECK_EQ(*p, poison);
}

/* ---- KVM_GET_CPUID2 ---------------------------------------------------------- */

SUBTEST(class29_get_cpuid2_counts)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u32 n = vm->cpuid->nent;
	u32 counts[] = { 0, 1, n - 1, n, n + 1, 256, 257, 0x7fffffff, 0x80000000, ~0u };

	for (u64 i = 0; i < ARRAY_SIZE(counts); i++) {
		struct kvm_cpuid2 *c = new_cpuid(counts[i], 0x5a);
		bool fits = counts[i] >= n;

		test_doing("room for %u of %u", counts[i], n);
		CHECK_EQ(get_cpuid2(vcpu, c), fits ? 0 : -E2BIG);
		check_untouched(c, fits ? n : 0, 0x5a);
		/* KVM of 6.1 forgets to say how many there are. */
		if (fits && !device_is_kvm())
			CHECK_EQ(c->nent, n);
		free(c);
	}
}

SUBTEST(get_cpuid2_is_what_was_set)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_cpuid2 *c = new_cpuid(ENTRIES, 0x5a);

	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	for (u32 i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 want = vm->cpuid->entries[i], *got = &c->entries[i];

		test_doing("entry %u: function %#x, index %u", i, want.function, want.index);
		CHECK_EQ(got->function, want.function);
		CHECK_EQ(got->index, want.index);
		CHECK_EQ(got->flags, want.flags);
		/* These have bits that follow the registers, see below. */
		if (want.function == 1 || want.function == 7 || want.function == 0xd)
			continue;
		CHECK(!memcmp(got, &want, sizeof(want)));
	}
}

SUBTEST(class28_get_cpuid2_of_a_bare_vcpu)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *c = new_cpuid(0, 0x5a);

	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	check_untouched(c, 0, 0x5a);
	c->nent = ENTRIES;
	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	check_untouched(c, 0, 0x5a);
}

SUBTEST(class29_get_cpuid2_pointers)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u8 *p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_cpuid2 *c = (struct kvm_cpuid2 *)(p + PAGE_SIZE) - 1;

	CHECK((void *)p != MAP_FAILED);
	CHECK_EQ(munmap(p + PAGE_SIZE, PAGE_SIZE), 0);
	c->nent = 0;
	CHECK_EQ(get_cpuid2(vcpu, c), -E2BIG);
	c->nent = ENTRIES;
	CHECK_EQ(get_cpuid2(vcpu, c), -EFAULT);
	CHECK_EQ(get_cpuid2(vcpu, c + 1), -EFAULT);
}

/* Linear addresses have 48 or 57 bits; 0 leaves it open. */
SUBTEST(set_cpuid2_width_of_addresses)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0x80000008, 0);
	u32 eax = e->eax;

	for (int bits = 0; bits < 256; bits++) {
		bool ok = !bits || bits == 48 || bits == 57;

		test_doing("%d bits", bits);
		e->eax = (eax & ~0xff00u) | bits << 8;
		CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)vm->cpuid),
			 ok ? 0 : -EINVAL);
	}
}

/* The call before KVM_SET_CPUID2: nobody has used it for many years. */
SUBTEST(set_cpuid_of_old)
{
	struct vm *vm = vm_create_bare();
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid c = { 0 };

	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID, (uintptr_t)&c),
		 device_is_kvm() ? 0 : -ENOTTY);
}

/* ---- KVM_GET_EMULATED_CPUID ------------------------------------------------------ */

static int get_emulated(struct vm *vm, struct kvm_cpuid2 *c)
{
	return xioctl(vm->dev_fd, KVM_GET_EMULATED_CPUID, (uintptr_t)c);
}

/* CVE-2019-19332: with no or little room the kernel wrote past its own array. */
SUBTEST(class29_get_emulated_cpuid_counts)
{
	static const u32 many[] = { 255, 256, 257, 0x7fffffff, 0x80000000, ~0u };
	struct vm *vm = vm_create_bare();
	bool fits = false;
	u32 found = 0;

	CHECK(check_cap(vm, KVM_CAP_EXT_EMUL_CPUID) > 0);
	for (u32 n = 0; n < 32; n++) {
		struct kvm_cpuid2 *c = new_cpuid(n, 0);
		int ret = get_emulated(vm, c);

		test_doing("room for %u", n);
		CHECK_EQ(ret, fits || !ret ? 0 : -E2BIG);
		CHECK(n || ret == -E2BIG);
		if (ret) {
			CHECK_EQ(c->nent, n);
			check_untouched(c, 0, 0);
			continue;
		}
		CHECK(c->nent <= n && (!fits || c->nent == found));
		fits = true;
		found = c->nent;
		check_untouched(c, found, 0);
		free(c);
	}
	CHECK(fits);
	for (u64 i = 0; i < ARRAY_SIZE(many); i++) {
		struct kvm_cpuid2 *c = new_cpuid(many[i], 0);

		test_doing("room for %u", many[i]);
		CHECK_EQ(get_emulated(vm, c), 0);
		CHECK_EQ(c->nent, found);
		free(c);
	}
}

/* What the emulator has although the CPU may not: KVM's has MOVBE, lodge's nothing. */
SUBTEST(emulated_cpuid_entries)
{
	struct vm *vm = vm_create_bare();
	struct kvm_cpuid2 *c = new_cpuid(64, 0);
	struct kvm_cpuid_entry2 *e;

	CHECK_EQ(get_emulated(vm, c), 0);
	if (!device_is_kvm()) {
		CHECK_EQ(c->nent, 0);
		return;
	}
	CHECK(c->nent > 0);
	e = cpuid_leaf(c, 0, 0);
	CHECK(e);
	for (u32 i = 0; i < c->nent; i++) {
		test_doing("function %#x", c->entries[i].function);
		CHECK(c->entries[i].function <= e->eax);
		CHECK_EQ(c->entries[i].padding[0] | c->entries[i].padding[1] |
			 c->entries[i].padding[2], 0);
	}
	e = cpuid_leaf(c, 1, 0);
	CHECK(e && (e->ecx >> 22 & 1));
}

/* The padding is reserved: it has to be zero in each entry there is room for. */
SUBTEST(class29_emulated_cpuid_padding)
{
	struct vm *vm = vm_create_bare();

	if (!device_is_kvm())
		SKIP("where no entry is given, none is looked at");
	for (int i = 0; i < 3; i++) {
		struct kvm_cpuid2 *c = new_cpuid(64, 0);

		test_doing("padding %d", i);
		c->entries[i * 31].padding[i] = 1;
		CHECK_EQ(get_emulated(vm, c), -EINVAL);
		c->entries[i * 31].padding[i] = 0;
		c->entries[64].padding[i] = 1;	/* the first that is not the call's */
		CHECK_EQ(get_emulated(vm, c), 0);
		free(c);
	}
}

/* ---- bits that follow registers ---------------------------------------------------- */

static void guest_cpuid(void)
{
	asm volatile("cpuid" : "=a"(answer[EAX]), "=b"(answer[EBX]), "=c"(answer[ECX]),
		     "=d"(answer[EDX]) : "a"(ask[0]), "c"(ask[1]));
}

/* What GET_CPUID2 has for it, and what the guest is told: they must agree. */
static u32 seen(struct vcpu *vcpu, u32 function, u32 index, int reg)
{
	struct kvm_cpuid2 *c = new_cpuid(ENTRIES, 0);
	struct kvm_cpuid_entry2 *e;
	u32 v;

	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	c->nent = vcpu->vm->cpuid->nent;
	e = cpuid_leaf(c, function, index);
	CHECK(e);
	v = (&e->eax)[reg];
	free(c);
	guest_var(vcpu->vm, ask)[0] = function;
	guest_var(vcpu->vm, ask)[1] = index;
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vcpu->vm, answer)[reg], v);
	return v;
}

static void guest_asks(u64 arg)
{
	for (;;) {
		guest_cpuid();
		GUEST_SYNC(1);
	}
}

static struct vcpu *asking_vcpu(void)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vcpu_long_mode(vcpu, guest_asks, 0);
	return vcpu;
}

static void change_cr4(struct vcpu *vcpu, u64 bit, bool on)
{
	struct kvm_sregs s;

	get_sregs(vcpu, &s);
	s.cr4 = on ? s.cr4 | bit : s.cr4 & ~bit;
	set_sregs(vcpu, &s);
}

SUBTEST(osxsave_follows_set_sregs)
{
	struct vcpu *vcpu = asking_vcpu();

	if (!cpuid_has(vcpu->vm, 1, ECX, 26))
		SKIP("no XSAVE");
	for (int i = 0; i < 4; i++) {
		test_doing("round %d", i);
		change_cr4(vcpu, X86_CR4_OSXSAVE, i & 1);
		CHECK_EQ(seen(vcpu, 1, 0, ECX) >> 27 & 1, i & 1);
	}
}

SUBTEST(ospke_follows_set_sregs)
{
	struct vcpu *vcpu = asking_vcpu();

	if (!cpuid_has(vcpu->vm, 7, ECX, 3))
		SKIP("no protection keys");
	for (int i = 0; i < 4; i++) {
		change_cr4(vcpu, X86_CR4_PKE, i & 1);
		CHECK_EQ(seen(vcpu, 7, 0, ECX) >> 4 & 1, i & 1);
	}
}

static void guest_changes_itself(u64 arg)
{
	u64 cr4;

	ask[0] = 1;
	guest_cpuid();
	GUEST_ASSERT_EQ(answer[ECX] >> 27 & 1, 0);
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | X86_CR4_OSXSAVE));
	guest_cpuid();
	GUEST_ASSERT_EQ(answer[ECX] >> 27 & 1, 1);
	ask[0] = 0xd;
	asm volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
	guest_cpuid();
	GUEST_ASSERT_EQ(answer[EBX], 576);	/* legacy area and header */
	asm volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
	guest_cpuid();
	GUEST_ASSERT_EQ(answer[EBX], 832);	/* and the upper halves of YMM */
	GUEST_SYNC_VALUE(2, answer[EBX]);
	asm volatile("mov %0, %%cr4" : : "r"(cr4));
	ask[0] = 1;
	guest_cpuid();
	GUEST_ASSERT_EQ(answer[ECX] >> 27 & 1, 0);
	GUEST_DONE();
}

SUBTEST(bits_follow_what_the_guest_does)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_cpuid2 *c = new_cpuid(ENTRIES, 0);

	if (!cpuid_has(vm, 0xd, EAX, 2))
		SKIP("no AVX");
	vcpu_long_mode(vcpu, guest_changes_itself, 0);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	c->nent = vm->cpuid->nent;
	CHECK_EQ(cpuid_leaf(c, 0xd, 0)->ebx, 832);
	CHECK_EQ(cpuid_leaf(c, 1, 0)->ecx >> 27 & 1, 1);
	vcpu_expect_done(vcpu);
	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	CHECK_EQ(cpuid_leaf(c, 1, 0)->ecx >> 27 & 1, 0);
}

/* Of the standard format: up to the end of the last component. */
static u32 standard_size(struct vm *vm, u64 xcr0)
{
	u32 size = 576;

	for (int i = 2; i < 63; i++) {
		struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, i);

		if ((xcr0 >> i & 1) && e && e->ebx + e->eax > size)
			size = e->ebx + e->eax;
	}
	return size;
}

/* Of the compacted format: one after the other, aligned where CPUID says so. */
static u32 compacted_size(struct vm *vm, u64 xcr0)
{
	u32 size = 576;

	for (int i = 2; i < 63; i++) {
		struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, i);

		if (!(xcr0 >> i & 1) || !e)
			continue;
		if (e->ecx & 2)
			size = (size + 63) & ~63u;
		size += e->eax;
	}
	return size;
}

SUBTEST(xsave_sizes_follow_set_xcrs)
{
	static const u64 values[] = { 1, 3, 7, 0xe7, 3 };
	struct vcpu *vcpu = asking_vcpu();
	struct vm *vm = vcpu->vm;
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, 0);

	for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
		u64 v = values[i];

		test_doing("XCR0 %#llx", (unsigned long long)v);
		if (!e || v & ~(u64)e->eax)
			continue;
		CHECK_EQ(set_xcr0(vcpu, v), 0);
		CHECK_EQ(seen(vcpu, 0xd, 0, EBX), standard_size(vm, v));
		if (cpuid_leaf(vm->cpuid, 0xd, 1)->eax & 0xa)	/* XSAVEC, XSAVES */
			CHECK_EQ(seen(vcpu, 0xd, 1, EBX), compacted_size(vm, v));
	}
}

/* CPUID.1:EDX[9] is the enable bit of IA32_APIC_BASE (SDM volume 3, 11.4.3). */
SUBTEST(apic_bit_follows_apic_base)
{
	struct vcpu *vcpu = asking_vcpu();
	struct kvm_sregs s;
	u64 base;

	get_sregs(vcpu, &s);
	base = s.apic_base;
	for (int i = 0; i < 4; i++) {
		test_doing("round %d", i);
		get_sregs(vcpu, &s);
		s.apic_base = i & 1 ? base | BIT(11) : base & ~BIT(11);
		if (i < 2)
			set_sregs(vcpu, &s);
		else
			set_msr(vcpu, MSR_APIC_BASE, s.apic_base);
		CHECK_EQ(seen(vcpu, 1, 0, EDX) >> 9 & 1, i & 1);
	}
}

/* What the caller says of such bits is overruled, at the time of the SET already. */
SUBTEST(runtime_bits_are_not_the_callers)
{
	struct vm *vm = vm_create();
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 1, 0);
	struct kvm_cpuid2 *c = new_cpuid(ENTRIES, 0);
	struct vcpu *vcpu;

	e->ecx |= BIT(27);		/* OSXSAVE, and CR4 is 0 */
	e->edx &= ~BIT(9);		/* no APIC, and it is enabled */
	if (cpuid_leaf(vm->cpuid, 0xd, 0))
		cpuid_leaf(vm->cpuid, 0xd, 0)->ebx = 0x12345678;
	vcpu = vcpu_create(vm, 0);
	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	c->nent = vm->cpuid->nent;
	e = cpuid_leaf(c, 1, 0);
	CHECK_EQ(e->ecx >> 27 & 1, 0);
	CHECK_EQ(e->edx >> 9 & 1, 1);
	if (cpuid_leaf(c, 0xd, 0))
		CHECK_EQ(cpuid_leaf(c, 0xd, 0)->ebx, 576);
}

/* Once it has run, only the same CPUID is taken: those bits do not count. */
SUBTEST(runtime_bits_do_not_make_a_difference)
{
	struct vcpu *vcpu = asking_vcpu();
	struct kvm_cpuid2 *c = new_cpuid(ENTRIES, 0);

	if (!cpuid_has(vcpu->vm, 1, ECX, 26))
		SKIP("no XSAVE");
	vcpu_expect_sync(vcpu, 1);
	change_cr4(vcpu, X86_CR4_OSXSAVE, true);
	CHECK_EQ(set_xcr0(vcpu, 3), 0);
	CHECK_EQ(seen(vcpu, 1, 0, ECX) >> 27 & 1, 1);
	CHECK_EQ(get_cpuid2(vcpu, c), 0);
	c->nent = vcpu->vm->cpuid->nent;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)vcpu->vm->cpuid), 0);
	CHECK_EQ(seen(vcpu, 1, 0, ECX) >> 27 & 1, 1);
	cpuid_leaf(c, 1, 0)->ecx ^= BIT(23);	/* POPCNT is a difference */
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_CPUID2, (uintptr_t)c), -EINVAL);
}

/* Only without KVM's quirk, which leaves the bit as user space set it. */
SUBTEST(monitor_bit_follows_misc_enable)
{
	u64 mwait = BIT(18), v;
	struct vcpu *vcpu = asking_vcpu();
	int quirks = check_cap(vcpu->vm, KVM_CAP_DISABLE_QUIRKS2);
	u32 bit = seen(vcpu, 1, 0, ECX) >> 3 & 1;

	v = get_msr(vcpu, MSR_MISC_ENABLE);
	for (int i = 0; i < 2; i++) {
		set_msr(vcpu, MSR_MISC_ENABLE, v ^= mwait);
		CHECK_EQ(seen(vcpu, 1, 0, ECX) >> 3 & 1, bit);
	}
	if (!(quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		SKIP("the quirk cannot be switched off");
	CHECK_EQ(vm_enable_cap(vcpu->vm, KVM_CAP_DISABLE_QUIRKS2,
			       KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT), 0);
	for (int i = 0; i < 2; i++) {
		set_msr(vcpu, MSR_MISC_ENABLE, v ^= mwait);
		CHECK_EQ(seen(vcpu, 1, 0, ECX) >> 3 & 1, !!(v & mwait));
	}
}
