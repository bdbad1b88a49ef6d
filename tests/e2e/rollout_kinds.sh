#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rollout_kinds.sh - what else is rolled out, and how: a candidate in the shadow, whom no client meets before it has
# done well; a regression suite before each step; blue-green; an index; the configuration itself. Of each bad one it
# says how many clients saw it.
. "$(dirname "$0")/lib.sh"
. "$e2e/rollout-words.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
docs=$work/docs
mkdir "$work/prompts" "$docs"
need_encoder
config_write <<-END
	timeouts: {upstream_idle: 1s}
	audit: {file: $work/audit.log}
	rollouts:
	  file: $work/rollouts
	  checks:
	    suite: {exec: [$work/suite, "two words"], timeout: 60s, retry: 200ms}
	    late: {exec: $work/late, retry: 200ms}
	    slow: {exec: $work/slow, retry: 200ms}
	evaluation: {answers_per_minute: 10000, pick_by: "*"}
	prompts: {dir: $work/prompts, requests: 1000}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	embedding: {model: $encoder, packed: $work/packed}
	indexes:
	  handbook: {directory: $work/shelf, documents: $docs, refresh: 0}
	pools:
	  old: {nodes: ["127.0.0.1:9001"]}
	  new: {nodes: ["127.0.0.1:9002"]}
	  mirror: {nodes: ["127.0.0.1:9003"]}
	routes:
	  - {model: chat, pools: old, backoff: 1ms}
	  - {model: looked, pools: mirror, evaluate: {sample: 1}}
  - {model: docs, pools: old, retrieve: {index: handbook, min_score: 0.3, timeout: 10s}}
	  - {model: strict, pools: mirror, attempts: 1, prompt: {id: strict}, validate: {schema: true, repairs: 0, other_model: false}}
END
rollout_start

# ask_many COUNT [MORE]: those that were not answered well by the old pool
n=0
ask_many() {
	local i
	for ((i = n; i < n + $1; i++)); do [[ $(ask "s$i" "${2:-}") == "200 old" ]] || cat "$work/head"; done
	n=$i
}

reloads() { metric sluice_config_reloads_total 'result="success"'; }
reload() { # and waits for it
	local before
	before=$(reloads)
	kill -HUP "$daemon"
	reloaded() { [[ $(reloads) == $((before + 1)) ]]; }
	expect_soon "a reload" 20 reloaded
}

# ---- in the shadow: words
expect "shadow: no share" "$(rollout start a route=chat pool=new shadow=0)" contains "expected per cent of the requests"
expect "shadow: alone" "$(rollout start a route=chat pool=new steps=shadow)" contains '"shadow" may come first'
expect "shadow: no asks" "$(rollout start a route=chat pool=new shadow=5 asks=0)" contains "expected a number a minute"

# ---- a bad model
fault 500
does start bad route=chat pool=new steps=shadow,50,100 shadow=100% asks=1000 step=1h requests=1000
expect "shadow: as it is told" "$(rollout status bad)" contains "running, in the shadow: asked beside 100.00 % of the requests"
expect "shadow: who asks is of the baseline" "$(ask first) $(header x-sluice-rollout)" == "200 old bad=baseline"
expect "shadow: the old one answers, all of them" "$(ask_many 10)" == ""
expect_soon "a bad model: rolled back out of the shadow" 20 is bad rolled_back
expect "a bad model: by its errors" "$(of bad .reason)" contains "gate errors"
expect "a bad model: nobody has seen it" "$(of bad .seen)" == 0
asked=$(of bad .shadowed)
expect "a bad model: it was asked beside" "$asked" ">=" 1
expect "a bad model: after that all are answered" "$(ask_many 5)" == ""
expect "a bad model: and it is asked no more" "$(of bad .shadowed) $(metric sluice_rollout_spared_total 'rollout="bad"')" == "$asked 0"
expect_soon "a bad model: in the audit trail" 10 audited "bad: rolled_back: gate errors"
echo "# shadow: a failing model: 0 clients saw it, $(of bad .shadowed) were asked beside"
mend

# ---- what is not asked, and a restart
does start few route=chat pool=new shadow=100 asks=2 step=1h requests=1000
tools='"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],'
expect "tools: answered by the old one" "$(ask_many 2 "$tools")" == ""
spared() { [[ $(of few ".spared.$1") == "$2" ]]; }
expect_soon "tools: never asked beside" 10 spared tools 2
expect "tools: they have used the minute's asks" "$(ask_many 2)" == ""
expect_soon "over the minute's asks: counted" 10 spared budget 2
expect "neither was asked beside" "$(of few .shadowed)" == 0
expect "counted as metrics, too" "$(metric sluice_rollout_spared_total 'rollout="few",why="tools"')" == 2
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon_start
expect "a restart: still in the shadow" "$(of few .shadowing) $(of few .share) $(of few .shadow) $(of few .asks_per_minute)" == "true 0 10000 2"
does abort few

# ---- a good model: out of the shadow, by a step, to all
does start good route=chat pool=new steps=shadow,100 shadow=100 asks=10000 step=0 requests=5
shadowed() { ask "s$((n++))" >"$work/said"; [[ $(of good .shadowing) == false ]]; }
expect_soon "a good model: out of the shadow" 30 shadowed
expect "a good model: only after it was asked beside" "$(of good .shadowed)" ">=" 5
full() { ask "s$((n++))" >"$work/said"; is good full; }
expect_soon "a good model: full" 30 full
expect "a good model: all requests" "$(ask another)" == "200 new"
does abort good

# ---- a regression suite before each step: the real one, asked by the command
say() { curl -sf --max-time 5 -o "$work/said" -d "$1" http://127.0.0.1:9003/say; }
runs() { metric sluice_rollout_checks_total "rollout=\"$1\",result=\"$2\""; }
of_is() { [[ $(of "$1" "$2") == "$3" ]]; } # NAME JQ VALUE
program() { cat >"$work/$1"; chmod +x "$work/$1"; }
echo '{"name": "greeting", "input": "hello", "checks": [{"contains": "hello"}]}' >"$work/suite.jsonl"
program suite <<-END
	#!/bin/bash
	env | grep ^SLUICE_ROLLOUT >>$work/suite.env
	echo "\$1"
	exec $sluice eval run $work/suite.jsonl --url $url/v1 --against "\$SLUICE_ROLLOUT_TARGET" --model "\$SLUICE_ROLLOUT_SUBJECT"
END
expect "a suite: none of that name" "$(rollout start s route=chat pool=mirror check=suit)" contains 'rollouts.checks has none of that name (did you mean "suite"?)'
say nonsense
does start unfit route=chat pool=mirror steps=50,100 step=0 requests=1 check=suite
expect "an unfit model: clients go on asking the old one" "$(ask_many 5)" == ""
expect_soon "an unfit model: rolled back" 30 is unfit rolled_back
expect "an unfit model: by its suite" "$(of unfit .reason)" contains 'gate suite: check "suite" before step 1: '
expect "an unfit model: with the suite's last line" "$(of unfit .reason)" contains 'contains "hello": the answer is "nonsense"'
expect "an unfit model: no client has met it" "$(of unfit .seen) $(of unfit .candidate_requests.requests)" == "0 0"
expect_soon "an unfit model: in the audit trail" 10 audited "unfit: rolled_back: gate suite"
expect "an unfit model: counted" "$(runs unfit failed) $(runs unfit passed) $(runs unfit cannot_run)" == "1 0 0"
expect "an unfit model: as it is told" "$(rollout status unfit)" contains "check suite: failed"
echo "# suite: an unfit model: $(of unfit .seen) clients saw it"
say ''
rm "$work/suite.env"
does start fit route=chat pool=mirror steps=50,100 step=0 requests=3 check=suite
fit() { ask "s$((n++))" >"$work/said"; is fit full; }
expect_soon "a fit model: full" 60 fit
expect "a fit model: its suite had passed before each step" "$(runs fit passed) $(of fit .check_passed)" == "3 2"
expect "a fit model: what the suite was told" "$(sort -u "$work/suite.env" | tr '\n' ' ')" == "SLUICE_ROLLOUT=fit SLUICE_ROLLOUT_CANDIDATE=mirror SLUICE_ROLLOUT_KIND=model SLUICE_ROLLOUT_STEP=0 SLUICE_ROLLOUT_STEP=1 SLUICE_ROLLOUT_STEP=2 SLUICE_ROLLOUT_SUBJECT=chat SLUICE_ROLLOUT_TARGET=pool:mirror "
does abort fit

# A program that is not there: held, and tried again.
does start later route=chat pool=new steps=100 step=1h check=late
expect_soon "no program: held" 20 of_is later .check_state cannot_run
late_held() { [[ $(of later .held) == 'check "late" cannot be run, and is tried again after 200 ms: cannot be run: No such file'* ]]; }
expect_soon "no program: and says why" 20 late_held
tried() { (($(runs later cannot_run) >= 2)); }
expect_soon "no program: tried again" 20 tried
expect "no program: neither good nor bad" "$(of later .phase) $(of later .share) $(ask first)" == "running 0 200 old"
held_once() { [[ $("$sluice" audit list | grep -c 'later: held: ') == 1 ]]; }
expect_soon "no program: told once" 10 held_once
program late <<<$'#!/bin/sh\nexit 0'
expect_soon "no program, and then one: it goes on" 20 of_is later .share 1
does abort later

# One that takes its time: a restart, an abort and a reload in the middle.
program slow <<-END
	#!/bin/bash
	echo \$\$ >>$work/slow.runs
	for _ in {1..600}; do
		[[ ! -e $work/go ]] || exit 0
		sleep 0.1
	done
END
slow_runs() { [[ $(wc -l <"$work/slow.runs") == "$1" ]]; }
slow_ended() { ! kill -0 "$(tail -1 "$work/slow.runs")" 2>/dev/null; }
touch "$work/slow.runs"
does start again route=chat pool=new steps=100 step=1h check=slow
expect_soon "a suite that runs" 20 slow_runs 1
expect "a suite that runs: nobody waits for it" "$(of again .check_state) $(of again .held) $(ask first)" == "running its check runs 200 old"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon_start
expect_soon "a restart: it runs again" 20 slow_runs 2
expect "a restart: nobody has it before" "$(of again .unchecked) $(of again .share)" == "true 0"
touch "$work/go"
expect_soon "a restart: the step is taken once it has passed" 20 of_is again .share 1
does abort again
rm "$work/go"
does start over route=chat pool=new steps=100 step=1h check=slow
expect_soon "an abort: while it runs" 20 slow_runs 3
does abort over
expect_soon "an abort: it is ended" 20 slow_ended
expect "an abort: and has said nothing" "$(runs over passed) $(runs over failed) $(runs over cannot_run)" == "0 0 0"
does start cut route=chat pool=new steps=100 step=1h check=slow
expect_soon "a reload without the check: while it runs" 20 slow_runs 4
sed -i 's/^    slow: /    slower: /' "$config"
reload
expect_soon "a reload without the check: held" 20 of_is cut .check_state cannot_run
expect "a reload without the check: and says why" "$(of cut .held)" contains 'rollouts.checks has no "slow" any more'
expect_soon "a reload without the check: it is ended" 20 slow_ended
sed -i 's/^    slower: /    slow: /' "$config"
reload
touch "$work/go"
expect_soon "a reload that has it again: it goes on" 20 of_is cut .share 1
does abort cut

# ---- blue-green: to the other, and back, while clients go on asking
expect "blue-green: in steps" "$(rollout start b route=chat pool=new steps=5,100 --blue-green)" contains "blue-green is all at once"
ask_on() { # STREAM: until told to stop, on its own files; status and pool, a line each
	local i=0
	until [[ -e $work/stop ]]; do
		curl -s --max-time 30 -o "$work/on.out" -D "$work/on.head" -w '%{http_code} ' -H 'content-type: application/json' -H "x-session-id: b$((i++))" \
			-d '{"model":"chat","max_tokens":4,"messages":[{"role":"user","content":"hello"}]}' "$url/v1/chat/completions"
		header on x-sluice-pool
	done
}
ask_on >"$work/on" &
asker=$!
on_says() { (($(tail -n "+$(($1 + 1))" "$work/on" | grep -c "200 $2") >= 3)); } # LINES POOL
expect_soon "blue-green: before, the old one" 20 on_says 0 old
does start b route=chat pool=new step=1h --blue-green
lines=$(wc -l <"$work/on")
expect_soon "blue-green: the new one" 20 on_says "$((lines + 1))" new
does abort b
lines=$(wc -l <"$work/on")
expect_soon "blue-green: back to the old one" 20 on_says "$((lines + 1))" old
touch "$work/stop"
wait "$asker"
expect "blue-green: no request has failed" "$(grep -cvE '^200 (old|new)$' "$work/on")" == 0
expect "blue-green: it was one switch, and one back" "$(cut -d' ' -f2 "$work/on" | uniq | tr '\n' ' ')" == "old new old "
expect_soon "blue-green: in the audit trail" 10 audited "b: started: new, all at once (blue-green)"

# ---- a bad prompt, whose request is the client's with another prompt in it
push() { printf '@system\n%s\n' "$1" | "$sluice" prompt push strict - | cut -d' ' -f2; }
stable=$(push Good.)
bad=$(push Bad.)
"$sluice" prompt promote strict "$stable" >"$work/said" 2>&1
schema='{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"array","contains":{"properties":{"content":{"const":"Good."}},"required":["content"]}}}}'
ask_strict() { # COUNT [stream]: those that were answered otherwise than by the stable one, well
	local i
	for ((i = 0; i < $1; i++)); do
		curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' -H "x-session-id: p$i" \
			-d "{\"model\":\"strict\",${2:+\"stream\":true,}\"response_format\":$schema,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
			"$url/v1/chat/completions"
		[[ $(head -1 "$work/head") == *200* && $(header x-sluice-prompt) == "strict@${stable:0:12}" ]] || cat "$work/head"
	done
}
does start p prompt=strict version="${bad:0:8}" steps=shadow,50 shadow=100 asks=1000 step=1h requests=1000
expect "a bad prompt: everybody gets the stable one" "$(ask_strict 6)$(ask_strict 6 stream)" == ""
expect_soon "a bad prompt: rolled back out of the shadow" 20 is p rolled_back
expect "a bad prompt: by validation" "$(of p .reason)" contains "gate invalid"
expect "a bad prompt: nobody has seen it" "$(of p .seen)" == 0
echo "# shadow: a bad prompt: 0 clients saw it, $(of p .shadowed) were asked beside"

# ---- a model whose answers are whole, and no good: evaluators look at them too
ask_looked() { # COUNT
	for ((i = 0; i < $1; i++)); do
		curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' -H "x-session-id: l$i" \
			-d '{"model":"looked","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"give me a list"}]}' \
			"$url/v1/chat/completions"
		[[ $(header x-sluice-pool) == mirror ]] || cat "$work/head"
	done
}
curl -sf --max-time 5 -o "$work/said" -d '{"a":1}' http://127.0.0.1:9003/say
does start vague route=looked pool=new steps=shadow,50 shadow=100 asks=10000 step=1h requests=1000 errors=0 slow=0
looked() { ask_looked 10 >"$work/said"; is vague rolled_back; }
expect_soon "a vague model: rolled back out of the shadow" 30 looked
expect "a vague model: by what evaluators find" "$(of vague .reason)" contains "gate quality"
expect "a vague model: nobody has seen it" "$(of vague .seen)" == 0
bad='.evaluations[] | select(.route == "looked" and .model == null) | .measures[] | select(.measure == "format") | .bad'
expect "a vague model: what nobody got is no answer of the route" "$("$sluice" eval status --json | jq "$bad")" == 0

# ---- an index: one of other documents is caught at its canary, one with more of them goes to all
index() { "$sluice" index "$@" 2>&1; }
handbook() {
	printf '# Handbook\n\nEvery employee has thirty days of paid vacation in a year.\n' >"$docs/leave.md"
	printf 'Travel costs are paid back within two weeks.\n' >"$docs/travel.txt"
	printf 'Lunch is served in the canteen from noon until two.\n' >"$docs/canteen.txt"
}
handbook
expect "an index: the first version" "$(index build handbook; index promote handbook 1)" contains "version 1 is served"
rm "$docs"/*
printf 'Sodium reacts with water and gives hydrogen.\n' >"$docs/sodium.txt"
printf 'The Permian ended with the largest of all extinctions.\n' >"$docs/permian.txt"
expect "an index: of other documents" "$(index build handbook)" contains "version 2 is made"
handbook
rm "$docs/sodium.txt" "$docs/permian.txt"
printf 'Bicycles stand in the cellar.\n' >"$docs/places.txt"
expect "an index: with one document more" "$(index build handbook)" contains "version 3 is made"
expect "no such index" "$(rollout start i index=nobody version=2)" contains 'there is no index "nobody"'
expect "no such version" "$(rollout start i index=handbook version=9)" contains 'has no version "9"'
expect "a version that is served" "$(rollout start i index=handbook version=1)" contains "is served already"
expect "an index and a pool" "$(rollout start i index=handbook pool=new)" contains "index=NAME version=NUMBER"
questions=("How many days of paid vacation?" "When are travel costs paid back?" "When is lunch served?")
# ask_docs COUNT: the versions that were given, a line each
ask_docs() {
	local i
	for ((i = n; i < n + $1; i++)); do
		curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' -H "x-session-id: d$i" \
			-d "{\"model\":\"docs\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"${questions[i % 3]}\"}]}" \
			"$url/v1/chat/completions"
		echo "$(head -1 "$work/head" | cut -d' ' -f2) $(header x-sluice-index)"
	done
	n=$i
}
handbook_is() { [[ $(index list handbook --json | jq -c ".indexes[0].$1") == "$2" ]]; }
does start wrong index=handbook version=2 steps=shadow,40 shadow=100 asks=10000 step=1h requests=1000
expect_soon "a wrong index: it is open beside the served one" 20 handbook_is candidate 2
shadow_caught() { ask_docs 5 >>"$work/shadow_docs"; is wrong rolled_back; }
expect_soon "a wrong index: rolled back out of the shadow" 30 shadow_caught
expect "a wrong index: by what it finds" "$(of wrong .reason)" contains "gate missed"
expect "a wrong index: everybody had the served one" "$(sort -u "$work/shadow_docs")" == "200 handbook@1"
expect "a wrong index: nobody has seen it" "$(of wrong .seen)" == 0
expect_soon "a wrong index: it is closed" 20 handbook_is candidate 0
does forget wrong
does start wrong index=handbook version=2 steps=40 step=1h requests=1000
expect_soon "again, at a canary: it is open" 20 handbook_is candidate 2
first=$(ask_docs 1; header x-sluice-rollout)
expect "who asks again has the same" "$(ask_docs 1; header x-sluice-rollout)" == "$first"
caught() { ask_docs 5 >>"$work/canary_docs"; is wrong rolled_back; }
expect_soon "a wrong index: rolled back at its canary" 60 caught
expect "a wrong index: nobody got an error" "$(grep -cv '^200 ' "$work/canary_docs")" == 0
expect "a wrong index: few have seen it" "$(of wrong .seen)" "<=" 24
expect "a wrong index: the route is not poor for it" "$(grep -c "poor" "$work/head")" == 0
expect_soon "a wrong index: in the audit trail" 10 audited "wrong: rolled_back: gate"
echo "# canary: a wrong index: $(of wrong .seen) clients saw it"
expect "a wrong index: all have the served one again" "$(ask_docs 3 | sort -u)" == "200 handbook@1"
does start more index=handbook version=3 steps=50,100 step=0 requests=10
expect_soon "a better index: it is open" 20 handbook_is candidate 3
# the one before is forgotten meanwhile: it has nothing to close any more
does forget wrong
stays_open() { for _ in 1 2 3 4 5; do handbook_is candidate 3 && echo open || echo closed; sleep 0.1; done | sort -u; }
expect "a better index: open, whatever is forgotten" "$(stays_open)" == open
more_full() { ask_docs 10 >>"$work/more_docs"; is more full; }
ask_docs 10 >"$work/more_docs"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon_start
expect_soon "a better index: open again after a restart" 20 handbook_is candidate 3
expect_soon "a better index: full" 60 more_full
expect_soon "a better index: promoted" 20 handbook_is served 3
expect_soon "a better index: and no candidate any more" 20 handbook_is candidate 0
expect "a better index: all of its answers were good ones" "$(grep -cvE '^200 handbook@[13]$' "$work/more_docs")" == 0
expect "a better index: it is served, by itself" "$(ask_docs 2 | sort -u) $(header x-sluice-rollout)" == "200 handbook@3 "
fds_before=$(daemon_fds) # one version more is open: the one before
daemon_stop

# ---- the configuration itself: a time-out that is too short, at a canary; one that is right; reloads in the middle
candidate=$work/candidate.yaml
change() { sed "s/{model: chat, pools: old, backoff: 1ms}/{model: chat, pools: old, backoff: 1ms, $1}/" "$config" >"$candidate"; }
daemon_start
expect "a configuration: no such file" "$(rollout start c config=$work/nobody.yaml)" contains "cannot read"
printf 'listen: [\n' >"$candidate"
expect "a configuration: a broken one" "$(rollout start c config=$candidate)" contains "error"
expect "a configuration: the same" "$(rollout start c config=$config)" contains "it says what is in force already"
change 'attempts: 2'
sed -i 's/^threads: 2/threads: 1/; s/^  new: .*/  new: {nodes: ["127.0.0.1:9004"]}/' "$candidate"
expect "a configuration: what is of all requests" "$(rollout start c config=$candidate)" contains "threads, pools.new.nodes"
change 'validate: {citation_pattern: "("}'
expect "a configuration: one that cannot be served" "$(rollout start c config=$candidate)" contains "nothing was started"
expect "a configuration: it is not kept either" "$(rollout status c)" contains 'there is no roll-out "c"'
change 'attempts: 2'
expect "a configuration: no shadow" "$(rollout start c config=$candidate shadow=10)" contains "has no shadow"
fault_old() { curl -sf --max-time 5 -o "$work/fault" -d "{\"fault\":\"$1\"}" "http://127.0.0.1:10001/fault"; }
fault_old slow-first:150
change 'timeouts: {total: 50ms}'
does start hasty config="$candidate" steps=40 step=1h requests=1000
expect "a hasty configuration: as it is told" "$(of hasty .file)" == "$candidate"
# ask_config COUNT: status and arm, a line each
ask_config() {
	local i
	for ((i = n; i < n + $1; i++)); do echo "$(ask "c$i" | cut -d' ' -f1) $(header x-sluice-rollout)"; done
	n=$i
}
ask_config 1 >"$work/config_arms"
hasty() { ask_config 5 >>"$work/config_arms"; is hasty rolled_back; }
expect_soon "a hasty configuration: rolled back" 60 hasty
expect "a hasty configuration: by its errors" "$(of hasty .reason)" contains "gate errors"
expect "a hasty configuration: few have had it" "$(of hasty .seen)" "<=" 20
expect "a hasty configuration: the baseline had no error" "$(grep 'hasty=baseline' "$work/config_arms" | sort -u)" == "200 hasty=baseline"
expect "a hasty configuration: its errors were its clients' alone" "$(grep -c '^504 ' "$work/config_arms")" == "$(of hasty .seen)"
expect "a hasty configuration: no breaker has heard of it" "$(trips old) $(curl -s "$url/metrics" | grep -c 'sluice_node_signals_total{pool="old".*signal="\(ttft\|timeout\|total\).*} [1-9]')" == "0 0"
echo "# canary: a hasty configuration: $(of hasty .seen) clients saw it"
expect "a hasty configuration: nobody gets it any more" "$(ask_config 3 | sort -u)" == "200 "
curl -sf --max-time 5 -o "$work/fault" -X DELETE "http://127.0.0.1:10001/fault"
does forget hasty

change 'attempts: 2'
does start calm config="$candidate" steps=50,100 step=0 requests=5
sed -i 's/repairs: 0, other_model/repairs: 1, other_model/' "$config"
reload
expect "a reload in the middle: it goes on" "$(of calm .phase)" == running
calm() { ask_config 5 >>"$work/calm_arms"; is calm full; }
ask_config 5 >"$work/calm_arms"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon_start
expect "a restart in the middle: it goes on" "$(of calm .phase)" == running
expect_soon "a calm configuration: full" 60 calm
expect "a calm configuration: no error" "$(cut -d' ' -f1 "$work/calm_arms" | sort -u)" == 200
expect "a calm configuration: both had it" "$(sort -u "$work/calm_arms" | grep -c .)" == 2
expect "full: of all requests" "$(ask_config 3 | sort -u)" == "200 calm=candidate"
expect "full: not written anywhere" "$(grep -c 'attempts: 2' "$config")" == 0
sed -i 's/repairs: 0, other_model/repairs: 1, other_model/' "$candidate"
cp "$candidate" "$config"
reload
settled() { [[ $(of calm .settled) == true ]]; }
expect_soon "full, and the configuration says so itself: settled" 20 settled
expect "settled: no roll-out any more" "$(ask_config 2 | sort -u)" == "200 "
does forget calm

cp "$config" "$work/base.yaml"
sed 's/attempts: 2/attempts: 3/' "$config" >"$candidate"
does start stale config="$candidate" steps=50 step=1h
sed -i 's/^  new: .*/  new: {nodes: ["127.0.0.1:9004"]}/' "$config"
reload
expect "a reload that leaves it nothing to stand on: rolled back" "$(of stale .phase): $(of stale .reason)" contains "rolled_back: $candidate: not by a roll-out"
expect "and the baseline answers" "$(ask_config 2 | sort -u)" == "200 "
cp "$work/base.yaml" "$config"
reload
does forget stale
does start edited config="$candidate" steps=50 step=1h
echo "# touched" >>"$candidate"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon_start
shelf_is_open() { (($(ls -l "/proc/$daemon/fd" | grep -c "$work/shelf/") == 2)); } # what is served, and the one before
expect_soon "its file has changed before a restart: the index is open" 30 shelf_is_open
fds_before=$(daemon_fds)
expect "its file has changed before a restart: rolled back" "$(of edited .phase): $(of edited .reason)" == "rolled_back: $candidate has changed since it was started"
daemon_stop
finish
