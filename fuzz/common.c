/* SPDX-License-Identifier: MIT */
/* Input, findings, memory, errors: what every target needs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { ONE_ALLOCATION = 64 << 20, ALL_ALLOCATIONS = 256 << 20 };

uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

uint64_t fuzz_take(struct fuzz_input *in, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)fuzz_byte(in) << 8 * i;
	return value;
}

uint64_t fuzz_below(struct fuzz_input *in, uint64_t limit)
{
	return fuzz_take(in, limit <= 256 ? 1 : limit <= 65536 ? 2 : limit <= UINT32_MAX ? 4 : 8) % limit;
}

void fuzz_finding(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "FINDING: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	(void)fflush(NULL);
	abort();
}

/* Caches of megabytes, asked for and given back with every open, are kept: a sanitizer would map and fill them each time. */
enum { LARGE = 128 << 10, KEPT = 8 };
union kept {
	struct {
		size_t size;
		bool used;
	} is;
	max_align_t align;
};
static union kept *kept[KEPT];

static void *allocate_large(struct fuzz_env *env, size_t size)
{
	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i] != NULL && !kept[i]->is.used && kept[i]->is.size == size) {
			kept[i]->is.used = true;
			atomic_fetch_add(&env->t.live, 1);
			atomic_fetch_add(&env->t.live_bytes, size);
			return kept[i] + 1;
		}
	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i] == NULL || !kept[i]->is.used) {
			free(kept[i]);
			kept[i] = malloc(sizeof(union kept) + size);
			if (kept[i] == NULL)
				return NULL;
			kept[i]->is.size = size;
			kept[i]->is.used = false;
			memset(kept[i] + 1, 0xA5, size);
			return allocate_large(env, size);
		}
	return env->allocate(env, size);
}

static void release(void *context, void *memory)
{
	struct fuzz_env *env = context;

	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i] != NULL && memory == kept[i] + 1) {
			kept[i]->is.used = false;
			atomic_fetch_sub(&env->t.live, 1);
			atomic_fetch_sub(&env->t.live_bytes, kept[i]->is.size);
			return;
		}
	env->release(context, memory);
}

static void *limited(void *context, size_t size)
{
	struct fuzz_env *env = context; /* its testenv stands first */

	if (size > ONE_ALLOCATION)
		fuzz_finding("one allocation of %zu bytes", size);
	if (atomic_load(&env->t.live_bytes) + size > ALL_ALLOCATIONS)
		fuzz_finding("more than 256 MiB in use");
	return size < LARGE || atomic_load(&env->t.fail_countdown) != 0 ? env->allocate(context, size)
									: allocate_large(env, size);
}

void fuzz_env_start(struct fuzz_env *env)
{
	memset(env, 0, sizeof(*env));
	memfile_keep_holes(true);
	testenv_start(&env->t, 1);
	env->allocate = env->t.env.allocate;
	env->t.env.allocate = limited;
	env->release = env->t.env.release;
	env->t.env.release = release;
}

void fuzz_env_end(struct fuzz_env *env)
{
	if (testenv_live(&env->t) != 0)
		fuzz_finding("%lu allocations are not given back", testenv_live(&env->t));
}

static void check_text(const char *what, const char *text)
{
	if (text[0] == '\0')
		fuzz_finding("%s: an error without a message", what);
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			fuzz_finding("%s: a control character in a message", what);
}

void fuzz_check(const struct fuzz_env *env, const char *what, int status, const struct vhdx_error *error)
{
	char text[1500];

	if (status == VHDX_OK)
		return;
	if (status > 0 || strcmp(vhdx_status_name(status), "unknown") == 0)
		fuzz_finding("%s: status %d", what, status);
	if (error == NULL)
		return;
	if (error->status != status)
		fuzz_finding("%s: returned %d, the error says %d", what, status, error->status);
	if (memchr(error->message, '\0', sizeof(error->message)) == NULL ||
	    memchr(error->rule, '\0', sizeof(error->rule)) == NULL)
		fuzz_finding("%s: a text of the error has no end", what);
	check_text(what, error->message);
	(void)vhdx_error_text(error, text, sizeof(text));
	if (!env->failing && (status == VHDX_E_IO || status == VHDX_E_NO_MEMORY || status == VHDX_E_DEAD))
		fuzz_finding("%s: %s, although nothing failed", what, text);
}
