/* SPDX-License-Identifier: MIT */
/* The free clusters of exFAT: its allocation bitmap, which an entry of the root directory leads to. See unused.h. */
#include "probe.h"
#include "unused.h"

enum { ENTRY = 32, BITMAP = 0x81, UP_CASE = 0x82, WINDOW = 4096, MOST_DIRECTORY = 1 << 16 };

struct exfat {
	uint64_t table;
	uint64_t heap; /* offset of cluster 2 */
	uint64_t cluster;
	uint64_t clusters;
	uint32_t root;
};

static bool load(struct exfat *x, const struct volume *v, const uint8_t *boot)
{
	unsigned sector_shift = boot[108], cluster_shift = boot[109];
	uint64_t table_length = probe_le32(boot + 84), sectors = probe_le64(boot + 72);

	if (sector_shift < 9 || sector_shift > 12 || cluster_shift > 25 - sector_shift || boot[110] != 1)
		return false;
	x->table = (uint64_t)probe_le32(boot + 80) << sector_shift;
	x->heap = (uint64_t)probe_le32(boot + 88) << sector_shift;
	x->cluster = UINT64_C(1) << (sector_shift + cluster_shift);
	x->clusters = probe_le32(boot + 92);
	x->root = probe_le32(boot + 96);
	return sectors <= v->size >> sector_shift && x->clusters != 0 && x->heap <= v->size &&
	       x->clusters <= (v->size - x->heap) / x->cluster && x->clusters + 2 <= (table_length << sector_shift) / 4;
}

static bool is_cluster(const struct exfat *x, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < x->clusters;
}

static uint64_t place_of(const struct exfat *x, uint32_t cluster)
{
	return x->heap + (uint64_t)(cluster - 2) * x->cluster;
}

/* The cluster that follows, or 0. */
static uint32_t next_of(const struct exfat *x, const struct volume *v, uint32_t cluster)
{
	uint8_t entry[4];

	if (!volume_read(v, entry, sizeof(entry), x->table + (uint64_t)cluster * 4))
		return 0;
	return is_cluster(x, probe_le32(entry)) ? probe_le32(entry) : 0;
}

/* The bitmap's own clusters are in use. */
static void own_chain(const struct exfat *x, struct volume *v, uint32_t cluster, uint64_t length)
{
	for (uint64_t done = 0; cluster != 0 && done < length; done += x->cluster, cluster = next_of(x, v, cluster))
		volume_own(v, place_of(x, cluster), x->cluster);
}

/* The first MOST_DIRECTORY entries of the root directory are looked at; those of the bitmap and of the table of capital letters are among the very first. */
static bool find_bitmap(const struct exfat *x, struct volume *v, uint32_t *first, uint64_t *length)
{
	bool found = false;
	uint32_t cluster = x->root;
	uint8_t entry[ENTRY];

	for (unsigned i = 0, in_cluster = 0; i < MOST_DIRECTORY && is_cluster(x, cluster); i++) {
		if (in_cluster == 0)
			volume_own(v, place_of(x, cluster), x->cluster);
		if (!volume_read(v, entry, sizeof(entry), place_of(x, cluster) + in_cluster))
			return false;
		if (entry[0] == 0)
			break;
		if (entry[0] == UP_CASE && is_cluster(x, probe_le32(entry + 20)))
			volume_own(v, place_of(x, probe_le32(entry + 20)), x->cluster);
		if (entry[0] == BITMAP && (entry[1] & 1) == 0 && !found) {
			*first = probe_le32(entry + 20);
			*length = probe_le64(entry + 24);
			if (!is_cluster(x, *first) || *length < (x->clusters + 7) / 8)
				return false;
			found = true;
		}
		in_cluster += ENTRY;
		if (in_cluster == x->cluster) {
			cluster = next_of(x, v, cluster);
			in_cluster = 0;
		}
	}
	return found;
}

static bool tell_free(const struct exfat *x, struct volume *v, uint32_t cluster)
{
	uint8_t bytes[WINDOW];
	uint64_t in_cluster = 0;

	for (uint64_t bit = 0; bit < x->clusters; in_cluster += sizeof(bytes)) {
		uint64_t left = (x->clusters - bit + 7) / 8, part = left < WINDOW ? left : WINDOW;

		if (in_cluster >= x->cluster) {
			cluster = next_of(x, v, cluster);
			in_cluster = 0;
		}
		part = part < x->cluster - in_cluster ? part : x->cluster - in_cluster;
		if (cluster == 0 || !volume_read(v, bytes, (size_t)part, place_of(x, cluster) + in_cluster))
			return volume_refuse(v, "its allocation bitmap cannot be read");
		for (uint64_t i = 0; i < part * 8 && bit < x->clusters; i++, bit++)
			if ((bytes[i / 8] >> i % 8 & 1) == 0)
				volume_free(v, x->heap + bit * x->cluster, x->cluster);
	}
	return true;
}

bool unused_exfat(struct volume *v)
{
	uint8_t boot[512];
	struct exfat x;
	uint64_t length;
	uint32_t first;

	if (!volume_read(v, boot, sizeof(boot), 0) || !load(&x, v, boot))
		return volume_refuse(v, "its boot sector does not fit it");
	if (probe_le16(boot + 106) & 6)
		return volume_refuse(v, "it was not unmounted cleanly");
	if (!find_bitmap(&x, v, &first, &length))
		return volume_refuse(v, "it has no allocation bitmap");
	own_chain(&x, v, first, (x.clusters + 7) / 8);
	return tell_free(&x, v, first);
}
