#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# modes.sh - each way to attach forwards packets, and `up` says which it took and why.
#
#   client --- sluice --- node1, node2       also: the sluice ns' `lo`, which has no native XDP
. "$(dirname "$0")/lib.sh"
setup 2
write_config 2

for mode in "native auto" "generic auto" "native clsact" "generic clsact"; do
	read -r hook tc <<<"$mode"
	up --hook "$hook" --tc "$tc" || finish
	expect "$mode: up says so" "$(grep -c ": $hook XDP (" "$work/up.log")" == 3
	expect "$mode: the status too" \
		"$("$sluice" status --json | grep -c "\"mode\": \"xdp_$hook\"")" == 3
	ask 100 4
	expect "$mode: no connection fails" "$(tally failed)" == 0
	expect "$mode: both nodes are used" "$(($(tally n1) > 0 && $(tally n2) > 0))" == 1
	expect "$mode: connect time is measured" "$(node_field 1 connect_us)" -gt 0
	down
done

up --device lo || finish
expect "a device without native XDP gets generic, with the reason" \
	"$(grep -c '^  lo: generic XDP (driver .* native XDP' "$work/up.log")" == 1
down
ns sluice "$sluice" up "$config" --device lo --hook native >"$work/log" 2>&1
expect "where native is demanded it is refused" "$? $(grep -c 'next:' "$work/log")" == "1 1"
expect "and nothing is left" "$([[ -e $SLUICE_PIN_DIR ]] && echo pins)" == ""
ns sluice "$sluice" up "$config" --device nosuch0 >"$work/log" 2>&1
expect "a device that is not there is named" "$? $(grep -c 'nosuch0' "$work/log")" == "1 1"
ns sluice "$sluice" up "$config" --hook sideways >"$work/log" 2>&1
expect "a mode that does not exist is a usage error" "$?" == 2
finish
