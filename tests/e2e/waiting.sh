#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# waiting.sh - what a streaming client sees while it waits in a queue: comments, then its stream, or an
# error in the stream and never an end that reads as success.
#
# A pool of one slot is taken by a stream without an end ("the blocker"), as in queue.sh. Then streams
# that break while every place of their pool is taken.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
config_write <<-END
	limits: {upstream_idle: 0}
	pools:
	  one: {nodes: ["127.0.0.1:9001"], slots: 1}
	  none: {nodes: ["127.0.0.1:9003"]}
	  leaving: {nodes: ["127.0.0.1:9006"], slots: 1}
	  absent: {nodes: ["127.0.0.1:9008"]}
	  pair: {nodes: [{address: "127.0.0.1:9004", weight: 1000}, "127.0.0.1:9005"], slots: 1}
	routes:
	  - {model: quiet, pools: one, attempts: 1}
	  - {model: told, pools: one, attempts: 1, queue: {wait: 120s, keepalive: 50ms}}
	  - {model: brief, pools: one, attempts: 1, queue: {wait: 1s, keepalive: 50ms}}
	  - {model: pair, pools: pair, queue: {wait: 120s}, backoff: 0ms}
	  - {model: hasty, pools: pair, queue: {wait: 1s}, backoff: 0ms}
	  - {model: beats, pools: pair, queue: {wait: 120s, keepalive: 50ms}, backoff: 0ms}
	  - {model: held, pools: none, attempts: 1, queue: {hold: 1s, keepalive: 50ms}}
	  - {model: moves, pools: leaving, attempts: 2, limits: {concurrent: 5, tokens_per_minute: 100000}}
	  - {model: returns, pools: absent, attempts: 2, queue: {hold: 100s}}
	  - {model: vanishes, pools: leaving, attempts: 1}
END
standin n1 9001 --token-us 1000 --ctx 40000
for n in 4 5 6 7; do standin n$n 900$n --token-us 5000; done
DAEMON_OPTIONS='--log-level debug'
daemon_start

# ask NAME MODEL PATH BODY: the answer as it comes in $work/NAME.out
ask() {
	curl -sN --max-time 120 -o "$work/$1.out" -D "$work/$1.head" -w '%{http_code} %{exitcode}' -H "$json" \
		-H "x-request-id: $1" -d "$4" "$url/v1/$3" >"$work/$1.code"
}
asking=()
ask_later() { ask "$@" & asking+=($!); }
wait_all() { wait "${asking[@]}" 2>/dev/null; asking=(); }
chat() { # MODEL [MORE]
	echo "{\"model\":\"$1\",\"stream\":true,\"max_tokens\":5,\"ignore_eos\":true,${2:-}\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
}
code() { cat "$work/$1.code"; }                                  # NAME: status, curl's exit code
lines() { grep -c "$2" "$work/$1.out"; }                         # NAME REGEX
depth_is() { (($(metric sluice_queue_depth) == $1)); }           # COUNT
block() {
	curl -sN --max-time 120 -o "$work/blocker" -H "$json" \
		-d '{"model":"quiet","max_tokens":36000,"ignore_eos":true,"stream":true,"messages":[{"role":"user","content":"x"}]}' \
		"$url/v1/chat/completions" &
	blocker=$!
	expect_soon "the blocker runs" 10 state_is 9001 '.running == 1'
}
unblock() { kill -KILL $blocker; wait $blocker 2>/dev/null; }

# ---- comments, then the stream
block
ask_later told told chat/completions "$(chat told)"
ask_later quiet quiet chat/completions "$(chat quiet)"
ask_later whole told chat/completions "$(chat told | sed 's/"stream":true,//')"
expect_soon "comments come" 20 grep -q '^: sluice: waiting, ' "$work/told.out"
expect_soon "three wait" 20 depth_is 3
expect "the head is that of a stream" "$(head -n 1 "$work/told.head" | cut -d ' ' -f 2) $(header told content-type)" == "200 text/event-stream; charset=utf-8"
expect "it says why" "$(header told x-sluice-queue) $(header told x-request-id)" == "waiting told"
expect "nothing else was said" "$(grep -cv -e '^: ' -e '^$' "$work/told.out")" == 0
expect "who did not ask for them has none" "$(cat "$work/quiet.out" "$work/quiet.head" "$work/whole.out" "$work/whole.head" 2>/dev/null)" == ""
unblock
wait_all
expect "the stream follows" "$(code told) $(lines told '^data: {') $(lines told '^data: \[DONE\]')" == "200 0 7 1"
expect "who answered" "$(lines told '^: sluice: answered by 127.0.0.1:9001 of pool one, attempt 1, after [0-9]* ms in line')" == 1
expect "without comments too" "$(code quiet) $(lines quiet '^data: \[DONE\]') $(lines quiet '^: ')" == "200 0 1 0"
expect "a whole answer as ever" "$(code whole) $(header whole x-sluice-node)" == "200 0 127.0.0.1:9001"
expect "explained" "$("$build/sluice" explain told --admin-socket "$work/admin.sock" | grep -c ' keepalive waited_ms=')" == 1

expect "explained: the wait" "$("$build/sluice" explain told --admin-socket "$work/admin.sock" --json |
	jq -r '[.events[] | select(.event | startswith("queue")) | "\(.event) \(.pool) \(.for // .result) \((.in_line // .waited_ms) > 0)"] | join(", ")')" \
	== "queue one a place true, queue_end one granted true"

# ---- a failure is told in the stream, in the words of each API
block
ask_later brief brief chat/completions "$(chat brief)"
ask_later messages brief messages "$(chat brief)"
ask_later responses brief responses '{"model":"brief","stream":true,"input":"hello"}'
wait_all
expect "too long: the status was sent, the end is proper" "$(code brief)" == "200 0"
expect "too long: the error" "$(sed -n 's/^data: //p' "$work/brief.out" | jq -r .error.code)" == server_is_overloaded
expect "too long: no false end" "$(lines brief DONE)" == 0
expect "too long: messages" "$(code messages) $(lines messages '^event: error') $(sed -n 's/^data: //p' "$work/messages.out" | jq -r .error.type)" == "200 0 1 overloaded_error"
expect "too long: messages: no false end" "$(lines messages message_stop)" == 0
expect "too long: responses" "$(code responses) $(lines responses '^event: response.failed')" == "200 0 1"
expect "too long: responses: no false end" "$(lines responses response.completed)" == 0
expect "too long: counted as broken" "$(metric sluice_streams_broken_total 'route="brief"')" == 3
expect "too long: explained" "$("$build/sluice" explain brief --admin-socket "$work/admin.sock" | grep -c ' answer error=server_is_overloaded status=200')" == 1
expect "too long: why" "$("$build/sluice" explain brief --admin-socket "$work/admin.sock" | grep -c 'queue_end pool=one result=expired waited_ms=')" == 1
# the node's own refusal, after the wait
ask_later refused told chat/completions "$(chat told | sed 's/"max_tokens":5/"max_tokens":50000/')"
expect_soon "refused: comments come" 20 grep -q '^: sluice: waiting, ' "$work/refused.out"
unblock
wait_all
expect "refused: the server's error" "$(code refused) $(sed -n 's/^data: //p' "$work/refused.out" | jq -r .error.code)" == "200 0 context_length_exceeded"
expect "refused: no false end" "$(lines refused DONE)" == 0
# no node came back
ask held held chat/completions "$(chat held)"
expect "held: the cause" "$(code held) $(sed -n 's/^data: //p' "$work/held.out" | jq -r .error.code)" == "200 0 upstream_error"

# ---- a stream that breaks while every place is taken waits its turn
long() { # MODEL TOKENS
	chat "$1" '"temperature":0,' | sed "s/\"max_tokens\":5/\"max_tokens\":$2/"
}
drop() { curl -s -o "$work/drop.out" -X POST "http://127.0.0.1:$(($1 + 1000))/drop"; } # PORT
runs() { expect_soon "$2" 10 state_is "$1" '.running == 1'; }                          # PORT WHAT
# break_full MODEL, whose tokens come every 5 ms: a stream of it breaks on 9004, whose place the queue gives to another at once
break_full() {
	expect_soon "$1: nothing runs" 10 idle
	ask_later "broken-$1" "$1" chat/completions "$(long "$1" 3000)"
	runs 9004 "$1: the stream runs"
	ask_later "other-$1" pair chat/completions "$(long pair 30000)"
	other=${asking[-1]}
	runs 9005 "$1: so does another"
	ask_later "next-$1" pair chat/completions "$(long pair 30000)"
	next=${asking[-1]}
	expect_soon "$1: and one waits" 10 depth_is 1
	expect_soon "$1: it has brought tokens" 20 grep -q '^data: {' "$work/broken-$1.out"
	drop 9004
	expect_soon "$1: it breaks, and waits" 20 grep -q "request waits for a place .*request=broken-$1" "$log"
}
leave() { { pkill -KILL -P "$1"; wait "$1"; } 2>/dev/null; } # PROCESS: its client
break_full beats
runs 9004 "beats: the other has its place"
pace() { curl -s -o "$work/pace.out" -d "{\"token_us\":$1}" http://127.0.0.1:10005/config; } # OF 9005
pace 0
expect_soon "beats: a comment meanwhile" 20 grep -q '^: sluice: waiting, ' "$work/broken-beats.out"
leave "$other"
wait "${asking[0]}"
expect "beats: it goes on" "$(code broken-beats) $(lines broken-beats '^data: \[DONE\]') $(lines broken-beats '^data: .*"error"')" == "200 0 1 0"
expect "beats: every token once" "$(lines broken-beats '^data: .*"content":"[^"]')" == 3000
expect "beats: on the other node" "$(lines broken-beats '^: sluice: restarted on 127.0.0.1:9005, attempt 2')" == 1
leave "$next"
wait_all
pace 5000
break_full hasty
wait "${asking[0]}"
expect "hasty: not longer than the route allows" "$(code broken-hasty) $(lines broken-hasty '^data: .*"error"') $(lines broken-hasty '^data: \[DONE\]')" == "200 0 1 0"
expect "hasty: counted" "$(metric sluice_streams_not_resumed_total 'reason="queue"')" == 1
leave "$other"
leave "$next"
wait_all
# one whose client leaves while it waits
break_full pair
leave "${asking[0]}"
expect_soon "gone: it waits no more" 10 depth_is 0
expect "gone: explained" "$("$build/sluice" explain broken-pair --admin-socket "$work/admin.sock" | grep -c 'queue_end pool=pair result=left waited_ms=')" == 1
leave "$other"
leave "$next"
wait_all

# ---- a reload takes the pool away: those who wait in it go by the route as it is now
ask_later stays moves chat/completions "$(long moves 30000)"
runs 9006 "moved: the pool is taken"
ask_later moves moves chat/completions "$(chat moves)"
ask_later whole-moves moves chat/completions "$(chat moves | sed 's/"stream":true,//')"
ask_later vanishes vanishes chat/completions "$(chat vanishes)"
ask_later returns returns chat/completions "$(chat returns)"
expect_soon "moved: three wait for a place" 10 metric_is sluice_queue_depth 'pool="leaving"' == 3
expect_soon "moved: one for a node" 20 metric_is sluice_queue_depth 'pool="absent"' == 1
sed -i -e '/vanishes/d' -e 's/pools: leaving/pools: coming/; s/pools: absent/pools: coming/' \
	-e 's/^  leaving: .*/  coming: {nodes: ["127.0.0.1:9007"], slots: 1}/' -e '/^  absent: /d' "$config"
kill -HUP $daemon
wait "${asking[@]:1}"
expect "moved: a stream" "$(code moves) $(header moves x-sluice-pool) $(lines moves '^data: \[DONE\]')" == "200 0 coming 1"
expect "moved: a whole answer" "$(code whole-moves) $(header whole-moves x-sluice-node)" == "200 0 127.0.0.1:9007"
expect "moved: one that was held" "$(code returns) $(header returns x-sluice-pool)" == "200 0 coming"
expect "moved: whose route is gone too is told to come again" "$(code vanishes) $(header vanishes x-sluice-queue) $(header vanishes retry-after)" == "503 0 moved 1"
expect "moved: what ran there still does" "$(state_of 9006 .running)" == 1
expect "moved: explained" "$("$build/sluice" explain moves --admin-socket "$work/admin.sock" | grep -c 'result=moved')" == 1
leave "${asking[0]}"
wait_all

# ---- who leaves is gone
block
curl -sN --max-time 120 -o "$work/leaver.out" -H "$json" -d "$(chat told)" "$url/v1/chat/completions" &
leaver=$!
expect_soon "leaver: comments come" 20 grep -q '^: sluice: waiting, ' "$work/leaver.out"
kill -KILL $leaver
expect_soon "leaver: nobody waits" 20 depth_is 0
wait $leaver 2>/dev/null
unblock
daemon_stop
finish
