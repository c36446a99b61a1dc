/* SPDX-License-Identifier: MIT */
/*
 * vhdx-writebench: options, and the order of the rows. See writebench.h. Times judge nothing: the exit status is 0 when all rows
 * could be measured and every writer left the right content behind.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "writebench.h"

const char program[] = "vhdx-writebench";
struct settings settings = { 7, UINT64_C(1) << 30, now };

static const char help[] =
	"Usage: vhdx-writebench [options] [DIRECTORY...]\n"
	"What writing through the library costs, beside pwrite on a raw file and QEMU.\n"
	"Images of up to four times the size are made in each DIRECTORY (.) in turn and removed again.\n"
	"\n"
	"  --rounds N          rounds of each row (7)\n"
	"  --size N            MiB that filling writes, a multiple of 64 (1024); overwriting takes at most 128\n"
	"  --writes N          writes to new blocks in each round, at most 32768 (1000); with a flush each: a fifth, in three "
	"times the rounds\n"
	"  --quick             3 rounds, 256 MiB, 300 writes\n"
	"  --cpu               processor time instead of elapsed time, for a machine that others use too\n"
	"  --only KEYS         these groups of rows: a letter each, of \"abcde\"\n"
	"                        a new blocks, b new blocks with a flush each, c overwriting, d filling, e replay\n"
	"  --count N IMAGE     nothing but N writes of 4 KiB, each to the block after the last one's, and a flush; prints a "
	"line\n"
	"                        when the image is open, when all is written, when it is flushed; for strace, perf and "
	"callgrind\n"
	"  --flush-each        with --count: a flush after each write\n"
	"  --overwrite         with --count: all in the first block\n"
	"  --discard-every-other IMAGE   nothing but giving back every other block: what goals.sh looks at\n"
	"  --help\n";

struct counting {
	unsigned count;
	bool flush_each;
	bool overwrite;
};

/* A line of its own in what strace shows, too. */
static void phase(const char *line)
{
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		stop("standard output cannot be written");
}

static void only_count(const char *name, const struct counting *c)
{
	vhdx_disk *disk = open_to_write(name, VHDX_OPEN_WRITE);
	struct vhdx_info info = VHDX_INFO_INIT;
	struct load load = {
		.size = vhdx_disk_size(disk), .length = PAGE, .count = c->count, .flush_each = c->flush_each, .pattern = 0x5A
	};
	struct vhdx_error error;

	if (vhdx_get_info(disk, 0, &info, &error) < 0)
		stop_error("info", &error);
	load.step = c->overwrite ? 0 : info.block_size;
	phase("opened\n");
	run_load(disk, &load);
	phase("written\n");
	flush_disk(disk);
	phase("flushed\n");
	if (vhdx_close(disk) < 0)
		stop("%s: cannot be closed", name);
	phase("closed\n");
}

static void only_discard(const char *name)
{
	vhdx_disk *disk = open_to_write(name, VHDX_OPEN_WRITE);
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;

	if (vhdx_get_info(disk, 0, &info, &error) < 0)
		stop_error("info", &error);
	for (uint64_t block = 0; block < info.block_count; block += 2)
		if (vhdx_discard(disk, block * info.block_size, info.block_size, &error) < 0)
			stop_error("discard", &error);
	if (vhdx_close(disk) < 0)
		stop("%s: cannot be closed", name);
}

static void run_all(const char *directory, const char *only, unsigned writes)
{
	work_begin(directory);
	(void)printf("libvhdx %s; %s; %s: %u rounds, %u new blocks, fill of %llu MiB; %s time for each write\n", vhdx_version(),
		     qemu_exists() ? qemu_version() : "QEMU is not installed", directory, settings.rounds, writes,
		     (unsigned long long)(settings.size >> 20), settings.clock == now ? "elapsed" : "processor");
	table_head();
	if (wanted(only, "a"))
		rows_allocating(writes);
	if (wanted(only, "b"))
		rows_flushing(writes);
	if (wanted(only, "c"))
		rows_overwriting();
	if (wanted(only, "d"))
		rows_filling();
	if (wanted(only, "e"))
		rows_replay();
	work_end();
}

static void run_directories(char **names, const char *only, unsigned writes)
{
	char start[4096];

	if (names[0] == NULL) {
		run_all(".", only, writes);
		return;
	}
	if (getcwd(start, sizeof(start)) == NULL)
		stop("the current directory has no name");
	for (; *names != NULL; names++) {
		run_all(*names, only, writes);
		if (chdir(start) != 0)
			stop("%s: no such directory", start);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' }, { "size", required_argument, NULL, 's' },
		{ "writes", required_argument, NULL, 'w' }, { "quick", no_argument, NULL, 'q' },
		{ "cpu", no_argument, NULL, 'c' },          { "only", required_argument, NULL, 'o' },
		{ "count", required_argument, NULL, 'n' },  { "flush-each", no_argument, NULL, 'f' },
		{ "overwrite", no_argument, NULL, 'v' },    { "discard-every-other", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
	};
	struct counting counting = { 0, false, false };
	const char *only = "";
	unsigned writes = 1000;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'r': settings.rounds = (unsigned)number(optarg, 1, MAX_ROUNDS); break;
		case 's': settings.size = (uint64_t)(number(optarg, 64, 1 << 20) / 64 * 64) << 20; break;
		case 'w': writes = (unsigned)number(optarg, 1, 32768); break;
		case 'q':
			settings.rounds = 3;
			settings.size = UINT64_C(256) << 20;
			writes = 300;
			break;
		case 'c': settings.clock = processor_time; break;
		case 'o': only = optarg; break;
		case 'n': counting.count = (unsigned)number(optarg, 1, 1000000000); break;
		case 'f': counting.flush_each = true; break;
		case 'v': counting.overwrite = true; break;
		case 'd': only_discard(optarg); return 0;
		case 'h': (void)fputs(help, stdout); return 0;
		default: (void)fputs(help, stderr); return 2;
		}
	if (counting.count != 0 && optind < argc)
		only_count(argv[optind], &counting);
	else
		run_directories(argv + optind, only, writes);
	return 0;
}
