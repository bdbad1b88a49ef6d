#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# import.sh - a LiteLLM config.yaml, imported, serves: names, models of the nodes, fallback, alias, keys.
. "$(dirname "$0")/lib.sh"

json='content-type: application/json'
body='{"model":"MODEL","messages":[{"role":"user","content":"hello"}]}'
ask() { # MODEL OPTION...: the status
	curl -s --max-time 20 -o "$work/out" -w '%{http_code}' -H "$json" -d "${body/MODEL/$1}" "${@:2}" "$url/v1/chat/completions"
}
got() { curl -s "http://127.0.0.1:$1/last" | grep -o '"model": *"[^"]*"' | cut -d'"' -f4; } # ADMIN-PORT
for name in a:9001 b:9002; do
	standin ${name%:*} ${name#*:}
	curl -s -X POST -d '{"record":true}' "http://127.0.0.1:$((${name#*:} + 1000))/config" >/dev/null
done
cat >"$work/litellm.yaml" <<'END'
model_list:
  - model_name: chat
    litellm_params: {model: openai/org/llama-70b, api_base: "http://localhost:9001/v1", api_key: none}
  - model_name: spare
    litellm_params: {model: hosted_vllm/llama-8b, api_base: "http://127.0.0.1:9002"}
router_settings:
  fallbacks: [{chat: [spare]}]
  model_group_alias: {gpt-4: chat}
  num_retries: 1
  timeout: 10
END
import() { "$build/sluice" import litellm "$work/litellm.yaml" --listen 127.0.0.1:8080 "$@" 2>"$work/err" >"$config"; }
here() { # what a test needs beside the import
	sed -i "s|/etc/sluice/keys|$work/keys|" "$config"
	printf 'admin_socket: %s\ntimeouts: {upstream_idle: 1s}\n' "$work/admin.sock" >>"$config"
}
import --strict
expect "import: everything is taken" "$?" == 0
here
daemon_start
expect "a model_name is served" "$(ask chat)" == 200
expect "its node gets the model's own name" "$(got 10001)" == org/llama-70b
expect "an alias is served" "$(ask gpt-4)" == 200
expect "the models are listed" "$(curl -s "$url/v1/models" | jq -r '[.data[].id] | sort | join(" ")')" == "chat gpt-4 spare"
standin_kill a
expect "the node is gone: the fallback answers" "$(ask chat)" == 200
expect "under its own model's name" "$(got 10002)" == llama-8b
daemon_stop
standin a 9001

# ---- LiteLLM asked for a key: so does what was made
echo 'general_settings: {master_key: sk-1234}' >>"$work/litellm.yaml"
import
expect "import: the master key is named" "$(grep -c 'litellm.yaml:11: general_settings.master_key: not supported' "$work/err")" == 1
here
key=$("$build/sluice" key create web --file "$work/keys" 2>/dev/null)
daemon_start
expect "without a key: 401" "$(ask chat)" == 401
expect "with LiteLLM's: 401" "$(ask chat -H 'authorization: Bearer sk-1234')" == 401
expect "with one of sluice: 200" "$(ask chat -H "authorization: Bearer $key")" == 200
daemon_stop
finish
