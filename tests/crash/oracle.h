/* SPDX-License-Identifier: MIT */
/*
 * What a disk may hold after a crash: for each sector of 512 bytes the value that the last acknowledged flush made durable, or any value written after it.
 *
 * A value is the number of the operation that wrote it; its 512 bytes are made from that number and the sector, so that a sector read back names its writer, and bytes
 * of another place or of two writers mixed are no value at all. 0 stands for zeros.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORACLE_SECTOR = 512, ORACLE_FOREIGN = -1, ORACLE_UNKNOWN = -2 };

struct oracle_event {
	size_t position; /* changes recorded before it began (write) or when it was acknowledged (flush) */
	bool is_flush;
	bool maybe; /* the operation failed: each sector may or may not have it */
	uint64_t sector;
	uint64_t count;
	int value;
};

struct oracle {
	uint64_t sectors;
	int *initial; /* value of each sector, and of one more for the caller's use, when recording began: durable */
	struct oracle_event *events;
	size_t count;
	size_t capacity;
};

void oracle_start(struct oracle *oracle, uint64_t sectors);
void oracle_end(struct oracle *oracle);
/* Forgets the events; the newest values become the initial ones. */
void oracle_settle(struct oracle *oracle);
void oracle_write(struct oracle *oracle, size_t position, uint64_t sector, uint64_t count, int value);
void oracle_flush(struct oracle *oracle, size_t position);
/* The last write failed, or the last few that are parts of one operation. */
void oracle_doubt(struct oracle *oracle, size_t events);
/* The newest value of a sector, or ORACLE_UNKNOWN after a failed write. */
int oracle_newest(const struct oracle *oracle, uint64_t sector);

void oracle_fill(uint8_t *bytes, uint64_t sector, uint64_t count, int value);
/* The value that these 512 bytes are, or ORACLE_FOREIGN. */
int oracle_value(const uint8_t *bytes, uint64_t sector);

/* Values allowed after a crash at a moment when `end` changes had been issued: flushes acknowledged by then hold, writes begun by then may show. Lists
 * up to `most` for a sector; returns how many. */
size_t oracle_allowed(const struct oracle *oracle, size_t end, uint64_t sector, int *values, size_t most);

#endif
