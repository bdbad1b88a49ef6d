#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# choose.sh - which hook `--hook auto` takes on which device, and that it says why.
#
#   client --- sluice --- node1, node2       in the sluice ns also: lo, a bridge, a tun device, a
#                                            VLAN, a bond, and in a virtual machine its virtio card
#
# VLAN and bond need the kernel's modules; where it has none, a skip line says so.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
setup 2
write_config 2
hook=auto

# what `up` said of a device: "TC (reason)"
said() { sed -n "s/^  $1: //p" "$work/up.log"; }
shown() { # DEVICE: its kinds in the status, in order
	"$sluice" status --json | sed -n "s/.*\"device\": \"$1\".*\"mode\": \"\([a-z_]*\)\".*/\1/p" | sort | tr '\n' ' '
}
tc_pair='\(tcx_egress tcx_lane\|cls_egress cls_lane\) '
offload="XDP would switch its segmentation offload off"
choose_alone() { # DEVICE: up on it alone, and down again
	up --device "$1" || finish
	kinds=$(shown "$1")
	down
}

# ---- veth, and what has no native XDP ----------------------------------------------------------
plain_devices() {
	up || finish
	for device in c n1 n2; do
		expect "veth $device: TC, for its offload" "$(said $device)" == "TC (driver veth: $offload)"
		expect "veth $device: the status shows it" "$(shown $device | grep -c "^$tc_pair$")" == 1
	done
	ask 100 4
	expect "no connection fails" "$(tally failed)" == 0
	expect "by the fast lane" "$(counter flow_opened)" == 100
	up --replace || finish
	expect "auto keeps what is there" "$(said n1)" == "TC (as it was; program replaced)"
	down

	hook=native up || finish
	up --replace || finish
	expect "also native XDP" "$(said n1)" == "native XDP (as it was; program replaced)"
	down

	sed 's/^kernel:/kernel:\n  hook: generic/' "$config" >"$work/hook.yaml"
	ns sluice "$sluice" up "$work/hook.yaml" >"$work/up.log" 2>&1
	expect "kernel.hook of the configuration" "$? $(said n1)" == "0 generic XDP (as asked for)"
	ns sluice "$sluice" up "$work/hook.yaml" --replace --hook auto >"$work/up.log" 2>&1
	expect "--hook comes before it" "$? $(said n1)" == "0 generic XDP (as it was; program replaced)"
	down

	choose_alone lo
	expect "no native XDP: TC rather than generic" \
		"$(said lo)" == "TC (driver of this device has no native XDP)"
	expect "and nothing of the attempt is left" "$(grep -c "^$tc_pair$" <<<"$kinds")" == 1
	ns sluice "$sluice" up "$config" --device lo --hook native >"$work/log" 2>&1
	expect "where native is demanded it is refused" "$? $(grep -c 'next: sluice up with --hook auto' "$work/log")" == "1 1"
	expect "and nothing is left" "$([[ -e $SLUICE_PIN_DIR ]] && echo pins)" == ""
	ns sluice ip link add name br0 type bridge
	choose_alone br0
	expect "a bridge: TC" "$(said br0)" == "TC (driver bridge has no native XDP)"
	modprobe tun 2>/dev/null
	if ns sluice ip tuntap add dev tap0 mode tap 2>/dev/null; then
		choose_alone tap0
		expect "a tap device: TC" "$(said tap0)" == "TC (driver tun: $offload)"
	else
		echo "skip $test_name: this kernel has no tap devices (modprobe tun)"
	fi
}

# ---- devices on top of devices, and those of a virtual machine -----------------------------------
stacked_devices() {
	if ns sluice ip link add link c name c.7 type vlan id 7 2>/dev/null; then
		choose_alone c.7
		expect "a VLAN of a veth: TC on the VLAN" \
			"$(said c.7)" == "TC (a VLAN of c, driver veth: XDP would switch segmentation offload off)"
		expect "and nothing on its parent" "$(shown c)" == ""
		up --device c.7 --hook native || finish
		expect "native on a VLAN means its parent" \
			"$(said c) $(said c.7)" == "native XDP (the parent of c.7, as asked for) "
		up --device c.7 --replace || finish
		expect "where auto keeps it" \
			"$(said c)" == "native XDP (the parent of c.7, as it was; program replaced)"
		down
	else
		echo "skip $test_name: this kernel has no VLAN devices (modprobe 8021q)"
	fi
	if ns sluice ip link add name bond0 type bond mode active-backup 2>/dev/null; then
		ns sluice ip link add name p0 type veth peer name p1
		ns sluice ip link set dev p0 master bond0
		choose_alone bond0
		expect "a bond of veth: TC, for its port" \
			"$(said bond0)" == "TC (port p0, driver veth: $offload)"
		up --device bond0 --hook native || finish
		expect "a bond runs native XDP where it is asked to" "$(said bond0)" == "native XDP (as asked for)"
		down
	else
		echo "skip $test_name: this kernel has no bonds (modprobe bonding)"
	fi
	if [[ -n ${VMTEST_GUEST:-} ]]; then
		ip link set dev eth1 netns "sl$$-sluice"
		choose_alone eth1
		expect "a virtio card: TC" "$(said eth1)" == "TC (driver virtio_net: $offload)"
		ns sluice ip link set dev eth1 netns 1
	fi
}

# ---- beside the programs of others --------------------------------------------------------------
beside_others() {
	other=$SLUICE_PIN_DIR-other
	trap 'failures=$?; rm -rf "$other"; (exit "$failures"); cleanup' EXIT
	bpftool prog loadall "$build/net/other.bpf.o" "$other" >/dev/null || not_ok other "cannot be loaded"
	for name in someone_else xdp_dispatcher; do
		ns sluice bpftool net attach xdpgeneric pinned "$other/$name" dev lo
		choose_alone lo
		expect "$name: TC beside it, with the reason" \
			"$(said lo | grep -c "^TC (lo runs the XDP program \"$name\" (id [0-9]*) of someone else)$")" == 1
		ns sluice bpftool net detach xdpgeneric dev lo
		ns sluice bpftool net attach xdpdrv pinned "$other/$name" dev n1
		up || finish
		ask 100 4
		expect "$name: no connection fails" "$(tally failed)" == 0
		expect "$name: by the fast lane" "$(counter flow_opened)" == 100
		up --replace || finish
		expect "$name: and so it stays" "$(said n1)" == "TC (as it was; program replaced)"
		down
		expect "$name: it runs on" "$(ns sluice ip -d link show dev n1 | grep -c "prog/xdp.*name $name")" == 1
		for hook in native generic; do
			ns sluice "$sluice" up "$config" --hook $hook >"$work/log" 2>&1
			expect "$name: $hook is refused, with its name and what helps" \
				"$? $(grep -c "\"n1\": already runs the XDP program \"$name\"" "$work/log") $(
					grep -c 'next: sluice up with --hook tc' "$work/log")" == "1 1 1"
			expect "$name: and nothing is left" "$([[ -e $SLUICE_PIN_DIR ]] && echo pins)" == ""
		done
		hook=auto
		ns sluice bpftool net detach xdpdrv dev n1
	done

	# another sluice on the same device is no one to stand beside: two lanes would fight
	for hook in native tc; do
		up || finish
		for second in auto native tc; do
			SLUICE_PIN_DIR=$SLUICE_PIN_DIR-b ns sluice "$sluice" up "$config" --hook $second \
				>"$work/log" 2>&1
			expect "$second beside another sluice's $hook is refused" \
				"$? $(grep -c 'next:' "$work/log")" == "1 1"
			expect "and what the refused one had made is gone" \
				"$([[ -e $SLUICE_PIN_DIR-b ]] && echo pins)" == ""
		done
		down
	done
}

# in a virtual machine, where loading is slow, only what this machine does not have
[[ -n ${VMTEST_GUEST:-} ]] || plain_devices
stacked_devices
[[ -n ${VMTEST_GUEST:-} ]] || beside_others
finish
