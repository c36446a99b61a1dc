/* SPDX-License-Identifier: MIT */
/* The options of vhdx-create as a table, from which both getopt_long's list and the reading of the values are made. */
#include <getopt.h>
#include <stddef.h>
#include <string.h>

#include "options.h"

enum kind { WORD, SIZE, TEXT, FLAG };

struct word {
	const char *text;
	int value;
};

struct rule {
	const char *name;
	enum kind kind;
	size_t offset; /* of the member of struct creation: int, uint64_t, const char * or bool */
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
	{ NULL, 0 },
};
static const struct word preallocations[] = {
	{ "none", VHDX_PREALLOCATE_NONE },
	{ "reserve", VHDX_PREALLOCATE_RESERVE },
	{ "falloc", VHDX_PREALLOCATE_RESERVE },
	{ "full", VHDX_PREALLOCATE_FULL },
	{ NULL, 0 },
};

#define MEMBER(name) offsetof(struct creation, name)

static const struct rule rules[] = {
	{ "type", WORD, MEMBER(type), types },
	{ "format", WORD, MEMBER(format), formats },
	{ "preallocate", WORD, MEMBER(preallocation), preallocations },
	{ "block-size", SIZE, MEMBER(block_size), NULL },
	{ "logical-sector", SIZE, MEMBER(logical_sector_size), NULL },
	{ "physical-sector", SIZE, MEMBER(physical_sector_size), NULL },
	{ "log-size", SIZE, MEMBER(log_length), NULL },
	{ "size", TEXT, MEMBER(size_text), NULL },
	{ "id", TEXT, MEMBER(id), NULL },
	{ "creator", TEXT, MEMBER(creator), NULL },
	{ "preset", TEXT, MEMBER(preset_name), NULL },
	{ "parent", TEXT, MEMBER(parent), NULL },
	{ "parent-relative", TEXT, MEMBER(parent_relative), NULL },
	{ "parent-absolute", TEXT, MEMBER(parent_absolute), NULL },
	{ "parent-volume", TEXT, MEMBER(parent_volume), NULL },
	{ "from", TEXT, MEMBER(from), NULL },
	{ "sparse", FLAG, MEMBER(sparse), NULL },
	{ "deterministic", FLAG, MEMBER(deterministic), NULL },
	{ "force", FLAG, MEMBER(force), NULL },
	{ "quiet", FLAG, MEMBER(quiet), NULL },
	{ "json", FLAG, MEMBER(json), NULL },
	{ "progress", FLAG, MEMBER(progress), NULL },
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

static int take(struct creation *request, const struct rule *rule, const char *value)
{
	void *member = (char *)request + rule->offset;

	switch (rule->kind) {
	case WORD: return take_word(rule, member, value);
	case SIZE:
		if (!tool_parse_size(value, member) || *(uint64_t *)member == 0 || *(uint64_t *)member > UINT32_MAX)
			return tool_usage("--%s wants a size such as 2M, not '%s'", rule->name, value);
		return TOOL_DONE;
	case TEXT: *(const char **)member = value; return TOOL_DONE;
	case FLAG: *(bool *)member = true; return TOOL_DONE;
	}
	return TOOL_FAILED;
}

static int take_short(struct creation *request, int letter)
{
	switch (letter) {
	case 'f': request->force = true; return TOOL_DONE;
	case 'q': request->quiet = true; return TOOL_DONE;
	default: request->help = true; return TOOL_DONE;
	}
}

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
	struct option list[RULE_COUNT + SHARED_COUNT];
	int option;

	for (int i = 0; i < RULE_COUNT; i++)
		list[i] = (struct option){ rules[i].name, rules[i].kind != FLAG, NULL, FIRST_RULE + i };
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
	take_operands(request, argc, argv, optind);
	return TOOL_DONE;
}
