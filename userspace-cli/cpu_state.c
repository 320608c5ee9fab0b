// SPDX-License-Identifier: GPL-2.0
/*
 * Takes and gives back a vCPU's state, and that of the chips that all vCPUs share. The
 * order of giving matters: api.rst of the kernel has the local APIC's base in the special
 * registers and its mode decides what KVM_SET_LAPIC makes of the rest; a deadline of the
 * timer is an MSR that means something only then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu_state.h"

#define MSR_TSC			0x10
#define MSR_TSC_ADJUST		0x3b
/* More than any device lists. */
#define MOST_MSRS		1024

struct cpu_state {
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	bool has_xcrs;
	bool has_lapic;
	struct kvm_msrs msrs;		/* last: its entries follow */
};

/* Those that are to be given back, with values; time goes on over a reset. */
static void get_msrs(struct cpu *cpu, struct cpu_state *s, const struct kvm_msr_list *list)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } one;
	unsigned int i;

	/* One by one: some that are listed this guest may not have. */
	for (i = 0; i < list->nmsrs; i++) {
		if (list->indices[i] == MSR_TSC || list->indices[i] == MSR_TSC_ADJUST)
			continue;
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.entry.index = list->indices[i];
		if (ioctl(cpu->fd, KVM_GET_MSRS, &one) == 1)
			s->msrs.entries[s->msrs.nmsrs++] = one.entry;
	}
}

static struct kvm_msr_list *list_msrs(const struct device *dev)
{
	struct kvm_msr_list *list;

	list = calloc(1, sizeof(*list) + MOST_MSRS * sizeof(list->indices[0]));
	if (!list)
		return NULL;
	list->nmsrs = MOST_MSRS;
	if (!ioctl(dev->fd, KVM_GET_MSR_INDEX_LIST, list) && list->nmsrs <= MOST_MSRS)
		return list;
	free(list);
	return NULL;
}

struct cpu_state *cpu_state_get(struct cpu *cpu)
{
	struct kvm_msr_list *list = list_msrs(&cpu->machine->device);
	struct cpu_state *s = NULL;

	if (list)
		s = calloc(1, sizeof(*s) + list->nmsrs * sizeof(s->msrs.entries[0]));
	if (!s)
		goto fail;
	s->has_xcrs = device_cap(&cpu->machine->device, KVM_CAP_XCRS);
	s->has_lapic = cpu->machine->irqs;
	if (ioctl(cpu->fd, KVM_GET_MP_STATE, &s->mp) < 0 ||
	    ioctl(cpu->fd, KVM_GET_REGS, &s->regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &s->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_XSAVE, &s->xsave) < 0 ||
	    (s->has_xcrs && ioctl(cpu->fd, KVM_GET_XCRS, &s->xcrs) < 0) ||
	    ioctl(cpu->fd, KVM_GET_DEBUGREGS, &s->debug) < 0 ||
	    ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &s->events) < 0 ||
	    (s->has_lapic && ioctl(cpu->fd, KVM_GET_LAPIC, &s->lapic) < 0))
		goto fail;
	get_msrs(cpu, s, list);
	free(list);
	return s;
fail:
	free(list);
	free(s);
	return NULL;
}

static int set_msrs(struct cpu *cpu, const struct cpu_state *s)
{
	size_t size = sizeof(s->msrs) + s->msrs.nmsrs * sizeof(s->msrs.entries[0]);
	struct kvm_msrs *all = malloc(size);
	u32 done = 0;
	int n = 0;

	if (!all)
		return -ENOMEM;
	/* The call stops at one that cannot be set (that is read-only, say): go on behind. */
	while (done < s->msrs.nmsrs && n >= 0) {
		all->nmsrs = s->msrs.nmsrs - done;
		memcpy(all->entries, s->msrs.entries + done,
		       all->nmsrs * sizeof(all->entries[0]));
		n = ioctl(cpu->fd, KVM_SET_MSRS, all);
		done += n + 1;
	}
	free(all);
	return n < 0 ? -errno : 0;
}

int cpu_state_set(struct cpu *cpu, const struct cpu_state *s)
{
	/* Without what was about to happen; before the rest makes anything happen. */
	if (ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &s->events) < 0 ||
	    ioctl(cpu->fd, KVM_SET_SREGS, &s->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_REGS, &s->regs) < 0 ||
	    (s->has_xcrs && ioctl(cpu->fd, KVM_SET_XCRS, &s->xcrs) < 0) ||
	    ioctl(cpu->fd, KVM_SET_XSAVE, &s->xsave) < 0 ||
	    ioctl(cpu->fd, KVM_SET_DEBUGREGS, &s->debug) < 0 ||
	    set_msrs(cpu, s) < 0 ||
	    (s->has_lapic && ioctl(cpu->fd, KVM_SET_LAPIC, &s->lapic) < 0) ||
	    ioctl(cpu->fd, KVM_SET_MP_STATE, &s->mp) < 0)
		return -errno;
	return 0;
}

#define CHIPS	3

struct chips_state {
	struct kvm_irqchip chip[CHIPS];
	struct kvm_pit_state2 pit;
};

struct chips_state *chips_state_get(struct machine *m)
{
	struct chips_state *s = calloc(1, sizeof(*s));
	unsigned int i;

	if (!s)
		return NULL;
	for (i = 0; i < CHIPS; i++) {
		s->chip[i].chip_id = i;
		if (ioctl(m->vm_fd, KVM_GET_IRQCHIP, &s->chip[i]) < 0)
			goto fail;
	}
	if (!ioctl(m->vm_fd, KVM_GET_PIT2, &s->pit))
		return s;
fail:
	free(s);
	return NULL;
}

int chips_state_set(struct machine *m, const struct chips_state *state)
{
	struct chips_state s = *state;
	unsigned int i;

	for (i = 0; i < CHIPS; i++)
		if (ioctl(m->vm_fd, KVM_SET_IRQCHIP, &s.chip[i]) < 0)
			return -errno;
	return ioctl(m->vm_fd, KVM_SET_PIT2, &s.pit) < 0 ? -errno : 0;
}
