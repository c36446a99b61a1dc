/* SPDX-License-Identifier: MIT */
/*
 * What keeps Windows from attaching an image, and what else is worth knowing before it is used. `refused` only where it is
 * certain: a rule of the formats that Windows enforces, or an attribute of the file that it is known to refuse (0xC03A001A). All
 * else is a note.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"

static const uint64_t MIB = 1 << 20;

static void add(struct overview *overview, bool refused, const char *code, const char *format, ...) TOOL_PRINTF(4, 5);

static void add(struct overview *overview, bool refused, const char *code, const char *format, ...)
{
	struct warning *warning;
	va_list arguments;

	if (overview->warning_count == WARNING_MAX)
		return;
	warning = &overview->warnings[overview->warning_count++];
	warning->refused = refused;
	warning->code = code;
	va_start(arguments, format);
	vsnprintf(warning->text, sizeof(warning->text), format, arguments);
	va_end(arguments);
}

static void judge_host_file(struct overview *overview)
{
	const struct occupancy *host = &overview->occupancy;

	if (host->sparse)
		add(overview, true, "sparse",
		    "the file is marked as sparse on NTFS (0xC03A001A); a plain copy attaches, or: fsutil sparse setflag FILE 0");
	if (host->compressed)
		add(overview, true, "compressed", "the file is compressed by NTFS (0xC03A001A)");
	if (host->encrypted)
		add(overview, true, "encrypted", "the file is encrypted by NTFS (0xC03A001A)");
	if (!host->attributes_known && host->known && host->allocated < host->size)
		add(overview, false, "host-holes",
		    "the file has holes on this host; on NTFS, a copy that keeps them will not attach (0xC03A001A)");
}

static bool ends_with(const char *name, const char *extension)
{
	size_t length = strlen(name), wanted = strlen(extension);

	if (length < wanted)
		return false;
	for (size_t i = 0; i < wanted; i++)
		if ((name[length - wanted + i] | 0x20) != (extension[i] | 0x20))
			return false;
	return true;
}

static void judge_name(const struct inspect *inspect, struct overview *overview)
{
	bool is_vhd_name = ends_with(inspect->path, ".vhd") || ends_with(inspect->path, ".avhd");
	bool is_vhdx_name = ends_with(inspect->path, ".vhdx") || ends_with(inspect->path, ".avhdx");
	bool is_vhdx = overview->info.format == VHDX_FORMAT_VHDX;

	if (is_vhdx ? is_vhdx_name : is_vhd_name)
		return;
	add(overview, false, "extension", "Windows goes by the extension of the name, and a %s should end in %s",
	    vhdx_format_name(overview->info.format), is_vhdx ? ".vhdx" : ".vhd");
}

static void judge_vhd(struct overview *overview)
{
	const struct vhdx_info *info = &overview->info;

	if (info->footer_copy_used)
		add(overview, true, "footer",
		    "the footer at the end of the file is missing or damaged; its copy in front was used");
	if (info->virtual_size > 2040 * 1024 * MIB)
		add(overview, info->type != VHDX_TYPE_FIXED, "too-large", "a VHD holds at most 2040 GiB, this one %s",
		    text_size(info->virtual_size).text);
	if (info->virtual_size % MIB)
		add(overview, false, "azure-size",
		    "Azure takes only whole numbers of MiB; this disk is %" PRIu64 " bytes longer than one",
		    info->virtual_size % MIB);
	if (info->saved_state)
		add(overview, false, "saved-state",
		    "the saved state of a virtual machine belongs to this disk: do not change or resize it");
}

static void judge_structure(struct overview *overview)
{
	const struct vhdx_info *info = &overview->info;
	const struct vhdx_usage *usage = &overview->usage;
	uint64_t tail = info->file_size > usage->file_end ? info->file_size - usage->file_end : 0;

	if (usage->blocks_damaged)
		add(overview, false, "bat-damaged", "entries of the BAT that break a rule: %" PRIu64 ", see --bat",
		    usage->blocks_damaged);
	if (info->logical_sector_size && info->virtual_size % info->logical_sector_size)
		add(overview, true, "size", "the virtual size is no multiple of the logical sector size");
	if (info->logical_sector_size == 4096)
		add(overview, false, "sectors-4096",
		    "with 4096-byte logical sectors it cannot be attached to an IDE controller, nor boot from one");
	if (info->log_state == VHDX_LOG_REPLAYED_IN_MEMORY)
		add(overview, false, "log-pending",
		    "the log waits for replay: the first program that opens the file for writing changes it");
	if (usage->file_end && tail >= (info->block_size ? info->block_size : MIB))
		add(overview, false, "tail", "the last %s of the file hold nothing of this image", text_size(tail).text);
}

static void judge_chain(const struct inspect *inspect, struct overview *overview)
{
	struct vhdx_info child = overview->info, parent = VHDX_INFO_INIT;

	if (inspect->alone)
		add(overview, false, "chain-broken", "the chain of parents is broken, so only this file is described");
	for (unsigned level = 1; level < overview->depth; level++, child = parent) {
		if (vhdx_get_info(inspect->disk, level, &parent, NULL) != VHDX_OK)
			return;
		if (child.virtual_size < parent.virtual_size)
			add(overview, false, "smaller-than-parent", "level %u is smaller than its parent, %s against %s",
			    level - 1, text_size(child.virtual_size).text, text_size(parent.virtual_size).text);
		if (child.parent_time_stamp_differs)
			add(overview, false, "parent-time",
			    "level %u has another time stamp than its child remembers: it may have been changed", level);
		if (!chain_is_linked(inspect, level))
			add(overview, true, "parent-identity", "level %u is not the parent that its child asks for", level);
	}
}

static void judge_content(struct overview *overview)
{
	const struct content *content = &overview->content;
	uint32_t sector_size = overview->info.logical_sector_size;

	if (overview->content_status)
		return;
	if (content->gpt_damaged)
		add(overview, false, "gpt-damaged", "there should be a GPT, but neither copy is usable");
	if (content->gpt_backup_used)
		add(overview, false, "gpt-backup", "the GPT at the start of the disk is damaged; the copy at its end was used");
	if (content->gpt_backup_astray)
		add(overview, false, "gpt-astray",
		    "the copy of the GPT is not at the end of the disk, as after a change of size");
	if (content->table == CONTENT_GPT && !content->gpt_damaged && content->sector_size != sector_size)
		add(overview, false, "gpt-sectors",
		    "the GPT counts in sectors of %u bytes, the disk in %u: systems will not find it",
		    (unsigned)content->sector_size, (unsigned)sector_size);
	for (unsigned i = 0; i < content->listed; i++) {
		const struct content_partition *partition = &content->partitions[i];

		if (partition->outside)
			add(overview, false, "partition-outside", "partition %u lies beyond the end of the disk",
			    partition->number);
		else if (partition->filesystem.size > partition->size)
			add(overview, false, "filesystem-larger", "the filesystem in partition %u is larger than the partition",
			    partition->number);
	}
	if (content->filesystem.size > overview->info.virtual_size)
		add(overview, false, "filesystem-larger", "the filesystem is larger than the disk");
}

void attach_judge(const struct inspect *inspect, struct overview *overview)
{
	overview->warning_count = 0;
	if (overview->info.format != VHDX_FORMAT_RAW) {
		judge_host_file(overview);
		judge_name(inspect, overview);
	}
	if (overview->info.format == VHDX_FORMAT_VHD)
		judge_vhd(overview);
	judge_structure(overview);
	judge_chain(inspect, overview);
	judge_content(overview);
}
