/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cost of the wire parsers: CPU time per operation, see timing.h, on inputs as
 * the daemon meets them. Prints one line each; no test depends on the figures.
 *
 *	build/bench/parse
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/timing.h"
#include "user/http/h1_chunk.h"
#include "user/http/h1_parse.h"
#include "user/http/h1_write.h"
#include "user/http/sse.h"
#include "user/wire/json_scan.h"
#include "user/wire/openai.h"

#define BODY_BYTES 3700
#define LONG_BYTES 220000 /* a prompt with a document in it */
#define CHUNKS	   16	  /* events in one received buffer */

static const char request[] =
	"POST /v1/chat/completions HTTP/1.1\r\n"
	"Host: 127.0.0.1:8080\r\n"
	"Accept: application/json\r\n"
	"Content-Type: application/json\r\n"
	"User-Agent: OpenAI/Python 1.51.0\r\n"
	"X-Stainless-Lang: python\r\n"
	"X-Stainless-Package-Version: 1.51.0\r\n"
	"X-Stainless-OS: Linux\r\n"
	"X-Stainless-Retry-Count: 0\r\n"
	"Authorization: Bearer sk-0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
	"Accept-Encoding: gzip, deflate\r\n"
	"Content-Length: 3700\r\n\r\n";

static const char response[] = "HTTP/1.1 200 OK\r\n"
			       "date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
			       "server: uvicorn\r\n"
			       "content-type: text/event-stream; charset=utf-8\r\n"
			       "x-request-id: 0123456789abcdef\r\n"
			       "transfer-encoding: chunked\r\n\r\n";

static const char event[] =
	"data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":"
	"1700000000,\"model\":\"llama-3\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
	"\" token\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";

static char body[8192];
static size_t body_len;
static char escaped_body[8192];
static size_t escaped_body_len;
static char long_body[LONG_BYTES + 4096];
static size_t long_body_len;
static char events[CHUNKS * sizeof(event)];
static size_t events_len;
static char chunks[CHUNKS * (sizeof(event) + SL_H1_CHUNK_HEAD_MAX + 2)];
static size_t chunks_len;
static struct sl_h1_head head;

static size_t run_request(void)
{
	return (size_t)sl_h1_parse_request(request, sizeof(request) - 1, 0, &head);
}

static size_t run_response(void)
{
	return (size_t)sl_h1_parse_response(response, sizeof(response) - 1, 0, &head);
}

/* head was parsed from request before. */
static size_t run_relay_head(void)
{
	static char out[4096];
	struct sl_h1_out o;

	sl_h1_out_init(&o, out, sizeof(out));
	sl_h1_write_request_line(&o, head.method_text, head.method_len, head.path, head.path_len);
	SL_H1_WRITE_HEADER(&o, "host", "10.0.0.7:8000", 13);
	sl_h1_write_headers_of(&o, &head, SL_H1_ID_BIT(SL_H1_ID_AUTHORIZATION));
	sl_h1_write_content_length(&o, BODY_BYTES);
	return (size_t)sl_h1_write_end(&o);
}

static size_t run_chunks(void)
{
	struct sl_h1_chunk c;
	size_t at = 0, used, data_len, total = 0;
	const char *data;

	sl_h1_chunk_init(&c);
	while (at < chunks_len) {
		if (sl_h1_chunk_feed(&c, chunks + at, chunks_len - at, &used, &data, &data_len) < 0)
			abort();
		at += used;
		total += data_len;
	}
	return total;
}

static size_t run_events(void)
{
	struct sl_sse_event e;
	struct sl_sse s;
	size_t pos = 0, total = 0;

	sl_sse_init(&s, NULL, 0);
	while (sl_sse_next(&s, events, events_len, &pos, &e) == 1)
		total += e.data_len;
	return total;
}

static size_t run_events_read(void)
{
	struct sl_openai_chunk c;
	struct sl_sse_event e;
	struct sl_sse s;
	size_t pos = 0, total = 0;

	sl_sse_init(&s, NULL, 0);
	while (sl_sse_next(&s, events, events_len, &pos, &e) == 1) {
		sl_openai_chunk_read(e.data, e.data_len, &c);
		total += c.flags;
	}
	return total;
}

static size_t run_request_body(void)
{
	struct sl_openai_request q;
	struct sl_openai_error e;

	if (sl_openai_request_read(SL_OPENAI_CHAT, body, body_len, &q, &e))
		abort();
	return q.prompt_bytes;
}

static size_t run_scan(const char *text, size_t len)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("model"), SL_JSON_FIELD("stream"),
				    SL_JSON_FIELD("max_tokens"), SL_JSON_FIELD("messages")};

	if (sl_json_scan(text, len, f, 4) < 0)
		abort();
	return f[3].value_len;
}

static size_t run_body(void)
{
	return run_scan(body, body_len);
}

static size_t run_escaped_body(void)
{
	return run_scan(escaped_body, escaped_body_len);
}

static size_t run_long_body(void)
{
	return run_scan(long_body, long_body_len);
}

static size_t fill_body(char *out, size_t bytes, const char *unit)
{
	size_t len = (size_t)sprintf(out, "{\"model\":\"llama-3\",\"stream\":true,\"messages\":[");

	for (int i = 0; i < 4; i++) {
		size_t stop = (size_t)(i + 1) * (bytes / 4 - 16);

		len += (size_t)sprintf(out + len, "%s{\"role\":\"user\",\"content\":\"",
				       i ? "," : "");
		while (len < stop)
			len += (size_t)sprintf(out + len, "%s", unit);
		len += (size_t)sprintf(out + len, "\"}");
	}
	return len + (size_t)sprintf(out + len, "],\"max_tokens\":256,\"temperature\":0.7}");
}

static void fill(void)
{
	body_len = fill_body(body, BODY_BYTES,
			     "The quick brown fox jumps over the lazy dog, and again. ");
	long_body_len =
		fill_body(long_body, LONG_BYTES,
			  "What do the people who live beside the river say about the "
			  "winter? It was long, they say, and the ice stood high; nobody "
			  "went out but for wood. The old ferry lay upside down on the bank, "
			  "and children slid over it until the paint was gone. In March the "
			  "water came, brown and quick, and took the lower fence along.\\n\\n");
	escaped_body_len =
		fill_body(escaped_body, BODY_BYTES, "\\tif (a[i] == \\\"x\\\")\\n\\t\\treturn; ");
	for (int i = 0; i < CHUNKS; i++) {
		memcpy(events + events_len, event, sizeof(event) - 1);
		events_len += sizeof(event) - 1;
		chunks_len += sl_h1_write_chunk_head(chunks + chunks_len, sizeof(event) - 1);
		memcpy(chunks + chunks_len, event, sizeof(event) - 1);
		chunks_len += sizeof(event) - 1;
		memcpy(chunks + chunks_len, SL_H1_CHUNK_TAIL, 2);
		chunks_len += 2;
	}
}

static void measure(const char *name, size_t (*run)(void), int parts)
{
	printf("%-58s %8.1f ns\n", name, timing_ns(run) / parts);
}

int main(void)
{
	char name[80];

	fill();
	measure("response head, 5 fields", run_response, 1);
	measure("request head, 11 fields", run_request, 1);
	measure("request head written for the node, 10 fields", run_relay_head, 1);
	measure("chunk of a chunked body", run_chunks, CHUNKS);
	snprintf(name, sizeof(name), "SSE event of %zu bytes, found", sizeof(event) - 1);
	measure(name, run_events, CHUNKS);
	snprintf(name, sizeof(name), "SSE event of %zu bytes, found and read", sizeof(event) - 1);
	measure(name, run_events_read, CHUNKS);
	snprintf(name, sizeof(name), "JSON body of %zu bytes of prose, 4 fields", body_len);
	measure(name, run_body, 1);
	snprintf(name, sizeof(name), "JSON body of %zu bytes of code, 4 fields", escaped_body_len);
	measure(name, run_escaped_body, 1);
	snprintf(name, sizeof(name), "JSON body of %zu bytes of prose, 4 fields", long_body_len);
	measure(name, run_long_body, 1);
	snprintf(name, sizeof(name), "chat request of %zu bytes of prose, all facts", body_len);
	measure(name, run_request_body, 1);
	return 0;
}
