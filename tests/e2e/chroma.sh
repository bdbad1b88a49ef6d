#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# chroma.sh - chunks from a real Chroma over HTTP: filled with the handbook and the daemon's own vectors,
# asked, then killed, started again, blackholed, replaced by one that talks nonsense, and asked for a
# collection that it has not; with the ladder below it and the way back each time.
#
#   client -> sluiced -> Chroma 8000 (killed, blackholed, nonsense)
#                    \-> index by meaning, or by words -> model 9001, which answers what it was told
#   a store of Qdrant's shape on 9002 gives the test the vectors of its texts
. "$(dirname "$0")/lib.sh"

data=$work/chroma
need_encoder
case $(uname -s)/$(uname -m) in
Linux/x86_64) ;;
*) echo "ok $test_name: a real Chroma # SKIP no prebuilt of it is used but that for Linux on x86-64"; exit 0 ;;
esac
beats() { curl -sf --max-time 2 http://127.0.0.1:8000/api/v2/heartbeat; }
chroma_start() {
	node --max-old-space-size=64 "$e2e/chroma.mjs" serve 8000 "$data" >"$work/chroma.log" 2>&1 &
	chroma=$!
	wait_for 60 beats || { not_ok "Chroma" "$(tail -n 5 "$work/chroma.log")"; finish; }
}
chroma_kill() {
	kill -KILL "$chroma"
	wait "$chroma" 2>/dev/null
}
ask() { # MODEL QUESTION
	curl -s --max-time 60 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" "$url/v1/chat/completions"
	jq -r '.choices[0].message.content' "$work/out" 2>/dev/null
}
steps() { metric sluice_ladder_steps_total "step=\"$1\""; } # STEP
told() { echo "$(header x-sluice-degraded) $(header x-sluice-index)"; }
told_is() { ask "$1" "$2" >/dev/null; [[ $(told) == "$3" ]]; } # MODEL QUESTION "STEPS INDEX"
chroma_start
for role in "model 9001" "vectors 9002"; do
	# shellcheck disable=SC2086 # two words
	node "$e2e/retrieve.mjs" $role >"$work/${role% *}.log" 2>&1 &
	wait_for 30 grep -q ready "$work/${role% *}.log"
done
collection=$(curl -s -H 'content-type: application/json' \
	-d '{"name":"handbook","configuration":{"hnsw":{"space":"cosine"}}}' \
	http://127.0.0.1:8000/api/v2/tenants/default_tenant/databases/default_database/collections | jq -r .id)
config_write <<END
embedding: {model: $encoder, packed: $work/packed}
tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300}
pools:
  chat: {nodes: ["127.0.0.1:9001"]}
  store: {nodes: ["127.0.0.1:9002"]}
  chroma: {nodes: ["127.0.0.1:8000"], health: {live: tcp, every: 200ms}}
indexes:
  near: {directory: $work/near, documents: $e2e/handbook}
  words: {directory: $work/words, documents: $e2e/handbook, vectors: none}
sources:
  qdrant: {kind: qdrant, pool: store, collection: docs}
  chroma: {kind: chroma, pool: chroma, collection: "$collection"}
  absent: {kind: chroma, pool: chroma, collection: 00000000-0000-0000-0000-000000000000}
routes:
  - {model: teach, pools: chat, retrieve: {source: qdrant, timeout: 10s}}
  - {model: near, pools: chat, retrieve: {source: chroma, index: near, timeout: 10s, min_score: 0.3}}
  - {model: words, pools: chat, retrieve: {source: chroma, index: words, timeout: 10s, min_score: 0.3}}
  - {model: alone, pools: chat, retrieve: {source: chroma, timeout: 10s, min_score: 0.3, answers: 1h}}
  - {model: hasty, pools: chat, retrieve: {source: chroma, index: near, timeout: 2s, min_score: 0.3}}
  - {model: absent, pools: chat, retrieve: {source: absent, index: near, timeout: 10s, min_score: 0.3}}
END
daemon_start
holiday="How many days of paid vacation do I have?"
expect_soon "the index is made" 60 told_is absent "$holiday" "retrieve=index near@1"
expect_soon "and that of words" 60 metric_is sluice_index_builds_total 'index="words"' == 1
fds_before=$(daemon_fds) # the files of the indexes stay open

# ---- filled, and asked
expect "it takes the handbook's chunks" "$(node "$e2e/chroma.mjs" fill 8000 "$collection" "$e2e/handbook")" == 9
expect_soon "it is asked" 30 told_is near "$holiday" " chroma"
expect "its chunk is given" "$(ask near "$holiday")" contains "[1] (leave.md, chunk leave.md-1)
Every employee has thirty days of paid vacation"
expect "and told" "$(header x-sluice-chunks)" contains "leave.md-1"
expect "another question, another chunk" "$(ask near "When is lunch served?")" contains "[1] (canteen.html, chunk canteen.html-1)"
expect "what is in nothing of it gets the disclaimer" "$(ask near "zxqj wvkp")" contains "No documents could be consulted"
expect "its score is a cosine" "$(header x-sluice-degraded)" == "retrieve=none"
ask alone "$holiday" >/dev/null
expect "without an index as well" "$(told)" == " chroma"
expect "a collection that it has not: the index" "$(ask absent "$holiday")" contains "thirty days of paid vacation"
for i in 1 2 3 4 5 6 7 8; do ask absent "$holiday" >/dev/null; done
expect "which is no fault of the server" "$(ask near "$holiday") $(told)" contains " chroma"

# ---- killed
before=$(steps index)
chroma_kill
expect "killed: the index by meaning" "$(ask near "$holiday")" contains "thirty days of paid vacation"
expect "is told" "$(told)" == "retrieve=index near@1"
expect "and counted" "$(steps index)" == $((before + 1))
expect "or by words" "$(ask words "paid vacation")" contains "thirty days of paid vacation"
expect "is told, too" "$(told)" == "retrieve=index words@1"
ask alone "$holiday" >/dev/null
expect "no index: the answer from before" "$(told)" contains "retrieve=answer"
ask alone "Who pays my train?" >/dev/null
expect "or none" "$(told)" contains "retrieve=none"
chroma_start
expect_soon "started again: the way back" 30 told_is near "$holiday" " chroma"
expect "with what it had" "$(ask near "$holiday")" contains "chunk leave.md-1"

# ---- blackholed: what is sent to its port is dropped, connections that stand included
before=$(steps index)
nft 'table inet hole { chain in { type filter hook input priority 0; tcp dport 8000 drop; }; }'
expect "blackholed: the index, after its time" "$(ask hasty "$holiday")" contains "thirty days of paid vacation"
expect "is told" "$(told)" == "retrieve=index near@1"
expect "and counted" "$(steps index)" == $((before + 1))
nft delete table inet hole
expect_soon "the way back from the hole" 30 told_is hasty "$holiday" " chroma"

# ---- another answers in its place, and no list of chunks
chroma_kill
node "$e2e/retrieve.mjs" vectors 8000 >"$work/liar.log" 2>&1 &
liar=$!
wait_for 30 grep -q ready "$work/liar.log"
curl -s -d '{"mode":"garbage"}' http://127.0.0.1:8000/mode >/dev/null
asked() { curl -s http://127.0.0.1:8000/asked; }
lied() { # asked, and its answer not taken
	told_is near "$holiday" "retrieve=index near@1" && (($(asked) > 0))
}
expect_soon "nonsense: the index" 30 lied
expect "with the chunk" "$(jq -r '.choices[0].message.content' "$work/out")" contains "thirty days of paid vacation"
kill -KILL $liar
wait $liar 2>/dev/null
chroma_start
expect_soon "the way back from nonsense" 30 told_is near "$holiday" " chroma"
chroma_kill
daemon_stop
finish
