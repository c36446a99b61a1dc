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
#include "format/fields.h"

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
					"block %" PRIu64 " at 0x%" PRIx64 " overlaps another one or a parent locator", block,
					offset);
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

/* VHD-056: the text of a parent locator stands where nothing else is written; a BAT that gets entries, a footer or its copy would destroy it. */
static int check_locators(const struct vhd_image *v, struct vhdx_error *error)
{
	const struct range taken[] = { { 0, VHD_SECTOR },
				       { v->footer.data_offset, vhd_dynamic_header_size },
				       { v->dynamic.table_offset, (uint64_t)v->dynamic.max_table_entries * 4 },
				       { v->blocks_limit, v->base.view.size - v->blocks_limit } };

	for (unsigned i = 0; v->base.type == VHDX_TYPE_DIFFERENCING && i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &v->dynamic.locators[i];

		if (l->platform_code == 0 || l->data_length == 0 ||
		    !range_fits(l->data_offset, l->data_length, v->base.view.size))
			continue;
		for (size_t k = 0; k < sizeof(taken) / sizeof(taken[0]); k++)
			if (ranges_overlap(l->data_offset, l->data_length, taken[k].offset, taken[k].length))
				return broken(
					error, RULE_VHD_056, l->data_offset,
					"a parent locator stands in another structure, so that nothing can be written safely");
	}
	return VHDX_OK;
}

/* So that a block over the text of one is found: to write the block would destroy it. */
static int claim_locators(struct check *c, struct vhdx_error *error)
{
	const struct vhd_image *v = c->v;
	int status = VHDX_OK;

	for (unsigned i = 0; status == VHDX_OK && v->base.type == VHDX_TYPE_DIFFERENCING && i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &v->dynamic.locators[i];

		if (l->platform_code != 0 && l->data_length != 0 && range_fits(l->data_offset, l->data_length, v->base.view.size))
			status = claims_add(&c->claims, l->data_offset, l->data_length, error);
	}
	return status;
}

int vhd_check_blocks(struct vhd_writer *w, struct vhdx_error *error)
{
	struct check c = { .v = w->v, .claims = { .env = w->v->base.env } };
	int status = VHDX_OK;

	if (atomic_load(&w->blocks_are_good))
		return VHDX_OK;
	mutex_lock(&w->allocation);
	if (!atomic_load(&w->blocks_are_good)) {
		status = check_locators(w->v, error);
		if (status == VHDX_OK)
			status = claim_locators(&c, error);
		if (status == VHDX_OK)
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

int vhd_refuse_batmap(const struct vhd_image *v, struct vhdx_error *error)
{
	uint64_t place = round_up(v->dynamic.table_offset + (uint64_t)v->dynamic.max_table_entries * 4, VHD_SECTOR);
	uint8_t cookie[8] = { 0 };
	int status = VHDX_OK;

	if (range_fits(place, sizeof(cookie), v->base.view.size))
		status = view_read(&v->base.view, cookie, sizeof(cookie), place, error);
	if (status == VHDX_OK && get_be64(cookie) == UINT64_C(0x74646261746D6170)) /* "tdbatmap" */
		return fail_at(error, VHDX_E_UNSUPPORTED, "", place, "the file has a batmap, which would be wrong afterwards");
	return status;
}
