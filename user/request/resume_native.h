/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resume_native.h - streams of the Messages API that pass as their node sends them (relay.h, direct), and
 * what they need to go on elsewhere (resume.h).
 *
 *   passes      each event goes to the client as it came; beside it a decoder makes the chunks of it that
 *               the splice notes, so that text and calls are compared as in any other stream
 *   goes on     the other node is asked in the client's own API where it speaks that (the body as the
 *               client wrote it, for the rest with a last message of the assistant), else in chat
 *               completions where the request can be said in them; what comes is decoded, spliced, and
 *               written anew as events of the Messages API behind those that passed
 *
 * Given up (untold) are streams with thoughts, quotes or blocks that no chat completion has, and those
 * whose end was told by a message_delta. Cost: some 1.5 us an event, on streams alone that may go on, and
 * a decoder's 700 bytes. Thread: the loop's.
 */
#ifndef SL_REQUEST_RESUME_NATIVE_H
#define SL_REQUEST_RESUME_NATIVE_H

#include "user/request/resume.h"

/* Of a new resume whose stream passes as it comes. Returns 0 or -ENOMEM. */
int sl_resume_native_init(struct sl_resume *resume);

/* The client shall get this event. False: it is out of order, and no client could read on. */
bool sl_resume_native_note(struct sl_relay *relay, const struct sl_sse_event *event);

/* From now on the client's events are written anew, behind those that it has. */
void sl_resume_native_join(struct sl_relay *relay);

/* The pool's nodes are asked in the client's own API. */
static inline bool sl_resume_native_is(const struct sl_resume_ways *ways,
				       const struct sl_upstream_pool *pool)
{
	return ways->native && pool->api == SL_CONFIG_API_ANTHROPIC;
}

#endif
