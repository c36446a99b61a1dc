/* SPDX-License-Identifier: MIT */
/*
 * See input.h.
 *
 *     descriptor -> packed (as read) -> gunzip -> ahead (peeked at) -> caller
 *
 * Large reads pass `ahead` by, and `packed` too when nothing is packed. An end before the trailer of a gzip member is an error:
 * half a disk is never taken for a whole one.
 */
#include "input.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gunzip.h"
#include "sys.h"
#include "tool.h"

enum { PACKED_SIZE = 256 * 1024, AHEAD_SIZE = 512 };

struct input {
	const char *name;
	int descriptor;
	struct gunzip *gunzip; /* NULL when the content is not packed */
	bool at_end;           /* of the descriptor */
	bool finished;         /* of the content */
	size_t packed_at, packed_end;
	size_t ahead_at, ahead_end;
	unsigned char ahead[AHEAD_SIZE];
	unsigned char packed[PACKED_SIZE];
};

static int failed(const struct input *input, struct vhdx_error *error, int status, const char *message)
{
	*error = (struct vhdx_error){ .status = status, .file_offset = VHDX_NO_OFFSET };
	snprintf(error->file, sizeof(error->file), "%s", input->name);
	snprintf(error->message, sizeof(error->message), "%s", message);
	return status;
}

static int64_t read_descriptor(struct input *input, void *buffer, size_t length, struct vhdx_error *error)
{
	int64_t got = sys_read_stream(input->descriptor, buffer, length);

	if (got == SYS_READ_INTERRUPTED)
		return failed(input, error, VHDX_E_CANCELLED, "interrupted");
	if (got < 0)
		return failed(input, error, VHDX_E_IO, sys_problem());
	input->at_end = got == 0;
	return got;
}

/* Makes at least one packed byte available unless the descriptor is at its end. */
static int fill_packed(struct input *input, struct vhdx_error *error)
{
	int64_t got;

	if (input->packed_at < input->packed_end || input->at_end)
		return VHDX_OK;
	got = read_descriptor(input, input->packed, sizeof(input->packed), error);
	if (got < 0)
		return (int)got;
	input->packed_at = 0;
	input->packed_end = (size_t)got;
	return VHDX_OK;
}

static int64_t read_plain(struct input *input, void *buffer, size_t length, struct vhdx_error *error)
{
	size_t ready = input->packed_end - input->packed_at;

	if (ready == 0)
		return read_descriptor(input, buffer, length, error);
	if (ready > length)
		ready = length;
	memcpy(buffer, input->packed + input->packed_at, ready);
	input->packed_at += ready;
	return (int64_t)ready;
}

/* At least one byte, except at the end. */
static int64_t read_packed(struct input *input, void *buffer, size_t length, struct vhdx_error *error)
{
	struct gunzip_step step = { .out = buffer, .out_length = length };

	while (step.out_length == length) {
		int status = fill_packed(input, error);
		const char *problem;

		if (status != VHDX_OK)
			return status;
		if (input->packed_at == input->packed_end)
			break;
		step.packed = input->packed + input->packed_at;
		step.packed_length = input->packed_end - input->packed_at;
		problem = gunzip_run(input->gunzip, &step);
		if (problem != NULL)
			return failed(input, error, VHDX_E_DAMAGED, problem);
		input->packed_at = input->packed_end - step.packed_length;
	}
	if (step.out_length == length && !gunzip_may_end(input->gunzip))
		return failed(input, error, VHDX_E_DAMAGED, "the gzip data ends early");
	return (int64_t)(length - step.out_length);
}

/* Past `ahead`; at least one byte, except at the end. */
static int64_t read_some(struct input *input, void *buffer, size_t length, struct vhdx_error *error)
{
	int64_t got;

	if (input->finished)
		return 0;
	got = input->gunzip != NULL ? read_packed(input, buffer, length, error) : read_plain(input, buffer, length, error);
	if (got == 0)
		input->finished = true;
	return got;
}

/* The magic may arrive byte by byte through a pipe. */
static int detect(struct input *input, struct vhdx_error *error)
{
	while (input->packed_end < 2 && !input->at_end) {
		size_t room = sizeof(input->packed) - input->packed_end;
		int64_t got = read_descriptor(input, input->packed + input->packed_end, room, error);

		if (got < 0)
			return (int)got;
		input->packed_end += (size_t)got;
	}
	if (input->packed_end >= 2 && input->packed[0] == 0x1f && input->packed[1] == 0x8b)
		input->gunzip = gunzip_begin();
	return VHDX_OK;
}

struct input *input_open(const char *path, struct vhdx_error *error)
{
	struct input *input = tool_allocate(NULL, sizeof(*input));

	memset(input, 0, offsetof(struct input, ahead));
	input->name = strcmp(path, "-") == 0 ? "standard input" : path;
	input->descriptor = sys_open_stream(path);
	if (input->descriptor < 0)
		failed(input, error, VHDX_E_IO, sys_problem());
	else if (detect(input, error) == VHDX_OK)
		return input;
	input_close(input);
	return NULL;
}

bool input_is_gzip(const struct input *input)
{
	return input->gunzip != NULL;
}

int64_t input_peek(struct input *input, void *buffer, size_t length, struct vhdx_error *error)
{
	while (input->ahead_end < length && !input->finished) {
		size_t room = sizeof(input->ahead) - input->ahead_end;
		int64_t got = read_some(input, input->ahead + input->ahead_end, room, error);

		if (got < 0)
			return got;
		input->ahead_end += (size_t)got;
	}
	if (length > input->ahead_end)
		length = input->ahead_end;
	memcpy(buffer, input->ahead, length);
	return (int64_t)length;
}

int64_t input_read(struct input *input, void *buffer, size_t length, struct vhdx_error *error)
{
	unsigned char *bytes = buffer;
	size_t done = input->ahead_end - input->ahead_at;

	if (done > length)
		done = length;
	memcpy(bytes, input->ahead + input->ahead_at, done);
	input->ahead_at += done;
	while (done < length) {
		int64_t got = read_some(input, bytes + done, length - done, error);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (int64_t)done;
}

void input_close(struct input *input)
{
	if (input == NULL)
		return;
	gunzip_end(input->gunzip);
	sys_close_stream(input->descriptor);
	free(input);
}
