/* See dispatch.h. */
#include "tests/standin/dispatch.h"

#include "tests/standin/admin.h"
#include "tests/standin/metrics.h"
#include "tests/standin/reply.h"
#include "tests/standin/strike.h"

static const struct {
	const char *path;
	enum sl_path index;
	bool post;
} routes[] = {
	{"/v1/chat/completions", SL_PATH_CHAT, true},
	{"/v1/completions", SL_PATH_COMPLETIONS, true},
	{"/v1/embeddings", SL_PATH_EMBEDDINGS, true},
	{"/v1/messages", SL_PATH_MESSAGES, true},
	{"/tokenize", SL_PATH_TOKENIZE, true},
	{"/v1/models", SL_PATH_MODELS, false},
	{"/health", SL_PATH_HEALTH, false},
	{"/metrics", SL_PATH_METRICS, false},
};

/* The last request as it arrived, its body decoded if it was chunked. */
static void record(struct sl_server *server, const struct sl_head *head, const char *data,
		   const char *body, size_t body_len)
{
	pthread_mutex_lock(&server->record_lock);
	server->record.len = 0;
	sl_buf_put(&server->record, data, head->head_len);
	sl_buf_put(&server->record, body, body_len);
	pthread_mutex_unlock(&server->record_lock);
}

static void answer_error(struct sl_conn *conn, const struct sl_head *head, int status,
			 const char *message)
{
	sl_reply_error(&conn->worker->body, message, "invalid_request_error", NULL, "null");
	sl_conn_answer(conn, SL_PATH_OTHER, status, -1, SL_REPLY_JSON, head->keep_alive);
}

static void answer_health(struct sl_conn *conn, const struct sl_head *head)
{
	struct sl_fault_set *faults = &conn->worker->server->faults;
	bool down = conn->job.fault.kind == SL_FAULT_HEALTH_DOWN;

	if (!down && sl_fault_draw(faults, true).kind == SL_FAULT_HEALTH_DOWN) {
		sl_fault_count(faults, SL_FAULT_HEALTH_DOWN);
		down = true;
	}
	sl_conn_answer(conn, SL_PATH_HEALTH, down ? 503 : 200, -1, SL_REPLY_JSON, head->keep_alive);
}

/* The page that was set in the place of the true one; false: none was. */
static bool copy_page(struct sl_server *server, struct sl_buf *out)
{
	if (!atomic_load(&server->paged))
		return false;
	out->len = 0;
	pthread_mutex_lock(&server->record_lock);
	sl_buf_put(out, server->page.data, server->page.len);
	pthread_mutex_unlock(&server->record_lock);
	return true;
}

/* The requests that are not inference. A fault that strikes first may be asked of them too. */
static void answer_plain(struct sl_conn *conn, const struct sl_head *head, enum sl_path path)
{
	struct sl_server *server = conn->worker->server;
	struct sl_options *options = &server->options;
	struct sl_buf *body = &conn->worker->body;
	const char *any = "standin";
	struct sl_names names;
	bool known;

	conn->job.path = path;
	conn->job.keep_alive = head->keep_alive;
	conn->job.head_sent = conn->job.stream = false;
	if (sl_strike_choose(conn, head, NULL, &conn->job.fault)) {
		answer_error(conn, head, 400, "no such stand-in fault");
		return;
	}
	bool paged = path == SL_PATH_METRICS && copy_page(server, body);
	if (paged && sl_str_is((struct sl_str){body->data, body->len, false}, "hang"))
		conn->job.fault.kind = SL_FAULT_HANG;
	bool lies = path == SL_PATH_HEALTH && conn->job.fault.kind == SL_FAULT_HEALTH_LIES;
	if (!lies && sl_strike_first(conn))
		return;
	body->len = 0;
	switch (path) {
	case SL_PATH_MODELS:
		names = sl_server_names(server);
		if (names.model[0])
			any = names.model;
		known = options->model_count && !names.model[0];
		sl_reply_models(body, known ? options->models : &any,
				known ? options->model_count : 1, options->context_tokens);
		sl_conn_answer(conn, path, 200, -1, SL_REPLY_JSON, head->keep_alive);
		return;
	case SL_PATH_METRICS:
		if (!copy_page(server, body))
			sl_metrics_render(server, body);
		sl_conn_answer(conn, path, 200, -1, "text/plain; version=0.0.4; charset=utf-8",
			       head->keep_alive);
		return;
	default:
		answer_health(conn, head);
	}
}

static bool serves(const struct sl_options *options, struct sl_str model)
{
	for (unsigned int i = 0; i < options->model_count && model.data; i++)
		if (sl_str_is(model, options->models[i]))
			return true;
	return !model.data || !options->model_count;
}

/*
 * vLLM's count of a chat ({"messages"}) or a text ({"prompt"}): the number that an answer's usage would have
 * as prompt_tokens, with ids that mean nothing.
 */
static void answer_tokenize(struct sl_conn *conn, const struct sl_head *head, const char *data,
			    size_t len)
{
	struct sl_server *server = conn->worker->server;
	struct sl_buf *body = &conn->worker->body;
	const char *why = NULL, *param = NULL;
	struct sl_ask ask;

	conn->job.path = SL_PATH_TOKENIZE;
	conn->job.keep_alive = head->keep_alive;
	conn->job.head_sent = conn->job.stream = false;
	int err = sl_ask_read(SL_ASK_CHAT, data, len, server->options.seed, &conn->worker->scratch,
			      &ask, &why, &param);
	if (err || !ask.has_prompt)
		err = sl_ask_read(SL_ASK_COMPLETION, data, len, server->options.seed,
				  &conn->worker->scratch, &ask, &why, &param);
	if (sl_strike_choose(conn, head, &ask, &conn->job.fault)) {
		answer_error(conn, head, 400, "no such stand-in fault");
		return;
	}
	if (sl_strike_first(conn))
		return;
	if (err || !ask.has_prompt || !serves(&server->options, ask.model)) {
		answer_error(conn, head, err || !ask.has_prompt ? 400 : 404,
			     err || !ask.has_prompt ? "messages or prompt is required"
						    : "The model does not exist.");
		return;
	}
	body->len = 0;
	sl_buf_printf(body, "{\"count\":%llu,\"max_model_len\":%llu,\"tokens\":[",
		      (unsigned long long)ask.prompt_tokens,
		      (unsigned long long)server->options.context_tokens);
	for (uint64_t i = 0; i < ask.prompt_tokens; i++)
		sl_buf_printf(body, "%s%u", i ? "," : "", 1u);
	sl_buf_lit(body, "],\"token_strs\":null}");
	sl_conn_answer(conn, SL_PATH_TOKENIZE, 200, -1, SL_REPLY_JSON, head->keep_alive);
}

void sl_dispatch(struct sl_conn *conn, const struct sl_head *head, const char *data,
		 const char *body, size_t body_len)
{
	struct sl_server *server = conn->worker->server;

	conn->worker->body.len = 0;
	conn->head_only = head->method == SL_METHOD_HEAD;
	if (conn->admin) {
		sl_admin_answer(conn, head, body, body_len);
		return;
	}
	/* Whoever reads metrics does so beside what is recorded. */
	if (atomic_load_explicit(&server->recording, memory_order_relaxed) &&
	    !sl_str_is(head->path, "/metrics"))
		record(server, head, data, body, body_len);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!sl_str_is(head->path, routes[i].path))
			continue;
		bool fits = routes[i].post ? head->method == SL_METHOD_POST
					   : head->method == SL_METHOD_GET || conn->head_only;
		if (!fits)
			answer_error(conn, head, 405, "method not allowed");
		else if (routes[i].index == SL_PATH_TOKENIZE)
			answer_tokenize(conn, head, body, body_len);
		else if (routes[i].post)
			sl_job_begin(conn, head, routes[i].index, body, body_len);
		else
			answer_plain(conn, head, routes[i].index);
		return;
	}
	answer_error(conn, head, 404, "no such path");
}
