/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/degrade.h"

#include <errno.h>
#include <stdlib.h>
#include "user/base/log.h"
#include "user/stage/degrade_body.h"
#include "user/upstream/survey.h"

#define ALL_BUT_CRITICAL ((1u << SL_KEY_CLASS_CRITICAL) - 1u)
#define BODY_BYTES_MAX	 (64u << 20)

/* What the rules in force want of this request, the most of each. */
struct verdict {
	uint32_t max_tokens;
	uint32_t messages;
	uint32_t model; /* index into pools + 1 */
};

int sl_degrade_open(struct sl_degrade **ret_degrade)
{
	*ret_degrade = calloc(1, sizeof(**ret_degrade));
	return *ret_degrade ? 0 : -ENOMEM;
}

void sl_degrade_close(struct sl_degrade **degrade)
{
	free(*degrade);
	*degrade = NULL;
}

bool sl_degrade_is_on(const struct sl_config_route *route)
{
	return route->degrade.rules.count || route->degrade.tools.count;
}

static const struct sl_degrade_state *state_of(const struct sl_degrade *degrade, uint32_t route,
					       uint32_t rule)
{
	return degrade && route < SL_DEGRADE_ROUTES_MAX && rule < SL_CONFIG_DEGRADE_RULES_MAX
		       ? &degrade->states[route][rule]
		       : NULL;
}

bool sl_degrade_is_in_force(const struct sl_degrade *degrade, uint32_t route, uint32_t rule)
{
	const struct sl_degrade_state *state = state_of(degrade, route, rule);

	return state && __atomic_load_n(&state->on, __ATOMIC_RELAXED);
}

uint64_t sl_degrade_entered(const struct sl_degrade *degrade, uint32_t route, uint32_t rule)
{
	const struct sl_degrade_state *state = state_of(degrade, route, rule);

	return state ? __atomic_load_n(&state->entered, __ATOMIC_RELAXED) : 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

static struct sl_degrade *shared_of(const struct sl_stage *stage)
{
	return stage->stores && stage->number < SL_DEGRADE_ROUTES_MAX ? stage->stores->degrade
								      : NULL;
}

static struct sl_degrade_view look_at(struct sl_stage *stage, const struct sl_degrade *shared)
{
	const struct sl_upstream_pool *pool =
		&stage->pools[stage->route->chains[SL_CAUSE_ERROR].pools[0]];
	struct sl_survey survey = sl_survey_make(stage->up, pool);
	struct sl_degrade_view view = {0};
	uint64_t oldest_ms = 0;
	uint32_t waiting = 0;

	stage->ops->queue(stage, pool, &waiting, &oldest_ms);
	view.wait_ms = oldest_ms < UINT32_MAX ? (uint32_t)oldest_ms : UINT32_MAX;
	if (survey.places)
		view.load_percent =
			(uint32_t)((uint64_t)(survey.running + waiting) * 100 / survey.places);
	if (survey.nodes)
		view.breakers_percent = (survey.nodes - survey.available) * 100 / survey.nodes;
	view.ttft_ms =
		sl_degrade_ttft_ms(&shared->times[stage->number], sl_loop_now_ms(stage->loop));
	return view;
}

static void say(const struct sl_stage *stage, uint32_t rule, const struct sl_degrade_view *view,
		enum sl_degrade_change change)
{
	if (change != SL_DEGRADE_SAME)
		sl_log(SL_LOG_WARN,
		       "route \"%s\": degrade rule %u %s: load=%u%% breakers=%u%% wait_ms=%u "
		       "ttft_p95_ms=%u",
		       stage->route->model, rule,
		       change == SL_DEGRADE_ENTERED ? "in force" : "over", view->load_percent,
		       view->breakers_percent, view->wait_ms, view->ttft_ms);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

static void obey(struct sl_stage *stage, const struct sl_config_degrade_rule *rule,
		 struct verdict *verdict)
{
	verdict->max_tokens = smaller(verdict->max_tokens, rule->max_tokens);
	verdict->messages = smaller(verdict->messages, rule->messages);
	if (rule->model) /* the last one that names a model: rules are written from mild to hard */
		verdict->model = rule->model;
	if (rule->similarity && (!stage->similarity || rule->similarity < stage->similarity))
		stage->similarity = rule->similarity;
	if (rule->no_hedge && stage->route->hedge_after != SL_CONFIG_HEDGE_OFF &&
	    !stage->no_hedge) {
		stage->no_hedge = true;
		stage->ops->step(stage, SL_STEP_DEGRADE_HEDGE);
	}
}

enum sl_stage_verdict sl_degrade_judge(struct sl_stage *stage)
{
	const struct sl_config_degrade *config = &stage->route->degrade;
	const struct sl_config_degrade_rule *rules = config->rules.items;
	struct sl_degrade *shared = shared_of(stage);
	struct sl_degrade_view view;
	struct verdict *verdict;
	uint32_t i;

	if (!config->rules.count || !shared || !stage->route->chains[SL_CAUSE_ERROR].len)
		return SL_STAGE_GO_ON;
	verdict = sl_arena_zalloc(stage->arena, sizeof(*verdict));
	if (!verdict)
		return SL_STAGE_GO_ON;
	view = look_at(stage, shared);
	for (i = 0; i < config->rules.count; i++) {
		const struct sl_degrade_rule rule = {
			.bounds = {rules[i].load, rules[i].breakers, rules[i].wait_ms,
				   rules[i].ttft_ms},
			.leave_percent = rules[i].leave,
			.dwell_ms = rules[i].dwell_ms,
		};
		uint32_t classes = rules[i].classes ? rules[i].classes : ALL_BUT_CRITICAL;
		enum sl_degrade_change change;
		bool on = sl_degrade_look(&shared->states[stage->number][i], &rule, &view,
					  sl_loop_now_ms(stage->loop), &change);

		say(stage, i, &view, change);
		if (on && classes & 1u << stage->class)
			obey(stage, &rules[i], verdict);
	}
	stage->state[SL_STAGE_DEGRADE] = verdict;
	return SL_STAGE_GO_ON;
}

/* ---- saving ---------------------------------------------------------------------------------- */

static bool is_dead(void *owner, struct sl_span name)
{
	struct sl_stage *stage = owner;
	const struct sl_config_items *tools = &stage->route->degrade.tools;
	const struct sl_config_degrade_tool *all = tools->items;
	uint32_t i;

	for (i = 0; i < tools->count; i++) {
		if (sl_span_equal(name, sl_span_string(all[i].item.name)))
			return !sl_survey_make(stage->up, &stage->pools[all[i].pool - 1]).available;
	}
	return false;
}

static void write_less(struct sl_stage *stage, const struct sl_degrade_less *less)
{
	struct sl_span body = sl_span_make(stage->facts->body, stage->facts->body_len);
	struct sl_degrade_done done;
	struct sl_text text;

	sl_text_init(&text, BODY_BYTES_MAX);
	if (!sl_degrade_write(body, less, &text, &done) &&
	    (done.max_tokens || done.messages || done.tools) &&
	    !stage->ops->set_body(stage, text.data, text.len)) {
		if (done.max_tokens)
			stage->ops->step(stage, SL_STEP_DEGRADE_TOKENS);
		if (done.messages)
			stage->ops->step(stage, SL_STEP_DEGRADE_CONTEXT);
		if (done.tools)
			stage->ops->step(stage, SL_STEP_DEGRADE_TOOL);
	}
	sl_text_fini(&text);
}

enum sl_stage_verdict sl_degrade_run(struct sl_stage *stage)
{
	static const struct verdict nothing;
	const struct verdict *verdict = stage->state[SL_STAGE_DEGRADE];
	bool tools = stage->route->degrade.tools.count && stage->facts->has_tools;
	struct sl_degrade_less less = {.owner = stage};

	if (!verdict)
		verdict = &nothing;
	less.max_tokens = verdict->max_tokens;
	less.messages = verdict->messages;
	less.is_dead = tools ? is_dead : NULL;
	if (stage->facts->endpoint == SL_OPENAI_CHAT && !stage->fixed &&
	    (less.max_tokens || less.messages || less.is_dead))
		write_less(stage, &less);
	if (verdict->model) {
		stage->ops->set_pool(stage, verdict->model - 1);
		stage->ops->step(stage, SL_STEP_DEGRADE_MODEL);
	}
	return SL_STAGE_GO_ON;
}

void sl_degrade_note_first(struct sl_stage *stage, uint64_t us)
{
	struct sl_degrade *shared = shared_of(stage);

	if (shared && stage->route->degrade.rules.count)
		sl_degrade_note(&shared->times[stage->number], us, sl_loop_now_ms(stage->loop));
}
