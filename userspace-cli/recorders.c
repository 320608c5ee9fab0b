// SPDX-License-Identifier: GPL-2.0
/* The descriptors of recorders.h, asked for and given back. */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "files.h"
#include "machine.h"
#include "recorders.h"

/* A device that is not lodge has no flight recorder, and an old one no statistics. */
static int ask(int fd, unsigned long what)
{
	int got = ioctl(fd, what, 0);

	return got < 0 ? -1 : got;
}

struct recorders *recorders_create(const struct machine *m)
{
	struct recorders *r = calloc(1, sizeof(*r) + m->nr_cpus * sizeof(r->cpu[0]));
	unsigned int i;

	if (!r)
		return NULL;
	r->nr = m->nr_cpus;
	r->stats_fd = ask(m->vm_fd, KVM_GET_STATS_FD);
	for (i = 0; i < r->nr; i++) {
		struct recorder *cpu = &r->cpu[i];

		cpu->stats_fd = ask(m->cpus[i].fd, KVM_GET_STATS_FD);
		cpu->flight_fd = ask(m->cpus[i].fd, LODGE_GET_FLIGHT_FD);
		if (cpu->flight_fd >= 0 && flight_map(&cpu->flight, cpu->flight_fd))
			close_fd(&cpu->flight_fd);
	}
	return r;
}

void recorders_free(struct recorders *r)
{
	unsigned int i;

	if (!r)
		return;
	for (i = 0; i < r->nr; i++) {
		flight_unmap(&r->cpu[i].flight);
		close_fd(&r->cpu[i].flight_fd);
		close_fd(&r->cpu[i].stats_fd);
	}
	close_fd(&r->stats_fd);
	free(r);
}
