# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the tests of the tools, which source it: a fresh directory to work in, and checks that stop at the first wrong thing with a word
# about it. $VHDX_BIN is the directory of the programs.
set -eu

: "${VHDX_BIN:?is not set: the directory that holds the programs}"
VHDX_BIN=$(cd "$VHDX_BIN" && pwd)
PATH=$VHDX_BIN:$PATH
export PATH LC_ALL=C.UTF-8
unset SOURCE_DATE_EPOCH

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
stdout=$scratch/stdout stderr=$scratch/stderr
mkdir "$scratch/work"
cd "$scratch/work"

skipped=''

# The check of this name is done and was right. The next one starts in an empty directory.
ok() {
	echo "ok - $*"
	clean
}

clean() {
	chmod -R u+w .
	find . -mindepth 1 -delete
}

# Something optional is missing: the test goes on, and ends with exit status 77.
skip() {
	echo "skip - $*"
	skipped=yes
	clean
}

finish() {
	[ -z "$skipped" ] || exit 77
	exit 0
}

fail() {
	printf 'not ok - %s: line %s: %s\n' "$(basename "$0")" "${BASH_LINENO[${#BASH_LINENO[@]} - 2]}" "$*" >&2
	if [ -s "$stderr" ]; then sed 's/^/    stderr: /' "$stderr" >&2; fi
	exit 1
}

# expect STATUS COMMAND...: runs it with its output in $stdout and $stderr. A failing tool prints nothing on standard output.
expect() {
	local wanted=$1 status=0
	shift
	"$@" >"$stdout" 2>"$stderr" || status=$?
	[ "$status" = "$wanted" ] || fail "exit status $status, not $wanted: $*"
	[ "$wanted" = 0 ] || [ ! -s "$stdout" ] || fail "fails, but prints on standard output: $*"
}

# refuse STATUS TEXT COMMAND...: it fails with one message that holds TEXT, and leaves the directory as it was.
refuse() {
	local status=$1 text=$2 before after
	shift 2
	before=$(ls -lAR --time-style=full-iso)
	expect "$status" "$@"
	grep -qF -- "$text" "$stderr" || fail "the message does not say '$text': $*"
	after=$(ls -lAR --time-style=full-iso)
	[ "$before" = "$after" ] || fail "fails, but leaves something behind: $*"
}

# Standard output of the last command.
printed() {
	[ "$(cat "$stdout")" = "$1" ] || fail "prints '$(cat "$stdout")', not '$1'"
}

quiet() {
	[ ! -s "$stdout" ] && [ ! -s "$stderr" ] || fail "is not quiet: $(cat "$stdout")"
}

# json FILTER VALUE: of the JSON printed by the last command.
json() {
	local value
	value=$(sed -n "s/.*\"$1\": \"\\{0,1\\}\\([^,\"}]*[^,\"} ]\\)\"\\{0,1\\}[ ,}].*/\\1/p" "$stdout")
	[ "$value" = "$2" ] || fail "$1 is '$value', not '$2'"
}

files_are() {
	local found
	found=$(find . -mindepth 1 -printf '%P\n' | sort | tr '\n' ' ')
	[ "${found% }" = "$*" ] || fail "the directory holds '${found% }', not '$*'"
}

same() {
	cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

different() {
	! cmp -s "$1" "$2" || fail "$1 and $2 are the same"
}

# holds IMAGE RAW: the content of the image, read by ourselves.
holds() {
	vhdx-convert "$1" - 2>"$stderr" | cmp - "$2" || fail "$1 does not hold what $2 holds"
}

# A raw file of SIZE (in MiB) with data in it: scattered pieces, written zeros, and a last byte.
make_raw() {
	local i
	truncate -s "$2M" "$1"
	for ((i = 0; i < $2; i += 5)); do
		head -c 70000 /dev/urandom | dd of="$1" bs=1M seek="$i" conv=notrunc status=none
	done
	dd if=/dev/zero of="$1" bs=1M seek=3 count=1 conv=notrunc status=none
	printf x | dd of="$1" bs=1 seek=$(($2 * 1048576 - 1)) conv=notrunc status=none
}
