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
#define SL_ADMIN_QUERY_BYTES	128u	   /* of one value */

/* Borrows from the bytes that it was read from. */
struct sl_admin_request {
	enum sl_h1_method method;
	struct sl_span path, query, body;
	bool waits; /* it is not whole, and its client wants to hear "100 Continue" first */
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

/* A whole answer, the connection's last. type NULL: there is no body. */
void sl_admin_http_write(int status, const char *type, struct sl_span body, struct sl_text *out);

#endif
