/* SPDX-License-Identifier: MIT */
#include "engine/barrier.h"

const char *const barrier_names[BARRIER_COUNT] = {
	[BARRIER_LEFT_BEFORE_REPLAY] = "what a killed process left before its log is replayed",
	[BARRIER_REPLAY_HEADER] = "new FileWriteGuid before replayed pages",
	[BARRIER_REPLAY_BEFORE_CLEAR] = "replayed pages before LogGuid is cleared",
	[BARRIER_REPLAY_CLEAR] = "LogGuid cleared in one slot before the other",
	[BARRIER_LEFT_BEFORE_SESSION] = "what was there before a session's first header",
	[BARRIER_SESSION] = "first header and log entry before the header that names the log",
	[BARRIER_DATA_BEFORE_ENTRY] = "payload before the log entry that shows it",
	[BARRIER_COMMIT] = "log entry before flush returns and its pages are applied",
	[BARRIER_ENTRIES_BEFORE_APPLY] = "log entries before their pages are applied to make room",
	[BARRIER_APPLY_BEFORE_REUSE] = "applied pages before their log space is reused",
	[BARRIER_APPLY_BEFORE_CLEAR] = "applied pages before LogGuid is cleared",
	[BARRIER_CLEAR_BEFORE_TRIM] = "LogGuid cleared in one slot before the other, and before the trim",
	[BARRIER_CONTENT_BEFORE_SIZE] = "zeros, blocks and BAT before a larger size",
	[BARRIER_VHD_BLOCK_BEFORE_BAT] = "VHD block and footer before the BAT",
	[BARRIER_VHD_COMMIT] = "VHD BAT and bitmaps before flush returns",
	[BARRIER_VHD_FRONT_COPY] = "VHD front copy before the end footer is overwritten",
	[BARRIER_VHD_CONTENT_BEFORE_SIZE] = "VHD zeros and BAT entries before a larger size",
	[BARRIER_VHD_STRUCTURES_BEFORE_FOOTER] = "VHD dynamic header and BAT before the footer that names them",
	[BARRIER_VHD_END_BEFORE_FRONT] = "VHD footer at the end before the one in front",
	[BARRIER_VHD_FOOTER_MOVED] = "footer of a fixed VHD at its new place before the old one goes",
};

#if defined(VHDX_TEST_BARRIERS)
int vhdx_test_skipped_barrier = BARRIER_COUNT;
#endif

int barrier_flush(const struct vhdx_file *file, enum barrier barrier, struct vhdx_error *error)
{
#if defined(VHDX_TEST_BARRIERS)
	if ((int)barrier == vhdx_test_skipped_barrier)
		return VHDX_OK;
#else
	(void)barrier;
#endif
	return file_flush(file, error);
}
