/* SPDX-License-Identifier: MIT */
/*
 * vhdx-inspect: what an image is, holds and looks like inside. One file per question:
 *
 *   main.c      options, the order of the answers
 *   opening.c   the image, or what of a broken chain can be opened
 *   overview.c  what the overview says, gathered; overview_text.c and overview_json.c say it
 *   attach.c    what keeps Windows from attaching the image, and what else is worth a note
 *   chain.c     --chain       fields.c   --headers --regions --metadata --bat --log --all
 *   map.c       --map         picture.c  --picture
 *   hash.c      --hash        compare.c  --compare
 *   items.c     --get-item, and the items in the overview
 *   text.c      lines, sizes, dates and names as text
 *
 * Every question prints one section of text or adds one member to the JSON object, and raises the exit status when it has to.
 * What is cheap to gather is gathered before anything is printed, so that a failure leaves standard output empty.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/content.h"
#include "../common/json.h"
#include "../common/occupancy.h"
#include "../common/pieces.h"
#include "../common/tool.h"

enum question {
	ASK_OVERVIEW = 1u << 0,
	ASK_CHAIN = 1u << 1,
	ASK_FIELDS = 1u << 2,
	ASK_MAP = 1u << 3,
	ASK_PICTURE = 1u << 4,
	ASK_HASH = 1u << 5,
	ASK_COMPARE = 1u << 6
};

/* What became of one candidate for a parent; kept when the chain is broken. */
struct attempt {
	unsigned child_level;
	int status;
	char *path;
	char *reason;
};

struct inspect {
	const char *path;
	const char *other; /* --compare */
	enum vhdx_format other_format;
	struct tool_open open;
	struct vhdx_guid item_id;
	const struct vhdx_guid *item; /* --get-item: alone, and nothing else is printed */
	unsigned questions;           /* ASK_* */
	unsigned parts;               /* VHDX_PART_*, for ASK_FIELDS */
	bool as_json;
	bool is_started; /* something was printed */
	struct json json;
	vhdx_disk *disk;  /* NULL when nothing asks for it or it cannot be opened */
	bool alone;       /* the chain is broken: `disk` is the first file without its parents */
	bool damage_told; /* of the map */
	struct attempt *attempts;
	size_t attempt_count;
	int status; /* exit status */
};

/* The worse of the present exit status and another: damaged before failed before done. */
void inspect_raise(struct inspect *inspect, int status);

/* Call when an answer is ready to be printed: a blank line between sections of text, or the start of the JSON object. */
struct json *inspect_section(struct inspect *inspect);

/* Opens the disk, or says why not and opens the first file alone when it is only its parents that fail. */
void inspect_open(struct inspect *inspect);

/* The answers. */
void overview_show(struct inspect *inspect);
void chain_show(struct inspect *inspect);
/* Looks for broken rules first and says nothing; false when the file is no image or cannot be read, which is then told on stderr.
 * */
bool fields_prepare(struct inspect *inspect);
void fields_show(struct inspect *inspect);
void map_show(struct inspect *inspect);
void picture_show(struct inspect *inspect);
void hash_show(struct inspect *inspect);
void compare_show(struct inspect *inspect);

/* The extent at `offset`, as vhdx_get_extent, except that a damaged block comes out as one of kind 0; the first is told on
 * stderr. */
int map_next(struct inspect *inspect, struct vhdx_extent *out, uint64_t offset, struct vhdx_error *error);

/* What the overview says. */
enum { WARNING_MAX = 24, WARNING_TEXT = 240, ITEM_MAX = 1024 };

struct warning {
	bool refused;     /* certain: Windows will not attach the image */
	const char *code; /* a fixed word for programs */
	char text[WARNING_TEXT];
};

struct overview {
	struct vhdx_info info;
	struct occupancy occupancy;
	struct pieces pieces;
	struct vhdx_usage usage;
	struct content content;
	int content_status; /* 0, or why the content could not be read */
	unsigned depth;
	bool is_complete; /* the whole chain is open */
	struct warning warnings[WARNING_MAX];
	unsigned warning_count;
	struct vhdx_user_item items[ITEM_MAX]; /* all that there can be */
	unsigned item_count;
};

void overview_text(struct inspect *inspect, const struct overview *overview);
void overview_json(struct inspect *inspect, const struct overview *overview);
/* The value of inspect->item on standard output; returns the exit status. */
int items_get(struct inspect *inspect);
int items_gather(struct inspect *inspect, struct overview *overview, struct vhdx_error *error);
void items_text(const struct overview *overview);
void items_json(struct json *json, const struct overview *overview);
/* Fills `warnings`. */
void attach_judge(const struct inspect *inspect, struct overview *overview);

/* One level of the chain, as --chain and the overview tell it. */
void chain_level_json(struct json *json, const struct vhdx_info *info, const char *key);
/* Whether a level is the parent that its child, one level above it, asks for. True for level 0. */
bool chain_is_linked(const struct inspect *inspect, unsigned level);

/* Text. */
struct text {
	char text[1024];
};

/* "label             text" */
void text_line(const char *label, const char *format, ...) TOOL_PRINTF(2, 3);
struct text text_size(uint64_t size);    /* "64 GiB" */
struct text text_exact(uint64_t size);   /* "64 GiB (68719476736 bytes)" */
struct text text_date(uint64_t seconds); /* since 1970: "2012-09-26 17:40:05 UTC" */
struct text text_guid(const struct vhdx_guid *guid);
struct text text_clean(const char *text);           /* without control characters, shortened */
double text_percent(uint64_t part, uint64_t whole); /* 0 of nothing */
const char *text_base(const char *path);            /* the last component */

#endif
