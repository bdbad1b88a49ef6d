/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/canary_ask.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/policy/refusal.h"

#define ANSWER_BYTES_MAX (1u << 20)
#define EMBED_MS	 5000u
#define READ_MS		 30000u
#define READ_BYTES_MAX	 (4u << 20)

enum { MODEL, FINGERPRINT, CHOICES, TOKENS, FIELDS };

static void read_names(const struct sl_json_field *f, struct sl_canary_reading *reading)
{
	if (sl_json_string(&f[MODEL], reading->model, sizeof(reading->model)) < 0)
		reading->model[0] = '\0';
	if (sl_json_string(&f[FINGERPRINT], reading->fingerprint, sizeof(reading->fingerprint)) < 0)
		reading->fingerprint[0] = '\0';
	/* they are kept as words of a list */
	for (char *at = reading->fingerprint; *at; at++) {
		if ((unsigned char)*at <= ' ')
			*at = '_';
	}
}

/* The text of the first choice. Returns false where there is no message. */
static bool read_message(const struct sl_json_field *choices, struct sl_arena *arena,
			 struct sl_canary_reading *reading, bool *ret_calls)
{
	struct sl_json_field parts[2] = {SL_JSON_FIELD("message"), SL_JSON_FIELD("finish_reason")};
	struct sl_json_field said[3] = {SL_JSON_FIELD("content"), SL_JSON_FIELD("refusal"),
					SL_JSON_FIELD("tool_calls")};
	struct sl_json_field choice;
	const char *cursor = NULL;
	char *room;
	int len;

	if (choices->type != SL_JSON_ARRAY || !sl_json_each(choices, &cursor, &choice) ||
	    choice.type != SL_JSON_OBJECT ||
	    sl_json_scan(choice.value, choice.value_len, parts, 2) ||
	    parts[0].type != SL_JSON_OBJECT ||
	    sl_json_scan(parts[0].value, parts[0].value_len, said, 3))
		return false;
	*ret_calls = said[2].type == SL_JSON_ARRAY && said[2].value_len > 2;
	reading->refusal = (said[1].type == SL_JSON_STRING && said[1].value_len > 2) ||
			   sl_json_string_equal(&parts[1], "content_filter", 14);
	if (said[0].type != SL_JSON_STRING)
		return true;
	room = sl_arena_alloc(arena, said[0].value_len + 1);
	len = room ? sl_json_string(&said[0], room, said[0].value_len + 1) : -1;
	if (len > 0)
		reading->text = sl_span_make(room, (size_t)len);
	return true;
}

void sl_canary_read(const struct sl_canary_question *question, struct sl_span body,
		    struct sl_arena *arena, struct sl_canary_reading *reading)
{
	struct sl_json_field f[FIELDS] = {
		[MODEL] = SL_JSON_FIELD("model"),
		[FINGERPRINT] = SL_JSON_FIELD("system_fingerprint"),
		[CHOICES] = SL_JSON_FIELD("choices"),
		[TOKENS] = SL_JSON_FIELD_IN("usage", "completion_tokens"),
	};
	struct sl_error error;
	bool calls = false;
	int64_t tokens;
	size_t check;

	reading->text = SL_SPAN("");
	if (sl_json_scan(body.data, body.len, f, FIELDS) ||
	    !read_message(&f[CHOICES], arena, reading, &calls)) {
		snprintf(reading->why, sizeof(reading->why), "the answer is no chat completion");
		return;
	}
	read_names(f, reading);
	if (sl_json_int(&f[TOKENS], &tokens) || tokens < 0)
		tokens = (int64_t)(reading->text.len / SL_OPENAI_BYTES_PER_TOKEN);
	reading->length = log(1.0 + (double)tokens);
	if (sl_refusal_begins(reading->text))
		reading->refusal = true;
	if (question->has_checks)
		reading->bad_format =
			sl_suite_holds(
				&question->suite,
				&(struct sl_suite_answer){.text = reading->text, .tokens = tokens},
				&check, &error) == 0;
	else
		reading->bad_format = !reading->text.len && !calls;
	reading->answered = true;
}

/* ---- on a thread of the pool ------------------------------------------------------------------ */

/* Has copies of all that it reads: it may outlive the wait for it, see work.h. */
struct job {
	struct sl_canary_question question; /* its checks, of the copy */
	char *checks;			    /* {"checks":[...]}; NULL: it has none */
	char *body;
	size_t body_len;
	struct sl_arena arena; /* of the reading's text */
	struct sl_canary_reading reading;
};

static void run_job(void *arg)
{
	struct job *job = arg;
	struct sl_error error = {""};

	if (job->checks &&
	    sl_suite_read(job->checks, strlen(job->checks), &job->question.suite, &error)) {
		snprintf(job->reading.why, sizeof(job->reading.why), "%.150s", error.text);
		return;
	}
	sl_canary_read(&job->question, sl_span_make(job->body, job->body_len), &job->arena,
		       &job->reading);
}

static void drop_job(void *arg)
{
	struct job *job = arg;

	free(job->checks);
	free(job->body);
	sl_arena_fini(&job->arena);
	free(job);
}

static struct job *make_job(const struct sl_canary_question *question, struct sl_span body)
{
	struct job *job = calloc(1, sizeof(*job));
	struct sl_text checks;

	if (!job)
		return NULL;
	sl_arena_init(&job->arena, 0, READ_BYTES_MAX);
	job->question.has_checks = question->has_checks;
	job->body_len = body.len;
	job->body = malloc(body.len + 1);
	if (question->has_checks) {
		sl_text_init(&checks, 0);
		sl_text_append_string(&checks, "{\"checks\":");
		sl_text_append(&checks, question->suite.checks.value,
			       question->suite.checks.value_len);
		sl_text_append_char(&checks, '}');
		job->checks = sl_text_take(&checks);
	}
	if (!job->body || (question->has_checks && !job->checks)) {
		drop_job(job);
		return NULL;
	}
	memcpy(job->body, body.data, body.len);
	return job;
}

/* The answer is read there: it may be long, and checks are patterns and schemas. */
static void read_answer(struct sl_stage *ground, const struct sl_canary_question *question,
			struct sl_span body, struct sl_canary_reading *reading)
{
	uint64_t latency_us = reading->latency_us;
	struct job *job = make_job(question, body);
	int rc = job ? sl_work_run(ground->stores->work, ground->loop, run_job, drop_job, job,
				   sl_loop_now_ns(ground->loop) + READ_MS * SL_NS_PER_MS,
				   ground->gone)
		     : -ENOMEM;

	if (rc) {
		snprintf(reading->why, sizeof(reading->why), "the answer could not be read: %s",
			 rc == -EAGAIN ? "the pool of threads is busy" : strerror(-rc));
	} else {
		const char *text;

		*reading = job->reading;
		reading->latency_us = latency_us;
		text = sl_arena_memdup(ground->arena, reading->text.data, reading->text.len);
		reading->text = text ? sl_span_make(text, reading->text.len) : SL_SPAN("");
	}
	if (job && rc != -ETIMEDOUT && rc != -ECANCELED)
		drop_job(job);
}

bool sl_canary_ask(struct sl_stage *ground, const struct sl_upstream_pool *pool,
		   const struct sl_canary_question *question, uint32_t timeout_ms,
		   struct sl_canary_reading *ret_reading)
{
	uint64_t now_ns = sl_loop_now_ns(ground->loop);
	struct sl_call call = {
		.pool = pool,
		.body = question->body,
		.chat = true,
		.deadline_ns = now_ns + timeout_ms * SL_NS_PER_MS,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.id = ground->id,
		.gone = ground->gone,
	};
	struct sl_call_answer answer;

	memset(ret_reading, 0, sizeof(*ret_reading));
	if (sl_call_run(ground->up, ground->arena, &call, &answer) == SL_ENDING_OK) {
		ret_reading->latency_us = (sl_loop_now_ns(ground->loop) - now_ns) / 1000u;
		read_answer(ground, question, answer.body, ret_reading);
	} else {
		snprintf(ret_reading->why, sizeof(ret_reading->why), "%s", answer.detail);
	}
	if (*ground->gone)
		return false;
	if (ret_reading->answered && ret_reading->text.len &&
	    sl_embed_run(ground, ret_reading->text,
			 sl_loop_now_ns(ground->loop) + EMBED_MS * SL_NS_PER_MS,
			 &ret_reading->embedding))
		ret_reading->embedding.vector = NULL;
	return !*ground->gone;
}
