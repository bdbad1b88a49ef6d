/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a whole chat completion to a message. Pure but for sl_text; any thread. Declared in
 * anthropic.h, what streams share in anthropic_parts.h.
 */
#include "user/wire/anthropic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/wire/anthropic_parts.h"

/* ---- shared with streams --------------------------------------------------------------------- */

enum sl_anthropic_finish
sl_anthropic_finish_read(const struct sl_json_field f[SL_CHAT_CHOICE_FIELDS],
			 const struct sl_json_field **ret_sequence)
{
	static const struct {
		const char *name;
		enum sl_anthropic_finish finish;
	} reasons[] = {
		{"stop", SL_ANTHROPIC_FINISH_STOP},
		{"length", SL_ANTHROPIC_FINISH_LENGTH},
		{"tool_calls", SL_ANTHROPIC_FINISH_TOOL},
		{"function_call", SL_ANTHROPIC_FINISH_TOOL},
		{"content_filter", SL_ANTHROPIC_FINISH_REFUSAL},
	};
	const struct sl_json_field *reason = &f[SL_CHAT_CHOICE_FINISH];
	enum sl_anthropic_finish finish = SL_ANTHROPIC_FINISH_NONE;
	size_t i;

	*ret_sequence = NULL;
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (sl_json_string_equal(reason, reasons[i].name, strlen(reasons[i].name)))
			finish = reasons[i].finish;
	}
	if (finish != SL_ANTHROPIC_FINISH_STOP)
		return finish;
	for (i = SL_CHAT_CHOICE_STOP; i <= SL_CHAT_CHOICE_MATCHED; i++) {
		if (sl_chat_filled(&f[i])) { /* a number is the model's own end token */
			*ret_sequence = &f[i];
			return SL_ANTHROPIC_FINISH_SEQUENCE;
		}
	}
	return finish;
}

const char *sl_anthropic_stop_name(enum sl_anthropic_finish finish, bool tool_seen)
{
	switch (finish) {
	case SL_ANTHROPIC_FINISH_SEQUENCE:
		return "stop_sequence";
	case SL_ANTHROPIC_FINISH_LENGTH:
		return "max_tokens";
	case SL_ANTHROPIC_FINISH_REFUSAL:
		return "refusal";
	default:
		return tool_seen ? "tool_use" : "end_turn";
	}
}

void sl_anthropic_id_of(const char *request_id, char out[SL_ANTHROPIC_ID_BYTES])
{
	bool ours = strncmp(request_id, "req_", 4) == 0;

	snprintf(out, SL_ANTHROPIC_ID_BYTES, "msg_%.64s", request_id + (ours ? 4 : 0));
}

void sl_anthropic_put_usage(struct sl_text *out, const struct sl_openai_usage *usage)
{
	int64_t cached = usage->cached_tokens;
	int64_t input = usage->prompt_tokens < 0 ? 0 : usage->prompt_tokens;

	if (cached > input)
		cached = input;
	sl_text_append_string(out, "{\"input_tokens\":");
	sl_text_append_i64(out, input - (cached > 0 ? cached : 0));
	sl_text_append_string(out, ",\"cache_creation_input_tokens\":null,"
				   "\"cache_read_input_tokens\":");
	if (cached >= 0)
		sl_text_append_i64(out, cached);
	else
		sl_text_append_string(out, "null");
	sl_text_append_string(out, ",\"output_tokens\":");
	sl_text_append_i64(out, usage->completion_tokens < 0 ? 0 : usage->completion_tokens);
	sl_text_append_char(out, '}');
}

/* ---- the answer ------------------------------------------------------------------------------ */

enum top_field { CHOICES, MODEL, TOP_FIELDS };
enum message_field { CONTENT, REFUSAL, TOOL_CALLS, MESSAGE_FIELDS };
enum call_field { CALL_ID, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };

struct answer {
	const struct sl_anthropic_names *names;
	struct sl_text *out;
	struct sl_text scratch; /* decoded arguments */
	char id[SL_ANTHROPIC_ID_BYTES];
	uint32_t blocks;
	uint32_t calls;
	bool cut; /* by max_tokens */
};

static void begin_block(struct answer *a, const char *type)
{
	sl_text_append_string(a->out, a->blocks++ ? ",{\"type\":\"" : "{\"type\":\"");
	sl_text_append_string(a->out, type);
	sl_text_append_char(a->out, '"');
}

static void put_text(struct answer *a, const struct sl_json_field *text)
{
	if (!sl_chat_filled(text))
		return;
	begin_block(a, "text");
	sl_text_append_string(a->out, ",\"citations\":null,\"text\":");
	sl_chat_put_raw(a->out, text);
	sl_text_append_char(a->out, '}');
}

/* The arguments as JSON: a string that holds an object, or with some servers the object itself. */
static int read_arguments(struct answer *a, const struct sl_json_field *arguments,
			  struct sl_span *ret_input)
{
	int len;

	*ret_input = SL_SPAN("{}");
	if (arguments->type == SL_JSON_OBJECT) {
		*ret_input = sl_span_make(arguments->value, arguments->value_len);
		return 0;
	}
	if (!sl_chat_given(arguments) ||
	    (arguments->type == SL_JSON_STRING && arguments->value_len == 2))
		return 0;
	if (arguments->type != SL_JSON_STRING)
		return -EBADMSG;
	sl_text_reset(&a->scratch);
	if (sl_text_reserve(&a->scratch, arguments->value_len))
		return -ENOMEM;
	len = sl_json_string(arguments, a->scratch.data, arguments->value_len);
	if (len < 0 || sl_json_scan(a->scratch.data, (size_t)len, NULL, 0))
		return -EBADMSG;
	*ret_input = sl_span_make(a->scratch.data, (size_t)len);
	return 0;
}

static int put_call(struct answer *a, const struct sl_json_field *call)
{
	struct sl_json_field f[CALL_FIELDS] = {
		[CALL_ID] = SL_JSON_FIELD("id"),
		[CALL_FUNCTION] = SL_JSON_FIELD("function"),
		[CALL_NAME] = SL_JSON_FIELD_IN("function", "name"),
		[CALL_ARGUMENTS] = SL_JSON_FIELD_IN("function", "arguments"),
	};
	struct sl_span input;
	int rc;

	if (call->type != SL_JSON_OBJECT ||
	    sl_json_scan(call->value, call->value_len, f, CALL_FIELDS) ||
	    !sl_chat_filled(&f[CALL_NAME]))
		return -EINVAL;
	rc = read_arguments(a, &f[CALL_ARGUMENTS], &input);
	if (rc == -EBADMSG && a->cut)
		return 0;
	if (rc)
		return rc;
	begin_block(a, "tool_use");
	sl_text_append_string(a->out, ",\"caller\":{\"type\":\"direct\"},\"id\":");
	if (sl_chat_filled(&f[CALL_ID]))
		sl_chat_put_raw(a->out, &f[CALL_ID]);
	else
		sl_text_printf(a->out, "\"toolu_%s_%u\"", a->id + 4, a->calls);
	sl_text_append_string(a->out, ",\"name\":");
	sl_chat_put_raw(a->out, &f[CALL_NAME]);
	sl_text_append_string(a->out, ",\"input\":");
	sl_text_append_span(a->out, input);
	sl_text_append_char(a->out, '}');
	a->calls++;
	return 0;
}

static int put_content(struct answer *a, const struct sl_json_field *message, bool *ret_refused)
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
	put_text(a, &f[CONTENT]);
	put_text(a, &f[REFUSAL]);
	*ret_refused = sl_chat_filled(&f[REFUSAL]);
	while (!rc && sl_json_each(&f[TOOL_CALLS], &cursor, &call))
		rc = put_call(a, &call);
	return rc;
}

static int put_message(struct answer *a, const struct sl_json_field *model,
		       const struct sl_json_field *choice, const char *body, size_t body_len)
{
	struct sl_openai_usage usage = {-1, -1, -1, -1};
	const struct sl_json_field *sequence;
	enum sl_anthropic_finish finish = sl_anthropic_finish_read(choice, &sequence);
	bool refused;
	int rc;

	a->cut = finish == SL_ANTHROPIC_FINISH_LENGTH;
	sl_text_printf(a->out,
		       "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\","
		       "\"model\":",
		       a->id);
	if (sl_chat_filled(model))
		sl_chat_put_raw(a->out, model);
	else
		sl_text_append_json_string(a->out, a->names->model);
	sl_text_append_string(a->out, ",\"content\":[");
	rc = put_content(a, &choice[SL_CHAT_CHOICE_BODY], &refused);
	if (rc)
		return rc;
	if (refused)
		finish = SL_ANTHROPIC_FINISH_REFUSAL;
	sl_text_append_string(a->out, "],\"stop_reason\":\"");
	sl_text_append_string(a->out, sl_anthropic_stop_name(finish, a->calls > 0));
	sl_text_append_string(a->out,
			      "\",\"stop_details\":null,\"container\":null,\"stop_sequence\":");
	if (sequence && !refused)
		sl_chat_put_raw(a->out, sequence);
	else
		sl_text_append_string(a->out, "null");
	sl_text_append_string(a->out, ",\"usage\":");
	sl_openai_usage_read(body, body_len, &usage);
	sl_anthropic_put_usage(a->out, &usage);
	sl_text_append_char(a->out, '}');
	return a->out->error ? -ENOMEM : 0;
}

int sl_anthropic_answer_translate(const struct sl_anthropic_names *names, const char *body,
				  size_t body_len, struct sl_text *out)
{
	struct sl_json_field top[TOP_FIELDS] = {
		[CHOICES] = SL_JSON_FIELD("choices"),
		[MODEL] = SL_JSON_FIELD("model"),
	};
	struct sl_json_field choice[SL_CHAT_CHOICE_FIELDS] = SL_CHAT_CHOICE("message");
	struct answer a = {.names = names, .out = out};
	int rc;

	if (sl_json_scan(body, body_len, top, TOP_FIELDS) ||
	    !sl_chat_choice_read(&top[CHOICES], choice))
		return -EINVAL;
	sl_anthropic_id_of(names->request_id, a.id);
	sl_text_init(&a.scratch, body_len + 1);
	rc = put_message(&a, &top[MODEL], choice, body, body_len);
	sl_text_fini(&a.scratch);
	return rc;
}
