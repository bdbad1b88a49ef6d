/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls to dependencies (upstream/call.h) against two nodes of a script: what is sent, what each ending
 * looks like, when another node is asked, and that nothing is left in flight. (Here, and not in upstream/,
 * because pools come of a configuration by routes.h.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pair.h"
#include "user/base/clock.h"
#include "user/io/fiber.h"
#include "user/kernel/plane.h"
#include "user/request/routes.h"
#include "user/upstream/call.h"

#define NODES	    2u
#define CONNS_MAX   16u
#define TURNS_MAX   4000
#define TURN_MS	    5
#define DEADLINE_MS 20000u

struct world {
	struct sl_loop *loop;
	struct sl_kernel_plane *plane;
	struct sl_routes *routes;
	struct sl_upstream up;
	struct sl_upstream_retries *retries;
	struct sl_arena arena;
	int nodes[NODES];
	/* what the nodes answer, in the order of requests; NULL: nothing; "": the connection is closed */
	const char *const *script;
	uint32_t asked;
	struct {
		int fd; /* -1: none */
		bool told;
	} conns[CONNS_MAX];
	char request[4096]; /* the last one */
	/* the call */
	struct sl_call call;
	struct sl_call_answer answer;
	bool ended, gone, hurry; /* hurry: the first attempt alone has but timeout_ms */
	struct sl_fiber *fiber;
};

static void world_open(struct world *w)
{
	static struct sl_route_names names;
	struct sl_loop_options options = {.backend = SL_IO_EPOLL};
	struct sl_config *config = NULL;
	struct sl_topology topology;
	struct sl_error error;
	struct sl_upstream_state state;
	char text[512], *errors = NULL;
	uint16_t ports[NODES];

	memset(w, 0, sizeof(*w));
	for (uint32_t i = 0; i < CONNS_MAX; i++)
		w->conns[i].fd = -1;
	for (uint32_t i = 0; i < NODES; i++)
		ports[i] = sl_pair_listen(&w->nodes[i]);
	snprintf(text, sizeof(text),
		 "listen: 127.0.0.1:1\n"
		 "pools:\n"
		 "  p: {nodes: [127.0.0.1:%u, 127.0.0.1:%u], model: small, slots: 4}\n"
		 "routes: [{model: m, pools: p}]\n",
		 ports[0], ports[1]);
	assert_int_equal(sl_config_parse("test", text, strlen(text), &config, &errors), 0);
	assert_int_equal(sl_kernel_plane_open("/nonexistent", &w->plane, &error), 0);
	assert_int_equal(sl_kernel_plane_apply(w->plane, config, &topology, &error), 0);
	assert_int_equal(sl_routes_build(config, &topology,
					 &(struct sl_secure){.listeners = {NULL}}, &names,
					 &w->routes),
			 0);
	assert_int_equal(sl_loop_open(&options, &w->loop), 0);
	w->retries = calloc(1, sizeof(*w->retries));
	assert_non_null(w->retries);
	state = (struct sl_upstream_state){.nodes = w->plane->nodes,
					   .pools = w->plane->pools,
					   .tunables = w->plane->tunables,
					   .retries = w->retries};
	assert_int_equal(sl_upstream_init(&w->up, w->loop, &state), 0);
	w->up.idle_ms = 60000;
	w->up.idle_max = 8;
	sl_arena_init(&w->arena, 0, 16u << 20);
	w->call = (struct sl_call){.pool = &w->routes->pools[0],
				   .path = SL_SPAN("/v1/embeddings"),
				   .body = SL_SPAN("{\"input\":\"x\"}"),
				   .deadline_ns =
					   sl_loop_now_ns(w->loop) + DEADLINE_MS * SL_NS_PER_MS};
}

/* ---- the nodes ---- */

static void accept_all(struct world *w)
{
	for (uint32_t n = 0; n < NODES; n++) {
		int fd = accept4(w->nodes[n], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		uint32_t i = 0;

		while (fd >= 0 && w->conns[i].fd >= 0)
			assert_true(++i < CONNS_MAX);
		if (fd < 0)
			continue;
		w->conns[i].fd = fd;
		w->conns[i].told = false;
	}
}

static void serve(struct world *w, uint32_t i)
{
	char bytes[sizeof(w->request)];
	ssize_t got = recv(w->conns[i].fd, bytes, sizeof(bytes) - 1, 0);
	const char *answer;

	if (got == 0) {
		close(w->conns[i].fd);
		w->conns[i].fd = -1;
	}
	if (got <= 0)
		return;
	bytes[got] = '\0';
	memcpy(w->request, bytes, (size_t)got + 1); /* they are short: one segment each */
	answer = w->script[w->asked++];
	if (answer && answer[0]) {
		assert_int_equal(send(w->conns[i].fd, answer, strlen(answer), MSG_NOSIGNAL),
				 (ssize_t)strlen(answer));
	} else if (answer) {
		close(w->conns[i].fd);
		w->conns[i].fd = -1;
	}
}

static void turn(struct world *w)
{
	accept_all(w);
	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		if (w->conns[i].fd >= 0)
			serve(w, i);
	}
	assert_int_equal(sl_loop_turn(w->loop, TURN_MS), 0);
}

/* ---- the call ---- */

static void run_call(void *arg)
{
	struct world *w = arg;
	enum sl_ending ending;

	w->fiber = sl_fiber_self(w->loop);
	ending = sl_call_run(&w->up, &w->arena, &w->call, &w->answer);
	assert_int_equal(ending, w->answer.ending);
	w->fiber = NULL;
	w->ended = true;
}

/* Makes the call; leave_after: so many requests have come, then whoever asked goes (0: never). */
static void make_call(struct world *w, const char *const *script, uint32_t leave_after)
{
	w->script = script;
	w->ended = false;
	w->asked = 0;
	if (leave_after)
		w->call.gone = &w->gone;
	assert_int_equal(sl_fiber_start(w->loop, run_call, w), 0);
	for (int turns = 0; !w->ended && turns < TURNS_MAX; turns++) {
		turn(w);
		if (w->hurry)
			w->call.timeout_ms = 0;
		if (leave_after && w->asked == leave_after && !w->gone && w->fiber) {
			w->gone = true;
			sl_fiber_wake(w->fiber);
		}
	}
	assert_true(w->ended);
}

static void world_close(struct world *w)
{
	sl_upstream_drain(&w->up);
	for (int turns = 0; w->up.conn_count && turns < TURNS_MAX; turns++)
		turn(w);
	assert_int_equal(w->up.conn_count, 0);
	assert_int_equal(sl_fiber_count(w->loop), 0);
	for (uint32_t slot = 0; slot < SL_NODES_MAX; slot++)
		assert_int_equal(w->plane->nodes[slot].requests, 0);
	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		if (w->conns[i].fd >= 0)
			close(w->conns[i].fd);
	}
	for (uint32_t i = 0; i < NODES; i++)
		close(w->nodes[i]);
	sl_arena_fini(&w->arena);
	sl_upstream_fini(&w->up);
	sl_loop_close(&w->loop);
	sl_routes_put(&w->routes);
	sl_kernel_plane_close(&w->plane);
	free(w->retries);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
#define OK	OK_HEAD "10\r\n\r\n{\"a\": [1]}"
#define OK_CHAT OK_HEAD "28\r\n\r\n{\"choices\":[{\"message\":{}}]}"
#define BROKEN	"HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
#define WRONG \
	"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{\"e\": 1}"
#define BUSY	    "HTTP/1.1 429 Full\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"
#define PLAIN	    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi"
#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL, NULL, NULL})

static const struct {
	const char *name;
	const char *script[4];
	bool json_object;
	uint32_t attempts_max, bytes_max;
	enum sl_ending ending;
	int status;
	uint32_t attempts;
	const char *body, *detail; /* detail: a part of it */
} rows[] = {
	{"right at once", {OK}, false, 0, 0, SL_ENDING_OK, 200, 1, "{\"a\": [1]}", ""},
	{"the second node", {BROKEN, OK}, false, 0, 0, SL_ENDING_OK, 200, 2, "{\"a\": [1]}", ""},
	{"closed, then right", {"", OK}, false, 0, 0, SL_ENDING_OK, 200, 2, "{\"a\": [1]}", ""},
	{"its own fault", {WRONG, OK}, false, 0, 0, SL_ENDING_STATUS_4XX, 400, 1, "{\"e\": 1}", ""},
	{"two are enough",
	 {BROKEN, BROKEN, OK},
	 false,
	 0,
	 0,
	 SL_ENDING_STATUS_5XX,
	 500,
	 2,
	 "{}",
	 ""},
	{"one is enough", {BROKEN, OK}, false, 1, 0, SL_ENDING_STATUS_5XX, 500, 1, "{}", ""},
	{"full, then right", {BUSY, OK}, false, 0, 0, SL_ENDING_OK, 200, 2, "{\"a\": [1]}", ""},
	{"no JSON, nobody minds", {PLAIN}, false, 0, 0, SL_ENDING_OK, 200, 1, "hi", ""},
	{"no JSON", {PLAIN, PLAIN}, true, 0, 0, SL_ENDING_BAD, 200, 2, NULL, ""},
	{"too long", {OK}, false, 0, 9, SL_ENDING_BAD, 200, 1, "", "10 bytes long, at most 9"},
	{"as long as it may be", {OK}, false, 0, 10, SL_ENDING_OK, 200, 1, "{\"a\": [1]}", ""},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_open(&w);
		w.call.json_object = rows[i].json_object;
		w.call.attempts_max = rows[i].attempts_max;
		w.call.answer_bytes_max = rows[i].bytes_max;
		make_call(&w, rows[i].script, 0);
		if (w.answer.ending != rows[i].ending || w.answer.status != rows[i].status ||
		    w.answer.attempts != rows[i].attempts ||
		    !strstr(w.answer.detail, rows[i].detail) ||
		    (rows[i].body && (strcmp(w.answer.body.data, rows[i].body) != 0 ||
				      w.answer.body.len != strlen(rows[i].body))))
			fail_msg("%s: %s, status %d, %u attempts, \"%.*s\", %s", rows[i].name,
				 sl_outcome_of(w.answer.ending)->name, w.answer.status,
				 w.answer.attempts, (int)w.answer.body.len, w.answer.body.data,
				 w.answer.detail);
		assert_int_equal(w.asked, rows[i].attempts);
		/* a reason is given with everything that is not right */
		assert_int_equal(w.answer.ending == SL_ENDING_OK, w.answer.detail[0] == '\0');
		world_close(&w);
	}
}

static bool sent(const struct world *w, const char *line)
{
	return strstr(w->request, line) != NULL;
}

static void test_what_is_sent(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	w.call.id = "req-1";
	w.call.lines = SL_SPAN("x-more: 1\r\n");
	make_call(&w, SCRIPT(OK), 0);
	assert_true(!strncmp(w.request, "POST /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1:", 46));
	assert_true(sent(&w, "\r\nx-request-id: req-1\r\n"));
	assert_true(sent(&w, "\r\nx-more: 1\r\n"));
	assert_true(sent(&w, "\r\ncontent-type: application/json\r\n"));
	assert_true(sent(&w, "\r\ncontent-length: 13\r\n"));
	assert_true(sent(&w, "\r\n\r\n{\"input\":\"x\"}"));
	w.call.lines = SL_SPAN("Content-Type: text/x\r\n");
	make_call(&w, SCRIPT(OK), 0); /* its own type, once */
	assert_true(sent(&w, "text/x") && !sent(&w, "application/json"));
	assert_int_equal(w.up.connects + w.up.reuses, 2);
	w.call.lines = SL_SPAN("");
	w.call.method = "GET";
	w.call.body = SL_SPAN("");
	w.call.path = SL_SPAN("/else?q=1");
	make_call(&w, SCRIPT(OK), 0);
	assert_true(!strncmp(w.request, "GET /else?q=1 HTTP/1.1\r\n", 24));
	assert_false(sent(&w, "content-"));
	world_close(&w);
}

static void test_chat(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	w.call.chat = true;
	w.call.body =
		SL_SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
	make_call(&w, SCRIPT(OK_CHAT), 0);
	assert_int_equal(w.answer.ending, SL_ENDING_OK);
	assert_true(!strncmp(w.request, "POST /v1/chat/completions HTTP/1.1\r\n", 36));
	assert_true(sent(&w, "\r\n\r\n{\"model\":\"small\",\"messages\":"));
	make_call(&w, SCRIPT(OK, OK), 0); /* JSON, and no chat completion */
	assert_int_equal(w.answer.ending, SL_ENDING_BAD);
	assert_int_equal(w.answer.attempts, 2);
	assert_non_null(strstr(w.answer.detail, "no chat completion"));
	w.call.body = SL_SPAN("{\"model\":\"m\"}");
	make_call(&w, SCRIPT(OK), 0); /* no chat: nobody is asked */
	assert_int_equal(w.answer.ending, SL_ENDING_LOCAL);
	assert_int_equal(w.asked, 0);
	assert_non_null(strstr(w.answer.detail, "cannot be told"));
	world_close(&w);
}

static enum sl_ending refuse_first(void *owner, const char *body, size_t body_len,
				   const char **ret_detail)
{
	(void)body;
	(void)body_len;
	*ret_detail = "not this one";
	return ++*(uint32_t *)owner == 1 ? SL_ENDING_BAD : SL_ENDING_OK;
}

static void test_accept(void **state)
{
	uint32_t count = 0;
	struct world w;

	(void)state;
	world_open(&w);
	w.call.json_object = true;
	w.call.accept = refuse_first;
	w.call.owner = &count;
	make_call(&w, SCRIPT(OK, OK), 0);
	assert_int_equal(w.answer.ending, SL_ENDING_OK);
	assert_int_equal(w.answer.attempts, 2);
	count = 0;
	w.call.attempts_max = 1;
	make_call(&w, SCRIPT(OK), 0);
	assert_int_equal(w.answer.ending, SL_ENDING_BAD);
	assert_non_null(strstr(w.answer.detail, "not this one"));
	world_close(&w);
}

/* A node that is silent costs timeout_ms, the call no more than its deadline; nobody is left waiting. */
static void test_late(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	/* The second one has all the time that a slow machine takes to answer. */
	w.call.timeout_ms = 100;
	w.hurry = true;
	make_call(&w, SCRIPT(NULL, OK), 0);
	assert_int_equal(w.answer.ending, SL_ENDING_OK);
	assert_int_equal(w.answer.attempts, 2);
	w.call.deadline_ns = sl_loop_now_ns(w.loop) + 150 * SL_NS_PER_MS;
	make_call(&w, SCRIPT(NULL, NULL), 0);
	assert_true(w.answer.ending == SL_ENDING_TTFT_TIMEOUT ||
		    w.answer.ending == SL_ENDING_TOTAL_TIMEOUT);
	assert_true(sl_loop_now_ns(w.loop) >= w.call.deadline_ns);
	assert_int_equal(w.answer.attempts, 1); /* no time is left for another */
	world_close(&w);
}

static void test_gone(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	make_call(&w, SCRIPT(NULL), 1);
	assert_int_equal(w.answer.ending, SL_ENDING_CLIENT_GONE);
	assert_int_equal(w.asked, 1);
	world_close(&w);
}

/* Full is an answer, and a call does not wait for a place. */
static void test_full(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	for (uint32_t i = 0; i < NODES; i++)
		w.plane->nodes[w.call.pool->node_slots[i]].requests = 4;
	make_call(&w, SCRIPT(OK), 0);
	assert_int_equal(w.answer.ending, SL_ENDING_BUSY);
	assert_int_equal(w.answer.attempts, 0);
	assert_int_equal(w.answer.status, 0);
	assert_string_equal(w.answer.detail, "every node is full");
	assert_int_equal(w.asked, 0);
	for (uint32_t i = 0; i < NODES; i++)
		w.plane->nodes[w.call.pool->node_slots[i]].requests = 0;
	make_call(&w, SCRIPT(OK), 0);
	assert_int_equal(w.answer.ending, SL_ENDING_OK);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_chat), cmocka_unit_test(test_accept),
		cmocka_unit_test(test_late), cmocka_unit_test(test_gone),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
