/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/index_embed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/request/worker.h"
#include "user/stage/embed.h"
#include "user/store/retrieval.h"

#define LOOK_MS		100u  /* how soon the builder sees that it is to stop */
#define GRACE_MS	1000u /* the call ends by its own time; one that has not by then is left */
#define ARENA_BYTES_MAX (64u << 20)
#define STOP_TURNS_MAX	200
#define STOP_TURN_MS	10

struct part;

/* One call. */
struct job {
	struct part *part;
	atomic_uint refs;
	struct job *next; /* of the part's, the control thread's alone */
	struct sl_fiber *fiber;
	char pool[SL_CONFIG_NAME_MAX + 1];
	char *model;
	char *texts; /* each with a NUL behind it */
	uint32_t count, dimensions, timeout_ms;
	float *vectors;
	bool gone; /* the fiber is to end: the control thread's */
	/* under the part's lock */
	bool done;
	int rc;
	struct sl_error error;
};

struct part {
	struct sl_watch_place place;
	struct sl_routes *routes;
	struct sl_upstream up;
	struct sl_indexes_asker asker;
	struct job *jobs; /* that have a fiber */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint32_t posted; /* jobs that the control thread has not begun; under the lock, */
	bool stopping;	 /* as this */
};

static void put_job(struct job *job)
{
	if (atomic_fetch_sub(&job->refs, 1) > 1)
		return;
	free(job->model);
	free(job->texts);
	free(job->vectors);
	free(job);
}

static struct job *new_job(struct part *part, const struct sl_indexes_ask *ask)
{
	struct job *job = calloc(1, sizeof(*job));
	size_t bytes = 0;
	char *at;

	if (job == NULL)
		return NULL;
	for (uint32_t i = 0; i < ask->count; i++)
		bytes += ask->texts[i].len + 1;
	atomic_init(&job->refs, 1);
	job->part = part;
	job->count = ask->count;
	job->dimensions = ask->dimensions;
	job->timeout_ms = ask->timeout_ms;
	snprintf(job->pool, sizeof(job->pool), "%s", ask->pool);
	job->model = strdup(ask->model);
	job->texts = at = malloc(bytes);
	job->vectors = malloc((size_t)ask->count * ask->dimensions * sizeof(float));
	if (job->model == NULL || job->texts == NULL || job->vectors == NULL) {
		put_job(job);
		return NULL;
	}
	for (uint32_t i = 0; i < ask->count; i++) {
		memcpy(at, ask->texts[i].data, ask->texts[i].len);
		at += ask->texts[i].len;
		*at++ = '\0';
	}
	return job;
}

/* ---- control thread -------------------------------------------------------------------------- */

static void end_job(struct job *job, int rc)
{
	pthread_mutex_lock(&job->part->lock);
	job->done = true;
	job->rc = rc;
	pthread_cond_broadcast(&job->part->ended);
	pthread_mutex_unlock(&job->part->lock);
	put_job(job);
}

static uint32_t find_pool(const struct sl_config *config, const char *name)
{
	uint32_t i = 0;

	while (i < config->pool_count && strcmp(config->pools[i].name, name) != 0)
		i++;
	return i;
}

static int embed(struct job *job, const struct sl_routes *routes)
{
	struct part *part = job->part;
	uint32_t pool = find_pool(routes->config, job->pool);
	struct sl_embed_room room = {job->vectors, (size_t)job->count * job->dimensions};
	struct sl_embed_pool source = {.model = job->model, .dimensions = job->dimensions};
	struct sl_span texts[SL_DOCUMENTS_BATCH_MAX];
	struct sl_arena arena;
	struct sl_stage ground = {.config = routes->config,
				  .pools = routes->pools,
				  .up = &part->up,
				  .loop = part->place.loop,
				  .arena = &arena,
				  .gone = &job->gone,
				  .id = "index"};
	const char *at = job->texts;
	int rc;

	if (pool == routes->config->pool_count)
		return sl_error_set(&job->error, -ENOENT, "pool \"%s\": is not configured any more",
				    job->pool);
	source.pool = &routes->pools[pool];
	for (uint32_t i = 0; i < job->count; i++) {
		texts[i] = sl_span_string(at);
		at += texts[i].len + 1;
	}
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	rc = sl_embed_ask(&ground, &source, texts, job->count,
			  sl_loop_now_ns(part->place.loop) + job->timeout_ms * SL_NS_PER_MS, &room,
			  &job->error);
	sl_arena_fini(&arena);
	return rc < 0 ? rc : 0;
}

static void run(void *argument)
{
	struct job *job = argument, **at = &job->part->jobs;
	struct sl_routes *routes = sl_routes_get(job->part->routes);
	int rc;

	job->fiber = sl_fiber_self(job->part->place.loop);
	rc = job->gone ? -ECANCELED : embed(job, routes);
	job->fiber = NULL;
	sl_routes_put(&routes);
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	end_job(job, rc);
}

static void begin(void *argument)
{
	struct job *job = argument;
	struct part *part = job->part;
	bool stopping;

	pthread_mutex_lock(&part->lock);
	part->posted--;
	stopping = part->stopping;
	pthread_mutex_unlock(&part->lock);
	if (stopping) {
		end_job(job, -ECANCELED);
		return;
	}
	job->next = part->jobs;
	part->jobs = job;
	if (sl_fiber_start(part->place.loop, run, job) == 0)
		return;
	part->jobs = job->next;
	sl_error_set(&job->error, -EAGAIN, "pool \"%s\": no memory to ask it", job->pool);
	end_job(job, -EAGAIN);
}

/* ---- builder's thread ------------------------------------------------------------------------ */

/* Under the lock. */
static void wait_for(struct part *part, struct job *job, const atomic_bool *gone)
{
	uint64_t until_ms = sl_clock_ms() + job->timeout_ms + GRACE_MS;

	while (!job->done && !atomic_load(gone) && !part->stopping && sl_clock_ms() < until_ms) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&part->ended, &part->lock, &until);
	}
}

static int ask_pool(void *owner, const struct sl_indexes_ask *ask, struct sl_error *error)
{
	struct part *part = owner;
	struct job *job = new_job(part, ask);
	int rc = job != NULL ? 0 : -ENOMEM;

	if (rc)
		return sl_error_set_errno(error, rc, "pool \"%s\": embeddings", ask->pool);
	pthread_mutex_lock(&part->lock);
	if (!part->stopping) {
		atomic_fetch_add(&job->refs, 1);
		rc = sl_loop_post(part->place.loop, begin, job);
		if (rc)
			atomic_fetch_sub(&job->refs, 1);
		else
			part->posted++;
	}
	if (!rc)
		wait_for(part, job, ask->gone);
	if (!rc && job->done)
		rc = job->rc;
	else if (!rc)
		rc = atomic_load(ask->gone) || part->stopping ? -ECANCELED : -ETIMEDOUT;
	if (rc && job->error.text[0] && job->done)
		*error = job->error;
	else if (rc)
		sl_error_set_errno(error, rc, "pool \"%s\": embeddings", ask->pool);
	pthread_mutex_unlock(&part->lock);
	if (!rc)
		memcpy(ask->vectors, job->vectors,
		       (size_t)ask->count * ask->dimensions * sizeof(float));
	put_job(job);
	return rc;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct sl_indexes *indexes_of(const struct part *part)
{
	return part->place.stores->retrieval != NULL ? part->place.stores->retrieval->indexes
						     : NULL;
}

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct part *part = owner;

	sl_worker_log_change(part->up.state.pools[node->state->pool].name, node->text, change);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct part *part = calloc(1, sizeof(*part));
	pthread_condattr_t attributes;

	if (part == NULL || sl_upstream_init(&part->up, place->loop, &place->state)) {
		free(part);
		return -ENOMEM;
	}
	part->place = *place;
	part->routes = sl_routes_get(routes);
	part->up.changed = on_changed;
	part->up.owner = part;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&part->lock, NULL);
	pthread_cond_init(&part->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	part->asker = (struct sl_indexes_asker){.ask = ask_pool, .owner = part};
	*ret_part = part;
	sl_indexes_lend(indexes_of(part), &part->asker);
	return 0;
}

static void apply(void *owner, struct sl_routes *routes)
{
	struct part *part = owner;
	struct sl_routes *old = part->routes;

	part->routes = sl_routes_get(routes);
	sl_routes_put(&old);
}

static bool is_busy(struct part *part)
{
	bool busy;

	pthread_mutex_lock(&part->lock);
	busy = part->posted != 0 || part->jobs != NULL || part->up.conn_count != 0;
	pthread_mutex_unlock(&part->lock);
	return busy;
}

static void stop(void *owner, bool leaving)
{
	struct part *part = owner;

	(void)leaving;
	pthread_mutex_lock(&part->lock);
	part->stopping = true;
	pthread_cond_broadcast(&part->ended);
	pthread_mutex_unlock(&part->lock);
	sl_indexes_lend(indexes_of(part), NULL);
	for (struct job *job = part->jobs; job != NULL; job = job->next) {
		job->gone = true;
		if (job->fiber != NULL)
			sl_fiber_wake(job->fiber);
	}
	sl_upstream_drain(&part->up);
	for (int turn = 0; turn < STOP_TURNS_MAX && is_busy(part); turn++) {
		sl_loop_turn(part->place.loop, STOP_TURN_MS);
		sl_upstream_drain(&part->up);
	}
}

static void close_part(void *owner)
{
	struct part *part = owner;

	sl_indexes_lend(indexes_of(part), NULL);
	sl_routes_put(&part->routes);
	if (is_busy(part))
		return; /* cut: what is still under way may yet look here */
	sl_upstream_fini(&part->up);
	pthread_cond_destroy(&part->ended);
	pthread_mutex_destroy(&part->lock);
	free(part);
}

const struct sl_watch_part sl_index_embed_part = {
	.open = open_part,
	.apply = apply,
	.stop = stop,
	.close = close_part,
};
