#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# rollback.sh - how long a bad candidate is given to clients after the evidence against it suffices: from the end of
# the sixth bad answer (policy/rollout.h) to the beginning of the last request that still got it. The bar is 5 s.
#
#   node (client, 4 at once) -> sluiced 8080 -> standin 9001 (the baseline), 9002 (the candidate: each answer 500)
#
# ROUNDS (10) roll-outs.
. "$(dirname "$0")/../e2e/lib.sh"

bar_ms=5000
export SLUICE=$build/sluice SLUICE_ADMIN_SOCKET=$work/admin.sock
config_write <<-END
	rollouts: {file: $work/rollouts}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  old: {nodes: ["127.0.0.1:9001"]}
	  new: {nodes: ["127.0.0.1:9002"]}
	routes:
	  - {model: chat, pools: old, backoff: 1ms}
END
standin old 9001
standin new 9002
daemon_start
curl -sf --max-time 5 -o "$work/fault" -d '{"fault":"500"}' http://127.0.0.1:10002/fault
node "$(dirname "$0")/rollback.mjs" "${ROUNDS:-10}" >"$work/rounds" || { cat "$work/rounds"; exit 1; }
sort -n "$work/rounds" | awk -v bar=$bar_ms '
	{ ms[NR] = $1; seen[NR] = $2; if ($2 > most) most = $2 }
	END {
		printf "canary breach to roll-back    median %.0f ms, worst %.0f ms (bar %d ms); at most %d requests had it, %d roll-outs\n",
			ms[int((NR + 1) / 2)], ms[NR], bar, most, NR
		exit ms[NR] > bar
	}'
