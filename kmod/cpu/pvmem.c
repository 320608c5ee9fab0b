// SPDX-License-Identifier: GPL-2.0
/*
 * pvmem.c - structs that a guest has the host write: clocks, stolen time.  The guest
 * chooses the address and may change or take away what is there at any time, on
 * another vCPU; so nothing is kept of it from one write to the next, every write
 * finds its slot anew, and of the guest's own contents only the version counts.
 */
#include <linux/kernel.h>
#include <linux/mm.h>

#include "../lodge.h"
#include "../mem/slots.h"
#include "pvmem.h"

static unsigned int to_page_end(gpa_t gpa, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gpa));
}

bool pvmem_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf, unsigned int len)
{
	unsigned int first = to_page_end(gpa, len);

	if (mem_write(vcpu, gpa, buf, first) != MEM_OK)
		return false;
	return first == len || mem_write(vcpu, gpa + first, buf + first, len - first) == MEM_OK;
}

bool pvmem_read(struct lodge_vm *vm, gpa_t gpa, void *buf, unsigned int len)
{
	unsigned int first = to_page_end(gpa, len);

	if (mem_read(vm, gpa, buf, first) != MEM_OK)
		return false;
	return first == len || mem_read(vm, gpa + first, buf + first, len - first) == MEM_OK;
}

/* x86 keeps the order of stores, and the compiler that of calls. */
bool pvmem_write_versioned(struct lodge_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len,
			   unsigned int version_at)
{
	u32 *version = data + version_at;
	unsigned int rest = version_at + sizeof(*version);

	if (!pvmem_read(vcpu->vm, gpa + version_at, version, sizeof(*version)))
		return false;
	*version = (*version + 1) | 1;
	if (!pvmem_write(vcpu, gpa + version_at, version, sizeof(*version)))
		return false;
	if (version_at && !pvmem_write(vcpu, gpa, data, version_at))
		return false;
	if (!pvmem_write(vcpu, gpa + rest, data + rest, len - rest))
		return false;
	++*version;
	return pvmem_write(vcpu, gpa + version_at, version, sizeof(*version));
}
