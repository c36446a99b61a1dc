/* SPDX-License-Identifier: MIT */
/* vhdx-set: identifier, physical sector size, parent and metadata items of an image. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"
#include "sys.h"
#include "tool.h"

static const char HELP[] =
	"usage: vhdx-set [options] FILE\n"
	"\n"
	"Changes what is said about a disk, never what is on it.\n"
	"\n"
	"  -p, --parent FILE         the parent has moved: store where FILE is. It must be the parent by its identity.\n"
	"      --any-parent          take FILE also when its identity is another one; you vouch that its content is the same\n"
	"      --parent-relative TEXT, --parent-absolute TEXT, --parent-volume TEXT\n"
	"                            store these texts for the parent instead; nothing is opened or checked\n"
	"      --disk-id GUID        the disk identifier (VHDX), or the unique id (VHD); \"new\" for a random one\n"
	"      --physical-sector SIZE    512 or 4096 (VHDX)\n"
	"      --item GUID=FILE      a metadata item of users with the bytes of FILE (VHDX); it goes with the disk\n"
	"      --file-item GUID=FILE the same, of this file alone\n"
	"      --remove-item GUID    takes an item away\n"
	"  -q, --quiet               print nothing\n"
	"  -h, --help                print this\n"
	"      --version             print the version\n";

enum {
	OPT_VERSION = 1,
	OPT_ANY,
	OPT_RELATIVE,
	OPT_ABSOLUTE,
	OPT_VOLUME,
	OPT_ID,
	OPT_PHYSICAL,
	OPT_ITEM,
	OPT_FILE_ITEM,
	OPT_REMOVE_ITEM
};

static const struct option options[] = {
	{ "parent", 1, NULL, 'p' },
	{ "any-parent", 0, NULL, OPT_ANY },
	{ "parent-relative", 1, NULL, OPT_RELATIVE },
	{ "parent-absolute", 1, NULL, OPT_ABSOLUTE },
	{ "parent-volume", 1, NULL, OPT_VOLUME },
	{ "disk-id", 1, NULL, OPT_ID },
	{ "physical-sector", 1, NULL, OPT_PHYSICAL },
	{ "item", 1, NULL, OPT_ITEM },
	{ "file-item", 1, NULL, OPT_FILE_ITEM },
	{ "remove-item", 1, NULL, OPT_REMOVE_ITEM },
	{ "quiet", 0, NULL, 'q' },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *image;
	const char *parent;
	struct vhdx_settings settings;
	struct vhdx_guid disk_id;
	struct vhdx_guid parent_identity;
	struct items items;
	bool any_parent;
	bool quiet;
	bool help;
	bool version;
};

static int take_id(struct request *request, const char *text)
{
	struct vhdx_error error;
	int status = strcmp(text, "new") == 0 ? vhdx_guid_random(&request->disk_id, &error)
					      : vhdx_guid_parse(&request->disk_id, text);

	if (status != VHDX_OK)
		return tool_usage("\"%s\" is no GUID", text);
	request->settings.disk_id = &request->disk_id;
	return TOOL_DONE;
}

static int take_physical(struct request *request, const char *text)
{
	uint64_t size;

	if (!tool_parse_size(text, &size) || (size != 512 && size != 4096))
		return tool_usage("the physical sector size is 512 or 4096, not \"%s\"", text);
	request->settings.physical_sector_size = (uint32_t)size;
	return TOOL_DONE;
}

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case 'p': request->parent = optarg; return TOOL_DONE;
	case OPT_ANY: request->any_parent = true; return TOOL_DONE;
	case OPT_RELATIVE: request->settings.parent_relative = optarg; return TOOL_DONE;
	case OPT_ABSOLUTE: request->settings.parent_absolute = optarg; return TOOL_DONE;
	case OPT_VOLUME: request->settings.parent_volume = optarg; return TOOL_DONE;
	case OPT_ID: return take_id(request, optarg);
	case OPT_PHYSICAL: return take_physical(request, optarg);
	case OPT_ITEM: return items_add(&request->items, optarg, false, false);
	case OPT_FILE_ITEM: return items_add(&request->items, optarg, true, false);
	case OPT_REMOVE_ITEM: return items_add(&request->items, optarg, false, true);
	case 'q': request->quiet = true; return TOOL_DONE;
	case 'h': request->help = true; return TOOL_DONE;
	case OPT_VERSION: request->version = true; return TOOL_DONE;
	default: return tool_bad_option(option, argv);
	}
}

static bool has_texts(const struct request *request)
{
	const struct vhdx_settings *s = &request->settings;

	return s->parent_relative != NULL || s->parent_absolute != NULL || s->parent_volume != NULL;
}

/* Beside items. */
static bool has_settings(const struct request *request)
{
	return request->parent != NULL || has_texts(request) || request->settings.disk_id != NULL ||
	       request->settings.physical_sector_size != 0;
}

static int parse(struct request *request, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, ":p:qh", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (argc - optind != 1)
		return tool_usage("wants one FILE");
	request->image = argv[optind];
	if (request->parent != NULL && has_texts(request))
		return tool_usage("--parent makes the texts itself");
	if (request->any_parent && request->parent == NULL)
		return tool_usage("--any-parent needs --parent");
	if (!has_settings(request) && request->items.first == NULL)
		return tool_usage("nothing to change was given");
	return TOOL_DONE;
}

static bool is_level(const vhdx_disk *chain, const char *path)
{
	struct sys_identity own, other;

	sys_identify(&own, path, true);
	for (unsigned level = 0; level < vhdx_depth(chain); level++) {
		sys_identify(&other, vhdx_level_file(chain, level)->name, true);
		if (sys_same(&own, &other))
			return true;
	}
	return false;
}

/* The whole chain from the parent on must open: what is stored shall serve. */
static int judge_parent(struct request *request, const struct vhdx_info *child)
{
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	char wanted[VHDX_GUID_TEXT_SIZE], found[VHDX_GUID_TEXT_SIZE];
	struct vhdx_error error;
	vhdx_disk *parent;
	bool is_own;
	int status;

	open.open_parent = vhdx_resolve_parent;
	status = vhdx_open(&parent, request->parent, &open, &error);
	if (status != VHDX_OK)
		return tool_error(&error);
	status = vhdx_get_info(parent, 0, &info, &error);
	is_own = is_level(parent, request->image);
	vhdx_close(parent);
	if (status != VHDX_OK)
		return tool_error(&error);
	if (is_own)
		return tool_fail("%s: is the disk itself, or has it among its parents", request->parent);
	if (info.logical_sector_size != child->logical_sector_size)
		return tool_fail("%s: has sectors of %u bytes, a parent of this disk must have %u", request->parent,
				 info.logical_sector_size, child->logical_sector_size);
	request->settings.parent_file = request->parent;
	if (info.format != child->format)
		return tool_fail("%s: is a %s, the parent of a %s must be one too", request->parent,
				 vhdx_format_name(info.format), vhdx_format_name(child->format));
	if (memcmp(&info.data_identity, &child->parent_identity, sizeof(info.data_identity)) == 0)
		return TOOL_DONE;
	vhdx_guid_format(&info.data_identity, found);
	vhdx_guid_format(&child->parent_identity, wanted);
	if (!request->any_parent)
		return tool_fail("%s: is {%s}, not the parent {%s}: another disk, or changed since; see --any-parent",
				 request->parent, found, wanted);
	request->parent_identity = info.data_identity;
	request->settings.parent_identity = &request->parent_identity;
	return TOOL_DONE;
}

/* The parent is judged before the file is opened for writing, which could replay its log. */
static int look(struct request *request)
{
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int status;

	open.flags = VHDX_OPEN_NO_PARENTS;
	status = vhdx_open(&disk, request->image, &open, &error);
	if (status != VHDX_OK)
		return tool_error(&error);
	status = vhdx_get_info(disk, 0, &info, &error);
	vhdx_close(disk);
	if (status != VHDX_OK)
		return tool_error(&error);
	if ((request->parent != NULL || has_texts(request)) && info.type != VHDX_TYPE_DIFFERENCING)
		return tool_fail("%s: is %s and has no parent", request->image, vhdx_type_name(info.type));
	return request->parent != NULL ? judge_parent(request, &info) : TOOL_DONE;
}

static int change(struct request *request)
{
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int result = TOOL_DONE, closed;

	open.flags = VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS;
	if (vhdx_open(&disk, request->image, &open, &error) != VHDX_OK)
		return tool_error(&error);
	if (has_settings(request) && vhdx_set(disk, &request->settings, &error) != VHDX_OK)
		result = tool_error(&error);
	if (result == TOOL_DONE)
		result = items_apply(&request->items, disk);
	closed = vhdx_close(disk);
	if (result != TOOL_DONE)
		return result;
	if (closed != VHDX_OK)
		return tool_fail("%s: changed, but closing it failed: %s", request->image, vhdx_status_name(closed));
	if (!request->quiet)
		printf("%s: changed\n", request->image);
	return TOOL_DONE;
}

int main(int argc, char **argv)
{
	struct request request = { .settings = VHDX_SETTINGS_INIT };
	int result;

	tool_begin("vhdx-set", &argc, &argv);
	result = parse(&request, argc, argv);
	if (result == TOOL_DONE && request.version)
		return tool_end(tool_version());
	if (result == TOOL_DONE && request.help) {
		printf("%s", HELP);
		return tool_end(TOOL_DONE);
	}
	if (result == TOOL_DONE)
		result = items_read(&request.items);
	if (result == TOOL_DONE)
		result = look(&request);
	if (result == TOOL_DONE)
		result = change(&request);
	items_release(&request.items);
	return tool_end(result);
}
