/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2_head.h - header fields of an HTTP/2 request, written out as the head of an HTTP/1.1 request.
 *
 * The text is then parsed by h1_parse.h: what HTTP/1 refuses is refused here by the same code, and
 * what goes to nodes is made from the same facts. What only HTTP/2 can break is checked before:
 *
 *   pseudo field unknown, twice, behind a regular one, missing         refused (RFC 9113, 8.3)
 *   :path that is neither "/..." nor "*" of OPTIONS, :scheme not http  refused (8.3.1)
 *   CR, LF, NUL, any control byte, blank in method or path             refused (8.2.1)
 *   value that begins or ends with a blank                             refused (8.2.1)
 *   name with an upper-case letter                                     refused (8.2.1)
 *   connection, keep-alive, proxy-*, transfer-encoding, upgrade,
 *     http2-settings; te other than trailers                           refused (8.2.2)
 *   Host that differs from :authority                                  refused (8.3.1)
 *   several cookie fields                                              one line (8.2.3)
 *
 * Pure but for memory; any thread.
 */
#ifndef SL_HTTP_H2_HEAD_H
#define SL_HTTP_H2_HEAD_H

#include "user/base/text.h"
#include "user/http/h1_parse.h"

/* Fields of one request and its trailers, wanted or not; more are an attack on the decoder. */
#define SL_H2_FIELDS_MAX 1000u

enum sl_h2_pseudo {
	SL_H2_METHOD = 0,
	SL_H2_SCHEME,
	SL_H2_AUTHORITY,
	SL_H2_PATH,
	SL_H2_PSEUDO_COUNT,
};

struct sl_h2_fields {
	struct sl_text pseudo[SL_H2_PSEUDO_COUNT];
	bool has[SL_H2_PSEUDO_COUNT];
	struct sl_text lines; /* "name: value\r\n"... of the others, but host and cookie */
	struct sl_text host;
	struct sl_text cookie;
	bool has_host, has_cookie;
	bool regular;  /* a regular field was seen */
	uint32_t seen; /* fields, also those that are not kept */
	size_t bytes;
	enum sl_h1_bad bad; /* the first fault */
};

void sl_h2_fields_init(struct sl_h2_fields *fields);
void sl_h2_fields_fini(struct sl_h2_fields *fields);

/* Takes one field in. Its faults are kept for sl_h2_fields_write(). False: over SL_H2_FIELDS_MAX. */
bool sl_h2_fields_take(struct sl_h2_fields *fields, const char *name, size_t name_len,
		       const char *value, size_t value_len);

/*
 * Parses the request: *ret_text is its head as text, on the heap (the caller frees it), into which
 * head points. Returns its length, -enum sl_h1_bad, or 0 without memory.
 */
int sl_h2_fields_write(struct sl_h2_fields *fields, struct sl_h1_head *head, char **ret_text);

#endif
