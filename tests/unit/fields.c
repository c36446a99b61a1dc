/* SPDX-License-Identifier: MIT */
/* fields.def: the fields of a structure cover it without gap or overlap, and so do the parts of a field. */
#include <criterion/criterion.h>
#include <string.h>

#include "format/fields.h"

Test(fields, tile_their_structure)
{
	size_t next = 0;

	for (unsigned id = 0; id < STRUCTURE_COUNT; id++) {
		uint32_t end = 0;

		cr_assert_not_null(structures[id].name);
		for (; next < field_count && fields[next].structure == id; next++) {
			cr_assert_eq(fields[next].offset, end, "%s.%s", structures[id].name, fields[next].name);
			cr_assert_gt(fields[next].length, 0);
			end += fields[next].length;
		}
		/* a region table is its header; the entries follow */
		cr_assert_eq(end, structures[id].size, "%s", structures[id].name);
	}
	cr_assert_eq(next, field_count); /* in the order of the structures */
}

static uint32_t length_of_type(enum field_type type)
{
	switch (type) {
	case TYPE_U8: return 1;
	case TYPE_LE16:
	case TYPE_BE16: return 2;
	case TYPE_LE32:
	case TYPE_BE32: return 4;
	case TYPE_LE64:
	case TYPE_BE64: return 8;
	case TYPE_GUID:
	case TYPE_UUID: return 16;
	case TYPE_ASCII:
	case TYPE_UTF16LE:
	case TYPE_UTF16BE:
	case TYPE_BYTES: break;
	}
	return 0;
}

Test(fields, have_the_length_of_their_type)
{
	for (size_t i = 0; i < field_count; i++) {
		const struct field_info *f = &fields[i];

		if (length_of_type(f->type) != 0)
			cr_assert_eq(f->length, length_of_type(f->type), "%s.%s", structures[f->structure].name, f->name);
		if (f->type == TYPE_UTF16LE || f->type == TYPE_UTF16BE)
			cr_assert_eq(f->length % 2, 0);
		for (size_t k = 0; k < i; k++)
			cr_assert(fields[k].structure != f->structure || strcmp(fields[k].name, f->name) != 0);
	}
}

Test(fields, parts_tile_their_field)
{
	for (size_t i = 0; i < bit_part_count;) {
		const struct bits_info *first = &bit_parts[i];
		const struct field_info *field = NULL;
		unsigned end = 0;

		for (size_t k = 0; k < field_count; k++)
			if (fields[k].structure == first->structure && strcmp(fields[k].name, first->field) == 0)
				field = &fields[k];
		cr_assert_not_null(field, "%s", first->field);
		for (; i < bit_part_count && bit_parts[i].structure == first->structure &&
		       strcmp(bit_parts[i].field, first->field) == 0;
		     i++) {
			cr_assert_eq(bit_parts[i].low, end, "%s", bit_parts[i].part);
			end += bit_parts[i].count;
		}
		cr_assert_eq(end, field->length * 8, "%s", first->field);
	}
}

Test(fields, numbers_in_host_order)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const struct {
		enum field_type type;
		uint64_t value;
	} rows[] = {
		{ TYPE_U8, 1 },
		{ TYPE_LE16, 0x0201 },
		{ TYPE_LE32, 0x04030201 },
		{ TYPE_LE64, UINT64_C(0x0807060504030201) },
		{ TYPE_BE16, 0x0102 },
		{ TYPE_BE32, 0x01020304 },
		{ TYPE_BE64, UINT64_C(0x0102030405060708) },
		{ TYPE_BYTES, 0 },
	};

	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(field_number(&(struct field_info){ .type = rows[i].type }, bytes), rows[i].value);
}

Test(fields, constants_are_those_of_the_table)
{
	cr_assert(vhdx_header_checksum_at == 4 && vhdx_header_checksum_length == 4 && vhdx_header_size == 4096);
	cr_assert(vhd_footer_unique_id_at == 68 && vhd_footer_unique_id_length == 16 && vhd_footer_size == 512);
	cr_assert_str_eq(structures[STRUCTURE_vhdx_bat_entry].name, "vhdx_bat_entry");
}
