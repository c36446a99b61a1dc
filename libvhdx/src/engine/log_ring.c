/* SPDX-License-Identifier: MIT */
#include "engine/log_ring.h"

#include <string.h>

#include "base/checked.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

uint32_t log_ring_entry_sectors(uint32_t page_count)
{
	return vhdx_log_descriptor_sectors(page_count) + page_count;
}

bool log_ring_fits(const struct log_ring *ring, uint32_t page_count)
{
	uint32_t sectors = log_ring_entry_sectors(page_count);

	return ring->held + sectors < ring->sectors && ring->used + sectors + ring->reserve < ring->sectors;
}

static uint8_t *sector_of(uint8_t *buffer, uint32_t page_count, uint32_t index)
{
	return buffer + (size_t)(vhdx_log_descriptor_sectors(page_count) + index) * VHDX_LOG_SECTOR;
}

void log_ring_put(const struct log_ring *ring, uint8_t *buffer, uint32_t page_count, uint32_t index, uint64_t file_offset,
		  const uint8_t *page)
{
	vhdx_log_data_encode(buffer + vhdx_log_descriptor_offset(index), sector_of(buffer, page_count, index), file_offset, page,
			     ring->sequence_number);
}

void log_ring_get(const uint8_t *buffer, uint32_t page_count, uint32_t index, uint8_t *page)
{
	const uint8_t *descriptor = buffer + vhdx_log_descriptor_offset(index);

	memcpy(page, buffer + (size_t)(vhdx_log_descriptor_sectors(page_count) + index) * VHDX_LOG_SECTOR, VHDX_LOG_SECTOR);
	vhdx_log_data_restore(page, descriptor + vhdx_data_descriptor_leading_bytes_at,
			      descriptor + vhdx_data_descriptor_trailing_bytes_at);
}

static int write_around(const struct log_ring *ring, const struct vhdx_file *file, const uint8_t *bytes, uint32_t sectors,
			struct vhdx_error *error)
{
	uint32_t first = (uint32_t)min_u64(sectors, ring->sectors - ring->head);
	int status = file_write(file, bytes, (size_t)first * VHDX_LOG_SECTOR,
				ring->file_offset + (uint64_t)ring->head * VHDX_LOG_SECTOR, error);

	if (status == VHDX_OK && first < sectors)
		status = file_write(file, bytes + (size_t)first * VHDX_LOG_SECTOR, (size_t)(sectors - first) * VHDX_LOG_SECTOR,
				    ring->file_offset, error);
	return status;
}

/* The rest of the last descriptor sector, behind the descriptors. */
static void clear_rest(uint8_t *buffer, uint32_t page_count)
{
	size_t end = (size_t)vhdx_log_descriptor_offset(page_count);

	memset(buffer + end, 0, (size_t)vhdx_log_descriptor_sectors(page_count) * VHDX_LOG_SECTOR - end);
}

int log_ring_write(struct log_ring *ring, const struct vhdx_file *file, uint8_t *buffer, uint32_t page_count,
		   uint64_t flushed_file_offset, uint64_t last_file_offset, struct vhdx_error *error)
{
	uint32_t sectors = log_ring_entry_sectors(page_count);
	struct vhdx_log_header header = {
		.entry_length = sectors * VHDX_LOG_SECTOR,
		.tail = (ring->head + ring->sectors - ring->used) % ring->sectors * VHDX_LOG_SECTOR,
		.sequence_number = ring->sequence_number,
		.descriptor_count = page_count,
		.log_guid = ring->guid,
		.flushed_file_offset = flushed_file_offset,
		.last_file_offset = last_file_offset,
	};
	int status;

	clear_rest(buffer, page_count);
	vhdx_log_header_encode(buffer, &header);
	status = write_around(ring, file, buffer, sectors, error);
	if (status < 0)
		return status;
	ring->head = (ring->head + sectors) % ring->sectors;
	ring->used += sectors;
	ring->held += sectors;
	ring->held_when_durable = ring->used;
	ring->sequence_number++;
	return VHDX_OK;
}

void log_ring_durable(struct log_ring *ring)
{
	ring->held = ring->held_when_durable;
}

void log_ring_release(struct log_ring *ring, uint32_t kept)
{
	ring->used = kept;
}
