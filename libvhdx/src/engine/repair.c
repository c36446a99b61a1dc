/* SPDX-License-Identifier: MIT */
#include "engine/repair.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/checked.h"
#include "io/file.h"

int repair_step(struct repair *r, enum vhdx_mend mend, enum rule rule, uint64_t file_offset, uint64_t length, const char *format,
		...)
{
	char message[300];
	struct vhdx_repair_step step = { mend, rule_name(rule), file_offset, length, message };
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	r->step_count++;
	r->saved += length;
	if (r->options->on_step == NULL || r->options->on_step(r->options->context, &step) == 0)
		return VHDX_OK;
	return fail(r->error, VHDX_E_CANCELLED, "the caller stopped the repair before it had begun");
}

int repair_begin(struct repair *r, bool *go)
{
	uint64_t size;

	*go = r->step_count != 0 && !repair_wants(r, VHDX_REPAIR_DRY_RUN);
	if (!*go)
		return VHDX_OK;
	if (r->options->undo == NULL && !repair_wants(r, VHDX_REPAIR_NO_UNDO))
		return fail(r->error, VHDX_E_ARGUMENT, "a repair needs an undo file");
	if (r->options->undo != NULL) { /* an earlier one, or the image itself */
		int status = file_get_size(r->options->undo, &size, r->error);

		if (status < 0 || size != 0)
			return status < 0 ? status : fail(r->error, VHDX_E_ARGUMENT, "the undo file is not empty");
	}
	r->undo = (struct undo){ .env = &r->env,
				 .file = r->file,
				 .undo = r->options->undo,
				 .on_progress = r->options->on_progress,
				 .context = r->options->context,
				 .total = r->saved };
	return undo_begin(&r->undo, r->error);
}

static uint64_t leaked(const struct repair *r)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < r->leaks.count; i++)
		bytes += claims_get(&r->leaks, i).length;
	return bytes;
}

int repair_tell_leaks(struct repair *r)
{
	return r->leaks.count == 0
		       ? VHDX_OK
		       : repair_step(r, VHDX_MEND_SPACE, RULE_NONE, claims_get(&r->leaks, 0).offset, leaked(r),
				     "give back %" PRIu64 " bytes in %zu places between the blocks", leaked(r), r->leaks.count);
}

int repair_save_leaks(struct repair *r)
{
	int status = VHDX_OK;

	for (size_t i = 0; status == VHDX_OK && i < r->leaks.count; i++) {
		struct range leak = claims_get(&r->leaks, i);

		status = undo_save(&r->undo, leak.offset, leak.length, r->error);
	}
	return status;
}

int repair_give_back(struct repair *r, uint64_t size, bool leaks)
{
	int status = size != 0 ? file_set_size(r->file, size, r->error) : VHDX_OK;

	/* a favour: what the host does not take back is no worse than before */
	for (size_t i = 0; status == VHDX_OK && leaks && i < r->leaks.count; i++) {
		struct range leak = claims_get(&r->leaks, i);

		(void)file_try_punch(r->file, leak.offset, leak.length);
	}
	return status == VHDX_OK ? file_flush(r->file, r->error) : status;
}

int repair_file(const struct vhdx_file *file, const struct vhdx_repair_options *options, struct vhdx_error *error)
{
	struct vhdx_inspect_options inspect = VHDX_INSPECT_OPTIONS_INIT;
	struct repair r = { .follow = { repair_vhdx, repair_vhd, NULL }, .options = options, .file = file, .error = error };
	int status;

	r.env = env_complete(options->env);
	r.leaks.env = &r.env;
	if (!repair_wants(&r, VHDX_REPAIR_KEEP_SPACE))
		r.follow.leaks = &r.leaks;
	inspect.parts = VHDX_PART_ALL;
	inspect.env = options->env;
	status = inspect_file(file, &inspect, &r.follow, error);
	claims_release(&r.leaks);
	undo_release(&r.undo);
	return status;
}
