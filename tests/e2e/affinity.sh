#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# affinity.sh - a prompt goes where its beginning was, a session where it was, as far as load allows.
. "$(dirname "$0")/lib.sh"

write_config() { # AFFINITY
	config_write <<-END
		tunables: {breaker.open_ms: 60s, breaker.open_max_ms: 60s, breaker.ejection_percent: 70}
		timeouts: {upstream_idle: 1s}
		pools: {chat: {affinity: $1, nodes: ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"]}}
		routes: [{model: chat, pools: chat, timeouts: {ttft: 20s, inter_token: 20s, total: 60s}}]
	END
}
node() { standin "$1" "$2" --slots 32 --token-us "${3:-4000}"; }

long() { printf "$1 %.0s" {1..600}; } # WORD: a beginning of some KiB
# ask BEGINNING END [CURL OPTIONS...]: the node and why
ask() {
	local beginning=$1 ending=$2
	shift 2
	printf '{"model":"chat",%s,"messages":[{"role":"system","content":"%s"},{"role":"user","content":"%s"}]}' \
		"${MORE:-\"max_tokens\":2}" "$beginning" "$ending" |
		curl -s --max-time 120 -o /dev/null -D - -H 'content-type: application/json' "$@" \
			--data-binary @- "$url/v1/chat/completions" | tr -d '\r' | awk -F': ' '
			$1 == "x-sluice-node" { node = $2 } $1 == "x-sluice-affinity" { why = $2 }
			END { sub(/.*:/, "", node); print node, why }'
}
distinct() { tr ' ' '\n' <<<"$*" | sort -u | grep -c .; }

node a 9001
node b 9002
node c 9003
write_config prefix
daemon_start

# ---- prompts ----
read -r home why < <(ask "$(long river)" "question 0")
expect "prefix: nobody knows the first" "$why" == miss
same=0
for i in {1..10}; do
	[[ $(ask "$(long river)" "question $i") == "$home prefix" ]] && same=$((same + 1))
done
expect "prefix: ten that begin alike go where the first went" $same == 10
expect "prefix: short prompts have nothing to go by" "$(ask hello there | awk '{ print NF }')" == 1
homes=()
for i in {1..30}; do homes+=("$(ask "$(long "tale$i")" end | cut -d' ' -f1)"); done
expect "prefix: thirty beginnings use all three nodes" "$(distinct "${homes[@]}")" == 3
kept=0
for i in {1..30}; do
	[[ $(ask "$(long "tale$i")" "another end") == "${homes[i - 1]} prefix" ]] && kept=$((kept + 1))
done
expect "prefix: each of them stays where it is" $kept == 30
expect "prefix: the metrics tell" "$(metric sluice_affinity_total 'by="prefix"')" == 40
expect "prefix: and what nobody knew" "$(metric sluice_affinity_total 'by="miss"')" == 31

# ---- load ----
running_are() { (($(state_of 9001 .running) + $(state_of 9002 .running) + $(state_of 9003 .running) == $1)); }
MORE='"stream":true,"max_tokens":100000,"ignore_eos":true' # they last until they are killed
streams=()
for i in {1..6}; do
	MORE=$MORE ask "$(long river)" "stream $i" >/dev/null &
	streams+=($!)
	wait_for 30 running_are "$i"
done
unset MORE
most=0 all=0
for port in 9001 9002 9003; do
	running=$(state_of $port .running)
	all=$((all + running))
	((running > most)) && most=$running
done
expect "load: all six run" $all == 6
expect "load: no node has more than three of six alike" $most '<=' 3
expect "load: refused for it, and told" "$(metric sluice_affinity_total 'by="load"')" '>' 0
for stream in "${streams[@]}"; do pkill -P "$stream" curl; done
for port in 9001 9002 9003; do
	expect_soon "load: $port is idle again" 20 state_is $port '.running == 0'
done
expect_soon "load: nothing in flight" 20 idle

# ---- a node that dies ----
read -r home _ < <(ask "$(long winter)" first)
for name in a b c; do
	[[ $home == $((9001 + $(printf %d "'$name") - 97)) ]] && standin_kill $name && dead=$name
done
read -r next _ < <(ask "$(long winter)" second)
expect "dead: another answers" "$next" != "$home"
same=0
for i in {1..10}; do
	[[ $(ask "$(long winter)" "third $i") == "$next prefix" ]] && same=$((same + 1))
done
expect "dead: from then on it goes there" $same == 10
node $dead "$home"
same=0
for i in {1..5}; do
	[[ $(ask "$(long winter)" "fourth $i") == "$next prefix" ]] && same=$((same + 1))
done
expect "dead: and stays there when the first is back" $same == 5
daemon_stop

# ---- sessions ----
write_config session
daemon_start
homes=()
for i in {1..24}; do homes+=("$(ask hello there -H "x-session-id: s$i" | cut -d' ' -f1)"); done
expect "session: they use all three nodes" "$(distinct "${homes[@]}")" == 3
kept=0
for i in {1..24}; do
	[[ $(ask other words -H "X-Session-Id: s$i") == "${homes[i - 1]} session" ]] && kept=$((kept + 1))
done
expect "session: each stays where it is" $kept == 24
for field in prompt_cache_key user; do
	read -r home why < <(MORE="\"max_tokens\":2,\"$field\":\"someone\"" ask one two)
	expect "session: $field names one" "$why" == session
	expect "session: the same $field, the same node" \
		"$(MORE="\"max_tokens\":2,\"$field\":\"someone\"" ask three four | cut -d' ' -f1)" == "$home"
done
expect "session: none, nothing to go by" "$(ask "$(long river)" x | awk '{ print NF }')" == 1
daemon_stop

write_config session
daemon_start
kept=0
for i in {1..24}; do
	[[ $(ask other words -H "x-session-id: s$i") == "${homes[i - 1]} session" ]] && kept=$((kept + 1))
done
expect "session: another process finds the same nodes" $kept == 24
daemon_stop

write_config none
daemon_start
expect "none: load alone" "$(ask "$(long river)" x -H 'x-session-id: s1' | awk '{ print NF }')" == 1
daemon_stop
finish
