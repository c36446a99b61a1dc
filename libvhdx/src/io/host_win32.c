/* SPDX-License-Identifier: MIT */
/*
 * The I/O table over files and drives of Windows; host_posix.c is its twin. Layer: io.
 *
 * Locks are the share modes of the system (decision D-09 in specs/decisions.md). Everybody lets others read and nobody write,
 * so a writer is alone but for readers that do not mind writers: those with VHDX_FILE_NO_LOCK. Share modes bind every program:
 * what another one does not share is refused to VHDX_FILE_NO_LOCK too.
 *
 * Files are made sparse only when VHDX_FILE_SPARSE asks for it, because Windows refuses to attach a sparse image (0xC03A001A);
 * holes are made and seen only in files that are sparse.
 *
 * Handles are overlapped: the system takes the calls on a synchronous one one after the other, and reads of several threads must
 * not wait for each other. Each call waits for its own end on an event of its own; idle events are kept with the file.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/host.h"
#include "io/win32.h"

enum { MAX_SECTOR = 4096, IDLE_EVENTS = 8, TOO_MANY_REFERENCES = 347 /* ERROR_BLOCK_TOO_MANY_REFERENCES, which MinGW has not */ };

struct host_file {
	HANDLE handle;
	bool is_sparse;       /* or compressed: zeroing gives space back */
	uint32_t sector_size; /* of a device, which moves whole sectors only; 0 for a file */
	uint64_t device_size;
	atomic_uintptr_t events[IDLE_EVENTS]; /* HANDLEs that nobody waits on; 0: none */
	char name[];                          /* as given to host_open */
};

static int fail_last(struct vhdx_error *error, const char *what)
{
	return fail_os(error, (int)GetLastError(), what);
}

static HANDLE take_event(struct host_file *f)
{
	for (unsigned i = 0; i < IDLE_EVENTS; i++) {
		uintptr_t event = atomic_exchange(&f->events[i], 0);

		if (event != 0)
			return (HANDLE)event;
	}
	return CreateEventW(NULL, TRUE, FALSE, NULL);
}

static void give_event(struct host_file *f, HANDLE event)
{
	for (unsigned i = 0; i < IDLE_EVENTS; i++) {
		uintptr_t empty = 0;

		if (atomic_compare_exchange_strong(&f->events[i], &empty, (uintptr_t)event))
			return;
	}
	(void)CloseHandle(event);
}

/* Before a call on the handle: its position, and an event for its end. */
static bool begin_call(struct host_file *f, OVERLAPPED *call, uint64_t file_offset)
{
	memset(call, 0, sizeof(*call));
	call->Offset = (DWORD)file_offset;
	call->OffsetHigh = (DWORD)(file_offset >> 32);
	call->hEvent = take_event(f);
	return call->hEvent != NULL;
}

/* Behind the call, which returned `result`: waits for its end. Keeps what GetLastError() says of it. An answer that was cut for lack of
 * room is a failure that counts bytes. */
static bool end_call(struct host_file *f, OVERLAPPED *call, BOOL result, DWORD *done)
{
	DWORD problem;

	if (result || GetLastError() == ERROR_IO_PENDING || GetLastError() == ERROR_MORE_DATA)
		result = GetOverlappedResult(f->handle, call, done, TRUE);
	problem = result ? ERROR_SUCCESS : GetLastError();
	give_event(f, call->hEvent);
	SetLastError(problem);
	return result;
}

static bool control(struct host_file *f, DWORD code, void *in, size_t in_size, void *out, size_t out_size, DWORD *done)
{
	OVERLAPPED call;

	return begin_call(f, &call, 0) &&
	       end_call(f, &call, DeviceIoControl(f->handle, code, in, (DWORD)in_size, out, (DWORD)out_size, NULL, &call), done);
}

static int64_t read_at(struct host_file *f, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	OVERLAPPED call;
	DWORD done = 0;

	if (begin_call(f, &call, file_offset) &&
	    end_call(f, &call, ReadFile(f->handle, buffer, (DWORD)length, NULL, &call), &done))
		return done;
	return GetLastError() == ERROR_HANDLE_EOF ? 0 : fail_last(error, "read");
}

/* A read that is no whole number of sectors fetches the one it begins in and gives a part of it. */
static int64_t read_device(struct host_file *f, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	_Alignas(16) uint8_t sector[MAX_SECTOR];
	size_t skip = (size_t)(file_offset % f->sector_size);
	int64_t done;

	if (file_offset >= f->device_size)
		return 0;
	length = (size_t)min_u64(length, f->device_size - file_offset);
	if (skip == 0 && length >= f->sector_size)
		return read_at(f, buffer, length - length % f->sector_size, file_offset, error);
	done = read_at(f, sector, f->sector_size, file_offset - skip, error);
	if (done <= (int64_t)skip)
		return done < 0 ? done : 0;
	length = (size_t)min_u64(length, (uint64_t)done - skip);
	memcpy(buffer, sector + skip, length);
	return (int64_t)length;
}

static int64_t host_read(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct host_file *f = handle;

	if (file_offset > INT64_MAX)
		return 0;
	length = (size_t)min_u64(length, GIB);
	return f->sector_size != 0 ? read_device(f, buffer, length, file_offset, error)
				   : read_at(f, buffer, length, file_offset, error);
}

static int64_t host_write(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct host_file *f = handle;
	DWORD part = (DWORD)min_u64(length, GIB), done = 0;
	OVERLAPPED call;

	if (!range_fits(file_offset, length, INT64_MAX))
		return fail(error, VHDX_E_RANGE, "write beyond the largest file");
	if (begin_call(f, &call, file_offset) && end_call(f, &call, WriteFile(f->handle, buffer, part, NULL, &call), &done))
		return done;
	return fail_last(error, "write");
}

static int host_flush(void *handle, struct vhdx_error *error)
{
	const struct host_file *f = handle;

	return FlushFileBuffers(f->handle) ? VHDX_OK : fail_last(error, "flush");
}

static int host_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	LARGE_INTEGER end;

	if (f->sector_size != 0) {
		*size = f->device_size;
		return VHDX_OK;
	}
	if (!GetFileSizeEx(f->handle, &end))
		return fail_last(error, "get size");
	*size = (uint64_t)end.QuadPart;
	return VHDX_OK;
}

static int host_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	FILE_END_OF_FILE_INFO end;

	if (f->sector_size != 0)
		return fail(error, VHDX_E_UNSUPPORTED, "a device has a fixed size");
	if (size > INT64_MAX)
		return fail(error, VHDX_E_NO_SPACE, "set size beyond the largest file");
	end.EndOfFile.QuadPart = (LONGLONG)size;
	return SetFileInformationByHandle(f->handle, FileEndOfFileInfo, &end, sizeof(end)) ? VHDX_OK
											   : fail_last(error, "set size");
}

/* What a filesystem answers that does not know a request. */
static int fail_request(struct vhdx_error *error, const char *what)
{
	switch (GetLastError()) {
	case ERROR_INVALID_FUNCTION:
	case ERROR_INVALID_PARAMETER:
	case ERROR_NOT_SUPPORTED:
	case ERROR_CALL_NOT_IMPLEMENTED:
	case ERROR_NOT_SAME_DEVICE:
	case TOO_MANY_REFERENCES: return fail(error, VHDX_E_UNSUPPORTED, "%s is not supported by this filesystem", what);
	default: return fail_last(error, what);
	}
}

static int zero_data(struct host_file *f, uint64_t file_offset, uint64_t length, const char *what, struct vhdx_error *error)
{
	FILE_ZERO_DATA_INFORMATION range;
	DWORD done;

	if (!range_fits(file_offset, length, INT64_MAX))
		return fail(error, VHDX_E_RANGE, "%s beyond the largest file", what);
	range.FileOffset.QuadPart = (LONGLONG)file_offset;
	range.BeyondFinalZero.QuadPart = (LONGLONG)(file_offset + length);
	if (control(f, FSCTL_SET_ZERO_DATA, &range, sizeof(range), NULL, 0, &done))
		return VHDX_OK;
	return fail_request(error, what);
}

static int host_zero(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct host_file *f = handle;

	if (f->is_sparse || f->sector_size != 0)
		return fail(error, VHDX_E_UNSUPPORTED, "zero would give the space of this file back");
	return zero_data(f, file_offset, length, "zero", error);
}

static int host_punch(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct host_file *f = handle;

	if (!f->is_sparse)
		return fail(error, VHDX_E_UNSUPPORTED, "punch hole needs a sparse file");
	return zero_data(f, file_offset, length, "punch hole", error);
}

/* Below the end of a file that is not sparse all space is its own; an allocation size below the end would cut the file. */
static int host_reserve(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	FILE_STANDARD_INFO now;
	FILE_ALLOCATION_INFO wanted;

	if (f->is_sparse || f->sector_size != 0)
		return fail(error, VHDX_E_UNSUPPORTED,
			    "space cannot be reserved in a sparse file, a compressed file or a device");
	if (!range_fits(file_offset, length, INT64_MAX))
		return fail(error, VHDX_E_RANGE, "reserve space beyond the largest file");
	if (!GetFileInformationByHandleEx(f->handle, FileStandardInfo, &now, sizeof(now)))
		return fail_last(error, "reserve space");
	wanted.AllocationSize.QuadPart = (LONGLONG)(file_offset + length);
	if (wanted.AllocationSize.QuadPart <= now.EndOfFile.QuadPart ||
	    wanted.AllocationSize.QuadPart <= now.AllocationSize.QuadPart)
		return VHDX_OK;
	if (SetFileInformationByHandle(f->handle, FileAllocationInfo, &wanted, sizeof(wanted)))
		return VHDX_OK;
	return fail_request(error, "reserve space");
}

/* As in winioctl.h, where MinGW has it not. */
struct duplicate_extents {
	HANDLE source;
	LARGE_INTEGER source_offset;
	LARGE_INTEGER target_offset;
	LARGE_INTEGER length;
};

/* Block clone of ReFS. It shares whole clusters, whose size is 64 KiB at most; all but a short rest is rounded to that. */
static int64_t host_copy_range(void *source, uint64_t source_offset, void *target, uint64_t target_offset, uint64_t length,
			       struct vhdx_error *error)
{
	enum { MAX_CLUSTER = 65536 };
	const DWORD code = CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 209, METHOD_BUFFERED, FILE_WRITE_DATA);
	const struct host_file *from = source;
	struct host_file *to = target;
	struct duplicate_extents range;
	DWORD done;

	length = min_u64(length, GIB);
	if (length > MAX_CLUSTER)
		length = round_down(length, MAX_CLUSTER);
	range.source = from->handle;
	range.source_offset.QuadPart = (LONGLONG)source_offset;
	range.target_offset.QuadPart = (LONGLONG)target_offset;
	range.length.QuadPart = (LONGLONG)length;
	if (control(to, code, &range, sizeof(range), NULL, 0, &done))
		return (int64_t)length;
	return fail_request(error, "copying inside the system");
}

static int host_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		       struct vhdx_error *error)
{
	struct host_file *f = handle;
	FILE_ALLOCATED_RANGE_BUFFER asked, data;
	bool complete;
	uint64_t start;
	DWORD done = 0;

	(void)error;
	*extent = (struct vhdx_file_extent){ .length = length, .is_hole = 0 };
	if (!f->is_sparse || file_offset > INT64_MAX)
		return VHDX_OK;
	asked.FileOffset.QuadPart = (LONGLONG)file_offset;
	asked.Length.QuadPart = (LONGLONG)min_u64(length, INT64_MAX - file_offset);
	complete = control(f, FSCTL_QUERY_ALLOCATED_RANGES, &asked, sizeof(asked), &data, sizeof(data), &done);
	if (!complete && GetLastError() != ERROR_MORE_DATA) /* there is one more range than asked for */
		return VHDX_OK;
	if (done < sizeof(data)) {
		extent->is_hole = complete; /* no data up to there */
		return VHDX_OK;
	}
	start = (uint64_t)data.FileOffset.QuadPart;
	if (start > file_offset)
		*extent = (struct vhdx_file_extent){ .length = min_u64(length, start - file_offset), .is_hole = 1 };
	else
		extent->length = min_u64(length, start + (uint64_t)data.Length.QuadPart - file_offset);
	return VHDX_OK;
}

/* ReFS has 128-bit numbers; on NTFS the upper half is 0 and the result is the number itself. */
static uint64_t fold_file_id(const FILE_ID_128 *id)
{
	uint64_t halves[2];

	memcpy(halves, id, sizeof(halves));
	return halves[0] ^ halves[1] * UINT64_C(0x9E3779B97F4A7C15);
}

static int host_identity(void *handle, struct vhdx_file_id *id, struct vhdx_error *error)
{
	const struct host_file *f = handle;
	BY_HANDLE_FILE_INFORMATION info;
	FILE_ID_INFO wide;

	if (GetFileInformationByHandleEx(f->handle, FileIdInfo, &wide, sizeof(wide))) {
		*id = (struct vhdx_file_id){ wide.VolumeSerialNumber, fold_file_id(&wide.FileId) };
		return VHDX_OK;
	}
	if (!GetFileInformationByHandle(f->handle, &info))
		return fail_last(error, "identify");
	*id = (struct vhdx_file_id){ info.dwVolumeSerialNumber, (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow };
	return VHDX_OK;
}

static void host_close(void *handle)
{
	struct host_file *f = handle;

	(void)CloseHandle(f->handle);
	for (unsigned i = 0; i < IDLE_EVENTS; i++)
		if (atomic_load(&f->events[i]) != 0)
			(void)CloseHandle((HANDLE)atomic_load(&f->events[i]));
	free(f);
}

const struct vhdx_io host_io = {
	.struct_size = sizeof(struct vhdx_io),
	.read = host_read,
	.write = host_write,
	.flush = host_flush,
	.get_size = host_get_size,
	.set_size = host_set_size,
	.zero = host_zero,
	.punch = host_punch,
	.reserve = host_reserve,
	.extent = host_extent,
	.copy_range = host_copy_range,
	.identity = host_identity,
	.close = host_close,
};

/* The system itself keeps drives open for writing, so they must be shared. */
static DWORD share_mode(unsigned flags, bool is_device)
{
	if (flags & VHDX_FILE_NO_LOCK)
		return FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	if (is_device)
		return FILE_SHARE_READ | FILE_SHARE_WRITE;
	return FILE_SHARE_READ;
}

static bool is_directory(const wchar_t *path)
{
	DWORD attributes = GetFileAttributesW(path);

	return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

static int open_handle(HANDLE *out, const char *path, unsigned flags, struct vhdx_error *error)
{
	DWORD access = flags & (VHDX_FILE_WRITE | VHDX_FILE_CREATE) ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
	DWORD how = flags & VHDX_FILE_CREATE ? CREATE_NEW : OPEN_EXISTING;
	const char *what = flags & VHDX_FILE_CREATE ? "create" : "open";
	wchar_t *wide = win32_path(path);
	bool is_device = wide != NULL && win32_names_device(wide);
	int status = VHDX_OK;

	if (wide == NULL)
		return fail_last(error, what);
	if (is_device && (flags & VHDX_FILE_REGULAR)) /* opening alone may have an effect */
		status = fail(error, VHDX_E_NOT_IMAGE, "it is not a regular file");
	else if ((*out = CreateFileW(wide, access, share_mode(flags, is_device), NULL, how, FILE_FLAG_OVERLAPPED, NULL)) ==
		 INVALID_HANDLE_VALUE)
		status = fail_last(error, what);
	if (status != VHDX_OK && status != VHDX_E_EXISTS && is_directory(wide))
		status = fail(error, VHDX_E_NOT_IMAGE, "it is a directory");
	free(wide);
	return status;
}

/* A handle that is no file's must answer what a drive answers. */
static int measure_device(struct host_file *f, struct vhdx_error *error)
{
	GET_LENGTH_INFORMATION size;
	DISK_GEOMETRY geometry;
	DWORD done;

	/* a volume with a filesystem on it otherwise ends before its last sectors */
	(void)control(f, FSCTL_ALLOW_EXTENDED_DASD_IO, NULL, 0, NULL, 0, &done);
	if (!control(f, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &size, sizeof(size), &done) ||
	    !control(f, IOCTL_DISK_GET_DRIVE_GEOMETRY, NULL, 0, &geometry, sizeof(geometry), &done))
		return fail_last(error, "get size of device");
	if (geometry.BytesPerSector == 0 || geometry.BytesPerSector > MAX_SECTOR)
		return fail(error, VHDX_E_UNSUPPORTED, "the device has sectors of %lu bytes", geometry.BytesPerSector);
	f->sector_size = geometry.BytesPerSector;
	f->device_size = (uint64_t)size.Length.QuadPart;
	return VHDX_OK;
}

/* A filesystem without sparse files makes an ordinary one. */
static void make_sparse(struct host_file *f)
{
	DWORD done;

	(void)control(f, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &done);
}

/* Judges what was opened and makes the handle; closes it on failure. */
static int adopt(struct vhdx_file *out, HANDLE handle, const char *path, unsigned flags, struct vhdx_error *error)
{
	const DWORD with_holes = FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED;
	size_t name_size = strlen(path) + 1;
	struct host_file *f = malloc(sizeof(*f) + name_size);
	BY_HANDLE_FILE_INFORMATION info;
	int status = VHDX_OK;

	if (f == NULL) {
		(void)CloseHandle(handle);
		return fail_memory(error);
	}
	memset(f, 0, sizeof(*f));
	f->handle = handle;
	memcpy(f->name, path, name_size);
	if ((flags & VHDX_FILE_CREATE) && (flags & VHDX_FILE_SPARSE))
		make_sparse(f);
	if (GetFileType(handle) != FILE_TYPE_DISK)
		status = fail(error, VHDX_E_NOT_IMAGE, "it is neither a regular file nor a drive");
	else if (GetFileInformationByHandle(handle, &info))
		f->is_sparse = (info.dwFileAttributes & with_holes) != 0;
	else if (flags & VHDX_FILE_REGULAR)
		status = fail(error, VHDX_E_NOT_IMAGE, "it is not a regular file");
	else
		status = measure_device(f, error);
	if (status != VHDX_OK) {
		host_close(f);
		return status;
	}
	*out = (struct vhdx_file){ &host_io, f, f->name };
	return VHDX_OK;
}

int host_open(struct vhdx_file *out, const char *path, unsigned flags, struct vhdx_error *error)
{
	HANDLE handle;
	int status = open_handle(&handle, path, flags, error);

	if (status == VHDX_OK)
		status = adopt(out, handle, path, flags, error);
	return status < 0 ? error_in_file(error, path, 0) : VHDX_OK;
}

int host_remove(const char *path)
{
	wchar_t *wide = win32_path(path);
	BOOL done = wide != NULL && DeleteFileW(wide);

	free(wide);
	return done ? 0 : -1;
}

bool host_makes_holes(const struct vhdx_file *file)
{
	return file->io->extent != NULL && file->io->punch != NULL &&
	       (file->io != &host_io || ((const struct host_file *)file->handle)->is_sparse);
}

bool host_modified(const struct vhdx_file *file, uint64_t *seconds)
{
	const uint64_t from_1601_to_1970 = UINT64_C(11644473600);
	FILETIME written;
	uint64_t since_1601;

	if (file->io != &host_io || !GetFileTime(((const struct host_file *)file->handle)->handle, NULL, NULL, &written))
		return false;
	since_1601 = ((uint64_t)written.dwHighDateTime << 32 | written.dwLowDateTime) / 10000000;
	if (since_1601 < from_1601_to_1970)
		return false;
	*seconds = since_1601 - from_1601_to_1970;
	return true;
}

/* Both as the system names them, so that letters can be compared as they are. */
static bool is_below(const wchar_t *path, const wchar_t *root)
{
	size_t length = wcslen(root);

	while (length != 0 && root[length - 1] == L'\\')
		length--;
	return wcsncmp(path, root, length) == 0 && path[length] == L'\\';
}

/* What is judged is the place of the open file, so no link can be put in its way in between. */
int host_open_below(struct vhdx_file *out, const char *path, const char *root, unsigned flags, struct vhdx_error *error)
{
	wchar_t *real, *real_root;
	HANDLE handle;
	int status;

	flags |= VHDX_FILE_REGULAR;
	if (root == NULL)
		return host_open(out, path, flags, error);
	status = open_handle(&handle, path, flags, error);
	if (status < 0)
		return error_in_file(error, path, 0);
	real = win32_final_path(handle);
	real_root = real == NULL ? NULL : win32_real_path(root);
	if (real_root == NULL)
		status = fail_last(error, "open");
	else if (!is_below(real, real_root))
		status = fail(error, VHDX_E_DENIED, "it lies outside of %s", root);
	free(real);
	free(real_root);
	if (status == VHDX_OK)
		status = adopt(out, handle, path, flags, error);
	else
		(void)CloseHandle(handle);
	return status < 0 ? error_in_file(error, path, 0) : VHDX_OK;
}
