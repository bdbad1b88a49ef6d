#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# counts.sh - conversations near a limit, whose length is counted: by the nodes as vLLM and llama.cpp do, by
# a tokenizer.json; contexts that the nodes tell; each of them gone, and back. Nodes are mirrors.
. "$(dirname "$0")/lib.sh"

post() { curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code}' -H 'content-type: application/json' -d @"$1" "$url/v1/chat/completions"; } # FILE
mirror() { # PORT [WINDOW KIND]
	node "$e2e/mirror.mjs" "$@" >"$work/mirror-$1.log" 2>&1 &
	wait_for 20 grep -q ready "$work/mirror-$1.log" || { not_ok "mirror" "$(cat "$work/mirror-$1.log")"; finish; }
}
counts() { metric sluice_token_counts_total "by=\"$1\""; } # WAY
# A letter is a token: what a file can say best in few lines.
jq -nc '[range(33; 127), range(161; 173), range(174; 256), range(256; 324)] as $codes |
	{model: {type: "BPE", vocab: (reduce range($codes|length) as $i ({}; .[[$codes[$i]]|implode] = $i)), merges: []},
	pre_tokenizer: {type: "ByteLevel", add_prefix_space: false, use_regex: true}}' >"$work/letters.json"
echo '{"model":{"type":"WordPiece","vocab":{}}}' >"$work/other.json"

mirror 9001 3000 vllm
mirror 9002 3000 llama_cpp
mirror 9003
mirror 9004 6000 vllm
mirror 9005 3000 vllm
config_write <<-END
	pools:
	  vllm: {nodes: ["127.0.0.1:9001"], model: m, tokenize: vllm}
	  llama: {nodes: ["127.0.0.1:9002"], tokenize: llama_cpp}
	  silent: {nodes: ["127.0.0.1:9003"], tokenizer: $work/other.json}
	  letters: {nodes: ["127.0.0.1:9004"], model: letters, context_tokens: 6000, tokenizer: $work/letters.json}
	  short: {nodes: ["127.0.0.1:9005"], model: m, context_tokens: 1000, tokenize: vllm}
	routes:
	  - {model: vllm, pools: vllm, context: {steps: [cut_turns]}}
	  - {model: llama, pools: llama, context: {steps: [cut_turns]}}
	  - {model: silent, pools: silent, context: {steps: [cut_turns]}}
	  - {model: letters, pools: letters, context: {steps: [cut_turns]}}
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

# ---- a node that counts no more: estimated, and not asked again for a while
curl -s -X POST http://127.0.0.1:9001/mute >/dev/null
failed=$(counts failed)
expect "mute: still answered" "$(post "$(talk 8 201)")" == 200
expect "mute: noted" "$(counts failed)" == $((failed + 1))
before=$(counted 9001)
estimated=$(counts estimate)
expect "mute: answered by the estimate" "$(post "$(talk 8 202)") $(counted 9001)" == "200 $before"
expect "mute: noted as estimate" "$(counts estimate)" '>' "$estimated"
daemon_stop
finish
