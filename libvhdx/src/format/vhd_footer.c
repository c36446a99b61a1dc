/* SPDX-License-Identifier: MIT */
#include "format/vhd_footer.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "format/fields.h"
#include "format/vhd_layout.h"

uint32_t vhd_checksum(const uint8_t *bytes, size_t length, size_t hole)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		if (i - hole >= 4)
			sum += bytes[i];
	return ~sum;
}

bool vhd_footer_present(const uint8_t *bytes)
{
	return memcmp(bytes + vhd_footer_cookie_at, "conectix", 8) == 0;
}

static int check(const struct vhd_footer *f, uint64_t file_offset, struct vhdx_error *error)
{
	if (f->file_format_version >> 16 != 1)
		return unsupported(error, RULE_VHD_015, file_offset + vhd_footer_file_format_version_at,
				   "file format version is 0x%08" PRIx32 ", not 0x00010000", f->file_format_version);
	if (f->disk_type < VHD_DISK_FIXED || f->disk_type > VHD_DISK_DIFFERENCING)
		return unsupported(error, RULE_VHD_025, file_offset + vhd_footer_disk_type_at,
				   "disk type is %" PRIu32 ", not 2 (fixed), 3 (dynamic) or 4 (differencing)", f->disk_type);
	if (f->current_size == 0 || f->current_size % VHD_SECTOR != 0)
		return broken(error, RULE_VHD_035, file_offset + vhd_footer_current_size_at,
			      "current size %" PRIu64 " is not a positive multiple of 512", f->current_size);
	if (f->disk_type != VHD_DISK_FIXED && f->current_size > VHD_MAX_DISK_SIZE)
		return broken(error, RULE_VHD_007, file_offset + vhd_footer_current_size_at,
			      "current size %" PRIu64 " exceeds 2040 GiB", f->current_size);
	if (f->disk_type != VHD_DISK_FIXED && f->data_offset % VHD_SECTOR != 0)
		return broken(error, RULE_VHD_016, file_offset + vhd_footer_data_offset_at,
			      "data offset 0x%" PRIx64 " is not a multiple of 512", f->data_offset);
	return VHDX_OK;
}

int vhd_footer_decode(struct vhd_footer *out, const uint8_t *bytes, uint64_t file_offset, bool any_checksum,
		      struct vhdx_error *error)
{
	uint32_t stored = get_be32(bytes + vhd_footer_checksum_at);
	uint32_t computed = vhd_checksum(bytes, vhd_footer_size, vhd_footer_checksum_at);
	struct vhd_footer f = {
		.features = get_be32(bytes + vhd_footer_features_at),
		.file_format_version = get_be32(bytes + vhd_footer_file_format_version_at),
		.data_offset = get_be64(bytes + vhd_footer_data_offset_at),
		.time_stamp = get_be32(bytes + vhd_footer_time_stamp_at),
		.creator_version = get_be32(bytes + vhd_footer_creator_version_at),
		.creator_host_os = get_be32(bytes + vhd_footer_creator_host_os_at),
		.original_size = get_be64(bytes + vhd_footer_original_size_at),
		.current_size = get_be64(bytes + vhd_footer_current_size_at),
		.geometry = { get_be16(bytes + vhd_footer_cylinders_at), bytes[vhd_footer_heads_at],
			      bytes[vhd_footer_sectors_per_track_at] },
		.disk_type = get_be32(bytes + vhd_footer_disk_type_at),
		.saved_state = bytes[vhd_footer_saved_state_at],
	};
	int status;

	if (!vhd_footer_present(bytes))
		return broken(error, RULE_VHD_009, file_offset, "footer cookie is not 'conectix'");
	if (stored != computed && !any_checksum)
		return broken(error, RULE_VHD_026, file_offset + vhd_footer_checksum_at,
			      "footer checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32, stored, computed);
	memcpy(f.creator_application, bytes + vhd_footer_creator_application_at, 4);
	memcpy(f.unique_id.bytes, bytes + vhd_footer_unique_id_at, 16);
	status = check(&f, file_offset, error);
	if (status == VHDX_OK)
		*out = f;
	return status;
}

void vhd_footer_encode(uint8_t *bytes, const struct vhd_footer *f)
{
	memset(bytes, 0, vhd_footer_size);
	memcpy(bytes + vhd_footer_cookie_at, "conectix", 8);
	put_be32(bytes + vhd_footer_features_at, f->features | 2); /* VHD-011 */
	put_be32(bytes + vhd_footer_file_format_version_at, f->file_format_version);
	put_be64(bytes + vhd_footer_data_offset_at, f->data_offset);
	put_be32(bytes + vhd_footer_time_stamp_at, f->time_stamp);
	memcpy(bytes + vhd_footer_creator_application_at, f->creator_application, 4);
	put_be32(bytes + vhd_footer_creator_version_at, f->creator_version);
	put_be32(bytes + vhd_footer_creator_host_os_at, f->creator_host_os);
	put_be64(bytes + vhd_footer_original_size_at, f->original_size);
	put_be64(bytes + vhd_footer_current_size_at, f->current_size);
	put_be16(bytes + vhd_footer_cylinders_at, f->geometry.cylinders);
	bytes[vhd_footer_heads_at] = f->geometry.heads;
	bytes[vhd_footer_sectors_per_track_at] = f->geometry.sectors_per_track;
	put_be32(bytes + vhd_footer_disk_type_at, f->disk_type);
	memcpy(bytes + vhd_footer_unique_id_at, f->unique_id.bytes, 16);
	bytes[vhd_footer_saved_state_at] = f->saved_state;
	put_be32(bytes + vhd_footer_checksum_at, vhd_checksum(bytes, vhd_footer_size, vhd_footer_checksum_at));
}

struct vhd_geometry vhd_geometry_of(uint64_t disk_size)
{
	uint32_t sectors = (uint32_t)min_u64(disk_size / VHD_SECTOR, 65535u * 16 * 255);
	uint32_t per_track = 17, heads, tracks;

	if (sectors >= 65535u * 16 * 63) {
		per_track = 255;
		heads = 16;
		tracks = sectors / per_track;
	} else {
		tracks = sectors / per_track;
		heads = tracks <= 4096 ? 4 : (tracks + 1023) / 1024;
		if (tracks >= heads * 1024 || heads > 16) {
			per_track = 31;
			heads = 16;
			tracks = sectors / per_track;
		}
		if (tracks >= heads * 1024) {
			per_track = 63;
			heads = 16;
			tracks = sectors / per_track;
		}
	}
	return (struct vhd_geometry){ (uint16_t)(tracks / heads), (uint8_t)heads, (uint8_t)per_track };
}
