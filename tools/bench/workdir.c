/* SPDX-License-Identifier: MIT */
/*
 * The directory of a run and its end. Every file is made in DIR/vhdx-bench-PID-of-a-run and removed with it, also after an interrupt or an
 * error; a run that is killed leaves that directory and nothing else.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "sys.h"

static char *directory;
static char **paths;
static size_t path_count;

bool workdir_begin(const char *place)
{
	size_t size = strlen(place) + 40;

	directory = tool_allocate(NULL, size);
	(void)snprintf(directory, size, "%s/vhdx-bench-%lu-XXXXXX", place, sys_process_id());
	if (mkdtemp(directory) != NULL)
		return true;
	free(directory);
	directory = NULL;
	return false;
}

const char *workdir_name(void)
{
	return directory;
}

static void remove_one(void *context, const char *path)
{
	(void)context;
	(void)unlink(path);
}

void workdir_end(void)
{
	progress_clear();
	if (directory == NULL)
		return;
	(void)sys_list(directory, remove_one, NULL);
	(void)rmdir(directory);
	free(directory);
	directory = NULL;
	for (size_t i = 0; i < path_count; i++)
		free(paths[i]);
	free(paths);
	paths = NULL;
	path_count = 0;
}

const char *workdir_path(const char *format, ...)
{
	size_t size = strlen(directory) + 80;
	char *path = tool_allocate(NULL, size);
	size_t used = (size_t)snprintf(path, size, "%s/", directory);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(path + used, size - used, format, arguments);
	va_end(arguments);
	for (size_t i = 0; i < path_count; i++) {
		if (strcmp(paths[i], path) == 0) {
			free(path);
			return paths[i];
		}
	}
	paths = tool_allocate(paths, (path_count + 1) * sizeof(*paths));
	paths[path_count] = path;
	return paths[path_count++];
}

void workdir_remove(const char *path)
{
	(void)unlink(path);
}

void stop(const char *format, ...)
{
	va_list arguments;
	char text[1600];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	workdir_end();
	exit(tool_fail("%s", text));
}

void stop_error(const char *what, const struct vhdx_error *error)
{
	char text[1400];

	stop("%s: %s", what, vhdx_error_text(error, text, sizeof(text)));
}

void heed_interrupts(void)
{
	if (!sys_interrupted())
		return;
	workdir_end();
	sys_finish_interrupt();
	exit(TOOL_FAILED);
}
