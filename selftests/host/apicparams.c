// SPDX-License-Identifier: GPL-2.0
/*
 * apicparams - the tests of the local APIC once more with the modules loaded so that
 * less of the work is left to the hardware: without virtual-interrupt delivery and
 * APIC-register virtualisation (enable_apicv), without virtualised accesses of the
 * APIC's page (flexpriority), without x2APIC virtualisation (enable_x2apic_virt) and
 * without the TPR shadow (tpr_shadow), which kvm_intel has no parameters for. Runs
 * with no such module loaded: $LODGE_KO is lodge.ko, $KVM_KO_DIR holds kvm's modules;
 * the other tests lie beside this one.
 */
#include "module.h"

static const struct program programs[] = {
	{ "lapic" }, { "lapicmode" }, { "lapicirq" }, { "lapicipi" }, { "lapictimer" },
	{ "lapicexpiry" }, { "lapicstate" },
};

static void run_on(const char *node, const char *params)
{
	run_with(node, params, programs, ARRAY_SIZE(programs));
}

SUBTEST(kvm_without_apicv)
{
	run_on("/dev/kvm", "enable_apicv=0");
}

SUBTEST(kvm_without_flexpriority)
{
	run_on("/dev/kvm", "flexpriority=0");
}

SUBTEST(lodge_without_apicv)
{
	run_on("/dev/lodge", "enable_apicv=0");
}

SUBTEST(lodge_without_flexpriority)
{
	run_on("/dev/lodge", "flexpriority=0");
}

SUBTEST(lodge_without_x2apic_virtualisation)
{
	run_on("/dev/lodge", "enable_x2apic_virt=0");
}

SUBTEST(lodge_without_apicv_and_x2apic_virtualisation)
{
	run_on("/dev/lodge", "enable_apicv=0 enable_x2apic_virt=0");
}

/* Nothing but exits: also CR8 is an intercepted register then. */
SUBTEST(lodge_without_any)
{
	run_on("/dev/lodge", "enable_apicv=0 flexpriority=0 enable_x2apic_virt=0 tpr_shadow=0");
}
