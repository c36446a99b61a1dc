#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every numbered rule of rules.def has a test that is named by it, Test(suite, VHDX_016_...), except those that are listed here with the reason.
#
#     tests/rules/coverage.sh [TREE]
#
# Prints a count for each role, and what is not tested; exit status 1 when a rule that is not listed has no test, one that is listed has, or a test is
# named by no rule.
set -eu
export LC_ALL=C
cd "${1:-$(dirname "$0")/../..}"
rules=libvhdx/src/format/rules.def
excused='
VHDX_058 a permission, and nothing to break
VHDX_187 paths are refreshed when asked for (vhdx_set), not by every writable open: decision D-49
VHDX_203 for the policy of the caller: nothing in a file tells that it has children
'

# "VHDX_016 R" for each rule
all=$(sed -n 's/^RULE(\([A-Z]*\), \([0-9]*\), [A-Z]*, \([RWB]\), .*/\1_\2 \3/p' $rules)
# "VHDX_016" for each rule that a test is named by
tested=$(grep -rhoE --include='*.c' '^(Test|ParameterizedTest|Theory)\(.*\b(VHDX|VHD)_[0-9]{3}_' tests | grep -oE '(VHDX|VHD)_[0-9]{3}' | sort -u)
[ -n "$all" ] || {
	echo "not ok - no rules in $rules"
	exit 1
}

unknown=$(comm -13 <(cut -d' ' -f1 <<<"$all" | sort) <(printf '%s' "$tested" | sed '/^$/d'))
untested=$(join -v 1 <(sort <<<"$all") <(printf '%s\n' "$tested"))

# of ROLE LIST: its lines of that role, without the role
of() {
	sed -n "s/ $1\$//p" <<<"$2"
}

count() {
	sed '/^$/d' | wc -l
}

listed=$(sed -n 's/ .*//p' <<<"$excused" | sort)
missing=$(comm -23 <(cut -d' ' -f1 <<<"$untested" | sort) <(echo "$listed"))
outdated=$(comm -12 <(echo "$listed") <(printf '%s\n' "$tested"))
for role in R B W; do
	total=$(of $role "$all" | count)
	without=$(of $role "$untested" | count)
	echo "role $role: $((total - without)) of $total rules have a test"
done
sed '/^$/d; s/^/    without: /; s/_/-/' <<<"$excused"
if [ -n "$unknown" ]; then
	echo "not ok - tests named by rules that do not exist:" $unknown
	exit 1
fi
if [ -n "$missing" ]; then
	echo "not ok - rules without a test:" $missing
	exit 1
fi
if [ -n "$outdated" ]; then
	echo "not ok - listed as without a test, but they have one:" $outdated
	exit 1
fi
echo "ok - every other rule has a test"
