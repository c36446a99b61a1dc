/* SPDX-License-Identifier: MIT */
/*
 * Writing an undo file (format/undo.h) before a file is changed, and putting back from one. Layer: engine.
 *
 * undo_begin, undo_save for every range that is going to be overwritten, made a hole or cut off, undo_seal: from here on, durably, the file can be put back. Then the
 * changes; then undo_done. What is zeros in the old file takes no room.
 */
#ifndef ENGINE_UNDO_H
#define ENGINE_UNDO_H

#include "base/memory.h"

struct undo {
	const struct vhdx_env *env;
	const struct vhdx_file *file; /* to be changed */
	const struct vhdx_file *undo; /* NULL: nothing is saved */
	uint64_t old_size;
	uint64_t end;    /* of the records */
	uint8_t *buffer; /* a record and its bytes */
	/* Progress; `total` is the caller's. */
	int (*on_progress)(void *context, uint64_t done, uint64_t total);
	void *context;
	uint64_t done, total;
};

int undo_begin(struct undo *u, struct vhdx_error *error);
/* Whatever lies beyond the end of the file needs no saving. */
int undo_save(struct undo *u, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
int undo_seal(struct undo *u, struct vhdx_error *error);
/* After the last change is durable. */
int undo_finish(struct undo *u, struct vhdx_error *error);
void undo_release(struct undo *u);

int undo_restore(const struct vhdx_file *file, const struct vhdx_file *undo, unsigned flags, const struct vhdx_env *env,
		 struct vhdx_error *error);

#endif
