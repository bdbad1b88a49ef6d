/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/feedback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/policy/pii.h"
#include "user/request/gate.h"
#include "user/request/request.h"
#include "user/stage/stage.h"
#include "user/store/ratings.h"
#include "user/wire/feedback.h"

/* One call, from its body to its answer. */
struct feedback {
	struct sl_client_owner owner; /* first */
	struct sl_worker *worker;
	struct sl_ratings *ratings;
	struct sl_exchange *client; /* NULL once gone */
	struct sl_admission admission;
	struct sl_feedback_said said;
	char id[SL_REQUEST_ID_MAX + 1]; /* of this call */
};

static void end(struct feedback *feedback)
{
	sl_admit_end(&feedback->admission, sl_loop_now_ns(feedback->worker->loop));
	free(feedback);
}

static void refuse(struct feedback *feedback, const struct sl_openai_error *error,
		   enum sl_ratings_refusal why)
{
	sl_ratings_refused(feedback->ratings, why);
	feedback->client->user = NULL;
	sl_request_respond_error(feedback->client, error, feedback->id, false);
	end(feedback);
}

/* ---- who may, and what is kept ---------------------------------------------------------------- */

static const char *tenant_of(const struct sl_keyring *ring, const char *key_id)
{
	for (uint32_t i = 0; ring->file && i < ring->file->count; i++) {
		if (!strcmp(ring->file->records[i].id, key_id))
			return ring->file->records[i].tenant;
	}
	return NULL; /* the key is gone */
}

static bool is_own(const struct feedback *feedback, const struct sl_rated *rated)
{
	const struct sl_key_record *key = feedback->admission.key;
	const char *tenant;

	if (!key || !strcmp(key->id, rated->key_id))
		return true;
	tenant = tenant_of(feedback->admission.ring, rated->key_id);
	return tenant && tenant[0] && !strcmp(tenant, key->tenant);
}

/* What a person wrote about an answer may hold what the answer held: kinds stand in its place. */
static void screen(const char *comment, char *out, size_t size)
{
	size_t len = strlen(comment), at = 0;
	struct sl_pii_memo memo = {0};
	struct sl_pii_match match;
	struct sl_text text;

	sl_text_init_fixed(&text, out, size);
	while (at < len && sl_pii_find_next(comment, len, at, SL_PII_ALL, &memo, &match)) {
		sl_text_append(&text, comment + at, match.at - at);
		sl_text_printf(&text, "[%s]", sl_pii_name((enum sl_pii_kind)match.kind));
		at = match.at + match.len;
	}
	sl_text_append(&text, comment + at, len - at);
	if (text.error) /* the kinds are longer than what they stand for: nothing is better than a part */
		out[0] = '\0';
}

static void fill(const struct feedback *feedback, const struct sl_rated *rated,
		 struct sl_rating *rating)
{
	const struct sl_key_record *key = feedback->admission.key;

	memset(rating, 0, sizeof(*rating));
	rating->of = *rated;
	rating->wall_ms = sl_clock_wall_ms();
	rating->has_score = feedback->said.has_score;
	rating->score = feedback->said.score;
	memcpy(rating->label, feedback->said.label, sizeof(rating->label));
	if (key)
		memcpy(rating->key_id, key->id, sizeof(rating->key_id));
	if (sl_ratings_keep_comments(feedback->ratings))
		screen(feedback->said.comment, rating->comment, sizeof(rating->comment));
}

/* ---- answering ------------------------------------------------------------------------------- */

static void take(struct feedback *feedback, const struct sl_rated *rated)
{
	static const struct sl_openai_error full = {.id = SL_OPENAI_ERROR_OVERLOADED,
						    .object = "feedback"};
	struct sl_exchange *client = feedback->client;
	char lines[2 * SL_REQUEST_ID_MAX + 96];
	struct sl_rating rating;
	struct sl_h1_out out;
	struct sl_text body;

	fill(feedback, rated, &rating);
	if (sl_ratings_put(feedback->ratings, &rating)) {
		refuse(feedback, &full, SL_RATINGS_FULL);
		return;
	}
	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_request_write_id(&out, client->head, feedback->id);
	sl_text_init(&body, 1024);
	sl_text_append_string(&body, "{\"object\":\"feedback\",\"request_id\":");
	sl_text_append_json_string(&body, rated->id);
	if (rating.has_score)
		sl_text_printf(&body, ",\"score\":%s%d.%03d", rating.score < 0 ? "-" : "",
			       abs(rating.score) / SL_FEEDBACK_ONE,
			       abs(rating.score) % SL_FEEDBACK_ONE);
	sl_text_append_char(&body, '}');
	client->user = NULL;
	sl_server_respond(client, 200, "application/json", lines, (size_t)(out.at - lines),
			  sl_text_string(&body), body.len);
	sl_text_fini(&body);
	end(feedback);
}

static bool find(const struct feedback *feedback, struct sl_rated *ret_rated)
{
	return sl_ratings_find(feedback->ratings, feedback->said.request_id, ret_rated) &&
	       is_own(feedback, ret_rated);
}

static void refuse_unknown(struct feedback *feedback)
{
	const struct sl_openai_error unknown = {.id = SL_OPENAI_ERROR_RATED,
						.param = "request_id",
						.object = feedback->said.request_id};

	refuse(feedback, &unknown, SL_RATINGS_UNKNOWN);
}

/* On a fiber: the answer may just have ended, on whatever thread. */
static void look_again(void *argument)
{
	struct feedback *feedback = argument;
	struct sl_worker *worker = feedback->worker;
	uint32_t waited_ms = 0;
	struct sl_rated rated;
	bool found = false;

	while (!found && feedback->client && waited_ms < SL_FEEDBACK_WAIT_MS && !worker->draining) {
		sl_fiber_sleep(worker->loop, SL_FEEDBACK_LOOK_MS);
		waited_ms += SL_FEEDBACK_LOOK_MS;
		found = find(feedback, &rated);
	}
	worker->jobs--;
	worker->feedbacks--;
	if (!feedback->client)
		end(feedback);
	else if (found)
		take(feedback, &rated);
	else
		refuse_unknown(feedback);
}

static void on_gone(struct sl_client_owner *owner)
{
	((struct feedback *)owner)->client = NULL;
}

static void run(struct feedback *feedback)
{
	static const struct sl_openai_error rate = {.id = SL_OPENAI_ERROR_RATE,
						    .object = "ratings in a minute"};
	struct sl_worker *worker = feedback->worker;
	const struct sl_key_record *key = feedback->admission.key;
	struct sl_openai_error error;
	struct sl_rated rated;

	if (sl_feedback_read(feedback->client->body, feedback->client->body_len, &feedback->said,
			     &error)) {
		refuse(feedback, &error, SL_RATINGS_BAD);
		return;
	}
	if (!sl_ratings_may(feedback->ratings, key ? key->id : "", sl_clock_ms())) {
		refuse(feedback, &rate, SL_RATINGS_RATE);
		return;
	}
	if (find(feedback, &rated)) {
		take(feedback, &rated);
		return;
	}
	worker->jobs++;
	worker->feedbacks++;
	if (worker->feedbacks <= SL_FEEDBACK_WAITS_MAX &&
	    !sl_fiber_start(worker->loop, look_again, feedback))
		return;
	worker->jobs--;
	worker->feedbacks--;
	refuse_unknown(feedback);
}

void sl_feedback_answer(struct sl_worker *worker, struct sl_exchange *client)
{
	static const struct sl_openai_error no_memory = {.id = SL_OPENAI_ERROR_INTERNAL,
							 .object = "out of memory"};
	static const struct sl_openai_error off = {
		.id = SL_OPENAI_ERROR_PATH, .object = "POST", .detail = "/v1/feedback"};
	struct sl_ratings *ratings = worker->stores ? worker->stores->ratings : NULL;
	struct feedback *feedback;
	char id[SL_REQUEST_ID_MAX + 1];
	struct sl_admission admission;

	sl_request_id_of(worker, client, id);
	if (sl_gate_admit(worker, client, id, &admission))
		return;
	feedback = sl_ratings_are_on(ratings) ? calloc(1, sizeof(*feedback)) : NULL;
	if (!feedback) {
		sl_admit_end(&admission, sl_loop_now_ns(worker->loop));
		sl_request_respond_error(client, sl_ratings_are_on(ratings) ? &no_memory : &off, id,
					 false);
		return;
	}
	feedback->owner.gone = on_gone;
	feedback->worker = worker;
	feedback->ratings = ratings;
	feedback->client = client;
	feedback->admission = admission;
	memcpy(feedback->id, id, sizeof(id));
	client->user = feedback;
	run(feedback);
}
