#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# resume.sh - servers for resume.mjs: streams that break after their first token, on every API, and go on
# by prefill, by a restart, or end in an error event.
#
#   pre    prefill: pre-bad first (weight), then pre-good      plain   the same without prefill
#   other  its second node writes other texts                  trio    three, the third is good
#   behind chain of pools: one, then its like                  lone    a single node
#   scripted  resume.mjs itself, port 9020
. "$(dirname "$0")/lib.sh"

[[ -d $root/build/e2e/node_modules/@anthropic-ai/sdk && -d $root/build/e2e/node_modules/openai ]] || {
	not_ok "packages" "the clients are missing: tests/e2e/deps.sh"
	finish
}

# routes NAME POOLS MORE: a patient one, and one that soon finds a silent node
routes() {
	cat <<-END
		  - {model: $1, pools: $2, backoff: 0ms,
		     timeouts: {connect: 10s, ttft: 20s, inter_token: 20s, total: 60s}}
		  - {model: $1-quick, pools: $2, backoff: 0ms,
		     timeouts: {connect: 10s, ttft: 20s, inter_token: 500ms, total: 60s}}
	END
}
config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.budget: 0, retry.after_max_ms: 0}
	limits: {upstream_idle: 0, stream_buffer: 64KiB}
	pools:
	  pre: {continue: prefill, nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
	  plain: {nodes: [{address: "127.0.0.1:9003", weight: 1000}, "127.0.0.1:9004"]}
	  other: {nodes: [{address: "127.0.0.1:9005", weight: 1000}, "127.0.0.1:9006"]}
	  trio: {continue: prefill, nodes: [{address: "127.0.0.1:9007", weight: 1000},
	         {address: "127.0.0.1:9008", weight: 100}, "127.0.0.1:9009"]}
	  one: {nodes: ["127.0.0.1:9010"]}
	  like: {continue: prefill, nodes: ["127.0.0.1:9011"]}
	  unlike: {model: small, nodes: ["127.0.0.1:9012"]}
	  spent: {tunables: {retry.budget: 1, retry.reserve_per_min: 0}, continue: prefill,
	          nodes: [{address: "127.0.0.1:9013", weight: 1000}, "127.0.0.1:9014"]}
	  scripted: {nodes: ["127.0.0.1:9020"]}
	routes:
	$(routes pre pre)
	$(routes plain plain)
	$(routes other other)
	$(routes trio trio)
	$(routes behind '[one, unlike, like]')
	$(routes lone one)
	$(routes spent spent)
	$(routes scripted scripted)
	  - {model: off, pools: pre, resume: off}
	  - {model: twice, pools: pre, attempts: 2, backoff: 0ms}
END
number=9001
for name in pre-bad pre-good plain-bad plain-good other-bad other-good trio-bad trio-worse trio-good \
	one like unlike spent-bad spent-good; do
	seed=()
	[[ $name == other-good ]] && seed=(--seed 8)
	standin $name $number --token-us 8000 "${seed[@]}"
	number=$((number + 1))
done
daemon_start
export SLUICE=$build/sluice SLUICE_ADMIN_SOCKET=$work/admin.sock
SLUICE_TEST_NAME=$test_name node "$e2e/resume.mjs" || failures=$((failures + 1))
grep -q 'stream continued on node' "$log" || not_ok "log" "no line tells of a stream that was continued"
daemon_stop
finish
