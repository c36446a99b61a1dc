#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The replay of tests/run.sh on Windows, in Wine: $VHDX_WINE_BIN is the directory of the programs for Windows. Skipped (77) without.
set -eu
program=${VHDX_WINE_BIN:-}/../fuzz/vhdx-fuzz-replay.exe
[ -f "$program" ] && command -v wine >/dev/null || { echo "skipped: no programs for Windows, or no Wine"; exit 77; }
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export WINEPREFIX=$home/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
output=$(timeout 300 wine "$program" --seed 1 --runs 50 2>&1 | tr -d '\r')
printf '%s\n' "$output"
[ "$(grep -c 'no finding$' <<<"$output")" = "$("$1" --list | wc -l)" ]
