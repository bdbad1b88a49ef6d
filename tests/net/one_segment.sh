#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# one_segment.sh - the five commands of the README, taken from the README, on one Ethernet segment.
#
#              +--------- bridge, 10.0.0.0/24 ---------+
#              |           |            |              |
#        sluice .5     web1 .6:8000  web2 .7:8000   client .8
#        10.0.0.100
#
# Every packet enters and leaves the sluice host by the same device, eth0: by XDP_TX. A veth delivers
# such a packet at once only when an XDP program is attached to its other end (GRO alone is enough
# for a redirect, not for XDP_TX); no card needs that. So the bridge's end gets one: sluice itself,
# with a pool that nobody asks for.
. "$(dirname "$0")/lib.sh"

commands() { # of the README's block that follows <!-- NAME -->
	sed -n "/^<!-- $1 -->\$/,/^\`\`\`\$/p" "$root/README.md" | sed '1,/^```./d; $d'
}
run_commands() { # in the sluice namespace, in an empty directory, with sluice on the PATH
	(cd "$work" && ns sluice env PATH="$build:$PATH" bash -ec "$(commands "$1")") >"$work/log" 2>&1
}
add_ns bridge
ns bridge ip link add name br0 type bridge
ns bridge ip link set dev br0 up
host=5
for name in sluice web1 web2 client; do
	add_ns "$name"
	add_wire bridge "to-$name" "$name" eth0
	ns bridge ethtool -K "to-$name" gro on >/dev/null 2>&1
	ns bridge ip link set dev "to-$name" master br0
	ns "$name" ip address add "10.0.0.$host/24" dev eth0
	host=$((host + 1))
done
mount_bpffs
for number in 1 2; do
	nsenter --net="/run/netns/sl$$-web$number" "$connect" serve "10.0.0.$((number + 5)):8000" \
		"n$number" &
	jobs_to_end+=($!)
	wait_for 10 ns client "$connect" ask "10.0.0.$((number + 5)):8000" 1 1
done
service=10.0.0.100:80
peer=$SLUICE_PIN_DIR-peer
cat >"$work/peer.yaml" <<'END'
kernel: {devices: [to-sluice]}
pools: {none: {nodes: [10.0.1.1:1]}}
services: [{address: 10.0.1.2:1, lane: fast, pool: none}]
END
ns bridge "$sluice" up "$work/peer.yaml" --pin-dir "$peer" >/dev/null 2>&1
trap 'failures=$?; "$sluice" down --pin-dir "$peer" >/dev/null 2>&1; (exit "$failures"); cleanup' EXIT

run_commands "five commands"
expect "the five commands succeed" "$? $(commands 'five commands' | grep -c .)" == "0 9"
expect "nothing is said against them" "$(grep -c 'error\|warning' "$work/log")" == 0
ask 200 4
expect "every connection is served" "$(tally failed)" == 0
expect "by the first server" "$(tally n1)" -ge 50
expect "and by the second" "$(tally n2)" -ge 50
expect "by the kernel alone" "$(counter forward_to_node)" -gt 400
run_commands "one command"
expect "the one command takes it away" "$? $(ls -d "$SLUICE_PIN_DIR" 2>/dev/null)" == "0 "
expect "and the program from the device" "$(ns sluice ip link show dev eth0 | grep -c xdp)" == 0
finish
