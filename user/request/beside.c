/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/beside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/request/stages.h"

struct sl_beside {
	struct sl_beside *next, **pprev;
	struct sl_worker *worker;
	struct sl_fiber *fiber; /* NULL: it has not begun */
	struct sl_routes *routes;
	struct sl_arena arena;
	struct sl_stage stage;
	struct sl_trail_ref trail; /* of the request, which may be over */
	void (*run)(struct sl_stage *stage, void *argument);
	void (*drop)(void *argument);
	void *argument;
	bool gone;
	bool along; /* with a stream: it ends when that does */
	char id[SL_REQUEST_ID_MAX + 1];
};

static void note(struct sl_stage *stage, enum sl_noted what, uint32_t value)
{
	const struct sl_beside *beside = stage->owner;

	sl_trail_note(&beside->trail, sl_loop_now_ns(beside->worker->loop),
		      &(struct sl_trail_event){
			      .kind = SL_TRAIL_NOTED,
			      .detail = (uint8_t)what,
			      .value = value,
		      });
}

static const struct sl_stage_ops beside_ops = {.note = note};

static void end(struct sl_beside *beside)
{
	*beside->pprev = beside->next;
	if (beside->next)
		beside->next->pprev = beside->pprev;
	if (beside->along)
		beside->worker->along_count--;
	else
		beside->worker->beside_count--;
	sl_routes_put(&beside->routes);
	sl_arena_fini(&beside->arena);
	free(beside);
}

static void run(void *argument)
{
	struct sl_beside *beside = argument;

	beside->fiber = sl_fiber_self(beside->worker->loop);
	if (!beside->gone)
		beside->run(&beside->stage, beside->argument);
	beside->drop(beside->argument);
	end(beside);
}

static struct sl_beside *new_beside(struct sl_request *request, uint32_t time_ms)
{
	struct sl_worker *worker = request->worker;
	struct sl_beside *beside = calloc(1, sizeof(*beside));
	const struct sl_stage *theirs = request->stage;

	if (!beside)
		return NULL;
	beside->worker = worker;
	beside->routes = sl_routes_get(request->routes);
	beside->trail = request->trail;
	memcpy(beside->id, request->id, sizeof(beside->id));
	sl_arena_init(&beside->arena, 0, SL_BESIDE_BYTES_MAX);
	beside->stage = (struct sl_stage){
		.ops = &beside_ops,
		.owner = beside,
		.config = theirs->config,
		.route = theirs->route,
		.number = theirs->number,
		.pools = theirs->pools,
		.stores = theirs->stores,
		.up = theirs->up,
		.loop = theirs->loop,
		.arena = &beside->arena,
		.gone = &beside->gone,
		.deadline_ns = sl_loop_now_ns(worker->loop) + time_ms * SL_NS_PER_MS,
		.id = beside->id,
		.class = SL_KEY_CLASS_BATCH,
		.context_percent = 100,
	};
	if (beside->trail.trace.span)
		sl_trace_write(&beside->trail.trace, beside->trail.trace.span,
			       beside->stage.traceparent);
	return beside;
}

static int start(struct sl_request *request, uint32_t time_ms, bool along,
		 void (*run_it)(struct sl_stage *stage, void *argument),
		 void (*drop)(void *argument), void *argument)
{
	struct sl_worker *worker = request->worker;
	struct sl_beside *beside = new_beside(request, time_ms);
	int rc;

	if (!beside)
		return -ENOMEM;
	beside->run = run_it;
	beside->drop = drop;
	beside->argument = argument;
	beside->along = along;
	if (along)
		beside->stage.deadline_ns = 0;
	beside->next = worker->besides;
	beside->pprev = &worker->besides;
	if (beside->next)
		beside->next->pprev = &beside->next;
	worker->besides = beside;
	worker->along_count += along;
	worker->beside_count += !along;
	rc = sl_fiber_start(worker->loop, run, beside);
	if (rc)
		end(beside);
	return rc;
}

int sl_beside_start(struct sl_request *request, uint32_t time_ms,
		    void (*run_it)(struct sl_stage *stage, void *argument),
		    void (*drop)(void *argument), void *argument)
{
	if (request->worker->draining)
		return -ESHUTDOWN;
	if (request->worker->beside_count >= SL_BESIDE_MAX)
		return -EAGAIN;
	return start(request, time_ms, false, run_it, drop, argument);
}

int sl_beside_go_along(struct sl_request *request,
		       void (*run_it)(struct sl_stage *stage, void *argument),
		       void (*drop)(void *argument), void *argument)
{
	return start(request, 0, true, run_it, drop, argument);
}

void sl_beside_stop(struct sl_worker *worker)
{
	struct sl_beside *beside;

	for (beside = worker->besides; beside; beside = beside->next) {
		if (beside->along)
			continue;
		beside->gone = true;
		if (beside->fiber)
			sl_fiber_wake(beside->fiber);
	}
}
