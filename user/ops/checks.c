/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/checks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/base/random.h"
#include "user/ops/zombie.h"

#define FIRST_MS_MAX	1000u /* of the first check, at random */
#define CROWDED_MS	50u   /* until a check that found no room tries again */
#define CLOSE_TURNS_MAX 200
#define CLOSE_TURN_MS	10
#define ARENA_BYTES_MAX (64u << 10)
#define MODELS_EVERY	12u /* checks from one look at the list of models to the next */

/* One node slot that is checked. */
struct check {
	struct sl_checks *health;
	struct sl_timer due;
	uint32_t slot;
	uint32_t pool; /* index in the configuration */
	uint32_t incarnation;
	uint32_t failures; /* checks in a row */
	uint64_t asked_ns; /* start of the check before */
	uint64_t generated_ns;
	uint32_t unlisted;	/* checks since the list of models was asked for */
	struct sl_fiber *fiber; /* while it runs */
	bool held;		/* by us: not ready */
	bool running;
	bool gone; /* nobody wants it any more; freed when it does not run */
};

struct sl_checks {
	struct sl_loop *loop;
	struct sl_upstream up;
	struct sl_threads *threads;
	struct sl_routes *routes;
	struct sl_random random;
	struct check *by_slot[SL_NODES_MAX];
	struct sl_check_counts counts[SL_NODES_MAX];
	struct sl_zombie zombie;
	uint32_t running;
};

static const struct sl_config_pool *pool_of(const struct check *check,
					    const struct sl_routes *routes)
{
	return &routes->config->pools[check->pool];
}

/* ---- what a check means ---------------------------------------------------------------------- */

/* `fails` or not any more, for those who keep incidents. */
static void tell(const char *pool, const char *node, bool fails, const char *why)
{
	struct sl_notice notice = {.kind = SL_NOTICE_HEALTH,
				   .level = fails ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_NODE,
				   .over = !fails,
				   .who = "probe"};

	sl_notice_set(notice.name, sizeof(notice.name), node);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	sl_notice_tell(&notice, "%s", fails ? why : "health checks are good");
}

static void set_state(struct check *check, enum sl_check_state state, const char *why)
{
	struct sl_checks *health = check->health;
	uint32_t *now = &health->counts[check->slot].state;
	const struct sl_node_state *node = &health->up.state.nodes[check->slot];
	const char *pool = health->up.state.pools[node->pool].name;
	char text[SL_ADDRESS_TEXT_SIZE];
	enum sl_check_state old = (enum sl_check_state) * now;

	if (old == state)
		return;
	__atomic_store_n(now, state, __ATOMIC_RELAXED);
	__atomic_store_n(&health->up.state.retries->failing[check->slot],
			 state == SL_CHECK_STATE_FAILING || state == SL_CHECK_STATE_NOT_READY,
			 __ATOMIC_RELAXED);
	sl_address_format(&node->endpoint, text);
	if (state == SL_CHECK_STATE_FAILING)
		sl_log(SL_LOG_WARN, "pool \"%s\": node %s: health checks fail: %s", pool, text,
		       why);
	else if (state == SL_CHECK_STATE_NOT_READY)
		sl_log(SL_LOG_INFO, "pool \"%s\": node %s: not ready: %s; gets no new requests",
		       pool, text, why);
	else if (old != SL_CHECK_STATE_UNKNOWN)
		sl_log(SL_LOG_INFO, "pool \"%s\": node %s: health checks are good again", pool,
		       text);
	if (state == SL_CHECK_STATE_FAILING || old == SL_CHECK_STATE_FAILING)
		tell(pool, text, state == SL_CHECK_STATE_FAILING, why);
}

static void let_go(struct check *check)
{
	if (check->held)
		sl_upstream_hold_until(&check->health->up, check->slot, 0);
	check->held = false;
}

/* Longer than the next check can take, so that it stays held, and no longer. */
static void hold(struct check *check, const struct sl_config_health *config)
{
	struct sl_checks *health = check->health;

	check->held = true;
	sl_upstream_hold_until(&health->up, check->slot,
			       sl_loop_now_ms(health->loop) + config->every_ms +
				       config->every_ms / 2 + 2ull * config->timeout_ms);
}

static void note_failed(struct check *check, const struct sl_config_health *config,
			const struct sl_attempt *attempt, uint64_t before_ns)
{
	struct sl_checks *health = check->health;
	uint64_t alive_ns =
		__atomic_load_n(&health->up.state.retries->alive_ns[check->slot], __ATOMIC_RELAXED);

	let_go(check);
	if (++check->failures < config->failures)
		return;
	set_state(check, SL_CHECK_STATE_FAILING, attempt->detail);
	if (alive_ns <= before_ns)
		sl_upstream_condemn(&health->up, check->slot,
				    sl_outcome_of(attempt->ending)->signal);
}

static void note(struct check *check, const struct sl_config_health *config,
		 enum sl_check_reply reply, const struct sl_attempt *attempt, uint64_t before_ns)
{
	switch (reply) {
	case SL_CHECK_FAILED:
		note_failed(check, config, attempt, before_ns);
		return;
	case SL_CHECK_NOT_READY:
		check->failures = 0;
		hold(check, config);
		set_state(check, SL_CHECK_STATE_NOT_READY, attempt->detail);
		return;
	case SL_CHECK_GOOD:
		check->failures = 0;
		let_go(check);
		set_state(check, SL_CHECK_STATE_GOOD, "");
		return;
	default:
		return; /* unclear: changes nothing */
	}
}

/* ---- one check -------------------------------------------------------------------------------- */

static void name_model(const struct check *check, const struct sl_routes *routes,
		       struct sl_check_ask *ask, char *room, size_t room_len)
{
	const struct sl_upstream_pool *pool = &routes->pools[check->pool];
	uint32_t i, k;
	int len;

	ask->model_json = pool->model_json;
	ask->model_json_len = pool->model_json_len;
	for (i = 0; i < routes->route_count && !ask->model_json; i++) {
		const struct sl_route_chain *chain = &routes->routes[i].chains[SL_CAUSE_ERROR];

		for (k = 0; k < chain->len && chain->pools[k] != pool; k++)
			;
		if (k == chain->len)
			continue;
		len = snprintf(room, room_len, "\"%s\"", routes->routes[i].model);
		ask->model_json = room;
		ask->model_json_len = (size_t)len;
	}
}

/* Is a probe of generation due, and would it tell something new? */
static bool wants_generation(struct check *check, const struct sl_config_health *config)
{
	struct sl_checks *health = check->health;
	uint64_t now_ns = sl_loop_now_ns(health->loop);
	uint64_t every_ns = config->generate_every_ms * SL_NS_PER_MS;
	uint64_t alive_ns =
		__atomic_load_n(&health->up.state.retries->alive_ns[check->slot], __ATOMIC_RELAXED);

	/* A failed one is repeated with the next check. */
	if (!every_ns || (!check->failures && now_ns - check->generated_ns < every_ns))
		return false;
	if (now_ns - alive_ns < every_ns && alive_ns) {
		__atomic_fetch_add(&health->counts[check->slot].spared, 1, __ATOMIC_RELAXED);
		check->generated_ns = now_ns;
		return false;
	}
	check->generated_ns = now_ns;
	return true;
}

/* May the node have been started anew since it was asked for its list? Providers' lists are not looked at. */
static bool wants_models(struct check *check, const struct sl_check_ask *ask)
{
	const struct sl_upstream_pool *pool = ask->pool;
	bool away =
		check->health->counts[check->slot].state != SL_CHECK_STATE_GOOD || check->failures;

	if (!ask->model_json || pool->expect == SL_CONFIG_EXPECT_OFF || pool->key_line ||
	    pool->api != SL_CONFIG_API_OPENAI || (!away && ++check->unlisted < MODELS_EVERY))
		return false;
	check->unlisted = 0;
	return true;
}

/* Asks what is configured, up to the first answer that is not good. */
static enum sl_check_reply ask_all(struct check *check, const struct sl_routes *routes,
				   struct sl_attempt *attempt)
{
	struct sl_checks *health = check->health;
	const struct sl_config_health *config = &pool_of(check, routes)->health;
	struct sl_upstream_grant grant = sl_upstream_grant_check(&health->up, check->slot);
	struct sl_check_ask ask = {
		.config = config,
		.pool = &routes->pools[check->pool],
		.gone = &check->gone,
	};
	char model[SL_CONFIG_MODEL_MAX + 3];
	bool wanted[SL_CHECK_QUESTIONS] = {
		[SL_CHECK_LIVE] = config->live != SL_CONFIG_LIVE_NONE,
		[SL_CHECK_READINESS] = config->ready_path != NULL,
	};
	enum sl_check_reply reply = SL_CHECK_UNCLEAR, now;
	int q;

	name_model(check, routes, &ask, model, sizeof(model));
	for (q = 0; q < SL_CHECK_QUESTIONS && grant.node; q++) {
		if (q == SL_CHECK_GENERATE ? !ask.model_json || !wants_generation(check, config)
		    : q == SL_CHECK_MODELS ? !wants_models(check, &ask)
					   : !wanted[q])
			continue;
		ask.question = (enum sl_check_question)q;
		ask.timeout_ms =
			q == SL_CHECK_GENERATE ? config->generate_timeout_ms : config->timeout_ms;
		now = sl_check_ask(attempt, &grant, &ask);
		__atomic_fetch_add(&health->counts[check->slot].replies[q][now], 1,
				   __ATOMIC_RELAXED);
		if (q == SL_CHECK_MODELS) /* says nothing of its health */
			continue;
		reply = now;
		if (reply != SL_CHECK_GOOD)
			break;
	}
	return reply;
}

static void set_due(struct check *check, const struct sl_config_health *config)
{
	struct sl_checks *health = check->health;
	uint32_t half = config->every_ms / 2;

	sl_timer_set(health->loop, &check->due,
		     config->every_ms - half / 2 + sl_random_below(&health->random, half + 1));
}

static void run(void *arg)
{
	struct check *check = arg;
	struct sl_checks *health = check->health;
	struct sl_routes *routes = sl_routes_get(health->routes);
	const struct sl_config_health *config = &pool_of(check, routes)->health;
	uint64_t before_ns = check->asked_ns;
	enum sl_check_reply reply;
	struct sl_attempt attempt;
	struct sl_arena arena;

	check->fiber = sl_fiber_self(health->loop);
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	sl_attempt_init(&attempt, &health->up, &arena);
	check->asked_ns = sl_loop_now_ns(health->loop);
	reply = ask_all(check, routes, &attempt);
	if (!check->gone) {
		note(check, config, reply, &attempt, before_ns);
		set_due(check, &pool_of(check, health->routes)->health);
	}
	sl_attempt_fini(&attempt);
	sl_arena_fini(&arena);
	sl_routes_put(&routes);
	check->running = false;
	check->fiber = NULL;
	health->running--;
	if (check->gone)
		free(check);
}

static void on_due(struct sl_timer *timer)
{
	struct check *check = (struct check *)((char *)timer - offsetof(struct check, due));
	struct sl_checks *health = check->health;

	if (health->running < SL_CHECK_RUNNING_MAX) {
		check->running = true;
		health->running++;
		if (!sl_fiber_start(health->loop, run, check))
			return;
		check->running = false;
		health->running--;
	}
	sl_timer_set(health->loop, timer, CROWDED_MS);
}

/* ---- the list --------------------------------------------------------------------------------- */

/* Its fiber, if one runs, finds `gone` set and frees it. */
static void end_check(struct sl_checks *health, uint32_t slot)
{
	struct check *check = health->by_slot[slot];

	if (!check)
		return;
	health->by_slot[slot] = NULL;
	sl_timer_cancel(health->loop, &check->due);
	let_go(check);
	__atomic_store_n(&health->counts[slot].state, SL_CHECK_STATE_UNKNOWN, __ATOMIC_RELAXED);
	__atomic_store_n(&health->up.state.retries->checked[slot], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&health->up.state.retries->failing[slot], 0, __ATOMIC_RELAXED);
	check->gone = true;
	if (!check->running)
		free(check);
	else if (check->fiber)
		sl_fiber_wake(check->fiber);
}

static void begin_check(struct sl_checks *health, uint32_t slot, uint32_t pool,
			const struct sl_config_health *config)
{
	uint32_t incarnation = health->up.state.nodes[slot].incarnation;
	struct check *check = health->by_slot[slot];

	if (check && check->incarnation != incarnation) {
		end_check(health, slot);
		check = NULL;
	}
	if (check) {
		check->pool = pool;
		return;
	}
	check = calloc(1, sizeof(*check));
	if (!check)
		return; /* the node stays unchecked until the next reload */
	check->health = health;
	check->slot = slot;
	check->pool = pool;
	check->incarnation = incarnation;
	sl_timer_init(&check->due, on_due);
	health->by_slot[slot] = check;
	__atomic_store_n(&health->up.state.retries->checked[slot], 1, __ATOMIC_RELAXED);
	sl_timer_set(health->loop, &check->due,
		     sl_random_below(&health->random, config->every_ms < FIRST_MS_MAX
							      ? config->every_ms
							      : FIRST_MS_MAX));
}

void sl_checks_apply(struct sl_checks *health, struct sl_routes *routes)
{
	const struct sl_config *config = routes->config;
	bool wanted[SL_NODES_MAX] = {false};
	struct sl_routes *old = health->routes;
	uint32_t p, n, slot;

	health->routes = sl_routes_get(routes);
	health->up.idle_max = 0;
	for (p = 0; p < config->pool_count; p++) {
		const struct sl_config_health *wants = &config->pools[p].health;

		if (wants->live == SL_CONFIG_LIVE_NONE && !wants->ready_path &&
		    !wants->generate_every_ms)
			continue;
		for (n = 0; n < routes->pools[p].node_count; n++) {
			slot = routes->pools[p].node_slots[n];
			wanted[slot] = true;
			begin_check(health, slot, p, wants);
		}
	}
	for (slot = 0; slot < SL_NODES_MAX; slot++) {
		if (!wanted[slot])
			end_check(health, slot);
	}
	sl_zombie_apply(&health->zombie, health->routes);
	if (old)
		sl_routes_put(&old);
}

const struct sl_check_counts *sl_checks_counts(const struct sl_checks *health)
{
	return health ? health->counts : NULL;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct sl_checks *health = owner;

	sl_worker_log_change(health->up.state.pools[node->state->pool].name, node->text, change);
}

static void on_zombie(void *owner, uint32_t slot)
{
	struct sl_checks *health = owner;

	__atomic_fetch_add(&health->counts[slot].zombies, 1, __ATOMIC_RELAXED);
	sl_upstream_condemn(&health->up, slot, SL_SIGNAL_STALL);
}

int sl_checks_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		   struct sl_threads *threads, struct sl_checks **ret_health)
{
	struct sl_checks *health = calloc(1, sizeof(*health));
	int rc;

	if (!health)
		return -ENOMEM;
	health->loop = loop;
	health->threads = threads;
	sl_random_init(&health->random);
	rc = sl_upstream_init(&health->up, loop, state);
	if (!rc)
		rc = sl_zombie_init(&health->zombie, loop, threads, state->nodes, on_zombie,
				    health);
	if (rc) {
		free(health);
		return rc;
	}
	health->up.changed = on_changed;
	health->up.owner = health;
	*ret_health = health;
	return 0;
}

static bool is_busy(const struct sl_checks *health)
{
	return health->running || health->up.conn_count || health->zombie.under_way;
}

void sl_checks_stop(struct sl_checks *health)
{
	uint32_t slot;
	int turn;

	if (!health)
		return;
	for (slot = 0; slot < SL_NODES_MAX; slot++)
		end_check(health, slot);
	sl_zombie_stop(&health->zombie);
	sl_upstream_drain(&health->up);
	for (turn = 0; turn < CLOSE_TURNS_MAX && is_busy(health); turn++)
		sl_loop_turn(health->loop, CLOSE_TURN_MS);
}

void sl_checks_close(struct sl_checks **ret_health)
{
	struct sl_checks *health = *ret_health;

	*ret_health = NULL;
	if (!health)
		return;
	if (health->routes)
		sl_routes_put(&health->routes);
	if (is_busy(health))
		return; /* left to the end of the process */
	sl_zombie_fini(&health->zombie);
	sl_upstream_fini(&health->up);
	free(health);
}
