/* SPDX-License-Identifier: MIT */
/* The options of vhdx-convert as a table, from which both getopt_long's list and the reading of the values are made. */
#include <getopt.h>
#include <stddef.h>
#include <string.h>

#include "request.h"

enum kind { WORD, SIZE, SIZE64, TEXT, FLAG, PROGRESS };

struct word {
	const char *text;
	int value;
};

struct rule {
	const char *name;
	enum kind kind;
	size_t offset; /* of the member of struct request: int, uint64_t, const char * or bool */
	const struct word *words;
};

static const struct word types[] = {
	{ "fixed", VHDX_TYPE_FIXED },
	{ "dynamic", VHDX_TYPE_DYNAMIC },
	{ "differencing", VHDX_TYPE_DIFFERENCING },
	{ NULL, 0 },
};
static const struct word formats[] = {
	{ "vhdx", VHDX_FORMAT_VHDX },
	{ "vhd", VHDX_FORMAT_VHD },
	{ "raw", VHDX_FORMAT_RAW },
	{ NULL, 0 },
};
static const struct word preallocations[] = {
	{ "none", VHDX_PREALLOCATE_NONE },
	{ "reserve", VHDX_PREALLOCATE_RESERVE },
	{ "full", VHDX_PREALLOCATE_FULL },
	{ NULL, 0 },
};

#define MEMBER(name) offsetof(struct request, name)

static const struct rule rules[] = {
	{ "type", WORD, MEMBER(type), types },
	{ "format", WORD, MEMBER(format), formats },
	{ "preallocate", WORD, MEMBER(preallocation), preallocations },
	{ "size", SIZE64, MEMBER(size), NULL },
	{ "block-size", SIZE, MEMBER(block_size), NULL },
	{ "sector-size", SIZE, MEMBER(logical_sector_size), NULL },
	{ "logical-sector", SIZE, MEMBER(logical_sector_size), NULL },
	{ "physical-sector", SIZE, MEMBER(physical_sector_size), NULL },
	{ "log-size", SIZE, MEMBER(log_length), NULL },
	{ "id", TEXT, MEMBER(id), NULL },
	{ "creator", TEXT, MEMBER(creator), NULL },
	{ "preset", TEXT, MEMBER(preset_name), NULL },
	{ "parent", TEXT, MEMBER(parent), NULL },
	{ "parent-relative", TEXT, MEMBER(parent_relative), NULL },
	{ "parent-absolute", TEXT, MEMBER(parent_absolute), NULL },
	{ "parent-volume", TEXT, MEMBER(parent_volume), NULL },
	{ "deterministic", FLAG, MEMBER(deterministic), NULL },
	{ "verify", FLAG, MEMBER(verify), NULL },
	{ "no-sync", FLAG, MEMBER(no_sync), NULL },
	{ "force", FLAG, MEMBER(force), NULL },
	{ "quiet", FLAG, MEMBER(quiet), NULL },
	{ "progress", PROGRESS, MEMBER(progress), NULL },
	{ "help", FLAG, MEMBER(help), NULL },
	{ "version", FLAG, MEMBER(version), NULL },
};
enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]), FIRST_RULE = 0x100 };

static const struct option shared[] = { TOOL_OPEN_OPTIONS("from-"), { NULL, 0, NULL, 0 } };
enum { SHARED_COUNT = sizeof(shared) / sizeof(shared[0]) };

static int take_word(const struct rule *rule, int *member, const char *value)
{
	char list[100] = "";

	for (const struct word *word = rule->words; word->text != NULL; word++) {
		if (strcmp(word->text, value) == 0) {
			*member = word->value;
			return TOOL_DONE;
		}
		if (*list != '\0')
			strcat(list, word[1].text != NULL ? ", " : " or ");
		strcat(list, word->text);
	}
	return tool_usage("--%s is %s, not '%s'", rule->name, list, value);
}

static int take(struct request *request, const struct rule *rule, const char *value)
{
	uint64_t most = rule->kind == SIZE64 ? UINT64_MAX : UINT32_MAX;
	void *member = (char *)request + rule->offset;

	switch (rule->kind) {
	case WORD: return take_word(rule, member, value);
	case SIZE:
	case SIZE64:
		if (!tool_parse_size(value, member) || *(uint64_t *)member == 0 || *(uint64_t *)member > most)
			return tool_usage("--%s wants a size such as 2M, not '%s'", rule->name, value);
		return TOOL_DONE;
	case TEXT: *(const char **)member = value; return TOOL_DONE;
	case FLAG: *(bool *)member = true; return TOOL_DONE;
	case PROGRESS:
		return progress_option(member, value) ? TOOL_DONE
						      : tool_usage("--progress wants an open descriptor, not '%s'", value);
	}
	return TOOL_FAILED;
}

static int take_short(struct request *request, int letter)
{
	switch (letter) {
	case 'f': request->force = true; return TOOL_DONE;
	case 'q': request->quiet = true; return TOOL_DONE;
	default: request->help = true; return TOOL_DONE;
	}
}

static int has_argument(enum kind kind)
{
	return kind == FLAG ? no_argument : kind == PROGRESS ? optional_argument : required_argument;
}

int request_parse(struct request *request, int argc, char **argv)
{
	struct option list[RULE_COUNT + SHARED_COUNT];
	int option;

	for (int i = 0; i < RULE_COUNT; i++)
		list[i] = (struct option){ rules[i].name, has_argument(rules[i].kind), NULL, FIRST_RULE + i };
	memcpy(list + RULE_COUNT, shared, sizeof(shared));
	while ((option = getopt_long(argc, argv, ":fqh", list, NULL)) != -1) {
		int result;

		if (option == '?' || option == ':')
			result = tool_bad_option(option, argv);
		else if (option >= TOOL_OPEN_FIRST)
			result = tool_open_option(&request->open, option, optarg);
		else if (option >= FIRST_RULE)
			result = take(request, &rules[option - FIRST_RULE], optarg);
		else
			result = take_short(request, option);
		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (argc - optind != 2)
		return tool_usage("wants SOURCE and DEST");
	request->source = argv[optind];
	request->destination = argv[optind + 1];
	return TOOL_DONE;
}
