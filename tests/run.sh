#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs test programs and counts their cases: tests/run.sh GROUP...
#
#   lint   layer rules, formatting, static analysis, documents
#   unit   build/unit/*/*           unit-san   the same under the sanitizers
#   sim    build/sim/breaker        every interleaving at the breakers of one pool
#          build/sim/policies       the policies before model servers, in virtual time, many seeds
#   sim-mutants  tests/sim/mutants.sh  the same against broken breakers, each must be found
#   fuzz   tests/fuzz/run.sh        libFuzzer, 60 s for the first readers of a stranger's bytes, 5 s
#                                   for the others; or FUZZ_SECONDS each
#   bpf    build/bpf-suite, build/bpf/fixtures_*   packets through test runs of the BPF object
#   net    tests/net/*.sh           real packets in network namespaces
#   e2e    tests/e2e/run.sh         real clients, real servers      e2e-san   under the sanitizers
#   standin  the stand-in server's own test
#   vm     vmtest/run all           bpf and net again inside other kernels
#
# A case is a line "ok NAME" or "not ok NAME: why", or one of cmocka's own. A program that fails
# without naming a case counts as one failed case; one that names none and succeeds, as passed.
# Logs: build/test-logs. Seconds of the clock and of the processors, each program's: build/times.txt, the
# most expensive first; each group's at the end of the output. Then come all that failed, by name; the
# last line is "N passed, N failed"; exit status 1 when any failed.
set -u
cd "$(dirname "$0")/.." || exit 2
. tests/cpu.sh
logs=build/test-logs
mkdir -p "$logs"
passed=0
failed=0
skipped=0
failures=()
complaints=$logs/failed # what failed, with the program's name
: >"$complaints"
complaints_max=60 # lines of it at the end, half of them of one program at most
tail_lines=12 # of a failed program's log; the whole is in $logs
limit_s=${TEST_LIMIT_S:-900}
times=build/times.txt
: >"$times"
cpu_begin
trap cpu_end EXIT

# logged NAME COMMAND...: becomes the program, its output in its log. In a process of its own.
logged() {
	local log=$logs/${1//\//-}.log
	cpu_enter "${1//\//-}"
	rm -f "$log.status"
	shift
	# its status is written down too: of several that end at the same moment bash may forget some
	exec timeout --kill-after=10 "$limit_s" \
		bash -c '"$@"; echo $? >"$0"' "$log.status" "$@" >"$log" 2>&1 </dev/null
}

# report NAME STATUS SECONDS: counts the cases of its log.
report() {
	local name=$1 rc=$2 seconds=$3 log ok bad skip cpu
	cpu=$(cpu_seconds "${name//\//-}")
	echo "$name $seconds $cpu" >>"$times"
	log=$logs/${name//\//-}.log
	ok=$(grep -cE '^(ok |\[       OK \] )' "$log")
	bad=$(grep -cE '^(not ok |\[  FAILED  \] [^0-9])' "$log")
	skip=$(grep -cE '^skip |^ok .* # SKIP' "$log")
	# cmocka names a failed test twice: once when it fails, once in its summary
	if grep -qE '^\[  FAILED  \] [0-9]+ test' "$log"; then bad=$(grep -E '^\[  FAILED  \] [0-9]+ test' "$log" | grep -oE '[0-9]+' | head -1); fi
	if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
	if [ "$rc" -eq 0 ] && [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ] && [ "$skip" -eq 0 ]; then ok=1; fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	if [ "$bad" -gt 0 ]; then
		failures+=("$name")
		printf 'FAIL  %-34s %3d passed %3d failed  %4ds %7s cpu  (status %d)\n' "$name" "$ok" "$bad" "$seconds" "$cpu" "$rc"
		complain "$name" "$rc" "$log"
		{ echo "--- end of $log:"; tail -n "$tail_lines" "$log"; } | cut -c1-240 | sed 's/^/      /'
	else
		printf 'ok    %-34s %3d passed             %4ds %7s cpu\n' "$name" "$ok" "$seconds" "$cpu"
	fi
}

# complain NAME STATUS LOG: says what failed in it, and keeps that for the end: of an output that is cut,
# the end is left.
complain() {
	local what
	what=$(grep -aE '^not ok |^\[  FAILED  \] [^0-9]|^\[  ERROR   \]|^\[   LINE   \]|runtime error:|ERROR: [A-Za-z]*Sanitizer' "$3")
	[ -n "$what" ] || what=$(grep -aE 'error:|warning:|FAILED' "$3" | head -n 10)
	[ -n "$what" ] || what="status $2, and no case says why: $(tail -n 1 "$3")"
	what=$(awk '!seen[$0]++' <<<"$what" | cut -c1-400)
	what=$(head -n $((complaints_max / 2)) <<<"$what")
	sed "s|^|$1: |" <<<"$what" >>"$complaints"
	sed 's/^/      /' <<<"$what"
}

# begin NAME COMMAND...: beside others, as many as there are processors or TEST_JOBS says; each is
# reported when it ends, the last ones by end_all.
declare -A running=() started=() aside=()
jobs=${TEST_JOBS:-$(nproc)}
begin() {
	while ((${#running[@]} - ${#aside[@]} >= jobs)); do end_one; done
	logged "$@" &
	running[$!]=$1
	started[$!]=$SECONDS
}
# begin_aside NAME COMMAND...: one that computes without a pause and has time, on what the others leave of
# the processors while they wait. It does not count as one of them; end_aside waits for it.
idle=(chrt --idle 0)
"${idle[@]}" true 2>/dev/null || idle=(nice -n 19)
begin_aside() {
	logged "$1" "${idle[@]}" "${@:2}" &
	running[$!]=$1
	started[$!]=$SECONDS
	aside[$!]=1
}
# later NAME COMMAND...: one of those, begun where the processors have a fifth to spare: beside the end-to-end
# tests under sanitizers, else beside the virtual machines, or after all.
late_names=()
declare -A late=()
later() {
	late_names+=("$1")
	late[$1]=$2
}
begin_late() {
	local name limit_s=2700
	for name in "${late_names[@]}"; do begin_aside "$name" "${late[$name]}"; done
	late_names=()
}
end_one() {
	local pid rc name
	wait -n -p pid "${!running[@]}" 2>/dev/null
	[ -n "${pid-}" ] || for pid in "${!running[@]}"; do kill -0 "$pid" 2>/dev/null || break; done
	name=${running[$pid]}
	rc=$(cat "$logs/${name//\//-}.log.status" 2>/dev/null || echo 124)
	unset "running[$pid]" "aside[$pid]"
	report "$name" "$rc" $((SECONDS - started[$pid]))
}
end_all() { while ((${#running[@]} > ${#aside[@]})); do end_one; done; }
end_aside() { while ((${#running[@]})); do end_one; done; }
# run NAME COMMAND...: without others.
run() {
	end_all
	begin "$@"
	end_all
}
stop() {
	for pid in "${!running[@]}"; do kill -TERM "$pid" 2>/dev/null; done
	wait
	exit 130
}
trap stop INT TERM HUP

# Groups that only begin their programs leave the last ones to run beside the next group's; those that need
# the machine for themselves wait for all first.
group_lint() {
	later lint/analysis tests/lint/analysis.sh
	begin lint/layers tests/lint/layers.sh
	begin lint/format tests/lint/format.sh
	begin lint/docs tests/lint/docs.sh
}

units() { # BUILD NAME
	local program
	for program in "$1"/unit/*/*; do
		[ -x "$program" ] && begin "$2/${program#"$1"/unit/}" "$program"
	done
}

group_unit() { units build unit; }
group_unit-san() { units build-san unit-san; }

group_sim() {
	begin sim/breaker build/sim/breaker
	begin sim/policies build/sim/policies
}
group_sim-mutants() {
	later sim/mutants tests/sim/mutants.sh
	later sim/policies-mutants tests/sim/policies/mutants.sh
}
group_standin() { begin standin/selftest tests/standin/selftest.sh; }

# All but the longest in one program, which loads the object once.
group_bpf() {
	begin bpf/suite build/bpf-suite
	begin bpf/fixtures_cut build/bpf/fixtures_cut
	begin bpf/fixtures_flip build/bpf/fixtures_flip
}

# Each test has namespaces and pins of its own. The longest begins first, for it loads programs a hundred
# times; what counts on connects that are not repeated for want of time comes last, beside one another;
# what looks for all that the kernel has let go of runs alone.
net_first=" upgrade "
net_last=" icmp ecmp "
net_alone=" updown "
group_net() {
	local script name
	end_aside
	# as on every host with systemd: a test that had mounted it would take the others' pins away with it
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	for name in $net_first; do begin "net/$name" "tests/net/$name.sh"; done
	for script in tests/net/*.sh; do
		name=$(basename "$script" .sh)
		[ -x "$script" ] && [[ $net_first$net_last$net_alone != *" $name "* ]] && begin "net/$name" "$script"
	done
	for name in $net_last; do begin "net/$name" "tests/net/$name.sh"; done
	for name in $net_alone; do run "net/$name" "tests/net/$name.sh"; done
}

# The end-to-end tests wait half of their time, and so does the cluster: the fuzzers take the rest.
group_fuzz() {
	FUZZ_OTHERS_SECONDS=${FUZZ_SECONDS:-5} FUZZ_SECONDS=${FUZZ_SECONDS:-60} \
		begin_aside fuzz tests/fuzz/run.sh
}
group_e2e() {
	end_all
	begin e2e tests/e2e/run.sh build
	begin cluster tests/e2e/cluster-selftest.sh
	end_all
}
group_e2e-san() {
	end_all
	begin_late
	run e2e-san tests/e2e/run.sh build-san
}
group_vm() {
	end_all
	limit_s=2700
	begin_late
	run vm vmtest/run all
}

for group in "$@"; do
	declare -F "group_$group" >/dev/null || { echo "tests/run.sh: unknown group \"$group\""; exit 2; }
	"group_$group"
done
end_all
begin_late
end_aside

# The cost of each group, the greatest first; of each program, in a file.
sort -k3,3nr -k2,2nr -o "$times" "$times"
awk '{ group = $1; sub("/.*", "", group); cpu[group] += $3; sum += $3 }
	END { for (group in cpu) printf "%s %.0f\n", group, cpu[group]; printf "all %.0f\n", sum }' "$times" |
	sort -k2,2nr | awk -v all="$SECONDS" '{ printf "%s%s %d", (NR > 1 ? ", " : "# seconds of CPU: "), $1, $2 }
		END { printf "; %d s in all\n", all }'

if [ "$failed" -gt 0 ]; then
	echo "--- all that failed:"
	head -n "$complaints_max" "$complaints"
	more=$(($(wc -l <"$complaints") - complaints_max))
	((more <= 0)) || echo "(and $more lines more in $complaints)"
	printf 'failed: %s\n' "${failures[*]}"
fi
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
