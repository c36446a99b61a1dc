/* SPDX-License-Identifier: MIT */
/*
 * The walk through the BAT of a VHDX file. Layer: engine. inspect_vhdx_bat.c passes the entries several times, because what one
 * entry says is judged by others; inspect_vhdx_entry.c judges and tells one of them:
 *
 *   COLLECT        notes the places of the blocks that hold data, to find those that two entries claim
 *   TELL           tells every entry that is not zero, and what it breaks
 *   COLLECT_ALL    only when blocks without data keep a place (decision D-28): notes their places too
 *   TELL_ANCHORS   and tells which of these places are not theirs alone
 */
#ifndef ENGINE_INSPECT_VHDX_BAT_H
#define ENGINE_INSPECT_VHDX_BAT_H

#include "engine/claims.h"
#include "engine/inspect_vhdx.h"
#include "engine/leaks.h"

/* In place of a payload block: the entry is that of a sector bitmap. */
#define NO_BLOCK UINT64_MAX

enum bat_pass { COLLECT, TELL, COLLECT_ALL, TELL_ANCHORS };

struct bat_walk {
	struct vhdx_walk *w;
	enum bat_pass pass;
	uint64_t stride;               /* entries of a chunk, its bitmap entry included */
	uint64_t index;                /* of the next entry */
	uint64_t first_partial;        /* block of the chunk that is PARTIALLY_PRESENT, or NO_BLOCK */
	uint64_t present;              /* payload blocks */
	uint64_t anchors;              /* blocks without data that keep a place */
	uint64_t unused, first_unused; /* entries that nothing needs and that are not zero */
	uint64_t file_end;             /* of the last structure */
	struct claims claims;
	bool keeps_places;  /* some block without data does */
	struct leaks leaks; /* places between the blocks that belong to nothing */
};

/* Notes the place of a block whose entry is sound. */
int inspect_bat_collect(struct bat_walk *b, uint64_t index, uint64_t block, uint64_t entry);
/* Tells an entry. Entries must come in order. */
int inspect_bat_tell(struct bat_walk *b, uint64_t index, uint64_t block, uint64_t entry);
/* Tells that the place which a block without data keeps is not its alone. */
int inspect_bat_tell_anchor(struct bat_walk *b, uint64_t index, uint64_t entry);

static inline uint64_t inspect_bat_place(const struct bat_walk *b, uint64_t index)
{
	return b->w->v.bat.file_offset + index * 8;
}

#endif
