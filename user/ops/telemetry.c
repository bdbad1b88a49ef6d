/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/telemetry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/random.h"
#include "user/base/tunables.h"
#include "user/ops/scrape.h"
#include "user/upstream/attempt.h"

#define FIRST_MS_MAX	500u /* of the first page, at random */
#define CROWDED_MS	50u  /* until a node that found no room tries again */
#define CLOSE_TURNS_MAX 200
#define CLOSE_TURN_MS	10
#define ARENA_BYTES_MAX (64u << 10)
#define ROOM_BYTES	(SL_CONFIG_URL_MAX + 512u)

/* One node slot whose page is read. */
struct page {
	struct sl_telemetry *telemetry;
	struct sl_timer due;
	uint32_t slot;
	uint32_t pool; /* index in the configuration */
	uint32_t incarnation;
	uint32_t dull;		/* answers in a row without anything of use */
	uint32_t failures;	/* in a row, of any kind */
	struct sl_fiber *fiber; /* while it runs */
	bool running;
	bool gone; /* nobody wants it any more; freed when it does not run */
};

struct sl_telemetry {
	struct sl_loop *loop;
	struct sl_upstream up;
	const struct sl_node_load *beacons;
	struct sl_routes *routes;
	struct sl_random random;
	struct sl_timer sweep; /* of beacons */
	struct page *by_slot[SL_NODES_MAX];
	uint64_t taken_ns[SL_NODES_MAX]; /* the beacon that was taken in last */
	struct sl_telemetry_counts counts[SL_NODES_MAX];
	uint32_t running;
};

static const struct sl_config_metrics *config_of(const struct page *page,
						 const struct sl_routes *routes)
{
	return &routes->config->pools[page->pool].metrics;
}

static void count(struct sl_telemetry *telemetry, uint32_t slot, enum sl_telemetry_result result)
{
	__atomic_fetch_add(&telemetry->counts[slot].results[result], 1, __ATOMIC_RELAXED);
}

static uint32_t ours_at(const struct sl_telemetry *telemetry, uint32_t slot)
{
	uint64_t ours =
		sl_choose_ours(&telemetry->up.state.nodes[slot], sl_loop_now_ms(telemetry->loop));

	return ours < UINT32_MAX ? (uint32_t)ours : UINT32_MAX;
}

/* ---- beacons --------------------------------------------------------------------------------- */

static bool is_beacon_fresh(const struct sl_telemetry *telemetry, uint32_t slot,
			    uint64_t *ret_seen_ns, uint64_t *ret_until_ns)
{
	const struct sl_upstream_state *state = &telemetry->up.state;
	uint64_t stale_ms = sl_tunable_get(state->tunables, state->nodes[slot].pool,
					   SL_TUNABLE_BEACON_STALE_MS);

	*ret_seen_ns = telemetry->beacons ? __atomic_load_n(&telemetry->beacons[slot].seen_ns,
							    __ATOMIC_RELAXED)
					  : 0;
	*ret_until_ns = *ret_seen_ns + stale_ms * SL_NS_PER_MS;
	return *ret_seen_ns && sl_loop_now_ns(telemetry->loop) < *ret_until_ns;
}

/* Beacons do not name adapters. */
static bool needs_page(const struct sl_telemetry *telemetry, const struct page *page)
{
	return page && telemetry->routes->config->pools[page->pool].adapters.count &&
	       page->failures < SL_TELEMETRY_DULL;
}

static void take_beacon(struct sl_telemetry *telemetry, uint32_t slot)
{
	const struct sl_node_load *beacon = &telemetry->beacons[slot];
	struct sl_loads *loads = telemetry->up.state.retries->loads;
	uint32_t health = __atomic_load_n(&beacon->health, __ATOMIC_RELAXED);
	struct sl_load_reading reading = {
		.running = __atomic_load_n(&beacon->running, __ATOMIC_RELAXED),
		.waiting = __atomic_load_n(&beacon->waiting, __ATOMIC_RELAXED),
		.kv_permille = __atomic_load_n(&beacon->kv_permille, __ATOMIC_RELAXED),
		.slots = __atomic_load_n(&beacon->slots, __ATOMIC_RELAXED),
	};
	uint64_t seen_ns, until_ns;

	/* One that does not know its server tells that the host lives, and no more. */
	if (needs_page(telemetry, telemetry->by_slot[slot]) ||
	    !is_beacon_fresh(telemetry, slot, &seen_ns, &until_ns) || health == SL_HEALTH_UNKNOWN ||
	    seen_ns == telemetry->taken_ns[slot])
		return;
	telemetry->taken_ns[slot] = seen_ns;
	sl_load_take(loads, slot, telemetry->up.state.nodes[slot].incarnation, &reading,
		     ours_at(telemetry, slot), until_ns / SL_NS_PER_MS);
}

static void on_sweep(struct sl_timer *timer)
{
	struct sl_telemetry *telemetry =
		(struct sl_telemetry *)((char *)timer - offsetof(struct sl_telemetry, sweep));
	const struct sl_routes *routes = telemetry->routes;
	uint32_t p, n;

	for (p = 0; p < routes->config->pool_count; p++) {
		for (n = 0; n < routes->pools[p].node_count; n++)
			take_beacon(telemetry, routes->pools[p].node_slots[n]);
	}
	sl_timer_set(telemetry->loop, timer, SL_TELEMETRY_BEACON_MS);
}

static bool is_told_by_beacon(const struct sl_telemetry *telemetry, uint32_t slot)
{
	uint64_t seen_ns, until_ns;

	return !needs_page(telemetry, telemetry->by_slot[slot]) &&
	       is_beacon_fresh(telemetry, slot, &seen_ns, &until_ns) &&
	       __atomic_load_n(&telemetry->beacons[slot].health, __ATOMIC_RELAXED) !=
		       SL_HEALTH_UNKNOWN;
}

/* ---- one page -------------------------------------------------------------------------------- */

/* Asks the node and waits; the page is in the attempt's body when this is true. */
static bool fetch(struct page *page, const struct sl_config_metrics *config,
		  struct sl_attempt *attempt)
{
	struct sl_telemetry *telemetry = page->telemetry;
	struct sl_upstream_grant grant = sl_upstream_grant_check(&telemetry->up, page->slot);
	uint32_t timeout_ms = config->every_ms < SL_TELEMETRY_TIMEOUT_MS ? config->every_ms
									 : SL_TELEMETRY_TIMEOUT_MS;
	char room[ROOM_BYTES];
	struct sl_attempt_plan plan = {
		.head = room,
		.body = "",
		.check = true,
		.connect_ms = timeout_ms,
		.gone = &page->gone,
	};
	enum sl_ending ending;
	int len;

	if (!grant.node)
		return false;
	len = snprintf(room, sizeof(room),
		       "GET %s HTTP/1.1\r\nhost: %s\r\nuser-agent: sluiced-metrics\r\n"
		       "accept: text/plain\r\nconnection: close\r\n\r\n",
		       config->path, sl_upstream_host(grant.node));
	if (len < 0 || (size_t)len >= sizeof(room))
		return false;
	plan.head_len = (size_t)len;
	plan.answer_ns = plan.deadline_ns =
		sl_loop_now_ns(telemetry->loop) + timeout_ms * SL_NS_PER_MS;
	ending = sl_attempt_run(attempt, &grant, &plan);
	return attempt->status && attempt->complete && ending != SL_ENDING_CLIENT_GONE;
}

static enum sl_telemetry_result read_page(const struct sl_attempt *attempt,
					  struct sl_load_reading *ret_reading)
{
	struct sl_scrape scrape;

	if (attempt->status != 200)
		return SL_TELEMETRY_STATUS;
	sl_scrape_begin(&scrape);
	sl_scrape_feed(&scrape, attempt->body.data ? attempt->body.data : "", attempt->body.len);
	return sl_scrape_end(&scrape, ret_reading) ? SL_TELEMETRY_GOOD : SL_TELEMETRY_UNKNOWN;
}

static void tell(struct page *page, enum sl_telemetry_result result, const char *path)
{
	static const char *const words[SL_TELEMETRY_RESULTS] = {
		[SL_TELEMETRY_UNKNOWN] = "shows no metric that is known",
		[SL_TELEMETRY_STATUS] = "is not answered with 200",
		[SL_TELEMETRY_FAILED] = "is not answered",
	};
	struct sl_upstream *up = &page->telemetry->up;
	const char *pool = up->state.pools[up->state.nodes[page->slot].pool].name;
	const struct sl_upstream_node *node = sl_upstream_grant_check(up, page->slot).node;
	const char *text = node ? node->text : "";

	if (result == SL_TELEMETRY_GOOD)
		sl_log(SL_LOG_INFO, "pool \"%s\": node %s: tells its load again", pool, text);
	else
		sl_log(SL_LOG_INFO,
		       "pool \"%s\": node %s: its load is not known: %s %s (see: metrics.scrape, "
		       "metrics.path)",
		       pool, text, path, words[result]);
}

static void note(struct page *page, const struct sl_config_metrics *config,
		 enum sl_telemetry_result result)
{
	bool answered = result == SL_TELEMETRY_UNKNOWN || result == SL_TELEMETRY_STATUS;

	count(page->telemetry, page->slot, result);
	page->dull = answered ? page->dull + 1 : 0;
	if (result == SL_TELEMETRY_GOOD) {
		if (page->failures >= SL_TELEMETRY_DULL)
			tell(page, result, config->path);
		page->failures = 0;
		return;
	}
	if (answered)
		sl_load_forget(page->telemetry->up.state.retries->loads, page->slot);
	if (++page->failures == SL_TELEMETRY_DULL)
		tell(page, result, config->path);
}

static void set_due(struct page *page, const struct sl_config_metrics *config)
{
	struct sl_telemetry *telemetry = page->telemetry;
	uint32_t every_ms = config->every_ms, half;

	if (page->dull >= SL_TELEMETRY_DULL && every_ms < SL_TELEMETRY_DULL_MS)
		every_ms = SL_TELEMETRY_DULL_MS;
	half = every_ms / 2;
	sl_timer_set(telemetry->loop, &page->due,
		     every_ms - half / 2 + sl_random_below(&telemetry->random, half + 1));
}

static void run(void *arg)
{
	struct page *page = arg;
	struct sl_telemetry *telemetry = page->telemetry;
	struct sl_routes *routes = sl_routes_get(telemetry->routes);
	const struct sl_config_metrics *config = config_of(page, routes);
	uint64_t asked_ms = sl_loop_now_ms(telemetry->loop);
	uint32_t before = ours_at(telemetry, page->slot), after;
	enum sl_telemetry_result result = SL_TELEMETRY_FAILED;
	struct sl_load_reading reading;
	struct sl_attempt attempt;
	struct sl_arena arena;

	page->fiber = sl_fiber_self(telemetry->loop);
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	sl_attempt_init(&attempt, &telemetry->up, &arena);
	attempt.body.cap = SL_TELEMETRY_PAGE_BYTES;
	if (fetch(page, config, &attempt))
		result = read_page(&attempt, &reading);
	if (!page->gone) {
		/* Some may have come or gone meanwhile: theirs are not taken for others'. */
		after = ours_at(telemetry, page->slot);
		if (result == SL_TELEMETRY_GOOD)
			sl_load_take(telemetry->up.state.retries->loads, page->slot,
				     page->incarnation, &reading, before > after ? before : after,
				     asked_ms + config->stale_ms);
		note(page, config, result);
		set_due(page, config_of(page, telemetry->routes));
	}
	sl_attempt_fini(&attempt);
	sl_arena_fini(&arena);
	sl_routes_put(&routes);
	page->running = false;
	page->fiber = NULL;
	telemetry->running--;
	if (page->gone)
		free(page);
}

static void on_due(struct sl_timer *timer)
{
	struct page *page = (struct page *)((char *)timer - offsetof(struct page, due));
	struct sl_telemetry *telemetry = page->telemetry;
	const struct sl_node_state *node = &telemetry->up.state.nodes[page->slot];
	bool told = is_told_by_beacon(telemetry, page->slot);

	if (told || sl_breaker_state(node->breaker) != SL_BREAKER_CLOSED) {
		count(telemetry, page->slot, told ? SL_TELEMETRY_BEACON : SL_TELEMETRY_SPARED);
		set_due(page, config_of(page, telemetry->routes));
		return;
	}
	if (telemetry->running < SL_TELEMETRY_RUNNING_MAX) {
		page->running = true;
		telemetry->running++;
		if (!sl_fiber_start(telemetry->loop, run, page))
			return;
		page->running = false;
		telemetry->running--;
	}
	sl_timer_set(telemetry->loop, timer, CROWDED_MS);
}

/* ---- the list -------------------------------------------------------------------------------- */

/* Its fiber, if one runs, finds `gone` set and frees it. */
static void end_page(struct sl_telemetry *telemetry, uint32_t slot)
{
	struct page *page = telemetry->by_slot[slot];

	if (!page)
		return;
	telemetry->by_slot[slot] = NULL;
	sl_timer_cancel(telemetry->loop, &page->due);
	sl_load_forget(telemetry->up.state.retries->loads, slot);
	page->gone = true;
	if (!page->running)
		free(page);
	else if (page->fiber)
		sl_fiber_wake(page->fiber);
}

static void begin_page(struct sl_telemetry *telemetry, uint32_t slot, uint32_t pool,
		       const struct sl_config_metrics *config)
{
	uint32_t incarnation = telemetry->up.state.nodes[slot].incarnation;
	struct page *page = telemetry->by_slot[slot];

	if (page && page->incarnation != incarnation) {
		end_page(telemetry, slot);
		page = NULL;
	}
	if (page) {
		page->pool = pool;
		page->dull = 0; /* its path may be another one now */
		if (!page->running)
			set_due(page, config);
		return;
	}
	page = calloc(1, sizeof(*page));
	if (!page)
		return; /* the node's load stays unknown until the next reload */
	page->telemetry = telemetry;
	page->slot = slot;
	page->pool = pool;
	page->incarnation = incarnation;
	sl_timer_init(&page->due, on_due);
	telemetry->by_slot[slot] = page;
	sl_timer_set(telemetry->loop, &page->due,
		     sl_random_below(&telemetry->random, config->every_ms < FIRST_MS_MAX
								 ? config->every_ms
								 : FIRST_MS_MAX));
}

static bool is_wanted(const struct sl_config_pool *pool, const struct sl_config_node *node)
{
	switch (pool->metrics.scrape) {
	case SL_CONFIG_SCRAPE_ALWAYS:
		return true;
	case SL_CONFIG_SCRAPE_AUTO:
		return !node->tls && !pool->api_key;
	default:
		return false;
	}
}

void sl_telemetry_apply(struct sl_telemetry *telemetry, struct sl_routes *routes)
{
	const struct sl_config *config = routes->config;
	bool wanted[SL_NODES_MAX] = {false};
	struct sl_routes *old = telemetry->routes;
	uint32_t p, n, slot;

	telemetry->routes = sl_routes_get(routes);
	for (p = 0; p < config->pool_count; p++) {
		for (n = 0; n < routes->pools[p].node_count; n++) {
			if (!is_wanted(&config->pools[p], &config->pools[p].nodes[n]))
				continue;
			slot = routes->pools[p].node_slots[n];
			wanted[slot] = true;
			begin_page(telemetry, slot, p, &config->pools[p].metrics);
		}
	}
	for (slot = 0; slot < SL_NODES_MAX; slot++) {
		if (!wanted[slot])
			end_page(telemetry, slot);
	}
	if (telemetry->beacons && !sl_timer_is_set(&telemetry->sweep))
		sl_timer_set(telemetry->loop, &telemetry->sweep, SL_TELEMETRY_BEACON_MS);
	if (old)
		sl_routes_put(&old);
}

const struct sl_telemetry_counts *sl_telemetry_counts(const struct sl_telemetry *telemetry)
{
	return telemetry ? telemetry->counts : NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

int sl_telemetry_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		      const struct sl_node_load *beacons, struct sl_telemetry **ret_telemetry)
{
	struct sl_telemetry *telemetry = calloc(1, sizeof(*telemetry));
	int rc;

	if (!telemetry)
		return -ENOMEM;
	telemetry->loop = loop;
	telemetry->beacons = beacons;
	sl_random_init(&telemetry->random);
	sl_timer_init(&telemetry->sweep, on_sweep);
	rc = sl_upstream_init(&telemetry->up, loop, state);
	if (rc) {
		free(telemetry);
		return rc;
	}
	telemetry->up.idle_max = 0;
	*ret_telemetry = telemetry;
	return 0;
}

static bool is_busy(const struct sl_telemetry *telemetry)
{
	return telemetry->running || telemetry->up.conn_count;
}

void sl_telemetry_stop(struct sl_telemetry *telemetry)
{
	uint32_t slot;
	int turn;

	if (!telemetry)
		return;
	for (slot = 0; slot < SL_NODES_MAX; slot++)
		end_page(telemetry, slot);
	sl_timer_cancel(telemetry->loop, &telemetry->sweep);
	sl_upstream_drain(&telemetry->up);
	for (turn = 0; turn < CLOSE_TURNS_MAX && is_busy(telemetry); turn++)
		sl_loop_turn(telemetry->loop, CLOSE_TURN_MS);
}

void sl_telemetry_close(struct sl_telemetry **ret_telemetry)
{
	struct sl_telemetry *telemetry = *ret_telemetry;

	*ret_telemetry = NULL;
	if (!telemetry)
		return;
	if (telemetry->routes)
		sl_routes_put(&telemetry->routes);
	if (is_busy(telemetry))
		return; /* left to the end of the process */
	sl_upstream_fini(&telemetry->up);
	free(telemetry);
}
