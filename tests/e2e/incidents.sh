#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# incidents.sh - a node dies: an incident opens by itself, says who saw it and who was harmed, survives a
# restart, and closes by itself; statistics; the ledger's file.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	incidents: {path: $work/incidents.db, hold: 10s}
	tunables: {breaker.open_ms: 500ms}
	limits: {upstream_idle: 0}
	pools: {gpu: {affinity: none, nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}}
	routes:
	  - {model: m, pools: gpu}
END
sluice() { "$build/sluice" "$@" --admin-socket "$work/admin.sock"; }
ask() {
	curl -s --max-time 60 -o "$work/out" -w '%{http_code}' -H 'content-type: application/json' \
		-d '{"model":"m","max_tokens":2,"messages":[{"role":"user","content":"x"}]}' "$url/v1/chat/completions"
}
of() { sluice incidents show 1 --json | jq -r "$1"; } # JQ
opens() { ask >/dev/null; [[ $(of .open) == true ]]; }
closes() { ask >/dev/null; [[ $(of .open) == false ]]; }

standin n1 9001
standin n2 9002
daemon_start
expect "well: served" "$(ask)" == 200
expect "well: no incident" "$(sluice incidents)" == "no incident"
standin_kill n1
expect_soon "dead: an incident opens" 60 opens
expect "one incident" "$(sluice incidents --json | jq '.incidents | length')" == 1
expect "seen by a plane" "$(of '[.events[] | select(.kind == "breaker") | .plane][0] | . == "daemon" or . == "kernel"')" == true
expect "began before it was found" "$(of '.began_ms <= .opened_ms')" == true
expect "open in the metrics" "$(metric sluice_incidents_open 'level="warn"')" == 1
was_open() { [[ $(curl -s "$url/metrics" | awk '/^sluice_node_breaker_seconds_total.*9001.*state="open"/{print ($NF > 0)}') == 1 ]]; }
expect_soon "metrics: its breaker was open for a while" 20 was_open
kill -HUP $daemon
expect_soon "the reload is in the timeline" 20 eval '[[ $(of "[.events[] | select(.what == \"done\").kind][0]") == config ]]'

daemon_stop
daemon_start
expect_soon "restart: it goes on, or opens again" 60 opens
standin n1 9001
expect_soon "well again: closes by itself" 60 closes
expect "closed: nothing open" "$(metric sluice_incidents_open)" == 0
expect "text" "$(sluice incidents show 1)" contains "incident 1 closed warn node 127.0.0.1:9001 pool=gpu"
expect "list" "$(sluice incidents list --since 1h)" contains "1 closed "
expect "stats: the node" "$(sluice incidents stats --json | jq '[.subjects[] | select(.kind == "node" and .outages >= 1 and .ended >= 1 and .mttr_ms > 0)] | length')" == 1
expect "stats: text" "$(sluice incidents stats)" contains "node 127.0.0.1:9001 outages="
expect "metrics: outages of the node" "$(metric sluice_reliability_outages 'kind="node",name="127.0.0.1:9001"')" '>=' 1
expect "metrics: good answers" "$(metric sluice_outcomes_total 'route="m",outcome="good",cause="ok"')" '>=' 1
expect "none harmed" "$(of .harmed)" == 0
expect "not known" "$(sluice incidents show 99 2>&1)" contains 'there is no incident "99"'

# a dead node leaves by a reload: nobody tells of it any more; it is called by a name, which is found as long as it stays
nodes() { sed -i "s|nodes: .*|nodes: [$1]}}|; s|hold: 10s|hold: 1s|" "$config" && kill -HUP $daemon; } # LIST
id_of() { sluice incidents --json | jq "[.incidents[] | select(.name == \"localhost:9003\").id][0]"; }
its() { sluice incidents show "$id" --json | jq -r "$1"; } # JQ
nodes '"127.0.0.1:9001", "http://localhost:9003"'
named_opens() { ask >/dev/null; id=$(id_of) && [[ $id != null ]]; }
expect_soon "a dead node with a name: an incident opens" 60 named_opens
tried_again() { ask >/dev/null; (($(its '[.events[] | select(.what == "seen")] | length') >= 4)); }
expect_soon "it is tried again and again" 60 tried_again
expect "meanwhile it was not over" "$(its '[.open, ([.events[] | select(.what == "eased")] | length)] | @csv')" == true,0
nodes '"127.0.0.1:9001"'
left() { ask >/dev/null; [[ $(its .open) == false ]]; }
expect_soon "it leaves the configuration: closed" 60 left
expect "and why" "$(its '[.events[] | select(.what == "eased").text][0]')" contains "not configured any more"
curl -s "$url/metrics" >"$work/metrics"
if command -v promtool >/dev/null; then
	expect "promtool check metrics" "$(promtool check metrics <"$work/metrics" 2>&1)" == ""
fi
daemon_stop
finish
