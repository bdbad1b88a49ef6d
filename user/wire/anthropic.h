/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Anthropic Messages API in front of servers that speak OpenAI's chat completions: requests
 * one way, answers, streams and errors the other. docs/apis.md shows field by field what is
 * translated, passed on, left out and refused.
 *
 * How to use
 *
 *	id = sl_anthropic_request_translate(body, len, &out, param, &error);
 *	if (id) answer sl_anthropic_error_status(id) with sl_anthropic_error_write(&error, ...)
 *	send out to POST /v1/chat/completions
 *
 *	whole answer:	rc = sl_anthropic_answer_translate(&names, body, len, &out);
 *	stream:		sl_anthropic_stream_init(&s, &names);
 *			for each data event: rc = sl_anthropic_stream_data(&s, ...)
 *			[DONE], or the end of a finished body: sl_anthropic_stream_end(&s, &out)
 *	node's error:	status = sl_anthropic_fault_write(status, body, len, request_id, &out)
 *
 * Strings are copied as they are escaped in the source, so the text of a prompt or of a token is
 * never decoded. Pure but for the growing of sl_text; any thread.
 * Source: Anthropic API reference (messages, streaming messages, errors).
 */
#ifndef SL_USER_WIRE_ANTHROPIC_H
#define SL_USER_WIRE_ANTHROPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/text.h"
#include "user/wire/messages.h"
#include "user/wire/openai.h"
#include "user/wire/place.h"

#define SL_ANTHROPIC_PARAM_BYTES SL_PLACE_PARAM_BYTES
#define SL_ANTHROPIC_ERROR_BYTES 4096 /* room that any error of ours fits */
#define SL_ANTHROPIC_ID_BYTES	 80   /* longest id of a message, NUL included */
#define SL_ANTHROPIC_STOP_BYTES	 128  /* a longer stop sequence is not named in a stream's end */

/* True for POST /v1/messages and what lies below: errors then have Anthropic's shape. */
bool sl_anthropic_path(const char *path, size_t path_len);

/*
 * Appends the body of POST /v1/chat/completions. Returns SL_OPENAI_OK, or the error's id with
 * *ret_error ready to be written; its param then points into param, its other texts to constants
 * or into *ret_error. *out is of no use after an error. A body that passed is a valid chat request
 * but for what sl_openai_request_read still looks at: the length of the model's name, and keys of
 * that API which this one does not know, twice or in letters of another case.
 */
enum sl_openai_error_id sl_anthropic_request_translate(const char *body, size_t body_len,
						       struct sl_text *out,
						       char param[SL_ANTHROPIC_PARAM_BYTES],
						       struct sl_openai_error *ret_error);

/* ---- answers --------------------------------------------------------------------------------- */

/* What an answer is called. Borrowed. */
struct sl_anthropic_names {
	const char *request_id; /* printable ASCII, at most 63 bytes */
	const char *model;	/* where the server names none */
};

/*
 * Appends the message that a whole chat completion holds. Returns 0; -EINVAL: not a chat
 * completion with a choice; -EBADMSG: a tool call whose arguments are no JSON object, though the
 * answer is not cut by max_tokens (then such a call is left out: stop_reason tells it); -ENOMEM.
 */
int sl_anthropic_answer_translate(const struct sl_anthropic_names *names, const char *body,
				  size_t body_len, struct sl_text *out);

/* ---- streams --------------------------------------------------------------------------------- */

/* The stream's own; about 360 bytes. Owns no memory. */
struct sl_anthropic_stream {
	const char *model; /* see sl_anthropic_names; must outlive the stream */
	uint32_t block;	   /* index of the open block, or of the next one */
	uint32_t tokens;   /* events with content: output_tokens of servers that report no usage */
	uint8_t open;	   /* what block is open, see anthropic_stream.c */
	uint8_t finish;	   /* why the server stopped, the same */
	bool started;
	bool tool_seen;
	bool has_usage;
	uint32_t tool_id_hash;
	int64_t tool_index;
	struct sl_openai_usage usage;
	char id[SL_ANTHROPIC_ID_BYTES];
	char stop_sequence[SL_ANTHROPIC_STOP_BYTES]; /* as JSON; empty: none was named */
};

void sl_anthropic_stream_init(struct sl_anthropic_stream *stream,
			      const struct sl_anthropic_names *names);

/*
 * Goes on behind a stream of this API of which the client has got that much as it was, tokens so far. No
 * names are told again.
 */
void sl_anthropic_stream_join(struct sl_anthropic_stream *stream,
			      const struct sl_messages_place *place, uint64_t tokens);

/*
 * Appends the events that one chunk becomes (none, or several). chunk: the same data as
 * sl_openai_chunk_read has read it. Returns 0, or -EBADMSG when the chunk cannot be told in the
 * client's format: then end the stream with an error event. Errors of *out stick there.
 */
int sl_anthropic_stream_data(struct sl_anthropic_stream *stream, const char *data, size_t data_len,
			     const struct sl_openai_chunk *chunk, struct sl_text *out);

/* A sign of life, for a server's comment. */
void sl_anthropic_stream_ping(struct sl_anthropic_stream *stream, struct sl_text *out);

/* The complete answer's last events: content_block_stop, message_delta, message_stop. */
void sl_anthropic_stream_end(struct sl_anthropic_stream *stream, struct sl_text *out);

/* ---- errors ---------------------------------------------------------------------------------- */

/* Status of an error of ours on this API: 529 where OpenAI's says 503, 500 for 502, 400 for 501. */
int sl_anthropic_error_status(enum sl_openai_error_id id);

/*
 * {"type":"error","error":{"type","message"},"request_id"}, no NUL; request_id "" or NULL: null.
 * Returns the length or -ENOSPC (SL_ANTHROPIC_ERROR_BYTES always suffices).
 */
int sl_anthropic_error_write(const struct sl_openai_error *error, const char *request_id, char *out,
			     size_t out_size);

/* The same as "event: error" in a stream. A message_stop must not follow it. */
int sl_anthropic_error_event_write(const struct sl_openai_error *error, const char *request_id,
				   char *out, size_t out_size);

/* A server's error body in this shape. Returns the status that goes with it. */
int sl_anthropic_fault_write(int status, const char *body, size_t body_len, const char *request_id,
			     struct sl_text *out);

/* A server's error event as "event: error". */
void sl_anthropic_fault_event_write(const char *data, size_t data_len, const char *request_id,
				    struct sl_text *out);

#endif
