#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kernels.sh - all that another kernel could break, with real packets, and programs loaded but once a
# host: an emulated machine verifies them for half a minute.
#
#   client --- router ==[ bal1: native XDP | bal2: TC ]== node1, node2 (role node)  see direct/lib.sh
#
#   10.9.0.1:80, [fd09::1]:80  gue       10.9.0.1:82  l2
#   10.9.0.1:81                ipip      10.9.0.1:83  nat, to port 83 of the nodes' own addresses
#
# Each mode at both hooks, flows that move between the balancers (the second chance), the retry of
# refused and of silent connects, the breaker, drain, the guard, beacons, an upgrade under load.
. "$(dirname "$0")/lib.sh"
. "$root/tests/net/direct/lib.sh"
flood=$build/net/flood
daemon=$build/sluiced
standin=$build/standin
for program in "$flood" "$daemon" "$standin"; do
	[[ -x $program ]] || { not_ok needs "$program (make all nettools)"; exit 1; }
done
key=000102030405060708090a0b0c0d0e0f

# ---- the hosts --------------------------------------------------------------------------------
start_servers() { # NUMBER: of all services
	local address
	for address in "$vip" "$vip6" 10.9.0.1:81 10.9.0.1:82 "10.3.0.$((100 + $1)):83"; do
		nsenter --net="/run/netns/sl$$-node$1" "$connect" serve "$address" "n$1" &
		server_pids[$1]+=" $!"
		wait_for 10 ns "node$1" "$connect" ask "$address" 1 1
	done
}
pool_of() { # NAME MODE ADDRESS_FORMAT
	local number
	printf '  %s:\n    mode: %s\n    nodes:\n' "$1" "$2"
	# shellcheck disable=SC2059  # the format is the purpose
	for number in 1 2; do printf "      - \"$3\"\n" $((100 + number)); done
}
host_config() { # HOST
	local device=b
	[[ $1 != node* ]] || device=n
	{
		printf 'kernel:\n  devices: [%s]\n  seed: %s\n' "$device" "$seed"
		if [[ $1 == node* ]]; then
			echo "  role: node"
		else
			echo "  beacon: {listen: 7946, keys: [{id: 1, key: '$key'}]}"
		fi
		echo "tunables: {breaker.open_ms: 10m, breaker.open_max_ms: 10m, pool.slow_start_ms: 0," \
			"beacon.stale_ms: 10s}"
		echo "pools:"
		pool_of gue gue 10.3.0.%s:80
		pool_of gue6 gue [fd03::%s]:80
		pool_of ipip ipip 10.3.0.%s:81
		pool_of l2 l2 10.3.0.%s:82
		[[ $1 == node* ]] || pool_of nat nat 10.3.0.%s:83
		echo "services:"
		echo "  - {address: $vip, lane: fast, pool: gue}"
		echo "  - {address: \"$vip6\", lane: fast, pool: gue6}"
		echo "  - {address: 10.9.0.1:81, lane: fast, pool: ipip}"
		echo "  - {address: 10.9.0.1:82, lane: fast, pool: l2}"
		[[ $1 == node* ]] || echo "  - {address: 10.9.0.1:83, lane: fast, pool: nat}"
	} >"$work/$1.yaml"
}
row() { on "$1" status --json | grep -F "\"address\": \"$2\"" | head -n 1; } # HOST NODE_ADDRESS
row_field() { # HOST NODE_ADDRESS FIELD: also of the objects within
	row "$1" "$2" | sed -n "s/.*\"$3\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}
beacon_is() { # HOST NODE_ADDRESS HEALTH: as the node says it
	[[ $(row "$1" "$2" | sed -n 's/.*"beacon": {[^}]*"health": "\([^"]*\)".*/\1/p') == "$3" ]]
}
row_is() { [[ $(row_field "$1" "$2" "$3") == "$4" ]]; }
row_above() { (($(row_field "$1" "$2" "$3") > $4)); }
host_counter_above() { (($(host_counter "$1" "$2") > $3)); }
passed_on() { echo $(($(host_counter node1 forward_again) + $(host_counter node2 forward_again))); }

direct_setup 0 2
for number in 1 2; do
	add_host "node$number" n $((100 + number))
	add_address "node$number" lo 10.9.0.1/32 fd09::1/128
	start_servers "$number"
done
hook=native
pass_at_ports
for host in bal1 bal2 node1 node2; do direct_meet "$host" 1 11 12 101 102; done
for host in bal1 bal2 node1 node2; do
	host_config "$host"
	hook=tc
	[[ $host != bal1 ]] || hook=native
	host_up "$host" || finish
done

# ---- every mode at both hooks, and flows that move between the balancers ------------------------
count=30
for round in "gue $vip" "gue $vip6" "ipip 10.9.0.1:81" "l2 10.9.0.1:82"; do
	read -r mode service <<<"$round"
	for number in 1 2; do
		now="$mode, $service, bal$number"
		before=$(host_counter "bal$number" "forward_$mode")
		route_to "$number"
		fill 60 10
		expect "$now: no connect fails" "$(tally failed)" == 0
		expect "$now: both nodes serve" "$(($(tally n1) > 5 && $(tally n2) > 5))" == 1
		expect "$now: by that mode" "$(($(host_counter "bal$number" "forward_$mode") - before))" -ge 240
	done
	route_to 1
	hold "$count"
	expect "$mode, $service: connections are held" "$held_alive" == "$count"
	route_to 2
	hold_round
	expect "$mode, $service: they move from XDP to TC, none is lost" "$held_alive $held_changed" == "$count 0"
	route_to 1
	hold_round
	expect "$mode, $service: and back" "$held_alive $held_changed" == "$count 0"
	end_hold
done
expect "some were found at their second candidate" "$(passed_on)" -gt 5
expect "the nodes took tunnels apart" "$(host_counter node1 decapsulated)" -gt 500
expect "and lowered the MSS of what they accepted" "$(host_counter node1 mss_clamped)" -gt 50
expect "and measured the first byte" "$(row_field node1 10.3.0.101:81 first_byte_us)" -gt 0

# ---- a server process that died: refused connects ------------------------------------------------
before=$(passed_on)
stop_node 1
for service in "$vip6" 10.9.0.1:82; do
	ask 40 4
	expect "$service: a dead server process costs no connect" "$(tally failed) $(tally n2)" == "0 40"
done
expect "its host passed the SYNs on" "$(($(passed_on) - before))" -gt 5
service=10.9.0.1:83
for number in 1 2; do
	route_to "$number"
	ask 60 8
	expect "nat, bal$number: a refused connect is none for the client" "$(tally failed) $(tally n2)" == "0 60"
	expect "nat, bal$number: SYNs were sent again" "$(host_counter "bal$number" retry_turned)" -ge 5
	expect "nat, bal$number: the breaker is open" "$(row_field "bal$number" 10.3.0.101:83 state)" == open
	expect "nat, bal$number: by early resets" "$(row_field "bal$number" 10.3.0.101:83 last_signal)" == reset_early
done
start_servers 1
ask 20 4
expect "an open breaker keeps new flows away" "$(tally failed) $(tally n2)" == "0 20"
on bal2 breaker auto nat/0 >/dev/null 2>&1
on bal2 breaker close nat/0 >/dev/null
on bal1 breaker close nat/0 >/dev/null
fill 60 10
expect "closed by hand it is used again" "$(($(tally failed) == 0 && $(tally n1) > 5))" == 1

# ---- drain, and a breaker that opens over what stands --------------------------------------------
route_to 1
hold "$count"
on bal1 drain nat/1 >/dev/null
ask 40 4
expect "a draining node gets nothing new" "$(tally failed) $(tally n2)" == "0 0"
on bal1 undrain nat/1 >/dev/null
on bal1 breaker open nat/1 >/dev/null
ask 40 4
expect "nor does one whose breaker is open" "$(tally failed) $(tally n2)" == "0 0"
hold_round
expect "what stands goes on" "$held_alive $held_changed" == "$count 0"
on bal1 breaker close nat/1 >/dev/null

# ---- held back -----------------------------------------------------------------------------------
[[ -e /dev/net/tun ]] || modprobe tun # what udev does elsewhere
p50_us() { sed -n 's/^connect_us p50 \([0-9]*\) .*/\1/p' "$work/tally"; }
late_ms=300
service=10.9.0.1:83
for number in 1 2; do
	now="lag, bal$number"
	route_to "$number"
	SLUICE_PIN_DIR=$(pins_of "bal$number") nsenter --net="/run/netns/sl$$-bal$number" "$sluice" chaos start lag \
		--pool nat --limit 100 --delay "${late_ms}ms" --for 10m --recover 1s --json >"$work/held" 2>&1 &
	holder=$!
	jobs_to_end+=("$holder")
	wait_for 20 eval "on bal$number chaos list | grep -q 'lag pool nat'" || not_ok "$now" "$(cat "$work/held")"
	ask 12 4
	expect "$now: SYN and answer are late" "$(($(tally failed) == 0 && $(p50_us) >= 2000 * late_ms))" == 1
	ns "bal$number" "$connect" ask 10.3.0.101:83 6 3 >"$work/tally"
	expect "$now: the local stack's too" "$(($(tally failed) == 0 && $(p50_us) >= 2000 * late_ms))" == 1
	if ((number == 1)); then
		kill -KILL "$holder"
		wait "$holder" 2>/dev/null
	else
		on "bal$number" chaos stop >/dev/null
		wait "$holder"
		expect "$now: none was lost" "$(grep -o '"lost": [0-9]*' "$work/held")" == '"lost": 0'
	fi
	ask 12 1
	expect "$now: quick again" "$(($(tally failed) == 0 && $(p50_us) < 1000 * late_ms))" == 1
done
route_to 1 # where the held connections are

# ---- an upgrade under load -----------------------------------------------------------------------
start_load
hook=native
host_up bal1 --replace
end_load
expect "an upgrade under load: no connect fails" "$(load_tally failed)" == 0
expect "the load went on" "$(($(load_tally n1) + $(load_tally n2)))" -gt 50
hold_round
expect "and none that stood is lost" "$held_alive $held_changed" == "$count 0"
end_hold

# ---- the guard -----------------------------------------------------------------------------------
for number in 1 2; do
	now="guard, bal$number"
	route_to "$number"
	on "bal$number" tune guard.source_per_s=1 >/dev/null
	on "bal$number" tune guard.source_burst=5 >/dev/null
	ns client ip address add "10.1.0.$((20 + number))/24" dev c
	ns client ip route replace 10.9.0.1 via 10.1.0.1 src "10.1.0.$((20 + number))"
	ask 20 20 400
	served=$(($(tally n1) + $(tally n2)))
	expect "$now: a source gets its burst" "$served" -ge 5
	expect "$now: and not all" "$served" -lt 20
	expect "$now: the rest is counted" "$(host_counter "bal$number" drop_rate_source)" -ge 1
	on "bal$number" tune guard.source_per_s=default >/dev/null
	on "bal$number" tune guard.source_burst=default >/dev/null
	on "bal$number" guard deny 10.1.0.0/24 >/dev/null
	ask 3 3 400
	expect "$now: a denied source's connects find nothing" "$(tally timeout)" == 3
	expect "$now: and are counted" "$(host_counter "bal$number" drop_denied)" -ge 3
	on "bal$number" guard remove 10.1.0.0/24 >/dev/null
	ask 10 2
	expect "$now: removed, all pass" "$(tally failed)" == 0
done

# ---- beacons -------------------------------------------------------------------------------------
cat >"$work/sender.yaml" <<END
threads: 1
admin_socket: $work/sender.sock
kernel:
  pin_dir: $work/none
  beacon:
    keys: [{id: 1, key: "$key"}]
    send_to: [10.3.0.11:7946, 10.3.0.12:7946, 10.3.0.12:7947]
    every_ms: 200
    nodes: [{node: 10.3.0.101:83, metrics: "http://127.0.0.1:9000/metrics"}]
END
nsenter --net="/run/netns/sl$$-node1" "$standin" --listen 127.0.0.1:9000 >"$work/standin.log" 2>&1 &
standin_pid=$!
jobs_to_end+=("$standin_pid")
env -u SLUICE_PIN_DIR nsenter --net="/run/netns/sl$$-node1" "$daemon" "$work/sender.yaml" \
	>"$work/sender.log" 2>&1 &
sender_pid=$!
jobs_to_end+=("$sender_pid")
ns bal2 "$flood" catch 10.3.0.12:7947 "$work/caught" || not_ok "a beacon is caught" "none came"
for number in 1 2; do
	now="beacons, bal$number"
	address=10.3.0.$((10 + number)):7946
	expect_soon "$now: the node is ready" 30 beacon_is "bal$number" 10.3.0.101:83 ready
	ns node2 "$flood" udp "$address" "$work/caught" 5
	expect_soon "$now: sent again they are replayed" 20 host_counter_above "bal$number" drop_beacon_replayed 4
	cp "$work/caught" "$work/forged"
	printf '\xa5' | dd of="$work/forged" bs=1 seek=60 conv=notrunc status=none
	ns node2 "$flood" udp "$address" "$work/forged" 5
	expect_soon "$now: changed they are forged" 20 host_counter_above "bal$number" drop_beacon_forged 4
done
{ kill -KILL "$standin_pid" && wait "$standin_pid"; } 2>/dev/null
for number in 1 2; do
	expect_soon "beacons, bal$number: a server that is gone is sick" 60 \
		beacon_is "bal$number" 10.3.0.101:83 sick
	expect_soon "beacons, bal$number: and its breaker opens" 60 row_is "bal$number" 10.3.0.101:83 state open
done
{ kill -KILL "$sender_pid" && wait "$sender_pid"; } 2>/dev/null
expect_soon "beacons that stop are old" 60 row_is bal1 10.3.0.101:83 stale true

# ---- a host that is gone: silent connects --------------------------------------------------------
for number in 1 2; do on "bal$number" breaker close nat/0 >/dev/null; done
ns router ip link set dev to-node1 down
for number in 1 2; do
	route_to "$number"
	ns client "$connect" ask 10.9.0.1:83 20 20 20000 >"$work/tally"
	expect "a host is gone, bal$number: connects find another node" "$(tally failed) $(tally n2)" == "0 20"
	expect "a host is gone, bal$number: SYNs moved" "$(host_counter "bal$number" retry_moved)" -ge 1
done
finish
