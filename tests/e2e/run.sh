#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh [BUILD_DIR] - all end-to-end tests, one after the other; prints each line and a sum.
#
# Each test owns its namespaces and cleans up by itself (lib.sh). E2E_ONLY="kill sdk" runs some.
set -u
cd "$(dirname "$0")/../.." || exit 1
export SLUICE_BUILD=${1:-${SLUICE_BUILD:-build}}
tests=${E2E_ONLY:-curl smuggling faults resume sdk messages keys limits cache tls breaker health kill fallback causes retry reload import backends memory}
failed=0
lines=$(mktemp)
current=
trap 'rm -f "$lines"' EXIT
trap '[ -n "$current" ] && kill -TERM $current 2>/dev/null; exit 130' INT TERM

tests/e2e/deps.sh || echo "not ok e2e: npm packages could not be installed" | tee -a "$lines"
for name in $tests; do
	# A test that hangs is a failure, not a wait for ever.
	timeout --foreground 300 tests/e2e/"$name".sh > >(tee -a "$lines") 2>&1 &
	current=$!
	wait $current
	status=$?
	current=
	((status == 0)) && continue
	failed=$((failed + 1))
	echo "not ok $name: exit status $status" | tee -a "$lines"
done
sleep 0.1
echo "e2e: $(grep -c '^ok ' "$lines") ok, $(grep -c '^not ok ' "$lines") not ok, in $SECONDS s"
((failed == 0)) && ! grep -q '^not ok ' "$lines"
