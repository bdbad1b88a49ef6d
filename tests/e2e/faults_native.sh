#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# faults_native.sh - the table of faults (faults.mjs) once more: pools with `api: anthropic` before
# stand-ins that speak the Messages API, for its clients.
. "$(dirname "$0")/lib.sh"

routes() { # NAME POOLS: a patient one, and one for the faults that only a time-out finds
	cat <<-END
		  - {model: $1, pools: $2, attempts: 3, backoff: 0ms, queue: {hold: 0},
		     timeouts: {connect: 10s, ttft: 20s, inter_token: 20s, total: 60s}}
		  - {model: $1-quick, pools: $2, attempts: 3, backoff: 0ms, queue: {hold: 0},
		     timeouts: {connect: 10s, ttft: 400ms, inter_token: 400ms, total: 1600ms}}
	END
}
config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.budget: 0, retry.after_max_ms: 0}
	limits: {upstream_idle: 0}
	timeouts: {upstream_idle: 1s}
	pools:
	  pair: {api: anthropic, nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
	  only: {api: anthropic, nodes: ["127.0.0.1:9003"]}
	  chain: {api: anthropic, nodes: ["127.0.0.1:9004"]}
	  behind: {api: anthropic, nodes: ["127.0.0.1:9005"]}
	routes:
	$(routes pair pair)
	$(routes only only)
	$(routes chain '[chain, behind]')
END
standin pair-bad 9001
standin pair-good 9002
standin only-bad 9003
standin chain-bad 9004
standin chain-good 9005
daemon_start
SLUICE_TEST_NAME=$test_name node "$e2e/faults.mjs" --messages || failures=$((failures + 1))
daemon_stop
finish
