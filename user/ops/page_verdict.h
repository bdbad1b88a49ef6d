/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_verdict.h - is it well? One sentence, from what was seen at one moment. Pure; any thread.
 *
 *   level     when                                                          it begins with
 *   down      a route has nobody to ask, the keys cannot be read,           "Not well:"
 *             an objective burns so that somebody is paged
 *   degraded  a node is out, a pool has nobody, a rule of degradation is    "Degraded:"
 *             in force, requests wait in an overloaded queue, a budget
 *             burns slowly, an incident is open, the last reload was refused
 *   well      else, and it says what is done on purpose (drains,            "Well:"
 *             experiments, roll-outs)
 *
 * The worst comes first; what else there is follows, up to SL_PAGE_REASONS_MAX reasons.
 */
#ifndef SL_OPS_PAGE_VERDICT_H
#define SL_OPS_PAGE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_PAGE_REASONS_MAX 4u
#define SL_PAGE_NAME_BYTES  128u

enum sl_page_level {
	SL_PAGE_DOWN = 0,
	SL_PAGE_DEGRADED,
	SL_PAGE_WELL,
};

/* Names: of the first of their kind; "": none. */
struct sl_page_facts {
	bool ends;	     /* the daemon drains */
	bool no_keys;	     /* the file of keys cannot be read */
	bool reload_refused; /* the last one */
	uint32_t pools;
	uint32_t nodes, available, draining;
	uint32_t out; /* nodes that take nothing new and do not drain: breaker, failing checks */
	uint32_t routes, routes_down;
	uint32_t pools_down;	       /* that have nodes, none of which takes anything */
	uint32_t burning, smouldering; /* objectives: a page, a ticket */
	uint32_t incidents;
	uint32_t rules;	  /* of degradation, in force */
	uint32_t waiting; /* requests in queues that are overloaded */
	uint32_t rollouts, experiments;
	char node[SL_PAGE_NAME_BYTES], why[SL_PAGE_NAME_BYTES]; /* one that is out, and for what */
	char route[SL_PAGE_NAME_BYTES], pool[SL_PAGE_NAME_BYTES];
	char burns[SL_PAGE_NAME_BYTES];
};

const char *sl_page_level_name(enum sl_page_level level); /* "down", "degraded", "well" */

/* Appends the sentence. */
enum sl_page_level sl_page_judge(const struct sl_page_facts *facts, struct sl_text *text);

#endif
