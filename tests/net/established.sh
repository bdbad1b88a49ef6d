#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# established.sh - an open breaker refuses what is new and never touches what stands.
#
#   client (30 held connections) --- sluice --- node1, node2 (refuses new ones), node3
. "$(dirname "$0")/lib.sh"
setup 3
write_config 3 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m"
up || finish

hold 30
expect "30 connections stand" "$held_alive" == 30
on_node=$(node_field 2 flows)
expect "some of them on node 2" "$on_node" -gt 0
refuse_node 2
expect_soon "the breaker opens" 30 eval 'ask 5 1; node_is 2 state open'
for round in 1 2 3; do
	hold_round
	expect "round $round after the trip: all alive" "$held_alive" == 30
	expect "round $round after the trip: all on their node" "$held_changed" == 0
done
expect "node 2 still has its flows" "$(node_field 2 flows)" == "$on_node"
ask 100 4
expect "new connections avoid it" "$(tally n2) $(tally failed)" == "0 0"
"$sluice" breaker open chat/0 >/dev/null
hold_round
expect "a breaker opened by hand leaves them too" "$held_alive $held_changed" == "30 0"
finish
