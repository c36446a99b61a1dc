# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the tests of the servers, which source it: what tests/cli/support.sh gives, and an end that takes away every mount in the directory of the test
# before the directory itself.
serve_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cli/support.sh
. "$serve_tests/../cli/support.sh"
PATH=$PATH:/usr/sbin:/sbin
plugin=$VHDX_BIN/nbdkit-vhdx-plugin.so
scratch=$(realpath "$scratch")

mounts() {
	awk -v below="$scratch/" 'index($2, below) == 1 { print $2 }' /proc/mounts | tac
}

release() {
	local place
	for place in $(mounts); do
		umount "$place" 2>/dev/null || umount -l "$place" 2>/dev/null || fusermount3 -u -z "$place" 2>/dev/null || true
	done
	[ -n "$(mounts)" ] || rm -rf --one-file-system "$scratch"
}
trap 'cd /; release' EXIT

# able WHAT...: or the whole test is skipped, with the reason.
able() {
	local reason
	reason=$("$serve_tests/able.sh" "$@") || { echo "skip - $reason"; exit 77; }
}

# nbd ARGUMENT... -- COMMAND: nbdkit with our plugin, and a command for which $uri is its address.
nbd() {
	local arguments=()
	while [ "$1" != -- ]; do
		arguments+=("$1")
		shift
	done
	nbdkit -U - "${flags[@]}" "$plugin" "${arguments[@]}" --run "$2"
}
flags=() # of nbdkit
