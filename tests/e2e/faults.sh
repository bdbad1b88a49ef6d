#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# faults.sh - every fault of the stand-in server, streaming or not, where another node can take over,
# where none can, and where only the fallback pool can. The table is in faults.mjs;
# docs/failure-modes.md shows it.
. "$(dirname "$0")/lib.sh"

# routes NAME POOLS: a patient one, and one for the faults that only a time-out finds
routes() {
	cat <<-END
		  - {model: $1, pools: $2, attempts: 3, backoff: 0ms, queue: {hold: 0},
		     timeouts: {connect: 10s, ttft: 20s, inter_token: 20s, total: 60s}}
		  - {model: $1-quick, pools: $2, attempts: 3, backoff: 0ms, queue: {hold: 0},
		     timeouts: {connect: 10s, ttft: 400ms, inter_token: 400ms, total: 1600ms}}
	END
}
write() { # UPSTREAM_IDLE
	config_write <<-END
		tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
		           retry.budget: 0, retry.after_max_ms: 0}
		limits: {upstream_idle: $1}
		timeouts: {upstream_idle: 1s}
		pools:
		  pair: {nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
		  only: {nodes: ["127.0.0.1:9003"]}
		  chain: {nodes: ["127.0.0.1:9004"]}
		  behind: {nodes: ["127.0.0.1:9005"]}
		routes:
		$(routes pair pair)
		$(routes only only)
		$(routes chain '[chain, behind]')
	END
}

standin pair-bad 9001
standin pair-good 9002
standin only-bad 9003
standin chain-bad 9004
standin chain-good 9005

export SLUICE_TEST_NAME=$test_name
write 0
daemon_start
node "$e2e/faults.mjs" || failures=$((failures + 1))
daemon_stop

# once more over kept connections, which some of the faults leave in a bad state
write 64
daemon_start
node "$e2e/faults.mjs" --reuse || failures=$((failures + 1))
daemon_stop

missing=$(comm -23 <(grep -oE 'X\("[^"]+' "$root/tests/standin/fault.h" | cut -d'"' -f2 | sort) \
	<(node "$e2e/faults.mjs" --names | sort -u))
expect "the table has every fault that the server knows" "$missing" == ""
if diff <(node "$e2e/faults.mjs" --table) <(sed -n '/^## The table/,/^## /p' "$root/docs/failure-modes.md" | grep '^|') >"$work/diff"; then
	ok "docs/failure-modes.md shows this table"
else
	not_ok "docs/failure-modes.md" "differs from: node tests/e2e/faults.mjs --table"
	head -n 20 "$work/diff" | sed 's/^/# /'
fi
finish
