/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bodies that we write ourselves: errors in OpenAI's shape, and the list of models.
 * One table says everything about an error. Pure; any thread. Declared in openai.h.
 *
 * In a message {o} is the error's object, {d} its detail, {p} its param.
 */
#include "user/wire/openai.h"

#include <errno.h>
#include <string.h>

#define PARAM_BYTES_MAX 64
#define REQUEST_ERROR	"invalid_request_error"
#define SERVER_ERROR	"server_error"

struct entry {
	uint16_t status;
	const char *type;
	const char *code;  /* NULL: null */
	const char *param; /* when the caller names none */
	const char *message;
};

static const struct entry entries[SL_OPENAI_ERROR_COUNT] = {
	[SL_OPENAI_OK] = {200, "", NULL, NULL, ""},
	[SL_OPENAI_ERROR_JSON] = {400, REQUEST_ERROR, "invalid_json", NULL,
				  "The request body is not a valid JSON object: {o} {d}."},
	[SL_OPENAI_ERROR_MISSING] = {400, REQUEST_ERROR, "missing_required_parameter", NULL,
				     "Missing required parameter: '{p}'."},
	[SL_OPENAI_ERROR_TYPE] = {400, REQUEST_ERROR, "invalid_type", NULL,
				  "Invalid type for '{p}': expected {o}."},
	[SL_OPENAI_ERROR_VALUE] = {400, REQUEST_ERROR, "invalid_value", NULL,
				   "Invalid value for '{p}': expected {o}."},
	[SL_OPENAI_ERROR_CONTENT_TYPE] = {415, REQUEST_ERROR, "unsupported_content_type", NULL,
					  "Unsupported content type '{o}': send application/json."},
	[SL_OPENAI_ERROR_HTTP] = {400, REQUEST_ERROR, "malformed_request", NULL,
				  "Malformed HTTP request: {o}."},
	[SL_OPENAI_ERROR_KEY_MISSING] = {401, REQUEST_ERROR, "invalid_api_key", NULL,
					 "No API key was provided: send it as 'Authorization: "
					 "Bearer KEY'."},
	[SL_OPENAI_ERROR_KEY] = {401, REQUEST_ERROR, "invalid_api_key", NULL,
				 "Incorrect API key provided: {o}."},
	[SL_OPENAI_ERROR_FORBIDDEN] = {403, "permission_error", "permission_denied", NULL,
				       "This API key may not use the model '{o}'."},
	[SL_OPENAI_ERROR_KEYS_UNREADABLE] = {503, SERVER_ERROR, "service_unavailable", NULL,
					     "API keys cannot be checked at the moment. Retry "
					     "later."},
	[SL_OPENAI_ERROR_PATH] = {404, REQUEST_ERROR, "unknown_url", NULL,
				  "Unknown request URL: {o} {d}."},
	[SL_OPENAI_ERROR_METHOD] = {405, REQUEST_ERROR, "method_not_allowed", NULL,
				    "The method {o} is not allowed on {d}."},
	[SL_OPENAI_ERROR_MODEL] = {404, REQUEST_ERROR, "model_not_found", "model",
				   "The model '{o}' does not exist or you do not have access to "
				   "it; GET /v1/models lists those you may use."},
	[SL_OPENAI_ERROR_TIMEOUT_READ] = {408, REQUEST_ERROR, "request_timeout", NULL,
					  "The request was not received in time."},
	[SL_OPENAI_ERROR_TOO_LARGE] = {413, REQUEST_ERROR, "request_too_large", NULL,
				       "The request body is too large: at most {o} bytes."},
	[SL_OPENAI_ERROR_HEAD_LARGE] = {431, REQUEST_ERROR, "headers_too_large", NULL,
					"The request's header fields are too large."},
	[SL_OPENAI_ERROR_CONTEXT] = {400, REQUEST_ERROR, "context_length_exceeded", "messages",
				     "This model's maximum context length is {o} tokens; your "
				     "request needs {d} tokens. Shorten the messages or the "
				     "completion."},
	[SL_OPENAI_ERROR_RATE] = {429, "rate_limit_error", "rate_limit_exceeded", NULL,
				  "Rate limit reached: {o}. Retry after the time in the "
				  "Retry-After header."},
	[SL_OPENAI_ERROR_QUOTA] = {429, "insufficient_quota", "insufficient_quota", NULL,
				   "Quota exceeded: {o}."},
	[SL_OPENAI_ERROR_CLIENT_GONE] = {499, REQUEST_ERROR, "client_closed_request", NULL,
					 "The client closed the connection."},
	[SL_OPENAI_ERROR_INTERNAL] = {500, SERVER_ERROR, "internal_error", NULL,
				      "Internal error: {o}."},
	[SL_OPENAI_ERROR_UNSUPPORTED] = {501, REQUEST_ERROR, "unsupported", NULL,
					 "Not supported: {o}."},
	[SL_OPENAI_ERROR_UNTRANSLATED] = {400, REQUEST_ERROR, "unsupported_parameter", NULL,
					  "'{p}' cannot be translated for the servers behind this "
					  "gateway: {o}."},
	[SL_OPENAI_ERROR_NO_COUNT] = {404, REQUEST_ERROR, "unknown_url", NULL,
				      "Tokens are not counted here: only the servers know their "
				      "models' tokenizers, and an estimate would not be a count. "
				      "Each answer's usage is exact."},
	[SL_OPENAI_ERROR_NOT_STORED] = {404, REQUEST_ERROR, "unknown_url", NULL,
					"Unknown request URL: {o} {d}. Responses are not stored "
					"here: their answer to POST /v1/responses is all there is "
					"of them."},
	[SL_OPENAI_ERROR_UPSTREAM] = {502, SERVER_ERROR, "upstream_error", NULL,
				      "The servers of model '{o}' failed: {d}."},
	[SL_OPENAI_ERROR_OVERLOADED] = {503, SERVER_ERROR, "server_is_overloaded", NULL,
					"The model '{o}' is overloaded. Retry later."},
	[SL_OPENAI_ERROR_NO_NODE] = {503, SERVER_ERROR, "service_unavailable", NULL,
				     "No server of model '{o}' is available. Retry later."},
	[SL_OPENAI_ERROR_DRAINING] = {503, SERVER_ERROR, "service_unavailable", NULL,
				      "This gateway is shutting down. Retry at once."},
	[SL_OPENAI_ERROR_DEADLINE] = {504, SERVER_ERROR, "deadline_exceeded", NULL,
				      "The model '{o}' did not answer in time: {d}."},
	[SL_OPENAI_ERROR_STREAM_CUT] = {502, SERVER_ERROR, "stream_interrupted", NULL,
					"The answer of model '{o}' broke off: {d}."},
	[SL_OPENAI_ERROR_PROMPT] = {404, REQUEST_ERROR, "prompt_not_found", "prompt",
				    "Unknown prompt: {o}."},
	[SL_OPENAI_ERROR_PROMPT_BAD] = {400, REQUEST_ERROR, "invalid_prompt", "prompt",
					"The prompt {o} cannot be made: {d}."},
	[SL_OPENAI_ERROR_RATED] =
		{404, REQUEST_ERROR, "request_not_found", "request_id",
		 "No request '{o}' of yours is known, or it is too long ago to be "
		 "rated."},
	[SL_OPENAI_ERROR_QUEUE] =
		{503, SERVER_ERROR, "server_is_overloaded", NULL,
		 "The model '{o}' is overloaded: {d}. Retry after the time in the "
		 "Retry-After header."},
	[SL_OPENAI_ERROR_POLICY] = {400, REQUEST_ERROR, "content_policy_violation", NULL,
				    "Refused by the policy of this gateway: {o}."},
	[SL_OPENAI_ERROR_UNCHECKED] = {503, SERVER_ERROR, "service_unavailable", NULL,
				       "The request could not be checked: {o}. Retry later."},
	[SL_OPENAI_ERROR_ANSWER] = {502, SERVER_ERROR, "invalid_answer", NULL,
				    "The answer of model '{o}' is not usable: {d}."},
	[SL_OPENAI_ERROR_STREAM_STALL] = {504, SERVER_ERROR, "stream_stalled", NULL,
					  "The answer of model '{o}' stalled."},
};

static const struct entry *entry_of(enum sl_openai_error_id id)
{
	return &entries[(unsigned int)id < SL_OPENAI_ERROR_COUNT ? id : SL_OPENAI_ERROR_INTERNAL];
}

int sl_openai_error_status(enum sl_openai_error_id id)
{
	return entry_of(id)->status;
}

const char *sl_openai_error_code(enum sl_openai_error_id id)
{
	const char *code = entry_of(id)->code;

	return code ? code : "";
}

/* A buffer with an error that sticks, so that only the end checks it. */
struct text {
	char *out;
	size_t size;
	size_t used;
	bool full;
};

static void put(struct text *t, const char *data, size_t len)
{
	if (t->full || len > t->size - t->used) {
		t->full = true;
		return;
	}
	memcpy(t->out + t->used, data, len);
	t->used += len;
}

#define PUT(t, literal) put((t), "" literal, sizeof(literal) - 1)

/* A JSON string, or null. */
static void put_string(struct text *t, const char *data, size_t len)
{
	int rc;

	if (!data) {
		PUT(t, "null");
		return;
	}
	PUT(t, "\"");
	rc = t->full ? -ENOSPC : sl_json_escape(data, len, t->out + t->used, t->size - t->used);
	if (rc < 0)
		t->full = true;
	else
		t->used += (size_t)rc;
	PUT(t, "\"");
}

static void put_int(struct text *t, int64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		digits[--at] = '-';
	put(t, digits + at, sizeof(digits) - at);
}

/* len cut back so that no character is split. */
static size_t whole_characters(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	for (len = max; len && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The message with its places filled in, cut to SL_OPENAI_MESSAGE_BYTES_MAX. */
static size_t format_message(const struct sl_openai_error *error, const char *param, char *out)
{
	const char *from = entry_of(error->id)->message;
	size_t used = 0;

	while (*from) {
		const char *piece = from;
		size_t len = 1;

		if (from[0] == '{' && from[1] && from[2] == '}') {
			piece = or_empty(from[1] == 'o'	  ? error->object
					 : from[1] == 'd' ? error->detail
							  : param);
			len = strlen(piece);
			from += 3;
		} else {
			from++;
		}
		len = whole_characters(piece, len, SL_OPENAI_MESSAGE_BYTES_MAX - used);
		memcpy(out + used, piece, len);
		used += len;
	}
	return used;
}

size_t sl_openai_error_message(const struct sl_openai_error *error,
			       char out[SL_OPENAI_MESSAGE_BYTES_MAX])
{
	return format_message(error, error->param ? error->param : entry_of(error->id)->param, out);
}

static void put_error(struct text *t, const struct sl_openai_error *error)
{
	const struct entry *e = entry_of(error->id);
	const char *param = error->param ? error->param : e->param;
	size_t param_len = strlen(or_empty(param));
	char message[SL_OPENAI_MESSAGE_BYTES_MAX];

	PUT(t, "{\"error\":{\"message\":");
	put_string(t, message, format_message(error, param, message));
	PUT(t, ",\"type\":");
	put_string(t, e->type, strlen(e->type));
	PUT(t, ",\"param\":");
	put_string(t, param, whole_characters(or_empty(param), param_len, PARAM_BYTES_MAX));
	PUT(t, ",\"code\":");
	put_string(t, e->code, strlen(or_empty(e->code)));
	PUT(t, "}}");
}

static int finish(const struct text *t)
{
	return t->full ? -ENOSPC : (int)t->used;
}

int sl_openai_error_write(const struct sl_openai_error *error, char *out, size_t out_size)
{
	struct text t = {.out = out, .size = out_size};

	put_error(&t, error);
	return finish(&t);
}

int sl_openai_error_event_write(const struct sl_openai_error *error, char *out, size_t out_size)
{
	struct text t = {.out = out, .size = out_size};

	PUT(&t, "data: ");
	put_error(&t, error);
	PUT(&t, "\n\n");
	return finish(&t);
}

int sl_openai_models_write(const struct sl_openai_model *models, size_t model_count, char *out,
			   size_t out_size)
{
	struct text t = {.out = out, .size = out_size};

	PUT(&t, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < model_count && !t.full; i++) {
		const char *owner = or_empty(models[i].owned_by);

		if (i)
			PUT(&t, ",");
		PUT(&t, "{\"id\":");
		put_string(&t, models[i].id, strlen(models[i].id));
		PUT(&t, ",\"object\":\"model\",\"created\":");
		put_int(&t, models[i].created_s);
		PUT(&t, ",\"owned_by\":");
		put_string(&t, owner, strlen(owner));
		PUT(&t, "}");
	}
	PUT(&t, "]}");
	return finish(&t);
}
