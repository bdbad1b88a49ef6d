/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - connections to servers: one HTTP/1.1 request out, one response in, again.
 *
 *   state    meaning                                   leaves by
 *   CONNECT  TCP handshake                             connected(0) -> IDLE, failed()
 *   IDLE     open, nothing outstanding                 sl_client_send -> HEAD; lost()
 *   HEAD     request sent, response head awaited       head() -> BODY or IDLE; failed()
 *   BODY     response body arriving                    end() -> IDLE; failed()
 *   DEAD     closed or closing                         -> closed
 *
 * No pipelining: a node answers one request a connection at a time. The response is handed over as
 * it arrives, borrowed from the loop's buffers: nothing is copied here except a head that came in
 * pieces. Thread: the loop's.
 */
#ifndef SL_HTTP_CLIENT_H
#define SL_HTTP_CLIENT_H

#include "user/base/slab.h"
#include "user/http/h1_chunk.h"
#include "user/http/h1_parse.h"
#include "user/io/socket.h"
#include "user/io/tls.h"

/* Why an exchange failed. */
enum sl_client_failure {
	SL_CLIENT_FAILED_NONE = 0,
	SL_CLIENT_FAILED_CONNECT, /* error says why */
	SL_CLIENT_FAILED_STALE,	  /* reused connection, closed before any byte of the answer */
	SL_CLIENT_FAILED_RESET,	  /* broken before the answer was complete */
	SL_CLIENT_FAILED_CUT,	  /* FIN before the answer was complete */
	SL_CLIENT_FAILED_HEAD,	  /* head refused, see text */
	SL_CLIENT_FAILED_BODY,	  /* chunking refused, see text */
	SL_CLIENT_FAILED_COUNT
};

struct sl_client_conn;

struct sl_client_ops {
	/* Outcome of the connect; after an error the connection is closing already. */
	void (*connected)(struct sl_client_conn *conn, int error);
	/* The final response head (1xx were skipped). Borrowed until return. */
	void (*head)(struct sl_client_conn *conn, const struct sl_h1_head *head);
	/* Decoded body bytes, borrowed until return. */
	void (*body)(struct sl_client_conn *conn, const char *data, size_t len);
	/* The response is complete. conn->reusable tells whether it may serve again. */
	void (*end)(struct sl_client_conn *conn);
	/* The exchange failed; the connection is closing already. */
	void (*failed)(struct sl_client_conn *conn, enum sl_client_failure failure, int error,
		       const char *text);
	/* An idle connection is going away: forget it. It is closing already. */
	void (*lost)(struct sl_client_conn *conn);
	/* The memory may be freed (it came from the caller). */
	void (*closed)(struct sl_client_conn *conn);
};

/* Who stands between the connection and its owner, to see what is done about bytes that came wrong. */
struct sl_client_tap {
	/* Bytes as they came: hands them on by sl_client_feed(), now or later. NULL: they go on by themselves. */
	void (*data)(struct sl_client_tap *tap, struct sl_client_conn *conn, const char *data,
		     size_t len);
	/* NULL too. Body bytes: hands them on to conn->ops->body(), or others, or none; may end it by sl_client_fail(). */
	void (*body)(struct sl_client_tap *tap, struct sl_client_conn *conn, const char *data,
		     size_t len);
	/* NULL too. The server has closed. True: the tap tells it, by sl_client_feed_eof(), behind what it keeps. */
	bool (*eof)(struct sl_client_tap *tap, struct sl_client_conn *conn);
};

/* Input stops while any of them holds it. */
enum sl_client_holder {
	SL_CLIENT_HELD_BY_OWNER = 1,
	SL_CLIENT_HELD_BY_TAP = 2,
};

struct sl_client_conn {
	struct sl_socket socket; /* first */
	const struct sl_client_ops *ops;
	void *owner;
	struct sl_client_tap *tap; /* NULL: none; whoever sets it takes it away */
	uint8_t state;
	uint8_t body_kind; /* enum sl_h1_body */
	bool reusable;
	bool reused; /* has completed an exchange before */
	bool got_bytes;
	bool to_head; /* HEAD request: the response has no body */
	uint8_t held; /* who keeps it from being read, bits of enum sl_client_holder */
	uint16_t tag; /* the owner's; 0 after connect */
	uint64_t body_left;
	struct sl_h1_chunk chunk;
	char *in; /* a head that came in pieces */
	size_t in_len, in_size, scanned;
	uint64_t idle_since_ns;
	struct sl_client_conn *next, **pprev; /* the owner's list */
};

/* Starts connecting; tls NULL: in plain HTTP. ops and owner may be changed while IDLE. Returns 0 or
 * -errno. */
int sl_client_connect(struct sl_client_conn *conn, struct sl_loop *loop,
		      const struct sl_client_ops *ops, void *owner, const struct sockaddr *addr,
		      socklen_t addr_len, struct sl_tls_client *tls);

/* Begins an exchange on an IDLE connection: the caller then sends bytes on conn->socket. */
void sl_client_begin(struct sl_client_conn *conn, bool to_head);

/* Closes in any state; failed() is not called, closed() is. RST when an exchange is under way, so
 * that the server stops working for it at once. */
void sl_client_close(struct sl_client_conn *conn);

/* Takes bytes of the answer. The connection may be closed, and its tap gone, afterwards. */
void sl_client_feed(struct sl_client_conn *conn, const char *data, size_t len);

/* As when the server closes here. The same afterwards. */
void sl_client_feed_eof(struct sl_client_conn *conn);

void sl_client_hold(struct sl_client_conn *conn, enum sl_client_holder who);
void sl_client_release(struct sl_client_conn *conn, enum sl_client_holder who);

/* Ends the exchange under way as that failure does: failed() is called. */
void sl_client_fail(struct sl_client_conn *conn, enum sl_client_failure failure, const char *text);

/* True while it can take an exchange. */
bool sl_client_is_idle(const struct sl_client_conn *conn);

#endif
