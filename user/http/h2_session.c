/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2_session.c - the connection: bytes to nghttp2 and from it, floods, leaving.
 *
 * nghttp2 frames, compresses heads, keeps windows and stream states, and refuses what is malformed.
 * It is fed from the loop's buffers, and asked for output once a turn: DATA is copied once, from
 * the stream's queue behind its frame head in the socket's.
 */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include "user/http/h1_write.h"
#include "user/http/h2_conn.h"

#define FRAME_HEAD_BYTES 9u
#define DATA_BYTES_MAX	 (SL_SERVER_LINES_MAX - FRAME_HEAD_BYTES) /* one block of output */

const char *const sl_h2_refusal_names[SL_H2_REFUSED_COUNT] = {
#define X(id, name) [SL_H2_REFUSED_##id] = name,
	SL_H2_REFUSALS(X)
#undef X
};

static uint64_t now_of(const struct sl_h2 *h2)
{
	return sl_loop_now_ns(sl_h2_server(h2)->loop);
}

/* NULL: none of ours, or it is over. */
static struct sl_h2_stream *find(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- floods --------------------------------------------------------------------------------- */

void sl_h2_end(struct sl_h2 *h2, enum sl_h2_refusal refusal)
{
	uint32_t code = refusal == SL_H2_REFUSED_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR
							  : NGHTTP2_ENHANCE_YOUR_CALM;

	if (h2->ended)
		return;
	h2->ended = true;
	sl_h2_server(h2)->h2.refused[refusal]++;
	nghttp2_session_terminate_session(h2->session, code);
	sl_h2_flush(h2);
}

static void count_reset(struct sl_h2 *h2)
{
	if (!sl_h2_budget_take(&h2->resets, now_of(h2), SL_H2_RESETS_EACH_MS * SL_NS_PER_MS,
			       SL_H2_RESETS_BURST))
		sl_h2_end(h2, SL_H2_REFUSED_RESETS);
}

static void count_control(struct sl_h2 *h2)
{
	if (!sl_h2_budget_take(&h2->control, now_of(h2), SL_H2_CONTROL_EACH_MS * SL_NS_PER_MS,
			       SL_H2_CONTROL_BURST))
		sl_h2_end(h2, SL_H2_REFUSED_CONTROL);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
	struct sl_h2 *h2 = user;

	(void)session;
	if (hd->type == NGHTTP2_DATA && (hd->length || (hd->flags & NGHTTP2_FLAG_END_STREAM)))
		return 0;
	if (hd->type != NGHTTP2_HEADERS && hd->type != NGHTTP2_CONTINUATION)
		count_control(h2);
	return 0;
}

/* ---- requests ------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct sl_h2 *h2 = user;
	struct sl_server *server = sl_h2_server(h2);
	struct sl_h2_stream *stream;

	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || h2->ended)
		return 0;
	/* A stream holds what a connection of HTTP/1 does. */
	if (server->conn_count + server->h2.streams >= server->options.connections_max) {
		server->refused[SL_SERVER_REFUSED_MANY]++;
		return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
						 NGHTTP2_REFUSED_STREAM);
	}
	stream = sl_h2_stream_new(h2, frame->hd.stream_id);
	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
	if (!stream->next) /* idle until now: that has a time of its own */
		sl_server_conn_watch(h2->conn);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *user)
{
	struct sl_h2_stream *stream = find(session, frame->hd.stream_id);
	struct sl_h2 *h2 = user;

	(void)flags;
	if (!stream || h2->ended)
		return 0;
	/* Trailers say nothing that we read. */
	if (stream->state == SL_H2_HEAD && stream->fields &&
	    !sl_h2_fields_take(stream->fields, (const char *)name, name_len, (const char *)value,
			       value_len))
		sl_h2_end(h2, SL_H2_REFUSED_HEADERS);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct sl_h2_stream *stream = find(session, frame->hd.stream_id);
	struct sl_h2 *h2 = user;

	if (h2->ended)
		return 0;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (stream && stream->state == SL_H2_HEAD)
			sl_h2_stream_begin(stream);
		/* fall through */
	case NGHTTP2_DATA:
		if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
			sl_h2_stream_received(stream);
		break;
	case NGHTTP2_RST_STREAM:
		sl_h2_server(h2)->h2.resets++;
		count_reset(h2);
		break;
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && h2->leaving)
			h2->leave_ns = 0; /* see flush */
		break;
	default:
		break;
	}
	return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		    size_t len, void *user)
{
	struct sl_h2_stream *stream = find(session, id);
	struct sl_h2 *h2 = user;

	(void)flags;
	if (stream && !h2->ended)
		sl_h2_stream_data(stream, data, len);
	return 0;
}

/* A frame that breaks the rules: nghttp2 resets the stream, or ends the connection. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
			    void *user)
{
	struct sl_h2 *h2 = user;

	(void)session, (void)frame, (void)error;
	sl_h2_server(h2)->h2.refused[SL_H2_REFUSED_MALFORMED]++;
	return 0;
}

/* A field that nghttp2 would pass over: kept as a fault, so that the request is refused. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
			     const uint8_t *name, size_t name_len, const uint8_t *value,
			     size_t value_len, uint8_t flags, void *user)
{
	struct sl_h2_stream *stream = find(session, frame->hd.stream_id);

	(void)name, (void)name_len, (void)value, (void)value_len, (void)flags, (void)user;
	if (stream && stream->fields && !stream->fields->bad)
		stream->fields->bad = SL_H1_BAD_CONTROL;
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct sl_h2_stream *stream = find(session, id);
	struct sl_h2 *h2 = user;

	(void)code;
	if (!stream)
		return 0;
	nghttp2_session_set_stream_user_data(session, id, NULL);
	sl_h2_stream_close(stream);
	if (!h2->streams)
		sl_server_conn_watch(h2->conn);
	return 0;
}

/* ---- output --------------------------------------------------------------------------------- */

static bool has_room(const struct sl_h2 *h2)
{
	return sl_socket_pending(&h2->conn->socket) < SL_H2_OUT_BYTES;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags,
		       void *user)
{
	struct sl_h2 *h2 = user;

	(void)session, (void)flags;
	if (!has_room(h2))
		return NGHTTP2_ERR_WOULDBLOCK;
	if (sl_socket_send(&h2->conn->socket, data, len))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return (ssize_t)len;
}

/* Instead of the end of the stream: it ends with them. */
static void submit_trailer(struct sl_h2_stream *stream, uint32_t *flags)
{
	nghttp2_nv field = {.name = (uint8_t *)stream->trailer,
			    .namelen = strlen(stream->trailer),
			    .value = (uint8_t *)stream->trailer_value,
			    .valuelen = strlen(stream->trailer_value)};

	if (!nghttp2_submit_trailer(stream->h2->session, stream->id, &field, 1))
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
		       uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct sl_h2_stream *stream = source->ptr;
	size_t part = stream->out.bytes;

	(void)session, (void)id, (void)buf, (void)user;
	if (!part && !stream->ended) {
		stream->waiting = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (part > len)
		part = len;
	if (part > DATA_BYTES_MAX)
		part = DATA_BYTES_MAX;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (stream->ended && part == stream->out.bytes) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (stream->trailer)
			submit_trailer(stream, flags);
	}
	return (ssize_t)part;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
			size_t len, nghttp2_data_source *source, void *user)
{
	struct sl_h2_stream *stream = source->ptr;
	struct sl_h2 *h2 = user;
	char *room;

	(void)session, (void)frame;
	if (!has_room(h2))
		return NGHTTP2_ERR_WOULDBLOCK;
	room = sl_socket_reserve(&h2->conn->socket, FRAME_HEAD_BYTES + len);
	if (!room)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(room, head, FRAME_HEAD_BYTES);
	sl_h2_stream_take(stream, room + FRAME_HEAD_BYTES, len);
	sl_socket_commit(&h2->conn->socket, FRAME_HEAD_BYTES + len);
	return 0;
}

/* Codes that say the client broke a rule: it could make us reset streams as it likes. */
static bool is_its_fault(uint32_t code)
{
	return code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR ||
	       code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_FRAME_SIZE_ERROR;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct sl_h2_stream *stream = find(session, frame->hd.stream_id);
	struct sl_h2 *h2 = user;

	if (frame->hd.type == NGHTTP2_DATA)
		sl_h2_budget_earn(&h2->control, SL_H2_CONTROL_EACH_MS * SL_NS_PER_MS,
				  SL_H2_CONTROL_PER_DATA);
	/* Behind it, so that its answer says that the client knows. */
	if (frame->hd.type == NGHTTP2_GOAWAY && h2->leaving && !h2->left)
		nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, NULL);
	if (frame->hd.type == NGHTTP2_RST_STREAM && is_its_fault(frame->rst_stream.error_code))
		count_reset(h2);
	/* Answered before the request was complete: the rest of it is not wanted. */
	if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && stream && !stream->received)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
					  NGHTTP2_NO_ERROR);
	return 0;
}

/* The owners that wait for room, outside of nghttp2's callbacks. */
static void tell_drained(struct sl_h2 *h2)
{
	struct sl_h2_stream *stream;

	if (!h2->drained)
		return;
	h2->drained = false;
	for (stream = h2->streams; stream; stream = stream->next)
		sl_h2_stream_tell(stream);
}

/* The client knows that we leave, or had its time: names the last stream that is served. */
static void leave_now(struct sl_h2 *h2)
{
	h2->left = true;
	nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(h2->session),
			      NGHTTP2_NO_ERROR, NULL, 0);
}

static void on_task(struct sl_task *task)
{
	struct sl_h2 *h2 = (struct sl_h2 *)((char *)task - offsetof(struct sl_h2, task));
	struct sl_server_conn *conn = h2->conn;

	if (!conn) {
		free(h2);
		return;
	}
	if (conn->state != SL_SERVER_H2)
		return;
	if (h2->leaving && !h2->left && !h2->leave_ns)
		leave_now(h2);
	if (nghttp2_session_send(h2->session)) {
		sl_server_conn_lose(conn, SL_SOCKET_RESET);
		return;
	}
	tell_drained(h2);
	if (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session))
		sl_server_conn_lose(conn, SL_SOCKET_FLUSH);
}

void sl_h2_flush(struct sl_h2 *h2)
{
	if (h2->conn->state == SL_SERVER_H2)
		sl_loop_defer(sl_h2_server(h2)->loop, &h2->task);
}

/* ---- for h2_stream.c ------------------------------------------------------------------------ */

struct answer {
	nghttp2_nv fields[SL_H2_ANSWER_FIELDS_MAX];
	size_t count;
};

static int add_field(struct answer *answer, struct sl_span name, struct sl_span value)
{
	if (answer->count == SL_H2_ANSWER_FIELDS_MAX)
		return -ENOSPC;
	answer->fields[answer->count++] = (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.data,
		.namelen = name.len,
		.value = (uint8_t *)(uintptr_t)value.data,
		.valuelen = value.len,
	};
	return 0;
}

/* Written by HTTP/1's rules: those of a connection have no place here. Names are lowered by
 * nghttp2. */
static int add_lines(struct answer *answer, const char *lines, size_t lines_len)
{
	struct sl_span rest = {lines, lines_len};
	int rc = 0;

	while (rest.len && !rc) {
		struct sl_span line = sl_span_cut(&rest, '\n');
		struct sl_span name = sl_span_cut(&line, ':');
		enum sl_h1_id id = sl_h1_name_id(name.data, name.len);

		if (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		if (name.len && line.data && id != SL_H1_ID_CONNECTION &&
		    id != SL_H1_ID_KEEP_ALIVE && id != SL_H1_ID_PROXY && id != SL_H1_ID_UPGRADE &&
		    id != SL_H1_ID_TRANSFER_ENCODING && id != SL_H1_ID_CONTENT_LENGTH)
			rc = add_field(answer, name, sl_span_trim(line));
	}
	return rc;
}

int sl_h2_answer(struct sl_h2_stream *stream, int status, const char *lines, size_t lines_len,
		 int64_t body_len, bool has_body)
{
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = on_read};
	char status_text[SL_H1_U64_TEXT_MAX], length_text[SL_H1_U64_TEXT_MAX];
	struct sl_h2 *h2 = stream->h2;
	struct answer answer;
	int rc;

	answer.count = 0;
	add_field(&answer, SL_SPAN(":status"),
		  (struct sl_span){status_text, sl_h1_format_u64(status_text, (uint64_t)status)});
	rc = add_lines(&answer, lines, lines ? lines_len : 0);
	if (!rc && body_len >= 0)
		rc = add_field(&answer, SL_SPAN("content-length"),
			       (struct sl_span){length_text,
						sl_h1_format_u64(length_text, (uint64_t)body_len)});
	if (rc)
		return rc;
	if (h2->ended || nghttp2_submit_response(h2->session, stream->id, answer.fields,
						 answer.count, has_body ? &provider : NULL))
		return -EPIPE;
	sl_h2_flush(h2);
	return 0;
}

void sl_h2_continue(struct sl_h2_stream *stream)
{
	nghttp2_nv field = {.name = (uint8_t *)":status",
			    .namelen = 7,
			    .value = (uint8_t *)"100",
			    .valuelen = 3};

	(void)nghttp2_submit_headers(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL,
				     &field, 1, NULL);
	sl_h2_flush(stream->h2);
}

void sl_h2_reset(struct sl_h2_stream *stream, enum sl_h2_code code)
{
	static const uint32_t codes[] = {
		[SL_H2_CODE_NONE] = NGHTTP2_NO_ERROR,
		[SL_H2_CODE_INTERNAL] = NGHTTP2_INTERNAL_ERROR,
		[SL_H2_CODE_REFUSED] = NGHTTP2_REFUSED_STREAM,
		[SL_H2_CODE_CANCEL] = NGHTTP2_CANCEL,
	};

	(void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
					codes[code]);
	sl_h2_flush(stream->h2);
}

void sl_h2_resume(struct sl_h2_stream *stream)
{
	if (stream->waiting) {
		stream->waiting = false;
		(void)nghttp2_session_resume_data(stream->h2->session, stream->id);
	}
	sl_h2_flush(stream->h2);
}

/* ---- the connection ------------------------------------------------------------------------- */

void sl_h2_data(struct sl_h2 *h2, const char *buf, size_t len)
{
	ssize_t rc;

	if (h2->ended)
		return;
	rc = nghttp2_session_mem_recv(h2->session, (const uint8_t *)buf, len);
	if (rc == NGHTTP2_ERR_FLOODED)
		sl_h2_end(h2, SL_H2_REFUSED_CONTROL);
	else if (rc == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
		sl_h2_end(h2, SL_H2_REFUSED_HEADERS);
	else if (rc < 0)
		sl_h2_end(h2, SL_H2_REFUSED_PROTOCOL);
	sl_h2_flush(h2);
}

void sl_h2_drained(struct sl_h2 *h2)
{
	sl_h2_flush(h2);
}

void sl_h2_lose(struct sl_h2 *h2)
{
	struct sl_h2_stream *stream;

	/* First all: an owner that is told may touch another one's stream. */
	for (stream = h2->streams; stream; stream = stream->next)
		stream->lost = true;
	while (h2->streams)
		sl_h2_stream_close(h2->streams);
}

void sl_h2_leave(struct sl_h2 *h2)
{
	if (h2->leaving)
		return;
	h2->leaving = true;
	h2->leave_ns = now_of(h2);
	(void)nghttp2_submit_shutdown_notice(h2->session);
	sl_h2_flush(h2);
	sl_server_conn_watch(h2->conn);
}

static bool is_idle(const struct sl_h2 *h2)
{
	return !h2->streams && !sl_socket_pending(&h2->conn->socket);
}

uint64_t sl_h2_due_ns(struct sl_h2 *h2)
{
	struct sl_server_conn *conn = h2->conn;
	const struct sl_server *server = sl_h2_server(h2);

	if (h2->leaving && !h2->left)
		return h2->leave_ns + SL_H2_LEAVE_MS * SL_NS_PER_MS;
	if (is_idle(h2))
		return conn->patience.progress_ns +
		       (uint64_t)server->options.idle_timeout_ms * SL_NS_PER_MS;
	return sl_patience_answer_ns(&conn->patience, now_of(h2), sl_socket_pending(&conn->socket),
				     conn->socket.bytes_out, sl_server_bounds(server));
}

void sl_h2_overdue(struct sl_h2 *h2)
{
	if (h2->leaving && !h2->left) {
		h2->leave_ns = 0;
		sl_h2_flush(h2);
	} else if (is_idle(h2)) {
		h2->ended = true;
		nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
		sl_h2_flush(h2);
	} else {
		sl_h2_server(h2)->cut++;
		sl_server_conn_lose(h2->conn, SL_SOCKET_RESET);
		return;
	}
	sl_timer_set(sl_h2_server(h2)->loop, &h2->conn->timer, SL_H2_LEAVE_MS);
}

static int open_session(struct sl_h2 *h2)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	int rc = nghttp2_session_callbacks_new(&callbacks);

	if (rc)
		return -ENOMEM;
	rc = nghttp2_option_new(&option);
	if (rc) {
		nghttp2_session_callbacks_del(callbacks);
		return -ENOMEM;
	}
	nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_outbound_ack(option, SL_H2_ACKS_MAX);
	rc = nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return rc ? -ENOMEM : 0;
}

static int greet(struct sl_h2 *h2)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, sl_h2_server(h2)->options.h2_streams_max},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, SL_H2_STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, SL_H1_REQUEST_HEAD_BYTES_MAX},
	};

	if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) ||
	    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
						  (int32_t)SL_H2_CONN_WINDOW))
		return -ENOMEM;
	return 0;
}

int sl_h2_open(struct sl_server_conn *conn, const char *buf, size_t len)
{
	struct sl_server *server = conn->x.server;
	struct sl_h2 *h2 = calloc(1, sizeof(*h2));

	if (!h2)
		return -ENOMEM;
	h2->conn = conn;
	h2->task.run = on_task;
	if (open_session(h2)) {
		free(h2);
		return -ENOMEM;
	}
	conn->h2 = h2;
	server->h2.conns++;
	server->h2.accepted++;
	if (greet(h2))
		return -ENOMEM;
	conn->state = SL_SERVER_H2;
	conn->used = true;
	conn->patience = (struct sl_patience){.progress_ns = sl_loop_now_ns(server->loop)};
	sl_h2_data(h2, buf, len);
	if (server->leaving || server->draining)
		sl_h2_leave(h2);
	sl_timer_cancel(server->loop, &conn->timer);
	sl_server_conn_watch(conn);
	return 0;
}

void sl_h2_free(struct sl_h2 **h2)
{
	struct sl_h2 *it = *h2;

	if (!it)
		return;
	*h2 = NULL;
	sl_h2_server(it)->h2.conns--;
	nghttp2_session_del(it->session);
	if (it->task.queued)
		it->conn = NULL; /* its turn frees it */
	else
		free(it);
}
