/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retrieve_judge.h - a model is asked whether documents say what a sentence says: yes or no.
 *
 * The pool is the route's `retrieve.judge`, asked through the one upstream engine, once, within
 * `retrieve.judge_timeout`. What is neither yes nor no, is late or fails is no judgement, and a failure of
 * its node; where clients' requests go to the same pool, what it says is none (sl_stage_pool_is_asked()).
 * Thread: the loop's, on a fiber.
 */
#ifndef SL_STAGE_RETRIEVE_JUDGE_H
#define SL_STAGE_RETRIEVE_JUDGE_H

#include "user/quality/grounded.h"
#include "user/stage/stage.h"

struct sl_retrieve_judge {
	struct sl_stage *stage;
	struct sl_span context;
	bool failed; /* it was asked, and did not tell */
	int said;    /* of the last answer */
};

/* "Yes." is 1, "no" 0, anything else -EIO. */
int sl_retrieve_judge_read(struct sl_span body);

/* For sl_grounded_settle(): owner is a struct sl_retrieve_judge. 1, 0, or -EIO. */
int sl_retrieve_judge_ask(void *owner, const struct sl_grounded_claim *claim);

#endif
