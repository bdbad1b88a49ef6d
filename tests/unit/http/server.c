/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests to sl_server over loopback TCP, on both back ends: bodies of many sizes that arrive in
 * two pieces, cut at places that matter (in the head, behind it, where the buffer grows).
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/unit/pair.h"
#include "user/http/server.h"

#define TURNS_MAX 2000
#define TURN_MS	  10
#define BODY_MAX  (1u << 20)

static const char path[] = "/v1/chat/completions";

struct world {
	struct sl_loop *loop;
	struct sl_server server;
	int client_fd;
	size_t body_len; /* expected */
	int requests, gone;
};

static char byte_at(size_t at)
{
	return (char)('a' + at % 23);
}

static void on_request(struct sl_exchange *conn)
{
	struct world *world = conn->server->owner;
	size_t i, wrong = 0;

	world->requests++;
	assert_int_equal(conn->head->path_len, sizeof(path) - 1);
	assert_memory_equal(conn->head->path, path, sizeof(path) - 1);
	assert_int_equal(conn->head->method_len, 4);
	assert_memory_equal(conn->head->method_text, "POST", 4);
	assert_int_equal(conn->body_len, world->body_len);
	for (i = 0; i < conn->body_len; i++)
		wrong += conn->body[i] != byte_at(i);
	assert_int_equal(wrong, 0);
	sl_server_respond(conn, 200, "text/plain", NULL, 0, "ok", 2);
}

static void on_gone(struct sl_exchange *conn)
{
	struct world *world = conn->server->owner;

	world->gone++;
}

static int write_error(const struct sl_exchange *conn, enum sl_server_refusal refusal, int status,
		       const char *reason, char *out, size_t out_size)
{
	(void)conn;
	(void)reason;
	return snprintf(out, out_size, "{\"refused\":%d,\"status\":%d}", (int)refusal, status);
}

static const struct sl_server_ops ops = {
	.request = on_request,
	.gone = on_gone,
	.error_body = write_error,
};

static const struct sl_server_options options = {
	.body_bytes_max = BODY_MAX,
	.header_timeout_ms = 60000,
	.body_timeout_ms = 60000,
	.idle_timeout_ms = 60000,
	.send_timeout_ms = 60000,
	.connections_max = 8,
};

static void open_world(struct world *world, enum sl_io_backend backend)
{
	struct sl_loop_options loop_options = {.backend = backend};
	int fd;

	*world = (struct world){0};
	assert_int_equal(sl_loop_open(&loop_options, &world->loop), 0);
	sl_server_init(&world->server, world->loop, &ops, &options, world);
	sl_pair_connect(&world->client_fd, &fd);
	sl_server_accept(&world->server, fd, NULL);
}

static void close_world(struct world *world)
{
	int i;

	close(world->client_fd);
	for (i = 0; i < TURNS_MAX && world->server.conn_count; i++)
		sl_loop_turn(world->loop, TURN_MS);
	assert_int_equal(world->server.conn_count, 0);
	sl_server_fini(&world->server);
	sl_loop_close(&world->loop);
}

/* Sends all, turning the loop so that the socket's buffers empty. */
static void send_all(struct world *world, const char *data, size_t len)
{
	int i;

	for (i = 0; i < TURNS_MAX && len; i++) {
		ssize_t sent = send(world->client_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
		}
		sl_loop_turn(world->loop, 0);
	}
	assert_int_equal(len, 0);
}

static void expect_answer(struct world *world, int requests)
{
	char answer[512];
	ssize_t got;
	int i;

	for (i = 0; i < TURNS_MAX && world->requests < requests; i++)
		sl_loop_turn(world->loop, TURN_MS);
	assert_int_equal(world->requests, requests);
	sl_loop_turn(world->loop, 0);
	got = recv(world->client_fd, answer, sizeof(answer), 0);
	assert_true(got > 12);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
}

static void one_request(struct world *world, size_t body_len, size_t cut_at)
{
	char head[256];
	int head_len = snprintf(head, sizeof(head),
				"POST %s HTTP/1.1\r\nhost: a\r\nx-filler: 0123456789\r\n"
				"content-length: %zu\r\n\r\n",
				path, body_len);
	size_t len = (size_t)head_len + body_len, i;
	char *all = malloc(len);
	int before = world->requests;

	assert_non_null(all);
	memcpy(all, head, (size_t)head_len);
	for (i = 0; i < body_len; i++)
		all[(size_t)head_len + i] = byte_at(i);
	if (cut_at > len)
		cut_at = len;
	world->body_len = body_len;
	send_all(world, all, cut_at);
	/* What came is taken before the rest is sent. */
	for (i = 0; i < 4; i++)
		sl_loop_turn(world->loop, 1);
	send_all(world, all + cut_at, len - cut_at);
	expect_answer(world, before + 1);
	free(all);
}

static void split_bodies(enum sl_io_backend backend)
{
	static const size_t sizes[] = {0, 1, 100, 3990, 5000, 70000, 220000, 300000};
	static const size_t cuts[] = {1, 40, 110, 2000, 4095, 4096, 4097, 9000, 100000};
	struct world world;
	size_t s, c;

	open_world(&world, backend);
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++)
			one_request(&world, sizes[s], cuts[c]);
	}
	close_world(&world);
}

static void test_split_bodies_uring(void **state)
{
	(void)state;
	split_bodies(SL_IO_URING);
}

static void test_split_bodies_epoll(void **state)
{
	(void)state;
	split_bodies(SL_IO_EPOLL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_bodies_uring),
		cmocka_unit_test(test_split_bodies_epoll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
