/* SPDX-License-Identifier: MIT */
/*
 * A digest of a whole virtual disk: see hash.h. The hash is compiled in from the header of xxHash: loading its library would cost
 * more system calls than opening an image.
 */
#define XXH_INLINE_ALL
#include "hash.h"

#include <stdlib.h>
#include <xxhash.h>

enum { PIECE = 1 << 20 };

/* Everything that one extent covers, in pieces. */
static int add_extent(XXH3_state_t *state, vhdx_disk *disk, const struct vhdx_extent *extent, uint8_t *buffer,
		      struct vhdx_error *error)
{
	static const uint8_t zero[1 << 16];
	int is_data = extent->kind == VHDX_EXTENT_DATA || extent->kind == VHDX_EXTENT_PARENT;
	size_t most = is_data ? (size_t)PIECE : sizeof(zero);

	for (uint64_t done = 0; done < extent->length;) {
		size_t length = extent->length - done < most ? (size_t)(extent->length - done) : most;
		int status = is_data ? vhdx_read(disk, buffer, length, extent->disk_offset + done, error) : VHDX_OK;

		if (status != VHDX_OK)
			return status;
		XXH3_128bits_update(state, is_data ? buffer : zero, length);
		done += length;
	}
	return VHDX_OK;
}

static void format_digest(char text[HASH_TEXT_SIZE], XXH128_hash_t hash)
{
	static const char digits[] = "0123456789abcdef";
	XXH128_canonical_t bytes;

	XXH128_canonicalFromHash(&bytes, hash);
	for (size_t i = 0; i < sizeof(bytes.digest); i++) {
		text[2 * i] = digits[bytes.digest[i] >> 4];
		text[2 * i + 1] = digits[bytes.digest[i] & 15];
	}
	text[HASH_TEXT_SIZE - 1] = '\0';
}

int hash_disk(char text[HASH_TEXT_SIZE], vhdx_disk *disk, struct vhdx_error *error)
{
	static const struct vhdx_error no_memory = {
		.status = VHDX_E_NO_MEMORY,
		.file_offset = VHDX_NO_OFFSET,
		.message = "no memory for hashing",
	};
	uint64_t size = vhdx_disk_size(disk);
	uint8_t *buffer = malloc(PIECE);
	XXH3_state_t *state = XXH3_createState();
	struct vhdx_source source; /* knows the holes of the host's files too */
	struct vhdx_extent extent;
	int status = VHDX_OK;

	if (buffer == NULL || state == NULL) {
		status = no_memory.status;
		if (error)
			*error = no_memory;
		goto out;
	}
	XXH3_128bits_reset(state);
	vhdx_disk_source(&source, disk);
	for (uint64_t offset = 0; offset < size; offset += extent.length) {
		status = source.extent(source.context, &extent, offset, size - offset, error);
		if (status == VHDX_OK)
			status = add_extent(state, disk, &extent, buffer, error);
		if (status != VHDX_OK)
			goto out;
	}
	format_digest(text, XXH3_128bits_digest(state));
out:
	XXH3_freeState(state);
	free(buffer);
	return status;
}
