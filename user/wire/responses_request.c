/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a request of the Responses API to one of chat completions. What the servers cannot be told,
 * and what needs a memory between requests, is refused by the name of its field; hints that change
 * no answer are left out; a top-level field that the API does not know passes on, as on the other
 * endpoints. The items are in responses_input.c. Pure but for sl_text; any thread.
 */
#include "user/wire/responses.h"

#include <stdio.h>
#include <string.h>
#include "user/wire/responses_request.h"

enum top_field {
	MODEL,
	INPUT,
	INSTRUCTIONS,
	MAX_OUTPUT_TOKENS,
	TEMPERATURE,
	TOP_P,
	STREAM,
	TOOLS,
	TOOL_CHOICE,
	PARALLEL_TOOL_CALLS,
	TEXT,
	REASONING,
	METADATA,
	STORE,
	BACKGROUND,
	TRUNCATION,
	SERVICE_TIER,
	INCLUDE,
	TOP_LOGPROBS,
	USER,
	SAFETY_IDENTIFIER,
	PROMPT,
	TOP_FIELDS
};

/*
 * Of the API, without an equal on the other side; of the other side, where we write them; and
 * (instead NULL) what is left out, for it changes no answer.
 */
static const struct {
	const char *name;
	const char *instead;
} others[] = {
	{"stream_options", NULL}, /* obfuscation, which streams have not; usage they always have */
	{"max_tool_calls", NULL}, /* counts calls of hosted tools alone */
	{"prompt_cache_options", NULL},
	{"previous_response_id", "responses are not kept; send the items so far as 'input'"},
	{"conversation", "conversations are not kept; send the items so far as 'input'"},
	{"context_management", "leave it out"},
	{"moderation", "leave it out"},
	{"access_programs", "leave it out"},
	{"image", "leave it out"},
	{"messages", "this API's field is 'input'"},
	{"max_tokens", "this API's field is 'max_output_tokens'"},
	{"max_completion_tokens", "this API's field is 'max_output_tokens'"},
	{"response_format", "this API's field is 'text.format'"},
	{"reasoning_effort", "this API's field is 'reasoning.effort'"},
	{"verbosity", "this API's field is 'text.verbosity'"},
	{"functions", "this API's field is 'tools'"},
	{"function_call", "this API's field is 'tool_choice'"},
	{"logprobs", "leave it out"},
	{"n", "a response is one answer"},
};

/* ---- single values --------------------------------------------------------------------------- */

/* ,"name":VALUE as it stands. */
static void put_member(struct sl_place *s, const char *name, const struct sl_json_field *value)
{
	sl_text_printf(s->out, ",\"%s\":", name);
	sl_chat_put_raw(s->out, value);
}

static enum sl_openai_error_id put_numbers(struct sl_place *s, const struct sl_json_field *f)
{
	int64_t value;
	double number;

	if (sl_chat_given(&f[MAX_OUTPUT_TOKENS])) {
		if (sl_json_int(&f[MAX_OUTPUT_TOKENS], &value) || value < 1 || value > INT32_MAX)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, "max_output_tokens",
						   "an integer of at least 1");
		put_member(s, "max_tokens", &f[MAX_OUTPUT_TOKENS]);
	}
	for (size_t i = TEMPERATURE; i <= TOP_P; i++) {
		if (!sl_chat_given(&f[i]))
			continue;
		if (sl_json_double(&f[i], &number) || number < 0)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, f[i].name,
						   "a number of at least 0");
		put_member(s, f[i].name, &f[i]);
	}
	if (sl_chat_given(&f[TOP_LOGPROBS]) && (sl_json_int(&f[TOP_LOGPROBS], &value) || value))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "top_logprobs",
					   "leave it out");
	for (size_t i = USER; i <= SAFETY_IDENTIFIER; i++)
		if (sl_chat_given(&f[i]))
			put_member(s, f[i].name, &f[i]); /* sl_openai_request_read looks at it */
	return SL_OPENAI_OK;
}

/* Usage is always asked for: the last event of a stream holds it. */
static enum sl_openai_error_id put_stream(struct sl_place *s, const struct sl_json_field *stream)
{
	bool on = false;

	if (sl_chat_given(stream) && sl_json_bool(stream, &on))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "stream", "a boolean");
	if (on)
		sl_text_append_string(s->out, ",\"stream\":true,"
					      "\"stream_options\":{\"include_usage\":true}");
	return SL_OPENAI_OK;
}

/* store may be true, as it is where nobody says otherwise: the answer says that it was not. */
static enum sl_openai_error_id check_life(struct sl_place *s, const struct sl_json_field *f)
{
	bool on = false;

	if (sl_chat_given(&f[STORE]) && sl_json_bool(&f[STORE], &on))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "store", "a boolean");
	on = false;
	if (sl_chat_given(&f[BACKGROUND]) && sl_json_bool(&f[BACKGROUND], &on))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "background", "a boolean");
	if (on)
		return sl_place_refuse_top(
			s, SL_OPENAI_ERROR_UNTRANSLATED, "background",
			"responses are not kept; send 'stream' or wait for the answer");
	if (sl_chat_given(&f[TRUNCATION]) && !sl_json_string_equal(&f[TRUNCATION], "disabled", 8))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "truncation",
					   "leave it out, or send \"disabled\"");
	if (sl_chat_given(&f[SERVICE_TIER]) && !sl_json_string_equal(&f[SERVICE_TIER], "auto", 4) &&
	    !sl_json_string_equal(&f[SERVICE_TIER], "default", 7))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "service_tier",
					   "leave it out, or send \"auto\"");
	if (sl_chat_given(&f[METADATA]) && f[METADATA].type != SL_JSON_OBJECT)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "metadata", "an object");
	return SL_OPENAI_OK;
}

/* What may be added to an answer: there is none of it here, but log probabilities there would be. */
static enum sl_openai_error_id check_include(struct sl_place *s,
					     const struct sl_json_field *include)
{
	static const char expected[] = "an array of strings";
	struct sl_json_field element;
	const char *cursor = NULL;

	if (!sl_chat_given(include))
		return SL_OPENAI_OK;
	if (include->type != SL_JSON_ARRAY)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "include", expected);
	while (sl_json_each(include, &cursor, &element)) {
		if (element.type != SL_JSON_STRING)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "include", expected);
		if (sl_json_string_equal(&element, "message.output_text.logprobs", 28))
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "include",
						   "leave 'message.output_text.logprobs' out");
	}
	return SL_OPENAI_OK;
}

/* ---- what the model shall do ----------------------------------------------------------------- */

static enum sl_openai_error_id put_format(struct sl_place *s, const struct sl_json_field *format)
{
	enum { TYPE, NAME, SCHEMA, STRICT, DESCRIPTION, COUNT };
	struct sl_json_field f[COUNT] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[NAME] = SL_JSON_FIELD("name"),
		[SCHEMA] = SL_JSON_FIELD("schema"),
		[STRICT] = SL_JSON_FIELD("strict"),
		[DESCRIPTION] = SL_JSON_FIELD("description"),
	};
	enum sl_openai_error_id id;
	bool strict;

	s->list = "text.format";
	id = sl_place_object_read(s, format, f, COUNT, true);
	if (id || sl_json_string_equal(&f[TYPE], "text", 4))
		return id;
	if (sl_json_string_equal(&f[TYPE], "json_object", 11)) {
		sl_text_append_string(s->out, ",\"response_format\":{\"type\":\"json_object\"}");
		return SL_OPENAI_OK;
	}
	if (!sl_json_string_equal(&f[TYPE], "json_schema", 11))
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "type",
				       "\"text\", \"json_object\" or \"json_schema\"");
	if (!sl_chat_filled(&f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "name", "a string");
	if (f[SCHEMA].type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "schema", "an object");
	if (sl_chat_given(&f[STRICT]) && sl_json_bool(&f[STRICT], &strict))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "strict", "a boolean");
	if (sl_chat_given(&f[DESCRIPTION]) && f[DESCRIPTION].type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "description", "a string");
	sl_text_append_string(s->out, ",\"response_format\":{\"type\":\"json_schema\","
				      "\"json_schema\":{\"name\":");
	sl_chat_put_raw(s->out, &f[NAME]);
	for (size_t i = SCHEMA; i < COUNT; i++)
		if (sl_chat_given(&f[i]))
			put_member(s, f[i].name, &f[i]);
	sl_text_append_string(s->out, "}}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_text(struct sl_place *s, const struct sl_json_field *text)
{
	enum { FORMAT, VERBOSITY, COUNT };
	struct sl_json_field f[COUNT] = {
		[FORMAT] = SL_JSON_FIELD("format"),
		[VERBOSITY] = SL_JSON_FIELD("verbosity"),
	};
	enum sl_openai_error_id id;

	if (!sl_chat_given(text))
		return SL_OPENAI_OK;
	s->list = "text";
	id = sl_place_object_read(s, text, f, COUNT, true);
	if (id)
		return id;
	if (sl_chat_given(&f[VERBOSITY])) {
		if (f[VERBOSITY].type != SL_JSON_STRING)
			return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "verbosity", "a string");
		put_member(s, "verbosity", &f[VERBOSITY]);
	}
	return sl_chat_given(&f[FORMAT]) ? put_format(s, &f[FORMAT]) : SL_OPENAI_OK;
}

/* A summary of the thinking is a wish: there is none to show. */
static enum sl_openai_error_id put_reasoning(struct sl_place *s,
					     const struct sl_json_field *reasoning)
{
	enum { EFFORT, SUMMARY, OLD_SUMMARY, COUNT };
	struct sl_json_field f[COUNT] = {
		[EFFORT] = SL_JSON_FIELD("effort"),
		[SUMMARY] = SL_JSON_FIELD("summary"),
		[OLD_SUMMARY] = SL_JSON_FIELD("generate_summary"),
	};
	enum sl_openai_error_id id;

	if (!sl_chat_given(reasoning))
		return SL_OPENAI_OK;
	s->list = "reasoning";
	id = sl_place_object_read(s, reasoning, f, COUNT, true);
	if (id || !sl_chat_given(&f[EFFORT]))
		return id;
	if (f[EFFORT].type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "effort", "a string");
	put_member(s, "reasoning_effort", &f[EFFORT]);
	return SL_OPENAI_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static const char *const unknown = "";

/* unknown, or why a field cannot pass; NULL: it is left out. */
static const char *instead_of(const struct sl_json_field *key)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (sl_json_string_equal(key, others[i].name, strlen(others[i].name)))
			return others[i].instead;
	return unknown;
}

/* Fields beside those that are translated: the servers' own, such as vLLM's, pass. */
static enum sl_openai_error_id put_others(struct sl_place *s, const struct sl_json_field *whole,
					  const struct sl_json_field *f)
{
	struct sl_json_field key, value;
	const char *cursor = NULL, *instead;
	char name[SL_JSON_NAME_BYTES_MAX + 1];
	size_t i;

	while (sl_json_each_member(whole, &cursor, &key, &value)) {
		for (i = 0; i < TOP_FIELDS; i++) {
			if (sl_json_string_equal(&key, f[i].name, f[i].name_len))
				break;
		}
		instead = i < TOP_FIELDS ? NULL : instead_of(&key);
		if (instead && instead != unknown && value.type != SL_JSON_NULL) {
			sl_json_string(&key, name, sizeof(name)); /* it fits: it is known */
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, name, instead);
		}
		if (instead != unknown)
			continue;
		sl_text_append_char(s->out, ',');
		sl_chat_put_raw(s->out, &key);
		sl_text_append_char(s->out, ':');
		sl_chat_put_raw(s->out, &value);
	}
	return SL_OPENAI_OK;
}

/* Line ends between the tokens of JSON would end a line of a stream. */
static void put_one_line(struct sl_text *out, const struct sl_json_field *value)
{
	size_t begin = out->len;

	if (sl_text_append(out, value->value, value->value_len))
		return;
	for (size_t i = begin; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
}

static void put_echo(struct sl_text *echo, const struct sl_json_field *f)
{
	static const struct {
		enum top_field field;
		const char *absent; /* what the response says instead */
	} members[] = {
		{INSTRUCTIONS, "null"},
		{MAX_OUTPUT_TOKENS, "null"},
		{METADATA, "{}"},
		{PARALLEL_TOOL_CALLS, "true"},
		{REASONING, "{\"effort\":null,\"summary\":null}"},
		{SAFETY_IDENTIFIER, "null"},
		{TEMPERATURE, "null"}, /* the server's own */
		{TEXT, "{\"format\":{\"type\":\"text\"}}"},
		{TOOL_CHOICE, "\"auto\""},
		{TOOLS, "[]"},
		{TOP_P, "null"},
		{USER, "null"},
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const struct sl_json_field *field = &f[members[i].field];

		sl_text_printf(echo, ",\"%s\":", field->name);
		if (sl_chat_given(field))
			put_one_line(echo, field);
		else
			sl_text_append_string(echo, members[i].absent);
	}
}

static enum sl_openai_error_id json_refuse(struct sl_place *s, int bad, const char *body,
					   size_t body_len)
{
	struct sl_openai_error *e = s->error;
	size_t at;

	*e = (struct sl_openai_error){.id = SL_OPENAI_ERROR_JSON,
				      .object = sl_json_bad_text((enum sl_json_bad)bad)};
	if (sl_json_check(body, body_len, &at) < 0) {
		snprintf(e->text, sizeof(e->text), "at byte %zu of %zu", at, body_len);
		e->detail = e->text;
	} else if (bad == SL_JSON_BAD_DUPLICATE) {
		e->detail = "(each parameter may be given once)";
	}
	return e->id;
}

/* A stored prompt is the gateway's to put in; with it there need be no input. */
static enum sl_openai_error_id put_messages(struct sl_place *s, const struct sl_json_field *f)
{
	if (!sl_chat_given(&f[PROMPT]))
		return sl_responses_input_put(s, &f[INSTRUCTIONS], &f[INPUT]);
	if (f[PROMPT].type != SL_JSON_OBJECT)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "prompt", "an object");
	put_member(s, "prompt", &f[PROMPT]);
	if (sl_chat_given(&f[INPUT]) || sl_chat_given(&f[INSTRUCTIONS]))
		return sl_responses_input_put(s, &f[INSTRUCTIONS], &f[INPUT]);
	sl_text_append_string(s->out, ",\"messages\":[]");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_all(struct sl_place *s, struct sl_text *echo,
				       const struct sl_json_field *f,
				       const struct sl_json_field *whole)
{
	enum sl_openai_error_id id;

	if (!sl_chat_given(&f[MODEL]))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_MISSING, "model", NULL);
	if (f[MODEL].type != SL_JSON_STRING)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "model", "a string");
	sl_text_append_string(s->out, "{\"model\":");
	sl_chat_put_raw(s->out, &f[MODEL]);
	if ((id = put_messages(s, f)) || (id = put_numbers(s, f)) ||
	    (id = put_stream(s, &f[STREAM])) ||
	    (id = sl_responses_tools_put(s, &f[TOOLS], &f[TOOL_CHOICE], &f[PARALLEL_TOOL_CALLS])) ||
	    (id = put_text(s, &f[TEXT])) || (id = put_reasoning(s, &f[REASONING])) ||
	    (id = check_life(s, f)) || (id = check_include(s, &f[INCLUDE])) ||
	    (id = put_others(s, whole, f)))
		return id;
	sl_text_append_char(s->out, '}');
	put_echo(echo, f);
	if (!s->out->error && !echo->error)
		return SL_OPENAI_OK;
	*s->error =
		(struct sl_openai_error){.id = SL_OPENAI_ERROR_INTERNAL,
					 .object = "the translated request needs too much memory"};
	return s->error->id;
}

enum sl_openai_error_id sl_responses_request_translate(const char *body, size_t body_len,
						       struct sl_text *out, struct sl_text *echo,
						       char param[SL_RESPONSES_PARAM_BYTES],
						       struct sl_openai_error *ret_error)
{
	struct sl_json_field f[TOP_FIELDS] = {
		[MODEL] = SL_JSON_FIELD("model"),
		[INPUT] = SL_JSON_FIELD("input"),
		[INSTRUCTIONS] = SL_JSON_FIELD("instructions"),
		[MAX_OUTPUT_TOKENS] = SL_JSON_FIELD("max_output_tokens"),
		[TEMPERATURE] = SL_JSON_FIELD("temperature"),
		[TOP_P] = SL_JSON_FIELD("top_p"),
		[STREAM] = SL_JSON_FIELD("stream"),
		[TOOLS] = SL_JSON_FIELD("tools"),
		[TOOL_CHOICE] = SL_JSON_FIELD("tool_choice"),
		[PARALLEL_TOOL_CALLS] = SL_JSON_FIELD("parallel_tool_calls"),
		[TEXT] = SL_JSON_FIELD("text"),
		[REASONING] = SL_JSON_FIELD("reasoning"),
		[METADATA] = SL_JSON_FIELD("metadata"),
		[STORE] = SL_JSON_FIELD("store"),
		[BACKGROUND] = SL_JSON_FIELD("background"),
		[TRUNCATION] = SL_JSON_FIELD("truncation"),
		[SERVICE_TIER] = SL_JSON_FIELD("service_tier"),
		[INCLUDE] = SL_JSON_FIELD("include"),
		[TOP_LOGPROBS] = SL_JSON_FIELD("top_logprobs"),
		[USER] = SL_JSON_FIELD("user"),
		[SAFETY_IDENTIFIER] = SL_JSON_FIELD("safety_identifier"),
		[PROMPT] = SL_JSON_FIELD("prompt"),
	};
	struct sl_json_field whole = {.type = SL_JSON_OBJECT};
	struct sl_place s;
	int rc = sl_json_scan(body, body_len, f, TOP_FIELDS);

	sl_place_init(&s, out, ret_error, param);
	if (rc)
		return json_refuse(&s, -rc, body, body_len);
	whole.value = memchr(body, '{', body_len);
	whole.value_len = (size_t)(body + body_len - whole.value);
	return put_all(&s, echo, f, &whole);
}
