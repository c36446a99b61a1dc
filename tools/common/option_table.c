/* SPDX-License-Identifier: MIT */
#include "option_table.h"

#include <getopt.h>
#include <string.h>

#include "progress.h"

enum { FIRST_RULE = 0x100 };

static const struct option shared[] = { TOOL_OPEN_OPTIONS("from-"), { NULL, 0, NULL, 0 } };
enum { SHARED_COUNT = sizeof(shared) / sizeof(shared[0]) };

static int take_word(const struct option_rule *rule, int *member, const char *value)
{
	char list[100] = "";

	for (const struct option_word *word = rule->words; word->text != NULL; word++) {
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

static int take(void *request, const struct option_rule *rule, const char *value)
{
	uint64_t most = rule->kind == OPTION_SIZE64 ? UINT64_MAX : UINT32_MAX;
	void *member = (char *)request + rule->offset;

	switch (rule->kind) {
	case OPTION_WORD: return take_word(rule, member, value);
	case OPTION_SIZE:
	case OPTION_SIZE64:
		if (!tool_parse_size(value, member) || *(uint64_t *)member == 0 || *(uint64_t *)member > most)
			return tool_usage("--%s wants a size such as 2M, not '%s'", rule->name, value);
		return TOOL_DONE;
	case OPTION_TEXT: *(const char **)member = value; return TOOL_DONE;
	case OPTION_FLAG: *(bool *)member = true; return TOOL_DONE;
	case OPTION_PROGRESS:
		return progress_option(member, value) ? TOOL_DONE
						      : tool_usage("--progress wants an open descriptor, not '%s'", value);
	}
	return TOOL_FAILED;
}

static int has_argument(enum option_kind kind)
{
	return kind == OPTION_FLAG ? no_argument : kind == OPTION_PROGRESS ? optional_argument : required_argument;
}

/* One that getopt_long has found. */
static int take_option(const struct option_rule *rules, size_t count, void *request, struct tool_open *open, int option,
		       char **argv)
{
	size_t i = 0;

	if (option == '?' || option == ':')
		return tool_bad_option(option, argv);
	if (option >= TOOL_OPEN_FIRST)
		return tool_open_option(open, option, optarg);
	if (option >= FIRST_RULE)
		return take(request, &rules[option - FIRST_RULE], optarg);
	while (i < count && rules[i].letter != option)
		i++;
	return i < count ? take(request, &rules[i], NULL) : TOOL_FAILED;
}

int option_table_parse(const struct option_rule *rules, size_t count, void *request, struct tool_open *open, int argc,
		       char **argv)
{
	struct option list[OPTION_MOST_RULES + SHARED_COUNT];
	char letters[OPTION_MOST_RULES + 2] = ":";
	size_t letter_count = 1;
	int option;

	if (count > OPTION_MOST_RULES)
		return TOOL_FAILED;
	for (size_t i = 0; i < count; i++) {
		list[i] = (struct option){ rules[i].name, has_argument(rules[i].kind), NULL, FIRST_RULE + (int)i };
		if (rules[i].letter != '\0')
			letters[letter_count++] = rules[i].letter;
	}
	memcpy(list + count, shared, sizeof(shared));
	while ((option = getopt_long(argc, argv, letters, list, NULL)) != -1) {
		int result = take_option(rules, count, request, open, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	return TOOL_DONE;
}
