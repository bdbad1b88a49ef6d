#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# daemon_killed.sh - the kernel plane outlives the daemon.
#
#   client --- sluice (sluiced on 10.1.0.1:8080, killed) --- node1..node3
#
# With the daemon running the fast lane works; after SIGKILL held connections go on, new ones are
# balanced, and a node that refuses is still found and left.
. "$(dirname "$0")/lib.sh"
daemon=$build/sluiced
[[ -x $daemon ]] || { not_ok needs "$daemon (make)"; exit 1; }
setup 3
write_config 3 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m"
sed -i "s|^kernel:|listen: 10.1.0.1:8080\nadmin_socket: $SLUICE_ADMIN_SOCKET\nthreads: 1\nkernel:\n  pin_dir: $SLUICE_PIN_DIR|" "$config"
echo "routes: [{model: m, pools: chat}]" >>"$config"
up || finish

nsenter --net="/run/netns/sl$$-sluice" "$daemon" "$config" >"$work/daemon.log" 2>&1 &
daemon_pid=$!
jobs_to_end+=("$daemon_pid")
port_is_closed() { ns client "$connect" ask 10.1.0.1:8080 1 1 500 | grep -q '^refused 1'; }
daemon_listens() { ! port_is_closed; }
if ! wait_for 20 daemon_listens; then
	not_ok "the daemon serves" "$(tail -n 5 "$work/daemon.log")"
	finish
fi
ok "the daemon serves"
hold 30
ask 300 8
expect "with the daemon no connection fails" "$(tally failed)" == 0

{ kill -KILL "$daemon_pid" && wait "$daemon_pid"; } 2>/dev/null
# a ring's sockets are closed by a kernel worker, a little after the process is gone
expect_soon "the daemon is gone" 20 port_is_closed
hold_round
expect "held connections go on" "$held_alive $held_changed" == "30 0"
ask 600 8
expect "no new connection fails" "$(tally failed)" == 0
# By load: as many as are open at each node in the end, less those that it held before and what is on
# its way at once. (Of connections that end at once, a node that was slow by chance may get next to none.)
fill 240 20
expect "nor does one of many at a time" "$(tally failed)" == 0
for number in 1 2 3; do
	expect "node $number still gets its share" "$(tally "n$number")" -ge 40
done
expect "the status says that no daemon answers" \
	"$("$sluice" status | grep -c '^daemon: does not answer')" == 1
refuse_node 2
expect_soon "a node that refuses is found without it" 60 eval 'ask 60 12; node_is 2 state open'
ask 100 4
expect "and left" "$(tally n2) $(tally failed)" == "0 0"
hold_round
expect "held connections still go on" "$held_alive $held_changed" == "30 0"
finish
