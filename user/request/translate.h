/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * translate.h - requests of an API that is not the servers' own on their way through the pipeline.
 *
 *   sl_translate_read    the body becomes a chat completion, and is from then on read, routed,
 *                       retried and sent like one
 *   sl_translate_plan    each whole answer is translated when it arrives: one that cannot be is a
 *                       failed attempt while another node may still do better
 *   sl_translate_fault   a node's error that the client shall see
 *
 * Streams are translated by the relay. Nodes may speak another API as well (a pool's `api`):
 *
 *   client      pool of chat completions   pool of messages
 *   chat        as it is                   made messages, and the answer chat (upstream/attempt.h)
 *   responses   translated by its dialect  the same, and then by its dialect
 *   messages    translated by its dialect  direct: as it is, but for the model's name; a stream that
 *                                          goes on there: asked so, and read as a chat completion
 *
 * Which of them can be asked this request, fit.h says. Thread: the loop's.
 */
#ifndef SL_REQUEST_TRANSLATE_H
#define SL_REQUEST_TRANSLATE_H

#include "user/request/request.h"

#define SL_TRANSLATE_BYTES_MAX (64u << 20) /* a translated request, and an answer */

void sl_translate_init(struct sl_request *request);
/* Frees what the translations hold; usable again. */
void sl_translate_fini(struct sl_request *request);

/* Translates the client's body and reads its facts. Returns SL_OPENAI_OK or the error's id. */
enum sl_openai_error_id sl_translate_read(struct sl_request *request);

/*
 * The client's key for the node, in the field of the node's API where the client sent it in that of
 * its own alone. Returns the client's fields that are not to be copied.
 */
uint64_t sl_translate_write_key(const struct sl_request *request,
				const struct sl_upstream_pool *pool, struct sl_h1_out *out);

/* The request as a message of the pool's API into request->native. Returns SL_OPENAI_OK or the error's id;
 * made once, see sl_translate_forget. */
enum sl_openai_error_id sl_translate_native(struct sl_request *request,
					    const struct sl_upstream_pool *pool,
					    struct sl_openai_error *ret_error);

/* The facts are of another body from now on. */
void sl_translate_forget(struct sl_request *request);

/* The body for a pool of messages. Borrowed from the request. Returns 0 or -errno. */
int sl_translate_body(struct sl_request *request, const struct sl_upstream_pool *pool,
		      struct sl_attempt_plan *plan);

/* How the answer of the pool's nodes is read. */
void sl_translate_plan(struct sl_request *request, const struct sl_upstream_pool *pool,
		       struct sl_attempt_plan *plan);

/* The chat completion, translated into request->message. 0, or -EINVAL. */
int sl_translate_answer(struct sl_request *request, struct sl_span chat);

/* The node's error, translated into request->message. Returns the status that goes with it. */
int sl_translate_fault(struct sl_request *request);

#endif
