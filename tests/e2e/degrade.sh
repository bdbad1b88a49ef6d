#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# degrade.sh - what is saved while a pool is in need, and the way back: a pool that is really full, nodes
# that are really dead, one that is really slow, a tool whose server is really gone.
#
# Places of a pool are taken by streams without an end ("blockers"), until their client leaves. The server
# of the pool `echo` answers with the body that it was sent.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
chat="$url/v1/chat/completions"
config_write <<-END
	log: {requests: $work/requests.log}
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.open_ms: 2s, breaker.open_max_ms: 2s, breaker.consecutive_failures: 3, # open for longer than a slow request
	           breaker.minimum_outcomes: 100000}
	pools:
	  big: {nodes: ["127.0.0.1:9001"], slots: 2, affinity: none}
	  small: {nodes: ["127.0.0.1:9002"], model: tiny}
	  pair: {nodes: ["127.0.0.1:9003", "127.0.0.1:9004"]}
	  slow: {nodes: ["127.0.0.1:9005"]}
	  echo: {nodes: ["127.0.0.1:9006"]}
	  meteo: {nodes: ["127.0.0.1:9007"], health: {live: http, every: 100ms, timeout: 5s, failures: 2}}
	routes:
	  - model: chat
	    pools: big
	    cache: {ttl: 60s, sampled: true}
	    degrade:
	      rules: [{load: 40, dwell: 100ms, classes: [batch, standard], max_tokens: 5, model: small, messages: 1}]
	  - model: pair
	    pools: pair
	    attempts: 4
	    hedge: {after: p99}
	    degrade: {rules: [{breakers: 40, dwell: 100ms, no_hedge: true}]}
	  - model: slow
	    pools: slow
	    degrade: {rules: [{ttft: 500ms, dwell: 100ms, max_tokens: 6}]}
	  - model: tools
	    pools: echo
	    degrade: {tools: {weather: {pool: meteo}}}
END
standin n1 9001 --token-us 20000
standin n2 9002
standin n3 9003
standin n4 9004
standin n5 9005
standin n7 9007
node -e '
	require("http").createServer((request, response) => {
		let body = "";
		request.on("data", (data) => (body += data));
		request.on("end", () => response.setHeader("content-type", "application/json").end(JSON.stringify({
			id: "c", object: "chat.completion", created: 1, model: "echo",
			choices: [{index: 0, message: {role: "assistant", content: body}, finish_reason: "stop"}],
			usage: {prompt_tokens: 1, completion_tokens: 1, total_tokens: 2}})));
	}).listen(9006, "127.0.0.1", () => console.log("ready"));' >"$work/echo.log" 2>&1 &
expect_soon "the echo server listens" 20 grep -q ready "$work/echo.log"
daemon_start

# ask NAME BODY [CURL-OPTIONS...]
ask() {
	local name=$1 body=$2
	shift 2
	curl -sN --max-time 60 -o "$work/$name.out" -D "$work/$name.head" -H "$json" -H "x-request-id: $name" \
		-d "$body" "$@" "$chat"
}
said() { jq -r "$2" "$work/$1.out"; }                            # NAME JQ
body() { # MODEL [MORE]
	echo "{\"model\":\"$1\",\"ignore_eos\":true,${2:-}\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\",\"content\":\"two\"},{\"role\":\"user\",\"content\":\"three\"}]}"
}
degraded() { # ASK-ARGUMENTS...: asks, and is true when the answer came of a step down
	ask "$@" && [[ -n $(header "$1" x-sluice-degraded) ]]
}
not_degraded() { ask "$@" && [[ -z $(header "$1" x-sluice-degraded) && -s $work/$1.head ]]; }
steps() { metric sluice_ladder_steps_total "route=\"$1\",stage=\"degrade\",step=\"$2\""; } # ROUTE STEP

# ---- load: two places, one of them taken
ask calm "$(body chat '"max_tokens":20,')" -H 'x-sluice-cache: no'
expect "calm: nothing is saved" "$(header calm x-sluice-degraded)" == ""
expect "calm: by the route's pool" "$(header calm x-sluice-pool)" == big
expect "calm: as many tokens as asked for" "$(said calm .usage.completion_tokens)" == 20
whole=$(said calm .usage.prompt_tokens)
curl -sN --max-time 120 -o "$work/blocker" -H "$json" -d "$(body chat '"max_tokens":30000,"stream":true,')" "$chat" &
blocker=$!
expect_soon "a place is taken" 20 state_is 9001 '.running == 1'
ask full "$(body chat '"max_tokens":20,')"
expect "load: each saving is told" "$(header full x-sluice-degraded)" == "degrade=max_tokens, degrade=model, degrade=context"
expect "load: by the smaller model" "$(header full x-sluice-pool)" == small
expect "load: no fallback" "$(header full x-sluice-fallback)" == ""
expect "load: fewer tokens" "$(said full .usage.completion_tokens)" == 5
expect "load: a shorter conversation" "$(said full .usage.prompt_tokens)" '<' "$whole"
ask full2 "$(body chat '"max_tokens":20,')"
expect "load: the cache does not keep it" "$(header full2 x-sluice-cache)" == miss
ask streamed "$(body chat '"max_tokens":20,"stream":true,')"
expect "load: streams are told too" "$(header streamed x-sluice-degraded)" contains "degrade=model"
expect "load: and come to their end" "$(tail -n 2 "$work/streamed.out" | head -n 1)" == "data: [DONE]"
ask few "$(body chat '"max_tokens":3,')"
expect "load: who asks for less has that" "$(said few .usage.completion_tokens) $(header few x-sluice-degraded)" == "3 degrade=model, degrade=context"
ask none "$(body chat)" -H 'x-sluice-class: batch'
expect "load: who names no bound gets one" "$(said none .usage.completion_tokens)" == 5
curl -s --max-time 60 -o "$work/messages.out" -D "$work/messages.head" -H "$json" -H 'anthropic-version: 2023-06-01' \
	-d '{"model":"chat","max_tokens":20,"messages":[{"role":"user","content":"hello"}]}' "$url/v1/messages"
expect "load: the Messages API is told the same" "$(header messages x-sluice-degraded) $(said messages .usage.output_tokens)" == "degrade=max_tokens, degrade=model 5"
# full, full2, streamed, few, none, messages: few asks for less itself, messages has one message
expect "load: each saving is counted" "$(steps chat model) $(steps chat max_tokens) $(steps chat context)" == "6 5 5"
expect "load: the rule is shown" "$(metric sluice_degrade_in_force 'route="chat",rule="0"')" == 1
expect "load: explained" "$("$build/sluice" explain full --admin-socket "$work/admin.sock")" contains "degrade=model"
kill -KILL $blocker
wait $blocker 2>/dev/null
expect_soon "the way back: nothing is saved any more" 30 not_degraded back "$(body chat '"max_tokens":20,')" -H 'x-sluice-cache: no'
expect "the way back: the route's pool" "$(header back x-sluice-pool)" == big
expect "the way back: the metric" "$(metric sluice_degrade_in_force 'route="chat",rule="0"')" == 0
expect_soon "logged" 20 grep -q '"id":"full",.*"degraded":"degrade=max_tokens, degrade=model, degrade=context"' "$work/requests.log"

# ---- breakers: one of two nodes is dead
ask two "$(body pair)"
expect "breakers: nothing is saved" "$(header two x-sluice-degraded)" == ""
standin_kill n4
expect_soon "breakers: half of the nodes are out" 30 degraded out "$(body pair)"
expect "breakers: told" "$(header out x-sluice-degraded)" == "degrade=hedge"
expect "breakers: counted" "$(steps pair hedge)" == 1
standin n4 9004
expect_soon "breakers: the way back" 30 not_degraded in "$(body pair)"
curl -sf -o /dev/null -d '{"fault":"500"}' http://127.0.0.1:10004/fault # it lives, and gives no right answer
hedges=$(steps pair hedge)
expect_soon "breakers: half of the nodes err" 30 degraded erring "$(body pair)"
expect "breakers: errors: told" "$(header erring x-sluice-degraded)" == "degrade=hedge"
expect "breakers: errors: counted" "$(steps pair hedge)" == $((hedges + 1))
curl -sf -o /dev/null -X DELETE http://127.0.0.1:10004/fault
expect_soon "breakers: errors: the way back" 30 not_degraded right "$(body pair)"

# ---- latency: the first tokens come late
curl -sf -o /dev/null -d '{"fault":"slow-first:900"}' http://127.0.0.1:10005/fault
asking=()
for i in {1..10}; do
	ask "late$i" "$(body slow '"max_tokens":9,"stream":true,')" &
	asking+=($!)
done
wait "${asking[@]}"
expect_soon "ttft: told" 30 degraded late "$(body slow '"max_tokens":9,"stream":true,')"
expect "ttft: fewer tokens" "$(header late x-sluice-degraded)" == "degrade=max_tokens"
expect "ttft: counted" "$(steps slow max_tokens)" '>=' 1
curl -sf -o /dev/null -X DELETE http://127.0.0.1:10005/fault
expect_soon "ttft: the way back, once the late ones are forgotten" 60 not_degraded early "$(body slow '"max_tokens":9,"stream":true,')"

# ---- tools
tool() { echo "{\"type\":\"function\",\"function\":{\"name\":\"$1\",\"parameters\":{\"type\":\"object\"}}}"; }
both=$(body tools "\"tools\":[$(tool weather),$(tool clock)],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"weather\"}},")
one=$(body tools "\"tools\":[$(tool weather)],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,")
names() { said "$1" '.choices[0].message.content | fromjson | [.tools[]?.function.name] | join(" ")'; }
sent() { said "$1" ".choices[0].message.content | fromjson | $2"; }
expect_soon "tools: the weather is found good" 20 metric_is sluice_node_health '9007",state="good"' == 1
ask with "$both"
expect "tools: both are there" "$(names with) $(header with x-sluice-degraded)" == "weather clock "
standin_kill n7
expect_soon "tools: its server is gone" 30 degraded without "$both"
expect "tools: told" "$(header without x-sluice-degraded)" == "degrade=tool"
expect "tools: the other one stays" "$(names without)" == clock
expect "tools: nobody must call it" "$(sent without .tool_choice)" == auto
expect "tools: the model is told" "$(sent without '.messages[0].content')" contains 'The tool "weather" is out of order'
expect "tools: behind what the system said" "$(sent without '.messages[0].content[0:1]')" == S
ask alone "$one"
expect "tools: without any the members go" "$(sent alone '[has("tools"), has("tool_choice"), has("parallel_tool_calls")] | map(tostring) | join(" ")')" == "false false false"
ask unrelated "$(body tools)"
expect "tools: a request without tools is left alone" "$(header unrelated x-sluice-degraded)" == ""
standin n7 9007
expect_soon "tools: the way back" 30 not_degraded again "$both"
expect "tools: both again" "$(names again)" == "weather clock"
expect "tools: counted" "$(steps tools tool)" '>=' 2

daemon_stop
finish
