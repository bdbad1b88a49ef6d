/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/wait.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/http/h1_write.h"
#include "user/request/explain.h"
#include "user/request/fit.h"
#include "user/request/gate.h"
#include "user/request/keepalive.h"
#include "user/request/stages.h"

#define HOLD_CHECK_MS	  250u /* how often a held request looks at the other pools of its chain */
#define HOLDS_MAX	  256u /* of one request */
#define RETRY_AFTER_MAX_S 600u
#define TIMEOUT_MS_MAX	  86400000ull

static uint64_t now_of(const struct sl_request *request)
{
	return sl_loop_now_ns(request->worker->loop);
}

/* ---- what the client says ------------------------------------------------------------------------ */

/*
 * Ours, and those of gateways that users come from: Envoy's, Portkey's, LiteLLM's. All of them bound
 * the whole request.
 */
static const struct {
	const char *name;
	size_t name_len;
	uint32_t unit_ms;
} timeout_fields[] = {
	{"x-request-timeout-ms", 20, 1},	   {"x-sluice-timeout-ms", 19, 1},
	{"x-envoy-upstream-rq-timeout-ms", 30, 1}, {"x-portkey-request-timeout", 25, 1},
	{"x-litellm-timeout", 17, 1000},
};

/* "1500", "1.5" in units; 0 for anything else. Thousandths are enough. */
static uint64_t read_ms(const char *text, size_t len, uint32_t unit_ms)
{
	uint64_t value = 0, scale = 1;
	bool point = false;
	size_t i;

	for (i = 0; i < len && value < TIMEOUT_MS_MAX * 1000u; i++) {
		if (text[i] == '.' && !point && i) {
			point = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			return 0;
		if (scale == 1000)
			continue;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (point)
			scale *= 10;
	}
	value = value * unit_ms / scale;
	return value < TIMEOUT_MS_MAX ? value : TIMEOUT_MS_MAX;
}

/* The unit of a field that bounds the request; 0: it is none. */
static uint32_t timeout_unit(const struct sl_h1_header *header)
{
	size_t f;

	if (header->id != SL_H1_ID_OTHER && header->id != SL_H1_ID_X_SLUICE)
		return 0;
	for (f = 0; f < sizeof(timeout_fields) / sizeof(timeout_fields[0]); f++)
		if (header->name_len == timeout_fields[f].name_len &&
		    sl_h1_text_equal(header->name, timeout_fields[f].name, header->name_len))
			return timeout_fields[f].unit_ms;
	return 0;
}

bool sl_wait_is_timeout(const struct sl_h1_header *header)
{
	return timeout_unit(header) != 0;
}

uint64_t sl_wait_deadline_ns(const struct sl_request *request)
{
	const struct sl_h1_head *head = request->client->head;
	uint64_t least_ms = 0, ms;
	uint32_t i, unit_ms;

	for (i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];

		unit_ms = timeout_unit(header);
		if (!unit_ms)
			continue;
		ms = read_ms(header->value, header->value_len, unit_ms);
		if (ms && (!least_ms || ms < least_ms))
			least_ms = ms;
	}
	return least_ms ? request->start_ns + least_ms * SL_NS_PER_MS : UINT64_MAX;
}

/* The key's class, or a lower one that the client asks for. */
enum sl_key_class sl_wait_class(const struct sl_request *request)
{
	static const char ours[] = "x-sluice-class";
	const struct sl_key_record *key = request->admission.key;
	const struct sl_h1_head *head = request->client->head;
	enum sl_key_class class = key ? key->priority : SL_KEY_CLASS_STANDARD, asked;
	uint32_t i;

	for (i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];

		if (header->id == SL_H1_ID_X_SLUICE && header->name_len == sizeof(ours) - 1 &&
		    sl_h1_text_equal(header->name, ours, sizeof(ours) - 1) &&
		    !sl_key_class_parse(header->value, header->value_len, &asked) && asked < class)
			class = asked;
	}
	return class;
}

/* FNV-1a. Two names of a like hash would share a turn, no more. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

/* Whose turn it uses: the tenant's, without one the key's; all have one where no keys are asked. */
static uint64_t tenant_of(const struct sl_request *request)
{
	const struct sl_key_record *key = request->admission.key;

	if (!key)
		return 0;
	if (key->tenant[0] && strcmp(key->tenant, SL_KEY_TENANT_DEFAULT) != 0)
		return hash_of(key->tenant);
	return hash_of(key->id);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static struct sl_request *request_of(struct sl_waiter *waiter)
{
	return (struct sl_request *)((char *)waiter - offsetof(struct sl_request, waiter));
}

static void note_end(struct sl_request *request, enum sl_queue_verdict verdict, uint64_t waited_ns)
{
	sl_explain_note(request, SL_TRAIL_QUEUE_END, (uint8_t)verdict,
			(uint32_t)(waited_ns / SL_NS_PER_MS), request->wait_pool, NULL);
}

static void take_end(struct sl_request *request)
{
	struct sl_waiter *waiter = &request->waiter;

	request->wait = SL_WAIT_OVER;
	request->wait_verdict = waiter->entry.verdict;
	request->queued_ns += now_of(request) - request->wait_start_ns;
	note_end(request, request->wait_verdict, now_of(request) - request->wait_start_ns);
	sl_log(SL_LOG_DEBUG, "pool \"%s\": request waited %llu ms: %s request=%s",
	       request->wait_pool->name,
	       (unsigned long long)((now_of(request) - request->wait_start_ns) / SL_NS_PER_MS),
	       sl_queue_verdict_name(request->wait_verdict), request->id);
	if (request->wait_verdict == SL_QUEUE_GRANTED) {
		sl_upstream_adopt(&request->worker->upstream, &waiter->grant, waiter->slot);
		request->granted = waiter->grant;
	}
}

static void on_ended(struct sl_waiter *waiter)
{
	take_end(request_of(waiter));
	sl_request_go_on(request_of(waiter));
}

static void on_ended_parked(struct sl_waiter *waiter)
{
	take_end(request_of(waiter));
	sl_fiber_wake(request_of(waiter)->fiber);
}

/* Has another pool of the chain a node again? */
static bool on_look(struct sl_waiter *waiter)
{
	struct sl_request *request = request_of(waiter);
	const struct sl_route_chain *chain = sl_request_chain(request);
	uint32_t i;

	for (i = 0; i < chain->len; i++) {
		if (chain->pools[i] == request->wait_pool ||
		    (request->route->other_api && sl_fit_of(request, chain->pools[i])))
			continue;
		if (sl_upstream_any_healthy(&request->worker->upstream, chain->pools[i]))
			return true;
	}
	return false;
}

static bool enter(struct sl_request *request, const struct sl_upstream_pool *pool,
		  uint64_t until_ns, bool holds)
{
	struct sl_waiter *waiter = &request->waiter;
	uint64_t now_ns = now_of(request);

	if (!request->wait_born_ns)
		request->wait_born_ns = now_ns;
	waiter->entry = (struct sl_queue_entry){
		.class = sl_wait_class(request),
		.tenant = tenant_of(request),
		.cost = sl_gate_estimate(request),
		.bytes = (uint32_t)(sizeof(*request) + request->client->head_len +
				    request->client->body_len + request->chat.len +
				    request->native.len),
		.born_ns = request->wait_born_ns,
		.deadline_ns = until_ns < request->deadline_ns ? until_ns : request->deadline_ns,
	};
	waiter->came_back = holds && request->any_attempt;
	waiter->hold_check_ms = holds && sl_request_chain(request)->len > 1 ? HOLD_CHECK_MS : 0;
	waiter->ended = request->fiber_waits ? on_ended_parked : on_ended;
	waiter->looks = on_look;
	request->wait_pool = pool;
	request->holds = holds;
	request->wait_start_ns = now_ns;
	request->wait_verdict =
		sl_room_enter(request->worker, pool, waiter, &request->retry_wait_ns);
	if (request->wait_verdict != SL_QUEUE_WAITING) {
		note_end(request, request->wait_verdict, 0);
		return false;
	}
	sl_explain_note(request, SL_TRAIL_QUEUE, holds, sl_room_depth(waiter), pool, NULL);
	request->wait = SL_WAIT_WAITS;
	sl_keepalive_start(request);
	sl_log(SL_LOG_DEBUG, "pool \"%s\": request waits for %s class=%s request=%s", pool->name,
	       holds ? "a node" : "a place", sl_key_class_name(waiter->entry.class), request->id);
	return true;
}

bool sl_wait_for_place(struct sl_request *request)
{
	const struct sl_config_route *config = request->route->config;
	uint64_t now_ns = now_of(request), until_ns;

	request->was_full = true;
	if (!request->place_until_ns)
		request->place_until_ns = now_ns + config->queue_wait_ms * SL_NS_PER_MS;
	until_ns = request->place_until_ns;
	if (sl_chain_behind(&request->chain, SL_CAUSE_BREAKER_OPEN) &&
	    now_ns + config->queue_spill_ms * SL_NS_PER_MS < until_ns)
		until_ns = now_ns + config->queue_spill_ms * SL_NS_PER_MS;
	return enter(request, sl_chain_pool(&request->chain), until_ns, false);
}

bool sl_wait_parked(struct sl_request *request, const struct sl_upstream_pool *pool,
		    const bool *gone)
{
	uint64_t now_ns = now_of(request);

	if (!request->place_until_ns)
		request->place_until_ns =
			now_ns + request->route->config->queue_wait_ms * SL_NS_PER_MS;
	request->fiber = sl_fiber_self(request->worker->loop);
	request->fiber_waits = true;
	if (*gone || !enter(request, pool, request->place_until_ns, false))
		return false;
	/* What was decided already is still on its way when leaving fails. */
	while (request->wait == SL_WAIT_WAITS && !(*gone && sl_wait_leave(request)))
		sl_fiber_park(request->worker->loop, 0);
	if (*gone)
		sl_wait_drop(request);
	return request->granted.node != NULL;
}

/* Nothing of the request has left this host. */
static bool is_unsent(const struct sl_request *request)
{
	return !request->any_attempt || request->last_ending == SL_ENDING_CONNECT_ERROR ||
	       request->last_ending == SL_ENDING_CONNECT_TIMEOUT;
}

bool sl_wait_for_node(struct sl_request *request)
{
	const struct sl_config_route *config = request->route->config;
	uint64_t now_ns = now_of(request);

	if (request->wait_verdict == SL_QUEUE_MOVED)
		return false;
	if (!config->queue_hold_ms || request->was_full || !is_unsent(request) ||
	    request->hold_count++ >= HOLDS_MAX)
		return false;
	if (!request->hold_until_ns)
		request->hold_until_ns = now_ns + config->queue_hold_ms * SL_NS_PER_MS;
	if (now_ns >= request->hold_until_ns || now_ns >= request->deadline_ns)
		return false;
	return enter(request, sl_fit_first(request), request->hold_until_ns, true);
}

bool sl_wait_leave(struct sl_request *request)
{
	if (request->wait != SL_WAIT_WAITS || !sl_room_leave(&request->waiter))
		return false;
	request->wait = SL_WAIT_OVER;
	note_end(request, SL_QUEUE_LEFT, now_of(request) - request->wait_start_ns);
	return true;
}

bool sl_wait_move(struct sl_request *request)
{
	const struct sl_openai_request *facts = &request->facts;
	struct sl_routes *routes = request->worker->routes;
	const struct sl_route *route = sl_routes_find(routes, facts->model, facts->model_len);

	/* What was noted of former pools stays: one former snapshot is kept, not any number. */
	if (!route || request->former)
		return false;
	request->former = request->routes;
	request->routes = sl_routes_get(routes);
	request->route = route;
	sl_stages_moved(request);
	request->wait_verdict = SL_QUEUE_UNSET;
	request->was_full = false;
	request->hold_until_ns = request->place_until_ns = 0;
	return true;
}

void sl_wait_drop(struct sl_request *request)
{
	struct sl_upstream *up = &request->worker->upstream;
	struct sl_upstream_grant *grant = &request->granted;

	if (!grant->node)
		return;
	sl_upstream_report(up, grant->node, grant->ticket, SL_OUTCOME_NEUTRAL, SL_SIGNAL_NONE);
	sl_upstream_release(up, grant->node);
	grant->node = NULL;
}

/* ---- what is told ---------------------------------------------------------------------------- */

bool sl_wait_refused(const struct sl_request *request)
{
	return !request->any_attempt && request->wait_verdict > SL_QUEUE_GRANTED &&
	       (!request->holds || request->wait_verdict != SL_QUEUE_EXPIRED);
}

static void describe(const struct sl_request *request, char *text, size_t size)
{
	static const char *const texts[SL_QUEUE_VERDICTS] = {
		[SL_QUEUE_COUNT] = "as many requests wait already as may",
		[SL_QUEUE_BYTES] = "the requests that wait already use all of its queue's memory",
		[SL_QUEUE_DISPLACED] = "a request of a higher class took this one's place in line",
		[SL_QUEUE_MOVED] = "its pool was taken out of the configuration",
		[SL_QUEUE_SHED] = "requests wait too long, and those of this class are given up",
	};
	const char *known = texts[request->wait_verdict];

	if (known)
		snprintf(text, size, "%s", known);
	else if (request->wait_verdict == SL_QUEUE_DEADLINE)
		snprintf(text, size, "the wait would be %llu s, longer than this request can wait",
			 (unsigned long long)((request->retry_wait_ns + SL_NS_PER_S - 1) /
					      SL_NS_PER_S));
	else
		snprintf(text, size, "no place became free within %llu ms",
			 (unsigned long long)(request->queued_ns / SL_NS_PER_MS));
}

static void write_wait(const struct sl_request *request, struct sl_h1_out *out)
{
	uint64_t wait_ns = request->retry_wait_ns, estimate_ns;

	if (request->wait_verdict >= SL_QUEUE_DISPLACED) {
		estimate_ns = sl_room_estimate_ns(request->worker, &request->waiter);
		wait_ns = estimate_ns > SL_NS_PER_S ? estimate_ns : SL_NS_PER_S;
	}
	if (wait_ns > RETRY_AFTER_MAX_S * SL_NS_PER_S)
		wait_ns = RETRY_AFTER_MAX_S * SL_NS_PER_S;
	SL_H1_WRITE_HEADER_U64(out, "retry-after", (wait_ns + SL_NS_PER_S - 1) / SL_NS_PER_S);
	SL_H1_WRITE_HEADER_U64(out, "retry-after-ms", wait_ns / SL_NS_PER_MS);
}

int sl_wait_respond(struct sl_request *request)
{
	char body[SL_OPENAI_ERROR_BYTES_MAX], lines[SL_ADMIT_LIMITS_BYTES + 512], text[128];
	struct sl_openai_error error = {
		.id = SL_OPENAI_ERROR_QUEUE, .object = request->route->model, .detail = text};
	const char *reason = sl_queue_verdict_name(request->wait_verdict);
	struct sl_exchange *client = request->client;
	struct sl_h1_out out;
	size_t len;
	int status;

	if (request->wait_verdict == SL_QUEUE_EXPIRED && now_of(request) >= request->deadline_ns)
		error.id = SL_OPENAI_ERROR_DEADLINE;
	describe(request, text, sizeof(text));
	if (request->head_sent)
		return sl_keepalive_fail(request, &error);
	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_request_write_id(&out, client->head, request->id);
	SL_H1_WRITE_HEADER(&out, "x-sluice-pool", request->wait_pool->name,
			   strlen(request->wait_pool->name));
	SL_H1_WRITE_HEADER(&out, "x-sluice-queue", reason, strlen(reason));
	if (error.id == SL_OPENAI_ERROR_QUEUE)
		write_wait(request, &out);
	sl_admit_write_limits(&request->admission, now_of(request), &out);
	len = sl_request_error_body(client->head, &error, request->id, body, &status);
	sl_log_limited(SL_LOG_WARN, "pool \"%s\": queue: refused: %s request=%s",
		       request->wait_pool->name, text, request->id);
	client->user = NULL;
	request->client = NULL;
	sl_server_respond(client, status, "application/json", lines, (size_t)(out.at - lines), body,
			  len);
	return status;
}
