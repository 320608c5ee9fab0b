// SPDX-License-Identifier: GPL-2.0
/*
 * lapic - the local APIC of the kernel, by its registers, as a guest and a client
 * see it.
 */
#include "apic.h"

static void guest_self_ipi(u64 x2apic)
{
	if (x2apic)
		guest_x2apic_enable();
	else
		guest_xapic_enable();
	guest_sti();
	guest_apic_icr(0, APIC_DEST_SELF | APIC_DM_FIXED | 0x41);
	while (!READ_ONCE(guest_irqs[0][0x41]))
		cpu_relax();
	guest_cli();
	GUEST_SYNC_VALUE(1, guest_apic_read(APIC_SPIV));
}

SUBTEST(an_ipi_to_itself)
{
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct vm *vm = vm_create();
		struct vcpu *vcpu;

		vm_irqchip(vm);
		vm_count_irqs(vm);
		vcpu = vcpu_create(vm, 0);
		vcpu_long_mode(vcpu, guest_self_ipi, x2apic);
		CHECK_EQ(vcpu_expect_sync(vcpu, 1), 0x1ff);
		CHECK_EQ(guest_var(vm, guest_irqs)[0][0x41], 1);
		vcpu_expect_done(vcpu);
		vm_free(vm);
	}
}
