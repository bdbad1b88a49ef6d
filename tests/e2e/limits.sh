#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# limits.sh - limits of requests, tokens and requests at once, of keys, tenants and models: what is let
# through, what 429 says, what is charged in the end, and that a reload forgives nothing.
#
# Limits are by the minute, and no test waits for one: each has a key or model of its own. A unit of three a minute
# comes back after 20 s, which a slow machine may take from one part to the next: what must be spent later is spent
# there, and is one a minute.
. "$(dirname "$0")/lib.sh"

store=$work/keys
json='content-type: application/json'
chat="$url/v1/chat/completions"
code() { curl -s --max-time 20 -o "$work/out" -D "$work/head" -w '%{http_code}' "$@"; } # CURL-OPTIONS...
out() { jq -r "$1" "$work/out"; }                                                       # JQ
key() { "$build/sluice" key create "$@" --file "$store" 2>/dev/null; }                  # NAME OPTIONS...
# body MODEL MAX-TOKENS [MORE]: exactly that many tokens are answered
body() { echo "{\"model\":\"$1\",\"max_tokens\":$2,\"ignore_eos\":true,${3:-}\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"; }
with() { code -H "authorization: Bearer $1" -H "$json" -d "$2" "$chat"; } # KEY BODY
write_config() {
	config_write <<-END
		timeouts: {upstream_idle: 1s}
		limits: {answer_tokens: 50}
		keys: {file: $store${1:-}}
		tenants:
		  acme: {requests_per_minute: 4}
		  frugal: {requests_per_minute: 1}
		  idle: {tokens_per_minute: 1000000}
		pools: {chat: {nodes: ["127.0.0.1:9001"]}}
		routes:
		  - {model: chat, pools: chat}
		  - {model: scarce, pools: chat, limits: {requests_per_minute: 2}}
		  - {model: rare, pools: chat, limits: {requests_per_minute: 1}}
		  - {model: single, pools: chat, limits: {concurrent: 1}}
	END
}
standin a 9001 --token-us 2000
requests=$(key requests --requests-per-minute 3)
tokens=$(key tokens --tenant idle --tokens-per-minute 10000)
two=$(key two --concurrent 2)
acme_1=$(key acme-1 --tenant acme)
acme_2=$(key acme-2 --tenant acme)
one=$(key one --requests-per-minute 1)
frugal=$(key frugal --tenant frugal)
spent=$(key spent --requests-per-minute 1)
free=$(key free)
sdk=$(key sdk --requests-per-minute 5 --tokens-per-minute 5000)
write_config
daemon_start

# ---- requests of a key
for i in 1 2 3; do
	expect "requests: $i of 3" "$(with "$requests" "$(body chat 1)")" == 200
	expect "requests: $i of 3: remaining" "$(header x-ratelimit-remaining-requests)" == $((3 - i))
done
expect "requests: limit" "$(header x-ratelimit-limit-requests)" == 3
expect "requests: reset" "$(header x-ratelimit-reset-requests)" contains s
expect "requests: no limit of tokens, no header" "$(header x-ratelimit-limit-tokens)" == ""
expect "requests: the fourth" "$(with "$requests" "$(body chat 1)")" == 429
expect "429: code" "$(out .error.code)" == rate_limit_exceeded
expect "429: message" "$(out .error.message)" contains "3 requests per minute for this API key"
expect "429: retry-after" "$(header retry-after)" '>' 0
expect "429: retry-after, at most a unit" "$(header retry-after)" '<=' 20
expect "429: retry-after-ms" "$(header retry-after-ms)" '<=' 20000
expect "429: remaining" "$(header x-ratelimit-remaining-requests)" == 0
expect "429: retry is worth it" "$(header x-should-retry)" == ""
expect "429: counted" "$(metric sluice_admission_refused_total 'reason="key_requests"')" == 1
message='{"model":"chat","max_tokens":1,"messages":[{"role":"user","content":"hello"}]}'
expect "messages: one limit for both APIs" "$(code -H "x-api-key: $requests" -H "$json" -d "$message" "$url/v1/messages")" == 429
expect "messages: in that API's shape" "$(out '.type + " " + .error.type + " " + .request_id')" == "error rate_limit_error $(header request-id)"
expect "messages: retry-after" "$(header retry-after)" '>' 0
expect "another key is not concerned" "$(with "$free" "$(body chat 1)")" == 200
expect "a key without limits has no headers" "$(grep -ci x-ratelimit "$work/head")" == 0

# ---- tokens: reserved by estimate, settled by usage; the tenant's counter tells exactly what was charged
charged() { metric sluice_tenant_tokens_total 'tenant="idle"'; }
expect "tokens: a whole answer" "$(with "$tokens" "$(body chat 100)")" == 200
used=$(out .usage.total_tokens)
expect "tokens: charged what the server said" "$(charged)" == "$used"
expect "tokens: limit" "$(header x-ratelimit-limit-tokens)" == 10000
expect "tokens: remaining, of what was used, not reserved" "$(header x-ratelimit-remaining-tokens)" '>=' $((10000 - used))
expect "tokens: remaining is less than all" "$(header x-ratelimit-remaining-tokens)" '<' 10000
expect "tokens: reset" "$(header x-ratelimit-reset-tokens)" contains s
before=$(charged)
expect "tokens: too large for ever" "$(with "$tokens" "$(body chat 20000)")" == 429
expect "tokens: too large: not worth a retry" "$(header x-should-retry)$(header retry-after)" == false
expect "tokens: too large: message" "$(out .error.message)" contains "more than the whole limit"
expect "tokens: too large: costs nothing" "$(charged)" == "$before"
expect "tokens: an estimate far above the use" "$(with "$tokens" "$(body chat 5000 | sed 's/"ignore_eos":true,//')")" == 200
expect "tokens: only the use is charged" "$(charged)" == $((before + $(out .usage.total_tokens)))
expect "tokens: the answer was short" "$(out .usage.total_tokens)" '<' 5000
before=$(charged)
code -N -H "x-api-key: $tokens" -H "$json" -d "$(body chat 300 '"stream":true,')" "$chat" >/dev/null
sent=$(grep -c '"content":"[^"]' "$work/out")
expect "tokens: a stream without usage is counted" $(($(charged) - before)) '>=' $((sent + 1))
expect "tokens: with an estimate of its prompt" $(($(charged) - before)) '<=' $((sent + 30))
expect "tokens: a stream without usage: sent" "$sent" '>=' 299
before=$(charged)
code -N -H "x-api-key: $tokens" -H "$json" \
	-d "$(body chat 300 '"stream":true,"stream_options":{"include_usage":true},')" "$chat" >/dev/null
used=$(grep -o '"total_tokens":[0-9]*' "$work/out" | tail -n 1 | cut -d: -f2)
expect "tokens: a stream with usage is charged that" $(($(charged) - before)) == "$used"

# ---- a stream that is cut is charged what it sent
before=$(charged)
code -N -H "x-api-key: $tokens" -H 'x-standin-fault: cut:200' -H "$json" -d "$(body chat 4000 '"stream":true,')" "$chat" >/dev/null
expect "cut: the stream broke" "$(cat "$work/out")" contains stream_interrupted
sent=$(grep -c '"content":"[^"]' "$work/out")
expect "cut: charged what was sent" $(($(charged) - before)) '>=' $((sent + 1))
expect "cut: charged what was sent, not what was asked for" $(($(charged) - before)) '<=' $((sent + 30))
before=$(charged)
curl -sN --max-time 30 -H "x-api-key: $tokens" -H "$json" -d "$(body chat 4000 '"stream":true,')" "$chat" 2>/dev/null | head -c 30000 >/dev/null
expect_soon "client gone: nothing stays under way" 10 idle
expect "client gone: charged what was sent" $(($(charged) - before)) '>' 50
expect "client gone: not what was asked for" $(($(charged) - before)) '<' 4000
before=$(charged)
code -H "x-api-key: $tokens" -H 'x-standin-fault: 500' -H "$json" -d "$(body chat 1000)" "$chat" >/dev/null
expect "an answer that nobody gave costs nothing" "$(charged)" == "$before"

# ---- at once
streams=()
for i in 1 2; do
	curl -sN --max-time 60 -H "x-api-key: $two" -H "$json" -d "$(body chat 2000 '"stream":true,')" "$chat" >"$work/stream-$i" &
	streams+=($!)
	expect_soon "at once: stream $i runs" 10 grep -q delta "$work/stream-$i"
done
expect "at once: the third" "$(with "$two" "$(body chat 1)")" == 429
expect "at once: message" "$(out .error.message)" contains "2 requests at once for this API key"
kill "${streams[0]}" 2>/dev/null
wait "${streams[0]}" 2>/dev/null
served() { [[ $(with "$1" "$(body "$2" 1)") == 200 ]]; }
expect_soon "at once: a place is free when a client leaves" 10 served "$two" chat
kill "${streams[1]}" 2>/dev/null
curl -sN --max-time 60 -H "x-api-key: $free" -H "$json" -d "$(body single 2000 '"stream":true,')" "$chat" >"$work/stream-3" &
stream=$!
expect_soon "at once, of a model: a stream runs" 10 grep -q delta "$work/stream-3"
expect "at once, of a model: the second" "$(with "$two" "$(body single 1)")" == 429
expect "at once, of a model: message" "$(out .error.message)" contains "for this model"
kill $stream 2>/dev/null

# ---- of a tenant, of a model
for k in "$acme_1" "$acme_2" "$acme_1" "$acme_2"; do with "$k" "$(body chat 1)"; done >"$work/codes"
expect "tenant: four of both keys" "$(cat "$work/codes")" == 200200200200
expect "tenant: the fifth" "$(with "$acme_1" "$(body chat 1)")" == 429
expect "tenant: message" "$(out .error.message)" contains "for this tenant"
expect "tenant: metric" "$(metric sluice_tenant_requests_total 'tenant="acme"')" == 4
for i in 1 2; do with "$free" "$(body scarce 1)"; done >"$work/codes"
expect "model: two of all" "$(cat "$work/codes")" == 200200
expect "model: the third" "$(with "$free" "$(body scarce 1)")" == 429
expect "model: its headers" "$(header x-ratelimit-limit-requests)" == 2
expect "model: another one is not concerned" "$(with "$free" "$(body chat 1)")" == 200

# ---- a reload and another file of keys forgive nothing
expect "reload: spent before" "$(with "$one" "$(body chat 1)")$(with "$frugal" "$(body chat 1)")$(with "$free" "$(body rare 1)")" == 200200200
kill -HUP $daemon
expect_soon "reload: done" 10 metric_is sluice_config_reloads_total success '>=' 1
later=$(key later)
expect_soon "another key: known" 10 served "$later" chat
expect "reload: the key is still at its limit" "$(with "$one" "$(body chat 1)")" == 429
expect "reload: the tenant too" "$(with "$frugal" "$(body chat 1)")" == 429
expect "reload: the model too" "$(with "$free" "$(body rare 1)")" == 429
write_config ", requests_per_minute: 1"
kill -HUP $daemon
expect_soon "a limit for all keys: reload" 10 metric_is sluice_config_reloads_total success '>=' 2
with "$later" "$(body chat 1)" >/dev/null
expect "a limit for all keys: reached" "$(with "$later" "$(body chat 1)")" == 429
expect "its own limit comes first" "$(with "$sdk" "$(body chat 1)"; header x-ratelimit-limit-requests)" == 2005

# ---- exactly the limit, from many connections and threads at once
write_config
kill -HUP $daemon
expect_soon "crowd: reload" 10 metric_is sluice_config_reloads_total success '>=' 3
crowd=$(key crowd --requests-per-minute 100 --tokens-per-minute 1000000)
since=$SECONDS
expect_soon "crowd: key" 10 served "$crowd" chat
load_start --key "$crowd" --count 400 --concurrency 40 --stream-percent 50 --tokens 4
wait "$load"
sed 's/^/# /' "$work/load.out" | tr '\n' ' '
echo
good=$(($(loaded whole_ok) + $(loaded stream_ok)))
expect "crowd: the limit is let through" "$good" '>=' 98
expect "crowd: and what the seconds since then gave" "$good" '<=' $((100 + 2 * (SECONDS - since)))

# ---- the openai client
if [[ -d ${SLUICE_NODE_MODULES:-$root/build/e2e/node_modules}/openai ]]; then
	expect "openai: a key is spent" "$(with "$spent" "$(body chat 1)")" == 200
	SLUICE_TEST_NAME=$test_name node "$e2e/limits.mjs" "$sdk" "$spent" || failures=$((failures + 1))
else
	not_ok "packages" "the openai client is missing: tests/e2e/deps.sh"
fi
daemon_stop
finish
