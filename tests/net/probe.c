/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.c - packets whose fate is told by ICMP: single datagrams, and bulk that must find its path
 * MTU. Both ends.
 *
 *   probe serve ADDRESS:PORT
 *       TCP: answers each 'G' with a block of BLOCK_BYTES, each line end with `COUNT MTU`: the bytes
 *       received so far and the path MTU that its kernel knows; one connection at a time. UDP:
 *       answers each datagram with "here". Until it is killed.
 *   probe udp ADDRESS:PORT [TTL [TIMEOUT_MS]]
 *       one datagram. Prints `answered TEXT`, `icmp TYPE CODE from ADDRESS` or `timeout`.
 *   probe late ADDRESS:PORT [TIMEOUT_MS]
 *       a server whose answers come too late: binds, takes one datagram, answers its sender again and
 *       again until an error about an answer comes. Prints as `udp` does.
 *   probe push ADDRESS:PORT BYTES [TIMEOUT_MS]
 *   probe pull ADDRESS:PORT BLOCKS [TIMEOUT_MS]
 *       one connection, bulk in one direction. Prints `moved BYTES mtu OURS server THEIRS`, or
 *       `failed WHY`.
 *
 * Exit 0 whatever came out: the script judges. Every wait is bounded (default 10,000 ms).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BLOCK_BYTES	   16384
#define TIMEOUT_MS_DEFAULT 10000
#define LATE_EACH_MS	   100

static char block[BLOCK_BYTES];

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
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
	snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - text) : 0, text);
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)atoi(colon + 1));
		if (inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1)
			return sizeof(*six);
	} else if (colon) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)atoi(colon + 1));
		if (inet_pton(AF_INET, host, &four->sin_addr) == 1)
			return sizeof(*four);
	}
	errno = EINVAL;
	die(text);
}

static int open_socket(const struct sockaddr_storage *address, int type, int timeout_ms)
{
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0), one = 1;
	struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (timeout_ms) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	return fd;
}

/* The path MTU that the kernel knows for a connected socket. */
static int path_mtu(int fd, bool ip6)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (getsockopt(fd, ip6 ? IPPROTO_IPV6 : IPPROTO_IP, ip6 ? IPV6_MTU : IP_MTU, &mtu, &len))
		return -1;
	return mtu;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* ---- server -------------------------------------------------------------------------------- */

static void serve_connection(int fd, bool ip6)
{
	unsigned long count = 0;
	char bytes[65536], line[64];
	ssize_t got;

	while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			count++;
			if (bytes[i] == 'G' && !send_all(fd, block, sizeof(block)))
				return;
			if (bytes[i] != '\n')
				continue;
			snprintf(line, sizeof(line), "%lu %d\n", count, path_mtu(fd, ip6));
			if (!send_all(fd, line, strlen(line)))
				return;
		}
	}
}

__attribute__((noreturn)) static void serve_datagrams(const struct sockaddr_storage *address,
						      socklen_t address_len)
{
	struct sockaddr_storage peer;
	char bytes[2048];
	int fd = open_socket(address, SOCK_DGRAM, 0);

	if (bind(fd, (const struct sockaddr *)address, address_len))
		die("bind");
	for (;;) {
		socklen_t peer_len = sizeof(peer);

		if (recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&peer, &peer_len) >= 0)
			sendto(fd, "here", 4, 0, (struct sockaddr *)&peer, peer_len);
	}
}

__attribute__((noreturn)) static void serve(const char *where)
{
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	int listener = open_socket(&address, SOCK_STREAM, 0);

	memset(block, 'b', sizeof(block));
	if (bind(listener, (struct sockaddr *)&address, address_len) || listen(listener, 64))
		die(where);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_datagrams(&address, address_len);
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		serve_connection(fd, address.ss_family == AF_INET6);
		close(fd);
	}
}

/* ---- clients ------------------------------------------------------------------------------- */

/* Takes one error out of the socket's queue. Returns false: there is none. */
static bool print_error(int fd)
{
	struct sockaddr_in6 *from;
	char control[512], text[INET6_ADDRSTRLEN] = "?", bytes[64];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};

	if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		const struct sock_extended_err *error = (void *)CMSG_DATA(c);

		if (c->cmsg_type != IP_RECVERR && c->cmsg_type != IPV6_RECVERR)
			continue;
		from = (void *)SO_EE_OFFENDER(error);
		if (from->sin6_family == AF_INET6)
			inet_ntop(AF_INET6, &from->sin6_addr, text, sizeof(text));
		else
			inet_ntop(AF_INET, &((struct sockaddr_in *)from)->sin_addr, text,
				  sizeof(text));
		printf("icmp %u %u from %s\n", error->ee_type, error->ee_code, text);
		return true;
	}
	return false;
}

static int probe_udp(const char *where, int ttl, int timeout_ms)
{
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	bool ip6 = address.ss_family == AF_INET6;
	int fd = open_socket(&address, SOCK_DGRAM, timeout_ms), one = 1;
	int level = ip6 ? IPPROTO_IPV6 : IPPROTO_IP;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char bytes[64];
	ssize_t got;

	setsockopt(fd, level, ip6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof(one));
	if (ttl)
		setsockopt(fd, level, ip6 ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, sizeof(ttl));
	if (connect(fd, (struct sockaddr *)&address, address_len))
		die(where);
	send(fd, "who\n", 4, 0);
	poll(&poll_fd, 1, timeout_ms);
	if ((poll_fd.revents & POLLERR) && print_error(fd))
		return 0;
	got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got >= 0)
		printf("answered %.*s\n", (int)got, bytes);
	else
		printf("timeout\n");
	return 0;
}

static int probe_late(const char *where, int timeout_ms)
{
	struct sockaddr_storage address, peer;
	socklen_t address_len = parse_address(where, &address), peer_len = sizeof(peer);
	bool ip6 = address.ss_family == AF_INET6;
	int fd = open_socket(&address, SOCK_DGRAM, timeout_ms), one = 1;
	struct pollfd poll_fd = {.fd = fd};
	char bytes[64];

	setsockopt(fd, ip6 ? IPPROTO_IPV6 : IPPROTO_IP, ip6 ? IPV6_RECVERR : IP_RECVERR, &one,
		   sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, address_len))
		die(where);
	if (recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&peer, &peer_len) < 0 ||
	    connect(fd, (struct sockaddr *)&peer, peer_len)) {
		printf("timeout\n");
		return 0;
	}
	for (int waited = 0; waited < timeout_ms; waited += LATE_EACH_MS) {
		send(fd, "late", 4, 0);
		if (poll(&poll_fd, 1, LATE_EACH_MS) > 0 && print_error(fd))
			return 0;
	}
	printf("timeout\n");
	return 0;
}

static int failed(void)
{
	printf("failed %s\n",
	       errno == EAGAIN || errno == EINPROGRESS ? "timeout" : strerror(errno));
	return 0;
}

/* Sends 'x' as often as `bytes` says. */
static bool push(int fd, unsigned long bytes)
{
	memset(block, 'x', sizeof(block));
	for (unsigned long sent = 0; sent < bytes; sent += sizeof(block)) {
		if (!send_all(fd, block, sizeof(block)))
			return false;
	}
	return true;
}

static bool pull(int fd, unsigned long blocks)
{
	for (unsigned long i = 0; i < blocks; i++) {
		size_t got = 0;

		if (!send_all(fd, "G", 1))
			return false;
		while (got < sizeof(block)) {
			ssize_t more = recv(fd, block, sizeof(block) - got, 0);

			if (more <= 0)
				return false;
			got += (size_t)more;
		}
	}
	return true;
}

static int bulk(const char *where, bool pushes, unsigned long amount, int timeout_ms)
{
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	int fd = open_socket(&address, SOCK_STREAM, timeout_ms);
	unsigned long count = 0;
	char line[64] = "";
	int mtu = 0;
	ssize_t got;

	errno = 0;
	if (connect(fd, (struct sockaddr *)&address, address_len))
		return failed();
	if (!(pushes ? push(fd, amount) : pull(fd, amount)) || !send_all(fd, "\n", 1))
		return failed();
	got = recv(fd, line, sizeof(line) - 1, 0);
	if (got <= 0 || sscanf(line, "%lu %d", &count, &mtu) != 2)
		return failed();
	printf("moved %lu mtu %d server %d\n", pushes ? count - 1 : amount * BLOCK_BYTES,
	       path_mtu(fd, address.ss_family == AF_INET6), mtu);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int timeout_ms = argc > 4 ? atoi(argv[4]) : TIMEOUT_MS_DEFAULT;

	if (argc == 3 && !strcmp(what, "serve"))
		serve(argv[2]);
	if (argc >= 3 && !strcmp(what, "udp"))
		return probe_udp(argv[2], argc > 3 ? atoi(argv[3]) : 0, timeout_ms);
	if (argc >= 3 && !strcmp(what, "late"))
		return probe_late(argv[2], argc > 3 ? atoi(argv[3]) : TIMEOUT_MS_DEFAULT);
	if (argc >= 4 && (!strcmp(what, "push") || !strcmp(what, "pull")))
		return bulk(argv[2], !strcmp(what, "push"), strtoul(argv[3], NULL, 10), timeout_ms);
	fprintf(stderr, "usage: probe serve ADDRESS:PORT\n"
			"       probe udp ADDRESS:PORT [TTL [TIMEOUT_MS]]\n"
			"       probe late ADDRESS:PORT [TIMEOUT_MS]\n"
			"       probe push ADDRESS:PORT BYTES [TIMEOUT_MS]\n"
			"       probe pull ADDRESS:PORT BLOCKS [TIMEOUT_MS]\n");
	return 2;
}
