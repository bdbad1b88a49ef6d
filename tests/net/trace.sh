#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# trace.sh - `sluice trace` names each decision with its reason, and is off again afterwards.
#
#   client --- sluice --- node1, node2                                  (see lib.sh)
. "$(dirname "$0")/lib.sh"
setup 2
write_config 2

trace_pid=
# trace OPTION...: in the background, until it is on. Lines go to $work/trace.
trace() {
	"$sluice" trace "$@" >"$work/trace" 2>"$work/trace.err" &
	trace_pid=$!
	jobs_to_end+=("$trace_pid")
	wait_for 10 trace_is_on || not_ok "trace $*" "did not begin: $(cat "$work/trace.err")"
}
settings_trace() {
	bpftool -j map lookup pinned "$SLUICE_PIN_DIR/settings" key 0 0 0 0 |
		jq '.formatted.value.trace'
}
trace_is_on() { [[ $(settings_trace) != 0 ]]; }
trace_is_off() { [[ $(settings_trace) == 0 ]]; }
# end_trace [SIGNAL]: sets trace_status
end_trace() {
	kill "-${1:-INT}" "$trace_pid"
	wait "$trace_pid"
	trace_status=$?
}
lines() { grep -cE "$1" "$work/trace"; } # REGULAR_EXPRESSION
has_lines() { [[ $(wc -l <"$work/trace") -ge $1 ]]; }
need bpftool bpftool
need jq jq

for hook in native tc; do
	up || finish
	said=$([[ $hook == tc ]] && echo tc || echo xdp)
	expect "$hook: off at first" "$(settings_trace)" == 0

	trace
	ask 20 4
	expect_soon "$hook: 20 connections, 20 decisions" 10 has_lines 20
	end_trace
	expect "$hook: ended by Ctrl-C, status 0" "$trace_status" == 0
	expect "$hook: none beside these" "$(wc -l <"$work/trace")" == 20
	# in a pool of two both candidates may be the same one
	node='10\.2\.[12]\.2:8000'
	asked="$node load [0-9]+ (closed|not asked)"
	expect "$hook: each says client, service, step, reason, node, candidates and hook" \
		"$(lines "^[0-9:]{8}\.[0-9]{6} 10\.1\.0\.2:[0-9]+ > 10\.9\.0\.1:80 tcp\[S\] open flow_opened node $node \($asked(, $asked)?\) $said\$")" == 20
	for number in 1 2; do
		expect "$hook: node $number as often as it was asked" \
			"$(lines " node 10\.2\.$number\.2:8000 ")" == "$(tally "n$number")"
	done
	expect "$hook: it tells how many, and that none was lost" \
		"$(cat "$work/trace.err")" == "sluice: 20 shown, 0 lost"
	expect "$hook: off again" "$(settings_trace)" == 0

	# every packet, both ways, of one client port's worth of traffic
	trace --packets --client 10.1.0.2 --service "$vip"
	ask 1 1
	expect_soon "$hook: packets from the node" 10 eval '(($(lines " < .* forward forward_to_client node ") >= 3))'
	end_trace TERM
	expect "$hook: packets to the node" "$(lines ' > .* forward forward_to_node node ')" -ge 3
	expect "$hook: ended by SIGTERM, off" "$trace_status $(settings_trace)" == "0 0"

	# filters that match nothing, and the network that matches
	trace --client 10.1.0.3
	ask 5 1
	end_trace
	expect "$hook: another client's filter shows nothing" "$(wc -l <"$work/trace")" == 0
	trace --client 10.1.0.0/24 --node chat/0
	ask 20 4
	expect_soon "$hook: its network's and the node's filter" 10 has_lines "$(tally n1)"
	end_trace
	expect "$hook: each line names the node" \
		"$(grep -cF "$(node_address 1)" "$work/trace")" == "$(wc -l <"$work/trace")"
	expect "$hook: all that it got" "$(lines " node ${node/\[12\]/1} ")" == "$(tally n1)"

	# reasons for what goes nowhere
	trace --json
	service=10.9.0.1:81 ask 1 1 300
	ns client "$connect" ask 10.1.0.1:9 1 1 >/dev/null
	expect_soon "$hook: a SYN for no service" 10 eval '(($(lines "pass_not_service") >= 2))'
	"$sluice" drain chat/0 >/dev/null
	"$sluice" drain chat/1 >/dev/null 2>&1
	"$sluice" tune pool.refuse=0 >/dev/null
	ask 1 1 300
	expect_soon "$hook: no node takes it" 10 eval '(($(lines "drop_no_node") >= 1))'
	end_trace
	expect "$hook: JSON by the line" "$(jq -s 'all(.[]; .hook == "'$said'" and (.client | startswith("10.1.0.2:")))' "$work/trace")" == true
	expect "$hook: open, drop_no_node, no node, not asked" \
		"$(jq -r 'select(.reason == "drop_no_node") | [.step, .node, .pool, (.candidates | map(.verdict) | unique | join(","))] | join("|")' "$work/trace" | sort -u)" == "open||chat|not asked"
	"$sluice" undrain chat/0 >/dev/null
	"$sluice" undrain chat/1 >/dev/null
	"$sluice" tune pool.refuse=default >/dev/null
	down
done

# a SYN that nobody answers goes elsewhere
hook=native
up || finish
blackhole_node 1
trace
ask 30 10 8000
expect "a silent node fails nobody" "$(tally failed)" == 0
expect_soon "the SYNs that moved are told" 10 eval '(($(lines " retry retry_moved node 10\.2\.2\.2:8000 ") >= 1))'
end_trace
expect "as many as were counted" "$(lines ' retry retry_moved ')" == "$(counter retry_moved)"
unblackhole_node 1
"$sluice" breaker close chat/0 >/dev/null

# how it ends
trace --count 3
ask 10 1
wait "$trace_pid"
expect "--count ends it, after as many lines, off" "$? $(wc -l <"$work/trace") $(settings_trace)" == "0 3 0"
trace --seconds 1
wait "$trace_pid"
expect "--seconds ends it, off" "$? $(settings_trace)" == "0 0"
(
	set -o pipefail
	"$sluice" trace 2>/dev/null | head -n 1 >"$work/trace"
) &
trace_pid=$!
jobs_to_end+=("$trace_pid")
wait_for 10 trace_is_on
for _ in 1 2 3 4 5; do
	ask 2 1
	sleep 0.3
done
wait "$trace_pid"
expect "a reader that leaves ends it, off" "$? $(settings_trace)" == "0 0"

# one at a time, and what a killed one leaves
trace
"$sluice" trace --seconds 1 >"$work/log" 2>&1
expect "a second one is refused with the next step" "$? $(grep -c 'next:' "$work/log")" == "1 1"
expect "the first goes on" "$(kill -0 "$trace_pid" && trace_is_on && echo on)" == on
{ end_trace KILL; } 2>/dev/null
expect "killed: it is on for its lease" "$(trace_is_on && echo on)" == on
expect_soon "then the next packet switches it off" 30 eval 'ask 1 1; trace_is_off'
trace
{ end_trace KILL; } 2>/dev/null
expect_soon "or the next status" 30 eval '"$sluice" status >/dev/null; trace_is_off'
trace --seconds 1
wait "$trace_pid"
expect "and another may begin" "$?" == 0

# what is no filter
for bad in "--client 10.1.0" "--client 10.0.0.1/8" "--client 10.1.0.2:70000" "--service x:80" \
	"--count 0" "--seconds never"; do
	# shellcheck disable=SC2086  # an option and its value
	"$sluice" trace $bad >"$work/log" 2>&1
	expect "$bad: usage, with the next step" "$? $(grep -c 'next:' "$work/log")" == "2 1"
done
"$sluice" trace --node chat/7 >"$work/log" 2>&1
expect "a node that is none" "$? $(grep -c 'chat/7' "$work/log")" == "1 1"
down
"$sluice" trace >"$work/log" 2>&1
expect "without a kernel plane: what to do" "$? $(grep -c 'sluice up' "$work/log")" == "1 1"

# IPv6, by its port too
service=$vip6
write_config 2 6
up || finish
trace --client fd01::/64 --service "$vip6"
ask 4 1
expect_soon "IPv6: each" 10 has_lines 4
end_trace
expect "IPv6: in brackets" "$(lines '^[^ ]+ \[fd01::2\]:[0-9]+ > \[fd09::1\]:80 tcp\[S\] open flow_opened node \[fd02:[12]::2\]:8000 ')" == 4
finish
