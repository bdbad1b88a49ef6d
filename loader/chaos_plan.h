/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_plan.h - from the words of an operator, on the command line or in a game day's file, to a plan.
 */
#ifndef SL_LOADER_CHAOS_PLAN_H
#define SL_LOADER_CHAOS_PLAN_H

#include "loader/chaos_run.h"

/* What was written; NULL where nothing was. Borrowed. */
struct sl_chaos_words_of {
	const char *title;
	const char *about; /* for people: what is done, and why */
	const char *kind;
	const char *node;
	const char *pool;
	const char *zone;
	const char *region;
	const char *between; /* two zones, with a comma: one of them is this host's */
	const char *store;
	const char *config; /* file that says which nodes a zone has, for packets */
	const char *share;
	const char *way; /* to, from, both */
	const char *duration;
	const char *recover;
	const char *hits;
	const char *limit;
	const char *nodes;
	const char *status; /* of experiments on requests, as the next six */
	const char *delay;  /* of `lag`, too */
	const char *jitter;
	const char *after;
	const char *how;
	const char *checks;
	const char *despite_burn;
	const char *begin; /* of a game day's commands */
	const char *end;
	const char *before;
	const char *hypothesis;
	const char *abort;
	const char *daemon_socket;
};

#define SL_CHAOS_DURATION_DEFAULT_US 30000000ull
#define SL_CHAOS_RECOVER_DEFAULT_US  60000000ull
#define SL_CHAOS_LAG_DEFAULT_US	     100000ull
#define SL_CHAOS_LAG_MAX_US	     10000000ull

/*
 * Exactly one of node, pool, zone, region, between and store is needed, but for commands. What experiments on requests may say, and
 * whom they mean, the daemon knows (policy/strike.h): it is written down for it. Says on stderr what is wrong, which the words name:
 * SL_EXIT_FAILED.
 */
int sl_chaos_plan_make(const struct sl_view *view, const struct sl_chaos_words_of *words,
		       struct sl_chaos_plan *ret_plan);

#endif
