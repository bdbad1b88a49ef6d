/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/translate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_BYTES_MAX 512u /* of x-api-key; a longer one is not passed on */

void sl_translate_init(struct sl_request *request)
{
	sl_text_init(&request->chat, SL_TRANSLATE_BYTES_MAX);
	sl_text_init(&request->message, SL_TRANSLATE_BYTES_MAX);
	sl_text_init(&request->echo, SL_TRANSLATE_BYTES_MAX);
}

void sl_translate_fini(struct sl_request *request)
{
	sl_text_fini(&request->chat);
	sl_text_fini(&request->message);
	sl_text_fini(&request->echo);
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
	const struct sl_server_conn *client = request->client;
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
	if (id)
		return id;
	return sl_openai_request_read(SL_OPENAI_CHAT, request->chat.data, request->chat.len,
				      &request->facts, &request->error);
}

void sl_translate_write_key(const struct sl_request *request, struct sl_h1_out *out)
{
	const struct sl_h1_head *head = request->client->head;
	const struct sl_h1_header *key = sl_h1_head_find(head, SL_H1_ID_X_API_KEY);
	char value[KEY_BYTES_MAX + 8];
	int len;

	if (!request->dialect->anthropic_fields || request->admission.key) /* it was one of ours */
		return;
	if (!key || key->value_len > KEY_BYTES_MAX || sl_h1_head_find(head, SL_H1_ID_AUTHORIZATION))
		return;
	len = snprintf(value, sizeof(value), "Bearer %.*s", (int)key->value_len, key->value);
	SL_H1_WRITE_HEADER(out, "authorization", value, (size_t)len);
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

void sl_translate_plan(struct sl_request *request, struct sl_attempt_plan *plan)
{
	plan->accept = accept_answer;
	plan->owner = request;
	plan->dropped_fields = SL_H1_ID_BIT(SL_H1_ID_CONTENT_TYPE); /* of bodies no longer sent */
}

int sl_translate_fault(struct sl_request *request)
{
	const struct sl_attempt *attempt = &request->attempt;

	sl_text_reset(&request->message);
	return request->dialect->fault(attempt->status, sl_text_string(&attempt->body),
				       attempt->body.len, request->id, &request->message);
}
