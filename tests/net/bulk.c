/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bulk.c - moves many bytes through one connection, both ways, and looks at each of them.
 *
 *   bulk serve ADDRESS:PORT
 *       for each connection: reads a struct order, then the bytes it announces, then sends as many
 *       as it asks for; until it is killed
 *   bulk move ADDRESS:PORT BYTES_UP BYTES_DOWN
 *       one such connection. Prints `moved UP DOWN` when each byte was as it should be.
 *
 * Byte N of either direction is the low byte of N * 7 + N / 256, so that a piece that is lost,
 * repeated or out of place shows. IPv4 alone. A wait of more than 20 s is an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S    20
#define CHUNK_BYTES  65536u
#define BYTES_MAX    (1u << 30)
#define BACKLOG	     64
#define EXIT_TROUBLE 1
#define EXIT_USAGE   2

struct order {
	uint32_t up; /* network order */
	uint32_t down;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "bulk: %s: %s\n", what, strerror(errno));
	exit(EXIT_TROUBLE);
}

static struct sockaddr_in parse_address(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = strrchr(text, ':');
	char host[64];

	if (!colon || (size_t)(colon - text) >= sizeof(host)) {
		errno = EINVAL;
		die(text);
	}
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		errno = EINVAL;
		die(text);
	}
	return address;
}

static unsigned char byte_at(uint32_t index)
{
	return (unsigned char)(index * 7 + index / 256);
}

static void limit_waits(int fd)
{
	struct timeval timeout = {.tv_sec = TIMEOUT_S};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

static bool send_bytes(int fd, uint32_t count)
{
	static unsigned char chunk[CHUNK_BYTES];
	uint32_t sent = 0;

	while (sent < count) {
		uint32_t want = count - sent < CHUNK_BYTES ? count - sent : CHUNK_BYTES;
		ssize_t took;

		for (uint32_t i = 0; i < want; i++)
			chunk[i] = byte_at(sent + i);
		took = send(fd, chunk, want, MSG_NOSIGNAL);
		if (took <= 0)
			return false;
		sent += (uint32_t)took;
	}
	return true;
}

static bool receive_bytes(int fd, uint32_t count)
{
	static unsigned char chunk[CHUNK_BYTES];
	uint32_t received = 0;

	while (received < count) {
		uint32_t want = count - received < CHUNK_BYTES ? count - received : CHUNK_BYTES;
		ssize_t got = recv(fd, chunk, want, 0);

		if (got <= 0)
			return false;
		for (uint32_t i = 0; i < (uint32_t)got; i++) {
			if (chunk[i] == byte_at(received + i))
				continue;
			fprintf(stderr, "bulk: byte %u is wrong\n", received + i);
			errno = EBADMSG;
			return false;
		}
		received += (uint32_t)got;
	}
	return true;
}

static void serve_one(int fd)
{
	struct order order;

	limit_waits(fd);
	if (recv(fd, &order, sizeof(order), MSG_WAITALL) == (ssize_t)sizeof(order) &&
	    receive_bytes(fd, ntohl(order.up)))
		(void)send_bytes(fd, ntohl(order.down));
	close(fd);
}

__attribute__((noreturn)) static void serve(const char *where)
{
	struct sockaddr_in address = parse_address(where);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, BACKLOG))
		die(where);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && !fork()) {
			close(listener);
			serve_one(fd);
			exit(0);
		}
		if (fd >= 0)
			close(fd);
	}
}

static int move(const char *where, uint32_t up, uint32_t down)
{
	struct sockaddr_in address = parse_address(where);
	struct order order = {htonl(up), htonl(down)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	limit_waits(fd);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	if (send(fd, &order, sizeof(order), MSG_NOSIGNAL) != (ssize_t)sizeof(order) ||
	    !send_bytes(fd, up))
		die("sending");
	if (!receive_bytes(fd, down))
		die("receiving");
	printf("moved %u %u\n", up, down);
	close(fd);
	return 0;
}

static uint32_t number(const char *text)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (value > BYTES_MAX) {
		errno = ERANGE;
		die(text);
	}
	return (uint32_t)value;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "move"))
		return move(argv[2], number(argv[3]), number(argv[4]));
	fprintf(stderr, "usage: bulk serve ADDRESS:PORT\n"
			"       bulk move ADDRESS:PORT BYTES_UP BYTES_DOWN\n");
	return EXIT_USAGE;
}
