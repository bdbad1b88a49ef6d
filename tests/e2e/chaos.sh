#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# chaos.sh - experiments on requests: what clients see of each kind, within bounds, over by themselves.
. "$(dirname "$0")/lib.sh"

export SLUICE_ADMIN_SOCKET=$work/admin.sock
config_write <<-END
	audit: {file: $work/audit.log}
	limits: {upstream_idle: 0}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	slo: {availability: 0.9, events: 10, alerts: [{level: page, burn: 4, long: 1h, short: 2s}]}
	pools:
	  one: {nodes: ["127.0.0.1:9001"]}
	  raw: {nodes: ["127.0.0.1:9004"]}
	  two: {nodes: [{address: "127.0.0.1:9002", zone: east}, {address: "127.0.0.1:9003", zone: west}],
	        health: {live: http, every: 200ms}}
	routes:
	  - {model: one, pools: one, attempts: 1, slo: {enabled: false}, timeouts: {ttft: 5s, inter_token: 5s, total: 6s}}
	  - {model: raw, pools: raw, attempts: 1, slo: {enabled: false}}
	  - {model: hasty, pools: one, attempts: 1, slo: {enabled: false}, timeouts: {ttft: 1s, inter_token: 5s, total: 2s}}
	  - {model: both, pools: [two, one], backoff: 0ms, slo: {enabled: false}}
	  - {model: kept, pools: one, cache: {ttl: 1h, length: true}, slo: {enabled: false}}
	  - {model: watched, pools: one, attempts: 1}
END
chaos() { "$build/sluice" chaos "$@" >"$work/said" 2>&1; }
said() { if grep -qe "$1" "$work/said"; then echo yes; else cat "$work/said"; fi; }
count() { "$build/sluice" chaos list --json | jq length; }
count_is() { [[ $(count) == "$1" ]]; }
ask() { # MODEL [STREAM] [MORE...]: the status; the answer is in $work/out
	local model=$1 stream=${2:-false}
	shift; shift
	curl -sN --max-time 60 -o "$work/out" -D "$work/head" -w '%{http_code}' -H 'content-type: application/json' "$@" \
		-d "{\"model\":\"$model\",\"temperature\":0,\"max_tokens\":6,\"min_tokens\":6,\"ignore_eos\":true,\"stream\":$stream,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" \
		"$url/v1/chat/completions"
}
# strike NAME WANTED STREAM KIND OPTIONS...: the status of a request meanwhile, and whether the answer is whole
strike() {
	local name=$1 wanted=$2 stream=$3 status whole=broken
	shift 3
	chaos start "$@" --pool one --limit 100 --detach || not_ok "$name" "$(<"$work/said")"
	status=$(ask "${model:-one}" "$stream")
	if [[ $stream == true ]]; then
		grep -q '^data: \[DONE\]' "$work/out" && whole=whole
	else
		jq -e '.choices[0].finish_reason' "$work/out" >/dev/null 2>&1 && whole=whole
	fi
	expect "$name" "$status $whole" == "$wanted"
	chaos stop
}

standin n1 9001 --token-us 5000
standin n2 9002
standin n3 9003
daemon_start

# ---- bounds
chaos start hang --pool two
expect "a whole pool is refused, and told why" "$? $(said '2 of the 2 nodes of pool "two" would be struck, the limit is 50% (1)')" == "1 yes"
chaos start hang --zone east --detach
expect "a zone's node may be struck" "$?" == 0
chaos start hang --node two/1
expect "not with the other one" "$(said '2 of the 2 nodes')" == yes
chaos start refuse --pool two --limit 100 --nodes 1
expect "a number of nodes" "$(said '2 nodes would be struck, the limit is 1')" == yes
chaos stop
chaos start hang --pool nobody
expect "nobody of that name" "$(said 'means no node')" == yes
chaos start hang --pool one --store cache
expect "one aim" "$(said 'say one of')" == yes
chaos start error --pool one --status 200
expect "a status that is none" "$(said 'status "200": expected')" == yes
chaos start blackhole --node two/0
expect "packets need a kernel plane" "$(said 'no kernel plane')" == yes
expect "nothing runs" "$(count)" == 0

# ---- each kind
expect "well before" "$(ask one)" == 200
strike "an error" "502 broken" false error
expect "none asked the node" "$(state_of 9001 .inference_requests)" == 1
strike "of that status" "418 broken" false error --status 418
expect "says who" "$(jq -r .error.message "$work/out")" contains experiment
strike "refused" "502 broken" false refuse
model=hasty strike "silent" "504 broken" false hang
strike "late, within patience" "200 whole" false delay --delay 100ms
model=hasty strike "late, beyond it" "504 broken" false delay --delay 5s
strike "cut" "502 broken" false cut
strike "cut behind its end" "200 whole" false cut --after 100000b
strike "no JSON" "502 broken" false malformed
strike "no chunk" "502 broken" false malformed --how chunk
# What comes in one piece with the break has not begun yet, and is told by its status.
pace() { curl -s -o "$work/paced" -d "{\"token_us\":$1}" http://127.0.0.1:10001/config; } # US: between tokens
pace 300000
strike "a stream is cut" "200 broken" true cut --after 3
expect "behind three tokens and an error" "$(grep -c '"content":"' "$work/out") $(grep -c '"error"' "$work/out")" == "3 1"
strike "an event is no JSON" "200 broken" true malformed --after 3
expect "the same" "$(grep -c '"content":"' "$work/out") $(grep -c '"error"' "$work/out")" == "3 1"
pace 5000
begin=${EPOCHREALTIME/[.,]/}
strike "a slow stream" "200 whole" true slow --delay 60ms
expect "each event costs" $((${EPOCHREALTIME/[.,]/} - begin)) '>=' 300000
cat >"$work/raw.mjs" <<'END'
import net from "node:net";
const event = (o) => `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", created: 1, model: "raw", choices: [o] })}\n\n`;
const events = [1, 2, 3, 4, 5].map((i) => event({ index: 0, delta: { content: `word${i}` }, finish_reason: null })).join("") + event({ index: 0, delta: {}, finish_reason: "stop" });
const daemon = Number(process.argv[2]);
const answer = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n${events}data: [DONE]\n\n`;
// The daemon stands still meanwhile: it finds the bytes and the end in one turn.
net.createServer((s) => s.on("error", () => {}).once("data", () => {
	process.kill(daemon, "SIGSTOP");
	s.end(answer, () => setTimeout(() => process.kill(daemon, "SIGCONT"), 50));
})).listen(9004, "127.0.0.1", () => console.log("listens"));
END
node "$work/raw.mjs" $daemon >"$work/raw" 2>&1 &
raw=$!
expect_soon "a node that closes with its last byte" 20 grep -q listens "$work/raw"
chaos start slow --delay 30ms --pool raw --limit 100 --detach
expect "what is kept outlasts it" "$(ask raw true) $(grep -c '"content":"word' "$work/out") $(grep -c '^data: \[DONE\]' "$work/out")" == "200 5 1"
chaos stop
kill $raw

# ---- a share, a number, checks, a fallback
chaos start error --pool one --limit 100 --share 50% --detach
first=$(ask one false -H 'x-request-id: same')
same=0
for _ in 1 2 3 4; do [[ $(ask one false -H 'x-request-id: same') == "$first" ]] && ((same++)); done
expect "who is struck once is struck always" $same == 4
codes=$(for i in {1..16}; do ask one false -H "x-request-id: id$i"; echo; done | sort -u | paste -sd' ')
expect "some are, some are not" "$codes" == "200 502"
chaos stop
chaos start error --pool one --limit 100 --hits 2 --detach
expect "two hits" "$(for _ in 1 2 3; do ask one; done)" == 502502200
expect "and it is over" "$(count)" == 0
chaos start refuse --pool two --limit 100 --detach
expect "a fallback answers" "$(ask both) $(header x-sluice-pool)" == "200 one"
"$build/sluice" chaos list --json >"$work/list"
expect "checks are not struck" "$(jq '.[0] | .hits == .seen and .hits <= 8' "$work/list")" == true
chaos stop

# ---- a store
expect "an answer is kept" "$(ask kept) $(ask kept) $(header x-sluice-cache)" == "200 200 hit"
chaos start down --store cache --detach
expect "not while the cache is down" "$(ask kept) $(header x-sluice-cache)" == "200 miss"
chaos stop
expect "and then again" "$(ask kept) $(header x-sluice-cache)" == "200 hit"

# ---- watched, with a verdict
chaos start error --node two/0 --for 10s --recover 1s --before 300ms --hypothesis 'client errors = 0, requests > 0, did retries > 0' --json &
watching=$!
expect_soon "it runs" 20 count_is 1
while kill -0 $watching 2>/dev/null; do ask both >/dev/null; sleep 0.1; done
wait $watching
expect "the hypothesis held" "$? $(jq -r '.verdict, .ending' "$work/said" | paste -sd' ')" == "0 held ran"
chaos start error --pool one --limit 100 --for 40s --recover 1s --abort 'client errors > 0' --json &
watching=$!
expect_soon "another" 20 count_is 1
ask one >/dev/null
wait $watching
expect "a condition aborts it" "$? $(jq -r .ending "$work/said")" == "1 aborted"

# ---- over by itself
chaos start error --pool one --limit 100 --for 10m --recover 1s --json &
watching=$!
expect_soon "a third" 20 count_is 1
burns() { for _ in {1..5}; do ask watched >/dev/null; done; count_is 0; }
expect_soon "an objective that burns ends it" 60 burns
wait $watching
expect "and says so" "$(jq -r '.ending + ": " + .why' "$work/said")" == "aborted: an objective burns its budget"
"$build/sluice" chaos start error --pool one --limit 100 --for 1h --despite-burn >"$work/owner" 2>&1 &
watching=$!
expect_soon "a fourth" 20 count_is 1
disown $watching # bash need not tell of its death
kill -KILL $watching
expect "goes on for now" "$(ask one)" == 502
expect_soon "its owner is dead: it ends" 20 count_is 0
expect "nobody is struck" "$(ask one)" == 200
expect_soon "why, in the audit trail" 10 eval '[[ $(tail -n 1 "$work/audit.log") == *"who ordered it is gone"* ]]'
expect_soon "each beginning has its end there" 10 eval '[[ $(grep -c "experiment began" "$work/audit.log") == "$(grep -c "experiment ended" "$work/audit.log")" ]]'
curl -s "$url/metrics" | promtool check metrics >"$work/lint" 2>&1 || not_ok "metrics" "$(<"$work/lint")"
expect "how they ended" "$(for how in ran orphaned spent burned; do metric sluice_chaos_ended_total "\"$how\""; done | paste -sd' ')" == "1 1 1 1"
chaos start delay --delay 1ms --zone east --for 1h --detach
chaos start delay --delay 1ms --zone west --limit 100 --for 1h --detach
expect "both of a pool's nodes are struck" "$(count)" == 2
sed -i 's|, {address: "127.0.0.1:9003", zone: west}||' "$config"
kill -HUP $daemon
expect_soon "a reload: one has no node, and one too many of those that are left" 10 count_is 0
expect_soon "why: too many" 10 grep -q 'ended: delay zone east: 1 of the 1 nodes of pool' "$work/audit.log"
expect_soon "why: none" 10 grep -q 'ended: delay zone west: none of its nodes' "$work/audit.log"
chaos start hang --pool one --limit 100 --for 1h --detach
daemon_stop
daemon_start
expect "a daemon that starts anew knows of none" "$(count) $(ask one)" == "0 200"
daemon_stop
finish
