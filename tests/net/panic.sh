#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# panic.sh - most of a pool fails. At most half of it is ejected; where that is allowed to be more and
# too few are left, new flows go to the least bad node instead of nowhere.
#
#   client --- sluice --- node1..node5       later a pool of two, and of one
#
# Nodes "fail" by closing their ports; breakers stay open (open_ms 10m), so nothing heals by itself.
# connect.retries is 0 where it is counted who was asked. No daemon runs.
. "$(dirname "$0")/lib.sh"
need jq jq
setup 5
tunables="breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0, guard.source_per_s: 0"

pool() { "$sluice" status --json | jq -r ".pools[0].$1"; }
of_state() { pool nodes | jq "[.[] | select(.state == \"$1\")] | length"; }
nodes_sum() { pool nodes | jq "[.[].$1] | add"; }
ask_until() { # CONDITION: asks until it holds
	local tries
	for ((tries = 0; tries < 60; tries++)); do
		eval "$1" && return 0
		ask 20 4 2000
	done
	return 1
}

# ---- the cap -------------------------------------------------------------------------------------
# All nodes of a pool of $2 fail: $3 of them may be ejected.
cap_holds() { # NAME NODES CAP
	local name="$1, $2 nodes" number settled
	write_config "$2" 4 "$tunables, connect.retries: 0"
	up || finish
	for ((number = 1; number <= $2; number++)); do stop_node "$number"; done
	ask_until '(($(of_state open) >= '"$3"'))' || not_ok "$name" "fewer than $3 are ejected"
	ask 200 4
	settled=$(counter drop_refused)
	expect "$name: of all nodes that fail $3 are ejected" "$(of_state open) $(pool ejected)" == "$3 $3"
	expect "$name: the others should be, and are not: counted" \
		"$(($(nodes_sum cap_denied) > 0 || $2 == $3))" == 1
	expect "$name: they are asked, and refuse" "$(tally refused) $settled" == "200 0"
	expect "$name: no panic: enough are left" "$(pool panics) $(counter gate_panic)" == "0 0"
	for ((number = 1; number <= $2; number++)); do start_node "$number"; done
	# those that were not ejected serve at once
	ask 100 4
	expect "$name: what was not ejected serves as soon as it can" "$(tally failed)" == 0
	expect "$name: and what was, does not" \
		"$(nodes_sum 'trips') $(of_state open)" == "$3 $3"
	down
}

# ---- panic ---------------------------------------------------------------------------------------
# All five may be ejected. Node 4 is opened first, after two failures: it is the least bad.
all_open() {
	write_config 5 4 "$tunables, connect.retries: 0, breaker.ejection_percent: 100, breaker.consecutive_failures: 2"
	up || finish
	stop_node 4
	ask_until 'node_is 4 state open'
	"$sluice" tune breaker.consecutive_failures=6 >/dev/null
	for number in 1 2 3 5; do stop_node "$number"; done
	ask_until '(($(of_state open) == 5))'
}
panic() { # NAME
	local before
	all_open
	expect "$1: all five are open, for it was allowed" "$(of_state open) $(pool ejected)" == "5 5"
	for number in 1 2 3 4 5; do start_node "$number"; done
	before=$(counter gate_panic)
	ask 200 4
	expect "$1: none available: each new flow goes to the least bad" "$(tally n4) $(tally failed)" == "200 0"
	expect "$1: counted, for the host and the pool" "$(($(counter gate_panic) - before)) $(pool panics)" == "200 $(counter gate_panic)"
	expect "$1: the breakers stay as they are" "$(of_state open) $(node_field 4 trips)" == "5 1"
	expect "$1: the status tells" "$("$sluice" status | grep -c "^pool \"chat\": 5 nodes, 5 ejected, .* $(pool panics) in panic")" == 1
	"$sluice" status | head -n 1 | sed 's/^/# /'

	"$sluice" breaker open chat/3 >/dev/null 2>&1
	ask 50 4
	expect "$1: one that an operator opened is not taken" "$(tally n4) $(tally failed)" == "0 0"
	"$sluice" drain chat/0 >/dev/null
	ask 50 4
	expect "$1: nor one that drains" "$(tally n1) $(tally n4) $(tally failed)" == "0 0 0"
	"$sluice" undrain chat/0 >/dev/null

	# one of five available is 20 %: below 30, but it takes all, for it admits. Each flow finds it: a
	# walk that missed it in one of a thousand stood here once
	"$sluice" breaker close chat/2 >/dev/null
	before=$(counter gate_panic)
	ask 4000 8
	expect "$1: one that admits comes before panic" \
		"$(tally n3) $(tally failed) $(($(counter gate_panic) - before))" == "4000 0 0"
	"$sluice" breaker open chat/2 >/dev/null 2>&1

	"$sluice" tune pool.panic_percent=0 >/dev/null
	before=$(counter drop_refused)
	ask 50 4
	expect "$1: without panic they are refused at once" "$(tally refused) $(($(counter drop_refused) - before))" == "50 50"
	expect "$1: which the pool counts" "$(pool no_node)" -ge 50
	shows packets-status "ejected" "sluice status chat"
	shows packets-counters "drop_refused" "sluice status --json | grep -oE '\"(drop_(no_node|refused)|gate_panic)\": [0-9]+'"
	"$sluice" tune pool.panic_percent=default >/dev/null

	# back: forced ones prove themselves, the others are closed by hand
	for number in 1 2 3 4 5; do "$sluice" breaker close chat/$((number - 1)) >/dev/null; done
	before=$(counter gate_panic)
	ask 200 4
	expect "$1: when all are closed it is over" "$(tally failed) $(($(counter gate_panic) - before)) $(pool ejected)" == "0 0 0"
	down
}

for hook in native tc; do
	take_back client c
	panic "$hook"
done
hook=native
take_back client c
cap_holds "$hook" 5 2
hook=tc
take_back client c
cap_holds "$hook" 2 1
cap_holds "$hook" 1 0
finish
