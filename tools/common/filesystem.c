/* SPDX-License-Identifier: MIT */
/*
 * Filesystems and other contents of a partition, told by signatures: one table, one row each. Part of content.h.
 *
 * A row names bytes at a fixed place in the first CONTENT_PROBE_SIZE bytes, and perhaps a function that reads label and size and
 * has the last word. The first row that fits wins, so the order matters: what a formatter leaves behind of an earlier content
 * comes later.
 */
#include <string.h>

#include "probe.h"

struct signature {
	const char *type;
	uint32_t offset;
	uint32_t length;
	const char *bytes;
	bool (*describe)(struct content_filesystem *out, const struct probe *probe, const struct signature *signature);
};

static bool describe_xfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	(void)signature;
	out->size = probe_product(probe_be64(probe->bytes + 8), probe_be32(probe->bytes + 4));
	probe_text(out->label, probe->bytes + 108, 12);
	return true;
}

static bool describe_luks(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	(void)signature;
	if (probe->bytes[6] || probe->bytes[7] < 1 || probe->bytes[7] > 2)
		return false;
	out->type = probe->bytes[7] == 1 ? "LUKS1" : "LUKS2";
	if (probe->bytes[7] == 2)
		probe_text(out->label, probe->bytes + 24, 48);
	return true;
}

static bool describe_squashfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	(void)signature;
	out->size = probe_le64(probe->bytes + 40);
	return true;
}

static bool describe_apfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	(void)signature;
	out->size = probe_product(probe_le64(probe->bytes + 40), probe_le32(probe->bytes + 36));
	return true;
}

/* The name of the volume group stands first in the text of the metadata area, which the lists behind the label lead to. */
static bool describe_lvm(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *label = probe->bytes + signature->offset - 24;
	uint32_t place = probe_le32(label + 20);
	uint64_t area, text;

	if (place < 32 || place > 512 - 56)
		return true;
	out->size = probe_le64(label + place + 32);
	for (place += 40; place <= 512 - 32 && probe_le64(label + place); place += 16)
		;
	if (place > 512 - 32)
		return true;
	area = probe_le64(label + place + 16);
	if (area == 0 || area > CONTENT_PROBE_SIZE - 512)
		return true;
	text = probe_le64(probe->bytes + area + 40);
	if (memcmp(probe->bytes + area + 4, " LVM2 x[5A%r0N*>", 16) == 0 && text >= 512 &&
	    text <= CONTENT_PROBE_SIZE - area - 128) {
		const uint8_t *name = probe->bytes + area + text;
		const uint8_t *end = memchr(name, ' ', 128);

		if (end)
			probe_text(out->label, name, (size_t)(end - name));
	}
	return true;
}

/* The label of a ZFS pool: name-value pairs in XDR, of which "name" is among the first. */
static bool describe_zfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	uint32_t place = signature->offset + 12;

	for (int i = 0; i < 8; i++) {
		const uint8_t *pair = probe->bytes + place;
		uint32_t size = probe_be32(pair), name_length = probe_be32(pair + 8);

		if (size < 24 || size > 1024 || name_length > 64)
			break;
		if (name_length == 4 && memcmp(pair + 12, "name", 4) == 0) {
			uint32_t length = probe_be32(pair + 24);

			probe_text(out->label, pair + 28, length < 128 ? length : 128);
			break;
		}
		place += size;
	}
	return true;
}

/* ext2 has no journal, ext3 knows only the features named here, everything newer is ext4. */
static bool describe_ext(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *super = probe->bytes + 1024;
	uint32_t compatible = probe_le32(super + 92), incompatible = probe_le32(super + 96), read_only = probe_le32(super + 100);
	uint64_t blocks = probe_le32(super + 4);

	(void)signature;
	if (probe_le32(super + 24) > 6 || probe_le32(super + 76) > 1)
		return false;
	if (incompatible & 0x80)
		blocks |= (uint64_t)probe_le32(super + 0x150) << 32;
	if (incompatible & 0x08)
		out->type = "ext journal";
	else if (incompatible & ~0x16u || read_only & ~0x07u)
		out->type = "ext4";
	else
		out->type = compatible & 0x04 ? "ext3" : "ext2";
	out->size = probe_product(blocks, UINT64_C(1024) << probe_le32(super + 24));
	probe_text(out->label, super + 120, 16);
	return true;
}

static bool describe_hfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *header = probe->bytes + 1024;

	(void)signature;
	out->size = probe_product(probe_be32(header + 44), probe_be32(header + 40));
	return header[2] == 0 && (header[3] == 4 || header[3] == 5);
}

static bool describe_f2fs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *super = probe->bytes + 1024;

	(void)signature;
	if (probe_le32(super + 16) > 16)
		return false;
	out->size = probe_product(probe_le64(super + 36), UINT64_C(1) << probe_le32(super + 16));
	probe_text_utf16(out->label, super + 124, 64);
	return true;
}

static bool describe_erofs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *super = probe->bytes + 1024;

	(void)signature;
	if (super[12] > 16)
		return false;
	out->size = probe_product(probe_le32(super + 36), UINT64_C(1) << super[12]);
	probe_text(out->label, super + 64, 16);
	return true;
}

static bool describe_bcachefs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	(void)signature;
	probe_text(out->label, probe->bytes + 4096 + 72, 32);
	return true;
}

static bool describe_raid(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	probe_text(out->label, probe->bytes + signature->offset + 32, 32);
	return true;
}

/* The signature ends the first page, whose size follows from where it is. */
static bool describe_swap(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	out->size = probe_product((uint64_t)probe_le32(probe->bytes + 1028) + 1, signature->offset + 10);
	probe_text(out->label, probe->bytes + 1052, 16);
	return true;
}

static bool describe_iso9660(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *volume = probe->bytes + 0x8000;

	(void)signature;
	out->size = probe_product(probe_le32(volume + 80), probe_le16(volume + 128));
	probe_text(out->label, volume + 40, 32);
	return true;
}

static bool describe_btrfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *super = probe->bytes + 0x10000;

	(void)signature;
	out->size = probe_le64(super + 0xD1);
	probe_text(out->label, super + 0x12B, 256);
	return true;
}

/* "LABELONE" stands 24 bytes before "LVM2 001". The last bytes of ZFS's name the first pair of the list. */
static const struct signature signatures[] = {
	{ "NTFS", 3, 8, "NTFS    ", describe_ntfs },
	{ "exFAT", 3, 8, "EXFAT   ", describe_exfat },
	{ "ReFS", 3, 8, "ReFS\0\0\0\0", describe_refs },
	{ "BitLocker", 3, 8, "-FVE-FS-", describe_bitlocker },
	{ "BitLocker", 424, 16, "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01", describe_bitlocker },
	{ "XFS", 0, 4, "XFSB", describe_xfs },
	{ "LUKS", 0, 6, "LUKS\xba\xbe", describe_luks },
	{ "squashfs", 0, 4, "hsqs", describe_squashfs },
	{ "Linux RAID", 0, 8, "\xfc\x4e\x2b\xa9\x01\0\0\0", describe_raid },
	{ "APFS", 32, 4, "NXSB", describe_apfs },
	{ "FAT", 510, 2, "\x55\xaa", describe_fat },
	{ "LVM2 PV", 512 + 24, 8, "LVM2 001", describe_lvm },
	{ "LVM2 PV", 24, 8, "LVM2 001", describe_lvm },
	{ "btrfs", 0x10040, 8, "_BHRfS_M", describe_btrfs },
	{ "bcachefs", 4096 + 24, 16, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", describe_bcachefs },
	{ "bcachefs", 4096 + 24, 16, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", describe_bcachefs },
	{ "Linux RAID", 4096, 8, "\xfc\x4e\x2b\xa9\x01\0\0\0", describe_raid },
	{ "swap", 4096 - 10, 10, "SWAPSPACE2", describe_swap },
	{ "swap", 8192 - 10, 10, "SWAPSPACE2", describe_swap },
	{ "swap", 16384 - 10, 10, "SWAPSPACE2", describe_swap },
	{ "swap", 65536 - 10, 10, "SWAPSPACE2", describe_swap },
	{ "ZFS", 0x4000, 12, "\x01\x01\0\0\0\0\0\0\0\0\0\x01", describe_zfs },
	{ "f2fs", 1024, 4, "\x10\x20\xf5\xf2", describe_f2fs },
	{ "EROFS", 1024, 4, "\xe2\xe1\xf5\xe0", describe_erofs },
	{ "HFS+", 1024, 2, "H+", describe_hfs },
	{ "HFSX", 1024, 2, "HX", describe_hfs },
	{ "ext", 1024 + 56, 2, "\x53\xef", describe_ext },
	{ "UDF", 0x8801, 4, "NSR0", NULL },
	{ "UDF", 0x9001, 4, "NSR0", NULL },
	{ "ISO9660", 0x8001, 5, "CD001", describe_iso9660 },
	{ "JFS", 0x8000, 4, "JFS1", NULL },
	{ "ReiserFS", 0x10034, 8, "ReIsEr2F", NULL },
	{ "ReiserFS", 0x10034, 8, "ReIsEr3F", NULL },
	{ "UFS2", 0x10000 + 1372, 4, "\x19\x01\x54\x19", NULL },
};

static bool matches(struct content_filesystem *out, const struct probe *probe, const struct signature *s)
{
	if (memcmp(probe->bytes + s->offset, s->bytes, s->length) != 0)
		return false;
	*out = (struct content_filesystem){ .type = s->type };
	return s->describe == NULL || s->describe(out, probe, s);
}

/* Something else says as well that it is here: it came later and left this one's mark, or was here before. */
static bool is_ambiguous(const struct probe *probe, const char *type)
{
	struct content_filesystem other;

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (matches(&other, probe, &signatures[i]) && strcmp(other.type, type) != 0)
			return true;
	return false;
}

bool filesystem_probe(struct content_filesystem *out, const struct probe *probe, bool boot_sector)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		const struct signature *signature = &signatures[i];

		if (boot_sector && signature->offset >= 512)
			continue;
		if (matches(out, probe, signature)) {
			out->ambiguous = is_ambiguous(probe, out->type);
			return true;
		}
	}
	*out = (struct content_filesystem){ .type = NULL };
	return false;
}
