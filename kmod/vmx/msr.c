// SPDX-License-Identifier: GPL-2.0
/*
 * msr.c - MSRs that the VMCS does not switch.  The SYSCALL MSRs and TSC_AUX
 * matter to the host only when it returns to user space, so the guest's values
 * stay in the CPU across exits and the host's come back when any task returns
 * to user mode on this CPU (a user-return notifier), or when the CPU leaves
 * VMX.  Also here: the layout of the MSR bitmap (SDM vol. 3C 24.6.9); what it
 * lets through is in the table of cpu/msr.c.
 */
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>

#include "../lodge.h"
#include "msr.h"

static const u32 switched[LODGE_MSR_SWITCHED] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_TSC_AUX,
};

static bool present[LODGE_MSR_SWITCHED] __ro_after_init;

/* One CPU's view; touched with interrupts off by that CPU only. */
struct msr_cpu {
	struct user_return_notifier urn;
	bool armed;
	u64 host[LODGE_MSR_SWITCHED];
	u64 now[LODGE_MSR_SWITCHED];
};

static DEFINE_PER_CPU(struct msr_cpu, msr_cpu);
DEFINE_PER_CPU(struct lodge_vcpu *, vmx_msrs_of);

u64 vmx_host_xcr0 __ro_after_init, vmx_host_xss __ro_after_init;

void vmx_msrs_init(void)
{
	u64 value;
	int i;

	/* the kernel sets both once at boot and never changes them */
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		vmx_host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, vmx_host_xss);
	for (i = 0; i < ARRAY_SIZE(switched); i++)
		present[i] = !rdmsrl_safe(switched[i], &value) &&
			     !wrmsrl_safe(switched[i], value);
}

int vmx_msr_slot(u32 index)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(switched); i++)
		if (switched[i] == index)
			return i;
	return -1;
}

bool vmx_msr_present(int slot)
{
	return present[slot];
}

void vmx_msrs_to_host(void)
{
	struct msr_cpu *c = this_cpu_ptr(&msr_cpu);
	int i;

	if (!c->armed)
		return;
	c->armed = false;
	__this_cpu_write(vmx_msrs_of, NULL);
	user_return_notifier_unregister(&c->urn);
	for (i = 0; i < ARRAY_SIZE(switched); i++)
		if (present[i] && c->now[i] != c->host[i])
			wrmsrl(switched[i], c->host[i]);
}

/* May be interrupted by the IPI that turns VMX off, hence the guard. */
static void on_user_return(struct user_return_notifier *urn)
{
	unsigned long flags;

	local_irq_save(flags);
	vmx_msrs_to_host();
	local_irq_restore(flags);
}

/* They are constant from a CPU's start on, but for what a hypervisor does to them. */
void vmx_msrs_learn(void)
{
	struct msr_cpu *c = this_cpu_ptr(&msr_cpu);
	int i;

	for (i = 0; i < ARRAY_SIZE(switched); i++)
		if (present[i])
			rdmsrl(switched[i], c->host[i]);
}

static void arm(struct msr_cpu *c)
{
	memcpy(c->now, c->host, sizeof(c->now));
	c->urn.on_user_return = on_user_return;
	user_return_notifier_register(&c->urn);
	c->armed = true;
}

void vmx_msrs_changed(void)
{
	this_cpu_write(vmx_msrs_of, NULL);
}

void vmx_msrs_load(struct lodge_vcpu *vcpu)
{
	struct msr_cpu *c = this_cpu_ptr(&msr_cpu);
	int i;

	if (!c->armed)
		arm(c);
	for (i = 0; i < ARRAY_SIZE(switched); i++) {
		if (!present[i] || c->now[i] == vcpu->switched_msrs[i])
			continue;
		/* cpu/msr.c has checked the value, so this cannot fault */
		wrmsrl(switched[i], vcpu->switched_msrs[i]);
		c->now[i] = vcpu->switched_msrs[i];
	}
	__this_cpu_write(vmx_msrs_of, vcpu);
}

/* Four bitmaps of 8192 bits: read low, read high, write low, write high. */
void vmx_msr_intercept(unsigned long *bitmap, u32 msr, bool read, bool write)
{
	unsigned int bit = msr & 0x1fff;

	if (msr >= 0xc0000000)
		bit += 8 * 0x400;
	__assign_bit(bit, bitmap, read);
	__assign_bit(bit + 8 * 0x800, bitmap, write);
}

void vmx_msr_bitmap_init(unsigned long *bitmap)
{
	memset(bitmap, 0xff, PAGE_SIZE);
}
