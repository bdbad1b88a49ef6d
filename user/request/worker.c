/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/beside.h"
#include "user/request/feedback.h"
#include "user/request/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/http/h1_write.h"
#include "user/request/exposition.h"
#include "user/request/gate.h"
#include "user/request/request.h"

#define RELAYS_KEPT	 2048u
#define READY_BODY_BYTES 256u

/* ---- endpoints ------------------------------------------------------------------------------- */

static void answer_health(struct sl_worker *worker, struct sl_exchange *conn)
{
	static const char body[] = "{\"status\":\"ok\"}";

	(void)worker;
	sl_server_respond(conn, 200, "application/json", NULL, 0, body, sizeof(body) - 1);
}

static void answer_ready(struct sl_worker *worker, struct sl_exchange *conn)
{
	const char *reason = "";
	bool ready = worker->hooks->ready(worker->hooks->owner, worker->routes, &reason);
	char body[READY_BODY_BYTES];
	int len = snprintf(body, sizeof(body), "{\"status\":\"%s\",\"reason\":\"%s\"}",
			   ready ? "ready" : "not_ready", reason);

	sl_server_respond(conn, ready ? 200 : 503, "application/json", NULL, 0, body, (size_t)len);
}

static void answer_metrics(struct sl_worker *worker, struct sl_exchange *conn)
{
	sl_exposition_answer(worker->hooks->exposition, worker, conn);
}

struct endpoint {
	const char *path;
	enum sl_openai_endpoint inference;				    /* POST */
	void (*answer)(struct sl_worker *worker, struct sl_exchange *conn); /* GET, HEAD */
	void (*post)(struct sl_worker *worker, struct sl_exchange *conn);   /* POST, no inference */
};

static const struct endpoint endpoints[] = {
	{"/v1/chat/completions", SL_OPENAI_CHAT, NULL, NULL},
	{"/v1/messages", SL_OPENAI_CHAT, NULL, NULL},  /* translated: request/translate.h */
	{"/v1/responses", SL_OPENAI_CHAT, NULL, NULL}, /* the same */
	{"/v1/completions", SL_OPENAI_COMPLETIONS, NULL, NULL},
	{"/v1/embeddings", SL_OPENAI_EMBEDDINGS, NULL, NULL},
	{"/v1/models", SL_OPENAI_NONE, sl_gate_answer_models, NULL},
	{"/v1/feedback", SL_OPENAI_NONE, NULL, sl_feedback_answer},
	{"/health", SL_OPENAI_NONE, answer_health, NULL},
	{"/ready", SL_OPENAI_NONE, answer_ready, NULL},
	{"/metrics", SL_OPENAI_NONE, answer_metrics, NULL},
};

/* allow: the methods that a 405 must name (RFC 9110, 15.5.6), else NULL. */
static void refuse(struct sl_worker *worker, struct sl_exchange *conn, enum sl_openai_error_id id,
		   const char *allow)
{
	const struct sl_h1_head *head = conn->head;
	char method[SL_H1_METHOD_BYTES_MAX + 1], path[128], request_id[SL_REQUEST_ID_MAX + 1];
	char body[SL_OPENAI_ERROR_BYTES_MAX], lines[2 * SL_REQUEST_ID_MAX + 96];
	struct sl_openai_error error = {.id = id, .object = method, .detail = path};
	struct sl_h1_out out;
	size_t len;
	int status;

	snprintf(method, sizeof(method), "%.*s", (int)head->method_len, head->method_text);
	snprintf(path, sizeof(path), "%.*s", (int)head->path_len, head->path);
	sl_request_id_of(worker, conn, request_id);
	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_request_write_id(&out, head, request_id);
	if (allow)
		SL_H1_WRITE_HEADER(&out, "allow", allow, strlen(allow));
	len = sl_request_error_body(head, &error, request_id, body, &status);
	sl_server_respond(conn, status, "application/json", lines, (size_t)(out.at - lines), body,
			  len);
}

/* Why a path of an API that we speak is none of ours. */
static enum sl_openai_error_id unknown_path(const struct sl_h1_head *head)
{
	const struct sl_span path = {head->path, head->path_len};

	if (sl_span_equal(path, SL_SPAN("/v1/messages/count_tokens")) ||
	    sl_span_equal(path, SL_SPAN("/v1/responses/input_tokens")))
		return SL_OPENAI_ERROR_NO_COUNT;
	return sl_span_starts(path, SL_SPAN("/v1/responses/")) ? SL_OPENAI_ERROR_NOT_STORED
							       : SL_OPENAI_ERROR_PATH;
}

static const struct endpoint *find_endpoint(const struct sl_h1_head *head)
{
	size_t i;

	for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		if (strlen(endpoints[i].path) == head->path_len &&
		    !memcmp(endpoints[i].path, head->path, head->path_len))
			return &endpoints[i];
	}
	return NULL;
}

static void on_request(struct sl_exchange *conn)
{
	struct sl_worker *worker = conn->server->owner;
	const struct endpoint *endpoint = find_endpoint(conn->head);
	uint8_t method = conn->head->method;

	if (!endpoint)
		refuse(worker, conn, unknown_path(conn->head), NULL);
	else if (endpoint->inference && method == SL_H1_METHOD_POST)
		sl_request_start(worker, conn, endpoint->inference);
	else if (endpoint->post && method == SL_H1_METHOD_POST)
		endpoint->post(worker, conn);
	else if (endpoint->answer && (method == SL_H1_METHOD_GET || method == SL_H1_METHOD_HEAD))
		endpoint->answer(worker, conn);
	else
		refuse(worker, conn, SL_OPENAI_ERROR_METHOD,
		       endpoint->inference || endpoint->post ? "POST" : "GET, HEAD");
}

static void on_gone(struct sl_exchange *conn)
{
	struct sl_client_owner *owner = conn->user;

	conn->user = NULL;
	if (owner)
		owner->gone(owner);
}

static void on_drained(struct sl_exchange *conn)
{
	struct sl_client_owner *owner = conn->user;

	if (owner && owner->drained)
		owner->drained(owner);
}

static int write_error(const struct sl_exchange *conn, enum sl_server_refusal refusal, int status,
		       const char *reason, char *out, size_t out_size)
{
	struct sl_openai_error error = {.id = SL_OPENAI_ERROR_HTTP, .object = reason};
	bool has_head = refusal == SL_SERVER_REFUSED_BODY || refusal == SL_SERVER_REFUSED_TOO_LARGE;

	if (refusal == SL_SERVER_REFUSED_TOO_LARGE) {
		snprintf(error.text, sizeof(error.text), "%u",
			 conn->server->options.body_bytes_max);
		error.id = SL_OPENAI_ERROR_TOO_LARGE;
		error.object = error.text;
	} else if (refusal == SL_SERVER_REFUSED_SLOW) {
		error.id = SL_OPENAI_ERROR_TIMEOUT_READ;
	} else if (status == 431) {
		error.id = SL_OPENAI_ERROR_HEAD_LARGE;
	}
	if (has_head && sl_anthropic_path(conn->head->path, conn->head->path_len))
		return sl_anthropic_error_write(&error, NULL, out, out_size);
	return sl_openai_error_write(&error, out, out_size);
}

static const struct sl_server_ops server_ops = {
	.request = on_request,
	.gone = on_gone,
	.drained = on_drained,
	.error_body = write_error,
};

/* ---- breaker changes that this thread's reports caused --------------------------------------- */

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct sl_worker *worker = owner;

	sl_worker_log_change(worker->upstream.state.pools[node->state->pool].name, node->text,
			     change);
}

static const char *const breaker_states[SL_BREAKER_STATES] = {"closed", "half-open", "open",
							      "forced open", "metrics only"};

static void tell_change(const char *pool, const char *node, const struct sl_breaker_change *change,
			const char *signal, const char *plane)
{
	struct sl_notice notice = {
		.kind = change->changed ? SL_NOTICE_BREAKER : SL_NOTICE_CAP,
		.level = SL_NOTICE_WARN,
		.of = SL_NOTICE_OF_NODE,
		.number = change->to,
		/* by breaker.metrics_only it refuses nobody any more */
		.over = change->changed &&
			(change->to == SL_BREAKER_CLOSED || change->to == SL_BREAKER_METRICS_ONLY),
	};

	sl_notice_set(notice.name, sizeof(notice.name), node);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	sl_notice_set(notice.who, sizeof(notice.who), plane);
	if (change->changed)
		sl_notice_tell(&notice, "%s -> %s, signal %s",
			       breaker_states[change->from % SL_BREAKER_STATES],
			       breaker_states[change->to % SL_BREAKER_STATES], signal);
	else
		sl_notice_tell(&notice, "stays closed by the ejection cap, signal %s", signal);
}

void sl_worker_log_change(const char *pool, const char *node,
			  const struct sl_breaker_change *change)
{
	static const char *const planes[] = {"-", "kernel", "daemon", "operator"};
	static const char *const signals[] = {
#define X(id, name, help) [SL_SIGNAL_##id] = name,
		SL_SIGNALS(X)
#undef X
	};
	const char *signal = signals[change->signal < SL_SIGNAL_COUNT ? change->signal : 0];
	const char *plane = planes[change->plane & 3];

	if (change->changed || change->cap_denied)
		tell_change(pool, node, change, signal, plane);
	if (change->cap_denied)
		sl_log_limited(SL_LOG_WARN,
			       "pool \"%s\": node %s: breaker would open, but the ejection cap of "
			       "the pool is reached signal=%s plane=%s",
			       pool, node, signal, plane);
	if (change->changed)
		sl_log(SL_LOG_WARN,
		       "pool \"%s\": node %s: breaker %s -> %s signal=%s plane=%s generation=%u",
		       pool, node, breaker_states[change->from % SL_BREAKER_STATES],
		       breaker_states[change->to % SL_BREAKER_STATES], signal, plane,
		       change->generation);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void apply_config(struct sl_worker *worker)
{
	const struct sl_config *config = worker->routes->config;

	worker->requests_max = config->requests_max;
	/* Without memory or a descriptor for it nothing is gathered. */
	worker->gather_us = sl_loop_set_coalesce(worker->loop, config->gather_us * SL_NS_PER_US)
				    ? 0
				    : config->gather_us;
	/* A socket tells that it has drained only after it was above its low mark. */
	worker->stream_buffer_bytes_max = config->stream_buffer_bytes_max;
	if (worker->stream_buffer_bytes_max < SL_SOCKET_LOW_BYTES)
		worker->stream_buffer_bytes_max = SL_SOCKET_LOW_BYTES;
	sl_reqlog_apply(&worker->reqlog, config);
	worker->upstream.idle_ms = config->upstream_idle_ms;
	worker->upstream.idle_max = config->upstream_idle_max;
	worker->server.options = (struct sl_server_options){
		.body_bytes_max = config->body_bytes_max,
		.header_timeout_ms = config->header_timeout_ms,
		.body_timeout_ms = config->body_timeout_ms,
		.idle_timeout_ms = config->idle_timeout_ms,
		.send_timeout_ms = config->send_timeout_ms,
		.rate_min = config->client_rate_min,
		.connections_max = config->connections_max,
		.h2_streams_max = config->http2_streams_max,
	};
}

static void on_freed(void *owner, uint32_t pool_slot, uint32_t node_slot)
{
	sl_room_freed(owner, pool_slot, node_slot);
}

int sl_worker_init(struct sl_worker *worker, struct sl_loop *loop,
		   const struct sl_upstream_state *state, struct sl_routes *routes,
		   struct sl_keyring *keyring, const struct sl_worker_hooks *hooks)
{
	static const struct sl_server_options none;
	int rc;

	memset(worker, 0, sizeof(*worker));
	worker->loop = loop;
	worker->hooks = hooks;
	worker->routes = routes;
	worker->keyring = keyring;
	rc = sl_upstream_init(&worker->upstream, loop, state);
	if (rc)
		return rc;
	worker->upstream.changed = on_changed;
	worker->upstream.freed = on_freed;
	worker->upstream.owner = worker;
	sl_desk_init(&worker->desk);
	sl_server_init(&worker->server, loop, &server_ops, &none, worker);
	sl_slab_init(&worker->relays, sizeof(struct sl_relay), RELAYS_KEPT);
	sl_slab_init(&worker->message_relays, sizeof(struct sl_message_relay), RELAYS_KEPT);
	sl_trails_init(&worker->trails);
	sl_traces_init(&worker->traces);
	sl_reqlog_init(&worker->reqlog, loop);
	sl_feed_init(&worker->feed);
	apply_config(worker);
	return 0;
}

static void on_accepted(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	struct sl_worker *worker = listener->owner;

	(void)peer;
	sl_server_accept(&worker->server, fd, worker->listener_tls[listener - worker->listeners]);
}

static void set_listener(struct sl_worker *worker, uint32_t index, uint32_t address)
{
	const struct sl_routes *routes = worker->routes;
	struct sl_tls_server *tls = routes->secure.listeners[address];

	worker->listen[index] = routes->config->listen[address];
	worker->listener_tls[index] = tls ? sl_tls_server_get(tls) : NULL;
}

/* New certificates. Whether a listener speaks TLS at all is settled at the start. */
static void renew_listeners(struct sl_worker *worker)
{
	uint32_t i;

	for (i = 0; i < worker->listener_count; i++) {
		struct sl_tls_server *tls = sl_secure_listener(
			&worker->routes->secure, worker->routes->config, &worker->listen[i]);

		if (!tls || !worker->listener_tls[i])
			continue;
		sl_tls_server_put(&worker->listener_tls[i]);
		worker->listener_tls[i] = sl_tls_server_get(tls);
	}
}

int sl_worker_listen(struct sl_worker *worker, int fd, uint32_t address)
{
	struct sl_listener *listener;

	if (worker->listener_count == SL_WORKER_LISTENERS_MAX)
		return -E2BIG;
	listener = &worker->listeners[worker->listener_count];
	listener->accepted = on_accepted;
	listener->owner = worker;
	set_listener(worker, worker->listener_count, address);
	worker->listener_count++;
	return sl_listener_adopt(listener, worker->loop, fd);
}

void sl_worker_set_routes(struct sl_worker *worker, struct sl_routes *routes)
{
	struct sl_routes *old = worker->routes;

	worker->routes = routes;
	apply_config(worker);
	renew_listeners(worker);
	sl_room_reload(worker);
	sl_routes_put(&old);
}

void sl_worker_set_keyring(struct sl_worker *worker, struct sl_keyring *keyring)
{
	struct sl_keyring *old = worker->keyring;

	worker->keyring = keyring;
	sl_keyring_put(&old);
}

void sl_worker_drain(struct sl_worker *worker)
{
	uint32_t i;

	for (i = 0; i < worker->listener_count && !worker->draining; i++)
		sl_listener_close(&worker->listeners[i]);
	worker->draining = true;
	sl_server_drain(&worker->server);
	sl_beside_stop(worker);
}

void sl_worker_hand_over(struct sl_worker *worker)
{
	uint32_t i;

	for (i = 0; i < worker->listener_count && !worker->draining; i++) {
		worker->listeners[i].serves_last = true;
		sl_listener_close(&worker->listeners[i]);
	}
	worker->draining = true;
	sl_server_leave(&worker->server);
	sl_beside_stop(worker);
}

void sl_worker_abort(struct sl_worker *worker)
{
	sl_server_abort_all(&worker->server);
}

bool sl_worker_is_idle(const struct sl_worker *worker)
{
	uint32_t i;

	/* A listener that is closing may have a connection to hand on. */
	for (i = 0; i < worker->listener_count && worker->draining; i++) {
		if (worker->listeners[i].fd >= 0)
			return false;
	}
	return !worker->server.conn_count && !worker->stats.in_flight && !worker->beside_count &&
	       !worker->along_count && !worker->jobs;
}

static void free_route(struct sl_route_stats *route)
{
	for (uint32_t kind = 0; route && kind < SL_GENAI_KINDS; kind++)
		free(route->genai[kind]);
	free(route);
}

void sl_worker_fini(struct sl_worker *worker)
{
	uint32_t i;

	sl_timer_cancel(worker->loop, &worker->desk.timer);
	while (worker->free_requests) {
		struct sl_request *request = worker->free_requests;

		worker->free_requests = request->next_free;
		sl_request_free(request);
	}
	sl_reqlog_fini(&worker->reqlog);
	sl_feed_fini(&worker->feed);
	sl_trails_fini(&worker->trails);
	sl_traces_fini(&worker->traces);
	sl_slab_fini(&worker->relays);
	sl_slab_fini(&worker->message_relays);
	sl_server_fini(&worker->server);
	sl_upstream_fini(&worker->upstream);
	for (i = 0; i < SL_STATS_ROUTES_MAX; i++)
		free_route(worker->stats.routes[i]);
	for (i = 0; i < worker->listener_count; i++)
		sl_tls_server_put(&worker->listener_tls[i]);
	sl_routes_put(&worker->routes);
	if (worker->candidate)
		sl_routes_put(&worker->candidate);
	sl_keyring_put(&worker->keyring);
}
