/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/http/h1_write.h"
#include "user/request/gate.h"
#include "user/request/near.h"
#include "user/request/translate.h"
#include "user/upstream/provider.h"

/* Fields of the client that nodes must not get: ours to say, or a coding we could not read. */
#define DROPPED_FIELDS                                                           \
	(SL_H1_ID_BIT(SL_H1_ID_X_SLUICE) | SL_H1_ID_BIT(SL_H1_ID_X_REQUEST_ID) | \
	 SL_H1_ID_BIT(SL_H1_ID_ACCEPT_ENCODING))

#define HEAD_EXTRA_BYTES 512u /* request line, host, id and framing beside the copied fields */
#define EDIT_EXTRA_BYTES 512u /* longest growth of a body by its edits */

/* What tells a hosted provider who asks: its own key does, and nothing else. */
#define IDENTITY_FIELDS                                                                           \
	(SL_ADMIT_KEY_FIELDS | SL_H1_ID_BIT(SL_H1_ID_COOKIE) | SL_H1_ID_BIT(SL_H1_ID_FORWARDED) | \
	 SL_H1_ID_BIT(SL_H1_ID_X_FORWARDED) | SL_H1_ID_BIT(SL_H1_ID_VIA))

/* "POST /v1/chat/completions", with the pool's path in the place of /v1. */
static void write_line(const struct sl_request *request, const struct sl_upstream_pool *pool,
		       struct sl_h1_out *out)
{
	const struct sl_h1_head *head = request->client->head;
	struct sl_span path = sl_span_make(head->path, head->path_len);
	char room[SL_PROVIDER_TARGET_BYTES];

	if (pool->api == SL_CONFIG_API_ANTHROPIC)
		path = SL_SPAN("/v1/messages");
	else if (request->dialect)
		path = SL_SPAN("/v1/chat/completions");
	path = sl_provider_target(pool, path, room);
	sl_h1_write_request_line(out, "POST", 4, path.data, path.len);
}

/* Who asks, which version of an API; returns the client's fields that this replaces. */
static uint64_t write_identity(const struct sl_request *request,
			       const struct sl_upstream_pool *pool, struct sl_h1_out *out)
{
	static const char version[] = "anthropic-version";
	const struct sl_span ours = sl_provider_version(pool);
	uint64_t dropped = 0;

	/* Without keys of ours the field is for the node, as with vLLM's --api-key. */
	if (request->admission.key)
		dropped |= SL_ADMIT_KEY_FIELDS;
	if (pool->key_line) {
		sl_h1_write_lines(out, pool->key_line, strlen(pool->key_line));
		dropped |= IDENTITY_FIELDS;
	} else {
		dropped |= sl_translate_write_key(request, pool, out);
	}
	if (ours.len && !request->direct) /* its client speaks another API */
		dropped |= SL_H1_ID_BIT(SL_H1_ID_ANTHROPIC);
	if (ours.len && (!request->direct || !sl_h1_head_find_name(request->client->head, version,
								   sizeof(version) - 1)))
		sl_h1_write_lines(out, ours.data, ours.len);
	return dropped;
}

/*
 * Which span asks the node; returns the client's fields that this replaces. A request that is not traced
 * passes on what it was sent.
 */
static uint64_t write_trace(struct sl_request *request, struct sl_attempt_plan *plan,
			    struct sl_h1_out *out)
{
	struct sl_trail_ref *ref = &request->trail;
	char parent[SL_TRACE_PARENT_LEN + 1];

	ref->attempt_number += ref->attempt_number < UINT8_MAX;
	plan->number = ref->attempt_number;
	if (!ref->trace.span)
		return 0;
	sl_trace_write(&ref->trace, sl_trace_child(&ref->trace, plan->number), parent);
	SL_H1_WRITE_HEADER(out, "traceparent", parent, SL_TRACE_PARENT_LEN);
	return SL_H1_ID_BIT(SL_H1_ID_TRACEPARENT) |
	       (ref->trace.state ? 0 : SL_H1_ID_BIT(SL_H1_ID_TRACESTATE));
}

/* The request head for one node. */
static int write_head(struct sl_request *request, const struct sl_upstream_pool *pool,
		      const struct sl_upstream_node *node, size_t body_len,
		      struct sl_attempt_plan *plan)
{
	const struct sl_h1_head *head = request->client->head;
	const char *host = sl_upstream_host(node);
	size_t key_len = pool->key_line ? strlen(pool->key_line) : 0;
	size_t room_len = request->client->head_len + HEAD_EXTRA_BYTES + strlen(host) + key_len +
			  (pool->path ? strlen(pool->path) : 0);
	char *room = sl_arena_alloc(&request->arena, room_len);
	uint64_t dropped = DROPPED_FIELDS;
	struct sl_h1_out out;
	int rc;

	if (!room)
		return -ENOMEM;
	sl_h1_out_init(&out, room, room_len);
	write_line(request, pool, &out);
	SL_H1_WRITE_HEADER(&out, "host", host, strlen(host));
	dropped |= write_identity(request, pool, &out);
	SL_H1_WRITE_HEADER(&out, "x-request-id", request->id, strlen(request->id));
	dropped |= write_trace(request, plan, &out);
	sl_h1_write_headers_of(&out, head, dropped);
	sl_h1_write_content_length(&out, body_len);
	rc = sl_h1_write_end(&out);
	if (rc < 0)
		return rc;
	plan->head = room;
	plan->head_len = (size_t)rc;
	return 0;
}

/* The body for one pool: the client's, or with the pool's name of the model. */
static int write_body(struct sl_request *request, const struct sl_upstream_pool *pool,
		      struct sl_attempt_plan *plan)
{
	struct sl_json_edit edits[2];
	/* An adapter has its own name there. */
	const char *model = sl_near_is_adapter(request, pool) ? NULL : pool->model_json;
	size_t edit_count = sl_openai_request_edits(&request->facts, model, pool->model_json_len,
						    request->wants_usage, edits);
	size_t room_len = request->facts.body_len + EDIT_EXTRA_BYTES;
	int64_t len;
	char *room;

	if (pool->api == SL_CONFIG_API_ANTHROPIC)
		return sl_translate_body(request, pool, plan);
	plan->body = request->facts.body;
	plan->body_len = request->facts.body_len;
	if (!edit_count)
		return 0;
	room = sl_arena_alloc(&request->arena, room_len);
	if (!room)
		return -ENOMEM;
	len = sl_json_edit_write(plan->body, plan->body_len, edits, edit_count, room, room_len);
	if (len < 0)
		return (int)len;
	plan->body = room;
	plan->body_len = (size_t)len;
	return 0;
}

/*
 * When this attempt must have answered. A stream's first token has a bound of its own, longer for
 * a longer prompt. A whole answer may take a part of what is left while another node could still be
 * asked, so that one silent node does not spend the whole deadline.
 */
static uint64_t answer_bound(const struct sl_request *request, bool last)
{
	const struct sl_config_route *config = request->route->config;
	uint64_t now_ns = sl_loop_now_ns(request->worker->loop);
	uint64_t left_ns = request->deadline_ns > now_ns ? request->deadline_ns - now_ns : 0;
	uint64_t bound_ns = left_ns;

	if (request->facts.stream)
		bound_ns = (config->ttft_timeout_ms +
			    (uint64_t)config->ttft_per_1k_tokens_ms *
				    request->facts.prompt_tokens_estimate / 1000u) *
			   SL_NS_PER_MS;
	else if (!last && config->attempt_timeout_ms)
		bound_ns = config->attempt_timeout_ms * SL_NS_PER_MS;
	else if (!last)
		bound_ns = left_ns / 2;
	return now_ns + (bound_ns < left_ns ? bound_ns : left_ns);
}

/* The model that the node is asked for, by the name that it gets. */
static struct sl_span asked_of(const struct sl_request *request,
			       const struct sl_upstream_pool *pool)
{
	if (pool->model_json && !sl_near_is_adapter(request, pool))
		return sl_span_make(pool->model_json + 1, pool->model_json_len - 2);
	return sl_span_string(request->route->model);
}

int sl_plan_make(struct sl_request *request, const struct sl_upstream_pool *pool,
		 const struct sl_upstream_node *node, bool last, struct sl_attempt_plan *ret_plan)
{
	struct sl_attempt_plan plan = {
		.stream = request->facts.stream,
		.json_answer = true,
		.connect_ms = request->route->config->connect_timeout_ms,
		.answer_ns = answer_bound(request, last),
		.deadline_ns = request->deadline_ns,
		.buffer_bytes = request->facts.stream ? request->route->config->buffer_bytes : 0,
		.buffer_ms = request->route->config->buffer_ms,
		.gone = &request->gone,
		.id = request->id,
		.affinity = sl_near_key(request, pool),
		.pool = pool,
		.asked = asked_of(request, pool),
		.tokens = sl_gate_estimate(request),
		.own_key = pool->key_line != NULL,
		.on_trial = request->on_trial,
	};
	int rc;

	sl_translate_plan(request, pool, &plan);
	rc = write_body(request, pool, &plan);
	if (!rc)
		rc = write_head(request, pool, node, plan.body_len, &plan);
	if (!rc)
		*ret_plan = plan;
	return rc;
}

int sl_plan_for_another(struct sl_request *request, const struct sl_upstream_node *node, bool last,
			const struct sl_attempt_plan *from, struct sl_attempt_plan *ret_plan)
{
	struct sl_attempt_plan plan = *from;
	int rc;

	plan.answer_ns = answer_bound(request, last);
	rc = write_head(request, from->pool, node, from->body_len, &plan);
	if (!rc)
		*ret_plan = plan;
	return rc;
}
