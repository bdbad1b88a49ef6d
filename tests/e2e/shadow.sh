#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# shadow.sh - kept answers beside the model's own: the model is asked as well, nobody waits for it, and what
# it says moves the route's threshold. The server says what is in the file `say`, and nothing while the file
# `hang` is there. The judge beside it says what is in the file `judge`.
. "$(dirname "$0")/lib.sh"

need_encoder
json='content-type: application/json'
chat="$url/v1/chat/completions"
THREADS=1 config_write <<-END
	limits: {upstream_idle: 0}
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
	embedding: {model: "$encoder"}
	semantic_cache: {entries: 1000}
	pools:
	  one: {nodes: ["127.0.0.1:9005"]}
	  judges: {nodes: ["127.0.0.1:9006"], model: wise}
	routes:
	  - {model: watched, pools: one, attempts: 1, semantic_cache: {ttl: 1h, wait: 60s, threshold: 0.8, threshold_max: 0.806, shadow: 100}}
	  - {model: thrifty, pools: one, attempts: 1, semantic_cache: {ttl: 1h, wait: 60s, threshold: 0.8, shadow: 100, shadow_tokens: 0}}
	  - {model: both, pools: one, attempts: 1, cache: {ttl: 1h, sampled: true}, semantic_cache: {ttl: 1h, wait: 60s, shadow: 0}}
	  - {model: usual, pools: one, attempts: 1, semantic_cache: {ttl: 1h, wait: 60s, threshold: 0.8, shadow: 10}}
	  - {model: judged, pools: one, attempts: 1, semantic_cache: {ttl: 1h, wait: 60s, threshold: 0.8, shadow: 100, shadow_judge: judges}}
END
node -e '
	const fs = require("fs"), dir = process.argv[1];
	const serve = (request, response) => {
		let body = "";
		request.on("data", (data) => body += data).on("end", () => {
			if (request.method != "POST") return response.writeHead(404).end();
			const judge = request.socket.localPort == 9006;
			if (judge) fs.writeFileSync(dir + "/put", body);
			else fs.appendFileSync(dir + "/asked", "x\n");
			const say = fs.readFileSync(dir + (judge ? "/judge" : "/say"), "utf8").trim();
			const answer = () => {
				if (fs.existsSync(dir + "/hang")) return setTimeout(answer, 20);
				response.writeHead(say ? 200 : 500, {"content-type": "application/json"});
				response.end(say ? JSON.stringify({
					id: "c", object: "chat.completion", created: 1, model: "both",
					choices: [{index: 0, message: {role: "assistant", content: say}, finish_reason: "stop"}],
					usage: {prompt_tokens: 10, completion_tokens: 20, total_tokens: 30}}) : "{}");
			};
			answer();
		});
	};
	require("http").createServer(serve).listen(9005, "127.0.0.1", () =>
		require("http").createServer(serve).listen(9006, "127.0.0.1", () => console.log("ready")));' "$work" >"$work/node.log" 2>&1 &
expect_soon "the server listens" 30 grep -q ready "$work/node.log"
touch "$work/asked"
daemon_start

say() { echo "$1" >"$work/say"; }
ask() { # MODEL QUESTION [ID]
	curl -s --max-time 60 -o "$work/out" -D "$work/head" -H "$json" -H "x-request-id: ${3:-some}" \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" "$chat"
}
asked() { wc -l <"$work/asked"; }
asked_is() { (($(asked) == $1)); }
shadows() { metric_is sluice_semantic_cache_shadows_total "route=\"$1\",result=\"$2\"" == "$3"; } # ROUTE RESULT COUNT
kept_is() { metric_is sluice_semantic_cache_insertions_total '' == "$1"; }
shadow_ready() { cache list route=watched | grep -q .; }
gauge() { curl -s --max-time 5 "$url/metrics" | sed -n "s/^sluice_semantic_cache_$1{route=\"watched\"$2} //p"; } # NAME LABELS
explained() { "$build/sluice" explain "$1" --admin-socket "$work/admin.sock" | grep -q "$2"; } # ID TEXT
question='How do I reset my password?' other='how can I reset the password'

# ---- the same answer
say "Open the settings and choose a new password."
ask watched "$question"
expect_soon "the answer is kept" 30 kept_is 1
ask watched "$other" first
expect "a hit" "$(header x-sluice-cache)" == semantic
expect_soon "the model is asked as well, and agrees" 30 shadows watched agreed 1
expect "once" "$(asked)" == 2
expect "its tokens are counted" "$(metric sluice_semantic_cache_shadow_tokens_total 'route="watched"')" == 30
expect "the hit is explained" "$(explained first 'semantic_cache result=hit similarity_permille=9' && echo yes)" == yes
expect "its shadow is explained" "$(explained first 'semantic_cache result=shadow ' && echo yes)" == yes
expect "what came of it is explained" "$(explained first 'result=shadow_agreed similarity_permille=1000' && echo yes)" == yes

# ---- nobody waits for it
touch "$work/hang"
ask watched "$other"
expect "while the model is silent" "$(header x-sluice-cache)" == semantic
expect_soon "it is asked" 30 asked_is 3
expect "nothing is known yet" "$(metric sluice_semantic_cache_shadows_total 'route="watched"')" == 1
rm "$work/hang"
expect_soon "then it is" 30 shadows watched agreed 2

# ---- no answer, no judgement
say ""
ask watched "$other" broken
expect_soon "a failure is no judgement" 30 shadows watched failed 1
expect "and is explained" "$(explained broken shadow_failed && echo yes)" == yes

# ---- other answers
say "Penguins live in the cold south and eat fish."
for i in {1..18}; do
	ask watched "$other"
	wait_for 30 shadows watched differed "$i" || not_ok "differed $i" "not within 30 s"
	((i == 12)) || continue
	shows false-hits "differed=12" "sluice cache explain route=watched"
	shows false-hits-metrics 'bound="low"' "curl -s http://127.0.0.1:8080/metrics | grep -E '^sluice_semantic_cache_(threshold|false_hits_ratio|shadows_total).*watched'"
	shows false-hits-explain "shadow_agreed" "sluice explain first"
done
expect "the rate is told" "$(metric sluice_semantic_cache_shadows_total 'route="watched",result="differed"')" == 18
expect "the threshold went up, to its limit" "$(gauge threshold)" == 0.806
expect "and is judged anew" "$(gauge false_hits_ratio ',bound="high"')" == 1
expect "said in the log" "$(grep -c 'threshold raised to 0.806' "$log")" == 1
expect "counted" "$(metric sluice_semantic_cache_threshold_moves_total 'route="watched",direction="up"')" == 1

# ---- not above its budget, and not each time
before=$(asked)
ask thrifty "$question"
expect_soon "thrifty: kept" 30 kept_is 2
ask thrifty "$other"
expect "thrifty: a hit" "$(header x-sluice-cache)" == semantic
expect "thrifty: the model is spared" "$(shadows thrifty spared 1 && echo yes)" == yes
ask usual "$question"
expect_soon "usual: kept" 30 kept_is 3
for i in {1..9}; do ask usual "$other"; done
expect "usual: nine hits, and none is sampled" "$(asked)" == $((before + 2))
ask usual "$other"
expect_soon "usual: one in ten" 30 asked_is $((before + 3))

# ---- a judge
judged() { metric_is sluice_semantic_cache_judged_total "route=\"judged\",result=\"$1\"" == "$2"; } # RESULT COUNT
put() { jq -r "$1" "$work/put"; }                                                              # FILTER
say "Open the settings and choose a new password."
ask judged "$question"
expect_soon "judged: kept" 30 kept_is 4
ask judged "$other"
expect_soon "judged: one text needs no judge" 30 shadows judged agreed 1
expect "judged: and it was not asked" "$(judged judged 0 && echo yes)" == yes
say "Penguins live in the cold south and eat fish."
echo "Same." >"$work/judge"
ask judged "$other"
expect_soon "judged: other words, and the judge agrees" 30 shadows judged agreed 2
expect "judged: counted" "$(judged judged 1 && echo yes)" == yes
expect "judged: its model is asked" "$(put .model)" == wise
expect "judged: about the question" "$(put '.messages[1].content | fromjson | .question')" == "$other"
expect "judged: and both answers" "$(put '.messages[1].content | fromjson | .first + .second')" == \
	"Open the settings and choose a new password.Penguins live in the cold south and eat fish."
expect "judged: its tokens are counted" "$(metric sluice_semantic_cache_shadow_tokens_total 'route="judged"')" == 90
say "Open the settings and choose some new password."
echo "DIFFERENT" >"$work/judge"
ask judged "$other"
expect_soon "judged: near, and the judge disagrees" 30 shadows judged differed 1
echo "I would say that they are the same" >"$work/judge"
ask judged "$other"
expect_soon "judged: neither yes nor no: the vectors decide" 30 shadows judged agreed 3
expect "judged: counted as failed" "$(judged failed 1 && echo yes)" == yes
signal() { metric sluice_node_signals_total "node=\"127.0.0.1:9006\",signal=\"$1\""; } # SIGNAL
expect "judged: and a failure of its node" "$(signal success) $(signal bad_body)" == "2 1"
: >"$work/judge"
ask judged "$other"
expect_soon "judged: the judge is down: the vectors decide" 30 shadows judged agreed 4
expect "judged: counted as well" "$(judged failed 2 && echo yes)" == yes
echo "SAME" >"$work/judge"
say "Penguins live in the cold south and eat fish."
ask judged "$other"
expect_soon "judged: and back" 30 shadows judged agreed 5
cache_purge() { "$build/sluice" cache purge "$@" --admin-socket "$work/admin.sock"; }
expect "judged: gone" "$(cache_purge route=judged)" == "purged: exact=0 semantic=1"

# ---- sluice cache
cache() { "$build/sluice" cache "$@" --admin-socket "$work/admin.sock" 2>"$work/err"; } # WORD [SELECTOR...]
rows() { cache list "$@" | grep -c .; }
expect "cache: three entries" "$(cache list | grep -c '^s-')" == 3
expect "cache: of a route" "$(cache list route=watched)" contains 'watched  0000000000000000'
expect "cache: by how it begins" "$(rows 'prefix=How do I' route=usual) $(rows 'prefix=how do i')" == "1 0"
expect "cache: as JSON" "$(cache list --json | jq -r '[.entries[] | .cache + " " + .question] | unique | join(";")')" == "semantic $question"
key=$(cache list --json route=usual | jq -r '.entries[0].key')
expect "cache: one, with its answer" "$(cache show "key=$key" --json | jq -r '.entries[0].answer | fromjson | .choices[0].message.content')" contains Penguins
expect "cache: the threshold is explained" "$(cache explain route=watched)" contains "watched: threshold=0.806 configured=0.8 samples=0"
expect "status: the same" "$("$build/sluice" status --admin-socket "$work/admin.sock")" contains "semantic cache of watched: threshold=0.806 configured=0.8 samples=0"
expect "status: for programs" "$("$build/sluice" status --json --admin-socket "$work/admin.sock" | jq -c '.semantic_cache.routes[] | select(.route == "watched") | [.threshold, .configured, .samples]')" == "[0.806,0.8,0]"
expect "cache: of all that had a hit" "$(cache explain --json | jq -r '[.routes[].route] | sort | join(" ")')" == "judged thrifty usual watched"
for selector in key=s-1 tenant=red prefix=how version=1; do
	cache explain "$selector" >/dev/null
	expect "cache: explain $selector is refused, not passed over" "$(cat "$work/err")" contains "explain tells of routes: expected route=NAME"
done
expect "cache: by its key" "$(cache purge "key=$key")" == "purged: exact=0 semantic=1"
ask usual "$other"
expect "cache: it is gone" "$(header x-sluice-cache)" == ""
expect_soon "usual: kept again" 30 kept_is 5
ask both "$question"
expect_soon "both: kept" 30 kept_is 6
ask both "$question"
expect "cache: the exact one as well" "$(header x-sluice-cache)" == hit
exact=$(cache list --json route=both | jq -r '.entries[] | select(.cache == "exact") | .key')
expect "cache: its key" "${exact:0:2} ${#exact}" == "e- 18"
expect "cache: show it" "$(cache show "key=$exact" --json | jq -r '.entries[0].question')" == "$question"
expect "cache: another version is none" "$(cache purge version=1)" == "purged: exact=0 semantic=0"
expect "cache: by prefix and route" "$(cache purge 'prefix=How do I reset' route=both)" == "purged: exact=1 semantic=1"
ask both "$question"
expect "cache: gone from both" "$(header x-sluice-cache)" == miss
expect_soon "both: kept again" 30 kept_is 7
expect "cache: counted" "$(metric sluice_semantic_cache_purged_total)" == 3
cache purge; expect "cache: purge needs a word" "$? $(cat "$work/err")" contains "1 "
expect "cache: and says which" "$(cat "$work/err")" contains "sluice cache purge tenant=NAME"
cache list colour=red; expect "cache: no such selector" "$? $(cat "$work/err")" contains 'colour=red'
cache show key=s-1; expect "cache: no such key" "$? $(cat "$work/err")" contains 'no entry has that key'
cache show key=x; expect "cache: no key" "$? $(cat "$work/err")" contains 'no value that it can have'
expect "cache: everything" "$(cache purge all=yes) $(cache list)" contains "exact=1"
expect "cache: is gone" "$(cache list)" == ""
say "Open the settings."
ask watched "$question"
expect_soon "watched: kept again" 30 shadow_ready

# ---- a stop does not wait for it
before=$(($(asked) - 4))
touch "$work/hang"
ask watched "$other"
expect_soon "one is on its way" 30 asked_is $((before + 5))
kill -TERM "$daemon"
wait "$daemon"
expect "the daemon stops" $? == 0
expect "and had nothing to cut" "$(grep -c 'cutting what is left' "$log")" == 0
finish
