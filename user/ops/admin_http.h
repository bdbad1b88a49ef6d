/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_http.h - HTTP on the admin socket: one request a connection, whole, with a length.
 *
 *	curl --unix-socket /run/sluice/admin.sock http://localhost/prompts
 *
 * Pure; any thread.
 */
#ifndef SL_OPS_ADMIN_HTTP_H
#define SL_OPS_ADMIN_HTTP_H

#include "user/base/text.h"
#include "user/http/h1_parse.h"

#define SL_ADMIN_BODY_BYTES_MAX (1u << 20) /* of a request, or sent with a line */
#define SL_ADMIN_QUERY_BYTES	320u	   /* of one value: the longest is a node's name */

/* Borrows from the bytes that it was read from. */
struct sl_admin_request {
	enum sl_h1_method method;
	struct sl_span path, query, body;
	/* Fields, where they are there: else data is NULL. */
	struct sl_span host, authorization, origin, site, guard, match;
	bool waits; /* it is not whole, and its client wants to hear "100 Continue" first */
};

/* What a connection waits for once its request was read. */
enum sl_admin_stay {
	SL_ADMIN_ANSWERED = 0,
	SL_ADMIN_STAYS_FOR_ONE, /* the next snapshot is its answer */
	SL_ADMIN_STAYS,		/* every snapshot, as events of one answer without an end */
};

struct sl_admin_reply {
	int status;
	const char *type;  /* NULL: there is no body */
	const char *lines; /* more lines of the head, each with its end; or NULL */
	char tag[20];	   /* ETag; "": none */
	struct sl_span
		borrowed; /* the body, in the place of the text; alive as long as the process */
	enum sl_admin_stay stay;
};

/* Is it the first line of a request, without its line end? */
bool sl_admin_http_begins(const char *line, size_t len);

/*
 * Returns 1: the request is whole; 0: more bytes are needed; or the negated status to refuse it with.
 */
int sl_admin_http_read(const char *bytes, size_t len, struct sl_admin_request *ret_request);

/*
 * The value of a name in the query, with %XX decoded. False: it is not there, or it is too long, or is no
 * printable ASCII.
 */
bool sl_admin_http_query(struct sl_span query, const char *name, char out[SL_ADMIN_QUERY_BYTES]);

/* A whole answer, the connection's last. */
void sl_admin_http_write(const struct sl_admin_reply *reply, struct sl_span body,
			 struct sl_text *out);

/* The head of an answer that goes on until its connection ends. */
void sl_admin_http_write_open(const struct sl_admin_reply *reply, struct sl_text *out);

#endif
