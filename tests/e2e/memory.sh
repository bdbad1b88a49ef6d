#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# memory.sh - no kernel plane: the sluice command reads and steers the daemon's own memory.
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
trap 'kill -CONT $daemon 2>/dev/null; exit 130' INT TERM

config_write <<-END
	timeouts: {upstream_idle: 1s}
	pools:
	  chat: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"]}
	  spare: {nodes: ["127.0.0.1:9004"]}
	routes: [{model: chat, pools: chat, timeouts: {ttft: 20s, inter_token: 20s, total: 60s}}]
END
body='{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
answers=$work/answers
# ask N: that many requests, one after the other; $answers holds who answered each
ask() {
	local i
	for ((i = 0; i < $1; i++)); do
		curl -s --max-time 20 -o "$work/out" -w '%header{x-standin-name} %{http_code}\n' \
			-H 'content-type: application/json' -d "$body" "$url/v1/chat/completions"
	done >"$answers"
}
tally() { grep -c "$1" "$answers"; }                                  # TEXT
status() { "$sluice" status --json | jq -r "$1"; }                    # JQ
of_node() { status ".pools[0].nodes[$1] | $2"; }                         # INDEX JQ
status_is() { [[ $(status "$1") == "$2" ]]; }                         # JQ VALUE
first_line() { "$sluice" status | head -n 1; }
fails() { # NAME TEXT COMMAND...: exit status 1, no output, an error with TEXT and the next action
	local name=$1 text=$2
	shift 2
	timeout 60 "$@" >"$work/stdout" 2>"$work/error"
	expect "$name: exit status" $? == 1
	expect "$name: nothing on standard output" "$(cat "$work/stdout")" == ""
	expect "$name: the error" "$(cat "$work/error")" contains "$text"
	expect "$name: the next action" "$(cat "$work/error")" contains "next:"
}

fails "no plane, no daemon" "no daemon answers at $work/admin.sock" "$sluice" status

standin a 9001 --token-us 1000
standin b 9002 --token-us 1000
standin c 9003 --token-us 1000
standin d 9004
daemon_start

# ---- status
expect "status: is it well" "$(first_line)" == "sluice: well: 4 of 4 nodes in 2 pools take new requests"
expect "status: no kernel plane" "$("$sluice" status | sed -n 2p)" == \
	"no kernel plane: the daemon works alone (sluice up CONFIG loads it)"
expect "status: no devices, no counters" "$("$sluice" status | grep -c '^devices\|^packets')" == 0
expect "status: exit status" "$("$sluice" status >/dev/null; echo $?)" == 0
fds=$(daemon_fds)
for ((i = 0; i < 100; i++)); do "$sluice" status >/dev/null || break; done
expect "status: a hundred times" $i == 100
expect_soon "status: costs the daemon no descriptor" 10 eval '(($(daemon_fds) <= fds))'
expect "status: one pool" "$("$sluice" status spare | grep -c 127.0.0.1:900)" == 1
expect "status --json: top" "$(status '[.kernel_plane, .well, .daemon.answers, .daemon.alone] | join(" ")')" \
	== "memory true true true"
expect "status --json: no devices, no counters" "$(status '[.devices, .counters] | tostring')" == '[[],{}]'
expect "status --json: nodes" "$(status '[.pools[].nodes[].address] | join(" ")')" == \
	"127.0.0.1:9001 127.0.0.1:9002 127.0.0.1:9003 127.0.0.1:9004"
curl -sN --max-time 60 -o "$work/held" -H 'content-type: application/json' -H 'x-standin-fault: stall:2' \
	-d "${body/\{/\{\"stream\":true,}" "$url/v1/chat/completions" &
held=$!
expect_soon "status --json: a request in flight is seen" 10 \
	status_is '[.pools[0].nodes[].requests] | add' 1
kill $held
wait $held 2>/dev/null
expect_soon "status --json: and its end" 10 status_is '[.pools[0].nodes[].requests] | add' 0
ask 30
expect "status: 30 answers" "$(tally ' 200')" == 30
expect "status --json: their outcomes" "$(status '[.pools[0].nodes[].signals.success] | add >= 30')" == true
expect "without capabilities: the daemon's memory" "$(setpriv --bounding-set=-all --inh-caps=-all \
	"$sluice" status | head -n 1)" contains "well: 4 of 4"
mv "$work/admin.sock" "$work/moved.sock"
expect "--admin-socket" "$("$sluice" status --admin-socket "$work/moved.sock" | head -n 1)" contains "well"
expect "--admin-socket: tune" "$("$sluice" tune breaker.open_ms --admin-socket "$work/moved.sock")" \
	contains "= 5000 ms"
fails "no socket" "no daemon answers" "$sluice" drain chat/1
mv "$work/moved.sock" "$work/admin.sock"

# ---- drain
expect "drain" "$("$sluice" drain chat/1)" contains "127.0.0.1:9002 drains: no new flow or request"
requests=$(state_of 9002 .inference_requests)
ask 40
expect "drain: all answered" "$(tally ' 200')" == 40
expect "drain: no new request" "$(tally '^b')" == 0
expect "drain: the server saw none" "$(state_of 9002 .inference_requests)" == "$requests"
expect "drain: shown" "$(of_node 1 '"\(.draining) \(.state)"')" == "true closed"
expect "drain: the summary" "$(first_line)" contains "1 drains"
expect "undrain" "$("$sluice" undrain 127.0.0.1:9002)" contains "takes new"
ask 40
expect "undrain: it gets requests again" "$(tally '^b')" '>' 0
fails "drain of a node that is not there" 'pool "chat" has 3 nodes' "$sluice" drain chat/7

# ---- breaker
expect "breaker open" "$("$sluice" breaker open chat/1)" contains "breaker is forced_open"
ask 40
expect "breaker open: no new request" "$(tally '^b') $(tally ' 200')" == "0 40"
expect "breaker open: shown" "$(of_node 1 '"\(.state) \(.last_plane)"')" == "forced_open operator"
expect "breaker open: the summary" "$(first_line)" contains 'of pool "chat" is forced open'
expect "breaker open: /metrics agrees" "$(metric sluice_node_breaker_state '9002",state="forced_open"')" == 1
"$sluice" breaker auto chat/1 >/dev/null
proves_itself() { ask 5; [[ $(of_node 1 .state) == closed ]]; }
expect_soon "breaker auto: it proves itself" 30 proves_itself

# ---- tune
tune() { "$sluice" tune "$@" >/dev/null; }
tune breaker.consecutive_failures=2
tune breaker.open_ms=60s
expect "tune: shown" "$("$sluice" tune breaker.consecutive_failures)" contains "= 2 "
failed() { of_node "$1" '[.signals.connect_error, .signals.reset] | map(. // 0) | add'; } # INDEX
expect "tune: no failure yet" "$(failed 0)" == 0
standin_kill a
tripped() { ask 3; [[ $(of_node 0 .state) == open ]]; }
expect_soon "tune: a dead node trips" 30 tripped
expect "tune: after two failures" "$(failed 0) $(of_node 0 .trips)" == "2 1"
ask 20
expect "tune: and gets no more" "$(failed 0) $(tally ' 200')" == "2 20"
tune breaker.consecutive_failures=7 --pool spare
expect "tune: a pool has its own number" "$("$sluice" tune breaker.consecutive_failures --pool spare)" \
	contains "= 7 "
fails "tune out of range" "is not within" "$sluice" tune breaker.consecutive_failures=0

# ---- the daemon falls silent, dies
kill -STOP $daemon
fails "a stopped daemon" "timed out" "$sluice" status
kill -CONT $daemon
expect_soon "and awake again" 10 status_is .daemon.answers true
daemon_stop
fails "after SIGTERM" "no daemon answers" "$sluice" status
daemon_start
expect "a new daemon starts afresh" "$(of_node 0 .trips)" == 0
kill -KILL $daemon
wait $daemon 2>/dev/null
for order in status "tune breaker.open_ms=1s" "drain chat/0" "breaker open chat/0"; do
	# shellcheck disable=SC2086
	fails "after SIGKILL: $order" "no daemon answers at $work/admin.sock: Connection refused" \
		"$sluice" $order
done

# ---- somebody else at the socket
# pretend TEXT: answers each connection with it
pretend() {
	rm -f "$work/other.sock"
	node -e 'require("net").createServer(c => { c.on("error", () => {}); c.end(process.argv[2]) })
		.listen(process.argv[1])' "$work/other.sock" "$1" &
	other=$!
	wait_for 10 test -S "$work/other.sock"
}
export SLUICE_ADMIN_SOCKET=$work/other.sock
abi=$(sed -n 's/^#define SL_ABI_VERSION \([0-9]*\)u.*/\1/p' bpf/abi.h)
while IFS='|' read -r name text wanted; do
	pretend "$text"
	fails "$name" "$wanted" "$sluice" status
	kill -KILL $other
	wait $other 2>/dev/null
done <<-END
	a daemon with a plane elsewhere|{"abi":$abi,"kernel_plane":"bpf","more":[{"x":1}]}|pinned elsewhere
	a daemon of another version|{"abi":99,"kernel_plane":"memory"}|ABI is 99
	not a daemon|SSH-2.0-x|Protocol error
	an answer without end|{"abi":$abi$(printf '%9000s')}|Protocol error
END
finish
