/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/dialect.h"

#include <string.h>

/* ---- Messages -------------------------------------------------------------------------------- */

static enum sl_openai_error_id messages_request(const char *body, size_t body_len,
						struct sl_text *out, struct sl_text *echo,
						char *param, struct sl_openai_error *ret_error)
{
	(void)echo; /* a message repeats nothing */
	return sl_anthropic_request_translate(body, body_len, out, param, ret_error);
}

static int messages_answer(const struct sl_dialect_names *names, const char *body, size_t body_len,
			   struct sl_text *out)
{
	const struct sl_anthropic_names own = {names->request_id, names->model};

	return sl_anthropic_answer_translate(&own, body, body_len, out);
}

static void messages_stream_init(struct sl_dialect_stream *stream,
				 const struct sl_dialect_names *names)
{
	const struct sl_anthropic_names own = {names->request_id, names->model};

	sl_anthropic_stream_init(&stream->anthropic, &own);
}

static void messages_stream_fini(struct sl_dialect_stream *stream)
{
	(void)stream; /* owns nothing */
}

static void messages_stream_join(struct sl_dialect_stream *stream,
				 const struct sl_messages_place *place, uint64_t tokens)
{
	sl_anthropic_stream_join(&stream->anthropic, place, tokens);
}

static int messages_stream_data(struct sl_dialect_stream *stream, const char *data, size_t data_len,
				const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	return sl_anthropic_stream_data(&stream->anthropic, data, data_len, chunk, out);
}

static void messages_stream_ping(struct sl_dialect_stream *stream, struct sl_text *out)
{
	sl_anthropic_stream_ping(&stream->anthropic, out);
}

static int messages_stream_end(struct sl_dialect_stream *stream, struct sl_text *out)
{
	sl_anthropic_stream_end(&stream->anthropic, out);
	return 0;
}

static void messages_stream_error(struct sl_dialect_stream *stream,
				  const struct sl_openai_error *error, const char *request_id,
				  struct sl_text *out)
{
	char event[SL_ANTHROPIC_ERROR_BYTES];
	int len = sl_anthropic_error_event_write(error, request_id, event, sizeof(event));

	(void)stream;
	if (len > 0)
		sl_text_append(out, event, (size_t)len);
}

static void messages_stream_fault(struct sl_dialect_stream *stream, const char *data,
				  size_t data_len, const char *request_id, struct sl_text *out)
{
	(void)stream;
	sl_anthropic_fault_event_write(data, data_len, request_id, out);
}

static const struct sl_dialect messages = {
	.anthropic_fields = true,
	.request = messages_request,
	.answer = messages_answer,
	.error_status = sl_anthropic_error_status,
	.fault = sl_anthropic_fault_write,
	.stream_init = messages_stream_init,
	.stream_fini = messages_stream_fini,
	.stream_join = messages_stream_join,
	.stream_data = messages_stream_data,
	.stream_ping = messages_stream_ping,
	.stream_end = messages_stream_end,
	.stream_error = messages_stream_error,
	.stream_fault = messages_stream_fault,
};

/* ---- Responses ------------------------------------------------------------------------------- */

static struct sl_responses_names responses_names(const struct sl_dialect_names *names)
{
	return (struct sl_responses_names){names->request_id, names->model,
					   sl_text_span(names->echo)};
}

static int responses_answer(const struct sl_dialect_names *names, const char *body, size_t body_len,
			    struct sl_text *out)
{
	const struct sl_responses_names own = responses_names(names);

	return sl_responses_answer_translate(&own, body, body_len, out);
}

static int responses_fault(int status, const char *body, size_t body_len, const char *request_id,
			   struct sl_text *out)
{
	(void)request_id; /* the header has it */
	sl_responses_fault_write(status, body, body_len, out);
	return status;
}

static void responses_stream_init(struct sl_dialect_stream *stream,
				  const struct sl_dialect_names *names)
{
	const struct sl_responses_names own = responses_names(names);

	sl_responses_stream_init(&stream->responses, &own);
}

static void responses_stream_fini(struct sl_dialect_stream *stream)
{
	sl_responses_stream_fini(&stream->responses);
}

static int responses_stream_data(struct sl_dialect_stream *stream, const char *data,
				 size_t data_len, const struct sl_openai_chunk *chunk,
				 struct sl_text *out)
{
	return sl_responses_stream_data(&stream->responses, data, data_len, chunk, out);
}

static void responses_stream_ping(struct sl_dialect_stream *stream, struct sl_text *out)
{
	(void)stream;
	sl_responses_stream_ping(out);
}

static int responses_stream_end(struct sl_dialect_stream *stream, struct sl_text *out)
{
	return sl_responses_stream_end(&stream->responses, out);
}

static void responses_stream_error(struct sl_dialect_stream *stream,
				   const struct sl_openai_error *error, const char *request_id,
				   struct sl_text *out)
{
	(void)request_id;
	sl_responses_stream_error(&stream->responses, error, out);
}

static void responses_stream_fault(struct sl_dialect_stream *stream, const char *data,
				   size_t data_len, const char *request_id, struct sl_text *out)
{
	(void)request_id;
	sl_responses_stream_fault(&stream->responses, data, data_len, out);
}

static const struct sl_dialect responses = {
	.request = sl_responses_request_translate,
	.answer = responses_answer,
	.error_status = sl_openai_error_status,
	.fault = responses_fault,
	.stream_init = responses_stream_init,
	.stream_fini = responses_stream_fini,
	.stream_data = responses_stream_data,
	.stream_ping = responses_stream_ping,
	.stream_end = responses_stream_end,
	.stream_error = responses_stream_error,
	.stream_fault = responses_stream_fault,
};

/* ---- paths ----------------------------------------------------------------------------------- */

const struct sl_dialect *sl_dialect_of_path(const char *path, size_t path_len)
{
	static const char of_responses[] = "/v1/responses";

	if (sl_anthropic_path(path, path_len))
		return &messages;
	if (path_len == sizeof(of_responses) - 1 && memcmp(path, of_responses, path_len) == 0)
		return &responses;
	return NULL;
}
