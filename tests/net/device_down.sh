#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# device_down.sh - a device that goes down and comes up again takes no flow and no attachment along.
#
#   client (held connections) --- sluice --- node1, node2
. "$(dirname "$0")/lib.sh"
setup 2
write_config 2

both_answer() { ask 50 4; (($(tally n1) > 0 && $(tally n2) > 0)); }
attachments() { "$sluice" status --json | grep -c '"mode": .*"alive": true'; }
# Asks every held connection while the device is down for a second: their packets are lost and sent
# again, as TCP does.
blink() { # DEVICE
	ns sluice ip link set dev "$1" down
	echo >&"${HOLD[1]}"
	sleep 1
	"$sluice" status >"$work/status" 2>&1
	ns sluice ip link set dev "$1" up
	hold_line
}

for hook in native tc; do
	up || finish
	before=$(attachments)
	hold 20 20000
	for device in c n1 n2; do
		blink "$device"
		expect "$hook, $device: held connections go on" "$held_alive $held_changed" == "20 0"
		expect "$hook, $device: the status knew it all the while" \
			"$(grep -c 'the device is gone' "$work/status") $(grep -c "^  $device " "$work/status")" == "0 1"
		expect "$hook, $device: every attachment is there" "$(attachments)" == "$before"
	done
	for number in 1 2; do
		# what the fault may have told of a node has an end
		"$sluice" breaker close "chat/$((number - 1))" >/dev/null
	done
	ask 200 4
	expect "$hook: new connections are served" "$(tally failed)" == 0
	expect_soon "$hook: by both nodes, once the slow start is over" 40 both_answer
	ns sluice ip link set dev n1 down
	up --replace || finish
	ns sluice ip link set dev n1 up
	expect "$hook: a device that is down is attached too, with a warning" \
		"$(grep -c 'device "n1" is down' "$work/up.log") $(attachments)" == "1 $before"
	hold_round
	expect "$hook: held connections go on after it" "$held_alive $held_changed" == "20 0"
	end_hold
	down
done
finish
