#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# retire.sh - flow.retire_ms: the flows of a node that is dead, not only open, are reset.
#
#   client --- sluice --- node1, node2 (dies: nothing of it arrives any more), node3
#
# Connections stand to all nodes. Node 2 dies and its breaker opens: by default its connections wait
# for it. With the tunable their next packet, which is a repeat of what got no answer, is answered by
# a reset; those of a node that is open but alive are left alone. A daemon runs to tell of it at the end
# alone: the kernel plane needs none.
. "$(dirname "$0")/lib.sh"
daemon=$build/sluiced
[[ -x $daemon ]] || { not_ok needs "$daemon (make)"; exit 1; }
setup 3
write_config 3 4 "breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0"
held=30

for hook in native tc; do
	take_back client c
	up || finish
	hold $held 3000
	expect "$hook: connections stand" "$held_alive" == $held
	"$sluice" breaker open chat/1 >/dev/null
	hold_round
	expect "$hook: an open node serves the connections it has" "$held_alive $held_changed" == "$held 0"
	"$sluice" tune flow.retire_ms=1000 >/dev/null
	hold_round
	expect "$hook: also with the tunable, as long as it lives" "$held_alive $held_changed" == "$held 0"
	expect "$hook: nothing was reset" "$(counter drop_retired)" == 0

	"$sluice" tune flow.retire_ms=0 >/dev/null
	blackhole_node 2
	hold_round
	lost=$held_lost
	expect "$hook: node 2 dies, its connections wait in vain" "$((lost > 0 && lost < held))" == 1
	expect "$hook: no reset without the tunable" "$(counter drop_retired)" == 0
	end_hold
	unblackhole_node 2
	down

	up || finish
	if [[ $hook == tc ]]; then
		sed "s|^kernel:|listen: 10.1.0.1:8080\nadmin_socket: $SLUICE_ADMIN_SOCKET\nkernel:|" "$config" >"$work/daemon.yaml"
		echo "routes: [{model: m, pools: chat}]" >>"$work/daemon.yaml"
		nsenter --net="/run/netns/sl$$-sluice" "$daemon" "$work/daemon.yaml" >"$work/daemon.log" 2>&1 &
		jobs_to_end+=("$!")
		expect_soon "the daemon answers" 20 eval '"$sluice" status | grep -q "^daemon: answers"'
	fi
	hold $held 20000
	expect "$hook: connections stand again" "$held_alive" == $held
	"$sluice" breaker open chat/1 >/dev/null
	"$sluice" tune flow.retire_ms=1000 >/dev/null
	blackhole_node 2
	begin=$SECONDS
	hold_round
	lost=$held_lost
	expect "$hook: node 2 dies, its connections are reset" "$((lost > 0 && lost < held))" == 1
	expect "$hook: each of them, by the lane" "$(counter drop_retired)" == "$lost"
	expect "$hook: long before they give up themselves" "$((SECONDS - begin))" -lt 18
	shows retired-counters "drop_retired" "sluice status | grep retired"
	[[ $hook != tc ]] || shows retired-log "flow.retire_ms" "grep -h 'dead' $work/daemon.log"
	hold_round
	expect "$hook: the others go on" "$held_alive $held_changed" == "$((held - lost)) 0"
	[[ $hook != tc ]] || expect_soon "the daemon says that node 2 is dead, once" 10 \
		eval '(($(grep -c "10.2.2.2:8000: dead.*(flow.retire_ms)" "$work/daemon.log") == 1))'
	end_hold
	unblackhole_node 2
	down
done
finish
