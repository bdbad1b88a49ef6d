/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gate.h - the key step in front of every endpoint that needs one. Thread: the loop's.
 */
#ifndef SL_REQUEST_GATE_H
#define SL_REQUEST_GATE_H

#include "user/request/worker.h"
#include "user/stage/admit.h"

/*
 * Judges the client's key by the worker's ring. SL_OPENAI_OK: *ret_admission is the caller's, for
 * sl_admit_end(). Else the refusal has been counted and answered; the connection is over for the
 * caller.
 */
enum sl_openai_error_id sl_gate_admit(struct sl_worker *worker, struct sl_exchange *client,
				      const char *id, struct sl_admission *ret_admission);

struct sl_request;

/*
 * The steps behind the route: may the key use it, and is there room? SL_OPENAI_OK, or the error; it
 * is in request->error then, counted, and for sl_gate_refuse() to answer.
 */
enum sl_openai_error_id sl_gate_limit(struct sl_request *request);

/* Tokens that the request may use at most, prompt and all answers; in doubt a fair guess. */
uint32_t sl_gate_estimate(const struct sl_request *request);

/* Answers a request that was refused before it ran, with what its limits say. */
void sl_gate_refuse(struct sl_request *request);

/* GET /v1/models: all of them, or those that the key may use. */
void sl_gate_answer_models(struct sl_worker *worker, struct sl_exchange *client);

#endif
