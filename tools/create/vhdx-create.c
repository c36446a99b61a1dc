/* SPDX-License-Identifier: MIT */
/* vhdx-create: makes virtual disks. The words become a request (options.c, check.c), and run.c carries it out. */
#include "sys.h"
#include "request.h"
#include "run.h"

static int create(struct request *request, int argc, char **argv)
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
	result = request_check(request);
	if (result != TOOL_DONE)
		return result;
	sys_catch_interrupts();
	return run_create(request);
}

int main(int argc, char **argv)
{
	struct request request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-create", &argc, &argv);
	result = create(&request, argc, argv);
	tool_open_release(&request.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
