/* SPDX-License-Identifier: MIT */
/*
 * The work directory. The program changes into it, and removes its files by name; also when it is interrupted, which unlink,
 * chdir and rmdir allow.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

enum { MAX_FILES = 512, NAME_SIZE = 48 };

static char names[MAX_FILES][NAME_SIZE];
static volatile sig_atomic_t name_count;
static char directory_name[4096];

static void interrupted(int signal_number)
{
	work_end();
	_exit(128 + signal_number);
}

void work_begin(const char *directory)
{
	char place[4096];

	if (chdir(directory) != 0 || getcwd(place, sizeof(place) - 32) == NULL)
		stop("%s: no such directory", directory);
	(void)snprintf(directory_name, sizeof(directory_name), "%.4000s/%s-XXXXXX", place, program);
	if (mkdtemp(directory_name) == NULL || chdir(directory_name) != 0)
		stop("%s: a directory cannot be made here", directory);
	(void)signal(SIGINT, interrupted);
	(void)signal(SIGTERM, interrupted);
	(void)signal(SIGHUP, interrupted);
}

void work_end(void)
{
	if (directory_name[0] == '\0')
		return;
	for (int i = 0; i < name_count; i++)
		(void)unlink(names[i]);
	if (chdir("..") == 0)
		(void)rmdir(directory_name);
	directory_name[0] = '\0';
}

const char *work_name(const char *format, ...)
{
	va_list arguments;

	if (name_count == MAX_FILES)
		stop("too many files");
	va_start(arguments, format);
	(void)vsnprintf(names[name_count], NAME_SIZE, format, arguments);
	va_end(arguments);
	return names[name_count++];
}

void work_remove(const char *name)
{
	(void)unlink(name);
}
