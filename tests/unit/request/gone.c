/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that leave at the worst moment: in the turn in which their request became complete, and
 * in the turn in which its first token came. Nothing may be left in flight, and nothing crash.
 */
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

#define TURNS_MAX 2000
#define TURN_MS	  5

struct world {
	struct sl_loop *loop;
	struct sl_kernel_plane *plane;
	struct sl_worker worker;
	int node_fd; /* listens where the only node should be */
};

static bool is_ready(void *owner, const struct sl_routes *routes, const char **ret_reason)
{
	(void)owner;
	(void)routes;
	*ret_reason = "";
	return true;
}

static const struct sl_worker_hooks hooks = {.ready = is_ready};

static void world_open(struct world *w)
{
	struct sl_loop_options options = {.backend = SL_IO_AUTO};
	struct sl_config *config = NULL;
	struct sl_topology topology;
	struct sl_error error;
	struct sl_routes *routes;
	static struct sl_route_names names;
	static struct sl_upstream_retries retries;
	struct sl_upstream_state state;
	char text[256], *errors = NULL;

	memset(w, 0, sizeof(*w));
	snprintf(text, sizeof(text),
		 "listen: 127.0.0.1:1\n"
		 "pools: {p: {nodes: [127.0.0.1:%u]}}\n"
		 "routes: [{model: m, pools: p}]\n",
		 sl_pair_listen(&w->node_fd));
	assert_int_equal(sl_config_parse("test", text, strlen(text), &config, &errors), 0);
	assert_int_equal(sl_kernel_plane_open("/nonexistent", &w->plane, &error), 0);
	assert_false(w->plane->bpf);
	assert_int_equal(sl_kernel_plane_apply(w->plane, config, &topology, &error), 0);
	assert_int_equal(sl_routes_build(config, &topology,
					 &(struct sl_secure){.listeners = {NULL}}, &names, &routes),
			 0);
	assert_int_equal(sl_loop_open(&options, &w->loop), 0);
	state = (struct sl_upstream_state){
		.nodes = w->plane->nodes,
		.pools = w->plane->pools,
		.tunables = w->plane->tunables,
		.retries = &retries,
	};
	assert_int_equal(sl_worker_init(&w->worker, w->loop, &state, routes,
					sl_keyring_new(SL_KEYRING_OPEN), &hooks),
			 0);
}

static void turn_until_idle(struct world *w)
{
	int turns = 0;

	while (!(sl_worker_is_idle(&w->worker) && !w->worker.upstream.conn_count) &&
	       turns++ < TURNS_MAX)
		assert_int_equal(sl_loop_turn(w->loop, TURN_MS), 0);
	assert_true(sl_worker_is_idle(&w->worker));
	assert_int_equal(w->worker.upstream.conn_count, 0);
}

static void world_close(struct world *w)
{
	uint32_t slot;

	sl_worker_drain(&w->worker);
	sl_upstream_drain(&w->worker.upstream);
	turn_until_idle(w);
	assert_int_equal(sl_fiber_count(w->loop), 0);
	for (slot = 0; slot < SL_NODES_MAX; slot++)
		assert_int_equal(w->plane->nodes[slot].requests, 0);
	sl_worker_fini(&w->worker);
	sl_loop_close(&w->loop);
	sl_kernel_plane_close(&w->plane);
	close(w->node_fd);
}

static void send_request(int fd)
{
	static const char request[] = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
				      "content-type: application/json\r\ncontent-length: 72\r\n\r\n"
				      "{\"model\":\"m\",\"stream\":true,"
				      "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]} ";

	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
}

/* Request and FIN are there before the loop looks: the fiber starts without a client. */
static void test_gone_with_its_request(void **unused)
{
	struct world w;
	int client, server, i;

	(void)unused;
	world_open(&w);
	for (i = 0; i < 20; i++) {
		sl_pair_connect(&client, &server);
		send_request(client);
		close(client);
		sl_server_accept(&w.worker.server, server, NULL);
	}
	sl_upstream_drain(&w.worker.upstream); /* keeps no idle connection */
	turn_until_idle(&w);
	assert_int_equal(w.worker.server.requests, 20);
	assert_int_equal(w.worker.server.gone, 20);
	world_close(&w);
}

/* The first token and the client's FIN are there in the same turn. */
static void test_gone_with_the_first_token(void **unused)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
		"transfer-encoding: chunked\r\n\r\n"
		"3d\r\ndata: "
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n\r\n";
	struct world w;
	int client, server, node, turns = 0;
	char in[2048];
	ssize_t got = 0;

	(void)unused;
	world_open(&w);
	sl_pair_connect(&client, &server);
	send_request(client);
	sl_server_accept(&w.worker.server, server, NULL);
	do {
		assert_int_equal(sl_loop_turn(w.loop, TURN_MS), 0);
		node = accept(w.node_fd, NULL, NULL);
	} while (node < 0 && turns++ < TURNS_MAX);
	assert_true(node >= 0);
	while (got <= 0 && turns++ < TURNS_MAX) {
		assert_int_equal(sl_loop_turn(w.loop, TURN_MS), 0);
		got = recv(node, in, sizeof(in), MSG_DONTWAIT);
	}
	assert_true(got > 0);
	assert_int_equal(send(node, answer, sizeof(answer) - 1, 0), sizeof(answer) - 1);
	close(client);
	turn_until_idle(&w);
	assert_int_equal(w.worker.server.gone, 1);
	close(node);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone_with_its_request),
		cmocka_unit_test(test_gone_with_the_first_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
