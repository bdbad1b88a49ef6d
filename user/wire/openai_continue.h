/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * openai_continue.h - from a request and the beginning of its answer to one for the rest.
 *
 *   chat           messages get a last one, {"role":"assistant","content":TEXT};
 *                  "continue_final_message":true,"add_generation_prompt":false are added (the names
 *                  that vLLM and SGLang know)
 *   completions    TEXT is added to the prompt
 *   both           max_tokens, max_completion_tokens and min_tokens go down by the tokens sent
 *
 * Refused (-ENOTSUP), because the rest would not fit to what was sent: a last message that is the
 * assistant's already, either of the two fields set by the client, structured output under any name
 * (a grammar begins anew in the rest), several prompts or tokens for a prompt, `echo`, `suffix`, and a
 * max_tokens that is used up. Pure; any thread.
 */
#ifndef SL_USER_WIRE_OPENAI_CONTINUE_H
#define SL_USER_WIRE_OPENAI_CONTINUE_H

#include "user/base/text.h"
#include "user/wire/openai.h"

struct sl_openai_continue {
	const char *text; /* of the answer so far, not escaped */
	size_t text_len;
	uint64_t tokens;	/* that it has */
	const char *model_json; /* as for sl_openai_request_edits(); NULL: as it is */
	size_t model_json_len;
};

/* True where the request has nothing in it that would make sl_openai_continue_write refuse it. */
bool sl_openai_continue_may(const struct sl_openai_request *request);

/* Appends the body. Returns 0, -ENOTSUP, or the error of *out. */
int sl_openai_continue_write(const struct sl_openai_request *request,
			     const struct sl_openai_continue *how, struct sl_text *out);

#endif
