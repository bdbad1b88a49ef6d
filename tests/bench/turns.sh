#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# turns.sh - how long one turn of the daemon's loop holds its thread, and by which part, for requests of each
# kind: what io/turns.h measures, in CPU time (so a busy machine is not in it), worst and p99.9. The bar is
# 50 us for a part; "slept" counts turns in which the thread waited for anything but events, where the bar is
# none. Then what checks add to a stream, by a clock: from the server's write to the client's read.
#
#   node (client, and model server 9001) -> sluiced 8080, one thread, in namespaces of its own
#
# COUNT (2000) requests of each of KINDS (all); exact and semantic hits need no model after the first.
. "$(dirname "$0")/../e2e/lib.sh"

count=${COUNT:-2000}
bar_us=50
need_encoder
mkdir "$work/docs"
for i in {0..49}; do printf '# Part %d\n\nEvery employee of part %d has %d days of paid vacation in a year.\n' "$i" "$i" $((20 + i)); done >"$work/docs/handbook.md"
printf 'Project Bluebird\nJohn Appleseed\ninternal only\n/proj-[0-9]{4}/\nAcme Corp\n' >"$work/list"
THREADS=1 config_write <<-END
	measure_turns: true
	cache: {memory: 64MiB}
	embedding: {model: $encoder, packed: $work/packed}
	semantic_cache: {path: $work/semantic.db, entries: 1000}
	pools:
	  chat: {nodes: ["127.0.0.1:9001"]}
	indexes:
	  handbook: {directory: $work/shelf, documents: $work/docs, refresh: 1h, chunk: 200, overlap: 0}
	routes:
	  - {model: plain, pools: chat}
	  - {model: exact, pools: chat, cache: {ttl: 1h, sampled: true}}
	  - {model: semantic, pools: chat, semantic_cache: {ttl: 1h, wait: 60s, shadow: 0, threshold: 0.7}}
	  - {model: retrieve, pools: chat, retrieve: {index: handbook, min_score: 0, timeout: 10s}}
	  - {model: validate, pools: chat, validate: {schema: true, pii_out: [email, card, phone, iban, secret], lists_out: [$work/list]}}
	  - {model: screened, pools: chat, validate: {pii_out: [email, card, phone, iban, secret]}}
	  - {model: listed, pools: chat, validate: {pii_out: [email, card, phone, iban, secret], lists_out: [$work/list]}}
END
turn() { # PART QUANTILE: microseconds
	awk -v key="sluice_turn_cpu_seconds{part=\"$1\",quantile=\"$2\"}" '$1 == key { printf "%.1f", $2 * 1e6 }' "$work/metrics"
}
row() { # WHAT FIGURE BAR
	local word=reached
	awk -v a="$2" -v b="$3" 'BEGIN { exit a <= b }' && word=MISSED
	printf '%-58s %9.2f us    bar <= %6g us    %s\n' "$1" "$2" "$3" "$word"
}
is_built() { grep -q "is served" "$log"; }
daemon_start
wait_for 60 is_built || { not_ok "the index" "not built"; finish; }
kill -TERM "$daemon"; wait "$daemon"
for kind in ${KINDS:-plain exact semantic retrieve validate}; do
	daemon_start
	node "$root/tests/bench/turns.mjs" $kind "$count" || failures=$((failures + 1))
	curl -s --max-time 5 -o "$work/metrics" "$url/metrics"
	kill -TERM "$daemon"; wait "$daemon"
	worst=0 by=
	for part in $(sed -n 's/^sluice_turn_cpu_seconds{part="\([a-z_]*\)",quantile="0.999"}.*/\1/p' "$work/metrics"); do
		[[ $part == all || $part == wait ]] && continue
		us=$(turn "$part" 0.999)
		awk -v a="$us" -v b="$worst" 'BEGIN { exit a <= b }' && worst=$us by=$part
	done
	row "held by one part, $kind request, p99.9 ($by)" "$worst" $bar_us
	printf '    whole turns: p50 %s, p99.9 %s, most %s us; ' "$(turn all 0.5)" "$(turn all 0.999)" "$(turn all 1)"
	printf 'the call that waits: p99.9 %s us; slept %s times\n' "$(turn wait 0.999)" "$(awk '$1 == "sluice_turns_slept_total" { print $2 }' "$work/metrics")"
	awk -F'[{},"= ]+' '/^sluice_turn_cpu_seconds\{/ { v[$3 " " $5] = $6 * 1e6; n[$3] } /^sluice_turns_long_total/ { l[$3] = $NF } END { for (p in n) printf "    %-16s p50 %7.1f  p99 %7.1f  p99.9 %7.1f  most %8.1f us   %d over 50 us\n", p, v[p " 0.5"], v[p " 0.99"], v[p " 0.999"], v[p " 1"], l[p] }' "$work/metrics" | sort
done
daemon_start
node "$root/tests/bench/turns.mjs" stream 5 >"$work/stream" || failures=$((failures + 1))
while read -r model mean p50 p99 tokens; do
	printf '%-58s %9.2f us\n' "a stream's text on its way, $model route, mean" "$mean"
	printf '    p50 %s us, p99 %s us; mean %s tokens of 4 ms\n' "$p50" "$p99" "$tokens"
done <"$work/stream"
kill -TERM "$daemon"; wait "$daemon"
((failures == 0))
