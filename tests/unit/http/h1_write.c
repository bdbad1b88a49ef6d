/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Head writer: exact bytes, every buffer size down to nothing, and what a relay drops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/guard.h"
#include "user/http/h1_chunk.h"
#include "user/http/h1_write.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sl_h1_head head;

/* Writes the response that the tests use; all kinds of lines. */
static int write_response(char *buf, size_t size)
{
	struct sl_h1_out o;

	sl_h1_out_init(&o, buf, size);
	sl_h1_write_status_line(&o, 503);
	SL_H1_WRITE_HEADER(&o, "x-request-id", "r 1", 3);
	SL_H1_WRITE_HEADER_U64(&o, "retry-after-ms", 1500);
	sl_h1_write_lines(&o, "a: b\r\nc: d\r\n", 12);
	sl_h1_write_content_length(&o, 0);
	sl_h1_write_connection(&o, false);
	return sl_h1_write_end(&o);
}

static void test_response(void **state)
{
	static const char expected[] = "HTTP/1.1 503 Service Unavailable\r\nx-request-id: r 1\r\n"
				       "retry-after-ms: 1500\r\na: b\r\nc: d\r\n"
				       "content-length: 0\r\nconnection: close\r\n\r\n";
	size_t len = sizeof(expected) - 1;

	(void)state;
	for (size_t size = 0; size <= len + 1; size++) {
		char *buf = sl_guard_alloc(size);
		int rc = write_response(buf, size);

		assert_int_equal(rc, size < len ? -ENOSPC : (int)len);
		if (rc > 0)
			assert_memory_equal(buf, expected, len);
		sl_guard_free(buf, size);
	}
}

static void test_status_lines(void **state)
{
	static const struct {
		int status;
		const char *line;
	} cases[] = {
		{200, "HTTP/1.1 200 OK\r\n\r\n"},
		{100, "HTTP/1.1 100 Continue\r\n\r\n"},
		{407, "HTTP/1.1 407 \r\n\r\n"},
		{599, "HTTP/1.1 599 \r\n\r\n"},
		{429, "HTTP/1.1 429 Too Many Requests\r\n\r\n"},
	};
	char buf[128];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_h1_out o;
		int rc;

		sl_h1_out_init(&o, buf, sizeof(buf));
		sl_h1_write_status_line(&o, cases[i].status);
		rc = sl_h1_write_end(&o);
		assert_int_equal(rc, strlen(cases[i].line));
		assert_memory_equal(buf, cases[i].line, (size_t)rc);
		assert_int_equal(sl_h1_parse_response(buf, (size_t)rc, 0, &head), rc);
		assert_int_equal(head.status, cases[i].status);
	}
}

/* Nobody can write a second line through a value. */
static void test_splitting(void **state)
{
	static const char *const values[] = {"a\r\nb: c", "a\nb", "a\rb", "\x7f", "\x01"};
	char buf[128];

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct sl_h1_out o;

		sl_h1_out_init(&o, buf, sizeof(buf));
		sl_h1_write_status_line(&o, 200);
		SL_H1_WRITE_HEADER(&o, "x", values[i], strlen(values[i]));
		SL_H1_WRITE_HEADER(&o, "y", "z", 1);
		assert_int_equal(sl_h1_write_end(&o), -EINVAL);
	}
}

struct relay_case {
	const char *name;
	const char *fields; /* of the request that came in, behind Host */
	uint64_t drop_ids;
	const char *expected; /* fields that went on */
};

static const struct relay_case relays[] = {
	{"nothing", "", 0, ""},
	{"end to end", "Accept: */*\r\nX-Odd:  1 \r\n", 0, "Accept: */*\r\nX-Odd: 1\r\n"},
	{"empty value", "X-Odd:\r\n", 0, "X-Odd: \r\n"},
	{"hop by hop",
	 "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: x\r\n"
	 "Proxy-Connection: y\r\nTE: trailers\r\nTrailer: z\r\nUpgrade: h2c\r\n"
	 "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nExpect: 100-continue\r\nA: b\r\n",
	 0, "A: b\r\n"},
	{"framing", "Transfer-Encoding: chunked\r\nA: b\r\n", 0, "A: b\r\n"},
	{"length", "A: b\r\nContent-Length: 5\r\n", 0, "A: b\r\n"},
	{"named by Connection",
	 "X-One: 1\r\nConnection: x-one , close\r\nX-Two: 2\r\nConnection: ,X-TWO\r\nX-Three: 3\r\n"
	 "X-On: 4\r\n",
	 0, "X-Three: 3\r\nX-On: 4\r\n"},
	{"named known field", "Connection: authorization\r\nAuthorization: a\r\nA: b\r\n", 0,
	 "A: b\r\n"},
	{"dropped by id", "Authorization: a\r\nX-Sluice-Node: n\r\nX-Sluice-Pool: p\r\nA: b\r\n",
	 SL_H1_ID_BIT(SL_H1_ID_AUTHORIZATION) | SL_H1_ID_BIT(SL_H1_ID_X_SLUICE), "A: b\r\n"},
	{"only known", "Authorization: a\r\nA: b\r\n", SL_H1_ID_BIT(SL_H1_ID_OTHER),
	 "Authorization: a\r\n"},
	{"repeated", "A: 1\r\na: 2\r\n", 0, "A: 1\r\na: 2\r\n"},
};

static void test_relay(void **state)
{
	char in[1024], expected[1024], buf[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(relays); i++) {
		int len = snprintf(in, sizeof(in), "POST /x?y HTTP/1.1\r\nHost: a\r\n%s\r\n",
				   relays[i].fields);
		struct sl_h1_out o;
		int rc;

		if (sl_h1_parse_request(in, (size_t)len, 0, &head) != len)
			fail_msg("%s: not parsed", relays[i].name);
		sl_h1_out_init(&o, buf, sizeof(buf));
		sl_h1_write_request_line(&o, head.method_text, head.method_len, head.target,
					 head.target_len);
		SL_H1_WRITE_HEADER(&o, "host", "10.0.0.7:8000", 13);
		sl_h1_write_headers_of(&o, &head, relays[i].drop_ids);
		sl_h1_write_chunked(&o);
		rc = sl_h1_write_end(&o);
		len = snprintf(expected, sizeof(expected),
			       "POST /x?y HTTP/1.1\r\nhost: 10.0.0.7:8000\r\n%s"
			       "transfer-encoding: chunked\r\n\r\n",
			       relays[i].expected);
		if (rc != len || memcmp(buf, expected, (size_t)len) != 0)
			fail_msg("%s: got\n%.*s", relays[i].name, rc > 0 ? rc : 0, buf);
		/* what we write, we accept */
		assert_int_equal(sl_h1_parse_request(buf, (size_t)rc, 0, &head), rc);
	}
}

static void test_numbers(void **state)
{
	static const uint64_t values[] = {0,
					  1,
					  9,
					  10,
					  11,
					  99,
					  100,
					  101,
					  999,
					  1000,
					  12345,
					  65535,
					  99999,
					  100000,
					  4294967295,
					  4294967296,
					  UINT64_MAX / 10,
					  UINT64_MAX};
	char text[32], out[SL_H1_U64_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		size_t len =
			(size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)values[i]);

		assert_int_equal(sl_h1_format_u64(out, values[i]), len);
		assert_memory_equal(out, text, len);
	}
}

static void test_chunk_heads(void **state)
{
	char text[32], out[SL_H1_CHUNK_HEAD_MAX];

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t size = (UINT64_C(1) << bit) + (bit % 3);
		size_t len =
			(size_t)snprintf(text, sizeof(text), "%llx\r\n", (unsigned long long)size);

		assert_int_equal(sl_h1_write_chunk_head(out, size), len);
		assert_memory_equal(out, text, len);
	}
}

/* A body that we frame is the body that the decoder finds. */
static void test_chunk_round_trip(void **state)
{
	char buf[512], head_text[SL_H1_CHUNK_HEAD_MAX];
	const char *data;
	size_t used, data_len;

	(void)state;
	for (size_t size = 1; size < 300; size++) {
		struct sl_h1_chunk c;
		size_t len = sl_h1_write_chunk_head(head_text, size);

		memcpy(buf, head_text, len);
		memset(buf + len, 'x', size);
		memcpy(buf + len + size, SL_H1_CHUNK_TAIL SL_H1_CHUNK_LAST,
		       sizeof(SL_H1_CHUNK_TAIL SL_H1_CHUNK_LAST));
		sl_h1_chunk_init(&c);
		assert_int_equal(sl_h1_chunk_feed(&c, buf, len + size + 7, &used, &data, &data_len),
				 SL_H1_CHUNK_DATA);
		assert_int_equal(data_len, size);
		assert_int_equal(used, len + size + 2);
		assert_int_equal(sl_h1_chunk_feed(&c, buf + used, 5, &used, &data, &data_len),
				 SL_H1_CHUNK_END);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_response),	 cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_splitting),	 cmocka_unit_test(test_relay),
		cmocka_unit_test(test_numbers),		 cmocka_unit_test(test_chunk_heads),
		cmocka_unit_test(test_chunk_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
