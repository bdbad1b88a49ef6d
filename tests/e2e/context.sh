#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# context.sh - conversations that are too long: each step of the ladder, with what it depends on there and
# gone, the way back, and what the servers count. Nodes are mirrors: what they were sent is their answer.
. "$(dirname "$0")/lib.sh"

post() { curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code}' -H 'content-type: application/json' -d @"$1" "$url/v1/chat/completions"; } # FILE
sent() { jq -c "$1" "$work/out"; }
declare -A mirrors=()
mirror() { # NAME PORT
	rm -f "$work/mirror-$1.log"
	node "$e2e/mirror.mjs" "$2" >"$work/mirror-$1.log" 2>&1 &
	mirrors[$1]=$!
	wait_for 20 grep -q ready "$work/mirror-$1.log" || { not_ok "mirror" "$(cat "$work/mirror-$1.log")"; finish; }
}
mirror_kill() { kill -KILL "${mirrors[$1]}"; wait "${mirrors[$1]}" 2>/dev/null; }
asked() { curl -s "http://127.0.0.1:$1/asked"; } # PORT
# conversation MODEL TURNS WORDS [MORE]: a file; each turn has WORDS words, the last one is short
conversation() {
	jq -nc --arg model "$1" --argjson turns "$2" --argjson words "$3" --argjson more "${4:-{\}}" '
		([range($words)] | map("word") | join(" ")) as $text |
		{model: $model, max_tokens: 100, messages: (
			[{role: "system", content: "Be kind."}] +
			[range($turns) | {role: "user", content: "\(.) \($text)"}, {role: "assistant", content: "yes \(.)"}] +
			[{role: "user", content: "last"}])} + $more' >"$work/ask"
	echo "$work/ask"
}
steps() { metric sluice_ladder_steps_total "route=\"$1\",stage=\"context\",step=\"$2\""; } # ROUTE STEP
roles() { sent '.seen.messages|map(.role)|join(" ")'; }

mirror one 9001
mirror large 9002
mirror tiny 9003
config_write <<-END
	tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300, breaker.ejection_percent: 100}
	pools:
	  one: {nodes: ["127.0.0.1:9001"], context_tokens: 2000}
	  large: {nodes: ["127.0.0.1:9002"], context_tokens: 4000}
	  tiny: {nodes: ["127.0.0.1:9003", "127.0.0.2:9003"]}
	routes:
	  - {model: none, pools: one}
	  - {model: tools, pools: one, context: {steps: [cut_tool_output]}}
	  - {model: turns, pools: one, context: {steps: [cut_tool_output, cut_turns]}}
	  - {model: summary, pools: [one, large], context: {steps: [summarise, larger_pool], summary_pool: tiny}}
	  - {model: larger, pools: [one, large], context: {steps: [larger_pool]}}
	  - {model: all, pools: [one, large], attempts: 1, context: {steps: [cut_tool_output, cut_turns, summarise, larger_pool], keep_turns: 3, summary_pool: tiny}}
END
daemon_start

# ---- what fits, and what is not to be made to fit
expect "fits: nothing is done" "$(post "$(conversation turns 3 50)") $(header x-sluice-degraded) $(sent '.seen.messages|length')" == "200  8"
expect "no steps: the server decides" "$(post "$(conversation none 3 2000)") $(header x-sluice-degraded) $(sent '.seen.messages|length')" == "200  8"

# ---- old turns
expect "turns: dropped" "$(post "$(conversation turns 6 400)") $(header x-sluice-degraded)" == "200 context=dropped-turns"
expect "turns: the newest are left" "$(sent '.seen.messages|map(.content|split(" ")[0])')" contains '"5","yes","last"]'
expect "turns: the system message is left" "$(sent '.seen.messages[0].content')" == '"Be kind."'
expect "turns: as many as fit" "$(sent '.seen.messages|length')" '>=' 4
expect "turns: counted" "$(metric sluice_ladder_steps_total 'step="dropped-turns"')" == 1
expect "turns: explained" "$("$build/sluice" explain "$(header x-request-id)" --admin-socket "$work/admin.sock")" contains context=dropped-turns
expect "turns: a stream" "$(post "$(conversation turns 6 400 '{"stream":true}')") $(header x-sluice-degraded)" contains context=dropped-turns

# ---- old tool results
tool='{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}'
jq -c --argjson call "$tool" '.messages = [.messages[0], {role: "user", content: "look"}, $call,
	{role: "tool", tool_call_id: "c1", content: .messages[1].content}, {role: "assistant", content: "seen"}, {role: "user", content: "last"}]' \
	"$(conversation tools 1 3000)" >"$work/tools"
expect "tools: dropped" "$(post "$work/tools") $(header x-sluice-degraded)" == "200 context=dropped-tool-output"
expect "tools: counted" "$(steps tools dropped-tool-output)" == 1
expect "tools: the result stays, without its text" "$(sent '.seen.messages[3]|[.role,.tool_call_id,.content]')" == '["tool","c1","[removed to fit the context]"]'

# ---- too long for all
expect "nothing helps: refused" "$(post "$(conversation tools 1 9000)") $(sent .error.code)" == '400 "context_length_exceeded"'
expect "nothing helps: says how long" "$(sent .error.message)" contains "maximum context length is 2000 tokens"
expect "nothing helps: counted" "$(metric sluice_requests_total 'route="tools",code="400"')" == 1
expect "the way back: what fits is left as it is" "$(post "$(conversation tools 3 50)") $(header x-sluice-degraded) $(sent '.seen.messages|length')" == "200  8"

# ---- a larger pool
expect "larger: taken" "$(post "$(conversation larger 6 400)") $(header x-sluice-degraded) $(header x-sluice-pool)" == "200 context=larger-pool large"
expect "larger: with all of it" "$(sent '.seen.messages|length')" == 14
expect "larger: counted" "$(steps larger larger-pool)" == 1
expect "larger: the way back: what fits goes to the first" "$(post "$(conversation larger 3 50)") $(header x-sluice-degraded) $(header x-sluice-pool)" == "200  one"
expect "larger: too long for that too" "$(post "$(conversation larger 1 20000)") $(sent .error.code)" == '400 "context_length_exceeded"'

# ---- a summary
curl -s -d 'they talked about words' http://127.0.0.1:9003/say >/dev/null
expect "summary: made" "$(post "$(conversation summary 6 400)") $(header x-sluice-degraded)" == "200 context=summarised"
expect "summary: in the place of the history" "$(sent '.seen.messages|map(.content)')" == \
	'["Be kind.","Summary of the conversation up to here:\nthey talked about words","last"]'
expect "summary: asked once" "$(asked 9003)" == 1
expect "summary: again, without asking" "$(post "$(conversation summary 6 400)") $(header x-sluice-degraded) $(asked 9003)" == "200 context=summarised 1"
expect "summary: one turn more" "$(post "$(conversation summary 7 400)") $(header x-sluice-degraded) $(asked 9003)" == "200 context=summarised 2"

expect "summary: counted" "$(steps summary summarised)" == 3
expect "summary: the way back: what fits is not summarised" "$(post "$(conversation summary 3 50)") $(header x-sluice-degraded) $(asked 9003)" == "200  2"

# ---- without the summariser: the next step; and the way back
mirror_kill tiny
expect "summariser gone: the next step" "$(post "$(conversation summary 5 401)") $(header x-sluice-degraded)" == "200 context=larger-pool"
expect "summariser gone: counted" "$(steps summary larger-pool) $(steps summary summarised)" == "1 3"
expect "summariser gone: what is kept is used" "$(post "$(conversation summary 7 400)") $(header x-sluice-degraded)" == "200 context=summarised"
mirror tiny 9003
curl -s -d 'back again' http://127.0.0.1:9003/say >/dev/null
back() { post "$(conversation summary 5 402)" >/dev/null; [[ $(header x-sluice-degraded) == context=summarised ]]; }
expect_soon "summariser back: so is the step" 30 back

# ---- a summariser that says nothing: a failure of its node like any other
curl -s -d ' ' http://127.0.0.1:9003/say >/dev/null
words=403 trips=$(trips tiny)
unsummarised() { post "$(conversation summary 5 $((words++)))" >/dev/null; }
unsummarised
expect "summariser says nothing: the next step" "$(header x-sluice-degraded)" == context=larger-pool
expect "summariser says nothing: counted" "$(metric sluice_node_signals_total 'pool="tiny",node="127.0.0.1:9003",signal="bad_body"')" '>' 0
expect "summariser says nothing: logged" "$(grep -c 'route "summary": summary: pool "tiny": .*no summary' "$log")" '>' 0
expect_soon "summariser says nothing: its breaker opens" 30 opens_after "$trips" tiny unsummarised
curl -s -d 'back again' http://127.0.0.1:9003/say >/dev/null
expect_soon "summariser says something: so is the step" 30 back

# ---- in order, and none that is not needed
expect "all: turns first, then a summary of the rest" "$(post "$(conversation all 6 700)") $(header x-sluice-degraded)" == "200 context=dropped-turns, context=summarised"
mirror_kill tiny
expect "all: without the summariser" "$(post "$(conversation all 6 701)") $(header x-sluice-degraded)" == "200 context=dropped-turns, context=larger-pool"
expect "all: each step is counted" "$(steps all dropped-turns) $(steps all summarised) $(steps all larger-pool)" == "2 1 1"
expect "all: the turns that it kept" "$(sent '.seen.messages|length')" == 6
mirror_kill large
expect "all: without the larger pool as well: what is left, to the pool that is there" "$(post "$(conversation all 6 702)") $(header x-sluice-pool) $(sent '.seen.messages|length')" == "200 one 6"

mirror tiny 9003
curl -s -d 'there again' http://127.0.0.1:9003/say >/dev/null
all_back() { post "$(conversation all 6 703)" >/dev/null; [[ $(header x-sluice-degraded) == "context=dropped-turns, context=summarised" ]]; }
expect_soon "all: the way back" 30 all_back

# ---- learning: the mirror counts a token for three bytes, the first guess is larger
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do post "$(conversation turns 2 150)" >/dev/null; done
expect "learnt: what the first guess cuts fits by now" "$(post "$(conversation turns 3 300)") $(header x-sluice-degraded)" == "200 "
daemon_stop
finish
