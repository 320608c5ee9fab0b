/* SPDX-License-Identifier: GPL-2.0 */
/* JSON for programs that read lodge's output: strings are all that needs care. */
#ifndef LODGE_CLI_JSON_H
#define LODGE_CLI_JSON_H

#include <stdio.h>

/* Writes @text in quotes. Bytes that are no ASCII go out as they are. */
void json_string(FILE *f, const char *text);

#endif
