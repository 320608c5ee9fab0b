// SPDX-License-Identifier: GPL-2.0
/*
 * Guest side of the library: reports to the host, and what becomes of exceptions
 * in long mode. All of this runs in the guest only; guest_entry.S calls it.
 */
#include "internal.h"

void guest_ucall(u64 cmd, u64 a, u64 b)
{
	struct ucall uc = { .cmd = cmd, .a = a, .b = b };

	outl(UCALL_PORT, (uintptr_t)&uc);
}

void guest_end(void)
{
	for (;;)
		GUEST_DONE();
}

void guest_abort(const char *file, int line, const char *text, u64 got, u64 want)
{
	struct ucall uc = { .cmd = UCALL_ABORT, .a = got, .b = want,
		.file = (uintptr_t)file, .line = line, .text = (uintptr_t)text };

	for (;;)
		outl(UCALL_PORT, (uintptr_t)&uc);
}

void guest_exception(struct guest_frame *f)
{
	struct guest_percpu *p = guest_percpu();
	u64 cr2;

	if (f->vector == 0x80) {	/* the end of guest_user_call() */
		f->cs = SEL_CODE64;
		f->ss = SEL_DATA;
		f->rsp = p->kernel_rsp;
		f->rflags &= ~X86_EFLAGS_IOPL;
		f->rip = (uintptr_t)guest_user_back;
		return;
	}
	if (!p->resume)
		guest_abort(NULL, f->vector, NULL, f->rip, f->error);
	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	p->ex.vector = f->vector;
	p->ex.error = f->error;
	p->ex.rip = f->rip;
	p->ex.cr2 = cr2;
	f->rip = p->resume;
}
