/* SPDX-License-Identifier: MIT */
/* The numbered rules of both formats, from rules.def. Layer: format. */
#ifndef FORMAT_RULES_H
#define FORMAT_RULES_H

#include "base/error.h"

enum rule {
	RULE_NONE,
#define RULE(format, number, level, role, section, text) RULE_##format##_##number,
#include "format/rules.def"
#undef RULE
	RULE_COUNT
};

struct rule_info {
	const char *name;    /* "VHDX-029" */
	const char *level;   /* MUST SHOULD MAY X I */
	const char *role;    /* R W B */
	const char *section; /* of the published specification */
	const char *text;
};

/* RULE_NONE has the name "". */
const struct rule_info *rule_info(enum rule rule);
#define rule_name(rule) (rule_info(rule)->name)

/* The file breaks a rule at a place: sets VHDX_E_DAMAGED and returns it. */
#define broken(error, rule, file_offset, ...) fail_at(error, VHDX_E_DAMAGED, rule_name(rule), file_offset, __VA_ARGS__)
/* The file obeys the rule, or asks for something that the rule tells us to refuse. */
#define unsupported(error, rule, file_offset, ...) fail_at(error, VHDX_E_UNSUPPORTED, rule_name(rule), file_offset, __VA_ARGS__)

#endif
