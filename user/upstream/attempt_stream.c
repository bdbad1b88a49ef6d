/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream before its first token: the events that decide the attempt. Declared in attempt_parts.h. */
#include <stdio.h>
#include <string.h>
#include "user/upstream/attempt_parts.h"

/* A chat's first chunk often names the role alone: no token yet, so nothing is lost by waiting. */
static bool is_preamble(const struct sl_sse_event *event, const struct sl_openai_chunk *chunk)
{
	static const char role[] = "\"role\"";

	return !chunk->flags && memmem(event->data, event->data_len, role, sizeof(role) - 1);
}

/*
 * The node says that it failed. A provider of the Messages API says so of its load too, inside a
 * stream of status 200: that is busy, as its status 529 would have been.
 */
static void finish_by_error(struct sl_attempt *attempt, const struct sl_sse_event *event)
{
	bool busy;

	attempt->fault = sl_openai_fault_read(attempt->status, event->data, event->data_len, NULL);
	busy = attempt->plan->answer != SL_ATTEMPT_CHAT &&
	       (attempt->fault == SL_OPENAI_FAULT_OVERLOADED ||
		attempt->fault == SL_OPENAI_FAULT_RATE);
	snprintf(attempt->detail, sizeof(attempt->detail), "error event: %.*s",
		 (int)(event->data_len < 120 ? event->data_len : 120), event->data);
	if (busy)
		attempt->status = 0; /* what is held is no answer to show */
	sl_attempt_finish(attempt, busy ? SL_ENDING_BUSY : SL_ENDING_ERROR_EVENT, NULL);
}

/* The answer has begun: that opens the stream, unless it is to be held back for a while. */
static void note_begun(struct sl_attempt *attempt)
{
	bool first = !attempt->first_ns;

	if (first)
		attempt->first_ns = sl_loop_now_ns(attempt->up->loop);
	if (!attempt->plan->buffer_bytes)
		sl_attempt_finish(attempt, SL_ENDING_OK, NULL);
	else if (first)
		sl_fiber_wake(attempt->fiber); /* it waits for another time from now on */
}

/* The first event that decides, and it may be the last: a refusal, where another model may do it. */
static void finish_begun(struct sl_attempt *attempt, bool refused)
{
	if (!refused || !attempt->plan->refusal_leaves) {
		note_begun(attempt);
		return;
	}
	attempt->fault = SL_OPENAI_FAULT_CONTENT_POLICY;
	attempt->status = 0;
	sl_attempt_finish(attempt, SL_ENDING_STATUS_4XX, "the model refused to answer");
}

/* The last event: that of an answer which is all held back, or of none. */
static void finish_stopped(struct sl_attempt *attempt)
{
	if (attempt->first_ns)
		sl_attempt_finish(attempt, SL_ENDING_OK, NULL);
	else
		sl_attempt_finish(attempt, SL_ENDING_CUT, "the stream ended without an answer");
}

static void on_message_event(struct sl_attempt *attempt, const struct sl_sse_event *event)
{
	struct sl_messages_usage usage;
	bool refused = false;

	if (event->kind == SL_SSE_COMMENT || event->kind == SL_SSE_OTHER ||
	    sl_sse_says_nothing(event))
		return;
	sl_messages_usage_init(&usage);
	switch (event->data ? sl_messages_event_read(event->data, event->data_len, &usage, &refused)
			    : SL_MESSAGES_INVALID) {
	case SL_MESSAGES_START:
		sl_attempt_read_names(attempt, event->data, event->data_len);
		return;
	case SL_MESSAGES_END:
		attempt->finished = true;
		finish_begun(attempt, refused);
		return;
	case SL_MESSAGES_DELTA:
	case SL_MESSAGES_BLOCK_STOP:
		finish_begun(attempt, refused);
		return;
	case SL_MESSAGES_ERROR:
		finish_by_error(attempt, event);
		return;
	case SL_MESSAGES_STOP:
		finish_stopped(attempt);
		return;
	case SL_MESSAGES_INVALID:
		sl_attempt_finish(attempt, SL_ENDING_BAD, "the stream's first event is not valid");
		return;
	default:
		return; /* nothing of the answer yet */
	}
}

static void on_stream_event(struct sl_attempt *attempt, const struct sl_sse_event *event)
{
	struct sl_openai_chunk chunk;

	if (attempt->plan->answer == SL_ATTEMPT_DIRECT) {
		on_message_event(attempt, event);
		return;
	}
	if (event->kind == SL_SSE_DONE) {
		finish_stopped(attempt);
		return;
	}
	if (event->kind != SL_SSE_DATA || sl_sse_says_nothing(event))
		return;
	if (!event->data || sl_json_check(event->data, event->data_len, NULL)) {
		sl_attempt_finish(attempt, SL_ENDING_BAD,
				  attempt->first_ns ? "an event of the stream is not valid JSON"
						    : "the stream's first event is not valid JSON");
		return;
	}
	if (!sl_attempt_read_names(attempt, event->data, event->data_len))
		return;
	sl_openai_chunk_read(event->data, event->data_len, &chunk);
	if (!attempt->first_ns && is_preamble(event, &chunk))
		return;
	attempt->finished = attempt->finished || (chunk.flags & SL_OPENAI_CHUNK_FINISH);
	if (chunk.flags & SL_OPENAI_CHUNK_ERROR)
		finish_by_error(attempt, event);
	else
		finish_begun(attempt, attempt->decoder && attempt->decoder->refused &&
					      !(chunk.flags & SL_OPENAI_CHUNK_TOKEN));
}

void sl_attempt_scan_stream(struct sl_attempt *attempt)
{
	struct sl_sse_event event;
	struct sl_sse sse;
	int rc;

	/* Anew from the end of the last whole event, which keeps events in one piece. */
	sl_sse_init(&sse, NULL, 0);
	while (!attempt->done && (rc = sl_sse_next(&sse, attempt->body.data, attempt->body.len,
						   &attempt->scanned, &event)) != 0) {
		if (rc < 0) {
			sl_attempt_finish(attempt, SL_ENDING_BAD,
					  "an event of the stream is too large");
			return;
		}
		on_stream_event(attempt, &event);
	}
}

bool sl_attempt_held_is_whole(const struct sl_attempt *attempt)
{
	static const char done[] = "\ndata: [DONE]";
	const char *held = attempt->body.data;
	size_t len = attempt->body.len;

	if (attempt->answer == SL_ATTEMPT_DIRECT)
		return sl_messages_stream_is_whole(held, len);
	while (len && (held[len - 1] == '\n' || held[len - 1] == '\r'))
		len--;
	return len >= sizeof(done) - 1 &&
	       !memcmp(held + len - (sizeof(done) - 1), done, sizeof(done) - 1);
}
