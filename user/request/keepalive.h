/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepalive.h - signs of life for a streaming client that waits in a queue (`queue.keepalive`).
 *
 *   wait begins --keepalive--> 200 and a comment --keepalive--> a comment ... --> the stream, or
 *                                                                                 an error event
 *
 * Proxies and clients that give up on a silent connection so wait on. The price is the status: once
 * the head is sent a failure can only be told in the stream, in the shape of the request's API and
 * never with an end that reads as success. A wait shorter than keepalive changes nothing. Once begun,
 * comments go on through retries and prefill, to the first token or the error.
 *
 * Thread: the loop's.
 */
#ifndef SL_REQUEST_KEEPALIVE_H
#define SL_REQUEST_KEEPALIVE_H

#include "user/request/request.h"

/* Once for the memory of a request. */
void sl_keepalive_init(struct sl_request *request);

/* The request begins to wait: comments after a while, if route and request are such. */
void sl_keepalive_start(struct sl_request *request);

/* No more of them. Any number of times. */
void sl_keepalive_stop(struct sl_request *request);

/* The stream follows: tells who answers, as the head cannot any more. */
void sl_keepalive_tell(struct sl_request *request);

/*
 * Ends the answer, whose head is sent, by an event: the error, or (NULL) the node's own answer, which
 * is no stream. Lets go of the client. Returns the status that was sent: 200.
 */
int sl_keepalive_fail(struct sl_request *request, const struct sl_openai_error *error);

#endif
