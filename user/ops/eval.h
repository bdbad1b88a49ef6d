/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eval.h - the part of the watch that looks at answers which stages set aside (stage/evaluate.h), and draws
 * conclusions.
 *
 *	the list -> a fiber of the control thread's loop, `evaluation.parallel` at once, within the minute's
 *	            `answers_per_minute`
 *	   -> the pool of threads: personal data? then it is dropped; format; groundedness (quality/grounded.h);
 *	      likeness of question and answer
 *	   -> the judge, where the route has one and its budget, its load and its fuse allow: first the sentences
 *	      that are in doubt, then the answer by the rubric
 *	   -> sl_watch's turn: sums of the route and model, signals to roll-outs, weights between pools, a notice
 *
 *	measure    bad is
 *	format     not what response_format asks for, or empty
 *	grounded   a sentence that its context does not support: a hallucination
 *	relevant   less like its question than routes[].evaluate.relevance
 *	judged     the judge says FAIL
 *
 * An answer is bad when any of them is. Sums are weighted (policy/rate.h), a route's over all its models as
 * well as of each. Nothing of an answer is kept but these.
 *
 * No request waits for any of this: it costs threads of the pool, which have the lowest priority there is
 * (what is full is left out), and places of the judge that nobody else wants now.
 *
 * Thread: control; write_metrics: any.
 */
#ifndef SL_OPS_EVAL_H
#define SL_OPS_EVAL_H

#include "user/ops/watch.h"

/* On the admin socket: "eval FORMAT status". */
extern const struct sl_watch_part sl_eval_part;

#endif
