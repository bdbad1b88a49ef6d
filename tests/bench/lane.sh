#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lane.sh - the fast lane end to end, beside no balancer, nftables and haproxy, in namespaces.
#
#   client --- sluice (the balancer, whichever it is) --- node1, node2     see tests/net/lib.sh
#
#   direct    the client knows both nodes and takes them in turn; the middle only routes
#   nftables  DNAT by a map over both nodes, with connection tracking, no other rule
#   haproxy   mode tcp, two threads, splicing on
#   xdp, tc   sluice, mode nat, `--hook native` and `--hook tc`
#
# Each round takes every balancer in another order: connections as fast as 64 at a time go, then
# bulk in both directions by two streams. A cell is the median of the rounds, a ratio the median of
# the ratios within rounds. ROUNDS=N and SECONDS_EACH=N change how long it takes.
#
# CPU is all that was spent: the processes of both ends and of haproxy, and ksoftirqd, from their
# scheduler clocks, without the user time of the client. What a packet costs in the balancer's
# namespace is charged to the process that sent it, as soft interrupts run there; so the figures
# hold while the machine does other things, too. The difference to "direct" is the balancer's.
#
# Segmentation and checksum offload are on everywhere but in row xdp: packets that XDP rewrites and
# redirects must have their checksums, so there they are off, as they have to be.
. "$(dirname "$0")/../net/lib.sh"
dial=$build/bench/dial
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-2}
samples=$work/samples
balancers=(direct nftables haproxy xdp tc)
target=$vip
haproxy_pid=
: >"$samples"
[[ -x $dial ]] || { echo "lane: $dial is missing: make bench" >&2; exit 2; }
need nft nftables
need haproxy haproxy
ulimit -n "$(ulimit -Hn)"

# Our server instead of the tests'.
start_node() { # NUMBER
	nsenter --net="/run/netns/sl$$-node$1" "$dial" serve "$(node_address "$1")" &
	server_pids[$1]=" $!"
	wait_for 10 answers "$(node_address "$1")"
}
answers() { ns client "$dial" connect "$1" 1 0 1 | grep -q 'failed 0'; }

# ---- the balancers ----------------------------------------------------------------------------
offloads() { # on|off: of all devices
	local pair
	for pair in client:c node1:n node2:n sluice:c sluice:n1 sluice:n2; do
		ns "${pair%:*}" ethtool -K "${pair#*:}" tx "$1" tso "$1" gso "$1" >/dev/null 2>&1
	done
}

start_direct() { target=$(node_address 1),$(node_address 2); }
stop_direct() { target=$vip; }

start_nftables() {
	ns sluice nft -f - <<-END
		table ip lane {
			chain in {
				type nat hook prerouting priority dstnat;
				ip daddr ${vip%:*} tcp dport ${vip#*:} dnat to numgen inc mod 2 map {
					0 : 10.2.1.2, 1 : 10.2.2.2 }:8000
			}
		}
	END
}
stop_nftables() { ns sluice nft delete table ip lane; }

start_haproxy() {
	cat >"$work/haproxy.cfg" <<-END
		global
		    nbthread 2
		    maxconn 4000
		    quiet
		defaults
		    mode tcp
		    timeout connect 5s
		    timeout client 60s
		    timeout server 60s
		    option splice-auto
		frontend in
		    bind $vip
		    default_backend nodes
		backend nodes
		    balance roundrobin
		    server n1 $(node_address 1)
		    server n2 $(node_address 2)
	END
	ns sluice ip address add "${vip%:*}/32" dev lo
	nsenter --net="/run/netns/sl$$-sluice" haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
	haproxy_pid=$!
	jobs_to_end+=("$haproxy_pid")
	wait_for 10 answers "$vip"
}
stop_haproxy() {
	{ kill -KILL "$haproxy_pid" && wait "$haproxy_pid"; } 2>/dev/null
	haproxy_pid=
	ns sluice ip address del "${vip%:*}/32" dev lo
}

start_xdp() {
	offloads off
	up --hook native
}
stop_xdp() {
	down
	offloads on
}
start_tc() { up --hook tc; }
stop_tc() { down; }

# ---- measuring --------------------------------------------------------------------------------
# ns of CPU so far: servers, haproxy, soft interrupts that got a thread of their own
cpu_ns() {
	local pid
	for pid in ${server_pids[*]} $haproxy_pid $softirqd; do cat /proc/"$pid"/task/*/schedstat; done |
		awk '{sum += $1} END {printf "%.0f\n", sum}'
}
busy_ticks() { awk '$1 == "cpu" {print $2 + $3 + $4 + $7 + $8; exit}' /proc/stat; }
note() { [[ ! -t 2 ]] || printf '\r\033[K%s' "$*" >&2; }
add() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$samples"; }

# load WORD...: runs the client, sets its words (bytes, seconds_run, ...) and cpu_us
load() {
	local before ticks out
	before=$(cpu_ns)
	ticks=$(busy_ticks)
	out=$(ns client "$dial" "$@") || return 1
	ticks=$(($(busy_ticks) - ticks))
	eval "$(awk -v before="$before" -v after="$(cpu_ns)" -v ticks=$ticks -v hz="$(getconf CLK_TCK)" '{
		for (i = 1; i < NF; i += 2) v[$i] = $(i + 1)
		printf "connections=%d failed=%d bytes=%.0f p99_us=%d run_s=%s cpu_us=%.0f machine_us=%.0f",
			v["connections"], v["failed"], v["bytes"], v["p99_us"], v["seconds"],
			(after - before) / 1000 + (v["cpu_s"] - v["user_s"]) * 1e6,
			(ticks / hz - v["user_s"]) * 1e6 }' <<<"$out")"
}

measure() { # BALANCER ROUND
	local way
	load connect "$target" 200 0 8 || return 1 # routes, neighbours, caches
	load connect "$target" 0 "$seconds" 64 || return 1
	if ((failed > 0 || connections < 100)); then
		echo "lane: $1: of $((connections + failed)) connections $failed failed" >&2
		return 1
	fi
	add "$1" rate "$2" "$(awk "BEGIN {print $connections / $run_s}")"
	add "$1" connect_us "$2" "$(awk "BEGIN {print $cpu_us / $connections}")"
	add "$1" machine_us "$2" "$(awk "BEGIN {print $machine_us / $connections}")"
	for way in up down; do
		load $way "$target" "$seconds" 2 || return 1
		add "$1" $way "$2" "$(awk "BEGIN {print $bytes * 8e-9 / $run_s}")"
		add "$1" ${way}_cpu "$2" "$(awk "BEGIN {print $cpu_us / 1000 / ($bytes / 1e9)}")"
	done
}

round() { # NUMBER
	local i balancer
	for ((i = 0; i < ${#balancers[@]}; i++)); do
		balancer=${balancers[$(((i + $1) % ${#balancers[@]}))]}
		[[ -z ${skipped[$balancer]:-} ]] || continue
		note "lane: round $1 of $rounds: $balancer"
		if ! "start_$balancer" >"$work/log" 2>&1; then
			skipped[$balancer]=$(cat "$work/$balancer.log" "$work/log" 2>/dev/null | head -n 2 | tr '\n' ' ')
			"stop_$balancer" >/dev/null 2>&1
			failures=0 # `up` has judged; here it is a row that is left out
			continue
		fi
		measure "$balancer" "$1" || skipped[$balancer]="traffic failed"
		"stop_$balancer" >/dev/null 2>&1
	done
}

# ---- the table --------------------------------------------------------------------------------
medians='function median(list, n,   i, j, swap) {
	for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
		swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap }
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2 }'
cell() { # BALANCER METRIC
	awk -F'\t' -v b="$1" -v m="$2" "$medians"' $1 == b && $2 == m {v[++n] = $4}
		END {if (n) print median(v, n); else print "-"}' "$samples"
}
ratio() { # BALANCER METRIC OTHER
	awk -F'\t' -v b="$1" -v m="$2" -v o="$3" "$medians"' $2 == m {v[$1, $3] = $4; r[$3]}
		END {for (i in r) if (((b, i) in v) && v[o, i] > 0) x[++n] = v[b, i] / v[o, i]
			if (n) printf "%.2f\n", median(x, n); else print "-"}' "$samples"
}
print_table() {
	local balancer metric
	printf '%-10s %12s %14s %12s %9s %9s %14s %14s\n' "" "connects/s" "CPU us/connect" "(machine)" \
		"up Gb/s" "down Gb/s" "CPU ms/GB up" "CPU ms/GB down"
	for balancer in "${balancers[@]}"; do
		printf '%-10s' "$balancer"
		if [[ -n ${skipped[$balancer]:-} ]]; then
			printf ' left out: %s\n' "${skipped[$balancer]}"
			continue
		fi
		for metric in rate:12.0f connect_us:14.1f machine_us:12.1f up:9.2f down:9.2f up_cpu:14.0f down_cpu:14.0f; do
			# shellcheck disable=SC2059
			printf " %${metric#*:}" "$(cell "$balancer" "${metric%:*}")"
		done
		echo
	done
}
goal() { # TEXT BALANCER METRIC OTHER COMPARE BOUND
	local value
	value=$(ratio "$2" "$3" "$4")
	if [[ $value == - ]]; then
		printf '%s, %s: not measured (goal %s %s)\n' "$1" "$2" "$5" "$6"
		return
	fi
	printf '%s, %s: %s x %s, goal %s %s: %s\n' "$1" "$2" "$value" "$4" "$5" "$6" \
		"$(awk "BEGIN {print ($value $5 $6) ? \"reached\" : \"missed\"}")"
}

declare -A skipped=()
softirqd=$(pgrep '^ksoftirqd/' | tr '\n' ' ')
setup 2
# The guard works, but its limits are raised: one client stands for many.
write_config 2 4 "guard.source_per_s: 1000000, guard.source_burst: 1000000"
offloads on
# Ended connections of a flood of short ones must not fill connection tracking.
ns sluice sh -c 'echo 10 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait' 2>/dev/null
for ((number = 1; number <= rounds; number++)); do round "$number"; done
note ""
print_table
echo
goal "connect rate" tc rate nftables ">=" 1
goal "connect rate" xdp rate nftables ">=" 1
goal "bulk up" tc up direct ">=" 0.95
goal "bulk down" tc down direct ">=" 0.95
goal "CPU per connection" tc connect_us nftables "<=" 1
cp "$samples" "$build/bench/lane.tsv" 2>/dev/null
exit 0
