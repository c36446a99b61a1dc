/* SPDX-License-Identifier: MIT */
/* The options of vhdx-convert as a table: option_table.h. */
#include <getopt.h>
#include <stddef.h>

#include "option_table.h"
#include "request.h"

static const struct option_word types[] = {
	{ "fixed", VHDX_TYPE_FIXED },
	{ "dynamic", VHDX_TYPE_DYNAMIC },
	{ "differencing", VHDX_TYPE_DIFFERENCING },
	{ NULL, 0 },
};
static const struct option_word formats[] = {
	{ "vhdx", VHDX_FORMAT_VHDX },
	{ "vhd", VHDX_FORMAT_VHD },
	{ "raw", VHDX_FORMAT_RAW },
	{ NULL, 0 },
};
static const struct option_word preallocations[] = {
	{ "none", VHDX_PREALLOCATE_NONE },
	{ "reserve", VHDX_PREALLOCATE_RESERVE },
	{ "full", VHDX_PREALLOCATE_FULL },
	{ NULL, 0 },
};

#define MEMBER(name) offsetof(struct request, name)

static const struct option_rule rules[] = {
	{ "type", OPTION_WORD, MEMBER(type), types, 0 },
	{ "format", OPTION_WORD, MEMBER(format), formats, 0 },
	{ "preallocate", OPTION_WORD, MEMBER(preallocation), preallocations, 0 },
	{ "size", OPTION_SIZE64, MEMBER(size), NULL, 0 },
	{ "block-size", OPTION_SIZE, MEMBER(block_size), NULL, 0 },
	{ "sector-size", OPTION_SIZE, MEMBER(logical_sector_size), NULL, 0 },
	{ "logical-sector", OPTION_SIZE, MEMBER(logical_sector_size), NULL, 0 },
	{ "physical-sector", OPTION_SIZE, MEMBER(physical_sector_size), NULL, 0 },
	{ "log-size", OPTION_SIZE, MEMBER(log_length), NULL, 0 },
	{ "id", OPTION_TEXT, MEMBER(id), NULL, 0 },
	{ "creator", OPTION_TEXT, MEMBER(creator), NULL, 0 },
	{ "preset", OPTION_TEXT, MEMBER(preset_name), NULL, 0 },
	{ "parent", OPTION_TEXT, MEMBER(parent), NULL, 0 },
	{ "parent-relative", OPTION_TEXT, MEMBER(parent_relative), NULL, 0 },
	{ "parent-absolute", OPTION_TEXT, MEMBER(parent_absolute), NULL, 0 },
	{ "parent-volume", OPTION_TEXT, MEMBER(parent_volume), NULL, 0 },
	{ "deterministic", OPTION_FLAG, MEMBER(deterministic), NULL, 0 },
	{ "verify", OPTION_FLAG, MEMBER(verify), NULL, 0 },
	{ "no-sync", OPTION_FLAG, MEMBER(no_sync), NULL, 0 },
	{ "force", OPTION_FLAG, MEMBER(force), NULL, 'f' },
	{ "quiet", OPTION_FLAG, MEMBER(quiet), NULL, 'q' },
	{ "progress", OPTION_PROGRESS, MEMBER(progress), NULL, 0 },
	{ "help", OPTION_FLAG, MEMBER(help), NULL, 'h' },
	{ "version", OPTION_FLAG, MEMBER(version), NULL, 0 },
};

int request_parse(struct request *request, int argc, char **argv)
{
	int result = option_table_parse(rules, sizeof(rules) / sizeof(rules[0]), request, &request->open, argc, argv);

	if (result != TOOL_DONE || request->help || request->version)
		return result;
	if (argc - optind != 2)
		return tool_usage("wants SOURCE and DEST");
	request->source = argv[optind];
	request->destination = argv[optind + 1];
	return TOOL_DONE;
}
