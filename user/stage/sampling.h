/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sampling.h - a route's fixed sampling (routes[].sampling): temperature, seed and their like are what the
 * configuration says, so that the same question gets the same answer, and a change of the answers is a
 * change of the model.
 *
 *   the request says   mode pin               mode default     mode refuse
 *   nothing, null      the route's value      the same         the same
 *   the same number    goes on                goes on          goes on
 *   something else     the route's value      goes on          400 invalid_value, which names it
 *
 * Of chat completions and completions. A request that cannot be told as a chat (stage->fixed) keeps its
 * body: mode default lets it, the others refuse it, for what they promise could not be kept. A name in
 * letters of another case, or twice, which one server reads and another does not, is refused.
 *
 * Told: the answer's header x-sluice-sampling names what was fixed ("temperature, seed=overruled"),
 * `sluice explain` has an event for each. It is no step down a ladder. It comes before the caches, whose
 * key covers it. Thread: the loop's; sl_sampling_write() any.
 */
#ifndef SL_STAGE_SAMPLING_H
#define SL_STAGE_SAMPLING_H

#include "user/stage/stage.h"

struct sl_sampling_done {
	uint32_t set;	       /* bit by enum sl_sampling: the request said nothing */
	uint32_t overruled;    /* the same: it said something else */
	enum sl_sampling what; /* -EPERM: is not the route's; -EINVAL: is not right */
};

/*
 * Appends the body with the route's values. Nothing to change: appends nothing, and *ret_done is all 0.
 * Returns 0, -EPERM (mode refuse), -EINVAL (a value's name twice or in other letters), -ENOMEM.
 */
int sl_sampling_write(struct sl_span body, const struct sl_config_sampling *sampling,
		      struct sl_text *out, struct sl_sampling_done *ret_done);

enum sl_stage_verdict sl_sampling_run(struct sl_stage *stage);

#endif
