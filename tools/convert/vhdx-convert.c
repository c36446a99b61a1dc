/* SPDX-License-Identifier: MIT */
/* vhdx-convert: any virtual disk or chain to any other: see vhdx-convert(1). */
#include "request.h"
#include "run.h"
#include "sys.h"

int main(int argc, char **argv)
{
	struct request request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-convert", &argc, &argv);
	result = request_parse(&request, argc, argv);
	if (result == TOOL_DONE && request.version) {
		result = tool_version();
	} else if (result == TOOL_DONE && request.help) {
		printf("%s%s", CONVERT_HELP, TOOL_OPEN_HELP);
	} else if (result == TOOL_DONE) {
		result = request_check(&request);
		if (result == TOOL_DONE)
			result = run_convert(&request);
	}
	tool_open_release(&request.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
