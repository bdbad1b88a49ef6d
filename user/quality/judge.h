/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * judge.h - how a model is asked whether a text is good, and how its word is read.
 *
 * What is judged goes as members of one JSON object, so that none of the texts can end its place and speak to
 * the judge as the rule does. Only the one word or the other counts. Pure; any thread.
 */
#ifndef SL_QUALITY_JUDGE_H
#define SL_QUALITY_JUDGE_H

#include "user/base/text.h"

#define SL_JUDGE_BODY_BYTES_MAX (4u << 20)

enum sl_judge_verdict {
	SL_JUDGE_SILENT = 0, /* it says neither */
	SL_JUDGE_PASS,
	SL_JUDGE_FAIL,
};

/*
 * The body of a chat completion that asks whether the answer is good by the rubric (NULL: the usual one).
 * context may be empty. out: not yet made; its error tells of a failure.
 */
void sl_judge_write_answer(const char *rubric, struct sl_span question, struct sl_span context,
			   struct sl_span answer, struct sl_text *out);

/* The same, whether the context says what the sentence says. */
void sl_judge_write_sentence(struct sl_span context, struct sl_span sentence, struct sl_text *out);

/* "PASS." is one; more than the word is none. body: a chat completion. */
enum sl_judge_verdict sl_judge_read(struct sl_span body);

#endif
