/* SPDX-License-Identifier: MIT */
/* What the writers of all formats share: counting changes, dying, and the plain writer whose disk is the file. Layer: engine. */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "engine/image.h"

int writing_start(struct image *image, struct epoch *readers, struct vhdx_error *error)
{
	struct writing *w = memory_zeroed(image->env, sizeof(*w));

	if (w == NULL)
		return fail_memory(error);
	w->readers = readers;
	mutex_start(&w->commit);
	image->writing = w;
	return VHDX_OK;
}

void writing_end(struct image *image)
{
	if (image->writing == NULL)
		return;
	mutex_end(&image->writing->commit);
	memory_release(image->env, image->writing);
	image->writing = NULL;
}

int writing_check(const struct image *image, struct vhdx_error *error)
{
	int dead = atomic_load(&image->writing->dead);

	return dead == 0 ? VHDX_OK
			 : fail(error, VHDX_E_DEAD, "an earlier write or flush failed (%s); reopen the file to go on",
				vhdx_status_name(dead));
}

int writing_failed(struct image *image, struct vhdx_error *error)
{
	return error->status == VHDX_E_NO_SPACE ? error->status : writing_flush_failed(image, error);
}

int writing_flush_failed(struct image *image, struct vhdx_error *error)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&image->writing->dead, &none, error->status);
	return error->status;
}

int writing_put(struct image *image, const void *buffer, uint64_t length, uint64_t file_offset, struct vhdx_error *error)
{
	int status = buffer == NULL ? file_zero(&image->view.file, file_offset, length, error)
				    : file_write(&image->view.file, buffer, (size_t)length, file_offset, error);

	return status < 0 ? writing_failed(image, error) : VHDX_OK;
}

int writing_zero(struct image *image, uint64_t length, uint64_t file_offset, struct vhdx_error *error)
{
	if (image->type != VHDX_TYPE_FIXED && file_try_punch(&image->view.file, file_offset, length))
		return VHDX_OK;
	return writing_put(image, NULL, length, file_offset, error);
}

enum { MOVE_BUFFER = 1 << 20 };

int writing_move(struct image *image, uint64_t from, uint64_t to, uint64_t length, struct vhdx_error *error)
{
	const struct vhdx_file *file = &image->view.file;
	uint8_t *bytes = memory_allocate(image->env, MOVE_BUFFER);
	int status = bytes == NULL ? fail_memory(error) : VHDX_OK;

	for (uint64_t done = 0, part; status == VHDX_OK && done < length; done += part) {
		struct vhdx_file_extent extent = view_extent(&image->view, from + done, length - done);

		part = extent.is_hole ? extent.length : min_u64(extent.length, MOVE_BUFFER);
		if (!extent.is_hole)
			status = file_read(file, bytes, (size_t)part, from + done, error);
		if (status < 0)
			break;
		status = extent.is_hole || bytes_are_zero(bytes, (size_t)part)
				 ? writing_zero(image, part, to + done, error)
				 : writing_put(image, bytes, part, to + done, error);
	}
	memory_release(image->env, bytes);
	return status;
}

int plain_write(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	int status = writing_put(image, buffer, length, disk_offset, error);

	/* counted on failure too: a part of it may be done */
	atomic_fetch_add(&image->writing->change, 1);
	return status;
}

/* Threads that come while another one flushes find their changes durable when it is their turn. */
int plain_flush(struct image *image, struct vhdx_error *error)
{
	struct writing *w = image->writing;
	uint64_t want = atomic_load(&w->change);
	int status = writing_check(image, error); /* what failed may have left the file half changed, and nothing counts it */

	if (status < 0 || atomic_load(&w->durable) >= want)
		return status;
	mutex_lock(&w->commit);
	if (atomic_load(&w->durable) < want) {
		want = atomic_load(&w->change);
		status = file_flush(&image->view.file, error);
		if (status == VHDX_OK)
			atomic_store(&w->durable, want);
		else
			status = writing_flush_failed(image, error);
	}
	mutex_unlock(&w->commit);
	return status;
}
