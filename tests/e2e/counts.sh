#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# counts.sh - conversations near a limit, whose length is counted: by the nodes as vLLM and llama.cpp do, by
# a tokenizer.json, by llama.cpp itself with a real model; contexts that the nodes tell; each of them gone,
# and back; what nobody can count. The other nodes are mirrors.
#
# SLUICE_MODEL  the GGUF file for llama.cpp; without one that part is left out, with one line.
. "$(dirname "$0")/lib.sh"

post() { curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code}' -H 'content-type: application/json' -d @"$1" "$url/v1/chat/completions"; } # FILE
mirror() { # PORT [WINDOW KIND]
	node "$e2e/mirror.mjs" "$@" >"$work/mirror-$1.log" 2>&1 &
	wait_for 20 grep -q ready "$work/mirror-$1.log" || { not_ok "mirror" "$(cat "$work/mirror-$1.log")"; finish; }
}
counts() { metric sluice_token_counts_total "by=\"$1\""; } # WAY
stories() { jq -nc '{model: "stories", max_tokens: 8, messages: [range(12) | {role: "user", content: ("once upon a time " * 4)}, {role: "assistant", content: "yes \(.)"}]}' >"$work/ask"; echo "$work/ask"; }
counted_again() { post "$("$@")" >/dev/null && (($(counts server) > asked)); } # FUNCTION... that writes a question
# A letter is a token: what a file can say best in few lines.
jq -nc '[range(33; 127), range(161; 173), range(174; 256), range(256; 324)] as $codes |
	{model: {type: "BPE", vocab: (reduce range($codes|length) as $i ({}; .[[$codes[$i]]|implode] = $i)), merges: []},
	pre_tokenizer: {type: "ByteLevel", add_prefix_space: false, use_regex: true}}' >"$work/letters.json"
echo '{"model":{"type":"WordPiece","vocab":{}}}' >"$work/other.json"

model=${SLUICE_MODEL:-$root/../shared/models/stories260K.gguf}
llama=
if [[ -f $model ]]; then
	node "$e2e/llama-server.mjs" "$model" --listen 127.0.0.1:9006 --name stories >"$work/llama.log" 2>&1 &
	llama=$!
fi
mirror 9001 3000 vllm
mirror 9002 3000 llama_cpp
mirror 9003
mirror 9004 6000 vllm
mirror 9005 3000 vllm
config_write <<-END
	timeouts: {upstream_idle: 1s}
	pools:
	  vllm: {nodes: ["127.0.0.1:9001"], model: m, tokenize: vllm}
	  llama: {nodes: ["127.0.0.1:9002"], tokenize: llama_cpp}
	  silent: {nodes: ["127.0.0.1:9003"], tokenizer: $work/other.json}
	  letters: {nodes: ["127.0.0.1:9004"], model: letters, context_tokens: 6000, tokenizer: $work/letters.json}
	  stories: {nodes: ["127.0.0.1:9006"], model: stories, tokenize: llama_cpp}
	  short: {nodes: ["127.0.0.1:9005"], model: m, context_tokens: 1000, tokenize: vllm}
	routes:
	  - {model: vllm, pools: vllm, context: {steps: [cut_turns]}}
	  - {model: llama, pools: llama, context: {steps: [cut_turns]}}
	  - {model: silent, pools: silent, context: {steps: [cut_turns]}}
	  - {model: letters, pools: letters, context: {steps: [cut_turns]}}
	  - {model: stories, pools: stories, context: {steps: [cut_turns]}}
	  - {model: short, pools: short, context: {steps: [cut_turns]}}
END
daemon_start
expect_soon "tokenizer read" 20 metric_is sluice_tokenizer_up letters.json == 1
expect "one that is not understood: the log names it" "$(grep -c 'other.json: model: type "WordPiece" is not supported' "$log")" == 1
expect "one that is not understood: shown" "$(metric sluice_tokenizer_up other.json)" == 0

# ---- cut exactly
run() { node "$e2e/counts.mjs" "$url" "$@" >"$work/run" 2>&1; tail -n 1 "$work/run"; } # MODEL WINDOW TIMES
exact() { # NAME MODEL WINDOW
	local result
	result=$(run "$2" "$3" 40)
	expect "$1: none refused, none cut needlessly" "$result" contains "needless=0 failed=0"
	expect "$1: some whole, some cut" "$(sed 's/.*whole=\([0-9]*\) cut=\([0-9]*\).*/\1 \2/;s/^\([1-9][0-9]*\) [1-9][0-9]*$/both/' <<<"$result")" == both
	expect "$1: in order" "$(grep -c 'newest turns' "$work/run")" == 0
}
exact "vLLM counts" vllm 3000
expect "vLLM counts: noted" "$(counts server)" '>=' 10
expect "vLLM told its context" "$(metric sluice_pool_context_told_tokens 'pool="vllm"')" == 3000
exact "llama.cpp counts" llama 3000
expect "llama.cpp told its context" "$(metric sluice_pool_context_told_tokens 'pool="llama"')" == 3000
for _ in 1 2 3; do run letters 6000 4 >/dev/null; done # the frame is learnt
exact "a tokenizer counts" letters 6000
expect "a tokenizer counts: noted" "$(counts tokenizer)" '>=' 10
expect "the file's context counts, not the server's" "$(run short 1000 10)" contains "needless=0 failed=0"
expect "who tells no context: nothing is cut" "$(run silent 3000 5)" contains "cut=0"

# ---- what was counted is known
talk() { jq -nc --argjson n "$1" --argjson words "${2:-200}" '{model: "vllm", max_tokens: 100, messages: [range($n) | {role: "user", content: ("word " * $words)}, {role: "assistant", content: "yes \(.)"}]}' >"$work/ask"; echo "$work/ask"; } # TURNS [WORDS]
counted() { curl -s "http://127.0.0.1:$1/counted"; } # PORT
post "$(talk 8)" >/dev/null
before=$(counted 9001)
post "$(talk 8)" >/dev/null
expect "the same again: not counted again" "$(counted 9001)" == "$before"
expect "noted" "$(counts server_before)" '>=' 1

# ---- images: no tokenizer sees them, and nodes count the mark in their place
seen() { jq -c --arg model "$1" '.model = $model | .messages += [{role: "user", content: [{type: "text", text: "see"}, {type: "image_url", image_url: {url: "data:image/png;base64,AAAA"}}]}]' "$(talk "$2" 203)" >"$work/see"; echo "$work/see"; } # MODEL TURNS
for way in "vllm 8 server" "letters 16 tokenizer"; do
	read -r name turns by <<<"$way"
	estimated=$(counts estimate) exactly=$(counts "$by")
	post "$(seen "$name" "$turns")" >/dev/null
	expect "$name: an image: estimated, and noted so" "$(counts estimate)" == $((estimated + 1))
	expect "$name: an image: not counted as if it were none" "$(counts "$by")" == "$exactly"
done

# ---- a node that counts no more: estimated, and not asked again for a while
curl -s -X POST http://127.0.0.1:9001/mute >/dev/null
failed=$(counts failed)
expect "mute: still answered" "$(post "$(talk 8 201)")" == 200
expect "mute: noted" "$(counts failed)" == $((failed + 1))
before=$(counted 9001)
estimated=$(counts estimate)
expect "mute: answered by the estimate" "$(post "$(talk 8 202)") $(counted 9001)" == "200 $before"
expect "mute: noted as estimate" "$(counts estimate)" '>' "$estimated"
curl -s -X POST -d again http://127.0.0.1:9001/mute >/dev/null
asked=$(counts server)
kill -HUP "$daemon"
expect_soon "counts again, after a reload at once" 20 counted_again talk 8 204
bad_bodies() { metric sluice_node_signals_total "pool=\"$1\",node=\"127.0.0.1:$2\",signal=\"bad_body\""; } # POOL PORT
for way in "vllm 9001" "llama 9002"; do
	read -r name port <<<"$way"
	curl -s -X POST -d RUBBISH "http://127.0.0.1:$port/mute" >/dev/null
	failed=$(counts failed) before=$(bad_bodies "$name" "$port")
	jq -c --arg model "$name" '.model = $model' "$(talk 8 205)" >"$work/see"
	post "$work/see" >/dev/null
	expect "$name says no count: noted" "$(counts failed)" == $((failed + 1))
	expect "$name says no count: a failure of its node" "$(bad_bodies "$name" "$port")" == $((before + 1))
	curl -s -X POST -d again "http://127.0.0.1:$port/mute" >/dev/null
done
asked=$(counts server)
kill -HUP "$daemon"
expect_soon "says it again" 20 counted_again talk 8 206

# ---- silence: who asks waits no longer than for a count
for way in "vllm 9001" "llama 9002"; do
	read -r name port <<<"$way"
	curl -s -X POST -d SILENT "http://127.0.0.1:$port/mute" >/dev/null
	failed=$(counts failed) estimated=$(counts estimate)
	jq -c --arg model "$name" '.model = $model' "$(talk 8 197)" >"$work/see"
	expect "$name is silent: answered" "$(post "$work/see")" == 200
	expect "$name is silent: noted" "$(counts failed) $(counts estimate)" == "$((failed + 1)) $((estimated + 1))"
	curl -s -X POST -d again "http://127.0.0.1:$port/mute" >/dev/null
done
asked=$(counts server)
kill -HUP "$daemon"
expect_soon "speaks again" 20 counted_again talk 8 198

# ---- a real server, which counts by the model's own tokenizer
if [[ $llama ]] && wait_for 60 grep -q listening "$work/llama.log"; then
	exactly=$(counts server)
	result=$(node "$e2e/counts_real.mjs" "$url" http://127.0.0.1:9006 stories 8 2>&1 | tee "$work/real" | tail -n 1)
	expect "llama.cpp: none refused, none cut needlessly" "$result" contains "needless=0 failed=0 unknown=0"
	expect "llama.cpp: some whole, some cut" "$(sed 's/.*whole=\([0-9]*\) cut=\([0-9]*\).*/\1 \2/;s/^\([1-9][0-9]*\) [1-9][0-9]*$/both/' <<<"$result")" == both
	expect "llama.cpp: counted by the server" "$(counts server)" '>=' $((exactly + 8))
	expect "llama.cpp: told its context" "$(metric sluice_pool_context_told_tokens 'pool="stories"')" == 504
	kill -USR2 "$llama"
	wait_for 20 grep -q 'counting false' "$work/llama.log"
	failed=$(counts failed) estimated=$(counts estimate)
	expect "llama.cpp: counts no more: none refused" "$(post "$(stories)")" == 200
	expect "llama.cpp: counts no more: noted" "$(counts failed)" == $((failed + 1))
	expect "llama.cpp: counts no more: estimated" "$(counts estimate)" '>' "$estimated"
	kill -USR2 "$llama"
	wait_for 20 grep -q 'counting true' "$work/llama.log"
	asked=$(counts server)
	kill -HUP "$daemon"
	expect_soon "llama.cpp: counts again" 20 counted_again stories
elif [[ $llama ]]; then
	not_ok "llama.cpp" "$(tail -n 3 "$work/llama.log")"
else
	echo "# skip: llama.cpp: no model at $model (SLUICE_MODEL=FILE.gguf names one)"
fi
daemon_stop
finish
