#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# spill.sh - a pool whose nodes all refuse sends new flows to the pool that it names, and takes them
# back; flows that stand stay where they are, in both directions.
#
#   client --- sluice --- node1, node2   pool chat, spill: reserve
#                         node3, node4   pool reserve, spill: last
#                         node5          pool last
#
# A flow is spilled once: from chat it never comes to last. Without a pool to spill into, or with
# pool.spill=0: a refusal at once (how that looks to a client: refuse.sh). No daemon runs.
. "$(dirname "$0")/lib.sh"
need jq jq
datagram=$build/net/datagram
[[ -x $datagram ]] || { not_ok needs "$datagram (make nettools)"; exit 1; }
setup 5
for number in 1 2 3 4 5; do
	for address in "$(node_address "$number")" "$(node_address6 "$number")"; do
		nsenter --net="/run/netns/sl$$-node$number" "$datagram" serve "$address" "n$number" &
		jobs_to_end+=($!)
	done
done

write_pools() { # FAMILY
	local number name
	{
		printf 'kernel: {devices: [c, n1, n2, n3, n4, n5]}\n'
		printf 'tunables: {breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0, pool.panic_percent: 0}\n'
		printf 'pools:\n'
		for name in "chat reserve 1 2" "reserve last 3 4" "last - 5"; do
			# shellcheck disable=SC2086  # a list of words
			set -- "$1" $name
			printf '  %s:\n' "$2"
			[[ $3 == - ]] || printf '    spill: %s\n' "$3"
			printf '    nodes:\n'
			for number in "${@:4}"; do
				printf '      - "%s"\n' \
					"$([[ $1 == 6 ]] && node_address6 "$number" || node_address "$number")"
			done
		done
		printf 'services:\n  - {address: "%s", lane: fast, pool: chat}\n' "$service"
		printf '  - {address: "%s", lane: fast, pool: chat, protocol: udp}\n' "$service"
	} >"$config"
}
pool() { "$sluice" status --json | jq -r ".pools[] | select(.name == \"$1\") | .$2"; }
say() { ns client "$datagram" ask "$service" "$1" "$2" >"$work/tally"; } # COUNT FIRST_PORT
on_chat() { echo $(($(tally n1) + $(tally n2))); }
on_reserve() { echo $(($(tally n3) + $(tally n4))); }
order() { # ORDER NODE...
	local what=$1 node
	shift
	for node; do
		# shellcheck disable=SC2086  # "breaker open" are two words
		"$sluice" $what "$node" >/dev/null 2>&1
	done
}

# The nodes of chat are taken out by orders `out`, and back by `back`.
spills() { # NAME OUT BACK
	local before
	hold 40
	expect "$1: connections stand at both nodes" "$(($(held n1) > 0 && $(held n2) > 0 && $(held n1) + $(held n2) == 40))" == 1
	before=$(counter gate_spilled)
	order "$2" chat/0
	ask 100 4
	expect "$1: one of two is left: nothing is spilled" "$(tally n2) $(($(counter gate_spilled) - before))" == "100 0"
	order "$2" chat/1
	ask 200 4
	expect "$1: none is left: all new flows are spilled" "$(on_reserve) $(tally failed)" == "200 0"
	expect "$1: over all nodes there" "$(($(tally n3) > 0 && $(tally n4) > 0))" == 1
	expect "$1: counted, for the host and the pool" \
		"$(($(counter gate_spilled) - before)) $(pool chat no_node)" == "200 0"
	say 30 "$port"
	expect "$1: datagrams too" "$(on_reserve) $(tally failed)" == "30 0"
	hold_round
	expect "$1: what stood before stays at its node" "$held_alive $held_changed" == "40 0"
	order "$3" chat/0 chat/1
	before=$(counter gate_spilled)
	ask 200 4
	expect "$1: back again: new flows come back" "$(on_chat) $(tally failed) $(($(counter gate_spilled) - before))" == "200 0 0"
	say 30 "$port"
	expect "$1: a UDP flow stays where it was spilled to" "$(on_reserve) $(tally failed)" == "30 0"
	port=$((port + 100))
	end_hold
}
# Connections that were spilled, when chat is back and then the reserve drains.
spilled_stay() { # NAME
	order drain chat/0 chat/1
	hold 40
	expect "$1: connections are held at the reserve" "$(($(held n3) + $(held n4)))" == 40
	order undrain chat/0 chat/1
	order drain reserve/0 reserve/1
	hold_round
	expect "$1: they stay there, when chat is back and the reserve drains" "$held_alive $held_changed" == "40 0"
	order drain chat/0 chat/1
	before=$(counter drop_refused)
	ask 50 4
	expect "$1: spilled once and no further: refused" "$(tally refused) $(tally n5)" == "50 0"
	expect "$1: counted at the reserve" "$(($(counter drop_refused) - before)) $(pool reserve no_node)" == "50 50"
	order undrain reserve/0 reserve/1
	"$sluice" tune pool.spill=0 --pool chat >/dev/null
	ask 50 4
	expect "$1: switched off: refused by chat itself" "$(tally refused) $(pool chat no_node)" == "50 50"
	"$sluice" tune pool.spill=inherit --pool chat >/dev/null
	ask 50 4
	expect "$1: switched on: spilled" "$(on_reserve)" == 50
	order undrain chat/0 chat/1
	end_hold
}
# No order of an operator: the servers are gone. Both may be ejected, and then the clients notice nothing.
by_itself() { # NAME
	local tries
	"$sluice" tune breaker.ejection_percent=100 --pool chat >/dev/null
	stop_node 1
	stop_node 2
	for ((tries = 0; tries < 40; tries++)); do
		ask 10 2
		[[ $(node_field 1 state) == open && $(node_field 2 state) == open ]] && break
	done
	ask 200 8
	expect "$1: both nodes refuse: their breakers open, all flows go to the reserve" \
		"$(on_reserve) $(tally failed)" == "200 0"
	start_node 1
	start_node 2
	# an open breaker that is asked to prove itself takes new flows as probes
	order "breaker open" chat/0 chat/1
	order "breaker auto" chat/0 chat/1
	expect_soon "$1: servers are back: so are the flows, by probes" 20 eval 'ask 10 1
		[[ $(on_chat) == 10 && $(tally failed) == 0 ]]'
}

for round in "native 4" "tc 6"; do
	read -r hook family <<<"$round"
	take_back client c
	[[ $family == 6 ]] && service=$vip6 || service=$vip
	port=20000
	write_pools "$family"
	up || finish
	spills "$hook, IPv$family, drained" drain undrain
	spills "$hook, IPv$family, forced open" "breaker open" "breaker close"
	spilled_stay "$hook, IPv$family"
	[[ $family == 6 ]] || by_itself "$hook, IPv$family"
	down
done
finish
