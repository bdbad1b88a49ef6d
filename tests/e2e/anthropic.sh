#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# anthropic.sh - pools with `api: anthropic`: clients of three APIs through sluiced to servers of the
# Messages API that anthropic.mjs scripts (ports 9005 to 9010), and to stand-ins (9001, 9002).
. "$(dirname "$0")/lib.sh"

[[ -d $root/build/e2e/node_modules/@anthropic-ai/sdk ]] || {
	not_ok "packages" "the Anthropic client is missing: tests/e2e/deps.sh"
	finish
}

config_write <<-END
	limits: {upstream_idle: 0}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.budget: 0, retry.after_max_ms: 0}
	pools:
	  claude: {api: anthropic, nodes: ["127.0.0.1:9005"], model: claude-1, api_key: sk-ant-pool, continue: prefill}
	  other: {api: anthropic, nodes: ["127.0.0.1:9006"], model: claude-1, continue: prefill, max_tokens: 77}
	  same: {api: anthropic, nodes: [{address: "127.0.0.1:9010", weight: 1000}, "127.0.0.1:9008"], model: claude-1}
	  prefilled: {nodes: ["127.0.0.1:9002"], model: claude-1, continue: prefill}
	  chat: {nodes: ["127.0.0.1:9001"]}
	  closed: {nodes: ["127.0.0.1:9009"]}
	  probed:
	    api: anthropic
	    nodes: ["127.0.0.1:9007"]
	    path: /vendor/v1
	    api_key: sk-ant-probe
	    health: {live: http, path: /v1/models, every: 50ms, generate: 100ms}
	routes:
	  - {model: claude, pools: claude, attempts: 1}
	  - {model: quick, pools: claude, attempts: 1, timeouts: {inter_token: 400ms}}
	  - {model: two, pools: [claude, other], attempts: 3, backoff: 0ms}
	  - {model: quick-two, pools: [claude, other], attempts: 3, backoff: 0ms, timeouts: {inter_token: 400ms}}
	  - {model: again, pools: same, attempts: 3, backoff: 0ms}
	  - {model: crossed, pools: [claude, prefilled], attempts: 3, backoff: 0ms}
	  - {model: bare, pools: other, attempts: 1}
	  - {model: spare, pools: [closed, claude], attempts: 2, backoff: 0ms}
	  - {model: back, pools: [claude, chat], attempts: 2, backoff: 0ms}
	  - {model: polite, pools: claude, fallbacks: {content_policy: chat}, attempts: 2, backoff: 0ms}
	  - {model: probed, pools: probed}
	  - {model: metered-chat-false, pools: claude, limits: {tokens_per_minute: 50000}}
	  - {model: metered-chat-true, pools: claude, limits: {tokens_per_minute: 50000}}
	  - {model: metered-messages-false, pools: claude, limits: {tokens_per_minute: 50000}}
	  - {model: metered-messages-true, pools: claude, limits: {tokens_per_minute: 50000}}
END
standin a 9001
standin b 9002
daemon_start
SLUICE_TEST_NAME=$test_name node "$e2e/anthropic.mjs" || failures=$((failures + 1))
curl -s -o /dev/null -H 'x-request-id: over' "$url/v1/chat/completions" \
	-d '{"model":"back","messages":[{"role":"user","content":"x"}],"n":2,"max_tokens":4}'
expect "explain: passed over, and why" \
	"$(SLUICE_ADMIN_SOCKET=$work/admin.sock "$build/sluice" explain over 2>&1)" \
	contains "passed_over pool=claude reason=request"
daemon_stop
expect "no key in the log" "$(grep -c sk-ant "$log")" == 0
sed 's/generate: 100ms/generate: 100ms, generate_as: embeddings/' "$config" >"$work/wrong.yaml"
expect "check refuses a probe that cannot be answered" \
	"$("$build/sluice" check "$work/wrong.yaml" 2>&1)" contains "neither completions nor embeddings"
finish
