/* SPDX-License-Identifier: MIT */
/* libvhdx: changing what a disk is: size, settings, merges, compaction. Part of vhdx.h, which includes it and says what holds for all functions. */
#ifndef VHDX_CHANGE_H
#define VHDX_CHANGE_H

#include "vhdx.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Changing what the disk is. With VHDX_OPEN_WRITE, and no other call on the handle at the same time. Durable when they return VHDX_OK; a crash, a full host or
 * a failure leaves the old state or the new one, whole.
 */

enum vhdx_resize_flags {
	VHDX_RESIZE_CUT = 1u << 0 /* the disk may become smaller; what lies behind the new end is lost */
};

/* Another size, in bytes, of the disk: a multiple of the logical sector size, at most 64 TiB (VHDX) or 2040 GiB (VHD). What is added reads as zeros. Without
 * VHDX_RESIZE_CUT a smaller size is VHDX_E_ARGUMENT. Partitions and filesystems on the disk are not looked at. The children of a disk that was resized are lost (VHDX), or
 * have another size than their parent (VHD). A fixed VHD has one footer only: a crash in the moment in which it is moved can leave its 512
 * bytes at the beginning of the part that is added. A host that is full at the last step ends the session: VHDX_E_DEAD from then on. VHDX_E_UNSUPPORTED: a
 * VHD child whose parent is longer cannot grow. */
VHDX_API int vhdx_resize(vhdx_disk *disk, uint64_t size, unsigned flags, struct vhdx_error *error);

/* What vhdx_set changes; NULL and 0 leave a member as it is. */
struct vhdx_settings {
	uint32_t struct_size;
	uint32_t physical_sector_size;     /* VHDX: 512 or 4096 */
	const struct vhdx_guid *disk_id;   /* Virtual Disk ID; of a VHD its Unique Id, by which its children know it */
	/* Of a differencing disk: where its parent is. When one path is given, those not given are taken out, because they would name the old place. UTF-8, in the form
	 * that struct vhdx_create_options describes. */
	const char *parent_relative;
	const char *parent_absolute;
	const char *parent_volume;
	const char *parent_file; /* a host path: the texts are made from it, as vhdx_create does; not together with them */
	const struct vhdx_guid *parent_identity; /* DataWriteGuid (VHDX) or Unique Id (VHD) that the parent has. The caller vouches for its content. */
	/* VHDX: another DataWriteGuid that the parent may have, because it is about to change: see vhdx_merge. All zeros, or parent_identity without
	 * this one, takes it away. */
	const struct vhdx_guid *parent_identity2;
};
#define VHDX_SETTINGS_INIT VHDX_INIT(struct vhdx_settings)

/* Changes settings; open with VHDX_OPEN_NO_PARENTS when the parent cannot be found. A new parent path changes nothing that a child of this disk relies on. What the
 * handle says of its parent stays what it was when it was opened. */
VHDX_API int vhdx_set(vhdx_disk *disk, const struct vhdx_settings *settings, struct vhdx_error *error);

/* What a merge has to do, or has done. */
struct vhdx_merge_plan {
	uint32_t struct_size;
	uint64_t copy_bytes;  /* data that the source holds */
	uint64_t zero_bytes;  /* zeros that it says are there */
	uint64_t space_bytes; /* of new blocks in the target; its file grows by no more than that and some metadata */
	uint64_t size;        /* of the target afterwards */
};
#define VHDX_MERGE_PLAN_INIT VHDX_INIT(struct vhdx_merge_plan)

struct vhdx_merge_options {
	uint32_t struct_size;
	void *context;
	/* Optional; a non-zero return stops with VHDX_E_CANCELLED, after which the merge can be done again. */
	int (*progress)(void *context, uint64_t done, uint64_t total);
};
#define VHDX_MERGE_OPTIONS_INIT VHDX_INIT(struct vhdx_merge_options)

/*
 * Merges the files of `source` into `target`, their parent: afterwards `target` alone reads as the chain did. `source` is a child opened with VHDX_OPEN_NO_PARENTS,
 * and with all files between it and the target as explicit parents; `target` is open for writing. It may be a differencing disk itself. VHDX_E_ARGUMENT, and
 * nothing done, when the last file of `source` does not name `target` as its parent.
 *
 * Nothing is lost when this is interrupted at any instant: what is written into the target stands in the source still, so the chain reads as before and the merge
 * can be done again. For a VHDX that needs that the chain still accepts its changed parent: before the target is opened, choose a new
 * GUID, store it as `parent_identity2` in the last file of the source with vhdx_set (with the DataWriteGuid that the target has as `parent_identity`), and give it as
 * `data_identity` when the target is opened for writing; without that VHDX_E_ARGUMENT. The children of the source are then to be linked to the target by vhdx_set, and
 * the files of the source are of no use any more. Other children of the target lose their parent.
 *
 * Room for the new blocks is reserved before anything is changed, where the host can do that, and room for the items of the source is looked for in the metadata
 * region: VHDX_E_NO_SPACE. `plan` (may be NULL) tells what there was to do.
 */
VHDX_API int vhdx_merge(vhdx_disk *source, vhdx_disk *target, const struct vhdx_merge_options *options, struct vhdx_merge_plan *plan,
			struct vhdx_error *error);
/* Only looks; `target` may be open for reading. */
VHDX_API int vhdx_plan_merge(vhdx_disk *source, vhdx_disk *target, struct vhdx_merge_plan *plan, struct vhdx_error *error);

enum vhdx_compact_flags {
	VHDX_COMPACT_ESTIMATE = 1u << 0,   /* changes nothing and counts what would be done; a disk open for reading will do */
	VHDX_COMPACT_KEEP_ZEROS = 1u << 1, /* blocks that hold zeros stay */
	VHDX_COMPACT_KEEP_EQUAL = 1u << 2, /* blocks that hold what the parent holds stay */
	VHDX_COMPACT_KEEP_PLACES = 1u << 3, /* no block moves: what becomes free inside the file is given back to the host as holes */
	/* The blocks are put into the order of the disk as well. Needs about 64 MiB more of the host while it runs, and 16 bytes of memory for each block, of which
	 * it takes 2^22 (VHDX_E_UNSUPPORTED). Not with KEEP_PLACES. */
	VHDX_COMPACT_DEFRAG = 1u << 4,
	VHDX_COMPACT_PUNCH = 1u << 5 /* zeros in blocks, 32 KiB and more, become holes of the host, where it has them; a fixed disk too; reads all data */
};

/* What a compaction did, or would do. */
struct vhdx_compact_result {
	uint32_t struct_size;
	uint64_t blocks_zero;   /* freed, because they held zeros */
	uint64_t blocks_equal;  /* because they held what the parent holds */
	uint64_t blocks_unused; /* because `is_unused` said so */
	uint64_t bitmap_blocks; /* VHDX: sector bitmap blocks that are not needed any more */
	uint64_t anchors;       /* VHDX: places that were kept for blocks without content */
	uint64_t blocks_moved; /* copies made; some blocks may move more than once */
	uint64_t bytes_before; /* size of the file, and what it is when the disk is closed */
	uint64_t bytes_after;
	uint64_t runs_before; /* with DEFRAG: of blocks that are neighbours on the disk and in the file, as vhdx_get_usage counts them */
	uint64_t runs_after;
	uint64_t bytes_punched; /* with PUNCH: zeros that the host stored */
};
#define VHDX_COMPACT_RESULT_INIT VHDX_INIT(struct vhdx_compact_result)

struct vhdx_compact_options {
	uint32_t struct_size;
	unsigned flags;
	struct vhdx_compact_result *result; /* optional; also set as far as it came when the call fails */
	/* Progress in bytes, first of the disk, then also of blocks to move; a non-zero return stops the work with VHDX_E_CANCELLED. */
	int (*on_progress)(void *context, uint64_t done, uint64_t total);
	void *on_progress_context;
	/* Optional: non-zero when nobody needs the content of a whole block (of all the disk has of it), for example because the filesystem on the disk does not
	 * use it. Such a block is freed and reads as zeros from then on, which changes the disk: its children are lost (VHDX). A VHD child keeps it. */
	int (*is_unused)(void *context, uint64_t disk_offset, uint64_t length);
	void *is_unused_context;
};
#define VHDX_COMPACT_OPTIONS_INIT VHDX_INIT(struct vhdx_compact_options)

/* Makes the file smaller: frees blocks that hold zeros or what the parent holds (unless parents were left out), and moves blocks from the end of the file into
 * the room that there is. Reads return what they returned, children stay linked (but see `is_unused`). The work can be stopped at any moment, also by a crash; what is done stays
 * done, and the next call goes on. A fixed disk has nothing to free. A VHDX file becomes shorter when it is closed. `options` may be NULL.
 * VHDX_E_UNSUPPORTED: a raw file, or a VHD with a batmap. */
VHDX_API int vhdx_compact(vhdx_disk *disk, const struct vhdx_compact_options *options, struct vhdx_error *error);

#ifdef __cplusplus
}
#endif

#endif
