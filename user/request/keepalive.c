/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/keepalive.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/http/h1_write.h"
#include "user/request/explain.h"

#define LINES_BYTES	(512u + SL_ADMIT_LIMITS_BYTES)
#define FAULT_BYTES_MAX (256u << 10) /* of a node's error body that is passed on */

static uint64_t now_of(const struct sl_request *request)
{
	return sl_loop_now_ns(request->worker->loop);
}

static void beat_later(struct sl_request *request)
{
	sl_timer_set(request->worker->loop, &request->keepalive,
		     request->route->config->queue_keepalive_ms);
}

/* The head of a stream that has not begun. */
static int open_stream(struct sl_request *request)
{
	static const char type[] = "text/event-stream; charset=utf-8";
	struct sl_exchange *client = request->client;
	char lines[LINES_BYTES];
	struct sl_h1_out out;
	int rc;

	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_request_write_id(&out, client->head, request->id);
	SL_H1_WRITE_HEADER(&out, "content-type", type, sizeof(type) - 1);
	SL_H1_WRITE_HEADER(&out, "cache-control", "no-cache", 8);
	SL_H1_WRITE_HEADER(&out, "x-sluice-queue", "waiting", 7);
	sl_admit_write_limits(&request->admission, now_of(request), &out);
	rc = out.error ? out.error
		       : sl_server_begin(client, 200, lines, (size_t)(out.at - lines), -1);
	if (rc)
		return rc;
	request->head_sent = true;
	sl_explain_note(request, SL_TRAIL_KEEPALIVE, 0,
			(uint32_t)((now_of(request) - request->start_ns) / SL_NS_PER_MS), NULL,
			NULL);
	return 0;
}

/* A head that cannot be written now (no memory) is tried again with the next comment. */
static void on_beat(struct sl_timer *timer)
{
	struct sl_request *request =
		(struct sl_request *)((char *)timer - offsetof(struct sl_request, keepalive));
	uint64_t waited_s = (now_of(request) - request->start_ns) / SL_NS_PER_S;
	char comment[64];
	int len;

	if (!request->client || (!request->head_sent && request->wait != SL_WAIT_WAITS))
		return;
	beat_later(request);
	if (!request->head_sent && open_stream(request))
		return;
	len = snprintf(comment, sizeof(comment), ": sluice: waiting, %llu s\n\n",
		       (unsigned long long)waited_s);
	sl_server_chunk(request->client, comment, (size_t)len);
}

void sl_keepalive_init(struct sl_request *request)
{
	sl_timer_init(&request->keepalive, on_beat);
	request->head_sent = false;
}

void sl_keepalive_start(struct sl_request *request)
{
	if (request->facts.stream && request->route->config->queue_keepalive_ms &&
	    !sl_timer_is_set(&request->keepalive))
		beat_later(request);
}

void sl_keepalive_stop(struct sl_request *request)
{
	sl_timer_cancel(request->worker->loop, &request->keepalive);
}

void sl_keepalive_tell(struct sl_request *request)
{
	char comment[64 + SL_ADDRESS_TEXT_SIZE + SL_CONFIG_NAME_MAX];
	int len = snprintf(
		comment, sizeof(comment),
		": sluice: answered by %s of pool %s, attempt %u, after %llu ms in line\n\n",
		request->last_node, request->last_pool->name, request->attempts,
		(unsigned long long)(request->queued_ns / SL_NS_PER_MS));

	if (len > 0 && (size_t)len < sizeof(comment))
		sl_server_chunk(request->client, comment, (size_t)len);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* A node's error object on the one line of an event: between its tokens JSON allows any blank. */
static bool write_fault(const struct sl_text *body, struct sl_text *out)
{
	struct sl_json_field error = SL_JSON_FIELD("error");
	size_t i;

	if (body->len > FAULT_BYTES_MAX || !body->len ||
	    sl_json_scan(body->data, body->len, &error, 1) || error.type != SL_JSON_OBJECT)
		return false;
	sl_text_append_string(out, "data: ");
	for (i = 0; i < body->len; i++)
		sl_text_append_char(
			out, body->data[i] == '\n' || body->data[i] == '\r' ? ' ' : body->data[i]);
	sl_text_append_string(out, "\n\n");
	return !out->error;
}

static void write_translated(struct sl_request *request, const struct sl_openai_error *error,
			     struct sl_text *out)
{
	const struct sl_dialect_names names = {request->id, request->route->model, &request->echo};
	const struct sl_dialect *dialect = request->dialect;
	struct sl_dialect_stream stream;

	dialect->stream_init(&stream, &names);
	if (error)
		dialect->stream_error(&stream, error, request->id, out);
	else
		dialect->stream_fault(&stream, sl_text_string(&request->attempt.body),
				      request->attempt.body.len, request->id, out);
	dialect->stream_fini(&stream);
}

int sl_keepalive_fail(struct sl_request *request, const struct sl_openai_error *error)
{
	const struct sl_openai_error whole = {.id = SL_OPENAI_ERROR_UPSTREAM,
					      .object = request->route->model,
					      .detail = "the server's answer is not a stream"};
	struct sl_exchange *client = request->client;
	char event[SL_OPENAI_ERROR_BYTES_MAX];
	struct sl_route_stats *stats =
		sl_stats_route(&request->worker->stats, request->route->stats_index);
	struct sl_text out;
	int len;

	sl_keepalive_stop(request);
	sl_text_init(&out, FAULT_BYTES_MAX + 1024);
	if (!error && request->last_ending == SL_ENDING_OK)
		error = &whole;
	if (request->dialect) {
		write_translated(request, error, &out);
	} else if (error || !write_fault(&request->attempt.body, &out)) {
		sl_text_reset(&out);
		len = sl_openai_error_event_write(error ? error : &whole, event, sizeof(event));
		sl_text_append(&out, event, len > 0 ? (size_t)len : 0);
	}
	request->error.id = error ? error->id : SL_OPENAI_ERROR_UPSTREAM;
	if (stats)
		sl_stats_add(&stats->streams_broken, 1);
	client->user = NULL;
	request->client = NULL;
	if (out.error || sl_server_chunk(client, sl_text_string(&out), out.len))
		sl_server_abort(client); /* no end without a word */
	else
		sl_server_end(client);
	sl_text_fini(&out);
	return 200;
}
