/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feedback.h - POST /v1/feedback (wire/feedback.h): what a client thinks of an answer it had.
 *
 *   refused with                 when
 *   401, 503                     as any endpoint, by its key
 *   404 unknown_url              `feedback.enabled` is false
 *   400                          the body
 *   429 rate_limit_exceeded      more than `feedback.per_minute` of its key
 *   404 request_not_found        no such request is known any more, or another tenant's
 *   503 server_is_overloaded     too many ratings wait to be taken
 *
 * An answer is known SL_WATCH_POLL_MS after its end, so one that is not known is looked for again for
 * SL_FEEDBACK_WAIT_MS before it is said so; SL_FEEDBACK_WAITS_MAX a thread do that at once. Thread: the loop's.
 */
#ifndef SL_REQUEST_FEEDBACK_H
#define SL_REQUEST_FEEDBACK_H

#include "user/request/worker.h"

#define SL_FEEDBACK_WAIT_MS   1000u
#define SL_FEEDBACK_LOOK_MS   50u
#define SL_FEEDBACK_WAITS_MAX 64u

void sl_feedback_answer(struct sl_worker *worker, struct sl_exchange *client);

#endif
