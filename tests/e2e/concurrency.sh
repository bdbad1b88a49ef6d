#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# concurrency.sh - a node that has too much to do gets less at once, further requests wait for it, and
# it gets more when it bears more.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
chat="$url/v1/chat/completions"
config_write <<-END
	timeouts: {upstream_idle: 1s}
	pools:
	  busy: {nodes: ["127.0.0.1:9001"], tunables: {retry.after_max_ms: 0}}
	  gap: {nodes: ["127.0.0.1:9002"], concurrency: {mode: gap}}
	  laden: {nodes: ["127.0.0.1:9003"], concurrency: {tokens: 1000}}
	  off: {nodes: ["127.0.0.1:9004"], concurrency: {mode: off, tokens: 10}}
	routes:
	  - {model: busy, pools: busy, attempts: 1}
	  - {model: gap, pools: gap}
	  - {model: laden, pools: laden}
	  - {model: off, pools: off}
END
for n in 1 2 3 4; do standin n$n 900$n --token-us 20000; done
daemon_start

body() { # MODEL TOKENS [MORE]
	echo "{\"model\":\"$1\",\"max_tokens\":$2,\"ignore_eos\":true,${3:-}\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
}
ask() { # MODEL TOKENS [CURL-OPTIONS...]
	local model=$1 tokens=$2
	shift 2
	curl -sN --max-time 60 -o "$work/answer" -w '%{http_code}' -H "$json" -d "$(body "$model" "$tokens")" "$@" "$chat"
}
streams=()
stream() { # MODEL TOKENS COUNT: without an end of their own that would matter
	for ((i = 0; i < $3; i++)); do
		curl -sN --max-time 120 -o /dev/null -H "$json" -d "$(body "$1" "$2" '"stream":true,')" "$chat" &
		streams+=($!)
	done
}
leave() {
	kill -KILL "${streams[@]}" 2>/dev/null
	wait "${streams[@]}" 2>/dev/null
	streams=()
}
running() { state_is "$1" ".running == $2"; } # PORT COUNT
depth_is() { (($(metric sluice_queue_depth "pool=\"$1\"") == $2)); } # POOL COUNT
limit() { metric sluice_node_concurrency_limit "pool=\"$1\""; }      # POOL; 0: none
limit_is() { (($(limit "$1") $2 $3)); }                              # POOL OPERATOR COUNT

# ---- busy answers
stream busy 30000 10
expect_soon "busy: ten streams run" 20 running 9001 10
expect "busy: without a limit" "$(limit busy)" == 0
expect "busy: one more is refused by the server" "$(ask busy 5 -H 'x-standin-fault: 429')" == 429
expect "busy: 4/5 of the eleven" "$(limit busy)" == 8
expect "busy: lowered once" "$(metric sluice_node_concurrency_lowered_total 'pool="busy"')" == 1
expect "busy: counted" "$(metric sluice_node_busy_total 'pool="busy"')" == 1
stream busy 20 1
expect_soon "busy: the next one waits" 20 depth_is busy 1
expect "busy: it is not sent" "$(state_of 9001 .running)" == 10
kill -KILL "${streams[@]:0:2}"
expect_soon "busy: eight run" 20 running 9001 8
expect "busy: and it waits" "$(metric sluice_queue_depth 'pool="busy"')" == 1
kill -KILL "${streams[2]}"
expect_soon "busy: it is served when one more ends" 20 depth_is busy 0
expect_soon "busy: seven of the streams are left" 20 running 9001 7
# in use, and nobody is busy: it grows, by one in each window
stream busy 30000 8
expect_soon "busy: the limit grows while it is in use" 40 limit_is busy '>' 9
expect_soon "busy: those who waited run" 40 running 9001 10
expect "busy: others wait" "$(metric sluice_queue_depth 'pool="busy"')" '>' 0
"$build/sluice" tune --admin-socket "$work/admin.sock" concurrency.enabled=0 >/dev/null
expect_soon "busy: without limits nobody waits" 20 depth_is busy 0
"$build/sluice" tune --admin-socket "$work/admin.sock" concurrency.enabled=default >/dev/null
leave
lowered=$(metric sluice_node_concurrency_lowered_total 'pool="busy"')
expect "busy: a used-up account" "$(ask busy 5 -H 'x-standin-fault: 429-quota')" == 429
expect "busy: lowers nothing" "$(metric sluice_node_concurrency_lowered_total 'pool="busy"')" == "$lowered"

# ---- the gap between tokens
stream gap 30000 2
expect_soon "gap: two streams run" 20 running 9002 2
gap_known() { curl -s "$url/metrics" | grep -q '^sluice_node_token_gap_best_seconds{pool="gap"'; }
expect_soon "gap: the best is measured" 30 gap_known
expect "gap: a new node begins with 4" "$(limit gap)" == 4
stream gap 30000 30
expect_soon "gap: it grows while the gap is good" 60 limit_is gap '>=' 8
lowered=$(metric sluice_node_concurrency_lowered_total 'pool="gap"')
curl -s -o /dev/null -d '{"fault":"slow-token:200"}' http://127.0.0.1:10002/fault
leave
stream gap 30000 30
expect_soon "gap: slow streams lower it" 60 metric_is sluice_node_concurrency_lowered_total 'pool="gap"' '>' "$lowered"
leave

# ---- tokens in flight
stream laden 700 1
expect_soon "tokens: one runs" 20 running 9003 1
expect "tokens: in flight" "$(metric sluice_node_tokens_in_flight 'pool="laden"')" '>' 699
leave
expect_soon "tokens: all come back" 20 metric_is sluice_node_tokens_in_flight 'pool="laden"' == 0
stream laden 30000 1
expect_soon "tokens: a large one runs all the same" 20 running 9003 1
stream laden 10 1
expect_soon "tokens: the next one waits" 20 depth_is laden 1
kill -KILL "${streams[0]}"
expect_soon "tokens: until the large one has ended" 20 depth_is laden 0
wait "${streams[@]}" 2>/dev/null
streams=()
expect_soon "tokens: none is left in flight" 20 metric_is sluice_node_tokens_in_flight 'pool="laden"' == 0

# ---- off
stream off 30000 3
expect_soon "off: tokens bound nobody" 20 running 9004 3
ask off 5 -H 'x-standin-fault: 429' >/dev/null
expect "off: nor does a busy answer" "$(limit off)" == 0
leave

daemon_stop
finish
