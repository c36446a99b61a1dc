/* SPDX-License-Identifier: MIT */
/* vhdx.h is C++ too: linkage, enums, and _INIT macros without warnings. Compiled only, where there is a C++ compiler. Layer: tests/public. */
#include "vhdx.h"

int header_cpp();

int header_cpp()
{
	vhdx_env env = VHDX_ENV_INIT;
	vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	vhdx_open_options open_options = VHDX_OPEN_OPTIONS_INIT;
	vhdx_info info = VHDX_INFO_INIT;
	vhdx_usage usage = VHDX_USAGE_INIT;
	vhdx_create_options create_options = VHDX_CREATE_OPTIONS_INIT;
	vhdx_inspect_options inspect_options = VHDX_INSPECT_OPTIONS_INIT;
	vhdx_disk *disk = nullptr;
	vhdx_error error;

	open_options.env = &env;
	open_options.open_parent = vhdx_resolve_parent;
	open_options.open_parent_context = &resolver;
	create_options.format = VHDX_FORMAT_VHD;
	if (vhdx_open(&disk, "disk.vhdx", &open_options, &error) < 0 || vhdx_get_info(disk, 0, &info, nullptr) < 0 ||
	    vhdx_get_usage(disk, 0, &usage, nullptr) < 0)
		return inspect_options.parts == VHDX_PART_ALL ? error.status : -1;
	vhdx_close(disk);
	return vhdx_create("new.vhd", &create_options, nullptr);
}
