/* SPDX-License-Identifier: MIT */
/*
 * Opens a chain: the file given, then the parent of each differencing file, level by level, without recursion. Layer: engine.
 *
 * Candidates for a parent come from the caller, by list or by callback; here each is judged: format, identity, sector size, cycle, depth. What was tried and
 * why it was refused is collected for the message (decisions D-04 to D-06).
 */
#include "engine/chain.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/host.h"

static const char *name_or(const char *name)
{
	return name != NULL ? name : "(unnamed)";
}

void parent_note(struct vhdx_parent_request *request, const char *path, int status, const char *reason)
{
	struct parent_search *s = request->internal;
	struct vhdx_parent_attempt attempt = { request->child_level, path, status, reason };
	size_t room = sizeof(s->reasons) - s->reasons_length;
	int added;

	if (s->options->on_attempt != NULL)
		s->options->on_attempt(s->options->on_attempt_context, &attempt);
	if (status == VHDX_OK)
		return;
	s->attempts++;
	s->denied += status == VHDX_E_DENIED || status == VHDX_E_PARENT_DENIED;
	if (status == VHDX_E_PARENT_MISMATCH || (status == VHDX_E_CHAIN && s->worst != VHDX_E_PARENT_MISMATCH))
		s->worst = status;
	added = format_text(s->reasons + s->reasons_length, room, "%s%s: %s", s->reasons_length != 0 ? "; " : "", path, reason);
	if (added > 0)
		s->reasons_length += (size_t)added < room ? (size_t)added : room - 1;
}

/* Takes an image into the chain. On success the disk keeps it. */
static int push_level(struct vhdx_disk *disk, struct image *image, struct vhdx_error *error)
{
	char *name = NULL;

	if (!memory_grow(&disk->env, (void **)&disk->levels, disk->depth, sizeof(*disk->levels)))
		return fail_memory(error);
	if (image->view.file.name != NULL) {
		name = memory_copy_text(&disk->env, image->view.file.name);
		if (name == NULL)
			return fail_memory(error);
		image->view.file.name = name;
	}
	disk->levels[disk->depth++] = (struct level){ .image = image, .name = name };
	return VHDX_OK;
}

static bool identity_matches(const struct image *child, const struct image *parent)
{
	for (size_t i = 0; i < child->parent_identity_count; i++)
		if (guid_equal(&child->parent_identities[i], &parent->data_identity))
			return true;
	return false;
}

static int check_identity(const struct vhdx_disk *disk, const struct image *child, const struct image *parent,
			  struct vhdx_error *error)
{
	char wanted[VHDX_GUID_TEXT_SIZE], found[VHDX_GUID_TEXT_SIZE];
	bool vhd = child->format == VHDX_FORMAT_VHD;

	if (disk->flags & VHDX_OPEN_IGNORE_PARENT_IDENTITY || identity_matches(child, parent))
		return VHDX_OK;
	guid_text(&child->parent_identities[0], wanted);
	guid_text(&parent->data_identity, found);
	return fail_at(error, VHDX_E_PARENT_MISMATCH, vhd ? "VHD-079" : "VHDX-184", VHDX_NO_OFFSET,
		       "its %s is {%s}, the child expects {%s}: it is another disk, or it was changed since the child was made",
		       vhd ? "unique id" : "DataWriteGuid", found, wanted);
}

/* Identities are asked for once a level: asking anew for each pair would cost most of the time of opening a deep chain. */
static int check_cycle(struct vhdx_disk *disk, const struct vhdx_file *file, struct file_identity *identity,
		       struct vhdx_error *error)
{
	if (disk->depth == 1)
		disk->levels[0].identity = file_identify(&disk->levels[0].image->view.file);
	*identity = file_identify(file);
	for (unsigned i = 0; i < disk->depth; i++)
		if (file_identity_equal(&disk->levels[i].identity, identity))
			return fail(error, VHDX_E_CHAIN, "the file is already level %u of this chain: a cycle", i);
	return VHDX_OK;
}

/* Opens `file` as the next level below `child`. The file stays the caller's. */
static int add_parent(struct vhdx_disk *disk, struct image *child, const struct vhdx_file *file, struct vhdx_error *error)
{
	struct image_request request = { &disk->env, disk->cache, file, disk->depth, disk->flags & ~(unsigned)VHDX_OPEN_WRITE,
					 NULL };
	struct file_identity identity;
	struct image *parent = NULL;
	uint64_t modified;
	int status = check_cycle(disk, file, &identity, error);

	if (status == VHDX_OK)
		status = image_open(&parent, &request, child->format, error);
	if (status == VHDX_E_NOT_IMAGE)
		status = fail_at(error, VHDX_E_PARENT_MISMATCH, child->format == VHDX_FORMAT_VHD ? "VHD-089" : "VHDX-174",
				 VHDX_NO_OFFSET, "it is no %s, and a parent has the format of its child",
				 vhdx_format_name(child->format));
	if (status == VHDX_OK)
		status = check_identity(disk, child, parent, error);
	if (status == VHDX_OK && parent->logical_sector_size != child->logical_sector_size)
		status = fail_at(error, VHDX_E_PARENT_MISMATCH, "VHDX-170", VHDX_NO_OFFSET,
				 "its logical sectors have %" PRIu32 " bytes, the child's %" PRIu32, parent->logical_sector_size,
				 child->logical_sector_size);
	if (status == VHDX_OK)
		status = push_level(disk, parent, error);
	if (status < 0) {
		image_release(parent);
		return status;
	}
	disk->levels[disk->depth - 1].identity = identity;
	/* VHD-081: zero switches the check off, a difference is told and forgiven */
	child->parent_time_stamp_differs = child->parent_time_stamp != 0 && host_modified(file, &modified) &&
					   modified != UINT64_C(946684800) + child->parent_time_stamp;
	return VHDX_OK;
}

int parent_offer(struct vhdx_parent_request *request, struct vhdx_file *file, struct vhdx_error *error)
{
	struct parent_search *s = request->internal;
	const char *path = name_or(file->name);
	char reason[sizeof(error->message) + 64];
	int status;

	if (s->accepted) {
		vhdx_file_close(file);
		return fail(error, VHDX_E_ARGUMENT, "a parent was accepted already");
	}
	status = add_parent(s->disk, s->child, file, error);
	if (status == VHDX_OK) {
		s->disk->levels[s->disk->depth - 1].owns_file = true;
		s->accepted = true;
		parent_note(request, path, VHDX_OK, "");
		*file = (struct vhdx_file){ NULL, NULL, NULL };
		return 1;
	}
	if (status != VHDX_E_NO_MEMORY && !s->quiet) {
		format_text(reason, sizeof(reason), "%s%s%s", error->rule, error->rule[0] != '\0' ? ": " : "", error->message);
		parent_note(request, path, status, reason);
	}
	vhdx_file_close(file);
	return status == VHDX_E_NO_MEMORY ? status : 0;
}

/* The one line for a parent that was not found. */
static int no_parent(const struct parent_search *s, struct vhdx_error *error)
{
	const struct image *child = s->child;
	char wanted[VHDX_GUID_TEXT_SIZE];
	int status = s->worst != 0                                  ? s->worst
		     : s->attempts != 0 && s->denied == s->attempts ? VHDX_E_PARENT_DENIED
								    : VHDX_E_PARENT_MISSING;

	guid_text(&child->parent_identities[0], wanted);
	if (s->attempts == 0)
		fail(error, status, "it needs its parent {%s}%s%s, and nobody named a file for it", wanted,
		     child->parent_path_count != 0 ? " at " : "",
		     child->parent_path_count != 0 ? child->parent_paths[0].text : "");
	else
		fail(error, status, "its parent {%s} was not found; tried: %s", wanted, s->reasons);
	return error_in_file(error, child->view.file.name, child->level);
}

static int search_parent(struct vhdx_disk *disk, struct image *child, const struct vhdx_open_options *options,
			 struct vhdx_error *error)
{
	struct parent_search search = { .disk = disk, .options = options, .child = child };
	struct vhdx_parent_request request = {
		.child = child->view.file.name,
		.child_level = child->level,
		.format = child->format,
		.identities = child->parent_identities,
		.identity_count = child->parent_identity_count,
		.paths = child->parent_paths,
		.path_count = child->parent_path_count,
		.internal = &search,
	};
	struct vhdx_error told;
	int status = VHDX_OK;

	error_clear(&told);
	if (options->open_parent != NULL)
		status = options->open_parent(options->open_parent_context, &request, &told);
	if (status < 0) {
		(void)error_take(error, &told, status, "the search for its parent failed");
		return error_in_file(error, child->view.file.name, child->level);
	}
	return search.accepted ? VHDX_OK : no_parent(&search, error);
}

static int open_parents(struct vhdx_disk *disk, const struct vhdx_open_options *options, struct vhdx_error *error)
{
	int status = VHDX_OK;

	while (status == VHDX_OK) {
		struct image *last = disk->levels[disk->depth - 1].image;

		if (last->type != VHDX_TYPE_DIFFERENCING)
			break;
		if (disk->flags & VHDX_OPEN_NO_PARENTS && disk->depth - 1 >= options->parent_count) {
			disk->parent_left_out = true;
			break;
		}
		if (disk->depth == VHDX_MAX_DEPTH) {
			fail(error, VHDX_E_CHAIN, "the chain has more than %d levels", VHDX_MAX_DEPTH);
			return error_in_file(error, last->view.file.name, last->level);
		}
		if (disk->depth - 1 < options->parent_count) {
			status = add_parent(disk, last, &options->parents[disk->depth - 1], error);
			if (status < 0)
				(void)error_in_file(error, options->parents[disk->depth - 1].name, disk->depth);
		} else {
			status = search_parent(disk, last, options, error);
			if (status < 0 && status != VHDX_E_NO_MEMORY && (disk->flags & VHDX_OPEN_SALVAGE) != 0) {
				disk->parent_left_out = true;
				return VHDX_OK;
			}
		}
	}
	if (status == VHDX_OK && options->parent_count > disk->depth - 1)
		status = fail(error, VHDX_E_ARGUMENT, "%zu parents were given, the chain has only %u", options->parent_count,
			      disk->depth - 1);
	return status;
}

/* Whoever goes through the disk once needs a page of the BAT and one or two of bitmaps of each level at a time. */
static int enlarge_cache(struct vhdx_disk *disk, struct vhdx_error *error)
{
	unsigned sets = CACHE_FEW_SETS;

	if ((disk->flags & VHDX_OPEN_SEQUENTIAL) == 0)
		return VHDX_OK;
	while (sets < disk->depth && sets < CACHE_SETS)
		sets *= 2;
	return sets == CACHE_FEW_SETS ? VHDX_OK : cache_enlarge(disk->cache, sets, error);
}

static int open_levels(struct vhdx_disk *disk, const struct vhdx_file *file, const struct vhdx_open_options *options,
		       struct vhdx_error *error)
{
	struct image_request request = { &disk->env, NULL, file, 0, disk->flags, &disk->readers };
	struct image *image;
	unsigned sets = (disk->flags & VHDX_OPEN_SEQUENTIAL) != 0 ? CACHE_FEW_SETS : CACHE_SETS;
	int status = cache_start(&disk->cache, &disk->env, sets, error);

	request.cache = disk->cache;
	if (status == VHDX_OK)
		status = image_open(&image, &request, options->format, error);
	if (status < 0)
		return status;
	status = push_level(disk, image, error);
	if (status < 0) {
		image_release(image);
		return status;
	}
	status = open_parents(disk, options, error);
	return status == VHDX_OK ? enlarge_cache(disk, error) : status;
}

/* The leaf only, when the whole chain is there. */
static int start_writing(struct vhdx_disk *disk, const struct vhdx_open_options *options, struct vhdx_error *error)
{
	struct image *leaf = disk->levels[0].image;
	int status;

	if (disk->flags & (VHDX_OPEN_IGNORE_CHECKSUMS | VHDX_OPEN_SALVAGE))
		return fail(error, VHDX_E_ARGUMENT, "a file whose checksums are ignored cannot be written");
	if (leaf->ops->start == NULL)
		return fail(error, VHDX_E_UNSUPPORTED, "writing a %s is not supported", vhdx_format_name(leaf->format));
	disk->locks = memory_allocate(&disk->env, LOCK_COUNT * sizeof(*disk->locks));
	if (disk->locks == NULL)
		return fail_memory(error);
	for (unsigned i = 0; i < LOCK_COUNT; i++)
		mutex_start(&disk->locks[i]);
	status = writing_start(leaf, &disk->readers, error);
	if (status == VHDX_OK && options->data_identity != NULL)
		leaf->writing->identity = *options->data_identity;
	if (status == VHDX_OK)
		status = leaf->ops->start(leaf, error);
	if (status == VHDX_OK)
		leaf->writing->granule_shift = shift_of(leaf->writing->granule);
	if (status < 0)
		writing_end(leaf); /* so that close does not finish what never began */
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

int disk_open(struct vhdx_disk **out, const struct vhdx_file *file, const struct vhdx_open_options *options,
	      struct vhdx_error *error)
{
	struct vhdx_env env = env_complete(options->env);
	struct vhdx_disk *disk = memory_zeroed(&env, sizeof(*disk));
	int status;

	if (disk == NULL)
		return fail_memory(error);
	disk->env = env;
	disk->flags = options->flags;
	status = open_levels(disk, file, options, error);
	if (status == VHDX_OK && disk->flags & VHDX_OPEN_WRITE)
		status = start_writing(disk, options, error);
	if (status < 0) {
		(void)disk_close(disk);
		return status;
	}
	disk->levels[0].owns_file = true;
	for (unsigned i = 1; i < disk->depth && i <= options->parent_count; i++)
		disk->levels[i].owns_file = true;
	*out = disk;
	return VHDX_OK;
}

int disk_close(struct vhdx_disk *disk)
{
	struct vhdx_error ignored;
	struct vhdx_env env;
	int status = VHDX_OK;

	if (disk == NULL)
		return VHDX_OK;
	env = disk->env;
	if (disk->depth != 0 && disk->levels[0].image->writing != NULL)
		status = disk->levels[0].image->ops->finish(disk->levels[0].image, &ignored);
	for (unsigned i = 0; i < disk->depth; i++) {
		struct level *level = &disk->levels[i];
		struct vhdx_file file = level->image->view.file;

		image_release(level->image);
		if (level->owns_file)
			vhdx_file_close(&file);
		memory_release(&env, level->name);
	}
	memory_release(&env, disk->levels);
	memory_release(&env, atomic_load(&disk->hints));
	for (unsigned i = 0; disk->locks != NULL && i < LOCK_COUNT; i++)
		mutex_end(&disk->locks[i]);
	memory_release(&env, disk->locks);
	cache_end(disk->cache);
	memory_release(&env, disk);
	return status;
}
