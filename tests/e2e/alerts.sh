#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# alerts.sh - a node dies: a hook really starts it again, the incident closes with the hook's result in its
# timeline, and receivers were told that it fired and that it is over: a webhook, a program, a real Alertmanager.
# A receiver that answers 500, hangs and comes back hears it once; a restart tells nobody twice.
. "$(dirname "$0")/lib.sh"
command -v prometheus-alertmanager >/dev/null || { not_ok alertmanager "missing: apt-get install prometheus-alertmanager"; finish; }

calls=$work/calls
CALLS=$calls FAIL=$work/fail HANG=$work/hang node "$e2e/alerts.mjs" &
expect_soon "the receiver listens" 20 test -f "$calls"
printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' >"$work/am.yaml"
prometheus-alertmanager --config.file="$work/am.yaml" --storage.path="$work/am" --cluster.listen-address= \
	--web.listen-address=127.0.0.1:9093 >"$work/am.log" 2>&1 &
cat >"$work/restart" <<-END
	#!/bin/bash
	# what SLUICE_NODE says, and the same as JSON
	[[ \$(jq -r '"\(.node) \(.on) \(.pool)"') == "\$SLUICE_NODE \$SLUICE_ON \$SLUICE_POOL" ]] || exit 3
	setsid "$build/standin" --listen "\$SLUICE_NODE" --admin 127.0.0.1:10001 --name n1 --seed 7 >"$work/again.log" 2>&1 &
	for _ in {1..400}; do grep -qs admin "$work/again.log" && break; sleep 0.02; done
	echo "started \$SLUICE_NODE again"
END
cat >"$work/scale" <<-END
	#!/bin/bash
	echo "a node more for \$SLUICE_POOL"
END
cat >"$work/notify" <<-END
	#!/bin/bash
	[[ \$1 == "two words" ]] && jq -c --arg env "\$SLUICE_ZONE \$SLUICE_KIND \$SLUICE_POOL" '. + {\$env}' >>"$work/notified"
END
chmod +x "$work/restart" "$work/scale" "$work/notify"
file_now() { # MORE of alerts
	config_write <<-END
		tunables: {breaker.open_ms: 300ms}
		limits: {upstream_idle: 0}
		audit: {file: $work/audit.log}
		incidents: {path: $work/incidents.db, hold: 2s, join: 0}
		slo: {path: $work/slo.db, availability: 0.9, events: 3, alerts: [{burn: 2, long: 1h, short: 30m}]}
		pools:
		  gpu: {affinity: none, nodes: [{address: "127.0.0.1:9001", zone: a}, {address: "127.0.0.1:9002", zone: b}]}
		  dead: {nodes: ["127.0.0.1:9003", "127.0.0.1:9004"]}
		  pager: {nodes: ["127.0.0.1:9010"], api_key: pager-secret, metrics: {scrape: never}}
		  manager: {nodes: ["127.0.0.1:9093"], metrics: {scrape: never}}
		routes:
		  - {model: m, pools: gpu, slo: {enabled: false}}
		  - {model: dead, pools: dead, attempts: 1, queue: {hold: 0, wait: 0}, timeouts: {connect: 300ms}}
		alerts:
		  path: $work/alerts.db
		  group: 200ms
		  repeat: 1h
		  runbooks: https://wiki.internal/sluice
		  receivers:
		    pager: {pool: pager, path: "/hook?by=sluice", hmac_secret: sign-secret, timeout: 3s}
		    program: {exec: [$work/notify, two words], severity: ticket, group_by: [zone, kind]}
		    manager: {pool: manager, path: /api/v2/alerts, format: alertmanager}
		recovery:
		  hooks:
		    restart: {on: node_ejected, pools: gpu, exec: [$work/restart], every: 1s}
		    watch: {on: [incident, pool_short], pools: gpu, exec: /bin/false, dry_run: true}
		    slow: {on: node_back, exec: [/bin/sleep, "300"], timeout: 200ms}
		    missing: {on: node_back, exec: /no/such/program}
		    scale: {on: pool_short, pools: dead, exec: [$work/scale], every: 1h}
		    burnt: {on: budget_burn, exec: [/bin/false], every: 1h}
	END
}
sluice() { "$build/sluice" "$@" --admin-socket "$work/admin.sock"; }
ask() { # MODEL
	curl -s --max-time 60 -o "$work/out" -w '%{http_code}' -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" "$url/v1/chat/completions"
}
# count JQ-CONDITION: messages to the webhook that meet it
count() { jq -s "[.[] | select($1)] | length" "$calls"; }
counts() { (($(count "$1") >= $2)); }
alert_is() { [[ $(sluice alerts --json | jq -r "[.alerts[] | select(.labels.alertname == \"$1\") | .state] | .[0]") == "$2" ]]; }

standin n1 9001
standin n2 9002
file_now
daemon_start
expect "well: no alert" "$(sluice alerts | head -n 1)" == "no alert"

# ---- a node dies, and is started again
standin_kill n1
mended() { ask m >/dev/null; [[ $(sluice incidents show 1 --json | jq -r .open) == false ]]; }
expect_soon "the incident closes by itself" 60 mended
expect "the server is there again" "$(curl -s -o "$work/out" -w '%{http_code}' http://127.0.0.1:10001/state)" == 200
timeline=$(sluice incidents show 1)
expect "timeline: the hook's result" "$timeline" contains "on node_ejected: exit 0: started 127.0.0.1:9001 again"
expect "timeline: the dry run" "$timeline" contains "on incident: dry run: would have run now"
expect_soon "webhook: fired" 20 counts '.body.status == "firing"' 1
expect_soon "webhook: over" 20 counts '.body.status == "resolved"' 1
first=$(jq -sr '.[0] | "\(.url) \(.authorization) \(.signed) \(.body | "\(.version) \(.groupKey) \(.receiver) \(.alerts | length)")"' "$calls")
expect "webhook: how" "$first" == '/hook?by=sluice Bearer pager-secret true 4 {}:{pool="gpu"} pager 1'
expect "webhook: labels" "$(jq -sc '.[0].body.alerts[0].labels' "$calls")" == '{"alertname":"SluiceBreaker","severity":"ticket","kind":"breaker","pool":"gpu","zone":"a","node":"127.0.0.1:9001"}'
expect "webhook: what they have in common" "$(jq -sc '.[0].body | [.groupLabels, .commonLabels]' "$calls")" == '[{"pool":"gpu"},{"pool":"gpu","node":"127.0.0.1:9001","zone":"a","kind":"breaker","severity":"ticket"}]'
expect "webhook: runbook" "$(jq -sr '.[0].body.alerts[0].annotations.runbook_url' "$calls")" == "https://wiki.internal/sluice/SluiceBreaker.md"
expect "webhook: times" "$(jq -s '[(map(select(.body.status == "firing"))[0], map(select(.body.status == "resolved"))[0]).body.alerts[0]] |
	(.[0].endsAt == "0001-01-01T00:00:00Z") and (.[1].endsAt > .[1].startsAt) and .[0].fingerprint == .[1].fingerprint' "$calls")" == true
notified() { (($(wc -l <"$work/notified") >= 2)); }
expect_soon "the program was told both" 20 notified
expect "by zone and kind, as it wants it" "$(head -n 1 "$work/notified" | jq -c '[.groupKey, .groupLabels, .env]')" == '["{}:{zone=\"a\", kind=\"breaker\"}",{"zone":"a","kind":"breaker"},"a breaker "]'
expect "a hook that hangs is killed, one that is missing is said" "$(grep -c -e 'hook "slow" on node_back .*killed after' -e 'hook "missing" on node_back .*cannot be run' "$log")" '>=' 2
its_hook() { [[ $(grep -c 'started 127.0.0.1:9001 again' "$work/audit.log") == 1 ]]; }
expect_soon "audit: the hook" 20 its_hook
expect "metrics: runs" "$(metric sluice_hook_runs_total 'hook="restart",result="ok"')" == 1
expect "metrics: time-outs" "$(metric sluice_hook_runs_total 'hook="slow",result="timeout"')" '>=' 1

# ---- a budget burns; the receiver answers 500, hangs, and comes back
touch "$work/fail"
burns() { ask dead >/dev/null; alert_is SluiceBurn firing; }
expect_soon "a budget burns" 60 burns
scaled() { ask dead >/dev/null; metric_is sluice_hook_runs_total 'hook="scale",result="ok"' == 1; }
expect_soon "a pool that is short of nodes: its hook ran" 60 scaled
expect_soon "a budget that burns: its hook ran, and failed" 20 metric_is sluice_hook_runs_total 'hook="burnt",result="failed"' == 1
said() { [[ $(sluice incidents list --json | jq -r '.incidents[].id' | while read -r id; do sluice incidents show "$id"; done) == *"$1"* ]]; }
expect_soon "timelines: what it did for the pool" 20 said "on pool_short: exit 0: a node more for dead"
expect_soon "timelines: that it failed for the route" 20 said "on budget_burn: exit 1"
both() { [[ $(grep -c -e 'on pool_short.*a node more for dead' -e 'on budget_burn.*exit 1' "$work/audit.log") == 2 ]]; }
expect_soon "audit: both" 20 both # written by a thread
expect_soon "500: counted, tried again" 20 metric_is sluice_alert_messages_total 'receiver="pager",result="failed"' '>=' 2
expect "500: said" "$(sluice alerts)" contains "NOT REACHED: status 500"
expect "500: down in the metrics" "$(metric sluice_alert_receiver_up 'receiver="pager"')" == 0
touch "$work/hang"
expect_soon "hangs: given up" 30 counts '.status == 0' 1
expect_soon "others are told all the same" 20 eval '[[ $(curl -s http://127.0.0.1:9093/api/v2/alerts | jq -r "[.[] | select(.labels.alertname == \"SluiceBurn\" and .labels.severity == \"page\" and .labels.route == \"dead\").status.state] | .[0]") == active ]]'
rm "$work/fail" "$work/hang"
page='.status == 200 and .body.status == "firing" and ([.body.alerts[].labels | select(.alertname == "SluiceBurn" and .severity == "page")] | length) == 1'
expect_soon "comes back: told" 60 counts "$page" 1
# a message that tells of another's end repeats what still fires beside it: that is no second one
alone="$page"' and (.body.alerts | all(.status == "firing"))'

# ---- a restart tells nobody twice; the end is told
daemon_stop
told=$(count "$alone") taken=$(count '.status == 200') # nobody sends any more
daemon_start
expect_soon "restart: it burns" 30 burns
expect_soon "restart: the manager, whose receiver is another's, is asked nothing new" 10 alert_is SluiceBurn firing
expect "restart: no second message" "$(count "$alone")" == "$told"
sent_says() { (($(metric sluice_alert_messages_total 'receiver="pager",result="sent"') == $(count '.status == 200') - taken)); }
expect_soon "restart: what was sent since, the metric says" 10 sent_says
sed -i 's/availability: 0.9, //' "$config"
kill -HUP $daemon
expect_soon "the objective is taken away: over" 60 counts '.body.alerts | any(.labels.alertname == "SluiceBurn" and .status == "resolved")' 1

# ---- what could not work is refused
refused() { sed "s|^\( *\)watch: .*|\1watch: {on: incident, $1}|" "$config" >"$work/wrong.yaml"; "$build/sluice" check "$work/wrong.yaml" 2>&1; }
expect "check: nobody" "$(refused 'every: 1s')" contains 'recovery.hooks.watch: calls nobody (expected "pool" or "exec")'
expect "check: both" "$(refused 'exec: /bin/true, pool: gpu')" contains 'calls a pool and runs a program'
expect "check: no shell" "$(refused 'exec: [true]')" contains '"true" is not absolute'
expect "check: the secret is not shown" "$(sed 's/hmac_secret: sign-secret/hmac_secret: "sign-secret ü"/' "$config" >"$work/wrong.yaml"; "$build/sluice" check "$work/wrong.yaml" 2>&1 | grep -c sign-secret)" == 0
curl -s "$url/metrics" >"$work/metrics"
expect "steps that rules name are there before anybody took one" "$(grep -c '^sluice_ladder_steps_total{route="m",.*} 0$' "$work/metrics")" == 9
expect "promtool check metrics" "$(promtool check metrics <"$work/metrics" 2>&1)" == ""
daemon_stop
finish
