/* SPDX-License-Identifier: MIT */
/* libvhdx: putting right what can be put right without guessing. Part of vhdx.h, which includes it and says what holds for all functions. */
#ifndef VHDX_REPAIR_H
#define VHDX_REPAIR_H

#include "vhdx.h"
#include "vhdx_inspect.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A short lower-case name such as "region table"; "" for VHDX_MEND_NONE. Static storage. */
VHDX_API const char *vhdx_mend_name(enum vhdx_mend mend);

enum vhdx_repair_flags {
	VHDX_REPAIR_DRY_RUN = 1u << 0,     /* only tells the steps; the file may be open for reading */
	VHDX_REPAIR_DISCARD_LOG = 1u << 1, /* a log that cannot be replayed is thrown away. What the last session changed is lost in part, and blocks that it moved or freed may hold the content of others by now: more than the last changes can be lost or mixed. Children are lost too. */
	VHDX_REPAIR_KEEP_SPACE = 1u << 2,  /* space that belongs to nothing stays */
	VHDX_REPAIR_NO_UNDO = 1u << 3      /* without `undo`, on the caller's own risk */
};

/* One thing that is going to be done. */
struct vhdx_repair_step {
	enum vhdx_mend mend;
	const char *rule;     /* that is broken now; "" when none */
	uint64_t file_offset; /* the first byte that changes */
	uint64_t length;      /* bytes that change, or are given back */
	const char *message;  /* one line */
};

struct vhdx_repair_options {
	uint32_t struct_size;
	unsigned flags;
	const struct vhdx_env *env;
	/* An empty file for what is overwritten (else VHDX_E_ARGUMENT); needs read, write, flush and get_size. Unless nothing is to be done it holds all that vhdx_undo needs, durably, before the first change. */
	const struct vhdx_file *undo;
	void *context;
	/* Both optional; a non-zero return stops with VHDX_E_CANCELLED. All steps are told before anything is changed, and nothing can be stopped afterwards. */
	int (*on_step)(void *context, const struct vhdx_repair_step *step);
	/* While bytes are saved to `undo`. */
	int (*on_progress)(void *context, uint64_t done, uint64_t total);
};
#define VHDX_REPAIR_OPTIONS_INIT VHDX_INIT(struct vhdx_repair_options)

/*
 * Mends a file as far as its own bytes tell how: a header or region table from the other one, a VHD footer from its copy, a pending log by replay, space that belongs
 * to nothing by giving it back. That is what vhdx_inspect tells with `mend`; all else is left as it is. The content of the disk stays the same, and so do the children,
 * but with VHDX_REPAIR_DISCARD_LOG. A second repair has nothing to do.
 *
 * A crash at any moment leaves the old state, the new one, or one that the same repair mends; vhdx_undo restores every byte of the old one. VHDX_E_NO_SPACE while
 * `undo` is written: nothing was changed. VHDX_E_UNSUPPORTED: the file has something in it that is not for us to know.
 */
VHDX_API int vhdx_repair(const struct vhdx_file *file, const struct vhdx_repair_options *options, struct vhdx_error *error);

enum vhdx_undo_flags {
	VHDX_UNDO_CHANGED = 1u << 0 /* also when the file was changed after its repair; those changes are lost, perhaps in part */
};

/*
 * Puts back what a repair has overwritten, from its undo file: afterwards `file` has the bytes and the size that it had before. Both are open for writing. Can be done
 * again when it was interrupted. VHDX_E_NOT_IMAGE: no undo file, or one that was never finished, in which case the repair had not begun. VHDX_E_DAMAGED: a checksum in it is
 * wrong. VHDX_E_ARGUMENT: the file was changed since, or is another one. Nothing was done in all three.
 */
VHDX_API int vhdx_undo(const struct vhdx_file *file, const struct vhdx_file *undo, unsigned flags, const struct vhdx_env *env,
		       struct vhdx_error *error);

#ifdef __cplusplus
}
#endif

#endif
