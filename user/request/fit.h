/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fit.h - can the nodes of a pool be asked this request at all, by the API that they speak?
 *
 *   pool of          the request                                    fit
 *   chat             cannot be said as a chat completion            REQUEST
 *   messages         completions, embeddings                        ENDPOINT
 *   messages         has what that API cannot say (n, logprobs)     REQUEST
 *
 * A pool that cannot is passed over, which is counted and costs no attempt; the fallback counts as one
 * by `error`. A request that no pool of its route can be asked is refused at once. On a route whose
 * pools all speak chat completions nothing is looked at. Thread: the loop's.
 */
#ifndef SL_REQUEST_FIT_H
#define SL_REQUEST_FIT_H

#include "user/request/request.h"

enum sl_fit sl_fit_of(struct sl_request *request, const struct sl_upstream_pool *pool);

/* "endpoint", "request": label of the metric. */
const char *sl_fit_word(enum sl_fit fit);

/* The first pool of the chain that the request walks first that fits. */
const struct sl_upstream_pool *sl_fit_first(struct sl_request *request);

/* Returns SL_OPENAI_OK when some pool of the route fits, else the error's id with request->error. */
enum sl_openai_error_id sl_fit_check(struct sl_request *request);

#endif
