/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a VMCS says, in words: exit qualifications (SDM volume 3C, 27.2.1), events, access
 * rights, control words and the other fields whose bits mean something. Nothing here asks a
 * device; any value can be given.
 */
#ifndef LODGE_CLI_DECODE_H
#define LODGE_CLI_DECODE_H

#include "cli.h"

/* A text that grows up to its end; what does not fit is left out. */
struct words {
	char text[1024];
	size_t len;
};

void __printf(2, 3) words_add(struct words *w, const char *fmt, ...);

/*
 * The qualification of an exit for @reason (flags of it are looked at). @event is the
 * VM-exit interruption information, 0 where it is not known. Empty if it has no meaning.
 */
void decode_qualification(struct words *w, u32 reason, u64 qualification, u32 event);

/* Interruption information of entries and exits, IDT-vectoring information. */
void decode_event(struct words *w, u32 info);

/* A segment's access rights in the VMCS. */
void decode_rights(struct words *w, u32 rights);

/* "EPT_VIOLATION", "INVALID_STATE, the entry failed" ... */
void decode_reason(struct words *w, u32 reason);

/* The value of the VMCS field @encoding; empty if there is nothing to be said about it. */
void decode_field(struct words *w, u32 encoding, u64 value);

#endif
