/* SPDX-License-Identifier: MIT */
/*
 * Images that vhdx_create_file made, for the tests of writer rules, and where the fields of a VHD stand. Layer: tests/rules.
 *
 * All have 4 MiB, blocks of 512 KiB, and (but the child) the content of vhd_created_runs: data in blocks 0, 1 and 3.
 */
#ifndef RULES_VHD_CREATED_H
#define RULES_VHD_CREATED_H

#include "rules/vhd_images.h"
#include "support/content.h"

/* Offsets in a footer. */
enum {
	FEATURES = 8,
	VERSION = 12,
	DATA_OFFSET = 16,
	TIME_STAMP = 24,
	CREATOR = 28,
	CREATOR_VERSION = 32,
	HOST_OS = 36,
	ORIGINAL_SIZE = 40,
	CURRENT_SIZE = 48
};
enum { CYLINDERS = 56, HEADS = 58, PER_TRACK = 59, DISK_TYPE = 60, UNIQUE_ID = 68, SAVED_STATE = 84, RESERVED = 85 };
/* Offsets in a file of ours: the header is at 512. */
enum {
	HEADER = 512,
	TABLE_OFFSET = HEADER + 16,
	HEADER_VERSION = HEADER + 24,
	MAX_ENTRIES = HEADER + 28,
	BLOCK_SIZE = HEADER + 32,
	PARENT_ID = HEADER + 40
};
enum {
	PARENT_TIME = HEADER + 56,
	HEADER_RESERVED = HEADER + 60,
	PARENT_NAME = HEADER + 64,
	LOCATORS = HEADER + 576,
	HEADER_RESERVED2 = HEADER + 768
};

enum { VHD_CREATED_RUNS = 3 };
extern const struct content_run vhd_created_runs[VHD_CREATED_RUNS];

struct vhdx_create_options vhd_create_options(enum vhdx_type type);
/* Creates in memory with the environment of the tests, whose clock stands at TESTENV_NOW. */
struct memfile *vhd_create_with(struct vhdx_create_options o);
/* Fixed or dynamic, with content. */
struct memfile *vhd_create(enum vhdx_type type);
/* Over vhd_dynamic. */
struct memfile *vhd_create_child(const char *relative, const char *absolute);
uint64_t vhd_footer_place(const struct memfile *m);
/* Whether a range of the file holds one byte only. */
bool vhd_is_filled(const struct memfile *m, uint64_t offset, uint64_t length, uint8_t value);

#endif
