#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# icmp.sh - ICMP errors get through the fast lane to whom they concern, in both directions.
#
#   client --- sluice --- rn --- node1 (UDP port closed), node2
#          10.1.0     10.6.0  10.2.N
#
# A router behind the lane and a node send errors about what the client sent; the client's own stack
# sends one about an answer that comes too late. By both hooks, both families. No daemon runs.
. "$(dirname "$0")/lib.sh"
probe=$build/net/probe
[[ -x $probe ]] || { not_ok needs "$probe (make nettools)"; exit 1; }

mount_bpffs
for name in client sluice rn node1 node2; do
	add_ns $name
	ns $name sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
		echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
done
add_wire sluice c client c
add_wire sluice n rn s
add_address client c 10.1.0.2/24 fd01::2/64
add_address sluice c 10.1.0.1/24 fd01::1/64
add_address sluice n 10.6.0.1/24 fd06::1/64
add_address rn s 10.6.0.2/24 fd06::2/64
ns client ip route add default via 10.1.0.1
ns client ip route add default via fd01::1
ns rn ip route add default via 10.6.0.1
ns rn ip route add default via fd06::1
ns sluice ip route add 10.2.0.0/16 via 10.6.0.2
for number in 1 2; do
	add_wire rn "n$number" "node$number" n
	add_address rn "n$number" "10.2.$number.1/24" "fd02:$number::1/64"
	add_address "node$number" n "10.2.$number.2/24" "fd02:$number::2/64"
	ns "node$number" ip route add default via "10.2.$number.1"
	ns "node$number" ip route add default via "fd02:$number::1"
	ns sluice ip route add "fd02:$number::/64" via fd06::2
	start_node "$number"
	for address in "10.2.$number.2" "fd02:$number::2"; do # neighbours all along the way
		wait_for 20 ns client ping -c 1 -W 1 "$address" || not_ok ways "no way to $address"
	done
done

config_of() { # FAMILY: one node for UDP, two for TCP
	write_config 2 "$1" "breaker.open_ms: 10m, breaker.open_max_ms: 10m, breaker.mode: 1"
	sed -i 's/devices: .*/devices: [c, n]/' "$config"
	echo "  - {address: \"$service\", lane: fast, pool: one, protocol: udp}" >>"$config"
	if [[ $1 == 4 ]]; then
		sed -i 's/^pools:/pools:\n  one:\n    nodes: ["10.2.1.2:9000"]/' "$config"
	else
		sed -i 's/^pools:/pools:\n  one:\n    nodes: ["[fd02:1::2]:9000"]/' "$config"
	fi
}
udp_answer() { ns client "$probe" udp "$service" "$@"; }

errors() { # NAME FAMILY
	local port time prohibited node router
	if [[ $2 == 4 ]]; then
		port="icmp 3 3 from 10.9.0.1" time="icmp 11 0 from 10.6.0.2" node=10.2.1.2/32
		router=10.6.0.2 prohibited="icmp 3 13 from 10.6.0.2"
	else
		port="icmp 1 4 from fd09::1" time="icmp 3 0 from fd06::2" node=fd02:1::2/128
		router=fd06::2 prohibited="icmp 1 1 from fd06::2"
	fi
	up || finish
	expect "$1: the node's own error comes from the service" "$(udp_answer)" == "$port"
	# the lane takes one from the hop limit, the router finds nothing left
	expect "$1: time exceeded comes from the router" "$(udp_answer 2)" == "$time"
	expect "$1: both were translated" "$(counter forward_icmp)" == 2
	ns rn ip route add prohibit "$node"
	# the router is not quick to speak again: its own limit of errors a second
	expect_soon "$1: a router's prohibition comes from the router" 20 \
		eval '[[ $(udp_answer) == "$prohibited" ]]'

	# the same about SYNs: they go to the other node, and no client hears of it
	ask 40 4
	expect "$1: SYNs that a router refuses go to the other node" "$(tally failed) $(tally n2)" == "0 40"
	expect "$1: sent again out of the refusal" "$(counter retry_turned)" -ge 1
	expect "$1: an unreachable is a failure of the node" \
		"$("$sluice" status --json | grep -c '"last_signal": "icmp_unreachable"\|"trips": 1')" -ge 1
	ns rn ip route del prohibit "$node"
	down
}

for hook in native tc; do
	take_back client c
	take_back rn s
	service=$vip
	config_of 4
	errors "$hook, IPv4" 4
	service=$vip6
	config_of 6
	errors "$hook, IPv6" 6
done

# ---- about answers ------------------------------------------------------------------------------
# The client has gone when the answers come: its host says so, and the node's socket hears of it,
# from the address that it sent to.
for family in 4 6; do
	if [[ $family == 4 ]]; then
		service=$vip node=10.2.1.2:9000 wanted="icmp 3 3 from 10.6.0.1"
	else
		service=$vip6 node=[fd02:1::2]:9000 wanted="icmp 1 4 from fd06::1"
	fi
	config_of $family
	for hook in native tc; do
		take_back client c
		take_back rn s
		up || finish
		nsenter --net="/run/netns/sl$$-node1" "$probe" late "$node" 20000 >"$work/late" &
		late=$!
		jobs_to_end+=($late)
		wait_for 10 eval '[[ -n $(ns node1 ss -Hunl "sport = :9000") ]]'
		udp_answer 0 1 >/dev/null # one datagram, and gone
		wait "$late"
		expect "$hook, IPv$family: the node hears that the client has gone" "$(cat "$work/late")" == "$wanted"
		expect "$hook, IPv$family: one error was translated" "$(counter forward_icmp)" -ge 1
		down
	done
done
finish
nsenter --net="/run/netns/sl$$-node1" "$probe" serve 10.2.1.2:9000 &
jobs_to_end+=($!)
expect_soon "the node's UDP port is open" 10 eval 'udp_answer 0 500 | grep -q "answered here"'
before=$(counter forward_icmp)
ns client ip route add prohibit 10.9.0.1/32 2>/dev/null
ns client iptables -V >/dev/null 2>&1
expect "nothing of the client's side so far" "$(counter forward_icmp)" == "$before"
down
finish
