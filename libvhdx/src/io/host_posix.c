/* SPDX-License-Identifier: MIT */
/*
 * The I/O table over POSIX files and block devices. Layer: io.
 *
 * Locks follow the byte protocol of QEMU (decision D-09 in specs/decisions.md): a user of the file holds a shared lock on byte 100 + n for each
 * permission n it uses and on byte 200 + n for each that it does not share with others, where n is 0 read, 1 write, 2 write unchanged, 3 resize.
 * Open file description locks are used where the system has them, so that two handles of one process exclude each other too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/vfs.h>
#endif

#include "base/checked.h"
#include "base/error.h"
#include "io/host.h"

#if defined(O_PATH)
#define NAME_ONLY O_PATH
#else
#define NAME_ONLY O_RDONLY
#endif

struct host_file {
	int fd;
	bool is_device;
	bool has_constant_size; /* a file open for reading: our lock keeps writers away, and its size is that of the open */
	uint64_t size;
	char name[]; /* as given to host_open */
};

static int64_t host_read(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	ssize_t done;

	if (file_offset > INT64_MAX)
		return 0;
	do
		done = pread(f->fd, buffer, (size_t)min_u64(length, GIB), (off_t)file_offset);
	while (done < 0 && errno == EINTR);
	return done < 0 ? fail_os(error, errno, "read") : done;
}

static int64_t host_write(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	ssize_t done;

	if (!range_fits(file_offset, length, INT64_MAX))
		return fail(error, VHDX_E_RANGE, "write beyond the largest file");
	do
		done = pwrite(f->fd, buffer, (size_t)min_u64(length, GIB), (off_t)file_offset);
	while (done < 0 && errno == EINTR);
	return done < 0 ? fail_os(error, errno, "write") : done;
}

static int host_flush(void *handle, struct vhdx_error *error)
{
	const struct host_file *f = handle;

#if defined(__APPLE__)
	if (fcntl(f->fd, F_FULLFSYNC) == 0)
		return VHDX_OK;
	return fsync(f->fd) == 0 ? VHDX_OK : fail_os(error, errno, "flush");
#else
	int result;

	do
		result = fdatasync(f->fd);
	while (result != 0 && errno == EINTR);
	return result == 0 ? VHDX_OK : fail_os(error, errno, "flush");
#endif
}

static int host_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	struct stat st;
	off_t end;

	if (f->has_constant_size) {
		*size = f->size;
		return VHDX_OK;
	}
	if (!f->is_device) {
		if (fstat(f->fd, &st) != 0)
			return fail_os(error, errno, "get size");
		*size = (uint64_t)st.st_size;
		return VHDX_OK;
	}
	end = lseek(f->fd, 0, SEEK_END);
	if (end < 0)
		return fail_os(error, errno, "get size of device");
	*size = (uint64_t)end;
	return VHDX_OK;
}

static int host_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	int result;

	if (f->is_device)
		return fail(error, VHDX_E_UNSUPPORTED, "a block device has a fixed size");
	if (size > INT64_MAX)
		return fail(error, VHDX_E_NO_SPACE, "set size beyond the largest file");
	do
		result = ftruncate(f->fd, (off_t)size);
	while (result != 0 && errno == EINTR);
	return result == 0 ? VHDX_OK : fail_os(error, errno, "set size");
}

#if defined(__linux__)
static int allocate(void *handle, int mode, uint64_t file_offset, uint64_t length, const char *what, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	int result;

	if (!range_fits(file_offset, length, INT64_MAX))
		return fail(error, VHDX_E_RANGE, "%s beyond the largest file", what);
	do
		result = fallocate(f->fd, mode, (off_t)file_offset, (off_t)length);
	while (result != 0 && errno == EINTR);
	if (result == 0)
		return VHDX_OK;
	if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ENODEV)
		return fail(error, VHDX_E_UNSUPPORTED, "%s is not supported by this filesystem", what);
	return fail_os(error, errno, what);
}

static int host_zero(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	return allocate(handle, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, file_offset, length, "zero", error);
}

static int host_punch(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	return allocate(handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, file_offset, length, "punch hole", error);
}

static void host_flush_soon(void *handle, uint64_t file_offset, uint64_t length)
{
	const struct host_file *f = handle;

	if (range_fits(file_offset, length, INT64_MAX))
		(void)sync_file_range(f->fd, (off_t)file_offset, (off_t)length, SYNC_FILE_RANGE_WRITE);
}

static int host_reserve(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	return allocate(handle, FALLOC_FL_KEEP_SIZE, file_offset, length, "reserve space", error);
}

static int copy_refused(struct vhdx_error *error)
{
	static const int codes[] = { EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, ENOTTY, EBADF, EPERM, ETXTBSY, EISDIR };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (errno == codes[i])
			return fail(error, VHDX_E_UNSUPPORTED, "no copying inside the system between these files");
	return fail_os(error, errno, "copy");
}

static int64_t copy_on_server(const struct host_file *from, uint64_t source_offset, const struct host_file *to,
			      uint64_t target_offset, uint64_t length, struct vhdx_error *error)
{
	loff_t in = (loff_t)source_offset, out = (loff_t)target_offset;
	ssize_t done;

	do
		done = copy_file_range(from->fd, &in, to->fd, &out, (size_t)min_u64(length, GIB), 0);
	while (done < 0 && errno == EINTR);
	return done < 0 ? copy_refused(error) : done;
}

/* A filesystem whose server copies by itself. */
static bool is_remote(const struct host_file *f)
{
	enum { NFS = 0x6969, CEPH = 0x00c36400 };
	const uint32_t cifs = 0xFF534D42, smb2 = 0xFE534D42;
	struct statfs st;
	uint32_t type = fstatfs(f->fd, &st) == 0 ? (uint32_t)st.f_type : 0;

	return type == NFS || type == CEPH || type == cifs || type == smb2;
}

/* Sharing comes first; copy_file_range alone would also copy through the page cache, which a caller that looks at the bytes does as well itself. */
static int64_t host_copy_range(void *source, uint64_t source_offset, void *target, uint64_t target_offset, uint64_t length,
			       struct vhdx_error *error)
{
	const struct host_file *from = source, *to = target;
	struct file_clone_range range = { from->fd, source_offset, min_u64(length, GIB), target_offset };
	int result;

	if (length == 0)
		return 0;
	do
		result = ioctl(to->fd, FICLONERANGE, &range);
	while (result != 0 && errno == EINTR);
	if (result == 0)
		return (int64_t)range.src_length;
	result = copy_refused(error);
	return result == VHDX_E_UNSUPPORTED && is_remote(to)
		       ? copy_on_server(from, source_offset, to, target_offset, length, error)
		       : result;
}
#endif

#if defined(SEEK_HOLE)
static int host_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		       struct vhdx_error *error)
{
	const struct host_file *f = handle;
	off_t data, hole;

	(void)error;
	*extent = (struct vhdx_file_extent){ .length = length, .is_hole = 0 };
	if (f->is_device || file_offset > INT64_MAX)
		return VHDX_OK;
	data = lseek(f->fd, (off_t)file_offset, SEEK_DATA);
	if (data < 0) {
		extent->is_hole = errno == ENXIO; /* no data up to the end of the file, and nothing beyond */
		return VHDX_OK;
	}
	if ((uint64_t)data > file_offset) {
		*extent = (struct vhdx_file_extent){ .length = min_u64(length, (uint64_t)data - file_offset), .is_hole = 1 };
		return VHDX_OK;
	}
	hole = lseek(f->fd, (off_t)file_offset, SEEK_HOLE);
	if (hole >= 0 && (uint64_t)hole > file_offset)
		extent->length = min_u64(length, (uint64_t)hole - file_offset);
	return VHDX_OK;
}
#endif

static int host_identity(void *handle, struct vhdx_file_id *id, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	struct stat st;

	if (fstat(f->fd, &st) != 0)
		return fail_os(error, errno, "identify");
	*id = (struct vhdx_file_id){ (uint64_t)st.st_dev, (uint64_t)st.st_ino };
	return VHDX_OK;
}

static void host_close(void *handle)
{
	struct host_file *f = handle;

	(void)close(f->fd);
	free(f);
}

const struct vhdx_io host_io = {
	.struct_size = sizeof(struct vhdx_io),
	.read = host_read,
	.write = host_write,
	.flush = host_flush,
	.get_size = host_get_size,
	.set_size = host_set_size,
#if defined(__linux__)
	.zero = host_zero,
	.punch = host_punch,
	.reserve = host_reserve,
	.copy_range = host_copy_range,
	.flush_soon = host_flush_soon,
#endif
#if defined(SEEK_HOLE)
	.extent = host_extent,
#endif
	.identity = host_identity,
	.close = host_close,
};

#if defined(F_OFD_SETLK)
enum { PERMISSION_BASE = 100, UNSHARED_BASE = 200, READ_BYTE = 0, WRITE_BYTE = 1, LAST_BYTE = 3 };

static int lock_call(int fd, int command, short type, off_t first, off_t last, struct flock *answer)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = last - first + 1 };
	int result;

	do
		result = fcntl(fd, command, &lock);
	while (result != 0 && errno == EINTR);
	if (answer != NULL)
		*answer = lock;
	return result;
}

/* Whether another user holds any lock on these bytes. */
static bool is_held(int fd, off_t first, off_t last)
{
	struct flock answer;

	return lock_call(fd, F_OFD_GETLK, F_WRLCK, first, last, &answer) == 0 && answer.l_type != F_UNLCK;
}

/* A filesystem without locks lets everybody in, as it does for everyone else. */
static int take_lock(int fd, bool writing, struct vhdx_error *error)
{
	off_t mine_last = PERMISSION_BASE + (writing ? LAST_BYTE : READ_BYTE);
	off_t unshared_first = UNSHARED_BASE + (writing ? READ_BYTE : WRITE_BYTE);
	off_t others_first = PERMISSION_BASE + (writing ? READ_BYTE : WRITE_BYTE);
	const char *who = writing ? "it is in use by another program" : "another program is writing to it";

	if (lock_call(fd, F_OFD_SETLK, F_RDLCK, PERMISSION_BASE + READ_BYTE, mine_last, NULL) != 0 ||
	    lock_call(fd, F_OFD_SETLK, F_RDLCK, unshared_first, UNSHARED_BASE + LAST_BYTE, NULL) != 0)
		return errno == EAGAIN || errno == EACCES ? fail(error, VHDX_E_LOCKED, "%s", who) : VHDX_OK;
	if (is_held(fd, others_first, PERMISSION_BASE + LAST_BYTE) ||
	    is_held(fd, UNSHARED_BASE + READ_BYTE, writing ? UNSHARED_BASE + LAST_BYTE : UNSHARED_BASE + READ_BYTE))
		return fail(error, VHDX_E_LOCKED, "%s", who);
	return VHDX_OK;
}
#else
static int take_lock(int fd, bool writing, struct vhdx_error *error)
{
	(void)fd;
	(void)writing;
	(void)error;
	return VHDX_OK;
}
#endif

static int judge(const struct stat *st, unsigned flags, struct vhdx_error *error)
{
	if (S_ISREG(st->st_mode))
		return VHDX_OK;
	if (S_ISDIR(st->st_mode))
		return fail(error, VHDX_E_NOT_IMAGE, "it is a directory");
	if (flags & VHDX_FILE_REGULAR)
		return fail(error, VHDX_E_NOT_IMAGE, "it is not a regular file");
	return S_ISBLK(st->st_mode) ? VHDX_OK : fail(error, VHDX_E_NOT_IMAGE, "it is neither a regular file nor a block device");
}

/* Makes the handle of what was opened; closes `fd` on failure. The size is taken behind the lock. */
static int adopt(struct vhdx_file *out, int fd, const char *path, unsigned flags, struct vhdx_error *error)
{
	size_t name_size = strlen(path) + 1;
	struct host_file *f = NULL;
	struct stat st;
	int status = flags & VHDX_FILE_NO_LOCK ? VHDX_OK : take_lock(fd, (flags & VHDX_FILE_WRITE) != 0, error);

	if (status == VHDX_OK)
		status = fstat(fd, &st) == 0 ? judge(&st, flags, error) : fail_os(error, errno, "open");
	if (status == VHDX_OK && (f = malloc(sizeof(*f) + name_size)) == NULL)
		status = fail_memory(error);
	if (status != VHDX_OK) {
		(void)close(fd);
		return error_in_file(error, path, 0);
	}
	f->fd = fd;
	f->is_device = !S_ISREG(st.st_mode);
	f->has_constant_size = !f->is_device && !(flags & VHDX_FILE_WRITE);
	f->size = (uint64_t)st.st_size;
	memcpy(f->name, path, name_size);
	*out = (struct vhdx_file){ &host_io, f, f->name };
	return VHDX_OK;
}

static int open_flags(unsigned flags)
{
	/* without O_NONBLOCK, opening a FIFO would wait for its other end */
	return (flags & (VHDX_FILE_WRITE | VHDX_FILE_CREATE) ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
	       (flags & VHDX_FILE_CREATE ? O_CREAT | O_EXCL : 0);
}

/* Before the open, which alone has an effect on a tape, a watchdog, or who waits at a FIFO. What comes there in between is judged when it is open. */
static int check_regular(const char *path, struct vhdx_error *error)
{
	struct stat st;

	return stat(path, &st) == 0 ? judge(&st, VHDX_FILE_REGULAR, error) : VHDX_OK;
}

int host_open(struct vhdx_file *out, const char *path, unsigned flags, struct vhdx_error *error)
{
	int fd;

	if ((flags & VHDX_FILE_REGULAR) && check_regular(path, error) != VHDX_OK)
		return error_in_file(error, path, 0);
	fd = open(path, open_flags(flags), 0666);
	if (fd < 0) {
		fail_os(error, errno, flags & VHDX_FILE_CREATE ? "create" : "open");
		return error_in_file(error, path, 0);
	}
	if (flags & VHDX_FILE_CREATE)
		flags |= VHDX_FILE_WRITE;
	return adopt(out, fd, path, flags, error);
}

int host_remove(const char *path)
{
	return unlink(path);
}

bool host_makes_holes(const struct vhdx_file *file)
{
	return file->io->extent != NULL && file->io->punch != NULL;
}

bool host_modified(const struct vhdx_file *file, uint64_t *seconds)
{
	struct stat st;

	if (file->io != &host_io || fstat(((const struct host_file *)file->handle)->fd, &st) != 0 || st.st_mtime < 0)
		return false;
	*seconds = (uint64_t)st.st_mtime;
	return true;
}

static bool is_below(const char *path, const char *root)
{
	size_t length = strlen(root);

	while (length > 1 && root[length - 1] == '/')
		length--;
	return strncmp(path, root, length) == 0 && (path[length] == '/' || (length == 1 && root[0] == '/'));
}

/* The name of an open file, as the system tells it now; false where it does not. */
static bool name_of(int fd, char *name, size_t size)
{
	char link[64];
	ssize_t length;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, name, size - 1);
	name[length < 0 ? 0 : length] = '\0';
	return length >= 0;
}

/* Whether the open file lies there, where the system tells: a directory of its path may have been another one for a moment. Its names have one case, those of the
 * path perhaps another. */
static bool is_open_below(int fd, const char *root)
{
	char name[PATH_MAX], root_name[PATH_MAX];
	int root_fd = open(root, NAME_ONLY | O_DIRECTORY | O_CLOEXEC);
	bool tells = root_fd >= 0 && name_of(fd, name, sizeof(name)) && name_of(root_fd, root_name, sizeof(root_name));

	if (root_fd >= 0)
		(void)close(root_fd);
	return !tells || is_below(name, root_name);
}

/* The real path is opened without following a last link; a link put in its way between the two calls is caught by comparing again. */
int host_open_below(struct vhdx_file *out, const char *path, const char *root, unsigned flags, struct vhdx_error *error)
{
	char *real, *real_root, *again;
	int fd = -1, status = VHDX_OK;

	if (root == NULL)
		return host_open(out, path, flags | VHDX_FILE_REGULAR, error);
	real = realpath(path, NULL);
	real_root = realpath(root, NULL);
	if (real == NULL || real_root == NULL)
		status = fail_os(error, errno, "open");
	else if (!is_below(real, real_root))
		status = fail(error, VHDX_E_DENIED, "it lies outside of %s", root);
	else if ((status = check_regular(real, error)) == VHDX_OK && (fd = open(real, open_flags(flags) | O_NOFOLLOW)) < 0)
		status = fail_os(error, errno, "open");
	if (status == VHDX_OK) {
		again = realpath(path, NULL);
		if (again == NULL || strcmp(again, real) != 0 || !is_open_below(fd, real_root))
			status = fail(error, VHDX_E_DENIED, "it changed its place while it was opened");
		free(again);
	}
	free(real);
	free(real_root);
	if (status == VHDX_OK)
		return adopt(out, fd, path, flags | VHDX_FILE_REGULAR, error);
	if (fd >= 0)
		(void)close(fd);
	return error_in_file(error, path, 0);
}
