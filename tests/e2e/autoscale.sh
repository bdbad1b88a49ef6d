#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# autoscale.sh - the autoscaler is called when requests wait, again while they do, and when they do not
# any more; a call that failed is made again; over TLS too; and docs/prometheus-rules.yml names what
# /metrics has.
. "$(dirname "$0")/lib.sh"

for tool in openssl promtool; do
	command -v $tool >/dev/null || { not_ok "$tool" "missing: apt-get install openssl prometheus"; finish; }
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$work/tls.key" \
	-out "$work/tls.pem" -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
calls=$work/calls
CALLS=$calls FAIL=$work/fail KEY=$work/tls.key CERTIFICATE=$work/tls.pem node "$e2e/autoscale.mjs" &
expect_soon "the autoscaler listens" 20 test -f "$calls"
file_now() { # NODE-OF-SCALER MORE
	config_write <<-END
		limits: {upstream_idle: 0}
		pools:
		  scaler: {nodes: ["$1"], api_key: scaler-secret${2:-}}
		  one: {nodes: ["127.0.0.1:9001"], slots: 1}
		  two: {nodes: ["127.0.0.1:9002"], slots: 1}
		routes:
		  - {model: one, pools: one, queue: {wait: 300s}}
		  - {model: two, pools: two, queue: {wait: 300s}}
		autoscale: {pool: scaler, path: "/scale?by=sluice", depth: 2, wait: 300s, calm: 300ms, every: 500ms}
	END
}
for n in 1 2; do standin n$n 900$n --token-us 1000; done
file_now 127.0.0.1:9010
daemon_start

chat() { # TOKENS: in the background
	exec curl -sN --max-time 120 -o "$work/out-$1" -H 'content-type: application/json' \
		-d "{\"model\":\"one\",\"max_tokens\":$1,\"ignore_eos\":true,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
		"$url/v1/chat/completions"
}
press() {
	chat 100000 & blocker=$!
	expect_soon "$1: the pool is taken" 10 state_is 9001 '.running == 1'
	chat 2 & chat 3 &
	expect_soon "$1: two wait" 10 metric_is sluice_queue_depth '' == 2
}
release() { { kill -KILL $blocker; wait $blocker; } 2>/dev/null; }
# count JQ-CONDITION: calls that meet it
count() { jq -s "[.[] | select($1)] | length" "$calls"; }
counts() { (($(count "$1") >= $2)); }
pressed() { metric sluice_autoscale_pressed "pool=\"$1\""; }

# ---- up, while it lasts, down
expect "calm: not pressed" "$(pressed one)" == 0
press up
expect_soon "up: told, and told again" 20 counts '.body.signal == "up"' 3
expect "up: how" "$(jq -r '"\(.method) \(.url) \(.authorization)"' "$calls" | head -n 1)" == "POST /scale?by=sluice Bearer scaler-secret"
expect "up: what" "$(jq -r '.body | "\(.pool) \(.queue_depth) \(.requests_running) \(.nodes) \(.nodes_available) \(.oldest_wait_ms >= 0) \(.time | test("^20.*Z$"))"' "$calls" | head -n 1)" == "one 2 1 1 1 true true"
expect "up: pressed" "$(pressed one)" == 1
release
expect_soon "down: told" 20 counts '.body.signal == "down" and .body.queue_depth == 0' 1
expect_soon "down: not pressed" 10 metric_is sluice_autoscale_pressed 'pool="one"' == 0
expect "down: once" "$(count '.body.signal == "down"')" == 1
expect "nobody else was spoken of" "$(count '.body.pool != "one"')" == 0

# ---- calls that fail are made again
touch "$work/fail"
press fails
expect_soon "fails: tried again" 20 metric_is sluice_autoscale_calls_total 'pool="one",result="failed"' '>=' 2
rm "$work/fail"
before=$(count '.failed | not')
expect_soon "fails: told in the end" 20 counts '.failed | not' $((before + 1))
expect "fails: logged" "$(grep -c 'pool "one": autoscaler not told: pool "scaler": status 500' "$log")" '>=' 1
release
expect_soon "fails: and down" 20 metric_is sluice_autoscale_pressed 'pool="one"' == 0

# ---- over TLS, after a reload
file_now https://localhost:9443 ", ca: $work/tls.pem"
kill -HUP $daemon
press tls
expect_soon "tls: told" 20 counts '.scheme == "https" and .body.signal == "up" and .authorization == "Bearer scaler-secret"' 1
release
expect_soon "tls: and down" 20 counts '.scheme == "https" and .body.signal == "down"' 1

# ---- what could not work is refused
refused() { sed "s/^autoscale: .*/autoscale: $1/" "$config" >"$work/wrong.yaml"; "$build/sluice" check "$work/wrong.yaml" 2>&1; }
expect "check: no pool" "$(refused '{path: \/x}')" contains 'autoscale: needs the key "pool"'
expect "check: no such pool" "$(refused '{pool: scalar}')" contains 'autoscale.pool: no pool'
expect "check: no threshold" "$(refused '{pool: scaler, depth: 0, wait: 0}')" contains 'neither depth nor wait'

# ---- the rules for Prometheus
expect "promtool check rules" "$(promtool check rules "$root/docs/prometheus-rules.yml" 2>&1 | grep -c SUCCESS)" == 1
curl -s "$url/metrics" >"$work/metrics"
expect "promtool check metrics" "$(promtool check metrics <"$work/metrics" 2>&1)" == ""
# every metric that the rules read is one of ours: here, in the kernel plane's list, or, where it comes
# only with beacons or BPF, in the tables
for name in $(grep -o 'sluice_[a-z_]*' "$root/docs/prometheus-rules.yml" | sort -u); do
	kernel=${name#sluice_kernel_}
	kernel=${kernel%_total}
	grep -q -e "^# TYPE ${name%_bucket} " "$work/metrics" && continue
	[[ $name == sluice_kernel_* ]] && grep -q "\"$kernel\"" "$root/bpf/counters.def" && continue
	grep -q -e "\"${name%_bucket}\"" -e "# TYPE ${name%_bucket} " "$root"/user/ops/*.c && continue
	not_ok "rules" "/metrics has no $name"
done
daemon_stop
finish
