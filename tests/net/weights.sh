#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# weights.sh - nodes get connections in proportion to their weights; other weights count from the next
# `sluice up --replace` on, and move nobody who stands and few of those to come.
#
#   client --- sluice --- node1, node2, node3      weights 1:2:4, then 4:2:4
#
# 1,400 connections, 50 at a time, which stay: as many for each unit of weight. Load decides between
# two candidates, and pulls what chance has put aside back to the weights; so the shares are no worse
# than if each connection drew its node by weight. Then the largest of these binomials has a standard
# deviation of 19, and the bound below, 5.5 times that, is exceeded once in 10^7 runs.
. "$(dirname "$0")/lib.sh"
need jq jq
need bpftool bpftool
total=1400
setup 3
write_weights() { # WEIGHTS...
	local number=0 weight
	{
		printf 'kernel: {devices: [c, n1, n2, n3], seed: 4711}\n'
		printf 'tunables: {pool.slow_start_ms: 0}\npools:\n  chat:\n    nodes:\n'
		for weight; do
			number=$((number + 1))
			printf '      - {address: "%s", weight: %d}\n' \
				"$([[ $family == 6 ]] && node_address6 $number || node_address $number)" "$weight"
		done
		printf 'services:\n  - {address: "%s", lane: fast, pool: chat}\n' "$service"
	} >"$config"
}
# 5.5 standard deviations of a binomial: bound OF_TOTAL PROBABILITY_NUMERATOR DENOMINATOR
bound() { awk -v n="$1" -v w="$2" -v sum="$3" 'BEGIN { p = w / sum; print int(5.5 * sqrt(n * p * (1 - p)) + 1) }'; }
shares() { # NAME WEIGHTS...: of the connections that are held
	local name=$1 number sum=0 weight wanted slack
	shift
	for weight; do sum=$((sum + weight)); done
	echo "# $name: $held_names"
	expect "$name: all connect" "$held_alive $held_lost" == "$total 0"
	for ((number = 1; number <= $#; number++)); do
		weight=${!number}
		wanted=$((total * weight / sum))
		slack=$(bound "$total" "$weight" "$sum")
		expect "$name: node $number has $wanted, give or take $slack" \
			"$(($(held "n$number") >= wanted - slack && $(held "n$number") <= wanted + slack))" == 1
	done
}
shown() { "$sluice" status --json | jq -c '[.pools[0].nodes[].weight]'; }
# The lookup table: the slot of each entry, a line each, as eight hexadecimal digits.
table() {
	local hex='.value | reverse | map(ltrimstr("0x")) | join("")'
	bpftool -j map dump id "$((16#$(bpftool -j map lookup pinned "$SLUICE_PIN_DIR/maglev" key 1 0 0 0 |
		jq -r "$hex")))" | jq -r ".[] | $hex"
}
# Entries that had and have nodes other than node 1, and not the same, per mille of all: FROM TO
others_moved() {
	paste "$1" "$2" | awk -v one="$(printf %08x "$(node_field 1 slot)")" '
		$1 != one && $2 != one && $1 != $2 { moved++ } END { print int(1000 * moved / NR) }'
}
# Entries that became node 1's, per mille of all: FROM TO
taken_over() {
	paste "$1" "$2" | awk -v one="$(printf %08x "$(node_field 1 slot)")" '
		$1 != one && $2 == one { moved++ } END { print int(1000 * moved / NR) }'
}

for round in "native 4" "tc 6"; do
	read -r hook family <<<"$round"
	now="$hook, IPv$family"
	[[ $family == 6 ]] && service=$vip6 || service=$vip
	write_weights 1 2 4
	up || finish
	hold $total 9000 50
	shares "$now, weights 1:2:4" 1 2 4
	of_each="$(held n1) $(held n2) $(held n3)"
	table >"$work/before"

	write_weights 4 2 4
	up --replace || finish
	expect "$now: other weights are shown" "$(shown)" == "[4,2,4]"
	hold_round
	expect "$now: other weights move no connection" \
		"$held_alive $held_changed $(held n1) $(held n2) $(held n3)" == "$total 0 $of_each"
	table >"$work/after"
	# 4/10 - 1/7 of the entries are node 1's due
	expect "$now: node 1 takes over what is its due" \
		"$(($(taken_over "$work/before" "$work/after") >= 230 && $(taken_over "$work/before" "$work/after") <= 290))" == 1
	echo "# $now: between the others move $(others_moved "$work/before" "$work/after") of 1000 entries"
	expect "$now: between the others few entries move" "$(others_moved "$work/before" "$work/after")" -le 30
	ask 300 8
	expect "$now: node 1, which has less than its due, is first with new ones" \
		"$(($(tally n1) > 200 && $(tally failed) == 0))" == 1
	end_hold
	expect_soon "$now: all end" 20 eval '[[ $("$sluice" status --json | jq "[.pools[].nodes[].flows] | add") == 0 ]]'

	hold $total 9000 50
	shares "$now, weights 4:2:4" 4 2 4
	end_hold

	write_weights 1 2 4
	up --replace || finish
	table >"$work/again"
	expect "$now: the old weights give the old table" "$(cmp "$work/before" "$work/again" && echo same)" == same
	down
done
finish
