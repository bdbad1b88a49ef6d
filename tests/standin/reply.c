/* See reply.h. */
#include "tests/standin/reply.h"

#include <stdio.h>

#include "tests/standin/native.h"
#include "tests/standin/text.h"

enum { SIZE_LINE_LEN = 6, TOOL_STEP_COUNT = 3 };

static const char tool_arguments[TOOL_STEP_COUNT][2] = {"", "{", "}"};

static const char *reason_of(int status)
{
	switch (status) {
#define X(code, reason) \
	case code:      \
		return reason;
		SL_STATUSES(X)
#undef X
	}
	return "Unknown";
}

enum sl_status_index sl_reply_status_index(int status)
{
	switch (status) {
#define X(code, reason) \
	case code:      \
		return SL_STATUS_INDEX_##code;
		SL_STATUSES(X)
#undef X
	}
	return SL_STATUS_INDEX_0;
}

static void put_huge(struct sl_buf *out)
{
	enum { FIELD_LEN = 1024 };

	for (int i = 0; i < SL_REPLY_HUGE_HEADER_LEN / FIELD_LEN; i++) {
		char *room = sl_buf_room(out, FIELD_LEN + 1);
		int used = snprintf(room, FIELD_LEN, "x-standin-huge-%02d: ", i);

		memset(room + used, 'h', FIELD_LEN - 2 - (size_t)used);
		memcpy(room + FIELD_LEN - 2, "\r\n", 2);
		out->len += FIELD_LEN;
	}
}

void sl_reply_head(struct sl_buf *out, const struct sl_reply_head *head)
{
	if (head->status == 200) {
		sl_buf_lit(out, "HTTP/1.1 200 OK\r\n");
	} else {
		sl_buf_lit(out, "HTTP/1.1 ");
		sl_buf_u64(out, (uint64_t)head->status);
		sl_buf_lit(out, " ");
		sl_buf_str(out, reason_of(head->status));
		sl_buf_lit(out, "\r\n");
	}
	sl_buf_lit(out, "server: standin\r\nx-standin-name: ");
	sl_buf_str(out, head->name);
	sl_buf_lit(out, "\r\ncontent-type: ");
	sl_buf_str(out, head->type);
	if (head->length == SL_REPLY_CHUNKED)
		sl_buf_lit(out, "\r\ncache-control: no-cache\r\ntransfer-encoding: chunked");
	else if (head->length >= 0) {
		sl_buf_lit(out, "\r\ncontent-length: ");
		sl_buf_u64(out, (uint64_t)head->length);
	}
	if (head->retry_after_s >= 0) {
		sl_buf_lit(out, "\r\nretry-after: ");
		sl_buf_u64(out, (uint64_t)head->retry_after_s);
	}
	if (head->close)
		sl_buf_lit(out, "\r\nconnection: close");
	sl_buf_lit(out, "\r\n");
	if (head->huge)
		put_huge(out);
	sl_buf_lit(out, "\r\n");
}

void sl_reply_error(struct sl_buf *out, const char *message, const char *type, const char *param,
		    const char *code)
{
	sl_buf_lit(out, "{\"error\":{\"message\":\"");
	sl_json_escape(out, message, strlen(message));
	sl_buf_printf(out, "\",\"type\":\"%s\",\"param\":", type);
	if (param)
		sl_buf_printf(out, "\"%s\"", param);
	else
		sl_buf_lit(out, "null");
	sl_buf_printf(out, ",\"code\":%s}}", code);
}

void sl_reply_fault_error(struct sl_buf *out, enum sl_fault_kind kind)
{
	switch (kind) {
	case SL_FAULT_CONTEXT:
		sl_reply_error(out,
			       "This model's maximum context length is 8192 tokens. However, your "
			       "messages resulted in 9000 tokens. Please reduce the length of the "
			       "messages.",
			       "invalid_request_error", "messages", "\"context_length_exceeded\"");
		return;
	case SL_FAULT_POLICY:
		sl_reply_error(out, "Your request was rejected as a result of our safety system.",
			       "invalid_request_error", "messages", "\"content_policy_violation\"");
		return;
	case SL_FAULT_PREFILL:
		sl_reply_error(out, "continue_final_message is not supported.",
			       "invalid_request_error", "continue_final_message", "null");
		return;
	case SL_FAULT_QUOTA:
		sl_reply_error(out, "You exceeded your current quota, please check your plan.",
			       "insufficient_quota", NULL, "\"insufficient_quota\"");
		return;
	case SL_FAULT_STATUS_401:
		sl_reply_error(out, "Incorrect API key provided.", "invalid_request_error", NULL,
			       "\"invalid_api_key\"");
		return;
	case SL_FAULT_STATUS_429:
	case SL_FAULT_STATUS_429_RETRY:
		sl_reply_error(out, "Rate limit reached for requests.", "requests", NULL,
			       "\"rate_limit_exceeded\"");
		return;
	case SL_FAULT_STATUS_503:
	case SL_FAULT_STATUS_503_RETRY:
		sl_reply_error(out, "The server is overloaded or not ready yet.", "server_error",
			       NULL, "\"service_unavailable\"");
		return;
	case SL_FAULT_STATUS_529:
		sl_reply_error(out, "Overloaded", "overloaded_error", NULL, "\"overloaded\"");
		return;
	default:
		sl_reply_error(out, "The server had an error while processing your request.",
			       "server_error", NULL, "\"internal_error\"");
	}
}

static uint64_t key_of(const struct sl_job *job, uint32_t choice)
{
	uint64_t key = job->keys ? job->keys[choice / job->n] : job->key;
	uint32_t variant = choice % job->n;

	return variant ? sl_text_mix(key, variant) : key;
}

uint64_t sl_reply_choice_len(const struct sl_job *job, uint64_t natural_len, uint32_t choice,
			     const char **ret_reason)
{
	uint64_t start = choice ? 0 : job->start_index;
	uint64_t natural = natural_len ? natural_len : sl_text_len(key_of(job, choice));
	uint64_t left = natural > start ? natural - start : 0;

	*ret_reason = "stop";
	if (job->calls_tool) {
		*ret_reason = "tool_calls";
		return TOOL_STEP_COUNT;
	}
	if (left < (uint64_t)job->min_tokens)
		left = (uint64_t)job->min_tokens;
	if (job->max_tokens >= 0 && (job->ignore_eos || left > (uint64_t)job->max_tokens)) {
		left = (uint64_t)job->max_tokens;
		*ret_reason = "length";
	}
	return left;
}

static const char *id_prefix(const struct sl_job *job)
{
	return job->kind == SL_ASK_CHAT ? "chatcmpl-" : "cmpl-";
}

void sl_reply_prepare(struct sl_job *job, const char *fingerprint)
{
	struct sl_buf head = {.data = job->head, .cap = sizeof(job->head)};
	char digits[32];

	sl_buf_lit(&head, "data: {\"id\":\"");
	sl_buf_str(&head, id_prefix(job));
	for (int i = 0; i < 16; i++)
		digits[i] = "0123456789abcdef"[job->id >> (60 - 4 * i) & 15];
	sl_buf_put(&head, digits, 16);
	sl_buf_lit(&head, "\",\"object\":\"");
	sl_buf_str(&head, job->kind == SL_ASK_COMPLETION ? "text_completion"
			  : job->stream			 ? "chat.completion.chunk"
							 : "chat.completion");
	sl_buf_lit(&head, "\",\"created\":");
	sl_buf_u64(&head, (uint64_t)job->created_s);
	sl_buf_lit(&head, ",\"model\":\"");
	sl_buf_str(&head, job->model);
	sl_buf_lit(&head, "\",\"system_fingerprint\":\"");
	sl_buf_str(&head, fingerprint);
	sl_buf_lit(&head, "\",\"choices\":[");
	job->head_len = head.len;
}

/* An event's chunk has a size line of fixed width, so that it can be filled in afterwards. */
static void open_event(struct sl_buf *out, struct sl_job *job)
{
	sl_buf_room(out, 1024);
	job->mark = out->len;
	if (!job->raw)
		out->len += SIZE_LINE_LEN;
}

static void close_event(struct sl_buf *out, struct sl_job *job)
{
	if (job->raw)
		return;
	size_t size = out->len - job->mark - SIZE_LINE_LEN;
	char *line = out->data + job->mark;

	for (int i = 0; i < 4; i++)
		line[i] = "0123456789abcdef"[size >> (12 - 4 * i) & 15];
	memcpy(line + 4, "\r\n", 2);
	sl_buf_lit(out, "\r\n");
}

static bool is_native(const struct sl_job *job)
{
	return job->kind == SL_ASK_MESSAGES;
}

static void open_choice(struct sl_buf *out, struct sl_job *job, uint32_t choice)
{
	open_event(out, job);
	sl_buf_put(out, job->head, job->head_len);
	sl_buf_lit(out, "{\"index\":");
	if (choice == 0)
		sl_buf_lit(out, "0");
	else
		sl_buf_u64(out, choice);
}

static void close_choice(struct sl_buf *out, struct sl_job *job, const char *reason)
{
	if (!reason) {
		sl_buf_lit(out, ",\"logprobs\":null,\"finish_reason\":null}]");
	} else {
		sl_buf_lit(out, ",\"logprobs\":null,\"finish_reason\":\"");
		sl_buf_str(out, reason);
		sl_buf_lit(out, "\"}]");
	}
	if (job->include_usage)
		sl_buf_lit(out, ",\"usage\":null}\n\n");
	else
		sl_buf_lit(out, "}\n\n");
	close_event(out, job);
}

void sl_reply_role(struct sl_buf *out, struct sl_job *job, uint32_t choice)
{
	if (is_native(job)) {
		open_event(out, job);
		sl_native_role(out, job);
		close_event(out, job);
		return;
	}
	if (job->kind != SL_ASK_CHAT)
		return;
	open_choice(out, job, choice);
	if (job->calls_tool)
		sl_buf_lit(out, ",\"delta\":{\"role\":\"assistant\",\"content\":null}");
	else
		sl_buf_lit(out, ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
	close_choice(out, job, NULL);
}

static void put_tool_piece(struct sl_buf *out, const struct sl_job *job, uint64_t index)
{
	sl_buf_lit(out, ",\"delta\":{\"tool_calls\":[{\"index\":0,");
	if (index == 0)
		sl_buf_printf(out,
			      "\"id\":\"call_%016llx\",\"type\":\"function\",\"function\":"
			      "{\"name\":\"%s\",\"arguments\":\"\"}}]}",
			      (unsigned long long)job->id, job->tool);
	else
		sl_buf_printf(out, "\"function\":{\"arguments\":\"%s\"}}]}", tool_arguments[index]);
}

static void put_text(struct sl_buf *out, const struct sl_job *job, uint32_t choice, uint64_t index)
{
	uint64_t start = choice ? 0 : job->start_index;

	sl_text_put(out, key_of(job, choice), start + index,
		    choice == 0 && index == 0 ? job->start_skip : 0);
}

static void put_native_token(struct sl_buf *out, struct sl_job *job, uint64_t index)
{
	open_event(out, job);
	if (job->calls_tool) {
		sl_native_piece(out, tool_arguments[index]);
	} else {
		sl_native_open_text(out);
		put_text(out, job, 0, index);
		sl_native_close_text(out);
	}
	close_event(out, job);
}

void sl_reply_token(struct sl_buf *out, struct sl_job *job, uint32_t choice, uint64_t index)
{
	if (is_native(job)) {
		put_native_token(out, job, index);
		return;
	}
	open_choice(out, job, choice);
	if (job->calls_tool) {
		put_tool_piece(out, job, index);
	} else if (job->kind == SL_ASK_CHAT) {
		sl_buf_lit(out, ",\"delta\":{\"content\":\"");
		put_text(out, job, choice, index);
		sl_buf_lit(out, "\"}");
	} else {
		sl_buf_lit(out, ",\"text\":\"");
		put_text(out, job, choice, index);
		sl_buf_lit(out, "\"");
	}
	close_choice(out, job, NULL);
}

void sl_reply_finish(struct sl_buf *out, struct sl_job *job, uint32_t choice, const char *reason)
{
	if (is_native(job)) {
		open_event(out, job);
		sl_native_finish(out, job, reason);
		close_event(out, job);
		return;
	}
	open_choice(out, job, choice);
	if (job->kind == SL_ASK_CHAT)
		sl_buf_lit(out, ",\"delta\":{}");
	else
		sl_buf_lit(out, ",\"text\":\"\"");
	close_choice(out, job, reason);
}

static void put_usage(struct sl_buf *out, const struct sl_job *job)
{
	sl_buf_lit(out, "\"usage\":{\"prompt_tokens\":");
	sl_buf_u64(out, job->prompt_tokens);
	sl_buf_lit(out, ",\"completion_tokens\":");
	sl_buf_u64(out, job->reply_tokens);
	sl_buf_lit(out, ",\"total_tokens\":");
	sl_buf_u64(out, job->prompt_tokens + job->reply_tokens);
	sl_buf_lit(out, "}");
}

void sl_reply_usage(struct sl_buf *out, struct sl_job *job)
{
	open_event(out, job);
	sl_buf_put(out, job->head, job->head_len);
	sl_buf_lit(out, "],");
	put_usage(out, job);
	sl_buf_lit(out, "}\n\n");
	close_event(out, job);
}

void sl_reply_done(struct sl_buf *out, struct sl_job *job)
{
	open_event(out, job);
	if (is_native(job))
		sl_native_done(out);
	else
		sl_buf_lit(out, "data: [DONE]\n\n");
	close_event(out, job);
}

void sl_reply_error_event(struct sl_buf *out, struct sl_job *job)
{
	open_event(out, job);
	if (is_native(job)) {
		sl_native_error_event(out);
	} else {
		sl_buf_lit(out, "data: ");
		sl_reply_error(out, "The engine died while generating.", "server_error", NULL,
			       "\"internal_error\"");
		sl_buf_lit(out, "\n\n");
	}
	close_event(out, job);
}

void sl_reply_broken_event(struct sl_buf *out, struct sl_job *job)
{
	open_event(out, job);
	if (is_native(job)) {
		sl_native_broken_event(out);
	} else {
		sl_buf_put(out, job->head, job->head_len);
		sl_buf_lit(out, "{\"index\":0,\"delta\":{\"content\":\"\n\n");
	}
	close_event(out, job);
}

void sl_reply_comment(struct sl_buf *out, struct sl_job *job)
{
	open_event(out, job);
	if (is_native(job))
		sl_native_ping(out);
	else
		sl_buf_lit(out, ": keep-alive\n\n");
	close_event(out, job);
}

static void put_message(struct sl_buf *out, const struct sl_job *job, uint32_t choice, uint64_t len)
{
	if (job->calls_tool) {
		sl_buf_printf(
			out,
			",\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":"
			"[{\"id\":\"call_%016llx\",\"type\":\"function\",\"function\":"
			"{\"name\":\"%s\",\"arguments\":\"{}\"}}]}",
			(unsigned long long)job->id, job->tool);
		return;
	}
	if (job->kind == SL_ASK_CHAT)
		sl_buf_lit(out, ",\"message\":{\"role\":\"assistant\",\"content\":\"");
	else
		sl_buf_lit(out, ",\"text\":\"");
	for (uint64_t i = 0; i < len; i++)
		put_text(out, job, choice, i);
	if (job->kind == SL_ASK_CHAT)
		sl_buf_lit(out, "\",\"refusal\":null}");
	else
		sl_buf_lit(out, "\"");
}

void sl_reply_whole(struct sl_buf *out, struct sl_job *job, uint64_t natural_len,
		    const char *fingerprint)
{
	static const size_t data_len = sizeof("data: ") - 1;

	if (is_native(job)) {
		const char *why;
		uint64_t count = sl_reply_choice_len(job, natural_len, 0, &why);

		sl_native_open_whole(out, job);
		for (uint64_t i = 0; !job->calls_tool && i < count; i++)
			put_text(out, job, 0, i);
		sl_native_close_whole(out, job, why);
		return;
	}
	sl_reply_prepare(job, fingerprint);
	sl_buf_put(out, job->head + data_len, job->head_len - data_len);
	for (uint32_t choice = 0; choice < job->choice_count; choice++) {
		const char *reason;
		uint64_t len = sl_reply_choice_len(job, natural_len, choice, &reason);

		if (choice)
			sl_buf_lit(out, ",");
		sl_buf_lit(out, "{\"index\":");
		sl_buf_u64(out, choice);
		put_message(out, job, choice, len);
		sl_buf_lit(out, ",\"logprobs\":null,\"finish_reason\":\"");
		sl_buf_str(out, reason);
		sl_buf_lit(out, "\"}");
	}
	sl_buf_lit(out, "],");
	put_usage(out, job);
	sl_buf_lit(out, "}");
}

void sl_reply_models(struct sl_buf *out, const char *const *models, unsigned int count,
		     uint64_t context_tokens)
{
	sl_buf_lit(out, "{\"object\":\"list\",\"data\":[");
	for (unsigned int i = 0; i < count; i++) {
		sl_buf_str(out, i ? ",{\"id\":\"" : "{\"id\":\"");
		sl_json_escape(out, models[i], strlen(models[i]));
		sl_buf_printf(out,
			      "\",\"object\":\"model\",\"created\":1700000000,"
			      "\"owned_by\":\"standin\",\"max_model_len\":%llu}",
			      (unsigned long long)context_tokens);
	}
	sl_buf_lit(out, "]}");
}
