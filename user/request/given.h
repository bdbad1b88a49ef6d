/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * given.h - answers that a stage made or kept: a whole chat completion for any client, as a whole, as a
 * stream of its own API, or in the words of a dialect. Thread: the loop's.
 */
#ifndef SL_REQUEST_GIVEN_H
#define SL_REQUEST_GIVEN_H

#include "user/request/request.h"

/*
 * Writes the chat completion as the chunks of a stream, [DONE] behind them: one chunk a choice, and one
 * with its finish_reason. include_usage: one with the usage too. Returns 0; -EOPNOTSUPP: it is no chat
 * completion whose choices are texts (tool calls have no such chunks here); -ENOMEM.
 */
int sl_given_write_stream(struct sl_span answer, bool include_usage, struct sl_text *out);

/*
 * Sends it with status 200 and lets go of the client. Returns the status that was sent, or 0 with nothing
 * sent where the answer cannot be told to this client.
 */
int sl_given_respond(struct sl_request *request, struct sl_span answer);

#endif
