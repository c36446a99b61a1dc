/* SPDX-License-Identifier: MIT */
/* Headers, start and end of a writing session. Layer: engine. specs/vhdx.md sections 4.3, 4.5 and 4.6. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "engine/vhdx_edit.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

#define LEAST_NUMBERS UINT32_MAX /* of header sequence numbers, that a session may need: it takes a few */

/* 126 descriptors fit the first sector of an entry; QEMU refuses to replay one with more: errata E-44. */
enum { MAX_ENTRY_PAGES = 126, MAX_LOGGED_PAGES = 4096 };

int vhdx_write_header(struct vhdx_image *v, const struct vhdx_header *wanted, struct vhdx_error *error)
{
	struct vhdx_header header = *wanted;
	unsigned slot = !v->header_slot;
	uint8_t bytes[vhdx_header_size];
	int status;

	header.sequence_number = v->header.sequence_number + 1;
	header.log_version = 0;
	vhdx_header_encode(bytes, &header);
	status = file_write(&v->base.view.file, bytes, sizeof(bytes), VHDX_HEADER_OFFSET(slot), error);
	if (status < 0)
		return status;
	v->header = header;
	v->header_slot = slot;
	return VHDX_OK;
}

int vhdx_mirror_header(struct vhdx_writer *w, struct vhdx_error *error)
{
	int status = vhdx_write_header(w->v, &w->v->header, error);

	if (status == VHDX_OK)
		w->mirror_due = false;
	return status < 0 && writing_failed(&w->v->base, error) != VHDX_E_NO_SPACE ? status : VHDX_OK;
}

static void start_ring(struct vhdx_writer *w)
{
	uint32_t sectors = w->v->header.log_length / VHDX_LOG_SECTOR;

	w->ring = (struct log_ring){ .file_offset = w->v->header.log_offset,
				     .sectors = sectors,
				     .reserve = log_ring_entry_sectors(w->max_entry_pages),
				     .sequence_number = 1,
				     .guid = w->wanted.log_guid };
}

static int new_identity(struct vhdx_writer *w, struct vhdx_guid *identity, struct vhdx_error *error)
{
	const struct vhdx_guid *given = &w->v->base.writing->identity;

	if (guid_is_zero(given))
		return env_random_guids(w->v->base.env, identity, 1, error);
	*identity = *given;
	return VHDX_OK;
}

/* VHDX-039, VHDX-022, VHDX-026: chosen once, so that a step that is tried again writes the same. VHDX-040: DataWriteGuid only when it must. */
static int choose_identifiers(struct vhdx_writer *w, bool content_changes, struct vhdx_error *error)
{
	const struct vhdx_env *env = w->v->base.env;
	int status;

	w->wanted = w->v->header;
	w->new_identity = content_changes;
	status = env_random_guids(env, &w->wanted.file_write_guid, 1, error);
	if (status == VHDX_OK && content_changes)
		status = new_identity(w, &w->wanted.data_write_guid, error);
	if (status == VHDX_OK)
		status = env_random_guids(env, &w->wanted.log_guid, 1, error);
	return status;
}

static int write_first_header(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct vhdx_header header = w->wanted;
	int status;

	header.log_guid = (struct vhdx_guid){ { 0 } };
	status = vhdx_write_header(w->v, &header, error);
	if (status == VHDX_OK)
		w->v->base.data_identity = header.data_write_guid;
	return status;
}

/* An entry without pages: a header that names a log without any valid entry would make the file corrupt (VHDX-102). */
static int seed_log(struct vhdx_writer *w, struct vhdx_error *error)
{
	uint64_t end;

	mutex_lock(&w->v->base.cache->fill);
	end = space_used_end(&w->space); /* VHDX-085 */
	mutex_unlock(&w->v->base.cache->fill);
	start_ring(w);
	return log_ring_write(&w->ring, &w->v->base.view.file, w->buffer, 0, w->durable_size, end, error);
}

/*
 * First header with new identifiers but no log; the log's first entry; flush; second header with the log. Whichever of the second header and later entries is
 * durable first, the log is valid or not looked at. Two flushes, the first one for whatever a killed process left on its way: with the current header still in
 * flight, writing the other slot could lose both. The second header is durable with the first commit, after which the first slot follows.
 */
static int begin_step(struct vhdx_writer *w, bool content_changes, struct vhdx_error *error)
{
	switch (w->step) {
	case SESSION_NONE: return vhdx_load_space(w, error);
	case SESSION_SPACE_KNOWN: return choose_identifiers(w, content_changes, error);
	case SESSION_CHOSEN: return barrier_flush(&w->v->base.view.file, BARRIER_LEFT_BEFORE_SESSION, error);
	case SESSION_SETTLED: return write_first_header(w, error);
	case SESSION_FIRST_HEADER: return seed_log(w, error);
	case SESSION_SEEDED: return barrier_flush(&w->v->base.view.file, BARRIER_SESSION, error);
	case SESSION_FLUSHED: return vhdx_write_header(w->v, &w->wanted, error);
	case SESSION_OPEN: break;
	}
	return VHDX_OK;
}

/* Under `commit`. */
static int open_session(struct vhdx_writer *w, bool content_changes, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	bool opened = w->step == SESSION_OPEN;
	int status = writing_check(base, error);

	while (status == VHDX_OK && w->step != SESSION_OPEN) {
		enum session_step step = w->step;

		status = begin_step(w, content_changes, error);
		if (status == VHDX_OK)
			w->step++;
		else if (step == SESSION_SEEDED || step == SESSION_CHOSEN)
			(void)writing_flush_failed(base, error);
		else if (step > SESSION_SPACE_KNOWN) /* something may be written */
			(void)writing_failed(base, error);
	}
	if (status == VHDX_OK && !opened) {
		log_ring_durable(&w->ring);
		w->mirror_due = true;
	}
	return status;
}

/*
 * W1 for a session that began without a change of content. Whatever was written to either slot last may be on its way still, so a flush comes first (VHDX-045),
 * and in place of the mirrored header comes the new one, which is mirrored in its turn.
 */
static int renew_identity(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct vhdx_header header;
	struct vhdx_guid identity;
	int status = new_identity(w, &identity, error);

	if (status < 0)
		return status;
	w->mirror_due = false;
	status = vhdx_barrier(w, BARRIER_LEFT_BEFORE_SESSION, error);
	if (status < 0)
		return status;
	header = w->v->header;
	header.data_write_guid = identity;
	status = vhdx_write_header(w->v, &header, error);
	if (status < 0)
		return writing_failed(&w->v->base, error);
	w->v->base.data_identity = identity;
	w->mirror_due = true;
	return vhdx_barrier(w, BARRIER_SESSION, error);
}

static int begin_session(struct vhdx_writer *w, bool content_changes, struct vhdx_error *error)
{
	struct writing *writing = w->v->base.writing;
	bool mend;
	int status;

	if (atomic_load(&w->session) && (atomic_load(&w->identity_is_new) || !content_changes) && atomic_load(&w->regions_mended))
		return VHDX_OK;
	mutex_lock(&writing->commit);
	status = open_session(w, content_changes, error);
	if (status == VHDX_OK && !atomic_load(&w->session)) {
		atomic_store(&w->identity_is_new, w->new_identity);
		atomic_store(&w->session, true);
	}
	if (status == VHDX_OK && content_changes && !atomic_load(&w->identity_is_new)) {
		status = renew_identity(w, error);
		atomic_store(&w->identity_is_new, status == VHDX_OK);
	}
	mend = status == VHDX_OK && !atomic_exchange(&w->regions_mended, true);
	mutex_unlock(&writing->commit);
	if (!mend)
		return status;
	status = vhdx_mend_regions(w, error);
	if (status < 0) /* the next one tries again */
		atomic_store(&w->regions_mended, false);
	return status;
}

int vhdx_session_begin(struct vhdx_writer *w, struct vhdx_error *error)
{
	return atomic_load(&w->identity_is_new) && atomic_load(&w->regions_mended) ? VHDX_OK : begin_session(w, true, error);
}

int vhdx_session_begin_unchanged(struct vhdx_writer *w, struct vhdx_error *error)
{
	return begin_session(w, false, error);
}

static void patch(void *context, uint64_t file_offset, uint8_t *page)
{
	pages_patch(context, file_offset, page);
}

/* Bitmap pages of one block, its BAT entry, and one for what crosses a boundary. */
static uint32_t pages_of_change(const struct vhdx_image *v)
{
	uint64_t bits = UINT64_C(1) << (v->geometry.block_shift - v->geometry.sector_shift);

	return (uint32_t)divide_up(bits / 8, CACHE_PAGE) + 2;
}

uint32_t vhdx_max_entry_pages(const struct vhdx_image *v)
{
	return (uint32_t)min_u64(v->header.log_length / VHDX_LOG_SECTOR / 3, MAX_ENTRY_PAGES);
}

static int allocate_buffers(struct vhdx_writer *w, struct vhdx_error *error)
{
	const struct vhdx_env *env = w->v->base.env;
	uint32_t sectors = w->v->header.log_length / VHDX_LOG_SECTOR;

	w->max_change = pages_of_change(w->v);
	w->max_entry_pages = vhdx_max_entry_pages(w->v);
	w->logged_limit = (uint32_t)min_u64(sectors, MAX_LOGGED_PAGES);
	w->logged = memory_allocate(env, w->logged_limit * sizeof(*w->logged));
	w->entry_pages = memory_allocate(env, w->max_entry_pages * sizeof(*w->entry_pages));
	w->buffer = memory_allocate(env, (size_t)log_ring_entry_sectors(w->max_entry_pages) * VHDX_LOG_SECTOR);
	return w->logged == NULL || w->entry_pages == NULL || w->buffer == NULL ? fail_memory(error) : VHDX_OK;
}

/* What a reader does not need of the header. A log that is empty may stand anywhere until it is used. */
static int check_header(const struct vhdx_image *v, struct vhdx_error *error)
{
	const struct vhdx_header *h = &v->header;

	if (h->log_length == 0)
		return unsupported(error, RULE_VHDX_036, VHDX_HEADER_OFFSET(v->header_slot),
				   "the file has no log, so it can only be read");
	if (!range_fits(h->log_offset, h->log_length, v->base.view.size))
		return broken(error, RULE_VHDX_035, VHDX_HEADER_OFFSET(v->header_slot) + vhdx_header_log_offset_at,
			      "the log at 0x%" PRIx64 ", 0x%" PRIx32 " bytes, exceeds the file of %" PRIu64 " bytes",
			      h->log_offset, h->log_length, v->base.view.size);
	if (h->sequence_number > UINT64_MAX - LEAST_NUMBERS)
		return unsupported(error, RULE_VHDX_044, VHDX_HEADER_OFFSET(v->header_slot),
				   "the header sequence number cannot grow any more");
	return VHDX_OK;
}

int vhdx_writer_start(struct image *base, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)base;
	struct vhdx_writer *w;
	int status;

	status = check_header(v, error);
	if (status < 0)
		return status;
	w = memory_zeroed(base->env, sizeof(*w));
	if (w == NULL)
		return fail_memory(error);
	w->v = v;
	v->writer = w;
	mutex_start(&w->bitmaps);
	base->writing->sector = base->logical_sector_size;
	base->writing->granule = base->block_size;
	status = pages_start(&w->pages, base->env, base->cache, &base->view, base->level, error);
	if (status == VHDX_OK)
		status = allocate_buffers(w, error);
	if (status == VHDX_OK && !guid_is_zero(&v->header.log_guid))
		status = vhdx_replay(v, error);
	w->durable_size = round_down(base->view.size, MIB);
	base->cache->patch = patch;
	base->cache->patch_context = &w->pages;
	return status;
}

void vhdx_writer_release(struct vhdx_writer *w)
{
	const struct vhdx_env *env;

	if (w == NULL)
		return;
	env = w->v->base.env;
	w->v->base.cache->patch = NULL;
	pages_end(&w->pages);
	space_end(&w->space);
	mutex_end(&w->bitmaps);
	memory_release(env, w->logged);
	memory_release(env, w->entry_pages);
	memory_release(env, w->buffer);
	memory_release(env, w);
}

/* Space behind the last structure, and the room that the file grew by in advance: VHDX-200. A fixed disk keeps its length (VHDX-164) unless it was resized. */
static int trim(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	uint64_t end = max_u64(space_used_end(&w->space), w->v->reserved_end);

	int status = end >= base->view.size || (base->type == VHDX_TYPE_FIXED && !w->was_resized)
			     ? VHDX_OK
			     : file_set_size(&base->view.file, end, error);

	return status == VHDX_E_UNSUPPORTED ? VHDX_OK : status; /* a host file that keeps its size: a device */
}

/* The log is drained; what is left says so. The last slot and the trim need no flush: the next session begins with one. */
static int clear_log(struct vhdx_writer *w, struct vhdx_error *error)
{
	const struct vhdx_file *file = &w->v->base.view.file;
	struct vhdx_header header = w->v->header;
	int status;

	header.log_guid = (struct vhdx_guid){ { 0 } };
	status = vhdx_write_header(w->v, &header, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_CLEAR_BEFORE_TRIM, error);
	if (status == VHDX_OK)
		status = vhdx_write_header(w->v, &header, error);
	if (status == VHDX_OK)
		status = trim(w, error);
	return status;
}

/* Not under `commit`: nobody else is here any more. */
int vhdx_writer_finish(struct image *base, struct vhdx_error *error)
{
	struct vhdx_writer *w = ((struct vhdx_image *)base)->writer;
	int status = writing_check(base, error);

	if (status < 0 || w->step <= SESSION_SETTLED)
		return status;
	if (w->step != SESSION_OPEN) /* a session that could not begin: no log is named yet, and nothing has changed */
		return VHDX_OK;
	status = vhdx_commit(base, error);
	w->mirror_due = false;
	if (status == VHDX_OK)
		status = vhdx_apply(w, error);
	if (status == VHDX_OK)
		status = vhdx_barrier(w, BARRIER_APPLY_BEFORE_CLEAR, error);
	return status == VHDX_OK ? clear_log(w, error) : status;
}
