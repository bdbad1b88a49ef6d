/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load.c - a client that keeps N requests in flight and counts how each one ended.
 *
 *	load --url 127.0.0.1:8080 --model chat --count 2000 --concurrency 50 --stream-percent 50
 *
 * Half of the truth of the end-to-end tests is here, so it is strict: a whole answer must be 200
 * with a finish_reason, a stream must end by [DONE] and its last chunk. Everything else has a
 * counter of its own, printed as NAME=VALUE lines. SIGTERM: no new requests, finish, print.
 *
 * --connects: each request on a connection of its own, for balancers of connections.
 *
 * One thread, epoll, no timer but --timeout-ms of silence for a request. Owns nothing but its
 * slots. It shares no code with sluice: it judges it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONCURRENCY_MAX	   4096u
#define ANSWER_BYTES_MAX   (1u << 20)
#define REQUEST_BYTES_MAX  1024u
#define READ_BYTES	   16384u
#define FAILURES_SHOWN_MAX 5u
#define STALE_RETRIES_MAX  3u

struct counts {
	uint64_t requests;
	uint64_t whole_ok;
	uint64_t whole_failed;	    /* any status but 200, a broken or an invalid answer */
	uint64_t stream_ok;	    /* to its [DONE] */
	uint64_t stream_failed;	    /* failed before a token was received */
	uint64_t stream_broken;	    /* ended by an error event after a token */
	uint64_t stream_incomplete; /* after a token: neither [DONE] nor an error event */
	uint64_t fallback;	    /* answered by a fallback pool */
	uint64_t retried;	    /* took more than one attempt */
	uint64_t reconnects;	    /* a kept connection was closed before the request was read */
};

struct slot {
	int fd; /* -1: none */
	bool busy;
	bool reused;
	bool stream;
	uint32_t stale_tries;
	uint64_t number;
	uint64_t progress_ms;
	size_t head_len;  /* 0: not complete yet */
	int64_t body_len; /* -1: chunked */
	size_t chunk_at;  /* of the next chunk's size line, in the answer */
	size_t text_len;  /* decoded body, at the front of text */
	char *answer;
	size_t answer_len;
	char *text;
};

static struct {
	struct sockaddr_in address;
	const char *model;
	const char *key; /* of the API; "": none */
	uint64_t count;
	uint32_t concurrency;
	uint32_t stream_percent;
	uint32_t tokens;
	uint64_t timeout_ms;
	bool connects; /* anew for each request */
} options = {
	.model = "chat",
	.key = "",
	.count = 1000,
	.concurrency = 50,
	.stream_percent = 50,
	.tokens = 8,
	.timeout_ms = 60000,
};

static struct counts counts;
static struct slot slots[CONCURRENCY_MAX];
static int epoll_fd;
static uint32_t busy_count;
static uint32_t failures_shown;
static volatile sig_atomic_t stopping;

static void on_stop(int number)
{
	(void)number;
	stopping = 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static void show_failure(const struct slot *slot, const char *why)
{
	if (failures_shown++ >= FAILURES_SHOWN_MAX)
		return;
	fprintf(stderr, "load: request %llu (%s): %s: %.*s\n", (unsigned long long)slot->number,
		slot->stream ? "stream" : "whole", why,
		(int)(slot->answer_len < 600 ? slot->answer_len : 600), slot->answer);
}

/* ---- one request ------------------------------------------------------------------------------ */

static void drop_connection(struct slot *slot)
{
	if (slot->fd >= 0)
		close(slot->fd);
	slot->fd = -1;
}

static bool connect_slot(struct slot *slot)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
	int on = 1;

	slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (slot->fd < 0)
		return false;
	setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* Blocking: on loopback a connect takes no time, and a refusal is an answer. */
	if (connect(slot->fd, (struct sockaddr *)&options.address, sizeof(options.address)) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, slot->fd, &event)) {
		drop_connection(slot);
		return false;
	}
	return true;
}

static bool send_request(struct slot *slot)
{
	char body[REQUEST_BYTES_MAX], request[2 * REQUEST_BYTES_MAX];
	int body_len = snprintf(body, sizeof(body),
				"{\"model\":\"%s\",\"stream\":%s,\"max_tokens\":%u,"
				"\"ignore_eos\":true,\"messages\":[{\"role\":\"user\","
				"\"content\":\"load %llu\"}]}",
				options.model, slot->stream ? "true" : "false", options.tokens,
				(unsigned long long)slot->number);
	int len = snprintf(request, sizeof(request),
			   "POST /v1/chat/completions HTTP/1.1\r\nhost: sluice\r\n"
			   "content-type: application/json\r\nx-request-id: load-%llu\r\n"
			   "%s%s%scontent-length: %d\r\n\r\n%s",
			   (unsigned long long)slot->number,
			   options.key[0] ? "authorization: Bearer " : "", options.key,
			   options.key[0] ? "\r\n" : "", body_len, body);

	slot->reused = slot->fd >= 0;
	if (slot->fd < 0 && !connect_slot(slot))
		return false;
	slot->answer_len = slot->head_len = slot->chunk_at = slot->text_len = 0;
	slot->body_len = 0;
	slot->progress_ms = now_ms();
	return send(slot->fd, request, (size_t)len, MSG_NOSIGNAL) == len;
}

static void count_failed(struct slot *slot, const char *why)
{
	show_failure(slot, why);
	if (slot->stream)
		counts.stream_failed++;
	else
		counts.whole_failed++;
}

static void start(struct slot *slot)
{
	if (stopping || counts.requests >= options.count) {
		if (slot->busy)
			busy_count--;
		slot->busy = false;
		return;
	}
	if (!slot->busy)
		busy_count++;
	slot->busy = true;
	slot->stale_tries = 0;
	slot->number = counts.requests++;
	slot->stream = slot->number * 37u % 100u < options.stream_percent;
	if (send_request(slot))
		return;
	/* The server may have closed a kept connection meanwhile: once more on a new one. */
	drop_connection(slot);
	counts.reconnects++;
	if (!send_request(slot))
		drop_connection(slot);
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* The value of a header field, or NULL. */
static const char *field(const struct slot *slot, const char *name)
{
	const char *at = slot->answer, *end = slot->answer + slot->head_len;
	size_t name_len = strlen(name);

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if ((size_t)(end - at) > name_len + 1 && !strncasecmp(at, name, name_len) &&
		    at[name_len] == ':')
			return at + name_len + 1 + (at[name_len + 1] == ' ');
	}
	return NULL;
}

static void read_head(struct slot *slot)
{
	const char *end = memmem(slot->answer, slot->answer_len, "\r\n\r\n", 4);
	const char *length;

	if (!end)
		return;
	slot->head_len = (size_t)(end - slot->answer) + 4;
	slot->chunk_at = slot->head_len;
	length = field(slot, "content-length");
	slot->body_len = length ? strtoll(length, NULL, 10) : -1;
}

/* Decodes chunks that are there. Returns true at the last one. */
static bool read_chunks(struct slot *slot)
{
	for (;;) {
		const char *at = slot->answer + slot->chunk_at;
		size_t left = slot->answer_len - slot->chunk_at;
		const char *line_end = memmem(at, left, "\r\n", 2);
		size_t size, need;

		if (!line_end)
			return false;
		size = strtoul(at, NULL, 16);
		need = (size_t)(line_end - at) + 2 + size + 2;
		if (left < need)
			return false;
		if (slot->text_len + size < ANSWER_BYTES_MAX)
			memcpy(slot->text + slot->text_len, line_end + 2, size);
		slot->text_len += size;
		slot->chunk_at += need;
		if (!size)
			return true;
	}
}

static bool is_complete(struct slot *slot)
{
	if (!slot->head_len)
		read_head(slot);
	if (!slot->head_len)
		return false;
	if (slot->body_len < 0)
		return read_chunks(slot);
	slot->text_len = slot->answer_len - slot->head_len;
	if (slot->text_len < (size_t)slot->body_len)
		return false;
	memcpy(slot->text, slot->answer + slot->head_len, slot->text_len);
	return true;
}

static bool has(const struct slot *slot, const char *text)
{
	return memmem(slot->text, slot->text_len, text, strlen(text)) != NULL;
}

static void judge_stream(struct slot *slot, bool complete)
{
	bool token = has(slot, "\"delta\":{\"content\":\"");
	bool done = has(slot, "\n\ndata: [DONE]\n\n");
	bool finish = has(slot, "\"finish_reason\":\"");
	bool error = has(slot, "data: {\"error\":");

	if (complete && done && finish && !error)
		counts.stream_ok++;
	else if (!token)
		count_failed(slot, "no token");
	else if (complete && error && !done)
		counts.stream_broken++;
	else {
		show_failure(slot, done ? "a [DONE] that is not true" : "cut without a word");
		counts.stream_incomplete++;
	}
}

static void judge(struct slot *slot, bool complete)
{
	const char *attempts = slot->head_len ? field(slot, "x-sluice-attempts") : NULL;
	bool ok = slot->answer_len > 12 && !memcmp(slot->answer, "HTTP/1.1 200", 12);

	if (slot->head_len && field(slot, "x-sluice-fallback"))
		counts.fallback++;
	if (attempts && strtoul(attempts, NULL, 10) > 1)
		counts.retried++;
	if (!ok)
		count_failed(slot, "status");
	else if (slot->stream)
		judge_stream(slot, complete);
	else if (complete && has(slot, "\"finish_reason\":\""))
		counts.whole_ok++;
	else
		count_failed(slot, "answer not whole");
}

static void finish(struct slot *slot, bool complete)
{
	const char *connection;

	judge(slot, complete);
	connection = slot->head_len ? field(slot, "connection") : NULL;
	if (!complete || options.connects || (connection && !strncasecmp(connection, "close", 5)))
		drop_connection(slot);
	start(slot);
}

static void on_end(struct slot *slot)
{
	drop_connection(slot);
	if (slot->reused && !slot->answer_len && slot->stale_tries++ < STALE_RETRIES_MAX) {
		counts.reconnects++;
		if (send_request(slot))
			return;
		drop_connection(slot);
	}
	finish(slot, false);
}

static void on_readable(struct slot *slot)
{
	ssize_t len;

	if (slot->answer_len + READ_BYTES > ANSWER_BYTES_MAX) {
		finish(slot, false);
		return;
	}
	len = recv(slot->fd, slot->answer + slot->answer_len, READ_BYTES, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0 || !slot->busy) {
		if (slot->busy)
			on_end(slot);
		else
			drop_connection(slot);
		return;
	}
	slot->answer_len += (size_t)len;
	slot->progress_ms = now_ms();
	if (is_complete(slot))
		finish(slot, true);
}

/* ---- the run ---------------------------------------------------------------------------------- */

static void sweep(void)
{
	uint64_t now = now_ms();
	uint32_t i;

	for (i = 0; i < options.concurrency; i++) {
		struct slot *slot = &slots[i];

		if (slot->busy && slot->fd < 0)
			finish(slot, false); /* could not be sent */
		else if (slot->busy && now - slot->progress_ms > options.timeout_ms)
			finish(slot, false);
	}
}

static int run(void)
{
	struct epoll_event events[256];
	uint32_t i;

	for (i = 0; i < options.concurrency; i++) {
		slots[i].fd = -1;
		slots[i].answer = malloc(ANSWER_BYTES_MAX);
		slots[i].text = malloc(ANSWER_BYTES_MAX);
		if (!slots[i].answer || !slots[i].text)
			return 1;
		start(&slots[i]);
	}
	while (busy_count) {
		int n = epoll_wait(epoll_fd, events, 256, 100);

		for (i = 0; n > 0 && i < (uint32_t)n; i++) {
			struct slot *slot = events[i].data.ptr;

			if (slot->fd >= 0)
				on_readable(slot);
		}
		sweep();
	}
	return 0;
}

static void print(void)
{
#define LINE(name) printf(#name "=%llu\n", (unsigned long long)counts.name)
	LINE(requests);
	LINE(whole_ok);
	LINE(whole_failed);
	LINE(stream_ok);
	LINE(stream_failed);
	LINE(stream_broken);
	LINE(stream_incomplete);
	LINE(fallback);
	LINE(retried);
	LINE(reconnects);
#undef LINE
}

static bool parse_url(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return false;
	*colon = '\0';
	options.address.sin_family = AF_INET;
	options.address.sin_port = htons((uint16_t)atoi(colon + 1));
	return inet_pton(AF_INET, text, &options.address.sin_addr) == 1;
}

static bool parse(int argc, char **argv)
{
	static const struct option table[] = {
		{"url", required_argument, NULL, 'u'},
		{"model", required_argument, NULL, 'm'},
		{"key", required_argument, NULL, 'k'},
		{"count", required_argument, NULL, 'n'},
		{"concurrency", required_argument, NULL, 'c'},
		{"stream-percent", required_argument, NULL, 's'},
		{"tokens", required_argument, NULL, 't'},
		{"timeout-ms", required_argument, NULL, 'T'},
		{"connects", no_argument, NULL, 'C'},
		{NULL, 0, NULL, 0},
	};
	bool url = false;
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (option) {
		case 'u':
			url = parse_url(optarg);
			break;
		case 'm':
			options.model = optarg;
			break;
		case 'k':
			options.key = optarg;
			break;
		case 'n':
			options.count = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			options.concurrency = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			options.stream_percent = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 't':
			options.tokens = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'T':
			options.timeout_ms = strtoull(optarg, NULL, 10);
			break;
		case 'C':
			options.connects = true;
			break;
		default:
			return false;
		}
	}
	return url && optind == argc && options.concurrency &&
	       options.concurrency <= CONCURRENCY_MAX && strlen(options.model) < 256 &&
	       strlen(options.key) < 256;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_stop};
	int rc;

	if (!parse(argc, argv)) {
		fprintf(stderr,
			"usage: load --url ADDRESS:PORT [--model M] [--key KEY] [--count N] "
			"[--concurrency C] [--stream-percent P] [--tokens T] "
			"[--timeout-ms MS] [--connects]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return 1;
	rc = run();
	print();
	return rc;
}
