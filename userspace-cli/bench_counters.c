// SPDX-License-Identifier: GPL-2.0
/*
 * Reads KVM's binary statistics. What is in such a file is the device's: sizes and offsets
 * are judged before they are used.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench_counters.h"
#include "files.h"

#define MOST_DESCRIPTORS	512
#define MOST_VALUES		512
#define REASONS_NAME		"exits_by_reason"

static bool read_at(int fd, void *to, size_t len, u64 at)
{
	return pread(fd, to, len, at) == (ssize_t)len;
}

/* ---- one descriptor ----------------------------------------------------------------- */

static bool add_reasons(struct counters *c, const u64 *value, unsigned int nr)
{
	unsigned int i, to;

	c->has_reasons = true;
	for (i = 0; i < nr; i++) {
		to = i < COUNTER_REASONS ? i : COUNTER_REASONS - 1;
		c->reason[to] += value[i];
	}
	return true;
}

static bool add_counter(struct counters *c, const char *name, u64 value)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (!strcmp(c->row[i].name, name))
			break;
	if (i == ARRAY_SIZE(c->row))
		return false;
	if (i == c->nr)
		strcpy(c->row[c->nr++].name, name);
	c->row[i].value += value;
	return true;
}

static bool add_described(struct counters *c, int fd, const struct kvm_stats_header *head,
			  const struct kvm_stats_desc *desc, const char *name)
{
	u32 type = desc->flags & KVM_STATS_TYPE_MASK, unit = desc->flags & KVM_STATS_UNIT_MASK;
	bool reasons = type == KVM_STATS_TYPE_LINEAR_HIST && !strcmp(name, REASONS_NAME);
	u64 value[MOST_VALUES];

	if (!reasons && (type != KVM_STATS_TYPE_CUMULATIVE || unit || desc->size != 1))
		return true;
	if (!desc->size || desc->size > MOST_VALUES ||
	    !read_at(fd, value, desc->size * sizeof(u64), (u64)head->data_offset + desc->offset))
		return false;
	return reasons ? add_reasons(c, value, desc->size) : add_counter(c, name, value[0]);
}

/* ---- a file, and a machine ------------------------------------------------------------ */

bool counters_add(struct counters *c, int fd)
{
	union {
		struct kvm_stats_desc desc;
		char room[sizeof(struct kvm_stats_desc) + COUNTER_NAME];
	} d;
	struct kvm_stats_header head;
	unsigned int i;
	size_t size;

	if (!read_at(fd, &head, sizeof(head), 0) || head.num_desc > MOST_DESCRIPTORS ||
	    !head.name_size || head.name_size > COUNTER_NAME)
		return false;
	size = sizeof(d.desc) + head.name_size;
	for (i = 0; i < head.num_desc; i++) {
		if (!read_at(fd, &d, size, head.desc_offset + i * (u64)size))
			return false;
		d.room[size - 1] = '\0';
		if (!add_described(c, fd, &head, &d.desc, d.room + sizeof(d.desc)))
			return false;
	}
	return true;
}

void counters_open(struct counter_files *files, const struct machine *m)
{
	bool there = device_cap(&m->device, KVM_CAP_BINARY_STATS_FD);
	unsigned int i;

	files->vm_fd = there ? ioctl(m->vm_fd, KVM_GET_STATS_FD, 0) : -1;
	files->nr_cpus = m->nr_cpus;
	for (i = 0; i < m->nr_cpus; i++)
		files->cpu_fd[i] = there ? ioctl(m->cpus[i].fd, KVM_GET_STATS_FD, 0) : -1;
}

bool counters_read(struct counters *c, const struct counter_files *files)
{
	bool ok = files->vm_fd < 0 || counters_add(c, files->vm_fd);
	unsigned int i;

	for (i = 0; i < files->nr_cpus; i++)
		if (files->cpu_fd[i] >= 0)
			ok = counters_add(c, files->cpu_fd[i]) && ok;
	return ok;
}

void counters_close(struct counter_files *files)
{
	unsigned int i;

	close_fd(&files->vm_fd);
	for (i = 0; i < files->nr_cpus; i++)
		close_fd(&files->cpu_fd[i]);
}
