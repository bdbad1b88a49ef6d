/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/quality/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/quality/suite_parts.h"
#include "user/wire/openai.h"

#define ARENA_BYTES_MAX (16u << 20)
#define CHECK_MS	30000u /* that checks may take, the suite's time set aside */

const char *const sl_suite_verdict_names[SL_SUITE_VERDICTS] = {"pending", "passed", "failed",
							       "unsure"};

/* ---- making ---------------------------------------------------------------------------------- */

struct sl_suite *sl_suite_make(const struct sl_suite_options *options)
{
	struct sl_suite *suite = calloc(1, sizeof(*suite));

	if (!suite)
		return NULL;
	suite->options = *options;
	if (suite->options.parallel > SL_SUITE_PARALLEL_MAX)
		suite->options.parallel = SL_SUITE_PARALLEL_MAX;
	suite->name = strdup(options->name);
	suite->model = strdup(options->model);
	if (!suite->name || !suite->model)
		sl_suite_free(&suite);
	return suite;
}

/* What a terminal obeys, the end of a line apart: it may be shown on one. */
static bool is_control(const char *at, size_t len)
{
	unsigned char byte = (unsigned char)at[0];

	return (byte < 0x20 && byte != '\n') || byte == 0x7f ||
	       (len == 2 && byte == 0xc2 && (unsigned char)at[1] < 0xa0);
}

/* As much of it as there is room for, up to a whole character; a model's own words may be in it. */
static void tell(struct sl_suite_item *item, const char *why)
{
	size_t len = 0, step;

	for (; why[len]; len += step) {
		step = sl_text_utf8_len(why + len, strlen(why + len));
		if (!step) /* cut in the middle of one */
			step = 1;
		if (len + step >= sizeof(item->detail))
			break;
		if (is_control(why + len, step))
			memset(item->detail + len, ' ', step);
		else
			memcpy(item->detail + len, why + len, step);
	}
	item->detail[len] = '\0';
}

int sl_suite_add(struct sl_suite *suite, const char *name, struct sl_span body, struct sl_span of,
		 const char *fault)
{
	struct sl_suite_item *grown, *item;

	if (suite->count >= SL_SUITE_CASES_MAX)
		return -E2BIG;
	grown = realloc(suite->items, (suite->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	suite->items = grown;
	item = &grown[suite->count];
	*item = (struct sl_suite_item){.body_len = body.len, .of_len = of.len, .tokens = -1};
	item->name = strdup(name);
	item->body = strndup(body.len ? body.data : "", body.len);
	item->of = strndup(of.len ? of.data : "", of.len);
	suite->count++; /* from here on it is freed with the rest */
	if (!item->name || !item->body || !item->of)
		return -ENOMEM;
	if (fault) {
		item->verdict = SL_SUITE_FAILED;
		tell(item, fault);
		suite->answered++;
	}
	return 0;
}

void sl_suite_free(struct sl_suite **suite)
{
	struct sl_suite *s = *suite;

	*suite = NULL;
	if (!s)
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		free(s->items[i].name);
		free(s->items[i].body);
		free(s->items[i].of);
	}
	free(s->items);
	free(s->name);
	free(s->model);
	free(s);
}

void sl_suite_progress(const struct sl_suite *suite, uint32_t *ret_done, uint32_t *ret_count)
{
	*ret_done = __atomic_load_n(&suite->answered, __ATOMIC_RELAXED);
	*ret_count = suite->count;
}

enum sl_suite_verdict sl_suite_verdict(const struct sl_suite *suite)
{
	enum sl_suite_verdict verdict = SL_SUITE_PASSED;

	for (uint32_t i = 0; i < suite->count; i++) {
		if (suite->items[i].verdict == SL_SUITE_FAILED)
			return SL_SUITE_FAILED;
		if (suite->items[i].verdict != SL_SUITE_PASSED)
			verdict = SL_SUITE_UNSURE;
	}
	return verdict;
}

bool sl_suite_result(const struct sl_suite *suite, uint32_t i, struct sl_suite_result *ret_result)
{
	const struct sl_suite_item *item = &suite->items[i];

	if (i >= suite->count)
		return false;
	*ret_result = (struct sl_suite_result){item->verdict, item->detail, item->ms};
	return true;
}

bool sl_suite_was_stopped(const struct sl_suite *suite)
{
	return suite->gone;
}

/* ---- checking, on a thread of the pool ------------------------------------------------------- */

/* Has copies of all that it reads: it may outlive the wait for it, see work.h. */
struct job {
	int (*likeness)(void *owner, struct sl_span a, struct sl_span b);
	void *owner;
	char *of, *answer;
	size_t of_len, answer_len;
	int64_t tokens;
	int rc; /* of sl_suite_holds() */
	struct sl_error error;
};

static void run_job(void *arg)
{
	struct job *job = arg;
	const struct sl_suite_answer answer = {
		.text = sl_span_make(job->answer, job->answer_len),
		.tokens = job->tokens,
		.likeness = job->likeness,
		.owner = job->owner,
	};
	struct sl_suite_case of;
	size_t check;

	job->rc = sl_suite_read(job->of, job->of_len, &of, &job->error);
	if (!job->rc)
		job->rc = sl_suite_holds(&of, &answer, &check, &job->error);
}

static void drop_job(void *arg)
{
	struct job *job = arg;

	free(job->of);
	free(job->answer);
	free(job);
}

static void set_unsure(struct sl_suite_item *item, const char *why)
{
	item->verdict = SL_SUITE_UNSURE;
	tell(item, why);
}

/* Texts may hold NULs. */
static char *copy_of(const char *data, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy) {
		if (len)
			memcpy(copy, data, len);
		copy[len] = '\0';
	}
	return copy;
}

static void check(struct sl_suite *suite, struct sl_suite_item *item, struct sl_span answer)
{
	struct job *job = calloc(1, sizeof(*job));
	int rc = -ENOMEM;

	if (job) {
		job->likeness = suite->options.likeness;
		job->owner = suite->options.likeness_owner;
		job->of = copy_of(item->of, item->of_len);
		job->of_len = item->of_len;
		job->answer = copy_of(answer.data, answer.len);
		job->answer_len = answer.len;
		job->tokens = item->tokens;
	}
	if (job && job->of && job->answer)
		rc = sl_work_run(suite->place.work, suite->place.loop, run_job, drop_job, job,
				 suite->until_ns + CHECK_MS * SL_NS_PER_MS, &suite->gone);
	if (rc) {
		set_unsure(item, rc == -EAGAIN ? "the pool of threads is busy" : strerror(-rc));
	} else {
		item->verdict = job->rc == 1  ? SL_SUITE_PASSED
				: job->rc < 0 ? SL_SUITE_UNSURE
					      : SL_SUITE_FAILED;
		tell(item, job->error.text);
	}
	if (job && rc != -ETIMEDOUT && rc != -ECANCELED)
		drop_job(job);
}

/* What the checks cannot say. */
static void ask_judge(struct sl_suite *suite, struct sl_suite_item *item, struct sl_span answer)
{
	char why[SL_SUITE_DETAIL_BYTES] = "";
	int rc;

	if (!suite->options.judge || item->verdict != SL_SUITE_PASSED)
		return;
	rc = suite->options.judge(suite->options.owner, (uint32_t)(item - suite->items), answer,
				  why, sizeof(why));
	if (rc == 1)
		return;
	item->verdict = rc < 0 ? SL_SUITE_UNSURE : SL_SUITE_FAILED;
	tell(item, why);
}

/* ---- asking, on a fiber ---------------------------------------------------------------------- */

/* The text of the first choice, in the arena. A call of tools has none: the empty text. */
static bool text_of(struct sl_arena *arena, struct sl_span body, struct sl_span *ret_text)
{
	struct sl_json_field choices = SL_JSON_FIELD("choices"), choice;
	struct sl_json_field message = SL_JSON_FIELD("message");
	struct sl_json_field content = SL_JSON_FIELD("content");
	const char *cursor = NULL;
	char *room;
	int len;

	*ret_text = SL_SPAN("");
	if (sl_json_scan(body.data, body.len, &choices, 1) || choices.type != SL_JSON_ARRAY ||
	    !sl_json_each(&choices, &cursor, &choice) || choice.type != SL_JSON_OBJECT ||
	    sl_json_scan(choice.value, choice.value_len, &message, 1) ||
	    message.type != SL_JSON_OBJECT ||
	    sl_json_scan(message.value, message.value_len, &content, 1))
		return false;
	if (content.type != SL_JSON_STRING)
		return true;
	room = sl_arena_alloc(arena, content.value_len + 1);
	len = room ? sl_json_string(&content, room, content.value_len + 1) : -1;
	if (len < 0)
		return false;
	*ret_text = sl_span_make(room, (size_t)len);
	return true;
}

static void judge(struct sl_suite *suite, struct sl_suite_item *item, struct sl_arena *arena,
		  const struct sl_call_answer *answer)
{
	struct sl_openai_usage usage;
	struct sl_span text;

	if (!sl_openai_usage_read(answer->body.data, answer->body.len, &usage))
		item->tokens = usage.completion_tokens;
	if (!text_of(arena, answer->body, &text)) {
		set_unsure(item, "the answer is no chat completion");
		return;
	}
	check(suite, item, text);
	ask_judge(suite, item, text);
}

static void ask(struct sl_suite *suite, struct sl_suite_item *item)
{
	uint64_t now_ns = sl_loop_now_ns(suite->place.loop);
	struct sl_call_answer answer;
	struct sl_arena arena;
	struct sl_call call = {
		.pool = suite->place.pool,
		.body = sl_span_make(item->body, item->body_len),
		.lines = suite->place.lines,
		.chat = true,
		.deadline_ns = now_ns + suite->options.case_ms * SL_NS_PER_MS,
		.id = suite->name,
		.gone = &suite->gone,
	};

	if (call.deadline_ns > suite->until_ns)
		call.deadline_ns = suite->until_ns;
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	if (sl_call_run(suite->place.up, &arena, &call, &answer) == SL_ENDING_OK) {
		judge(suite, item, &arena, &answer);
	} else {
		set_unsure(item, answer.detail);
		if (answer.status >= 400 && strlen(item->detail) + 16 < sizeof(item->detail))
			sprintf(item->detail + strlen(item->detail), " (status %d)", answer.status);
	}
	item->ms = (uint32_t)((sl_loop_now_ns(suite->place.loop) - now_ns) / SL_NS_PER_MS);
	sl_arena_fini(&arena);
}

/* The next case that is to be asked, or NULL. */
static struct sl_suite_item *next_item(struct sl_suite *suite)
{
	while (suite->next < suite->count) {
		struct sl_suite_item *item = &suite->items[suite->next++];

		if (item->verdict != SL_SUITE_PENDING)
			continue;
		if (!suite->gone && sl_loop_now_ns(suite->place.loop) < suite->until_ns)
			return item;
		set_unsure(item, suite->gone ? "the suite was broken off"
					     : "the suite's time was up before it was asked");
		__atomic_add_fetch(&suite->answered, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void run_fiber(void *arg)
{
	struct sl_suite *suite = arg;
	struct sl_fiber *self = sl_fiber_self(suite->place.loop);
	struct sl_suite_item *item;
	uint32_t place = suite->started++;

	suite->fibers[place] = self;
	while ((item = next_item(suite))) {
		ask(suite, item);
		__atomic_add_fetch(&suite->answered, 1, __ATOMIC_RELAXED);
	}
	suite->fibers[place] = NULL;
	if (--suite->running == 0)
		suite->options.done(suite->options.owner, suite);
}

int sl_suite_start(struct sl_suite *suite, const struct sl_suite_place *place)
{
	uint32_t wanted = suite->count - suite->answered, begun = 0;
	int rc = 0;

	if (wanted > suite->options.parallel)
		wanted = suite->options.parallel;
	suite->place = *place;
	suite->until_ns = sl_loop_now_ns(place->loop) + suite->options.total_ms * SL_NS_PER_MS;
	suite->running = 1; /* this, until all are begun */
	while (begun < wanted && !rc) {
		suite->running++;
		rc = sl_fiber_start(place->loop, run_fiber, suite);
		if (rc)
			suite->running--;
		else
			begun++;
	}
	if (wanted && !begun)
		return rc; /* with fewer than were wanted it takes longer, without any it cannot be */
	if (--suite->running == 0)
		suite->options.done(suite->options.owner, suite);
	return 0;
}

void sl_suite_stop(struct sl_suite *suite)
{
	suite->gone = true;
	for (uint32_t i = 0; i < suite->started; i++) {
		if (suite->fibers[i])
			sl_fiber_wake(suite->fibers[i]);
	}
}
