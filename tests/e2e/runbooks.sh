#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# runbooks.sh - what docs/runbooks tell the engineer on call to look at, while it really is so: a node dies, then a
# pool, a budget burns, streams break, a pool is too small, a disk is full, files are bad. Other tests hold other
# pages' commands (shows, of tests/shows.sh); with SLUICE_HANDBOOK=DIR (make pictures) all of it is kept for the pages.
#
#   route chat: chat (n1, n2) -> small (n3)     batch: gone (n4, n5)     tight: small (one slot)     talk: n2 alone
. "$(dirname "$0")/lib.sh"

for tool in openssl socat; do
	command -v $tool >/dev/null || { not_ok "$tool" "missing: apt-get install openssl socat"; finish; }
done
mkdir "$work/disk"
mount -t tmpfs -o size=4m none "$work/disk" || { not_ok "disk" "a tmpfs of its own cannot be mounted"; finish; }
printf '#!/bin/bash\necho no such unit\nexit 5\n' >"$work/restart-vllm"
chmod +x "$work/restart-vllm"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -keyout "$work/tls.key" \
	-out "$work/tls.pem" -subj /CN=localhost 2>/dev/null
SLUICE_ADMIN_SOCKET=$work/admin.sock "$build/sluice" key create web --file "$work/keys" >"$work/key" 2>&1
key=$(grep -o 'sk-sluice-[A-Za-z0-9_-]*' "$work/key")
file_now() { # [POOL of batch]
	config_write <<-END
		limits: {upstream_idle: 0}
		keys: {file: $work/keys}
		audit: {file: $work/audit.log}
		incidents: {path: $work/disk/incidents.db, hold: 2s}
		slo: {path: $work/disk/slo.db, availability: 0.99, ttft: 0.9, ttft_under: 2s, events: 10}
		embedding: {pool: vectors, pool_model: e}
		semantic_cache: {path: $work/disk/answers.db, entries: 100}
		tunables: {breaker.ejection_percent: 50, retry.budget: 10, retry.reserve_per_min: 0}
		pools:
		  chat: {affinity: none, nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}
		  small: {nodes: ["127.0.0.1:9003"], slots: 1}
		  gone: {nodes: ["127.0.0.1:9004", "127.0.0.1:9005"]}
		  spare: {nodes: ["127.0.0.1:9006"]}
		  talk: {nodes: ["127.0.0.1:9007", "127.0.0.1:9017"], health: {live: http, every: 200ms, timeout: 1s}}
		  vectors: {nodes: ["127.0.0.1:9008"]}
		  moderation: {nodes: ["127.0.0.1:9009"], model: m}
		  pager: {nodes: ["127.0.0.1:9010"]}
		  scaler: {nodes: ["127.0.0.1:9011"]}
		routes:
		  - {model: chat, pools: [chat, small], backoff: 1ms, queue: {wait: 300s}}
		  - {model: batch, pools: ${1:-gone}, backoff: 1ms, queue: {hold: 0, wait: 0}, timeouts: {connect: 300ms}}
		  - {model: tight, pools: small, queue: {wait: 500ms}}
		  - {model: talk, pools: talk, resume: off, timeouts: {ttft: 20s, total: 60s}}
		  - {model: kept, pools: spare, semantic_cache: {ttl: 1h, wait: 1s}}
		  - {model: form, pools: spare, validate: {schema: true, repairs: 0, other_model: false, refusal: "No answer can be given."}}
		  - {model: safe, pools: spare, validate: {moderation: moderation, moderation_timeout: 500ms, moderation_down: open}}
		autoscale: {pool: scaler, path: /scale, depth: 2, wait: 1s, calm: 1s, every: 1s}
		alerts:
		  group: 100ms
		  receivers: {oncall: {pool: pager, path: /hook, severity: ticket}}
		recovery:
		  hooks: {restart: {on: node_ejected, pools: chat, exec: $work/restart-vllm, every: 1s}}
	END
	sed -i "s|^listen: .*|listen: [\"127.0.0.1:8080\", {address: \"127.0.0.1:8443\", tls: {certificate: $work/tls.pem, key: $work/tls.key}}]|" "$config"
}
ask() { # MODEL [MORE]: the status
	curl -s --max-time 60 -o "$work/out" -w '%{http_code}' -H 'content-type: application/json' -H "authorization: Bearer $key" \
		-d "{\"model\":\"$1\",\"max_tokens\":4,${2:-}\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
		"$url/v1/chat/completions"
}
sluice() { SLUICE_ADMIN_SOCKET=$work/admin.sock "$build/sluice" "$@"; }
incident_of() { sluice incidents --json | jq -r "[.incidents[] | select(.open and .pool == \"$1\").id][0]"; } # POOL
asks() { local i; for ((i = 0; i < $2; i++)); do ask "$1" "${3:-}" >/dev/null; done; } # MODEL COUNT [MORE]
fault() { curl -sf --max-time 5 -o "$work/fault" -d "{\"fault\":\"$2\"}" "http://127.0.0.1:$(($1 + 1000))/fault"; } # PORT FAULT
mend() { curl -sf --max-time 5 -o "$work/fault" -X DELETE "http://127.0.0.1:$(($1 + 1000))/fault"; }              # PORT
metrics='curl -s http://127.0.0.1:8080/metrics | grep'
opens() { asks chat 5; (($(trips chat) > 0)); }

for n in 1 2 3 6 7 8; do standin n$n 900$n --token-us 1000; done
standin n17 9017 --token-us 1000
file_now
daemon_start
expect "well: served" "$(ask chat)" == 200
asks chat 20
asks talk 6
shows status-well "sluice: well: " "sluice status chat"
shows idle "pool=\"spare\"" "$metrics '^sluice_node_requests.*spare'"
shows certificate "127.0.0.1:8443" "$metrics '^sluice_tls_certificate'"

# ---- a node is silent to its checks, and well again
kill -STOP "${standins[n7]}"
shows health-status "health: checks fail" "sluice status talk"
shows health-incident "opened health" "sluice incidents show 1"
pictured health '#verdict' pool:talk '#incidents' without:pager
kill -CONT "${standins[n7]}"
# closed ID [MODEL]: the incident is over, perhaps by a request to that model
closed() { [[ -z ${2:-} ]] || asks "$2" 2; [[ $(sluice incidents show "$1" --json | jq -r .open) == false ]]; }
expect_soon "well again: over" 60 closed 1 talk
shows incident-over "all causes are over" "sluice incidents show 1"

# ---- a node dies
standin_kill n1
expect_soon "a node dies: its breaker opens" 60 opens
asks chat 10
finds() { id=$(incident_of "$1") && [[ $id != null ]]; } # POOL: $id
expect_soon "and an incident" 20 finds chat
shows breaker-status "1 of 2 nodes of pool \"chat\" is open" "sluice status chat"
shows breaker-incident "opened breaker" "sluice incidents show $id"
shows breaker-state 'state="open"} 1' "$metrics '^sluice_node_breaker_state.*9001.*open'"
shows hook-metrics 'result="failed"} ' "$metrics '^sluice_hook_runs_total.*restart'"
shows hook-incident "exit 5: no such unit" "sluice incidents show $id | grep hook"
shows alerts "NOT REACHED" "sluice alerts"
shows receiver-metrics 'receiver="oncall"} 0' "$metrics '^sluice_alert_receiver_up'"
pictured breaker '#verdict' pool:chat '#incidents' without:pager

# ---- more of a pool than may be: the cap; then nobody
standin_kill n2
asks chat 12
shows cap-status "in doubt" "sluice status chat"
shows cap-incident "ejection_cap" "sluice incidents show $id"
curl -s --max-time 30 -o "$work/out" -H 'x-request-id: req_9f2c' -H "authorization: Bearer $key" \
	-d '{"model":"chat","max_tokens":4,"messages":[{"role":"user","content":"x"}]}' "$url/v1/chat/completions"
shows explain "fallback_cause" "sluice explain req_9f2c"
sluice drain 127.0.0.1:9001 >"$work/said" 2>&1
sluice drain 127.0.0.1:9002 >"$work/said" 2>&1
asks chat 2
shows no-node-incident "may be asked" "sluice incidents show $id"
shows no-node-status "drain" "sluice status chat"
pictured no-node '#verdict' pool:chat '#ladders' route:chat '#incidents' without:pager

# ---- a route fails: its budget burns, its retries are spent, its pool panics
asks batch 14
shows slo-page "PAGE" "sluice slo batch"
shows slo-metrics 'level="page"} 1' "$metrics -E '^sluice_slo_(burning|budget_remaining_ratio).*batch.*availability'"
shows outcomes 'cause="connect_error"' "$metrics '^sluice_outcomes_total{route=\"batch\"'"
shows retries 'reason="spent"} 1' "$metrics -E '^sluice_retries_(total|refused_total)\{(route=\"batch\"|pool=\"gone\")'"
shows attempts 'ending="connect_error"' "$metrics '^sluice_attempts_total{pool=\"gone\"' | grep -v ' 0$'"
shows stats "outages=" "sluice incidents stats"
shows burn-alerts "SluiceBurn" "sluice alerts | grep -v resolved | cut -c 1-118"
pictured burn '#verdict' '#slo' route:batch route:chat '#incidents' without:pager
sluice tune --pool gone breaker.ejection_percent=100 >"$work/said" 2>&1
in_panic() { asks batch 4; metric_is sluice_pool_panics_total 'pool="gone"' '>' 0; }
expect_soon "all of its nodes are out: it panics" 60 in_panic
shows panic-status "2 ejected" "sluice status gone"
shows panic-metrics 'sluice_pool_ejected{pool="gone"} 2' "$metrics -E '^sluice_pool_(nodes|ejected|no_node_total|panics_total)\{pool=\"gone\"'"
pictured panic '#verdict' pool:gone '#ladders' route:batch

# ---- a node is slow; streams break
fault 9007 slow-first:900
fault 9017 slow-first:900
asks talk 3
shows slow-status "9007" "sluice status talk | tail -n 5"
shows slow-metrics 'pool="talk"' "$metrics '^sluice_node_first_byte_seconds.*talk'"
for port in 9007 9017; do mend $port; fault $port cut:3; done
streams_break() { asks talk 1 '"stream":true,'; metric_is sluice_streams_broken_total 'route="talk"' '>=' 3; }
expect_soon "streams break" 60 streams_break
shows streams 'broken_total{route="talk"} ' "$metrics -E '^sluice_streams_(total|broken_total)\{route=\"talk\"'"
shows stream-endings 'ending="cut"' "$metrics '^sluice_stream_endings_total.*talk' | grep -v ' 0$'"

# ---- a pool is too small
waiting=()
for _ in {1..4}; do
	curl -s --max-time 300 -o "$work/long" -H 'content-type: application/json' -H "authorization: Bearer $key" \
		-d '{"model":"chat","max_tokens":100000,"ignore_eos":true,"messages":[{"role":"user","content":"x"}]}' "$url/v1/chat/completions" &
	waiting+=($!)
done
expect_soon "they wait" 20 metric_is sluice_queue_depth 'pool="small"' '>=' 3
asks tight 4
shows queue 'class="standard"} 3' "$metrics -E '^sluice_(queue_depth|queue_estimate_seconds|autoscale_pressed).*small' | grep -v ' 0$'"
shows refused 'result=' "$metrics '^sluice_queue_requests_total{pool=\"small\"' | grep -v ' 0$'"
shows autoscale 'result="failed"} ' "$metrics -E '^sluice_autoscale_.*small'"
shows autoscale-log "autoscaler not told" "grep 'autoscaler not told' $log | tail -n 1"
pictured queue '#queues' '#ladders' route:tight
kill "${waiting[@]}" 2>/dev/null

# ---- answers: no vectors, not as the schema says, unmoderated
standin_kill n8
down() { asks kept 2; metric_is sluice_dependency_up 'pool="vectors"' == 0; }
expect_soon "nobody makes vectors" 60 down
shows dependency-metrics 'use="embeddings"} 0' "$metrics '^sluice_dependency_up'"
shows dependency-steps 'step="skipped"}' "$metrics '^sluice_ladder_steps_total{route=\"kept\"' | grep -v ' 0$'"
expect_soon "an incident tells of it" 20 finds vectors
shows dependency-incident "no node answers" "sluice incidents show $id"
shows dependency-status "in doubt" "sluice status vectors | tail -n 3"
pictured dependency pool:vectors '#ladders' route:kept '#incidents' without:{pager,scaler,chat,gone,talk}
schema='"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","required":["total"]}}},'
curl -s --max-time 30 -o "$work/out" -H 'x-request-id: req_5e01' -H "authorization: Bearer $key" \
	-d "{\"model\":\"form\",\"max_tokens\":4,$schema\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" "$url/v1/chat/completions"
asks form 5 "$schema"
shows invalid-steps 'step="refused"} 6' "$metrics '^sluice_ladder_steps_total{route=\"form\"' | grep -v ' 0$'"
shows invalid-explain "validation check=schema of=answer done=refused what=json" "sluice explain req_5e01"
asks safe 4
shows unmoderated 'step="unmoderated"} 4' "$metrics '^sluice_ladder_steps_total{route=\"safe\"' | grep -v ' 0$'"
shows unmoderated-status "in doubt" "sluice status moderation | tail -n 3"

# ---- files: a disk is full, a configuration and keys are bad
standin n8 9008
up_again() { asks kept 1; metric_is sluice_dependency_up 'pool="vectors"' '>' 0; }
expect_soon "vectors again" 60 up_again
dd if=/dev/zero of="$work/disk/other" bs=16k >"$work/said" 2>&1
disk_fails() {
	curl -s --max-time 30 -o "$work/out" -H "authorization: Bearer $key" -H 'content-type: application/json' \
		-d "{\"model\":\"kept\",\"max_tokens\":400,\"messages\":[{\"role\":\"user\",\"content\":\"number $RANDOM, $(printf 'long %.0s' {1..600})\"}]}" "$url/v1/chat/completions"
	metric_is sluice_semantic_cache_disk_errors_total "" '>' 0
}
expect_soon "an answer cannot be kept" 60 disk_fails
asks batch 2
shows store-metrics "incidents_store_failing 1" "$metrics -E '^sluice_(incidents_store_(failing|lost_total)|slo_store_failing|semantic_cache_disk_errors_total)'"
shows store-disk "100%" "df -h $work/disk | tail -n 1"
shows store-incident "store" "sluice incidents | grep store"
shows store-log "NOT KEPT" "grep 'NOT KEPT' $log | tail -n 2"
rm "$work/disk/other"
over() { metric_is sluice_incidents_store_failing "" == 0 && metric_is sluice_slo_store_failing "" == 0; }
expect_soon "room again: both are written" 30 over
file_now gonne
kill -HUP $daemon
shows config-metrics 'result="failure"} 1' "$metrics '^sluice_config'"
shows config-check "did you mean" "sluice check $config"
shows config-log "stays in force" "grep 'stays in force' $log | head -n 1"
file_now
kill -HUP $daemon
expect_soon "mended" 20 metric_is sluice_config_last_reload_successful "" == 1
cp "$work/keys" "$work/keys.copy"
echo "half a file" >"$work/keys"
shows keys-metrics "last_load_successful 0" "$metrics '^sluice_keys'"
shows keys-list "take the file from a copy" "sluice key list --file $work/keys"
shows keys-incident "key keys" "sluice incidents | grep key"
expect "the keys it had stay" "$(ask kept)" == 200
cp "$work/keys.copy" "$work/keys"
expect_soon "the copy is read" 20 metric_is sluice_keys_last_load_successful "" == 1
shows audit "drained" "sluice audit list | tail -n 6"
kill -TERM $daemon
wait $daemon
finish
