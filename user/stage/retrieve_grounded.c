/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/retrieve_grounded.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/policy/gates_lexicon.h"
#include "user/quality/grounded.h"
#include "user/stage/retrieve_judge.h"
#include "user/store/encoder.h"
#include "user/wire/chat_context.h"
#include "user/wire/chat_gather.h"

#define MS_OF_MINUTE  60000u
#define RECENT_MAX    2000u
#define LOGGED_MAX    200 /* bytes of a sentence */
#define CONTEXT_BYTES (1u << 20)

struct route {
	struct sl_grounding_counts counts;
	struct sl_quality quality;
	uint64_t given; /* answers whose turn it might have been */
	uint64_t minute;
	uint32_t used;	/* of the budget, in it */
	uint32_t asked; /* questions while it is poor */
};

struct sl_groundings {
	pthread_mutex_t lock;
	struct sl_gates_lexicon *lexicon;
	struct route routes[SL_GROUNDED_ROUTES_MAX];
};

struct sl_grounding {
	struct sl_span context;
};

int sl_groundings_open(struct sl_groundings **ret_groundings)
{
	struct sl_groundings *all = calloc(1, sizeof(*all));
	int rc = all ? sl_gates_lexicon_open(&all->lexicon) : -ENOMEM;

	if (rc) {
		free(all);
		return rc;
	}
	pthread_mutex_init(&all->lock, NULL);
	*ret_groundings = all;
	return 0;
}

void sl_groundings_close(struct sl_groundings **groundings)
{
	struct sl_groundings *all = *groundings;

	*groundings = NULL;
	if (!all)
		return;
	sl_gates_lexicon_close(&all->lexicon);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

const struct sl_gates_lexicon *sl_groundings_lexicon(const struct sl_groundings *groundings)
{
	return groundings->lexicon;
}

bool sl_groundings_read(struct sl_groundings *all, uint32_t number,
			struct sl_grounding_counts *ret_counts)
{
	bool any;

	if (!all || number >= SL_GROUNDED_ROUTES_MAX)
		return false;
	pthread_mutex_lock(&all->lock);
	*ret_counts = all->routes[number].counts;
	any = all->routes[number].given > 0;
	pthread_mutex_unlock(&all->lock);
	return any;
}

/* NULL: it has none. Locked. */
static struct route *lock_route(const struct sl_stage *stage)
{
	struct sl_groundings *all = stage->stores->groundings;

	if (!all || stage->number >= SL_GROUNDED_ROUTES_MAX)
		return NULL;
	pthread_mutex_lock(&all->lock);
	return &all->routes[stage->number];
}

static void unlock(const struct sl_stage *stage)
{
	pthread_mutex_unlock(&stage->stores->groundings->lock);
}

/* ---- what came of it ------------------------------------------------------------------------- */

struct job {
	struct sl_groundings *all;
	const struct sl_encoder *encoder; /* NULL: words alone */
	uint32_t number;
	struct sl_quality_rule rule;
	bool log;
	bool unjudged;
	char model[SL_CONFIG_MODEL_MAX + 1];
	char *context, *answer;
	size_t context_len, answer_len;
	uint32_t judged;
	int rc;
	struct sl_grounded result;
};

static void free_job(void *argument)
{
	struct job *job = argument;

	if (!job)
		return;
	free(job->context);
	free(job->answer);
	free(job);
}

static struct job *new_job(const struct sl_stage *stage, const struct sl_grounding *grounding)
{
	const struct sl_config_retrieve *config = &stage->route->retrieve;
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->all = stage->stores->groundings;
	job->encoder = stage->stores->encoder;
	job->number = stage->number;
	job->rule = (struct sl_quality_rule){.poor = config->grounded_poor,
					     .back = config->grounded_back,
					     .questions = config->grounded_answers};
	job->log = config->grounded_log;
	strncpy(job->model, stage->route->model, sizeof(job->model) - 1);
	job->context_len = grounding->context.len;
	job->context = malloc(job->context_len + 1);
	if (!job->context) {
		free(job);
		return NULL;
	}
	memcpy(job->context, grounding->context.data, job->context_len);
	return job;
}

static int embed(void *owner, struct sl_span text, float *ret_vector)
{
	return sl_encoder_embed(owner, text, ret_vector, NULL);
}

/* On a thread of the pool. */
static void run_job(void *argument)
{
	struct job *job = argument;
	struct sl_grounded_ask ask = {
		.lexicon = job->all->lexicon,
		.context = sl_span_make(job->context, job->context_len),
		.answer = sl_span_make(job->answer, job->answer_len),
		.embed = job->encoder ? embed : NULL,
		.owner = (void *)job->encoder,
		.dimensions = SL_ENCODER_DIMENSIONS,
	};

	job->rc = sl_grounded_run(&ask, &job->result);
}

static void log_claims(const struct job *job)
{
	const struct sl_grounded *g = &job->result;

	for (uint32_t i = 0; job->log && i < g->count; i++) {
		const struct sl_grounded_claim *claim = &g->claims[i];
		size_t len = claim->text.len < LOGGED_MAX ? claim->text.len : LOGGED_MAX;

		if (claim->verdict == SL_GROUNDED_UNSUPPORTED)
			sl_log(SL_LOG_INFO,
			       "route \"%s\": its documents do not say: %.*s reason=%s word=\"%s\"",
			       job->model, (int)len, claim->text.data,
			       sl_grounded_feature_name(claim->reason), claim->word);
	}
}

static void add_counts(struct sl_grounding_counts *counts, const struct job *job)
{
	const struct sl_grounded *g = &job->result;

	counts->answers++;
	counts->ungrounded += g->unsupported > 0;
	counts->claims += g->count;
	counts->unsupported += g->unsupported;
	counts->doubtful += g->doubtful;
	counts->judged += job->judged;
	counts->unjudged += job->unjudged;
	counts->recent++;
	counts->recent_ungrounded += g->unsupported > 0;
	if (counts->recent < RECENT_MAX)
		return;
	counts->recent /= 2;
	counts->recent_ungrounded /= 2;
}

static void tell_quality(const char *model, bool poor)
{
	struct sl_notice notice = {.kind = SL_NOTICE_QUALITY,
				   .level = poor ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_ROUTE,
				   .over = !poor,
				   .who = "groundedness"};

	sl_log(SL_LOG_WARN,
	       poor ? "route \"%s\": its answers do not say what its documents say, it goes on "
		      "without them"
		    : "route \"%s\": its answers say what its documents say again",
	       model);
	sl_notice_set(notice.name, sizeof(notice.name), model);
	sl_notice_tell(&notice, poor ? "its answers do not say what its documents say"
				     : "its answers say what its documents say again");
}

static void note(const struct job *job)
{
	struct route *route = &job->all->routes[job->number];
	bool was, now, counted = !job->rc && job->result.count > 0;

	if (counted)
		log_claims(job);
	pthread_mutex_lock(&job->all->lock);
	was = now = route->counts.poor;
	route->counts.silent += !job->rc && !counted;
	if (counted) {
		add_counts(&route->counts, job);
		now = sl_quality_note(&route->quality, &job->rule, job->result.unsupported == 0);
		route->counts.poor = now;
		route->asked = was == now ? route->asked : 0;
	}
	pthread_mutex_unlock(&job->all->lock);
	if (was != now)
		tell_quality(job->model, now);
}

static void run_and_note(void *argument)
{
	run_job(argument);
	note(argument);
}

static void count_full(struct sl_groundings *all, uint32_t number)
{
	pthread_mutex_lock(&all->lock);
	all->routes[number].counts.full++;
	pthread_mutex_unlock(&all->lock);
}

/* ---- with a judge, on a fiber beside the client ----------------------------------------------- */

struct turn {
	struct job *job; /* NULL: the pool's */
};

static void free_turn(void *argument)
{
	struct turn *turn = argument;

	free_job(turn->job);
	free(turn);
}

static void run_turn(struct sl_stage *stage, void *argument)
{
	struct turn *turn = argument;
	struct job *job = turn->job;
	struct sl_retrieve_judge judge = {.stage = stage};
	int rc = sl_work_run(stage->stores->work, stage->loop, run_job, free_job, job,
			     stage->deadline_ns, stage->gone);

	if (rc == -ETIMEDOUT || rc == -ECANCELED) {
		turn->job = NULL;
		rc = 0;
	} else if (rc == 0) {
		judge.context = sl_span_make(job->context, job->context_len);
		job->judged = sl_grounded_settle(&job->result, SL_GROUNDED_JUDGED_MAX,
						 sl_retrieve_judge_ask, &judge);
		job->unjudged = judge.failed;
		note(job);
	}
	if (rc)
		count_full(stage->stores->groundings, stage->number);
}

static bool start_turn(struct sl_stage *stage, struct job *job)
{
	struct turn *turn = malloc(sizeof(*turn));
	int rc;

	if (!turn)
		return false;
	turn->job = job;
	rc = stage->ops->beside(stage, SL_GROUNDED_TIME_MS, run_turn, free_turn, turn);
	if (rc < 0)
		free(turn);
	return rc == 0;
}

/* ---- on the request's fiber ------------------------------------------------------------------ */

bool sl_retrieve_grounded_refuses(struct sl_stage *stage, bool *ret_probe)
{
	struct route *route = stage->route->retrieve.grounded_poor ? lock_route(stage) : NULL;
	bool poor;

	*ret_probe = false;
	if (!route)
		return false;
	poor = route->counts.poor;
	if (poor) {
		*ret_probe = route->asked++ % SL_GROUNDED_PROBE_EVERY == 0;
		route->counts.probes += *ret_probe;
	}
	unlock(stage);
	return poor && !*ret_probe;
}

static bool is_turn(struct route *route, const struct sl_config_retrieve *config, bool probe,
		    uint64_t now_ms)
{
	uint64_t before = route->given * config->grounded_sample / SL_QUALITY_ONE;

	route->given++;
	if (route->given * config->grounded_sample / SL_QUALITY_ONE == before && !probe)
		return false;
	if (route->minute != now_ms / MS_OF_MINUTE) {
		route->minute = now_ms / MS_OF_MINUTE;
		route->used = 0;
	}
	if (route->used >= config->grounded_budget) { /* a reload may have lowered it */
		route->counts.spared++;
		return false;
	}
	route->used++;
	return true;
}

struct sl_grounding *sl_retrieve_grounded_begin(struct sl_stage *stage, bool probe,
						const struct sl_vector_found *found, uint32_t count)
{
	const struct sl_config_retrieve *config = &stage->route->retrieve;
	struct route *route = config->grounded_sample ? lock_route(stage) : NULL;
	struct sl_grounding *grounding = NULL;
	struct sl_text context;
	char *copy = NULL;
	bool turn;

	if (!route)
		return NULL;
	turn = is_turn(route, config, probe, sl_loop_now_ms(stage->loop));
	unlock(stage);
	if (!turn)
		return NULL;
	sl_text_init(&context, CONTEXT_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		sl_text_append_string(&context, i ? "\n\n" : "");
		sl_text_append_string(&context, found[i].text);
	}
	if (!context.error) {
		grounding = sl_arena_alloc(stage->arena, sizeof(*grounding));
		copy = sl_arena_strndup(stage->arena, sl_text_string(&context), context.len);
	}
	if (grounding && copy)
		grounding->context = sl_span_make(copy, context.len);
	sl_text_fini(&context);
	return copy ? grounding : NULL;
}

static bool set_answer(struct job *job, const struct sl_json_field *content)
{
	int len;

	job->answer = malloc(content->value_len + 1);
	len = job->answer ? sl_json_string(content, job->answer, content->value_len + 1) : -1;
	job->answer_len = len > 0 ? (size_t)len : 0;
	return len > 0;
}

static void count_too_long(struct sl_groundings *all, uint32_t number)
{
	pthread_mutex_lock(&all->lock);
	all->routes[number].counts.too_long++;
	pthread_mutex_unlock(&all->lock);
}

void sl_retrieve_grounded_kept(struct sl_stage *stage, const struct sl_grounding *grounding)
{
	struct sl_json_field content;
	struct job *job;

	if (!grounding || stage->reply.given || stage->reply.foreign ||
	    !sl_chat_answer_plain_one(stage->reply.body, &content))
		return;
	if (content.value_len > SL_GROUNDED_BYTES_MAX) {
		count_too_long(stage->stores->groundings, stage->number);
		return;
	}
	job = new_job(stage, grounding);
	if (job && set_answer(job, &content) &&
	    (stage->route->retrieve.judge
		     ? start_turn(stage, job)
		     : sl_work_post(stage->stores->work, run_and_note, free_job, job) == 0))
		return;
	free_job(job);
	count_full(stage->stores->groundings, stage->number);
}

/* ---- streams --------------------------------------------------------------------------------- */

struct filter {
	struct sl_stage_filter base; /* first */
	struct sl_work *work;
	struct job *job;
	struct sl_chat_gather gather;
};

static enum sl_filter_verdict filter_data(struct sl_stage_filter *base, const char *data,
					  size_t len, const struct sl_openai_chunk *chunk,
					  struct sl_text *out)
{
	struct filter *filter = (struct filter *)base;

	(void)chunk;
	(void)out;
	sl_chat_gather_chunk(&filter->gather, data, len);
	return SL_FILTER_PASS;
}

static enum sl_filter_verdict filter_end(struct sl_stage_filter *base, struct sl_text *out)
{
	(void)base;
	(void)out;
	return SL_FILTER_PASS;
}

static void judge_stream(struct filter *filter)
{
	struct sl_groundings *all = filter->job->all;
	uint32_t number = filter->job->number;
	bool posted;

	filter->job->answer = sl_chat_gather_take(&filter->gather, &filter->job->answer_len);
	posted = filter->job->answer &&
		 sl_work_post(filter->work, run_and_note, free_job, filter->job) == 0;
	if (posted)
		filter->job = NULL;
	else
		count_full(all, number);
}

static void filter_fini(struct sl_stage_filter *base, bool whole)
{
	struct filter *filter = (struct filter *)base;

	if (filter->gather.text.error == -E2BIG)
		count_too_long(filter->job->all, filter->job->number);
	else if (whole && sl_chat_gather_is_whole(&filter->gather))
		judge_stream(filter);
	free_job(filter->job);
	sl_chat_gather_fini(&filter->gather);
	free(filter);
}

int sl_retrieve_grounded_filter(struct sl_stage *stage, const struct sl_grounding *grounding,
				struct sl_stage_filter **ret_filter)
{
	struct filter *filter =
		grounding && !stage->reply.foreign ? calloc(1, sizeof(*filter)) : NULL;

	if (!filter)
		return 0;
	filter->job = new_job(stage, grounding);
	if (!filter->job) { /* it flows on */
		free(filter);
		return 0;
	}
	filter->base.data = filter_data;
	filter->base.end = filter_end;
	filter->base.fini = filter_fini;
	filter->base.looks_only = true;
	filter->work = stage->stores->work;
	sl_chat_gather_init(&filter->gather, SL_GROUNDED_BYTES_MAX);
	*ret_filter = &filter->base;
	return 0;
}
