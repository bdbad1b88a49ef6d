/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1.x heads: bytes in, pointers and digested facts out. Strict: whatever two
 * parsers could read in two ways is refused, so nothing can be smuggled past us.
 *
 * How to use
 *
 *	static struct sl_h1_head head;		(2.6 KB: keep it in the connection)
 *	size_t scanned = 0;
 *	for (;;) {
 *		n = recv(... buf + len ...); len += n;
 *		rc = sl_h1_parse_request(buf, len, scanned, &head);
 *		if (rc > 0) break;		head done, body begins at buf + rc
 *		if (rc < 0) answer sl_h1_bad_status(-rc) and close
 *		scanned = len;			partial: read more
 *	}
 *	switch (head.body) { NONE, LENGTH (head.content_length), CHUNKED, UNTIL_CLOSE }
 *	h = sl_h1_head_find(&head, SL_H1_ID_AUTHORIZATION);	NULL when absent
 *
 * The head borrows: every pointer in it points into buf and dies with it. When buf moves
 * (realloc), parse again. Only ret values of rc > 0 may be read; the header array beyond
 * header_count is never written.
 *
 * `scanned` makes a slow sender cost linear time: on a later call only the new bytes are
 * looked at until the head is complete. Faults other than a lone LF may therefore be
 * reported only when the head is complete; the verdict is the same for every split.
 *
 * Pure: no I/O, no allocation, no state between calls. Any thread.
 * Source: RFC 9110, RFC 9112; where they let a recipient be lenient, we are not.
 */
#ifndef SL_USER_HTTP_H1_PARSE_H
#define SL_USER_HTTP_H1_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_H1_HEADERS_MAX	      100
#define SL_H1_REQUEST_HEAD_BYTES_MAX  (32 * 1024)
#define SL_H1_RESPONSE_HEAD_BYTES_MAX (64 * 1024)
#define SL_H1_TARGET_BYTES_MAX	      (8 * 1024)
#define SL_H1_METHOD_BYTES_MAX	      32
#define SL_H1_HOST_BYTES_MAX	      255
#define SL_H1_CONNECTION_OPTIONS_MAX  16

enum sl_h1_method {
	SL_H1_METHOD_OTHER = 0, /* a well-formed name that is none of these */
	SL_H1_METHOD_GET,
	SL_H1_METHOD_HEAD,
	SL_H1_METHOD_POST,
	SL_H1_METHOD_PUT,
	SL_H1_METHOD_DELETE,
	SL_H1_METHOD_OPTIONS,
	SL_H1_METHOD_PATCH,
	SL_H1_METHOD_TRACE,
};

/* Header fields that someone in the daemon asks for by name. Bits of sl_h1_head.present. */
enum sl_h1_id {
	SL_H1_ID_OTHER = 0,
	/* framing and routing: written anew, never copied */
	SL_H1_ID_HOST,
	SL_H1_ID_CONTENT_LENGTH,
	SL_H1_ID_TRANSFER_ENCODING,
	/* hop by hop: never copied */
	SL_H1_ID_CONNECTION,
	SL_H1_ID_KEEP_ALIVE,
	SL_H1_ID_PROXY, /* any proxy-* */
	SL_H1_ID_TE,
	SL_H1_ID_TRAILER,
	SL_H1_ID_UPGRADE,
	SL_H1_ID_HTTP2_SETTINGS,
	SL_H1_ID_EXPECT,
	/* end to end */
	SL_H1_ID_ACCEPT,
	SL_H1_ID_ACCEPT_ENCODING,
	SL_H1_ID_ANTHROPIC, /* any anthropic-* */
	SL_H1_ID_AUTHORIZATION,
	SL_H1_ID_CACHE_CONTROL,
	SL_H1_ID_CONTENT_ENCODING,
	SL_H1_ID_CONTENT_TYPE,
	SL_H1_ID_COOKIE,
	SL_H1_ID_DATE,
	SL_H1_ID_FORWARDED,
	SL_H1_ID_REQUEST_ID, /* of the Messages API */
	SL_H1_ID_RETRY_AFTER,
	SL_H1_ID_RETRY_AFTER_MS,
	SL_H1_ID_SERVER,
	SL_H1_ID_TRACEPARENT,
	SL_H1_ID_TRACESTATE,
	SL_H1_ID_USER_AGENT,
	SL_H1_ID_VIA,
	SL_H1_ID_X_API_KEY,
	SL_H1_ID_X_FORWARDED, /* any x-forwarded-* */
	SL_H1_ID_X_RATELIMIT, /* any x-ratelimit-* */
	SL_H1_ID_X_REQUEST_ID,
	SL_H1_ID_X_SESSION_ID,
	SL_H1_ID_X_SHOULD_RETRY,
	SL_H1_ID_X_SLUICE, /* any x-sluice-* */
	SL_H1_ID_COUNT
};

#define SL_H1_ID_BIT(id) (UINT64_C(1) << (id))

/* Why a head was refused; the parsers return the negated value. */
enum sl_h1_bad {
	SL_H1_BAD_NONE = 0,
	SL_H1_BAD_HTTP2_PREFACE, /* a client that speaks HTTP/2 with prior knowledge */
	SL_H1_BAD_METHOD,
	SL_H1_BAD_METHOD_CONNECT,
	SL_H1_BAD_TARGET,
	SL_H1_BAD_TARGET_LONG,
	SL_H1_BAD_VERSION,
	SL_H1_BAD_VERSION_UNSUPPORTED,
	SL_H1_BAD_STATUS_LINE,
	SL_H1_BAD_LINE_END, /* LF without CR, or CR without LF */
	SL_H1_BAD_CONTROL,  /* NUL or another control byte */
	SL_H1_BAD_FOLD,
	SL_H1_BAD_HEADER_NAME,
	SL_H1_BAD_HEADER_SPACE, /* space between name and colon */
	SL_H1_BAD_HEADERS_MANY,
	SL_H1_BAD_HEAD_LONG,
	SL_H1_BAD_HOST_MISSING,
	SL_H1_BAD_HOST_DUPLICATE,
	SL_H1_BAD_HOST,
	SL_H1_BAD_HOST_MISMATCH, /* absolute target and Host name different hosts */
	SL_H1_BAD_LENGTH,
	SL_H1_BAD_LENGTH_DUPLICATE,
	SL_H1_BAD_LENGTH_AND_CODING, /* Content-Length with Transfer-Encoding */
	SL_H1_BAD_CODING,
	SL_H1_BAD_CODING_UNSUPPORTED, /* well-formed, ends in chunked, but has others */
	SL_H1_BAD_CODING_VERSION,     /* Transfer-Encoding in HTTP/1.0 */
	SL_H1_BAD_CODING_STATUS,      /* a body announced where the status forbids one */
	SL_H1_BAD_CONNECTION,
	SL_H1_BAD_EXPECT,
	SL_H1_BAD_DUPLICATE, /* a second Authorization, X-Api-Key or Content-Type */
	/* HTTP/2 alone, see h2_head.h */
	SL_H1_BAD_PSEUDO,
	SL_H1_BAD_OF_CONNECTION,
	SL_H1_BAD_COUNT
};

enum sl_h1_body {
	SL_H1_BODY_NONE = 0,
	SL_H1_BODY_LENGTH, /* exactly content_length bytes, at least 1 */
	SL_H1_BODY_CHUNKED,
	SL_H1_BODY_UNTIL_CLOSE, /* responses only */
};

enum sl_h1_content {
	SL_H1_CONTENT_NONE = 0, /* no Content-Type */
	SL_H1_CONTENT_OTHER,
	SL_H1_CONTENT_JSON, /* application/json, any parameters */
	SL_H1_CONTENT_SSE,  /* text/event-stream, any parameters */
};

/* retry_after_ms when the field is absent, or holds what we do not read (a date). */
#define SL_H1_RETRY_AFTER_NONE	 (-1)
#define SL_H1_RETRY_AFTER_UNREAD (-2)

struct sl_h1_header {
	const char *name;  /* as sent, not lower-cased, not terminated */
	const char *value; /* without surrounding blanks; may be empty */
	uint32_t value_len;
	uint16_t name_len;
	uint8_t id; /* enum sl_h1_id */
};

struct sl_h1_head {
	/* requests */
	const char *method_text;
	const char *target; /* as sent */
	const char *path;   /* target without scheme, authority and query; "*" for OPTIONS * */
	const char *query;  /* after '?', NULL when there is none */
	const char *host;   /* value of Host, else the authority of the target, else NULL */
	uint32_t method_len;
	uint32_t target_len;
	uint32_t path_len;
	uint32_t query_len;
	uint32_t host_len; /* port included */
	/* responses */
	uint32_t reason_len;
	const char *reason;
	uint16_t status;

	uint8_t method;	 /* enum sl_h1_method */
	uint8_t minor;	 /* 0 or 1: HTTP/1.x */
	uint8_t body;	 /* enum sl_h1_body; a response to HEAD: see sl_h1_response_body */
	uint8_t content; /* enum sl_h1_content */
	bool keep_alive; /* the peer is willing to reuse the connection */
	bool expect_continue;
	bool upgrade;		/* Connection: upgrade and an Upgrade field */
	bool connection_names;	/* Connection names header fields besides the usual options */
	int64_t content_length; /* bytes, -1 when absent */
	int64_t retry_after_ms; /* retry-after-ms, else Retry-After in seconds */
	uint64_t present;	/* SL_H1_ID_BIT of every id seen */
	uint8_t first[SL_H1_ID_COUNT]; /* index of the first header of an id; if present */
	uint32_t header_count;
	struct sl_h1_header headers[SL_H1_HEADERS_MAX];
};

/*
 * Parses a request head at buf[0..len). scanned: len of the previous call on the same
 * bytes, 0 on the first. One empty line before the request line is skipped (RFC 9112 2.2).
 * Returns the bytes of the head (> 0), 0 when more bytes are needed, or -enum sl_h1_bad.
 */
int sl_h1_parse_request(const char *buf, size_t len, size_t scanned, struct sl_h1_head *ret_head);

/*
 * The same for a response head. Interim (1xx) heads are returned like others: the caller
 * skips them and parses on. head.body assumes that the request was not HEAD.
 */
int sl_h1_parse_response(const char *buf, size_t len, size_t scanned, struct sl_h1_head *ret_head);

/* How the body of a parsed response is framed, knowing whether the request was HEAD. */
static inline enum sl_h1_body sl_h1_response_body(const struct sl_h1_head *head, bool to_head)
{
	return to_head ? SL_H1_BODY_NONE : (enum sl_h1_body)head->body;
}

/* First header with the id (not OTHER), NULL when absent. */
static inline const struct sl_h1_header *sl_h1_head_find(const struct sl_h1_head *head,
							 enum sl_h1_id id)
{
	return head->present & SL_H1_ID_BIT(id) ? &head->headers[head->first[id]] : NULL;
}

/* First header of that name (any letter case), for names without an id. NULL when absent. */
const struct sl_h1_header *sl_h1_head_find_name(const struct sl_h1_head *head, const char *name,
						size_t name_len);

/* The id of a header name of any letter case; SL_H1_ID_OTHER when it has none. */
enum sl_h1_id sl_h1_name_id(const char *name, size_t name_len);

/* One line for a log or an error body, without a final stop. Takes the positive value. */
const char *sl_h1_bad_text(enum sl_h1_bad bad);

/* The status to answer a refused request with: 400, 414, 417, 431, 501 or 505. */
int sl_h1_bad_status(enum sl_h1_bad bad);

/* True when a[0..len) and b[0..len) are equal, ASCII letter case apart. */
bool sl_h1_text_equal(const char *a, const char *b, size_t len);

#endif
