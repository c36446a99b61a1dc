/* SPDX-License-Identifier: MIT */
/* The overview as one screen of text: a label in front, the rest in words; what does not apply is left out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"

static void show_sizes(const struct overview *overview)
{
	const struct vhdx_info *info = &overview->info;
	const struct occupancy *host = &overview->occupancy;

	text_line("Format", "%s, %s", vhdx_format_name(info->format), vhdx_type_name(info->type));
	text_line("Virtual size", "%s", text_exact(info->virtual_size).text);
	if (info->original_size && info->original_size != info->virtual_size)
		text_line("Original size", "%s", text_exact(info->original_size).text);
	if (host->known)
		text_line("File size", "%s, %s in use on the host", text_exact(host->size).text, text_size(host->allocated).text);
	else
		text_line("File size", "%s", text_exact(info->file_size).text);
	if (overview->content.minimum_size)
		text_line("Minimum size", "%s", text_exact(overview->content.minimum_size).text);
	else
		text_line("Minimum size", "unknown");
	text_line("Sectors", "%u bytes logical, %u bytes physical", (unsigned)info->logical_sector_size,
		  (unsigned)info->physical_sector_size);
	if (info->block_size)
		text_line("Block size", "%s", text_size(info->block_size).text);
}

static void show_identity(const struct vhdx_info *info)
{
	if (info->format == VHDX_FORMAT_VHDX) {
		text_line("Disk identifier", "%s", text_guid(&info->disk_id).text);
		text_line("Data write GUID", "%s", text_guid(&info->data_identity).text);
		text_line("File write GUID", "%s", text_guid(&info->file_write_guid).text);
	} else if (info->format == VHDX_FORMAT_VHD) {
		text_line("Unique id", "%s", text_guid(&info->disk_id).text);
	}
	if (info->type == VHDX_TYPE_DIFFERENCING)
		text_line("Parent identity", "%s", text_guid(&info->parent_identity).text);
	if (info->creator[0])
		text_line("Creator", "%s", text_clean(info->creator).text);
	if (info->format == VHDX_FORMAT_VHD) {
		text_line("Created", "%s", text_date(info->created).text);
		text_line("Geometry", "%u cylinders, %u heads, %u sectors", info->cylinders, info->heads,
			  info->sectors_per_track);
	}
}

static void show_log(const struct vhdx_info *info)
{
	if (info->log_state == VHDX_LOG_REPLAYED_IN_MEMORY)
		text_line("Log", "pending: %u %s replayed in memory, the file is untouched", info->log_entries,
			  info->log_entries == 1 ? "entry" : "entries");
	else if (info->log_state == VHDX_LOG_CLEAN)
		text_line("Log", "clean");
}

static const char *add_count(char *text, size_t size, const char *before, uint64_t count, const char *word)
{
	size_t length = strlen(text);

	if (count == 0)
		return before;
	snprintf(text + length, size - length, "%s%" PRIu64 " %s", before, count, word);
	return ", ";
}

/* How far it is from one of `count` pieces to the next, on average; "" where there is no next. */
static struct text mean_seek(uint64_t sum, uint64_t count)
{
	struct text seek = { "" };

	if (count > 1)
		snprintf(seek.text, sizeof(seek.text), ", mean seek %.40s", text_size(sum / (count - 1)).text);
	return seek;
}

static void show_fragmentation(const struct vhdx_usage *usage)
{
	text_line("Fragmentation", "%.1f %% (%" PRIu64 " %s%s)", text_percent(usage->breaks, usage->pairs), usage->runs,
		  usage->runs == 1 ? "run" : "runs", mean_seek(usage->seek_bytes, usage->runs).text);
}

/* Of any file, fixed ones too. */
static void show_pieces(const struct pieces *pieces)
{
	if (pieces->known)
		text_line("Host extents", "%" PRIu64 "%s", pieces->count, mean_seek(pieces->seek_bytes, pieces->count).text);
}

static void show_allocation(const struct overview *overview)
{
	const struct vhdx_usage *usage = &overview->usage;
	char counts[240] = "";
	const char *comma = "";

	if (overview->info.block_size == 0) {
		text_line("Allocation", "all of it");
		return;
	}
	text_line("Allocation", "%" PRIu64 " of %" PRIu64 " %s, %s (%.1f %%)", usage->blocks_present + usage->blocks_partial,
		  usage->blocks_total, usage->blocks_total == 1 ? "block" : "blocks", text_size(usage->payload_bytes).text,
		  text_percent(usage->payload_bytes, overview->info.virtual_size));
	comma = add_count(counts, sizeof(counts), comma, usage->blocks_present, "present");
	comma = add_count(counts, sizeof(counts), comma, usage->blocks_partial, "partial");
	comma = add_count(counts, sizeof(counts), comma, usage->blocks_zero, "zero");
	comma = add_count(counts, sizeof(counts), comma, usage->blocks_unmapped, "unmapped");
	comma = add_count(counts, sizeof(counts), comma, usage->blocks_absent, "absent");
	add_count(counts, sizeof(counts), comma, usage->blocks_damaged, "damaged");
	text_line("Blocks", "%s", counts);
	show_fragmentation(usage);
}

/* "ext4 "label", 30 GiB"; the size only where it differs from its container's. */
static void show_filesystem(const struct content_filesystem *filesystem, uint64_t container)
{
	fputs(filesystem->type, stdout);
	if (filesystem->label[0])
		printf(" \"%s\"", filesystem->label);
	if (filesystem->size && filesystem->size != container)
		printf(", %s", text_size(filesystem->size).text);
}

static void show_partition(const struct content_partition *partition)
{
	struct text start = text_size(partition->offset), size = text_size(partition->size);

	printf("  %-2u at %-11s %-11s %s", partition->number, start.text, size.text,
	       partition->type ? partition->type : partition->type_id);
	if (partition->name[0])
		printf(" \"%s\"", partition->name);
	if (partition->active)
		fputs(", active", stdout);
	if (partition->filesystem.type) {
		fputs(": ", stdout);
		show_filesystem(&partition->filesystem, partition->size);
	} else if (partition->unreadable) {
		fputs(": cannot be read", stdout);
	}
	putchar('\n');
}

static void show_content(const struct inspect *inspect, const struct overview *overview)
{
	const struct content *content = &overview->content;

	if (overview->content_status) {
		bool is_above = inspect->alone || !overview->is_complete;

		text_line("Content", is_above ? "unknown without the parents" : "unknown: the disk cannot be read");
		return;
	}
	if (content->filesystem.type) {
		printf("%-17s", "Content");
		show_filesystem(&content->filesystem, 0);
		fputs(", no partition table\n", stdout);
		return;
	}
	if (content->table == CONTENT_NO_TABLE) {
		text_line("Content", content->empty ? "none: the start of the disk is empty" : "unknown");
		return;
	}
	if (content->gpt_damaged)
		text_line("Content", "GPT, damaged");
	else
		text_line("Content", "%s, %u %s", content->table == CONTENT_GPT ? "GPT" : "MBR", content->partition_count,
			  content->partition_count == 1 ? "partition" : "partitions");
	for (unsigned i = 0; i < content->listed; i++)
		show_partition(&content->partitions[i]);
	if (content->listed < content->partition_count)
		printf("  and %u more\n", content->partition_count - content->listed);
}

static void show_level(const struct inspect *inspect, unsigned level)
{
	struct vhdx_info info = VHDX_INFO_INIT, child = VHDX_INFO_INIT;

	if (vhdx_get_info(inspect->disk, level, &info, NULL) != VHDX_OK)
		return;
	printf("  %-2u %-4s %-12s %-11s %s", level, vhdx_format_name(info.format), vhdx_type_name(info.type),
	       text_size(info.virtual_size).text, text_clean(info.file_name ? info.file_name : "-").text);
	if (level) {
		fputs(chain_is_linked(inspect, level) ? ", identity matches" : ", IDENTITY DIFFERS", stdout);
		if (vhdx_get_info(inspect->disk, level - 1, &child, NULL) == VHDX_OK && child.parent_time_stamp_differs)
			fputs(", time stamp differs", stdout);
	}
	putchar('\n');
}

static void show_chain(const struct inspect *inspect, const struct overview *overview)
{
	if (overview->depth == 1 && overview->is_complete)
		return;
	if (overview->is_complete)
		text_line("Chain", "%u files", overview->depth);
	else
		text_line("Chain", inspect->alone ? "broken: a parent is missing or refused" : "parents not opened");
	for (unsigned level = 0; level < overview->depth; level++)
		show_level(inspect, level);
}

void overview_text(struct inspect *inspect, const struct overview *overview)
{
	inspect_section(inspect);
	printf("%s\n\n", text_clean(inspect->path).text);
	show_sizes(overview);
	show_identity(&overview->info);
	items_text(overview);
	show_log(&overview->info);
	show_allocation(overview);
	show_pieces(&overview->pieces);
	show_content(inspect, overview);
	show_chain(inspect, overview);
	if (overview->warning_count)
		putchar('\n');
	for (unsigned i = 0; i < overview->warning_count; i++)
		printf("%s: %s\n", overview->warnings[i].refused ? "will not attach on Windows" : "note",
		       overview->warnings[i].text);
}
