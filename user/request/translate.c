/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/translate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/upstream/provider.h"
#include "user/wire/messages.h"

#define KEY_BYTES_MAX 512u /* of x-api-key; a longer one is not passed on */

void sl_translate_init(struct sl_request *request)
{
	sl_text_init(&request->chat, SL_TRANSLATE_BYTES_MAX);
	sl_text_init(&request->message, SL_TRANSLATE_BYTES_MAX);
	sl_text_init(&request->echo, SL_TRANSLATE_BYTES_MAX);
	sl_text_init(&request->native, SL_TRANSLATE_BYTES_MAX);
}

void sl_translate_fini(struct sl_request *request)
{
	sl_text_fini(&request->chat);
	sl_text_fini(&request->message);
	sl_text_fini(&request->echo);
	sl_text_fini(&request->native);
}

/* The first version streamed in another format; who types a request by hand may leave it out. */
static bool version_is_right(const struct sl_h1_head *head)
{
	static const char name[] = "anthropic-version", first[] = "2023-01-01";
	const struct sl_h1_header *given = sl_h1_head_find_name(head, name, sizeof(name) - 1);

	return !given || given->value_len != sizeof(first) - 1 ||
	       memcmp(given->value, first, sizeof(first) - 1) != 0;
}

enum sl_openai_error_id sl_translate_read(struct sl_request *request)
{
	const struct sl_exchange *client = request->client;
	enum sl_openai_error_id id;

	if (request->dialect->anthropic_fields && !version_is_right(client->head)) {
		request->error = (struct sl_openai_error){
			.id = SL_OPENAI_ERROR_VALUE,
			.param = "anthropic-version",
			.object = "2023-06-01 or a later version",
		};
		return SL_OPENAI_ERROR_VALUE;
	}
	id = request->dialect->request(client->body, client->body_len, &request->chat,
				       &request->echo, request->param, &request->error);
	if (id == SL_OPENAI_ERROR_UNTRANSLATED && request->may_direct) {
		request->untold = request->error; /* nodes of its own API may still take it */
		sl_text_fini(&request->chat);
		return sl_openai_request_read(SL_OPENAI_CHAT, client->body, client->body_len,
					      &request->facts, &request->error);
	}
	if (id)
		return id;
	return sl_openai_request_read(SL_OPENAI_CHAT, request->chat.data, request->chat.len,
				      &request->facts, &request->error);
}

/* "Bearer KEY" of the client, for nodes that want x-api-key. */
static uint64_t write_bare_key(const struct sl_h1_head *head, struct sl_h1_out *out)
{
	static const char scheme[] = "Bearer ";
	const size_t scheme_len = sizeof(scheme) - 1;
	const struct sl_h1_header *given = sl_h1_head_find(head, SL_H1_ID_AUTHORIZATION);

	if (!given || sl_h1_head_find(head, SL_H1_ID_X_API_KEY) || given->value_len <= scheme_len ||
	    !sl_h1_text_equal(given->value, scheme, scheme_len))
		return 0;
	SL_H1_WRITE_HEADER(out, "x-api-key", given->value + scheme_len,
			   given->value_len - scheme_len);
	return SL_H1_ID_BIT(SL_H1_ID_AUTHORIZATION);
}

uint64_t sl_translate_write_key(const struct sl_request *request,
				const struct sl_upstream_pool *pool, struct sl_h1_out *out)
{
	const struct sl_h1_head *head = request->client->head;
	const struct sl_h1_header *key = sl_h1_head_find(head, SL_H1_ID_X_API_KEY);
	char value[KEY_BYTES_MAX + 8];
	int len;

	if (request->admission.key || request->direct) /* it was one of ours; it is in its field */
		return 0;
	if (pool->api == SL_CONFIG_API_ANTHROPIC)
		return write_bare_key(head, out);
	if (!request->dialect || !request->dialect->anthropic_fields)
		return 0;
	if (key && key->value_len <= KEY_BYTES_MAX &&
	    !sl_h1_head_find(head, SL_H1_ID_AUTHORIZATION)) {
		len = snprintf(value, sizeof(value), "Bearer %.*s", (int)key->value_len,
			       key->value);
		SL_H1_WRITE_HEADER(out, "authorization", value, (size_t)len);
	}
	return SL_H1_ID_BIT(SL_H1_ID_X_API_KEY);
}

/* ---- nodes of another API -------------------------------------------------------------------- */

enum sl_openai_error_id sl_translate_native(struct sl_request *request,
					    const struct sl_upstream_pool *pool,
					    struct sl_openai_error *ret_error)
{
	const struct sl_messages_terms terms = {pool->model_json, pool->model_json_len,
						pool->max_tokens};
	enum sl_openai_error_id id;

	if (request->native_of == pool)
		return SL_OPENAI_OK;
	sl_translate_forget(request);
	id = sl_messages_request_write(&request->facts, &terms, &request->native, request->param,
				       ret_error);
	if (!id)
		request->native_of = pool;
	return id;
}

void sl_translate_forget(struct sl_request *request)
{
	request->native_of = NULL;
	sl_text_reset(&request->native);
}

/* The client's own body, or that for the rest, with the pool's name of the model. */
static int write_direct(struct sl_request *request, const struct sl_upstream_pool *pool,
			struct sl_attempt_plan *plan)
{
	enum { PIECES = 4 }; /* of one edit */
	struct sl_span body =
		request->rest.data ? request->rest
				   : sl_span_make(request->client->body, request->client->body_len);
	struct sl_json_field model = SL_JSON_FIELD("model");
	struct sl_json_piece pieces[PIECES];
	struct sl_json_edit edit;
	int i, count;

	plan->body = body.data;
	plan->body_len = body.len;
	if (!pool->model_json)
		return 0;
	if (request->native_of == pool) { /* of an attempt before */
		plan->body = request->native.data;
		plan->body_len = request->native.len;
		return 0;
	}
	if (sl_json_scan(body.data, body.len, &model, 1))
		return -EINVAL;
	sl_translate_forget(request);
	edit = sl_json_edit_replace(body.data, &model, pool->model_json, pool->model_json_len);
	count = sl_json_edit_pieces(body.data, body.len, &edit, 1, pieces, PIECES);
	for (i = 0; i < count; i++)
		sl_text_append(&request->native, pieces[i].data, pieces[i].len);
	if (count < 0 || request->native.error)
		return count < 0 ? count : request->native.error;
	request->native_of = pool;
	plan->body = request->native.data;
	plan->body_len = request->native.len;
	return 0;
}

int sl_translate_body(struct sl_request *request, const struct sl_upstream_pool *pool,
		      struct sl_attempt_plan *plan)
{
	struct sl_openai_error error;

	if (request->direct)
		return write_direct(request, pool, plan);
	if (sl_translate_native(request, pool, &error))
		return -EINVAL;
	plan->body = request->native.data;
	plan->body_len = request->native.len;
	return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum sl_ending accept_answer(void *owner, const char *body, size_t body_len,
				    const char **ret_detail)
{
	struct sl_request *request = owner;
	const struct sl_dialect_names names = {request->id, request->route->model, &request->echo};
	int rc;

	sl_text_reset(&request->message);
	rc = request->dialect->answer(&names, body, body_len, &request->message);
	switch (rc) {
	case 0:
		return SL_ENDING_OK;
	case -EINVAL:
		*ret_detail = "the answer is not a chat completion";
		return SL_ENDING_BAD;
	case -EBADMSG:
		/* The model's slip and not the node's: neutral, and another try may do better. */
		*ret_detail = "the arguments of a tool call are not a JSON object";
		return SL_ENDING_STATUS_RETRY;
	default:
		*ret_detail = "no memory to translate the answer";
		return SL_ENDING_LOCAL;
	}
}

void sl_translate_plan(struct sl_request *request, const struct sl_upstream_pool *pool,
		       struct sl_attempt_plan *plan)
{
	bool anthropic = pool->api == SL_CONFIG_API_ANTHROPIC;

	request->direct = anthropic && request->may_direct;
	plan->dropped_fields = sl_provider_dropped_fields(pool);
	if (request->direct && !request->resumes) {
		plan->answer = SL_ATTEMPT_DIRECT;
	} else if (anthropic) {
		plan->answer = SL_ATTEMPT_DECODED;
		plan->names = (struct sl_messages_names){
			.created_s = (int64_t)(sl_clock_wall_ms() / 1000),
			.include_usage = request->facts.include_usage || request->direct,
		};
	}
	if (!request->dialect || request->direct)
		return;
	plan->accept = accept_answer;
	plan->owner = request;
	plan->dropped_fields |= SL_H1_ID_BIT(SL_H1_ID_CONTENT_TYPE); /* of bodies no longer sent */
}

int sl_translate_answer(struct sl_request *request, struct sl_span chat)
{
	const char *detail;

	return accept_answer(request, chat.data, chat.len, &detail) == SL_ENDING_OK ? 0 : -EINVAL;
}

int sl_translate_fault(struct sl_request *request)
{
	const struct sl_attempt *attempt = &request->attempt;

	sl_text_reset(&request->message);
	return request->dialect->fault(attempt->status, sl_text_string(&attempt->body),
				       attempt->body.len, request->id, &request->message);
}
