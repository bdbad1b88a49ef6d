/* SPDX-License-Identifier: BSD-2-Clause */
/* eval_parts.h - what eval.c, eval_look.c and eval_say.c share. */
#ifndef SL_OPS_EVAL_PARTS_H
#define SL_OPS_EVAL_PARTS_H

#include <pthread.h>
#include "user/ops/eval.h"
#include "user/policy/allowance.h"
#include "user/policy/fuse.h"
#include "user/policy/gates_lexicon.h"
#include "user/policy/rate.h"
#include "user/policy/steer.h"
#include "user/stage/evaluate.h"
#include "user/upstream/upstream.h"

#define SL_EVAL_GROUPS_MAX 256u /* of route and model; what is beyond is not summed up */
#define SL_EVAL_JUDGES_MAX 16u

enum sl_eval_measure {
	SL_EVAL_FORMAT = 0,
	SL_EVAL_GROUNDED,
	SL_EVAL_RELEVANT,
	SL_EVAL_JUDGED,
	SL_EVAL_ANY, /* of the above */
	SL_EVAL_MEASURES
};

/* What was found. Good and bad are told where it was looked at. */
enum sl_eval_verdict { SL_EVAL_UNKNOWN = 0, SL_EVAL_GOOD, SL_EVAL_BAD };

/* Why a judge did not say anything. */
enum sl_eval_silence {
	SL_EVAL_SILENT_BUDGET = 0, /* the minute's or the day's tokens are used up */
	SL_EVAL_SILENT_BUSY,	   /* its nodes have enough to do */
	SL_EVAL_SILENT_FUSE,	   /* it has not been useful */
	SL_EVAL_SILENT_FAILED,	   /* the call */
	SL_EVAL_SILENT_WORDS,	   /* neither of the two words, twice */
	SL_EVAL_SILENCES
};

struct sl_eval_part;

/* One answer under way, or looked at. */
struct sl_eval_look {
	struct sl_eval_look *next;
	struct sl_eval_part *part;
	struct sl_eval_sample *sample;
	struct sl_routes *routes;
	const struct sl_route *route;
	struct sl_fiber *fiber;
	enum sl_eval_verdict found[SL_EVAL_MEASURES];
	bool is_private, failed;
};

struct sl_eval_group {
	uint32_t number; /* of the route */
	uint8_t pool;	 /* 0: kept answers */
	struct sl_rate of[SL_EVAL_MEASURES];
};

/* Of a route, by its number. */
struct sl_eval_route {
	struct sl_rate of[SL_EVAL_MEASURES];
	struct sl_steer steer;
	bool poor;
};

struct sl_eval_judge {
	uint32_t pool; /* its slot; 0: free */
	struct sl_fuse fuse;
};

struct sl_eval_part {
	struct sl_watch_place place;
	struct sl_upstream up;
	struct sl_routes *routes;
	struct sl_evals *evals;
	const struct sl_gates_lexicon *lexicon;
	struct sl_eval_look *running, *done; /* lists; done: to be added up */
	uint32_t running_count;
	bool stopping; /* also what fibers look at */
	bool on;       /* a route wants it */
	struct sl_eval_judge judges[SL_EVAL_JUDGES_MAX];
	struct sl_allowance allowance;

	pthread_mutex_t lock;		 /* of all below, for write_metrics() */
	struct sl_eval_route *of_routes; /* SL_EVAL_ROUTES_MAX */
	struct sl_eval_group groups[SL_EVAL_GROUPS_MAX];
	uint32_t group_count;
	uint64_t looked, failed;
	uint64_t judge_answers, judge_tokens;
	uint64_t silences[SL_EVAL_SILENCES];
	uint32_t blown;			  /* judges whose fuse is */
	bool spent[SL_ALLOWANCE_PERIODS]; /* tokens of judges, as far as was needed */
};

/* eval_look.c: on a fiber; fills `found` in. */
void sl_eval_look_run(struct sl_eval_look *look);

/* eval_judge.c: on a fiber. */
enum sl_eval_verdict sl_eval_judge_answer(struct sl_eval_look *look, struct sl_span question,
					  struct sl_span context, struct sl_span answer);
/* One sentence: 1 the context says so, 0 it does not, -EIO. */
int sl_eval_judge_sentence(struct sl_eval_look *look, struct sl_span context,
			   struct sl_span sentence);

/* eval.c */
struct sl_allowance_rules sl_eval_rules(const struct sl_config_evaluation *config);

/* eval_say.c */
const char *sl_eval_measure_name(enum sl_eval_measure measure);
const char *sl_eval_silence_name(enum sl_eval_silence silence);
void sl_eval_say(void *part, const struct sl_admin_ask *ask, struct sl_text *text);
void sl_eval_write_metrics(void *part, struct sl_text *text);

#endif
