#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# consistency.sh - fixed sampling: what servers are sent, what clients are told. The server of the pool
# `echo` answers with the body that it was sent. Then canary questions: a model is recorded, really changed
# (its answers' length, form, willingness, name, fingerprint), found out, and changed back.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
cat >"$work/questions.jsonl" <<-'END'
	# what the model is asked
	{"id": "capital", "input": "The capital of France?", "checks": [{"contains": "Paris"}]}

	{"id": "numbers", "messages": [{"role": "user", "content": "Three numbers."}], "max_tokens": 50, "parameters": {"temperature": 0.1}}
END
head -n 2 "$work/questions.jsonl" >"$work/meant.jsonl"
config_write <<-END
	canary: {path: $work/canary.db}
	embedding: {pool: vectors, pool_model: v}
	pools:
	  echo: {nodes: ["127.0.0.1:9006"]}
	  vectors: {nodes: ["127.0.0.1:9010"]}
	  meant: {nodes: ["127.0.0.1:9008"], model: m-1, canary: {file: $work/meant.jsonl, every: 1h, samples: 2, timeout: 20s}}
	  asked: {nodes: ["127.0.0.1:9007"], model: m-1, canary: {file: $work/questions.jsonl, every: 1h, samples: 2, timeout: 20s}}
	routes:
	  - {model: pin, pools: echo, cache: {ttl: 60s}, sampling: {temperature: 0, top_p: 0.25, seed: 7}}
	  - {model: default, pools: echo, sampling: {mode: default, temperature: 0.5, seed: 7}}
	  - {model: refuse, pools: echo, sampling: {mode: refuse, temperature: 0}}
	  - {model: free, pools: echo}
END
node -e '
	require("http").createServer((request, response) => {
		let body = "";
		request.on("data", (data) => (body += data));
		request.on("end", () => response.setHeader("content-type", "application/json").end(JSON.stringify({
			id: "c", object: "chat.completion", created: 1, model: body && JSON.parse(body).model,
			choices: [{index: 0, text: body, message: {role: "assistant", content: body}, finish_reason: "stop"}],
			usage: {prompt_tokens: 1, completion_tokens: 1, total_tokens: 2}})));
	}).listen(9006, "127.0.0.1", () => console.log("ready"));' >"$work/echo.log" 2>&1 &
node -e '
	let model = {}, last = {};
	require("http").createServer((request, response) => {
		let body = "";
		request.on("data", (data) => (body += data));
		request.on("end", () => {
			response.setHeader("content-type", "application/json");
			if (request.url == "/model") {
				model = body ? JSON.parse(body) : model;
				return response.end(JSON.stringify({last}));
			}
			if (request.method == "GET") return response.end("{}");
			last = JSON.parse(body);
			response.statusCode = model.status || 200;
			const text = model.text || "Paris" + " 1 2 3".repeat((model.words || 3) / 3);
			response.end(JSON.stringify({id: "c", object: "chat.completion", created: 1, model: model.model || "m-1",
				system_fingerprint: model.fingerprint || "fp-1",
				choices: [{index: 0, message: {role: "assistant", content: text}, finish_reason: "stop"}],
				usage: {prompt_tokens: 1, completion_tokens: model.words || 3, total_tokens: 4}}));
		});
	}).listen(9007, "127.0.0.1", () => console.log("ready"));' >"$work/model.log" 2>&1 &
# The model of the pool `meant`, and the embeddings of all: a vector tells of the word Lyon, and of nothing else.
node -e '
	let text = "It is Paris.", mute = false;
	const serve = (request, response) => {
		let body = "";
		request.on("data", (data) => (body += data));
		request.on("end", () => {
			response.setHeader("content-type", "application/json");
			if (request.url == "/text") ({text, mute} = JSON.parse(body));
			if (request.url == "/v1/embeddings") {
				response.statusCode = mute ? 500 : 200;
				const embedding = JSON.parse(body).input.includes("Lyon") ? [0, 1] : [1, 0];
				return response.end(JSON.stringify({data: [{embedding}]}));
			}
			response.end(JSON.stringify({id: "c", object: "chat.completion", created: 1, model: "m-1",
				choices: [{index: 0, message: {role: "assistant", content: text}, finish_reason: "stop"}],
				usage: {prompt_tokens: 1, completion_tokens: 3, total_tokens: 4}}));
		});
	};
	require("http").createServer(serve).listen(9008, "127.0.0.1", () =>
		require("http").createServer(serve).listen(9010, "127.0.0.1", () => console.log("ready")));' >"$work/meant.log" 2>&1 &
expect_soon "the vectors listen" 20 grep -q ready "$work/meant.log"
expect_soon "the model listens" 20 grep -q ready "$work/model.log"
expect_soon "the echo server listens" 20 grep -q ready "$work/echo.log"
daemon_start

# ask NAME PATH MODEL MEMBERS
ask() {
	curl -sN --max-time 60 -o "$work/$1.out" -D "$work/$1.head" -H "$json" -H "x-request-id: $1" \
		-H 'anthropic-version: 2023-06-01' -w '%{http_code}' \
		-d "{\"model\":\"$3\",$4\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"one\"}],\"prompt\":\"one\"}" \
		"$url/v1/$2"
}
sent() { jq -rc '(.choices[0].message.content // .content[0].text) | fromjson | [.temperature, .top_p, .seed]' "$work/$1.out"; }
error() { jq -r '[.error.code, .error.param, .error.message] | join(" ")' "$work/$1.out"; }

expect "pin: answered" "$(ask none chat/completions pin "")" == 200
expect "pin: nothing was said" "$(sent none)" == "[0,0.25,7]"
expect "pin: told" "$(header none x-sluice-sampling)" == "temperature, top_p, seed"
ask other chat/completions pin '"temperature":1.5,"seed":7,"top_k":3,' >/dev/null
expect "pin: another value is overruled" "$(sent other)" == "[0,0.25,7]"
expect "pin: told which" "$(header other x-sluice-sampling)" == "temperature=overruled, top_p"
expect "pin: explained" "$("$build/sluice" explain other --admin-socket "$work/admin.sock")" contains "sampling_fixed parameter=temperature overruled=1"
expect "pin: the cache sees what was sent" "$(header other x-sluice-cache) $(ask again chat/completions pin '"temperature":0.3,"seed":7,"top_k":3,') $(header again x-sluice-cache)" == "miss 200 hit"
ask same chat/completions pin '"temperature":0,"top_p":2.5e-1,"seed":7,' >/dev/null
expect "pin: the same is left alone" "$(sent same) $(header same x-sluice-sampling)" == "[0,0.25,7] "
ask text completions pin '"seed":1,' >/dev/null
expect "pin: completions" "$(sent text)" == "[0,0.25,7]"
ask message messages pin '"temperature":0.9,' >/dev/null
expect "pin: the Messages API" "$(sent message)" == "[0,0.25,7]"
expect "pin: twice is refused" "$(ask twice chat/completions pin '"top_p":0.25,"top_p":1,') $(error twice)" contains "400 invalid_value top_p"
expect "pin: capitals are refused" "$(ask capitals chat/completions pin '"Top_P":1,')" == 400
expect "default: the request has its way" "$(ask way chat/completions default '"temperature":1.5,') $(sent way)" == "200 [1.5,null,7]"
expect "default: told" "$(header way x-sluice-sampling)" == seed
expect "refuse: another value" "$(ask no chat/completions refuse '"temperature":1,') $(error no)" contains "400 invalid_value temperature"
expect "refuse: says what is right" "$(error no)" contains "0, which is fixed for this model"
expect "refuse: the same, and none" "$(ask yes chat/completions refuse '"temperature":0.0,') $(sent yes) $(ask nil chat/completions refuse '"temperature":null,') $(sent nil)" == "200 [0,null,null] 200 [0,null,null]"
expect "free: nothing is fixed" "$(ask free chat/completions free '"temperature":1,') $(sent free) $(header free x-sluice-sampling)" == "200 [1,null,null] "
expect "counted: set" "$(metric sluice_sampling_fixed_total 'route="pin",result="set"')" '>=' 5
expect "counted: overruled" "$(metric sluice_sampling_fixed_total 'route="pin",result="overruled"')" '>=' 3

# ---- canary questions
text() { curl -sf --max-time 20 -o "$work/text" -d "{\"text\":\"$1\",\"mute\":${2:-false}}" http://127.0.0.1:9008/text; } # TEXT [MUTE]
canary() { "$build/sluice" canary "$@" --json --admin-socket "$work/admin.sock" | jq -c ".pools[0]"; }
model() { curl -sf --max-time 20 -o "$work/model" -d "$1" http://127.0.0.1:9007/model; } # JSON
drift() { metric sluice_model_drift "pool=\"asked\",cause=\"$1\""; }                 # CAUSE
# until_found CAUSE [POOL]: runs until it is in the alarms, eight at most; prints how many
until_found() {
	local i
	for i in {1..8}; do
		canary run "${2:-asked}" | jq -e ".alarms | index(\"$1\")" >/dev/null && break
	done
	echo "$i"
}
until_quiet() { # [POOL]
	local i
	for i in {1..30}; do
		canary run "${1:-asked}" | jq -e '.alarms == []' >/dev/null && break
	done
	((i < 30)) && echo quiet
}
ended() { (($(metric sluice_canary_runs_total 'pool="asked",result="good"') >= $1)); }

expect_soon "canary: a run by itself" 30 ended 1
expect "canary: without a baseline nothing is found" "$(canary show asked | jq -c '[.baseline, .holds]')" == "[null,false]"
expect "canary: recorded" "$(canary record asked | jq -c '[.baseline.questions, .baseline.answers, .baseline.model, .alarms, .baseline.recorded_ms > 1600000000000]')" == '[2,4,"m-1",[],true]'
expect "canary: what is asked" "$(curl -s http://127.0.0.1:9007/model | jq -c '[.last.model, .last.max_tokens, .last.temperature, .last.messages[0].content]')" == '["m-1",50,0.1,"Three numbers."]'
expect "canary: as recorded" "$(canary run asked | jq -c '[.answers, .bad_format, .refusals, .length_ratio, .alarms, .holds, .fingerprint]')" == '[2,0,0,1,[],false,"fp-1"]'
expect "canary: no other pool" "$("$build/sluice" canary run echo --admin-socket "$work/admin.sock" 2>&1)" contains 'no pool "echo" has canary questions'

model '{"words": 60}'
expect "canary: longer answers are found" "$(until_found longer)" '<=' 4
expect "canary: the metric" "$(drift longer)$(drift shorter)" == 10
expect "canary: it holds" "$(canary show asked | jq .holds)" == true
shows drift-show "longer" "sluice canary show asked"
shows drift-metrics 'cause="longer"} 1' "curl -s http://127.0.0.1:8080/metrics | grep '^sluice_model_drift{pool=\"asked\"'"
expect "canary: shown by status" "$("$build/sluice" status --admin-socket "$work/admin.sock" 2>&1)" contains 'pool asked: the model has changed: longer'
expect "canary: logged" "$(grep -c 'pool "asked": its model has changed: longer' "$log")" == 1
kill -TERM "$daemon"
wait "$daemon"
daemon_start
expect_soon "canary: asked again after a start" 30 ended 1
expect "canary: kept over a start" "$(canary show asked | jq -c '[.baseline.questions, .alarms]')" == '[2,["longer"]]'
model '{}'
expect "canary: the way back" "$(until_quiet) $(drift longer)" == "quiet 0"
model '{"text": "Berlin, of course."}'
expect "canary: wrong answers are found" "$(until_found format)" '<=' 8
model '{}'
expect "canary: and their way back" "$(until_quiet)" == quiet
model '{"text": "I’m sorry, but I can’t say whether it is Paris."}'
expect "canary: refusals are found" "$(until_found refusal)" '<=' 8
model '{}'
expect "canary: and their way back, too" "$(until_quiet)" == quiet
model '{"model": "m-2"}'
expect "canary: another model is told at once" "$(canary run asked | jq -c '[.alarms, .model]')" == '[["model"],"m-2"]'
model '{"fingerprint": "fp-2"}'
expect "canary: so is another fingerprint" "$(canary run asked | jq -c .alarms)" == '["fingerprint"]'
expect "canary: which is recorded" "$(canary record asked | jq -c .alarms) $(canary run asked | jq -c .alarms)" == '[] []'
model '{"status": 500}'
expect "canary: a run without an answer" "$(canary run asked | jq -c '[.failed, .alarms, .trouble != ""]')" == '[1,[],true]'
model '{"fingerprint": "fp-2"}'
echo '{"id": "a", "input": 7}' >"$work/questions.jsonl"
canary run asked >/dev/null
expect "canary: a bad file" "$(canary show asked | jq -r .trouble)" contains "line 1: expected either input, a text, or messages"

# ---- other answers of the same length and form: their meaning
holds() { metric sluice_rollout_holds 'pool="meant"'; }
expect "meaning: recorded, with vectors" "$(canary record meant | jq -c '[.baseline.answers, .alarms]') $(canary run meant | jq -c .alarms)" == '[2,[]] []'
text "Lyon, and Paris." true
for _ in 1 2 3 4 5 6; do canary run meant >"$work/run"; done
expect "meaning: nobody makes vectors: nothing is known of it" "$(jq -rc '.alarms' "$work/run") $(holds)" == "[] 0"
text "Lyon, and Paris."
expect "meaning: found" "$(until_found meaning meant)" '<=' 8
expect "meaning: and nothing else" "$(canary show meant | jq -c '[.alarms, .holds]')" == '[["meaning"],true]'
expect "meaning: the metrics" "$(metric sluice_model_drift 'pool="meant",cause="meaning"')$(holds)" == 11
expect "meaning: logged" "$(grep -c 'pool "meant": its model has changed: meaning' "$log")" == 1
text "It is Paris."
expect "meaning: the way back" "$(until_quiet meant) $(metric sluice_model_drift 'pool="meant",cause="meaning"')$(holds)" == "quiet 00"

daemon_stop
finish
