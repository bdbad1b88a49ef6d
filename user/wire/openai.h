/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The OpenAI wire format, as far as a traffic layer must read and write it: facts of a
 * request, facts of a response or a stream chunk, error bodies, the list of models.
 *
 * How to use, a request
 *
 *	struct sl_openai_request r;
 *	id = sl_openai_request_read(SL_OPENAI_CHAT, body, len, &r, &e);
 *	if (id) {
 *		n = sl_openai_error_write(&e, out, sizeof(out));
 *		answer sl_openai_error_status(id) with out[0..n)
 *	}
 *	count = sl_openai_request_edits(&r, "\"m\"", 3, true, edits);
 *	n = sl_json_edit_write(body, len, edits, count, out, size);
 *
 * a stream (data comes from user/http/sse.h, kind SL_SSE_DATA)
 *
 *	struct sl_openai_chunk c;
 *	sl_openai_chunk_read(event.data, event.data_len, &c);
 *	if (c.flags & SL_OPENAI_CHUNK_ERROR) ... sl_openai_fault_read(...)
 *
 * Everything borrows from the body that was read; nothing allocates. Pure; any thread.
 * Source: OpenAI API reference (chat completions, completions, embeddings, models, errors).
 */
#ifndef SL_USER_WIRE_OPENAI_H
#define SL_USER_WIRE_OPENAI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/wire/json_scan.h"

#define SL_OPENAI_MODEL_BYTES_MAX   127
#define SL_OPENAI_USER_BYTES_MAX    255
#define SL_OPENAI_ERROR_BYTES_MAX   4096 /* room that any error body fits */
#define SL_OPENAI_MESSAGE_BYTES_MAX 512	 /* longest error message, cut at a character */
#define SL_OPENAI_CHOICES_MAX	    128	 /* the API's own bound of n */

/* Prompt bytes per token for estimates: English prose and code lie between 3.5 and 4.5. */
#define SL_OPENAI_BYTES_PER_TOKEN 4

enum sl_openai_endpoint {
	SL_OPENAI_NONE = 0,
	SL_OPENAI_CHAT,	       /* POST /v1/chat/completions */
	SL_OPENAI_COMPLETIONS, /* POST /v1/completions */
	SL_OPENAI_EMBEDDINGS,  /* POST /v1/embeddings */
	SL_OPENAI_MODELS,      /* GET /v1/models */
};

/* Errors that we answer ourselves. The table in openai_error.c holds status, type, code, text. */
enum sl_openai_error_id {
	SL_OPENAI_OK = 0,
	SL_OPENAI_ERROR_JSON,	      /* object: what is wrong, detail: where */
	SL_OPENAI_ERROR_MISSING,      /* param: the key */
	SL_OPENAI_ERROR_TYPE,	      /* param: the key, object: what was expected */
	SL_OPENAI_ERROR_VALUE,	      /* param: the key, object: what was expected */
	SL_OPENAI_ERROR_CONTENT_TYPE, /* object: what was sent */
	SL_OPENAI_ERROR_HTTP,	      /* object: what is wrong with the request head or framing */
	SL_OPENAI_ERROR_KEY_MISSING,
	SL_OPENAI_ERROR_KEY,	   /* object: the key, masked by the caller */
	SL_OPENAI_ERROR_FORBIDDEN, /* object: the model that the key may not use */
	SL_OPENAI_ERROR_KEYS_UNREADABLE,
	SL_OPENAI_ERROR_PATH,	      /* object: method, detail: path */
	SL_OPENAI_ERROR_METHOD,	      /* object: method, detail: path */
	SL_OPENAI_ERROR_MODEL,	      /* object: model */
	SL_OPENAI_ERROR_TIMEOUT_READ, /* the client sent its request too slowly */
	SL_OPENAI_ERROR_TOO_LARGE,    /* object: limit in bytes */
	SL_OPENAI_ERROR_HEAD_LARGE,
	SL_OPENAI_ERROR_CONTEXT, /* object: limit in tokens, detail: tokens asked */
	SL_OPENAI_ERROR_RATE,	 /* object: the limit that was reached */
	SL_OPENAI_ERROR_QUOTA,	 /* object: the budget that is spent */
	SL_OPENAI_ERROR_CLIENT_GONE,
	SL_OPENAI_ERROR_INTERNAL,     /* object: what failed */
	SL_OPENAI_ERROR_UNSUPPORTED,  /* object: what is not supported */
	SL_OPENAI_ERROR_UNTRANSLATED, /* param: the key, object: what to do instead */
	SL_OPENAI_ERROR_NO_COUNT,
	SL_OPENAI_ERROR_NOT_STORED, /* object: method, detail: path */
	SL_OPENAI_ERROR_UPSTREAM,   /* object: model, detail: what the last attempt met */
	SL_OPENAI_ERROR_OVERLOADED, /* object: model */
	SL_OPENAI_ERROR_NO_NODE,    /* object: model */
	SL_OPENAI_ERROR_DRAINING,
	SL_OPENAI_ERROR_DEADLINE,     /* object: model, detail: which bound */
	SL_OPENAI_ERROR_STREAM_CUT,   /* object: model, detail: what happened; in a stream */
	SL_OPENAI_ERROR_STREAM_STALL, /* object: model; in a stream */
	SL_OPENAI_ERROR_QUEUE,	    /* object: model, detail: why it may not wait, or not longer */
	SL_OPENAI_ERROR_POLICY,	    /* object: what was found, and where */
	SL_OPENAI_ERROR_UNCHECKED,  /* object: what could not be asked about it */
	SL_OPENAI_ERROR_ANSWER,	    /* object: model, detail: what is wrong with its answer */
	SL_OPENAI_ERROR_PROMPT,	    /* object: what is not known */
	SL_OPENAI_ERROR_PROMPT_BAD, /* param; object: the prompt, detail: why it cannot be made */
	SL_OPENAI_ERROR_RATED,	    /* object: the id of a request that cannot be rated */
	SL_OPENAI_ERROR_COUNT
};

/* An error to be written. Texts are borrowed and end with NUL; each may be NULL. */
struct sl_openai_error {
	enum sl_openai_error_id id;
	const char *param; /* key of the request that is at fault */
	const char *object;
	const char *detail;
	enum sl_json_bad bad; /* of ERROR_JSON */
	char text[64]; /* room for a caller's number or offset; object or detail may point here */
};

/* What a request asks for. Absent numbers are -1 (seed: has_seed; temperature: negative). */
struct sl_openai_request {
	enum sl_openai_endpoint endpoint;
	const char *body;
	size_t body_len;
	char model[SL_OPENAI_MODEL_BYTES_MAX + 1];
	size_t model_len;
	char user[SL_OPENAI_USER_BYTES_MAX + 1]; /* safety_identifier, else user; may be empty */
	size_t user_len;
	bool stream;
	bool include_usage;	  /* stream_options.include_usage */
	bool has_tools;		  /* a tools or functions array that is not empty */
	bool has_response_format; /* a response_format object (json_schema, json_object, text) */
	bool has_seed;
	bool logprobs;
	int64_t max_tokens; /* max_completion_tokens, else max_tokens */
	int64_t n;
	int64_t seed;
	double temperature;
	size_t prompt_bytes;		 /* raw text of messages, prompt or input */
	uint32_t prompt_tokens_estimate; /* prompt_bytes / SL_OPENAI_BYTES_PER_TOKEN, at least 1 */
	/* where the values lie in the body, for the rewrite */
	struct sl_json_field model_field;
	struct sl_json_field prompt_field; /* messages, prompt or input */
	struct sl_json_field stream_options_field;
	struct sl_json_field include_usage_field;
	struct sl_json_field cache_key_field; /* prompt_cache_key, of any type */
	struct sl_json_field prompt_ref;      /* of a chat: `prompt`, an object; else ABSENT */
	bool no_messages;		      /* a chat that has only that */
};

/*
 * Reads and checks a request body. Returns SL_OPENAI_OK, or the error's id with *ret_error
 * ready for sl_openai_error_write. The body must outlive *ret_request.
 */
enum sl_openai_error_id sl_openai_request_read(enum sl_openai_endpoint endpoint, const char *body,
					       size_t body_len,
					       struct sl_openai_request *ret_request,
					       struct sl_openai_error *ret_error);

/*
 * Edits that turn the client's body into the server's: the model's name when it differs
 * (model_json: the new name as a JSON string, quotes included; NULL keeps it), and
 * stream_options.include_usage when want_usage and the client streams without it.
 * Returns the number of edits (0: send the body as it is), for sl_json_edit_pieces or
 * sl_json_edit_write. model_json is borrowed by the edits.
 */
size_t sl_openai_request_edits(const struct sl_openai_request *request, const char *model_json,
			       size_t model_json_len, bool want_usage,
			       struct sl_json_edit ret_edits[2]);

enum sl_openai_chunk_flag {
	SL_OPENAI_CHUNK_ERROR = 1 << 0,	     /* a key "error" at the top, not null */
	SL_OPENAI_CHUNK_FINISH = 1 << 1,     /* a choice has a finish_reason that is not null */
	SL_OPENAI_CHUNK_USAGE = 1 << 2,	     /* a usage object */
	SL_OPENAI_CHUNK_NO_CHOICES = 1 << 3, /* with USAGE: choices is empty (the extra chunk) */
	SL_OPENAI_CHUNK_TOKEN =
		1 << 4, /* carries text, a tool call or reasoning, not just a role */
	SL_OPENAI_CHUNK_INVALID = 1 << 5, /* looked at closely and found to be no valid JSON */
};

struct sl_openai_usage {
	int64_t prompt_tokens; /* -1 when absent */
	int64_t completion_tokens;
	int64_t total_tokens;
	int64_t cached_tokens; /* prompt_tokens_details.cached_tokens */
};

struct sl_openai_chunk {
	uint32_t flags;
	struct sl_openai_usage usage; /* set only with SL_OPENAI_CHUNK_USAGE */
};

/*
 * Reads the data of one stream event. The usual token chunk is only searched for the three
 * keys (about 30 ns for 200 bytes); a hit is confirmed by a strict scan of the whole chunk.
 * Keys that a server writes with escapes ("us\u0061ge") are not found: no server does.
 */
void sl_openai_chunk_read(const char *data, size_t data_len, struct sl_openai_chunk *ret_chunk);

/*
 * Usage of a complete response body. Returns 0, -ENOENT when it has none, -EINVAL when the
 * body is no valid JSON object.
 */
int sl_openai_usage_read(const char *body, size_t body_len, struct sl_openai_usage *ret_usage);

/* What a server's error means for retry, fallback and breaker. */
enum sl_openai_fault {
	SL_OPENAI_FAULT_NONE = 0, /* no error object in the body */
	SL_OPENAI_FAULT_OTHER,	  /* an error that says nothing more */
	SL_OPENAI_FAULT_INVALID,  /* the client's request is at fault */
	SL_OPENAI_FAULT_CONTEXT_LENGTH,
	SL_OPENAI_FAULT_CONTENT_POLICY,
	SL_OPENAI_FAULT_AUTH,  /* our key for that server */
	SL_OPENAI_FAULT_MODEL, /* the server does not have the model */
	SL_OPENAI_FAULT_RATE,
	SL_OPENAI_FAULT_QUOTA,
	SL_OPENAI_FAULT_OVERLOADED,
	SL_OPENAI_FAULT_SERVER,
};

/*
 * Classifies an error body (or the data of an error event) in the shapes of OpenAI, vLLM,
 * SGLang, llama.cpp and TGI. status: HTTP status, 0 when unknown. ret_message (may be NULL)
 * gets the raw message field, ABSENT when there is none. Never fails: what cannot be read
 * is judged by the status.
 */
enum sl_openai_fault sl_openai_fault_read(int status, const char *body, size_t body_len,
					  struct sl_json_field *ret_message);
const char *sl_openai_fault_name(enum sl_openai_fault fault);

/* HTTP status of an error; 499 for CLIENT_GONE is for logs only, it has no one to answer. */
int sl_openai_error_status(enum sl_openai_error_id id);
/* OpenAI's code, such as "model_not_found"; "" where the API has null. */
const char *sl_openai_error_code(enum sl_openai_error_id id);

/* The words of an error, not terminated, cut at a character. Returns their length. */
size_t sl_openai_error_message(const struct sl_openai_error *error,
			       char out[SL_OPENAI_MESSAGE_BYTES_MAX]);

/*
 * {"error":{"message":...,"type":...,"param":...,"code":...}} into out, no NUL. Returns the
 * length, or -ENOSPC (SL_OPENAI_ERROR_BYTES_MAX always suffices).
 */
int sl_openai_error_write(const struct sl_openai_error *error, char *out, size_t out_size);

/* The same as an event: "data: {...}\n\n". A [DONE] must not follow it. */
int sl_openai_error_event_write(const struct sl_openai_error *error, char *out, size_t out_size);

struct sl_openai_model {
	const char *id;
	const char *owned_by;
	int64_t created_s; /* Unix time */
};

/* Body of GET /v1/models. Returns the length or -ENOSPC. */
int sl_openai_models_write(const struct sl_openai_model *models, size_t model_count, char *out,
			   size_t out_size);

#endif
