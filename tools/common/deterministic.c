/* SPDX-License-Identifier: MIT */
/*
 * See deterministic.h. The digest is XXH3-128 over
 *   1. one line per option that shapes the image, as settled, with the identity of the parent's data and the base name of the
 * file;
 *   2. the content, as runs.h takes it. Random bytes are digests of it and a counter, so what is drawn after the content was read depends on
 * the content. Not for secrets.
 */
#include "deterministic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sys.h"
#include "runs.h"
#include "tool.h"

struct deterministic {
	XXH3_state_t *state;
	struct runs runs; /* of content, into the same state */
	struct vhdx_env env;
	struct vhdx_source source;
	struct vhdx_source inner;
	uint64_t now;
	uint64_t counter;
};

static void add_text(struct deterministic *d, const char *name, const char *value)
{
	XXH3_128bits_update(d->state, name, strlen(name) + 1);
	if (value != NULL)
		XXH3_128bits_update(d->state, value, strlen(value) + 1);
	XXH3_128bits_update(d->state, "\n", 1);
}

static void add_number(struct deterministic *d, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_text(d, name, text);
}

static void add_guid(struct deterministic *d, const char *name, const struct vhdx_guid *guid)
{
	char text[VHDX_GUID_TEXT_SIZE];

	vhdx_guid_format(guid, text);
	add_text(d, name, text);
}

static const char *base_name(const char *path)
{
	const char *base = path;

	for (const char *p = path; *p; p++) {
		if (strchr(SYS_SEPARATORS, *p) != NULL)
			base = p + 1;
	}
	return base;
}

static void add_options(struct deterministic *d, const struct vhdx_create_options *options)
{
	add_number(d, "format", (uint64_t)options->format);
	add_number(d, "type", (uint64_t)options->type);
	add_number(d, "size", options->size);
	add_number(d, "block_size", options->block_size);
	add_number(d, "logical_sector_size", options->logical_sector_size);
	add_number(d, "physical_sector_size", options->physical_sector_size);
	add_number(d, "log_length", options->log_length);
	add_guid(d, "disk_id", &options->disk_id);
	add_text(d, "creator", options->creator);
	add_text(d, "parent_relative", options->parent_relative);
	add_text(d, "parent_absolute", options->parent_absolute);
	add_text(d, "parent_volume", options->parent_volume);
}

static void add_parent(struct deterministic *d, const vhdx_disk *parent)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	if (parent != NULL && vhdx_get_info(parent, 0, &info, NULL) == VHDX_OK)
		add_guid(d, "parent", &info.data_identity);
}

static int draw(void *context, void *buffer, size_t length)
{
	struct deterministic *d = context;
	unsigned char *out = buffer;

	while (length > 0) {
		XXH128_canonical_t digest;
		size_t part = length < sizeof(digest) ? length : sizeof(digest);
		char text[24];

		XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(d->state));
		snprintf(text, sizeof(text), "%" PRIu64, d->counter++);
		XXH128_canonicalFromHash(&digest, XXH128(text, strlen(text), XXH3_64bits(&digest, sizeof(digest))));
		memcpy(out, &digest, part);
		out += part;
		length -= part;
	}
	return 0;
}

static uint64_t now(void *context)
{
	return ((struct deterministic *)context)->now;
}

struct deterministic *deterministic_begin(const struct vhdx_create_options *options, uint64_t time, const char *file)
{
	struct deterministic *d = tool_allocate(NULL, sizeof(*d));

	*d = (struct deterministic){ .state = XXH3_createState(), .now = time };
	if (d->state == NULL)
		exit(tool_fail("out of memory"));
	XXH3_128bits_reset(d->state);
	add_text(d, "vhdx-create", "1");
	add_options(d, options);
	add_parent(d, options->parent);
	add_number(d, "now", time);
	add_text(d, "name", base_name(file));
	d->env = (struct vhdx_env)VHDX_ENV_INIT;
	d->env.context = d;
	d->env.random = draw;
	d->env.now = now;
	runs_begin(&d->runs, d->state);
	return d;
}

const struct vhdx_env *deterministic_env(struct deterministic *d)
{
	return &d->env;
}

static int read_source(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct deterministic *d = context;
	int status = d->inner.read(d->inner.context, buffer, length, disk_offset, error);

	if (status == VHDX_OK)
		runs_add(&d->runs, buffer, length, disk_offset);
	return status;
}

static int source_extent(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct deterministic *d = context;

	return d->inner.extent(d->inner.context, out, disk_offset, length, error);
}

const struct vhdx_source *deterministic_source(struct deterministic *d, const struct vhdx_source *source)
{
	d->inner = *source;
	d->source = (struct vhdx_source){ .context = d, .size = source->size, .read = read_source };
	if (source->extent != NULL)
		d->source.extent = source_extent;
	return &d->source;
}

int deterministic_content(struct deterministic *d, const struct vhdx_source *source, struct vhdx_error *error)
{
	return runs_add_source(&d->runs, source, NULL, error);
}

int deterministic_time(uint64_t *now)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end;

	*now = 946684800;
	if (text == NULL)
		return TOOL_DONE;
	errno = 0;
	*now = strtoull(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0')
		return tool_usage("SOURCE_DATE_EPOCH is '%s', not a number of seconds", text);
	return TOOL_DONE;
}

void deterministic_end(struct deterministic *d)
{
	if (d != NULL)
		XXH3_freeState(d->state);
	free(d);
}
