/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/relay_scan.h"

#include <errno.h>
#include "user/request/filtered.h"
#include "user/request/resume_native.h"
#include "user/upstream/concurrency.h"
#include "user/wire/openai.h"

static uint64_t now_of(const struct sl_relay *relay)
{
	return sl_loop_now_ns(relay->worker->loop);
}

static uint32_t to_u32(int64_t count)
{
	return count < 0 ? 0 : count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static void note_usage(struct sl_relay *relay, const struct sl_openai_usage *usage)
{
	relay->usage_tokens = (uint64_t)usage->total_tokens;
	relay->usage_prompt =
		usage->prompt_tokens < 0 ? relay->prompt_tokens : to_u32(usage->prompt_tokens);
	relay->usage_cached = to_u32(usage->cached_tokens);
}

void sl_relay_note_usage(struct sl_relay *relay, const struct sl_messages_usage *usage)
{
	uint64_t total = sl_messages_usage_total(usage);
	uint32_t output = to_u32(usage->output);

	relay->usage_tokens = total;
	relay->usage_prompt = to_u32((int64_t)(total > output ? total - output : 0));
	relay->usage_cached = to_u32(usage->cache_read);
}

/* The extra chunk that the node was asked for and the client was not. */
static bool is_ours(const struct sl_relay *relay, const struct sl_openai_chunk *chunk)
{
	return relay->strips_usage && chunk->flags & SL_OPENAI_CHUNK_USAGE &&
	       chunk->flags & SL_OPENAI_CHUNK_NO_CHOICES;
}

static void count_data(struct sl_relay *relay, const char *data, size_t len,
		       const struct sl_openai_chunk *chunk)
{
	if (chunk->flags & SL_OPENAI_CHUNK_FINISH) {
		relay->finish_seen = true;
		if (relay->flight)
			sl_flight_finish(relay->flight, data, len);
	}
	if (chunk->flags & SL_OPENAI_CHUNK_TOKEN)
		relay->tokens++;
	if (chunk->flags & SL_OPENAI_CHUNK_USAGE && chunk->usage.total_tokens > 0)
		note_usage(relay, &chunk->usage);
}

void sl_relay_note_sent(struct sl_relay *relay, const char *data, size_t len)
{
	int rc;

	if (!relay->resume || relay->resumed || relay->resume->splice.lost)
		return;
	rc = sl_splice_note(&relay->resume->splice, data, len);
	if (rc)
		sl_resume_lose(relay, rc == -E2BIG    ? SL_RESUMPTION_TOO_LONG
				      : rc == -ENOMEM ? SL_RESUMPTION_MEMORY
						      : SL_RESUMPTION_UNTOLD);
}

/* An event of the client's own API. ret_progress: the model is at work. */
static enum sl_relay_verdict look_at_message(struct sl_relay *relay,
					     const struct sl_sse_event *event, bool *ret_progress)
{
	struct sl_messages_usage *usage = &((struct sl_message_relay *)relay)->usage;
	enum sl_messages_kind kind;
	bool refused;

	if (sl_sse_says_nothing(event))
		return SL_RELAY_SKIP;
	kind = event->data ? sl_messages_event_read(event->data, event->data_len, usage, &refused)
			   : SL_MESSAGES_INVALID;
	*ret_progress = kind != SL_MESSAGES_PING && kind != SL_MESSAGES_OTHER;
	if (kind == SL_MESSAGES_ERROR)
		return SL_RELAY_FAULT;
	if (kind == SL_MESSAGES_INVALID ||
	    (kind != SL_MESSAGES_STOP && !sl_resume_native_note(relay, event)))
		return SL_RELAY_BAD;
	if (kind == SL_MESSAGES_DELTA)
		relay->tokens++;
	else if (kind == SL_MESSAGES_END)
		sl_relay_note_usage(relay, usage);
	else if (kind == SL_MESSAGES_STOP)
		relay->done_seen = true;
	return SL_RELAY_GO_ON;
}

/* The same through the filters of stages. What was sent is remembered as the node said it. */
static enum sl_relay_verdict put_filtered(struct sl_relay *relay, const char *data, size_t len,
					  const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	count_data(relay, data, len, chunk);
	sl_relay_note_sent(relay, data, len);
	return sl_filtered_data(relay, data, len, chunk, out);
}

/* Data that goes to the client, in the words of its API. */
static enum sl_relay_verdict put_data(struct sl_relay *relay, const char *data, size_t len,
				      const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	const struct sl_dialect *dialect = sl_relay_dialect(relay);

	if (is_ours(relay, chunk)) {
		count_data(relay, data, len, chunk);
		return SL_RELAY_SKIP;
	}
	if (relay->filtered)
		return put_filtered(relay, data, len, chunk, out);
	if (dialect && dialect->stream_data(sl_relay_dialect_stream(relay), data, len, chunk, out))
		return SL_RELAY_UNTOLD;
	if (!dialect && out) {
		sl_text_append_string(out, "data: ");
		sl_text_append(out, data, len);
		sl_text_append_string(out, "\n\n");
	}
	count_data(relay, data, len, chunk);
	sl_relay_note_sent(relay, data, len);
	return SL_RELAY_GO_ON;
}

/* Of a stream that goes on: what is new in it, under the names of the first. */
static enum sl_relay_verdict put_spliced(struct sl_relay *relay, const char *data, size_t len,
					 struct sl_text *out)
{
	struct sl_openai_chunk chunk;
	enum sl_relay_verdict verdict = SL_RELAY_SKIP;
	struct sl_text anew;

	sl_text_init(&anew, SL_RELAY_ANEW_BYTES_MAX);
	switch (sl_splice_put(&relay->resume->splice, data, len, &anew)) {
	case SL_SPLICE_DIFFERS:
		verdict = SL_RELAY_OTHER;
		break;
	case SL_SPLICE_HOLD:
		break;
	case SL_SPLICE_PASS:
		verdict = SL_RELAY_UNTOLD;
		if (anew.error)
			break;
		sl_openai_chunk_read(anew.data, anew.len, &chunk);
		verdict = put_data(relay, anew.data, anew.len, &chunk, out);
		break;
	}
	sl_text_fini(&anew);
	return verdict;
}

static enum sl_relay_verdict look_at_data(struct sl_relay *relay, const struct sl_sse_event *event,
					  struct sl_text *out)
{
	struct sl_openai_chunk chunk;

	if (!event->data) { /* several data lines: none of the known servers, passed untouched */
		if (relay->translated || relay->resumed || !sl_filtered_looks_only(relay->filtered))
			return SL_RELAY_BAD;
		sl_filtered_miss(relay->filtered);
		if (relay->flight)
			relay->flight->spoilt = true; /* not looked into */
		if (relay->resume && !relay->resume->splice.lost)
			sl_resume_lose(relay, SL_RESUMPTION_UNTOLD);
		return SL_RELAY_GO_ON;
	}
	if (sl_sse_says_nothing(event))
		return SL_RELAY_SKIP;
	if (sl_json_check(event->data, event->data_len, NULL))
		return SL_RELAY_BAD;
	sl_openai_chunk_read(event->data, event->data_len, &chunk);
	if (chunk.flags & SL_OPENAI_CHUNK_ERROR)
		return SL_RELAY_FAULT;
	if (relay->resumed)
		return put_spliced(relay, event->data, event->data_len, out);
	return put_data(relay, event->data, event->data_len, &chunk, out);
}

/* Whatever has no data. */
static enum sl_relay_verdict look_at_rest(struct sl_relay *relay, const struct sl_sse_event *event,
					  struct sl_text *out)
{
	const struct sl_dialect *dialect = sl_relay_translator(relay);
	enum sl_relay_verdict verdict;

	if (event->kind == SL_SSE_DONE && relay->direct)
		return SL_RELAY_SKIP; /* no event of its API */
	if (event->kind == SL_SSE_DONE) {
		if (relay->resumed && !sl_splice_caught_up(&relay->resume->splice))
			return SL_RELAY_OTHER;
		verdict = relay->filtered ? sl_filtered_end(relay, out) : SL_RELAY_GO_ON;
		relay->awaits_done = verdict == SL_RELAY_WAIT;
		if (verdict != SL_RELAY_GO_ON)
			return verdict;
		relay->done_seen = true;
	}
	if (dialect && event->kind == SL_SSE_COMMENT)
		dialect->stream_ping(sl_relay_dialect_stream(relay), out);
	else if (dialect && event->kind == SL_SSE_DONE &&
		 dialect->stream_end(sl_relay_dialect_stream(relay), out))
		return SL_RELAY_UNTOLD;
	else if (!dialect && out && event->raw)
		sl_text_append(out, event->raw, event->raw_len);
	return SL_RELAY_GO_ON;
}

static void forward(struct sl_relay *relay, struct sl_relay_pass *pass, size_t to)
{
	if (!pass->out && to > pass->from) {
		sl_server_chunk(relay->client, pass->buf + pass->from, to - pass->from);
		if (relay->flight)
			sl_flight_capture(relay->flight, pass->buf + pass->from, to - pass->from);
	}
	pass->from = to;
}

/* Of one read in SL_CONCURRENCY_SAMPLE: the words that it moves are every thread's. */
static void note_gap(struct sl_relay *relay, uint64_t tokens)
{
	struct sl_worker *worker = relay->worker;

	if (!tokens || ++relay->reads % SL_CONCURRENCY_SAMPLE)
		return;
	sl_upstream_note_gap(&worker->upstream, worker->routes->pool_of_slot[relay->pool_slot],
			     relay->node, now_of(relay) - relay->progress_ns, tokens);
}

enum sl_relay_verdict sl_relay_scan(struct sl_relay *relay, struct sl_relay_pass *pass, size_t len)
{
	enum sl_relay_verdict verdict = SL_RELAY_GO_ON;
	struct sl_sse_event event;
	uint64_t tokens = relay->tokens;
	bool progress = false;
	struct sl_sse sse;
	size_t at = 0;
	int rc;

	sl_sse_init(&sse, NULL, 0);
	while ((rc = sl_sse_next(&sse, pass->buf, len, &at, &event)) == 1) {
		bool moves = event.kind == SL_SSE_DATA;

		if (event.kind != SL_SSE_DATA)
			verdict = look_at_rest(relay, &event, pass->out);
		else if (relay->direct)
			verdict = look_at_message(relay, &event, &moves);
		else
			verdict = look_at_data(relay, &event, pass->out);
		progress = progress || moves;
		if (verdict == SL_RELAY_SKIP) {
			forward(relay, pass, pass->whole);
			pass->from = at;
		} else if (verdict != SL_RELAY_GO_ON) {
			pass->fault = event;
			break;
		}
		verdict = SL_RELAY_GO_ON;
		pass->whole = at;
		if (relay->done_seen)
			break;
	}
	forward(relay, pass, pass->whole);
	if (progress) {
		note_gap(relay, relay->tokens - tokens);
		relay->progress_ns = now_of(relay);
		sl_upstream_note_alive(&relay->worker->upstream, relay->node);
	}
	return rc < 0 ? SL_RELAY_BAD : verdict;
}
