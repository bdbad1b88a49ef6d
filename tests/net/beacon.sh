#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# beacon.sh - a daemon on a node's host tells the balancer how busy its server is.
#
#   client --- sluice (takes beacons at 10.2.1.1:7946) --- node1  sluiced (sends), stand-in server :9000
#                                                      --- node2  sends none
#
# The load steers choices; beacons that are forged, replayed or garbage change nothing; a server that
# is gone makes its node sick; beacons that stop are one failure.
. "$(dirname "$0")/lib.sh"
flood=$build/net/flood
daemon=$build/sluiced
standin=$build/standin
for program in "$flood" "$daemon" "$standin"; do
	[[ -x $program ]] || { not_ok needs "$program (make all nettools)"; exit 1; }
done
need curl curl
key=000102030405060708090a0b0c0d0e0f
setup 2
write_config 2 4 "beacon.stale_ms: 2000, breaker.open_ms: 300, breaker.open_max_ms: 300"
with_keys() { # {id, key}...: of the balancer
	sed -i '/^  beacon:/d' "$config"
	sed -i "s|^kernel:|kernel:\n  beacon: {listen: 7946, keys: [$*]}|" "$config"
}
with_keys "{id: 1, key: '$key'}"

# ---- the node's host --------------------------------------------------------------------------
cat >"$work/node.yaml" <<END
threads: 1
io: epoll
admin_socket: $work/node.sock
kernel:
  pin_dir: $work/none
  beacon:
    keys: [{id: 1, key: "$key"}]
    send_to: [10.2.1.1:7946, 10.2.1.1:7947]
    every_ms: 100
    nodes: [{node: 10.2.1.2:8000, metrics: "http://127.0.0.1:9000/metrics"}]
END
start_standin() {
	nsenter --net=/run/netns/sl$$-node1 "$standin" --listen 127.0.0.1:9000 --slots 4 \
		--token-us 200000 --reply-tokens 5000 >"$work/standin.log" 2>&1 &
	standin_pid=$!
	jobs_to_end+=("$standin_pid")
	wait_for 10 grep -q listening "$work/standin.log"
}
stop_standin() { { kill -KILL "$standin_pid" && wait "$standin_pid"; } 2>/dev/null; }
start_sender() {
	env -u SLUICE_PIN_DIR nsenter --net=/run/netns/sl$$-node1 "$daemon" "$work/node.yaml" \
		>>"$work/node.log" 2>&1 &
	sender_pid=$!
	jobs_to_end+=("$sender_pid")
}
beacon_field() { # NUMBER FIELD
	node_json "$1" | sed -n "s/.*\"beacon\": {\([^}]*\)}.*/\1/p" | sed -n "s/.*\"$2\": \"\{0,1\}\([^\",]*\).*/\1/p"
}
beacon_is() { [[ $(beacon_field "$1" "$2") == "$3" ]]; }
counter_above() { (($(counter "$1") > $2)); }
signals() { # NUMBER SIGNAL
	node_json "$1" | sed -n "s/.*\"signals\": {\([^}]*\)}.*/\1/p" | sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p" | grep . || echo 0
}
start_standin
start_sender

for hook in tc native; do
	up || finish
	expect_soon "$hook: the node is ready" 10 beacon_is 1 health ready
	expect "$hook: it is counted" "$(counter drop_beacon)" -ge 1
	expect "$hook: it is not old" "$(beacon_field 1 stale)" == false
	expect "$hook: the other node has sent none" "$(node_json 2 | grep -c '"beacon": null')" == 1
	[[ $hook == native ]] || down
done
expect "the status shows it" "$("$sluice" status | grep -cE 'beacon .* ago: ready, 0 running, 0 waiting, KV 0.0 %')" == 1
expect "none is refused" "$(($(counter drop_beacon_forged) + $(counter drop_beacon_replayed) + $(counter drop_beacon_unknown)))" == 0

# ---- load -------------------------------------------------------------------------------------
for ((i = 0; i < 20; i++)); do
	ns node1 curl -s -m 300 -H 'content-type: application/json' -o /dev/null \
		-d '{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}' \
		http://127.0.0.1:9000/v1/chat/completions &
	jobs_to_end+=($!)
done
expect_soon "what runs on the server is told" 20 beacon_is 1 running 4
expect_soon "and what waits" 20 beacon_is 1 waiting 16
ask 200 1
expect "new flows keep away from it" "$(tally n2)" -ge 150
expect "none fails" "$(tally failed)" == 0

# ---- forged, replayed, garbage ----------------------------------------------------------------
ns sluice "$flood" catch 10.2.1.1:7947 "$work/caught" || not_ok "a beacon is caught" "none came"
expect "a beacon is caught" "$(wc -c <"$work/caught")" == 72
before=$(counter drop_beacon_replayed)
ns node1 "$flood" udp 10.2.1.1:7946 "$work/caught" 20
ns node2 "$flood" udp 10.2.2.1:7946 "$work/caught" 20
expect_soon "sent again it is replayed" 5 counter_above drop_beacon_replayed $((before + 39))
for ((byte = 0; byte < 72; byte += 9)); do
	cp "$work/caught" "$work/forged"
	printf '\xa5' | dd of="$work/forged" bs=1 seek=$byte conv=notrunc status=none
	cmp -s "$work/caught" "$work/forged" || ns node1 "$flood" udp 10.2.1.1:7946 "$work/forged" 1
done
expect_soon "changed it is forged" 5 counter_above drop_beacon_forged 4
before=$(counter drop_beacon_unknown)
head -c 71 "$work/caught" >"$work/short"
echo hello >"$work/garbage"
ns node1 "$flood" udp 10.2.1.1:7946 "$work/short" 5
ns node1 "$flood" udp 10.2.1.1:7946 "$work/garbage" 5
expect_soon "cut short, or no beacon at all: unknown" 5 counter_above drop_beacon_unknown $((before + 9))
expect "the node is ready all the same" "$(beacon_field 1 health)" == ready
expect "its breaker is closed" "$(node_field 1 state)" == closed

# ---- another key ------------------------------------------------------------------------------
new_key=ffeeddccbbaa99887766554433221100
with_keys "{id: 1, key: '$key'}, {id: 2, key: '$new_key'}"
up --replace || finish
before=$(counter drop_beacon_forged)
sed -i "s|{id: 1, key: \"$key\"}|{id: 2, key: \"$new_key\"}|" "$work/node.yaml"
accepted=$(beacon_field 1 accepted)
kill -HUP "$sender_pid"
expect_soon "the sender takes the new key" 10 grep -q "reloaded" "$work/node.log"
accepted_above() { (($(beacon_field 1 accepted) > $1)); }
expect_soon "its beacons are taken" 10 accepted_above "$((accepted + 10))"
with_keys "{id: 2, key: '$new_key'}"
up --replace || finish
accepted=$(beacon_field 1 accepted)
expect_soon "without the old key too" 10 accepted_above "$((accepted + 5))"
expect "none was refused meanwhile" "$(counter drop_beacon_forged)" == "$before"

# ---- a server that is gone --------------------------------------------------------------------
stop_standin
expect_soon "its node says that it is sick" 20 beacon_is 1 health sick
expect_soon "which opens the breaker" 20 eval '(($(node_field 1 trips) > 0))'
expect "by that signal" "$(($(signals 1 beacon_sick) >= 5))" == 1
start_standin
expect_soon "the server is back, the node ready" 20 beacon_is 1 health ready
closes() { ask 10 1 && node_is 1 state closed; }
expect_soon "probes of clients close the breaker" 20 closes

# ---- silence ----------------------------------------------------------------------------------
lost=$(signals 1 beacon_lost) # not 0 only where the machine stood still for two seconds
kill -STOP "$sender_pid"
expect_soon "the last beacon becomes old" 20 beacon_is 1 stale true
shows beacon-status "beacon" "sluice status | grep -A 1 '10.2.1.2'"
shows beacon-counters "drop_beacon" "sluice status | grep drop_beacon"
ask 60 1
expect "that is one failure" "$(signals 1 beacon_lost)" == $((lost + 1))
ask 60 1
expect "and not another one" "$(signals 1 beacon_lost)" == $((lost + 1))
expect "both nodes are used" "$(($(tally n1) > 0 && $(tally n2) > 0))" == 1
kill -CONT "$sender_pid"
expect_soon "until it sends again" 20 beacon_is 1 lost false

# ---- a new life -------------------------------------------------------------------------------
kill -TERM "$sender_pid"
wait "$sender_pid"
expect "the daemon ends in order" "$?" == 0
before=$(counter drop_beacon_forged)
accepted=$(beacon_field 1 accepted)
start_sender
expect_soon "a daemon that began anew is believed" 10 accepted_above "$((accepted + 5))"
ns node1 "$flood" udp 10.2.1.1:7946 "$work/caught" 5
expect_soon "what was caught before is forged: its key is gone" 5 counter_above drop_beacon_forged $((before + 4))
finish
