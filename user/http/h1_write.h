/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes HTTP/1.1 heads into a caller's buffer. Heads are always built anew from parsed
 * facts: hop-by-hop fields and whatever Connection names are left out, framing is ours.
 *
 * How to use
 *
 *	struct sl_h1_out o;
 *	sl_h1_out_init(&o, buf, sizeof(buf));
 *	sl_h1_write_request_line(&o, head.method_text, head.method_len, path, path_len);
 *	SL_H1_WRITE_HEADER(&o, "host", node_host, node_host_len);
 *	sl_h1_write_headers_of(&o, &head, SL_H1_ID_BIT(SL_H1_ID_AUTHORIZATION));
 *	sl_h1_write_content_length(&o, body_len);	or sl_h1_write_chunked(&o)
 *	rc = sl_h1_write_end(&o);	bytes of the head, -ENOSPC, or -EINVAL
 *
 * Errors stick: a write that does not fit (or would break the head, such as a line end in
 * a value) marks the output, later writes do nothing, and sl_h1_write_end reports it. So
 * only the last call needs a check. Pure, no allocation; any thread.
 */
#ifndef SL_USER_HTTP_H1_WRITE_H
#define SL_USER_HTTP_H1_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/http/h1_parse.h"

/* Longest text of sl_h1_format_u64 and of sl_h1_write_chunk_head. */
#define SL_H1_U64_TEXT_MAX   20
#define SL_H1_CHUNK_HEAD_MAX 18

/* What ends a chunked body, and what ends each chunk's data. */
#define SL_H1_CHUNK_LAST "0\r\n\r\n"
#define SL_H1_CHUNK_TAIL "\r\n"

struct sl_h1_out {
	char *begin;
	char *at;
	char *end;
	int error; /* 0, -ENOSPC or -EINVAL */
};

/* The buffer is borrowed until the head has been sent. */
static inline void sl_h1_out_init(struct sl_h1_out *o, char *buf, size_t size)
{
	*o = (struct sl_h1_out){.begin = buf, .at = buf, .end = buf + size};
}

/* "METHOD target HTTP/1.1". The target must be valid already (it came from a parsed head). */
void sl_h1_write_request_line(struct sl_h1_out *o, const char *method, size_t method_len,
			      const char *target, size_t target_len);

/* "HTTP/1.1 503 Service Unavailable"; any status 100..999, the reason of an unknown is empty. */
void sl_h1_write_status_line(struct sl_h1_out *o, int status);

/* One header field. A control byte other than tab in the value is -EINVAL. */
void sl_h1_write_header(struct sl_h1_out *o, const char *name, size_t name_len, const char *value,
			size_t value_len);

/* The same with a literal name. */
#define SL_H1_WRITE_HEADER(o, name, value, value_len) \
	sl_h1_write_header((o), "" name, sizeof(name) - 1, (value), (value_len))

/* One header field whose value is a decimal number. */
void sl_h1_write_header_u64(struct sl_h1_out *o, const char *name, size_t name_len, uint64_t value);

#define SL_H1_WRITE_HEADER_U64(o, name, value) \
	sl_h1_write_header_u64((o), "" name, sizeof(name) - 1, (value))

/* "content-length: N", "transfer-encoding: chunked", "connection: close|keep-alive". */
void sl_h1_write_content_length(struct sl_h1_out *o, uint64_t body_len);
void sl_h1_write_chunked(struct sl_h1_out *o);
void sl_h1_write_connection(struct sl_h1_out *o, bool keep_alive);

/*
 * Copies the end-to-end fields of a parsed head, in order and as spelt. Left out: Host,
 * Content-Length, Transfer-Encoding, Connection and all it names, Keep-Alive, Proxy-*, TE,
 * Trailer, Upgrade, HTTP2-Settings, Expect, and every id in drop_ids (SL_H1_ID_BIT,
 * or-ed; SL_H1_ID_OTHER drops all fields without an id). The head must still be alive.
 */
void sl_h1_write_headers_of(struct sl_h1_out *o, const struct sl_h1_head *head, uint64_t drop_ids);

/* Bytes as they are, for a caller who prepared whole "name: value\r\n" lines earlier. */
void sl_h1_write_lines(struct sl_h1_out *o, const char *lines, size_t lines_len);

/* The empty line. Returns the length of the head, -ENOSPC, or -EINVAL. */
int sl_h1_write_end(struct sl_h1_out *o);

/* "1f4\r\n" for chunk data of size bytes; size must not be 0. Returns its length. */
size_t sl_h1_write_chunk_head(char out[SL_H1_CHUNK_HEAD_MAX], uint64_t size);

/* Decimal digits, not terminated. Returns their number. */
size_t sl_h1_format_u64(char out[SL_H1_U64_TEXT_MAX], uint64_t value);

/* "Service Unavailable" for 503; "" for a status without a registered reason. */
const char *sl_h1_status_text(int status);

#endif
