#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# semantic.sh - the semantic cache: a question that means the same gets the answer without the model,
# near misses never do, nothing that may not be kept is; whose it is; restarts; and what happens when
# there is no vector: the weights are gone, or the pool that makes vectors is.
. "$(dirname "$0")/lib.sh"

need_encoder
json='content-type: application/json'
chat="$url/v1/chat/completions"
store=$work/keys
code() { curl -s --max-time 60 -o "$work/out" -D "$work/head" -w '%{http_code}' "$@"; } # CURL-OPTIONS...
body() { echo "{\"model\":\"$1\",${3:-}\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; } # MODEL QUESTION [MORE]
asked() { echo $(($(state_of 9001 .inference_requests) + $(state_of 9004 .inference_requests))); }
found() { metric sluice_semantic_cache_lookups_total "result=\"$1\""; } # RESULT
kept() { metric sluice_semantic_cache_insertions_total; }
kept_is() { (($(kept) == $1)); }
# ask NAME semantic|model BODY [CURL-OPTIONS...]: whether the answer was a kept one
ask() {
	local name=$1 wanted=$2 body=$3 before status
	shift 3
	before=$(asked)
	status=$(code -N -H "$json" -d "$body" "$@" "$chat")
	expect "$name" "$status $(header x-sluice-cache) $(($(asked) - before))" == \
		"$([[ $wanted == semantic ]] && echo "200 semantic 0" || echo "200  1")"
}
# teach BODY [CURL-OPTIONS...]: the model answers, and the answer is kept
teach() {
	local before
	before=$(kept)
	ask "new: ${1:0:90}" model "$@"
	expect_soon "it is kept" 30 kept_is $((before + 1))
}
# not_kept NAME BODY [CURL-OPTIONS...]
not_kept() {
	local name=$1 before
	shift
	before=$(kept)
	code -N -H "$json" -d "$1" "${@:2}" "$chat" >/dev/null
	code -N -H "$json" -d "$1" "${@:2}" "$chat" >/dev/null
	expect "not kept: $name" "$(header x-sluice-cache) $(kept)" == " $before"
}
write() { # EMBEDDING [MORE-OF-THE-TOP]
	config_write <<-END
		timeouts: {upstream_idle: 1s}
		tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
		embedding: $1
		semantic_cache: {path: $work/semantic.db, entries: 1000}
		${2:-}
		pools:
		  one: {nodes: ["127.0.0.1:9001"]}
		  vectors: {nodes: ["127.0.0.1:9002"]}
		  half: {nodes: ["127.0.0.1:9004", "127.0.0.1:9003"], health: {live: http, every: 100ms, timeout: 5s, failures: 2}}
		routes:
		  - {model: chat, pools: one, semantic_cache: {ttl: 1h, wait: 60s}${validate:-}}
		  - {model: talk, pools: one, semantic_cache: {ttl: 1h, wait: 60s, turns: 3}}
		  - {model: both, pools: one, cache: {ttl: 1h, sampled: true}, semantic_cache: {ttl: 1h, wait: 60s}}
		  - {model: common, pools: one, semantic_cache: {ttl: 1h, wait: 60s, shared: true}}
		  - {model: hasty, pools: one, semantic_cache: {ttl: 1h, wait: 2s}}
		  - {model: plain, pools: one}
		  - model: strict
		    pools: half
		    semantic_cache: {ttl: 1h, wait: 60s, threshold: 0.99}
		    degrade: {rules: [{breakers: 40, dwell: 100ms, similarity: 0.8}]}
	END
}
# start: with the database open, which counts among the descriptors
opened() { ls -l "/proc/$daemon/fd" | grep -q 'semantic.db-shm'; }
start() {
	daemon_start
	wait_for 30 opened
	fds_before=$(daemon_fds)
}
standin a 9001
standin b 9004
THREADS=1 write "{model: \"$encoder\", packed: \"$work/packed\"}"
start
expect "the weights are packed" "$(stat -c %s "$work/packed")" '>' 20000000

# ---- the same meaning, and what only looks like it
teach "$(body chat 'How do I reset my password?')"
cp "$work/out" "$work/first"
ask "a paraphrase" semantic "$(body chat 'how can I reset the password')"
expect "its answer" "$(jq -c .choices "$work/out")" == "$(jq -c .choices "$work/first")"
expect "how near it was" "$(header x-sluice-similarity)" contains 0.9
expect "its age" "$(header age)" '>=' 0
expect "an id of its own" "$(header x-request-id)" contains req_
ask "the same as a list of parts" semantic \
	'{"model":"chat","messages":[{"role":"user","content":[{"type":"text","text":"How can I reset my password?"}]}]}'
ask "as a stream" semantic "$(body chat 'How can I reset my password?' '"stream":true,')"
expect "the stream's text" "$(sed -n 's/^data: {/{/p' "$work/out" | jq -j '.choices[0].delta.content // ""')" == \
	"$(jq -j '.choices[0].message.content' "$work/first")"
expect "the stream's end" "$(grep -c '^data: \[DONE\]' "$work/out")" == 1
teach "$(body chat 'How do I not reset my password?')"
expect "the gate said so" "$(metric sluice_semantic_cache_gated_total 'gate="negation"')" == 1
teach "$(body chat 'How do I reset my router?')"
teach "$(body chat 'Convert 10 miles to kilometers')"
ask "another number" model "$(body chat 'Convert 12 miles to kilometers')"
ask "the other way" model "$(body chat 'Convert 10 kilometers to miles')"
expect "gates and distance are counted" "$(($(found gated) + $(found far)))" '>=' 4

# ---- everything else that decides the answer
question='How can I reset my password?'
ask "another route" model "$(body talk "$question")"
ask "a system prompt" model '{"model":"chat","messages":[{"role":"system","content":"Rhyme."},{"role":"user","content":"How can I reset my password?"}]}'
ask "a format" model "$(body chat "$question" '"response_format":{"type":"json_object"},')"
ask "tools" model "$(body chat "$question" '"tools":[{"type":"function","function":{"name":"f"}}],')"
ask "a bound" model "$(body chat "$question" '"max_tokens":50,')"
ask "a class of temperature" model "$(body chat "$question" '"temperature":1.5,')"
ask "who asks is none" semantic "$(body chat "$question" '"user":"u1",')"
ask "two turns, where one is allowed" model \
	'{"model":"chat","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"},{"role":"user","content":"How can I reset my password?"}]}'
turns='{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"}'
teach "{\"model\":\"talk\",\"messages\":[$turns,{\"role\":\"user\",\"content\":\"How do I turn on dark mode?\"}]}"
ask "two turns, where three are" semantic "{\"model\":\"talk\",\"messages\":[$turns,{\"role\":\"user\",\"content\":\"How can I enable dark mode?\"}]}"
ask "after other words" model "{\"model\":\"talk\",\"messages\":[{\"role\":\"user\",\"content\":\"Ho\"},{\"role\":\"assistant\",\"content\":\"Yes?\"},{\"role\":\"user\",\"content\":\"How can I enable dark mode?\"}]}"
ask "the client says no" model "$(body chat "$question")" -H 'x-sluice-cache: no'
ask "no-store" model "$(body chat "$question")" -H 'cache-control: no-store'
ask "three choices" model "$(body chat "$question" '"n":3,')"
ask "its own key, where keys are open" model "$(body chat "$question")" -H 'authorization: Bearer x'
ask "no semantic cache on the route" model "$(body plain "$question")"

# ---- streams are kept, whole, and given to all
before=$(kept)
ask "stream: new" model "$(body chat 'Explain how photosynthesis works' '"stream":true,')"
text=$(sed -n 's/^data: {/{/p' "$work/out" | jq -j '.choices[0].delta.content // ""')
expect_soon "stream: kept" 30 kept_is $((before + 1))
ask "stream: to a whole answer" semantic "$(body chat 'How does photosynthesis work?')"
expect "stream: its text" "$(jq -j '.choices[0].message.content' "$work/out")" == "$text"
before=$(kept)
code -H "$json" -d "$(body both 'Why is the sky blue?')" "$chat" >/dev/null
expect_soon "both: kept" 30 kept_is $((before + 1))
code -H "$json" -d "$(body both 'Why is the sky blue?')" "$chat" >/dev/null
expect "both: the exact cache comes first" "$(header x-sluice-cache)" == hit
code -H "$json" -d "$(body both 'Why does the sky look blue?')" "$chat" >/dev/null
expect "both: then the semantic one" "$(header x-sluice-cache)" == semantic
code -N -H "$json" -d "$(body both 'Why are leaves green?' '"stream":true,')" "$chat" >/dev/null
expect "both: a stream, new" "$(header x-sluice-cache)" == miss
cp "$work/out" "$work/first"
expect_soon "both: kept as well" 30 kept_is $((before + 2))
code -N -H "$json" -d "$(body both 'Why are leaves green?' '"stream":true,')" "$chat" >/dev/null
expect "both: the exact cache has the stream" "$(header x-sluice-cache)" == hit
expect "both: to the byte" "$(cmp "$work/out" "$work/first" && echo same)" == same

# ---- never kept
not_kept "cut at max_tokens" "$(body chat 'Tell me a tale of mountains' '"max_tokens":2,"ignore_eos":true,')"
not_kept "cut, as a stream" "$(body chat 'Tell me a tale of rivers' '"stream":true,"max_tokens":2,"ignore_eos":true,')"
not_kept "a call of a tool" "$(body chat 'call tool' '"tools":[{"type":"function","function":{"name":"f"}}],')"
not_kept "a call of a tool, as a stream" "$(body chat 'call tool now' '"stream":true,"tools":[{"type":"function","function":{"name":"f"}}],')"
not_kept "personal data in the question" "$(body chat 'Is anna.smith@example.org a good address?')"
not_kept "a text longer than a vector tells of" "$(body chat "$(printf 'many different words of a tale %.0s' {1..60})")"
standin_kill a
not_kept "an error" "$(body chat 'What is the meaning of an error?')"
standin a 9001

# ---- a restart, and a crash
daemon_stop
start
known() { code -H "$json" -d "$(body chat 'how can I reset the password')" "$chat" >/dev/null && [[ $(header x-sluice-cache) == semantic ]]; }
expect_soon "after a restart it is known" 30 known
before=$(kept)
teach "$(body chat 'What is the boiling point of water?')"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
start
cache_read() { (($(metric sluice_semantic_cache_entries) >= 5)); }
crash_known() { code -H "$json" -d "$(body chat "What's the boiling point of water?")" "$chat" >/dev/null && [[ $(header x-sluice-cache) == semantic ]]; }
expect_soon "after a crash too" 30 crash_known
daemon_stop

# ---- what looser checks let through is not given where they are stricter
validate=', validate: {empty: "true"}' THREADS=1 write "{model: \"$encoder\", packed: \"$work/packed\"}"
start
expect_soon "the kept answers are read" 30 cache_read
teach "$(body chat "What's the boiling point of water?")"
ask "and kept as theirs" semantic "$(body chat "What is the boiling point of water?")"
daemon_stop
THREADS=1 write "{model: \"$encoder\", packed: \"$work/packed\"}"
start
expect_soon "under the looser ones it is still there" 30 crash_known
daemon_stop

# ---- tenants
"$build/sluice" key create red --tenant red --file "$store" >"$work/red" 2>/dev/null
"$build/sluice" key create red2 --tenant red --file "$store" >"$work/red2" 2>/dev/null
"$build/sluice" key create blue --tenant blue --file "$store" >"$work/blue" 2>/dev/null
"$build/sluice" key create urgent --tenant red --class critical --file "$store" >"$work/urgent" 2>/dev/null
bearer() { echo "authorization: Bearer $(cat "$work/$1")"; } # NAME
THREADS=1 write "{model: \"$encoder\", packed: \"$work/packed\"}" "keys: {file: \"$store\"}"
start
teach "$(body chat 'How do I reset my password?')" -H "$(bearer red)"
ask "another key of the tenant" semantic "$(body chat 'How can I reset my password?')" -H "$(bearer red2)"
ask "another tenant" model "$(body chat 'How can I reset my password?')" -H "$(bearer blue)"
teach "$(body common 'How do I reset my password?')" -H "$(bearer red)"
ask "another tenant, where it is shared" semantic "$(body common 'How can I reset my password?')" -H "$(bearer blue)"

# ---- taken out by tenant
ask "another tenant's own" semantic "$(body chat 'How do I reset my password?')" -H "$(bearer blue)"
expect "purge: one tenant's" "$("$build/sluice" cache purge tenant=red route=chat --admin-socket "$work/admin.sock")" == "purged: exact=0 semantic=1"
expect "purge: of it nothing is left" "$("$build/sluice" cache list tenant=red route=chat --admin-socket "$work/admin.sock")" == ""
ask "purge: the other tenant has its own" semantic "$(body chat 'How can I reset my password?')" -H "$(bearer blue)"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
start
expect_soon "purge: the kept answers are read" 30 cache_read
ask "purge: the one has none, after a crash either" model "$(body chat 'How can I reset my password?')" -H "$(bearer red)"

# ---- in need, less alike will do, but not for those of the class critical
in_force() {
	code -H "$json" -H "$(bearer blue)" -H 'x-sluice-cache: no' -d "$(body strict Hello)" "$chat" >/dev/null
	metric_is sluice_degrade_in_force 'route="strict"' == "$1"
}
similar() { metric sluice_ladder_steps_total 'route="strict",stage="degrade",step="similarity"'; }
in_need() { # HOW QUESTION PARAPHRASE
	local before
	before=$(similar)
	expect_soon "strict: $1: half of its pool is out" 30 in_force 1
	teach "$(body strict "$2")" -H "$(bearer red)"
	ask "strict: $1: a paraphrase will do" semantic "$(body strict "$3")" -H "$(bearer red)"
	expect "strict: $1: the client is warned" "$(header x-sluice-degraded)" == "degrade=similarity"
	expect "strict: $1: and it is counted" "$(similar)" == $((before + 1))
	ask "strict: $1: not for the class critical" model "$(body strict "$3")" -H "$(bearer urgent)"
	expect "strict: $1: which is not degraded" "$(header x-sluice-degraded)" == ""
}
in_plenty() { # HOW PARAPHRASE
	expect_soon "strict: $1: its pool is well" 30 in_force 0
	code -H "$json" -H "$(bearer red)" -d "$(body strict "$2")" "$chat" >/dev/null
	expect "strict: $1: the way back" "$(header x-sluice-cache)$(header x-sluice-degraded)" == ""
}
in_need dead 'How do I reset my password?' 'how can I reset the password'
standin c 9003
in_plenty dead 'How can I reset my password'
curl -sf -o /dev/null -d '{"fault":"health-down"}' http://127.0.0.1:10003/fault # it lives, and says that it is not well
in_need ill 'How do I change my address?' 'how can I change the address'
curl -sf -o /dev/null -X DELETE http://127.0.0.1:10003/fault
in_plenty ill 'How can I change my address'
daemon_stop
standin v 9002
THREADS=1 write "{model: \"$encoder\", packed: \"$work/packed\", pool: vectors, pool_model: embed}"
start
teach "$(body hasty 'Which planet is closest to the sun?')"
ask "by the pool's vectors" semantic "$(body hasty 'Which planet is closest to the sun?')"
expect "the pool was asked" "$(state_of 9002 .inference_requests)" '>=' 2
ask "vectors of another model are not looked at" model "$(body chat 'how can I reset the password')"
standin_kill v
ask "the pool is down: the model answers" model "$(body hasty 'Which planet is nearest to the sun?')"
expect "and it is told" "$(header x-sluice-degraded)" == "semantic_cache=skipped"
expect "and counted" "$(metric sluice_ladder_steps_total 'stage="semantic_cache",step="skipped"')" '>=' 1
standin v 9002
back() { code -H "$json" -d "$(body hasty 'Which planet is closest to the sun?')" "$chat" >/dev/null && [[ $(header x-sluice-cache) == semantic ]]; }
expect_soon "and back" 30 back
daemon_stop

# ---- no weights at all
THREADS=1 write "{model: \"$work/nothing\"}"
start
ask "no weights: the model answers" model "$(body chat 'how can I reset the password')"
expect "no weights: said" "$(grep -c 'no embedded encoder' "$log")" == 1
daemon_stop
finish
