/* SPDX-License-Identifier: MIT */
/* The public functions of repair. Layer: api. */
#include <string.h>

#include "base/checked.h"
#include "engine/repair.h"

const char *vhdx_mend_name(enum vhdx_mend mend)
{
	switch (mend) {
	case VHDX_MEND_NONE: break;
	case VHDX_MEND_HEADER: return "header";
	case VHDX_MEND_REGION_TABLE: return "region table";
	case VHDX_MEND_LOG: return "log";
	case VHDX_MEND_DISCARD_LOG: return "discard log";
	case VHDX_MEND_FOOTER: return "footer";
	case VHDX_MEND_SPACE: return "space";
	}
	return "";
}

static bool can_read(const struct vhdx_file *file)
{
	return file != NULL && file->io != NULL && file->io->read != NULL && file->io->get_size != NULL;
}

static bool can_write(const struct vhdx_file *file)
{
	return can_read(file) && file->io->write != NULL && file->io->flush != NULL;
}

int vhdx_repair(const struct vhdx_file *file, const struct vhdx_repair_options *given, struct vhdx_error *error)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	const unsigned known = VHDX_REPAIR_DRY_RUN | VHDX_REPAIR_DISCARD_LOG | VHDX_REPAIR_KEEP_SPACE | VHDX_REPAIR_NO_UNDO;
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if (given != NULL)
		memcpy(&options, given, (size_t)min_u64(given->struct_size, sizeof(options)));
	if ((options.flags & ~known) != 0)
		return fail(error, VHDX_E_ARGUMENT, "0x%x is no set of flags", options.flags);
	if (!can_read(file))
		return fail(error, VHDX_E_ARGUMENT, "a file needs an I/O table with read and get_size");
	if ((options.flags & VHDX_REPAIR_DRY_RUN) == 0 && (!can_write(file) || file->io->set_size == NULL))
		return fail(error, VHDX_E_ARGUMENT, "a file to repair needs an I/O table with write, flush and set_size");
	if (options.undo != NULL && !can_write(options.undo))
		return fail(error, VHDX_E_ARGUMENT, "an undo file needs an I/O table with read, write, flush and get_size");
	return repair_file(file, &options, error);
}

int vhdx_undo(const struct vhdx_file *file, const struct vhdx_file *undo, unsigned flags, const struct vhdx_env *given,
	      struct vhdx_error *error)
{
	struct vhdx_env env = env_complete(given);
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if ((flags & ~(unsigned)VHDX_UNDO_CHANGED) != 0)
		return fail(error, VHDX_E_ARGUMENT, "0x%x is no set of flags", flags);
	if (!can_write(file) || file->io->set_size == NULL || !can_write(undo))
		return fail(error, VHDX_E_ARGUMENT, "files need an I/O table with read, write, flush, get_size and set_size");
	return undo_restore(file, undo, flags, &env, error);
}
