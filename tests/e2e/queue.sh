#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# queue.sh - requests that find no place, or no node, wait: in which order, for how long, what they are
# told in the end, and that nothing is lost when clients leave, nodes come back or the file is read
# again.
#
# A pool of one slot is taken by a stream without an end ("the blocker"). What comes meanwhile waits,
# until the blocker's client leaves. Who then got the place in which order is read from the daemon's
# log, not from when the answers came: the clients are processes of their own.
. "$(dirname "$0")/lib.sh"

store=$work/keys
json='content-type: application/json'
chat="$url/v1/chat/completions"
key() { "$build/sluice" key create "$@" --file "$store" 2>/dev/null; } # NAME OPTIONS...
for class in batch standard interactive critical; do
	declare "$class=$(key $class --class $class)"
done
acme=$(key acme --tenant acme)
other=$(key other --tenant other)
write_config() { # SLOTS-OF-GROWS NODE-OF-MOVES
	config_write <<-END
		timeouts: {upstream_idle: 1s}
		keys: {file: $store}
		pools:
		  one: {nodes: ["127.0.0.1:9001"], slots: 1}
		  pair: {nodes: ["127.0.0.1:9002", {address: "127.0.0.1:9003", slots: 3}], slots: 2}
		  held: {nodes: ["127.0.0.1:9004"]}
		  near: {nodes: ["127.0.0.1:9005"], slots: 1}
		  far: {nodes: ["127.0.0.1:9006"]}
		  small: {nodes: ["127.0.0.1:9007"], slots: 1, queue: {requests: 2}}
		  grows: {nodes: ["127.0.0.1:9008"], slots: $1}
		  moves: {nodes: ["127.0.0.1:$2"]}
		  tight: {nodes: ["127.0.0.1:9012"], slots: 1, queue: {memory: 20KiB}}
		  patient: {nodes: ["127.0.0.1:9013"], tunables: {breaker.consecutive_failures: 1000,
		    breaker.minimum_outcomes: 100000}}
		routes:
		  - {model: one, pools: one, queue: {wait: 300s}}
		  - {model: brief, pools: one, queue: {wait: 3s}}
		  - {model: pair, pools: pair}
		  - {model: held, pools: held, queue: {hold: 300s}}
		  - {model: hasty, pools: held, queue: {hold: 300ms}}
		  - {model: told, pools: held, queue: {hold: 0}}
		  - {model: spills, pools: [near, far], queue: {spill: 200ms}}
		  - {model: small, pools: small}
		  - {model: grows, pools: grows}
		  - {model: moves, pools: moves, attempts: 10, queue: {hold: 300s}}
		  - {model: chain, pools: [held, moves], attempts: 10, queue: {hold: 300s}}
		  - {model: tight, pools: tight}
		  - {model: patient, pools: patient, attempts: 2, queue: {hold: 2s}}
	END
}
for n in 1 4 5 6 7 8; do standin n$n 900$n --token-us 5000; done
standin n2 9002 --token-us 5000 --slots 2
standin n3 9003 --token-us 5000 --slots 3
standin n12 9012 --token-us 5000
write_config 1 9010
DAEMON_OPTIONS='--log-level debug'
daemon_start

body() { # MODEL TOKENS [MORE]
	echo "{\"model\":\"$1\",\"max_tokens\":$2,\"ignore_eos\":true,${3:-}\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
}
# ask NAME KEY MODEL TOKENS [CURL-OPTIONS...]: a body of its own in $data; the status in $work/NAME.code
ask() {
	local name=$1 key=$2 model=$3 tokens=$4
	shift 4
	curl -sN --max-time 300 -o "$work/$name.out" -D "$work/$name.head" -w '%{http_code}' \
		-H "authorization: Bearer $key" -H "$json" -H "x-request-id: $name" -d "${data:-$(body "$model" "$tokens")}" "$@" "$chat" >"$work/$name.code"
}
code() { cat "$work/$1.code"; }                                          # NAME
said() { jq -r "$2" "$work/$1.out"; }                                    # NAME JQ
depth() { metric sluice_queue_depth "pool=\"$1\""; }                     # POOL
depth_is() { (($(depth "$1") == $2)); }                                  # POOL COUNT
result() { # POOL RESULT [CLASS]
	curl -s --max-time 5 "$url/metrics" | grep "^sluice_queue_requests_total{pool=\"$1\",class=\"$3" |
		awk -v text="result=\"$2\"" 'index($0, text) { sum += $NF } END { print sum + 0 }'
}
wait_all() { wait "${asking[@]}" 2>/dev/null; asking=(); }
asking=()
ask_later() { ask "$@" & asking+=($!); }
block() { # MODEL PORT
	curl -sN --max-time 120 -o "$work/blocker" -H "authorization: Bearer $critical" -H "$json" \
		-d "$(body "$1" 30000 '"stream":true,')" "$chat" &
	blocker=$!
	expect_soon "$1: the blocker runs" 10 state_is "$2" '.running == 1'
	lines=$(wc -l <"$log")
}
# granted: names of those that got a place since the blocker ran, in that order
granted() { tail -n +$((lines + 1)) "$log" | sed -n 's/.*request waited .*: granted request=//p'; }
unblock() { kill -KILL $blocker; wait $blocker 2>/dev/null; }

# ---- a burst over the slots is held, and all of it is answered
load_start --model pair --key "$standard" --count 200 --concurrency 60 --stream-percent 50 --tokens 10
queued=0
for i in {1..20}; do
	((queued += $(state_of 9002 .waiting) + $(state_of 9003 .waiting)))
	sleep 0.05
done
load_end
load_clean burst
expect "burst: all are answered" $(($(loaded whole_ok) + $(loaded stream_ok))) == 200
expect "burst: without a retry" "$(metric sluice_route_retries_total)" == 0
expect "burst: no node had more than its slots" $queued == 0
expect "burst: nearly all waited" "$(result pair granted)" '>' 150
expect "burst: the wait is measured" "$(metric sluice_queue_wait_seconds_count 'pool="pair"')" == "$(result pair granted)"
expect "burst: nobody waits any more" "$(depth pair)" == 0
expect "burst: nor takes memory" "$(metric sluice_queue_bytes)" == 0

# ---- higher classes go first
block one 9001
n=0
for class in batch standard interactive critical; do
	for i in 1 2; do
		ask_later $class-$i "${!class}" one 20
		((n++))
		expect_soon "classes: $n wait" 10 depth_is one $n
	done
done
# a client may ask for less than its key's class
ask_later humble-1 "$critical" one 20 -H 'x-sluice-class: batch'
expect_soon "classes: 9 wait" 10 depth_is one 9
expect "classes: by class" "$(metric sluice_queue_depth 'pool="one",class="batch"')" == 3
expect "classes: memory" "$(metric sluice_queue_bytes 'pool="one"')" '>' 1000
unblock
wait_all
expect "classes: in order" "$(granted | head -n 6 | sed 's/-[12]//g' | tr '\n' ' ')" == "critical critical interactive interactive standard standard "
expect "classes: who asked for less is among the lowest" "$(granted | tail -n 3 | sort | tr '\n' ' ')" == "batch-1 batch-2 humble-1 "

# ---- tenants of a class take turns
block one 9001
for i in {1..8}; do
	ask_later acme-$i "$acme" one 20
	expect_soon "tenants: $i wait" 10 depth_is one $i
done
for i in 1 2; do
	ask_later other-$i "$other" one 20
	expect_soon "tenants: $((8 + i)) wait" 10 depth_is one $((8 + i))
done
unblock
wait_all
expect "tenants: the second one's two are among the first five" "$(granted | head -n 5 | grep -c other)" == 2

# ---- what cannot make its deadline is refused at once
block one 9001
for i in {1..10}; do ask_later slow-$i "$standard" one 40; done
expect_soon "deadline: 10 wait" 10 depth_is one 10
# a pace of 200 ms an answer is known only when some were given
unblock
wait_all
expect "deadline: they are answered" "$(granted | grep -c slow)" == 10
block one 9001
for i in {1..10}; do ask_later slow-$i "$standard" one 40; done
expect_soon "deadline: 10 wait again" 10 depth_is one 10
ask late "$batch" one 2 -H 'x-request-timeout-ms: 30'
expect "deadline: refused" "$(code late)" == 503
expect "deadline: code" "$(said late .error.code)" == server_is_overloaded
expect "deadline: reason" "$(header late x-sluice-queue) $(said late .error.message)" contains "deadline"
expect "deadline: when to come again" "$(header late retry-after)" '>=' 1
expect "deadline: retry is worth it" "$(header late x-should-retry)" == ""
expect "deadline: nobody had to leave before" "$(depth one)" == 10
expect "deadline: counted" "$(result one deadline batch)" == 1
ask late-2 "$batch" one 2 -H 'x-litellm-timeout: 0.03'
expect "deadline: in LiteLLM's words" "$(header late-2 x-sluice-queue)" == deadline
curl -s --max-time 20 -o "$work/late.out" -D "$work/late.head" -w '%{http_code}' -H "x-api-key: $batch" -H "$json" \
	-H 'x-request-timeout-ms: 30' -d "$(body one 2)" "$url/v1/messages" >"$work/late.code"
expect "deadline: Messages API" "$(code late) $(said late .error.type)" == "529 overloaded_error"
expect "deadline: Messages API: when to come again" "$(header late retry-after)" '>=' 1

# ---- nor longer than the route allows
ask brief "$critical" brief 2
expect "wait: over" "$(code brief) $(said brief .error.code) $(header brief x-sluice-queue)" == "503 server_is_overloaded expired"
expect "wait: counted" "$(result one expired critical)" == 1
# the client's own deadline is a time-out, as anywhere else
ask own "$critical" one 2 -H 'x-request-timeout-ms: 4000'
expect "wait: the deadline" "$(code own) $(said own .error.code)" == "504 deadline_exceeded"

# ---- a client that goes away frees its place
served=$(state_of 9001 .inference_requests)
curl -s -o /dev/null -H "authorization: Bearer $critical" -H "$json" -d "$(body one 2)" "$chat" &
leaver=$!
expect_soon "gone: 11 wait" 10 depth_is one 11
kill -KILL $leaver
expect_soon "gone: 10 wait" 5 depth_is one 10
wait $leaver 2>/dev/null
expect "gone: counted" "$(result one left critical)" == 1
unblock
wait_all
expect "gone: the others are answered" "$(cat "$work"/slow-*.code | sed 's/200/&\n/g' | sort | uniq -c | tr -s ' ')" == " 10 200"
expect "gone: it never came to the node" $(($(state_of 9001 .inference_requests) - served)) == 10

# ---- bounds: by count, by bytes; a higher class takes the place of a lower one
block small 9007
ask_later low-1 "$batch" small 2
expect_soon "bounds: 1 waits" 10 depth_is small 1
ask_later low-2 "$batch" small 2
expect_soon "bounds: 2 wait" 10 depth_is small 2
ask third "$batch" small 2
expect "bounds: the third is refused" "$(code third) $(said third .error.code) $(header third x-sluice-queue)" == "503 server_is_overloaded count"
expect "bounds: when to come again" "$(header third retry-after-ms)" '>=' 1000
ask_later high "$interactive" small 2
expect_soon "bounds: a higher one takes a place" 10 metric_is sluice_queue_requests_total 'pool="small",class="batch",result="displaced"' == 1
expect_soon "bounds: the loser is told" 10 grep -q 503 "$work/low-2.code"
expect "bounds: the loser: the newest" "$(code low-2) $(header low-2 x-sluice-queue)" == "503 displaced"
unblock
wait_all
expect "bounds: those who stayed are answered" "$(code low-1) $(code high)" == "200 200"
block tight 9012
data=$(body tight 2 "\"metadata\":{\"x\":\"$(printf '%30000s' x)\"},") ask large "$standard" tight 2
expect "bounds: by bytes" "$(code large) $(header large x-sluice-queue)" == "503 bytes"
unblock

# ---- with a pool behind it, a full one is waited for only a little
block spills 9005
ask spilled "$standard" spills 2
expect "spill: the next pool answers" "$(code spilled) $(header spilled x-sluice-pool) $(header spilled x-sluice-fallback-cause)" == "200 far error"
expect "spill: after its wait" "$(header spilled x-sluice-queue-ms)" '>=' 200
unblock

# ---- no node: held until it is back
standin_kill n4
for i in {1..10}; do ask_later held-$i "$standard" held 2; done
expect_soon "hold: 10 wait" 20 depth_is held 10
ask hasty "$standard" hasty 2
expect "hold: the route's bound, then the cause" "$(code hasty) $(said hasty .error.code)" == "502 upstream_error"
ask told "$standard" told 2
expect "hold: none" "$(code told) $(header told x-sluice-queue)" == "502 "
expect_soon "hold: the ten still wait" 10 depth_is held 10 # but for one that asks, now and then
standin n4 9004 --token-us 5000
wait_all
expect "hold: all are answered" "$(cat "$work"/held-*.code | sed 's/200/&\n/g' | sort | uniq -c | tr -s ' ')" == " 10 200"
expect "hold: each asked the node once" "$(state_of 9004 .inference_requests)" == 10
# a breaker that stays closed: those who come back ask one node now and then, not as fast as it refuses
for i in {1..10}; do ask_later patient-$i "$standard" patient 2; done
wait_all
expect "hold: the cause, when nobody came back" \
	"$(cat "$work"/patient-*.code | sed 's/502/&\n/g' | sort | uniq -c | tr -s ' ')" == " 10 502"
refusals=$(metric sluice_node_signals_total '9013",signal="connect_error')
expect "hold: each tried its attempts" "$refusals" '>=' 20
expect "hold: and four more a second all together" "$refusals" '<=' 60
# drained: nothing fails, nothing is tried
ask warm "$standard" held 2
"$build/sluice" drain 127.0.0.1:9004 --admin-socket "$work/admin.sock" >"$work/drain" 2>&1
ask_later drained "$standard" held 2
expect_soon "drained: it waits" 10 depth_is held 1
"$build/sluice" undrain 127.0.0.1:9004 --admin-socket "$work/admin.sock" >>"$work/drain" 2>&1
wait_all
expect "drained: answered" "$(code drained)" == 200

# ---- a reload: more slots, other nodes; those who wait stay
block grows 9008
for i in 1 2 3; do ask_later grows-$i "$standard" grows 2; done
for i in 1 2 3; do ask_later moves-$i "$standard" moves 2; done
expect_soon "reload: three wait for a place" 10 depth_is grows 3
expect_soon "reload: three wait for a node" 20 depth_is moves 3
standin n11 9011 --token-us 5000
write_config 4 9011
kill -HUP $daemon
wait_all
expect "reload: more slots: all are answered" "$(code grows-1) $(code grows-2) $(code grows-3)" == "200 200 200"
expect "reload: beside the blocker" "$(state_of 9008 .running)" == 1
expect "reload: a new node: all are answered" "$(code moves-1) $(code moves-2) $(code moves-3)" == "200 200 200"
unblock
# a pool further down the chain comes back first
standin_kill n4
standin_kill n11
ask_later chained "$standard" chain 2
expect_soon "chain: it waits" 20 depth_is held 1
standin n11 9011 --token-us 5000
wait_all
expect "chain: the second pool answers" "$(code chained) $(header chained x-sluice-pool)" == "200 moves"

# ---- a shutdown serves those who wait
curl -sN --max-time 60 -o "$work/last" -H "authorization: Bearer $critical" -H "$json" \
	-d "$(body one 700 '"stream":true,')" "$chat" &
last=$!
expect_soon "shutdown: a stream runs" 10 state_is 9001 '.running == 1'
for i in 1 2 3; do ask_later stop-$i "$standard" one 2; done
expect_soon "shutdown: three wait" 10 depth_is one 3
kill -TERM "$daemon"
wait_all
wait $last
expect "shutdown: the stream ends" "$(grep -c '^data: \[DONE\]' "$work/last")" == 1
expect "shutdown: all are answered" "$(code stop-1) $(code stop-2) $(code stop-3)" == "200 200 200"
wait "$daemon"
expect "shutdown: status" $? == 0
finish
