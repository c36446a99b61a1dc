/* SPDX-License-Identifier: MIT */
/*
 * Putting right what can be put right without guessing, for vhdx_repair. Layer: engine.
 *
 * A repair is an inspection that is followed by changes (struct inspect_follow): the walk has judged everything and knows where it is, and its findings say what would
 * mend them. repair_vhdx.c and repair_vhd.c make a plan of that, tell its steps, save what they will overwrite (undo.h), and do them. What they do is safe at every
 * instant, because it only ever writes over a copy that is bad while the good one stands, or over what belongs to nothing:
 *
 *   VHDX  flush | replay, or a header with a new FileWriteGuid | flush | region table, other header, freed space | flush
 *   VHD   flush | footer in front | flush | footer at the end | flush | freed space | flush
 */
#ifndef ENGINE_REPAIR_H
#define ENGINE_REPAIR_H

#include "engine/claims.h"
#include "engine/inspect.h"
#include "engine/undo.h"

enum { REPAIR_STEPS = 8 };

struct repair {
	struct inspect_follow follow; /* first */
	const struct vhdx_repair_options *options;
	const struct vhdx_file *file;
	struct vhdx_env env;
	struct vhdx_error *error;
	struct claims leaks;
	struct undo undo;
	size_t step_count;
	uint64_t saved; /* bytes that the steps told so far change */
};

int repair_file(const struct vhdx_file *file, const struct vhdx_repair_options *options, struct vhdx_error *error);
int repair_vhdx(struct inspect_follow *follow, struct vhdx_walk *walk);
int repair_vhd(struct inspect_follow *follow, struct vhd_walk *walk);

/* Tells a step. */
int repair_step(struct repair *r, enum vhdx_mend mend, enum rule rule, uint64_t file_offset, uint64_t length, const char *format,
		...) PRINTF_LIKE(6, 7);
/* After the last step: whether anything is to be done. Begins the undo file then. */
int repair_begin(struct repair *r, bool *go);
/* Between blocks. Steps, and saving. */
int repair_tell_leaks(struct repair *r);
int repair_save_leaks(struct repair *r);
/* The end of a repair: the file gets its size (0: keeps it), with `leaks` the host gets the space back, and all is made durable. */
int repair_give_back(struct repair *r, uint64_t size, bool leaks);

static inline bool repair_wants(const struct repair *r, enum vhdx_repair_flags flag)
{
	return (r->options->flags & (unsigned)flag) != 0;
}

#endif
