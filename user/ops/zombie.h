/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zombie.h - finds nodes that have streams open and sends on none of them.
 *
 *   state     meaning                                        leaves by
 *   idle      waits for its timer; off when no pool asks     timer
 *   asked     the workers add up their streams               the last worker's answer -> judged
 *
 * Thread: control; the survey itself runs on the workers.
 */
#ifndef SL_OPS_ZOMBIE_H
#define SL_OPS_ZOMBIE_H

#include "user/ops/threads.h"
#include "user/request/relay_survey.h"

struct sl_zombie {
	struct sl_loop *loop;
	struct sl_threads *threads;
	struct sl_node_state *nodes;
	struct sl_relay_survey *survey;	   /* SL_NODES_MAX */
	uint32_t silence_ms[SL_NODES_MAX]; /* by slot; 0: not asked for */
	uint32_t period_ms;		   /* 0: off */
	uint32_t asked;			   /* workers that have not answered yet */
	bool under_way;			   /* a survey that is not judged yet */
	struct sl_timer timer;
	void (*found)(void *owner, uint32_t slot);
	void *owner;
};

/* found: called for each zombie, before its streams are ended. Returns 0 or -ENOMEM. */
int sl_zombie_init(struct sl_zombie *zombie, struct sl_loop *loop, struct sl_threads *threads,
		   struct sl_node_state *nodes, void (*found)(void *owner, uint32_t slot),
		   void *owner);
void sl_zombie_apply(struct sl_zombie *zombie, const struct sl_routes *routes);
/* No more surveys; one that is under way still ends. */
void sl_zombie_stop(struct sl_zombie *zombie);
/* Nothing is under way. */
void sl_zombie_fini(struct sl_zombie *zombie);

#endif
