#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh [NAME...] - runs the fuzzers (all, or those named), two at a time, FUZZ_SECONDS each (60), or
# FUZZ_OTHERS_SECONDS those that are not the first to read a stranger's bytes (FUZZ_SECONDS).
#
# Each begins with tests/fuzz/corpus/NAME; a run of 30 s or more also with what earlier ones learnt, in
# build/fuzz/corpus/NAME, and keeps there what it learns. A finding fails the run; the input that shows
# it is in build/fuzz/found and named with the command that repeats it. FUZZ_MERGE=1 afterwards rewrites
# tests/fuzz/corpus/NAME with a small set of small inputs that reaches as much (FUZZ_MERGE_BYTES each at
# most, 400).
set -u
cd "$(dirname "$0")/../.." || exit 2
# The first readers of what strangers send, and of the file that starts all.
first=" h1_request h1_response h1_chunk sse json config "
first_seconds=${FUZZ_SECONDS:-60}
others_seconds=${FUZZ_OTHERS_SECONDS:-$first_seconds}
jobs=2 # beside each other; the bounds below allow for a machine that others use too
found=build/fuzz/found
mkdir -p "$found"
export ASAN_OPTIONS=detect_leaks=${SLUICE_LEAKS:-1}:allocator_may_return_null=1
export LSAN_OPTIONS=suppressions=tests/fuzz/lsan.suppress:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1

# What a program may take: the readers of YAML cost most a byte.
longest() {
	case $1 in
	config | litellm) echo 2000 ;;
	h1_* | sse) echo 3000 ;;
	*) echo 4000 ;;
	esac
}

fuzz() { # NAME
	local name=$1 log=build/fuzz/$1.log own=build/fuzz/corpus/$1 dict=tests/fuzz/$1.dict status
	local seconds=$others_seconds
	[[ $first != *" $1 "* ]] || seconds=$first_seconds
	local options=(-max_total_time="$seconds" -max_len="$(longest "$name")" -timeout=60 -rss_limit_mb=2048
		-print_final_stats=1 -artifact_prefix="$found/$name-")
	[ -f "$dict" ] && options+=(-dict="$dict")
	[ -x build/fuzz/"$name" ] || { echo "not ok fuzz/$name: build/fuzz/$name is missing: make fuzzers"; return 1; }
	[ -n "$(ls tests/fuzz/corpus/"$name" 2>/dev/null)" ] ||
		{ echo "not ok fuzz/$name: tests/fuzz/corpus/$name is missing or empty"; return 1; }
	((seconds >= 30)) || own=build/fuzz/new/$name
	[ "$own" = build/fuzz/new/"$name" ] && rm -rf "$own"
	mkdir -p "$own"
	timeout --kill-after=10 $((seconds + 300)) build/fuzz/"$name" "${options[@]}" "$own" \
		tests/fuzz/corpus/"$name" >"$log" 2>&1
	status=$?
	if [ $status -ne 0 ]; then
		echo "not ok fuzz/$name: status $status: $(grep -m1 -E 'not so|ERROR|SUMMARY|runtime error' "$log")"
		grep -oE "$found/$name-[a-z]+-[0-9a-f]+" "$log" | sort -u | sed "s|^|# repeat: build/fuzz/$name |"
		return 1
	fi
	awk -v name="$name" '/number_of_executed_units/ { runs = $2 } / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
		END { printf "ok fuzz/%s: %d inputs, %d places reached\n", name, runs, cov }' "$log"
}

merge() { # NAME
	local name=$1 new=build/fuzz/merged-$1
	rm -rf "$new" && mkdir -p "$new"
	build/fuzz/"$name" -set_cover_merge=1 -use_counters=0 -max_len="${FUZZ_MERGE_BYTES:-400}" "$new" tests/fuzz/corpus/"$name" \
		build/fuzz/corpus/"$name" >build/fuzz/"$name".merge.log 2>&1 || return 1
	rm -rf tests/fuzz/corpus/"$name" && mv "$new" tests/fuzz/corpus/"$name"
}

names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(basename -s .c tests/fuzz/*.c)
# The long ones begin first: none is left to run alone at the end.
early=() late=()
for name in "${names[@]}"; do
	if [[ $first == *" $name "* ]]; then early+=("$name"); else late+=("$name"); fi
done
failed=0
running=0
for name in "${early[@]}" "${late[@]}"; do
	if ((running == jobs)); then
		wait -n || failed=1
		running=$((running - 1))
	fi
	fuzz "$name" &
	running=$((running + 1))
done
for ((; running > 0; running--)); do wait -n || failed=1; done
if [ "${FUZZ_MERGE:-}" = 1 ]; then
	for name in "${names[@]}"; do merge "$name" || failed=1; done
fi
exit $failed
