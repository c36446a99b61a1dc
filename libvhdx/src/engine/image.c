/* SPDX-License-Identifier: MIT */
/*
 * Which format a file is (decision D-03), and what all images share. Layer: engine.
 *
 * VHDX is known by its first bytes, VHD by its last. A guest can write the first sector of a fixed VHD, and the last block of a VHDX, so a file may look like
 * both; then only the caller can tell, and we refuse to guess.
 */
#include "engine/image.h"

#include "base/error.h"
#include "format/fields.h"
#include "format/rules.h"
#include "format/vhd_footer.h"
#include "format/vhd_layout.h"
#include "format/vhdx_header.h"

/* Whether a valid footer of a fixed VHD ends the file. */
static bool ends_as_fixed_vhd(const struct vhdx_file *file)
{
	uint8_t bytes[vhd_footer_size];
	struct vhd_footer footer;
	struct vhdx_error ignored;
	uint64_t size;

	return file_get_size(file, &size, &ignored) == VHDX_OK && size > sizeof(bytes) &&
	       file_read(file, bytes, sizeof(bytes), size - sizeof(bytes), &ignored) == VHDX_OK && vhd_footer_present(bytes) &&
	       vhd_footer_decode(&footer, bytes, 0, false, &ignored) == VHDX_OK && footer.disk_type == VHD_DISK_FIXED;
}

/* Opening as VHDX is also the question whether it is one: no other reading of the first bytes. */
static int open_detected(struct image **out, const struct image_request *request, struct vhdx_error *error)
{
	int status = vhdx_image_open(out, request, error);

	if (status == VHDX_E_NOT_IMAGE) {
		status = vhd_image_open(out, request, error);
		return status != VHDX_E_NOT_IMAGE
			       ? status
			       : fail(error, status,
				      "this is neither a VHDX ('vhdxfile' in front) nor a VHD ('conectix' at the end)");
	}
	if ((status < 0 && status != VHDX_E_DAMAGED && status != VHDX_E_UNSUPPORTED && status != VHDX_E_NEEDS_REPLAY) ||
	    !ends_as_fixed_vhd(request->file)) /* a failed read or allocation says nothing of the format */
		return status;
	if (status == VHDX_OK)
		image_release(*out);
	return fail(error, VHDX_E_NOT_IMAGE, "the file begins as a VHDX and ends as a fixed VHD: say which format it is");
}

int image_open(struct image **out, const struct image_request *request, enum vhdx_format format, struct vhdx_error *error)
{
	struct image *image = NULL;
	int status = VHDX_OK;

	switch (format) {
	case VHDX_FORMAT_ANY: status = open_detected(&image, request, error); break;
	case VHDX_FORMAT_VHDX: status = vhdx_image_open(&image, request, error); break;
	case VHDX_FORMAT_VHD: status = vhd_image_open(&image, request, error); break;
	case VHDX_FORMAT_RAW: status = raw_image_open(&image, request, error); break;
	}
	if (status < 0)
		return error_in_file(error, request->file->name, request->level);
	*out = image;
	return VHDX_OK;
}

void image_release(struct image *image)
{
	if (image == NULL)
		return;
	for (size_t i = 0; i < image->parent_path_count; i++)
		memory_release(image->env, (void *)(uintptr_t)image->parent_paths[i].text);
	memory_release(image->env, image->parent_paths);
	memory_release(image->env, image->view.pieces);
	writing_end(image);
	image->ops->release(image);
}

int image_add_parent_path(struct image *image, enum vhdx_path_kind kind, char *text, struct vhdx_error *error)
{
	if (text == NULL ||
	    !memory_grow(image->env, (void **)&image->parent_paths, image->parent_path_count, sizeof(*image->parent_paths))) {
		memory_release(image->env, text);
		return fail_memory(error);
	}
	image->parent_paths[image->parent_path_count++] = (struct vhdx_parent_path){ kind, text };
	return VHDX_OK;
}
