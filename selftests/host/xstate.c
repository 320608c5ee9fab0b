// SPDX-License-Identifier: GPL-2.0
/*
 * xstate - x87, SSE, AVX, AVX-512 and PKRU of a vCPU by GET/SET_FPU, GET/SET_XSAVE,
 * GET_XSAVE2 and GET/SET_XCRS: the guest sees what was set, user space sees what
 * the guest loaded, and images that XRSTOR would refuse are refused. Formats are
 * those of SDM volume 1, chapter 13.
 */
#include <sys/syscall.h>

#include "selftest.h"
#include "state.h"

#define AREA		4096		/* more than any image of these tests */
#define MXCSR		24		/* offsets in an image */
#define ST0		32
#define XMM0		160
#define XSTATE_BV	512
#define XCOMP_BV	520
#define HEADER_END	576

enum {
	X87 = 1, SSE = 2, AVX = 4, AVX512 = 0xe0, PKRU = BIT(9),
	X87_BYTES = 24, ST_BYTES = 128, XMM_BYTES = 256
};

static u8 area[AREA] __aligned(64);	/* what the guest stores and loads */
static u64 xcr0_seen, value;

static u64 *header(u8 *image, int offset)
{
	return (u64 *)(image + offset);
}

/* All state components that a guest of this CPU may have. */
static u64 supported(struct vm *vm)
{
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, 0);

	if (!e || !(e->eax & SSE))
		SKIP("no XSAVE");
	return e->eax | (u64)e->edx << 32;
}

static void fill_random(u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = test_rand() >> 16;
}

/* An image with random but loadable contents for each component of @mask. */
static void random_image(struct vm *vm, u8 *image, u64 mask)
{
	memset(image, 0, AREA);
	*header(image, XSTATE_BV) = mask;
	*(u16 *)image = 0x37f;		/* FCW */
	image[4] = 0xff;		/* no register empty */
	for (int i = 0; i < 8; i++) {
		u8 *st = image + ST0 + 16 * i;

		fill_random(st, 8);
		st[7] |= 0x80;		/* normal numbers: an integer bit, */
		st[8] = test_rand();	/* an exponent that is not the largest */
		st[9] = 0x3f;
	}
	*(u32 *)(image + MXCSR) = 0x1f80 | (test_rand() & 3) << 13;
	fill_random(image + XMM0, XMM_BYTES);
	for (int i = 2; i < 63; i++) {
		struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, i);

		if (!(mask >> i & 1))
			continue;
		CHECK(e && e->ebx + e->eax <= AREA);
		if (BIT(i) == PKRU)	/* keys 1 to 15: the guest uses key 0 */
			*(u32 *)(image + e->ebx) = test_rand() & ~3u;
		else
			fill_random(image + e->ebx, e->eax);
	}
}

static void check_bytes(const char *what, const u8 *got, const u8 *want, int from,
			int n)
{
	for (int i = from; i < from + n; i++)
		if (got[i] != want[i])
			FAIL("%s: byte %d of the image: expected %#x, got %#x", what, i,
			     want[i], got[i]);
}

/* Compares what is in @mask of two images. */
static void check_images(struct vm *vm, const u8 *got, const u8 *want, u64 mask)
{
	CHECK_EQ(*header((u8 *)got, XSTATE_BV) & mask,
		 *header((u8 *)want, XSTATE_BV) & mask);
	CHECK_EQ(*header((u8 *)got, XCOMP_BV), 0);
	if (mask & X87) {
		check_bytes("x87", got, want, 0, X87_BYTES);
		check_bytes("ST", got, want, ST0, ST_BYTES);
	}
	if (mask & SSE) {
		check_bytes("MXCSR", got, want, MXCSR, 4);
		check_bytes("XMM", got, want, XMM0, XMM_BYTES);
	}
	for (int i = 2; i < 63; i++) {
		struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, i);

		test_doing("component %d", i);
		if (mask >> i & 1)
			check_bytes("component", got, want, e->ebx, e->eax);
	}
}

static int set_xsave(struct vcpu *vcpu, const u8 *image)
{
	return xioctl(vcpu->fd, KVM_SET_XSAVE, (uintptr_t)image);
}

static void get_xsave(struct vcpu *vcpu, u8 *image)
{
	memset(image, 0x5a, AREA);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE, (uintptr_t)image), 0);
}

/* A guest in long mode that may use all of @xcr0. */
static struct vcpu *vcpu_with(struct vm *vm, void (*fn)(u64 arg), u64 xcr0)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs s;

	vcpu_long_mode(vcpu, fn, xcr0);
	get_sregs(vcpu, &s);
	s.cr4 |= X86_CR4_OSXSAVE;
	if (xcr0 & PKRU)
		s.cr4 |= X86_CR4_PKE;
	set_sregs(vcpu, &s);
	CHECK_EQ(set_xcr0(vcpu, xcr0), 0);
	return vcpu;
}

static inline void xsave(u8 *p)
{
	asm volatile("xsave64 (%0)" : : "r"(p), "a"(-1), "d"(-1) : "memory");
}

static inline void xrstor(const u8 *p)
{
	asm volatile("xrstor64 (%0)" : : "r"(p), "a"(-1), "d"(-1) : "memory");
}

static void guest_store(u64 arg)
{
	xsave(area);
	GUEST_SYNC(1);
	xsave(area);
	GUEST_DONE();
}

static void guest_load(u64 arg)
{
	xrstor(area);
	GUEST_SYNC(1);
	GUEST_DONE();
}

/* ---- whole images ---------------------------------------------------- */

SUBTEST(xsave_guest_sees_what_was_set)
{
	static u8 image[AREA], got[AREA] __aligned(64);
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_store, mask);

	random_image(vm, image, mask);
	CHECK_EQ(set_xsave(vcpu, image), 0);
	get_xsave(vcpu, got);
	check_images(vm, got, image, mask);
	vcpu_expect_sync(vcpu, 1);
	check_images(vm, guest_var(vm, area), image, mask);
	/* Once more, between two runs. */
	random_image(vm, image, mask);
	CHECK_EQ(set_xsave(vcpu, image), 0);
	vcpu_expect_done(vcpu);
	check_images(vm, guest_var(vm, area), image, mask);
}

SUBTEST(xsave_user_sees_what_the_guest_loaded)
{
	static u8 image[AREA], got[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_load, mask);

	random_image(vm, image, mask);
	memcpy(guest_var(vm, area), image, AREA);
	vcpu_expect_sync(vcpu, 1);
	get_xsave(vcpu, got);
	check_images(vm, got, image, mask);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE2, (uintptr_t)got), 0);
	check_images(vm, got, image, mask);
}

static u8 fx[512] __aligned(16);

static void guest_fxsave(u64 arg)
{
	asm volatile("fxsave64 %0" : "=m"(fx));
	GUEST_SYNC(1);
	asm volatile("fxsave64 %0" : "=m"(fx));
	GUEST_DONE();
}

SUBTEST(xsave_all_initial)
{
	static u8 image[AREA], zeros[ST_BYTES + XMM_BYTES];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_fxsave, mask);

	random_image(vm, image, mask);
	CHECK_EQ(set_xsave(vcpu, image), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK(!memcmp(guest_var(vm, fx) + XMM0, image + XMM0, XMM_BYTES));
	*header(image, XSTATE_BV) = 0;
	CHECK_EQ(set_xsave(vcpu, image), 0);
	vcpu_expect_done(vcpu);
	CHECK_EQ(*(u16 *)guest_var(vm, fx), 0x37f);
	CHECK_EQ(guest_var(vm, fx)[4], 0);
	CHECK_EQ(*(u32 *)(guest_var(vm, fx) + MXCSR), 0x1f80);
	CHECK(!memcmp(guest_var(vm, fx) + ST0, zeros, ST_BYTES));
	CHECK(!memcmp(guest_var(vm, fx) + XMM0, zeros, XMM_BYTES));
}

/* What a new vCPU has: the state after INIT, as FNINIT leaves it. */
SUBTEST(xsave_of_a_new_vcpu)
{
	static u8 got[AREA], zeros[ST_BYTES + XMM_BYTES];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	get_xsave(vcpu, got);
	CHECK_EQ(*header(got, XSTATE_BV) & ~mask, 0);
	CHECK_EQ(*(u16 *)got, 0x37f);
	CHECK_EQ(got[4], 0);
	CHECK_EQ(*(u32 *)(got + MXCSR), 0x1f80);
	CHECK(!memcmp(got + ST0, zeros, ST_BYTES));
	CHECK(!memcmp(got + XMM0, zeros, XMM_BYTES));
	for (int i = XSTATE_BV + 8; i < HEADER_END; i++)
		CHECK_EQ(got[i], 0);
	vcpu_long_mode(vcpu, guest_fxsave, 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(*(u16 *)guest_var(vm, fx), 0x37f);
	CHECK_EQ(*(u32 *)(guest_var(vm, fx) + MXCSR), 0x1f80);
}

/* A buffer that ends at @n bytes before unmapped memory. */
static u8 *before_a_hole(size_t n)
{
	size_t size = 4 * PAGE_SIZE;
	u8 *p = mmap(NULL, size + PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(n <= size);
	CHECK_EQ(munmap(p + size, PAGE_SIZE), 0);
	return p + size - n;
}

SUBTEST(class29_xsave_sizes)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 0xd, 0);
	int size = check_cap(vm, KVM_CAP_XSAVE2);

	CHECK(size >= (int)sizeof(struct kvm_xsave));
	CHECK(e && size >= (int)e->ecx);
	CHECK_EQ(xioctl(vm->dev_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2), size);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE, (uintptr_t)before_a_hole(4096)), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE, (uintptr_t)before_a_hole(4095)), -EFAULT);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE2, (uintptr_t)before_a_hole(size)), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XSAVE2, (uintptr_t)before_a_hole(size - 1)),
		 -EFAULT);
	/* SET takes as much as GET_XSAVE2 gives: all zero is a good image. */
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XSAVE, (uintptr_t)before_a_hole(size)), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XSAVE, (uintptr_t)before_a_hole(size - 1)),
		 -EFAULT);
}

struct bad_image {
	const char *what;
	int offset;
	u64 flip;
};

static const struct bad_image bad_images[] = {
	{ "XSTATE_BV bit 63", XSTATE_BV, BIT(63) },
	{ "XSTATE_BV bit 62", XSTATE_BV, BIT(62) },
	{ "XSTATE_BV: processor trace", XSTATE_BV, BIT(8) },
	{ "XSTATE_BV: CET", XSTATE_BV, BIT(11) },
	{ "XSTATE_BV bit 20", XSTATE_BV, BIT(20) },
	{ "compacted", XCOMP_BV, BIT(63) },
	{ "compacted, with components", XCOMP_BV, BIT(63) | X87 | SSE },
	{ "XCOMP_BV bit 0", XCOMP_BV, 1 },
	{ "reserved header, first byte", XCOMP_BV + 8, 1 },
	{ "reserved header, last byte", HEADER_END - 8, BIT(63) },
	{ "MXCSR bit 16", MXCSR, BIT(16) },
	{ "MXCSR bit 31", MXCSR, BIT(31) },
};

/* XRSTOR in the host would fault on these: SDM volume 1, 13.8.1. */
SUBTEST(class24_images_that_cannot_be_loaded)
{
	static u8 good[AREA], bad[AREA], got[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_store, mask);

	random_image(vm, good, mask);
	CHECK_EQ(set_xsave(vcpu, good), 0);
	for (u64 i = 0; i < ARRAY_SIZE(bad_images); i++) {
		test_doing("%s", bad_images[i].what);
		random_image(vm, bad, mask);
		*header(bad, bad_images[i].offset) ^= bad_images[i].flip;
		CHECK_EQ(set_xsave(vcpu, bad), -EINVAL);
		get_xsave(vcpu, got);
		check_images(vm, got, good, mask);
	}
	for (int bit = 0; bit < 64; bit++) {	/* each component of no such CPU */
		test_doing("component %d", bit);
		random_image(vm, bad, mask);
		*header(bad, XSTATE_BV) |= BIT(bit);
		CHECK_EQ(set_xsave(vcpu, bad), mask >> bit & 1 ? 0 : -EINVAL);
	}
	CHECK_EQ(set_xsave(vcpu, good), 0);
	vcpu_expect_sync(vcpu, 1);
	check_images(vm, guest_var(vm, area), good, mask);
}

/* MXCSR is part of x87 or SSE state here: without those nobody looks at it. */
SUBTEST(xsave_mxcsr_of_an_absent_component)
{
	static u8 image[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_fxsave, mask);
	static const u64 with[] = { X87, SSE, AVX };

	for (u64 i = 0; i < ARRAY_SIZE(with); i++) {
		test_doing("component %#llx", (unsigned long long)with[i]);
		if (!(mask & with[i]))
			continue;
		random_image(vm, image, with[i]);
		*(u32 *)(image + MXCSR) = ~0u;
		CHECK_EQ(set_xsave(vcpu, image), -EINVAL);
	}
	random_image(vm, image, 0);
	*(u32 *)(image + MXCSR) = ~0u;
	CHECK_EQ(set_xsave(vcpu, image), 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(*(u32 *)(guest_var(vm, fx) + MXCSR), 0x1f80);
}

/* What CPUID does not tell the guest can be set, but is not read back. */
SUBTEST(xsave_without_avx_in_cpuid)
{
	static u8 image[AREA], got[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu;

	if (!(mask & AVX))
		SKIP("no AVX");
	random_image(vm, image, mask);
	cpuid_leaf(vm->cpuid, 0xd, 0)->eax = X87 | SSE;
	vcpu = vcpu_create(vm, 0);
	vcpu_long_mode(vcpu, guest_fxsave, 0);
	CHECK_EQ(set_xsave(vcpu, image), 0);
	get_xsave(vcpu, got);
	CHECK_EQ(*header(got, XSTATE_BV) & ~(X87 | SSE), 0);
	CHECK(!memcmp(got + XMM0, image + XMM0, XMM_BYTES));
	CHECK_EQ(set_xcr0(vcpu, X87 | SSE | AVX), -EINVAL);
	vcpu_expect_sync(vcpu, 1);
	CHECK(!memcmp(guest_var(vm, fx) + XMM0, image + XMM0, XMM_BYTES));
}

SUBTEST(class28_xsave_has_no_stale_bytes)
{
	static u8 image[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_store, mask);
	int size = check_cap(vm, KVM_CAP_XSAVE2);

	for (int i = 0; i < 3; i++) {	/* new; after a run; all components set */
		test_doing("round %d", i);
		check_get_writes_all(vcpu->fd, KVM_GET_XSAVE, sizeof(struct kvm_xsave));
		check_get_writes_all(vcpu->fd, KVM_GET_XSAVE2, size);
		check_get_writes_all(vcpu->fd, KVM_GET_FPU, sizeof(struct kvm_fpu));
		check_get_writes_all(vcpu->fd, KVM_GET_XCRS, sizeof(struct kvm_xcrs));
		if (i == 0)
			vcpu_expect_sync(vcpu, 1);
		random_image(vm, image, mask);
		if (i == 1)
			CHECK_EQ(set_xsave(vcpu, image), 0);
	}
}

/* ---- the host's own registers ------------------------------------------ */

static long raw_ioctl(int fd, unsigned long cmd, const void *p)
{
	long ret = SYS_ioctl;

	asm volatile("syscall" : "+a"(ret) : "D"(fd), "S"(cmd), "d"(p)
		     : "rcx", "r11", "memory");
	return ret;
}

/* Nothing between the two touches vector registers: the file has no such code. */
static void check_own_registers(struct vm *vm, int fd, unsigned long cmd,
				const void *p, long want)
{
	static u8 mine[AREA] __aligned(64), after[AREA] __aligned(64);
	u64 mask = supported(vm) & ~PKRU;
	long ret;

	random_image(vm, mine, mask);
	xrstor(mine);
	ret = raw_ioctl(fd, cmd, p);
	xsave(after);
	CHECK_EQ(ret, want);
	check_images(vm, after, mine, mask);
}

static bool host_has(u64 mask)
{
	u32 a, c = 0, d, b;

	asm volatile("cpuid" : "=a"(a), "=b"(b), "+c"(c), "=d"(d) : "a"(1));
	if (!(c >> 27 & 1))		/* OSXSAVE */
		return false;
	asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return !(mask & ~(a | (u64)d << 32));
}

SUBTEST(class24_registers_of_the_caller)
{
	static u8 image[AREA], got[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_load, mask);
	struct kvm_fpu fpu;

	if (!host_has(mask))
		SKIP("the host does not use all that it offers");
	random_image(vm, image, mask);
	memcpy(guest_var(vm, area), image, AREA);
	check_own_registers(vm, vcpu->fd, KVM_SET_XSAVE, image, 0);
	check_own_registers(vm, vcpu->fd, KVM_RUN, NULL, 0);
	check_own_registers(vm, vcpu->fd, KVM_GET_XSAVE, got, 0);
	check_images(vm, got, image, mask);
	check_own_registers(vm, vcpu->fd, KVM_GET_FPU, &fpu, 0);
	check_own_registers(vm, vcpu->fd, KVM_SET_FPU, &fpu, 0);
	*header(image, XSTATE_BV) = BIT(63);
	check_own_registers(vm, vcpu->fd, KVM_SET_XSAVE, image, -EINVAL);
	get_xsave(vcpu, got);
}

/* ---- KVM_GET_FPU, KVM_SET_FPU ------------------------------------------ */

static void guest_use_fpu(u64 arg)
{
	static const u16 fcw = 0x27f;

	asm volatile("fninit\n fldpi\n fldl2e\n fldcw %0\n" : : "m"(fcw));
	asm volatile("fxrstor64 %0" : : "m"(fx));
	GUEST_SYNC(1);
	asm volatile("fxsave64 %0" : "=m"(fx));
	GUEST_DONE();
}

static void check_fpu(const struct kvm_fpu *fpu, const u8 *image)
{
	CHECK(!memcmp(fpu->fpr, image + ST0, ST_BYTES));
	CHECK(!memcmp(fpu->xmm, image + XMM0, XMM_BYTES));
	CHECK_EQ(fpu->fcw, *(u16 *)image);
	CHECK_EQ(fpu->fsw, *(u16 *)(image + 2));
	CHECK_EQ(fpu->ftwx, image[4]);
}

SUBTEST(fpu_both_ways)
{
	static u8 image[AREA];
	struct vm *vm = vm_create();
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_fpu fpu, again;

	random_image(vm, image, X87 | SSE);
	memcpy(guest_var(vm, fx), image, sizeof(fx));
	vcpu_long_mode(vcpu, guest_use_fpu, 0);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_FPU, (uintptr_t)&fpu), 0);
	check_fpu(&fpu, image);

	random_image(vm, image, X87 | SSE);
	memcpy(fpu.fpr, image + ST0, ST_BYTES);
	memcpy(fpu.xmm, image + XMM0, XMM_BYTES);
	fpu.fcw = 0xf7f;
	fpu.fsw = 0x4500;
	fpu.ftwx = 0x7f;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_FPU, (uintptr_t)&fpu), 0);
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_FPU, (uintptr_t)&again), 0);
	CHECK(!memcmp(&fpu, &again, offsetof(struct kvm_fpu, mxcsr)));
	vcpu_expect_done(vcpu);
	check_fpu(&again, guest_var(vm, fx));
}

/* ---- XCR0 ---------------------------------------------------------------- */

static void guest_xcr0(u64 arg)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	xcr0_seen = lo | (u64)hi << 32;
	GUEST_SYNC(1);
	asm volatile("xsetbv" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(0));
	GUEST_SYNC(2);
	GUEST_DONE();
}

static u64 get_xcr0(struct vcpu *vcpu)
{
	struct kvm_xcrs x;

	memset(&x, 0x5a, sizeof(x));
	CHECK_EQ(xioctl(vcpu->fd, KVM_GET_XCRS, (uintptr_t)&x), 0);
	CHECK_EQ(x.nr_xcrs, 1);
	CHECK_EQ(x.flags, 0);
	CHECK_EQ(x.xcrs[0].xcr, 0);
	CHECK_EQ(x.xcrs[0].reserved, 0);
	return x.xcrs[0].value;
}

SUBTEST(xcr0_both_ways)
{
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu;

	guest_var(vm, value) = X87 | SSE;
	vcpu = vcpu_with(vm, guest_xcr0, mask);
	CHECK_EQ(get_xcr0(vcpu), mask);
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vm, xcr0_seen), mask);
	vcpu_expect_sync(vcpu, 2);
	CHECK_EQ(get_xcr0(vcpu), X87 | SSE);
	vcpu_expect_done(vcpu);
}

/* A component may hold state that XCR0 does not enable at the moment. */
SUBTEST(xcr0_hides_but_keeps_a_component)
{
	static u8 image[AREA], got[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu = vcpu_with(vm, guest_fxsave, X87 | SSE);

	random_image(vm, image, mask);
	CHECK_EQ(set_xsave(vcpu, image), 0);
	vcpu_expect_sync(vcpu, 1);
	get_xsave(vcpu, got);
	check_images(vm, got, image, mask & ~PKRU);
}

static bool xcr0_is_good(u64 v, u64 mask)
{
	return (v & X87) && !(v & ~mask) && (!(v & AVX) || (v & SSE)) &&
	       (!(v & AVX512) || ((v & AVX512) == AVX512 && (v & AVX)));
}

/* SDM volume 1, 13.3; with such an XCR0 the host's XSETBV would fault. */
SUBTEST(class24_illegal_xcr0)
{
	struct vm *vm = vm_create();
	u64 mask = supported(vm), now = X87;
	struct vcpu *vcpu = vcpu_with(vm, guest_xcr0, X87);

	for (u64 v = 0; v < 0x400; v++) {
		test_doing("XCR0 %#llx", (unsigned long long)v);
		if (v & 0x18)
			continue;	/* MPX: both or none, where it is at all */
		CHECK_EQ(set_xcr0(vcpu, v), xcr0_is_good(v, mask) ? 0 : -EINVAL);
		if (xcr0_is_good(v, mask))
			now = v;
		CHECK_EQ(get_xcr0(vcpu), now);
	}
	for (int bit = 10; bit < 64; bit++) {
		test_doing("XCR0 bit %d", bit);
		if (!(mask >> bit & 1))
			CHECK_EQ(set_xcr0(vcpu, BIT(bit) | X87), -EINVAL);
	}
	vcpu_expect_sync(vcpu, 1);
	CHECK_EQ(guest_var(vm, xcr0_seen), now);
}

SUBTEST(class29_counts_of_xcrs)
{
	struct kvm_xcrs x = { 0 };
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	supported(vm);
	vcpu = vcpu_with(vm, guest_xcr0, X87 | SSE);
	x.xcrs[0].value = X87;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), 0);	/* none */
	CHECK_EQ(get_xcr0(vcpu), X87 | SSE);
	x.nr_xcrs = 1;
	x.xcrs[0].xcr = 1;		/* not XCR0: passed over */
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), 0);
	CHECK_EQ(get_xcr0(vcpu), X87 | SSE);
	for (int i = 0; i < 16; i++)
		x.xcrs[i] = (struct kvm_xcr){ .xcr = i < 15, .value = X87 };
	x.nr_xcrs = 16;			/* all there is room for: the last counts */
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), 0);
	CHECK_EQ(get_xcr0(vcpu), X87);
	x.nr_xcrs = 17;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), -EINVAL);
	x.nr_xcrs = 0x80000000;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), -EINVAL);
	x.nr_xcrs = ~0u;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), -EINVAL);
	x.nr_xcrs = 1;
	x.flags = 1;
	CHECK_EQ(xioctl(vcpu->fd, KVM_SET_XCRS, (uintptr_t)&x), -EINVAL);
}

/* ---- PKRU ---------------------------------------------------------------- */

static void guest_pkru(u64 arg)
{
	u32 v, d;

	asm volatile("rdpkru" : "=a"(v), "=d"(d) : "c"(0));
	GUEST_SYNC_VALUE(1, v);
	asm volatile("wrpkru" : : "a"(0x55555554), "d"(0), "c"(0));
	GUEST_SYNC(2);
	asm volatile("rdpkru" : "=a"(v), "=d"(d) : "c"(0));
	GUEST_SYNC_VALUE(3, v);
}

SUBTEST(pkru_both_ways)
{
	static u8 image[AREA];
	struct vm *vm = vm_create();
	u64 mask = supported(vm);
	struct vcpu *vcpu;
	u32 *pkru;

	if (!(mask & PKRU))
		SKIP("no protection keys");
	vcpu = vcpu_with(vm, guest_pkru, mask);
	pkru = (u32 *)(image + cpuid_leaf(vm->cpuid, 0xd, 9)->ebx);
	random_image(vm, image, mask);
	*pkru = 0xaaaaaaa8;
	CHECK_EQ(set_xsave(vcpu, image), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0xaaaaaaa8);
	vcpu_expect_sync(vcpu, 2);
	get_xsave(vcpu, image);
	CHECK_EQ(*pkru, 0x55555554);
	/* KVM's rule: an image without PKRU leaves it, unlike all else. */
	*header(image, XSTATE_BV) = 0;
	CHECK_EQ(set_xsave(vcpu, image), 0);
	CHECK_EQ(vcpu_expect_sync(vcpu, 3), 0x55555554);
}
