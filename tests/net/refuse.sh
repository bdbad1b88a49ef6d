#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# refuse.sh - a pool without a node refuses at once: TCP by a reset, UDP by ICMP; or in silence.
#
#   client --- sluice --- node1, node2 (their breakers are forced open)
#
# By both hooks, both families; at TC also with checksums left to the card, as between containers of
# one host. The drop in silence is tunable pool.refuse=0. No daemon runs.
. "$(dirname "$0")/lib.sh"
probe=$build/net/probe
[[ -x $probe ]] || { not_ok needs "$probe (make nettools)"; exit 1; }
setup 2

with_udp() { # FAMILY: the service takes UDP too
	write_config 2 "$1" "pool.panic_percent: 0"
	echo "  - {address: \"$service\", lane: fast, pool: chat, protocol: udp}" >>"$config"
}
udp_answer() { ns client "$probe" udp "$service" 0 "${1:-10000}"; }

refuses() { # NAME FAMILY
	local unreachable="icmp 3 3 from 10.9.0.1"
	[[ $2 == 4 ]] || unreachable="icmp 1 4 from fd09::1"
	up || finish
	ask 20 4
	expect "$1: nodes answer before" "$(tally failed)" == 0
	"$sluice" breaker open chat/0 >/dev/null
	"$sluice" breaker open chat/1 >/dev/null
	ask 50 5
	expect "$1: TCP is refused, each one" "$(tally refused)" == 50
	expect "$1: UDP is told that the port is unreachable, by the service" "$(udp_answer)" == "$unreachable"
	expect "$1: the counter says so" "$(counter drop_refused)" == 51
	"$sluice" tune pool.refuse=0 >/dev/null
	ask 4 4 300
	expect "$1: tuned off, TCP meets silence" "$(tally timeout)" == 4
	expect "$1: and UDP" "$(udp_answer 300)" == timeout
	"$sluice" breaker close chat/0 >/dev/null
	"$sluice" breaker close chat/1 >/dev/null
	ask 20 4
	expect "$1: nodes answer afterwards" "$(tally failed)" == 0
	down
}

for hook in native tc; do
	take_back client c
	service=$vip
	with_udp 4
	refuses "$hook, IPv4" 4
	service=$vip6
	with_udp 6
	refuses "$hook, IPv6" 6
done
# The sluice ns fills in what is left, so the client looks at the sums that come back.
ns client ethtool -K c tx on >/dev/null
service=$vip
with_udp 4
refuses "tc, sums left to the card, IPv4" 4
service=$vip6
with_udp 6
refuses "tc, sums left to the card, IPv6" 6
finish
