#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs those of the named Debian packages that are missing, and says which; does nothing when there is nothing to do.
#
#     tools/setup.sh [--optional] PACKAGE...
#
# As root, or through sudo. On systems without apt-get it only says what is needed. With --optional a failure is no more than a note.
set -eu

optional=no
if [ "${1-}" = --optional ]; then
	optional=yes
	shift
fi

fail() {
	echo "setup: $*" >&2
	[ $optional = no ] || exit 0
	exit 1
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	echo "setup: there is no apt-get here; these packages of Debian, or their like, are expected: $*"
	exit 0
fi

missing=()
for package in "$@"; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || true
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || fail "missing, and neither root nor sudo to install them: ${missing[*]}"
	as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1
}

echo "setup: installing with apt-get: ${missing[*]}"
quietly apt-get -q -o DPkg::Lock::Timeout=300 update || { tail -n 5 "$log"; fail "apt-get update"; }
quietly apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" ||
	{ tail -n 20 "$log"; fail "not installed: ${missing[*]}"; }
