/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmcsview.h - what a vCPU's owner is shown of its VMCS and of an entry that failed, for
 * the tests of that: LODGE_GET_VMCS and LODGE_GET_ENTRY_FAILURE with room for all.
 */
#ifndef LODGE_HOST_VMCSVIEW_H
#define LODGE_HOST_VMCSVIEW_H

#include "../../uapi/linux/lodge.h"

#include "selftest.h"

#define MAX_FIELDS	512

struct dump {
	struct lodge_vmcs head;
	struct lodge_vmcs_field field[MAX_FIELDS];
};

struct failure {
	struct lodge_entry_failure head;
	struct lodge_entry_finding finding[LODGE_MAX_FINDINGS];
};

static inline void get_vmcs(struct vcpu *vcpu, struct dump *d)
{
	memset(d, 0, sizeof(*d));
	d->head.size = sizeof(d->head);
	d->head.fields = MAX_FIELDS;
	CHECK_EQ(xioctl(vcpu->fd, LODGE_GET_VMCS, (uintptr_t)d), 0);
	CHECK(d->head.fields > 100 && d->head.fields <= MAX_FIELDS);
}

static inline const struct lodge_vmcs_field *find_field(const struct dump *d, u32 encoding)
{
	for (u32 i = 0; i < d->head.fields; i++)
		if (d->field[i].encoding == encoding)
			return &d->field[i];
	return NULL;
}

/* 0, or -ENOENT where no entry has failed yet. */
static inline int get_failure(struct vcpu *vcpu, struct failure *f)
{
	memset(f, 0, sizeof(*f));
	f->head.size = sizeof(f->head);
	f->head.findings = LODGE_MAX_FINDINGS;
	return xioctl(vcpu->fd, LODGE_GET_ENTRY_FAILURE, (uintptr_t)f);
}

#endif
