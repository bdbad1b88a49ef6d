/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vector_api.h - what vector databases and rerankers are asked over HTTP, and what they answer.
 *
 *	          request                                answer
 *	Qdrant    {"vector":[...],"limit":n,             {"result":[{"id":,"score":,"payload":{}}]}, or
 *	           "with_payload":true}                  {"result":{"points":[...]}}
 *	Chroma    {"query_embeddings":[[...]],           {"ids":[[]],"distances":[[]],"documents":[[]],
 *	           "n_results":n,"include":[...]}         "metadatas":[[]]}
 *	Cohere    {"model":,"query":,"documents":[]}     {"results":[{"index":,"relevance_score":}]}
 *	TEI       {"query":,"texts":[]}                  [{"index":,"score":}]
 *
 * Chroma's distances are read as cosine distances (hnsw:space cosine): score = 1 - distance.
 *
 * An answer that is not of its shape is refused whole: a database that answers nonsense is down.
 * Pure; any thread.
 */
#ifndef SL_WIRE_VECTOR_API_H
#define SL_WIRE_VECTOR_API_H

#include <stdbool.h>

#include "user/base/arena.h"
#include "user/base/text.h"

#define SL_VECTOR_API_FOUND_MAX 64u
#define SL_VECTOR_API_ID_BYTES	64u /* of a chunk's id, longer ones are cut */

enum sl_vector_api {
	SL_VECTOR_API_QDRANT = 0,
	SL_VECTOR_API_CHROMA,
};

/* A chunk. Strings are the arena's, NUL-terminated. */
struct sl_vector_found {
	const char *id;	  /* visible ASCII */
	const char *name; /* of its document, "" */
	const char *text;
	uint32_t document_len; /* bytes of name that are the document's; 0: all */
	float score;
};

/* vector_json: "[0.1,...]". 0 or the text's error. */
int sl_vector_api_ask(enum sl_vector_api api, struct sl_span vector_json, uint32_t count,
		      struct sl_text *out);

/*
 * text and name: the fields of the payload. Chunks without a text are left out. Returns how many, at
 * most SL_VECTOR_API_FOUND_MAX; -EINVAL: not of that shape, or none of its chunks has a text; -ENOMEM.
 */
int sl_vector_api_read(enum sl_vector_api api, struct sl_span body, const char *text,
		       const char *name, struct sl_arena *arena,
		       struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX]);

/* tei: that shape, else Cohere's; model may be NULL. */
int sl_rerank_ask(bool tei, const char *model, struct sl_span question, const struct sl_span *texts,
		  uint32_t count, struct sl_text *out);

/*
 * The order: ret_order[0] is the index of the best. -EINVAL: not of that shape, an index that was not asked
 * for, one twice, or fewer than were sent: nobody asked for the best alone.
 */
int sl_rerank_read(bool tei, struct sl_span body, uint32_t count,
		   uint32_t ret_order[SL_VECTOR_API_FOUND_MAX]);

#endif
