/* SPDX-License-Identifier: MIT */
/*
 * fuzz_struct: any bytes to each decoder; what it takes is encoded, and must decode to the same again. A decoder must not read beyond the bytes that it is given.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guid.h"
#include "base/utf.h"
#include "format/fields.h"
#include "format/vhd_dynamic.h"
#include "format/vhd_footer.h"
#include "format/vhdx_header.h"
#include "format/vhdx_layout.h"
#include "format/vhdx_locator.h"
#include "format/vhdx_log.h"
#include "format/vhdx_metadata.h"
#include "format/vhdx_region.h"
#include "fuzz.h"

/* `size` bytes of their own: what is left of the input, then zeros. */
static uint8_t *bytes_of(struct fuzz_input *in, size_t size)
{
	uint8_t *bytes = calloc(1, size);

	if (bytes == NULL)
		abort();
	memcpy(bytes, in->at, in->left < size ? in->left : size);
	return bytes;
}

static void same(const char *what, const void *a, const void *b, size_t size)
{
	if (memcmp(a, b, size) != 0)
		fuzz_finding("%s: decode(encode(x)) is not x", what);
}

/* Of a structure and its encoding again: every byte that means something is there. */
static void same_fields(enum structure_id structure, const uint8_t *before, const uint8_t *after)
{
	for (size_t i = 0; i < field_count; i++) {
		const struct field_info *f = &fields[i];
		bool is_free = strncmp(f->name, "reserved", 8) == 0 || strcmp(f->name, "checksum") == 0 ||
			       strcmp(f->name, "parent_locator_entries") == 0 || strcmp(f->name, "features") == 0 ||
			       (structure == STRUCTURE_vhd_dynamic_header && strcmp(f->name, "data_offset") == 0);

		if (f->structure == structure && !is_free && memcmp(before + f->offset, after + f->offset, f->length) != 0)
			fuzz_finding("%s.%s: encode(decode(x)) is not x", structures[structure].name, f->name);
	}
}

static void vhdx_header_both(struct fuzz_input *in)
{
	uint8_t *bytes = bytes_of(in, vhdx_header_size), encoded[vhdx_header_size], again[vhdx_header_size];
	struct vhdx_header header;
	struct vhdx_error error;

	memcpy(bytes, "head", 4);
	if (vhdx_header_decode(&header, bytes, 0, true, &error) < 0)
		fuzz_finding("a header with its signature and any checksum");
	(void)vhdx_header_check(&header, 0, &error);
	vhdx_header_encode(encoded, &header);
	same_fields(STRUCTURE_vhdx_header, bytes, encoded);
	if (vhdx_header_decode(&header, encoded, 0, false, &error) < 0)
		fuzz_finding("an encoded header");
	vhdx_header_encode(again, &header);
	same("vhdx_header", encoded, again, sizeof(again));
	free(bytes);
}

static void vhdx_regions_both(struct fuzz_input *in)
{
	uint8_t *bytes = bytes_of(in, VHDX_TABLE_SIZE);
	struct vhdx_region a[4], b;
	struct vhdx_error error;
	uint32_t count, kept = 0;

	memcpy(bytes, "regi", 4);
	if (vhdx_region_table_decode(&count, bytes, 0, true, &error) == VHDX_OK)
		for (uint32_t i = 0; i < count && kept < 4; i++) {
			memset(&a[kept], 0, sizeof(a[kept]));
			kept += vhdx_region_decode(&a[kept], bytes, i, 0, &error) == VHDX_OK;
		}
	memset(bytes, 0, VHDX_TABLE_SIZE);
	vhdx_region_table_encode(bytes, a, kept);
	if (vhdx_region_table_decode(&count, bytes, 0, false, &error) < 0 || count != kept)
		fuzz_finding("an encoded region table");
	for (uint32_t i = 0; i < kept; i++) {
		memset(&b, 0, sizeof(b));
		if (vhdx_region_decode(&b, bytes, i, 0, &error) < 0)
			fuzz_finding("an encoded region");
		if (!guid_equal(&a[i].guid, &b.guid) || a[i].file_offset != b.file_offset || a[i].length != b.length ||
		    a[i].required != b.required)
			fuzz_finding("a region is not what it was");
	}
	free(bytes);
}

static void vhdx_metadata_both(struct fuzz_input *in)
{
	uint8_t *bytes = bytes_of(in, 64);
	struct vhdx_metadata_entry a, b;
	struct vhdx_error error;
	uint16_t count;

	memset(&a, 0, sizeof(a)), memset(&b, 0, sizeof(b));
	(void)vhdx_metadata_table_decode(&count, bytes, 0, &error);
	if (vhdx_metadata_entry_decode(&a, bytes + 32, 0, 1u << 20, &error) == VHDX_OK) {
		vhdx_metadata_entry_encode(bytes + 32, &a);
		if (vhdx_metadata_entry_decode(&b, bytes + 32, 0, 1u << 20, &error) < 0)
			fuzz_finding("an encoded metadata entry");
		if (!guid_equal(&a.item_id, &b.item_id) || a.item != b.item || a.offset != b.offset || a.length != b.length ||
		    a.is_user != b.is_user || a.is_virtual_disk != b.is_virtual_disk || a.is_required != b.is_required)
			fuzz_finding("a metadata entry is not what it was");
	}
	vhdx_metadata_table_encode(bytes, 7);
	if (vhdx_metadata_table_decode(&count, bytes, 0, &error) < 0 || count != 7)
		fuzz_finding("an encoded metadata table");
	free(bytes);
}

static void vhdx_items_both(struct fuzz_input *in)
{
	struct vhdx_error error;

	for (int item = 0; item < ITEM_PARENT_LOCATOR; item++) {
		uint32_t length = vhdx_item_lengths[item];
		uint8_t *bytes = bytes_of(in, length), encoded[16];
		struct vhdx_parameters p;

		memset(&p, 0, sizeof(p));
		if (vhdx_item_decode(&p, (enum vhdx_item)item, bytes, length, 0, &error) == VHDX_OK) {
			vhdx_item_encode(encoded, (enum vhdx_item)item, &p);
			if (item == ITEM_FILE_PARAMETERS) { /* reserved bits */
				memset(bytes + 5, 0, 3);
				bytes[4] &= 3;
			}
			same(vhdx_item_names[item], bytes, encoded, length);
		}
		free(bytes);
	}
}

static void vhdx_locator_both(struct fuzz_input *in)
{
	uint32_t length = in->left < 20 ? 20 : (uint32_t)in->left;
	uint8_t *item = bytes_of(in, length);
	struct vhdx_locator_pair pair;
	struct vhdx_error error;
	uint16_t count = 0;

	if (vhdx_locator_decode(&count, item, length, 0, &error) == VHDX_OK)
		for (uint16_t i = 0; i < count; i++)
			if (vhdx_locator_pair_decode(&pair, item, length, i, 0, &error) == VHDX_OK)
				(void)vhdx_locator_key_is(&pair, "parent_linkage");
	free(item);
}

/* Texts without zeros to a locator and back. */
static void vhdx_locator_texts(struct fuzz_input *in)
{
	static uint8_t item[VHDX_MAX_LOCATOR_LENGTH];
	struct vhdx_locator_text texts[2] = { { "parent_linkage", "x" }, { "relative_path", NULL } };
	struct vhdx_locator_pair pair;
	struct vhdx_error error;
	uint16_t count = 0;
	size_t length = in->left < 2000 ? in->left : 2000;
	char *text = malloc(length + 1);

	if (text == NULL)
		abort();
	memcpy(text, in->at, length);
	text[length] = '\0';
	texts[1].value = text;
	length = vhdx_locator_encode(item, sizeof(item), texts, 2);
	if (length != 0 && text[0] != '\0') {
		if (vhdx_locator_decode(&count, item, (uint32_t)length, 0, &error) < 0 || count != 2 ||
		    vhdx_locator_pair_decode(&pair, item, (uint32_t)length, 1, 0, &error) < 0)
			fuzz_finding("an encoded locator");
		if (!vhdx_locator_key_is(&pair, "relative_path"))
			fuzz_finding("the key of an encoded locator");
	}
	free(text);
}

static void vhdx_log_both(struct fuzz_input *in)
{
	uint8_t *sector = bytes_of(in, VHDX_LOG_SECTOR), page[VHDX_LOG_SECTOR], data[VHDX_LOG_SECTOR], descriptor[32];
	struct vhdx_log_descriptor d;
	struct vhdx_log_header a, b;
	struct vhdx_error error;

	memset(&a, 0, sizeof(a)), memset(&b, 0, sizeof(b));
	memcpy(page, sector, sizeof(page));
	vhdx_log_data_encode(descriptor, data, 1u << 20, page, UINT64_C(0x123456789A));
	if (vhdx_log_descriptor_decode(&d, descriptor, UINT64_C(0x123456789A), 0, &error) < 0 || d.is_zero ||
	    d.file_offset != 1u << 20 || vhdx_log_data_check(data, UINT64_C(0x123456789A), 0, &error) < 0)
		fuzz_finding("an encoded log descriptor");
	vhdx_log_data_restore(data, d.leading_bytes, d.trailing_bytes);
	same("a logged page", data, page, sizeof(page));
	(void)vhdx_log_descriptor_decode(&d, sector + 64, 1, 0, &error);
	memcpy(sector, "loge", 4);
	if (vhdx_log_header_decode(&a, sector, 1u << 20, 0, &error) == VHDX_OK && a.entry_length == VHDX_LOG_SECTOR) {
		vhdx_log_header_encode(sector, &a);
		if (vhdx_log_header_decode(&b, sector, 1u << 20, 0, &error) < 0)
			fuzz_finding("an encoded log entry");
		if (a.tail != b.tail || a.sequence_number != b.sequence_number || a.descriptor_count != b.descriptor_count ||
		    !guid_equal(&a.log_guid, &b.log_guid) || a.flushed_file_offset != b.flushed_file_offset ||
		    a.last_file_offset != b.last_file_offset)
			fuzz_finding("a log entry is not what it was");
	}
	free(sector);
}

static void vhd_footer_both(struct fuzz_input *in)
{
	uint8_t *bytes = bytes_of(in, vhd_footer_size), encoded[vhd_footer_size], again[vhd_footer_size];
	struct vhd_footer footer;
	struct vhdx_error error;

	memcpy(bytes, "conectix", 8);
	if (vhd_footer_decode(&footer, bytes, 0, true, &error) == VHDX_OK) {
		vhd_footer_encode(encoded, &footer);
		same_fields(STRUCTURE_vhd_footer, bytes, encoded);
		if (vhd_footer_decode(&footer, encoded, 0, false, &error) < 0)
			fuzz_finding("an encoded footer");
		vhd_footer_encode(again, &footer);
		same("vhd_footer", encoded, again, sizeof(again));
		(void)vhd_geometry_of(footer.current_size);
	}
	free(bytes);
}

static void vhd_dynamic_both(struct fuzz_input *in)
{
	uint8_t *bytes = bytes_of(in, vhd_dynamic_header_size), encoded[vhd_dynamic_header_size], again[vhd_dynamic_header_size];
	static struct vhd_dynamic header;
	struct vhdx_error error;

	memcpy(bytes, "cxsparse", 8);
	if (vhd_dynamic_decode(&header, bytes, 0, true, &error) == VHDX_OK) {
		vhd_dynamic_encode(encoded, &header);
		same_fields(STRUCTURE_vhd_dynamic_header, bytes, encoded);
		if (vhd_dynamic_decode(&header, encoded, 0, false, &error) < 0)
			fuzz_finding("an encoded dynamic header");
		vhd_dynamic_encode(again, &header);
		same("vhd_dynamic_header", encoded, again, sizeof(again));
	}
	free(bytes);
}

static void guid_both(struct fuzz_input *in)
{
	char *text = (char *)bytes_of(in, 64), back[VHDX_GUID_TEXT_SIZE];
	struct vhdx_guid a, b;

	text[63] = '\0';
	if (vhdx_guid_parse(&a, text) == VHDX_OK) {
		vhdx_guid_format(&a, back);
		if (vhdx_guid_parse(&b, back) != VHDX_OK)
			fuzz_finding("the text of a GUID");
		same("guid", &a, &b, sizeof(a));
	}
	free(text);
}

/* UTF-16 of any units to UTF-8 and back. */
static void utf_both(struct fuzz_input *in)
{
	size_t units = in->left / 2 < 300 ? in->left / 2 : 300, back;
	uint8_t *bytes = bytes_of(in, units * 2 + 2), *again = malloc(units * 2 + 2);
	char *text = malloc(UTF8_SIZE(units));
	bool big_endian = in->left % 2 == 1, has_zero = false;

	if (again == NULL || text == NULL)
		abort();
	for (size_t i = 0; i < units; i++)
		has_zero |= bytes[2 * i] == 0 && bytes[2 * i + 1] == 0;
	if (utf8_from_utf16(text, bytes, units, big_endian) >= UTF8_SIZE(units))
		fuzz_finding("a text longer than promised");
	back = has_zero ? units : utf16_from_utf8(again, units, text, big_endian);
	if (back != units)
		fuzz_finding("UTF-16 to UTF-8 and back: %zu units, not %zu", back, units);
	if (!has_zero)
		same("UTF-16", bytes, again, units * 2);
	(void)utf16_length(bytes, units);
	free(text);
	free(again);
	free(bytes);
}

static void (*const structs[])(struct fuzz_input *) = { vhdx_header_both, vhdx_regions_both, vhdx_metadata_both,
							vhdx_items_both,  vhdx_locator_both, vhdx_locator_texts,
							vhdx_log_both,    vhd_footer_both,   vhd_dynamic_both,
							guid_both,        utf_both };
enum { STRUCTS = sizeof(structs) / sizeof(structs[0]) };

static void run(struct fuzz_input *in)
{
	structs[fuzz_byte(in) % STRUCTS](in);
}

/* A structure of a specimen each. */
static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	static const struct {
		enum specimen_kind kind;
		uint64_t offset;
		size_t length;
	} places[STRUCTS] = { { SPECIMEN_VHDX_DYNAMIC, 65536, 128 },
			      { SPECIMEN_VHDX_DYNAMIC, 3 * 65536, 128 },
			      { SPECIMEN_VHDX_CHILD, 2u << 20, 64 },
			      { SPECIMEN_VHDX_CHILD, (2u << 20) + 65536, 64 },
			      { SPECIMEN_VHDX_CHILD, (2u << 20) + 65576, 600 },
			      { SPECIMEN_VHDX_DYNAMIC, 8, 14 },
			      { SPECIMEN_VHDX_LOG, 1u << 20, 160 },
			      { SPECIMEN_VHD_DYNAMIC, 0, 512 },
			      { SPECIMEN_VHD_CHILD, 512, 1024 },
			      { SPECIMEN_VHDX_DYNAMIC, 8, 0 },
			      { SPECIMEN_VHDX_CHILD, (2u << 20) + 65576, 300 } };

	if (number >= STRUCTS || size < 1100)
		return 0;
	out[0] = (uint8_t)number;
	memfile_read(specimen_get(places[number].kind)->file, places[number].offset, out + 1, places[number].length);
	if (places[number].length != 0)
		return 1 + places[number].length;
	memcpy(out + 1, "{2DC27766-F623-4200-9D64-115E9BFD4A08}", 38);
	return 39;
}

const struct fuzz_target fuzz_struct = { "fuzz_struct", run, seed, 0 };
