/* SPDX-License-Identifier: MIT */
/*
 * QEMU as a peer, by "qemu-img bench": its own loop inside one process, which tells the seconds from the first request to the end of
 * the last one. Start, opening and closing are not in it, nor is the flush that QEMU does on closing. Processor time is
 * that of the process less that of one which opens the image and reads once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "writebench.h"

enum { MAX_ARGUMENTS = 32, OUTPUT = 4096 };

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec * 1e-6;
}

static _Noreturn void become(const char *const arguments[], int output)
{
	char *copies[MAX_ARGUMENTS] = { NULL };

	for (size_t i = 0; arguments[i] != NULL; i++)
		copies[i] = strdup(arguments[i]);
	if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
		(void)execvp(copies[0], copies);
	_exit(127);
}

static void read_all(int fd, char text[OUTPUT])
{
	size_t length = 0;
	ssize_t got;
	char rest[256];

	while ((got = read(fd, length < OUTPUT - 1 ? text + length : rest,
			   length < OUTPUT - 1 ? OUTPUT - 1 - length : sizeof(rest))) > 0)
		length += length < OUTPUT - 1 ? (size_t)got : 0;
	text[length] = '\0';
}

/* Runs it to its end; its processor time. Its output goes into `text`. The status is 0, or -1 when it could not be run. */
static int run(const char *const arguments[], char text[OUTPUT], double *processor)
{
	struct rusage usage;
	int ends[2], status;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0)
		stop("no process");
	if (child == 0)
		become(arguments, ends[1]);
	(void)close(ends[1]);
	read_all(ends[0], text);
	(void)close(ends[0]);
	if (wait4(child, &status, 0, &usage) != child)
		stop("no process");
	*processor = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static const char *driver_of(const char *file)
{
	return strstr(file, ".vhdx") != NULL ? "vhdx" : "vpc";
}

/* `empty`: one read and nothing else. */
static void bench(const struct writer *w, const struct load *load, const char *file, bool empty, double *elapsed,
		  double *processor)
{
	char count[16], depth[16], length[24], first[24], step[24], pattern[24], text[OUTPUT];
	const char *arguments[MAX_ARGUMENTS] = { "qemu-img", "bench", "-f", driver_of(file), "-t", w->cache,
						 "-c",       count,   "-d", depth,           "-s", length,
						 "-S",       step,    "-o", first,           file, NULL,
						 NULL,       NULL,    NULL };
	const char *told;
	size_t used = 17;

	(void)snprintf(count, sizeof(count), "%u", empty ? 1 : load->count);
	(void)snprintf(depth, sizeof(depth), "%u", w->depth);
	(void)snprintf(length, sizeof(length), "%zu", load->length);
	(void)snprintf(first, sizeof(first), "%llu", (unsigned long long)load->first);
	(void)snprintf(step, sizeof(step), "%llu", (unsigned long long)load->step);
	(void)snprintf(pattern, sizeof(pattern), "--pattern=%u", load->pattern);
	if (!empty) {
		arguments[used++] = "-w";
		arguments[used++] = pattern;
	}
	if (!empty && load->flush_each)
		arguments[used++] = "--flush-interval=1";
	if (run(arguments, text, processor) != 0 || (told = strstr(text, "Run completed in ")) == NULL)
		stop("qemu-img bench fails: %s", text);
	*elapsed = strtod(told + strlen("Run completed in "), NULL);
}

/* Each run is a process of its own, which opens and closes the file. */
static void nothing(struct session *s)
{
	(void)s;
}

static double qemu_run(struct session *s, const struct load *load)
{
	double elapsed, processor, start, ignored;

	bench(s->writer, load, s->file, false, &elapsed, &processor);
	if (settings.clock == now)
		return elapsed;
	bench(s->writer, load, s->file, true, &ignored, &start);
	return processor > start ? processor - start : 0;
}

const struct writer qemu_writer = {
	.name = "QEMU", .open = nothing, .run = qemu_run, .close = nothing, .is_peer = true, .cache = "writeback", .depth = 1
};
const struct writer qemu_deep_writer = { .name = "QEMU, 16 at once",
					 .open = nothing,
					 .run = qemu_run,
					 .close = nothing,
					 .is_peer = true,
					 .cache = "writeback",
					 .depth = 16 };
const struct writer qemu_unsafe_writer = { .name = "QEMU, unsafe",
					   .open = nothing,
					   .run = qemu_run,
					   .close = nothing,
					   .is_peer = true,
					   .cache = "unsafe",
					   .depth = 16 };

static char version[64];

bool qemu_exists(void)
{
	static const char *const arguments[] = { "qemu-img", "--version", NULL };
	char text[OUTPUT];
	double ignored;

	if (version[0] != '\0')
		return true;
	if (run(arguments, text, &ignored) != 0)
		return false;
	text[strcspn(text, "(\n")] = '\0';
	(void)snprintf(version, sizeof(version), "%.60s", text);
	return true;
}

const char *qemu_version(void)
{
	return version;
}

void qemu_create(const char *name, enum vhdx_format format, uint64_t size, uint32_t block_size)
{
	char text[OUTPUT], number_text[24], options[64];
	const char *const arguments[] = { "qemu-img", "create", "-f", format == VHDX_FORMAT_VHDX ? "vhdx" : "vpc",
					  "-o",       options,  name, number_text,
					  NULL };
	double ignored;

	(void)snprintf(number_text, sizeof(number_text), "%llu", (unsigned long long)size);
	if (format == VHDX_FORMAT_VHDX)
		(void)snprintf(options, sizeof(options), "block_size=%u", (unsigned)block_size);
	else
		(void)snprintf(options, sizeof(options), "force_size=on");
	if (run(arguments, text, &ignored) != 0)
		stop("qemu-img create fails: %s", text);
}

double qemu_check(const char *name)
{
	const char *const arguments[] = { "qemu-img", "check", "-f", "vhdx", "-r", "all", name, NULL };
	char text[OUTPUT];
	double processor, begin = now();

	if (run(arguments, text, &processor) != 0)
		stop("qemu-img check fails: %s", text);
	return settings.clock == now ? now() - begin : processor;
}
