/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.c - both ends of the kernel plane's end-to-end benchmark.
 *
 *   dial serve ADDRESS:PORT
 *       one thread. The first byte of a connection says what it wants: 'c': one byte back, then the
 *       server closes (so the side that waits in TIME_WAIT has its ports to spare); 'u': swallows all
 *       until end of file, then one byte; 'd': sends until the other side leaves.
 *   dial connect TARGET COUNT SECONDS PARALLEL
 *       connections one after another, PARALLEL at a time, until COUNT are done or SECONDS are over
 *       (0: no bound). Each: connect, 'c', the byte, end of file. Prints
 *       connections N failed N seconds S p50_us N p90_us N p99_us N max_us N user_s S cpu_s S
 *       where the times are from connect() to its end.
 *   dial up|down TARGET SECONDS PARALLEL
 *       PARALLEL streams. Prints bytes N seconds S user_s S cpu_s S; failed when one broke.
 *
 * TARGET is ADDRESS:PORT[,ADDRESS:PORT...], used in turn; IPv4. One thread, epoll. A connect that
 * takes more than TIMEOUT_MS has failed. Exit 0 whatever came out, 1 when it could not be tried.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TARGETS_MAX  16
#define PARALLEL_MAX 1024
#define EVENTS_MAX   256
#define BLOCK	     (256 * 1024)
#define SAMPLES_MAX  4000000u
#define TIMEOUT_MS   15000

struct link {
	int fd; /* -1: free */
	bool connected;
	int64_t begun_us;
};

static struct sockaddr_in targets[TARGETS_MAX];
static unsigned target_count, target_next;
static struct link links[PARALLEL_MAX];
static char block[BLOCK];
static uint32_t *samples; /* connect times in us */
static uint32_t sample_count;
static uint64_t failed;
static int last_error; /* of a failed connect */

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "dial: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static void address_parse(const char *text, struct sockaddr_in *ret_address)
{
	const char *colon = strchr(text, ':');
	char host[INET_ADDRSTRLEN] = "";

	errno = EINVAL;
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		die(text);
	memcpy(host, text, (size_t)(colon - text));
	*ret_address = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)atoi(colon + 1))};
	if (inet_pton(AF_INET, host, &ret_address->sin_addr) != 1)
		die(text);
}

static void targets_parse(char *text)
{
	char *save = NULL;

	for (char *one = strtok_r(text, ",", &save); one && target_count < TARGETS_MAX;
	     one = strtok_r(NULL, ",", &save))
		address_parse(one, &targets[target_count++]);
}

static int epoll_open(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		die("epoll");
	return epoll;
}

static void epoll_set(int epoll, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	if (epoll_ctl(epoll, op, fd, &event))
		die("epoll_ctl");
}

static void usage_print(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf(" user_s %.6f cpu_s %.6f\n",
	       (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
	       (double)clock_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6);
}

/* ---- server -------------------------------------------------------------------------------- */

/* data.u64 of a connection: its descriptor and what it wants (0: not said yet). */
#define WANT_SHIFT 32

static void server_accept(int epoll, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		epoll_set(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, (uint64_t)fd);
	}
}

static void server_swallow(int fd)
{
	ssize_t got;

	while ((got = recv(fd, block, sizeof(block), 0)) > 0)
		;
	if (got < 0 && errno == EAGAIN)
		return;
	if (!got)
		(void)!send(fd, "u", 1, MSG_NOSIGNAL);
	close(fd);
}

static void server_pour(int fd)
{
	ssize_t sent;

	while ((sent = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0)
		;
	if (sent < 0 && errno == EAGAIN)
		return;
	close(fd);
}

static void server_first(int epoll, int fd)
{
	char want;
	ssize_t got = recv(fd, &want, 1, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got == 1 && want == 'u') {
		epoll_set(epoll, EPOLL_CTL_MOD, fd, EPOLLIN,
			  (uint64_t)fd | (uint64_t)'u' << WANT_SHIFT);
		return;
	}
	if (got == 1 && want == 'd') {
		epoll_set(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT,
			  (uint64_t)fd | (uint64_t)'d' << WANT_SHIFT);
		return;
	}
	if (got == 1)
		(void)!send(fd, &want, 1, MSG_NOSIGNAL);
	close(fd);
}

static void serve(const char *text)
{
	struct sockaddr_in address;
	struct epoll_event events[EVENTS_MAX];
	int epoll = epoll_open(), on = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address_parse(text, &address);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4096))
		die(text);
	epoll_set(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, (uint64_t)listener);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			int fd = (int)(uint32_t)events[i].data.u64;
			char want = (char)(events[i].data.u64 >> WANT_SHIFT);

			if (fd == listener)
				server_accept(epoll, listener);
			else if (want == 'u')
				server_swallow(fd);
			else if (want == 'd')
				server_pour(fd);
			else
				server_first(epoll, fd);
		}
	}
}

/* ---- connections --------------------------------------------------------------------------- */

static void link_begin(int epoll, unsigned number)
{
	const struct sockaddr_in *target = &targets[target_next++ % target_count];
	struct link *link = &links[number];

	link->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		die("socket");
	link->connected = false;
	link->begun_us = now_us();
	if (connect(link->fd, (const struct sockaddr *)target, sizeof(*target)) &&
	    errno != EINPROGRESS)
		die("connect");
	epoll_set(epoll, EPOLL_CTL_ADD, link->fd, EPOLLOUT, number);
}

/* Returns true when the link is over, well or not. */
static bool link_event(int epoll, unsigned number, uint32_t events)
{
	struct link *link = &links[number];
	char answer[2];
	ssize_t got;

	if (!link->connected) {
		int error = 0;
		socklen_t size = sizeof(error);

		getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error || events & (EPOLLERR | EPOLLHUP) ||
		    send(link->fd, "c", 1, MSG_NOSIGNAL) != 1) {
			last_error = error ? error : errno;
			failed++;
			return true;
		}
		link->connected = true;
		if (sample_count < SAMPLES_MAX)
			samples[sample_count++] = (uint32_t)(now_us() - link->begun_us);
		epoll_set(epoll, EPOLL_CTL_MOD, link->fd, EPOLLIN, number);
		return false;
	}
	got = recv(link->fd, answer, sizeof(answer), 0);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got > 0)
		return false; /* end of file follows */
	if (got < 0) {
		last_error = errno;
		failed++;
	}
	return true;
}

static int order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t percentile(uint32_t permille)
{
	return sample_count ? samples[(uint64_t)(sample_count - 1) * permille / 1000] : 0;
}

/* Gives up links that took too long. Returns how many. */
static unsigned links_expire(unsigned parallel)
{
	int64_t now = now_us();
	unsigned count = 0;

	for (unsigned i = 0; i < parallel; i++) {
		if (links[i].fd < 0 || now - links[i].begun_us < TIMEOUT_MS * 1000ll)
			continue;
		close(links[i].fd);
		links[i].fd = -1;
		last_error = ETIMEDOUT;
		failed++;
		count++;
	}
	return count;
}

static void dial(uint64_t count_max, double seconds, unsigned parallel)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t begin = now_us(), end = seconds > 0 ? begin + (int64_t)(seconds * 1e6) : INT64_MAX;
	uint64_t begun = 0, done = 0;
	unsigned open = 0;
	int epoll = epoll_open();

	samples = malloc(SAMPLES_MAX * sizeof(*samples));
	if (!samples)
		die("samples");
	for (unsigned i = 0; i < parallel; i++)
		links[i].fd = -1;
	do {
		bool more = now_us() < end;

		for (unsigned i = 0; more && open < parallel && i < parallel; i++) {
			if (links[i].fd >= 0 || (count_max && begun == count_max))
				continue;
			link_begin(epoll, i);
			begun++;
			open++;
		}
		int got = epoll_wait(epoll, events, EVENTS_MAX, 100);

		for (int i = 0; i < got; i++) {
			unsigned number = (unsigned)events[i].data.u64;

			if (!link_event(epoll, number, events[i].events))
				continue;
			close(links[number].fd);
			links[number].fd = -1;
			open--;
			done++;
		}
		if (!got)
			open -= links_expire(parallel);
	} while (open || (now_us() < end && (!count_max || begun < count_max)));
	seconds = (double)(now_us() - begin) / 1e6;
	qsort(samples, sample_count, sizeof(*samples), order);
	printf("connections %llu failed %llu seconds %.6f p50_us %u p90_us %u p99_us %u max_us %u",
	       (unsigned long long)(done - (failed < done ? failed : done)),
	       (unsigned long long)failed, seconds, percentile(500), percentile(900),
	       percentile(990), percentile(1000));
	usage_print();
	if (failed)
		fprintf(stderr, "dial: %llu failed, the last one: %s\n", (unsigned long long)failed,
			strerror(last_error));
}

/* ---- bulk ---------------------------------------------------------------------------------- */

static int stream_open(char want)
{
	const struct sockaddr_in *target = &targets[target_next++ % target_count];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)target, sizeof(*target)) ||
	    send(fd, &want, 1, MSG_NOSIGNAL) != 1)
		die("connect for a stream");
	return fd;
}

/* Sends or receives until `end`. Returns bytes; a stream that breaks ends the program. */
static uint64_t streams_run(int epoll, bool up, int64_t end)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t bytes = 0;

	while (now_us() < end) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, 100);

		for (int i = 0; i < count; i++) {
			int fd = (int)events[i].data.u64;
			ssize_t part =
				up ? send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL)
				   : recv(fd, block, sizeof(block), MSG_DONTWAIT);

			if (part > 0)
				bytes += (uint64_t)part;
			else if (!part || errno != EAGAIN)
				die("a stream broke");
		}
	}
	return bytes;
}

static void bulk(bool up, double seconds, unsigned parallel)
{
	int fds[PARALLEL_MAX], epoll = epoll_open();
	int64_t begin;
	uint64_t bytes;
	char last;

	for (unsigned i = 0; i < parallel; i++) {
		fds[i] = stream_open(up ? 'u' : 'd');
		epoll_set(epoll, EPOLL_CTL_ADD, fds[i], up ? EPOLLOUT : EPOLLIN, (uint64_t)fds[i]);
	}
	begin = now_us();
	bytes = streams_run(epoll, up, begin + (int64_t)(seconds * 1e6));
	/* Upwards it counts when it has arrived: the last byte comes back after all others went. */
	for (unsigned i = 0; up && i < parallel; i++) {
		shutdown(fds[i], SHUT_WR);
		if (recv(fds[i], &last, 1, MSG_WAITALL) != 1)
			die("a stream broke at its end");
	}
	printf("bytes %llu seconds %.6f", (unsigned long long)bytes,
	       (double)(now_us() - begin) / 1e6);
	usage_print();
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(argv[2]);
	} else if (argc == 6 && !strcmp(argv[1], "connect")) {
		unsigned parallel = (unsigned)atoi(argv[5]);

		targets_parse(argv[2]);
		if (parallel && parallel <= PARALLEL_MAX) {
			dial((uint64_t)atoll(argv[3]), atof(argv[4]), parallel);
			return 0;
		}
	} else if (argc == 5 && (!strcmp(argv[1], "up") || !strcmp(argv[1], "down"))) {
		unsigned parallel = (unsigned)atoi(argv[4]);

		targets_parse(argv[2]);
		if (parallel && parallel <= PARALLEL_MAX) {
			bulk(!strcmp(argv[1], "up"), atof(argv[3]), parallel);
			return 0;
		}
	}
	fprintf(stderr, "usage: dial serve ADDRESS:PORT | connect TARGET COUNT SECONDS PARALLEL |"
			" up TARGET SECONDS PARALLEL | down TARGET SECONDS PARALLEL\n");
	return 2;
}
