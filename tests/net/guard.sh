#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# guard.sh - a flood of SYNs from sources that are not there, good clients beside it; the deny and the
# allow list; a source over its rate.
#
#   client (attacker) --- c  sluice  n1 --- node1
#   good              --- g          n2 --- node2
#                                                  10.9.0.1:80 -> 10.2.I.2:8000   (see lib.sh)
#   good: 10.1.1.2, .10 and up, one after the other the source of its connections
. "$(dirname "$0")/lib.sh"
flood=$build/net/flood
[[ -x $flood ]] || { not_ok needs "$flood (make nettools)"; exit 1; }
setup 2
add_ns good
add_wire sluice g good g
add_address sluice g 10.1.1.1/24
add_address good g 10.1.1.2/24
ns good ip route add default via 10.1.1.1
ns good "$connect" ask 10.1.1.1:1 1 1 >/dev/null
write_config 2 4 "guard.pending_per_s: 1000"
sed -i 's/devices: \[c/devices: [c, g/' "$config"

end_hold() { kill -KILL "$HOLD_PID" && wait "$HOLD_PID" 2>/dev/null; }
good_ask() { # COUNT [PARALLEL [TIMEOUT_MS]]
	ns good "$connect" ask "$vip" "$@" >"$work/tally"
}
source_is() { # ADDRESS: of the next connections of `good`
	ns good ip address add "$1/24" dev g 2>/dev/null
	ns good ip route replace 10.9.0.1 via 10.1.1.1 src "$1"
}
guard_field() { # FIELD: of the service
	"$sluice" guard --json | sed -n "s/.*\"address\": \"$vip\".*\"$1\": \([a-z0-9]*\).*/\1/p"
}
field_is() { [[ $(guard_field "$1") == "$2" ]]; }

# As hold() of lib.sh, but not by the attacker.
hold_good() { # COUNT
	coproc HOLD {
		exec nsenter --net="/run/netns/sl$$-good" "$connect" hold "$vip" "$1"
	}
	jobs_to_end+=("$HOLD_PID")
	hold_line
}

counter_above() { (($(counter "$1") > $2)); }

# ---- the flood --------------------------------------------------------------------------------
start_flood() {
	nsenter --net="/run/netns/sl$$-client" "$flood" syn "$vip" 20000 100 >"$work/flood" &
	flood_pid=$!
	jobs_to_end+=("$flood_pid")
	wait_for 10 counter_above drop_cookie "$(($(counter drop_cookie) + 2000))"
}
stop_flood() {
	kill -TERM "$flood_pid"
	wait "$flood_pid"
	flood_sent=$(sed -n 's/^sent //p' "$work/flood")
}
good_beside_flood() {
	local failed=0 asked=0 i
	start_flood
	expect "$hook: sources must prove themselves" "$(guard_field demands_proof)" == true
	for ((i = 10; i < 30; i++)); do
		source_is "10.1.1.$i"
		good_ask 20 4
		failed=$((failed + $(tally failed)))
		asked=$((asked + $(tally n1) + $(tally n2)))
	done
	expect "$hook: beside the flood, 20 sources: none of 400 connections fails" "$failed $asked" == "0 400"
	expect "$hook: the flood went on all the while" "$(kill -0 "$flood_pid" && echo yes)" == yes
	hold_round
	expect "$hook: what stood before stands" "$held_alive $held_lost $held_changed" == "50 0 0"
	stop_flood
	expect "$hook: each source proved itself" "$(guard_field proven)" -ge 20
	echo "# $flood_sent SYNs of the flood, $(counter drop_cookie) cookies, $(counter flow_opened) flows"
	expect "$hook: the nodes saw little of it" "$(counter flow_opened)" -le $((3000 + flood_sent / 10))
	expect_soon "$hook: the flood over, nobody proves anything" 5 field_is demands_proof false
}

# XDP_TX into a veth whose other end has no XDP program waits for the next packet that goes there.
other=$SLUICE_PIN_DIR-other
trap 'failures=$?; rm -rf "$other"; (exit "$failures"); cleanup' EXIT
bpftool prog loadall "$build/net/other.bpf.o" "$other" >/dev/null || not_ok other "cannot be loaded"
ns client bpftool net attach xdpdrv pinned "$other/someone_else" dev c
ns good bpftool net attach xdpdrv pinned "$other/someone_else" dev g
for hook in native tc; do
	up || finish
	good_ask 200 8
	expect "$hook: without a flood no connection fails" "$(tally failed)" == 0
	expect "$hook: no cookie is asked for" "$(counter drop_cookie)" == 0
	expect "$hook: all handshakes are finished" "$(guard_field pending)" -le 8
	hold_good 50
	expect "$hook: 50 connections stand" "$held_alive" == 50
	good_beside_flood
	before=$(counter drop_cookie)
	source_is 10.1.1.40
	good_ask 20 4
	expect "$hook: and a new source need not" "$(tally failed) $(counter drop_cookie)" == "0 $before"
	[[ $hook == tc ]] || { end_hold; down; }
done

# A stateful firewall of the client takes the cookie for an old acknowledgment. Optional: needs nft
# with conntrack.
if ns good nft 'table inet t { chain i { type filter hook input priority 0; ct state invalid drop; }; }' 2>/dev/null; then
	start_flood
	before=$(guard_field proven)
	source_is 10.1.1.41
	good_ask 20 4
	expect "from behind a firewall that drops what is invalid: none fails" "$(tally failed)" == 0
	expect "the source proved itself" "$(guard_field proven)" -gt "$before"
	stop_flood
	ns good nft delete table inet t
	expect_soon "the second flood is over" 5 field_is demands_proof false
else
	echo "skip guard: no nft with conntrack here (apt-get install nftables)"
fi

# ---- the lists --------------------------------------------------------------------------------
source_is 10.1.1.50
before=$(counter drop_denied)
"$sluice" guard deny 10.1.1.0/24 >"$work/log"
expect "deny says so" "$(cat "$work/log")" == "10.1.1.0/24: denied: new flows are dropped, established ones go on"
good_ask 3 3 400
expect "a denied source's connects find nothing" "$(tally timeout)" == 3
expect "and are counted" "$(counter drop_denied)" -ge $((before + 3))
hold_round
expect "who is not denied goes on" "$held_alive $held_lost" == "50 0"
"$sluice" guard allow 10.1.1.50 >/dev/null
good_ask 10 2
expect "a longer prefix allows" "$(tally failed)" == 0
expect "both are listed" "$("$sluice" guard | grep -cE '^(allow  10\.1\.1\.50|deny   10\.1\.1\.0/24) +by hand$')" == 2
expect "as JSON too" "$("$sluice" guard --json | grep -c '"prefix": "10.1.1.0/24", "rule": "deny", "of_file": false')" == 1
"$sluice" guard remove 10.1.1.50 >/dev/null
"$sluice" guard remove 10.1.1.0/24 >/dev/null
good_ask 10 2
expect "removed: all connects pass" "$(tally failed)" == 0
bpftool map update pinned "$SLUICE_PIN_DIR/prefixes" key hex 80 00 00 00 \
	00 00 00 00 00 00 00 00 00 00 ff ff 0a 01 01 32 value 2 0 0 0
good_ask 1 1 400
expect "an entry by bpftool counts at once" "$(tally timeout)" == 1
expect "and is listed" "$("$sluice" guard | grep -c '^deny   10\.1\.1\.50 ')" == 1
"$sluice" guard remove 10.1.1.50 >/dev/null
"$sluice" guard remove 10.1.1.0/24 >"$work/log" 2>&1
expect "what is not there cannot be removed" "$? $(grep -c 'there is no prefix 10.1.1.0/24' "$work/log")" == "1 1"
"$sluice" guard deny 10.1.1.1/24 >"$work/log" 2>&1
expect "a prefix with bits beyond its length is refused" "$? $(grep -c 'did you mean 10.1.1.0/24' "$work/log")" == "1 1"
"$sluice" guard forbid 10.0.0.0/8 >"$work/log" 2>&1
expect "an order that does not exist is a usage error" "$?" == 2

# ---- rates ------------------------------------------------------------------------------------
"$sluice" tune guard.source_per_s=1 >/dev/null
"$sluice" tune guard.source_burst=5 >/dev/null
source_is 10.1.1.60
good_ask 20 20 400
expect "a source over its rate: its burst gets through" "$(($(tally n1) + $(tally n2)))" -ge 5
expect "and little more" "$(($(tally n1) + $(tally n2)))" -le 8
expect "the rest is counted" "$(counter drop_rate_source)" -ge 12
source_is 10.1.1.61
good_ask 5 1
expect "another source has its own" "$(tally failed)" == 0
"$sluice" guard allow 10.1.1.60 >/dev/null
source_is 10.1.1.60
good_ask 20 20
expect "who is allowed has none" "$(tally failed)" == 0
finish
