/* SPDX-License-Identifier: MIT */
/*
 * The walk through a VHDX file. Layer: engine.
 *
 *   identifier, headers -> log -> region tables -> metadata -> BAT
 *
 * The log is looked through before the region tables, which are seen as replay would leave them, as everything behind them is;
 * its entries are told after the region tables. What each step finds is put into a struct vhdx_image that no open has made, for
 * the checks of the engine to use. A step that finds nothing usable leaves the steps that need it out; it has told an error
 * then.
 */
#ifndef ENGINE_INSPECT_VHDX_H
#define ENGINE_INSPECT_VHDX_H

#include "engine/inspect.h"
#include "engine/vhdx_image.h"

struct vhdx_walk {
	struct inspection *in;
	struct vhdx_image v;  /* filled as far as the file tells */
	bool is_identified;   /* in front */
	bool has_header;      /* v.header and v.header_slot */
	bool is_usable;       /* and the header is one that we know */
	bool has_bad_header;  /* the other slot holds none */
	bool is_pending;      /* a log is pending */
	bool has_log;         /* and its place is sound */
	bool has_sequence;    /* and `scan` holds its entries */
	bool has_bat;         /* v.bat */
	bool has_metadata;    /* v.metadata */
	bool has_parameters;  /* v.parameters, and all of them are sound */
	unsigned table_used;  /* region table that counts */
	bool has_table;       /* it is valid */
	bool has_bad_table;   /* the other one is not as it is, and has nothing to say */
	bool tables_disagree; /* both are valid */
	uint64_t file_end;    /* of the last structure; 0: unknown */
	uint64_t leaked;      /* bytes in places that belong to nothing */
	struct log_scan scan;
	struct vhdx_error replay; /* why replay fails, when its status is not 0 */
	uint8_t *page;            /* 64 KiB for one structure */
	uint8_t *table;           /* 64 KiB for the table whose entries are told */
};

/* Each returns VHDX_OK, or why the walk cannot go on. */
int inspect_vhdx_log_find(struct vhdx_walk *w);
int inspect_vhdx_log(struct vhdx_walk *w);
int inspect_vhdx_regions(struct vhdx_walk *w);
/* Last: where valid copies disagree and the file has errors, the one that does not count may be the right one, and is left. */
int inspect_vhdx_tables(struct vhdx_walk *w);
int inspect_vhdx_metadata(struct vhdx_walk *w);
int inspect_vhdx_locator(struct vhdx_walk *w, const struct vhdx_metadata_entry *entry);
int inspect_vhdx_bat(struct vhdx_walk *w);

/* Whether repair may write headers: the file shows in front what it is, and its header is one of a version that we know. */
static inline bool inspect_vhdx_may_mend(const struct vhdx_walk *w)
{
	return w->is_identified && w->is_usable && !w->in->is_foreign;
}

/* Room for an item of the table or for one more structure. */
enum { INSPECT_PAGE = 65536 };

#endif
