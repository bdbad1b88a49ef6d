/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a whole chat completion to a response, and what streams share with it. Pure but for
 * sl_text; any thread. Declared in responses.h and responses_parts.h.
 */
#include "user/wire/responses.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/wire/responses_parts.h"

/* ---- shared with streams --------------------------------------------------------------------- */

void sl_responses_hex_of(const char *request_id, char out[SL_RESPONSES_HEX_BYTES])
{
	bool ours = strncmp(request_id, "req_", 4) == 0;

	snprintf(out, SL_RESPONSES_HEX_BYTES, "%.64s", request_id + (ours ? 4 : 0));
}

void sl_responses_put_item_id(struct sl_text *out, const char *hex, enum sl_responses_item kind,
			      uint32_t index)
{
	sl_text_append_string(out, kind == SL_RESPONSES_ITEM_CALL ? "fc_" : "msg_");
	sl_text_append_string(out, hex);
	sl_text_append_char(out, '_');
	sl_text_append_u64(out, index);
}

void sl_responses_put_part(struct sl_text *out, enum sl_responses_item kind, struct sl_span inside)
{
	if (kind == SL_RESPONSES_ITEM_REFUSAL)
		sl_text_append_string(out, "{\"type\":\"refusal\",\"refusal\":\"");
	else
		sl_text_append_string(out, "{\"type\":\"output_text\",\"annotations\":[],"
					   "\"logprobs\":[],\"text\":\"");
	sl_text_append_span(out, inside);
	sl_text_append_string(out, "\"}");
}

void sl_responses_put_item(struct sl_text *out, const char *hex, enum sl_responses_item kind,
			   uint32_t index, struct sl_span call, struct sl_span inside,
			   const char *status)
{
	sl_text_append_string(out, "{\"id\":\"");
	sl_responses_put_item_id(out, hex, kind, index);
	sl_text_append_string(out, kind == SL_RESPONSES_ITEM_CALL
					   ? "\",\"type\":\"function_call\",\"status\":\""
					   : "\",\"type\":\"message\",\"status\":\"");
	sl_text_append_string(out, status);
	if (kind == SL_RESPONSES_ITEM_CALL) {
		sl_text_append_string(out, "\",");
		sl_text_append_span(out, call);
		sl_text_append_string(out, ",\"arguments\":\"");
		sl_text_append_span(out, inside);
		sl_text_append_string(out, "\"}");
		return;
	}
	sl_text_append_string(out, "\",\"role\":\"assistant\",\"content\":[");
	if (strcmp(status, "in_progress") != 0)
		sl_responses_put_part(out, kind, inside);
	sl_text_append_string(out, "]}");
}

void sl_responses_put_call(struct sl_text *out, const char *hex, const struct sl_json_field *id,
			   const struct sl_json_field *name, uint32_t index)
{
	sl_text_append_string(out, "\"call_id\":");
	if (sl_chat_filled(id))
		sl_chat_put_raw(out, id);
	else
		sl_text_printf(out, "\"call_%s_%u\"", hex, index);
	sl_text_append_string(out, ",\"name\":");
	sl_chat_put_raw(out, name);
}

enum sl_responses_finish sl_responses_finish_read(const struct sl_json_field *reason)
{
	if (sl_json_string_equal(reason, "length", 6))
		return SL_RESPONSES_FINISH_LENGTH;
	if (sl_json_string_equal(reason, "content_filter", 14))
		return SL_RESPONSES_FINISH_FILTER;
	return SL_RESPONSES_FINISH_WHOLE;
}

const char *sl_responses_status_of(enum sl_responses_finish finish)
{
	return finish == SL_RESPONSES_FINISH_WHOLE ? "completed" : "incomplete";
}

void sl_responses_usage_read(const char *body, size_t body_len, struct sl_responses_usage *usage)
{
	struct sl_json_field details = SL_JSON_FIELD_IN("usage", "completion_tokens_details");
	struct sl_json_field reasoning = SL_JSON_FIELD("reasoning_tokens");
	int64_t tokens;

	if (sl_openai_usage_read(body, body_len, &usage->chat))
		return;
	usage->given = true;
	usage->reasoning_tokens = -1;
	if (sl_json_scan(body, body_len, &details, 1) || details.type != SL_JSON_OBJECT ||
	    sl_json_scan(details.value, details.value_len, &reasoning, 1))
		return;
	if (!sl_json_int(&reasoning, &tokens) && tokens >= 0)
		usage->reasoning_tokens = tokens;
}

static int64_t at_least_0(int64_t value)
{
	return value < 0 ? 0 : value;
}

static void put_usage(struct sl_text *out, const struct sl_responses_usage *usage)
{
	int64_t input = at_least_0(usage->chat.prompt_tokens);
	int64_t output = at_least_0(usage->chat.completion_tokens);

	sl_text_append_string(out, "{\"input_tokens\":");
	sl_text_append_i64(out, input);
	sl_text_append_string(out, ",\"input_tokens_details\":{\"cached_tokens\":");
	sl_text_append_i64(out, at_least_0(usage->chat.cached_tokens));
	sl_text_append_string(out, "},\"output_tokens\":");
	sl_text_append_i64(out, output);
	sl_text_append_string(out, ",\"output_tokens_details\":{\"reasoning_tokens\":");
	sl_text_append_i64(out, at_least_0(usage->reasoning_tokens));
	sl_text_append_string(out, "},\"total_tokens\":");
	sl_text_append_i64(out, usage->chat.total_tokens < 0 ? input + output
							     : usage->chat.total_tokens);
	sl_text_append_char(out, '}');
}

void sl_responses_view_put(struct sl_text *out, const struct sl_responses_view *view)
{
	static const char *const reasons[] = {
		[SL_RESPONSES_FINISH_WHOLE] = "null",
		[SL_RESPONSES_FINISH_LENGTH] = "{\"reason\":\"max_output_tokens\"}",
		[SL_RESPONSES_FINISH_FILTER] = "{\"reason\":\"content_filter\"}",
	};

	sl_text_append_string(out, "{\"id\":\"resp_");
	sl_text_append_string(out, view->hex);
	sl_text_append_string(out, "\",\"object\":\"response\",\"created_at\":");
	sl_text_append_i64(out, view->created_s);
	sl_text_append_string(out, ",\"status\":\"");
	sl_text_append_string(out, view->status);
	sl_text_append_string(out, "\",\"background\":false,\"store\":false,"
				   "\"previous_response_id\":null,\"service_tier\":\"default\","
				   "\"truncation\":\"disabled\",\"top_logprobs\":0,"
				   "\"max_tool_calls\":null,\"model\":");
	sl_text_append_span(out, view->model.len ? view->model : SL_SPAN("\"\""));
	sl_text_append_span(out, view->echo);
	sl_text_append_string(out, ",\"error\":");
	sl_text_append_span(out, view->error.len ? view->error : SL_SPAN("null"));
	sl_text_append_string(out, ",\"incomplete_details\":");
	sl_text_append_string(out, reasons[view->finish]);
	sl_text_append_string(out, ",\"output\":[");
	sl_text_append_span(out, view->output);
	sl_text_append_string(out, "],\"usage\":");
	if (view->usage && view->usage->given)
		put_usage(out, view->usage);
	else
		sl_text_append_string(out, "null");
	sl_text_append_char(out, '}');
}

/* ---- the answer ------------------------------------------------------------------------------ */

enum top_field { CHOICES, MODEL, CREATED, TOP_FIELDS };
enum message_field { CONTENT, REFUSAL, TOOL_CALLS, MESSAGE_FIELDS };
enum call_field { CALL_ID, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };

struct answer {
	struct sl_text output;
	struct sl_text scratch; /* of one call */
	const char *hex;
	const char *status; /* of the last item; those before it are complete */
	uint32_t items;
	uint32_t item_count;
};

static const char *status_of_next(const struct answer *a)
{
	return a->items + 1 == a->item_count ? a->status : "completed";
}

static void put_text(struct answer *a, enum sl_responses_item kind,
		     const struct sl_json_field *text)
{
	if (!sl_chat_filled(text))
		return;
	if (a->items)
		sl_text_append_char(&a->output, ',');
	sl_responses_put_item(&a->output, a->hex, kind, a->items, SL_SPAN(""),
			      sl_span_make(text->value + 1, text->value_len - 2),
			      status_of_next(a));
	a->items++;
}

/* Arguments are text, here as there; some servers send the object itself. */
static int put_call(struct answer *a, const struct sl_json_field *call)
{
	struct sl_json_field f[CALL_FIELDS] = {
		[CALL_ID] = SL_JSON_FIELD("id"),
		[CALL_FUNCTION] = SL_JSON_FIELD("function"),
		[CALL_NAME] = SL_JSON_FIELD_IN("function", "name"),
		[CALL_ARGUMENTS] = SL_JSON_FIELD_IN("function", "arguments"),
	};
	const struct sl_json_field *arguments = &f[CALL_ARGUMENTS];
	size_t names_len;

	if (call->type != SL_JSON_OBJECT ||
	    sl_json_scan(call->value, call->value_len, f, CALL_FIELDS) ||
	    !sl_chat_filled(&f[CALL_NAME]))
		return -EINVAL;
	sl_text_reset(&a->scratch);
	sl_responses_put_call(&a->scratch, a->hex, &f[CALL_ID], &f[CALL_NAME], a->items);
	names_len = a->scratch.len;
	if (arguments->type == SL_JSON_STRING)
		sl_chat_put_inside(&a->scratch, arguments);
	else if (arguments->type == SL_JSON_OBJECT)
		sl_text_append_json(&a->scratch, arguments->value, arguments->value_len);
	else if (sl_chat_given(arguments))
		return -EINVAL;
	if (a->scratch.error)
		return -ENOMEM;
	if (a->items)
		sl_text_append_char(&a->output, ',');
	sl_responses_put_item(&a->output, a->hex, SL_RESPONSES_ITEM_CALL, a->items,
			      sl_span_make(a->scratch.data, names_len),
			      sl_span_make(a->scratch.data + names_len, a->scratch.len - names_len),
			      status_of_next(a));
	a->items++;
	return 0;
}

static int put_output(struct answer *a, const struct sl_json_field *message)
{
	struct sl_json_field f[MESSAGE_FIELDS] = {
		[CONTENT] = SL_JSON_FIELD("content"),
		[REFUSAL] = SL_JSON_FIELD("refusal"),
		[TOOL_CALLS] = SL_JSON_FIELD("tool_calls"),
	};
	struct sl_json_field call;
	const char *cursor = NULL;
	int rc = 0;

	if (message->type != SL_JSON_OBJECT ||
	    sl_json_scan(message->value, message->value_len, f, MESSAGE_FIELDS) ||
	    (sl_chat_given(&f[CONTENT]) && f[CONTENT].type != SL_JSON_STRING))
		return -EINVAL;
	a->item_count = (uint32_t)sl_chat_filled(&f[CONTENT]) + sl_chat_filled(&f[REFUSAL]);
	while (sl_json_each(&f[TOOL_CALLS], &cursor, &call))
		a->item_count++;
	cursor = NULL;
	put_text(a, SL_RESPONSES_ITEM_TEXT, &f[CONTENT]);
	put_text(a, SL_RESPONSES_ITEM_REFUSAL, &f[REFUSAL]);
	while (!rc && sl_json_each(&f[TOOL_CALLS], &cursor, &call))
		rc = put_call(a, &call);
	return rc;
}

static int put_response(const struct sl_responses_names *names, const struct sl_json_field *top,
			const struct sl_json_field *choice, struct answer *a, const char *body,
			size_t body_len, struct sl_text *out)
{
	struct sl_responses_usage usage = {.given = false};
	struct sl_responses_view view = {
		.hex = a->hex,
		.echo = names->echo,
		.finish = sl_responses_finish_read(&choice[SL_CHAT_CHOICE_FINISH]),
		.usage = &usage,
	};
	struct sl_text model;
	int rc;

	a->status = view.status = sl_responses_status_of(view.finish);
	rc = put_output(a, &choice[SL_CHAT_CHOICE_BODY]);
	if (rc)
		return rc;
	sl_text_init(&model, 0);
	if (sl_chat_filled(&top[MODEL]))
		sl_chat_put_raw(&model, &top[MODEL]);
	else
		sl_text_append_json_string(&model, names->model);
	sl_json_int(&top[CREATED], &view.created_s);
	sl_responses_usage_read(body, body_len, &usage);
	view.model = sl_text_span(&model);
	view.output = sl_text_span(&a->output);
	sl_responses_view_put(out, &view);
	rc = model.error || a->output.error || out->error ? -ENOMEM : 0;
	sl_text_fini(&model);
	return rc;
}

int sl_responses_answer_translate(const struct sl_responses_names *names, const char *body,
				  size_t body_len, struct sl_text *out)
{
	struct sl_json_field top[TOP_FIELDS] = {
		[CHOICES] = SL_JSON_FIELD("choices"),
		[MODEL] = SL_JSON_FIELD("model"),
		[CREATED] = SL_JSON_FIELD("created"),
	};
	struct sl_json_field choice[SL_CHAT_CHOICE_FIELDS] = SL_CHAT_CHOICE("message");
	char hex[SL_RESPONSES_HEX_BYTES];
	struct answer a = {.hex = hex};
	int rc;

	if (sl_json_scan(body, body_len, top, TOP_FIELDS) ||
	    !sl_chat_choice_read(&top[CHOICES], choice))
		return -EINVAL;
	sl_responses_hex_of(names->request_id, hex);
	sl_text_init(&a.output, 16 * body_len + 4096); /* a call of few bytes becomes about 150 */
	sl_text_init(&a.scratch, 8 * body_len + 256);
	rc = put_response(names, top, choice, &a, body, body_len, out);
	sl_text_fini(&a.scratch);
	sl_text_fini(&a.output);
	return rc;
}

/* ---- a server's error ------------------------------------------------------------------------ */

void sl_responses_fault_write(int status, const char *body, size_t body_len, struct sl_text *out)
{
	struct sl_json_field error = SL_JSON_FIELD("error"), message;
	enum sl_openai_fault fault;

	if (!sl_json_scan(body, body_len, &error, 1) && error.type == SL_JSON_OBJECT) {
		sl_text_append(out, body, body_len);
		return;
	}
	fault = sl_openai_fault_read(status, body, body_len, &message);
	sl_text_append_string(out, "{\"error\":{\"message\":");
	if (sl_chat_filled(&message))
		sl_chat_put_raw(out, &message);
	else
		sl_text_append_string(out, "\"The server answered with an error and gave no "
					   "reason.\"");
	sl_text_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}",
		       status >= 500 ? "server_error" : "invalid_request_error",
		       fault == SL_OPENAI_FAULT_CONTEXT_LENGTH ? "context_length_exceeded"
							       : sl_openai_fault_name(fault));
}
