/* SPDX-License-Identifier: MIT */
/* Blocks put into the order of the disk, and zeros inside blocks given back. Crashes and failing calls are the business of tests/crash. */
#include "compacting.h"
#include "support/specimen.h"

/* Blocks in random order, some without content, some partly; 4 KiB of each hold something, so that many take little memory. */
static void write_blocks(struct chain *c, vhdx_disk *disk, uint64_t block_size, unsigned count)
{
	uint64_t blocks = c->model.size / block_size;

	for (unsigned i = 0; i < count; i++)
		put(c, disk, pick(&c->state, blocks) * block_size + pick(&c->state, block_size / 4096) * 4096, 4096,
		    pick(&c->state, 10) == 0 ? 0 : c->next_seed++);
}

static void random_chain(enum vhdx_format format, unsigned depth, uint64_t size, uint32_t block_size, uint64_t seed)
{
	struct chain c = { .format = format, .sector = 512, .next_seed = 1, .state = seed };

	model_start(&c.model, size);
	while (c.depth < depth) {
		vhdx_disk *disk;

		add_level(&c, size, block_size);
		disk = open_chain(&c, c.depth, VHDX_OPEN_WRITE);
		write_blocks(&c, disk, block_size, (unsigned)(size / block_size));
		cr_assert_eq(vhdx_write_zeroes(disk, 2 * MIB, 4 * MIB, NULL), VHDX_OK);
		model_set(&c.model, 2 * MIB, 4 * MIB, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_defrag(&c);
	}
	end_chain(&c);
}

Test(defrag, random_chains_of_vhdx)
{
	for (unsigned seed = 0; seed < 3; seed++)
		random_chain(VHDX_FORMAT_VHDX, 1 + seed, (20 + seed) * MIB + MIB / 2, (uint32_t)MIB << seed, seed);
	random_chain(VHDX_FORMAT_VHDX, 1, 200 * MIB, (uint32_t)MIB, 9); /* more than goes into one batch */
}

Test(defrag, random_chains_of_vhd)
{
	for (unsigned seed = 0; seed < 3; seed++)
		random_chain(VHDX_FORMAT_VHD, 1 + seed, (20 + seed) * MIB + MIB / 2, 2 * (uint32_t)MIB, seed);
	random_chain(VHDX_FORMAT_VHD, 1, 200 * MIB, (uint32_t)MIB, 9);
}

static int stop_at(void *context, uint64_t done, uint64_t total)
{
	cr_assert_leq(done, total);
	return --*(int *)context == 0;
}

static void make_disorder(struct chain *c)
{
	vhdx_disk *disk;

	model_start(&c->model, 24 * MIB);
	for (unsigned level = 0; level < 2; level++) {
		add_level(c, 24 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(c, c->depth, VHDX_OPEN_WRITE);
		write_blocks(c, disk, 2 * MIB, 12);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
	}
}

/* Stopped at any step, and gone on with later, in the same session and in another one. */
Test(defrag, stopped_at_each_step)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1, .state = 4 };
		int status = VHDX_E_CANCELLED;

		make_disorder(&c);
		for (int step = 1; status != VHDX_OK; step++) {
			struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
			struct memfile *kept = c.files[1];
			int left = step;
			vhdx_disk *disk;

			c.files[1] = memfile_copy(kept);
			disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
			options.flags = VHDX_COMPACT_DEFRAG;
			options.on_progress = stop_at;
			options.on_progress_context = &left;
			status = vhdx_compact(disk, &options, NULL);
			cr_assert(status == VHDX_OK || status == VHDX_E_CANCELLED);
			model_expect(&c.model, disk);
			if (step % 2 == 0) {
				put(&c, disk, 3 * MIB, 4096, 77); /* uses what is free */
				put(&c, disk, 20 * MIB, 4096, 78);
				model_expect(&c.model, disk);
			}
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(c.files[1]);
			expect_defrag(&c);
			memfile_free(c.files[1]);
			c.files[1] = kept;
			if (step % 2 == 0) { /* as it was */
				model_end(&c.model);
				memfile_free(c.files[0]);
				memfile_free(c.files[1]);
				c = (struct chain){
					.format = (enum vhdx_format)format, .sector = 512, .next_seed = 1, .state = 4
				};
				make_disorder(&c);
			}
		}
		end_chain(&c);
	}
}

/* Whichever call finds the host full, nothing is lost, and with room again the work goes on. */
Test(defrag, a_full_host)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1, .state = 5 };
		bool failed = true;

		make_disorder(&c);
		for (unsigned long n = 1; failed; n++) {
			struct memfile *kept = c.files[1];
			struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
			vhdx_disk *disk;
			int status;

			c.files[1] = memfile_copy(kept);
			disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
			memfile_fail(c.files[1], MEMFILE_WRITE, n, VHDX_E_NO_SPACE, true);
			options.flags = VHDX_COMPACT_DEFRAG;
			status = vhdx_compact(disk, &options, NULL);
			failed = status != VHDX_OK;
			cr_assert(!failed || status == VHDX_E_NO_SPACE);
			memfile_fail(c.files[1], MEMFILE_WRITE, 0, 0, false);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(c.files[1]);
			memfile_free(c.files[1]);
			c.files[1] = kept;
		}
		end_chain(&c);
	}
}

/* The whole disk, in blocks that were written backwards. */
Test(defrag, backwards)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_result result;
		vhdx_disk *disk;

		model_start(&c.model, 64 * MIB);
		add_level(&c, 64 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		for (uint64_t at = 64 * MIB; at != 0; at -= 2 * MIB)
			put(&c, disk, at - 2 * MIB, 4096, 7);
		result = compact(disk, VHDX_COMPACT_DEFRAG | VHDX_COMPACT_ESTIMATE);
		cr_expect_eq(result.runs_before, 32);
		cr_expect_eq(result.runs_after, 1);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_defrag(&c);
		end_chain(&c);
	}
}

static struct memfile *fixed_disk(enum vhdx_format format, uint64_t size)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *made = memfile_new();
	struct vhdx_file file = memfile_file(made, "disk");

	options.format = format;
	options.type = VHDX_TYPE_FIXED;
	options.size = size;
	cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
	return made;
}

/* Zeros between data, of blocks that stay. */
Test(defrag, zeros_become_holes)
{
	for (int fixed = 0; fixed < 2; fixed++)
		for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
			struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
			static const uint8_t zeros[4096];
			struct memfile *before;
			uint64_t allocated;
			vhdx_disk *disk;

			model_start(&c.model, 8 * MIB);
			if (fixed)
				c.files[c.depth++] = fixed_disk(c.format, 8 * MIB);
			else
				add_level(&c, 8 * MIB, 2 * (uint32_t)MIB);
			disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
			put(&c, disk, 0, 8 * MIB, 7);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
			for (uint64_t at = MIB / 2; at < 6 * MIB + MIB / 2; at += 2 * MIB)
				for (uint64_t part = 0; part < MIB; part += sizeof(zeros))
					cr_assert_eq(vhdx_write(disk, zeros, sizeof(zeros), at + part, NULL), VHDX_OK);
			for (uint64_t at = MIB / 2; at < 6 * MIB + MIB / 2; at += 2 * MIB)
				model_set(&c.model, at, MIB, 0);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			allocated = memfile_allocated(c.files[0]);
			before = memfile_copy(c.files[0]);
			disk = open_chain(&c, 1, 0);
			cr_expect_eq(compact(disk, VHDX_COMPACT_PUNCH | VHDX_COMPACT_ESTIMATE).bytes_punched, 3 * MIB);
			cr_expect_eq(compact(disk, VHDX_COMPACT_ESTIMATE).bytes_punched, 0);
			vhdx_close(disk);
			disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
			cr_expect_eq(compact(disk, 0).bytes_punched, 0);
			cr_expect_eq(compact(disk, VHDX_COMPACT_PUNCH).bytes_punched, 3 * MIB);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			cr_expect(memfile_equal(before, c.files[0], NULL), "no byte of the file changes");
			cr_expect_leq(memfile_allocated(c.files[0]), allocated - 3 * MIB + 6 * MEMFILE_PAGE);
			memfile_free(before);
			end_chain(&c);
		}
}

Test(defrag, mistakes)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct chain c = { .format = VHDX_FORMAT_VHDX, .sector = 512 };
	vhdx_disk *disk;

	model_start(&c.model, 16 * MIB);
	add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	options.flags = VHDX_COMPACT_DEFRAG | VHDX_COMPACT_KEEP_PLACES;
	cr_expect_eq(vhdx_compact(disk, &options, NULL), VHDX_E_ARGUMENT);
	vhdx_close(disk);
	end_chain(&c);
}

/* A locator that reaches into the place of a block is a warning to readers; whoever moved a block there would overwrite the path to the parent. */
Test(defrag, a_block_over_a_locator_is_not_moved)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHD_CHILD);
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct memfile *m = memfile_copy(s->file), *before;
	struct vhdx_error error = { .message = "" };
	uint8_t found[64], expected[64];
	uint64_t locator = 0;
	vhdx_disk *disk;

	for (size_t i = 0; i < s->part_count; i++) {
		const struct specimen_part *part = &s->parts[i];

		if (part->structure != STRUCTURE_vhd_locator_entry || part->index != 1)
			continue;
		/* its data: 1 KiB behind the beginning of block 6 */
		for (unsigned b = 0; b < 4; b++) {
			uint64_t place = 0;

			for (size_t j = 0; j < s->part_count; j++)
				if (s->parts[j].structure == STRUCTURE_vhd_bat_entry && s->parts[j].index == 1)
					for (unsigned k = 0; k < 4; k++)
						place = place << 8 | recipe_get(m, s->parts[j].file_offset + k, 1);
			locator = place * 512 + 1024;
			recipe_put(m, part->file_offset + 20 + b, 1, locator >> (24 - 8 * b) & 0xFF);
		}
		specimen_repair_part(part, m);
	}
	before = memfile_copy(m);
	options.flags = VHDX_COMPACT_DEFRAG;
	cr_assert_eq(specimen_open(&disk, s, m, VHDX_OPEN_WRITE, NULL, &error), VHDX_OK, "%s", error.message);
	cr_expect_eq(vhdx_compact(disk, &options, &error), VHDX_E_DAMAGED, "%s", error.message);
	cr_expect(strstr(error.message, "locator") != NULL, "%s", error.message);
	(void)vhdx_close(disk);
	memfile_read(before, locator, expected, sizeof(expected));
	memfile_read(m, locator, found, sizeof(found));
	cr_expect(locator != 0 && memcmp(found, expected, sizeof(found)) == 0);
	memfile_free(m);
	memfile_free(before);
	specimen_end();
}
