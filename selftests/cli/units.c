// SPDX-License-Identifier: GPL-2.0
/* What the tests of the CLI's parts share: see units.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

int failures;

static u64 seed;
static unsigned int times = 1;

/* ---- the program ------------------------------------------------------------- */

u64 next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

unsigned int rounds(unsigned int usual)
{
	return usual * times;
}

static bool run_unit(const struct unit *unit, unsigned int number)
{
	failures = 0;
	unit->run();
	printf("%s %u %s\n", failures ? "not ok" : "ok", number, unit->name);
	return !failures;
}

int units_main(int argc, char **argv, const struct unit *units, unsigned int nr)
{
	unsigned int i, ran = 0, bad = 0;
	const char *only = NULL;
	int c;

	seed = ((u64)time(NULL) << 20 | getpid()) | 1;
	while ((c = getopt(argc, argv, "d:n:s:t:")) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			times = strtoul(optarg, NULL, 0);
		else if (c == 't')
			only = optarg;
		else if (c != 'd')
			return 1;
	}
	if (!seed)
		seed = 1;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n# seed %llu\n", only ? 1 : nr, seed);
	for (i = 0; i < nr; i++)
		if (!only || !strcmp(only, units[i].name))
			bad += !run_unit(&units[i], ++ran);
	return bad || !ran ? 1 : 0;
}

/* ---- a machine without a device ---------------------------------------------- */

void fake_machine(struct machine *m, struct cpu *cpu)
{
	CHECK(!machine_prepare(m, false));
	memset(cpu, 0, sizeof(*cpu));
	m->run_size = RUN_SIZE;
	m->nr_cpus = 1;
	m->cpus = cpu;
	cpu->machine = m;
	cpu->fd = -1;
	/* Nothing is behind the page: to touch it is a crash. */
	cpu->run = mmap(NULL, RUN_SIZE + PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect((u8 *)cpu->run + RUN_SIZE, PAGE_SIZE, PROT_NONE);
}

void fake_free(struct machine *m, struct cpu *cpu)
{
	munmap(cpu->run, RUN_SIZE + PAGE_SIZE);
	m->nr_cpus = 0;
	m->cpus = NULL;
	machine_destroy(m);
}

void fake_memory(struct machine *m, u64 size)
{
	CHECK(!memory_create(&m->memory, size));
}

static short events_of(const struct event_source *s)
{
	return s->events ? s->events : POLLIN;
}

bool fake_ready(struct machine *m, int fd, short revents)
{
	unsigned int i;

	for (i = 0; i < m->events.nr_sources; i++) {
		struct event_source s = m->events.source[i];

		if (s.fd != fd || (s.wanted && !s.wanted(s.arg)))
			continue;
		if (!(revents & (events_of(&s) | POLLHUP | POLLERR)))
			continue;
		s.ready(s.arg, revents);
		return true;
	}
	return false;
}

unsigned int fake_poll(struct machine *m)
{
	struct pollfd fds[EVENT_SOURCES];
	unsigned int i, nr = m->events.nr_sources, served = 0;

	for (i = 0; i < nr; i++) {
		const struct event_source *s = &m->events.source[i];

		fds[i].fd = !s->wanted || s->wanted(s->arg) ? s->fd : -1;
		fds[i].events = events_of(s);
		fds[i].revents = 0;
	}
	if (poll(fds, nr, 0) <= 0)
		return 0;
	for (i = 0; i < nr; i++)
		if (fds[i].revents)
			served += fake_ready(m, fds[i].fd, fds[i].revents);
	return served;
}

void fake_reset(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_parts; i++)
		if (m->part[i].reset)
			m->part[i].reset(m->part[i].arg);
}

/* ---- interrupts that are written down ---------------------------------------- */

static struct fake_irqs *of(struct irqs *irqs)
{
	return (struct fake_irqs *)irqs;
}

static void line(struct irqs *irqs, unsigned int pin, unsigned int source, bool high)
{
	struct fake_irqs *f = of(irqs);
	u64 before;

	CHECK(pin < IRQ_PINS && source < irqs->nr_sources && source < 64);
	if (pin >= IRQ_PINS || source >= 64)
		return;
	pthread_mutex_lock(&f->lock);
	before = f->high[pin];
	f->high[pin] = high ? before | BIT_ULL(source) : before & ~BIT_ULL(source);
	if (!before && f->high[pin])
		f->rises[pin]++;
	pthread_mutex_unlock(&f->lock);
}

static int msi_add(struct irqs *irqs)
{
	struct fake_irqs *f = of(irqs);
	int i, found = -ENOSPC;

	pthread_mutex_lock(&f->lock);
	if (f->fail_adds)
		f->fail_adds--;
	else
		for (i = 0; i < FAKE_MESSAGES && found < 0; i++)
			if (!f->message[i].used) {
				f->message[i] = (struct fake_message){
					.used = true, .eventfd = -1 };
				found = i;
			}
	pthread_mutex_unlock(&f->lock);
	return found;
}

/* A message that somebody has; else what was asked is wrong. */
static struct fake_message *message(struct fake_irqs *f, int msi)
{
	bool there = msi >= 0 && msi < FAKE_MESSAGES && f->message[msi].used;

	CHECK(there);
	return there ? &f->message[msi] : NULL;
}

static void msi_remove(struct irqs *irqs, int msi)
{
	struct fake_irqs *f = of(irqs);
	struct fake_message *m;

	pthread_mutex_lock(&f->lock);
	m = message(f, msi);
	if (m) {
		m->used = false;
		m->on = false;
	}
	pthread_mutex_unlock(&f->lock);
}

static int msi_set(struct irqs *irqs, int msi, int eventfd, u64 address, u32 data, bool on)
{
	struct fake_irqs *f = of(irqs);
	struct fake_message *m;

	pthread_mutex_lock(&f->lock);
	m = message(f, msi);
	if (m) {
		m->on = on;
		m->sets++;
		if (on) {
			m->eventfd = eventfd;
			m->address = address;
			m->data = data;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return m ? 0 : -EINVAL;
}

static const struct irqs_ops fake_ops = {
	.line = line,
	.msi_add = msi_add,
	.msi_remove = msi_remove,
	.msi_set = msi_set,
};

struct fake_irqs *fake_irqs(struct machine *m)
{
	struct fake_irqs *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->irqs.ops = &fake_ops;
	pthread_mutex_init(&f->lock, NULL);
	m->irqs = &f->irqs;
	return f;
}

bool fake_high(struct fake_irqs *f, unsigned int pin)
{
	bool high;

	pthread_mutex_lock(&f->lock);
	high = f->high[pin];
	pthread_mutex_unlock(&f->lock);
	return high;
}

unsigned int fake_rises(struct fake_irqs *f, unsigned int pin)
{
	unsigned int rises;

	pthread_mutex_lock(&f->lock);
	rises = f->rises[pin];
	f->rises[pin] = 0;
	pthread_mutex_unlock(&f->lock);
	return rises;
}

/* The eventfd is read only if there is something: it may be one that blocks. */
u64 fake_sent(struct fake_irqs *f, int msi)
{
	struct pollfd fd = { .fd = -1, .events = POLLIN };
	struct fake_message *m;
	eventfd_t count = 0;

	pthread_mutex_lock(&f->lock);
	m = message(f, msi);
	if (m && m->on)
		fd.fd = m->eventfd;
	pthread_mutex_unlock(&f->lock);
	if (fd.fd < 0 || poll(&fd, 1, 0) <= 0 || eventfd_read(fd.fd, &count))
		return 0;
	return count;
}
