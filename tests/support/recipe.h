/* SPDX-License-Identifier: MIT */
/*
 * Images built byte by byte from the specifications, independently of the library: nothing of libvhdx/src is used here,
 * so a mistake there cannot hide behind the same mistake in its input. Layer: tests/support.
 *
 * Fill a struct of knobs (RECIPE_VHDX_INIT, RECIPE_VHD_INIT, then the members that matter), build it, and damage the
 * bytes with memfile_write or the recipe_put functions; the recipe_fix functions make checksums right again, so that
 * only the rule under test is broken. The place of everything that was built comes back in a struct of places.
 *
 * Contents are patterns: the bytes of a disk under seed s are a function of s and the disk offset alone, seed 0 being
 * zeros.
 */
#ifndef SUPPORT_RECIPE_H
#define SUPPORT_RECIPE_H

#include "support/memfile.h"

#define RECIPE_MIB (UINT64_C(1) << 20)

/* Bytes and patterns */

uint64_t recipe_get(const struct memfile *m, uint64_t offset, unsigned size); /* little-endian */
void recipe_put(struct memfile *m, uint64_t offset, unsigned size, uint64_t value);
uint64_t recipe_get_be(const struct memfile *m, uint64_t offset, unsigned size);
void recipe_put_be(struct memfile *m, uint64_t offset, unsigned size, uint64_t value);
struct vhdx_guid recipe_guid(uint8_t seed);                                 /* an arbitrary GUID, never zero */
struct vhdx_guid recipe_guid_text(const char *text);                        /* 36 characters */
struct vhdx_guid recipe_get_guid(const struct memfile *m, uint64_t offset); /* as VHDX stores them */
void recipe_put_guid(struct memfile *m, uint64_t offset, const struct vhdx_guid *guid);
uint32_t recipe_crc32c(const void *bytes, size_t length);
void recipe_pattern(void *buffer, size_t length, uint64_t disk_offset, uint32_t seed);
void recipe_fill(struct memfile *m, uint64_t file_offset, uint64_t length, uint64_t disk_offset, uint32_t seed);

/* A run of sectors of one block. */
struct recipe_run {
	uint32_t first, count;
};

/* VHDX */

enum { RECIPE_NOT_PRESENT, RECIPE_UNDEFINED, RECIPE_ZERO, RECIPE_UNMAPPED, RECIPE_FULL = 6, RECIPE_PARTIAL = 7 };

/* A payload block whose BAT entry is not 0. */
struct recipe_block {
	uint64_t index;
	unsigned state;
	uint64_t file_offset; /* 0: for states 6 and 7 the next free place, for the others none. RECIPE_NO_PLACE: really 0 */
	uint32_t seed;        /* pattern of its contents, also where bitmap bits are clear; 0: nothing is written */
	const struct recipe_run *runs; /* state 7: sectors whose bitmap bit is set */
	size_t run_count;
};
#define RECIPE_NO_PLACE UINT64_MAX

struct recipe_region {
	struct vhdx_guid guid;
	uint64_t file_offset;
	uint32_t length;
	uint32_t required;
};

struct recipe_item {
	struct vhdx_guid id;
	uint32_t flags; /* 1 user, 2 virtual disk, 4 required */
	const void *bytes;
	uint32_t length;
};

/* Texts are ASCII here; other code units are put over them in the built image. */
struct recipe_pair {
	const char *key;
	const char *value;
};

struct recipe_descriptor {
	uint64_t file_offset;
	uint64_t zero_length; /* nonzero: a zero descriptor */
	const uint8_t *page;  /* data: 4,096 bytes; NULL: pattern `seed` at disk offset `file_offset` */
	uint32_t seed;
};

struct recipe_entry {
	uint32_t at;   /* offset in the log of the entry; RECIPE_NEXT: behind the one before */
	uint32_t tail; /* RECIPE_SELF: the entry's own offset */
	uint64_t sequence_number;
	uint64_t flushed_file_offset;
	uint64_t last_file_offset;        /* 0: the size of the file, rounded up to 1 MiB */
	const struct vhdx_guid *log_guid; /* NULL: that of the header */
	const struct recipe_descriptor *descriptors;
	uint32_t descriptor_count;
};
#define RECIPE_NEXT UINT32_MAX
#define RECIPE_SELF UINT32_MAX

struct recipe_vhdx {
	uint64_t size;
	uint32_t block_size;
	uint32_t logical_sector_size;
	uint32_t physical_sector_size;
	enum vhdx_type type; /* sets the File Parameters flags and the shape of the BAT */
	struct vhdx_guid disk_id;
	const char *creator;
	/* headers */
	uint64_t sequence_numbers[2]; /* 0: that slot stays empty */
	struct vhdx_guid file_write_guid;
	struct vhdx_guid data_write_guid;
	struct vhdx_guid log_guid; /* zero: the log is empty */
	uint64_t log_offset;
	uint32_t log_length;
	/* regions */
	uint64_t metadata_offset;
	uint32_t metadata_length;
	uint64_t bat_offset;
	uint32_t bat_length;     /* 0: what the disk needs */
	uint32_t known_required; /* Required field of the BAT and metadata entries */
	const struct recipe_region *regions;
	size_t region_count;
	/* metadata */
	const struct recipe_item *items; /* after the known ones */
	size_t item_count;
	const struct recipe_pair *pairs; /* parent locator; built when type is differencing or pair_count is not 0 */
	size_t pair_count;
	/* blocks */
	const struct recipe_block *blocks;
	size_t block_count;
	uint64_t first_block_offset; /* 0: behind all regions */
	/* log */
	const struct recipe_entry *entries;
	size_t entry_count;
	uint64_t file_size; /* 0: the end of the last structure */
};

/*
 * 16 MiB dynamic, blocks of 1 MiB, sectors of 512; log at 1, metadata at 2, BAT at 3, blocks from 4 MiB on; header 2 is
 * current.
 */
#define RECIPE_VHDX_INIT                                                                                                         \
	{                                                                                                                        \
		.size = 16 * RECIPE_MIB, .block_size = 1u << 20, .logical_sector_size = 512, .physical_sector_size = 4096,       \
		.type = VHDX_TYPE_DYNAMIC, .disk_id = { { 0xD1 } }, .creator = "recipe", .sequence_numbers = { 7, 8 },           \
		.file_write_guid = { { 0xF1 } }, .data_write_guid = { { 0xDA } }, .log_offset = RECIPE_MIB,                      \
		.log_length = 1u << 20, .metadata_offset = 2 * RECIPE_MIB, .metadata_length = 1u << 20,                          \
		.bat_offset = 3 * RECIPE_MIB, .known_required = 1                                                                \
	}

#define RECIPE_HEADER(slot) (UINT64_C(65536) * (1 + (slot)))
#define RECIPE_REGION_TABLE(copy) (UINT64_C(65536) * (3 + (copy)))
/* File offset of entry `index` of a region table copy: 0 is the BAT, 1 the metadata region, then the extra ones. */
#define RECIPE_REGION(copy, index) (RECIPE_REGION_TABLE(copy) + 16 + UINT64_C(32) * (index))

/* In the order in which they stand in the metadata table. */
enum {
	RECIPE_FILE_PARAMETERS,
	RECIPE_DISK_SIZE,
	RECIPE_LOGICAL,
	RECIPE_PHYSICAL,
	RECIPE_DISK_ID,
	RECIPE_LOCATOR,
	RECIPE_ITEMS_MAX = 64
};

struct recipe_vhdx_places {
	uint64_t metadata; /* table header */
	uint64_t entries
		[RECIPE_ITEMS_MAX]; /* metadata table entries; extra items come after the known ones and the locator, if any */
	uint64_t items[RECIPE_ITEMS_MAX]; /* contents */
	size_t item_count;
	uint64_t bat;
	uint64_t bat_entries; /* number that the disk needs */
	uint64_t chunk_ratio;
	uint64_t end;     /* of the last structure */
	uint32_t log_end; /* offset in the log behind the last entry */
};

/* Builds into an empty memory file. `places` may be NULL. */
void recipe_vhdx(struct memfile *m, const struct recipe_vhdx *knobs, struct recipe_vhdx_places *places);
/* A new memory file with an image. */
struct memfile *recipe_vhdx_new(const struct recipe_vhdx *knobs, struct recipe_vhdx_places *places);
/* File offset of the BAT entry of a payload block, of the bitmap entry of its chunk. */
uint64_t recipe_bat_place(const struct recipe_vhdx_places *places, uint64_t block);
uint64_t recipe_bitmap_place(const struct recipe_vhdx_places *places, uint64_t block);
/* Adds one log entry to a built image; returns the log offset behind it. */
uint32_t recipe_log_entry(struct memfile *m, const struct recipe_entry *entry, uint32_t at);

/* Checksums after a mutation. */
void recipe_fix_header(struct memfile *m, unsigned slot);
void recipe_fix_region_table(struct memfile *m, unsigned copy);
/* Takes the place of the log from header 1, so wrapped entries are fixed too. */
void recipe_fix_log_entry(struct memfile *m, uint64_t file_offset);
/* Puts `value` at an offset of both headers, or both region table copies, and fixes them. */
void recipe_put_headers(struct memfile *m, uint64_t offset, unsigned size, uint64_t value);
void recipe_put_region_tables(struct memfile *m, uint64_t offset, unsigned size, uint64_t value);

/* VHD */

struct recipe_vhd_block {
	uint32_t index;
	uint64_t file_offset;          /* of the bitmap; 0: the next free place */
	uint32_t seed;                 /* pattern of the data; 0: nothing is written */
	const struct recipe_run *runs; /* sectors whose bit is set; NULL with run_count 0: all */
	size_t run_count;
	bool no_bits;    /* no bit at all */
	bool zero_unset; /* sectors without a bit hold zeros, as VHD-065 wants; else the pattern is everywhere */
};

enum recipe_encoding { RECIPE_UTF16LE, RECIPE_UTF16BE, RECIPE_BYTES };

struct recipe_vhd_locator {
	char code[5];     /* "W2ru", ... */
	const char *text; /* ASCII, encoded as said */
	enum recipe_encoding encoding;
	uint32_t data_space; /* 0: the length rounded up to 512 */
	unsigned slot;
};

struct recipe_vhd {
	enum vhdx_type type;
	uint64_t size;          /* Current Size */
	uint64_t original_size; /* 0: size */
	uint32_t block_size;
	uint32_t features;
	uint32_t version;
	uint32_t time_stamp;
	char creator_application[5];
	uint32_t creator_version;
	char creator_host_os[5];
	uint8_t saved_state;
	struct vhdx_guid unique_id;
	uint32_t fixed_seed;     /* fixed: pattern of the whole disk */
	uint64_t slack;          /* bytes between disk data, or last block, and footer */
	uint64_t dynamic_offset; /* of the dynamic header */
	uint64_t table_offset;
	uint32_t extra_entries; /* Max Table Entries beyond what the disk needs */
	struct vhdx_guid parent_unique_id;
	uint32_t parent_time_stamp;
	const char *parent_name;
	const struct recipe_vhd_locator *locators;
	size_t locator_count;
	const struct recipe_vhd_block *blocks;
	size_t block_count;
	uint64_t first_block_offset; /* 0: the next sector behind BAT and locators */
	bool footer_511;             /* the footer at the end lacks its last byte */
	bool no_end_footer;
	bool no_front_footer;
};

/* 16 MiB dynamic, blocks of 2 MiB, dynamic header at 512, BAT at 1536. */
#define RECIPE_VHD_INIT                                                                                                          \
	{                                                                                                                        \
		.type = VHDX_TYPE_DYNAMIC, .size = 16 * RECIPE_MIB, .block_size = 2u << 20, .features = 2,                       \
		.version = 0x00010000, .time_stamp = 0x20000000, .creator_application = "win ", .creator_version = 0x000A0000,   \
		.creator_host_os = "Wi2k", .unique_id = { { 0x1D } }, .dynamic_offset = 512, .table_offset = 1536                \
	}

struct recipe_vhd_places {
	uint64_t footer; /* at the end; VHDX_NO_OFFSET: none */
	uint64_t dynamic;
	uint64_t bat;
	uint32_t entries_needed;
	uint32_t bitmap_size;
	uint64_t blocks[64];  /* file offset of the bitmap of knobs->blocks[i] */
	uint64_t locators[8]; /* of the text of each slot */
	uint64_t end;         /* of the file */
};

void recipe_vhd(struct memfile *m, const struct recipe_vhd *knobs, struct recipe_vhd_places *places);
struct memfile *recipe_vhd_new(const struct recipe_vhd *knobs, struct recipe_vhd_places *places);
void recipe_fix_footer(struct memfile *m, uint64_t file_offset);
void recipe_fix_dynamic(struct memfile *m, uint64_t file_offset);
/* Geometry by the algorithm of the specification. */
void recipe_chs(uint64_t size, uint16_t *cylinders, uint8_t *heads, uint8_t *sectors_per_track);

#endif
