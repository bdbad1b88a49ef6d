#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# spend.sh - budgets by price table: what answers, streams and cut streams cost, refusals, the cheaper
# pool, and what was spent across restart, kill, takeover and a file that cannot be written.
#
#   node 9005 (spend.mjs node): 1000 prompt tokens of which 400 cached, 500 of the answer, at 1, 0.5 and
#   2 a million: 0.0018 an answer. It streams 500 chunks, and cuts or holds where the prompt says so.
. "$(dirname "$0")/lib.sh"

store=$work/keys
spend=$work/spend/file
json='content-type: application/json'
requests=$work/requests.log
export SLUICE_ADMIN_SOCKET=$work/admin.sock
mkdir "$work/spend"
key_command() { "$build/sluice" key "$@" --config "$config" 2>"$work/err"; }
code() { curl -s --max-time 20 -o "$work/out" -D "$work/head" -w '%{http_code}' "$@"; } # CURL-OPTIONS...
out() { jq -r "$1" "$work/out"; }                                                       # JQ
told() { "$build/sluice" explain "$(header x-request-id)" --json | jq -r "$1"; }                          # JQ: of the last
logged() { grep "\"id\":\"$(header x-request-id)\"" "$requests" | jq -r "$1"; }                           # JQ
logged_is() { [[ $(logged "$1") == "$2" ]]; }                                                              # JQ WANTED
body() { # MODEL [TEXT [MORE]]
	jq -cn --arg m "$1" --arg t "${2:-hello}" \
		'{model: $m, max_tokens: 100, messages: [{role: "user", content: $t}]}'" + ${3:-{\}}"
}
ask() { code -H "authorization: Bearer $1" -H "$json" -d "$(body "${@:2}")" "$url/v1/chat/completions"; } # KEY MODEL...
spent() { key_command list --json | jq -r --arg k "$1" ".keys[] | select(.name == \$k) | .spent.$2"; }     # NAME PERIOD
spent_is() { [[ $(spent "$1" "${3:-total}") == "$2" ]]; }                                                  # NAME AMOUNT [PERIOD]
money() { curl -s "$url/metrics" | sed -n "s/^$1 //p"; }                                                   # SAMPLE
last() { curl -s http://127.0.0.1:9005/last; }                                                             # the node's
write_config() {
	config_write <<-END
		limits: {upstream_idle: 0}
		log: {requests: $requests}
		keys: {file: $store, budget_total: 1}
		spend: {file: $spend, header: true, currency: EUR}
		prices:
		  dear: {input: 1, cached_input: 0.5, output: 2}
		  cheap-1: {input: 0, output: 0}
		tenants: {acme: {budget_month: 0.0100}, other: {concurrent: 100}}
		pools:
		  dear: {nodes: ["127.0.0.1:9005"]}
		  cheap: {nodes: ["127.0.0.1:9001"], model: cheap-1}
		routes:
		  - {model: dear, pools: dear, attempts: 1, cache: {ttl: 1h}}
		  - {model: saving, pools: dear, attempts: 1, fallbacks: {quota: cheap}}
		  - {model: cheap, pools: cheap, attempts: 1}
		  - {model: bounded, pools: dear, attempts: 1, limits: {budget_day: 0.0000001}}
	END
	sed -i 's/^  dear: {input/  saving: {input: 1, cached_input: 0.5, output: 2}\n  bounded: {input: 1, output: 2}\n&/' "$config"
}
write_config
node "$e2e/spend.mjs" >"$work/node.log" 2>&1 &
wait_for 20 curl -sf http://127.0.0.1:9005/last || { not_ok node "$(cat "$work/node.log")"; finish; }
standin a 9001
free=$(key_command create free --tenant other)
small=$(key_command create small --tenant other --budget-day 0.005)
team=$(key_command create team --tenant acme)
expect "create: a budget that is none is refused" "$(key_command create bad --budget-day 0; echo $?)" == 1
daemon_start

# ---- what it costs
expect "whole answer: 200" "$(ask "$free" dear)" == 200
expect "whole answer: its cost" "$(header x-sluice-cost)" == 0.0018
expect "whole answer: explained" "$(told '"\(.reserved_cost > 0.0002) \(.cost) \(.reserved_tokens > 100) \(.settled_tokens)"')" == "true 0.0018 true 1500"
expect_soon "whole answer: in the log" 20 logged_is .cost 0.0018
expect_soon "whole answer: in the list" 20 spent_is free 0.0018
expect "list: of the day too" "$(spent free day)" == 0.0018
expect "list: the budget of the configuration" "$(key_command list --json | jq -r '.keys[] | select(.name == "free") | .budget.total')" == 1
expect "list: as text" "$(key_command list | grep free)" contains "spent day 0.0018, month 0.0018, total 0.0018 of 1 EUR"
expect "tenant: metric" "$(money 'sluice_tenant_spend_total{tenant="other"}')" == 0.0018
expect "model: metric" "$(money 'sluice_model_spend_total{model="dear"}')" == 0.0018
expect "stream: 200" "$(ask "$free" dear hello '{stream: true}')" == 200
expect "stream: no cost in its head" "$(header x-sluice-cost)" == ""
expect_soon "stream: its cost in the log" 20 logged_is '"\(.stream) \(.cost)"' "true 0.0018"
expect "stream: its cost explained" "$(told '"\(.cost) \(.settled_tokens)"')" == "0.0018 1500"
expect "stream: ... in words" "$("$build/sluice" explain "$(header x-request-id)")" contains " settled_tokens=1500 cost=0.0018"
expect "stream: the node was asked for usage" "$(last | jq .stream_options.include_usage)" == true
expect "stream: the client, who did not ask, gets none" "$(grep -c '"usage"' "$work/out") $(grep -c 'DONE' "$work/out")" == "0 1"
expect_soon "stream: charged by usage" 20 spent_is free 0.0036
ask "$free" dear hello '{stream: true, stream_options: {include_usage: true}}' >/dev/null
expect "stream: the client who asked gets usage" "$(grep -c '"usage"' "$work/out")" == 1
expect_soon "stream: charged the same" 20 spent_is free 0.0054
expect "stream cut: 200" "$(ask "$free" dear 'cut please' '{stream: true}')" == 200
# 10 tokens sent, and the prompt by its length
expect_soon "stream cut: what was sent is charged" 20 eval 's=$(spent free total); [[ $s != 0.0054 && $s == 0.0054* ]]'
expect "model without a price: nothing" "$(ask "$free" saving && money 'sluice_model_spend_total{model="dear"}' | cut -c1-6)" == "2000.0054"

# ---- a stream's cost, in a trailer for those who read them
watcher=$(key_command create watcher --tenant other)
expect_soon "trailer: the key is known" 20 eval '[[ $(ask "$watcher" dear) == 200 ]]'
for protocol in http1.1 http2-prior-knowledge; do
	stream() { # CURL-OPTIONS...
		code --$protocol -H "authorization: Bearer $watcher" -H "$json" "$@" "$url/v1/chat/completions"
	}
	expect "trailer, $protocol: 200" "$(stream -H 'te: trailers' -d "$(body dear hello '{stream: true}')")" == 200
	expect "trailer, $protocol: announced, and the cost behind the stream" "$(header trailer) $(header x-sluice-cost)" == "x-sluice-cost 0.0018"
	expect "trailer, $protocol: the stream is whole" "$(grep -c 'DONE' "$work/out")" == 1
	expect "trailer, $protocol: a stream that breaks has one too" \
		"$(stream -H 'te: gzip, trailers' -d "$(body dear 'cut please' '{stream: true}')") $(header x-sluice-cost | cut -c1-3) $(grep -c '"error"' "$work/out")" == "200 0.0 1"
	expect "trailer, $protocol: none for others" "$(stream -d "$(body dear hello '{stream: true}')") $(header trailer)$(header x-sluice-cost)" == "200 "
	expect "trailer, $protocol: of a model that costs nothing" \
		"$(stream -H 'te: trailers' -d "$(body cheap hello '{stream: true}')") $(header x-sluice-cost)" == "200 0"
done
# three streams on one connection: curl of today's distributions loses the second one of HTTP/2
cat >"$work/again.mjs" <<-END
	import http from "node:http";
	import http2 from "node:http2";
	const [protocol, key, body] = process.argv.slice(2);
	const headers = { te: "trailers", authorization: \`Bearer \${key}\`, "content-type": "application/json" };
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	const session = protocol === "http2" ? http2.connect("$url") : null;
	const ask = () =>
	  session
	    ? session.request({ ":method": "POST", ":path": "/v1/chat/completions", ...headers })
	    : http.request("$url/v1/chat/completions", { method: "POST", agent, headers });
	let ports = new Set();
	for (let i = 0; i < 3; i++)
	  await new Promise((resolve) => {
	    const request = ask();
	    let text = "", cost;
	    const read = (answer) => {
	      answer.on("data", (data) => (text += data));
	      answer.on("trailers", (trailers) => (cost = trailers["x-sluice-cost"]));
	      answer.on("end", () => {
	        console.log(cost ?? answer.trailers?.["x-sluice-cost"], text.includes("DONE"));
	        resolve();
	      });
	    };
	    request.on("socket", (socket) => ports.add(socket));
	    if (session) read(request);
	    else request.on("response", read);
	    request.end(body);
	  });
	if (!session) console.log(ports.size);
	session?.close();
	agent.destroy();
END
for protocol in http http2; do
	many="0.0018 true 0.0018 true 0.0018 true "
	[[ $protocol == http ]] && many+="1 "
	expect "trailer, $protocol: the connection goes on" \
		"$(timeout 60 node "$work/again.mjs" $protocol "$watcher" "$(body dear hello '{stream: true}')" | tr '\n' ' ')" == "$many"
done

# ---- refusals
expect "budget: within it" "$(ask "$small" dear)$(ask "$small" dear)$(ask "$small" dear)" == 200200200
expect "budget: spent" "$(ask "$small" dear)" == 429
expect "budget: code" "$(out .error.code) $(out .error.type)" == "insufficient_quota insufficient_quota"
expect "budget: the message has the numbers" "$(out .error.message)" contains "this API key has spent 0.0054 of 0.005 EUR for the day (UTC)"
expect "budget: explained" "$(told '"\(.refused_by) \(.reserved_cost) \(.cost)"')" == "key_budget null null"
expect "budget: no retry" "$(header x-should-retry)" == false
expect "budget: until the day is over" "$(header retry-after)" ">" 0
expect "budget: counted" "$(metric sluice_admission_refused_total key_budget)" == 1
expect "budget: others go on" "$(ask "$free" dear)" == 200
for more in '{temperature: 0}' '{temperature: 0, stream: true}'; do
	expect "budget: what is kept is told for nothing: paid by another, $more" "$(ask "$free" dear kept "$more") $(header x-sluice-cache)" == "200 miss"
	expect "budget: what is kept is told for nothing: $more" "$(ask "$small" dear kept "$more") $(header x-sluice-cache)" == "200 hit"
	expect "budget: what is not is refused: $more" "$(ask "$small" dear new "$more")" == 429
done
expect_soon "budget: nothing was spent for it" 20 spent_is small 0.0054 day # what is listed is written each second
expect "budget: and only the others were refused" "$(metric sluice_admission_refused_total key_budget)" == 3
expect "messages: Anthropic's shape" "$(code -H "x-api-key: $small" -H "$json" -d "$(body dear)" "$url/v1/messages")/$(out .type)/$(out .error.type)" \
	== "429/error/rate_limit_error"
expect "model: its own budget" "$(ask "$free" bounded)" == 429
expect "model: named" "$(out .error.message)" contains "this model has spent 0 of 0.0000001 EUR for the day"
expect "model: counted" "$(metric sluice_admission_refused_total model_budget)" == 1
for _ in 1 2 3 4 5 6; do ask "$team" dear >/dev/null; done
expect "tenant: spent" "$(ask "$team" dear)" == 429
expect "tenant: named" "$(out .error.message)" contains "this tenant has spent 0.0108 of 0.01 EUR for the month"
expect "tenant: metric of the budget" "$(money 'sluice_tenant_budget{tenant="acme",period="month"}')" == 0.01

# ---- the cheaper pool
expect "cause quota: the cheaper pool" "$(ask "$small" saving)" == 200
expect "cause quota: told" "$(header x-sluice-fallback-cause) $(header x-sluice-pool) $(header x-sluice-cost)" == "quota cheap 0"
expect "cause quota: counted" "$(metric sluice_fallbacks_by_cause_total quota)" == 1

# ---- reload, restart, kill
kill -HUP $daemon
expect_soon "reload: nothing forgiven" 10 eval '[[ $(ask "$small" dear) == 429 ]]'
daemon_stop
expect "stop: the file is whole" "$(tail -n 1 "$spend")" == end
daemon_start
expect "restart: still spent" "$(ask "$small" dear)" == 429
before=$(spent free total)
ask "$free" dear >/dev/null
expect_soon "saved within a second or so" 20 eval '[[ $(spent free total) != "$before" ]]'
after=$(spent free total)
kill -KILL $daemon
wait $daemon 2>/dev/null
daemon_start
expect "kill: what was saved is there" "$(ask "$small" dear) $(spent free total)" == "429 $after"

# ---- takeover: both count
(curl -sN -o "$work/held" -H "authorization: Bearer $free" -H "$json" -d "$(body dear 'hold please' '{stream: true}')" "$url/v1/chat/completions") &
held=$!
expect_soon "takeover: a stream is open" 20 grep -q data: "$work/held"
old=$daemon
count=$(starts)
"$build/sluiced" --takeover "$config" >>"$log" 2>&1 &
daemon=$!
expect_soon "takeover: the new one serves" 20 all_started "$count"
before=$(spent free total)
ask "$free" dear >/dev/null
curl -s -X POST http://127.0.0.1:9005/release >/dev/null
wait $held
expect "takeover: the stream came to its end" "$(grep -c DONE "$work/held")" == 1
wait $old
sum=$(jq -n "($before + 0.0036) * 10000000 | round")
expect_soon "takeover: both are charged" 20 eval '[[ $(jq -n "$(spent free total) * 10000000 | round") == "$sum" ]]'
expect_soon "takeover: the new one knows of both" 20 eval '[[ $(money "sluice_tenant_spend_total{tenant=\"other\"}" | cut -c1) == 0 ]]'

# ---- a file that cannot be written
mv "$work/spend" "$work/gone"
expect "no store: served" "$(ask "$free" dear)" == 200
expect_soon "no store: counted" 20 metric_is sluice_spend_saves_total failure ">" 1
expect "no store: said once" "$(grep -c 'SPEND IS NOT KEPT' "$log")" == 1
expect "no store: budgets hold" "$(ask "$small" dear)" == 429
before=$(jq -n "$("$build/sluice" key list --json --file "$store" --spend "$work/gone/file" | jq -r '.keys[] | select(.name == "free") | .spent.total') * 10000000 | round")
mv "$work/gone" "$work/spend"
expect_soon "no store: nothing is lost" 20 eval '[[ $(jq -n "$(spent free total) * 10000000 | round") == $((before + 18000)) ]]'
expect_soon "no store: kept again" 20 metric_is sluice_spend_last_save_successful "" == 1
daemon_stop
finish
