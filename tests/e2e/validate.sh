#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# validate.sh - the checks of a route: personal data in questions and answers, whole and streamed in
# pieces of any size; answers that are not as their schema says: repaired, given by another model,
# refused; each told in the answer's head and counted. spoken.mjs is the models' servers, which
# say what a test wants.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	pools:
	  a: {nodes: ["127.0.0.1:9001"]}
	  b: {nodes: ["127.0.0.1:9002"]}
	routes:
	  - {model: plain, pools: a}
	  - {model: redact, pools: a, validate: {pii_in: [email, card, secret], pii_out: [email, card, phone, secret]}}
	  - {model: mask, pools: a, validate: {pii_in: card, pii_in_found: mask, pii_out: card, pii_out_found: mask}}
	  - {model: block, pools: a, validate: {pii_in: card, pii_in_found: block, pii_out: [card, secret],
	     pii_out_found: block, refusal: "No."}}
	  - {model: schema, pools: [a, b], validate: {schema: true, empty: true}}
	  - {model: alone, pools: a, validate: {schema: true, empty: true, repairs: 0, refusal: "Sorry."}}
END
node "$e2e/spoken.mjs" >"$work/servers.log" 2>&1 &
wait_for 10 grep -q ready "$work/servers.log" || { not_ok servers "$(cat "$work/servers.log")"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
daemon_start
SLUICE_TEST_NAME=$test_name SLUICE_COMMAND=$build/sluice node "$e2e/validate.mjs" || failures=$((failures + 1))
daemon_stop
finish
