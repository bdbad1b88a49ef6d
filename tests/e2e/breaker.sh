#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# breaker.sh - a dead node's breaker opens, probes, closes again; no request notices.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	tunables: {breaker.open_ms: 300ms, breaker.open_max_ms: 600ms, pool.slow_start_ms: 500ms}
	timeouts: {upstream_idle: 1s}
	pools: {chat: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"]}}
	routes: [{model: chat, pools: chat, timeouts: {ttft: 20s, inter_token: 20s, total: 60s}}]
END
node() { standin "$1" "$2" --slots 32 --token-us 1000; }
breaker_is() { metric_is sluice_node_breaker_state "9002\",state=\"$1\"" == 1; }

node a 9001
node b 9002
node c 9003
daemon_start
expect_soon "closed at first" 5 breaker_is closed

load_start --count 1000000 --concurrency 20 --stream-percent 0 --tokens 4
wait_for 20 state_is 9002 '.requests > 50'
standin_kill b
expect_soon "dead: open in /metrics" 20 breaker_is open
expect "dead: one ejected of three" "$(metric sluice_pool_ejected)" == 1
expect_soon "dead: the trip is in the log" 5 grep -q '9002: breaker closed -> open' "$log"
expect_soon "dead: a probe goes out half-open, and fails" 20 \
	grep -q '9002: breaker half-open -> open' "$log"
expect "dead: the signals tell why" \
	"$(($(metric sluice_node_signals_total '9002",signal="connect_error') > 0))" == 1
expect "dead: the other nodes stay closed" \
	"$(metric sluice_node_breaker_state 'state="closed"')" == 2
expect "dead: no false trip" "$(metric sluice_node_trips_total 9001)" == 0
errors=$(metric sluice_node_signals_total '9002",signal="connect_error')
before=$(metric sluice_requests_total)
wait_for 30 metric_is sluice_requests_total '' '>=' $((before + 1000))
expect "dead: open lets through probes alone, not the load" \
	$(($(metric sluice_node_signals_total '9002",signal="connect_error') - errors)) '<' 50

node b 9002
expect_soon "back: half-open in the log" 20 \
	grep -q '9002: breaker half-open -> closed' "$log"
expect_soon "back: closed in /metrics" 20 breaker_is closed
expect "back: none ejected" "$(metric sluice_pool_ejected)" == 0
expect_soon "back: it takes its share" 20 state_is 9002 '.requests > 50'
load_stop
load_clean "all the while"
expect "all the while: every answer whole" "$(loaded whole_ok)" == "$(loaded requests)"

daemon_stop
finish
