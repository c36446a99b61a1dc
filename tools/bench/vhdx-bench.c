/* SPDX-License-Identifier: MIT */
/* vhdx-bench: options, and the order of things. See bench.h. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "bench.h"
#include "sys.h"

static const char HELP[] =
	"usage: vhdx-bench [options] DIR\n"
	"\n"
	"Measures what each type of disk costs on the filesystem of DIR: pass-through, fixed, dynamic, differencing; VHDX and "
	"VHD;\n"
	"and what fragmentation costs. The files are made in a new directory in DIR, and removed.\n"
	"\n"
	"  -t, --types LIST      types of disks, after commas; --types help lists them\n"
	"  -w, --work LIST       workloads, after commas; --work help lists them\n"
	"      --all             more types, and more workloads\n"
	"      --device DEV      also pass-through to this block device, which is only read\n"
	"      --peer NAME       the same work by a peer: qemu or libvhdi; repeated\n"
	"  -s, --size SIZE       size of the disks (256M)\n"
	"  -r, --rounds N        rounds of each figure, 1 to 99 (7)\n"
	"      --seconds X       how long a round of one figure lasts at most (0.25)\n"
	"      --operations N    and how many operations it has at most (100000)\n"
	"      --seed N          of everything that is chosen at random (1)\n"
	"      --quick           disks of 32M, 3 rounds, 0.03 seconds, less of everything: less than a minute\n"
	"      --cpu             processor time instead of elapsed time, for a machine that others use too\n"
	"      --no-making       leave out creation, space and clones\n"
	"      --no-ageing       leave out fragmentation\n"
	"      --json            results as JSON on standard output, instead of tables\n"
	"      --html FILE       also a report with plots, one file that needs no network\n"
	"      --svg FILE        also a picture of the main results\n"
	"      --markdown FILE   also the main results as tables of Markdown\n"
	"  -q, --quiet           show no progress\n"
	"  -h, --help            print this\n"
	"      --version         print the version\n";

static const char TYPES_HELP[] = "raw                      pass-through: the bytes of the disk, and nothing else\n"
				 "vhdx-fixed, vhd-fixed    written when it is created\n"
				 "vhdx-fixed-reserved      ... its space is only reserved\n"
				 "vhdx-fixed-sparse        ... or not even that (each of these also as vhd-)\n"
				 "vhdx-dynamic             grows\n"
				 "vhdx-diff                a child of a dynamic base\n"
				 "vhdx-diff-fixed          a child of a fixed base\n"
				 "  :block=SIZE  of blocks   :depth=N  children in a row   :sector=512|4096\n"
				 "for example vhdx-diff:depth=8:block=1M\n";

static const char WORKS_HELP[] =
	"seq-read rand-read              of a disk that is full, each level of a chain with its share\n"
	"seq-overwrite rand-overwrite    what stands in the uppermost file\n"
	"seq-write rand-write            half of it there, half of it new\n"
	"seq-allocate rand-allocate      the first write to a new disk; random ones each to a block of its own\n"
	"  :io=SIZE  of a request (1M in sequence, 4K at random)   :flush=N  a flush after so many   :threads=N   :cold  not "
	"from memory\n"
	"for example rand-read:io=64K:threads=4:cold\n";

static const char DEFAULT_TYPES[] =
	"raw,vhdx-fixed,vhdx-dynamic,vhdx-diff,vhdx-diff-fixed,vhdx-diff:depth=8,vhd-fixed,vhd-dynamic,vhd-diff";
static const char DEFAULT_WORKS[] =
	"seq-read,rand-read,seq-read:cold,rand-read:cold,seq-overwrite,rand-overwrite,rand-overwrite:flush=1,"
	"seq-allocate,rand-allocate,rand-allocate:flush=1";
static const char ALL_TYPES[] =
	"vhdx-fixed-reserved,vhdx-fixed-sparse,vhdx-dynamic:block=1M,vhdx-dynamic:block=256M,vhdx-dynamic:sector=4096,"
	"vhdx-diff:depth=32,vhd-fixed-sparse,vhd-dynamic:block=512K,vhd-diff-fixed,vhd-diff:depth=8";
static const char ALL_WORKS[] =
	"rand-read:threads=2,rand-read:io=64K,rand-overwrite:threads=2,rand-overwrite:flush=32,seq-write,rand-write,"
	"rand-allocate:flush=32,rand-allocate:io=64K";
static const char QUICK_TYPES[] = "raw,vhdx-fixed,vhdx-dynamic,vhdx-diff,vhdx-diff:depth=8,vhd-fixed,vhd-dynamic,vhd-diff";
static const char QUICK_WORKS[] =
	"seq-read,rand-read,rand-read:cold,rand-overwrite,seq-allocate,rand-allocate,rand-allocate:flush=1";

enum {
	OPT_ALL = 256,
	OPT_DEVICE,
	OPT_PEER,
	OPT_SECONDS,
	OPT_OPERATIONS,
	OPT_SEED,
	OPT_QUICK,
	OPT_CPU,
	OPT_NO_MAKING,
	OPT_NO_AGEING,
	OPT_JSON,
	OPT_HTML,
	OPT_SVG,
	OPT_MARKDOWN,
	OPT_VERSION
};

static const struct option options[] = {
	{ "types", 1, NULL, 't' },
	{ "work", 1, NULL, 'w' },
	{ "all", 0, NULL, OPT_ALL },
	{ "device", 1, NULL, OPT_DEVICE },
	{ "peer", 1, NULL, OPT_PEER },
	{ "size", 1, NULL, 's' },
	{ "rounds", 1, NULL, 'r' },
	{ "seconds", 1, NULL, OPT_SECONDS },
	{ "operations", 1, NULL, OPT_OPERATIONS },
	{ "seed", 1, NULL, OPT_SEED },
	{ "quick", 0, NULL, OPT_QUICK },
	{ "cpu", 0, NULL, OPT_CPU },
	{ "no-making", 0, NULL, OPT_NO_MAKING },
	{ "no-ageing", 0, NULL, OPT_NO_AGEING },
	{ "json", 0, NULL, OPT_JSON },
	{ "html", 1, NULL, OPT_HTML },
	{ "svg", 1, NULL, OPT_SVG },
	{ "markdown", 1, NULL, OPT_MARKDOWN },
	{ "quiet", 0, NULL, 'q' },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* What was said on the command line; what was not is completed afterwards, because --quick may come last. */
struct said {
	const char *types, *works, *device, *print;
	bool all, version;
	uint64_t size;
	unsigned rounds, operations;
	double seconds;
};

struct settings settings = { .seed = 1, .sparse_size = UINT64_C(64) << 30, .unit = 4096 };
struct results results;

static bool take_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	return tool_parse_size(text, out) && *out >= least && *out <= most;
}

static int take_peer(const char *name)
{
	if (strcmp(name, "qemu") == 0)
		settings.peer_qemu = true;
	else if (strcmp(name, "libvhdi") == 0)
		settings.peer_vhdi = true;
	else
		return tool_usage("--peer is qemu or libvhdi, not '%s'", name);
	return TOOL_DONE;
}

static int take_amount(struct said *said, int option, const char *text)
{
	uint64_t number = 0;
	char *end;

	switch (option) {
	case 's':
		if (!take_number(text, 16 << 20, UINT64_C(1) << 40, &said->size) || said->size % (4 << 20) != 0)
			return tool_usage("--size is 16M to 1T, a multiple of 4M, not '%s'", text);
		return TOOL_DONE;
	case 'r':
		if (!take_number(text, 1, MAX_ROUNDS, &number))
			return tool_usage("--rounds is 1 to %d, not '%s'", MAX_ROUNDS, text);
		said->rounds = (unsigned)number;
		return TOOL_DONE;
	case OPT_OPERATIONS:
		if (!take_number(text, 1, 100000000, &number))
			return tool_usage("--operations is 1 to 100000000, not '%s'", text);
		said->operations = (unsigned)number;
		return TOOL_DONE;
	case OPT_SEED:
		if (!take_number(text, 0, UINT64_MAX, &settings.seed))
			return tool_usage("--seed is a number, not '%s'", text);
		return TOOL_DONE;
	default:
		said->seconds = strtod(text, &end);
		if (*end != '\0' || !(said->seconds >= 0.001 && said->seconds <= 3600))
			return tool_usage("--seconds is 0.001 to 3600, not '%s'", text);
		return TOOL_DONE;
	}
}

static int take(struct said *said, int option, char **argv)
{
	switch (option) {
	case 't': said->types = optarg; break;
	case 'w': said->works = optarg; break;
	case OPT_ALL: said->all = true; break;
	case OPT_DEVICE: said->device = optarg; break;
	case OPT_PEER: return take_peer(optarg);
	case 's':
	case 'r':
	case OPT_OPERATIONS:
	case OPT_SEED:
	case OPT_SECONDS: return take_amount(said, option, optarg);
	case OPT_QUICK: settings.quick = true; break;
	case OPT_CPU: settings.by_cpu = true; break;
	case OPT_NO_MAKING: settings.no_making = true; break;
	case OPT_NO_AGEING: settings.no_ageing = true; break;
	case OPT_JSON: settings.as_json = true; break;
	case OPT_HTML: settings.html = optarg; break;
	case OPT_SVG: settings.svg = optarg; break;
	case OPT_MARKDOWN: settings.markdown = optarg; break;
	case 'q': settings.quiet = true; break;
	case 'h': said->print = HELP; break;
	case OPT_VERSION: said->version = true; break;
	default: return tool_bad_option(option, argv);
	}
	return TOOL_DONE;
}

/* Each word of a list behind commas. */
static int take_list(const char *list, int (*one)(const char *word))
{
	while (*list != '\0') {
		size_t length = strcspn(list, ",");
		char word[256];
		int status;

		if (length >= sizeof(word))
			return tool_usage("'%.40s...' is too long", list);
		memcpy(word, list, length);
		word[length] = '\0';
		status = one(word);
		if (status != TOOL_DONE)
			return status;
		list += length + (list[length] == ',');
	}
	return TOOL_DONE;
}

static int add_kind(const char *word)
{
	struct kind *kind = &settings.kinds[settings.kind_count];
	const char *wrong;

	if (settings.kind_count == MAX_KINDS - 1)
		return tool_usage("at most %d types", MAX_KINDS - 1);
	wrong = kind_parse(kind, word);
	if (wrong != NULL)
		return tool_usage("--types: '%s' %s", word, wrong);
	for (unsigned i = 0; i < settings.kind_count; i++)
		if (strcmp(settings.kinds[i].name, word) == 0)
			return TOOL_DONE;
	settings.kind_count++;
	return TOOL_DONE;
}

static int add_work(const char *word)
{
	struct work *work = &settings.works[settings.work_count];
	const char *wrong;

	if (settings.work_count == MAX_WORKS)
		return tool_usage("at most %d workloads", MAX_WORKS);
	wrong = work_parse(work, word);
	if (wrong != NULL)
		return tool_usage("--work: '%s' %s", word, wrong);
	for (unsigned i = 0; i < settings.work_count; i++)
		if (strcmp(settings.works[i].name, word) == 0)
			return TOOL_DONE;
	if (work->io < settings.unit)
		settings.unit = work->io;
	settings.work_count++;
	return TOOL_DONE;
}

static void add_device(const char *device)
{
	struct kind *kind = &settings.kinds[settings.kind_count++];

	(void)kind_parse(kind, "raw");
	kind->device = device;
	(void)snprintf(kind->name, sizeof(kind->name), "device");
	(void)snprintf(kind->title, sizeof(kind->title), "device %.40s (pass-through)", device);
}

static int complete(struct said *said)
{
	int status = TOOL_DONE;

	settings.size = said->size != 0 ? said->size : settings.quick ? 32 << 20 : 256 << 20;
	settings.clones = settings.quick ? 20 : 100;
	settings.rounds = said->rounds != 0 ? said->rounds : settings.quick ? 3 : 7;
	settings.operations = said->operations != 0 ? said->operations : settings.quick ? 20000 : 100000;
	settings.seconds = said->seconds > 0 ? said->seconds : settings.quick ? 0.03 : 0.25;
	status = take_list(said->types != NULL ? said->types : settings.quick ? QUICK_TYPES : DEFAULT_TYPES, add_kind);
	if (status == TOOL_DONE)
		status = take_list(said->works != NULL ? said->works : settings.quick ? QUICK_WORKS : DEFAULT_WORKS, add_work);
	if (status == TOOL_DONE && said->all && said->types == NULL)
		status = take_list(ALL_TYPES, add_kind);
	if (status == TOOL_DONE && said->all && said->works == NULL)
		status = take_list(ALL_WORKS, add_work);
	if (status == TOOL_DONE && said->device != NULL)
		add_device(said->device);
	if (status == TOOL_DONE && (settings.kind_count == 0 || settings.work_count == 0))
		return tool_usage("there is nothing to measure");
	return status;
}

static int parse(struct said *said, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, ":t:w:s:r:qh", options, NULL)) != -1) {
		status = take(said, option, argv);
		if (status != TOOL_DONE)
			return status;
	}
	if (said->types != NULL && strcmp(said->types, "help") == 0)
		said->print = TYPES_HELP;
	if (said->works != NULL && strcmp(said->works, "help") == 0)
		said->print = WORKS_HELP;
	if (said->print != NULL || said->version)
		return TOOL_DONE;
	if (argc - optind != 1)
		return tool_usage("wants one DIR");
	settings.directory = argv[optind];
	return complete(said);
}

/* What all the files of the largest group take at once. */
static uint64_t space_needed(void)
{
	uint64_t units = settings.no_ageing ? 0 : 14;
	uint64_t kinds = 2;

	for (unsigned i = 0; i < settings.kind_count; i++)
		kinds += (settings.kinds[i].depth > 0 ? 2U : 1U) * (settings.peer_qemu ? 2U : 1U);
	return (kinds > units ? kinds : units) * settings.size;
}

static int check_peers(void)
{
	if (settings.peer_qemu && qemu_version() == NULL)
		return tool_fail("--peer qemu: qemu-img is not installed");
	if (settings.peer_vhdi && vhdi_version() == NULL)
		return tool_fail("--peer libvhdi: libvhdi.so.1 is not installed");
	return TOOL_DONE;
}

/* Before minutes are spent on what cannot be written down. */
static bool can_write(const char *path)
{
	struct sys_identity before;
	FILE *file;

	if (path == NULL)
		return true;
	sys_identify(&before, path, true);
	file = fopen(path, "a");
	if (file == NULL)
		return tool_fail("%s: cannot be written", path) == TOOL_DONE;
	(void)fclose(file);
	if (before.kind == SYS_MISSING)
		(void)sys_remove(path);
	return true;
}

static int check_place(void)
{
	struct statvfs place;
	char need[32], have[32];
	uint64_t room;

	if (!can_write(settings.html) || !can_write(settings.svg) || !can_write(settings.markdown))
		return TOOL_FAILED;
	if (statvfs(settings.directory, &place) != 0)
		return tool_fail("%s: no such directory", settings.directory);
	room = (uint64_t)place.f_bavail * place.f_frsize;
	tool_format_size(space_needed(), need, sizeof(need));
	tool_format_size(room, have, sizeof(have));
	if (room < space_needed())
		return tool_fail("%s: needs %s and has %s; say a smaller --size", settings.directory, need, have);
	if (!workdir_begin(settings.directory))
		return tool_fail("%s: a directory cannot be made in it", settings.directory);
	return TOOL_DONE;
}

static void measure(void)
{
	double begin = sys_seconds();

	pattern_begin();
	machine_begin();
	race_plan();
	if (!settings.no_making)
		making_plan();
	if (!settings.no_ageing)
		ageing_plan();
	race_all();
	if (!settings.no_making)
		making_all();
	if (!settings.no_ageing)
		ageing_all();
	machine_end();
	results.took = sys_seconds() - begin;
	claims_judge();
	workdir_end();
}

static bool write_report(const char *path, bool (*write)(const char *path))
{
	struct sys_identity what;

	if (path == NULL || write(path))
		return true;
	(void)tool_fail("%s: cannot be written", path);
	sys_identify(&what, path, false);
	if (what.kind == SYS_REGULAR)
		(void)sys_remove(path);
	return false;
}

static int report(void)
{
	if (results.wrong != 0)
		return tool_fail("%llu pieces were not read as they were written", (unsigned long long)results.wrong);
	if (!write_report(settings.html, report_html) || !write_report(settings.svg, report_svg) ||
	    !write_report(settings.markdown, report_markdown))
		return TOOL_FAILED;
	if (settings.as_json)
		report_json();
	else
		report_text();
	return TOOL_DONE;
}

int main(int argc, char **argv)
{
	struct said said = { .types = NULL };
	int status;

	tool_begin("vhdx-bench", &argc, &argv);
	status = parse(&said, argc, argv);
	if (status != TOOL_DONE)
		return status;
	if (said.version)
		return tool_version();
	if (said.print != NULL) {
		fputs(said.print, stdout);
		return tool_end(TOOL_DONE);
	}
	sys_catch_interrupts();
	status = check_peers();
	if (status == TOOL_DONE)
		status = check_place();
	if (status != TOOL_DONE)
		return status;
	measure();
	return tool_end(report());
}
