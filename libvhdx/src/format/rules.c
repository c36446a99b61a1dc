/* SPDX-License-Identifier: MIT */
#include "format/rules.h"

static const struct rule_info rules[RULE_COUNT] = {
	[RULE_NONE] = { "", "", "", "", "" },
#define RULE(format, number, level, role, section, text)                                                                         \
	[RULE_##format##_##number] = { #format "-" #number, #level, #role, section, text },
#include "format/rules.def"
#undef RULE
};

const struct rule_info *rule_info(enum rule rule)
{
	return &rules[rule < RULE_COUNT ? rule : RULE_NONE];
}
