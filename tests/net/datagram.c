/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * datagram.c - both ends of the UDP tests: a server that says its name, and a client that counts who
 * answered.
 *
 *   datagram serve ADDRESS:PORT NAME
 *       answers each datagram with NAME, until it is killed
 *   datagram ask ADDRESS:PORT COUNT FIRST [PORTS [HEX]]
 *       COUNT datagrams, one after the other, from PORTS sockets in turn (default: as many as
 *       datagrams, so that each comes from a port of its own), whose ports are FIRST and those
 *       behind it. They begin with the bytes of HEX.
 *       Prints `NAME N` for each name and `failed N`, with `refused N` (ICMP said so) and
 *       `timeout N` above zero. Exit 0 whatever came out: the script judges.
 *
 * One thread. A datagram without an answer is sent once more after half of TIMEOUT_MS: the network
 * may lose one, a test may not judge it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_MAX     1024
#define COUNT_MAX     100000
#define NAMES_MAX     16
#define NAME_MAX_LEN  32
#define PAYLOAD_BYTES 64
#define TIMEOUT_MS    2000

struct tally {
	char names[NAMES_MAX][NAME_MAX_LEN];
	unsigned counts[NAMES_MAX];
	unsigned name_count;
	unsigned refused;
	unsigned timeout;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "datagram: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* "10.0.0.1:80" or "[fd00::1]:80". Returns the length for bind and connect. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *six = (void *)address;
	struct sockaddr_in *four = (void *)address;
	const char *colon = strrchr(text, ':');
	char host[64];

	memset(address, 0, sizeof(*address));
	errno = EINVAL;
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		die(text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	if (host[0] == '[') {
		host[strlen(host) - 1] = '\0';
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)atoi(colon + 1));
		if (inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1)
			return sizeof(*six);
	} else {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)atoi(colon + 1));
		if (inet_pton(AF_INET, host, &four->sin_addr) == 1)
			return sizeof(*four);
	}
	die(text);
}

__attribute__((noreturn)) static void serve(const char *where, const char *name)
{
	struct sockaddr_storage address, from;
	socklen_t address_len = parse_address(where, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char bytes[2048];

	if (fd < 0 || bind(fd, (void *)&address, address_len))
		die(where);
	for (;;) {
		socklen_t from_len = sizeof(from);

		if (recvfrom(fd, bytes, sizeof(bytes), 0, (void *)&from, &from_len) >= 0)
			(void)sendto(fd, name, strlen(name), 0, (void *)&from, from_len);
	}
}

/* ---- client -------------------------------------------------------------------------------- */

static size_t read_hex(const char *hex, uint8_t bytes[PAYLOAD_BYTES])
{
	size_t len = strlen(hex) / 2;

	errno = EINVAL;
	if (len > PAYLOAD_BYTES || strlen(hex) % 2)
		die(hex);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			die(hex);
		bytes[i] = (uint8_t)byte;
	}
	return len;
}

static void count_name(struct tally *tally, const char *name)
{
	for (unsigned i = 0; i < tally->name_count; i++) {
		if (!strcmp(tally->names[i], name)) {
			tally->counts[i]++;
			return;
		}
	}
	if (tally->name_count < NAMES_MAX) {
		snprintf(tally->names[tally->name_count], NAME_MAX_LEN, "%s", name);
		tally->counts[tally->name_count++] = 1;
	}
}

/* Returns 1 with the name, 0 for no answer yet, -1 when ICMP refused. */
static int await(int fd, int timeout_ms, char name[NAME_MAX_LEN])
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	ssize_t len;

	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return 0;
	len = recv(fd, name, NAME_MAX_LEN - 1, MSG_DONTWAIT);
	if (len < 0)
		return errno == EAGAIN ? 0 : -1;
	name[len] = '\0';
	return 1;
}

static void ask_one(int fd, const uint8_t payload[PAYLOAD_BYTES], struct tally *tally)
{
	char name[NAME_MAX_LEN];
	int answer = 0;

	for (int tries = 0; tries < 2 && !answer; tries++) {
		if (send(fd, payload, PAYLOAD_BYTES, 0) < 0) {
			answer = -1; /* an ICMP error that came meanwhile */
			break;
		}
		answer = await(fd, TIMEOUT_MS / 2, name);
	}
	if (answer > 0)
		count_name(tally, name);
	else if (answer < 0)
		tally->refused++;
	else
		tally->timeout++;
}

/* A socket on a port of its own, whatever the family. */
static int open_socket(const struct sockaddr_storage *address, socklen_t address_len, unsigned port)
{
	struct sockaddr_storage own = {.ss_family = address->ss_family};
	int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* sin_port and sin6_port lie at the same place. */
	((struct sockaddr_in *)&own)->sin_port = htons((uint16_t)port);
	if (fd < 0 || bind(fd, (void *)&own, address_len) ||
	    connect(fd, (const void *)address, address_len))
		die("socket");
	return fd;
}

static void ask(const char *where, unsigned count, unsigned first, unsigned port_count,
		const char *hex)
{
	static int fds[PORTS_MAX];
	uint8_t payload[PAYLOAD_BYTES] = {0};
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	struct tally tally = {0};

	(void)read_hex(hex, payload);
	for (unsigned i = 0; i < port_count; i++)
		fds[i] = open_socket(&address, address_len, first + i);
	for (unsigned i = 0; i < count; i++)
		ask_one(fds[i % port_count], payload, &tally);
	for (unsigned i = 0; i < tally.name_count; i++)
		printf("%s %u\n", tally.names[i], tally.counts[i]);
	printf("failed %u\n", tally.refused + tally.timeout);
	if (tally.refused)
		printf("refused %u\n", tally.refused);
	if (tally.timeout)
		printf("timeout %u\n", tally.timeout);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], argv[3]);
	if (argc >= 5 && !strcmp(argv[1], "ask")) {
		unsigned count = (unsigned)atoi(argv[3]), first = (unsigned)atoi(argv[4]);
		unsigned ports = argc > 5 ? (unsigned)atoi(argv[5]) : count;

		if (count && count <= COUNT_MAX && ports && ports <= PORTS_MAX && first &&
		    first + ports <= 65536) {
			ask(argv[2], count, first, ports, argc > 6 ? argv[6] : "");
			return 0;
		}
	}
	fprintf(stderr, "usage: datagram serve ADDRESS:PORT NAME\n"
			"       datagram ask ADDRESS:PORT COUNT FIRST [PORTS [HEX]]\n");
	return 2;
}
