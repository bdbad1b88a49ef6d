#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# cache.sh - the cache of answers: who gets what was answered before and who never does, what is never
# kept, and requests that share one call. How often the server was asked is what counts everywhere.
. "$(dirname "$0")/lib.sh"

store=$work/keys
json='content-type: application/json'
chat="$url/v1/chat/completions"
admin=http://127.0.0.1:10001
key() { "$build/sluice" key create "$@" --file "$store" 2>/dev/null; }            # NAME OPTIONS...
code() { curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code}' "$@"; } # CURL-OPTIONS...
body() { echo "{\"model\":\"$1\",\"temperature\":0,${3:-}\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; } # MODEL PROMPT [MORE]
asked() { state_of 9001 .inference_requests; }
running_is() { [[ $(state_of 9001 .running) == "$1" ]]; }
# With what was given up before its answer, which alone is not counted as asked.
asked_all() { if [[ $1 == body ]]; then state_of 9001 '.inference_requests + .client_gone'; else asked; fi; } # KIND
set_standin() { curl -s -X POST -d "$1" $admin/config >/dev/null; } # JSON
fault() { curl -s -X POST -d "{\"fault\":\"$1\"${2:-}}" $admin/fault >/dev/null; } # NAME [MORE]
faults_end() { curl -s -X DELETE $admin/fault >/dev/null; }
under_way() { (($(metric sluice_requests_in_flight) == $1)); }
# ask NAME WANTED BODY [CURL-OPTIONS...]: 200, x-sluice-cache, and whether the server was asked
ask() {
	local name=$1 wanted=$2 body=$3 before status
	shift 3
	before=$(asked)
	status=$(code -N -H "$json" -d "$body" "$@" "$chat")
	expect "$name" "$status $(header x-sluice-cache) $(($(asked) - before))" == \
		"200 $wanted $([[ $wanted == hit ]] && echo 0 || echo 1)"
}
write() { # MORE-OF-THE-TOP [POOL-OF-chat]
	config_write <<-END
		timeouts: {upstream_idle: 1s}
		tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
		$1
		pools:
		  one: {nodes: ["127.0.0.1:9001"]}
		  renamed: {nodes: ["127.0.0.1:9002"], model: other-name}
		  dead: {nodes: ["127.0.0.1:9003"]}
		routes:
		  - {model: chat, pools: ${2:-one}, cache: {ttl: 1h}}
		  - {model: plain, pools: one}
		  - {model: brief, pools: one, cache: {ttl: 100ms}}
		  - {model: chance, pools: one, cache: {ttl: 1h, sampled: true, length: true}}
		  - {model: small, pools: one, cache: {ttl: 1h, answer: 1KiB}}
		  - {model: renamed, pools: renamed, cache: {ttl: 1h}}
		  - {model: saved, pools: [dead, one], backoff: 0ms, cache: {ttl: 1h}}
		  - {model: once, pools: one, attempts: 1, cache: {ttl: 1h},
		     timeouts: {ttft: 400ms, inter_token: 400ms, total: 1600ms}}
		  - {model: patient, pools: one, attempts: 1, cache: {ttl: 1h}}
		  - {model: hasty, pools: one, attempts: 1, cache: {ttl: 1h}, timeouts: {total: 700ms}}
	END
}
standin a 9001
standin b 9002
THREADS=4 write "" # a crowd comes by all of them
daemon_start

# ---- whole answers
ask "whole: new" miss "$(body chat one)"
expect "whole: a miss has no age" "$(header age)" == ""
cp "$work/out" "$work/first"
ask "whole: again" hit "$(body chat one)"
expect "whole: age" "$(header age)" '>=' 0
expect "whole: content-type" "$(header content-type)" == application/json
expect "whole: an id of its own" "$(header x-request-id)" contains req_
expect "whole: byte for byte" "$(cmp "$work/first" "$work/out" && echo same)" == same
for field in x-sluice-timeout-ms x-request-timeout-ms x-envoy-upstream-rq-timeout-ms x-portkey-request-timeout X-LiteLLM-Timeout; do
	ask "a deadline by $field" hit "$(body chat one)" -H "$field: 9000"
done
ask "a field of no meaning to us may have one to the node" miss "$(body chat one)" -H "x-request-timeout: 9000"
ask "another prompt" miss "$(body chat two)"
ask "another temperature" miss "$(body chat one | sed 's/"temperature":0/"temperature":0.0/')"
ask "another field" miss "$(body chat one '"top_p":0.5,')"
ask "a blank more" miss "$(body chat one '"top_p": 0.5,')"
ask "a seed" miss "$(body chat one '"seed":1,' | sed 's/"temperature":0,//')"
ask "a seed: again" hit "$(body chat one '"seed":1,' | sed 's/"temperature":0,//')"
ask "user: new" miss "$(body chat one '"user":"a",')"
ask "user: another one" hit "$(body chat one '"user":"b, \"x\"",')"
ask "user: within a message it counts" miss "$(body chat 'x\",\"user\":\"a')"
ask "user: within another message" miss "$(body chat 'x\",\"user\":\"b')"
ask "tools: new" miss "$(body chat 'call tool' '"tools":[{"type":"function","function":{"name":"f"}}],')"
ask "tools: again" hit "$(body chat 'call tool' '"tools":[{"type":"function","function":{"name":"f"}}],')"
expect "tools: the call" "$(jq -r '.choices[0].finish_reason' "$work/out")" == tool_calls
ask "a field of the head that the node gets" miss "$(body chat one)" -H 'x-other: 1'
ask "the client's program" hit "$(body chat one)" -A another -H 'x-stainless-retry-count: 1'
ask "where keys are open, the client's key counts" miss "$(body chat one)" -H 'authorization: Bearer x'
before=$(asked)
for i in 1 2; do code -H "$json" -d '{"model":"chat","input":"abc"}' "$url/v1/embeddings" >/dev/null; done
expect "embeddings" "$(header x-sluice-cache) $(($(asked) - before))" == "hit 1"
for i in 1 2; do code -H "$json" -d '{"model":"chat","temperature":0,"prompt":["a","b"]}' "$url/v1/completions" >/dev/null; done
expect "completions of two prompts" "$(header x-sluice-cache)" == hit

# ---- streams
stream() { body "$1" "$2" "\"stream\":true,${3:-}"; }
ask "stream: new" miss "$(stream chat one)"
cp "$work/out" "$work/first"
ask "stream: again" hit "$(stream chat one)"
expect "stream: byte for byte" "$(cmp "$work/first" "$work/out" && echo same)" == same
expect "stream: to its end" "$(grep -c '^data: \[DONE\]' "$work/out")" == 1
expect "stream: content-type" "$(header content-type)" contains text/event-stream
ask "stream: with usage is another thing" miss "$(stream chat one '"stream_options":{"include_usage":true},')"
ask "stream: with usage, again" hit "$(stream chat one '"stream_options":{"include_usage":true},')"
expect "stream: usage" "$(cat "$work/out")" contains total_tokens
ask "stream: three choices" miss "$(stream chat three '"n":3,')"
ask "stream: three choices, again" hit "$(stream chat three '"n":3,')"
expect "stream: three ends" "$(grep -c '"finish_reason":"stop"' "$work/out")" == 3

# ---- never
for i in 1 2; do
	ask "no cache on the route: $i" "" "$(body plain one)"
	ask "chance: $i" bypass "$(body chat one | sed 's/"temperature":0,//')"
	ask "chance: temperature: $i" bypass "$(body chat one | sed 's/"temperature":0/"temperature":0.7/')"
	ask "x-sluice-cache: no: $i" bypass "$(body chat one)" -H 'x-sluice-cache: no'
	ask "no-store: $i" bypass "$(body chat one)" -H 'cache-control: max-age=5, No-Store'
	ask "no-cache: $i" bypass "$(body chat one)" -H 'cache-control: no-cache'
	ask "length: $i" miss "$(body chat long '"max_tokens":2,"ignore_eos":true,')"
	ask "length, stream: $i" miss "$(stream chat long '"max_tokens":2,"ignore_eos":true,')"
	ask "larger than the route keeps: $i" miss "$(body small long '"n":9,')"
	ask "larger, stream: $i" miss "$(stream small long)"
	message='{"model":"chat","max_tokens":99,"temperature":0,"messages":[{"role":"user","content":"one"}]}'
	code -H "$json" -d "$message" "$url/v1/messages" >/dev/null
	expect "the Messages API: $i" "$(header x-sluice-cache)" == bypass
	ask "another pool's answer: $i" miss "$(body saved one)"
	ask "another pool's stream: $i" miss "$(stream saved one)"
done
ask "a route may keep what chance decided" miss "$(body chance one | sed 's/"temperature":0,//')"
ask "chance: again" hit "$(body chance one | sed 's/"temperature":0,//')"
ask "a route may keep what was cut at max_tokens" miss "$(stream chance long '"max_tokens":2,"ignore_eos":true,')"
ask "cut at max_tokens: again" hit "$(stream chance long '"max_tokens":2,"ignore_eos":true,')"
code -H "$json" -d "$(body renamed one)" "$chat" >/dev/null
code -H "$json" -d "$(body renamed one)" "$chat" >/dev/null
expect "a pool's own name of the model" "$(header x-sluice-cache)" == hit

# ---- time
ask "ttl: new" miss "$(body brief one)"
sleep 0.2
ask "ttl: over" miss "$(body brief one)"
expect "ttl: counted" "$(metric sluice_cache_evictions_total expired)" '>=' 1

# ---- every fault: what is not a whole and right answer is not kept
# Right, though late or with a sick /health: slow-first, slow-token, close-idle, health-down, and
# no-done where no [DONE] belongs.
for name in reset-before reset-headers hang hang-headers slow-first:50 slow-token:5 stall keepalive-stall cut rst \
	clean-cut bad-chunk bad-event error-event no-done 429 429-retry:1 429-quota 500 502 503 503-retry:1 529 \
	400-context 400-policy 401 huge-headers bad-length short-length health-lies health-down empty html \
	wrong-model close-idle; do
	for kind in body stream; do
		wanted=miss model=once
		case $name-$kind in
		# a machine that stands still is no fault of the answer's: this route waits
		slow-* | close-idle-* | health-down-* | no-done-body) wanted=hit model=patient ;;
		esac
		request=$($kind $model "fault $name")
		fault "$name"
		code -N -H "$json" -d "$request" "$chat" >/dev/null
		faults_end
		set_standin '{}'
		expect_soon "fault $name, $kind: over" 10 idle
		# A server that named a time is left alone until then.
		again() { [[ $(code -N -H "$json" -d "$request" "$chat") == 200 ]]; }
		expect_soon "fault $name, $kind: answered after it" 10 again
		expect "fault $name, $kind: then" "$(header x-sluice-cache)" == $wanted
	done
done

# ---- fifty at once share a call
crowd() { # NAME BODY COUNT: in the background; crowd_end waits
	crowd_pids=()
	local i
	for ((i = 0; i < $3; i++)); do
		curl -sN --max-time 60 -o "$work/$1-$i" -D "$work/$1-$i.head" -w '%{http_code}\n' -H "$json" -d "$2" "$chat" >"$work/$1-$i.code" &
		crowd_pids+=($!)
	done
}
crowd_end() { wait "${crowd_pids[@]}"; }
for kind in body stream; do
	set_standin '{"token_us":200000}'
	before=$(asked)
	crowd fifty-$kind "$($kind patient "crowd $kind")" 50
	expect_soon "fifty, $kind: under way" 20 under_way 50
	expect "fifty, $kind: one runs" "$(state_of 9001 .running)" == 1
	crowd_end
	expect "fifty, $kind: asked once, to the end" $(($(asked) - before)) == 1
	expect "fifty, $kind: all are answered" "$(cat "$work"/fifty-$kind-*.code | sort | uniq -c | tr -s ' ')" == " 50 200"
	expect "fifty, $kind: all alike" "$(sha256sum "$work"/fifty-$kind-{?,??} | cut -d' ' -f1 | sort -u | wc -l)" == 1
	expect "fifty, $kind: 49 had it from another" "$(cat "$work"/fifty-$kind-*.head | grep -ci '^x-sluice-cache: coalesced')" == 49
done
expect "coalesced: counted" "$(metric sluice_cache_requests_total 'result="coalesced"')" == 98

for kind in body stream; do
	set_standin '{"token_us":100000}'
	before=$(asked)
	crowd four-$kind "$($kind patient "four $kind")" 4
	crowd_end
	expect "four, $kind: asked once" $(($(asked) - before)) == 1
	expect "four, $kind: all are answered" "$(cat "$work"/four-$kind-*.code | sort | uniq -c | tr -s ' ')" == " 4 200"
	expect "four, $kind: all alike" "$(sha256sum "$work"/four-$kind-? | cut -d' ' -f1 | sort -u | wc -l)" == 1
done

# ---- the leader's client leaves: the next one leads, nobody else notices
for kind in body stream; do
	set_standin '{"token_us":1000000}'
	before=$(asked_all $kind)
	request=$($kind patient "left $kind")
	curl -sN --max-time 60 -o /dev/null -H "$json" -d "$request" "$chat" &
	leader=$!
	expect_soon "leader leaves, $kind: it is asked" 10 running_is 1
	crowd left-$kind "$request" 5
	expect_soon "leader leaves, $kind: five wait" 10 under_way 6
	curl -s --max-time 0.5 -o /dev/null -H "$json" -d "$request" "$chat"
	expect_soon "leader leaves, $kind: a follower may leave" 10 under_way 6
	set_standin '{"token_us":1000}'
	kill -KILL $leader
	wait $leader 2>/dev/null
	crowd_end
	expect "leader leaves, $kind: all are answered" "$(cat "$work"/left-$kind-*.code | sort | uniq -c | tr -s ' ')" == " 5 200"
	expect "leader leaves, $kind: asked once more" $(($(asked_all $kind) - before)) == 2
done

# ---- the leader's call fails: it alone is told
for kind in body stream; do
	set_standin '{"token_us":100000}'
	fault cut:5 ',"count":1'
	before=$(asked)
	request=$($kind patient "failed $kind")
	curl -sN --max-time 60 -o "$work/leader" -H "$json" -d "$request" "$chat" &
	leader=$!
	expect_soon "leader fails, $kind: it is asked" 10 running_is 1
	set_standin '{"token_us":1000}'
	crowd failed-$kind "$request" 5
	wait $leader
	crowd_end
	expect "leader fails, $kind: it is told" "$(cat "$work/leader")" contains '"error"'
	expect "leader fails, $kind: the others are answered" "$(cat "$work"/failed-$kind-*.code | sort | uniq -c | tr -s ' ')" == " 5 200"
	expect "leader fails, $kind: in full" "$(grep -l '"finish_reason":"stop"' "$work"/failed-$kind-? | wc -l)" == 5
	expect "leader fails, $kind: asked once more" $(($(asked) - before)) == 2
	faults_end
done

# ---- an answer that may not be kept: the others ask by themselves; nobody waits past the deadline
set_standin '{"token_us":200000}'
before=$(asked)
crowd cut "$(body patient cut '"max_tokens":5,"ignore_eos":true,')" 4
expect_soon "not to be kept: under way" 10 under_way 4
expect "not to be kept: one runs first" "$(state_of 9001 .running)" == 1
crowd_end
expect "not to be kept: all are answered" "$(cat "$work"/cut-*.code | sort | uniq -c | tr -s ' ')" == " 4 200"
expect "not to be kept: each by itself" $(($(asked) - before)) == 4
before=$(asked)
crowd late "$(body hasty late)" 3
crowd_end
expect "deadline: all are told" "$(cat "$work"/late-*.code | sort -u)" == 504
set_standin '{"token_us":0}'
daemon_stop

# ---- tenants, and what is charged
acme_1=$(key acme-1 --tenant acme)
acme_2=$(key acme-2 --tenant acme)
other=$(key other --tenant other)
lone_1=$(key lone-1)
lone_2=$(key lone-2)
write "keys: {file: $store}
tenants: {acme: {tokens_per_minute: 1000000}}"
daemon_start
as() { echo "authorization: Bearer $1"; }
ask "tenants: new" miss "$(body chat one)" -H "$(as "$acme_1")"
tokens=$(metric sluice_tenant_tokens_total acme)
ask "tenants: another key of the same" hit "$(body chat one)" -H "$(as "$acme_2")"
expect "tenants: a hit is charged as a request" "$(metric sluice_tenant_requests_total acme)" == 2
expect "tenants: and no tokens" "$(metric sluice_tenant_tokens_total acme)" == "$tokens"
expect "tenants: a hit tells the limits" "$(header x-ratelimit-limit-tokens)" == 1000000
ask "tenants: by x-api-key" hit "$(body chat one)" -H "x-api-key: $acme_1"
ask "tenants: another one" miss "$(body chat one)" -H "$(as "$other")"
ask "tenants: a key without" miss "$(body chat one)" -H "$(as "$lone_1")"
ask "tenants: another key without" miss "$(body chat one)" -H "$(as "$lone_2")"
ask "tenants: the key without, again" hit "$(body chat one)" -H "$(as "$lone_1")"
expect "no key, no answer" "$(code -H "$json" -d "$(body chat one)" "$chat")" == 401

# ---- a reload
write "keys: {file: $store}"
kill -HUP $daemon
expect_soon "reload: done" 10 metric_is sluice_config_reloads_total success '>=' 1
ask "reload: what did not change is kept" hit "$(body chat one)" -H "$(as "$lone_1")"
write "keys: {file: $store}" renamed
kill -HUP $daemon
expect_soon "reload: another pool" 10 metric_is sluice_config_reloads_total success '>=' 2
code -H "$json" -H "$(as "$lone_1")" -d "$(body chat one)" "$chat" >/dev/null
expect "reload: another pool answers anew" "$(header x-sluice-cache)" == miss
daemon_stop

# ---- the bound
write "cache: {memory: 128KiB}"
daemon_start
ask "bound: hot" miss "$(body chat hot)"
ask "bound: hot, again" hit "$(body chat hot)"
for ((i = 0; i < 400; i++)); do
	echo next
	echo "url = $chat"
	echo "header = \"$json\""
	echo "output = /dev/null"
	echo "data = \"$(body chat "filler $i" | sed 's/"/\\"/g')\""
done | sed 1d >"$work/many"
curl -s --max-time 100 -K "$work/many"
expect "bound: holds" "$(metric sluice_cache_bytes)" '<=' 131072
expect "bound: is used" "$(metric sluice_cache_bytes)" '>=' 50000
expect "bound: others went" "$(metric sluice_cache_evictions_total size)" '>' 100
expect "bound: entries" "$(metric sluice_cache_entries)" == $((401 - $(metric sluice_cache_evictions_total) - $(metric sluice_cache_refused_total)))
ask "bound: what was asked twice is there" hit "$(body chat hot)"
daemon_stop
finish
