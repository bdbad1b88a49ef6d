#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smuggling.sh - the daemon for smuggling.mjs, which is client and server: requests and answers with two
# possible ends.
. "$(dirname "$0")/lib.sh"

THREADS=1
config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000, retry.budget: 0}
	timeouts: {upstream_idle: 1s}
	pools: {chat: {metrics: {scrape: never}, nodes: ["127.0.0.1:9001"]}}
	routes: [{model: chat, pools: chat, attempts: 1, timeouts: {total: 10s}}]
END
daemon_start
SLUICE_TEST_NAME=$test_name node "$e2e/smuggling.mjs" || failures=$((failures + 1))
daemon_stop
finish
