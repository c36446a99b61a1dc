#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every numbered rule has a test that is named by it: Test(suite, VHDX_016_...). Lists the rules of rules.def that have none. One that a
# reader obeys (role R or B) must have one; the rules for a writer (W) are listed until there is a writer.
#
#     tests/rules/coverage.sh [TREE]
#
# Prints the lists and a count for each role; exit status 1 when a rule of role R or B has no test, or a test is named by no rule.
set -eu
export LC_ALL=C
cd "${1:-$(dirname "$0")/../..}"
rules=libvhdx/src/format/rules.def

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

missing=0
for role in R B W; do
	total=$(of $role "$all" | count)
	without=$(of $role "$untested" | count)
	echo "role $role: $((total - without)) of $total rules have a test"
	if [ "$without" -gt 0 ]; then
		of $role "$untested" | tr '_\n' '- ' | fold -s -w 100 | sed 's/^/    without: /'
		echo
		[ $role = W ] || missing=$((missing + without))
	fi
done
if [ -n "$unknown" ]; then
	echo "not ok - tests named by rules that do not exist:" $unknown
	exit 1
fi
if [ $missing -gt 0 ]; then
	echo "not ok - $missing rules for readers have no test"
	exit 1
fi
echo "ok - every rule for readers has a test"
