// SPDX-License-Identifier: GPL-2.0
/*
 * A trace as one page for a browser, with drawings (SVG) and without anything from elsewhere:
 * exits over time, the host's time by reason, and with symbols where the guest came out.
 * Exits are summed up as they come, so that its size does not depend on how many there are.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "trace.h"

#define COLUMNS		160	/* of the drawing over time, at most */
#define COLOURS		8	/* reasons with one of their own */
#define VMFAIL		FLIGHT_REASONS	/* behind the CPU's reasons */
#define KINDS		(FLIGHT_REASONS + 1)
#define SYMBOLS_SHOWN	30
#define WIDTH		960
#define HEIGHT		260
#define BAR		22

struct page {
	u64 width;		/* of a column, in ticks */
	u64 column[COLUMNS][KINDS];
	u64 exits[KINDS];
	u64 host[KINDS];	/* ticks behind exits of the kind */
	u64 elsewhere;		/* exits at no symbol */
	u64 *at;		/* exits by symbol */
	u64 guest;		/* ticks */
};

static const char * const colours[COLOURS + 1] = {
	"#3366cc", "#dc8a22", "#2f9e5b", "#c0392b", "#8e5bb5", "#16a2a8", "#b8a11f", "#d45d9b",
	"#999999",
};

/* ---- counting -------------------------------------------------------------------- */

static int html_begin(struct trace *t)
{
	struct page *p = calloc(1, sizeof(*p));

	t->state = p;
	if (p && t->symbols)
		p->at = calloc(t->symbols->nr, sizeof(*p->at));
	if (!p || (t->symbols && !p->at))
		return err(STATUS_HOST, "trace: no memory");
	p->width = t->tsc_khz;		/* 1 ms */
	return 0;
}

static unsigned int kind_of(const struct lodge_flight_record *r)
{
	u16 reason = r->reason;

	if (r->flags & LODGE_FLIGHT_VMFAIL)
		return VMFAIL;
	return reason < FLIGHT_REASONS ? reason : FLIGHT_REASONS - 1;
}

static const char *kind_name(unsigned int kind, char number[16])
{
	return kind == VMFAIL ? "VMFAIL" : flight_reason_name(kind, number);
}

/* Twice the time in each column. */
static void fold(struct page *p)
{
	unsigned int i, k;

	for (i = 0; i < COLUMNS; i++)
		for (k = 0; k < KINDS; k++) {
			u64 n = p->column[i][k];

			p->column[i][k] = 0;
			p->column[i / 2][k] += n;
		}
	p->width *= 2;
}

static void html_exit(struct trace *t, const struct trace_exit *e)
{
	const struct lodge_flight_record *r = &e->record;
	u64 after = trace_ticks(t, t->start, r->left);
	struct page *p = t->state;
	unsigned int kind = kind_of(r);
	int symbol;

	while (after / p->width >= COLUMNS)
		fold(p);
	p->column[after / p->width][kind]++;
	p->exits[kind]++;
	p->guest += trace_ticks(t, r->entered, r->left);
	if (e->before)
		p->host[kind_of(e->before)] += trace_ticks(t, e->before->left, r->entered);
	if (!t->symbols)
		return;
	symbol = symbols_find(t->symbols, r->rip);
	if (symbol < 0)
		p->elsewhere++;
	else
		p->at[symbol]++;
}

/* ---- the page -------------------------------------------------------------------- */

static void put_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
			fprintf(to, "&#%u;", c);
		else
			fputc(c < ' ' || c >= 0x7f ? '?' : c, to);
	}
}

/* Indices of the largest of @n values, the largest first: how many are not 0. */
static unsigned int largest(const u64 *values, unsigned int n, unsigned int *order,
			    unsigned int most)
{
	unsigned int i, j, nr = 0;

	for (i = 0; i < n; i++) {
		if (!values[i] || (nr == most && values[order[nr - 1]] >= values[i]))
			continue;
		for (j = nr < most ? nr++ : nr - 1; j && values[order[j - 1]] < values[i]; j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	return nr;
}

/* Exits of a column that have no colour of their own. */
static u64 others(const struct page *p, unsigned int column, const unsigned int *order,
		  unsigned int nr)
{
	u64 n = 0;
	unsigned int k;

	for (k = 0; k < KINDS; k++)
		n += p->column[column][k];
	for (k = 0; k < nr; k++)
		n -= p->column[column][order[k]];
	return n;
}

static void put_column(const struct trace *t, unsigned int i, unsigned int columns, double scale,
		       const unsigned int *order, unsigned int nr)
{
	const struct page *p = t->state;
	double width = (double)WIDTH / columns, y = HEIGHT;
	char number[16];
	unsigned int k;

	for (k = 0; k <= nr; k++) {
		u64 n = k < nr ? p->column[i][order[k]] : others(p, i, order, nr);

		if (!n)
			continue;
		y -= n * scale;
		fprintf(t->to, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
			"fill=\"%s\"><title>%.3f ms: %llu %s</title></rect>\n",
			i * width, y, width, n * scale, colours[k < nr ? k : COLOURS],
			trace_us(t, i * p->width) / 1000, n,
			k < nr ? kind_name(order[k], number) : "others");
	}
}

static void put_over_time(const struct trace *t)
{
	const struct page *p = t->state;
	unsigned int order[COLOURS], i, k, nr = largest(p->exits, KINDS, order, COLOURS);
	u64 last = trace_ticks(t, t->start, t->stop) / p->width, most = 1;
	unsigned int columns = last < COLUMNS ? last + 1 : COLUMNS;
	char number[16];

	for (i = 0; i < COLUMNS; i++) {
		u64 n = others(p, i, order, 0);

		most = n > most ? n : most;
		if (n && i >= columns)
			columns = i + 1;
	}
	fprintf(t->to, "<h2>Exits over time</h2>\n"
		"<p>Each column is %.3f ms, the highest has %llu exits.</p>\n<p class=\"legend\">",
		trace_us(t, p->width) / 1000, most);
	for (k = 0; k < nr; k++)
		fprintf(t->to, "<span><i style=\"background:%s\"></i>%s</span>\n", colours[k],
			kind_name(order[k], number));
	fprintf(t->to, "<span><i style=\"background:%s\"></i>others</span></p>\n"
		"<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"exits over time\">\n",
		colours[COLOURS], WIDTH, HEIGHT);
	for (i = 0; i < columns; i++)
		put_column(t, i, columns, (HEIGHT - 10.0) / most, order, nr);
	fputs("</svg>\n", t->to);
}

static void bars_begin(const struct trace *t, const char *title, unsigned int nr)
{
	fprintf(t->to, "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"%s\">\n",
		title, WIDTH, nr * BAR + 4, title);
}

/* A bar with the name in front of it; the label behind it is what the caller goes on with. */
static void bar(const struct trace *t, unsigned int row, const char *name, double share)
{
	fprintf(t->to, "<text x=\"290\" y=\"%u\" text-anchor=\"end\">", row * BAR + 16);
	put_text(t->to, name);
	fprintf(t->to, "</text><rect x=\"300\" y=\"%u\" width=\"%.1f\" height=\"%d\" "
		"fill=\"%s\"/><text x=\"%.1f\" y=\"%u\">",
		row * BAR + 3, share * 420, BAR - 6, colours[0], 306 + share * 420, row * BAR + 16);
}

static void put_host_time(const struct trace *t)
{
	const struct page *p = t->state;
	unsigned int order[KINDS], i, nr = largest(p->host, KINDS, order, KINDS);
	char number[16];

	bars_begin(t, "Time in the host by reason", nr);
	for (i = 0; i < nr; i++) {
		unsigned int k = order[i];

		bar(t, i, kind_name(k, number), (double)p->host[k] / p->host[order[0]]);
		fprintf(t->to, "%.3f ms, %llu exits</text>\n", trace_us(t, p->host[k]) / 1000,
			p->exits[k]);
	}
	fputs("</svg>\n<p>That of HLT is mostly sleep.</p>\n", t->to);
}

static void put_symbols(const struct trace *t)
{
	const struct page *p = t->state;
	unsigned int order[SYMBOLS_SHOWN], i;
	unsigned int nr = largest(p->at, t->symbols->nr, order, SYMBOLS_SHOWN);

	bars_begin(t, "Exits by guest symbol", nr);
	for (i = 0; i < nr; i++) {
		bar(t, i, t->symbols->list[order[i]].name,
		    (double)p->at[order[i]] / p->at[order[0]]);
		fprintf(t->to, "%llu</text>\n", p->at[order[i]]);
	}
	fprintf(t->to, "</svg>\n<p>%llu exits were at no symbol.</p>\n", p->elsewhere);
}

static void html_end(struct trace *t)
{
	struct page *p = t->state;

	if (!p)
		return;
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<title>lodge: exits of ", t->to);
	put_text(t->to, t->machine);
	fputs("</title>\n<style>\n"
	      "body { font: 15px/1.4 sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em;"
	      " color: #222; background: #fff; }\n"
	      "svg { width: 100%; background: #f6f6f6; } svg text { font: 13px sans-serif; }\n"
	      ".legend span { margin-right: 1.2em; white-space: nowrap; }\n"
	      ".legend i { display: inline-block; width: 0.9em; height: 0.9em; margin-right: 0.4em; }\n"
	      "</style></head><body>\n<h1>Exits of ", t->to);
	put_text(t->to, t->machine);
	fprintf(t->to, "</h1>\n<p>Machine %d, %u CPUs, %.3f s: %llu exits; "
		"%.3f ms in the guest between them. ",
		t->pid, t->cpus, trace_us(t, trace_ticks(t, t->start, t->stop)) / 1e6, t->exits,
		trace_us(t, p->guest) / 1000);
	fprintf(t->to, "%llu more exits were overwritten before they could be read.</p>\n",
		t->lost);
	put_over_time(t);
	put_host_time(t);
	if (t->symbols)
		put_symbols(t);
	fputs("</body></html>\n", t->to);
	free(p->at);
	free(p);
	t->state = NULL;
}

const struct trace_format trace_html = {
	.name = "html", .begin = html_begin, .exit = html_exit, .end = html_end,
};
