# SPDX-License-Identifier: BSD-2-Clause
# lib.sh - the network that the tests of this folder share, and how they judge. Sourced, never run.
#
#   client ns                sluice ns                          node ns 1..N
#  +-----------+          +-------------+                     +---------------+
#  |  c  .2 ---|-- veth --|- c  .1      |                     |               |
#  +-----------+  10.1.0  |      n1  .1 |-- veth, 10.2.1.0/24 |- n  .2  :8000 |  says "n1"
#                 fd01::  |      n2  .1 |-- veth, 10.2.2.0/24 |- n  .2  :8000 |  says "n2"
#                         |      ...    |   fd02:I::/64       |               |
#                         +-------------+                     +---------------+
#   The service is 10.9.0.1:80 and [fd09::1]:80; the client routes both to the sluice ns.
#
# Namespaces are entered by nsenter, not by `ip netns exec`: that would hide bpffs. Names carry the
# process id, so tests may run side by side. On any exit everything is removed. Needs: bash, ip,
# ethtool, nsenter, bpftool where a test says so, and build/ programs.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${B:-$root/build}
[[ $build == /* ]] || build=$root/$build
sluice=$build/sluice
connect=$build/net/connect
test_name=$(basename "$0" .sh)
work=$(mktemp -d "/tmp/sluice-$test_name.XXXXXX")
config=$work/sluice.yaml
vip=10.9.0.1:80
vip6=[fd09::1]:80
export SLUICE_PIN_DIR=/sys/fs/bpf/sluice-test-$$
export SLUICE_ADMIN_SOCKET=$work/admin.sock
declare -a namespaces=() jobs_to_end=()
declare -A server_pids=()
failures=0
mounted_bpffs=

# ---- judging ----------------------------------------------------------------------------------
ok() { echo "ok $test_name: $1"; }
not_ok() { # NAME WHY
	echo "not ok $test_name: $1: $2"
	failures=$((failures + 1))
}
# expect NAME GOT OPERATOR WANTED: == and != compare strings, -eq -ge -gt -le -lt numbers
expect() {
	local good
	case $3 in
	== | !=) [[ $2 == "$4" ]] && good=1 || good=0; [[ $3 == '!=' ]] && good=$((1 - good)) ;;
	*) [ "$2" "$3" "$4" ] 2>/dev/null && good=1 || good=0 ;;
	esac
	if ((good)); then ok "$1"; else not_ok "$1" "got '$2', wanted $3 '$4'"; fi
}
# expect_soon NAME SECONDS COMMAND...: the command succeeds within that time
expect_soon() {
	local name=$1 seconds=$2
	shift 2
	if wait_for "$seconds" "$@"; then ok "$name"; else not_ok "$name" "not within $seconds s: $*"; fi
}
wait_for() { # SECONDS COMMAND...: so long, times SLUICE_PATIENCE where the machine is slow
	local end=$((SECONDS + $1 * ${SLUICE_PATIENCE:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}
# A thing the test cannot do without. Names what provides it, as a failure: never a silent skip.
need() { # COMMAND WHAT
	command -v "$1" >/dev/null && return
	not_ok needs "$1 is missing ($2)"
	exit 1
}
finish() {
	((failures == 0)) || show_state
	exit $((failures > 0))
}
show_state() {
	echo "# state of $test_name at the end:"
	"$sluice" status 2>&1 | sed 's/^/# /' | cut -c1-200
}

. "$root/tests/shows.sh"

# ---- the network ------------------------------------------------------------------------------
ns() { # NAME COMMAND...: in the namespace `client`, `sluice` or `node1`..
	local name=$1
	shift
	nsenter --net="/run/netns/sl$$-$name" "$@"
}
add_ns() {
	ip netns add "sl$$-$1" && namespaces+=("sl$$-$1")
	ns "$1" ip link set lo up
}
# A veth pair whose far end checks nothing off to a card that is not there (rewritten packets would
# carry wrong sums), and receives by NAPI (else a redirect into the near end is lost).
add_wire() { # NEAR_NS NEAR_DEVICE FAR_NS FAR_DEVICE
	ns "$1" ip link add name "$2" type veth peer name "$4" netns "sl$$-$3"
	ns "$3" ethtool -K "$4" tx off gro on >/dev/null 2>&1
	ns "$1" ethtool -K "$2" tx off >/dev/null 2>&1
	ns "$1" ip link set dev "$2" up
	ns "$3" ip link set dev "$4" up
}
# What XDP sends back out of a veth by the way it came stays in the far end's queue until other packets
# wake that up, unless the far end runs an XDP program too (Linux: veth_xdp_flush). Where the lane's
# hook is not XDP that program is taken off again: it would cost segmentation offload.
take_back() { # NS DEVICE
	if [[ ${hook:-native} == native ]]; then
		ns "$1" ip -force link set dev "$2" xdpdrv object "$build/net/other.bpf.o" program someone_else ||
			not_ok "$1" "no XDP program on $2"
	else
		ns "$1" ip link set dev "$2" xdpdrv off
	fi
}
add_address() { # NS DEVICE ADDRESS/LEN...
	local name=$1 device=$2 address
	shift 2
	for address; do
		if [[ $address == *:* ]]; then
			ns "$name" ip address add "$address" dev "$device" nodad
		else
			ns "$name" ip address add "$address" dev "$device"
		fi
	done
}
node_address() { echo "10.2.$1.2:8000"; }
node_address6() { echo "[fd02:$1::2]:8000"; }
start_node() { # NUMBER: its server, for both families
	local address
	for address in "$(node_address "$1")" "$(node_address6 "$1")"; do
		# not by ns(): the id must be the server's, not that of a shell around it
		nsenter --net="/run/netns/sl$$-node$1" "$connect" serve "$address" "n$1" &
		server_pids[$1]+=" $!"
	done
	wait_for 10 ns "node$1" "$connect" ask "$(node_address6 "$1")" 1 1 || return
}
stop_node() { # NUMBER: its ports answer RST from now on
	# shellcheck disable=SC2086  # a list of ids
	{ kill -KILL ${server_pids[$1]} && wait ${server_pids[$1]}; } 2>/dev/null
	server_pids[$1]=
}
refuse_node() { # NUMBER: new connections get RST, those that stand go on
	# shellcheck disable=SC2086
	kill -USR1 ${server_pids[$1]}
	wait_for 5 node_refuses "$1"
}
node_refuses() { ns "node$1" "$connect" ask "$(node_address "$1")" 1 1 | grep -q '^refused 1'; }
# The node answers nothing that comes from the sluice host; its SYN-ACKs go nowhere.
blackhole_node() {
	ns "node$1" ip route add blackhole "10.2.$1.1/32"
	ns "node$1" ip route flush cache
}
unblackhole_node() { ns "node$1" ip route del blackhole "10.2.$1.1/32"; }
setup() { # NODES
	local number
	mount_bpffs
	add_ns sluice
	add_ns client
	ns sluice sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	add_wire sluice c client c
	add_address sluice c 10.1.0.1/24 fd01::1/64
	add_address client c 10.1.0.2/24 fd01::2/64
	ns client ip route add default via 10.1.0.1
	ns client ip route add default via fd01::1
	for ((number = 1; number <= $1; number++)); do
		add_ns "node$number"
		add_wire sluice "n$number" "node$number" n
		add_address sluice "n$number" "10.2.$number.1/24" "fd02:$number::1/64"
		add_address "node$number" n "10.2.$number.2/24" "fd02:$number::2/64"
		ns "node$number" ip route add default via "10.2.$number.1"
		ns "node$number" ip route add default via "fd02:$number::1"
		start_node "$number"
		ns sluice "$connect" ask "$(node_address "$number")" 1 1 >/dev/null
		ns sluice "$connect" ask "$(node_address6 "$number")" 1 1 >/dev/null
	done
	ns client "$connect" ask 10.1.0.1:1 1 1 >/dev/null
	ns client "$connect" ask '[fd01::1]:1' 1 1 >/dev/null
}
mount_bpffs() {
	mountpoint -q /sys/fs/bpf && return
	mount -t bpf bpf /sys/fs/bpf && mounted_bpffs=1
}
# Writes the configuration: nodes 1..N of family 4 or 6, and what else the test wants on top level.
write_config() { # NODES [FAMILY [TUNABLES]]
	local number
	{
		echo "kernel:"
		echo "  devices: [c$(for ((number = 1; number <= $1; number++)); do
			printf ', n%d' "$number"; done)]"
		[[ -z ${3:-} ]] || printf 'tunables: {%s}\n' "$3"
		echo "pools:"
		echo "  chat:"
		echo "    nodes:"
		for ((number = 1; number <= $1; number++)); do
			if [[ ${2:-4} == 6 ]]; then
				echo "      - \"$(node_address6 "$number")\""
			else
				echo "      - $(node_address "$number")"
			fi
		done
		echo "services:"
		if [[ ${2:-4} == 6 ]]; then
			echo "  - {address: \"$vip6\", lane: fast, pool: chat}"
		else
			echo "  - {address: $vip, lane: fast, pool: chat}"
		fi
	} >"$config"
}
# The fast lane's hook is native XDP unless the environment or the test says `hook=tc` and so on.
up() { # further options of `sluice up`
	if ns sluice "$sluice" up "$config" --hook "${hook:-native}" "$@" >"$work/up.log" 2>&1; then
		return 0
	fi
	not_ok up "$(cat "$work/up.log")"
	return 1
}
down() { ns sluice "$sluice" down >"$work/down.log" 2>&1; }

# ---- traffic and state ------------------------------------------------------------------------
# Connections of the client; the tally goes to $work/tally. ask COUNT [PARALLEL [TIMEOUT_MS]]
ask() { ns client "$connect" ask "${service:-$vip}" "$@" >"$work/tally"; }
# tally NAME: how many of the last `ask` went there (failed, refused, n1, ...)
tally() { sed -n "s/^$1 //p" "$work/tally" | grep . || echo 0; }
# Connections that stay until all are open, so that the nodes' load decides who gets the next one, not
# which of them answered quickly by chance: fill COUNT AT_ONCE; the tally as after `ask`
fill() {
	ns client "$connect" hold "${service:-$vip}" "$1" 5000 "$2" </dev/null |
		awk '{ print "failed", $6; for (i = 9; i < NF; i += 2) print $i, $(i + 1) }' >"$work/tally"
}
# New connections without end, from start_load to end_load; load_tally NAME as tally, over all of them.
# start_load GAP_MS: so long from one to the next, for a test that takes minutes. Without it a client
# soon has all its ports in TIME_WAIT, and its kernel seeks a free one for milliseconds.
start_load() {
	touch "$work/loading"
	while [[ -e $work/loading ]]; do
		ns client "$connect" ask "${service:-$vip}" 100 2 5000 ${1:-}
	done >"$work/load" &
	load_pid=$!
	jobs_to_end+=("$load_pid")
}
end_load() {
	rm -f "$work/loading"
	wait "$load_pid"
}
load_tally() { awk -v name="$1" '$1 == name { sum += $2 } END { print sum + 0 }' "$work/load"; }
# The node's line of the status: node_json NUMBER
node_json() { "$sluice" status --json | grep "\"index\": $(($1 - 1)), "; }
node_field() { # NUMBER FIELD
	node_json "$1" | sed -n "s/.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}
node_is() { # NUMBER FIELD VALUE
	[[ $(node_field "$1" "$2") == "$3" ]]
}
# State number of the node's breaker as bpftool reads it: bits 61-63 of the word (bpf/breaker.h).
bpftool_state() { # NUMBER
	local word
	word=$(bpftool map dump pinned "$SLUICE_PIN_DIR/nodes" | awk -v slot="$(node_field "$1" slot)" '
		$1 == "\"key\":" { at = ($2 + 0 == slot) }
		at && $1 == "\"breaker\":" { sub(",", "", $2); print $2; exit }')
	echo $((word >> 61 & 7))
}
counter() { # NAME
	"$sluice" status --json | sed -n "s/.*\"counters\": .*\"$1\": \([0-9]*\).*/\1/p" | grep . ||
		echo 0
}
# Connections that stay open: hold COUNT, then `hold_round` asks all of them again and prints
# "alive lost changed".  held NAME: how many of those alive are at that node
held() { sed "s/.*\b$1 \([0-9]*\).*/\1/; t; s/.*/0/" <<<"$held_names"; }
hold() {
	coproc HOLD {
		exec nsenter --net="/run/netns/sl$$-client" "$connect" hold "${service:-$vip}" "$@"
	}
	jobs_to_end+=("$HOLD_PID")
	hold_line
}
hold_line() {
	local line
	while read -r -t $((60 * ${SLUICE_PATIENCE:-1})) line <&"${HOLD[0]}"; do
		if [[ $line == round* ]]; then
			# shellcheck disable=SC2086
			set -- $line
			held_alive=$4 held_lost=$6 held_changed=$8 held_names=${*:9}
			return 0
		fi
	done
	held_alive=none held_lost=none held_changed=none held_names=
	return 1
}
hold_round() {
	echo >&"${HOLD[1]}"
	hold_line
}
end_hold() { # closes them, so that the test may hold others
	local pid=$HOLD_PID
	exec {HOLD[1]}>&-
	wait "$pid"
}

# ---- the end ----------------------------------------------------------------------------------
cleanup() {
	local status=$? number pid name
	trap - EXIT
	trap '' INT TERM HUP
	rm -f "$work/loading"
	for number in "${!server_pids[@]}"; do
		# shellcheck disable=SC2206  # a list of ids
		jobs_to_end+=(${server_pids[$number]})
	done
	for pid in "${jobs_to_end[@]}"; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	if [[ -e $SLUICE_PIN_DIR ]]; then "$sluice" down >/dev/null 2>&1; fi
	for name in "${namespaces[@]}"; do ip netns del "$name" 2>/dev/null; done
	[[ -z $mounted_bpffs ]] || umount /sys/fs/bpf 2>/dev/null
	rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

[[ $EUID == 0 ]] || { not_ok needs "root (sudo $0)"; exit 1; }
[[ -x $sluice ]] || { not_ok needs "$sluice (make)"; exit 1; }
[[ -x $connect ]] || { not_ok needs "$connect (make nettools)"; exit 1; }
need ip iproute2
need nsenter util-linux
need ethtool ethtool
