#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# table_full.sh - a flow table that is too small: every new connection is taken, what gives way is what
# the documentation says, is counted, and nothing is counted twice or never (docs/datapath.md,
# "When it is full"; bpf/table.h).
#
#   client --- sluice --- node1, node2         kernel.flows: 1024, so 205 sets of eight places
#
# 2,050 connections that stay, in batches of 410; 40 that speak between the batches. A place is taken
# from the flow that is silent longest, so those 40 must never lose theirs: one would have to find
# fifteen flows of one batch in its two sets, where four are to be expected.
. "$(dirname "$0")/lib.sh"
need jq jq
flood=$build/net/flood
[[ -x $flood ]] || { not_ok needs "$flood (make nettools)"; exit 1; }
sets=205 places=1640 batch=410 batches=5 active=40
# Of a batch, so that on a slow machine those that are still opening do not fill a set.
at_once=41
[[ -z ${VMTEST_GUEST:-} ]] || at_once=8
counted_s=51 # a flow counts at its node for the last four epochs of 17 s, this one included (bpf/inflight.h)

# ---- a crowd: connections that stay, each batch a process of its own ------------------------------
declare -a crowd_inputs=() crowd_pids=()
crowd_join() { # COUNT: prints nothing; "alive lost" of the batch in $joined
	local number=${#crowd_pids[@]} input
	exec {input}> >(exec nsenter --net="/run/netns/sl$$-client" "$connect" hold "${service:-$vip}" "$1" 4000 "$at_once" \
		>"$work/crowd$number")
	crowd_inputs+=("$input") crowd_pids+=("$!")
	jobs_to_end+=("$!")
	wait_for 30 crowd_has "$number" 1 || not_ok "crowd" "batch $number says nothing"
	joined=$(crowd_field "$number" 4)/$(crowd_field "$number" 6)
}
crowd_has() { (($(wc -l <"$work/crowd$1") >= $2)); }
crowd_field() { tail -n 1 "$work/crowd$1" | cut -d ' ' -f "$2"; } # NUMBER FIELD
# Asks all of them once more: $alive and $lost of all batches, $changed
crowd_round() {
	local number
	rounds=$((rounds + 1)) alive=0 lost=0 changed=0
	for number in "${!crowd_inputs[@]}"; do echo >&"${crowd_inputs[$number]}"; done
	for number in "${!crowd_inputs[@]}"; do
		wait_for 30 crowd_has "$number" $((rounds + 1)) || not_ok "crowd" "batch $number is stuck"
		alive=$((alive + $(crowd_field "$number" 4)))
		lost=$((lost + $(crowd_field "$number" 6)))
		changed=$((changed + $(crowd_field "$number" 8)))
	done
}
crowd_leave() {
	local number
	# not by closing their inputs: the batches that came later hold these too
	kill "${crowd_pids[@]}"
	wait "${crowd_pids[@]}" 2>/dev/null
	for number in "${crowd_inputs[@]}"; do exec {number}>&-; done
	rm -f "$work"/crowd[0-9]*
	crowd_inputs=() crowd_pids=() rounds=0
}
rounds=0

# ---- what is counted -----------------------------------------------------------------------------
# Of the counters, what should be in the table; of the table, what is; of the nodes' rows, the same.
counted() {
	"$sluice" status --json | grep '"counters"' | sed 's/^"counters": //; s/}}$/}/' |
		jq '(.flow_opened // 0) - (.flow_closed // 0) - (.flow_expired // 0) - (.flow_evicted // 0)'
}
in_table() { "$sluice" top --json --once --watch=100ms | jq '.table.living + .table.expired'; }
at_nodes() { "$sluice" status --json | jq '[.pools[].nodes[].flows] | add'; }
agrees() { [[ $(counted) == "$(in_table)" ]]; }
client_resets() { # connections of the client that were reset, as its stack counts them
	ns client awk '/^Tcp: [0-9]/ { print $9 }' /proc/net/snmp
}

# ---- mode nat -------------------------------------------------------------------------------------
fill() { # NAME: the active ones first, then the crowd in batches
	local number
	hold "$active"
	for ((number = 0; number < batches; number++)); do
		crowd_join "$batch"
		expect "$1: batch $number: all connect" "$joined" == "$batch/0"
		sleep 0.3 # a place notes when it was used last, in steps of 268 ms
		hold_round
	done
}
full_nat() { # NAME
	local total=$((batch * batches)) before began=$SECONDS same=-eq
	up || finish
	fill "$1"
	expect "$1: the active ones keep their places" "$held_alive $held_changed" == "$active 0"
	expect "$1: evicted flows are counted" "$(counter flow_evicted)" -ge $((total + active - places))
	expect "$1: as evicted, not as expired" "$(counter flow_expired)" == 0
	expect "$1: opened - closed - evicted is what the table holds" "$(counted)" == "$(in_table)"
	# of a node's flows those count that had a packet lately: where filling took longer, fewer
	((SECONDS - began < counted_s)) || same=-ge
	expect "$1: and what the nodes have" "$(counted)" "$same" "$(at_nodes)"
	living=$(counted)
	expect "$1: the table is full" "$((living > places * 9 / 10 && living <= places))" == 1
	shows evicted-top "evicted" "sluice top --once --watch=1s | grep -A 7 'kernel  '"
	shows evicted-counters "flow_evicted" "sluice status | grep flow_"
	expect "$1: no packet was refused for want of a place" "$(counter drop_table)" == 0
	expect "$1: both nodes are well" "$(node_field 1 state) $(node_field 2 state)" == "closed closed"

	before=$(client_resets)
	crowd_round
	hold_round
	expect "$1: who has a place is served, nobody by another node" "$((alive + held_alive)) $changed" == "$living 0"
	expect "$1: who was evicted waits: dropped, not reset" \
		"$lost $(($(client_resets) - before))" == "$((total + active - living)) 0"
	expect "$1: each of them is counted" "$(counter drop_no_flow)" -ge "$lost"
	before=$(counter flow_evicted)
	ask 300 8
	expect "$1: new connections are taken all the same" "$(tally failed)" == 0
	[[ $(tally failed) == 0 ]] || sed 's/^/# /' "$work/tally"
	expect_soon "$1: nothing leaks" 20 agrees
}
# SYNs of sources that are not there, which the nodes answer. Where a set has none but connections, the
# first SYN takes a place; those behind it take that one.
flood_nat() { # NAME
	local before evicted opened sent
	ns sluice ip route replace 11.0.0.0/8 via 10.1.0.2
	"$sluice" tune guard.pending_per_s=0 >/dev/null
	crowd_round
	sleep 0.3
	hold_round
	before=$alive evicted=$(counter flow_evicted) opened=$(counter flow_opened)
	ns client "$flood" syn "$vip" 4000 1 >"$work/flood"
	evicted=$(($(counter flow_evicted) - evicted)) opened=$(($(counter flow_opened) - opened))
	sent=$(sed -n 's/^sent //p' "$work/flood")
	# of what was sent that which came: a slow machine's device drops some of it
	expect "$1: a flood of SYNs comes" "$opened" -ge 400
	expect "$1: and finds no free place" "$evicted" -ge $((opened / 2))
	crowd_round
	hold_round
	echo "# $1: a flood of $sent SYNs, of which $opened came, evicts $evicted flows, of those connected $((before - alive))"
	expect "$1: it pushes out SYNs, and of the connections two in a set at most" "$((before - alive))" -le $((2 * sets))
	expect "$1: and none of the active ones" "$held_alive $held_changed" == "$active 0"
	expect "$1: the count is right" "$(counted)" == "$(in_table)"
}

setup 2
write_config 2 4
sed -i 's|^kernel:|kernel:\n  flows: 1024|' "$config"
for hook in native tc; do
	full_nat "$hook"
	flood_nat "$hook"
	crowd_leave
	end_hold
	down
done
finish
