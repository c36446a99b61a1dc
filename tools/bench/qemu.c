/* SPDX-License-Identifier: MIT */
/*
 * QEMU as a peer, by "qemu-img bench": its own loop inside one process, one request at a time, which tells the seconds from the first request to the end of the
 * last. Start, opening and closing are not in it. Its places follow each other by a fixed step; for random ones the step is as large as those of ours are on
 * average. Processor time is that of the process less that of one that opens the image and reads once.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { MAX_ARGUMENTS = 32, OUTPUT = 4096 };

static _Noreturn void become(const char *const arguments[], int output)
{
	char *copies[MAX_ARGUMENTS] = { NULL };

	for (size_t i = 0; arguments[i] != NULL && i + 1 < MAX_ARGUMENTS; i++)
		copies[i] = strdup(arguments[i]);
	if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
		(void)execvp(copies[0], copies);
	_exit(127);
}

static void read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;
	char rest[256];

	while ((got = read(fd, length < size - 1 ? text + length : rest, length < size - 1 ? size - 1 - length : sizeof(rest))) >
	       0)
		length += length < size - 1 ? (size_t)got : 0;
	text[length] = '\0';
}

bool process_run(const char *const arguments[], char *text, size_t text_size, double *cpu)
{
	struct rusage usage;
	int ends[2], status;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0)
		stop("no process");
	if (child == 0)
		become(arguments, ends[1]);
	(void)close(ends[1]);
	read_all(ends[0], text, text_size);
	(void)close(ends[0]);
	while (wait4(child, &status, 0, &usage) != child)
		heed_interrupts();
	*cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	heed_interrupts();
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const char *qemu_version(void)
{
	static const char *const arguments[] = { "qemu-img", "--version", NULL };
	static char version[64];
	static bool tried;
	char text[OUTPUT];
	double cpu;

	if (!tried && process_run(arguments, text, sizeof(text), &cpu)) {
		text[strcspn(text, "(\n")] = '\0';
		(void)snprintf(version, sizeof(version), "QEMU %.50s",
			       strstr(text, "version ") != NULL ? strstr(text, "version ") + 8 : "");
		version[strcspn(version, "\n")] = '\0';
		if (version[strlen(version) - 1] == ' ')
			version[strlen(version) - 1] = '\0';
	}
	tried = true;
	return version[0] != '\0' ? version : NULL;
}

static bool qemu_can(const struct subject *subject, const struct work *work)
{
	return subject->kind->type != VHDX_TYPE_DIFFERENCING && subject->kind->device == NULL &&
	       subject->kind->sector_size == 512 && work->threads == 1 && work->action != ACT_WRITE;
}

static const char *driver_of(const struct kind *kind)
{
	return kind->format == VHDX_FORMAT_RAW ? "raw" : kind->format == VHDX_FORMAT_VHD ? "vpc" : "vhdx";
}

static uint64_t step_of(const struct subject *subject, const struct work *work)
{
	struct places places;

	if (work->sequential)
		return work->io;
	places_begin(&places, work, subject, 0, 0);
	if (work->action == ACT_ALLOCATE)
		return places.stride * work->io;
	return (places.slots * 5 / 8 | 1) * work->io;
}

static double bench(const struct subject *subject, const struct work *work, uint64_t operations, bool nothing, double *cpu)
{
	char count[24], size[24], step[24], text[OUTPUT], flush[40];
	const char *arguments[MAX_ARGUMENTS] = {
		"qemu-img", "bench", "-f", driver_of(subject->kind), "-t", "writeback", "-d", "1", "-c", count, "-s",
		size,       "-S",    step, subject->paths[0],        NULL, NULL,        NULL, NULL
	};
	const char *told;
	size_t used = 15;

	(void)snprintf(count, sizeof(count), "%llu", nothing ? 1ULL : (unsigned long long)operations);
	(void)snprintf(size, sizeof(size), "%u", (unsigned)work->io);
	(void)snprintf(step, sizeof(step), "%llu", (unsigned long long)step_of(subject, work));
	(void)snprintf(flush, sizeof(flush), "--flush-interval=%u", work->flush);
	if (work->action != ACT_READ && !nothing) {
		arguments[used++] = "-w";
		arguments[used++] = "--pattern=90";
		if (work->flush != 0)
			arguments[used++] = flush;
	}
	if (!process_run(arguments, text, sizeof(text), cpu) || (told = strstr(text, "Run completed in ")) == NULL)
		stop("qemu-img bench fails: %.300s", text);
	return strtod(told + strlen("Run completed in "), NULL);
}

static void qemu_whole(const struct subject *subject, const struct work *work, uint64_t operations, double *elapsed, double *cpu)
{
	double start;

	*elapsed = bench(subject, work, operations, false, cpu);
	(void)bench(subject, work, operations, true, &start);
	*cpu = *cpu > start ? *cpu - start : 0;
}

const struct way way_qemu = { .name = "QEMU", .can = qemu_can, .whole = qemu_whole };
