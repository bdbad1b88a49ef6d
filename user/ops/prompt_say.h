/* SPDX-License-Identifier: BSD-2-Clause */
/* prompt_say.h - what the admin socket says of prompts, and does to them. Thread: control. */
#ifndef SL_OPS_PROMPT_SAY_H
#define SL_OPS_PROMPT_SAY_H

#include "user/base/text.h"
#include "user/store/prompts.h"

/*
 * words: FORMAT ("json" or "text"), then "list", "promote ID VERSION LABEL" or "rollback ID". Appends the
 * answer, or '!' and what is wrong. prompts NULL: there are none.
 */
void sl_prompt_say(struct sl_prompts *prompts, char *words, struct sl_text *text);

#endif
