/* SPDX-License-Identifier: MIT */
#include "engine/log_ring.h"

#include <string.h>

#include "base/checked.h"
#include "format/vhdx_layout.h"

uint32_t log_ring_entry_sectors(uint32_t page_count)
{
	return vhdx_log_descriptor_sectors(page_count) + page_count;
}

bool log_ring_fits(const struct log_ring *ring, uint32_t page_count)
{
	return ring->used + log_ring_entry_sectors(page_count) < ring->sectors;
}

uint32_t log_ring_capacity(const struct log_ring *ring)
{
	uint32_t pages = ring->sectors;

	while (pages != 0 && log_ring_entry_sectors(pages) >= ring->sectors)
		pages--;
	return pages;
}

static int write_around(const struct log_ring *ring, const struct vhdx_file *file, const uint8_t *bytes, uint32_t sectors, struct vhdx_error *error)
{
	uint32_t first = (uint32_t)min_u64(sectors, ring->sectors - ring->head);
	int status = file_write(file, bytes, (size_t)first * VHDX_LOG_SECTOR, ring->file_offset + (uint64_t)ring->head * VHDX_LOG_SECTOR, error);

	if (status == VHDX_OK && first < sectors)
		status = file_write(file, bytes + (size_t)first * VHDX_LOG_SECTOR, (size_t)(sectors - first) * VHDX_LOG_SECTOR, ring->file_offset,
				    error);
	return status;
}

int log_ring_write(struct log_ring *ring, const struct vhdx_file *file, const struct log_page *pages, uint32_t page_count,
		   uint64_t flushed_file_offset, uint64_t last_file_offset, uint8_t *buffer, struct vhdx_error *error)
{
	uint32_t sectors = log_ring_entry_sectors(page_count), descriptor_sectors = sectors - page_count;
	struct vhdx_log_header header = {
		.entry_length = sectors * VHDX_LOG_SECTOR,
		.tail = (ring->used == 0 ? ring->head : ring->tail) * VHDX_LOG_SECTOR,
		.sequence_number = ring->sequence_number,
		.descriptor_count = page_count,
		.log_guid = ring->guid,
		.flushed_file_offset = flushed_file_offset,
		.last_file_offset = last_file_offset,
	};
	int status;

	memset(buffer, 0, (size_t)descriptor_sectors * VHDX_LOG_SECTOR);
	for (uint32_t i = 0; i < page_count; i++)
		vhdx_log_data_encode(buffer + vhdx_log_descriptor_offset(i), buffer + (size_t)(descriptor_sectors + i) * VHDX_LOG_SECTOR,
				     pages[i].file_offset, pages[i].bytes, ring->sequence_number);
	vhdx_log_header_encode(buffer, &header);
	status = write_around(ring, file, buffer, sectors, error);
	if (status < 0)
		return status;
	if (ring->used == 0)
		ring->tail = ring->head;
	ring->head = (ring->head + sectors) % ring->sectors;
	ring->used += sectors;
	ring->sequence_number++;
	return VHDX_OK;
}

void log_ring_release(struct log_ring *ring, uint32_t kept)
{
	ring->used = kept;
	ring->tail = (ring->head + ring->sectors - kept) % ring->sectors;
}
