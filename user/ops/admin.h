/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.h - the admin socket: how the `sluice` command reaches the daemon.
 *
 *   a client says                          it gets
 *   nothing (half-closes)                  one JSON line (base/admin_answer.h) and, without a kernel
 *                                          plane, the descriptor of the shared memory, so that
 *                                          `sluice` reads and steers the same structs in both modes
 *   "explain ID json", "explain ID text"   the request's trail, or nothing when there is none
 *   "prompt FORMAT WORDS"                  see prompt_say.h
 *   "... +N", then N bytes                 the same, the bytes being a prompt's text
 *   the first line of an HTTP request      an HTTP answer, see admin_http.h, prompt_http.h and page.h
 *   "index FORMAT WORDS"                   see index_say.h
 *   "canary FORMAT WORDS"                  see canary.h
 *   "cache FORMAT WORD"                    see cache_say.h
 *   "health"                               a line a node, see base/health_line.h
 *   "WORD FORMAT WORDS"                    what the watch's part of that word says (watch.h)
 *   "takeover"                             see takeover.h
 *
 * A line ends with a newline. Then the connection is closed; who says neither a line nor that there
 * is none within SL_ADMIN_SILENCE_MS gets nothing. At most SL_ADMIN_CONNS_MAX at once. The
 * socket's mode (0600) is the access control.
 *
 * page.listen is a second door, on loopback: whoever comes by it (`remote`) may say nothing but HTTP, and gets
 * what sl_page_http() lets him have. Its connections have a bound of their own, so that they keep nobody from the
 * socket. Of both doors some connections stay, for snapshots of the status page. Thread: control.
 */
#ifndef SL_OPS_ADMIN_H
#define SL_OPS_ADMIN_H

#include "user/base/admin_answer.h"
#include "user/base/text.h"
#include "user/io/socket.h"
#include "user/ops/admin_http.h"

#define SL_ADMIN_PATH_BYTES  108u /* sun_path */
#define SL_ADMIN_SILENCE_MS  5000u
#define SL_ADMIN_LINE_BYTES  512u
#define SL_ADMIN_REPLY_BYTES (2u << 20)
#define SL_ADMIN_CONNS_MAX   64u
#define SL_ADMIN_REMOTE_MAX  32u
#define SL_ADMIN_STAY_MAX    16u	  /* of both doors, that stay for every snapshot */
#define SL_ADMIN_STAY_BYTES  (512u << 10) /* unsent: the next snapshots pass by who does not read */
#define SL_ADMIN_STAY_PASSES 30u	  /* after so many in a row it is cut */
#define SL_ADMIN_WHO_BYTES   48u

struct sl_admin;

/* What a client wants done. */
struct sl_admin_ask {
	char *words;	     /* behind the first one; may be changed */
	struct sl_span body; /* what it sent with them, or empty */
	const char *who;     /* for an audit line */
};

/* What the admin socket asks of the daemon. */
struct sl_admin_ops {
	/* Fills the answer in. Returns the descriptor that goes with it, or -1. */
	int (*describe)(void *owner, struct sl_admin_answer *answer);
	/* Appends what is known of that request; nothing: it is not known. */
	void (*explain)(void *owner, const char *id, bool json, struct sl_text *text);
	/* Does what the words say, which it may change; see prompt_say.h. */
	void (*prompt)(void *owner, const struct sl_admin_ask *ask, struct sl_text *text);
	/* The same; see canary.h. */
	void (*canary)(void *owner, const struct sl_admin_ask *ask, struct sl_text *text);
	/* The same; see cache_say.h. */
	void (*cache)(void *owner, const struct sl_admin_ask *ask, struct sl_text *text);
	/* Answers an HTTP request: fills the reply, and appends the body or borrows it. */
	void (*http)(void *owner, const struct sl_admin_request *request, bool remote,
		     const char *who, struct sl_text *text, struct sl_admin_reply *reply);
	/* The same; see index_say.h. */
	void (*index)(void *owner, const struct sl_admin_ask *ask, struct sl_text *text);
	/* Any other first word; false: nobody knows it. */
	bool (*other)(void *owner, const char *word, const struct sl_admin_ask *ask,
		      struct sl_text *text);
	/* Appends the nodes' health. */
	void (*health)(void *owner, struct sl_text *text);
	/* Sends the listening sockets over the connection. Returns 0 or -errno. */
	int (*give)(void *owner, int fd);
	/* The new process serves: this one may go. Must not turn the loop. */
	void (*go)(void *owner);
};

struct sl_admin {
	struct sl_listener listener;
	char path[SL_ADMIN_PATH_BYTES]; /* "" while it is not open */
	const struct sl_admin_ops *ops;
	void *owner;
	struct sl_loop *loop;
	struct sl_admin_conn *conns;
	uint32_t conn_count, remote_count, stay_count;
	struct sl_listener door; /* page.listen */
	bool has_door;
};

/* Listens on `path`; NULL: does nothing. What fails is logged: without the socket the daemon serves
 * all the same. */
void sl_admin_open(struct sl_admin *admin, struct sl_loop *loop, const char *path);

/* Opens the second door. Returns 0 or -errno. */
int sl_admin_listen(struct sl_admin *admin, struct sl_loop *loop,
		    const struct sl_endpoint *endpoint);

/* May another connection stay so? Does one wait for a snapshot? This one is for all who do. */
bool sl_admin_may_stay(const struct sl_admin *admin, enum sl_admin_stay stay);
bool sl_admin_has_stayers(const struct sl_admin *admin);
void sl_admin_tell_stayers(struct sl_admin *admin, struct sl_span snapshot);
/* There is no snapshot: who waits for one alone hears that; the others wait for the next. */
void sl_admin_refuse_stayers(struct sl_admin *admin, int status);

/* Leaves the socket's file to the process that has taken over; open connections end by themselves. */
void sl_admin_leave(struct sl_admin *admin);

/* Removes the socket's file and ends its connections, turning the loop. */
void sl_admin_close(struct sl_admin *admin);

#endif
