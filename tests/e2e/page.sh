#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# page.sh - the status page: who may see it and act on it; then in a browser (page.mjs): every panel tells the
# truth of a cluster of stand-ins, live, and what it does is done.
#
#	pool gpu: n1, n2; pool small: n3, the fallback; pool one: n4, one slot
. "$(dirname "$0")/lib.sh"

browser=$(command -v chromium)
[[ -n $browser ]] || { not_ok "browser" "chromium is missing: apt-get install chromium"; finish; }
sluice=$build/sluice
export SLUICE_ADMIN_SOCKET=$work/admin.sock
key=$("$sluice" key create one --file "$work/keys" 2>"$work/err")
provider=sk-provider-3f1c9e7a5b2d4860
config_write <<-END
	page: {listen: "127.0.0.1:8090", token_file: $work/token, interval: 500ms}
	keys: {file: $work/keys}
	limits: {upstream_idle: 0}
	audit: {file: $work/audit.log}
	rollouts: {file: $work/rollouts}
	incidents: {hold: 1s}
	slo: {availability: 0.9}
	tunables: {breaker.open_ms: 1s, breaker.open_max_ms: 1s}
	pools:
	  gpu: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"], health: {live: http, every: 200ms}}
	  small: {nodes: ["127.0.0.1:9003"], api_key: $provider}
	  one: {nodes: ["127.0.0.1:9004"], slots: 1}
	routes:
	  - {model: chat, pools: [gpu, small], backoff: 1ms}
	  - {model: one, pools: one}
END
for n in 1 2 3; do standin n$n 900$n --token-us 1000; done
standin n4 9004 --token-us 100000
daemon_start
token=$(<"$work/token")
page=http://127.0.0.1:8090

# ---- who may
# may WORDS OF CURL...: the status, then how many bytes came
may() { curl -s --max-time 10 -o "$work/out" -D "$work/head" -w '%{http_code} %{size_download}' "$@"; }
bearer=(-H "authorization: Bearer $token")
expect "the token was drawn for its owner alone" "$(stat -c '%a %s' "$work/token")" == "600 65"
for path in / /page.js /page.css /uplot.js /status.json /events /act/drain /other; do
	expect "no token: nothing of $path" "$(may "$page$path")" == "401 0"
done
expect "no token: how to come in" "$(header www-authenticate)" contains 'Basic realm="sluice"'
expect "another token" "$(may -u "x:${token/?/_}" $page/)" == "401 0"
expect "half of the token" "$(may -u "x:${token:0:40}" $page/)" == "401 0"
expect "not in the address" "$(may "$page/?token=$token")" == "401 0"
expect "as a password" "$(may -u "any:$token" $page/)" == "200 $(stat -c %s "$root/user/ops/page/page.html")"
expect "a strict policy" "$(header content-security-policy)" contains "default-src 'none'; script-src 'self'; style-src 'self'"
expect "as a bearer" "$(may "${bearer[@]}" $page/page.js)" == "200 $(stat -c %s "$root/user/ops/page/page.js")"
expect "not modified" "$(may "${bearer[@]}" -H "if-none-match: $(header etag)" $page/page.js)" == "304 0"
expect "another host's name (rebinding)" "$(may "${bearer[@]}" -H 'host: evil.example' $page/)" == "421 0"
expect "another page asks" "$(may "${bearer[@]}" -H 'origin: http://evil.example' $page/status.json)" == "403 0"
drain="$page/act/drain?pool=gpu&node=127.0.0.1%3A9001"
expect "a form of another page acts" "$(may "${bearer[@]}" -X POST -H 'sec-fetch-site: cross-site' -H 'x-sluice-page: 1' "$drain")" == "403 0"
expect "an act without its field" "$(may "${bearer[@]}" -X POST "$drain")" == "403 0"
expect "an act by GET" "$(may "${bearer[@]}" "$drain" | cut -c 1-3)" == 405
expect "no such node" "$(may "${bearer[@]}" -X POST -H 'x-sluice-page: 1' "${drain/9001/9099}" | cut -c 1-3)" == 404
expect "nothing was drained" "$("$sluice" status --json | jq '[.pools[].nodes[] | select(.draining)] | length')" == 0
expect "refusals are counted" "$(metric sluice_page_refused_total)" == 15
# the words of the socket are not for this door
for words in '' health 'takeover' 'rollout text status'; do
	expect "no word of the socket: '$words'" "$(printf '%s\n' "$words" | timeout 5 socat -t 2 - TCP:127.0.0.1:8090 2>&1)" == ""
done
by_socket() { may --unix-socket "$work/admin.sock" "http://localhost$1" "${@:2}"; } # PATH WORDS...
expect "the socket needs no token" "$(by_socket /status.json | cut -c 1-3)" == 200
expect "a stranger's name that leads here (rebinding)" "$(by_socket /prompts -H 'host: evil.example' -H 'origin: http://evil.example')" == "421 0"
expect "to read, too" "$(by_socket /prompts -H 'host: evil.example')" == "421 0"
expect "but it asks who sent the browser" "$(by_socket /prompts/a/promote -X POST -H 'origin: http://evil.example')" == "403 0"
expect "these are counted, too" "$(metric sluice_page_refused_total)" == 18

# ---- secrets
chat() { # MODEL WORDS...: the status
	curl -s --max-time 60 -o "$work/answer" -w '%{http_code}' -H 'content-type: application/json' -H "authorization: Bearer $key" \
		-d "{\"model\":\"$1\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"my secret question\"}]}" \
		"$url/v1/chat/completions" "${@:2}"
}
expect "a request" "$(chat chat)" == 200
by_socket /status.json >/dev/null
cp "$work/out" "$work/status.json"
for secret in "$token" "$provider" "${key: -43}" "secret question"; do
	expect "not in the snapshot: ${secret:0:4}…" "$(grep -cF -- "$secret" "$work/status.json")" == 0
done
expect "the same pools as sluice status" "$(jq -c '[.pools[] | {name, nodes: [.nodes[] | {address, state, draining}]}]' "$work/status.json")" == \
	"$("$sluice" status --json | jq -c '[.pools[] | {name, nodes: [.nodes[] | {address, state, draining}]}]')"
expect "a roll-out" "$("$sluice" rollout start r1 route=chat pool=small steps=50 step=1h errors=0 invalid=0 slow=0 2>&1)" contains "r1: route chat -> small"

# ---- in a browser
export SLUICE_PAGE=$page SLUICE_TOKEN=$token SLUICE_KEY=$key SLUICE_BROWSER=$browser
export SLUICE_N2=${standins[n2]} SLUICE_TEST_NAME=page
node "$e2e/page.mjs" || failures=$((failures + 1))

# ---- what it did
# told TEXT: how often the trail has it, and how often as a deed of the page
told() { echo "$(grep -cF "$1" "$work/audit.log") $(grep -F "$1" "$work/audit.log" | grep -cF '"who":"status page, 127.0.0.1:')"; }
expect_soon "audited: three drains, once each, with who" 10 eval '[[ $(told "\"text\":\"drained\"") == "3 3" ]]'
expect_soon "audited: the end of one" 10 eval '[[ $(told "\"text\":\"undrained\"") == "1 1" ]]'
expect_soon "audited: the breaker" 10 eval '[[ $(told "breaker forced open") == "1 1" ]]'
expect_soon "audited: the roll-out" 10 eval '[[ $(told "\"text\":\"r1: aborted") == "1 1" ]]'
expect "its metrics" "$(curl -s "$url/metrics" | promtool check metrics 2>&1)" == ""

# ---- the same in a terminal: n2 is dead, n1 and n3 drain, wherever the browser left them
{
	"$sluice" rollout abort r1
	"$sluice" rollout forget r1
	for node in gpu/0 small/0; do "$sluice" breaker close $node; "$sluice" drain $node; done
} >/dev/null 2>&1
export SLUICE_AUDIT=$work/audit.log SLUICE_WORK=$work
node "$e2e/top.mjs" || failures=$((failures + 1))

chmod 644 "$work/token"
kill -HUP $daemon
expect_soon "a token that anybody may read lets nobody in" 10 eval '[[ $(may "${bearer[@]}" $page/) == "503 0" ]]'
daemon_stop
finish
