/* SPDX-License-Identifier: MIT */
/*
 * New images by vhdx_create_file, and where things are in them: found by the region table and the metadata table,
 * through the recipe's functions and not through the library. Layer: tests/rules.
 */
#ifndef RULES_VHDX_CREATED_H
#define RULES_VHDX_CREATED_H

#include "rules/vhdx_sample.h"

enum { CREATED_PARAMETERS, CREATED_SIZE, CREATED_ID, CREATED_LOGICAL, CREATED_PHYSICAL, CREATED_LOCATOR };
/* Text of the GUIDs of the known items. */
extern const char *const created_ids[6];

struct created {
	uint64_t log, bat, metadata;
	uint32_t log_length, bat_length;
	unsigned items;
};

struct created created_places(const struct memfile *m);
/* The metadata table entry of an item; 0 when there is none. */
uint64_t created_entry(const struct memfile *m, const char *id);
/* File offset of the value of a known item. */
uint64_t created_value(const struct memfile *m, unsigned item);

/* In an environment of its own, which must have nothing left at the end. */
struct memfile *create_image(const struct vhdx_create_options *options);
/* 12 MiB and a bit, with pattern 5, in blocks of 2 MiB. */
struct memfile *create_filled(enum vhdx_type type);
/* A child of `parent` with two paths. */
struct memfile *create_child(struct memfile *parent);

#endif
