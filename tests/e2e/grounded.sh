#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# grounded.sh - answers that do not say what their documents say: judged beside the client, whole and
# streamed; the route does without documents, and comes back; a judge, and the judge killed; the budget.
#
#   client -> sluiced -> index (by words) -> model 9001, which says what it was told to
#                    \-> judge 9002
. "$(dirname "$0")/lib.sh"

declare -A servers=()
serve() { # NAME PORT
	node "$e2e/grounded.mjs" "$2" >"$work/$1.log" 2>&1 &
	servers[$1]=$!
	wait_for 30 grep -q ready "$work/$1.log" || { not_ok "server $1" "$(cat "$work/$1.log")"; finish; }
}
say() { curl -s --max-time 10 -d "{\"text\":\"$2\"}" "http://127.0.0.1:$1/say"; } # PORT TEXT
last() { curl -s --max-time 10 "http://127.0.0.1:$1/last"; }                       # PORT
ask() { # MODEL [MORE-OF-THE-BODY]
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\"${2:-},\"messages\":[{\"role\":\"user\",\"content\":\"How many days of vacation, and do I pay before delivery?\"}]}" \
		"$url/v1/chat/completions"
}
answers() { metric sluice_grounded_answers_total "route=\"$1\",verdict=\"$2\""; } # MODEL VERDICT
answers_are() { (($(answers "$1" "$2") == $3)); }
poor_is() { ask docs && [[ $(metric sluice_grounded_poor 'route="docs"') == "$1" ]]; }
served_is() { ask docs && [[ $(header x-sluice-index) == "$1" && $(header x-sluice-degraded) == "$2" ]]; } # INDEX STEPS
spared() { ask few && (($(metric sluice_grounded_skipped_total 'route="few",reason="budget"') > 0)); }
claims_are() { (($(metric sluice_grounded_claims_total "route=\"$1\",verdict=\"$2\"") == $3)); }
judge_is() { (($(metric sluice_grounded_judge_total "route=\"judged\",result=\"$1\"") == $2)); }

mkdir "$work/docs"
printf '%s\n' "Every employee has thirty days of paid vacation in a year." "Pay before delivery." >"$work/docs/handbook.txt"
sampled="index: handbook, timeout: 5s, grounded_sample: 1, grounded_budget: 10000"
config_write <<END
tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300, breaker.ejection_percent: 100}
pools:
  chat: {nodes: ["127.0.0.1:9001"]}
  judge: {nodes: ["127.0.0.1:9002", "127.0.0.2:9002"]}
indexes:
  handbook: {directory: $work/shelf, documents: $work/docs, refresh: 1s, vectors: none}
routes:
  - {model: docs, pools: chat, retrieve: {$sampled, grounded_poor: 0.6, grounded_back: 0.4, grounded_answers: 5, grounded_log: true}}
  - {model: judged, pools: chat, retrieve: {$sampled, judge: judge, judge_timeout: 20s}}
  - {model: few, pools: chat, retrieve: {index: handbook, timeout: 5s, grounded_sample: 1, grounded_budget: 1}}
  - {model: never, pools: chat, retrieve: {index: handbook, timeout: 5s, grounded_sample: 0}}
END
serve chat 9001
serve judge 9002
daemon_start

# ---- answers that say what the documents say
say 9001 "You get 30 days of paid vacation a year [1]. I hope this helps!"
expect_soon "the index is served" 60 served_is handbook@1 ""
ask never
judged=$(answers docs grounded)
ask docs
expect_soon "an answer is judged beside the client" 30 eval "((\$(answers docs grounded) > $judged))"
expect "nothing speaks against it" "$(answers docs ungrounded)" == 0
judged=$(answers docs grounded)
ask docs ',"stream":true'
expect "the stream is as it came" "$(grep -c '^data: ' "$work/out")" ">" 5
expect_soon "it is judged too" 30 eval "((\$(answers docs grounded) > $judged))"

# ---- answers that do not
say 9001 "You get 45 days of paid vacation a year [1]."
ask docs ',"stream":true'
expect_soon "a wrong number in a stream is seen" 30 answers_are docs ungrounded 1
expect "and logged, for the route says so" "$(grep -c 'do not say: You get 45 days.*reason=number word="45"' "$log")" == 1
expect_soon "of many the quality falls: an alert" 60 poor_is 1
expect_soon "the route does without documents, and says so" 30 served_is "" "retrieve=ungrounded"
expect "the model got none" "$(last 9001 | cut -d' ' -f2)" == ""
expect "it is counted" "$(metric sluice_ladder_steps_total 'step="ungrounded"')" ">" 0
expect "the ratio has its interval" "$(metric sluice_hallucination_ratio 'route="docs",bound="high"')" == 1
shows ungrounded 'verdict="ungrounded"} ' "curl -s http://127.0.0.1:8080/metrics | grep -E '^sluice_(grounded_answers_total|hallucination_ratio|grounded_poor).*docs'"
shows ungrounded-log "do not say" "grep 'do not say' $log | head -n 1"
shows given-up 'step="ungrounded"' "curl -s http://127.0.0.1:8080/metrics | grep '^sluice_ladder_steps_total.*docs.*retrieve' | grep -v ' 0$'"

# ---- the way back
say 9001 "You get 30 days of paid vacation a year [1]."
expect_soon "each fifth question is tried, and it comes back" 120 poor_is 0
expect "by questions that got documents" "$(metric sluice_grounded_probes_total 'route="docs"')" ">" 0
expect_soon "documents are given again" 30 served_is handbook@1 ""
expect "the model got them" "$(last 9001)" contains "thirty days"

# ---- the judge
say 9001 "Pay after delivery."
say 9002 "No."
ask judged
expect_soon "what is doubtful is put to the judge" 30 judge_is settled 1
expect_soon "whose word counts" 30 claims_are judged unsupported 1
expect "it saw the sentence and the documents" "$(last 9002 | cut -d' ' -f1)" == 1
say 9002 "Yes."
ask judged
expect_soon "either way" 30 claims_are judged supported 1
say 9002 "Perhaps."
ask judged
expect_soon "an answer that is none leaves it doubtful" 30 claims_are judged doubtful 1
expect_soon "none at all: its breaker opens" 30 opens_after 0 judge ask judged
say 9002 "Yes."
settled=$(metric sluice_grounded_judge_total 'route="judged",result="settled"')
settled_more() { ask judged && (($(metric sluice_grounded_judge_total 'route="judged",result="settled"') > settled)); }
expect_soon "and the way back" 30 settled_more
unsettled() { metric sluice_grounded_judge_total 'route="judged",result="failed"'; }
all_judged() { (($(answers judged grounded) + $(answers judged ungrounded) + $(metric sluice_grounded_skipped_total 'route="judged"') == $(metric sluice_requests_total 'route="judged",code="200"'))); }
expect_soon "all are judged" 30 all_judged
failed=$(unsettled) doubtful=$(metric sluice_grounded_claims_total 'route="judged",verdict="doubtful"')
kill -KILL "${servers[judge]}"
wait "${servers[judge]}" 2>/dev/null
ask judged
expect_soon "a judge that is dead too" 30 claims_are judged doubtful $((doubtful + 1))
expect "which is counted" "$(unsettled)" == $((failed + 1))
expect "the client had its answer" "$(jq -r '.choices[0].message.content' "$work/out")" == "Pay after delivery."

# ---- what is not judged
expect_soon "over the budget none is judged" 60 spared
expect "a route without a share has none judged" "$(answers never grounded)" == 0
expect "only the route that says so is logged" "$(grep -c 'do not say: Pay' "$log")" == 0
daemon_stop
finish
