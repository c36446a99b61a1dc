/* SPDX-License-Identifier: MIT */
/*
 * fuzz_convert: an image of any kind with edits is the source of a new disk of another kind. The source is not changed; when the conversion succeeds the new disk reads
 * what the source read, and the inspection finds nothing; when it fails there is no new image.
 */
#include <inttypes.h>
#include <string.h>

#include "samples.h"

enum { MOST_CALLS = 20000, MOST_WRITES = 600 };

struct convert {
	struct fuzz_env env;
	struct samples samples;
	unsigned called;
};

static int count_progress(void *context, uint64_t done, uint64_t total)
{
	struct convert *c = context;

	if (done > total)
		fuzz_finding("progress of %" PRIu64 " of %" PRIu64, done, total);
	return ++c->called > MOST_CALLS;
}

static int no_finding(void *context, const struct vhdx_finding *finding)
{
	(void)context;
	if (finding->severity != VHDX_SEVERITY_NOTE)
		fuzz_finding("a converted image: %s %s", finding->rule, finding->message);
	return 0;
}

static void check_result(struct convert *c, struct memfile *result, enum vhdx_format format)
{
	struct vhdx_inspect_options inspect = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(result, "converted");
	struct vhdx_error error;
	vhdx_disk *disk;

	options.format = format;
	if (vhdx_open_file(&disk, &file, &options, &error) < 0)
		fuzz_finding("a converted image does not open: %s", error.message);
	if (vhdx_disk_size(disk) < c->samples.size)
		fuzz_finding("a converted image of %" PRIu64 " bytes has %" PRIu64, c->samples.size, vhdx_disk_size(disk));
	samples_compare(&c->samples, disk, c->samples.size, "converted");
	(void)vhdx_close(disk);
	inspect.on_finding = no_finding;
	if (format != VHDX_FORMAT_RAW && vhdx_inspect(&file, &inspect, &error) < 0)
		fuzz_finding("a converted image cannot be inspected: %s", error.message);
}

static void take_options(struct vhdx_create_options *o, struct fuzz_input *in)
{
	static const enum vhdx_format formats[] = { VHDX_FORMAT_VHDX, VHDX_FORMAT_VHD, VHDX_FORMAT_RAW };
	uint8_t choice = fuzz_byte(in), block = fuzz_byte(in);

	o->format = formats[choice % 3];
	o->type = choice / 3 % 2 == 0 || o->format == VHDX_FORMAT_RAW ? VHDX_TYPE_FIXED : VHDX_TYPE_DYNAMIC;
	o->block_size = o->type == VHDX_TYPE_DYNAMIC && block % 2 == 0
				? UINT32_C(1) << (o->format == VHDX_FORMAT_VHD ? 12 + block / 2 % 12 : 20 + block / 2 % 9)
				: 0;
	o->logical_sector_size = o->format == VHDX_FORMAT_VHDX && choice / 6 % 4 == 0 ? 4096 : 0;
	o->no_flush = choice >= 128;
}

static void convert(struct convert *c, vhdx_disk *disk, struct fuzz_image *image, struct fuzz_input *in)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *result = memfile_new();
	struct vhdx_file file = memfile_file(result, "converted");
	struct vhdx_source source;
	struct vhdx_error error;
	vhdx_disk *none = NULL;
	int status;

	take_options(&options, in);
	vhdx_disk_source(&source, disk);
	options.source = &source;
	options.env = &c->env.t.env;
	options.on_progress = count_progress;
	options.on_progress_context = c;
	fuzz_image_arm(image, &c->env, image->file);
	c->env.failing = true; /* a file with room for so many writes is full soon */
	memfile_fail(result, MEMFILE_WRITE, MOST_WRITES, VHDX_E_NO_SPACE, true);
	status = vhdx_create_file(&file, &options, &error);
	fuzz_check(&c->env, "convert", status, &error);
	fuzz_image_disarm(&c->env, image->file);
	memfile_fail(result, MEMFILE_WRITE, 0, 0, false);
	if (status == VHDX_OK)
		check_result(c, result, options.format);
	else if (vhdx_open_file(&none, &file, NULL, NULL) == VHDX_OK)
		fuzz_finding("a conversion that failed left an image");
	memfile_free(result);
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_FIXED, SPECIMEN_VHDX_CHILD,
						    SPECIMEN_VHDX_LOG,     SPECIMEN_VHDX_HUGE,  SPECIMEN_VHDX_EXTRAS,
						    SPECIMEN_VHD_DYNAMIC,  SPECIMEN_VHD_FIXED,  SPECIMEN_VHD_CHILD,
						    SPECIMEN_VHD_HUGE };
	static struct convert c; /* large for a stack */
	struct fuzz_image image;
	vhdx_disk *disk;

	fuzz_image_take(&image, in, kinds, sizeof(kinds) / sizeof(kinds[0]));
	memset(&c, 0, sizeof(c));
	fuzz_env_start(&c.env);
	if (specimen_open(&disk, image.specimen, image.file, image.flags & (VHDX_OPEN_IGNORE_CHECKSUMS | VHDX_OPEN_NO_PARENTS),
			  &c.env.t.env, NULL) == VHDX_OK) {
		samples_take(&c.samples, disk, image.specimen->block_size, *in);
		memfile_reset_counts(image.file);
		convert(&c, disk, &image, in);
		(void)vhdx_close(disk);
		if (memfile_count(image.file, MEMFILE_WRITE) + memfile_count(image.file, MEMFILE_SET_SIZE) != 0)
			fuzz_finding("the source of a conversion was changed");
	}
	fuzz_env_end(&c.env);
	fuzz_image_end(&image);
}

static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	return fuzz_image_seed(number, SPECIMEN_COUNT, out, size);
}

const struct fuzz_target fuzz_convert = { "fuzz_convert", run, seed, 1 };
