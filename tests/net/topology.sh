#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The configuration in the maps of a kernel plane that is up, written by `sluice up` and then by the
# daemon: both write the same, a reload changes what changed, what an operator added by hand stays.
#
#   sluice ns
#   +--------------------+
#   |  c 10.1.0.1/24 ----|-- veth, its other end in the same namespace; no packet is needed
#   +--------------------+
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
need jq jq
sluiced=$build/sluiced
[[ -x $sluiced ]] || { not_ok needs "$sluiced (make)"; exit 1; }

export BEACON_KEY=000102030405060708090a0b0c0d0e0f
mount_bpffs
add_ns sluice
ns sluice sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding'
ns sluice ip link add name c type veth peer name d
ns sluice ip link set dev c up
ns sluice ip link set dev d up
add_address sluice c 10.1.0.1/24

# SERVER_ID DENY SERVICES: the parts that a reload changes
write() {
	cat >"$config" <<-END
		listen: 127.0.0.1:8080
		admin_socket: $SLUICE_ADMIN_SOCKET
		kernel:
		  devices: [c]
		  pin_dir: $SLUICE_PIN_DIR
		  quic_config: 3
		  allow: [10.0.0.0/8, "fd00::/8"]
		  deny: $2
		  beacon: {listen: 7946, keys: [{id: 5, key: "\${BEACON_KEY}"}]}
		pools:
		  chat:
		    mode: gue
		    spill: last
		    nodes: [{address: 10.1.0.2:443, server_id: $1}, {address: 10.1.0.3:443, weight: 3}]
		  last: {mode: l2, nodes: [10.1.0.4:443]}
		services:
		  - {address: 10.9.0.1:443, lane: fast, pool: chat}
		$3
		routes: [{model: m, pools: last}]
	END
}
udp='  - {address: 10.9.0.1:443, lane: fast, pool: chat, protocol: udp, quic: true}'

pinned() { bpftool -j map dump pinned "$SLUICE_PIN_DIR/$1" | jq -S '[.[].formatted] | sort_by(.key | tostring)'; }
# One row by its number: row MAP KEY FILTER
row() { pinned "$1" | jq -c ".[] | select(.key == $2).value | $3"; }
count() { pinned "$1" | jq length; }
dump() { # DIRECTORY: all that the configuration decides
	local map pool
	mkdir -p "$1"
	for map in settings tunables nodes pools endpoints services server_ids prefixes beacon_keys; do
		pinned "$map" >"$1/$map" || not_ok dump "$map"
	done
	for pool in 1 2; do table "$pool" >"$1/maglev$pool" || not_ok dump "table $pool"; done
}
# The lookup table of a pool: its outer entry is the id of an array.
table() {
	local id
	id=$(bpftool -j map lookup pinned "$SLUICE_PIN_DIR/maglev" key "$1" 0 0 0 |
		jq -r '.inner_map_id // .formatted.value // .value' 2>/dev/null)
	[[ $id == '['* ]] && id=$(jq -r 'map(ltrimstr("0x")) | reverse | join("")' <<<"$id") && id=$((16#$id))
	bpftool -j map dump id "$id" | jq -c "[.[] | .value | reverse | map(ltrimstr(\"0x\")) | join(\"\")]"
}
same() { # NAME DIRECTORY DIRECTORY
	local differs
	differs=$(diff -rq "$2" "$3")
	expect "$1" "$differs" == ""
}

# ---- sluice up --------------------------------------------------------------------------------
write 9 203.0.113.0/24 "$udp"
up || finish
expect "node mode and server id" "$(row nodes 1 '[.mode, .server_id, .weight]')" == "[3,9,1]"
expect "pool: spill, weights, mode" "$(row pools 1 '[.spill, .weight_sum, .mode, .ip_v6]')" == "[2,4,3,0]"
expect "server id leads to its node" "$(row server_ids 9 .node)" == 1
expect "endpoints of both protocols" "$(count endpoints)" == 6
expect "services have rows of their own" "$(pinned services | jq -c '[.[].value.index] | sort')" == "[0,1]"
expect "quic is a flag of the UDP service" \
	"$(pinned services | jq -c '[.[] | [.key.proto, .value.flags]] | sort')" == "[[6,0],[17,1]]"
expect "role and quic" "$(row settings 0 '[.role, .quic]')" == "[0,3]"
expect "the table is sized" "$(row settings 0 '.flow_sets > 1000')" == true
expect "the guard has a secret" "$(row settings 0 '.guard_key | all(. != 0)')" == true
expect "beacon key" "$(row beacon_keys 0 '[.id, (.key[0] != 0)]')" == "[5,true]"
expect "prefixes of the file are marked" "$(pinned prefixes | jq -c '[.[].value] | sort')" == "[257,257,258]"
expect "a table of one prime's size" "$(table 1 | jq length)" == 251

# ---- the daemon -------------------------------------------------------------------------------
bpftool map update pinned "$SLUICE_PIN_DIR/prefixes" \
	key hex 78 00 00 00 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 00 value 2 0 0 0
dump "$work/up"
nsenter --net="/run/netns/sl$$-sluice" "$sluiced" "$config" >"$work/daemon.log" 2>&1 &
daemon=$!
jobs_to_end+=("$daemon")
expect_soon "daemon is ready" 10 grep -q 'kernel_plane=bpf' "$work/daemon.log"
dump "$work/daemon"
same "the daemon writes what the command wrote" "$work/up" "$work/daemon"

write 11 '[203.0.113.0/25]' ""
kill -HUP "$daemon"
expect_soon "daemon reloads" 10 grep -q reloaded "$work/daemon.log"
expect "another server id" "$(row server_ids 9 .node) $(row server_ids 11 .node)" == "0 1"
expect "no UDP service, no UDP endpoints" "$(count endpoints) $(count services)" == "3 1"
expect "the file's prefix was replaced, the operator's stays" \
	"$(pinned prefixes | jq -c '[.[] | [.key.bits, .value]] | sort')" == "[[8,257],[104,257],[120,2],[121,258]]"

# ---- and the command again --------------------------------------------------------------------
dump "$work/reloaded"
up --replace
dump "$work/replaced"
same "the command writes what the daemon wrote" "$work/reloaded" "$work/replaced"
finish
