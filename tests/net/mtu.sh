#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# mtu.sh - path MTU discovery through the fast lane, in both directions, by both hooks.
#
#   client --- rc --- sluice --- rn --- node       all devices 1500; a router or the sluice ns has a
#      10.5.0  10.1.0     10.6.0   10.2.1          route with a small mtu
#
# Bulk of one connection must arrive whatever stands in the way, and the sender must have learned
# the MTU: from a router's error that the lane translates, or from the lane's own answer.
. "$(dirname "$0")/lib.sh"
probe=$build/net/probe
[[ -x $probe ]] || { not_ok needs "$probe (make nettools)"; exit 1; }
mtu=1300
blocks=20
bytes=$((blocks * 16384))

route() { ns "$1" ip route "${@:2}"; }
route6() { ns "$1" ip -6 route "${@:2}"; }
mount_bpffs
for name in client rc sluice rn node; do
	add_ns $name
	ns $name sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
done
add_wire rc c client c
add_wire sluice c rc s
add_wire sluice n rn s
add_wire rn n node n
add_address client c 10.5.0.2/24 fd05::2/64
add_address rc c 10.5.0.1/24 fd05::1/64
add_address rc s 10.1.0.2/24 fd01::2/64
add_address sluice c 10.1.0.1/24 fd01::1/64
add_address sluice n 10.6.0.1/24 fd06::1/64
add_address rn s 10.6.0.2/24 fd06::2/64
add_address rn n 10.2.1.1/24 fd02:1::1/64
add_address node n 10.2.1.2/24 fd02:1::2/64
route client add default via 10.5.0.1
route6 client add default via fd05::1
route rc add default via 10.1.0.1
route6 rc add default via fd01::1
route sluice add 10.5.0.0/24 via 10.1.0.2
route6 sluice add fd05::/64 via fd01::2
route sluice add 10.2.1.0/24 via 10.6.0.2
route6 sluice add fd02:1::/64 via fd06::2
route rn add default via 10.6.0.1
route6 rn add default via fd06::1
route node add default via 10.2.1.1
route6 node add default via fd02:1::1
for address in "$(node_address 1)" "$(node_address6 1)"; do
	nsenter --net="/run/netns/sl$$-node" "$probe" serve "$address" &
	jobs_to_end+=("$!")
done

for address in 10.2.1.2 fd02:1::2; do # neighbours all along the way
	wait_for 20 ns client ping -c 1 -W 1 $address || not_ok ways "no way to $address"
done

write_mtu_config() { # FAMILY
	write_config 1 "$1"
	sed -i 's/devices: .*/devices: [c, n]/' "$config"
}
# Nobody remembers a path MTU from before. A server of IPv6 keeps it with its address, so new ones.
forget() {
	local name
	for name in client rc sluice rn node; do
		route $name flush cache
		route6 $name flush cache
	done
}
moves() { # push|pull AMOUNT: the connection's line
	ns client "$probe" "$1" "$service" "$2" 20000
}
learned() { # NAME LINE FIELD: the bulk arrived, and that end knows the MTU
	expect "$1: bulk arrives" "$(cut -d' ' -f1,2 <<<"$2")" == "moved $bytes"
	expect "$1: the sender knows the MTU" "$(sed -n "s/.* $3 \([0-9]*\).*/\1/p" <<<"$2")" == $mtu
}

# A route that is new to the sluice ns: the lane asks for it again after a few seconds (bpf/hop.h). As
# the kernel's own forwarding it minds the mtu of a device, or of a route that locks it.
learned_soon() { # NAME push|pull AMOUNT FIELD
	expect_soon "$1: bulk arrives, the sender knows the MTU" 30 \
		eval "forget; moves $2 $3 | grep -q '^moved $bytes .*$4 $mtu\b'"
}

directions() { # FAMILY
	local ip=route small_n small_c counted
	[[ $1 == 4 ]] || ip=route6
	if [[ $1 == 4 ]]; then
		small_n=10.2.1.2/32 small_c=10.5.0.2/32
	else
		small_n=fd02:1::2/128 small_c=fd05::2/128
	fi
	take_back rc s
	take_back rn s
	up || finish
	wait_for 20 eval 'moves push 1 | grep -q moved'

	$ip rn add $small_n dev n mtu $mtu
	learned "$hook, IPv$1, to the node, narrow behind" "$(moves push $bytes)" mtu
	expect "$hook, IPv$1, to the node: a router's error was translated" "$(counter forward_icmp)" -ge 1
	$ip rn del $small_n
	forget

	$ip rc add $small_c dev c mtu $mtu
	counted=$(counter forward_icmp)
	learned "$hook, IPv$1, to the client, narrow behind" "$(moves pull $blocks)" server
	expect "$hook, IPv$1, to the client: a router's error was translated" "$(counter forward_icmp)" -gt "$counted"
	$ip rc del $small_c
	forget

	if [[ $1 == 4 ]]; then
		$ip sluice add $small_n via 10.6.0.2 mtu lock $mtu
	else
		$ip sluice add $small_n via fd06::2 mtu lock $mtu
	fi
	learned_soon "$hook, IPv$1, to the node, narrow here" push $bytes mtu
	expect "$hook, IPv$1, to the node: the lane answered itself" "$(counter drop_too_big_answered)" -ge 1
	$ip sluice del $small_n
	forget

	counted=$(counter drop_too_big_answered)
	if [[ $1 == 4 ]]; then
		$ip sluice add $small_c via 10.1.0.2 mtu lock $mtu
	else
		$ip sluice add $small_c via fd01::2 mtu lock $mtu
	fi
	learned_soon "$hook, IPv$1, to the client, narrow here" pull $blocks server
	expect "$hook, IPv$1, to the client: the lane answered itself" "$(counter drop_too_big_answered)" -gt "$counted"
	$ip sluice del $small_c
	forget
	down
}

for hook in native tc; do
	service=$vip
	write_mtu_config 4
	directions 4
	service=$vip6
	write_mtu_config 6
	directions 6
done

# Segments that are joined, with checksums left to the card: as between containers of one host. The
# sluice ns fills in what is left, so the ends look at the sums that come back.
for name in client rc; do ns $name ethtool -K c tx on tso on gso on >/dev/null; done
for name in rn node; do ns $name ethtool -K n tx on tso on gso on >/dev/null; done
ns rc ethtool -K s tx on tso on gso on >/dev/null
ns rn ethtool -K s tx on tso on gso on >/dev/null
hook=tc
service=$vip
write_mtu_config 4
hook=tc directions 4
service=$vip6
write_mtu_config 6
hook=tc directions 6
finish
