/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The framing of gdb's remote protocol: bytes to packets and back. It knows neither
 * connections nor guests; what it is fed may be anything.
 */
#ifndef LODGE_CLI_GDB_PACKET_H
#define LODGE_CLI_GDB_PACKET_H

#include "cli.h"

/* Payload of the longest packet, in either direction; told to gdb as PacketSize. */
#define GDB_PACKET_MAX	0x4000
/* On the wire each byte may be two; then $, #, and the sum. */
#define GDB_FRAME_MAX	(2 * GDB_PACKET_MAX + 4)

enum gdb_input {
	GDB_MORE,		/* all bytes are used up, nothing is whole yet */
	GDB_PACKET,		/* one is in data, until the next call */
	GDB_DAMAGED,		/* its sum is wrong */
	GDB_TOO_LONG,
	GDB_AGAIN,		/* the other side wants the last one again */
	GDB_INTERRUPT,		/* stop the guest */
};

struct gdb_parser {
	enum {
		GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW,
	} state;
	u8 sum;			/* of what came */
	int told;		/* what it shall be; negative: no hexadecimal digit */
	bool too_long;
	bool acked;		/* set by every +; for the user to clear */
	size_t len;
	u8 data[GDB_PACKET_MAX + 1];	/* a zero is behind the payload */
};

/* Takes bytes up to the first event: how many, and which event. */
size_t gdb_parse(struct gdb_parser *p, const void *bytes, size_t n, enum gdb_input *input);

/* A payload that is being written. What does not fit is lost, and full says so. */
struct gdb_reply {
	size_t len;
	bool full;
	u8 data[GDB_PACKET_MAX];
};

void gdb_put(struct gdb_reply *r, const void *bytes, size_t n);
void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t n);
void __printf(2, 3) gdb_printf(struct gdb_reply *r, const char *fmt, ...);

/* The packet as it goes out; its length. */
size_t gdb_frame(const struct gdb_reply *r, u8 frame[GDB_FRAME_MAX]);

/* A hexadecimal number of up to 64 bits; *@text goes behind it. */
bool gdb_number(const char **text, u64 *value);
/* 2 * @n hexadecimal digits at @text. */
bool gdb_unhex(const char *text, void *bytes, size_t n);

#endif
