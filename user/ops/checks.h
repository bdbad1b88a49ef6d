/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * checks.h - active health checks of the nodes: one prober for all threads of the daemon.
 *
 * Every node of a pool that asks for checks has a timer of its own, due every `every` with a quarter
 * of jitter. A check is a fiber on the control loop: liveness, then readiness, then, when it is due
 * and the node has answered no request meanwhile, one token (check_ask.h). At most
 * SL_CHECK_RUNNING_MAX run at once; what is due beyond that waits a moment.
 *
 *   state      meaning                                     leaves by
 *   unknown    not asked yet: taken for good               any check
 *   good       answers                                     not ready, a failure
 *   not ready  says so: gets no new request, no failure    a good check, a failure, its time
 *   failing    `failures` checks in a row have failed      a good check
 *
 * What a check may do: open a closed breaker (within the ejection cap), keep new requests away while
 * a node is not ready (a hold as after Retry-After, which ends by itself when the prober does). What
 * it may not: report a success. A node that was ejected comes back by a half-open request, however
 * well its /health looks; and a good check does not end a row of failed requests. A node that has
 * answered a request since the check before is not condemned: real traffic knows better.
 *
 * Zombies. Every quarter of the shortest `silence` the workers survey their streams; a node with two
 * or more open streams, none of which has brought a token for `silence`, is condemned and its streams
 * end as stalled. That needs no check to be on.
 *
 * Thread: control. The counts are read by any.
 */
#ifndef SL_OPS_CHECKS_H
#define SL_OPS_CHECKS_H

#include "user/ops/check_ask.h"
#include "user/ops/threads.h"

#define SL_CHECK_RUNNING_MAX 16u
#define SL_CHECK_STREAMS_MIN 2u /* silent ones, for a node to be taken for a zombie */

enum sl_check_state {
	SL_CHECK_STATE_UNKNOWN = 0,
	SL_CHECK_STATE_GOOD,
	SL_CHECK_STATE_NOT_READY,
	SL_CHECK_STATE_FAILING,
	SL_CHECK_STATES
};

/* Of one node slot, for the metrics. */
struct sl_check_counts {
	uint32_t state; /* enum sl_check_state */
	uint32_t zombies;
	uint64_t replies[SL_CHECK_QUESTIONS][SL_CHECK_REPLIES];
	uint64_t spared; /* probes of generation left out: requests were answered */
};

struct sl_checks;

/* threads: started. Returns 0 or -ENOMEM. */
int sl_checks_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		   struct sl_threads *threads, struct sl_checks **ret_health);

/* Checks what this snapshot asks for from now on; takes a reference of its own. */
void sl_checks_apply(struct sl_checks *health, struct sl_routes *routes);

/* SL_NODES_MAX entries by slot; NULL while there is no prober. Any thread. */
const struct sl_check_counts *sl_checks_counts(const struct sl_checks *health);

/* No more checks: turns the loop until nothing is open any more. Before the workers end. */
void sl_checks_stop(struct sl_checks *health);

/* Frees it; nobody reads the counts any more. */
void sl_checks_close(struct sl_checks **health);

#endif
