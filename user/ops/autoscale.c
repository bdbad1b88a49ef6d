/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/autoscale.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/io/fiber.h"
#include "user/policy/autoscale.h"
#include "user/request/worker.h"
#include "user/upstream/attempt.h"

#define ARENA_BYTES_MAX (64u << 10)
#define BODY_BYTES	1024u
#define HEAD_BYTES	(2u * SL_CONFIG_URL_MAX + SL_CONFIG_TOKEN_MAX + 512u)
#define CLOSE_TURNS_MAX 200
#define CLOSE_TURN_MS	10

/* What a pool's queue and nodes say at one moment. */
struct look {
	uint32_t depth;
	uint64_t oldest_ms;
	uint32_t running;
	uint32_t available; /* nodes that may be asked */
};

/* Of one pool slot. */
struct subject {
	struct sl_autoscale state;
	enum sl_autoscale_call due;
	uint64_t calls_ok, calls_failed;
	bool deaf; /* the last call failed */
	uint32_t pressed;
	char name[SL_CONFIG_NAME_MAX + 1]; /* whose state it is: slots are used again */
};

struct sl_scaler {
	struct sl_loop *loop;
	struct sl_upstream up;
	const struct sl_rooms *rooms;
	struct sl_routes *routes;
	struct sl_routes *round; /* by which it calls now, or NULL */
	struct sl_timer timer;
	struct sl_fiber *fiber; /* while it calls */
	bool calling;
	bool gone;
	struct subject subjects[SL_POOLS_MAX];
};

static const struct sl_config *config_of(const struct sl_scaler *scaler)
{
	return (scaler->round ? scaler->round : scaler->routes)->config;
}

static struct sl_autoscale_config policy_of(const struct sl_scaler *scaler)
{
	const struct sl_config *config = config_of(scaler);

	return (struct sl_autoscale_config){
		.depth = config->autoscale_depth,
		.wait_ms = config->autoscale_wait_ms,
		.calm_ms = config->autoscale_calm_ms,
		.every_ms = config->autoscale_every_ms,
	};
}

/* For who keeps incidents: what was done about a pool that is too small. A call that fails again is not told. */
static void tell_hook(struct subject *subject, const char *pool, bool up, bool ok, const char *why)
{
	struct sl_notice notice = {.kind = SL_NOTICE_HOOK,
				   .level = ok ? SL_NOTICE_INFO : SL_NOTICE_WARN,
				   .of = SL_NOTICE_OF_POOL,
				   .who = "daemon"};

	if (!ok && subject->deaf)
		return;
	subject->deaf = !ok;
	sl_notice_set(notice.name, sizeof(notice.name), pool);
	if (ok)
		sl_notice_tell(&notice, "autoscaler told: %s", up ? "up" : "down");
	else
		sl_notice_tell(&notice, "autoscaler not told: %s", why);
}

/* ---- looking --------------------------------------------------------------------------------- */

static struct look look_at(const struct sl_scaler *scaler, const struct sl_upstream_pool *pool)
{
	struct sl_room *room =
		__atomic_load_n(&scaler->rooms->by_pool[pool->slot], __ATOMIC_ACQUIRE);
	uint64_t now_ns = sl_clock_ns(), oldest_ns = now_ns;
	struct look look = {0};
	uint32_t i;

	for (i = 0; i < pool->node_count; i++) {
		const struct sl_node_state *node = &scaler->up.state.nodes[pool->node_slots[i]];

		look.running += __atomic_load_n(&node->requests, __ATOMIC_RELAXED);
		look.available += sl_breaker_available(node, now_ns / SL_NS_PER_MS);
	}
	if (!room)
		return look;
	pthread_mutex_lock(&room->lock);
	look.depth = room->queue.count;
	for (i = 0; i < SL_QUEUE_CLASSES; i++) {
		const struct sl_queue_entry *entry = room->queue.classes[i].oldest;

		if (entry && entry->born_ns < oldest_ns)
			oldest_ns = entry->born_ns;
	}
	pthread_mutex_unlock(&room->lock);
	look.oldest_ms = (now_ns - oldest_ns) / SL_NS_PER_MS;
	return look;
}

static struct subject *subject_of(struct sl_scaler *scaler, const struct sl_upstream_pool *pool)
{
	struct subject *subject = &scaler->subjects[pool->slot];

	if (strcmp(subject->name, pool->name) != 0) {
		memset(subject, 0, sizeof(*subject));
		snprintf(subject->name, sizeof(subject->name), "%s", pool->name);
	}
	return subject;
}

/* ---- calling --------------------------------------------------------------------------------- */

static size_t write_body(const struct sl_upstream_pool *pool, const struct look *look,
			 enum sl_autoscale_call call, char body[BODY_BYTES])
{
	char time[SL_CLOCK_ISO_SIZE];
	struct sl_text text;

	sl_clock_format_iso(sl_clock_wall_ms(), time);
	sl_text_init_fixed(&text, body, BODY_BYTES);
	sl_text_append_string(&text, "{\"pool\":");
	sl_text_append_json_string(&text, pool->name);
	sl_text_printf(&text,
		       ",\"signal\":\"%s\",\"queue_depth\":%" PRIu32 ",\"oldest_wait_ms\":%" PRIu64
		       ",\"requests_running\":%" PRIu32 ",\"nodes\":%" PRIu32
		       ",\"nodes_available\":%" PRIu32 ",\"time\":\"%s\"}",
		       call == SL_AUTOSCALE_UP ? "up" : "down", look->depth, look->oldest_ms,
		       look->running, pool->node_count, look->available, time);
	return text.len;
}

static size_t write_head(const struct sl_scaler *scaler, const struct sl_upstream_pool *to,
			 const struct sl_upstream_node *node, size_t body_len,
			 char head[HEAD_BYTES])
{
	int len = snprintf(head, HEAD_BYTES,
			   "POST %s HTTP/1.1\r\nhost: %s\r\nuser-agent: sluiced-autoscale\r\n"
			   "%scontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
			   config_of(scaler)->autoscale_path, sl_upstream_host(node),
			   to->key_line ? to->key_line : "", body_len);

	return len > 0 && (size_t)len < HEAD_BYTES ? (size_t)len : 0;
}

/* One POST. why: room for what failed. */
static bool post(struct sl_scaler *scaler, const char *body, size_t body_len,
		 char why[SL_ATTEMPT_DETAIL_BYTES])
{
	const struct sl_upstream_pool *to =
		&scaler->round->pools[config_of(scaler)->autoscale_pool];
	uint64_t until_ns = sl_loop_now_ns(scaler->loop) + SL_AUTOSCALE_CALL_MS * SL_NS_PER_MS;
	struct sl_upstream_grant grant = sl_upstream_acquire(&scaler->up, to, NULL, 0, true);
	char head[HEAD_BYTES];
	struct sl_attempt_plan plan = {
		.head = head,
		.body = body,
		.body_len = body_len,
		.connect_ms = SL_AUTOSCALE_CALL_MS,
		.answer_ns = until_ns,
		.deadline_ns = until_ns,
		.gone = &scaler->gone,
	};
	struct sl_attempt attempt;
	struct sl_arena arena;
	enum sl_ending ending;

	snprintf(why, SL_ATTEMPT_DETAIL_BYTES, "no node may be asked");
	if (!grant.node)
		return false;
	plan.head_len = write_head(scaler, to, grant.node, body_len, head);
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	sl_attempt_init(&attempt, &scaler->up, &arena);
	ending = sl_attempt_run(&attempt, &grant, &plan);
	snprintf(why, SL_ATTEMPT_DETAIL_BYTES, "%s",
		 attempt.detail[0] ? attempt.detail : sl_outcome_of(ending)->name);
	sl_attempt_fini(&attempt);
	sl_arena_fini(&arena);
	return ending == SL_ENDING_OK;
}

static void call(struct sl_scaler *scaler, const struct sl_upstream_pool *pool)
{
	struct subject *subject = subject_of(scaler, pool);
	struct sl_autoscale_config policy = policy_of(scaler);
	struct look look = look_at(scaler, pool);
	enum sl_autoscale_call due = subject->due;
	char body[BODY_BYTES], why[SL_ATTEMPT_DETAIL_BYTES];
	bool ok = post(scaler, body, write_body(pool, &look, due, body), why);

	subject->due = SL_AUTOSCALE_NONE;
	sl_autoscale_made(&subject->state, &policy, due, ok, sl_loop_now_ms(scaler->loop),
			  sl_random_u32(&scaler->up.random));
	__atomic_fetch_add(ok ? &subject->calls_ok : &subject->calls_failed, 1, __ATOMIC_RELAXED);
	if (ok || !scaler->gone)
		tell_hook(subject, pool->name, due == SL_AUTOSCALE_UP, ok, why);
	if (ok)
		sl_log(SL_LOG_INFO, "pool \"%s\": autoscaler told: %s depth=%u oldest_wait_ms=%llu",
		       pool->name, due == SL_AUTOSCALE_UP ? "up" : "down", look.depth,
		       (unsigned long long)look.oldest_ms);
	else if (!scaler->gone)
		sl_log_limited(SL_LOG_WARN,
			       "pool \"%s\": autoscaler not told: pool \"%s\": %s (tried again)",
			       pool->name,
			       config_of(scaler)->pools[config_of(scaler)->autoscale_pool].name,
			       why);
}

static void run(void *arg)
{
	struct sl_scaler *scaler = arg;
	struct sl_routes *routes = sl_routes_get(scaler->routes);
	uint32_t i;

	scaler->fiber = sl_fiber_self(scaler->loop);
	scaler->round = routes;
	/* by this snapshot as long as it is the one in force: a reload ends the round */
	for (i = 0; i < routes->config->pool_count && scaler->routes == routes; i++) {
		if (!scaler->gone && subject_of(scaler, &routes->pools[i])->due)
			call(scaler, &routes->pools[i]);
	}
	scaler->fiber = NULL;
	scaler->round = NULL;
	scaler->calling = false;
	sl_routes_put(&routes);
}

static void on_look(struct sl_timer *timer)
{
	struct sl_scaler *scaler =
		(struct sl_scaler *)((char *)timer - offsetof(struct sl_scaler, timer));
	const struct sl_config *config = config_of(scaler);
	struct sl_autoscale_config policy = policy_of(scaler);
	bool due = false;
	uint32_t i;

	sl_timer_set(scaler->loop, timer, SL_AUTOSCALE_LOOK_MS);
	for (i = 0; i < config->pool_count && !scaler->calling; i++) {
		const struct sl_upstream_pool *pool = &scaler->routes->pools[i];
		struct subject *subject = subject_of(scaler, pool);
		struct look look;

		if (i == config->autoscale_pool)
			continue;
		look = look_at(scaler, pool);
		subject->due = sl_autoscale_look(&subject->state, &policy, look.depth,
						 look.oldest_ms, sl_loop_now_ms(scaler->loop));
		__atomic_store_n(&subject->pressed, subject->state.pressed, __ATOMIC_RELAXED);
		due = due || subject->due;
	}
	if (!due)
		return;
	scaler->calling = true;
	if (sl_fiber_start(scaler->loop, run, scaler))
		scaler->calling = false; /* with the next look */
}

/* ---- metrics --------------------------------------------------------------------------------- */

void sl_scaler_write_metrics(const struct sl_scaler *scaler, struct sl_text *text)
{
	uint32_t slot;

	if (!scaler)
		return;
	sl_text_append_string(text, "# HELP sluice_autoscale_pressed 1 while the pool is too small "
				    "for its queue.\n# TYPE sluice_autoscale_pressed gauge\n");
	for (slot = 0; slot < SL_POOLS_MAX; slot++) {
		if (scaler->subjects[slot].name[0])
			sl_text_printf(
				text, "sluice_autoscale_pressed{pool=\"%s\"} %u\n",
				scaler->subjects[slot].name,
				__atomic_load_n(&scaler->subjects[slot].pressed, __ATOMIC_RELAXED));
	}
	sl_text_append_string(text, "# HELP sluice_autoscale_calls_total Calls to the autoscaler.\n"
				    "# TYPE sluice_autoscale_calls_total counter\n");
	for (slot = 0; slot < SL_POOLS_MAX; slot++) {
		const struct subject *subject = &scaler->subjects[slot];

		if (subject->name[0])
			sl_text_printf(
				text,
				"sluice_autoscale_calls_total{pool=\"%s\",result=\"ok\"} %" PRIu64
				"\nsluice_autoscale_calls_total{pool=\"%s\",result=\"failed\"} "
				"%" PRIu64 "\n",
				subject->name,
				__atomic_load_n(&subject->calls_ok, __ATOMIC_RELAXED),
				subject->name,
				__atomic_load_n(&subject->calls_failed, __ATOMIC_RELAXED));
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct sl_scaler *scaler = owner;

	sl_worker_log_change(scaler->up.state.pools[node->state->pool].name, node->text, change);
}

int sl_scaler_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		   const struct sl_rooms *rooms, struct sl_scaler **ret_scaler)
{
	struct sl_scaler *scaler = calloc(1, sizeof(*scaler));
	int rc;

	if (!scaler)
		return -ENOMEM;
	scaler->loop = loop;
	scaler->rooms = rooms;
	rc = sl_upstream_init(&scaler->up, loop, state);
	if (rc) {
		free(scaler);
		return rc;
	}
	scaler->up.changed = on_changed;
	scaler->up.owner = scaler;
	sl_timer_init(&scaler->timer, on_look);
	*ret_scaler = scaler;
	return 0;
}

void sl_scaler_apply(struct sl_scaler *scaler, struct sl_routes *routes)
{
	struct sl_routes *old;

	if (!scaler)
		return;
	old = scaler->routes;
	scaler->routes = sl_routes_get(routes);
	if (old)
		sl_routes_put(&old);
	sl_timer_cancel(scaler->loop, &scaler->timer);
	if (routes->config->autoscale_pool != UINT32_MAX)
		sl_timer_set(scaler->loop, &scaler->timer, SL_AUTOSCALE_LOOK_MS);
}

void sl_scaler_stop(struct sl_scaler *scaler)
{
	int turn;

	if (!scaler)
		return;
	scaler->gone = true;
	sl_timer_cancel(scaler->loop, &scaler->timer);
	if (scaler->fiber)
		sl_fiber_wake(scaler->fiber);
	sl_upstream_drain(&scaler->up);
	for (turn = 0; turn < CLOSE_TURNS_MAX && (scaler->calling || scaler->up.conn_count); turn++)
		sl_loop_turn(scaler->loop, CLOSE_TURN_MS);
}

void sl_scaler_close(struct sl_scaler **ret_scaler)
{
	struct sl_scaler *scaler = *ret_scaler;

	*ret_scaler = NULL;
	if (!scaler)
		return;
	if (scaler->routes)
		sl_routes_put(&scaler->routes);
	if (scaler->calling || scaler->up.conn_count)
		return; /* left to the end of the process */
	sl_upstream_fini(&scaler->up);
	free(scaler);
}
