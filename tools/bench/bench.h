/* SPDX-License-Identifier: MIT */
/*
 * vhdx-bench: what each type of disk costs on this machine, and what fragmentation costs.
 *
 *   vhdx-bench.c  options, the order of things          kinds.c     types of disks, and their files
 *   works.c       workloads: which places are touched   pattern.c   what is written, and whether it is there again
 *   ways.c        how a disk is reached: libvhdx, raw   way_vhdi.c  ... libvhdi, qemu.c ... QEMU, as peers
 *   count.c       an I/O table that counts              run.c       one run: threads, clocks, latencies
 *   race.c        runs in turns, rounds, medians        stats.c     medians, spreads, histograms
 *   making.c      create, clone, space                  ageing.c    fragmentation
 *   machine.c     what it ran on, and how busy          workdir.c   its files, and how they go away; progress_line.c
 *   claims.c      the folklore, judged                  report_*.c  text, JSON, Markdown, HTML; chart.c SVG
 *
 * A timed round uses the host's own I/O table, as any program does. Calls and bytes are counted in one more round, which nobody times, through a
 * table that wraps the host's: each call of the table is one system call. That round goes first and warms what the others find.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tool.h"
#include "vhdx.h"

enum { MAX_ROUNDS = 99, MAX_KINDS = 40, MAX_WORKS = 40, MAX_WAYS = 3, MAX_DEPTH = 65, NAME_SIZE = 64 };

/* ------------------------------------------------------------------------------------------------------------------ what is asked for */

struct kind {
	char name[NAME_SIZE]; /* as in --types: "vhdx-diff:depth=8" */
	char title[NAME_SIZE];
	enum vhdx_format format;
	enum vhdx_type type;
	enum vhdx_preallocation preallocation;
	bool parent_fixed; /* differencing: the base is fixed, else dynamic */
	unsigned depth;    /* differencing: children above the base */
	uint32_t block_size;
	uint32_t sector_size;
	const char *device; /* pass-through to this block device */
};

enum action { ACT_READ, ACT_OVERWRITE, ACT_WRITE, ACT_ALLOCATE };
struct work {
	char name[NAME_SIZE]; /* as in --work: "rand-read:io=4K:threads=2" */
	char title[NAME_SIZE + 32];
	enum action action;
	bool sequential;
	bool cold;
	uint32_t io;
	unsigned flush; /* after each so many writes; 0: once at the end, inside the time */
	unsigned threads;
};

struct settings {
	const char *directory;
	uint64_t size;        /* of the disks that hold something */
	uint64_t sparse_size; /* of those that are empty at first, when the type allows */
	unsigned rounds;
	double seconds;      /* a run lasts so long at most */
	unsigned operations; /* and has so many at most */
	unsigned clones;
	uint64_t seed;
	struct kind kinds[MAX_KINDS];
	unsigned kind_count;
	struct work works[MAX_WORKS];
	unsigned work_count;
	bool peer_qemu, peer_vhdi;
	bool no_making, no_ageing;
	bool quick, quiet, as_json;
	bool by_cpu; /* figures are processor time instead of elapsed time */
	const char *html, *svg, *markdown;
	unsigned unit; /* bytes of which the content is known one by one */
};
extern struct settings settings;

/* ------------------------------------------------------------------------------------------------------------------ numbers */

struct spread {
	double median, low, high; /* low and high: of the middle half from 5 rounds on, else of all */
};
struct spread spread_of(const double *values, unsigned count);

/* Latencies: a power of two in 16 steps, so a figure is right within 6 %. */
enum { STEPS = 16, BUCKETS = 44 * STEPS };
struct histogram {
	uint64_t counts[BUCKETS];
	uint64_t total;
	uint64_t worst;
};
void histogram_add(struct histogram *h, uint64_t nanoseconds);
void histogram_merge(struct histogram *to, const struct histogram *from);
double histogram_percentile(const struct histogram *h, double percent); /* nanoseconds */

uint64_t mix(uint64_t value);

/* ------------------------------------------------------------------------------------------------------------------ files */

/* The directory of this run, inside settings.directory. */
bool workdir_begin(const char *directory);
void workdir_end(void);
/* A path in it: for each name one text, which lives until the end. */
const char *workdir_path(const char *format, ...) TOOL_PRINTF(1, 2);
void workdir_remove(const char *path);
const char *workdir_name(void);

/* Ends the run with a message and the status 1; the files go too. */
_Noreturn void stop(const char *format, ...) TOOL_PRINTF(1, 2);
_Noreturn void stop_error(const char *what, const struct vhdx_error *error);
/* Ends the run when it was interrupted. */
void heed_interrupts(void);

/* Progress: `weight` are the seconds that a step is expected to take. */
void progress_plan(double weight);
void progress_done(double weight, const char *format, ...) TOOL_PRINTF(2, 3);
void progress_clear(void);

/* ------------------------------------------------------------------------------------------------------------------ kinds, works */

/* NULL, or what is wrong with the text. */
const char *kind_parse(struct kind *out, const char *text);
const char *work_parse(struct work *out, const char *text);
/* Whether a kind can be put through a work at all. */
bool work_suits(const struct work *work, const struct kind *kind);

/* The content that a disk has, by unit: 0 are zeros, else pattern.c knows the bytes. */
struct model {
	uint64_t size;
	uint16_t *generations;
};

/* A disk with its files, made by kind_make. */
struct subject {
	const struct kind *kind;
	const char *paths[MAX_DEPTH]; /* the file itself, its parent, ... the base */
	unsigned depth;
	struct model model;
};
enum state {
	STATE_EMPTY, /* nothing was written; of a differencing disk the base is empty too */
	STATE_HALF,  /* every other piece of 2 MiB */
	STATE_READ,  /* all of it; of a differencing disk the base, and each child an equal share again */
	STATE_FULL   /* all of it in the uppermost file */
};
/* `label` makes the names of the files differ. */
void subject_make(struct subject *out, const struct kind *kind, enum state state, const char *label);
void subject_remove(struct subject *subject);
void subject_sync(const struct subject *subject);
void subject_forget(const struct subject *subject);
uint64_t subject_allocated(const struct subject *subject); /* bytes on the host of the uppermost file */
uint64_t kind_disk_size(const struct kind *kind, enum state state);
/* A file of one kind, empty. `parent` is a path, or NULL. Not durable: a crash may take it, and it is made faster. */
void image_create(const char *path, const struct kind *kind, uint64_t size, const char *parent, bool durable);

/* The places that thread `thread` of a work touches, one after the other. */
struct places {
	const struct work *work;
	uint64_t slots; /* of work->io bytes on the disk */
	uint64_t per_thread;
	uint64_t stride; /* slots from one new block to the next, of ACT_ALLOCATE at random places */
	unsigned thread;
	uint64_t seed;
	uint64_t next;
};
void places_begin(struct places *p, const struct work *work, const struct subject *subject, unsigned thread, uint64_t seed);
/* False when there is no more: a sequential work ends at the end of the disk. */
bool places_next(struct places *p, uint64_t *offset);

/* The bytes of a range whose units all have this generation. Nothing is made: it points into a table. */
const unsigned char *pattern_bytes(uint64_t offset, uint16_t generation);
void pattern_begin(void);
void model_begin(struct model *model, uint64_t size);
void model_end(struct model *model);
void model_set(struct model *model, uint64_t offset, uint64_t length, uint16_t generation);
uint16_t model_get(const struct model *model, uint64_t offset);
/* Whether these bytes are what the model says. */
bool model_agrees(const struct model *model, const unsigned char *bytes, uint64_t offset, uint64_t length);

/* ------------------------------------------------------------------------------------------------------------------ ways */

struct counts {
	atomic_ullong reads, writes, flushes, others, bytes_read, bytes_written;
	bool lazy; /* nothing is made durable */
};
/* A host file behind a table that counts. */
int counted_open(struct vhdx_file *out, const char *path, unsigned flags, struct counts *counts, struct vhdx_error *error);

/* How a subject is reached. Functions stop() when they fail. */
struct way;
struct reach {
	const struct way *way;
	void *handle;
};
struct way {
	const char *name;
	bool (*can)(const struct subject *subject, const struct work *work);
	void *(*open)(const struct subject *subject, bool write, struct counts *counts); /* counts: NULL in timed rounds */
	void (*read)(void *handle, void *buffer, size_t length, uint64_t offset);
	void (*write)(void *handle, const void *buffer, size_t length, uint64_t offset);
	void (*flush)(void *handle);
	void (*close)(void *handle);
	/* Instead of all of these: does `operations` by itself, and says how long that took. */
	void (*whole)(const struct subject *subject, const struct work *work, uint64_t operations, double *elapsed, double *cpu);
};
extern const struct way way_ours, way_raw, way_vhdi, way_qemu;
/* The way that our own figures of a kind come from. */
const struct way *way_of(const struct kind *kind);
vhdx_disk *open_disk(const struct subject *subject, unsigned flags, struct counts *counts);
const char *vhdi_version(void); /* NULL when it is not installed */
const char *qemu_version(void);
/* Runs a program to its end: its processor seconds; false when it fails. `text` gets the beginning of its output. */
bool process_run(const char *const arguments[], char *text, size_t text_size, double *cpu);

/* ------------------------------------------------------------------------------------------------------------------ measuring */

/* Calls of the I/O table, and what they moved. */
struct tally {
	double reads, writes, flushes, others, bytes_read, bytes_written;
};
/* What one run gave. */
struct sample {
	uint64_t operations;
	double elapsed;
	double cpu;
	struct tally tally; /* when it was counted */
};
/* How long a run is: so many operations, or so many seconds, whichever comes first. */
struct length {
	uint64_t operations;
	double seconds; /* 0: no matter */
};
/* Runs a work once. The content is kept in the model. */
struct sample run_once(const struct way *way, struct subject *subject, const struct work *work, uint64_t seed,
		       struct length length, struct counts *counts, struct histogram *latencies);
/* All types do as much as the first one does in the time that was asked for, for what comes later may be cheaper; but none takes longer than this. */
struct length length_like(uint64_t operations);
/* Reads back: every place touched with this seed, or the whole disk. Returns units that are wrong. */
uint64_t verify_touched(const struct way *way, const struct subject *subject, const struct work *work, uint64_t seed,
			uint64_t operations);
uint64_t verify_all(const struct way *way, const struct subject *subject);

/* A row of the results: one kind, one work, one way. */
struct row {
	const struct kind *kind;
	const struct work *work;
	const struct way *way;
	unsigned rounds;
	uint64_t operations;        /* of one round */
	double elapsed[MAX_ROUNDS]; /* seconds of an operation */
	double cpu[MAX_ROUNDS];
	struct spread seconds, processor, to_reference; /* the last: this one's time by the reference's, round by round */
	bool has_latency, has_counts;
	double p50, p90, p99, p999, worst; /* seconds */
	struct tally each;                 /* of an operation */
};
struct results {
	struct row *rows;
	unsigned row_count;
	struct making *makings;
	unsigned making_count;
	struct aged *aged;
	unsigned aged_count;
	struct clone *clones;
	unsigned clone_count;
	uint64_t verified; /* bytes that were read back and compared */
	uint64_t wrong;    /* units that were not what was written: the run fails */
	double took;
};
extern struct results results;

void race_all(void);
const struct row *row_find(const char *kind, const char *work, const struct way *way);
double row_speed(const struct row *row, double seconds); /* bytes a second */

/* Create, and the same files on each type. */
struct making {
	const struct kind *kind;
	const char *by; /* "libvhdx", "qemu-img" */
	struct spread create_seconds;
	uint64_t empty_bytes;          /* on the host, after creation */
	uint64_t content_bytes;        /* written as files */
	uint64_t file_size, allocated; /* afterwards */
};
struct clone {
	char title[NAME_SIZE];
	unsigned count;
	double seconds;
	uint64_t bytes;
};
void making_all(void);

/* Fragmentation. */
enum ageing { AGE_GROWTH, AGE_BESIDE, AGE_TRIM, AGE_FIXED, AGE_REWRITTEN, AGE_DEFRAGMENTED };
struct aged {
	enum ageing how;
	char title[NAME_SIZE];
	const char *format;
	uint32_t block_size;
	double asked, reached; /* percent */
	uint64_t runs;
	double mean_seek;
	bool host_known;
	uint64_t host_extents;
	double host_seek;
	struct spread speeds[4];   /* bytes a second: sequential warm and cold, random 4 KiB warm and cold */
	struct spread to_fixed[4]; /* these, by those of a fixed one, round by round */
	struct spread slowdown[4]; /* time by that of one grown in order */
};
extern const char *const aged_works[4];
void ageing_all(void);
void ageing_plan(void);
void race_plan(void);
void making_plan(void);

/* ------------------------------------------------------------------------------------------------------------------ reporting */

struct machine {
	char processor[128], kernel[128], filesystem[64], device[96];
	unsigned processors;
	uint64_t memory;
	char when[32];
	double load_before, load_after; /* -1: unknown */
	double busy;                    /* percent of all processors that others used meanwhile; -1: unknown */
	double steal;                   /* percent that the host took; -1: unknown */
};
extern struct machine machine;
void machine_begin(void);
void machine_end(void);
/* NULL, or a sentence: the figures are to be taken with care. */
const char *machine_warning(void);

enum { MAX_CLAIMS = 8, MAX_EVIDENCE = 40 };
enum verdict { REFUTED, CONFIRMED, PARTLY, NOT_MEASURED };
struct evidence {
	char text[120]; /* "sequential read: 0.98x the speed of fixed" */
	double ratio;   /* how much worse, as the claim says: above 1 speaks for it */
	struct spread spread;
	enum verdict verdict;
};
struct claim {
	const char *text;
	enum verdict verdict;
	char answer[480];
	struct evidence evidence[MAX_EVIDENCE];
	unsigned evidence_count;
};

extern struct claim claims[MAX_CLAIMS];
extern unsigned claim_count;
void claims_judge(void);
extern const char *const verdict_names[];

struct label {
	char text[48];
};
struct label text_seconds(double seconds);
struct label text_speed(double bytes_per_second);
struct label text_size(double bytes);
struct label text_count(double value);
struct label text_ratio(double ratio); /* "1.04x", "4100x" */

void report_text(void);
void report_json(void);
bool report_html(const char *path);
bool report_svg(const char *path);
bool report_markdown(const char *path);

#endif
