/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect.c - both ends of the network tests: a server that says its name, and clients that count
 * who answered.
 *
 *   connect serve ADDRESS:PORT NAME
 *       answers each line with NAME, until it is killed; SIGUSR1 closes the listener alone, so
 *       that new connections are refused while those that stand go on
 *   connect ask ADDRESS:PORT COUNT [PARALLEL [TIMEOUT_MS [GAP_MS]]]
 *       COUNT connections, each: connect, send a line, read the name, close; GAP_MS at least from
 *       the begin of one to that of the next (default: none). Prints `NAME N` for each name and
 *       `failed N`, with `refused N`, `reset N`, `timeout N`, `other N` above zero;
 *       and `connect_us p50 A p90 B p99 C max D`, the time to connect of those that were answered.
 *       Exit 0 whatever came out: the script judges.
 *   connect hold ADDRESS:PORT COUNT [TIMEOUT_MS [AT_ONCE]]
 *       opens COUNT connections, AT_ONCE at a time (default: all), and keeps them; for each line
 *       of its standard input asks every one of them again and prints `round N alive A lost L
 *       changed C`, and behind it `NAME N` for those that live; ends at end of file.
 *
 * One thread, poll; every wait is bounded by TIMEOUT_MS (default 5000), times what SLUICE_PATIENCE
 * says where a machine is slow (an emulated one).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX	   4096
#define NAMES_MAX	   64
#define NAME_MAX_LEN	   32
#define COUNT_MAX	   1000000
#define TIMEOUT_MS_DEFAULT 5000
#define PARALLEL_DEFAULT   16
#define PATIENCE_MAX	   100
#define GAP_MS_MAX	   1000
#define QUESTION	   "who\n"

enum outcome { ANSWERED, REFUSED, RESET, TIMEOUT, OTHER, OUTCOMES };

static const char *const outcome_names[OUTCOMES] = {"answered", "refused", "reset", "timeout",
						    "other"};

struct link {
	int fd; /* -1: free */
	bool asked;
	int64_t begun_us;
	uint32_t connect_us; /* 0: not yet */
	int64_t deadline_ms;
	char answer[NAME_MAX_LEN];
	size_t answer_len;
	char name[NAME_MAX_LEN]; /* of the first answer */
};

struct tally {
	char names[NAMES_MAX][NAME_MAX_LEN];
	unsigned counts[NAMES_MAX];
	unsigned name_count;
	unsigned outcomes[OUTCOMES];
	uint32_t *connect_us; /* of those answered */
	unsigned connect_count;
};

static volatile sig_atomic_t refuses;

static struct link links[CONNECTIONS_MAX];
static struct pollfd polls[CONNECTIONS_MAX];

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
	return now_us() / 1000;
}

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "connect: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* "10.0.0.1:80" or "[fd00::1]:80". Returns the length for bind and connect. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *six = (void *)address;
	struct sockaddr_in *four = (void *)address;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t host_len = colon ? (size_t)(colon - text) : 0;

	memset(address, 0, sizeof(*address));
	if (!colon || host_len >= sizeof(host)) {
		errno = EINVAL;
		die(text);
	}
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	if (host[0] == '[' && host[host_len - 1] == ']') {
		host[host_len - 1] = '\0';
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
	errno = EINVAL;
	die(text);
}

/* ---- server -------------------------------------------------------------------------------- */

static void refuse(int signal_number)
{
	(void)signal_number;
	refuses = 1;
}

/* Answers as many lines as arrived. Returns false when the connection is over. */
static bool serve_one(int fd, const char *answer, size_t answer_len)
{
	char bytes[512];
	ssize_t bytes_len = recv(fd, bytes, sizeof(bytes), 0);

	if (bytes_len <= 0)
		return bytes_len < 0 && errno == EAGAIN;
	for (ssize_t i = 0; i < bytes_len; i++) {
		if (bytes[i] == '\n' && send(fd, answer, answer_len, MSG_NOSIGNAL) < 0)
			return false;
	}
	return true;
}

__attribute__((noreturn)) static void serve(const char *where, const char *name)
{
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	int listener = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char answer[NAME_MAX_LEN + 2];
	int answer_len = snprintf(answer, sizeof(answer), "%.30s\n", name);
	struct sigaction action = {.sa_handler = refuse};
	nfds_t count = 1;
	int one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, address_len) ||
	    listen(listener, 4096))
		die(where);
	sigaction(SIGUSR1, &action, NULL);
	polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
	for (;;) {
		int ready = poll(polls, count, -1);

		if (ready < 0 && errno != EINTR)
			die("poll");
		if (refuses && polls[0].fd >= 0) {
			close(polls[0].fd);
			polls[0].fd = -1; /* poll leaves it out */
		}
		if (ready < 0)
			continue;
		for (nfds_t i = count - 1; i > 0; i--) {
			if (!polls[i].revents || serve_one(polls[i].fd, answer, (size_t)answer_len))
				continue;
			close(polls[i].fd);
			polls[i] = polls[--count];
		}
		while (polls[0].fd >= 0 && (polls[0].revents & POLLIN) && count < CONNECTIONS_MAX) {
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd < 0)
				break;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			polls[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
}

/* ---- clients ------------------------------------------------------------------------------- */

static enum outcome classify(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return REFUSED;
	case ECONNRESET:
	case EPIPE:
		return RESET;
	case ETIMEDOUT:
		return TIMEOUT;
	default:
		return OTHER;
	}
}

static void count_name(struct tally *tally, const char *name)
{
	unsigned i = 0;

	while (i < tally->name_count && strcmp(tally->names[i], name))
		i++;
	if (i == NAMES_MAX)
		return;
	if (i == tally->name_count) {
		snprintf(tally->names[i], NAME_MAX_LEN, "%.*s", NAME_MAX_LEN - 1, name);
		tally->name_count++;
	}
	tally->counts[i]++;
}

static void open_link(struct link *link, const struct sockaddr_storage *address,
		      socklen_t address_len, int timeout_ms)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*link = (struct link){.fd = fd, .begun_us = now_us(), .deadline_ms = now_ms() + timeout_ms};
	(void)connect(fd, (const struct sockaddr *)address, address_len); /* poll tells the rest */
}

/* Moves one connection on. Returns true when it is decided. */
static bool advance(struct link *link, short events, enum outcome *outcome)
{
	socklen_t error_len = sizeof(int);
	ssize_t got;
	int error = 0;

	if (!events && now_ms() < link->deadline_ms)
		return false;
	*outcome = TIMEOUT;
	if (!events)
		return true;
	getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
	if (!error && !link->asked) {
		link->connect_us = (uint32_t)(now_us() - link->begun_us);
		if (send(link->fd, QUESTION, sizeof(QUESTION) - 1, MSG_NOSIGNAL) > 0) {
			link->asked = true;
			return false;
		}
		error = errno;
	}
	if (!error) {
		got = recv(link->fd, link->answer + link->answer_len,
			   sizeof(link->answer) - 1 - link->answer_len, 0);
		if (got < 0 && errno == EAGAIN)
			return false;
		error = got < 0 ? errno : got == 0 ? ECONNRESET : 0;
		link->answer_len += got > 0 ? (size_t)got : 0;
		if (!error && !memchr(link->answer, '\n', link->answer_len))
			return false;
	}
	*outcome = error ? classify(error) : ANSWERED;
	link->answer[link->answer_len ? link->answer_len - 1 : 0] = '\0';
	return true;
}

/* Polls once for all links in use; the shortest deadline bounds the wait, and so does `until_ms`. */
static void wait_for_links(unsigned count, int64_t until_ms)
{
	int64_t now = now_ms(), first = until_ms;

	for (unsigned i = 0; i < count; i++) {
		polls[i] = (struct pollfd){
			.fd = links[i].deadline_ms == INT64_MAX ? -1 : links[i].fd,
			.events = links[i].asked ? POLLIN : POLLOUT,
		};
		if (links[i].fd >= 0 && links[i].deadline_ms < first)
			first = links[i].deadline_ms;
	}
	if (poll(polls, count, first > now ? (int)(first - now) + 1 : 0) < 0 && errno != EINTR)
		die("poll");
}

static void print_tally(const struct tally *tally)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < tally->name_count; i++)
		printf("%s %u\n", tally->names[i], tally->counts[i]);
	for (unsigned i = REFUSED; i < OUTCOMES; i++)
		failed += tally->outcomes[i];
	printf("failed %u\n", failed);
	for (unsigned i = REFUSED; i < OUTCOMES; i++) {
		if (tally->outcomes[i])
			printf("%s %u\n", outcome_names[i], tally->outcomes[i]);
	}
}

static int smaller(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return first < second ? -1 : first > second;
}

static void print_times(const struct tally *tally)
{
	unsigned count = tally->connect_count;
	uint32_t *us = tally->connect_us;

	if (!count)
		return;
	qsort(us, count, sizeof(*us), smaller);
	printf("connect_us p50 %u p90 %u p99 %u max %u\n", us[count / 2], us[count * 9ul / 10],
	       us[count * 99ul / 100], us[count - 1]);
}

static int ask(const char *where, unsigned total, unsigned parallel, int timeout_ms,
	       unsigned gap_ms)
{
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	unsigned opened = 0, decided = 0;
	int64_t open_ms = 0; /* when the next may begin */
	struct tally tally = {.connect_us = calloc(total, sizeof(uint32_t))};

	if (!tally.connect_us)
		die("memory");
	for (unsigned i = 0; i < parallel; i++)
		links[i].fd = -1;
	while (decided < total) {
		for (unsigned i = 0; i < parallel && opened < total; i++) {
			if (links[i].fd >= 0 || now_ms() < open_ms)
				continue;
			open_link(&links[i], &address, address_len, timeout_ms);
			open_ms = now_ms() + gap_ms;
			opened++;
		}
		wait_for_links(parallel,
			       open_ms > now_ms() ? open_ms : now_ms() + TIMEOUT_MS_DEFAULT);
		for (unsigned i = 0; i < parallel; i++) {
			enum outcome outcome;

			if (links[i].fd < 0 || !advance(&links[i], polls[i].revents, &outcome))
				continue;
			tally.outcomes[outcome]++;
			if (outcome == ANSWERED) {
				count_name(&tally, links[i].answer);
				tally.connect_us[tally.connect_count++] = links[i].connect_us;
			}
			close(links[i].fd);
			links[i].fd = -1;
			decided++;
		}
	}
	print_tally(&tally);
	print_times(&tally);
	free(tally.connect_us);
	return 0;
}

/* Asks the held connections from `first` on once. Counts those that are gone or answer with another name. */
static void hold_round(unsigned first, unsigned count, int timeout_ms, unsigned *lost,
		       unsigned *changed)
{
	unsigned open = 0;

	for (unsigned i = first; i < count; i++) {
		links[i].asked = links[i].name[0] == '\0' && links[i].asked;
		links[i].answer_len = 0;
		memset(links[i].answer, 0, sizeof(links[i].answer));
		links[i].deadline_ms = now_ms() + timeout_ms;
		open += links[i].fd >= 0;
	}
	for (unsigned done = 0; done < open;) {
		wait_for_links(count, now_ms() + TIMEOUT_MS_DEFAULT);
		for (unsigned i = first; i < count; i++) {
			enum outcome outcome;

			if (links[i].fd < 0 || links[i].deadline_ms == INT64_MAX ||
			    !advance(&links[i], polls[i].revents, &outcome))
				continue;
			done++;
			links[i].deadline_ms = INT64_MAX;
			if (outcome != ANSWERED) {
				close(links[i].fd);
				links[i].fd = -1;
				++*lost;
			} else if (!links[i].name[0]) {
				memcpy(links[i].name, links[i].answer, sizeof(links[i].name));
			} else if (strcmp(links[i].name, links[i].answer)) {
				++*changed;
			}
		}
	}
}

/* The names of those that live, each with their number. */
static struct tally hold_tally(unsigned count)
{
	struct tally tally = {0};

	for (unsigned i = 0; i < count; i++) {
		if (links[i].fd >= 0)
			count_name(&tally, links[i].name);
	}
	return tally;
}

static int hold(const char *where, unsigned count, int timeout_ms, unsigned at_once)
{
	struct sockaddr_storage address;
	socklen_t address_len = parse_address(where, &address);
	unsigned lost = 0, changed = 0, round = 0, first = 0;
	struct tally tally;
	char line[64];

	for (unsigned i = 0; i < count; i++) {
		open_link(&links[i], &address, address_len, timeout_ms);
		if ((i + 1) % at_once)
			continue;
		hold_round(first, i + 1, timeout_ms, &lost, &changed);
		first = i + 1;
	}
	do {
		hold_round(first, count, timeout_ms, &lost, &changed);
		first = 0;
		tally = hold_tally(count);
		printf("round %u alive %u lost %u changed %u", round++, count - lost, lost,
		       changed);
		for (unsigned i = 0; i < tally.name_count; i++)
			printf(" %s %u", tally.names[i], tally.counts[i]);
		printf("\n");
		fflush(stdout);
	} while (fgets(line, sizeof(line), stdin));
	return 0;
}

/* A number of the command line within 1..max. */
static unsigned number(char **argv, int argc, int index, unsigned initial, unsigned max)
{
	long value = index < argc ? strtol(argv[index], NULL, 10) : (long)initial;

	if (value < 1 || value > (long)max) {
		errno = ERANGE;
		die(argv[index]);
	}
	return (unsigned)value;
}

static int timeout_of(char **argv, int argc, int index)
{
	const char *patience = getenv("SLUICE_PATIENCE");
	long times = patience ? strtol(patience, NULL, 10) : 1;

	if (times < 1 || times > PATIENCE_MAX) {
		errno = ERANGE;
		die("SLUICE_PATIENCE");
	}
	return (int)(number(argv, argc, index, TIMEOUT_MS_DEFAULT, 600000) * times);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], argv[3]);
	if (argc >= 4 && !strcmp(argv[1], "ask"))
		return ask(argv[2], number(argv, argc, 3, 0, COUNT_MAX),
			   number(argv, argc, 4, PARALLEL_DEFAULT, CONNECTIONS_MAX),
			   timeout_of(argv, argc, 5),
			   argc > 6 ? number(argv, argc, 6, 0, GAP_MS_MAX) : 0);
	if (argc >= 4 && !strcmp(argv[1], "hold"))
		return hold(argv[2], number(argv, argc, 3, 0, CONNECTIONS_MAX),
			    timeout_of(argv, argc, 4),
			    number(argv, argc, 5, CONNECTIONS_MAX, CONNECTIONS_MAX));
	fprintf(stderr, "usage: connect serve ADDRESS:PORT NAME\n"
			"       connect ask ADDRESS:PORT COUNT [PARALLEL [TIMEOUT_MS [GAP_MS]]]\n"
			"       connect hold ADDRESS:PORT COUNT [TIMEOUT_MS [AT_ONCE]]\n");
	return 2;
}
