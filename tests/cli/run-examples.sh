#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs the examples of man pages and of Markdown files and compares what they print with what the page says.
#
#     VHDX_BIN=build/bin tests/cli/run-examples.sh PAGE...
#
# An example is a block between .EX and .EE, or .Bd -literal and .Ed, or ```sh and ```. In it
#     $ command           runs; all commands of one page run in order in one fresh directory
#     > more of it        after a command line that ends with a backslash
#     # exit N            the exit status to expect of the command above; 0 without this line
#     anything else       is printed by the command above; without such lines its output is not looked at
# In printed lines "..." matches any text, and a line of nothing but "..." any number of lines.
set -eu

: "${VHDX_BIN:?is not set: the directory that holds the programs}"
VHDX_BIN=$(cd "$VHDX_BIN" && pwd)
PATH=$VHDX_BIN:$PATH
export PATH LC_ALL=C.UTF-8
unset SOURCE_DATE_EPOCH

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

end_of_block=$'\001'

# The lines of all example blocks of a page, without roff escapes; each block ends with $end_of_block.
extract() {
	case $1 in
	*.md) awk -v end="$end_of_block" '/^```/ { if (inside) print end; inside = !inside && $0 == "```sh"; next } inside' "$1" ;;
	*) awk -v end="$end_of_block" '
		/^\.(EX|Bd -literal)/ { inside = 1; next }
		/^\.(EE|Ed)/ { if (inside) print end; inside = 0; next }
		inside && !/^\.\\"/ {
			gsub(/\\-/, "-"); gsub(/\\\(aq/, "\047"); gsub(/\\\(dq/, "\""); gsub(/\\\(ga/, "`"); gsub(/\\\(ha/, "^")
			gsub(/\\\(ti/, "~"); gsub(/\\&/, ""); gsub(/\\e/, "\\"); print
		}' "$1" ;;
	esac
}

# A shell pattern that matches what one expected line stands for.
pattern_of() {
	local text=$1
	text=${text//\\/\\\\}
	text=${text//\*/\\*}
	text=${text//\?/\\?}
	text=${text//\[/\\[}
	printf '%s' "${text//.../*}"
}

fail() {
	printf 'not ok - %s: $ %s\n' "$page" "$command"
	printf '%s\n' "$@" "It printed:" "$actual"
	exit 1
} >&2

# Fails at the first expected line that does not fit.
compare() {
	local pattern='' line separator=''
	for line in "${expected[@]}"; do
		pattern+=$separator$(pattern_of "$line")
		separator=$'\n'
		[ "$line" = "..." ] && separator=''
		# shellcheck disable=SC2053
		[[ $actual$'\n' == $pattern* ]] || fail "does not print what the page shows; the first line that differs:" "$line"
	done
	# shellcheck disable=SC2053
	[[ $actual == $pattern ]] || fail "prints more than the page shows, or other things at its end"
}

run_command() {
	local status=0
	[ -n "$command" ] || return 0
	actual=$(cd "$directory" && bash -c "$command" 2>&1 </dev/null) || status=$?
	[ "$status" = "$expected_status" ] || fail "ends with exit status $status, not $expected_status"
	[ ${#expected[@]} = 0 ] || compare
	printf 'ok - %s: $ %s\n' "$page" "$command"
	count=$((count + 1))
	command=
}

for file in "$@"; do
	page=$(basename "$file")
	directory=$scratch/$page
	mkdir "$directory"
	count=0 command='' expected=() expected_status=0
	extract "$file" >"$scratch/lines"
	while IFS= read -r line <&3; do
		case $line in
		'$ '*)
			run_command
			command=${line#'$ '} expected=() expected_status=0
			;;
		'> '*) command+=$'\n'${line#'> '} ;;
		'# exit '*) expected_status=${line#'# exit '} ;;
		"$end_of_block") run_command ;;
		*) expected+=("$line") ;;
		esac
	done 3<"$scratch/lines"
	[ $count -gt 0 ] || { echo "not ok - $page: no examples found" >&2; exit 1; }
	echo "ok - $page: $count examples"
done
