/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/stages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/io/turns.h"
#include "user/request/beside.h"
#include "user/request/charge.h"
#include "user/request/explain.h"
#include "user/request/given.h"
#include "user/request/recall.h"
#include "user/request/shadowed.h"
#include "user/request/trail_check.h"
#include "user/request/translate.h"
#include "user/request/wait.h"
#include "user/stage/degrade.h"
#include "user/stage/evaluate.h"
#include "user/stage/sampling.h"
#include "user/stage/validate.h"
#include "user/stage/context.h"
#include "user/stage/pick.h"
#include "user/stage/prompt.h"
#include "user/stage/retrieve.h"
#include "user/stage/rollout.h"
#include "user/stage/semantic.h"

#define STEPS_LINE_BYTES (SL_STAGES_STEPS_BYTES + 32u)

/* ---- the order: each list ends with NULL ------------------------------------------------------- */

/* What it is called and shown as. */
struct stage_row {
	enum sl_stage_verdict (*run)(struct sl_stage *stage);
	const char *part;	   /* io/turns.h */
	enum sl_trail_stage shown; /* SL_TRAIL_STAGES: it takes none */
};

static const struct stage_row before_cache[] = {
	{sl_rollout_stage_run, "rollout", SL_TRAIL_IN_PROMPT},
	{sl_evaluate_steer, "steer", SL_TRAIL_IN_PROMPT},
	{sl_pick_run, "pick", SL_TRAIL_IN_PROMPT},
	{sl_degrade_judge, "judge", SL_TRAIL_IN_PROMPT},
	{sl_prompt_stage_run, "prompt", SL_TRAIL_IN_PROMPT},
	{sl_sampling_run, "sampling", SL_TRAIL_IN_PROMPT},
	{sl_validate_before, "inbound", SL_TRAIL_IN_SCREEN},
	{sl_retrieve_vary, "retrieve", SL_TRAIL_STAGES},
	{NULL, NULL, SL_TRAIL_STAGES},
};

static const struct stage_row before_nodes[] = {
	{sl_semantic_run, "semantic_cache", SL_TRAIL_IN_CACHE},
	{sl_retrieve_run, "retrieve", SL_TRAIL_IN_RETRIEVE},
	{sl_degrade_run, "degrade", SL_TRAIL_IN_FIT},
	{sl_context_stage_run, "context", SL_TRAIL_IN_FIT},
	{NULL, NULL, SL_TRAIL_STAGES},
};

static const struct stage_row after_nodes[] = {
	{sl_validate_after, "validate", SL_TRAIL_IN_VALIDATE},
	{NULL, NULL, SL_TRAIL_STAGES},
};

/* Looks at a whole answer of a node that goes out. */
typedef void kept_fn(struct sl_stage *stage);

static kept_fn *const keepers[] = {
	sl_semantic_keep,
	sl_retrieve_kept,
	sl_evaluate_kept,
	NULL,
};

/* Makes a stage's filter for the stream of this request; NULL with 0: it wants none. Or -ENOMEM. */
typedef int filter_fn(struct sl_stage *stage, struct sl_stage_filter **ret_filter);

/* In the order in which they see a chunk. */
static filter_fn *const filter_makers[SL_STAGE_FILTERS_MAX + 1] = {
	sl_validate_filter, sl_validate_moderated, sl_semantic_filter,
	sl_retrieve_filter, sl_evaluate_filter,	   NULL,
};

bool sl_stages_wanted(const struct sl_config *config, const struct sl_config_route *route)
{
	return config->rollouts_file || config->evaluation.pick_by ||
	       sl_prompt_stage_wanted(route) || route->context.steps || sl_validate_wanted(route) ||
	       sl_degrade_is_on(route) || route->semantic.ttl_ms > 0 || sl_retrieve_wanted(route) ||
	       sl_evaluate_wanted(route) || sl_config_sampling_is_on(&route->sampling);
}

/* ---- what stages may do ------------------------------------------------------------------------ */

static struct sl_request *request_of(const struct sl_stage *stage)
{
	return stage->owner;
}

static int set_body(struct sl_stage *stage, const char *body, size_t len)
{
	struct sl_request *request = request_of(stage);
	struct sl_openai_request facts;
	struct sl_openai_error error;
	struct sl_text chat;

	if (stage->fixed)
		return -EOPNOTSUPP;
	sl_text_init(&chat, SL_TRANSLATE_BYTES_MAX);
	if (sl_text_append(&chat, body, len)) {
		sl_text_fini(&chat);
		return -ENOMEM;
	}
	if (sl_openai_request_read(request->facts.endpoint, chat.data, chat.len, &facts, &error)) {
		sl_text_fini(&chat);
		return -EINVAL;
	}
	sl_text_fini(&request->chat); /* which body may have pointed into */
	request->chat = chat;
	request->facts = facts;
	request->near = NULL;
	request->may_direct = false;
	sl_translate_forget(request);
	return 0;
}

static int set_answer(struct sl_stage *stage, const char *body, size_t len)
{
	struct sl_request *request = request_of(stage);
	struct sl_json_field choices = SL_JSON_FIELD("choices");
	struct sl_text copy;

	if (stage->reply.foreign || sl_json_scan(body, len, &choices, 1) ||
	    choices.type != SL_JSON_ARRAY)
		return -EINVAL;
	sl_text_init(&copy, SL_ATTEMPT_BODY_BYTES_MAX);
	if (sl_text_append(&copy, body, len)) {
		sl_text_fini(&copy);
		return -ENOMEM;
	}
	if (request->dialect && sl_translate_answer(request, sl_text_span(&copy))) {
		sl_text_fini(&copy);
		return -EINVAL;
	}
	sl_text_fini(&request->attempt.body);
	request->attempt.body = copy;
	stage->reply.body = sl_text_span(&request->attempt.body);
	return 0;
}

static void note_step(struct sl_stage *stage, enum sl_step step)
{
	struct sl_request *request = request_of(stage);
	struct sl_route_stats *stats =
		sl_stats_route(&request->worker->stats, request->route->stats_index);

	request->degraded |= 1ull << step;
	if (stats)
		sl_stats_add(&stats->ladder[step], 1);
	sl_explain_note(request, SL_TRAIL_LADDER, (uint8_t)step, 0, NULL, NULL);
}

static void note_sampled(struct sl_stage *stage, enum sl_sampling which, bool overruled)
{
	struct sl_request *request = request_of(stage);
	struct sl_route_stats *stats =
		sl_stats_route(&request->worker->stats, request->route->stats_index);

	if (stats)
		sl_stats_add(&stats->sampled[overruled], 1);
	sl_explain_note(request, SL_TRAIL_SAMPLING, (uint8_t)which, overruled, NULL, NULL);
}

static void add_header(struct sl_stage *stage, const char *name, const char *value)
{
	struct sl_request *request = request_of(stage);
	struct sl_span old = request->stage_lines;
	size_t room_len = old.len + strlen(name) + strlen(value) + 8;
	char *room;
	struct sl_h1_out out;

	if (room_len > SL_STAGES_LINES_MAX)
		return; /* the answer is worth more than what is said about it */
	room = sl_arena_alloc(&request->arena, room_len);
	if (!room)
		return;
	sl_h1_out_init(&out, room, room_len);
	sl_h1_write_lines(&out, old.len ? old.data : "", old.len);
	sl_h1_write_header(&out, name, strlen(name), value, strlen(value));
	if (!out.error)
		request->stage_lines = sl_span_make(room, (size_t)(out.at - room));
}

static void set_pool(struct sl_stage *stage, uint32_t pool)
{
	struct sl_request *request = request_of(stage);
	const struct sl_route_chain *chain = &request->route->chains[SL_CAUSE_ERROR];
	const struct sl_upstream_pool *first = &stage->pools[pool];
	struct sl_route_chain *own = sl_arena_zalloc(&request->arena, sizeof(*own));
	uint32_t i;

	if (!own || (request->own_chain && request->own_chain->only))
		return;
	own->pools[own->len++] = first;
	for (i = 0; i < chain->len && own->len < SL_CONFIG_CHAIN_MAX; i++) {
		if (chain->pools[i] != first)
			own->pools[own->len++] = chain->pools[i];
	}
	request->own_chain = own;
	stage->asked_first = pool + 1;
}

static void keep_pool(struct sl_stage *stage)
{
	struct sl_request *request = request_of(stage);
	struct sl_route_chain *own = sl_arena_zalloc(&request->arena, sizeof(*own));

	if (!own || !request->own_chain)
		return;
	own->pools[own->len++] = request->own_chain->pools[0];
	own->only = true;
	request->own_chain = own;
}

static void look_at_queue(struct sl_stage *stage, const struct sl_upstream_pool *pool,
			  uint32_t *ret_waiting, uint64_t *ret_oldest_ms)
{
	sl_room_look(request_of(stage)->worker, pool, ret_waiting, ret_oldest_ms);
}

static void note(struct sl_stage *stage, enum sl_noted what, uint32_t value)
{
	sl_explain_note(request_of(stage), SL_TRAIL_NOTED, (uint8_t)what, value, NULL, NULL);
}

static void note_checked(struct sl_stage *stage, const struct sl_checked *checked)
{
	struct sl_request *request = request_of(stage);

	sl_trail_check_note(&request->trail, sl_loop_now_ns(request->worker->loop), checked);
}

static int start_beside(struct sl_stage *stage, uint32_t time_ms,
			void (*run)(struct sl_stage *beside, void *argument),
			void (*drop)(void *argument), void *argument)
{
	return sl_beside_start(request_of(stage), time_ms, run, drop, argument);
}

static int start_along(struct sl_stage *stage, void (*run)(struct sl_stage *beside, void *argument),
		       void (*drop)(void *argument), void *argument)
{
	return sl_beside_go_along(request_of(stage), run, drop, argument);
}

static const struct sl_stage_ops stage_ops = {
	.note = note,
	.checked = note_checked,
	.beside = start_beside,
	.along = start_along,
	.set_body = set_body,
	.set_answer = set_answer,
	.step = note_step,
	.sampled = note_sampled,
	.header = add_header,
	.set_pool = set_pool,
	.keep_pool = keep_pool,
	.queue = look_at_queue,
};

/* ---- running them ------------------------------------------------------------------------------ */

static void name_configuration(struct sl_stage *stage, const struct sl_request *request)
{
	stage->config = request->routes->config;
	stage->route = request->route->config;
	stage->pools = request->routes->pools;
	stage->number = request->route->stats_index;
}

static struct sl_stage *new_stage(struct sl_request *request)
{
	struct sl_worker *worker = request->worker;
	struct sl_stage *stage = sl_arena_zalloc(&request->arena, sizeof(*stage));

	if (!stage)
		return NULL;
	stage->ops = &stage_ops;
	stage->owner = request;
	name_configuration(stage, request);
	stage->stores = worker->stores;
	stage->up = &worker->upstream;
	stage->loop = worker->loop;
	stage->arena = &request->arena;
	stage->gone = &request->gone;
	stage->deadline_ns = request->deadline_ns;
	stage->id = request->id;
	stage->start_ns = request->start_ns;
	stage->rollouts[SL_ROLLOUT_CONFIG] = request->arm;
	stage->key = request->admission.key;
	stage->class = sl_wait_class(request);
	stage->facts = &request->facts;
	stage->context_percent = 100;
	stage->fixed = request->untold.id != SL_OPENAI_OK;
	if (!stage->fixed) /* what stages read and write is the chat, so that is what nodes get */
		request->may_direct = false;
	return stage;
}

/* Has the route anything for it to do? */
static bool is_shown(const struct sl_request *request, enum sl_trail_stage shown)
{
	const struct sl_config_route *route = request->route->config;

	switch (shown) {
	case SL_TRAIL_IN_PROMPT:
		return sl_prompt_stage_wanted(route) || sl_config_sampling_is_on(&route->sampling);
	case SL_TRAIL_IN_SCREEN:
	case SL_TRAIL_IN_VALIDATE:
		return sl_validate_wanted(route);
	case SL_TRAIL_IN_CACHE:
		return route->semantic.ttl_ms > 0;
	case SL_TRAIL_IN_RETRIEVE:
		return sl_retrieve_wanted(route);
	case SL_TRAIL_IN_FIT:
		return route->context.steps || sl_degrade_is_on(route);
	default:
		return false;
	}
}

static enum sl_stage_verdict run_all(struct sl_request *request, const struct stage_row *row)
{
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;

	for (; row->run && verdict == SL_STAGE_GO_ON && !request->gone; row++) {
		const char *before = sl_turns_enter(request->worker->loop, row->part);

		request->stage->head = request->client->head;
		if (is_shown(request, row->shown))
			sl_explain_stage_begin(request, row->shown);
		verdict = row->run(request->stage);
		if (is_shown(request, row->shown))
			sl_explain_stage_end(request, row->shown);
		sl_turns_leave(request->worker->loop, before);
	}
	return request->gone ? SL_STAGE_GO_ON : verdict;
}

static int refuse(struct sl_request *request, const struct sl_openai_error *error)
{
	struct sl_exchange *client = request->client;

	request->error = *error;
	if (request->head_sent)
		return 0; /* by then only `after` can refuse, and no stream comes there */
	sl_charge_settle(request);
	client->user = NULL;
	request->client = NULL;
	sl_request_respond_error(client, &request->error, request->id, true);
	return sl_request_error_status(request, request->error.id);
}

static void show_reply(struct sl_request *request)
{
	struct sl_stage_reply *reply = &request->stage->reply;

	reply->status = request->attempt.status;
	reply->body = sl_text_span(&request->attempt.body);
	reply->foreign = request->direct;
	reply->pool = request->last_pool;
	reply->degraded = request->degraded;
	reply->shared = sl_recall_may_keep(request) && sl_stages_may_share(request);
}

static int run_before(struct sl_request *request, const struct stage_row *stages)
{
	static const struct sl_openai_error no_memory = {.id = SL_OPENAI_ERROR_INTERNAL,
							 .object = "no memory for its stages"};
	enum sl_stage_verdict verdict;
	int status;

	if (!request->stage)
		request->stage = new_stage(request);
	if (!request->stage)
		return refuse(request, &no_memory);
	verdict = run_all(request, stages);
	if (verdict == SL_STAGE_REFUSE)
		return refuse(request, &request->stage->error);
	if (verdict != SL_STAGE_ANSWER)
		return 0;
	show_reply(request);
	sl_evaluate_given(request->stage);
	status = sl_given_respond(request, request->stage->answer);
	return status; /* 0: it cannot be told so, and a node is asked */
}

int sl_stages_before(struct sl_request *request)
{
	return request->gone ? 0 : run_before(request, before_cache);
}

int sl_stages_prepare(struct sl_request *request)
{
	int status = request->gone ? 0 : run_before(request, before_nodes);

	if (!status && !request->gone)
		sl_shadowed_run(request);
	return status;
}

/* ---- answers ----------------------------------------------------------------------------------- */

bool sl_stages_after(struct sl_request *request, int *ret_status)
{
	enum sl_stage_verdict verdict;

	if (request->last_ending != SL_ENDING_OK || request->attempt.is_stream ||
	    request->head_sent || request->gone)
		return false;
	show_reply(request);
	verdict = run_all(request, after_nodes);
	if (verdict == SL_STAGE_REFUSE)
		*ret_status = refuse(request, &request->stage->error);
	if (verdict != SL_STAGE_AGAIN || request->stage->reply.tries == SL_STAGES_AGAIN_MAX)
		return false;
	sl_charge_note_again(request);
	request->stage->reply.tries++;
	return true;
}

void sl_stages_kept(struct sl_request *request)
{
	kept_fn *const *keeper;
	const char *before;

	if (request->last_ending != SL_ENDING_OK || request->attempt.status != 200)
		return;
	show_reply(request);
	before = sl_turns_enter(request->worker->loop, "keep");
	for (keeper = keepers; *keeper; keeper++)
		(*keeper)(request->stage);
	sl_turns_leave(request->worker->loop, before);
}

/* Was the answer what its prompt made of it? False: others were at fault, or nobody was asked. */
static bool is_told(const struct sl_request *request, int status)
{
	switch (request->last_ending) {
	case SL_ENDING_OK:
		return true;
	case SL_ENDING_STATUS_4XX:
	case SL_ENDING_STATUS_5XX:
	case SL_ENDING_BAD:
	case SL_ENDING_OTHER_MODEL:
	case SL_ENDING_CUT:
	case SL_ENDING_ERROR_EVENT:
	case SL_ENDING_TTFT_TIMEOUT:
	case SL_ENDING_TOTAL_TIMEOUT:
	case SL_ENDING_STALL:
		return status >= 400;
	default:
		return false;
	}
}

void sl_stages_ended(struct sl_request *request, int status)
{
	const uint64_t spoilt = 1ull << SL_STEP_VALIDATE_REPAIRED | 1ull << SL_STEP_VALIDATE_MODEL |
				1ull << SL_STEP_VALIDATE_REFUSED | 1ull << SL_STEP_VALIDATE_ENDED;
	enum sl_burn_outcome outcome = status < 400 ? SL_BURN_OK : SL_BURN_ERROR;
	struct sl_openai_usage usage;

	if (request->degraded & spoilt)
		outcome = SL_BURN_INVALID;
	if (request->any_attempt && (outcome == SL_BURN_INVALID || is_told(request, status)))
		sl_prompt_stage_note(request->stage, outcome);
	if (request->last_ending == SL_ENDING_OK && !request->attempt.is_stream &&
	    !request->direct &&
	    !sl_openai_usage_read(sl_text_string(&request->attempt.body), request->attempt.body.len,
				  &usage))
		sl_context_stage_learn(request->stage, usage.prompt_tokens);
}

void sl_stages_release(struct sl_request *request)
{
	sl_prompt_stage_end(request->stage);
}

void sl_stages_note_first(struct sl_request *request, uint64_t us)
{
	sl_degrade_note_first(request->stage, us);
}

int sl_stages_filters(struct sl_request *request,
		      struct sl_stage_filter *filters[SL_STAGE_FILTERS_MAX])
{
	filter_fn *const *make;
	int rc, count = 0;

	show_reply(request);
	for (make = filter_makers; *make && !request->direct; make++) {
		filters[count] = NULL;
		rc = (*make)(request->stage, &filters[count]);
		if (rc) {
			while (count > 0) {
				count--;
				filters[count]->fini(filters[count], false);
			}
			return rc;
		}
		count += filters[count] != NULL;
	}
	return count;
}

void sl_stages_moved(struct sl_request *request)
{
	const char *first = request->own_chain ? request->own_chain->pools[0]->name : NULL;
	bool only = request->own_chain && request->own_chain->only;
	uint32_t i;

	request->own_chain = NULL;
	request->arm = 0; /* what was rolled out then is not what answers now */
	request->on_trial = false;
	if (!request->stage)
		return;
	name_configuration(request->stage, request);
	request->stage->rollouts[SL_ROLLOUT_CONFIG] = request->arm;
	for (i = 0; first && i < request->routes->config->pool_count; i++) {
		if (!strcmp(request->stage->pools[i].name, first))
			set_pool(request->stage, i);
	}
	if (only)
		keep_pool(request->stage);
}

/* ---- what is told ------------------------------------------------------------------------------ */

size_t sl_stages_format(uint64_t steps, char out[SL_STAGES_STEPS_BYTES])
{
	struct sl_text text;
	int step;

	sl_text_init_fixed(&text, out, SL_STAGES_STEPS_BYTES);
	for (step = 0; step < SL_STEPS; step++) {
		if (steps & 1ull << step)
			sl_text_printf(&text, "%s%s", text.len ? ", " : "", sl_steps[step].text);
	}
	return text.len;
}

size_t sl_stages_lines_len(const struct sl_request *request)
{
	return request->stage ? STEPS_LINE_BYTES + request->stage_lines.len : 0;
}

void sl_stages_write(const struct sl_request *request, struct sl_h1_out *out)
{
	char steps[SL_STAGES_STEPS_BYTES];
	size_t len;

	if (!request->stage)
		return;
	if (request->stage_lines.len)
		sl_h1_write_lines(out, request->stage_lines.data, request->stage_lines.len);
	len = sl_stages_format(request->degraded, steps);
	if (len)
		SL_H1_WRITE_HEADER(out, "x-sluice-degraded", steps, len);
}

bool sl_stages_may_share(const struct sl_request *request)
{
	int step;

	for (step = 0; step < SL_STEPS; step++) {
		if (request->degraded & 1ull << step && !sl_steps[step].keeps)
			return false;
	}
	return true;
}
