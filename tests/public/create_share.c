/* SPDX-License-Identifier: MIT */
/* Content that is shared between files instead of read, raw files, and creation without flushes. Layer: tests/public. */
#include <stdlib.h>
#include <string.h>

#include "public/creating.h"

/* A host on which files can share: memfile's table with a copy_range that copies, and counts. */
static struct {
	unsigned long calls;
	uint64_t bytes;
	int refuse; /* the status of every call, or 0 */
	uint64_t at_most;
	const char *complaint;
} host;

static int64_t share_range(void *source, uint64_t source_offset, void *target, uint64_t target_offset, uint64_t length,
			   struct vhdx_error *error)
{
	uint8_t page[4096];

	(void)error;
	host.calls++;
	if (host.refuse != 0)
		return host.refuse;
	if (source_offset % 4096 != 0 || target_offset % 4096 != 0 || length % 4096 != 0)
		host.complaint = "asked to share parts of units";
	if (source_offset + length > memfile_size(source))
		host.complaint = "asked to share beyond the end";
	if (length > host.at_most)
		length = host.at_most;
	for (uint64_t at = 0; at < length; at += sizeof(page)) {
		memfile_read(source, source_offset + at, page, sizeof(page));
		memfile_write(target, target_offset + at, page, sizeof(page));
	}
	host.bytes += length;
	return (int64_t)length;
}

static struct vhdx_file sharing_file(struct memfile *m, const char *name)
{
	static struct vhdx_io table;
	struct vhdx_file file = memfile_file(m, name);

	table = *file.io;
	table.copy_range = share_range;
	file.io = &table;
	return file;
}

/* Opens `m` as what `format` says, on that host. */
static vhdx_disk *open_sharing(struct memfile *m, enum vhdx_format format)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = sharing_file(m, "source");
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	options.format = format;
	cr_assert(vhdx_open_file(&disk, &file, &options, &e) == VHDX_OK, "%s", e.message);
	return disk;
}

static struct memfile *create_from(struct vhdx_create_options o, vhdx_disk *disk, int *status)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = sharing_file(m, "new");
	struct vhdx_source source;
	struct vhdx_error e = { .status = 0 };

	vhdx_disk_source(&source, disk);
	o.source = &source;
	*status = vhdx_create_file(&file, &o, &e);
	cr_assert(host.complaint == NULL, "%s", host.complaint);
	return m;
}

enum { FIRST = 3 << 20, SECOND = 9 << 20, DISK = 20 << 20 };
static const struct content_run runs[] = { { FIRST, 300000, 11 }, { SECOND, 2 << 20, 12 } };
static const size_t run_count = sizeof(runs) / sizeof(runs[0]);

/* A raw file of content, or an image of it. */
static struct memfile *make_source(struct content *c, struct vhdx_create_options o)
{
	struct vhdx_source source = content_source(c, true);

	o.source = &source;
	return create_or_die(o);
}

static struct vhdx_create_options as(enum vhdx_format format, enum vhdx_type type)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

	o.format = format;
	o.type = type;
	if (format != VHDX_FORMAT_RAW && type == VHDX_TYPE_DYNAMIC)
		o.block_size = 1u << 20;
	return o;
}

static const struct vhdx_create_options *kind(size_t n)
{
	static struct vhdx_create_options o;

	switch (n) {
	case 0: o = as(VHDX_FORMAT_RAW, VHDX_TYPE_ANY); break;
	case 1: o = as(VHDX_FORMAT_VHD, VHDX_TYPE_FIXED); break;
	case 2: o = as(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC); break;
	case 3: o = as(VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED); break;
	default: o = as(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC); break;
	}
	return &o;
}
enum { KINDS = 5 };

static void expect_content(struct memfile *m, enum vhdx_format format, struct content *c)
{
	vhdx_disk *disk = open_sharing(m, format == VHDX_FORMAT_RAW ? format : VHDX_FORMAT_ANY);

	content_expect(disk, c);
	vhdx_close(disk);
}

/* From everything to everything; `refuse` is what the host answers. Returns the bytes shared. */
static void all_to_all(int refuse, uint64_t at_most)
{
	for (size_t n = 0; n < (size_t)KINDS * KINDS; n++) {
		struct content c = { .size = DISK, .runs = runs, .count = run_count };
		struct memfile *from = make_source(&c, *kind(n / KINDS)), *to;
		vhdx_disk *disk = open_sharing(from, kind(n / KINDS)->format);
		int status;

		memset(&host, 0, sizeof(host));
		host.refuse = refuse;
		host.at_most = at_most;
		to = create_from(*kind(n % KINDS), disk, &status);
		cr_assert(status == VHDX_OK);
		expect_content(to, kind(n % KINDS)->format, &c);
		if (refuse == 0) /* whole pages of the memory file */
			cr_expect(host.bytes == 5 * MEMFILE_PAGE + (2 << 20), "%zu: %llu", n, (unsigned long long)host.bytes);
		else
			cr_expect(host.calls > 0 && host.calls <= 8, "%zu: %lu calls", n, host.calls);
		vhdx_close(disk);
		memfile_free(from);
		memfile_free(to);
	}
}

Test(create_share, shared)
{
	all_to_all(0, UINT64_MAX);
	all_to_all(0, 65536);
}

Test(create_share, refused)
{
	all_to_all(VHDX_E_UNSUPPORTED, 0);
}

Test(create_share, failing)
{
	struct content c = { .size = DISK, .runs = runs, .count = run_count };
	struct memfile *from = make_source(&c, *kind(4)), *to;
	vhdx_disk *disk = open_sharing(from, VHDX_FORMAT_ANY);
	int status;

	memset(&host, 0, sizeof(host));
	host.refuse = VHDX_E_NO_SPACE;
	to = create_from(*kind(0), disk, &status);
	cr_expect(status == VHDX_E_NO_SPACE && memfile_size(to) == 0);
	vhdx_close(disk);
	memfile_free(from);
	memfile_free(to);
}

/* A raw file whose data does not begin where units do: the rest up to the next unit is copied. */
Test(create_share, a_source_at_an_odd_place)
{
	uint8_t *bytes = malloc(DISK);
	struct memfile *from = memfile_new(), *to;
	vhdx_disk *disk, *copy;
	int status;

	for (size_t i = 0; i < DISK; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 9) + 1);
	memfile_write(from, 0, bytes, DISK - 1000);
	disk = open_sharing(from, VHDX_FORMAT_RAW);
	memset(&host, 0, sizeof(host));
	host.at_most = UINT64_MAX;
	to = create_from(*kind(4), disk, &status);
	cr_assert(status == VHDX_OK);
	cr_expect(host.bytes == DISK - 4096);
	copy = open_sharing(to, VHDX_FORMAT_ANY);
	memset(bytes + DISK - 1000, 0, 1000);
	for (uint64_t at = 0; at < vhdx_disk_size(copy); at += 512) {
		uint8_t sector[512];

		cr_assert(vhdx_read(copy, sector, sizeof(sector), at, NULL) == VHDX_OK);
		cr_assert(memcmp(sector, bytes + at, sizeof(sector)) == 0, "at %llu", (unsigned long long)at);
	}
	vhdx_close(copy);
	vhdx_close(disk);
	memfile_free(from);
	memfile_free(to);
	free(bytes);
}

/* Written zeros take no block, although nobody knows yet whether the host shares. */
Test(create_share, zeros_are_not_tried)
{
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	static const uint8_t zeros[1 << 20];
	struct memfile *from = memfile_new(), *to;
	vhdx_disk *disk, *copy;
	int status;

	for (uint64_t at = 0; at < DISK; at += sizeof(zeros))
		memfile_write(from, at, zeros, sizeof(zeros));
	memfile_write(from, SECOND + 5, "x", 1);
	disk = open_sharing(from, VHDX_FORMAT_RAW);
	memset(&host, 0, sizeof(host));
	host.refuse = VHDX_E_UNSUPPORTED;
	to = create_from(*kind(4), disk, &status);
	cr_assert(status == VHDX_OK);
	copy = open_sharing(to, VHDX_FORMAT_ANY);
	cr_assert(vhdx_get_usage(copy, 0, &usage, NULL) == VHDX_OK);
	cr_expect(usage.blocks_present == 1);
	vhdx_close(copy);
	vhdx_close(disk);
	memfile_free(from);
	memfile_free(to);
}

/* What an image holds, but its file does not, is not read and takes no space. */
Test(create_share, holes_of_the_file)
{
	struct content c = { .size = DISK, .runs = runs, .count = run_count };
	struct memfile *from = make_source(&c, *kind(3));
	vhdx_disk *disk = open_sharing(from, VHDX_FORMAT_ANY);
	struct vhdx_extent extent;
	struct vhdx_source source;

	vhdx_disk_source(&source, disk);
	cr_assert(source.extent(source.context, &extent, 0, DISK, NULL) == VHDX_OK);
	cr_expect(extent.kind == VHDX_EXTENT_HOLE && extent.length == FIRST);
	cr_assert(source.extent(source.context, &extent, FIRST, DISK - FIRST, NULL) == VHDX_OK);
	cr_expect(extent.kind == VHDX_EXTENT_DATA && extent.length >= 300000 && extent.length < 400000);
	vhdx_close(disk);
	memfile_free(from);
}

/* A source that knows no holes: zeros of every length between data of every length, at any place in a piece. */
Test(create_share, gaps)
{
	enum { MOST = 400 };
	static struct content_run many[MOST];
	struct content c = { .size = DISK, .runs = many };
	uint64_t random = 5, at = 0;

	while (c.count < MOST) {
		uint64_t gap = test_random_below(&random, 1u << test_random_below(&random, 19)), length;

		length = 1 + test_random_below(&random, 1u << test_random_below(&random, 18));
		if (at + gap + length > DISK)
			break;
		many[c.count++] = (struct content_run){ at + gap, length, (uint32_t)c.count + 100 };
		at += gap + length;
	}
	cr_assert(c.count > 100);
	for (size_t n = 0; n < KINDS; n++) {
		struct vhdx_create_options o = *kind(n);
		struct vhdx_source source = content_source(&c, false);
		struct memfile *m;

		o.source = &source;
		m = create_or_die(o);
		cr_assert(c.complaint == NULL, "%s", c.complaint);
		expect_content(m, o.format, &c);
		memfile_free(m);
	}
}

Test(create_raw, content)
{
	struct content c = { .size = DISK + 77, .runs = runs, .count = run_count };
	struct vhdx_create_options o = as(VHDX_FORMAT_RAW, VHDX_TYPE_ANY);
	struct memfile *m = make_source(&c, o);
	uint8_t *expected = malloc(DISK + 77), *found = malloc(DISK + 77);

	cr_assert(memfile_size(m) == DISK + 77);
	content_bytes(&c, expected, DISK + 77, 0);
	memfile_read(m, 0, found, DISK + 77);
	cr_expect(memcmp(expected, found, DISK + 77) == 0);
	cr_expect(memfile_allocated(m) < 4 << 20, "holes take space");
	cr_expect(memfile_count(m, MEMFILE_FLUSH) == 1);
	free(expected);
	free(found);
	memfile_free(m);
}

static void expect_refused(struct vhdx_create_options o)
{
	struct memfile *m = memfile_new();

	o.size = o.size == 0 ? DISK : o.size;
	cr_expect(create_into(m, o, NULL) == VHDX_E_ARGUMENT && memfile_size(m) == 0);
	memfile_free(m);
}

Test(create_raw, options)
{
	struct content c = { .size = DISK, .runs = runs, .count = run_count };
	struct memfile *parent = make_source(&c, *kind(4));
	vhdx_disk *disk = open_sharing(parent, VHDX_FORMAT_ANY);
	struct vhdx_create_options o;

	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_DYNAMIC), expect_refused(o);
	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_DIFFERENCING), expect_refused(o);
	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_FIXED), o.block_size = 1u << 20, expect_refused(o);
	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_FIXED), o.log_length = 1u << 20, expect_refused(o);
	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_FIXED), o.creator = "me", expect_refused(o);
	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_FIXED), o.disk_id.bytes[3] = 1, expect_refused(o);
	o = as(VHDX_FORMAT_RAW, VHDX_TYPE_ANY), o.parent = disk, expect_refused(o);
	vhdx_close(disk);
	memfile_free(parent);
}

/* The same bytes with and without flushes. */
Test(create_raw, no_flush)
{
	for (size_t n = 0; n < KINDS; n++) {
		struct content c = { .size = DISK, .runs = runs, .count = run_count };
		struct vhdx_create_options o = *kind(n);
		struct memfile *durable = make_source(&c, o), *quick;

		c.asked = c.next = 0;
		o.no_flush = 1;
		quick = make_source(&c, o);
		cr_expect(memfile_equal(durable, quick, NULL));
		cr_expect(memfile_count(durable, MEMFILE_FLUSH) == (n == 0 ? 1 : 2));
		cr_expect(memfile_count(quick, MEMFILE_FLUSH) == 0);
		memfile_free(durable);
		memfile_free(quick);
	}
}
