#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The documents say what the product has, and nothing that it has not. Prints every difference; exit 1.
#
#   pinned maps       bpf/maps.h             a row and a section each in docs/maps.md, with the struct and
#                                            its size as the BPF object has it
#   counters          bpf/counters.def       docs/counters.md is printed from it
#   tunables          bpf/limits.h           docs/tunables.md (word for word: the unit test does that)
#   configuration     user/base/config_key*.c a row each in docs/configuration.md, those of `kernel` in its
#                                            complete example too; every YAML block passes sluice check
#   alerts            docs/prometheus-rules.yml, kinds of trouble in user/base/notice.h: a page each in
#                                            docs/runbooks, and no other; each rule links to its own;
#                                            all with the same sections, and something shown
#   what is shown     tests/shows.sh         each block of a page has a test that looks at it; each picture is
#                                            in a page, and has a text
#   ladders           user/stage/steps.def   each step in a picture and in the text of docs/ladders.md, and in
#                                            its table of tests, each of which names the step
#   the command       build/sluice --help    each subcommand and option in the synopsis of docs/sluice.8
#
# Names in the text: every `pass_*`, `drop_*`, `forward_*`, `retry_*`, `gate_*` must be a counter, every
# name with a tunable's first word must be a tunable, every link to a page or heading must lead there.
#
#   tests/lint/docs.sh           looks
#   tests/lint/docs.sh --write   writes docs/counters.md
set -u
cd "$(dirname "$0")/../.." || exit 2

differences=0
differs() {
	printf 'not ok docs: %s\n' "$1"
	differences=$((differences + 1))
}
# has NAME IN: the word NAME is one of the lines IN. Asked some thousand times: no process each.
has() { [[ $'\n'$2$'\n' == *$'\n'"$1"$'\n'* ]]; }

counter_lines() { # number|name|help
	tr '\n' ' ' <bpf/counters.def | grep -oE 'X\([A-Z0-9_]+, *"[a-z0-9_]+", *"[^"]*"\)' |
		sed -E 's/X\([A-Z0-9_]+, *"([a-z0-9_]+)", *"([^"]*)"\)/\1|\2/' | awk '{ print NR - 1 "|" $0 }'
}
counter_table() { # PATTERN of the names
	echo "| # | name | meaning |"
	echo "|---:|---|---|"
	counter_lines | awk -F'|' -v wanted="$1" '$2 ~ wanted { printf "| %d | `%s` | %s |\n", $1, $2, $3 }'
	echo
}
counters_page() {
	cat <<'PAGE'
# Counters

<!-- Printed from bpf/counters.def: tests/lint/docs.sh --write -->

What the kernel plane counts, in the pinned map `counters` ([maps.md](maps.md#counters)), one row a
CPU. `sluice status` shows the sums that are above zero, `sluice top` what moves, the daemon's
`/metrics` all as `sluice_kernel_NAME_total`. The number is the place in a row; it never changes.

A packet that is not forwarded is counted under exactly one reason, which begins with `pass_` or
`drop_`. [datapath.md](datapath.md) says by which rule. (What `pass_neighbour` counts is forwarded all
the same: TC sends it.)

## Left to the local stack

PAGE
	counter_table '^pass_'
	cat <<'PAGE'
## Not forwarded

What is answered (by a reset, an ICMP error, a cookie) is counted here too: the packet itself went
nowhere.

PAGE
	counter_table '^drop_'
	cat <<'PAGE'
## What was done

PAGE
	counter_table '^(forward|packets|decapsulated|mss|quic|retry)'
	cat <<'PAGE'
## Flows, breakers and signals

PAGE
	counter_table '^(flow|conn|gate|signal|event|cas|trace|chaos)_' | sed '$d'
}
if [[ ${1:-} == --write ]]; then
	counters_page >docs/counters.md
	exit
fi

# ---- maps ---------------------------------------------------------------------------------------
[[ -e build/sluice.bpf.o && -x build/sluice ]] || { differs "build/sluice.bpf.o or build/sluice is missing (make)"; exit 1; }
maps=$(sed -nE 's/^\} ([a-z_]+) SEC\("\.maps"\);.*/\1/p' bpf/maps.h | grep -vx scratch)
[[ -n $maps ]] || differs "no map found in bpf/maps.h"
map_rows=$(sed -nE 's/^\| \[`([a-z_]+)`\].*/\1/p' docs/maps.md)
map_sections=$(sed -nE 's/^### ([a-z_]+)$/\1/p' docs/maps.md)
for map in $maps; do
	has "$map" "$map_rows" || differs "docs/maps.md: the table has no row of the map \"$map\""
	has "$map" "$map_sections" || differs "docs/maps.md: no section \"### $map\""
	grep -q "pinned $map\b" docs/maps.md || differs "docs/maps.md: no bpftool line for \"$map\""
	grep -qE "^ \*   $map +[A-Z_]+" bpf/abi.h || differs "bpf/abi.h: its list of maps lacks \"$map\""
done
for map in $map_rows $map_sections; do
	has "$map" "$maps" || differs "docs/maps.md: there is no map \"$map\""
done
structs=$(bpftool btf dump file build/sluice.bpf.o | sed -nE "s/.*STRUCT '(sl_[a-z_]+)' size=([0-9]+) .*/\1 \2/p" | sort -u)
while read -r name size; do
	has "$name $size" "$structs" || differs "docs/maps.md: struct $name has not $size bytes"
done < <(grep -oE '`struct sl_[a-z_]+`, [0-9]+ bytes' docs/maps.md | sed -E 's/`struct (sl_[a-z_]+)`, ([0-9]+) bytes/\1 \2/')
while read -r name; do
	grep -q "^$name " <<<"$structs" || differs "docs/maps.md: there is no struct $name in the object"
done < <(grep -oE 'struct sl_[a-z_]+' docs/maps.md | sort -u | cut -d' ' -f2)

# ---- counters and tunables ----------------------------------------------------------------------
counters=$(counter_lines | cut -d'|' -f2)
(($(grep -c . <<<"$counters") == $(grep -c '^X(' bpf/counters.def))) ||
	differs "bpf/counters.def: not every line could be read"
counters_page | diff -q - docs/counters.md >/dev/null ||
	differs "docs/counters.md is not what bpf/counters.def says (tests/lint/docs.sh --write)"
for counter in $counters; do
	grep -q "| \`$counter\` |" docs/counters.md || differs "docs/counters.md has no row of \"$counter\""
done
while IFS=, read -r id rest; do # one that nothing counts is a promise: it must say so
	grep -qE "SL_COUNTER_${id#X(}\b" bpf/*.h bpf/*.c || [[ $rest == *'"reserved'* ]] ||
		differs "bpf/counters.def: nothing counts ${id#X(}, and its text does not begin with \"reserved\""
done < <(grep '^X(' bpf/counters.def)
tunables=$(sed -nE 's/^	X\([A-Z0-9_]+, "([a-z0-9_.]+)".*/\1/p' bpf/limits.h)
[[ -n $tunables ]] || differs "no tunable found in bpf/limits.h"
for tunable in $tunables; do
	grep -q "| \`$tunable\` |" docs/tunables.md || differs "docs/tunables.md has no row of \"$tunable\""
done

# ---- names in the text --------------------------------------------------------------------------
pages=(README.md docs/*.md docs/runbooks/*.md)
first_words=$(cut -d. -f1 <<<"$tunables" | sort -u | paste -sd'|')
while IFS=: read -r page name; do
	has "$name" "$counters" || differs "$page: there is no counter \"$name\""
done < <(grep -oP '(?<![.\w])(pass|drop|forward|retry|gate)_[a-z0-9_]+' "${pages[@]}" | sort -u)
while IFS=: read -r page name; do
	has "$name" "$tunables" || differs "$page: there is no tunable \"$name\""
done < <(grep -oP "(?<![.\w/])($first_words)\.(?!(h|md|sh|c|png)\b)[a-z_]+" "${pages[@]}" | sort -u)
heading_anchor() { sed -nE 's/^#+ (.*)$/\1/p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'; }
declare -A anchors=() # of a file
while IFS=: read -r page link; do
	target=${link%%#*}
	file=./$page
	file=${file%/*}/$target
	[[ -n $target ]] || file=$page
	if [[ ! -e $file ]]; then
		differs "$page: the link to $link leads nowhere"
	elif [[ $link == *'#'* ]]; then
		[[ -v anchors[$file] ]] || anchors[$file]=$(heading_anchor "$file")
		has "${link#*#}" "${anchors[$file]}" || differs "$page: $link: there is no such heading"
	fi
done < <(grep -oE '\]\([^)]+\)' "${pages[@]}" | grep -v '://' | sed -E 's/:\]\(([^)]*)\)$/:\1/' | sort -u)

# ---- ladders ------------------------------------------------------------------------------------
steps=$(sed -nE 's/^SL_STEP\([A-Z]+, [A-Z_]+, "([a-z_]+=[a-z_-]+)".*/\1/p' user/stage/steps.def)
(($(grep -c . <<<"$steps") == $(grep -c '^SL_STEP(' user/stage/steps.def))) ||
	differs "user/stage/steps.def: not every line could be read"
stages=$(cut -d= -f1 <<<"$steps" | sort -u | paste -sd'|')
step_words() { grep -oE "\b($stages)=[a-z_-]+" | sort -u; }
pictured=$(awk '/^```/ { on = !on; next } on' docs/ladders.md | step_words)
quoted=$(awk '/^```/ { on = !on; next } !on' docs/ladders.md | grep -oE '`[a-z_]+=[a-z_-]+`' | tr -d '`' | sort -u)
for step in $steps; do
	has "$step" "$pictured" || differs "docs/ladders.md: no picture has the step \"$step\""
	has "$step" "$quoted" || differs "docs/ladders.md: the text does not name the step \"$step\""
done
for step in $pictured $quoted; do
	has "$step" "$steps" || differs "docs/ladders.md: there is no step \"$step\""
done

proofs=$(sed -n '/^## What proves it/,$p' docs/ladders.md | grep '^| `')
for step in $steps; do
	grep -qF "\`$step\`" <<<"$proofs" || differs "docs/ladders.md: no test is named for the step \"$step\""
done
step_constant() { sed -nE "s/^SL_STEP\(([A-Z]+), ([A-Z_]+), \"$1\".*/SL_STEP_\1_\2/p" user/stage/steps.def; }
while IFS='|' read -r _ named rest; do
	for test in $(grep -oE '`[a-z_/]+`' <<<"$rest" | tr -d '`' | sort -u); do
		case $test in
		unit/*) files=tests/$test.c ;;
		*) files=tests/e2e/$test.sh ;;
		esac
		[[ -e $files ]] || { differs "docs/ladders.md: there is no test \"$test\""; continue; }
		for step in $(grep -oE '[a-z_]+=[a-z_-]+' <<<"$named"); do
			cat "$files" "${files%.sh}.mjs" 2>/dev/null |
				grep -qF -e "$step" -e "step=\"${step#*=}\"" -e "$(step_constant "$step")" ||
				differs "docs/ladders.md: the test \"$test\" does not name the step \"$step\""
		done
	done
done <<<"$proofs"

# ---- alerts and their runbooks --------------------------------------------------------------------
# What never opens an incident has no alert: deeds (policy/incident.c), hooks, what is told of incidents.
rules=$(sed -nE 's/^ +- alert: (\w+)$/\1/p' docs/prometheus-rules.yml)
kinds=$(sed -nE 's/^	X\(([A-Z_]+), "([a-z_]+)".*/\2/p' user/base/notice.h |
	grep -vxE 'override|tune|chaos|hook|incident' |
	awk '{ n = split($0, part, "_"); printf "Sluice"; for (i = 1; i <= n; i++) printf "%s", toupper(substr(part[i], 1, 1)) substr(part[i], 2); print "" }')
(($(grep -c . <<<"$rules") > 15 && $(grep -c . <<<"$kinds") > 10)) || differs "alerts could not be read"
runbooks=$(basename -a -s .md docs/runbooks/*.md)
sections="## What users feel
## What sluice does by itself
## How to confirm
## Likely causes, the likeliest first
## What to do
## When to escalate
## When it is over
## How to prevent it"
for alert in $rules $kinds; do
	has "$alert" "$runbooks" || differs "docs/runbooks has no page of the alert $alert"
done
for alert in $rules; do
	grep -A 12 -- "- alert: $alert\$" docs/prometheus-rules.yml | grep -m 1 runbook_url | grep -q "\"docs/runbooks/$alert.md\"" ||
		differs "docs/prometheus-rules.yml: $alert does not link to docs/runbooks/$alert.md"
	grep -q "runbooks/$alert.md" docs/operations.md || differs "docs/operations.md does not lead to the runbook of $alert"
done
for alert in $runbooks; do
	has "$alert" "$rules"$'\n'"$kinds" || differs "docs/runbooks/$alert.md: there is no such alert"
	page=docs/runbooks/$alert.md
	[[ $(grep '^## ' "$page") == "$sections" ]] || differs "$page: its sections are not those that each runbook has, in their order"
	grep -qE '^(<!-- shown: [a-z0-9-]+ -->|!\[.+\]\(.+\))$' "$page" || differs "$page shows neither what a command printed nor a picture"
done
for alert in $kinds; do
	grep -q "runbooks/$alert.md" docs/operations.md || differs "docs/operations.md does not lead to the runbook of $alert"
done

# ---- what was shown, and pictures: tests/shows.sh, make pictures -----------------------------------
shown=$(sed -nE 's/^[[:space:]]*(\[\[.*\|\| )?shows ([a-z0-9-]+) .*/\2/p' tests/e2e/*.sh tests/net/*.sh | sort -u)
while IFS=: read -r page name; do
	has "$name" "$shown" || differs "$page: no test shows \"$name\""
done < <(grep -oE '^<!-- shown: [a-z0-9-]+' "${pages[@]}" | sed 's/<!-- shown: //')
while read -r page name; do # each has what was printed behind it: a command, and a line at least
	differs "$page: nothing is shown as \"$name\" (make pictures)"
done < <(awk '/^<!-- shown: / { name = $3; at = FNR }
	FNR == 1 { at = 0 }
	at && ((FNR == at + 1 && $0 != "```console") || (FNR == at + 2 && !/^\$ /) || (FNR == at + 3 && /^```/)) { print FILENAME, name }' "${pages[@]}")
pictured=$(grep -ohE '\]\([^)]*pictures/[a-z-]+\.png\)' "${pages[@]}" | sed -E 's|.*/([a-z-]+\.png)\)|\1|' | sort -u)
for picture in $(basename -a docs/pictures/*.png); do
	has "$picture" "$pictured" || differs "docs/pictures/$picture: no page shows it"
done
while IFS=: read -r page alt; do
	((${#alt} > 24)) || differs "$page: a picture's text \"$alt\" does not say what is to be seen"
done < <(grep -oE '!\[[^]]*\]' "${pages[@]}" | sed -E 's/!\[(.*)\]/\1/')
(($(cat docs/pictures/*.png | wc -c) < 1500000)) || differs "docs/pictures: more than 1.5 MB"

# ---- the configuration --------------------------------------------------------------------------
keys=$(cat user/base/config_key*.c | tr '\n' ' ' | grep -oE '\{SL_CONFIG_[A-Z_]+,[[:space:]]*SL_CONFIG_[A-Z0-9_]+,[[:space:]]*"[a-z0-9_]+"' |
	sed -E 's/\{SL_CONFIG_([A-Z_]+),.*"([a-z0-9_]+)"/\1 \2/')
(($(grep -c . <<<"$keys") > 60)) || differs "user/base/config_key*.c: only $(grep -c . <<<"$keys") keys could be read"
example=$(sed -n '/^A complete one/,/^## /p' docs/configuration.md)
while read -r section key; do
	grep -q "^| \`$key\` |" docs/configuration.md || differs "docs/configuration.md has no row of \"$key\" ($section)"
	[[ $section != KERNEL ]] || grep -qE "^  $key:" <<<"$example" ||
		differs "docs/configuration.md: the complete example lacks kernel.$key"
done <<<"$keys"

while IFS= read -r -d '' block; do # every example is a good file
	NODE_A=10.0.0.7 BEACON_KEY=00112233445566778899aabbccddeeff OTEL_TOKEN=x \
		build/sluice check /dev/stdin <<<"${block#*$'\n'}" >/dev/null 2>&1 ||
		differs "${block%%$'\n'*}: this example is refused by sluice check: $(sed -n '2,3p' <<<"$block" | tr '\n' ' ')"
done < <(awk '/^```yaml$/ { on = 1; print FILENAME; next } /^```$/ { if (on) printf "%c", 0; on = 0 } on' README.md docs/*.md)

# ---- the command --------------------------------------------------------------------------------
commands=$(build/sluice --help | sed -nE 's/^  ([a-z]+) .*/\1/p')
[[ -n $commands ]] || differs "build/sluice --help names no command"
for command in $commands; do
	synopsis=$(sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' docs/sluice.8 |
		awk -v start="sluice $command" 'index($0, ".B " start) == 1 { on = 1 } /^\.br/ { on = 0 } on' | tr -d '\\')
	[[ -n $synopsis ]] || { differs "docs/sluice.8: the synopsis lacks \"sluice $command\""; continue; }
	grep -qE "^\.B[RI]? \"?sluice $command\b" <(sed -n '/^\.SH COMMANDS/,/^\.SH EXIT/p' docs/sluice.8 | tr -d '\\') ||
		differs "docs/sluice.8: COMMANDS lacks \"sluice $command\""
	for option in $(build/sluice "$command" --help | sed -nE 's/^  --([a-z-]+).*/\1/p'); do
		case $option in help | pin-dir) continue ;; esac # said once for all commands
		grep -qE -- "--$option\b" <<<"$synopsis" ||
			differs "docs/sluice.8: the synopsis of \"sluice $command\" lacks --$option"
	done
done

((differences == 0)) || { echo "docs: $differences differences"; exit 1; }
echo "ok docs"
