/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * evaluate.h - a share of a route's answers is set aside to be looked at beside the clients (ops/eval.h).
 *
 *	a whole answer goes out (kept), a stream ends well (filter), a kept answer is given (given)
 *	   private?   the client says no (x-sluice-evaluate: no, Cache-Control: no-store), its tenant
 *	              is in evaluation.not_of, personal data was taken out of question or answer: never
 *	   its turn?  by its stratum (policy/strata.h)
 *	   -> a copy of question, context and answer -> a list of `evaluation.queue` -> ops/eval.c
 *
 *	not set aside                counted as
 *	the list is full             full
 *	a text over SL_EVAL_BYTES    long
 *	calls tools, cut, refused    form
 *
 * What an exact copy of an earlier answer is (routes[].cache) was set aside then, or not; it is not seen here.
 * A request whose turn it is not costs some atomic additions; one whose turn it is some copies and an
 * allocation. No lock.
 *
 * Besides: which of a route's first two pools is asked first, as the results have it (steer): a share of
 * those who ask gets the second, the same ones each time.
 *
 * Threads: the loops'; what is below `the reader`, the control thread.
 */
#ifndef SL_STAGE_EVALUATE_H
#define SL_STAGE_EVALUATE_H

#include "user/policy/strata.h"
#include "user/stage/stage.h"

#define SL_EVAL_ROUTES_MAX 256u /* by struct sl_stage, number; those past the end have none */
#define SL_EVAL_BYTES	   (64u << 10) /* of question, of answer */
#define SL_EVAL_CONTEXT	   (256u << 10)

enum sl_eval_drop {
	SL_EVAL_DROP_FULL = 0,
	SL_EVAL_DROP_PRIVATE,
	SL_EVAL_DROP_LONG,
	SL_EVAL_DROP_FORM,
	SL_EVAL_DROP_MEMORY,
	SL_EVAL_DROPS
};

/* An answer that is to be looked at; one block of memory, for free(). */
struct sl_eval_sample {
	struct sl_eval_sample *next;
	uint32_t number; /* of the route */
	uint32_t weight; /* requests that it stands for */
	uint64_t prompt_version;
	uint32_t index_version;
	uint8_t pool; /* slot; 0: a kept answer */
	uint8_t rollouts[SL_ROLLOUT_KINDS];
	bool stream, degraded;
	bool shadow; /* nobody got it: of a roll-out alone, see request/shadowed.h */
	char id[65]; /* of the request */
	struct sl_span question, context, answer;
	struct sl_span response_format; /* of the request, as it is; empty: none */
	char *own_answer;		/* a stream's, apart; or NULL */
};

void sl_eval_sample_free(struct sl_eval_sample **sample);

struct sl_evals;

/* NULL without memory. */
struct sl_evals *sl_evals_open(void);
void sl_evals_close(struct sl_evals **evals);

/* ---- stages, see request/stages.c ------------------------------------------------------------- */

bool sl_evaluate_wanted(const struct sl_config_route *route);
enum sl_stage_verdict sl_evaluate_steer(struct sl_stage *stage);
void sl_evaluate_kept(struct sl_stage *stage);
/* stage->answer is about to be given. */
void sl_evaluate_given(struct sl_stage *stage);
int sl_evaluate_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter);

/*
 * A roll-out's candidate is asked beside this request: what is to become of its answer, or NULL: its turn has not
 * come. The caller's; push takes it, whatever the answer is.
 */
struct sl_eval_sample *sl_evaluate_shadow(struct sl_stage *stage, enum sl_rollout_kind kind);
void sl_evaluate_push_shadow(struct sl_evals *evals, struct sl_eval_sample **sample,
			     struct sl_span answer);

/* ---- the reader -------------------------------------------------------------------------------- */

/* What may wait; room for a route's strata. */
void sl_evals_set_queue(struct sl_evals *evals, uint32_t most);
int sl_evals_prepare(struct sl_evals *evals, uint32_t number);

/* The oldest that waits, or NULL. The caller's. */
struct sl_eval_sample *sl_evals_take(struct sl_evals *evals);
uint32_t sl_evals_waiting(const struct sl_evals *evals);

uint64_t sl_evals_dropped(const struct sl_evals *evals, enum sl_eval_drop why);
void sl_evals_drop(struct sl_evals *evals, enum sl_eval_drop why);
const char *sl_eval_drop_name(enum sl_eval_drop why);

/* Of SL_STRATA_SHARES, that asks the route's second pool first; 0: none. */
void sl_evals_steer(struct sl_evals *evals, uint32_t number, uint32_t share);

#endif
