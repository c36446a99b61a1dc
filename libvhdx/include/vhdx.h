/* SPDX-License-Identifier: MIT */
/*
 * libvhdx: read and write VHDX and VHD virtual disks on any system.
 *
 * Conventions of this header
 *
 * - A function that can fail returns 0 (VHDX_OK) or a negative VHDX_E_* status. Its last parameter is an optional
 *   `struct vhdx_error` owned by the caller; it says why after a failure and means nothing after a success, and NULL is always accepted.
 * - An output is written on success only, and comes first.
 * - All sizes, lengths and offsets are in bytes. `disk_offset` counts in the virtual disk, `file_offset` in a host file. Ranges are
 *   half-open: offset + length.
 * - Option structures start with `struct_size`; initialise them with their _INIT macro. A zero or NULL member is the default.
 * - Strings are UTF-8, also on Windows. Strings handed in are copied; strings handed out live as long as said at each place.
 * - The library prints nothing, keeps no global state, never exits, starts no threads, and opens no file that it was not told to open.
 * - Unless said otherwise, a handle may be used from several threads at once.
 *
 * Rule numbers such as VHDX-029 or VHD-026 refer to specs/vhdx.md and specs/vhd.md.
 */
#ifndef VHDX_H
#define VHDX_H

#include <stddef.h>
#include <stdint.h>

/* An options structure of this version, all defaults: what the _INIT macros below are. */
#ifdef __cplusplus
template <typename Options> inline Options vhdx_init()
{
	Options options = Options();
	options.struct_size = sizeof(Options);
	return options;
}
#define VHDX_INIT(type) vhdx_init<type>()
#else
#define VHDX_INIT(type) { .struct_size = sizeof(type) }
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define VHDX_VERSION_MAJOR 0
#define VHDX_VERSION_MINOR 1
#define VHDX_VERSION_PATCH 0
#define VHDX_VERSION_STRING "0.1.0"

/* On Windows, define VHDX_DLL when you use the library as a DLL (the CMake target libvhdx::vhdx_shared does it). */
#if defined(_WIN32) && defined(VHDX_DLL) && !defined(VHDX_BUILDING)
#define VHDX_API __declspec(dllimport)
#elif !defined(_WIN32) && defined(__GNUC__) && defined(VHDX_BUILDING)
#define VHDX_API __attribute__((visibility("default")))
#else
#define VHDX_API
#endif

/* The version of the library that runs, for example "0.1.0". */
VHDX_API const char *vhdx_version(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Status and error
 */

enum vhdx_status {
	VHDX_OK = 0,
	VHDX_E_ARGUMENT = -1,        /* the caller's mistake: an option, a pointer, an impossible combination */
	VHDX_E_RANGE = -2,           /* beyond the end of the disk, or a size outside what the format allows */
	VHDX_E_ALIGNMENT = -3,       /* not a multiple of what is required */
	VHDX_E_NOT_IMAGE = -4,       /* neither VHDX nor VHD, or not the format asked for */
	VHDX_E_DAMAGED = -5,         /* an image that breaks a rule of its format */
	VHDX_E_UNSUPPORTED = -6,     /* a legal image, or a request, that this version does not handle */
	VHDX_E_NEEDS_REPLAY = -7,    /* a pending log, and replay was forbidden by VHDX_OPEN_NO_REPLAY */
	VHDX_E_PARENT_MISSING = -8,  /* no candidate for the parent could be opened */
	VHDX_E_PARENT_MISMATCH = -9, /* a candidate exists but is not the parent: wrong identity, format or sector size */
	VHDX_E_PARENT_DENIED = -10,  /* the policy of the resolver forbids every place where the parent may be */
	VHDX_E_CHAIN = -11,          /* a cycle, or more than VHDX_MAX_DEPTH levels */
	VHDX_E_READ_ONLY = -12,      /* a change was asked of something opened for reading */
	VHDX_E_NO_SPACE = -13,       /* the host file cannot grow; nothing was lost */
	VHDX_E_LOCKED = -14,         /* another user of the file holds a conflicting lock */
	VHDX_E_EXISTS = -15,         /* the file to create exists */
	VHDX_E_NOT_FOUND = -16,      /* the file does not exist */
	VHDX_E_DENIED = -17,         /* the operating system refuses access */
	VHDX_E_IO = -18,             /* a read, write or flush failed */
	VHDX_E_NO_MEMORY = -19,      /* the allocator returned NULL */
	VHDX_E_CANCELLED = -20,      /* a callback asked to stop */
	VHDX_E_DEAD = -21            /* an earlier failed write or flush left this handle unusable; reopen the file */
};

/* A short lower-case name such as "damaged"; "unknown" for a number that is no status. Static storage. */
VHDX_API const char *vhdx_status_name(int status);

#define VHDX_NO_OFFSET UINT64_MAX

struct vhdx_error {
	int status;           /* a VHDX_E_* value */
	int os_error;         /* errno, or GetLastError() on Windows; 0 when no system call failed */
	unsigned level;       /* which file of the chain: 0 is the one opened, 1 its parent, and so on */
	char rule[12];        /* the broken rule such as "VHDX-029", or "" */
	uint64_t file_offset; /* where in the file, or VHDX_NO_OFFSET */
	char file[256];       /* name of the file, shortened in front when longer; "" when no file is meant */
	char message[1000];   /* one line without file, place and rule: "header version is 2, not 1" */
};

/* Writes "disk.vhdx: at 0x10042: VHDX-029: header version is 2, not 1" into `text` and returns `text`. */
VHDX_API char *vhdx_error_text(const struct vhdx_error *error, char *text, size_t text_size);

/* ------------------------------------------------------------------------------------------------------------------
 * GUIDs, formats, types
 */

/* Sixteen bytes in the order in which the text form shows them, whatever the byte order on disk. */
struct vhdx_guid {
	uint8_t bytes[16];
};

#define VHDX_GUID_TEXT_SIZE 37

/* Writes the 36-character lower-case form and a NUL. */
VHDX_API void vhdx_guid_format(const struct vhdx_guid *guid, char text[VHDX_GUID_TEXT_SIZE]);
/* Accepts any case, with or without braces, and nothing around it. Returns VHDX_OK or VHDX_E_ARGUMENT. */
VHDX_API int vhdx_guid_parse(struct vhdx_guid *out, const char *text);
/* A random (version 4) GUID. */
VHDX_API int vhdx_guid_random(struct vhdx_guid *out, struct vhdx_error *error);

enum vhdx_format { VHDX_FORMAT_ANY = 0, VHDX_FORMAT_VHDX = 1, VHDX_FORMAT_VHD = 2, VHDX_FORMAT_RAW = 3 };
enum vhdx_type { VHDX_TYPE_ANY = 0, VHDX_TYPE_FIXED = 2, VHDX_TYPE_DYNAMIC = 3, VHDX_TYPE_DIFFERENCING = 4 };

VHDX_API const char *vhdx_format_name(enum vhdx_format format); /* "VHDX", "VHD", "raw" */
VHDX_API const char *vhdx_type_name(enum vhdx_type type);       /* "fixed", "dynamic", "differencing" */

#define VHDX_MAX_DEPTH 256

/* ------------------------------------------------------------------------------------------------------------------
 * The caller's environment: memory, time, randomness. All optional.
 */

struct vhdx_env {
	uint32_t struct_size;
	void *context;
	/* Like malloc and free. Both or neither. Called from any thread that uses a handle. */
	void *(*allocate)(void *context, size_t size);
	void (*release)(void *context, void *memory);
	/* Fills `buffer` with unpredictable bytes (identifiers). Returns 0, or negative for failure. */
	int (*random)(void *context, void *buffer, size_t length);
	/* Seconds since 1970-01-01 UTC (VHD time stamps). */
	uint64_t (*now)(void *context);
};
#define VHDX_ENV_INIT VHDX_INIT(struct vhdx_env)

/* ------------------------------------------------------------------------------------------------------------------
 * Files: the I/O table. A ready-made one serves host files and block devices; a caller may bring its own.
 */

/* What the host file holds from an offset on: data, or a hole that reads as zeros. */
struct vhdx_file_extent {
	uint64_t length;
	int is_hole;
};

/* Who a file is, whatever its name: to find cycles in chains. */
struct vhdx_file_id {
	uint64_t volume;
	uint64_t file;
};

/*
 * Functions get the `handle` of their struct vhdx_file. They return a negative VHDX_E_* status on failure and may then set
 * `error->os_error`; `error` is never NULL. read and write return the number of bytes moved, which may be less than asked for
 * (the library calls again); 0 from read is the end of the file. Positions are always explicit; there is no file pointer.
 * read, extent and get_size may be called from several threads at once; so may write to disjoint ranges, zero, punch and flush, and one call of set_size
 * that makes the file larger.
 * Members marked optional may be NULL.
 */
struct vhdx_io {
	uint32_t struct_size;
	int64_t (*read)(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error);
	int64_t (*write)(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error);
	/* Everything written, zeroed or resized so far is durable when this returns 0. */
	int (*flush)(void *handle, struct vhdx_error *error);
	int (*get_size)(void *handle, uint64_t *size, struct vhdx_error *error);
	/* Grown parts read as zeros. */
	int (*set_size)(void *handle, uint64_t size, struct vhdx_error *error);
	/* Optional: make a range inside the file read as zeros and own its space. */
	int (*zero)(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
	/* Optional: make a range read as zeros and give its space back. */
	int (*punch)(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
	/* Optional: make sure that writes to a range cannot run out of space; the size does not change. */
	int (*reserve)(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
	/* Optional: data or hole from `file_offset` on, for at most `length` bytes. Without it everything is data. */
	int (*extent)(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
	/* Optional: copy between two files of this same function without passing the bytes through this machine's memory: by sharing them (reflink)
	 * or on the server. Returns bytes copied, possibly fewer, or VHDX_E_UNSUPPORTED when that cannot be had for this range. */
	int64_t (*copy_range)(void *source, uint64_t source_offset, void *target, uint64_t target_offset, uint64_t length,
			      struct vhdx_error *error);
	/* Optional: who the file is. Without it, cycles are found by identity alone. */
	int (*identity)(void *handle, struct vhdx_file_id *id, struct vhdx_error *error);
	/* Optional: releases the handle. */
	void (*close)(void *handle);
	/* Optional: a flush will follow; what was written to the range may be on its way to the medium until then. Does not wait, cannot fail. */
	void (*flush_soon)(void *handle, uint64_t file_offset, uint64_t length);
};

struct vhdx_file {
	const struct vhdx_io *io; /* must live as long as the file */
	void *handle;
	const char *name; /* for messages, and the place that relative parents are relative to; may be NULL */
};

enum vhdx_file_flags {
	VHDX_FILE_WRITE = 1u << 0,     /* open for reading and writing, with an exclusive lock; without it reading and a shared lock */
	VHDX_FILE_CREATE = 1u << 1,    /* create a new file; fails with VHDX_E_EXISTS when there is one */
	VHDX_FILE_NO_LOCK = 1u << 2,   /* take and respect no lock */
	VHDX_FILE_REGULAR = 1u << 3,   /* refuse everything that is not a regular file */
	VHDX_FILE_SPARSE = 1u << 4     /* with CREATE, on Windows: a sparse file, where the filesystem has them. Windows refuses to attach a
					* sparse image (0xC03A001A). Elsewhere files are sparse by themselves. */
};

/* Opens a host file or block device. FIFOs, sockets, terminals and directories are always refused. */
VHDX_API int vhdx_file_open(struct vhdx_file *out, const char *path, unsigned flags, struct vhdx_error *error);
/* Closes the handle and, for files from vhdx_file_open, frees the name. Safe on a zeroed struct. */
VHDX_API void vhdx_file_close(struct vhdx_file *file);

/* ------------------------------------------------------------------------------------------------------------------
 * Parents of differencing disks
 *
 * A parent path stored in an image is hostile input, so the library opens no parent by itself: it calls `open_parent` for every
 * differencing file of the chain. vhdx_resolve_parent is a ready-made callback with a strict policy.
 */

enum vhdx_path_kind {
	VHDX_PATH_RELATIVE = 1, /* relative_path, W2ru, Wi2r */
	VHDX_PATH_VOLUME = 2,   /* volume_path: \\?\Volume{guid}\... */
	VHDX_PATH_ABSOLUTE = 3, /* absolute_win32_path, W2ku, Wi2k */
	VHDX_PATH_URL = 4,      /* MacX: file://localhost/... */
	VHDX_PATH_NAME = 5      /* VHD parent name */
};

struct vhdx_parent_path {
	enum vhdx_path_kind kind;
	const char *text; /* as stored, converted to UTF-8 */
};

/* What one differencing file says about its parent. */
struct vhdx_parent_request {
	const char *child;                      /* name of the differencing file */
	unsigned child_level;                   /* 0 for the file opened */
	enum vhdx_format format;                /* the parent must have it: VHDX-174, VHD-089 */
	const struct vhdx_guid *identities;     /* one or two acceptable ones: DataWriteGuid, or VHD unique id */
	size_t identity_count;
	const struct vhdx_parent_path *paths;   /* in the order in which they must be tried: VHDX-186, VHD-086 */
	size_t path_count;
	void *internal;
};

/* What became of one candidate. */
struct vhdx_parent_attempt {
	unsigned child_level;
	const char *path;   /* the host path tried, or the stored path when it maps to none */
	int status;         /* VHDX_OK when it was accepted */
	const char *reason; /* one line; "" when accepted */
};

/*
 * Offers candidates with vhdx_parent_offer, until one is accepted or none is left, and notes those it could not open with
 * vhdx_parent_note. Returns VHDX_OK either way, or a failure (such as no memory) that ends the open.
 */
typedef int (*vhdx_open_parent_fn)(void *context, struct vhdx_parent_request *request, struct vhdx_error *error);

/* Hands `file` over (its handle belongs to the library from here on). Returns 1 when it is the parent; 0 when it is not and
 * another may be offered; negative on a failure that ends the open. */
VHDX_API int vhdx_parent_offer(struct vhdx_parent_request *request, struct vhdx_file *file);
/* Records that a candidate could not even be opened. */
VHDX_API void vhdx_parent_note(struct vhdx_parent_request *request, const char *path, int status, const char *reason);

struct vhdx_path_map {
	const char *from; /* a drive or path prefix of Windows: "C:", "C:\\VMs", "\\\\?\\Volume{...}" ; compared without case */
	const char *to;   /* a host directory */
};

/*
 * Policy of the ready-made resolver. Only regular files are opened, never UNC or device paths. Relative paths are taken from the child's
 * directory. Absolute paths count only when a map covers them (on Windows: also when they name a drive or a volume). With `root`, nothing
 * outside that directory is opened, symbolic links included. `search` directories (not their subdirectories) are tried last; there
 * a parent is known by its identity, not by its name.
 */
struct vhdx_resolver {
	uint32_t struct_size;
	const char *root;
	const struct vhdx_path_map *maps;
	size_t map_count;
	const char *const *search;
	size_t search_count;
	unsigned file_flags; /* VHDX_FILE_NO_LOCK or 0, for the parents */
};
#define VHDX_RESOLVER_INIT VHDX_INIT(struct vhdx_resolver)

/* An open_parent callback; its context is a const struct vhdx_resolver, or NULL for the defaults. */
VHDX_API int vhdx_resolve_parent(void *resolver, struct vhdx_parent_request *request, struct vhdx_error *error);

/* ------------------------------------------------------------------------------------------------------------------
 * Open, read, close
 */

typedef struct vhdx_disk vhdx_disk;

enum vhdx_open_flags {
	VHDX_OPEN_IGNORE_CHECKSUMS = 1u << 0,   /* read structures whose checksum is wrong, and other rules that real writers broke */
	VHDX_OPEN_NO_REPLAY = 1u << 1,          /* fail with VHDX_E_NEEDS_REPLAY instead of replaying a log in memory */
	VHDX_OPEN_NO_PARENTS = 1u << 2,         /* this file and the explicit parents alone; what a further parent would hold is reported as VHDX_EXTENT_PARENT, and cannot be read */
	VHDX_OPEN_IGNORE_PARENT_IDENTITY = 1u << 3, /* accept a parent whose identity differs */
	VHDX_OPEN_NO_LOCK = 1u << 4,            /* vhdx_open only: open the file although somebody writes it */
	VHDX_OPEN_WRITE = 1u << 5,              /* reading and writing; a pending log is replayed into the file. Parents are only read. */
	VHDX_OPEN_SEQUENTIAL = 1u << 6,         /* the disk will be read or written once, from its beginning to its end: 256 KiB of memory do for up to 16 files, instead of 2 to 3 MiB */
	/* For reading: opens what damage has left of a chain, as far as it makes sense. What is lost reads as zeros, and is VHDX_EXTENT_LOST; a parent that is not found is left
	 * out, and reads as zeros too. Wrong checksums do not matter. */
	VHDX_OPEN_SALVAGE = 1u << 7
};

struct vhdx_open_options {
	uint32_t struct_size;
	unsigned flags;
	enum vhdx_format format; /* ANY finds VHDX and VHD by content; RAW is only taken when asked for */
	const struct vhdx_env *env;
	vhdx_open_parent_fn open_parent;
	void *open_parent_context;
	/* Explicit parents, nearest first: files that take the place of open_parent for as many levels as there are. On success the disk owns
	 * their handles; on failure the caller still does. */
	struct vhdx_file *parents;
	size_t parent_count;
	/* Called for every candidate of every level. */
	void (*on_attempt)(void *context, const struct vhdx_parent_attempt *attempt);
	void *on_attempt_context;
	/* With VHDX_OPEN_WRITE, optional: the DataWriteGuid that the first change of content gives a VHDX, instead of a random one: for vhdx_merge. */
	const struct vhdx_guid *data_identity;
};
#define VHDX_OPEN_OPTIONS_INIT VHDX_INIT(struct vhdx_open_options)

/* Opens a host file for reading, or with VHDX_OPEN_WRITE for writing under an exclusive lock. Without open_parent and parents a
 * differencing image fails with VHDX_E_PARENT_MISSING. Opened for reading, the file is never modified; opened for writing, not before the
 * first change but for the replay of a pending log. Cost is O(1) in the size of the disk. */
VHDX_API int vhdx_open(vhdx_disk **out, const char *path, const struct vhdx_open_options *options, struct vhdx_error *error);
/* The same over the caller's file, which for writing needs write, flush and set_size too. On success the disk owns `file->handle`; on
 * failure the caller still does. */
VHDX_API int vhdx_open_file(vhdx_disk **out, const struct vhdx_file *file, const struct vhdx_open_options *options,
			    struct vhdx_error *error);
/* Closes the chain and frees everything, whatever it returns. NULL is accepted. No other thread may use the disk. After writing, all
 * changes are made durable and the file is left clean; the status says whether that worked. When it did not, everything that an earlier vhdx_flush
 * acknowledged is safe all the same. Without changes nothing is written and it returns VHDX_OK. */
VHDX_API int vhdx_close(vhdx_disk *disk);

/* Reads exactly `length` bytes of any alignment. VHDX_E_RANGE, and nothing read, when the range ends beyond the disk. */
VHDX_API int vhdx_read(vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);

/*
 * Changing the disk: with VHDX_OPEN_WRITE, else VHDX_E_READ_ONLY. Offsets and lengths of any alignment; parts of a logical sector are read, changed and
 * written whole. VHDX_E_RANGE, and nothing changed, when the range ends beyond the disk.
 *
 * A change is visible to reads when the call returns, and survives a crash when a vhdx_flush that began afterwards has returned VHDX_OK. After a crash, each
 * logical sector holds what it held at the last such flush or what was written to it later, and never anything else. Reads and changes of
 * the same bytes at the same time are not ordered.
 *
 * A VHD has no log and promises the same with less: a crash may leave space in the file that nothing uses, and no footer at its end, which the copy in front
 * stands for until the first change afterwards writes it again. It relies on sectors of 512 bytes that a crash leaves old or new, never a mixture.
 *
 * VHDX_E_NO_SPACE refuses the call, of which a part may be done; the disk stays usable and nothing else is lost. After a failed write or flush with unknown
 * effect every call but vhdx_read and vhdx_close returns VHDX_E_DEAD.
 */
VHDX_API int vhdx_write(vhdx_disk *disk, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
/* The range reads as zeros afterwards, whatever a parent holds. Gives space back where the format can tell zeros without it. */
VHDX_API int vhdx_write_zeroes(vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
/* The content of the range does not matter any more: each whole block of it reads as zeros or as before from now on, and its space is given back where the
 * format allows. Parts of blocks are left alone. */
VHDX_API int vhdx_discard(vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
/* Makes all changes durable whose calls have returned. Costs nothing when there are none. */
VHDX_API int vhdx_flush(vhdx_disk *disk, struct vhdx_error *error);

/* Size of the virtual disk in bytes; what vhdx_get_info says of level 0. */
VHDX_API uint64_t vhdx_disk_size(const vhdx_disk *disk);
/* Number of files in the chain, 1 for a disk without parent. */
VHDX_API unsigned vhdx_depth(const vhdx_disk *disk);

/* ------------------------------------------------------------------------------------------------------------------
 * Where the bytes are
 */

enum vhdx_extent_kind {
	VHDX_EXTENT_DATA = 1,   /* held by `level` at `file_offset` */
	VHDX_EXTENT_ZERO = 2,   /* `level` says that it reads as zeros */
	VHDX_EXTENT_HOLE = 3,   /* no level holds it; reads as zeros */
	VHDX_EXTENT_PARENT = 4, /* held by a parent that VHDX_OPEN_NO_PARENTS left out */
	VHDX_EXTENT_LOST = 5    /* with VHDX_OPEN_SALVAGE alone: damage of `level` hides what was there; reads as zeros */
};

struct vhdx_extent {
	uint64_t disk_offset;
	uint64_t length; /* at least 1 */
	enum vhdx_extent_kind kind;
	unsigned level;       /* DATA and ZERO: the level that decides; HOLE: the lowest level */
	uint64_t file_offset; /* DATA only */
	int in_memory;        /* DATA that a replayed log overlays: the file's own bytes are stale, use vhdx_read */
};

/*
 * Describes the run that starts at `disk_offset`, at most `length` long. Neighbouring runs may have the same kind; a run of DATA is one
 * contiguous piece of one file. VHDX_E_RANGE when the range is empty or ends beyond the disk. A DATA extent may be read straight from the file
 * while the disk is open.
 */
VHDX_API int vhdx_get_extent(vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);

/* The file of a level, for reading DATA extents; NULL when there is no such level. Owned by the disk. */
VHDX_API const struct vhdx_file *vhdx_level_file(const vhdx_disk *disk, unsigned level);

/* ------------------------------------------------------------------------------------------------------------------
 * What a file of the chain is
 */

enum vhdx_log_state {
	VHDX_LOG_NONE = 0,
	VHDX_LOG_CLEAN = 1,
	VHDX_LOG_REPLAYED_IN_MEMORY = 2,
	VHDX_LOG_LOST = 3 /* with VHDX_OPEN_SALVAGE alone: a log was pending and cannot be used, or both headers are damaged and nobody knows; blocks may hold other or older content */
};

struct vhdx_info {
	uint32_t struct_size;
	enum vhdx_format format;
	enum vhdx_type type;
	const char *file_name;      /* lives as long as the disk; may be NULL */
	uint64_t virtual_size;
	uint64_t file_size;         /* as it would be after replay */
	uint32_t block_size;        /* 0 for VHD fixed and raw */
	uint32_t logical_sector_size;
	uint32_t physical_sector_size;
	struct vhdx_guid disk_id;         /* VHDX: Virtual Disk ID; VHD: unique id; raw: zero */
	struct vhdx_guid data_identity;   /* what a child's linkage must equal: DataWriteGuid or VHD unique id */
	struct vhdx_guid file_write_guid; /* VHDX */
	struct vhdx_guid parent_identity; /* differencing: what the child says */
	char creator[256 * 3 + 1];  /* VHDX: creator text; VHD: creator application and version; "" for raw */
	enum vhdx_log_state log_state;
	uint64_t log_offset;
	uint32_t log_length;
	unsigned log_entries;        /* entries replayed */
	uint64_t sequence_number;    /* VHDX: of the current header */
	uint64_t original_size;      /* VHD */
	uint64_t created;            /* VHD: seconds since 1970-01-01 UTC */
	unsigned cylinders, heads, sectors_per_track; /* VHD */
	int saved_state;             /* VHD */
	int footer_copy_used;        /* VHD: the footer at the end was unusable, the copy in front was taken */
	int parent_time_stamp_differs; /* VHD: VHD-081, known for levels with an open parent in a host file; else 0 */
	uint64_t block_count;        /* payload blocks of the disk; 0 for VHD fixed and raw */
	uint64_t bat_offset;         /* file offset of the BAT; 0 when none */
	int bat_is_guessed;          /* VHDX with VHDX_OPEN_SALVAGE: no region table could be believed, and the BAT was found by its content; blocks may be others' */
};
#define VHDX_INFO_INIT VHDX_INIT(struct vhdx_info)

/* VHDX_E_RANGE when there is no such level. Set `info->struct_size` first (VHDX_INFO_INIT). */
VHDX_API int vhdx_get_info(const vhdx_disk *disk, unsigned level, struct vhdx_info *info, struct vhdx_error *error);

/* The paths to its parent that a level stores; NULL and 0 when it stores none. They live as long as the disk. */
VHDX_API const struct vhdx_parent_path *vhdx_parent_paths(const vhdx_disk *disk, unsigned level, size_t *count);

/* What one file holds. Costs one pass over its BAT; partially present blocks count as whole blocks. */
struct vhdx_usage {
	uint32_t struct_size;
	uint64_t blocks_total;
	uint64_t blocks_present;       /* FULLY_PRESENT; VHD: allocated */
	uint64_t blocks_partial;       /* PARTIALLY_PRESENT; VHD differencing: allocated */
	uint64_t blocks_zero;          /* ZERO */
	uint64_t blocks_unmapped;      /* UNMAPPED and UNDEFINED */
	uint64_t blocks_absent;        /* NOT_PRESENT */
	uint64_t blocks_damaged;       /* entries that break a rule */
	uint64_t bitmap_blocks;        /* sector bitmap blocks present */
	uint64_t payload_bytes;        /* bytes of the virtual disk in blocks that are present, partially or fully */
	uint64_t runs;                 /* maximal sequences of present blocks that are neighbours on the disk and, in the same order, in the file */
	uint64_t breaks;               /* pairs of present blocks, neighbours on the disk, that are not neighbours in the file */
	uint64_t pairs;                /* pairs of present blocks that are neighbours on the disk */
	uint64_t file_end;             /* end of the last structure in the file */
	uint64_t seek_bytes;           /* in disk order, from the end of each run in the file to the beginning of the next, forward or back; all added up */
};
#define VHDX_USAGE_INIT VHDX_INIT(struct vhdx_usage)

/* Fragmentation in percent is 100 * breaks / pairs. For VHD fixed and raw the disk counts as one present block. */
VHDX_API int vhdx_get_usage(vhdx_disk *disk, unsigned level, struct vhdx_usage *usage, struct vhdx_error *error);

#ifdef __cplusplus
}
#endif

/* changing what a disk is, making new images, metadata items of users, looking at every structure of a file, and mending it */
#include "vhdx_change.h"
#include "vhdx_create.h"
#include "vhdx_inspect.h"
#include "vhdx_items.h"
#include "vhdx_repair.h"

#endif
