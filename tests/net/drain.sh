#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# drain.sh - a node is drained, emptied, restarted and given back while connections come without end:
# nobody notices. A drain is no trip, and takes nobody's place.
#
#   client (30 held connections, and new ones all the while) --- sluice --- node1..node3
#
# operator.sh has the commands and what they say; here is load. No daemon runs.
. "$(dirname "$0")/lib.sh"
need jq jq
datagram=$build/net/datagram
[[ -x $datagram ]] || { not_ok needs "$datagram (make nettools)"; exit 1; }
held=30
setup 3
for number in 1 2 3; do
	nsenter --net="/run/netns/sl$$-node$number" "$datagram" serve "$(node_address "$number")" "n$number" &
	jobs_to_end+=($!)
done
write_config 3 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0"
echo "  - {address: $vip, lane: fast, pool: chat, protocol: udp}" >>"$config"

of_node() { "$sluice" status --json | jq -r ".pools[0].nodes[$(($1 - 1))].$2"; } # NUMBER FIELD
load_goes_on() { # another so many connections were opened since
	local before
	before=$(counter flow_opened)
	wait_for 30 eval "((\$(counter flow_opened) > $((before + 600))))" || not_ok load "stands still"
}
say() { ns client "$datagram" ask "$vip" "$1" 30000 "${2:-$1}" >"$work/tally"; } # COUNT [PORTS]

drained() { # NAME
	local opened
	say 60
	begun=$(tally n2)
	hold "$held"
	on_node=$(held n2)
	start_load
	load_goes_on
	"$sluice" drain chat/1 >"$work/drain"
	expect "$1: drain tells what goes on there" "$(grep -c 'drains: no new flow or request; [1-9]' "$work/drain")" == 1
	# the packets that were on their way while the word was written
	sleep 0.2
	opened=$(of_node 2 flows_opened)
	load_goes_on
	expect "$1: nothing new goes to it" "$(of_node 2 flows_opened)" == "$opened"
	for round in 1 2; do
		hold_round
		expect "$1: round $round: its connections go on" "$held_alive $held_changed $(held n2)" == "$held 0 $on_node"
	done
	say 60
	expect "$1: UDP flows too" "$(tally n2) $(tally failed)" == "$begun 0"
	expect "$1: no trip: breaker, reason, place" \
		"$(of_node 2 state) $(of_node 2 draining) $(of_node 2 trips) $(of_node 2 last_signal) $("$sluice" status --json | jq .pools[0].ejected)" == \
		"closed true 0 none 0"
	expect "$1: the status says so" "$("$sluice" status | head -n 1)" == \
		"sluice: well: 2 of 3 nodes in 1 pool take new flows, 1 drains"
	end_load
	expect "$1: no connection failed" "$(load_tally failed)" == 0
}
# While one drains, another one refuses: its breaker opens, for a drain takes no place of the cap. No
# load now: a server that closes its port resets what it has not accepted yet.
other_trips() { # NAME
	refuse_node 3
	expect_soon "$1: another node may be ejected meanwhile" 30 eval 'ask 20 4; node_is 3 state open'
	expect "$1: by its refusals" "$(of_node 3 last_signal)" == reset_early
	stop_node 3
	start_node 3
	"$sluice" breaker close chat/2 >/dev/null
}
emptied() { # NAME
	start_load
	load_goes_on
	end_hold
	expect_soon "$1: when they have ended it is empty" 20 eval '[[ $("$sluice" top --json --once --watch=100ms |
		jq ".pools[0].nodes[1].flows") -le $begun ]]' # those of UDP
	stop_node 2
	start_node 2
	load_goes_on
	expect "$1: restarted, it has had nothing new" "$(of_node 2 trips) $(of_node 2 last_signal)" == "0 none"
	opened=$(of_node 2 flows_opened)
	"$sluice" undrain chat/1 >/dev/null
	# by and by: it has its weight back after a slow start
	expect_soon "$1: undrain brings it back" 60 eval "((\$(of_node 2 flows_opened) >= $((opened + 30))))"
	end_load
	expect "$1: no connection failed, while it was restarted and given back" "$(load_tally failed)" == 0
	expect "$1: and all nodes served some" \
		"$(($(load_tally n1) > 0 && $(load_tally n2) > 0 && $(load_tally n3) > 0))" == 1
}

for hook in native tc; do
	up || finish
	drained "$hook"
	other_trips "$hook"
	emptied "$hook"
	down
done
finish
