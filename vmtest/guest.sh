#!/bin/bash
# vmtest/guest.sh - the init of the test guest: prepare, run the plan, tell the host, reboot.
#
# Speaks to the host on the second serial port, so that kernel messages (on the first) never break
# a line. Lines that begin with `#vmtest` are the protocol, all others are a test's own output:
#
#   #vmtest boot RELEASE             the guest is ready
#   #vmtest begin PROGRAM
#   #vmtest left PROGRAM: WHAT       something outlived the program; it is removed here
#   #vmtest end PROGRAM STATUS SECONDS
#   #vmtest done
#
# /plan holds the programs; the kernel's command line sets vmtest.mode (run, shell) and
# vmtest.limit_s, the longest that one program may take.

export PATH=/usr/sbin:/usr/bin HOME=/root TERM=${TERM:-linux} LANG=C.UTF-8
tests_cgroup=/sys/fs/cgroup/vmtest

mounts() {
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /tmp
	mount -t bpf bpf /sys/fs/bpf
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
	mkdir -p /run/netns /run/lock
	ln -s /proc/self/fd /dev/fd
	ln -s /proc/self/fd/0 /dev/stdin
	ln -s /proc/self/fd/1 /dev/stdout
	ln -s /proc/self/fd/2 /dev/stderr
}

# parameter NAME: its value on the kernel's command line.
parameter() { sed -n "s/.*\bvmtest\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

prepare() {
	local module
	hostname vmtest
	ip link set lo up
	while read -r module; do modprobe "$module"; done </modules-load
	mkdir -p "$tests_cgroup"
	ulimit -n 65536
	export VMTEST_GUEST=1 SLUICE_BPF_OBJECT=/sluice/build/sluice.bpf.o
	SLUICE_PATIENCE=$(parameter patience)
	export SLUICE_PATIENCE
	# cmocka programs then print the lines that the host counts.
	export CMOCKA_MESSAGE_OUTPUT=TAP
	cd /sluice || return
}

# What a test must not leave: names of namespaces, and pins under bpffs.
possessions() {
	ip netns list | sed 's/^\([^ ]*\).*/namespace \1/'
	find /sys/fs/bpf -mindepth 1 ! -type d ! -type l -printf 'pin %p\n'
}

# Gives a program's last processes three seconds to go, then reports and kills what stays. The
# cgroup holds also those that made a session of their own.
reap() { # PROGRAM
	local try pid
	for ((try = 0; try < 30; try++)); do
		grep -q '^populated 0' "$tests_cgroup/cgroup.events" && return
		sleep 0.1
	done
	while read -r pid; do
		echo "#vmtest left $1: process $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done <"$tests_cgroup/cgroup.procs"
	echo 1 >"$tests_cgroup/cgroup.kill"
}

# Each namespace and pin that came with the program goes, so that the next starts clean.
sweep() { # PROGRAM POSSESSIONS_BEFORE
	local kind what
	while read -r kind what; do
		[[ $'\n'$2$'\n' == *$'\n'"$kind $what"$'\n'* ]] && continue
		echo "#vmtest left $1: $kind $what"
		case $kind in
		namespace) ip netns del "$what" ;;
		pin) rm -f "$what" ;;
		esac
	done < <(possessions)
	find /sys/fs/bpf -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
}

run_one() { # PROGRAM LIMIT_S
	local before status started=$SECONDS
	before=$(possessions)
	echo "#vmtest begin $1"
	(
		echo "$BASHPID" >"$tests_cgroup/cgroup.procs"
		exec timeout -k 10 "$2" "./$1" </dev/null
	)
	status=$?
	reap "$1"
	sweep "$1" "$before"
	echo "#vmtest end $1 $status $((SECONDS - started))"
}

run_plan() {
	local program limit_s
	limit_s=$(parameter limit_s)
	while read -r program; do run_one "$program" "$limit_s"; done </plan
	echo "#vmtest done"
}

finish() {
	sync
	reboot -f
}

mounts
trap finish EXIT
prepare
if [[ $(parameter mode) == shell ]]; then
	echo "vmtest: $(uname -r), tree in /sluice; exit ends the guest"
	setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1
	exit
fi
stty -F /dev/ttyS1 raw -echo
# Through a pipe: tests must not take the serial port for a terminal and colour their output.
exec > >(exec cat >/dev/ttyS1) 2>&1
echo "#vmtest boot $(uname -r)"
run_plan
# The host reads all of it before the machine goes.
sleep 0.2
