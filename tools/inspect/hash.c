/* SPDX-License-Identifier: MIT */
/* --hash: one digest of all bytes of the disk, in the manner of xxh128sum. */
#include "../common/hash.h"

#include <stdio.h>

#include "inspect.h"

void hash_show(struct inspect *inspect)
{
	char digest[HASH_TEXT_SIZE];
	struct vhdx_error error;
	struct json *json;

	if (hash_disk(digest, inspect->disk, &error) != VHDX_OK) {
		inspect_raise(inspect, tool_error(&error));
		return;
	}
	json = inspect_section(inspect);
	if (!inspect->as_json) {
		printf("%s  %s\n", digest, text_clean(inspect->path).text);
		return;
	}
	json_object(json, "hash", true);
	json_string(json, "algorithm", "XXH3-128");
	json_string(json, "value", digest);
	json_close(json);
}
