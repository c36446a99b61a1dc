/* SPDX-License-Identifier: MIT */
/*
 * fuzz_repair: any image, damaged by edits. What must hold whatever it is:
 *
 *   a dry run changes nothing; the steps of a repair are those that the dry run told, and they are what the findings say is to be mended
 *   afterwards there is nothing left to mend, a second repair does nothing, and what could be opened opens and reads as before (unless a log was thrown away)
 *   the undo file gives back every byte; after a call that failed, too, or the file was not touched
 *   what VHDX_OPEN_SALVAGE opens can be read all over, and what is lost reads as zeros
 */
#include "fuzz.h"

enum { SAMPLE = 4096, SAMPLES = 48, ROUNDS = 3, EXTENTS = 160 };

struct reading {
	int status;
	uint64_t size;
	uint64_t sum;
};

struct outcome {
	int status;
	unsigned told;
	struct vhdx_error error;
};

static void sum_up(struct reading *r, const void *memory, size_t length)
{
	const uint8_t *bytes = memory;

	for (size_t i = 0; i < length; i++)
		r->sum = (r->sum ^ bytes[i]) * UINT64_C(0x100000001B3);
}

static struct reading read_image(const struct specimen *s, struct memfile *m)
{
	struct reading r = { .sum = 1 };
	vhdx_disk *disk = NULL;

	r.status = specimen_open(&disk, s, m, 0, NULL, NULL);
	r.size = r.status == VHDX_OK ? vhdx_disk_size(disk) : 0;
	for (unsigned i = 0; i < SAMPLES && r.size >= SAMPLE; i++) {
		uint64_t offset = i < SAMPLES / 2 ? i * (s->block_size != 0 ? s->block_size : 65536) : r.size / SAMPLES * i;
		uint8_t bytes[SAMPLE];
		int status;

		if (offset > r.size - SAMPLE)
			continue;
		status = vhdx_read(disk, bytes, SAMPLE, offset, NULL);
		sum_up(&r, &status, sizeof(status));
		if (status == VHDX_OK)
			sum_up(&r, bytes, sizeof(bytes));
	}
	(void)vhdx_close(disk);
	return r;
}

static bool same(const struct reading *a, const struct reading *b)
{
	return a->status == b->status && a->size == b->size && a->sum == b->sum;
}

static int note_step(void *context, const struct vhdx_repair_step *step)
{
	*(unsigned *)context |= 1u << step->mend;
	return 0;
}

static struct outcome repair(struct fuzz_env *env, struct memfile *m, struct memfile *undo, unsigned flags)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "image"), undo_file = memfile_file(undo, "undo");
	struct outcome o = { .error = { .message = "" } };

	options.env = &env->t.env;
	options.flags = flags;
	options.undo = (flags & VHDX_REPAIR_DRY_RUN) != 0 ? NULL : &undo_file;
	options.context = &o.told;
	options.on_step = note_step;
	o.status = vhdx_repair(&file, &options, &o.error);
	if (o.status != VHDX_E_UNSUPPORTED)
		fuzz_check(env, "repair", o.status, &o.error);
	return o;
}

struct findings {
	unsigned mends, errors;
};

static int note_finding(void *context, const struct vhdx_finding *finding)
{
	struct findings *f = context;

	f->mends |= finding->mend == VHDX_MEND_NONE ? 0 : 1u << finding->mend;
	f->errors += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

static struct findings inspect(struct memfile *m)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "image");
	struct findings f = { 0, 0 };

	options.context = &f;
	options.on_finding = note_finding;
	(void)vhdx_inspect(&file, &options, NULL);
	return f;
}

static void put_back(struct memfile *m, struct memfile *undo, struct memfile *before, bool has_begun)
{
	struct vhdx_file file = memfile_file(m, "image"), undo_file = memfile_file(undo, "undo");
	struct vhdx_error error = { .message = "" };
	int status = vhdx_undo(&file, &undo_file, VHDX_UNDO_CHANGED, NULL, &error);

	if (status != VHDX_OK && (has_begun || status != VHDX_E_NOT_IMAGE))
		fuzz_finding("undo: %s", error.message);
	if (!memfile_equal(m, before, NULL))
		fuzz_finding("undo does not give back what was there");
}

/* On copies, so that the caller has the damaged image for the next test. */
static void check_repair(struct fuzz_env *env, const struct fuzz_image *image, unsigned flags)
{
	unsigned by_force = 1u << VHDX_MEND_DISCARD_LOG, wanted = inspect(image->file).mends;
	struct reading before = read_image(image->specimen, image->file), after;
	struct memfile *m = memfile_copy(image->file), *undo = memfile_new(), *rest = memfile_new();
	struct outcome plan = repair(env, m, undo, flags | VHDX_REPAIR_DRY_RUN), done;

	if (!memfile_equal(m, image->file, NULL))
		fuzz_finding("a dry run changes the file");
	wanted &= (flags & VHDX_REPAIR_DISCARD_LOG) != 0 ? ~0u : ~by_force;
	wanted &= (flags & VHDX_REPAIR_KEEP_SPACE) != 0 ? ~(1u << VHDX_MEND_SPACE) : ~0u;
	if (plan.status == VHDX_OK && plan.told != wanted)
		fuzz_finding("the findings say 0x%x, the plan 0x%x", wanted, plan.told);
	done = repair(env, m, undo, flags);
	if (done.status != plan.status || done.told != plan.told)
		fuzz_finding("the plan was 0x%x (%s), the repair 0x%x (%s)", plan.told, vhdx_status_name(plan.status), done.told,
			     vhdx_status_name(done.status));
	if (done.status == VHDX_OK) {
		struct memfile *repaired = memfile_copy(m);
		unsigned rounds = 0;

		while (rounds < ROUNDS && repair(env, repaired, rest, flags).told != 0) {
			memfile_set_size(rest, 0);
			rounds++;
		}
		if (rounds > ((done.told & by_force) != 0 ? 1u : 0u))
			fuzz_finding("a repair leaves something for the next one");
		if ((inspect(repaired).mends &
		     ~(by_force | ((flags & VHDX_REPAIR_KEEP_SPACE) != 0 ? 1u << VHDX_MEND_SPACE : 0))) != 0)
			fuzz_finding("a repaired image has something to mend");
		after = read_image(image->specimen, m);
		if (before.status == VHDX_OK && (done.told & by_force) == 0 && !same(&before, &after))
			fuzz_finding("a repair changes what is read");
		memfile_free(repaired);
	}
	put_back(m, undo, image->file, done.status == VHDX_OK && done.told != 0);
	memfile_free(m);
	memfile_free(undo);
	memfile_free(rest);
}

static void check_failure(struct fuzz_env *env, struct fuzz_image *image, unsigned flags)
{
	struct memfile *m = memfile_copy(image->file), *undo = memfile_new();
	struct outcome o;

	fuzz_image_arm(image, env, (image->fault_at & 1) != 0 ? undo : m);
	o = repair(env, m, undo, flags);
	fuzz_image_disarm(env, (image->fault_at & 1) != 0 ? undo : m);
	put_back(m, undo, image->file, o.status == VHDX_OK && o.told != 0);
	memfile_free(m);
	memfile_free(undo);
}

static void check_lost(vhdx_disk *disk, const struct vhdx_extent *extent)
{
	size_t length = extent->length < SAMPLE ? (size_t)extent->length : SAMPLE;
	uint8_t bytes[SAMPLE];

	if (vhdx_read(disk, bytes, length, extent->disk_offset, NULL) < 0)
		fuzz_finding("what is salvaged cannot be read");
	for (size_t i = 0; i < length && (extent->kind == VHDX_EXTENT_LOST || extent->kind == VHDX_EXTENT_PARENT); i++)
		if (bytes[i] != 0)
			fuzz_finding("what is lost is not zeros");
}

static void check_salvage(struct fuzz_env *env, const struct fuzz_image *image)
{
	struct reading plain = read_image(image->specimen, image->file);
	struct vhdx_error error = { .message = "" };
	vhdx_disk *disk = NULL;
	uint64_t at = 0;
	int status = specimen_open(&disk, image->specimen, image->file, VHDX_OPEN_SALVAGE, &env->t.env, &error);

	fuzz_check(env, "salvage", status, &error);
	if (status < 0 && plain.status == VHDX_OK)
		fuzz_finding("what opens cannot be salvaged: %s", error.message);
	for (unsigned i = 0; status == VHDX_OK && i < EXTENTS && at < vhdx_disk_size(disk); i++) {
		struct vhdx_extent extent;

		if (vhdx_get_extent(disk, &extent, at, vhdx_disk_size(disk) - at, &error) < 0)
			fuzz_finding("where salvaged bytes are: %s", error.message);
		check_lost(disk, &extent);
		at += extent.length;
	}
	(void)vhdx_close(disk);
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_FIXED, SPECIMEN_VHDX_CHILD,
						    SPECIMEN_VHDX_LOG,     SPECIMEN_VHDX_HUGE,  SPECIMEN_VHDX_EXTRAS,
						    SPECIMEN_VHD_DYNAMIC,  SPECIMEN_VHD_FIXED,  SPECIMEN_VHD_CHILD,
						    SPECIMEN_VHD_HUGE };
	struct fuzz_image image;
	struct fuzz_env env;
	unsigned flags;

	fuzz_image_take(&image, in, kinds, sizeof(kinds) / sizeof(kinds[0]));
	flags = image.flags & (VHDX_REPAIR_DISCARD_LOG | VHDX_REPAIR_KEEP_SPACE);
	fuzz_env_start(&env);
	check_repair(&env, &image, flags);
	check_failure(&env, &image, flags);
	check_salvage(&env, &image);
	fuzz_env_end(&env);
	fuzz_image_end(&image);
}

static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	return fuzz_image_seed(number, SPECIMEN_COUNT, out, size);
}

const struct fuzz_target fuzz_repair = { "fuzz_repair", run, seed, 1 };
