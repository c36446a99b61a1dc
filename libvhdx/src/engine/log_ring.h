/* SPDX-License-Identifier: MIT */
/*
 * Writing entries into the log ring: specs/vhdx.md section 4.6. Layer: engine. Positions count sectors of 4 KiB; one sector stays free (VHDX-094). Whoever
 * commits owns it.
 *
 *      floor                tail                 head
 *   -----|-- in place -------|-- not in place ----|---- free ----
 *
 * The next entry will name `tail`. The newest durable entry names `floor`: were anything from there on overwritten, and the entry that names `tail` lost, the
 * log would have no valid sequence any more. So space is free only below `floor`. A reserve is kept so that, with everything in place, one entry that names a new
 * tail always fits.
 */
#ifndef ENGINE_LOG_RING_H
#define ENGINE_LOG_RING_H

#include "base/memory.h"
#include "engine/barrier.h"
#include "format/vhdx_header.h"
#include "format/vhdx_log.h"

struct log_ring {
	uint64_t file_offset;
	uint32_t sectors;
	uint32_t reserve;           /* sectors of the largest entry */
	uint32_t head;              /* where the next entry goes */
	uint32_t used;              /* from tail to head */
	uint32_t held;              /* from floor to head */
	uint32_t held_when_durable; /* from the tail that the newest entry names to head */
	uint64_t sequence_number;   /* of the next entry */
	struct vhdx_guid guid;
};

/* Sectors that an entry with so many pages takes. */
uint32_t log_ring_entry_sectors(uint32_t page_count);
bool log_ring_fits(const struct log_ring *ring, uint32_t page_count);
/* Puts page `index` of `page_count` into the entry that `buffer` becomes. */
void log_ring_put(const struct log_ring *ring, uint8_t *buffer, uint32_t page_count, uint32_t index, uint64_t file_offset,
		  const uint8_t *page);
/* What was put, as it was. */
void log_ring_get(const uint8_t *buffer, uint32_t page_count, uint32_t index, uint8_t *page);
/* Writes the entry with all its pages put; it is not durable yet. On failure the ring is as before. */
int log_ring_write(struct log_ring *ring, const struct vhdx_file *file, uint8_t *buffer, uint32_t page_count,
		   uint64_t flushed_file_offset, uint64_t last_file_offset, struct vhdx_error *error);
/* All entries written so far are durable. */
void log_ring_durable(struct log_ring *ring);
/* Everything logged before the last `kept` sectors is in place durably. */
void log_ring_release(struct log_ring *ring, uint32_t kept);

#endif
