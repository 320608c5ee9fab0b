// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - what lodge counts, as files in KVM's binary format: a head, a name, one
 * descriptor for each value and then the values, all in one piece that a client may
 * read from any offset.  Counters that mean the same as KVM's have KVM's names; the
 * others, and what each one is, stand in Documentation/api.rst.  The same as text is in
 * debugfs, for people: Documentation/tracing.rst.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <asm/tsc.h>
#include <uapi/asm/vmx.h>

#include "flight.h"
#include "lodge.h"
#include "stats.h"
#include "vm.h"

#define NAME_SIZE	48

struct stat_row {
	const char *name;
	u32 flags;
	s16 exponent;
	u16 count;
	u32 bucket;
	u32 offset;		/* in the struct that is copied */
};

#define ROW(_name, _flags, _exp, _count, _bucket, _struct, _member)	\
	{ #_name, _flags, _exp, _count, _bucket, offsetof(_struct, _member) }
#define COUNTER(name, member)	\
	ROW(name, KVM_STATS_TYPE_CUMULATIVE, 0, 1, 0, struct lodge_vcpu_stats, member)
#define NANOSECONDS(name, member)	\
	ROW(name, KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, -9, 1, 0, \
	    struct lodge_vcpu_stats, member)
#define LOG2_NS(name, member)	\
	ROW(name, KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS, -9, STAT_LOG2_BUCKETS, 0, \
	    struct lodge_vcpu_stats, member)
#define BY_NUMBER(name, member, count)	\
	ROW(name, KVM_STATS_TYPE_LINEAR_HIST, 0, count, 1, struct lodge_vcpu_stats, member)
#define BOOLEAN(name, member)	\
	ROW(name, KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BOOLEAN, 0, 1, 0, \
	    struct lodge_vcpu_stats, member)

static const struct stat_row vcpu_stats[] = {
	COUNTER(halt_successful_poll, polls_hit),
	COUNTER(halt_attempted_poll, polls),
	COUNTER(halt_wakeup, wakeups),
	NANOSECONDS(halt_poll_success_ns, poll_hit_ns),
	NANOSECONDS(halt_poll_fail_ns, poll_miss_ns),
	NANOSECONDS(halt_wait_ns, sleep_ns),
	LOG2_NS(halt_poll_success_hist, poll_hit_hist),
	LOG2_NS(halt_poll_fail_hist, poll_miss_hist),
	LOG2_NS(halt_wait_hist, sleep_hist),
	BOOLEAN(blocking, sleeping),
	COUNTER(pf_taken, exits[EXIT_REASON_EPT_VIOLATION]),
	COUNTER(pf_fixed, faults_fixed),
	COUNTER(tlb_flush, tlb_flushes),
	COUNTER(exits, all_exits),
	COUNTER(io_exits, to_user[KVM_EXIT_IO]),
	COUNTER(mmio_exits, to_user[KVM_EXIT_MMIO]),
	COUNTER(signal_exits, to_user[KVM_EXIT_INTR]),
	COUNTER(irq_window_exits, exits[EXIT_REASON_INTERRUPT_WINDOW]),
	COUNTER(nmi_window_exits, exits[EXIT_REASON_NMI_WINDOW]),
	COUNTER(halt_exits, exits[EXIT_REASON_HLT]),
	COUNTER(request_irq_exits, to_user[KVM_EXIT_IRQ_WINDOW_OPEN]),
	COUNTER(irq_exits, exits[EXIT_REASON_EXTERNAL_INTERRUPT]),
	COUNTER(insn_emulation, emulated),
	COUNTER(insn_emulation_fail, emulated_fail),
	COUNTER(hypercalls, exits[EXIT_REASON_VMCALL]),
	COUNTER(irq_injections, events[EVENT_IRQ]),
	COUNTER(nmi_injections, events[EVENT_NMI]),
	COUNTER(exception_injections, events[EVENT_EXCEPTION]),
	COUNTER(directed_yield_attempted, yields),
	COUNTER(directed_yield_successful, yields_done),
	COUNTER(preemption_reported, preemptions_told),
	BY_NUMBER(exits_by_reason, exits, STAT_EXIT_REASONS),
	COUNTER(vmcs_reads, vmcs_reads),
	COUNTER(vmcs_writes, vmcs_writes),
	ROW(host_ns_by_reason, KVM_STATS_TYPE_LINEAR_HIST | KVM_STATS_UNIT_SECONDS, -9,
	    STAT_EXIT_REASONS, 1, struct lodge_vcpu_stats, host_ticks),
	BY_NUMBER(user_exits_by_reason, to_user, STAT_USER_REASONS),
};

/* Of a machine; gathered when they are read. */
struct vm_snapshot {
	u64 tlb_flushes, vcpus, pages[3], nx_splits;
};

static void gather_vm(const struct lodge_vm *vm, struct vm_snapshot *now)
{
	*now = (struct vm_snapshot) {
		/* it begins with 1 */
		.tlb_flushes = atomic64_read(&vm->ept_gen) - 1,
		.vcpus = READ_ONCE(vm->nr_vcpus),
		.nx_splits = READ_ONCE(vm->nx_splits),
		.pages = { vm->ept_pages[0], vm->ept_pages[1], vm->ept_pages[2] },
	};
}

static void gather_vcpu(const struct lodge_vcpu *vcpu, struct lodge_vcpu_stats *now)
{
	int i;

	*now = vcpu->stats;
	for (i = 0; i < STAT_EXIT_REASONS; i++) {
		now->all_exits += now->exits[i];
		/* in nanoseconds for the reader */
		now->host_ticks[i] = mul_u64_u64_div_u64(now->host_ticks[i], NSEC_PER_MSEC,
							 tsc_khz);
	}
}

static const struct stat_row vm_stats[] = {
	ROW(remote_tlb_flush, KVM_STATS_TYPE_CUMULATIVE, 0, 1, 0, struct vm_snapshot, tlb_flushes),
	ROW(pages_4k, KVM_STATS_TYPE_INSTANT, 0, 1, 0, struct vm_snapshot, pages[0]),
	ROW(pages_2m, KVM_STATS_TYPE_INSTANT, 0, 1, 0, struct vm_snapshot, pages[1]),
	ROW(pages_1g, KVM_STATS_TYPE_INSTANT, 0, 1, 0, struct vm_snapshot, pages[2]),
	ROW(nx_lpage_splits, KVM_STATS_TYPE_INSTANT, 0, 1, 0, struct vm_snapshot, nx_splits),
	ROW(vcpus, KVM_STATS_TYPE_INSTANT, 0, 1, 0, struct vm_snapshot, vcpus),
};

/* ---- the file, as it is at one moment ------------------------------------------- */

/* A kvm_stats_desc whose name has its room. */
struct stat_desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[NAME_SIZE];
};

static_assert(offsetof(struct stat_desc, name) == offsetof(struct kvm_stats_desc, name));

struct stat_file {
	struct kvm_stats_header head;
	char id[NAME_SIZE];
	struct stat_desc desc[];	/* then the values */
};

static size_t total_size(const struct stat_row *rows, int count)
{
	size_t size = struct_size((struct stat_file *)NULL, desc, count);
	int i;

	for (i = 0; i < count; i++)
		size += rows[i].count * sizeof(u64);
	return size;
}

static void describe(struct stat_file *f, const struct stat_row *rows, int count,
		     const void *from)
{
	u32 data = struct_size(f, desc, count), at = 0;
	int i;

	f->head = (struct kvm_stats_header) {
		.name_size = NAME_SIZE, .num_desc = count,
		.id_offset = offsetof(struct stat_file, id),
		.desc_offset = offsetof(struct stat_file, desc),
		.data_offset = data,
	};
	for (i = 0; i < count; i++) {
		f->desc[i] = (struct stat_desc) {
			.flags = rows[i].flags, .exponent = rows[i].exponent,
			.size = rows[i].count, .offset = at, .bucket_size = rows[i].bucket,
		};
		strscpy(f->desc[i].name, rows[i].name, NAME_SIZE);
		memcpy((void *)f + data + at, from + rows[i].offset, rows[i].count * sizeof(u64));
		at += rows[i].count * sizeof(u64);
	}
}

static ssize_t read_file(char __user *buf, size_t len, loff_t *pos, struct stat_file *f,
			 size_t size)
{
	ssize_t ret = simple_read_from_buffer(buf, len, pos, f, size);

	kvfree(f);
	return ret;
}

static ssize_t vcpu_stats_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	const struct lodge_vcpu *vcpu = file->private_data;
	size_t size = total_size(vcpu_stats, ARRAY_SIZE(vcpu_stats));
	struct stat_file *f = kvzalloc(size + sizeof(vcpu->stats), GFP_KERNEL_ACCOUNT);
	struct lodge_vcpu_stats *now = (void *)f + size;

	if (!f)
		return -ENOMEM;
	gather_vcpu(vcpu, now);
	describe(f, vcpu_stats, ARRAY_SIZE(vcpu_stats), now);
	snprintf(f->id, NAME_SIZE, "kvm-%d/vcpu-%d", vcpu->vm->creator, vcpu->id);
	return read_file(buf, len, pos, f, size);
}

static ssize_t vm_stats_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	const struct lodge_vm *vm = file->private_data;
	struct vm_snapshot now;
	size_t size = total_size(vm_stats, ARRAY_SIZE(vm_stats));
	struct stat_file *f = kvzalloc(size, GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	gather_vm(vm, &now);
	describe(f, vm_stats, ARRAY_SIZE(vm_stats), &now);
	snprintf(f->id, NAME_SIZE, "kvm-%d", vm->creator);
	return read_file(buf, len, pos, f, size);
}

static int vcpu_stats_release(struct inode *inode, struct file *file)
{
	vm_put(((struct lodge_vcpu *)file->private_data)->vm);
	return 0;
}

static int vm_stats_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static const struct file_operations vcpu_stats_fops = {
	.owner = THIS_MODULE,
	.read = vcpu_stats_read,
	.release = vcpu_stats_release,
	.llseek = noop_llseek,
};

static const struct file_operations vm_stats_fops = {
	.owner = THIS_MODULE,
	.read = vm_stats_read,
	.release = vm_stats_release,
	.llseek = noop_llseek,
};

static long open_stats(const char *name, const struct file_operations *fops, void *object,
		       struct lodge_vm *vm)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, object, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	/* what it reads lives as long as it does */
	vm_get(vm);
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}

long vcpu_ioctl_get_stats_fd(void *object, unsigned long unused)
{
	struct lodge_vcpu *vcpu = object;

	return open_stats("lodge-vcpu-stats", &vcpu_stats_fops, vcpu, vcpu->vm);
}

long vm_ioctl_get_stats_fd(void *object, unsigned long unused)
{
	return open_stats("lodge-vm-stats", &vm_stats_fops, object, object);
}

/* ---- as text, in debugfs --------------------------------------------------------- */

static struct dentry *root;

/* One line for each value; of those that have many, for each that is not 0. */
static void print_rows(struct seq_file *m, const struct stat_row *rows, int count,
		       const void *from)
{
	const u64 *value;
	int i, j;

	for (i = 0; i < count; i++) {
		value = from + rows[i].offset;
		if (rows[i].count == 1)
			seq_printf(m, "%s %llu\n", rows[i].name, *value);
		for (j = 0; rows[i].count > 1 && j < rows[i].count; j++)
			if (value[j])
				seq_printf(m, "%s[%d] %llu\n", rows[i].name, j, value[j]);
	}
}

static int vm_text_show(struct seq_file *m, void *unused)
{
	struct vm_snapshot now;

	gather_vm(m->private, &now);
	print_rows(m, vm_stats, ARRAY_SIZE(vm_stats), &now);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_text);

static int vcpu_text_show(struct seq_file *m, void *unused)
{
	struct lodge_vcpu_stats *now = kmalloc(sizeof(*now), GFP_KERNEL);

	if (!now)
		return -ENOMEM;
	gather_vcpu(m->private, now);
	print_rows(m, vcpu_stats, ARRAY_SIZE(vcpu_stats), now);
	kfree(now);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpu_text);

static int exits_show(struct seq_file *m, void *unused)
{
	static const struct { unsigned int reason; const char *name; } names[] = {
		VMX_EXIT_REASONS
	};
	const struct lodge_vcpu *vcpu = m->private;
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].reason < STAT_EXIT_REASONS && vcpu->stats.exits[names[i].reason])
			seq_printf(m, "%-24s %llu\n", names[i].name,
				   vcpu->stats.exits[names[i].reason]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits);
DEFINE_SHOW_ATTRIBUTE(flight);

int stats_init(void)
{
	root = debugfs_create_dir("lodge", NULL);
	return 0;
}

void stats_exit(void)
{
	debugfs_remove(root);
}

/* Nobody is told when a folder cannot be made: then there is none. */
void stats_add_vm(struct lodge_vm *vm, int fd)
{
	struct dentry *old;
	char name[32];

	snprintf(name, sizeof(name), "%d-%d", vm->creator, fd);
	/* an earlier machine whose descriptor is closed may live on by its vCPUs */
	old = debugfs_lookup(name, root);
	dput(old);
	vm->debugfs = old ? ERR_PTR(-EEXIST) : debugfs_create_dir(name, root);
	debugfs_create_file("stats", 0444, vm->debugfs, vm, &vm_text_fops);
}

void stats_add_vcpu(struct lodge_vcpu *vcpu)
{
	struct dentry *dir;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%d", vcpu->id);
	dir = debugfs_create_dir(name, vcpu->vm->debugfs);
	debugfs_create_file("stats", 0444, dir, vcpu, &vcpu_text_fops);
	debugfs_create_file("exits", 0444, dir, vcpu, &exits_fops);
	debugfs_create_file("flight", 0444, dir, vcpu, &flight_fops);
}
