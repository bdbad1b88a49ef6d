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
 *   the first line of an HTTP request      an HTTP answer, see admin_http.h and prompt_http.h
 *   "index FORMAT WORDS"                   see index_say.h
 *   "canary FORMAT WORDS"                  see canary.h
 *   "cache FORMAT WORD"                    see cache_say.h
 *   "health"                               a line a node, see base/health_line.h
 *   "WORD FORMAT WORDS"                    what the watch's part of that word says (watch.h)
 *   "takeover"                             see takeover.h
 *
 * A line ends with a newline. Then the connection is closed; who says neither a line nor that there
 * is none within SL_ADMIN_SILENCE_MS gets nothing. At most SL_ADMIN_CONNS_MAX at once. The
 * socket's mode (0600) is the access control. Thread: control.
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
	/* Answers an HTTP request: appends the body, whose type may be set, and returns the status. */
	int (*http)(void *owner, const struct sl_admin_request *request, const char *who,
		    struct sl_text *text, const char **type);
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
	uint32_t conn_count;
};

/* Listens on `path`; NULL: does nothing. What fails is logged: without the socket the daemon serves
 * all the same. */
void sl_admin_open(struct sl_admin *admin, struct sl_loop *loop, const char *path);

/* Leaves the socket's file to the process that has taken over; open connections end by themselves. */
void sl_admin_leave(struct sl_admin *admin);

/* Removes the socket's file and ends its connections, turning the loop. */
void sl_admin_close(struct sl_admin *admin);

#endif
