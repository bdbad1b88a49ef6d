#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# cluster-selftest.sh - brings the cluster of cluster.sh up (topology there) under a name and a port
# of its own, runs every line that it prints as a person would, and judges what comes back. Then it
# ends it by SIGTERM, brings it up again and kills it with SIGKILL: both must leave nothing behind.
#
# shellcheck disable=SC2317,SC1105,SC2086  # functions reached through wait_for; an operator as word
#
# What it holds the two planes to: while a node is dead and after it came back, `sluice status`,
# `bpftool map dump` and /metrics say the same state for every node.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${SLUICE_BUILD:-$root/build}
[[ $build == /* ]] || build=$root/$build
export CLUSTER=selftest$$ SLUICE_BUILD=$build
state=/run/sluice-$CLUSTER
pins=/sys/fs/bpf/sluice-$CLUSTER
work=$(mktemp -d /tmp/sluice-cluster.XXXXXX)
out=$work/out
failures=0
cluster=
pids=
PORT_FIRST=18080 PORT_COUNT=200 # below the kernel's range for clients
UP_S=90 RECOVER_S=90 SAMPLES_MAX=50

ok() { echo "ok cluster: $1"; }
not_ok() { # NAME WHY
	echo "not ok cluster: $1: ${2:0:600}"
	failures=$((failures + 1))
}
expect() { # NAME GOT OPERATOR WANTED
	local good=0
	case $3 in
	==) [[ $2 == "$4" ]] && good=1 ;;
	contains) [[ $2 == *"$4"* ]] && good=1 ;;
	*) [[ $2 =~ ^[0-9]+$ ]] && (($2 $3 $4)) && good=1 ;;
	esac
	if ((good)); then ok "$1"; else not_ok "$1" "got '$2', wanted $3 '$4'"; fi
}
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}
finish() {
	if ((failures)); then
		sed 's/^/# /' "$work"/up.* 2>/dev/null | tail -n 30
		tail -n 20 "$state/sluiced.log" 2>/dev/null | sed 's/^/# sluiced: /'
	fi
	exit $((failures > 0))
}
cleanup() {
	trap - EXIT
	trap '' INT TERM HUP
	[[ -z $cluster ]] || kill -TERM "$cluster" 2>/dev/null
	wait_for 30 is_gone
	rm -rf "$work"
}

# ---- the cluster ------------------------------------------------------------------------------
free_port() {
	local try
	for ((try = 0; try < PORT_COUNT; try++)); do
		PORT=$((PORT_FIRST + ($$ + try) % PORT_COUNT))
		(exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null || return 0
	done
	not_ok "a free port" "none of $PORT_FIRST to $((PORT_FIRST + PORT_COUNT - 1))"
	finish
}
is_up() { grep -q 'takes the cluster away' "$work/up.$1"; }
is_up_or_over() { is_up "$1" || [[ ! -e /proc/$cluster ]]; }
bring_up() { # NAME
	env --default-signal=INT "$here/cluster.sh" >"$work/up.$1" 2>&1 </dev/null &
	cluster=$!
	if ! wait_for "$UP_S" is_up_or_over "$1" || ! is_up "$1"; then
		not_ok "$1: up" "$(tail -n 12 "$work/up.$1")"
		finish
	fi
	ok "$1: up"
}
# Nothing of this name: no namespace, pin, directory or process, no new device beside the host's.
is_gone() { [[ -z $(leftovers) ]]; }
leftovers() {
	local pid
	ip netns list | grep "sluice-$CLUSTER-"
	ls -d "$state" "$pins" 2>/dev/null
	grep -lzF "sluice-$CLUSTER" /proc/[0-9]*/cmdline 2>/dev/null
	for pid in $pids; do [[ -e /proc/$pid ]] && echo "process $pid"; done
	ip -o link | cut -d : -f 2 | grep -vxF "$links_before"
	return 0
}
links_before=$(ip -o link | cut -d : -f 2)

# ---- its lines --------------------------------------------------------------------------------
# The commands under the title that begins with TITLE, one a line.
lines_of() { # TITLE
	awk -v title="# $1" '/^# / { in_it = index($0, title) == 1; next } in_it' "$state/try"
}
# Runs the Nth (all, without N) as a person in another terminal would; output goes to $out.
try() { # TITLE [N]
	local commands
	commands=$(lines_of "$1" | sed -n "${2:-1,\$}p")
	if [[ -z $commands ]]; then
		not_ok "line '$1'" "not printed"
		return 1
	fi
	timeout 120 bash -c "$(lines_of 'in another terminal')"$'\n'"$commands" >"$out" 2>&1 </dev/null
}
# The three views of every node: "slot state", numbers as in bpf/abi.h, on one line.
by_status() {
	"$build/sluice" status --json | jq -r '[.pools[].nodes[] | "\(.slot) \({closed: 0,
		half_open: 1, open: 2, forced_open: 3, metrics_only: 4}[.state])"] | sort | join(", ")'
}
by_bpftool() {
	try "the same state" 2
	jq -rs '[.[] | "\(.slot) \(.state)"] | sort | join(", ")' "$out"
}
by_metrics() {
	local addresses
	addresses=$("$build/sluice" status --json | jq -c '[.pools[].nodes[] |
		{key: .address, value: .slot}] | from_entries')
	try "the same state" 3
	sed -n 's/.*node="\([^"]*\)",state="\([^"]*\)".*/\1 \2/p' "$out" | jq -rRn --argjson slots "$addresses" '
		[inputs | split(" ") | "\($slots[.[0]]) \({closed: 0, half_open: 1, open: 2,
		forced_open: 3, metrics_only: 4}[.[1]])"] | sort | join(", ")'
}
generations() { "$build/sluice" status --json | jq -c '[.pools[].nodes[].generation]'; }
# The three are read one after the other: only a sample during which no breaker moved counts.
agree() { # NAME
	local before status bpftool metrics try
	for ((try = 0; try < SAMPLES_MAX; try++)); do
		before=$(generations)
		status=$(by_status) bpftool=$(by_bpftool) metrics=$(by_metrics)
		[[ $(generations) == "$before" ]] && break
	done
	expect "$1: status and bpftool agree ($status)" "$bpftool" == "$status"
	expect "$1: status and /metrics agree" "$metrics" == "$status"
	[[ $status == *" "* ]] || not_ok "$1: nodes are seen" "'$status'"
}
node_field() { # ADDRESS FIELD
	"$build/sluice" status --json | jq -r ".pools[].nodes[] | select(.address == \"$1:8000\") | .$2"
}
node1_is() { [[ $(node_field 10.2.1.2 state) == "$1" ]]; }
counter() { "$build/sluice" status --json | jq -r ".counters.$1 // 0"; }
metric() { # NAME TEXT
	curl -s --max-time 5 "http://127.0.0.1:$PORT/metrics" | grep "^$1" | grep -F "$2" |
		sed 's/.* //'
}
metric_is() { [[ $(metric "$1" "$2") == "$3" ]]; }
load() { "$build/e2e/load" --url "127.0.0.1:$PORT" --model chat --concurrency 4 --tokens 4 "$@"; }
loaded() { sed -n "s/^$1=//p" "$work/load"; }

# ---- the tests --------------------------------------------------------------------------------
test_lanes() {
	local chunks
	try "a chat, streamed"
	chunks=$(grep -c '^data: {' "$out")
	expect "a chat through the daemon is streamed" "$chunks" ">=" 3
	expect "and comes to its end" "$(grep -v '^$' "$out" | tail -n 1)" == "data: [DONE]"
	try "the same on the fast lane"
	expect "a chat on the fast lane is streamed" "$(grep -c '^data: {' "$out")" ">=" 3
	expect "and comes to its end too" "$(grep -v '^$' "$out" | tail -n 1)" == "data: [DONE]"
	expect "as a flow of its own" "$(counter flow_opened)" ">=" 1
	expect "to a node" "$(counter forward_to_node)" ">=" 3
	try "what both planes know"
	expect "the status says well" "$(head -n 1 "$out")" contains "well: 5 of 5 nodes"
	try "the same in a browser" 2
	expect "and so does the page" "$(<"$out")" contains "Well: 5 of 5 nodes"
	expect "which cluster.sh tells how to open" "$(<"$work/up.first")" contains \
		"http://127.0.0.1:$((PORT + 10))/ with any user and the password $(<"$state/page-token")"
	agree "at rest"
}
# A server dies under requests; both planes know; it comes back.
test_kill() {
	load --count 600 --stream-percent 50 >"$work/load" 2>"$work/load.err" &
	local job=$!
	sleep 0.3
	try "kill a node's server" 1
	wait "$job"
	expect "killed under load: 0 failed answers" "$(loaded whole_failed)" == 0
	expect "killed under load: 0 streams failed before a token" "$(loaded stream_failed)" == 0
	expect "killed under load: 0 streams ended without a word" "$(loaded stream_incomplete)" == 0
	expect "killed under load: requests" "$(loaded requests)" ">=" 600
	try "kill a node's server" 2
	expect "40 more: each is answered" "$(grep -o 200 "$out" | wc -l)" == 40
	wait_for 20 breaker_is_not_closed
	expect "its breaker has tripped" "$(node_field 10.2.1.2 trips)" ">=" 1
	try "kill a node's server" 3
	expect "the status names it" "$(head -n 1 "$out")" contains 'nodes of pool "chat" is'
	agree "during the kill"
	try "the same state" 1
	expect "bpftool reads the node" "$(grep -c '"breaker"' "$out")" == 1
	try "start it again" 1
	wait_for "$RECOVER_S" recover ||
		not_ok "it closes again" "$("$build/sluice" status chat | head -n 5)"
	try "start it again" 2
	expect "after the recovery: each is answered" "$(grep -o 200 "$out" | wc -l)" == 20
	expect "its breaker is closed" "$(node_field 10.2.1.2 state)" == closed
	agree "after the recovery"
}
breaker_is_not_closed() { ! node1_is closed; }
# Its probes are requests, so somebody has to ask.
recover() {
	load --count 8 --stream-percent 0 >"$work/load" 2>&1
	"$build/sluice" status chat --json | grep -q '"well": true'
}
test_orders() {
	try "tune a threshold" 1
	try "tune a threshold" 2
	expect "a threshold written by bpftool counts" "$(head -n 1 "$out" | tr -s ' ' | cut -d ' ' -f 3)" == 2
	try "tune a threshold" 3
	try "tune a threshold" 2
	expect "and goes back by name" "$(head -n 1 "$out" | tr -s ' ' | cut -d ' ' -f 3)" == 5
	try "drain a node" 1
	expect "drain" "$(node_field 10.2.2.2 draining) $(node_field 10.2.2.2 state)" == "true closed"
	load --count 20 --stream-percent 0 >"$work/load" 2>&1
	expect "while it drains: 0 failed" "$(loaded whole_ok)" == 20
	try "drain a node" 2
	expect "undrain" "$(node_field 10.2.2.2 draining)" == false
}
test_fallback() {
	try "take the whole primary pool down" 1
	try "take the whole primary pool down" 2
	expect "the primary pool down: 200" "$(head -n 1 "$out")" contains "200"
	expect "the fallback pool answered" "$(tr -d '\r' <"$out" | grep -i '^x-sluice-pool')" == "x-sluice-pool: small"
	try "take the whole primary pool down" 3
	wait_for "$RECOVER_S" primary_answers ||
		not_ok "the primary pool answers again" "$("$build/sluice" status chat | head -n 5)"
	wait_for "$RECOVER_S" recover || not_ok "the pool closes again" "$("$build/sluice" status chat)"
}
primary_answers() {
	try "take the whole primary pool down" 2
	grep -q '^x-sluice-pool: chat' "$out"
}
# What is done with answers. Each line again until it shows what it should: a kept answer, an index and a
# health check take their time on a busy machine.
shows() { # TITLE N TEXT...
	local title=$1 number=$2 text
	shift 2
	try "$title" "$number"
	for text in "$@"; do [[ $(<"$out") == *"$text"* ]] || return 1; done
}
test_trust() {
	try "a semantic hit" 1
	expect "semantic: the model answers" "$(cat "$out")" contains "Answer "
	wait_for 30 shows "a semantic hit" 2 "Answer " "x-sluice-cache: semantic"
	expect "semantic: other words get the kept answer" "$(cat "$out")" contains "x-sluice-similarity: 0.9"
	try "a near miss" 1
	try "a near miss" 2
	expect "a near miss: the model is asked" "$(cat "$out")" contains "Answer "
	expect "a near miss: no kept answer" "$(grep -c x-sluice-cache "$out")" == 0
	try "retrieval" 1
	expect "retrieval: by the database" "$(cat "$out")" contains "x-sluice-index: store"
	expect "retrieval: the answer rests on it" "$(cat "$out")" contains "thirty days of paid vacation. [1]"
	try "retrieval" 2
	wait_for 30 shows "retrieval" 2 "x-sluice-degraded: retrieve=index"
	expect "retrieval without the database" "$(cat "$out")" contains "x-sluice-index: handbook@"
	expect "retrieval without the database: the handbook's words" "$(cat "$out")" contains "in a calendar year"
	try "retrieval" 3
	wait_for "$RECOVER_S" shows "retrieval" 1 "x-sluice-index:"
	try "a schema repair"
	expect "schema: repaired" "$(cat "$out")" contains '{"city":"Paris","population":2102650}'
	expect "schema: told" "$(cat "$out")" contains "x-sluice-degraded: validate=repaired"
	try "a stream whose"
	expect "stream: redacted" "$(sed -n 's/.*"content":"\([^"]*\)".*/\1/p' "$out" | tr -d '\n')" == \
		"Write to [email] or call [phone]."
	expect "stream: whole" "$(grep -v '^$' "$out" | tail -n 1)" == "data: [DONE]"
	try "a prompt" 1
	expect "prompt: the stable version" "$(cat "$out")" contains "assistant of a shop"
	try "a prompt" 2
	try "a prompt" 3
	expect "prompt: promoted" "$(cat "$out")" contains "pirate"
	try "a prompt" 4
	expect "prompt: rolled back" "$(cat "$out")" contains "assistant of a shop"
	try "a prompt" 5
	expect "prompt: two versions" "$(grep -c '^shop' "$out")" == 2
}
test_daemon() {
	local flows
	flows=$(counter flow_opened)
	try "kill the daemon" 1
	try "kill the daemon" 2
	expect "without the daemon the fast lane answers" "$(cat "$out")" contains '"finish_reason"'
	expect "by a new flow" "$(counter flow_opened)" ">" "$flows"
	try "kill the daemon" 3
	wait_for 30 curl -sf --max-time 2 "http://127.0.0.1:$PORT/health" ||
		not_ok "the daemon is back" "$(tail -n 3 "$state/sluiced.log")"
	try "a chat, streamed"
	expect "with the daemon back the smart lane answers" \
		"$(grep -v '^$' "$out" | tail -n 1)" == "data: [DONE]"
	agree "after the daemon's restart"
}
test_reload() {
	sed -i 's/- {model: small, pools: small}/&\n  - {model: third, pools: small}/' "$state/sluice.yaml"
	try "edit" 1
	try "edit" 2
	wait_for 10 metric_is sluice_config_reloads_total success 1
	expect "reload: counted" "$(metric sluice_config_reloads_total success)" == 1
	try "edit" 3
	expect "reload: logged" "$(cat "$out")" contains reloaded
	expect "reload: the new route is there" \
		"$(curl -s --max-time 5 "http://127.0.0.1:$PORT/v1/models")" contains '"third"'
	try "what one line"
	expect "a profile: what it would set" "$(cat "$out")" contains "Who waits longer than 95 of 100"
	expect "a profile: what it recommends" "$(cat "$out")" contains "audit: {file: /var/lib/sluice/audit.log}"
	echo 'nonsense: 1' >>"$state/sluice.yaml"
	try "edit" 1
	expect "a bad file: check names the key" "$(cat "$out")" contains nonsense
	try "edit" 2
	wait_for 10 metric_is sluice_config_reloads_total failure 1
	expect "a bad file: the old one stays" "$(metric sluice_config_last_reload_successful '')" == 0
	load --count 8 --stream-percent 0 >"$work/load" 2>&1
	expect "a bad file: requests go on" "$(loaded whole_ok)" == 8
	try "all numbers"
	expect "/metrics" "$(promtool check metrics <"$out" 2>&1 | grep -vi 'should\|help text')" == ""
}
# Ends it by SIGNAL and looks for what is left.
test_end() { # SIGNAL
	pids=$(cat "$state"/*.pid)
	kill "-$1" "$cluster"
	wait "$cluster" 2>/dev/null
	cluster=
	wait_for 30 is_gone
	expect "SIG$1: nothing is left" "$(leftovers | tr '\n' ' ')" == ""
	(exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
	expect "SIG$1: the port is free" $? == 1
}
# The guard dies with the script: the next start has to clean up.
test_crash() {
	pids=$(cat "$state"/*.pid)
	# shellcheck disable=SC2046  # a list of ids
	kill -KILL "$cluster" $(pgrep -P "$cluster" -f -- --guard)
	wait "$cluster" 2>/dev/null
	cluster=
	bring_up "after a crash of script and guard"
	expect "it removed what was left" "$(for pid in $pids; do ls -d "/proc/$pid" 2>/dev/null; done)" == ""
}

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
for tool in jq curl bpftool promtool; do
	command -v $tool >/dev/null || { not_ok "needs $tool" "make deps"; finish; }
done
[[ -x $build/e2e/load ]] || { not_ok "needs $build/e2e/load" "make e2etools"; finish; }
free_port
export PORT SLUICE_PIN_DIR=$pins SLUICE_ADMIN_SOCKET=$state/admin.sock
bring_up "first"
test_lanes
test_kill
test_orders
test_fallback
test_trust
test_daemon
test_reload
test_end INT
bring_up "again"
test_end KILL
bring_up "once more"
test_crash
test_end TERM
finish
