// SPDX-License-Identifier: GPL-2.0
/* Reading the command line: options, sizes, numbers and times. */
#include <ctype.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "err.h"

/* The word that getopt_long() has just looked at. */
static const char *last_word(int argc, char **argv)
{
	return optind > 0 && optind <= argc ? argv[optind - 1] : "";
}

int next_option(int argc, char **argv, const struct option *options)
{
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, ":", options, NULL);
	if (c == ':') {
		err(STATUS_USAGE, "%s: %s needs a value: see 'lodge help %s'",
		    argv[0], last_word(argc, argv), argv[0]);
		return '?';
	}
	if (c == '?') {
		if (optopt > 0 && optopt < 128 && isprint(optopt) &&
		    last_word(argc, argv)[1] != '-')
			err(STATUS_USAGE,
			    "%s: there is no option -%c: see 'lodge help %s'",
			    argv[0], optopt, argv[0]);
		else
			err(STATUS_USAGE,
			    "%s: %s is no option, or not one as it stands: see 'lodge help %s'",
			    argv[0], last_word(argc, argv), argv[0]);
		return '?';
	}
	return c;
}

/* Digits at *@text; false without any or when they do not fit. */
static bool digits(const char **text, u64 *number)
{
	const char *p = *text;

	*number = 0;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (u64)(*p - '0'), number))
			return false;
	if (p == *text)
		return false;
	*text = p;
	return true;
}

bool parse_number(const char *text, u64 least, u64 most, u64 *number)
{
	return digits(&text, number) && !*text && *number >= least &&
	       *number <= most;
}

bool parse_size(const char *text, u64 *bytes)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	u64 unit = 1;

	if (!digits(&text, bytes))
		return false;
	if (*text) {
		suffix = strchr(suffixes, toupper((unsigned char)*text));
		if (!suffix || text[1])
			return false;
		unit = BIT_ULL(10 * (suffix - suffixes + 1));
	}
	return !__builtin_mul_overflow(*bytes, unit, bytes);
}

bool parse_seconds(const char *text, u64 *ns)
{
	u64 seconds, unit = NS_PER_SECOND;

	if (!digits(&text, &seconds) || seconds > 366 * 24 * 3600)
		return false;
	*ns = seconds * unit;
	if (*text == '.') {
		text++;
		if (!*text)
			return false;
		for (; isdigit((unsigned char)*text); text++) {
			unit /= 10;
			*ns += (*text - '0') * unit;
		}
	}
	return !*text && *ns;
}
