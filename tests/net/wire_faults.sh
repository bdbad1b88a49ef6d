#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# wire_faults.sh - the daemon with its kernel plane, and a node whose network goes wrong under load.
#
#   client (load) --- sluice (sluiced on 10.1.0.1:8080, kernel plane) --- node1..node3 (stand-ins)
#
# Each fault comes when requests are under way to node 1 and goes again; no request fails and no
# stream breaks, for two healthy nodes are there: what was cut in mid-answer goes on at one of them.
#   loss          a tenth of all packets from and to the node, either way
#   resets        each packet to the node is answered by a reset, also of connections that stand
#   blackhole     the node's network swallows everything
#   half-open     the server is killed and comes back while the network is away: the daemon's kept
#                 connections stand on one side only
. "$(dirname "$0")/lib.sh"
daemon=$build/sluiced
load=$build/e2e/load
for program in "$daemon" "$build/standin" "$load"; do
	[[ -x $program ]] || { not_ok needs "$program (make all e2etools)"; exit 1; }
done
need nft nftables
need jq jq
need curl curl
front=10.1.0.1:8080

# ---- the daemon and its servers -----------------------------------------------------------------
setup 3
for number in 1 2 3; do stop_node $number; done
start_standin() { # NUMBER
	nsenter --net="/run/netns/sl$$-node$1" "$build/standin" --listen "$(node_address "$1")" \
		--admin 127.0.0.1:9000 --name "n$1" --slots 64 --token-us 3000 >"$work/standin$1.log" 2>&1 &
	server_pids[$1]=$!
	wait_for 10 ns "node$1" curl -sf -o /dev/null http://127.0.0.1:9000/state
}
stood() { ns "node$1" curl -sf http://127.0.0.1:9000/state | jq -e "$2" >/dev/null; } # NUMBER CONDITION
for number in 1 2 3; do start_standin $number; done
write_config 3 4 "breaker.open_ms: 200ms, breaker.open_max_ms: 1s, pool.slow_start_ms: 0, retry.budget: 0"
sed -i -e "s|^kernel:|listen: $front\nadmin_socket: $SLUICE_ADMIN_SOCKET\nthreads: 1\nkernel:\n  pin_dir: $SLUICE_PIN_DIR|" \
	-e 's|^  chat:|  chat:\n    continue: prefill|' "$config"
cat >>"$config" <<-END
	routes:
	  - {model: chat, pools: chat, attempts: 6, backoff: 0ms,
	     timeouts: {connect: 500ms, ttft: 3s, inter_token: 3s, total: 60s}}
END
up || finish
nsenter --net="/run/netns/sl$$-sluice" "$daemon" "$config" >"$work/daemon.log" 2>&1 &
daemon_pid=$!
jobs_to_end+=("$daemon_pid")
metric() { # NAME [LABEL]: the sum of the lines that have the label
	ns client curl -s "http://$front/metrics" | awk -v name="$1" -v label="${2:-}" '
		index($1, name) == 1 && index($1, label) { sum += $NF } END { print sum + 0 }'
}
if ! wait_for 20 ns client curl -sf -o /dev/null "http://$front/ready"; then
	not_ok "the daemon serves" "$(tail -n 5 "$work/daemon.log")"
	finish
fi
expect "the daemon writes into the kernel plane's memory" "$("$sluice" status | grep -c '^daemon: does not')" == 0

start_requests() {
	nsenter --net="/run/netns/sl$$-client" "$load" --url "$front" --model chat --count 100000000 \
		--concurrency 24 --stream-percent 60 --tokens 40 --timeout-ms 60000 >"$work/tally" 2>"$work/why" &
	requests_pid=$!
	jobs_to_end+=("$requests_pid")
	wait_for 20 stood 1 '.running >= 3'
}
end_requests() { # NAME: none failed, none broke
	more_requests 200 # a fault that goes quickly leaves time for few
	kill -TERM "$requests_pid"
	wait "$requests_pid"
	expect "$1: all are answered" "$(tallied whole_failed stream_failed)" == "0 0"
	expect "$1: no stream breaks" "$(tallied stream_broken stream_incomplete)" == "0 0"
	expect "$1: there were some" "$(($(tallied whole_ok) + $(tallied stream_ok)))" -ge 200
	[[ ! -s $work/why ]] || sed 's/^/# /' "$work/why" | head -5
}
tallied() { # NAME...
	local name
	for name; do sed -n "s/^$name=//p" "$work/tally"; done | paste -sd' '
}
more_requests() { # N: until so many more have ended
	local until=$(($(metric sluice_requests_total) + $1))
	wait_for 60 eval '(($(metric sluice_requests_total) >= '"$until"'))'
}

# ---- faults ------------------------------------------------------------------------------------
rules() { # RULE of input [RULE of output]: of node 1's network, for the server's packets
	ns node1 nft -f - <<-END
		table inet fault {
			chain in { type filter hook input priority 0; tcp dport 8000 $1; }
			chain out { type filter hook output priority 0; tcp sport 8000 ${2:-counter}; }
		}
	END
}
no_rules() { ns node1 nft delete table inet fault; }
open_once() { (($(node_field 1 trips) > $1)); }
serves_again() { # NAME: node 1 gets new requests
	local before
	before=$(ns node1 curl -s http://127.0.0.1:9000/state | jq .inference_requests)
	expect_soon "$1: the node serves again" 60 stood 1 ".inference_requests > $before + 5"
}

loss() {
	start_requests
	rules 'numgen random mod 10 == 0 counter drop' 'numgen random mod 10 == 0 counter drop'
	more_requests 200
	expect "loss: packets were lost" \
		"$(ns node1 nft -j list table inet fault | jq '[.. | .counter? | .packets? // 0] | add')" -gt 20
	no_rules
	end_requests loss
}

# goes_away NAME RULE: comes under load, opens the breaker, goes, and the node is found again
goes_away() {
	local before
	before=$(node_field 1 trips)
	start_requests
	rules "$2"
	expect_soon "$1: the breaker opens" 60 open_once "$before"
	more_requests 100
	no_rules
	serves_again "$1"
	end_requests "$1"
}

half_open() {
	local kept
	start_requests
	more_requests 100
	rules drop drop
	stop_node 1
	start_standin 1
	no_rules
	serves_again "half-open"
	end_requests "half-open"
}

loss
goes_away resets 'reject with tcp reset'
expect "resets: streams in mid-answer went on elsewhere" "$(metric sluice_streams_resumed_total)" -gt 0
goes_away blackhole drop
half_open
expect "nothing is left in flight" "$(wait_for 10 eval '(($(metric sluice_requests_in_flight) == 0))' && echo none)" == none
kill -TERM "$daemon_pid"
wait "$daemon_pid"
expect "the daemon ends with status 0" $? == 0
finish
