/* SPDX-License-Identifier: MIT */
/*
 * What the I/O table makes of the answers of Windows about allocated ranges, which Wine never gives: io/host_win32.c once more, with DeviceIoControl in
 * our hands. Layer: tests/windows.
 */
#include <criterion/criterion.h>
#include <windows.h>

#define DeviceIoControl answer
#define host_io ranges_io
#define host_open ranges_open
#define host_open_below ranges_open_below
#define host_remove ranges_remove
#define host_modified ranges_modified
#define host_makes_holes ranges_makes_holes

static BOOL WINAPI answer(HANDLE handle, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size, DWORD *done,
			  OVERLAPPED *call);

#include "io/host_win32.c"

#include "support/hostdir.h"

static enum { NOTHING, ALL, CUT, REFUSED } given;

/* One range of 64 KiB at 1 MiB, or none. */
static BOOL WINAPI answer(HANDLE handle, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size, DWORD *done,
			  OVERLAPPED *call)
{
	FILE_ALLOCATED_RANGE_BUFFER *range = out;

	(void)handle;
	cr_assert(code == FSCTL_QUERY_ALLOCATED_RANGES && in != NULL && in_size == sizeof(*range));
	cr_assert(out_size == sizeof(*range) && done == NULL && call != NULL && call->hEvent != NULL);
	call->Internal = given == CUT ? 0x80000005 /* STATUS_BUFFER_OVERFLOW */ : 0;
	call->InternalHigh = given == ALL || given == CUT ? sizeof(*range) : 0;
	if (given == ALL || given == CUT) {
		range->FileOffset.QuadPart = 1 << 20;
		range->Length.QuadPart = 65536;
	}
	SetLastError(given == CUT ? ERROR_MORE_DATA : given == REFUSED ? ERROR_INVALID_FUNCTION : ERROR_SUCCESS);
	return given == NOTHING || given == ALL;
}

Test(windows_ranges, answers_about_a_sparse_file)
{
	static const struct {
		int given;
		uint64_t offset;
		int is_hole;
		uint64_t length;
	} rows[] = {
		{ NOTHING, 0, 1, 4 << 20 },         { ALL, 0, 1, 1 << 20 },
		{ ALL, 1 << 20, 0, 65536 },         { CUT, 0, 1, 1 << 20 },
		{ CUT, (1 << 20) + 512, 0, 65024 }, { REFUSED, 0, 0, 4 << 20 },
	};
	struct vhdx_file file = { NULL, NULL, NULL };
	struct vhdx_error e = { .status = 0 };
	struct hostdir d;

	hostdir_start(&d);
	cr_assert(ranges_open(&file, hostdir_path(&d, "file"), VHDX_FILE_CREATE | VHDX_FILE_WRITE, &e) == VHDX_OK, "%s",
		  e.message);
	((struct host_file *)file.handle)->is_sparse = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vhdx_file_extent extent = { 0, 0 };

		given = rows[i].given;
		cr_expect(ranges_io.extent(file.handle, &extent, rows[i].offset, 4 << 20, &e) == VHDX_OK);
		cr_expect(extent.is_hole == rows[i].is_hole && extent.length == rows[i].length, "row %u: %d, %u", (unsigned)i,
			  extent.is_hole, (unsigned)extent.length);
	}
	ranges_io.close(file.handle);
	hostdir_end(&d);
}
