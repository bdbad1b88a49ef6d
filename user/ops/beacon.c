/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/beacon.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/siphash.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/random.h"
#include "user/http/client.h"
#include "user/ops/scrape.h"

#define REQUEST_BYTES_MAX (SL_CONFIG_URL_MAX + 256u)
#define CLOSE_TURNS_MAX	  50
#define CLOSE_TURN_MS	  10

enum connection {
	CONNECTION_NONE = 0,
	CONNECTION_OPENING, /* the request goes out when it is open */
	CONNECTION_ASKED,
	CONNECTION_IDLE,
	CONNECTION_CLOSING, /* until closed() */
};

/* One node. Freed when it is gone and its connection closed. */
struct report {
	struct sl_client_conn conn; /* first */
	struct sl_beacon_sender *sender;
	struct report *next;
	struct sl_endpoint node;
	struct sl_endpoint metrics_at;
	char text[SL_ADDRESS_TEXT_SIZE];
	char path[SL_CONFIG_URL_MAX + 1]; /* "": there is no page */
	enum connection connection;
	struct sl_timer due;	  /* the next beacon */
	struct sl_timer deadline; /* of the page */
	struct sl_scrape scrape;
	struct sl_load_reading load;
	size_t page_bytes;
	bool status_ok;
	bool again; /* the kept connection was stale: once more on a new one */
	bool answered;
	bool gone;
	uint32_t failures; /* in a row */
};

struct sl_beacon_sender {
	struct sl_loop *loop;
	struct report *reports;
	struct sl_random random;
	int fds[2]; /* IPv4, IPv6; -1 */
	struct sl_config_beacon_key key;
	struct sl_endpoint send_to[SL_CONFIG_TARGETS_MAX];
	uint32_t send_count;
	uint32_t every_ms;
	uint64_t incarnation;
	uint64_t sequence;
};

/* ---- a beacon ------------------------------------------------------------------------------ */

static enum sl_health health_of(const struct report *report)
{
	if (report->failures >= SL_BEACON_TRIES)
		return SL_HEALTH_SICK;
	return report->answered ? SL_HEALTH_READY : SL_HEALTH_UNKNOWN;
}

static void build(struct sl_beacon_sender *sender, const struct report *report,
		  struct sl_beacon *ret_beacon)
{
	__u64 words[SL_SIPHASH_WORDS_MAX];

	*ret_beacon = (struct sl_beacon){
		.magic = htobe32(SL_BEACON_MAGIC),
		.version = SL_BEACON_VERSION,
		.health = (uint8_t)health_of(report),
		.port = report->node.port,
		.key_id = htobe32(sender->key.id),
		.running = htobe32(report->load.running),
		.waiting = htobe32(report->load.waiting),
		.kv_permille = htobe32(report->load.kv_permille),
		.addr = report->node.addr,
		.incarnation = htobe64(sender->incarnation),
		.sequence = htobe64(++sender->sequence),
	};
	memcpy(words, ret_beacon, sizeof(words));
	ret_beacon->tag =
		htobe64(sl_siphash24(words, SL_SIPHASH_WORDS_MAX,
				     (const __u64[]){sender->key.key[0], sender->key.key[1]}));
}

static void send_beacon(struct report *report)
{
	struct sl_beacon_sender *sender = report->sender;
	char text[SL_ADDRESS_TEXT_SIZE];
	struct sl_beacon beacon;

	build(sender, report, &beacon);
	for (uint32_t i = 0; i < sender->send_count; i++) {
		const struct sl_endpoint *to = &sender->send_to[i];
		struct sockaddr_storage address;
		socklen_t address_len = sl_address_to_sockaddr(to, &address);
		int fd = sender->fds[address.ss_family == AF_INET6];

		if (sendto(fd, &beacon, sizeof(beacon), MSG_DONTWAIT | MSG_NOSIGNAL,
			   (struct sockaddr *)&address, address_len) < 0)
			sl_log_limited(SL_LOG_WARN, "beacon of %s to %s: %s", report->text,
				       sl_address_format(to, text), strerror(errno));
	}
}

/* ---- the page ------------------------------------------------------------------------------ */

static void fetch(struct report *report);

static void report_free(struct report *report)
{
	struct report **at = &report->sender->reports;

	while (*at != report)
		at = &(*at)->next;
	*at = report->next;
	free(report);
}

static void connection_close(struct report *report)
{
	if (report->connection == CONNECTION_NONE || report->connection == CONNECTION_CLOSING)
		return;
	report->connection = CONNECTION_CLOSING;
	sl_client_close(&report->conn);
}

static void page_came(struct report *report)
{
	if (report->failures >= SL_BEACON_TRIES)
		sl_log(SL_LOG_INFO, "beacon of %s: its metrics are answered again", report->text);
	report->failures = 0;
	report->answered = true;
	if (!sl_scrape_end(&report->scrape, &report->load))
		sl_log_limited(SL_LOG_WARN,
			       "beacon of %s: %s shows no metric that is known: its beacons say "
			       "that nothing runs",
			       report->text, report->path);
}

static void page_failed(struct report *report, const char *why)
{
	if (report->failures >= SL_BEACON_TRIES || ++report->failures < SL_BEACON_TRIES)
		return;
	sl_log(SL_LOG_WARN, "beacon of %s: %s: %s, %u times: its beacons say that it is sick",
	       report->text, report->path, why, SL_BEACON_TRIES);
}

/* The try is over; `why` is NULL when the page came. */
static void fetched(struct report *report, const char *why)
{
	sl_timer_cancel(report->sender->loop, &report->deadline);
	if (report->gone)
		return;
	if (why == NULL)
		page_came(report);
	else
		page_failed(report, why);
	send_beacon(report);
}

static void ask(struct report *report)
{
	char request[REQUEST_BYTES_MAX], host[SL_ADDRESS_TEXT_SIZE];
	int len = snprintf(request, sizeof(request),
			   "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/plain\r\n"
			   "User-Agent: sluiced\r\n\r\n",
			   report->path, sl_address_format(&report->metrics_at, host));

	report->connection = CONNECTION_ASKED;
	report->page_bytes = 0;
	report->status_ok = false;
	sl_scrape_begin(&report->scrape);
	sl_client_begin(&report->conn, false);
	if (sl_socket_send(&report->conn.socket, request, (size_t)len) != 0) {
		connection_close(report);
		fetched(report, "cannot be asked for");
	}
}

static void on_connected(struct sl_client_conn *conn, int error)
{
	struct report *report = (struct report *)conn;

	if (error != 0) {
		report->connection = CONNECTION_CLOSING;
		fetched(report, strerror(-error));
		return;
	}
	ask(report);
}

static void on_head(struct sl_client_conn *conn, const struct sl_h1_head *head)
{
	((struct report *)conn)->status_ok = head->status == 200;
}

static void on_body(struct sl_client_conn *conn, const char *data, size_t len)
{
	struct report *report = (struct report *)conn;

	report->page_bytes += len;
	if (report->page_bytes > SL_BEACON_PAGE_BYTES) {
		connection_close(report);
		fetched(report, "the page is too long");
	} else if (report->status_ok) {
		sl_scrape_feed(&report->scrape, data, len);
	}
}

static void on_end(struct sl_client_conn *conn)
{
	struct report *report = (struct report *)conn;

	report->connection = conn->reusable ? CONNECTION_IDLE : CONNECTION_CLOSING;
	fetched(report, report->status_ok ? NULL : "the status is not 200");
}

static void on_failed(struct sl_client_conn *conn, enum sl_client_failure failure, int error,
		      const char *text)
{
	struct report *report = (struct report *)conn;

	report->connection = CONNECTION_CLOSING;
	if (failure == SL_CLIENT_FAILED_STALE)
		report->again = true;
	else
		fetched(report, error ? strerror(-error) : text);
}

static void on_lost(struct sl_client_conn *conn)
{
	((struct report *)conn)->connection = CONNECTION_CLOSING;
}

static void on_closed(struct sl_client_conn *conn)
{
	struct report *report = (struct report *)conn;

	report->connection = CONNECTION_NONE;
	if (report->gone) {
		report_free(report);
	} else if (report->again) {
		report->again = false;
		fetch(report);
	}
}

static const struct sl_client_ops client_ops = {
	.connected = on_connected,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
	.lost = on_lost,
	.closed = on_closed,
};

static void on_deadline(struct sl_timer *timer)
{
	struct report *report =
		(struct report *)((char *)timer - offsetof(struct report, deadline));

	report->again = false;
	connection_close(report);
	fetched(report, "no answer in time");
}

static void fetch(struct report *report)
{
	struct sl_loop *loop = report->sender->loop;
	struct sockaddr_storage address;
	socklen_t address_len;
	int error;

	if (!sl_timer_is_set(&report->deadline))
		sl_timer_set(loop, &report->deadline, SL_BEACON_FETCH_MS);
	if (report->connection == CONNECTION_IDLE) {
		ask(report);
		return;
	}
	address_len = sl_address_to_sockaddr(&report->metrics_at, &address);
	report->connection = CONNECTION_OPENING;
	error = sl_client_connect(&report->conn, loop, &client_ops, NULL,
				  (struct sockaddr *)&address, address_len, NULL);
	if (error != 0) {
		report->connection = CONNECTION_NONE;
		fetched(report, strerror(-error));
	}
}

/* A quarter earlier or later: hosts that began together do not send together. */
static void set_due(struct report *report)
{
	struct sl_beacon_sender *sender = report->sender;
	uint32_t half = sender->every_ms / 2;

	sl_timer_set(sender->loop, &report->due,
		     sender->every_ms - half / 2 + sl_random_below(&sender->random, half + 1));
}

static void on_due(struct sl_timer *timer)
{
	struct report *report = (struct report *)((char *)timer - offsetof(struct report, due));

	set_due(report);
	if (report->path[0] != '\0' && !sl_timer_is_set(&report->deadline) &&
	    (report->connection == CONNECTION_NONE || report->connection == CONNECTION_IDLE))
		fetch(report);
	else
		send_beacon(report);
}

/* ---- the list ------------------------------------------------------------------------------ */

static void report_end(struct report *report)
{
	struct sl_loop *loop = report->sender->loop;

	report->gone = true;
	sl_timer_cancel(loop, &report->due);
	sl_timer_cancel(loop, &report->deadline);
	if (report->connection == CONNECTION_NONE)
		report_free(report);
	else
		connection_close(report);
}

static bool is_same(const struct report *report, const struct sl_config_report *wanted)
{
	const char *path = wanted->metrics_path ? wanted->metrics_path : "";

	return !report->gone && sl_address_equal(&report->node, &wanted->node) &&
	       strcmp(report->path, path) == 0 &&
	       (path[0] == '\0' || sl_address_equal(&report->metrics_at, &wanted->metrics_at));
}

static const struct sl_config_report *find_wanted(const struct sl_config_beacon *config,
						  const struct report *report)
{
	for (uint32_t i = 0; i < config->node_count; i++)
		if (is_same(report, &config->nodes[i]))
			return &config->nodes[i];
	return NULL;
}

static void end_unwanted(struct sl_beacon_sender *sender, const struct sl_config_beacon *config)
{
	struct report *next;

	for (struct report *report = sender->reports; report != NULL; report = next) {
		next = report->next;
		if (!report->gone && (config->send_count == 0 || !find_wanted(config, report)))
			report_end(report);
	}
}

static bool is_here(const struct sl_beacon_sender *sender, const struct sl_config_report *wanted)
{
	for (const struct report *report = sender->reports; report != NULL; report = report->next)
		if (is_same(report, wanted))
			return true;
	return false;
}

static int begin_wanted(struct sl_beacon_sender *sender, const struct sl_config_report *wanted)
{
	struct report *report;

	if (is_here(sender, wanted))
		return 0;
	report = calloc(1, sizeof(*report));
	if (report == NULL)
		return -ENOMEM;
	report->sender = sender;
	report->node = wanted->node;
	report->metrics_at = wanted->metrics_at;
	sl_address_format(&report->node, report->text);
	if (wanted->metrics_path != NULL)
		snprintf(report->path, sizeof(report->path), "%s", wanted->metrics_path);
	sl_timer_init(&report->due, on_due);
	sl_timer_init(&report->deadline, on_deadline);
	report->next = sender->reports;
	sender->reports = report;
	sl_timer_set(sender->loop, &report->due,
		     sl_random_below(&sender->random, sender->every_ms));
	return 0;
}

/* A socket for each family that is sent to. */
static int open_sockets(struct sl_beacon_sender *sender, const struct sl_config_beacon *config)
{
	for (uint32_t i = 0; i < config->send_count; i++) {
		bool is_v6 = !sl_address_is_v4(&config->send_to[i].addr);

		if (sender->fds[is_v6] >= 0)
			continue;
		sender->fds[is_v6] = socket(is_v6 ? AF_INET6 : AF_INET,
					    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (sender->fds[is_v6] < 0)
			return -errno;
	}
	return 0;
}

int sl_beacon_sender_apply(struct sl_beacon_sender *sender, const struct sl_config_beacon *config)
{
	int error = open_sockets(sender, config);

	if (error != 0)
		return error;
	memcpy(sender->send_to, config->send_to, sizeof(sender->send_to));
	sender->send_count = config->send_count;
	sender->every_ms = config->every_ms;
	if (config->key_count > 0)
		sender->key = config->keys[0];
	end_unwanted(sender, config);
	for (uint32_t i = 0; i < config->node_count && config->send_count > 0 && error == 0; i++)
		error = begin_wanted(sender, &config->nodes[i]);
	return error;
}

int sl_beacon_sender_open(struct sl_loop *loop, struct sl_beacon_sender **ret_sender)
{
	struct sl_beacon_sender *sender = calloc(1, sizeof(*sender));
	struct timespec now;

	if (sender == NULL)
		return -ENOMEM;
	clock_gettime(CLOCK_REALTIME, &now);
	sender->loop = loop;
	sender->fds[0] = sender->fds[1] = -1;
	sender->incarnation = (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec;
	sl_random_init(&sender->random);
	*ret_sender = sender;
	return 0;
}

void sl_beacon_sender_close(struct sl_beacon_sender **sender)
{
	static const struct sl_config_beacon nothing;
	struct sl_beacon_sender *ending = *sender;

	if (ending == NULL)
		return;
	end_unwanted(ending, &nothing);
	for (int turns = 0; ending->reports != NULL && turns < CLOSE_TURNS_MAX; turns++)
		sl_loop_turn(ending->loop, CLOSE_TURN_MS);
	for (int i = 0; i < 2; i++)
		if (ending->fds[i] >= 0)
			close(ending->fds[i]);
	if (ending->reports == NULL)
		free(ending);
	*sender = NULL;
}
