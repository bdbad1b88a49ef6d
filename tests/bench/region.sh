#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# region.sh - the disaster recovery drill (tests/e2e/region.sh) as figures: this host's region of three nodes
# is killed, and then blackholed, under load, whole answers and streams; the other region has all then.
#
# failed   requests and streams that a client saw fail or end without their end
# found    from the loss to the incident of the region, by the daemon's clock
# steady   from the loss to the last attempt that failed, probes of breakers aside; never less than found
#
# Bar: none failed that had budget left (the pool's retry budget is large enough for all that was under way),
# steady within 10 s.
set -u
cd "$(dirname "$0")/../.." || exit 2
[[ -x build/e2e/load && -x build/standin ]] || { echo "region: build/e2e/load is missing: make e2etools" >&2; exit 2; }
out=$(bash tests/e2e/region.sh)
status=$?
printf '%-44s %8s %8s %9s %9s\n' "" requests failed "found s" "steady s"
awk '
	/^# [a-z]+: found after / { name = $2; sub(/:/, "", name); found = $5 }
	/^# [a-z]+: recovery: / { steady = $4 }
	/^# requests=/ && name != "" {
		for (i = 2; i <= NF; i++) {
			split($i, pair, "=")
			if (pair[1] ~ /^(whole_failed|stream_failed|stream_broken|stream_incomplete)$/) failed += pair[2]
			if (pair[1] == "requests") requests = pair[2]
		}
		printf "%-44s %8d %8d %9s %9s\n", "the region is " name, requests, failed, found, steady
		bad += failed > 0 || steady > 10
		rounds++
		name = failed = ""
	}
	END { exit bad > 0 || rounds != 2 }' <<<"$out" || status=1
((status == 0)) || grep '^not ok' <<<"$out"
exit $status
