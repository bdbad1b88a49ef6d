#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# return_path.sh - both directions of a long connection, and who sees which address.
#
#   client 10.1.0.2 --- sluice --- node1 (sees 10.2.1.1, never the client)
#
# Forty held connections are asked again and again: each answers, always by its own node; the node
# sees this host's address; the client's packets to the node's own address are not touched.
. "$(dirname "$0")/lib.sh"
setup 2
write_config 2
up || finish

hold 40
expect "40 connections stand" "$held_alive" == 40
for round in 1 2 3; do
	hold_round
	expect "round $round: all alive" "$held_alive" == 40
	expect "round $round: none changed its node" "$held_changed" == 0
done
expect "flows in flight are the held ones" \
	$(($(node_field 1 flows) + $(node_field 2 flows))) == 40
seen=$(ns node1 cat /proc/net/tcp | grep -c ' 0101020A:[0-9A-F]* 01 ')
expect "node 1 sees this host's address" "$seen" == "$(node_field 1 flows)"
seen=$(ns node1 cat /proc/net/tcp | grep -c ' 0200010A:')
expect "node 1 never sees the client's" "$seen" == 0
ns client "$connect" ask "$(node_address 1)" 3 1 >"$work/tally"
expect "the way past the service stays open" "$(tally n1)" == 3
finish
