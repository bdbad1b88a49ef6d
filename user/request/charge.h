/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * charge.h - what a request costs: estimated before it runs, by the server's usage when it has ended.
 *
 *   it ended with             charged
 *   a whole answer            its usage; without one the estimate of the prompt and the answer's bytes
 *   a stream, whole           the usage chunk, which the server is asked for (and which the client
 *                             does not get where it did not ask)
 *   a stream that was cut     the prompt as estimated and the tokens that were sent
 *   no answer, a kept answer  nothing
 *
 * By the price of the model that answered. Thread: the loop's.
 */
#ifndef SL_REQUEST_CHARGE_H
#define SL_REQUEST_CHARGE_H

#include "user/request/request.h"

/*
 * Reserves what the request may cost at most. Where a budget is too small for the first pool and the
 * route has a chain for the cause quota, whose first pool it is large enough for, the request is a
 * thrifty one and walks that chain. Else the error, which is in request->error and *ret_refusal.
 */
enum sl_openai_error_id sl_charge_reserve(struct sl_request *request,
					  enum sl_admit_refusal *ret_refusal);

/* Somebody wants to know what it used: tokens are limited, or it costs something. */
bool sl_charge_counts(const struct sl_request *request);

/* Charges a request that has ended without a relay: tokens and money. */
void sl_charge_settle(struct sl_request *request);

/* The whole answer at hand is not the last: what it used is charged with that. */
void sl_charge_note_again(struct sl_request *request);

/* The same for a stream. */
void sl_charge_settle_stream(struct sl_relay *relay);

/* Shall a stream end with its cost? The client has said that it reads trailers. */
bool sl_charge_trails(const struct sl_request *request);

/* x-sluice-cost, where the configuration wants it and the request has been settled. */
void sl_charge_write(const struct sl_request *request, struct sl_h1_out *out);

#endif
