#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# vlan.sh - tagged frames on both sides of the fast lane. Optional: needs the 8021q module.
#
#   client c.7 --- c.7 on c, sluice --- n1.9 on n1 --- node1 (tagged 9)
#                              `--- n2 --- node2 (untagged)
. "$(dirname "$0")/lib.sh"
setup 2
if ! ns sluice ip link add link c name c.7 type vlan id 7 2>/dev/null; then
	echo "skip $test_name: this kernel has no VLAN devices (modprobe 8021q)"
	exit 0
fi
# the tag must be in the frame that XDP sees, not in the card's hands
ns client ethtool -K c txvlan off >/dev/null 2>&1
ns node1 ethtool -K n txvlan off >/dev/null 2>&1
ns client ip link add link c name c.7 type vlan id 7
ns sluice ip link add link n1 name n1.9 type vlan id 9
ns node1 ip link add link n name n.9 type vlan id 9
for end in "sluice c" "client c" "sluice n1" "node1 n"; do
	read -r where device <<<"$end"
	ns "$where" ip address flush dev "$device"
done
for end in "sluice c.7" "client c.7" "sluice n1.9" "node1 n.9"; do
	read -r where device <<<"$end"
	ns "$where" ip link set dev "$device" up
done
add_address sluice c.7 10.1.0.1/24
add_address client c.7 10.1.0.2/24
add_address sluice n1.9 10.2.1.1/24
add_address node1 n.9 10.2.1.2/24
ns client ip route replace default via 10.1.0.1
ns node1 ip route replace default via 10.2.1.1
ns sluice "$connect" ask "$(node_address 1)" 1 1 >/dev/null
ns client "$connect" ask 10.1.0.1:1 1 1 >/dev/null
write_config 2
up || finish

ask 200 8
expect "no connection fails" "$(tally failed)" == 0
expect "the tagged node is used" "$(tally n1)" -gt 50
expect "the untagged node is used" "$(tally n2)" -gt 50
expect "by the fast lane" "$(counter flow_opened)" == 200
hold 10
hold_round
expect "held connections go on" "$held_alive $held_changed" == "10 0"
finish
