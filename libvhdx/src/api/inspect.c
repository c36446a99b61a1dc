/* SPDX-License-Identifier: MIT */
/* The public function of inspection. Layer: api. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/inspect.h"

int vhdx_inspect(const struct vhdx_file *file, const struct vhdx_inspect_options *given, struct vhdx_error *error)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if (file == NULL || file->io == NULL || file->io->read == NULL || file->io->get_size == NULL)
		return fail(error, VHDX_E_ARGUMENT, "a file needs an I/O table with read and get_size");
	if (given != NULL)
		memcpy(&options, given, (size_t)min_u64(given->struct_size, sizeof(options)));
	if ((options.parts & ~(unsigned)VHDX_PART_ALL) != 0)
		return fail(error, VHDX_E_ARGUMENT, "0x%x is no set of parts", options.parts);
	if (options.parts == 0)
		options.parts = VHDX_PART_ALL;
	return inspect_file(file, &options, NULL, error);
}
