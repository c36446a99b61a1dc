/* SPDX-License-Identifier: MIT */
/*
 * What has to be done only once: creating a disk of each type, the space that the same files take on it, and clones: a hundred children of one base
 * beside copies of it.
 */
#include <string.h>

#include "bench.h"
#include "occupancy.h"
#include "sys.h"

enum { PIECES = 64 };

static double create_once(const struct kind *kind, const char *path, const char *parent)
{
	double begin;

	workdir_remove(path);
	begin = sys_seconds();
	image_create(path, kind, settings.size, parent, true);
	return sys_seconds() - begin;
}

static const char *driver_of(const struct kind *kind)
{
	return kind->format == VHDX_FORMAT_RAW ? "raw" : kind->format == VHDX_FORMAT_VHD ? "vpc" : "vhdx";
}

static double qemu_once(const struct kind *kind, const char *path)
{
	char size[24], options[80], text[512];
	const char *const arguments[] = { "qemu-img", "create", "-f", driver_of(kind), "-o", options, path, size, NULL };
	double cpu, begin;

	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)settings.size);
	if (kind->format == VHDX_FORMAT_VHDX)
		(void)snprintf(options, sizeof(options), "block_size=%u", (unsigned)kind->block_size);
	else
		(void)snprintf(options, sizeof(options), kind->format == VHDX_FORMAT_VHD ? "force_size=on" : "preallocation=off");
	workdir_remove(path);
	begin = sys_seconds();
	if (!process_run(arguments, text, sizeof(text), &cpu))
		stop("qemu-img create fails: %.300s", text);
	return sys_seconds() - begin;
}

/* A quarter of the disk, in pieces here and there, as files are. */
static uint64_t write_files(struct subject *s)
{
	const struct way *way = way_of(s->kind);
	void *handle = way->open(s, true, NULL);
	uint64_t each = s->model.size / 4 / PIECES / settings.unit * settings.unit, apart = s->model.size / PIECES;
	uint64_t request = 1 << 20;

	for (uint64_t piece = 0; piece < PIECES; piece++) {
		uint64_t at = piece * apart + mix(piece) % (apart - each + 1) / settings.unit * settings.unit;

		for (uint64_t done = 0, length; done < each; done += length) {
			length = each - done < request ? each - done : request;
			way->write(handle, pattern_bytes(at + done, 1), (size_t)length, at + done);
			model_set(&s->model, at + done, length, 1);
		}
	}
	way->flush(handle);
	way->close(handle);
	return each * PIECES;
}

static struct making *add(const struct kind *kind, const char *by)
{
	struct making *m;

	results.makings = tool_allocate(results.makings, (results.making_count + 1) * sizeof(*results.makings));
	m = &results.makings[results.making_count++];
	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->by = by;
	return m;
}

static void measure_space(struct making *m)
{
	struct occupancy occupancy;
	struct subject s;
	uint64_t sparse = settings.sparse_size;

	settings.sparse_size = settings.size; /* the same disk for all */
	subject_make(&s, m->kind, STATE_EMPTY, "space");
	settings.sparse_size = sparse;
	subject_sync(&s);
	m->empty_bytes = subject_allocated(&s);
	m->content_bytes = write_files(&s);
	subject_sync(&s);
	occupancy_of(&occupancy, s.paths[0]);
	m->file_size = occupancy.size;
	m->allocated = occupancy.allocated;
	results.wrong += verify_all(way_of(m->kind), &s);
	subject_remove(&s);
}

static bool by_qemu(const struct kind *kind)
{
	return settings.peer_qemu && kind->type == VHDX_TYPE_DYNAMIC && kind->sector_size == 512 &&
	       (kind->format == VHDX_FORMAT_VHDX || kind->block_size == 2 << 20);
}

/* Each type once in every round. */
static void measure_creation(const char *const parents[MAX_KINDS])
{
	static double ours[MAX_KINDS][MAX_ROUNDS], qemu[MAX_KINDS][MAX_ROUNDS];

	for (unsigned round = 0; round < settings.rounds; round++) {
		for (unsigned i = 0; i < settings.kind_count; i++) {
			const struct kind *kind = &settings.kinds[i];

			if (kind->device != NULL)
				continue;
			ours[i][round] = create_once(kind, workdir_path("new"), parents[i]);
			if (by_qemu(kind))
				qemu[i][round] = qemu_once(kind, workdir_path("new"));
			workdir_remove(workdir_path("new"));
			progress_done(0.02, "create: %s", kind->title);
		}
	}
	for (unsigned i = 0; i < settings.kind_count; i++) {
		const struct kind *kind = &settings.kinds[i];

		if (kind->device != NULL)
			continue;
		add(kind, "libvhdx")->create_seconds = spread_of(ours[i], settings.rounds);
		if (by_qemu(kind))
			add(kind, "QEMU")->create_seconds = spread_of(qemu[i], settings.rounds);
	}
}

static void create_each(void)
{
	const char *parents[MAX_KINDS] = { NULL };

	for (unsigned i = 0; i < settings.kind_count; i++) {
		struct kind base = settings.kinds[i];

		if (base.type != VHDX_TYPE_DIFFERENCING)
			continue;
		base.type = VHDX_TYPE_DYNAMIC;
		parents[i] = workdir_path("parent-%u", i);
		image_create(parents[i], &base, settings.size, NULL, false);
	}
	measure_creation(parents);
	for (unsigned i = 0; i < settings.kind_count; i++)
		if (parents[i] != NULL)
			workdir_remove(parents[i]);
	for (unsigned i = 0; i < results.making_count; i++) {
		if (strcmp(results.makings[i].by, "libvhdx") == 0)
			measure_space(&results.makings[i]);
		progress_done(0.2, "space: %s", results.makings[i].kind->title);
	}
}

static struct clone *add_clone(void)
{
	struct clone *c;

	results.clones = tool_allocate(results.clones, (results.clone_count + 1) * sizeof(*results.clones));
	c = &results.clones[results.clone_count++];
	memset(c, 0, sizeof(*c));
	return c;
}

static uint64_t allocated(const char *path)
{
	struct occupancy occupancy;

	occupancy_of(&occupancy, path);
	return occupancy.allocated;
}

static void clone_children(const struct kind *base, const char *parent)
{
	struct kind child = *base;
	double seconds = 0;
	struct clone *c;
	uint64_t bytes = 0;

	child.type = VHDX_TYPE_DIFFERENCING;
	child.block_size = 2 << 20;
	for (unsigned i = 0; i < settings.clones; i++)
		seconds += create_once(&child, workdir_path("child-%u", i), parent);
	for (unsigned i = 0; i < settings.clones; i++) {
		bytes += allocated(workdir_path("child-%u", i));
		workdir_remove(workdir_path("child-%u", i));
	}
	c = add_clone();
	*c = (struct clone){ .count = settings.clones, .seconds = seconds, .bytes = bytes };
	(void)snprintf(c->title, sizeof(c->title), "%u differencing children, %s", settings.clones,
		       vhdx_format_name(base->format));
}

static void clone_copy(const struct kind *base, const struct subject *s)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	vhdx_disk *disk = open_disk(s, 0, NULL);
	const char *copy = workdir_path("copy");
	struct vhdx_source source;
	struct vhdx_error error;
	struct clone *c = add_clone();
	double begin = sys_seconds();

	vhdx_disk_source(&source, disk);
	options.format = base->format;
	options.type = VHDX_TYPE_DYNAMIC;
	options.block_size = base->block_size;
	options.source = &source;
	if (vhdx_create(copy, &options, &error) < 0)
		stop_error("copying", &error);
	*c = (struct clone){ .count = 1, .seconds = sys_seconds() - begin, .bytes = allocated(copy) };
	(void)snprintf(c->title, sizeof(c->title), "one whole copy, %s", vhdx_format_name(base->format));
	vhdx_close(disk);
	workdir_remove(copy);
}

static void clone_qemu(const struct kind *base, const struct subject *s)
{
	const char *copy = workdir_path("copy"), *driver = driver_of(base);
	const char *const arguments[] = { "qemu-img", "convert", "-f", driver, "-O", driver, s->paths[0], copy, NULL };
	struct clone *c = add_clone();
	double begin = sys_seconds(), cpu;
	char text[512];

	if (!process_run(arguments, text, sizeof(text), &cpu))
		stop("qemu-img convert fails: %.300s", text);
	*c = (struct clone){ .count = 1, .seconds = sys_seconds() - begin, .bytes = allocated(copy) };
	(void)snprintf(c->title, sizeof(c->title), "one whole copy, %s, by qemu-img", vhdx_format_name(base->format));
	workdir_remove(copy);
}

static void clone_each(const char *kind_name)
{
	static struct kind base;
	struct subject s;

	(void)kind_parse(&base, kind_name);
	subject_make(&s, &base, STATE_READ, "base");
	subject_sync(&s);
	clone_children(&base, s.paths[0]);
	progress_done(0.5, "clones: %s", base.title);
	clone_copy(&base, &s);
	if (settings.peer_qemu)
		clone_qemu(&base, &s);
	progress_done(0.5, "copies: %s", base.title);
	subject_remove(&s);
}

void making_all(void)
{
	create_each();
	clone_each("vhdx-dynamic");
	clone_each("vhd-dynamic");
}

void making_plan(void)
{
	progress_plan(settings.kind_count * (0.02 * settings.rounds + 0.2) + 2);
}
