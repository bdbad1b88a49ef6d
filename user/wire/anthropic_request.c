/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a request of the Messages API to one of chat completions. What the servers cannot be told is
 * refused by the name of its field; hints that change no answer (cache_control) are left out; a
 * top-level field that the API does not know passes on, as on the OpenAI endpoints.
 * The parts of messages are in anthropic_message.c. Pure but for sl_text; any thread.
 */
#include "user/wire/anthropic.h"

#include <stdio.h>
#include <string.h>
#include "user/wire/anthropic_request.h"

enum top_field {
	MODEL,
	MESSAGES,
	SYSTEM,
	MAX_TOKENS,
	STOP_SEQUENCES,
	STREAM,
	TEMPERATURE,
	TOP_P,
	TOP_K,
	METADATA,
	TOOLS,
	TOOL_CHOICE,
	THINKING,
	OUTPUT_CONFIG,
	OUTPUT_FORMAT,
	SERVICE_TIER,
	CACHE_CONTROL,
	TOP_FIELDS
};

/* Of the API, without an equal on the other side; or of the other side, where we write them. */
static const struct {
	const char *name;
	const char *instead;
} refused[] = {
	{"container", "leave it out"},
	{"context_management", "leave it out"},
	{"diagnostics", "leave it out"},
	{"inference_geo", "leave it out"},
	{"user_profile_id", "leave it out"},
	{"workspace_id", "leave it out"},
	{"mcp_servers", "leave it out"},
	{"speed", "leave it out"},
	{"stop", "this API's field is 'stop_sequences'"},
	{"user", "this API's field is 'metadata.user_id'"},
	{"max_completion_tokens", "this API's field is 'max_tokens'"},
	{"response_format", "this API's field is 'output_config.format'"},
	{"reasoning_effort", "this API's field is 'output_config.effort'"},
	{"parallel_tool_calls", "this API's field is 'tool_choice.disable_parallel_tool_use'"},
	{"functions", "this API's field is 'tools'"},
	{"function_call", "this API's field is 'tool_choice'"},
	{"stream_options", "this API's streams always hold usage"},
	{"n", "a message is one answer"},
	{"continue_final_message", "a last message of the assistant is continued"},
	{"add_generation_prompt", "a last message of the assistant is continued"},
};

/* ---- single values --------------------------------------------------------------------------- */

/* ,"name":VALUE as it stands. */
static void put_member(struct sl_place *s, const char *name, const struct sl_json_field *value)
{
	sl_text_append_string(s->out, ",\"");
	sl_text_append_string(s->out, name);
	sl_text_append_string(s->out, "\":");
	sl_chat_put_raw(s->out, value);
}

static enum sl_openai_error_id put_numbers(struct sl_place *s, const struct sl_json_field *f)
{
	int64_t value;

	if (!sl_chat_given(&f[MAX_TOKENS]))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_MISSING, "max_tokens", NULL);
	if (sl_json_int(&f[MAX_TOKENS], &value) || value < 1 || value > INT32_MAX)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, "max_tokens",
					   "an integer of at least 1");
	put_member(s, "max_tokens", &f[MAX_TOKENS]);
	if (sl_chat_given(&f[TEMPERATURE])) {
		double temperature;

		if (sl_json_double(&f[TEMPERATURE], &temperature) || temperature < 0)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, "temperature",
						   "a number of at least 0");
		put_member(s, "temperature", &f[TEMPERATURE]);
	}
	if (sl_chat_given(&f[TOP_P])) {
		if (f[TOP_P].type != SL_JSON_NUMBER)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "top_p", "a number");
		put_member(s, "top_p", &f[TOP_P]);
	}
	if (sl_chat_given(&f[TOP_K])) {
		if (sl_json_int(&f[TOP_K], &value))
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "top_k", "an integer");
		put_member(s, "top_k", &f[TOP_K]);
	}
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_stop(struct sl_place *s, const struct sl_json_field *sequences)
{
	static const char expected[] = "an array of strings";
	struct sl_json_field element;
	const char *cursor = NULL;
	size_t count = 0;

	if (!sl_chat_given(sequences))
		return SL_OPENAI_OK;
	if (sequences->type != SL_JSON_ARRAY)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "stop_sequences", expected);
	while (sl_json_each(sequences, &cursor, &element)) {
		if (element.type != SL_JSON_STRING)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "stop_sequences",
						   expected);
		count++;
	}
	if (count)
		put_member(s, "stop", sequences);
	return SL_OPENAI_OK;
}

/* Usage is always asked for: the last events of a stream hold it. */
static enum sl_openai_error_id put_stream(struct sl_place *s, const struct sl_json_field *stream)
{
	bool on = false;

	if (!sl_chat_given(stream))
		return SL_OPENAI_OK;
	if (sl_json_bool(stream, &on))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "stream", "a boolean");
	if (on)
		sl_text_append_string(s->out, ",\"stream\":true,"
					      "\"stream_options\":{\"include_usage\":true}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_metadata(struct sl_place *s,
					    const struct sl_json_field *metadata)
{
	struct sl_json_field user = SL_JSON_FIELD("user_id");
	enum sl_openai_error_id id;
	char text[SL_OPENAI_USER_BYTES_MAX + 1];
	int len;

	if (!sl_chat_given(metadata))
		return SL_OPENAI_OK;
	if (metadata->type != SL_JSON_OBJECT)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "metadata", "an object");
	s->list = "metadata";
	id = sl_place_object_read(s, metadata, &user, 1, true);
	if (id || !sl_chat_given(&user))
		return id;
	len = sl_json_string(&user, text, sizeof(text));
	if (len < 0 || strlen(text) != (size_t)len)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, "metadata.user_id",
					   "a string of at most 255 bytes");
	put_member(s, "user", &user);
	return SL_OPENAI_OK;
}

/* ---- what the model shall do ----------------------------------------------------------------- */

static enum sl_openai_error_id check_thinking(struct sl_place *s,
					      const struct sl_json_field *thinking)
{
	struct sl_json_field type = SL_JSON_FIELD("type");

	if (!sl_chat_given(thinking))
		return SL_OPENAI_OK;
	if (thinking->type != SL_JSON_OBJECT ||
	    sl_json_scan(thinking->value, thinking->value_len, &type, 1))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "thinking", "an object");
	if (!sl_json_string_equal(&type, "disabled", 8))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "thinking",
					   "leave it out, or send {\"type\":\"disabled\"}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_format(struct sl_place *s, const char *key,
					  const struct sl_json_field *format)
{
	enum { TYPE, SCHEMA, COUNT };
	struct sl_json_field f[COUNT] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[SCHEMA] = SL_JSON_FIELD("schema"),
	};
	enum sl_openai_error_id id;

	if (!sl_chat_given(format))
		return SL_OPENAI_OK;
	if (format->type != SL_JSON_OBJECT)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, key, "an object");
	s->list = key;
	id = sl_place_object_read(s, format, f, COUNT, true);
	if (id)
		return id;
	if (!sl_json_string_equal(&f[TYPE], "json_schema", 11))
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "type", "\"json_schema\"");
	if (f[SCHEMA].type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "schema", "an object");
	sl_text_append_string(s->out, ",\"response_format\":{\"type\":\"json_schema\","
				      "\"json_schema\":{\"name\":\"answer\",\"strict\":true,"
				      "\"schema\":");
	sl_chat_put_raw(s->out, &f[SCHEMA]);
	sl_text_append_string(s->out, "}}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_output(struct sl_place *s, const struct sl_json_field *config,
					  const struct sl_json_field *old_format)
{
	enum { FORMAT, EFFORT, COUNT };
	struct sl_json_field f[COUNT] = {
		[FORMAT] = SL_JSON_FIELD("format"),
		[EFFORT] = SL_JSON_FIELD("effort"),
	};
	enum sl_openai_error_id id;

	if (sl_chat_given(config)) {
		if (config->type != SL_JSON_OBJECT)
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "output_config",
						   "an object");
		s->list = "output_config";
		id = sl_place_object_read(s, config, f, COUNT, true);
		if (id)
			return id;
	}
	if (sl_chat_given(&f[FORMAT]) && sl_chat_given(old_format))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_VALUE, "output_format",
					   "one of 'output_config.format' and 'output_format'");
	if (sl_chat_given(&f[EFFORT])) {
		if (!sl_json_string_equal(&f[EFFORT], "low", 3) &&
		    !sl_json_string_equal(&f[EFFORT], "medium", 6) &&
		    !sl_json_string_equal(&f[EFFORT], "high", 4))
			return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED,
						   "output_config.effort",
						   "send \"low\", \"medium\" or \"high\"");
		put_member(s, "reasoning_effort", &f[EFFORT]);
	}
	id = put_format(s, "output_config.format", &f[FORMAT]);
	return id ? id : put_format(s, "output_format", old_format);
}

static enum sl_openai_error_id check_tier(struct sl_place *s, const struct sl_json_field *tier)
{
	if (!sl_chat_given(tier) || sl_json_string_equal(tier, "auto", 4) ||
	    sl_json_string_equal(tier, "standard_only", 13))
		return SL_OPENAI_OK;
	return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED, "service_tier",
				   "leave it out, or send \"auto\"");
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Fields that neither side's translation knows: the servers' own, such as vLLM's. */
static enum sl_openai_error_id put_others(struct sl_place *s, const struct sl_json_field *whole,
					  const struct sl_json_field *f)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	size_t i;

	while (sl_json_each_member(whole, &cursor, &key, &value)) {
		for (i = 0; i < TOP_FIELDS; i++) {
			if (sl_json_string_equal(&key, f[i].name, f[i].name_len))
				break;
		}
		if (i < TOP_FIELDS)
			continue;
		for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
			if (value.type != SL_JSON_NULL &&
			    sl_json_string_equal(&key, refused[i].name, strlen(refused[i].name)))
				return sl_place_refuse_top(s, SL_OPENAI_ERROR_UNTRANSLATED,
							   refused[i].name, refused[i].instead);
			if (sl_json_string_equal(&key, refused[i].name, strlen(refused[i].name)))
				break;
		}
		if (i < sizeof(refused) / sizeof(refused[0]))
			continue;
		sl_text_append_char(s->out, ',');
		sl_chat_put_raw(s->out, &key);
		sl_text_append_char(s->out, ':');
		sl_chat_put_raw(s->out, &value);
	}
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id json_refuse(struct sl_place *s, const struct sl_json_field *f,
					   int bad, const char *body, size_t body_len)
{
	struct sl_openai_error *e = s->error;
	size_t at;

	*e = (struct sl_openai_error){.id = SL_OPENAI_ERROR_JSON,
				      .param = sl_json_refused_name(f, TOP_FIELDS),
				      .bad = (enum sl_json_bad)bad,
				      .object = sl_json_bad_text((enum sl_json_bad)bad)};
	if (!e->param && sl_json_check(body, body_len, &at) < 0) {
		snprintf(e->text, sizeof(e->text), "at byte %zu of %zu", at, body_len);
		e->detail = e->text;
	} else if (e->param) {
		snprintf(e->text, sizeof(e->text), "(give '%s' once, spelt like this)", e->param);
		e->detail = e->text;
	}
	return e->id;
}

static enum sl_openai_error_id put_all(struct sl_place *s, const struct sl_json_field *f,
				       const struct sl_json_field *whole)
{
	enum sl_openai_error_id id;

	if (!sl_chat_given(&f[MODEL]))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_MISSING, "model", NULL);
	if (f[MODEL].type != SL_JSON_STRING)
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, "model", "a string");
	sl_text_append_string(s->out, "{\"model\":");
	sl_chat_put_raw(s->out, &f[MODEL]);
	if ((id = sl_anthropic_messages_put(s, &f[SYSTEM], &f[MESSAGES])) ||
	    (id = put_numbers(s, f)) || (id = put_stop(s, &f[STOP_SEQUENCES])) ||
	    (id = put_stream(s, &f[STREAM])) || (id = put_metadata(s, &f[METADATA])) ||
	    (id = sl_anthropic_tools_put(s, &f[TOOLS], &f[TOOL_CHOICE])) ||
	    (id = check_thinking(s, &f[THINKING])) ||
	    (id = put_output(s, &f[OUTPUT_CONFIG], &f[OUTPUT_FORMAT])) ||
	    (id = check_tier(s, &f[SERVICE_TIER])) || (id = put_others(s, whole, f)))
		return id;
	sl_text_append_char(s->out, '}');
	if (!s->out->error)
		return SL_OPENAI_OK;
	*s->error =
		(struct sl_openai_error){.id = SL_OPENAI_ERROR_INTERNAL,
					 .object = "the translated request needs too much memory"};
	return s->error->id;
}

enum sl_openai_error_id sl_anthropic_request_translate(const char *body, size_t body_len,
						       struct sl_text *out,
						       char param[SL_ANTHROPIC_PARAM_BYTES],
						       struct sl_openai_error *ret_error)
{
	struct sl_json_field f[TOP_FIELDS] = {
		[MODEL] = SL_JSON_FIELD("model"),
		[MESSAGES] = SL_JSON_FIELD("messages"),
		[SYSTEM] = SL_JSON_FIELD("system"),
		[MAX_TOKENS] = SL_JSON_FIELD("max_tokens"),
		[STOP_SEQUENCES] = SL_JSON_FIELD("stop_sequences"),
		[STREAM] = SL_JSON_FIELD("stream"),
		[TEMPERATURE] = SL_JSON_FIELD("temperature"),
		[TOP_P] = SL_JSON_FIELD("top_p"),
		[TOP_K] = SL_JSON_FIELD("top_k"),
		[METADATA] = SL_JSON_FIELD("metadata"),
		[TOOLS] = SL_JSON_FIELD("tools"),
		[TOOL_CHOICE] = SL_JSON_FIELD("tool_choice"),
		[THINKING] = SL_JSON_FIELD("thinking"),
		[OUTPUT_CONFIG] = SL_JSON_FIELD("output_config"),
		[OUTPUT_FORMAT] = SL_JSON_FIELD("output_format"),
		[SERVICE_TIER] = SL_JSON_FIELD("service_tier"),
		[CACHE_CONTROL] = SL_JSON_FIELD("cache_control"),
	};
	struct sl_place s;
	struct sl_json_field whole = {.type = SL_JSON_OBJECT};
	int rc;

	sl_place_init(&s, out, ret_error, param);
	s.dots = true;
	for (size_t i = 0; i < TOP_FIELDS; i++)
		f[i].any_case = true;
	rc = sl_json_scan(body, body_len, f, TOP_FIELDS);
	if (rc)
		return json_refuse(&s, f, -rc, body, body_len);
	whole.value = memchr(body, '{', body_len);
	whole.value_len = (size_t)(body + body_len - whole.value);
	return put_all(&s, f, &whole);
}
