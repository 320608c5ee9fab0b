// SPDX-License-Identifier: GPL-2.0
/*
 * The CMOS clock: what it says and when it interrupts, at a time that is the test's. Random
 * accesses are the test of bug class 39 (device models), two CPUs at its index and data that
 * of class 37 (missing locks).
 */
#include <pthread.h>
#include <sys/timerfd.h>

#include "board.h"

#define A		0x0a
#define B		0x0b
#define C		0x0c
#define D		0x0d
#define SET		0x80
#define PIE		0x40
#define AIE		0x20
#define UIE		0x10

static u8 cmos(struct board *b, u8 reg)
{
	out(b, PORT_RTC, reg, 1);
	return in(b, PORT_RTC + 1, 1);
}

static void cmos_set(struct board *b, u8 reg, u8 value)
{
	out(b, PORT_RTC, reg, 1);
	out(b, PORT_RTC + 1, value, 1);
}

static void clock_open(struct board *b)
{
	board_open(b);
	CHECK(rtc_create(&b->m));
}

/* Seconds, minutes, hours, weekday, day, month, year, century. */
static void check_clock(struct board *b, const char *want)
{
	static const u8 regs[] = {
		RTC_CENTURY, RTC_YEAR, RTC_MONTH, RTC_DAY, RTC_WEEKDAY, RTC_HOUR, RTC_MINUTE,
		RTC_SECOND,
	};
	char text[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		sprintf(text + 3 * i, "%02x ", cmos(b, regs[i]));
	text[3 * i - 1] = 0;
	if (strcmp(text, want)) {
		printf("# the clock says %s, expected %s\n", text, want);
		failures++;
	}
}

static void test_time(void)
{
	struct board b;

	clock_open(&b);
	check_clock(&b, "20 24 02 29 05 23 59 58");
	pass(&b.m, 2 * NS - 1);
	check_clock(&b, "20 24 02 29 05 23 59 59");
	pass(&b.m, 1);
	check_clock(&b, "20 24 03 01 06 00 00 00");
	cmos_set(&b, B, RTC_BINARY | RTC_24_HOURS);
	pass(&b.m, 45296 * NS);
	check_clock(&b, "14 18 03 01 06 0c 22 38");
	board_close(&b);
}

/* Every hour in the four ways to write it. */
static void test_hours(void)
{
	unsigned int hour, mode;
	struct board b;

	clock_open(&b);
	go_to(&b.m, START + 2 * NS);
	for (hour = 0; hour < 24; hour++) {
		for (mode = 0; mode < 8; mode += 2) {
			unsigned int h12 = hour % 12 ? hour % 12 : 12;
			unsigned int h = mode & RTC_24_HOURS ? hour : h12;

			if (!(mode & RTC_BINARY))
				h = h / 10 * 16 + h % 10;
			if (!(mode & RTC_24_HOURS) && hour >= 12)
				h |= 0x80;
			cmos_set(&b, B, mode);
			CHECK_EQ(cmos(&b, RTC_HOUR), h);
			/* To write it changes nothing. */
			cmos_set(&b, RTC_HOUR, h);
			CHECK_EQ(cmos(&b, RTC_HOUR), h);
			cmos_set(&b, B, RTC_24_HOURS);
			CHECK_EQ(cmos(&b, RTC_HOUR), hour / 10 * 16 + hour % 10);
		}
		pass(&b.m, 3600 * NS);
	}
	board_close(&b);
}

static void test_set_time(void)
{
	static const u8 want[][2] = {
		{ RTC_SECOND, 0x30 }, { RTC_MINUTE, 0x59 }, { RTC_HOUR, 0x23 },
		{ RTC_DAY, 0x31 }, { RTC_MONTH, 0x12 }, { RTC_YEAR, 0x99 },
		{ RTC_CENTURY, 0x19 },
	};
	struct board b;
	unsigned int i;

	clock_open(&b);
	cmos_set(&b, B, SET | RTC_24_HOURS | UIE);
	CHECK_EQ(cmos(&b, B), SET | RTC_24_HOURS);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		cmos_set(&b, want[i][0], want[i][1]);
	pass(&b.m, 100 * NS);
	CHECK_EQ(cmos(&b, RTC_SECOND), 0x30);
	cmos_set(&b, B, RTC_24_HOURS);
	check_clock(&b, "19 99 12 31 06 23 59 30");
	pass(&b.m, 30 * NS);
	check_clock(&b, "20 00 01 01 07 00 00 00");
	/* The battery keeps it over a reset; one register is set on the run. */
	fake_reset(&b.m);
	pass(&b.m, 3 * NS);
	cmos_set(&b, RTC_MINUTE, 0x30);
	pass(&b.m, NS);
	check_clock(&b, "20 00 01 01 07 00 30 04");
	/* What is no date is the one it overflows to. */
	cmos_set(&b, RTC_DAY, 0x32);
	check_clock(&b, "20 00 02 01 03 00 30 04");
	board_close(&b);
}

/* As Linux sets it: the divider held, and half a second to the first update. */
static void test_divider(void)
{
	struct board b;

	clock_open(&b);
	cmos_set(&b, B, SET | RTC_24_HOURS);
	cmos_set(&b, A, 0x76);
	cmos_set(&b, RTC_SECOND, 0x10);
	cmos_set(&b, B, RTC_24_HOURS);
	pass(&b.m, 10 * NS);
	CHECK_EQ(cmos(&b, RTC_SECOND), 0x10);
	CHECK_EQ(cmos(&b, C), 0);
	cmos_set(&b, A, 0x26);
	pass(&b.m, NS / 2 - 100000);
	CHECK_EQ(cmos(&b, RTC_SECOND), 0x10);
	pass(&b.m, 100000);
	CHECK_EQ(cmos(&b, RTC_SECOND), 0x11);
	CHECK_EQ(cmos(&b, C) & UIE, UIE);
	board_close(&b);
}

static void test_updating(void)
{
	struct board b;
	s64 us, rose = -1;

	clock_open(&b);
	CHECK_EQ(cmos(&b, A), 0x26);
	for (us = 990000; us < 1000000; us += 10) {
		go_to(&b.m, START + us * 1000);
		if (cmos(&b, A) & 0x80) {
			if (rose < 0)
				rose = us;
		} else {
			CHECK(rose < 0);
		}
		CHECK_EQ(cmos(&b, RTC_SECOND), 0x58);
	}
	CHECK(rose >= 997700 && rose <= 997800);
	pass(&b.m, 20000);
	CHECK_EQ(cmos(&b, A), 0x26);
	/* While it is being set it is not updated. */
	go_to(&b.m, START + 2 * NS - 1);
	CHECK_EQ(cmos(&b, A), 0xa6);
	cmos_set(&b, B, SET | RTC_24_HOURS);
	CHECK_EQ(cmos(&b, A), 0x26);
	board_close(&b);
}

static void test_update_interrupt(void)
{
	unsigned int i;
	struct board b;

	clock_open(&b);
	pass(&b.m, NS / 4);
	CHECK_EQ(cmos(&b, C) & ~PIE, 0);
	cmos_set(&b, B, RTC_24_HOURS | UIE);
	for (i = 0; i < 3; i++) {
		CHECK(!fake_high(b.irqs, IRQ_RTC));
		go_to(&b.m, START + (i + 1) * NS - 1);
		CHECK(!fake_high(b.irqs, IRQ_RTC));
		pass(&b.m, 1);
		CHECK(fake_high(b.irqs, IRQ_RTC));
		/* The alarm's registers say midnight, and that it is once. */
		CHECK_EQ(cmos(&b, C) & ~(PIE | AIE), 0x80 | UIE);
		CHECK_EQ(cmos(&b, C), 0);
	}
	/* Who does not look gets one, and costs the host no more. */
	fake_rises(b.irqs, IRQ_RTC);
	expiries = 0;
	pass(&b.m, 100 * NS);
	CHECK_EQ(fake_rises(b.irqs, IRQ_RTC), 1);
	CHECK_EQ(expiries, 1);
	cmos_set(&b, B, RTC_24_HOURS);
	CHECK(!fake_high(b.irqs, IRQ_RTC));
	/* The flag waits for whoever enables it later. */
	cmos_set(&b, B, RTC_24_HOURS | UIE);
	CHECK(fake_high(b.irqs, IRQ_RTC));
	board_close(&b);
}

static void test_periodic_interrupt(void)
{
	unsigned int rate, n, want;
	struct board b;
	s64 end;

	clock_open(&b);
	for (rate = 0; rate < 16; rate++) {
		want = rate < 3 ? 512 >> rate : 65536 >> rate;
		want = rate ? want : 0;
		cmos_set(&b, A, 0x20 | rate);
		cmos_set(&b, B, RTC_24_HOURS | PIE);
		cmos(&b, C);
		go_to(&b.m, (host_ns / NS + 1) * NS);
		cmos(&b, C);
		end = host_ns + NS;
		for (n = 0; next_timer(end); n++) {
			go_to(&b.m, next_timer(end));
			CHECK(fake_high(b.irqs, IRQ_RTC));
			CHECK_EQ(cmos(&b, C) & (0x80 | PIE), 0x80 | PIE);
		}
		CHECK_EQ(n, want);
		cmos_set(&b, B, RTC_24_HOURS);
	}
	board_close(&b);
}

static void alarm_at(struct board *b, u8 hour, u8 minute, u8 second)
{
	cmos_set(b, RTC_HOUR_ALARM, hour);
	cmos_set(b, RTC_MINUTE_ALARM, minute);
	cmos_set(b, RTC_SECOND_ALARM, second);
}

/* How long until it rings, in seconds, at most so many. */
static s64 rings_in(struct board *b, s64 most)
{
	s64 start;

	go_to(&b->m, (host_ns / NS + 1) * NS);
	start = host_ns;
	cmos(b, C);
	while (!fake_high(b->irqs, IRQ_RTC) && next_timer(start + most * NS))
		go_to(&b->m, next_timer(start + most * NS));
	CHECK_EQ((host_ns - start) % NS, 0);
	return fake_high(b->irqs, IRQ_RTC) ? (host_ns - start) / NS : -1;
}

static void test_alarm(void)
{
	struct board b;

	clock_open(&b);
	go_to(&b.m, START + 1 * NS);
	cmos_set(&b, B, RTC_24_HOURS | AIE);
	/* From midnight on. */
	alarm_at(&b, 0x06, 0x30, 0x15);
	CHECK_EQ(rings_in(&b, 90000), 23415);
	CHECK_EQ(cmos(&b, C) & AIE, AIE);
	CHECK(!fake_high(b.irqs, IRQ_RTC));
	/* The clock is at 06:30:15, and rings_in() lets it go to the next second. */
	CHECK_EQ(rings_in(&b, 90000), 86399);
	alarm_at(&b, 0xff, 0xff, 0xff);
	CHECK_EQ(rings_in(&b, 90000), 1);
	alarm_at(&b, 0xff, 0xff, 0x00);
	CHECK_EQ(rings_in(&b, 90000), 42);
	alarm_at(&b, 0xff, 0x05, 0x00);
	CHECK_EQ(rings_in(&b, 90000), 34 * 60 - 1);
	alarm_at(&b, 0xc0, 0xc1, 0x01);
	cmos(&b, C);
	CHECK_EQ(rings_in(&b, 90000), 60);
	/* No such time: never. */
	alarm_at(&b, 0x24, 0xff, 0xff);
	CHECK_EQ(rings_in(&b, 900000), -1);
	alarm_at(&b, 0xff, 0x60, 0x99);
	CHECK_EQ(rings_in(&b, 900000), -1);
	cmos_set(&b, B, SET | RTC_24_HOURS | AIE);
	alarm_at(&b, 0xff, 0xff, 0xff);
	CHECK_EQ(rings_in(&b, 900000), -1);
	board_close(&b);
}

static bool agrees(u8 alarm, u8 mode, bool hour, unsigned int value)
{
	unsigned int set = alarm;

	if ((alarm & 0xc0) == 0xc0)
		return true;
	if (hour && !(mode & RTC_24_HOURS))
		set &= 0x7f;
	if (!(mode & RTC_BINARY))
		set = (set >> 4) * 10 + (set & 0xf);
	if (hour && !(mode & RTC_24_HOURS))
		set = set % 12 + (alarm & 0x80 ? 12 : 0);
	return set == value;
}

/* The quick way to the next alarm against looking at each second. */
static void test_alarm_random(void)
{
	unsigned int i, n = rounds(300);
	u8 regs[64] = { 0 };

	for (i = 0; i < n; i++) {
		u8 mode = next_random() & 6;
		s64 t = random_below(4000000000), found, want = NEVER, s;

		regs[RTC_SECOND_ALARM] = next_random() & (next_random() & 1 ? 0xff : 0x3f);
		regs[RTC_MINUTE_ALARM] = next_random() & (next_random() & 1 ? 0xff : 0x3f);
		regs[RTC_HOUR_ALARM] = next_random() & (next_random() & 1 ? 0xff : 0x1f);
		for (s = t + 1; s <= t + 86400 && want == NEVER; s++)
			if (agrees(regs[RTC_SECOND_ALARM], mode, false, s % 60) &&
			    agrees(regs[RTC_MINUTE_ALARM], mode, false, s / 60 % 60) &&
			    agrees(regs[RTC_HOUR_ALARM], mode, true, s / 3600 % 24))
				want = s;
		found = rtc_next_alarm(regs, mode, t);
		CHECK_EQ(found, want);
	}
}

static void test_dates_random(void)
{
	unsigned int i, n = rounds(100000);
	u8 regs[64] = { 0 };

	for (i = 0; i < n; i++) {
		u8 mode = next_random() & 6;
		/* Of the years 0 to 9999. */
		s64 t = (s64)random_below(315569520000) - 62167219200;

		rtc_encode(t, mode, regs);
		CHECK_EQ(rtc_decode(regs, mode), t);
		if (failures)
			break;
	}
}

/* Somebody sets the host's clock. */
static void test_host_clock_set(void)
{
	struct board b;
	s64 early;

	clock_open(&b);
	cmos_set(&b, B, RTC_24_HOURS | UIE);
	/* The kernel is to tell of it: the timer then is readable, and is looked at anew. */
	CHECK(timer_flags & TFD_TIMER_CANCEL_ON_SET);
	early = host_ns - 1000 * NS;
	host_ns = early;
	check_clock(&b, "20 24 02 29 05 23 43 18");
	CHECK(!fake_high(b.irqs, IRQ_RTC));
	pass(&b.m, NS);
	CHECK(fake_high(b.irqs, IRQ_RTC));
	cmos(&b, C);
	/* Forward by 30 years, with an alarm set. */
	alarm_at(&b, 0x24, 0xff, 0xff);
	cmos_set(&b, B, RTC_24_HOURS | AIE);
	host_ns += 946728000 * NS;
	CHECK_EQ(cmos(&b, RTC_CENTURY), 0x20);
	CHECK_EQ(cmos(&b, RTC_YEAR), 0x54);
	CHECK(!fake_high(b.irqs, IRQ_RTC));
	board_close(&b);
}

static void test_nvram(void)
{
	struct board b;
	unsigned int i, sum;

	board_open(&b);
	fake_memory(&b.m, 64 * MIB);
	CHECK(rtc_create(&b.m));
	CHECK_EQ(cmos(&b, 0x15) | cmos(&b, 0x16) << 8, 640);
	CHECK_EQ(cmos(&b, 0x17) | cmos(&b, 0x18) << 8, 63 * 1024);
	CHECK_EQ(cmos(&b, 0x30) | cmos(&b, 0x31) << 8, 63 * 1024);
	CHECK_EQ(cmos(&b, 0x34) | cmos(&b, 0x35) << 8, 48 * 16);
	CHECK_EQ(cmos(&b, 0x5b) | cmos(&b, 0x5c) | cmos(&b, 0x5d), 0);
	for (i = 0x10, sum = 0; i < 0x2e; i++)
		sum += cmos(&b, i);
	CHECK_EQ(cmos(&b, 0x2e) << 8 | cmos(&b, 0x2f), sum);
	CHECK_EQ(cmos(&b, D), 0x80);
	cmos_set(&b, D, 0);
	CHECK_EQ(cmos(&b, D), 0x80);
	for (i = 0x0e; i < 0x80; i++)
		if (i != RTC_CENTURY)
			cmos_set(&b, i | 0x80, i ^ 0x5a);
	fake_reset(&b.m);
	for (i = 0x0e; i < 0x80; i++)
		if (i != RTC_CENTURY)
			CHECK_EQ(cmos(&b, i), i ^ 0x5a);
	CHECK_EQ(in(&b, PORT_RTC, 1), 0xff);
	/* One word sets the index and the register. */
	out(&b, PORT_RTC, 0x7740, 2);
	CHECK_EQ(cmos(&b, 0x40), 0x77);
	board_close(&b);
}

static void test_rtc_random(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, n = rounds(100000);
	struct board b;

	clock_open(&b);
	for (i = 0; i < n && !failures; i++) {
		u64 value = next_random();
		u16 port = 0x6e + random_below(5);
		u8 index = value >> 8 & 0xf, flags, enabled;
		bool high;

		if (value >> 40 & 1)
			out(&b, PORT_RTC, value >> 41 & 1 ? index : value, 1);
		if (value >> 42 & 1)
			out(&b, port, value, sizes[random_below(3)]);
		else
			in(&b, port, sizes[random_below(3)]);
		if (!(value >> 43 & 7))
			pass(&b.m, random_below(value >> 46 & 1 ? 4 * NS : NS / 1000));
		if (!(value >> 47 & 0xfff))
			host_ns += (s64)random_below(200000 * NS) - 100000 * NS;
		if (!(value >> 43 & 0xffff))
			fake_reset(&b.m);
		/* The line says what B and C say. */
		enabled = cmos(&b, B);
		high = fake_high(b.irqs, IRQ_RTC);
		flags = cmos(&b, C);
		CHECK_EQ(high, !!(flags & 0x80));
		CHECK_EQ(!!(flags & 0x80), !!(flags & enabled & 0x70));
		CHECK_EQ(cmos(&b, D), 0x80);
	}
	board_close(&b);
}

static void *use_clock(void *arg)
{
	struct board *b = arg;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		out(b, PORT_RTC, i * 13, 1);
		out(b, PORT_RTC + 1, i, 1);
		in(b, PORT_RTC, 2);
	}
	return NULL;
}

static void test_rtc_threads(void)
{
	pthread_t other;
	struct board b;

	clock_open(&b);
	CHECK(!pthread_create(&other, NULL, use_clock, &b));
	use_clock(&b);
	pthread_join(other, NULL);
	board_close(&b);
}

static const struct unit tests[] = {
	{ "time", test_time },
	{ "hours", test_hours },
	{ "set_time", test_set_time },
	{ "divider", test_divider },
	{ "updating", test_updating },
	{ "update_interrupt", test_update_interrupt },
	{ "periodic_interrupt", test_periodic_interrupt },
	{ "alarm", test_alarm },
	{ "alarm_random", test_alarm_random },
	{ "dates_random", test_dates_random },
	{ "host_clock_set", test_host_clock_set },
	{ "nvram", test_nvram },
	{ "rtc_random_class_39", test_rtc_random },
	{ "rtc_threads_class_37", test_rtc_threads },
};

int main(int argc, char **argv)
{
	return units_main(argc, argv, tests, ARRAY_SIZE(tests));
}
