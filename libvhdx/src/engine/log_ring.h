/* SPDX-License-Identifier: MIT */
/*
 * Writing entries into the log ring: specs/vhdx.md section 3.6. Layer: engine. Positions count sectors of 4 KiB; one sector stays free (VHDX-094). Whoever
 * commits owns it.
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
	uint32_t head;            /* where the next entry goes */
	uint32_t tail;            /* the oldest entry whose pages may not be in place durably */
	uint32_t used;            /* sectors from tail to head */
	uint64_t sequence_number; /* of the next entry */
	struct vhdx_guid guid;
};

struct log_page {
	uint64_t file_offset;
	const uint8_t *bytes; /* 4,096 */
};

/* Sectors that an entry with so many pages takes. */
uint32_t log_ring_entry_sectors(uint32_t page_count);
bool log_ring_fits(const struct log_ring *ring, uint32_t page_count);
/* The most pages that one entry in an empty ring may have. */
uint32_t log_ring_capacity(const struct log_ring *ring);
/* Writes one entry; it is not durable yet. `buffer` has room for its sectors. On failure the ring is as before. */
int log_ring_write(struct log_ring *ring, const struct vhdx_file *file, const struct log_page *pages, uint32_t page_count,
		   uint64_t flushed_file_offset, uint64_t last_file_offset, uint8_t *buffer, struct vhdx_error *error);
/* Everything logged before the last `kept` sectors is in place durably. */
void log_ring_release(struct log_ring *ring, uint32_t kept);

#endif
