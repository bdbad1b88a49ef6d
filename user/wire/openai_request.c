/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of a request body, and the edits that make it the server's. Checks only what the
 * gateway itself relies on; what a model allows is for its server to say.
 * Pure; any thread. Declared in openai.h.
 */
#include "user/wire/openai.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum wanted {
	MODEL,
	PROMPT, /* messages, prompt or input: the name depends on the endpoint */
	STREAM,
	STREAM_OPTIONS,
	INCLUDE_USAGE,
	MAX_TOKENS,
	MAX_COMPLETION_TOKENS,
	N,
	SEED,
	TEMPERATURE,
	USER,
	SAFETY_IDENTIFIER,
	TOOLS,
	FUNCTIONS,
	RESPONSE_FORMAT,
	LOGPROBS,
	PROMPT_CACHE_KEY,
	PROMPT_REF, /* chat alone: a stored prompt and its variables */
	WANTED_COUNT
};

#define INCLUDE_USAGE_MEMBER "\"include_usage\":true"

struct reader {
	struct sl_json_field f[WANTED_COUNT];
	struct sl_openai_error *error;
};

static enum sl_openai_error_id fail(struct reader *r, enum sl_openai_error_id id,
				    const struct sl_json_field *f, const char *expected)
{
	*r->error = (struct sl_openai_error){.id = id, .object = expected};
	if (f)
		r->error->param = f->parent ? "stream_options.include_usage" : f->name;
	return id;
}

/* null counts as absent, as in the API. */
static bool given(const struct sl_json_field *f)
{
	return f->type != SL_JSON_ABSENT && f->type != SL_JSON_NULL;
}

static enum sl_openai_error_id read_bool(struct reader *r, enum wanted which, bool *ret_value)
{
	*ret_value = false;
	if (!given(&r->f[which]))
		return SL_OPENAI_OK;
	if (sl_json_bool(&r->f[which], ret_value) < 0)
		return fail(r, SL_OPENAI_ERROR_TYPE, &r->f[which], "a boolean");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id read_int(struct reader *r, enum wanted which, int64_t min,
					int64_t max, const char *expected, int64_t *ret_value)
{
	int64_t value;
	int rc;

	if (!given(&r->f[which]))
		return SL_OPENAI_OK;
	rc = sl_json_int(&r->f[which], &value);
	if (rc == -EINVAL)
		return fail(r, SL_OPENAI_ERROR_TYPE, &r->f[which], "an integer");
	if (rc < 0 || value < min || value > max)
		return fail(r, SL_OPENAI_ERROR_VALUE, &r->f[which], expected);
	*ret_value = value;
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id read_numbers(struct reader *r, struct sl_openai_request *q)
{
	enum sl_openai_error_id id;

	q->max_tokens = q->n = -1;
	q->temperature = -1;
	id = read_int(r, MAX_TOKENS, 0, INT32_MAX, "an integer of at least 0", &q->max_tokens);
	if (id)
		return id;
	id = read_int(r, MAX_COMPLETION_TOKENS, 0, INT32_MAX, "an integer of at least 0",
		      &q->max_tokens);
	if (id)
		return id;
	id = read_int(r, N, 1, SL_OPENAI_CHOICES_MAX, "an integer from 1 to 128", &q->n);
	if (id)
		return id;
	id = read_int(r, SEED, INT64_MIN, INT64_MAX, "a 64-bit integer", &q->seed);
	if (id)
		return id;
	q->has_seed = given(&r->f[SEED]);
	if (!given(&r->f[TEMPERATURE]))
		return SL_OPENAI_OK;
	if (r->f[TEMPERATURE].type != SL_JSON_NUMBER)
		return fail(r, SL_OPENAI_ERROR_TYPE, &r->f[TEMPERATURE], "a number");
	if (sl_json_double(&r->f[TEMPERATURE], &q->temperature) < 0 || q->temperature < 0)
		return fail(r, SL_OPENAI_ERROR_VALUE, &r->f[TEMPERATURE], "a number of at least 0");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id read_model(struct reader *r, struct sl_openai_request *q)
{
	const struct sl_json_field *f = &r->f[MODEL];
	int len;

	if (!given(f))
		return fail(r, SL_OPENAI_ERROR_MISSING, f, NULL);
	if (f->type != SL_JSON_STRING)
		return fail(r, SL_OPENAI_ERROR_TYPE, f, "a string");
	len = sl_json_string(f, q->model, sizeof(q->model));
	/* a NUL would make two names of one for whoever compares C strings */
	if (len <= 0 || strlen(q->model) != (size_t)len)
		return fail(r, SL_OPENAI_ERROR_VALUE, f, "a name of 1 to 127 bytes");
	q->model_len = (size_t)len;
	q->model_field = *f;
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id read_user(struct reader *r, struct sl_openai_request *q)
{
	const struct sl_json_field *f =
		&r->f[given(&r->f[SAFETY_IDENTIFIER]) ? SAFETY_IDENTIFIER : USER];
	int len;

	if (!given(f))
		return SL_OPENAI_OK;
	if (f->type != SL_JSON_STRING)
		return fail(r, SL_OPENAI_ERROR_TYPE, f, "a string");
	len = sl_json_string(f, q->user, sizeof(q->user));
	if (len < 0 || strlen(q->user) != (size_t)len)
		return fail(r, SL_OPENAI_ERROR_VALUE, f, "a string of at most 255 bytes");
	q->user_len = (size_t)len;
	return SL_OPENAI_OK;
}

static bool array_filled(const struct sl_json_field *f)
{
	struct sl_json_field element;
	const char *cursor = NULL;

	return f->type == SL_JSON_ARRAY && sl_json_each(f, &cursor, &element);
}

static enum sl_openai_error_id read_prompt(struct reader *r, struct sl_openai_request *q)
{
	const struct sl_json_field *f = &r->f[PROMPT];
	size_t tokens;

	if (q->endpoint == SL_OPENAI_CHAT && r->f[PROMPT_REF].type == SL_JSON_OBJECT)
		q->prompt_ref = r->f[PROMPT_REF];
	q->no_messages = q->prompt_ref.type == SL_JSON_OBJECT && !array_filled(f) &&
			 (!given(f) || f->type == SL_JSON_ARRAY);
	if (q->no_messages)
		f = &r->f[PROMPT_REF];
	if (!given(f))
		return fail(r, SL_OPENAI_ERROR_MISSING, f, NULL);
	if (q->endpoint == SL_OPENAI_CHAT && f->type != SL_JSON_ARRAY && !q->no_messages)
		return fail(r, SL_OPENAI_ERROR_TYPE, f, "an array of messages");
	if (f->type != SL_JSON_ARRAY && f->type != SL_JSON_STRING && !q->no_messages)
		return fail(r, SL_OPENAI_ERROR_TYPE, f, "a string or an array");
	if (f->type == SL_JSON_ARRAY && !array_filled(f))
		return fail(r, SL_OPENAI_ERROR_VALUE, f, "at least one element");
	q->prompt_field = *f;
	q->prompt_bytes = f->value_len;
	tokens = f->value_len / SL_OPENAI_BYTES_PER_TOKEN;
	q->prompt_tokens_estimate = tokens == 0		  ? 1
				    : tokens > UINT32_MAX ? UINT32_MAX
							  : (uint32_t)tokens;
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id read_stream(struct reader *r, struct sl_openai_request *q)
{
	enum sl_openai_error_id id = read_bool(r, STREAM, &q->stream);

	if (id)
		return id;
	if (given(&r->f[STREAM_OPTIONS]) && r->f[STREAM_OPTIONS].type != SL_JSON_OBJECT)
		return fail(r, SL_OPENAI_ERROR_TYPE, &r->f[STREAM_OPTIONS], "an object");
	id = read_bool(r, INCLUDE_USAGE, &q->include_usage);
	q->stream_options_field = r->f[STREAM_OPTIONS];
	q->include_usage_field = r->f[INCLUDE_USAGE];
	return id;
}

/* Names the byte at which the text stops being what we want, or the key. */
static enum sl_openai_error_id fail_json(struct reader *r, int bad, const char *body,
					 size_t body_len)
{
	struct sl_openai_error *e = r->error;
	size_t at;

	fail(r, SL_OPENAI_ERROR_JSON, NULL, sl_json_bad_text((enum sl_json_bad)bad));
	e->bad = (enum sl_json_bad)bad;
	e->param = sl_json_refused_name(r->f, WANTED_COUNT);
	if (!e->param && sl_json_check(body, body_len, &at) < 0) {
		snprintf(e->text, sizeof(e->text), "at byte %zu of %zu", at, body_len);
		e->detail = e->text;
	} else if (e->param) {
		snprintf(e->text, sizeof(e->text), "(give '%s' once, spelt like this)", e->param);
		e->detail = e->text;
	}
	return e->id;
}

enum sl_openai_error_id sl_openai_request_read(enum sl_openai_endpoint endpoint, const char *body,
					       size_t body_len,
					       struct sl_openai_request *ret_request,
					       struct sl_openai_error *ret_error)
{
	struct reader r = {
		.f =
			{
				[MODEL] = SL_JSON_FIELD("model"),
				[PROMPT] = SL_JSON_FIELD("messages"),
				[STREAM] = SL_JSON_FIELD("stream"),
				[STREAM_OPTIONS] = SL_JSON_FIELD("stream_options"),
				[INCLUDE_USAGE] =
					SL_JSON_FIELD_IN("stream_options", "include_usage"),
				[MAX_TOKENS] = SL_JSON_FIELD("max_tokens"),
				[MAX_COMPLETION_TOKENS] = SL_JSON_FIELD("max_completion_tokens"),
				[N] = SL_JSON_FIELD("n"),
				[SEED] = SL_JSON_FIELD("seed"),
				[TEMPERATURE] = SL_JSON_FIELD("temperature"),
				[USER] = SL_JSON_FIELD("user"),
				[SAFETY_IDENTIFIER] = SL_JSON_FIELD("safety_identifier"),
				[TOOLS] = SL_JSON_FIELD("tools"),
				[FUNCTIONS] = SL_JSON_FIELD("functions"),
				[RESPONSE_FORMAT] = SL_JSON_FIELD("response_format"),
				[LOGPROBS] = SL_JSON_FIELD("logprobs"),
				[PROMPT_CACHE_KEY] = SL_JSON_FIELD("prompt_cache_key"),
				[PROMPT_REF] = SL_JSON_FIELD("prompt"),
			},
		.error = ret_error,
	};
	struct sl_openai_request *q = ret_request;
	enum sl_openai_error_id id;
	int rc;

	if (endpoint == SL_OPENAI_COMPLETIONS) {
		r.f[PROMPT] = (struct sl_json_field)SL_JSON_FIELD("prompt");
		r.f[PROMPT_REF] =
			(struct sl_json_field)SL_JSON_FIELD("messages"); /* not looked at */
	}
	if (endpoint == SL_OPENAI_EMBEDDINGS)
		r.f[PROMPT] = (struct sl_json_field)SL_JSON_FIELD("input");
	for (size_t i = 0; i < WANTED_COUNT; i++)
		r.f[i].any_case = !r.f[i].parent;
	rc = sl_json_scan(body, body_len, r.f, WANTED_COUNT);
	if (rc < 0)
		return fail_json(&r, -rc, body, body_len);
	*q = (struct sl_openai_request){.endpoint = endpoint, .body = body, .body_len = body_len};
	if ((id = read_model(&r, q)) || (id = read_prompt(&r, q)) || (id = read_stream(&r, q)) ||
	    (id = read_numbers(&r, q)) || (id = read_user(&r, q)))
		return id;
	q->has_tools = array_filled(&r.f[TOOLS]) || array_filled(&r.f[FUNCTIONS]);
	q->has_response_format = r.f[RESPONSE_FORMAT].type == SL_JSON_OBJECT;
	q->cache_key_field = r.f[PROMPT_CACHE_KEY];
	q->logprobs = given(&r.f[LOGPROBS]) && r.f[LOGPROBS].type != SL_JSON_FALSE;
	return SL_OPENAI_OK;
}

/* The edit that asks the server for usage, wherever the client left room for it. */
static struct sl_json_edit usage_edit(const struct sl_openai_request *q)
{
	static const char object[] = "{" INCLUDE_USAGE_MEMBER "}";
	static const char whole[] = "\"stream_options\":{" INCLUDE_USAGE_MEMBER "}";

	if (q->include_usage_field.type != SL_JSON_ABSENT)
		return sl_json_edit_replace(q->body, &q->include_usage_field, "true", 4);
	if (q->stream_options_field.type == SL_JSON_OBJECT)
		return sl_json_edit_insert(q->body, q->body_len, &q->stream_options_field,
					   INCLUDE_USAGE_MEMBER, sizeof(INCLUDE_USAGE_MEMBER) - 1);
	if (q->stream_options_field.type == SL_JSON_NULL)
		return sl_json_edit_replace(q->body, &q->stream_options_field, object,
					    sizeof(object) - 1);
	return sl_json_edit_insert(q->body, q->body_len, NULL, whole, sizeof(whole) - 1);
}

size_t sl_openai_request_edits(const struct sl_openai_request *request, const char *model_json,
			       size_t model_json_len, bool want_usage,
			       struct sl_json_edit ret_edits[2])
{
	size_t count = 0;

	if (model_json && (model_json_len != request->model_field.value_len ||
			   memcmp(model_json, request->model_field.value, model_json_len) != 0))
		ret_edits[count++] = sl_json_edit_replace(request->body, &request->model_field,
							  model_json, model_json_len);
	if (want_usage && request->stream && !request->include_usage)
		ret_edits[count++] = usage_edit(request);
	if (count == 2 && ret_edits[0].at > ret_edits[1].at) {
		struct sl_json_edit first = ret_edits[1];

		ret_edits[1] = ret_edits[0];
		ret_edits[0] = first;
	}
	return count;
}
