/* SPDX-License-Identifier: BSD-2-Clause */
/* config_eval.h - `feedback`, `evaluation`, `routes[].evaluate`: what answers are worth, and what follows. */
#ifndef SL_BASE_CONFIG_EVAL_H
#define SL_BASE_CONFIG_EVAL_H

#include <stdint.h>
#include "user/base/config_item.h"

/* feedback */
struct sl_config_feedback {
	uint32_t on;
	const char *path; /* of the ratings; NULL: forgotten with the process */
	uint32_t per_minute;
	uint32_t comments; /* 1: kept, screened */
	uint32_t keep_days;
};

/* evaluation: what all routes share */
struct sl_config_evaluation {
	uint32_t answers_per_minute;
	uint32_t tokens_per_minute; /* of judges; 0: no bound, as the next */
	uint64_t tokens_per_day;
	uint32_t queue; /* answers that wait */
	uint32_t parallel;
	uint32_t load;	     /* per cent of a judge's places, above which it is not asked */
	const char *pick_by; /* tenants whose keys may pick pools and versions; NULL: nobody */
	const char *not_of;  /* tenants with commas between them; NULL: none */
};

enum sl_config_eval_context {
	SL_CONFIG_EVAL_DOCUMENTS = 0, /* that the route retrieved */
	SL_CONFIG_EVAL_MESSAGES,      /* what the conversation says, but the assistant's part */
	SL_CONFIG_EVAL_NO_CONTEXT,
};

/* routes[].evaluate; shares in billionths */
struct sl_config_route_evaluate {
	uint64_t sample;   /* 0: none is looked at */
	uint64_t rollouts; /* of those in a roll-out */
	uint64_t poor;	   /* of bad answers, above which a notice is told; 0: never */
	uint32_t rare_ms;
	uint32_t context;   /* enum sl_config_eval_context */
	uint64_t relevance; /* least likeness of question and answer; 0: not looked at */
	uint32_t judge;	    /* pool and 1; 0: none */
	uint32_t judge_ms;
	const char *rubric; /* what the judge is told to look for; NULL: the usual */
	uint32_t steer;	    /* 1: results move weights between its first two pools */
	uint64_t steer_floor, steer_step;
	uint32_t steer_every_ms;
};

#endif
