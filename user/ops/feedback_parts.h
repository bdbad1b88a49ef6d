/* SPDX-License-Identifier: BSD-2-Clause */
/* feedback_parts.h - what feedback.c and feedback_say.c share. */
#ifndef SL_OPS_FEEDBACK_PARTS_H
#define SL_OPS_FEEDBACK_PARTS_H

#include <pthread.h>
#include "user/ops/feedback.h"
#include "user/store/journal.h"
#include "user/store/ratings.h"

/* Ratings of a route, a model and a version of a prompt. */
struct sl_feedback_group {
	uint16_t route;
	uint8_t pool;
	uint64_t prompt_version;
	uint64_t good, bad, neutral; /* ratings of all time, those that replaced another one too */
	int64_t score_sum;	     /* thousandths, of the scores that are remembered */
	uint32_t scored;
};

struct sl_feedback_part {
	struct sl_watch_place place;
	struct sl_ratings *ratings;
	struct sl_journal *journal;
	pthread_mutex_t lock; /* of groups and count, for write_metrics() */
	struct sl_feedback_group groups[SL_FEEDBACK_GROUPS_MAX];
	uint32_t group_count;
	uint64_t saved_ms;
	bool on;
	bool stopped; /* another process has the file */
};

#define SL_FEEDBACK_VERSION_BYTES 17u

/* Names as they are now; "" where there is none. The version's first digits go into the room. */
const char *sl_feedback_route(const struct sl_feedback_part *part, uint32_t route);
const char *sl_feedback_pool(const struct sl_feedback_part *part, uint32_t pool);
const char *sl_feedback_prompt(uint64_t version, char room[SL_FEEDBACK_VERSION_BYTES]);

/* 0 to 1; without scores -1. */
double sl_feedback_satisfaction(const struct sl_feedback_group *group);

/* One line of JSON, as `list --json` shows it and the file has it. */
void sl_feedback_put_json(const struct sl_feedback_part *part, const struct sl_rating *rating,
			  struct sl_text *text);

/* feedback_say.c */
void sl_feedback_say(void *part, const struct sl_admin_ask *ask, struct sl_text *text);
void sl_feedback_write_metrics(void *part, struct sl_text *text);

#endif
