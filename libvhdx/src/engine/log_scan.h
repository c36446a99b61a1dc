/* SPDX-License-Identifier: MIT */
/*
 * Finds the active sequence of a VHDX log: specs/vhdx.md sections 2.6 and 3.4. Layer: engine. Reads only.
 */
#ifndef ENGINE_LOG_SCAN_H
#define ENGINE_LOG_SCAN_H

#include "base/memory.h"
#include "engine/overlay.h"
#include "format/vhdx_header.h"
#include "format/vhdx_log.h"

/* A valid entry and its place in the ring, counted in sectors of 4 KiB. */
struct log_entry {
	uint32_t sector;
	uint32_t sector_count;
	struct vhdx_log_header header;
};

struct log_scan {
	struct log_entry *entries; /* every valid entry, in ring order */
	size_t entry_count;
	size_t first;        /* index of the first entry of the active sequence */
	size_t active_count; /* its length; entries follow each other around the ring */
};

/* Finds all valid entries and the active sequence. VHDX_E_DAMAGED when there is no sequence (VHDX-102). */
int log_scan(struct log_scan *out, const struct vhdx_env *env, const struct vhdx_file *file, const struct vhdx_header *header,
	     struct vhdx_error *error);
void log_scan_release(struct log_scan *scan, const struct vhdx_env *env);

/*
 * What replaying the active sequence would do: pieces sorted and disjoint, and the size of the file afterwards. Checks VHDX-103, but with
 * `salvages`. The caller releases view->pieces.
 */
int log_overlay(struct view *view, const struct vhdx_env *env, const struct log_scan *scan, const struct vhdx_header *header,
		bool salvages, struct vhdx_error *error);

#endif
