#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smuggling.sh - servers for smuggling.mjs: requests with two possible ends are refused.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	timeouts: {upstream_idle: 1s}
	pools: {chat: {nodes: ["127.0.0.1:9001"]}}
	routes: [{model: chat, pools: chat}]
END
standin a 9001
daemon_start
SLUICE_TEST_NAME=$test_name node "$e2e/smuggling.mjs" || failures=$((failures + 1))
daemon_stop
finish
