/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <inttypes.h>
#include <string.h>

static void take(struct samples *s, vhdx_disk *disk, uint64_t offset)
{
	if (s->size < SAMPLE_SIZE || s->count == SAMPLE_COUNT)
		return;
	offset = offset % s->size / SAMPLE_SIZE * SAMPLE_SIZE;
	offset = offset > s->size - SAMPLE_SIZE ? s->size - SAMPLE_SIZE : offset;
	s->sectors[s->count].offset = offset;
	s->sectors[s->count].known = vhdx_read(disk, s->sectors[s->count].bytes, SAMPLE_SIZE, offset, NULL) == VHDX_OK;
	s->count++;
}

void samples_take(struct samples *s, vhdx_disk *disk, uint64_t block_size, struct fuzz_input in)
{
	uint64_t block = block_size != 0 ? block_size : 65536;

	s->size = vhdx_disk_size(disk);
	s->count = 0;
	for (unsigned i = 0; i < 24; i++) {
		take(s, disk, block * i);
		take(s, disk, block * i + 4096 + i * 512);
	}
	take(s, disk, s->size - 1);
	while (s->count < SAMPLE_COUNT && in.left != 0)
		take(s, disk, block * (fuzz_byte(&in) % 40) + fuzz_take(&in, 2) * SAMPLE_SIZE);
}

void samples_compare(const struct samples *s, vhdx_disk *disk, uint64_t same, const char *after)
{
	uint64_t size = vhdx_disk_size(disk);
	uint8_t bytes[SAMPLE_SIZE];
	struct vhdx_error error;
	char text[1500];

	same = same < size ? same : size;
	for (unsigned i = 0; i < s->count; i++) {
		uint64_t offset = s->sectors[i].offset;

		if (!s->sectors[i].known || offset > same || same - offset < SAMPLE_SIZE)
			continue;
		if (vhdx_read(disk, bytes, SAMPLE_SIZE, offset, &error) < 0)
			fuzz_finding("%s, 0x%" PRIx64 " cannot be read: %s", after, offset,
				     vhdx_error_text(&error, text, sizeof(text)));
		if (memcmp(bytes, s->sectors[i].bytes, SAMPLE_SIZE) != 0)
			fuzz_finding("%s, the disk has another content at 0x%" PRIx64, after, offset);
	}
}
