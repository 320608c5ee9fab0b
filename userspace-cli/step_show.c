// SPDX-License-Identifier: GPL-2.0
/* What is told at a stop: the exit, the instruction, what changed, and the way to memory. */
#include <sys/ioctl.h>

#include "decode.h"
#include "disasm.h"
#include "exit_reasons.h"
#include "step_priv.h"
#include "walk.h"

#define CPUID_ADDRESSES	0x80000008u
#define VECTOR_PF	14
#define EVENT_EXCEPTION	0x80000300u	/* valid, and of the type of an exception */
#define EVENT_KIND	0x80000700u

/* How long the guest's physical addresses are. */
static unsigned int phys_bits(const struct machine *m)
{
	unsigned int i;

	for (i = 0; m->cpuid && i < m->cpuid->nent; i++)
		if (m->cpuid->entries[i].function == CPUID_ADDRESSES) {
			unsigned int bits = m->cpuid->entries[i].eax & 0xff;

			return bits < 32 ? 32 : bits > 52 ? 52 : bits;
		}
	return 36;
}

static void walk(struct step *s, u64 gva, struct walk *w)
{
	struct paging p = {
		.cr0 = s->sregs.cr0, .cr3 = s->sregs.cr3, .cr4 = s->sregs.cr4,
		.efer = s->sregs.efer,
	};

	walk_guest(&p, &s->machine->memory, phys_bits(s->machine), gva, w);
	walk_print(s->out, w);
}

void step_show_ept(struct step *s, u64 gpa)
{
	struct lodge_ept_walk w = { .size = sizeof(w), .gpa = gpa };

	if (ioctl(s->machine->vm_fd, LODGE_WALK_EPT, &w) < 0)
		fprintf(s->out, "  EPT of %#llx: cannot be walked\n", gpa);
	else
		walk_print_ept(s->out, &w);
}

void step_show_walk(struct step *s, u64 gva)
{
	struct walk w;

	walk(s, gva, &w);
	if (walk_arrives(&w))
		step_show_ept(s, w.gpa);
}

/* The ways of an exit that is about memory. */
static void show_memory(struct step *s)
{
	u64 qualification = vmcs_value(&s->vmcs, VMCS_QUALIFICATION);
	u32 event = vmcs_value(&s->vmcs, VMCS_EXIT_EVENT);
	struct walk w;

	if (s->reason == REASON_EXCEPTION_NMI && (event & EVENT_KIND) == EVENT_EXCEPTION &&
	    (event & 0xff) == VECTOR_PF)
		step_show_walk(s, qualification);
	if (s->reason != REASON_EPT_VIOLATION && s->reason != REASON_EPT_MISCONFIG)
		return;
	/* Bit 7: the linear address is known. */
	if (s->reason == REASON_EPT_VIOLATION && qualification & BIT_ULL(7))
		walk(s, vmcs_value(&s->vmcs, VMCS_GUEST_LINEAR), &w);
	step_show_ept(s, vmcs_value(&s->vmcs, VMCS_GUEST_PHYSICAL));
}

static void show_event(struct step *s, const char *what, u32 field)
{
	u64 event = vmcs_value(&s->vmcs, field);
	struct words w = { .len = 0 };

	if (!(event & BIT_ULL(31)))
		return;
	decode_event(&w, event);
	fprintf(s->out, "  %s: %s", what, w.text);
	if (field == VMCS_EXIT_EVENT && event & BIT_ULL(11))
		fprintf(s->out, " %#llx", vmcs_value(&s->vmcs, VMCS_EXIT_CODE));
	fputs("\n", s->out);
}

void step_show(struct step *s)
{
	u32 event = vmcs_value(&s->vmcs, VMCS_EXIT_EVENT);
	struct words w = { .len = 0 }, q = { .len = 0 };
	char text[192];

	decode_reason(&w, s->reason);
	decode_qualification(&q, s->reason, vmcs_value(&s->vmcs, VMCS_QUALIFICATION),
			     s->reason == REASON_EXCEPTION_NMI ? event : 0);
	fprintf(s->out, "\n#%llu %s%s%s\n", s->number, w.text, q.len ? ": " : "", q.text);
	disasm_at(s->cpu, &s->regs, &s->sregs, text, sizeof(text));
	fprintf(s->out, "  rip %#llx: %s\n", s->regs.rip, text);
	if (s->reason == REASON_EXCEPTION_NMI)
		show_event(s, "event", VMCS_EXIT_EVENT);
	show_event(s, "delivery cut short", VMCS_IDT_EVENT);
	step_regs_changed(s);
	show_memory(s);
}
