/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/random.h"

static void *default_allocate(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void default_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static int default_random(void *context, void *buffer, size_t length)
{
	(void)context;
	return random_bytes(buffer, length);
}

static uint64_t default_now(void *context)
{
	(void)context;
	return (uint64_t)time(NULL);
}

struct vhdx_env env_complete(const struct vhdx_env *env)
{
	struct vhdx_env full = VHDX_ENV_INIT;

	if (env != NULL)
		memcpy(&full, env, env->struct_size < sizeof(full) ? env->struct_size : sizeof(full));
	full.struct_size = sizeof(full);
	if (full.allocate == NULL || full.release == NULL) {
		full.allocate = default_allocate;
		full.release = default_release;
	}
	if (full.random == NULL)
		full.random = default_random;
	if (full.now == NULL)
		full.now = default_now;
	return full;
}

void *memory_allocate(const struct vhdx_env *env, size_t size)
{
	return env->allocate(env->context, size != 0 ? size : 1);
}

void *memory_zeroed(const struct vhdx_env *env, size_t size)
{
	void *memory = memory_allocate(env, size);

	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

char *memory_copy_text(const struct vhdx_env *env, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memory_allocate(env, size);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

void memory_release(const struct vhdx_env *env, void *memory)
{
	if (memory != NULL)
		env->release(env->context, memory);
}

int memory_grow(const struct vhdx_env *env, void **array, size_t count, size_t element_size)
{
	size_t capacity = count == 0 ? 8 : count * 2;
	void *larger;

	if (count != 0 && (count < 8 || (count & (count - 1)) != 0))
		return 1;
	if (capacity > SIZE_MAX / 2 / element_size)
		return 0;
	larger = memory_allocate(env, capacity * element_size);
	if (larger == NULL)
		return 0;
	if (count != 0)
		memcpy(larger, *array, count * element_size);
	memory_release(env, *array);
	*array = larger;
	return 1;
}

int env_random_guids(const struct vhdx_env *env, struct vhdx_guid *out, size_t count, struct vhdx_error *error)
{
	if (env->random(env->context, out, count * sizeof(*out)) < 0)
		return fail(error, VHDX_E_IO, "no random bytes for an identifier");
	for (size_t i = 0; i < count; i++) {
		out[i].bytes[6] = (uint8_t)((out[i].bytes[6] & 0x0F) | 0x40);
		out[i].bytes[8] = (uint8_t)((out[i].bytes[8] & 0x3F) | 0x80);
	}
	return VHDX_OK;
}
