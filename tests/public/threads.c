/* SPDX-License-Identifier: MIT */
/*
 * One handle, four threads, reads at random places against the model, while the cache of metadata pages is too small for what they ask. Layer:
 * tests/public. With -fsanitize=thread this is the test of the lock-free parts.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support/chains.h"
#include "support/expect.h"

enum { THREADS = 4, READS = 2000 };

struct worker {
	vhdx_disk *disk;
	const struct model *model;
	uint64_t state;
	bool asks; /* for extents and counts too */
	const char *problem;
};

static void *run(void *context)
{
	struct worker *w = context;
	uint8_t found[6000], expected[6000];

	for (unsigned i = 0; i < READS && w->problem == NULL; i++) {
		uint64_t offset = test_random_below(&w->state, w->model->size), left = w->model->size - offset;
		size_t length = (size_t)test_random_below(&w->state, (left < sizeof(found) ? left : sizeof(found)) + 1);
		struct vhdx_extent extent;

		if (vhdx_read(w->disk, found, length, offset, NULL) != VHDX_OK)
			w->problem = "a read failed";
		model_bytes(w->model, expected, length, offset);
		if (memcmp(found, expected, length) != 0)
			w->problem = "a read was wrong";
		if (w->asks && vhdx_get_extent(w->disk, &extent, offset, left, NULL) != VHDX_OK)
			w->problem = "an extent failed";
	}
	if (w->asks) {
		struct vhdx_usage usage = VHDX_USAGE_INIT;
		struct vhdx_info info = VHDX_INFO_INIT;

		if (vhdx_get_usage(w->disk, 0, &usage, NULL) != VHDX_OK || vhdx_get_info(w->disk, 0, &info, NULL) != VHDX_OK)
			w->problem = "a question failed";
	}
	return NULL;
}

static void race(vhdx_disk *disk, const struct model *model)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ disk, model, 1000 + i, i % 2 == 0, NULL };
		cr_assert(pthread_create(&threads[i], NULL, run, &workers[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		cr_assert(pthread_join(threads[i], NULL) == 0);
		cr_expect(workers[i].problem == NULL, "thread %u: %s", i, workers[i].problem);
	}
}

static void race_chain(const struct chain_plan *plan)
{
	struct chain chain;
	vhdx_disk *disk;

	chain_build(&chain, plan);
	disk = chain_open(&chain, 0);
	race(disk, &chain.model);
	vhdx_close(disk);
	chain_end(&chain);
}

Test(threads, a_chain_of_vhdx)
{
	race_chain(&(struct chain_plan){ .format = VHDX_FORMAT_VHDX,
					 .base = VHDX_TYPE_DYNAMIC,
					 .depth = 6,
					 .size = 16 * RECIPE_MIB,
					 .blocks = 8,
					 .seed = 71 });
}

Test(threads, a_chain_of_vhd)
{
	race_chain(&(struct chain_plan){ .format = VHDX_FORMAT_VHD,
					 .base = VHDX_TYPE_FIXED,
					 .depth = 6,
					 .size = 4 * RECIPE_MIB,
					 .blocks = 20,
					 .seed = 72 });
}

/* Bitmaps of 4,096 blocks of a VHD lie in as many pages, eight times what the cache has: slots are filled while others read them. */
Test(threads, more_metadata_than_the_cache_holds)
{
	enum { BLOCK = 4096, BLOCKS = 4096 };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places places;
	struct model model;
	struct memfile *m;
	vhdx_disk *disk = NULL;

	k.size = BLOCK * BLOCKS;
	k.block_size = BLOCK;
	m = recipe_vhd_new(&k, &places);
	model_start(&model, k.size);
	for (uint32_t block = 0; block < BLOCKS; block++) {
		uint64_t at = 65536 + (uint64_t)block * (4096 + BLOCK);
		uint32_t bits = block * 37 % 256;

		recipe_put_be(m, places.bat + block * 4, 4, at / 512);
		recipe_put(m, at, 1, bits);
		for (unsigned s = 0; s < 8; s++)
			if (bits & 0x80u >> s) {
				recipe_fill(m, at + 512 + s * 512, 512, (uint64_t)block * BLOCK + s * 512, 3);
				model_set(&model, (uint64_t)block * BLOCK + s * 512, 512, 3);
			}
	}
	{
		uint8_t footer[512];

		memfile_read(m, 0, footer, sizeof(footer));
		memfile_write(m, 65536 + (uint64_t)BLOCKS * (4096 + BLOCK), footer, sizeof(footer));
	}
	cr_assert(test_open_chain(&disk, &m, 1, 0, NULL) == VHDX_OK);
	race(disk, &model);
	model_expect(&model, disk);
	vhdx_close(disk);
	model_end(&model);
	memfile_free(m);
}
