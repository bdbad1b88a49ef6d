#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# names.sh - a server is really given another model, or another fingerprint, behind its address: who notices
# it, what is told, what is held up, what `strict` does, and the ways back.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
config_write <<-END
	limits: {upstream_idle: 0}
	prompts: {dir: $work/prompts}
	pools:
	  warned: {nodes: ["127.0.0.1:9001"], model: m-1}
	  strict: {nodes: ["127.0.0.1:9002", "127.0.0.1:9003"], model: m-1, expect_model: strict, expect_model_name: /models/m-1}
	  off: {nodes: ["127.0.0.1:9004"], model: m-1, expect_model: off}
	  idle: {nodes: ["127.0.0.1:9006"], model: m-1, health: {live: http, every: 50ms, timeout: 20s}}
	  plain: {nodes: ["127.0.0.1:9005"]}
	routes:
	  - {model: warned, pools: warned}
	  - {model: strict, pools: strict, attempts: 3}
	  - {model: off, pools: off}
	  - {model: idle, pools: idle}
	  - {model: plain-a, pools: plain}
	  - {model: plain-b, pools: plain}
	  - {model: prompted, pools: off, fallbacks: {quota: [warned]}, prompt: {id: bound}}
END
mkdir "$work/prompts"
printf '@system\nBe kind.\n' >"$work/prompts/bound.prompt"
standin a 9001
standin b 9002
standin c 9003
standin d 9004
standin e 9005
standin f 9006 --model m-1
daemon_start

# ask NAME ROUTE [MEMBERS]: prints the status
ask() {
	curl -sN --max-time 60 -o "$work/$1.out" -D "$work/$1.head" -H "$json" -w '%{http_code}' \
		-d "{\"model\":\"$2\",${3:-}\"max_tokens\":3,\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}" \
		"$url/v1/chat/completions"
}
says() { curl -sf --max-time 20 -o "$work/says" -d "$2" "http://127.0.0.1:$(($1 + 1000))/names"; } # PORT JSON
truth() { curl -sf --max-time 20 -o "$work/says" -X DELETE "http://127.0.0.1:$(($1 + 1000))/names"; }
status() { "$build/sluice" status "$@" --admin-socket "$work/admin.sock" 2>&1; }
drift() { status --json | jq -c ".drift[] | select(.pool==\"$1\") | $2"; } # POOL JQ
accept() { "$build/sluice" canary accept "$1" --admin-socket "$work/admin.sock" 2>&1; }
changes() { metric sluice_node_model_changes_total "pool=\"$1\",node=\"127.0.0.1:$2\",what=\"$3\""; }
holds() { metric sluice_rollout_holds "pool=\"$1\""; }
logged() { grep -c -- "$1" "$log"; }

# ---- warn
expect "warn: answered" "$(ask w warned) $(header w x-sluice-model)" == "200 "
expect "warn: nothing has changed" "$(drift warned '[.holds, .causes, .nodes[0].model, .nodes[0].fingerprint]')" == '[false,[],"m-1","a"]'
says 9001 '{"model": "m-\"2"}'
expect "warn: the answer of another model is passed on" "$(ask w warned) $(jq -r .model "$work/w.out")" == '200 m-"2'
expect "warn: and says so" "$(header w x-sluice-model)" == changed
expect "warn: in a stream too" "$(ask w warned '"stream":true,') $(header w x-sluice-model)" == "200 changed"
expect "warn: one change" "$(changes warned 9001 model)" == 1
expect "warn: and one line" "$(logged 'pool "warned": node 127.0.0.1:9001: answers as model "m-\\"2", before "m-1" (asked for "m-1"')" == 1
expect "warn: the gauges" "$(metric sluice_node_model_changed 'node="127.0.0.1:9001"')$(holds warned)$(holds strict)" == 110
expect "warn: status for scripts" "$(drift warned '[.holds, .causes, .nodes[0].asked, .nodes[0].model, .nodes[0].accepted]')" == '[true,["model"],"m-1","m-\"2","m-1"]'
expect "warn: status for people" "$(status)" contains 'pool warned: node 127.0.0.1:9001 answers as model "m-\"2", before "m-1"'
shows model-status "answers as model" "sluice status warned | grep 'answers as'"
shows model-metrics 'what="model"} 1' "curl -s http://127.0.0.1:8080/metrics | grep -E '^sluice_node_model_change(d|s_total).*warned.*9001'"
shows model-incident "SluiceModel" "sluice alerts | cut -c 1-150"
prompt() { "$build/sluice" prompt "$@" --admin-socket "$work/admin.sock" 2>&1; }
printf '@system\nBe short.\n' >"$work/second"
printf '@model plain-a\n@system\nBe brief.\n' >"$work/other"
second=$(prompt push bound "$work/second")
second=${second#bound }
other=$(prompt push other "$work/other")
expect "promote: refused" "$(prompt promote bound "${second:0:12}")" contains "the model of pool \"warned\" has changed"
expect "promote: not served" "$(prompt list bound --json | jq -c '[.prompts[] | select(.version == "'"$second"'") | .labels]')" == '[[]]'
expect "promote: over HTTP too" "$(curl -s --max-time 20 --unix-socket "$work/admin.sock" -o "$work/out" -w '%{http_code}' -X POST "http://localhost/prompts/bound/promote?version=${second:0:12}")" == 409
expect "promote: counted" "$(metric sluice_rollouts_held_total 'pool="warned"')$(metric sluice_rollouts_held_total 'pool="plain"')" == 20
expect "promote: of another pool" "$(prompt promote other "${other:6:12}")" == "$other"
expect "promote: to what is served in need" "$(prompt promote bound "${second:0:12}" known-good)" == "bound $second"
expect "promote: by force" "$(prompt promote bound "${second:0:12}" --force)" == "bound $second"
expect "promote: which is not counted as refused" "$(metric sluice_rollouts_held_total 'pool="warned"')" == 2
expect "promote: but told" "$(logged 'has changed.*promoted by force')" == 1
expect "promote: a rollback is not held" "$(prompt rollback bound)" contains "bound "
truth 9001
expect "warn: the way back" "$(ask w warned) $(header w x-sluice-model)" == "200 "
expect "warn: is a change of its own" "$(changes warned 9001 model)$(holds warned)" == 20
expect "warn: and told" "$(logged 'node 127.0.0.1:9001: answers as model "m-1" again')" == 1
says 9001 '{"fingerprint": "fp-2"}'
expect "fingerprint: another one" "$(ask w warned '"stream":true,') $(header w x-sluice-model)" == "200 changed"
expect "fingerprint: what changed" "$(drift warned .causes) $(changes warned 9001 fingerprint)$(changes warned 9001 model)" == '["fingerprint"] 12'
expect "fingerprint: logged" "$(logged 'node 127.0.0.1:9001: answers as fingerprint "fp-2", before "a"')" == 1
expect "fingerprint: accepted" "$(accept warned) $(holds warned)" == "accepted 0"
expect "fingerprint: from then on" "$(ask w warned) $(header w x-sluice-model) $(changes warned 9001 fingerprint)" == "200  1"
truth 9001
expect "fingerprint: so is the one before" "$(ask w warned) $(header w x-sluice-model)$(holds warned)" == "200 0"
says 9001 '{"model": "m-3"}'
ask w warned >/dev/null
expect "reload: the alarm stays" "$(kill -HUP "$daemon" && wait_for 20 metric_is sluice_config_reloads_total "" '>=' 1 && holds warned)" == 1
sed -i 's/model: m-1}/model: m-1, expect_model_name: m-3}/' "$config"
before=$(logged ': reloaded')
kill -HUP "$daemon"
reloaded() { (($(logged ': reloaded') > before)); }
expect_soon "reload: another name is expected" 20 reloaded
expect "reload: the alarm ends" "$(holds warned) $(ask w warned) $(header w x-sluice-model)" == "0 200 "
says 9001 '{"model": "m-4"}'
expect "expected names: any other is wrong" "$(ask w warned) $(header w x-sluice-model)" == "200 changed"

# ---- names as asked, and none that are looked at
expect "two names of one node" "$(ask w plain-a)$(ask w plain-b)$(ask w plain-a) $(changes plain 9005 model)$(holds plain)" == "200200200 00"
expect "two names: both are known" "$(drift plain '[.nodes[].asked] | sort')" == '["plain-a","plain-b"]'
says 9004 '{"model": "m-2"}'
expect "off: nobody looks" "$(ask w off) $(header w x-sluice-model)$(holds off) $(drift off .nodes)" == "200 0 []"
expect "accept: no such pool" "$(accept nowhere)" contains 'there is no pool "nowhere"'

# ---- a node that nobody asks, but for the checks
listed() { [[ $(drift idle "$1") == "$2" ]]; }
expect_soon "checks: the list of models is read" 60 listed '.nodes[] | [.by, .model]' '["list","m-1"]'
says 9006 '{"model": "m-2"}'
expect_soon "checks: another model is noticed without a request" 60 listed '[.holds, .causes, .nodes[0].model]' '[true,["model"],"m-2"]'
expect "checks: logged" "$(logged 'pool "idle": node 127.0.0.1:9006: lists model "m-2", before "m-1"')" == 1
expect "checks: the node is well all the same" "$(metric sluice_node_health 'node="127.0.0.1:9006",state="good"')" == 1
truth 9006
expect_soon "checks: the way back" 60 listed '[.holds, .causes, .nodes[0].model]' '[false,[],"m-1"]'

# ---- strict
says 9002 '{"model": "/models/m-1"}'
asked_both() { ask s strict >/dev/null; [[ $(drift strict '.nodes | length') == 2 ]]; }
expect_soon "strict: both nodes answer, one by its path" 60 asked_both
expect "strict: nothing failed" "$(metric sluice_attempts_total 'pool="strict",ending="other_model"')" == 0
says 9002 '{"model": "m-2"}'
retried() { [[ $(ask s strict "$1") == 200 && $(header s x-sluice-attempts) == 2 ]]; }
expect_soon "strict: an answer of another model is asked for elsewhere" 60 retried ""
expect "strict: the right one comes" "$(jq -r .model "$work/s.out") $(header s x-sluice-node) $(header s x-sluice-model)" == "m-1 127.0.0.1:9003 "
opened() { retried '"stream":true,'; (($(metric sluice_node_trips_total 'node="127.0.0.1:9002"') >= 1)); }
expect_soon "strict: streams too, until the breaker is open" 60 opened
expect "strict: counted" "$(metric sluice_attempts_total 'pool="strict",ending="other_model"')" '>=' 3
expect "strict: it holds" "$(drift strict '[.holds, .causes]')" == '[true,["model"]]'
says 9003 '{"model": "m-2"}'
expect "strict: nobody is right" "$(ask s strict)" == 502
expect "strict: why" "$(jq -r .error.message "$work/s.out")" contains 'the answer is of model "m-2", not of "m-1"'
truth 9003
expect_soon "strict: the way back" 60 eval '[[ $(ask s strict) == 200 ]]'

daemon_stop
finish
