/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the CLI's parts share: checks, random numbers that can be had again,
 * a machine without a device, and interrupts that are only written down. A program is one
 * table of tests and units_main(); it links with units.o and the CLI's objects.
 */
#ifndef LODGE_CLI_UNITS_H
#define LODGE_CLI_UNITS_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "irqs.h"
#include "machine.h"

extern int failures;		/* of the test that runs */

#define CHECK(cond)	do {						\
	if (!(cond)) {							\
		printf("# %s:%d: expected: %s\n", __FILE__, __LINE__, #cond); \
		failures++;						\
	}								\
} while (0)

#define CHECK_EQ(got, want)	do {					\
	long long g_ = (got), w_ = (want);				\
									\
	if (g_ != w_) {							\
		printf("# %s:%d: %s is %#llx, expected %#llx\n", __FILE__, \
		       __LINE__, #got, g_, w_);				\
		failures++;						\
	}								\
} while (0)

#define CHECK_HAS(text, part)	do {					\
	if (!strstr(text, part)) {					\
		printf("# %s:%d: \"%s\" expected in \"%s\"\n", __FILE__, \
		       __LINE__, part, text);				\
		failures++;						\
	}								\
} while (0)

/* ---- the program ------------------------------------------------------------- */

struct unit {
	const char *name;
	void (*run)(void);
};

/*
 * main(): KTAP, a line for each test. -s SEED repeats the random numbers of a run, -n TIMES
 * makes random tests that many times as long, -t NAME runs one test.
 */
int units_main(int argc, char **argv, const struct unit *units, unsigned int nr);

/* Of one sequence for the whole program, whose seed is printed. */
u64 next_random(void);
/* Below @n, which is not 0. */
static inline u64 random_below(u64 n)
{
	return next_random() % n;
}

/* How long a random test is to be, if it is @usual without -n. */
unsigned int rounds(unsigned int usual);

/* ---- a machine without a device ---------------------------------------------- */

#define RUN_SIZE	(3 * PAGE_SIZE)

/* No interrupts, no memory, one vCPU whose run page ends where nothing is mapped. */
void fake_machine(struct machine *m, struct cpu *cpu);
void fake_free(struct machine *m, struct cpu *cpu);

/*
 * What the main thread does when its wait says that @fd is ready; false: no source of
 * that descriptor wants to be asked.
 */
bool fake_ready(struct machine *m, int fd, short revents);
/* One wait of the main thread that does not wait: how many sources were served. */
unsigned int fake_poll(struct machine *m);

/* All parts as after power on. */
void fake_reset(struct machine *m);

/* ---- interrupts that are written down ---------------------------------------- */

#define FAKE_MESSAGES	64

struct fake_message {
	bool used;
	bool on;
	int eventfd;		/* since it was last turned on */
	u64 address;
	u32 data;
	unsigned int sets;	/* calls of msi_set() */
};

struct fake_irqs {
	struct irqs irqs;
	pthread_mutex_t lock;
	u64 high[IRQ_PINS];	/* a bit for each source */
	unsigned int rises[IRQ_PINS];	/* how often the pin went from low to high */
	struct fake_message message[FAKE_MESSAGES];
	unsigned int fail_adds;	/* so many msi_add() fail from now on */
};

/* Gives the machine such interrupts; they are freed with it. */
struct fake_irqs *fake_irqs(struct machine *m);
bool fake_high(struct fake_irqs *f, unsigned int pin);
/* Rises since the last call. */
unsigned int fake_rises(struct fake_irqs *f, unsigned int pin);
/* How often a message that is on was sent since the last call. */
u64 fake_sent(struct fake_irqs *f, int msi);

/* ---- memory ------------------------------------------------------------------ */

/* Memory for a fake machine, as a real one has it; freed with it. */
void fake_memory(struct machine *m, u64 size);

#endif
