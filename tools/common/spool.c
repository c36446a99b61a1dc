/* SPDX-License-Identifier: MIT */
/* See spool.h. */
#include "spool.h"

#include <stdlib.h>

#include "sys.h"
#include "sparse.h"
#include "target.h"

enum { STEP = 1 << 20 };

static int create_file(struct spool *spool, const char *target, struct vhdx_error *error)
{
	char *name = target_name_beside(target, ".tmp");
	int status = vhdx_file_open(&spool->file, name, VHDX_FILE_WRITE | VHDX_FILE_CREATE | VHDX_FILE_SPARSE | VHDX_FILE_NO_LOCK,
				    error);

	if (status != VHDX_OK || sys_remove(name))
		free(name);
	else
		spool->left = name;
	return status;
}

int spool_fill(struct spool *spool, const char *target, struct input *input, struct progress *progress, struct vhdx_error *error)
{
	unsigned char *buffer = tool_allocate(NULL, STEP);
	int status = create_file(spool, target, error);
	uint64_t offset = 0;
	int64_t got = 1;

	while (status == VHDX_OK && got > 0) {
		got = input_read(input, buffer, STEP, error);
		if (got < 0)
			status = (int)got;
		else
			status = sparse_write(&spool->file, buffer, (size_t)got, offset, error);
		offset += got > 0 ? (uint64_t)got : 0;
		if (status == VHDX_OK && progress_step(progress, offset, 0) != 0)
			status = tool_cancelled(error);
	}
	free(buffer);
	if (status != VHDX_OK)
		return status;
	error->status = VHDX_OK;
	status = spool->file.io->set_size(spool->file.handle, offset, error);
	return status == VHDX_OK ? status : sparse_error(error, status, &spool->file, "cannot be grown", offset);
}

void spool_release(struct spool *spool)
{
	if (!spool->owned)
		vhdx_file_close(&spool->file);
	if (spool->left != NULL)
		sys_remove(spool->left);
	free(spool->left);
	*spool = (struct spool){ 0 };
}
