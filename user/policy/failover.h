/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * failover.h - a stream broke after its first byte had gone to the client: how may it go on?
 *
 *   way         on another node                         may be, where
 *   CONTINUE    asked for the rest of the text          its pool takes a beginning of the answer
 *                                                       (pools[].continue); what was sent is text and
 *                                                       nothing else, and the request has nothing that
 *                                                       only a whole answer can keep
 *   RESTART     asked once more; what was sent is       the text is the same again: temperature 0 or a
 *               held back as long as it comes again     seed; or nothing was sent
 *   GIVE_UP     -                                       always: the client gets an error event
 *
 * In this order. CONTINUE needs no sameness and loses no work. RESTART of an answer that came out of
 * chance would be another answer, so it is not tried. Tool calls and structured output never go on by
 * CONTINUE: a rest would be glued to a beginning that no server has seen whole. Pure.
 */
#ifndef SL_POLICY_FAILOVER_H
#define SL_POLICY_FAILOVER_H

#include <stdbool.h>

enum sl_failover {
	SL_FAILOVER_GIVE_UP = 0,
	SL_FAILOVER_CONTINUE,
	SL_FAILOVER_RESTART,
};

struct sl_failover_facts {
	bool may_continue; /* the request allows for it (wire/openai_continue.h) */
	bool takes_rest;   /* the pool does, and has not refused it to this request */
	bool same_again;   /* temperature 0 or a seed */
	bool text_only;	   /* was sent: no call, no reasoning, no refusal */
	bool finished;	   /* a finish_reason was sent: there is no rest to ask for */
	bool nothing_sent;
};

enum sl_failover sl_failover_choose(const struct sl_failover_facts *facts);

#endif
