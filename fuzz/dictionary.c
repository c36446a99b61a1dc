/* SPDX-License-Identifier: MIT */
/*
 * Prints a dictionary for libFuzzer and AFL++ from the table of fields: signatures, codes, GUIDs, and the numbers at which rules change.
 *
 *   vhdx-fuzz-dictionary >vhdx.dict
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/fields.h"
#include "support/recipe.h"
#include "support/specimen.h"

static void print_bytes(const char *name, unsigned number, const uint8_t *bytes, size_t length)
{
	printf("%s_%u=\"", name, number);
	for (size_t i = 0; i < length; i++)
		printf("\\x%02x", bytes[i]);
	printf("\"\n");
}

/* The first word of what the table says of a text field: its signature or a code. */
static void print_signature(const struct field_info *f, unsigned number)
{
	size_t length = strcspn(f->meaning, " ,:");

	if (f->type == TYPE_ASCII && length == f->length)
		print_bytes(structures[f->structure].name, number, (const uint8_t *)f->meaning, length);
}

/* Each field as it stands in a specimen. */
static void print_specimen(const struct specimen *s)
{
	for (size_t i = 0; i < s->part_count; i++)
		for (unsigned k = 0; k < field_count; k++) {
			uint8_t bytes[16];

			if (fields[k].structure != s->parts[i].structure || fields[k].length > sizeof(bytes) ||
			    s->parts[i].index > 1)
				continue;
			memfile_read(s->file, s->parts[i].file_offset + fields[k].offset, bytes, fields[k].length);
			print_bytes(structures[fields[k].structure].name, k, bytes, fields[k].length);
		}
}

static void print_values(const struct specimen *s)
{
	static const unsigned sizes[] = { 2, 4, 8 };
	uint64_t value;

	for (unsigned k = 0; k < 3; k++)
		for (unsigned n = 0; specimen_value(s, n, 1u << 20, sizes[k], &value); n++) {
			uint8_t little[8], big[8];

			for (unsigned i = 0; i < sizes[k]; i++) {
				little[i] = (uint8_t)(value >> 8 * i);
				big[sizes[k] - 1 - i] = little[i];
			}
			print_bytes("little", n, little, sizes[k]);
			print_bytes("big", n, big, sizes[k]);
		}
}

int main(void)
{
	for (unsigned i = 0; i < field_count; i++)
		print_signature(&fields[i], i);
	for (int kind = 0; kind < SPECIMEN_COUNT; kind++)
		print_specimen(specimen_get((enum specimen_kind)kind));
	print_values(specimen_get(SPECIMEN_VHDX_DYNAMIC));
	specimen_end();
	return ferror(stdout) != 0 || fflush(stdout) != 0;
}
