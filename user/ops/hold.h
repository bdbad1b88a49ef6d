/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hold.h - may a version of a prompt be rolled out now? Not while a pool that it goes to has a model that
 * has changed (the board of policy/drift.h): what is seen then could be of the one or of the other.
 *
 * It goes to all pools of the routes that bind the prompt; where none does, to those of the route that its
 * text names (@model). A prompt that requests bring by themselves is held by nothing. Thread: control.
 */
#ifndef SL_OPS_HOLD_H
#define SL_OPS_HOLD_H

#include "user/base/error.h"
#include "user/policy/drift.h"
#include "user/request/routes.h"
#include "user/store/prompts.h"

/* 0; or -EBUSY with an error that names the pool, which is counted unless forced: then the caller goes on.
 * board or routes NULL: 0. */
int sl_hold_check(struct sl_drift_board *board, const struct sl_routes *routes,
		  const struct sl_prompt *prompt, const struct sl_prompt_version *version,
		  bool forced, struct sl_error *error);

#endif
