#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# clients.sh - servers for clients.mjs: the Vercel AI SDK and LangChain through sluiced, to a stand-in
# and to a node that clients.mjs scripts itself on port 9005; and what each official client makes of a
# refusal.
. "$(dirname "$0")/lib.sh"

modules=${SLUICE_NODE_MODULES:-$root/build/e2e/node_modules}
[[ -d $modules/ai && -d $modules/@langchain/openai && -d $modules/openai && -d $modules/@anthropic-ai/sdk ]] || {
	not_ok "packages" "a client is missing: tests/e2e/deps.sh"
	finish
}

config_write <<-END
	limits: {upstream_idle: 0}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  chat: {nodes: ["127.0.0.1:9001"]}
	  narrow: {nodes: ["127.0.0.1:9002"]}
	  scripted: {nodes: ["127.0.0.1:9005"]}
	routes:
	  - {model: chat, pools: chat, attempts: 2, backoff: 0ms}
	  - {model: narrow, pools: narrow, attempts: 1}
	  - {model: scripted, pools: scripted, attempts: 2, backoff: 0ms}
	  - {model: few, pools: chat, limits: {tokens_per_minute: 10}}
END
standin a 9001 --token-us 1000
standin narrow 9002 --token-us 20000 --slots 1
daemon_start
SLUICE_TEST_NAME=$test_name node --no-warnings "$e2e/clients.mjs" || failures=$((failures + 1))
daemon_stop
finish
