/* SPDX-License-Identifier: MIT */
/*
 * What a journal did to a VHDX file, decoded by the specification and not by the library: headers, and the log entries in the order in which they were written.
 * Layer: tests/rules.
 */
#ifndef RULES_VHDX_STREAM_H
#define RULES_VHDX_STREAM_H

#include "rules/vhdx_sample.h"
#include "rules/written.h"

enum { STREAM_PAGE = 4096 };

struct stream_header {
	bool valid;
	uint64_t sequence;
	struct vhdx_guid file_write, data_write, log; /* their bytes as they stand: only to be compared */
	uint64_t log_offset;
	uint32_t log_length;
};

struct stream_header stream_header(const struct memfile *m, unsigned slot);
/* The slot of the current header; the test fails when there is none. */
unsigned stream_current(const struct memfile *m);
struct stream_header stream_current_header(const struct memfile *m);
/* The event writes a header: which slot, else -1. */
int stream_header_slot(const struct journal_event *e);
bool same_guid(const struct vhdx_guid *a, const struct vhdx_guid *b);
bool zero_guid(const struct vhdx_guid *guid);

struct stream_entry {
	size_t first, last; /* events that wrote it */
	uint32_t at;        /* offset in the log */
	uint32_t length, tail, count;
	uint64_t sequence, flushed, last_offset;
	struct vhdx_guid guid;
	uint8_t *bytes; /* unwrapped */
};

struct stream {
	uint64_t log, log_length;
	uint64_t bitmap; /* the sector bitmap block of the only chunk, at the end; 0: none */
	struct stream_entry *entries;
	size_t count;
};

/* Every write into the log is part of an entry with a right checksum, or the test fails. */
void stream_start(struct stream *s, const struct written *w);
void stream_end(struct stream *s);
bool stream_in_log(const struct stream *s, const struct journal_event *e);
/* The event changes neither headers nor log. */
bool stream_is_body(const struct stream *s, const struct journal_event *e);
/* The entry that begins with this event, or NULL. */
const struct stream_entry *stream_begins(const struct stream *s, size_t event);
/* The place of page `index` of an entry; `page` (may be NULL) gets its 4,096 bytes as they shall stand there. */
uint64_t stream_page(const struct stream_entry *e, uint32_t index, uint8_t *page);
/* Puts all its pages at their places. */
void stream_replay(const struct stream_entry *e, struct memfile *m);
/* The newest entry with the page at `file_offset` that was written completely before `event`: its index, or -1. */
int stream_newest(const struct stream *s, uint64_t file_offset, size_t event);
/* The entry of the same log that `tail` of entry `index` names: its index. */
size_t stream_tail(const struct stream *s, size_t index);

/* The place belongs to region tables, metadata region, BAT or sector bitmap of the images below. */
bool stream_is_metadata(const struct stream *s, uint64_t file_offset);
/* BAT entry of a payload block, and of the sector bitmap block, of the images below. */
uint64_t stream_bat(const struct memfile *m, unsigned block);
uint64_t stream_bitmap_entry(const struct memfile *m);

/*
 * The usual subjects, with the log at 1, metadata at 2, BAT at 3 and blocks from 4 MiB on: a dynamic disk whose block 1 holds pattern 5, and an empty child of a
 * parent whose blocks 0 to 7 hold pattern 1. 16 blocks of 1 MiB, sectors of 512.
 */
void stream_dynamic(struct written *w);
void stream_child(struct written *w);

#endif
