/* See admin.h. */
#include "tests/standin/admin.h"

#include <errno.h>
#include <string.h>

#include "tests/standin/metrics.h"
#include "tests/standin/reply.h"

#define SUM(server, member) sl_metrics_sum((server), offsetof(struct sl_counters, member))

/* Returns the status; fills worker->body, which is empty before. */
typedef int (*handler)(struct sl_conn *conn, const char *body, size_t len);

static int bad(struct sl_conn *conn, const char *message)
{
	sl_reply_error(&conn->worker->body, message, "invalid_request_error", NULL, "null");
	return 400;
}

static int ok(struct sl_conn *conn)
{
	sl_buf_lit(&conn->worker->body, "{\"ok\":true}\n");
	return 200;
}

static int post_fault(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;
	struct sl_json json = {body, body + len};
	struct sl_fault fault = {0};
	struct sl_str name, text = {0};
	double count = -1, share = 1;
	bool first = true;
	int more;

	while ((more = sl_json_member(&json, &first, &name)) == 1) {
		int err;

		if (sl_str_is(name, "fault"))
			err = sl_json_string(&json, &text);
		else if (sl_str_is(name, "count"))
			err = sl_json_number(&json, &count);
		else if (sl_str_is(name, "share"))
			err = sl_json_number(&json, &share);
		else
			return bad(conn, "members are fault, count and share");
		if (err)
			return bad(conn, "fault is a string, count and share are numbers");
	}
	if (more || sl_json_over(&json) || !text.data)
		return bad(conn, "expected {\"fault\":\"NAME[:ARG]\",\"count\":N,\"share\":S}");
	if (sl_fault_parse(text, &fault))
		return bad(conn, "no such fault, or a bad argument");
	if (!(count == -1 || (count >= 1 && count <= 1e9)) || !(share >= 0 && share <= 1))
		return bad(conn, "count is -1 or at least 1; share is from 0 to 1");
	if (fault.kind == SL_FAULT_REFUSE && sl_server_refuse(server, true))
		return bad(conn, "cannot refuse");
	if (sl_fault_add(&server->faults, fault, (int64_t)count, share))
		return bad(conn, "too many live faults; DELETE /fault first");
	return ok(conn);
}

static int delete_fault(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;

	(void)body;
	(void)len;
	sl_fault_clear(&server->faults);
	if (sl_server_refuse(server, false)) {
		bad(conn, "cannot listen again");
		return 500;
	}
	return ok(conn);
}

static int post_config(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;
	struct sl_model *model = &server->model;
	struct sl_json json = {body, body + len};
	struct sl_str name;
	bool first = true, flag;
	double number;
	int more;

	while ((more = sl_json_member(&json, &first, &name)) == 1) {
		if (sl_str_is(name, "headers_first") || sl_str_is(name, "record") ||
		    sl_str_is(name, "rubbish")) {
			if (sl_json_bool(&json, &flag))
				return bad(conn,
					   "headers_first, record and rubbish are true or false");
			atomic_store(sl_str_is(name, "record")	  ? &server->recording
				     : sl_str_is(name, "rubbish") ? &server->rubbish
								  : &server->headers_first,
				     flag);
			continue;
		}
		if (sl_json_number(&json, &number) || !(number >= 0 && number <= 1e9))
			return bad(conn, "settings are numbers from 0 on");
		if (sl_str_is(name, "slots"))
			atomic_store(&model->slots, (int64_t)number);
		else if (sl_str_is(name, "kv_tokens"))
			atomic_store(&model->kv_limit_tokens, (int64_t)number);
		else if (sl_str_is(name, "token_us"))
			atomic_store(&model->token_ns, (int64_t)(number * 1000));
		else if (sl_str_is(name, "prefill_us_per_token"))
			atomic_store(&model->prefill_ns_per_token, (int64_t)(number * 1000));
		else
			return bad(conn, "settings are slots, kv_tokens, token_us, "
					 "prefill_us_per_token, headers_first, record and rubbish");
	}
	sl_model_regrant(model);
	if (more || sl_json_over(&json))
		return bad(conn, "not valid JSON");
	return ok(conn);
}

static void put_faults(struct sl_fault_set *set, struct sl_buf *out)
{
	sl_buf_lit(out, "\"faults\":[");
	pthread_mutex_lock(&set->lock);
	unsigned int count = atomic_load(&set->count);
	for (unsigned int i = 0; i < count; i++) {
		struct sl_fault_live *live = &set->live[i];

		sl_buf_printf(out,
			      "%s{\"fault\":\"%s\",\"arg\":%lld,\"left\":%lld,\"share\":%g,"
			      "\"hits\":%llu}",
			      i ? "," : "", sl_fault_name(live->fault.kind),
			      (long long)live->fault.arg, (long long)live->left, live->share,
			      (unsigned long long)live->hits);
	}
	pthread_mutex_unlock(&set->lock);
	sl_buf_lit(out, "]");
}

static uint64_t sum_requests(struct sl_server *server, enum sl_path from, enum sl_path to)
{
	uint64_t sum = 0;

	for (size_t at = (size_t)from * SL_STATUS_INDEX_COUNT;
	     at < (size_t)to * SL_STATUS_INDEX_COUNT; at++)
		sum += sl_metrics_sum(server, offsetof(struct sl_counters, requests) +
						      at * sizeof(sl_counter));
	return sum;
}

static int get_state(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;
	struct sl_model *model = &server->model;
	struct sl_buf *out = &conn->worker->body;
	uint64_t opened = SUM(server, connections), closed = SUM(server, connections_closed);

	(void)body;
	(void)len;
	sl_buf_printf(out,
		      "{\"name\":\"%s\",\"refusing\":%s,\"running\":%lld,\"waiting\":%lld,"
		      "\"kv_tokens_used\":%lld,\"kv_usage\":%.6f,",
		      server->options.name, atomic_load(&server->refusing) ? "true" : "false",
		      (long long)atomic_load(&model->running),
		      (long long)atomic_load(&model->waiting),
		      (long long)atomic_load(&model->kv_used_tokens), sl_model_kv_usage(model));
	sl_buf_printf(out,
		      "\"slots\":%lld,\"kv_tokens\":%lld,\"token_us\":%.3f,"
		      "\"prefill_us_per_token\":%.3f,\"headers_first\":%s,\"record\":%s,",
		      (long long)atomic_load(&model->slots),
		      (long long)atomic_load(&model->kv_limit_tokens),
		      (double)atomic_load(&model->token_ns) / 1e3,
		      (double)atomic_load(&model->prefill_ns_per_token) / 1e3,
		      atomic_load(&server->headers_first) ? "true" : "false",
		      atomic_load(&server->recording) ? "true" : "false");
	sl_buf_printf(out,
		      "\"requests\":%llu,\"inference_requests\":%llu,\"connections\":%llu,"
		      "\"connections_open\":%llu,\"client_gone\":%llu,\"prompt_tokens\":%llu,"
		      "\"generation_tokens\":%llu,",
		      (unsigned long long)sum_requests(server, SL_PATH_OTHER, SL_PATH_COUNT),
		      (unsigned long long)sum_requests(server, SL_PATH_CHAT, SL_PATH_MODELS),
		      (unsigned long long)opened, (unsigned long long)(opened - closed),
		      (unsigned long long)SUM(server, client_gone),
		      (unsigned long long)SUM(server, prompt_tokens),
		      (unsigned long long)SUM(server, generation_tokens));
	put_faults(&server->faults, out);
	sl_buf_lit(out, "}\n");
	return 200;
}

static int get_last(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;

	(void)body;
	(void)len;
	pthread_mutex_lock(&server->record_lock);
	sl_buf_put(&conn->worker->body, server->record.data, server->record.len);
	pthread_mutex_unlock(&server->record_lock);
	return 200;
}

static int post_page(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;

	pthread_mutex_lock(&server->record_lock);
	server->page.len = 0;
	sl_buf_put(&server->page, body, len);
	pthread_mutex_unlock(&server->record_lock);
	atomic_store(&server->paged, true);
	return ok(conn);
}

static int delete_page(struct sl_conn *conn, const char *body, size_t len)
{
	(void)body;
	(void)len;
	atomic_store(&conn->worker->server->paged, false);
	return ok(conn);
}

static int take_name(struct sl_str text, char name[SL_SAYS_LEN_MAX])
{
	if (text.len >= SL_SAYS_LEN_MAX)
		return -E2BIG;
	memcpy(name, text.data, text.len);
	name[text.len] = 0;
	return 0;
}

static int post_names(struct sl_conn *conn, const char *body, size_t len)
{
	struct sl_server *server = conn->worker->server;
	struct sl_json json = {body, body + len};
	struct sl_names names = {"", ""};
	struct sl_str name, text;
	bool first = true;
	int more;

	while ((more = sl_json_member(&json, &first, &name)) == 1) {
		bool model = sl_str_is(name, "model");

		if (!model && !sl_str_is(name, "fingerprint"))
			return bad(conn, "members are model and fingerprint");
		if (sl_json_string(&json, &text) ||
		    take_name(text, model ? names.model : names.fingerprint))
			return bad(conn, "names are strings of up to 127 bytes");
	}
	if (more || sl_json_over(&json))
		return bad(conn, "not valid JSON");
	pthread_mutex_lock(&server->record_lock);
	server->names = names;
	pthread_mutex_unlock(&server->record_lock);
	atomic_store(&server->renamed, true);
	return ok(conn);
}

static int delete_names(struct sl_conn *conn, const char *body, size_t len)
{
	(void)body;
	(void)len;
	atomic_store(&conn->worker->server->renamed, false);
	return ok(conn);
}

static int post_drop(struct sl_conn *conn, const char *body, size_t len)
{
	(void)body;
	(void)len;
	sl_server_drop(conn->worker->server);
	return ok(conn);
}

static const struct {
	enum sl_method method;
	const char *path;
	handler handle;
	const char *type;
} routes[] = {
	{SL_METHOD_POST, "/fault", post_fault, SL_REPLY_JSON},
	{SL_METHOD_DELETE, "/fault", delete_fault, SL_REPLY_JSON},
	{SL_METHOD_GET, "/state", get_state, SL_REPLY_JSON},
	{SL_METHOD_POST, "/config", post_config, SL_REPLY_JSON},
	{SL_METHOD_GET, "/last", get_last, "application/octet-stream"},
	{SL_METHOD_POST, "/page", post_page, SL_REPLY_JSON},
	{SL_METHOD_DELETE, "/page", delete_page, SL_REPLY_JSON},
	{SL_METHOD_POST, "/names", post_names, SL_REPLY_JSON},
	{SL_METHOD_DELETE, "/names", delete_names, SL_REPLY_JSON},
	{SL_METHOD_POST, "/drop", post_drop, SL_REPLY_JSON},
};

void sl_admin_answer(struct sl_conn *conn, const struct sl_head *head, const char *body,
		     size_t body_len)
{
	const char *type = SL_REPLY_JSON;
	int status = 404;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (head->method != routes[i].method || !sl_str_is(head->path, routes[i].path))
			continue;
		status = routes[i].handle(conn, body, body_len);
		type = routes[i].type;
		break;
	}
	if (status == 404)
		bad(conn,
		    "the admin paths are /fault, /state, /config, /last, /page, /names and /drop");
	sl_conn_answer(conn, SL_PATH_OTHER, status, -1, type, head->keep_alive);
}
