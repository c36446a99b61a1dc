/* SPDX-License-Identifier: MIT */
/*
 * Bugs of other writers that show in the bytes they leave: an independent checker looks at whole files that were written by us, in the middle of a session and after
 * it. Nothing here asks the library what is right.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/written.h"

#define MIB RECIPE_MIB
enum { MOST_CLAIMS = 64 };

struct kind {
	enum vhdx_format format;
	enum vhdx_type type;
	uint32_t sector;
};

static const struct kind kinds[] = {
	{ VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 512 },      { VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 4096 },
	{ VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 512 },        { VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 4096 },
	{ VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 512 }, { VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 4096 },
	{ VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 512 },       { VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 512 },
	{ VHDX_FORMAT_VHD, VHDX_TYPE_DIFFERENCING, 512 },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static struct memfile *make(const struct kind *kind, enum vhdx_type type, struct memfile *parent)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *made = memfile_new();
	struct vhdx_file file = memfile_file(made, "disk");
	struct vhdx_error error = { 0 };

	options.format = kind->format;
	options.type = type;
	options.size = 16 * MIB;
	options.block_size = (uint32_t)MIB;
	options.logical_sector_size = kind->sector;
	if (parent != NULL) {
		cr_assert_eq(test_open_chain(&options.parent, &parent, 1, 0, NULL), VHDX_OK);
		options.parent_relative = ".\\parent";
	}
	cr_assert_eq(vhdx_create_file(&file, &options, &error), VHDX_OK, "%s", error.message);
	vhdx_close(options.parent);
	return made;
}

static void start(struct written *w, const struct kind *kind)
{
	struct memfile *parent = kind->type == VHDX_TYPE_DIFFERENCING ? make(kind, VHDX_TYPE_DYNAMIC, NULL) : NULL;

	written_start(w, make(kind, kind->type, parent), parent);
}

/* Ranges of a file that must not overlap. */
struct claims {
	uint64_t from[MOST_CLAIMS], to[MOST_CLAIMS];
	unsigned count;
};

static void claim(struct claims *c, const struct memfile *m, uint64_t from, uint64_t length)
{
	cr_assert_leq(from + length, memfile_size(m), "something ends behind the end of the file");
	for (unsigned i = 0; i < c->count; i++)
		cr_assert(from >= c->to[i] || from + length <= c->from[i], "0x%llx overlaps 0x%llx", (unsigned long long)from,
			  (unsigned long long)c->from[i]);
	cr_assert_lt(c->count, MOST_CLAIMS);
	c->from[c->count] = from;
	c->to[c->count++] = from + length;
}

static void expect_bytes(const struct memfile *m, uint64_t from, uint64_t to, int byte, const char *what)
{
	for (; from < to; from++)
		cr_assert_eq(recipe_get(m, from, 1), (unsigned)byte, "%s at 0x%llx", what, (unsigned long long)from);
}

/* The CRC-32C at offset 4 of a structure. */
static bool crc_is_right(const struct memfile *m, uint64_t place, uint32_t length)
{
	uint8_t *bytes = malloc(length);
	bool right;

	memfile_read(m, place, bytes, length);
	memset(bytes + 4, 0, 4);
	right = recipe_get(m, place + 4, 4) == recipe_crc32c(bytes, length);
	free(bytes);
	return right;
}

static bool text_at(const struct memfile *m, uint64_t place, const char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++)
		if (recipe_get(m, place + i, 1) != (uint8_t)text[i])
			return false;
	return true;
}

/* The offset of the current header. */
static uint64_t check_headers(const struct memfile *m)
{
	uint64_t numbers[2];

	cr_assert(text_at(m, 0, "vhdxfile"));
	for (unsigned slot = 0; slot < 2; slot++) {
		uint64_t place = RECIPE_HEADER(slot);

		cr_assert(text_at(m, place, "head") && crc_is_right(m, place, 4096), "header %u", slot);
		cr_assert_eq(recipe_get(m, place + 64, 4), 0x00010000, "versions");
		cr_assert_eq(recipe_get(m, place + 68, 4) % MIB + recipe_get(m, place + 72, 8) % MIB, 0);
		expect_bytes(m, place + 80, place + 4096, 0, "reserved bytes of a header");
		numbers[slot] = recipe_get(m, place + 8, 8);
	}
	cr_assert_neq(numbers[0], numbers[1]);
	return RECIPE_HEADER(numbers[1] > numbers[0] ? 1u : 0u);
}

static void check_tables(const struct memfile *m)
{
	for (unsigned copy = 0; copy < 2; copy++) {
		cr_assert(text_at(m, RECIPE_REGION_TABLE(copy), "regi") && crc_is_right(m, RECIPE_REGION_TABLE(copy), 65536));
		cr_assert_eq(recipe_get(m, RECIPE_REGION_TABLE(copy) + 8, 8), 2);
	}
	for (unsigned i = 0; i < 65536; i += 8)
		cr_assert_eq(recipe_get(m, RECIPE_REGION_TABLE(0) + i, 8), recipe_get(m, RECIPE_REGION_TABLE(1) + i, 8));
}

/* Every entry of the log that carries the header's GUID, wherever it starts, is whole. */
static unsigned check_log(const struct memfile *m, uint64_t header)
{
	uint64_t log = recipe_get(m, header + 72, 8), length = recipe_get(m, header + 68, 4);
	struct vhdx_guid guid = recipe_get_guid(m, header + 48), none = { { 0 } };
	unsigned found = 0;

	if (memcmp(&guid, &none, sizeof(guid)) == 0)
		return 0;
	for (uint64_t place = log; place < log + length; place += 4096) {
		struct vhdx_guid other = recipe_get_guid(m, place + 32);
		uint32_t bytes = (uint32_t)recipe_get(m, place + 8, 4);

		if (!text_at(m, place, "loge") || memcmp(&guid, &other, sizeof(guid)) != 0 || place + bytes > log + length)
			continue;
		cr_assert(bytes % 4096 == 0 && bytes != 0 && crc_is_right(m, place, bytes), "log entry at 0x%llx",
			  (unsigned long long)place);
		cr_assert_eq(recipe_get(m, place + 48, 8) % MIB + recipe_get(m, place + 56, 8) % MIB, 0);
		found++;
	}
	return found;
}

/* The place of a region: 0 the BAT, 1 metadata. */
static uint64_t region(const struct memfile *m, const char *guid, uint64_t *length)
{
	struct vhdx_guid wanted = recipe_guid_text(guid);

	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_guid found = recipe_get_guid(m, RECIPE_REGION(0, i));

		if (memcmp(&wanted, &found, sizeof(found)) != 0)
			continue;
		*length = recipe_get(m, RECIPE_REGION(0, i) + 24, 4);
		return recipe_get(m, RECIPE_REGION(0, i) + 16, 8);
	}
	cr_assert(false, "no region %s", guid);
	return 0;
}

static void check_entry(const struct memfile *m, struct claims *c, const struct kind *kind, uint64_t index, uint64_t entry)
{
	uint64_t bitmap_index = kind->sector == 512 ? 4096 : 32768, place = entry & ~(MIB - 1);
	unsigned state = entry & 7;

	cr_assert_eq(entry & 0xFFFF8, 0, "reserved bits of BAT entry %llu", (unsigned long long)index);
	if (index == bitmap_index) {
		cr_assert(entry == 0 || (kind->type == VHDX_TYPE_DIFFERENCING && state == 6));
	} else if (index >= 16) {
		cr_assert_eq(entry, 0, "padding of the BAT");
	} else {
		cr_assert(state != 4 && state != 5 && (state != 7 || kind->type == VHDX_TYPE_DIFFERENCING));
		cr_assert(kind->type != VHDX_TYPE_FIXED || state == 6);
		cr_assert(place == 0 || state == 6 || state == 7 || state == 1 || state == 3);
	}
	if (state == 6 || state == 7)
		claim(c, m, place, MIB);
}

static void check_vhdx(const struct memfile *m, const struct kind *kind, unsigned *log_entries)
{
	uint64_t header = check_headers(m), bat, metadata, length;
	struct claims c = { .count = 0 };

	check_tables(m);
	*log_entries += check_log(m, header);
	claim(&c, m, 0, MIB);
	claim(&c, m, recipe_get(m, header + 72, 8), recipe_get(m, header + 68, 4));
	metadata = region(m, "8b7ca206-4790-4b9a-b8fe-575f050f886e", &length);
	claim(&c, m, metadata, length);
	cr_assert(text_at(m, metadata, "metadata") && recipe_get(m, metadata + 8, 2) == 0);
	bat = region(m, "2dc27766-f623-4200-9d64-115e9bfd4a08", &length);
	claim(&c, m, bat, length);
	for (uint64_t i = 0; i < length / 8; i++)
		check_entry(m, &c, kind, i, recipe_get(m, bat + 8 * i, 8));
}

static bool sum_is_right(const struct memfile *m, uint64_t place, uint32_t length, uint32_t at)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum += i >= at && i < at + 4 ? 0 : (uint32_t)recipe_get(m, place + i, 1);
	return recipe_get_be(m, place + at, 4) == (uint32_t)~sum;
}

static void check_footer(const struct memfile *m, uint64_t place)
{
	cr_assert(text_at(m, place, "conectix") && sum_is_right(m, place, 512, 64), "footer at 0x%llx",
		  (unsigned long long)place);
}

static void check_vhd(const struct memfile *m, const struct kind *kind)
{
	uint64_t end = memfile_size(m) - 512, bat;
	struct claims c = { .count = 0 };

	check_footer(m, end);
	if (kind->type == VHDX_TYPE_FIXED) {
		cr_assert_eq(end, 16 * MIB);
		return;
	}
	check_footer(m, 0);
	for (unsigned i = 0; i < 512; i += 8)
		cr_assert_eq(recipe_get(m, i, 8), recipe_get(m, end + i, 8), "the footers differ");
	cr_assert(text_at(m, 512, "cxsparse") && sum_is_right(m, 512, 1024, 36));
	cr_assert_eq(recipe_get_be(m, 512 + 28, 4), 16);
	bat = recipe_get_be(m, 512 + 16, 8);
	claim(&c, m, 0, 1536);
	claim(&c, m, bat, 512);
	claim(&c, m, end, 512);
	for (unsigned i = 0; i < 16; i++)
		if (recipe_get_be(m, bat + 4 * i, 4) != UINT32_MAX)
			claim(&c, m, recipe_get_be(m, bat + 4 * i, 4) * UINT64_C(512), 512 + MIB);
}

static void check(const struct memfile *m, const struct kind *kind, unsigned *log_entries)
{
	if (kind->format == VHDX_FORMAT_VHDX)
		check_vhdx(m, kind, log_entries);
	else
		check_vhd(m, kind);
}

/* QEMU c088b691: a checksum was not written back. In the middle of a session the file is what a crash behind a flush leaves. */
Test(bugs, B_56_every_structure_passes_an_independent_checker)
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct written w;
		unsigned log_entries = 0;

		start(&w, &kinds[i]);
		for (unsigned round = 1; round < 9; round++) {
			written_history(&w, round * 7);
			written_flush(&w);
			check(w.file, &kinds[i], &log_entries);
			if (round % 3 != 0)
				continue;
			written_close(&w);
			check(w.file, &kinds[i], &log_entries);
			written_expect(&w, w.file);
			written_open(&w);
		}
		cr_assert(log_entries > 0 || kinds[i].format == VHDX_FORMAT_VHD);
		written_close(&w);
		check(w.file, &kinds[i], &log_entries);
		written_end(&w);
	}
}

/* DiscUtils 451d0a90, cloud-hypervisor c3e37a3b4: entries of the BAT beyond the last block; and each allocation changes one entry. */
Test(bugs, B_63_padding_of_the_bat_stays_as_it_must_be)
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct written w;
		uint64_t bat, length, before;

		if (kinds[i].type == VHDX_TYPE_FIXED)
			continue;
		start(&w, &kinds[i]);
		for (unsigned block = 16; block-- != 0;) {
			written_put(&w, block * MIB + 512, 512, block + 1);
			before = 0;
			written_flush(&w);
			written_close(&w);
			written_open(&w);
			if (kinds[i].format == VHDX_FORMAT_VHD) {
				bat = recipe_get_be(w.file, 512 + 16, 8);
				expect_bytes(w.file, bat + 64, bat + 512, 0xFF, "padding of the BAT");
				for (unsigned k = 0; k < 16; k++)
					before += recipe_get_be(w.file, bat + 4 * k, 4) != UINT32_MAX;
			} else {
				bat = region(w.file, "2dc27766-f623-4200-9d64-115e9bfd4a08", &length);
				expect_bytes(w.file, bat + 128, bat + 4096, 0, "padding of the BAT");
				for (unsigned k = 0; k < 16; k++)
					before += recipe_get(w.file, bat + 8 * k, 8) != 0;
			}
			cr_assert_eq(before, 16 - block, "entries that are set");
		}
		written_expect(&w, w.file);
		written_end(&w);
	}
}

static void expect_aligned(const struct memfile *m, uint64_t bat, unsigned blocks, uint32_t bitmap_size, unsigned foreign)
{
	for (unsigned i = 0; i < blocks; i++) {
		uint32_t entry = (uint32_t)recipe_get_be(m, bat + 4 * i, 4);

		if (entry != UINT32_MAX && i != foreign)
			cr_assert_eq((entry * UINT64_C(512) + bitmap_size) % 4096, 0, "data of block %u", i);
	}
	cr_assert_eq(memfile_size(m) % 4096, 0, "the end of the file");
}

/* QEMU #136, makevhdx #5: Windows wants the data of VHD blocks at multiples of 4 KiB. (That it refuses sparse files is a matter of NTFS.) */
Test(bugs, B_74_vhd_blocks_are_aligned_to_4_kib)
{
	static const uint32_t block_sizes[] = { 512 * 1024, 1 << 20, 2 << 20, 8 << 20 };

	for (unsigned i = 0; i < 4; i++) {
		struct recipe_vhd_block block = { .index = 1, .seed = 3 };
		struct recipe_vhd knobs = RECIPE_VHD_INIT;
		struct recipe_vhd_places places;
		struct written w;
		uint32_t blocks = (uint32_t)(16 * MIB / block_sizes[i]);

		knobs.block_size = block_sizes[i];
		knobs.blocks = &block;
		knobs.block_count = 1;
		knobs.first_block_offset = 512 * 7; /* somebody's, and not aligned */
		written_start(&w, recipe_vhd_new(&knobs, &places), NULL);
		model_set(&w.model, block_sizes[i], block_sizes[i], 3);
		for (unsigned k = 0; k < blocks; k++) {
			written_put(&w, k * (uint64_t)block_sizes[i] + 4096, 512, k + 10);
			if (k % 2 == 0)
				written_flush(&w);
		}
		written_close(&w);
		expect_aligned(w.file, places.bat, blocks, places.bitmap_size, 1);
		written_expect(&w, w.file);
		written_end(&w);
	}
}
