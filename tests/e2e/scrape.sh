#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# scrape.sh - /metrics is whole however it is fetched: larger than a piece, by HTTP/1.1 and HTTP/2, slowly, by
# many at once; who leaves in the middle leaves nothing behind; and no thread that serves is kept for long.
. "$(dirname "$0")/lib.sh"

config_write <<-END
	slo: {availability: 0.99}
	pools:
	  gpu: {metrics: {scrape: never}, nodes: [$(seq -s, -f '"127.0.1.%g:9001"' 1 250), "127.0.0.1:9001"]}
	routes:
	  - {model: m, pools: gpu}
END
standin n1 9001
daemon_start
page() { curl -s --max-time 60 -o "$work/page" -w '%{http_code} %{size_download}' "$@" "$url/metrics"; }
# is_whole: every family up to the last one, and each node in it
is_whole() { (($(grep -c '^sluice_node_breaker_state{.*closed' "$work/page") == 251)) && tail -c 1 "$work/page" | cmp -s - <(echo); }
whole() { is_whole && echo whole; }

read -r code bytes < <(page)
expect "HTTP/1.1: 200" "$code" == 200
expect "HTTP/1.1: more than one piece" "$bytes" '>' 262144
expect "HTTP/1.1: whole" "$(whole)" == whole
expect "HTTP/1.1: type" "$(curl -s -o /dev/null -D - "$url/metrics" | tr -d '\r' | sed -n 's/^content-type: //p')" == "text/plain; version=0.0.4; charset=utf-8"
read -r code bytes < <(page --http2-prior-knowledge)
expect "HTTP/2: 200" "$code" == 200
expect "HTTP/2: whole" "$(whole)" == whole
read -r code bytes < <(page --limit-rate 400k)
expect "slowly: whole" "$(whole)" == whole
expect "HEAD: no body, but its length" "$(curl -sI "$url/metrics" | tr -d '\r' | sed -n 's/^content-length: //p')" '>' 262144

# ---- many at once; some leave in the middle, which a window of 64 KiB makes sure of
cat >"$work/leave.mjs" <<-'END'
	import http2 from "node:http2";
	const leave = () => new Promise((done) => {
		const session = http2.connect(process.argv[2]).on("error", () => {}).on("close", done);
		const request = session.request({":path": "/metrics"}).on("error", () => {});
		request.once("data", () => { request.pause(); setTimeout(() => session.destroy(), 20); });
	});
	await Promise.all(Array.from({length: 8}, leave));
	console.log("left");
END
for i in {1..30}; do
	curl -s --max-time 60 -o "$work/page-$i" "$url/metrics" &
	many+=($!)
done
expect "eight leave in the middle" "$(timeout 60 node "$work/leave.mjs" "$url")" == left
wait "${many[@]}"
good=0
for i in {1..30}; do (($(grep -c '^sluice_node_breaker_state{.*closed' "$work/page-$i") == 251)) && good=$((good + 1)); done
expect "many at once: all are whole" $good == 30
expect "many at once: none was refused or failed" "$(($(metric sluice_scrapes_total refused) + $(metric sluice_scrapes_total failed)))" == 0
cat >"$work/hold.mjs" <<-'END'
	import http2 from "node:http2";
	const heads = [];
	for (let i = 0; i < 2; i++) {
		const session = http2.connect(process.argv[2]);
		for (let j = 0; j < 32; j++) heads.push(new Promise((head) => session.request({":path": "/metrics"}).on("response", head)));
	}
	await Promise.all(heads);
	console.log("held");
END
node "$work/hold.mjs" "$url" >"$work/held" 2>&1 &
holder=$!
expect_soon "64 do not read on" 20 grep -q held "$work/held"
expect "no page is kept for a 65th" "$(curl -s --max-time 20 -o /dev/null -w '%{http_code}' "$url/metrics")" == 503
kill $holder
wait $holder
answers() { [[ $(curl -s --max-time 20 -o /dev/null -w '%{http_code}' "$url/metrics") == 200 ]]; }
expect_soon "they leave: it is answered" 20 answers
expect "it is counted" "$(metric sluice_scrapes_total refused)" '>=' 1
page >/dev/null
expect "a thread that serves was kept for no millisecond" "$(awk '/^sluice_scrape_loop_seconds_max /{print ($2 < 0.001)}' "$work/page")" == 1

# ---- the dashboard for Grafana: each panel's metric is there, or is made by a rule; and each is PromQL
dashboard=$root/docs/grafana-dashboard.json
known=$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$work/page"; sed -nE 's/^ *- record: (.*)/\1/p' "$root/docs/prometheus-rules.yml")
read_by=$(jq -r '[.panels[].targets[].expr, .templating.list[].query?, .annotations.list[].expr?] | .[]' "$dashboard" |
	grep -oE 'sluice[:_][a-z0-9_:]*' | sed -E 's/_bucket$//' | sort -u)
expect "dashboard: reads many metrics" "$(wc -l <<<"$read_by")" '>' 20
for name in $read_by; do
	grep -qx "$name" <<<"$known" || not_ok "dashboard" "there is no metric $name"
done
{
	printf 'groups:\n  - name: panels\n    rules:\n'
	jq -r '.panels[].targets[].expr' "$dashboard" | sed -E 's/\$__rate_interval/5m/g; s/\$[a-z]+/.*/g' |
		awk '{ gsub(/'\''/, "'\'\''"); printf "      - {record: \"panel:%d\", expr: '\''%s'\''}\n", NR, $0 }'
} >"$work/panels.yml"
expect "dashboard: each panel is PromQL" "$(promtool check rules "$work/panels.yml" 2>&1 | grep -c SUCCESS)" == 1
if command -v promtool >/dev/null; then
	expect "promtool check metrics" "$(promtool check metrics <"$work/page" 2>&1)" == ""
fi
daemon_stop
finish
