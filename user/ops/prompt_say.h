/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prompt_say.h - what is asked about prompts and done to them, by `sluice prompt` and by HTTP.
 *
 *   list [ID]                                every version
 *   show ID [VERSION]                        its text
 *   diff ID [FROM [TO]]                      what is different, as `diff -u` says it
 *   push ID                                  the body becomes a version
 *   promote ID VERSION [LABEL]               LABEL: stable
 *   rollback ID
 *
 * ID@VERSION stands for the two of them. A VERSION is the first digits of one, or a label; without it
 * stable is meant, and of TO the newest. Thread: control.
 */
#ifndef SL_OPS_PROMPT_SAY_H
#define SL_OPS_PROMPT_SAY_H

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/store/prompts.h"

#define SL_PROMPT_WORDS_MAX 6u

struct sl_prompt_ask {
	const char *words[SL_PROMPT_WORDS_MAX];
	uint32_t count;
	bool json;
	struct sl_span body;
	const char *who;
};

/*
 * Appends the answer. 0, or -errno with an error: -EINVAL the words or the text are wrong, -ENOENT no such
 * prompt or version, or what the disk says. prompts NULL: there are none.
 */
int sl_prompt_do(struct sl_prompts *prompts, const struct sl_prompt_ask *ask, struct sl_text *text,
		 struct sl_error *error);

/* The same for a line: FORMAT ("json" or "text") and the words. On an error the answer is '!' and why. */
void sl_prompt_say(struct sl_prompts *prompts, char *line, struct sl_span body, const char *who,
		   struct sl_text *text);

#endif
