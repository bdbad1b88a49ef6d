#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# slow.sh - clients that send or read too slowly are let go of, slow ones within the bounds are served,
# and thousands of them beside good traffic fail none of it and leave no memory behind.
. "$(dirname "$0")/lib.sh"

HEADS=${SLOW_HEADS:-10000}
[[ $build == *-san* ]] && HEADS=$((HEADS / 5))
# Of this namespace alone: what the kernel takes for a client that does not read is not ours to bound.
echo '4096 16384 65536' >/proc/sys/net/ipv4/tcp_wmem
echo '4096 16384 65536' >/proc/sys/net/ipv4/tcp_rmem
echo '1024 65000' >/proc/sys/net/ipv4/ip_local_port_range
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
while ((HEADS + 1000 > $(ulimit -n) && HEADS > 1000)); do HEADS=$((HEADS / 2)); done

write() { # TIME OF A HEAD
	config_write <<-END
		limits: {client_rate: 200000B, stream_buffer: 64KiB, connections: 50000}
		timeouts: {header: $1, body: 5s, send: 5s, upstream_idle: 1s}
		tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
		pools: {chat: {nodes: ["127.0.0.1:9001"]}}
		routes:
		  - {model: chat, pools: chat, attempts: 1,
		     timeouts: {connect: 20s, ttft: 60s, inter_token: 60s, total: 250s}}
	END
}
write 3s
standin a 9001 --ctx 0
daemon_start
SLUICE_TEST_NAME=$test_name node "$e2e/slow.mjs" single || failures=$((failures + 1))
warm() { "$build/e2e/load" --url 127.0.0.1:8080 --count 3000 --concurrency 50 --stream-percent 50 >"$work/warm.out" 2>&1; }
begun=$SECONDS
warm
# so long that also this machine, as slow as it is today, has them all open before the first is refused
head_s=$((10 + 15 * (SECONDS - begun)))
daemon_stop

# ---- slow heads beside good traffic
write ${head_s}s
daemon_start
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
rss_is_back() { (($(rss_kb) <= before_kb + SLACK_KB)); }
# what the allocator and the slabs keep for the next connections: named limits, not a leak
SLACK_KB=$((16 * 1024))
later_kb=4096
# the address sanitizer holds back what was freed
if [[ $build == *-san* ]]; then SLACK_KB=$((512 << 10)) later_kb=$SLACK_KB; fi
memory_is_back() {
	wait_for 20 rss_is_back
	expect "memory is back: $before_kb KB before, $most_kb KB with $HEADS slow heads, now" "$(rss_kb)" \
		'<=' $((before_kb + SLACK_KB))
}
slow_heads() { # ROUND
	local refused heads name="round $1"
	refused=$(metric sluice_http_refused_total too_slow)
	SLUICE_TEST_NAME=$test_name node "$e2e/slow.mjs" heads "$HEADS" >"$work/heads.out" 2>&1 &
	heads=$!
	expect_soon "$name: all $HEADS slow heads are open at once" "$head_s" \
		metric_is sluice_http_connections '' '>=' "$HEADS"
	most_kb=$(rss_kb)
	load_start --count 3000 --concurrency 20 --stream-percent 50 --timeout-ms 60000
	load_end
	load_clean "$name: beside $HEADS slow heads"
	expect "$name: good traffic was whole" "$(loaded requests)" == 3000
	expect_soon "$name: every slow head was answered with 408" $((60 + head_s)) \
		metric_is sluice_http_refused_total too_slow '>=' $((refused + HEADS))
	kill $heads
	wait $heads 2>/dev/null
	grep -E '^(not )?ok ' "$work/heads.out"
	expect_soon "$name: their connections are gone" 30 metric_is sluice_http_connections '' '<=' 8
}
warm
before_kb=$(rss_kb)
slow_heads 1
memory_is_back
before_kb=$(rss_kb)
SLACK_KB=$later_kb
slow_heads 2
memory_is_back
daemon_stop
finish
