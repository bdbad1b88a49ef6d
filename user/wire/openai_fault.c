/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server's error means. Servers agree on neither codes nor types, so two tables list
 * what is known, the more specific first; the HTTP status decides what is left.
 * Pure; any thread. Declared in openai.h.
 */
#include "user/wire/openai.h"

#include <string.h>

#define MESSAGE_SEARCH_BYTES_MAX 2048

enum error_field {
	ERROR,
	ERROR_MESSAGE,
	ERROR_TYPE,
	ERROR_CODE,
	ERROR_DETAILS,
	TOP_MESSAGE,
	TOP_TYPE,
	TOP_CODE,
	TOP_ERROR_TYPE,
	TOP_OBJECT,
	TOP_DETAIL,
	ERROR_FIELDS
};

/* Values of code, type and error_type. */
static const struct {
	const char *text;
	enum sl_openai_fault fault;
} names[] = {
	{"context_length_exceeded", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"exceed_context_size_error", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"string_above_max_length", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"content_filter", SL_OPENAI_FAULT_CONTENT_POLICY},
	{"content_policy_violation", SL_OPENAI_FAULT_CONTENT_POLICY},
	{"insufficient_quota", SL_OPENAI_FAULT_QUOTA},
	{"billing_hard_limit_reached", SL_OPENAI_FAULT_QUOTA},
	{"billing_not_active", SL_OPENAI_FAULT_QUOTA},
	{"billing_error", SL_OPENAI_FAULT_QUOTA},
	{"rate_limit_exceeded", SL_OPENAI_FAULT_RATE},
	{"rate_limit_error", SL_OPENAI_FAULT_RATE},
	{"invalid_api_key", SL_OPENAI_FAULT_AUTH},
	{"authentication_error", SL_OPENAI_FAULT_AUTH},
	{"permission_error", SL_OPENAI_FAULT_AUTH},
	{"model_not_found", SL_OPENAI_FAULT_MODEL},
	{"server_is_overloaded", SL_OPENAI_FAULT_OVERLOADED},
	{"overloaded_error", SL_OPENAI_FAULT_OVERLOADED},
	{"overloaded", SL_OPENAI_FAULT_OVERLOADED},
	{"unavailable_error", SL_OPENAI_FAULT_OVERLOADED},
};

/* Stretches of messages, as servers write them. Looked at only where no name decided. */
static const struct {
	const char *text;
	enum sl_openai_fault fault;
} phrases[] = {
	{"maximum context length", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"maximum model length", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"max_model_len", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"available context size", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"model's context length", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"`max_new_tokens` must be", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"prompt is too long", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"exceed context limit", SL_OPENAI_FAULT_CONTEXT_LENGTH},
	{"content filtering policy", SL_OPENAI_FAULT_CONTENT_POLICY},
	{"credit balance is too low", SL_OPENAI_FAULT_QUOTA},
	{"content management policy", SL_OPENAI_FAULT_CONTENT_POLICY},
	{"content policy", SL_OPENAI_FAULT_CONTENT_POLICY},
	{"safety system", SL_OPENAI_FAULT_CONTENT_POLICY},
	{"exceeded your current quota", SL_OPENAI_FAULT_QUOTA},
	{"Model is overloaded", SL_OPENAI_FAULT_OVERLOADED},
	{"The model `", SL_OPENAI_FAULT_MODEL}, /* "... does not exist", with status 404 */
};

/* Types that say little: they count only where the status says nothing either. */
static const struct {
	const char *text;
	enum sl_openai_fault fault;
} vague[] = {
	{"invalid_request_error", SL_OPENAI_FAULT_INVALID},
	{"BadRequestError", SL_OPENAI_FAULT_INVALID},
	{"validation", SL_OPENAI_FAULT_INVALID},
	{"NotFoundError", SL_OPENAI_FAULT_MODEL},
	{"not_found_error", SL_OPENAI_FAULT_MODEL},
	{"api_error", SL_OPENAI_FAULT_SERVER},
	{"timeout_error", SL_OPENAI_FAULT_SERVER},
	{"server_error", SL_OPENAI_FAULT_SERVER},
	{"internal_server_error", SL_OPENAI_FAULT_SERVER},
	{"InternalServerError", SL_OPENAI_FAULT_SERVER},
	{"generation", SL_OPENAI_FAULT_SERVER},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *const fault_names[] = {
	[SL_OPENAI_FAULT_NONE] = "none",
	[SL_OPENAI_FAULT_OTHER] = "other",
	[SL_OPENAI_FAULT_INVALID] = "invalid_request",
	[SL_OPENAI_FAULT_CONTEXT_LENGTH] = "context_length",
	[SL_OPENAI_FAULT_CONTENT_POLICY] = "content_policy",
	[SL_OPENAI_FAULT_AUTH] = "auth",
	[SL_OPENAI_FAULT_MODEL] = "model_not_found",
	[SL_OPENAI_FAULT_RATE] = "rate_limit",
	[SL_OPENAI_FAULT_QUOTA] = "quota",
	[SL_OPENAI_FAULT_OVERLOADED] = "overloaded",
	[SL_OPENAI_FAULT_SERVER] = "server_error",
};

const char *sl_openai_fault_name(enum sl_openai_fault fault)
{
	return (unsigned int)fault < COUNT(fault_names) ? fault_names[fault] : "unknown";
}

/* Any of the fields that hold a name equals the text. */
static bool named(const struct sl_json_field *f, const char *text)
{
	static const uint8_t places[] = {ERROR_CODE, ERROR_TYPE, TOP_CODE, TOP_TYPE,
					 TOP_ERROR_TYPE};
	size_t len = strlen(text);

	for (size_t i = 0; i < sizeof(places); i++)
		if (sl_json_string_equal(&f[places[i]], text, len))
			return true;
	return false;
}

static const struct sl_json_field *message_of(const struct sl_json_field *f)
{
	static const uint8_t places[] = {ERROR_MESSAGE, TOP_MESSAGE, ERROR, TOP_DETAIL};

	for (size_t i = 0; i < sizeof(places); i++)
		if (f[places[i]].type == SL_JSON_STRING)
			return &f[places[i]];
	return NULL;
}

static enum sl_openai_fault by_phrase(const struct sl_json_field *message, int status)
{
	size_t len;

	if (!message)
		return SL_OPENAI_FAULT_NONE;
	len = message->value_len < MESSAGE_SEARCH_BYTES_MAX ? message->value_len
							    : MESSAGE_SEARCH_BYTES_MAX;
	for (size_t i = 0; i < COUNT(phrases); i++)
		if (memmem(message->value, len, phrases[i].text, strlen(phrases[i].text)) &&
		    (phrases[i].fault != SL_OPENAI_FAULT_MODEL || status == 404))
			return phrases[i].fault;
	return SL_OPENAI_FAULT_NONE;
}

static enum sl_openai_fault by_status(int status)
{
	switch (status) {
	case 401:
	case 403:
		return SL_OPENAI_FAULT_AUTH;
	case 402:
		return SL_OPENAI_FAULT_QUOTA;
	case 404:
		return SL_OPENAI_FAULT_MODEL;
	case 429:
		return SL_OPENAI_FAULT_RATE;
	case 503:
	case 529:
		return SL_OPENAI_FAULT_OVERLOADED;
	}
	if (status >= 500)
		return SL_OPENAI_FAULT_SERVER;
	return status >= 400 ? SL_OPENAI_FAULT_INVALID : SL_OPENAI_FAULT_NONE;
}

/* Anthropic names several limits of an account's spending in a code below the error's type. */
static bool is_spent(const struct sl_json_field *details)
{
	struct sl_json_field code = SL_JSON_FIELD("error_code");
	static const char end[] = "_spend_limit_reached\"";

	return details->type == SL_JSON_OBJECT &&
	       !sl_json_scan(details->value, details->value_len, &code, 1) &&
	       code.type == SL_JSON_STRING && code.value_len > sizeof(end) - 1 &&
	       !memcmp(code.value + code.value_len - (sizeof(end) - 1), end, sizeof(end) - 1);
}

static enum sl_openai_fault judge(const struct sl_json_field *f, int status)
{
	enum sl_openai_fault fault;
	int64_t code;

	if (is_spent(&f[ERROR_DETAILS]))
		return SL_OPENAI_FAULT_QUOTA;
	for (size_t i = 0; i < COUNT(names); i++)
		if (named(f, names[i].text))
			return names[i].fault;
	fault = by_phrase(message_of(f), status);
	if (fault)
		return fault;
	/* an error event inside a stream often carries the status as its code */
	if (status < 400 &&
	    (sl_json_int(&f[ERROR_CODE], &code) == 0 || sl_json_int(&f[TOP_CODE], &code) == 0) &&
	    code >= 400 && code <= 599)
		status = (int)code;
	fault = by_status(status);
	if (fault)
		return fault;
	for (size_t i = 0; i < COUNT(vague); i++)
		if (named(f, vague[i].text))
			return vague[i].fault;
	return SL_OPENAI_FAULT_OTHER;
}

enum sl_openai_fault sl_openai_fault_read(int status, const char *body, size_t body_len,
					  struct sl_json_field *ret_message)
{
	struct sl_json_field f[ERROR_FIELDS] = {
		[ERROR] = SL_JSON_FIELD("error"),
		[ERROR_MESSAGE] = SL_JSON_FIELD_IN("error", "message"),
		[ERROR_TYPE] = SL_JSON_FIELD_IN("error", "type"),
		[ERROR_CODE] = SL_JSON_FIELD_IN("error", "code"),
		[ERROR_DETAILS] = SL_JSON_FIELD_IN("error", "details"),
		[TOP_MESSAGE] = SL_JSON_FIELD("message"),
		[TOP_TYPE] = SL_JSON_FIELD("type"),
		[TOP_CODE] = SL_JSON_FIELD("code"),
		[TOP_ERROR_TYPE] = SL_JSON_FIELD("error_type"),
		[TOP_OBJECT] = SL_JSON_FIELD("object"),
		[TOP_DETAIL] = SL_JSON_FIELD("detail"),
	};
	const struct sl_json_field *message;

	if (ret_message)
		*ret_message = (struct sl_json_field){.type = SL_JSON_ABSENT};
	if (sl_json_scan(body, body_len, f, ERROR_FIELDS) < 0)
		return by_status(status);
	if (status < 400 && (f[ERROR].type == SL_JSON_ABSENT || f[ERROR].type == SL_JSON_NULL) &&
	    !sl_json_string_equal(&f[TOP_OBJECT], "error", 5))
		return SL_OPENAI_FAULT_NONE;
	message = message_of(f);
	if (message && ret_message)
		*ret_message = *message;
	return judge(f, status);
}
