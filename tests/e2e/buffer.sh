#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# buffer.sh - a route that holds back the beginning of its streams: what breaks meanwhile is tried
# elsewhere and not seen, and what is held goes out whole, by bytes, by time or with the end.
#
#   pair: bad (weight) and good; the faults are those of bad
. "$(dirname "$0")/lib.sh"

routes() { # NAME BUFFER
	cat <<-END
		  - {model: $1, pools: pair, attempts: 2, backoff: 0ms, resume: off, buffer: $2,
		     timeouts: {connect: 10s, ttft: 20s, inter_token: 20s, total: 60s}}
	END
}
config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000, retry.budget: 0}
	limits: {upstream_idle: 0}
	pools:
	  pair: {nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
	routes:
	$(routes large '{bytes: 512KiB, time: 60s}')
	$(routes bytes '{bytes: 1KiB, time: 60s}')
	$(routes brief '{bytes: 512KiB, time: 50ms}')
	$(routes none '{bytes: 0}')
END
standin bad 9001 --token-us 1000
standin good 9002 --token-us 1000
daemon_start

# ask NAME MODEL TOKENS [FAULT] [API]: the fault is bad's
ask() {
	curl -sN --max-time 60 -o "$work/$1.out" -D "$work/$1.head" -w '%{http_code} %{exitcode}' \
		-H "x-request-id: $1" -H 'content-type: application/json' ${4:+-H "x-standin-fault: $4"} -H 'x-standin-fault-node: bad' \
		-d "{\"model\":\"$2\",\"stream\":true,\"max_tokens\":$3,\"ignore_eos\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}" \
		"$url/v1/${5:-chat/completions}" >"$work/$1.code"
}
code() { cat "$work/$1.code"; }
lines() { grep -c "$2" "$work/$1.out"; }
tokens() { lines "$1" '"content":"[^"]'; }
whole() { # NAME TOKENS: a good stream of so many, and who sent it
	echo "$(code "$1") $(tokens "$1") $(lines "$1" '^data: \[DONE\]') $(lines "$1" '"error"') $(header "$1" x-sluice-node) $(header "$1" x-sluice-attempts)"
}

# ---- every break within what is held is unseen
for fault in cut:10 rst:10 clean-cut:10 bad-chunk:10 bad-event:10 error-event:10; do
	name=large-${fault%:*}
	ask "$name" large 30 $fault
	expect "$fault: another node's answer, whole" "$(whole "$name")" == "200 0 30 1 0 127.0.0.1:9002 2"
done
expect "breaks: none was seen" "$(metric sluice_streams_broken_total)" == 0
ask messages large 30 cut:10 messages
expect "messages: the same" "$(code messages) $(lines messages '^event: message_stop') $(header messages x-sluice-node)" == "200 0 1 127.0.0.1:9002"
ask none none 30 cut:10
expect "without: seen" "$(code none) $(lines none '"error"') $(lines none '^data: \[DONE\]')" == "200 0 1 0"

# ---- what is held goes out
ask good large 30
expect "whole: at the end" "$(whole good)" == "200 0 30 1 0 127.0.0.1:9001 1"
ask no-done large 30 no-done
expect "whole: without [DONE] too" "$(code no-done) $(tokens no-done) $(header no-done x-sluice-node)" == "200 0 30 127.0.0.1:9001"
ask bytes bytes 200 cut:150
expect "bytes: what is beyond is seen" "$(code bytes) $(tokens bytes) $(lines bytes '"error"') $(header bytes x-sluice-attempts)" == "200 0 150 1 1"
ask bytes-early bytes 200 cut:2
expect "bytes: what is within is not" "$(whole bytes-early)" == "200 0 200 1 0 127.0.0.1:9002 2"
ask brief brief 2 slow-token:200
expect "time: it goes out when it is over" "$(whole brief)" == "200 0 2 1 0 127.0.0.1:9001 1"
# a stream that falls silent: held for its time, not longer
ask silent brief 30 stall:3 &
asking=$!
expect_soon "time: a silent one goes out too" 20 grep -q '^data: {' "$work/silent.out"
{ pkill -KILL -P $asking; wait $asking; } 2>/dev/null
# nothing goes out while it is held
ask held large 20000 &
asking=$!
expect_soon "held: the node streams" 10 state_is 9001 '.generation_tokens > 1000'
expect "held: the client has nothing" "$(cat "$work/held.out" "$work/held.head" 2>/dev/null)" == ""
{ pkill -KILL -P $asking; wait $asking; } 2>/dev/null
expect_soon "held: who leaves frees the node" 10 state_is 9001 '.running == 0'
daemon_stop
finish
