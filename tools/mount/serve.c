/* SPDX-License-Identifier: MIT */
/* See serve.h. An inode number is the index of its node plus one, so the root has FUSE's number for it. */
#define FUSE_USE_VERSION 35
#include "serve.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

enum { FOREVER = 1 << 30, BLOCK = 4096, MAX_BACKGROUND = 64 };

static struct serve *serve_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static const struct node *node_of(fuse_req_t request, fuse_ino_t ino)
{
	return &serve_of(request)->tree->nodes[ino - 1];
}

static int errno_of(int status)
{
	switch (status) {
	case VHDX_E_NO_SPACE: return ENOSPC;
	case VHDX_E_NO_MEMORY: return ENOMEM;
	case VHDX_E_READ_ONLY: return EROFS;
	default: return EIO;
	}
}

void serve_report(const struct serve *serve, const struct vhdx_error *error)
{
	char text[1400];

	vhdx_error_text(error, text, sizeof(text));
	if (serve->in_background)
		syslog(LOG_ERR, "%s", tool_clean(text));
	else
		tool_warn("%s", text);
}

/* Answers a request that returns nothing but whether it worked. */
static void reply_status(fuse_req_t request, int status, const struct vhdx_error *error)
{
	if (status != VHDX_OK)
		serve_report(serve_of(request), error);
	fuse_reply_err(request, status == VHDX_OK ? 0 : errno_of(status));
}

static void describe(fuse_req_t request, const struct node *node, struct stat *st)
{
	const struct tree *tree = serve_of(request)->tree;

	memset(st, 0, sizeof(*st));
	st->st_ino = (ino_t)(node - tree->nodes) + 1;
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_atime = st->st_mtime = st->st_ctime = (time_t)tree->time;
	st->st_nlink = node->disk == NULL ? 2 : 1;
	st->st_mode = node->disk == NULL ? S_IFDIR | 0555u : S_IFREG | (node->writable ? 0644u : 0444u);
	st->st_size = (off_t)node->size;
	st->st_blksize = BLOCK;
	st->st_blocks = (blkcnt_t)((node->allocated + 511) / 512);
}

static void do_init(void *context, struct fuse_conn_info *connection)
{
	(void)context;
	connection->max_background = MAX_BACKGROUND;
}

static void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	const struct tree *tree = serve_of(request)->tree;
	struct fuse_entry_param entry = { .attr_timeout = FOREVER, .entry_timeout = FOREVER };
	const struct node *node = tree_find(tree, parent - 1, name);

	if (node == NULL) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	describe(request, node, &entry.attr);
	entry.ino = entry.attr.st_ino;
	fuse_reply_entry(request, &entry);
}

static void do_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct stat st;

	(void)file;
	describe(request, node_of(request, ino), &st);
	fuse_reply_attr(request, &st, FOREVER);
}

/* Times and sizes are taken and ignored. */
static void do_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *attributes, int which, struct fuse_file_info *file)
{
	(void)attributes;
	if (which & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		fuse_reply_err(request, EPERM);
	else
		do_getattr(request, ino, file);
}

static void do_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	const struct tree *tree = serve_of(request)->tree;
	char *buffer = malloc(size);
	size_t used = 0;

	(void)file;
	if (buffer == NULL) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	/* places 0 and 1 are the directory and the one above it */
	for (size_t i = (size_t)offset; i < tree->count + 2; i++) {
		const struct node *node = i == 0   ? &tree->nodes[ino - 1]
					  : i == 1 ? &tree->nodes[tree->nodes[ino - 1].parent]
						   : &tree->nodes[i - 2];
		const char *name = i == 0 ? "." : i == 1 ? ".." : node->name;
		struct stat st;
		size_t length;

		if (i >= 2 && (i == 2 || node->parent != ino - 1))
			continue;
		describe(request, node, &st);
		length = fuse_add_direntry(request, buffer + used, size - used, name, &st, (off_t)i + 1);
		if (length > size - used)
			break;
		used += length;
	}
	fuse_reply_buf(request, buffer, used);
	free(buffer);
}

static void do_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	const struct node *node = node_of(request, ino);

	if (node->disk == NULL) {
		fuse_reply_err(request, EISDIR);
		return;
	}
	if ((file->flags & O_ACCMODE) != O_RDONLY && !node->writable) {
		fuse_reply_err(request, EROFS);
		return;
	}
	file->direct_io = node->writable;
	file->keep_cache = !node->writable;
	atomic_fetch_add(&serve_of(request)->open_files, 1);
	if (fuse_reply_open(request, file) == -ENOENT) /* the opener was interrupted */
		atomic_fetch_sub(&serve_of(request)->open_files, 1);
}

static void do_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct serve *serve = serve_of(request);
	bool was_last = atomic_fetch_sub(&serve->open_files, 1) == 1;

	(void)ino;
	(void)file;
	fuse_reply_err(request, 0);
	if (was_last && atomic_load(serve->ends_with_last_file))
		fuse_session_exit(serve->session);
}

static pthread_key_t buffer_key;

struct buffer {
	size_t size;
	unsigned char bytes[];
};

/* One for each thread: fresh memory for every request would cost more than reading into it. */
static unsigned char *thread_buffer(size_t size)
{
	struct buffer *buffer = pthread_getspecific(buffer_key);

	if (buffer != NULL && buffer->size >= size)
		return buffer->bytes;
	free(buffer);
	buffer = malloc(sizeof(*buffer) + size);
	if (buffer != NULL)
		buffer->size = size;
	(void)pthread_setspecific(buffer_key, buffer);
	return buffer == NULL ? NULL : buffer->bytes;
}

/* How much of a request lies inside the file. */
static uint64_t inside(const struct node *node, uint64_t length, off_t offset)
{
	uint64_t left = offset < 0 || (uint64_t)offset > node->size ? 0 : node->size - (uint64_t)offset;

	return length < left ? length : left;
}

static void do_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	const struct node *node = node_of(request, ino);
	size_t length = (size_t)inside(node, size, offset);
	unsigned char *buffer = thread_buffer(length);
	struct vhdx_error error;
	int status;

	(void)file;
	if (buffer == NULL) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	status = length == 0 ? VHDX_OK : vhdx_read(node->disk, buffer, length, node->offset + (uint64_t)offset, &error);
	if (status == VHDX_OK)
		fuse_reply_buf(request, (const char *)buffer, length);
	else
		reply_status(request, status, &error);
}

static void do_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	const struct node *node = node_of(request, ino);
	size_t length = (size_t)inside(node, size, offset);
	struct vhdx_error error;
	int status;

	(void)file;
	if (length == 0 && size != 0) {
		fuse_reply_err(request, ENOSPC);
		return;
	}
	status = vhdx_write(node->disk, bytes, length, node->offset + (uint64_t)offset, &error);
	if (status == VHDX_OK)
		fuse_reply_write(request, length);
	else
		reply_status(request, status, &error);
}

static void do_fsync(fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	const struct node *node = node_of(request, ino);
	struct vhdx_error error;

	(void)data_only;
	(void)file;
	reply_status(request, node->writable ? vhdx_flush(node->disk, &error) : VHDX_OK, &error);
}

/* Behind the zeros a discard, for the formats whose zeros keep their space. */
static void do_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t size, struct fuse_file_info *file)
{
	const struct node *node = node_of(request, ino);
	int what = mode & ~FALLOC_FL_KEEP_SIZE;
	uint64_t start = node->offset + (uint64_t)offset, length = inside(node, size < 0 ? 0 : (uint64_t)size, offset);
	struct vhdx_error error;
	int status;

	(void)file;
	if (!node->writable || (what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE)) {
		fuse_reply_err(request, EOPNOTSUPP);
		return;
	}
	status = vhdx_write_zeroes(node->disk, start, length, &error);
	if (status == VHDX_OK && what == FALLOC_FL_PUNCH_HOLE)
		status = vhdx_discard(node->disk, start, length, &error);
	reply_status(request, status, &error);
}

/* The next data, or the next hole; the end of the file counts as a hole. */
static void do_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *file)
{
	const struct node *node = node_of(request, ino);
	uint64_t at = (uint64_t)offset;
	struct vhdx_extent extent;
	struct vhdx_error error;

	(void)file;
	if (offset < 0 || at >= node->size || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
		fuse_reply_err(request, whence == SEEK_DATA || whence == SEEK_HOLE ? ENXIO : EINVAL);
		return;
	}
	for (; at < node->size; at += extent.length) {
		int status = vhdx_get_extent(node->disk, &extent, node->offset + at, node->size - at, &error);

		if (status != VHDX_OK) {
			reply_status(request, status, &error);
			return;
		}
		if ((extent.kind == VHDX_EXTENT_DATA) == (whence == SEEK_DATA))
			break;
	}
	if (at >= node->size && whence == SEEK_DATA)
		fuse_reply_err(request, ENXIO);
	else
		fuse_reply_lseek(request, (off_t)at);
}

/* The loop driver takes the size of a block for the least that is worth discarding. */
static void do_statfs(fuse_req_t request, fuse_ino_t ino)
{
	const struct tree *tree = serve_of(request)->tree;
	struct statvfs st = { .f_bsize = BLOCK, .f_frsize = BLOCK, .f_namemax = NODE_NAME_SIZE - 1 };

	(void)ino;
	st.f_blocks = vhdx_disk_size(tree->disks[0]) / BLOCK;
	st.f_files = tree->count;
	fuse_reply_statfs(request, &st);
}

static const struct fuse_lowlevel_ops operations = {
	.init = do_init,
	.lookup = do_lookup,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.readdir = do_readdir,
	.open = do_open,
	.release = do_release,
	.read = do_read,
	.write = do_write,
	.fsync = do_fsync,
	.fallocate = do_fallocate,
	.lseek = do_lseek,
	.statfs = do_statfs,
};

struct fuse_session *serve_new(struct serve *serve, struct fuse_args *args)
{
	if (pthread_key_create(&buffer_key, free) != 0)
		return NULL;
	serve->session = fuse_session_new(args, &operations, sizeof(operations), serve);
	return serve->session;
}

int serve_run(struct serve *serve)
{
	struct fuse_loop_config config = { .clone_fd = 0, .max_idle_threads = 10 };

	return fuse_session_loop_mt(serve->session, &config);
}
