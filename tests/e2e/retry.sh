#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# retry.sh - what a retry may cost: the pool's budget, places at once, silent nodes, Retry-After.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.reserve_per_min: 0}
	limits: {upstream_idle: 0}
	pools:
	  alone: {nodes: ["127.0.0.1:9001"]}
	  pair: {nodes: [{address: "127.0.0.1:9002", weight: 1000}, "127.0.0.1:9003"]}
	  first: {nodes: ["127.0.0.1:9004"]}
	  second: {nodes: ["127.0.0.1:9005"]}
  dying:
    nodes: ["127.0.0.1:9006", "127.0.0.1:9007"]
    tunables: {breaker.consecutive_failures: 5}
  full:
    nodes: ["127.0.0.1:9008", "127.0.0.1:9009"]
    tunables: {breaker.consecutive_failures: 5}
	routes:
	  - {model: alone, pools: alone, attempts: 3, backoff: 0ms}
	  - {model: slow, pools: alone, attempts: 9, backoff: 0ms, timeouts: {ttft: 300ms, total: 20s}}
	  - {model: pair, pools: pair, attempts: 3, backoff: 0ms, timeouts: {ttft: 10s, total: 20s}}
	  - {model: chain, pools: [first, second], backoff: 0ms}
	  - {model: dying, pools: dying, backoff: 0ms}
  - {model: full, pools: full, backoff: 0ms, timeouts: {ttft: 2s, total: 60s}}
  - {model: hasty, pools: pair, timeouts: {total: 6s}}
END
for n in 1 2 3 4 5; do standin n$n 900$n; done
for n in 6 7; do standin n$n 900$n --token-us 20000; done
for n in 8 9; do standin n$n 900$n --token-us 20000 --slots 1; done
daemon_start

fault() { # PORT FAULT [COUNT]
	curl -s "http://127.0.0.1:$(($1 + 1000))/fault" -d "{\"fault\":\"$2\",\"count\":${3:--1}}" >/dev/null
}
well() { curl -s -X DELETE "http://127.0.0.1:$(($1 + 1000))/fault" >/dev/null; } # PORT
ask() { # MODEL [STREAM]
	curl -si --max-time 30 "$url/v1/chat/completions" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"stream\":${2:-false},\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}" |
		tr -d '\r'
}
asks() { for ((i = 0; i < $2; i++)); do ask "$1" >"$work/answer"; done; } # MODEL COUNT
served() { state_of "$1" .inference_requests; }

# ---- the budget: ten, used to the half --------------------------------------------------------
fault 9001 500
asks alone 40
answer=$(<"$work/answer")
expect "all nodes fail: 40 requests and 5 retries" "$(served 9001)" == 45
expect "spent: the cause all the same" "$answer" contains "HTTP/1.1 502"
expect "spent: the node's status is named" "$answer" contains "status 500 after 1 attempt"
expect "spent: and why it was not tried again" "$answer" contains "pool alone has no retry left"
expect "spent: x-should-retry" "$answer" contains "x-should-retry: false"
# 2 requests had 2 retries each, the third one had 1
expect "spent: counted" "$(metric sluice_retries_refused_total 'pool="alone",reason="spent"')" == 38
expect "spent: in no other pool" "$(metric sluice_retries_refused_total 'pool="pair"')" == 0
well 9001
asks alone 10
fault 9001 500
asks alone 5
expect "ten answers pay for one retry" "$(served 9001)" == $((45 + 10 + 5 + 1))
well 9001

# a fallback is the first attempt of its pool: it costs nobody's budget
fault 9004 500
before=$(metric sluice_requests_total 'route="chain",code="200"')
asks chain 30
expect "fallback: 30 of 30 answered" \
	"$(($(metric sluice_requests_total 'route="chain",code="200"') - before))" == 30
expect "fallback: each pool saw each request once" "$(served 9004) $(served 9005)" == "30 30"
well 9004

# a node dies with twenty requests on it: the budget is for retries, not for those that move away
load_start --model dying --count 40 --concurrency 40 --stream-percent 0 --tokens 200
wait_for 20 state_is 9006 '.running > 15' || not_ok "a node dies" "it got no work"
standin_kill n6
load_end
load_clean "a node dies with many requests"
expect "a node dies: all answered" "$(loaded whole_ok)" == 40
expect "a node dies: those on it moved" "$(loaded retried)" '>' 15

# ---- overload: two slots, 200 ms an answer, 60 at once, 2 s of patience: many are late -------------
load_start --model full --count 120 --concurrency 60 --stream-percent 100 --tokens 10
load_end
expect "overload: some came too late" "$(metric sluice_attempts_total 'pool="full",ending="ttft_timeout"')" '>' 5
expect "overload: some were answered" "$(loaded stream_ok)" '>' 5
expect "overload: no breaker opened" "$(metric sluice_node_trips_total 'pool="full"')" == 0
busy() { curl -s "$url/metrics" | grep 'sluice_node_signals_total{pool="full"' | grep -c "signal=\"$1\""; }
expect "overload: it was told as busy" "$(busy busy)" == 2
expect "overload: and not as a failure" "$(busy ttft_timeout)" == 0

# ---- silent nodes -----------------------------------------------------------------------------
asks alone 20 # so that it is not the budget that keeps it from asking again
fault 9001 hang
before=$(served 9001)
answer=$(ask slow true)
expect "silent and alone: asked once" "$(($(served 9001) - before))" == 1
expect "silent and alone: 504" "$answer" contains "HTTP/1.1 504"
well 9001
# an answer that takes more than half of the deadline is waited for, where nobody else could be asked
fault 9002 refuse
fault 9003 slow-first:4000 1
answer=$(ask hasty)
expect "the only node left has all the time" "$answer" contains "HTTP/1.1 200"
well 9002

# ---- Retry-After ------------------------------------------------------------------------------
fault 9002 429-retry:15 1
before=$(served 9002)
answer=$(ask pair)
expect "busy for 15 s: the other node answers" "$answer" contains "x-sluice-node: 127.0.0.1:9003"
asks pair 10
expect "busy for 15 s: left alone by the next 10" "$(($(served 9002) - before))" == 1
again() { sleep 0.5; ask pair | grep -q 'x-sluice-node: 127.0.0.1:9002'; }
expect_soon "busy for 15 s: asked again later" 60 again

# nobody else: it is waited for, because the deadline and the budget allow it
asks alone 20
fault 9001 429-retry:2 1
before=$(served 9001)
start=$(date +%s%3N)
answer=$(ask alone)
expect "busy and alone: waited for, then answered" "$answer" contains "HTTP/1.1 200"
expect "busy and alone: two attempts" "$answer" contains "x-sluice-attempts: 2"
expect "busy and alone: not before the time" $(($(date +%s%3N) - start)) '>=' 2000
expect "busy and alone: the server saw both" "$(($(served 9001) - before))" == 2
expect "busy and alone: counted" "$(metric sluice_retries_waited_total 'pool="alone"')" '>=' 1

# nobody else, and too late for the deadline of 6 s: its own answer, at once
fault 9002 429-retry:9
fault 9003 429-retry:9
answer=$(ask hasty)
expect "busy beyond the deadline: the node's own answer" "$answer" contains "HTTP/1.1 429"
expect "busy beyond the deadline: with its Retry-After" "$answer" contains "retry-after: 9"
expect "busy beyond the deadline: x-should-retry" "$answer" contains "x-should-retry: false"
well 9002
well 9003
answer=$(ask hasty)
expect "all left alone: refused at once" "$answer" contains "HTTP/1.1 503"
expect "all left alone: no request reached them" "$answer" contains "service_unavailable"

daemon_stop
finish
