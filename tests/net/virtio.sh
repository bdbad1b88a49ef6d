#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# virtio.sh - native XDP on a driver that is no veth: the client comes in by a virtio card. Optional: needs
# the two cards of a vmtest guest, which are wired to each other.
#
#   client --- virtio --- c, sluice --- veth --- node1, node2
#
# Packets to the nodes are redirected from the card to a veth, those to the client from a veth to the card;
# the SYN that a refusal is turned into grows on the way.
. "$(dirname "$0")/lib.sh"
if [[ -z ${VMTEST_GUEST:-} ]]; then
	echo "skip $test_name: not in a vmtest guest (vmtest/run 6.12 -- net/virtio)"
	exit 0
fi
bulk=$build/net/bulk
[[ -x $bulk ]] || { not_ok needs "$bulk (make nettools)"; exit 1; }
setup 2
ns sluice ip link del c
ip link set eth0 name c netns "sl$$-sluice"
ip link set eth1 name c netns "sl$$-client"
# A namespace that goes away gives the cards back, but under the names they had there.
give_back() {
	ns sluice ip link set c down name eth0 netns 1
	ns client ip link set c down name eth1 netns 1
}
for end in "sluice 1" "client 2"; do
	read -r where number <<<"$end"
	ns "$where" ip link set c up
	add_address "$where" c "10.1.0.$number/24" "fd01::$number/64"
done
ns client ip route add default via 10.1.0.1
ns client ip route add default via fd01::1
wait_for 10 ns client ping -c 1 -W 1 10.1.0.1
wait_for 10 ns client ping -c 1 -W 1 fd01::1
nsenter --net="/run/netns/sl$$-node1" "$bulk" serve 10.2.1.2:8001 &
jobs_to_end+=($!)
wait_for 10 ns sluice "$bulk" move 10.2.1.2:8001 1 1

write_config 2 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m"
sed -i "s|^services:|  six: {nodes: [\"$(node_address6 1)\", \"$(node_address6 2)\"]}\n  bulk: {nodes: [\"10.2.1.2:8001\"]}\nservices:\n  - {address: \"$vip6\", lane: fast, pool: six}\n  - {address: 10.9.0.1:81, lane: fast, pool: bulk}|" "$config"
up || { give_back; finish; }
expect "native on the card" "$(sed -n "s/^  c: //p" "$work/up.log")" == "native XDP (as asked for)"
ask 200 8
expect "no connect fails" "$(tally failed)" == 0
expect "by the nodes" "$(($(tally n1) + $(tally n2)))" == 200
expect "by the fast lane" "$(counter flow_opened)" == 200
service=$vip6 ask 200 8
expect "IPv6: no connect fails" "$(tally failed)" == 0
expect "IPv6: by the fast lane" "$(counter flow_opened)" == 400
bytes=$((1024 * 1024))
expect "every byte arrives, both ways" \
	"$(ns client "$bulk" move 10.9.0.1:81 "$bytes" "$bytes" 2>&1)" == "moved $bytes $bytes"
hold 20
refuse_node 2
# Of two nodes the one that is twice as fast gets the flow, until what is known of the other is old.
failed=0
turns() {
	ask 20 4
	failed=$((failed + $(tally failed)))
	(($(counter retry_turned) >= 1))
}
expect_soon "refusals become SYNs again" 60 turns
expect "and cost no connect" "$failed" == 0
hold_round
expect "held connections go on" "$held_alive $held_changed" == "20 0"
expect "nothing is dropped for want of a route or room" \
	"$("$sluice" status --json | grep -o '"drop_[a-z_]*"' | grep -v drop_no_flow)" == ""
down
expect "down leaves nothing on the card" "$(ns sluice ip link show c | grep -c xdp)" == 0
give_back
finish
