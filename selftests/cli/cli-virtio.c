// SPDX-License-Identifier: GPL-2.0
/*
 * virtio over PCI, seen from the guest: virtio-rng with an honest driver, with a hostile
 * one, and with one that resets it while it works.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices.h"
#include "guest.h"
#include "virtio.h"

#define MEMORY_SIZE	(4 * MIB)
#define RING		0x10000ull
#define BUFFER		0x40000ull

struct bench {
	struct machine m;
	struct cpu cpu;
	struct fake_irqs *irqs;
	struct guest_virtio v;
	struct guest_queue q;
};

static void bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	fake_machine(&b->m, &b->cpu);
	fake_memory(&b->m, MEMORY_SIZE);
	b->irqs = fake_irqs(&b->m);
	CHECK(pci_create(&b->m));
	CHECK(!virtio_rng_create(&b->m));
}

static void bench_close(struct bench *b)
{
	fake_free(&b->m, &b->cpu);
}

static u32 config(struct bench *b, unsigned int slot, unsigned int off, unsigned int size)
{
	return guest_config_read(&b->m, slot, off, size);
}

static void set_config(struct bench *b, unsigned int slot, unsigned int off,
		       unsigned int size, u32 value)
{
	guest_config_write(&b->m, slot, off, size, value);
}

/* How often the device has sent this message. */
static u64 sent(struct bench *b, unsigned int vector)
{
	return fake_sent(b->irqs, b->m.pci->slot[1]->vector[vector].msi);
}

/* ---- virtio: an honest driver -------------------------------------------- */

static bool is_zero(const u8 *at, u32 len)
{
	u8 any = 0;

	while (len--)
		any |= at[len];
	return !any;
}

static bool bring_up(struct bench *b, u64 features, u16 vector)
{
	if (!guest_negotiate(&b->v, features) ||
	    !guest_queue(&b->v, 0, 16, RING, vector, &b->q))
		return false;
	guest_add_status(&b->v, VIRTIO_CONFIG_S_DRIVER_OK);
	return guest_status(&b->v) == (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				       VIRTIO_CONFIG_S_FEATURES_OK |
				       VIRTIO_CONFIG_S_DRIVER_OK);
}

static u8 *memory(struct bench *b, u64 gpa)
{
	return memory_at(&b->m.memory, gpa, 1);
}

/* With @told, that first comes to pass. */
static void ask_until(struct bench *b, u32 len, u32 want, bool (*told)(void *arg))
{
	const struct guest_piece piece = { BUFFER, len, true };
	u16 head, got_head = 0xffff;
	u32 got = 0;

	memset(memory(b, BUFFER), 0, 0x1000);
	head = guest_add(&b->q, &piece, 1);
	guest_kick(&b->q);
	if (told) {
		CHECK(guest_until(told, b));
		CHECK(guest_used(&b->q));
	}
	CHECK(guest_wait(&b->q, &got_head, &got));
	CHECK_EQ(got_head, head);
	CHECK_EQ(got, want);
	CHECK(want < 8 || !is_zero(memory(b, BUFFER), want));
	CHECK(is_zero(memory(b, BUFFER) + want, 0x1000 - want));
}

static void ask(struct bench *b, u32 len, u32 want)
{
	ask_until(b, len, want, NULL);
}

static const u64 ring_features[] = {
	0,
	BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
};

static bool message_came(void *arg)
{
	struct bench *b = arg;

	return sent(b, 1);
}

static void test_rng_msix(void)
{
	unsigned int i, j;
	struct bench b;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK_EQ(b.v.config, 0);
	CHECK_EQ(b.v.notify_step, 4);
	CHECK_EQ(guest_features(&b.v), BIT_ULL(VIRTIO_F_VERSION_1) |
		 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC));
	guest_msix(&b.v, true);
	guest_vector(&b.v, 0, 0x41);
	guest_vector(&b.v, 1, 0x42);
	for (i = 0; i < ARRAY_SIZE(ring_features); i++) {
		CHECK(bring_up(&b, ring_features[i], 1));
		sent(&b, 1);	/* those of before the reset */
		for (j = 0; j < 40 && !failures; j++)
			ask_until(&b, 64, 64, message_came);
		ask(&b, 1, 1);
		ask(&b, 4096, 256);
	}
	CHECK_EQ(sent(&b, 0), 0);
	bench_close(&b);
}

static bool line_is_high(void *arg)
{
	struct bench *b = arg;

	return fake_high(b->irqs, IRQ_PCI(1, 0));
}

static void test_rng_line(void)
{
	struct bench b;
	unsigned int i;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	for (i = 0; i < 20; i++) {
		CHECK_EQ(guest_read(&b.m, b.v.isr, 1), 0);
		ask(&b, 64, 64);
		CHECK(guest_until(line_is_high, &b));
		CHECK_EQ(guest_read(&b.m, b.v.isr, 1), 1);
		CHECK(!line_is_high(&b));
	}
	/* Who does not want to be told is not. */
	__atomic_store_n(&b.q.avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
	ask(&b, 64, 64);
	guest_status(&b.v);	/* waits for the worker to be done with it */
	CHECK(!line_is_high(&b));
	__atomic_store_n(&b.q.avail->flags, 0, __ATOMIC_RELAXED);
	ask(&b, 64, 64);
	CHECK(guest_until(line_is_high, &b));
	/* The device's reset takes the line back. */
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK(!line_is_high(&b));
	bench_close(&b);
}

/* Added before the device is told to begin: a kick then is lost, and none comes after it. */
static void test_rng_early_request(void)
{
	const struct guest_piece piece = { BUFFER, 64, true };
	struct bench b;
	u16 head;
	u32 len;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(guest_negotiate(&b.v, 0));
	CHECK(guest_queue(&b.v, 0, 8, RING, GUEST_NO_VECTOR, &b.q));
	guest_add(&b.q, &piece, 1);
	guest_add_status(&b.v, VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK(guest_wait(&b.q, &head, &len));
	CHECK_EQ(len, 64);
	bench_close(&b);
}

static bool kicks_wanted(void *arg)
{
	struct bench *b = arg;

	return !(__atomic_load_n(&b->q.ring->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

/* As many requests as the worker serves at once: it still comes to its end. */
static void test_rng_full_queue(void)
{
	const struct guest_piece piece = { BUFFER, 64, true };
	unsigned int i, round;
	struct bench b;
	u16 head;
	u32 len;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(guest_negotiate(&b.v, 0));
	CHECK(guest_queue(&b.v, 0, 64, RING, GUEST_NO_VECTOR, &b.q));
	guest_add_status(&b.v, VIRTIO_CONFIG_S_DRIVER_OK);
	for (round = 0; round < 4; round++) {
		CHECK(guest_until(kicks_wanted, &b));
		for (i = 0; i < 64; i++)
			guest_add(&b.q, &piece, 1);
		guest_kick(&b.q);
		for (i = 0; i < 64 && guest_wait(&b.q, &head, &len); i++)
			CHECK_EQ(head, i);
		CHECK_EQ(i, 64);
	}
	CHECK(guest_until(kicks_wanted, &b));
	bench_close(&b);
}

/* Registers through configuration space, with no BAR in sight. */
static void test_window(void)
{
	unsigned int cap, data;
	struct bench b;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	set_config(&b, 1, PCI_COMMAND, 2, 0);
	cap = b.v.window;
	data = cap + 16;
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_NUMQ);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_LENGTH, 4, 2);
	CHECK_EQ(config(&b, 1, data, 4), 1);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_STATUS);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	set_config(&b, 1, data, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	CHECK_EQ(config(&b, 1, data, 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	/* What points elsewhere does nothing. */
	set_config(&b, 1, data, 4, 0);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_OFFSET, 4, 4 * PAGE_SIZE);
	set_config(&b, 1, data, 4, 0x12345678);
	CHECK_EQ(config(&b, 1, data, 4), 0x12345678);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_OFFSET, 4, ~0u);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_LENGTH, 4, ~0u);
	CHECK_EQ(config(&b, 1, data, 4), 0x12345678);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	set_config(&b, 1, cap + VIRTIO_PCI_CAP_BAR, 1, 2);
	CHECK_EQ(config(&b, 1, data, 4), 0x12345678);
	bench_close(&b);
}

/* ---- kicks that nobody leaves the kernel for ------------------------------------------- */

/* What the virtual machine, which is played here, has in the way of ioeventfds. */
static struct kvm_ioeventfd attached[4];
static unsigned int nr_attached;
static bool refuse_ioeventfds;

static int play_ioeventfd(const struct kvm_ioeventfd *io)
{
	unsigned int i;

	CHECK_EQ(io->len, 0);
	for (i = 0; i < nr_attached; i++)
		if (attached[i].addr == io->addr && attached[i].fd == io->fd)
			break;
	if (refuse_ioeventfds || (io->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ?
				  i == nr_attached : i < nr_attached || i == 4)) {
		errno = EINVAL;
		return -1;
	}
	if (io->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		attached[i] = attached[--nr_attached];
	else
		attached[nr_attached++] = *io;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	va_list ap;
	const void *arg;

	(void)fd;
	va_start(ap, cmd);
	arg = va_arg(ap, const void *);
	va_end(ap);
	if (cmd == KVM_IOEVENTFD)
		return play_ioeventfd(arg);
	errno = ENOTTY;
	return -1;
}

static void test_ioeventfds(void)
{
	struct bench b;
	u64 notify;

	bench_open(&b);
	b.m.vm_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	notify = b.v.notify;
	CHECK_EQ(nr_attached, 0);
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	CHECK_EQ(nr_attached, 1);
	CHECK_EQ(attached[0].addr, notify);
	/* It is what the worker waits for. */
	eventfd_write(attached[0].fd, 1);
	ask(&b, 64, 64);
	/* It goes where the BAR goes. */
	set_config(&b, 1, PCI_COMMAND, 2, 0);
	CHECK_EQ(nr_attached, 0);
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	set_config(&b, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK_EQ(nr_attached, 1);
	CHECK_EQ(attached[0].addr, 0xd0000000 + notify - b.v.bar);
	set_config(&b, 1, PCI_BASE_ADDRESS_0, 4, b.v.bar);
	CHECK_EQ(attached[0].addr, notify);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ(nr_attached, 0);
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	fake_reset(&b.m);
	CHECK_EQ(nr_attached, 0);
	/* One that cannot be had costs time, nothing else. */
	refuse_ioeventfds = true;
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	ask(&b, 64, 64);
	refuse_ioeventfds = false;
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	bench_close(&b);
	CHECK_EQ(nr_attached, 0);
}

/* ---- virtio: drivers that do it wrong ------------------------------------ */

static void test_features_refused(void)
{
	struct bench b;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	/* One that is not offered. */
	CHECK(!guest_negotiate(&b.v, BIT_ULL(5)));
	CHECK_EQ(guest_status(&b.v), 3);
	CHECK(!guest_negotiate(&b.v, BIT_ULL(63)));
	/* So there is nothing to start. */
	guest_add_status(&b.v, VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ(guest_status(&b.v), 3);
	/* None at all: a driver of before 1.0. */
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_STATUS, 1, 3);
	guest_add_status(&b.v, VIRTIO_CONFIG_S_FEATURES_OK);
	CHECK_EQ(guest_status(&b.v), 3);
	/* Too late to change. */
	CHECK(guest_negotiate(&b.v, 0));
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_GF, 4, ~0u);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_GF, 4), 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_GFSELECT, 4, 2);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_GF, 4, ~0u);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_GF, 4), 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_DF, 4), 0);
	bench_close(&b);
}

static void test_status_bits(void)
{
	const struct guest_piece piece = { BUFFER, 64, true };
	struct bench b;
	unsigned int i;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	/* None is taken back, and this one is the device's. */
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_NEEDS_RESET | 1);
	CHECK_EQ(guest_status(&b.v), 15);
	ask(&b, 64, 64);
	/* What is enabled stays where it is. */
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x20000);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_DESCLO, 4), RING);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	ask(&b, 64, 64);
	/* A driver that gave up: nothing is served any more. */
	guest_add_status(&b.v, VIRTIO_CONFIG_S_FAILED);
	CHECK_EQ(guest_status(&b.v), VIRTIO_CONFIG_S_FAILED | 15);
	guest_add(&b.q, &piece, 1);
	for (i = 0; i < 50; i++) {
		guest_kick(&b.q);
		sched_yield();
		CHECK(!guest_used(&b.q));
	}
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	ask(&b, 64, 64);
	/* Queues that are not there. */
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0xffff);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	guest_write(&b.m, b.v.notify + 4, 2, 1);
	guest_write(&b.m, b.v.notify + 0xffc, 4, 0);
	ask(&b, 64, 64);
	/* Vectors that are not there. */
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_MSIX, 2, 2);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_MSIX, 2, 1);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_MSIX, 2), 1);
	bench_close(&b);
}

static bool needs_reset(void *arg)
{
	struct bench *b = arg;

	return guest_status(&b->v) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void test_broken_ring(void)
{
	const struct guest_piece bad = { MEMORY_SIZE - 1, 2, true };
	struct bench b;
	unsigned int i;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	for (i = 0; i < 3; i++) {
		CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
		guest_add(&b.q, &bad, 1);
		guest_kick(&b.q);
		CHECK(guest_until(needs_reset, &b));
		/* It says so by a change of its configuration. */
		CHECK_EQ(guest_read(&b.m, b.v.isr, 1), VIRTIO_PCI_ISR_CONFIG);
		guest_kick(&b.q);
		CHECK_EQ(guest_status(&b.v), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
		CHECK(!guest_used(&b.q));
	}
	/* Rings that are nowhere, or too large. */
	CHECK(guest_negotiate(&b.v, 0));
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0x7fff);
	guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	CHECK(needs_reset(&b));
	guest_add_status(&b.v, VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK(!(guest_status(&b.v) & VIRTIO_CONFIG_S_DRIVER_OK));
	CHECK(guest_negotiate(&b.v, 0));
	CHECK(!guest_queue(&b.v, 0, 128, RING, GUEST_NO_VECTOR, &b.q));
	CHECK(needs_reset(&b));
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	ask(&b, 64, 64);
	bench_close(&b);
}

/* A guest that does nothing else fills no disk with what is told of it. */
static void test_told(void)
{
	int saved = dup(STDERR_FILENO), fds[2];
	unsigned int i, lines = 0;
	char text[16384];
	struct bench b;
	ssize_t n;

	CHECK(saved >= 0 && !pipe2(fds, O_NONBLOCK));
	dup2(fds[1], STDERR_FILENO);
	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	for (i = 0; i < 100; i++) {
		CHECK(guest_negotiate(&b.v, 0));
		guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0x7fff);
		guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		guest_set_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		CHECK(needs_reset(&b));
	}
	bench_close(&b);
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], text, sizeof(text) - 1);
	CHECK(n > 0 && n < (ssize_t)sizeof(text) - 1);
	for (i = 0; n > 0 && i < n; i++)
		lines += text[i] == '\n';
	CHECK_EQ(lines, 16);
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

/* ---- resets while it works ----------------------------------------------- */

static void test_reset_in_flight(void)
{
	const struct guest_piece piece = { BUFFER, 256, true };
	unsigned int i, j, k;
	struct bench b;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	for (i = 0; i < rounds(150) && !failures; i++) {
		CHECK(bring_up(&b, ring_features[i % 3], GUEST_NO_VECTOR));
		for (j = 0; j < 12; j++)
			guest_add(&b.q, &piece, 1);
		guest_kick(&b.q);
		for (k = random_below(200); k; k--)
			guest_status(&b.v);
		if (i % 8 == 7) {
			fake_reset(&b.m);
			set_config(&b, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		} else {
			guest_set_common(&b.v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		}
		/* From here on the memory is the guest's alone. */
		memset(memory(&b, RING), 0xa5, 0x4000);
		memset(memory(&b, BUFFER), 0xa5, 0x1000);
		for (k = random_below(50); k; k--)
			guest_status(&b.v);
		for (k = 0; k < 0x4000; k++)
			if (memory(&b, RING)[k] != 0xa5 || memory(&b, BUFFER)[k % 0x1000] != 0xa5)
				break;
		CHECK_EQ(k, 0x4000);
		CHECK_EQ(guest_status(&b.v), 0);
		CHECK_EQ(guest_common(&b.v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	}
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	ask(&b, 64, 64);
	/* The machine ends while requests are under way. */
	for (j = 0; j < 12; j++)
		guest_add(&b.q, &piece, 1);
	guest_kick(&b.q);
	bench_close(&b);
}

struct storm {
	struct bench *b;
	u64 seed;
	unsigned int rounds;
};

static u64 storm_random(struct storm *s)
{
	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	return s->seed >> 24;
}

/* A vCPU that writes anything anywhere on the bus. */
static void *storm(void *arg)
{
	static const unsigned int sizes[] = { 1, 2, 4, 8 };
	struct storm *s = arg;
	struct machine *m = &s->b->m;
	unsigned int i;

	for (i = 0; i < s->rounds; i++) {
		u64 off = storm_random(s) % 8 ? storm_random(s) % 64 :
						storm_random(s) % (5 * PAGE_SIZE);
		unsigned int size = sizes[storm_random(s) % 4];
		u64 value = storm_random(s) % 2 ? storm_random(s) :
						  storm_random(s) % 0x200 & ~0xfull;
		u64 at = s->b->v.bar + (off & -(u64)size);

		switch (storm_random(s) % 8) {
		case 0:
			guest_config_write(m, 1, storm_random(s) & 0xfc, 4, value);
			break;
		case 1:
			guest_config_write(m, 1, PCI_COMMAND, 2,
					   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
			guest_config_write(m, 1, PCI_BASE_ADDRESS_0, 4, s->b->v.bar);
			guest_config_write(m, 1, PCI_BASE_ADDRESS_1, 4, 0);
			break;
		case 2:
			guest_write(m, s->b->v.common + VIRTIO_PCI_COMMON_STATUS, 1,
				    storm_random(s) % 16);
			break;
		case 3:
			guest_read(m, at, size);
			break;
		case 4:
			guest_write(m, s->b->v.notify, 2, 0);
			break;
		default:
			guest_write(m, at, size, value);
		}
	}
	return NULL;
}

/* Bug classes 37 and 39: two vCPUs and the worker on one device. */
static void test_storm(void)
{
	struct storm storms[2];
	pthread_t thread[2];
	unsigned int i;
	struct bench b;

	bench_open(&b);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	for (i = 0; i < 2; i++) {
		storms[i] = (struct storm){ &b, next_random(), rounds(30000) };
		CHECK(!pthread_create(&thread[i], NULL, storm, &storms[i]));
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK(!machine_ended(&b.m));
	fake_reset(&b.m);
	CHECK(guest_find(&b.m, VIRTIO_ID_RNG, 0, &b.v));
	CHECK(bring_up(&b, 0, GUEST_NO_VECTOR));
	ask(&b, 64, 64);
	bench_close(&b);
}

static const struct unit units[] = {
	{ "rng_msix", test_rng_msix },
	{ "rng_line", test_rng_line },
	{ "rng_early_request", test_rng_early_request },
	{ "rng_full_queue", test_rng_full_queue },
	{ "window", test_window },
	{ "ioeventfds", test_ioeventfds },
	{ "features_refused", test_features_refused },
	{ "status_bits", test_status_bits },
	{ "class39_broken_ring", test_broken_ring },
	{ "class35_told_a_few_times", test_told },
	{ "class39_reset_in_flight", test_reset_in_flight },
	{ "class37_two_cpus_on_one_device", test_storm },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
