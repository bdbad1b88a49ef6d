#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# udp.sh - datagrams are balanced and answered; QUIC connections stay with their server.
#
#   client --- sluice --- node1..node3     10.9.0.1:443/udp -> 10.2.I.2:8000, and IPv6 (see lib.sh)
#
# Both families, both hooks. The servers speak no QUIC: they say their name to any datagram, and the
# client writes the first bytes that count.
. "$(dirname "$0")/lib.sh"
datagram=$build/net/datagram
[[ -x $datagram ]] || { not_ok needs "$datagram (make nettools)"; exit 1; }
need jq jq
setup 3
declare -A udp_pids=()

serve_udp() { # NUMBER
	local address
	for address in "$(node_address "$1")" "$(node_address6 "$1")"; do
		nsenter --net="/run/netns/sl$$-node$1" "$datagram" serve "$address" "n$1" &
		udp_pids[$1]+=" $!"
		jobs_to_end+=($!)
	done
}
stop_udp() { # NUMBER: its port answers ICMP from now on
	# shellcheck disable=SC2086  # a list of ids
	{ kill -KILL ${udp_pids[$1]} && wait ${udp_pids[$1]}; } 2>/dev/null
	udp_pids[$1]=
}
next_port=20000
# say COUNT [PORTS [HEX]]: from ports that no flow of the table has
say() {
	local count=$1
	shift
	ns client "$datagram" ask "$udp" "$count" "$next_port" "$@" >"$work/tally"
	next_port=$((next_port + ${1:-$count}))
}
living() { "$sluice" top --json --once --watch=100ms | jq .table.living; }
write_udp() { # FAMILY [TUNABLES]
	local number
	{
		echo "kernel: {devices: [c, n1, n2, n3], quic_config: 2}"
		echo "tunables: {${2:-}}"
		printf 'pools:\n  chat:\n    nodes:\n'
		for number in 1 2 3; do
			printf '      - {address: "%s", server_id: %d}\n' \
				"$([[ $1 == 6 ]] && node_address6 "$number" || node_address "$number")" $((256 + number))
		done
		printf 'services:\n'
		printf '  - {address: "%s", lane: fast, pool: chat, protocol: udp}\n' "$udp"
		printf '  - {address: "%s", lane: fast, pool: chat, protocol: udp, quic: true}\n' "$quic"
	} >"$config"
}
# First bytes of QUIC packets whose connection id names node NUMBER: rotation 2, id 256 + NUMBER
short_header() { printf '40%02x01%02x' $((2 << 5 | 9)) "$1"; }
initial_v1() { printf 'c00000000108%02x01%02x' $((2 << 5 | 9)) "$1"; }
handshake_v1() { printf 'e00000000108%02x01%02x' $((2 << 5 | 9)) "$1"; }

for number in 1 2 3; do serve_udp "$number"; done
for hook in native tc; do
	for family in 4 6; do
		next_port=20000
		say_case="$hook, IPv$family"
		[[ $family == 6 ]] && udp=[fd09::1]:443 quic=[fd09::1]:8443 || udp=10.9.0.1:443 quic=10.9.0.1:8443
		write_udp $family "breaker.open_ms: 10m, breaker.open_max_ms: 10m"
		up || finish

		say 90
		expect "$say_case: each datagram is answered" "$(tally failed)" == 0
		for number in 1 2 3; do
			expect "$say_case: node $number has its share" "$(tally "n$number")" -ge 10
		done
		expect "$say_case: a flow for each port" "$(counter flow_opened)" == 90
		expect "$say_case: answers are translated" "$(counter forward_to_client)" -ge 90
		say 30 1
		expect "$say_case: one port, one node" "$(grep -c '^n' "$work/tally") $(tally failed)" == "1 0"
		expect "$say_case: and one flow" "$(counter flow_opened)" == 91

		# idle: they keep their places until others need them, but are no load and not alive
		expect "$say_case: they live" "$(living)" == 91
		"$sluice" tune flow.udp_ms=1s >/dev/null
		expect_soon "$say_case: and are over after flow.udp_ms" 10 eval '[[ $(living) == 0 ]]'
		"$sluice" tune flow.udp_ms=default >/dev/null

		# QUIC
		udp=$quic
		say 40 40 "$(short_header 2)"
		expect "$say_case: a connection id that names node 2 leads there" "$(tally n2) $(tally failed)" == "40 0"
		expect "$say_case: counted" "$(counter quic_routed)" == 40
		say 40 40 "$(handshake_v1 3)"
		expect "$say_case: in a Handshake packet too" "$(tally n3)" == 40
		say 40 40 "$(initial_v1 3)"
		expect "$say_case: the id of an Initial packet is the client's" "$(($(tally n1) > 0 && $(tally n2) > 0 && $(tally failed) == 0))" == 1
		"$sluice" drain chat/1 >/dev/null
		"$sluice" breaker open chat/1 >/dev/null
		say 20 20 "$(short_header 2)"
		expect "$say_case: connections of a node that drains and is open go on" "$(tally n2)" == 20
		say 20 20 "$(initial_v1 2)"
		expect "$say_case: new ones go elsewhere" "$(tally n2) $(tally failed)" == "0 0"
		"$sluice" undrain chat/1 >/dev/null
		"$sluice" breaker close chat/1 >/dev/null

		# a node without a server says so by ICMP
		stop_udp 1
		expect_soon "$say_case: its breaker opens" 30 eval 'say 20; node_is 1 state open'
		expect "$say_case: by ICMP" "$("$sluice" status --json | grep '"index": 0, ' | grep -c '"last_signal": "icmp_unreachable"')" == 1
		say 60
		expect "$say_case: then all others are answered by the rest" "$(tally n1) $(tally failed)" == "0 0"
		serve_udp 1
		down
	done
done
finish
