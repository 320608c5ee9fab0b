/* SPDX-License-Identifier: GPL-2.0 */
/*
 * leak.h - how much kernel memory is in use, for tests that repeat something
 * and want to find what every repetition leaves behind: pages, vmalloc areas,
 * and the objects of each slab cache, by name.
 */
#ifndef LEAK_H
#define LEAK_H

#include <dirent.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "selftest.h"

#define LEAK_CACHES	512

struct leak_mark {
	long free_kb, vmalloc_kb, percpu_kb, vmallocs;
	int nr_caches;
	struct {
		char name[40];
		long objs;
	} cache[LEAK_CACHES];
};

/* Objects on per-CPU lists count as used: have them put back. */
static void leak_settle(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *d;
	char path[320];

	/* What is freed after a grace period may free more after the next. */
	for (int i = 0; i < 3; i++)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	write_text("/proc/sys/vm/drop_caches", "3\n");
	for (int i = 0; i < 3; i++)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || d->d_type == DT_LNK)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", d->d_name);
		write_text(path, "1\n");
	}
	if (dir)
		closedir(dir);
	write_text("/proc/sys/vm/compact_memory", "1\n");	/* drains LRU batches */
	write_text("/proc/sys/vm/stat_refresh", "1\n");
}

static long leak_meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			kb = atol(line + strlen(name) + 1);
	fclose(f);
	CHECK(kb >= 0);
	return kb;
}

/* Free pages on per-CPU lists, of which MemFree knows nothing. */
static long leak_percpu_free(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	char line[256];
	long pages = 0, n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	if (f)
		fclose(f);
	return pages * 4;
}

static void leak_slabinfo(struct leak_mark *m)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[512];

	m->nr_caches = 0;
	while (f && m->nr_caches < LEAK_CACHES && fgets(line, sizeof(line), f))
		if (sscanf(line, "%39s %ld", m->cache[m->nr_caches].name,
			   &m->cache[m->nr_caches].objs) == 2)
			m->nr_caches++;
	if (f)
		fclose(f);
}

static long leak_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	long n = 0;
	int c;

	if (!f)
		return 0;
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void leak_mark(struct leak_mark *m)
{
	leak_settle();
	m->free_kb = leak_meminfo("MemFree") + leak_percpu_free();
	m->vmalloc_kb = leak_meminfo("VmallocUsed");
	m->percpu_kb = leak_meminfo("Percpu");
	m->vmallocs = leak_lines("/proc/vmallocinfo");
	leak_slabinfo(m);
}

/* What a series of repetitions has lost, by name. */
struct leak_list {
	int nr;
	struct {
		char name[48];
		long n;
	} item[LEAK_CACHES + 2];
};

static bool leak_listed(const struct leak_list *l, const char *name)
{
	for (int i = 0; i < l->nr; i++)
		if (!strcmp(l->item[i].name, name))
			return true;
	return false;
}

static void leak_put(struct leak_list *l, const char *name, long n, long least)
{
	if (n <= least)
		return;
	snprintf(l->item[l->nr].name, sizeof(l->item[0].name), "%s", name);
	l->item[l->nr++].n = n;
}

static long leak_objects(const struct leak_mark *m, const char *cache)
{
	for (int i = 0; i < m->nr_caches; i++)
		if (!strcmp(m->cache[i].name, cache))
			return m->cache[i].objs;
	return 0;
}

/* All of which more than @least is gone between the two marks. */
static void leak_compare(const struct leak_mark *old, const struct leak_mark *new,
			 long least, struct leak_list *l)
{
	l->nr = 0;
	if (!kernel_is_debugging())
		leak_put(l, "pages", (old->free_kb - new->free_kb) / 4, least);
	leak_put(l, "vmalloc areas", new->vmallocs - old->vmallocs, least);
	for (int i = 0; i < new->nr_caches; i++) {
		const char *name = new->cache[i].name;

		leak_put(l, name, new->cache[i].objs - leak_objects(old, name), least);
	}
}

/*
 * Calls @fn @rounds times, which makes and frees @each things a time, and fails
 * if half of them, or more, have lost a page, a vmalloc area or an object of one
 * slab cache. Caches that grow to a limit, and slabs that count as full while a
 * CPU holds them, make a series lose something now and then: it is a leak if all
 * of three series lose the same.
 */
static void leak_test(void (*fn)(void *arg), void *arg, long rounds, long each)
{
	static struct leak_mark old, new;
	static struct leak_list lost, again;

	for (int i = 0; i < rounds / 5 + 1; i++)
		fn(arg);
	leak_mark(&new);
	for (int series = 0; series < 3; series++) {
		old = new;
		for (int i = 0; i < rounds; i++)
			fn(arg);
		leak_mark(&new);
		test_diag("%ld rounds: free %+ld kB, vmalloc %+ld kB in %+ld, per-CPU %+ld kB",
			  rounds, new.free_kb - old.free_kb,
			  new.vmalloc_kb - old.vmalloc_kb,
			  new.vmallocs - old.vmallocs, new.percpu_kb - old.percpu_kb);
		leak_compare(&old, &new, rounds * each / 2, &again);
		for (int i = again.nr - 1; series && i >= 0; i--)
			if (!leak_listed(&lost, again.item[i].name))
				again.item[i] = again.item[--again.nr];
		lost = again;
		if (!lost.nr)
			return;
	}
	for (int i = 0; i < lost.nr; i++)
		test_diag("%ld of %s lost", lost.item[i].n, lost.item[i].name);
	/* KVM's own are given back later, by RCU; they are not ours to judge */
	if (device_is_kvm())
		SKIP("KVM kept %ld of %s", lost.item[0].n, lost.item[0].name);
	FAIL("each of three series of %ld rounds lost the same", rounds);
}

#endif
