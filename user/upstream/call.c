/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/call.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/http/h1_write.h"
#include "user/upstream/provider.h"
#include "user/wire/chat_context.h"

#define HEAD_EXTRA_BYTES 512u /* request line, host, id and framing beside what is copied */
#define EDIT_EXTRA_BYTES 512u /* longest growth of a chat by its edits */

static const bool never_gone;

/* One call under way. */
struct turn {
	struct sl_upstream *up;
	struct sl_arena *arena;
	const struct sl_call *call;
	struct sl_span body; /* as it is sent */
	struct sl_attempt attempt;
	struct sl_attempt_plan plan;
	uint32_t tried[SL_CHOOSE_TRIED_MAX];
	uint32_t tried_count;
	uint32_t free_retries;
	uint32_t attempts;
};

static uint64_t now_of(const struct turn *turn)
{
	return sl_loop_now_ns(turn->up->loop);
}

static bool is_gone(const struct turn *turn)
{
	return *turn->plan.gone;
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static int write_messages(struct turn *turn, const struct sl_openai_request *facts)
{
	const struct sl_upstream_pool *pool = turn->call->pool;
	const struct sl_messages_terms terms = {pool->model_json, pool->model_json_len,
						pool->max_tokens};
	char param[SL_PLACE_PARAM_BYTES];
	struct sl_openai_error error;
	struct sl_text native;
	char *copy = NULL;

	sl_text_init(&native, turn->arena->bytes_max);
	if (!sl_messages_request_write(facts, &terms, &native, param, &error) && !native.error)
		copy = sl_arena_memdup(turn->arena, native.data, native.len);
	turn->body = sl_span_make(copy, native.len);
	sl_text_fini(&native);
	return copy ? 0 : -1;
}

/* The chat as the pool's nodes want it. */
static int write_chat(struct turn *turn)
{
	const struct sl_call *call = turn->call;
	const struct sl_upstream_pool *pool = call->pool;
	struct sl_openai_request facts;
	struct sl_openai_error error;
	struct sl_json_edit edits[2];
	size_t count, room_len = call->body.len + EDIT_EXTRA_BYTES;
	int64_t len;
	char *room;

	if (sl_openai_request_read(SL_OPENAI_CHAT, call->body.data, call->body.len, &facts, &error))
		return -1;
	if (pool->api == SL_CONFIG_API_ANTHROPIC)
		return write_messages(turn, &facts);
	count = sl_openai_request_edits(&facts, pool->model_json, pool->model_json_len, false,
					edits);
	if (!count)
		return 0;
	room = sl_arena_alloc(turn->arena, room_len);
	if (!room)
		return -1;
	len = sl_json_edit_write(call->body.data, call->body.len, edits, count, room, room_len);
	turn->body = sl_span_make(room, len > 0 ? (size_t)len : 0);
	return len > 0 ? 0 : -1;
}

static struct sl_span target_of(const struct sl_call *call, char room[SL_PROVIDER_TARGET_BYTES])
{
	struct sl_span path = call->path;

	if (call->chat)
		path = call->pool->api == SL_CONFIG_API_ANTHROPIC ? SL_SPAN("/v1/messages")
								  : SL_SPAN("/v1/chat/completions");
	return sl_provider_target(call->pool, path, room);
}

static bool names_type(struct sl_span lines)
{
	while (lines.len) {
		struct sl_span line = sl_span_cut(&lines, '\n');

		if (sl_span_equal_case(sl_span_cut(&line, ':'), SL_SPAN("content-type")))
			return true;
	}
	return false;
}

/* The head for one node. */
static int write_head(struct turn *turn, const struct sl_upstream_node *node)
{
	const struct sl_call *call = turn->call;
	const struct sl_upstream_pool *pool = call->pool;
	const struct sl_span version = sl_provider_version(pool);
	const char *method = call->method ? call->method : "POST";
	const char *host = sl_upstream_host(node), *key = pool->key_line ? pool->key_line : "";
	char target_room[SL_PROVIDER_TARGET_BYTES];
	struct sl_span target = target_of(call, target_room);
	size_t room_len = HEAD_EXTRA_BYTES + target.len + strlen(host) + strlen(key) +
			  call->lines.len + version.len;
	char *room = sl_arena_alloc(turn->arena, room_len);
	struct sl_h1_out out;
	int rc;

	if (!room)
		return -1;
	sl_h1_out_init(&out, room, room_len);
	sl_h1_write_request_line(&out, method, strlen(method), target.data, target.len);
	SL_H1_WRITE_HEADER(&out, "host", host, strlen(host));
	SL_H1_WRITE_HEADER(&out, "user-agent", "sluiced", 7);
	SL_H1_WRITE_HEADER(&out, "accept", "*/*", 3);
	if (call->id)
		SL_H1_WRITE_HEADER(&out, "x-request-id", call->id, strlen(call->id));
	if (call->traceparent && call->traceparent[0])
		SL_H1_WRITE_HEADER(&out, "traceparent", call->traceparent,
				   strlen(call->traceparent));
	sl_h1_write_lines(&out, key, strlen(key));
	sl_h1_write_lines(&out, version.data, version.len);
	sl_h1_write_lines(&out, call->lines.len ? call->lines.data : "", call->lines.len);
	if (turn->body.len && !names_type(call->lines))
		SL_H1_WRITE_HEADER(&out, "content-type", "application/json", 16);
	if (turn->body.len || strcmp(method, "GET") != 0)
		sl_h1_write_content_length(&out, turn->body.len);
	rc = sl_h1_write_end(&out);
	turn->plan.head = room;
	turn->plan.head_len = rc > 0 ? (size_t)rc : 0;
	return rc > 0 ? 0 : -1;
}

/* Of a chat completion that nobody looks at closer: is there a message at all? */
static enum sl_ending accept_chat(void *owner, const char *body, size_t body_len,
				  const char **ret_detail)
{
	(void)owner;
	if (sl_chat_answer_has_message(sl_span_make(body, body_len)))
		return SL_ENDING_OK;
	*ret_detail = "the answer is no chat completion";
	return SL_ENDING_BAD;
}

static void prepare_plan(struct turn *turn)
{
	const struct sl_call *call = turn->call;
	bool translated = call->chat && call->pool->api == SL_CONFIG_API_ANTHROPIC;

	turn->plan = (struct sl_attempt_plan){
		.body = turn->body.len ? turn->body.data : "",
		.body_len = turn->body.len,
		.json_answer = call->json_object || call->chat,
		.own_key = call->pool->key_line != NULL,
		.answer = translated ? SL_ATTEMPT_DECODED : SL_ATTEMPT_CHAT,
		.names = {.created_s = (int64_t)(sl_clock_wall_ms() / 1000)},
		.connect_ms = SL_CALL_CONNECT_MS,
		.deadline_ns = call->deadline_ns,
		.gone = call->gone ? call->gone : &never_gone,
		.id = call->id,
		.tokens = call->tokens,
		.pool = call->pool,
		.asked = call->chat && call->pool->model_json
				 ? sl_span_make(call->pool->model_json + 1,
						call->pool->model_json_len - 2)
				 : SL_SPAN(""),
		.accept = call->accept || !call->chat ? call->accept : accept_chat,
		.owner = call->owner,
	};
}

/* ---- attempts -------------------------------------------------------------------------------- */

static uint64_t answer_bound(const struct turn *turn)
{
	uint64_t bound_ns = now_of(turn) + turn->call->timeout_ms * SL_NS_PER_MS;

	if (!turn->call->timeout_ms || bound_ns > turn->call->deadline_ns)
		return turn->call->deadline_ns;
	return bound_ns;
}

/* A node for the next attempt. One that should not be asked again is none. */
static struct sl_upstream_grant choose(struct turn *turn)
{
	const struct sl_upstream_pool *pool = turn->call->pool;
	struct sl_upstream_grant grant =
		sl_upstream_acquire(turn->up, pool, turn->tried, turn->tried_count, false);

	if (!grant.node && !grant.full && !turn->attempts)
		grant = sl_upstream_acquire(turn->up, pool, NULL, 0, true);
	if (grant.node && turn->attempts && grant.node == turn->attempt.node &&
	    sl_outcome_of(turn->attempt.ending)->elsewhere) {
		sl_upstream_give_back(turn->up, &grant);
		grant.node = NULL;
	}
	return grant;
}

static enum sl_ending try_once(struct turn *turn, const struct sl_upstream_grant *grant)
{
	enum sl_ending ending;

	if (write_head(turn, grant->node)) {
		sl_upstream_give_back(turn->up, grant);
		return SL_ENDING_LOCAL;
	}
	turn->attempts++;
	turn->plan.answer_ns = answer_bound(turn);
	ending = sl_attempt_run(&turn->attempt, grant, &turn->plan);
	if (ending == SL_ENDING_OK)
		sl_upstream_retry_earn(turn->up, turn->call->pool);
	if (ending == SL_ENDING_BUSY && turn->attempt.retry_after_ms > 0)
		sl_upstream_hold(turn->up, turn->attempt.node,
				 (uint64_t)turn->attempt.retry_after_ms);
	if (turn->tried_count < SL_CHOOSE_TRIED_MAX)
		turn->tried[turn->tried_count++] = turn->attempt.node->slot;
	return ending;
}

/* Is there an attempt left, and time for it? Waits the backoff. */
static bool may_go_on(struct turn *turn, enum sl_ending ending)
{
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);
	uint32_t attempts_max =
		turn->call->attempts_max ? turn->call->attempts_max : SL_CALL_ATTEMPTS;
	uint32_t delay_ms;

	if (!rule->retry || ending == SL_ENDING_LOCAL || is_gone(turn))
		return false;
	if (rule->free_retry && turn->free_retries <= turn->call->pool->node_count) {
		turn->free_retries++;
		turn->attempts--;
		turn->tried_count -= turn->tried_count > 0;
	} else if (turn->attempts < attempts_max) {
		delay_ms = sl_random_backoff_ms(&turn->up->random, SL_CALL_BACKOFF_MS,
						SL_CALL_BACKOFF_MAX_MS, turn->attempts - 1);
		if (now_of(turn) + delay_ms * SL_NS_PER_MS >= turn->call->deadline_ns)
			return false;
		if (delay_ms)
			sl_fiber_sleep(turn->up->loop, delay_ms);
	} else {
		return false;
	}
	return !is_gone(turn) && now_of(turn) < turn->call->deadline_ns;
}

static void say(struct sl_call_answer *answer, const char *why)
{
	snprintf(answer->detail, sizeof(answer->detail), "%s", why);
}

static enum sl_ending try_all(struct turn *turn, struct sl_call_answer *answer)
{
	const struct sl_upstream_pool *pool = turn->call->pool;
	enum sl_ending ending = SL_ENDING_UNSET;
	bool again = true;

	while (again) {
		enum sl_retry_verdict permit = SL_RETRY_MOVED;
		struct sl_upstream_grant grant;

		if (ending != SL_ENDING_UNSET)
			permit = sl_upstream_retry_take(turn->up, pool, turn->attempt.node,
							turn->tried, turn->tried_count);
		if (permit <= SL_RETRY_CROWDED)
			break;
		grant = choose(turn);
		if (grant.node)
			ending = try_once(turn, &grant);
		else if (ending == SL_ENDING_UNSET && grant.full)
			ending = SL_ENDING_BUSY;
		if (permit == SL_RETRY_CHARGED)
			sl_upstream_retry_done(turn->up, pool, grant.node != NULL);
		again = grant.node && may_go_on(turn, ending);
	}
	if (ending == SL_ENDING_UNSET)
		say(answer, "no node may be asked: breakers are open, or nodes drained");
	else if (ending == SL_ENDING_BUSY && !turn->attempts)
		say(answer, "every node is full");
	else if (ending != SL_ENDING_OK)
		say(answer,
		    turn->attempt.detail[0] ? turn->attempt.detail : sl_outcome_of(ending)->name);
	return ending;
}

/* Into the arena, which the answer then shares with whoever asked. */
static enum sl_ending take_answer(struct turn *turn, enum sl_ending ending,
				  struct sl_call_answer *answer)
{
	const struct sl_text *body = &turn->attempt.body;
	uint32_t most = turn->call->answer_bytes_max ? turn->call->answer_bytes_max
						     : SL_CALL_ANSWER_BYTES_MAX;
	char *copy;

	answer->status = turn->attempts ? turn->attempt.status : 0;
	if (!turn->attempts || !body->len)
		return ending;
	if (body->len > most) {
		snprintf(answer->detail, sizeof(answer->detail),
			 "the answer is %zu bytes long, at most %u are taken", body->len, most);
		return ending == SL_ENDING_OK ? SL_ENDING_BAD : ending;
	}
	copy = sl_arena_strndup(turn->arena, body->data, body->len);
	if (!copy) {
		say(answer, "no memory for the answer");
		return SL_ENDING_LOCAL;
	}
	answer->body = sl_span_make(copy, body->len);
	return ending;
}

enum sl_ending sl_call_run(struct sl_upstream *up, struct sl_arena *arena,
			   const struct sl_call *call, struct sl_call_answer *ret_answer)
{
	struct turn turn = {.up = up, .arena = arena, .call = call, .body = call->body};
	struct sl_call_answer answer = {.body = SL_SPAN("")};

	if (call->chat && write_chat(&turn)) {
		say(&answer, "the question cannot be told to the pool, or there is no memory");
		answer.ending = SL_ENDING_LOCAL;
		*ret_answer = answer;
		return answer.ending;
	}
	prepare_plan(&turn);
	sl_attempt_init(&turn.attempt, up, arena);
	answer.ending = take_answer(&turn, try_all(&turn, &answer), &answer);
	answer.attempts = turn.attempts;
	sl_attempt_fini(&turn.attempt);
	*ret_answer = answer;
	return answer.ending;
}
