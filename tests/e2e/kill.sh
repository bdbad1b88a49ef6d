#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kill.sh - a node is killed under load and comes back, twice; then one is taken out first.
#
# "0 failed" is meant so: no whole answer fails, and no stream that had not received a token when
# its node died. A stream in the middle of its answer on that node cannot be saved by a retry; it
# must end by an error event, and there cannot be more of them than requests were on the node.
. "$(dirname "$0")/lib.sh"

nodes() { # PORT...
	local list=
	for port in "$@"; do list+="\"127.0.0.1:$port\", "; done
	config_write <<-END
		tunables: {breaker.open_ms: 200ms, breaker.open_max_ms: 1s, pool.slow_start_ms: 500ms}
		timeouts: {upstream_idle: 1s}
		pools: {chat: {nodes: [${list%, }]}}
		routes:
		  - {model: chat, pools: chat, timeouts: {ttft: 20s, inter_token: 20s, total: 60s}}
	END
}
node() { standin "$1" "$2" --slots 16 --token-us 2000 --prefill-us-per-token 100; }
has_work() { state_is "$1" '.running > 2'; }
without_work() { state_is "$1" '.running == 0 and .waiting == 0'; }
reloads() { metric_is sluice_config_reloads_total success == "$1"; }

node a 9001
node b 9002
node c 9003
nodes 9001 9002 9003
daemon_start

load_start --count 4000 --concurrency 50 --stream-percent 50 --tokens 10
kills=0
for turn in 1 2; do
	wait_for 20 has_work 9002 || not_ok "kill $turn" "the node got no work"
	standin_kill b
	kills=$((kills + 1))
	wait_for 20 metric_is sluice_node_breaker_state '9002",state="open"' == 1 ||
		not_ok "kill $turn" "the breaker did not open"
	node b 9002
	expect_soon "kill $turn: the node that came back gets requests" 20 \
		state_is 9002 '.inference_requests > 0'
done
load_end
load_clean "2 kills"
expect "2 kills: requests" "$(loaded requests)" '>=' 2000
expect "2 kills: all were counted" \
	"$(($(loaded whole_ok) + $(loaded stream_ok) + $(loaded stream_broken)))" == \
	"$(loaded requests)"
# at most what ran on the node at the moment of each kill
expect "2 kills: $(loaded stream_broken) streams in mid-answer ended by an error event" \
	"$(loaded stream_broken)" '<=' $((kills * 32))
expect "2 kills: retries took over" "$(loaded retried)" '>' 0

# the same with the node out of the configuration before it dies: nothing at all may break
load_start --count 100000 --concurrency 50 --stream-percent 50 --tokens 10
wait_for 20 has_work 9003
nodes 9001 9002
kill -HUP $daemon
expect_soon "drained first: the configuration is read" 10 reloads 1
expect_soon "drained first: the node ends what it had" 20 without_work 9003
before=$(metric sluice_requests_total)
standin_kill c
expect_soon "drained first: 1000 requests more" 60 metric_is sluice_requests_total '' '>=' \
	$((before + 1000))
load_stop
load_clean "drained first"
expect "drained first: 0 broken streams" "$(loaded stream_broken)" == 0
expect "drained first: 0 retries" "$(loaded retried)" == 0

daemon_stop
finish
