/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pair.h - shared by the tests of io/: a loop on either back end, a listener on 127.0.0.1 and ends
 * that count what happens to them. Every wait is bounded by turns, not by the clock.
 */
#ifndef SL_TEST_IO_PAIR_H
#define SL_TEST_IO_PAIR_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
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
#include "user/io/backend.h"

#define TURNS_MAX 20000
#define TURN_MS	  10

struct end {
	struct sl_socket socket;
	struct world *world;
	struct end *peer; /* where the data goes: itself for an echo */
	int connected, eof, error, drained, closed;
	int connected_error, error_code;
	uint64_t got, sum; /* bytes received and their rolling sum */
	bool discard;
	bool close_on_eof;
};

struct world {
	struct sl_loop *loop;
	struct sl_listener listener;
	struct sockaddr_in addr;
	int accepted, listener_closed, fds_before;
	int closed_ends;
	struct end *waiting; /* takes the next connection */
	struct end *last;
	struct sl_loop_options options;
};

static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline struct end *end_of(struct sl_socket *socket)
{
	return SL_OWNER_OF(socket, struct end, socket);
}

static inline void end_connected(struct sl_socket *socket, int error)
{
	end_of(socket)->connected++;
	end_of(socket)->connected_error = error;
}

static inline uint64_t sum_of(uint64_t sum, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)buf[i];
	return sum;
}

static inline void end_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct end *end = end_of(socket);

	assert_int_equal(end->closed, 0);
	end->got += len;
	end->sum = sum_of(end->sum, buf, len);
	if (!end->discard && end->peer)
		sl_socket_send(&end->peer->socket, buf, len);
}

static inline void end_eof(struct sl_socket *socket)
{
	struct end *end = end_of(socket);

	end->eof++;
	if (end->close_on_eof)
		sl_socket_close(socket, SL_SOCKET_FLUSH);
}

static inline void end_error(struct sl_socket *socket, int error)
{
	end_of(socket)->error++;
	end_of(socket)->error_code = error;
}

static inline void end_drained(struct sl_socket *socket)
{
	end_of(socket)->drained++;
	assert_true(sl_socket_pending(socket) <= SL_SOCKET_LOW_BYTES);
}

static inline void end_closed(struct sl_socket *socket)
{
	end_of(socket)->closed++;
	end_of(socket)->world->closed_ends++;
}

static const struct sl_socket_ops end_ops = {
	.connected = end_connected,
	.data = end_data,
	.eof = end_eof,
	.error = end_error,
	.drained = end_drained,
	.closed = end_closed,
};

static inline void end_init(struct world *world, struct end *end)
{
	*end = (struct end){.world = world};
	sl_socket_init(&end->socket, world->loop, &end_ops);
	sl_socket_set_patient(&end->socket, world->options.coalesce_ns);
}

static inline void world_accepted(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	struct world *world = SL_OWNER_OF(listener, struct world, listener);

	world->accepted++;
	assert_int_equal(peer->sa_family, AF_INET);
	if (!world->waiting) {
		close(fd);
		return;
	}
	world->last = world->waiting;
	world->waiting = NULL;
	assert_int_equal(sl_socket_adopt(&world->last->socket, fd), 0);
}

static inline void world_listener_closed(struct sl_listener *listener)
{
	SL_OWNER_OF(listener, struct world, listener)->listener_closed++;
}

static inline void world_listen(struct world *world)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(world->addr);

	world->listener.accepted = world_accepted;
	world->listener.closed = world_listener_closed;
	assert_int_equal(sl_listener_open(&world->listener, world->loop, (struct sockaddr *)&any,
					  sizeof(any), 1024, false),
			 0);
	getsockname(world->listener.fd, (struct sockaddr *)&world->addr, &len);
}

/* options.backend is set by the caller. */
static inline void world_open(struct world *world, const struct sl_loop_options *options)
{
	*world = (struct world){.fds_before = count_fds(), .options = *options};
	assert_int_equal(sl_loop_open(options, &world->loop), 0);
	world_listen(world);
}

#define TURN_UNTIL(world, condition)                                               \
	do {                                                                       \
		int turns_ = 0;                                                    \
		while (!(condition) && turns_++ < TURNS_MAX)                       \
			assert_int_equal(sl_loop_turn((world)->loop, TURN_MS), 0); \
		assert_true(condition);                                            \
	} while (0)

static inline void world_close(struct world *world)
{
	sl_listener_close(&world->listener);
	TURN_UNTIL(world, world->listener_closed);
	assert_int_equal(world->loop->blocks.live, 0);
	sl_loop_close(&world->loop);
	assert_null(world->loop);
	/* The kernel lets go of a ring's descriptor a moment after close. */
	for (int i = 0; i < 1000 && count_fds() != world->fds_before; i++)
		usleep(1000);
	assert_int_equal(count_fds(), world->fds_before);
}

/* A connected pair: client connects, server is accepted. */
static inline void world_pair(struct world *world, struct end *client, struct end *server)
{
	end_init(world, client);
	end_init(world, server);
	world->waiting = server;
	world->last = NULL;
	assert_int_equal(sl_socket_connect(&client->socket, (struct sockaddr *)&world->addr,
					   sizeof(world->addr)),
			 0);
	TURN_UNTIL(world, client->connected && world->last);
	assert_int_equal(client->connected_error, 0);
}

static inline void end_finish(struct world *world, struct end *end, enum sl_socket_how how)
{
	sl_socket_close(&end->socket, how);
	assert_int_equal(end->closed, 0);
	TURN_UNTIL(world, end->closed);
	assert_int_equal(end->closed, 1);
	assert_int_equal(end->socket.fd, -1);
}

/* Every test runs on both back ends: state points to the options. */
static inline const struct sl_loop_options *options_of(void **state)
{
	return *state;
}

static struct sl_loop_options options_uring = {.backend = SL_IO_URING};
static struct sl_loop_options options_epoll = {.backend = SL_IO_EPOLL};
static struct sl_loop_options options_lazy = {.backend = SL_IO_URING, .coalesce_ns = 500000};
static struct sl_loop_options options_lazy_epoll = {.backend = SL_IO_EPOLL, .coalesce_ns = 500000};

#define ON_BACKENDS(test)                                                        \
	{#test " uring", test, NULL, NULL, &options_uring},                      \
		{#test " epoll", test, NULL, NULL, &options_epoll},              \
		{#test " epoll patient", test, NULL, NULL, &options_lazy_epoll}, \
	{                                                                        \
#test " uring patient", test, NULL, NULL, &options_lazy          \
	}

#endif
