/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Head parser: tables of heads and verdicts. Every head is fed whole, split in two at every
 * byte, and byte by byte, each time ending at a guard page; the verdict must not change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/guard.h"
#include "user/http/h1_parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM	 (128 * 1024)

typedef int parse_fn(const char *buf, size_t len, size_t scanned, struct sl_h1_head *ret_head);

static struct sl_h1_head head;
static char *room; /* ends at a guard page */

/* text[0..len), placed so that it ends at the guard page. */
static const char *place(const char *text, size_t len)
{
	assert_true(len <= ROOM);
	return memcpy(room + ROOM - len, text, len);
}

static int parse_whole(parse_fn *parse, const char *text, size_t len)
{
	return parse(place(text, len), len, 0, &head);
}

/* The verdict of every way of splitting must be that of the whole. */
static void check_splits(parse_fn *parse, const char *name, const char *text, size_t len, int rc)
{
	size_t scanned = 0;
	int got = 0;

	for (size_t n = 0; n < len; n++) {
		got = parse_whole(parse, text, n);
		if (got == 0)
			got = parse(place(text, len), len, n, &head);
		if (got != rc)
			fail_msg("%s: split at %zu: %d, expected %d", name, n, got, rc);
	}
	for (size_t n = 1; n <= len; n++) {
		got = parse(place(text, n), n, scanned, &head);
		if (got != 0)
			break;
		scanned = n;
	}
	if (got != rc)
		fail_msg("%s: byte by byte: %d, expected %d", name, got, rc);
}

static void check(parse_fn *parse, const char *name, const char *text, size_t len, int expected)
{
	int rc = parse_whole(parse, text, len);

	if (rc != expected)
		fail_msg("%s: %d (%s), expected %d", name, rc,
			 rc < 0 ? sl_h1_bad_text((enum sl_h1_bad) - rc) : "", expected);
	check_splits(parse, name, text, len, expected);
}

struct bad_case {
	const char *name;
	const char *text;
	size_t len;
	enum sl_h1_bad bad;
};

#define BAD(name, text, bad)                                  \
	{                                                     \
		name, text, sizeof(text) - 1, SL_H1_BAD_##bad \
	}
#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
#define HOST "Host: a\r\n"

static const struct bad_case bad_requests[] = {
	/* framing: what smuggling is made of */
	BAD("CL and TE", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    LENGTH_AND_CODING),
	BAD("TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	    LENGTH_AND_CODING),
	BAD("TE and CL 0", POST "Transfer-Encoding: chunked\r\ncontent-length: 0\r\n\r\n",
	    LENGTH_AND_CODING),
	BAD("CL twice, differing", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
	    LENGTH_DUPLICATE),
	BAD("CL twice, equal", POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n",
	    LENGTH_DUPLICATE),
	BAD("CL with an underscore", POST "Content_Length: 5\r\n\r\n", HEADER_NAME),
	BAD("TE with an underscore", POST "TRANSFER_Encoding: chunked\r\n\r\n", HEADER_NAME),
	BAD("CL list", POST "Content-Length: 5, 5\r\n\r\n", LENGTH),
	BAD("CL plus", POST "Content-Length: +5\r\n\r\n", LENGTH),
	BAD("CL minus", POST "Content-Length: -5\r\n\r\n", LENGTH),
	BAD("CL minus 0", POST "Content-Length: -0\r\n\r\n", LENGTH),
	BAD("CL inner blank", POST "Content-Length: 1 2\r\n\r\n", LENGTH),
	BAD("CL hexadecimal", POST "Content-Length: 0x10\r\n\r\n", LENGTH),
	BAD("CL leading zero", POST "Content-Length: 010\r\n\r\n", LENGTH),
	BAD("CL empty", POST "Content-Length:\r\n\r\n", LENGTH),
	BAD("CL fraction", POST "Content-Length: 5.0\r\n\r\n", LENGTH),
	BAD("CL exponent", POST "Content-Length: 1e1\r\n\r\n", LENGTH),
	BAD("CL 2^63", POST "Content-Length: 9223372036854775808\r\n\r\n", LENGTH),
	BAD("CL 2^64", POST "Content-Length: 18446744073709551616\r\n\r\n", LENGTH),
	BAD("CL 40 digits", POST "Content-Length: 1111111111111111111111111111111111111111\r\n\r\n",
	    LENGTH),
	BAD("CL quoted", POST "Content-Length: \"5\"\r\n\r\n", LENGTH),
	BAD("CL full-width digit", POST "Content-Length: \xef\xbc\x95\r\n\r\n", LENGTH),
	BAD("CL vertical tab", POST "Content-Length: \v5\r\n\r\n", CONTROL),
	BAD("TE twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    CODING),
	BAD("TE twice, hidden", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
	    CODING),
	BAD("TE identity", POST "Transfer-Encoding: identity\r\n\r\n", CODING),
	BAD("TE gzip", POST "Transfer-Encoding: gzip\r\n\r\n", CODING),
	BAD("TE chunked first", POST "Transfer-Encoding: chunked, gzip\r\n\r\n", CODING),
	BAD("TE gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
	    CODING_UNSUPPORTED),
	BAD("TE chunked, chunked", POST "Transfer-Encoding: chunked,chunked\r\n\r\n",
	    CODING_UNSUPPORTED),
	BAD("TE xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", CODING),
	BAD("TE chunkedx", POST "Transfer-Encoding: chunkedx\r\n\r\n", CODING),
	BAD("TE parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", CODING),
	BAD("TE quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", CODING),
	BAD("TE single quoted", POST "Transfer-Encoding: 'chunked'\r\n\r\n", CODING),
	BAD("TE trailing comma", POST "Transfer-Encoding: chunked,\r\n\r\n", CODING),
	BAD("TE leading comma", POST "Transfer-Encoding: ,chunked\r\n\r\n", CODING_UNSUPPORTED),
	BAD("TE empty", POST "Transfer-Encoding:\r\n\r\n", CODING),
	BAD("TE form feed", POST "Transfer-Encoding: \fchunked\r\n\r\n", CONTROL),
	BAD("TE no-break space",
	    POST "Transfer-Encoding: \xa0"
		 "chunked\r\n\r\n",
	    CODING),
	BAD("TE folded", POST "Transfer-Encoding:\r\n chunked\r\n\r\n", CODING),
	BAD("TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", CODING_VERSION),
	BAD("TE blank before colon", POST "Transfer-Encoding : chunked\r\n\r\n", HEADER_SPACE),
	BAD("TE tab before colon", POST "Transfer-Encoding\t: chunked\r\n\r\n", HEADER_SPACE),
	BAD("TE NUL in name", POST "Transfer-Encoding\0: chunked\r\n\r\n", CONTROL),
	BAD("CL blank before colon", POST "Content-Length : 5\r\n\r\n", HEADER_SPACE),
	BAD("CL behind bare CR", POST "X: y\rContent-Length: 5\r\n\r\n", LINE_END),
	BAD("CL behind bare LF", POST "X: y\nContent-Length: 5\r\n\r\n", LINE_END),
	/* line ends and controls */
	BAD("bare LF lines", "GET / HTTP/1.1\nHost: a\n\n", LINE_END),
	BAD("bare LF at the end", GET HOST "\n", LINE_END),
	BAD("bare LF after a field", GET "Host: a\n\r\n", LINE_END),
	BAD("LF CR", GET "Host: a\n\r", LINE_END),
	BAD("CR CR LF", GET "Host: a\r\r\n\r\n", LINE_END),
	BAD("bare CR in a value", GET "Host: a\r\nX: b\rc\r\n\r\n", LINE_END),
	BAD("bare CR in the request line", "GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", VERSION),
	BAD("bare CR for the empty line", GET HOST "\rX\r\n\r\n", LINE_END),
	BAD("NUL in a value", GET "Host: a\r\nX: b\0c\r\n\r\n", CONTROL),
	BAD("NUL in Host", GET "Host: a\0b\r\n\r\n", CONTROL),
	BAD("DEL in a value", GET HOST "X: b\x7f\r\n\r\n", CONTROL),
	BAD("BEL in a value", GET HOST "X: b\a\r\n\r\n", CONTROL),
	BAD("escape in a long value", GET HOST "X: 0123456789abcdef0123456789\x1b[31m\r\n\r\n",
	    CONTROL),
	BAD("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("fold with a blank", GET HOST "X: b\r\n c\r\n\r\n", FOLD),
	BAD("fold with a tab", GET HOST "X: b\r\n\tc\r\n\r\n", FOLD),
	BAD("fold of the first field", GET " Host: a\r\n\r\n", FOLD),
	BAD("blank line with a blank", GET HOST " \r\n\r\n", FOLD),
	/* names */
	BAD("empty name", GET HOST ": x\r\n\r\n", HEADER_NAME),
	BAD("no colon", GET HOST "Xy\r\n\r\n", HEADER_NAME),
	BAD("name with a slash", GET HOST "X/y: z\r\n\r\n", HEADER_NAME),
	BAD("name in quotes", GET HOST "\"X\": z\r\n\r\n", HEADER_NAME),
	BAD("name not ASCII", GET HOST "X\xc3\xa4: z\r\n\r\n", HEADER_NAME),
	BAD("long name with a bracket", GET HOST "Xaaaaaaaaaaaaaaaaaaaaaaaaa[: z\r\n\r\n",
	    HEADER_NAME),
	BAD("name with a blank", GET HOST "X y: z\r\n\r\n", HEADER_SPACE),
	BAD("name with a control", GET HOST "X\x01y: z\r\n\r\n", CONTROL),
	/* Host */
	BAD("no Host", GET "\r\n", HOST_MISSING),
	BAD("Host twice", GET "Host: a\r\nHost: a\r\n\r\n", HOST_DUPLICATE),
	BAD("Host twice, letter case", GET "Host: a\r\nhOST: b\r\n\r\n", HOST_DUPLICATE),
	BAD("Host empty", GET "Host:\r\n\r\n", HOST),
	BAD("Host with a blank", GET "Host: a b\r\n\r\n", HOST),
	BAD("Host with a path", GET "Host: a/b\r\n\r\n", HOST),
	BAD("Host with user", GET "Host: u@a\r\n\r\n", HOST),
	BAD("Host list", GET "Host: a,b\r\n\r\n", HOST),
	BAD("Host with #", GET "Host: a#b\r\n\r\n", HOST),
	BAD("Host not ASCII", GET "Host: \xc3\xa4\r\n\r\n", HOST),
	BAD("Host with percent", GET "Host: a%00\r\n\r\n", HOST),
	BAD("Host port empty", GET "Host: a:\r\n\r\n", HOST),
	BAD("Host port too large", GET "Host: a:65536\r\n\r\n", HOST),
	BAD("Host port of six digits", GET "Host: a:000080\r\n\r\n", HOST),
	BAD("Host port of letters", GET "Host: a:b\r\n\r\n", HOST),
	BAD("Host port twice", GET "Host: a:1:2\r\n\r\n", HOST),
	BAD("Host only a port", GET "Host: :80\r\n\r\n", HOST),
	BAD("Host bracket open", GET "Host: [::1\r\n\r\n", HOST),
	BAD("Host bracket empty", GET "Host: []\r\n\r\n", HOST),
	BAD("Host bracket with letters", GET "Host: [xyz]\r\n\r\n", HOST),
	BAD("Host behind a bracket", GET "Host: [::1]a\r\n\r\n", HOST),
	BAD("Host differs", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", HOST_MISMATCH),
	BAD("Host differs by port", "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", HOST_MISMATCH),
	BAD("absolute without Host", "GET http://a/ HTTP/1.1\r\n\r\n", HOST_MISSING),
	/* request line */
	BAD("lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", METHOD),
	BAD("mixed-case method", "GeT / HTTP/1.1\r\nHost: a\r\n\r\n", METHOD),
	BAD("no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", METHOD),
	BAD("method with a tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", METHOD),
	BAD("method with a colon", "G:ET / HTTP/1.1\r\nHost: a\r\n\r\n", METHOD),
	BAD("method of 33 letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n", METHOD),
	BAD("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", METHOD_CONNECT),
	BAD("TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", METHOD),
	BAD("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", METHOD),
	BAD("LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", LINE_END),
	BAD("empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("two blanks before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("two blanks behind the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", VERSION),
	BAD("blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", VERSION),
	BAD("tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("target not ASCII", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("relative target", "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("star without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("absolute with user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("absolute without authority", "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", TARGET),
	BAD("HTTP/0.9", "GET /\r\n\r\n", VERSION),
	BAD("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", VERSION_UNSUPPORTED),
	BAD("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", VERSION_UNSUPPORTED),
	BAD("HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", VERSION),
	BAD("HTTP/1", "GET / HTTP/1\r\nHost: a\r\n\r\n", VERSION),
	BAD("http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n", VERSION),
	BAD("short version, bare LF", "GET / HTTP/1\n\n", LINE_END),
	BAD("blank behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", VERSION),
	BAD("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP2_PREFACE),
	BAD("nearly a preface", "PRI / HTTP/2.0\r\n\r\n", VERSION_UNSUPPORTED),
	/* the rest */
	BAD("Connection not tokens", GET HOST "Connection: a b\r\n\r\n", CONNECTION),
	BAD("Connection with a quote", GET HOST "Connection: \"close\"\r\n\r\n", CONNECTION),
	BAD("Connection of 17 options",
	    GET HOST "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n\r\n", CONNECTION),
	BAD("Expect something", GET HOST "Expect: coffee\r\n\r\n", EXPECT),
	BAD("Authorization twice", GET HOST "Authorization: a\r\nauthorization: b\r\n\r\n",
	    DUPLICATE),
	BAD("Content-Type twice", GET HOST "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
	    DUPLICATE),
	BAD("X-Api-Key twice", GET HOST "X-Api-Key: a\r\nX-Api-Key: b\r\n\r\n", DUPLICATE),
};

static const struct bad_case bad_responses[] = {
	BAD("CL and TE",
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    LENGTH_AND_CODING),
	BAD("CL twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	    LENGTH_DUPLICATE),
	BAD("CL malformed", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", LENGTH),
	BAD("TE gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", CODING),
	BAD("TE gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	    CODING_UNSUPPORTED),
	BAD("TE in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CODING_VERSION),
	BAD("TE with 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
	    CODING_STATUS),
	BAD("CL with 204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", CODING_STATUS),
	BAD("CL with 100", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", CODING_STATUS),
	BAD("status of two digits", "HTTP/1.1 20 OK\r\n\r\n", STATUS_LINE),
	BAD("status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", STATUS_LINE),
	BAD("status 099", "HTTP/1.1 099 OK\r\n\r\n", STATUS_LINE),
	BAD("status 600", "HTTP/1.1 600 OK\r\n\r\n", STATUS_LINE),
	BAD("status negative", "HTTP/1.1 -20 OK\r\n\r\n", STATUS_LINE),
	BAD("status glued", "HTTP/1.1 200OK\r\n\r\n", STATUS_LINE),
	BAD("two blanks", "HTTP/1.1  200 OK\r\n\r\n", STATUS_LINE),
	BAD("no status", "HTTP/1.1\r\n\r\n", STATUS_LINE),
	BAD("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", VERSION_UNSUPPORTED),
	BAD("other protocol", "SSH-2.0-OpenSSH_9.2\r\n", VERSION),
	BAD("NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", CONTROL),
	BAD("bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", LINE_END),
	BAD("bare LF at once", "HTTP/1.1\n", LINE_END),
	BAD("fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", FOLD),
	BAD("empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", VERSION),
	BAD("blank before colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", HEADER_SPACE),
};

static void test_bad_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_requests); i++)
		check(sl_h1_parse_request, bad_requests[i].name, bad_requests[i].text,
		      bad_requests[i].len, -(int)bad_requests[i].bad);
}

static void test_bad_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_responses); i++)
		check(sl_h1_parse_response, bad_responses[i].name, bad_responses[i].text,
		      bad_responses[i].len, -(int)bad_responses[i].bad);
}

struct good_case {
	const char *name;
	const char *text;
	int64_t content_length;
	uint8_t body;
	bool keep_alive;
	uint16_t status_or_method;
	const char *path_or_reason;
	const char *host;
	uint32_t header_count;
};

static const struct good_case good_requests[] = {
	{"least", GET HOST "\r\n", -1, SL_H1_BODY_NONE, true, SL_H1_METHOD_GET, "/", "a", 1},
	{"curl",
	 "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
	 "User-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Type: application/json\r\n"
	 "Content-Length: 17\r\n\r\n",
	 17, SL_H1_BODY_LENGTH, true, SL_H1_METHOD_POST, "/v1/chat/completions", "127.0.0.1:8080",
	 5},
	{"chunked", POST "Transfer-Encoding: Chunked\r\n\r\n", -1, SL_H1_BODY_CHUNKED, true,
	 SL_H1_METHOD_POST, "/v1/chat/completions", "a", 2},
	{"close", GET HOST "Connection: x, Close\r\n\r\n", -1, SL_H1_BODY_NONE, false,
	 SL_H1_METHOD_GET, "/", "a", 2},
	{"close and keep-alive", GET HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", -1,
	 SL_H1_BODY_NONE, false, SL_H1_METHOD_GET, "/", "a", 3},
	{"1.0", "GET / HTTP/1.0\r\n\r\n", -1, SL_H1_BODY_NONE, false, SL_H1_METHOD_GET, "/", NULL,
	 0},
	{"1.0 kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", -1, SL_H1_BODY_NONE, true,
	 SL_H1_METHOD_GET, "/", NULL, 1},
	{"length 0", POST "Content-Length: 0\r\n\r\n", 0, SL_H1_BODY_NONE, true, SL_H1_METHOD_POST,
	 "/v1/chat/completions", "a", 2},
	{"largest length", POST "Content-Length: 9223372036854775807\r\n\r\n", INT64_MAX,
	 SL_H1_BODY_LENGTH, true, SL_H1_METHOD_POST, "/v1/chat/completions", "a", 2},
	{"absolute", "GET http://A.b:80/x?y HTTP/1.1\r\nHost: a.B:80\r\n\r\n", -1, SL_H1_BODY_NONE,
	 true, SL_H1_METHOD_GET, "/x", "a.B:80", 1},
	{"absolute without path", "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n", -1, SL_H1_BODY_NONE,
	 true, SL_H1_METHOD_GET, "/", "a", 1},
	{"absolute in 1.0", "GET http://a/b HTTP/1.0\r\n\r\n", -1, SL_H1_BODY_NONE, false,
	 SL_H1_METHOD_GET, "/b", "a", 0},
	{"star", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", -1, SL_H1_BODY_NONE, true,
	 SL_H1_METHOD_OPTIONS, "*", "a", 1},
	{"IPv6", GET "Host: [2001:db8::1]:8080\r\n\r\n", -1, SL_H1_BODY_NONE, true,
	 SL_H1_METHOD_GET, "/", "[2001:db8::1]:8080", 1},
	{"empty line first", "\r\n" GET HOST "\r\n", -1, SL_H1_BODY_NONE, true, SL_H1_METHOD_GET,
	 "/", "a", 1},
	{"other method", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", -1, SL_H1_BODY_NONE, true,
	 SL_H1_METHOD_OTHER, "/", "a", 1},
	{"odd names and values",
	 GET HOST "!#$%&'*+-.^_`|~09azAZ: \t x \t y\xff \t\r\nEmpty:\r\nBlank: \t \r\n\r\n", -1,
	 SL_H1_BODY_NONE, true, SL_H1_METHOD_GET, "/", "a", 4},
};

static const struct good_case good_responses[] = {
	{"least", "HTTP/1.1 200\r\n\r\n", -1, SL_H1_BODY_UNTIL_CLOSE, false, 200, "", NULL, 0},
	{"empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 0, SL_H1_BODY_NONE, true,
	 200, "", NULL, 1},
	{"length", "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", 3, SL_H1_BODY_LENGTH,
	 true, 404, "Not Found", NULL, 1},
	{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1, SL_H1_BODY_CHUNKED,
	 true, 200, "OK", NULL, 1},
	{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", 3, SL_H1_BODY_LENGTH, false, 200,
	 "OK", NULL, 1},
	{"continue", "HTTP/1.1 100 Continue\r\n\r\n", -1, SL_H1_BODY_NONE, true, 100, "Continue",
	 NULL, 0},
	{"no content", "HTTP/1.1 204 No Content\r\n\r\n", -1, SL_H1_BODY_NONE, true, 204,
	 "No Content", NULL, 0},
	{"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 9,
	 SL_H1_BODY_NONE, true, 304, "Not Modified", NULL, 1},
	{"reason not ASCII", "HTTP/1.1 500 \xc3\xa4h\r\nContent-Length: 0\r\n\r\n", 0,
	 SL_H1_BODY_NONE, true, 500, "\xc3\xa4h", NULL, 1},
};

static void assert_text(const char *name, const char *got, size_t len, const char *expected)
{
	if (!expected) {
		if (got)
			fail_msg("%s: got \"%.*s\", expected none", name, (int)len, got);
		return;
	}
	if (!got || len != strlen(expected) || memcmp(got, expected, len) != 0)
		fail_msg("%s: got \"%.*s\", expected \"%s\"", name, got ? (int)len : 0,
			 got ? got : "", expected);
}

static void check_good(parse_fn *parse, const struct good_case *c)
{
	size_t len = strlen(c->text);
	bool request = parse == sl_h1_parse_request;

	check(parse, c->name, c->text, len, (int)len);
	assert_int_equal(parse_whole(parse, c->text, len), len);
	assert_int_equal(head.content_length, c->content_length);
	assert_int_equal(head.body, c->body);
	assert_int_equal(head.keep_alive, c->keep_alive);
	assert_int_equal(request ? head.method : head.status, c->status_or_method);
	if (request)
		assert_text(c->name, head.path, head.path_len, c->path_or_reason);
	else
		assert_text(c->name, head.reason ? head.reason : "", head.reason_len,
			    c->path_or_reason);
	assert_text(c->name, head.host, head.host_len, c->host);
	assert_int_equal(head.header_count, c->header_count);
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_requests); i++)
		check_good(sl_h1_parse_request, &good_requests[i]);
	for (size_t i = 0; i < COUNT(good_responses); i++)
		check_good(sl_h1_parse_response, &good_responses[i]);
}

/* Bytes behind the head (the body, the next request) are not looked at. */
static void test_bytes_behind(void **state)
{
	static const char text[] = GET HOST "\r\n\n\0\r\nGARBAGE";

	(void)state;
	assert_int_equal(parse_whole(sl_h1_parse_request, text, sizeof(text) - 1),
			 sizeof(GET HOST "\r\n") - 1);
}

static void test_facts(void **state)
{
	static const char text[] =
		"POST /v1/embeddings HTTP/1.1\r\nhOsT: h\r\nAuthorization: Bearer sk-1\r\n"
		"Content-Type: Application/JSON ; charset=utf-8\r\nExpect: 100-Continue\r\n"
		"Connection: upgrade, keep-alive, X-Secret\r\nUpgrade: h2c\r\nX-Request-Id: r1\r\n"
		"X-Sluice-Node: spoof\r\nProxy-Connection: x\r\nX-Odd: 1\r\nx-odd: 2\r\n\r\n";
	const struct sl_h1_header *h;

	(void)state;
	assert_int_equal(parse_whole(sl_h1_parse_request, text, sizeof(text) - 1),
			 sizeof(text) - 1);
	assert_true(head.expect_continue);
	assert_true(head.upgrade);
	assert_true(head.connection_names);
	assert_true(head.keep_alive);
	assert_int_equal(head.content, SL_H1_CONTENT_JSON);
	h = sl_h1_head_find(&head, SL_H1_ID_AUTHORIZATION);
	assert_non_null(h);
	assert_text("authorization", h->value, h->value_len, "Bearer sk-1");
	assert_non_null(sl_h1_head_find(&head, SL_H1_ID_X_SLUICE));
	assert_non_null(sl_h1_head_find(&head, SL_H1_ID_PROXY));
	assert_null(sl_h1_head_find(&head, SL_H1_ID_RETRY_AFTER));
	h = sl_h1_head_find_name(&head, "X-ODD", 5);
	assert_non_null(h);
	assert_text("x-odd", h->value, h->value_len, "1");
	assert_null(sl_h1_head_find_name(&head, "x-even", 6));
}

static void test_retry_after(void **state)
{
	static const struct {
		const char *fields;
		int64_t ms;
	} cases[] = {
		{"", SL_H1_RETRY_AFTER_NONE},
		{"Retry-After: 3\r\n", 3000},
		{"Retry-After: 0\r\n", 0},
		{"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", SL_H1_RETRY_AFTER_UNREAD},
		{"Retry-After: -1\r\n", SL_H1_RETRY_AFTER_UNREAD},
		{"Retry-After: 3\r\nretry-after-ms: 250\r\n", 250},
		{"retry-after-ms: 250\r\nRetry-After: 3\r\n", 250},
		{"retry-after-ms: soon\r\nRetry-After: 3\r\n", 3000},
		{"Retry-After: 99999999999999\r\n", INT64_C(24) * 3600 * 1000},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int len = snprintf(text, sizeof(text), "HTTP/1.1 429 Too Many\r\n%s\r\n",
				   cases[i].fields);

		assert_int_equal(parse_whole(sl_h1_parse_response, text, (size_t)len), len);
		assert_int_equal(head.retry_after_ms, cases[i].ms);
	}
}

/* Every id is found by its name in any letter case, and by no shorter or longer name. */
static void test_ids(void **state)
{
	static const struct {
		const char *name;
		enum sl_h1_id id;
	} cases[] = {
		{"Host", SL_H1_ID_HOST},
		{"Content-Length", SL_H1_ID_CONTENT_LENGTH},
		{"Transfer-Encoding", SL_H1_ID_TRANSFER_ENCODING},
		{"Connection", SL_H1_ID_CONNECTION},
		{"Keep-Alive", SL_H1_ID_KEEP_ALIVE},
		{"TE", SL_H1_ID_TE},
		{"Trailer", SL_H1_ID_TRAILER},
		{"Upgrade", SL_H1_ID_UPGRADE},
		{"HTTP2-Settings", SL_H1_ID_HTTP2_SETTINGS},
		{"Expect", SL_H1_ID_EXPECT},
		{"Accept", SL_H1_ID_ACCEPT},
		{"Accept-Encoding", SL_H1_ID_ACCEPT_ENCODING},
		{"Authorization", SL_H1_ID_AUTHORIZATION},
		{"Cache-Control", SL_H1_ID_CACHE_CONTROL},
		{"Content-Encoding", SL_H1_ID_CONTENT_ENCODING},
		{"Content-Type", SL_H1_ID_CONTENT_TYPE},
		{"Cookie", SL_H1_ID_COOKIE},
		{"Date", SL_H1_ID_DATE},
		{"Forwarded", SL_H1_ID_FORWARDED},
		{"Retry-After", SL_H1_ID_RETRY_AFTER},
		{"Retry-After-Ms", SL_H1_ID_RETRY_AFTER_MS},
		{"Server", SL_H1_ID_SERVER},
		{"Traceparent", SL_H1_ID_TRACEPARENT},
		{"Tracestate", SL_H1_ID_TRACESTATE},
		{"User-Agent", SL_H1_ID_USER_AGENT},
		{"Via", SL_H1_ID_VIA},
		{"X-Api-Key", SL_H1_ID_X_API_KEY},
		{"X-Request-Id", SL_H1_ID_X_REQUEST_ID},
		{"X-Should-Retry", SL_H1_ID_X_SHOULD_RETRY},
	};
	char name[32];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].name);

		for (size_t k = 0; k <= len; k++)
			name[k] = (char)(cases[i].name[k] >= 'a' && cases[i].name[k] <= 'z' && k % 2
						 ? cases[i].name[k] - 32
						 : cases[i].name[k]);
		assert_int_equal(sl_h1_name_id(cases[i].name, len), cases[i].id);
		assert_int_equal(sl_h1_name_id(place(name, len), len), cases[i].id);
		for (size_t k = 0; k < len; k++) {
			memcpy(name, cases[i].name, len);
			name[k] = '_';
			assert_int_equal(sl_h1_name_id(name, len), SL_H1_ID_OTHER);
		}
	}
	assert_int_equal(sl_h1_name_id("X-Sluice-", 9), SL_H1_ID_OTHER);
	assert_int_equal(sl_h1_name_id("x-sLuice-A", 10), SL_H1_ID_X_SLUICE);
	assert_int_equal(sl_h1_name_id("x-ratelimit-limit-requests", 26), SL_H1_ID_X_RATELIMIT);
	assert_int_equal(sl_h1_name_id("X-Forwarded-For", 15), SL_H1_ID_X_FORWARDED);
	assert_int_equal(sl_h1_name_id("Proxy-Authorization", 19), SL_H1_ID_PROXY);
}

/* Exactly at each limit a head passes, one beyond it is refused with the limit's reason. */
static void test_limits(void **state)
{
	char *text = malloc(ROOM);
	size_t len;

	(void)state;
	for (int extra = 0; extra < 2; extra++) { /* number of headers */
		len = (size_t)sprintf(text, GET HOST);
		for (int i = 1; i < SL_H1_HEADERS_MAX + extra; i++)
			len += (size_t)sprintf(text + len, "H%d: v\r\n", i);
		len += (size_t)sprintf(text + len, "\r\n");
		assert_int_equal(parse_whole(sl_h1_parse_request, text, len),
				 extra ? -SL_H1_BAD_HEADERS_MANY : (int)len);
	}
	for (size_t extra = 0; extra < 2; extra++) { /* length of the target */
		len = (size_t)sprintf(text, "GET /");
		memset(text + len, 'a', SL_H1_TARGET_BYTES_MAX - 1 + extra);
		len += SL_H1_TARGET_BYTES_MAX - 1 + extra;
		if (extra) /* refused before the blank behind it has come */
			assert_int_equal(parse_whole(sl_h1_parse_request, text, len),
					 -SL_H1_BAD_TARGET_LONG);
		len += (size_t)sprintf(text + len, " HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_int_equal(parse_whole(sl_h1_parse_request, text, len),
				 extra ? -SL_H1_BAD_TARGET_LONG : (int)len);
	}
	for (size_t extra = 0; extra < 2; extra++) { /* length of the head */
		size_t max = SL_H1_REQUEST_HEAD_BYTES_MAX + extra;

		len = (size_t)sprintf(text, GET HOST "X: ");
		memset(text + len, 'a', max - len - 4);
		memcpy(text + max - 4, "\r\n\r\n", 5);
		assert_int_equal(parse_whole(sl_h1_parse_request, text, max),
				 extra ? -SL_H1_BAD_HEAD_LONG : (int)max);
		assert_int_equal(sl_h1_parse_request(place(text, max), max, max - 1, &head),
				 extra ? -SL_H1_BAD_HEAD_LONG : (int)max);
		max = SL_H1_RESPONSE_HEAD_BYTES_MAX + extra;
		len = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nX: ");
		memset(text + len, 'a', max - len - 4);
		memcpy(text + max - 4, "\r\n\r\n", 5);
		assert_int_equal(parse_whole(sl_h1_parse_response, text, max),
				 extra ? -SL_H1_BAD_HEAD_LONG : (int)max);
	}
	free(text);
}

/* Each control byte is refused wherever it stands relative to a 16-byte load. */
static void test_controls_everywhere(void **state)
{
	char text[128];
	size_t start = sizeof(GET HOST "X: ") - 1;

	(void)state;
	for (unsigned int b = 0; b < 256; b++) {
		bool bad = (b < 0x20 && b != '\t') || b == 0x7f;

		for (size_t at = 0; at < 40; at++) {
			size_t len = (size_t)sprintf(text, GET HOST "X: %040d\r\n\r\n", 0);
			int rc;

			text[start + at] = (char)b;
			rc = parse_whole(sl_h1_parse_request, text, len);
			if (bad ? rc >= 0 : rc != (int)len)
				fail_msg("byte %02x at %zu: %d", b, at, rc);
		}
	}
}

static void test_reasons(void **state)
{
	(void)state;
	for (int bad = 1; bad < SL_H1_BAD_COUNT; bad++) {
		int status = sl_h1_bad_status((enum sl_h1_bad)bad);

		assert_non_null(sl_h1_bad_text((enum sl_h1_bad)bad));
		assert_true(status == 400 || status == 414 || status == 417 || status == 431 ||
			    status == 501 || status == 505);
	}
	assert_int_equal(sl_h1_bad_status(SL_H1_BAD_TARGET_LONG), 414);
	assert_int_equal(sl_h1_bad_status(SL_H1_BAD_HEAD_LONG), 431);
	assert_int_equal(sl_h1_bad_status(SL_H1_BAD_CODING_UNSUPPORTED), 501);
	assert_int_equal(sl_h1_bad_status(SL_H1_BAD_VERSION_UNSUPPORTED), 505);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_bad_responses),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bytes_behind),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_controls_everywhere),
		cmocka_unit_test(test_reasons),
	};
	int rc;

	room = sl_guard_alloc(ROOM);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sl_guard_free(room, ROOM);
	return rc;
}
