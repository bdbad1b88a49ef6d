#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# top.sh - `sluice top` shows what was sent, fits the screen, and tells one kernel plane from the
# next; `/metrics` says the same.
#
#   client --- sluice (sluiced on 10.1.0.1:8080) --- node1..node3           (see lib.sh)
. "$(dirname "$0")/lib.sh"
daemon=$build/sluiced
[[ -x $daemon ]] || { not_ok needs "$daemon (make)"; exit 1; }
need jq jq
need bpftool bpftool
need script bsdutils
need node nodejs
need promtool prometheus
need curl curl
setup 3

configure() {
	write_config 3
	sed -i "s|^kernel:|listen: 10.1.0.1:8080\nadmin_socket: $SLUICE_ADMIN_SOCKET\nthreads: 1\nkernel:\n  pin_dir: $SLUICE_PIN_DIR|" "$config"
	echo "routes: [{model: m, pools: chat}]" >>"$config"
}
# watch_top OPTION...: in the background, its output in $work/top
watch_top() {
	: >"$work/top"
	"$sluice" top "$@" >"$work/top" 2>"$work/top.err" &
	top_pid=$!
	jobs_to_end+=("$top_pid")
}
has_lines() { [[ $(wc -l <"$work/top") -ge $1 ]]; }
# two whole intervals from now on
two_more() { wait_for 20 has_lines "$(($(wc -l <"$work/top") + 2))"; }
end_top() { # sets top_status
	kill -TERM "$top_pid"
	wait "$top_pid"
	top_status=$?
}
sum() { jq -s "map($1 // 0) | add" "$work/top"; } # of an expression, over all intervals
node_sum() { sum "[.pools[].nodes[] | select(.index == $(($1 - 1))) | $2] | add"; }

for hook in native tc; do
	configure
	up || finish
	watch_top --json --watch=200ms
	expect_soon "$hook: an object a line" 20 has_lines 1
	ask 200 8
	wait_for 10 eval '[[ $(counter flow_closed) == 200 ]]'
	two_more
	end_top
	expect "$hook: ended by SIGTERM, status 0" "$top_status" == 0
	expect "$hook: the flows that were opened" "$(sum .counters.flow_opened)" == 200
	expect "$hook: and closed" "$(sum .counters.flow_closed)" == 200
	expect "$hook: the packets to the nodes" "$(sum .counters.forward_to_node)" == "$(counter forward_to_node)"
	expect "$hook: and to the client" "$(sum .counters.forward_to_client)" == "$(counter forward_to_client)"
	for number in 1 2 3; do
		expect "$hook: node $number: its flows" "$(node_sum $number .opened)" == "$(tally "n$number")"
		expect "$hook: node $number: bytes from it" "$(node_sum $number .bytes_in)" == "$(node_field $number bytes_in)"
		expect "$hook: node $number: a first byte for each" \
			"$(node_sum $number '(if .first_byte.since_start then 0 else .first_byte.count end)')" == "$(tally "n$number")"
	done
	"$sluice" top --json --once --watch=100ms >"$work/top"
	expect "$hook: --once is one object" "$(wc -l <"$work/top")" == 1
	expect "$hook: without new samples percentiles are since the start" \
		"$(jq -c '[.pools[0].nodes[0].connect | .since_start, (.p50_us > 0), .p99_us >= .p50_us]' "$work/top")" == "[true,true,true]"
	expect "$hook: devices and their hooks" "$(jq -r .devices "$work/top" | tr , '\n' | grep -c "$([[ $hook == tc ]] && echo lane || echo xdp_native)")" == 4
	down
done

hook=native
configure
up || finish

# what is held is counted in the table
hold 25
"$sluice" top --json --once --watch=100ms >"$work/top"
expect "held connections live in the table" "$(jq -c '[.table.living, .table.estimated]' "$work/top")" == "[25,false]"
expect "and at the nodes" "$(jq '[.pools[].nodes[].flows] | add' "$work/top")" == 25

# drops by reason, largest first; only what moved
watch_top --watch=200ms
expect_soon "text goes on with --watch" 20 grep -q 'drops     none$' "$work/top"
expect "no colours without a terminal" "$(grep -c $'\033' "$work/top")" == 0
"$sluice" tune pool.refuse=0 >/dev/null
for node in 0 1 2; do "$sluice" drain chat/$node >/dev/null 2>&1; done
ask 4 4 300
expect_soon "the drop that moved is named" 20 grep -q 'drops     no_node [0-9.]*/s$' "$work/top"
expect_soon "and gone when it moves no more" 20 eval 'tail -n 12 "$work/top" | grep -q "drops     none$"'
expect "a pool that drains is told first" "$(grep -c '^. sluice: pool "chat": all 3 nodes drain' "$work/top")" -ge 1
for node in 0 1 2; do "$sluice" undrain chat/$node >/dev/null; done
"$sluice" tune pool.refuse=default >/dev/null
end_top

# what a beacon said
le() { # BYTES VALUE: little-endian hex bytes
	local value=$2 i
	for ((i = 0; i < $1; i++)); do printf '%02x ' $((value >> 8 * i & 255)); done
}
# a moment ago, by the clock that the kernel plane uses
seen_ns=$(bpftool -j map lookup pinned "$SLUICE_PIN_DIR/nodes" key 1 0 0 0 | jq .formatted.value.last_byte_ns)
# shellcheck disable=SC2046  # bytes
bpftool map update pinned "$SLUICE_PIN_DIR/loads" key hex $(le 4 "$(node_field 2 slot)") value hex \
	$(le 8 "$seen_ns" && le 8 1 && le 8 7 && le 4 16 && le 4 5 && le 4 3 && le 4 421 && le 4 2 && le 4 0 && le 8 9 && le 8 0)
"$sluice" top --json --once --watch=100ms >"$work/top"
expect "a beacon's load and health" \
	"$(jq -c '.pools[0].nodes[1].beacon | [.health, .slots, .running, .waiting, .kv_permille, .seen_ms_ago < 60000]' "$work/top")" == '["busy",16,5,3,421,true]'
expect "none where none came" "$(jq -c '.pools[0].nodes[0].beacon' "$work/top")" == null

# the daemon's metrics
nsenter --net="/run/netns/sl$$-sluice" "$daemon" "$config" >"$work/daemon.log" 2>&1 &
daemon_pid=$!
jobs_to_end+=("$daemon_pid")
scrape() { ns client curl -sf http://10.1.0.1:8080/metrics >"$work/metrics"; }
expect_soon "the daemon serves metrics" 20 scrape
expect "promtool finds no fault" "$(promtool check metrics <"$work/metrics" 2>&1)" == ""
ask 60 4
scrape
metric() { sed -n "s/^$1{[^}]*node=\"$2\"[^}]*} //p" "$work/metrics"; }
address=$(node_address 2)
times_of() { # connect or first_byte: samples of node 2 since the start
	"$sluice" top --json --once --watch=100ms | jq ".pools[0].nodes[1].$1.count"
}
expect "connects as a histogram" "$(metric sluice_node_connect_duration_seconds_count "$address")" == "$(times_of connect)"
expect "first bytes too" "$(metric sluice_node_first_byte_duration_seconds_count "$address")" == "$(times_of first_byte)"
expect "with bounded buckets" "$(metric sluice_node_connect_duration_seconds_bucket "$address" | wc -l)" == 11
expect "that only grow" "$(metric sluice_node_connect_duration_seconds_bucket "$address" | sort -nc 2>&1)" == ""
expect "a beacon's load" "$(metric sluice_node_beacon_running "$address") $(metric sluice_node_beacon_kv_cache_ratio "$address")" == "5 0.421"
expect "no lines where none came" "$(metric sluice_node_beacon_running "$(node_address 1)")" == ""
expect "flows evicted, expired, spills" "$(metric sluice_node_flows_evicted_total "$address")$(metric sluice_node_flows_expired_total "$address")$(sed -n 's/^sluice_pool_spills_total{.*} //p' "$work/metrics")" == "000"

# another configuration, the same kernel plane: top goes on. Then none: it ends and says so.
watch_top --json --watch=200ms
expect_soon "top runs" 20 has_lines 1
up --replace || finish
two_more
expect "over a replaced program" "$(kill -0 "$top_pid" 2>/dev/null && echo on)" == on
down
wait "$top_pid"
expect "without kernel plane it looks at the daemon's, or ends with what to do" \
	"$? $(grep -c 'next:' "$work/top.err")" == "1 1"

end_hold
# a table too large to be counted whole: 80,001 sets, of which 65,536 are looked at
write_config 3
sed -i 's|^kernel:|kernel:\n  flows: 400000|' "$config"
up || finish
hold 100
"$sluice" top --json --once --watch=100ms >"$work/top"
expect "a large table is estimated" "$(jq -c '[.table.estimated, .table.places]' "$work/top")" == "[true,640008]"
# 82 of 100 are seen, give or take 4
expect "and well" "$(jq '.table.living >= 75 and .table.living <= 125' "$work/top")" == true
expect "the text says so" "$("$sluice" top --once --watch=100ms | grep -c 'living flows (estimated, 0.0 %)')" == 1
down

# ---- the screen --------------------------------------------------------------------------------
{
	printf 'kernel:\n  devices: [c, n1, n2, n3]\npools:\n  chat:\n    nodes:\n'
	for number in {0..39}; do echo "      - 10.2.1.2:$((8000 + number))"; done
	printf '  second:\n    nodes: ["[fd02:2::2]:8000"]\n'
	printf 'services:\n  - {address: %s, lane: fast, pool: chat}\n  - {address: "%s", lane: fast, pool: second}\n' "$vip" "$vip6"
} >"$config"
up || finish
"$sluice" breaker open chat/35 >/dev/null
# on_terminal ROWS COLUMNS KEYS [LINE]: what stands there once LINE does, after the keys, in $work/screen
on_terminal() {
	local pid
	rm -f "$work/pid" "$work/typescript" "$work/keys"
	mkfifo "$work/keys"
	TERM=linux SHELL=/bin/bash LC_ALL=C script -qefc "stty rows $1 cols $2; echo \$\$ >$work/pid; exec $sluice top --watch=200ms" \
		"$work/typescript" <"$work/keys" >/dev/null 2>&1 &
	pid=$!
	jobs_to_end+=("$pid")
	exec 7>"$work/keys"
	wait_for 20 eval '[[ $(grep -ac "1 nodes" "$work/typescript") -ge 1 ]]'
	printf '%b' "$3" >&7
	wait_for 20 eval 'node "$root/tests/e2e/vt.mjs" '"$1 $2"' "$work/typescript" 2>/dev/null | grep -q -- "'"${4:-1 nodes}"'"'
	kill -TERM "$(cat "$work/pid")"
	wait "$pid"
	exec 7>&-
	node "$root/tests/e2e/vt.mjs" "$1" "$2" "$work/typescript" >"$work/screen"
}
widest() { awk '{ if (length > most) most = length } END { print most }' "$work/screen"; }
# the daemon still has the nodes of the kernel plane before: what it says of them is not what is
on_terminal 24 80 ""
expect "a daemon of other nodes is not believed" "$(head -n 1 "$work/screen") $(grep -c 'start it anew' "$work/screen")" == \
	'X sluice: 1 of 40 nodes of pool "chat" is forced open (operator); the daemon has 1'
on_terminal 24 80 'dy' 'drains: no new flow'
expect "nor is a deed sent to it" "$("$sluice" status --json | jq -c '[.pools[].nodes[] | select(.draining) | .address]')" == '["10.2.1.2:8035"]'
"$sluice" undrain chat/35 >/dev/null
kill "$daemon_pid"
wait "$daemon_pid"
on_terminal 24 80 ""
expect "80x24: fits" "$(($(wc -l <"$work/screen") <= 24 && $(widest) <= 80))" == 1
expect "80x24: is used" "$(wc -l <"$work/screen")" == 24
expect "80x24: says first what is wrong" "$(head -n 1 "$work/screen")" == \
	'X sluice: 1 of 40 nodes of pool "chat" is forced open (operator)'
expect "80x24: and that no daemon tells more" "$(grep -c 'no daemon answers at ' "$work/screen")" == 1
expect "80x24: the sick node leads its pool" "$(grep -A 1 'pool "chat"' "$work/screen" |
	grep -cE '^>X 10\.2\.1\.2:8035 +forced [0-9.a-z]+ operat')" == 1
expect "80x24: tells how many are not shown" "$(grep -c '1 nodes .*([0-9]* more: ' "$work/screen")" == 1
expect "80x24: the second pool has its place" "$(grep -c 'pool "second": 1 of 1 nodes' "$work/screen")" == 1
expect "colours on a terminal" "$(($(grep -ac $'\033\[1;31m' "$work/typescript") > 0))" == 1
expect "the terminal is given back" "$(grep -ac $'\033\[?1049l' "$work/typescript")" == 1
# without a daemon a deed is the command's own, and is seen by the kernel plane
on_terminal 24 80 'dn' 'nothing was done'
expect "no: nothing" "$("$sluice" status --json | jq '[.pools[].nodes[] | select(.draining)] | length')" == 0
on_terminal 24 80 'dy' 'drains: no new flow'
expect "yes: the node drains" "$("$sluice" status --json | jq -c '[.pools[].nodes[] | select(.draining) | .address]')" == '["10.2.1.2:8035"]'
on_terminal 60 200 ""
expect "60x200: all nodes" "$(grep -c '^.. 10.2.1.2:80' "$work/screen")" == 40
expect "60x200: more columns" "$(grep -c 'new/s trips beacon' "$work/screen")" == 1
finish
