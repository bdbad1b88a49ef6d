#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# keys.sh - API keys: the command, every refusal, rotation and a store that breaks, under load.
. "$(dirname "$0")/lib.sh"

store=$work/keys
key_command() { "$build/sluice" key "$@" --file "$store" 2>"$work/err"; }
json='content-type: application/json'
body='{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
chat="$url/v1/chat/completions"
code() { curl -s --max-time 20 -o "$work/out" -D "$work/head" -w '%{http_code}' "$@"; } # CURL-OPTIONS...
out() { jq -r "$1" "$work/out"; }                                                       # JQ
with() { code -H "authorization: Bearer $1" -H "$json" -d "${2:-$body}" "$chat"; }      # KEY [BODY]
answers() { [[ $(with "$1") == "$2" ]]; }                                               # KEY STATUS
write_config() {
	config_write <<-END
		timeouts: {upstream_idle: 1s}
		$1
		pools: {chat: {nodes: ["127.0.0.1:9001"]}}
		routes:
		  - {model: chat, pools: chat}
		  - {model: other, pools: chat}
	END
}
standin a 9001
curl -s -X POST -d '{"record":true}' http://127.0.0.1:10001/config >/dev/null

# ---- no keys named: as before, and said
write_config ""
daemon_start
expect "open: served without a key" "$(code -H "$json" -d "$body" "$chat")" == 200
expect "open: said loudly, once" "$(grep -c 'level=warn NO API KEYS' "$log")" == 1
with anything >/dev/null
expect "open: the field is the node's" "$(curl -s http://127.0.0.1:10001/last)" contains "Bearer anything"

# ---- a reload names a file that is not there: nobody gets in by that
write_config "keys: {file: $store}"
kill -HUP $daemon
expect_soon "no file: 503, not 401 and not 200" 10 answers anything 503
expect "no file: code" "$(out .error.code)" == service_unavailable
expect "no file: Retry-After" "$(header retry-after)" == 1
expect "no file: not ready" "$(code "$url/ready")" == 503
expect "no file: health is about the process" "$(code "$url/health")" == 200
expect "no file: metric" "$(metric sluice_keys_last_load_successful)" == 0

# ---- the command
expect "list without a file fails" "$(key_command list; echo $?)" == 1
expect "and says what to do" "$(cat "$work/err")" contains "sluice key create"
first=$(key_command create web --tenant acme --class interactive)
expect "create: the key is on standard output, alone" "$(wc -l <<<"$first") ${#first}" == "1 64"
expect "create: mode of the file" "$(stat -c %a "$store")" == 600
expect "create: neither file nor message holds the secret" "$(grep -c "${first:21}" "$store" "$work/err" | paste -sd' ')" \
	== "$store:0 $work/err:0"
expect_soon "create: the daemon takes it without a signal" 10 answers "$first" 200
second=$(key_command create web --json | jq -r .key)
expect "create: a second one to replace it" "${#second}" == 64
expect "create: no third" "$(key_command create web; echo $?)" == 1
expect "create: a name with a blank is refused" "$(key_command create 'a b'; echo $?)" == 1
expect "create: an expiry in the past is refused" "$(key_command create old --expires 2020-01-01T00:00:00Z; echo $?)" == 1
limited=$(key_command create narrow --routes other)
brief=$(key_command create brief --expires 1s)
gone=$(key_command create gone)
key_command revoke gone >/dev/null
expect "list" "$(key_command list --json | jq -r '[.keys[] | .name + "/" + .state] | join(" ")' | sed 's/expired/active/')" == \
	"web/active web/active narrow/active brief/active gone/revoked"
expect "list: tenant and class" "$(key_command list --json | jq -r '.keys[0] | .tenant + " " + .class')" == "acme interactive"
expect "list: no hash, no salt" "$(key_command list --json | grep -c -e hash -e salt)" == 0
for i in $(seq 8); do key_command create "crowd-$i" >"$work/crowd-$i" & crowd+=($!); done
wait "${crowd[@]}"
expect "eight commands at once: no key is lost" "$(key_command list --json | jq '[.keys[] | select(.name | startswith("crowd"))] | length')" == 8
expect_soon "and the last is in force" 10 answers "$(cat "$work/crowd-8")" 200

expect "a file that others may write: no word before" "$(grep -c 'others than its owner' "$log")" == 0
chmod 620 "$store"
expect_soon "a file that others may write is told of" 10 grep -q 'others than its owner may write it' "$log"
chmod 600 "$store"

# ---- refusals
refused() { # NAME STATUS WANTED-CODE WANTED-TEXT
	expect "$1: status" "$(cat "$work/status")" == "$2"
	expect "$1: code" "$(out .error.code)" == "$3"
	expect "$1: message" "$(out .error.message)" contains "$4"
}
code -H "$json" -d "$body" "$chat" >"$work/status"
refused "no key" 401 invalid_api_key "No API key"
expect "no key: WWW-Authenticate" "$(header www-authenticate)" == Bearer
code -H 'authorization: Basic Zm9v' -H "$json" -d "$body" "$chat" >"$work/status"
refused "another scheme" 401 invalid_api_key "No API key"
with sk-other-1234 >"$work/status"
refused "malformed" 401 invalid_api_key "has not the form"
expect "malformed: the answer does not repeat it" "$(grep -c sk-other "$work/out")" == 0
with "${first%?}_" >"$work/status"
refused "malformed in its last place" 401 invalid_api_key "has not the form"
wrong=${first:0:63}$([[ ${first:63} == a ]] && echo b || echo a)
with "$wrong" >"$work/status"
refused "another secret" 401 invalid_api_key "no such key"
with "sk-sluice-0000000000-${first:21}" >"$work/status"
refused "unknown id: the same words" 401 invalid_api_key "no such key"
with "$gone" >"$work/status"
refused "revoked" 401 invalid_api_key "was revoked"
expect_soon "expired: refused once its time has come" 10 answers "$brief" 401
with "$brief" >"$work/status"
refused "expired" 401 invalid_api_key "has expired"
with "$limited" >"$work/status"
refused "a model that the key may not use" 403 permission_denied "'chat'"
expect "the one that it may" "$(with "$limited" "${body/chat/other}")" == 200
with "$first" "${body/chat/nobody}" >"$work/status"
refused "an unknown model, good key" 404 model_not_found nobody
code -H "$json" -d '{"model":' "$chat" >"$work/status"
refused "the key counts before the body" 401 invalid_api_key "No API key"
message='{"model":"chat","max_tokens":8,"messages":[{"role":"user","content":"hello"}]}'
expect "messages: a key" "$(code -H "x-api-key: $first" -H "$json" -d "$message" "$url/v1/messages")" == 200
expect "messages: the node gets none" "$(curl -s http://127.0.0.1:10001/last | grep -ci -e sk-sluice -e authorization)" == 0
expect "messages: a wrong key" "$(code -H "x-api-key: $wrong" -H "$json" -d "$message" "$url/v1/messages")" == 401
expect "messages: a wrong key: in that API's shape" "$(out '.type + " " + .error.type')" == "error authentication_error"
expect "messages: a key for another model" "$(code -H "x-api-key: $limited" -H "$json" -d "$message" "$url/v1/messages")" == 403
expect "messages: a key for another model: type" "$(out .error.type)" == permission_error
for reason in missing malformed unknown revoked expired route unchecked; do
	expect "counted: $reason" "$(metric sluice_admission_refused_total "reason=\"$reason\"")" '>' 0
done

# ---- who gets in
expect "Bearer" "$(with "$first")" == 200
expect "bearer, lower case" "$(code -H "authorization: bearer $first" -H "$json" -d "$body" "$chat")" == 200
expect "the node does not get the key" "$(curl -s http://127.0.0.1:10001/last | grep -ci -e authorization -e sk-sluice)" == 0
expect "x-api-key" "$(code -H "x-api-key: $first" -H "$json" -d "$body" "$chat")" == 200
expect "x-api-key: the node does not get it" "$(curl -s http://127.0.0.1:10001/last | grep -ci -e x-api-key -e sk-sluice)" == 0
expect "models: need a key" "$(code "$url/v1/models")" == 401
expect "models: all" "$(code -H "x-api-key: $first" "$url/v1/models"; out '[.data[].id] | join(" ")')" == "200chat other"
expect "models: those of the key" "$(code -H "x-api-key: $limited" "$url/v1/models"; out '[.data[].id] | join(" ")')" == "200other"
expect "metrics stay open" "$(code "$url/metrics")" == 200

# ---- the openai client
if [[ -d ${SLUICE_NODE_MODULES:-$root/build/e2e/node_modules}/openai ]]; then
	SLUICE_TEST_NAME=$test_name node "$e2e/keys.mjs" "$first" "$wrong" "$limited" || failures=$((failures + 1))
	# programs that were written for the providers, pointed here by their environment alone
	OPENAI_BASE_URL=$url/v1 OPENAI_API_KEY=$first ANTHROPIC_BASE_URL=$url ANTHROPIC_API_KEY=$first \
		SLUICE_TEST_NAME=$test_name node "$e2e/pointed.mjs" || failures=$((failures + 1))
else
	not_ok "packages" "the openai client is missing: tests/e2e/deps.sh"
fi

# ---- under load: rotation, reloads, a store that breaks
load_start --key "$second" --count 1000000 --concurrency 30 --stream-percent 50 --tokens 8
key_command revoke "${first:10:10}" >/dev/null
expect_soon "rotation: the old key ends" 10 answers "$first" 401
third=$(key_command create web)
expect_soon "rotation: a new one begins" 10 answers "$third" 200
for i in 1 2 3 4 5; do
	before=$(metric sluice_config_reloads_total success)
	kill -HUP $daemon
	wait_for 10 metric_is sluice_config_reloads_total success '>' "$before" || not_ok "reload $i" "not done"
done
cp "$store" "$work/good"
break_store() { # NAME TEXT-IN-THE-LOG COMMAND...
	local name=$1 text=$2 before lines
	before=$(metric sluice_keys_loads_total failure)
	lines=$(log_lines)
	shift 2
	"$@"
	expect_soon "$name: noticed" 10 metric_is sluice_keys_loads_total failure '>' "$before"
	expect_logged "$name: said, with its place" "$lines" "$text"
	expect_logged "$name: the keys before it stay" "$lines" "stay in force"
	expect "$name: a good key is served" "$(with "$second")" == 200
	expect "$name: a bad key is 401" "$(with "$wrong")" == 401
	expect "$name: metric" "$(metric sluice_keys_last_load_successful)" == 0
}
cut_store() { head -c $(($(stat -c %s "$work/good") - 5)) "$work/good" >"$store"; }
scribble() { sed '3s/hash=./hash=x/' "$work/good" >"$store"; }
break_store "a cut file" "the file is cut" cut_store
break_store "a wrong line" "$store:3: " scribble
break_store "a file that is gone" "cannot be opened" rm "$store"
expect "the log shows no hash" "$(grep -c "$(sed -n 's/.*hash=\(.*\)/\1/p' "$work/good" | head -n 1)" "$log")" == 0
cp "$work/good" "$store"
expect_soon "mended: metric" 10 metric_is sluice_keys_last_load_successful '' == 1
load_stop
load_clean "rotation, reloads and a broken store"
expect "under load: requests" "$(loaded requests)" '>' 200
expect "no key in the log" "$(grep -c 'sk-sluice-[0-9A-Za-z]' "$log")" == 0
daemon_stop

# ---- a start with a broken store
scribble
daemon_start
expect "broken from the start: 503" "$(with "$second")" == 503
cp "$work/good" "$store"
expect_soon "mended: served" 10 answers "$second" 200
daemon_stop
finish
