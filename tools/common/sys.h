/* SPDX-License-Identifier: MIT */
/*
 * What the tools need of the operating system beyond vhdx.h: one interface, twin implementations in posix.c and win32.c. Paths
 * are UTF-8.
 */
#ifndef SYS_H
#define SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that separate the components of a path. */
extern const char SYS_SEPARATORS[];

/* UTF-8 arguments and console, binary standard streams. */
void sys_begin(int *argc, char ***argv);

/* From here on an interrupt only makes sys_interrupted() true, unless it was ignored from the start. */
void sys_catch_interrupts(void);
bool sys_interrupted(void);
/* Ends the process as the caught signal would have done; returns when none was caught. */
void sys_finish_interrupt(void);

enum sys_kind {
	SYS_MISSING = 0, /* or nothing that could be looked at */
	SYS_REGULAR = 1,
	SYS_BLOCK = 2,  /* a block device: a whole disk or partition */
	SYS_STREAM = 3, /* a FIFO, socket or character device */
	SYS_LINK = 4,   /* a symbolic link, when links are not followed */
	SYS_OTHER = 5   /* a directory */
};
struct sys_identity {
	enum sys_kind kind;
	uint64_t volume;
	uint64_t file;
	unsigned mode; /* permission bits, 0 on Windows */
};
void sys_identify(struct sys_identity *out, const char *path, bool follow_links);
bool sys_same(const struct sys_identity *a, const struct sys_identity *b);

/* Removes a file. */
bool sys_remove(const char *path);
/* Puts `from` in the place of `to` in one step. */
bool sys_replace(const char *from, const char *to);
/* Gives `from` the name `to`, which nobody else may have. */
bool sys_name(const char *from, const char *to);
/* Gives a file a second name, which nobody else may have. */
bool sys_link(const char *from, const char *to);
/* Makes the names in the directory of `path` durable, as far as the system can. */
void sys_sync_directory(const char *path);
/* Whether a block device is mounted, or otherwise somebody's alone. */
bool sys_device_in_use(const char *path);
/* Whether writing to a block device would change `path`: the same one, a partition of it or it of that, or the file behind a loop device. Linux. */
bool sys_device_holds(const char *device, const char *path);
/* Where temporary files go, without a separator at the end. */
const char *sys_temporary_directory(void);
/* A reader that went away shows as a failed write instead of ending the process. */
void sys_ignore_broken_pipes(void);
/* Forgets what memory holds of a file, so that it is read from where it is stored. */
void sys_forget(const char *path);
/* Calls `visit` with the path of each entry of a directory, in no order. False when it cannot be read. */
bool sys_list(const char *directory, void (*visit)(void *context, const char *path), void *context);
/* Files made from here on get no permission that `mode` lacks; 0777 takes the limit away. */
void sys_limit_mode(unsigned mode);
void sys_set_mode(const char *path, unsigned mode);
/* Why the last function of this header failed. */
const char *sys_problem(void);
unsigned long sys_process_id(void);

bool sys_is_terminal(int descriptor);
bool sys_is_open(int descriptor);
/* All of `text` to an open descriptor; failures are nobody's business. */
void sys_tell(int descriptor, const char *text, size_t length);
/* Seconds of a clock that only runs forward. */
double sys_seconds(void);
/* A sequential input, "-" for standard input. -1 on failure. */
int sys_open_stream(const char *path);
/* Bytes read, 0 at the end, -1 on failure, SYS_READ_INTERRUPTED after a caught interrupt. */
enum { SYS_READ_INTERRUPTED = -2 };
int64_t sys_read_stream(int descriptor, void *buffer, size_t length);
void sys_close_stream(int descriptor);

#endif
