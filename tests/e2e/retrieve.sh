#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# retrieve.sh - documents for the model: every step of the ladder by really turning off what is above it,
# with the answer, its head, the counter and the way back.
#
#   client -> sluiced -> vector store 9002 (killed, stopped, made to talk nonsense)
#                    \-> index, its version before, its words (files torn and removed)
#                     -> reranker 9003 (killed) -> model 9001, which answers what it was told
. "$(dirname "$0")/lib.sh"

docs=$work/docs
shelf=$work/shelf
declare -A servers=()
serve() { # ROLE PORT
	node "$e2e/retrieve.mjs" "$1" "$2" >"$work/$1.log" 2>&1 &
	servers[$1]=$!
	wait_for 30 grep -q ready "$work/$1.log" || { not_ok "server $1" "$(cat "$work/$1.log")"; finish; }
}
end_server() { # ROLE
	kill -KILL "${servers[$1]}"
	wait "${servers[$1]}" 2>/dev/null
}
set_mode() { curl -s -d "{\"mode\":\"$2\"}" "http://127.0.0.1:$1/mode" >/dev/null; } # PORT MODE
ask() { # MODEL QUESTION
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"$2\"}]}" \
		"$url/v1/chat/completions"
	jq -r '.choices[0].message.content' "$work/out" 2>/dev/null
}
steps() { metric sluice_ladder_steps_total "step=\"$1\""; } # STEP
index_is() { ask "$1" "$2" >/dev/null; [[ $(header x-sluice-index) == "$3" ]]; } # MODEL QUESTION INDEX
degraded_is() { ask "$1" "$2" >/dev/null; [[ $(header x-sluice-degraded) == "$3" ]]; } # MODEL QUESTION STEPS
need_encoder

mkdir "$docs"
cat >"$docs/handbook.md" <<'END'
# Handbook
## Holidays
Every employee has thirty days of paid vacation in a year.
## Expenses
Travel costs are paid back within two weeks, by bank transfer.
END
cat >"$docs/canteen.html" <<'END'
<html><head><title>Canteen</title><script>var no = "vacation";</script></head>
<body><p>Lunch is served from noon until two o&#39;clock.</p></body></html>
END
meanings="semantic_cache: {ttl: 1h, wait: 60s}, "
write() { # MODEL-LINE
	config_write <<-END
		$1
		semantic_cache: {path: $work/semantic.db, entries: 100}
		limits: {body: 128MiB}
		tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300, breaker.ejection_percent: 100}
		pools:
		  chat: {nodes: ["127.0.0.1:9001"]}
		  store: {nodes: ["127.0.0.1:9002", "127.0.0.2:9002"], health: {live: tcp, every: 200ms}}
		  order: {nodes: ["127.0.0.1:9003", "127.0.0.2:9003"], health: {live: tcp, every: 200ms}}
		indexes:
		  handbook: {directory: $shelf, documents: $docs, refresh: 1s, chunk: 400, overlap: 40}
		  empty: {directory: $work/empty, documents: $work/none, refresh: 0}
		sources:
		  qdrant: {kind: qdrant, pool: store, collection: docs}
		  chroma: {kind: chroma, pool: store, collection: docs}
		rerankers:
		  words: {pool: order, model: rerank-1}
		routes:
		  - {model: plain, pools: chat}
		  - {model: docs, pools: chat, retrieve: {index: handbook, min_score: 0.3, answers: 1h, timeout: 5s}}
		  - {model: store, pools: chat, retrieve: {source: qdrant, index: handbook, min_score: 0.3, timeout: 2s}}
		  - {model: chroma, pools: chat, retrieve: {source: chroma, min_score: 0.3, timeout: 2s, answers: 1h}}
		  - {model: ranked, pools: chat, retrieve: {index: handbook, min_score: 0, top_k: 1, candidates: 8,
		     timeout: 5s, rerank: words, rerank_timeout: 2s}}
		  - {model: tight, pools: chat, retrieve: {source: qdrant, min_score: 0, timeout: 5s, context: 512}}
		  - {model: both, pools: chat, ${meanings}retrieve: {index: handbook, min_score: 0.3,
		     timeout: 5s}}
		  - {model: cites, pools: chat, retrieve: {index: handbook, min_score: 0.3, timeout: 5s},
		     validate: {repairs: 0, citation_pattern: 'chunk (?<chunk>[0-9]+)\)'}}
		  - {model: uncited, pools: chat, retrieve: {index: handbook, min_score: 0.3, timeout: 5s},
		     validate: {repairs: 0, other_model: false, citation_pattern: '\[doc:(?<chunk>[a-z.]+)\]', refusal: "No source."}}
		  - {model: nothing, pools: chat, retrieve: {index: empty, disclaimer: "We had no documents."}}
		  - {model: poor, pools: chat, retrieve: {index: handbook, min_score: 0.3, timeout: 5s, poor: 0.6,
		     poor_back: 0.4, poor_questions: 5}}
		  - {model: flat, pools: chat, retrieve: {index: handbook, min_score: 0, timeout: 5s, poor: 0.6,
		     poor_back: 0.4, poor_questions: 5, flat: 0.2}}
	END
}
serve model 9001
serve vectors 9002
serve rerank 9003
write "embedding: {model: $encoder, packed: $work/packed}"
daemon_start

# ---- the index
vacation="How many days of vacation do I get?"
expect_soon "the index is built by itself" 60 index_is docs "$vacation" handbook@1
said=$(ask docs "$vacation")
expect "the model gets the chunk" "$said" contains "thirty days of paid vacation"
expect "with its number, document, headings and line" "$said" contains "[1] (handbook.md, Handbook > Holidays:3, chunk "
expect "and the instruction" "$said" contains "name those you use by their numbers"
expect "what the application said stays first" "${said%%$'\n'*}" == "Be brief."
expect "nothing is degraded" "$(header x-sluice-degraded)" == ""
expect "chunks are told" "$(header x-sluice-chunks)" != ""
expect "a script is no text" "$(ask docs "When is lunch served?")" contains "Lunch is served from noon until two o'clock."
expect "a route without documents has none" "$(ask plain "$vacation")" == "Be brief."
expect "a citation of the route's own form" "$(ask cites "$vacation")" contains "thirty days of paid vacation"
expect "an answer without one is none" "$(ask uncited "$vacation")" == "No source."
expect "where no chunk was given none is asked for" "$(ask uncited "zxqj wvkp")" contains "No documents could be consulted"
ask both "$vacation" >/dev/null
expect "a route with a semantic cache embeds a question once" "$(header x-sluice-index) $(metric sluice_retrieve_shared_vectors_total 'route="both"')" == "handbook@1 1"
expect "one without does it for itself" "$(metric sluice_retrieve_shared_vectors_total 'route="docs"')" == 0
before=$(steps none)
expect "a question of nothing in them gets the disclaimer" "$(ask docs "zxqj wvkp")" contains "No documents could be consulted"
expect "and says so" "$(header x-sluice-degraded)" == "retrieve=none"
expect "which is counted" "$(steps none)" == $((before + 1))
expect "the next question gets documents" "$(ask docs "$vacation") $(header x-sluice-degraded)" contains "thirty days"
expect "an index that is empty" "$(ask nothing "$vacation")" contains "We had no documents."
expect "says so too" "$(header x-sluice-degraded)" == "retrieve=none"

# ---- no room for the disclaimer: a body may have 64 MiB, and this one has, but for a few bytes
before=$(steps bare)
{
	printf '{"model":"docs","messages":[{"role":"user","content":"zxqj wvkp"}],"metadata":{"long":"'
	head -c $((64 * 1024 * 1024 - 100)) /dev/zero | tr '\0' x
	printf '"}}'
} >"$work/full"
curl -s --max-time 120 -o "$work/out" -D "$work/head" -H 'content-type: application/json' -H 'expect:' \
	--data-binary @"$work/full" "$url/v1/chat/completions"
rm "$work/full"
expect "a body without room for the disclaimer: the question alone" "$(jq -r '.choices[0].message.content' "$work/out")" == "no system message"
expect "is told" "$(header x-sluice-degraded)" == "retrieve=bare"
expect "and counted" "$(steps bare)" == $((before + 1))
expect "the way back to the disclaimer" "$(ask docs "zxqj wvkp") $(header x-sluice-degraded)" contains "No documents could be consulted"
expect "and to documents" "$(ask docs "$vacation") $(header x-sluice-degraded)" contains "thirty days"

# ---- the vector database
travel="When are travel costs paid back?"
curl -s -d "{\"id\":40,\"text\":\"$(printf 'long %.0s' {1..150})\",\"source\":\"long.txt\"}" http://127.0.0.1:9002/teach >/dev/null
ask tight "$travel" >/dev/null
curl -s -d '{"id":39,"text":"Short.","source":"short.txt"}' http://127.0.0.1:9002/teach >/dev/null
expect "a chunk too long for the context leaves room for a shorter one" "$(ask tight "$travel")" contains "[1] (short.txt, chunk 39)"
expect "which alone is told" "$(header x-sluice-chunks)" == 39
curl -s -d '{}' http://127.0.0.1:9002/forget >/dev/null
before=$(steps index) missed=$(metric sluice_retrieve_missed_total 'route="store"')
expect "a database that has lost all its chunks: the index" "$(ask store "$travel")" contains "paid back within two weeks"
expect "is told" "$(header x-sluice-degraded) $(header x-sluice-index)" == "retrieve=index handbook@1"
expect "and counted, as empty, not as a question without a good chunk" \
	"$(($(steps index) - before)) $(metric sluice_retrieve_empty_total 'route="store"') $(($(metric sluice_retrieve_missed_total 'route="store"') - missed))" == "1 1 0"
shows empty-metrics '"store"} 1' "curl -s http://127.0.0.1:8080/metrics | grep '^sluice_retrieve_empty_total.*store'"
shows empty-log "has no chunk at all" "grep 'is empty' $log | tail -n 1"
curl -s -d '{"id":41,"text":"From the store: ten days.","source":"store.txt"}' http://127.0.0.1:9002/teach >/dev/null
ask store "$travel" >/dev/null
expect "Qdrant's chunk is given" "$(ask store "$travel")" contains "[1] (store.txt, chunk 41)
From the store: ten days."
expect "the source is told" "$(header x-sluice-index) $(header x-sluice-chunks) $(header x-sluice-degraded)" == "qdrant 41 "
expect "Chroma's as well" "$(ask chroma "$travel")" contains "From the store: ten days."
expect "and told" "$(header x-sluice-index) $(header x-sluice-chunks)" == "chroma 41"
set_mode 9002 garbage
before=$(steps index) trips=$(trips store)
expect "an answer that is nonsense: the index" "$(ask store "$travel")" contains "paid back within two weeks"
expect "is told" "$(header x-sluice-degraded) $(header x-sluice-index)" == "retrieve=index handbook@1"
expect "and counted" "$(steps index)" == $((before + 1))
expect_soon "the database's breaker opens" 20 opens_after "$trips" store ask store "$travel"
set_mode 9002 right
expect_soon "the way back" 20 degraded_is store "$travel" ""
set_mode 9002 error
expect "errors: the index" "$(ask store "$travel")" contains "paid back within two weeks"
set_mode 9002 right
expect_soon "the way back from errors" 20 degraded_is store "$travel" ""
kill -STOP "${servers[vectors]}"
expect "a store that is silent: the index" "$(ask store "$travel")" contains "paid back within two weeks"
expect "after its time is told" "$(header x-sluice-degraded)" == "retrieve=index"
kill -CONT "${servers[vectors]}"
expect_soon "the way back from silence" 20 degraded_is store "$travel" ""
end_server vectors
answered=$(steps answer) none=$(steps none)
expect "a store that is dead: the index" "$(ask store "$travel")" contains "paid back within two weeks"
shows retrieve-status "9002" "sluice status store | tail -n 5"
shows retrieve-steps 'step="index"' "curl -s http://127.0.0.1:8080/metrics | grep '^sluice_ladder_steps_total.*retrieve' | grep -v ' 0$'"
shows retrieve-explain "retrieve=index" "curl -s -o /dev/null -H 'x-request-id: req_77aa' -H 'content-type: application/json' -d '{\"model\":\"store\",\"messages\":[{\"role\":\"user\",\"content\":\"When are travel costs paid back?\"}]}' http://127.0.0.1:8080/v1/chat/completions; sluice explain req_77aa"
pictured retrieve '#verdict' pool:store '#ladders' route:store
expect "and no index behind it: the answer from before" "$(ask chroma "$travel")" contains "From the store: ten days."
expect "is told" "$(header x-sluice-degraded)" == "retrieve=answer"
expect "another question: the disclaimer" "$(ask chroma "What else?")" contains "No documents could be consulted"
expect "which is told" "$(header x-sluice-degraded)" == "retrieve=none"
expect "both are counted" "$(($(steps answer) - answered)) $(($(steps none) - none))" == "1 1"
serve vectors 9002
curl -s -d '{"id":42,"text":"Anew.","source":"store.txt"}' http://127.0.0.1:9002/teach >/dev/null
expect_soon "the way back from death" 20 degraded_is store "$travel" ""
expect_soon "and where no index is behind it" 20 degraded_is chroma "$travel" ""
expect "from an answer kept to the store" "$(header x-sluice-index) $(header x-sluice-chunks)" == "chroma 42"

# ---- the reranker
expect "the reranker's first is given" "$(ask ranked "lunch noon o'clock")" contains "Lunch is served"
expect "in its order" "$(header x-sluice-degraded)" == ""
set_mode 9003 garbage
trips=$(trips order)
expect_soon "one that answers nonsense: its breaker opens" 20 opens_after "$trips" order ask ranked "$vacation"
expect "the order found is kept, which is told" "$(header x-sluice-degraded)" == "retrieve=unranked"
set_mode 9003 right
expect_soon "the way back from nonsense" 20 degraded_is ranked "$vacation" ""
before=$(steps unranked)
end_server rerank
expect "without it the order found is kept" "$(ask ranked "$vacation")" contains "thirty days"
expect "which is told" "$(header x-sluice-degraded)" == "retrieve=unranked"
expect "and counted" "$(steps unranked)" == $((before + 1))
serve rerank 9003
expect_soon "the way back to the reranker" 20 degraded_is ranked "$vacation" ""

# ---- documents change
sed -i 's/thirty days/forty days/' "$docs/handbook.md"
expect_soon "what changed is served as the next version" 60 index_is docs "$vacation" handbook@2
expect "with the new text" "$(ask docs "$vacation")" contains "forty days"
echo "# Parking
Cars are parked behind the house." >"$docs/parking.md"
expect_soon "a new document" 60 index_is docs "Where are cars parked?" handbook@3
expect "is found" "$(ask docs "Where are cars parked?")" contains "parked behind the house"
rm "$docs/canteen.html"
expect_soon "without a document" 60 index_is docs "$vacation" handbook@4
ask docs "When is lunch served?" >/dev/null
expect "one that is gone is not" "$(grep -c "from noon" "$work/out")" == 0

# ---- files that are torn
kept=$work/kept
cp "$shelf/v000004.db" "$kept"
ask docs "$vacation" >/dev/null # kept for the time of need
before=$(steps backup)
truncate -s 8192 "$shelf/v000004.db"
expect "a torn version: the one before" "$(ask docs "Which days are vacation days?")" contains "forty days"
expect "is told" "$(header x-sluice-degraded) $(header x-sluice-index)" == "retrieve=backup handbook@3"
expect "and counted" "$(steps backup)" ">" "$before"
newer() { ask docs "$vacation" >/dev/null; [[ $(header x-sluice-index) == handbook@* && $(header x-sluice-index) > handbook@4 ]]; }
expect_soon "a version that cannot be read is made anew" 60 newer
expect_soon "and nothing is degraded" 30 degraded_is docs "$vacation" ""

# ---- poor documents
judged() { metric "sluice_retrieve_$1_total" 'route="poor"'; } # questions|missed|chunks|spread_ppm
for i in 1 2 3 4 5 6; do ask poor "zxqj wvkp $i" >/dev/null; done
before=$(steps poor)
expect "questions that find nothing are counted" "$(judged questions) $(judged missed) $(judged chunks) $(judged spread_ppm)" == "6 6 0 0"
expect "questions that find nothing: none are looked for" "$(ask poor "$vacation")" == "Be brief."
expect "is told" "$(header x-sluice-degraded)" == "retrieve=poor"
expect "and counted" "$(steps poor)" == $((before + 1))
expect "and an alert" "$(metric sluice_retrieve_poor 'route="poor"')" == 1
for i in 1 2 3 4; do ask poor "$vacation" >/dev/null; done
expect "questions that find some bring them back" "$(ask poor "$vacation")" contains "forty days"
expect "and nothing is told" "$(header x-sluice-degraded)" == ""
expect "and end the alert" "$(metric sluice_retrieve_poor 'route="poor"')" == 0
expect "questions that find some are counted too" "$(judged questions) $(judged missed)" == "12 6"
expect "and their chunks, each of them" "$(judged chunks) $(judged spread_ppm)" == "6 0"
wide=$(metric sluice_retrieve_spread_ppm_total 'route="ranked"')
ask ranked "$vacation" >/dev/null # of all chunks the best and the worst
expect "how far apart the best and the worst are" "$(($(metric sluice_retrieve_spread_ppm_total 'route="ranked"') - wide))" ">" 100000

# ---- scores that tell nothing: each question finds chunks here, whatever they are like
even() { metric "sluice_retrieve_$1_total" 'route="flat"'; } # questions|missed|flat
for i in 1 2 3 4 5; do ask flat "zxqj wvkp $i" >/dev/null; done
expect "questions for which nothing stands out" "$(even questions) $(even missed) $(even flat)" == "5 0 5"
expect "are an alert" "$(metric sluice_retrieve_poor 'route="flat"')" == 1
expect "and the route does without" "$(ask flat "zxqj wvkp 6") $(header x-sluice-degraded)" == "Be brief. retrieve=poor"
for i in 1 2 3; do ask flat "$vacation" >/dev/null; done
expect "questions for which one does bring them back" "$(ask flat "$vacation")" contains "forty days"
expect "and end the alert" "$(metric sluice_retrieve_poor 'route="flat"') $(even flat)" == "0 6"

# ---- without an encoder
daemon_stop
meanings=
write ""
daemon_start
expect_soon "without the encoder words are looked for" 20 degraded_is docs "vacation days" "retrieve=words"
before=$(steps words)
expect "and found" "$(ask docs "vacation days")" contains "forty days"
expect "each time it is counted" "$(steps words)" == $((before + 1))
write "embedding: {model: $encoder, packed: $work/packed}"
kill -HUP "$daemon"
expect_soon "the way back, once the encoder is there" 60 degraded_is docs "$vacation" ""
expect "with the chunk" "$(ask docs "$vacation")" contains "forty days"
daemon_stop
finish
