// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the binary files of statistics, whose layout is that of <linux/kvm.h>: a head, a
 * descriptor for each name, the values. Whatever they say of places and sizes is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "counts.h"

/* lodge's is below 8 KiB. */
#define FILE_MOST	(64 * KIB)
#define NAME_MOST	256

/* What other devices count for want of exits by reason. */
static const char * const kvm_names[] = {
	"io_exits", "mmio_exits", "halt_exits", "irq_exits", "signal_exits",
	"irq_window_exits", "nmi_window_exits", "request_irq_exits",
};

struct source {
	const u8 *file;
	size_t size;
	struct kvm_stats_header head;
};

static bool open_source(struct source *s, const void *file, size_t size)
{
	*s = (struct source){ .file = file, .size = size };
	if (size < sizeof(s->head))
		return false;
	memcpy(&s->head, file, sizeof(s->head));
	return s->head.name_size && s->head.name_size <= NAME_MOST && s->head.desc_offset <= size &&
	       s->head.num_desc <= (size - s->head.desc_offset) /
				   (sizeof(struct kvm_stats_desc) + s->head.name_size);
}

/* The values of that name, no more than @room: how many there are, 0 if there is no such. */
static unsigned int find(const struct source *s, const char *name, u64 *to, unsigned int room)
{
	size_t step = sizeof(struct kvm_stats_desc) + s->head.name_size;
	const u8 *at = s->file + s->head.desc_offset;
	struct kvm_stats_desc desc;
	unsigned int i, n;
	u64 from;

	for (i = 0; i < s->head.num_desc; i++, at += step) {
		const char *have = (const char *)at + sizeof(desc);

		if (strnlen(have, s->head.name_size) != strlen(name) ||
		    strncmp(have, name, s->head.name_size))
			continue;
		memcpy(&desc, at, sizeof(desc));
		n = desc.size < room ? desc.size : room;
		from = (u64)s->head.data_offset + desc.offset;
		if (from > s->size || n * sizeof(u64) > s->size - from)
			return 0;
		memcpy(to, s->file + from, n * sizeof(u64));
		return n;
	}
	return 0;
}

bool counts_parse(const void *file, size_t size, struct counts *c)
{
	u64 to_user[64] = { 0 };
	struct source s;
	unsigned int i;

	memset(c, 0, sizeof(*c));
	if (!open_source(&s, file, size))
		return false;
	find(&s, "exits", &c->all_exits, 1);
	find(&s, "halt_exits", &c->halts, 1);
	c->by_reason = find(&s, "exits_by_reason", c->exits, FLIGHT_REASONS);
	if (!c->by_reason) {
		for (i = 0; i < ARRAY_SIZE(kvm_names); i++)
			find(&s, kvm_names[i], &c->exits[i], 1);
		return true;
	}
	find(&s, "host_ns_by_reason", c->host_ns, FLIGHT_REASONS);
	find(&s, "user_exits_by_reason", to_user, ARRAY_SIZE(to_user));
	for (i = 0; i < ARRAY_SIZE(to_user); i++)
		c->to_command += to_user[i];
	return true;
}

int counts_read(int fd, struct counts *c)
{
	u8 *file = malloc(FILE_MOST);
	size_t size = 0;
	int error = 0;
	ssize_t n;

	if (!file)
		return -ENOMEM;
	do {
		n = pread(fd, file + size, FILE_MOST - size, size);
		if (n > 0)
			size += n;
		else if (n < 0 && errno != EINTR)
			error = -errno;
	} while (n && !error && size < FILE_MOST);
	if (!error && !counts_parse(file, size, c))
		error = -EPROTO;
	free(file);
	return error;
}

/* ---- arithmetic ------------------------------------------------------------------ */

void counts_add(struct counts *sum, const struct counts *c)
{
	unsigned int i;

	sum->by_reason |= c->by_reason;
	for (i = 0; i < FLIGHT_REASONS; i++) {
		sum->exits[i] += c->exits[i];
		sum->host_ns[i] += c->host_ns[i];
	}
	sum->all_exits += c->all_exits;
	sum->to_command += c->to_command;
	sum->halts += c->halts;
}

/* What is less than it was has been set back. */
static u64 less(u64 now, u64 before)
{
	return now > before ? now - before : 0;
}

void counts_subtract(struct counts *now, const struct counts *before)
{
	unsigned int i;

	for (i = 0; i < FLIGHT_REASONS; i++) {
		now->exits[i] = less(now->exits[i], before->exits[i]);
		now->host_ns[i] = less(now->host_ns[i], before->host_ns[i]);
	}
	now->all_exits = less(now->all_exits, before->all_exits);
	now->to_command = less(now->to_command, before->to_command);
	now->halts = less(now->halts, before->halts);
}

const char *counts_name(const struct counts *c, unsigned int i, char number[16])
{
	if (c->by_reason)
		return i < FLIGHT_REASONS ? flight_reason_name(i, number) : NULL;
	return i < ARRAY_SIZE(kvm_names) ? kvm_names[i] : NULL;
}

u64 counts_host_ns(const struct counts *c)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < FLIGHT_REASONS; i++)
		sum += c->host_ns[i];
	return sum;
}

unsigned int counts_order(const struct counts *c, u8 order[FLIGHT_REASONS])
{
	unsigned int i, j, n = 0;

	for (i = 0; i < FLIGHT_REASONS; i++) {
		if (!c->exits[i])
			continue;
		for (j = n++; j && c->exits[order[j - 1]] < c->exits[i]; j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	return n;
}
