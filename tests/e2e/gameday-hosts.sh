# SPDX-License-Identifier: BSD-2-Clause
# gameday-hosts.sh - the hosts of the game day, sourced by gameday.sh.
#
# As root: four hosts, each a network namespace behind a wire of its own, and both planes on the one between them.
#
#   client 10.1.0.2 -- client .1 +------------------+ east .1 -- east 10.2.1.2   n1, n2
#                                | this namespace:  | west .1 -- west 10.2.2.2   n3, n4
#     10.9.0.1:80: pool "chat"   | XDP, TC, sluiced | rest .1 -- rest 10.2.3.2   n5 and what answers depend on
#     on the fast lane           +------------------+
#
# Without root, and under the sanitizers: one host, 127.0.0.1, and the daemon alone.
#
# A namespace is held by a process, a bpffs by this mount namespace (lib.sh made it): the kernel takes both
# away when the test ends, however it ends.
# shellcheck shell=bash disable=SC2154,SC2046 # build, work, config are lib.sh's; into gives words
vip=10.9.0.1
declare -A holder=() # by host: the process that holds its namespace
planes=one
# root of a user namespace (lib.sh) may load no programs
[[ $(</proc/self/uid_map) != *4294967295* || $(id -u) != 0 || $(basename "$build") == build-san || ! -x $build/sluice ]] || planes=both

address() { # n1..n8
	[[ $planes == both ]] || { echo 127.0.0.1; return; }
	case $1 in
	n1 | n2) echo 10.2.1.2 ;;
	n3 | n4) echo 10.2.2.2 ;;
	*) echo 10.2.3.2 ;;
	esac
}
into() { # HOST: the words before a command that is to run there; none where there is one host
	[[ $planes == one ]] || echo nsenter "--net=/proc/${holder[$1]}/ns/net"
}
host_of() { # n1..n8
	case $1 in
	n1 | n2) echo east ;;
	n3 | n4) echo west ;;
	*) echo rest ;;
	esac
}
is_apart() { [[ $(readlink "/proc/${holder[$1]}/ns/net") != "$(readlink /proc/self/ns/net)" ]]; } # HOST
# As real as a card: no checksum is left to a device that is not there, and the far end receives by NAPI.
add_host() { # NAME NETWORK
	unshare -n sleep infinity </dev/null >"$work/host-$1.log" 2>&1 &
	holder[$1]=$!
	wait_for 20 is_apart "$1" || return
	ip link add name "$1" type veth peer name eth0 netns "${holder[$1]}" || return
	$(into "$1") ip link set lo up
	$(into "$1") ethtool -K eth0 tx off gro on >"$work/ethtool" || return
	ethtool -K "$1" tx off >"$work/ethtool" || return
	ip address add "$2.1/24" dev "$1"
	$(into "$1") ip address add "$2.2/24" dev eth0
	ip link set dev "$1" up
	$(into "$1") ip link set dev eth0 up
	$(into "$1") ip route add default via "$2.1"
}
make_hosts() {
	[[ $planes == both ]] || return 0
	echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
	add_host client 10.1.0 && add_host east 10.2.1 && add_host west 10.2.2 && add_host rest 10.2.3 || return
	mkdir "$work/bpf"
	mount -t bpf bpf "$work/bpf" || return
	export SLUICE_PIN_DIR=$work/bpf/sluice
}
# What the configuration has of it.
kernel_config() {
	[[ $planes == both ]] || return 0
	cat <<-END
		kernel: {devices: [client, east, west, rest], pin_dir: $work/bpf/sluice}
		services:
		  - {address: "$vip:80", lane: fast, pool: chat}
	END
}
attach() {
	[[ $planes == both ]] || return 0
	sed -i 's/^listen: .*/listen: 0.0.0.0:8080/' "$config" # the clients' host asks too
	"$build/sluice" up "$config" >"$work/up.log" 2>&1
}
detach() {
	[[ $planes == both ]] || return 0
	"$build/sluice" down >"$work/down.log" 2>&1
}
