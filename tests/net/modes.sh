#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# modes.sh - each way to attach forwards packets, and each change from one to another loses none.
#
#   client --- sluice --- node1, node2
. "$(dirname "$0")/lib.sh"
setup 2
write_config 2

declare -A said=([native]="native XDP" [generic]="generic XDP" [tc]=TC)
declare -A shown=([native]=xdp_native [generic]=xdp_generic [tc]='\(tcx\|cls\)_lane')
lanes() { # HOOK: how many devices the status shows with the fast lane there
	"$sluice" status --json | grep -c "\"mode\": \"${shown[$1]}\""
}
all_lanes() { "$sluice" status --json | grep -c '"mode": "\(xdp_native\|xdp_generic\|tcx_lane\|cls_lane\)"'; }

modes=("native auto" "generic auto" "tc auto" "native clsact" "generic clsact" "tc clsact")
changes=(tc native generic tc generic native auto)
means=(auto clsact)
if [[ -n ${VMTEST_GUEST:-} ]]; then # where loading is slow: what differs between kernels
	modes=("native auto" "tc auto")
	changes=(tc native)
	means=(auto)
fi
for mode in "${modes[@]}"; do
	read -r hook tc <<<"$mode"
	up --tc "$tc" || finish
	expect "$mode: up says so" "$(grep -c ": ${said[$hook]} (as asked for)" "$work/up.log")" == 3
	expect "$mode: the status too" "$(lanes "$hook") $(all_lanes)" == "3 3"
	ask 100 4
	expect "$mode: no connection fails" "$(tally failed)" == 0
	expect "$mode: both nodes are used" "$(($(tally n1) > 0 && $(tally n2) > 0))" == 1
	expect "$mode: connect time is measured" "$(node_field 1 connect_us)" -gt 0
	down
done

# from each hook to each other, under load and with connections held
for tc in "${means[@]}"; do
	[[ $tc == auto ]] || changes=(tc native)
	hook=native
	up --tc "$tc" || finish
	hold 10
	for hook in "${changes[@]}"; do
		ns client "$connect" ask "$vip" 600 8 >"$work/tally" &
		load=$!
		up --replace --tc "$tc" || finish
		wait "$load"
		[[ $hook != auto ]] || hook=native # stays as it was
		expect "$tc, to $hook: each device has it there and nowhere else" \
			"$(lanes $hook) $(all_lanes)" == "3 3"
		expect "$tc, to $hook: no connection fails" "$(tally failed)" == 0
	done
	hold_round
	expect "$tc: held connections go on" "$held_alive $held_changed" == "10 0"
	end_hold
	down
	expect "$tc: down finds all of it" "$(ns sluice bpftool net show | grep -c sluice_)" == 0
done

[[ -z ${VMTEST_GUEST:-} ]] || finish
# XDP towards the client, TC towards the nodes, and the other way round
for first in "c" "n1 n2"; do
	# shellcheck disable=SC2046  # a list of options
	hook=native up $(printf -- '--device %s ' $first) || finish
	hook=auto up --replace || finish
	expect "native on $first, TC elsewhere" "$(lanes native) $(lanes tc)" == \
		"$(wc -w <<<"$first") $((3 - $(wc -w <<<"$first")))"
	ask 200 8
	expect "native on $first: no connection fails" "$(tally failed)" == 0
	expect "native on $first: both nodes are used" "$(($(tally n1) > 0 && $(tally n2) > 0))" == 1
	expect "native on $first: all by the fast lane" "$(counter flow_opened)" == 200
	down
done

ns sluice "$sluice" up "$config" --device nosuch0 >"$work/log" 2>&1
expect "a device that is not there is named" "$? $(grep -c 'nosuch0' "$work/log")" == "1 1"
ns sluice "$sluice" up "$config" --hook sideways >"$work/log" 2>&1
expect "a hook that does not exist is a usage error" "$?" == 2
finish
