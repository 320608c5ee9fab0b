/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fields.h - every field of a VMCS by number, group and name, and a copy of one
 * VMCS (SDM vol. 3C 24 and appendix B).  A field is named as the SDM names it,
 * in lower case and short: words joined by underscores, first whose state it is,
 * as in guest_cs_access_rights, so that the name is also a plain key of JSON.
 * Upper halves of 64-bit fields are no fields of their own.  Pure: it also
 * builds in user space.
 */
#ifndef LODGE_VMX_FIELDS_H
#define LODGE_VMX_FIELDS_H

#include <linux/types.h>

/* Fields that the kernels' <asm/vmx.h> do not have, or not all of them. */
enum {
	FIELD_EPTP_INDEX		= 0x0004,
	FIELD_HLAT_PREFIX_SIZE		= 0x0006,
	FIELD_GUEST_UINV		= 0x0814,
	FIELD_EXECUTIVE_VMCS		= 0x200c,
	FIELD_VE_INFORMATION		= 0x202a,
	FIELD_SPP_TABLE			= 0x2030,
	FIELD_ENCLV_EXIT_BITMAP		= 0x2036,
	FIELD_LOW_PASID_DIRECTORY	= 0x2038,
	FIELD_HIGH_PASID_DIRECTORY	= 0x203a,
	FIELD_SHARED_EPTP		= 0x203c,
	FIELD_PCONFIG_EXIT_BITMAP	= 0x203e,
	FIELD_HLAT_POINTER		= 0x2040,
	FIELD_EXIT_CONTROLS2		= 0x2044,
	FIELD_SPEC_CTRL_MASK		= 0x204a,
	FIELD_SPEC_CTRL_SHADOW		= 0x204c,
	FIELD_GUEST_LBR_CTL		= 0x2816,
	FIELD_GUEST_PKRS		= 0x2818,
	FIELD_HOST_PKRS			= 0x2c06,
	FIELD_GUEST_SMBASE		= 0x4828,
	FIELD_IO_RCX			= 0x6402,
	FIELD_IO_RSI			= 0x6404,
	FIELD_IO_RDI			= 0x6406,
	FIELD_IO_RIP			= 0x6408,
	FIELD_GUEST_S_CET		= 0x6828,
	FIELD_GUEST_SSP			= 0x682a,
	FIELD_GUEST_SSP_TABLE		= 0x682c,
	FIELD_HOST_S_CET		= 0x6c18,
	FIELD_HOST_SSP			= 0x6c1a,
	FIELD_HOST_SSP_TABLE		= 0x6c1c,
};

enum vmcs_group {
	VMCS_GUEST,		/* guest-state area */
	VMCS_HOST,		/* host-state area */
	VMCS_EXECUTION,		/* VM-execution control fields */
	VMCS_EXIT,		/* VM-exit control fields */
	VMCS_ENTRY,		/* VM-entry control fields */
	VMCS_INFORMATION,	/* VM-exit information fields: read-only */
};

struct vmcs_field_info {
	u16 encoding;
	u8 group;
	const char *name;
};

#define VMCS_FIELDS 181

/* In the order of their encodings. */
extern const struct vmcs_field_info vmcs_fields[VMCS_FIELDS];

/* Where in vmcs_fields[] a field is, or -1. */
int vmcs_field_index(u32 encoding);

/* A copy of one VMCS, by index of vmcs_fields[]. */
struct vmcs_image {
	u64 value[VMCS_FIELDS];
	u64 present[(VMCS_FIELDS + 63) / 64];	/* bit by bit: the CPU has this field */
};

static inline bool vmcs_image_has(const struct vmcs_image *image, unsigned int index)
{
	return index < VMCS_FIELDS && (image->present[index / 64] >> index % 64 & 1);
}

static inline void vmcs_image_put(struct vmcs_image *image, unsigned int index, u64 value)
{
	if (index >= VMCS_FIELDS)
		return;
	image->value[index] = value;
	image->present[index / 64] |= 1ull << index % 64;
}

/* The value of a field by its encoding, 0 if the CPU does not have it. */
u64 vmcs_image_get(const struct vmcs_image *image, u32 encoding);

#endif
