/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.h - client connections: requests in, responses out, by HTTP/1.1 or HTTP/2.
 *
 * A connection begins as HTTP/1; one whose first bytes are HTTP/2's preface goes on as that (h2.h),
 * whether ALPN chose it or the client knew: so telling them apart costs HTTP/1 nothing.
 *
 *   state   meaning                                  leaves by
 *   IDLE    between requests, owns no buffer         first byte -> HEAD
 *   HEAD    collecting a request head                complete -> BODY or HANDLE; bad -> CLOSE
 *   BODY    collecting the body                      complete -> HANDLE; bad, too large -> CLOSE
 *   HANDLE  the request is with the owner            sl_server_finish -> IDLE, HEAD or CLOSE
 *   H2      an HTTP/2 session with its streams       -> CLOSE
 *   CLOSE   the last answer is being flushed         -> closed
 *
 * The whole request is collected before it is handed over (bounded by body_bytes_max): retries
 * and fallbacks need it again. It lies in one buffer that belongs to the connection until
 * sl_server_finish() or sl_server_release_request(). A client that sends FIN or RST while its
 * request is handled is gone: the owner is told at once. (A client that half-closes and then waits
 * for an answer is treated as gone too; HTTP clients do not do that.)
 *
 * Slow clients. A head has header_timeout_ms from its first byte to its last. A body must bring a byte
 * every body_timeout_ms, and, that time set aside, rate_min bytes a second on average: a byte now and
 * then holds nothing for long. An answer likewise by send_timeout_ms, while more than
 * SL_SERVER_BUFFER_BYTES of it waits; the last one of a connection too, before it is closed.
 *
 * Cost of a small request: one copy of its bytes into the buffer, one parse, no system call of
 * its own. An idle connection costs sizeof(struct sl_server_conn) and nothing else.
 * Thread: the loop's.
 */
#ifndef SL_HTTP_SERVER_H
#define SL_HTTP_SERVER_H

#include "user/base/slab.h"
#include "user/http/exchange.h"
#include "user/http/h1_chunk.h"
#include "user/http/h2_stats.h"
#include "user/http/patience.h"
#include "user/io/socket.h"
#include "user/io/tls.h"

#define SL_SERVER_BUFFER_BYTES	 4096u	     /* first size of a request buffer */
#define SL_SERVER_PIPELINE_BYTES (64u << 10) /* held of following requests before a pause */
#define SL_SERVER_UNREAD_BYTES	 (64u << 10) /* answers unread before the next request must wait */
#define SL_SERVER_LINGER_MS	 2000u	     /* wait for FIN after the last answer */
#define SL_SERVER_FLOOD_CONNS	 1000u	     /* so many at once are a flood */
#define SL_SERVER_FLOOD_PARTS	 8u	     /* with an eighth left, and so on, memory goes back */

struct sl_server_conn;
struct sl_h2;

/* Why a connection ended with an answer of our own or none. */
enum sl_server_refusal {
	SL_SERVER_REFUSED_HEAD = 0, /* bad head, see status */
	SL_SERVER_REFUSED_BODY,	    /* bad chunking */
	SL_SERVER_REFUSED_TOO_LARGE,
	SL_SERVER_REFUSED_SLOW, /* head or body not complete in time, or below the rate */
	SL_SERVER_REFUSED_MANY, /* connections_max reached */
	SL_SERVER_REFUSED_COUNT
};

struct sl_server_ops {
	/* A complete request: head, body, body_len. Answer it with respond, or with begin and what
	 * follows it; or abort. */
	void (*request)(struct sl_exchange *exchange);
	/* The client left while its request was handled; its connection or stream is closing. The
	 * owner must let go of the exchange before return. */
	void (*gone)(struct sl_exchange *exchange);
	/* Output fell below the low mark. May be NULL. */
	void (*drained)(struct sl_exchange *exchange);
	/* Writes the body of an error answer (NUL-free JSON) to out; returns its length. The head is
	 * the request's with REFUSED_BODY and REFUSED_TOO_LARGE, and of no use with others. */
	int (*error_body)(const struct sl_exchange *exchange, enum sl_server_refusal refusal,
			  int status, const char *reason, char *out, size_t out_size);
};

struct sl_server_options {
	uint32_t body_bytes_max;
	uint32_t header_timeout_ms;
	uint32_t body_timeout_ms;
	uint32_t idle_timeout_ms;
	uint32_t send_timeout_ms;
	uint32_t rate_min; /* bytes a second of a body, or of an answer that waits; 0: none */
	uint32_t connections_max;
	uint32_t h2_streams_max; /* of one connection at a time; 0: HTTP/2 is not spoken */
};

struct sl_server {
	struct sl_loop *loop;
	const struct sl_server_ops *ops;
	void *owner;
	struct sl_server_options options; /* may be changed live */
	struct sl_slab conns;
	struct sl_slab heads;
	struct sl_server_conn *open; /* list of all connections */
	uint32_t conn_count;
	bool draining; /* every answer says connection: close, and no connection is taken */
	bool leaving;  /* every answer says connection: close */
	uint64_t accepted, gone, refused[SL_SERVER_REFUSED_COUNT];
	uint64_t requests; /* by HTTP/1 */
	uint64_t cut;	   /* connections reset: the client did not take its answer */
	struct sl_h2_stats h2;
	uint32_t trim_at; /* with so few connections left memory goes back; 0: no flood was there */
};

struct sl_server_conn {
	struct sl_socket socket; /* first: the socket's callbacks cast */
	struct sl_exchange x;	 /* HTTP/1: the request under way */
	struct sl_h2 *h2;	 /* HTTP/2: its session and streams */
	struct sl_server_conn *next, **pprev;
	struct sl_timer timer;
	uint8_t state;
	bool keep_alive; /* this request's answer may leave the connection open */
	bool http10;	 /* the client speaks HTTP/1.0: no chunked coding */
	bool in_request; /* inside ops->request: finish must not recurse */
	bool again;	 /* finished inside ops->request */
	bool behind;	 /* finished, but the client has to take its answers first; also in CLOSE */
	bool finished;
	bool paused_pipeline;
	bool used; /* a request was taken: HTTP/2 can no longer begin */

	char *in; /* request buffer */
	size_t in_len, in_size;
	size_t scanned, request_len;
	struct sl_h1_chunk chunk;
	size_t raw_at; /* chunked: next raw byte to decode */
	char *next_in; /* bytes of following requests */
	size_t next_len, next_size;
	uint64_t started_ns; /* first byte of this request */
	struct sl_patience patience;
};

void sl_server_init(struct sl_server *server, struct sl_loop *loop, const struct sl_server_ops *ops,
		    const struct sl_server_options *options, void *owner);
/* All connections must be closed. */
void sl_server_fini(struct sl_server *server);

/* Takes an accepted descriptor; tls NULL: it speaks plain HTTP. Over connections_max it is refused
 * with a short 503, or closed where that would take a handshake. */
void sl_server_accept(struct sl_server *server, int fd, struct sl_tls_server *tls);

/* ---- answers: of either protocol ------------------------------------------------------------ */

/*
 * A whole answer in one call: status, content type (NULL: none), further header lines
 * ("name: value\r\n"…, may be NULL), body. Ends with sl_server_finish().
 */
void sl_server_respond(struct sl_exchange *exchange, int status, const char *content_type,
		       const char *lines, size_t lines_len, const char *body, size_t body_len);

/*
 * Writes the head of an answer whose body the owner sends itself: with a length, by
 * sl_server_body(), or without (body_len -1), by sl_server_chunk(). Returns 0, -ENOSPC when the
 * lines are too long for one head, or -EPIPE.
 */
static inline int sl_server_begin(struct sl_exchange *exchange, int status, const char *lines,
				  size_t lines_len, int64_t body_len)
{
	return exchange->ops->begin(exchange, status, lines, lines_len, body_len);
}

/* Body bytes of an answer begun with a length; in all as many as it said, then finish. */
static inline int sl_server_body(struct sl_exchange *exchange, const void *data, size_t len)
{
	return exchange->ops->body(exchange, data, len);
}

/* Body bytes of an answer begun with body_len -1: in HTTP/1.1 one chunk, in 1.0 until close. */
static inline int sl_server_chunk(struct sl_exchange *exchange, const void *data, size_t len)
{
	return exchange->ops->chunk(exchange, data, len);
}

/* The end of such a body, then sl_server_finish(). */
static inline void sl_server_end(struct sl_exchange *exchange)
{
	exchange->ops->end(exchange, NULL);
}

/* The same with a field behind the body, for a client that has said `te: trailers`. */
static inline void sl_server_end_with(struct sl_exchange *exchange,
				      const struct sl_trailer *trailer)
{
	exchange->ops->end(exchange, trailer);
}

/* The answer is complete: next request, or flush and close. */
static inline void sl_server_finish(struct sl_exchange *exchange)
{
	exchange->ops->finish(exchange);
}

/* The answer cannot be completed: RST, of the stream in HTTP/2, so that the client does not take
 * it for whole. */
static inline void sl_server_abort(struct sl_exchange *exchange)
{
	exchange->ops->abort(exchange);
}

/* Gives the request's bytes back early (a stream that can no longer be retried). */
static inline void sl_server_release_request(struct sl_exchange *exchange)
{
	exchange->ops->release_request(exchange);
}

/* Bytes of the answer that the client has not taken yet. */
static inline size_t sl_server_pending(const struct sl_exchange *exchange)
{
	return exchange->ops->pending(exchange);
}

/* Of the client's certificate, see sl_tls_identity(). */
static inline const char *sl_server_identity(struct sl_exchange *exchange)
{
	return exchange->ops->identity(exchange);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Every connection closes with its next answer, and none before; new ones are still taken. HTTP/2
 * is told by GOAWAY and closes with the answers under way. */
void sl_server_leave(struct sl_server *server);
/* Idle connections close now, the others after their answers. */
void sl_server_drain(struct sl_server *server);
/* Closes whatever is left, by RST where an answer was under way. */
void sl_server_abort_all(struct sl_server *server);

#endif
