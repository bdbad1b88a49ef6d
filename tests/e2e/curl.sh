#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# curl.sh - the HTTP that clients see: endpoints, errors, versions, connections, limits, time-outs.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	limits: {body: 64KiB, connections: 40}
	timeouts: {header: 700ms, body: 700ms, idle: 3s, upstream_idle: 1s}
	pools: {chat: {nodes: ["127.0.0.1:9001"]}}
	routes:
	  - {model: chat, pools: chat}
	  - {model: chat-b, pools: chat}
END
standin a 9001
daemon_start

json='content-type: application/json'
body='{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
code() { curl -s --max-time 20 -o "$work/out" -D "$work/head" -w '%{http_code}' "$@"; } # CURL-OPTIONS...
out() { jq -r "$1" "$work/out"; }                                                       # JQ
# raw TEXT: sends the bytes, prints what comes until the server closes
raw() {
	exec 3<>/dev/tcp/127.0.0.1/8080
	printf '%b' "$1" >&3
	timeout 10 cat <&3
	exec 3>&-
}
error_is() { # NAME STATUS CODE-OF-ERROR
	expect "$1: status" "$(cat "$work/status")" == "$2"
	expect "$1: code in the body" "$(out .error.code)" == "$3"
	expect "$1: all members of the error" "$(out '.error | keys | join(" ")')" == "code message param type"
}
ask() { code "$@" >"$work/status"; }

# ---- endpoints
expect "GET /health" "$(code "$url/health")" == 200
expect "GET /health: body" "$(out .status)" == ok
expect "GET /ready" "$(code "$url/ready")" == 200
expect "GET /v1/models" "$(code "$url/v1/models")" == 200
expect "GET /v1/models: list" "$(out '[.object] + [.data[] | .id + "/" + .object] | join(" ")')" == \
	"list chat/model chat-b/model"
expect "HEAD /health" "$(code -I "$url/health")" == 200
expect "HEAD /health: no body" "$(wc -c <"$work/out")" == "$(wc -c <"$work/head")"
expect "HEAD /v1/models: the length of the GET" "$(code -I "$url/v1/models"; header content-length)" == \
	"200$(curl -s "$url/v1/models" | wc -c)"
expect "POST chat" "$(code -H "$json" -d "$body" "$url/v1/chat/completions")" == 200
expect "POST chat: answer" "$(out '.choices[0].message.role')" == assistant
expect "POST chat: x-sluice-node" "$(header x-sluice-node)" == 127.0.0.1:9001
expect "POST chat: x-sluice-attempts" "$(header x-sluice-attempts)" == 1
expect "POST chat: the server's own header" "$(header x-standin-name)" == a
expect "POST completions" "$(code -H "$json" -d '{"model":"chat","prompt":"hello"}' \
	"$url/v1/completions")" == 200
expect "POST completions: answer" "$(out '.object')" == text_completion
expect "POST embeddings" "$(code -H "$json" -d '{"model":"chat","input":["a","b"]}' \
	"$url/v1/embeddings")" == 200
expect "POST embeddings: answer" "$(out '.data | length')" == 2
expect "POST chat, streamed" "$(code -N -H "$json" -d "${body/\{/\{\"stream\":true,}" \
	"$url/v1/chat/completions")" == 200
expect "POST chat, streamed: type" "$(header content-type)" contains text/event-stream
expect "POST chat, streamed: end" "$(grep -v '^$' "$work/out" | tail -n 1)" == "data: [DONE]"
expect "a query is passed over" "$(code "$url/health?probe=1")" == 200

# ---- metrics
expect "GET /metrics" "$(code "$url/metrics")" == 200
expect "GET /metrics: type" "$(header content-type)" contains "text/plain; version=0.0.4"
if command -v promtool >/dev/null; then
	expect "promtool check metrics" "$(promtool check metrics <"$work/out" 2>&1)" == ""
else
	not_ok "promtool check metrics" "promtool is missing: apt-get install prometheus"
fi
expect "metrics count the requests" "$(metric sluice_requests_total 'code="200"')" == 4
expect "metrics: no kernel plane" "$(metric sluice_kernel_plane 'mode="memory"')" == 1

# ---- errors
ask "$url/nothing"
error_is "unknown path" 404 unknown_url
ask -X DELETE "$url/v1/models"
error_is "DELETE on models" 405 method_not_allowed
expect "DELETE on models: Allow" "$(header allow)" == "GET, HEAD"
ask "$url/v1/chat/completions"
error_is "GET on chat" 405 method_not_allowed
expect "GET on chat: Allow" "$(header allow)" == "POST"
ask -H "$json" -d "${body/chat/nobody}" "$url/v1/chat/completions"
error_is "unknown model" 404 model_not_found
ask -H "$json" -d '{"model":' "$url/v1/chat/completions"
error_is "broken JSON" 400 invalid_json
ask -H "$json" -d '[]' "$url/v1/chat/completions"
error_is "JSON, but no object" 400 invalid_json
ask -H "$json" -d '' "$url/v1/chat/completions"
error_is "empty body" 400 invalid_json
ask -H "$json" -d '{"messages":[]}' "$url/v1/chat/completions"
error_is "no model" 400 missing_required_parameter
ask -H "$json" -d '{"model":"chat","model":"chat-b","messages":[]}' "$url/v1/chat/completions"
error_is "two models" 400 invalid_json
expect "two models: named" "$(cat "$work/out")" contains "key occurs twice (give 'model' once, spelt like this)"
expect "two models: the parameter" "$(jq -r .error.param "$work/out")" == model
ask -H "$json" -d '{"model":"chat","Max_Tokens":9,"messages":[{"role":"user","content":"x"}]}' \
	"$url/v1/chat/completions"
error_is "a parameter in capitals" 400 invalid_json
expect "a parameter in capitals: named" "$(jq -r .error.param "$work/out")" == max_tokens
ask -H "$json" -d "{\"model\":\"chat\",\"x\":$(printf '[%.0s' $(seq 100))$(printf ']%.0s' $(seq 100))}" \
	"$url/v1/chat/completions"
error_is "a body nested too deeply" 400 invalid_json
for reason in duplicate letter_case depth not_object; do
	expect "refused bodies are counted: $reason" "$(metric sluice_bodies_refused_total "\"$reason\"")" == 1
done
expect "refused bodies are counted: syntax" "$(metric sluice_bodies_refused_total '"syntax"')" == 2
expect "refused bodies are counted: parameter" "$(metric sluice_bodies_refused_total '"parameter"')" == 1
ask -H "$json" -d '{"model":"chat","stream":"yes","messages":[]}' "$url/v1/chat/completions"
error_is "stream that is no boolean" 400 invalid_value
head -c 70000 /dev/zero | tr '\0' ' ' >"$work/large"
ask -H "$json" --data-binary @"$work/large" "$url/v1/chat/completions"
error_is "body over the limit" 413 request_too_large
ask -H "$json" -H 'transfer-encoding: chunked' --data-binary @"$work/large" "$url/v1/chat/completions"
error_is "chunked body over the limit" 413 request_too_large
ask -H "x-large: $(head -c 40000 /dev/zero | tr '\0' x)" "$url/health"
error_is "head over the limit" 431 headers_too_large

# ---- request ids
ask -H "$json" -H 'x-request-id: my-own.id:7' -d "$body" "$url/v1/chat/completions"
expect "x-request-id: kept" "$(header x-request-id)" == my-own.id:7
ask -H "$json" -H 'x-request-id: has a blank' -d "$body" "$url/v1/chat/completions"
expect "x-request-id: one with blanks is replaced" "$(header x-request-id)" contains req_
ask -H "$json" -d "$body" "$url/v1/chat/completions"
first=$(header x-request-id)
ask -H "$json" -d "$body" "$url/v1/chat/completions"
expect "x-request-id: made" "$first" contains req_
expect "x-request-id: another for each request" "$(header x-request-id)" != "$first"
ask -H 'x-request-id: on-an-error' "$url/nothing"
expect "x-request-id: on errors too" "$(header x-request-id)" == on-an-error

# ---- versions, connections, bodies
expect "HTTP/1.0" "$(code --http1.0 -H "$json" -d "$body" "$url/v1/chat/completions")" == 200
expect "HTTP/1.0: closed behind it" "$(header connection)" == close
expect "HTTP/1.0, streamed" "$(code --http1.0 -H "$json" -d "${body/\{/\{\"stream\":true,}" \
	"$url/v1/chat/completions")" == 200
expect "HTTP/1.0, streamed: no chunks" "$(header transfer-encoding)" == ""
expect "HTTP/1.0, streamed: end" "$(grep -v '^$' "$work/out" | tail -n 1)" == "data: [DONE]"
expect "keep-alive: three requests, one connection" "$(curl -s --max-time 20 -w '%{num_connects} ' \
	-o "$work/out" "$url/health" -o "$work/out" "$url/nothing" -o "$work/out" "$url/v1/models")" == "1 0 0 "
expect "Expect: 100-continue" "$(code -H "$json" -H 'expect: 100-continue' -d "$body" \
	"$url/v1/chat/completions")" == 200
expect "Expect: 100-continue is sent" "$(head -n 1 "$work/head" | tr -d '\r')" == "HTTP/1.1 100 Continue"
ask -H "$json" -H 'expect: 100-continue' --data-binary @"$work/large" "$url/v1/chat/completions"
expect "Expect: a body over the limit is refused before it is sent" "$(head -n 1 "$work/head")" contains 413
expect "chunked request" "$(code -H "$json" -H 'transfer-encoding: chunked' -d "$body" \
	"$url/v1/chat/completions")" == 200

get='GET /health HTTP/1.1\r\nhost: s\r\n\r\n'
last='GET /health HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n'
chat="POST /v1/chat/completions HTTP/1.1\r\nhost: s\r\n$json\r\ncontent-length: ${#body}\r\n\r\n$body"
expect "pipelined: all answered" "$(raw "$get$get$get$last" | grep -ao 'HTTP/1.1 200' | wc -l)" == 4
raw "$get$chat${chat/hello/other}GET /nothing HTTP/1.1\r\nhost: s\r\n\r\n$last" >"$work/out"
expect "pipelined: answered in order" \
	"$(grep -ao -e 'HTTP/1.1 [0-9]*' -e 'chat.completion"' "$work/out" | tr '\n' ' ')" == \
	'HTTP/1.1 200 HTTP/1.1 200 chat.completion" HTTP/1.1 200 chat.completion" HTTP/1.1 404 HTTP/1.1 200 '
expect "an empty line before the request" "$(raw "\r\n$last" | head -n 1)" contains "200 OK"
expect "absolute form" "$(raw "${last/\/health/http://s/health}" | head -n 1)" contains "200 OK"

# ---- time-outs: bounds from below only, a slow machine fails nothing
expect "slow head: 408" "$(raw 'GET /health HTTP/1.1\r\nhost:' | head -n 1)" contains 408
expect "slow body: 408" "$(raw "${chat%hello*}" | head -n 1)" contains 408
trickle() {
	exec 3<>/dev/tcp/127.0.0.1/8080
	printf 'GET /health HTTP/1.1\r\nhost: s\r\nx-a: ' >&3
	for _ in $(seq 40); do
		printf 'x' >&3 2>/dev/null || break
		sleep 0.05
	done &
	timeout 10 cat <&3
	exec 3>&-
	wait $!
}
expect "a head that trickles in: 408" "$(trickle 2>/dev/null | head -n 1)" contains 408
expect "silent connection: closed without a word" "$(raw '' | wc -c)" == 0
expect "time-outs are counted" "$(metric sluice_http_refused_total too_slow)" == 3

# ---- more connections than the limit (of each of the threads)
descriptors=()
for _ in $(seq 200); do
	{ exec {fd}<>/dev/tcp/127.0.0.1/8080; } 2>/dev/null && descriptors+=("$fd")
done
refusals() { metric sluice_http_refused_total too_many_connections; }
sleep 0.2
for fd in "${descriptors[@]}"; do exec {fd}>&-; done
wait_for 10 healthy
expect "connections over the limit are refused and counted" "$(refusals)" '>=' 100
expect "and then it serves again" "$(code "$url/health")" == 200

# ---- readiness follows the nodes
standin_kill a
for _ in $(seq 8); do ask -H "$json" -d "$body" "$url/v1/chat/completions"; done
expect "dead node: 5xx with an error" "$(out .error.type)" == server_error
expect "dead node: x-should-retry" "$(header x-should-retry)" == false
expect "dead node: /health stays 200" "$(code "$url/health")" == 200

daemon_stop
finish
