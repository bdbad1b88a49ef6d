#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# l2.sh - direct return by the link address alone: both families, both hooks.
#
#   client --- router --- bal1, node1, node2      see direct/lib.sh
#
# Nodes on the balancer's own segment, the service's address on their loopback.
. "$(dirname "$0")/lib.sh"
. "$root/tests/net/direct/lib.sh"

direct_setup 2 1
pass_at_ports
for hook in native tc; do
	for family in $(direct_families); do
		service=$(direct_vip "$family")
		now="$hook, IPv$family"
		for host in bal1 node1 node2; do
			direct_config "$host" "$family" l2 "1 2"
			host_up "$host" || finish
		done
		# nobody has asked for the nodes' link addresses: the first packets wait for them
		ns bal1 ip neigh flush dev b
		again=$(repeated client node1 node2)
		ask 200 8
		expect_soon "$now: every connection comes to its end" 20 all_over client node1 node2
		again=$(($(repeated client node1 node2) - again))
		expect "$now: no connect fails, neighbours unknown at first" "$(tally failed)" == 0
		expect "$now: both nodes serve" "$(($(tally n1) > 20 && $(tally n2) > 20))" == 1
		expect "$now: by the link address" "$(host_counter bal1 forward_l2)" -ge 800
		# what is repeated may come when its connection is over, and then it is nobody's
		expect "$now: none had to be passed on" \
			"$(($(host_counter node1 forward_again) + $(host_counter node2 forward_again)))" -le "$again"
		opened=$(($(host_node_field node1 1 flows_opened) + $(host_node_field node2 2 flows_opened)))
		expect "$now: the nodes measure their own connections" "$opened" == 200
		expect "$now: and leave the MSS alone" "$(host_counter node1 mss_clamped)" == 0

		hold 100
		expect "$now: connections that are held" "$held_alive $held_changed" == "100 0"
		stop_node 1
		ask 100 8
		expect "$now: a dead server process costs no connect" "$(tally failed) $(tally n2)" == "0 100"
		expect "$now: its host passed the SYNs on" "$(host_counter node1 forward_again)" -gt 20
		start_server 1
		end_hold
		# else the last packets of this round are repeated to the balancer of a later one
		expect_soon "$now: the held connections come to their end" 20 all_over client node1 node2
		for host in bal1 node1 node2; do host_down "$host"; done
	done
done
finish
