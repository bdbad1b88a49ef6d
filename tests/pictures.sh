#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pictures.sh - what docs/runbooks and docs/operations.md show, anew: runs each test that provokes a state of theirs
# (shows.sh), keeps what commands printed and how the status page looked then, and puts both where they belong.
# `make pictures`. Look at each picture afterwards; git shows what changed in the pages.
#
#   tests/pictures.sh [TEST...]  of all tests, or of these alone: tests/e2e/runbooks.sh
#
#   docs/pictures/NAME.png       of `pictured NAME`; of `shows NAME` those of the list below, as a terminal
#   <!-- shown: NAME -->         of `shows NAME`
#   page-well.png, page-broken.png, gameday.png   the whole page (page.sh), and the last report of make gameday
set -eu
cd "$(dirname "$0")/.."
terminals="drift-show explain no-node-incident"
for tool in pngquant chromium socat node; do
	command -v $tool >/dev/null || { echo "pictures: $tool is missing: make deps" >&2; exit 1; }
done
kept=$PWD/build/handbook
rm -rf "$kept"
mkdir -p "$kept/page"
export SLUICE_HANDBOOK=$kept
failed=0
tests=("$@")
[[ $# -gt 0 ]] || mapfile -t tests < <(grep -lE '^[[:space:]]*(shows|pictured) ' tests/e2e/*.sh tests/net/*.sh && echo tests/e2e/page.sh)
for test in "${tests[@]}"; do
	echo "# $test"
	SLUICE_SHOTS=$kept/page "$test" >"$kept/log" 2>&1 || { grep '^not ok' "$kept/log" || tail -n 3 "$kept/log"; failed=1; }
done
((failed == 0)) || { echo "pictures: states could not be provoked, see above: nothing is changed" >&2; exit 1; }
[[ ! -e $kept/page/well-dark.png ]] || cp "$kept/page/well-dark.png" "$kept/page-well.png"
[[ ! -e $kept/page/broken-light.png ]] || cp "$kept/page/broken-light.png" "$kept/page-broken.png"
for name in $terminals; do [[ ! -e $kept/$name.txt ]] || node tests/handbook.mjs terminal "$kept" "$name"; done
[[ ! -e build/gameday/report.html ]] || node tests/handbook.mjs report build/gameday/report.html "$kept/gameday.png"
for picture in "$kept"/*.png; do
	pngquant --force --strip --speed 1 --output "docs/pictures/$(basename "$picture")" 48 "$picture"
done
# With some tests alone the others' blocks stay as they are.
node tests/handbook.mjs fill "$kept" docs/runbooks/*.md docs/operations.md || [[ $# -gt 0 ]]
ls -l docs/pictures
