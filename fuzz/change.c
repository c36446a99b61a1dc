/* SPDX-License-Identifier: MIT */
/*
 * fuzz_change: an image of any kind with edits is resized, given settings and items, made smaller. Whatever becomes of that, the disk opens afterwards and reads what it read
 * before, as far as it goes; what is added by growing reads as zeros. An estimate changes nothing.
 */
#include <inttypes.h>
#include <string.h>

#include "samples.h"

enum { STEPS = 4, MOST_BLOCKS = 4096, MOST_ENTRIES = 1 << 16 };

struct change {
	struct fuzz_image *image;
	struct fuzz_env env;
	struct samples samples;
	uint64_t same;   /* as much of the disk was there all the time */
	bool failed;     /* a step gave an error */
	unsigned called; /* progress */
};

static int count_progress(void *context, uint64_t done, uint64_t total)
{
	struct change *c = context;

	if (done > total)
		fuzz_finding("progress of %" PRIu64 " of %" PRIu64, done, total);
	return ++c->called > 100000;
}

/* Nobody may say that a block is not needed: the content is compared. */
static int all_is_used(void *context, uint64_t disk_offset, uint64_t length)
{
	(void)context;
	if (length == 0 || disk_offset + length < disk_offset)
		fuzz_finding("a block of 0x%" PRIx64 " bytes at 0x%" PRIx64, length, disk_offset);
	return 0;
}

static int compact(struct change *c, vhdx_disk *disk, struct fuzz_input *in, struct vhdx_error *error)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct vhdx_compact_result result = VHDX_COMPACT_RESULT_INIT;
	uint8_t choice = fuzz_byte(in);

	if (c->image->specimen->block_size != 0 && vhdx_disk_size(disk) / c->image->specimen->block_size > MOST_BLOCKS)
		return VHDX_OK; /* it walks the whole BAT */
	options.flags = choice % 64;
	options.result = &result;
	options.on_progress = count_progress;
	options.on_progress_context = c;
	options.is_unused = choice >= 128 ? all_is_used : NULL;
	return vhdx_compact(disk, &options, error);
}

/* Millions of entries of the BAT say no more than thousands: they come to one input in sixteen, and sixty millions to none. */
static bool takes_long(const struct change *c, uint64_t size, uint64_t wanted, uint8_t choice)
{
	uint64_t difference = wanted < size ? size - wanted : wanted - size;

	return c->image->specimen->block_size != 0 &&
	       difference / c->image->specimen->block_size > MOST_ENTRIES * (choice < 240 ? 1 : 16);
}

static int resize(struct change *c, vhdx_disk *disk, struct fuzz_input *in, struct vhdx_error *error)
{
	uint64_t size = vhdx_disk_size(disk), wanted = size;
	uint8_t choice = fuzz_byte(in);
	int status;

	switch (choice % 6) {
	case 0: wanted = size + fuzz_take(in, 1) * 512; break;
	case 1: wanted = size + fuzz_take(in, 2) * c->image->specimen->block_size; break;
	case 2: wanted = size - fuzz_take(in, 1) * 512; break;
	case 3: wanted = size / (fuzz_byte(in) + UINT64_C(1)) / 512 * 512; break;
	case 4: wanted = fuzz_take(in, 8); break;
	default: wanted = UINT64_C(1) << fuzz_byte(in) % 64; break;
	}
	if (takes_long(c, size, wanted, choice))
		wanted = size + (wanted > size ? wanted : UINT64_MAX - wanted) % (16 * c->image->specimen->block_size);
	status = vhdx_resize(disk, wanted, choice / 6 % 4, error);
	if (status == VHDX_OK && vhdx_disk_size(disk) != wanted)
		fuzz_finding("resized to %" PRIu64 ", not %" PRIu64, vhdx_disk_size(disk), wanted);
	c->same = c->same < vhdx_disk_size(disk) ? c->same : vhdx_disk_size(disk);
	if (status < 0 && wanted < c->same) /* it may be done and not known */
		c->same = wanted;
	return status;
}

static int set(vhdx_disk *disk, struct fuzz_input *in, struct vhdx_error *error)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	uint8_t choice = fuzz_byte(in);
	struct vhdx_guid id;

	for (unsigned i = 0; i < 16; i++)
		id.bytes[i] = (uint8_t)(choice * (i + 1));
	settings.physical_sector_size = choice % 4 == 0 ? 512 : choice % 4 == 1 ? 4096 : choice % 4 == 2 ? choice : 0;
	settings.disk_id = choice / 4 % 2 == 0 ? &id : NULL;
	settings.parent_relative = choice / 8 % 4 == 0 ? ".\\another.vhdx" : NULL;
	settings.parent_absolute = choice / 32 % 4 == 0 ? "C:\\somewhere\\else.vhdx" : NULL;
	return vhdx_set(disk, &settings, error);
}

/* Identifiers, lengths and the beginnings of the values of all items but one. */
struct others {
	vhdx_disk *disk;
	const struct vhdx_guid *but;
	uint64_t sum;
};

static int add_up(void *context, const struct vhdx_user_item *item)
{
	struct others *o = context;
	uint8_t bytes[64] = { 0 };
	struct vhdx_error error;
	uint64_t sum = item->length;
	size_t length;
	int status;

	if (memcmp(&item->id, o->but, sizeof(item->id)) == 0)
		return 0;
	status = vhdx_get_item(o->disk, &length, bytes, sizeof(bytes), &item->id, &error);
	if (status == VHDX_OK && length != item->length)
		fuzz_finding("an item is listed with %u bytes and has %zu", item->length, length);
	for (size_t i = 0; i < sizeof(bytes); i++)
		sum = (sum ^ bytes[i] ^ (uint64_t)item->id.bytes[i % 16] << 8) * UINT64_C(0x100000001B3);
	o->sum += sum;
	return 0;
}

static int change_item(struct change *c, vhdx_disk *disk, struct fuzz_input *in, struct vhdx_error *error)
{
	static uint8_t value[1 << 20], found[1 << 20];
	uint8_t choice = fuzz_byte(in);
	struct vhdx_user_item item = { .of_file = choice / 16 % 2 };
	struct others before = { disk, &item.id, 0 }, after = before;
	size_t length;
	int status;

	memset(item.id.bytes, choice % 4 == 0 ? 0x77 : choice % 16, sizeof(item.id.bytes));
	item.length = (uint32_t)fuzz_take(in, choice % 3 == 0 ? 1 : 3) % (sizeof(value) + 2);
	memset(value, choice, sizeof(value));
	if (vhdx_visit_items(disk, add_up, &before, error) != VHDX_OK)
		return VHDX_OK; /* no VHDX, or what it has cannot be read */
	status = vhdx_set_item(disk, &item, choice >= 224 ? NULL : value, error);
	if (status == VHDX_E_NOT_FOUND || status == VHDX_E_NO_SPACE || (status == VHDX_E_ARGUMENT && item.length > sizeof(value)))
		return VHDX_OK; /* and no reason to stop: nothing is changed */
	if (status == VHDX_OK && choice < 224 && !c->env.failing) {
		status = vhdx_get_item(disk, &length, found, sizeof(found), &item.id, error);
		if (status != VHDX_OK || length != item.length || memcmp(found, value, length) != 0)
			fuzz_finding("an item is not what was set");
	}
	if (!c->env.failing && (vhdx_visit_items(disk, add_up, &after, error) != VHDX_OK || after.sum != before.sum))
		fuzz_finding("another item is changed as well");
	return status;
}

static void step(struct change *c, vhdx_disk *disk, struct fuzz_input *in)
{
	struct vhdx_error error;
	uint8_t choice = fuzz_byte(in);
	int status;

	switch (choice % 8) {
	case 0:
	case 1:
	case 2: status = resize(c, disk, in, &error); break;
	case 3: status = set(disk, in, &error); break;
	case 4: status = vhdx_flush(disk, &error); break;
	case 5: status = change_item(c, disk, in, &error); break;
	default: status = compact(c, disk, in, &error); break;
	}
	if (status != VHDX_E_CANCELLED)
		fuzz_check(&c->env, "change", status, &error);
	c->failed |= status < 0;
	if (status == VHDX_OK)
		samples_compare(&c->samples, disk, c->env.failing ? 0 : c->same, "after a change");
}

static void change(struct change *c, struct memfile *file, struct fuzz_input *in)
{
	struct vhdx_error error;
	vhdx_disk *disk;
	int status = specimen_open(&disk, c->image->specimen, file, VHDX_OPEN_WRITE, &c->env.t.env, &error);

	fuzz_check(&c->env, "open for writing", status, &error);
	if (status < 0)
		return;
	for (unsigned i = 0; i < STEPS && (in->left != 0 || i == 0); i++)
		step(c, disk, in);
	status = vhdx_close(disk);
	if (status < 0 && !c->env.failing && !c->failed)
		fuzz_finding("closing after a change: %s", vhdx_status_name(status));
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_FIXED, SPECIMEN_VHDX_CHILD,
						    SPECIMEN_VHDX_LOG,     SPECIMEN_VHDX_HUGE,  SPECIMEN_VHDX_EXTRAS,
						    SPECIMEN_VHD_DYNAMIC,  SPECIMEN_VHD_FIXED,  SPECIMEN_VHD_CHILD,
						    SPECIMEN_VHD_HUGE };
	static struct change c; /* large for a stack */
	struct fuzz_image image;
	struct vhdx_error error;
	vhdx_disk *disk;
	char text[1500];

	fuzz_image_take(&image, in, kinds, sizeof(kinds) / sizeof(kinds[0]));
	memset(&c, 0, sizeof(c));
	c.image = &image;
	fuzz_env_start(&c.env);
	if (specimen_open(&disk, image.specimen, image.file, 0, &c.env.t.env, &error) == VHDX_OK) {
		samples_take(&c.samples, disk, image.specimen->block_size, *in);
		c.same = c.samples.size;
		(void)vhdx_close(disk);
		fuzz_image_arm(&image, &c.env, image.file);
		change(&c, image.file, in);
		fuzz_image_disarm(&c.env, image.file);
		if (specimen_open(&disk, image.specimen, image.file, 0, &c.env.t.env, &error) < 0)
			fuzz_finding("does not open after a change: %s", vhdx_error_text(&error, text, sizeof(text)));
		samples_compare(&c.samples, disk, c.same, "opened again after a change");
		(void)vhdx_close(disk);
	}
	fuzz_env_end(&c.env);
	fuzz_image_end(&image);
}

static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	return fuzz_image_seed(number, SPECIMEN_COUNT, out, size);
}

const struct fuzz_target fuzz_change = { "fuzz_change", run, seed, 1 };
