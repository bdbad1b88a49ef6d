/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arm.h - which configuration answers a request, while another one is rolled out (ops/rollout.h).
 *
 *	read_request(): the body is read, no route is looked for yet
 *	   no roll-out of a configuration   one load; the worker's routes
 *	   the baseline                     the worker's routes, and a mark for the record
 *	   the candidate                    the candidate's routes, for as long as the request lives
 *
 * Both have the same nodes, breakers, limits and counters (base/config_differ.h). While the candidate has a share only,
 * what it makes of a node is none of the breaker's business: its failures are neutral, for a wrong time-out must
 * not take nodes from the baseline. The baseline's requests tell of the nodes, and once it has them all, its own.
 *
 * Thread: the worker's.
 */
#ifndef SL_REQUEST_ARM_H
#define SL_REQUEST_ARM_H

#include "user/request/request.h"

/* The subject on the board: there is one configuration. */
#define SL_ARM_SUBJECT "configuration"

/* After the facts are read, before the route is found. */
void sl_arm_choose(struct sl_request *request);

/* Takes the reference. routes NULL: there is no candidate any more. id: of its item on the board. */
void sl_worker_set_candidate(struct sl_worker *worker, struct sl_routes *routes, uint8_t id);

#endif
