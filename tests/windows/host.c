/* SPDX-License-Identifier: MIT */
/*
 * Files of Windows through the library's I/O table: share modes as locks, names, long paths, devices, overlapped reads and writes of several threads,
 * sparse files. Layer: tests/windows. What a filesystem need not have (Wine has little of it) is tested as far as it answers.
 */
#include <criterion/criterion.h>
#include <windows.h>
#include <winioctl.h>

#include "support/hostdir.h"
#include "support/recipe.h"
#include "vhdx.h"

enum { FILE_SIZE = 4 << 20 };

static struct vhdx_file open_file(const char *path, unsigned flags)
{
	struct vhdx_file file = { NULL, NULL, NULL };
	struct vhdx_error e = { .status = 0 };

	cr_assert(vhdx_file_open(&file, path, flags, &e) == VHDX_OK, "%s: %s", path, e.message);
	return file;
}

static void expect_refused(const char *path, unsigned flags, int status, int os_error)
{
	struct vhdx_file file = { NULL, NULL, NULL };
	struct vhdx_error e = { .status = 0 };

	cr_expect(vhdx_file_open(&file, path, flags, &e) == status, "%s: %s: %s", path, vhdx_status_name(e.status), e.message);
	cr_expect(os_error == 0 || e.os_error == os_error, "%s: error %d", path, e.os_error);
	cr_expect(file.handle == NULL && e.message[0] != '\0');
}

static const char *new_file(const struct hostdir *d, const char *name)
{
	struct vhdx_file file = open_file(hostdir_path(d, name), VHDX_FILE_CREATE | VHDX_FILE_WRITE);
	struct vhdx_error e;

	cr_assert(file.io->set_size(file.handle, FILE_SIZE, &e) == VHDX_OK);
	vhdx_file_close(&file);
	return hostdir_path(d, name);
}

Test(windows_host, share_modes_are_the_lock)
{
	struct vhdx_file first, second;
	struct hostdir d;
	const char *path;

	hostdir_start(&d);
	path = new_file(&d, "disk.vhdx");
	first = open_file(path, 0);
	second = open_file(path, 0);
	vhdx_file_close(&second);
	expect_refused(path, VHDX_FILE_WRITE, VHDX_E_LOCKED, ERROR_SHARING_VIOLATION);
	vhdx_file_close(&first);

	first = open_file(path, VHDX_FILE_WRITE);
	expect_refused(path, VHDX_FILE_WRITE, VHDX_E_LOCKED, ERROR_SHARING_VIOLATION);
	expect_refused(path, 0, VHDX_E_LOCKED, ERROR_SHARING_VIOLATION);
	second = open_file(path, VHDX_FILE_NO_LOCK);
	vhdx_file_close(&second);
	cr_expect(!DeleteFileA(path), "a disk in use can be removed");
	vhdx_file_close(&first);
	first = open_file(path, VHDX_FILE_WRITE); /* all handles are closed */
	vhdx_file_close(&first);
	hostdir_end(&d);
}

Test(windows_host, what_is_no_disk_is_refused)
{
	struct hostdir d;

	hostdir_start(&d);
	(void)new_file(&d, "there");
	hostdir_make(&d, "directory");
	expect_refused(hostdir_path(&d, "there"), VHDX_FILE_CREATE | VHDX_FILE_WRITE, VHDX_E_EXISTS, 0);
	expect_refused(hostdir_path(&d, "missing"), 0, VHDX_E_NOT_FOUND, ERROR_FILE_NOT_FOUND);
	expect_refused(hostdir_path(&d, "missing/disk"), VHDX_FILE_CREATE, VHDX_E_NOT_FOUND, ERROR_PATH_NOT_FOUND);
	expect_refused(hostdir_path(&d, "directory"), 0, VHDX_E_NOT_IMAGE, 0);
	expect_refused("NUL", 0, VHDX_E_NOT_IMAGE, 0);
	expect_refused("NUL", VHDX_FILE_REGULAR, VHDX_E_NOT_IMAGE, 0);
	expect_refused("\\\\.\\PhysicalDrive0", VHDX_FILE_REGULAR, VHDX_E_NOT_IMAGE, 0);
	expect_refused("\\\\?\\PhysicalDrive0", VHDX_FILE_REGULAR, VHDX_E_NOT_IMAGE, 0);
	expect_refused("bad \xC3 name", 0, VHDX_E_NOT_FOUND, ERROR_NO_UNICODE_TRANSLATION);
	hostdir_end(&d);
}

Test(windows_host, names_beyond_ascii_and_long_paths)
{
	static const char name[] = "Gr\xC3\xB6\xC3\x9F"
				   "e \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80.vhdx";
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error e = { .status = 0 };
	struct vhdx_disk *disk = NULL;
	wchar_t wide[700], part[101];
	struct hostdir d;
	char path[700];

	hostdir_start(&d);
	(void)MultiByteToWideChar(CP_UTF8, 0, d.path, -1, wide + 4, 300);
	memcpy(wide, L"\\\\?\\", 4 * sizeof(*wide));
	for (wchar_t *p = wide; *p != L'\0'; p++)
		*p = *p == L'/' ? L'\\' : *p;
	for (unsigned i = 0; i < 100; i++)
		part[i] = L'x';
	part[100] = L'\0';
	for (unsigned i = 0; i < 3; i++) {
		wcscat(wcscat(wide, L"\\"), part);
		cr_assert(CreateDirectoryW(wide, NULL));
	}
	cr_assert(WideCharToMultiByte(CP_UTF8, 0, wide + 4, -1, path, 600, NULL, NULL) > 300);
	strcat(strcat(path, "/"), name);
	options.size = 64 << 20;
	cr_assert(vhdx_create(path, &options, &e) == VHDX_OK, "%s", e.message);
	cr_assert(vhdx_open(&disk, path, &plain, &e) == VHDX_OK, "%s", e.message);
	cr_expect(vhdx_close(disk) == VHDX_OK);
	(void)MultiByteToWideChar(CP_UTF8, 0, name, -1, part, 100);
	wcscat(wcscat(wide, L"\\"), part);
	cr_expect(DeleteFileW(wide), "the name is another one");
	for (unsigned i = 0; i < 3; i++) {
		*wcsrchr(wide, L'\\') = L'\0';
		cr_expect(RemoveDirectoryW(wide));
	}
	hostdir_end(&d);
}

/* Each thread has its own pieces, written and read back many times in different order. */
enum { THREADS = 8, PIECE = 8192, ROUNDS = 200 };

struct worker {
	const struct vhdx_file *file;
	unsigned number;
	unsigned failures;
};

static DWORD WINAPI move_pieces(void *context)
{
	struct worker *w = context;
	unsigned char out[PIECE], in[PIECE];
	struct vhdx_error e;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t at = ((uint64_t)(round * 7 % 64) * THREADS + w->number) * PIECE;

		memset(out, (int)(w->number * 31 + round), PIECE);
		if (w->file->io->write(w->file->handle, out, PIECE, at, &e) != PIECE ||
		    w->file->io->read(w->file->handle, in, PIECE, at, &e) != PIECE || memcmp(in, out, PIECE) != 0)
			w->failures++;
	}
	return 0;
}

Test(windows_host, threads_share_a_handle)
{
	struct worker workers[THREADS];
	HANDLE threads[THREADS];
	struct vhdx_file file;
	struct hostdir d;

	hostdir_start(&d);
	file = open_file(new_file(&d, "file"), VHDX_FILE_WRITE);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ &file, i, 0 };
		threads[i] = CreateThread(NULL, 0, move_pieces, &workers[i], 0, NULL);
		cr_assert(threads[i] != NULL);
	}
	cr_assert(WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE) != WAIT_FAILED);
	for (unsigned i = 0; i < THREADS; i++) {
		cr_expect(workers[i].failures == 0, "thread %u: %u times", i, workers[i].failures);
		(void)CloseHandle(threads[i]);
	}
	vhdx_file_close(&file);
	hostdir_end(&d);
}

Test(windows_host, ends_and_sizes)
{
	unsigned char bytes[64];
	struct vhdx_file file;
	struct vhdx_error e;
	struct hostdir d;
	uint64_t size;

	hostdir_start(&d);
	file = open_file(new_file(&d, "file"), VHDX_FILE_WRITE);
	cr_expect(file.io->read(file.handle, bytes, sizeof(bytes), FILE_SIZE - 10, &e) == 10);
	cr_expect(file.io->read(file.handle, bytes, sizeof(bytes), FILE_SIZE, &e) == 0);
	cr_expect(file.io->read(file.handle, bytes, sizeof(bytes), UINT64_MAX, &e) == 0);
	cr_expect(file.io->write(file.handle, bytes, sizeof(bytes), INT64_MAX, &e) == VHDX_E_RANGE);
	cr_expect(file.io->set_size(file.handle, UINT64_MAX, &e) == VHDX_E_NO_SPACE);
	cr_expect(file.io->set_size(file.handle, 12345, &e) == VHDX_OK);
	cr_expect(file.io->get_size(file.handle, &size, &e) == VHDX_OK && size == 12345);
	cr_expect(file.io->flush(file.handle, &e) == VHDX_OK);
	vhdx_file_close(&file);
	file = open_file(hostdir_path(&d, "file"), 0);
	cr_expect(file.io->write(file.handle, bytes, 1, 0, &e) == VHDX_E_DENIED);
	vhdx_file_close(&file);
	hostdir_end(&d);
}

static bool is_sparse(const char *path)
{
	DWORD attributes = GetFileAttributesA(path);

	return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_SPARSE_FILE) != 0;
}

/* Sparse when asked, where the filesystem has it: then holes are seen, and made again. */
Test(windows_host, sparse_files)
{
	struct vhdx_file_extent extent;
	unsigned char bytes[65536];
	struct vhdx_file file;
	struct vhdx_error e;
	struct hostdir d;

	hostdir_start(&d);
	cr_expect(!is_sparse(new_file(&d, "plain")));
	file = open_file(hostdir_path(&d, "sparse"), VHDX_FILE_CREATE | VHDX_FILE_WRITE | VHDX_FILE_SPARSE);
	memset(bytes, 0x5A, sizeof(bytes));
	cr_expect(file.io->set_size(file.handle, FILE_SIZE, &e) == VHDX_OK);
	cr_expect(file.io->write(file.handle, bytes, sizeof(bytes), 1 << 20, &e) == sizeof(bytes));
	cr_expect(file.io->write(file.handle, bytes, sizeof(bytes), 3 << 20, &e) ==
		  sizeof(bytes)); /* more ranges than one answer holds */
	cr_expect(file.io->extent(file.handle, &extent, 1 << 20, FILE_SIZE, &e) == VHDX_OK && !extent.is_hole);
	if (is_sparse(hostdir_path(&d, "sparse"))) {
		cr_expect(file.io->extent(file.handle, &extent, 0, FILE_SIZE, &e) == VHDX_OK);
		cr_expect(extent.is_hole && extent.length == 1 << 20);
		cr_expect(file.io->extent(file.handle, &extent, 1 << 20, FILE_SIZE, &e) == VHDX_OK);
		cr_expect(!extent.is_hole && extent.length == sizeof(bytes));
		cr_expect(file.io->zero(file.handle, 1 << 20, sizeof(bytes), &e) == VHDX_E_UNSUPPORTED);
		cr_expect(file.io->punch(file.handle, 1 << 20, sizeof(bytes), &e) == VHDX_OK);
		cr_expect(file.io->extent(file.handle, &extent, 0, FILE_SIZE, &e) == VHDX_OK);
		cr_expect(extent.is_hole && extent.length == 3 << 20);
	} else {
		printf("this filesystem has no sparse files\n");
	}
	vhdx_file_close(&file);

	file = open_file(hostdir_path(&d, "plain"), VHDX_FILE_WRITE);
	cr_expect(file.io->write(file.handle, bytes, sizeof(bytes), 0, &e) == sizeof(bytes));
	cr_expect(file.io->punch(file.handle, 0, sizeof(bytes), &e) == VHDX_E_UNSUPPORTED);
	if (file.io->zero(file.handle, 4096, 8192, &e) == VHDX_OK) {
		cr_expect(file.io->read(file.handle, bytes, 12289, 0, &e) == 12289);
		cr_expect(bytes[4095] == 0x5A && bytes[4096] == 0 && bytes[12287] == 0 && bytes[12288] == 0x5A);
	} else {
		cr_expect(e.status == VHDX_E_UNSUPPORTED, "%s", e.message);
	}
	vhdx_file_close(&file);
	hostdir_end(&d);
}
