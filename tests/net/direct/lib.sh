# SPDX-License-Identifier: BSD-2-Clause
# lib.sh - the network of the tests with direct return. Sourced after ../lib.sh, never run.
#
#   client ns          router ns                          one segment: a bridge in the router ns
#  +---------+      +-------------+        +--------+     10.3.0.0/24, fd03::/64
#  | c .2 ---|------|- c .1       |        | bal1   |---+
#  +---------+ 10.1 |   br0 .1 ---|--------| b  .11 |   |  +-----------------+
#              .0   |             |        +--------+   +--| node1           |
#           fd01::  |  VIP via    |        | bal2   |---+  | n .101  lo: VIP |  says "n1"
#                   |  the        |        | b  .12 |   |  +-----------------+
#                   |  balancers  |        +--------+   +--  node2 .. nodeN
#
#   The service is 10.9.0.1:80 and [fd09::1]:80, on `lo` of every node, whose default route is the
#   router: answers do not see the balancers.
#
# Each host has a kernel plane of its own, in $SLUICE_PIN_DIR-HOST. `hook` says at which hook they
# run; at native XDP the bridge's ends carry a program that passes all, for a veth delivers what XDP
# sends back (XDP_TX) only into such an end.

seed=4711
declare -a direct_hosts=() # those with a kernel plane
declare -A direct_ports=() # the bridge's end of each host's wire

pins_of() { echo "$SLUICE_PIN_DIR-$1"; }
# on HOST ARGUMENTS...: the sluice command in the host's namespace, with its pins
on() {
	local host=$1
	shift
	SLUICE_PIN_DIR=$(pins_of "$host") ns "$host" "$sluice" "$@"
}
host_counter() { # HOST NAME
	on "$1" status --json | sed -n "s/.*\"counters\": .*\"$2\": \([0-9]*\).*/\1/p" | grep . || echo 0
}
# Of its row of its own node: host_node_field HOST NODE_NUMBER FIELD
host_node_field() {
	on "$1" status --json | grep "\"address\": \"[^ ]*$((100 + $2))\]*:80\"" |
		sed -n "s/.*\"$3\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}
direct_node() { # NUMBER [FAMILY]: its address and port, which is the service's
	if [[ ${2:-4} == 6 ]]; then echo "[fd03::$((100 + $1))]:80"; else echo "10.3.0.$((100 + $1)):80"; fi
}
# Both families; where loading programs takes half a minute, one a hook.
direct_families() {
	if [[ -z ${VMTEST_GUEST:-} ]]; then echo 4 6; elif [[ $hook == tc ]]; then echo 4; else echo 6; fi
}
direct_vip() { if [[ $1 == 6 ]]; then echo "$vip6"; else echo "$vip"; fi; } # FAMILY

add_host() { # NAME DEVICE NUMBER: on the segment
	add_ns "$1"
	add_wire router "to-$1" "$1" "$2"
	ns router ethtool -K "to-$1" gro on >/dev/null 2>&1
	ns router ip link set dev "to-$1" master br0
	direct_ports[$1]="to-$1"
	add_address "$1" "$2" "10.3.0.$3/24" "fd03::$3/64"
	ns "$1" ip route add default via 10.3.0.1
	ns "$1" ip route add default via fd03::1
	ns "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}
start_server() { # NUMBER: of the service, both families
	local address
	for address in "$vip" "$vip6"; do
		nsenter --net="/run/netns/sl$$-node$1" "$connect" serve "$address" "n$1" &
		server_pids[$1]+=" $!"
	done
	wait_for 10 ns "node$1" "$connect" ask "$vip6" 1 1
	wait_for 10 ns "node$1" "$connect" ask "$vip" 1 1
}
add_node() { # NUMBER
	add_host "node$1" n $((100 + $1))
	add_address "node$1" lo 10.9.0.1/32 fd09::1/128
	start_server "$1"
}
direct_setup() { # NODES BALANCERS
	local number
	mount_bpffs
	add_ns router
	add_ns client
	ns router sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	ns router ip link add name br0 type bridge
	ns router ip link set dev br0 up
	add_wire router c client c
	add_address router c 10.1.0.1/24 fd01::1/64
	add_address router br0 10.3.0.1/24 fd03::1/64
	add_address client c 10.1.0.2/24 fd01::2/64
	ns client ip route add default via 10.1.0.1
	ns client ip route add default via fd01::1
	for ((number = 1; number <= $2; number++)); do add_host "bal$number" b $((10 + number)); done
	for ((number = 1; number <= $1; number++)); do add_node "$number"; done
	route_to 1
	[[ ${hook:-tc} != native ]] || pass_at_ports
}
# The service's packets go by these balancers from now on: route_to NUMBER...
route_to() {
	local number hops4=() hops6=()
	for number; do
		hops4+=(nexthop via "10.3.0.$((10 + number))")
		hops6+=(nexthop via "fd03::$((10 + number))" dev br0)
	done
	ns router ip route replace 10.9.0.1/32 "${hops4[@]}"
	ns router ip -6 route replace fd09::1/128 "${hops6[@]}"
}
# all_over HOSTS...: they have no TCP connection but in TIME_WAIT, so none is left that would repeat its
# last packets, maybe to a balancer that does not know it any more
all_over() {
	local host
	for host; do
		ns "$host" cat /proc/net/tcp /proc/net/tcp6 |
			awk '$1 ~ /^[0-9]+:$/ && $4 != "06" && $4 != "0A" { left = 1 } END { exit left }' || return
	done
}
# repeated HOSTS...: TCP packets that they have sent again so far
repeated() {
	local host
	for host; do ns "$host" cat /proc/net/snmp; done | awk '$1 == "Tcp:" && $2 + 0 == 0 {
		for (i = 2; i <= NF; i++) if ($i == "RetransSegs") at = i
	}
	$1 == "Tcp:" && $2 + 0 > 0 { sum += $at } END { print sum + 0 }'
}
pass_at_ports() {
	local port pins=$SLUICE_PIN_DIR-pass
	bpftool prog loadall "$build/net/other.bpf.o" "$pins" >/dev/null || not_ok pass "cannot be loaded"
	for port in "${direct_ports[@]}"; do
		ns router bpftool net attach xdpdrv pinned "$pins/someone_else" dev "$port"
	done
	rm -rf "$pins"
}
# The file of a host: direct_config HOST FAMILY MODE "NODE NUMBERS" [LINES OF kernel:]
direct_config() {
	local number device=b
	[[ $1 != node* ]] || device=n
	{
		echo "kernel:"
		echo "  devices: [$device]"
		echo "  seed: $seed"
		[[ $1 != node* ]] || echo "  role: node"
		[[ -z ${5:-} ]] || printf '  %s\n' "$5"
		echo "pools:"
		echo "  chat:"
		echo "    mode: $3"
		echo "    nodes:"
		for number in $4; do echo "      - \"$(direct_node "$number" "$2")\""; done
		if [[ $2 == 4 ]]; then # a second service, for bulk
			printf '  bulk:\n    mode: %s\n    nodes:\n' "$3"
			for number in $4; do echo "      - 10.3.0.$((100 + number)):8001"; done
		fi
		echo "services:"
		echo "  - {address: \"$(direct_vip "$2")\", lane: fast, pool: chat}"
		[[ $2 != 4 ]] || echo "  - {address: 10.9.0.1:8001, lane: fast, pool: bulk}"
	} >"$work/$1.yaml"
}
host_up() { # HOST [OPTIONS]
	local host=$1
	shift
	direct_hosts+=("$host")
	on "$host" up "$work/$host.yaml" --hook "${hook:-tc}" "$@" >"$work/$host.log" 2>&1 && return
	not_ok "up on $host" "$(cat "$work/$host.log")"
	return 1
}
host_down() { on "$1" down >/dev/null 2>&1; } # HOST
# Next hops that nobody knows yet would cost the first packets their time.
direct_meet() { # HOST NUMBERS...: the host asks for the link addresses of nodes and router
	local host=$1 number
	shift
	for number; do
		ns "$host" ping -q -c 1 -W 2 "10.3.0.$number" >/dev/null
		ns "$host" ping -q -c 1 -W 2 "fd03::$number" >/dev/null
	done
}

direct_cleanup() {
	local status=$? host
	for host in "${direct_hosts[@]}"; do host_down "$host"; done
	(exit "$status")
	cleanup
}
trap direct_cleanup EXIT
need ping iputils-ping
need bpftool bpftool
show_state() {
	local host
	for host in $(printf '%s\n' "${direct_hosts[@]}" | sort -u); do
		echo "# $host at the end of $test_name:"
		on "$host" status 2>&1 | sed 's/^/# /' | cut -c1-200
		on "$host" status --json 2>/dev/null | grep '"counters"' | cut -c1-1500 | sed 's/^/# /'
	done
}
