#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# replace.sh - `up --replace` under load loses no connection, and follows the configuration.
#
#   client (20 held connections and a stream of new ones) --- sluice --- node1..node3
. "$(dirname "$0")/lib.sh"
setup 3
write_config 3
up || finish

hold 20
"$sluice" tune breaker.open_ms=1234 >/dev/null
"$sluice" drain chat/2 >/dev/null
flows=$(counter flow_opened)
failed=0 failed_up=0
for round in 1 2 3 4 5 6; do
	ns client "$connect" ask "$vip" 1000 8 >"$work/tally" &
	load=$!
	up --replace || failed_up=$((failed_up + 1))
	wait "$load"
	failed=$((failed + $(tally failed)))
done
expect "six replacements under load succeed" "$failed_up" == 0
expect "none of 6000 new connections failed" "$failed" == 0
hold_round
expect "held connections go on" "$held_alive $held_changed" == "20 0"
expect "the counters go on" "$(counter flow_opened)" == $((flows + 6000))
expect "a tuned number stays" \
	"$("$sluice" tune breaker.open_ms | head -n 1 | cut -d ' ' -f 3)" == 1234
expect "a drain stays" "$(node_field 3 draining) $(tally n3)" == "true 0"
"$sluice" undrain chat/2 >/dev/null

# one node less, one device less
write_config 2
up --replace || finish
ask 100 4
expect "a node that is no longer configured gets nothing new" "$(tally n3) $(tally failed)" == "0 0"
expect "its device is detached" "$("$sluice" status --json | grep -c '"device": "n3"')" == 0
write_config 3
up --replace || finish
ask 100 4
expect "a node that is configured again gets its share" "$(tally n3)" -gt 0
expect "none fails" "$(tally failed)" == 0

# a wrong configuration replaces nothing
echo "pools: {chat: {nodes: [nonsense]}}" >"$work/wrong.yaml"
ns sluice "$sluice" up "$work/wrong.yaml" --replace >"$work/log" 2>&1
expect "a wrong configuration is refused" "$?" == 1
ask 50 4
expect "and what ran goes on" "$(tally failed)" == 0
finish
