/* SPDX-License-Identifier: MIT */
/*
 * Every flush that orders two writes has a name here. Layer: engine. A build with VHDX_TEST_BARRIERS can leave out any one of them, and the crash test
 * must then fail: that is how we know that each is needed, and that the test sees.
 */
#ifndef ENGINE_BARRIER_H
#define ENGINE_BARRIER_H

#include "io/file.h"

enum barrier {
	BARRIER_LEFT_BEFORE_REPLAY, /* what a killed process wrote may still be on its way: its log entries, and the header slot that counts */
	BARRIER_REPLAY_HEADER,       /* W1: the new FileWriteGuid before the first replayed page */
	BARRIER_REPLAY_BEFORE_CLEAR, /* W4: replayed pages are durable before LogGuid is cleared */
	BARRIER_REPLAY_CLEAR,        /* one header slot is durable before the other one is written */
	BARRIER_LEFT_BEFORE_SESSION, /* whatever was written before this session; above all the header slot that counts */
	BARRIER_SESSION, /* W1, W2: new identifiers, and the log's first entry, before the header that names the log, and before any change */
	BARRIER_DATA_BEFORE_ENTRY,    /* W5: data in stale space, or behind bitmap bits, before the entry that shows it */
	BARRIER_COMMIT,               /* what flush promises; W3 for the pages that are applied later */
	BARRIER_ENTRIES_BEFORE_APPLY, /* W3: the same when the log is full and nobody asked for durability */
	BARRIER_APPLY_BEFORE_REUSE,   /* W4: applied pages are durable before their log space is reused */
	BARRIER_APPLY_BEFORE_CLEAR,   /* W4: and before LogGuid is cleared */
	BARRIER_CLEAR_BEFORE_TRIM,    /* LogGuid is cleared before the other slot is written and the file shrinks */
	BARRIER_CONTENT_BEFORE_SIZE, /* zeros behind the old end, new blocks and a moved BAT, before the log entry that makes them part of the disk */
	BARRIER_VHD_BLOCK_BEFORE_BAT,         /* VHD-096: a block and its footer are durable before the BAT names it */
	BARRIER_VHD_COMMIT,                   /* the BAT and bitmaps are durable: what flush promises */
	BARRIER_VHD_FRONT_COPY,               /* VHD-097: the front copy is durable before the footer at the end is overwritten */
	BARRIER_VHD_CONTENT_BEFORE_SIZE,      /* the same for a VHD */
	BARRIER_VHD_STRUCTURES_BEFORE_FOOTER, /* a new dynamic header and what it names before a footer that names it */
	BARRIER_VHD_END_BEFORE_FRONT,         /* VHD-034: one footer before the other */
	BARRIER_VHD_FOOTER_MOVED,             /* the footer of a fixed VHD stands at its new place before the old one goes */
	BARRIER_COUNT
};

extern const char *const barrier_names[BARRIER_COUNT];

int barrier_flush(const struct vhdx_file *file, enum barrier barrier, struct vhdx_error *error);

#if defined(VHDX_TEST_BARRIERS)
extern int vhdx_test_skipped_barrier; /* BARRIER_COUNT: none */
#endif

#endif
