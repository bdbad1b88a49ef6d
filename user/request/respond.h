/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * respond.h - from the last attempt to the client's answer. Thread: the loop's, on the fiber.
 */
#ifndef SL_REQUEST_RESPOND_H
#define SL_REQUEST_RESPOND_H

#include "user/request/request.h"

/*
 * A whole answer: the node's own where it is what the client should see (2xx, 4xx, busy), else an
 * error of ours that names the cause. Returns the status that was sent.
 */
int sl_respond_whole(struct sl_request *request);

/*
 * Opens the stream: answer head, then a relay that takes the attempt's connection. Returns true
 * when the relay has taken over; false when the client got nothing and was cut.
 */
bool sl_respond_stream(struct sl_request *request);

/* Gives back the connection and the grant of a stream that was opened for a client now gone. */
void sl_respond_drop(struct sl_request *request);

#endif
