#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# refused.sh - a node whose port is closed is found by the kernel alone and left.
#
#   client --- sluice --- node1, node2 (its port closes), node3            no daemon runs
#
# RST answers to SYN open the breaker after five; new connections then avoid the node; the status,
# bpftool and the counters agree. When the port opens again, probes close the breaker.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
setup 3
write_config 3 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0"
up || finish

ask 60 4
expect "all is well before" "$(tally failed)" == 0
stop_node 2
refused=0
for ((end = SECONDS + 60; SECONDS < end; )); do # a node that was slower lately waits for its turn
	ask 1 1
	refused=$((refused + $(tally refused)))
	node_is 2 state closed || break
done
expect "the breaker opens" "$(node_field 2 state)" == open
expect "clients saw at most 5 refusals" "$refused" -le 5
expect "the signal is the early RST" "$(node_field 2 last_signal)" == reset_early
expect "it was the kernel that saw it" "$(node_field 2 last_plane)" == kernel
expect "bpftool reads the same state (2, open)" "$(bpftool_state 2)" == 2
expect "bpftool reads node 1 closed (0)" "$(bpftool_state 1)" == 0
ask 200 8
expect "no new connection fails" "$(tally failed)" == 0
expect "none goes to the node" "$(tally n2)" == 0
first=$("$sluice" status | head -n 1)
expect "the status says who and why" \
	"${first%%,*}" == 'sluice: 1 of 3 nodes of pool "chat" is open (reset_early'

# half of the open time passes for sure, so force it to be due instead of waiting
start_node 2
"$sluice" breaker open chat/1 >/dev/null
"$sluice" breaker auto chat/1 >/dev/null
expect_soon "probes close the breaker again" 30 eval 'ask 10 1; node_is 2 state closed'
ask 100 4
expect "the node gets connections again" "$(tally n2)" -gt 0
expect "none fails" "$(tally failed)" == 0
finish
