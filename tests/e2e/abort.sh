#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# abort.sh - a client that leaves, at every stage of its request, frees its queue place, its slot and the
# server. Servers and clients are abort.mjs, one process, so that it can tell what came before what; it
# prints how long each took. No time-out of a route is below a minute: none can be what frees a place.
#
#   one: 127.0.0.1:9005, abort.mjs      far: 10.9.9.2:9000, behind v0, where nobody answers a SYN,
#                                  and where only requests connect: no page of metrics is asked for
. "$(dirname "$0")/lib.sh"

ip link add v0 type veth peer name v1 && ip address add 10.9.9.1/24 dev v0 && ip link set v0 up &&
	ip link set v1 up && ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:01 dev v0 ||
	{ not_ok "network" "no veth: apt-get install iproute2, run as root"; finish; }
write() {
	config_write <<-END
		limits: {upstream_idle: 0}
		pools:
		  one: {nodes: ["127.0.0.1:9005"], slots: 1}
		  far: {nodes: ["10.9.9.2:9000"], slots: 1, metrics: {scrape: never}}
		routes:
		  - {model: one, pools: one, queue: {wait: 300s},
		     timeouts: {connect: 60s, ttft: 300s, inter_token: 300s, total: 600s}}
		  - {model: far, pools: far, queue: {wait: 300s},
		     timeouts: {connect: 60s, ttft: 300s, inter_token: 300s, total: 600s}}
	END
}
export SLUICE_TEST_NAME=$test_name SLUICE_ADMIN_SOCKET=$work/admin.sock
write
daemon_start
node "$e2e/abort.mjs" || failures=$((failures + 1))
daemon_stop
# once more on one thread, whose time tells that nothing was waited for
THREADS=1 write
daemon_start
ONE_THREAD=1 node "$e2e/abort.mjs" || failures=$((failures + 1))
daemon_stop
finish
