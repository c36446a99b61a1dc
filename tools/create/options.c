/* SPDX-License-Identifier: MIT */
/* The options of vhdx-create as a table: option_table.h. */
#include <getopt.h>
#include <stddef.h>

#include "option_table.h"
#include "options.h"

static const struct option_word types[] = {
	{ "fixed", VHDX_TYPE_FIXED },
	{ "dynamic", VHDX_TYPE_DYNAMIC },
	{ "differencing", VHDX_TYPE_DIFFERENCING },
	{ NULL, 0 },
};
static const struct option_word formats[] = {
	{ "vhdx", VHDX_FORMAT_VHDX },
	{ "vhd", VHDX_FORMAT_VHD },
	{ NULL, 0 },
};
static const struct option_word preallocations[] = {
	{ "none", VHDX_PREALLOCATE_NONE },
	{ "reserve", VHDX_PREALLOCATE_RESERVE },
	{ "falloc", VHDX_PREALLOCATE_RESERVE },
	{ "full", VHDX_PREALLOCATE_FULL },
	{ NULL, 0 },
};

#define MEMBER(name) offsetof(struct creation, name)

static const struct option_rule rules[] = {
	{ "type", OPTION_WORD, MEMBER(type), types, 0 },
	{ "format", OPTION_WORD, MEMBER(format), formats, 0 },
	{ "preallocate", OPTION_WORD, MEMBER(preallocation), preallocations, 0 },
	{ "block-size", OPTION_SIZE, MEMBER(block_size), NULL, 0 },
	{ "logical-sector", OPTION_SIZE, MEMBER(logical_sector_size), NULL, 0 },
	{ "physical-sector", OPTION_SIZE, MEMBER(physical_sector_size), NULL, 0 },
	{ "log-size", OPTION_SIZE, MEMBER(log_length), NULL, 0 },
	{ "size", OPTION_TEXT, MEMBER(size_text), NULL, 0 },
	{ "id", OPTION_TEXT, MEMBER(id), NULL, 0 },
	{ "creator", OPTION_TEXT, MEMBER(creator), NULL, 0 },
	{ "preset", OPTION_TEXT, MEMBER(preset_name), NULL, 0 },
	{ "parent", OPTION_TEXT, MEMBER(parent), NULL, 0 },
	{ "parent-relative", OPTION_TEXT, MEMBER(parent_relative), NULL, 0 },
	{ "parent-absolute", OPTION_TEXT, MEMBER(parent_absolute), NULL, 0 },
	{ "parent-volume", OPTION_TEXT, MEMBER(parent_volume), NULL, 0 },
	{ "from", OPTION_TEXT, MEMBER(from), NULL, 0 },
	{ "sparse", OPTION_FLAG, MEMBER(sparse), NULL, 0 },
	{ "deterministic", OPTION_FLAG, MEMBER(deterministic), NULL, 0 },
	{ "force", OPTION_FLAG, MEMBER(force), NULL, 'f' },
	{ "quiet", OPTION_FLAG, MEMBER(quiet), NULL, 'q' },
	{ "json", OPTION_FLAG, MEMBER(json), NULL, 0 },
	{ "progress", OPTION_FLAG, MEMBER(progress), NULL, 0 },
	{ "help", OPTION_FLAG, MEMBER(help), NULL, 'h' },
	{ "version", OPTION_FLAG, MEMBER(version), NULL, 0 },
};

/* The last of two words is SIZE when it reads as one. */
static void take_operands(struct creation *request, int argc, char **argv, int first)
{
	uint64_t size;

	request->files = argv + first;
	request->file_count = (size_t)(argc - first);
	if (request->file_count == 2 && request->size_text == NULL && tool_parse_size(argv[first + 1], &size)) {
		request->size_text = argv[first + 1];
		request->file_count = 1;
	}
}

int request_parse(struct creation *request, int argc, char **argv)
{
	int result = option_table_parse(rules, sizeof(rules) / sizeof(rules[0]), request, &request->open, argc, argv);

	if (result == TOOL_DONE)
		take_operands(request, argc, argv, optind);
	return result;
}
