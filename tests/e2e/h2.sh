#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# h2.sh - HTTP/2 in front: many streams on one connection, slow ones beside fast ones, streams given up,
# floods, requests with two possible ends, drain and upgrade.
#
#   curl, node, openai --h2--> sluiced 8080 (plain), 8443 (TLS) --> standin a 9001, slow one b 9002,
#                                                                   recorder 9003 (h2.mjs)
. "$(dirname "$0")/lib.sh"

# Of this namespace alone: what the kernel takes for a client that does not read is not ours to bound.
echo '4096 16384 65536' >/proc/sys/net/ipv4/tcp_wmem
echo '4096 16384 65536' >/proc/sys/net/ipv4/tcp_rmem
pki=$work/pki
mkdir -p "$pki"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$pki/key" \
	-out "$pki/pem" -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null ||
	not_ok "certificate" "openssl failed"
cat >"$config" <<-END
	listen:
	  - 127.0.0.1:8080
	  - {address: "127.0.0.1:8443", tls: {certificate: $pki/pem, key: $pki/key}}
	admin_socket: $work/admin.sock
	threads: 2
	io: ${SLUICE_IO:-auto}
	limits: {stream_buffer: 64KiB}
	timeouts: {upstream_idle: 1s, send: ${SEND:-30s}, upgrade: 60s}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  a: {nodes: ["127.0.0.1:9001"]}
	  b: {nodes: ["127.0.0.1:9002"]}
	  recorder: {nodes: ["127.0.0.1:9003"]}
	routes:
	  - {model: fast, pools: a, attempts: 1, timeouts: {total: 200s, inter_token: 100s}}
	  - {model: slow, pools: b, attempts: 1, timeouts: {total: 200s, ttft: 100s, inter_token: 100s}}
	  - {model: recorder, pools: recorder, attempts: 1, timeouts: {total: 10s}}
END
standin a 9001 --ctx 0
standin b 9002 --token-us 20000 --ctx 0
daemon_start
run() { SLUICE_TEST_NAME=$test_name NODE_EXTRA_CA_CERTS=$pki/pem node "$e2e/h2.mjs" "$@" || failures=$((failures + 1)); }

# ---- clients ----------------------------------------------------------------------------------
ask='{"model":"fast","messages":[{"role":"user","content":"hello"}],"max_tokens":8}'
post() {
	curl -s --max-time 20 --cacert "$pki/pem" -o "$work/out" -D "$work/head" -w '%{http_code} %{http_version}' \
		-H 'content-type: application/json' -H 'x-request-id: mine-1' -d "$@"
}
expect "curl with prior knowledge" "$(post "$ask" --http2-prior-knowledge $url/v1/chat/completions)" == "200 2"
expect "curl with prior knowledge: an answer" "$(jq -r '.choices[0].finish_reason' "$work/out")" == length
expect "curl: the request's id" "$(tr -d '\r' <"$work/head" | grep -c '^x-request-id: mine-1$')" == 1
expect "curl over TLS" "$(post "$ask" https://localhost:8443/v1/chat/completions)" == "200 2"
expect "curl that offers h2c by Upgrade is served by HTTP/1.1" \
	"$(post "$ask" --http2 $url/v1/chat/completions)" == "200 1.1"
expect "HEAD" "$(curl -sI --http2-prior-knowledge -o "$work/out" -w '%{http_code} %{size_download}' $url/v1/models)" == "200 0"
expect "an unknown path" "$(post "$ask" --http2-prior-knowledge $url/v1/nowhere)" == "404 2"
run clients
if command -v h2load >/dev/null; then
	printf '%s' "$ask" >"$work/ask"
	h2load -n 2000 -c 5 -m 50 -H 'content-type: application/json' -d "$work/ask" \
		$url/v1/chat/completions >"$work/h2load" 2>&1
	expect "h2load: 2,000 requests on 5 connections" "$(grep -c ' 2000 succeeded, 0 failed' "$work/h2load")" == 1
fi
run smuggling

# ---- one connection, many streams -------------------------------------------------------------
run streams
expect "requests are counted by protocol" "$(metric sluice_http_requests_total 'http/2')" '>=' 100
run abandon
run floods
expect_soon "no stream is left" 10 metric_is sluice_http2_streams '' == 0
expect_soon "no connection is left" 10 metric_is sluice_http2_connections '' == 0
expect "rapid resets are counted" "$(metric sluice_http2_refused_total rapid_reset)" '>=' 1

# ---- a slow reader ----------------------------------------------------------------------------
run slow

# ---- an upgrade and a drain -------------------------------------------------------------------
# begin NAME: streams on one connection, in the background; begun when they have tokens
begin() {
	SLUICE_TEST_NAME=$test_name node "$e2e/h2.mjs" leave >"$work/$1" 2>&1 &
	streams=$!
	expect_soon "$1: streams have begun" 30 grep -q begun "$work/$1"
}
end() {
	wait $streams || failures=$((failures + 1))
	grep -E '^(not )?ok ' "$work/$1"
}
begin upgrade
before=$(starts)
"$build/sluiced" --takeover "$config" >>"$log" 2>&1 &
next=$!
wait_for 20 all_started "$before"
end upgrade
wait $daemon
expect "the old process ends with status 0" $? == 0
daemon=$next
fds_before=$(daemon_fds)
begin drain
kill -TERM $daemon
end drain
wait $daemon
expect "SIGTERM ends with status 0" $? == 0

# ---- not spoken -------------------------------------------------------------------------------
sed -i 's/limits: {/limits: {http2_streams: 0, /' "$config"
daemon_start
expect "http2_streams 0: ALPN offers HTTP/1.1 alone" "$(post "$ask" https://localhost:8443/v1/chat/completions)" == "200 1.1"
expect "http2_streams 0: prior knowledge is refused" \
	"$(curl -s --max-time 5 --http2-prior-knowledge -o /dev/null -w '%{http_code}' $url/health)" == 000
daemon_stop
finish
