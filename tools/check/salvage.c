/* SPDX-License-Identifier: MIT */
/* See salvage.h. */
#include "salvage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "sys.h"

enum kind { PRESENT, ZERO, LOST, IN_PARENT, KINDS };
enum { PIECE = 4096, LINE = 80 };

static const char log_lost[] = "the log is lost: blocks may hold other or older content";
static const char bat_guessed[] = "the BAT was found by its content: blocks may be wrong";
static const char *const names[KINDS] = { "present", "zero", "lost", "parent" };

struct bad {
	uint64_t offset, length;
};

struct salvage {
	const struct request *request;
	struct vhdx_source disk;
	struct bad *bad; /* what could not be read, in order */
	size_t bad_count;
	uint64_t bytes[KINDS], places[KINDS];
	bool log_is_lost, bat_is_guessed; /* of one file of the chain */
	/* the map */
	struct vhdx_file map;
	uint64_t map_end;
	struct json json;
	/* the run that is not written yet */
	enum kind kind;
	uint64_t offset, length;
};

static int note_bad(struct salvage *s, uint64_t offset, uint64_t length)
{
	struct bad *last = s->bad_count == 0 ? NULL : &s->bad[s->bad_count - 1];

	if (last != NULL && last->offset + last->length == offset) {
		last->length += length;
		return VHDX_OK;
	}
	s->bad = tool_allocate(s->bad, (s->bad_count + 1) * sizeof(*s->bad));
	s->bad[s->bad_count++] = (struct bad){ offset, length };
	return VHDX_OK;
}

/* Where the host fails to read, piece by piece; what cannot be read becomes zeros. */
static int read_disk(void *context, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	struct salvage *s = context;
	uint8_t *p = buffer;
	int status = s->disk.read(s->disk.context, buffer, length, offset, error);

	if (status != VHDX_E_IO)
		return status;
	for (size_t part; length != 0; p += part, offset += part, length -= part) {
		part = length < PIECE ? length : PIECE;
		status = s->disk.read(s->disk.context, p, part, offset, error);
		if (status == VHDX_OK)
			continue;
		if (status != VHDX_E_IO)
			return status;
		memset(p, 0, part);
		(void)note_bad(s, offset, part);
	}
	return VHDX_OK;
}

static int extent_of(void *context, struct vhdx_extent *out, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	struct salvage *s = context;
	int status = s->disk.extent(s->disk.context, out, offset, length, error);

	if (status == VHDX_E_IO) { /* not even where it is can be read */
		uint64_t part = length < PIECE ? length : PIECE;

		*out = (struct vhdx_extent){ .disk_offset = offset, .length = part, .kind = VHDX_EXTENT_HOLE };
		return note_bad(s, offset, part);
	}
	if (status == VHDX_OK && out->kind != VHDX_EXTENT_DATA)
		out->kind = VHDX_EXTENT_HOLE;
	return status;
}

/* The map */

static int write_line(struct salvage *s, const char *line, size_t length)
{
	struct vhdx_error error;

	while (length != 0 && s->map.io != NULL) {
		int64_t done = s->map.io->write(s->map.handle, line, length, s->map_end, &error);

		if (done <= 0)
			return tool_fail("%s: cannot be written", s->map.name);
		s->map_end += (uint64_t)done;
		line += done;
		length -= (size_t)done;
	}
	return TOOL_DONE;
}

static int end_run(struct salvage *s)
{
	char line[LINE];
	int length;

	if (s->length == 0)
		return TOOL_DONE;
	s->places[s->kind]++;
	if (s->request->json) {
		json_object(&s->json, NULL, true);
		json_number(&s->json, "offset", s->offset);
		json_number(&s->json, "length", s->length);
		json_string(&s->json, "state", names[s->kind]);
		json_close(&s->json);
	}
	length = snprintf(line, sizeof(line), "0x%" PRIx64 " 0x%" PRIx64 " %s\n", s->offset, s->length, names[s->kind]);
	s->length = 0;
	return write_line(s, line, (size_t)length);
}

static int add_run(struct salvage *s, enum kind kind, uint64_t offset, uint64_t length)
{
	int result = TOOL_DONE;

	s->bytes[kind] += length;
	if (s->length == 0 || s->kind != kind) {
		result = end_run(s);
		s->kind = kind;
		s->offset = offset;
	}
	s->length += length;
	return result;
}

static enum kind kind_of(const struct vhdx_extent *extent)
{
	switch (extent->kind) {
	case VHDX_EXTENT_DATA: return PRESENT;
	case VHDX_EXTENT_ZERO:
	case VHDX_EXTENT_HOLE: return ZERO;
	case VHDX_EXTENT_PARENT: return IN_PARENT;
	case VHDX_EXTENT_LOST: break;
	}
	return LOST;
}

static int map_all(struct salvage *s)
{
	int result = TOOL_DONE;
	size_t bad = 0;

	for (uint64_t at = 0; result == TOOL_DONE && at < s->disk.size;) {
		struct vhdx_extent extent;
		struct vhdx_error error;
		uint64_t length = s->disk.size - at;
		enum kind kind = LOST;

		while (bad < s->bad_count && s->bad[bad].offset + s->bad[bad].length <= at)
			bad++;
		if (bad < s->bad_count && s->bad[bad].offset <= at) {
			length = s->bad[bad].offset + s->bad[bad].length - at;
		} else {
			if (bad < s->bad_count && length > s->bad[bad].offset - at)
				length = s->bad[bad].offset - at;
			if (s->disk.extent(s->disk.context, &extent, at, length, &error) == VHDX_OK) {
				length = extent.length;
				kind = kind_of(&extent);
			} else if (length > PIECE) {
				length = PIECE;
			}
		}
		result = add_run(s, kind, at, length);
		at += length;
	}
	return result == TOOL_DONE ? end_run(s) : result;
}

static int map_doubt(struct salvage *s, bool is_so, const char *text)
{
	char line[LINE];

	return is_so ? write_line(s, line, (size_t)snprintf(line, sizeof(line), "# %s\n", text)) : TOOL_DONE;
}

/* What is told of all that is present, before the runs. */
static int map_doubts(struct salvage *s)
{
	int result = map_doubt(s, s->log_is_lost, log_lost);

	return result == TOOL_DONE ? map_doubt(s, s->bat_is_guessed, bat_guessed) : result;
}

static void find_doubts(struct salvage *s, const vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	for (unsigned level = 0; level < vhdx_depth(disk); level++)
		if (vhdx_get_info(disk, level, &info, NULL) == VHDX_OK) {
			s->log_is_lost = s->log_is_lost || info.log_state == VHDX_LOG_LOST;
			s->bat_is_guessed = s->bat_is_guessed || info.bat_is_guessed;
		}
}

static void begin_json(struct salvage *s, const char *image)
{
	if (!s->request->json)
		return;
	json_begin(&s->json, stdout);
	json_object(&s->json, NULL, false);
	json_string(&s->json, "file", image);
	json_string(&s->json, "salvaged", s->request->salvage);
	json_number(&s->json, "size", s->disk.size);
	json_bool(&s->json, "log_is_lost", s->log_is_lost);
	json_bool(&s->json, "bat_is_guessed", s->bat_is_guessed);
	json_array(&s->json, "map", false);
}

static int end_json(struct salvage *s)
{
	if (!s->request->json)
		return TOOL_DONE;
	json_close(&s->json);
	for (unsigned kind = 0; kind < KINDS; kind++)
		json_number(&s->json, names[kind], s->bytes[kind]);
	json_number(&s->json, "unreadable_places", s->bad_count);
	json_close(&s->json);
	json_end(&s->json);
	return TOOL_DONE;
}

static void say(const struct salvage *s)
{
	char text[32];

	if (s->request->json || s->request->quiet)
		return;
	printf("%s: ", s->request->salvage);
	for (unsigned kind = 0; kind < KINDS; kind++)
		if (s->places[kind] != 0 || kind < IN_PARENT)
			printf("%s%s %s", kind == 0 ? "" : ", ", tool_format_size(s->bytes[kind], text, sizeof(text)),
			       kind == IN_PARENT ? "in a parent that is missing" : names[kind]);
	printf("; %s tells where\n", s->map.name);
	if (s->log_is_lost)
		printf("%s: %s\n", s->request->salvage, log_lost);
	if (s->bat_is_guessed)
		printf("%s: %s\n", s->request->salvage, bat_guessed);
}

/* Opens the map: OUT.map. */
static int begin_map(struct salvage *s)
{
	size_t size = strlen(s->request->salvage) + 5;
	char *path = tool_allocate(NULL, size);
	struct vhdx_error error;
	int status;

	snprintf(path, size, "%s.map", s->request->salvage);
	status = vhdx_file_open(&s->map, path, VHDX_FILE_CREATE | VHDX_FILE_WRITE, &error);
	free(path);
	return status == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

static int create(struct salvage *s, const vhdx_disk *disk)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_source source = { s, s->disk.size, read_disk, extent_of, NULL };
	struct vhdx_info info = VHDX_INFO_INIT;
	struct progress progress = s->request->progress;
	struct vhdx_error error;
	int status;

	progress.label = s->request->salvage;
	options.format = name_format(s->request->salvage);
	options.format = options.format == VHDX_FORMAT_ANY ? VHDX_FORMAT_RAW : options.format;
	if (options.format == VHDX_FORMAT_VHDX && vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK) {
		options.logical_sector_size = info.logical_sector_size;
		options.physical_sector_size = info.physical_sector_size;
	}
	options.source = &source;
	options.on_progress = progress_step;
	options.on_progress_context = &progress;
	status = vhdx_create(s->request->salvage, &options, &error);
	progress_end(&progress);
	if (status == VHDX_E_CANCELLED)
		return tool_fail("%s: interrupted", s->request->salvage);
	return status == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

static int export_disk(struct salvage *s, const char *image, const vhdx_disk *disk)
{
	char *map_name;
	int result = begin_map(s);

	if (result != TOOL_DONE)
		return result;
	map_name = tool_allocate(NULL, strlen(s->map.name) + 1);
	memcpy(map_name, s->map.name, strlen(s->map.name) + 1);
	result = create(s, disk);
	if (result == TOOL_DONE) {
		begin_json(s, image);
		result = map_doubts(s);
		if (result == TOOL_DONE)
			result = map_all(s);
		if (result == TOOL_DONE)
			result = end_json(s);
		if (result == TOOL_DONE)
			say(s);
		else
			(void)sys_remove(s->request->salvage);
	}
	vhdx_file_close(&s->map);
	if (result != TOOL_DONE)
		(void)sys_remove(map_name);
	free(map_name);
	return result;
}

int salvage(const struct request *request, const char *image)
{
	struct salvage *s = tool_allocate(NULL, sizeof(*s));
	struct tool_open open = request->open;
	struct vhdx_error error;
	vhdx_disk *disk;
	int result;

	memset(s, 0, sizeof(*s));
	s->request = request;
	open.flags |= VHDX_OPEN_SALVAGE;
	open.attempts = NULL;
	if (tool_try_open(&disk, image, &open, &error) != VHDX_OK) {
		result = tool_open_failed(&open, &error);
	} else {
		vhdx_disk_source(&s->disk, disk);
		find_doubts(s, disk);
		result = export_disk(s, image, disk);
		(void)vhdx_close(disk);
		if (result == TOOL_DONE && (s->bytes[LOST] + s->bytes[IN_PARENT] != 0 || s->log_is_lost || s->bat_is_guessed))
			result = TOOL_DAMAGED;
	}
	free(open.attempts);
	free(s->bad);
	free(s);
	return result;
}
