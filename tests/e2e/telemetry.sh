#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# telemetry.sh - what nodes say of their load decides, while it is fresh; adapters go where they are
# loaded; this host's zone goes first, and spills.
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
export SLUICE_ADMIN_SOCKET=$work/admin.sock
metrics="metrics: {every: 100ms, stale: 2s}"
write_config() { # POOL'S KEYS
	config_write <<-END
		zone: east
		tunables: {breaker.open_ms: 60s, breaker.open_max_ms: 60s, breaker.ejection_percent: 70}
		timeouts: {upstream_idle: 1s}
		pools: {chat: {affinity: none, $1}}
		routes: [{model: chat, pools: chat}, {model: sql, pools: chat}]
	END
}
ask() { # ID [MODEL]: node, status, zone and what decided
	curl -s --max-time 30 -o /dev/null -D - -H 'content-type: application/json' -H "x-request-id: $1" \
		-d "{\"model\": \"${2:-chat}\", \"max_tokens\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}" \
		"$url/v1/chat/completions" | tr -d '\r' | awk -F': ' '
		NR == 1 { split($0, words, " "); status = words[2] }
		$1 == "x-sluice-node" { node = $2 } $1 == "x-sluice-affinity" { why = $2 } $1 == "x-sluice-zone" { zone = $2 }
		END { sub(/.*:/, "", node); print node, status, zone ? zone : "-", why ? why : "-" }'
}
# asks COUNT [MODEL]: all their lines
asks() { for ((n = 0; n < $1; n++)); do ask "r$n" "${2:-chat}"; done; }
# those LINES WORD: how many of them have the word
those() { grep -cw -- "$2" <<<"$1"; }
page() { curl -s --max-time 5 -o /dev/null --data-binary @- "http://127.0.0.1:$(($1 + 1000))/page"; } # PORT <PAGE
truth() { curl -s --max-time 5 -o /dev/null -X DELETE "http://127.0.0.1:$(($1 + 1000))/page"; }      # PORT
reads() { metric sluice_node_metrics_reads_total "result=\"$1\""; }
read_more() { # RESULT PORT: twice more of it, so that one began after now
	local labels="$2\",result=\"$1\"" before
	before=$(metric sluice_node_metrics_reads_total "$labels")
	wait_for 20 metric_is sluice_node_metrics_reads_total "$labels" '>=' $((before + 2))
}
is_known() { curl -s --max-time 5 "$url/metrics" | grep -q "^sluice_node_others_requests{.*$1\"}"; }
is_not_known() { ! is_known "$1"; }

standin a 9001
standin b 9002
standin c 9003
nodes='nodes: ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"]'
write_config "model: base, adapters: [sql], $metrics, $nodes"
daemon_start

# ---- what they say ----
for port in 9001 9002 9003; do expect_soon "read: $port" 20 is_known $port; done
page 9001 <<<'vllm:num_requests_running{model_name="m"} 200'
read_more good 9001
expect "others: told" "$(metric sluice_node_others_requests :9001)" == 200
got=$(asks 30)
expect "others: all are answered" "$(those "$got" 200)" == 30
expect "others: none by the node that is full of others' work" "$(those "$got" 9001)" == 0
page 9001 <<<'vllm:kv_cache_usage_perc{model_name="m"} 0.97'
read_more good 9001
expect "KV cache: none by the node whose cache is full" "$(those "$(asks 20)" 9001)" == 0
for port in 9001 9002 9003; do page $port <<<'vllm:num_requests_running 99999'; done
for port in 9001 9002 9003; do read_more good $port; done
expect "all say that they are full: all are answered" "$(those "$(asks 10)" 200)" == 10
for port in 9002 9003; do truth $port; done
for port in 9002 9003; do read_more good $port; done

# ---- what is not to be trusted ----
printf hang | page 9001
expect_soon "silent: counted" 20 metric_is sluice_node_metrics_reads_total '9001",result="failed"' '>=' 2
expect_soon "silent: what it said last is given up" 20 is_not_known 9001
expect "silent: the node gets requests again" "$(those "$(asks 30)" 9001)" '>' 0
page 9001 <<<'<html>not a page of metrics</html>'
read_more unknown 9001
expect "no metric: counted" "$(reads unknown)" '>=' 2
expect "no metric: nothing is known" "$(is_known 9001 && echo known)" == ""
expect "no metric: the node gets requests" "$(those "$(asks 30)" 9001)" '>' 0
expect "none of it is a failure of a node" "$(metric sluice_node_trips_total)" == 0
expect "nor has it a breaker's signal" "$(metric sluice_node_signals_total 'signal="ttft_timeout"')" == 0

# ---- adapters ----
printf 'vllm:lora_requests_info{max_lora="2",running_lora_adapters="other,sql",waiting_lora_adapters=""} 5\n' | page 9002
read_more good 9002
expect "adapter: known" "$(metric sluice_node_reported_adapters :9002)" == 2
got=$(asks 10 sql)
expect "adapter: where it is loaded" "$(those "$got" 9002)" == 10
expect "adapter: said so" "$(those "$got" adapter)" == 10
expect "adapter: explained" "$("$sluice" explain r9 --json | jq -r '.events[] | select(.event == "attempt").why')" == \
	"it has the adapter loaded"
curl -s -o /dev/null -d '{"record": true}' http://127.0.0.1:10002/config
ask last sql >/dev/null
expect "adapter: asked for by its own name" "$(curl -s http://127.0.0.1:10002/last | tail -n 1 | jq -r .model)" == sql
expect "the model itself: by the pool's name for it" "$(those "$(asks 20)" 200)" == 20
expect "the model itself: by that name" "$(curl -s http://127.0.0.1:10002/last | tail -n 1 | jq -r .model)" == base
truth 9002
read_more good 9002
got=$(asks 10 sql)
expect "adapter: loaded nowhere, it keeps to its place" "$(cut -d' ' -f1 <<<"$got" | sort -u | grep -c .)" == 1
expect "adapter: and that is told" "$(those "$got" adapter-new)" == 10
daemon_stop

# ---- pages that nobody has ----
write_config "metrics: {every: 100ms, path: /none}, $nodes"
sed -i 's/, {model: sql, pools: chat}//' "$config"
daemon_start
expect_soon "no page: asked three times each" 30 metric_is sluice_node_metrics_reads_total 'result="status"' == 9
asks 10 >/dev/null
expect "no page: and then left alone" "$(reads status)" == 9
write_config "metrics: {scrape: never}, $nodes"
sed -i 's/, {model: sql, pools: chat}//' "$config"
kill -HUP $daemon
expect_soon "never: reloaded" 20 metric_is sluice_config_reloads_total 'result="success"' == 1
daemon_stop

# ---- zones ----
for port in 9001 9002 9003; do truth $port; done
east="{address: '127.0.0.1:9001', zone: east}, {address: '127.0.0.1:9002', zone: east}"
west="{address: '127.0.0.1:9003', zone: west}, '127.0.0.1:9004'"
write_config "adapters: [sql], $metrics, nodes: [$east, $west]"
standin d 9004
daemon_start
for port in 9001 9002 9003; do expect_soon "zone: $port is read" 20 is_known $port; done
got=$(asks 20)
expect "zone: all stay" "$(those "$got" local)" == 20
expect "zone: on both nodes" "$(those "$got" 9001)" '>' 0
for port in 9001 9002; do page $port <<<'vllm:kv_cache_usage_perc 0.9'; done
for port in 9001 9002; do read_more good $port; done
got=$(asks 20)
expect "zone: over its load all spill" "$(those "$got" spill)" == 20
expect "zone: explained" "$("$sluice" explain r19 --json | jq -r '.events[] | select(.event == "attempt").zone')" == spill
for port in 9001 9002; do truth $port; done
for port in 9001 9002; do read_more good $port; done
expect "zone: and stay again" "$(those "$(asks 10)" local)" == 10
standin_kill a
tripped() { asks 4 >/dev/null && metric_is sluice_node_trips_total "$1" == 1; }
expect_soon "zone: a node is out" 30 tripped :9001
got=$(asks 60)
expect "zone: half out, most stay" "$(those "$got" local)" '>' 20
expect "zone: and some spill" "$(those "$got" spill)" '>' 2
expect "zone: all are answered" "$(those "$got" 200)" == 60
standin_kill b
expect_soon "zone: the other one too" 30 tripped :9002
got=$(asks 30)
expect "zone: out, all spill" "$(those "$got" spill)" == 30
expect "zone: out, all are answered" "$(those "$got" 200)" == 30
expect "zone: the metrics tell" "$(metric sluice_zone_attempts_total 'zone="spill"')" '>' 50
daemon_stop
finish
