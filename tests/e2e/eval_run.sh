#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# eval_run.sh - `sluice eval run`: a regression suite against a URL, a model, a pool, a version of a prompt, a
# version of an index; two of them compared; a baseline; reports and exit codes. Who may pick, and what not.
#
#   sluice eval run --> sluiced --> hallu.mjs 9001 "good": says what it was told
#                  |           +--> hallu.mjs 9002 "bad": never does
#                  |           +--> mirror.mjs 9003 "mirror": says what it was sent
#                  |           +--> mirror.mjs 9004 "small": says that all is too long for it
#                  +--> each of them by its URL          9009 "dead": nobody
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
key() { "$sluice" key create "$1" --file "$work/keys" --tenant "$2" 2>"$work/err"; } # NAME TENANT
QA=$(key one qa) OTHER=$(key two acme)
export QA OTHER
mkdir "$work/prompts" "$work/docs"
printf '@system\nBe kind.\n' >"$work/prompts/tone.prompt"
echo "The kettle holds 2 litres." >"$work/docs/kettle.txt"
config_write <<-END
	keys: {file: $work/keys}
	prompts: {dir: $work/prompts}
	evaluation: {pick_by: "nobody, qa"}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  good: {nodes: ["127.0.0.1:9001"]}
	  bad: {nodes: ["127.0.0.1:9002"]}
	  mirror: {nodes: ["127.0.0.1:9003"]}
	  small: {nodes: ["127.0.0.1:9004"]}
	  dead: {nodes: ["127.0.0.1:9009"]}
	indexes:
	  shop: {directory: $work/shelf, documents: $work/docs, vectors: none, refresh: 0}
	routes:
	  - {model: chat, pools: [good, bad], attempts: 2, backoff: 1ms, cache: {ttl: 1h, sampled: true}, fallbacks: {context_length: mirror}}
	  - {model: asked, pools: mirror, prompt: {requests: true}}
	  - {model: docs, pools: mirror, retrieve: {index: shop, timeout: 10s}, cache: {ttl: 1h, sampled: true}}
END
node "$e2e/hallu.mjs" 9001 0.000000001 >"$work/node-9001.log" 2>&1 &
node "$e2e/hallu.mjs" 9002 1 >"$work/node-9002.log" 2>&1 &
node "$e2e/mirror.mjs" 9003 >"$work/node-9003.log" 2>&1 &
node "$e2e/mirror.mjs" 9004 5 llama_cpp >"$work/node-9004.log" 2>&1 &
for port in 9001 9002 9003 9004; do
	wait_for 20 grep -q ready "$work/node-$port.log" || { not_ok "node $port" "$(<"$work/node-$port.log")"; finish; }
done
daemon_start

for i in 1 2 3 4 5 6; do
	echo '{"name": "weight '$i'", "input": "Tell me about kettle '$i'.", "checks": [{"contains": "900 grams"}]}'
done >"$work/suite.jsonl"
echo '{"name": "warranty", "input": "And its warranty?", "checks": [{"contains": "24 months"}], "weight": 2}' >>"$work/suite.jsonl"
head -n 1 "$work/suite.jsonl" >"$work/one.jsonl"
evaluate() { "$sluice" eval run "$@" --key-env "${who:-QA}" >"$work/out" 2>&1; } # SUITE WORDS: exit code
report() { jq -c "$1" "$work/out"; }

# ---- targets
evaluate "$work/suite.jsonl" --against http://127.0.0.1:9001/v1 --model m
expect "a URL: exit code" $? == 0
expect "a URL: text" "$(head -n 1 "$work/out")" == "passed  $work/suite.jsonl by m at http://127.0.0.1:9001/v1: 7 passed, 0 failed, 0 unsure; score 100.0 %"
evaluate "$work/suite.jsonl" --against model:chat --output "$work/main.json"
expect "a model of this sluice" "$?, $(head -n 1 "$work/out")" contains "0, passed  $work/suite.jsonl by chat at model:chat: 7 passed"
evaluate "$work/suite.jsonl" --against pool:bad --model chat --json
expect "a pool that is not asked first, though the route's answers are kept" "$?, $(report '[.verdict, .failed]')" == '1, ["failed",6]'
evaluate "$work/one.jsonl" --against pool:dead --model chat --timeout 1 --json
expect "a pool that is down: no other answers for it" "$?, $(report '[.verdict, .unsure]')" == '2, ["unsure",1]'
evaluate "$work/one.jsonl" --against pool:small --model chat --json
expect "one that refuses: no fallback of the route's for it" "$?, $(report '[.verdict, .unsure]')" == '2, ["unsure",1]'
who=OTHER evaluate "$work/suite.jsonl" --against pool:bad --model chat
expect "who may not pick" "$?, $(<"$work/out")" contains "2, unsure"
evaluate "$work/suite.jsonl" --against pool:none --model chat
expect "a pool that there is not" "$?, $(<"$work/out")" contains "(status 400)"
pick() { curl -s --max-time 20 -o "$work/picked" -w '%{http_code}' -H "authorization: Bearer $1" -H "x-sluice-pick: $2" -H 'content-type: application/json' -d '{"model":"chat","messages":[{"role":"user","content":"x"}]}' "$url/v1/chat/completions"; }
expect "a pick of a stranger is refused" "$(pick "$OTHER" pool=bad) $(jq -r .error.message "$work/picked")" == "400 Invalid value for 'x-sluice-pick': expected none: only tenants of evaluation.pick_by may choose."
expect "one that is none" "$(pick "$QA" node=3) $(jq -r .error.message "$work/picked")" contains "pool=NAME or index=NAME@VERSION"
expect "an index that the route has not" "$(pick "$QA" "pool=bad, index=shop@1") $(jq -r .error.message "$work/picked")" contains "the index of this model"

# ---- two compared
evaluate "$work/suite.jsonl" --against pool:bad --versus pool:good --model chat --json --html "$work/page.html"
expect "worse by all six: a regression" "$?, $(report '[.verdict, .worse, .better, .newly_failed, .compared]')" == '1, ["regression",6,0,6,7]'
expect "which cases" "$(report .changed)" == '["weight 1","weight 2","weight 3","weight 4","weight 5","weight 6"]'
expect "the difference lies in its interval" "$(report '.difference | (.mean == -0.75) and .low < -0.75 and .high > -0.75 and .high < 0 and .low >= -1')" == true
expect "the page says so" "$(<"$work/page.html")" contains "<p>against pool:good: 6 worse, 0 better, 6 newly failed"
evaluate "$work/suite.jsonl" --against pool:good --versus pool:bad --model chat
expect "better by six: none" "$?, $(sed -n 2p "$work/out")" contains "0, against pool:bad: 0 worse, 6 better, 0 newly failed"
expect "by how many points" "$(sed -n 2p "$work/out")" contains "score +75.0 points ("
evaluate "$work/suite.jsonl" --against http://127.0.0.1:9002/v1 --versus http://127.0.0.1:9002/v1 --model m --json
expect "alike, though it fails: none, and not sure to be alike" "$?, $(report '[.worse, .difference.mean, .difference.low < -0.05, .difference.high > 0.05]')" == '0, [0,0,true,true]'
evaluate "$work/one.jsonl" --against pool:bad --versus pool:dead --model chat --timeout 1 --json
expect "with one that is down nothing is compared" "$?, $(report '[.compared, .difference.low, .difference.high]')" == '0, [0,-1,1]'
evaluate "$work/suite.jsonl" --against pool:bad --model chat --baseline "$work/main.json"
expect "a baseline of before" "$?, $(sed -n 2p "$work/out")" contains "1, against $work/main.json: 6 worse"

# ---- versions of a prompt, of an index
first=$("$sluice" prompt list tone --json | jq -r '.prompts[0].version')
second=$(printf '@system\nBe brief.\n' | "$sluice" prompt push tone - | cut -d' ' -f2)
echo '{"name": "kind", "input": "Hi", "checks": [{"contains": "Be kind"}]}' >"$work/tone.jsonl"
evaluate "$work/tone.jsonl" --against "prompt:tone@${second:0:8}" --versus "prompt:tone@${first:0:8}" --model asked --json
expect "versions of a prompt" "$?, $(report '[.verdict, .changed]')" == '1, ["regression",["kind"]]'
evaluate "$work/tone.jsonl" --against model:asked,prompt:tone
expect "the stable one" $? == 0
index() { "$sluice" index "$@" >>"$work/index.log" 2>&1; }
index build shop && index promote shop 1
echo "The kettle holds 3 litres." >"$work/docs/kettle.txt"
index build shop && index promote shop 2
echo '{"name": "litres", "input": "How many litres does the kettle hold?", "checks": [{"contains": "holds 2 litres"}]}' >"$work/docs.jsonl"
fds_before=$(daemon_fds) # the two versions are open
evaluate "$work/docs.jsonl" --against index:shop@2 --versus index:shop@1 --model docs --json
expect "versions of an index" "$?, $(report '[.verdict, .changed, .failed]')" == '1, ["regression",["litres"],1]'
evaluate "$work/docs.jsonl" --against model:docs,index:shop@1
expect "the one before alone" $? == 0
evaluate "$work/docs.jsonl" --against model:docs,index:shop@7
expect "one that is not served" "$?, $(<"$work/out")" contains "(status 400)"

# ---- words
evaluate "$work/suite.jsonl" --against node:x --model chat
expect "a target that is none" "$?, $(<"$work/out")" contains "2, error: --against node:x: expected http://ADDRESS:PORT[/PATH], https://NAME[/PATH], or model:NAME"
evaluate "$work/suite.jsonl" --against pool:bad
expect "without a model" "$?, $(<"$work/out")" == "2, error: --against pool:bad: which model? (--model MODEL)"
evaluate "$work/suite.jsonl" --against model:chat --versus pool:bad --model chat --baseline "$work/main.json"
expect "two to compare with" "$?, $(<"$work/out")" contains "compare with one of them"
daemon_stop
finish
