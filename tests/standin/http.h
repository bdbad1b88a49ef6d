/* HTTP/1.1 requests (RFC 9112) as a server reads them: the head, and bodies with a length or
 * chunked.
 *
 * Owns nothing: a parsed head points into the bytes it was parsed from.
 * Only what this server acts on is kept; other header fields are checked for their shape and
 * passed. Threads: pure functions. Costs: one pass over the head, memchr per line.
 */
#ifndef TESTS_STANDIN_HTTP_H
#define TESTS_STANDIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/standin/json.h"

enum {
	SL_HTTP_HEAD_LEN_MAX = 128 * 1024,
	SL_HTTP_FIELD_COUNT_MAX = 256,
};
#define SL_HTTP_BODY_LEN_MAX ((size_t)64 * 1024 * 1024)

enum sl_method { SL_METHOD_OTHER, SL_METHOD_GET, SL_METHOD_POST, SL_METHOD_DELETE, SL_METHOD_HEAD };

struct sl_head {
	enum sl_method method;
	bool keep_alive;
	bool http10; /* no chunked coding in the answer */
	bool chunked;
	bool has_length;
	bool expect_continue;
	size_t head_len;
	size_t body_len;	  /* of a body with a length */
	struct sl_str path;	  /* without the query */
	struct sl_str fault;	  /* x-standin-fault */
	struct sl_str fault_node; /* x-standin-fault-node */
};

/* Parses a request head. 0: *ret_head is set; -EAGAIN: not all here yet; -E2BIG: longer than the
 * limits above; -EBADMSG: not a request. */
int sl_http_head(const char *data, size_t len, struct sl_head *ret_head);

/* Decodes a chunked body in place, once all of it is here. 0: *ret_body_len bytes of body now stand
 * at data, *ret_used bytes of input were the body; -EAGAIN; -E2BIG; -EBADMSG. data is untouched
 * unless 0 is returned. */
int sl_http_dechunk(char *data, size_t len, size_t *ret_body_len, size_t *ret_used);

#endif
