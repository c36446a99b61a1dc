/* SPDX-License-Identifier: MIT */
/*
 * --chain: every file of the chain in detail, with the paths to its parent that it stores; when the chain is broken, the first
 * file alone and every path that was tried, with the reason why it was not taken.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"

static const char *path_kind_name(enum vhdx_path_kind kind)
{
	switch (kind) {
	case VHDX_PATH_RELATIVE: return "relative";
	case VHDX_PATH_VOLUME: return "volume";
	case VHDX_PATH_ABSOLUTE: return "absolute";
	case VHDX_PATH_URL: return "url";
	case VHDX_PATH_NAME: return "name";
	}
	return "unknown";
}

static const char *log_state_name(enum vhdx_log_state state)
{
	switch (state) {
	case VHDX_LOG_NONE: return "none";
	case VHDX_LOG_CLEAN: return "clean";
	case VHDX_LOG_REPLAYED_IN_MEMORY: return "pending";
	case VHDX_LOG_LOST: return "lost";
	}
	return "unknown";
}

/* The library has checked the identities of a chain that it opened, unless it was told not to. */
bool chain_is_linked(const struct inspect *inspect, unsigned level)
{
	struct vhdx_info child = VHDX_INFO_INIT, parent = VHDX_INFO_INIT;

	if (level == 0 || !(inspect->open.flags & VHDX_OPEN_IGNORE_PARENT_IDENTITY))
		return true;
	if (vhdx_get_info(inspect->disk, level - 1, &child, NULL) != VHDX_OK ||
	    vhdx_get_info(inspect->disk, level, &parent, NULL) != VHDX_OK)
		return false;
	return memcmp(&child.parent_identity, &parent.data_identity, sizeof(child.parent_identity)) == 0;
}

static void put_guid(struct json *json, const char *key, const struct vhdx_guid *guid, bool is_known)
{
	json_string(json, key, is_known ? text_guid(guid).text : NULL);
}

static void put_log(struct json *json, const struct vhdx_info *info)
{
	json_object(json, "log", true);
	json_string(json, "state", log_state_name(info->log_state));
	json_number(json, "entries", info->log_entries);
	json_number(json, "offset", info->log_offset);
	json_number(json, "length", info->log_length);
	json_close(json);
}

static void put_vhd(struct json *json, const struct vhdx_info *info)
{
	if (info->format != VHDX_FORMAT_VHD) {
		json_null(json, "vhd");
		return;
	}
	json_object(json, "vhd", true);
	json_number(json, "created", info->created);
	json_number(json, "original_size", info->original_size);
	json_number(json, "cylinders", info->cylinders);
	json_number(json, "heads", info->heads);
	json_number(json, "sectors_per_track", info->sectors_per_track);
	json_bool(json, "saved_state", info->saved_state);
	json_bool(json, "footer_copy_used", info->footer_copy_used);
	json_close(json);
}

void chain_level_json(struct json *json, const struct vhdx_info *info, const char *key)
{
	bool is_vhdx = info->format == VHDX_FORMAT_VHDX, is_raw = info->format == VHDX_FORMAT_RAW;

	json_object(json, key, false);
	json_string(json, "file", info->file_name);
	json_string(json, "format", vhdx_format_name(info->format));
	json_string(json, "type", vhdx_type_name(info->type));
	json_number(json, "virtual_size", info->virtual_size);
	json_number(json, "file_size", info->file_size);
	json_number(json, "block_size", info->block_size);
	json_number(json, "block_count", info->block_count);
	json_number(json, "logical_sector_size", info->logical_sector_size);
	json_number(json, "physical_sector_size", info->physical_sector_size);
	put_guid(json, "disk_id", &info->disk_id, !is_raw);
	put_guid(json, "data_identity", &info->data_identity, !is_raw);
	put_guid(json, "file_write_guid", &info->file_write_guid, is_vhdx);
	put_guid(json, "parent_identity", &info->parent_identity, info->type == VHDX_TYPE_DIFFERENCING);
	json_string(json, "creator", info->creator);
	put_log(json, info);
	put_vhd(json, info);
	json_close(json);
}

static void level_json(struct inspect *inspect, unsigned level, const struct vhdx_info *info)
{
	struct json *json = &inspect->json;
	const struct vhdx_parent_path *paths;
	size_t count = 0;

	json_object(json, NULL, false);
	json_number(json, "level", level);
	chain_level_json(json, info, "image");
	if (level)
		json_bool(json, "identity_matches", chain_is_linked(inspect, level));
	else
		json_null(json, "identity_matches");
	json_bool(json, "parent_time_stamp_differs", info->parent_time_stamp_differs);
	json_array(json, "parent_paths", false);
	paths = vhdx_parent_paths(inspect->disk, level, &count);
	for (size_t i = 0; i < count; i++) {
		json_object(json, NULL, true);
		json_string(json, "kind", path_kind_name(paths[i].kind));
		json_string(json, "path", paths[i].text);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

static void chain_json(struct inspect *inspect)
{
	struct json *json = inspect_section(inspect);
	struct vhdx_info info = VHDX_INFO_INIT;
	unsigned depth = vhdx_depth(inspect->disk);

	json_object(json, "chain", false);
	json_array(json, "levels", false);
	for (unsigned level = 0; level < depth && vhdx_get_info(inspect->disk, level, &info, NULL) == VHDX_OK; level++)
		level_json(inspect, level, &info);
	json_close(json);
	json_bool(json, "complete", info.type != VHDX_TYPE_DIFFERENCING);
	json_array(json, "attempts", false);
	for (size_t i = 0; i < inspect->attempt_count; i++) {
		const struct attempt *attempt = &inspect->attempts[i];

		json_object(json, NULL, true);
		json_number(json, "child_level", attempt->child_level);
		json_string(json, "path", attempt->path);
		json_string(json, "status", attempt->status == VHDX_OK ? "accepted" : vhdx_status_name(attempt->status));
		json_string(json, "reason", attempt->reason);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

/* What connects a level with its parent, which is the next one. */
static void link_text(const struct inspect *inspect, unsigned level, const struct vhdx_info *info, bool parent_is_open)
{
	const struct vhdx_parent_path *paths;
	size_t count = 0;

	if (info->type != VHDX_TYPE_DIFFERENCING)
		return;
	text_line("  Parent", "%s", text_guid(&info->parent_identity).text);
	paths = vhdx_parent_paths(inspect->disk, level, &count);
	for (size_t i = 0; i < count; i++)
		text_line("", "%-9s %s", path_kind_name(paths[i].kind), text_clean(paths[i].text).text);
	if (!parent_is_open)
		text_line("  Parent state", inspect->alone ? "missing or refused" : "not opened");
	else if (!chain_is_linked(inspect, level + 1))
		text_line("  Parent state", "IDENTITY DIFFERS");
	else
		text_line("  Parent state",
			  info->parent_time_stamp_differs ? "identity matches, time stamp differs" : "identity matches");
}

static void level_text(const struct inspect *inspect, unsigned level, const struct vhdx_info *info, bool parent_is_open)
{
	printf("%sLevel %u: %s\n", level ? "\n" : "", level, text_clean(info->file_name ? info->file_name : "-").text);
	text_line("  Format", "%s, %s", vhdx_format_name(info->format), vhdx_type_name(info->type));
	text_line("  Virtual size", "%s", text_exact(info->virtual_size).text);
	text_line("  File size", "%s", text_exact(info->file_size).text);
	text_line("  Sectors", "%u bytes logical, %u bytes physical", (unsigned)info->logical_sector_size,
		  (unsigned)info->physical_sector_size);
	if (info->block_size)
		text_line("  Block size", "%s", text_size(info->block_size).text);
	if (info->format != VHDX_FORMAT_RAW)
		text_line("  Identity", "%s", text_guid(&info->data_identity).text);
	if (info->log_state == VHDX_LOG_REPLAYED_IN_MEMORY)
		text_line("  Log", "pending, replayed in memory");
	link_text(inspect, level, info, parent_is_open);
}

static void attempts_text(const struct inspect *inspect)
{
	if (inspect->attempt_count == 0)
		return;
	fputs("\nTried\n", stdout);
	for (size_t i = 0; i < inspect->attempt_count; i++) {
		const struct attempt *attempt = &inspect->attempts[i];

		printf("  for level %u: %s: %s\n", attempt->child_level, text_clean(attempt->path).text,
		       attempt->status == VHDX_OK ? "accepted" : text_clean(attempt->reason).text);
	}
}

void chain_show(struct inspect *inspect)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	unsigned depth = vhdx_depth(inspect->disk);

	if (inspect->as_json) {
		chain_json(inspect);
		return;
	}
	inspect_section(inspect);
	for (unsigned level = 0; level < depth && vhdx_get_info(inspect->disk, level, &info, NULL) == VHDX_OK; level++)
		level_text(inspect, level, &info, level + 1 < depth);
	attempts_text(inspect);
}
