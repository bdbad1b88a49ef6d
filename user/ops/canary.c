/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/canary.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/ops/canary_parts.h"
#include "user/request/worker.h"
#include "user/upstream/identity.h"
#include "user/upstream/survey.h"

#define FIRST_MS	1000u /* of the first run, at random, at most */
#define CROWDED_MS	200u  /* until a run that found no room tries again */
#define DISK_MS		10000u
#define CLOSE_TURNS_MAX 200
#define CLOSE_TURN_MS	10
#define ARENA_BYTES_MAX (256u << 20) /* of a whole run: answers and vectors */

/* One run. */
struct run {
	struct sl_canary_pool *pool;
	struct sl_routes *routes;
	uint32_t index; /* of the pool in these */
	const struct sl_config_canary *config;
	struct sl_arena arena;
	struct sl_stage ground;
	struct sl_canary_file file;
	struct sl_canary_samples samples[SL_BASELINE_QUESTIONS_MAX];
	struct sl_drift_run against;
	struct sl_baseline *fresh; /* of `record` */
	uint64_t latency_us;
	uint32_t answered, unanswered;
	bool other_model, other_fingerprint;
	char model[SL_CONFIG_MODEL_MAX + 1];
	char fingerprint[64];
	char why[SL_ATTEMPT_DETAIL_BYTES];
	char id[32];
};

const char *sl_canary_cause_name(int cause)
{
	return cause == SL_CANARY_MODEL		? "model"
	       : cause == SL_CANARY_FINGERPRINT ? "fingerprint"
						: sl_drift_cause_name((enum sl_drift_cause)cause);
}

uint32_t sl_canary_alarms(const struct sl_canary_pool *pool)
{
	uint32_t alarms = (uint32_t)pool->other_model << SL_CANARY_MODEL |
			  (uint32_t)pool->other_fingerprint << SL_CANARY_FINGERPRINT;

	for (int cause = 0; cause < SL_DRIFT_CAUSES && pool->baseline; cause++)
		alarms |= (uint32_t)pool->baseline->drift.alarms[cause] << cause;
	return alarms;
}

/* ---- the disk -------------------------------------------------------------------------------- */

enum disk_deed { DISK_LOAD, DISK_SAVE, DISK_SAVE_DRIFT };

struct disk_job {
	enum disk_deed deed;
	char *path;
	struct sl_baseline *baseline; /* a copy */
	struct sl_error error;
	int rc;
};

static void free_job(void *argument)
{
	struct disk_job *job = argument;

	free(job->path);
	free(job->baseline);
	free(job);
}

static void run_job(void *argument)
{
	struct disk_job *job = argument;

	if (job->deed == DISK_LOAD)
		job->rc = sl_baselines_load(job->path, job->baseline, &job->error);
	else if (job->deed == DISK_SAVE)
		job->rc = sl_baselines_save(job->path, job->baseline, &job->error);
	else
		job->rc = sl_baselines_save_drift(job->path, job->baseline, &job->error);
}

/* Without a path there is no disk: 0, and what was to be loaded is not there. */
static int use_disk(struct run *run, enum disk_deed deed, struct sl_baseline *baseline)
{
	const char *path = run->routes->config->canary_path;
	struct sl_canary *canary = run->pool->canary;
	struct disk_job *job;
	int rc;

	if (!path)
		return deed == DISK_LOAD ? -ENOENT : 0;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->deed = deed;
	job->path = strdup(path);
	job->baseline = malloc(sizeof(*baseline));
	rc = job->path && job->baseline ? 0 : -ENOMEM;
	if (!rc) {
		*job->baseline = *baseline;
		rc = sl_work_run(canary->stores->work, canary->loop, run_job, free_job, job,
				 sl_loop_now_ns(canary->loop) + DISK_MS * SL_NS_PER_MS, NULL);
		if (rc == -ETIMEDOUT || rc == -ECANCELED)
			return rc; /* the job is the pool's */
	}
	if (!rc)
		rc = job->rc;
	if (!rc && deed == DISK_LOAD)
		*baseline = *job->baseline;
	if (rc && rc != -ENOENT)
		sl_log(SL_LOG_WARN, "pool \"%s\": canary: %s: %s", run->pool->name, path,
		       job->error.text[0] ? job->error.text : strerror(-rc));
	free_job(job);
	return rc;
}

static struct sl_baseline *new_baseline(const char *pool)
{
	struct sl_baseline *baseline = calloc(1, sizeof(*baseline));

	if (baseline) {
		snprintf(baseline->pool, sizeof(baseline->pool), "%s", pool);
		baseline->recorded_ms = sl_clock_wall_ms(); /* a load replaces it */
	}
	return baseline;
}

static void load_baseline(struct run *run)
{
	struct sl_canary_pool *pool = run->pool;
	struct sl_baseline *baseline = new_baseline(pool->name);
	int rc = baseline ? use_disk(run, DISK_LOAD, baseline) : -ENOMEM;

	if (!rc) {
		pthread_mutex_lock(&pool->canary->lock);
		pool->baseline = baseline;
		pthread_mutex_unlock(&pool->canary->lock);
		baseline = NULL;
	}
	free(baseline);
	pool->loaded = !rc || rc == -ENOENT; /* else again at the next run */
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* The pool's own name of the model, else that of a route which asks it. */
static struct sl_span model_of(struct run *run)
{
	const struct sl_upstream_pool *pool = &run->routes->pools[run->index];
	const char *name = "canary";
	uint32_t i, k;
	char *text;

	if (pool->model_json)
		return sl_span_make(pool->model_json, pool->model_json_len);
	for (i = 0; i < run->routes->route_count; i++) {
		const struct sl_route_chain *chain = &run->routes->routes[i].chains[SL_CAUSE_ERROR];

		for (k = 0; k < chain->len && chain->pools[k] != pool; k++)
			;
		if (k < chain->len) {
			name = run->routes->routes[i].model;
			break;
		}
	}
	text = sl_arena_printf(&run->arena, "\"%s\"", name); /* letters and ._-:/@+ alone */
	return text ? sl_span_string(text) : SL_SPAN("\"canary\"");
}

static void note_names(struct run *run, const struct sl_canary_reading *reading)
{
	struct sl_baseline *baseline = run->pool->baseline;

	snprintf(run->model, sizeof(run->model), "%s", reading->model);
	snprintf(run->fingerprint, sizeof(run->fingerprint), "%s", reading->fingerprint);
	if (!baseline || run->fresh)
		return;
	if (strcmp(reading->model, baseline->model) != 0)
		run->other_model = true;
	if (reading->fingerprint[0] && baseline->fingerprints[0] &&
	    !sl_canary_fingerprint(baseline->fingerprints, reading->fingerprint, false))
		run->other_fingerprint = true;
}

/* False: it is to end. */
static bool ask(struct run *run, uint32_t place)
{
	const struct sl_canary_question *question = &run->file.questions[place];
	struct sl_canary_reading reading;

	if (!sl_canary_ask(&run->ground, &run->routes->pools[run->index], question,
			   run->config->timeout_ms, &reading))
		return false;
	if (!reading.answered) {
		run->unanswered++;
		snprintf(run->why, sizeof(run->why), "%s", reading.why);
		return true;
	}
	run->answered++;
	run->latency_us += reading.latency_us;
	note_names(run, &reading);
	if (run->fresh)
		sl_canary_record(run->fresh, place, &run->samples[place], question, &reading);
	else if (run->pool->baseline)
		sl_canary_add(run->pool->baseline, question, &reading, &run->against);
	return true;
}

static bool prepare(struct run *run)
{
	struct sl_canary_pool *pool = run->pool;
	struct sl_canary *canary = pool->canary;
	struct sl_error error = {""};

	run->index = pool->pool;
	run->config = &run->routes->config->pools[run->index].canary;
	sl_arena_init(&run->arena, 0, ARENA_BYTES_MAX);
	snprintf(run->id, sizeof(run->id), "canary-%llu", (unsigned long long)pool->ended);
	run->ground = (struct sl_stage){
		.config = run->routes->config,
		.pools = run->routes->pools,
		.stores = canary->stores,
		.up = &canary->up,
		.loop = canary->loop,
		.arena = &run->arena,
		.gone = &pool->gone,
		.id = run->id,
	};
	if (!pool->loaded)
		load_baseline(run);
	if (sl_canary_file_read(run->config->file, model_of(run), &run->arena, &run->file,
				&error)) {
		snprintf(run->why, sizeof(run->why), "%.100s: %.50s", run->config->file,
			 error.text);
		return false;
	}
	if (pool->deed == SL_CANARY_DEED_RECORD)
		run->fresh = new_baseline(pool->name);
	return pool->deed != SL_CANARY_DEED_RECORD || run->fresh;
}

static void log_changes(const struct sl_canary_pool *pool, uint32_t before)
{
	uint32_t now = sl_canary_alarms(pool);

	for (int cause = 0; cause < SL_CANARY_CAUSES; cause++) {
		if (!((before ^ now) >> cause & 1))
			continue;
		if (before >> cause & 1)
			sl_log(SL_LOG_INFO, "pool \"%s\": its model is as recorded again: %s",
			       pool->name, sl_canary_cause_name(cause));
		else
			sl_log(SL_LOG_WARN,
			       "pool \"%s\": its model has changed: %s (model=\"%s\" "
			       "fingerprint=\"%s\"; see: sluice canary show %s)",
			       pool->name, sl_canary_cause_name(cause), pool->model,
			       pool->fingerprint, pool->name);
	}
}

/* For who keeps incidents and holds roll-outs: once for the pool, whatever the causes. */
static void notify(const struct sl_canary_pool *pool, uint32_t before)
{
	bool on = sl_canary_alarms(pool) != 0;
	struct sl_notice notice = {.kind = SL_NOTICE_DRIFT,
				   .level = on ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_POOL,
				   .over = !on,
				   .who = "canary questions"};

	if (on == (before != 0))
		return;
	sl_notice_set(notice.name, sizeof(notice.name), pool->name);
	sl_notice_tell(&notice,
		       on ? "its model answers otherwise than recorded (sluice canary show)"
			  : "its model answers as recorded again");
}

/* The alarms are other ones than before. */
static void tell(const struct sl_canary_pool *pool, uint32_t before)
{
	log_changes(pool, before);
	notify(pool, before);
	if (pool->canary->stores->drift)
		sl_drift_set(pool->canary->stores->drift, pool->name, SL_DRIFT_BY_CANARY,
			     sl_canary_alarms(pool) != 0);
}

/* What the run has found becomes what is known. */
static enum sl_canary_result take(struct run *run)
{
	struct sl_canary_pool *pool = run->pool;
	struct sl_baseline *old = NULL;
	uint32_t before = sl_canary_alarms(pool);

	if (!run->answered)
		return SL_CANARY_FAILED;
	pthread_mutex_lock(&pool->canary->lock);
	if (run->fresh) {
		old = pool->baseline;
		pool->baseline = run->fresh;
		memset(&run->against, 0, sizeof(run->against));
	} else if (pool->baseline) {
		sl_drift_note(&pool->baseline->drift, &pool->baseline->base, &run->against);
	}
	pool->last = run->against;
	pool->other_model = run->other_model;
	pool->other_fingerprint = run->other_fingerprint;
	memcpy(pool->model, run->model, sizeof(pool->model));
	memcpy(pool->fingerprint, run->fingerprint, sizeof(pool->fingerprint));
	pool->latency_us = run->latency_us / run->answered;
	pthread_mutex_unlock(&pool->canary->lock);
	free(old);
	tell(pool, before);
	if (run->fresh)
		sl_identities_accept(sl_canary_identities(pool->canary), pool->name);
	if (pool->baseline)
		use_disk(run, run->fresh ? DISK_SAVE : DISK_SAVE_DRIFT, pool->baseline);
	return run->fresh ? SL_CANARY_RECORDED : SL_CANARY_GOOD;
}

static void ask_all(struct run *run)
{
	uint32_t times = run->fresh ? run->config->samples : 1;

	for (uint32_t s = 0; s < times; s++) {
		for (uint32_t i = 0; i < run->file.count; i++) {
			if (!ask(run, i))
				return;
		}
	}
}

static void count_end(struct run *run, enum sl_canary_result result)
{
	struct sl_canary_pool *pool = run->pool;

	if (result == SL_CANARY_FAILED)
		sl_log(SL_LOG_WARN, "pool \"%s\": canary questions were not answered: %s",
		       pool->name, run->why[0] ? run->why : "no memory");
	pthread_mutex_lock(&pool->canary->lock);
	pool->results[result]++;
	pool->answered += run->answered;
	pool->unanswered += run->unanswered;
	memcpy(pool->trouble, run->why, sizeof(pool->trouble));
	pool->last_ms = sl_clock_wall_ms();
	pool->ended++;
	pthread_mutex_unlock(&pool->canary->lock);
}

/* The names that were found last are right, and the evidence begins anew. */
static void accept_found(struct run *run)
{
	struct sl_canary_pool *pool = run->pool;
	struct sl_baseline *baseline;
	uint32_t before;

	if (!pool->loaded)
		load_baseline(run);
	before = sl_canary_alarms(pool);
	pthread_mutex_lock(&pool->canary->lock);
	baseline = pool->baseline;
	if (baseline)
		memset(&baseline->drift, 0, sizeof(baseline->drift));
	if (baseline && pool->other_model)
		memcpy(baseline->model, pool->model, sizeof(baseline->model));
	if (baseline && pool->other_fingerprint)
		sl_canary_fingerprint(baseline->fingerprints, pool->fingerprint, true);
	pool->other_model = pool->other_fingerprint = false;
	pool->ended++;
	pthread_mutex_unlock(&pool->canary->lock);
	tell(pool, before);
	if (baseline && before)
		use_disk(run, DISK_SAVE, baseline);
}

static void do_run(struct run *run)
{
	struct sl_canary_pool *pool = run->pool;
	enum sl_canary_result result = SL_CANARY_FAILED;

	if (prepare(run)) {
		ask_all(run);
		if (run->fresh)
			sl_canary_record_end(run->fresh, run->samples, run->file.count);
		if (!pool->gone)
			result = take(run);
	}
	if (result != SL_CANARY_RECORDED)
		free(run->fresh);
	if (!pool->gone)
		count_end(run, result);
	sl_arena_fini(&run->arena);
}

/* ---- the schedule ---------------------------------------------------------------------------- */

static void set_due(struct sl_canary_pool *pool)
{
	struct sl_canary *canary = pool->canary;
	uint32_t every_ms = canary->routes->config->pools[pool->pool].canary.every_ms;

	sl_timer_set(canary->loop, &pool->due,
		     every_ms - every_ms / 4 + sl_random_below(&canary->random, every_ms / 2 + 1));
}

static void free_pool(struct sl_canary_pool *pool)
{
	free(pool->baseline);
	free(pool);
}

static void run_fiber(void *argument)
{
	struct sl_canary_pool *pool = argument;
	struct sl_canary *canary = pool->canary;
	struct run *run = calloc(1, sizeof(*run));

	pool->fiber = sl_fiber_self(canary->loop);
	if (run) {
		run->pool = pool;
		run->routes = sl_routes_get(canary->routes);
		pool->asked = false;
		if (pool->deed == SL_CANARY_DEED_ACCEPT)
			accept_found(run);
		else
			do_run(run);
		sl_routes_put(&run->routes);
		free(run);
	}
	pool->fiber = NULL;
	pool->running = false;
	pool->deed = SL_CANARY_DEED_RUN;
	canary->running--;
	if (pool->gone)
		free_pool(pool);
	else
		set_due(pool);
}

/* Puts a run off while others need the nodes. True: it was. */
static bool put_off(struct sl_canary_pool *pool)
{
	struct sl_canary *canary = pool->canary;
	const struct sl_config_canary *config = &canary->routes->config->pools[pool->pool].canary;
	struct sl_survey survey = sl_survey_make(&canary->up, &canary->routes->pools[pool->pool]);
	uint64_t now_ms = sl_loop_now_ms(canary->loop);

	if (pool->asked || !survey.places ||
	    (uint64_t)survey.running * 100 <= (uint64_t)survey.places * config->load) {
		pool->late_ms = 0;
		return false;
	}
	if (!pool->late_ms)
		pool->late_ms = now_ms;
	if (now_ms - pool->late_ms < SL_CANARY_LATER_MAX_MS) {
		sl_timer_set(canary->loop, &pool->due, config->every_ms / 8 + 1);
		return true;
	}
	pool->late_ms = 0;
	pthread_mutex_lock(&canary->lock);
	pool->results[SL_CANARY_SKIPPED]++;
	pthread_mutex_unlock(&canary->lock);
	set_due(pool);
	return true;
}

static void on_due(struct sl_timer *timer)
{
	struct sl_canary_pool *pool =
		(struct sl_canary_pool *)((char *)timer - offsetof(struct sl_canary_pool, due));
	struct sl_canary *canary = pool->canary;

	if (put_off(pool))
		return;
	if (canary->running < SL_CANARY_RUNNING_MAX) {
		pool->running = true;
		canary->running++;
		if (!sl_fiber_start(canary->loop, run_fiber, pool))
			return;
		pool->running = false;
		canary->running--;
	}
	sl_timer_set(canary->loop, timer, CROWDED_MS);
}

void sl_canary_begin(struct sl_canary_pool *pool, enum sl_canary_deed deed)
{
	pool->deed = deed;
	pool->asked = true;
	sl_timer_cancel(pool->canary->loop, &pool->due);
	sl_timer_set(pool->canary->loop, &pool->due, 1);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void end_pool(struct sl_canary_pool **at)
{
	struct sl_canary_pool *pool = *at;
	struct sl_canary *canary = pool->canary;

	pthread_mutex_lock(&canary->lock);
	*at = pool->next;
	pthread_mutex_unlock(&canary->lock);
	sl_timer_cancel(canary->loop, &pool->due);
	if (canary->stores->drift)
		sl_drift_set(canary->stores->drift, pool->name, SL_DRIFT_BY_CANARY, false);
	pool->gone = true;
	if (!pool->running)
		free_pool(pool);
	else if (pool->fiber)
		sl_fiber_wake(pool->fiber);
}

static void begin_pool(struct sl_canary *canary, uint32_t index,
		       const struct sl_config_pool *config)
{
	struct sl_canary_pool *pool;

	for (pool = canary->pools; pool; pool = pool->next) {
		if (!strcmp(pool->name, config->name)) {
			pool->pool = index;
			return;
		}
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return; /* not asked until the next reload */
	pool->canary = canary;
	pool->pool = index;
	snprintf(pool->name, sizeof(pool->name), "%s", config->name);
	sl_timer_init(&pool->due, on_due);
	pthread_mutex_lock(&canary->lock);
	pool->next = canary->pools;
	canary->pools = pool;
	pthread_mutex_unlock(&canary->lock);
	sl_timer_set(canary->loop, &pool->due,
		     sl_random_below(&canary->random, config->canary.every_ms < FIRST_MS
							      ? config->canary.every_ms
							      : FIRST_MS));
}

static bool is_wanted(const struct sl_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->pool_count; i++) {
		if (config->pools[i].canary.file && !strcmp(config->pools[i].name, name))
			return true;
	}
	return false;
}

void sl_canary_apply(struct sl_canary *canary, struct sl_routes *routes)
{
	struct sl_canary_pool **at;
	struct sl_routes *old;

	if (!canary)
		return;
	old = canary->routes;
	canary->routes = sl_routes_get(routes);
	for (at = &canary->pools; *at;) {
		if (is_wanted(routes->config, (*at)->name))
			at = &(*at)->next;
		else
			end_pool(at);
	}
	for (uint32_t i = 0; i < routes->config->pool_count; i++) {
		if (routes->config->pools[i].canary.file)
			begin_pool(canary, i, &routes->config->pools[i]);
	}
	if (old)
		sl_routes_put(&old);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct sl_canary *canary = owner;

	sl_worker_log_change(canary->up.state.pools[node->state->pool].name, node->text, change);
}

void sl_canary_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		    struct sl_stores *stores, struct sl_canary **ret_canary)
{
	struct sl_canary *canary = calloc(1, sizeof(*canary));

	if (!canary || sl_upstream_init(&canary->up, loop, state)) {
		sl_log(SL_LOG_ERROR, "canary: no model is asked: no memory");
		free(canary);
		return;
	}
	canary->loop = loop;
	canary->stores = stores;
	pthread_mutex_init(&canary->lock, NULL);
	sl_random_init(&canary->random);
	canary->up.changed = on_changed;
	canary->up.owner = canary;
	*ret_canary = canary;
}

static bool is_busy(const struct sl_canary *canary)
{
	return canary->running || canary->up.conn_count;
}

void sl_canary_stop(struct sl_canary *canary)
{
	int turn;

	if (!canary)
		return;
	while (canary->pools)
		end_pool(&canary->pools);
	sl_upstream_drain(&canary->up);
	for (turn = 0; turn < CLOSE_TURNS_MAX && is_busy(canary); turn++) {
		sl_loop_turn(canary->loop, CLOSE_TURN_MS);
		sl_upstream_drain(&canary->up);
	}
}

void sl_canary_close(struct sl_canary **ret_canary)
{
	struct sl_canary *canary = *ret_canary;

	*ret_canary = NULL;
	if (!canary)
		return;
	if (canary->routes)
		sl_routes_put(&canary->routes);
	if (is_busy(canary))
		return; /* left to the end of the process */
	sl_upstream_fini(&canary->up);
	pthread_mutex_destroy(&canary->lock);
	free(canary);
}
