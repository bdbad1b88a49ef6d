/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_load.c - the queue of a pool under load, in a simulator: virtual clock in ms, seeds, the policy
 * of production in front of SLOTS places.
 *
 *   arrivals (class, tenant, tokens, patience) -> place free? -> answer after its service time
 *                                                  |  no
 *                                                queue -> granted, refused, shed or expired
 *
 * What must hold, for every seed:
 *   one outcome a request, whatever happens
 *   tenants that ask for more than their share have equal tokens, within 10 %
 *   a class that waits has one of any SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES grants
 *   60 s after the end of an overload nobody is refused and nobody waits
 *   in an overload the places are never idle, and who was let in mostly gets a place in time
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/random.h"
#include "user/policy/queue.h"

#define MS	     1000000ull
#define S	     1000000000ull
#define SLOTS	     16u
#define SERVICE_MS   200u /* mean; uniform from half to one and a half */
#define CAPACITY_RPS (SLOTS * 1000u / SERVICE_MS)
#define PATIENCE_MS  10000u
#define SEEDS	     6u
#define REQUESTS_MAX 120000u
#define TENANTS	     4u

enum outcome { NONE = 0, ANSWERED, REFUSED, EXPIRED, SHED };

struct request {
	struct sl_queue_entry entry; /* first */
	uint64_t came_ms;
	enum outcome outcome;
};

static struct world {
	struct sl_random random;
	struct sl_queue queue;
	struct sl_queue_config config;
	uint64_t now_ms;
	struct request requests[REQUESTS_MAX];
	uint32_t count, first_open;
	struct {
		struct request *request;
		uint64_t until_ms;
	} slots[SLOTS];
	uint32_t outcomes[SHED + 1];
	uint64_t tokens[TENANTS], idle_ms;
	uint32_t since[SL_QUEUE_CLASSES]; /* grants to others while the class waits */
} * w;

static uint64_t now_ns(void)
{
	return w->now_ms * MS;
}

static void end(struct request *request, enum outcome outcome)
{
	assert_int_equal(request->outcome, NONE); /* one outcome a request */
	request->outcome = outcome;
	w->outcomes[outcome]++;
}

static bool start(struct request *request)
{
	uint32_t i;

	for (i = 0; i < SLOTS && w->slots[i].request; i++)
		;
	if (i == SLOTS)
		return false;
	w->slots[i].request = request;
	w->slots[i].until_ms = w->now_ms + SERVICE_MS / 2 + sl_random_below(&w->random, SERVICE_MS);
	w->tokens[request->entry.tenant] += request->entry.cost;
	return true;
}

static void note_grant(const struct request *request)
{
	int c;

	for (c = 0; c < SL_QUEUE_CLASSES; c++) {
		if ((int)request->entry.class == c || !w->queue.classes[c].count)
			w->since[c] = 0;
		else
			w->since[c]++;
		assert_true(w->since[c] < SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES);
	}
}

/* Who comes into a class that was empty has waited for nobody yet. */
static void forget_empty(void)
{
	int c;

	for (c = 0; c < SL_QUEUE_CLASSES; c++) {
		if (!w->queue.classes[c].count)
			w->since[c] = 0;
	}
}

static void take_shed(void)
{
	struct sl_queue_entry *entry;

	while ((entry = sl_queue_take_shed(&w->queue)))
		end((struct request *)entry, SHED);
	forget_empty();
}

static void arrive(enum sl_key_class class, uint32_t tenant, uint32_t cost)
{
	struct request *request = &w->requests[w->count++];
	uint64_t wait_ns;

	assert_true(w->count < REQUESTS_MAX);
	*request = (struct request){
		.entry = {.class = class,
			  .tenant = tenant,
			  .cost = cost,
			  .bytes = 1000,
			  .born_ns = now_ns(),
			  .deadline_ns = now_ns() + PATIENCE_MS * MS},
		.came_ms = w->now_ms,
	};
	if (!w->queue.count && start(request))
		return;
	if (sl_queue_push(&w->queue, &w->config, &request->entry, now_ns(), &wait_ns) !=
	    SL_QUEUE_WAITING)
		end(request, REFUSED);
	take_shed();
}

static void expire(void)
{
	uint32_t i;

	while (w->first_open < w->count &&
	       w->requests[w->first_open].came_ms + PATIENCE_MS < w->now_ms)
		w->first_open++;
	for (i = w->first_open ? w->first_open - 1 : 0; i < w->count; i++) {
		struct request *request = &w->requests[i];

		if (request->came_ms + PATIENCE_MS > w->now_ms)
			break;
		if (!request->entry.flow)
			continue;
		sl_queue_remove(&w->queue, &request->entry, SL_QUEUE_EXPIRED);
		end(request, EXPIRED);
	}
}

static void serve(void)
{
	struct request *request;
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		if (!w->slots[i].request || w->slots[i].until_ms > w->now_ms)
			continue;
		end(w->slots[i].request, ANSWERED);
		w->slots[i].request = NULL;
		request = (struct request *)sl_queue_pop(&w->queue, &w->config, now_ns());
		if (!request)
			continue;
		assert_true(request->entry.deadline_ns + MS >= now_ns());
		assert_true(start(request));
		note_grant(request);
	}
	for (i = 0; i < SLOTS; i++)
		w->idle_ms += !w->slots[i].request;
}

/* rps of each class (all tenants alike), or of each tenant (class standard). */
static void run(uint64_t ms, const uint32_t *class_rps, const uint32_t *tenant_rps)
{
	static const uint32_t costs[TENANTS] = {400, 100, 2000, 800};
	uint64_t until_ms = w->now_ms + ms;
	uint32_t i;

	for (; w->now_ms < until_ms; w->now_ms++) {
		serve();
		expire();
		if (w->now_ms % 10 == 0)
			sl_queue_tick(&w->queue, &w->config, now_ns());
		take_shed();
		for (i = 0; class_rps && i < SL_QUEUE_CLASSES; i++) {
			if (sl_random_below(&w->random, 1000) < class_rps[i])
				arrive((enum sl_key_class)i, sl_random_below(&w->random, TENANTS),
				       500);
		}
		for (i = 0; tenant_rps && i < TENANTS; i++) {
			if (sl_random_below(&w->random, 1000) < tenant_rps[i])
				arrive(SL_KEY_CLASS_STANDARD, i, costs[i]);
		}
	}
}

static void begin(uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	sl_random_seed(&w->random, seed);
	assert_int_equal(sl_queue_init(&w->queue), 0);
	w->config = (struct sl_queue_config){.count_max = 1000,
					     .bytes_max = 64u << 20,
					     .target_ns = 5 * S,
					     .interval_ns = 10 * S};
	w->now_ms = 1000000;
}

static void finish(void)
{
	uint32_t i;

	run(2 * PATIENCE_MS, NULL, NULL);
	assert_int_equal(w->queue.count, 0);
	for (i = 0; i < w->count; i++)
		assert_int_not_equal(w->requests[i].outcome, NONE);
	sl_queue_fini(&w->queue);
}

/* Asked for once, twice, four and eight times their share; requests of 100 to 2,000 tokens. */
static void test_fair_shares(void **state)
{
	static const uint32_t rps[TENANTS] = {60, 250, 50, 120};
	uint64_t seed, least, most;
	uint32_t t;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		begin(seed);
		w->config.target_ns = 0;
		run(20000, NULL, rps);
		memset(w->tokens, 0, sizeof(w->tokens));
		run(120000, NULL, rps);
		least = UINT64_MAX;
		most = 0;
		for (t = 0; t < TENANTS; t++) {
			least = w->tokens[t] < least ? w->tokens[t] : least;
			most = w->tokens[t] > most ? w->tokens[t] : most;
		}
		if (most - least > least / 10)
			fail_msg("seed %d: %d %d %d %d tokens", (int)seed, (int)w->tokens[0],
				 (int)w->tokens[1], (int)w->tokens[2], (int)w->tokens[3]);
		finish();
	}
}

/* Every class alone asks for all there is: each has its part (see note_grant), and no place idles. */
static void test_no_starvation(void **state)
{
	static const uint32_t rps[SL_QUEUE_CLASSES] = {80, 80, 80, 80};
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		begin(seed);
		run(5000, rps, NULL);
		w->idle_ms = 0;
		run(120000, rps, NULL);
		assert_int_equal(w->idle_ms, 0);
		assert_true(w->queue.counts[SL_QUEUE_GRANTED][SL_KEY_CLASS_BATCH] > 120 * 80 / 20);
		assert_true(w->queue.counts[SL_QUEUE_GRANTED][SL_KEY_CLASS_CRITICAL] > 100 * 60);
		finish();
	}
}

/* Three times what the pool can do for a minute; a minute after it all is as before. */
static void test_recovery(void **state)
{
	static const uint32_t normal[SL_QUEUE_CLASSES] = {8, 28, 14, 6};
	static const uint32_t flood[SL_QUEUE_CLASSES] = {40, 140, 40, 20};
	uint32_t before[SHED + 1], lost;
	uint64_t seed;
	int o;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		begin(seed);
		run(60000, normal, NULL);
		lost = w->outcomes[REFUSED] + w->outcomes[EXPIRED] + w->outcomes[SHED];
		assert_int_equal(lost, 0);
		run(60000, flood, NULL);
		lost = w->outcomes[EXPIRED] + w->outcomes[SHED];
		assert_true(w->outcomes[REFUSED] > 0);
		assert_true(w->outcomes[ANSWERED] > 60 * CAPACITY_RPS * 9 / 10);
		assert_true(lost < w->outcomes[ANSWERED]);
		run(60000, normal, NULL);
		memcpy(before, w->outcomes, sizeof(before));
		run(60000, normal, NULL);
		for (o = REFUSED; o <= SHED; o++)
			assert_int_equal(w->outcomes[o], before[o]);
		assert_false(w->queue.overloaded);
		assert_true(w->queue.count < SLOTS);
		finish();
	}
}

static int set_up(void **state)
{
	(void)state;
	w = calloc(1, sizeof(*w));
	return w ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fair_shares),
		cmocka_unit_test(test_no_starvation),
		cmocka_unit_test(test_recovery),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
