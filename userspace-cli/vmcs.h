/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A copy of a vCPU's VMCS as LODGE_GET_VMCS gives it, and how it is shown: by the groups of
 * the SDM (volume 3C, 24.4 to 24.9), a line a field and a line a segment.
 */
#ifndef LODGE_CLI_VMCS_H
#define LODGE_CLI_VMCS_H

#include <stdio.h>

#include "cli.h"
#include "../uapi/linux/lodge.h"

/* Fields that the command uses by number: SDM volume 3D, appendix B. */
enum {
	VMCS_EPTP = 0x201a,
	VMCS_GUEST_PHYSICAL = 0x2400,
	VMCS_EXIT_REASON = 0x4402,
	VMCS_EXIT_EVENT = 0x4404,
	VMCS_EXIT_CODE = 0x4406,
	VMCS_IDT_EVENT = 0x4408,
	VMCS_EXIT_LENGTH = 0x440c,
	VMCS_QUALIFICATION = 0x6400,
	VMCS_GUEST_LINEAR = 0x640a,
};

#define VMCS_MOST_FIELDS	512

/* In memory and in files, beginning as the device writes it. */
struct vmcs {
	struct lodge_vmcs head;
	struct lodge_vmcs_field field[VMCS_MOST_FIELDS];
};

/* Of a vCPU that stands still: 0 or -errno. */
int vmcs_get(int cpu_fd, struct vmcs *v);

/* NULL: the CPU has not got it. */
const struct lodge_vmcs_field *vmcs_find(const struct vmcs *v, u32 encoding);
/* 0 if it is not there, or hidden. */
u64 vmcs_value(const struct vmcs *v, u32 encoding);

/* "guest_rip"; of a field that has none in the table "field_0x2046", into @room. */
const char *vmcs_field_name(u32 encoding, char room[24]);

/*
 * Prints all fields in groups, or what @only names: a group ("guest"), a field, or a segment
 * ("cs"). False: there is none of that name.
 */
bool vmcs_print(FILE *f, const struct vmcs *v, const char *only);
/* Those fields that differ; how many. */
unsigned int vmcs_print_changes(FILE *f, const struct vmcs *before, const struct vmcs *after);

/* An array of JSON. */
void vmcs_json(FILE *f, const struct vmcs *v);
void vmcs_json_changes(FILE *f, const struct vmcs *before, const struct vmcs *after);

#endif
