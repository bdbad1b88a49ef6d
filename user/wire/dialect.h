/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An API in front that is not the servers' own: what its requests become (chat completions), and
 * what answers, streams and errors become for its clients. One table each for the Messages API
 * (anthropic.h) and the Responses API (responses.h), so that the pipeline names neither.
 *
 * A request without a dialect is one of the servers' API and passes as it is. Pure but for the
 * growing of sl_text; any thread.
 */
#ifndef SL_USER_WIRE_DIALECT_H
#define SL_USER_WIRE_DIALECT_H

#include "user/wire/anthropic.h"
#include "user/wire/responses.h"

#define SL_DIALECT_PARAM_BYTES SL_PLACE_PARAM_BYTES

/* What an answer is called. Borrowed. */
struct sl_dialect_names {
	const char *request_id;
	const char *model;	    /* where the server names none */
	const struct sl_text *echo; /* what `request` wrote there */
};

struct sl_dialect_stream {
	union {
		struct sl_anthropic_stream anthropic;
		struct sl_responses_stream responses;
	};
};

struct sl_dialect {
	bool anthropic_fields; /* its clients send x-api-key and anthropic-version */

	/* See sl_responses_request_translate. echo: what the answer repeats of it. */
	enum sl_openai_error_id (*request)(const char *body, size_t body_len, struct sl_text *out,
					   struct sl_text *echo, char param[SL_DIALECT_PARAM_BYTES],
					   struct sl_openai_error *ret_error);

	/* 0; -EINVAL, -EBADMSG, -ENOMEM: see sl_anthropic_answer_translate. */
	int (*answer)(const struct sl_dialect_names *names, const char *body, size_t body_len,
		      struct sl_text *out);

	/* Status of an error of ours. */
	int (*error_status)(enum sl_openai_error_id id);
	/* A server's error body; returns the status that goes with it. */
	int (*fault)(int status, const char *body, size_t body_len, const char *request_id,
		     struct sl_text *out);

	/* ---- streams; stream_fini after each stream_init ---- */
	void (*stream_init)(struct sl_dialect_stream *stream, const struct sl_dialect_names *names);
	void (*stream_fini)(struct sl_dialect_stream *stream);
	/* Goes on behind the API's own stream, see sl_anthropic_stream_join. NULL: no node speaks it. */
	void (*stream_join)(struct sl_dialect_stream *stream, const struct sl_messages_place *place,
			    uint64_t tokens);
	/* 0, or negative: end it by stream_error. */
	int (*stream_data)(struct sl_dialect_stream *stream, const char *data, size_t data_len,
			   const struct sl_openai_chunk *chunk, struct sl_text *out);
	void (*stream_ping)(struct sl_dialect_stream *stream, struct sl_text *out);
	/* The last events of a complete answer. 0, or negative: end it by stream_error. */
	int (*stream_end)(struct sl_dialect_stream *stream, struct sl_text *out);
	/* The last events of one that broke: by an error of ours, or by a server's error event. */
	void (*stream_error)(struct sl_dialect_stream *stream, const struct sl_openai_error *error,
			     const char *request_id, struct sl_text *out);
	void (*stream_fault)(struct sl_dialect_stream *stream, const char *data, size_t data_len,
			     const char *request_id, struct sl_text *out);
};

/* The dialect of what is asked by this path, or NULL. */
const struct sl_dialect *sl_dialect_of_path(const char *path, size_t path_len);

#endif
