#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# native.sh - pools with `api: anthropic` before stand-ins that speak the Messages API, for its clients:
# streams that break and go on, a second node beside a slow one, and what it costs. The table of faults
# is in faults_native.sh, the SDKs and odd servers in anthropic.sh.
#
#   9006, 9007  hedged     9008  priced
#   9009-9014  streams that break: by prefill, once more, and on to a server of chat completions
. "$(dirname "$0")/lib.sh"

export SLUICE_ADMIN_SOCKET=$work/admin.sock
json='content-type: application/json'

patient='attempts: 3, backoff: 0ms, timeouts: {connect: 10s, ttft: 20s, inter_token: 20s, total: 60s}'
config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000, retry.budget: 0,
	           retry.after_max_ms: 0, hedge.samples_min: 5, hedge.burst: 100}
	limits: {upstream_idle: 0}
	timeouts: {upstream_idle: 1s}
	spend: {header: true, currency: EUR}
	prices: {priced: {input: 1, output: 2}, bounded: {input: 1, output: 2}}
	pools:
	  hedged: {api: anthropic, nodes: [{address: "127.0.0.1:9006", weight: 1000}, "127.0.0.1:9007"]}
	  priced: {api: anthropic, nodes: ["127.0.0.1:9008"]}
	  pre: {api: anthropic, continue: prefill, model: m,
	        nodes: [{address: "127.0.0.1:9009", weight: 1000}, "127.0.0.1:9010"]}
	  plain: {api: anthropic, model: m,
	          nodes: [{address: "127.0.0.1:9011", weight: 1000}, "127.0.0.1:9012"]}
	  alone: {api: anthropic, model: m, nodes: ["127.0.0.1:9013"]}
	  talks: {continue: prefill, model: m, nodes: ["127.0.0.1:9014"]}
	routes:
	  - {model: hedged, pools: hedged, backoff: 0ms, hedge: {after: p50, min: 200ms}}
	  - {model: priced, pools: priced}
	  - {model: bounded, pools: priced, limits: {budget_day: 0.00004}}
	  - {model: pre, pools: pre, $patient}
	  - {model: pre-quick, pools: pre, attempts: 3, backoff: 0ms,
	     timeouts: {connect: 10s, ttft: 20s, inter_token: 500ms, total: 60s}}
	  - {model: plain, pools: plain, $patient}
	  - {model: crossed, pools: [alone, talks], $patient}
END
standin hedged-1 9006
standin hedged-2 9007
standin priced 9008
for port in 9009 9010 9011 9012 9013 9014; do standin n$port $port --token-us 8000; done
daemon_start

# body MODEL STREAM [MORE]; ask MODEL STREAM [MORE [CURL-OPTIONS...]]: head and body into $work
body() {
	jq -cn --arg m "$1" --argjson s "$2" \
		'{model: $m, stream: $s, max_tokens: 12, ignore_eos: true,
		  messages: [{role: "user", content: "hello"}]}'" + ${3:-{\}}"
}
ask() {
	curl -sN --max-time 60 -o "$work/out" -D "$work/head" -w '%{http_code}' -H "$json" "${@:4}" \
		-d "$(body "$1" "$2" "${3:-{\}}")" "$url/v1/messages"
}
field() { tr -d '\r' <"$work/head" | sed -n "s/^$1: //Ip"; } # NAME
data() { sed -n 's/^data: //p' "$work/out"; }
# What a client has in the end: texts and arguments, block by block; and whether it is an answer's end.
words() {
	if [[ $(head -c 1 "$work/out") == '{' ]]; then
		jq -c '[[.content[] | .text // (.input | tojson)], .stop_reason]' "$work/out"
	else
		data | jq -cs '[[group_by(.index)[] | select(.[0].index != null) |
			map(.delta.text // .delta.partial_json // empty) | join("")],
			(.[] | select(.type == "message_delta") | .delta.stop_reason)]'
	fi
}
ends() { data | tail -n 1 | jq -r .type; }
starts_once() { data | jq -cs '[.[] | select(.type == "message_start" or .type == "content_block_start")] | length'; }
told() { "$build/sluice" explain "$(field x-request-id)" --json | jq -r "$1"; }                 # JQ
resumed() { metric sluice_streams_resumed_total "route=\"$1\",how=\"$2\""; }                   # ROUTE HOW

# A machine that stalls for longer than the tokens are apart gets beginning and break in one piece: then
# the daemon rightly asks another node before anything is sent, and the case is run again.
break_off() { # MODEL FAULT NODE [MORE]
	for _ in 1 2 3 4 5; do
		ask "$1" true "${4:-{\}}" -H "x-standin-fault: $2" -H "x-standin-fault-node: $3" >/dev/null
		[[ $(field x-sluice-attempts) == 1 ]] && return
	done
}

# ---- streams that break --------------------------------------------------------------------------
ask pre true >/dev/null
right=$(words)
expect "a whole stream" "$(ends) $(starts_once)" == "message_stop 2"
expect "its words" "${#right}" '>' 30
for fault in cut:4 rst:4 clean-cut:4 bad-chunk:4 bad-event:4 error-event:4 stall:4 keepalive-stall:4; do
	model=pre
	[[ $fault == *stall* ]] && model=pre-quick
	before=$(resumed $model continued)
	break_off $model $fault n9009
	expect "$fault: goes on by its beginning" "$(words) $(ends) $(starts_once)" == "$right message_stop 2"
	expect "$fault: counted" "$(($(resumed $model continued) - before))" == 1
done
break_off plain cut:4 n9011
expect "by chance: ends with an error" "$(ends)" == error
break_off plain cut:4 n9011 '{temperature: 0}'
expect "temperature 0: once more, what was sent is held back" "$(words) $(ends) $(starts_once)" == "$right message_stop 2"
call='{temperature: 0, tools: [{name: "look", input_schema: {type: "object"}}], messages: [{role: "user", content: "call tool"}]}'
break_off plain cut:2 n9011 "$call"
expect "a call: once more" "$(words) $(ends) $(starts_once)" == '[["{}"],"tool_use"] message_stop 2'
break_off crossed cut:4 n9013
expect "on to a server of chat completions" "$(words) $(ends) $(starts_once)" == "$right message_stop 2"
expect "... counted" "$(resumed crossed continued)" == 1

# ---- a second node beside a slow one ---------------------------------------------------------------
for stream in true false; do for _ in 1 2 3 4 5; do ask hedged $stream >/dev/null; done; done
for stream in true false; do
	what="hedged, stream=$stream"
	ask hedged $stream >/dev/null
	same=$(words)
	left=$(state_of 9006 .client_gone)
	curl -s http://127.0.0.1:10006/fault -d '{"fault":"slow-first:50000","count":1}' >/dev/null
	expect "$what: answered" "$(ask hedged $stream)" == 200
	expect "$what: by the other node" "$(field x-sluice-node) $(field x-sluice-attempts) $(field x-sluice-hedged)" == \
		"127.0.0.1:9007 2 won"
	expect "$what: the same words" "$(words)" == "$same"
	expect_soon "$what: the slow node sees its client leave" 10 state_is 9006 ".client_gone == $((left + 1))"
done

# ---- what it costs -----------------------------------------------------------------------------------
# 6 tokens of the prompt at 1, 12 of the answer at 2 a million
ask priced false >/dev/null
expect "whole: its cost" "$(field x-sluice-cost) $(told .settled_tokens)" == "0.00003 18"
ask priced true >/dev/null
expect "stream: its cost" "$(told '"\(.cost * 1000000 | round) \(.settled_tokens)"')" == "30 18"
passed=0
for _ in 1 2 3 4; do
	status=$(ask bounded true)
	[[ $status == 200 ]] && passed=$((passed + 1))
done
expect "budget: some pass, then none" "$status $((passed > 0 && passed < 4))" == "429 1"
expect "budget: in the API's words" "$(jq -r '"\(.type) \(.error.type)"' "$work/out")" == "error rate_limit_error"
expect "budget: which, explained" "$(told .refused_by)" == model_budget
daemon_stop
finish
