/* SPDX-License-Identifier: MIT */
/*
 * What is inside a disk as a whole: see content.h.
 *
 * What counts when several answers are possible: a valid GPT behind a protective MBR; a filesystem whose boot sector stands where
 * an MBR would (NTFS, FAT, XFS ...); an MBR with partitions; any other filesystem (an ext4 that an MBR was later put over leaves
 * its superblock behind, so it comes after); an MBR without partitions; nothing.
 */
#include "content.h"

#include <string.h>

#include "probe.h"

int probe_load(struct probe *probe, const struct content_source *source, uint64_t start, uint64_t size)
{
	size_t length = CONTENT_PROBE_SIZE;

	probe->source = source;
	probe->start = start;
	probe->size = start < source->size ? source->size - start : 0;
	if (probe->size > size)
		probe->size = size;
	if (length > probe->size)
		length = (size_t)probe->size;
	memset(probe->bytes + length, 0, CONTENT_PROBE_SIZE - length);
	return length ? source->read(source->context, probe->bytes, length, start) : 0;
}

bool probe_read(const struct probe *probe, void *buffer, size_t length, uint64_t offset)
{
	if (offset > probe->size || length > probe->size - offset)
		return false;
	return probe->source->read(probe->source->context, buffer, length, probe->start + offset) >= 0;
}

bool probe_bytes(const struct probe *disk, void *buffer, size_t length, uint64_t offset)
{
	if (offset <= CONTENT_PROBE_SIZE && length <= CONTENT_PROBE_SIZE - offset) {
		memcpy(buffer, disk->bytes + offset, length);
		return true;
	}
	return probe_read(disk, buffer, length, offset);
}

struct content_partition *content_add(struct content *out, unsigned number)
{
	struct content_partition *partition = out->listed < CONTENT_MAX_PARTITIONS ? &out->partitions[out->listed++] : NULL;

	out->partition_count++;
	if (partition)
		*partition = (struct content_partition){ .number = number };
	return partition;
}

uint64_t probe_product(uint64_t count, uint64_t unit)
{
	return unit && count <= UINT64_MAX / unit ? count * unit : 0;
}

/* Appends one character; false when the text is full. */
static bool append(char *out, size_t *length, uint32_t code)
{
	uint8_t form[4];
	size_t count;

	if (code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
		code = '?';
	if (code < 0x80) {
		form[0] = (uint8_t)code;
		count = 1;
	} else {
		count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
		for (size_t i = count; i-- > 1; code >>= 6)
			form[i] = (uint8_t)(0x80 | (code & 0x3F));
		form[0] = (uint8_t)((0xF00u >> count & 0xF0) | code);
	}
	if (*length + count >= CONTENT_TEXT_SIZE)
		return false;
	memcpy(out + *length, form, count);
	*length += count;
	return true;
}

static void finish(char *out, size_t length)
{
	while (length && out[length - 1] == ' ')
		length--;
	out[length] = '\0';
}

/* Bytes of the UTF-8 sequence that starts with `first`; 0 when none does. */
static size_t sequence_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xC0 || first >= 0xF8)
		return 0;
	return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* The character at `bytes`, and in `used` its length; a byte that is not UTF-8 counts as a character out of range. */
static uint32_t decode(const uint8_t *bytes, size_t length, size_t *used)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t count = sequence_length(bytes[0]);
	uint32_t code = count > 1 ? bytes[0] & (0x7Fu >> count) : bytes[0];

	*used = 1;
	if (count == 0 || count > length)
		return UINT32_MAX;
	for (size_t i = 1; i < count; i++) {
		if ((bytes[i] & 0xC0) != 0x80)
			return UINT32_MAX;
		code = code << 6 | (bytes[i] & 0x3F);
	}
	if (code < least[count])
		return UINT32_MAX;
	*used = count;
	return code;
}

void probe_text(char *out, const uint8_t *bytes, size_t length)
{
	size_t used, written = 0;

	for (size_t i = 0; i < length && bytes[i]; i += used)
		if (!append(out, &written, decode(bytes + i, length - i, &used)))
			break;
	finish(out, written);
}

void probe_text_utf16(char *out, const uint8_t *bytes, size_t units)
{
	size_t written = 0;

	for (size_t i = 0; i < units; i++) {
		uint32_t code = probe_le16(bytes + 2 * i);

		if (code == 0)
			break;
		if (code >= 0xD800 && code < 0xDC00 && i + 1 < units) {
			uint32_t low = probe_le16(bytes + 2 * i + 2);

			if (low >= 0xDC00 && low < 0xE000) {
				code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
				i++;
			}
		}
		if (!append(out, &written, code))
			break;
	}
	finish(out, written);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* `end` is where the last thing ends, or 0. Up to a whole number of sectors; what does not fit in the disk is no answer. */
static void set_minimum(struct content *out, const struct content_source *source, uint64_t end)
{
	uint64_t rest = end % source->sector_size;

	out->minimum_size = end > source->size ? 0 : end + (rest ? source->sector_size - rest : 0);
}

static void probe_partitions(struct content *out, struct probe *probe, const struct content_source *source)
{
	for (unsigned i = 0; i < out->listed; i++) {
		struct content_partition *partition = &out->partitions[i];

		if (partition->outside || partition->is_bare)
			continue;
		if (probe_load(probe, source, partition->offset, partition->size) < 0)
			partition->unreadable = true;
		else
			filesystem_probe(&partition->filesystem, probe, false);
	}
}

int content_probe(struct content *out, const struct content_source *source)
{
	struct probe probe;
	uint64_t end = 0;
	int status;

	memset(out, 0, offsetof(struct content, partitions));
	out->sector_size = source->sector_size;
	status = probe_load(&probe, source, 0, source->size);
	if (status < 0)
		return status;
	if (partitions_gpt(out, &probe, &end)) {
		probe_partitions(out, &probe, source);
	} else if (filesystem_probe(&out->filesystem, &probe, true)) {
		out->filesystem.ambiguous = out->filesystem.ambiguous || mbr_has_partitions(&probe, out->sector_size);
		end = out->filesystem.ambiguous ? 0 : out->filesystem.size;
	} else if (partitions_mbr(out, &probe, &end) && out->partition_count) {
		probe_partitions(out, &probe, source);
	} else if (filesystem_probe(&out->filesystem, &probe, false)) {
		out->table = CONTENT_NO_TABLE;
		end = out->filesystem.ambiguous ? 0 : out->filesystem.size;
	} else if (out->table == CONTENT_NO_TABLE) {
		out->empty = all_zero(probe.bytes, CONTENT_PROBE_SIZE);
	}
	set_minimum(out, source, end);
	return 0;
}
