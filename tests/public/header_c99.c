/* SPDX-License-Identifier: MIT */
/* vhdx.h is C99, needs nothing before it, and its _INIT macros initialise. Compiled only. Layer: tests/public. */
#include "vhdx.h"
#include "vhdx.h" /* twice is once */

int header_c99(void);

int header_c99(void)
{
	struct vhdx_env env = VHDX_ENV_INIT;
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_open_options open_options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_create_options create_options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_inspect_options inspect_options = VHDX_INSPECT_OPTIONS_INIT;

	return (int)(env.struct_size + resolver.struct_size + open_options.struct_size + info.struct_size + usage.struct_size +
		     create_options.struct_size + inspect_options.struct_size) +
	       vhdx_open(NULL, "", &open_options, NULL);
}
