#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# table_full_direct.sh - a flow table that is too small, in a direct-return mode: it costs nobody his
# connection. A packet of an evicted flow goes to the first of its chain, which passes it on when it
# does not hold the connection (docs/datapath.md, "Several balancers").
#
#   client --- router --- bal1, node1 .. node3     mode gue; kernel.flows: 1024, so 1,640 places
#
# 2,400 connections that all speak three times. In mode nat (table_full.sh) such a flow is lost.
. "$(dirname "$0")/lib.sh"
. "$root/tests/net/direct/lib.sh"
need jq jq
count=2400 places=1640
# So that on a slow machine those that are still opening do not fill a set, nor wait for a second.
at_once=200
[[ -z ${VMTEST_GUEST:-} ]] || at_once=8
bal_counted() {
	on bal1 status --json | grep '"counters"' | sed 's/^"counters": //; s/}}$/}/' |
		jq '(.flow_opened // 0) - (.flow_closed // 0) - (.flow_expired // 0) - (.flow_evicted // 0)'
}
bal_table() { on bal1 top --json --once --watch=100ms | jq '.table.living + .table.expired'; }
passed_on() {
	local number sum=0
	for number in 1 2 3; do sum=$((sum + $(host_counter "node$number" forward_again))); done
	echo "$sum"
}

direct_setup 3 1
for host in bal1 node1 node2 node3; do direct_meet "$host" 1 11 101 102 103; done
pass_at_ports
for round in "tc 4" "native 6"; do
	read -r hook family <<<"$round"
	now="$hook, IPv$family"
	service=$(direct_vip "$family")
	direct_config bal1 "$family" gue "1 2 3" "flows: 1024"
	for host in node1 node2 node3; do direct_config "$host" "$family" gue "1 2 3"; done
	for host in node1 node2 node3 bal1; do host_up "$host" || finish; done
	hold "$count" 9000 "$at_once"
	expect "$now: all connect" "$held_alive" == "$count"
	expect "$now: evicted flows are counted" "$(host_counter bal1 flow_evicted)" -ge $((count - places))
	expect "$now: opened - closed - evicted is what the table holds" "$(bal_counted)" == "$(bal_table)"
	hold_round
	hold_round
	expect "$now: no connection is lost, nobody changes his node" "$held_alive $held_changed" == "$count 0"
	expect "$now: some were found at their second candidate" "$(passed_on)" -ge 10
	expect "$now: nothing was dropped for want of a flow" "$(host_counter bal1 drop_no_flow)" == 0
	ask 200 8
	expect "$now: new connections are taken" "$(tally failed)" == 0
	end_hold
	for host in bal1 node1 node2 node3; do host_down "$host"; done
done
finish
