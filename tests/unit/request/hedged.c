/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two attempts of one request on a loop of its own: both answer in one turn, one is cut, and none is
 * made where others wait or no place is free. The test is both nodes, so it says who answers when.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/unit/pair.h"
#include "user/kernel/plane.h"
#include "user/request/request.h"

#define TURNS_MAX   2000
#define TURN_MS	    5
#define QUIET_TURNS 20 /* in which nothing is to come */
#define NODES	    2

struct world {
	struct sl_loop *loop;
	struct sl_kernel_plane *plane;
	struct sl_worker worker;
	struct sl_rooms rooms;
	const struct sl_upstream_pool *pool;
	int listen_fds[NODES];
	int nodes[NODES]; /* accepted */
	int client;
	char got[8192]; /* by the client */
	size_t got_len;
};

static struct sl_hedge_pool hedges[SL_POOLS_MAX];

static bool is_ready(void *owner, const struct sl_routes *routes, const char **ret_reason)
{
	(void)owner;
	(void)routes;
	*ret_reason = "";
	return true;
}

static const struct sl_worker_hooks hooks = {.ready = is_ready};

/* A pool of two nodes, of which the first is asked first, and that took a microsecond so far: whatever
 * is not answered at once is hedged. */
static void world_open(struct world *w, uint32_t slots)
{
	static struct sl_upstream_retries retries;
	static struct sl_route_names names;
	struct sl_loop_options options = {.backend = SL_IO_AUTO};
	struct sl_config *config = NULL;
	struct sl_topology topology;
	struct sl_error error;
	struct sl_routes *routes;
	struct sl_upstream_state state;
	char text[768], *errors = NULL;
	uint32_t class;
	uint16_t ports[NODES];

	memset(w, 0, sizeof(*w));
	memset(hedges, 0, sizeof(hedges));
	memset(&retries, 0, sizeof(retries));
	ports[0] = sl_pair_listen(&w->listen_fds[0]);
	ports[1] = sl_pair_listen(&w->listen_fds[1]);
	snprintf(text, sizeof(text),
		 "listen: 127.0.0.1:1\n"
		 "limits: {upstream_idle: 0}\n"
		 "tunables: {hedge.samples_min: 1}\n"
		 "pools: {p: {slots: %u,\n"
		 "  nodes: [{address: 127.0.0.1:%u, weight: 1000}, 127.0.0.1:%u]}}\n"
		 "routes: [{model: m, pools: p, hedge: {after: p50, min: 0ms}},\n"
		 "  {model: b, pools: p, hedge: {after: p50, min: 0ms},\n"
		 "   buffer: {bytes: 64KiB, time: 60s}}]\n",
		 slots, ports[0], ports[1]);
	assert_int_equal(sl_config_parse("test", text, strlen(text), &config, &errors), 0);
	assert_int_equal(sl_kernel_plane_open("/nonexistent", &w->plane, &error), 0);
	assert_int_equal(sl_kernel_plane_apply(w->plane, config, &topology, &error), 0);
	assert_int_equal(sl_routes_build(config, &topology,
					 &(struct sl_secure){.listeners = {NULL}}, &names, &routes),
			 0);
	assert_int_equal(sl_loop_open(&options, &w->loop), 0);
	retries.hedges = hedges;
	state = (struct sl_upstream_state){
		.nodes = w->plane->nodes,
		.pools = w->plane->pools,
		.tunables = w->plane->tunables,
		.retries = &retries,
	};
	assert_int_equal(sl_worker_init(&w->worker, w->loop, &state, routes,
					sl_keyring_new(SL_KEYRING_OPEN), &hooks),
			 0);
	w->worker.desk.rooms = &w->rooms;
	w->pool = routes->pool_of_slot[1];
	assert_int_equal(w->pool->node_count, NODES);
	for (class = 0; class < SL_HEDGE_CLASSES; class ++)
		sl_hedge_note(&hedges[1].times[class], 1, sl_loop_now_ms(w->loop));
}

static void turn(struct world *w)
{
	ssize_t got;

	assert_int_equal(sl_loop_turn(w->loop, TURN_MS), 0);
	got = recv(w->client, w->got + w->got_len, sizeof(w->got) - 1 - w->got_len, MSG_DONTWAIT);
	if (got > 0)
		w->got_len += (size_t)got;
	w->got[w->got_len] = '\0';
}

static void world_close(struct world *w)
{
	int turns = 0;
	uint32_t i;

	close(w->client);
	w->client = -1;
	sl_worker_drain(&w->worker);
	sl_upstream_drain(&w->worker.upstream);
	while (!(sl_worker_is_idle(&w->worker) && !w->worker.upstream.conn_count) &&
	       turns++ < TURNS_MAX)
		turn(w);
	assert_true(sl_worker_is_idle(&w->worker));
	assert_int_equal(w->worker.upstream.conn_count, 0);
	assert_int_equal(sl_fiber_count(w->loop), 0);
	for (i = 0; i < NODES; i++) {
		assert_int_equal(w->plane->nodes[w->pool->node_slots[i]].requests, 0);
		close(w->listen_fds[i]);
		if (w->nodes[i] > 0)
			close(w->nodes[i]);
	}
	assert_int_equal(w->worker.upstream.state.retries->budgets[1].running, 0);
	sl_worker_fini(&w->worker);
	sl_loop_close(&w->loop);
	sl_kernel_plane_close(&w->plane);
}

static const char chat[] = "/v1/chat/completions", messages[] = "/v1/messages";

static void send_request_of(struct world *w, const char *model, const char *path, bool stream)
{
	char text[512], body[256];
	int server, len;

	len = snprintf(body, sizeof(body),
		       "{\"model\":\"%s\",\"stream\":%s,\"max_tokens\":9,"
		       "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
		       model, stream ? "true" : "false");
	len = snprintf(text, sizeof(text),
		       "POST %s HTTP/1.1\r\nhost: x\r\n"
		       "content-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
		       path, len, body);
	sl_pair_connect(&w->client, &server);
	assert_int_equal(send(w->client, text, (size_t)len, 0), len);
	sl_server_accept(&w->worker.server, server, NULL);
}

static void send_request(struct world *w, const char *path, bool stream)
{
	send_request_of(w, "m", path, stream);
}

/* Turns until the node has a request. */
static void take_request(struct world *w, int node)
{
	char in[2048];
	ssize_t got = -1;
	int turns = 0;

	while (got <= 0 && turns++ < TURNS_MAX) {
		turn(w);
		if (w->nodes[node] <= 0)
			w->nodes[node] = accept(w->listen_fds[node], NULL, NULL);
		if (w->nodes[node] > 0)
			got = recv(w->nodes[node], in, sizeof(in), MSG_DONTWAIT);
	}
	assert_true(got > 0);
}

/* All of an answer with one word. */
static void answer(const struct world *w, int node, bool stream, const char *word)
{
	char text[1024], body[256];
	int len;

	if (stream) {
		len = snprintf(
			body, sizeof(body),
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
			"data: [DONE]\n\n",
			word);
		len = snprintf(text, sizeof(text),
			       "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
			       "transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			       (unsigned)len, body);
	} else {
		len = snprintf(body, sizeof(body),
			       "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
			       "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
			       "\"content\":\"%s\"}}]}",
			       word);
		len = snprintf(text, sizeof(text),
			       "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
			       "content-length: %d\r\n\r\n%s",
			       len, body);
	}
	assert_int_equal(send(w->nodes[node], text, (size_t)len, 0), len);
}

static void await_answer(struct world *w, const char *last)
{
	int turns = 0;

	while (!strstr(w->got, last) && turns++ < TURNS_MAX)
		turn(w);
	assert_non_null(strstr(w->got, last));
}

static bool is_cut(struct world *w, int node)
{
	char in[64];
	int turns = 0;
	ssize_t got = 1;

	while (turns++ < TURNS_MAX) {
		turn(w);
		got = recv(w->nodes[node], in, sizeof(in), MSG_DONTWAIT);
		if (!got || (got < 0 && errno == ECONNRESET))
			return true;
	}
	return false;
}

/* Nobody connects to the second node. */
static void expect_no_hedge(struct world *w, enum sl_hedge_verdict why)
{
	int i;

	take_request(w, 0);
	for (i = 0; i < QUIET_TURNS; i++)
		turn(w);
	assert_int_equal(accept(w->listen_fds[1], NULL, NULL), -1);
	assert_int_equal(w->worker.stats.hedges_refused[1][why], 1);
	assert_int_equal(w->worker.stats.hedges_started[1], 0);
	answer(w, 0, true, "first");
	await_answer(w, "[DONE]");
	assert_non_null(strstr(w->got, "x-sluice-attempts: 1\r\n"));
	assert_null(strstr(w->got, "x-sluice-hedged"));
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void test_one_is_cut(void **unused)
{
	int winner, stream;

	(void)unused;
	for (winner = 0; winner < NODES; winner++) {
		for (stream = 0; stream < 2; stream++) {
			struct world w;

			world_open(&w, 2);
			send_request(&w, chat, stream);
			take_request(&w, 0);
			take_request(&w, 1);
			answer(&w, winner, stream, "hello");
			assert_true(is_cut(&w, !winner));
			await_answer(&w, stream ? "[DONE]" : "hello");
			assert_non_null(strstr(w.got, winner ? "x-sluice-hedged: won\r\n"
							     : "x-sluice-hedged: lost\r\n"));
			assert_int_equal(w.worker.stats.hedges_cancelled[1], 1);
			assert_int_equal(w.worker.stats.hedges_won[1], winner);
			assert_int_equal(w.worker.stats.attempts[1][SL_ENDING_LOST], 1);
			assert_int_equal(w.plane->nodes[w.pool->node_slots[!winner]].consecutive,
					 0);
			world_close(&w);
		}
	}
}

/*
 * The client gets one of them, whole, and in its own API; the other node's place and connection are
 * given back.
 */
static void test_both_in_one_turn(void **unused)
{
	static const struct {
		const char *path;
		bool stream;
		const char *last; /* of what the client gets */
	} cases[] = {
		{chat, true, "[DONE]"},
		{chat, false, "\"index\""},
		{messages, true, "message_stop"},
		{messages, false, "\"end_turn\""},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		bool first;

		world_open(&w, 2);
		send_request(&w, cases[i].path, cases[i].stream);
		take_request(&w, 0);
		take_request(&w, 1);
		answer(&w, 0, cases[i].stream, "first");
		answer(&w, 1, cases[i].stream, "second");
		await_answer(&w, cases[i].last);
		first = strstr(w.got, "\"first\"") != NULL;
		assert_int_equal(first, strstr(w.got, "\"second\"") == NULL);
		assert_non_null(strstr(w.got, first ? "x-sluice-hedged: lost\r\n"
						    : "x-sluice-hedged: won\r\n"));
		assert_int_equal(w.worker.stats.hedges_started[1], 1);
		world_close(&w);
	}
}

/* A stream that the route holds back: its first token decides, not that it is let go. */
static void test_held_back(void **unused)
{
	static const char begin[] =
		"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
		"transfer-encoding: chunked\r\n\r\n"
		"3d\r\ndata: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n\r\n";
	static const char end[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
	int winner;

	(void)unused;
	for (winner = 0; winner < NODES; winner++) {
		struct world w;

		world_open(&w, 2);
		send_request_of(&w, "b", chat, true);
		take_request(&w, 0);
		take_request(&w, 1);
		assert_int_equal(send(w.nodes[winner], begin, sizeof(begin) - 1, 0),
				 sizeof(begin) - 1);
		assert_true(is_cut(&w, !winner));
		assert_int_equal(w.got_len, 0);
		assert_int_equal(send(w.nodes[winner], end, sizeof(end) - 1, 0), sizeof(end) - 1);
		await_answer(&w, "[DONE]");
		assert_non_null(strstr(w.got, winner ? "x-sluice-hedged: won\r\n"
						     : "x-sluice-hedged: lost\r\n"));
		assert_int_equal(w.worker.stats.hedges_cancelled[1], 1);
		world_close(&w);
	}
}

static void test_not_while_others_wait(void **unused)
{
	struct sl_room room = {.waiting = 1};
	struct world w;

	(void)unused;
	world_open(&w,
		   0); /* where all nodes have slots, the first attempt would not be made either */
	w.rooms.by_pool[1] = &room;
	send_request(&w, chat, true);
	expect_no_hedge(&w, SL_HEDGE_NO_PLACE);
	room.waiting = 0;
	w.rooms.by_pool[1] = NULL;
	world_close(&w);
}

static void test_not_without_a_place(void **unused)
{
	struct world w;
	uint32_t *requests;

	(void)unused;
	world_open(&w, 2);
	requests = &w.plane->nodes[w.pool->node_slots[1]].requests;
	*requests += 2; /* of other threads */
	send_request(&w, chat, true);
	expect_no_hedge(&w, SL_HEDGE_NO_PLACE);
	assert_int_equal(*requests, 2);
	*requests -= 2;
	world_close(&w);
}

static void test_not_over_the_budget(void **unused)
{
	struct world w;

	(void)unused;
	world_open(&w, 2);
	hedges[1].spent = 500;
	send_request(&w, chat, true);
	expect_no_hedge(&w, SL_HEDGE_BUDGET);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_is_cut),
		cmocka_unit_test(test_both_in_one_turn),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_not_while_others_wait),
		cmocka_unit_test(test_not_without_a_place),
		cmocka_unit_test(test_not_over_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
