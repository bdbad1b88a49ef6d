#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# profile.sh - where the kernel plane spends a packet: tests/bench/profile.sh [CASE [SUBJECT]]
#
# CASE is one of build/bench/packet (default 10k), SUBJECT a part of a row's name (default "sluice,
# to the node"). perf samples only while that row is measured. Prints the share of each function,
# and of the lines of the programs; the rotor that makes the packets and the kernel's test run are in
# it too, as everything that the figures of the benchmark have taken off. Needs perf and root.
set -eu
cd "$(dirname "$0")/../.."
case=${1:-10k}
subject=${2:-sluice, to the node}
command -v perf >/dev/null || { echo "profile: perf is missing (package linux-perf)" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkfifo "$tmp/control" "$tmp/acknowledge"
PACKET_PERF="$tmp/control:$tmp/acknowledge:$subject" perf record -q -o "$tmp/data" -e cpu-clock \
	-F 8000 -D -1 --control "fifo:$tmp/control,$tmp/acknowledge" -- build/bench/packet "$case"
printf '\nfunctions, %% of the samples in "%s"\n' "$subject"
perf report -i "$tmp/data" --stdio --no-children --sort symbol 2>/dev/null |
	sed -n 's/^ *\([0-9.]*\)% *\[.\] *\([^ ]*\).*/\1 \2/p' | head -n 40 |
	awk '{sub("bpf_prog_[0-9a-f]*_", "bpf: ", $2); printf "  %6.2f  %s %s\n", $1, $2, $3}'
perf script -i "$tmp/data" -F ip,sym,symoff 2>/dev/null >"$tmp/samples"
total=$(wc -l <"$tmp/samples")
for program in sluice_xdp sluice_xdp_open sluice_xdp_send; do
	sed -n "s/.*bpf_prog_[0-9a-f]*_$program+\(0x[0-9a-f]*\).*/\1/p" "$tmp/samples" | sort | uniq -c |
		sed 's/0x//' >"$tmp/offsets"
	[ -s "$tmp/offsets" ] || continue
	printf '\nlines of %s, %% of all samples\n' "$program"
	build/bench/lines build/sluice.bpf.o "$program" <"$tmp/offsets" | sort -rn | head -n 25 |
		awk -v total="$total" '{count = $1; $1 = ""; sub("[^ ]*/bpf/", "bpf/"); printf "  %6.2f %s\n", count * 100 / total, $0}'
done
