#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# scrape.sh - what a page of /metrics with 1,000 nodes costs: how long its own thread writes it, how long a
# client waits for all of it, and how long it keeps a thread that serves requests at once.
#
#   curl ──> sluiced 127.0.0.1:8109, 10 pools of 100 nodes that are not there (nobody asks them)
#
# ROUNDS pages, the best and the median of each figure: the best is the work, what lies between is the
# machine's other work. The bars are of issue 6: 20 ms, and 1 ms on a loop thread.
set -u
cd "$(dirname "$0")/../.." || exit 2
rounds=${ROUNDS:-41} nodes=${NODES:-1000}
tmp=$(mktemp -d)
trap 'kill -KILL ${daemon:-} 2>/dev/null; rm -rf "$tmp"' EXIT
{
	printf 'listen: 127.0.0.1:8109\nadmin_socket: none\nthreads: 2\nkernel: {pin_dir: %s/no-bpf}\npools:\n' "$tmp"
	for p in $(seq 10); do
		printf '  pool%d: {metrics: {scrape: never}, nodes: [' "$p"
		for n in $(seq $((nodes / 10))); do printf '"127.1.%d.%d:8000",' "$p" "$n"; done
		printf ']}\n'
	done
	printf 'routes:\n'
	for p in $(seq 10); do printf '  - {model: m%d, pools: pool%d}\n' "$p" "$p"; done
} | sed 's/,\]/]/' >"$tmp/sluice.yaml"
"${SLUICED:-build/sluiced}" "$tmp/sluice.yaml" >"$tmp/log" 2>&1 &
daemon=$!
for _ in $(seq 200); do
	curl -sf -o /dev/null http://127.0.0.1:8109/health && break
	sleep 0.05
done
of() { sed -n "s/^$1 //p" "$tmp/page"; }
for _ in $(seq "$rounds"); do
	curl -s -o "$tmp/page" -w '%{time_total}\n' http://127.0.0.1:8109/metrics >>"$tmp/waits"
	of sluice_scrape_render_seconds >>"$tmp/renders"
done
sed -i 1d "$tmp/renders" # the first page knows of none before it
[ -s "$tmp/renders" ] || { tail -n 5 "$tmp/log"; exit 1; }
best() { sort -g "$1" | head -n 1; }
median() { sort -g "$1" | sed -n "$((($(wc -l <"$1") + 1) / 2))p"; }
# bar NAME BEST MEDIAN BAR, in ms: the best counts
bar() {
	awk -v name="$1" -v best="$2" -v median="$3" -v bar="$4" 'BEGIN {
		printf "%-58s %7.2f ms (median %.2f)   bar %g ms: %s\n", name, best * 1e3, median * 1e3, bar,
			best * 1e3 <= bar ? "reached" : "NOT reached" }'
}
printf '%d nodes, %d bytes, %d lines, %d pages\n' "$nodes" "$(wc -c <"$tmp/page")" "$(wc -l <"$tmp/page")" "$rounds"
bar "page written, on a thread that serves no request" "$(best "$tmp/renders")" "$(median "$tmp/renders")" 20
bar "whole scrape, as the client sees it" "$(best "$tmp/waits")" "$(median "$tmp/waits")" 20
most=$(of sluice_scrape_loop_seconds_max)
bar "most that it kept a thread that serves, of all rounds" "$most" "$most" 1
