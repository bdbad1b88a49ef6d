#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# chaos.sh - experiments on real packets: within bounds, seen by the breaker, over by themselves.
#
#   client --- sluice --- node1, node2, node3        a daemon at the end alone
#
# A node is made a black hole and the command that did so is killed: the breaker opens, the kernel
# plane ends the experiment, half-open probes find the node well.
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
need jq jq
setup 3
write_config 3 4 "breaker.consecutive_failures: 2, breaker.open_ms: 200ms, breaker.open_max_ms: 1s, pool.slow_start_ms: 0"
up || finish
chaos() { "$sluice" chaos "$@" >"$work/out" 2>&1; }
said() { grep -q -- "$1" "$work/out" && echo yes || cat "$work/out"; }
runs() { "$sluice" chaos list --json | grep -o '"number"' | grep -c .; }
word() { bpftool -j map lookup pinned "$SLUICE_PIN_DIR/settings" key 0 0 0 0 | jq .formatted.value.chaos; }

ask 60 4
expect "all is well before" "$(tally failed)" == 0

# ---- bounds -----------------------------------------------------------------------------------
chaos start blackhole --pool chat
expect "a whole pool is refused" "$?" == 1
expect "and told why" "$(said '3 of the 3 nodes of pool "chat" would be touched')" == yes
chaos start melt --node chat/0
expect "no such kind" "$(said 'is no kind of experiment')" == yes
chaos start drop --node chat/0 --pool chat
expect "one aim" "$(said 'say one of')" == yes
chaos start drop --node chat/0 --hypothesis 'happiness > 3'
expect "a condition that is none" "$(said 'expected client errors')" == yes
expect "nothing runs" "$(runs) $(word)" == "0 0"

# ---- a black hole, and its owner dies ----------------------------------------------------------
"$sluice" chaos start blackhole --node chat/1 --for 1h >"$work/owner" 2>&1 &
owner=$!
jobs_to_end+=("$owner")
expect_soon "it runs" 10 eval '(($(runs) == 1))'
chaos start drop --node chat/0
expect "a second node is over the limit" "$(said '2 of the 3 nodes')" == yes
expect_soon "the breaker opens" 60 eval 'ask 30 30 3000; node_is 2 state open || node_is 2 state half_open'
expect "by the signal of a silent node" "$(node_field 2 last_signal)" == syn_retransmitted
expect "packets are counted" "$(counter drop_chaos)" -gt 5
ask 100 8
expect "no new connection fails" "$(tally failed)" == 0
kill -KILL "$owner"
wait "$owner" 2>/dev/null
expect_soon "the kernel plane ends it" 20 eval '(($(runs) == 0))'
expect_soon "the breaker closes" 60 eval 'ask 10 1; node_is 2 state closed'
expect "no bit is left" "$(word)" == 0

# ---- hypotheses -------------------------------------------------------------------------------
start_load
chaos start drop --node chat/0 --share 30% --for 1s --recover 1s --hypothesis 'drop_internal = 0' --json
expect "a hypothesis that holds" "$? $(jq -r .verdict "$work/out")" == "0 held"
chaos start drop --node chat/0 --share 30% --for 5m --hits 1 --recover 1s --hypothesis 'drop_chaos = 0'
expect "one that does not" "$?" == 1
expect "is said" "$(said 'broken *drop_chaos = 0')" == yes
chaos start drop --node chat/0 --share 30% --for 1h --recover 1s --abort 'drop_chaos > 2'
expect "a condition aborts it" "$(said 'aborted after')" == yes
chaos start drop --node chat/0 --share 30% --for 1h --recover 1s --hits 3 --json
expect "so do its last hits" "$(jq -c '[.ending, .hits >= 3]' "$work/out")" == '["spent",true]'
end_load

# ---- left alone, and stopped --------------------------------------------------------------------
chaos start blackhole --node chat/0 --for 1h --detach
number=$(<"$work/out")
expect "its number is listed" "$("$sluice" chaos list --json | jq '.[0].number')" == "$number"
chaos stop "$number"
expect "it is stopped" "$(said '1 stopped') $(runs)" == "yes 0"
chaos stop "$number"
expect "once" "$(said 'no experiment')" == yes

# ---- between zones --------------------------------------------------------------------------------
sed 's|- 10.2.1.2:8000|- {address: "10.2.1.2:8000", zone: west}|; 1i zone: east' "$config" >"$work/zones.yaml"
chaos start partition --between west,north --config "$work/zones.yaml"
expect "a partition that does not touch this host" "$? $(said 'this host.s zone is "east"')" == "1 yes"
chaos start partition --between east,east --config "$work/zones.yaml"
expect "nor one of a zone from itself" "$? $(said 'this host.s zone is "east"')" == "1 yes"
chaos start error --between east,west
expect "requests are not between zones" "$(said 'is packets')" == yes
chaos start partition --between west,east --config "$work/zones.yaml" --for 1h --detach
expect "between its zone and another" "$("$sluice" chaos list --json | jq -r '.[0] | "\(.name): \(.nodes)"')" \
	== "partition between west,east: 1"
asked() { ns sluice "$connect" ask "$(node_address "$1")" 1 1 500 | awk '/^n[0-9] / { print $1 } /^failed/ { print $2 }' | paste -sd' '; }
expect "the other side is out of reach" "$(asked 1)" == 1
expect "this side is not" "$(asked 2)" == "n2 0"
chaos stop

# ---- one begins at a time, or the limit of nodes would not hold ------------------------------------
exec 9<"$SLUICE_PIN_DIR/attached"
flock 9
timeout 1 "$sluice" chaos start drop --node chat/0 --for 1h --detach >"$work/waits" 2>&1 9<&-
expect "while another begins, one waits" "$? $(runs 9<&-)" == "124 0"
"$sluice" chaos start drop --node chat/0 --for 1h --detach >"$work/waits" 2>&1 9<&- &
waiting=$!
exec 9<&-
wait "$waiting"
expect "then it begins" "$? $(runs)" == "0 1"
chaos stop

# ---- a game day ---------------------------------------------------------------------------------
cat >"$work/day.yaml" <<'YAML'
name: a <day> of trouble
not_covered: ["no <b>disk was full"]
experiments:
  - {name: lossy & slow, kind: drop, node: chat/0, share: 30%, for: 1s, recover: 1s, hypothesis: "drop_internal = 0"}
  - {kind: blackhole, pool: chat, for: 1s}
  - {kind: drop, node: chat/2, for: 5m, hits: 1, recover: 1s, hypothesis: "drop_chaos = 0"}
YAML
sed 's/hits: 1/hots: 1/' "$work/day.yaml" >"$work/bad.yaml"
chaos run "$work/bad.yaml"
expect "a key that is none" "$? $(said ':6:.*hots')" == "1 yes"
start_load
chaos run "$work/day.yaml" --output "$work/day.html,$work/day.md"
expect "a day with a broken hypothesis" "$?" == 1
end_load
outcomes=$(grep -oE '<h3>[^<]*<span class="[a-z ]*">[^<]*' "$work/day.html" | sed 's/.*>//' | paste -sd,)
expect "each had its turn" "$outcomes" == "held,did not begin,broken"
for form in html md; do
	expect "$form: the verdict says what was not as hoped" "$(grep -cE 'did not stand all of it: 2 of 3 experiments .* \(blackhole.*; drop' "$work/day.$form")" == 1
	expect "$form: the kernel plane was there" "$(grep -c '3 nodes in 1 pools, with the kernel plane' "$work/day.$form")" == 1
	expect "$form: what the file says that it does not show" "$(grep -c 'no <b>disk' "$work/day.$form") $(grep -c 'no \(&lt;\|.<\)b>disk\|no &lt;b&gt;disk' "$work/day.$form")" == "0 1"
done
expect "plots" "$(grep -c '<polyline' "$work/day.html")" == 8
expect "plots of the other form" "$(grep -c 'while it was broken .*░' "$work/day.md")" == 2
expect "nothing of the file is markup" "$(grep -c '<day>' "$work/day.html")" == 0
expect "and nothing comes from elsewhere" "$(grep -cE '<script|src=|href="[^#]|url\(' "$work/day.html")" == 0

# ---- with a daemon ------------------------------------------------------------------------------
sluiced=$build/sluiced
[[ -x $sluiced ]] || { not_ok needs "$sluiced (make)"; exit 1; }
cat >>"$config" <<YAML
listen: 127.0.0.1:8080
admin_socket: $SLUICE_ADMIN_SOCKET
audit: {file: $work/audit.log}
routes: [{model: m, pools: chat}]
YAML
sed -i "s|^kernel:|kernel:\n  pin_dir: $SLUICE_PIN_DIR|" "$config"
nsenter --net="/run/netns/sl$$-sluice" "$sluiced" "$config" >"$work/daemon.log" 2>&1 &
daemon=$!
jobs_to_end+=("$daemon")
expect_soon "a daemon is ready" 20 grep -q 'kernel_plane=bpf' "$work/daemon.log"
chaos start drop --node chat/0 --for 1s --recover 1s --hypothesis 'p99 ttft < 2s' --json
expect "nobody asked it: no time is known" "$(jq -r '.verdict' "$work/out")" == unknown
expect_soon "what was done is in the audit trail" 20 \
	eval '(($(grep -c "experiment \(began\|ended\): drop node" "$work/audit.log") == 2))'
# an answer that is none of a node: the nodes speak no HTTP
wrong() { ns sluice curl -s -o "$work/answer" -w '%{http_code}' --max-time 20 -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}' \
	http://127.0.0.1:8080/v1/chat/completions; }
chaos start drop --node chat/0 --share 1% --for 1h --recover 1s --abort 'client errors > 0' --json &
experiment=$!
expect_soon "it runs" 10 eval '(($(runs) == 1))'
expect "a client gets an error" "$(wrong | head -c 1)" == 5
wait "$experiment"
expect "which ends the experiment" "$(jq -r '.ending' "$work/out")" == aborted
"$sluice" chaos start drop --node chat/0 --share 1% --for 1h --recover 1s --hypothesis 'requests >= 0' --json >"$work/out" 2>&1 &
experiment=$!
expect_soon "another runs" 10 eval '(($(runs) == 1))'
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
"$sluice" chaos stop >"$work/stopped" 2>&1
wait "$experiment"
expect "the daemon is gone: nothing is known of its clients" "$(jq -c '[.ending, .verdict, .daemon_lost]' "$work/out")" == '["stopped","unknown",true]'

# ---- resets -------------------------------------------------------------------------------------
expect_soon "all nodes are used" 60 eval 'ask 10 1; node_is 1 state closed'
chaos start reset --node chat/0 --way from --for 1h --detach
ask 60 4
chaos stop
expect "what a node refuses another one takes" "$(tally failed) $(tally n1)" == "0 0"
expect "its answers to SYNs were made resets" "$(counter chaos_changed)" -gt 0
finish
