/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beside.h - what a stage has done beside a request, on a fiber and in an arena of its own, while the
 * client has its answer already or goes on without it.
 *
 *	sl_beside_start()    -> run(stage, argument), on a fiber -> drop(argument)
 *	the worker drains    *stage->gone is set, calls and jobs that it waits for are broken off
 *	SL_BESIDE_MAX run, no memory, draining: refused
 *
 * Its stage has configuration, route, pools, stores, loop and arena as the request's, an id, a deadline,
 * and of the operations `note` alone: it has no request and no client. Thread: the loop's.
 */
#ifndef SL_REQUEST_BESIDE_H
#define SL_REQUEST_BESIDE_H

#include "user/request/request.h"
#include "user/stage/stage.h"

#define SL_BESIDE_MAX	    8u /* a thread */
#define SL_BESIDE_BYTES_MAX (64u << 20)

/* As sl_stage_ops, beside. 0, -EAGAIN, -ESHUTDOWN, -ENOMEM: then argument is still the caller's. */
int sl_beside_start(struct sl_request *request, uint32_t time_ms,
		    void (*run)(struct sl_stage *stage, void *argument),
		    void (*drop)(void *argument), void *argument);

/* As sl_stage_ops, along. */
int sl_beside_go_along(struct sl_request *request,
		       void (*run)(struct sl_stage *stage, void *argument),
		       void (*drop)(void *argument), void *argument);

/* All of the worker, but those that go along with a stream, end soon: their fibers must turn before it is freed (worker->beside_count). */
void sl_beside_stop(struct sl_worker *worker);

#endif
