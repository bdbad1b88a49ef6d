/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls.h - TLS 1.2 and 1.3 on sockets of a loop, by OpenSSL.
 *
 * A socket that speaks TLS looks to its owner like any other: data() brings plain bytes,
 * sl_socket_send() takes them, connected() comes when the handshake is done. What differs:
 *
 *   eof()        only after the peer's close_notify. A connection that ends without it is broken:
 *                error(-ECONNABORTED), so that a cut stream is never taken for a whole one
 *   error()      -EPROTO (handshake, records), -ETIMEDOUT (handshake), beside those of TCP;
 *                sl_socket_trouble() says it in words
 *   close        FLUSH and NOW tell the peer by close_notify; RESET does not
 *
 * No call blocks: OpenSSL reads from the bytes that the loop brings and writes into the socket's
 * output queue. Bytes to send are kept plain until the socket settles, so several sends of one turn
 * become one record. A socket without TLS has no byte more and one branch more.
 *
 * Contexts (what certificates, trust and names are) are made at load, counted and immutable; any
 * thread. Connections are the loop's thread's.
 */
#ifndef SL_IO_TLS_H
#define SL_IO_TLS_H

#include "user/base/error.h"
#include "user/io/socket.h"

#define SL_TLS_CERTIFICATES_MAX 16u
#define SL_TLS_NAME_MAX		253u   /* a DNS name */
#define SL_TLS_TICKET_HOURS	2u     /* a session may be resumed for that long */
#define SL_TLS_SCRATCH_BYTES	16384u /* plain bytes of one record, at most */
#define SL_TLS_UNASKED_MAX	65536u /* output that a peer may cause which reads nothing */

enum sl_tls_role { SL_TLS_SERVER = 0, SL_TLS_CLIENT = 1, SL_TLS_ROLES };

/* Why a handshake failed, for people and for the metrics. */
#define SL_TLS_FAILURES(X)                         \
	X(TIMEOUT, "timeout")                      \
	X(CLOSED, "closed")                        \
	X(PLAIN, "plain_http")                     \
	X(PROTOCOL, "protocol")                    \
	X(REFUSED, "refused_by_peer")              \
	X(NO_CERTIFICATE, "no_client_certificate") \
	X(EXPIRED, "certificate_expired")          \
	X(NAME, "certificate_name")                \
	X(UNKNOWN_CA, "certificate_unknown_ca")    \
	X(CERTIFICATE, "certificate_other")        \
	X(LOCAL, "local")

enum sl_tls_failure {
#define X(id, name) SL_TLS_FAILED_##id,
	SL_TLS_FAILURES(X)
#undef X
		SL_TLS_FAILED_COUNT
};

extern const char *const sl_tls_failure_names[SL_TLS_FAILED_COUNT];

/* Of one loop; written by its thread, read by any with relaxed loads. */
struct sl_tls_stats {
	uint64_t ok[SL_TLS_ROLES];
	uint64_t resumed[SL_TLS_ROLES]; /* of those */
	uint64_t failed[SL_TLS_ROLES][SL_TLS_FAILED_COUNT];
};

const struct sl_tls_stats *sl_tls_stats(const struct sl_loop *loop);

/* ---- contexts ------------------------------------------------------------------------------- */

struct sl_tls_tickets; /* keys of session tickets, made anew every hour; of the whole process */
struct sl_tls_server;
struct sl_tls_client;

int sl_tls_tickets_open(struct sl_tls_tickets **ret_tickets);
void sl_tls_tickets_close(struct sl_tls_tickets **tickets); /* after the last server */

struct sl_tls_server_options {
	const char *const *certificates; /* PEM: the server's, then intermediate ones */
	const char *const *keys;	 /* PEM, one for each certificate */
	uint32_t count;			 /* the first serves names that none is made for */
	const char *client_ca;		 /* PEM; NULL: clients are not asked for certificates */
	bool client_required;
	bool refuse_expired; /* else a warning in *error, with result 0 */
	uint32_t handshake_ms;
	struct sl_tls_tickets *tickets;
	bool http2; /* offered by ALPN, before http/1.1 */
};

/* 0, or -EINVAL (error names the file and what is wrong), -ENOMEM. error->text is "" or, with 0, a
 * warning. */
int sl_tls_server_open(const struct sl_tls_server_options *options,
		       struct sl_tls_server **ret_server, struct sl_error *error);
struct sl_tls_server *sl_tls_server_get(struct sl_tls_server *server);
void sl_tls_server_put(struct sl_tls_server **server);

/* Seconds since 1970 at which the first of its certificates ends. */
int64_t sl_tls_server_not_after(const struct sl_tls_server *server);

struct sl_tls_client_options {
	const char *name; /* DNS name or numeric address that the certificate must be made for */
	const char *ca;	  /* PEM of the authorities to trust; NULL: the system's */
	uint32_t handshake_ms;
};

/* As sl_tls_server_open(). Keeps the newest session, for all connections made with it. */
int sl_tls_client_open(const struct sl_tls_client_options *options,
		       struct sl_tls_client **ret_client, struct sl_error *error);
struct sl_tls_client *sl_tls_client_get(struct sl_tls_client *client);
void sl_tls_client_put(struct sl_tls_client **client);

/* ---- connections ---------------------------------------------------------------------------- */

/*
 * Between sl_socket_init() and sl_socket_adopt() or _connect(): the socket will speak TLS. Takes a
 * reference of the context. When adopt or connect fails, the socket is as after init. 0 or -ENOMEM.
 */
int sl_tls_accept(struct sl_socket *socket, struct sl_tls_server *server);
int sl_tls_connect(struct sl_socket *socket, struct sl_tls_client *client);

/* Subject of the client's certificate ("CN=agent-7,O=Lab", RFC 2253), verified; NULL: none, or no
 * TLS. Alive as long as the socket is open. */
const char *sl_tls_identity(struct sl_socket *socket);

#endif
