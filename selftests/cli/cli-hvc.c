// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-console between pipes: the test is the guest's driver on one side, right or
 * hostile (bug class 39), and the reader and the writer on the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "devices.h"
#include "err.h"
#include "guest.h"
#include "pty.h"

#define RX_RING		0x10000
#define TX_RING		0x20000
#define BUFFERS		0x100000
#define SIZE		BIT_ULL(VIRTIO_CONSOLE_F_SIZE)
#define INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENTS		BIT_ULL(VIRTIO_RING_F_EVENT_IDX)

static struct machine m;
static struct cpu cpu;
static struct fake_irqs *irqs;
static struct guest_virtio v;
static struct guest_queue rx, tx;
static int input[2], output[2];

static bool start_driver(u64 features)
{
	bool good = guest_negotiate(&v, features & guest_features(&v));

	guest_msix(&v, true);
	guest_vector(&v, 0, 0x40);
	guest_vector(&v, 1, 0x41);
	guest_vector(&v, 2, 0x42);
	guest_set_common(&v, VIRTIO_PCI_COMMON_MSIX, 2, 2);
	good = good && guest_queue(&v, 0, 64, RX_RING, 0, &rx) &&
	       guest_queue(&v, 1, 64, TX_RING, 1, &tx);
	guest_add_status(&v, VIRTIO_CONFIG_S_DRIVER_OK);
	return good;
}

static void create_device(u64 features, int terminal_fd)
{
	CHECK(!pipe2(input, O_CLOEXEC) && !pipe2(output, O_CLOEXEC));
	fake_machine(&m, &cpu);
	fake_memory(&m, 8 * MIB);
	irqs = fake_irqs(&m);
	CHECK(pci_create(&m));
	CHECK_EQ(virtio_console_create(&m, input[0], output[1], terminal_fd), 0);
	CHECK(guest_find(&m, VIRTIO_ID_CONSOLE, 0, &v));
	CHECK(start_driver(features));
}

static void close_pipes(void)
{
	close(input[0]);
	close(input[1]);
	close(output[0]);
	close(output[1]);
}

static void destroy_device(void)
{
	fake_free(&m, &cpu);
	close_pipes();
}

static void add(struct guest_queue *q, u64 gpa, u32 len)
{
	guest_add(q, &(struct guest_piece){ .gpa = gpa, .len = len, .in = !q->index }, 1);
	guest_kick(q);
}

static void print(const char *text)
{
	u16 head;
	u32 len;

	memory_write(&m.memory, BUFFERS, text, strlen(text));
	add(&tx, BUFFERS, strlen(text));
	CHECK(guest_wait(&tx, &head, &len));
	CHECK_EQ(len, 0);
}

static void test_output(void)
{
	create_device(EVENTS, -1);
	CHECK(!(guest_features(&v) & SIZE));
	print("hello ");
	print("world");
	expect_text(output[0], "hello world");
	destroy_device();
}

/* What the guest has handed over before its end is written. */
static void test_last_words(void)
{
	create_device(0, -1);
	print("last words");
	fake_free(&m, &cpu);
	expect_text(output[0], "last words");
	close_pipes();
}

/* A reader that sleeps makes the guest wait; then every byte comes, in its order. */
static void test_output_waits(void)
{
	static u8 in[1 << 20];
	u32 *words = (u32 *)in, at = 0, taken = 0, got = 0;
	u16 head;
	u32 i, len;

	create_device(EVENTS, -1);
	while (got < sizeof(in) && !failures) {
		while (at < sizeof(in) / 8192 && at - taken < 60) {
			u32 *page = memory_at(&m.memory, BUFFERS + at % 64 * 8192, 8192);

			for (i = 0; i < 2048; i++)
				page[i] = at * 2048 + i;
			add(&tx, BUFFERS + at++ % 64 * 8192, 8192);
		}
		while (guest_used(&tx) && guest_wait(&tx, &head, &len))
			taken++;
		/* In the pipe, the device's buffer and the reader: never more than that. */
		CHECK(taken * 8192 <= got + 2 * 65536);
		len = read_all(output[0], in + got, random_below(20000) % (sizeof(in) - got) + 1);
		CHECK(len > 0);
		got += len;
	}
	for (i = 0; i < sizeof(in) / 4; i++)
		if (words[i] != i)
			break;
	CHECK_EQ(i, sizeof(in) / 4);
	destroy_device();
}

static bool pipe_is_full(void *arg)
{
	int n = 0;

	(void)arg;
	/* Its last page takes no more than one write. */
	return !ioctl(output[0], FIONREAD, &n) && n > 15 * 4096;
}

/* Output that nobody took yet is not the next driver's, but for what is on its way. */
static void test_reset_while_output_waits(void)
{
	static u8 text[1 << 20];
	size_t got = 0;
	ssize_t n;

	create_device(0, -1);
	add(&tx, BUFFERS, sizeof(text));
	CHECK(guest_until(pipe_is_full, NULL));
	CHECK(start_driver(0));
	memory_write(&m.memory, BUFFERS, "!", 1);
	add(&tx, BUFFERS, 1);
	do {
		n = read(output[0], text, sizeof(text));
		got += n;
	} while (n > 0 && text[n - 1] != '!');
	CHECK(got > 65536 && got <= 2 * 65536);
	destroy_device();
}

static bool ended(void *arg)
{
	return machine_ended(arg);
}

static void test_output_lost(void)
{
	create_device(0, -1);
	close(output[0]);
	output[0] = -1;
	print("into nothing");
	CHECK(guest_until(ended, &m));
	CHECK_EQ(m.end.kind, END_CONSOLE);
	CHECK_EQ(m.end.status, STATUS_CONSOLE);
	destroy_device();
}

static void test_input(void)
{
	u16 head;
	u32 len;

	create_device(EVENTS, -1);
	/* It stays in the file until the guest has a buffer. */
	CHECK_EQ(write(input[1], "abcdef", 6), 6);
	add(&rx, BUFFERS, 2);
	CHECK(guest_wait(&rx, &head, &len));
	CHECK_EQ(len, 2);
	CHECK(!memcmp(memory_at(&m.memory, BUFFERS, 2), "ab", 2));
	add(&rx, BUFFERS, 100);
	CHECK(guest_wait(&rx, &head, &len));
	CHECK_EQ(len, 4);
	CHECK(!memcmp(memory_at(&m.memory, BUFFERS, 4), "cdef", 4));
	/* A reset takes no key away that was not given, nor is one given to the old driver. */
	add(&rx, BUFFERS, 100);
	print("the device");
	print("has it now");
	CHECK(start_driver(EVENTS));
	CHECK_EQ(write(input[1], "gh", 2), 2);
	add(&rx, BUFFERS + 4096, 100);
	CHECK(guest_wait(&rx, &head, &len));
	CHECK_EQ(len, 2);
	CHECK(!memcmp(memory_at(&m.memory, BUFFERS + 4096, 2), "gh", 2));
	destroy_device();
}

static bool input_is_empty(void *arg)
{
	int n = 0;

	(void)arg;
	return !ioctl(input[0], FIONREAD, &n) && !n;
}

/* Without buffers nothing is read, and nobody spins; at the end of input neither. */
static void test_input_waits(void)
{
	struct timespec pause = { .tv_nsec = 200000000 }, before, after;
	int n = 0;
	u16 head;
	u32 len;

	create_device(0, -1);
	CHECK_EQ(write(input[1], "abc", 3), 3);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	nanosleep(&pause, NULL);
	CHECK(!ioctl(input[0], FIONREAD, &n) && n == 3);
	add(&rx, BUFFERS, 100);
	CHECK(guest_wait(&rx, &head, &len));
	CHECK(guest_until(input_is_empty, NULL));
	add(&rx, BUFFERS, 100);
	close(input[1]);
	input[1] = -1;
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	CHECK((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec <
	      150000000);
	CHECK(!guest_used(&rx));
	destroy_device();
}

static bool is_larger(void *arg)
{
	(void)arg;
	return guest_read(&m, v.config, 2) == 132 && guest_read(&m, v.config + 2, 2) == 50;
}

static void test_size(void)
{
	struct winsize size = { .ws_col = 80, .ws_row = 25 };
	u8 generation;

	open_pty();
	CHECK(!ioctl(master, TIOCSWINSZ, &size));
	create_device(SIZE, slave);
	CHECK(guest_features(&v) & SIZE);
	CHECK_EQ(guest_read(&m, v.config, 2), 80);
	CHECK_EQ(guest_read(&m, v.config + 2, 2), 25);
	generation = guest_common(&v, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	size = (struct winsize){ .ws_col = 132, .ws_row = 50 };
	CHECK(!ioctl(master, TIOCSWINSZ, &size));
	/* The pty is not our controlling terminal: the signal is ours to send. */
	raise(SIGWINCH);
	CHECK(guest_until(is_larger, NULL));
	CHECK(guest_common(&v, VIRTIO_PCI_COMMON_CFGGENERATION, 1) != generation);
	destroy_device();
	close_pty();
}

static bool config_interrupt_came(void *arg)
{
	unsigned int *came = arg;

	*came += fake_sent(irqs, 2);
	return *came;
}

static void test_size_interrupt(void)
{
	struct winsize size = { .ws_col = 132, .ws_row = 50 };
	unsigned int came = 0;

	open_pty();
	create_device(SIZE, slave);
	CHECK(!config_interrupt_came(&came));
	CHECK(!ioctl(master, TIOCSWINSZ, &size));
	raise(SIGWINCH);
	CHECK(guest_until(config_interrupt_came, &came));
	destroy_device();
	close_pty();
}

/* ---- hostile drivers ------------------------------------------------------------ */

static bool is_broken(void *arg)
{
	(void)arg;
	return guest_status(&v) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void test_no_room(void)
{
	create_device(0, -1);
	CHECK_EQ(write(input[1], "abc", 3), 3);
	guest_add(&rx, &(struct guest_piece){ .gpa = BUFFERS, .len = 10 }, 1);
	guest_kick(&rx);
	CHECK(guest_until(is_broken, NULL));
	CHECK(start_driver(0));
	print("well again");
	expect_text(output[0], "well again");
	destroy_device();
}

/* Output without data, and one that is larger than every buffer between. */
static void test_odd_output(void)
{
	static u8 all[1 << 20];
	u16 head;
	u32 len;

	create_device(0, -1);
	guest_add(&tx, &(struct guest_piece){ .gpa = BUFFERS, .len = 10, .in = true }, 1);
	guest_kick(&tx);
	CHECK(guest_wait(&tx, &head, &len));
	CHECK_EQ(len, 0);
	add(&tx, BUFFERS, sizeof(all));
	CHECK_EQ(read_all(output[0], all, sizeof(all)), sizeof(all));
	CHECK(guest_wait(&tx, &head, &len));
	destroy_device();
}

static void random_round(void)
{
	struct guest_queue *q = random_below(2) ? &rx : &tx;
	struct guest_piece pieces[4];
	unsigned int i, nr = 1 + random_below(ARRAY_SIZE(pieces));
	u8 sink[8192];

	for (i = 0; i < nr; i++)
		pieces[i] = (struct guest_piece){
			.gpa = BUFFERS + random_below(6 * MIB), .len = 1 + random_below(5000),
			.in = random_below(50) ? !q->index : random_below(2) };
	guest_add(q, pieces, nr);
	if (!random_below(100))
		q->desc[random_below(q->size)].addr = next_random();
	if (!random_below(100))
		q->desc[random_below(q->size)].flags = next_random();
	guest_kick(q);
	if (!random_below(3) && write(input[1], sink, random_below(100)) < 0)
		CHECK(errno == EAGAIN);
	while (read(output[0], sink, sizeof(sink)) > 0)
		;
	if (is_broken(NULL) || !random_below(500))
		CHECK(start_driver(next_random() & (EVENTS | INDIRECT)));
}

static void test_random(void)
{
	unsigned int i;

	create_device(EVENTS, -1);
	fcntl(input[1], F_SETFL, O_NONBLOCK);
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	for (i = 0; i < rounds(10000); i++)
		random_round();
	CHECK(!machine_ended(&m));
	destroy_device();
}

static const struct unit units[] = {
	{ "output", test_output },
	{ "last_words", test_last_words },
	{ "output_waits", test_output_waits },
	{ "reset_while_output_waits", test_reset_while_output_waits },
	{ "output_lost", test_output_lost },
	{ "input", test_input },
	{ "input_waits", test_input_waits },
	{ "size", test_size },
	{ "size_interrupt", test_size_interrupt },
	{ "class39_no_room", test_no_room },
	{ "class39_odd_output", test_odd_output },
	{ "class39_random_chains", test_random },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, units, ARRAY_SIZE(units));
}
