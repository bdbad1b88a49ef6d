/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/eval_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/policy/rollout_board.h"
#include "user/stage/retrieve_grounded.h"

#define BILLION		1000000000.0
#define POOR_SAMPLES	20.0
#define POOR_BACK	0.8 /* of `poor`: a route near it does not go to and fro */
#define CLOSE_TURNS_MAX 1000
#define CLOSE_TURN_MS	5u

/* ---- sums ------------------------------------------------------------------------------------ */

static struct sl_eval_group *group_of(struct sl_eval_part *part, uint32_t number, uint8_t pool)
{
	uint32_t i;

	for (i = 0; i < part->group_count; i++) {
		if (part->groups[i].number == number && part->groups[i].pool == pool)
			return &part->groups[i];
	}
	if (i == SL_EVAL_GROUPS_MAX)
		return NULL;
	part->groups[i] = (struct sl_eval_group){.number = number, .pool = pool};
	part->group_count++;
	return &part->groups[i];
}

/* Bad where any is, good where any is known. */
static enum sl_eval_verdict any_of(const enum sl_eval_verdict found[SL_EVAL_MEASURES])
{
	enum sl_eval_verdict any = SL_EVAL_UNKNOWN;
	int measure;

	for (measure = 0; measure < SL_EVAL_ANY; measure++) {
		if (found[measure] > any)
			any = found[measure];
	}
	return any;
}

static void add_up(struct sl_eval_part *part, struct sl_eval_look *look)
{
	const struct sl_eval_sample *sample = look->sample;
	struct sl_eval_group *group;
	int measure;

	look->found[SL_EVAL_ANY] = any_of(look->found);
	pthread_mutex_lock(&part->lock);
	part->looked++;
	group = group_of(part, sample->number, sample->pool);
	/* what no client got says nothing of the route */
	for (measure = 0; measure < SL_EVAL_MEASURES && !sample->shadow; measure++) {
		bool bad = look->found[measure] == SL_EVAL_BAD;

		if (look->found[measure] == SL_EVAL_UNKNOWN)
			continue;
		sl_rate_add(&part->of_routes[sample->number].of[measure], sample->weight, bad);
		if (group)
			sl_rate_add(&group->of[measure], sample->weight, bad);
	}
	pthread_mutex_unlock(&part->lock);
	if (look->found[SL_EVAL_ANY] != SL_EVAL_UNKNOWN)
		sl_rollout_board_tell(part->place.stores->rollouts, sample->rollouts,
				      look->found[SL_EVAL_ANY] == SL_EVAL_BAD);
}

/* ---- conclusions ------------------------------------------------------------------------------- */

static void tell_poor(const struct sl_route *route, bool poor, double share)
{
	struct sl_notice notice = {.kind = SL_NOTICE_QUALITY,
				   .level = poor ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_ROUTE,
				   .over = !poor,
				   .who = "evaluation"};

	sl_notice_set(notice.name, sizeof(notice.name), route->model);
	sl_notice_tell(&notice,
		       poor ? "%.1f %% of its answers are bad (sluice eval status)"
			    : "%.1f %% of its answers are bad, which is fair again",
		       100 * share);
	sl_log(SL_LOG_WARN, "route \"%s\": %.1f %% of its answers are bad: %s", route->model,
	       100 * share, poor ? "too many (see: sluice eval status)" : "fair again");
}

static void judge_poor(struct sl_eval_route *of, const struct sl_route *route)
{
	double limit = (double)route->config->evaluate.poor / BILLION;
	const struct sl_rate *rate = &of->of[SL_EVAL_ANY];
	bool poor = of->poor;

	if (!limit)
		poor = false;
	else if (!of->poor)
		poor = sl_rate_samples(rate) >= POOR_SAMPLES && sl_rate_interval(rate).low > limit;
	else
		poor = sl_rate_share(rate) > limit * POOR_BACK;
	if (poor != of->poor)
		tell_poor(route, poor, sl_rate_share(rate));
	of->poor = poor;
}

static const struct sl_rate *rate_of(struct sl_eval_part *part, uint32_t number, uint32_t pool)
{
	static const struct sl_rate none;

	for (uint32_t i = 0; i < part->group_count; i++) {
		if (part->groups[i].number == number && part->groups[i].pool == pool)
			return &part->groups[i].of[SL_EVAL_ANY];
	}
	return &none;
}

static void steer(struct sl_eval_part *part, struct sl_eval_route *of, const struct sl_route *route,
		  uint64_t now_ms)
{
	const struct sl_config_route_evaluate *config = &route->config->evaluate;
	const struct sl_route_chain *chain = &route->chains[SL_CAUSE_ERROR];
	struct sl_steer_rules rules = {
		.floor = (uint32_t)(config->steer_floor / (BILLION / SL_STEER_ONE)),
		.step = (uint32_t)(config->steer_step / (BILLION / SL_STEER_ONE)),
		.every_ms = config->steer_every_ms,
	};
	uint32_t before = of->steer.share, share;

	if (!config->steer || !config->sample || chain->len < 2) {
		of->steer = (struct sl_steer){0};
		sl_evals_steer(part->evals, route->stats_index, 0);
		return;
	}
	share = sl_steer_move(&of->steer, &rules,
			      rate_of(part, route->stats_index, chain->pools[0]->slot),
			      rate_of(part, route->stats_index, chain->pools[1]->slot), now_ms);
	sl_evals_steer(part->evals, route->stats_index, share);
	if (before && before != share)
		sl_log(SL_LOG_WARN,
		       "route \"%s\": by the quality of answers %.1f %% of the requests ask pool "
		       "\"%s\" first, no more %.1f %%",
		       route->model, share / 100.0, chain->pools[1]->name, before / 100.0);
}

static void conclude(struct sl_eval_part *part, uint64_t now_ms)
{
	for (uint32_t i = 0; i < part->routes->route_count; i++) {
		const struct sl_route *route = &part->routes->routes[i];

		if (route->stats_index >= SL_EVAL_ROUTES_MAX)
			continue;
		pthread_mutex_lock(&part->lock);
		judge_poor(&part->of_routes[route->stats_index], route);
		steer(part, &part->of_routes[route->stats_index], route, now_ms);
		pthread_mutex_unlock(&part->lock);
	}
}

/* ---- fibers ------------------------------------------------------------------------------------ */

static void end_look(struct sl_eval_look *look)
{
	sl_eval_sample_free(&look->sample);
	sl_routes_put(&look->routes);
	free(look);
}

static void run_fiber(void *argument)
{
	struct sl_eval_look *look = argument, **at;
	struct sl_eval_part *part = look->part;

	look->fiber = sl_fiber_self(part->place.loop);
	if (!part->stopping)
		sl_eval_look_run(look);
	look->fiber = NULL;
	for (at = &part->running; *at != look; at = &(*at)->next)
		;
	*at = look->next;
	part->running_count--;
	look->next = part->done;
	part->done = look;
}

static const struct sl_route *route_of(struct sl_routes *routes, uint32_t number)
{
	for (uint32_t i = 0; i < routes->route_count; i++) {
		if (routes->routes[i].stats_index == number)
			return &routes->routes[i];
	}
	return NULL;
}

/* Takes the sample in any case. */
static void begin(struct sl_eval_part *part, struct sl_eval_sample *sample)
{
	const struct sl_route *route = route_of(part->routes, sample->number);
	struct sl_eval_look *look = route ? calloc(1, sizeof(*look)) : NULL;

	if (!look) { /* a reload took its route away */
		sl_eval_sample_free(&sample);
		return;
	}
	look->part = part;
	look->sample = sample;
	look->routes = sl_routes_get(part->routes);
	look->route = route;
	look->next = part->running;
	part->running = look;
	part->running_count++;
	if (!sl_fiber_start(part->place.loop, run_fiber, look))
		return;
	part->running = look->next;
	part->running_count--;
	sl_evals_drop(part->evals, SL_EVAL_DROP_MEMORY);
	end_look(look);
}

struct sl_allowance_rules sl_eval_rules(const struct sl_config_evaluation *config)
{
	return (struct sl_allowance_rules){
		.answers = config->answers_per_minute,
		.tokens = {[SL_ALLOWANCE_MINUTE] = config->tokens_per_minute,
			   [SL_ALLOWANCE_DAY] = config->tokens_per_day}};
}

/* Is the budget of judges spent, or there again? The minute's is counted, the day's is also said. */
static void tell_spent(struct sl_eval_part *part)
{
	bool day = part->allowance.spent[SL_ALLOWANCE_DAY];

	if (day != part->spent[SL_ALLOWANCE_DAY])
		sl_log(day ? SL_LOG_WARN : SL_LOG_INFO, "evaluation: %s",
		       day ? "the judges' tokens of this day are used up: answers are looked at "
			     "without them until midnight UTC (evaluation.tokens_per_day; see: "
			     "sluice eval status)"
			   : "judges are asked again: they have tokens");
	pthread_mutex_lock(&part->lock);
	memcpy(part->spent, part->allowance.spent, sizeof(part->spent));
	pthread_mutex_unlock(&part->lock);
}

static void begin_all(struct sl_eval_part *part)
{
	const struct sl_config_evaluation *config = &part->routes->config->evaluation;
	struct sl_allowance_rules rules = sl_eval_rules(config);
	struct sl_eval_sample *sample;

	sl_allowance_turn(&part->allowance, sl_clock_wall_ms());
	tell_spent(part);
	while (!part->stopping && part->running_count < config->parallel &&
	       sl_evals_waiting(part->evals) &&
	       sl_allowance_take_answer(&part->allowance, &rules)) {
		sample = sl_evals_take(part->evals);
		if (!sample)
			break;
		begin(part, sample);
	}
}

static void take_done(struct sl_eval_part *part)
{
	while (part->done) {
		struct sl_eval_look *look = part->done;

		part->done = look->next;
		if (look->is_private) {
			sl_evals_drop(part->evals, SL_EVAL_DROP_PRIVATE);
		} else if (look->failed) {
			pthread_mutex_lock(&part->lock);
			part->failed++;
			pthread_mutex_unlock(&part->lock);
		} else {
			add_up(part, look);
		}
		end_look(look);
	}
}

/* ---- the part ---------------------------------------------------------------------------------- */

static void poll_part(void *owner, uint64_t now_ms)
{
	struct sl_eval_part *part = owner;

	if (!part->on)
		return;
	take_done(part);
	begin_all(part);
	conclude(part, now_ms);
}

static void apply_part(void *owner, struct sl_routes *routes)
{
	struct sl_eval_part *part = owner;

	if (part->routes)
		sl_routes_put(&part->routes);
	part->routes = sl_routes_get(routes);
	sl_evals_set_queue(part->evals, routes->config->evaluation.queue);
	for (uint32_t i = 0; i < routes->route_count; i++) {
		const struct sl_route *route = &routes->routes[i];
		int rc = route->config->evaluate.sample
				 ? sl_evals_prepare(part->evals, route->stats_index)
				 : 0;

		/* once on, it stays so: what is on its way must be freed */
		part->on |= sl_evaluate_wanted(route->config);
		if (rc)
			sl_log(SL_LOG_ERROR, "route \"%s\": its answers are not looked at: %s",
			       route->model, strerror(-rc));
	}
}

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct sl_eval_part *part = owner;

	sl_worker_log_change(part->up.state.pools[node->state->pool].name, node->text, change);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_eval_part *part = calloc(1, sizeof(*part));
	int rc;

	if (!part)
		return -ENOMEM;
	part->place = *place;
	part->evals = place->stores->evals;
	/* closed after the pool of threads: jobs that nobody waits for may still read it */
	part->lexicon = sl_groundings_lexicon(place->stores->groundings);
	part->of_routes = calloc(SL_EVAL_ROUTES_MAX, sizeof(*part->of_routes));
	rc = part->of_routes ? sl_upstream_init(&part->up, place->loop, &place->state) : -ENOMEM;
	if (rc) {
		free(part->of_routes);
		free(part);
		return rc;
	}
	part->up.changed = on_changed;
	part->up.owner = part;
	pthread_mutex_init(&part->lock, NULL);
	apply_part(part, routes);
	*ret_part = part;
	return 0;
}

static bool is_busy(const struct sl_eval_part *part)
{
	return part->running_count || part->up.conn_count;
}

static void stop_part(void *owner, bool leaving)
{
	struct sl_eval_part *part = owner;
	struct sl_eval_look *look;
	int turn;

	(void)leaving;
	part->stopping = true;
	sl_evals_set_queue(part->evals, 0);
	for (look = part->running; look; look = look->next) {
		if (look->fiber)
			sl_fiber_wake(look->fiber);
	}
	sl_upstream_drain(&part->up);
	for (turn = 0; turn < CLOSE_TURNS_MAX && is_busy(part); turn++) {
		sl_loop_turn(part->place.loop, CLOSE_TURN_MS);
		sl_upstream_drain(&part->up);
	}
}

static void close_part(void *owner)
{
	struct sl_eval_part *part = owner;

	if (!part->stopping)
		stop_part(part, false);
	take_done(part);
	sl_routes_put(&part->routes);
	if (is_busy(part))
		return; /* left to the end of the process */
	sl_upstream_fini(&part->up);
	pthread_mutex_destroy(&part->lock);
	free(part->of_routes);
	free(part);
}

const struct sl_watch_part sl_eval_part = {
	.word = "eval",
	.open = open_part,
	.apply = apply_part,
	.poll = poll_part,
	.write_metrics = sl_eval_write_metrics,
	.say = sl_eval_say,
	.stop = stop_part,
	.close = close_part,
};
