#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fallback.sh - the whole primary pool dies under load, the fallback pool answers, and back.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	tunables: {breaker.open_ms: 200ms, breaker.open_max_ms: 500ms, pool.slow_start_ms: 0}
	timeouts: {upstream_idle: 1s}
	pools:
	  large: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}
	  small: {nodes: ["127.0.0.1:9003"], model: small-model}
	routes:
	  - model: chat
	    pools: [large, small]
	    timeouts: {ttft: 20s, inter_token: 20s, total: 60s}
END
node() { standin "$@" --token-us 1000; }
ask() {
	curl -si --max-time 20 "$url/v1/chat/completions" -H 'content-type: application/json' \
		-d '{"model":"chat","messages":[{"role":"user","content":"hello"}]}' | tr -d '\r'
}
answered_by() { [[ $(ask) == *"x-sluice-pool: $1"* ]]; }

node a 9001 --model chat
node b 9002 --model chat
node c 9003 --model small-model
daemon_start

answer=$(ask)
expect "before: the primary pool answers" "$answer" contains "x-sluice-pool: large"
[[ $answer == *x-sluice-fallback* ]] && not_ok "before" "x-sluice-fallback without a fallback"

# No stream is on its way when the pool dies: of those, none could be saved. Whole answers are.
load_start --count 100000 --concurrency 50 --stream-percent 0 --tokens 8
wait_for 20 state_is 9001 '.running > 2'
standin_kill a
standin_kill b
before=$(metric sluice_fallbacks_total)
expect_soon "pool down: 2000 answers from the fallback" 60 \
	metric_is sluice_fallbacks_total chat '>=' $((before + 2000))
load_stop
load_clean "pool dies under load"
expect "pool dies under load: all whole answers" "$(loaded whole_ok)" == "$(loaded requests)"
expect "pool dies under load: x-sluice-fallback counted by the clients" "$(loaded fallback)" '>=' 2000

load_start --count 1000 --concurrency 50 --stream-percent 50 --tokens 8
load_end
load_clean "pool stays down"
expect "pool stays down: 0 broken streams" "$(loaded stream_broken)" == 0
expect "pool stays down: every answer is a fallback" "$(loaded fallback)" == 1000
answer=$(ask)
expect "pool stays down: header" "$answer" contains "x-sluice-fallback: 1"
expect "pool stays down: the other name of the model" "$answer" contains '"model":"small-model"'

node a 9001 --model chat
node b 9002 --model chat
expect_soon "back: the primary pool answers" 20 answered_by large
load_start --count 1000 --concurrency 20 --stream-percent 50 --tokens 8
load_end
load_clean "back"
expect "back: 0 broken streams" "$(loaded stream_broken)" == 0
expect_soon "back: no node is open" 20 metric_is sluice_node_breaker_state 'state="closed"' == 3
load_start --count 500 --concurrency 20 --stream-percent 50 --tokens 8
load_end
load_clean "closed again"
expect "closed again: no answer is a fallback" "$(loaded fallback)" == 0

# nobody at all: an error that says so, at once, and the client is told not to come back here
standin_kill a
standin_kill b
standin_kill c
expect_soon "all pools down: 502 or 503 in the shape of OpenAI's errors" 20 eval \
	'[[ $(ask | tail -n 1 | jq -r .error.type) == server_error ]]'
expect "all pools down: the daemon is healthy all the same" \
	"$(curl -s -o "$work/out" -w '%{http_code}' "$url/health")" == 200

daemon_stop
finish
