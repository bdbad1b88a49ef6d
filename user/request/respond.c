/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/respond.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/http/h1_write.h"
#include "user/request/charge.h"
#include "user/request/explain.h"
#include "user/request/filtered.h"
#include "user/request/hedged.h"
#include "user/request/keepalive.h"
#include "user/request/near.h"
#include "user/request/translate.h"
#include "user/request/recall.h"
#include "user/request/resume.h"
#include "user/request/stages.h"
#include "user/request/wait.h"
#include "user/stage/context.h"

/* the fields written here, names and longest values together */
#define OUR_LINES_BYTES (832u + SL_ADMIT_LIMITS_BYTES)

/* ---- request ids ----------------------------------------------------------------------------- */

static bool is_id_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_' || c == '.' || c == ':';
}

void sl_request_id_of(struct sl_worker *worker, const struct sl_exchange *client,
		      char out[SL_REQUEST_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	const struct sl_h1_header *given = sl_h1_head_find(client->head, SL_H1_ID_X_REQUEST_ID);
	uint64_t halves[2];
	size_t i;

	if (given && given->value_len && given->value_len <= SL_REQUEST_ID_MAX) {
		for (i = 0; i < given->value_len && is_id_char(given->value[i]); i++)
			out[i] = given->value[i];
		if (i == given->value_len) {
			out[i] = '\0';
			return;
		}
	}
	halves[0] = sl_random_u64(&worker->upstream.random);
	halves[1] = sl_random_u64(&worker->upstream.random);
	memcpy(out, "req_", 4);
	for (i = 0; i < 32; i++)
		out[4 + i] = digits[(halves[i / 16] >> (4 * (i % 16))) & 15];
	out[36] = '\0';
}

/* ---- errors of ours -------------------------------------------------------------------------- */

void sl_request_write_id(struct sl_h1_out *out, const struct sl_h1_head *head, const char *id)
{
	if (!id[0])
		return;
	SL_H1_WRITE_HEADER(out, "x-request-id", id, strlen(id));
	if (head && sl_anthropic_path(head->path, head->path_len))
		SL_H1_WRITE_HEADER(out, "request-id", id, strlen(id));
}

int sl_request_error_status(const struct sl_request *request, enum sl_openai_error_id id)
{
	return request->dialect ? request->dialect->error_status(id) : sl_openai_error_status(id);
}

size_t sl_request_error_body(const struct sl_h1_head *head, const struct sl_openai_error *error,
			     const char *id, char out[SL_OPENAI_ERROR_BYTES_MAX], int *ret_status)
{
	int len;

	if (head && sl_anthropic_path(head->path, head->path_len)) {
		*ret_status = sl_anthropic_error_status(error->id);
		len = sl_anthropic_error_write(error, id, out, SL_OPENAI_ERROR_BYTES_MAX);
	} else {
		*ret_status = sl_openai_error_status(error->id);
		len = sl_openai_error_write(error, out, SL_OPENAI_ERROR_BYTES_MAX);
	}
	return len > 0 ? (size_t)len : 0;
}

void sl_request_respond_error(struct sl_exchange *client, const struct sl_openai_error *error,
			      const char *id, bool spent)
{
	char body[SL_OPENAI_ERROR_BYTES_MAX];
	char lines[384];
	struct sl_h1_out out;
	int status;
	size_t len = sl_request_error_body(client->head, error, id, body, &status);

	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_request_write_id(&out, client->head, id);
	if (spent)
		SL_H1_WRITE_HEADER(&out, "x-should-retry", "false", 5);
	if (status == 401) /* RFC 9110, 11.6.1 */
		SL_H1_WRITE_HEADER(&out, "www-authenticate", "Bearer", 6);
	if (status == 503 || status == 529 || status == 429)
		SL_H1_WRITE_HEADER(&out, "retry-after", "1", 1);
	sl_server_respond(client, status, "application/json", lines, (size_t)(out.at - lines), body,
			  len);
}

/* The cause in the client's words, when no node's own answer is worth passing on. */
static void describe_failure(struct sl_request *request, char *detail, size_t detail_size)
{
	struct sl_openai_error *error = &request->error;

	*error = (struct sl_openai_error){.object = request->route->model, .detail = detail};
	if (!request->any_attempt) {
		error->id = SL_OPENAI_ERROR_NO_NODE;
		return;
	}
	snprintf(detail, detail_size, "%s after %u attempt%s, the last on %s",
		 request->attempt.detail[0] ? request->attempt.detail
					    : sl_outcome_of(request->last_ending)->name,
		 request->attempts, request->attempts == 1 ? "" : "s", request->last_node);
	if (request->refused_pool) {
		size_t len = strlen(detail);

		snprintf(detail + len, detail_size - len,
			 "; pool %s has no retry left in its budget", request->refused_pool->name);
	}
	switch (request->last_ending) {
	case SL_ENDING_CONNECT_TIMEOUT:
	case SL_ENDING_TTFT_TIMEOUT:
	case SL_ENDING_TOTAL_TIMEOUT:
		error->id = SL_OPENAI_ERROR_DEADLINE;
		break;
	case SL_ENDING_BUSY:
		error->id = SL_OPENAI_ERROR_OVERLOADED;
		break;
	default:
		error->id = SL_OPENAI_ERROR_UPSTREAM;
		break;
	}
}

static int respond_failure(struct sl_request *request)
{
	struct sl_exchange *client = request->client;
	char detail[SL_ATTEMPT_DETAIL_BYTES + SL_ADDRESS_TEXT_SIZE + 96 + SL_CONFIG_NAME_MAX];

	if (sl_wait_refused(request))
		return sl_wait_respond(request);
	describe_failure(request, detail, sizeof(detail));
	sl_log_limited(SL_LOG_WARN, "route \"%s\": request failed: %s request=%s",
		       request->route->model, request->any_attempt ? detail : "no node can take it",
		       request->id);
	if (request->head_sent)
		return sl_keepalive_fail(request, &request->error);
	client->user = NULL;
	request->client = NULL;
	sl_request_respond_error(client, &request->error, request->id, true);
	return sl_request_error_status(request, request->error.id);
}

/* ---- the node's answer ----------------------------------------------------------------------- */

/* NULL: the node's answer is in the client's API already. */
static const struct sl_dialect *translator_of(const struct sl_request *request)
{
	return request->direct ? NULL : request->dialect;
}

/* The node's end-to-end lines and ours, in the arena. NULL without memory. */
static const char *all_lines(struct sl_request *request, bool spent, size_t *ret_len)
{
	const struct sl_attempt *attempt = &request->attempt;
	const char *affinity = sl_near_word(request->affinity);
	const char *zone = sl_near_zone_word(request->zone);
	const char *hedged = sl_hedged_name(request->hedged);
	size_t room_len = attempt->lines_len + OUR_LINES_BYTES + sl_stages_lines_len(request);
	char *room = sl_arena_alloc(&request->arena, room_len);
	struct sl_h1_out out;

	if (!room)
		return NULL;
	sl_h1_out_init(&out, room, room_len);
	sl_h1_write_lines(&out, attempt->lines ? attempt->lines : "", attempt->lines_len);
	sl_request_write_id(&out, request->client->head, request->id);
	if (translator_of(request) && attempt->is_stream)
		SL_H1_WRITE_HEADER(&out, "content-type", "text/event-stream; charset=utf-8", 32);
	else if (translator_of(request))
		SL_H1_WRITE_HEADER(&out, "content-type", "application/json", 16);
	SL_H1_WRITE_HEADER(&out, "x-sluice-node", request->last_node, strlen(request->last_node));
	SL_H1_WRITE_HEADER(&out, "x-sluice-pool", request->last_pool->name,
			   strlen(request->last_pool->name));
	SL_H1_WRITE_HEADER_U64(&out, "x-sluice-attempts", request->attempts);
	if (request->queued_ns)
		SL_H1_WRITE_HEADER_U64(&out, "x-sluice-queue-ms",
				       request->queued_ns / SL_NS_PER_MS);
	if (affinity)
		SL_H1_WRITE_HEADER(&out, "x-sluice-affinity", affinity, strlen(affinity));
	if (zone)
		SL_H1_WRITE_HEADER(&out, "x-sluice-zone", zone, strlen(zone));
	if (hedged)
		SL_H1_WRITE_HEADER(&out, "x-sluice-hedged", hedged, strlen(hedged));
	if (attempt->changed)
		SL_H1_WRITE_HEADER(&out, "x-sluice-model", "changed", 7);
	if (request->recall == SL_RECALL_MISS)
		SL_H1_WRITE_HEADER(&out, "x-sluice-cache", "miss", 4);
	else if (request->recall == SL_RECALL_BYPASS)
		SL_H1_WRITE_HEADER(&out, "x-sluice-cache", "bypass", 6);
	if (request->chain.moves) {
		const char *cause = sl_chain_cause_name(request->chain.cause);

		SL_H1_WRITE_HEADER_U64(&out, "x-sluice-fallback", request->chain.moves);
		SL_H1_WRITE_HEADER(&out, "x-sluice-fallback-cause", cause, strlen(cause));
	}
	sl_stages_write(request, &out);
	if (spent)
		SL_H1_WRITE_HEADER(&out, "x-should-retry", "false", 5);
	sl_charge_write(request, &out);
	if (attempt->is_stream && sl_charge_trails(request))
		SL_H1_WRITE_HEADER(&out, "trailer", "x-sluice-cost", 13);
	sl_admit_write_limits(&request->admission, sl_loop_now_ns(request->worker->loop), &out);
	if (out.error)
		return NULL;
	*ret_len = (size_t)(out.at - room);
	return room;
}

/* A provider's word about the pool's key would look to the client like one about its own. */
static bool is_about_us(const struct sl_request *request)
{
	return request->last_pool && request->last_pool->key_line &&
	       request->attempt.fault == SL_OPENAI_FAULT_AUTH;
}

int sl_respond_whole(struct sl_request *request)
{
	struct sl_attempt *attempt = &request->attempt;
	struct sl_exchange *client = request->client;
	const struct sl_outcome_rule *rule = sl_outcome_of(request->last_ending);
	const struct sl_dialect *dialect = translator_of(request);
	const struct sl_text *body = dialect ? &request->message : &attempt->body;
	bool good = request->last_ending == SL_ENDING_OK;
	int status = attempt->status;
	size_t lines_len;
	const char *lines;
	int rc;

	if (!rule->final_answer || !status || is_about_us(request) ||
	    (dialect && !good && status < 400))
		return respond_failure(request);
	if (request->head_sent)
		return sl_keepalive_fail(request, NULL);
	if (dialect && !good)
		status = sl_translate_fault(request);
	lines = all_lines(request, rule->retry, &lines_len);
	if (!lines)
		return respond_failure(request);
	client->user = NULL;
	request->client = NULL;
	rc = sl_server_begin(client, status, lines, lines_len, (int64_t)body->len);
	if (!rc)
		rc = sl_server_body(client, sl_text_string(body), body->len);
	if (rc)
		sl_server_abort(client);
	else
		sl_server_finish(client);
	return status;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void drop_stream(struct sl_request *request, struct sl_client_conn *upstream)
{
	if (upstream)
		sl_client_close(upstream);
	sl_upstream_release(&request->worker->upstream, request->attempt.node);
}

void sl_respond_drop(struct sl_request *request)
{
	drop_stream(request, sl_attempt_take_stream(&request->attempt));
}

/* The stream that could not begin ends, on either side. */
static bool cut_stream(struct sl_request *request, struct sl_exchange *client,
		       struct sl_client_conn *upstream, struct sl_filtered **filtered)
{
	sl_filtered_free(filtered, false);
	drop_stream(request, upstream);
	sl_server_abort(client);
	return false;
}

bool sl_respond_stream(struct sl_request *request)
{
	struct sl_attempt *attempt = &request->attempt;
	struct sl_exchange *client = request->client;
	struct sl_client_conn *upstream = sl_attempt_take_stream(attempt);
	struct sl_resume *resume = NULL;
	struct sl_filtered *filtered;
	int rc = sl_filtered_new(request, &filtered);
	struct sl_relay_start start = {
		.client = client,
		.upstream = attempt->complete ? NULL : upstream,
		.node = attempt->node,
		.ticket = attempt->ticket,
		.on_trial = request->on_trial,
		.pool_slot = request->last_pool->slot,
		.route = request->route,
		.start_ns = request->start_ns,
		.deadline_ns = request->deadline_ns,
		.inter_token_ms = request->route->config->inter_token_timeout_ms,
		.id = request->id,
		.admission = &request->admission,
		.flight = &request->flight,
		.resume = &resume,
		.filtered = &filtered,
		.prompt_tokens = request->facts.prompt_tokens_estimate,
		.wants_usage = request->wants_usage,
		.tells_cost = sl_charge_trails(request),
		.strips_usage =
			request->wants_usage && !request->dialect && !request->facts.include_usage,
		.dialect = request->dialect,
		.direct = request->direct,
		.echo = &request->echo,
		.held = sl_text_string(&attempt->body),
		.held_len = attempt->body.len,
		.complete = attempt->complete,
	};
	size_t lines_len;
	const char *lines = all_lines(request, false, &lines_len);

	if (request->stage)
		start.learns = sl_context_stage_learns(request->stage, &start.learns_raw);
	if (!sl_filtered_looks_only(filtered)) /* what the client gets is not what the node sent */
		sl_flight_land(&request->flight, NULL);
	sl_recall_keep_stream(request);
	sl_keepalive_stop(request);
	if (request->head_sent)
		sl_keepalive_tell(request);
	client->user = NULL;
	request->client = NULL;
	if (attempt->complete && upstream) {
		sl_upstream_put(&request->worker->upstream, attempt->node, upstream);
		upstream = NULL;
	}
	if (rc ||
	    (!request->head_sent && (!lines || sl_server_begin(client, 200, lines, lines_len, -1))))
		return cut_stream(request, client, upstream, &filtered);
	resume = sl_resume_new(request, client);
	if (!resume)
		sl_server_release_request(client);
	start.routes = sl_routes_get(request->routes);
	start.trail = sl_explain_stream(request);
	start.decoder = sl_attempt_take_decoder(attempt);
	if (!sl_relay_start(request->worker, &start))
		return true;
	sl_routes_put(&start.routes);
	sl_attempt_free_decoder(&start.decoder);
	sl_resume_free(&resume);
	return cut_stream(request, client, upstream, &filtered);
}
