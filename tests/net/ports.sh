#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ports.sh - more connections than a node has source ports (mode nat): what does not fit is refused and
# counted, nobody else notices, and what is given back is used again.
#
#   client --- sluice --- node1         kernel.nat_ports: 256 of them, the fewest there may be
#
# Ports come back by the end of a connection; those of flows that are silent too long, which have no
# other end, when others need them. No daemon runs.
. "$(dirname "$0")/lib.sh"
need jq jq
need ss iproute2
datagram=$build/net/datagram
[[ -x $datagram ]] || { not_ok needs "$datagram (make nettools)"; exit 1; }
first=20000 ports=256 more=40

setup 2
for number in 1 2; do
	nsenter --net="/run/netns/sl$$-node$number" "$datagram" serve "$(node_address "$number")" "n$number" &
	jobs_to_end+=($!)
done
ns client ip address add 10.1.0.4/24 dev c
write_ports() { # NODES
	write_config "$1" 4 "pool.slow_start_ms: 0"
	sed -i "s|^kernel:|kernel:\n  nat_ports: $first-$((first + ports - 1))|" "$config"
	echo "  - {address: $vip, lane: fast, pool: chat, protocol: udp}" >>"$config"
}
counted() {
	"$sluice" status --json | grep '"counters"' | sed 's/^"counters": //; s/}}$/}/' |
		jq '(.flow_opened // 0) - (.flow_closed // 0) - (.flow_expired // 0) - (.flow_evicted // 0)'
}
in_table() { "$sluice" top --json --once --watch=100ms | jq '.table.living + .table.expired'; }
# The ports of established connections, as the node sees them; each once.
ports_at() { ns "node$1" ss -Htn state established | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -un; }
say() { ns client "$datagram" ask "$vip" "$1" "$2" >"$work/tally"; } # COUNT FIRST_PORT
source_is() { ns client ip route replace 10.9.0.1 via 10.1.0.1 src "$1"; }

# ---- TCP ----------------------------------------------------------------------------------------
exhausted() { # NAME
	local trace
	hold $((ports + more)) 4500
	expect "$1: as many connections as ports, the others are refused" \
		"$held_alive $held_lost" == "$ports $more"
	expect "$1: each port is used, none outside" \
		"$(ports_at 1 | wc -l) $(ports_at 1 | head -n 1) $(ports_at 1 | tail -n 1)" == "$ports $first $((first + ports - 1))"
	expect "$1: refusals are counted" "$(counter drop_no_port)" -ge "$more"
	expect "$1: none was opened for nothing" "$(counted) $(in_table)" == "$ports $ports"
	expect "$1: the node is not blamed" "$(node_field 1 state) $(node_field 1 consecutive) $(node_field 1 flows)" == "closed 0 $ports"
	"$sluice" trace --client 10.1.0.2 --count 1 --seconds 20 >"$work/trace" 2>&1 &
	trace=$!
	until ! kill -0 "$trace" 2>/dev/null; do ask 1 1 300; done
	expect "$1: the trace tells why" "$(grep -c ' drop_no_port ' "$work/trace")" == 1
	expect "$1: such a client meets silence" "$(tally timeout)" == 1
	say 20 30000
	expect "$1: UDP has ports of its own" "$(tally failed)" == 0
	hold_round
	expect "$1: those that stand go on" "$held_alive $held_changed" == "$ports 0"
}
given_back() { # NAME
	local before
	end_hold
	expect_soon "$1: they end, and so do their flows" 10 eval '[[ $(node_field 1 flows) -le 20 ]]'
	before=$(counter drop_no_port)
	ask 600 16
	expect "$1: then new ones are taken" "$(tally failed) $(($(counter drop_no_port) - before))" == "0 0"
}
# The node closed first: it keeps each pair of ports for a minute (TIME_WAIT), and the next one to use
# it is another client, whose sequence numbers and timestamps are others. Its answer is no failure. But
# within half a second of its last answer on a port it says nothing there (Linux:
# tcp_invalid_ratelimit), which no one can tell from a node that is silent: with so few ports it comes
# to that a few times.
blamed() { node_json 1 | grep -o '"syn_retransmitted": [0-9]*' | grep -o '[0-9]*$' || echo 0; }
still_known() { # NAME
	local before
	hold "$ports" 4500
	stop_node 1
	end_hold
	expect "$1: the node remembers them" "$(ns node1 ss -Htn state time-wait | wc -l)" -ge $((ports / 2))
	start_node 1
	"$sluice" breaker close chat/0 >/dev/null
	source_is 10.1.0.4
	sleep 0.6
	before=$(blamed)
	ask 100 8 8000
	source_is 10.1.0.2
	echo "# $1: $(grep '^connect_us' "$work/tally")"
	expect "$1: connects on ports that the node still knows succeed" "$(tally failed)" == 0
	expect "$1: hardly any is a fault of the node" $(($(blamed) - before)) -le 20
	expect "$1: its breaker stays closed" "$(node_field 1 state) $(node_field 1 trips)" == "closed 0"
}

write_ports 1
for hook in native tc; do
	up || finish
	exhausted "$hook"
	given_back "$hook"
	still_known "$hook"
	down
done

# ---- what has no end -------------------------------------------------------------------------------
hook=tc
up || finish
# A datagram is sent twice, and a search may miss the last few ports: most of them are taken.
say $ports 30000
expect "UDP: hardly fewer flows than ports" "$(($(counted) >= ports - 8 && $(counted) + $(tally failed) == ports))" == 1
say 4 31000
expect "UDP: others are refused, and counted" "$(($(counted) <= ports && $(counter drop_no_port) >= 2))" == 1
"$sluice" tune flow.udp_ms=1s >/dev/null
sleep 1.5
say 200 32000
expect "UDP: flows that are silent too long give up their ports" "$(tally failed)" == 0
expect "UDP: and count as expired" "$(counter flow_expired)" -ge $((200 - 8))
expect "UDP: the count is right" "$(counted)" == "$(in_table)"
down
finish
