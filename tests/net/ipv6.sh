#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ipv6.sh - the fast lane over IPv6.
#
#   client fd01::2 --- sluice --- node1..node3 fd02:I::2       [fd09::1]:80 -> [fd02:I::2]:8000
. "$(dirname "$0")/lib.sh"
service=$vip6
setup 3
write_config 3 6
up || finish

ask 600 16
expect "no connection fails" "$(tally failed)" == 0
for number in 1 2 3; do
	expect "node $number gets at least 140" "$(tally "n$number")" -ge 140
done
hold 20
hold_round
expect "held connections go on" "$held_alive" == 20
stop_node 2
# many at once: one after the other they may all find a node that was faster lately
expect_soon "a refusing node is left" 30 eval 'ask 100 8; (($(node_field 2 trips) > 0))'
expect_soon "new connections avoid it" 5 eval 'ask 20 1; [[ $(tally failed) == 0 && $(tally n2) == 0 ]]'
finish
