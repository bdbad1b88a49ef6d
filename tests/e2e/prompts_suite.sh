#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# prompts_suite.sh - regression suites of prompts: run on push and by hand, what is refused while they fail,
# a stable version that fails gives way to known-good, results outlive the daemon; canaries by share.
. "$(dirname "$0")/lib.sh"

dir=$work/prompts
mkdir "$dir"
prompt() { "$build/sluice" prompt "$@" --admin-socket "$work/admin.sock" 2>&1; }
http() { curl -s --max-time 20 --unix-socket "$work/admin.sock" -o "$work/out" -w '%{http_code}' "$@"; }
post() { curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code}' -H 'content-type: application/json' "${@:2}" -d "$1" "$url/v1/chat/completions"; }
model_says() { curl -s --max-time 10 -o "$work/said" -d "$1" http://127.0.0.1:9001/say; }
suite_is() { [[ $(prompt list "$1" --json | jq -r --arg v "$2" '.prompts[]|select(.version|startswith($v)).suite') == "$3" ]]; } # ID VERSION STATE
hand_is() { [[ $(prompt list hand --json | jq -r '.prompts[].suite') == "$1" ]]; } # STATE
pushed() { prompt push "$1" - | cut -d' ' -f2; } # ID, text from stdin
node "$e2e/mirror.mjs" 9001 >"$work/mirror.log" 2>&1 &
wait_for 20 grep -q ready "$work/mirror.log"
config_write <<-END
	prompts: {dir: $dir, case_timeout: 20s, suite_parallel: 2, requests: 100000}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  one: {nodes: ["127.0.0.1:9001"], model: small}
	  dead: {nodes: ["127.0.0.1:9009"]}
	routes:
	  - {model: chat, pools: one, prompt: {id: shop, canary: 50}}
	  - {model: other, pools: dead}
END
version() { # TEXT: a prompt of the shop with two cases
	cat <<-END
		@model "whatever"
		@temperature 0
		@var name string required
		@system
		$1 {{name}}
		@test says Ann
		{"variables": {"name": "Ann"}, "input": "Hi", "checks": [{"contains": "Ann"}, {"regex": "^..."}, {"tokens_max": 50}]}
		@test is short
		{"variables": {"name": "Bo"}, "checks": [{"length_max": 60}]}
	END
}
daemon_start

# ---- a suite that passes: run by the push; nothing is stable before
a=$(version "Greet" | pushed shop)
expect_soon "pushed: its suite runs and passes" 30 suite_is shop "$a" passed
expect "promote" "$(prompt promote shop "${a:0:9}")" == "shop $a"
report=$(prompt test "shop@${a:0:8}")
expect "test: status" $? == 0
expect "test: report" "$report" contains "passed  shop@${a:0:12} by chat: 2 passed, 0 failed, 0 unsure"
expect "test: cases" "$report" contains "passed  says Ann ("
json=$(prompt test shop --json)
expect "test: JSON" "$(jq -c '[.verdict,.model,.passed,.cases[1].name,.cases[1].verdict]' <<<"$json")" == '["passed","chat",2,"is short","passed"]'
expect "asked: the pool's model, the prompt's parameters" "$(curl -s --max-time 5 http://127.0.0.1:9001/last | jq -c '[.model,.temperature,.messages[0].role]')" == '["small",0,"system"]'

# ---- a file that is put there by hand: its suite runs at the reload that reads it
version "Curtsy to" | sed 's/whatever/chat/' >"$dir/hand.prompt"
kill -HUP "$daemon"
expect_soon "by hand: its suite runs and passes" 30 hand_is passed

# ---- one that fails: refused, then forced
model_says "I am somebody"
b=$(version "Insult" | pushed shop)
expect_soon "pushed: its suite fails" 30 suite_is shop "$b" failed
expect "refused" "$(prompt promote shop "$b")" contains "version ${b:0:12}: its suite fails; see: sluice prompt test shop@${b:0:12}"
expect "refused: by HTTP" "$(http -X POST "http://localhost/prompts/shop/promote?version=$b")" == 409
prompt test "shop@$b" >"$work/report"
expect "test: status for CI" $? == 1
expect "test: the reason" "$(cat "$work/report")" contains 'check 1, contains "Ann": the answer is "I am somebody"'
expect "as canary it may be tried" "$(prompt promote shop "$b" canary)" == "shop $b"

# ---- canaries that fail give way as well; and they are sticky
ask() { post '{"model":"chat","prompt":{"variables":{"name":"A"}},"messages":[{"role":"user","content":"Hi"}]}' -H "x-session-id: $1"; }
degraded=0 stable=0
for session in 1 2 3 4 5 6 7 8 9 10 11 12; do
	ask $session >"$work/status"
	case "$(header x-sluice-prompt) $(header x-sluice-degraded)" in
	"shop@${a:0:12} prompt=known-good") degraded=$((degraded + 1)) ;;
	"shop@${a:0:12} ") stable=$((stable + 1)) ;;
	esac
done
expect "a canary that fails: known-good for its share" "$((degraded > 0 && stable > 0 && degraded + stable == 12))" == 1
model_says "Ann, good day"
prompt test "shop@$b" >"$work/report"
expect "the model is mended: its suite passes" $? == 0
sticky=1 canaries=0
for session in 1 2 3 4 5 6 7 8 9 10 11 12; do
	ask $session >"$work/status"
	first=$(header x-sluice-prompt)
	ask $session >"$work/status"
	[[ $first == "$(header x-sluice-prompt)" ]] || sticky=0
	[[ $first == "shop@${b:0:12}" ]] && canaries=$((canaries + 1))
done
expect "canaries: some" "$((canaries > 0 && canaries < 12))" == 1
expect "canaries: the same sessions" $canaries == $degraded
expect "canaries: a session keeps its version" $sticky == 1

# ---- a stable version whose suite fails gives way at once, unless it was forced
expect "promote: it passes by now" "$(prompt promote shop "$b")" == "shop $b"
model_says "I am somebody"
prompt test "shop@$b" >"$work/report"
ask x >"$work/status"
expect "stable fails: known-good" "$(header x-sluice-prompt) $(header x-sluice-degraded)" == "shop@${a:0:12} prompt=known-good"
c=$(version "Shout at" | pushed shop)
expect_soon "a third fails" 30 suite_is shop "$c" failed
expect "forced" "$(prompt promote shop "$c" --force)" == "shop $c"
expect "forced: an audit line" "$(tail -n 1 "$dir/audit.log" | jq -r '[.action,.from,.forced]|join(" ")')" == "promote $b $c"
ask x >"$work/status"
expect "forced: is served" "$(header x-sluice-prompt) $(header x-sluice-degraded)" == "shop@${c:0:12} "

# ---- cases of a file, for all versions; the change of the file makes results old
cat >"$dir/shop.suite.jsonl" <<-END
	{"name": "as JSON", "variables": {"name": "Cy"}, "checks": [{"schema": {"type": "object", "required": ["greeting"]}}]}

	{"variables": {"name": "Di"}, "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Bye"}], "checks": [{"not_contains": "nobody"}]}
END
d=$(version "Bow to" | pushed shop)
expect_soon "with a file: fails" 30 suite_is shop "$d" failed
expect "with a file: the schema" "$(prompt report "shop@$d")" contains "failed  as JSON"
expect "with a file: a case without a name" "$(prompt report "shop@$d")" contains "passed  line 3"
model_says '{"greeting":"Ann"}'
prompt test "shop@$d" >"$work/report"
expect "with a file: passes" "$(head -n 1 "$work/report")" contains "4 passed, 0 failed"
echo '{"checks": [{"exact": "no"}]}' >>"$dir/shop.suite.jsonl"
expect "the file is another: run it again" "$(prompt promote shop "$d")" contains "its suite has not run"
prompt test "shop@$d" >"$work/report"
expect "a variable is missing: the case fails" "$(cat "$work/report")" contains 'variable "name" (string) is missing'
echo '{"checks": 1}' >>"$dir/shop.suite.jsonl"
expect "a wrong line is named" "$(prompt test "shop@$d")" contains "shop.suite.jsonl: line 5: checks: expected a list"
printf '{"variables":{"name":"E"},"checks":[{"contains":"Ann"}]}\n' >"$dir/shop.suite.jsonl"
prompt test "shop@$d" >"$work/report"
expect "HTTP: report" "$(http "http://localhost/prompts/shop/test?version=$d") $(jq -r .verdict "$work/out")" == "200 passed"

# ---- nobody answers: unsure, which is no pass and no failure
e=$(version "Nod to" | pushed shop)
expect_soon "by its route" 30 suite_is shop "$e" passed
expect "HTTP: test" "$(http -X POST "http://localhost/prompts/shop/test?version=$e&model=other")" == 202
expect_soon "nobody answers: unsure" 30 suite_is shop "$e" unsure
expect "unsure: refused" "$(prompt promote shop "$e")" contains "cases of its suite had no answer"
expect "unknown model" "$(prompt test "shop@$e" nobody)" contains 'model "nobody" is not known'
printf '@system\nPlain.\n' | prompt push plain - >"$work/out"
expect "no cases, no model" "$(prompt test plain)" contains "no route is bound to it"
expect "no cases" "$(prompt test plain "" chat 2>&1)" contains "is no id or version"
expect "no cases: nothing is asked for" "$(prompt promote plain "$(cut -d' ' -f2 "$work/out")")" contains "plain "

# ---- a reload with more new versions than suites run at once: the others wait for their turn
model_says HOLD
for number in 01 02 03 04 05 06 07 08 09 10 11; do
	printf '@model "chat"\n@system\nOne of %s.\n@test one\n{"checks":[{"contains":"Ann"}]}\n' $number >"$dir/crowd$number.prompt"
done
held_are() { (($(curl -s --max-time 5 http://127.0.0.1:9001/held) == $1)); } # COUNT
crowd_is() { [[ $(prompt list --json | jq -r '[.prompts[]|select(.id|startswith("crowd")).suite]|map(select(.=="passed"))|length') == "$1" ]]; } # COUNT
kill -HUP "$daemon"
expect_soon "many: eight run" 30 held_are 8
expect "many: none is done" "$(crowd_is 0 && echo yes)" == yes
model_says "Ann, good day"
expect_soon "many: all of them pass in the end" 30 crowd_is 11

# ---- the results are kept; a suite under way does not hold up the end of the daemon
daemon_stop
daemon_start
expect "kept: which file it was" "$(prompt list shop --json | jq -r --arg v "$c" '.prompts[]|select(.version==$v).suite')" == "not run"
expect "kept: passed" "$(prompt list shop --json | jq -r --arg v "$d" '.prompts[]|select(.version==$v).suite')" == passed
ask x >"$work/status"
expect "kept: forced" "$(header x-sluice-prompt) $(header x-sluice-degraded)" == "shop@${c:0:12} "
model_says "HANG"
prompt push shop - <<<"$(version "Wave at")" >"$work/out"
f=$(cut -d' ' -f2 "$work/out")
asked() { (($(curl -s --max-time 5 http://127.0.0.1:9001/asked) > before)); }
before=$(curl -s --max-time 5 http://127.0.0.1:9001/asked)
http -X POST "http://localhost/prompts/shop/test?version=$d" >"$work/status"
expect_soon "a suite is under way" 20 asked
expect "HTTP: it runs" "$(http "http://localhost/prompts/shop/test?version=$d") $(jq -r .verdict "$work/out")" == "202 running"
kill -TERM "$daemon"
wait "$daemon"
expect "the daemon ends all the same" $? == 0
daemon_start
expect "what was broken off is not kept" "$(prompt list shop --json | jq -r --arg v "$f" '.prompts[]|select(.version==$v).suite')" == "not run"
daemon_stop
finish
