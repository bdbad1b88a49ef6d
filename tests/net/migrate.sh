#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# migrate.sh - the kernel plane of another ABI version is found, and refused or taken over.
#
#   client --- sluice --- node1, node2       pins below R=/sys/fs/bpf/sluice-test-PID: R/v1, R/v2
#
# A plane of version 1 is made here from two halves: programs that run and its records (this
# version's own, moved to R/v1), and maps with the layout that version 1 had, written by hand.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
pins=$SLUICE_PIN_DIR
export SLUICE_PIN_DIR=$pins/v2
trap 'failures=$?; "$sluice" down --pin-dir "$pins/v1" >/dev/null 2>&1; "$sluice" down >/dev/null 2>&1
	rm -rf "$pins"; (exit "$failures"); cleanup' EXIT
setup 2
write_config 2 4 "breaker.consecutive_failures: 7"

hex() { # NUMBER BYTES: little endian, as bpftool wants it
	local i
	for ((i = 0; i < $2; i++)); do printf '%02x ' $(($1 >> (8 * i) & 255)); done
}
zeros() { printf '00 %.0s' $(seq "$1"); }
old_map() { # NAME VALUE_BYTES ENTRIES
	bpftool map create "$pins/v1/$1" type array key 4 value "$2" entries "$3" name "$1"
}
old_write() { # NAME KEY VALUE
	# shellcheck disable=SC2046,SC2086  # lists of bytes
	bpftool map update pinned "$pins/v1/$1" key hex $(hex "$2" 4) value hex $3
}
old_node() { # SLOT NUMBER ADMIN STATE: endpoint 10.2.NUMBER.2:8000
	old_write nodes "$1" "$(zeros 10) ff ff 0a 02 $(hex "$2" 1) 02 1f 40 06 00 $(hex 1 4) \
		$(hex 1 4) $(hex "$3" 4) $(zeros 32) $(zeros 7) $(hex $(($4 << 5)) 1) $(zeros 440)"
}
# A running plane of version 1: node 1 forced open, node 2 drains, an unknown node drains too.
make_old() { # VALUE_BYTES of nodes
	up || finish
	for ((key = 0; key < 19; key++)); do # of limits.h: their defaults are those of version 1
		# shellcheck disable=SC2046  # a list of bytes
		defaults[key]=$(bpftool -j map lookup pinned "$pins/v2/tunables" key hex $(hex $key 4) |
			sed -n 's/.*"value":\([0-9]*\)[,}].*/\1/p')
	done
	mv "$pins/v2" "$pins/v1"
	find "$pins/v1" -maxdepth 1 -type f -exec rm {} +
	old_map settings 64 1
	old_map tunables 8 16384
	old_map nodes "$1" 4096
	old_map pools 128 256
	old_write pools 3 "$(hex 1 4) $(zeros 60) 63 68 61 74 $(zeros 60)" # "chat"
	for ((key = 0; key < 19; key++)); do
		old_write tunables "$key" "$(hex "${defaults[key]}" 8)"
		old_write tunables $((3 * 64 + key)) "ff ff ff ff ff ff ff ff" # inherited
	done
	old_write tunables 0 "$(hex 9 8)"    # breaker.consecutive_failures, which the file names
	old_write tunables 4 "$(hex 7777 8)" # breaker.open_ms, tuned
	old_write tunables $((3 * 64 + 4)) "$(hex 8888 8)" # the same for the pool
	if [[ $1 == 512 ]]; then
		old_node 1 2 3 0
		old_node 2 9 3 0
		old_node 3 1 1 3
	fi
	old_write settings 0 "$(hex 1 4) $(hex 19 4) $(hex 40 4) $(hex 2 4) $(hex 123456789 8) \
		$(hex 0 4) $(hex 4 4) $(hex 4 4) $(zeros 28)"
}
said() { grep -c "$1" "$work/log"; }
try_up() { ns sluice "$sluice" up "$config" --hook native "$@" >"$work/log" 2>&1; }

make_old 512
try_up
expect "another version that is up is refused, with both ways out" \
	"$? $(said "kernel plane of version 1 is up in \"$pins/v1\"") $(said 'next: .*--migrate.*sluice down')" == "1 1 1"
expect "and no pin of the new one is left" "$([[ -e $pins/v2 ]] && echo pins)" == ""
down
expect "down of this version tells of the other" \
	"$(grep -c "version 1 is up: sluice down --pin-dir $pins/v1" "$work/down.log")" == 1
ask 50 4
expect "the old one works on" "$(tally failed)" == 0

try_up --migrate
expect "--migrate takes it over" "$? $(said 'migrated from version 1: numbers: 2, drains: 1, breakers forced open: 1;')" == "0 1"
expect "the old maps and records are gone" "$([[ -e $pins/v1 ]] && echo pins)" == ""
expect "each device runs the new program" \
	"$("$sluice" status --json | grep -c '"mode": "xdp_native", "alive": true')" == 3
tuned() { "$sluice" tune "$@" | head -n 1 | cut -d ' ' -f 3; }
expect "a tuned number came along" "$(tuned breaker.open_ms)" == 7777
expect "also the pool's" "$(tuned breaker.open_ms --pool chat)" == 8888
expect "what the file names is the file's" "$(tuned breaker.consecutive_failures)" == 7
expect "a drain came along" "$(node_field 2 draining) $(node_field 1 draining)" == "true false"
expect "a breaker forced open too" "$(node_field 1 state) $(node_field 2 state)" == "forced_open closed"
expect "and the seed, so that choices stay" \
	"$(bpftool -j map lookup pinned "$pins/v2/settings" key 0 0 0 0 | grep -c '"seed":123456789,')" == 1
"$sluice" breaker auto chat/0 >/dev/null
"$sluice" undrain chat/1 >/dev/null
ask 50 4
expect "the new one works" "$(tally failed)" == 0
down
expect "down removes all of it" \
	"$(ns sluice bpftool net show | grep -c sluice_) $([[ -e $pins/v2 ]] && echo pins)" == "0 "

# maps that say version 1 and are not: never misread
make_old 256
try_up --migrate
expect "a map of an unknown layout is refused" \
	"$? $(said "\"$pins/v1/nodes\" cannot be carried over: it has not the layout of version 1")" == "1 1"
expect "and nothing is left of the attempt" "$([[ -e $pins/v2 ]] && echo pins)" == ""
ask 50 4
expect "the old one works on all the same" "$(tally failed)" == 0
"$sluice" down --pin-dir "$pins/v1" >/dev/null
expect "down ends a plane of any version" \
	"$(ns sluice bpftool net show | grep -c sluice_) $([[ -e $pins/v1 ]] && echo pins)" == "0 "

mkdir -p "$pins/v9"
bpftool map create "$pins/v9/settings" type array key 4 value 64 entries 1 name settings
try_up
expect "a version to come is refused" "$? $(said 'kernel plane of version 9 is up') $(said 'next: its own')" == "1 1 1"
try_up --migrate
expect "also with --migrate" "$? $(said 'does not know its layouts')" == "1 1"
"$sluice" down --pin-dir "$pins/v9" >/dev/null

# the same version, another shape: by hand, as no version should leave it
up || finish
rm "$pins/v2/syns"
bpftool map create "$pins/v2/syns" type array key 4 value 8 entries 16384 name syns
try_up --replace
expect "a pinned map of another shape is refused by name" \
	"$? $(said "the pinned map \"$pins/v2/syns\" is not this version's: its value size is 8")" == "1 1"
ask 50 4
expect "and what is up goes on" "$(tally failed)" == 0
finish
