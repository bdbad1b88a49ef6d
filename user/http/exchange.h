/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange.h - one request and its answer, whatever protocol carries them.
 *
 * This is all that the owner of a server (ops->request) sees of a client. In HTTP/1 a connection
 * has one, in HTTP/2 each stream has its own; both embed it and give it their table of functions.
 * The head is HTTP/1's in both: an HTTP/2 head is written out as one and parsed again (h2_head.h),
 * so no rule about requests exists twice.
 *
 * An exchange is the owner's from ops->request until finish, end, respond, abort, or ops->gone.
 * Thread: the loop's.
 */
#ifndef SL_HTTP_EXCHANGE_H
#define SL_HTTP_EXCHANGE_H

#include "user/http/h1_parse.h"

struct sl_server;
struct sl_exchange;

#define SL_TRAILER_VALUE_BYTES 32u

/* A field behind the body. The name is a constant; value: at most SL_TRAILER_VALUE_BYTES, with its NUL. */
struct sl_trailer {
	const char *name;
	const char *value;
};

enum sl_protocol {
	SL_PROTOCOL_HTTP1 = 0,
	SL_PROTOCOL_HTTP2,
	SL_PROTOCOL_COUNT,
};

/* What a protocol does for the functions of server.h of the same names. */
struct sl_exchange_ops {
	enum sl_protocol protocol;
	int (*begin)(struct sl_exchange *exchange, int status, const char *lines, size_t lines_len,
		     int64_t body_len);
	int (*body)(struct sl_exchange *exchange, const void *data, size_t len);
	int (*chunk)(struct sl_exchange *exchange, const void *data, size_t len);
	void (*end)(struct sl_exchange *exchange, const struct sl_trailer *trailer);
	void (*finish)(struct sl_exchange *exchange);
	void (*abort)(struct sl_exchange *exchange);
	void (*release_request)(struct sl_exchange *exchange);
	size_t (*pending)(const struct sl_exchange *exchange);
	const char *(*identity)(struct sl_exchange *exchange);
};

struct sl_exchange {
	const struct sl_exchange_ops *ops;
	struct sl_server *server;
	void *user;		 /* the owner's request */
	struct sl_h1_head *head; /* valid until finish or release */
	size_t head_len;	 /* bytes of its text */
	const char *body;	 /* decoded */
	size_t body_len;
	bool to_head; /* HEAD request: no body in the answer */
};

#endif
