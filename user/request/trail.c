/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/trail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"

#define COPY_TRIES_MAX 4

_Static_assert(sizeof(struct sl_trail_event) == 16, "four to a cache line");
_Static_assert(sizeof(struct sl_trail) <= 1184, "SL_TRAIL_ENTRIES of them are 1.16 MiB");
_Static_assert(sizeof(struct sl_trail) % 8 == 0, "copied in words");

void sl_trails_init(struct sl_trails *trails)
{
	trails->ring = calloc(SL_TRAIL_ENTRIES, sizeof(*trails->ring));
	trails->next = 0;
}

void sl_trails_fini(struct sl_trails *trails)
{
	free(trails->ring);
	trails->ring = NULL;
}

struct sl_trail_ref sl_trail_begin(struct sl_trails *trails, const char *id, uint64_t now_ns)
{
	struct sl_trail *trail;

	if (!trails->ring)
		return (struct sl_trail_ref){0};
	trail = &trails->ring[trails->next % SL_TRAIL_ENTRIES];
	__atomic_store_n(&trails->next, trails->next + 1, __ATOMIC_RELAXED);
	/* 0 while it is being made: a reader that sees it has no trail. */
	__atomic_store_n(&trail->generation, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	snprintf(trail->id, sizeof(trail->id), "%s", id);
	trail->model[0] = trail->key_id[0] = '\0';
	trail->path[0] = trail->said[0] = '\0';
	trail->texts_len = 0;
	trail->stream = trail->counted = trail->anthropic = false;
	trail->endpoint = 0;
	trail->event_count = trail->lost = 0;
	trail->prompt_tokens = trail->usage_input = trail->usage_output = 0;
	trail->trace = (struct sl_trace_context){0};
	memset(trail->stages, 0, sizeof(trail->stages));
	trail->bill = (struct sl_trail_bill){0};
	trail->start_ns = now_ns;
	trail->start_wall_ms = sl_clock_wall_ms();
	__atomic_store_n(&trail->generation, trails->next, __ATOMIC_RELEASE);
	return (struct sl_trail_ref){.trail = trail, .generation = trails->next};
}

static uint32_t since(const struct sl_trail *trail, uint64_t now_ns)
{
	uint64_t us = now_ns > trail->start_ns ? (now_ns - trail->start_ns) / SL_NS_PER_US : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX - 1;
}

void sl_trail_note(const struct sl_trail_ref *ref, uint64_t now_ns,
		   const struct sl_trail_event *event)
{
	struct sl_trail *trail = sl_trail_of(ref);
	struct sl_trail_event *room;

	if (!trail)
		return;
	if (trail->event_count == SL_TRAIL_EVENTS_MAX) {
		trail->lost += trail->lost < UINT16_MAX;
		/* How it ended is worth more than the last of many steps. */
		if (event->kind < SL_TRAIL_STREAM_END)
			return;
		trail->event_count--;
	}
	room = &trail->events[trail->event_count];
	*room = *event;
	room->at_us = since(trail, now_ns);
	__atomic_store_n(&trail->event_count, trail->event_count + 1, __ATOMIC_RELEASE);
}

void sl_trail_stage_begin(const struct sl_trail_ref *ref, enum sl_trail_stage stage,
			  uint64_t now_ns)
{
	struct sl_trail *trail = sl_trail_of(ref);

	if (trail && !trail->stages[stage].begin_us)
		trail->stages[stage].begin_us = since(trail, now_ns) + 1;
}

void sl_trail_stage_end(const struct sl_trail_ref *ref, enum sl_trail_stage stage, uint64_t now_ns)
{
	struct sl_trail *trail = sl_trail_of(ref);

	if (trail)
		trail->stages[stage].end_us = since(trail, now_ns);
}

/* Word by word, as its owner may be writing. Returns false when it was taken meanwhile. */
static bool copy(const struct sl_trail *trail, struct sl_trail *ret_trail)
{
	const uint64_t *from = (const uint64_t *)trail;
	uint64_t *to = (uint64_t *)ret_trail;
	uint64_t generation = __atomic_load_n(&trail->generation, __ATOMIC_ACQUIRE);
	uint16_t event_count = __atomic_load_n(&trail->event_count, __ATOMIC_ACQUIRE);
	size_t i;

	for (i = 0; i < sizeof(*trail) / 8; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ret_trail->event_count = event_count;
	return generation && ret_trail->generation == generation &&
	       __atomic_load_n(&trail->generation, __ATOMIC_RELAXED) == generation;
}

/* An attempt's going out is noted at its end, when another one may have ended meanwhile. */
void sl_trail_sort(struct sl_trail *trail)
{
	uint16_t i, at;

	for (i = 1; i < trail->event_count && i < SL_TRAIL_EVENTS_MAX; i++) {
		struct sl_trail_event event = trail->events[i];

		for (at = i; at && trail->events[at - 1].at_us > event.at_us; at--)
			trail->events[at] = trail->events[at - 1];
		trail->events[at] = event;
	}
}

bool sl_trails_find(const struct sl_trails *trails, const char *id, struct sl_trail *ret_trail)
{
	struct sl_trail trail;
	uint64_t high = 0, low = 0;
	bool found = false, by_trace = sl_trace_read_id(sl_span_string(id), &high, &low);
	uint32_t i;
	int tries;

	for (i = 0; trails->ring && i < SL_TRAIL_ENTRIES; i++) {
		const struct sl_trail *at = &trails->ring[i];

		if (!__atomic_load_n(&at->generation, __ATOMIC_ACQUIRE))
			continue;
		for (tries = 0; tries < COPY_TRIES_MAX && !copy(at, &trail); tries++)
			;
		if (tries == COPY_TRIES_MAX ||
		    (strncmp(trail.id, id, sizeof(trail.id)) != 0 &&
		     !(by_trace && trail.trace.high == high && trail.trace.low == low)) ||
		    (found && trail.generation < ret_trail->generation))
			continue;
		*ret_trail = trail;
		found = true;
	}
	if (found)
		sl_trail_sort(ret_trail);
	return found;
}

bool sl_trails_recent(const struct sl_trails *trails, uint32_t back, struct sl_trail *ret_trail)
{
	uint64_t next = __atomic_load_n(&trails->next, __ATOMIC_RELAXED);
	struct sl_trail trail;

	if (!trails->ring || back >= SL_TRAIL_ENTRIES || back >= next ||
	    !copy(&trails->ring[(next - 1 - back) % SL_TRAIL_ENTRIES], &trail))
		return false;
	*ret_trail = trail;
	sl_trail_sort(ret_trail);
	return true;
}
