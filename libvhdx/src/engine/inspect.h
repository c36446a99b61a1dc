/* SPDX-License-Identifier: MIT */
/*
 * Walking every structure of a file, however damaged, for vhdx_inspect. Layer: engine.
 *
 *   inspect.c            which format; telling fields and findings
 *   inspect_text.c       values as text
 *   inspect_vhdx.c       identifier, headers; the other parts of a VHDX in inspect_vhdx_*.c
 *   inspect_vhd.c        footers; dynamic header with locators, and BAT of a VHD in inspect_vhd_*.c
 *
 * The walk judges with the decoders that an open uses, but goes on after a broken rule as far as the bytes make sense. What a
 * structure breaks is collected first (inspect_judged), then told together with its fields (inspect_structure). A problem is an
 * ERROR exactly when an open, or the reads that meet it, refuse the file or may go wrong; what an open would accept is a
 * WARNING or a NOTE.
 */
#ifndef ENGINE_INSPECT_H
#define ENGINE_INSPECT_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/utf.h"
#include "format/fields.h"
#include "format/rules.h"

enum { INSPECT_PROBLEMS = 16, INSPECT_TEXT_SIZE = UTF8_SIZE(32768) };

struct inspect_problem {
	enum vhdx_severity severity;
	enum vhdx_mend mend;
	struct vhdx_error what; /* rule, place and message */
};

struct inspection;
struct vhdx_walk;
struct vhd_walk;

/* What follows the walk while all that it has found is there: repair.h. */
struct inspect_follow {
	int (*vhdx)(struct inspect_follow *follow, struct vhdx_walk *walk);
	int (*vhd)(struct inspect_follow *follow, struct vhd_walk *walk);
	struct claims *leaks; /* gets the places that belong to nothing */
};

struct inspection {
	struct vhdx_env env;
	const struct vhdx_file *file;
	const struct vhdx_inspect_options *options; /* complete */
	struct vhdx_error *error;                   /* why the walk cannot go on */
	struct vhdx_error why;                      /* of the check made last */
	uint64_t size;                              /* of the file, or what replay would make of it; no fields are told beyond */
	struct inspect_problem problems[INSPECT_PROBLEMS];
	size_t problem_count;
	size_t first_field[STRUCTURE_COUNT]; /* index in fields[] */
	char *text;                          /* INSPECT_TEXT_SIZE, for values */
	struct inspect_follow *follow;       /* or NULL */
	bool has_errors;                     /* so far */
	bool is_foreign;                     /* something in it is not for us to know, or it may be another format's */
};

/* One structure to be told. */
struct inspect_item {
	enum vhdx_part part;
	enum structure_id id;
	uint64_t index;
	uint64_t file_offset;
	const uint8_t *bytes;   /* all that the structure has */
	const char *note_field; /* NULL, or the field whose value gets the note in parentheses */
	const char *note;
};

/* `follow` may be NULL. */
int inspect_file(const struct vhdx_file *file, const struct vhdx_inspect_options *options, struct inspect_follow *follow,
		 struct vhdx_error *error);
int inspect_vhdx(struct inspection *in);
int inspect_vhd(struct inspection *in);

static inline bool inspect_wants(const struct inspection *in, enum vhdx_part part)
{
	return (in->options->parts & (unsigned)part) != 0;
}

static inline bool inspect_wants_fields(const struct inspection *in, enum vhdx_part part)
{
	return in->options->on_field != NULL && inspect_wants(in, part);
}

/*
 * Takes the result of a check whose error is in->why. A refusal becomes a problem of the structure that is told next, and the
 * result is VHDX_OK; any other failure ends the walk and is returned.
 */
int inspect_judged(struct inspection *in, enum vhdx_severity severity, int status);
/* What would mend the problem that was found last. */
void inspect_mends(struct inspection *in, enum vhdx_mend mend);
#define inspect_broken(in, severity, rule, place, ...) inspect_judged(in, severity, broken(&(in)->why, rule, place, __VA_ARGS__))

/*
 * Tells the fields of a structure, each with the problem whose place it is, then its problems as findings, among them reserved
 * fields that are not zero.
 */
int inspect_structure(struct inspection *in, const struct inspect_item *item);
/* The first half of that; the problems are kept. */
int inspect_fields(struct inspection *in, const struct inspect_item *item);
/* Tells one field of a structure: name, place, bytes, value and meaning are filled in, the rest follows from `item`. */
int inspect_field(struct inspection *in, const struct inspect_item *item, struct vhdx_field *field);
/* Tells the problems alone. Of parts that were not asked for, errors are told all the same. */
int inspect_problems(struct inspection *in, enum vhdx_part part);
/* Tells one finding at once. */
int inspect_finding(struct inspection *in, enum vhdx_part part, enum vhdx_severity severity, enum vhdx_mend mend,
		    const struct vhdx_error *what);
#define inspect_say_mend(in, part, severity, mend, rule, place, ...)                                                             \
	((void)broken(&(in)->why, rule, place, __VA_ARGS__), inspect_finding(in, part, severity, mend, &(in)->why))
#define inspect_say(in, part, severity, rule, place, ...)                                                                        \
	inspect_say_mend(in, part, severity, VHDX_MEND_NONE, rule, place, __VA_ARGS__)

/* Writes the value of a field to in->text, with the note (or NULL) behind it. */
void inspect_value(struct inspection *in, const struct field_info *field, const uint8_t *bytes, const char *note);

#endif
