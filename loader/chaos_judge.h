/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_judge.h - the conditions of a hypothesis: what may be claimed, and whether it held.
 *
 *	client errors < 0.1%, p99 ttft < 2s, open nodes <= 1, recovery < 10s, drop_no_node = 0
 *
 *   client errors   requests that ended badly for the client, of all; where the daemon serves none,
 *                   new connections of the fast lane that were refused
 *   requests        of clients, or new connections
 *   pNN ttft        time to the first token or byte of those requests
 *   open nodes      nodes with an open breaker at the same time, at most
 *   recovery        from the end of the experiment until no node that it meant is left alone
 *   detection       from the beginning until a breaker of the nodes is not closed, or sluice did something
 *   probes          half-open ones that the daemon sent
 *   opens           how often breakers opened
 *   did NAME        how often sluice did it: retries, fallbacks, resumed, hedges, shed, cached, or a step of a
 *                   ladder as stage:step
 *   COUNTER         of counters.def, by how much it rose
 *
 * Operators: < <= > >= =. A number may be a share (%), a duration or plain. What could not be measured
 * is neither held nor broken; of errors, requests and ttft that is so when the daemon that was there at the
 * beginning is not, or was started anew. Pure but for the clock of nobody.
 */
#ifndef SL_LOADER_CHAOS_JUDGE_H
#define SL_LOADER_CHAOS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "user/base/error.h"

#define SL_CHAOS_CONDITIONS_MAX 16u
#define SL_CHAOS_TTFT_BUCKETS	SL_LATENCY_BUCKETS /* of sl_node_latency */
#define SL_CHAOS_DEEDS_MAX	80u
#define SL_CHAOS_DEED_BYTES	40u

enum sl_chaos_metric {
	SL_CHAOS_METRIC_ERRORS = 0,
	SL_CHAOS_METRIC_REQUESTS,
	SL_CHAOS_METRIC_TTFT,
	SL_CHAOS_METRIC_OPEN,
	SL_CHAOS_METRIC_RECOVERY,
	SL_CHAOS_METRIC_COUNTER,
	SL_CHAOS_METRIC_DETECTION,
	SL_CHAOS_METRIC_PROBES,
	SL_CHAOS_METRIC_OPENS,
	SL_CHAOS_METRIC_DID,
};

enum sl_chaos_operator {
	SL_CHAOS_BELOW = 0,
	SL_CHAOS_AT_MOST,
	SL_CHAOS_ABOVE,
	SL_CHAOS_AT_LEAST,
	SL_CHAOS_EQUAL,
};

/* What sluice did, and how often: "retries", "retrieve=words". */
struct sl_chaos_deed {
	char name[SL_CHAOS_DEED_BYTES];
	uint64_t count;
};

struct sl_chaos_condition {
	enum sl_chaos_metric metric;
	enum sl_chaos_operator op;
	uint32_t percentile; /* of ttft */
	uint32_t counter;    /* enum sl_counter */
	char deed[SL_CHAOS_DEED_BYTES];
	bool share;    /* errors: the value is a share of the requests */
	double value;  /* share 0..1, seconds, or a number */
	char text[96]; /* as it was written */
};

struct sl_chaos_conditions {
	struct sl_chaos_condition list[SL_CHAOS_CONDITIONS_MAX];
	uint32_t count;
};

/* What was measured from the beginning of an experiment on. */
struct sl_chaos_measure {
	uint64_t requests;
	uint64_t errors;
	uint64_t ttft[SL_CHAOS_TTFT_BUCKETS];
	bool daemon_lost; /* these three are of before it was */
	uint32_t open_max;
	bool recovered; /* recovery_s is known */
	bool waiting;	/* for the recovery: not known yet */
	double recovery_s;
	bool detected; /* detection_s is known */
	double detection_s;
	uint64_t probes;
	uint64_t opens;
	struct sl_chaos_deed deeds[SL_CHAOS_DEEDS_MAX]; /* those that were done */
	uint32_t deed_count;
	bool no_counters; /* there is no kernel plane */
	uint64_t counters[SL_COUNTER_SLOTS];
};

enum sl_chaos_verdict {
	SL_CHAOS_UNKNOWN = 0, /* nothing to measure it by */
	SL_CHAOS_HELD,
	SL_CHAOS_BROKEN,
};

/* -EINVAL with a text that names the condition. An empty text has none. */
int sl_chaos_conditions_parse(const char *text, struct sl_chaos_conditions *ret_conditions,
			      struct sl_error *error);

/* The measured value; false: there is none. */
bool sl_chaos_condition_value(const struct sl_chaos_condition *condition,
			      const struct sl_chaos_measure *measure, double *ret_value);

enum sl_chaos_verdict sl_chaos_condition_judge(const struct sl_chaos_condition *condition,
					       const struct sl_chaos_measure *measure);

/* All held; one broken is broken; else unknown. Without conditions: unknown. */
enum sl_chaos_verdict sl_chaos_conditions_judge(const struct sl_chaos_conditions *conditions,
						const struct sl_chaos_measure *measure);

const char *sl_chaos_verdict_name(enum sl_chaos_verdict verdict);

/* Upper end of the bucket in which the percentile lies, in seconds; false: no sample. */
bool sl_chaos_percentile(const uint64_t buckets[SL_CHAOS_TTFT_BUCKETS], uint32_t percentile,
			 double *ret_s);

/* "0.12%", "1.3s", "7", as a person reads a value of the condition. Returns out. */
const char *sl_chaos_value_text(const struct sl_chaos_condition *condition, double value,
				char out[32]);

/* The same of what was measured, or "not measured". */
const char *sl_chaos_measured_text(const struct sl_chaos_condition *condition,
				   const struct sl_chaos_measure *measure, char out[32]);

#endif
