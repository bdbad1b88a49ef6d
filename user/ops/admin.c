/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/admin.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "user/base/address.h"
#include "user/base/health_line.h"
#include "user/base/log.h"

#define BACKLOG		16
#define CLOSE_TURNS_MAX 100
#define CLOSE_TURN_MS	10

enum phase {
	PHASE_LINE = 0,
	PHASE_BODY, /* `more` gets body_len bytes */
	PHASE_HTTP, /* `more` gets a request */
};

/* One connection: waits for a line and what belongs to it, answers, closes. */
struct sl_admin_conn {
	struct sl_socket socket; /* first */
	struct sl_admin *admin;
	struct sl_admin_conn *next, **pprev;
	struct sl_timer silence;
	bool answered;
	bool giving; /* the sockets were sent; waits for "go" without a bound: it costs nothing */
	bool told;   /* "100 Continue" */
	bool remote; /* came by the second door */
	enum sl_admin_stay stay;
	uint32_t passes; /* snapshots in a row that it could not be sent */
	enum phase phase;
	char line[SL_ADMIN_LINE_BYTES];
	size_t line_len;
	size_t body_len;
	struct sl_text more;
	char who[SL_ADMIN_WHO_BYTES];
};

static void end_conn(struct sl_admin_conn *conn)
{
	sl_timer_cancel(conn->admin->loop, &conn->silence);
	conn->answered = true;
	sl_socket_close(&conn->socket, SL_SOCKET_FLUSH);
}

/* A descriptor goes with the first byte, so not through the socket's queue, which is empty. */
static void describe(struct sl_admin_conn *conn)
{
	struct sl_admin *admin = conn->admin;
	struct sl_admin_answer answer = {0};
	char line[SL_ADMIN_ANSWER_BYTES_MAX], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {line, 0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	int passed_fd = admin->ops->describe(admin->owner, &answer);

	iov.iov_len = sl_admin_answer_format(&answer, line, sizeof(line));
	if (passed_fd >= 0) {
		memset(control, 0, sizeof(control));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
	}
	(void)!sendmsg(conn->socket.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void explain(struct sl_admin_conn *conn, char *words)
{
	struct sl_admin *admin = conn->admin;
	char *format = strchr(words, ' ');
	struct sl_text text;

	if (!format)
		return;
	*format++ = '\0';
	sl_text_init(&text, SL_ADMIN_REPLY_BYTES);
	admin->ops->explain(admin->owner, words, !strcmp(format, "json"), &text);
	if (!text.error)
		sl_socket_send(&conn->socket, sl_text_string(&text), text.len);
	sl_text_fini(&text);
}

static void send_answer(struct sl_admin_conn *conn, struct sl_text *text)
{
	if (text->error) {
		sl_text_reset(text);
		sl_text_append_string(text, "!the answer is too long; ask for one alone");
	}
	sl_socket_send(&conn->socket, sl_text_string(text), text->len);
}

static void ask(struct sl_admin_conn *conn, char *words,
		void (*op)(void *owner, const struct sl_admin_ask *ask, struct sl_text *text))
{
	struct sl_admin *admin = conn->admin;
	struct sl_admin_ask ask = {words, sl_text_span(&conn->more), conn->who};
	struct sl_text text;

	sl_text_init(&text, SL_ADMIN_REPLY_BYTES);
	op(admin->owner, &ask, &text);
	send_answer(conn, &text);
	sl_text_fini(&text);
}

static void ask_other(struct sl_admin_conn *conn)
{
	struct sl_admin *admin = conn->admin;
	char *words = strchr(conn->line, ' ');
	struct sl_admin_ask ask = {words ? words + 1 : conn->line + conn->line_len,
				   sl_text_span(&conn->more), conn->who};
	struct sl_text text;

	if (words)
		*words = '\0';
	sl_text_init(&text, SL_ADMIN_REPLY_BYTES);
	if (admin->ops->other && admin->ops->other(admin->owner, conn->line, &ask, &text))
		send_answer(conn, &text);
	sl_text_fini(&text);
}

static void http_send(struct sl_admin_conn *conn, const struct sl_admin_reply *reply,
		      struct sl_span body)
{
	struct sl_text answer;

	sl_text_init(&answer, body.len + 4096);
	sl_admin_http_write(reply, body, &answer);
	sl_socket_send(&conn->socket, sl_text_string(&answer), answer.len);
	sl_text_fini(&answer);
	end_conn(conn);
}

static void http_refuse(struct sl_admin_conn *conn, int status)
{
	http_send(conn, &(struct sl_admin_reply){.status = status}, SL_SPAN(""));
}

/* It stays, without a bound in time: whoever leaves is noticed. */
static void http_stay(struct sl_admin_conn *conn, const struct sl_admin_reply *reply)
{
	struct sl_text head;

	conn->stay = reply->stay;
	conn->admin->stay_count++;
	sl_timer_cancel(conn->admin->loop, &conn->silence);
	if (conn->stay != SL_ADMIN_STAYS)
		return;
	sl_text_init(&head, 4096);
	sl_admin_http_write_open(reply, &head);
	sl_text_append_string(&head, "retry: 2000\n\n");
	sl_socket_send(&conn->socket, sl_text_string(&head), head.len);
	sl_text_fini(&head);
}

/* More bytes of a request have come. */
static void http(struct sl_admin_conn *conn)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct sl_admin *admin = conn->admin;
	struct sl_admin_reply reply = {.status = 500};
	struct sl_admin_request request;
	struct sl_text text;
	int rc = sl_admin_http_read(sl_text_string(&conn->more), conn->more.len, &request);

	if (rc < 0) {
		http_refuse(conn, -rc);
		return;
	}
	if (rc == 0) {
		if (request.waits && !conn->told)
			sl_socket_send(&conn->socket, go_on, sizeof(go_on) - 1);
		conn->told |= request.waits;
		return;
	}
	sl_text_init(&text, SL_ADMIN_REPLY_BYTES);
	admin->ops->http(admin->owner, &request, conn->remote, conn->who, &text, &reply);
	if (text.error)
		http_refuse(conn, 500);
	else if (reply.stay)
		http_stay(conn, &reply);
	else
		http_send(conn, &reply, reply.borrowed.data ? reply.borrowed : sl_text_span(&text));
	sl_text_fini(&text);
}

static void health(struct sl_admin_conn *conn)
{
	struct sl_admin *admin = conn->admin;
	struct sl_text text;

	sl_text_init(&text, SL_HEALTH_LINES_BYTES_MAX);
	admin->ops->health(admin->owner, &text);
	if (!text.error)
		sl_socket_send(&conn->socket, sl_text_string(&text), text.len);
	sl_text_fini(&text);
}

static void give(struct sl_admin_conn *conn)
{
	struct sl_admin *admin = conn->admin;
	int rc = admin->ops->give(admin->owner, conn->socket.fd);

	if (rc) {
		sl_log(SL_LOG_WARN, "takeover: the sockets could not be sent: %s", strerror(-rc));
		end_conn(conn);
		return;
	}
	sl_timer_cancel(admin->loop, &conn->silence);
	conn->giving = true;
	conn->line_len = 0;
	sl_log(SL_LOG_INFO, "takeover: sockets sent to a new process; serving on until it does");
}

static void go(struct sl_admin_conn *conn)
{
	if (strcmp(conn->line, "go") == 0) {
		sl_socket_send(&conn->socket, "ok\n", 3);
		conn->admin->ops->go(conn->admin->owner);
	} else {
		sl_log(SL_LOG_WARN, "takeover: the new process did not start; serving on");
	}
	end_conn(conn);
}

/* The line, and what belongs to it, is whole. */
static void answer(struct sl_admin_conn *conn)
{
	static const char explain_word[] = "explain ", prompt_word[] = "prompt ",
			  index_word[] = "index ";
	static const char canary_word[] = "canary ", cache_word[] = "cache ";

	if (conn->answered)
		return;
	conn->line[conn->line_len] = '\0';
	if (conn->remote) { /* not one word of the socket's, whatever it is */
		end_conn(conn);
		return;
	}
	if (conn->giving) {
		go(conn);
		return;
	}
	if (strcmp(conn->line, "takeover") == 0) {
		give(conn);
		return;
	}
	if (!conn->line_len)
		describe(conn);
	else if (!strcmp(conn->line, "health"))
		health(conn);
	else if (!strncmp(conn->line, explain_word, sizeof(explain_word) - 1))
		explain(conn, conn->line + sizeof(explain_word) - 1);
	else if (!strncmp(conn->line, prompt_word, sizeof(prompt_word) - 1))
		ask(conn, conn->line + sizeof(prompt_word) - 1, conn->admin->ops->prompt);
	else if (!strncmp(conn->line, index_word, sizeof(index_word) - 1))
		ask(conn, conn->line + sizeof(index_word) - 1, conn->admin->ops->index);
	else if (!strncmp(conn->line, canary_word, sizeof(canary_word) - 1))
		ask(conn, conn->line + sizeof(canary_word) - 1, conn->admin->ops->canary);
	else if (!strncmp(conn->line, cache_word, sizeof(cache_word) - 1))
		ask(conn, conn->line + sizeof(cache_word) - 1, conn->admin->ops->cache);
	else
		ask_other(conn);
	end_conn(conn);
}

/* A line that ends in " +N" has N bytes behind it: cuts that off and returns N. */
static size_t announced(struct sl_admin_conn *conn)
{
	char *plus = strrchr(conn->line, ' ');
	uint64_t count;

	if (!plus || plus[1] != '+' || sl_span_u64(sl_span_string(plus + 2), &count))
		return 0;
	*plus = '\0';
	conn->line_len = (size_t)(plus - conn->line);
	return count > SL_ADMIN_BODY_BYTES_MAX ? SIZE_MAX : (size_t)count;
}

/* What comes behind the line. */
static void take_more(struct sl_admin_conn *conn, const char *buf, size_t len)
{
	if (conn->phase == PHASE_BODY && len > conn->body_len - conn->more.len)
		len = conn->body_len - conn->more.len;
	if (sl_text_append(&conn->more, buf, len))
		end_conn(conn);
	else if (conn->phase == PHASE_HTTP)
		http(conn);
	else if (conn->more.len == conn->body_len)
		answer(conn);
}

static void take_line(struct sl_admin_conn *conn, const char *rest, size_t rest_len)
{
	static const char too_long[] = "!what was sent is too long";

	conn->line[conn->line_len] = '\0';
	if (conn->giving) {
		answer(conn);
	} else if (sl_admin_http_begins(conn->line, conn->line_len)) {
		conn->phase = PHASE_HTTP;
		sl_text_append(&conn->more, conn->line, conn->line_len);
		sl_text_append_char(&conn->more, '\n');
		take_more(conn, rest, rest_len);
	} else if ((conn->body_len = announced(conn)) == SIZE_MAX) {
		sl_socket_send(&conn->socket, too_long, sizeof(too_long) - 1);
		end_conn(conn);
	} else if (conn->body_len) {
		conn->phase = PHASE_BODY;
		take_more(conn, rest, rest_len);
	} else {
		answer(conn);
	}
}

static void on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct sl_admin_conn *conn = (struct sl_admin_conn *)socket;
	const char *end = memchr(buf, '\n', len);
	size_t part = end ? (size_t)(end - buf) : len;

	if (conn->answered || conn->stay)
		return;
	if (conn->phase != PHASE_LINE) {
		take_more(conn, buf, len);
		return;
	}
	if (conn->line_len + part >= sizeof(conn->line)) {
		end_conn(conn); /* nothing that is known is that long */
		return;
	}
	memcpy(conn->line + conn->line_len, buf, part);
	conn->line_len += part;
	if (end)
		take_line(conn, end + 1, len - part - 1);
}

static void on_eof(struct sl_socket *socket)
{
	struct sl_admin_conn *conn = (struct sl_admin_conn *)socket;

	if (conn->phase == PHASE_LINE)
		answer(conn);
	else if (!conn->answered)
		end_conn(conn); /* it is not whole */
}

static void on_error(struct sl_socket *socket, int error)
{
	struct sl_admin_conn *conn = (struct sl_admin_conn *)socket;

	(void)error;
	if (conn->answered)
		return;
	if (conn->giving)
		sl_log(SL_LOG_WARN, "takeover: the new process did not start; serving on");
	end_conn(conn);
}

static void on_closed(struct sl_socket *socket)
{
	struct sl_admin_conn *conn = (struct sl_admin_conn *)socket;

	sl_timer_cancel(conn->admin->loop, &conn->silence);
	*conn->pprev = conn->next;
	if (conn->next)
		conn->next->pprev = conn->pprev;
	conn->admin->conn_count -= !conn->remote;
	conn->admin->remote_count -= conn->remote;
	conn->admin->stay_count -= conn->stay != SL_ADMIN_ANSWERED;
	sl_text_fini(&conn->more);
	free(conn);
}

static const struct sl_socket_ops conn_ops = {
	.data = on_data,
	.eof = on_eof,
	.error = on_error,
	.closed = on_closed,
};

static void on_silence(struct sl_timer *timer)
{
	struct sl_admin_conn *conn =
		(struct sl_admin_conn *)((char *)timer - offsetof(struct sl_admin_conn, silence));

	end_conn(conn);
}

/* Who changes something: the user at the other end, or the place on loopback. */
static void name_peer(struct sl_admin_conn *conn, int fd, const struct sockaddr *from)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct sl_endpoint endpoint;
	char address[SL_ADDRESS_TEXT_SIZE];

	if (conn->remote && !sl_address_from_sockaddr(from, sizeof(struct sockaddr_in6), &endpoint))
		snprintf(conn->who, sizeof(conn->who), "status page, %.32s",
			 sl_address_format(&endpoint, address));
	else if (conn->remote)
		snprintf(conn->who, sizeof(conn->who), "status page");
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		snprintf(conn->who, sizeof(conn->who), "admin socket");
	else
		snprintf(conn->who, sizeof(conn->who), "uid %u, admin socket", peer.uid);
}

static void accept_conn(struct sl_admin *admin, int fd, const struct sockaddr *from, bool remote)
{
	bool full = remote ? admin->remote_count >= SL_ADMIN_REMOTE_MAX
			   : admin->conn_count >= SL_ADMIN_CONNS_MAX;
	struct sl_admin_conn *conn = full ? NULL : calloc(1, sizeof(*conn));

	if (!conn) {
		close(fd);
		return;
	}
	conn->admin = admin;
	conn->remote = remote;
	sl_text_init(&conn->more, SL_ADMIN_BODY_BYTES_MAX + SL_H1_REQUEST_HEAD_BYTES_MAX);
	name_peer(conn, fd, from);
	sl_timer_init(&conn->silence, on_silence);
	sl_socket_init(&conn->socket, admin->loop, &conn_ops);
	if (sl_socket_adopt(&conn->socket, fd)) {
		close(fd);
		free(conn);
		return;
	}
	conn->next = admin->conns;
	conn->pprev = &admin->conns;
	if (conn->next)
		conn->next->pprev = &conn->next;
	admin->conns = conn;
	admin->conn_count += !remote;
	admin->remote_count += remote;
	sl_timer_set(admin->loop, &conn->silence, SL_ADMIN_SILENCE_MS);
}

static void on_accepted(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	accept_conn(listener->owner, fd, peer, false);
}

static void on_remote(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	accept_conn(listener->owner, fd, peer, true);
}

/* ---- who stays ------------------------------------------------------------------------------- */

bool sl_admin_may_stay(const struct sl_admin *admin, enum sl_admin_stay stay)
{
	uint32_t count = 0;

	for (const struct sl_admin_conn *conn = admin->conns; conn; conn = conn->next)
		count += conn->stay == SL_ADMIN_STAYS && !conn->answered;
	return stay != SL_ADMIN_STAYS || count < SL_ADMIN_STAY_MAX;
}

bool sl_admin_has_stayers(const struct sl_admin *admin)
{
	return admin->stay_count;
}

/* Snapshots are whole, so who is behind misses some and not parts of them. */
static void send_event(struct sl_admin_conn *conn, struct sl_span snapshot)
{
	if (sl_socket_pending(&conn->socket) > SL_ADMIN_STAY_BYTES) {
		if (++conn->passes >= SL_ADMIN_STAY_PASSES)
			sl_socket_close(&conn->socket, SL_SOCKET_NOW);
		conn->answered = conn->passes >= SL_ADMIN_STAY_PASSES;
		return;
	}
	conn->passes = 0;
	sl_socket_send(&conn->socket, "data: ", 6);
	sl_socket_send(&conn->socket, snapshot.data, snapshot.len);
	sl_socket_send(&conn->socket, "\n\n", 2);
}

void sl_admin_tell_stayers(struct sl_admin *admin, struct sl_span snapshot)
{
	static const struct sl_admin_reply reply = {
		.status = 200,
		.type = "application/json",
		.lines = "cache-control: no-store\r\nx-content-type-options: nosniff\r\n",
	};
	struct sl_admin_conn *conn, *next;

	for (conn = admin->conns; conn; conn = next) {
		next = conn->next;
		if (conn->answered)
			continue;
		if (conn->stay == SL_ADMIN_STAYS)
			send_event(conn, snapshot);
		else if (conn->stay == SL_ADMIN_STAYS_FOR_ONE)
			http_send(conn, &reply, snapshot);
	}
}

void sl_admin_refuse_stayers(struct sl_admin *admin, int status)
{
	struct sl_admin_conn *conn, *next;

	for (conn = admin->conns; conn; conn = next) {
		next = conn->next;
		if (conn->stay == SL_ADMIN_STAYS_FOR_ONE && !conn->answered)
			http_refuse(conn, status);
	}
}

/* Another process serves, or none: browsers come again by themselves. */
static void end_stayers(struct sl_admin *admin)
{
	for (struct sl_admin_conn *conn = admin->conns; conn; conn = conn->next) {
		if (conn->stay && !conn->answered)
			end_conn(conn);
	}
}

/* ---- doors ----------------------------------------------------------------------------------- */

static void make_parent(const char *path)
{
	char parent[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return;
	*slash = '\0';
	(void)!mkdir(parent, 0755);
}

void sl_admin_open(struct sl_admin *admin, struct sl_loop *loop, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int rc;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	make_parent(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	admin->loop = loop;
	admin->listener.accepted = on_accepted;
	admin->listener.owner = admin;
	mask = umask(0177);
	rc = sl_listener_open(&admin->listener, loop, (struct sockaddr *)&address, sizeof(address),
			      BACKLOG, false);
	umask(mask);
	if (rc)
		sl_log(SL_LOG_WARN, "admin socket %s: %s (sluice status will not see the daemon)",
		       path, strerror(-rc));
	else
		snprintf(admin->path, sizeof(admin->path), "%s", path);
}

int sl_admin_listen(struct sl_admin *admin, struct sl_loop *loop,
		    const struct sl_endpoint *endpoint)
{
	struct sockaddr_storage address;
	socklen_t len = sl_address_to_sockaddr(endpoint, &address);
	int rc;

	admin->loop = loop;
	admin->door.accepted = on_remote;
	admin->door.owner = admin;
	/* the process that takes over opens it while the old one still has it */
	rc = sl_listener_open(&admin->door, loop, (struct sockaddr *)&address, len, BACKLOG, true);
	admin->has_door = !rc;
	return rc;
}

static void close_door(struct sl_admin *admin)
{
	if (admin->has_door)
		sl_listener_close(&admin->door);
	admin->has_door = false;
}

void sl_admin_leave(struct sl_admin *admin)
{
	close_door(admin);
	end_stayers(admin);
	if (admin->path[0])
		sl_listener_close(&admin->listener);
	admin->path[0] = '\0';
}

void sl_admin_close(struct sl_admin *admin)
{
	struct sl_admin_conn *conn, *next;
	int turn;

	if (admin->path[0]) {
		unlink(admin->path);
		sl_listener_close(&admin->listener);
	}
	admin->path[0] = '\0';
	close_door(admin);
	for (conn = admin->conns; conn; conn = next) {
		next = conn->next;
		sl_socket_close(&conn->socket, SL_SOCKET_NOW);
	}
	for (turn = 0; turn < CLOSE_TURNS_MAX && admin->conns; turn++)
		sl_loop_turn(admin->loop, CLOSE_TURN_MS);
}
