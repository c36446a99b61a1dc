/* SPDX-License-Identifier: MIT */
#include "rules/vhdx_run.h"

struct sample_run run_of_entries(void)
{
	struct sample_run run;

	for (unsigned i = 0; i < ENTRIES; i++) {
		run.descriptors[i][0] = sample_data(0, 10 + i);
		run.descriptors[i][1] = sample_data(i + 1, 20);
		run.entries[i] = (struct recipe_entry){
			.at = 3 * 4096 * i, .tail = 0, .sequence_number = 100 + i, .descriptor_count = 2
		};
	}
	return run;
}

struct memfile *run_image(struct sample_run *run, size_t count)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		run->entries[i].descriptors = run->descriptors[i];
	return sample_log(run->entries, count);
}

void expect_replayed(struct memfile *m, unsigned first, unsigned count)
{
	expect_page(m, 0, 10 + count - 1);
	for (unsigned i = 0; i < ENTRIES; i++)
		expect_page(m, i + 1, i >= first && i < count ? 20 : 5);
	cr_assert_eq(sample_info(m).log_entries, count - first);
}
