# SPDX-License-Identifier: BSD-2-Clause
# rollout-words.sh - what the tests of roll-outs share, sourced by rollout.sh and rollout_kinds.sh behind lib.sh: the
# servers of pools old (9001), new (9002) and mirror (9003), the daemon, the command, and one request.
# shellcheck shell=bash disable=SC2154 # work, e2e, url and sluice are theirs
rollout_start() {
	standin old 9001
	standin new 9002
	node "$e2e/mirror.mjs" 9003 >"$work/mirror.log" 2>&1 &
	wait_for 20 grep -q ready "$work/mirror.log" || { not_ok "mirror" "$(<"$work/mirror.log")"; finish; }
	daemon_start
}
rollout() { "$sluice" rollout "$@" 2>&1; }
does() { rollout "$@" >"$work/said" || not_ok "sluice rollout $*" "$(<"$work/said")"; }
of() { rollout status "$1" --json | jq -r ".rollouts[0]$2"; } # NAME JQ
is() { [[ $(rollout status "$1" --json) == *"\"phase\":\"$2\""* ]]; } # NAME PHASE: without jq, for it is asked again and again
fault() { curl -sf --max-time 5 -o "$work/fault" -d "{\"fault\":\"$1\"}" "http://127.0.0.1:10002/fault"; }
mend() { curl -sf --max-time 5 -o "$work/fault" -X DELETE "http://127.0.0.1:10002/fault"; }
# ask WHO [MORE]: status and pool; everybody else is another one
ask() {
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -w '%{http_code} ' -H 'content-type: application/json' \
		-H "x-session-id: $1" -d "{\"model\":\"chat\",\"max_tokens\":4,${2:-}\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}" \
		"$url/v1/chat/completions"
	header x-sluice-pool
}
audited() { [[ $("$sluice" audit list) == *"$1"* ]]; } # TEXT: a step of the daemon's own is written behind it, by a thread
