#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# config.sh - `check` and `up` name file, line and key of what is wrong, and change nothing.
#
#   client --- sluice --- node1
. "$(dirname "$0")/lib.sh"
setup 1
write_config 1
"$sluice" check "$config" >"$work/log" 2>&1
expect "a good file is good" "$? $(grep -c 'good: pools: 1, nodes: 1' "$work/log")" == "0 1"
expect "as JSON too" "$("$sluice" check --json "$config" | grep -c '"valid": true')" == 1

wrong() { # NAME LINE TEXT...: the error must name that line, with a caret below it
	local name=$1 line=$2
	printf '%s\n' "${@:3}" >"$work/wrong.yaml"
	"$sluice" check "$work/wrong.yaml" >"$work/log" 2>&1
	expect "$name: refused" "$?" == 1
	expect "$name: line $line" "$(grep -c "wrong.yaml:$line:[0-9]*: error: " "$work/log")" -ge 1
	expect "$name: caret" "$(grep -c '^ *|\{0,1\} *\^' "$work/log")" -ge 1
	ns sluice "$sluice" up "$work/wrong.yaml" >"$work/log" 2>&1
	expect "$name: up refuses it too" "$?" == 1
}
wrong "a key that does not exist" 1 "poools: {}"
wrong "a node that is no address" 3 "pools:" "  chat:" "    nodes: [10.0.0.1]" \
	"services: [{address: $vip, lane: fast, pool: chat}]"
wrong "a pool that does not exist" 3 "pools:" "  chat: {nodes: [10.0.0.1:1]}" \
	"services: [{address: $vip, lane: fast, pool: chatt}]"
wrong "a tunable out of range" 1 "tunables: {breaker.open_ms: 1}" \
	"pools: {chat: {nodes: [10.0.0.1:1]}}" \
	"services: [{address: $vip, lane: fast, pool: chat}]"
wrong "broken YAML" 2 "pools:" "  chat: {nodes: [}"
expect "nothing was made" "$([[ -e $SLUICE_PIN_DIR ]] && echo pins)" == ""
"$sluice" check "$work/absent.yaml" >"$work/log" 2>&1
expect "a file that is not there is named" "$? $(grep -c absent.yaml "$work/log")" != "0 0"

# ports that the host hands out itself
sed -i 's/^kernel:/kernel:\n  nat_ports: 40000-41000/' "$config"
up || finish
expect "NAT ports within the local range are warned of" \
	"$(grep -c 'overlaps net.ipv4.ip_local_port_range' "$work/up.log")" == 1
finish
