/* SPDX-License-Identifier: MIT */
/* See source.h. */
#include "source.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

const char SOURCE_HELP[] = "[file=]<FILE>              (required) The image: VHDX or VHD.\n"
			   "format=vhdx|vhd|raw        Its format; VHDX and VHD are found by content.\n"
			   "map=<FROM>=<DIR>           Host directory of a Windows drive or path.\n"
			   "search=<DIR>               Also look for parents in DIR, known by identity.\n"
			   "root=<DIR>                 Open no parent outside DIR.\n"
			   "parent=<FILE>              The next parent; repeat it, nearest first.\n"
			   "share=true                 Take no locks.\n"
			   "no-replay=true             Refuse an image with a pending log.\n"
			   "ignore-checksums=true      Read structures whose checksum is wrong.\n"
			   "ignore-parent-identity=true  Accept a parent whose identity differs.";

/* A growing list of texts, which belong to it. */
struct list {
	char **texts;
	size_t count;
};

static struct {
	char *file;
	char *root;
	enum vhdx_format format;
	unsigned flags;
	struct list parents;
	struct list search;
	struct list map_from;
	struct list map_to;
	struct vhdx_path_map *maps;
} said;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vhdx_disk *disk;
static bool is_writable;

static int errno_of(int status)
{
	switch (status) {
	case VHDX_E_NO_SPACE: return ENOSPC;
	case VHDX_E_NO_MEMORY: return ENOMEM;
	case VHDX_E_READ_ONLY: return EROFS;
	case VHDX_E_RANGE:
	case VHDX_E_ARGUMENT: return EINVAL;
	case VHDX_E_DEAD: return ESHUTDOWN;
	default: return EIO;
	}
}

int source_error(const struct vhdx_error *error)
{
	char text[1400];

	nbdkit_error("%s", vhdx_error_text(error, text, sizeof(text)));
	nbdkit_set_error(errno_of(error->status));
	return -1;
}

/* Takes `text`, which may be NULL after a failure that has been told. */
static int list_add(struct list *list, char *text)
{
	char **texts = text == NULL ? NULL : realloc(list->texts, (list->count + 1) * sizeof(*texts));

	if (texts == NULL) {
		if (text != NULL)
			nbdkit_error("out of memory");
		free(text);
		return -1;
	}
	texts[list->count++] = text;
	list->texts = texts;
	return 0;
}

static void list_release(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->texts[i]);
	free(list->texts);
	*list = (struct list){ NULL, 0 };
}

/* nbdkit leaves its directory when it goes into the background, so no path stays relative. */
static int set_path(char **out, const char *key, const char *value)
{
	if (*out != NULL) {
		nbdkit_error("%s= can be said only once", key);
		return -1;
	}
	*out = nbdkit_absolute_path(value);
	return *out == NULL ? -1 : 0;
}

static int set_format(const char *value)
{
	static const struct {
		const char *name;
		enum vhdx_format format;
	} formats[] = { { "vhdx", VHDX_FORMAT_VHDX }, { "vhd", VHDX_FORMAT_VHD }, { "raw", VHDX_FORMAT_RAW } };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(value, formats[i].name) == 0) {
			said.format = formats[i].format;
			return 0;
		}
	}
	nbdkit_error("the format of an image is vhdx, vhd or raw, not '%s'", value);
	return -1;
}

static int add_map(const char *value)
{
	const char *equals = strchr(value, '=');

	if (equals == NULL || equals == value || equals[1] == '\0') {
		nbdkit_error("map= wants FROM=DIR, not '%s'", value);
		return -1;
	}
	if (list_add(&said.map_from, strndup(value, (size_t)(equals - value))) != 0)
		return -1;
	return list_add(&said.map_to, nbdkit_absolute_path(equals + 1));
}

static int set_flag(unsigned flag, const char *value)
{
	int on = nbdkit_parse_bool(value);

	if (on < 0)
		return -1;
	said.flags = on ? said.flags | flag : said.flags & ~flag;
	return 0;
}

int source_config(const char *key, const char *value)
{
	static const struct {
		const char *key;
		unsigned flag;
	} flags[] = { { "share", VHDX_OPEN_NO_LOCK },
		      { "no-replay", VHDX_OPEN_NO_REPLAY },
		      { "ignore-checksums", VHDX_OPEN_IGNORE_CHECKSUMS },
		      { "ignore-parent-identity", VHDX_OPEN_IGNORE_PARENT_IDENTITY } };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(key, flags[i].key) == 0)
			return set_flag(flags[i].flag, value);
	if (strcmp(key, "file") == 0)
		return set_path(&said.file, key, value);
	if (strcmp(key, "root") == 0)
		return set_path(&said.root, key, value);
	if (strcmp(key, "format") == 0)
		return set_format(value);
	if (strcmp(key, "map") == 0)
		return add_map(value);
	if (strcmp(key, "search") == 0)
		return list_add(&said.search, nbdkit_absolute_path(value));
	if (strcmp(key, "parent") == 0)
		return list_add(&said.parents, nbdkit_absolute_path(value));
	nbdkit_error("unknown parameter '%s'", key);
	return -1;
}

int source_complete(void)
{
	if (said.file == NULL) {
		nbdkit_error("the image is missing: nbdkit vhdx FILE");
		return -1;
	}
	said.maps = calloc(said.map_to.count + 1, sizeof(*said.maps));
	if (said.maps == NULL) {
		nbdkit_error("out of memory");
		return -1;
	}
	for (size_t i = 0; i < said.map_to.count; i++)
		said.maps[i] = (struct vhdx_path_map){ .from = said.map_from.texts[i], .to = said.map_to.texts[i] };
	return 0;
}

static int open_parents(struct vhdx_file *files, unsigned flags, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (size_t i = 0; i < said.parents.count && status == VHDX_OK; i++)
		status = vhdx_file_open(&files[i], said.parents.texts[i], flags, error);
	return status;
}

static int open_disk(vhdx_disk **out, bool writable, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_file *files = calloc(said.parents.count + 1, sizeof(*files));
	int status;

	if (files == NULL) {
		*error = (struct vhdx_error){ .status = VHDX_E_NO_MEMORY,
					      .file_offset = VHDX_NO_OFFSET,
					      .message = "out of memory" };
		return VHDX_E_NO_MEMORY;
	}
	resolver.root = said.root;
	resolver.maps = said.maps;
	resolver.map_count = said.map_to.count;
	resolver.search = (const char *const *)said.search.texts;
	resolver.search_count = said.search.count;
	resolver.file_flags = said.flags & VHDX_OPEN_NO_LOCK ? VHDX_FILE_NO_LOCK : 0;
	options.flags = said.flags | (writable ? VHDX_OPEN_WRITE : 0);
	options.format = said.format;
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = &resolver;
	options.parents = files;
	options.parent_count = said.parents.count;
	status = open_parents(files, resolver.file_flags, error);
	if (status == VHDX_OK)
		status = vhdx_open(out, said.file, &options, error);
	for (size_t i = 0; status != VHDX_OK && i < said.parents.count; i++)
		vhdx_file_close(&files[i]);
	free(files);
	return status;
}

int source_check(void)
{
	int status = source_start();

	(void)vhdx_close(disk);
	disk = NULL;
	return status;
}

int source_start(void)
{
	struct vhdx_error error;

	return open_disk(&disk, false, &error) == VHDX_OK ? 0 : source_error(&error);
}

/* Under the lock. Nobody reads the disk yet that is exchanged here. */
static int reopen_for_writing(void)
{
	struct vhdx_error error;
	vhdx_disk *writable;

	(void)vhdx_close(disk); /* its lock would be in our way */
	disk = NULL;
	if (open_disk(&writable, true, &error) != VHDX_OK)
		return source_error(&error);
	disk = writable;
	is_writable = true;
	return 0;
}

vhdx_disk *source_connect(bool readonly)
{
	static bool connected;
	vhdx_disk *answer = NULL;
	int status = 0;

	(void)pthread_mutex_lock(&lock);
	if (disk == NULL || (!connected && !readonly))
		status = readonly ? source_start() : reopen_for_writing();
	if (status == 0) {
		connected = true;
		answer = disk;
	}
	(void)pthread_mutex_unlock(&lock);
	return answer;
}

bool source_is_writable(void)
{
	return is_writable;
}

void source_close(void)
{
	int status = vhdx_close(disk);

	disk = NULL;
	if (status != VHDX_OK)
		nbdkit_error("%s: closing it failed (%s); what was flushed is safe", said.file, vhdx_status_name(status));
}

void source_release(void)
{
	source_close();
	list_release(&said.parents);
	list_release(&said.search);
	list_release(&said.map_from);
	list_release(&said.map_to);
	free(said.maps);
	free(said.root);
	free(said.file);
}
