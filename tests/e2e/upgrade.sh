#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# upgrade.sh - 20 binary upgrades and 100 reloads under streaming load: 0 failed, 0 bytes lost; a stream
# that outlives its process's replacement; new processes that fail leave the old one serving.
. "$(dirname "$0")/lib.sh"

upgrade_count=20
reload_count=100

write() { # TURN THREADS
	THREADS=${2:-2} config_write <<-END
		timeouts: {upstream_idle: 1s, upgrade: 200s}
		limits: {body: $((1 + $1 % 4))MiB}
		pools: {chat: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}}
		routes: [{model: chat, pools: chat, timeouts: {ttft: 20s, inter_token: 20s, total: 200s}}]
	END
}
pid_now() { timeout 10 socat - "UNIX-CONNECT:$work/admin.sock" </dev/null 2>/dev/null | sed 's/.*"pid":\([0-9]*\).*/\1/'; }
serves() { [[ $(pid_now) == "$1" ]]; } # PID
olds=()
# upgrade: a new process takes over; $daemon is it from then on
upgrade() {
	olds+=("$daemon")
	"$build/sluiced" --takeover "$config" >>"$log" 2>&1 &
	daemon=$!
	wait_for 60 serves $daemon
}
reloads() { metric_is sluice_config_reloads_total success '>=' "$1"; }

# A stream takes 32 ms, so that many are open whenever a process takes over, and the processors are free for it.
for n in 1 2; do standin n$n 900$n --token-us 4000; done
write 0
daemon_start

# one long stream that begins before the first upgrade
curl -sN --max-time 200 "$url/v1/chat/completions" -H 'content-type: application/json' -d '{
	"model":"chat","stream":true,"ignore_eos":true,"max_tokens":3000,
	"messages":[{"role":"user","content":"a long one"}]}' >"$work/stream" &
stream=$!
expect_soon "a stream is open" 10 grep -q delta "$work/stream"

load_start --count 1000000 --concurrency 30 --stream-percent 60 --tokens 8
wait_for 20 metric_is sluice_requests_total '' '>' 100
done_count=0
reloaded=0
for ((i = 1; i <= upgrade_count; i++)); do
	# the number of threads moves too: sockets are opened, or one thread has several
	write $i $((1 + i % 3))
	upgrade || break
	done_count=$((done_count + 1))
	for ((k = 1; k <= reload_count / upgrade_count; k++)); do
		write $((i + k)) $((1 + i % 3))
		kill -HUP $daemon
		wait_for 60 reloads $k || break 2
		reloaded=$((reloaded + 1))
	done
done
expect "$upgrade_count upgrades under load" $done_count == $upgrade_count
expect "$reload_count reloads between them" $reloaded == $reload_count
wait_for 20 metric_is sluice_requests_total '' '>' 100
load_stop
load_clean "upgrades and reloads under load"
expect "upgrades: 0 broken streams" "$(loaded stream_broken)" == 0
expect "upgrades: requests" "$(loaded requests)" '>' 500
wait $stream
expect "the long stream: curl saw a whole answer" $? == 0
expect "the long stream: every token" "$(grep -c '"content":"[^"]' "$work/stream")" == 3000
expect "the long stream: its [DONE]" "$(tail -n 2 "$work/stream" | head -n 1)" == "data: [DONE]"
bad=0
for pid in "${olds[@]}"; do wait "$pid" || bad=$((bad + 1)); done
expect "every replaced process ended by itself, with status 0" $bad == 0
expect "none of them cut a request" "$(grep -c 'cutting what is left' "$log")" == 0

# what fails leaves the old one serving; what it had open is left to the end of the process, no leak
old=$daemon
printf 'listen: nowhere\n' >"$work/bad.yaml"
"$build/sluiced" --takeover "$work/bad.yaml" >"$work/new.log" 2>&1
expect "a bad configuration: exit status" $? == 2
other=epoll
[[ $(curl -s "$url/metrics") == *'io="epoll"'* ]] && other=io_uring
sed "s/^io: .*/io: $other/" "$config" >"$work/other.yaml"
ASAN_OPTIONS=detect_leaks=0 "$build/sluiced" --takeover "$work/other.yaml" >"$work/new.log" 2>&1
expect "another event back end: exit status" $? == 1
expect "another event back end: the error" "$(cat "$work/new.log")" contains "io: the running daemon uses"
expect_soon "the old one says that it serves on" 10 grep -q 'the new process did not start; serving on' "$log"
printf 'takeover\nnonsense\n' | timeout 10 socat - "UNIX-CONNECT:$work/admin.sock" >"$work/out"
expect "the old one still serves" "$(pid_now)" == "$old"
expect "and answers" "$(curl -s --max-time 10 -o "$work/out" -w '%{http_code}' "$url/ready")" == 200

# an idle connection: its next request is answered, and only then does it close
exec 5<>/dev/tcp/127.0.0.1/8080
printf 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n' >&5
read -r -t 10 line <&5
expect "a connection is kept" "$line" contains "200 OK"
write 7
upgrade
expect "upgrade with an idle connection" "$(pid_now)" == $daemon
printf 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n' >&5
expect "its next request is answered, and the connection closed" \
	"$(timeout 10 cat <&5 | tr -d '\r' | grep -o 'HTTP/1.1 200\|^connection: close' | wc -l)" == 2
exec 5>&-
wait "$old"
expect "the replaced process then ends" $? == 0

# SIGTERM ends a replaced process as any other
exec 5<>/dev/tcp/127.0.0.1/8080
printf 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n' >&5
read -r -t 10 line <&5
old=$daemon
upgrade
kill -TERM "$old"
wait "$old"
expect "SIGTERM to a replaced process: exit status" $? == 0
exec 5>&-

# sluice upgrade does it all: arguments, log and file are those of the running daemon
replace() { "$build/sluice" upgrade --admin-socket "$work/admin.sock" "$@"; }
old=$daemon
said=$(replace --pid-file "$work/pid" 2>&1)
expect "sluice upgrade: exit status" $? == 0
daemon=$(cat "$work/pid")
expect "sluice upgrade: another process serves" "$(pid_now)" == "$daemon"
expect "sluice upgrade: not the old one" "$daemon" != "$old"
expect "sluice upgrade: says so" "$said" == "process $daemon serves ($(readlink -f "$build/sluiced")); process $old ends with its last request"
wait "$old"
expect "sluice upgrade: the old one ends" $? == 0
expect "sluice upgrade: its command line" "$(tr '\0' ' ' <"/proc/$daemon/cmdline")" contains "--takeover $config"
expect "sluice upgrade: its log is the same" "$(readlink "/proc/$daemon/fd/2")" == "$(readlink -f "$log")"
# what fails is told, and changes nothing
failed() { # NAME CONTAINS ARGUMENTS...
	local name=$1 wanted=$2 said
	shift 2
	said=$(replace "$@" 2>&1)
	expect "sluice upgrade: $name: exit status" $? == 1
	expect "sluice upgrade: $name: told" "$said" contains "$wanted"
	expect "sluice upgrade: $name: the old one serves" "$(pid_now)" == "$daemon"
}
failed "a bad file" 'refused its configuration: ' "$work/bad.yaml"
failed "a bad file: who serves" "process $daemon still serves" "$work/bad.yaml"
failed "another back end" 'io: the running daemon uses' "$work/other.yaml"
failed "no binary" "$work/none: No such file" --binary "$work/none"
printf '#!/bin/sh\nexec sleep 1000\n' >"$work/hangs"
printf '#!/no/such/interpreter\n' >"$work/broken"
chmod +x "$work/hangs" "$work/broken"
failed "one that hangs" "did not serve within 1 s and was ended" --binary "$work/hangs" --timeout 1
failed "one that cannot be run" "$work/broken cannot be run: No such file" --binary "$work/broken"
failed "one that crashes" "ended with status 1" --binary /bin/false
replace --timeout 0 >"$work/out" 2>&1
expect "sluice upgrade: --timeout 0: exit status" $? == 2
expect "sluice upgrade: nobody to replace" "$("$build/sluice" upgrade --admin-socket "$work/none.sock" 2>&1)" contains "no daemon answers"

# nobody to take over from
kill -TERM $daemon
expect_soon "the one that sluice upgrade started ends" 20 test ! -e "/proc/$daemon"
"$build/sluiced" --takeover "$config" >>"$log" 2>&1 &
daemon=$!
expect_soon "without a daemon --takeover is an ordinary start" 20 healthy
fds_before=$(daemon_fds)
daemon_stop
finish
