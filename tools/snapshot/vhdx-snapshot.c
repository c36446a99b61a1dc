/* SPDX-License-Identifier: MIT */
/*
 * vhdx-snapshot: a new differencing disk over a disk, as a checkpoint makes it. The leaf is made by what makes those of vhdx-create (common/creation.h).
 *
 * With --swap the disk gets a second name first (a link); then the leaf is made under a temporary name, with that second name as its parent, and takes the place of the
 * first one in one step. So at any moment there is a disk under the name that a machine is configured for, the old one or the new one.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "creation.h"
#include "family.h"
#include "names.h"
#include "sys.h"

static const char HELP[] =
	"usage: vhdx-snapshot [options] DISK [NEW]\n"
	"\n"
	"Makes NEW, a differencing disk whose parent is DISK (VHDX or VHD), as a checkpoint does: what is\n"
	"written from then on goes to NEW, and DISK keeps what it holds. Without NEW its name is that of DISK\n"
	"with a GUID, ending in .avhdx or .avhd.\n"
	"\n"
	"      --swap                the new disk gets the name of DISK, and DISK is called NEW from then on,\n"
	"                            or else by its name with a GUID\n"
	"      --json                print what was made as JSON\n"
	"  -q, --quiet               print nothing but errors\n"
	"  -h, --help                print this\n"
	"      --version             print the version\n"
	"\n"
	"How DISK and its parents are opened:\n"
	"  --format FORMAT           vhdx or vhd; else found by content\n";

enum { OPT_VERSION = 1, OPT_SWAP, OPT_JSON };

static const struct option options[] = {
	{ "swap", 0, NULL, OPT_SWAP },       { "json", 0, NULL, OPT_JSON }, { "quiet", 0, NULL, 'q' }, { "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION }, TOOL_OPEN_OPTIONS(""),         { NULL, 0, NULL, 0 },
};

struct snapshot {
	struct creation create; /* as vhdx-create would be told */
	char *disk;
	const char *name; /* NEW, or NULL */
	char *made;       /* the name that is new */
	bool swap;
};

static int take(struct snapshot *s, int option, char **argv)
{
	switch (option) {
	case OPT_SWAP: s->swap = true; return TOOL_DONE;
	case OPT_JSON: s->create.json = true; return TOOL_DONE;
	case 'q': s->create.quiet = true; return TOOL_DONE;
	case 'h': s->create.help = true; return TOOL_DONE;
	case OPT_VERSION: s->create.version = true; return TOOL_DONE;
	case '?':
	case ':': return tool_bad_option(option, argv);
	default: return tool_open_option(&s->create.open, option, optarg);
	}
}

static int parse(struct snapshot *s, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, ":qh", options, NULL)) != -1) {
		int result = take(s, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (s->create.help || s->create.version)
		return TOOL_DONE;
	if (argc - optind != 1 && argc - optind != 2)
		return tool_usage("wants a DISK, and perhaps the NEW one");
	s->disk = argv[optind];
	s->name = argc - optind == 2 ? argv[optind + 1] : NULL;
	if ((s->create.open.flags & (VHDX_OPEN_NO_LOCK | VHDX_OPEN_NO_PARENTS)) != 0)
		return tool_usage("a disk that somebody writes, or without its parents, makes no parent");
	if (s->swap && s->name != NULL && strpbrk(s->name, SYS_SEPARATORS) != NULL)
		return tool_usage("with --swap NEW is a name in the directory of DISK");
	return TOOL_DONE;
}

/* A parent with a pending log could not be read by Windows, which opens parents for reading only. */
static int replay(const struct snapshot *s)
{
	struct vhdx_open_options how = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int status;

	how.flags = VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS;
	how.format = s->create.open.format;
	if (vhdx_open(&disk, s->disk, &how, &error) != VHDX_OK)
		return tool_error(&error);
	status = vhdx_close(disk);
	if (status != VHDX_OK)
		return tool_fail("%s: its log cannot be replayed: %s", s->disk, vhdx_status_name(status));
	if (!s->create.quiet)
		tool_warn("note: %s was not closed in order; its log was replayed", s->disk);
	return TOOL_DONE;
}

/* Other images know the disk by the name that it would lose. */
static int refuse_children(const struct snapshot *s, const vhdx_disk *disk)
{
	struct family family;
	int result = TOOL_DONE;

	family_find(&family, disk, 1, s->disk, NULL, 0);
	if (family.count != 0)
		result = tool_fail("%s: is the parent of %s, which would not find it under another name", s->disk,
				   family.children[0].path);
	family_release(&family);
	return result;
}

static int refuse_swap(const struct snapshot *s, const vhdx_disk *disk)
{
	struct sys_identity found;

	sys_identify(&found, s->disk, false);
	if (found.kind != SYS_REGULAR)
		return tool_fail("%s: is not a regular file, and cannot be swapped", s->disk);
	sys_identify(&found, s->made, false);
	if (found.kind != SYS_MISSING)
		return tool_fail("%s: exists already", s->made);
	return refuse_children(s, disk);
}

static int choose_name(struct snapshot *s, enum vhdx_format format)
{
	struct vhdx_guid guid;
	struct vhdx_error error;

	if (s->name != NULL) {
		s->made = names_beside(s->swap ? s->disk : "", s->name);
		return TOOL_DONE;
	}
	if (vhdx_guid_random(&guid, &error) != VHDX_OK)
		return tool_error(&error);
	s->made = s->swap ? names_kept(s->disk, &guid) : names_leaf(s->disk, format, &guid);
	return TOOL_DONE;
}

/* The whole chain must open: the new disk shall serve. */
static int look(struct snapshot *s, bool *dirty)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int result = tool_open_image(&disk, s->disk, &s->create.open);

	if (result != TOOL_DONE)
		return result;
	if (vhdx_get_info(disk, 0, &info, &error) != VHDX_OK)
		result = tool_error(&error);
	if (result == TOOL_DONE && info.format == VHDX_FORMAT_RAW)
		result = tool_fail("%s: a raw file cannot be a parent", s->disk);
	*dirty = info.log_state == VHDX_LOG_REPLAYED_IN_MEMORY;
	s->create.format = (int)info.format;
	s->create.size = info.virtual_size;
	if (result == TOOL_DONE)
		result = choose_name(s, info.format);
	if (result == TOOL_DONE && s->swap)
		result = refuse_swap(s, disk);
	vhdx_close(disk);
	return result;
}

static int make(struct snapshot *s, const char *parent, char *leaf)
{
	char *files[1];
	int result;

	files[0] = leaf;
	s->create.parent = parent;
	s->create.files = files;
	s->create.file_count = 1;
	s->create.open.format = VHDX_FORMAT_ANY;
	result = creation_check(&s->create);
	if (result == TOOL_DONE)
		result = creation_run(&s->create);
	s->create.files = NULL;
	return result;
}

static int make_and_swap(struct snapshot *s)
{
	struct sys_identity disk, kept;
	int result;

	if (!sys_link(s->disk, s->made))
		return tool_fail("%s: cannot be given the name %s: %s", s->disk, s->made, sys_problem());
	sys_sync_directory(s->made); /* before the other name goes to the new file */
	s->create.force = s->create.over_parent = true;
	result = make(s, s->made, s->disk);
	sys_identify(&disk, s->disk, false);
	sys_identify(&kept, s->made, false);
	if (result != TOOL_DONE && sys_same(&disk, &kept) && !sys_remove(s->made))
		tool_warn("%s: cannot be removed again: %s", s->made, sys_problem());
	return result;
}

static int run(struct snapshot *s, int argc, char **argv)
{
	bool dirty = false;
	int result = parse(s, argc, argv);

	if (result != TOOL_DONE)
		return result;
	if (s->create.version)
		return tool_version();
	if (s->create.help) {
		printf("%s%s", HELP, TOOL_OPEN_HELP);
		return TOOL_DONE;
	}
	sys_catch_interrupts();
	result = look(s, &dirty);
	if (result == TOOL_DONE && dirty)
		result = replay(s);
	if (result == TOOL_DONE)
		result = s->swap ? make_and_swap(s) : make(s, s->disk, s->made);
	if (result == TOOL_DONE)
		sys_sync_directory(s->made);
	free(s->made);
	return result;
}

int main(int argc, char **argv)
{
	struct snapshot snapshot = { .create = { .open = TOOL_OPEN_INIT } };
	int result;

	tool_begin("vhdx-snapshot", &argc, &argv);
	result = run(&snapshot, argc, argv);
	tool_open_release(&snapshot.create.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
