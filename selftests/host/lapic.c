// SPDX-License-Identifier: GPL-2.0
/*
 * lapic - the registers of the local APIC in the kernel, by MMIO and by MSR: what they
 * are after RESET, what of them can be written, by accesses of which size. The modes
 * are in lapicmode.c, interrupts in lapicirq.c.
 */
#include "lapic.h"
#include "state.h"

#define BASE_RESET	(APIC_DEFAULT_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP)
#define LVT_FIXED	0x100ff		/* mask and vector */
#define LVT_MODES	0x107ff		/* and a delivery mode */
#define LVT_PIN		0x1a7ff		/* and polarity and trigger mode */
#define NOBODY		0xee		/* an APIC id that no vCPU has */

static bool has_tsc_deadline(struct vm *vm)
{
	return cpuid_has(vm, 1, 2, 24);
}

/* ---- after RESET ------------------------------------------------------- */

static const struct reset {
	u16 reg;
	u32 value;
} resets[] = {
	{ APIC_LVR, 0x50014 }, { APIC_TASKPRI, 0 }, { APIC_ARBPRI, 0 },
	{ APIC_PROCPRI, 0 }, { APIC_LDR, 0 }, { APIC_DFR, 0xffffffff },
	{ APIC_SPIV, 0xff }, { APIC_ESR, 0 }, { APIC_ICR, 0 }, { APIC_ICR2, 0 },
	{ APIC_LVTT, 0x10000 }, { APIC_LVTTHMR, 0x10000 }, { APIC_LVTPC, 0x10000 },
	{ APIC_LVT1, 0x10000 }, { APIC_LVTERR, 0x10000 }, { APIC_TMICT, 0 },
	{ APIC_TMCCT, 0 }, { APIC_TDCR, 0 },
};

static void check_vectors_clear(const struct kvm_lapic_state *s)
{
	for (u32 reg = APIC_ISR; reg < APIC_ESR; reg += 0x10) {
		test_doing("register %#x", reg);
		CHECK_EQ(lapic_reg(s, reg), 0);
	}
}

static void check_reset(struct vcpu *vcpu)
{
	u32 lint0 = vcpu->id ? 0x10000 : 0x700;
	struct kvm_lapic_state s;

	memset(&s, 0x5a, sizeof(s));
	get_lapic(vcpu, &s);
	for (u64 i = 0; i < ARRAY_SIZE(resets); i++) {
		test_doing("vCPU %d, register %#x", vcpu->id, resets[i].reg);
		CHECK_EQ(lapic_reg(&s, resets[i].reg), resets[i].value);
		CHECK_EQ(apic_rd(vcpu, resets[i].reg), resets[i].value);
	}
	check_vectors_clear(&s);
	CHECK_EQ(lapic_reg(&s, APIC_ID), (u32)vcpu->id << 24);
	CHECK_EQ(apic_rd(vcpu, APIC_ID), (u32)vcpu->id << 24);
	/* KVM leaves the PIC connected to the first CPU, as firmware would. */
	CHECK_EQ(lapic_reg(&s, APIC_LVT0), lint0);
	CHECK_EQ(apic_rd(vcpu, APIC_LVT0), lint0);
	CHECK_EQ(msr_rd(vcpu, MSR_IA32_APICBASE),
		 vcpu->id ? BASE_RESET & ~APIC_BASE_BSP : BASE_RESET);
}

SUBTEST(values_after_reset)
{
	struct vm *vm = lapic_vm();

	for (int id = 0; id < 3; id++)
		check_reset(lapic_vcpu(vm, id));
}

/* Without KVM's quirk LINT0 is masked, as the SDM has it. */
SUBTEST(lint0_without_the_quirk)
{
	struct vm *vm = lapic_vm();
	struct kvm_lapic_state s;

	if (check_cap(vm, KVM_CAP_DISABLE_QUIRKS2) <= 0)
		SKIP("quirks cannot be disabled");
	if (!(check_cap(vm, KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_LINT0_REENABLED))
		SKIP("that quirk cannot be disabled");
	CHECK_EQ(vm_enable_cap(vm, KVM_CAP_DISABLE_QUIRKS2,
			       KVM_X86_QUIRK_LINT0_REENABLED), 0);
	get_lapic(lapic_vcpu(vm, 0), &s);
	CHECK_EQ(lapic_reg(&s, APIC_LVT0), 0x10000);
}

/* Of the version register one bit depends on who has the IOAPIC. */
SUBTEST(eoi_broadcast_with_a_split_irqchip)
{
	struct vm *vm = vm_create();
	struct vcpu *vcpu;

	if (check_cap(vm, KVM_CAP_SPLIT_IRQCHIP) <= 0)
		SKIP("no split irqchip");
	vm_split_irqchip(vm, 24);
	vm_count_irqs(vm);
	vcpu = lapic_vcpu(vm, 0);
	FOR_BOTH_MODES(x2apic) {
		apic_enable(vcpu, x2apic);
		CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014 | APIC_LVR_DIRECTED_EOI);
		apic_wr(vcpu, APIC_SPIV, 0x11ff);
		CHECK_EQ(apic_rd(vcpu, APIC_SPIV), 0x11ff);
	}
}

/* The LVT entry for corrected machine checks comes with MCG_CAP's bit for them. */
SUBTEST(cmci_comes_with_mcg_cap)
{
	u64 supported = 0, cap = BIT(10) | BIT(8) | 4;
	struct vm *vm = lapic_vm();
	struct vcpu *vcpu;

	if (xioctl(vm->dev_fd, KVM_X86_GET_MCE_CAP_SUPPORTED, (uintptr_t)&supported) ||
	    !(supported & BIT(10)))
		SKIP("no corrected machine check interrupts");
	vcpu = lapic_vcpu(vm, 0);
	FOR_BOTH_MODES(x2apic) {
		apic_enable(vcpu, x2apic);
		if (!x2apic) {
			apic_wr(vcpu, APIC_LVTCMCI, 0x31);
			CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
			cap |= supported & BIT(24);
			CHECK_EQ(xioctl(vcpu->fd, KVM_X86_SETUP_MCE, (uintptr_t)&cap), 0);
		}
		CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x60014);
		CHECK_EQ(apic_rd(vcpu, APIC_LVTCMCI), x2apic ? LVT_MODES : 0x10000);
		apic_wr(vcpu, APIC_LVTCMCI, 0x400);
		CHECK_EQ(apic_rd(vcpu, APIC_LVTCMCI), 0x400);
		/* what reserved bits do in x2APIC mode is another test's */
		apic_wr(vcpu, APIC_LVTCMCI, x2apic ? LVT_MODES : 0xffffffff);
		CHECK_EQ(apic_rd(vcpu, APIC_LVTCMCI) & ~APIC_SEND_PENDING, LVT_MODES);
		apic_wr(vcpu, APIC_LVTCMCI, LVT_MODES);
	}
}

/* ---- what can be written ----------------------------------------------- */

static const struct writable {
	u16 reg;
	u32 bits;	/* that are kept as written */
	u32 ones;	/* that are always one */
	u32 free;	/* read-only, or there only with another CPUID */
	u8 modes;	/* 1: xAPIC, 2: x2APIC */
} writables[] = {
	{ APIC_TASKPRI, 0xff, .modes = 3 },
	{ APIC_LDR, 0xff000000, .modes = 1 },
	{ APIC_DFR, 0xf0000000, 0x0fffffff, .modes = 1 },
	{ APIC_SPIV, 0x2ff, 0x100, APIC_SPIV_DIRECTED_EOI, 3 },
	{ APIC_ICR2, 0xff000000, .modes = 1 },
	{ APIC_LVTTHMR, LVT_MODES, 0, APIC_SEND_PENDING, 3 },
	{ APIC_LVTPC, LVT_MODES, 0, APIC_SEND_PENDING, 3 },
	{ APIC_LVT1, LVT_PIN, 0, APIC_SEND_PENDING | APIC_LVT_REMOTE_IRR, 3 },
	{ APIC_LVTERR, LVT_FIXED, 0, APIC_SEND_PENDING, 3 },
	{ APIC_LVT0, LVT_PIN, 0, APIC_SEND_PENDING | APIC_LVT_REMOTE_IRR, 3 },
	{ APIC_TDCR, 0xb, .modes = 3 },
	{ APIC_TMICT, 0xffffffff, .modes = 3 },
};

static void check_writable(struct vcpu *vcpu, const struct writable *w)
{
	static const u32 values[] = {
		0xffffffff, 0, 0xaaaaaaaa, 0x55555555, 0x0badf00d, 0xdeadbeef, 0,
	};

	for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
		/* Bit 8 is the one that the other LVT entries hang on. */
		u32 value = values[i] | (w->reg == APIC_SPIV ? 0x100 : 0);

		if (is_x2apic(vcpu))
			value &= w->bits | w->ones | w->free;
		test_doing("%#x is written to register %#x", value, w->reg);
		apic_wr(vcpu, w->reg, value);
		CHECK_EQ(apic_rd(vcpu, w->reg) & ~w->free, (value & w->bits) | w->ones);
	}
}

SUBTEST(class08_written_bits)
{
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_lapic_state s;

		for (u64 i = 0; i < ARRAY_SIZE(writables); i++) {
			if (writables[i].modes & 1 << x2apic)
				check_writable(vcpu, &writables[i]);
		}
		get_lapic(vcpu, &s);
		check_vectors_clear(&s);
		vm_free(vcpu->vm);
	}
}

/* In x2APIC mode reserved bits fault (SDM volume 3, 11.12.1.3). */
SUBTEST(class08_reserved_bits_in_x2apic_mode)
{
	struct vcpu *vcpu = lapic_new(true);

	for (u64 i = 0; i < ARRAY_SIZE(writables); i++) {
		const struct writable *w = &writables[i];
		u32 valid = w->bits | w->ones | w->free, before;
		u64 vector;

		for (int bit = 0; bit < 32 && w->modes & 2; bit++) {
			if (valid >> bit & 1)
				continue;
			test_doing("bit %d of register %#x", bit, w->reg);
			before = apic_rd(vcpu, w->reg);
			vector = msr_wr_vector(vcpu, X2APIC_MSR(w->reg), before | BIT(bit));
			/* KVM passes over all of them but what the hardware sees. */
			CHECK(vector == GP || device_is_kvm());
			CHECK_EQ(apic_rd(vcpu, w->reg), before);
		}
	}
}

/* Software may be able to change it, and may not: SDM volume 3, 11.4.6. */
SUBTEST(class08_written_id)
{
	struct vcpu *vcpu = lapic_new(false);
	u32 got;

	for (u32 id = 0xff; id > 0; id >>= 1) {
		apic_wr(vcpu, APIC_ID, id << 24 | 0xffffff);
		got = apic_rd(vcpu, APIC_ID);
		CHECK(got == id << 24 || got == 0);
	}
	apic_wr(vcpu, APIC_ID, 0);
	CHECK_EQ(apic_rd(vcpu, APIC_ID), 0);
}

/* Two of the timer's modes, and a third when CPUID has it. */
SUBTEST(class08_timer_modes_by_cpuid)
{
	for (int deadline = 0; deadline < 2; deadline++) {
		struct vm *vm = lapic_vm();
		struct kvm_cpuid_entry2 *e = cpuid_leaf(vm->cpuid, 1, 0);
		struct vcpu *vcpu;

		CHECK_EQ(check_cap(vm, KVM_CAP_TSC_DEADLINE_TIMER), 1);
		e->ecx = deadline ? e->ecx | 1u << 24 : e->ecx & ~(1u << 24);
		CHECK_EQ(has_tsc_deadline(vm), deadline);
		vcpu = lapic_vcpu(vm, 0);
		FOR_BOTH_MODES(x2apic) {
			apic_enable(vcpu, x2apic);
			apic_wr(vcpu, APIC_LVTT, 0x710ff);
			CHECK_EQ(apic_rd(vcpu, APIC_LVTT) & ~APIC_SEND_PENDING,
				 deadline ? 0x700ff | LVT_FIXED : 0x30000 | LVT_FIXED);
			apic_wr(vcpu, APIC_LVTT, 0);
			CHECK_EQ(apic_rd(vcpu, APIC_LVTT), 0);
		}
		vm_free(vm);
	}
}

/* The ICR sends when it is written: to nobody here. */
SUBTEST(class08_icr_bits)
{
	static const u32 values[] = { 0, 0xff, 0x8ff, 0x4000 | 0x31, 0xc000 | 0x55,
		0x1000 | 0x44, 0x100 | 0x41, 0x400, 0x200, 0x300, 0x700 };

	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);
		struct kvm_lapic_state s;

		for (u64 i = 0; i < ARRAY_SIZE(values); i++) {
			test_doing("ICR %#x, x2APIC %d", values[i], x2apic);
			apic_icr(vcpu, NOBODY, values[i]);
			CHECK_EQ(apic_rd(vcpu, APIC_ICR), values[i] & ~APIC_ICR_BUSY);
		}
		apic_icr(vcpu, NOBODY, 0x84);
		if (x2apic)
			CHECK_EQ(msr_rd(vcpu, X2APIC_MSR(APIC_ICR)),
				 (u64)NOBODY << 32 | 0x84);
		get_lapic(vcpu, &s);
		CHECK_EQ(lapic_reg(&s, APIC_ICR), 0x84);
		CHECK_EQ(lapic_reg(&s, APIC_ICR2), x2apic ? NOBODY : (u32)NOBODY << 24);
		take_irqs(vcpu);
		CHECK_EQ(irqs(vcpu, 0xff), 0);
		CHECK_EQ(irqs(vcpu, 0x84), 0);
		vm_free(vcpu->vm);
	}
}

/* All reserved bits of the ICR at once: by MMIO nothing may come of it. */
SUBTEST(class08_reserved_icr_bits)
{
	struct vcpu *vcpu = lapic_new(false);

	for (int bit = 13; bit < 32; bit++) {
		if (BIT(bit) & 0xcc000)
			continue;
		test_doing("bit %d", bit);
		apic_icr(vcpu, NOBODY, BIT(bit) | 0x61);
		CHECK_EQ(apic_rd(vcpu, APIC_ICR) & 0xcc7ff, 0x61);
	}
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x61), 0);
}

SUBTEST(class08_read_only_registers)
{
	static const u16 regs[] = { APIC_LVR, APIC_ARBPRI, APIC_PROCPRI, APIC_TMCCT };
	struct vcpu *vcpu = lapic_new(false);
	struct kvm_lapic_state s;

	apic_wr(vcpu, APIC_TASKPRI, 0x20);
	for (u64 i = 0; i < ARRAY_SIZE(regs); i++) {
		u32 before = apic_rd(vcpu, regs[i]);

		test_doing("register %#x", regs[i]);
		apic_wr(vcpu, regs[i], ~before);
		CHECK_EQ(apic_rd(vcpu, regs[i]), before);
		apic_wr(vcpu, regs[i], 0);
		CHECK_EQ(apic_rd(vcpu, regs[i]), before);
	}
	for (u32 reg = APIC_ISR; reg < APIC_ESR; reg += 0x10) {
		test_doing("register %#x", reg);
		apic_wr(vcpu, reg, 0xffffffff);
		CHECK_EQ(apic_rd(vcpu, reg), 0);
	}
	get_lapic(vcpu, &s);
	check_vectors_clear(&s);
}

/* A write latches the errors since the last one; there were none. */
SUBTEST(error_status_is_written_then_read)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (int i = 0; i < 3; i++) {
			apic_wr(vcpu, APIC_ESR, 0);
			CHECK_EQ(apic_rd(vcpu, APIC_ESR), 0);
		}
		if (x2apic) {
			CHECK_EQ(msr_wr_vector(vcpu, X2APIC_MSR(APIC_ESR), 1), GP);
			CHECK_EQ(msr_wr_vector(vcpu, X2APIC_MSR(APIC_ESR), 0xff), GP);
		} else {
			apic_wr(vcpu, APIC_ESR, 0xff);
			/* With APICv, KVM leaves there what the guest has written. */
			if (!device_is_kvm())
				CHECK_EQ(apic_rd(vcpu, APIC_ESR), 0);
		}
		vm_free(vcpu->vm);
	}
}

/* ---- software disable -------------------------------------------------- */

static const u16 lvts[] = {
	APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR
};

SUBTEST(software_disable_masks_the_lvt)
{
	FOR_BOTH_MODES(x2apic) {
		struct vcpu *vcpu = lapic_new(x2apic);

		for (u64 i = 0; i < ARRAY_SIZE(lvts); i++)
			apic_wr(vcpu, lvts[i], 0x30 + i);
		apic_wr(vcpu, APIC_SPIV, 0xff);
		for (u64 i = 0; i < ARRAY_SIZE(lvts); i++) {
			test_doing("register %#x", lvts[i]);
			CHECK_EQ(apic_rd(vcpu, lvts[i]), APIC_LVT_MASKED | (0x30 + i));
			apic_wr(vcpu, lvts[i], 0x40 + i);
			CHECK_EQ(apic_rd(vcpu, lvts[i]), APIC_LVT_MASKED | (0x40 + i));
		}
		apic_wr(vcpu, APIC_SPIV, 0x1ff);
		for (u64 i = 0; i < ARRAY_SIZE(lvts); i++) {
			test_doing("register %#x", lvts[i]);
			CHECK_EQ(apic_rd(vcpu, lvts[i]), APIC_LVT_MASKED | (0x40 + i));
			apic_wr(vcpu, lvts[i], 0x40 + i);
			CHECK_EQ(apic_rd(vcpu, lvts[i]), 0x40 + i);
		}
		vm_free(vcpu->vm);
	}
}

/* ---- sizes and places of accesses by MMIO ------------------------------ */

/* One access that may leave the page, where user space serves it. */
static u64 any_access(struct vcpu *vcpu, enum remote_op op, u64 addr, u64 value, u64 size)
{
	struct mmio_dev beyond = { .base = APIC_DEFAULT_BASE - PAGE_SIZE,
		.size = 3 * PAGE_SIZE };
	struct ucall uc;

	beyond.data = calloc(1, beyond.size);
	remote_set(vcpu, op, addr, value, size);
	CHECK_EQ(vcpu_serve_mmio(vcpu, &beyond, &uc), UCALL_SYNC);
	free(beyond.data);
	CHECK_EQ(remote_of(vcpu)->vector, NO_EXCEPTION);
	return remote_of(vcpu)->result;
}

SUBTEST(reads_of_parts_of_a_register)
{
	struct vcpu *vcpu = lapic_new(false);

	CHECK_EQ(any_access(vcpu, OP_READ, APIC_DEFAULT_BASE + APIC_LVR, 0, 1), 0x14);
	CHECK_EQ(any_access(vcpu, OP_READ, APIC_DEFAULT_BASE + APIC_LVR + 2, 0, 1), 0x5);
	CHECK_EQ(any_access(vcpu, OP_READ, APIC_DEFAULT_BASE + APIC_LVR, 0, 2), 0x14);
	CHECK_EQ(any_access(vcpu, OP_READ, APIC_DEFAULT_BASE + APIC_LVR + 2, 0, 2), 0x5);
	CHECK_EQ(any_access(vcpu, OP_READ, APIC_DEFAULT_BASE + APIC_LVR, 0, 4), 0x50014);
}

static void sweep(struct vcpu *vcpu, enum remote_op op, u64 value)
{
	static const u8 sizes[] = { 1, 2, 4, 8 };

	for (u64 i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (u64 off = 0; off < 0x440; off += 0x10) {
			test_doing("%s %#llx, %d bytes", op == OP_READ ? "read" : "write",
				   (unsigned long long)off, sizes[i]);
			if (off != APIC_ICR || op == OP_READ)
				any_access(vcpu, op, APIC_DEFAULT_BASE + off, value, sizes[i]);
			any_access(vcpu, op, APIC_DEFAULT_BASE + off + 1 + i * 4, value,
				   sizes[i]);
		}
	}
	for (u64 off = 0xfe0; off < 0x1002; off++)
		any_access(vcpu, op, APIC_DEFAULT_BASE + off, value, 8);
	any_access(vcpu, op, APIC_DEFAULT_BASE - 2, value, 4);
	any_access(vcpu, op, APIC_DEFAULT_BASE - 7, value, 8);
}

/* What comes of these is not defined; the guest and the APIC live on. */
SUBTEST(class06_accesses_of_all_sizes)
{
	struct vcpu *vcpu = lapic_new(false);

	sweep(vcpu, OP_READ, 0x5a5a5a5a5a5a5a5a);
	sweep(vcpu, OP_WRITE, 0);
	sweep(vcpu, OP_WRITE, ~0ull);
	apic_enable(vcpu, false);
	apic_wr(vcpu, APIC_LVTT, APIC_LVT_MASKED);
	apic_wr(vcpu, APIC_TMICT, 0);
	CHECK_EQ(apic_rd(vcpu, APIC_LVR), 0x50014);
	apic_icr(vcpu, 0, APIC_DEST_SELF | 0x51);
	take_irqs(vcpu);
	CHECK_EQ(irqs(vcpu, 0x51), 1);
}

static void guest_other_instructions(u64 arg)
{
	volatile u32 *tpr = (u32 *)(APIC_DEFAULT_BASE + APIC_TASKPRI);
	static u32 copy[8];
	u64 n = 8, v = 0x30;
	void *to = copy, *from = (void *)APIC_DEFAULT_BASE;

	guest_xapic_enable();
	asm volatile("xchg %k0, %1" : "+r"(v), "+m"(*tpr));
	GUEST_ASSERT_EQ(v, 0);
	GUEST_ASSERT_EQ(*tpr, 0x30);
	asm volatile("orl $5, %0" : "+m"(*tpr));
	GUEST_ASSERT_EQ(*tpr, 0x35);
	asm volatile("andl %1, %0" : "+m"(*tpr) : "r"(0xf0));
	GUEST_ASSERT_EQ(*tpr, 0x30);
	asm volatile("movl $0x22, %0" : "=m"(*tpr));
	GUEST_ASSERT_EQ(*tpr, 0x22);
	asm volatile("testl $2, %1\n\tsetnz %b0" : "+q"(v) : "m"(*tpr));
	GUEST_ASSERT_EQ(v, 1);
	from += APIC_LVR;
	n = 1;
	asm volatile("rep movsl" : "+c"(n), "+D"(to), "+S"(from) : : "memory");
	GUEST_ASSERT_EQ(copy[0], 0x50014);
	asm volatile("movzbl %1, %k0" : "=r"(v) : "m"(*(u8 *)(APIC_DEFAULT_BASE + APIC_LVR)));
	GUEST_ASSERT_EQ(v, 0x14);
}

SUBTEST(instructions_that_read_and_write)
{
	struct vcpu *vcpu = lapic_vcpu(lapic_vm(), 0);

	vcpu_long_mode(vcpu, guest_other_instructions, 0);
	vcpu_expect_done(vcpu);
}
