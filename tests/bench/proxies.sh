#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# proxies.sh - compares sluiced with haproxy and nginx on this machine, side by side in one run.
#
#   tests/bench/proxies.sh [chat] [relay] [calls] [jitter] [memory] [scale] [latency] [body] [parts]
#                                                                              default: all
#
# Rounds alternate the order of the proxies; a cell is the median of the rounds, a ratio the median
# of the rounds' ratios. CPU is the time of the proxy's own processes, not elapsed time, so it holds
# on a busy machine too. See docs/benchmarks.md. ROUNDS=N changes the rounds, SLUICED=path the daemon.
# Results: a table here, all samples and the table in build/bench/results.json.
set -u
cd "$(dirname "$0")/../.." || exit 2

# A network and process namespace of its own: free ports, and nothing survives.
if [ -z "${BENCH_INSIDE:-}" ]; then
	for flags in "" -r; do
		# shellcheck disable=SC2086
		if unshare $flags --net --pid --mount-proc --fork true 2>/dev/null; then
			# shellcheck disable=SC2086
			BENCH_INSIDE=1 exec unshare $flags --net --pid --mount-proc --fork --kill-child "$0" "$@"
		fi
	done
	echo "bench: no network namespace: run as root, or allow user namespaces" \
		"(sysctl kernel.unprivileged_userns_clone=1)" >&2
	exit 1
fi

tmp=$(mktemp -d)
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
trap 'stop_all; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
ulimit -n 250000 2>/dev/null || ulimit -n "$(ulimit -Hn)" # for scale
for tool in haproxy nginx wrk curl jq; do
	command -v "$tool" >/dev/null || die "$tool is missing: make deps"
done
for program in build/sluiced build/standin build/bench/usage build/bench/streams; do
	[ -x "$program" ] || die "$program is missing: make bench"
done
ip link set lo up

rounds=${ROUNDS:-9} # of what the bars are about; haproxy alone varies by a third between rounds
proxies=(sluiced epoll haproxy nginx)
raw=build/bench/samples.tsv # metric proxy round value; kept
: >"$raw"
[ $# -eq 0 ] && set -- chat relay calls jitter memory scale latency body parts

note() { printf '\r\033[K%s' "$*" >&2; }
add() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$raw"; }

cpu_ns() {
	build/bench/usage "${pid[$1]}" | cut -d' ' -f1
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

# order ROUND: the proxies, begun at another one in each round.
order() {
	local i n=${#proxies[@]}
	for i in $(seq 0 $((n - 1))); do echo "${proxies[$(((i + $1) % n))]}"; done
}

# load NAME CONNECTIONS SECONDS: runs wrk, sets requests, p50_us, p99_us.
load() {
	local out
	out=$(wrk -t1 -c"$2" -d"$3"s -s tests/bench/chat.lua "http://127.0.0.1:${port[$1]}/" 2>&1)
	eval "$(sed -n 's/^result //p' <<<"$out")"
	if [ -z "${requests:-}" ] || [ "$requests" -lt 20 ] || [ "$errors" -ne 0 ]; then
		printf '\n%s\n' "$out" >&2
		tail -3 "$tmp/$1.log" >&2
		die "$1: requests failed under load"
	fi
}

# per_1000 METRIC NAME ROUND CONNECTIONS SECONDS: CPU ms per 1,000 requests.
per_1000() {
	local before after
	before=$(cpu_ns "$2") || die "$2 is gone"
	load "$2" "$4" "$5"
	after=$(cpu_ns "$2") || die "$2 is gone after $1"
	add "$1" "$2" "$3" "$(awk "BEGIN {print ($after - $before) / $requests / 1000}")"
}

# value NAME=... of the last line of `streams`.
field() { tr ' ' '\n' <<<"$streams_out" | sed -n "s/^$1=//p"; }

hold() { # NAME ARGUMENT...
	local name=$1
	shift
	streams_out=$(build/bench/streams --target "127.0.0.1:${port[$name]}" --pids "${pid[$name]}" "$@") ||
		die "$name: streams failed"
}

warm_up() {
	local name
	token_us 0
	for name in "${proxies[@]}" gather direct; do load "$name" 32 1; done
}

# All get the same requests, with the key that "full" asks for. haproxy's sample counts for each row.
chat() {
	local r name proxies=("${proxies[@]}" full bare)
	start full
	start bare
	export BENCH_KEY=$bench_key
	for r in $(seq "$rounds"); do
		for name in $(order "$r"); do
			note "chat: round $r of $rounds: $name"
			per_1000 chat_cpu_ms "$name" "$r" 32 1
			add chat_per_s "$name" "$r" "$(awk "BEGIN {print $requests / $duration_us * 1e6}")"
		done
	done
	unset BENCH_KEY
	stop full
	stop bare
	for name in full bare; do
		awk -F'\t' -v OFS='\t' -v name="$name" '$1 == "chat_cpu_ms" && $2 == name {print name "_cpu_ms", "sluiced", $3, $4}
			$1 == "chat_cpu_ms" && $2 == "haproxy" {print name "_cpu_ms", $2, $3, $4}' "$raw" >"$tmp/$name"
		cat "$tmp/$name" >>"$raw"
	done
}

body() {
	local r name
	export PROMPT_BYTES=220000
	for r in $(seq 3); do
		for name in $(order "$r"); do
			note "body: round $r of 3: $name"
			per_1000 body_cpu_ms "$name" "$r" 8 2
		done
	done
	unset PROMPT_BYTES
}

latency() {
	local r name p50
	for r in 1 2 3; do
		load direct 1 1
		p50=$p50_us
		for name in $(order "$r"); do
			note "latency: round $r of 3: $name"
			load "$name" 1 1
			add latency_p50_us "$name" "$r" $((p50_us - p50))
			add latency_p99_us "$name" "$r" "$p99_us"
		done
	done
}

# relay_once METRIC NAME ROUND
relay_once() {
	hold "$2" --streams 1000 --tokens 160 --open-ms 500 --window-ms 1900
	add "$1" "$2" "$3" "$(awk "BEGIN {print $(field cpu_ns) / $(field events) / 1000}")"
}

# 1,000 streams of 25 ms a token: 40,000 tokens a second. haproxy's sample counts for both rows.
relay() {
	local r name
	token_us 25000
	for r in $(seq $((rounds * 7 / 9 + 1))); do
		for name in $(printf '%s\n' sluiced haproxy nginx gather sluiced haproxy nginx gather | tail -n +$((r % 4 + 1)) | head -4); do
			note "relay: round $r: $name"
			relay_once relay_cpu_s "$name" "$r"
		done
	done
	token_us 0
	awk -F'\t' -v OFS='\t' '$1 == "relay_cpu_s" && $2 == "gather" {print "gather_cpu_s", "sluiced", $3, $4}
		$1 == "relay_cpu_s" && $2 == "haproxy" {print "gather_cpu_s", $2, $3, $4}' "$raw" >"$tmp/gather"
	cat "$tmp/gather" >>"$raw"
}

# System calls for each token, counted apart because counting costs time. Needs perf; else no row.
calls() {
	local name
	perf stat -x, -e raw_syscalls:sys_enter true >/dev/null 2>&1 || return 0
	token_us 25000
	for name in sluiced haproxy nginx gather; do
		note "calls: $name"
		streams_out=$(perf stat -x, -o "$tmp/perf" -e raw_syscalls:sys_enter -p "${pid[$name]}" \
			build/bench/streams --target "127.0.0.1:${port[$name]}" --pids "${pid[$name]}" \
			--streams 1000 --tokens 80 --open-ms 700 --window-ms 500) || die "$name: streams failed"
		add calls_per_1000 "$name" 1 "$(awk -F, -v n="$(field total)" '/sys_enter/ {print $1 * 1000 / n}' "$tmp/perf")"
	done
	token_us 0
	awk -F'\t' -v OFS='\t' '$1 == "calls_per_1000" && $2 == "gather" {print "gather_calls", "sluiced", $3, $4}' "$raw" >"$tmp/gather"
	cat "$tmp/gather" >>"$raw"
}

# What 1,000 open streams cost in time: first tokens, and how even the others come. "direct" is one
# stand-in without a proxy: what the machine and the client themselves add.
jitter() {
	local r name
	token_us 25000
	for r in 1 2 3; do
		for name in $(order "$r") gather direct; do
			[ "$name" = epoll ] && continue
			note "jitter: round $r of 3: $name"
			hold "$name" --streams 1000 --tokens 4000 --open-ms 2000 --window-ms 1900 --gap-us 25000 --leave
			add first_p50_us "$name" "$r" "$(field first_p50_us)"
			add first_p99_us "$name" "$r" "$(field first_p99_us)"
			add jitter_p50_us "$name" "$r" "$(field jitter_p50_us)"
			add jitter_p99_us "$name" "$r" "$(field jitter_p99_us)"
		done
	done
	token_us 0
	awk -F'\t' -v OFS='\t' '$1 ~ /^(first|jitter)_/ && $2 == "gather" {print "gather_" $1, "sluiced", $3, $4}
		$1 ~ /^(first|jitter)_/ && $2 == "haproxy" {print "gather_" $1, $2, $3, $4}' "$raw" >"$tmp/gather"
	cat "$tmp/gather" >>"$raw"
}

# at_most N FILES SPARE: N, or what the limit of open files leaves when one takes FILES of them.
at_most() {
	local most=$((($(ulimit -n) - $3) / $2))
	echo $(($1 < most ? $1 : most))
}

# What must be held, by the daemon alone: 10,000 open streams, 100,000 idle connections.
scale() {
	local streams idle
	streams=$(at_most 10000 2 100)
	idle=$(at_most 100000 1 1500) # up to 1024 connections to nodes are kept
	start scale
	note "scale: $streams streams"
	token_us 2000000
	hold scale --streams "$streams" --open-ms 8000 --window-ms 2000 --tokens 1000 --leave
	add scale_streams sluiced 1 "$(field open)"
	add scale_streams_mib sluiced 1 $(($(field pss_bytes) >> 20))
	token_us 0
	stop scale
	start scale
	note "scale: $idle idle connections"
	hold scale --streams "$idle" --open-ms $((idle / 4)) --window-ms 2000 --tokens 1 --idle
	add scale_idle sluiced 1 "$(field open)"
	add scale_idle_mib sluiced 1 $(($(field pss_bytes) >> 20))
	stop scale
	[ "$idle" -eq 100000 ] ||
		printf '\r\033[Kscale: a process may open %s files here; ulimit -n 120000 is needed for all\n' "$(ulimit -n)" >&2
}

# memory_slope KIND NAME ROUND: PSS between 1,000 and 4,000 connections of a fresh process, so that
# what is paid once does not count.
memory_slope() {
	local small flags=(--idle --tokens 16)
	note "memory: $1: round $3: $2"
	stop "$2"
	start "$2"
	load "$2" 32 1
	if [ "$1" = stream ]; then
		flags=(--leave --tokens 1000)
		token_us 500000
	fi
	hold "$2" --streams 1000 --open-ms 400 --window-ms 600 "${flags[@]}"
	small=$(field pss_bytes)
	hold "$2" --streams 4000 --open-ms 1600 --window-ms 600 "${flags[@]}"
	token_us 0
	add "memory_$1_b" "$2" "$3" $((($(field pss_bytes) - small) / 3000))
	if [ "$1" = stream ]; then add memory_4000_mib "$2" "$3" $(($(field pss_bytes) >> 20)); fi
}

# Both back ends of sluiced keep the same structs: io_uring, which has buffers besides, stands here.
memory() {
	local r name
	for name in sluiced haproxy nginx; do
		for r in 1 2; do memory_slope stream "$name" "$r"; done
		memory_slope idle "$name" 1
	done
}

parts() {
	local program arguments
	for program in parse io; do
		[ -x "build/bench/$program" ] || continue
		note "parts: $program"
		arguments=()
		[ $program = io ] && arguments=(20000 2)
		timeout 90 "build/bench/$program" "${arguments[@]}" >"$tmp/$program.txt" 2>&1 ||
			echo "(failed with status $?)" >>"$tmp/$program.txt"
	done
	note ""
}

# ---- the table ----------------------------------------------------------------------------------

summarise() {
	jq -Rn --arg machine "$(uname -srm), $(nproc) CPUs" \
		--arg haproxy "$(haproxy -v | sed -n '1s/HAProxy version \([^ ]*\).*/\1/p')" \
		--arg nginx "$(nginx -v 2>&1 | sed 's/.*nginx.//')" \
		'def median: sort | if length % 2 == 1 then .[length / 2 | floor]
		   else (.[length / 2 - 1] + .[length / 2]) / 2 end;
		 [inputs | split("\t") | {metric: .[0], proxy: .[1], round: .[2], value: (.[3] | tonumber)}]
		 | {machine: $machine, versions: {haproxy: $haproxy, nginx: $nginx}, samples: .,
		    table: (group_by(.metric) | map({key: .[0].metric, value: (
		       (map(select(.proxy == "haproxy")) | map({key: .round, value: .value}) | from_entries) as $h
		       | group_by(.proxy) | map({key: .[0].proxy, value: ({
		           median: (map(.value) | median),
		           ratios: map(if ($h[.round] // 0) > 0 then .value / $h[.round] else empty end)}
		           | .to_haproxy = (.ratios | if length > 0 then median else null end))})
		       | from_entries)}) | from_entries)}' <"$raw" >build/bench/results.json
}

row() { # METRIC TEXT FORMAT
	local name value
	jq -e --arg m "$1" '.table[$m]' build/bench/results.json >/dev/null || return
	printf '%-48s' "$2"
	for name in "${proxies[@]}"; do
		value=$(jq --arg m "$1" --arg p "$name" '.table[$m][$p].median // empty' build/bench/results.json)
		# shellcheck disable=SC2059
		printf ' %10s' "$([ -n "$value" ] && printf "$3" "$value" || echo -)"
	done
	for name in sluiced epoll nginx; do
		printf ' %7s' "$(jq -r --arg m "$1" --arg p "$name" \
			'.table[$m][$p].to_haproxy | if . == null then "-" else (. * 100 | round / 100) end' build/bench/results.json)"
	done
	echo
}

# direct METRIC: its median without a proxy.
direct() { jq --arg m "$1" '.table[$m].direct.median // "-"' build/bench/results.json; }

# The median decides; the spread tells how much that is worth.
bar() { # METRIC TEXT BAR
	jq -r --arg m "$1" --arg t "$2" --argjson b "$3" 'def r: . * 100 | round / 100;
		.table[$m].sluiced // empty
		| "\($t): \(.to_haproxy | r) x haproxy, bar \($b): \(if .to_haproxy <= $b then "reached" else "missed" end)" +
		  " (\(.ratios | length) rounds: \(.ratios | min | r) to \(.ratios | max | r), " +
		  "\(.ratios | map(select(. <= $b)) | length) of them at most \($b))"' build/bench/results.json
}

print_table() {
	printf '%s; haproxy %s, nginx %s; %s threads each, 3 nodes, keep-alive\n\n' \
		"$(jq -r .machine build/bench/results.json)" "$(jq -r .versions.haproxy build/bench/results.json)" \
		"$(jq -r .versions.nginx build/bench/results.json)" "$threads"
	printf '%-48s %10s %10s %10s %10s   ratio to haproxy of\n' "" sluiced sl.epoll haproxy nginx
	printf '%-48s %10s %10s %10s %10s %7s %7s %7s\n' "" "" "" "" "" sluiced epoll nginx
	row chat_cpu_ms "CPU ms / 1,000 chat requests (32 conns)" %.2f
	row full_cpu_ms "  with key, limits, prices" %.2f
	row bare_cpu_ms "  with everything off that can be" %.2f
	row body_cpu_ms "CPU ms / 1,000 requests with 220 KB body" %.1f
	row relay_cpu_s "CPU s / 1 M relayed tokens (1,000 streams)" %.2f
	row calls_per_1000 "system calls / 1,000 relayed tokens" %.0f
	row gather_cpu_s "  CPU s / 1 M with gather_us: 1000" %.2f
	row gather_calls "  system calls / 1,000 with gather_us: 1000" %.0f
	row memory_stream_b "memory: bytes per open stream" %.0f
	row memory_idle_b "memory: bytes per idle connection" %.0f
	row memory_4000_mib "memory: MiB with 4,000 open streams" %.0f
	row scale_streams "open streams held" %.0f
	row scale_streams_mib "  MiB with them" %.0f
	row scale_idle "idle connections held" %.0f
	row scale_idle_mib "  MiB with them" %.0f
	row first_p50_us "first token with 1,000 streams, p50, us" %.0f
	row first_p99_us "first token with 1,000 streams, p99, us" %.0f
	row jitter_p50_us "jitter between tokens, 1,000 streams, p50, us" %.0f
	row jitter_p99_us "jitter between tokens, 1,000 streams, p99, us" %.0f
	row gather_first_p50_us "  first token with gather_us: 1000, p50, us" %.0f
	row gather_first_p99_us "  first token with gather_us: 1000, p99, us" %.0f
	row gather_jitter_p99_us "  jitter with gather_us: 1000, p99, us" %.0f
	row latency_p50_us "latency added, 1 connection, p50, us" %.0f
	row latency_p99_us "latency, 1 connection, p99, us" %.0f
	row chat_per_s "for information: chat requests / s reached" %.0f
	printf '%s\n' "without a proxy, 1,000 streams: first token p50 $(direct first_p50_us), p99 $(direct first_p99_us) us;" \
		"jitter p50 $(direct jitter_p50_us), p99 $(direct jitter_p99_us) us"
	echo
	bar chat_cpu_ms "CPU per chat request" 0.85
	bar full_cpu_ms "CPU per chat request (key, limits, prices)" 0.85
	bar bare_cpu_ms "CPU per chat request (all off that can be)" 0.75
	bar first_p99_us "first token with 1,000 streams, p99" 1
	bar jitter_p99_us "jitter between tokens, p99" 1
	bar relay_cpu_s "CPU per relayed token (no token waits)" 0.7
	bar gather_cpu_s "CPU per relayed token (gather_us: 1000)" 0.45
	for part in parse io; do
		[ -s "$tmp/$part.txt" ] || continue
		printf '\n%s\n' "build/bench/$part"
		sed 's/^/    /' "$tmp/$part.txt"
	done
}

start_standins
for name in "${proxies[@]}" gather; do start "$name"; done
note "warming up"
warm_up
for part in "$@"; do
	declare -F "$part" >/dev/null || die "unknown part \"$part\""
	start_s=$SECONDS
	"$part"
	printf '\r\033[K%s: %d s\n' "$part" $((SECONDS - start_s)) >&2
done
note ""
summarise || die "the samples in $raw could not be summed up"
print_table
