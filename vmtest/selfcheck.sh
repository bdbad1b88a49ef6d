#!/bin/bash
# vmtest/selfcheck.sh - can this kernel carry sluice at all?
#
#      namespace sl-vm-a            namespace sl-vm-b
#      .--------------.   veth      .--------------.
#      | va 10.99.0.1 |-------------| vb 10.99.0.2 |  native XDP and TC ingress on vb
#      | ea 10.98.0.1 |-------------| eb 10.98.0.2 |  two virtio cards, native XDP on eb
#      '--------------'   virtio    '--------------'
#
# Runs first in every guest: when a later test fails, this says whether the ground holds. It needs
# what vmtest/run builds in build/vmtest/selfcheck, and runs on the host as well, where the virtio
# part is skipped: the host's cards are left alone.

# shellcheck disable=SC2317 # check calls the functions
set -u
built=build/vmtest/selfcheck
pins=/sys/fs/bpf/sl-vm-selfcheck
failed=0

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; failed=1; }

# check NAME COMMAND...: one line by the command's status, its output as the reason.
check() {
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "${said//$'\n'/ | }"; fi
}

clean() {
	rm -rf "$pins"
	ip netns del sl-vm-a 2>/dev/null
	ip netns del sl-vm-b 2>/dev/null
}

# Twenty tries of a second each: neighbour discovery on a slow machine, not a measure of speed.
reaches() {
	ip netns exec sl-vm-a ping -c 3 -i 0.2 -w 20 "$1"
}

packets_seen() { # SLOT
	bpftool -j map lookup pinned "$pins/maps/seen" key hex "0$1" 00 00 00 |
		jq -er '.formatted.value'
}

# counted SLOT DEVICE ADDRESS: traffic to ADDRESS moves the program's counter.
counted() {
	local before after
	before=$(packets_seen "$1") || return 1
	reaches "$2" >/dev/null || { echo "no answer from $2"; return 1; }
	after=$(packets_seen "$1") || return 1
	((after > before)) || { echo "counter stayed at $after"; return 1; }
}

# The pin of a program: bpftool names it by function or by section, as its version has it.
program() { # SECTION
	local pin
	for pin in "$pins/progs/selfcheck_$1" "$pins/progs/$1"; do
		[[ -e $pin ]] && break
	done
	echo "$pin"
}

# Not `ip -n`: that mounts a new sysfs, which hides the pins.
in_b() { nsenter --net=/run/netns/sl-vm-b "$@"; }

native_xdp() { # DEVICE
	in_b ip link set dev "$1" xdpdrv pinned "$(program xdp)" || return 1
	in_b ip -d link show dev "$1" | grep -q 'prog/xdp id' ||
		{ echo "$1 shows no native XDP program"; return 1; }
}

tc_ingress() { # DEVICE
	in_b tc qdisc add dev "$1" clsact &&
		in_b tc filter add dev "$1" ingress bpf direct-action object-pinned "$(program tc)"
}

load() {
	mkdir -p "$pins/progs" "$pins/maps" &&
		bpftool prog loadall "$built/selfcheck.bpf.o" "$pins/progs" pinmaps "$pins/maps"
}

addresses() { # NAMESPACE DEVICE ADDRESS4 ADDRESS6
	ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$1" addr add "$4/64" dev "$2" nodad &&
		ip -n "$1" link set "$2" up
}

veth_pair() {
	ip netns add sl-vm-a && ip netns add sl-vm-b &&
		ip link add va netns sl-vm-a type veth peer name vb netns sl-vm-b &&
		addresses sl-vm-a va 10.99.0.1 fd99::1 && addresses sl-vm-b vb 10.99.0.2 fd99::2
}

vlan_pair() {
	ip -n sl-vm-a link add link va name va.7 type vlan id 7 &&
		ip -n sl-vm-b link add link vb name vb.7 type vlan id 7 &&
		addresses sl-vm-a va.7 10.97.0.1 fd97::1 && addresses sl-vm-b vb.7 10.97.0.2 fd97::2
}

virtio_pair() {
	ip link set eth0 name ea netns sl-vm-a && ip link set eth1 name eb netns sl-vm-b &&
		addresses sl-vm-a ea 10.98.0.1 fd98::1 && addresses sl-vm-b eb 10.98.0.2 fd98::2
}

# A namespace that goes away gives real cards back to the first one, but under the name they had.
virtio_return() {
	ip -n sl-vm-b link set dev eb xdpdrv off
	ip -n sl-vm-a link set ea down name eth0 netns 1 &&
		ip -n sl-vm-b link set eb down name eth1 netns 1
}

trap clean EXIT
clean

check "kernel type information" test -s /sys/kernel/btf/vmlinux
check "bpffs mounted" mountpoint -q /sys/fs/bpf
check "BPF JIT on" grep -q '^[12]' /proc/sys/net/core/bpf_jit_enable
"$built/selfcheck_ring" || failed=1
check "programs load" load
check "namespaces and a veth pair" veth_pair
check "ping over veth" reaches 10.99.0.2
check "ping over veth, IPv6" reaches fd99::2
check "native XDP on veth" native_xdp vb
check "XDP on veth sees packets" counted 0 10.99.0.2
check "TC ingress on veth" tc_ingress vb
check "TC on veth sees packets" counted 1 10.99.0.2
check "VLAN over veth" vlan_pair
check "ping over VLAN" reaches 10.97.0.2

if [[ ${VMTEST_GUEST:-} != 1 ]]; then
	echo "ok virtio # skip not in a vmtest guest, the cards here are not ours"
else
	check "virtio pair" virtio_pair
	check "native XDP on virtio" native_xdp eb
	check "XDP on virtio sees packets" counted 0 10.98.0.2
	check "virtio pair given back" virtio_return
fi
exit $failed
