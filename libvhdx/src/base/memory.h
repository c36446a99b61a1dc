/* SPDX-License-Identifier: MIT */
/* The caller's environment with its defaults filled in. Layer: base. Every allocation of the library goes through here. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "vhdx.h"

/* A copy of `env` in which every function is set. NULL gives the defaults. */
struct vhdx_env env_complete(const struct vhdx_env *env);

void *memory_allocate(const struct vhdx_env *env, size_t size);
/* Zeroed. */
void *memory_zeroed(const struct vhdx_env *env, size_t size);
char *memory_copy_text(const struct vhdx_env *env, const char *text);
void memory_release(const struct vhdx_env *env, void *memory);
/* Makes room for one more element in an array of `count`, whose capacity is a power of two kept implicitly. False: out of memory,
 * array unchanged. */
int memory_grow(const struct vhdx_env *env, void **array, size_t count, size_t element_size);

/* Random (version 4) GUIDs. */
int env_random_guids(const struct vhdx_env *env, struct vhdx_guid *out, size_t count, struct vhdx_error *error);

#endif
