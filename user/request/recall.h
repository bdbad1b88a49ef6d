/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recall.h - answers that were given before, for requests of a route with `cache.ttl`.
 *
 *	asked                                   answered                     x-sluice-cache
 *	the same, within the ttl                as before, with its age      hit
 *	the same, now under way                 as soon as that has come     coalesced
 *	something new                           by a node                    miss
 *	with x-sluice-cache: no, Cache-Control: by a node, and not kept      bypass
 *	no-store or no-cache, by chance, by
 *	the Messages API
 *
 * "The same" is a SHA-256 over: tenant (a key without one, or of the tenant "default", is a tenant of its own; where no keys are
 * asked for, what the client sent as its own), model, path, the pools of the route and their models,
 * every header field that a node gets but those that name the client's program, trace and way, and
 * the body byte for byte but for `user` and `safety_identifier`. Streams are another thing than whole
 * answers, for `stream` is in the body. What is unknown counts as deciding the answer: the worst that
 * can come of it is a miss.
 *
 * Kept are answers of the route's first pool with status 200, the asked model's name, and an end of
 * the model's own for every choice (see flight.h); none with Set-Cookie, no-store or private.
 *
 * Costs of a request on such a route: about 1 us and 0.8 us a KiB of body with the CPU's SHA
 * instructions. Limits have charged the request before; a hit charges no tokens. Thread: the loop's.
 */
#ifndef SL_REQUEST_RECALL_H
#define SL_REQUEST_RECALL_H

#include "user/request/request.h"

/*
 * On the request's fiber, which it may park: answers without a node, and returns the status that was
 * sent. 0: it is for the nodes (or its client has left), with request->flight where it leads.
 */
int sl_recall_answer(struct sl_request *request);

/*
 * Whether an answer is kept; it is then what sl_recall_answer() sends, whatever happens to the cache
 * meanwhile. For a request that may not have a node: for its budget is spent, say.
 */
bool sl_recall_hold(struct sl_request *request);

/* A whole answer or a failure is about to be sent: keeps it if it may be, ends the flight. */
void sl_recall_keep(struct sl_request *request);

/* A stream is about to be relayed: lets its flight go where it may not be kept. */
void sl_recall_keep_stream(struct sl_request *request);

/* Is the answer that has come, or begins to, one of those that may be given to others? Not of its text. */
bool sl_recall_may_keep(const struct sl_request *request);

#endif
