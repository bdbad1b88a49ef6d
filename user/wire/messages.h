/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers that speak the Anthropic Messages API, behind: chat completions become its requests, its
 * messages, streams and errors become chat completions. (anthropic.h is the same API in front.)
 * docs/apis.md shows field by field what is translated, left out and refused.
 *
 * How to use
 *
 *	id = sl_messages_request_write(&chat, &terms, &out, param, &error);
 *	if (id) this request cannot be told to such a server
 *	send out to POST /v1/messages
 *
 *	whole answer:	rc = sl_messages_answer_read(&names, body, len, &out, &refused);
 *	stream:		sl_messages_decoder_init(&d, &names);
 *			for all bytes: rc = sl_messages_decoder_feed(&d, data, len, &out);
 *			sl_messages_decoder_fini(&d)
 *	an error:	status = sl_messages_fault_write(status, body, len, &out)
 *	stream that passes as it is: sl_messages_event_read() of each event's data
 *
 * Strings are copied as they are escaped in the source. Pure but for the growing of sl_text; any
 * thread. Source: Anthropic API reference (messages, streaming messages, errors).
 */
#ifndef SL_USER_WIRE_MESSAGES_H
#define SL_USER_WIRE_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/text.h"
#include "user/wire/openai.h"
#include "user/wire/place.h"

#define SL_MESSAGES_VERSION	     "2023-06-01" /* anthropic-version, where the client says none */
#define SL_MESSAGES_NAME_BYTES_MAX   256u /* of an id or a model in a stream, quotes included */
#define SL_MESSAGES_SEQUENCE_BYTES   128u /* a longer stop sequence is not named in a stream's end */
#define SL_MESSAGES_TEMPERATURE_MAX  1.0  /* chat completions know up to 2 */
#define SL_MESSAGES_EVENT_BYTES_MAX  (1u << 20)
#define SL_MESSAGES_ANSWER_BYTES_MAX (128u << 20) /* a whole answer, translated */

/* ---- requests -------------------------------------------------------------------------------- */

/* What the request does not say. Borrowed for the call. */
struct sl_messages_terms {
	const char *model_json; /* its name for the server as a JSON string; NULL: the client's */
	size_t model_json_len;
	uint32_t max_tokens; /* where the request names no bound: the API wants one */
};

/*
 * Appends the body of POST /v1/messages for a chat completion that sl_openai_request_read has read.
 * Returns SL_OPENAI_OK, or the error's id with *ret_error ready to be written, whose param points
 * into param; *out is then of no use.
 */
enum sl_openai_error_id sl_messages_request_write(const struct sl_openai_request *chat,
						  const struct sl_messages_terms *terms,
						  struct sl_text *out,
						  char param[SL_PLACE_PARAM_BYTES],
						  struct sl_openai_error *ret_error);

/* ---- answers --------------------------------------------------------------------------------- */

/* What a message does not say of a chat completion. Borrowed. */
struct sl_messages_names {
	int64_t created_s;
	bool include_usage; /* streams: the client asked for the chunk with usage */
};

/* Tokens so far; -1: not said. A stream tells them in pieces, the last of each counts. */
struct sl_messages_usage {
	int64_t input; /* without those of the cache */
	int64_t cache_write;
	int64_t cache_read;
	int64_t output;
};

void sl_messages_usage_init(struct sl_messages_usage *usage);
/* Takes over what a usage object says. */
void sl_messages_usage_read(const struct sl_json_field *object, struct sl_messages_usage *usage);
/* All of them together; 0: nothing was said. */
uint64_t sl_messages_usage_total(const struct sl_messages_usage *usage);

/* Usage of a whole message; 0, or -ENOENT where it is none or has none. */
int sl_messages_usage_of(const char *body, size_t body_len, struct sl_messages_usage *ret_usage);

/*
 * Is the body a message that came to its end? refused: the model would not answer. Returns 0 or
 * -EINVAL.
 */
int sl_messages_answer_check(const char *body, size_t body_len, bool *ret_refused);

/*
 * Appends the chat completion that a message is. Returns 0; -EINVAL: not a whole message; -ENOMEM.
 */
int sl_messages_answer_read(const struct sl_messages_names *names, const char *body,
			    size_t body_len, struct sl_text *out, bool *ret_refused);

/*
 * A server's error body in OpenAI's shape, by what sl_openai_fault_read says of it. Returns the
 * status that goes with it: 503 for 529, else as it came.
 */
int sl_messages_fault_write(int status, const char *body, size_t body_len, struct sl_text *out);

/* ---- streams --------------------------------------------------------------------------------- */

enum sl_messages_kind {
	SL_MESSAGES_OTHER = 0, /* an event that says nothing to us: new ones may come */
	SL_MESSAGES_PING,      /* a sign of life of the server, not of the model */
	SL_MESSAGES_START,
	SL_MESSAGES_BLOCK_START,
	SL_MESSAGES_DELTA, /* of a block: progress */
	SL_MESSAGES_BLOCK_STOP,
	SL_MESSAGES_END,  /* message_delta: why it stopped, and usage */
	SL_MESSAGES_STOP, /* the answer is whole */
	SL_MESSAGES_ERROR,
	SL_MESSAGES_INVALID, /* no JSON object, or no event */
};

/* usage: what the event says of it is taken over. refused: left alone unless the event tells. */
enum sl_messages_kind sl_messages_event_read(const char *data, size_t data_len,
					     struct sl_messages_usage *usage, bool *ret_refused);

/* Is the last whole event of what came the one that ends a message? */
bool sl_messages_stream_is_whole(const char *data, size_t len);

/*
 * A stream of chat completion chunks out of one of messages, whatever the pieces in which it comes.
 *
 *	message_start		a chunk with the role
 *	text_delta		content
 *	thinking_delta		reasoning_content
 *	tool_use, its input	tool_calls
 *	ping			a comment
 *	error			data with an error object; nothing may follow
 *	message_delta		kept
 *	message_stop		the chunk with finish_reason, one with usage if asked, [DONE]
 *
 * So a stream that breaks before message_stop has no end in either API.
 */
struct sl_messages_decoder {
	struct sl_messages_names names;
	struct sl_messages_usage usage;
	struct sl_text partial; /* beginning of an event that is not whole yet */
	int64_t block;		/* index of the open block; -1: none */
	uint32_t calls;		/* tools called so far, the open one included */
	uint8_t open;		/* what block is open, see messages_stream.c */
	uint8_t finish;		/* enum sl_messages_finish, the same */
	bool started;
	bool over;	/* message_stop or an error has come */
	bool arguments; /* of the open call: some were sent */
	bool refused;	/* the model would not answer, or not to the end */
	bool beyond;	/* had parts that a chat completion has no place for */
	char id[SL_MESSAGES_NAME_BYTES_MAX];
	char model[SL_MESSAGES_NAME_BYTES_MAX];		/* as JSON */
	char stop_sequence[SL_MESSAGES_SEQUENCE_BYTES]; /* as JSON; empty: none was named */
};

void sl_messages_decoder_init(struct sl_messages_decoder *d, const struct sl_messages_names *names);
void sl_messages_decoder_fini(struct sl_messages_decoder *d);

/*
 * Appends what becomes of the next bytes. Returns 0; -EBADMSG: they are no stream of this API, or
 * one whose order is wrong (what came before is in *out); -E2BIG: an event is too large; -ENOMEM.
 */
int sl_messages_decoder_feed(struct sl_messages_decoder *d, const char *data, size_t len,
			     struct sl_text *out);

/* Where a client stands who got the same bytes as they were. */
struct sl_messages_place {
	bool plain;	/* text and calls are all that it has, and it was not told of an end */
	bool text;	/* its block `block` is open, of text */
	bool call;	/* the same, of a call */
	uint32_t block; /* index of the open block, or of the next one */
	uint32_t calls; /* begun so far */
};

void sl_messages_decoder_place(const struct sl_messages_decoder *d,
			       struct sl_messages_place *ret_place);

#endif
