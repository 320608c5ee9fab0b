// SPDX-License-Identifier: GPL-2.0
/*
 * flight.c - the flight recorder of a vCPU: a ring of its last exits, always written
 * (vmx/flight.h) and never waited for.  Its pages can be mapped, read-only, by whoever has
 * the descriptor that the owner asked for; they are read by nobody here but for the
 * text in debugfs, so that nothing depends on them.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <asm/tsc.h>
#include <uapi/asm/vmx.h>
#include <uapi/linux/lodge.h>

#include "compat.h"
#include "flight.h"
#include "lodge.h"
#include "vm.h"

static_assert(sizeof(struct lodge_flight) == sizeof(struct lodge_flight_record));

#define RECORDS	(LODGE_FLIGHT_BYTES / sizeof(struct lodge_flight_record) - 1)

int flight_alloc(struct lodge_vcpu *vcpu)
{
	struct lodge_flight_ring *f = &vcpu->flight;

	f->head = alloc_pages_exact(LODGE_FLIGHT_BYTES, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!f->head)
		return -ENOMEM;
	*f->head = (struct lodge_flight) {
		.size = sizeof(struct lodge_flight), .version = LODGE_VERSION,
		.record_size = sizeof(struct lodge_flight_record), .records = RECORDS,
		.vcpu = vcpu->id, .tsc_khz = tsc_khz,
	};
	f->first = (struct lodge_flight_record *)(f->head + 1);
	f->next = f->first;
	f->end = f->first + RECORDS;
	return 0;
}

/* User space may still map them: then they outlive us by its references. */
void flight_free(struct lodge_vcpu *vcpu)
{
	if (vcpu->flight.head)
		free_pages_exact(vcpu->flight.head, LODGE_FLIGHT_BYTES);
}

static vm_fault_t flight_fault(struct vm_fault *vmf)
{
	struct lodge_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= LODGE_FLIGHT_BYTES / PAGE_SIZE)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page((void *)vcpu->flight.head + vmf->pgoff * PAGE_SIZE);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct flight_vm_ops = {
	.fault = flight_fault,
};

static int flight_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* a private one would be a copy; VM_SHARED itself says that it may be written */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	compat_vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_ops = &flight_vm_ops;
	return 0;
}

static int flight_release(struct inode *inode, struct file *file)
{
	vm_put(((struct lodge_vcpu *)file->private_data)->vm);
	return 0;
}

static const struct file_operations flight_fops = {
	.owner = THIS_MODULE,
	.mmap = flight_mmap,
	.release = flight_release,
	.llseek = noop_llseek,
};

long flight_get_fd(struct lodge_vcpu *vcpu)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile("lodge-flight", &flight_fops, vcpu, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	/* what it shows lives as long as it does */
	vm_get(vcpu->vm);
	fd_install(fd, file);
	return fd;
}

static const char *reason_name(u32 reason)
{
	static const struct { u32 reason; const char *name; } names[] = { VMX_EXIT_REASONS };
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].reason == (u16)reason)
			return names[i].name;
	return "?";
}

static void show_record(struct seq_file *m, const struct lodge_flight_record *r)
{
	seq_printf(m, "%llu %llu cpu %u rip %llx cr3 %llx ", r->entered, r->left, r->cpu, r->rip,
		   r->cr3);
	if (r->event)
		seq_printf(m, "in %x ", r->event);
	if (r->flags & LODGE_FLIGHT_VMFAIL) {
		seq_printf(m, "VMFAIL %llu\n", r->qualification);
		return;
	}
	seq_printf(m, "%s%s %llx", reason_name(r->reason),
		   r->reason & VMX_EXIT_REASONS_FAILED_VMENTRY ? " FAILED_VMENTRY" : "",
		   r->qualification);
	if (r->gpa)
		seq_printf(m, " gpa %llx", r->gpa);
	seq_putc(m, '\n');
}

/* The oldest first; a vCPU that runs may overtake the reader, and then it is cut short. */
int flight_show(struct seq_file *m, void *unused)
{
	const struct lodge_vcpu *vcpu = m->private;
	const struct lodge_flight *head = vcpu->flight.head;
	struct lodge_flight_record r;
	u64 end, at;

	/* pairs with the release in flight_exit(): records are whole up to here */
	end = smp_load_acquire(&head->count);
	at = end > RECORDS ? end - RECORDS : 0;

	for (; at < end; at++) {
		r = vcpu->flight.first[at % RECORDS];
		/* likewise: copied, and only then looked whether it still was this one */
		smp_rmb();
		/* the one that is being written is the oldest of the ring */
		if (READ_ONCE(head->count) < at + RECORDS)
			show_record(m, &r);
	}
	return 0;
}
