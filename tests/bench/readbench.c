/* SPDX-License-Identifier: MIT */
/*
 * vhdx-readbench: options, and the order of the rows. See readbench.h. It shows and judges nothing: the exit status is 0 when
 * all rows could be measured.
 */
#include <getopt.h>
#include <stdio.h>

#include "readbench.h"

const char program[] = "vhdx-readbench";
struct settings settings = { 9, UINT64_C(2) << 30, now };

static const char help[] =
	"Usage: vhdx-readbench [options] [DIRECTORY]\n"
	"What reading through the library costs, beside pread on a raw file and libvhdi.\n"
	"Images of five times the size are made in DIRECTORY (.) and removed again; they should fit into memory.\n"
	"\n"
	"  --rounds N          rounds of each row (9)\n"
	"  --size N            size of the disks in MiB, a multiple of 64 (2048)\n"
	"  --quick             3 rounds and 256 MiB\n"
	"  --cpu               processor time instead of elapsed time, for a machine that others use too\n"
	"  --only KEYS         these groups of rows: a letter each, of \"abcdef\" (a and b, d and f go together)\n"
	"  --reads N IMAGE     nothing but N random reads of 4 KiB from IMAGE, for strace, perf and callgrind\n"
	"  --open IMAGE        nothing but opening and closing it; prints where its BAT begins and ends\n"
	"  --help\n";

static void rows_vhdx(const char *raw, const char *only)
{
	const char *image;

	if (wanted(only, "ab")) {
		image = make_image("large.vhdx", VHDX_FORMAT_VHDX, 32 << 20, true);
		rows_dynamic(raw, image, "dynamic VHDX, 32 MiB blocks");
		work_remove(image);
	}
	if (!wanted(only, "abdef"))
		return;
	image = make_image("base.vhdx", VHDX_FORMAT_VHDX, LARGE, true);
	if (wanted(only, "ab")) {
		rows_dynamic(raw, image, "dynamic VHDX, 1 MiB blocks");
		rows_unallocated();
	}
	if (wanted(only, "e"))
		rows_threads(raw, image);
	if (wanted(only, "df")) {
		rows_chain(image, "64 VHDX, empty above the base", VHDX_FORMAT_VHDX, RECIPE_BASE, 100);
		rows_chain(image, "64 VHDX, blocks in every level", VHDX_FORMAT_VHDX, RECIPE_BLOCKS, 100);
		rows_chain(image, "64 VHDX, blocks partially present", VHDX_FORMAT_VHDX, RECIPE_RUNS, 10);
	}
	work_remove(image);
}

static void rows_vhds(const char *raw, const char *only)
{
	const char *image;

	if (!wanted(only, "cdf"))
		return;
	image = make_image("base.vhd", VHDX_FORMAT_VHD, CHILD_BLOCK, true);
	if (wanted(only, "c"))
		rows_vhd(raw, image);
	if (wanted(only, "df")) {
		rows_chain(image, "64 VHD, empty above the base", VHDX_FORMAT_VHD, RECIPE_BASE, 100);
		rows_chain(image, "64 VHD, blocks in every level", VHDX_FORMAT_VHD, RECIPE_BLOCKS, 100);
		rows_chain(image, "64 VHD, blocks partially present", VHDX_FORMAT_VHD, RECIPE_RUNS, 10);
	}
	work_remove(image);
}

static void run_all(const char *directory, const char *only)
{
	const char *raw;

	work_begin(directory);
	(void)printf("libvhdx %s; %s %s; disks of %llu MiB, warm; %u rounds; %s time\n", vhdx_version(),
		     peer_exists() ? "libvhdi" : "built without libvhdi", peer_version(),
		     (unsigned long long)(settings.size >> 20), settings.rounds, settings.clock == now ? "elapsed" : "processor");
	table_head();
	raw = make_raw();
	rows_vhdx(raw, only);
	rows_vhds(raw, only);
	work_end();
}

static void only_read(const char *name, size_t reads)
{
	static const struct job job = { SMALL, false, 0 };
	struct reader ours = our_reader(open_disk(name));

	settings.size = vhdx_disk_size(ours.handle);
	(void)timed(&ours, &job, reads, 4711);
	vhdx_close(ours.handle);
}

static void only_open(const char *name)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	vhdx_disk *disk = open_disk(name);
	uint64_t width;

	if (vhdx_get_info(disk, 0, &info, &error) < 0)
		stop_error("info", &error);
	width = info.format == VHDX_FORMAT_VHD ? 4 : 8;
	vhdx_close(disk);
	(void)printf("%llu %llu\n", (unsigned long long)info.bat_offset,
		     (unsigned long long)(info.bat_offset + info.block_count * width));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' },
		{ "quick", no_argument, NULL, 'q' },
		{ "only", required_argument, NULL, 'o' },
		{ "reads", required_argument, NULL, 'n' },
		{ "open", required_argument, NULL, 'i' },
		{ "cpu", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *only = "", *image = NULL;
	size_t reads = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'r': settings.rounds = (unsigned)number(optarg, 1, MAX_ROUNDS); break;
		case 's': settings.size = (uint64_t)(number(optarg, 64, 1 << 20) / 64 * 64) << 20; break;
		case 'q':
			settings.rounds = 3;
			settings.size = UINT64_C(256) << 20;
			break;
		case 'c': settings.clock = processor_time; break;
		case 'o': only = optarg; break;
		case 'n': reads = number(optarg, 1, 1000000000); break;
		case 'i': image = optarg; break;
		case 'h': (void)fputs(help, stdout); return 0;
		default: (void)fputs(help, stderr); return 2;
		}
	if (image != NULL)
		only_open(image);
	else if (reads != 0 && optind < argc)
		only_read(argv[optind], reads);
	else
		run_all(optind < argc ? argv[optind] : ".", only);
	return 0;
}
