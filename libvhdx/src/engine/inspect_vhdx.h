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
	struct vhdx_image v; /* filled as far as the file tells */
	bool has_header;     /* v.header and v.header_slot */
	bool has_log;        /* a log is pending and its place is sound */
	bool has_sequence;   /* and `scan` holds its entries */
	bool has_bat;        /* v.bat */
	bool has_metadata;   /* v.metadata */
	bool has_parameters; /* v.parameters, and all of them are sound */
	struct log_scan scan;
	struct vhdx_error replay; /* why replay fails, when its status is not 0 */
	uint8_t *page;            /* 64 KiB for one structure */
	uint8_t *table;           /* 64 KiB for the table whose entries are told */
};

/* Each returns VHDX_OK, or why the walk cannot go on. */
int inspect_vhdx_log_find(struct vhdx_walk *w);
int inspect_vhdx_log(struct vhdx_walk *w);
int inspect_vhdx_regions(struct vhdx_walk *w);
int inspect_vhdx_metadata(struct vhdx_walk *w);
int inspect_vhdx_locator(struct vhdx_walk *w, const struct vhdx_metadata_entry *entry);
int inspect_vhdx_bat(struct vhdx_walk *w);

/* Room for an item of the table or for one more structure. */
enum { INSPECT_PAGE = 65536 };

#endif
