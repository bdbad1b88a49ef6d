#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# retry.sh - how long clients wait for a connect while one of four nodes is sick.
#
#   client --- sluice --- node1, node2 (refuses, or swallows everything), node3, node4
#
# No daemon runs. Rows: all nodes well; node 2 refuses (its port is closed); node 2 is a black hole.
# Each with the breaker as it is by default, which lets at most a few connects near the node, and
# with breaker.mode=1, which never opens: then about every fourth connect meets the node and the
# retry in the kernel (connect.retries) alone keeps it from failing. The last rows switch the retry
# off for comparison. A black hole costs the client's own first repeat of its SYN, one second.
# COUNT=N changes the connects of the first rows; those that wait for seconds are a tenth of it.
. "$(dirname "$0")/../net/lib.sh"
dial=$build/bench/dial
count=${COUNT:-10000}
[[ -x $dial ]] || { echo "retry: $dial is missing: make bench" >&2; exit 2; }
ulimit -n "$(ulimit -Hn)"

start_node() { # NUMBER
	nsenter --net="/run/netns/sl$$-node$1" "$dial" serve "$(node_address "$1")" &
	server_pids[$1]=" $!"
	wait_for 10 answers "$(node_address "$1")"
}
answers() { ns client "$dial" connect "$1" 1 0 1 | grep -q 'failed 0'; }

# row NAME COUNT PARALLEL: connects, and prints how it went
row() {
	local out
	out=$(ns client "$dial" connect "$vip" "$2" 0 "$3") || exit 1
	printf '%-44s %8s %8s %9s %9s %9s %9s\n' "$1" "$2" $(awk '{
		for (i = 1; i < NF; i += 2) v[$i] = $(i + 1)
		print v["failed"], v["p50_us"], v["p90_us"], v["p99_us"], v["max_us"]}' <<<"$out")
}
# Breakers closed, and no memory of what was.
anew() { # TUNABLE=VALUE...
	down
	# the guard's limit is raised: one client stands for many
	write_config 4 4 "guard.source_per_s: 1000000, guard.source_burst: 1000000${*:+, $*}"
	up || exit 1
	ns client "$dial" connect "$vip" 100 0 4 >/dev/null
}

setup 4
printf '%-44s %8s %8s %9s %9s %9s %9s\n' "" connects failed "p50 us" "p90 us" "p99 us" "max us"
anew
row "all nodes well" "$count" 8
sick() { # HOW MAKE_SICK MAKE_WELL PARALLEL
	local open=breaker.open_ms:\ 10m,\ breaker.open_max_ms:\ 10m
	anew "$open"
	$2
	row "node 2 $1" "$count" 8
	$3
	anew "$open, breaker.mode: 1"
	$2
	row "  the breaker only measures" $((count / 10)) "$4"
	$3
	anew "$open, breaker.mode: 1, connect.retries: 0"
	$2
	row "  and the retry is off" $((count / 10)) "$4"
	$3
}
close_port() { stop_node 2; }
open_port() { start_node 2; }
swallow() { blackhole_node 2; }
answer() { unblackhole_node 2; }
sick "refuses" close_port open_port 8
sick "is a black hole" swallow answer 256
exit 0
