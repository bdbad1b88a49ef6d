#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# eval.sh - what answers are worth: clients' feedback, evaluators beside the clients, and what they decide.
#
#   clients --> sluiced --> hallu.mjs 9001 "good": says what it was told, but for a planted tenth of its answers
#                      +--> hallu.mjs 9002 "bad": never does
#                      +--> mirror.mjs 9003 "judge": says PASS or FAIL, or whatever it is told to say
#                      +--> mirror.mjs 9004 "late": a judge that is down at first
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
key() { "$sluice" key create "$1" --file "$work/keys" --tenant "$2" 2>"$work/err"; } # NAME TENANT
one=$(key one acme) two=$(key two acme) other=$(key other rival) quiet=$(key quiet hush)
write() { # TOKENS of judges a day
	config_write <<-END
	timeouts: {upstream_idle: 1s}
	keys: {file: $work/keys}
	rollouts: {file: $work/rollouts}
	feedback: {enabled: true, path: $work/feedback.db, per_minute: 80}
	evaluation: {answers_per_minute: 100000, parallel: 64, queue: 1000, not_of: "nobody, hush", tokens_per_day: $1}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  good: {nodes: ["127.0.0.1:9001"]}
	  bad: {nodes: ["127.0.0.1:9002"]}
	  judge: {nodes: ["127.0.0.1:9003"]}
	  late: {nodes: ["127.0.0.1:9004"]}
	routes:
	  - {model: chat, pools: good, backoff: 1ms, evaluate: {sample: 1, context: messages, poor: 0.02}}
	  - {model: judged, pools: good, evaluate: {sample: 1, context: none, judge: judge, judge_timeout: 2s}}
	  - {model: steered, pools: [bad, good], evaluate: {sample: 1, context: messages, steer: true, steer_every: 100ms, steer_step: 0.1, steer_floor: 0.3}}
	  - {model: orphan, pools: good, evaluate: {sample: 1, context: none, judge: late, judge_timeout: 2s}}
	  - {model: rare, pools: good, evaluate: {sample: 0.001, rare: 1h, context: none}}
	  - {model: plain, pools: good}
	END
}
write 1000000000
node "$e2e/hallu.mjs" 9001 0.1 >"$work/node-9001.log" 2>&1 &
node "$e2e/hallu.mjs" 9002 1 >"$work/node-9002.log" 2>&1 &
node "$e2e/mirror.mjs" 9003 >"$work/node-9003.log" 2>&1 &
for port in 9001 9002 9003; do
	wait_for 20 grep -q ready "$work/node-$port.log" || { not_ok "node $port" "$(<"$work/node-$port.log")"; finish; }
done
daemon_start

# ask MODEL KEY WORDS [MEMBERS]: status
ask() {
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code}' -H 'content-type: application/json' \
		-H "authorization: Bearer $2" -H "x-sluice-evaluate: ${evaluate:-yes}" -d '{"model":"'"$1"'",'"${4:-}"'"messages":[
			{"role":"user","content":"Tell me: '"$3"'."}]}' "$url/v1/chat/completions"
}
# rate KEY ID MEMBERS: status
rate() {
	curl -s --max-time 30 -o "$work/rated" -w '%{http_code}' -H 'content-type: application/json' \
		-H "authorization: Bearer $1" -d '{"request_id":"'"$2"'",'"$3"'}' "$url/v1/feedback"
}
many() { timeout 120 node "$e2e/eval.mjs" "$@"; }
say() { curl -s -o "$work/said" --max-time 5 -d "$1" http://127.0.0.1:9003/say; }
stats() { "$sluice" feedback stats --json | jq -r "$1"; }
evals() { "$sluice" eval status --json | jq -r "$1"; }
stats_are() { [[ $(stats "$1") == "$2" ]]; }
evals_are() { [[ $(evals "$1") == "$2" ]]; }
# of ROUTE MODEL MEASURE: for jq
of() { echo ".evaluations[] | select(.route == \"$1\" and .model == $2) | .measures[] | select(.measure == \"$3\")"; }
rollout_is() { [[ $("$sluice" rollout status "$1" --json | jq -r '.rollouts[0].phase') == "$2" ]]; }
rollout_of() { "$sluice" rollout status "$1" --json | jq -r ".rollouts[0]$2"; }

# ---- feedback ---------------------------------------------------------------------------------
ask plain "$one" a >"$work/status"
id=$(header x-request-id)
expect "nobody has rated" "$("$sluice" feedback list)" contains "nobody has rated"
expect "a rating at once" "$(rate "$one" "$id" '"thumbs":"up"')" == 200
expect "its answer" "$(jq -c . "$work/rated")" == "{\"object\":\"feedback\",\"request_id\":\"$id\",\"score\":1}"
expect_soon "is counted" 5 stats_are '.groups[0] | [.route, .model, .good, .bad, .satisfaction] | @csv' '"plain","good",1,0,1'
expect "again, which replaces it" "$(rate "$one" "$id" '"rating":0.25,"comment":"ask bob@example.com"')" == 200
expect_soon "one score is left" 5 stats_are '.groups[0] | [.good, .bad, .scored, .satisfaction] | @csv' '1,1,1,0.25'
expect "a colleague's" "$(rate "$two" "$id" '"label":"hallucination"')" == 200
expect_soon "is another one" 5 stats_are '.groups[0].scored' 2
expect "a comment is screened" "$("$sluice" feedback list --json | jq -r '.feedback[1].comment')" == "ask [email]"
expect "the list" "$("$sluice" feedback list 1)" contains "score=-1 label=hallucination route=plain model=good"
expect "another tenant's" "$(rate "$other" "$id" '"score":1')" == 404
expect "is told in OpenAI's shape" "$(jq -r '.error.code + " " + .error.param' "$work/rated")" == "request_not_found request_id"
expect "a score that is none" "$(rate "$one" "$id" '"score":2')" == 400
expect "a key that is none" "$(rate sk-none "$id" '"score":1')" == 401
expect "by GET" "$(curl -s -o "$work/out" -w '%{http_code}' "$url/v1/feedback")" == 405
expect "by the SDK" "$(many sdk plain "$one")" == '{"feedback 1":1,"404 request_not_found":1}'
# 80 a minute, and what comes back meanwhile: enough that a slow machine is refused too
expect "a key's minute" "$(many rate "$two" "$id" 200 | jq -c '[(.["200"] >= 75), (.["429"] > 0)]')" == '[true,true]'
expect "refusals are counted" "$(stats '[.refused.unknown, .refused.bad, .refused.rate > 0] | @csv')" == "2,1,true"

# ---- a planted share is found -------------------------------------------------------------------
many ask chat "$one" 200 c >"$work/asked"
expect_soon "all answers were looked at" 60 evals_are "$(of chat '"good"' grounded) | .answers" 200
planted=$(curl -s http://127.0.0.1:9001/planted | jq .planted) # of all answers so far
asked=$(curl -s http://127.0.0.1:9001/planted | jq .answers)
expect "the planted share lies in the interval" \
	"$(evals "$(of chat '"good"' grounded) | .low <= 0.1 and 0.1 <= .high and .low > 0.05 and .high < 0.17")" == true
echo "# planted $planted of $asked; measured $(evals "$(of chat '"good"' grounded) | \"\(.bad) of \(.answers), \(.low) to \(.high)\"")"
expect "metrics" "$(curl -s "$url/metrics" | grep -c '^sluice_hallucination_ratio{route="chat",model="good",bound=')" == 3
expect_soon "a route that is surely too bad is said to be" 5 evals_are '.evaluations[] | select(.route == "chat" and .model == null) | .poor' true
before=$(evals .looked)
evaluate=no ask chat "$one" nothing >"$work/status"
ask chat "$quiet" nothing >"$work/status"
ask chat "$one" 'write to bob@example.com' >"$work/status"
expect_soon "who says no, a tenant left out, personal data: none is looked at" 5 evals_are '[.dropped.private, .looked] | @csv' "3,$before"
ask chat "$one" nothing '"stream":true,' >"$work/status"
expect_soon "a stream is" 5 evals_are .looked $((before + 1))

# ---- strata: what is rare is looked at, and weighs what it is ---------------------------------------
many ask rare "$one" 30 r >"$work/asked"
evaluate=no ask rare "$one" nothing >"$work/status"
ask rare "$other" nothing '"stream":true,' >"$work/status"
expect_soon "one of thirty like each other, and the one that is not" 5 evals_are "$(of rare null format) | .answers" 2

# ---- a judge that is down -----------------------------------------------------------------------
expect "requests go on without the judge" "$(many ask orphan "$one" 8 o)" == '{"good":8}'
expect_soon "after five failures it is left alone" 20 evals_are '.judge | [.blown, .silent.failed >= 5, .silent.failed + .silent.fuse == 8] | @csv' '1,true,true'
expect_soon "what it would have judged is neither good nor bad" 5 evals_are "[($(of orphan null format) | .answers), ($(of orphan null judged) | .answers), ($(of orphan null any) | .bad)] | @csv" "8,0"
node "$e2e/mirror.mjs" 9004 >"$work/node-9004.log" 2>&1 &
wait_for 20 grep -q ready "$work/node-9004.log"
curl -s -o "$work/said" --max-time 5 -d FAIL http://127.0.0.1:9004/say

# ---- the judge ----------------------------------------------------------------------------------
say PASS
many ask judged "$one" 5 j >"$work/asked"
expect_soon "good answers pass" 5 evals_are "$(of judged null judged) | [.answers, .bad] | @csv" "5,0"
say FAIL
many ask judged "$one" 5 k >"$work/asked"
expect_soon "bad ones fail" 5 evals_are "$(of judged null judged) | [.answers, .bad] | @csv" "10,5"
say "PASS, I would say"
expect "requests go on while it says neither" "$(many ask judged "$one" 8 l)" == '{"good":8}'
expect_soon "it is left alone, too" 10 evals_are '.judge | [.blown >= 1, .silent.words >= 5] | @csv' 'true,true'
expect "and nothing is made of it" "$(evals "$(of judged null judged) | .answers")" == 10
say PASS

# ---- steering -----------------------------------------------------------------------------------
half() { many ask steered "$one" 80 "s$SECONDS-" >"$work/asked"; evals_are '.evaluations[] | select(.route == "steered" and .model == null) | .steer_share >= 0.5' true; }
expect_soon "requests move to the pool that is surely better" 90 half
expect "which is told" "$(curl -s "$url/metrics" | grep -c '^sluice_eval_steer_share{route="steered"} 0\.[5-7]')" == 1

# ---- the gate of a roll-out -----------------------------------------------------------------------
"$sluice" rollout start bad route=chat pool=bad steps=20 step=1h slow=0 >"$work/out" 2>&1 || not_ok "start of a roll-out" "$(<"$work/out")"
for ((i = 0; i < 12; i++)); do # by counts, not by time
	many ask chat "$one" 40 "b$i-" >"$work/asked"
	! wait_for 1 rollout_is bad rolled_back || break
done
expect_soon "a model that hallucinates is rolled back" 10 rollout_is bad rolled_back
expect "by its quality" "$(rollout_of bad .reason)" contains "gate quality"
expect "few have had it" "$(rollout_of bad .seen)" "<=" 40
echo "# requests that had the bad model: $(rollout_of bad .seen), $(rollout_of bad .candidate_requests.judged) judged"
"$sluice" rollout start liked route=plain pool=bad steps=50 step=1h slow=0 >"$work/out" 2>&1 || not_ok "start of a roll-out" "$(<"$work/out")"
many dislike plain "$other" 70 >"$work/asked"
expect_soon "one that clients dislike, too" 10 rollout_is liked rolled_back
expect "by their feedback" "$(rollout_of liked .reason)" contains "gate quality"

# ---- the judge is back, a restart -----------------------------------------------------------------
back() { many ask judged "$one" 1 m >"$work/asked"; evals_are "$(of judged null judged) | .answers > 10" true; }
expect_soon "the judge is asked again after a while" 60 back
late() { many ask orphan "$one" 1 p >"$work/asked"; evals_are "$(of orphan null judged) | [.answers > 0, .answers == .bad] | @csv" true,true; }
expect_soon "so is the one that was down, when it is there" 60 late
expect "both are well" "$(evals .judge.blown)" == 0

# ---- a budget is used up; that it comes back with the day: tests/unit/policy/allowance.c --------------
spent_is() { many ask judged "$one" 1 "b$SECONDS" >"$work/asked"; evals_are '.judge.spent.day' "$1"; }
before=$(log_lines)
write 10
kill -HUP "$daemon"
expect_soon "the day's tokens are used up" 20 spent_is true
judged=$(evals "$(of judged null judged) | .answers") formed=$(evals "$(of judged null format) | .answers")
expect "requests go on" "$(many ask judged "$one" 5 q)" == '{"good":5}'
expect_soon "answers are looked at without the judge" 10 evals_are "$(of judged null format) | .answers >= $((formed + 5))" true # one asked before may be looked at yet
expect "which is counted as budget, and as no verdict" "$(evals "[.judge.silent.budget >= 5, ($(of judged null judged) | .answers)] | @csv")" == "true,$judged"
expect_logged "and said" "$before" "evaluation: the judges' tokens of this day are used up"
expect "in the metrics" "$(metric sluice_eval_budget_spent 'period="day"')" == 1
write 1000000000
kill -HUP "$daemon"
judged_again() { many ask judged "$one" 1 "t$SECONDS" >"$work/asked"; evals_are "$(of judged null judged) | .answers > $judged" true; }
expect_soon "with more of them the judge is asked again" 20 judged_again
many ask plain "$one" 1 z >"$work/asked"
ask plain "$one" last >"$work/status"
id=$(header x-request-id)
expect_soon "nothing in flight" 10 idle
daemon_stop
daemon_start
expect "after a restart the ratings are there" "$("$sluice" feedback stats --json | jq '.groups | map(.scored) | add > 50')" == true
expect "and answers of before can be rated" "$(rate "$one" "$id" '"score":-1')" == 200
daemon_stop
finish
