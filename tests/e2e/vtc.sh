#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# vtc.sh - HTTP/1 as a client and a server see it that are not ours: each tests/e2e/vtc/*.vtc, run by
# varnishtest, is client of the daemon at port 8080 and, where it says so, the server at port 9001.
. "$(dirname "$0")/lib.sh"
command -v varnishtest >/dev/null || { not_ok "start" "varnishtest is missing: apt-get install varnish"; finish; }

config_write <<-END
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools: {chat: {nodes: ["127.0.0.1:9001"], metrics: {scrape: never}}} # a script's server counts on what it is asked
	routes: [{model: chat, pools: chat, attempts: 1}]
END
daemon_start
for script in "$e2e"/vtc/*.vtc; do
	name=$(basename "$script" .vtc)
	if timeout 60 varnishtest -t 50 "$script" >"$work/vtc.log" 2>&1; then
		ok "$name: $(sed -n '1s/^varnishtest "\(.*\)"$/\1/p' "$script")"
	else
		not_ok "$name" "$(grep -E '^---- ' "$work/vtc.log" | head -n 3 | tr '\n' ' ')"
	fi
done
daemon_stop
finish
