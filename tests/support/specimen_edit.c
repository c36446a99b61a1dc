/* SPDX-License-Identifier: MIT */
/* Checksums of damaged specimens, and the values to damage them with. */
#include <stdlib.h>

#include "support/recipe.h"
#include "support/specimen.h"

/* An entry that does not wrap; one whose length is impossible keeps its checksum. */
static void repair_log_entry(struct memfile *m, uint64_t at)
{
	uint32_t length = (uint32_t)recipe_get(m, at + 8, 4);
	uint8_t *bytes;

	if (length < 64 || length > 1u << 20)
		return;
	recipe_put(m, at + 4, 4, 0);
	bytes = malloc(length);
	if (bytes == NULL)
		abort();
	memfile_read(m, at, bytes, length);
	recipe_put(m, at + 4, 4, recipe_crc32c(bytes, length));
	free(bytes);
}

void specimen_repair_part(const struct specimen_part *part, struct memfile *m)
{
	uint64_t size = memfile_size(m);

	switch (part->sum) {
	case SUM_NONE: break;
	case SUM_HEADER: recipe_fix_header(m, part->sum_offset == RECIPE_HEADER(0) ? 0 : 1); break;
	case SUM_REGION_TABLE: recipe_fix_region_table(m, part->sum_offset == RECIPE_REGION_TABLE(0) ? 0 : 1); break;
	case SUM_LOG_ENTRY: repair_log_entry(m, part->sum_offset); break;
	case SUM_FOOTER: recipe_fix_footer(m, part->sum_offset); break;
	case SUM_DYNAMIC: recipe_fix_dynamic(m, part->sum_offset); break;
	}
	if (memfile_size(m) != size) /* a file that was cut short stays so */
		memfile_set_size(m, size);
}

void specimen_repair(const struct specimen *s, struct memfile *m)
{
	for (size_t i = 0; i < s->part_count; i++)
		if (s->parts[i].sum_offset == s->parts[i].file_offset)
			specimen_repair_part(&s->parts[i], m);
}

bool specimen_is_number(enum field_type type, bool *big_endian)
{
	*big_endian = type == TYPE_BE16 || type == TYPE_BE32 || type == TYPE_BE64;
	return *big_endian || type == TYPE_U8 || type == TYPE_LE16 || type == TYPE_LE32 || type == TYPE_LE64;
}

bool specimen_value(const struct specimen *s, unsigned n, uint64_t original, unsigned size, uint64_t *value)
{
	const uint64_t max = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1, end = memfile_size(s->file);
	const uint64_t values[SPECIMEN_VALUES] = {
		0,
		1,
		2,
		max,
		max - 1,
		max / 2,
		max / 2 + 1,  /* the sign bit */
		original - 1, /* legal and one more or less */
		original + 1,
		original - 512, /* alignment */
		original + 512,
		original - 4096,
		original + 4096,
		original + RECIPE_MIB,
		original - RECIPE_MIB,
		original * 2,
		original ^ 7,
		max - 511, /* sums that overflow */
		max - 4095,
		max - (uint32_t)RECIPE_MIB + 1,
		max - original,
		511,
		513,
		4096,
		65536, /* places of other structures */
		RECIPE_MIB,
		2 * RECIPE_MIB,
		3 * RECIPE_MIB,
		4 * RECIPE_MIB | 6,
		5 * RECIPE_MIB | 7,
		s->parts[s->part_count - 1].file_offset,
		end,
		end - 1,
		end + 1,
		end / 512,
		end / 512 + 1,
		s->size + 1,
		UINT64_C(64) << 40,
		(UINT64_C(64) << 40) + 512,
		(UINT64_C(1) << 32) + 25,
	};

	if (n >= SPECIMEN_VALUES)
		return false;
	*value = values[n] & max;
	return true;
}
