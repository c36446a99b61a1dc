/* SPDX-License-Identifier: MIT */
/* vhdx-create: makes virtual disks. The words become a request (options.c), which is checked and carried out (common/creation.h). */
#include "sys.h"
#include "options.h"

static int create(struct creation *request, int argc, char **argv)
{
	int result = request_parse(request, argc, argv);

	if (result != TOOL_DONE)
		return result;
	if (request->help) {
		printf("%s%s", CREATE_HELP, TOOL_OPEN_HELP);
		return TOOL_DONE;
	}
	if (request->version)
		return tool_version();
	result = creation_check(request);
	if (result != TOOL_DONE)
		return result;
	sys_catch_interrupts();
	return creation_run(request);
}

int main(int argc, char **argv)
{
	struct creation request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-create", &argc, &argv);
	result = create(&request, argc, argv);
	tool_open_release(&request.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
