/* SPDX-License-Identifier: MIT */
/* The overview as the member "overview" of the JSON answer; the manual page documents every member. */
#include "inspect.h"

static void put_size(struct json *json, const char *key, uint64_t size)
{
	if (size)
		json_number(json, key, size);
	else
		json_null(json, key);
}

static void put_file(struct json *json, const struct overview *overview)
{
	const struct occupancy *host = &overview->occupancy;

	json_number(json, "file_size", host->known ? host->size : overview->info.file_size);
	if (host->known)
		json_number(json, "allocated_on_host", host->allocated);
	else
		json_null(json, "allocated_on_host");
	put_size(json, "minimum_size", overview->content.minimum_size);
}

static void put_pieces(struct json *json, const struct pieces *pieces)
{
	if (!pieces->known) {
		json_null(json, "host_extents");
		return;
	}
	json_object(json, "host_extents", true);
	json_number(json, "count", pieces->count);
	json_number(json, "seek_bytes", pieces->seek_bytes);
	json_close(json);
}

static void put_allocation(struct json *json, const struct overview *overview)
{
	const struct vhdx_usage *usage = &overview->usage;

	json_object(json, "allocation", false);
	json_number(json, "blocks_total", usage->blocks_total);
	json_number(json, "blocks_present", usage->blocks_present);
	json_number(json, "blocks_partial", usage->blocks_partial);
	json_number(json, "blocks_zero", usage->blocks_zero);
	json_number(json, "blocks_unmapped", usage->blocks_unmapped);
	json_number(json, "blocks_absent", usage->blocks_absent);
	json_number(json, "blocks_damaged", usage->blocks_damaged);
	json_number(json, "bitmap_blocks", usage->bitmap_blocks);
	json_number(json, "payload_bytes", usage->payload_bytes);
	json_fraction(json, "percent", text_percent(usage->payload_bytes, overview->info.virtual_size));
	json_number(json, "file_end", usage->file_end);
	json_close(json);
	json_object(json, "fragmentation", true);
	json_fraction(json, "percent", text_percent(usage->breaks, usage->pairs));
	json_number(json, "runs", usage->runs);
	json_number(json, "breaks", usage->breaks);
	json_number(json, "pairs", usage->pairs);
	json_number(json, "seek_bytes", usage->seek_bytes);
	json_close(json);
	put_pieces(json, &overview->pieces);
}

static void put_filesystem(struct json *json, const struct content_filesystem *filesystem)
{
	if (filesystem->type == NULL) {
		json_null(json, "filesystem");
		return;
	}
	json_object(json, "filesystem", true);
	json_string(json, "type", filesystem->type);
	json_string(json, "label", filesystem->label);
	put_size(json, "size", filesystem->size);
	json_close(json);
}

static void put_partition(struct json *json, const struct content_partition *partition)
{
	json_object(json, NULL, false);
	json_number(json, "number", partition->number);
	json_number(json, "offset", partition->offset);
	json_number(json, "size", partition->size);
	json_string(json, "type", partition->type);
	json_string(json, "type_id", partition->type_id);
	json_string(json, "name", partition->name);
	json_bool(json, "active", partition->active);
	json_bool(json, "outside", partition->outside);
	put_filesystem(json, &partition->filesystem);
	json_close(json);
}

static void put_content(struct json *json, const struct overview *overview)
{
	static const char *const tables[] = { [CONTENT_NO_TABLE] = "none", [CONTENT_MBR] = "MBR", [CONTENT_GPT] = "GPT" };
	const struct content *content = &overview->content;

	if (overview->content_status) {
		json_null(json, "content");
		return;
	}
	json_object(json, "content", false);
	json_string(json, "table", tables[content->table]);
	json_number(json, "sector_size", content->sector_size);
	json_bool(json, "damaged", content->gpt_damaged);
	json_bool(json, "empty", content->empty);
	put_filesystem(json, &content->filesystem);
	json_number(json, "partition_count", content->partition_count);
	json_array(json, "partitions", false);
	for (unsigned i = 0; i < content->listed; i++)
		put_partition(json, &content->partitions[i]);
	json_close(json);
	json_close(json);
}

static void put_warnings(struct json *json, const struct overview *overview)
{
	json_array(json, "warnings", false);
	for (unsigned i = 0; i < overview->warning_count; i++) {
		const struct warning *warning = &overview->warnings[i];

		json_object(json, NULL, true);
		json_bool(json, "attach_refused", warning->refused);
		json_string(json, "code", warning->code);
		json_string(json, "text", warning->text);
		json_close(json);
	}
	json_close(json);
}

void overview_json(struct inspect *inspect, const struct overview *overview)
{
	struct json *json = inspect_section(inspect);

	json_object(json, "overview", false);
	chain_level_json(json, &overview->info, "image");
	put_file(json, overview);
	items_json(json, overview);
	put_allocation(json, overview);
	put_content(json, overview);
	json_number(json, "chain_depth", overview->depth);
	json_bool(json, "chain_complete", overview->is_complete);
	put_warnings(json, overview);
	json_close(json);
}
