#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# region.sh - disaster recovery: the region of this host is lost, once killed and once blackholed, under load;
# nobody fails, it is told by its name, and comes back slowly. Before that: how much may leave it by load.
#
#   load --> sluiced (zone a1, region north) --> north  a1: n1 9001, n2 9002; a2: n3 9003
#                                            \-> south  b1: n4 9004, n5 9005, n6 9006
. "$(dirname "$0")/lib.sh"
export PATH=$PATH:/usr/sbin
command -v nft >/dev/null || { not_ok "needs nft" "apt-get install nftables"; finish; }

cap=10
return_s=6 # so long that even a slow machine looks several times while it rises
silence_s=2
[[ $(basename "$build") != build-san ]] || silence_s=5 # all is slower there
quiet_ms=$((silence_s * 1000 + 500))
config_write <<-END
	zone: a1
	incidents: {hold: 500ms}
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.open_ms: 2s, breaker.open_max_ms: 2s, breaker.consecutive_failures: 3, pool.slow_start_ms: 500,
	           retry.budget: 100} # the bar is about requests that have budget left
	pools:
	  chat:
	    affinity: none
	    slots: 8
	    continue: prefill
	    region_spill: $cap
	    zone_return: ${return_s}s
	    health: {live: http, every: 200ms, timeout: 500ms}
	    nodes:
	      - {address: "127.0.0.1:9001", zone: a1, region: north}
	      - {address: "127.0.0.1:9002", zone: a1}
	      - {address: "127.0.0.1:9003", zone: a2, region: north}
	      - {address: "127.0.0.1:9004", zone: b1, region: south}
	      - {address: "127.0.0.1:9005", zone: b1}
	      - {address: "127.0.0.1:9006", zone: b1}
	routes:
	  - {model: chat, pools: chat, backoff: 10ms, queue: {wait: 20s},
	     timeouts: {connect: 500ms, ttft: ${silence_s}s, inter_token: ${silence_s}s, total: 60s}}
END
sluice() { "$build/sluice" "$@" --admin-socket "$work/admin.sock"; }
north="n1 n2 n3"
start_north() { for node in $north; do standin $node 900${node#n} --token-us 4000; done; }
page() { curl -s --max-time 5 "$url/metrics" >"$work/page"; }
# sum NAME [TEXT]: of the page as it was read
sum() {
	awk -v name="$1" -v text="${2:-}" '{ sample = $1; sub(/\{.*/, "", sample) }
		sample == name && (text == "" || index($0, text)) { sum += $NF } END { printf "%.0f\n", sum * 100 }' "$work/page" |
		sed 's/..$//; s/^$/0/'
}
share() { awk '/^sluice_ring_share_ratio.*ring="local"/ { printf "%.0f\n", $NF * 100 }' "$work/page"; } # percent of the zone's ring
# the same, and the attempts of all zones and of this one
shares() {
	awk '/^sluice_ring_share_ratio.*ring="local"/ { share = $NF * 100 }
		/^sluice_zone_attempts_total/ { all += $NF; if (index($0, "zone=\"local\"")) near += $NF }
		END { printf "%.0f %d %d\n", share, all, near }' "$work/page"
}
incidents() { sluice incidents --json | jq -r "[.incidents[] | select(.of == \"region\" and .name == \"north\")] | sort_by(-.id) | $1"; } # JQ
incident_is() { [[ $(incidents ".[0] | $1") == true ]]; }                                                             # JQ
ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
load_on() { load_start --model chat --concurrency "$1" --stream-percent 50 --tokens 8 --count 1000000 --timeout-ms 60000; }

start_north
for node in n4 n5 n6; do standin $node 900${node#n} --token-us 4000; done
daemon_start

# ---- how many leave by load: more than the region's 24 places, for which it is 80 percent full
load_on 40
expect_soon "cap: some leave the region by load" 30 metric_is sluice_ring_left_total 'border="region",why="load"' '>=' 30
page
load_stop
load_clean "cap"
left=$(sum sluice_ring_left_total 'border="region",why="load"')
all=$(sum sluice_zone_attempts_total)
expect "cap: of $all attempts $left left the region, $cap % at most" $((left * 100)) '<=' $((cap * (all + 100)))
expect "cap: none of them by loss" "$(metric sluice_ring_left_total 'why="loss"')" == 0
expect "cap: the zone spills into its region first" "$(sum sluice_zone_attempts_total 'zone="region"')" '>' "$left"

# ---- the region's loss
lose_killed() { # at once, as a region goes
	local pids=()
	for node in $north; do pids+=("${standins[$node]}"); done
	kill -KILL "${pids[@]}"
	for node in $north; do standin_kill $node; done
}
back_killed() { start_north; }
lose_blackholed() {
	nft -f - <<-END
		table inet hole {
			chain input {
				type filter hook input priority 0
				tcp dport 9001-9003 drop
				tcp sport 9001-9003 drop
			}
		}
	END
}
back_blackholed() { nft delete table inet hole; }

failed_now() {
	page
	echo $(($(sum sluice_attempts_total) - $(sum sluice_attempts_total 'ending="ok"')))
}
# steady AFTER FAILED: for longer than a silent node is waited for no second had more failed attempts than its three
# breakers have probes, which go on; prints how long after that moment the last of the others was
steady() {
	local then=$1 last=$1 now=$1 was=$2 failed first=0
	local -a at=("$1") count=("$2")
	while ((now - then < 20000)); do
		sleep 0.1
		now=$(ms)
		failed=$(failed_now)
		at+=("$now") count+=("$failed")
		while ((at[first] < now - 1000)); do first=$((first + 1)); done
		((failed == was || failed - count[first] <= 3)) || last=$now
		was=$failed
		((now - last < quiet_ms)) || break
	done
	echo $((last - then))
}

# back: the zone's share rises in steps and never passes its ramp; of what is asked meanwhile no more stays
back() {
	local before=0 steps=0 falls=0 over=0 was_all=-1 was_near all near now dall
	for _ in {1..600}; do
		page
		read -r now all near < <(shares)
		((now >= before)) || falls=$((falls + 1))
		((now == before)) || steps=$((steps + 1))
		if ((was_all >= 0)); then
			dall=$((all - was_all))
			# the dice is even but for four in a hundred; each of three probes closes a breaker
			(((near - was_near) * 100 <= now * dall + 400 + 4 * dall + 100 * 2 * 3)) || over=$((over + 1))
		fi
		was_all=$all was_near=$near before=$now
		((now == 100)) && break
		sleep 0.1
	done
	expect "$1: the zone has all again" "$before" == 100
	expect "$1: in steps" "$steps" '>=' 4
	expect "$1: none of them down" "$falls" == 0
	expect "$1: never above its share" "$over" == 0
}

round() { # NAME NUMBER
	local lost recovery failed shown
	load_on 6
	expect_soon "$1: before, all in the zone" 20 metric_is sluice_requests_in_flight '' '>' 0
	failed=$(failed_now)
	lost=$(ms)
	lose_"$1"
	expect_soon "$1: an incident of the region opens" 20 incident_is ".open"
	recovery=$(steady "$lost" "$failed")
	shown=$(($(incidents '.[0].opened_ms') - lost))
	echo "# $1: found after $((shown / 1000)).$((shown % 1000 / 100)) s"
	expect "$1: by the daemon's clock it was found within 10 s" "$shown" '<=' 10000
	((recovery > shown)) || recovery=$shown
	echo "# $1: recovery: $((recovery / 1000)).$((recovery % 1000 / 100)) s"
	expect "$1: steady within 10 s" "$recovery" '<=' 10000
	expect "$1: one incident of the region each round" "$(incidents length)" == "$2"
	page
	expect "$1: the zone has no share" "$(share)" == 0
	expect "$1: sluice status tells it" "$(sluice status --json | jq -r '[.rings.places[] | select(.of == "region" and .lost).name] | join(" ")')" == north
	expect "$1: and where each node is" "$(sluice status --json | jq -r '[.pools[0].nodes[].health | .ring + " " + .zone + " " + .region] | join(", ")')" \
		== "local a1 north, local a1 north, region a2 north, spill b1 south, spill b1 south, spill b1 south"
	expect "$1: in words too" "$(sluice status)" contains 'region "north": 3 nodes, 3 out: lost'
	shows region-incidents "region north" "sluice incidents"
	shows region-status 'region "north": 3 nodes, 3 out: lost' "sluice status | grep -A 7 'zones and regions'"
	expect "$1: the metrics tell it" "$(metric sluice_region_lost 'region="north"') $(metric sluice_region_lost 'region="south"')" == "1 0"
	back_"$1"
	back "$1"
	expect_soon "$1: the incident closes by itself" 20 incident_is ".open | not"
	expect "$1: it is counted as an outage that ended" "$(sluice incidents stats --json | jq "[.subjects[] | select(.kind == \"region\" and .name == \"north\" and .ended == $2 and .mttr_ms > 0)] | length")" == 1
	load_stop
	load_clean "$1"
	expect "$1: no stream ended by an error" "$(loaded stream_broken)" == 0
	[[ $(loaded stream_broken) == 0 ]] || curl -s "$url/metrics" | grep '^sluice_streams_\|^sluice_resum\|^sluice_retries_refused' | sed 's/^/# /'
	expect "$1: by loss, whatever the cap says" "$(metric sluice_ring_left_total 'border="region",why="loss"')" '>' 0
}
round killed 1
round blackholed 2

# ---- one zone of the region
standin_kill n3
shows zone-incidents " open " "sluice incidents | grep 'zone a2'"
shows zone-metrics 'sluice_zone_lost{zone="a2"} 1' "curl -s http://127.0.0.1:8080/metrics | grep -E '^sluice_(zone_lost|ring_share_ratio)'"

expect "the log tells it by its name" "$(grep -c 'region "north": lost' "$log")" == 2
daemon_stop
finish
