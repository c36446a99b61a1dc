/* SPDX-License-Identifier: MIT */
/*
 * Before the first change to a VHD: its whole BAT is judged. Layer: engine. VHD-070.
 *
 * To write one of two blocks that share a place would change the other, and an entry that points beyond the end of the file today would name a new block tomorrow. So
 * nothing is written to such a file. Costs one pass over the BAT.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/claims.h"
#include "engine/usage.h"
#include "engine/vhd_writer.h"

struct check {
	struct vhd_image *v;
	struct claims claims;
	bool settled; /* second pass */
};

static int check_block(struct check *c, uint64_t block, uint32_t entry, struct vhdx_error *error)
{
	uint64_t offset = (uint64_t)entry * VHD_SECTOR, length = (uint64_t)c->v->bitmap_size + c->v->base.block_size;
	int status;

	if (entry == VHD_UNALLOCATED)
		return VHDX_OK;
	if (c->settled)
		return !claims_hit(&c->claims, offset, length)
			       ? VHDX_OK
			       : broken(error, RULE_VHD_070, c->v->dynamic.table_offset + block * 4,
					"block %" PRIu64 " at 0x%" PRIx64 " overlaps another one", block, offset);
	status = vhd_check_entry(c->v, block, entry, error);
	return status == VHDX_OK ? claims_add(&c->claims, offset, length, error) : status;
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct check *c = context;
	int status = VHDX_OK;

	for (uint64_t i = 0; status == VHDX_OK && i + 4 <= length && (at + i) / 4 < c->v->block_count; i += 4)
		status = check_block(c, (at + i) / 4, bytes == NULL ? 0 : get_be32(bytes + i), error);
	return status;
}

static int scan(struct check *c, struct vhdx_error *error)
{
	return usage_scan(&c->v->base, c->v->dynamic.table_offset, c->v->block_count * 4, visit, c, error);
}

int vhd_check_blocks(struct vhd_writer *w, struct vhdx_error *error)
{
	struct check c = { .v = w->v, .claims = { .env = w->v->base.env } };
	int status = VHDX_OK;

	if (atomic_load(&w->blocks_are_good))
		return VHDX_OK;
	mutex_lock(&w->allocation);
	if (!atomic_load(&w->blocks_are_good)) {
		status = scan(&c, error);
		if (status == VHDX_OK && c.claims.is_full)
			status = fail(error, VHDX_E_UNSUPPORTED,
				      "the blocks are scattered over too many places to make sure that no two share one");
		claims_settle(&c.claims);
		c.settled = true;
		if (status == VHDX_OK && c.claims.count != 0)
			status = scan(&c, error);
		claims_release(&c.claims);
		atomic_store(&w->blocks_are_good, status == VHDX_OK);
	}
	mutex_unlock(&w->allocation);
	return status;
}
