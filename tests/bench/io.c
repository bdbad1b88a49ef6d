/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * io.c - what the event loop costs for one relayed message.
 *
 * One thread generates and collects, one relays socket to socket through a loop:
 *
 *   generator --200 bytes--> [socket -> loop -> socket] --200 bytes--> generator
 *
 * Printed is the CPU time of the relaying thread for each message (kernel work for the loopback
 * TCP included), the median of the rounds.
 *   closed N   N streams with one message under way each: as fast as it goes
 *   paced N    N streams, PACE_PER_S messages a second over all of them, spread evenly
 *
 * Usage: io [MESSAGES [ROUNDS]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "user/io/socket.h"

#define MESSAGE_BYTES 200
#define STREAMS_MAX   1000
#define ROUNDS_MAX    9
#define PACE_PER_S    50000
#define PACE_STEP_US  200

struct setup {
	const char *name;
	struct sl_loop_options options;
};

static const struct setup setups[] = {
	{"io_uring", {.backend = SL_IO_URING}},
	{"io_uring, 500 us", {.backend = SL_IO_URING, .coalesce_ns = 500000}},
	{"epoll", {.backend = SL_IO_EPOLL}},
	{"epoll, 500 us", {.backend = SL_IO_EPOLL, .coalesce_ns = 500000}},
};

static const struct {
	const char *name;
	int streams;
	bool paced;
} loads[] = {
	{"closed 1", 1, false},
	{"closed 100", 100, false},
	{"closed 1000", 1000, false},
	{"paced 1000", 1000, true},
};

struct relay_end {
	struct sl_socket socket;
	struct relay_end *peer;
};

struct relay {
	struct sl_loop *loop;
	struct sl_listener listener;
	struct relay_end *ends;
	int count;
	clockid_t cpu;
};

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the relaying thread ----------------------------------------------------------------------
 */

static void on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct relay_end *end = (struct relay_end *)(void *)socket;

	sl_socket_send(&end->peer->socket, buf, len);
}

static void on_end(struct sl_socket *socket)
{
	sl_socket_close(socket, SL_SOCKET_NOW);
}

static void on_error(struct sl_socket *socket, int error)
{
	(void)error;
	sl_socket_close(socket, SL_SOCKET_NOW);
}

static const struct sl_socket_ops relay_ops = {.data = on_data, .eof = on_end, .error = on_error};

/* Connections come in pairs: where messages enter, where they leave. */
static void on_accepted(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	struct relay *relay =
		(struct relay *)(void *)((char *)listener - offsetof(struct relay, listener));
	struct relay_end *end = &relay->ends[relay->count];

	(void)peer;
	end->peer = &relay->ends[relay->count ^ 1];
	relay->count++;
	sl_socket_init(&end->socket, relay->loop, &relay_ops);
	if (sl_socket_adopt(&end->socket, fd))
		die("adopt");
	sl_socket_set_patient(&end->socket, true); /* counts where the loop coalesces */
}

static void *run_relay(void *arg)
{
	struct relay *relay = arg;

	sl_loop_run(relay->loop);
	return NULL;
}

/* ---- the generating thread --------------------------------------------------------------------
 */

static uint64_t clock_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int connect_to(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static char message[MESSAGE_BYTES];

static void send_one(int fd)
{
	if (send(fd, message, sizeof(message), MSG_NOSIGNAL) != (ssize_t)sizeof(message))
		die("send");
}

/* Reads what has come out. Closed: each message that came out lets the next one in. */
static long collect(int epoll, const int *in, int timeout_ms, bool paced)
{
	struct epoll_event events[256];
	int count = epoll_wait(epoll, events, 256, timeout_ms);
	long got = 0;

	for (int i = 0; i < count; i++) {
		char buf[MESSAGE_BYTES * 64];
		int stream = (int)(events[i].data.u64 >> 32);
		ssize_t len = recv((int)(uint32_t)events[i].data.u64, buf, sizeof(buf), 0);

		if (len <= 0)
			die("recv");
		got += len;
		if (!paced)
			send_one(in[stream]);
	}
	return got;
}

static void generate(int epoll, const int *in, int streams, bool paced, long messages)
{
	const long per_step = (long)PACE_PER_S * PACE_STEP_US / 1000000;
	long got = 0, sent = 0;
	int next = 0;

	if (!paced) {
		for (int i = 0; i < streams; i++)
			send_one(in[i]);
		while (got < messages * MESSAGE_BYTES)
			got += collect(epoll, in, 1000, false);
		/* The last ones under way. */
		for (int i = 0; i < streams; i++)
			collect(epoll, in, 1, true);
		return;
	}
	while (got < messages * MESSAGE_BYTES) {
		struct timespec step = {.tv_nsec = PACE_STEP_US * 1000};

		for (long i = 0; i < per_step && sent < messages; i++, sent++) {
			send_one(in[next]);
			next = (next + 1) % streams;
		}
		got += collect(epoll, in, sent < messages ? 0 : 100, true);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
	}
}

static double measure(const struct setup *setup, int streams, bool paced, long messages)
{
	struct relay relay = {.listener.accepted = on_accepted};
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t addr_len = sizeof(addr);
	static int in[STREAMS_MAX], out[STREAMS_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t start, used;
	pthread_t thread;

	relay.ends = calloc((size_t)streams * 2, sizeof(*relay.ends));
	if (!relay.ends || sl_loop_open(&setup->options, &relay.loop) ||
	    sl_listener_open(&relay.listener, relay.loop, (struct sockaddr *)&addr, sizeof(addr),
			     4096, false))
		die("loop");
	getsockname(relay.listener.fd, (struct sockaddr *)&addr, &addr_len);
	pthread_create(&thread, NULL, run_relay, &relay);
	pthread_getcpuclockid(thread, &relay.cpu);
	for (int i = 0; i < streams; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		in[i] = connect_to(&addr);
		out[i] = connect_to(&addr);
		event.data.u64 = (uint64_t)i << 32 | (uint32_t)out[i];
		epoll_ctl(epoll, EPOLL_CTL_ADD, out[i], &event);
	}
	generate(epoll, in, streams, paced, messages / 10 + streams);
	start = clock_of(relay.cpu);
	generate(epoll, in, streams, paced, messages);
	used = clock_of(relay.cpu) - start;
	for (int i = 0; i < streams; i++) {
		close(in[i]);
		close(out[i]);
	}
	close(epoll);
	usleep(50000);
	sl_loop_stop(relay.loop);
	pthread_join(thread, NULL);
	close(relay.listener.fd);
	sl_loop_close(&relay.loop);
	free(relay.ends);
	return (double)used / (double)messages;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#define SETUPS (sizeof(setups) / sizeof(setups[0]))

/* The setups take turns, so that what else the machine does falls on all alike. */
static void measure_load(size_t load, long messages, int rounds)
{
	double ns[SETUPS][ROUNDS_MAX];

	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < SETUPS; i++)
			ns[i][round] = measure(&setups[i], loads[load].streams, loads[load].paced,
					       messages);
	printf("%-12s", loads[load].name);
	for (size_t i = 0; i < SETUPS; i++) {
		qsort(ns[i], (size_t)rounds, sizeof(ns[i][0]), compare);
		printf("%18.0f", ns[i][rounds / 2]);
	}
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	long messages = argc > 1 ? atol(argv[1]) : 50000;
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	struct rlimit files = {.rlim_cur = 8192, .rlim_max = 8192};

	setrlimit(RLIMIT_NOFILE, &files);
	if (messages < 1 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: io [MESSAGES [ROUNDS]], at most %d rounds\n", ROUNDS_MAX);
		return 2;
	}
	printf("CPU ns of the relaying thread for each %d-byte message, median of %d\n",
	       MESSAGE_BYTES, rounds);
	printf("%-12s", "");
	for (size_t i = 0; i < SETUPS; i++)
		printf("%18s", setups[i].name);
	printf("\n");
	for (size_t load = 0; load < sizeof(loads) / sizeof(loads[0]); load++)
		measure_load(load, loads[load].streams == 1 ? messages / 10 : messages, rounds);
	return 0;
}
