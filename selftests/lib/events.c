// SPDX-License-Identifier: GPL-2.0
/*
 * The recorder of events.h: its gates and its C half, which runs in the guest,
 * and the calls by which user space makes events.
 */
#include "events.h"

struct guest_event guest_events[64];
u64 guest_nr_events;
bool (*guest_on_event)(struct event_frame *f);

extern const char event_stubs[];
void guest_record_event(struct event_frame *f);

static bool is_fault(u64 vector)
{
	return vector < 32 && vector != DB && vector != NMI && vector != BP &&
	       vector != OF;
}

void guest_record_event(struct event_frame *f)
{
	struct guest_percpu *p = guest_percpu();
	struct guest_event *e = &guest_events[guest_nr_events % ARRAY_SIZE(guest_events)];

	e->vector = f->vector;
	e->error = f->error;
	e->rip = f->rip;
	e->cs = f->cs;
	e->rflags = f->rflags;
	e->rsp = f->rsp;
	asm volatile("mov %%cr2, %0" : "=r"(e->cr2));
	asm volatile("mov %%dr6, %0" : "=r"(e->dr6));
	guest_nr_events++;
	if (guest_on_event && guest_on_event(f))
		return;
	if (!is_fault(f->vector))
		return;
	if (!p->resume)
		guest_abort(NULL, f->vector, NULL, f->rip, f->error);
	p->ex.vector = f->vector;
	p->ex.error = f->error;
	p->ex.rip = f->rip;
	p->ex.cr2 = e->cr2;
	f->rip = p->resume;
}

const void *event_stub(u8 vector)
{
	return event_stubs + 16 * vector;
}

void vm_set_gate(struct vm *vm, u8 vector, const void *code, u8 ist, u8 dpl)
{
	u64 at = (uintptr_t)code;
	u64 *gate = (u64 *)vm_ptr(vm, vm->idt) + 2 * vector;

	gate[0] = (at & 0xffff) | SEL_CODE64 << 16 | (u64)ist << 32 |
		  (u64)(0x8e | dpl << 5) << 40 | (at >> 16 & 0xffff) << 48;
	gate[1] = at >> 32;
}

void vm_record_events(struct vm *vm)
{
	for (int i = 0; i < 256; i++)
		vm_set_gate(vm, i, event_stub(i), i == DF, 3);
}

void vm_set_ist(struct vm *vm, int ist, u64 top)
{
	u64 *desc = (u64 *)vm_ptr(vm, vm->gdt) + SEL_TSS / 8;
	u64 tss = (*desc >> 16 & 0xffffff) | (*desc >> 56) << 24;

	/* SDM 3, figure 7-11: IST1 is at 36. */
	memcpy((u8 *)vm_ptr(vm, tss) + 36 + 8 * (ist - 1), &top, 8);
}

int vcpu_interrupt(struct vcpu *vcpu, u32 vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return xioctl(vcpu->fd, KVM_INTERRUPT, (uintptr_t)&irq);
}

int vcpu_nmi(struct vcpu *vcpu)
{
	return xioctl(vcpu->fd, KVM_NMI, 0);
}

void events_at(const char *file, int line, struct vm *vm, const u8 *want, u64 n)
{
	u64 got = guest_var(vm, guest_nr_events);

	for (u64 i = 0; i < n && i < got; i++)
		if (guest_var(vm, guest_events)[i].vector != want[i])
			test_fail(file, line, "event %llu: expected vector %d, got %llu",
				  (unsigned long long)i, want[i], (unsigned long long)
				  guest_var(vm, guest_events)[i].vector);
	if (got != n)
		test_fail(file, line, "expected %llu events, got %llu",
			  (unsigned long long)n, (unsigned long long)got);
}
