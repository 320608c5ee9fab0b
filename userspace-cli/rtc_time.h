/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CMOS clock's arithmetic: between the host's time, ticks of a crystal, and registers
 * in BCD or binary, with 12 hours or 24.
 */
#ifndef LODGE_CLI_RTC_TIME_H
#define LODGE_CLI_RTC_TIME_H

#include <time.h>

#include "cli.h"

typedef __s64 s64;

/* A second has two to the power of 15. */
#define TICKS_SHIFT		15
#define TICKS			(1 << TICKS_SHIFT)
#define NEVER			((s64)(~0ull >> 1))

/* Registers: alarms lie between seconds, minutes and hours. */
enum {
	RTC_SECOND, RTC_SECOND_ALARM, RTC_MINUTE, RTC_MINUTE_ALARM, RTC_HOUR, RTC_HOUR_ALARM,
	RTC_WEEKDAY, RTC_DAY, RTC_MONTH, RTC_YEAR,
	RTC_CENTURY = 0x32,
};

/* How they are to be read: bits of register B. */
#define RTC_BINARY		0x04
#define RTC_24_HOURS		0x02

/* One of those that the clock itself changes. */
bool rtc_is_time(unsigned int reg);

/* The host's clock, since 1970. */
s64 rtc_host_ticks(void);
/* The first moment on the host's clock that has so many ticks. */
struct timespec rtc_host_time(s64 ticks);

/* Seconds since 1970 to registers and back; what is no date is the one that it overflows to. */
void rtc_encode(s64 second, u8 mode, u8 *regs);
s64 rtc_decode(const u8 *regs, u8 mode);

/* The first second after @second at which the alarm registers agree with the time, or NEVER. */
s64 rtc_next_alarm(const u8 *regs, u8 mode, s64 second);

#endif
