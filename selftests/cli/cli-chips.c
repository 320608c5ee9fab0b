// SPDX-License-Identifier: GPL-2.0
/*
 * The small chips of a PC: ACPI's fixed hardware, the keyboard controller, the debug
 * console, and all of them together with the clock and the serial port. Random accesses are
 * the test of bug class 39 (device models), two CPUs at one chip that of class 37 (missing
 * locks).
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "board.h"
#include "err.h"

/* ---- ACPI's fixed hardware --------------------------------------------------- */

#define TIMER_STS	0x0001
#define BUTTON_STS	0x0100

static void pm_open(struct board *b)
{
	board_open(b);
	CHECK(pm_create(&b->m));
}

static void test_pm_timer(void)
{
	struct board b;
	u8 byte;

	pm_open(&b);
	CHECK_EQ(in(&b, PORT_PM_TIMER, 4), 0);
	pass(&b.m, NS);
	CHECK_EQ(in(&b, PORT_PM_TIMER, 4), 3579545);
	pass(&b.m, 1000000);
	CHECK_EQ(in(&b, PORT_PM_TIMER, 4), 3583124);
	byte = in(&b, PORT_PM_TIMER + 1, 1);
	CHECK_EQ(byte, 3583124 >> 8 & 0xff);
	out(&b, PORT_PM_TIMER, 0, 4);
	CHECK_EQ(in(&b, PORT_PM_TIMER, 4), 3583124);
	/* It has 32 bits and goes on from 0. */
	go_to(&b.m, START + 1200 * NS);
	CHECK_EQ(in(&b, PORT_PM_TIMER, 4), 3579545ull * 1200 & 0xffffffff);
	fake_reset(&b.m);
	CHECK_EQ(in(&b, PORT_PM_TIMER, 4), 0);
	board_close(&b);
}

/* The highest bit changes every 2^31 ticks. */
#define TURN_NS		((BIT_ULL(31) * NS + 3579544) / 3579545)

static void test_pm_timer_turns(void)
{
	struct board b;

	pm_open(&b);
	expiries = 0;
	pass(&b.m, TURN_NS - 1);
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 2), 0);
	pass(&b.m, 1);
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 2), TIMER_STS);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	CHECK_EQ(expiries, 0);
	out(&b, PORT_PM1_EVENT + 2, TIMER_STS, 2);
	CHECK(fake_high(b.irqs, IRQ_SCI));
	out(&b, PORT_PM1_EVENT, TIMER_STS, 2);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	go_to(&b.m, START + 2 * TURN_NS - 1000);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	pass(&b.m, 2000);
	CHECK(fake_high(b.irqs, IRQ_SCI));
	CHECK_EQ(expiries, 1);
	/* Not looked at, it is told of no more. */
	pass(&b.m, 10 * TURN_NS);
	CHECK_EQ(expiries, 1);
	board_close(&b);
}

static void test_power_button(void)
{
	struct board b;

	pm_open(&b);
	CHECK(b.m.power_button);
	b.m.power_button(b.m.power_button_arg);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 2), BUTTON_STS);
	out(&b, PORT_PM1_EVENT + 2, 0xffff, 2);
	CHECK_EQ(in(&b, PORT_PM1_EVENT + 2, 2), 0x521);
	CHECK(fake_high(b.irqs, IRQ_SCI));
	out(&b, PORT_PM1_EVENT, 0x00ff, 2);
	CHECK(fake_high(b.irqs, IRQ_SCI));
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 4), BUTTON_STS | 0x05210000);
	out(&b, PORT_PM1_EVENT + 1, 0x01, 1);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 2), 0);
	b.m.power_button(b.m.power_button_arg);
	CHECK(fake_high(b.irqs, IRQ_SCI));
	fake_reset(&b.m);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 4), 0);
	board_close(&b);
}

static void test_power_off(void)
{
	unsigned int type;
	struct board b;

	pm_open(&b);
	CHECK_EQ(in(&b, PORT_PM1_CONTROL, 2), 1);
	out(&b, PORT_PM1_CONTROL, 0, 2);
	CHECK_EQ(in(&b, PORT_PM1_CONTROL, 2), 1);
	for (type = 0; type < 8; type++) {
		if (type == PM_SLEEP_TYPE_S5)
			continue;
		out(&b, PORT_PM1_CONTROL, 0x2001 | type << 10, 2);
		CHECK_EQ(in(&b, PORT_PM1_CONTROL, 2), 1 | type << 10);
		CHECK(!machine_ended(&b.m));
	}
	/* The type first, then the bit, as Linux does it. */
	out(&b, PORT_PM1_CONTROL, 1 | PM_SLEEP_TYPE_S5 << 10, 2);
	CHECK(!machine_ended(&b.m));
	out(&b, PORT_PM1_CONTROL, 0x2001 | PM_SLEEP_TYPE_S5 << 10, 2);
	CHECK(machine_ended(&b.m));
	CHECK_EQ(b.m.end.kind, END_POWER_OFF);
	CHECK_EQ(b.m.end.status, STATUS_OK);
	board_close(&b);
	pm_open(&b);
	out(&b, PORT_PM1_CONTROL + 1, 0x20 | PM_SLEEP_TYPE_S5 << 2, 1);
	CHECK_EQ(b.m.end.kind, END_POWER_OFF);
	board_close(&b);
}

static void test_reset_port(void)
{
	struct board b;

	pm_open(&b);
	pm_reset_write(&b.m, 0x00);
	pm_reset_write(&b.m, 0x02);
	CHECK(!machine_ended(&b.m));
	pm_reset_write(&b.m, RESET_VALUE);
	CHECK_EQ(b.m.end.kind, END_RESET);
	board_close(&b);
	pm_open(&b);
	b.m.no_reboot = false;
	pm_reset_write(&b.m, 0x0e);
	CHECK(!machine_ended(&b.m));
	CHECK(atomic_load(&b.m.resetting));
	board_close(&b);
}

static void test_pm_random(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, n = rounds(100000);
	struct board b;

	pm_open(&b);
	for (i = 0; i < n && !failures; i++) {
		u64 value = next_random(), event, ns;
		u16 port = PORT_PM1_EVENT - 4 + random_below(20);

		if (value >> 40 & 1)
			out(&b, port, value, sizes[random_below(3)]);
		else
			in(&b, port, sizes[random_below(3)]);
		if (value >> 41 & 1)
			pass(&b.m, random_below(TURN_NS / 8));
		if (!(value >> 42 & 15))
			b.m.power_button(b.m.power_button_arg);
		event = in(&b, PORT_PM1_EVENT, 4);
		CHECK_EQ(fake_high(b.irqs, IRQ_SCI), !!(event & (event >> 16)));
		ns = host_ns - START;
		CHECK_EQ(in(&b, PORT_PM_TIMER, 4),
			 (u32)(ns / NS * 3579545 + ns % NS * 3579545 / NS));
	}
	board_close(&b);
}

static void *press_often(void *arg)
{
	struct board *b = arg;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		b->m.power_button(b->m.power_button_arg);
		out(b, PORT_PM1_EVENT, 0xffff, 2);
	}
	return NULL;
}

static void test_pm_threads(void)
{
	pthread_t other;
	struct board b;

	pm_open(&b);
	out(&b, PORT_PM1_EVENT + 2, BUTTON_STS, 2);
	CHECK(!pthread_create(&other, NULL, press_often, &b));
	press_often(&b);
	pthread_join(other, NULL);
	out(&b, PORT_PM1_EVENT, 0xffff, 2);
	CHECK(!fake_high(b.irqs, IRQ_SCI));
	board_close(&b);
}

/* ---- the keyboard controller ------------------------------------------------- */

static void keyboard_open(struct board *b)
{
	board_open(b);
	CHECK(i8042_create(&b->m));
}

/* A command, and what the data port then has, or -1. */
static int command(struct board *b, u8 value)
{
	out(b, PORT_I8042_COMMAND, value, 1);
	CHECK_EQ(in(b, PORT_I8042_COMMAND, 1) & 0x02, 0);
	return in(b, PORT_I8042_COMMAND, 1) & 1 ? (int)in(b, PORT_I8042_DATA, 1) : -1;
}

/* What Linux's driver does, each answer at once. */
static void test_i8042_probe(void)
{
	struct board b;

	keyboard_open(&b);
	CHECK_EQ(in(&b, PORT_I8042_COMMAND, 1), 0x10);
	CHECK_EQ(command(&b, 0xaa), 0x55);
	CHECK_EQ(in(&b, PORT_I8042_COMMAND, 1) & 0x05, 0x04);
	CHECK_EQ(command(&b, 0x20), 0x00);
	CHECK_EQ(command(&b, 0x60), -1);
	out(&b, PORT_I8042_DATA, 0x34, 1);
	CHECK_EQ(command(&b, 0x20), 0x34);
	/* A mouse's port would answer this with a flag that says where from. */
	CHECK_EQ(command(&b, 0xd3), -1);
	out(&b, PORT_I8042_DATA, 0x5a, 1);
	CHECK_EQ(in(&b, PORT_I8042_COMMAND, 1) & 0x21, 0x01);
	in(&b, PORT_I8042_DATA, 1);
	CHECK(command(&b, 0xa9) > 0);
	CHECK_EQ(command(&b, 0xab), 0x00);
	/* The keyboard says nothing, and the controller says so, with an interrupt. */
	CHECK_EQ(command(&b, 0x60), -1);
	out(&b, PORT_I8042_DATA, 0x25, 1);
	CHECK(!fake_high(b.irqs, IRQ_KEYBOARD));
	out(&b, PORT_I8042_DATA, 0xf2, 1);
	CHECK(fake_high(b.irqs, IRQ_KEYBOARD));
	CHECK_EQ(in(&b, PORT_I8042_COMMAND, 1) & 0x61, 0x41);
	CHECK_EQ(in(&b, PORT_I8042_DATA, 1), 0xfe);
	CHECK(!fake_high(b.irqs, IRQ_KEYBOARD));
	CHECK_EQ(in(&b, PORT_I8042_COMMAND, 1) & 0x61, 0);
	CHECK_EQ(command(&b, 0xd4), -1);
	out(&b, PORT_I8042_DATA, 0xf2, 1);
	CHECK_EQ(in(&b, PORT_I8042_COMMAND, 1) & 0x61, 0x61);
	CHECK(!fake_high(b.irqs, IRQ_KEYBOARD));
	CHECK_EQ(in(&b, PORT_I8042_DATA, 1), 0xfe);
	CHECK_EQ(command(&b, 0xad), -1);
	CHECK_EQ(command(&b, 0xa7), -1);
	CHECK_EQ(command(&b, 0x20), 0x35);
	CHECK_EQ(command(&b, 0xae), -1);
	CHECK_EQ(command(&b, 0xa8), -1);
	CHECK_EQ(command(&b, 0x20), 0x05);
	CHECK_EQ(command(&b, 0xd0), 0x03);
	fake_reset(&b.m);
	CHECK_EQ(command(&b, 0x20), 0x00);
	board_close(&b);
}

static void test_i8042_reset(void)
{
	struct board b;

	keyboard_open(&b);
	command(&b, 0xff);
	command(&b, 0xf1);
	command(&b, 0xd1);
	out(&b, PORT_I8042_DATA, 0x01, 1);
	CHECK(!machine_ended(&b.m));
	command(&b, 0xfe);
	CHECK_EQ(b.m.end.kind, END_RESET);
	board_close(&b);
	keyboard_open(&b);
	command(&b, 0xd1);
	out(&b, PORT_I8042_DATA, 0x02, 1);
	CHECK_EQ(b.m.end.kind, END_RESET);
	board_close(&b);
	keyboard_open(&b);
	b.m.no_reboot = false;
	command(&b, 0xfe);
	CHECK(!machine_ended(&b.m) && atomic_load(&b.m.resetting));
	board_close(&b);
}

static void test_i8042_random(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, n = rounds(100000);
	struct board b;

	keyboard_open(&b);
	b.m.no_reboot = false;
	for (i = 0; i < n && !failures; i++) {
		u64 value = next_random();
		u16 port = 0x5f + random_below(8);
		u8 status, control;
		bool high;

		if (value >> 40 & 1)
			out(&b, port, value, sizes[random_below(3)]);
		else
			in(&b, port, sizes[random_below(3)]);
		if (value >> 41 & 1)
			continue;
		high = fake_high(b.irqs, IRQ_KEYBOARD);
		status = in(&b, PORT_I8042_COMMAND, 1);
		CHECK_EQ(status & 0x12, 0x10);
		in(&b, PORT_I8042_DATA, 1);
		CHECK(!fake_high(b.irqs, IRQ_KEYBOARD));
		out(&b, PORT_I8042_COMMAND, 0x20, 1);
		control = in(&b, PORT_I8042_DATA, 1);
		/* The line says what the status and the control byte say. */
		CHECK_EQ(high, (status & 0x21) == 0x01 && control & 0x01);
	}
	board_close(&b);
}

/* ---- the debug console ------------------------------------------------------- */

static void test_debug_console(void)
{
	struct board b;
	int fds[2];
	char said[8];

	board_open(&b);
	CHECK(!pipe2(fds, O_NONBLOCK));
	CHECK(debug_console_create(&b.m, fds[1]));
	CHECK_EQ(in(&b, PORT_DEBUG_CONSOLE, 1), 0xe9);
	CHECK_EQ(in(&b, PORT_DEBUG_CONSOLE, 2), 0xffe9);
	out(&b, PORT_DEBUG_CONSOLE, 'a', 1);
	out(&b, PORT_DEBUG_CONSOLE, 'c' << 8 | 'b', 2);
	out(&b, PORT_DEBUG_CONSOLE - 1, 'd' << 8 | 'x', 4);
	CHECK_EQ(read(fds[0], said, sizeof(said)), 3);
	CHECK(!memcmp(said, "abd", 3));
	close(fds[0]);
	out(&b, PORT_DEBUG_CONSOLE, 'e', 1);
	CHECK_EQ(b.m.end.status, STATUS_CONSOLE);
	CHECK_HAS(b.m.end.text, "debug console: output cannot be written");
	close(fds[1]);
	board_close(&b);
}

/* ---- all at once ------------------------------------------------------------- */

static void test_all_random(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, n = rounds(200000);
	struct board b;

	board_open(&b);
	CHECK(rtc_create(&b.m) && pm_create(&b.m) && i8042_create(&b.m));
	CHECK(debug_console_create(&b.m, -1) && exit_port_create(&b.m));
	CHECK(serial_create(&b.m, -1, -1));
	b.m.no_reboot = false;
	for (i = 0; i < n; i++) {
		u64 value = next_random();
		u16 port = value >> 20 & 0x7ff;

		if (value >> 40 & 1)
			out(&b, port, value, sizes[random_below(3)]);
		else
			in(&b, port, sizes[random_below(3)]);
		if (!(value >> 41 & 15))
			pass(&b.m, random_below(NS));
	}
	board_close(&b);
}

/* On a machine without interrupts all is there but these. */
static void test_no_irqs(void)
{
	struct board b;

	host_ns = START;
	fake_machine(&b.m, &b.cpu);
	CHECK(rtc_create(&b.m) && pm_create(&b.m) && i8042_create(&b.m));
	CHECK(!rtc_create(&b.m) && !pm_create(&b.m) && !i8042_create(&b.m));
	out(&b, PORT_RTC, 0x120b, 2);
	pass(&b.m, NS);
	out(&b, PORT_RTC, 0x0c, 1);
	CHECK_EQ(in(&b, PORT_RTC + 1, 1) & 0x90, 0x90);
	b.m.power_button(b.m.power_button_arg);
	CHECK_EQ(in(&b, PORT_PM1_EVENT, 2), BUTTON_STS);
	CHECK_EQ(command(&b, 0xaa), 0x55);
	fake_free(&b.m, &b.cpu);
}

static const struct unit tests[] = {
	{ "pm_timer", test_pm_timer },
	{ "pm_timer_turns", test_pm_timer_turns },
	{ "power_button", test_power_button },
	{ "power_off", test_power_off },
	{ "reset_port", test_reset_port },
	{ "pm_random_class_39", test_pm_random },
	{ "pm_threads_class_37", test_pm_threads },
	{ "i8042_probe", test_i8042_probe },
	{ "i8042_reset", test_i8042_reset },
	{ "i8042_random_class_39", test_i8042_random },
	{ "debug_console", test_debug_console },
	{ "all_random_class_39", test_all_random },
	{ "no_irqs", test_no_irqs },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, tests, ARRAY_SIZE(tests));
}
