# SPDX-License-Identifier: BSD-2-Clause
# shows.sh - commands of the runbooks (docs/runbooks), held against a state that a test has provoked. Sourced by
# tests/e2e/lib.sh and tests/net/lib.sh, which have ok, not_ok, $build, $work and $root. Never run.
#
#   shows    a test: the command prints what its page says
#   pictured nothing in a test; the status page at this moment, for a picture
#
# SLUICE_HANDBOOK=DIR (make pictures, tests/handbook.mjs): what was printed is kept as DIR/NAME.txt, for the page that
# has `<!-- shown: NAME -->`, and pictures as DIR/NAME.png.

# shows NAME TEXT COMMAND: the command, as a reader types it, prints the text, soon
shows() {
	local name=$1 wanted=$2 command=$3 said end=$((SECONDS + 30))
	for (( ; ; )); do
		said=$(
			export PATH=$build:$PATH SLUICE_ADMIN_SOCKET=${SLUICE_ADMIN_SOCKET:-$work/admin.sock}
			eval "$command" 2>&1
		)
		[[ $said != *"$wanted"* ]] || break
		((SECONDS < end)) || { not_ok "runbook, $name" "$command: got '${said:0:400}', wanted '$wanted'"; return; }
		sleep 0.1
	done
	ok "runbook, $name: $command"
	[[ -z ${SLUICE_HANDBOOK:-} ]] || printf '$ %s\n%s\n' "$command" "$said" | as_installed >"$SLUICE_HANDBOOK/$name.txt"
}
# Paths of a test's own as those of an installed daemon.
as_installed() {
	sed -E "s|$work/sluice.yaml|/etc/sluice/sluice.yaml|g; s|$work/admin.sock|/run/sluice/admin.sock|g
		s|$work/disk/|/var/lib/sluice/|g; s|$work/|/var/lib/sluice/|g; s|$build/||g"
}
# pictured NAME SELECTOR...: these parts of the status page
pictured() {
	[[ -n ${SLUICE_HANDBOOK:-} ]] || return 0
	local door
	socat TCP-LISTEN:8099,bind=127.0.0.1,fork,reuseaddr "UNIX-CONNECT:${SLUICE_ADMIN_SOCKET:-$work/admin.sock}" &
	door=$!
	node "$root/tests/handbook.mjs" page http://localhost:8099/ "$SLUICE_HANDBOOK/$1.png" "${@:2}" || not_ok "picture $1" "no picture"
	kill "$door"
	wait "$door" 2>/dev/null
	return 0
}
