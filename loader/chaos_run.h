/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_run.h - one experiment from its plan to its result: look before, begin, watch, end, wait for the recovery.
 *
 *   plan -> look on for before_us -> begin -> watch: every SL_CHAOS_TICK_MS renew the lease, take a sample, look whether an
 *                    abort condition has come true -> end -> wait until the nodes are used again
 *
 * An experiment `lag` holds packets back meanwhile, in a thread of its own (lag.h).
 *
 * It ends early by Ctrl-C, an abort condition, `sluice chaos stop` or its last hit. Whatever kills the
 * command, the lease ends the experiment. One at a time in a process, by one thread.
 */
#ifndef SL_LOADER_CHAOS_RUN_H
#define SL_LOADER_CHAOS_RUN_H

#include "loader/chaos.h"
#include "loader/chaos_judge.h"

#define SL_CHAOS_TICK_MS 250u
#define SL_CHAOS_SAMPLES_MAX \
	1200u /* then every other one is forgotten, and half as many are taken */
#define SL_CHAOS_TITLE_BYTES 128u
#define SL_CHAOS_ORDER_BYTES 400u

struct sl_chaos_plan {
	char title[SL_CHAOS_TITLE_BYTES]; /* of a game day's step, or made of kind and aim */
	const struct sl_chaos_word *word;
	char aimed_at[64]; /* "node 10.0.0.7:8000", "pool chat", "zone east", "region north" */
	struct sl_chaos_aim aim; /* none of requests: the daemon takes it, see the result */
	char order[SL_CHAOS_ORDER_BYTES]; /* of requests: "error pool=chat status=503" */
	const char *begin, *end;	  /* commands, borrowed */
	uint32_t share;			  /* of SL_CHAOS_ALL */
	uint8_t ways;
	uint64_t before_us; /* look on for so long, to know what is usual */
	uint64_t duration_us;
	uint64_t recover_us; /* wait so long for the nodes, at most */
	uint64_t hits_max;
	uint64_t delay_us, jitter_us; /* of `lag` */
	uint32_t limit_percent;
	bool despite_burn;
	const char
		*daemon_socket; /* borrowed; asked how clients fare, and told, where one answers */
	struct sl_chaos_conditions hypothesis;
	struct sl_chaos_conditions abort; /* any of them that holds ends it */
};

enum sl_chaos_ending {
	SL_CHAOS_RAN = 0,     /* its whole time */
	SL_CHAOS_SPENT,	      /* the hits that it may have */
	SL_CHAOS_ABORTED,     /* a condition came true */
	SL_CHAOS_STOPPED,     /* by another command */
	SL_CHAOS_INTERRUPTED, /* Ctrl-C */
};

/* What was seen at one moment; numbers since the first one. */
struct sl_chaos_sample {
	double at_s; /* below 0: before it began */
	uint64_t hits;
	uint64_t requests;
	uint64_t errors;
	uint32_t open;
	uint32_t half_open;
	double p50_s, p99_s; /* first tokens since the sample before; 0: there were none */
};

/* What was usual before. */
struct sl_chaos_steady {
	double for_s; /* 0: nobody looked */
	uint64_t requests, errors;
	double p50_s, p99_s; /* 0: no sample */
};

struct sl_chaos_result {
	const struct sl_chaos_plan *plan;
	uint64_t wall_s; /* when it began */
	double ran_s;
	enum sl_chaos_ending ending;
	char why[128]; /* the condition that aborted it */
	uint64_t seen;
	uint64_t hits;
	struct sl_lag lag;	 /* of `lag`: what became of what was held back */
	struct sl_chaos_aim aim; /* the nodes that were meant; none: of a store, or of commands */
	struct sl_chaos_steady steady;
	struct sl_chaos_measure measure;
	enum sl_chaos_verdict verdict;
	struct sl_chaos_sample samples[SL_CHAOS_SAMPLES_MAX];
	uint32_t sample_count;
	uint32_t sample_every; /* ticks */
};

/*
 * Runs it. A result of about 50 kB: not for a stack. SL_EXIT_OK, also when the hypothesis is broken;
 * SL_EXIT_FAILED after a message when it could not begin.
 */
int sl_chaos_run(const struct sl_view *view, const struct sl_chaos_plan *plan,
		 struct sl_chaos_result *ret_result);

/* Begins it and leaves it alone: it ends by itself when its time is over. Errors as above. */
int sl_chaos_leave(const struct sl_view *view, const struct sl_chaos_plan *plan,
		   uint32_t *ret_number);

const char *sl_chaos_ending_name(enum sl_chaos_ending ending);

#endif
