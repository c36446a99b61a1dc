/* SPDX-License-Identifier: MIT */
/* What the figures were taken on, and whether somebody else was at work: figures of a busy machine are not to be trusted, and the report says so. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

struct machine machine;

struct ticks {
	bool known;
	double total, idle, steal, own;
};
static struct ticks at_begin;

/* The part behind "KEY" and a colon of the first such line of a file. */
static bool find_line(const char *path, const char *key, char *out, size_t size)
{
	FILE *file = fopen(path, "r");
	char line[512];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		const char *value = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) != 0 || value == NULL)
			continue;
		value += 1 + strspn(value + 1, " \t");
		(void)snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
		found = true;
	}
	if (file != NULL)
		(void)fclose(file);
	return found;
}

static double load_now(void)
{
	double load[1];

	return getloadavg(load, 1) == 1 ? load[0] : -1;
}

static struct ticks ticks_now(void)
{
	struct ticks t = { .known = false };
	FILE *file = fopen("/proc/stat", "r");
	struct rusage self, children;
	double v[8] = { 0 };

	if (file == NULL)
		return t;
	t.known = fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) ==
		  8;
	(void)fclose(file);
	for (unsigned i = 0; i < 8; i++)
		t.total += v[i];
	t.idle = v[3] + v[4];
	t.steal = v[7];
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	t.own = (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec + children.ru_stime.tv_sec) *
		(double)sysconf(_SC_CLK_TCK);
	return t;
}

/* The mount that a path is on: the one with the longest name that it begins with. */
static void find_filesystem(const char *directory)
{
	char *place = realpath(directory, NULL), line[1024];
	FILE *file = fopen("/proc/self/mounts", "r");
	size_t longest = 0;

	while (place != NULL && file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char device[256], mount[512], type[64];
		size_t length;

		if (sscanf(line, "%255s %511s %63s", device, mount, type) != 3)
			continue;
		length = strcmp(mount, "/") == 0 ? 1 : strlen(mount);
		if (length < longest || strncmp(place, mount, length) != 0 ||
		    (length > 1 && place[length] != '/' && place[length] != '\0'))
			continue;
		longest = length;
		(void)snprintf(machine.filesystem, sizeof(machine.filesystem), "%s", type);
		(void)snprintf(machine.device, sizeof(machine.device), "%.90s", device);
	}
	if (file != NULL)
		(void)fclose(file);
	free(place);
}

void machine_begin(void)
{
	struct utsname name;
	time_t now = time(NULL);
	struct tm utc;
	long pages = sysconf(_SC_PHYS_PAGES);

	if (!find_line("/proc/cpuinfo", "model name", machine.processor, sizeof(machine.processor)))
		(void)snprintf(machine.processor, sizeof(machine.processor), "unknown processor");
	if (uname(&name) == 0)
		(void)snprintf(machine.kernel, sizeof(machine.kernel), "%.40s %.60s %.20s", name.sysname, name.release,
			       name.machine);
	(void)snprintf(machine.filesystem, sizeof(machine.filesystem), "unknown");
	find_filesystem(settings.directory);
	machine.processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	machine.memory = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	if (gmtime_r(&now, &utc) != NULL)
		(void)strftime(machine.when, sizeof(machine.when), "%Y-%m-%d %H:%M UTC", &utc);
	machine.load_before = load_now();
	machine.busy = machine.steal = -1;
	at_begin = ticks_now();
}

void machine_end(void)
{
	struct ticks end = ticks_now();
	double total = end.total - at_begin.total;

	machine.load_after = load_now();
	if (!end.known || !at_begin.known || total < 1)
		return;
	machine.steal = 100 * (end.steal - at_begin.steal) / total;
	machine.busy = 100 * (total - (end.idle - at_begin.idle) - (end.steal - at_begin.steal) - (end.own - at_begin.own)) /
		       total;
	if (machine.busy < 0)
		machine.busy = 0;
}

const char *machine_warning(void)
{
	static char text[240];

	if (machine.busy > 10 || machine.steal > 5) {
		(void)snprintf(text, sizeof(text),
			       "The machine was busy: others took %.0f %% of its processors, its host %.0f %%. Trust ratios and "
			       "counts; measure again "
			       "for times.",
			       machine.busy, machine.steal > 0 ? machine.steal : 0);
		return text;
	}
	return NULL;
}
