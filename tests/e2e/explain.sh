#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# explain.sh - sluice explain and the request log say what happened: success, retry, fallback, refused,
# broken stream, client gone; no prompt and no key in either.
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
requests=$work/requests.log
keys=$work/keys
key=$("$sluice" key create team --tenant acme --file "$keys" 2>"$work/err")
few=$("$sluice" key create few --requests-per-minute 1 --file "$keys" 2>"$work/err")
[[ $key == sk-sluice-* ]] || not_ok "a key" "got '$key'"

config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000, retry.budget: 0}
	timeouts: {upstream_idle: 1s}
	keys: {file: $keys}
	log: {requests: $requests}
	pools:
	  pair: {nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
	  first: {nodes: ["127.0.0.1:9003"]}
	  behind: {nodes: ["127.0.0.1:9004"]}
	routes:
	  - {model: pair, pools: pair, attempts: 3, backoff: 5ms, timeouts: {inter_token: 20s}}
	  - {model: chain, pools: [first, behind], attempts: 3, backoff: 5ms}
END
for n in 1 2 3 4; do standin n$n 900$n --token-us 1000; done
daemon_start

fault() {
	curl -sf --max-time 5 -o "$work/fault" -d "{\"fault\":\"$2\"}" "http://127.0.0.1:$(($1 + 1000))/fault"
}
mend() { curl -sf --max-time 5 -o "$work/fault" -X DELETE "http://127.0.0.1:$(($1 + 1000))/fault"; }
# ask ID MODEL MEMBERS [KEY]: the status
ask() {
	curl -sN --max-time 20 -o "$work/out" -w '%{http_code}' -H "x-request-id: $1" \
		-H "authorization: Bearer ${4:-$key}" -H 'content-type: application/json' \
		-d "{\"model\":\"$2\",\"messages\":[{\"role\":\"user\",\"content\":\"my secret prompt\"}]$3}" \
		"$url/v1/chat/completions"
}
told() { "$sluice" explain "$1" --json | jq -r "$2"; }  # ID JQ
steps() { told "$1" '[.events[].event] | join(" ")'; } # ID
logged() { grep "\"id\":\"$1\"" "$requests" | jq -r "$2"; }
log_has() { grep -q "\"id\":\"$1\"" "$requests"; }

# success
expect "success: answered" "$(ask good pair)" == 200
expect "success: the steps" "$(steps good)" == "admitted pool attempt sent ending answer"
expect "success: the node that answered" "$(told good '.events[] | select(.event == "ending") | .node')" == \
	"127.0.0.1:9001"
expect "success: its ending" "$(told good '.events[] | select(.event == "ending") | "\(.ending) \(.status)"')" == "ok 200"
expect "success: the answer" "$(told good '.events[-1].status')" == 200
expect "success: the model" "$(told good .model)" == pair
expect "success: by which key" "$(told good .key_id)" == "$("$sluice" key list --file "$keys" --json | jq -r '.[]?[]? | select(.name == "team") | .id')"
expect "success: the times do not go back" "$(told good '[.events[].at_ms] | . == sort')" == true
expect "success: the text says the same" "$("$sluice" explain good)" contains "node=127.0.0.1:9001 ending=ok"
expect_soon "success: logged" 10 log_has good
expect "success: the log's line" "$(logged good '"\(.outcome) \(.status) \(.attempts) \(.pool) \(.node) \(.tenant)"')" == \
	"ok 200 1 pair 127.0.0.1:9001 acme"

# on one connection of the client, so on one thread: the node's connection is kept
twice=(-H 'x-request-id: kept' -H "authorization: Bearer $key" -H 'content-type: application/json'
	-d '{"model":"pair","messages":[{"role":"user","content":"a"}]}')
curl -s --max-time 20 -o "$work/out" -o "$work/out" "${twice[@]}" "$url/v1/chat/completions" "$url/v1/chat/completions"
expect "kept: the second request found a connection" \
	"$(told kept '.events[] | select(.event == "sent") | .kept_connection')" == 1
expect "kept: a node that was not asked before is connected to" \
	"$(told good '.events[] | select(.event == "sent") | .kept_connection')" == 0

# stream
expect "stream: answered" "$(ask stream pair ',"stream":true,"max_tokens":5,"ignore_eos":true')" == 200
expect_soon "stream: logged at its end" 10 log_has stream
expect "stream: the steps" "$(steps stream)" == "admitted pool attempt sent ending stream stream_end"
expect "stream: as many tokens as the client got" "$(told stream '.events[-1].tokens')" == \
	"$(grep -c '"content":"[^"]' "$work/out")"
expect "stream: the log has them too" "$(logged stream '"\(.outcome) \(.stream) \(.tokens) \(.ttft_ms > 0)"')" == \
	"ok true $(told stream '.events[-1].tokens') true"

# retry
fault 9001 500
expect "retry: answered" "$(ask retry pair)" == 200
mend 9001
expect "retry: the steps" "$(steps retry | sed 's/ back_off//')" == \
	"admitted pool attempt sent ending retry_budget attempt sent ending answer"
expect "retry: who failed how, who answered" \
	"$(told retry '[.events[] | select(.event == "ending") | "\(.node) \(.ending) \(.status)"] | join(", ")')" == \
	"127.0.0.1:9001 status_5xx 500, 127.0.0.1:9002 ok 200"
expect_soon "retry: logged" 10 log_has retry
expect "retry: two attempts in the log" "$(logged retry .attempts)" == 2

# fallback
standin_kill n3
expect "fallback: answered" "$(ask fall chain)" == 200
expect "fallback: the pools" "$(told fall '[.events[] | select(.event == "pool") | .pool] | join(" ")')" == "first behind"
expect "fallback: its cause" "$(told fall '[.events[] | select(.event == "pool")][1].fallback_cause')" == error
expect "fallback: the first attempt never went out" \
	"$(told fall '[.events[] | select(.event == "sent") | .node] | join(" ")')" == "127.0.0.1:9004"
expect "fallback: nor was it connected" "$(told fall '[.events[] | select(.event == "ending")][0].ending')" == connect_error
expect_soon "fallback: logged" 10 log_has fall
expect "fallback: cause in the log" "$(logged fall '"\(.fallback) \(.pool)"')" == "error behind"

# refused: by its key, by its limit, by its model
expect "refused: unknown key" "$(ask nokey pair '' sk-sluice-nothing)" == 401
expect "refused: unknown key: the steps" "$(steps nokey)" == "refused answer"
expect "refused: unknown key: the status" "$(told nokey '.events[0].status')" == 401
expect "limit: the first passes" "$(ask limit1 pair '' "$few")" == 200
expect "limit: the second does not" "$(ask limit2 pair '' "$few")" == 429
expect "limit: said so" "$(told limit2 '.events[0] | "\(.event) \(.error) \(.status)"')" == \
	"refused rate_limit_exceeded 429"
expect "limit: by which limit" "$(told limit2 .refused_by)" == key_requests
expect "limit: ... in words" "$("$sluice" explain limit2)" contains " refused_by=key_requests"
expect "limit: what passed says nothing of it" "$(told limit1 '"\(.refused_by) \(.cost)"')" == "null null"
expect "limit: by which key" "$(told limit2 .key_id)" == "$(told limit1 .key_id)"
expect "refused: unknown model" "$(ask nomodel none)" == 404
expect "refused: unknown model: said so" "$(told nomodel '.events[0].error')" == model_not_found
expect_soon "refused: logged" 10 log_has nomodel
expect "refused: outcome in the log" "$(logged nomodel '"\(.outcome) \(.status) \(.attempts)"')" == "refused 404 0"

# the client leaves: before the answer, and in a stream
fault 9001 hang
curl -s --max-time 0.5 -o "$work/out" -H 'x-request-id: gone' -H "authorization: Bearer $key" \
	-H 'content-type: application/json' -d '{"model":"pair","messages":[{"role":"user","content":"a"}]}' "$url/v1/chat/completions"
mend 9001
expect_soon "gone: logged" 10 log_has gone
expect "gone: the steps" "$(steps gone)" == "admitted pool attempt sent ending client_gone"
expect "gone: the attempt's ending" "$(told gone '.events[4].ending')" == client_gone
expect "gone: outcome in the log" "$(logged gone .outcome)" == client_gone
fault 9001 stall:2
curl -sN --max-time 1 -o "$work/out" -H 'x-request-id: left' -H "authorization: Bearer $key" \
	-H 'content-type: application/json' -d '{"model":"pair","stream":true,"messages":[{"role":"user","content":"a"}]}' "$url/v1/chat/completions"
mend 9001
expect_soon "left a stream: logged" 10 log_has left
expect "left a stream: its end" "$(told left '.events[-1] | "\(.event) \(.ending)"')" == "stream_end client_gone"

# what is not there
"$sluice" explain never >"$work/out" 2>"$work/error"
expect "unknown id: exit status" $? == 1
expect "unknown id: the error" "$(cat "$work/error")" contains "request never is not known"
"$sluice" explain "a b" >"$work/out" 2>"$work/error"
expect "no id: exit status" $? == 1
printf 'explain %0200d json\n' 1 | timeout 10 socat - "UNIX-CONNECT:$SLUICE_ADMIN_SOCKET" >"$work/out"
expect "a line that is too long gets nothing" "$(cat "$work/out")" == ""
expect "who says nothing gets the daemon's own line" \
	"$(timeout 10 socat - "UNIX-CONNECT:$SLUICE_ADMIN_SOCKET" </dev/null | jq -r .io)" == \
	"$(curl -s "$url/metrics" | sed -n 's/^sluice_build_info.*io="\([a-z_]*\)".*/\1/p')"

# nothing secret, one object a line
expect "the log holds no prompt" "$(grep -c secret "$requests")" == 0
expect "the log holds no key" "$(grep -c "${key##*-}" "$requests")" == 0
expect "nor does explain" "$("$sluice" explain good --json | grep -c "secret\|${key##*-}")" == 0
expect "every line is an object" "$(jq -r '.id | length > 0' "$requests" | sort -u)" == true

# logrotate: a reload opens the file anew; sample leaves out good ones alone
mv "$requests" "$requests.1"
sed -i 's/^log: .*/log: {requests: '"${requests//\//\\/}"', sample: 1000000}/' "$config"
kill -HUP $daemon
expect_soon "reload: the file is there again" 10 test -e "$requests"
reloaded() { grep -q ' reloaded ' "$log"; }
expect_soon "reload: done" 10 reloaded
for ((i = 0; i < 12; i++)); do ask sampled$i pair >"$work/status"; done
ask failing none >"$work/status"
expect_soon "sample: who failed is written" 10 log_has failing
expect "sample: of the good ones at most one a thread" $(($(grep -c '"outcome":"ok"' "$requests") <= 2)) == 1

daemon_stop
finish
