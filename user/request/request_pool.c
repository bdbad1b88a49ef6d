/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of requests, kept for the next ones. Declared in request.h. */
#include <stdlib.h>
#include "user/request/keepalive.h"
#include "user/request/request.h"
#include "user/request/stages.h"
#include "user/request/translate.h"

/* What lay in the arena of another request. */
static void clear_stages(struct sl_request *request)
{
	request->near = NULL;
	request->stage = NULL;
	request->stage_lines = SL_SPAN("");
	request->degraded = 0;
	request->own_chain = NULL;
	request->again_tokens = request->again_cost = 0;
}

struct sl_request *sl_request_take(struct sl_worker *worker)
{
	struct sl_request *request = worker->free_requests;

	if (request) {
		worker->free_requests = request->next_free;
		worker->free_request_count--;
		clear_stages(request);
		return request;
	}
	request = malloc(sizeof(*request));
	if (!request)
		return NULL;
	clear_stages(request);
	sl_arena_init(&request->arena, 0, SL_REQUEST_ARENA_BYTES_MAX);
	sl_attempt_init(&request->attempt, &worker->upstream, &request->arena);
	sl_translate_init(request);
	sl_keepalive_init(request);
	return request;
}

void sl_request_free(struct sl_request *request)
{
	sl_translate_fini(request);
	sl_attempt_fini(&request->attempt);
	sl_arena_fini(&request->arena);
	free(request);
}

void sl_request_put(struct sl_request *request)
{
	struct sl_worker *worker = request->worker;

	sl_keepalive_stop(request);
	if (request->stage)
		sl_stages_release(request);
	sl_flight_fail(&request->flight);
	sl_cache_value_put(&request->kept);
	sl_admit_end(&request->admission,
		     sl_loop_now_ns(worker->loop)); /* before the routes: limits are theirs */
	sl_routes_put(&request->routes);
	sl_routes_put(&request->former);
	if (worker->free_request_count >= SL_REQUESTS_KEPT) {
		sl_request_free(request);
		return;
	}
	sl_arena_reset(&request->arena);
	sl_translate_fini(request);
	if (request->attempt.body.size > SL_REQUEST_BODY_KEPT_BYTES)
		sl_text_fini(&request->attempt.body);
	request->next_free = worker->free_requests;
	worker->free_requests = request;
	worker->free_request_count++;
}
