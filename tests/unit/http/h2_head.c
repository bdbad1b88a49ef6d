/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header fields of HTTP/2 requests and the HTTP/1 head that is made of them: what is kept, what is
 * refused and why. A value may hold what would begin a line or a request of its own in HTTP/1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/http/h2_budget.h"
#include "user/http/h2_head.h"

#define FIELDS_MAX 12

struct field {
	const char *name, *value;
	size_t value_len; /* 0: strlen */
};

#define POST                         \
	{                            \
		":method", "POST", 0 \
	}
#define HTTPS                         \
	{                             \
		":scheme", "https", 0 \
	}
#define HOST_A                            \
	{                                 \
		":authority", "a.test", 0 \
	}
#define PATH                        \
	{                           \
		":path", "/v1/x", 0 \
	}
#define USUAL POST, HTTPS, HOST_A, PATH

struct test_case {
	const char *name;
	struct field fields[FIELDS_MAX];
	enum sl_h1_bad bad;
	const char *text;
};

static const struct test_case cases[] = {
	{"plain",
	 {USUAL, {"accept", "*/*", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\n\r\n"},
	{"order of pseudo fields",
	 {PATH, HOST_A, HTTPS, POST},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\n\r\n"},
	{"host in the place of authority",
	 {POST, HTTPS, PATH, {"host", "b.test:80", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: b.test:80\r\n\r\n"},
	{"host equal to authority",
	 {USUAL, {"host", "A.test", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\n\r\n"},
	{"cookies",
	 {USUAL, {"cookie", "a=1", 0}, {"x", "y", 0}, {"cookie", "b=2", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n"},
	{"te: trailers",
	 {USUAL, {"te", "trailers", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n"},
	{"empty value",
	 {USUAL, {"x", "", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\nx: \r\n\r\n"},
	{"tab inside a value",
	 {USUAL, {"x", "a\tb", 0}},
	 0,
	 "POST /v1/x HTTP/1.1\r\nhost: a.test\r\nx: a\tb\r\n\r\n"},
	{"OPTIONS *",
	 {{":method", "OPTIONS", 0}, HTTPS, HOST_A, {":path", "*", 0}},
	 0,
	 "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n"},

	{"no method", {HTTPS, HOST_A, PATH}, SL_H1_BAD_PSEUDO, NULL},
	{"no scheme", {POST, HOST_A, PATH}, SL_H1_BAD_PSEUDO, NULL},
	{"no path", {POST, HTTPS, HOST_A}, SL_H1_BAD_PSEUDO, NULL},
	{"no host at all", {POST, HTTPS, PATH}, SL_H1_BAD_HOST_MISSING, NULL},
	{"method twice", {USUAL, POST}, SL_H1_BAD_PSEUDO, NULL},
	{"path twice", {USUAL, PATH}, SL_H1_BAD_PSEUDO, NULL},
	{"authority twice", {USUAL, HOST_A}, SL_H1_BAD_PSEUDO, NULL},
	{"unknown pseudo field", {USUAL, {":protocol", "websocket", 0}}, SL_H1_BAD_PSEUDO, NULL},
	{"answer's pseudo field", {USUAL, {":status", "200", 0}}, SL_H1_BAD_PSEUDO, NULL},
	{"pseudo behind regular",
	 {POST, HTTPS, HOST_A, {"x", "y", 0}, PATH},
	 SL_H1_BAD_PSEUDO,
	 NULL},
	{"scheme ftp", {POST, {":scheme", "ftp", 0}, HOST_A, PATH}, SL_H1_BAD_PSEUDO, NULL},
	{"CONNECT", {{":method", "CONNECT", 0}, HOST_A}, SL_H1_BAD_METHOD_CONNECT, NULL},
	{"method with a blank",
	 {{":method", "GET /x", 0}, HTTPS, HOST_A, PATH},
	 SL_H1_BAD_METHOD,
	 NULL},
	{"method of a line",
	 {{":method", "GET / HTTP/1.1\r\nhost: b\r\n\r\nPOST", 0}, HTTPS, HOST_A, PATH},
	 SL_H1_BAD_CONTROL,
	 NULL},
	{"method empty", {{":method", "", 0}, HTTPS, HOST_A, PATH}, SL_H1_BAD_METHOD, NULL},
	{"path with a blank",
	 {POST, HTTPS, HOST_A, {":path", "/a HTTP/1.1", 0}},
	 SL_H1_BAD_TARGET,
	 NULL},
	{"path of a line",
	 {POST, HTTPS, HOST_A, {":path", "/a HTTP/1.1\r\nx: y", 0}},
	 SL_H1_BAD_CONTROL,
	 NULL},
	{"path empty", {POST, HTTPS, HOST_A, {":path", "", 0}}, SL_H1_BAD_TARGET, NULL},
	{"path of another host",
	 {POST, HTTPS, HOST_A, {":path", "http://b.test/x", 0}},
	 SL_H1_BAD_TARGET,
	 NULL},
	{"path relative", {POST, HTTPS, HOST_A, {":path", "v1/x", 0}}, SL_H1_BAD_TARGET, NULL},
	{"path * of POST", {POST, HTTPS, HOST_A, {":path", "*", 0}}, SL_H1_BAD_TARGET, NULL},
	{"path with a fragment",
	 {POST, HTTPS, HOST_A, {":path", "/a#b", 0}},
	 SL_H1_BAD_TARGET,
	 NULL},
	{"authority of a line",
	 {POST, HTTPS, {":authority", "a\r\nx: y", 0}, PATH},
	 SL_H1_BAD_CONTROL,
	 NULL},
	{"authority with user",
	 {POST, HTTPS, {":authority", "u@a", 0}, PATH},
	 SL_H1_BAD_HOST,
	 NULL},
	{"host differs", {USUAL, {"host", "b.test", 0}}, SL_H1_BAD_HOST_MISMATCH, NULL},
	{"host empty beside authority", {USUAL, {"host", "", 0}}, SL_H1_BAD_HOST_MISMATCH, NULL},
	{"host twice",
	 {POST, HTTPS, PATH, {"host", "a", 0}, {"host", "a", 0}},
	 SL_H1_BAD_HOST_DUPLICATE,
	 NULL},
	{"CR LF in a value", {USUAL, {"x", "a\r\ncontent-length: 5", 0}}, SL_H1_BAD_CONTROL, NULL},
	{"LF in a value", {USUAL, {"x", "a\nb", 0}}, SL_H1_BAD_CONTROL, NULL},
	{"CR in a value", {USUAL, {"x", "a\rb", 0}}, SL_H1_BAD_CONTROL, NULL},
	{"NUL in a value", {USUAL, {"x", "a\0b", 3}}, SL_H1_BAD_CONTROL, NULL},
	{"blank before a value", {USUAL, {"x", " a", 0}}, SL_H1_BAD_CONTROL, NULL},
	{"blank behind a value", {USUAL, {"x", "a\t", 0}}, SL_H1_BAD_CONTROL, NULL},
	{"upper case", {USUAL, {"X-a", "b", 0}}, SL_H1_BAD_HEADER_NAME, NULL},
	{"empty name", {USUAL, {"", "b", 0}}, SL_H1_BAD_HEADER_NAME, NULL},
	{"blank in a name", {USUAL, {"x y", "b", 0}}, SL_H1_BAD_HEADER_NAME, NULL},
	{"colon in a name", {USUAL, {"x:y", "b", 0}}, SL_H1_BAD_HEADER_NAME, NULL},
	{"line in a name", {USUAL, {"x\r\ny", "b", 0}}, SL_H1_BAD_HEADER_NAME, NULL},
	{"no token in a name", {USUAL, {"x(y", "b", 0}}, SL_H1_BAD_HEADER_NAME, NULL},
	{"transfer-encoding",
	 {USUAL, {"transfer-encoding", "chunked", 0}},
	 SL_H1_BAD_OF_CONNECTION,
	 NULL},
	{"connection", {USUAL, {"connection", "close", 0}}, SL_H1_BAD_OF_CONNECTION, NULL},
	{"keep-alive", {USUAL, {"keep-alive", "5", 0}}, SL_H1_BAD_OF_CONNECTION, NULL},
	{"proxy-connection",
	 {USUAL, {"proxy-connection", "close", 0}},
	 SL_H1_BAD_OF_CONNECTION,
	 NULL},
	{"upgrade", {USUAL, {"upgrade", "h2c", 0}}, SL_H1_BAD_OF_CONNECTION, NULL},
	{"http2-settings", {USUAL, {"http2-settings", "AA", 0}}, SL_H1_BAD_OF_CONNECTION, NULL},
	{"te: gzip", {USUAL, {"te", "gzip", 0}}, SL_H1_BAD_OF_CONNECTION, NULL},
	{"content-length twice",
	 {USUAL, {"content-length", "1", 0}, {"content-length", "1", 0}},
	 SL_H1_BAD_LENGTH_DUPLICATE,
	 NULL},
	{"content-length no number", {USUAL, {"content-length", "+1", 0}}, SL_H1_BAD_LENGTH, NULL},
	{"authorization twice",
	 {USUAL, {"authorization", "a", 0}, {"authorization", "b", 0}},
	 SL_H1_BAD_DUPLICATE,
	 NULL},
	{"expect", {USUAL, {"expect", "x", 0}}, SL_H1_BAD_EXPECT, NULL},
};

/* Returns what the fields make; *ret_text is the caller's. */
static int write_case(const struct test_case *c, struct sl_h1_head *head, char **ret_text)
{
	struct sl_h2_fields fields;
	int rc;

	sl_h2_fields_init(&fields);
	for (const struct field *f = c->fields; f->name; f++)
		assert_true(sl_h2_fields_take(&fields, f->name, strlen(f->name), f->value,
					      f->value_len ? f->value_len : strlen(f->value)));
	rc = sl_h2_fields_write(&fields, head, ret_text);
	sl_h2_fields_fini(&fields);
	return rc;
}

static void test_cases(void **state)
{
	static struct sl_h1_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		int rc = write_case(&cases[i], &head, &text);

		if (cases[i].text ? rc != (int)strlen(cases[i].text) : rc != -(int)cases[i].bad)
			fail_msg("%s: got %d", cases[i].name, rc);
		if (cases[i].text)
			assert_string_equal(text, cases[i].text);
		else
			assert_null(text);
		free(text);
	}
}

/* As with HTTP/1: 32 KiB of head and 100 fields. */
static void test_limits(void **state)
{
	static const struct test_case usual = {"", {USUAL}, 0, NULL};
	static struct sl_h1_head head;
	static char large[SL_H1_REQUEST_HEAD_BYTES_MAX];
	struct sl_h2_fields fields;
	char *text = NULL;
	uint32_t i;

	(void)state;
	memset(large, 'v', sizeof(large));
	for (i = 0; i < 3; i++) {
		sl_h2_fields_init(&fields);
		for (const struct field *f = usual.fields; f->name; f++)
			sl_h2_fields_take(&fields, f->name, strlen(f->name), f->value,
					  strlen(f->value));
		if (i == 0) {
			sl_h2_fields_take(&fields, "x", 1, large, sizeof(large));
			assert_int_equal(sl_h2_fields_write(&fields, &head, &text),
					 -SL_H1_BAD_HEAD_LONG);
		} else if (i == 1) { /* fits by itself, not with the rest of the text */
			sl_h2_fields_take(&fields, "x", 1, large, sizeof(large) - 40);
			assert_int_equal(sl_h2_fields_write(&fields, &head, &text),
					 -SL_H1_BAD_HEAD_LONG);
		} else {
			for (int n = 0; n < 100; n++)
				sl_h2_fields_take(&fields, "x", 1, "y", 1);
			assert_int_equal(sl_h2_fields_write(&fields, &head, &text),
					 -SL_H1_BAD_HEADERS_MANY);
		}
		sl_h2_fields_fini(&fields);
	}
	sl_h2_fields_init(&fields);
	for (i = 0; i < SL_H2_FIELDS_MAX; i++)
		assert_true(sl_h2_fields_take(&fields, "x", 1, "y", 1));
	assert_false(sl_h2_fields_take(&fields, "x", 1, "y", 1));
	sl_h2_fields_fini(&fields);
}

static void test_budget(void **state)
{
	struct sl_h2_budget budget = {0};
	uint64_t now_ns = 1000000;
	uint32_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_true(sl_h2_budget_take(&budget, now_ns, 100, 5));
	assert_false(sl_h2_budget_take(&budget, now_ns, 100, 5));
	assert_false(sl_h2_budget_take(&budget, now_ns + 99, 100, 5));
	assert_true(sl_h2_budget_take(&budget, now_ns + 100, 100, 5));
	assert_false(sl_h2_budget_take(&budget, now_ns + 100, 100, 5));
	sl_h2_budget_earn(&budget, 100, 2);
	assert_true(sl_h2_budget_take(&budget, now_ns + 100, 100, 5));
	assert_true(sl_h2_budget_take(&budget, now_ns + 100, 100, 5));
	assert_false(sl_h2_budget_take(&budget, now_ns + 100, 100, 5));
	/* What is earned beyond a full bucket is lost. */
	sl_h2_budget_earn(&budget, 100, 1000);
	for (i = 0; i < 5; i++)
		assert_true(sl_h2_budget_take(&budget, now_ns + 200, 100, 5));
	assert_false(sl_h2_budget_take(&budget, now_ns + 200, 100, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
