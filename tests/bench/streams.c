/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * streams.c - holds many event streams (or idle connections) open through a proxy and measures it.
 *
 *   streams --target 127.0.0.1:PORT --pids PID,PID [--streams N] [--tokens N] [--open-ms N]
 *           [--window-ms N] [--gap-us N] [--idle] [--leave]
 *
 * The connections are opened evenly over open-ms, so that their tokens do not fall together. Once
 * every stream has its first token the window begins: CPU time of the given processes and events
 * received are taken at both ends of it, memory at its end. Then each stream must end by itself, with
 * [DONE] and the last chunk; --leave closes them instead. --idle sends one short request on each
 * connection and then holds it without another one.
 *
 * first_p50_us and first_p99_us: from a request's send to its first event, over all streams.
 * jitter_p50_us and jitter_p99_us: how far the time between two events of a stream, as read here, is
 * from --gap-us, the server's time for a token; within the window. Events that come in one read have
 * no time between them.
 *
 * Cost: one epoll_wait for up to 512 connections, one recv each; events are counted while scanning
 * for line feeds, nothing is kept but four bytes of state a stream. One thread.
 *
 * Prints one line of name=value; exit status 1 when a stream failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/usage.h"
#include "user/base/histogram.h"

#define BATCH		512
#define BUFFER_BYTES	65536
#define REQUEST_BYTES	1024
#define SETTLE_MS	300    /* between the last first token and the window */
#define LIMIT_MS	60000u /* of the whole run, opening not counted */
#define FIRST_LIMIT_MS	30000u /* of the first tokens, after the last open */
#define STREAMS_MAX	120000u
#define SOURCE_STREAMS	20000u /* connections from one address: it has no more than 28,232 ports */
#define LINE_DATA	5u     /* "data:" matched */
#define LINE_DONE	12u    /* "data: [DONE]" matched */
#define LINE_SKIP	255u
#define LAST_CHUNK_SIZE 5u

enum stream_state { STREAM_NONE = 0, STREAM_OPEN, STREAM_ENDED, STREAM_BROKEN };

struct stream {
	uint64_t last_ns; /* of its request, then of its newest event */
	int fd;
	uint32_t events;
	uint8_t state;
	uint8_t line;	/* characters of marker that the present line has matched */
	uint8_t last;	/* characters of last_chunk that the newest bytes match */
	bool done_seen; /* [DONE] */
};

struct options {
	struct sockaddr_in target;
	pid_t pids[USAGE_PIDS_MAX];
	size_t pid_count;
	uint32_t streams, tokens, open_ms, window_ms, gap_us;
	bool idle, leave;
};

struct bench {
	struct options options;
	struct stream *streams;
	int epoll_fd;
	char request[REQUEST_BYTES];
	size_t request_len;
	uint32_t opened, first, ended, broken;
	uint64_t events;
	bool in_window;
	struct sl_histogram first_us, jitter_us;
};

static const char marker[] = "data: [DONE]";
static const char last_chunk[] = "0\r\n\r\n";

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Counts the events that begin in buf. A line may begin in one call and go on in the next. */
static uint32_t count_events(struct stream *stream, const char *buf, size_t len)
{
	const char *at = buf, *end = buf + len;
	uint32_t events = 0;

	while (at < end) {
		if (stream->line == LINE_SKIP) {
			at = memchr(at, '\n', (size_t)(end - at));
			if (!at)
				break;
			at++;
			stream->line = 0;
			continue;
		}
		if (*at != marker[stream->line]) {
			stream->line = *at == '\n' ? 0 : LINE_SKIP;
			at++;
			continue;
		}
		at++;
		stream->line++;
		if (stream->line == LINE_DATA)
			events++;
		if (stream->line == LINE_DONE) {
			stream->done_seen = true;
			stream->line = LINE_SKIP;
		}
	}
	return events;
}

/* Has the body's last chunk come? Looks at the newest bytes only. */
static bool saw_last_chunk(struct stream *stream, const char *buf, size_t len)
{
	size_t from = len > LAST_CHUNK_SIZE ? len - LAST_CHUNK_SIZE : 0;

	for (; from < len; from++) {
		if (stream->last < LAST_CHUNK_SIZE && buf[from] == last_chunk[stream->last])
			stream->last++;
		else
			stream->last = buf[from] == last_chunk[0];
	}
	return stream->last == LAST_CHUNK_SIZE;
}

static void end_stream(struct bench *bench, struct stream *stream, bool good)
{
	close(stream->fd);
	stream->fd = -1;
	stream->state = good ? STREAM_ENDED : STREAM_BROKEN;
	if (good)
		bench->ended++;
	else
		bench->broken++;
}

/* Before the events are added to the stream's. */
static void take_times(struct bench *bench, struct stream *stream, uint32_t events)
{
	uint64_t now, past_us, gap_us = bench->options.gap_us;

	if (!events)
		return;
	now = now_ns();
	past_us = (now - stream->last_ns) / 1000u;
	stream->last_ns = now;
	if (!stream->events) {
		sl_histogram_record(&bench->first_us, past_us);
	} else if (bench->in_window) {
		sl_histogram_record(&bench->jitter_us,
				    past_us > gap_us ? past_us - gap_us : gap_us - past_us);
		while (--events)
			sl_histogram_record(&bench->jitter_us, gap_us);
	}
}

static void on_readable(struct bench *bench, struct stream *stream)
{
	static char buf[BUFFER_BYTES];
	ssize_t got = recv(stream->fd, buf, sizeof(buf), MSG_DONTWAIT);
	uint32_t events;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end_stream(bench, stream, false);
		return;
	}
	if (bench->options.idle) {
		/* A short answer comes in one piece, or its rest does not matter here. */
		if (!stream->events && (got < 12 || memcmp(buf, "HTTP/1.1 200", 12))) {
			end_stream(bench, stream, false);
			return;
		}
		bench->first += !stream->events;
		stream->events = 1;
		return;
	}
	events = count_events(stream, buf, (size_t)got);
	take_times(bench, stream, events);
	bench->first += !stream->events && events;
	stream->events += events;
	bench->events += events;
	if (saw_last_chunk(stream, buf, (size_t)got))
		end_stream(bench, stream, stream->done_seen && stream->events > 1);
}

static void poll_streams(struct bench *bench, int timeout_ms)
{
	struct epoll_event events[BATCH];
	int count = epoll_wait(bench->epoll_fd, events, BATCH, timeout_ms);
	int i;

	for (i = 0; i < count; i++)
		on_readable(bench, events[i].data.ptr);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void write_request(struct bench *bench)
{
	const struct options *o = &bench->options;
	char body[REQUEST_BYTES / 2];
	int len =
		snprintf(body, sizeof(body),
			 "{\"model\":\"bench\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell "
			 "me about rivers and the people who live beside them.\"}],\"stream\":%s,"
			 "\"max_tokens\":%u,\"ignore_eos\":true}",
			 o->idle ? "false" : "true", o->tokens);

	bench->request_len =
		(size_t)snprintf(bench->request, sizeof(bench->request),
				 "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n"
				 "content-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
				 len, body);
}

static int open_stream(struct bench *bench, struct stream *stream)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
	struct sockaddr_in source = {.sin_family = AF_INET};
	int on = 1;

	stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stream->fd < 0)
		return -errno;
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + bench->opened / SOURCE_STREAMS);
	setsockopt(stream->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(stream->fd, (struct sockaddr *)&source, sizeof(source)))
		return -errno;
	/* On loopback a connect does not wait for anything but room in the backlog. */
	if (connect(stream->fd, (struct sockaddr *)&bench->options.target,
		    sizeof(bench->options.target)))
		return -errno;
	setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	stream->last_ns = now_ns();
	if (send(stream->fd, bench->request, bench->request_len, MSG_NOSIGNAL) !=
	    (ssize_t)bench->request_len)
		return errno ? -errno : -EIO;
	if (epoll_ctl(bench->epoll_fd, EPOLL_CTL_ADD, stream->fd, &event))
		return -errno;
	stream->state = STREAM_OPEN;
	bench->opened++;
	return 0;
}

static int open_all(struct bench *bench)
{
	const struct options *o = &bench->options;
	uint64_t start = now_ms(), until;

	while (bench->opened < o->streams) {
		uint64_t gone = now_ms() - start;
		uint64_t due = o->open_ms ? 1 + o->streams * gone / o->open_ms : o->streams;

		while (bench->opened < o->streams && bench->opened < due) {
			int rc = open_stream(bench, &bench->streams[bench->opened]);

			if (rc) {
				fprintf(stderr, "streams: stream %u: %s\n", bench->opened,
					strerror(-rc));
				return rc;
			}
		}
		poll_streams(bench, 1);
	}
	until = now_ms() + FIRST_LIMIT_MS;
	while (bench->first + bench->broken < o->streams && now_ms() < until)
		poll_streams(bench, 10);
	if (bench->first < o->streams) {
		fprintf(stderr, "streams: %u of %u have begun, %u broken\n", bench->first,
			o->streams, bench->broken);
		return -ETIMEDOUT;
	}
	until = now_ms() + SETTLE_MS;
	while (now_ms() < until)
		poll_streams(bench, 10);
	return 0;
}

/* ---- measuring ------------------------------------------------------------------------------ */

static int measure(struct bench *bench)
{
	const struct options *o = &bench->options;
	struct usage before, after;
	uint64_t events, start, until, gone_ns;
	uint32_t open;

	if (usage_of(o->pids, o->pid_count, &before))
		return -ESRCH;
	events = bench->events;
	start = now_ns();
	until = now_ms() + o->window_ms;
	bench->in_window = true;
	while (now_ms() < until)
		poll_streams(bench, 10);
	bench->in_window = false;
	gone_ns = now_ns() - start;
	open = bench->opened - bench->ended - bench->broken;
	if (usage_of(o->pids, o->pid_count, &after))
		return -ESRCH;
	events = bench->events - events;
	printf("streams=%u open=%u window_ms=%llu events=%llu cpu_ns=%llu pss_bytes=%llu ",
	       o->streams, open, (unsigned long long)(gone_ns / 1000000u),
	       (unsigned long long)events, (unsigned long long)(after.cpu_ns - before.cpu_ns),
	       (unsigned long long)after.pss_bytes);
	printf("first_p50_us=%llu first_p99_us=%llu jitter_p50_us=%llu jitter_p99_us=%llu ",
	       (unsigned long long)sl_histogram_quantile(&bench->first_us, 500),
	       (unsigned long long)sl_histogram_quantile(&bench->first_us, 990),
	       (unsigned long long)sl_histogram_quantile(&bench->jitter_us, 500),
	       (unsigned long long)sl_histogram_quantile(&bench->jitter_us, 990));
	if (open < o->streams) {
		fprintf(stderr, "streams: %u ended before the window did: more tokens\n",
			o->streams - open);
		return -EAGAIN;
	}
	return 0;
}

static int run(struct bench *bench)
{
	const struct options *o = &bench->options;
	uint64_t until = now_ms() + bench->options.open_ms + LIMIT_MS;
	int rc = open_all(bench);

	if (!rc)
		rc = measure(bench);
	if (rc)
		return rc;
	while (!o->leave && !o->idle && bench->ended + bench->broken < o->streams &&
	       now_ms() < until)
		poll_streams(bench, 10);
	printf("ended=%u broken=%u total=%llu\n", bench->ended, bench->broken,
	       (unsigned long long)bench->events);
	if (bench->broken || (!o->leave && !o->idle && bench->ended < o->streams)) {
		fprintf(stderr, "streams: of %u, %u ended with [DONE] and %u broke\n", o->streams,
			bench->ended, bench->broken);
		return -EPROTO;
	}
	return 0;
}

/* ---- command line --------------------------------------------------------------------------- */

static int usage_error(const char *what, const char *value)
{
	fprintf(stderr, "streams: %s: %s (see the head of tests/bench/streams.c)\n", what,
		value ? value : "");
	return 2;
}

static int parse_target(const char *text, struct sockaddr_in *target)
{
	char host[64];
	unsigned int port;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > 65535)
		return -EINVAL;
	target->sin_family = AF_INET;
	target->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &target->sin_addr) == 1 ? 0 : -EINVAL;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option table[] = {
		{"target", required_argument, NULL, 't'},
		{"pids", required_argument, NULL, 'p'},
		{"streams", required_argument, NULL, 'n'},
		{"tokens", required_argument, NULL, 'k'},
		{"open-ms", required_argument, NULL, 'o'},
		{"window-ms", required_argument, NULL, 'w'},
		{"gap-us", required_argument, NULL, 'g'},
		{"idle", no_argument, NULL, 'i'},
		{"leave", no_argument, NULL, 'l'},
		{0},
	};
	int option;

	*o = (struct options){.streams = 1000, .tokens = 200, .open_ms = 700, .window_ms = 3000};
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == 't' && parse_target(optarg, &o->target))
			return usage_error("not an IPv4 address and port", optarg);
		if (option == 'p' && !(o->pid_count = usage_parse_pids(optarg, o->pids, 0)))
			return usage_error("not a list of process ids", optarg);
		if (option == 'n')
			o->streams = (uint32_t)strtoul(optarg, NULL, 10);
		if (option == 'k')
			o->tokens = (uint32_t)strtoul(optarg, NULL, 10);
		if (option == 'o')
			o->open_ms = (uint32_t)strtoul(optarg, NULL, 10);
		if (option == 'w')
			o->window_ms = (uint32_t)strtoul(optarg, NULL, 10);
		if (option == 'g')
			o->gap_us = (uint32_t)strtoul(optarg, NULL, 10);
		o->idle |= option == 'i';
		o->leave |= option == 'l';
		if (option == '?')
			return 2;
	}
	if (!o->target.sin_port || !o->pid_count)
		return usage_error("--target and --pids are needed", "");
	if (!o->streams || o->streams > STREAMS_MAX)
		return usage_error("--streams is 1 to 120000", "");
	return 0;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	struct rlimit files;
	int rc = parse(&bench.options, argc, argv);

	if (rc)
		return rc;
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	bench.streams = calloc(bench.options.streams, sizeof(*bench.streams));
	bench.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!bench.streams || bench.epoll_fd < 0)
		return 1;
	write_request(&bench);
	rc = run(&bench);
	free(bench.streams);
	if (rc)
		fprintf(stderr, "streams: failed: %s\n", strerror(-rc));
	return rc ? 1 : 0;
}
