/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/check_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/upstream/identity.h"
#include "user/upstream/provider.h"
#include "user/wire/json_scan.h"

#define ROOM_BYTES \
	(SL_PROVIDER_TARGET_BYTES + SL_PROVIDER_LINES_BYTES + 6u * SL_CONFIG_MODEL_MAX + 512u)
#define BODY_BYTES (6u * SL_CONFIG_MODEL_MAX + 128u)

struct shape {
	const char *path;
	const char *members; /* behind the model's name */
	const char *answer;  /* the array that an answer must have */
};

static const struct shape shapes[] = {
	[SL_CONFIG_GENERATE_CHAT] = {"/v1/chat/completions",
				     "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
				     "\"max_tokens\":1",
				     "choices"},
	[SL_CONFIG_GENERATE_COMPLETIONS] = {"/v1/completions", "\"prompt\":\"a\",\"max_tokens\":1",
					    "choices"},
	[SL_CONFIG_GENERATE_EMBEDDINGS] = {"/v1/embeddings", "\"input\":\"a\"", "data"},
};

static const struct shape of_messages = {
	"/v1/messages",
	"\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1",
	"content",
};

static const struct shape *shape_of(const struct sl_check_ask *ask)
{
	if (ask->pool->api == SL_CONFIG_API_ANTHROPIC)
		return &of_messages;
	return &shapes[ask->config->generate_as];
}

int sl_check_ask_write(const struct sl_check_ask *ask, const char *host, char *room,
		       size_t room_len, size_t *ret_head_len, size_t *ret_body_len)
{
	const struct shape *shape = shape_of(ask);
	const struct sl_span version = sl_provider_version(ask->pool);
	bool generate = ask->question == SL_CHECK_GENERATE;
	char body[BODY_BYTES], framing[96] = "", target_room[SL_PROVIDER_TARGET_BYTES];
	struct sl_span target;
	const char *path = generate				 ? shape->path
			   : ask->question == SL_CHECK_MODELS	 ? "/v1/models"
			   : ask->question == SL_CHECK_READINESS ? ask->config->ready_path
								 : ask->config->live_path;
	int body_len = 0, head_len;

	if (generate) {
		body_len = snprintf(body, sizeof(body), "{\"model\":%.*s,%s}",
				    (int)ask->model_json_len, ask->model_json, shape->members);
		if (body_len < 0 || (size_t)body_len >= sizeof(body))
			return -ENOSPC;
		snprintf(framing, sizeof(framing),
			 "content-type: application/json\r\ncontent-length: %d\r\n", body_len);
	}
	target = sl_provider_target(ask->pool, sl_span_string(path), target_room);
	head_len = snprintf(room, room_len,
			    "%s %.*s HTTP/1.1\r\nhost: %s\r\nuser-agent: sluiced-health\r\n"
			    "accept: */*\r\n%s%.*s%s\r\n",
			    generate ? "POST" : "GET", (int)target.len, target.data, host,
			    ask->pool->key_line ? ask->pool->key_line : "", (int)version.len,
			    version.data, framing);
	if (head_len < 0 || (size_t)head_len + (size_t)body_len >= room_len)
		return -ENOSPC;
	memcpy(room + head_len, body, (size_t)body_len);
	*ret_head_len = (size_t)head_len;
	*ret_body_len = (size_t)body_len;
	return 0;
}

/* A whole answer of the model: one token that nobody sees (a thought) is one too. */
static enum sl_ending accept_answer(void *owner, const char *body, size_t body_len,
				    const char **ret_detail)
{
	const struct sl_check_ask *ask = owner;
	const char *name = shape_of(ask)->answer, *cursor = NULL;
	struct sl_json_field array = {.name = name, .name_len = (uint8_t)strlen(name)};
	struct sl_json_field first;

	if (!sl_json_scan(body, body_len, &array, 1) && array.type == SL_JSON_ARRAY &&
	    sl_json_each(&array, &cursor, &first))
		return SL_ENDING_OK;
	*ret_detail = "the answer holds no token";
	return SL_ENDING_BAD;
}

/* Whose list it is. */
struct listing {
	const struct sl_check_ask *ask;
	const struct sl_attempt *attempt;
};

static struct sl_span asked_of(const struct sl_check_ask *ask)
{
	return sl_span_make(ask->model_json + 1, ask->model_json_len - 2);
}

/* The model that was asked for stands for a list that has it, else the first of the list. */
static enum sl_ending accept_models(void *owner, const char *body, size_t body_len,
				    const char **ret_detail)
{
	const struct listing *listing = owner;
	const struct sl_check_ask *ask = listing->ask;
	struct sl_json_field data = SL_JSON_FIELD("data"), id = SL_JSON_FIELD("id"), model;
	struct sl_identity_said said = {.asked = asked_of(ask), .listed = true};
	struct sl_span first = SL_SPAN("");
	const char *cursor = NULL;
	bool found = false;

	*ret_detail = "the answer is no list of models";
	if (sl_json_scan(body, body_len, &data, 1) || data.type != SL_JSON_ARRAY)
		return SL_ENDING_BAD;
	while (!found && sl_json_each(&data, &cursor, &model)) {
		if (model.type != SL_JSON_OBJECT ||
		    sl_json_scan(model.value, model.value_len, &id, 1) ||
		    id.type != SL_JSON_STRING || id.value_len <= 2)
			continue;
		said.model = sl_span_make(id.value, id.value_len);
		found = sl_identity_is_expected(ask->pool, &said);
		if (!first.len)
			first = said.model;
	}
	if (!found)
		said.model = first;
	if (said.model.len)
		sl_identity_note(listing->attempt->up->state.retries->identities, ask->pool,
				 listing->attempt->node, &said);
	*ret_detail = NULL;
	return SL_ENDING_OK;
}

static enum sl_check_reply judge_get(const struct sl_check_ask *ask, int status)
{
	if (ask->question == SL_CHECK_READINESS)
		return status >= 200 && status < 300 ? SL_CHECK_GOOD : SL_CHECK_NOT_READY;
	if (status == 503)
		return SL_CHECK_NOT_READY;
	return status >= 500 ? SL_CHECK_FAILED : SL_CHECK_GOOD;
}

static enum sl_check_reply judge_generate(const struct sl_attempt *attempt, enum sl_ending ending)
{
	switch (ending) {
	case SL_ENDING_OK:
		return SL_CHECK_GOOD;
	case SL_ENDING_BUSY:
	case SL_ENDING_STATUS_RETRY:
	case SL_ENDING_STATUS_4XX:
		return SL_CHECK_UNCLEAR;
	default:
		break;
	}
	/* Too slow because others are served: that is load. */
	if (sl_outcome_is_overload(ending, attempt->sent_ns,
				   sl_upstream_alive_ns(attempt->up, attempt->node)))
		return SL_CHECK_UNCLEAR;
	return SL_CHECK_FAILED;
}

enum sl_check_reply sl_check_ask(struct sl_attempt *attempt, const struct sl_upstream_grant *grant,
				 const struct sl_check_ask *ask)
{
	bool generate = ask->question == SL_CHECK_GENERATE;
	bool models = ask->question == SL_CHECK_MODELS;
	struct listing listing = {ask, attempt};
	uint64_t until_ns = sl_loop_now_ns(attempt->up->loop) + ask->timeout_ms * SL_NS_PER_MS;
	char room[ROOM_BYTES];
	struct sl_attempt_plan plan = {
		.head = room,
		.check = true,
		.json_answer = generate || models,
		.pool = ask->pool,
		.asked = generate ? asked_of(ask) : SL_SPAN(""),
		.accept = generate ? accept_answer
			  : models ? accept_models
				   : NULL,
		.owner = models ? (void *)&listing : (void *)ask,
		.connect_ms = (uint32_t)ask->timeout_ms,
		.answer_ns = until_ns,
		.deadline_ns = until_ns,
		.gone = ask->gone,
	};
	bool connect_only =
		ask->question == SL_CHECK_LIVE && ask->config->live == SL_CONFIG_LIVE_TCP;
	enum sl_ending ending;

	if (!connect_only && sl_check_ask_write(ask, sl_upstream_host(grant->node), room,
						sizeof(room), &plan.head_len, &plan.body_len))
		return SL_CHECK_UNCLEAR;
	plan.body = room + plan.head_len;
	ending = sl_attempt_run(attempt, grant, &plan);
	if (ending == SL_ENDING_CLIENT_GONE || ending == SL_ENDING_LOCAL)
		return SL_CHECK_UNCLEAR; /* ours, not the node's */
	if (generate)
		return judge_generate(attempt, ending);
	if (models)
		return ending == SL_ENDING_OK ? SL_CHECK_GOOD : SL_CHECK_UNCLEAR;
	if (connect_only)
		return ending == SL_ENDING_OK ? SL_CHECK_GOOD : SL_CHECK_FAILED;
	return attempt->status && attempt->complete ? judge_get(ask, attempt->status)
						    : SL_CHECK_FAILED;
}
