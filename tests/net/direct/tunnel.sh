# SPDX-License-Identifier: BSD-2-Clause
# tunnel.sh - real traffic through the tunnels of mode $mode, both families, both hooks: connects,
# connections that are held, bulk either way, a server process that died, what the nodes measure.
#
#   client --- router --- bal1, node1, node2      see lib.sh beside this file
. "$(dirname "$0")/lib.sh"
. "$root/tests/net/direct/lib.sh"
bulk=$build/net/bulk
[[ -x $bulk ]] || { not_ok needs "$bulk (make nettools)"; exit 1; }

direct_setup 2 1
for host in bal1 node1 node2; do direct_meet "$host" 1 101 102; done
pass_at_ports
for number in 1 2; do
	nsenter --net="/run/netns/sl$$-node$number" "$bulk" serve 10.9.0.1:8001 &
	jobs_to_end+=($!)
	wait_for 10 ns "node$number" "$bulk" move 10.9.0.1:8001 1 1
done
bytes=$((16 * 1024 * 1024))
[[ -z ${VMTEST_GUEST:-} ]] || bytes=$((1024 * 1024))

for hook in native tc; do
	for family in $(direct_families); do
		service=$(direct_vip "$family")
		now="$hook, IPv$family"
		for host in bal1 node1 node2; do
			direct_config "$host" "$family" "$mode" "1 2"
			host_up "$host" || finish
		done
		again=$(repeated client node1 node2)
		ask 200 8
		expect_soon "$now: every connection comes to its end" 20 all_over client node1 node2
		again=$(($(repeated client node1 node2) - again))
		expect "$now: no connect fails" "$(tally failed)" == 0
		expect "$now: both nodes serve" "$(($(tally n1) > 20 && $(tally n2) > 20))" == 1
		expect "$now: through the tunnel" "$(host_counter bal1 "forward_$mode")" -ge 800
		decapsulated=$(($(host_counter node1 decapsulated) + $(host_counter node2 decapsulated)))
		expect "$now: taken apart by the nodes, packet for packet" "$decapsulated" == \
			"$(host_counter bal1 "forward_$mode")"
		# what is repeated may come when its connection is over, and then it is nobody's
		expect "$now: none had to be passed on" \
			"$(($(host_counter node1 forward_again) + $(host_counter node2 forward_again)))" -le "$again"
		clamped=$(($(host_counter node1 mss_clamped) + $(host_counter node2 mss_clamped)))
		expect "$now: the nodes lower the MSS of what they accept" \
			"$((clamped >= 200 && clamped <= 200 + again))" == 1
		opened=$(($(host_node_field node1 1 flows_opened) + $(host_node_field node2 2 flows_opened)))
		expect "$now: the nodes count their own connections" "$opened" == 200
		expect "$now: and measure the first byte" "$(host_node_field node1 1 first_byte_us)" -gt 0
		expect "$now: which the balancer cannot" "$(host_node_field bal1 1 first_byte_us)" == 0

		if [[ $family == 4 ]]; then
			expect "$now: every byte arrives, both ways" \
				"$(ns client "$bulk" move 10.9.0.1:8001 "$bytes" "$bytes" 2>&1)" == \
				"moved $bytes $bytes"
			expect "$now: nothing was too big" "$(host_counter bal1 drop_too_big)" == 0
			frames=$(host_counter bal1 "forward_$mode")
			[[ $hook != tc ]] ||
				expect "$now: segments stay joined" "$frames" -lt $((bytes / 4000 + 5000))
		fi

		hold 100
		stop_node 1
		ask 100 8
		expect "$now: a dead server process costs no connect" "$(tally failed) $(tally n2)" == "0 100"
		expect "$now: its host passed the SYNs on" "$(host_counter node1 forward_again)" -gt 20
		expect "$now: and counts them as refusals" \
			"$(on node1 status --json | grep -c '"reset_early": [1-9]')" == 1
		start_server 1
		end_hold
		# else the last packets of this round are repeated to the balancer of a later one
		expect_soon "$now: the held connections come to their end" 20 all_over client node1 node2
		for host in bal1 node1 node2; do host_down "$host"; done
	done
done
finish
