#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# observe.sh - what observability costs: CPU per request of the daemon with all of it on, over the same daemon with
# all of it off that can be.
#
#   load ──> sluiced "on"  127.0.0.1:8111 ──> three stand-in servers
#       └──> sluiced "off" 127.0.0.1:8112 ──┘
#   on: traces at 1 % and errors, metrics by OTLP each second to a collector that takes them, a scrape each
#   second, objectives with their database, the ledger of incidents, the audit trail
#
# Rounds take turns: COUNT requests to the one, then to the other, half of them streams of 50 tokens, and which is
# first changes. CPU is the process's own (user and system, all threads: the exporter and the ledger count too). A ratio is
# that of one round; the median of ROUNDS counts, for both daemons of a round met the same machine. The bar is
# of issue 6: 1.05.
set -u
cd "$(dirname "$0")/../.." || exit 2
rounds=${ROUNDS:-15} count=${COUNT:-4000} bar=1.05
load=${LOAD:-build/e2e/load}
[ -x "$load" ] || { echo "observe: $load is missing: make build/e2e/load"; exit 1; }
command -v node >/dev/null || { echo "observe: node is missing (package nodejs)"; exit 1; }
tmp=$(mktemp -d)
pids=()
trap 'kill -KILL "${pids[@]}" 2>/dev/null; rm -rf "$tmp"' EXIT
start() { "$@" >>"$tmp/log" 2>&1 & pids+=($!); disown; }
for n in 1 2 3; do start build/standin --listen 127.0.0.1:801$n --admin 127.0.0.1:901$n --name n$n --token-us 0; done
# A collector that takes what comes: an empty answer is "all of it".
start node -e 'require("http").createServer((q, a) => { q.resume(); q.on("end", () => a.writeHead(200, {"content-type": "application/x-protobuf"}).end()); }).listen(4311, "127.0.0.1")'
config() { # NAME PORT
	cat <<-END
		listen: 127.0.0.1:$2
		admin_socket: none
		threads: 2
		kernel: {pin_dir: $tmp/no-bpf}
		limits: {connections: 20000, requests: 20000, upstream_idle: 1024}
		pools:
		  bench: {nodes: [127.0.0.1:8011, 127.0.0.1:8012, 127.0.0.1:8013]}
		  otel: {nodes: [127.0.0.1:4311]}
		routes:
		  - {model: bench, pools: bench}
	END
	[ "$1" = on ] || return 0
	cat <<-END
		otlp: {pool: otel, metrics: 1s}
		tracing: {sample: 0.01, keep: errors}
		slo: {path: $tmp/slo.db, availability: 0.999, ttft: 0.99, ttft_under: 1s, latency: 0.99, latency_under: 10s}
		incidents: {path: $tmp/incidents.db}
		audit: {file: $tmp/audit}
	END
}
declare -A port=([on]=8111 [off]=8112) daemon=()
for name in on off; do
	config $name ${port[$name]} >"$tmp/$name.yaml"
	start build/sluiced "$tmp/$name.yaml"
	daemon[$name]=$!
	for _ in $(seq 200); do
		curl -sf -o /dev/null "http://127.0.0.1:${port[$name]}/health" && break
		sleep 0.05
	done
done
( while sleep 1; do curl -s -o "$tmp/page" http://127.0.0.1:8111/metrics; done ) &
pids+=($!)
disown
# CPU of the process in us: exact, where /proc/PID/stat has only hundredths of a second
cpu_us() { awk '{ sum += $1 } END { printf "%d\n", sum / 1000 }' /proc/"${daemon[$1]}"/task/*/schedstat; }
requests() { # NAME: sets us, CPU of one
	local before after done_
	before=$(cpu_us "$1")
	"$load" --url "127.0.0.1:${port[$1]}" --model bench --count "$count" --concurrency 32 --stream-percent 50 >"$tmp/load" 2>&1
	after=$(cpu_us "$1")
	done_=$(awk -F= '$1 == "whole_ok" || $1 == "stream_ok" { sum += $2 } END { print sum + 0 }' "$tmp/load")
	[ "$done_" -eq "$count" ] || { echo "observe: $1: $done_ of $count requests went well"; cat "$tmp/load"; tail -n 5 "$tmp/log"; exit 1; }
	us=$(awk -v a="$before" -v b="$after" -v n="$count" 'BEGIN { printf "%.3f", (b - a) / n }')
}
requests on; requests off # that do not count: connections, memory, what is learnt of the nodes
for round in $(seq "$rounds"); do
	order=(on off)
	[ $((round % 2)) = 0 ] || order=(off on)
	for name in "${order[@]}"; do
		requests "$name"
		printf '%s\n' "$us" >>"$tmp/$name.us"
	done
done
paste "$tmp/on.us" "$tmp/off.us" | awk '{ printf "%.4f\n", $1 / $2 }' | sort -g >"$tmp/ratios"
median() { sort -g "$1" | sed -n "$((($(wc -l <"$1") + 1) / 2))p"; }
quarter() { sed -n "$((($(wc -l <"$tmp/ratios") * $1 + 3) / 4))p" "$tmp/ratios"; }
printf 'CPU of a request: on %s us, off %s us (medians of %d rounds of %d requests, half of them streams)\n' \
	"$(median "$tmp/on.us")" "$(median "$tmp/off.us")" "$rounds" "$count"
awk -v r="$(median "$tmp/ratios")" -v low="$(quarter 1)" -v high="$(quarter 3)" -v bar=$bar 'BEGIN {
	printf "%-46s %.3f (quartiles %.3f to %.3f)   bar %.2f: %s\n", "observability on over off", r, low, high, bar,
		r <= bar ? "reached" : "NOT reached" }'
curl -s http://127.0.0.1:8111/metrics | awk '/^sluice_otlp_(sent|dropped)_total/ && $2 > 0 { print }'
