/* SPDX-License-Identifier: MIT */
/* The targets that look at one image: any; with a log; the metadata of a VHDX; a VHD. They differ in what they begin with. */
#include "fuzz.h"

#define KINDS(...)                                                                                                               \
	static const enum specimen_kind kinds[] = { __VA_ARGS__ };                                                               \
	struct fuzz_image image;                                                                                                 \
                                                                                                                                 \
	fuzz_image_take(&image, in, kinds, sizeof(kinds) / sizeof(kinds[0]));                                                    \
	fuzz_visit(&image, in);                                                                                                  \
	fuzz_image_end(&image)

static void run_open(struct fuzz_input *in)
{
	KINDS(SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_FIXED, SPECIMEN_VHDX_CHILD, SPECIMEN_VHDX_LOG, SPECIMEN_VHDX_HUGE,
	      SPECIMEN_VHDX_EXTRAS, SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHD_FIXED, SPECIMEN_VHD_CHILD, SPECIMEN_VHD_HUGE);
}

static size_t seed_open(unsigned number, uint8_t *out, size_t size)
{
	return fuzz_image_seed(number, SPECIMEN_COUNT, out, size);
}

static void run_metadata(struct fuzz_input *in)
{
	KINDS(SPECIMEN_VHDX_CHILD, SPECIMEN_VHDX_EXTRAS, SPECIMEN_VHDX_DYNAMIC);
}

static size_t seed_metadata(unsigned number, uint8_t *out, size_t size)
{
	return fuzz_image_seed(number, 3, out, size);
}

static void run_vhd(struct fuzz_input *in)
{
	KINDS(SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHD_FIXED, SPECIMEN_VHD_CHILD, SPECIMEN_VHD_HUGE);
}

static size_t seed_vhd(unsigned number, uint8_t *out, size_t size)
{
	return fuzz_image_seed(number, 4, out, size);
}

const struct fuzz_target fuzz_open = { "fuzz_open", run_open, seed_open, 1 };
const struct fuzz_target fuzz_metadata = { "fuzz_metadata", run_metadata, seed_metadata, 1 };
const struct fuzz_target fuzz_vhd = { "fuzz_vhd", run_vhd, seed_vhd, 1 };
