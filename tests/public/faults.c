/* SPDX-License-Identifier: MIT */
/*
 * Every call of the I/O table and every allocation fails once, and from then on, while a chain is opened, read, counted and closed (B-22). Layer:
 * tests/public. What succeeds must be right, what fails must say so, nothing is left behind, and a disk that could not read can read later.
 */
#include <dirent.h>
#include <stdlib.h>

#include "support/family.h"
#include "support/chains.h"

/* What the work ended with. */
struct outcome {
	int opened; /* status of the open */
	int worst;  /* of anything after it */
	unsigned long allocations;
	unsigned long calls;
};

static void keep(struct outcome *out, int status)
{
	if (status < 0)
		out->worst = status;
}

static void read_some(struct outcome *out, const struct chain *chain, vhdx_disk *disk)
{
	static uint8_t found[70000], expected[70000];

	for (uint64_t offset = 0; offset < chain->model.size; offset += 400 * 1024 + 512) {
		size_t length = chain->model.size - offset < sizeof(found) ? (size_t)(chain->model.size - offset) : sizeof(found);
		struct vhdx_error e = { .status = 0 };
		int status = vhdx_read(disk, found, length, offset, &e);

		keep(out, status);
		cr_assert(status == e.status && (status == VHDX_OK || e.message[0] != '\0'));
		if (status < 0)
			continue;
		model_bytes(&chain->model, expected, length, offset);
		cr_assert(memcmp(found, expected, length) == 0, "a read that said that it worked was wrong");
	}
}

static void ask_some(struct outcome *out, const struct chain *chain, vhdx_disk *disk)
{
	uint64_t offset = 0;

	while (offset < chain->model.size) {
		struct vhdx_extent extent = { .length = 65536, .kind = VHDX_EXTENT_DATA };
		int status = vhdx_get_extent(disk, &extent, offset, chain->model.size - offset, NULL);

		keep(out, status);
		if (status == VHDX_OK && extent.kind != VHDX_EXTENT_DATA)
			for (uint64_t at = offset; at < offset + extent.length; at += 512)
				cr_assert(chain->model.seeds[at / 512] == 0);
		offset += extent.length;
	}
	for (unsigned level = 0; level < chain->depth; level++) {
		struct vhdx_usage usage = VHDX_USAGE_INIT;

		keep(out, vhdx_get_usage(disk, level, &usage, NULL));
	}
}

/* The whole work once. Nothing may be left behind, whatever happened. */
static struct outcome work(struct chain *chain, struct testenv *env)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file top = memfile_file(chain->files[0], "top"), parents[8];
	struct vhdx_error e = { .status = 0 };
	struct outcome out = { 0 };
	vhdx_disk *disk = NULL;

	for (unsigned i = 1; i < chain->depth; i++)
		parents[i - 1] = memfile_file(chain->files[i], "parent");
	for (unsigned i = 0; i < chain->depth; i++)
		memfile_reset_counts(chain->files[i]);
	options.env = &env->env;
	options.parents = parents;
	options.parent_count = chain->depth - 1;
	out.opened = vhdx_open_file(&disk, &top, &options, &e);
	if (out.opened == VHDX_OK) {
		read_some(&out, chain, disk);
		ask_some(&out, chain, disk);
		read_some(&out, chain, disk);
	} else {
		cr_assert(disk == NULL && e.status == out.opened && e.message[0] != '\0');
		cr_assert(out.opened == VHDX_E_NO_MEMORY || e.file[0] != '\0', "it does not say which file");
	}
	vhdx_close(disk);
	cr_assert(testenv_live(env) == 0, "%lu allocations leaked", testenv_live(env));
	out.allocations = atomic_load(&env->allocations);
	for (unsigned i = 0; i < chain->depth; i++) {
		cr_assert(memfile_count(chain->files[i], MEMFILE_CLOSE) == (out.opened == VHDX_OK),
			  "level %u was closed %lu times", i, memfile_count(chain->files[i], MEMFILE_CLOSE));
		for (int call = 0; call < MEMFILE_CLOSE; call++)
			out.calls += memfile_count(chain->files[i], (enum memfile_call)call);
	}
	return out;
}

static unsigned long calls_of(const struct memfile *m)
{
	unsigned long calls = 0;

	for (int call = 0; call < MEMFILE_CLOSE; call++)
		calls += memfile_count(m, (enum memfile_call)call);
	return calls;
}

static void expect_io_errors(struct chain *chain)
{
	struct testenv env;
	unsigned failures = 0;

	testenv_start(&env, 1);
	cr_assert(work(chain, &env).worst == VHDX_OK);
	for (unsigned f = 0; f < chain->depth; f++) {
		struct memfile *m = chain->files[f];
		unsigned long calls;

		(void)work(chain, &env);
		calls = calls_of(m);
		cr_assert(calls > 3);
		for (unsigned long n = 1; n <= calls; n++)
			for (unsigned sticky = 0; sticky < 2; sticky++) {
				struct outcome out;

				memfile_fail(m, MEMFILE_ANY, n, VHDX_E_IO, sticky != 0);
				out = work(chain, &env);
				cr_assert(out.opened == VHDX_OK || out.opened == VHDX_E_IO, "open: %s",
					  vhdx_status_name(out.opened));
				cr_assert(out.worst == VHDX_OK || out.worst == VHDX_E_IO, "later: %s",
					  vhdx_status_name(out.worst));
				failures += out.opened != VHDX_OK || out.worst != VHDX_OK;
				memfile_fail(m, MEMFILE_ANY, 0, 0, false);
			}
	}
	cr_expect(failures > 10, "only %u calls mattered", failures);
	cr_assert(work(chain, &env).worst == VHDX_OK);
}

static void expect_memory_errors(struct chain *chain)
{
	struct testenv env;
	unsigned long allocations, failures = 0;

	testenv_start(&env, 1);
	allocations = work(chain, &env).allocations;
	cr_assert(allocations > 3);
	for (unsigned long n = 1; n <= allocations; n++)
		for (unsigned sticky = 0; sticky < 2; sticky++) {
			struct outcome out;

			testenv_start(&env, 1);
			testenv_fail(&env, n, sticky != 0);
			out = work(chain, &env);
			cr_assert(out.opened == VHDX_E_NO_MEMORY || out.opened == VHDX_OK, "open: %s",
				  vhdx_status_name(out.opened));
			cr_assert(out.worst == VHDX_E_NO_MEMORY || out.worst == VHDX_OK, "later: %s",
				  vhdx_status_name(out.worst));
			failures += out.opened != VHDX_OK || out.worst != VHDX_OK;
		}
	cr_expect(failures > allocations, "only %lu allocations of %lu mattered", failures / 2,
		  allocations); /* what only makes it faster may be missing */
}

static void for_each_chain(void (*check)(struct chain *chain))
{
	for (unsigned i = 0; i < 4; i++) {
		struct chain_plan plan = { .format = i % 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD,
					   .base = i / 2 == 0 ? VHDX_TYPE_DYNAMIC : VHDX_TYPE_FIXED,
					   .depth = i == 3 ? 1 : 3,
					   .size = 4 * RECIPE_MIB,
					   .block_size = 1u << 20,
					   .blocks = 3,
					   .seed = 80 + i };
		struct chain chain;

		chain_build(&chain, &plan);
		check(&chain);
		chain_end(&chain);
	}
}

Test(faults, io_errors)
{
	for_each_chain(expect_io_errors);
}

Test(faults, out_of_memory)
{
	for_each_chain(expect_memory_errors);
}

/* A file with a pending log, whose replay needs memory and reads. */
static void expect_with_log(void (*check)(struct chain *chain))
{
	static const struct recipe_block block = { .index = 2, .state = RECIPE_FULL };
	struct recipe_descriptor descriptors[40];
	struct recipe_entry entries[3];
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct chain chain = { .depth = 1 };

	k.log_guid = recipe_guid(9);
	k.blocks = &block;
	k.block_count = 1;
	for (unsigned i = 0; i < 40; i++) /* beyond the disk's blocks, where nothing is: only the work counts */
		descriptors[i] = (struct recipe_descriptor){ .file_offset = 5 * RECIPE_MIB + i * 8192,
							     .seed = 6,
							     .zero_length = i % 3 == 0 ? 4096 : 0 };
	for (unsigned i = 0; i < 3; i++)
		entries[i] = (struct recipe_entry){ .at = i == 0 ? 0 : RECIPE_NEXT,
						    .sequence_number = 1 + i,
						    .descriptors = descriptors + i * 10,
						    .descriptor_count = 20,
						    .last_file_offset = 6 * RECIPE_MIB };
	k.entries = entries;
	k.entry_count = 3;
	k.file_size = 6 * RECIPE_MIB;
	chain.files[0] = recipe_vhdx_new(&k, NULL);
	model_start(&chain.model, 16 * RECIPE_MIB);
	check(&chain);
	chain_end(&chain);
}

Test(faults, io_errors_in_replay)
{
	expect_with_log(expect_io_errors);
}

Test(faults, out_of_memory_in_replay)
{
	expect_with_log(expect_memory_errors);
}

/* After a read that failed once, the same read succeeds: nothing wrong was kept. */
Test(faults, a_failed_read_is_forgotten)
{
	struct chain_plan plan = { .format = VHDX_FORMAT_VHDX,
				   .base = VHDX_TYPE_DYNAMIC,
				   .depth = 3,
				   .size = 4 * RECIPE_MIB,
				   .block_size = 1u << 20,
				   .blocks = 3,
				   .seed = 5 };
	struct chain chain;

	chain_build(&chain, &plan);
	for (unsigned f = 0; f < 3; f++)
		for (unsigned long n = 1; n < 20; n++) {
			vhdx_disk *disk = chain_open(&chain, 0);
			uint8_t *buffer = malloc((size_t)plan.size);
			int status;

			cr_assert(buffer != NULL);
			memfile_fail(chain.files[f], MEMFILE_READ, n, VHDX_E_IO, false);
			status = vhdx_read(disk, buffer, (size_t)plan.size, 0, NULL);
			cr_assert(status == VHDX_OK || status == VHDX_E_IO);
			memfile_fail(chain.files[f], MEMFILE_READ, 0, 0, false);
			model_expect(&chain.model, disk);
			free(buffer);
			vhdx_close(disk);
		}
	chain_end(&chain);
}

static unsigned open_descriptors(void)
{
	DIR *entries = opendir("/proc/self/fd");
	unsigned count = 0;

	if (entries == NULL)
		return 0;
	while (readdir(entries) != NULL)
		count++;
	(void)closedir(entries);
	return count;
}

/* The resolver too: every allocation fails while it looks for parents on the host; no descriptor stays open. */
Test(faults, out_of_memory_in_the_resolver)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_path_map map = { "C:", NULL };
	const char *search;
	unsigned before;
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "s");
	family_put_parent(&d, "s/a.vhdx", VHDX_FORMAT_VHDX, 11);
	family_put_parent(&d, "s/b.vhdx", VHDX_FORMAT_VHDX, 10);
	family_put_child(&d, "abs.vhdx", VHDX_FORMAT_VHDX, 10, VHDX_PATH_ABSOLUTE, "C:\\gone.vhdx");
	family_put_child(&d, "url.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL, "file://localhost/x%20/gone.vhd");
	family_put_child(&d, "name.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_NAME, "GONE.vhd");
	search = hostdir_path(&d, "s");
	map.to = d.path;
	resolver.maps = &map;
	resolver.map_count = 1;
	resolver.search = &search;
	resolver.search_count = 1;
	resolver.root = d.path;
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = &resolver;
	before = open_descriptors();
	for (unsigned i = 0; i < 3; i++) {
		static const char *const children[] = { "abs.vhdx", "url.vhd", "name.vhd" };
		static const int statuses[] = { VHDX_OK, VHDX_E_PARENT_MISSING, VHDX_E_PARENT_MISSING };
		const char *path = hostdir_path(&d, children[i]);

		for (unsigned long n = 1;; n++) {
			struct vhdx_error e = { .status = 0 };
			vhdx_disk *disk = NULL;
			struct testenv env;
			int status;

			cr_assert(n < 1000);
			testenv_start(&env, 1);
			testenv_fail(&env, n, n % 2 == 0);
			options.env = &env.env;
			status = vhdx_open(&disk, path, &options, &e);
			vhdx_close(disk);
			cr_assert(testenv_live(&env) == 0 && open_descriptors() == before);
			if (atomic_load(&env.allocations) < n) { /* none failed any more */
				cr_expect(status == statuses[i], "%s: %s", children[i], e.message);
				break;
			}
			cr_assert(status == VHDX_E_NO_MEMORY || status == statuses[i], "%s, allocation %lu: %s", children[i], n,
				  e.message);
		}
	}
	hostdir_end(&d);
}

/* Failing opens of host files leave no descriptor and no lock. */
Test(faults, failing_opens_on_the_host)
{
	struct memfile *m = family_child(VHDX_FORMAT_VHDX, 10, VHDX_PATH_RELATIVE, "p.vhdx");
	unsigned before = open_descriptors();
	struct vhdx_file writer;
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "p.vhdx");
	hostdir_put(&d, "missing.vhdx", m);
	memfile_set_size(m, 300000);
	hostdir_put(&d, "short.vhdx", m);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = { "missing.vhdx", "short.vhdx", "p.vhdx" };
		struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
		vhdx_disk *disk = NULL;

		options.open_parent = vhdx_resolve_parent;
		cr_expect(vhdx_open(&disk, hostdir_path(&d, names[i]), &options, NULL) < 0);
		cr_expect(open_descriptors() == before);
	}
	cr_assert(vhdx_file_open(&writer, hostdir_path(&d, "short.vhdx"), VHDX_FILE_WRITE, NULL) == VHDX_OK);
	vhdx_file_close(&writer);
	cr_expect(open_descriptors() == before);
	memfile_free(m);
	hostdir_end(&d);
}
