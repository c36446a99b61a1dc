/* SPDX-License-Identifier: MIT */
/* What vhdx_inspect says of a memory file, kept for a test to ask. Layer: tests/public. */
#ifndef PUBLIC_INSPECTED_H
#define PUBLIC_INSPECTED_H

#include "support/expect.h"

enum { INSPECTED_MAX = 64 };

struct inspected {
	int status; /* of vhdx_inspect */
	unsigned long fields;
	unsigned long counts[3]; /* findings of each severity */
	struct {
		enum vhdx_severity severity;
		char rule[12];
		uint64_t file_offset;
		char message[200];
	} found[INSPECTED_MAX]; /* the first ones */
	unsigned found_count;
	/* the fields that broke a rule */
	struct {
		char rule[12];
		uint64_t file_offset;
		char name[32];
	} marked[INSPECTED_MAX];
	unsigned marked_count;
	/* the field asked for */
	const char *structure, *name; /* set before; NULL: none */
	uint64_t index;
	char value[400]; /* "" when it was not told */
	uint64_t place;
	struct vhdx_error error;
	size_t peak_bytes; /* of memory */
};

/* Inspects it with `parts` (0: all); every field is checked against the bytes of the file. Memory must be given back. */
void inspect_now(struct inspected *out, struct memfile *m, unsigned parts);
/* Whether a finding is there; `place` VHDX_NO_OFFSET: anywhere. */
bool inspected_has(const struct inspected *i, enum vhdx_severity severity, const char *rule, uint64_t place);
/* The same for a field that is marked with the rule. */
bool inspected_marks(const struct inspected *i, const char *rule, uint64_t place);
/* Everything found, in one text, for messages. */
const char *inspected_text(const struct inspected *i);
/* The value of a field, "" when it was not told. */
const char *field_of(struct memfile *m, const char *structure, uint64_t index, const char *name);

/* One thing is found at a place, nothing of higher severity, and a field at that place is marked. */
#define expect_found(m, severity, rule, place)                                                                                   \
	do {                                                                                                                     \
		struct inspected inspected_now = { 0 };                                                                          \
		inspect_now(&inspected_now, m, 0);                                                                               \
		cr_assert(inspected_has(&inspected_now, severity, rule, place), "%s is not found at 0x%llx in:\n%s", rule,       \
			  (unsigned long long)(place), inspected_text(&inspected_now));                                          \
		for (unsigned worse = severity + 1; worse < 3; worse++)                                                          \
			cr_assert_eq(inspected_now.counts[worse], 0, "%s", inspected_text(&inspected_now));                      \
	} while (0)
/* And the field there says so too. */
#define expect_marked(m, severity, rule, place)                                                                                  \
	do {                                                                                                                     \
		struct inspected inspected_marked = { 0 };                                                                       \
		expect_found(m, severity, rule, place);                                                                          \
		inspect_now(&inspected_marked, m, 0);                                                                            \
		cr_assert(inspected_marks(&inspected_marked, rule, place), "no field at 0x%llx is marked with %s",               \
			  (unsigned long long)(place), rule);                                                                    \
	} while (0)
#define expect_clean(m)                                                                                                          \
	do {                                                                                                                     \
		struct inspected inspected_clean = { 0 };                                                                        \
		inspect_now(&inspected_clean, m, 0);                                                                             \
		cr_assert_eq(inspected_clean.found_count, 0, "%s", inspected_text(&inspected_clean));                            \
	} while (0)

#endif
