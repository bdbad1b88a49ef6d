/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/policies/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_S 200u /* after the last arrival: whatever is under way has ended by then */

struct world *w;

static bool is_earlier(const struct w_event *a, const struct w_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void w_push(uint64_t at_us, enum w_event_kind kind, uint32_t index, uint32_t era)
{
	struct w_event event = {at_us, w->order++, kind, index, era};
	uint32_t at = w->events;

	if (at == W_EVENTS_MAX) {
		w_fail("more than %u events are due", W_EVENTS_MAX);
		return;
	}
	w->events++;
	for (; at && is_earlier(&event, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = event;
}

static struct w_event pop(void)
{
	struct w_event first = w->heap[0], last = w->heap[--w->events];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < w->events) {
		if (child + 1 < w->events && is_earlier(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!is_earlier(&w->heap[child], &last))
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	w->heap[at] = last;
	return first;
}

void w_fail(const char *format, ...)
{
	va_list args;

	if (w->failed)
		return;
	w->failed = true;
	fprintf(stderr, "# %s, seed %llu, second %u: ", w->scenario->name,
		(unsigned long long)w->seed, w_second_of(w->now_us));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
}

static void happen(const struct w_event *event)
{
	switch (event->kind) {
	case W_ARRIVAL:
		w_arrive(event->index);
		break;
	case W_PHASE:
		w_enter_phase(event->index);
		break;
	case W_STEP:
		w_server_step(event->index, event->era);
		break;
	case W_REPLY:
		w_server_reply(event->index);
		break;
	case W_LATE:
		w_on_late(event->index);
		break;
	case W_TOTAL:
		w_on_total(event->index);
		break;
	case W_ASK:
		w_ask(event->index);
		break;
	case W_TRY:
		w_try(event->index);
		break;
	case W_HEDGE:
		w_hedge_due(event->index);
		break;
	case W_EXPIRE:
		w_expire(event->index, event->era);
		break;
	case W_TICK:
		w_tick();
		break;
	case W_SAMPLE:
		w_sample();
		break;
	}
}

static void run_until(uint64_t end_us)
{
	while (w->events && w->heap[0].at_us < end_us && !w->failed) {
		struct w_event event = pop();

		w->now_us = event.at_us;
		happen(&event);
	}
	if (!w->failed)
		w->now_us = end_us;
}

bool w_run(const struct w_scenario *scenario, uint64_t seed)
{
	uint64_t begin_us = W_START_MS * W_MS;

	memset(w, 0, sizeof(*w));
	w->scenario = scenario;
	w->seed = seed;
	w->now_us = begin_us;
	sl_random_seed(&w->random, seed * 7919u + 1);
	w_gateway_begin();
	w_traffic_begin();
	w_push(w->now_us + W_S - 1, W_SAMPLE, 0, 0);
	run_until(begin_us + scenario->seconds * W_S);
	w->draining = true;
	run_until(begin_us + (scenario->seconds + DRAIN_S) * W_S);
	if (!w->failed && scenario->judge)
		scenario->judge();
	if (!w->failed)
		w_check_end();
	free(w->queue.flows);
	return !w->failed;
}
