#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# truth.sh - /metrics against a scripted history whose truth is known: counts are exact, sums are those of the
# clients' own, and no histogram has a sample that is shorter than what the servers are known to take. Then
# strangers: what clients make up is no label's value.
#
#   truth.mjs --> sluiced --> standin 9001: 1 ms a token of the prompt, 20 ms a token of the answer
#                        +--> standin 9002: no time
#                        +--> 9003, 9004: nobody
. "$(dirname "$0")/lib.sh"

config_write <<-END
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.open_ms: 60s}
	prices: {kept: {input: 2, output: 6}, falls: {input: 2, output: 6}, short: {input: 2, output: 6}}
	pools:
	  slow: {nodes: ["127.0.0.1:9001"]}
	  quick: {nodes: ["127.0.0.1:9002"]}
	  dead: {nodes: ["127.0.0.1:9003", "127.0.0.1:9004"]}
	routes:
	  - {model: m, pools: slow, timeouts: {ttft: 60s, inter_token: 60s, total: 120s}}
	  - {model: kept, pools: quick, cache: {ttl: 1h, sampled: true}}
	  - {model: falls, pools: [dead, quick], backoff: 1ms}
	  - {model: short, pools: quick, limits: {requests_per_minute: 3}}
END
standin slow 9001 --prefill-us-per-token 1000 --token-us 20000 --reply-tokens 6
standin quick 9002 --reply-tokens 6
began=$(date +%s%N)
daemon_start
started=$(date +%s%N)
history() { timeout 120 node "$e2e/truth.mjs" "$@"; }
page() { curl -s --max-time 10 "$url/metrics" >"$work/page"; }
# of NAME LABEL...: the value of the one sample with all these labels; 0: there is none
of() {
	awk -v name="$1" -v labels="${*:2}" '
		{ sample = $1; sub(/\{.*/, "", sample); fine = sample == name; count = split(labels, want, " ") }
		{ for (i = 1; i <= count; i++) fine = fine && index($0, want[i]) }
		fine { sum += $NF }
		END { printf "%.6f\n", sum }' "$work/page" | sed 's/\.000000$//'
}
# holds NAME EXPRESSION: of awk
holds() { if awk "BEGIN { exit !($2) }"; then ok "$1"; else not_ok "$1" "$2"; fi; }
settled() { page; [[ $(of sluice_outcomes_total 'route="m"') == 30 && $(of sluice_outcomes_total 'route="falls"') == 7 ]]; }

streams=$(history ask m 20 stream) wholes=$(history ask m 10 whole)
for _ in 1 2 3 4 5; do
	curl -s -o "$work/out" -H 'content-type: application/json' "$url/v1/chat/completions" \
		-d '{"model":"kept","max_tokens":6,"messages":[{"role":"user","content":"the same"}]}'
done
kept=$(jq -c .usage "$work/out")
falls=$(history ask falls 7 whole)
short=$(history ask short 5 whole)
expect "the history is what it was meant to be" \
	"$(jq -c .statuses <<<"$streams")$(jq -c .statuses <<<"$wholes")$(jq -c .statuses <<<"$falls")$(jq -c .statuses <<<"$short")" \
	== '{"200":20}{"200":10}{"200":7}{"200":3,"429":2}'
expect_soon "all of it is counted" 20 settled

# ---- counts
expect "requests, by status" "$(of sluice_requests_total 'route="m"' 'code="200"') $(of sluice_requests_total 'route="short"' 'code="200"') $(of sluice_requests_total 'route="short"' 'code="429"')" == "30 3 2"
expect "outcomes" "$(of sluice_outcomes_total 'route="m"' 'outcome="good"') $(of sluice_outcomes_total 'route="falls"' 'outcome="good"')" == "30 7"
expect "streams, and events of them" "$(of sluice_streams_total 'route="m"') $(of sluice_tokens_total 'route="m"')" == "20 $(jq .events <<<"$streams")"
expect "fallbacks, and by their cause" "$(of sluice_fallbacks_total 'route="falls"') $(of sluice_fallbacks_total 'route="m"') $(of sluice_fallbacks_by_cause_total 'route="falls"')" == "7 0 7"
expect "kept answers" "$(of sluice_cache_requests_total 'result="hit"')" == 4

# ---- histograms: every bucket in order, the last one all, and nothing below what the servers take
counted() { of "$1_count" "${@:2}"; }
least() { # NAME SECONDS BUCKET COUNT LABELS: so many, none at or below the bucket, in all at least their seconds
	expect "$1: how many" "$(of "$1_count" "${@:5}") $(of "$1_bucket" 'le="+Inf"' "${@:5}")" == "$4 $4"
	expect "$1: none as short as $3 s" "$(of "$1_bucket" "le=\"$3\"" "${@:5}")" == 0
	holds "$1: their sum" "$(of "$1_sum" "${@:5}") >= $4 * $2 * 0.999"
}
least sluice_time_to_first_token_seconds 0.06 0.05 20 'route="m"'
least sluice_request_duration_seconds 0.16 0.1 30 'route="m"'
holds "durations: no longer than the clients waited" "$(of sluice_request_duration_seconds_sum 'route="m"') <= $(jq .seconds <<<"$streams") + $(jq .seconds <<<"$wholes")"
least gen_ai_server_time_to_first_token_seconds 0.06 0.04 20 'gen_ai_request_model="m"'
least gen_ai_client_operation_duration_seconds 0.16 0.08 30 'gen_ai_request_model="m"'
expect "time per token: one for each stream" "$(counted gen_ai_server_time_per_output_token_seconds 'gen_ai_request_model="m"')" == 20
holds "half of them are not far below the server's" "$(of gen_ai_server_time_per_output_token_seconds_bucket 'le="0.01"' 'gen_ai_request_model="m"') <= 10"
expect "buckets only grow" "$(awk '/_bucket\{/ { series = $0; sub(/,?le="[^"]*"/, "", series); sub(/ [0-9]+$/, "", series)
	if (series == last && $NF < before) bad++; last = series; before = $NF } END { print bad + 0 }' "$work/page")" == 0

# ---- tokens and money
both() { jq -s "map(.$1) | add" <<<"$streams$wholes"; }
expect "tokens of prompts, as the servers told the clients" "$(of gen_ai_client_token_usage_sum 'gen_ai_token_type="input"' 'gen_ai_request_model="m"')" == "$(both prompt_tokens)"
expect "tokens of answers" "$(of gen_ai_client_token_usage_sum 'gen_ai_token_type="output"' 'gen_ai_request_model="m"') $(counted gen_ai_client_token_usage 'gen_ai_token_type="output"' 'gen_ai_request_model="m"')" == "$(both completion_tokens) 30"
paid=$(jq -s "(.[0].prompt_tokens + .[1].prompt_tokens + .[2].prompt_tokens) * 2e-6 + (.[0].completion_tokens + .[1].completion_tokens + .[2].completion_tokens) * 6e-6" <<<"$kept$falls$short")
holds "what it cost: of answers that were made, not kept" "(d = $(awk '/^sluice_model_spend_total\{/ { sum += $NF } END { printf "%.9f", sum }' "$work/page") - $paid) < 1e-9 && d > -1e-9"

# ---- breakers: the times in their states add up to the daemon's life
least=$((($(date +%s%N) - started) / 1000000000)) # since it had begun, till the page was asked for
page
life=$((($(date +%s%N) - began) / 1000000000)) # since before it began, till the page was there
for node in 9001 9003; do
	sum=$(of sluice_node_breaker_seconds_total "127.0.0.1:$node")
	holds "node $node: its breaker's times add up" "$sum >= $least - 3 && $sum <= $life + 1"
done
open=$(of sluice_node_breaker_seconds_total 'pool="dead"' 'state="open"')
holds "one of the dead was left alone, the other may not be" "$open > 0 && $open <= $life + 1"
expect "those that are well never were" "$(of sluice_node_breaker_seconds_total 'pool="slow"' 'state="open"')" == 0

# ---- strangers
series() { page; grep -vc '^#' "$work/page"; }
history strangers 20 >"$work/out" # what appears with the first of its kind
before=$(series)
expect "of strangers none is answered by a route" "$(history strangers 300 | jq -c '.statuses["404"]')" == 300
expect "what clients make up is no label: as many series as before" "$(series)" == "$before"
expect "and none of its words is there" "$(grep -c -e stranger -e 'user-[0-9]' -e 'agent-[0-9]' -e 'own-[0-9]' -e '="s-[0-9]' "$work/page")" == 0
expect "they are counted as nobody's" "$(of sluice_requests_total 'route=""' 'code="404"')" == 320
daemon_stop
finish
