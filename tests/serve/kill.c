/* SPDX-License-Identifier: MIT */
/*
 * Kills nbdkit with our plugin at random moments, while four connections write, zero and flush, and looks at what the image holds then.
 *
 *     vhdx-test-kill PLUGIN DIR [MOMENTS [SEED]]
 *
 * Each write stamps its sectors with the place and with a number that counts the changes of that granule of 4 KiB; each granule belongs to one connection. A flush
 * makes durable what all connections had finished when it began. Afterwards a sector must hold the stamp of a change that is at least as new as the
 * last durable one, and of its own place: older is a lost flush, another place is a block that was reused too early. The image is read twice: as it was left, with its
 * log replayed in memory, and after it was opened for writing, changed and closed.
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vhdx.h"

enum {
	SECTOR = 512,
	GRANULE = 4096,
	CHUNK = 16, /* granules in a row that belong to one connection */
	THREADS = 4,
	DISK = 64 << 20,
	GRANULES = DISK / GRANULE,
	BLOCKS = 16 << 20, /* the end of the disk, where the first connection alone zeroes and trims whole blocks */
	SHARED = GRANULES - BLOCKS / GRANULE,
	MOST_MS = 600
};

static struct {
	pthread_mutex_t lock;
	uint32_t started[GRANULES];
	uint32_t finished[GRANULES];
	uint32_t durable[GRANULES];
	uint32_t zeroed[GRANULES]; /* the last change that made it zeros */
	uint64_t flushes;
	uint64_t writes;
	_Atomic bool killed;
	_Atomic bool failed;
	char path[4096];
	char parent[4096];
	char socket[4096];
	bool has_parent;
} world = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void complain(const char *format, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	fprintf(stderr, format, (unsigned long long)a, (unsigned long long)b, (unsigned long long)c, (unsigned long long)d);
	atomic_store(&world.failed, true);
}

static void expect(int status, const struct vhdx_error *error, const char *what)
{
	char text[1400];

	if (status == VHDX_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, error != NULL ? vhdx_error_text(error, text, sizeof(text)) : vhdx_status_name(status));
	exit(1);
}

static void stamp(uint8_t *sector, uint64_t index, uint32_t change)
{
	uint64_t words[2] = { index ^ UINT64_C(0x5aa5c33c12345678), change };

	for (size_t i = 0; i < SECTOR; i += sizeof(words))
		memcpy(sector + i, words, sizeof(words));
}

static void stamp_granule(uint8_t *bytes, uint32_t granule, uint32_t change)
{
	for (uint32_t i = 0; i < GRANULE / SECTOR; i++)
		stamp(bytes + i * SECTOR, (uint64_t)granule * (GRANULE / SECTOR) + i, change);
}

static uint32_t draw(unsigned *seed, uint32_t below)
{
	return (uint32_t)rand_r(seed) % below;
}

/* Notes the beginning of a change, and fills `bytes` when it is a write. */
static void begin(uint32_t first, uint32_t count, uint8_t *bytes)
{
	pthread_mutex_lock(&world.lock);
	for (uint32_t g = first; g < first + count; g++) {
		world.started[g]++;
		if (bytes != NULL)
			stamp_granule(bytes + (size_t)(g - first) * GRANULE, g, world.started[g]);
		else
			world.zeroed[g] = world.started[g];
	}
	pthread_mutex_unlock(&world.lock);
}

static void finish(uint32_t first, uint32_t count, bool durable)
{
	pthread_mutex_lock(&world.lock);
	world.writes++;
	for (uint32_t g = first; g < first + count; g++) {
		world.finished[g] = world.started[g];
		if (durable)
			world.durable[g] = world.started[g];
	}
	pthread_mutex_unlock(&world.lock);
}

static int flush(struct nbd_handle *nbd)
{
	uint32_t *finished = malloc(sizeof(world.finished));

	pthread_mutex_lock(&world.lock);
	memcpy(finished, world.finished, sizeof(world.finished));
	pthread_mutex_unlock(&world.lock);
	if (nbd_flush(nbd, 0) != 0) {
		free(finished);
		return -1;
	}
	pthread_mutex_lock(&world.lock);
	world.flushes++;
	for (uint32_t g = 0; g < GRANULES; g++)
		if (world.durable[g] < finished[g])
			world.durable[g] = finished[g];
	pthread_mutex_unlock(&world.lock);
	free(finished);
	return 0;
}

static int change(struct nbd_handle *nbd, uint32_t first, uint32_t count, bool zeros, bool fua)
{
	uint32_t flags = fua ? LIBNBD_CMD_FLAG_FUA : 0;
	uint8_t *bytes = zeros ? NULL : malloc((size_t)count * GRANULE);
	int result;

	begin(first, count, bytes);
	if (zeros)
		result = nbd_zero(nbd, (uint64_t)count * GRANULE, (uint64_t)first * GRANULE, flags);
	else
		result = nbd_pwrite(nbd, bytes, (size_t)count * GRANULE, (uint64_t)first * GRANULE, flags);
	free(bytes);
	if (result == 0)
		finish(first, count, fua);
	return result;
}

/* A run inside a chunk of this connection, or for the first connection now and then in the blocks at the end. */
static int one(struct nbd_handle *nbd, uint32_t thread, unsigned *seed)
{
	uint32_t kind = draw(seed, 100), count = 1 + draw(seed, CHUNK), first;

	if (kind < 12)
		return flush(nbd);
	if (thread == 0 && kind < 40) {
		first = SHARED + draw(seed, BLOCKS >> 20) * (1048576 / GRANULE);
		return change(nbd, first, kind < 26 ? 1048576 / GRANULE : count, kind < 26, false);
	}
	first = (draw(seed, SHARED / CHUNK / THREADS) * THREADS + thread) * CHUNK + CHUNK - count;
	return change(nbd, first, count, kind<50, kind> 96);
}

struct job {
	uint32_t thread;
	unsigned seed;
};

static struct nbd_handle *connect_server(void)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < 6000; i++) {
		struct nbd_handle *nbd = nbd_create();

		if (nbd != NULL && nbd_connect_unix(nbd, world.socket) == 0)
			return nbd;
		nbd_close(nbd);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

static void *work(void *argument)
{
	struct job *job = argument;
	struct nbd_handle *nbd = connect_server();

	while (nbd != NULL && one(nbd, job->thread, &job->seed) == 0)
		;
	if (!atomic_load(&world.killed)) {
		fprintf(stderr, "a request failed while the server lived: %s\n", nbd != NULL ? nbd_get_error() : "not connected");
		atomic_store(&world.failed, true);
	}
	nbd_close(nbd);
	return NULL;
}

static bool all_zero(const uint8_t *sector)
{
	return sector[0] == 0 && memcmp(sector, sector + 1, SECTOR - 1) == 0;
}

/* Zeros are what it was at first, without a parent, or what a change made of it. */
static void judge(const uint8_t *sector, uint64_t index)
{
	uint32_t granule = (uint32_t)(index / (GRANULE / SECTOR));
	uint32_t durable = world.durable[granule], started = world.started[granule], zeroed = world.zeroed[granule];
	uint8_t wanted[SECTOR];
	uint64_t words[2];

	if (all_zero(sector)) {
		if (!(durable == 0 && !world.has_parent) && !(zeroed != 0 && zeroed >= durable))
			complain(
				"sector %llu is zeros; change %llu was durable, the last zeros were %llu, the last change %llu\n",
				index, durable, zeroed, started);
		return;
	}
	memcpy(words, sector, sizeof(words));
	stamp(wanted, index, (uint32_t)words[1]);
	if (memcmp(sector, wanted, SECTOR) != 0)
		complain("sector %llu holds what was never written to it (%llx, change %llu; the last was %llu)\n", index,
			 words[0], words[1], started);
	else if (words[1] < durable || words[1] > started)
		complain("sector %llu holds change %llu; change %llu was durable, the last was %llu\n", index, words[1], durable,
			 started);
}

static vhdx_disk *open_image(const char *path, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = flags;
	options.open_parent = vhdx_resolve_parent;
	expect(vhdx_open(&disk, path, &options, &error), &error, "the image cannot be opened");
	return disk;
}

static void judge_all(vhdx_disk *disk)
{
	static uint8_t bytes[1 << 20];
	struct vhdx_error error;

	for (uint64_t at = 0; at < DISK; at += sizeof(bytes)) {
		expect(vhdx_read(disk, bytes, sizeof(bytes), at, &error), &error, "a read failed");
		for (size_t i = 0; i < sizeof(bytes); i += SECTOR)
			judge(bytes + i, (at + i) / SECTOR);
	}
}

static int on_finding(void *context, const struct vhdx_finding *finding)
{
	(void)context;
	if (finding->severity == VHDX_SEVERITY_ERROR) {
		fprintf(stderr, "inspection finds: %s %s\n", finding->rule, finding->message);
		atomic_store(&world.failed, true);
	}
	return 0;
}

static void inspect(void)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file;
	struct vhdx_error error;

	options.on_finding = on_finding;
	expect(vhdx_file_open(&file, world.path, 0, &error), &error, "the image cannot be inspected");
	expect(vhdx_inspect(&file, &options, &error), &error, "the image cannot be inspected");
	vhdx_file_close(&file);
}

static void verify(void)
{
	uint8_t granule[GRANULE];
	struct vhdx_error error;
	vhdx_disk *disk;

	inspect();
	disk = open_image(world.path, 0);
	judge_all(disk);
	vhdx_close(disk);
	disk = open_image(world.path, VHDX_OPEN_WRITE);
	begin(5, 1, granule);
	expect(vhdx_write(disk, granule, sizeof(granule), 5 * GRANULE, &error), &error, "going on");
	finish(5, 1, true);
	expect(vhdx_close(disk), NULL, "closing");
	disk = open_image(world.path, 0);
	judge_all(disk);
	vhdx_close(disk);
	inspect();
}

static int read_parent(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	(void)context;
	(void)error;
	for (size_t i = 0; i < length; i += SECTOR)
		stamp((uint8_t *)buffer + i, (disk_offset + i) / SECTOR, 0);
	return VHDX_OK;
}

static const struct kind {
	const char *name;
	enum vhdx_format format;
	enum vhdx_type type;
	uint32_t block_size;
} kinds[] = {
	{ "dynamic VHDX", VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 1 << 20 },
	{ "differencing VHDX", VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 1 << 20 },
	{ "dynamic VHD", VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 1 << 20 },
	{ "fixed VHDX", VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 2 << 20 },
	{ "dynamic VHDX, large blocks", VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 8 << 20 },
	{ "differencing VHD", VHDX_FORMAT_VHD, VHDX_TYPE_DIFFERENCING, 0 },
};

static void make_image(const struct kind *kind)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_source source = { .size = DISK, .read = read_parent };
	struct vhdx_error error;

	(void)unlink(world.path);
	(void)unlink(world.parent);
	world.has_parent = kind->type == VHDX_TYPE_DIFFERENCING;
	options.format = kind->format;
	if (world.has_parent) {
		options.source = &source;
		expect(vhdx_create(world.parent, &options, &error), &error, "the parent cannot be made");
		options.source = NULL;
		options.parent = open_image(world.parent, 0);
	} else {
		options.size = DISK;
	}
	options.type = kind->type;
	options.block_size = kind->block_size;
	expect(vhdx_create(world.path, &options, &error), &error, "the image cannot be made");
	vhdx_close(options.parent);
}

static pid_t start_server(const char *plugin)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)execlp("nbdkit", "nbdkit", "-f", "-U", world.socket, plugin, world.path, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void sleep_ms(uint32_t ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

/* Until the server is up, or until it has done something that must not be lost, however slow this machine is. */
static void wait_for_work(pid_t server, bool for_flush)
{
	uint64_t flushes;

	do {
		sleep_ms(1);
		pthread_mutex_lock(&world.lock);
		flushes = world.flushes;
		pthread_mutex_unlock(&world.lock);
	} while ((for_flush ? flushes == 0 : access(world.socket, F_OK) != 0) && !atomic_load(&world.failed) &&
		 waitpid(server, NULL, WNOHANG) == 0);
}

/* The clients have been at work for a random time when the server dies. */
static void one_moment(const char *plugin, unsigned *seed)
{
	struct job jobs[THREADS];
	pthread_t threads[THREADS];
	pid_t server;

	memset(world.started, 0, sizeof(world.started));
	memset(world.finished, 0, sizeof(world.finished));
	memset(world.durable, 0, sizeof(world.durable));
	memset(world.zeroed, 0, sizeof(world.zeroed));
	world.flushes = world.writes = 0;
	atomic_store(&world.killed, false);
	(void)unlink(world.socket);
	server = start_server(plugin);
	for (uint32_t i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ i, (unsigned)rand_r(seed) };
		pthread_create(&threads[i], NULL, work, &jobs[i]);
	}
	wait_for_work(server, draw(seed, 4) != 0);
	sleep_ms(draw(seed, MOST_MS));
	atomic_store(&world.killed, true);
	(void)kill(server, SIGKILL);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	(void)waitpid(server, NULL, 0);
	verify();
}

int main(int argc, char **argv)
{
	uint64_t writes = 0, flushes = 0;
	unsigned moments = argc > 3 ? (unsigned)atoi(argv[3]) : 6,
		 seed = argc > 4 ? (unsigned)atoi(argv[4]) : (unsigned)time(NULL);
	const struct kind *kind = kinds;

	if (argc < 3)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	snprintf(world.path, sizeof(world.path), "%s/disk", argv[2]);
	snprintf(world.parent, sizeof(world.parent), "%s/parent", argv[2]);
	snprintf(world.socket, sizeof(world.socket), "%s/socket", argv[2]);
	printf("seed %u\n", seed);
	for (unsigned i = 0; i < moments && !atomic_load(&world.failed); i++) {
		kind = &kinds[i % (sizeof(kinds) / sizeof(kinds[0]))];
		make_image(kind);
		one_moment(argv[1], &seed);
		writes += world.writes;
		flushes += world.flushes;
	}
	if (atomic_load(&world.failed)) {
		fprintf(stderr, "on a %s\n", kind->name);
		return 1;
	}
	printf("%u moments, %llu changes, %llu flushes: nothing lost\n", moments, (unsigned long long)writes,
	       (unsigned long long)flushes);
	return 0;
}
