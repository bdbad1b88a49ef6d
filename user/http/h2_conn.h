/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2_conn.h - what h2_session.c and h2_stream.c need of each other.
 *
 *   stream  meaning                                  leaves by
 *   HEAD    collecting the head                      complete -> BODY; bad -> HANDLE with our answer
 *   BODY    collecting the body                      complete -> HANDLE; refused: the same
 *   HANDLE  the request is with the owner            finish, abort -> DONE; reset, lost -> freed
 *   DONE    what is left of the answer is sent       the stream's end -> freed
 */
#ifndef SL_HTTP_H2_CONN_H
#define SL_HTTP_H2_CONN_H

#include "user/http/h2.h"
#include "user/http/h2_budget.h"
#include "user/http/h2_head.h"
#include "user/http/server_conn.h"
#include "user/io/output.h"

struct nghttp2_session;

enum sl_h2_stream_state { SL_H2_HEAD = 0, SL_H2_BODY, SL_H2_HANDLE, SL_H2_DONE };

struct sl_h2_stream {
	struct sl_exchange x; /* first */
	struct sl_h2 *h2;
	struct sl_h2_stream *next, **pprev;
	struct sl_timer timer;
	int32_t id;
	uint8_t state;
	bool received;		     /* the client has ended the request */
	bool begun;		     /* the answer's head is on its way */
	bool ended;		     /* nothing is added to the answer any more */
	bool waiting;		     /* for output: nghttp2 asks no more until it is told */
	bool above_low;		     /* the owner waits to be told that output drained */
	bool lost;		     /* its connection is */
	struct sl_h2_fields *fields; /* HEAD */
	char *head_text;
	char *in; /* the body */
	size_t in_len, in_size;
	struct sl_output out;
	const char *trailer; /* name of a field behind the body; NULL: none */
	char trailer_value[SL_TRAILER_VALUE_BYTES];
	uint64_t bytes_out;
	uint64_t started_ns;
	struct sl_patience patience;
};

struct sl_h2 {
	struct sl_server_conn *conn; /* NULL: only the task keeps it */
	struct nghttp2_session *session;
	struct sl_h2_stream *streams; /* newest first */
	struct sl_task task;	      /* sends what waits, once a turn */
	struct sl_h2_budget resets, control;
	size_t held; /* bytes of requests */
	uint64_t leave_ns;
	bool leaving; /* told to the client */
	bool left;    /* and the last stream named */
	bool ended;   /* by us: what still comes is of no use */
	bool drained; /* an owner is to be told */
};

static inline struct sl_server *sl_h2_server(const struct sl_h2 *h2)
{
	return h2->conn->x.server;
}

/* ---- h2_stream.c ---------------------------------------------------------------------------- */

/* NULL without memory. */
struct sl_h2_stream *sl_h2_stream_new(struct sl_h2 *h2, int32_t id);
/* The head is complete. */
void sl_h2_stream_begin(struct sl_h2_stream *stream);
void sl_h2_stream_data(struct sl_h2_stream *stream, const void *data, size_t len);
/* The client has ended the request: it is handed over. */
void sl_h2_stream_received(struct sl_h2_stream *stream);
/* The stream is over: its owner is told if it does not know, and it is freed. */
void sl_h2_stream_close(struct sl_h2_stream *stream);
/* Takes len bytes off the output (at most out.bytes). */
void sl_h2_stream_take(struct sl_h2_stream *stream, char *out, size_t len);
/* Tells the owner that output drained, if it waits for that. */
void sl_h2_stream_tell(struct sl_h2_stream *stream);

/* ---- h2_session.c --------------------------------------------------------------------------- */

enum sl_h2_code {
	SL_H2_CODE_NONE = 0,
	SL_H2_CODE_INTERNAL,
	SL_H2_CODE_REFUSED,
	SL_H2_CODE_CANCEL,
};

/* Sends what waits at the end of this turn. */
void sl_h2_flush(struct sl_h2 *h2);
/* Queues an answer's head; has_body: output of the stream follows. 0, -ENOSPC, -EPIPE. */
int sl_h2_answer(struct sl_h2_stream *stream, int status, const char *lines, size_t lines_len,
		 int64_t body_len, bool has_body);
/* "100 Continue". */
void sl_h2_continue(struct sl_h2_stream *stream);
void sl_h2_reset(struct sl_h2_stream *stream, enum sl_h2_code code);
/* Output was added, or is over. */
void sl_h2_resume(struct sl_h2_stream *stream);
/* Ends the connection by GOAWAY, for a fault of the client. */
void sl_h2_end(struct sl_h2 *h2, enum sl_h2_refusal refusal);

#endif
