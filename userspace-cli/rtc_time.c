// SPDX-License-Identifier: GPL-2.0
/* The CMOS clock's arithmetic. */
#include "rtc_time.h"

#define NS			1000000000
#define DAY			(24 * 60 * 60)
#define PM			0x80
/* An alarm with both of these set agrees with every time. */
#define ANY			0xc0
/* More steps than any alarm takes: some 60 seconds, 60 minutes and 24 hours. */
#define ALARM_STEPS		200

bool rtc_is_time(unsigned int reg)
{
	return reg == RTC_CENTURY ||
	       (reg <= RTC_YEAR && reg != RTC_SECOND_ALARM && reg != RTC_MINUTE_ALARM &&
		reg != RTC_HOUR_ALARM);
}

s64 rtc_host_ticks(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (s64)ts.tv_sec * TICKS + (s64)ts.tv_nsec * TICKS / NS;
}

struct timespec rtc_host_time(s64 ticks)
{
	struct timespec ts = {
		.tv_sec = ticks >> TICKS_SHIFT,
		.tv_nsec = ((ticks & (TICKS - 1)) * NS + TICKS - 1) / TICKS,
	};

	/* No time before 1970 can be waited for, but it is over. */
	if (ticks <= 0)
		ts = (struct timespec){ .tv_nsec = 1 };
	return ts;
}

static u8 encode(unsigned int value, u8 mode)
{
	return mode & RTC_BINARY ? value : value / 10 << 4 | value % 10;
}

static unsigned int decode(u8 reg, u8 mode)
{
	return mode & RTC_BINARY ? reg : (reg >> 4) * 10 + (reg & 0xf);
}

/* 12, 1, 2, ... 11, and again with PM. */
static u8 encode_hour(unsigned int hour, u8 mode)
{
	if (mode & RTC_24_HOURS)
		return encode(hour, mode);
	return encode((hour + 11) % 12 + 1, mode) | (hour >= 12 ? PM : 0);
}

static unsigned int decode_hour(u8 reg, u8 mode)
{
	if (mode & RTC_24_HOURS)
		return decode(reg, mode);
	return decode(reg & ~PM, mode) % 12 + (reg & PM ? 12 : 0);
}

void rtc_encode(s64 second, u8 mode, u8 *regs)
{
	time_t t = second;
	unsigned int year;
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return;
	year = (tm.tm_year + 1900ll) % 10000;
	regs[RTC_SECOND] = encode(tm.tm_sec, mode);
	regs[RTC_MINUTE] = encode(tm.tm_min, mode);
	regs[RTC_HOUR] = encode_hour(tm.tm_hour, mode);
	regs[RTC_WEEKDAY] = encode(tm.tm_wday + 1, mode);
	regs[RTC_DAY] = encode(tm.tm_mday, mode);
	regs[RTC_MONTH] = encode(tm.tm_mon + 1, mode);
	regs[RTC_YEAR] = encode(year % 100, mode);
	regs[RTC_CENTURY] = encode(year / 100, mode);
}

s64 rtc_decode(const u8 *regs, u8 mode)
{
	struct tm tm = {
		.tm_sec = decode(regs[RTC_SECOND], mode),
		.tm_min = decode(regs[RTC_MINUTE], mode),
		.tm_hour = decode_hour(regs[RTC_HOUR], mode),
		.tm_mday = decode(regs[RTC_DAY], mode),
		.tm_mon = (int)decode(regs[RTC_MONTH], mode) - 1,
		.tm_year = (int)(decode(regs[RTC_CENTURY], mode) * 100 +
				 decode(regs[RTC_YEAR], mode)) - 1900,
	};

	return timegm(&tm);
}

static bool agrees(u8 alarm, unsigned int set, unsigned int value)
{
	return (alarm & ANY) == ANY || set == value;
}

/* Over whole hours and minutes that do not agree it goes in one step. */
s64 rtc_next_alarm(const u8 *regs, u8 mode, s64 second)
{
	u8 h = regs[RTC_HOUR_ALARM], m = regs[RTC_MINUTE_ALARM], s = regs[RTC_SECOND_ALARM];
	s64 t = second + 1;
	unsigned int i;

	for (i = 0; i < ALARM_STEPS; i++) {
		unsigned int of_day = (t % DAY + DAY) % DAY;

		if (!agrees(h, decode_hour(h, mode), of_day / 3600))
			t += 3600 - of_day % 3600;
		else if (!agrees(m, decode(m, mode), of_day / 60 % 60))
			t += 60 - of_day % 60;
		else if (!agrees(s, decode(s, mode), of_day % 60))
			t++;
		else
			return t;
	}
	return NEVER;
}
