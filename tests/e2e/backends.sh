#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# backends.sh - the same promises on either event back end, and without a kernel plane.
. "$(dirname "$0")/lib.sh"

body='{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
ask() { curl -s --max-time 20 -H 'content-type: application/json' "$@" "$url/v1/chat/completions"; }
node() { standin "$1" "$2" --token-us 1000; }

pace() { # US: between tokens
	for port in 9001 9002; do
		curl -s -o "$work/out" -d "{\"token_us\":$1}" http://127.0.0.1:$((port + 1000))/config
	done
}

# core NAME: whole, streamed, faults, a client that leaves, load with a node killed, a slow reader
core() {
	expect "$1: the back end that was asked for" "$(metric sluice_build_info "io=\"$1\"")" == 1
	expect "$1: whole answer" "$(ask -d "$body" | jq -r '.choices[0].finish_reason')" != null
	expect "$1: stream" "$(ask -N -d "${body/\{/\{\"stream\":true,}" | grep -v '^$' | tail -n 1)" == \
		"data: [DONE]"
	expect "$1: reset by the node" "$(ask -H 'x-standin-fault: reset-before' \
		-H 'x-standin-fault-node: a' -o "$work/out" -w '%{http_code}' -d "$body")" == 200
	pace 20000 # what comes in one piece with the reset has not begun yet, and is no broken stream
	expect "$1: cut in mid-stream" "$(ask -N -H 'x-standin-fault: rst:3' \
		-d "${body/\{/\{\"stream\":true,}" | grep -c stream_interrupted)" == 1
	pace 1000

	local gone=$(($(state_of 9001 .client_gone) + $(state_of 9002 .client_gone)))
	ask -N -m 1 -d "${body/\{/\{\"stream\":true,\"ignore_eos\":true,\"max_tokens\":100000,}" >"$work/out"
	all_gone() { (($(state_of 9001 .client_gone) + $(state_of 9002 .client_gone) == gone + 1)); }
	expect_soon "$1: a client that leaves in mid-stream is passed on" 10 all_gone
	expect_soon "$1: and frees the server" 10 state_is 9001 '.running == 0'

	# 21 MB of tokens as fast as they go, through a buffer of 4 KiB: the node is paused all the time
	local long="${body/\{/\{\"stream\":true,\"n\":64,\"ignore_eos\":true,\"max_tokens\":1500,}"
	local step="${long/\"n\":64/\"n\":40}" # 7 KB each millisecond: between buffer and low mark
	pace 1000
	expect "$1: steps larger than the buffer" \
		"$(ask -N -m 20 -d "${step/1500/200}" | grep -v '^$' | tail -n 1)" == "data: [DONE]"
	pace 0
	expect "$1: a long stream through a small buffer" \
		"$(ask -N -m 60 -d "$long" | grep -v '^$' | tail -n 1)" == "data: [DONE]"
	# and to a client that is slow up to the end: its node's connection must read again for the next
	expect "$1: a long stream to a slow reader" \
		"$(ask -N -m 60 --limit-rate 8M -d "$long" | grep -v '^$' | tail -n 1)" == "data: [DONE]"
	for _ in 1 2 3 4; do ask -m 10 -D - -o "$work/out" -d "$body"; done >"$work/heads"
	expect "$1: the connections it left serve others" \
		"$(grep -c 'x-sluice-attempts: 1' "$work/heads")" == 4

	# 35 MB of tokens in 3 s, to a client that reads 128 KiB a second: they may not pile up
	local base peak
	pace 1000
	base=$(awk '/VmRSS/ {print $2}' /proc/$daemon/status)
	ask -N -m 3 --limit-rate 128k -d "${long/1500/100000}" >"$work/out"
	peak=$(awk '/VmHWM/ {print $2}' /proc/$daemon/status)
	expect_soon "$1: a slow reader's node is stopped when it leaves" 10 idle
	[[ $build == *san* ]] ||
		expect "$1: a slow reader costs a bounded buffer" $((peak - base)) '<' 16384

	load_start --count 2000 --concurrency 50 --stream-percent 50 --tokens 8
	wait_for 10 state_is 9002 '.running > 2'
	standin_kill b
	load_end
	load_clean "$1: a node killed under load"
	node b 9002
}

# Tokens that may wait for each other, of more streams than a thread relays at once.
gathered() { (($(grep -hs '^tfd:' /proc/$daemon/fdinfo/* | wc -l) - watched >= $1)); }
gather() { # NAME
	local watched
	watched=$(grep -hs '^tfd:' /proc/$daemon/fdinfo/* | wc -l)
	pace 50000
	load_start --count 250 --concurrency 250 --stream-percent 100 --tokens 60
	# epoll watches both ends of a stream anyway, and the one that gathers the nodes' end again
	expect_soon "$1: tokens are gathered" 20 gathered $([[ $1 == epoll ]] && echo 600 || echo 100)
	pace 1000
	load_end
	load_clean "$1: gathered"
	expect "$1: gathered streams to their end" "$(loaded stream_ok)" == 250
	load_start --count 500 --concurrency 250 --stream-percent 50 --tokens 20
	load_end
	load_clean "$1: on the connections they left"
	pace 1000
}

node a 9001
node b 9002
for SLUICE_IO in epoll io_uring; do
	config_write <<-END
		tunables: {breaker.open_ms: 200ms, breaker.open_max_ms: 500ms}
		timeouts: {upstream_idle: 1s}
		limits: {stream_buffer: 4KiB}
		pools: {chat: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}}
		routes: [{model: chat, pools: chat}]
	END
	cp "$config" "$work/good.yaml"
	sed -i -e 's/^threads:.*/threads: 1/' -e '$a gather_us: 1000' "$config"
	daemon_start
	gather $SLUICE_IO
	daemon_stop
	cp "$work/good.yaml" "$config"
	: >"$log"
	daemon_start
	core $SLUICE_IO
	daemon_stop
done

# no kernel plane: one loud line, a metric, and everything above has already been served without one
expect "memory: said once, loudly" "$(grep -c 'level=warn NO KERNEL PLANE' "$log")" == 1
expect "memory: said what to do" "$(grep 'NO KERNEL PLANE' "$log")" contains "run: sluice up"
expect "memory: the ready line says it too" "$(grep ' ready: ' "$log")" contains "kernel_plane=memory"
daemon_start
expect "memory: metric" "$(metric sluice_kernel_plane 'mode="memory"')" == 1
expect "memory: not the other" "$(metric sluice_kernel_plane 'mode="bpf"')" == 0
daemon_stop

# starts that cannot succeed say why and leave with a status of their own
cp "$config" "$work/good.yaml"
sed -i 's/^routes:.*/routes: [{model: chat, pools: nowhere}]/' "$config"
"$build/sluiced" "$config" >"$work/out" 2>&1
expect "broken file at the start: status" $? == 2
expect "broken file at the start: names the place" "$(cat "$work/out")" contains "sluice.yaml:"
expect "broken file at the start: names the pool" "$(cat "$work/out")" contains nowhere
"$build/sluiced" "$work/absent.yaml" >"$work/out" 2>&1
expect "no file: status" $? == 2
expect "no file: named" "$(cat "$work/out")" contains absent.yaml
cp "$work/good.yaml" "$config"
sed -i 's/127.0.0.1:8080/192.0.2.1:8080/' "$config"
"$build/sluiced" "$config" >"$work/out" 2>&1
expect "an address of another host: status" $? == 1
expect "an address of another host: named" "$(cat "$work/out")" contains "listen 192.0.2.1:8080"
finish
