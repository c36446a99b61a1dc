/* SPDX-License-Identifier: MIT */
/* The search for one parent: what the public vhdx_parent_offer and vhdx_parent_note work on. Layer: engine. */
#ifndef ENGINE_CHAIN_H
#define ENGINE_CHAIN_H

#include "engine/disk.h"

struct parent_search {
	struct vhdx_disk *disk;
	const struct vhdx_open_options *options;
	struct image *child;
	bool accepted;
	bool quiet; /* candidates that are not the parent are no attempts: search directories */
	unsigned attempts;
	unsigned denied;
	int worst; /* the status that says most about why there is no parent */
	char reasons[800];
	size_t reasons_length;
};

int parent_offer(struct vhdx_parent_request *request, struct vhdx_file *file, struct vhdx_error *error);
void parent_note(struct vhdx_parent_request *request, const char *path, int status, const char *reason);

/* The ready-made open_parent callback: resolver.c. */
int resolver_open_parent(const struct vhdx_resolver *resolver, const struct vhdx_env *env, struct vhdx_parent_request *request,
			 struct vhdx_error *error);

#endif
