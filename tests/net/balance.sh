#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# balance.sh - the fast lane spreads connections over the nodes, and answers come back.
#
#   client --- sluice --- node1..node4        10.9.0.1:80 -> 10.2.I.2:8000   (see lib.sh)
#
# 2,000 connections of one client: none fails, each of 4 nodes gets its share within bounds, the
# counters agree, and every flow that ended is seen to have ended.
. "$(dirname "$0")/lib.sh"
setup 4
write_config 4
up || finish

ask 2000 16
expect "no connection fails" "$(tally failed)" == 0
for number in 1 2 3 4; do
	# 500 expected; Maglev and power of two choices stay well within a fifth
	expect "node $number gets at least 400" "$(tally "n$number")" -ge 400
	expect "node $number gets at most 600" "$(tally "n$number")" -le 600
done
expect "2000 flows are counted" "$(counter flow_opened)" == 2000
expect_soon "2000 flows are seen to end" 10 eval '[[ $(counter flow_closed) == 2000 ]]'
expect "packets go to the nodes" "$(counter forward_to_node)" -ge 10000
expect "packets come back" "$(counter forward_to_client)" -ge 6000
expect "the breaker of node 1 is closed" "$(node_field 1 state)" == closed
expect "connect time is measured" "$(node_field 1 connect_us)" -gt 0
expect "first byte is measured" "$(node_field 1 first_byte_us)" -gt 0
# three bytes an answer; a slow machine repeats a segment now and then
expect "bytes from node 1 are counted" "$(node_field 1 bytes_in)" -ge $((3 * $(tally n1)))
expect "and not twice" "$(node_field 1 bytes_in)" -lt $((4 * $(tally n1)))
expect "no flow is left in flight on node 1" "$(node_field 1 flows)" == 0
expect "the status says well" "$("$sluice" status | head -n 1)" == "sluice: well: 4 of 4 nodes in 1 pool take new flows"
finish
