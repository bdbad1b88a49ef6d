/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prompt.h - the stage that puts a stored prompt (store/prompts.h) before a request's messages.
 *
 *	{"model": "...", "prompt": {"id": "...", "version": "...", "label": "...", "variables": {...}},
 *	 "messages": [...]}
 *
 *   version              is
 *   named                that one
 *   a label named        the label's
 *   neither              the canary one for the route's share of canaries, where there is one (by session,
 *                        user, key or conversation: policy/share.h); else the label of the route
 *
 *   step                 when
 *   (the version)        it renders and is within its budgets (policy/burn.h)
 *   known-good           it does not render, is not readable, has burnt a budget, or fails its suite
 *                        and was not forced
 *   400                  neither renders with these variables
 *
 * The body becomes the template's messages, then the request's own; parameters of the template count
 * where the request does not say. A version is held until the request ends, and told how it ended.
 * Thread: the loop's.
 */
#ifndef SL_STAGE_PROMPT_H
#define SL_STAGE_PROMPT_H

#include "user/policy/burn.h"
#include "user/stage/stage.h"

/* Does the route have prompts at all? */
static inline bool sl_prompt_stage_wanted(const struct sl_config_route *route)
{
	return route->prompt.id || route->prompt.requests;
}

enum sl_stage_verdict sl_prompt_stage_run(struct sl_stage *stage);

/*
 * stage->shadows[SL_ROLLOUT_PROMPT]: the body as it is by now, as it would be with the candidate version, into out.
 * 0; -EBADMSG: the candidate cannot be rendered; -ENOENT: the body has changed too much to tell; -ENOMEM.
 */
int sl_prompt_stage_shadow(struct sl_stage *stage, struct sl_text *out);

/* How the request ended; once. A request without a prompt: nothing. */
void sl_prompt_stage_note(struct sl_stage *stage, enum sl_burn_outcome outcome);

/*
 * The same for a stream whose end is still to be seen: what is to be told, for who sees it. The stage tells
 * nothing more. NULL: there is nothing to tell, it was told, or there is no memory (then the stage tells).
 */
struct sl_prompt_late;
struct sl_prompt_late *sl_prompt_stage_defer(struct sl_stage *stage);

/* Tells it, and frees it. NULLs the pointer; NULL is fine. */
void sl_prompt_late_note(struct sl_prompt_late **late, enum sl_burn_outcome outcome);

/* Lets go of what the stage holds. Idempotent. */
void sl_prompt_stage_end(struct sl_stage *stage);

#endif
