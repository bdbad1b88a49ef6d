#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# responses.sh - servers for responses.mjs: the Responses API of the `openai` client through sluiced to
# stand-ins, and to a node that responses.mjs scripts itself on port 9005.
. "$(dirname "$0")/lib.sh"

[[ -d $root/build/e2e/node_modules/openai ]] || {
	not_ok "packages" "the OpenAI client is missing: tests/e2e/deps.sh"
	finish
}

config_write <<-END
	limits: {upstream_idle: 0}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.budget: 0, retry.after_max_ms: 0}
	pools:
	  chat: {nodes: ["127.0.0.1:9001"]}
	  pair: {nodes: [{address: "127.0.0.1:9002", weight: 1000}, "127.0.0.1:9003"]}
	  narrow: {nodes: ["127.0.0.1:9004"]}
	  scripted: {nodes: ["127.0.0.1:9005"]}
	  closed: {nodes: ["127.0.0.1:9006"]}
	routes:
	  - {model: chat, pools: chat, attempts: 1}
	  - {model: quick, pools: chat, attempts: 1, timeouts: {inter_token: 400ms}}
	  - {model: pair, pools: pair, attempts: 3, backoff: 0ms}
	  - {model: behind, pools: [closed, chat], attempts: 2, backoff: 0ms}
	  - {model: narrow, pools: narrow, attempts: 1}
	  - {model: scripted, pools: scripted, attempts: 2, backoff: 0ms}
	  - {model: closed, pools: closed, attempts: 1}
END
standin a 9001 --token-us 500
standin bad 9002 --token-us 5000
standin good 9003 --token-us 500
standin narrow 9004 --token-us 20000 --slots 1
daemon_start
SLUICE_TEST_NAME=$test_name NARROW_PID=${standins[narrow]} node "$e2e/responses.mjs" ||
	failures=$((failures + 1))
daemon_stop
finish
