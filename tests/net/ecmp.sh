#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ecmp.sh - two balancers behind one router that spreads flows over them (ECMP, by addresses and
# ports) and moves them when its next hops change. The balancers tell each other nothing.
#
#   client --- router ==[ bal1 | bal2 ]== node1, node2, node3, later node4      see direct/lib.sh
#
# In the direct-return modes none is lost while the pool has not changed; after a change only those
# of the nodes that left. In mode nat a flow lives on one balancer: what becomes of one that moves.
. "$(dirname "$0")/lib.sh"
. "$root/tests/net/direct/lib.sh"
count=120

direct_setup 3 2
add_node 4
pass_at_ports
for host in bal1 bal2 node1 node2 node3 node4; do direct_meet "$host" 1 11 12 101 102 103 104; done
ns router sysctl -q -w net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1

# all_up FAMILY MODE "NODES" HOSTS...: these hosts have these nodes in their files now
all_up() {
	local family=$1 mode=$2 nodes=$3 host
	shift 3
	for host; do
		direct_config "$host" "$family" "$mode" "$nodes"
		host_up "$host" --replace || finish
	done
}
passed_on() { # by all nodes
	local number sum=0
	for number in 1 2 3 4; do
		sum=$((sum + $(host_counter "node$number" forward_again 2>/dev/null)))
	done
	echo "$sum"
}
repeated() { # connects that either balancer gave to another node than their two candidates
	local host counter sum=0
	for host in bal1 bal2; do
		for counter in retry_moved retry_turned; do sum=$((sum + $(host_counter "$host" "$counter"))); done
	done
	echo "$sum"
}
# Holds so many flows, each at one of its candidates. Where a busy machine answers a SYN after a second, its
# repeat goes to a third node, which only the balancer that sent it there knows: then others are held.
hold_at_candidates() { # COUNT
	local before try
	for try in {1..6}; do
		before=$(repeated)
		hold "$1"
		[[ $(repeated) != "$before" ]] || return 0
		echo "# try $try: $(($(repeated) - before)) connects were repeated"
		end_hold
	done
	hold "$1"
}
stays() { # NAME: nothing happened to those that are held
	hold_round
	expect "$1" "$held_alive $held_changed" == "$count 0"
}

rounds=("gue tc 6" "ipip native 4" "l2 tc 4")
[[ -z ${VMTEST_GUEST:-} ]] || rounds=("gue native 4") # each loads programs seventeen times
for round in "${rounds[@]}"; do
	read -r mode hook family <<<"$round"
	now="$mode, $hook, IPv$family"
	service=$(direct_vip "$family")
	all_up "$family" "$mode" "1 2 3" bal1 bal2 node1 node2 node3
	route_to 1 2
	hold_at_candidates "$count"
	expect "$now: all connect" "$held_alive" == "$count"
	expect "$now: over both balancers" "$(($(host_counter bal1 flow_opened) > 20 &&
		$(host_counter bal2 flow_opened) > 20))" == 1

	route_to 1
	stays "$now: all flows to the first balancer, none is lost"
	expect "$now: some were found at their second candidate" "$(passed_on)" -gt 5
	route_to 2
	stays "$now: all flows to the second, none is lost"

	all_up "$family" "$mode" "1 2 3 4" node4 node1 node2 node3 bal1 bal2
	stays "$now: a node joins, none is lost"
	route_to 1
	stays "$now: and flows move then, none is lost"
	expect "$now: the new node held none of them" "$(held n4)" == 0

	of1=$(held n1) of2=$(held n2) of3=$(held n3)
	all_up "$family" "$mode" "1 3 4" bal1 bal2 node1 node3 node4
	hold_round
	expect "$now: a node leaves, those of the others live" "$(held n1) $(held n3)" == "$of1 $of3"
	expect "$now: its own live where they are known" "$(($(held n2) > 0 && $(held n2) < of2))" == 1
	route_to 2
	hold_round
	expect "$now: then flows move, those of the others live" "$(held n1) $(held n3)" == "$of1 $of3"
	expect "$now: only those of the node that left are lost" "$held_lost $held_changed" == "$of2 0"
	end_hold
	for host in bal1 bal2 node1 node2 node3 node4; do host_down "$host"; done
done

# ---- a host that is gone ----------------------------------------------------------------------
mode=gue hook=tc family=4 service=$vip
all_up 4 gue "1 2 3" bal1 bal2 node1 node2 node3
route_to 1
hold_at_candidates "$count"
of2=$(held n2) of3=$(held n3)
ns router ip link set dev to-node1 down
route_to 2
ns client "$connect" ask "$vip" 40 40 8000 >"$work/tally"
expect "a host is gone: connects find another node" "$(tally failed)" == 0
expect "a host is gone: its breaker is open" "$(host_node_field bal2 1 state)" == open
hold_round
expect "a host is gone: the others' flows move to a balancer that knows none of them, and live" \
	"$(held n2) $(held n3)" == "$of2 $of3"
end_hold
ns router ip link set dev to-node1 up
for host in bal1 bal2 node1 node2 node3; do host_down "$host"; done

# ---- nat --------------------------------------------------------------------------------------
for number in 1 2; do
	nsenter --net="/run/netns/sl$$-node$number" "$connect" serve "$(direct_node "$number")" \
		"n$number" &
	jobs_to_end+=($!)
	wait_for 10 ns "node$number" "$connect" ask "$(direct_node "$number")" 1 1
done
all_up 4 nat "1 2" bal1 bal2
count=40
route_to 1
hold "$count"
route_to 2
echo >&"${HOLD[1]}"
sleep 0.3
route_to 1
hold_line
expect "nat: a move for a moment costs a repeat" "$held_alive $held_changed" == "$count 0"
expect "nat: what another balancer does not know it drops, and counts" \
	"$(host_counter bal2 drop_no_flow)" -ge "$count"
route_to 2
hold_round
expect "nat: a flow that moves for good is lost" "$held_alive" == 0
ask 50
expect "nat: the next connect works" "$(tally failed)" == 0
finish
