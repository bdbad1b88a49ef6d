#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# one_segment.sh - the five commands of the README, taken from the README, on one Ethernet segment.
#
#              +--------- bridge, 10.0.0.0/24 ---------+
#              |           |            |              |
#        sluice .5     web1 .6:8000  web2 .7:8000   client .8
#        10.0.0.100
#
# Every packet enters and leaves the sluice host by the same device, eth0.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool

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
expect "and the programs from the device" "$(ns sluice bpftool net show | grep -c sluice_)" == 0
finish
