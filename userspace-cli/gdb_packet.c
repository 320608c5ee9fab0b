// SPDX-License-Identifier: GPL-2.0
/*
 * The framing of gdb's remote protocol: $payload#sum, with bytes that mean something
 * escaped by }, and in what goes out runs of a byte shortened by *. Between packets stand
 * acknowledgements and the byte that interrupts the guest; whatever else is there is noise.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gdb_packet.h"

#define ESCAPE		'}'
#define ESCAPE_FLIP	0x20
#define INTERRUPT	0x03
/* A count of repetitions is a printable character. */
#define RUN_BASE	29
#define RUN_LEAST	3
#define RUN_MOST	(126 - RUN_BASE)

/* ---- what comes in --------------------------------------------------------- */

static int digit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void begin(struct gdb_parser *p)
{
	p->state = GDB_INSIDE;
	p->sum = 0;
	p->len = 0;
	p->too_long = false;
}

static enum gdb_input outside(struct gdb_parser *p, u8 c)
{
	if (c == '$')
		begin(p);
	if (c == '+')
		p->acked = true;
	return c == '-' ? GDB_AGAIN : c == INTERRUPT ? GDB_INTERRUPT : GDB_MORE;
}

static void keep(struct gdb_parser *p, u8 c)
{
	if (p->len == GDB_PACKET_MAX)
		p->too_long = true;
	else
		p->data[p->len++] = c;
}

static void inside(struct gdb_parser *p, u8 c)
{
	if (c == '$') {			/* the end of the last one was lost */
		begin(p);
		return;
	}
	if (c == '#') {
		p->state = GDB_SUM_HIGH;
		return;
	}
	p->sum += c;
	if (p->state == GDB_ESCAPED) {
		keep(p, c ^ ESCAPE_FLIP);
		p->state = GDB_INSIDE;
	} else if (c == ESCAPE) {
		p->state = GDB_ESCAPED;
	} else {
		keep(p, c);
	}
}

static enum gdb_input whole(struct gdb_parser *p, u8 c)
{
	int low = digit(c);

	p->state = GDB_OUTSIDE;
	p->data[p->len] = '\0';
	if (p->told < 0 || low < 0 || (p->told << 4 | low) != p->sum)
		return GDB_DAMAGED;
	return p->too_long ? GDB_TOO_LONG : GDB_PACKET;
}

static enum gdb_input take(struct gdb_parser *p, u8 c)
{
	switch (p->state) {
	case GDB_OUTSIDE:
		return outside(p, c);
	case GDB_SUM_HIGH:
		p->told = digit(c);
		p->state = GDB_SUM_LOW;
		return GDB_MORE;
	case GDB_SUM_LOW:
		return whole(p, c);
	default:
		inside(p, c);
		return GDB_MORE;
	}
}

size_t gdb_parse(struct gdb_parser *p, const void *bytes, size_t n, enum gdb_input *input)
{
	const u8 *c = bytes;
	size_t i = 0;

	*input = GDB_MORE;
	while (i < n && *input == GDB_MORE)
		*input = take(p, c[i++]);
	return i;
}

bool gdb_number(const char **text, u64 *value)
{
	unsigned int n = 0;
	u64 v = 0;

	/* Leading zeroes are no digits of a number that is too large. */
	for (; digit(**text) >= 0; (*text)++, n++) {
		if (v >> 60)
			return false;
		v = v << 4 | digit(**text);
	}
	*value = v;
	return n;
}

bool gdb_unhex(const char *text, void *bytes, size_t n)
{
	u8 *to = bytes;
	size_t i;

	for (i = 0; i < n; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		to[i] = high << 4 | low;
	}
	return true;
}

/* ---- what goes out ---------------------------------------------------------- */

void gdb_put(struct gdb_reply *r, const void *bytes, size_t n)
{
	if (n > sizeof(r->data) - r->len) {
		r->full = true;
		return;
	}
	if (n)
		memcpy(r->data + r->len, bytes, n);
	r->len += n;
}

void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const u8 *from = bytes;
	size_t i;

	if (n > (sizeof(r->data) - r->len) / 2) {
		r->full = true;
		return;
	}
	for (i = 0; i < n; i++) {
		r->data[r->len++] = digits[from[i] >> 4];
		r->data[r->len++] = digits[from[i] & 15];
	}
}

void gdb_printf(struct gdb_reply *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		r->full = true;
	else
		gdb_put(r, text, n);
}

static bool means_something(u8 c)
{
	return c == '$' || c == '#' || c == ESCAPE || c == '*';
}

/* How often the first of @n bytes comes again, as far as one count can tell. */
static unsigned int repeated(const u8 *c, size_t n)
{
	unsigned int times = 0;

	while (times < RUN_MOST && times + 1 < n && c[times + 1] == c[0])
		times++;
	/* A count must not look like a frame's edge or an acknowledgement. */
	while (times >= RUN_LEAST && strchr("#$+-", RUN_BASE + times))
		times--;
	return times < RUN_LEAST ? 0 : times;
}

size_t gdb_frame(const struct gdb_reply *r, u8 frame[GDB_FRAME_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t i, n = 0;
	u8 sum = 0;

	frame[n++] = '$';
	for (i = 0; i < r->len; i++) {
		u8 c = r->data[i];
		unsigned int times;

		if (means_something(c)) {
			frame[n++] = ESCAPE;
			frame[n++] = c ^ ESCAPE_FLIP;
			continue;
		}
		frame[n++] = c;
		times = repeated(r->data + i, r->len - i);
		if (times) {
			frame[n++] = '*';
			frame[n++] = RUN_BASE + times;
			i += times;
		}
	}
	for (i = 1; i < n; i++)
		sum += frame[i];
	frame[n++] = '#';
	frame[n++] = digits[sum >> 4];
	frame[n++] = digits[sum & 15];
	return n;
}
