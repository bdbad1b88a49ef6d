#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# causes.sh - a pool for each cause: who answers when the first pool fails in a certain way.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.budget: 0, retry.after_max_ms: 0}
	limits: {upstream_idle: 0}
	pools:
	  first: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}
	  next: {nodes: ["127.0.0.1:9003"]}
	  special: {nodes: ["127.0.0.1:9004"], model: special-model}
	  last: {nodes: ["127.0.0.1:9005"]}
	routes:
	  - model: all
	    pools: [first, next]
	    fallbacks: {ttft: special, total: special, context_length: special,
	                content_policy: special, quota: special, breaker_open: special}
	    timeouts: {ttft: 400ms, attempt: 400ms, total: 20s}
	    backoff: 0ms
	  - model: none
	    pools: [first, next]
	    timeouts: {ttft: 400ms, attempt: 400ms, total: 20s}
	    backoff: 0ms
	  - model: twice
	    pools: first
	    fallbacks: {context_length: [special, last], quota: last}
	    backoff: 0ms
END
for n in 1 2 3 4 5; do standin n$n 900$n; done
daemon_start

fault() { curl -s "http://127.0.0.1:$(($1 + 1000))/fault" -d "{\"fault\":\"$2\"}" >/dev/null; } # PORT FAULT
well() { curl -s -X DELETE "http://127.0.0.1:$(($1 + 1000))/fault" >/dev/null; }                # PORT
ask() { # MODEL STREAM
	curl -si --max-time 30 "$url/v1/chat/completions" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"stream\":$2,\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}" |
		tr -d '\r' >"$work/answer"
}
field() { sed -n "s/^$1: //p" "$work/answer"; }                        # NAME
status() { sed -n '1s/^HTTP.1.1 \([0-9]*\).*/\1/p' "$work/answer"; }
served() { state_of "$1" .inference_requests; }                        # PORT
# what came of it: status, pool, number and cause of the fallback
outcome() { echo "$(status) $(field x-sluice-pool) $(field x-sluice-fallback) $(field x-sluice-fallback-cause)"; }
count() { metric sluice_fallbacks_by_cause_total "route=\"all\",cause=\"$1\""; } # CAUSE

# case FAULT STREAM CAUSE ATTEMPTS OUTCOME_WITHOUT: both nodes of the first pool fail that way
case_of() {
	local before
	fault 9001 "$1"
	fault 9002 "$1"
	before=$(count "$3")
	ask all "$2"
	expect "$1 stream=$2: its own pool answers" "$(outcome)" == "200 special 1 $3"
	expect "$1 stream=$2: attempts" "$(field x-sluice-attempts)" == "$4"
	expect "$1 stream=$2: who answered is in the body" "$(<"$work/answer")" contains special-model
	expect "$1 stream=$2: counted" "$(($(count "$3") - before))" == 1
	ask none "$2"
	expect "$1 stream=$2: without a chain of its own" "$(outcome)" == "$5"
	well 9001
	well 9002
}
for stream in true false; do
	case_of 400-context $stream context_length 2 "400 first  "
	case_of 400-policy $stream content_policy 2 "400 first  "
	case_of 429-quota $stream quota 2 "200 next 1 error"
done
case_of hang true ttft 3 "200 next 1 error"
case_of hang false total 3 "200 next 1 error"

# any other failure goes to the next pool, chains or not
fault 9001 500
fault 9002 500
ask all false
expect "500: the next pool" "$(outcome)" == "200 next 1 error"
well 9001
well 9002

# the chain of a cause has an end, and another cause may leave it
fault 9001 400-context
fault 9002 400-context
fault 9004 500
ask twice false
expect "the chain goes on" "$(outcome)" == "200 last 2 context_length"
well 9004
fault 9004 429-quota
ask twice false
expect "another cause leaves it" "$(outcome)" == "200 last 2 quota"
well 9004
fault 9004 400-context
fault 9005 400-context
before=$(($(served 9004) + $(served 9005)))
ask twice false
expect "too long for all: the client hears it" "$(status) $(grep -c context_length_exceeded "$work/answer")" == "400 1"
expect "too long for all: each was asked once" "$(($(served 9004) + $(served 9005) - before))" == 2
for n in 1 2 4 5; do well 900$n; done

# nobody to ask: breakers open, for the whole first pool
sed -i 's/breaker.consecutive_failures: 1000/breaker.consecutive_failures: 1, breaker.ejection_percent: 100, breaker.open_ms: 600s, breaker.open_max_ms: 600s/' "$config"
kill -HUP $daemon
wait_for 10 metric_is sluice_config_reloads_total success == 1 || not_ok reload "not read"
fault 9001 500
fault 9002 500
ask all false
wait_for 10 metric_is sluice_node_breaker_state 'pool="first"' == 2
open_is() { metric_is sluice_node_breaker_state 'state="open"' == 2; }
expect_soon "both breakers of the first pool are open" 20 eval 'ask all false; open_is'
ask all false
expect "breakers open: its own pool answers" "$(outcome)" == "200 special 1 breaker_open"
expect "breakers open: at the first attempt" "$(field x-sluice-attempts)" == 1
ask none false
expect "breakers open: without a chain, the next" "$(outcome)" == "200 next 1 error"

daemon_stop
finish
