#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lag.sh - packets held back by the experiment `lag`: late, whole, once, and not at all without their holder.
#
#   client --- sluice --- node1, node2       a service of names, one of bulk; the sluice host asks nodes too
#
# Each time is compared with the delay that was asked for, or with a round without one.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
need jq jq
bulk=$build/net/bulk
[[ -x $bulk ]] || { not_ok needs "$bulk (make nettools)"; exit 1; }
[[ -e /dev/net/tun ]] || modprobe tun # what udev does elsewhere
setup 2
for number in 1 2; do
	nsenter --net="/run/netns/sl$$-node$number" "$bulk" serve "10.2.$number.2:9000" &
	server_pids[$number]+=" $!"
	wait_for 10 ns sluice "$bulk" move "10.2.$number.2:9000" 1 1
done
write_config 2 4 "pool.slow_start_ms: 0"
sed -i 's|^services:|  bulk:\n    nodes: [10.2.1.2:9000, 10.2.2.2:9000]\nservices:\n  - {address: 10.9.0.1:90, lane: fast, pool: bulk}|' "$config"
up || finish
delay_ms=40
bytes=2000000
chaos() { "$sluice" chaos "$@" >"$work/out" 2>&1; }
said() { grep -q -- "$1" "$work/out" && echo yes || cat "$work/out"; }
runs() { "$sluice" chaos list --json | grep -o '"number"' | grep -c .; }
running() { [[ $(runs) == 1 ]]; }
taps() { bpftool -j map dump pinned "$SLUICE_PIN_DIR/lag_taps" | jq length; }
# Connects take at least so many times the delay, or less than one of it: slow TIMES, quick
p50_us() { sed -n 's/^connect_us p50 \([0-9]*\) .*/\1/p' "$work/tally"; }
slow() { (($(tally failed) == 0 && $(p50_us) >= $1 * delay_ms * 1000)) && echo yes || cat "$work/tally"; }
quick() { (($(tally failed) == 0 && $(p50_us) < delay_ms * 1000)) && echo yes || cat "$work/tally"; }
ask_local() { ns sluice "$connect" ask "$(node_address 1)" "$@" >"$work/tally"; }
# begin POOL OPTIONS...: held until end_lag; its result is in $work/owner
begin() {
	local pool=$1
	shift
	"$sluice" chaos start lag --pool "$pool" --limit 100 --for 10m --recover 1s "$@" --json >"$work/owner" 2>"$work/owner.err" &
	owner=$!
	jobs_to_end+=("$owner")
	wait_for 10 running || not_ok begin "$(cat "$work/owner.err")"
}
end_lag() {
	chaos stop
	wait "$owner"
}
result() { jq -c "$1" "$work/owner"; }

# ---- what is refused ----------------------------------------------------------------------------
chaos start lag --node chat/0 --detach
expect "nobody holds packets back for a command that leaves" "$(said 'cannot leave them')" == yes
chaos start lag --node chat/0 --delay 10ms --jitter 11ms
expect "a jitter above the delay" "$(said 'above the delay')" == yes
chaos start lag --node chat/0 --delay 11s
expect "a delay too long" "$(said 'use blackhole')" == yes
chaos start drop --node chat/0 --delay 10ms
expect "other experiments on packets have none" "$(said 'is not of requests')" == yes
chaos start lag --pool chat
expect "the limit of nodes holds" "$(said '2 of the 2 nodes')" == yes
expect "nothing is left of it" "$(runs) $(taps)" == "0 0"

# ---- each hook, both lanes ------------------------------------------------------------------------
for hook in native tc; do
	[[ $hook == native ]] || up --replace
	ask 30 1
	expect "$hook: quick without" "$(quick)" == yes
	begin chat --delay "${delay_ms}ms"
	before=$(counter conn_observed)
	ask 30 3
	expect "$hook, fast lane: SYN and answer are late" "$(slow 2)" == yes
	ask_local 20 2
	expect "$hook, the local stack's too" "$(slow 2)" == yes
	expect "$hook: each connection was seen once" "$(($(counter conn_observed) - before))" == 20
	chaos start lag --node bulk/0
	expect "$hook: one holds at a time" "$(said 'one does at a time')" == yes
	expect "$hook: what is held is told" "$("$sluice" chaos list --json | jq '.[0].lag.held > 200')" == true
	end_lag
	expect "$hook: nothing was lost" "$(result '[.ending, .lag.lost, .lag.overflow, .hits == .lag.held]')" == '["stopped",0,0,true]'
	expect "$hook: it was counted" "$(counter chaos_held)" -ge "$(result .hits)"
	ask 30 1
	expect "$hook: quick again" "$(quick)" == yes
	ask_local 20 1
	expect "$hook: the local stack too" "$(quick)" == yes

	begin chat --delay "${delay_ms}ms" --way to
	ask 20 2
	expect "$hook: towards the node alone" "$(slow 1)" == yes
	end_lag

	begin bulk --delay 4ms --jitter 2ms
	expect "$hook, fast lane: bulk arrives whole" \
		"$(ns client "$bulk" move 10.9.0.1:90 "$bytes" "$bytes" 2>&1)" == "moved $bytes $bytes"
	if [[ $hook == tc ]]; then # joined segments, with sums that nobody has made yet
		ns sluice ethtool -K n1 tx on >/dev/null 2>&1
		ns node1 ethtool -K n tx on >/dev/null 2>&1
	fi
	expect "$hook, the local stack's too" \
		"$(ns sluice "$bulk" move 10.2.1.2:9000 "$bytes" "$bytes" 2>&1)" == "moved $bytes $bytes"
	end_lag
	expect "$hook: all of it was held" "$(result '.lag.held > 2000 and .lag.lost == 0')" == true
	expect "$hook: no breaker took it for a failure" "$(counter gate_refused)" == 0
done

# ---- its holder dies, and hangs -----------------------------------------------------------------
begin chat --delay "${delay_ms}ms"
kill -KILL "$owner"
wait "$owner" 2>/dev/null
expect "the holder is killed: its taps are gone" "$(taps)" == 0
ask 20 1
expect "packets go on, before the lease ends" "$(runs) $(quick)" == "1 yes"
ask_local 20 1
expect "those of the local stack too" "$(quick)" == yes
expect_soon "then the experiment is over" 20 eval '(($(runs) == 0))'

begin chat --delay "${delay_ms}ms"
kill -STOP "$owner"
ask 5 5 20000
expect "the holder hangs: connects wait until the lease is over" "$(tally failed) $(runs)" == "0 0"
ask 20 1
expect "then packets go on" "$(quick)" == yes
kill -CONT "$owner"
wait "$owner"
expect "awake, it sends what it had, and says that it was late" "$(result '.lag.late > 0 and .lag.held > 0')" == true
expect "and takes its taps along" "$(taps)" == 0

# ---- a condition ends it ------------------------------------------------------------------------
start_load
chaos start lag --node chat/0 --delay 5ms --for 1h --recover 1s --abort 'chaos_held > 20' --json
expect "a condition aborts it" "$? $(jq -r .ending "$work/out")" == "1 aborted"
cat >"$work/day.yaml" <<'YAML'
experiments:
  - {kind: lag, node: chat/0, delay: 5ms, jitter: 1ms, share: 50%, for: 1s, recover: 1s, hypothesis: "chaos_held > 0, drop_chaos = 0"}
YAML
"$sluice" chaos run "$work/day.yaml" --json >"$work/out" 2>/dev/null
expect "so may a game day" "$? $(jq -r '.[0] | [.verdict, .lag.delay_us] | join(" ")' "$work/out")" == "0 held 5000"
end_load
expect "no connect failed" "$(load_tally failed)" == 0
finish
