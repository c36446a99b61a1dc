#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Measures, and puts the figures and the picture into README.md beside this file: tools/bench/measure.sh DIR [option of vhdx-bench...]
#
#     VHDX_BIN   the programs (build/release/bin)
#     REPORT     where the page with all plots goes (build/bench.html)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -gt 0 ] || { echo "usage: tools/bench/measure.sh DIR [option of vhdx-bench...]" >&2; exit 2; }
place=$1
shift
bin=${VHDX_BIN:-$root/build/release/bin}
report=${REPORT:-$root/build/bench.html}
tables=$(mktemp)
trap 'rm -f "$tables" "$tables.md"' EXIT

peers=()
command -v qemu-img >/dev/null && peers+=(--peer qemu)
ldconfig -p 2>/dev/null | grep -q libvhdi.so.1 && peers+=(--peer libvhdi)
"$bin/vhdx-bench" "${peers[@]}" --html "$report" --svg "$here/results.svg" --markdown "$tables" "$@" "$place"
awk -v tables="$tables" '
	/^<!-- figures/ { print; print ""; while ((getline line < tables) > 0) print line; print ""; skip = 1; next }
	/^<!-- end of figures/ { skip = 0 }
	!skip' "$here/README.md" >"$tables.md"
cat "$tables.md" >"$here/README.md"
echo "measure: $here/README.md, $here/results.svg, $report"
