#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# consistency.sh - fixed sampling: what servers are sent, what clients are told. The server of the pool
# `echo` answers with the body that it was sent.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
config_write <<-END
	pools:
	  echo: {nodes: ["127.0.0.1:9006"]}
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
expect_soon "the echo server listens" 20 grep -q ready "$work/echo.log"
daemon_start

# ask NAME PATH MODEL MEMBERS
ask() {
	curl -sN --max-time 60 -o "$work/$1.out" -D "$work/$1.head" -H "$json" -H "x-request-id: $1" \
		-H 'anthropic-version: 2023-06-01' -w '%{http_code}' \
		-d "{\"model\":\"$3\",$4\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"one\"}],\"prompt\":\"one\"}" \
		"$url/v1/$2"
}
header() { tr -d '\r' <"$work/$1.head" | sed -n "s/^$2: //Ip"; } # NAME FIELD
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

daemon_stop
finish
