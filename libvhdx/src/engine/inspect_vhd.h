/* SPDX-License-Identifier: MIT */
/* The walk through a VHD file: footers -> dynamic header, locators -> BAT. Layer: engine. */
#ifndef ENGINE_INSPECT_VHD_H
#define ENGINE_INSPECT_VHD_H

#include "base/ranges.h"
#include "engine/image.h"
#include "engine/inspect.h"
#include "format/vhd_dynamic.h"
#include "format/vhd_footer.h"

struct vhd_walk {
	struct inspection *in;
	struct image base;        /* only env and view, for usage_scan */
	bool has_footer;          /* `footer` is valid */
	struct vhd_footer footer; /* may be one with a wrong checksum; all zero when there is none */
	uint64_t footer_offset;
	bool is_at_end;             /* false: it is the copy in front */
	struct vhd_dynamic dynamic; /* read at dynamic_offset */
	uint64_t dynamic_offset;
	bool has_bat;                        /* the table lies in the file and covers the disk */
	uint64_t block_count;                /* blocks that the disk has */
	uint64_t structures_end;             /* end of headers, BAT and locators */
	uint64_t limit;                      /* blocks end here at the latest: the end footer, or the end of the file */
	uint8_t footers[2][vhd_footer_size]; /* at the end, in front */
	bool are_valid[2];
	bool disagree;                              /* both are valid, but say other things */
	bool is_short;                              /* the one at the end lacks its last byte: VHD-010 */
	bool has_foreign;                           /* structures that no footer or header names */
	bool knows_end;                             /* `file_end` */
	uint64_t file_end;                          /* of the last block or structure */
	uint64_t leaked;                            /* bytes in places that belong to nothing */
	struct range places[4 + VHD_LOCATOR_COUNT]; /* of structures, as far as they are sound */
	size_t place_count;
};

/* Whether the dynamic header that a footer names is inside the file, behind the footer copy. */
static inline bool inspect_vhd_has_dynamic(const struct inspection *in, const struct vhd_footer *f)
{
	return f->data_offset >= VHD_SECTOR && range_fits(f->data_offset, vhd_dynamic_header_size, in->size);
}

int inspect_vhd_dynamic(struct vhd_walk *w);
int inspect_vhd_bat(struct vhd_walk *w);

#endif
