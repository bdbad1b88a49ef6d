#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# jumbo.sh - MTU 9000: frames of several buffers go through the fast lane, at either hook.
#
#   client --- sluice --- node1, node2       every device with MTU 9000; a bulk server on port 8000
#
# At such an MTU a driver attaches native XDP only when the program takes frames of several buffers,
# and the kernel redirects those from Linux 6.3 on: before it, native XDP is refused.
. "$(dirname "$0")/lib.sh"
bulk=$build/net/bulk
[[ -x $bulk ]] || { not_ok needs "$bulk (make nettools)"; exit 1; }
setup 2
for end in "sluice c" "client c" "sluice n1" "node1 n" "sluice n2" "node2 n"; do
	read -r where device <<<"$end"
	ns "$where" ip link set dev "$device" mtu 9000
done
for number in 1 2; do
	stop_node "$number"
	nsenter --net="/run/netns/sl$$-node$number" "$bulk" serve "$(node_address "$number")" &
	jobs_to_end+=($!)
	wait_for 10 ns sluice "$bulk" move "$(node_address "$number")" 1 1
done
write_config 2

bytes=$((24 * 1024 * 1024))
[[ -z ${VMTEST_GUEST:-} ]] || bytes=$((2 * 1024 * 1024))
hooks="native tc"
if [[ $(printf '%s\n' 6.3 "$(uname -r)" | sort -V | head -n 1) != 6.3 ]]; then
	hooks=tc
	ns sluice "$sluice" up "$config" --hook native >"$work/log" 2>&1
	expect "native XDP would drop such frames on this kernel and is refused" \
		"$? $(grep -c 'driver veth refused native XDP at MTU 9000' "$work/log")" == "1 1"
fi
for hook in $hooks; do
	up || finish
	expect "$hook: attached at MTU 9000" "$(grep -c "(as asked for)" "$work/up.log")" == 3
	for turn in 1 2 3; do
		expect "$hook, transfer $turn: every byte arrives, both ways" \
			"$(ns client "$bulk" move "$vip" "$bytes" "$bytes" 2>&1)" == "moved $bytes $bytes"
	done
	expect "$hook: by the fast lane" "$(counter flow_opened)" == 3
	frames=$(($(counter forward_to_node) + $(counter forward_to_client)))
	expect "$hook: as large frames, none cut to 1500" "$frames" -lt $((6 * bytes / 1500))
	expect "$hook: and they are counted" "$frames" -ge $((6 * bytes / 65536))
	expect "$hook: nothing is dropped" "$("$sluice" status --json | grep -c '"drop_')" == 0
	down
done
finish
