#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# blackhole.sh - a node that answers nothing trips on repeated SYNs alone, and comes back.
#
#   client --- sluice --- node1, node2 (swallows everything), node3        no daemon runs
#
# The client's kernel repeats a SYN after a second; five such flows open the breaker. After the node
# answers again, the open time passes, half-open probes succeed and the breaker closes.
. "$(dirname "$0")/lib.sh"
setup 3
write_config 3 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0"
up || finish

ask 60 4
expect "all is well before" "$(tally failed)" == 0
blackhole_node 2
expect_soon "the breaker opens" 60 eval 'ask 30 30 3000; node_is 2 state open'
expect "the signal is the repeated SYN" "$(node_field 2 last_signal)" == syn_retransmitted
expect "it was the kernel that saw it" "$(node_field 2 last_plane)" == kernel
ask 200 8
expect "no new connection fails" "$(tally failed)" == 0
expect "none goes to the node" "$(tally n2)" == 0

# the node is back; with a short open time its breaker trips once more at most, then recovers
unblackhole_node 2
"$sluice" tune breaker.open_ms=200 >/dev/null
"$sluice" breaker open chat/1 >/dev/null
"$sluice" breaker auto chat/1 >/dev/null
expect_soon "half-open probes close the breaker" 30 eval 'ask 10 1; node_is 2 state closed'
# connects that were given up are no load: with few others at a time the node is used again
ask 300 8
expect "the node gets connections again" "$(tally n2)" -gt 5
expect "none fails" "$(tally failed)" == 0

# now by time alone: a trip, a failed probe with a longer open time, then recovery
blackhole_node 2
expect_soon "it opens again" 60 eval 'ask 30 30 3000; node_is 2 state open || node_is 2 state half_open'
expect_soon "a failed probe raises the exponent" 60 \
	eval 'ask 10 10 3000; (($(node_field 2 exponent) > 0))'
unblackhole_node 2
expect_soon "it recovers by itself" 60 eval 'ask 10 1; node_is 2 state closed'
finish
