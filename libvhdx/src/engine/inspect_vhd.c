/* SPDX-License-Identifier: MIT */
/*
 * Inspects the footers of a VHD file and leads the walk through the rest. Layer: engine. specs/vhd.md section 4.1.
 *
 * A footer in the last 512 bytes, or if there is none in the last 511, is the end footer. The one in front is a copy of it
 * unless the disk is fixed: then the front of the file is the disk, whatever stands there (VHD-029).
 */
#include "engine/inspect_vhd.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

struct place {
	uint64_t offset;
	uint8_t bytes[vhd_footer_size];
	bool is_present; /* the cookie is there */
	struct vhd_footer footer;
	struct vhdx_error why;
	int status; /* of decoding it */
};

enum { END, FRONT };

static int load(struct vhd_walk *w, struct place *place, uint64_t offset)
{
	int status = file_read(w->in->file, place->bytes, vhd_footer_size, offset, w->in->error);

	place->offset = offset;
	if (status < 0)
		return status;
	place->is_present = vhd_footer_present(place->bytes);
	place->status = vhd_footer_decode(&place->footer, place->bytes, offset, false, &place->why);
	return VHDX_OK;
}

static const struct {
	char code[4];
	const char *name;
} creators[] = {
	{ { 'v', 'p', 'c', ' ' }, "Virtual PC" }, { { 'v', 's', ' ', ' ' }, "Virtual Server" },
	{ { 'w', 'i', 'n', ' ' }, "Windows" },    { { 'q', 'e', 'm', 'u' }, "QEMU" },
	{ { 'q', 'e', 'm', '2' }, "QEMU" },       { { 'd', '2', 'v', ' ' }, "Disk2vhd" },
	{ { 'd', '2', 'v', '\0' }, "Disk2vhd" },  { { 't', 'a', 'p', '\0' }, "XenServer" },
	{ { 'C', 'T', 'X', 'S' }, "XenConvert" }, { { 'v', 'b', 'o', 'x' }, "VirtualBox" },
	{ { 'd', 'u', 't', 'l' }, "DiscUtils" },
};

static const char *creator_name(const uint8_t code[4])
{
	for (size_t i = 0; i < sizeof(creators) / sizeof(creators[0]); i++)
		if (memcmp(creators[i].code, code, 4) == 0)
			return creators[i].name;
	return NULL;
}

static void judge_creator(struct inspection *in, const struct vhd_footer *f, uint64_t place)
{
	if (creator_name(f->creator_application) == NULL)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_NONE, place + vhd_footer_creator_application_at,
			       "the program that created the file is not a known one");
	if (f->creator_host_os != VHD_CODE_WI2K && f->creator_host_os != VHD_CODE_MAC)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_021, place + vhd_footer_creator_host_os_at,
			       "creator host OS is neither 'Wi2k' nor 'Mac '");
	if (guid_is_zero(&f->unique_id))
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_030, place + vhd_footer_unique_id_at, "unique id is zero");
}

/* Readers that go by the geometry see another size: VHD-091 to VHD-093. */
static void judge_geometry(struct inspection *in, const struct vhd_footer *f, uint64_t place)
{
	struct vhd_geometry right = vhd_geometry_of(f->current_size), g = f->geometry;
	uint64_t capacity = (uint64_t)g.cylinders * g.heads * g.sectors_per_track * VHD_SECTOR;

	if (g.cylinders != right.cylinders || g.heads != right.heads || g.sectors_per_track != right.sectors_per_track)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_090, place + vhd_footer_cylinders_at,
			       "geometry is %u/%u/%u (%" PRIu64 " bytes), not the %u/%u/%u that the size of %" PRIu64
			       " bytes gives",
			       g.cylinders, g.heads, g.sectors_per_track, capacity, right.cylinders, right.heads,
			       right.sectors_per_track, f->current_size);
}

/* Where the footer says that the disk is: VHD-016 to VHD-018, VHD-035. */
static void judge_place(struct vhd_walk *w)
{
	struct inspection *in = w->in;
	const struct vhd_footer *f = &w->footer;
	uint64_t place = w->footer_offset;

	if (f->disk_type != VHD_DISK_FIXED) {
		if (!inspect_vhd_has_dynamic(in, f))
			inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHD_016, place + vhd_footer_data_offset_at,
				       "the dynamic header at 0x%" PRIx64 " is outside the file", f->data_offset);
		return;
	}
	if (f->data_offset != VHD_NO_OFFSET)
		inspect_broken(in,
			       f->data_offset == 0 || f->data_offset == UINT32_MAX ? VHDX_SEVERITY_NOTE : VHDX_SEVERITY_WARNING,
			       RULE_VHD_017, place + vhd_footer_data_offset_at,
			       "data offset of a fixed disk is 0x%" PRIx64 ", not 64 one bits", f->data_offset);
	if (f->current_size > w->limit)
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHD_035, place + vhd_footer_current_size_at,
			       "current size %" PRIu64 " exceeds the %" PRIu64 " bytes before the footer", f->current_size,
			       w->limit);
	if (f->current_size < w->limit)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_035, f->current_size,
			       "%" PRIu64 " bytes stand between the end of the disk and the footer", w->limit - f->current_size);
}

/* What the footer in use breaks though it is valid. */
static void judge_footer(struct vhd_walk *w)
{
	struct inspection *in = w->in;
	const struct vhd_footer *f = &w->footer;
	uint64_t place = w->footer_offset;

	judge_place(w);
	if ((f->features & 2) == 0)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_011, place + vhd_footer_features_at,
			       "bit 1 of features is clear");
	if ((f->features & 1) != 0)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_013, place + vhd_footer_features_at,
			       "the disk is temporary and may be deleted at shutdown");
	if (f->file_format_version != 0x00010000)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_014, place + vhd_footer_file_format_version_at,
			       "file format version is 0x%08" PRIx32 ", not 0x00010000", f->file_format_version);
	if (f->saved_state > 1)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_032, place + vhd_footer_saved_state_at,
			       "saved state is %u, not 0 or 1", f->saved_state);
	if (f->saved_state == 1)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_032, place + vhd_footer_saved_state_at,
			       "the machine that uses the disk is in saved state");
	judge_creator(in, f, place);
	judge_geometry(in, f, place);
}

/* Of a fixed disk there is no copy. */
static enum vhdx_mend mending(const struct vhd_walk *w)
{
	return w->has_footer && w->footer.disk_type != VHD_DISK_FIXED && !w->in->is_foreign ? VHDX_MEND_FOOTER : VHDX_MEND_NONE;
}

static int tell_footer(struct vhd_walk *w, const struct place *place, unsigned index)
{
	struct inspection *in = w->in;
	const char *name = creator_name(place->bytes + vhd_footer_creator_application_at);
	struct inspect_item item = { .part = VHDX_PART_HEADERS,
				     .id = STRUCTURE_vhd_footer,
				     .index = index,
				     .file_offset = place->offset,
				     .bytes = place->bytes,
				     .note_field = name != NULL ? "creator_application" : NULL,
				     .note = name };

	in->why = place->why;
	if (place->status < 0) {
		inspect_judged(in, w->has_footer ? VHDX_SEVERITY_WARNING : VHDX_SEVERITY_ERROR, place->status);
		inspect_mends(in, mending(w));
	}
	if (place->status == VHDX_OK && (index == END) == w->is_at_end)
		judge_footer(w);
	return inspect_structure(in, &item);
}

/* Decision D-31, as an open does it. Without a valid footer one with a wrong checksum serves, to show the rest. */
static void choose(struct vhd_walk *w, const struct place *places)
{
	const struct place *used = NULL;

	if (places[END].status == VHDX_OK)
		used = &places[END];
	else if (places[FRONT].status == VHDX_OK && places[FRONT].footer.disk_type != VHD_DISK_FIXED)
		used = &places[FRONT];
	w->has_footer = used != NULL;
	w->limit = w->in->size;
	for (unsigned i = 0; used == NULL && i < 2; i++)
		if (places[i].is_present && vhd_footer_decode(&w->footer, places[i].bytes, 0, true, &w->in->why) == VHDX_OK)
			used = &places[i];
	if (used == NULL)
		return;
	if (w->has_footer)
		w->footer = used->footer;
	w->footer_offset = used->offset;
	w->is_at_end = used == &places[END];
	if (w->is_at_end)
		w->limit = used->offset;
}

/* What the two say about each other: VHD-005, VHD-027, VHD-028. */
static int compare(struct vhd_walk *w, const struct place *places)
{
	struct inspection *in = w->in;
	size_t length = (size_t)min_u64(vhd_footer_size, in->size - places[END].offset);

	if (!w->has_footer && !places[END].is_present && !places[FRONT].is_present)
		return inspect_say(in, VHDX_PART_HEADERS, VHDX_SEVERITY_ERROR, RULE_VHD_009, places[END].offset,
				   "there is no footer, neither at the end of the file nor in front");
	if (!w->has_footer || w->footer.disk_type == VHD_DISK_FIXED)
		return VHDX_OK;
	if (!w->is_at_end)
		return inspect_say_mend(in, VHDX_PART_HEADERS, VHDX_SEVERITY_WARNING, mending(w), RULE_VHD_027,
					places[END].offset,
					"the footer at the end of the file is lost; its copy in front is used");
	if (!places[FRONT].is_present)
		return inspect_say_mend(in, VHDX_PART_HEADERS, VHDX_SEVERITY_WARNING, mending(w), RULE_VHD_005, 0,
					"there is no copy of the footer in front");
	w->disagree = places[FRONT].status == VHDX_OK && memcmp(places[END].bytes, places[FRONT].bytes, length) != 0;
	return VHDX_OK;
}

/* Last: where the file has errors, the copy that does not count may be the right one, and is left. */
static int tell_difference(struct vhd_walk *w)
{
	if (!w->disagree)
		return VHDX_OK;
	return inspect_say_mend(w->in, VHDX_PART_HEADERS, VHDX_SEVERITY_WARNING, w->in->has_errors ? VHDX_MEND_NONE : mending(w),
				RULE_VHD_028, 0,
				"the copy of the footer in front differs from the footer at the end; that at the end counts");
}

static int walk(struct vhd_walk *w, struct place *places)
{
	bool shows_front;
	int status = load(w, &places[END], w->in->size - vhd_footer_size);

	if (status == VHDX_OK && !places[END].is_present) { /* VHD-010 */
		status = load(w, &places[END], w->in->size - vhd_footer_size + 1);
		if (status == VHDX_OK && !places[END].is_present)
			places[END].offset--;
	}
	if (status == VHDX_OK)
		status = load(w, &places[FRONT], 0);
	if (status < 0)
		return status;
	choose(w, places);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(w->footers[i], places[i].bytes, vhd_footer_size);
		w->are_valid[i] = places[i].status == VHDX_OK;
	}
	w->is_short = places[END].is_present && places[END].offset + vhd_footer_size > w->in->size;
	shows_front = places[FRONT].is_present && !(w->has_footer && w->footer.disk_type == VHD_DISK_FIXED);
	if (places[END].is_present)
		status = tell_footer(w, &places[END], END);
	if (status == VHDX_OK && shows_front)
		status = tell_footer(w, &places[FRONT], FRONT);
	if (status == VHDX_OK)
		status = compare(w, places);
	if (status < 0 || w->footer.disk_type == VHD_DISK_FIXED)
		return status;
	status = inspect_vhd_dynamic(w);
	if (status == VHDX_OK && w->has_bat)
		status = inspect_vhd_bat(w);
	if (status == VHDX_OK)
		status = tell_difference(w);
	return status == VHDX_OK && w->in->follow != NULL ? w->in->follow->vhd(w->in->follow, w) : status;
}

int inspect_vhd(struct inspection *in)
{
	struct vhd_walk *w = memory_zeroed(&in->env, sizeof(*w));
	struct place *places = memory_zeroed(&in->env, 2 * sizeof(*places));
	int status;

	if (w != NULL && places != NULL) {
		w->in = in;
		w->base.env = &in->env;
		w->base.view = (struct view){ .file = *in->file, .size = in->size };
		status = walk(w, places);
	} else {
		status = fail_memory(in->error);
	}
	memory_release(&in->env, places);
	memory_release(&in->env, w);
	return status;
}
