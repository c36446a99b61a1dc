#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The pages in front: the commands of the README do what it shows, and links lead to files.
set -eu
cd "$(dirname "$0")/.."

bash tests/cli/run-examples.sh README.md

wrong=0
for page in *.md libvhdx/*.md specs/*.md tools/*.md tools/*/*.md fuzz/*.md; do
	while read -r target; do
		[ -e "$(dirname "$page")/$target" ] || { echo "not ok - $page: there is no $target"; wrong=1; }
	done < <(grep -o '](\([^)#:]*\))' "$page" | sed 's/^](//; s/)$//')
done
[ $wrong = 0 ]
echo "ok - links"
