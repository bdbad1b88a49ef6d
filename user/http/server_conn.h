/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_conn.h - what the parts of the server need of each other. Internal to http/.
 *
 *   server.c     life and end of connections, their time
 *   server_h1.c  HTTP/1: collects requests, writes answers
 *   h2_*.c       HTTP/2: its session and streams
 */
#ifndef SL_HTTP_SERVER_CONN_H
#define SL_HTTP_SERVER_CONN_H

#include "user/http/server.h"

enum sl_server_state {
	SL_SERVER_IDLE = 0,
	SL_SERVER_HEAD,
	SL_SERVER_BODY,
	SL_SERVER_HANDLE,
	SL_SERVER_H2, /* its streams have states of their own */
	SL_SERVER_CLOSE,
};

#define SL_SERVER_LINES_MAX 16384u /* the limit of sl_socket_reserve */
#define SL_SERVER_HEAD_ROOM 512u   /* status line and the fields that are written here */
#define SL_SERVER_GROW_AT_ONCE \
	(256u << 10)		   /* bodies announced larger than this earn their buffer */
#define SL_SERVER_ERROR_ROOM 4096u /* the longest body of an answer of our own */

/* ---- server.c ------------------------------------------------------------------------------- */

/* Ends the connection; a request under way must be over. */
void sl_server_conn_close(struct sl_server_conn *conn, enum sl_socket_how how);
/* The peer is lost: tells the owners of what is under way first. */
void sl_server_conn_lose(struct sl_server_conn *conn, enum sl_socket_how how);
/* Sees that the timer fires no later than the present state is overdue. */
void sl_server_conn_watch(struct sl_server_conn *conn);
/* Refuses what the connection sent, by an answer of ours. */
void sl_server_conn_refuse(struct sl_server_conn *conn, enum sl_server_refusal refusal, int status,
			   const char *reason);
/* The bounds of an answer, see patience.h. */
struct sl_patience_bounds sl_server_bounds(const struct sl_server *server);

/* ---- server_h1.c ---------------------------------------------------------------------------- */

extern const struct sl_exchange_ops sl_server_h1_ops;

void sl_server_h1_data(struct sl_server_conn *conn, const char *buf, size_t len);
void sl_server_h1_drained(struct sl_server_conn *conn);
void sl_server_h1_free(struct sl_server_conn *conn);

#endif
