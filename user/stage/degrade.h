/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * degrade.h - what is saved while a route's first pool is in need (routes[].degrade).
 *
 *   before everything else   which rules are in force for this class? (policy/degrade.h)
 *   before the nodes         fewer tokens -> fewer messages -> a smaller model -> no dead tools
 *   in the attempt           no hedge
 *
 *   step        when                                        the request
 *   max_tokens  a rule in force, and the request's own      max_tokens is the rule's
 *               bound is higher or not there
 *   context     a rule in force, and there are more         the latest of them, from one of the user on;
 *               messages                                    those of the system stay
 *   model       a rule in force                             goes to the rule's pool first
 *   similarity  a rule in force, on a route with a          a kept answer does that is less near than the
 *               semantic cache that asks for more           route asks for (the semantic cache obeys)
 *   hedge       a rule in force, on a route that hedges     is not hedged
 *   tool        the tool's pool has no node that takes      without the tool; a message of the system
 *               requests                                    says what is missing
 *
 * A tool that the request must call (tool_choice) becomes a choice of the model's; without any tool left
 * the members about tools go. Messages that tell of earlier calls stay.
 *
 * Only chat completions are changed; other endpoints keep the model and the hedge. The states of the rules
 * are the process's. Thread: the loop's; states any thread.
 */
#ifndef SL_STAGE_DEGRADE_H
#define SL_STAGE_DEGRADE_H

#include "user/policy/degrade.h"
#include "user/stage/stage.h"

#define SL_DEGRADE_ROUTES_MAX \
	1024u /* by struct sl_stage, number; those past the end have no rules */

/* Of all routes. Memory that no route uses is never touched. */
struct sl_degrade {
	struct sl_degrade_state states[SL_DEGRADE_ROUTES_MAX][SL_CONFIG_DEGRADE_RULES_MAX];
	struct sl_degrade_times times[SL_DEGRADE_ROUTES_MAX];
};

/* Returns 0 or -ENOMEM. */
int sl_degrade_open(struct sl_degrade **ret_degrade);
void sl_degrade_close(struct sl_degrade **degrade);

/* Has the route rules or tools? */
bool sl_degrade_is_on(const struct sl_config_route *route);

/* Before the caches: decides which rules are in force for this request. */
enum sl_stage_verdict sl_degrade_judge(struct sl_stage *stage);

/* Before the nodes: saves what they say, and takes dead tools out. */
enum sl_stage_verdict sl_degrade_run(struct sl_stage *stage);

/* The first token of a stream has come so long after the request. */
void sl_degrade_note_first(struct sl_stage *stage, uint64_t us);

/* 1 while the rule is in force, for the metric. */
bool sl_degrade_is_in_force(const struct sl_degrade *degrade, uint32_t route, uint32_t rule);
/* How often it came into force. */
uint64_t sl_degrade_entered(const struct sl_degrade *degrade, uint32_t route, uint32_t rule);

#endif
