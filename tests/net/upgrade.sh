#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# upgrade.sh - `up --replace` a hundred times under load: no connection fails, none is lost.
#
#   client (20 held connections and an endless stream of new ones) --- sluice --- node1, node2
#
# Each round loads new programs, which have new arrays of tail calls, and moves every device.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
setup 2
write_config 2
rounds=50 # at each hook
[[ -z ${VMTEST_GUEST:-} ]] || rounds=2

for hook in native tc; do
	up || finish
	hold 20
	flows=$(counter flow_opened)
	start_load 5 # two hundred a second
	failed_up=0 lost=0 idle=0 generations=
	for ((round = 1; round <= rounds; round++)); do
		opened=$(counter flow_opened)
		up --replace || failed_up=$((failed_up + 1))
		(($(counter flow_opened) > opened)) || idle=$((idle + 1))
		((round % 10)) || { hold_round; lost=$((lost + held_lost + held_changed)); }
		generations+=" $(cd "$SLUICE_PIN_DIR/calls" && echo *)"
	done
	end_load
	hold_round
	expect "$hook: $rounds replacements under load succeed" "$failed_up" == 0
	# two arrays a generation: the devices' programs have one, the observers of the local stack another
	expect "$hook: each with tail calls of its own, the older ones gone" \
		"$(tr ' ' '\n' <<<"$generations" | grep . | sort -u | wc -l) $(wc -w <<<"$generations")" \
		== "$((2 * rounds)) $((2 * rounds))"
	expect "$hook: no new connection failed" "$(load_tally failed)" == 0
	expect "$hook: there were some in every round" "$idle $(($(load_tally n1) + $(load_tally n2) >= rounds))" == "0 1"
	expect "$hook: held connections go on" "$lost $held_alive $held_changed" == "0 20 0"
	expect "$hook: the counters went on" \
		"$(counter flow_opened)" -ge $((flows + $(load_tally n1) + $(load_tally n2)))
	# a repeat of a connection's last packet may come after its flow is over: drop_no_flow
	expect "$hook: nothing else was dropped" \
		"$("$sluice" status --json | grep -o '"drop_[a-z_]*"' | grep -v drop_no_flow)" == ""
	end_hold
	down
done
finish
