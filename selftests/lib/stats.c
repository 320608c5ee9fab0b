// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - what a device counts, by the names of KVM_GET_STATS_FD.
 */
#include "selftest.h"
#include "stats.h"

struct stats open_stats(int of)
{
	struct stats s = { .fd = xioctl(of, KVM_GET_STATS_FD, 0) };

	CHECK(s.fd >= 0);
	CHECK_EQ(pread(s.fd, &s.head, sizeof(s.head), 0), sizeof(s.head));
	return s;
}

struct kvm_stats_desc *desc_of(const struct stats *s, u32 i)
{
	size_t size = sizeof(struct kvm_stats_desc) + s->head.name_size;
	struct kvm_stats_desc *d = malloc(size);

	CHECK_EQ(pread(s->fd, d, size, s->head.desc_offset + i * size), size);
	return d;
}

long long stat_of(const struct stats *s, const char *name, u32 index)
{
	u64 value;

	for (u32 i = 0; i < s->head.num_desc; i++) {
		struct kvm_stats_desc *d = desc_of(s, i);

		if (!strcmp(d->name, name)) {
			CHECK(index < d->size);
			u64 at = s->head.data_offset + d->offset + index * 8;

			CHECK_EQ(pread(s->fd, &value, 8, at), 8);
			free(d);
			return value;
		}
		free(d);
	}
	return -1;
}
