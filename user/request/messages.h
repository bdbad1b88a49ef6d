/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * messages.h - requests of the Anthropic Messages API on their way through the pipeline.
 *
 *   sl_messages_read    the body becomes a chat completion, and is from then on read, routed,
 *                       retried and sent like one
 *   sl_messages_plan    each whole answer is translated when it arrives: one that cannot be is a
 *                       failed attempt while another node may still do better
 *   sl_messages_fault   a node's error that the client shall see
 *
 * Streams are translated by the relay. Thread: the loop's.
 */
#ifndef SL_REQUEST_MESSAGES_H
#define SL_REQUEST_MESSAGES_H

#include "user/request/request.h"

#define SL_MESSAGES_BYTES_MAX (64u << 20) /* a translated request, and an answer */

/* The key goes on as Authorization, see sl_messages_write_key. */
#define SL_MESSAGES_DROPPED_FIELDS SL_H1_ID_BIT(SL_H1_ID_X_API_KEY)

void sl_messages_init(struct sl_request *request);
/* Frees what the translations hold; usable again. */
void sl_messages_fini(struct sl_request *request);

/* Translates the client's body and reads its facts. Returns SL_OPENAI_OK or the error's id. */
enum sl_openai_error_id sl_messages_read(struct sl_request *request);

/* The node's key where the client sent x-api-key alone. */
void sl_messages_write_key(const struct sl_request *request, struct sl_h1_out *out);

void sl_messages_plan(struct sl_request *request, struct sl_attempt_plan *plan);

/* The node's error, translated into request->message. Returns the status that goes with it. */
int sl_messages_fault(struct sl_request *request);

#endif
