/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/zombie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/checks.h"

#define PERIOD_PART   4u /* of the shortest silence: found at most that much late */
#define PERIOD_MIN_MS 20u

struct question {
	struct sl_zombie *zombie;
	struct sl_worker *worker;
	uint32_t slot; /* of the node whose streams end; 0: a survey */
};

static void judge(void *arg);

/* ---- on the workers -------------------------------------------------------------------------- */

static void survey_worker(void *arg)
{
	struct question *question = arg;
	struct sl_zombie *zombie = question->zombie;

	sl_relay_survey(question->worker, zombie->survey);
	free(question);
	if (!__atomic_sub_fetch(&zombie->asked, 1, __ATOMIC_ACQ_REL))
		sl_loop_post(zombie->loop, judge, zombie);
}

static void stall_worker(void *arg)
{
	struct question *question = arg;

	sl_relay_stall_node(question->worker, question->slot);
	free(question);
}

/* ---- control ---------------------------------------------------------------------------------- */

static int ask(struct sl_zombie *zombie, uint32_t worker, uint32_t slot, void (*run)(void *arg))
{
	struct question *question = malloc(sizeof(*question));

	if (!question)
		return -ENOMEM;
	*question = (struct question){zombie, zombie->threads->workers[worker], slot};
	if (!sl_loop_post(zombie->threads->threads[worker].loop, run, question))
		return 0;
	free(question);
	return -ENOMEM;
}

static void end_streams(struct sl_zombie *zombie, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < zombie->threads->count; i++)
		ask(zombie, i, slot, stall_worker);
}

static bool is_zombie(const struct sl_zombie *zombie, uint32_t slot, uint64_t now_ns)
{
	const struct sl_relay_survey *seen = &zombie->survey[slot];

	return zombie->silence_ms[slot] && seen->streams >= SL_CHECK_STREAMS_MIN &&
	       now_ns > seen->progress_ns &&
	       now_ns - seen->progress_ns >= zombie->silence_ms[slot] * SL_NS_PER_MS;
}

static void judge(void *arg)
{
	struct sl_zombie *zombie = arg;
	uint64_t now_ns = sl_clock_ns();
	char text[SL_ADDRESS_TEXT_SIZE];
	uint32_t slot;

	zombie->under_way = false;
	for (slot = 1; slot < SL_NODES_MAX && zombie->period_ms; slot++) {
		if (!is_zombie(zombie, slot, now_ns))
			continue;
		sl_address_format(&zombie->nodes[slot].endpoint, text);
		sl_log(SL_LOG_WARN,
		       "node %s: silent on all its %u streams for %u ms: they end as stalled", text,
		       zombie->survey[slot].streams, zombie->silence_ms[slot]);
		zombie->found(zombie->owner, slot);
		end_streams(zombie, slot);
	}
	if (zombie->period_ms)
		sl_timer_set(zombie->loop, &zombie->timer, zombie->period_ms);
}

/* A survey that cannot be asked for everywhere is no survey: it is left out. */
static void on_timer(struct sl_timer *timer)
{
	struct sl_zombie *zombie =
		(struct sl_zombie *)((char *)timer - offsetof(struct sl_zombie, timer));
	uint32_t i, missing = 0;

	zombie->under_way = true;
	memset(zombie->survey, 0, SL_NODES_MAX * sizeof(*zombie->survey));
	__atomic_store_n(&zombie->asked, zombie->threads->count + 1, __ATOMIC_RELEASE);
	for (i = 0; i < zombie->threads->count; i++)
		missing += ask(zombie, i, 0, survey_worker) != 0;
	if (!__atomic_sub_fetch(&zombie->asked, 1 + missing, __ATOMIC_ACQ_REL))
		judge(zombie);
}

int sl_zombie_init(struct sl_zombie *zombie, struct sl_loop *loop, struct sl_threads *threads,
		   struct sl_node_state *nodes, void (*found)(void *owner, uint32_t slot),
		   void *owner)
{
	*zombie = (struct sl_zombie){
		.loop = loop,
		.threads = threads,
		.nodes = nodes,
		.found = found,
		.owner = owner,
		.survey = calloc(SL_NODES_MAX, sizeof(*zombie->survey)),
	};
	sl_timer_init(&zombie->timer, on_timer);
	return zombie->survey ? 0 : -ENOMEM;
}

void sl_zombie_apply(struct sl_zombie *zombie, const struct sl_routes *routes)
{
	const struct sl_config *config = routes->config;
	uint32_t p, n, shortest_ms = 0;

	memset(zombie->silence_ms, 0, sizeof(zombie->silence_ms));
	for (p = 0; p < config->pool_count; p++) {
		uint32_t silence_ms = config->pools[p].health.silence_ms;

		for (n = 0; n < routes->pools[p].node_count; n++)
			zombie->silence_ms[routes->pools[p].node_slots[n]] = silence_ms;
		if (silence_ms && (!shortest_ms || silence_ms < shortest_ms))
			shortest_ms = silence_ms;
	}
	zombie->period_ms = shortest_ms / PERIOD_PART;
	if (shortest_ms && zombie->period_ms < PERIOD_MIN_MS)
		zombie->period_ms = PERIOD_MIN_MS;
	if (zombie->period_ms && !zombie->under_way)
		sl_timer_set(zombie->loop, &zombie->timer, zombie->period_ms);
}

void sl_zombie_stop(struct sl_zombie *zombie)
{
	sl_timer_cancel(zombie->loop, &zombie->timer);
	zombie->period_ms = 0;
}

void sl_zombie_fini(struct sl_zombie *zombie)
{
	free(zombie->survey);
	zombie->survey = NULL;
}
