/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * messages_continue.h - from a request of the Messages API and the beginning of its answer to one for the
 * rest, in that API.
 *
 *   messages     get a last one, {"role":"assistant","content":TEXT}, which the API goes on from
 *   max_tokens   goes down by the tokens sent
 *
 * Everything else stays as the client wrote it, thus also what chat completions have no words for.
 * Refused (-ENOTSUP): thinking and an answer by a schema, which the API does not begin for its client; a
 * last message that is the assistant's already; no text; max_tokens used up. Pure but for the growing of
 * sl_text; any thread. Source: Anthropic API reference (messages: prefilled answers).
 */
#ifndef SL_USER_WIRE_MESSAGES_CONTINUE_H
#define SL_USER_WIRE_MESSAGES_CONTINUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/text.h"

struct sl_messages_continue {
	const char *text; /* of the answer so far, not escaped, without blanks at its end */
	size_t text_len;
	uint64_t tokens; /* that it has */
};

/* True where the request has nothing in it that would make sl_messages_continue_write refuse it. */
bool sl_messages_continue_may(const char *body, size_t body_len);

/* Appends the body. Returns 0, -ENOTSUP, or the error of *out. */
int sl_messages_continue_write(const char *body, size_t body_len,
			       const struct sl_messages_continue *how, struct sl_text *out);

#endif
