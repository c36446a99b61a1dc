/* SPDX-License-Identifier: MIT */
/* A command line as a table, from which both getopt_long's list and the reading of the values are made. */
#ifndef OPTION_TABLE_H
#define OPTION_TABLE_H

#include <stddef.h>

#include "tool.h"

/* What an option wants, and what its member is. */
enum option_kind {
	OPTION_WORD,    /* int, one of `words` */
	OPTION_SIZE,    /* uint64_t, 1 to 2^32 - 1 */
	OPTION_SIZE64,  /* uint64_t, not 0 */
	OPTION_TEXT,    /* const char * */
	OPTION_FLAG,    /* bool, set */
	OPTION_PROGRESS /* struct progress, see progress_option */
};

struct option_word {
	const char *text; /* NULL ends the list */
	int value;
};

struct option_rule {
	const char *name;
	enum option_kind kind;
	size_t offset; /* of the member of the request */
	const struct option_word *words;
	char letter; /* of a flag: its short form, or 0 */
};

enum { OPTION_MOST_RULES = 40 };

/* Takes all options, those that tell how images are opened (as --from-format, --map, ...) too. Operands follow from `optind` on. TOOL_DONE, or the exit
 * status after a message. */
int option_table_parse(const struct option_rule *rules, size_t count, void *request, struct tool_open *open, int argc,
		       char **argv);

#endif
