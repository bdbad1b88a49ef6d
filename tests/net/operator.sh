#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# operator.sh - drain, undrain, breaker and tune do what they say, at once, on real packets.
#
#   client --- sluice --- node1..node3
. "$(dirname "$0")/lib.sh"
setup 3
write_config 3
up || finish

hold 12
"$sluice" drain chat/1 >"$work/drain"
expect "drain says what goes on" "$(grep -c 'drains: no new flow' "$work/drain")" == 1
ask 90 4
expect "a draining node gets nothing new" "$(tally n2) $(tally failed)" == "0 0"
expect "its breaker is untouched" "$(node_field 2 state) $(node_field 2 draining)" == "closed true"
hold_round
expect "its connections go on" "$held_alive $held_changed" == "12 0"
expect "draining twice is no error" "$("$sluice" drain 10.2.2.2:8000 | grep -c already)" == 1
"$sluice" undrain 10.2.2.2:8000 >/dev/null
ask 90 4
expect "undrain gives it connections again" "$(tally n2)" -gt 0

"$sluice" breaker open 10.2.1.2:8000 >/dev/null
expect "breaker open forces it" "$(node_field 1 state)" == forced_open
ask 90 4
expect "a forced-open node gets nothing new" "$(tally n1) $(tally failed)" == "0 0"
"$sluice" breaker close chat/0 >/dev/null
expect "breaker close closes it" "$(node_field 1 state)" == closed
"$sluice" tune pool.slow_start_ms=0 >/dev/null
ask 90 4
expect "it gets connections again" "$(tally n1)" -gt 0
"$sluice" breaker open chat/0 >/dev/null
"$sluice" breaker auto chat/0 >/dev/null
expect_soon "auto lets it prove itself" 20 eval 'ask 10 1; node_is 1 state closed'

"$sluice" tune fast_lane.enabled=0 >/dev/null
ask 2 2 500
expect "the fast lane switched off passes packets" "$(counter pass_disabled)" -gt 0
"$sluice" tune fast_lane.enabled=default >/dev/null
ask 20 4
expect "and on again forwards them" "$(tally failed)" == 0
"$sluice" tune breaker.open_ms=7s --pool chat >/dev/null
expect "a pool has its own number" \
	"$("$sluice" tune breaker.open_ms --pool chat | head -n 1 | cut -d ' ' -f 3)" == 7000
expect "the global one stays" \
	"$("$sluice" tune breaker.open_ms | head -n 1 | cut -d ' ' -f 3)" == 5000

for bad in "drain 10.9.9.9:1" "drain chat/7" "drain nothing" "breaker auto chat/7" \
	"tune breaker.open_ms=1" "tune no.such=1" "tune breaker.open_ms=5 --pool none"; do
	# shellcheck disable=SC2086
	"$sluice" $bad >/dev/null 2>"$work/error"
	expect "'$bad' fails and says what to do next" "$? $(grep -c 'next:' "$work/error")" == "1 1"
done
for bad in "breaker ajar chat/0" "drain" "tune --nonsense" "frobnicate" "status --watch=no"; do
	# shellcheck disable=SC2086
	"$sluice" $bad >/dev/null 2>&1
	expect "'$bad' is a usage error" "$?" == 2
done
finish
