/* SPDX-License-Identifier: MIT */
/*
 * One image of every kind, small in memory whatever its size, with a list of where each structure stands in it: for tests that go through all structures and
 * all fields (tests/hostile, fuzz). Layer: tests/support; of the library only the table of fields.
 */
#ifndef SUPPORT_SPECIMEN_H
#define SUPPORT_SPECIMEN_H

#include "format/fields.h"
#include "support/memfile.h"

/* What protects a structure. */
enum specimen_sum { SUM_NONE, SUM_HEADER, SUM_REGION_TABLE, SUM_LOG_ENTRY, SUM_FOOTER, SUM_DYNAMIC };

struct specimen_part {
	enum structure_id structure;
	unsigned index; /* which one of its kind */
	uint64_t file_offset;
	enum specimen_sum sum;
	uint64_t sum_offset; /* of the structure that has the checksum */
};

enum { SPECIMEN_PARTS = 160 };

struct specimen {
	const char *name;
	enum vhdx_format format;
	enum vhdx_type type;
	struct memfile *file;
	struct memfile *parent; /* NULL when it needs none */
	uint64_t size;          /* of the disk */
	uint64_t block_size;    /* 0: one piece */
	struct specimen_part parts[SPECIMEN_PARTS];
	size_t part_count;
};

enum specimen_kind {
	SPECIMEN_VHDX_DYNAMIC,
	SPECIMEN_VHDX_FIXED,
	SPECIMEN_VHDX_CHILD,
	SPECIMEN_VHDX_LOG,
	SPECIMEN_VHDX_HUGE,
	SPECIMEN_VHDX_EXTRAS,
	SPECIMEN_VHD_DYNAMIC,
	SPECIMEN_VHD_FIXED,
	SPECIMEN_VHD_CHILD,
	SPECIMEN_VHD_HUGE,
	SPECIMEN_COUNT,
	/* what the children are over; `parent` of a child is the same file */
	SPECIMEN_VHDX_PARENT = SPECIMEN_COUNT,
	SPECIMEN_VHD_PARENT,
	SPECIMEN_ALL
};

/* Built on first use, and kept; to be copied before it is changed. */
const struct specimen *specimen_get(enum specimen_kind kind);
/* Frees all of them. */
void specimen_end(void);
/* The checksum that covers a part, or all checksums of the image, made right in a copy. */
void specimen_repair_part(const struct specimen_part *part, struct memfile *m);
void specimen_repair(const struct specimen *s, struct memfile *m);
/* Opens a copy with its parent, when it has one. */
int specimen_open(vhdx_disk **out, const struct specimen *s, struct memfile *m, unsigned flags, const struct vhdx_env *env,
		  struct vhdx_error *error);

/* Values that readers get wrong. Numbers of up to eight bytes in host order. */
enum { SPECIMEN_VALUES = 40 };
/* The n-th hostile value for a number that is `original`, `size` bytes long; false when there are no more. `s` lends its offsets and its size. */
bool specimen_value(const struct specimen *s, unsigned n, uint64_t original, unsigned size, uint64_t *value);
/* Whether fields of the type are numbers, and which way round. */
bool specimen_is_number(enum field_type type, bool *big_endian);

#endif
