/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/http/h2_conn.h"

static const struct sl_exchange_ops exchange_ops;

static struct sl_h2_stream *stream_of(const struct sl_exchange *exchange)
{
	return (struct sl_h2_stream *)(void *)exchange;
}

static struct sl_h2_stream *stream_of_timer(struct sl_timer *timer)
{
	return (struct sl_h2_stream *)((char *)timer - offsetof(struct sl_h2_stream, timer));
}

static struct sl_loop *loop_of(const struct sl_h2_stream *stream)
{
	return stream->x.server->loop;
}

/* ---- memory --------------------------------------------------------------------------------- */

static void free_fields(struct sl_h2_stream *stream)
{
	if (!stream->fields)
		return;
	sl_h2_fields_fini(stream->fields);
	free(stream->fields);
	stream->fields = NULL;
}

static void release(struct sl_h2_stream *stream)
{
	free_fields(stream);
	if (stream->x.head)
		sl_slab_put(&stream->x.server->heads, stream->x.head);
	stream->h2->held -= stream->x.head_len + stream->in_len;
	stream->x.head = NULL;
	stream->x.head_len = stream->x.body_len = 0;
	stream->x.body = NULL;
	free(stream->head_text);
	free(stream->in);
	stream->head_text = stream->in = NULL;
	stream->in_len = stream->in_size = 0;
}

static void drop_output(struct sl_h2_stream *stream)
{
	sl_output_drop(loop_of(stream), &stream->out);
	stream->above_low = false;
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t due_ns(struct sl_h2_stream *stream)
{
	const struct sl_server_options *o = &stream->x.server->options;
	uint64_t head_ns = stream->started_ns + (uint64_t)o->header_timeout_ms * SL_NS_PER_MS;

	switch (stream->state) {
	case SL_H2_HEAD:
		return head_ns;
	case SL_H2_BODY:
		return sl_patience_min_ns(stream->patience.progress_ns +
						  (uint64_t)o->body_timeout_ms * SL_NS_PER_MS,
					  sl_patience_due_ns(head_ns, o->body_timeout_ms,
							     stream->in_len, o->rate_min));
	default:
		return sl_patience_answer_ns(&stream->patience, sl_loop_now_ns(loop_of(stream)),
					     stream->out.bytes, stream->bytes_out,
					     sl_server_bounds(stream->x.server));
	}
}

/* Sees that the timer fires no later than the present state is overdue. */
static void watch(struct sl_h2_stream *stream)
{
	struct sl_loop *loop = loop_of(stream);
	uint64_t now_ns = sl_loop_now_ns(loop), at_ns = due_ns(stream);
	uint64_t left_ms = at_ns > now_ns ? (at_ns - now_ns + SL_NS_PER_MS - 1) / SL_NS_PER_MS : 0;
	uint64_t due_ms = sl_loop_now_ms(loop) + left_ms;

	if (!sl_timer_is_set(&stream->timer) || stream->timer.due_ms > due_ms + 1)
		sl_timer_set(loop, &stream->timer, left_ms);
}

/* Without an answer, or with no more of it. */
static void cut(struct sl_h2_stream *stream, enum sl_h2_code code)
{
	drop_output(stream);
	if (stream->state == SL_H2_HANDLE) {
		stream->state = SL_H2_DONE;
		stream->x.server->gone++;
		stream->x.server->ops->gone(&stream->x);
	}
	stream->state = SL_H2_DONE;
	stream->ended = true;
	release(stream);
	sl_h2_reset(stream, code);
}

/* An answer of our own, in the place of the owner's. */
static void refuse(struct sl_h2_stream *stream, enum sl_server_refusal refusal, int status,
		   const char *reason)
{
	struct sl_server *server = stream->x.server;
	char body[SL_SERVER_ERROR_ROOM];
	int len;

	server->refused[refusal]++;
	len = server->ops->error_body(&stream->x, refusal, status, reason, body, sizeof(body));
	stream->x.to_head = false;
	stream->state = SL_H2_HANDLE;
	sl_server_respond(&stream->x, status, "application/json", NULL, 0, body,
			  len > 0 ? (size_t)len : 0);
}

static void on_timer(struct sl_timer *timer)
{
	struct sl_h2_stream *stream = stream_of_timer(timer);

	if (sl_loop_now_ns(loop_of(stream)) < due_ns(stream)) {
		watch(stream);
		return;
	}
	switch (stream->state) {
	case SL_H2_HEAD: /* nothing else may come before its end: all wait for it */
		stream->x.server->refused[SL_SERVER_REFUSED_SLOW]++;
		sl_h2_end(stream->h2, SL_H2_REFUSED_HEADERS);
		return;
	case SL_H2_BODY:
		refuse(stream, SL_SERVER_REFUSED_SLOW, 408, "the request was not complete in time");
		break;
	default:
		stream->x.server->cut++;
		cut(stream, SL_H2_CODE_CANCEL);
		break;
	}
	watch(stream);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct sl_h2_stream *sl_h2_stream_new(struct sl_h2 *h2, int32_t id)
{
	struct sl_server *server = sl_h2_server(h2);
	struct sl_h2_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->fields = malloc(sizeof(*stream->fields));
	if (!stream->fields) {
		free(stream);
		return NULL;
	}
	sl_h2_fields_init(stream->fields);
	stream->x.ops = &exchange_ops;
	stream->x.server = server;
	stream->h2 = h2;
	stream->id = id;
	stream->started_ns = sl_loop_now_ns(server->loop);
	sl_timer_init(&stream->timer, on_timer);
	stream->next = h2->streams;
	stream->pprev = &h2->streams;
	if (stream->next)
		stream->next->pprev = &stream->next;
	h2->streams = stream;
	server->h2.streams++;
	watch(stream);
	return stream;
}

void sl_h2_stream_close(struct sl_h2_stream *stream)
{
	struct sl_server *server = stream->x.server;
	struct sl_h2 *h2 = stream->h2;

	sl_timer_cancel(server->loop, &stream->timer);
	stream->lost = true;
	if (stream->state == SL_H2_HANDLE) {
		stream->state = SL_H2_DONE;
		server->gone++;
		server->ops->gone(&stream->x);
	}
	drop_output(stream);
	release(stream);
	*stream->pprev = stream->next;
	if (stream->next)
		stream->next->pprev = stream->pprev;
	server->h2.streams--;
	free(stream);
	if (!h2->streams)
		h2->conn->patience.progress_ns = sl_loop_now_ns(server->loop);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* What a connection's requests hold is bounded: the newest has to wait. */
static void bound_held(struct sl_h2 *h2)
{
	struct sl_server *server = sl_h2_server(h2);
	size_t held_max = (size_t)SL_H2_HELD_BODIES * server->options.body_bytes_max;
	struct sl_h2_stream *stream;

	for (stream = h2->streams; stream && h2->held > held_max; stream = stream->next) {
		if (stream->state != SL_H2_BODY || (!stream->next && stream == h2->streams))
			continue;
		server->h2.refused[SL_H2_REFUSED_BODIES]++;
		cut(stream, SL_H2_CODE_REFUSED);
	}
}

static int grow(struct sl_h2_stream *stream, size_t need)
{
	size_t size = stream->in_size ? stream->in_size : SL_SERVER_BUFFER_BYTES;
	char *in;

	if (need <= stream->in_size)
		return 0;
	while (size < need)
		size *= 2;
	in = realloc(stream->in, size);
	if (!in)
		return -ENOMEM;
	stream->in = in;
	stream->in_size = size;
	return 0;
}

void sl_h2_stream_begin(struct sl_h2_stream *stream)
{
	struct sl_server *server = stream->x.server;
	int rc = 0;

	stream->x.head = sl_slab_get(&server->heads);
	if (stream->x.head)
		rc = sl_h2_fields_write(stream->fields, stream->x.head, &stream->head_text);
	free_fields(stream);
	if (rc == 0) {
		cut(stream, SL_H2_CODE_INTERNAL);
		return;
	}
	if (rc < 0) {
		server->h2.refused[SL_H2_REFUSED_MALFORMED]++;
		refuse(stream, SL_SERVER_REFUSED_HEAD, sl_h1_bad_status((enum sl_h1_bad) - rc),
		       sl_h1_bad_text((enum sl_h1_bad) - rc));
		return;
	}
	stream->x.head_len = (size_t)rc;
	stream->h2->held += (size_t)rc;
	stream->x.to_head = stream->x.head->method == SL_H1_METHOD_HEAD;
	stream->state = SL_H2_BODY;
	stream->patience.progress_ns = sl_loop_now_ns(server->loop);
	if (stream->x.head->content_length > (int64_t)server->options.body_bytes_max)
		refuse(stream, SL_SERVER_REFUSED_TOO_LARGE, 413, NULL);
	else if (stream->x.head->expect_continue && stream->x.head->content_length > 0)
		sl_h2_continue(stream);
	if (stream->x.head && stream->x.head->content_length <= (int64_t)SL_SERVER_GROW_AT_ONCE &&
	    stream->x.head->content_length > 0)
		(void)grow(stream, (size_t)stream->x.head->content_length);
	watch(stream);
}

void sl_h2_stream_data(struct sl_h2_stream *stream, const void *data, size_t len)
{
	struct sl_server *server = stream->x.server;

	if (stream->state != SL_H2_BODY) /* it was answered already */
		return;
	if (stream->in_len + len > server->options.body_bytes_max) {
		refuse(stream, SL_SERVER_REFUSED_TOO_LARGE, 413, NULL);
		return;
	}
	if (grow(stream, stream->in_len + len)) {
		cut(stream, SL_H2_CODE_INTERNAL);
		return;
	}
	memcpy(stream->in + stream->in_len, data, len);
	stream->in_len += len;
	stream->h2->held += len;
	stream->patience.progress_ns = sl_loop_now_ns(server->loop);
	bound_held(stream->h2);
	if (stream->state == SL_H2_BODY)
		watch(stream);
}

void sl_h2_stream_received(struct sl_h2_stream *stream)
{
	struct sl_server *server = stream->x.server;

	stream->received = true;
	if (stream->state != SL_H2_BODY)
		return;
	if (stream->x.head->content_length >= 0 &&
	    (size_t)stream->x.head->content_length != stream->in_len) {
		refuse(stream, SL_SERVER_REFUSED_BODY, 400, "body differs from Content-Length");
		return;
	}
	stream->x.body = stream->in ? stream->in : "";
	stream->x.body_len = stream->in_len;
	stream->state = SL_H2_HANDLE;
	stream->patience = (struct sl_patience){.progress_ns = sl_loop_now_ns(server->loop)};
	server->h2.requests++;
	watch(stream);
	server->ops->request(&stream->x);
}

/* ---- output --------------------------------------------------------------------------------- */

static int append(struct sl_h2_stream *stream, const void *data, size_t len)
{
	int error;

	if (stream->lost || stream->ended)
		return -EPIPE;
	error = sl_output_append(loop_of(stream), &stream->out, data, len);
	if (error)
		return error;
	if (stream->out.bytes > SL_SOCKET_LOW_BYTES)
		stream->above_low = true;
	sl_h2_resume(stream);
	return 0;
}

void sl_h2_stream_take(struct sl_h2_stream *stream, char *out, size_t len)
{
	sl_output_take(loop_of(stream), &stream->out, out, len);
	stream->bytes_out += len;
	if (stream->above_low && stream->out.bytes <= SL_SOCKET_LOW_BYTES)
		stream->h2->drained = true;
}

void sl_h2_stream_tell(struct sl_h2_stream *stream)
{
	if (!stream->above_low || stream->out.bytes > SL_SOCKET_LOW_BYTES)
		return;
	stream->above_low = false;
	if (stream->state == SL_H2_HANDLE && stream->x.server->ops->drained)
		stream->x.server->ops->drained(&stream->x);
}

/* ---- the exchange --------------------------------------------------------------------------- */

static int begin(struct sl_exchange *exchange, int status, const char *lines, size_t lines_len,
		 int64_t body_len)
{
	struct sl_h2_stream *stream = stream_of(exchange);
	bool has_body = !exchange->to_head && body_len != 0;
	int rc;

	if (stream->lost || stream->ended)
		return -EPIPE;
	if (lines_len > SL_SERVER_LINES_MAX - SL_SERVER_HEAD_ROOM)
		return -ENOSPC;
	rc = sl_h2_answer(stream, status, lines, lines_len, body_len, has_body);
	if (!rc)
		stream->begun = true;
	return rc;
}

static int add(struct sl_exchange *exchange, const void *data, size_t len)
{
	return append(stream_of(exchange), data, len);
}

static void finish(struct sl_exchange *exchange)
{
	struct sl_h2_stream *stream = stream_of(exchange);

	if (stream->state == SL_H2_DONE)
		return;
	stream->state = SL_H2_DONE;
	exchange->user = NULL;
	release(stream);
	if (stream->lost)
		return;
	stream->ended = true;
	sl_h2_resume(stream);
}

static void end(struct sl_exchange *exchange, const struct sl_trailer *trailer)
{
	struct sl_h2_stream *stream = stream_of(exchange);

	if (trailer && strlen(trailer->value) < sizeof(stream->trailer_value)) {
		strcpy(stream->trailer_value, trailer->value);
		stream->trailer = trailer->name;
	}
	finish(exchange);
}

static void abort_answer(struct sl_exchange *exchange)
{
	struct sl_h2_stream *stream = stream_of(exchange);

	if (stream->state == SL_H2_DONE)
		return;
	stream->state = SL_H2_DONE;
	exchange->user = NULL;
	if (stream->lost)
		return;
	cut(stream, SL_H2_CODE_INTERNAL);
}

static void release_request(struct sl_exchange *exchange)
{
	release(stream_of(exchange));
}

static size_t pending(const struct sl_exchange *exchange)
{
	return stream_of(exchange)->out.bytes;
}

static const char *identity(struct sl_exchange *exchange)
{
	return sl_tls_identity(&stream_of(exchange)->h2->conn->socket);
}

static const struct sl_exchange_ops exchange_ops = {
	.protocol = SL_PROTOCOL_HTTP2,
	.begin = begin,
	.body = add,
	.chunk = add,
	.end = end,
	.finish = finish,
	.abort = abort_answer,
	.release_request = release_request,
	.pending = pending,
	.identity = identity,
};
