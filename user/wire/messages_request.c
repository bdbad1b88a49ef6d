/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a chat completion to a request of the Messages API. What the client would miss in the answer
 * is refused by the name of its field; what only shades the choice of words, and what servers know
 * beside the API, is left out: the API refuses fields that it does not know.
 * Messages are in messages_content.c, tools in messages_tool.c. Pure but for sl_text; any thread.
 */
#include "user/wire/messages.h"

#include <string.h>
#include "user/wire/messages_parts.h"

#define STOP_BYTES_MAX 4096 /* of one stop sequence, decoded */

enum top_field {
	MODEL,
	MESSAGES,
	MAX_COMPLETION_TOKENS,
	MAX_TOKENS,
	TEMPERATURE,
	TOP_P,
	TOP_K,
	STOP,
	STREAM,
	TOOLS,
	TOOL_CHOICE,
	PARALLEL_TOOL_CALLS,
	RESPONSE_FORMAT,
	REASONING_EFFORT,
	USER,
	SAFETY_IDENTIFIER,
	N,
	TOP_FIELDS
};

/* Fields whose lack the client would notice. false, "" and empty containers say nothing. */
static const char *const refused[] = {
	"logprobs",	      "top_logprobs", "logit_bias",  "functions",   "function_call",
	"modalities",	      "audio",	      "prediction",  "guided_json", "guided_regex",
	"guided_choice",      "grammar",      "json_schema", "regex",	    "guided_grammar",
	"structured_outputs", "ebnf",	      "echo",	     "suffix",	    "web_search_options",
};

static const char leave_out[] = "the Messages API has no such thing; leave it out";

/* Says as little as null. */
static bool is_idle(const struct sl_json_field *f)
{
	struct sl_json_field first, key;
	const char *cursor = NULL;
	int64_t value;

	switch (f->type) {
	case SL_JSON_STRING:
		return f->value_len == 2;
	case SL_JSON_NUMBER:
		return !sl_json_int(f, &value) && !value;
	case SL_JSON_ARRAY:
		return !sl_json_each(f, &cursor, &first);
	case SL_JSON_OBJECT:
		return !sl_json_each_member(f, &cursor, &key, &first);
	default:
		return f->type <= SL_JSON_FALSE;
	}
}

/* ["text"] is what there is without it. */
static bool is_text_alone(const struct sl_json_field *key, const struct sl_json_field *value)
{
	struct sl_json_field element;
	const char *cursor = NULL;

	if (!sl_json_string_equal(key, "modalities", 10) || value->type != SL_JSON_ARRAY)
		return false;
	while (sl_json_each(value, &cursor, &element)) {
		if (!sl_json_string_equal(&element, "text", 4))
			return false;
	}
	return true;
}

static enum sl_openai_error_id check_others(struct sl_place *s, const struct sl_json_field *whole)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	size_t i;

	while (sl_json_each_member(whole, &cursor, &key, &value)) {
		if (is_idle(&value) || is_text_alone(&key, &value))
			continue;
		for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
			if (sl_json_string_equal(&key, refused[i], strlen(refused[i])))
				return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED,
							   refused[i], leave_out);
		}
	}
	return SL_OPENAI_OK;
}

/* ,"name":VALUE as it stands. */
static void put_member(struct sl_place *s, const char *name, const struct sl_json_field *value)
{
	sl_text_append_string(s->out, ",\"");
	sl_text_append_string(s->out, name);
	sl_text_append_string(s->out, "\":");
	sl_chat_put_raw(s->out, value);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static enum sl_openai_error_id put_bound(struct sl_place *s, const struct sl_json_field *f,
					 uint32_t otherwise)
{
	const struct sl_json_field *bound = &f[MAX_COMPLETION_TOKENS];
	int64_t value;

	if (!sl_chat_given(bound))
		bound = &f[MAX_TOKENS];
	if (!sl_chat_given(bound)) {
		sl_text_append_string(s->out, ",\"max_tokens\":");
		sl_text_append_u64(s->out, otherwise);
		return SL_OPENAI_OK;
	}
	if (sl_json_int(bound, &value) || value < 1)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, bound->name,
					   "an integer of at least 1");
	sl_text_append_string(s->out, ",\"max_tokens\":");
	sl_text_append_i64(s->out, value);
	return SL_OPENAI_OK;
}

/*
 * Temperatures above 1 are the highest that the API has. Newer models take one of temperature and
 * top_p: the temperature goes first, and a top_p of 1 is none.
 */
static enum sl_openai_error_id put_sampling(struct sl_place *s, const struct sl_json_field *f)
{
	int64_t top_k;
	double value;

	if (sl_chat_given(&f[TEMPERATURE])) {
		if (sl_json_double(&f[TEMPERATURE], &value) || value < 0)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, "temperature",
						   "a number of at least 0");
		if (value > SL_MESSAGES_TEMPERATURE_MAX)
			sl_text_append_string(s->out, ",\"temperature\":1");
		else
			put_member(s, "temperature", &f[TEMPERATURE]);
	} else if (sl_chat_given(&f[TOP_P])) {
		if (sl_json_double(&f[TOP_P], &value))
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "top_p", "a number");
		if (value < 1)
			put_member(s, "top_p", &f[TOP_P]);
	}
	/* servers say -1 for none */
	if (sl_chat_given(&f[TOP_K]) && !sl_json_int(&f[TOP_K], &top_k) && top_k > 0)
		put_member(s, "top_k", &f[TOP_K]);
	if (sl_chat_given(&f[N]) && (sl_json_int(&f[N], &top_k) || top_k != 1))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "n",
					   "a message is one answer");
	return SL_OPENAI_OK;
}

/* ---- stop sequences -------------------------------------------------------------------------- */

static enum sl_openai_error_id put_sequence(struct sl_place *s,
					    const struct sl_json_field *sequence, bool *first)
{
	char text[STOP_BYTES_MAX + 1];
	int len;

	if (sequence->type != SL_JSON_STRING)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "stop",
					   "a string or an array of strings");
	if (sequence->value_len == 2)
		return SL_OPENAI_OK;
	len = sl_json_string(sequence, text, sizeof(text));
	if (len < 0 || strspn(text, " \t\r\n\v\f") == (size_t)len)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "stop",
					   "the Messages API takes no sequence of blanks alone, "
					   "and none over 4096 bytes");
	sl_text_append_string(s->out, *first ? ",\"stop_sequences\":[" : ",");
	*first = false;
	sl_chat_put_raw(s->out, sequence);
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_stop(struct sl_place *s, const struct sl_json_field *stop)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field sequence;
	const char *cursor = NULL;
	bool first = true;

	if (!sl_chat_given(stop))
		return SL_OPENAI_OK;
	if (stop->type != SL_JSON_ARRAY)
		id = put_sequence(s, stop, &first);
	while (!id && sl_json_each(stop, &cursor, &sequence))
		id = put_sequence(s, &sequence, &first);
	if (!first)
		sl_text_append_char(s->out, ']');
	return id;
}

/* ---- the form of the answer ------------------------------------------------------------------ */

static enum sl_openai_error_id put_schema(struct sl_place *s, const struct sl_json_field *format)
{
	enum { TYPE, INNER, SCHEMA, COUNT };
	struct sl_json_field f[COUNT] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[INNER] = SL_JSON_FIELD("json_schema"),
		[SCHEMA] = SL_JSON_FIELD_IN("json_schema", "schema"),
	};
	enum sl_openai_error_id id;

	s->list = "response_format";
	id = sl_place_object_read(s, format, f, COUNT, false);
	if (id || sl_json_string_equal(&f[TYPE], "text", 4))
		return id;
	if (!sl_json_string_equal(&f[TYPE], "json_schema", 11))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       "the Messages API has \"json_schema\" alone");
	if (f[SCHEMA].type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "json_schema.schema", "an object");
	sl_text_append_string(s->out, "\"format\":{\"type\":\"json_schema\",\"schema\":");
	sl_chat_put_raw(s->out, &f[SCHEMA]);
	sl_text_append_char(s->out, '}');
	return SL_OPENAI_OK;
}

/* "none" and "minimal" are what there is where thinking is not asked for. */
static enum sl_openai_error_id put_effort(struct sl_place *s, const struct sl_json_field *effort,
					  bool first)
{
	static const char *const known[] = {"low", "medium", "high", "xhigh", "max"};

	if (sl_json_string_equal(effort, "none", 4) || sl_json_string_equal(effort, "minimal", 7))
		return SL_OPENAI_OK;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!sl_json_string_equal(effort, known[i], strlen(known[i])))
			continue;
		sl_text_append_string(s->out, first ? "\"effort\":" : ",\"effort\":");
		sl_chat_put_raw(s->out, effort);
		return SL_OPENAI_OK;
	}
	return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "reasoning_effort",
				   "send \"low\", \"medium\" or \"high\"");
}

static enum sl_openai_error_id put_output(struct sl_place *s, const struct sl_json_field *format,
					  const struct sl_json_field *effort)
{
	static const char begin[] = ",\"output_config\":{";
	enum sl_openai_error_id id = SL_OPENAI_OK;
	size_t before = s->out->len, inside;

	sl_text_append_string(s->out, begin);
	inside = s->out->len;
	if (sl_chat_given(format))
		id = put_schema(s, format);
	if (!id && sl_chat_given(effort))
		id = put_effort(s, effort, s->out->len == inside);
	if (s->out->error)
		return id;
	if (s->out->len == inside)
		sl_text_truncate(s->out, before);
	else
		sl_text_append_char(s->out, '}');
	return id;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void put_ends(struct sl_place *s, const struct sl_openai_request *chat,
		     const struct sl_json_field *f)
{
	const struct sl_json_field *user =
		sl_chat_filled(&f[SAFETY_IDENTIFIER]) ? &f[SAFETY_IDENTIFIER] : &f[USER];

	if (sl_chat_filled(user)) {
		sl_text_append_string(s->out, ",\"metadata\":{\"user_id\":");
		sl_chat_put_raw(s->out, user);
		sl_text_append_char(s->out, '}');
	}
	sl_text_append_string(s->out, chat->stream ? ",\"stream\":true}" : "}");
}

static enum sl_openai_error_id put_all(struct sl_place *s, const struct sl_openai_request *chat,
				       const struct sl_messages_terms *terms,
				       const struct sl_json_field *f)
{
	const struct sl_json_field whole = {
		.type = SL_JSON_OBJECT, .value = chat->body, .value_len = chat->body_len};
	enum sl_openai_error_id id;

	sl_text_append_string(s->out, "{\"model\":");
	if (terms->model_json)
		sl_text_append(s->out, terms->model_json, terms->model_json_len);
	else
		sl_chat_put_raw(s->out, &f[MODEL]);
	if ((id = check_others(s, &whole)) || (id = put_bound(s, f, terms->max_tokens)) ||
	    (id = sl_messages_content_put(s, &f[MESSAGES])) || (id = put_sampling(s, f)) ||
	    (id = put_stop(s, &f[STOP])) ||
	    (id = sl_messages_tools_put(s, &f[TOOLS], &f[TOOL_CHOICE], &f[PARALLEL_TOOL_CALLS])) ||
	    (id = put_output(s, &f[RESPONSE_FORMAT], &f[REASONING_EFFORT])))
		return id;
	put_ends(s, chat, f);
	if (!s->out->error)
		return SL_OPENAI_OK;
	*s->error =
		(struct sl_openai_error){.id = SL_OPENAI_ERROR_INTERNAL,
					 .object = "the translated request needs too much memory"};
	return s->error->id;
}

enum sl_openai_error_id sl_messages_request_write(const struct sl_openai_request *chat,
						  const struct sl_messages_terms *terms,
						  struct sl_text *out,
						  char param[SL_PLACE_PARAM_BYTES],
						  struct sl_openai_error *ret_error)
{
	struct sl_json_field f[TOP_FIELDS] = {
		[MODEL] = SL_JSON_FIELD("model"),
		[MESSAGES] = SL_JSON_FIELD("messages"),
		[MAX_COMPLETION_TOKENS] = SL_JSON_FIELD("max_completion_tokens"),
		[MAX_TOKENS] = SL_JSON_FIELD("max_tokens"),
		[TEMPERATURE] = SL_JSON_FIELD("temperature"),
		[TOP_P] = SL_JSON_FIELD("top_p"),
		[TOP_K] = SL_JSON_FIELD("top_k"),
		[STOP] = SL_JSON_FIELD("stop"),
		[STREAM] = SL_JSON_FIELD("stream"),
		[TOOLS] = SL_JSON_FIELD("tools"),
		[TOOL_CHOICE] = SL_JSON_FIELD("tool_choice"),
		[PARALLEL_TOOL_CALLS] = SL_JSON_FIELD("parallel_tool_calls"),
		[RESPONSE_FORMAT] = SL_JSON_FIELD("response_format"),
		[REASONING_EFFORT] = SL_JSON_FIELD("reasoning_effort"),
		[USER] = SL_JSON_FIELD("user"),
		[SAFETY_IDENTIFIER] = SL_JSON_FIELD("safety_identifier"),
		[N] = SL_JSON_FIELD("n"),
	};
	struct sl_place s;

	sl_place_init(&s, out, ret_error, param);
	if (sl_json_scan(chat->body, chat->body_len, f, TOP_FIELDS))
		return sl_place_refuse_top(&s, SL_OPENAI_ERROR_VALUE, "",
					   "a JSON object with each field once");
	return put_all(&s, chat, terms, f);
}
