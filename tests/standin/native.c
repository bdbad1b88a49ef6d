/* See native.h. */
#include "tests/standin/native.h"

static const char died[] = "The engine died while generating.";

static const char *stop_of(const char *reason)
{
	return *reason == 'l' ? "max_tokens" : *reason == 't' ? "tool_use" : "end_turn";
}

static void put_usage(struct sl_buf *out, uint64_t input, uint64_t output)
{
	sl_buf_lit(out, "\"usage\":{\"input_tokens\":");
	sl_buf_u64(out, input);
	sl_buf_lit(out, ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
			"\"output_tokens\":");
	sl_buf_u64(out, output);
	sl_buf_lit(out, "}");
}

static void open_message(struct sl_buf *out, const struct sl_job *job)
{
	sl_buf_printf(out, "{\"id\":\"msg_%016llx\",\"type\":\"message\",\"role\":\"assistant\",",
		      (unsigned long long)job->id);
	sl_buf_lit(out, "\"model\":\"");
	sl_buf_str(out, job->model);
	sl_buf_lit(out, "\",\"content\":[");
}

static void put_call(struct sl_buf *out, const struct sl_job *job)
{
	sl_buf_printf(out,
		      "{\"type\":\"tool_use\",\"id\":\"toolu_%016llx\",\"name\":\"%s\","
		      "\"input\":{}}",
		      (unsigned long long)job->id, job->tool);
}

void sl_native_role(struct sl_buf *out, const struct sl_job *job)
{
	sl_buf_lit(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
	open_message(out, job);
	sl_buf_lit(out, "],\"stop_reason\":null,\"stop_sequence\":null,");
	put_usage(out, job->prompt_tokens, 1);
	sl_buf_lit(out, "}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\","
			"\"index\":0,\"content_block\":");
	if (job->calls_tool)
		put_call(out, job);
	else
		sl_buf_lit(out, "{\"type\":\"text\",\"text\":\"\"}");
	sl_buf_lit(out, "}\n\n");
	sl_native_ping(out);
}

static void open_delta(struct sl_buf *out)
{
	sl_buf_lit(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
			"\"index\":0,\"delta\":{\"type\":");
}

void sl_native_piece(struct sl_buf *out, const char *arguments)
{
	open_delta(out);
	sl_buf_lit(out, "\"input_json_delta\",\"partial_json\":\"");
	sl_buf_str(out, arguments);
	sl_buf_lit(out, "\"}}\n\n");
}

void sl_native_open_text(struct sl_buf *out)
{
	open_delta(out);
	sl_buf_lit(out, "\"text_delta\",\"text\":\"");
}

void sl_native_close_text(struct sl_buf *out)
{
	sl_buf_lit(out, "\"}}\n\n");
}

void sl_native_finish(struct sl_buf *out, const struct sl_job *job, const char *reason)
{
	sl_buf_lit(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
			"\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\","
			"\"delta\":{\"stop_reason\":\"");
	sl_buf_str(out, stop_of(reason));
	sl_buf_lit(out, "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":");
	sl_buf_u64(out, job->reply_tokens);
	sl_buf_lit(out, "}}\n\n");
}

void sl_native_done(struct sl_buf *out)
{
	sl_buf_lit(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

void sl_native_error_event(struct sl_buf *out)
{
	sl_buf_lit(out, "event: error\ndata: ");
	sl_native_error(out, 500, died);
	sl_buf_lit(out, "\n\n");
}

void sl_native_broken_event(struct sl_buf *out)
{
	sl_buf_lit(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
			"\"index\":0,\"delta\":{\"text\":\"\n\n");
}

void sl_native_ping(struct sl_buf *out)
{
	sl_buf_lit(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

void sl_native_open_whole(struct sl_buf *out, const struct sl_job *job)
{
	open_message(out, job);
	if (job->calls_tool)
		put_call(out, job);
	else
		sl_buf_lit(out, "{\"type\":\"text\",\"text\":\"");
}

void sl_native_close_whole(struct sl_buf *out, const struct sl_job *job, const char *reason)
{
	sl_buf_str(out, job->calls_tool ? "]" : "\"}]");
	sl_buf_lit(out, ",\"stop_reason\":\"");
	sl_buf_str(out, stop_of(reason));
	sl_buf_lit(out, "\",\"stop_sequence\":null,");
	put_usage(out, job->prompt_tokens, job->reply_tokens);
	sl_buf_lit(out, "}");
}

/* ---- errors ---------------------------------------------------------------------------------- */

static const char *type_of(int status)
{
	switch (status) {
	case 400:
		return "invalid_request_error";
	case 401:
		return "authentication_error";
	case 404:
		return "not_found_error";
	case 429:
		return "rate_limit_error";
	case 529:
		return "overloaded_error";
	default:
		return "api_error";
	}
}

void sl_native_error(struct sl_buf *out, int status, const char *message)
{
	sl_buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"",
		      type_of(status));
	sl_json_escape(out, message, strlen(message));
	sl_buf_lit(out, "\"},\"request_id\":\"req_standin\"}");
}

void sl_native_fault_error(struct sl_buf *out, enum sl_fault_kind kind)
{
	static const struct {
		enum sl_fault_kind kind;
		const char *message;
	} messages[] = {
		{SL_FAULT_CONTEXT, "prompt is too long: 9000 tokens > 8192 maximum"},
		{SL_FAULT_POLICY, "Output blocked by content filtering policy"},
		{SL_FAULT_PREFILL, "This model does not support a prefilled answer."},
		{SL_FAULT_QUOTA, "Your credit balance is too low to access the API."},
		{SL_FAULT_STATUS_401, "invalid x-api-key"},
		{SL_FAULT_STATUS_429, "This request would exceed the rate limit."},
		{SL_FAULT_STATUS_429_RETRY, "This request would exceed the rate limit."},
		{SL_FAULT_STATUS_529, "Overloaded"},
	};
	const char *message = "Internal server error";

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (messages[i].kind == kind)
			message = messages[i].message;
	sl_native_error(out, sl_fault_status(kind), message);
}
