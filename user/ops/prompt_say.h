/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prompt_say.h - what is asked about prompts and done to them, by `sluice prompt` and by HTTP.
 *
 *   list [ID]                                every version
 *   show ID [VERSION]                        its text
 *   diff ID [FROM [TO]]                      what is different, as `diff -u` says it
 *   push ID                                  the body becomes a version
 *   promote ID VERSION [LABEL] [force]       LABEL: stable; force: whatever its suite says, and whatever
 *                                            model has changed
 *   rollback ID
 *   test ID [VERSION [MODEL]]                begins its regression suite (suites.h)
 *   report ID [VERSION]                      how that ended
 *
 * ID@VERSION stands for the two of them. A VERSION is the first digits of one, or a label; without it
 * stable is meant, and of TO the newest. Thread: control.
 */
#ifndef SL_OPS_PROMPT_SAY_H
#define SL_OPS_PROMPT_SAY_H

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/ops/suites.h"
#include "user/store/prompts.h"

#define SL_PROMPT_WORDS_MAX 6u

struct sl_prompt_ask {
	const char *words[SL_PROMPT_WORDS_MAX];
	uint32_t count;
	bool json;
	struct sl_span body;
	const char *who;
	/* Both NULL: suites cannot be run. */
	struct sl_suites *suites;
	struct sl_routes *routes;
	struct sl_drift_board *drift; /* which pools hold a promotion up (hold.h); NULL: none */
};

/*
 * Appends the answer. 0; 1: the suite is running, the answer says how far it has come
 * ("HASH DONE COUNT", or JSON); or -errno with an error: -EINVAL the words or the text are wrong, -ENOENT no such
 * prompt or version, -EBUSY it is held up (hold.h), or what the disk says. prompts NULL: there are none.
 */
int sl_prompt_do(struct sl_prompts *prompts, const struct sl_prompt_ask *ask, struct sl_text *text,
		 struct sl_error *error);

/*
 * The same for a line: FORMAT ("json" or "text") and the words, which fill ask's in. An answer of a suite
 * that is running has '~' before it; on an error it is '!' and why.
 */
void sl_prompt_say(struct sl_prompts *prompts, char *line, struct sl_prompt_ask *ask,
		   struct sl_text *text);

#endif
