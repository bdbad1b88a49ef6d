/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chat_swap.h - a chat completion as it would be with another prompt, for who is asked beside. Pure; any thread.
 */
#ifndef SL_WIRE_CHAT_SWAP_H
#define SL_WIRE_CHAT_SWAP_H

#include "user/base/text.h"
#include "user/wire/openai.h"

/* What a prompt puts into a request. */
struct sl_chat_prompt {
	struct sl_span messages; /* a JSON array */
	struct sl_span members;	 /* a JSON object: parameters */
};

/* Writes the body without what makes it a stream; out: empty. 0, -ENOMEM, -E2BIG. */
int sl_chat_whole(const struct sl_openai_request *facts, struct sl_text *out);

/*
 * Writes the body, without what makes it a stream, into out, which is empty, with `to` in the place of `from`. What was put between the
 * messages of `from` since (documents, as a message of the system) comes behind the system's messages that `to` begins
 * with. 0; -ENOENT: the messages of `from` are not in it as they were, in their order; -EINVAL: one of the two is not
 * what it should be; -ENOMEM, -E2BIG.
 */
int sl_chat_swap(const struct sl_openai_request *facts, const struct sl_chat_prompt *from,
		 const struct sl_chat_prompt *to, struct sl_text *out);

#endif
