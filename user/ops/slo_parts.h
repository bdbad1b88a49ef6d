/* SPDX-License-Identifier: BSD-2-Clause */
/* slo_parts.h - what slo.c and slo_say.c share. */
#ifndef SL_OPS_SLO_PARTS_H
#define SL_OPS_SLO_PARTS_H

#include <pthread.h>
#include "user/ops/slo.h"
#include "user/policy/slo.h"
#include "user/store/journal.h"

#define SL_SLO_ROUTES_MAX 1024u /* positions of struct sl_route_names */

struct sl_slo_objective {
	struct sl_slo slo;
	enum sl_slo_kind kind;
	uint64_t share;	   /* billionths */
	uint32_t bound_us; /* of ttft and latency */
	bool on;	   /* in the configuration that is in force */
	bool changed;	   /* since it was saved */
};

struct sl_slo_route {
	struct sl_slo_objective *of[SL_SLO_KINDS]; /* NULL: none, never */
	char pool[SL_CONFIG_NAME_MAX + 1];	   /* its first */
	bool wanting;				   /* a notice of its quality is in force */
	bool burns;				   /* somebody was told */
};

struct sl_slo_part {
	pthread_mutex_t lock;
	const struct sl_route_names *names;
	struct sl_journal *journal;
	struct sl_slo_rules rules;
	struct sl_slo_route routes[SL_SLO_ROUTES_MAX];
	struct sl_slo_saved *saved; /* read at the start, of routes that are not there yet */
	uint64_t judged_ms, saved_ms;
	bool any; /* an objective is on */
};

/* Both under the lock. */
void sl_slo_say(struct sl_slo_part *part, char *words, struct sl_text *text);
void sl_slo_write_metrics(struct sl_slo_part *part, struct sl_text *text);

/* "5m", "30d", "90s", "1500ms". Returns out. */
#define SL_SLO_SPAN_BYTES 24u
const char *sl_slo_span(uint64_t ms, char out[SL_SLO_SPAN_BYTES]);

#endif
