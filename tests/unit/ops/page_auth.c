/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may see the status page: tokens and how they are brought, hosts, origins, what acts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "user/ops/page_auth.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
/* base64 of "me:TOKEN", of "TOKEN" alone, of "me:" */
#define BASIC	      "bWU6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define BASIC_NO_NAME "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define BASIC_EMPTY   "bWU6"

static const struct {
	const char *name, *head;
	bool socket; /* came by the admin socket */
	enum sl_page_refusal wanted;
} cases[] = {
	{"bearer", "GET / HTTP/1.1\r\nhost: 127.0.0.1:1\r\nauthorization: Bearer " TOKEN, false,
	 SL_PAGE_ADMITTED},
	{"letter case of the scheme",
	 "GET / HTTP/1.1\r\nhost: 127.0.0.1:1\r\nauthorization: bEARER " TOKEN, false,
	 SL_PAGE_ADMITTED},
	{"basic", "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic " BASIC, false,
	 SL_PAGE_ADMITTED},
	{"basic without a name",
	 "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic " BASIC_NO_NAME, false,
	 SL_PAGE_REFUSED_TOKEN},
	{"basic without a token",
	 "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic " BASIC_EMPTY, false,
	 SL_PAGE_REFUSED_TOKEN},
	{"basic, not base64", "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic b\x57U6*",
	 false, SL_PAGE_REFUSED_TOKEN},
	{"nothing", "GET / HTTP/1.1\r\nhost: localhost", false, SL_PAGE_REFUSED_TOKEN},
	{"an empty bearer", "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ", false,
	 SL_PAGE_REFUSED_TOKEN},
	{"one digit too few",
	 "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer "
	 "0123456789abcdef0123456789abcde",
	 false, SL_PAGE_REFUSED_TOKEN},
	{"one too many", "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer " TOKEN "0",
	 false, SL_PAGE_REFUSED_TOKEN},
	{"another scheme", "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Digest " TOKEN,
	 false, SL_PAGE_REFUSED_TOKEN},
	{"by the socket", "GET / HTTP/1.1\r\nhost: localhost", true, SL_PAGE_ADMITTED},
	{"any loopback", "GET / HTTP/1.1\r\nhost: 127.9.0.3:80", true, SL_PAGE_ADMITTED},
	{"IPv6", "GET / HTTP/1.1\r\nhost: [::1]:8090", true, SL_PAGE_ADMITTED},
	{"a name", "GET / HTTP/1.1\r\nhost: evil.example", true, SL_PAGE_REFUSED_HOST},
	{"a name that begins like us", "GET / HTTP/1.1\r\nhost: 127.0.0.1.evil.example", true,
	 SL_PAGE_REFUSED_HOST},
	{"a name that ends like us", "GET / HTTP/1.1\r\nhost: evil-localhost", true,
	 SL_PAGE_REFUSED_HOST},
	{"another address", "GET / HTTP/1.1\r\nhost: 10.0.0.1", true, SL_PAGE_REFUSED_HOST},
	{"another IPv6", "GET / HTTP/1.1\r\nhost: [::2]:1", true, SL_PAGE_REFUSED_HOST},
	{"the host counts before the token",
	 "GET / HTTP/1.1\r\nhost: evil.example\r\nauthorization: Bearer " TOKEN, false,
	 SL_PAGE_REFUSED_HOST},
	{"a link of another page",
	 "GET / HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site", true, SL_PAGE_ADMITTED},
	{"a script of another page",
	 "GET /status.json HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site", true,
	 SL_PAGE_REFUSED_ORIGIN},
	{"another port is another page",
	 "GET /status.json HTTP/1.1\r\nhost: localhost:1\r\norigin: http://localhost:2", true,
	 SL_PAGE_REFUSED_ORIGIN},
	{"an opaque origin", "GET /status.json HTTP/1.1\r\nhost: localhost\r\norigin: null", true,
	 SL_PAGE_REFUSED_ORIGIN},
	{"its own",
	 "GET /status.json HTTP/1.1\r\nhost: localhost:1\r\norigin: http://localhost:1\r\n"
	 "sec-fetch-site: same-origin",
	 true, SL_PAGE_ADMITTED},
	{"an act", "POST /act/drain HTTP/1.1\r\nhost: localhost\r\nx-sluice-page: 1", true,
	 SL_PAGE_ADMITTED},
	{"an act without the field", "POST /act/drain HTTP/1.1\r\nhost: localhost", true,
	 SL_PAGE_REFUSED_GUARD},
	{"an act from elsewhere, with it",
	 "POST / HTTP/1.1\r\nhost: localhost\r\nx-sluice-page: 1\r\norigin: http://evil.example",
	 true, SL_PAGE_REFUSED_ORIGIN},
	{"an act with it, without a token",
	 "POST /act/drain HTTP/1.1\r\nhost: localhost\r\nx-sluice-page: 1", false,
	 SL_PAGE_REFUSED_TOKEN},
};

static void test_admit(void **state)
{
	const struct sl_span token = SL_SPAN(TOKEN);
	uint8_t digest[SL_DIGEST_BYTES];

	(void)state;
	sl_digest_sha256(&token, 1, digest);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_admin_request request;
		enum sl_page_refusal got;
		char bytes[512];
		int len = snprintf(bytes, sizeof(bytes), "%s\r\n\r\n", cases[i].head);

		if (sl_admin_http_read(bytes, (size_t)len, &request) != 1)
			fail_msg("%s: no request", cases[i].name);
		got = sl_page_admit(&request, cases[i].socket ? NULL : digest);
		if (got != cases[i].wanted)
			fail_msg("%s: got %s, wanted %s", cases[i].name, sl_page_refusal_name(got),
				 sl_page_refusal_name(cases[i].wanted));
	}
}

/* Prompts, by the admin socket. */
static void test_admit_other(void **state)
{
	static const struct {
		const char *fields;
		enum sl_page_refusal wanted;
	} others[] = {
		{"host: localhost", SL_PAGE_ADMITTED},
		{"host: 127.0.0.1:9999\r\norigin: http://127.0.0.1:9999", SL_PAGE_ADMITTED},
		{"host: localhost\r\norigin: http://evil.example", SL_PAGE_REFUSED_ORIGIN},
		{"host: localhost\r\nsec-fetch-site: cross-site", SL_PAGE_REFUSED_ORIGIN},
		{"host: evil.example", SL_PAGE_REFUSED_HOST},
		/* rebinding: for the browser it is the same origin */
		{"host: evil.example\r\norigin: http://evil.example\r\nsec-fetch-site: same-origin",
		 SL_PAGE_REFUSED_HOST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct sl_admin_request request;
		char bytes[512];
		int len = snprintf(bytes, sizeof(bytes), "GET /prompts HTTP/1.1\r\n%s\r\n\r\n",
				   others[i].fields);

		assert_int_equal(sl_admin_http_read(bytes, (size_t)len, &request), 1);
		if (sl_page_admit_other(&request) != others[i].wanted)
			fail_msg("%s", others[i].fields);
	}
}

static void test_tokens(void **state)
{
	static const struct {
		const char *token;
		bool good;
	} tokens[] = {
		{TOKEN, true},
		{"abcdefghijklmnopqrstuvwxyz-_.ABCDEFGH", true},
		{"0123456789abcdef0123456789abcde", false}, /* 31 */
		{"0123456789abcdef 123456789abcdef", false},
		{"0123456789abcdef:123456789abcdef", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		if (sl_page_token_is_formed(sl_span_string(tokens[i].token)) != tokens[i].good)
			fail_msg("\"%s\"", tokens[i].token);
	}
}

static void test_statuses(void **state)
{
	(void)state;
	assert_int_equal(sl_page_refusal_status(SL_PAGE_REFUSED_TOKEN), 401);
	assert_int_equal(sl_page_refusal_status(SL_PAGE_REFUSED_HOST), 421);
	assert_int_equal(sl_page_refusal_status(SL_PAGE_REFUSED_ORIGIN), 403);
	assert_int_equal(sl_page_refusal_status(SL_PAGE_REFUSED_GUARD), 403);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_admit_other),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
