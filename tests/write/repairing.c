/* SPDX-License-Identifier: MIT */
#include "repairing.h"

#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"
#include "support/testenv.h"

#define MIB RECIPE_MIB

static void junk(struct memfile *m, uint64_t offset, uint64_t length)
{
	recipe_fill(m, offset, length, offset, 99);
}

static void header_0(struct memfile *m)
{
	junk(m, RECIPE_HEADER(0), 512);
}

/* The current one; the other one says the same with a lower number. */
static void header_1(struct memfile *m)
{
	recipe_put(m, RECIPE_HEADER(1) + 4, 4, 1);
}

static void table_0(struct memfile *m)
{
	junk(m, RECIPE_REGION_TABLE(0), 65536);
}

static void table_1(struct memfile *m)
{
	recipe_put(m, RECIPE_REGION(1, 0) + 16, 8, 0);
}

/* Both are valid. */
static void tables_differ(struct memfile *m)
{
	recipe_put(m, RECIPE_REGION_TABLE(1) + 12, 4, 7);
	recipe_fix_region_table(m, 1);
}

static void vhdx_tail(struct memfile *m)
{
	junk(m, memfile_size(m), 3 * MIB + 100);
}

/* Block 5 moves away from between two others; what it leaves belongs to nothing. */
static void vhdx_gap(struct memfile *m)
{
	uint64_t at = 3 * MIB + 5 * 8, old = recipe_get(m, at, 8) & ~UINT64_C(0xFFFFF), new = memfile_size(m);
	uint8_t *bytes = malloc(MIB);

	memfile_read(m, old, bytes, MIB);
	memfile_write(m, new, bytes, MIB);
	recipe_put(m, at, 8, new | RECIPE_FULL);
	junk(m, old, MIB);
	free(bytes);
}

static void nothing(struct memfile *m)
{
	(void)m;
}

static void all_of_vhdx(struct memfile *m)
{
	header_0(m);
	table_0(m);
	vhdx_gap(m);
	vhdx_tail(m);
}

/* Where errors are, space is not touched. */
static void gap_and_bad_entry(struct memfile *m)
{
	vhdx_gap(m);
	table_1(m);
	recipe_put(m, 3 * MIB + 9 * 8, 8, 900 * MIB | RECIPE_FULL);
}

static void log_and_header(struct memfile *m)
{
	header_0(m);
}

static void log_broken(struct memfile *m)
{
	junk(m, MIB + 100, 8192 * 3);
}

static void footer_at_end(struct memfile *m)
{
	junk(m, memfile_size(m) - 512, 512);
}

static void footer_checksum(struct memfile *m)
{
	recipe_put_be(m, memfile_size(m) - 512 + 64, 4, 1);
}

static void footer_in_front(struct memfile *m)
{
	junk(m, 0, 512);
}

static void footers_differ(struct memfile *m)
{
	recipe_put_be(m, 24, 4, 5);
	recipe_fix_footer(m, 0);
}

static void footer_cut(struct memfile *m)
{
	memfile_set_size(m, memfile_size(m) - 512);
}

static void footer_cut_in_two(struct memfile *m)
{
	memfile_set_size(m, memfile_size(m) - 212);
}

static void footer_buried(struct memfile *m)
{
	junk(m, memfile_size(m), 300001);
}

/* A footer at the end, and much before it. */
static void vhd_tail(struct memfile *m)
{
	uint8_t footer[512];
	uint64_t size = memfile_size(m);

	memfile_read(m, size - 512, footer, 512);
	junk(m, size - 512, 300000);
	memfile_write(m, size + (1 << 20), footer, 512);
}

/* Block 3 moves behind the others. */
static void vhd_gap(struct memfile *m)
{
	uint64_t at = 1536 + 3 * 4, old = recipe_get_be(m, at, 4) * 512, size = memfile_size(m);
	uint8_t *bytes = malloc(512 + 65536), footer[512];

	memfile_read(m, size - 512, footer, 512);
	memfile_read(m, old, bytes, 512 + 65536);
	memfile_write(m, size - 512, bytes, 512 + 65536);
	recipe_put_be(m, at, 4, (size - 512) / 512);
	memfile_write(m, size + 65536, footer, 512);
	/* and the one in front of it, so that the room is larger than what alignment may leave */
	at = 1536;
	old = recipe_get_be(m, at, 4) * 512;
	memfile_read(m, old, bytes, 512 + 65536);
	memfile_write(m, size + 65536, bytes, 512 + 65536);
	recipe_put_be(m, at, 4, (size + 65536) / 512);
	memfile_write(m, size + 2 * 65536 + 512, footer, 512);
	free(bytes);
}

static void all_of_vhd(struct memfile *m)
{
	vhd_gap(m);
	footer_at_end(m);
}

static void front_and_tail(struct memfile *m)
{
	vhd_tail(m);
	footer_in_front(m);
}

/* The last block is not whole, so its rest must stay where it is. */
static void vhd_cut_block(struct memfile *m)
{
	memfile_set_size(m, memfile_size(m) - 30000);
}

const struct damage damages[] = {
	{ "nothing", SPECIMEN_VHDX_DYNAMIC, nothing, 0, 0, false, false },
	{ "header 0", SPECIMEN_VHDX_DYNAMIC, header_0, MENDS(HEADER), 0, false, false },
	{ "header 1", SPECIMEN_VHDX_DYNAMIC, header_1, MENDS(HEADER), 0, false, false },
	{ "header 1 of a child", SPECIMEN_VHDX_CHILD, header_1, MENDS(HEADER), 0, false, false },
	{ "header 0 of 64 TiB", SPECIMEN_VHDX_HUGE, header_0, MENDS(HEADER), 0, false, false },
	{ "region table 0", SPECIMEN_VHDX_DYNAMIC, table_0, MENDS(REGION_TABLE), 0, false, false },
	{ "region table 1", SPECIMEN_VHDX_FIXED, table_1, MENDS(REGION_TABLE), 0, false, false },
	{ "region tables that differ", SPECIMEN_VHDX_EXTRAS, tables_differ, MENDS(REGION_TABLE), 0, false, false },
	{ "junk behind a VHDX", SPECIMEN_VHDX_DYNAMIC, vhdx_tail, MENDS(SPACE), 0, false, false },
	{ "junk behind a fixed VHDX", SPECIMEN_VHDX_FIXED, vhdx_tail, 0, 0, false, false },
	{ "space between blocks", SPECIMEN_VHDX_DYNAMIC, vhdx_gap, MENDS(SPACE), 0, false, false },
	{ "all of a VHDX", SPECIMEN_VHDX_DYNAMIC, all_of_vhdx, MENDS(HEADER) | MENDS(REGION_TABLE) | MENDS(SPACE), 0, false,
	  false },
	{ "space beside a wrong entry", SPECIMEN_VHDX_DYNAMIC, gap_and_bad_entry, MENDS(REGION_TABLE), 0, true, true },
	{ "a pending log", SPECIMEN_VHDX_LOG, nothing, MENDS(LOG), 0, false, false },
	{ "a pending log and a header", SPECIMEN_VHDX_LOG, log_and_header, MENDS(LOG) | MENDS(HEADER), 0, false, false },
	{ "a broken log", SPECIMEN_VHDX_LOG, log_broken, MENDS(DISCARD_LOG), VHDX_REPAIR_DISCARD_LOG, true, false },
	{ "footer at the end", SPECIMEN_VHD_DYNAMIC, footer_at_end, MENDS(FOOTER), 0, false, false },
	{ "checksum at the end", SPECIMEN_VHD_CHILD, footer_checksum, MENDS(FOOTER), 0, false, false },
	{ "footer in front", SPECIMEN_VHD_DYNAMIC, footer_in_front, MENDS(FOOTER), 0, false, false },
	{ "footers that differ", SPECIMEN_VHD_DYNAMIC, footers_differ, MENDS(FOOTER), 0, false, false },
	{ "footer cut off", SPECIMEN_VHD_CHILD, footer_cut, MENDS(FOOTER), 0, false, false },
	{ "half of a footer", SPECIMEN_VHD_DYNAMIC, footer_cut_in_two, MENDS(FOOTER), 0, false, false },
	{ "footer of 2040 GiB", SPECIMEN_VHD_HUGE, footer_at_end, MENDS(FOOTER), 0, false, false },
	{ "footer under junk", SPECIMEN_VHD_DYNAMIC, footer_buried, MENDS(FOOTER) | MENDS(SPACE), 0, false, false },
	{ "junk before the footer", SPECIMEN_VHD_DYNAMIC, vhd_tail, MENDS(SPACE), 0, false, false },
	{ "junk, and no footer in front", SPECIMEN_VHD_DYNAMIC, front_and_tail, MENDS(FOOTER) | MENDS(SPACE), 0, false, false },
	{ "space between blocks of a VHD", SPECIMEN_VHD_DYNAMIC, vhd_gap, MENDS(SPACE), 0, false, false },
	{ "all of a VHD", SPECIMEN_VHD_DYNAMIC, all_of_vhd, MENDS(FOOTER) | MENDS(SPACE), 0, false, false },
	{ "a VHD whose last block is cut", SPECIMEN_VHD_DYNAMIC, vhd_cut_block, MENDS(FOOTER), 0, true, true },
};
const unsigned damage_count = sizeof(damages) / sizeof(damages[0]);

struct memfile *damage_make(const struct damage *d)
{
	struct memfile *m = memfile_copy(specimen_get(d->kind)->file);

	d->make(m);
	return m;
}

static int count_step(void *context, const struct vhdx_repair_step *step)
{
	struct outcome *o = context;

	o->told |= 1u << step->mend;
	o->steps++;
	cr_assert_neq(step->message[0], '\0');
	return 0;
}

struct outcome repair(const struct vhdx_file *file, const struct vhdx_file *undo, unsigned flags)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct outcome o = { .status = 0 };
	struct testenv env;

	testenv_start(&env, 7);
	options.flags = flags;
	options.env = &env.env;
	options.undo = undo;
	options.context = &o;
	options.on_step = count_step;
	o.status = vhdx_repair(file, &options, &o.error);
	cr_assert_eq(testenv_live(&env), 0);
	return o;
}

static int count_finding(void *context, const struct vhdx_finding *finding)
{
	struct findings *f = context;

	f->mends |= finding->mend == VHDX_MEND_NONE ? 0 : 1u << finding->mend;
	f->errors += finding->severity == VHDX_SEVERITY_ERROR;
	f->worse += finding->severity != VHDX_SEVERITY_NOTE;
	return 0;
}

struct findings look(const struct vhdx_file *file)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct findings f = { 0 };

	options.context = &f;
	options.on_finding = count_finding;
	cr_assert_eq(vhdx_inspect(file, &options, NULL), VHDX_OK);
	return f;
}

static vhdx_disk *open_disk(const struct damage *d, const struct vhdx_file *file, const char *what)
{
	const struct specimen *s = specimen_get(d->kind);
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file parent = { .io = NULL };
	struct vhdx_error error;
	vhdx_disk *disk = NULL;

	if (s->parent != NULL)
		parent = memfile_file(s->parent, "parent");
	options.parents = &parent;
	options.parent_count = s->parent != NULL;
	cr_assert_eq(vhdx_open_file(&disk, file, &options, &error), VHDX_OK, "%s, %s: %s", d->name, what, error.message);
	return disk;
}

/* Small disks whole; of large ones the ends of each 256th part. */
void expect_content(const struct damage *d, const struct vhdx_file *file, const char *what)
{
	enum { PIECE = 65536 };
	static uint8_t found[PIECE], wanted[PIECE];
	struct vhdx_file whole = memfile_file(specimen_get(d->kind)->file, "whole");
	vhdx_disk *disk = open_disk(d, file, what), *model = open_disk(d, &whole, what);
	uint64_t size = vhdx_disk_size(disk), step = size > 64 * MIB ? size / 256 : PIECE;

	cr_assert_eq(size, vhdx_disk_size(model));
	for (uint64_t at = 0; at < size; at += step) {
		size_t length = size - at < PIECE ? (size_t)(size - at) : PIECE;

		cr_assert_eq(vhdx_read(disk, found, length, at, NULL), VHDX_OK, "%s, %s", d->name, what);
		cr_assert_eq(vhdx_read(model, wanted, length, at, NULL), VHDX_OK);
		cr_assert_eq(memcmp(found, wanted, length), 0, "%s, %s: content differs at 0x%llx", d->name, what,
			     (unsigned long long)at);
	}
	(void)vhdx_close(disk);
	(void)vhdx_close(model);
}

void expect_mended(const struct damage *d, const struct vhdx_file *file, const char *what)
{
	struct findings f = look(file);

	cr_assert_eq(f.mends, 0, "%s, %s: something is left to mend: 0x%x", d->name, what, f.mends);
	cr_assert(d->errors_stay || f.errors == 0, "%s, %s: %u errors", d->name, what, f.errors);
	cr_assert_eq(repair(file, NULL, d->flags | VHDX_REPAIR_DRY_RUN).steps, 0, "%s, %s", d->name, what);
	if (!d->loses)
		expect_content(d, file, what);
}

const struct damage *damage_named(const char *name)
{
	unsigned i = 0;

	while (i < damage_count && strcmp(damages[i].name, name) != 0)
		i++;
	cr_assert_lt(i, damage_count, "no damage %s", name);
	return &damages[i];
}

void expect_equal(const struct memfile *a, const struct memfile *b, const char *name, const char *what)
{
	uint64_t where = 0;

	cr_assert(memfile_equal(a, b, &where), "%s: %s at 0x%llx", name, what, (unsigned long long)where);
}
