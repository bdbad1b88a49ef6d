#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rollout.sh - another model, another prompt, for more and more requests: a good one goes to all, a bad one is
# rolled back by itself while its requests are still few, and nobody gets an error for it; a restart in the
# middle goes on where it was.
. "$(dirname "$0")/lib.sh"
. "$e2e/rollout-words.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
mkdir "$work/prompts"
config_write <<-END
	timeouts: {upstream_idle: 1s}
	audit: {file: $work/audit.log}
	rollouts: {file: $work/rollouts}
	prompts: {dir: $work/prompts, requests: 1000}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  old: {nodes: ["127.0.0.1:9001"]}
	  new: {nodes: ["127.0.0.1:9002"]}
	  mirror: {nodes: ["127.0.0.1:9003"]}
	routes:
	  - {model: chat, pools: old, backoff: 1ms}
	  - {model: strict, pools: mirror, attempts: 1, prompt: {id: strict}, validate: {schema: true, repairs: 0, other_model: false}}
END
rollout_start

# ask_many FIRST COUNT: how many were answered well
ask_many() {
	local i good=0
	for ((i = $1; i < $1 + $2; i++)); do [[ $(ask "s$i") == "200 "* ]] && ((good++)); done
	echo $good
}

# ---- words
expect "no such route" "$(rollout start a route=nobody pool=new)" contains 'there is no route "nobody"'
expect "no such pool" "$(rollout start a route=chat pool=nobody)" contains 'there is no pool "nobody"'
expect "the first pool already" "$(rollout start a route=chat pool=old)" contains "is the first of the route already"
expect "steps that fall" "$(rollout start a route=chat pool=new steps=5,1)" contains "expected rising per cents"
expect "half of each" "$(rollout start a route=chat prompt=strict version=1)" contains "expected route=MODEL pool=POOL, or"
expect "both" "$(rollout start a route=chat pool=new prompt=strict version=1)" contains "expected route=MODEL pool=POOL, or"
expect "a word that is none" "$(rollout start a route=chat pool=new color=red)" contains "expected route, pool"
expect "nothing yet" "$(rollout)" contains "nothing is rolled out"
expect "before: the old pool" "$(ask before)" == "200 old"
expect "before: no word of it" "$(header x-sluice-rollout)" == ""

# ---- a bad one
fault 500
does start bad route=chat pool=new steps=50,100 step=1h requests=1000
expect "a second one of the route" "$(rollout start more route=chat pool=new)" contains "is being rolled out"
expect "bad: every request is answered well" "$(ask_many 0 60)" == 60
expect_soon "bad: rolled back" 20 is bad rolled_back
expect "bad: by its errors" "$(of bad .reason)" contains "gate errors"
seen=$(of bad .seen)
shows rollout-status "rolled_back" "sluice rollout"
shows rollout-audit "gate errors" "sluice audit list | grep bad"
shows rollout-alerts "SluiceRollout" "sluice alerts; sluice incidents"
pictured rollout '#verdict' '#rollouts' '#incidents'
expect "bad: few have had it" "$seen" "<=" 20
echo "# canary of 50 %: a failing model: $seen of 60 requests saw it (at most 20)"
expect "bad: nobody gets it any more" "$(ask again) $(header x-sluice-rollout)" == "200 old "
ask_many 100 5 >"$work/good"
expect "bad: its node is left alone" "$(of bad .seen)" == "$seen"
expect_soon "bad: in the audit trail" 10 audited "bad: rolled_back: gate errors"
expect "bad: counted" "$(metric sluice_rollouts_ended_total 'how="rolled_back"')" == 1
expect "bad: what has ended cannot be paused" "$(rollout pause bad)" contains 'is rolled_back: it cannot be paused'
mend

# ---- a slow one
does start slow route=chat pool=new steps=40 step=1h requests=1000
ask_many 200 120 >"$work/good" # what the baseline takes
before=$(of slow .seen)
fault slow-first:5000
# By chance few of forty may be among the share: more are asked then.
for ((first = 400; first < 560; first += 40)); do
	curls=()
	for ((i = first; i < first + 40; i++)); do
		curl -s --max-time 60 -o "$work/slow.$i" -H 'content-type: application/json' -H "x-session-id: s$i" \
			-d '{"model":"chat","max_tokens":4,"messages":[{"role":"user","content":"hello"}]}' "$url/v1/chat/completions" &
		curls+=($!)
	done
	wait "${curls[@]}"
	! wait_for 2 is slow rolled_back || break
done
expect_soon "slow: rolled back" 30 is slow rolled_back
expect "slow: by its first tokens" "$(of slow .reason)" contains "gate slow"
seen=$(($(of slow .seen) - before))
expect "slow: few have waited" "$seen" "<=" 60
echo "# canary of 40 %: a slow model: $seen requests saw it, asked 40 at once (at most 60)"
mend

# ---- a good one, in steps, with a restart in the middle
does start good route=chat pool=new steps=30,60,100 step=0 requests=10
share() { [[ $(of good .share) == "$1" ]]; }
expect "good: the first step" "$(of good .share)" == 0.3
first=$(ask one; header x-sluice-rollout)
for _ in 1 2 3; do expect "good: who asks again has the same" "$(ask one; header x-sluice-rollout)" == "$first"; done
next() { ask_many $((n += 3)) 3 >"$work/good"; share "$1"; }
n=1000
expect_soon "good: the second step" 60 next 0.6
does pause good
held=$(ask one; header x-sluice-rollout) # a larger share may have him
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon_start
expect "a restart: the same step" "$(of good .phase) $(of good .share)" == "paused 0.6"
expect "a restart: the same arm" "$(ask one; header x-sluice-rollout)" == "$held"
does resume good
full() { ask_many $((n += 20)) 20 >"$work/good"; is good full; }
expect_soon "good: full" 60 full
expect "good: all requests" "$(ask another)" == "200 new"
expect_soon "good: in the audit trail" 10 audited "good: full: all gates are calm"
fault 500
expect "full, and it fails: the old pool answers" "$(ask third)" == "200 old"
mend
does abort good
expect "aborted: the old pool" "$(ask another)" == "200 old"
does forget good
expect "forgotten" "$(rollout status good)" contains 'there is no roll-out "good"'

# ---- prompts
push() { printf '@system\n%s\n' "$1" | "$sluice" prompt push strict - | cut -d' ' -f2; }
stable=$(push Good.)
bad=$(push Bad.)
better=$(push 'Good.
@user
Better.')
"$sluice" prompt promote strict "$stable" >"$work/said" 2>&1
deed() { "$sluice" audit list | grep -q "strict: $1"; }
expect_soon "a prompt: its push is a deed" 20 deed "pushed ${bad:0:12}  (uid 0, admin socket)"
expect_soon "a prompt: its promotion too" 20 deed "promoted to stable: ${stable:0:12}  (uid 0, admin socket)"
schema='{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"array","contains":{"properties":{"content":{"const":"Good."}},"required":["content"]}}}}'
ask_strict() { # FIRST COUNT [stream]
	local i
	for ((i = $1; i < $1 + $2; i++)); do
		curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' -H "x-session-id: s$i" \
			-d "{\"model\":\"strict\",${3:+\"stream\":true,}\"response_format\":$schema,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
			"$url/v1/chat/completions"
	done
}
expect "a prompt: the stable one already" "$(rollout start p prompt=strict version=${stable:0:8})" contains "is the stable one already"
expect "a prompt: no such version" "$(rollout start p prompt=strict version=00000000)" contains "has no version"
does start p prompt=strict version="${bad:0:8}" steps=50 step=1h requests=1000
ask_strict 0 60
expect_soon "a bad prompt: rolled back" 20 is p rolled_back
expect "a bad prompt: by validation" "$(of p .reason)" contains "gate invalid"
expect "a bad prompt: few have had it" "$(of p .seen)" "<=" 24
echo "# canary of 50 %: a bad prompt: $(of p .seen) of 60 requests saw it (at most 24)"
ask_strict 500 1
expect "a bad prompt: the stable one for all" "$(header x-sluice-prompt)" == "strict@${stable:0:12}"
does forget p
does start p prompt=strict version="${bad:0:8}" steps=50 step=1h requests=1000
ask_strict 800 40 stream
expect_soon "a bad prompt, in streams: rolled back" 20 is p rolled_back
expect "a bad prompt, in streams: they count as invalid" "$(metric sluice_rollout_bad_total 'rollout="p",arm="candidate",gate="invalid"')" '>=' 5
does start q prompt=strict version="${better:0:8}" steps=100 step=0 requests=10
q_full() { ask_strict $((n += 20)) 20; is q full; }
expect_soon "a good prompt: full" 60 q_full
expect "a good prompt: it is stable now" "$("$sluice" prompt list strict --json | jq -r '.prompts[]|select(.labels|index("stable")).version')" == "$better"
"$sluice" prompt rollback strict >"$work/said" 2>&1
ask_strict 600 1
expect "a good prompt, and yet rolled back by hand: the labels decide" "$(header x-sluice-prompt)" == "strict@${stable:0:12}"
broken=$(printf '@var name string required\n@system\nGood. {{name}}\n' | "$sluice" prompt push strict - | cut -d' ' -f2)
does forget q
does start r prompt=strict version="${broken:0:8}" steps=50 step=1h requests=1000 --force
ask_strict 700 60
expect_soon "it is rolled back, though known-good answers" 20 is r rolled_back
expect "for its failures" "$(of r .reason)" contains "gate errors"

# ---- the candidate's pool is gone at a restart
does start lost route=chat pool=new steps=50 step=1h
daemon_stop
sed -i '/^ *new: /d' "$config"
daemon_start
expect "its pool is gone: aborted" "$(of lost .phase): $(of lost .reason)" == "aborted: the candidate's pool is no longer configured"
daemon_stop
finish
