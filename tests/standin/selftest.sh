#!/bin/bash
# Tests the stand-in inference server: endpoints, service model, and every fault.
# Usage: tests/standin/selftest.sh [PROGRAM]     (build/standin)
#
#   this script --curl--> 127.0.0.1:any   standin "alpha"
#               --curl--> 127.0.0.1:any   its admin listener
#
# Prints "ok NAME" or "not ok NAME: why"; exits 1 when any is not ok. Times are only ever lower bounds,
# so a slow machine fails nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1

program=${1:-build/standin}
model=stand/in
work=$(mktemp -d)
server=
failed=0
passed=0

cleanup() {
	[ -n "$server" ] && kill "$server" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

for tool in curl jq; do
	command -v $tool >/dev/null || { echo "not ok tools: $tool is missing: apt-get install $tool"; exit 1; }
done
[ -x "$program" ] || { echo "not ok program: $program is missing: make build/standin"; exit 1; }

# check NAME GOT WANTED
check() {
	if [ "$2" = "$3" ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "not ok $1: got '${2:0:300}', wanted '${3:0:300}'"
		failed=$((failed + 1))
	fi
}

# has NAME FILE TEXT: the file contains the text
has() {
	local found=no
	grep -qF -- "$3" "$2" && found=yes
	check "$1" "$found" yes
}

lacks() {
	local found=no
	grep -qF -- "$3" "$2" && found=yes
	check "$1" "$found" no
}

# await JQ-EXPRESSION: until it holds for the state, at most 10 s
await() {
	for _ in $(seq 200); do
		[ "$(curl -s "$admin/state" | jq "$1")" = true ] && return 0
		sleep 0.05
	done
	return 1
}

"$program" --threads "${THREADS:-1}" --listen 127.0.0.1:0 --admin 127.0.0.1:0 --name alpha \
	--model $model --seed 7 >"$work/out" &
server=$!
for _ in $(seq 200); do
	grep -q admin "$work/out" && break
	sleep 0.05
done
port=$(sed -n 's/.*listening on .*://p' "$work/out")
url=http://127.0.0.1:$port
admin=http://127.0.0.1:$(sed -n 's/.*admin on .*://p' "$work/out")

# section NAME: says what comes; ends the test when the server is gone
section() {
	if ! kill -0 "$server" 2>/dev/null; then
		wait "$server" 2>/dev/null
		echo "not ok server: ended with status $? before: $1"
		exit 1
	fi
	echo "# $1"
}

# ask PATH BODY [curl option]...: the body to $work/body, the head to $work/head; prints the status
ask() {
	local path=$1 body=$2
	shift 2
	: >"$work/body"
	: >"$work/head"
	curl -sN -m 20 -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" -d "$body" "$url$path"
}

chat_body() { # CONTENT [more members]
	printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]%s}' $model "$1" "${2:-}"
}

# The text of a streamed answer in $work/body.
text_of_stream() {
	sed -n 's/^data: {/{/p' "$work/body" | jq -js '[.[].choices[]?.delta.content // ""] | add'
}

# fault NAME MEMBERS: asks with the fault; $code is curl's exit code, $status the status
fault() {
	status=$(ask /v1/chat/completions "$(chat_body "go on" ',"max_tokens":8,"ignore_eos":true'"$2")" \
		-H "x-standin-fault: $1" -m "${3:-20}")
	code=$?
}

content_chunks() {
	grep -c '"delta":{"content":' "$work/body"
}

section "endpoints"
check chat-status "$(ask /v1/chat/completions "$(chat_body hi ',"max_tokens":8')")" 200
check chat-shape "$(jq -c '[.object, .model, .choices[0].message.role, .choices[0].finish_reason,
	.usage.completion_tokens, .usage.total_tokens - .usage.prompt_tokens, .system_fingerprint,
	(.id | startswith("chatcmpl-")), (.created > 1600000000)]' "$work/body")" \
	'["chat.completion","stand/in","assistant","length",8,8,"alpha",true,true]'
has name-header "$work/head" 'x-standin-name: alpha'
eight=$(jq -j .choices[0].message.content "$work/body")
ask /v1/chat/completions "$(chat_body hi ',"max_tokens":8')" >/dev/null
check same-text "$(jq -j .choices[0].message.content "$work/body")" "$eight"
ask /v1/chat/completions '{"messages":[{"content":"\u0068i","role":"user"}],"model":"stand\/in","max_tokens":8}' >/dev/null
check model-name-is-exact "$(jq -r .error.code "$work/body")" model_not_found
ask /v1/chat/completions '{"messages":[{"content":"\u0068i","role":"user"}],"model":"stand/in","max_tokens":8}' >/dev/null
check same-text-other-escapes "$(jq -j .choices[0].message.content "$work/body")" "$eight"
ask /v1/chat/completions "$(chat_body ho ',"max_tokens":8')" >/dev/null
check other-prompt-other-text "$([ "$(jq -j .choices[0].message.content "$work/body")" != "$eight" ] && echo yes)" yes
ask /v1/chat/completions "$(chat_body hi ',"max_tokens":8,"seed":3')" >/dev/null
check other-seed-other-text "$([ "$(jq -j .choices[0].message.content "$work/body")" != "$eight" ] && echo yes)" yes
ask /v1/chat/completions "$(chat_body hi ',"max_tokens":3,"n":2')" >/dev/null
check n-choices "$(jq -c '[(.choices|length), .choices[1].index, .usage.completion_tokens]' "$work/body")" '[2,1,6]'
ask /v1/chat/completions "$(chat_body hi)" >/dev/null
check natural-end "$(jq -c '[.choices[0].finish_reason, (.usage.completion_tokens >= 16)]' "$work/body")" '["stop",true]'
whole=$(jq -j .choices[0].message.content "$work/body")
check whole-begins-with-eight "${whole:0:${#eight}}" "$eight"
ask /v1/chat/completions "$(chat_body hi ',"max_tokens":200,"ignore_eos":true')" >/dev/null
check ignore-eos "$(jq -c '[.choices[0].finish_reason, .usage.completion_tokens]' "$work/body")" '["length",200]'

ask /v1/chat/completions "$(chat_body hi ',"stream":true,"stream_options":{"include_usage":true}')" >/dev/null
check stream-text "$(text_of_stream)" "$whole"
check stream-first "$(sed -n '1s/^data: //p' "$work/body" | jq -c '[.object, .choices[0].delta.role, .usage]')" \
	'["chat.completion.chunk","assistant",null]'
check stream-usage "$(sed -n 's/^data: {/{/p' "$work/body" | tail -1 | jq -c '[.choices, (.usage.completion_tokens >= 16)]')" '[[],true]'
check stream-finish "$(sed -n 's/^data: {/{/p' "$work/body" | tail -2 | head -1 | jq -c '[.choices[0].finish_reason, .choices[0].delta]')" '["stop",{}]'
check stream-done "$(tail -2 "$work/body" | head -1)" 'data: [DONE]'
has stream-type "$work/head" 'content-type: text/event-stream'
has stream-chunked "$work/head" 'transfer-encoding: chunked'
ask /v1/chat/completions "$(chat_body hi ',"stream":true,"max_tokens":4,"n":3')" >/dev/null
check stream-n "$(sed -n 's/^data: {/{/p' "$work/body" | jq -s -c '[.[] | select(.choices[0].delta.content != null and .choices[0].delta.role == null) | .choices[0].index] | [length, max]')" '[12,2]'

half=$(printf %s "$eight" | jq -Rs .)
ask /v1/chat/completions '{"model":"stand/in","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":'"$half"'}],"continue_final_message":true,"add_generation_prompt":false}' >/dev/null
check continue-at-token "$eight$(jq -j .choices[0].message.content "$work/body")" "$whole"
part=${eight:0:$((${#eight} - 1))}
ask /v1/chat/completions '{"model":"stand/in","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":'"$(printf %s "$part" | jq -Rs .)"'}],"continue_final_message":true,"stream":true}' >/dev/null
check continue-inside-token "$part$(text_of_stream)" "$whole"

tools=',"tools":[{"type":"function","function":{"name":"get_weather","parameters":{}}}]'
ask /v1/chat/completions "$(chat_body 'please call tool now' "$tools")" >/dev/null
check tool-call "$(jq -c '.choices[0] | [.finish_reason, .message.content, .message.tool_calls[0].function.name, .message.tool_calls[0].function.arguments]' "$work/body")" \
	'["tool_calls",null,"get_weather","{}"]'
ask /v1/chat/completions "$(chat_body 'please call tool now' "$tools"',"stream":true')" >/dev/null
check tool-stream "$(sed -n 's/^data: {/{/p' "$work/body" | jq -s -c '[([.[].choices[0].delta.tool_calls[0]?.function.arguments // empty] | add), ([.[].choices[0].delta.tool_calls[0]?.function.name // empty] | add), .[-1].choices[0].finish_reason]')" \
	'["{}","get_weather","tool_calls"]'
ask /v1/chat/completions "$(chat_body 'no such thing' "$tools")" >/dev/null
check tool-not-asked "$(jq -r .choices[0].finish_reason "$work/body")" stop
ask /v1/chat/completions '{"model":"stand/in","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:x"}}]}],"max_tokens":2}' >/dev/null
check content-parts "$(jq -r .usage.completion_tokens "$work/body")" 2

ask /v1/completions '{"model":"stand/in","prompt":"hi","max_tokens":5}' >/dev/null
check completion "$(jq -c '[.object, .choices[0].finish_reason, (.choices[0].text|length > 5), .usage.completion_tokens]' "$work/body")" '["text_completion","length",true,5]'
text=$(jq -j .choices[0].text "$work/body")
ask /v1/completions '{"model":"stand/in","prompt":"hi","max_tokens":5,"stream":true}' >/dev/null
check completion-stream "$(sed -n 's/^data: {/{/p' "$work/body" | jq -js '[.[].choices[0].text] | add')" "$text"
ask /v1/completions '{"model":"stand/in","prompt":["a","b"],"max_tokens":5,"n":2}' >/dev/null
check completion-batch "$(jq -c '[.choices[].index]' "$work/body")" '[0,1,2,3]'
ask /v1/completions '{"model":"stand/in","prompt":[1,2,3],"max_tokens":1}' >/dev/null
check completion-tokens "$(jq -c .usage.prompt_tokens "$work/body")" 3

ask /v1/embeddings '{"model":"stand/in","input":["a","b","a"],"dimensions":32}' >/dev/null
check embeddings "$(jq -c '[.object, (.data|length), (.data[0].embedding|length), (.data[0].embedding == .data[2].embedding), (.data[0].embedding == .data[1].embedding), ((([.data[0].embedding[]|.*.]|add) - 1) | fabs < 0.001)]' "$work/body")" \
	'["list",3,32,true,false,true]'
ask /v1/embeddings '{"model":"stand/in","input":"a","dimensions":32,"encoding_format":"base64"}' >/dev/null
check embeddings-base64 "$(jq -r .data[0].embedding "$work/body" | base64 -d | wc -c)" 128

# vLLM's count of tokens: what usage says of the same request
ask /v1/chat/completions "$(chat_body 'how many are these?')" >/dev/null
counted=$(jq .usage.prompt_tokens "$work/body")
check tokenize-chat "$(ask /tokenize '{"model":"stand/in","messages":[{"role":"user","content":"how many are these?"}],"add_generation_prompt":true}')" 200
check tokenize-chat-count "$(jq -c '[.count, (.tokens|length), .token_strs]' "$work/body")" "[$counted,$counted,null]"
ask /tokenize '{"model":"stand/in","prompt":"eight letters at least"}' >/dev/null
check tokenize-prompt-count "$(jq -c '[.count, (.tokens|length)]' "$work/body")" '[6,6]'
check tokenize-nothing "$(ask /tokenize '{"model":"stand/in"}')" 400
check tokenize-other-model "$(ask /tokenize '{"model":"nobody","prompt":"x"}')" 404
check tokenize-fault "$(ask /tokenize '{"prompt":"x","standin_fault":"500"}')" 500

# the Messages API
message() { # CONTENT [more members]
	printf '{"model":"%s","max_tokens":8,"messages":[{"role":"user","content":"%s"}]%s}' $model "$1" "${2:-}"
}
# what the events of $work/body make: their names, texts and arguments, and why it stopped
events() { sed -n 's/^event: //p' "$work/body" | uniq | tr '\n' ' '; }
pieces() { sed -n 's/^data: {/{/p' "$work/body" | jq -js '[.[].delta? | .text // .partial_json // empty] | add'; }
ask /v1/messages "$(message hi)" >/dev/null
check message "$(jq -c '[.type, .role, .model, .content[0].type, .stop_reason, .usage.output_tokens, (.id | startswith("msg_"))]' "$work/body")" \
	'["message","assistant","stand/in","text","max_tokens",8,true]'
check message-text "$(jq -j .content[0].text "$work/body")" "$eight"
ask /v1/messages "$(message hi ',"stream":true')" >/dev/null
check message-events "$(events)" "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop "
check message-stream "$(pieces)" "$eight"
check message-names "$(sed -n 's/^data: {/{/p' "$work/body" | jq -r .type | uniq | tr '\n' ' ')" "$(events)"
check message-usage "$(sed -n 's/^data: {/{/p' "$work/body" | jq -sc '[.[0].message.usage.input_tokens > 0, .[-2].usage.output_tokens, .[-2].delta.stop_reason]')" '[true,8,"max_tokens"]'
ask /v1/messages "$(message 'call tool' ',"stream":true,"tools":[{"name":"look","input_schema":{}}]')" >/dev/null
check message-tool "$(pieces) $(sed -n 's/^data: {/{/p' "$work/body" | jq -r 'select(.type == "content_block_start") | .content_block.name')" "{} look"
ask /v1/messages '{"model":"stand/in","max_tokens":80,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":'"$half"'}]}' >/dev/null
check message-prefill "$eight$(jq -j .content[0].text "$work/body")" "$whole"
check message-prefill-blank "$(ask /v1/messages '{"model":"stand/in","max_tokens":8,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a "}]}')" 400
check message-bound "$(ask /v1/messages '{"model":"stand/in","messages":[{"role":"user","content":"hi"}]}') $(jq -r '"\(.type) \(.error.type)"' "$work/body")" "400 error invalid_request_error"
check message-error "$(ask /v1/messages "$(message hi)" -H 'x-standin-fault: 529') $(jq -r .error.type "$work/body")" "529 overloaded_error"
ask /v1/messages "$(message hi ',"stream":true')" -H 'x-standin-fault: error-event:2' >/dev/null
check message-error-event "$(events)" "message_start content_block_start ping content_block_delta error message_stop "
ask /v1/messages "$(message hi ',"stream":true')" -H 'x-standin-fault: no-done' >/dev/null
check message-no-done "$(events)" "message_start content_block_start ping content_block_delta content_block_stop message_delta "

check models "$(curl -s "$url/v1/models" | jq -c '[.object, .data[0].id, .data[0].object]')" '["list","stand/in","model"]'
check health "$(curl -s -o /dev/null -w '%{http_code}' "$url/health")" 200
check health-head "$(curl -sI -o /dev/null -w '%{http_code}' "$url/health")" 200
curl -s "$url/metrics" >"$work/metrics"
for name in vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc \
	vllm:prompt_tokens_total vllm:generation_tokens_total standin_client_gone_total \
	standin_connections_total standin_requests_total; do
	has "metric-$name" "$work/metrics" "# TYPE $name "
done
check not-found "$(curl -s -o /dev/null -w '%{http_code}' "$url/nope")" 404
check method "$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/completions")" 405
check bad-json "$(ask /v1/chat/completions '{"model":"stand/in",}')" 400
check bad-json-tail "$(ask /v1/chat/completions "$(chat_body hi) x")" 400
check no-messages "$(ask /v1/chat/completions '{"model":"stand/in"}')" 400
check no-model "$(ask /v1/chat/completions '{"messages":[{"role":"user","content":"x"}]}')" 400
check bad-max-tokens "$(ask /v1/chat/completions "$(chat_body hi ',"max_tokens":0')")" 400
check context-length "$(ask /v1/chat/completions "$(chat_body hi ',"max_tokens":1000000')") $(jq -r .error.code "$work/body")" '400 context_length_exceeded'

section "http"
check keep-alive "$(curl -s -o /dev/null -o /dev/null -w '%{num_connects}' "$url/health" "$url/health")" 10
check expect-continue "$(ask /v1/chat/completions "$(chat_body hi)" -H 'Expect: 100-continue')" 200
has expect-continue-head "$work/head" 'HTTP/1.1 100 Continue'
check chunked-request "$(ask /v1/chat/completions "$(chat_body hi ',"max_tokens":8')" -H 'Transfer-Encoding: chunked')" 200
check chunked-request-text "$(jq -j .choices[0].message.content "$work/body")" "$eight"
body=$(chat_body hi ',"max_tokens":8')
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%sGET /health HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n' \
	${#body} "$body" >&3
cat <&3 >"$work/pipelined"
exec 3>&-
check pipelined "$(grep -o 'HTTP/1.1 200' "$work/pipelined" | wc -l)" 3
exec 3<>"/dev/tcp/127.0.0.1/$port"
request=$(printf 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s' ${#body} "$body")
for ((i = 0; i < ${#request}; i++)); do printf %s "${request:i:1}" >&3; done
cat <&3 >"$work/split"
exec 3>&-
check byte-by-byte "$(tail -1 "$work/split" | tr -d '\r' | jq -j .choices[0].message.content)" "$eight"
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'BREW /pot HTCPCP/1.0\r\n\r\n' >&3
check not-http "$(head -1 <&3 | tr -d '\r')" 'HTTP/1.1 400 Bad Request'
exec 3>&-
head -c 300000 /dev/zero | tr '\0' a | jq -Rsc '{model:"stand/in",messages:[{role:"user",content:.}],max_tokens:1}' >"$work/big"
check big-body "$(curl -s -d @"$work/big" "$url/v1/chat/completions" | jq .usage.prompt_tokens)" 75004
check http10 "$(curl -sN0 -d "$(chat_body hi ',"stream":true,"max_tokens":8')" "$url/v1/chat/completions" | tail -2 | head -1)" 'data: [DONE]'
big=$(ask /v1/chat/completions "$(chat_body hi ',"stream":true,"max_tokens":100000,"ignore_eos":true')" --limit-rate 50M)
check long-stream "$big $(content_chunks) $(tail -2 "$work/body" | head -1)" '200 100000 data: [DONE]'

section "service model"
config() { curl -s -o /dev/null -d "$1" "$admin/config"; }
config '{"slots":1,"token_us":20000,"kv_tokens":1000}'
curl -sN -d "$(chat_body long ',"stream":true,"max_tokens":100000,"ignore_eos":true')" "$url/v1/chat/completions" >"$work/long" &
long=$!
await '.running == 1 and .kv_tokens_used > 5'
check runs $? 0
curl -s -d "$(chat_body second ',"max_tokens":1')" "$url/v1/chat/completions" >"$work/second" &
second=$!
await '.waiting == 1'
check waits $? 0
curl -s "$url/metrics" >"$work/metrics"
has metric-running "$work/metrics" 'vllm:num_requests_running{model_name="stand/in"} 1'
has metric-waiting "$work/metrics" 'vllm:num_requests_waiting{model_name="stand/in"} 1'
curl -s -m 0.3 -d "$(chat_body third ',"max_tokens":1')" "$url/v1/chat/completions" >/dev/null
await '.waiting == 1 and .client_gone == 1'
check leaves-queue $? 0
kill $long
wait $long 2>/dev/null
await '.client_gone == 2 and .running == 0 and .waiting == 0'
check client-gone-frees-slot $? 0
wait $second
check granted "$(jq .usage.completion_tokens "$work/second")" 1
check kv-given-back "$(curl -s "$admin/state" | jq .kv_tokens_used)" 0
config '{"slots":0,"token_us":0,"kv_tokens":20}'
curl -sN -H 'x-standin-fault: stall:3' -d "$(chat_body 'a prompt of more than ten tokens, say twelve' ',"stream":true')" "$url/v1/chat/completions" >"$work/long" &
long=$!
await '.running == 1'
curl -s -d "$(chat_body 'a prompt of more than ten tokens, say twelve' ',"max_tokens":1')" "$url/v1/chat/completions" >"$work/second" &
second=$!
await '.waiting == 1 and .kv_usage > 0.5'
check kv-full-waits $? 0
kill $long
wait $second
check kv-freed "$(jq .usage.completion_tokens "$work/second")" 1
config '{"kv_tokens":0,"token_us":10000,"prefill_us_per_token":20000}'
took() { awk -v took="$1" -v least="$2" 'BEGIN { print (took >= least) ? "yes" : took }'; }
time_total() { curl -sN -o /dev/null -w "%{$1}" -d "$2" "$url/v1/chat/completions"; }
check speed-whole "$(took "$(time_total time_total "$(chat_body hi ',"max_tokens":11')")" 0.2)" yes
check speed-prefill "$(took "$(time_total time_starttransfer "$(chat_body hi ',"max_tokens":1,"stream":true')")" 0.1)" yes
config '{"token_us":0,"prefill_us_per_token":0}'
check config-refused "$(curl -s -o /dev/null -w '%{http_code}' -d '{"slot":1}' "$admin/config")" 400

section "faults that answer"
for pair in 429:429 500:500 502:502 503:503 529:529 401:401 400-context:400 400-policy:400 \
	429-retry:429 429-quota:429 503-retry:503 health-lies:500; do
	fault "${pair%:*}" ""
	check "fault-${pair%:*}" "$code $status $(jq -r '.error|has("message")' "$work/body")" "0 ${pair#*:} true"
done
fault 429 ""
lacks fault-429-has-no-retry "$work/head" retry-after
fault 429-retry:7 ""
has fault-429-retry-after "$work/head" 'retry-after: 7'
fault 503-retry:9 ""
has fault-503-retry-after "$work/head" 'retry-after: 9'
fault 400-context ""
check fault-400-context-code "$(jq -r .error.code "$work/body")" context_length_exceeded
fault 400-policy ""
check fault-400-policy-code "$(jq -r .error.code "$work/body")" content_policy_violation
fault 429-quota ""
check fault-429-quota-code "$(jq -r .error.code "$work/body")" insufficient_quota
fault empty ""
check fault-empty "$code $status $(wc -c <"$work/body")" '0 200 0'
fault html ""
check fault-html "$code $status $(grep -c 'content-type: text/html' "$work/head")" '0 200 1'
fault wrong-model ""
check fault-wrong-model "$(jq -r .model "$work/body")" another-model
fault huge-headers ""
check fault-huge-headers "$code $([ "$(wc -c <"$work/head")" -gt 65536 ] && echo huge)" '0 huge'
check fault-close-idle "$(curl -s -H 'x-standin-fault: close-idle' -o /dev/null -o /dev/null -w '%{num_connects}' "$url/health" "$url/health" 2>/dev/null | tr -d '\n'; fault close-idle ""; grep -ci '^connection:' "$work/head")" 100
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-standin-fault: close-idle\r\ncontent-length: %d\r\n\r\n%s' ${#body} "$body" >&3
check fault-close-idle-closes "$(timeout 10 cat <&3 | grep -c 'HTTP/1.1 200')" 1
exec 3>&-
check unknown-fault "$(ask /v1/chat/completions "$(chat_body hi)" -H 'x-standin-fault: nonsense')" 400

section "faults before and in the head"
fault reset-before ""
check fault-reset-before "$code $status" '56 000'
fault reset-headers ""
check fault-reset-headers "$code $status" '56 200'
fault reset-headers ',"stream":true'
check fault-reset-headers-stream "$code $status" '56 200'
fault hang "" 1
check fault-hang "$code $status" '28 000'
fault hang-headers ',"stream":true' 1
check fault-hang-headers "$code $status" '28 200'
check fault-slow-first "$(took "$(curl -s -o /dev/null -w '%{time_starttransfer}' -H 'x-standin-fault: slow-first:200' -d "$(chat_body hi)" "$url/v1/chat/completions")" 0.2)" yes
check fault-slow-token "$(took "$(curl -s -o /dev/null -w '%{time_total}' -H 'x-standin-fault: slow-token:20' -d "$(chat_body hi ',"max_tokens":11,"stream":true')" "$url/v1/chat/completions")" 0.2)" yes

section "faults in a stream"
stream=',"stream":true'
fault stall:2 "$stream" 1
check fault-stall "$code $(content_chunks)" '28 2'
fault keepalive-stall:2 "$stream" 1
check fault-keepalive-stall "$code $(content_chunks) $([ "$(grep -c '^: ' "$work/body")" -ge 2 ] && echo comments)" '28 2 comments'
fault cut:2 "$stream"
check fault-cut "$code $(content_chunks)" '18 2'
fault rst:2 "$stream"
check fault-rst "$code $(content_chunks)" '56 2'
fault clean-cut:2 "$stream"
check fault-clean-cut "$code $(content_chunks) $(grep -c DONE "$work/body") $(grep -c 'finish_reason":"' "$work/body")" '0 2 0 0'
fault bad-chunk:2 "$stream"
check fault-bad-chunk "$code $(content_chunks)" '56 2'
fault bad-event:2 "$stream"
check fault-bad-event "$code $(sed -n 's/^data: {/{/p' "$work/body" | jq -c . 2>/dev/null | wc -l) $(grep -c DONE "$work/body")" '0 3 1'
fault error-event:2 "$stream"
check fault-error-event "$code $(content_chunks) $(grep -c '^data: {"error":{"message"' "$work/body") $(grep -c 'finish_reason":"' "$work/body")" '0 2 1 0'
fault no-done "$stream"
check fault-no-done "$code $(content_chunks) $(grep -c 'finish_reason":"length"' "$work/body") $(grep -c DONE "$work/body")" '0 8 1 0'
fault bad-length "$stream"
check fault-bad-length-stream "$code $(grep -c DONE "$work/body")" '18 1'
fault short-length "$stream"
check fault-short-length-stream "$code $(grep -c DONE "$work/body")" '0 0'
fault cut:0 "$stream"
check fault-cut-0 "$code $(content_chunks) $(grep -c '"role":"assistant"' "$work/body")" '18 0 1'
fault cut:999 "$stream"
check fault-past-the-end "$code $(content_chunks) $(grep -c 'finish_reason":"' "$work/body")" '18 8 0'

section "faults in a whole answer"
for pair in stall:28 keepalive-stall:28 cut:18 rst:56 clean-cut:0 bad-chunk:56 bad-event:0 bad-length:18 short-length:0; do
	fault "${pair%:*}" "" "$([ "${pair#*:}" = 28 ] && echo 1 || echo 20)"
	check "fault-${pair%:*}-whole" "$code $status $(jq -es '.[0].usage' "$work/body" >/dev/null 2>&1 && echo complete)" \
		"${pair#*:} 200 $([ "${pair%:*}" = bad-length ] && echo complete)"
done
fault error-event ""
check fault-error-event-whole "$code $status $(jq -r .error.type "$work/body")" '0 200 server_error'

section "choosing a fault"
check other-node "$(ask /v1/chat/completions "$(chat_body hi)" -H 'x-standin-fault: 500' -H 'x-standin-fault-node: beta')" 200
check this-node "$(ask /v1/chat/completions "$(chat_body hi)" -H 'x-standin-fault: 500' -H 'x-standin-fault-node: alpha')" 500
check body-fault "$(ask /v1/chat/completions "$(chat_body hi ',"standin_fault":"503"')")" 503
check body-fault-other-node "$(ask /v1/chat/completions "$(chat_body hi ',"standin_fault":"503","standin_fault_node":"beta"')")" 200
check embeddings-fault "$(ask /v1/embeddings '{"model":"stand/in","input":"a","standin_fault":"500"}')" 500
live() { curl -s -o /dev/null -w '%{http_code}' -d "$1" "$admin/fault"; }
check live-fault "$(live '{"fault":"500","count":2}')" 200
check live-fault-hits "$(for _ in 1 2 3; do ask /v1/chat/completions "$(chat_body hi)"; done)" 500500200
check live-fault-state "$(curl -s "$admin/state" | jq -c '.faults[0] | [.fault, .left, .hits]')" '["500",0,2]'
curl -s -o /dev/null -X DELETE "$admin/fault"
check live-fault-cleared "$(curl -s "$admin/state" | jq -c .faults)" '[]'
live '{"fault":"503"}' >/dev/null
check other-nodes-fault-leaves-live "$(ask /v1/chat/completions "$(chat_body hi)" -H 'x-standin-fault: 500' -H 'x-standin-fault-node: beta')" 503
check none-wards-off-live "$(ask /v1/chat/completions "$(chat_body hi)" -H 'x-standin-fault: none')" 200
curl -s -o /dev/null -X DELETE "$admin/fault"
live '{"fault":"503","share":0.5}' >/dev/null
for _ in $(seq 40); do ask /v1/chat/completions "$(chat_body hi)"; echo; done >"$work/shares"
hits=$(grep -c 503 "$work/shares")
check live-fault-share "$([ "$hits" -ge 5 ] && [ "$hits" -le 35 ] && echo some)" some
check live-fault-spares-health "$(curl -s -o /dev/null -w '%{http_code}' "$url/health")" 200
curl -s -o /dev/null -X DELETE "$admin/fault"
live '{"fault":"health-lies"}' >/dev/null
check health-lies "$(curl -s -o /dev/null -w '%{http_code}' "$url/health") $(ask /v1/chat/completions "$(chat_body hi)")" '200 500'
curl -s -o /dev/null -X DELETE "$admin/fault"
live '{"fault":"health-down"}' >/dev/null
check health-down "$(curl -s -o /dev/null -w '%{http_code}' "$url/health") $(ask /v1/chat/completions "$(chat_body hi)")" '503 200'
curl -s -o /dev/null -X DELETE "$admin/fault"
check live-fault-unknown "$(live '{"fault":"nonsense"}') $(live '{"fault":"cut:x"}') $(live '{"fault":"500:3"}') $(live '{"fault":"500","share":2}') $(live '{"fault":"500","count":0}') $(live '{')" \
	'400 400 400 400 400 400'
curl -s -o /dev/null -d '{"model":"m-2","fingerprint":"f-2"}' "$admin/names"
ask /v1/chat/completions "$(chat_body hi)" >/dev/null
check names "$(jq -c '[.model, .system_fingerprint]' "$work/body") $(curl -s "$url/v1/models" | jq -c '[.data[].id]')" '["m-2","f-2"] ["m-2"]'
curl -s -o /dev/null -X DELETE "$admin/names"
ask /v1/chat/completions "$(chat_body hi)" >/dev/null
check names-true-again "$(jq -r .model "$work/body")" stand/in
check names-bad "$(curl -s -o /dev/null -w '%{http_code}' -d '{"other":"x"}' "$admin/names")" 400
live '{"fault":"refuse"}' >/dev/null
curl -s -o /dev/null "$url/health"
check refuse "$? $(curl -s "$admin/state" | jq .refusing)" '7 true'
curl -s -o /dev/null -X DELETE "$admin/fault"
check reopened "$(curl -s -o /dev/null -w '%{http_code}' "$url/health")" 200
config '{"token_us":20000}'
curl -sN -d "$(chat_body long ',"stream":true,"max_tokens":100000,"ignore_eos":true')" "$url/v1/chat/completions" >"$work/long" &
long=$!
await '.running == 1'
curl -s -o /dev/null -d '' "$admin/drop"
wait $long
check drop $? 56
config '{"token_us":0,"record":true}'
ask /v1/chat/completions "$(chat_body hi)" -H 'x-remember: me' >/dev/null
curl -s "$admin/last" >"$work/last"
has last-head "$work/last" 'x-remember: me'
check last-body "$(tail -1 "$work/last")" "$(chat_body hi)"
config '{"record":false,"headers_first":true,"prefill_us_per_token":1000000}'
fault none "$stream" 1
check headers-first "$code $status $(wc -c <"$work/body")" '28 200 0'
config '{"headers_first":false,"prefill_us_per_token":0,"rubbish":true}'
check rubbish "$(ask /v1/embeddings '{"model":"stand/in","input":"x"}') $(jq -c .data "$work/body")" '200 []'
config '{"rubbish":false}'
timeout 10 "$program" --listen "127.0.0.1:$port" 2>"$work/taken"
check port-taken "$? $(grep -c 'Address already in use' "$work/taken")" '1 1'
await '.running == 0 and .waiting == 0 and .connections_open == 0'
check nothing-left $? 0

section "done"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
