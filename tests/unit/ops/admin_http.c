/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP on the admin socket: whole and partial requests, what is refused, the query, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/ops/admin_http.h"

#define HOST "host: x\r\n"

static void test_begins(void **state)
{
	static const struct {
		const char *line;
		bool begins;
	} cases[] = {
		{"GET / HTTP/1.1\r", true},  {"PUT /prompts/a HTTP/1.0", true},
		{"prompt text list", false}, {"", false},
		{"HTTP/1.1", false},	     {" HTTP/1.", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (sl_admin_http_begins(cases[i].line, strlen(cases[i].line)) != cases[i].begins)
			fail_msg("\"%s\"", cases[i].line);
	}
}

static const struct {
	const char *name, *bytes;
	int wanted;
} requests[] = {
	{"without a body", "GET /prompts HTTP/1.1\r\n" HOST "\r\n", 1},
	{"half a head", "GET /prompts HTTP/1.1\r\n" HOST, 0},
	{"with a body", "PUT /prompts/a HTTP/1.1\r\n" HOST "content-length: 3\r\n\r\nabc", 1},
	{"half a body", "PUT /prompts/a HTTP/1.1\r\n" HOST "content-length: 3\r\n\r\nab", 0},
	{"in chunks", "PUT /a HTTP/1.1\r\n" HOST "transfer-encoding: chunked\r\n\r\n", -411},
	{"too long", "PUT /a HTTP/1.1\r\n" HOST "content-length: 1048577\r\n\r\n", -413},
	{"no head", "GET /a b HTTP/1.1\r\n" HOST "\r\n", -400},
	{"without a host", "GET /a HTTP/1.1\r\n\r\n", -400},
};

static void test_read(void **state)
{
	struct sl_admin_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int rc = sl_admin_http_read(requests[i].bytes, strlen(requests[i].bytes), &request);

		if (rc != requests[i].wanted)
			fail_msg("%s: got %d", requests[i].name, rc);
	}
	assert_int_equal(sl_admin_http_read(requests[2].bytes, strlen(requests[2].bytes), &request),
			 1);
	assert_int_equal(request.method, SL_H1_METHOD_PUT);
	assert_true(sl_span_equal(request.path, SL_SPAN("/prompts/a")));
	assert_true(sl_span_equal(request.body, SL_SPAN("abc")));
	assert_false(request.waits);
}

static void test_waits(void **state)
{
	static const char head[] =
		"PUT /a HTTP/1.1\r\n" HOST "content-length: 3\r\nexpect: 100-continue\r\n\r\n";
	struct sl_admin_request request;

	(void)state;
	assert_int_equal(sl_admin_http_read(head, sizeof(head) - 1, &request), 0);
	assert_true(request.waits);
}

static void test_query(void **state)
{
	static const struct {
		const char *query, *name, *value; /* NULL: not there */
	} cases[] = {
		{"from=abc&to=def", "to", "def"},
		{"from=abc&to=def", "from", "abc"},
		{"from=abc", "fro", NULL},
		{"json", "json", ""},
		{"a=x%2fy", "a", "x/y"},
		{"a=x%2", "a", NULL},
		{"a=%", "a", NULL},
		{"a=%zz", "a", NULL},
		{"a=%00", "a", NULL},
		{"a=%0a", "a", NULL},
		{"", "a", NULL},
	};
	char value[SL_ADMIN_QUERY_BYTES], longest[2 * SL_ADMIN_QUERY_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool there =
			sl_admin_http_query(sl_span_string(cases[i].query), cases[i].name, value);

		if (there != (cases[i].value != NULL) ||
		    (there && strcmp(value, cases[i].value) != 0))
			fail_msg("\"%s\", %s", cases[i].query, cases[i].name);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = 'a';
	longest[1] = '=';
	assert_true(
		sl_admin_http_query(sl_span_make(longest, SL_ADMIN_QUERY_BYTES + 1), "a", value));
	assert_int_equal(strlen(value), SL_ADMIN_QUERY_BYTES - 1);
	assert_false(
		sl_admin_http_query(sl_span_make(longest, SL_ADMIN_QUERY_BYTES + 2), "a", value));
}

static void test_write(void **state)
{
	struct sl_text out;

	(void)state;
	sl_text_init(&out, 4096);
	sl_admin_http_write(&(struct sl_admin_reply){.status = 404, .type = "application/json"},
			    SL_SPAN("{}"), &out);
	assert_string_equal(sl_text_string(&out),
			    "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n"
			    "connection: close\r\ncontent-length: 2\r\n\r\n{}");
	sl_text_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins), cmocka_unit_test(test_read),
		cmocka_unit_test(test_waits),  cmocka_unit_test(test_query),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
