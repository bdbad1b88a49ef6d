#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# slo.sh - objectives: what is counted as what, a budget that burns pages once and stops, `sluice slo`,
# /metrics, a restart; and the alerts of docs/prometheus-rules.yml fire when they must, and only then.
. "$(dirname "$0")/lib.sh"
command -v promtool >/dev/null || { not_ok promtool "missing: apt-get install prometheus"; finish; }

file_now() { # MORE of slo
	config_write <<-END
		limits: {upstream_idle: 0}
		pools:
		  good: {nodes: ["127.0.0.1:9001"]}
		  dead: {nodes: ["127.0.0.1:9002"]}
		slo:
		  path: $work/slo.db
		  availability: 0.9
		  ttft: 0.9
		  ttft_under: 1h
		  latency: 0.5
		  latency_under: 1ms
		  alerts:
		    - {level: page, burn: 4, long: 1h, short: 30m}
		    - {level: ticket, burn: 1, long: 2h, short: 1h}
		    - {level: page, burn: 4, long: 1h, short: 2s}
		  $1
		routes:
		  - {model: good, pools: good, slo: {latency_under: 1h}}
		  - {model: dead, pools: dead, attempts: 1, queue: {hold: 0, wait: 0}, timeouts: {connect: 300ms}}
		  - {model: free, pools: good, slo: {enabled: false}}
	END
}
ask() { # MODEL STREAM: the status
	curl -s --max-time 60 -o "$work/out" -w '%{http_code}' -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"max_tokens\":4,\"stream\":${2:-false},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
		"$url/v1/chat/completions"
}
slo() { "$build/sluice" slo "$@" --admin-socket "$work/admin.sock"; }
# of ROUTE OBJECTIVE JQ
of() { slo "$1" --json | jq -r ".objectives[] | select(.slo == \"$2\") | $3"; }
of_is() { [[ $(of "$1" "$2" "$3") == "$4" ]]; }
burns() { ask dead >/dev/null; of_is dead availability '.alerts[0].burns' "$1"; }

standin n1 9001 --token-us 2000
file_now "events: 10"
daemon_start

# ---- what is counted
for _ in {1..4}; do ask good >/dev/null; done
for _ in {1..3}; do ask good true >/dev/null; done
expect "a bad request is refused" "$(curl -s -o /dev/null -w '%{http_code}' -d '{"model":"good"}' "$url/v1/chat/completions")" '>=' 400
ask free >/dev/null
expect_soon "good: all of them" 20 of_is good availability .good 7
expect "good: none bad" "$(of good availability .bad)" == 0
expect "first tokens: of streams alone" "$(of good ttft .good)" == 3
expect "latency: the route's own bound" "$(of good latency '"\(.good) \(.under_ms)"')" == "7 3600000"
expect "budget: whole" "$(of good availability .budget_left)" == 1
expect "no objective" "$(slo free 2>&1)" contains 'has no objectives'
expect "another's is told" "$(slo --json | jq '[.objectives[].route] | unique | length')" == 2

# ---- it burns, and stops
for _ in {1..3}; do expect "dead: fails" "$(ask dead)" '>=' 500; done
expect_soon "dead: bad" 20 of_is dead availability .bad 3
expect "too few to page" "$(of dead availability '.alerts[0].burns')" == false
expect_soon "enough: pages" 60 burns true
expect "burn: ten times" "$(of dead availability '.burn[] | select(.window_ms == 3600000) | .rate')" == 10
expect "burn: overspent" "$(of dead availability '.budget_left')" == -9
expect "text" "$(slo dead)" contains "route dead: availability 90%: budget of 30d: -900.0% left; burns 1h=10.00x 30m=10.00x 2h=10.00x 2s="
expect "text: page" "$(slo dead)" contains " PAGE TICKET"
expect "burning" "$(metric sluice_slo_burning 'route="dead",slo="availability",level="page"')" == 1
expect "good does not" "$(metric sluice_slo_burning 'route="good"')" == 0
expect "logged" "$(grep -c 'route "dead": availability page: burns its error budget' "$log")" '>=' 1
expect_soon "stops with the short window" 30 of_is dead availability '.alerts[2].burns' false
expect "the others go on" "$(of dead availability '"\(.alerts[0].burns) \(.alerts[1].burns)"')" == "true true"
bad=$(of dead availability .bad)

# ---- metrics and rules
curl -s "$url/metrics" >"$work/metrics"
expect "promtool check metrics" "$(promtool check metrics <"$work/metrics" 2>&1)" == ""
expect "objective" "$(grep -c '^sluice_slo_objective_ratio{route="good",slo="availability"} 0.9$' "$work/metrics")" == 1
expect "promtool test rules" "$(promtool test rules "$root/tests/data/prometheus-rules-test.yml" 2>&1 | tail -n 40)" contains SUCCESS
expect "promtool test rules of the trust plane" "$(promtool test rules "$root/tests/data/prometheus-rules-trust-test.yml" 2>&1 | tail -n 40)" contains SUCCESS

# ---- a restart forgets nothing, another window does
daemon_stop
daemon_start
expect "restart: good" "$(of good availability .good)" == 7
expect "restart: bad" "$(of dead availability .bad)" == "$bad"
expect_soon "restart: the ticket still burns" 10 of_is dead availability '.alerts[1].burns' true
file_now "window: 20d"
kill -HUP $daemon
expect_soon "reload: another budget, empty" 20 of_is dead availability '"\(.window_bad) \(.bad)"' "0 $bad"

# ---- what could not work is refused
refused() { sed "s/^  latency_under: .*//; s/short: 1h/$1/" "$config" >"$work/wrong.yaml"; "$build/sluice" check "$work/wrong.yaml" 2>&1; }
expect "check: no bound" "$(refused)" contains 'slo.latency: in what time?'
expect "check: windows" "$(refused 'short: 3h')" contains 'slo.alerts[1]: short 10800000ms is not shorter than long 7200000ms'
daemon_stop
finish
