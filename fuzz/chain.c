/* SPDX-License-Identifier: MIT */
/*
 * fuzz_chain: three files, each edited as in the other targets. For every differencing one the input says which files are offered as its parent, the top among them.
 * What the chain reads is what its levels, each opened alone, say.
 */
#include <inttypes.h>
#include <string.h>

#include "fuzz.h"

enum { FILES = 3, CHOICES = 5, SAMPLES = 40, SECTOR = 512, MOST_LEVELS = 8 };

struct chain {
	struct fuzz_image images[FILES];
	struct fuzz_env env;
	struct fuzz_input choices;
	unsigned offered;
};

static struct memfile *file_of(struct chain *c, unsigned choice)
{
	return choice < FILES ? c->images[choice].file : c->images[choice % FILES].specimen->parent;
}

static int offer(void *context, struct vhdx_parent_request *request, struct vhdx_error *error)
{
	static const char missing[] = "/nonexistent/below";
	struct vhdx_path_map map = { "C:", missing };
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct chain *c = context;
	unsigned tries = fuzz_byte(&c->choices) % 3 + 1;

	for (size_t i = 0; i < request->path_count; i++)
		if (request->paths[i].text == NULL || request->paths[i].kind < VHDX_PATH_RELATIVE ||
		    request->paths[i].kind > VHDX_PATH_NAME)
			fuzz_finding("a path of a request");
	resolver.root = missing;
	resolver.maps = &map;
	resolver.map_count = 1;
	if (fuzz_byte(&c->choices) % 2 == 0) {
		int status = vhdx_resolve_parent(&resolver, request, error);

		if (status < 0)
			return status;
	}
	for (unsigned i = 0; i < tries && c->offered < 64; i++) {
		unsigned choice = c->choices.left != 0 ? fuzz_byte(&c->choices) % CHOICES : request->child_level + 1;
		struct memfile *m = file_of(c, choice);
		struct vhdx_file file;
		int taken;

		c->offered++;
		if (m == NULL) {
			vhdx_parent_note(request, "nothing", VHDX_E_NOT_FOUND, "is not there");
			continue;
		}
		file = memfile_file(m, "offered");
		taken = vhdx_parent_offer(request, &file);
		if (taken != 0)
			return taken < 0 ? taken : VHDX_OK;
	}
	return VHDX_OK;
}

/* The file behind a level, opened alone. */
static vhdx_disk *open_alone(struct chain *c, vhdx_disk *chain, unsigned level, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	const struct vhdx_file *file = vhdx_level_file(chain, level);
	struct vhdx_file again;
	vhdx_disk *disk;

	if (file == NULL)
		fuzz_finding("level %u has no file", level);
	again = memfile_file(file->handle, "alone");
	options.flags = (flags | VHDX_OPEN_NO_PARENTS) & ~(unsigned)VHDX_OPEN_NO_REPLAY;
	options.env = &c->env.t.env;
	if (vhdx_open_file(&disk, &again, &options, NULL) < 0)
		fuzz_finding("level %u of a chain does not open alone", level);
	return disk;
}

/* What the levels say of one sector; false when they cannot. */
static bool compose(vhdx_disk *const *levels, unsigned depth, uint64_t offset, uint8_t *bytes)
{
	memset(bytes, 0, SECTOR);
	for (unsigned i = 0; i < depth; i++) {
		uint64_t size = vhdx_disk_size(levels[i]);
		struct vhdx_extent x;

		if (offset >= size)
			return true;
		if (size - offset < SECTOR || vhdx_get_extent(levels[i], &x, offset, SECTOR, NULL) < 0 || x.length != SECTOR)
			return false;
		if (x.kind == VHDX_EXTENT_DATA)
			return vhdx_read(levels[i], bytes, SECTOR, offset, NULL) == VHDX_OK;
		if (x.kind == VHDX_EXTENT_ZERO)
			return true;
	}
	return true;
}

static void compare(struct chain *c, vhdx_disk *disk, struct fuzz_input in, unsigned flags)
{
	unsigned depth = vhdx_depth(disk);
	vhdx_disk *levels[MOST_LEVELS];
	uint8_t found[SECTOR], expected[SECTOR];
	uint64_t size = vhdx_disk_size(disk), block = c->images[0].specimen->block_size;

	if (depth > MOST_LEVELS || (flags & VHDX_OPEN_NO_PARENTS) != 0)
		return;
	for (unsigned i = 0; i < depth; i++)
		levels[i] = open_alone(c, disk, i, flags);
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t offset = i < 20 ? block * i : block * (fuzz_byte(&in) % 17) + fuzz_byte(&in) * UINT64_C(512);

		if (size < SECTOR || offset > size - SECTOR || offset % SECTOR != 0 || !compose(levels, depth, offset, expected))
			continue;
		if (vhdx_read(disk, found, SECTOR, offset, NULL) == VHDX_OK && memcmp(found, expected, SECTOR) != 0)
			fuzz_finding("the chain reads at 0x%" PRIx64 " what its levels do not say", offset);
	}
	for (unsigned i = 0; i < depth; i++)
		(void)vhdx_close(levels[i]);
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_CHILD,  SPECIMEN_VHD_CHILD, SPECIMEN_VHDX_DYNAMIC,
						    SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHDX_LOG,  SPECIMEN_VHD_FIXED };
	static struct chain c;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk = NULL;
	struct vhdx_file top;
	int status;

	memset(&c, 0, sizeof(c));
	for (unsigned i = 0; i < FILES; i++)
		fuzz_image_take(&c.images[i], in, kinds, sizeof(kinds) / sizeof(kinds[0]));
	fuzz_env_start(&c.env);
	fuzz_image_arm(&c.images[0], &c.env, c.images[1].file);
	c.choices = *in;
	top = memfile_file(c.images[0].file, "/nonexistent/below/top");
	options.flags = (c.images[0].flags & 31) | (c.images[1].flags % 4 != 3 ? (unsigned)VHDX_OPEN_IGNORE_PARENT_IDENTITY : 0);
	options.env = &c.env.t.env;
	options.open_parent = offer;
	options.open_parent_context = &c;
	status = vhdx_open_file(&disk, &top, &options, &error);
	fuzz_check(&c.env, "open", status, &error);
	if (status == VHDX_OK) {
		if (!c.env.failing)
			compare(&c, disk, *in, options.flags);
		(void)vhdx_read(disk, (uint8_t[700]){ 0 }, vhdx_disk_size(disk) < 700 ? 0 : 700, 0, NULL);
		(void)vhdx_close(disk);
	}
	fuzz_image_disarm(&c.env, c.images[1].file);
	fuzz_env_end(&c.env);
	for (unsigned i = 0; i < FILES; i++)
		fuzz_image_end(&c.images[i]);
}

/* Each as top over its own parent, over another child, over itself. */
static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	size_t length = 3 * FUZZ_HEADER + 64;

	if (number >= 24 || size < length)
		return 0;
	memset(out, 0, length);
	out[0] = (uint8_t)(number % 2);
	out[FUZZ_HEADER] = (uint8_t)(number / 2 % 2);
	out[2 * FUZZ_HEADER] = (uint8_t)(2 + number % 4);
	if (number / 8 == 2)
		out[FUZZ_HEADER + 6] = 3; /* identities count */
	for (size_t i = 3 * FUZZ_HEADER; i < length; i++)
		out[i] = (uint8_t)(number / 4 % 2 == 0 ? (i % 3 == 2 ? (i / 3) % 3 : 1) : i * 29);
	return length;
}

const struct fuzz_target fuzz_chain = { "fuzz_chain", run, seed, 3 };
