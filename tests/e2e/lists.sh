#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lists.sh - lists of patterns in questions and answers, whole and streamed in pieces of any size: what they
# match is removed, or ends it; a list that changes; one that is bad, at the start, while it is in force, and
# at a reload. lists.mjs is the client, spoken.mjs the models' servers.
. "$(dirname "$0")/lib.sh"

printf '# names\nJohn Appleseed\nProject Bluebird\n/proj-[0-9]{4}/\n' >"$work/names"
printf 'bomb recipe\n\xd0\xb1\xd0\xbe\xd0\xbc\xd0\xb1\xd0\xb0\n' >"$work/harm"
printf 'fine\n# next line is none\n/(/\n' >"$work/bad"
config_write <<-END
	pools:
	  a: {nodes: ["127.0.0.1:9001"]}
	cache: {memory: 1MiB}
	routes:
	  - {model: plain, pools: a}
	  - {model: names, pools: a, validate: {lists_in: "$work/names", lists_out: ["$work/names", "$work/harm"], pii_out: email}}
	  - {model: model-a, pools: a, cache: {ttl: 1h}, validate: {lists_out: "$work/names"}}
	  - {model: harm, pools: a, validate: {lists_in: "$work/harm", lists_in_found: block, lists_out: "$work/harm",
	     lists_out_found: block, refusal: "No."}}
	  - {model: bad-in, pools: a, validate: {lists_in: "$work/bad"}}
	  - {model: bad-out, pools: a, validate: {lists_out: "$work/bad"}}
END
node "$e2e/spoken.mjs" >"$work/servers.log" 2>&1 &
wait_for 10 grep -q ready "$work/servers.log" || { not_ok servers "$(cat "$work/servers.log")"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
daemon_start
SLUICE_TEST_NAME=$test_name SLUICE_COMMAND=$build/sluice SLUICE_WORK=$work node "$e2e/lists.mjs" || failures=$((failures + 1))

# a configuration that names a bad list is no better than one that cannot be read
expect "bad at the start: the log names file and line" "$(grep -c "list .*/bad.*: line 3: " "$log")" == 1
printf 'good again\n' >"$work/bad"
printf '/a*/\n' >"$work/other"
printf '  - {model: other, pools: a, validate: {lists_out: "%s"}}\n' "$work/other" >>"$config"
kill -HUP "$daemon"
refused() { [[ $(metric sluice_config_reloads_total failure) == 1 ]]; }
expect_soon "a reload that names a bad list fails" 15 refused
expect "it is said why" "$(grep -c "list .*/other.*: line 1: matches nothing at all" "$log")" == 1
expect "the configuration before it is in force" \
	"$(curl -s "$url/v1/models" | jq -r '[.data[].id] | contains(["other"])')" == false
printf 'word\n' >"$work/other"
kill -HUP "$daemon"
accepted() { curl -s "$url/v1/models" | jq -e '[.data[].id] | contains(["other"])'; }
expect_soon "mended, it comes into force" 15 accepted
daemon_stop
finish
