#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh [BUILD_DIR] - all end-to-end tests; prints each line and a sum.
#
# Each test owns its namespaces and cleans up by itself (lib.sh). They wait more than they compute, so
# two a processor run at a time, or E2E_JOBS; a test's lines come when it ends. E2E_ONLY="kill sdk"
# runs some.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/cpu.sh
cpu_begin
export SLUICE_BUILD=${1:-${SLUICE_BUILD:-build}}
# A test is what sources lib.sh. Those that take longest begin first.
longest="cache curl slow tls affinity retry"
all=$(grep -l '^\. .*/lib\.sh"' tests/e2e/*.sh | sed 's|.*/||; s|\.sh$||')
tests=${E2E_ONLY:-$(printf '%s\n' $longest $all | awk '!seen[$0]++')}
jobs=${E2E_JOBS:-$((2 * $(nproc)))}
failed=0
out=$(mktemp -d)
lines=$out/lines
: >"$lines"
declare -A running=() started=() # by process: the test's name, and when it began
stop() {
	for pid in "${!running[@]}"; do kill -TERM "$pid" 2>/dev/null; done
	wait
	exit 130
}
trap 'rm -rf "$out"; cpu_end' EXIT
trap stop INT TERM

start() { # NAME
	# A test that hangs is a failure, not a wait for ever.
	(
		cpu_enter "$1"
		exec timeout --foreground 600 tests/e2e/"$1".sh
	) >"$out/$1" 2>&1 </dev/null &
	running[$!]=$1
	started[$!]=$SECONDS
}
end_one() { # waits for any, and shows it
	local pid status name
	wait -n -p pid "${!running[@]}"
	status=$?
	name=${running[$pid]}
	unset "running[$pid]"
	tee -a "$lines" <"$out/$name"
	echo "# $name: $((SECONDS - started[$pid])) s, $(cpu_seconds "$name") s of CPU"
	((status == 0)) && return
	failed=$((failed + 1))
	echo "not ok $name: exit status $status" | tee -a "$lines"
}

tests/e2e/deps.sh || echo "not ok e2e: npm packages could not be installed" | tee -a "$lines"
for name in $tests; do
	((${#running[@]} < jobs)) || end_one
	start "$name"
done
while ((${#running[@]})); do end_one; done
echo "e2e: $(grep -c '^ok ' "$lines") ok, $(grep -c '^not ok ' "$lines") not ok, in $SECONDS s"
((failed == 0)) && ! grep -q '^not ok ' "$lines"
