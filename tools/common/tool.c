/* SPDX-License-Identifier: MIT */
/*
 * Messages, exit statuses and the beginning and end of every tool.
 *
 * Names and texts in messages may come out of hostile images, so control characters never reach the terminal: every message is
 * one line, whatever was put into it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "tool.h"

const char *tool_name = "vhdx";

void tool_begin(const char *name, int *argc, char ***argv)
{
	static char buffer[65536];

	tool_name = name;
	sys_begin(argc, argv);
	opterr = 0;
	/* Of its own accord stdio would ask the system what standard output is. */
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
}

/* C0 controls, DEL, and the two-byte UTF-8 form of the C1 controls. */
char *tool_clean(char *text)
{
	for (char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c == 0x7f)
			*p = '?';
		else if (c == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
	return text;
}

/* The tail names where help is, or is empty. */
TOOL_PRINTF(1, 0) static void say(const char *format, va_list arguments, bool with_help)
{
	char text[9000];

	vsnprintf(text, sizeof(text), format, arguments);
	fprintf(stderr, with_help ? "%s: %s (see %s --help)\n" : "%s: %s\n", tool_name, tool_clean(text), tool_name);
}

int tool_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments, false);
	va_end(arguments);
	return TOOL_FAILED;
}

int tool_usage(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments, true);
	va_end(arguments);
	return TOOL_USAGE;
}

void tool_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments, false);
	va_end(arguments);
}

int tool_bad_option(int result, char **argv)
{
	const char *word = argv[optind > 0 ? optind - 1 : 0];
	char letter[3] = { '-', (char)optopt, '\0' };

	if (optopt > 0 && optopt < 0x80)
		word = letter;
	if (strncmp(word, "--", 2) == 0 && strchr(word, '=') != NULL && optopt != 0) /* ':' in the library of MinGW */
		return tool_usage("option %.*s takes no value", (int)strcspn(word, "="), word);
	if (result == ':')
		return tool_usage("option %s needs a value", word);
	return tool_usage("%s is no option, or short for several", word);
}

int tool_error(const struct vhdx_error *error)
{
	char text[2000];

	tool_fail("%s", vhdx_error_text(error, text, sizeof(text)));
	return error->status == VHDX_E_DAMAGED ? TOOL_DAMAGED : TOOL_FAILED;
}

int tool_cancelled(struct vhdx_error *error)
{
	*error = (struct vhdx_error){ .status = VHDX_E_CANCELLED, .file_offset = VHDX_NO_OFFSET, .message = "interrupted" };
	return VHDX_E_CANCELLED;
}

void *tool_allocate(void *old, size_t size)
{
	void *memory = realloc(old, size != 0 ? size : 1);

	if (memory == NULL)
		exit(tool_fail("out of memory"));
	return memory;
}

int tool_version(void)
{
	printf("%s (libvhdx) %s\n", tool_name, vhdx_version());
	return tool_end(TOOL_DONE);
}

int tool_end(int status)
{
	bool failed = ferror(stdout) != 0;

	errno = 0;
	failed = fflush(stdout) != 0 || failed;
	if (!failed || status != TOOL_DONE)
		return status;
	return tool_fail("cannot write to standard output%s%s", errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
}
