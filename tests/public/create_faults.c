/* SPDX-License-Identifier: MIT */
/*
 * Creation that fails: at every call of the I/O table, at every allocation, in the source, by the caller's wish. No image may be left (W10), no memory
 * either. And the order that makes it so: the identifier last, behind a flush. Layer: tests/public.
 */
#include <stdlib.h>

#include "public/creating.h"

static const struct content_run runs[] = { { 0, 70000, 1 }, { RECIPE_MIB - 4096, 8192, 2 }, { 3 * RECIPE_MIB, 512, 3 } };

static struct memfile *parents[2];
static vhdx_disk *disks[2];

/* The kinds of creation: fixed and dynamic with content, differencing. The parent lives as long as the test. */
static struct vhdx_create_options options_of(unsigned kind, struct vhdx_source *source)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	unsigned format = kind % 2;

	o.format = format == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD;
	o.block_size = format == 0 ? 1u << 20 : 512u << 10;
	o.size = 4 * RECIPE_MIB;
	if (kind / 2 < 2) {
		o.type = kind / 2 == 0 ? VHDX_TYPE_DYNAMIC : VHDX_TYPE_FIXED;
		o.source = source;
		return o;
	}
	if (parents[format] == NULL) {
		parents[format] = create_or_die(o);
		disks[format] = open_created(parents[format]);
	}
	o.parent = disks[format];
	o.parent_relative = ".\\p";
	return o;
}

/* At the end of a test. */
static void end_parents(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (parents[i] == NULL)
			continue;
		(void)vhdx_close(disks[i]);
		memfile_free(parents[i]);
		parents[i] = NULL;
	}
}

enum { KINDS = 6 };

static struct content sample(void)
{
	return (struct content){ .size = 4 * RECIPE_MIB, .runs = runs, .count = 3 };
}

static unsigned long calls_of(const struct memfile *m)
{
	unsigned long calls = 0;

	for (int call = 0; call < MEMFILE_CLOSE; call++)
		calls += memfile_count(m, (enum memfile_call)call);
	return calls;
}

/* When nothing can be undone because everything fails from the last flush on, the image that is there is whole. */
static void expect_whole(struct memfile *m, const struct vhdx_create_options *o, const struct content *c)
{
	vhdx_disk *disk;

	cr_assert(o->type != VHDX_TYPE_DIFFERENCING && o->parent == NULL);
	disk = open_created(m);
	content_expect(disk, c);
	vhdx_close(disk);
}

static void fail_call(unsigned kind, unsigned long n, unsigned long calls, bool sticky)
{
	struct content c = sample();
	struct vhdx_source source = content_source(&c, true);
	struct vhdx_create_options o = options_of(kind, &source);
	struct memfile *m = memfile_new();
	struct vhdx_error e = { .status = 0 };
	struct testenv env;
	int status;

	testenv_start(&env, 1);
	o.env = &env.env;
	memfile_fail(m, MEMFILE_ANY, n, n % 2 == 0 ? VHDX_E_IO : VHDX_E_NO_SPACE, sticky);
	status = create_into(m, o, &e);
	cr_assert(testenv_live(&env) == 0);
	memfile_fail(m, MEMFILE_ANY, 0, 0, false);
	if (status == VHDX_OK) {
		cr_assert(!sticky && holds_an_image(m), "call %lu failed, and creation did not", n);
	} else {
		cr_assert(status == (n % 2 == 0 ? VHDX_E_IO : VHDX_E_NO_SPACE) && e.status == status && e.file[0] != '\0',
			  "call %lu: %s", n, vhdx_status_name(status));
		if (sticky && n == calls && o.parent == NULL && holds_an_image(m))
			expect_whole(m, &o, &c);
		else if (!sticky || n != calls)
			cr_assert(!holds_an_image(m), "kind %u: call %lu of %lu failed%s, and an image is there", kind, n, calls,
				  sticky ? " for good" : "");
	}
	memfile_free(m);
}

Test(create_faults, every_call)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct content c = sample();
		struct vhdx_source source = content_source(&c, true);
		struct memfile *m = create_or_die(options_of(kind, &source));
		unsigned long calls = calls_of(m);

		cr_assert(calls > 5 && calls < 100);
		for (unsigned long n = 1; n <= calls; n++) {
			fail_call(kind, n, calls, false);
			fail_call(kind, n, calls, true);
		}
		memfile_free(m);
	}
	end_parents();
}

Test(create_faults, every_allocation)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned long n = 1;; n++) {
			struct content c = sample();
			struct vhdx_source source = content_source(&c, true);
			struct vhdx_create_options o = options_of(kind, &source);
			struct memfile *m = memfile_new();
			struct vhdx_error e = { .status = 0 };
			struct testenv env;
			int status;

			cr_assert(n < 200);
			testenv_start(&env, 1);
			testenv_fail(&env, n, n % 2 == 0);
			o.env = &env.env;
			status = create_into(m, o, &e);
			cr_assert(testenv_live(&env) == 0);
			if (atomic_load(&env.allocations) < n) {
				cr_assert(status == VHDX_OK && n > 1);
				memfile_free(m);
				break;
			}
			cr_assert(status == VHDX_E_NO_MEMORY && !holds_an_image(m), "allocation %lu: %s", n,
				  vhdx_status_name(status));
			memfile_free(m);
		}
	end_parents();
}

static int no_random(void *context, void *buffer, size_t length)
{
	(void)context;
	(void)buffer;
	(void)length;
	return -1;
}

Test(create_faults, no_randomness)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct content c = sample();
		struct vhdx_source source = content_source(&c, true);
		struct vhdx_create_options o = options_of(kind, &source);
		struct memfile *m = memfile_new();
		struct vhdx_env env = VHDX_ENV_INIT;

		env.random = no_random;
		o.env = &env;
		cr_expect(create_into(m, o, NULL) == VHDX_E_IO && !holds_an_image(m));
		memfile_free(m);
	}
	end_parents();
}

Test(create_faults, the_source)
{
	static const uint64_t places[] = { 1, 69999, RECIPE_MIB, 3 * RECIPE_MIB + 511 };

	for (unsigned i = 0; i < 4 * 4; i++) {
		struct content c = sample();
		struct vhdx_source source;
		struct vhdx_create_options o;
		struct memfile *m = memfile_new();

		c.fail_at = places[i % 4];
		source = content_source(&c, true);
		o = options_of(i / 4, &source);
		cr_expect(create_into(m, o, NULL) == VHDX_E_IO && !holds_an_image(m));
		memfile_free(m);
	}
	end_parents();
}

/* An extent function that answers with nothing must not hang the creation. */
static int empty_extent(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	(void)context;
	(void)length;
	(void)error;
	*out = (struct vhdx_extent){ .disk_offset = disk_offset, .kind = VHDX_EXTENT_DATA };
	return VHDX_OK;
}

Test(create_faults, a_source_with_empty_extents)
{
	struct content c = sample();
	struct vhdx_source source = content_source(&c, true);
	struct memfile *m = memfile_new();

	source.extent = empty_extent;
	cr_expect(create_into(m, options_of(0, &source), NULL) == VHDX_E_ARGUMENT && !holds_an_image(m));
	memfile_free(m);
}

struct progress {
	uint64_t last, total;
	unsigned calls, stop_at;
	bool backwards;
};

static int count_progress(void *context, uint64_t done, uint64_t total)
{
	struct progress *p = context;

	p->backwards |= done < p->last || done > total;
	p->last = done;
	p->total = total;
	return ++p->calls == p->stop_at ? 7 : 0;
}

Test(create_faults, cancelled)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		unsigned all = 0;

		for (unsigned stop_at = 0; stop_at <= all; stop_at++) {
			struct content c = sample();
			struct vhdx_source source = content_source(&c, stop_at % 2 == 0);
			struct vhdx_create_options o = options_of(kind, &source);
			struct progress p = { .stop_at = stop_at };
			struct memfile *m = memfile_new();
			struct vhdx_error e = { .status = 0 };
			int status;

			o.on_progress = count_progress;
			o.on_progress_context = &p;
			status = create_into(m, o, &e);
			cr_assert(!p.backwards);
			if (stop_at == 0) {
				cr_assert(status == VHDX_OK && p.calls > 2 && p.last == 4 * RECIPE_MIB &&
					  p.total == 4 * RECIPE_MIB);
				all = p.calls < 4 ? p.calls : 4;
			} else {
				cr_assert(status == VHDX_E_CANCELLED && e.status == VHDX_E_CANCELLED && !holds_an_image(m));
				cr_expect(p.calls == stop_at, "it was not asked again");
			}
			memfile_free(m);
		}
	}
	end_parents();
}

/* The order of calls. */
struct order {
	unsigned flushes;
	bool early_identifier; /* it is there at the first flush */
	bool late_data;        /* anything but an identifier behind the first flush */
	bool open_end;         /* a change behind the last flush */
	enum vhdx_format format;
	enum vhdx_type type;
	struct memfile *m;
};

/* Whether the file says already what it is. */
static bool is_identified(const struct order *o)
{
	uint8_t front[8], end[8];

	memfile_read(o->m, 0, front, sizeof(front));
	memfile_read(o->m, memfile_size(o->m) - 512, end, sizeof(end));
	return memcmp(front, "vhdxfile", 8) == 0 || memcmp(front, "conectix", 8) == 0 || memcmp(end, "conectix", 8) == 0;
}

static bool is_place_of_identifier(const struct order *o, uint64_t file_offset)
{
	if (o->format == VHDX_FORMAT_VHDX)
		return file_offset < 65536;
	return (o->type != VHDX_TYPE_FIXED && file_offset == 0) || file_offset + 512 == memfile_size(o->m);
}

static void watch(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct order *o = context;
	bool change = call == MEMFILE_WRITE || call == MEMFILE_SET_SIZE || call == MEMFILE_ZERO || call == MEMFILE_PUNCH ||
		      call == MEMFILE_RESERVE;

	if (call == MEMFILE_FLUSH) {
		if (o->flushes++ == 0)
			o->early_identifier = is_identified(o);
		o->open_end = false;
	}
	if (!change)
		return;
	(void)length;
	o->open_end = true;
	o->late_data |= o->flushes != 0 && (call != MEMFILE_WRITE || !is_place_of_identifier(o, file_offset));
}

Test(create_faults, order_of_flushes)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct content c = sample();
		struct vhdx_source source = content_source(&c, true);
		struct vhdx_create_options o = options_of(kind, &source);
		struct memfile *m = memfile_new();
		struct order order = { .format = o.format, .type = o.parent != NULL ? VHDX_TYPE_DIFFERENCING : o.type, .m = m };

		memfile_watch(m, watch, &order);
		cr_assert(create_into(m, o, NULL) == VHDX_OK);
		cr_expect(!order.early_identifier && is_identified(&order),
			  "kind %u: the identifier comes before what it identifies", kind);
		cr_expect(!order.late_data, "kind %u: more than the identifier is written behind the first flush", kind);
		cr_expect(!order.open_end && order.flushes == 2, "kind %u: %u flushes", kind, order.flushes);
		memfile_free(m);
	}
	end_parents();
}
