#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# embed.sh - vectors of a pool, for indexes, a vector database and the semantic cache: the pool is killed,
# silent, answers rubbish, and comes back; an index that has the embedded encoder's vectors as well is searched
# by those meanwhile, one that has not by words; what is of another model is refused.
#
#   client -> sluiced -> embeddings 9002 (the stand-in: texts that are the same have the same vector)
#                    \-> indexes `both` and `alone`, vector store 9003 -> model 9001, which answers what it got
. "$(dirname "$0")/lib.sh"

docs=$work/docs
need_encoder
serve() { # ROLE PORT
	node "$e2e/retrieve.mjs" "$1" "$2" >"$work/$1.log" 2>&1 &
	wait_for 30 grep -q ready "$work/$1.log" || { not_ok "server $1" "$(cat "$work/$1.log")"; finish; }
}
ask() { # MODEL [QUESTION]
	curl -s --max-time 60 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"${2:-$vacation}\"}]}" "$url/v1/chat/completions"
	jq -r '.choices[0].message.content' "$work/out" 2>/dev/null
}
degraded_is() { ask "$1" >/dev/null && [[ $(header x-sluice-degraded) == "$2" ]]; }                        # MODEL STEPS
index_is() { ask "$1" >/dev/null && [[ "$(header x-sluice-index) $(header x-sluice-degraded)" == "$2 " ]]; } # MODEL INDEX
steps() { metric sluice_ladder_steps_total "step=\"$1\""; }
index() { SLUICE_ADMIN_SOCKET=$work/admin.sock "$build/sluice" index "$@" 2>&1; }
rubbish() { curl -s --max-time 10 -d "{\"rubbish\":$1}" http://127.0.0.1:10002/config >/dev/null; } # true|false
vacation="Every employee has thirty days of paid vacation in a year."
mkdir "$docs"
echo "$vacation" >"$docs/handbook.txt"
echo "Travel costs are paid back within two weeks." >"$docs/travel.txt"
write() { # EMBEDDINGS-MODEL
	config_write <<-END
		timeouts: {upstream_idle: 1s}
		tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300, breaker.ejection_percent: 100}
		embedding: {model: "$encoder", packed: "$work/packed", pool: vectors, pool_model: $1, pool_dimensions: 64}
		pools:
		  chat: {nodes: ["127.0.0.1:9001"]}
		  vectors: {nodes: ["127.0.0.1:9002", "127.0.0.2:9002"], health: {live: tcp, every: 200ms}}
		  store: {nodes: ["127.0.0.1:9003"], health: {live: tcp, every: 200ms}}
		embedders:
		  own: {pool: vectors, model: $1, dimensions: 64, build_timeout: 2s}
		indexes:
		  both: {directory: $work/both, documents: $docs, refresh: 500ms, vectors: both, embedding: own}
		  alone: {directory: $work/alone, documents: $docs, refresh: 500ms, vectors: pool, embedding: own}
		sources:
		  qdrant: {kind: qdrant, pool: store, collection: docs, embedding: own}
		routes:
		  - {model: both, pools: chat, retrieve: {index: both, min_score: 0.3, timeout: 2s}}
		  - {model: alone, pools: chat, retrieve: {index: alone, min_score: 0.3, timeout: 2s}}
		  - {model: store, pools: chat, retrieve: {source: qdrant, index: both, min_score: 0.3, timeout: 2s}}
		  - {model: cached, pools: chat, semantic_cache: {ttl: 1h, wait: 2s}, retrieve: {index: both, min_score: 0.3, timeout: 2s}}
	END
}
serve model 9001
serve vectors 9003
standin v 9002 --listen 127.0.0.2:9002
THREADS=1 write embed-a
daemon_start
fds_before=$((fds_before + 3)) # of the two indexes, three versions are open at the end

# ---- all is well
expect_soon "an index with both is built by the pool" 60 index_is both both@1
expect_soon "and one with the pool's alone" 60 index_is alone alone@1
expect "the chunk is found by the pool's vectors" "$(ask both)" contains "[1] (handbook.txt:1, chunk "
expect "another is not near" "$(ask both | grep -c Travel)" == 0
expect "what they have is told" "$(index list --json | jq -c '[.indexes[]|.by_pool,.by_builtin]')" == "[true,true,true,false]"
expect "in words too" "$(index list both)" contains "by=meaning vectors=pool+builtin"
expect "a version is checked by both" "$(index verify both)" contains "samples=32/32"
curl -s -d '{"id":41,"text":"From the store: ten days.","source":"store.txt"}' http://127.0.0.1:9003/teach >/dev/null
expect "the database is asked by the pool's vector" "$(ask store) $(header x-sluice-index)" contains "From the store: ten days. qdrant"
expect "which has its numbers" "$(curl -s http://127.0.0.1:9003/points | jq -c '[.[].vector|length]')" == "[64]"
before=$(state_of 9002 .inference_requests)
ask cached >/dev/null
expect "cache and index share a question's vector" "$(state_of 9002 .inference_requests) $(header x-sluice-index)" == "$((before + 1)) both@1"
expect "which is counted" "$(metric sluice_retrieve_shared_vectors_total 'route="cached"')" == 1

# without NAME WAY...: what the pool does not do any more, and who notices
without() {
	local name=$1 builtin words skipped
	builtin=$(steps builtin) words=$(steps words) skipped=$(steps skipped)
	expect "$name: by the other vectors" "$(ask both)" contains "thirty days of paid vacation"
	expect "$name: of the same version, which is told" "$(header x-sluice-index) $(header x-sluice-degraded)" == "both@1 retrieve=builtin"
	expect "$name: an index without these: by words" "$(ask alone)" contains "thirty days of paid vacation"
	expect "$name: which is told" "$(header x-sluice-index) $(header x-sluice-degraded)" == "alone@1 retrieve=words"
	expect "$name: the database cannot be asked" "$(ask store)" contains "thirty days of paid vacation"
	expect "$name: told with both steps" "$(header x-sluice-degraded)" == "retrieve=index, retrieve=builtin"
	ask cached "What of $name?" >/dev/null
	expect "$name: the cache is passed over" "$(header x-sluice-degraded)" contains semantic_cache=skipped
	expect "$name: counted" "$(steps builtin) $(steps words) $(steps skipped)" == "$((builtin + 3)) $((words + 1)) $((skipped + 1))"
}
# back NAME: the next questions begin at the top
back() {
	expect_soon "$1: the way back" 30 degraded_is both ""
	expect_soon "$1: of the index without other vectors" 30 degraded_is alone ""
	expect_soon "$1: of the database" 30 degraded_is store ""
	ask cached "What of $1, then?" >/dev/null
	expect "$1: of the cache" "$(header x-sluice-degraded | grep -c skipped)" == 0
}

# ---- rubbish
trips=$(trips vectors)
rubbish true
without rubbish
expect_soon "rubbish: the pool's breaker opens" 20 opens_after "$trips" vectors ask both
expect "rubbish: the reason is counted" "$(metric sluice_node_signals_total 'pool="vectors",node="127.0.0.1:9002",signal="bad_body"')" ">" 4
expect "rubbish: and said" "$(grep -c 'pool "vectors": embeddings: it has fewer vectors than texts' "$log")" ">" 0
rubbish false
back rubbish

# ---- silence
kill -STOP "${standins[v]}"
without silence
kill -CONT "${standins[v]}"
back silence

# ---- death, and an index that is to be made meanwhile
standin_kill v
without death
expect "death: no version is made without the pool" "$(index build alone)" contains 'pool "vectors": embeddings:'
expect "death: the one before stays" "$(index list alone)" contains "version 1 is served"
standin v 9002 --listen 127.0.0.2:9002
back death
expect_soon "death: then it is" 30 eval '[[ $(index build alone) == *"version 2 is made and checked"* ]]'

# ---- another model: vectors of two never meet
THREADS=1 write embed-b
kill -HUP "$daemon"
expect_soon "another model: its index is refused" 30 grep -q 'its vectors are of model "api:embed-a" (64 numbers), queries of "api:embed-b" (64 numbers)' "$log"
expect_soon "another model: and made anew" 60 index_is alone alone@3
expect_soon "another model: the other one as well" 60 index_is both both@2
daemon_stop
finish
