/* SPDX-License-Identifier: BSD-2-Clause */
/* socket.c - sockets over loopback TCP on both back ends. */
#include "tests/unit/io/pair.h"

#include <pthread.h>

#define HANG_S 20 /* a loop that sleeps for ever ends the program */

static char pattern[1 << 20];

static void test_echo(void **state)
{
	struct world world;
	struct end client, server;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	server.peer = &server;
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(sl_socket_send(&client.socket, pattern, 200), 0);
		TURN_UNTIL(&world, client.got == 200u * (unsigned)i);
	}
	assert_int_equal(client.socket.bytes_out, 20000);
	assert_int_equal(client.socket.bytes_in, 20000);
	assert_int_equal(client.sum, server.sum);
	end_finish(&world, &client, SL_SOCKET_NOW);
	TURN_UNTIL(&world, server.eof);
	assert_int_equal(server.error, 0);
	end_finish(&world, &server, SL_SOCKET_FLUSH);
	assert_int_equal(world.accepted, 1);
	world_close(&world);
}

/* 24 MiB with a reader that pauses: nothing lost, drained() at each fall below the mark. */
static void test_large(void **state)
{
	struct world world;
	struct end client, server;
	uint64_t sum = 0, last = UINT64_MAX;
	int quiet = 0;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	server.discard = true;
	for (int i = 0; i < 24; i++) {
		assert_int_equal(sl_socket_send(&client.socket, pattern, sizeof(pattern)), 0);
		sum = sum_of(sum, pattern, sizeof(pattern));
	}
	TURN_UNTIL(&world, server.got > 100000);
	sl_socket_pause(&server.socket);
	sl_socket_pause(&server.socket);
	/* Back-pressure: the sender comes to rest with most of it still queued. */
	while (quiet < 20) {
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
		quiet = server.got == last ? quiet + 1 : 0;
		last = server.got;
	}
	assert_true(sl_socket_pending(&client.socket) > (1u << 20));
	assert_int_equal(client.drained, 0);
	sl_socket_resume(&server.socket);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
		sl_socket_pause(&server.socket);
		if (i % 2)
			assert_int_equal(sl_loop_turn(world.loop, 0), 0);
		sl_socket_resume(&server.socket);
	}
	TURN_UNTIL(&world, server.got == 24 * sizeof(pattern));
	TURN_UNTIL(&world, client.drained == 1);
	assert_int_equal(server.sum, sum);
	assert_int_equal(sl_socket_pending(&client.socket), 0);
	end_finish(&world, &client, SL_SOCKET_NOW);
	end_finish(&world, &server, SL_SOCKET_NOW);
	world_close(&world);
}

static void test_reserve(void **state)
{
	struct world world;
	struct end client, server;
	uint64_t sum = 0, total = 0;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	for (size_t len = 1; len <= 16384; len = len * 2 + 1) {
		char *room = sl_socket_reserve(&client.socket, len);

		assert_non_null(room);
		sl_socket_commit(&client.socket, 0); /* nothing came of it */
		room = sl_socket_reserve(&client.socket, len);
		memcpy(room, pattern, len / 2 + 1);
		sl_socket_commit(&client.socket, len / 2 + 1);
		sum = sum_of(sum, pattern, len / 2 + 1);
		total += len / 2 + 1;
	}
	assert_non_null(sl_socket_reserve(&client.socket, 16384));
	assert_null(sl_socket_reserve(&client.socket, 16385));
	TURN_UNTIL(&world, server.got == total);
	assert_int_equal(server.sum, sum);
	end_finish(&world, &client, SL_SOCKET_NOW);
	end_finish(&world, &server, SL_SOCKET_NOW);
	world_close(&world);
}

static void test_half_close(void **state)
{
	struct world world;
	struct end client, server;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	assert_int_equal(sl_socket_send(&client.socket, pattern, 300000), 0);
	sl_socket_shutdown(&client.socket);
	assert_int_equal(sl_socket_send(&client.socket, "x", 1), -EPIPE);
	TURN_UNTIL(&world, server.eof);
	assert_int_equal(server.got, 300000);
	/* The other direction still works. */
	assert_int_equal(sl_socket_send(&server.socket, pattern, 100000), 0);
	TURN_UNTIL(&world, client.got == 100000);
	sl_socket_close(&server.socket, SL_SOCKET_FLUSH);
	TURN_UNTIL(&world, client.eof && server.closed);
	assert_int_equal(client.error + server.error, 0);
	end_finish(&world, &client, SL_SOCKET_FLUSH);
	world_close(&world);
}

/* FLUSH sends all of a long queue, although the peer has sent what nobody read. */
static void test_flush(void **state)
{
	struct world world;
	struct end client, server;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	client.close_on_eof = true;
	sl_socket_pause(&server.socket);
	assert_int_equal(sl_socket_send(&client.socket, pattern, 300000), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(sl_socket_send(&server.socket, pattern, sizeof(pattern)), 0);
	sl_socket_close(&server.socket, SL_SOCKET_FLUSH);
	assert_int_equal(sl_socket_send(&server.socket, "x", 1), -EPIPE);
	TURN_UNTIL(&world, client.closed && server.closed);
	assert_int_equal(client.got, 8 * sizeof(pattern));
	assert_int_equal(client.error, 0);
	assert_int_equal(server.eof + server.error + server.drained, 0);
	world_close(&world);
}

/* A peer that never closes holds a flushed socket no longer than the linger time; NOW at once. */
static void test_linger(void **state)
{
	struct world world;
	struct end client[2], server[2];

	world_open(&world, options_of(state));
	for (int i = 0; i < 2; i++)
		world_pair(&world, &client[i], &server[i]);
	sl_socket_close(&server[0].socket, SL_SOCKET_FLUSH);
	sl_socket_close(&server[1].socket, SL_SOCKET_FLUSH);
	TURN_UNTIL(&world, client[0].eof && client[1].eof);
	assert_int_equal(server[0].closed + server[1].closed, 0);
	end_finish(&world, &server[0], SL_SOCKET_NOW);
	assert_int_equal(server[1].closed, 0);
	TURN_UNTIL(&world, server[1].closed);
	end_finish(&world, &client[0], SL_SOCKET_NOW);
	end_finish(&world, &client[1], SL_SOCKET_NOW);
	world_close(&world);
}

/* A child that has not come to its program yet holds the descriptor too: what is closed is told of no more. */
static void test_held_elsewhere(void **state)
{
	struct end *server = malloc(sizeof(*server));
	struct world world;
	struct end client;
	int held;

	world_open(&world, options_of(state));
	world_pair(&world, &client, server);
	held = dup(server->socket.fd);
	assert_true(held >= 0);
	end_finish(&world, server, SL_SOCKET_NOW);
	memset(server, 0x55, sizeof(*server));
	free(server);
	assert_int_equal(sl_socket_send(&client.socket, "x", 1), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	close(held);
	end_finish(&world, &client, SL_SOCKET_NOW);
	world_close(&world);
}

static void test_reset(void **state)
{
	struct world world;
	struct end client, server;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	end_finish(&world, &server, SL_SOCKET_RESET);
	TURN_UNTIL(&world, client.error);
	assert_int_equal(client.error_code, -ECONNRESET);
	assert_int_equal(client.eof, 0);
	assert_int_equal(sl_socket_send(&client.socket, "x", 1), -EPIPE);
	for (int i = 0; i < 5; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	assert_int_equal(client.error, 1);
	end_finish(&world, &client, SL_SOCKET_FLUSH);
	world_close(&world);
}

/* The peer answers and resets while we still send: the answer comes first, then one error. */
static void test_answer_before_reset(void **state)
{
	struct world world;
	struct end client, server;

	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	sl_socket_pause(&server.socket);
	for (int i = 0; i < 8; i++)
		assert_int_equal(sl_socket_send(&client.socket, pattern, sizeof(pattern)), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	/* By hand, so that answer and reset are there before the client's loop looks. */
	assert_int_equal(send(server.socket.fd, pattern, 500, MSG_NOSIGNAL), 500);
	sl_socket_close(&server.socket, SL_SOCKET_RESET);
	TURN_UNTIL(&world, client.error && server.closed);
	assert_int_equal(client.got, 500);
	assert_int_equal(client.error, 1);
	end_finish(&world, &client, SL_SOCKET_NOW);
	world_close(&world);
}

static void test_refused(void **state)
{
	struct world world;
	struct end client;
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int error, fd = socket(AF_INET, SOCK_STREAM, 0);

	/* A port that is taken and not listened on. */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	getsockname(fd, (struct sockaddr *)&addr, &len);
	world_open(&world, options_of(state));
	end_init(&world, &client);
	error = sl_socket_connect(&client.socket, (struct sockaddr *)&addr, sizeof(addr));
	if (!error) {
		TURN_UNTIL(&world, client.connected);
		error = client.connected_error;
		assert_int_equal(sl_socket_send(&client.socket, "x", 1), -EPIPE);
		end_finish(&world, &client, SL_SOCKET_FLUSH);
	}
	assert_int_equal(error, -ECONNREFUSED);
	assert_int_equal(client.error + client.eof, 0);
	world_close(&world);
	close(fd);
}

/* A connect that nobody answers (full backlog) is closed while it is under way. */
static void test_close_connecting(void **state)
{
	struct world world;
	struct end clients[8];

	world_open(&world, options_of(state));
	for (int i = 0; i < 8; i++) {
		end_init(&world, &clients[i]);
		assert_int_equal(sl_socket_connect(&clients[i].socket,
						   (struct sockaddr *)&world.addr,
						   sizeof(world.addr)),
				 0);
		if (i & 1)
			assert_int_equal(sl_loop_turn(world.loop, 0), 0);
		sl_socket_close(&clients[i].socket, i & 2 ? SL_SOCKET_NOW : SL_SOCKET_RESET);
	}
	TURN_UNTIL(&world, world.closed_ends == 8);
	/* One that was never opened. */
	end_init(&world, &clients[0]);
	end_finish(&world, &clients[0], SL_SOCKET_NOW);
	world_close(&world);
}

static uint32_t random_state = 12345;
static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % limit;
}

/*
 * 1,000 pairs closed at a random moment of sending, receiving, pausing and connecting. In a guest of vmtest,
 * whose processors are emulated, the four backends have a quarter each: the moments are not the same ones.
 */
static void test_close_any_moment(void **state)
{
	int pairs = getenv("VMTEST_GUEST") ? 250 : 1000;
	struct world world;
	struct end *client = malloc(sizeof(*client)), *server = malloc(sizeof(*server));

	world_open(&world, options_of(state));
	for (int i = 0; i < pairs; i++) {
		uint32_t turns = random_below(5);

		world_pair(&world, client, server);
		server->peer = server;
		client->peer = random_below(2) ? client : NULL;
		sl_socket_send(&client->socket, pattern, 1 + random_below(200000));
		for (uint32_t turn = 0; turn < turns; turn++) {
			if (random_below(3) == 0)
				sl_socket_pause(&server->socket);
			assert_int_equal(sl_loop_turn(world.loop, 0), 0);
			if (random_below(3) == 0)
				sl_socket_resume(&server->socket);
			sl_socket_send(&server->socket, pattern, random_below(300));
		}
		sl_socket_close(&client->socket, random_below(2) + 1);
		if (random_below(2))
			assert_int_equal(sl_loop_turn(world.loop, 0), 0);
		sl_socket_close(&server->socket, (enum sl_socket_how)random_below(3));
		TURN_UNTIL(&world, client->closed && server->closed);
		assert_int_equal(client->closed + server->closed, 2);
		/* Freed and used anew: nothing may refer to the old ones. */
		free(client);
		free(server);
		client = malloc(sizeof(*client));
		server = malloc(sizeof(*server));
	}
	free(client);
	free(server);
	world_close(&world);
}

static void closing_data(struct sl_socket *socket, const char *buf, size_t len)
{
	(void)buf;
	(void)len;
	end_of(socket)->got++;
	sl_socket_close(socket, SL_SOCKET_NOW);
}

static void test_close_from_callback(void **state)
{
	struct world world;
	struct end client, server;
	struct sl_socket_ops ops = end_ops;

	ops.data = closing_data;
	world_open(&world, options_of(state));
	world_pair(&world, &client, &server);
	server.socket.ops = &ops;
	for (int i = 0; i < 4; i++)
		assert_int_equal(sl_socket_send(&client.socket, pattern, 100000), 0);
	TURN_UNTIL(&world, server.closed);
	assert_int_equal(server.got, 1);
	end_finish(&world, &client, SL_SOCKET_NOW);
	world_close(&world);
}

/* Few small buffers and many senders: -ENOBUFS must cost time, never bytes. */
static void test_few_buffers(void **state)
{
	enum { PAIRS = 16 };
	struct sl_loop_options options = *options_of(state);
	struct world world;
	struct end client[PAIRS], server[PAIRS];

	options.recv_buffers = 2;
	options.recv_bytes = 512;
	world_open(&world, &options);
	for (int i = 0; i < PAIRS; i++) {
		world_pair(&world, &client[i], &server[i]);
		server[i].discard = true;
	}
	for (int i = 0; i < PAIRS; i++)
		assert_int_equal(sl_socket_send(&client[i].socket, pattern, 100000), 0);
	for (int i = 0; i < PAIRS; i++) {
		TURN_UNTIL(&world, server[i].got == 100000);
		assert_int_equal(server[i].sum, sum_of(0, pattern, 100000));
		assert_int_equal(server[i].error, 0);
	}
	for (int i = 0; i < PAIRS; i++) {
		end_finish(&world, &client[i], SL_SOCKET_NOW);
		end_finish(&world, &server[i], SL_SOCKET_NOW);
	}
	world_close(&world);
}

/* A submission queue smaller than one turn's work. */
static void test_small_queue(void **state)
{
	enum { PAIRS = 64 };
	struct sl_loop_options options = *options_of(state);
	struct world world;
	struct end *client = calloc(PAIRS, sizeof(*client));
	struct end *server = calloc(PAIRS, sizeof(*server));

	options.ring_entries = 4;
	world_open(&world, &options);
	for (int i = 0; i < PAIRS; i++) {
		world_pair(&world, &client[i], &server[i]);
		server[i].peer = &server[i];
	}
	for (int round = 1; round <= 20; round++) {
		for (int i = 0; i < PAIRS; i++) {
			sl_socket_send(&client[i].socket, pattern, 900);
			sl_socket_send(&client[i].socket, pattern, 3000);
		}
		for (int i = 0; i < PAIRS; i++)
			TURN_UNTIL(&world, client[i].got == 3900u * (unsigned)round);
	}
	for (int i = 0; i < PAIRS; i++) {
		sl_socket_close(&client[i].socket, SL_SOCKET_NOW);
		sl_socket_close(&server[i].socket, SL_SOCKET_FLUSH);
	}
	TURN_UNTIL(&world, world.closed_ends == 2 * PAIRS);
	world_close(&world);
	free(client);
	free(server);
}

/* Two ends over a Unix socket, whose sends come out short much sooner than TCP's. */
static void world_unix_pair(struct world *world, struct end *client, struct end *server)
{
	int fds[2], size = 1; /* the kernel's least: a send takes several buffers */

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	end_init(world, client);
	end_init(world, server);
	assert_int_equal(sl_socket_adopt(&client->socket, fds[0]), 0);
	assert_int_equal(sl_socket_adopt(&server->socket, fds[1]), 0);
}

/* Small sends until there is no more room: a short or refused one loses nothing. */
static void test_small_sends_until_full(void **state)
{
	struct world world;
	struct end client, server;

	world_open(&world, options_of(state));
	for (int round = 0; round < 20; round++) {
		uint64_t sum = 0, sent = 0, last = 0;
		int quiet = 0;

		world_unix_pair(&world, &client, &server);
		server.discard = true;
		sl_socket_pause(&server.socket);
		while (quiet < 5) {
			size_t len = 1 + random_below(6000);

			if (sl_socket_pending(&client.socket) + len <= SL_SOCKET_LOW_BYTES) {
				assert_int_equal(sl_socket_send(&client.socket, pattern, len), 0);
				sum = sum_of(sum, pattern, len);
				sent += len;
			}
			assert_int_equal(sl_loop_turn(world.loop, 0), 0);
			quiet = client.socket.bytes_out == last ? quiet + 1 : 0;
			last = client.socket.bytes_out;
		}
		assert_true(sl_socket_pending(&client.socket) > 0);
		sl_socket_resume(&server.socket);
		TURN_UNTIL(&world, server.got == sent && !sl_socket_pending(&client.socket));
		assert_int_equal(server.sum, sum);
		assert_int_equal(client.socket.bytes_out, sent);
		assert_int_equal(client.error + server.error, 0);
		end_finish(&world, &client, SL_SOCKET_NOW);
		end_finish(&world, &server, SL_SOCKET_NOW);
	}
	world_close(&world);
}

struct finisher {
	struct sl_task task;
	struct end *end;
	int step;
};

static void finisher_run(struct sl_task *task)
{
	struct finisher *finisher = SL_OWNER_OF(task, struct finisher, task);

	/* In rounds of their own: the first send is with the back end when the second step comes. */
	if (finisher->step++ == 0) {
		sl_socket_send(&finisher->end->socket, pattern, 100);
		sl_loop_defer(finisher->end->world->loop, task);
	} else if (finisher->step == 2) {
		sl_loop_defer(finisher->end->world->loop, task);
	} else {
		sl_socket_send(&finisher->end->socket, pattern, 50);
		sl_socket_close(&finisher->end->socket, SL_SOCKET_FLUSH);
	}
}

/* A peer outside of the loop, so that nothing wakes it: reads to the end, then closes. */
static void *run_reader(void *arg)
{
	int fd = *(int *)arg;
	char buf[256];
	intptr_t got = 0;
	ssize_t len;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0)
		got += len;
	close(fd);
	return (void *)got;
}

/* More output and a close behind a send that nothing reports: nobody sleeps on them. */
static void test_close_behind_send(void **state)
{
	struct world world;
	struct end client;
	struct finisher finisher = {.task.run = finisher_run, .end = &client};
	pthread_t thread;
	void *got;
	int fds[2];

	world_open(&world, options_of(state));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	end_init(&world, &client);
	assert_int_equal(sl_socket_adopt(&client.socket, fds[0]), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sl_loop_turn(world.loop, 0), 0);
	pthread_create(&thread, NULL, run_reader, &fds[1]);
	sl_loop_defer(world.loop, &finisher.task);
	/* Not by a timer of the loop: that would wake it. */
	alarm(HANG_S);
	while (!client.closed)
		assert_int_equal(sl_loop_turn(world.loop, -1), 0);
	alarm(0);
	pthread_join(thread, &got);
	assert_int_equal((intptr_t)got, 150);
	world_close(&world);
}

/* ---- patience --------------------------------------------------------------------------------- */

/* What a patient socket has waits for its time, what another one has does not wait with it. */
static void test_patient(void **state)
{
	struct sl_loop_options options = *options_of(state);
	struct end client, server, quick_client, quick;
	struct world world;

	options.coalesce_ns = 3600000000000u; /* it does not come in this test */
	world_open(&world, &options);
	world_pair(&world, &client, &server);
	world_pair(&world, &quick_client, &quick);
	sl_socket_set_patient(&client.socket, false);
	sl_socket_set_patient(&quick_client.socket, false);
	sl_socket_set_patient(&quick.socket, false);
	TURN_UNTIL(&world, server.socket.flags & SL_SOCKET_F_GATHERED);
	TURN_UNTIL(&world, !(quick.socket.flags & SL_SOCKET_F_GATHERED));
	assert_int_equal(sl_socket_send(&client.socket, "patient", 7), 0);
	for (uint64_t i = 1; i <= 20; i++) {
		assert_int_equal(sl_socket_send(&quick_client.socket, "quick", 5), 0);
		TURN_UNTIL(&world, quick.got == 5 * i);
		assert_int_equal(server.got, 0);
	}
	/* Sending from it is as quick. */
	assert_int_equal(sl_socket_send(&server.socket, "answer", 6), 0);
	TURN_UNTIL(&world, client.got == 6);
	assert_int_equal(server.got, 0);
	/* It loses its patience: nothing is lost with it. */
	sl_socket_set_patient(&server.socket, false);
	TURN_UNTIL(&world, server.got == 7);
	/* And may be closed while something waits. */
	sl_socket_set_patient(&server.socket, true);
	TURN_UNTIL(&world, server.socket.flags & SL_SOCKET_F_GATHERED);
	assert_int_equal(sl_socket_send(&client.socket, "late", 4), 0);
	assert_int_equal(sl_socket_send(&quick_client.socket, "quick", 5), 0);
	TURN_UNTIL(&world, quick.got == 105);
	end_finish(&world, &server, SL_SOCKET_NOW);
	assert_int_equal(server.got, 7);
	end_finish(&world, &client, SL_SOCKET_NOW);
	end_finish(&world, &quick, SL_SOCKET_NOW);
	end_finish(&world, &quick_client, SL_SOCKET_NOW);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BACKENDS(test_echo),
		ON_BACKENDS(test_large),
		ON_BACKENDS(test_reserve),
		ON_BACKENDS(test_half_close),
		ON_BACKENDS(test_flush),
		ON_BACKENDS(test_linger),
		ON_BACKENDS(test_held_elsewhere),
		ON_BACKENDS(test_reset),
		ON_BACKENDS(test_answer_before_reset),
		ON_BACKENDS(test_refused),
		ON_BACKENDS(test_close_connecting),
		ON_BACKENDS(test_close_any_moment),
		ON_BACKENDS(test_close_from_callback),
		ON_BACKENDS(test_few_buffers),
		ON_BACKENDS(test_small_queue),
		ON_BACKENDS(test_small_sends_until_full),
		ON_BACKENDS(test_close_behind_send),
		ON_BACKENDS(test_patient),
	};

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)(i * 2654435761u >> 13);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
