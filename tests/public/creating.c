/* SPDX-License-Identifier: MIT */
#include "public/creating.h"

struct memfile *create_in_memory(struct vhdx_create_options o, uint64_t seed, struct vhdx_error *error)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new");
	struct testenv env;
	int status;

	testenv_start(&env, seed);
	o.env = &env.env;
	status = vhdx_create_file(&file, &o, error);
	cr_assert(testenv_live(&env) == 0, "%lu allocations leaked", testenv_live(&env));
	cr_assert(memfile_count(m, MEMFILE_CLOSE) == 0, "the file stays the caller's");
	if (status == VHDX_OK)
		return m;
	cr_assert(error->status == status && error->message[0] != '\0');
	memfile_free(m);
	return NULL;
}

struct memfile *create_or_die(struct vhdx_create_options o)
{
	struct vhdx_error e = { .status = 0 };
	struct memfile *m = create_in_memory(o, 1, &e);

	cr_assert(m != NULL, "%s", e.message);
	return m;
}

int create_into(struct memfile *m, struct vhdx_create_options o, struct vhdx_error *error)
{
	struct vhdx_file file = memfile_file(m, "new");

	return vhdx_create_file(&file, &o, error);
}

vhdx_disk *open_created(struct memfile *m)
{
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	cr_assert(test_open_chain(&disk, &m, 1, 0, &e) == VHDX_OK, "%s: %s", e.rule, e.message);
	return disk;
}

bool holds_an_image(struct memfile *m)
{
	vhdx_disk *disk = NULL;
	bool opens = test_open_chain(&disk, &m, 1, VHDX_OPEN_NO_PARENTS, NULL) == VHDX_OK;
	uint8_t bytes[8];

	vhdx_close(disk);
	memfile_read(m, 0, bytes, 8);
	return opens || memcmp(bytes, "vhdxfile", 8) == 0;
}
