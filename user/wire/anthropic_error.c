/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors in Anthropic's shape: ours by one table, a server's by its status. The words are those of
 * openai_error.c, or the server's own. Pure; any thread. Declared in anthropic.h.
 */
#include "user/wire/anthropic.h"

#include <errno.h>
#include <string.h>

/* The error types of the API. */
#define INVALID	   "invalid_request_error"
#define AUTH	   "authentication_error"
#define BILLING	   "billing_error"
#define FORBIDDEN  "permission_error"
#define NOT_FOUND  "not_found_error"
#define TOO_LARGE  "request_too_large"
#define RATE	   "rate_limit_error"
#define API	   "api_error"
#define TIMEOUT	   "timeout_error"
#define OVERLOADED "overloaded_error"

struct entry {
	uint16_t status;
	const char *type;
};

static const struct entry entries[SL_OPENAI_ERROR_COUNT] = {
	[SL_OPENAI_OK] = {200, API},
	[SL_OPENAI_ERROR_JSON] = {400, INVALID},
	[SL_OPENAI_ERROR_MISSING] = {400, INVALID},
	[SL_OPENAI_ERROR_TYPE] = {400, INVALID},
	[SL_OPENAI_ERROR_VALUE] = {400, INVALID},
	[SL_OPENAI_ERROR_CONTENT_TYPE] = {400, INVALID},
	[SL_OPENAI_ERROR_HTTP] = {400, INVALID},
	[SL_OPENAI_ERROR_KEY_MISSING] = {401, AUTH},
	[SL_OPENAI_ERROR_KEY] = {401, AUTH},
	[SL_OPENAI_ERROR_FORBIDDEN] = {403, FORBIDDEN},
	[SL_OPENAI_ERROR_PATH] = {404, NOT_FOUND},
	[SL_OPENAI_ERROR_METHOD] = {405, INVALID},
	[SL_OPENAI_ERROR_MODEL] = {404, NOT_FOUND},
	[SL_OPENAI_ERROR_NO_COUNT] = {404, NOT_FOUND},
	[SL_OPENAI_ERROR_NOT_STORED] = {404, NOT_FOUND},
	[SL_OPENAI_ERROR_TIMEOUT_READ] = {408, INVALID},
	[SL_OPENAI_ERROR_TOO_LARGE] = {413, TOO_LARGE},
	[SL_OPENAI_ERROR_HEAD_LARGE] = {431, INVALID},
	[SL_OPENAI_ERROR_CONTEXT] = {400, INVALID},
	[SL_OPENAI_ERROR_RATE] = {429, RATE},
	[SL_OPENAI_ERROR_QUOTA] = {429, RATE},
	[SL_OPENAI_ERROR_CLIENT_GONE] = {499, INVALID},
	[SL_OPENAI_ERROR_INTERNAL] = {500, API},
	[SL_OPENAI_ERROR_UNSUPPORTED] = {400, INVALID},
	[SL_OPENAI_ERROR_UNTRANSLATED] = {400, INVALID},
	[SL_OPENAI_ERROR_UPSTREAM] = {500, API},
	[SL_OPENAI_ERROR_POLICY] = {400, INVALID},
	[SL_OPENAI_ERROR_UNCHECKED] = {529, OVERLOADED},
	[SL_OPENAI_ERROR_ANSWER] = {500, API},
	[SL_OPENAI_ERROR_OVERLOADED] = {529, OVERLOADED},
	[SL_OPENAI_ERROR_QUEUE] = {529, OVERLOADED},
	[SL_OPENAI_ERROR_NO_NODE] = {529, OVERLOADED},
	[SL_OPENAI_ERROR_DRAINING] = {529, OVERLOADED},
	[SL_OPENAI_ERROR_DEADLINE] = {504, TIMEOUT},
	[SL_OPENAI_ERROR_STREAM_CUT] = {500, API},
	[SL_OPENAI_ERROR_STREAM_STALL] = {504, TIMEOUT},
};

/* An error that was added to openai_error.c alone keeps that file's status. */
static struct entry entry_of(enum sl_openai_error_id id)
{
	struct entry entry = {0, NULL};
	int status;

	if ((unsigned int)id < SL_OPENAI_ERROR_COUNT)
		entry = entries[id];
	if (entry.type)
		return entry;
	status = sl_openai_error_status(id);
	return (struct entry){(uint16_t)status, status >= 500 ? API : INVALID};
}

int sl_anthropic_error_status(enum sl_openai_error_id id)
{
	return entry_of(id).status;
}

bool sl_anthropic_path(const char *path, size_t path_len)
{
	static const char base[] = "/v1/messages";
	size_t len = sizeof(base) - 1;

	return path_len >= len && memcmp(path, base, len) == 0 &&
	       (path_len == len || path[len] == '/');
}

/* From the type on; message: the inside of a JSON string. */
static void put_error(struct sl_text *out, const char *type, struct sl_span message,
		      const char *request_id)
{
	sl_text_append_string(out, "{\"type\":\"error\",\"error\":{\"type\":\"");
	sl_text_append_string(out, type);
	sl_text_append_string(out, "\",\"message\":\"");
	sl_text_append_span(out, message);
	sl_text_append_string(out, "\"},\"request_id\":");
	if (request_id && request_id[0])
		sl_text_append_json_string(out, request_id);
	else
		sl_text_append_string(out, "null");
	sl_text_append_char(out, '}');
}

static void put_own(struct sl_text *out, const struct sl_openai_error *error,
		    const char *request_id)
{
	char message[SL_OPENAI_MESSAGE_BYTES_MAX], escaped[6 * SL_OPENAI_MESSAGE_BYTES_MAX];
	size_t len = sl_openai_error_message(error, message);
	int escaped_len = sl_json_escape(message, len, escaped, sizeof(escaped));

	put_error(out, entry_of(error->id).type,
		  sl_span_make(escaped, escaped_len > 0 ? (size_t)escaped_len : 0), request_id);
}

int sl_anthropic_error_write(const struct sl_openai_error *error, const char *request_id, char *out,
			     size_t out_size)
{
	struct sl_text text;

	sl_text_init_fixed(&text, out, out_size);
	put_own(&text, error, request_id);
	return text.error ? -ENOSPC : (int)text.len;
}

int sl_anthropic_error_event_write(const struct sl_openai_error *error, const char *request_id,
				   char *out, size_t out_size)
{
	struct sl_text text;

	sl_text_init_fixed(&text, out, out_size);
	sl_text_append_string(&text, "event: error\ndata: ");
	put_own(&text, error, request_id);
	sl_text_append_string(&text, "\n\n");
	return text.error ? -ENOSPC : (int)text.len;
}

/* ---- a server's error ------------------------------------------------------------------------ */

static struct entry entry_of_status(int status)
{
	switch (status) {
	case 401:
		return (struct entry){401, AUTH};
	case 402:
		return (struct entry){402, BILLING};
	case 403:
		return (struct entry){403, FORBIDDEN};
	case 404:
		return (struct entry){404, NOT_FOUND};
	case 413:
		return (struct entry){413, TOO_LARGE};
	case 429:
		return (struct entry){429, RATE};
	case 503:
	case 529:
		return (struct entry){529, OVERLOADED};
	case 504:
		return (struct entry){504, TIMEOUT};
	}
	if (status >= 500)
		return (struct entry){500, API};
	/* servers say 422 too for what the API says with 400 */
	return (struct entry){status >= 400 && status != 422 ? (uint16_t)status : 400, INVALID};
}

/* In a stream there is no status: what the words mean decides. */
static struct entry entry_of_fault(enum sl_openai_fault fault)
{
	switch (fault) {
	case SL_OPENAI_FAULT_INVALID:
	case SL_OPENAI_FAULT_CONTEXT_LENGTH:
	case SL_OPENAI_FAULT_CONTENT_POLICY:
		return (struct entry){400, INVALID};
	case SL_OPENAI_FAULT_AUTH:
		return (struct entry){401, AUTH};
	case SL_OPENAI_FAULT_MODEL:
		return (struct entry){404, NOT_FOUND};
	case SL_OPENAI_FAULT_RATE:
	case SL_OPENAI_FAULT_QUOTA:
		return (struct entry){429, RATE};
	case SL_OPENAI_FAULT_OVERLOADED:
		return (struct entry){529, OVERLOADED};
	default:
		return (struct entry){500, API};
	}
}

static void put_fault(struct sl_text *out, struct entry entry, enum sl_openai_fault fault,
		      const struct sl_json_field *given, const char *request_id)
{
	struct sl_span message = SL_SPAN("The server answered with an error and gave no reason.");
	struct sl_text words;

	if (given->type == SL_JSON_STRING && given->value_len > 2)
		message = sl_span_make(given->value + 1, given->value_len - 2);
	sl_text_init(&words, 0);
	/* Clients of this API know a prompt that does not fit by these words. */
	if (fault == SL_OPENAI_FAULT_CONTEXT_LENGTH)
		sl_text_append_string(&words, "prompt is too long: ");
	sl_text_append_span(&words, message);
	put_error(out, entry.type, words.error ? message : sl_text_span(&words), request_id);
	sl_text_fini(&words);
}

int sl_anthropic_fault_write(int status, const char *body, size_t body_len, const char *request_id,
			     struct sl_text *out)
{
	struct entry entry = entry_of_status(status);
	struct sl_json_field message;
	enum sl_openai_fault fault = sl_openai_fault_read(status, body, body_len, &message);

	put_fault(out, entry, fault, &message, request_id);
	return entry.status;
}

void sl_anthropic_fault_event_write(const char *data, size_t data_len, const char *request_id,
				    struct sl_text *out)
{
	struct sl_json_field message;
	enum sl_openai_fault fault = sl_openai_fault_read(0, data, data_len, &message);

	sl_text_append_string(out, "event: error\ndata: ");
	put_fault(out, entry_of_fault(fault), fault, &message, request_id);
	sl_text_append_string(out, "\n\n");
}
