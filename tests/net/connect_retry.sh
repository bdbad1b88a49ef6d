#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# connect_retry.sh - 10,000 connects while one of four nodes refuses, then while one is silent: none
# fails, and few are slow.
#
#   client --- sluice --- node1, node2 (its port closes, then it swallows everything), node3, node4
#
# A refused SYN goes to another node at once; one that nobody answers goes there when the client
# repeats it, after a second. After five of either the breaker keeps new flows away from the node.
# No daemon runs. VMTEST_GUEST: fewer, for a machine that is emulated.
. "$(dirname "$0")/lib.sh"
setup 4
write_config 4 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0"
total=10000 before=1000
[[ -z ${VMTEST_GUEST:-} ]] || total=500 before=500

# A closed connection keeps its port for a minute, and a client that has taken every second of its ports
# (its kernel's first choice) looks through all of them for each further one: that took twice as long as
# the connections did, and after 28,000 within a minute they fail. So there are more ports, and each hook
# has an address of its own.
ns client sh -c 'echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range'
add_address client c 10.1.0.3/24
declare -A source=([native]=10.1.0.2 [tc]=10.1.0.3)

times() { # WHAT: prints the distribution
	grep -E "^(refused|reset|timeout|other) " "$work/tally" | sed "s/^/# $hook, $1: /"
	echo "# $hook, $1: $(grep '^connect_us' "$work/tally")"
}
node2_closes() { # its breaker closes again by probes, with its server back
	"$sluice" breaker open chat/1 >/dev/null
	"$sluice" breaker auto chat/1 >/dev/null
	wait_for 30 eval 'ask 20 4; node_is 2 state closed'
}

for hook in native tc; do
	up || finish
	ns client ip route replace default via 10.1.0.1 src "${source[$hook]}"
	ask "$before" 64
	expect "$hook: all is well before" "$(tally failed)" == 0
	times "four nodes answer"

	stop_node 2
	ask "$total" 64
	expect "$hook, one refuses: no connect fails" "$(tally failed)" == 0
	expect "$hook, one refuses: none is answered there" "$(tally n2)" == 0
	times "one of four refuses"
	expect "$hook, one refuses: its breaker opens" "$(node_field 2 state)" == open
	expect "$hook, one refuses: by early resets" "$(node_field 2 last_signal)" == reset_early
	expect "$hook, one refuses: SYNs were sent again" "$(counter retry_turned)" -ge 5
	expect "$hook, one refuses: no client saw a refusal" "$(counter retry_spent)" == 0
	expect "$hook, one refuses: none was withheld" "$(counter drop_withheld)" == 0

	"$sluice" tune connect.retry_mode=1 >/dev/null
	start_node 2
	node2_closes || not_ok "$hook" "node 2 does not come back"
	stop_node 2
	ask 400 64
	expect "$hook, withheld: no connect fails" "$(tally failed)" == 0
	expect "$hook, withheld: refusals were" "$(counter drop_withheld)" -ge 5
	expect "$hook, withheld: the other nodes are not blamed" \
		"$(node_field 1 state) $(node_field 3 state) $(node_field 4 state)" == "closed closed closed"
	times "one of four refuses, refusals withheld"

	start_node 2
	node2_closes || not_ok "$hook" "node 2 does not come back"
	blackhole_node 2
	ask "$total" 64
	expect "$hook, one is silent: no connect fails" "$(tally failed)" == 0
	times "one of four is silent"
	expect "$hook, one is silent: its breaker opens" "$(node_field 2 state)" == open
	expect "$hook, one is silent: by repeated SYNs" "$(node_field 2 last_signal)" == syn_retransmitted
	expect "$hook, one is silent: SYNs moved" "$(counter retry_moved)" -ge 5
	unblackhole_node 2
	down
done

service=$vip6
write_config 4 6 "breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0"
for hook in native tc; do
	up || finish
	stop_node 2
	ask 1000 64
	expect "$hook, IPv6, one refuses: no connect fails" "$(tally failed)" == 0
	expect "$hook, IPv6, one refuses: SYNs were sent again" "$(counter retry_turned)" -ge 5
	times "IPv6, one of four refuses"
	start_node 2
	down
done
finish
