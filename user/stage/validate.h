/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * validate.h - may it go in, and may it come out?
 *
 *   before   personal data in the question: taken out, or 400; schemas that are not supported: 400
 *   after    is the answer one, and as its schema says? else, each step once tried and counted:
 *              the same pool once more, told what was wrong      validate=repaired
 *              the next pool of the route, told the same         validate=model
 *              a refusal in place of the answer                  validate=refused
 *            personal data in it: taken out, or the refusal
 *   filter   the same for streams, which cannot be asked for again: what breaks a rule ends the stream
 *            with an error event
 *
 * A request that nobody can tell as a chat completion (stage->fixed) would get an answer that cannot be
 * looked at: on a route with checks of answers it is refused. Thread: the loop's.
 */
#ifndef SL_STAGE_VALIDATE_H
#define SL_STAGE_VALIDATE_H

#include "user/stage/stage.h"

bool sl_validate_wanted(const struct sl_config_route *route);

enum sl_stage_verdict sl_validate_before(struct sl_stage *stage);
enum sl_stage_verdict sl_validate_after(struct sl_stage *stage);
/*
 * Would it step in, were stage->reply.body the answer to stage->facts? Beside a request: nothing is asked or changed.
 * Whoever moderates is not asked, and chunks that were given to the model are not known.
 */
bool sl_validate_minds(struct sl_stage *stage);
int sl_validate_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter);
/* The filter behind it, of routes that moderate answers: validate_moderated.c. */
int sl_validate_moderated(struct sl_stage *stage, struct sl_stage_filter **ret_filter);

#endif
