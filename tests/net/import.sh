#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# import.sh - `import litellm`: what it makes passes `check`, what it cannot take it names with the line.
#
# The command alone: no network, no privilege. The files are in tests/net/litellm.
. "$(dirname "$0")/lib.sh"
files=$root/tests/net/litellm
made=$work/made.yaml
unset SLUICE_TEST_BASE SLUICE_TEST_UNSET
SECRETS=SECRET

import() { # NAME OPTION...: into $made and $work/err; the exit status
	"$sluice" import litellm "$files/$1.yaml" "${@:2}" >"$made" 2>"$work/err"
}
named() { # NAME LINE KEY TEXT: that finding is on standard error and in a comment
	local line="$files/$1.yaml:$2: $3: not supported: $4"
	expect "$1: line $2 names $3" "$(grep -cF "$line" "$work/err")" == 1
	expect "$1: and so does a comment" "$(grep -cF "#   $line" "$made")" == 1
}
good() { # NAME POOLS NODES ROUTES
	import "$1"
	expect "$1: imported" "$?" == 0
	expect "$1: passes check" "$("$sluice" check "$made" 2>&1 | grep -o 'good: pools: [0-9]*, nodes: [0-9]*\|routes: [0-9]*' | paste -sd' ')" \
		== "good: pools: $2, nodes: $3 routes: $4"
	expect "$1: as many findings as the head says" "$(grep -c ': not supported: ' "$work/err")" \
		== "$(sed -n 's/^# Not supported: \([0-9]*\).*/\1/p' "$made")"
	expect "$1: no secret is shown" "$(cat "$made" "$work/err" | grep -c "$SECRETS")" == 0
}
holds() { expect "$1: $2" "$(grep -cF -- "$2" "$made")" == "${3:-1}"; } # NAME LINE [COUNT]
bad() { # NAME TEXT OPTION...
	import "$1" "${@:3}"
	expect "$1: refused" "$?" == 1
	expect "$1: says why" "$(grep -cF "$2" "$work/err")" == 1
	expect "$1: makes nothing" "$(cat "$made")" == ""
}

# ---- each file
good quickstart 1 1 1
holds quickstart 'model: "facebook/opt-125m"'
holds quickstart '- "127.0.0.1:4001"  # line 19'
holds quickstart 'keys: {file: /etc/sluice/keys}'
named quickstart 5 "model_list[0].litellm_params.model" "the provider"
named quickstart 11 "model_list[1].litellm_params.model" "the provider"
named quickstart 15 "model_list[2].litellm_params.model" "the provider"
named quickstart 3 assistant "none of its deployments"
named quickstart 27 "model_list[4].model_name" "sluice matches whole names"
named quickstart 32 litellm_settings.drop_params "sluice does not change requests"
named quickstart 33 litellm_settings.success_callback "sluice calls no logging service"
named quickstart 36 general_settings.master_key "make a key"
named quickstart 37 general_settings.alerting "sluice sends no alerts"

good balance 3 5 5
holds balance '- "10.0.0.1:8001"'
holds balance '{address: "10.0.0.1:8002", weight: 10}'
holds balance '{address: "10.0.0.1:8003", weight: 1000}'
holds balance '- "[fd00::7]:8000"'
holds balance 'pools: ["zephyr", "big"]' 2
holds balance 'fallbacks: {context_length: ["long"], content_policy: ["big"]}' 2
holds balance 'attempts: 6' 2
holds balance 'timeouts: {attempt: 30s, total: 3m, ttft: 30s}' 2
holds balance 'timeouts: {attempt: 5m, total: 5m, ttft: 30500ms}' 2
holds balance 'breaker.open_ms: 30s'
holds balance 'breaker.consecutive_failures: 4'
holds balance 'backoff_max: 2s' 5
holds balance 'model: "gpt-4"'
holds balance 'limits:' 0 # simple-shuffle refuses nothing by rpm
named balance 44 router_settings.redis_host "each daemon counts"
named balance 39 model_group_alias.gpt-3.5 "GET /v1/models lists every route"

good local 4 5 4
holds local '{address: "10.0.0.1:8000", weight: 3}'
holds local 'pools: ["chat", "chat-2"]'
holds local 'pools: ["llama3", "chat", "chat-2"]' 2
holds local '    model: "llama3"' 0 # two models of one server: by the client's name
holds local '- "10.0.0.3:80"'
holds local '- "10.0.0.4:8000"'
holds local 'limits: {requests_per_minute: 100, tokens_per_minute: 5000, concurrent: 20}'
holds local 'timeouts: {total: 800s, ttft: 200s}' # no attempt ends for want of total
holds local 'limits: {body: 32MiB}'
import local --strict
expect "local: --strict takes it" "$?" == 0

good clash 5 5 5
holds clash 'pools: ["one", "one-2", "two", "three"]'
holds clash 'pools: ["one"]'
named clash 5 "model_list[1].litellm_params.model" "the nodes of a pool serve one model"
named clash 7 "model_list[2].litellm_params.api_base" 'node 10.0.0.2:8000 is in pool "one-2" already'
holds clash '- "http://vllm.example:8000"  # line 11'
holds clash '    path: "/proxy/v1"'
named clash 16 "model_list[6].litellm_params.api_base" "the variable is not set"
named clash 18 "model_list[7].litellm_params.api_base" "expected http://ADDRESS:PORT/v1 or https://NAME/v1, without a user"
named clash 19 "model_list[8].model_name" "expected up to 127 letters"
named clash 24 fallbacks '"five" has no node'
named clash 24 fallbacks '"nobody" is no model_name'
named clash 25 routing_strategy "sluice chooses by weight"
SLUICE_TEST_UNSET=http://10.0.0.9:8000 import clash
holds "clash, the variable set" '- "10.0.0.9:8000"'

good unknown 1 1 1
named unknown 7 "model_list[0].litellm_params.temperature" "sluice does not change requests"
named unknown 8 "model_list[0].litellm_params.wieght" 'LiteLLM documents no such key in litellm_params (did you mean "weight"?)'
named unknown 9 "model_list[0].litellm_params.rpm" "expected a number"
named unknown 10 "model_list[0].litellm_params.timeout" "expected a number"
named unknown 15 "model_list[2]" "expected a map"
named unknown 18 router_settings.num_retries "expected a whole number"
named unknown 20 'router_settings.odd?key' "LiteLLM documents no such key"
named unknown 21 general_settings "expected a map"
named unknown 22 surprise "LiteLLM documents no such key in the top level"
named unknown 23 litellm_settings.request_timeout "sluice takes up to 86400 seconds"

# ---- hosted providers: by their own addresses, with keys from the environment
export OPENAI_API_KEY=sk-SECRET-a ANTHROPIC_API_KEY=sk-SECRET-b SLUICE_TEST_KEY=sk-SECRET-c
good hosted 5 6 5
holds hosted '- "https://api.openai.com"' 3
holds hosted '    api_key: "${OPENAI_API_KEY}"' 2
holds hosted '    api_key: "${SLUICE_TEST_KEY}"' 2
holds hosted '    api: anthropic'
holds hosted '- "https://api.anthropic.com"'
holds hosted '    path: "/inference/v1"'
holds hosted '- "https://10.0.0.8:8443"'
holds hosted 'pools: ["gpt-4o", "claude"]'
named hosted 16 "model_list[6].litellm_params.api_key" "a key is not copied into the file"
unset OPENAI_API_KEY ANTHROPIC_API_KEY SLUICE_TEST_KEY

# ---- files that give nothing
bad hosted "no deployment could be taken"
bad malformed "malformed.yaml:3:54: error: not YAML"
bad empty "expected a map with a model_list"
bad absent "No such file"
bad unknown "keys are not supported" --strict
import hosted --json
expect "hosted: JSON is whole" "$? $(jq -r '[.routes, .configuration, (.unsupported | length)] | @csv' "$made")" == '1 0,,14'

# ---- more than there is room for
{
	echo "model_list:"
	for i in $(seq 300); do
		echo "- {model_name: m$i, litellm_params: {model: openai/x$i, api_base: \"http://10.1.$((i / 200)).$((i % 200 + 1)):80\"}}"
	done
	echo "router_settings: {default_fallbacks: [$(seq -s, -f m%g 12)]}"
} >"$work/many.yaml"
files=$work import many
expect "many: as many as there may be" "$? $("$sluice" check "$made" 2>&1 | grep -c 'pools: 255, nodes: 255, .* routes: 255')" == "0 1"
expect "many: a pool too much is named" "$(grep -c 'many.yaml:257: model_list\[255\]: not supported: there are more than 255 pools' "$work/err")" == 1
expect "many: a chain too long is named" "$(grep -c 'many.yaml:302: fallbacks: not supported: a route has at most 8 pools; those from "m8" on' "$work/err")" == 1

# ---- the options
import balance --json
expect "json: valid" "$(jq -r .routes "$made")" == 5
expect "json: unsupported, with line" "$(jq -r '.unsupported[] | select(.key == "router_settings.redis_port") | .line' "$made")" == 46
expect "json: taken" "$(jq -r '[.taken[] | select(.key == "router_settings.num_retries")][0].text' "$made")" == "routes[].attempts"
expect "json: overridden" "$(jq -r '.not_needed[] | select(.key == "litellm_settings.num_retries") | .line' "$made")" == 30
expect "json: every key of the router has a finding" "$(jq -r '[.taken, .unsupported, .not_needed] | add | map(.key | select(startswith("router_settings.") or . == "routing_strategy")) | unique | length' "$made")" == 9
jq -j .configuration "$made" >"$work/from-json.yaml"
import balance
expect "json: the same configuration" "$(cmp "$made" "$work/from-json.yaml" && echo same)" == same
out=$work/out.yaml
import local --output "$out" --listen 0.0.0.0:4000
expect "output: written, nothing printed" "$? $(wc -c <"$made") $(grep -c '^listen: "0.0.0.0:4000"' "$out")" == "0 0 1"
before=$(cksum "$out")
import balance --output "$out"
expect "output: never overwrites" "$? $(cksum "$out")" == "1 $before"
import unknown --output "$out" --force --strict
expect "output: a refused import writes nothing" "$? $(cksum "$out")" == "1 $before"
import balance --output "$out" --force
expect "output: --force does" "$? $(grep -c zephyr "$out")" != "0 0"
expect "output: it passes check" "$("$sluice" check "$out" >/dev/null 2>&1; echo $?)" == 0
expect "output: nothing is left beside it" "$(ls "$work" | grep -c 'out.yaml')" == 1
"$sluice" import other "$files/local.yaml" >/dev/null 2>"$work/err"
expect "another gateway: usage" "$?" == 2
import local --listen nowhere
expect "listen: a name is refused" "$?" == 1
finish
