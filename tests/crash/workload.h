/* SPDX-License-Identifier: MIT */
/* Runs sequences of operations on a small disk of every type, recording what the file sees and what the disk may hold. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "cowfile.h"
#include "oracle.h"

enum op {
	OP_WRITE_IN,
	OP_WRITE_NEW,
	OP_WRITE_PARTIAL,
	OP_WRITE_SPAN,
	OP_ZERO_BLOCK,
	OP_ZERO_PART,
	OP_DISCARD,
	OP_RESIZE,     /* larger and smaller in turn */
	OP_WRITE_SAME, /* what a parent holds */
	OP_COMPACT,
	OP_DEFRAG, /* and zeros become holes */
	OP_FLUSH,
	OP_CLOSE,
	OP_KILL,
	OP_COUNT
};
extern const char *const op_names[OP_COUNT];

struct kind {
	const char *name;
	enum vhdx_format format;
	enum vhdx_type type;
	uint32_t sector;
	unsigned wide; /* pages of the BAT; 0: a small disk of 3.5 MiB */
};
/* The last one is wide: 512 blocks for each page of its BAT, and a parent with something in the first sectors of the first WIDE_ROUNDS blocks of each. */
extern const struct kind kinds[];
extern const size_t kind_count;
enum { GROWN = 3 * 512 * 1024, WIDE_ROUNDS = 8, WIDE_SECTORS = 8, BLOCK_SECTORS = 2048 };

struct workload {
	const struct kind *kind;
	struct cowfile *parent; /* NULL without */
	struct cowfile *file;   /* being written */
	struct cowfile *start;  /* when recording began */
	struct record record;
	struct oracle oracle;
	struct vhdx_disk *disk; /* NULL when closed */
	int next_value;
	unsigned compactions; /* every second one is stopped when the first block has moved */
	size_t killed_at;     /* changes recorded when the last process died */
	uint64_t disk_size;   /* as it is now; the oracle has room for the largest, and what is behind the end is zeros */
	uint64_t first_size;
	uint64_t structures_end;  /* headers, log, metadata and BAT lie below; 0 for VHD */
	struct vhdx_guid file_id; /* FileWriteGuid and DataWriteGuid at the start */
	struct vhdx_guid data_id;
	uint8_t *scratch; /* for the content of one operation */
	uint64_t scratch_size;
};

/* Every allocation of the library while it runs workloads. */
struct workload_memory {
	uint64_t calls;
	uint64_t at; /* which one fails, 1 is the next; 0: none */
	bool sticky; /* and all later ones */
	uint64_t hits;
	uint64_t live; /* not yet released */
};
extern struct workload_memory workload_memory;

/* Makes the disk, with some content in its first block. */
void workload_start(struct workload *w, const struct kind *kind);
void workload_end(struct workload *w);
/* The file as prepared again, nothing recorded. */
void workload_reset(struct workload *w);
/* Returns a status. */
int workload_run(struct workload *w, enum op op, struct vhdx_error *error);
int workload_write(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error);
int workload_zero(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error);
int workload_discard(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error);
/* All that the oracle knows of: the disk, and zeros behind its end. */
int workload_read(const struct workload *w, vhdx_disk *disk, uint8_t *bytes, struct vhdx_error *error);
/* Some sectors likewise. */
int workload_read_part(const struct workload *w, vhdx_disk *disk, uint8_t *bytes, uint64_t sector, uint64_t count,
		       struct vhdx_error *error);
/* Whether a crash at that moment may leave a disk of this size. */
bool workload_allows_size(const struct workload *w, size_t end, uint64_t size);
/* Makes a disk of this kind in an empty file; not differencing and `filled`: with value 1 in every sector. Ends the program when it cannot. */
void workload_create(struct workload *w, struct cowfile *file, bool filled);
/* Opens a file of this workload with its parent. */
int workload_open(const struct workload *w, vhdx_disk **disk, struct cowfile *file, unsigned flags, struct vhdx_error *error);

#endif
