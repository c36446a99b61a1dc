/* SPDX-License-Identifier: MIT */
/*
 * The free clusters of NTFS: the file $Bitmap, when $Volume says that the volume is clean and $LogFile that nothing is to be redone, as after a shutdown but not
 * after a hibernation or fast startup. See unused.h.
 *
 * These files are records 2, 3 and 6 of the master file table, whose first piece always holds 16 of them.
 */
#include <string.h>

#include "probe.h"
#include "unused.h"

enum {
	RECORD_MFT = 0,
	RECORD_LOG = 2,
	RECORD_VOLUME = 3,
	RECORD_BITMAP = 6,
	ATTRIBUTE_LIST = 0x20,
	ATTRIBUTE_INFORMATION = 0x70,
	ATTRIBUTE_DATA = 0x80,
	MOST_RECORD = 4096,
	WINDOW = 4096,
	VOLUME_DIRTY = 0x4001, /* or under chkdsk */
	LOG_CLEAN = 2,
	LOG_NO_CLIENT = 0xFFFF
};

struct ntfs {
	struct volume *v;
	uint64_t cluster;
	uint64_t clusters;
	uint32_t record_size;
	uint64_t table; /* offset of the MFT */
	uint8_t record[MOST_RECORD];
};

/* A number of units, or, when it is "negative", a power of two of bytes. */
static uint64_t size_of(uint8_t code, uint64_t unit)
{
	return code < 0x80 ? code * unit : code >= 0xE0 ? UINT64_C(1) << (0x100 - code) : 0;
}

static bool load(struct ntfs *n, const uint8_t *boot)
{
	uint64_t sector = probe_le16(boot + 11), sectors = probe_le64(boot + 40), first = probe_le64(boot + 48), record;

	if (sector < 256 || sector > 4096 || (sector & (sector - 1)) != 0)
		return false;
	n->cluster = boot[13] <= 0x80 ? boot[13] * sector : boot[13] >= 0xF4 ? sector << (0x100 - boot[13]) : 0;
	if (n->cluster == 0 || (n->cluster & (n->cluster - 1)) != 0 || sectors > n->v->size / sector)
		return false;
	record = size_of(boot[64], n->cluster);
	n->clusters = sectors * sector / n->cluster;
	if (record < 512 || record > MOST_RECORD || (record & (record - 1)) != 0 || first == 0 || first >= n->clusters)
		return false;
	n->record_size = (uint32_t)record;
	n->table = first * n->cluster;
	return true;
}

/* The first attribute of a kind without name in the record that was read, and its length; NULL when it has none. */
static const uint8_t *find(const struct ntfs *n, uint32_t kind, uint32_t *length)
{
	uint32_t place = probe_le16(n->record + 20);

	while (place + 24 <= n->record_size) {
		const uint8_t *a = n->record + place;

		*length = probe_le32(a + 4);
		if (probe_le32(a) == UINT32_MAX || *length < 24 || *length > n->record_size - place)
			return NULL;
		if (probe_le32(a) == kind && a[9] == 0)
			return a;
		place += *length;
	}
	return NULL;
}

static bool read_record(struct ntfs *n, unsigned number)
{
	return volume_read(n->v, n->record, n->record_size, n->table + (uint64_t)number * n->record_size) &&
	       ntfs_restore_record(n->record, n->record_size);
}

/* Where a file stands: pieces of clusters, decoded one after the other. */
struct runs {
	const uint8_t *at;
	const uint8_t *end;
	uint64_t start; /* of the piece, in clusters */
	uint64_t count;
};

/* False when the attribute is not one plain file of at least `size` bytes. */
static bool runs_of(const struct ntfs *n, uint64_t size, struct runs *runs)
{
	uint32_t length, place;
	const uint8_t *a = find(n, ATTRIBUTE_DATA, &length);

	if (a == NULL || a[8] != 1 || length < 64 || probe_le16(a + 12) != 0 || probe_le64(a + 16) != 0)
		return false;
	place = probe_le16(a + 32);
	if (place < 64 || place >= length || probe_le64(a + 48) < size || probe_le64(a + 56) < size)
		return false;
	*runs = (struct runs){ .at = a + place, .end = a + length };
	return true;
}

static int64_t number_of(const uint8_t *bytes, unsigned length)
{
	uint64_t value = length != 0 && bytes[length - 1] & 0x80 ? UINT64_MAX : 0;

	for (unsigned i = length; i-- > 0;)
		value = value << 8 | bytes[i];
	return (int64_t)value;
}

/* The next piece; false at the end, and when it is a hole or lies outside. */
static bool next_run(const struct ntfs *n, struct runs *r)
{
	unsigned count_length, start_length;
	int64_t count, step;

	if (r->at == r->end || *r->at == 0)
		return false;
	count_length = *r->at & 15;
	start_length = *r->at >> 4;
	if (count_length == 0 || count_length > 8 || start_length == 0 || start_length > 8 ||
	    (size_t)(r->end - r->at) < 1 + count_length + start_length)
		return false;
	count = number_of(r->at + 1, count_length);
	step = number_of(r->at + 1 + count_length, start_length);
	r->at += 1 + count_length + start_length;
	r->start += (uint64_t)step;
	r->count = (uint64_t)count;
	return count > 0 && r->start < n->clusters && r->count <= n->clusters - r->start;
}

/* All pieces of a file are in use. */
static void own_runs(const struct ntfs *n, struct runs runs)
{
	while (next_run(n, &runs))
		volume_own(n->v, runs.start * n->cluster, runs.count * n->cluster);
}

/* All pieces of the table lie where its first records were looked for, as far as they are needed. */
static bool table_is_here(struct ntfs *n)
{
	struct runs runs;

	if (!read_record(n, RECORD_MFT) || !runs_of(n, 16 * (uint64_t)n->record_size, &runs))
		return false;
	own_runs(n, runs);
	return next_run(n, &runs) && runs.start * n->cluster == n->table &&
	       runs.count * n->cluster >= 16 * (uint64_t)n->record_size;
}

static bool volume_is_clean(struct ntfs *n)
{
	uint32_t length;
	const uint8_t *a = read_record(n, RECORD_VOLUME) ? find(n, ATTRIBUTE_INFORMATION, &length) : NULL;

	if (a == NULL || a[8] != 0 || probe_le16(a + 20) + UINT32_C(12) > length)
		return false;
	return (probe_le16(a + probe_le16(a + 20) + 10) & VOLUME_DIRTY) == 0;
}

/* One restart page: its sequence number, and whether the volume was taken out of use in order. */
static bool read_restart(const struct ntfs *n, uint64_t offset, uint64_t *sequence, bool *clean)
{
	uint8_t page[512];
	uint32_t area;

	if (!volume_read(n->v, page, sizeof(page), offset))
		return false;
	area = probe_le16(page + 24);
	if ((memcmp(page, "RSTR", 4) != 0 && memcmp(page, "CHKD", 4) != 0) || area < 30 || area > sizeof(page) - 18)
		return false;
	*sequence = probe_le64(page + area);
	/* version 2: Windows 8 and later, which goes back to 1.1 when it takes the volume out of use for good */
	*clean = probe_le16(page + 28) < 2 &&
		 (probe_le16(page + area + 12) == LOG_NO_CLIENT || (probe_le16(page + area + 14) & LOG_CLEAN) != 0);
	return true;
}

/* The newer one of the two restart pages counts. A log of nothing but ones was emptied, as a formatter leaves it. */
static bool log_is_clean(struct ntfs *n)
{
	static const uint8_t none[4] = { 0xFF, 0xFF, 0xFF, 0xFF };
	uint64_t sequences[2] = { 0, 0 }, start;
	bool found[2], clean[2] = { false, false };
	struct runs runs;
	uint8_t head[24];
	uint32_t page;

	if (!read_record(n, RECORD_LOG) || !runs_of(n, 65536, &runs))
		return false;
	own_runs(n, runs);
	if (!next_run(n, &runs))
		return false;
	start = runs.start * n->cluster;
	if (!volume_read(n->v, head, sizeof(head), start))
		return false;
	if (memcmp(head, none, 4) == 0)
		return true;
	page = probe_le32(head + 16);
	if (page < 512 || page > 65536 || runs.count * n->cluster < 2 * (uint64_t)page)
		return false;
	for (int i = 0; i < 2; i++)
		found[i] = read_restart(n, start + (uint64_t)i * page, &sequences[i], &clean[i]);
	if (found[0] && found[1])
		return clean[sequences[1] > sequences[0]] && (sequences[0] != sequences[1] || clean[1]);
	return found[0] && clean[0];
}

static bool tell_free(struct ntfs *n, struct runs *runs)
{
	uint8_t bytes[WINDOW];
	uint64_t bit = 0;

	while (bit < n->clusters) {
		if (!next_run(n, runs))
			return volume_refuse(n->v, "its $Bitmap is damaged");
		for (uint64_t at = 0, part; at < runs->count * n->cluster && bit < n->clusters; at += part) {
			part = runs->count * n->cluster - at < WINDOW ? runs->count * n->cluster - at : WINDOW;
			if (!volume_read(n->v, bytes, (size_t)part, runs->start * n->cluster + at))
				return volume_refuse(n->v, "its $Bitmap cannot be read");
			for (uint64_t i = 0; i < part * 8 && bit < n->clusters; i++, bit++)
				if ((bytes[i / 8] >> i % 8 & 1) == 0)
					volume_free(n->v, bit * n->cluster, n->cluster);
		}
	}
	return true;
}

bool unused_ntfs(struct volume *v)
{
	struct ntfs n = { .v = v };
	uint8_t boot[512];
	uint32_t length;
	struct runs runs;

	if (!volume_read(v, boot, sizeof(boot), 0) || !load(&n, boot))
		return volume_refuse(v, "its boot sector does not fit it");
	if (!table_is_here(&n))
		return volume_refuse(v, "its master file table is damaged");
	if (!volume_is_clean(&n))
		return volume_refuse(v, "it is marked as dirty; run chkdsk");
	if (!log_is_clean(&n))
		return volume_refuse(
			v, "its log is not clean, as after a hibernation or fast startup; shut Windows down, or run chkdsk");
	if (!read_record(&n, RECORD_BITMAP) || find(&n, ATTRIBUTE_LIST, &length) != NULL ||
	    !runs_of(&n, (n.clusters + 7) / 8, &runs))
		return volume_refuse(v, "its $Bitmap is not understood");
	own_runs(&n, runs);
	volume_own(v, 0, sizeof(boot));
	volume_own(v, probe_le64(boot + 56) * n.cluster, n.record_size); /* the mirror of the table */
	return tell_free(&n, &runs);
}
