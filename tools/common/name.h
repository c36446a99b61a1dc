/* SPDX-License-Identifier: MIT */
/* What the names of files tell. */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>

#include "vhdx.h"

/* `extension` in lower case, as in ".vhdx"; case makes no difference. */
bool name_has_extension(const char *path, const char *extension);
/* By .vhdx .avhdx .vhd .avhd; ANY when none of them. */
enum vhdx_format name_format(const char *path);
/* The same before .gz. */
enum vhdx_format name_format_packed(const char *path);
/* Whether a file of that name is raw whatever its bytes look like (they may be a guest's): .raw .img .bin .dd .iso, and then `packing` (".gz" or ""). */
bool name_is_raw(const char *path, const char *packing);

#endif
