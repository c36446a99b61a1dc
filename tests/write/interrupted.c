/* SPDX-License-Identifier: MIT */
/* Writes that move less than they were asked to, or are interrupted (B-58: cloud-hypervisor e3aaee437 took them for done). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/written.h"
#include "support/hostdir.h"

#define MIB RECIPE_MIB

static struct memfile *make(enum vhdx_format format, enum vhdx_type type)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *made = memfile_new();
	struct vhdx_file file = memfile_file(made, "disk");

	options.format = format;
	options.type = type;
	options.size = 16 * MIB;
	options.block_size = (uint32_t)MIB;
	memfile_set_short(made, 3000); /* creation too */
	cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
	return made;
}

Test(bugs, B_58_short_writes_are_continued)
{
	static const size_t shortest[] = { 1 << 20, 4095, 1000, 511, 77 };

	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++)
		for (int type = VHDX_TYPE_FIXED; type <= VHDX_TYPE_DYNAMIC; type++)
			for (unsigned i = 0; i < 5; i++) {
				struct memfile *m = make((enum vhdx_format)format, (enum vhdx_type)type);
				struct written w;

				memfile_set_short(m, shortest[i]);
				written_start(&w, m, NULL);
				written_history(&w, 8);
				written_flush(&w);
				written_close(&w);
				memfile_set_short(m, 0);
				written_expect(&w, w.file);
				written_end(&w);
			}
}

/* A caller's table whose write moves nothing, and says so. */
static bool nothing;
static const struct vhdx_io *below;

static int64_t write_nothing(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	return nothing ? 0 : below->write(handle, buffer, length, file_offset, error);
}

Test(bugs, B_58_write_of_nothing_is_no_success)
{
	struct memfile *m = make(VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED);
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "disk");
	struct vhdx_io io = *file.io;
	uint8_t bytes[512] = { 1 };
	vhdx_disk *disk;

	below = file.io;
	io.write = write_nothing;
	file.io = &io;
	options.flags = VHDX_OPEN_WRITE;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
	cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), 0, NULL), VHDX_OK);
	nothing = true;
	cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), 4096, NULL), VHDX_E_IO);
	nothing = false;
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_E_DEAD);
	cr_assert_neq(vhdx_close(disk), VHDX_OK);
	memfile_free(m);
}

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

/* In place of the C library's: every second call is interrupted, and no write moves more than 5,000 bytes. */
static bool interrupting;
static unsigned calls, interrupted;

static bool is_interrupted(void)
{
	if (!interrupting || calls++ % 2 != 0)
		return false;
	interrupted++;
	errno = EINTR;
	return true;
}

ssize_t pwrite64(int fd, const void *buffer, size_t length, off_t offset);
ssize_t pwrite64(int fd, const void *buffer, size_t length, off_t offset)
{
	if (is_interrupted())
		return -1;
	return syscall(SYS_pwrite64, fd, buffer, interrupting && length > 5000 ? 5000 : length, offset);
}

ssize_t pread64(int fd, void *buffer, size_t length, off_t offset);
ssize_t pread64(int fd, void *buffer, size_t length, off_t offset)
{
	return is_interrupted() ? -1 : syscall(SYS_pread64, fd, buffer, length, offset);
}

int ftruncate64(int fd, off_t length);
int ftruncate64(int fd, off_t length)
{
	return is_interrupted() ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int fdatasync(int fd)
{
	return is_interrupted() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

Test(bugs, B_58_interrupted_calls_are_repeated)
{
	static uint8_t bytes[100000], found[sizeof(bytes)];
	struct vhdx_create_options create = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error = { 0 };
	struct hostdir d;

	hostdir_start(&d);
	options.flags = VHDX_OPEN_WRITE;
	create.size = 64 * MIB;
	create.block_size = (uint32_t)MIB * 2;
	recipe_pattern(bytes, sizeof(bytes), 0, 7);
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		const char *path = hostdir_path(&d, format == VHDX_FORMAT_VHD ? "a.vhd" : "a.vhdx");
		vhdx_disk *disk;

		interrupting = true;
		create.format = (enum vhdx_format)format;
		cr_assert_eq(vhdx_create(path, &create, &error), VHDX_OK, "%s", error.message);
		cr_assert_eq(vhdx_open(&disk, path, &options, &error), VHDX_OK, "%s", error.message);
		for (uint64_t at = 0; at < 64 * MIB - sizeof(bytes); at += 7 * MIB + 12345)
			cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), at, &error), VHDX_OK, "%s", error.message);
		cr_assert_eq(vhdx_flush(disk, &error), VHDX_OK, "%s", error.message);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		interrupting = false;
		cr_assert_gt(interrupted, 10, "no call of the library came through here");
		cr_assert_eq(vhdx_open(&disk, path, &options, &error), VHDX_OK, "%s", error.message);
		for (uint64_t at = 0; at < 64 * MIB - sizeof(bytes); at += 7 * MIB + 12345) {
			cr_assert_eq(vhdx_read(disk, found, sizeof(found), at, &error), VHDX_OK);
			cr_assert_arr_eq(found, bytes, sizeof(bytes));
		}
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
	}
	hostdir_end(&d);
}
#endif
