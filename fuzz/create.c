/* SPDX-License-Identifier: MIT */
/*
 * fuzz_create: any options. A creation that succeeds gives an image that opens, has the size and content that were asked for, and in which the inspection finds nothing
 * wrong; one that fails leaves no image (W10).
 */
#include <inttypes.h>
#include <string.h>

#include "fuzz.h"

enum { PIECE = 4096, MOST_CALLS = 3000 };

struct create {
	struct vhdx_create_options options;
	struct fuzz_env env;
	struct memfile *file;
	struct vhdx_source source;
	char texts[4][64];
	uint64_t content; /* bytes from the start that are not zero */
	unsigned reads;
	unsigned problems;
	uint8_t bytes[PIECE], expected[PIECE];
};

static void content(const struct create *c, uint8_t *out, size_t length, uint64_t offset)
{
	uint64_t inside = offset < c->content ? c->content - offset : 0;

	inside = inside < length ? inside : length;
	for (size_t i = 0; i < inside; i++)
		out[i] = (uint8_t)((offset + i) * 7 / 512 + 1);
	memset(out + inside, 0, (size_t)(length - inside));
}

static int read_source(void *context, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	struct create *c = context;

	(void)error;
	content(c, buffer, length, offset);
	return ++c->reads > MOST_CALLS ? VHDX_E_CANCELLED : VHDX_OK;
}

static int source_extent(void *context, struct vhdx_extent *out, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	const struct create *c = context;

	(void)error;
	*out = (struct vhdx_extent){ .disk_offset = offset, .length = length, .kind = VHDX_EXTENT_HOLE };
	if (offset < c->content) {
		out->kind = VHDX_EXTENT_DATA;
		out->length = length < c->content - offset ? length : c->content - offset;
	}
	return VHDX_OK;
}

static int progress(void *context, uint64_t done, uint64_t total)
{
	if (done > total)
		fuzz_finding("progress of %" PRIu64 " of %" PRIu64, done, total);
	return ++*(unsigned *)context > 20 * MOST_CALLS;
}

/* A power of two or a number near it, most of the time. */
static uint64_t take_number(struct fuzz_input *in, unsigned bits)
{
	uint8_t choice = fuzz_byte(in);

	if (choice < 64)
		return 0;
	if (choice < 200)
		return UINT64_C(1) << fuzz_byte(in) % bits;
	if (choice < 230)
		return (UINT64_C(1) << fuzz_byte(in) % bits) + (uint64_t)fuzz_byte(in) * 512;
	return fuzz_take(in, bits / 8);
}

static const char *take_text(struct fuzz_input *in, char *text, size_t size)
{
	size_t length = fuzz_byte(in);

	if (length < 128)
		return NULL;
	length = (length - 128) % (size - 1);
	for (size_t i = 0; i < length; i++)
		text[i] = (char)fuzz_byte(in);
	text[length] = '\0';
	return text;
}

static void take_options(struct create *c, struct fuzz_input *in)
{
	struct vhdx_create_options *o = &c->options;
	uint8_t small = fuzz_byte(in), source = fuzz_byte(in);

	*o = (struct vhdx_create_options)VHDX_CREATE_OPTIONS_INIT;
	o->format = (enum vhdx_format)(fuzz_byte(in) % 5);
	o->type = (enum vhdx_type)(fuzz_byte(in) % 6);
	o->size = small < 128 ? (uint64_t)(small + 1) * 65536 : take_number(in, 64);
	o->block_size = (uint32_t)take_number(in, 32);
	o->logical_sector_size = small % 4 == 0 ? (uint32_t)take_number(in, 32) : small % 4 == 1 ? 4096 : 0;
	o->physical_sector_size = small % 8 == 2 ? (uint32_t)take_number(in, 32) : 0;
	o->log_length = small % 8 == 3 ? (uint32_t)take_number(in, 32) : 0;
	o->preallocation = (enum vhdx_preallocation)(fuzz_byte(in) % 4);
	for (unsigned i = 0; i < 16 && small % 16 == 5; i++)
		o->disk_id.bytes[i] = fuzz_byte(in);
	o->creator = take_text(in, c->texts[0], sizeof(c->texts[0]));
	o->parent_relative = take_text(in, c->texts[1], sizeof(c->texts[1]));
	o->parent_absolute = take_text(in, c->texts[2], sizeof(c->texts[2]));
	o->parent_volume = take_text(in, c->texts[3], sizeof(c->texts[3]));
	if (source < 128)
		return;
	c->content = fuzz_take(in, 2) * UINT64_C(64);
	c->source = (struct vhdx_source){ c, c->content + fuzz_byte(in) * UINT64_C(512), read_source,
					  source % 2 == 0 ? source_extent : NULL, NULL };
	c->source.size = source % 8 == 1 ? take_number(in, 64) : c->source.size / 512 * 512;
	c->content = c->content < c->source.size ? c->content : c->source.size;
	o->source = &c->source;
}

static int count_problem(void *context, const struct vhdx_finding *finding)
{
	if (finding->severity != VHDX_SEVERITY_NOTE)
		fuzz_finding("a new image: %s %s", finding->rule, finding->message);
	(void)context;
	return 0;
}

static void check_content(struct create *c, vhdx_disk *disk)
{
	uint64_t size = vhdx_disk_size(disk), places[4] = { 0, c->content / 2, c->content, size };
	struct vhdx_error error;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t offset = places[i] < PIECE / 2 ? 0 : places[i] - PIECE / 2;
		size_t length = offset >= size ? 0 : size - offset < PIECE ? (size_t)(size - offset) : PIECE;

		if (vhdx_read(disk, c->bytes, length, offset, &error) < 0)
			fuzz_finding("a new image cannot be read: %s", error.message);
		content(c, c->expected, length, offset);
		if (c->options.parent == NULL && memcmp(c->bytes, c->expected, length) != 0)
			fuzz_finding("a new image does not hold its content near 0x%" PRIx64, offset);
	}
}

static void check_created(struct create *c)
{
	struct vhdx_inspect_options inspect = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(c->file, "created");
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = VHDX_OPEN_NO_PARENTS;
	options.format = c->options.format;
	if (vhdx_open_file(&disk, &file, &options, &error) < 0)
		fuzz_finding("a new image does not open: %s", error.message);
	if (c->options.size != 0 && vhdx_disk_size(disk) != c->options.size)
		fuzz_finding("a new image of %" PRIu64 " bytes has %" PRIu64, c->options.size, vhdx_disk_size(disk));
	if (c->options.parent == NULL)
		check_content(c, disk);
	(void)vhdx_close(disk);
	inspect.on_finding = count_problem;
	if (c->options.format == VHDX_FORMAT_RAW) /* no structures */
		return;
	if (vhdx_inspect(&file, &inspect, &error) < 0)
		fuzz_finding("a new image cannot be inspected: %s", error.message);
}

static void check_failed(struct create *c)
{
	struct vhdx_file file = memfile_file(c->file, "created");
	vhdx_disk *disk = NULL;

	if (vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_OK)
		fuzz_finding("a creation that failed left an image");
}

static void create(struct create *c, struct fuzz_input *in, vhdx_disk *parent)
{
	struct vhdx_file file = memfile_file(c->file, "created");
	uint8_t fault = fuzz_byte(in), at = fuzz_byte(in);
	struct vhdx_error error;
	unsigned told = 0;
	int status;

	c->options.parent = parent;
	c->options.env = &c->env.t.env;
	c->options.on_progress = progress;
	c->options.on_progress_context = &told;
	c->env.failing = true; /* a disk of 32 MiB is full soon */
	memfile_fail(c->file, MEMFILE_WRITE, fault < 200 ? 512 : at + 1UL, VHDX_E_NO_SPACE, true);
	if (fault >= 220)
		testenv_fail(&c->env.t, at % 16 + 1UL, false);
	status = vhdx_create_file(&file, &c->options, &error);
	fuzz_check(&c->env, "create", status, &error);
	if (status == VHDX_E_DAMAGED || status == VHDX_E_DEAD || (fault < 200 && status == VHDX_E_NO_MEMORY))
		fuzz_finding("create: %s", error.message);
	testenv_fail(&c->env.t, 0, false);
	memfile_fail(c->file, MEMFILE_WRITE, 0, 0, false);
	if (status == VHDX_OK)
		check_created(c);
	else
		check_failed(c);
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind parents[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHDX_CHILD,
						      SPECIMEN_VHDX_FIXED, SPECIMEN_VHDX_HUGE };
	static struct create c; /* large for a stack */
	const struct specimen *s;
	vhdx_disk *parent = NULL;
	uint8_t choice;

	memset(&c, 0, sizeof(c));
	fuzz_env_start(&c.env);
	c.file = memfile_new();
	take_options(&c, in);
	choice = fuzz_byte(in);
	s = specimen_get(parents[choice % 5]);
	if (choice >= 160 && specimen_open(&parent, s, s->file, 0, NULL, NULL) < 0)
		fuzz_finding("a specimen does not open");
	create(&c, in, parent);
	(void)vhdx_close(parent);
	memfile_free(c.file);
	fuzz_env_end(&c.env);
}

static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	enum { LENGTH = 64 };

	if (number >= 40 || size < LENGTH)
		return 0;
	memset(out, 0, LENGTH);
	out[0] = (uint8_t)(number * 3);
	out[1] = (uint8_t)(number % 3 == 0 ? 0 : 128 + number);
	out[2] = (uint8_t)(number % 3);
	out[3] = (uint8_t)(number / 3 % 5);
	for (unsigned i = 4; i < LENGTH && number >= 8; i++)
		out[i] = (uint8_t)(number % 4 == 0 ? i * 67 + number : 0);
	out[number % 2 == 0 ? 10 : 11] = (uint8_t)(number >= 30 ? 200 : 0);
	return LENGTH;
}

const struct fuzz_target fuzz_create = { "fuzz_create", run, seed, 0 };
