/* SPDX-License-Identifier: MIT */
/* vhdx-inspect: see inspect.h. Options, and the answers in order. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"

enum {
	OPT_VERSION = 1,
	OPT_JSON,
	OPT_OVERVIEW,
	OPT_CHAIN,
	OPT_HEADERS,
	OPT_REGIONS,
	OPT_METADATA,
	OPT_BAT,
	OPT_LOG,
	OPT_ALL,
	OPT_MAP,
	OPT_PICTURE,
	OPT_HASH,
	OPT_COMPARE,
	OPT_COMPARE_FORMAT,
	OPT_GET_ITEM
};

/* --map stands before the shared options, so it is found instead of theirs of the same name; with a value it is theirs. */
static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "overview", no_argument, NULL, OPT_OVERVIEW },
	{ "chain", no_argument, NULL, OPT_CHAIN },
	{ "headers", no_argument, NULL, OPT_HEADERS },
	{ "regions", no_argument, NULL, OPT_REGIONS },
	{ "metadata", no_argument, NULL, OPT_METADATA },
	{ "bat", no_argument, NULL, OPT_BAT },
	{ "log", no_argument, NULL, OPT_LOG },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "map", optional_argument, NULL, OPT_MAP },
	{ "picture", no_argument, NULL, OPT_PICTURE },
	{ "hash", no_argument, NULL, OPT_HASH },
	{ "compare", required_argument, NULL, OPT_COMPARE },
	{ "compare-format", required_argument, NULL, OPT_COMPARE_FORMAT },
	{ "get-item", required_argument, NULL, OPT_GET_ITEM },
	TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

static const char help[] = "usage: vhdx-inspect [options] FILE\n"
			   "\n"
			   "Tells what a VHDX or VHD file is and what it holds; without a question, an overview.\n"
			   "\n"
			   "  --overview                format, sizes, identifiers, allocation, content, chain, notes\n"
			   "  --chain                   every file of the chain, and what was tried when one is missing\n"
			   "  --headers --regions --metadata --bat --log\n"
			   "                            fields of these structures with file offset, value and broken rule;\n"
			   "                            also of files that cannot be opened\n"
			   "  --all                     all of these fields\n"
			   "  --map                     extents: disk offset, length, kind, level, file offset\n"
			   "  --picture                 the map as a picture\n"
			   "  --hash                    XXH3-128 of the whole virtual disk\n"
			   "  --compare OTHER           whether OTHER holds the same bytes; exit status 1 when not\n"
			   "  --compare-format FORMAT   of OTHER: vhdx, vhd or raw\n"
			   "  --get-item GUID           the value of a user metadata item of a VHDX, and nothing else\n"
			   "  --json                    answer in JSON\n"
			   "  -h, --help                print this\n"
			   "  --version                 print the version\n"
			   "\n"
			   "Exit status: 0 done, 1 failed or different, 2 usage, 3 damaged.\n"
			   "\n"
			   "How FILE and its parents are opened:\n"
			   "  --format FORMAT           vhdx, vhd or raw; else found by content\n";

void inspect_raise(struct inspect *inspect, int status)
{
	static const int order[] = { TOOL_DONE, TOOL_FAILED, TOOL_USAGE, TOOL_DAMAGED };
	size_t present = 0, other = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		present = order[i] == inspect->status ? i : present;
		other = order[i] == status ? i : other;
	}
	inspect->status = order[present > other ? present : other];
}

struct json *inspect_section(struct inspect *inspect)
{
	struct json *json = &inspect->json;

	if (!inspect->as_json && inspect->is_started)
		putchar('\n');
	if (inspect->as_json && !inspect->is_started) {
		json_begin(json, stdout);
		json_object(json, NULL, false);
		json_string(json, "schema", "vhdx-inspect/1");
		json_string(json, "file", inspect->path);
	}
	inspect->is_started = true;
	return json;
}

static int ask_fields(struct inspect *inspect, unsigned parts)
{
	inspect->questions |= ASK_FIELDS;
	inspect->parts |= parts;
	return TOOL_DONE;
}

static int ask(struct inspect *inspect, unsigned question)
{
	inspect->questions |= question;
	return TOOL_DONE;
}

/* Alone it asks for the map; with FROM=DIR, in the same or the next word, it is the option of every tool. */
static int map_option(struct inspect *inspect, int argc, char **argv)
{
	const char *value = optarg;

	if (value == NULL && optind < argc && argv[optind][0] != '-' && strchr(argv[optind], '='))
		value = argv[optind++];
	return value ? tool_open_option(&inspect->open, TOOL_OPT_MAP, value) : ask(inspect, ASK_MAP);
}

static int compare_format_option(struct inspect *inspect)
{
	struct tool_open open = TOOL_OPEN_INIT;
	int status = tool_open_option(&open, TOOL_OPT_FORMAT, optarg);

	inspect->other_format = open.format;
	return status;
}

static int item_option(struct inspect *inspect)
{
	if (vhdx_guid_parse(&inspect->item_id, optarg) != VHDX_OK)
		return tool_usage("--get-item wants a GUID, not '%s'", optarg);
	inspect->item = &inspect->item_id;
	return TOOL_DONE;
}

static int take_option(struct inspect *inspect, int option, int argc, char **argv)
{
	switch (option) {
	case OPT_JSON: inspect->as_json = true; return TOOL_DONE;
	case OPT_OVERVIEW: return ask(inspect, ASK_OVERVIEW);
	case OPT_CHAIN: return ask(inspect, ASK_CHAIN);
	case OPT_HEADERS: return ask_fields(inspect, VHDX_PART_HEADERS);
	case OPT_REGIONS: return ask_fields(inspect, VHDX_PART_REGIONS);
	case OPT_METADATA: return ask_fields(inspect, VHDX_PART_METADATA);
	case OPT_BAT: return ask_fields(inspect, VHDX_PART_BAT);
	case OPT_LOG: return ask_fields(inspect, VHDX_PART_LOG);
	case OPT_ALL: return ask_fields(inspect, VHDX_PART_ALL);
	case OPT_MAP: return map_option(inspect, argc, argv);
	case OPT_PICTURE: return ask(inspect, ASK_PICTURE);
	case OPT_HASH: return ask(inspect, ASK_HASH);
	case OPT_COMPARE: inspect->other = optarg; return ask(inspect, ASK_COMPARE);
	case OPT_GET_ITEM: return item_option(inspect);
	case OPT_COMPARE_FORMAT: return compare_format_option(inspect);
	case '?':
	case ':': return tool_bad_option(option, argv);
	default: return tool_open_option(&inspect->open, option, optarg);
	}
}

/* True when all is read and there is a question to answer; else `status` is how the run ends. */
static bool parse(struct inspect *inspect, int argc, char **argv, int *status)
{
	int option;

	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (option == 'h') {
			printf("%s%s", help, TOOL_OPEN_HELP);
			*status = tool_end(TOOL_DONE);
			return false;
		}
		*status = option == OPT_VERSION ? tool_version() : take_option(inspect, option, argc, argv);
		if (option == OPT_VERSION || *status != TOOL_DONE)
			return false;
	}
	if (argc - optind != 1) {
		*status = tool_usage(argc == optind ? "a file is needed" : "only one file can be inspected");
		return false;
	}
	if (inspect->other_format != VHDX_FORMAT_ANY && !inspect->other) {
		*status = tool_usage("--compare-format goes with --compare");
		return false;
	}
	if (inspect->item != NULL && (inspect->questions != 0 || inspect->as_json)) {
		*status = tool_usage("--get-item stands alone");
		return false;
	}
	inspect->path = argv[optind];
	if (inspect->questions == 0)
		inspect->questions = ASK_OVERVIEW;
	return true;
}

/* What can be answered about the file as it could be opened. */
static unsigned answerable(struct inspect *inspect)
{
	unsigned questions = inspect->questions;

	if (questions & ~(unsigned)ASK_FIELDS)
		inspect_open(inspect);
	if (inspect->disk == NULL)
		questions &= ASK_FIELDS;
	else if (inspect->alone)
		questions &= ~(unsigned)(ASK_HASH | ASK_COMPARE);
	if (questions & ASK_FIELDS && !fields_prepare(inspect))
		questions &= ~(unsigned)ASK_FIELDS;
	return questions;
}

static void answer(struct inspect *inspect, unsigned questions)
{
	static void (*const answers[])(struct inspect *) = { overview_show, chain_show, fields_show, map_show,
							     picture_show,  hash_show,  compare_show };

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (questions & 1u << i)
			answers[i](inspect);
	if (inspect->as_json && inspect->is_started) {
		json_close(&inspect->json);
		json_end(&inspect->json);
	}
}

/* The end of the process closes the image and frees the rest, which is reachable from here. */
int main(int argc, char **argv)
{
	static struct inspect inspect = { .open = TOOL_OPEN_INIT };
	static char buffer[1 << 16];
	int status;

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	tool_begin("vhdx-inspect", &argc, &argv);
	if (!parse(&inspect, argc, argv, &status))
		return status;
	if (inspect.item != NULL)
		return tool_end(items_get(&inspect));
	answer(&inspect, answerable(&inspect));
	return tool_end(inspect.status);
}
