#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sdk.sh - servers for sdk.mjs: the `openai` client through sluiced to the stand-in and to llama.cpp.
#
# SLUICE_MODEL  the GGUF file for llama.cpp; without one that part is left out, with one line.
. "$(dirname "$0")/lib.sh"

model=${SLUICE_MODEL:-$root/../shared/models/stories260K.gguf}
[[ -d $root/build/e2e/node_modules/openai ]] || {
	not_ok "packages" "the openai client is missing: tests/e2e/deps.sh"
	finish
}

config_write <<-END
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	pools:
	  chat: {nodes: ["127.0.0.1:9001"]}
	  narrow: {nodes: ["127.0.0.1:9002"]}
	  stories: {nodes: ["127.0.0.1:9003"], model: stories260K}
	routes:
	  - {model: chat, pools: chat}
	  - {model: narrow, pools: narrow}
	  - {model: quick, pools: chat, timeouts: {inter_token: 500ms}}
	  - {model: stories, pools: stories}
END
standin a 9001 --token-us 2000
standin b 9002 --token-us 20000 --slots 1

arguments=()
if [[ -f $model ]]; then
	node "$e2e/llama-server.mjs" "$model" --listen 127.0.0.1:9003 --name stories260K \
		>"$work/llama.log" 2>&1 &
	if wait_for 60 grep -q listening "$work/llama.log"; then
		arguments=(--llama)
	else
		not_ok "llama.cpp" "$(tail -n 3 "$work/llama.log")"
	fi
else
	echo "# skip: llama.cpp: no model at $model (SLUICE_MODEL=FILE.gguf names one)"
fi
daemon_start
SLUICE_TEST_NAME=$test_name node "$e2e/sdk.mjs" "${arguments[@]}" || failures=$((failures + 1))
daemon_stop
finish
