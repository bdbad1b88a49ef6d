#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ladders.sh - each dependency of each ladder is turned off in turn, and each time the answer, its head, the
# counter and the way back are looked at: the process is killed, its port is a black hole, its answers are
# corrupted. Then what has no process: a backup index, a full queue, a tool whose breaker is open; and what
# the semantic cache never keeps, and never gives once a version is another. docs/ladders.md has the table.
#
#   client -> sluiced -> model 9001, 9021, 9031; one that says what it is told 9009
#                    \-> store 9002 and 9012, reranker 9003, moderation 9004, embeddings 9005,
#                        summariser 9006, judges 9007 and 9008: ladders.mjs serve, a process each
. "$(dirname "$0")/lib.sh"

need_encoder
command -v nft >/dev/null || { not_ok "needs nft" "apt-get install nftables"; finish; }
mkdir "$work/docs" "$work/sparedocs" "$work/book" "$work/terms" "$work/prompts"
printf 'Travel costs are paid back within two weeks.\n' >"$work/docs/travel.txt"
printf 'Lunch is served from noon until two.\n' >"$work/docs/lunch.txt"
printf 'Every employee has thirty days of paid vacation in a year.\n' | tee "$work/docs/vacation.txt" >"$work/book/vacation.txt"
printf 'Every employee had twenty days of paid vacation in a year.\n' >"$work/sparedocs/vacation.txt"
printf 'Pay before delivery.\n' >"$work/terms/terms.txt"
steps="timeout: 3s, min_score: 0.3"
near="semantic_cache: {ttl: 1h, wait: 3s, shadow: 0}"
config_write <<END
embedding: {model: $encoder, packed: $work/packed, pool: vectors, pool_model: words}
semantic_cache: {entries: 1000}
prompts: {dir: $work/prompts}
tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300}
pools:
  chat: {nodes: ["127.0.0.1:9001"]}
  said: {nodes: ["127.0.0.1:9009"]}
  short: {nodes: ["127.0.0.1:9021"], context_tokens: 2000}
  large: {nodes: ["127.0.0.1:9031"], context_tokens: 8000}
  store: {nodes: ["127.0.0.1:9002", "127.0.0.1:9012"], health: {live: tcp, every: 200ms}}
  order: {nodes: ["127.0.0.1:9003"]}
  moderation: {nodes: ["127.0.0.1:9004"]}
  vectors: {nodes: ["127.0.0.1:9005"]}
  tiny: {nodes: ["127.0.0.1:9006"]}
  judge: {nodes: ["127.0.0.1:9007"]}
  shadows: {nodes: ["127.0.0.1:9008"], model: wise}
indexes:
  handbook: {directory: $work/handbook, documents: $work/docs, refresh: 0}
  main: {directory: $work/main, documents: $work/docs, refresh: 0}
  spare: {directory: $work/spare, documents: $work/sparedocs, refresh: 0}
  book: {directory: $work/bookshelf, documents: $work/book, refresh: 0}
  terms: {directory: $work/termshelf, documents: $work/terms, refresh: 1s, vectors: none}
sources:
  qdrant: {kind: qdrant, pool: store, collection: docs}
  chroma: {kind: chroma, pool: store, collection: docs}
rerankers:
  cohere: {pool: order, model: cohere}
  jina: {pool: order, model: jina}
  tei: {pool: order, kind: tei}
routes:
  - {model: qdrant, pools: chat, retrieve: {source: qdrant, index: handbook, $steps}}
  - {model: chroma, pools: chat, retrieve: {source: chroma, index: handbook, $steps}}
  - {model: kept, pools: chat, retrieve: {source: qdrant, answers: 1h, $steps}}
  - {model: unkept, pools: chat, retrieve: {source: chroma, $steps}}
  - {model: backed, pools: chat, retrieve: {index: main, backup: spare, timeout: 10s, min_score: 0.3}}
  - {model: cohere, pools: chat, retrieve: {index: handbook, rerank: cohere, rerank_timeout: 3s, timeout: 10s, min_score: 0, top_k: 1}}
  - {model: jina, pools: chat, retrieve: {index: handbook, rerank: jina, rerank_timeout: 3s, timeout: 10s, min_score: 0, top_k: 1}}
  - {model: tei, pools: chat, retrieve: {index: handbook, rerank: tei, rerank_timeout: 3s, timeout: 10s, min_score: 0, top_k: 1}}
  - {model: closed, pools: chat, validate: {moderation: moderation, moderation_timeout: 3s, moderate: in}}
  - {model: open, pools: chat, validate: {moderation: moderation, moderation_timeout: 3s, moderation_down: open}}
  - {model: after, pools: chat, validate: {moderation: moderation, moderation_timeout: 3s, moderate: out, refusal: "No."}}
  - {model: near, pools: chat, $near}
  - {model: long, pools: [short, large], context: {steps: [summarise, larger_pool], summary_pool: tiny, summary_timeout: 3s}}
  - {model: longest, pools: short, context: {steps: [summarise], summary_pool: tiny, summary_timeout: 3s}}
  - {model: tools, pools: chat, degrade: {tools: {search: {pool: store}}}}
  - {model: judged, pools: said, retrieve: {index: terms, timeout: 10s, grounded_sample: 1, grounded_budget: 10000, judge: judge, judge_timeout: 3s}}
  - {model: shadowed, pools: said, semantic_cache: {ttl: 1h, wait: 3s, shadow: 100, shadow_judge: shadows}}
  - {model: careful, pools: said, attempts: 1, $near}
  - {model: redacted, pools: said, attempts: 1, validate: {pii_out: [email]}, $near}
  - {model: strict, pools: said, attempts: 1, validate: {schema: true, repairs: 0, other_model: false}, $near}
  - {model: versed, pools: chat, prompt: {id: versed}, $near}
  - {model: read, pools: chat, retrieve: {index: book, timeout: 10s, min_score: 0.3}, $near}
  - {model: flooded, pools: chat, semantic_cache: {ttl: 1h, wait: 60s, shadow: 0}}
  - {model: booked, pools: chat, retrieve: {index: book, timeout: 60s, min_score: 0}}
END
daemon_start
SLUICE_TEST_NAME=$test_name SLUICE=$build/sluice SLUICE_ADMIN_SOCKET=$work/admin.sock SLUICE_WORK=$work \
	node "$e2e/ladders.mjs" || failures=$((failures + 1))
expect_soon "the index of the terms stays" 20 metric_is sluice_index_builds_total 'index="terms"' == 1
fds_before=$((fds_before + 8)) # the files of four indexes, as many of the versions before, stay open
daemon_stop
finish
