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
 * Streams are translated by the relay. Thread: the loop's.
 */
#ifndef SL_REQUEST_TRANSLATE_H
#define SL_REQUEST_TRANSLATE_H

#include "user/request/request.h"

#define SL_TRANSLATE_BYTES_MAX (64u << 20) /* a translated request, and an answer */

/* Where the dialect has its fields: the key goes on as Authorization, see sl_translate_write_key. */
#define SL_TRANSLATE_DROPPED_FIELDS SL_H1_ID_BIT(SL_H1_ID_X_API_KEY)

void sl_translate_init(struct sl_request *request);
/* Frees what the translations hold; usable again. */
void sl_translate_fini(struct sl_request *request);

/* Translates the client's body and reads its facts. Returns SL_OPENAI_OK or the error's id. */
enum sl_openai_error_id sl_translate_read(struct sl_request *request);

/* The key for the node, where the client sent x-api-key alone. */
void sl_translate_write_key(const struct sl_request *request, struct sl_h1_out *out);

void sl_translate_plan(struct sl_request *request, struct sl_attempt_plan *plan);

/* The node's error, translated into request->message. Returns the status that goes with it. */
int sl_translate_fault(struct sl_request *request);

#endif
