#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rollout_kinds.sh - what else is rolled out, and how: a candidate in the shadow, whom no client meets before it has
# done well.
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
mkdir "$work/prompts"
config_write <<-END
	timeouts: {upstream_idle: 1s}
	audit: {file: $work/audit.log}
	rollouts: {file: $work/rollouts}
	evaluation: {answers_per_minute: 10000}
	prompts: {dir: $work/prompts, requests: 1000}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  old: {nodes: ["127.0.0.1:9001"]}
	  new: {nodes: ["127.0.0.1:9002"]}
	  mirror: {nodes: ["127.0.0.1:9003"]}
	routes:
	  - {model: chat, pools: old, backoff: 1ms}
	  - {model: looked, pools: mirror, evaluate: {sample: 1}}
  - {model: strict, pools: mirror, attempts: 1, prompt: {id: strict}, validate: {schema: true, repairs: 0, other_model: false}}
END
standin old 9001
standin new 9002
node "$e2e/mirror.mjs" 9003 >"$work/mirror.log" 2>&1 &
wait_for 20 grep -q ready "$work/mirror.log" || { not_ok "mirror" "$(<"$work/mirror.log")"; finish; }
daemon_start

rollout() { "$sluice" rollout "$@" 2>&1; }
does() { rollout "$@" >"$work/said" || not_ok "sluice rollout $*" "$(<"$work/said")"; }
of() { rollout status "$1" --json | jq -r ".rollouts[0]$2"; } # NAME JQ
is() { [[ $(of "$1" .phase) == "$2" ]]; }
fault() { curl -sf --max-time 5 -o "$work/fault" -d "{\"fault\":\"$1\"}" "http://127.0.0.1:10002/fault"; }
mend() { curl -sf --max-time 5 -o "$work/fault" -X DELETE "http://127.0.0.1:10002/fault"; }
# ask WHO [MORE]: status and pool; everybody else is another one
ask() {
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code} ' -H 'content-type: application/json' \
		-H "x-session-id: $1" -d "{\"model\":\"chat\",\"max_tokens\":4,${2:-}\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}" \
		"$url/v1/chat/completions"
	header x-sluice-pool
}
# ask_many COUNT [MORE]: those that were not answered well by the old pool
n=0
ask_many() {
	local i
	for ((i = n; i < n + $1; i++)); do [[ $(ask "s$i" "${2:-}") == "200 old" ]] || cat "$work/head"; done
	n=$i
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
expect "a bad model: it was asked a few times" "$(of bad .shadowed)" "<=" 10
expect "a bad model: in the audit trail" "$("$sluice" audit list)" contains "bad: rolled_back: gate errors"
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
daemon_stop
finish
