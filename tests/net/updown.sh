#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# updown.sh - `up` and `down` leave nothing behind: not after success, failure, twice, or a crash.
#
#   client --- sluice --- node1, node2
#
# What `up` made is told by the ids behind its pins, so that other programs of the host may load
# and unload theirs meanwhile.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
setup 2
write_config 2

# "map 12", "prog 34", "link 56" for each pin and each program behind a link
made() {
	local pin
	for pin in "$SLUICE_PIN_DIR"/* "$SLUICE_PIN_DIR"/calls/*; do
		[[ -d $pin ]] || bpftool map show pinned "$pin" | sed -n 's/^\([0-9]*\):.*/map \1/p'
	done
	bpftool net show >/dev/null # fails early where the kernel lacks what it needs
	for pin in "$SLUICE_PIN_DIR"/attached/*; do
		case $pin in
		*/xdp_* | */tcx_*)
			bpftool -j link show pinned "$pin" |
				sed -n 's/.*"id":\([0-9]*\),.*"prog_id":\([0-9]*\).*/link \1\nprog \2/p'
			;;
		*) bpftool prog show pinned "$pin" | sed -n 's/^\([0-9]*\):.*/prog \1/p' ;;
		esac
	done
}
# Those of a list that still exist
surviving() { # FILE
	local kind id
	while read -r kind id; do
		bpftool "$kind" show id "$id" >/dev/null 2>&1 && echo "$kind $id"
	done <"$1"
}
# Not at once: looking at an array of programs opens it, and one that is opened and closed while the
# kernel still empties it after its last user is kept for ever (its clearing takes a reference twice).
nothing_survives() { sleep 1 && [[ -z $(surviving "$1") ]]; }
devices_are_clean() {
	local device
	for device in c n1 n2; do
		ns sluice ip -d link show dev "$device" | grep -q 'prog/xdp' && return 1
		ns sluice tc qdisc show dev "$device" | grep -q clsact && return 1
	done
	[[ -z $(ns sluice bpftool net show | grep sluice_) ]]
}

for tc in auto clsact; do
	up --tc "$tc" || finish
	expect "tc $tc: up says the mode and why" \
		"$(grep -c '^  n1: native XDP (as asked for)$' "$work/up.log")" == 1
	made >"$work/made"
	expect "tc $tc: maps, programs and attachments are pinned" "$(wc -l <"$work/made")" -ge 18
	expect "tc $tc: they all exist" "$(surviving "$work/made" | wc -l)" == "$(wc -l <"$work/made")"
	ask 20 4
	expect "tc $tc: packets flow" "$(tally failed)" == 0
	down
	expect "tc $tc: down succeeds" "$?" == 0
	expect "tc $tc: no pin is left" "$([[ -e $SLUICE_PIN_DIR ]] && echo pins)" == ""
	expect_soon "tc $tc: no map, program or link is left" 20 nothing_survives "$work/made"
	expect "tc $tc: no device runs anything" "$(devices_are_clean && echo clean)" == clean
done
down
expect "down twice is no error" "$? $(grep -c 'nothing is up' "$work/down.log")" == "0 1"

up || finish
made >"$work/made"
ns sluice "$sluice" up "$config" >"$work/again" 2>&1
expect "up twice is refused with the next action" \
	"$? $(grep -c 'next: sluice up CONFIG --replace' "$work/again")" == "1 1"
SLUICE_PIN_DIR=$SLUICE_PIN_DIR-b ns sluice "$sluice" up "$config" >"$work/foreign" 2>&1
expect "a second sluice on the same devices is refused" \
	"$? $(grep -c 'device "c": already runs .* of another sluice' "$work/foreign")" == "1 1"
expect "and what the refused one had made is gone" \
	"$([[ -e $SLUICE_PIN_DIR-b ]] && echo pins)" == ""
ask 20 4
expect "the first one still works" "$(tally failed)" == 0
expect "nothing of it changed" "$(surviving "$work/made" | wc -l)" == "$(wc -l <"$work/made")"

# a crash half-way: maps without their mark, a record without an attachment
rm "$SLUICE_PIN_DIR/settings"
"$sluice" status >"$work/half" 2>&1
expect "half of it counts as nothing" "$? $(grep -c 'not loaded' "$work/half")" == "1 1"
up || finish
expect "up clears what a crash left" "$(grep -c unfinished "$work/up.log")" == 1
expect_soon "the old ones are gone" 20 nothing_survives "$work/made"
made >"$work/made"
rm "$SLUICE_PIN_DIR/settings" "$SLUICE_PIN_DIR/nodes"
down
expect "down clears what a crash left" "$?" == 0
expect_soon "and leaves nothing of it" 20 nothing_survives "$work/made"
expect "nor on a device" "$(devices_are_clean && echo clean)" == clean

# killed at any moment; the kill comes earlier or later, down must always do
begun=${EPOCHREALTIME/./}
up || finish
whole=$((${EPOCHREALTIME/./} - begun))
down
for part in 5 40 80 90 95 98; do
	delay=$((whole * part / 100000000)).$(printf '%06d' $((whole * part / 100 % 1000000)))
	ns sluice timeout -s KILL "$delay" "$sluice" up "$config" >/dev/null 2>&1
	# the lock goes with the process, which may need a moment to die in the kernel
	expect_soon "killed after $delay s: down succeeds" 20 down
	expect "killed after $delay s: no device runs anything" \
		"$(devices_are_clean && echo clean)" == clean
	expect "killed after $delay s: no pin is left" "$([[ -e $SLUICE_PIN_DIR ]] && echo pins)" == ""
done

# a device that goes away takes its attachments along
up || finish
made >"$work/made"
ns sluice ip link del dev n2
expect "a device that is gone is shown as gone" \
	"$("$sluice" status | grep -c 'n2 .*the device is gone')" == 1
down
expect "down succeeds without it" "$?" == 0
expect_soon "and leaves nothing" 20 nothing_survives "$work/made"
finish
