// SPDX-License-Identifier: GPL-2.0
/*
 * apicparams - the tests of interrupts once more with the modules loaded so that less
 * of the work is left to the hardware: without virtual-interrupt delivery, posted
 * interrupts and APIC-register virtualisation (enable_apicv), without virtualised
 * accesses of the APIC's page (flexpriority), without x2APIC virtualisation
 * (enable_x2apic_virt) and without the TPR shadow (tpr_shadow), which kvm_intel has no
 * parameters for; and NMIs without virtual ones (vnmi). Runs with no such module loaded:
 * $LODGE_KO is lodge.ko, $KVM_KO_DIR holds kvm's modules; the other tests lie beside this
 * one.
 */
#include "module.h"

#define KVM		"/dev/kvm"
#define LODGE		"/dev/lodge"
#define NO_APICV	"enable_apicv=0"
#define NO_FLEXPRIORITY	"flexpriority=0"
#define NO_X2APIC_VIRT	"enable_x2apic_virt=0"
/* Nothing but exits: also CR8 is an intercepted register then. */
#define NOTHING		NO_APICV " " NO_FLEXPRIORITY " " NO_X2APIC_VIRT " tpr_shadow=0"

/* ---- the registers of a local APIC ----------------------------------------------- */

static const struct program local_apic[] = {
	{ "lapic" }, { "lapicmode" }, { "lapicirq" }, { "lapictimer" }, { "lapicstate" },
	{ "hypercalls" },	/* ends of interrupts without an exit: not with APICv */
	{ "clientapi", "*re[pq]*" },	/* of accesses that the CPU does not recognise */
	{ "lapicipi" }, { "lapicexpiry" },
};

/* More CPUs than one mean nothing but to the last two. */
static void run_local_apic(const char *node, const char *params)
{
	int first = nr_cpus() > 1 ? ARRAY_SIZE(local_apic) - 2 : 0;

	run_with(node, params, local_apic + first, ARRAY_SIZE(local_apic) - first);
}

SUBTEST(kvm_without_apicv)
{
	run_local_apic(KVM, NO_APICV);
}

SUBTEST(kvm_without_flexpriority)
{
	run_local_apic(KVM, NO_FLEXPRIORITY);
}

SUBTEST(lodge_without_apicv)
{
	run_local_apic(LODGE, NO_APICV);
}

SUBTEST(lodge_without_flexpriority)
{
	run_local_apic(LODGE, NO_FLEXPRIORITY);
}

SUBTEST(lodge_without_x2apic_virtualisation)
{
	run_local_apic(LODGE, NO_X2APIC_VIRT);
}

SUBTEST(lodge_without_apicv_and_x2apic_virtualisation)
{
	run_local_apic(LODGE, NO_APICV " " NO_X2APIC_VIRT);
}

SUBTEST(lodge_without_any)
{
	run_local_apic(LODGE, NOTHING);
}

/* ---- vCPUs that sleep, and what wakes or interrupts them -------------------------- */

/* The first two are games and storms, in which interrupts come all the time. */
static const struct program wakes[] = {
	/* the game of a million rounds would take minutes */
	{ "ipi", "[!m]*" }, { "irqstorm" }, { "irqfd" }, { "smpboot" },
};

static void run_wakes(const char *node, const char *params)
{
	run_with(node, params, wakes, ARRAY_SIZE(wakes));
}

static void run_games(const char *node, const char *params)
{
	run_with(node, params, wakes, 2);
}

SUBTEST(kvm_wakes_without_apicv)
{
	run_wakes(KVM, NO_APICV);
}

SUBTEST(lodge_wakes_without_apicv)
{
	run_wakes(LODGE, NO_APICV);
}

SUBTEST(lodge_wakes_without_flexpriority)
{
	run_games(LODGE, NO_FLEXPRIORITY);
}

SUBTEST(lodge_wakes_without_x2apic_virtualisation)
{
	run_games(LODGE, NO_X2APIC_VIRT);
}

SUBTEST(lodge_wakes_without_any)
{
	run_wakes(LODGE, NOTHING);
}

/* ---- virtual NMIs ------------------------------------------------------------------ */

/*
 * On lodge only: kvm_intel of Linux 6.1 with vnmi=0 does not come back from KVM_RUN once
 * the guest of softnmi has turned interrupts on, in the emulated host.
 */
static const struct program nmis[] = { { "softnmi" } };

SUBTEST(lodge_without_virtual_nmis)
{
	run_with(LODGE, "vnmi=0", nmis, ARRAY_SIZE(nmis));
}
