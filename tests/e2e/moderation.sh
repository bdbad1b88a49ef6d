#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# moderation.sh - a moderation endpoint as a dependency of questions and answers, open and closed; stopped,
# silent, answering rubbish, and back. Then what makes an answer a poor one: refusals, blanks, languages,
# citations, each asked for again, of another model, and refused in the shape of the client's API.
# moderation.mjs is the endpoint (`serve`) and the client, spoken.mjs the models' servers.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	pools:
	  a: {nodes: ["127.0.0.1:9001"]}
	  b: {nodes: ["127.0.0.1:9002"]}
	  judge: {nodes: ["127.0.0.1:9003"], model: judge-1}
	routes:
	  - {model: closed, pools: a, validate: {moderation: judge, moderation_timeout: 3s, refusal: "No."}}
	  - {model: open, pools: a, validate: {moderation: judge, moderation_timeout: 3s, moderation_down: open, pii_in: email, pii_out: email}}
	  - {model: piece, pools: a, validate: {moderation: judge, moderation_timeout: 3s, moderation_piece: 40}}
	  - {model: tight, pools: a, validate: {moderation: judge, moderation_timeout: 3s, moderation_piece: 32, moderation_hold: 700}}
	  - {model: through, pools: a, validate: {moderation: judge, moderation_timeout: 3s, moderation_piece: 32, moderation_hold: 0}}
	  - {model: out, pools: a, validate: {moderation: judge, moderate: out, moderation_timeout: 3s, moderation_piece: 32}}
	  - {model: in, pools: a, validate: {moderation: judge, moderation_timeout: 10s, moderate: in}}
	  - {model: poor, pools: [a, b], validate: {empty: true, refusals: true, language: [de, fr], citation: numbers, refusal: "Nein."}}
	  - {model: links, pools: a, validate: {citation: links, repairs: 0, refusal: "Nein."}}
END
node "$e2e/spoken.mjs" >"$work/servers.log" 2>&1 &
wait_for 10 grep -q ready "$work/servers.log" || { not_ok servers "$(cat "$work/servers.log")"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
daemon_start
SLUICE_TEST_NAME=$test_name SLUICE_COMMAND=$build/sluice node "$e2e/moderation.mjs" || failures=$((failures + 1))
daemon_stop
finish
