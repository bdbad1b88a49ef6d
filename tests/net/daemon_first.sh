#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# daemon_first.sh - a daemon that was there before the kernel plane is told from one that uses it.
#
#   client --- sluice (sluiced on 10.1.0.1:8080, started before `sluice up`) --- node1, node2
. "$(dirname "$0")/lib.sh"
daemon=$build/sluiced
[[ -x $daemon ]] || { not_ok needs "$daemon (make)"; exit 1; }
setup 2
write_config 2
sed -i "s|^kernel:|listen: 10.1.0.1:8080\nadmin_socket: $SLUICE_ADMIN_SOCKET\nthreads: 1\nkernel:\n  pin_dir: $SLUICE_PIN_DIR|" "$config"
echo "routes: [{model: m, pools: chat}]" >>"$config"
start_daemon() {
	nsenter --net="/run/netns/sl$$-sluice" "$daemon" "$config" >>"$work/daemon.log" 2>&1 &
	daemon_pid=$!
	jobs_to_end+=("$daemon_pid")
	wait_for 20 answers && return
	not_ok "the daemon answers" "$(tail -n 5 "$work/daemon.log")"
	finish
}
answers() { "$sluice" status | grep -q '^daemon: answers'; }
planes() { "$sluice" status --json | jq -r '[.kernel_plane, .daemon.answers, .daemon.alone] | join(" ")'; }

start_daemon
expect "no kernel plane: the daemon's memory" "$(planes)" == "memory true true"
"$sluice" drain chat/0 >/dev/null
up || finish
expect "loaded: the maps come first" "$(planes)" == "bpf true true"
expect "loaded: the summary tells that the daemon is not in" "$("$sluice" status | head -n 1)" == \
	"sluice: the daemon does not use the kernel plane (restart it)"
expect "loaded: it begins afresh" "$(node_field 1 draining)" == false
{ kill -KILL "$daemon_pid" && wait "$daemon_pid"; } 2>/dev/null
start_daemon
expect "restarted: it uses the maps" "$(planes)" == "bpf true false"
expect "restarted: well" "$("$sluice" status | head -n 1)" == \
	"sluice: well: 2 of 2 nodes in 1 pool take new flows"
finish
