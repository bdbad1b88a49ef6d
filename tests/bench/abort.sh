#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# abort.sh - how soon queue place, slot and server are free when a client leaves, by the wall clock, the
# test's own share included: the rounds of tests/e2e/abort.sh with two threads, then with one. Root (veth).
# At a real-time priority where it may: else what others do on the machine would be in it.
set -u
cd "$(dirname "$0")/../.." || exit 2
out=$(mktemp)
trap 'rm -f "$out"' EXIT
realtime=()
chrt --rr 1 true 2>/dev/null && realtime=(chrt --rr 1)
"${realtime[@]}" tests/e2e/abort.sh >"$out" 2>&1
status=$?
sed -n 's/^# \(.* free after .*\)/\1/p' "$out"
[ "$status" -eq 0 ] || grep '^not ok' "$out"
exit "$status"
