/* SPDX-License-Identifier: MIT */
#include "support/expect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char why[2500];

__attribute__((format(printf, 1, 2))) static const char *say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return why;
}

static int open_chain(vhdx_disk **out, struct memfile *const *files, size_t count, unsigned flags, const struct vhdx_env *env,
		      struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file top = memfile_file(files[0], "test.img");
	struct vhdx_file *parents = calloc(count, sizeof(*parents));
	int status;

	if (parents == NULL)
		abort();
	for (size_t i = 1; i < count; i++)
		parents[i - 1] = memfile_file(files[i], "parent.img");
	options.flags = flags;
	options.env = env;
	options.parents = parents;
	options.parent_count = count - 1;
	status = vhdx_open_file(out, &top, &options, error);
	free(parents);
	return status;
}

int test_open_chain(vhdx_disk **out, struct memfile *const *files, size_t count, unsigned flags, struct vhdx_error *error)
{
	return open_chain(out, files, count, flags, NULL, error);
}

/* Status and rule as expected, and a message that is one line. */
static const char *judge(const struct vhdx_error *error, int returned, int status, const char *rule)
{
	char text[1400];

	if (returned == VHDX_OK)
		return say("succeeded; expected %s %s", vhdx_status_name(status), rule);
	vhdx_error_text(error, text, sizeof(text));
	if (returned != status || error->status != status || strcmp(error->rule, rule) != 0)
		return say("failed with %s (\"%s\"); expected %s %s", vhdx_status_name(returned), text, vhdx_status_name(status),
			   rule);
	if (error->message[0] == '\0' || strchr(error->message, '\n') != NULL)
		return say("the message is not one line: \"%s\"", error->message);
	return NULL;
}

const char *check_open_fails(struct memfile *const *files, size_t count, unsigned flags, int status, const char *rule)
{
	struct testenv env;
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;
	const char *problem;
	int returned;

	testenv_start(&env, 1);
	returned = open_chain(&disk, files, count, flags, &env.env, &error);
	problem = judge(&error, returned, status, rule);
	vhdx_close(disk);
	if (problem == NULL && testenv_live(&env) != 0)
		return say("%lu allocations leaked", testenv_live(&env));
	return problem;
}

const char *check_opens(struct memfile *const *files, size_t count, unsigned flags)
{
	struct testenv env;
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;
	char text[1400];

	testenv_start(&env, 1);
	if (open_chain(&disk, files, count, flags, &env.env, &error) != VHDX_OK)
		return say("does not open: \"%s\"", vhdx_error_text(&error, text, sizeof(text)));
	vhdx_close(disk);
	return testenv_live(&env) != 0 ? say("%lu allocations leaked", testenv_live(&env)) : NULL;
}

const char *check_read_fails(struct memfile *const *files, size_t count, unsigned flags, uint64_t offset, size_t length,
			     int status, const char *rule)
{
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;
	const char *problem;
	char text[1400];
	void *buffer;

	if (open_chain(&disk, files, count, flags, NULL, &error) != VHDX_OK)
		return say("does not open: \"%s\"", vhdx_error_text(&error, text, sizeof(text)));
	buffer = malloc(length);
	if (buffer == NULL)
		abort();
	problem = judge(&error, vhdx_read(disk, buffer, length, offset, &error), status, rule);
	free(buffer);
	vhdx_close(disk);
	return problem;
}

const char *check_pattern(vhdx_disk *disk, uint64_t offset, uint64_t length, uint32_t seed)
{
	static uint8_t found[65536], expected[65536];
	struct vhdx_error error = { 0 };
	char text[1400];

	while (length != 0) {
		size_t part = length < sizeof(found) ? (size_t)length : sizeof(found);

		memset(found, 0x5A, part);
		if (vhdx_read(disk, found, part, offset, &error) != VHDX_OK)
			return say("reading at 0x%" PRIx64 ": \"%s\"", offset, vhdx_error_text(&error, text, sizeof(text)));
		recipe_pattern(expected, part, offset, seed);
		for (size_t i = 0; i < part; i++)
			if (found[i] != expected[i])
				return say("byte at disk offset 0x%" PRIx64 " is 0x%02x, not 0x%02x of pattern %" PRIu32,
					   offset + i, found[i], expected[i], seed);
		offset += part;
		length -= part;
	}
	return NULL;
}

const char *check_reads(struct memfile *const *files, size_t count, unsigned flags, uint64_t offset, uint64_t length,
			uint32_t seed)
{
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;
	const char *problem;
	char text[1400];

	if (open_chain(&disk, files, count, flags, NULL, &error) != VHDX_OK)
		return say("does not open: \"%s\"", vhdx_error_text(&error, text, sizeof(text)));
	problem = check_pattern(disk, offset, length, seed);
	vhdx_close(disk);
	return problem;
}
