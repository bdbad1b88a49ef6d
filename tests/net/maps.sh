#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# maps.sh - every command line of docs/maps.md, in its order, against a plane like the one it was written
# at: it works, the fields it shows are there, and what is written takes effect.
#
#   client 10.1.0.2 --- sluice --- node1, node2 (pool chat, slot 1), node3 (pool small, slot 2)
. "$(dirname "$0")/lib.sh"
need bpftool bpftool
need jq jq
setup 3
cat >"$config" <<'YAML'
kernel:
  devices: [c, n1, n2, n3]
  deny: [203.0.113.0/24]
  quic_config: 1
  flows: 4096
pools:
  chat:
    nodes:
      - {address: "10.2.1.2:8000", server_id: 257}
      - {address: "10.2.2.2:8000", server_id: 258}
  small: {nodes: ["10.2.3.2:8000"]}
services:
  - {address: 10.9.0.1:80, lane: fast, pool: chat}
YAML
hook=tc up || finish
ask 20 4
expect "the plane serves" "$(tally failed)" == 0

# COMMAND by COMMAND with what the page shows below each, to $work/N.command and $work/N.shown
awk -v dir="$work" '
	/^```/ { inside = !inside; name = ""; next }
	!inside { next }
	/^\$ / { name = sprintf("%s/%03d", dir, ++count); print substr($0, 3) >(name ".command"); more = /\\$/; next }
	name == "" { next }
	more { print >(name ".command"); more = /\\$/; next }
	{ print >(name ".shown") }' "$root/docs/maps.md"
commands=("$work"/*.command)
checked=0
expect "commands of the page" "${#commands[@]}" -gt 30
for file in "${commands[@]}"; do
	command=$(<"$file")
	shown=${file%.command}.shown
	[[ $command != *"map dump id"* ]] || continue # of that plane
	what=$(tr -s '\\\n\t ' ' ' <<<"$command")
	what=${what% }
	(cd "$SLUICE_PIN_DIR" && PATH="$build:$PATH" bash -o pipefail -c "$command") >"$work/output" 2>&1
	status=$?
	if grep -qsx 'Not found' "$shown"; then
		expect "$what: not found" "$(grep -cx 'Not found' "$work/output")" == 1
		continue
	fi
	expect "$what" "$status" == 0
	missing=
	case $command in
	bpftool\ map\ lookup\ *) # each field that is shown
		checked=$((checked + 1))
		while read -r field; do
			grep -qF "$field" "$work/output" || missing+=" $field"
		done < <(grep -oE '"[a-z_]+":' "$shown") ;;
	sluice\ *) # each line that is shown
		checked=$((checked + 1))
		while IFS= read -r line; do
			[[ $line == ... ]] || grep -qxF -- "$line" "$work/output" || missing+=" '$line'"
		done <"$shown" ;;
	esac
	[[ -z $missing ]] || not_ok "$what" "the page shows$missing, the plane does not"
	case $command in # the next new flow obeys; what the page shows next depends on it
	*"map update pinned prefixes"*) ask 1 1 300 && expect "denied by hand" "$(tally timeout)" == 1 ;;
	*"map delete pinned prefixes"*) ask 1 1 5000 && expect "and no longer" "$(tally failed)" == 0 ;;
	esac
done
expect "outputs compared" "$checked" -gt 15
finish
