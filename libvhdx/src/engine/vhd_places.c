/* SPDX-License-Identifier: MIT */
/* Where the blocks of a VHD stand, judged before the first change: see vhd_writer.h. Layer: engine. */
#include "base/bytes.h"
#include "base/error.h"
#include "engine/claims.h"
#include "engine/usage.h"
#include "engine/vhd_writer.h"

#include <inttypes.h>

struct places {
	struct vhd_image *v;
	struct claims claims;
};

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct places *p = context;
	int status = VHDX_OK;

	(void)at;
	for (uint64_t i = 0; bytes != NULL && status == VHDX_OK && i + 4 <= length; i += 4) {
		uint32_t entry = get_be32(bytes + i);

		/* an entry that names no place is judged when its block is asked for */
		if (entry != VHD_UNALLOCATED)
			status = claims_add(&p->claims, (uint64_t)entry * VHD_SECTOR,
					    (uint64_t)p->v->bitmap_size + p->v->base.block_size, error);
	}
	return status;
}

static int judge(struct places *p, struct vhdx_error *error)
{
	struct vhd_image *v = p->v;
	int status = usage_scan(&v->base, v->dynamic.table_offset, v->block_count * 4, visit, p, error);

	if (status < 0)
		return status;
	if (p->claims.is_full)
		return fail(error, VHDX_E_UNSUPPORTED,
			    "the blocks are scattered over too many places to make sure that no two share one");
	claims_settle(&p->claims);
	if (p->claims.count != 0)
		return broken(error, RULE_VHD_070, p->claims.chunks[0][0].offset,
			      "two blocks share %" PRIu64 " bytes from here on; writing one would change the other",
			      p->claims.chunks[0][0].length);
	return VHDX_OK;
}

int vhd_check_places(struct vhd_writer *w, struct vhdx_error *error)
{
	struct places p = { .v = w->v, .claims = { .env = w->v->base.env } };
	int status = VHDX_OK;

	if (atomic_load(&w->places_judged))
		return VHDX_OK;
	mutex_lock(&w->allocation);
	if (!atomic_load(&w->places_judged))
		status = judge(&p, error);
	if (status == VHDX_OK)
		atomic_store(&w->places_judged, true);
	mutex_unlock(&w->allocation);
	claims_release(&p.claims);
	return status;
}
