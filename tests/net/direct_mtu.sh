#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# direct_mtu.sh - answers of direct return meet a narrow way, and ECMP brings the router's ICMP errors to
# a balancer that does not know the flow.
#
#   client --1300-- router ==[ bal1: the client's packets | bal2: the router's errors ]== node1..3
#                                                                              see direct/lib.sh
#
# Bulk from a node goes straight to the router, which sends "too big" to the service. bal2 has no such
# flow: it sends the error where the flow would be, and a node that does not hold it passes it on.
. "$(dirname "$0")/lib.sh"
. "$root/tests/net/direct/lib.sh"
probe=$build/net/probe
[[ -x $probe ]] || { not_ok needs "$probe (make nettools)"; exit 1; }
blocks=20
bytes=$((blocks * 16384))
pulls=32

direct_setup 3 2
pass_at_ports
for host in bal1 bal2 node1 node2 node3; do direct_meet "$host" 1 11 12 101 102 103; done
ns router ip link set dev c mtu 1300
# What the router itself sends goes by the second balancer, what it forwards by the first.
ns router ip route add 10.9.0.1/32 via 10.3.0.12 table 100
ns router ip -6 route add fd09::1/128 via fd03::12 dev br0 table 100
ns router ip rule add iif lo to 10.9.0.1/32 lookup 100
ns router ip -6 rule add iif lo to fd09::1/128 lookup 100
for number in 1 2 3; do
	for address in 10.9.0.1:8002 '[fd09::1]:8002'; do
		nsenter --net="/run/netns/sl$$-node$number" "$probe" serve "$address" &
		jobs_to_end+=($!)
	done
done

forget() { # no node remembers a path MTU from before
	local number
	for number in 1 2 3; do
		ns "node$number" ip route flush cache
		ns "node$number" ip -6 route flush cache
	done
}
sum_of() { # COUNTER: of the nodes
	local number sum=0
	for number in 1 2 3; do sum=$((sum + $(host_counter "node$number" "$1"))); done
	echo "$sum"
}

for round in "gue native" "ipip tc"; do
	read -r mode hook <<<"$round"
	for family in $(direct_families); do
		now="$mode, $hook, IPv$family"
		service=$(direct_vip "$family")
		service=${service%:80}:8002
		for host in bal1 bal2 node1 node2 node3; do
			direct_config "$host" "$family" "$mode" "1 2 3"
			sed -i 's/:80"/:8002"/' "$work/$host.yaml"
			host_up "$host" || finish
		done
		# a third of the flows begin at node 1; bal1 gives them to their second candidate, bal2 cannot know
		on bal1 breaker open chat/0 >/dev/null
		arrived=0
		for ((pull = 0; pull < pulls; pull++)); do
			forget
			ns client "$probe" pull "$service" $blocks ${limit_ms:-10000} >"$work/pull"
			grep -q "^moved $bytes .*server 1300\b" "$work/pull" && arrived=$((arrived + 1))
		done
		expect "$now: bulk arrives, the nodes learn the MTU" "$arrived" == "$pulls"
		expect "$now: by errors that came to the other balancer" \
			"$(($(host_counter bal2 forward_to_node) >= pulls)) $(host_counter bal2 flow_opened)" == "1 0"
		expect "$now: some were passed on by a node" "$(sum_of forward_again)" -gt 0
		for host in bal1 bal2 node1 node2 node3; do host_down "$host"; done
	done
done
finish
