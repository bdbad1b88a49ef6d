/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reasons for which an HTTP/1.x head is refused, as text and as the status to answer.
 * Owns one constant table; pure, any thread.
 */
#include "user/http/h1_parse.h"

static const struct {
	const char *text;
	uint16_t status;
} bads[SL_H1_BAD_COUNT] = {
	[SL_H1_BAD_NONE] = {"no fault", 200},
	[SL_H1_BAD_HTTP2_PREFACE] = {"HTTP/2 preface on an HTTP/1.1 connection", 505},
	[SL_H1_BAD_METHOD] = {"malformed method", 400},
	[SL_H1_BAD_METHOD_CONNECT] = {"CONNECT is not served here", 501},
	[SL_H1_BAD_TARGET] = {"malformed request target", 400},
	[SL_H1_BAD_TARGET_LONG] = {"request target too long", 414},
	[SL_H1_BAD_VERSION] = {"malformed HTTP version", 400},
	[SL_H1_BAD_VERSION_UNSUPPORTED] = {"HTTP version is neither 1.0 nor 1.1", 505},
	[SL_H1_BAD_STATUS_LINE] = {"malformed status line", 400},
	[SL_H1_BAD_LINE_END] = {"line does not end in CR LF", 400},
	[SL_H1_BAD_CONTROL] = {"control byte in the head", 400},
	[SL_H1_BAD_FOLD] = {"header line begins with a blank", 400},
	[SL_H1_BAD_HEADER_NAME] = {"malformed header name", 400},
	[SL_H1_BAD_HEADER_SPACE] = {"blank between header name and colon", 400},
	[SL_H1_BAD_HEADERS_MANY] = {"too many header fields", 431},
	[SL_H1_BAD_HEAD_LONG] = {"head too long", 431},
	[SL_H1_BAD_HOST_MISSING] = {"Host is missing", 400},
	[SL_H1_BAD_HOST_DUPLICATE] = {"more than one Host", 400},
	[SL_H1_BAD_HOST] = {"malformed Host", 400},
	[SL_H1_BAD_HOST_MISMATCH] = {"Host differs from the request target", 400},
	[SL_H1_BAD_LENGTH] = {"malformed Content-Length", 400},
	[SL_H1_BAD_LENGTH_DUPLICATE] = {"more than one Content-Length", 400},
	[SL_H1_BAD_LENGTH_AND_CODING] = {"Content-Length together with Transfer-Encoding", 400},
	[SL_H1_BAD_CODING] = {"malformed Transfer-Encoding", 400},
	[SL_H1_BAD_CODING_UNSUPPORTED] = {"Transfer-Encoding other than chunked", 501},
	[SL_H1_BAD_CODING_VERSION] = {"Transfer-Encoding in HTTP/1.0", 400},
	[SL_H1_BAD_CODING_STATUS] = {"body announced for a status that has none", 400},
	[SL_H1_BAD_CONNECTION] = {"malformed Connection", 400},
	[SL_H1_BAD_EXPECT] = {"Expect other than 100-continue", 417},
	[SL_H1_BAD_DUPLICATE] = {"header field that must occur once occurs twice", 400},
	[SL_H1_BAD_PSEUDO] = {"pseudo field missing, unknown, malformed, twice or out of place",
			      400},
	[SL_H1_BAD_OF_CONNECTION] = {"header field of a connection in HTTP/2", 400},
};

const char *sl_h1_bad_text(enum sl_h1_bad bad)
{
	return (unsigned int)bad < SL_H1_BAD_COUNT ? bads[bad].text : "unknown fault";
}

int sl_h1_bad_status(enum sl_h1_bad bad)
{
	return (unsigned int)bad < SL_H1_BAD_COUNT ? bads[bad].status : 400;
}
