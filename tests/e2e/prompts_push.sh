#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# prompts_push.sh - prompts by the command and by HTTP on the admin socket: push, show, diff, promote,
# rollback; then the daemon is killed again and again while somebody changes prompts, and nothing that
# was acknowledged is lost.
. "$(dirname "$0")/lib.sh"

dir=$work/prompts
mkdir "$dir"
prompt() { "$build/sluice" prompt "$@" --admin-socket "$work/admin.sock" 2>&1; }
http() { curl -s --max-time 20 --unix-socket "$work/admin.sock" -o "$work/out" -w '%{http_code}' "$@"; }
text() { printf '@system\n%s\n' "$1"; }
last() { tail -n 1 "$dir/audit.log" | jq -r "$1"; }
standin one 9001
config_write <<-END
	prompts: {dir: $dir}
	pools:
	  one: {nodes: ["127.0.0.1:9001"]}
	routes:
	  - {model: chat, pools: one, prompt: {requests: true}}
END
daemon_start

# ---- the command
text "Be kind." >"$work/a"
text "Be short." >"$work/b"
expect "push" "$(prompt push support "$work/a")" contains "support "
a=$(prompt list --json | jq -r '.prompts[0].version')
expect "push: the same text is the same version" "$(prompt push support - <"$work/a")" == "support $a"
expect "push: and no second line" "$(wc -l <"$dir/audit.log")" == 1
expect "promote" "$(prompt promote "support@${a:0:8}")" == "support $a"
b=$(prompt push support "$work/b")
b=${b#support }
expect "show" "$(prompt show support)" == "$(text "Be kind.")"
expect "show a version" "$(prompt show "support@${b:0:8}")" == "$(text "Be short.")"
expect "diff" "$(prompt diff support | tail -n +3)" == $'@@ -1,2 +1,2 @@\n @system\n-Be kind.\n+Be short.'
expect "promote a version" "$(prompt promote support "${b:0:8}")" == "support $b"
expect "audit: who, what, from, to" "$(last '[.who,.action,.label,.from,.version]|join(" ")')" == \
	"uid $(id -u), admin socket promote stable $a $b"
expect "audit: when" "$(last .at)" contains "T"
expect "rollback" "$(prompt rollback support)" == "support $a"
expect "rollback: audit" "$(last '[.action,.from,.version]|join(" ")')" == "rollback $b $a"
expect "push: what is wrong" "$(printf '@usr\n' | prompt push support -)" contains 'prompt "support": line 1, column 1: unknown "@usr"'
expect "push: no such file" "$(prompt push support "$work/nothing")" contains "No such file"
expect "push: without a file" "$(prompt push support)" contains "expected push ID FILE"
head -c 300000 /dev/zero | tr '\0' x >"$work/long"
expect "push: too long" "$(prompt push support "$work/long")" contains 'prompt "support"'
prompt show support@000000 >/dev/null
expect "show: no such version" $? == 1

# ---- HTTP
expect "HTTP: push" "$(http -T "$work/b" http://localhost/prompts/other) $(jq -r .version "$work/out")" == "200 $b"
expect "HTTP: promote" "$(http -X POST "http://localhost/prompts/other/promote?version=${b:0:9}")" == 200
expect "HTTP: show" "$(http http://localhost/prompts/other/stable) $(cat "$work/out")" == "200 $(text "Be short.")"
head -c 200000 /dev/zero | tr '\0' x | cat "$work/a" - >"$work/long"
expect "HTTP: a long one" "$(http -H 'expect: 100-continue' -T "$work/long" http://localhost/prompts/long)" == 200
expect "HTTP: list" "$(http http://localhost/prompts) $(jq -c '[.prompts[].id]' "$work/out")" == '200 ["long","other","support","support"]'
expect "HTTP: nothing to go back to" "$(http -X POST http://localhost/prompts/other/rollback) $(jq -r .error.message "$work/out")" contains "404 prompt \"other\": stable was no other"
expect "HTTP: not there" "$(http http://localhost/prompts/nobody)" == 404
expect "HTTP: nothing but prompts" "$(http http://localhost/other)" == 404
expect "HTTP: in chunks" "$(http -H 'transfer-encoding: chunked' -T "$work/a" http://localhost/prompts/p)" == 411
expect "served by then" "$(curl -s --max-time 20 -o "$work/out" -D - -H 'content-type: application/json' -d '{"model":"chat","prompt":{"id":"other"}}' "$url/v1/chat/completions" | tr -d '\r' | sed -n 's/^x-sluice-prompt: //p')" == "other@${b:0:12}"

# ---- killed while prompts change: what was acknowledged is there, labels are what the last line says
change() { # ROUND: pushes, promotes and rolls back until nobody answers
	local n=0 hash
	while hash=$(text "round $1 text $((++n))" | prompt push storm -) && [[ $hash == "storm "* ]]; do
		hash=${hash#storm }
		echo "$hash" >>"$work/pushed"
		prompt promote storm "$hash" >"$work/promoted"
		((n % 3)) || prompt rollback storm >"$work/back"
	done
}
pushed() { (($(wc -l <"$work/pushed") > round * 2)); }
lost=0 torn=0
for round in 1 2 3; do
	: >"$work/pushed"
	change $round &
	changer=$!
	expect_soon "round $round: it changes" 20 pushed
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null
	wait $changer
	daemon_start
	prompt list storm --json >"$work/list"
	while read -r hash; do
		jq -e --arg hash "$hash" '.prompts|any(.version==$hash)' "$work/list" >"$work/out" || lost=$((lost + 1))
	done <"$work/pushed"
	stable=$(jq -r '.prompts[]|select(.labels|index("stable")).version' "$work/list")
	wanted=$(jq -rR 'fromjson?|select(.id=="storm").stable' "$dir/audit.log" | tail -n 1)
	[[ $stable == "$wanted" && -n $stable ]] || torn=$((torn + 1))
	expect "round $round: it goes on" "$(text "after $round" | prompt push storm -)" contains "storm "
done
expect "killed: nothing acknowledged is lost" $lost == 0
expect "killed: the labels are the last line's" $torn == 0
expect "killed: every line of the log is whole" "$(jq -s length "$dir/audit.log")" == "$(wc -l <"$dir/audit.log")"
daemon_stop
finish
