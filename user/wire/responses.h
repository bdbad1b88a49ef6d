/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenAI's Responses API in front of servers that speak chat completions: requests one way,
 * answers, streams and errors the other. docs/apis.md shows field by field what is translated,
 * passed on, left out and refused. Nothing is kept between requests: what needs it is refused.
 *
 * How to use
 *
 *	id = sl_responses_request_translate(body, len, &out, &echo, param, &error);
 *	if (id) answer sl_openai_error_status(id) with sl_openai_error_write(&error, ...)
 *	send out to POST /v1/chat/completions
 *
 *	whole answer:	rc = sl_responses_answer_translate(&names, body, len, &out);
 *	stream:		sl_responses_stream_init(&s, &names);
 *			for each data event: rc = sl_responses_stream_data(&s, ...)
 *			[DONE], or the end of a finished body: sl_responses_stream_end(&s, &out)
 *			a break: sl_responses_stream_error, or ..._fault for a server's error event
 *			always: sl_responses_stream_fini(&s)
 *	node's error:	sl_responses_fault_write(status, body, len, &out)
 *
 * Strings are copied as they are escaped in the source, so the text of a prompt or of a token is
 * never decoded. Pure but for the growing of sl_text; any thread.
 * Source: OpenAI API reference (responses, streaming events of responses, errors).
 */
#ifndef SL_USER_WIRE_RESPONSES_H
#define SL_USER_WIRE_RESPONSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/text.h"
#include "user/wire/openai.h"
#include "user/wire/place.h"

#define SL_RESPONSES_PARAM_BYTES SL_PLACE_PARAM_BYTES
#define SL_RESPONSES_HEX_BYTES	 72 /* the request's digits, part of every id; NUL included */
#define SL_RESPONSES_TEXT_BYTES	 (8u << 20) /* of a streamed answer: its end repeats it */

/*
 * Appends the body of POST /v1/chat/completions to *out, and to *echo the members that the response
 * repeats from the request, each with a comma before it. Returns SL_OPENAI_OK, or the error's id
 * with *ret_error ready to be written; its param then points into param, its other texts to
 * constants or into *ret_error. Neither text is of use after an error. A body that passed is a
 * valid chat request but for what sl_openai_request_read still looks at.
 */
enum sl_openai_error_id sl_responses_request_translate(const char *body, size_t body_len,
						       struct sl_text *out, struct sl_text *echo,
						       char param[SL_RESPONSES_PARAM_BYTES],
						       struct sl_openai_error *ret_error);

/* ---- answers --------------------------------------------------------------------------------- */

/* What an answer is called. Borrowed. */
struct sl_responses_names {
	const char *request_id; /* printable ASCII, at most 63 bytes */
	const char *model;	/* where the server names none */
	struct sl_span echo;	/* see sl_responses_request_translate */
};

/*
 * Appends the response that a whole chat completion holds. Returns 0; -EINVAL: not a chat
 * completion with a choice; -ENOMEM.
 */
int sl_responses_answer_translate(const struct sl_responses_names *names, const char *body,
				  size_t body_len, struct sl_text *out);

/* ---- streams --------------------------------------------------------------------------------- */

struct sl_responses_usage {
	struct sl_openai_usage chat;
	int64_t reasoning_tokens; /* -1: not told */
	bool given;
};

/* The stream's own; about 400 bytes. Owns the texts. */
struct sl_responses_stream {
	const char *model;     /* see sl_responses_names; must outlive the stream */
	struct sl_text echo;   /* a copy */
	struct sl_text name;   /* the model as the server calls it, a JSON string */
	struct sl_text output; /* items that are over, with commas between */
	struct sl_text inside; /* the open item's text, the inside of a JSON string */
	struct sl_text call;   /* of an open call: "call_id":...,"name":... */
	int64_t created_s;
	int64_t tool_index;
	uint32_t tool_id_hash;
	uint32_t sequence; /* number of the next event */
	uint32_t item;	   /* index of the open item, or of the next one */
	uint8_t open;	   /* what item is open, see responses_stream.c */
	uint8_t finish;	   /* why the server stopped, see responses_parts.h */
	bool started;
	struct sl_responses_usage usage;
	char hex[SL_RESPONSES_HEX_BYTES];
};

void sl_responses_stream_init(struct sl_responses_stream *stream,
			      const struct sl_responses_names *names);
void sl_responses_stream_fini(struct sl_responses_stream *stream);

/*
 * Appends the events that one chunk becomes (none, or several). chunk: the same data as
 * sl_openai_chunk_read has read it. Returns 0; -EBADMSG when the chunk cannot be told in the
 * client's format, -ENOMEM when the answer is longer than SL_RESPONSES_TEXT_BYTES or memory is
 * short: then end the stream with an error. Errors of *out stick there.
 */
int sl_responses_stream_data(struct sl_responses_stream *stream, const char *data, size_t data_len,
			     const struct sl_openai_chunk *chunk, struct sl_text *out);

/* A sign of life, for a server's comment: a comment. */
void sl_responses_stream_ping(struct sl_text *out);

/*
 * The complete answer's last events, up to response.completed or response.incomplete. Returns 0, or
 * -ENOMEM when the answer cannot be repeated: then nothing was appended.
 */
int sl_responses_stream_end(struct sl_responses_stream *stream, struct sl_text *out);

/* The end of one that broke: "error", then response.failed with what there was. */
void sl_responses_stream_error(struct sl_responses_stream *stream,
			       const struct sl_openai_error *error, struct sl_text *out);

/* The same for a server's error event. */
void sl_responses_stream_fault(struct sl_responses_stream *stream, const char *data,
			       size_t data_len, struct sl_text *out);

/* ---- errors ---------------------------------------------------------------------------------- */

/*
 * A server's error body: as it came where it has OpenAI's shape, else its words in that shape. The
 * status stays.
 */
void sl_responses_fault_write(int status, const char *body, size_t body_len, struct sl_text *out);

#endif
