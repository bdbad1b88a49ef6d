#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# trace.sh - requests as traces: what nodes are told, what a collector gets (retried, hedged, degraded, failed,
# streamed, cached), by which rule a request is sent, metrics over OTLP, `sluice explain` by trace; the
# collector busy, refusing, answering rubbish, silent, gone, and back, while requests know nothing of it.
# otlp.mjs is the collector and the models' servers, trace.mjs the client.
. "$(dirname "$0")/lib.sh"

export SLUICE_TOKEN=sesame-17
write_config() { # TRACING
	config_write <<-END
		tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000, retry.budget: 0, hedge.samples_min: 1, hedge.budget_percent: 100}
		timeouts: {upstream_idle: 1s}
		otlp:
		  pool: otel
		  metrics: 400ms
		  timeout: 1500ms
		  wait: 8s
		  headers: "authorization=Bearer%20\${SLUICE_TOKEN},x-scope=a%2Cb"
		  attributes: deployment.environment.name=test
		tracing: $1
		pools:
		  otel: {nodes: ["127.0.0.1:4318"]}
		  pair: {nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
		  spare: {nodes: ["127.0.0.1:9003"]}
		routes:
		  - {model: pair, pools: pair, attempts: 3, backoff: 5ms}
		  - {model: chain, pools: [pair, spare], attempts: 4, backoff: 5ms}
		  - {model: hedged, pools: pair, attempts: 3, hedge: {after: p50, min: 100ms, whole: true}}
		  - {model: kept, pools: pair, cache: {ttl: 1m, sampled: true}}
		  - {model: checked, pools: pair, validate: {schema: true, repairs: 0, refusal: "No."}}
	END
}
write_config "{sample: 0, keep: [errors, degraded], follow: false}"
mv "$config" "$work/second.yaml"
write_config "{sample: 1}"
export SLUICE_TEST_NAME=$test_name SLUICE_COMMAND="$build/sluice" SLUICE_ADMIN_SOCKET=$work/admin.sock
export SLUICE_CONFIG=$config SLUICE_SECOND=$work/second.yaml SLUICE_PID=$work/pid
node "$e2e/trace.mjs" &
client=$!
wait_for 20 curl -s -o "$work/health" http://127.0.0.1:4318/ || { not_ok "the collector" "it is not there: make deps"; finish; }
daemon_start
echo $daemon >"$SLUICE_PID"
wait $client || failures=$((failures + 1))
expect "each time that the collector goes is one line, not one an export" \
	"$(grep -c 'level=warn otlp: pool "otel": ' "$log")" "<" 12
expect "the token is in no line" "$(grep -c sesame "$log")" == 0
if command -v promtool >/dev/null; then
	expect "promtool has nothing to say" "$(curl -s "$url/metrics" | promtool check metrics 2>&1)" == ""
fi
daemon_stop
finish
